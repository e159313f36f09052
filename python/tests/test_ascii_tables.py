"""ASCII tables against what astropy and fitsio write and read, and damaged ones."""

from __future__ import annotations

import asyncio

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, numbers_by_fitsio, raw_file

import rustfits
from rustfits import aio


def raw_ascii(columns: list[tuple[str, int]], rows: list[str], *cards: str, lenient: bool = False):
    """An ASCII table with columns c1, c2, ... of these formats, which start at these characters (from 1)."""
    head = [
        "XTENSION= 'TABLE   '",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        f"NAXIS1  = {len(rows[0]):>20}",
        f"NAXIS2  = {len(rows):>20}",
        "PCOUNT  =                    0",
        "GCOUNT  =                    1",
        f"TFIELDS = {len(columns):>20}",
    ]
    for number, (form, start) in enumerate(columns, 1):
        head += [f"TTYPE{number:<3}= 'c{number}'", f"TFORM{number:<3}= '{form}'", f"TBCOL{number:<3}= {start:>20}"]
    primary = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]
    data = "".join(rows).encode("latin-1")
    return rustfits.FITS.from_bytes(raw_file(*primary) + raw_file(*head, *cards, data=data), lenient=lenient)[1]


def one(form: str, *fields: str, cards: tuple[str, ...] = (), **options) -> np.ndarray:
    """The values of a table of one column with these fields."""
    width = max(map(len, fields))
    return raw_ascii([(form, 1)], [field.ljust(width) for field in fields], *cards).read_column("c1", **options)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """What fitsio writes as an ASCII table."""
    random = np.random.default_rng(4)
    data = np.zeros(500, [("i", "i4"), ("k", "i4"), ("x", "f4"), ("d", "f8"), ("name", "S9")])
    data["i"] = random.integers(-(2**31), 2**31, 500)
    data["k"] = np.arange(500)
    data["x"] = random.normal(size=500)
    data["d"] = random.normal(size=500) * 10.0 ** random.integers(-200, 200, 500)
    data["name"] = random.choice([b"", b"a", b"bcd e", b" fg", b"ninechars"], 500)
    path = tmp_path_factory.mktemp("ascii") / "a.fits"
    fitsio.write(str(path), data, table_type="ascii", extname="CAT", units=["m", "", "", "s", ""])
    return path


def exact(path) -> dict[str, np.ndarray]:
    """The columns as astropy reads them, which rounds numbers to the nearest."""
    with astropy_fits.open(path) as file:
        return {name: np.array(file[1].data[name]) for name in file[1].columns.names}


def test_what_fitsio_writes(table):
    theirs, second = numbers_by_fitsio(table), exact(table)
    with rustfits.FITS(table) as fits:
        hdu = fits["cat"]
        assert type(hdu) is rustfits.AsciiTableHDU
        assert not isinstance(hdu, rustfits.TableHDU)
        assert (hdu.nrows, hdu.ncols, len(hdu), hdu.shape) == (500, 5, 500, (500,))
        assert hdu.colnames == (*theirs.dtype.names, "name")
        assert hdu.units == {"i": "m", "d": "s"}
        read = hdu.read()
        assert read.dtype == hdu.dtype
        for name in ["i", "k", "x", "d"]:
            # astropy gives the nearest number, fitsio one of its neighbours.
            np.testing.assert_array_equal(read[name], second[name])
            np.testing.assert_array_equal(hdu.read_column(name), second[name])
            np.testing.assert_allclose(read[name], theirs[name], rtol=1e-15)
            assert read[name].dtype == theirs[name].dtype
        assert read["name"].tolist() == [text.rstrip() for text in second["name"]]


def test_rows_columns_and_subsets(table):
    theirs = exact(table)
    with rustfits.FITS(table) as fits:
        hdu = fits[1]
        for rows in [slice(10, 20), slice(None, None, -7), [5, 2, 5, -1], np.arange(0, 500, 90)]:
            np.testing.assert_array_equal(hdu.read(rows=rows, columns=["D", "i"])["d"], theirs["d"][rows])
            np.testing.assert_array_equal(hdu["i"][rows], theirs["i"][rows])
            np.testing.assert_array_equal(hdu[rows]["k"], theirs["k"][rows])
        assert hdu[["k", "d"]][3].tolist() == (theirs["k"][3], theirs["d"][3])
        assert hdu["k"][7] == 7 and hdu[-1]["k"] == 499
        assert [row["k"] for row in hdu] == list(range(500))
        assert sum(len(chunk) for chunk in hdu.iter(chunksize=64)) == 500
        assert hdu.read_column("name", as_bytes=True).dtype == np.dtype("S9")
        with pytest.raises(KeyError, match="nope"):
            hdu["nope"].read()
        with pytest.raises(IndexError):
            hdu[500]
    assert len(rustfits.read(table)) == 500


def test_what_astropy_writes():
    columns = [
        astropy_fits.Column("a", "I5", array=[1, -22, 333]),
        astropy_fits.Column("b", "F10.4", array=[1.5, -2.25, 1e4]),
        astropy_fits.Column("c", "E15.7", array=[1.5, -2.25e-30, 1e4], unit="Jy"),
        astropy_fits.Column("d", "D25.17", array=[0.1, -2.25e-300, 1 / 3]),
        astropy_fits.Column("t", "A6", array=["one", "", "three"]),
    ]
    written = astropy_fits.TableHDU.from_columns(columns)
    data = hdu_bytes(astropy_fits.PrimaryHDU(), written)
    hdu = rustfits.FITS.from_bytes(data)[1]
    theirs = astropy_fits.HDUList.fromstring(data)[1].data
    for name in "abcd":
        np.testing.assert_array_equal(hdu.read()[name], theirs[name])
    assert hdu.read()["t"].tolist() == ["one", "", "three"]
    assert hdu.formats == {"a": "I5", "b": "F10.4", "c": "E15.7", "d": "D25.17", "t": "A6"}


@pytest.mark.parametrize(
    ("form", "field", "value"),
    [
        ("F8.3", "1.5", 1.5),
        ("F8.3", "   1.5", 1.5),
        ("F8.3", "-.5", -0.5),
        ("F8.3", "+5.", 5.0),
        ("F8.3", "12345", 12.345),
        ("F8.3", "-1", -0.001),
        ("F8.0", "12345", 12345.0),
        ("E12.4", "1.5E2", 150.0),
        ("E12.4", "1.5D2", 150.0),
        ("E12.4", "1.5d-2", 0.015),
        ("D12.4", "1.5E+02", 150.0),
        ("D12.4", "1.5+3", 1500.0),
        ("D12.4", "1.5-3", 0.0015),
        ("E12.4", "15E2", 0.15),
        ("D25.17", "0.1", 0.1),
        ("D25.17", "2.2250738585072014D-308", 2.2250738585072014e-308),
        ("F8.3", "", 0.0),
        ("e8.3", "1.5", 1.5),
        ("I5", "7", 7),
        ("I5", " +7", 7),
        ("I5", "", 0),
        ("I20", "-9223372036854775808", -(2**63)),
    ],
)
def test_numbers(form, field, value):
    width = int(form[1:].split(".")[0])
    (read,) = one(form, field.ljust(width))
    assert read == value
    assert read.dtype == (np.dtype("i8") if form[0] == "I" else np.dtype("f8"))


def test_narrow_integers_are_of_32_bits():
    assert one("I4", "  -7").dtype == np.dtype("i4")
    assert one("I5", "   -7").dtype == np.dtype("i8")


@pytest.mark.parametrize(
    ("form", "field"),
    [("I5", "1 2"), ("I5", "1x"), ("I5", "1.5"), ("I20", "9223372036854775808"), ("F8.3", "nan"), ("F8.3", "1.5.2"),
     ("E8.3", "1.5E"), ("F8.3", "."), ("F8.3", "***")],
)  # fmt: skip
def test_fields_that_are_no_numbers(form, field):
    width = int(form[1:].split(".")[0])
    hdu = raw_ascii([("A2", 1), (form, 3)], ["ab" + "1".ljust(width)] * 100 + ["cd" + field.ljust(width)])
    for read in (lambda: hdu.read(), lambda: hdu.read_column("c2"), lambda: hdu.read(rows=[3, 100]), lambda: hdu[-1]):
        with pytest.raises(ValueError, match="HDU 1: column 'c2', row 100: "):
            read()
    assert hdu.read_column("c1")[100] == "cd"
    assert hdu.read_column("c2", rows=slice(0, 100)).shape == (100,)


def test_columns_in_any_order_that_overlap():
    hdu = raw_ascii([("I2", 5), ("A4", 1), ("I3", 2), ("I1", 7)], ["x12345 ", "y678  9"])
    read = hdu.read()
    assert read["c1"].tolist() == [45, 0] and read["c2"].tolist() == ["x123", "y678"]
    assert read["c3"].tolist() == [123, 678] and read["c4"].tolist() == [0, 9]


def test_nulls():
    cards = ("TNULL1  = '---'", "TNULL2  = '***'", "TNULL3  = 'none'")
    hdu = raw_ascii([("F5.2", 1), ("I5", 6), ("A4", 11)], ["---    ***none", "1.0      3abc "], *cards)
    plain = hdu.read()
    assert np.isnan(plain["c1"][0]) and plain["c1"][1] == 1.0
    assert plain["c2"].tolist() == [0, 3]
    read = hdu.read(mask_null=True)
    assert read.tolist() == [(None, None, None), (1.0, 3, "abc")]
    assert hdu.read_column("c2", mask_null=True).tolist() == [None, 3]


def test_blank_fields_are_zero_or_null_where_null_is_blank():
    assert one("F5.2", "     ", "1.0", mask_null=True).tolist() == [0.0, 1.0]
    assert one("F5.2", "     ", "1.0", cards=("TNULL1  = '     '",), mask_null=True).tolist() == [None, 1.0]
    assert one("A5", "     ", "1.0", cards=("TNULL1  = '     '",), mask_null=True).tolist() == ["", "1.0"]


def test_scaling():
    cards = ("TSCAL1  = 2.0", "TZERO2  = 10.0")
    hdu = raw_ascii([("I5", 1), ("F5.1", 6)], ["    7  1.5"], *cards)
    assert hdu.read().tolist() == [(14.0, 11.5)]
    assert hdu.dtype["c1"] == np.dtype("f8")
    assert hdu.read(scale=False).tolist() == [(7, 1.5)]
    assert hdu.read(scale=False).dtype["c1"] == np.dtype("i8")


@pytest.mark.parametrize(
    ("form", "start"), [("I5", 0), ("I5", 7), ("I5", -3), ("I5", 2**40), ("Z5", 1), ("I", 1), ("A99999999999", 1)]
)
def test_columns_that_are_not_in_the_row(form, start):
    with pytest.raises(ValueError, match="TBCOL|TFORM"):
        raw_ascii([("I2", 1), (form, start)], ["1234567890"]).read()


def test_text_outside_ascii():
    hdu = raw_ascii([("A4", 1)], ["abcd", "caf\xe9"])
    with pytest.raises(ValueError, match="column 'c1', row 1"):
        hdu.read()
    assert hdu.read_column("c1", as_bytes=True)[1] == b"caf\xe9"
    assert raw_ascii([("A4", 1)], ["caf\xe9"], lenient=True).read_column("c1").tolist() == ["caf_"]


def test_files_cut_short(table, write):
    short = write(table.read_bytes()[:-20_000])
    with rustfits.FITS(short) as fits:
        with pytest.raises(OSError, match=short.name):
            fits[1].read()
        assert len(fits[1].read(rows=[0, 1])) == 2


def test_repr(table):
    with rustfits.FITS(table) as fits:
        text = repr(fits[1])
        assert "ASCII_TBL" in repr(fits)
    for expected in ["ASCII_TBL", "CAT", "rows:", "500", "column info:", "f8", "(m)"]:
        assert expected in text


def test_asyncio_from_a_server(table, loopback):
    path = loopback.put(table.read_bytes())
    theirs = exact(table)

    async def read():
        async with aio.FITS(loopback.http + path, remote="ranged") as fits:
            hdu = await fits["CAT"]
            assert isinstance(hdu, rustfits.AsciiTableHDU) and isinstance(hdu, aio.AsciiTableHDU)
            chunks = [chunk async for chunk in hdu.iter(chunksize=99)]
            return await hdu.read(columns=["k"]), await fits[1]["d"], await hdu[3:5], await hdu.read_column("i"), chunks

    table_k, column, rows, integers, chunks = asyncio.run(read())
    np.testing.assert_array_equal(table_k["k"], theirs["k"])
    np.testing.assert_array_equal(column, theirs["d"])
    np.testing.assert_array_equal(rows["k"], [3, 4])
    np.testing.assert_array_equal(integers, theirs["i"])
    np.testing.assert_array_equal(np.concatenate([chunk["k"] for chunk in chunks]), theirs["k"])
