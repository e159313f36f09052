"""Measures rustfits and other packages in one process, by turns, and prints medians.

    python benches/peers/run.py [--quick] [--only REGEX] [--rounds N] [--data DIRECTORY] [--no-memory]

Files are in the page cache. Each round asks every reader once, ours first, then the peers. "ratio" is the best peer's
time over ours (or that of the peer the target names); a result is dropped before the next reader starts. astropy
delivers big-endian arrays, the others native ones: its times are as it comes. A peer that is no target's base and needs
more than a second is read once only.

"memory" is the peak over what the process held before, less the result, in MiB: each reader alone in a process of its
own, after one warm-up of a small file. It is Linux's VmHWM, reset before the reading.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import tables
import works
import writing
from data import Data
from servers import Servers
from works import Work

QUICK_SCALE = 8
SECONDS_PER_WORK = 20
SLOW_SECONDS = 1.0
MEMORY = re.compile(r"image|stamps|table|RICE f4 whole|RICE i4 whole")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="an eighth of the sizes, three rounds, no memory",
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="only works whose name matches"
    )
    parser.add_argument(
        "--rounds", type=int, default=None, help="how often each reader is asked (7)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()) / "rustfits-bench"
    )
    parser.add_argument("--no-memory", action="store_true", help="leave the memory out")
    parser.add_argument(
        "--memory-of", nargs=2, metavar=("WORK", "READER"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


def all_works(data: Data, servers: Servers, quick: bool) -> Iterator[Work]:
    yield from works.images(data)
    yield from works.headers(data)
    yield from writing.writing(data)
    yield from works.tables(data)
    yield from works.other_tables(data)
    yield from tables.more_tables(data)
    yield from works.compressed(data)
    yield from works.remote(data, servers)
    yield from works.bulk(data, servers, 100 if quick else 500)


def measure(work: Work, rounds: int) -> dict[str, float]:
    """Milliseconds, the median of each reader; one that fails is named on stderr and left out."""
    times: dict[str, list[float]] = {}
    readers = dict(work.readers)
    for name, read in work.readers.items():
        before = time.perf_counter()
        try:
            read()
        except Exception as error:  # a peer that cannot read it is no reason to stop
            if name == "rustfits":
                raise
            print(
                f"{work.name}: {name}: {type(error).__name__}: {error}", file=sys.stderr
            )
            del readers[name]
            continue
        seconds = time.perf_counter() - before
        if name not in ("rustfits", work.base) and seconds > SLOW_SECONDS:
            times[name] = [seconds * 1e3]  # slow enough to be known from one reading
            del readers[name]
    start = time.monotonic()
    for turn in range(rounds):
        if turn >= 3 and time.monotonic() - start > SECONDS_PER_WORK:
            break
        for name, read in readers.items():
            gc.collect()
            before = time.perf_counter()
            result = read()
            times.setdefault(name, []).append((time.perf_counter() - before) * 1e3)
            del result
    return {name: statistics.median(list_) for name, list_ in times.items()}


def high_water() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


def memory_of(work: Work, reader: str, data: Data) -> float:
    """MiB over the result; in a process of its own."""
    small = data.small(1)[0]
    for warm in (works._ours, works._fitsio, works._astropy):
        warm(small)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water()
    result = work.readers[reader]()
    return (high_water() - before - works.nbytes(result)) / (1 << 20)


def memory(work: Work, reader: str, options: argparse.Namespace) -> float | None:
    command = [
        sys.executable,
        __file__,
        "--data",
        str(options.data),
        "--memory-of",
        work.name,
        reader,
    ]
    done = subprocess.run(
        command + (["--quick"] if options.quick else []),
        capture_output=True,
        text=True,
        check=False,
    )
    return float(json.loads(done.stdout)) if done.returncode == 0 else None


def line(
    work: Work, times: dict[str, float], memories: dict[str, float | None]
) -> tuple[str, bool]:
    ours = times["rustfits"]
    peers = {name: ms for name, ms in times.items() if name != "rustfits"}
    base = (
        work.base
        if work.base in peers
        else min(peers, key=peers.__getitem__, default=None)
    )
    ratio = peers[base] / ours if base else float("nan")
    reached = work.target is None or ratio >= work.target
    shown = "; ".join(f"{name} {ms:.1f}" for name, ms in peers.items())
    held = "; ".join(
        f"{name} {mib:.1f}" for name, mib in memories.items() if mib is not None
    )
    verdict = "" if reached else " MISSED"
    return (
        f"| {work.name} | {ours:.1f} | {shown} | {ratio:.2f} ({base}) | {work.target}{verdict} | {held} |",
        reached,
    )


def main() -> None:
    options = parse()
    data = Data(options.data, QUICK_SCALE if options.quick else 1)
    rounds = options.rounds or (3 if options.quick else 7)
    with Servers(data.root, options.data / "servers") as servers:
        if options.memory_of:
            name, reader = options.memory_of
            local = [
                *works.images(data),
                *works.tables(data),
                *works.other_tables(data),
                *works.compressed(data),
            ]
            print(
                json.dumps(
                    memory_of(next(w for w in local if w.name == name), reader, data)
                )
            )
            return
        print(
            "| work | rustfits ms | peers ms | ratio | target | memory MiB |\n| --- | --- | --- | --- | --- | --- |"
        )
        missed = 0
        for work in all_works(data, servers, options.quick):
            if not re.search(options.only, work.name):
                continue
            times = measure(work, rounds)
            wanted = MEMORY.search(work.name) and not (
                options.quick or options.no_memory
            )
            wanted = wanted and Path("/proc/self/clear_refs").exists()
            text, reached = line(
                work,
                times,
                {r: memory(work, r, options) for r in times if times[r] < 1500}
                if wanted
                else {},
            )
            print(text, flush=True)
            missed += not reached
        print(f"\n{missed} targets missed", flush=True)


if __name__ == "__main__":
    main()
