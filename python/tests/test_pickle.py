"""Handles that read go to other processes."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
import operator
import pickle

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits
from rustfits import aio


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.fits"
    table = np.array([(n, n / 4, f"name {n}") for n in range(20)], dtype=[("a", "i4"), ("b", "f8"), ("c", "S8")])
    image = astropy_fits.ImageHDU(np.arange(400, dtype="f4").reshape(20, 20), name="SCI")
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), image, astropy_fits.BinTableHDU(table, name="CAT")]).writeto(path)
    return path


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def stamp(hdu, at):
    return hdu[at : at + 3, at : at + 2].sum()


class Stamps:
    """What a pool calls: an object that holds an HDU."""

    def __init__(self, hdu):
        self.hdu = hdu

    def __call__(self, at):
        return stamp(self.hdu, at)


def test_a_spawn_pool_reads_stamps_from_one_handle(path):
    with rustfits.FITS(path) as fits, multiprocessing.get_context("spawn").Pool(2) as pool:
        expected = [stamp(fits["SCI"], at) for at in range(15)]
        assert pool.map(Stamps(fits["SCI"]), range(15)) == expected


def test_a_file_its_hdus_and_columns(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with rustfits.FITS("a.fits", lenient=True) as fits:
        sent = [
            pickle.dumps(thing) for thing in [fits, fits["SCI"], fits["CAT"], fits["CAT"]["b"], fits["CAT"][["c", "a"]]]
        ]
        expected = fits["CAT"].read()
    monkeypatch.chdir("/")  # the name leads there from anywhere
    file, image, table, column, columns = map(pickle.loads, sent)
    assert (len(file), file.mode, file["CAT"].nrows) == (3, "r", 20)
    assert (type(image), image.extname, image[3, 4]) == (rustfits.ImageHDU, "SCI", 64)
    np.testing.assert_array_equal(table.read(), expected)
    np.testing.assert_array_equal(column[3:7], expected["b"][3:7])
    assert columns[2].tolist() == ("name 2", 2)
    assert copy.deepcopy(image).header["EXTNAME"] == "SCI"
    with rustfits.FITS(path) as fits:
        path.unlink()
        messages = [pickle.dumps(thing) for thing in [fits, fits["SCI"], fits["CAT"]["b"]]]
    # What goes wrong is the error of the first use.
    uses = [
        operator.itemgetter("SCI"),
        operator.attrgetter("header"),
        len,
        list,
        contextlib.ExitStack().enter_context,
        pickle.dumps,
    ]
    for thing in map(pickle.loads, messages):
        for use in uses:
            with pytest.raises(FileNotFoundError, match=r"a\.fits"):
                use(thing)
        assert "a.fits" in repr(thing)


def test_a_worker_that_can_not_open_the_file_says_so(path):
    with rustfits.FITS(path) as fits, multiprocessing.get_context("spawn").Pool(1) as pool:
        stamps = Stamps(fits["SCI"])
        path.unlink()
        # Raised by unpickling, the error would be lost with the worker, and this wait for ever.
        with pytest.raises(FileNotFoundError, match=r"a\.fits"):
            pool.map_async(stamps, range(3)).get(timeout=60)


def test_a_remote_file_takes_its_options_along(loopback, path):
    url = loopback.http + loopback.put(path.read_bytes())
    remote = rustfits.Remote(ranged=True, headers={"X-Job": "7"}, timeout=rustfits.Timeout(connect=5, idle=6, total=70))
    assert again(remote) == remote
    assert again(remote.timeout) == remote.timeout
    with rustfits.FITS(url, remote=remote) as fits:
        stamped = again(fits["SCI"])
    assert stamped[2, 3] == 43
    with rustfits.FITS(url) as fits, rustfits.FITS(url, remote="ranged") as ranged:
        assert again(fits)["SCI"][0, 1] == again(ranged)["SCI"][0, 1] == 1


def test_what_cannot_be_opened_again_says_so(path):
    closed = rustfits.FITS(path)
    closed.close()
    held = [
        closed,
        rustfits.FITS.from_bytes(path.read_bytes()),
        rustfits.FITS("mem://", "w+"),
        rustfits.FITS(path, "r+"),
    ]
    for thing in [*held, held[3][0], held[1]["CAT"]["a"]]:
        with pytest.raises(TypeError, match="mode 'r'"):
            pickle.dumps(thing)


async def test_asyncio_hdus_are_not_pickled(path):
    async with aio.FITS(path) as fits:
        hdu = await fits["SCI"]
        for thing in [fits, fits["SCI"], hdu]:
            with pytest.raises(TypeError, match="pickle"):
                pickle.dumps(thing)
