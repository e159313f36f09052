"""What was wrong once: each test failed before the library was mended."""

from __future__ import annotations

import asyncio
import gzip

import numpy as np
import pytest
from astropy.io import fits
from conftest import hdu_bytes, image_bytes, raw_file, same
from test_images import raw_image
from test_tables import raw_table

import rustfits
from rustfits import aio


def test_local_names_beside_options_for_remote_ones(loopback, image, write):
    path = write((loopback.root / "a.fits").read_bytes())
    for options in [{}, {"timeout": 10}, {"max_bytes": 10**6}]:
        for result in rustfits.fetch_many([str(path), f"file://{path}", loopback.http + "/a.fits"], **options):
            assert result.error is None
            same(result.fits[1].read(), image)
    (result,) = rustfits.fetch_many(["/nowhere/a.fits"])
    assert isinstance(result.error, FileNotFoundError)


def test_ranged_files_have_no_to_bytes(loopback):
    # API.md 1: from any backend but ranged (there: OSError).
    with rustfits.FITS(loopback.http + "/a.fits", remote="ranged") as file, pytest.raises(OSError, match="ranged"):
        file.to_bytes()


def test_an_unusable_bzero_leaves_the_stored_values_readable():
    stored = np.array([1, 2], "i2")
    file = rustfits.FITS.from_bytes(raw_image(stored, "BZERO   = 'high    '"))
    with pytest.raises(ValueError, match="BZERO"):
        file[0].read()
    same(file[0].read(scale=False), stored)


def test_an_unusable_tzero_leaves_the_other_columns_readable():
    hdu = raw_table(["I", "J"], 2, b"\0\1\0\0\0\2" * 2, "TZERO1  = 'high'")
    with pytest.raises(ValueError, match="TZERO1"):
        hdu.read_column("c1")
    assert hdu.read_column("c2").tolist() == [2, 2]
    assert hdu.read_column("c1", scale=False).tolist() == [1, 1]


def test_messages_show_no_rust():
    file = rustfits.FITS.from_bytes(raw_image(np.array([1, 2], "i2"), "BZERO   = T"))
    with pytest.raises(ValueError, match="BZERO") as raised:
        file[0].read()
    assert "Logical(" not in str(raised.value)


async def test_what_is_awaitable_can_be_a_task(loopback):
    # asyncio.create_task and TaskGroup take coroutines only.
    async with aio.FITS(loopback.http + "/a.fits") as file, asyncio.TaskGroup() as group:
        reads = [group.create_task(file["SCI"].read()) for _ in range(3)]
    assert all(read.result().shape == (120, 90) for read in reads)


def test_a_warning_of_aio(loopback, write):
    path = write(gzip.compress(image_bytes(np.zeros(3))) + b"other bytes", "tail.fits.gz")

    async def opened():
        async with aio.FITS(path) as file:
            return await file.count()

    with pytest.warns(UserWarning, match="tail.fits.gz"):
        assert asyncio.run(opened()) == 1


@pytest.mark.parametrize("turn", range(20))
def test_no_more_is_kept_in_ordered_mode(loopback, turn):
    # Downloads that overtook each other on their way to a slot were once let in beyond the limit.
    size = 4 << 20
    path = loopback.put(image_bytes(np.ones(size, "u1")))
    received = taken = most_ahead = 0

    def progress(event):
        nonlocal received, most_ahead
        if event["event"] == "received":
            received += event["bytes"]
            most_ahead = max(most_ahead, received - taken)

    urls = [f"{loopback.http}{path}?n={n}" for n in range(24)]
    options = {"concurrency": 8, "per_host": 8, "max_buffered": 2 * size, "ordered": True}
    for result in rustfits.fetch_many(urls, progress=progress, **options):
        taken += result.bytes
        loopback.log(path)
    assert most_ahead <= 6 * size


def test_rows_from_an_iterator_and_from_arrays():
    hdu = raw_table(["B"], 4, b"\0\1\2\3")
    assert hdu[(i for i in [1, 2])]["c1"].tolist() == [1, 2]
    assert hdu[np.array([3, 0], "u2")]["c1"].tolist() == [3, 0]
    assert hdu[iter(["c1"])].read()["c1"].tolist() == [0, 1, 2, 3]
    # A number beyond 64 bits with sign is out of range, and not the last row.
    with pytest.raises(IndexError):
        hdu[np.array([2**64 - 1], "u8")]


def test_index_arrays_have_one_axis():
    two_axes = np.zeros((2, 2), int)
    hdu = raw_table(["B"], 4, b"\0\1\2\3")
    for read in [lambda: hdu[two_axes], lambda: hdu.read(rows=two_axes), lambda: hdu["c1"][two_axes]]:
        with pytest.raises(TypeError, match="one axis"):
            read()
    image = rustfits.FITS.from_bytes(raw_image(np.arange(4, dtype="i2")))[0]
    with pytest.raises(TypeError, match="one axis"):
        image[two_axes]


def test_repeated_names_that_are_names_of_others():
    for names in [["a_3", "a", "a"], ["a", "a", "a_2"], ["a", "a", "a"], ["a_2", "a_3", "a", "a"]]:
        count = len(names)
        columns = [f"TTYPE{n}  = '{name}'" for n, name in enumerate(names, 1)] + [
            f"TFORM{n + 1}  = 'B'" for n in range(count)
        ]
        head = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", f"NAXIS1  = {count}", "NAXIS2  = 1"]
        table = raw_file(*head, f"TFIELDS = {count}", *columns, data=bytes(range(count)))
        hdu = rustfits.FITS.from_bytes(raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0") + table)[1]
        read = hdu.read()
        assert read[0].tolist() == tuple(range(len(names)))
        # Where a name is of one column only, that column keeps it.
        for name in {name for name in names if names.count(name) == 1}:
            assert read[name][0] == names.index(name)
        assert hdu.dtype.names == read.dtype.names


def test_a_single_value_is_not_dropped():
    with rustfits.FITS("mem://", "w+") as file:
        for value in [np.float64(3.5), np.array(7), 1]:
            with pytest.raises(ValueError, match=r"\(1,\)"):
                file.write_image(value)
        assert len(file) == 0
        file.write_image([3.5])
        assert file[0].read().tolist() == [3.5]


def test_an_unreadable_xtension_is_no_image():
    file = rustfits.FITS.from_bytes(
        raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
        + raw_file("XTENSION= BINTABLE", "BITPIX  = 8", "NAXIS   = 0")
    )
    with pytest.raises(ValueError, match="XTENSION"):
        file[1]
    assert file[0].shape == ()


async def test_keywords_of_the_other_kind_are_refused(write):
    path = write(
        hdu_bytes(
            fits.PrimaryHDU(np.zeros((2, 2), "i2")), fits.BinTableHDU.from_columns([fits.Column("x", "I", array=[1])])
        )
    )
    async with aio.FITS(path) as file:
        for keywords in [{"rows": [0]}, {"columns": ["x"]}, {"mask_null": True}]:
            with pytest.raises(TypeError, match=next(iter(keywords))):
                await file[0].read(**keywords)
        for keywords in [{"section": 0}, {"mask_blank": True}]:
            with pytest.raises(TypeError, match=next(iter(keywords))):
                await file[1].read(**keywords)
        masked = await file[1].read(mask_null=True)
        assert isinstance(masked, np.ma.MaskedArray) and masked["x"].tolist() == [1]
        assert (await file[1].read_column("x", mask_null=True)).tolist() == [1]
        assert (await file[1].read(rows=[0], columns=["x"]))["x"].tolist() == [1]


async def test_aio_takes_what_the_blocking_class_takes(write):
    content = image_bytes(np.arange(3, dtype="i2"))
    for data in [content, bytearray(gzip.compress(content))]:
        async with await aio.FITS.from_bytes(data) as file:
            assert (await file[0].read()).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="mem://"):
        await aio.FITS.from_bytes(content, "w+")
    for mode, keyword in [("r+", "atomic"), ("w+", "allow_in_place")]:
        with pytest.raises(ValueError, match=keyword):
            aio.FITS("mem://", mode, **{keyword: True})
        with pytest.raises(ValueError, match=keyword):
            await aio.open("mem://", mode, **{keyword: True})
