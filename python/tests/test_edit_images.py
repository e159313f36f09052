"""Writing into images that are there: what others then read is what numpy makes of the same assignments."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes

import rustfits
from rustfits import aio

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def extremes(dtype, shape):
    """Values with the lowest and the highest of the type among them."""
    dtype = np.dtype(dtype)
    random = np.random.default_rng(7)
    if dtype.kind == "f":
        return np.asarray(random.normal(size=shape)).astype(dtype)
    limits = np.iinfo(dtype)
    values = random.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)
    if np.size(values) > 1:
        values.flat[0], values.flat[-1] = limits.min, limits.max
    return values


KEYS = [
    np.s_[...],
    np.s_[3],
    np.s_[-1, 2],
    np.s_[1, 2, 3],
    np.s_[1:4],
    np.s_[:, 2:5],
    np.s_[..., 3],
    np.s_[..., ::2],
    np.s_[::-1],
    np.s_[::-2, 4:1:-1, ::-3],
    np.s_[2:2],
    np.s_[[3, 0, 1]],
    np.s_[:, [5, 2, 3, 4]],
    np.s_[..., [-1, 0]],
    np.s_[1, ::-1],
    np.s_[0:100, -100:3],
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("where", ["disk", "memory"])
def test_every_key_writes_what_numpy_writes(dtype, where, tmp_path):
    path = tmp_path / "a.fits"
    model = np.zeros((5, 6, 7), dtype)
    with rustfits.FITS(path if where == "disk" else "mem://", "w+") as file:
        for _ in range(3):
            file.write_image(model)
        hdu = file[1]
        for key in KEYS:
            model[key] = extremes(dtype, model[key].shape)
            hdu[key] = np.asarray(model[key]).astype(np.dtype(dtype).newbyteorder(">"))
            np.testing.assert_array_equal(hdu.read(), model, err_msg=str(key))
            value = extremes(dtype, model.shape)[-1, -1, -1]
            model[key] = value
            hdu[key] = value
            np.testing.assert_array_equal(hdu.read(), model, err_msg=str(key))
        model[:, ::2] = extremes(dtype, (3, 1))
        hdu[:, ::2] = extremes(dtype, (3, 1))
        model[...] = np.asfortranarray(extremes(dtype, (1, *model.shape)))
        hdu[...] = np.asfortranarray(extremes(dtype, (1, *model.shape)))
        data = file.to_bytes()
    with astropy_fits.open(path) if where == "disk" else astropy_fits.HDUList.fromstring(data) as theirs:
        np.testing.assert_array_equal(theirs[1].data, model)
        for number in (0, 2):
            assert not theirs[number].data.any()
    # fitsio can't read u8, and takes i1 for u1.
    if where == "disk" and dtype not in ("i1", "u8"):
        np.testing.assert_array_equal(fitsio.read(path, ext=1), model)


def test_of_a_position_that_is_named_twice_the_last_value_counts():
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(np.zeros(5, "i2"))
        hdu[[1, 3, 1]] = np.array([1, 2, 3], "i2")
        np.testing.assert_array_equal(hdu[:], [0, 3, 0, 2, 0])


def test_numbers_of_other_types_are_converted_where_they_fit():
    with rustfits.FITS("mem://", "w+") as file:
        short = file.write_image(np.zeros(4, "i2"))
        short[...] = [1, 2.5, 3.5, -7]
        np.testing.assert_array_equal(short[:], [1, 2, 4, -7])
        short[1:3] = np.array([40, 50], "i8")
        np.testing.assert_array_equal(short[:], [1, 40, 50, -7])
        wide = file.write_image(np.zeros(3, "f8"))
        wide[...] = np.array([1, 2, 3], "u1")
        np.testing.assert_array_equal(wide[:], [1, 2, 3])
        unsigned = file.write_image(np.zeros(3, "u8"))
        unsigned[...] = 5
        unsigned[1] = np.int64(6)
        unsigned[2] = 2**64 - 1
        np.testing.assert_array_equal(unsigned[:], np.array([5, 6, 2**64 - 1], "u8"))
        for value in [32768, -32769, 1e6, np.inf, np.nan, np.array([0, 0, 0, 70000])]:
            with pytest.raises(ValueError, match="does not fit i2"):
                short[...] = value
        with pytest.raises(ValueError, match=r"70000 at \[1\]"):
            short[:2] = np.array([1, 70000])
        with pytest.raises(ValueError, match="the value -1 does not fit u8"):
            unsigned[0] = -1
        for value in ["text", 1j, True, object(), 2**70]:
            with pytest.raises(ValueError, match="dtype"):
                short[0] = value
        np.testing.assert_array_equal(short[:], [1, 40, 50, -7])


def scaled(blank=None):
    hdu = astropy_fits.PrimaryHDU(np.arange(6, dtype="i2").reshape(2, 3))
    data = bytearray(hdu_bytes(hdu))
    end = data.index(b"END     ")
    cards = ["BSCALE  =                  0.1", "BZERO   =                100.0"]
    cards += [f"BLANK   = {blank:20}"] if blank is not None else []
    text = "".join(f"{card:80}" for card in [*cards, "END"]).encode()
    data[end : end + len(text)] = text
    return bytes(data)


def test_values_of_scaled_images_are_scaled_back():
    with rustfits.FITS.from_bytes(scaled(), "r+") as file:
        hdu = file[0]
        hdu[0] = np.array([100.0, 100.16, 99.9])
        hdu[1, 0] = 103
        np.testing.assert_array_equal(hdu.read(scale=False), [[0, 2, -1], [30, 4, 5]])
        # The stored type: stored numbers.
        hdu[1] = np.array([7, 8, 9], "i2")
        np.testing.assert_array_equal(hdu.read(scale=False), [[0, 2, -1], [7, 8, 9]])
        hdu.write(hdu.read(scale=False))
        np.testing.assert_array_equal(hdu.read(scale=False), [[0, 2, -1], [7, 8, 9]])
        for value in [1e5, np.nan, np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[0, 0, 1]), np.ma.masked]:
            with pytest.raises(ValueError, match="does not fit|masked"):
                hdu[0] = value
        with astropy_fits.HDUList.fromstring(file.to_bytes()) as theirs:
            np.testing.assert_allclose(theirs[0].data, [[100, 100.2, 99.9], [100.7, 100.8, 100.9]], rtol=1e-6)


def test_masked_pixels_are_written_as_blank_or_nan():
    with rustfits.FITS.from_bytes(scaled(-99), "r+") as file:
        hdu = file[0]
        hdu[0] = np.ma.MaskedArray([100.0, 1e30, 101.0], mask=[0, 1, 0])
        hdu[1, 0] = np.ma.masked
        hdu[1, 1:] = np.array([np.nan, 102.0])
        np.testing.assert_array_equal(hdu.read(scale=False), [[0, -99, 10], [-99, -99, 20]])
        mask = np.ma.getmaskarray(hdu.read(mask_blank=True))
        np.testing.assert_array_equal(mask, [[False, True, False], [True, True, False]])
        with astropy_fits.HDUList.fromstring(file.to_bytes()) as theirs:
            np.testing.assert_array_equal(np.isnan(theirs[0].data), mask)
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(np.zeros(3, "f4"))
        hdu[...] = np.ma.MaskedArray([1, 2, 3], mask=[0, 1, 0])
        np.testing.assert_array_equal(hdu[:], np.array([1, np.nan, 3], "f4"))


def test_write_starts_at_a_position_or_at_a_pixel():
    model = np.arange(20, dtype="i4").reshape(4, 5)
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(np.zeros((4, 5), "i4"))
        hdu.write(model)
        np.testing.assert_array_equal(hdu.read(), model)
        hdu.write(np.array([[-1, -2], [-3, -4]]), start=(1, 3))
        model[1:3, 3:5] = [[-1, -2], [-3, -4]]
        hdu.write(-np.arange(7, dtype="i4"), start=np.int64(8))
        model.flat[8:15] = -np.arange(7)
        hdu.write([[5]], start=[0, 0])
        model[0, 0] = 5
        np.testing.assert_array_equal(hdu.read(), model)
        for data, start in [
            (model, (0, 1)),
            (model, (0,)),
            (model[0], None),
            (model, 1),
            (model, -1),
            (model, (-1, 0)),
        ]:
            with pytest.raises(ValueError, match="reach beyond|counts from 0"):
                hdu.write(data, start)
        for start in ["x", 1.5, None]:
            with pytest.raises(TypeError):
                hdu.write(model, (start, 0))
        for key in [np.s_[9], np.s_[0, [7]]]:
            with pytest.raises(IndexError):
                hdu[key] = 1
        with pytest.raises(ValueError, match="shape"):
            hdu[0:2] = [1, 2, 3]
        np.testing.assert_array_equal(hdu.read(), model)


def test_what_is_read_only_or_closed_is_refused(tmp_path):
    path = tmp_path / "a.fits"
    rustfits_file = rustfits.FITS(path, "w+")
    hdu = rustfits_file.write_image(np.zeros(3, "i2"))
    rustfits_file.close()
    with pytest.raises(OSError, match="closed"):
        hdu[0] = 1
    before = path.read_bytes()
    with rustfits.FITS(path) as file:
        with pytest.raises(OSError, match="read-only"):
            file[0][0] = 1
        with pytest.raises(OSError, match="read-only"):
            file[0].write(np.ones(3, "i2"))
    assert path.read_bytes() == before
    with rustfits.FITS(path, "r+") as file:
        path.write_bytes(before + b"more")
        with pytest.raises(OSError, match="changed by another program"):
            file[0][0] = 1
    assert path.read_bytes() == before + b"more"


async def test_asyncio_writes_the_same(tmp_path):
    path = tmp_path / "a.fits"
    model = np.arange(30, dtype="f4").reshape(5, 6)
    async with aio.FITS(path, "w+") as file:
        hdu = await file.write_image(np.zeros((5, 6), "f4"), extname="SCI")
        await hdu.write(model)
        await asyncio.gather(*(hdu.set((row, slice(None, None, -1)), row) for row in range(3)))
        await file["SCI"].set(np.s_[3:, 0], [-1, -2])
        await file["SCI"].write(np.ones((1, 2)), start=(4, 4))
        with pytest.raises(TypeError, match=r"await hdu\.set"):
            hdu[0] = 1
        with pytest.raises(ValueError, match="shape"):
            await hdu.set(0, [1, 2])
        model[:3] = np.arange(3)[:, None]
        model[3:, 0] = [-1, -2]
        model[4, 4:] = 1
        np.testing.assert_array_equal(await hdu.read(), model)
    np.testing.assert_array_equal(fitsio.read(path), model)


def several(path_or_name):
    file = rustfits.FITS(path_or_name, "w+")
    for name in ["A", "B", "C"]:
        file.write_image(np.arange(12, dtype="u2").reshape(3, 4), extname=name)
    return file


@pytest.mark.parametrize("name", ["A", "B", "C"])
@pytest.mark.parametrize("where", ["a.fits", "a.fits.gz", "mem://"])
def test_images_grow_wherever_they_are(name, where, tmp_path):
    path = where if where == "mem://" else tmp_path / where
    first = np.arange(12, dtype="u2").reshape(3, 4)
    rows = np.arange(2000, dtype="u2").reshape(500, 4)
    with several(path) as file:
        hdus = {other: file[other] for other in "ABC"}
        file["B"].header["KEY"] = 1
        hdus[name].extend(rows)
        hdus[name].extend(rows[7])
        hdus[name].extend(rows[:0])
        hdus[name].extend(np.array([[1.0, 2.0, 3.0, 65535.0]]))
        model = np.concatenate([first, rows, rows[7:8], np.array([[1, 2, 3, 65535]], "u2")])
        for other, hdu in hdus.items():
            expected = model if other == name else first
            assert (hdu.shape, len(hdu), hdu.size) == (expected.shape, len(expected), expected.size)
            np.testing.assert_array_equal(hdu.read(), expected)
        hdus[name][-1] = 9
        hdus["C"][0] = 8
        model[-1] = 9
        data = file.to_bytes()
    if where != "mem://":
        assert os.listdir(tmp_path) == [where]
    with astropy_fits.HDUList.fromstring(data) as theirs:
        theirs.verify("exception")
        assert theirs["B"].header["KEY"] == 1
        for other in "ABC":
            expected = (model if other == name else first).copy()
            if other == "C":
                expected[0] = 8
            np.testing.assert_array_equal(theirs[other].data, expected)
    if where == "a.fits":
        assert path.read_bytes() == data
        np.testing.assert_array_equal(fitsio.read(path, ext="A"), model if name == "A" else first)


def test_what_is_no_row_is_refused_and_nothing_changes():
    with several("mem://") as file:
        before = file.to_bytes()
        for data in [
            np.zeros(3),
            np.zeros((2, 5)),
            np.zeros((1, 2, 4)),
            5,
            np.array([-1, 0, 0, 0]),
            [[0, 0, 0, 70000]],
        ]:
            with pytest.raises(ValueError, match="no rows of this image|does not fit u2"):
                file["B"].extend(data)
        assert file.to_bytes() == before
        empty = file.create_image_hdu("f4", (), extname="EMPTY")
        with pytest.raises(ValueError, match="without axes"):
            empty.extend([1.0])
        line = file.create_image_hdu("f4", 0)
        line.extend([1.0, 2.0])
        line.extend(3)
        assert line.read().tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["A", "C"])
def test_rows_are_collected_and_written_at_once(name, tmp_path):
    path = tmp_path / "a.fits"
    row = np.zeros(4, "u2")
    with several(path) as file:
        hdu = file[name]
        inode = path.stat().st_ino
        with hdu.extending() as rows:
            assert rows is hdu
            for number in range(500):
                row[:] = number
                rows.extend(row)
            assert hdu.shape == (3, 4)
            with pytest.raises(RuntimeError, match="already"), hdu.extending():
                pass
        assert hdu.shape == (503, 4)
        assert "[503, 4]" in repr(hdu)
        np.testing.assert_array_equal(hdu[3:], np.repeat(np.arange(500), 4).reshape(500, 4))
        assert (path.stat().st_ino == inode) == (name == "C")
        before = file.to_bytes()
        with pytest.raises(KeyError), hdu.extending():
            hdu.extend(row)
            raise KeyError
        with pytest.raises(ValueError, match="rows"), hdu.extending():
            hdu.extend(row)
            hdu.extend(row[:2])
        with hdu.extending():
            pass
        assert file.to_bytes() == before
    with astropy_fits.open(path) as theirs:
        assert theirs[name].data.shape == (503, 4)


@pytest.mark.parametrize("followed", [False, True])
def test_many_rows_are_written_in_pieces_and_taken_back(tmp_path, followed):
    path = tmp_path / "a.fits"
    block = np.ones((16, 1 << 20), "u1")
    with rustfits.FITS(path, "w+") as file:
        hdu = file.write_image(block[:2])
        if followed:
            file.write_image(block[:1, :10], extname="NEXT")
        before = file.to_bytes()
        lengths = []
        with pytest.raises(KeyError), hdu.extending():
            for _ in range(9):
                hdu.extend(block)
                lengths.append(hdu.shape[0])
            raise KeyError
        # What is more than 64 MiB does not wait.
        assert lengths == [2, 2, 2, 2, 82, 82, 82, 82, 82]
        assert hdu.shape == (2, 1 << 20)
        assert file.to_bytes() == before
        with hdu.extending():
            for value in range(5):
                block[:] = value
                hdu.extend(block)
            hdu.extend(block[0])
        assert hdu.shape == (83, 1 << 20)
        assert hdu[2::16, 0].tolist() == [0, 1, 2, 3, 4, 4]
        if followed:
            assert (file["NEXT"].read() == 1).all()
    with astropy_fits.open(path) as theirs:
        assert theirs[0].data.shape == (83, 1 << 20)
        assert theirs[0].data[1:, 7].tolist() == [1, *np.repeat(range(5), 16), 4]


def test_rows_of_several_kinds_are_collected_in_their_order():
    rows = [
        np.array([1, 2, 3], "i2"),
        np.array([[4, 5, 6], [7, 8, 9]], "i2"),
        np.array([10, 11, 12], "f8"),
        [13, 14, 15],
        np.ma.MaskedArray(np.array([16, 17, 18], "i2"), mask=[0, 1, 0]),
        np.array([[19, 20, 21]], ">i2"),
        np.array([[22, 22, 23, 23, 24, 24]], "i2")[:, ::2],
        np.array([25, 26, 27], "i2"),
        np.empty((0, 3), "i2"),
    ]
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.create_image_hdu("i2", (0, 3), blank=-1)
        with hdu.extending():
            for row in rows:
                hdu.extend(row)
        expected = np.arange(1, 28).reshape(9, 3)
        expected[5, 1] = -1
        np.testing.assert_array_equal(hdu.read(scale=False), expected)


def test_growing_is_refused_where_nothing_can_be_written(tmp_path):
    path = tmp_path / "a.fits"
    several(path).close()
    before = path.read_bytes()
    with rustfits.FITS(path) as file, pytest.raises(OSError, match="read-only"):
        file["A"].extend(np.zeros((1, 4), "u2"))
    assert path.read_bytes() == before


async def test_asyncio_grows_images(tmp_path):
    path = tmp_path / "a.fits"
    several(path).close()
    async with aio.FITS(path, "r+") as file:
        await file["A"].extend(np.ones((2, 4), "u2"))
        hdu = await file["B"]
        await hdu.extend([7, 8, 9, 10])
        async with hdu.extending() as rows:
            await rows.extend(np.ones(4, "u2"))
            await rows.extend(np.ones((2, 4), "u2"))
        assert hdu.shape == (7, 4)
        with pytest.raises(TypeError, match="async with"), hdu.extending():
            pass
    with astropy_fits.open(path) as theirs:
        assert [hdu.data.shape for hdu in theirs] == [(5, 4), (7, 4), (3, 4)]
        assert theirs["B"].data[3].tolist() == [7, 8, 9, 10]


GROWING = """
import sys
import numpy as np
import rustfits

with rustfits.FITS(sys.argv[1], "r+") as file:
    hdu = file[sys.argv[2]]
    number = len(hdu)
    print("begun", flush=True)
    while True:
        hdu.extend(np.full((3, 4), number, "u2"))
        hdu[0] = number
        number += 3
"""


@pytest.mark.parametrize("name", ["A", "C"])
def test_a_kill_leaves_the_image_before_or_after_it_grew(name, tmp_path):
    path = tmp_path / "a.fits"
    several(path).close()
    first = np.arange(12, dtype="u2").reshape(3, 4)
    for kill in range(12):
        process = subprocess.Popen([sys.executable, "-c", GROWING, path, name], stdout=subprocess.PIPE)
        with process:
            assert process.stdout.readline() == b"begun\n"
            # Where in its work the process is hit is left to chance.
            time.sleep(0.003 * kill)
            process.send_signal(signal.SIGKILL)
        with rustfits.FITS(path) as file:
            rows = file[name].read()
            assert len(rows) % 3 == 0
            np.testing.assert_array_equal(rows[3:], np.repeat(np.arange(3, len(rows), 3), 12).reshape(-1, 4))
            for other in {"A", "B", "C"} - {name}:
                np.testing.assert_array_equal(file[other].read(), first)
        with astropy_fits.open(path) as theirs:
            assert theirs[name].data.shape == rows.shape
