"""DATASUM and CHECKSUM cards, against those of astropy and cfitsio."""

from __future__ import annotations

import asyncio

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits
from rustfits import aio


def images():
    random = np.random.default_rng(7)
    yield random.integers(-30000, 30000, (37, 41)).astype("i2")
    yield random.normal(size=(3, 50, 7)).astype("f4")
    yield random.normal(size=(200, 1000))
    yield np.zeros((5, 5), "u2")
    yield np.full((64, 64), -1, "i4")
    yield random.integers(0, 255, 2881).astype("u1")


@pytest.mark.parametrize("image", list(images()))
def test_ours_verify_everywhere(tmp_path, image):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(image)
        fits.write_image(image, extname="SECOND")
        for hdu in fits:
            assert hdu.verify_datasum() is None
            assert hdu.verify_checksum() is None
            hdu.header["NOTE"] = "a card before the checksums"
            hdu.add_checksum()
            assert hdu.verify_datasum() is True
            assert hdu.verify_checksum() is True
            assert "HDU checksum updated 20" in hdu.header.comment_of("CHECKSUM")
    with astropy_fits.open(path, checksum=True) as there:
        for hdu in there:
            assert hdu.verify_checksum() == 1
            assert hdu.verify_datasum() == 1
    with fitsio.FITS(path) as there:
        for hdu in there:
            hdu.verify_checksum()  # raises where it is wrong


@pytest.mark.parametrize("image", list(images()))
def test_those_of_others_verify_here(tmp_path, image):
    path = tmp_path / "a.fits"
    table = np.array([(1, 2.5, "abc"), (2, 3.5, "d")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S5")])
    hdus = [astropy_fits.PrimaryHDU(image), astropy_fits.ImageHDU(image), astropy_fits.BinTableHDU(table)]
    astropy_fits.HDUList(hdus).writeto(path, checksum=True)
    with rustfits.FITS(path) as fits:
        assert [hdu.verify_datasum() for hdu in fits] == [True] * 3
        assert [hdu.verify_checksum() for hdu in fits] == [True] * 3
        datasum = fits[0].header["DATASUM"]
    with rustfits.FITS(path, "r+") as fits:
        fits[0].add_datasum()
        assert fits[0].header["DATASUM"] == datasum
    with fitsio.FITS(tmp_path / "b.fits", "rw") as there:
        there.write(image)
        there.write(table)
        for hdu in there:
            hdu.write_checksum()
    with rustfits.FITS(tmp_path / "b.fits") as fits:
        assert [hdu.verify_datasum() for hdu in fits] == [True] * 2
        assert [hdu.verify_checksum() for hdu in fits] == [True] * 2


def test_a_change_shows(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.arange(100.0))
        fits[0].add_checksum()
        fits[0].header["LATER"] = 1
        assert fits[0].verify_datasum() is True
        assert fits[0].verify_checksum() is False
        fits[0].add_checksum()
    content = bytearray(path.read_bytes())
    content[-2000] ^= 4
    with rustfits.FITS.from_bytes(content) as fits:
        assert fits[0].verify_datasum() is False
        assert fits[0].verify_checksum() is False
    path.write_bytes(content)
    with fitsio.FITS(path) as there, pytest.raises(ValueError):
        there[0].verify_checksum()


def test_cards_without_a_checksum():
    def verdicts(**cards):
        hdu = astropy_fits.PrimaryHDU(np.arange(10))
        hdu.header.update(cards)
        with rustfits.FITS.from_bytes(astropy_bytes(hdu)) as fits:
            return fits[0].verify_datasum(), fits[0].verify_checksum()

    assert verdicts(DATASUM=" ", CHECKSUM="") == (None, None)
    assert verdicts(DATASUM="no number", CHECKSUM="0" * 16) == (False, False)


def astropy_bytes(hdu):
    import io

    out = io.BytesIO()
    hdu.writeto(out)
    return out.getvalue()


def test_reading_only(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.arange(10))
    with rustfits.FITS(path) as fits, pytest.raises(OSError, match=r"a\.fits.*read-only"):
        fits[0].add_checksum()
    with pytest.raises(OSError, match="closed"):
        fits[0].verify_checksum()


def test_asyncio(tmp_path):
    path = tmp_path / "a.fits"

    async def run():
        async with aio.FITS(path, "w+") as fits:
            hdu = await fits.write_image(np.arange(12.0).reshape(3, 4))
            assert await hdu.verify_checksum() is None
            await hdu.add_datasum()
            await fits[0].add_checksum()
            assert await fits[0].verify_checksum() is True
            assert await hdu.verify_datasum() is True
        async with aio.FITS(path) as fits:
            assert await fits[0].verify_datasum() is True
            with pytest.raises(IndexError):
                await fits[3].verify_datasum()

    asyncio.run(run())
    with astropy_fits.open(path, checksum=True) as there:
        assert there[0].verify_checksum() == 1
