"""What users write: never run, but read by `mypy` (see `files` in pyproject.toml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import rustfits
from rustfits import aio


def blocking(path: Path, url: str) -> float:
    with rustfits.FITS(path) as fits:
        assert_type(fits, rustfits.FITS)
        assert_type(fits.filename, str)
        assert_type(len(fits), int)
        stamp = fits["SCI", 2][100:200, 50:150]
        total = float(stamp.sum())
        names = [hdu.extname for hdu in fits]
        image = fits[0]
        assert isinstance(image, rustfits.ImageHDU)
        assert_type(image.shape, tuple[int, ...])
        assert_type(image.read(), npt.NDArray[Any])
        assert_type(image.read(mask_blank=True), np.ma.MaskedArray[Any, Any])
        assert_type(image.header.comment_of("EXPTIME"), str)
        table = fits["CAT"]
        assert isinstance(table, rustfits.TableHDU)
        assert_type(table["ra"][...], npt.NDArray[Any])
        assert_type(table[3], np.void)
        assert_type(table[3:5], npt.NDArray[Any])
        assert_type(table.read(rows=[1, 2], columns=["ra", "dec"]), npt.NDArray[Any])
        for row in table:
            assert_type(row, np.void)
    remote = rustfits.Remote(ranged=True, timeout=rustfits.Timeout(total=5), ca_file=path)
    with rustfits.FITS(url, remote=remote) as fits:
        total += len(names) + fits[1].read().sum()
    with rustfits.FITS("mem://", "w+") as fits:
        assert_type(fits.write_image(np.zeros((2, 2)), extname="A"), rustfits.ImageHDU)
        hdu = fits.create_image_hdu("u2", (3, 4), blank=0, header={"KEY": (1, "comment")})
        hdu[0, ::-1] = 5
        hdu[[1, 2]] = np.ma.MaskedArray([1, 2, 3, 4], mask=[False, True, False, False])
        hdu.write([[1.0]], start=(0, 0))
        with hdu.extending() as rows:
            assert_type(rows, rustfits.ImageHDU)
            rows.extend(np.zeros(4))
        assert fits.write(np.zeros(3), header=hdu.header).shape == (3,)
        table = fits.write_table({"a": [1, 2], "s": ["x", "y"]}, units={"a": "m"}, header={"TDISP1": "I5"})
        assert_type(table, rustfits.TableHDU)
        assert_type(fits.create_table_hdu([("ra", "f8"), ("name", "U8")], 3), rustfits.TableHDU)
        table["a"] = 5
        table[0] = (1, "z")
        table["s"][1:] = ["w"]
        table[["a", "s"]].write({"a": 3}, rows=[0])
        table.insert_column("b", np.zeros(2), after="a")
        table.delete_column(1)
        with table.appending() as more:
            assert_type(more, rustfits.TableHDU)
            more.append([[1], ["q"]], names=["a", "s"])
        assert_type(rustfits.FITS.from_bytes(fits.to_bytes()), rustfits.FITS)
    for result in rustfits.fetch_many([url, str(path)], concurrency=8, progress=print, timeout=3):
        assert_type(result.fits, rustfits.FITS)
        if result.error is None:
            total += result.fits[0].read().sum() + result.bytes / result.seconds
    return float(total)


async def awaited(url: str) -> None:
    async with aio.FITS(url, remote="ranged") as fits:
        assert_type(await fits.count(), int)
        assert_type(await fits.contains("SCI"), bool)
        stamp = await fits["SCI"][100:200, 50:150]
        image = await fits["SCI"]
        assert isinstance(image, aio.ImageHDU)
        assert_type(image.shape, tuple[int, ...])
        assert_type(await image.read(), npt.NDArray[Any])
        await image.set((0, slice(None)), 1)
        await image.write(np.zeros((2, 2)), start=5)
        async with image.extending() as rows:
            assert_type(rows, aio.ImageHDU)
            await rows.extend(np.zeros((1, 4)))
        await fits["SCI"].extend([1, 2])
        assert_type(await fits["CAT"].read_column("ra"), npt.NDArray[Any])
        assert_type(await fits["SCI"].read_header(), rustfits.Header)
        async for hdu in fits:
            stamp += hdu.index
    assert_type(await aio.open(url), aio.FITS)
    async for result in aio.fetch_many([url], per_host=16):
        assert_type(result.fits, aio.FITS)
        if result.error is None:
            await result.fits[0].read()


def new_hdus(file: rustfits.FITS) -> None:
    pixels = np.zeros((3, 4), "i4")
    assert_type(file.write_image(pixels), rustfits.ImageHDU)
    assert_type(file.write_image(pixels, compress="RICE_1"), rustfits.CompressedImageHDU)
    assert_type(file.create_image_hdu("i4", (3, 4), compress=rustfits.Gzip2()), rustfits.CompressedImageHDU)
    assert_type(file.write_table({"a": pixels}), rustfits.TableHDU)
    assert_type(file.write_table({"a": pixels}, compress=True), rustfits.CompressedTableHDU)
    assert_type(file.create_table_hdu([("a", "i4")], compress={"a": "RICE_1"}), rustfits.CompressedTableHDU)
