"""What was wrong once: each test failed before the library was mended."""

from __future__ import annotations

import asyncio
import gzip

import numpy as np
import pytest
from conftest import image_bytes, same
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
