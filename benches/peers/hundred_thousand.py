"""A hundred thousand files from a generator, with a consumer that sometimes sleeps: does memory stay flat?

Run it as ``RUSTFITS_LOOPBACK=target/release/loopback python benches/peers/hundred_thousand.py [FILES]``; it needs
only rustfits. It prints files per second, and how far the peak of this process's memory lies above where it began.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import rustfits
from servers import Servers

SLEEP_EVERY_FILES = 1000
SLEEP_SECONDS = 0.05
CARDS = (
    "SIMPLE  =                    T",
    "BITPIX  =                    8",
    "NAXIS   =                    0",
    "END",
)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "a.fits").write_text(
            "".join(f"{card:80}" for card in CARDS).ljust(2880)
        )
        with Servers(root, root / "run") as servers:
            base = servers.start_own(["http"], 0)["http"]

            def urls() -> Iterator[str]:
                for number in range(files):
                    yield f"{base}/a.fits?number={number}"

            before, early, taken = peak_mib(), 0.0, 0
            begun = time.perf_counter()
            for result in rustfits.fetch_many(urls(), per_host=16):
                if result.error is not None:
                    raise result.error
                taken += 1
                if taken % SLEEP_EVERY_FILES == 0:
                    time.sleep(SLEEP_SECONDS)
                if taken == files // 100:
                    early = peak_mib()
            seconds = time.perf_counter() - begun
    assert taken == files
    print(f"{taken} files in {seconds:.1f} s: {taken / seconds:.0f} files/s")
    print(
        f"peak memory: {before:.1f} MiB before, {early:.1f} after 1 % of the files, {peak_mib():.1f} at the end"
    )


if __name__ == "__main__":
    main()
