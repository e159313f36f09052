"""Editing headers of files that are there: what astropy and fitsio then read is what was set."""

from __future__ import annotations

import gzip
import os

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes

import rustfits
from rustfits import aio

VALUES = {
    "LOGICAL": True,
    "INTEGER": -42,
    "REAL": 0.1,
    "TINY": 1e-300,
    "LARGE": 1.5e300,
    "TEXT": "it's",
    "EMPTY": "",
    "LONGTEXT": "words with 'quotes' & ampersands " * 9,
    "ESO TEL AIRM END": 1.25,
}


@pytest.fixture(params=["a.fits", "a.fits.gz"])
def path(request, tmp_path):
    science = astropy_fits.ImageHDU(np.arange(600, dtype="i2").reshape(20, 30), name="SCI")
    table = astropy_fits.BinTableHDU.from_columns([astropy_fits.Column("x", "J", array=np.arange(50))], name="CAT")
    data = hdu_bytes(astropy_fits.PrimaryHDU(), science, table)
    path = tmp_path / request.param
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def check_data(path):
    with astropy_fits.open(path) as theirs:
        assert len(theirs) == 3
        np.testing.assert_array_equal(theirs["SCI"].data, np.arange(600).reshape(20, 30))
        np.testing.assert_array_equal(theirs["CAT"].data["x"], np.arange(50))


def test_values_of_every_type_are_what_others_read(path):
    with rustfits.FITS(path, "r+") as file:
        header = file["SCI"].header
        for number, (keyword, value) in enumerate(VALUES.items()):
            header[keyword] = (value, f"comment {number}")
        # fitsio can read no header with a complex value.
        file[0].header["COMPLEX"] = 1 - 2j
        header["UNDEFINED"] = None
        header["BIG"] = 12345678901234567890123
        header["NUMPY"] = np.float32(0.5)
        assert header["LONGTEXT"] == VALUES["LONGTEXT"].rstrip()
    check_data(path)
    with rustfits.FITS(path) as file:
        header = file["SCI"].header
        for keyword, value in VALUES.items():
            read = header[keyword]
            assert (type(read), read) == (type(value), value.rstrip() if isinstance(value, str) else value)
        assert file[0].header["COMPLEX"] == 1 - 2j
        assert header["UNDEFINED"] is None and header["BIG"] == 12345678901234567890123
        assert header["NUMPY"] == 0.5
    theirs = astropy_fits.getheader(path, "SCI")
    for number, (keyword, value) in enumerate(VALUES.items()):
        assert theirs[keyword] == (value.rstrip() if isinstance(value, str) else value)
        if keyword != "LONGTEXT":
            assert theirs.comments[keyword] == f"comment {number}"
    fitsios = fitsio.read_header(str(path), "SCI")
    for keyword in ("LOGICAL", "INTEGER", "REAL", "TEXT"):
        assert fitsios[keyword] == VALUES[keyword]


def test_commentary_comments_and_deleting(path):
    with rustfits.FITS(path, "r+") as file:
        header = file[0].header
        header["HISTORY"] = "first"
        header.add_history("second")
        header.add_comment("a long comment " * 12)
        header.add_blank("a heading")
        header["EXPTIME"] = (30, "seconds")
        header["EXPTIME"] = 31
        header.set_comment("EXPTIME", "in seconds")
        header["GONE"] = "long " * 40
        del header["GONE"]
        assert "GONE" not in header
        with pytest.raises(KeyError):
            del header["GONE"]
    check_data(path)
    theirs = astropy_fits.getheader(path)
    assert list(theirs["HISTORY"]) == ["first", "second"]
    assert "".join(card.ljust(72) for card in theirs["COMMENT"]).strip() == ("a long comment " * 12).strip()
    assert list(theirs[""]) == ["a heading"]
    assert (theirs["EXPTIME"], theirs.comments["EXPTIME"]) == (31, "in seconds")
    assert "GONE" not in theirs and not any(card.startswith("CONTINUE") for card in map(str, theirs.cards))


def test_protected_keywords(path):
    with rustfits.FITS(path, "r+") as file:
        header = file["SCI"].header
        before = header.cards
        for keyword in ("NAXIS1", "bitpix", "XTENSION", "END", "CHECKSUM"):
            with pytest.raises(ValueError, match="protected"):
                header[keyword] = 1
        with pytest.raises(ValueError, match="protected"):
            del header["NAXIS"]
        with pytest.raises(ValueError, match="protected"):
            header.update({"FINE": 1, "NAXIS1": 5})
        assert header.cards == before
        other = rustfits.FITS(path)["CAT"].header
        header.update(other)
        assert header["EXTNAME"] == "CAT" and header["NAXIS1"] == 30
    with astropy_fits.open(path) as theirs:
        assert [hdu.name for hdu in theirs] == ["PRIMARY", "CAT", "CAT"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "caf\xe9", "two\nlines", [1], b"bytes"])
def test_values_that_no_header_can_hold(path, value):
    with rustfits.FITS(path, "r+") as file:
        with pytest.raises(ValueError if not isinstance(value, list | bytes) else TypeError):
            file[0].header["BAD"] = value
        assert "BAD" not in file[0].header


def test_edit_is_all_or_nothing(path):
    with rustfits.FITS(path, "r+") as file:
        header = file["SCI"].header
        with header.edit() as copy:
            copy["ONE"] = 1
            assert "ONE" not in header
        assert header["ONE"] == 1
        with pytest.raises(RuntimeError), header.edit() as copy:
            copy["TWO"] = 2
            raise RuntimeError
        assert "TWO" not in header
    assert "TWO" not in astropy_fits.getheader(path, "SCI")


def test_a_header_grows_by_thousands_of_cards(path):
    with rustfits.FITS(path, "r+") as file:
        header, image = file["SCI"].header, file["SCI"].read()
        for number in range(3000):
            header[f"K{number}"] = number
        assert header["K2999"] == 2999
        np.testing.assert_array_equal(file["SCI"].read(), image)
        np.testing.assert_array_equal(file["CAT"]["x"][...], np.arange(50))
    check_data(path)
    assert astropy_fits.getheader(path, "SCI")["K2999"] == 2999


def test_names_follow_the_header(path):
    with rustfits.FITS(path, "r+") as file:
        hdu = file["SCI"]
        hdu.header["EXTNAME"] = "NEW"
        hdu.header["EXTVER"] = 7
        hdu.header["BUNIT"] = "Jy"
        assert (hdu.extname, hdu.extver, hdu.unit) == ("NEW", 7, "Jy")
        assert file["NEW", 7] is hdu and "SCI" not in file
    # A header can be read after the file was closed, and not edited.
    assert hdu.header["EXTNAME"] == "NEW"
    with pytest.raises(OSError, match="closed"):
        hdu.header["A"] = 1


def test_what_is_not_to_be_changed(path, loopback):
    if path.suffix != ".gz":
        with rustfits.FITS(path) as file, pytest.raises(OSError, match="read-only"):
            file[0].header["A"] = 1
    for mode in ("r+", "w+"):
        with pytest.raises(OSError, match="read-only"):
            rustfits.FITS(loopback.http + "/a.fits", mode)
    with pytest.raises(ValueError, match="allow_in_place"):
        rustfits.FITS(path, "r", allow_in_place=True)
    with pytest.raises(FileNotFoundError):
        rustfits.FITS(path.parent / "none.fits", "r+")
    before = os.stat(path)
    with rustfits.FITS(path, "r+") as file:
        file[0].header.get("A")
    after = os.stat(path)
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_bytes_in_memory(path):
    data = path.read_bytes()
    with rustfits.FITS.from_bytes(data, "r+") as file:
        file[0].header["A"] = 1
        file.write_image(np.arange(4, dtype="u2"), extname="NEW")
        for number in range(100):
            file[0].header[f"K{number}"] = number
        changed = file.to_bytes()
    theirs = astropy_fits.HDUList.fromstring(changed)
    assert theirs[0].header["A"] == 1 and theirs[0].header["K99"] == 99
    np.testing.assert_array_equal(theirs["NEW"].data, np.arange(4))
    np.testing.assert_array_equal(theirs["SCI"].data, np.arange(600).reshape(20, 30))


async def test_asyncio(path):
    async with aio.FITS(path, "r+") as file:
        hdu = await file["SCI"]
        async with hdu.header.edit() as header:
            header["ONE"] = (1, "first")
            header.add_history("edited")
        assert hdu.header["ONE"] == 1
        with pytest.raises(TypeError, match="event loop"):
            hdu.header["TWO"] = 2
        with pytest.raises(RuntimeError):
            async with hdu.header.edit() as header:
                header["THREE"] = 3
                raise RuntimeError
        await file.write_image(np.zeros(3, "i4"), extname="NEW")
        await file.sync()
        header = await file["SCI"].read_header()
        assert header["HISTORY"] == ["edited"]
    theirs = astropy_fits.getheader(path, "SCI")
    assert theirs["ONE"] == 1 and "THREE" not in theirs
    assert astropy_fits.getdata(path, "NEW").tolist() == [0, 0, 0]
    memory = await aio.FITS.from_bytes(path.read_bytes(), "r+")
    async with (await memory[0]).header.edit() as header:
        header["MEMORY"] = True
    assert astropy_fits.HDUList.fromstring(await memory.to_bytes())[0].header["MEMORY"] is True


def test_an_edit_never_loses_a_card_that_was_set_beside_it(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.zeros(3))
    with rustfits.FITS(path, "r+") as fits:
        header = fits[0].header
        with pytest.raises(ValueError, match="outside of the edit"), header.edit() as edited:
            edited["INSIDE"] = 1
            header["BESIDE"] = 2
        assert ("INSIDE" in header, header["BESIDE"]) == (False, 2)
        with header.edit() as edited:
            edited["INSIDE"] = 1
        assert (header["INSIDE"], header["BESIDE"]) == (1, 2)
