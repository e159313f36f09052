"""What bad tables and bad values get: an error that names file, HDU, column and row, and what can be done."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import raw_file
from random_tables import PRIMARY

import rustfits

UNREADABLE = ": this table can't be read, the other HDUs can$"
OTHERS = ": read the other rows, or the other columns$"
FILE = "^<bytes>: HDU 1: "


def table(
    forms: list[str], rows: int, data: bytes, *cards: str, row_len: int, kind: str = "BINTABLE", **counts: int
) -> Any:
    head = [
        f"XTENSION= '{kind:8}'", "BITPIX  = 8", "NAXIS   = 2", f"NAXIS1  = {row_len}", f"NAXIS2  = {rows}",
        f"PCOUNT  = {counts.get('heap', 0)}", "GCOUNT  = 1", f"TFIELDS = {counts.get('fields', len(forms))}",
    ]  # fmt: skip
    for number, form in enumerate(forms, 1):
        head += [f"TTYPE{number}  = 'c{number}'", f"TFORM{number}  = '{form}'"]
    return rustfits.FITS.from_bytes(PRIMARY + raw_file(*head, *cards, data=data))[1]


def arrays(form: str, *descriptors: tuple[int, int], heap: bytes = bytes(12), cards: tuple[str, ...] = ()) -> Any:
    wide = "Q" in form
    rows = b"".join(struct.pack(">qq" if wide else ">ii", *descriptor) for descriptor in descriptors)
    return table([form], len(descriptors), rows + heap, *cards, row_len=16 if wide else 8, heap=len(heap))


BAD: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: arrays("1PE(3)", (1, 0), (-1, 0)),
        r"column 'c1', row 1: the descriptor \(-1, 0\) has a negative length" + OTHERS,
    ),
    (
        lambda: arrays("1QE(3)", (1, 0), (1, -4)),
        r"column 'c1', row 1: the descriptor \(1, -4\) has a negative offset" + OTHERS,
    ),
    (
        lambda: arrays("1PE(3)", (1, 0), (4, 0)),
        r"column 'c1', row 1: the descriptor \(4, 0\) goes past.*12 bytes" + OTHERS,
    ),
    (lambda: arrays("1PE(3)", (1, 99)), r"column 'c1', row 0: the descriptor \(1, 99\) goes past.*12 bytes" + OTHERS),
    (lambda: arrays("1QD(3)", (1, 0), (2**62, 2**62)), r"column 'c1', row 1: the descriptor .* goes past.*" + OTHERS),
    (
        lambda: arrays("1PB(9)", *[(500_000, 0)] * 1000, heap=bytes(500_000)),
        r"column 'c1', row \d+: the arrays up to here take \d+ bytes, more than .* plausibly holds: read fewer rows$",
    ),
    (lambda: arrays("1PE(3)", (1, 0), cards=("THEAP   = 4",)), "THEAP is 4, within .*: read the columns that are not"),
    (
        lambda: table(["J", "J"], 1, bytes(6), row_len=6),
        "column 2: TFORM 'J' .*NAXIS1 is 6, the column starts at 4" + UNREADABLE,
    ),
    (
        lambda: table(["J"], 1, bytes(4), row_len=4, fields=1000),
        "TFIELDS is 1000; a table has 0 to 999 columns" + UNREADABLE,
    ),
    (lambda: table(["J"], 1, bytes(4), row_len=4, fields=-1), "TFIELDS is -1; .*" + UNREADABLE),
    (lambda: table(["J"], 1, bytes(8), row_len=8, fields=2), "column 2: TFORM2 is missing" + UNREADABLE),
    (
        lambda: table(["4A"], 2, b"abcdca\xe9f", row_len=4),
        r"column 'c1', row 1: the text 'ca\\xe9f'.*as_bytes=True.*lenient",
    ),
    (
        lambda: table(
            ["I4", "F8.2"], 2, b"   1    1.25   2    1x25", "TBCOL1  = 1", "TBCOL2  = 5", row_len=12, kind="TABLE"
        ),
        "column 'c2', row 1: the field '1x25' is not a number: read the other columns, or other rows$",
    ),
    (
        lambda: table(["A4"], 2, b"abcdca\xe9f", "TBCOL1  = 1", row_len=4, kind="TABLE"),
        r"column 'c1', row 1: the text 'ca\\xe9f'.*as_bytes=True.*lenient",
    ),
    (
        lambda: table(["A4"], 1, b"abcd", "TBCOL1  = 3", row_len=4, kind="TABLE"),
        "column 1: .*TBCOL 3.*NAXIS1 is 4" + UNREADABLE,
    ),
    (lambda: table(["A4"], 1, b"abcd", row_len=4, kind="TABLE"), "column 1: TBCOL1 is missing" + UNREADABLE),
]


@pytest.mark.parametrize(("make", "says"), BAD)
def test_bad_tables_are_refused_by_place(make: Callable[[], Any], says: str):
    with pytest.raises(ValueError, match=FILE + says):
        make().read()


def test_arrays_may_overlap():
    """As the standard has it (7.3.6), the heap may be shared: only what multiplies it is refused."""
    assert [cell.tolist() for cell in arrays("1PB(2)", (2, 0), (2, 1), heap=b"\1\2\3").read()["c1"]] == [[1, 2], [2, 3]]


def test_a_tdim_of_another_size_leaves_the_cell_flat():
    hdu = table(["6B"], 1, bytes(range(6)), "TDIM1   = '(4,2)'", row_len=6)
    assert hdu["c1"][:].tolist() == [[0, 1, 2, 3, 4, 5]]


def test_what_follows_a_nul_is_no_text():
    assert table(["4A"], 2, b"ab\0zefgh", row_len=4)["c1"][:].tolist() == ["ab", "efgh"]


@pytest.mark.parametrize("row", [2, -3, 2**40])
def test_rows_out_of_range_are_named(row: int):
    hdu = table(["J"], 2, bytes(8), row_len=4)
    for read in (lambda: hdu[row], lambda: hdu.read(rows=[0, row]), lambda: hdu["c1"][[row]]):
        with pytest.raises(IndexError, match=f"{FILE}index {row} is out of range for axis 0 of length 2"):
            read()


WRITES: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda hdu: hdu.write({"a": np.arange(4)}), ValueError, r"column 'a': .*shape \[4\].*fit \[3\]"),
    (lambda hdu: hdu.write({"a": ["x"] * 3}), ValueError, "column 'a': the data are U1, the column holds numbers"),
    (lambda hdu: hdu.write({"s": np.arange(3)}), ValueError, "column 's': the data are i8, the column holds strings"),
    (lambda hdu: hdu.write({"b": np.arange(3)}), KeyError, "no column .'b.'; there are"),
    (lambda hdu: hdu.write({"a": [0, 2**40, 1]}), ValueError, "column 'a', row 1.*1099511627776.*i4"),
    (
        lambda hdu: hdu.write({"s": ["x", "long", "y"]}),
        ValueError,
        r"column 's', row 1.*'long' has 4 characters.*insert_column",
    ),
    (
        lambda hdu: hdu.write({"v": [np.arange(2), np.array([300]), []]}),
        ValueError,
        r"column 'v', row 1, element \[0\].*300",
    ),
    (lambda hdu: hdu.append({"a": np.arange(3)}), ValueError, "column 's': has no values: .*all columns"),
    (
        lambda hdu: hdu.append({"a": [1, 2], "s": ["x"], "v": [[1], [2]]}),
        ValueError,
        "column 's': .*1 rows, those before 2",
    ),
    (lambda hdu: hdu.append({"a": [1], "s": ["x"], "v": [[1]], "q": [1]}), KeyError, "no column .'q.'"),
    (lambda hdu: hdu.insert_column("a", np.arange(3)), ValueError, "column 'a'"),
    (
        lambda hdu: hdu.header.__setitem__("TTYPE1", "b"),
        ValueError,
        "TTYPE1: is protected.*insert_column and delete_column",
    ),
]


@pytest.mark.parametrize(("write", "error", "says"), WRITES)
def test_what_does_not_match_is_refused_before_a_byte_is_written(write: Any, error: Any, says: str):
    with rustfits.FITS("mem://", "w+") as fits:
        data = {"a": np.arange(3, dtype="i4"), "s": ["x", "yy", "z"], "v": [[1], [], [2, 3]]}
        hdu = fits.write_table(data, extname="T", var_dtypes={"v": "u1"})
        before = fits.to_bytes()
        with pytest.raises(error, match="mem://: HDU 1: .*" + says):
            write(hdu)
        assert fits.to_bytes() == before
