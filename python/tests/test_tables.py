"""Binary tables against astropy and fitsio."""

import astropy.io.fits as astropy_fits
import fitsio
import numpy as np
import pytest

import rustfits

ROWS = 1000


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A file with every type that fitsio writes, and the array that was written."""
    random = np.random.default_rng(3)
    dtype = [
        ("b", "u1"), ("i", "i2"), ("j", "i4"), ("k", "i8"), ("e", "f4"), ("d", "f8"), ("c", "c8"), ("m", "c16"),
        ("flag", "?"), ("text", "S12"), ("sb", "i1"), ("ui", "u2"), ("uj", "u4"), ("uk", "u8"), ("grid", "f4", (2, 3)),
        ("Words", "S5", (4,)),
    ]  # fmt: skip
    data = np.zeros(ROWS, dtype)
    for name in data.dtype.names:
        field = data[name]
        if field.dtype.kind in "iu":
            limits = np.iinfo(field.dtype)
            field[...] = random.integers(limits.min, limits.max, field.shape, field.dtype, endpoint=True)
        elif field.dtype.kind == "f":
            field[...] = random.normal(size=field.shape)
        elif field.dtype.kind == "c":
            field[...] = random.normal(size=field.shape) + 1j * random.normal(size=field.shape)
        elif field.dtype.kind == "b":
            field[...] = random.integers(0, 2, field.shape).astype(bool)
        else:
            field[...] = random.choice([b"", b"a", b"bcd e", b"fghi"], field.shape)
    path = tmp_path_factory.mktemp("table") / "t.fits"
    fitsio.write(str(path), data, extname="CAT", units=["m"] + [""] * 15)
    return path, data


def equal(ours, theirs):
    if ours.dtype.kind == "U":
        theirs = np.char.decode(theirs, "ascii")
    np.testing.assert_array_equal(ours, theirs)


def test_all_types_read_equal(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        hdu = fits["cat"]
        assert (hdu.nrows, hdu.ncols, len(hdu), hdu.shape) == (ROWS, 16, ROWS, (ROWS,))
        assert hdu.colnames == data.dtype.names
        assert hdu.units == {"b": "m"}
        read = hdu.read()
        assert read.dtype == hdu.dtype
        for name in data.dtype.names:
            equal(read[name], data[name])
            equal(hdu.read_column(name), data[name])
        equal(hdu.read_column("text", as_bytes=True), data["text"])


@pytest.mark.parametrize(
    "rows", [slice(10, 20), slice(None, None, -7), slice(900, 5000), [5, 2, 5, -1], np.arange(0, ROWS, 90), 7]
)
def test_rows_and_columns(table, rows):
    path, data = table
    expected = data[[rows] if isinstance(rows, int) else rows]
    with rustfits.FITS(path) as fits:
        read = fits[1].read(rows=rows, columns=["words", "D", "ui"])
        assert read.dtype.names == ("Words", "d", "ui")
        for name in read.dtype.names:
            equal(read[name], expected[name])
        equal(fits[1]["e"][rows if not isinstance(rows, int) else [rows]], expected["e"])
        equal(fits[1][["e", "k"]].read(rows=rows)["k"], expected["k"])


def test_single_rows_and_iteration(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        assert hdu[3]["j"] == data[3]["j"] and hdu[-1]["text"] == data[-1]["text"].decode()
        assert hdu["uk"][5] == data["uk"][5]
        assert [row["k"] for row in hdu] == data["k"].tolist()
        for key, error in [(ROWS, IndexError), (1.5, TypeError), (None, TypeError)]:
            with pytest.raises(error):
                hdu[key]
        with pytest.raises(KeyError, match="nope"):
            hdu.read(columns=["nope"])


def test_bits_scaling_and_empty_strings(tmp_path):
    columns = [
        astropy_fits.Column("bits", "11X", array=np.random.default_rng(4).integers(0, 2, (20, 11)).astype(bool)),
        astropy_fits.Column("scaled", "1I", array=np.arange(20)),
        astropy_fits.Column("cube", "6J", dim="(3,2)", array=np.arange(120).reshape(20, 2, 3)),
        astropy_fits.Column("text", "3A", array=["", "a b", " c"] * 6 + ["x", "y"]),
    ]
    hdu = astropy_fits.BinTableHDU.from_columns(columns)
    hdu.header["TSCAL2"], hdu.header["TZERO2"] = 0.5, 3.0
    hdu.writeto(tmp_path / "a.fits")
    with rustfits.FITS(tmp_path / "a.fits") as fits, astropy_fits.open(tmp_path / "a.fits") as hdus:
        read = fits[1].read()
        for name in ["bits", "scaled", "cube", "text"]:
            np.testing.assert_array_equal(read[name], hdus[1].data[name])
        assert fits[1].read(scale=False)["scaled"].dtype == np.int16


def test_what_is_not_there_yet_says_so(tmp_path):
    columns = [
        astropy_fits.Column("n", "J", array=[1, 2]),
        astropy_fits.Column("var", "PE()", array=np.array([np.ones(2), np.ones(3)], dtype=object)),
    ]
    astropy_fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    with rustfits.FITS(tmp_path / "a.fits") as fits:
        with pytest.raises(NotImplementedError, match="var"):
            fits[1].read()
        assert fits[1].read(columns="n")["n"].tolist() == [1, 2]
        with pytest.raises(NotImplementedError):
            fits[1].read(columns="n", mask_null=True)
