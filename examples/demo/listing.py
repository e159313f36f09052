"""Prints the table: all failures, and as many of the rest as make about 40 lines."""

from __future__ import annotations

import shutil

from look import Row

LINES = 40


def _number(value: float) -> str:
    return f"{value:.5g}"


def _line(row: Row) -> str:
    shape = "x".join(map(str, row.shape)) if row.shape else "-"
    low, middle, high = map(_number, row.statistics) if row.statistics else "---"
    hdus = "-" if row.hdus is None else row.hdus
    return (
        f"{row.name:<34.34} {row.protocol:<5} {hdus:>4} {shape:>12} {low:>10} {middle:>10} {high:>10}"
        f" {row.bytes:>10,} {row.seconds * 1e3:>6.0f} {row.attempts:>3}"
    )


def show(rows: list[Row]) -> None:
    rows = sorted(rows, key=lambda row: row.name)
    failed = [row for row in rows if row.error]
    fine = [row for row in rows if not row.error]
    step = -(-len(fine) // max(LINES - len(failed), 10))
    numbers = f"{'min':>10} {'median':>10} {'max':>10} {'bytes':>10} {'ms':>6} {'att':>3}"
    head = f"{'file':<34} {'by':<5} {'HDUs':>4} {'shape':>12} {numbers}"
    print(head)
    print("-" * len(head))
    for row in fine[::step]:
        print(_line(row))
    print(f"... and {len(fine) - len(fine[::step])} more that were read. Those that failed:")
    width = max(shutil.get_terminal_size((120, 24)).columns, 100)
    for row in failed:
        print(_line(row))
        print(f"    {row.error}"[: 2 * width])
