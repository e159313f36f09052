"""Files in memory that were opened to be read: they may be changed there, and nothing is written back."""

from __future__ import annotations

import asyncio
import gzip
import io
import pickle

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes

import rustfits
from rustfits import aio

PIXELS = np.arange(12, dtype="i2").reshape(3, 4)


@pytest.fixture
def content():
    catalogue = astropy_fits.BinTableHDU(np.array([(1, 2.5), (2, 3.5)], dtype=[("a", "i4"), ("b", "f8")]), name="CAT")
    return hdu_bytes(astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(PIXELS, name="SCI"), catalogue)


@pytest.fixture(params=["gz", "bytes", "http", "http gz", "ftp"])
def opened(request, content, tmp_path, loopback):
    """How a file in memory is opened, and a check that what it was opened from is as it was."""
    if request.param == "bytes":
        return lambda: rustfits.FITS.from_bytes(content), lambda: True
    packed = gzip.compress(content, mtime=0)
    if request.param == "gz":
        path = tmp_path / "a.fits.gz"
        path.write_bytes(packed)
        before = path.stat().st_mtime_ns
        return lambda: rustfits.FITS(path), lambda: path.read_bytes() == packed and path.stat().st_mtime_ns == before
    data, suffix = (packed, ".fits.gz") if request.param == "http gz" else (content, ".fits")
    path = loopback.put(data, suffix)
    server = loopback.ftp if request.param == "ftp" else loopback.http
    return lambda: rustfits.FITS(server + path), lambda: (loopback.root / path[1:]).read_bytes() == data


def test_every_kind_of_edit_changes_the_copy_and_nothing_else(opened, content):
    make, is_untouched = opened
    with make() as fits, make() as other:
        assert fits.to_bytes() == content
        image, table = fits["SCI"], fits["CAT"]
        taken = image.read()
        image[1, 1:3] = [-1, -2]
        image.header["OBJECT"] = "changed"
        for number in range(60):
            image.header[f"KEY{number}"] = number
        table["a"][1] = 7
        fits.write_image(np.ones((2, 2), "f4"), extname="NEW")
        table.append(np.array([(3, 4.5)], dtype=[("a", "i4"), ("b", "f8")]))
        fits.sync()
        expected = PIXELS.copy()
        expected[1, 1:3] = [-1, -2]
        np.testing.assert_array_equal(image.read(), expected)
        np.testing.assert_array_equal(taken, PIXELS)
        assert (fits.mode, len(fits), image.header["KEY59"]) == ("r", 4, 59)
        assert table["a"][:].tolist() == [1, 7, 3]
        with astropy_fits.open(io.BytesIO(fits.to_bytes())) as hdus:
            hdus.verify("exception")
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "CAT", "NEW"]
            np.testing.assert_array_equal(hdus["SCI"].data, expected)
            assert hdus["SCI"].header["KEY59"] == 59
            assert hdus["CAT"].data["a"].tolist() == [1, 7, 3]
        assert other.to_bytes() == content
    assert is_untouched()
    with make() as fits:
        assert fits.to_bytes() == content


def test_a_growth_of_the_header_comes_out_before_anything_else_was_written(content):
    with rustfits.FITS.from_bytes(content) as fits:
        for number in range(60):
            fits[0].header[f"KEY{number}"] = number
        with astropy_fits.open(io.BytesIO(fits.to_bytes())) as hdus:
            assert hdus[0].header["KEY59"] == 59
            np.testing.assert_array_equal(hdus["SCI"].data, PIXELS)


def test_what_is_refused_leaves_the_copy_as_it_was(content):
    with rustfits.FITS.from_bytes(content) as fits:
        with pytest.raises(ValueError, match="protected"):
            fits["SCI"].header["NAXIS1"] = 3
        with pytest.raises(ValueError, match="SCI|HDU 1"):
            fits["SCI"][0, 0] = 1e9
        assert fits.to_bytes() == content


def test_a_changed_copy_is_not_pickled_as_its_file(content, tmp_path):
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(content))
    with rustfits.FITS(path) as fits:
        with pickle.loads(pickle.dumps(fits)) as again:
            assert again.to_bytes() == content
        fits["SCI"][0, 0] = 5
        with pytest.raises(TypeError, match="unchanged"):
            pickle.dumps(fits)


def test_a_closed_copy_stays_closed(content):
    fits = rustfits.FITS.from_bytes(content)
    image = fits["SCI"]
    image[0, 0] = 1
    fits.close()
    with pytest.raises(OSError, match="closed"):
        image[0, 0] = 2
    with pytest.raises(OSError, match="closed"):
        image.read()


def test_on_disk_and_by_ranges_a_file_is_read_only(content, tmp_path, loopback):
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    with rustfits.FITS(path) as fits, pytest.raises(OSError, match=r"a\.fits.*read-only.*r\+"):
        fits["SCI"][0, 0] = 1
    assert path.read_bytes() == content
    url = loopback.http + loopback.put(content)
    with rustfits.FITS(url, remote="ranged") as fits, pytest.raises(OSError, match="read-only.*without remote="):
        fits["SCI"][0, 0] = 1


def test_in_asyncio_and_from_many(content, loopback):
    url = loopback.http + loopback.put(content)

    async def changed():
        async with aio.FITS(url) as fits:
            image = await fits["SCI"]
            await image.set((0, slice(None)), 9)
            async with image.header.edit() as header:
                header["OBJECT"] = "changed"
            return (await image.read())[0].tolist(), image.header["OBJECT"]

    assert asyncio.run(changed()) == ([9] * 4, "changed")
    for result in rustfits.fetch_many([url]):
        result.fits["SCI"][2] = 4
        assert result.fits["SCI"][2].tolist() == [4] * 4
