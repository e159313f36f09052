"""The functions that open a file, use it and close it."""

from __future__ import annotations

import asyncio
import os
import stat

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits
from rustfits import aio


def test_an_image_there_and_back(tmp_path):
    for name in ["a.fits", "a.fits.gz"]:
        path = tmp_path / name
        image = np.arange(12, dtype="i4").reshape(3, 4)
        rustfits.write(path, image, extname="SCI", header={"EXPTIME": (30.5, "seconds"), "FILTER": "r"})
        back, header = rustfits.read(path, header=True)
        np.testing.assert_array_equal(back, image)
        assert (header["EXPTIME"], header.comment_of("EXPTIME"), header["EXTNAME"]) == (30.5, "seconds", "SCI")
        np.testing.assert_array_equal(rustfits.read(path, "sci"), fitsio.read(path))
        assert rustfits.read_header(path)["FILTER"] == astropy_fits.getheader(path)["FILTER"]
        # The header is a copy, which can be edited and written.
        header["OBSERVER"] = "me"
        header.add_history("copied")
        rustfits.write(path, image * 2, mode="r+", extname="TWICE", header=header)
        np.testing.assert_array_equal(rustfits.read(path, 1), image * 2)
        second = rustfits.read_header(path, ("TWICE", 1))
        assert (second["OBSERVER"], second["HISTORY"], second["EXTNAME"]) == ("me", ["copied"], "TWICE")
        assert len(list(tmp_path.iterdir())) == 1
        path.unlink()


def test_the_first_hdu_with_data(tmp_path):
    path = tmp_path / "a.fits"
    table = np.array([(1, 2.5), (2, 3.5)], dtype=[("a", "i4"), ("b", "f8")])
    hdus = [astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(name="EMPTY"), astropy_fits.BinTableHDU(table, name="T")]
    astropy_fits.HDUList(hdus).writeto(path)
    read = rustfits.read(path)
    assert read.dtype.names == ("a", "b")
    np.testing.assert_array_equal(read["b"], table["b"])
    astropy_fits.HDUList(hdus[:2]).writeto(path, overwrite=True)
    with pytest.raises(ValueError, match=r"a\.fits.*no HDU .*data"):
        rustfits.read(path)
    with pytest.raises(IndexError):
        rustfits.read(path, 7)
    with pytest.raises(KeyError):
        rustfits.read_header(path, "NOT_THERE")
    with pytest.raises(FileNotFoundError):
        rustfits.read(tmp_path / "none.fits")


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.zeros(5))
    path.chmod(0o640)
    before = path.read_bytes()
    for bad in [{"header": {"NAXIS": 3}}, {"header": {"X": float("nan")}}]:
        with pytest.raises(ValueError, match="keyword (NAXIS|X)"):
            rustfits.write(path, np.ones(5), **bad)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["a.fits"]
    rustfits.write(path, np.ones(5), header={f"K{n}": n for n in range(100)})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert rustfits.read(path).sum() == 5
    link = tmp_path / "link.fits"
    link.symlink_to(path)
    rustfits.write(link, np.full(5, 2.0))
    assert link.is_symlink()
    assert rustfits.read(path).sum() == 10
    other = tmp_path / "other.fits"
    other.hardlink_to(path)
    rustfits.write(other, np.full(5, 3.0))
    assert rustfits.read(path).sum() == 15


def test_new_files_have_the_mode_that_the_umask_leaves(tmp_path):
    rustfits.write(tmp_path / "a.fits", np.zeros(5), header={f"K{n}": n for n in range(100)})
    (tmp_path / "b").write_text("")
    assert stat.S_IMODE((tmp_path / "a.fits").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_what_is_refused(tmp_path):
    path = tmp_path / "a.fits"
    with pytest.raises(ValueError, match="mode 'r'"):
        rustfits.write(path, np.zeros(3), mode="r")
    with pytest.raises(FileNotFoundError):
        rustfits.write(path, np.zeros(3), mode="r+")
    with pytest.raises(OSError, match="read-only"):
        rustfits.write("https://archive.example/a.fits", np.zeros(3))
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.fits"):
        rustfits.write(tmp_path / "nowhere" / "a.fits", np.zeros(3))
    assert not list(tmp_path.iterdir())
    assert rustfits.is_protected_key("NAXIS2")
    assert rustfits.is_protected_key("checksum")
    assert not rustfits.is_protected_key("EXPTIME")


def test_asyncio(tmp_path):
    path = tmp_path / "a.fits"
    image = np.arange(12.0).reshape(3, 4)

    async def run():
        await aio.write(path, image, extname="SCI", header={"EXPTIME": 30})
        np.testing.assert_array_equal(await aio.read(path), image)
        back, header = await aio.read(path, "SCI", header=True)
        np.testing.assert_array_equal(back, image)
        header["EXPTIME"] += 1
        assert header["EXPTIME"] == (await aio.read_header(path))["EXPTIME"] + 1
        table = np.array([(1, "a"), (2, "b")], [("n", "i4"), ("s", "U1")])
        await aio.write(path, table)
        np.testing.assert_array_equal(await aio.read(path), table)

    asyncio.run(run())


def test_hdus_are_copied(tmp_path):
    """Byte for byte, of every kind, and as astropy reads them."""
    path, target = tmp_path / "a.fits", tmp_path / "b.fits"
    table = np.array([(1, 2.5), (2, 3.5)], dtype=[("a", "i4"), ("b", "f8")])
    image = np.arange(30.0).reshape(5, 6)
    ascii_table = astropy_fits.TableHDU.from_columns([astropy_fits.Column("n", "I5", array=[1, 2, 3])])
    hdus = [
        astropy_fits.PrimaryHDU(image),
        astropy_fits.BinTableHDU(table),
        ascii_table,
        astropy_fits.CompImageHDU(image),
    ]
    astropy_fits.HDUList(hdus).writeto(path, checksum=True)
    with rustfits.FITS(path) as source, rustfits.FITS(target, "w+") as fits:
        for hdu in source:
            assert fits.copy(hdu).index == hdu.index
    assert target.read_bytes() == path.read_bytes()
    with rustfits.FITS(path) as source, rustfits.FITS(target, "r+") as fits:
        np.testing.assert_array_equal(fits.copy(source[0])[...], image)
        np.testing.assert_array_equal(fits.copy(fits[1]).read()["b"], table["b"])
        with pytest.raises(OSError, match="read-only"):
            source.copy(fits[0])
    with astropy_fits.open(target, checksum=True) as there:
        there.verify("exception")
        np.testing.assert_array_equal(there[4].data, image)
        np.testing.assert_array_equal(there[5].data["b"], table["b"])
        assert there[4].verify_datasum() == 1

    async def run():
        async with aio.FITS(path) as source, aio.FITS(tmp_path / "c.fits", "w+") as fits:
            assert (await fits.copy(await source[1])).index == 1
            assert await fits.count() == 2

    asyncio.run(run())
