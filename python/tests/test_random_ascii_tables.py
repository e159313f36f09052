"""Random ASCII tables (FITS 4.0 §7.2), made byte by byte: what they hold by the standard is read, and others agree.

`RUSTFITS_RANDOM_TABLES` sets how many are tried.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import raw_file
from random_tables import PRIMARY, card, letters

import rustfits

SEEDS = int(os.environ.get("RUSTFITS_RANDOM_TABLES", "60"))
SCALES = [(1.0, 0.0), (2.0, 0.0), (0.5, -3.0), (1.0, 7.0)]


@dataclass
class Column:
    name: str
    letter: str
    width: int
    decimals: int
    start: int = 0
    """TBCOL - 1."""
    null: str | None = None
    scaling: tuple[float, float] = (1.0, 0.0)
    fields: list[str] = field(default_factory=list)
    values: list[float | int | str] = field(default_factory=list)
    nulls: list[bool] = field(default_factory=list)
    fortran: bool = False
    """Whether fields have no point, or an exponent without its letter, as Fortran reads them."""
    overlaps: bool = False

    @property
    def form(self) -> str:
        return f"{self.letter}{self.width}" + (f".{self.decimals}" if self.letter in "FED" else "")

    @property
    def dtype(self) -> str:
        if self.letter == "A":
            return "U"
        if self.letter in "FED" or self.scaling != (1.0, 0.0):
            return "f8"
        return "i4" if self.width <= 4 else "i8"

    def wanted(self) -> np.ndarray:
        if self.letter == "A":
            return np.array(self.values, "U")
        values = np.array(self.values, self.dtype if self.letter == "I" else "f8")
        return values if self.scaling == (1.0, 0.0) else values * self.scaling[0] + self.scaling[1]


def number(rng: np.random.Generator, column: Column) -> tuple[str, float | int]:
    """A field that is as wide as it may be, and the number in it."""
    sign = str(rng.choice(["", "-", "+"]))
    if column.letter == "I":
        digits = "".join(rng.choice(list("0123456789"), rng.integers(1, min(column.width - 1, 18), endpoint=True)))
        return sign + digits, int(sign + digits)
    exponent = ""
    if column.width >= 9 and rng.random() < 0.6:
        power = int(rng.integers(-99, 99, endpoint=True))
        mark = str(rng.choice(["E", "D", "e", "d", ""] if column.fortran else ["E", "D"]))
        exponent = f"{mark}{power:+03d}" if mark == "" or rng.random() < 0.7 else f"{mark}{power}"
    room = column.width - len(sign) - len(exponent)
    digits = "".join(rng.choice(list("0123456789"), rng.integers(1, room, endpoint=True)))
    behind = column.decimals
    if not column.fortran or rng.random() < 0.5:
        digits = digits[: max(1, room - 1)]
        behind = int(rng.integers(0, len(digits), endpoint=True))
        at = len(digits) - behind
        text = f"{digits[:at]}.{digits[at:]}"
    else:
        text = digits
    power = int(exponent.lstrip("EDed")) if exponent else 0
    exact = int(digits) * Fraction(10) ** (power - behind)
    value = float(-exact if sign == "-" else exact)
    return sign + text + exponent, -0.0 if sign == "-" and value == 0 else value


def random_column(rng: np.random.Generator, name: str, rows: int) -> Column:
    letter = str(rng.choice(list("IFEDA")))
    width = int(rng.integers(3, 26)) if letter != "A" else int(rng.integers(1, 12))
    column = Column(name, letter, width, int(rng.integers(0, max(1, min(width - 1, 12)))))
    column.fortran = letter in "FED" and rng.random() < 0.3
    if rng.random() < 0.4:
        column.null = str(rng.choice(["*", "-9", "N/A", ""] if letter != "A" else ["*", "?"]))[:width]
    if letter != "A" and rng.random() < 0.3:
        column.scaling = SCALES[rng.integers(len(SCALES))]
    for _ in range(rows):
        if column.null is not None and rng.random() < 0.3:
            text, value, null = column.null, 0, True
        elif letter == "A":
            text = value = letters(rng, width)
            null = text.strip() == column.null
        elif rng.random() < 0.1:
            text, value, null = "", 0, column.null == ""
        else:
            text, value = number(rng, column)
            null = text == column.null
        before = 0 if letter == "A" else int(rng.choice([0, width - len(text)]))
        column.fields.append((" " * before + text).ljust(width))
        column.values.append(value)
        column.nulls.append(null)
    return column


def table_of(rng: np.random.Generator, columns: list[Column], rows: int, strict: bool) -> bytes:
    """A file with these columns. `strict`: their fields stand in their order and apart, their formats in capitals."""
    row_len = 0
    for at in range(len(columns)) if strict else rng.permutation(len(columns)):
        row_len += int(rng.integers(0, 3))
        columns[at].start = row_len
        row_len += columns[at].width
    lines = [bytearray(b" " * row_len) for _ in range(rows)]
    for column in columns:
        for line, text in zip(lines, column.fields, strict=True):
            line[column.start : column.start + column.width] = text.encode()
    if not strict and rng.random() < 0.4:
        columns.append(overlapping(rng, lines, row_len))
    cards = [
        ("XTENSION", "TABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", row_len), ("NAXIS2", rows), ("PCOUNT", 0),
        ("GCOUNT", 1), ("TFIELDS", len(columns)),
    ]  # fmt: skip
    for n, column in enumerate(columns, 1):
        cards += [(f"TTYPE{n}", column.name), (f"TBCOL{n}", column.start + 1)]
        cards.append((f"TFORM{n}", column.form.lower() if not strict and rng.random() < 0.1 else column.form))
        if column.null is not None:
            cards.append((f"TNULL{n}", column.null))
        if column.scaling != (1.0, 0.0):
            cards += [(f"TSCAL{n}", column.scaling[0]), (f"TZERO{n}", column.scaling[1])]
    data = b"".join(bytes(line) for line in lines)
    padded = data.ljust(-(-len(data) // 2880) * 2880)
    return PRIMARY + raw_file(*[card(key, value) for key, value in cards], data=padded)


def overlapping(rng: np.random.Generator, lines: list[bytearray], row_len: int) -> Column:
    """A text column over what other columns hold."""
    start = int(rng.integers(0, row_len))
    width = int(rng.integers(1, row_len - start, endpoint=True))
    column = Column("over", "A", width, 0, start, overlaps=True)
    for line in lines:
        text = bytes(line[start : start + width]).decode()
        column.fields.append(text)
        column.values.append(text.rstrip(" "))
        column.nulls.append(False)
    return column


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_format(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([0, 1, 2, 7, 40]))
    given = [random_column(rng, f"c{n}", rows) for n in range(rng.integers(1, 7))]
    columns = list(given)
    content = table_of(rng, columns, rows, strict=False)
    with rustfits.FITS.from_bytes(content) as fits:
        hdu = fits[1]
        assert hdu.nrows == rows
        whole, some = hdu.read(mask_null=True), hdu.read(rows=slice(None, None, -2))
        for column in columns:
            wanted, nulls = column.wanted(), np.array(column.nulls, bool)
            got = whole[column.name]
            assert column.letter == "A" or got.dtype == column.dtype, column.name
            np.testing.assert_array_equal(np.asarray(got)[~nulls], wanted[~nulls], err_msg=column.name)
            np.testing.assert_array_equal(np.ma.getmaskarray(got), nulls, err_msg=column.name)
            np.testing.assert_array_equal(some[column.name][~nulls[::-2]], wanted[::-2][~nulls[::-2]])
            one = hdu.read_column(column.name, mask_null=True)
            np.testing.assert_array_equal(np.asarray(one)[~nulls], wanted[~nulls], err_msg=column.name)
    if rows:
        read_by_others(rng, given, rows, tmp_path / "t.fits")


def read_by_others(rng: np.random.Generator, columns: list[Column], rows: int, path: Path) -> None:
    # astropy reads neither lower case, nor fields in another order, nor what has no point or letter.
    mine = [column for column in columns if not column.fortran]
    with astropy_fits.open(io.BytesIO(table_of(rng, mine, rows, strict=True))) as theirs:
        for column in mine:
            # A blank field is NaN for it among floats.
            nulls = np.array(column.nulls, bool) | [
                column.letter in "FED" and not text.strip() for text in column.fields
            ]
            got = np.asarray(theirs[1].data[column.name])
            if column.letter == "A":
                got = np.char.rstrip(got.astype("U"))
            np.testing.assert_array_equal(got[~nulls], column.wanted()[~nulls], err_msg=f"astropy {column}")
    path.write_bytes(table_of(rng, columns, rows, strict=True))
    # Texts see numbers_by_fitsio; a field that begins as TNULL does is null for it, a null that is no number it
    # refuses,
    # and it reads none of 1d5, 1e5, 1+05.
    unread = re.compile(r"[de]|[0-9.][+-]")
    numbers = [column for column in columns if column.letter != "A" and column.null is None]
    names = [column.name for column in numbers if not any(map(unread.search, column.fields))]
    if not names:
        return
    theirs = fitsio.read(str(path), ext=1, columns=names)
    for column in columns:
        if column.name in names:
            nulls = np.array(column.nulls, bool)
            got, wanted = theirs[column.name][~nulls].astype("f8"), column.wanted()[~nulls].astype("f8")
            np.testing.assert_allclose(got, wanted, rtol=2e-15, err_msg=f"fitsio {column}")
