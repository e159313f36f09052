"""Random binary tables of every TFORM: what they hold is read, and others agree in what they write and read.

`RUSTFITS_RANDOM_TABLES` sets how many are tried.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pytest
import random_tables
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes

import rustfits

pytestmark = pytest.mark.filterwarnings("ignore:.*olumn.*contains NULL:astropy.utils.exceptions.AstropyUserWarning")
SEEDS = int(os.environ.get("RUSTFITS_RANDOM_TABLES", "60"))


def astropy_reads(column: random_tables.Column) -> bool:
    """Whether astropy reads a column as the standard has it."""
    scaled = column.scaling is not None and not column.is_shifted
    if column.letter == "A" and (column.has_fill or (column.shape and not column.cards_of("TDIM"))):
        # It reads past the NUL that ends a text, and of 12A4 several strings or one, as it depends on the rows.
        return False
    if column.variable:
        # It takes no repeat count of 0 and no lower case, reads neither bits nor TDIM of some rows, and leaves TSCAL
        # and
        # TZERO out.
        return (
            column.repeat == 1
            and column.form.isupper()
            and column.letter != "X"
            and not column.cards_of("TDIM", "TZERO")
        )
    # It drops the imaginary part of scaled numbers, and fails at scaled K and at X with TDIM.
    return not ((scaled and column.letter in "CMK") or (column.letter == "X" and column.cards_of("TDIM")))


def fitsio_reads(column: random_tables.Column) -> bool:
    """Whether fitsio reads a column as the standard has it."""
    scaled = column.scaling is not None and not column.is_shifted
    # It rounds what is scaled to the type that is stored, has no columns without width (of 0P it reads memory that is
    # not its own), and reads past the
    # NUL of a text.
    if scaled or column.repeat == 0 or (column.letter == "A" and column.has_fill):
        return False
    if column.variable:
        # It takes no lower case, no unsigned arrays, no bits, no null logicals, and a cell of several strings for one.
        return (
            column.letter not in "LX"
            and column.form.isupper()
            and not column.cards_of("TZERO")
            and not (column.letter == "A" and column.shape)
        )
    # Of 12A4 it reads three strings or one, and then writes past its memory; bits it gives packed or not, as it
    # depends on the other columns.
    return column.letter != "X" and not (column.letter == "A" and column.shape and not column.cards_of("TDIM"))


def same_cell(got: Any, wanted: np.ndarray, nulls: np.ndarray) -> None:
    """Equal values; where nulls are, others give what they like."""
    if wanted.dtype.kind == "U":
        texts = np.char.rstrip(np.asarray(got).astype("U")) if np.size(got) else np.zeros(0, "U1")
        if texts.shape and not wanted.shape:
            # A text of variable length is an array of characters for astropy, and a blank an empty one.
            assert "".join(texts.tolist()) == wanted.item().replace(" ", "")
        else:
            assert texts.reshape(-1).tolist() == wanted.reshape(-1).tolist()
        return
    got = np.asarray(got)
    assert got.size == wanted.size
    np.testing.assert_array_equal(got.reshape(wanted.shape)[~nulls], wanted[~nulls])


def field_of(records: Any, column: random_tables.Column) -> Any:
    """The field of masked records; of one without width numpy's masked arrays give nothing but an IndexError."""
    return records[column.name] if column.repeat or column.variable else records.data[column.name]


def same_column(column: random_tables.Column, got: Any) -> None:
    assert len(got) == len(column.cells)
    for cell, wanted, nulls in zip(got, column.wanted(), column.nulls(), strict=True):
        try:
            same_cell(cell, wanted, nulls)
        except Exception as error:
            error.add_note(f"{column.name} {column.form} {column.cards}")
            raise


def ours_is_exact(column: random_tables.Column, got: Any) -> None:
    """Type, shape, values and mask are those of the standard."""
    assert len(got) == len(column.cells)
    for cell, wanted, nulls in zip(got, column.wanted(), column.nulls(), strict=True):
        if cell is np.ma.masked:
            assert nulls.all() and nulls.shape == ()
            continue
        if wanted.dtype.kind == "U":
            assert np.asarray(cell).tolist() == wanted.tolist()
            continue
        assert (np.asarray(cell).dtype, np.shape(cell)) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(np.asarray(cell)[~nulls], wanted[~nulls])
        np.testing.assert_array_equal(np.ma.getmaskarray(cell) if nulls.any() else np.zeros(wanted.shape, bool), nulls)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_form(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    table = random_tables.random_table(rng)
    with rustfits.FITS.from_bytes(table.content) as fits:
        hdu = fits[1]
        assert (hdu.nrows, hdu.colnames) == (table.rows, tuple(column.name for column in table.columns))
        whole, some = hdu.read(mask_null=True), hdu.read(rows=slice(None, None, -2), mask_null=True)
        for column in table.columns:
            ours_is_exact(column, field_of(whole, column))
            ours_is_exact(column, hdu.read_column(column.name, mask_null=True))
            same_column(column.some_rows(slice(None, None, -2)), field_of(some, column))
            same_column(column, hdu[column.name][:])
    columns = [column for column in table.columns if astropy_reads(column)]
    with astropy_fits.open(io.BytesIO(random_tables.table_of(rng, columns, table.rows).content)) as theirs:
        for column in columns if table.rows else []:
            same_column(column, theirs[1].data[column.name])
    columns = [column for column in table.columns if fitsio_reads(column)]
    if columns and table.rows:
        path = tmp_path / "t.fits"
        path.write_bytes(random_tables.table_of(rng, columns, table.rows).content)
        theirs = fitsio.read(str(path), vstorage="object")
        for column in columns:
            same_column(column, theirs[column.name])


def written_by_astropy(columns: list[random_tables.Column]) -> bytes:
    made = []
    for column in columns:
        cards = dict(column.cards)
        values = column.wanted()
        if column.variable:
            array = np.empty(len(values), object)
            for row, value in enumerate(values):
                array[row] = value
        else:
            array = np.array(values) if values else np.zeros((0, *column.shape), "U1")
        keywords = {"dim": cards.get("TDIM"), "null": cards.get("TNULL"), "bzero": cards.get("TZERO")}
        made.append(astropy_fits.Column(column.name, column.form, array=array, **keywords))
    return hdu_bytes(astropy_fits.PrimaryHDU(), astropy_fits.BinTableHDU.from_columns(made))


def astropy_writes(column: random_tables.Column) -> bool:
    """Whether astropy writes the column as it is given: nothing scaled or empty, no bits, no arrays of texts."""
    if column.scaling is not None or column.repeat == 0 or not column.form.isupper() or not astropy_reads(column):
        return False
    return not (column.letter == "A" and (column.variable or column.shape)) and column.letter != "X"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_others_write(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([1, 2, 7, 40]))
    columns = [random_tables.random_column(rng, number, rows) for number in range(1, 9)]
    mine = [column for column in columns if astropy_writes(column)]
    with rustfits.FITS.from_bytes(written_by_astropy(mine)) as fits:
        for column in mine:
            same_column(column, fits[1].read_column(column.name))
    # fitsio writes what numpy has: TNULL and bits have no place there.
    fixed = [column for column in columns if not column.variable and column.repeat and column.letter != "X"]
    fixed = [column for column in fixed if column.shape or not column.cards_of("TDIM")]
    if not fixed:
        return
    values = {column.name: np.array(column.wanted()) for column in fixed}
    array = np.zeros(rows, [(name, one.dtype.str.replace("U", "S"), one.shape[1:]) for name, one in values.items()])
    for name, one in values.items():
        array[name] = one
    path = tmp_path / "t.fits"
    fitsio.write(str(path), array, clobber=True)
    with rustfits.FITS(path) as fits:
        read = fits[1].read()
        for name, one in values.items():
            np.testing.assert_array_equal(read[name].reshape(one.shape), one, err_msg=name)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_written_is_read_by_all(seed: int, tmp_path: Path) -> None:
    """The values of random columns, nulls among them, written by us."""
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([0, 1, 2, 7, 40]))
    columns = [random_tables.random_column(rng, number, rows) for number in range(1, 9)]
    # Tables with bits of variable length, or with TDIM, astropy does not open, or reads all columns wrong.
    columns = [column for column in columns if not (column.letter == "X" and (column.variable or column.shape))]
    path = tmp_path / "t.fits"
    data, types = {}, {}
    for column in columns:
        data[column.name] = column.given()
        if column.variable:
            types[column.name] = "S" if column.letter == "A" else column.dtype
    bits = [column.name for column in columns if column.letter == "X"]
    with rustfits.FITS(path, "w+") as fits:
        fits.write_table(data, var_dtypes=types, bit_columns=bits)
        read = fits[1].read(mask_null=True)
        for column in columns:
            same_column(column, field_of(read, column))
            as_given = column.scaling is None or column.is_shifted
            if rows and column.repeat and as_given and not column.variable and column.letter in "LBIJK":
                masked = np.ma.getmaskarray(read[column.name]).reshape(rows, -1)
                np.testing.assert_array_equal(masked, np.array(column.nulls()).reshape(rows, -1))
    mine = [column for column in columns if column.repeat and rows]
    with astropy_fits.open(path) as theirs:
        theirs.verify("exception")
        for column in mine:
            # Of several texts in a cell it gives the characters.
            if not (column.variable and (column.is_shifted or column.width)):
                same_column(column, theirs[1].data[column.name])
    mine = [column for column in mine if column.letter != "X"]
    mine = [column for column in mine if not (column.variable and (column.is_shifted or column.letter in "LA"))]
    if mine:
        theirs = fitsio.read(str(path), ext=1, columns=[column.name for column in mine], vstorage="object")
        for column in mine:
            same_column(column, theirs[column.name])
