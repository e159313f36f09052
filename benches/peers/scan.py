"""Goes through a large table in chunks, and says how fast and in how much memory.

    python benches/peers/scan.py [--gb 10] [--data DIRECTORY] [--full]

The file is made once, with holes (it takes no room on disk) unless `--full`. Each way of going through it is a process of its own; its
memory is the growth of Linux's VmHWM from before the first chunk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rustfits

# 100 bytes a row.
DTYPE = [("a", "f8"), ("b", "i4"), ("s", "S40"), ("m", "f4", 12)]
ROW_BYTES = 100
WAYS = ("iter()", "iter(chunksize=100_000)", "Arrow")


def made(directory: Path, gigabytes: float, full: bool) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"scan-{gigabytes:g}{'-full' if full else ''}.fits"
    rows = int(gigabytes * 1e9 / ROW_BYTES)
    if not path.exists():
        with rustfits.FITS(path, "w+", atomic=True) as fits:
            table = fits.create_table_hdu(DTYPE, rows)
            for start in range(0, rows, 1_000_000) if full else ():
                table["a"][start : start + 1_000_000] = 1.5
    return path


def high_water() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


def scan(path: str, way: str) -> None:
    with rustfits.FITS(path) as fits:
        table = fits[1]
        if way == "Arrow":
            import pyarrow

            chunks = pyarrow.RecordBatchReader.from_stream(table)
        else:
            chunks = table.iter(chunksize=100_000 if "=" in way else None)
        before, start, rows = high_water(), time.perf_counter(), 0
        for chunk in chunks:
            rows += len(chunk)
        seconds = time.perf_counter() - start
    mib = (high_water() - before) / (1 << 20)
    print(f"| {way} | {rows:,} | {rows * ROW_BYTES / seconds / 1e9:.2f} | {mib:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--gb", type=float, default=10, help="how large the table is (10)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()) / "rustfits-bench"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="write the rows, so that they are read from disk",
    )
    parser.add_argument(
        "--one", nargs=2, metavar=("PATH", "WAY"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.one:
        scan(*options.one)
        return
    path = made(options.data, options.gb, options.full)
    print("| way | rows | GB/s | memory MiB |\n| --- | --- | --- | --- |", flush=True)
    for way in WAYS:
        subprocess.run([sys.executable, __file__, "--one", path, way], check=True)


if __name__ == "__main__":
    main()
