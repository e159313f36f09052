"""Tables that lose their last rows: by `truncate`, and by an exception in `appending()`, which takes rows back."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import numbers_by_fitsio

import rustfits
from rustfits import aio

ROWS = 1000
MIB = 1 << 20


def cells(rows: int) -> np.ndarray:
    array = np.empty(rows, object)
    array[:] = [np.arange(row % 7 + 1, dtype="i4") * row for row in range(rows)]
    return array


def plain(fits: Any) -> None:
    fits.write_table({"n": np.arange(ROWS), "s": [f"{n}" for n in range(ROWS)]}, extname="T")


def variable(fits: Any) -> None:
    fits.write_table({"n": np.arange(ROWS), "v": cells(ROWS), "w": cells(ROWS)}, extname="T")


def in_ascii(fits: Any) -> None:
    hdu = fits.create_ascii_table_hdu([("n", "i4"), ("f", "f8")], ROWS, extname="T")
    hdu.write({"n": np.arange(ROWS), "f": np.arange(ROWS) / 7})


def compressed(fits: Any) -> None:
    data = {"n": np.arange(ROWS), "s": [f"{n}" for n in range(ROWS)], "f": np.arange(ROWS) / 7}
    fits.write_table(data, extname="T", compress=True, ztilelen=100)


def compressed_arrays(fits: Any) -> None:
    fits.write_table({"n": np.arange(ROWS), "v": cells(ROWS)}, extname="T", compress=True, ztilelen=100)


KINDS = [plain, variable, in_ascii, compressed, compressed_arrays]


def same_rows(ours: Any, wanted: Any) -> None:
    assert ours.dtype == wanted.dtype and len(ours) == len(wanted)
    for name in wanted.dtype.names:
        for one, other in zip(ours[name], wanted[name], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("make", KINDS)
def test_truncate(tmp_path, make: Callable[[Any], None], followed: bool):
    path = tmp_path / "t.fits"
    behind = np.arange(3000, dtype="i2")
    with rustfits.FITS(path, "w+") as fits:
        make(fits)
        if followed:
            fits.write_image(behind, extname="BEHIND")
    whole = rustfits.read(path, ext="T")
    for rows in (950, 900, 33, 1, 0):
        with rustfits.FITS(path, "r+") as fits:
            hdu = fits["T"]
            hdu.truncate(rows)
            assert hdu.nrows == rows
            same_rows(hdu.read(), whole[:rows])
        same_rows(rustfits.read(path, ext="T"), whole[:rows])
        assert path.stat().st_size % 2880 == 0
        if followed:
            assert (rustfits.read(path, ext="BEHIND") == behind).all()
        with astropy_fits.open(path) as theirs:
            theirs.verify("exception")
            # Of an ASCII table without rows astropy reads no column.
            if make in (plain, variable) or (make is in_ascii and rows):
                assert theirs["T"].data["n"].tolist() == list(range(rows))
        if make is plain and rows:
            assert fitsio.read(str(path), ext="T")["n"].tolist() == list(range(rows))
        if make is in_ascii and rows:
            assert numbers_by_fitsio(path, "T")["n"].tolist() == list(range(rows))
        with rustfits.FITS(path, "r+") as fits:
            hdu = fits["T"]
            hdu.append(whole[rows : rows + 20])
            same_rows(hdu.read(), whole[: rows + 20])
            hdu.truncate(rows)


@pytest.mark.parametrize("make", [plain, variable, in_ascii])
def test_the_file_is_as_if_the_rows_had_never_been(make: Callable[[Any], None]):
    with rustfits.FITS("mem://", "w+") as fits:
        make(fits)
        before = fits.to_bytes()
        fits["T"].append(fits["T"][:100])
        assert fits.to_bytes() != before
        fits["T"].truncate(ROWS)
        assert fits.to_bytes() == before


def test_what_stays_of_the_heap():
    """It ends with the last array in use; what lies in front of that stays until it is repacked."""
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"v": [np.arange(n + 1, dtype="u1") for n in range(10)]})
        hdu["v"][0] = [np.zeros(5, "u1")]
        assert hdu.header["PCOUNT"] == 60
        hdu.truncate(3)
        assert hdu.header["PCOUNT"] == 60
        hdu.repack()
        assert hdu.header["PCOUNT"] == 10
        assert [cell.tolist() for cell in hdu["v"][:]] == [[0] * 5, [0, 1], [0, 1, 2]]


def test_a_gap_in_front_of_the_heap_stays(tmp_path):
    path = tmp_path / "t.fits"
    with rustfits.FITS(path, "w+") as fits:
        variable(fits)
    with astropy_fits.open(path) as theirs:
        header, data = theirs[1].header, path.read_bytes()
        start = theirs[1]._data_offset
    rows_len, heap = header["NAXIS1"] * ROWS, header["PCOUNT"]
    text = header.tostring(padding=True)
    header["PCOUNT"], header["THEAP"] = heap + 77, rows_len + 77
    moved = data[start : start + rows_len] + b"\7" * 77 + data[start + rows_len : start + rows_len + heap]
    moved += b"\0" * (-len(moved) % 2880)
    path.write_bytes(data[: start - len(text)] + header.tostring(padding=True).encode() + moved)
    whole = rustfits.read(path)
    with rustfits.FITS(path, "r+") as fits:
        fits[1].truncate(10)
        assert fits[1].header["THEAP"] == header["NAXIS1"] * 10 + 77
        same_rows(fits[1].read(), whole[:10])
    with astropy_fits.open(io.BytesIO(path.read_bytes())) as theirs:
        for one, other in zip(theirs[1].data["v"], whole["v"][:10], strict=True):
            np.testing.assert_array_equal(one, other)


def test_refused(tmp_path):
    with rustfits.FITS("mem://", "w+") as fits:
        plain(fits)
        with pytest.raises(IndexError, match="1000 rows.*1001"):
            fits["T"].truncate(ROWS + 1)
        with pytest.raises(ValueError, match="nrows is -1"):
            fits["T"].truncate(-1)
        with pytest.raises(TypeError, match="nrows"):
            fits["T"].truncate("all")
        fits["T"].truncate(ROWS)
        assert fits["T"].nrows == ROWS
    with rustfits.FITS(tmp_path / "t.fits", "w+") as fits:
        plain(fits)
    with rustfits.FITS(tmp_path / "t.fits") as fits, pytest.raises(OSError, match="read-only"):
        fits["T"].truncate(1)


def wide(fits: Any) -> Any:
    return fits.write_table({"v": np.ones((3, MIB), "u1"), "n": np.arange(3)}, extname="T")


def wide_arrays(fits: Any) -> Any:
    return fits.write_table({"v": [np.ones(MIB, "u1")] * 3, "n": np.arange(3)}, extname="T", var_dtypes={"v": "u1"})


def wide_texts(fits: Any) -> Any:
    hdu = fits.create_ascii_table_hdu([("v", f"S{MIB}"), ("n", "i4")], 3, extname="T")
    hdu.write({"v": np.full(3, b"a" * MIB), "n": np.arange(3)})
    return hdu


def wide_tiles(fits: Any) -> Any:
    return fits.write_table(
        {"v": np.ones((3, MIB), "u1"), "n": np.arange(3)}, extname="T", compress="GZIP_1", ztilelen=4
    )


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("make", [wide, wide_arrays, wide_texts, wide_tiles])
def test_an_exception_takes_back_what_was_written(tmp_path, make: Callable[[Any], Any], followed: bool):
    """More than 64 MiB, so that rows were written before it."""
    path = tmp_path / "t.fits"
    with rustfits.FITS(path, "w+") as fits:
        make(fits)
        if followed:
            fits.write_image(np.arange(50), extname="BEHIND")
    before = path.read_bytes()
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits["T"]
        whole = hdu.read()
        group = np.repeat(whole[:1], 33)
        with pytest.raises(KeyError, match="stop"), hdu.appending() as rows:
            rows.append(group)
            rows.append(group)
            rows.append(group)
            assert hdu.nrows > 3, "some of them are written"
            rows.append(group)
            raise KeyError("stop")
        assert hdu.nrows == 3
        same_rows(hdu.read(), whole)
        if make is not wide_tiles:
            assert fits.to_bytes() == before
        with pytest.raises(ValueError, match="n"), hdu.appending() as rows:
            rows.append(group)
            rows.append(group)
            rows.append({"v": group["v"]})
            rows.append(group)
            rows.append(group)
        assert hdu.nrows == 3
        with hdu.appending() as rows:
            rows.append(whole)
        assert hdu.nrows == 6
    if followed:
        assert (rustfits.read(path, ext="BEHIND") == np.arange(50)).all()


async def test_asyncio(tmp_path):
    async with aio.FITS(tmp_path / "t.fits", "w+") as fits:
        hdu = await fits.write_table({"v": np.ones((3, MIB), "u1")}, extname="T")
        with pytest.raises(KeyError, match="stop"):
            async with hdu.appending() as rows:
                await rows.append({"v": np.zeros((66, MIB), "u1")})
                assert hdu.nrows == 69
                raise KeyError("stop")
        assert hdu.nrows == 3
        await hdu.truncate(2)
        assert hdu.nrows == 2
