"""The asyncio face: every call awaitable, the loop never blocked, a cancelled task ends its transfer."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import multiprocessing
import subprocess
import sys
import threading

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, image_bytes, same

import rustfits
from rustfits import aio

WATCHDOG_SECONDS = 60
IMAGE = np.arange(60 * 50, dtype="i4").reshape(60, 50)


@pytest.fixture(scope="module")
def content() -> bytes:
    columns = [astropy_fits.Column("a", "J", array=np.arange(20)), astropy_fits.Column("t", "3A", array=["xy"] * 20)]
    return hdu_bytes(
        astropy_fits.PrimaryHDU(),
        astropy_fits.ImageHDU(IMAGE, name="SCI"),
        astropy_fits.BinTableHDU.from_columns(columns, name="CAT"),
        astropy_fits.CompImageHDU(IMAGE, name="RICE"),
    )


@pytest.fixture(params=["disk", "gz", "http", "ranged"])
def source(request, loopback, write, content):
    """A name and the remote= that goes with it."""
    if request.param == "disk":
        return write(content), None
    if request.param == "gz":
        return write(gzip.compress(content), "a.fits.gz"), None
    return loopback.http + loopback.put(content), "ranged" if request.param == "ranged" else None


async def test_every_read(source):
    name, remote = source
    async with aio.FITS(name, remote=remote) as file:
        assert file.filename == str(name)
        assert file.mode == "r"
        assert not file.closed
        assert await file.count() == 4
        same(await file["SCI"].read(), IMAGE)
        same(await file["SCI"].read(np.s_[1:3]), IMAGE[1:3])
        same(await file["SCI"].read(scale=False), IMAGE)
        same(await file["sci"][10:20, ::-7], IMAGE[10:20, ::-7])
        same(await file[1][...], IMAGE)
        assert await file[1][3, 4] == IMAGE[3, 4]
        same(await file["RICE"][5:9], IMAGE[5:9])
        assert isinstance(await file[1].read(mask_blank=True), np.ma.MaskedArray)
        assert (await file[2].read())["a"].tolist() == list(range(20))
        assert (await file[2].read(rows=[3, -1, 3], columns=["t", "A"])).dtype.names == ("t", "a")
        assert (await file[2].read_column("a", rows=slice(2))).tolist() == [0, 1]
        assert (await file[2].read_column("t", as_bytes=True)).dtype == np.dtype("S3")
        assert (await file[2][3])["a"] == 3
        assert (await file[2][2:4])["t"].tolist() == ["xy", "xy"]
        assert (await file[2]["a"]).tolist() == list(range(20))
        assert (await file[2][["t"]]).dtype.names == ("t",)
        assert (await file["SCI"].read_header())["NAXIS1"] == 50
    assert file.closed


async def test_hdus(source):
    name, remote = source
    async with aio.FITS(name, remote=remote) as file:
        image = await file["SCI"]
        assert isinstance(image, aio.ImageHDU)
        assert isinstance(image, rustfits.ImageHDU)
        assert (image.shape, image.dtype, image.index, image.extname) == ((60, 50), np.dtype("i4"), 1, "SCI")
        assert image.header["EXTNAME"] == "SCI"
        same(await image.read(), IMAGE)
        same(await image[2], IMAGE[2])
        table = await file["CAT"]
        assert isinstance(table, aio.TableHDU)
        assert (table.nrows, table.colnames, len(table)) == (20, ("a", "t"), 20)
        assert (await table.read(columns="a"))["a"].tolist() == list(range(20))
        assert (await table.read_column("t")).tolist() == ["xy"] * 20
        assert (await table["a"]).tolist() == list(range(20))
        assert (await table[4])["a"] == 4
        compressed = await file[-1]
        assert isinstance(compressed, aio.CompressedImageHDU)
        assert isinstance(compressed, rustfits.CompressedImageHDU)
        same(await compressed.read(), IMAGE)
        assert [hdu.index async for hdu in file] == [0, 1, 2, 3]


async def test_keys(source):
    name, remote = source
    file = await aio.open(name, remote=remote)
    for key, found in [("SCI", True), ("sci", True), (("SCI", 1), True), (3, True), (4, False), ("NO", False)]:
        assert await file.contains(key) is found
    for key, error in [("NO", KeyError), (("SCI", 2), KeyError), (4, IndexError), (-5, IndexError)]:
        selector = file[key]
        for call in [lambda s: s, lambda s: s.read(), lambda s: s[0], lambda s: s.read_header()]:
            with pytest.raises(error):
                await call(selector)
    for key in [1.5, None, [1], True]:
        with pytest.raises(TypeError):
            file[key]
    with pytest.raises(IndexError):
        await file["SCI"][60]
    with pytest.raises(TypeError):
        await file["SCI"]["a"]
    with pytest.raises(KeyError, match="nope"):
        await file["CAT"].read(columns="nope")
    await file.close()
    await file.close()


async def test_a_selector_does_no_io(loopback):
    large = np.zeros((500, 500), "f4")
    path = loopback.put(hdu_bytes(astropy_fits.PrimaryHDU(large), astropy_fits.ImageHDU(IMAGE, name="SCI")))
    async with aio.FITS(loopback.http + path, remote=rustfits.Remote(ranged=True, block_bytes=2880)) as file:
        before = len(loopback.log(path))
        selector = file["SCI"]
        assert len(loopback.log(path)) == before
        assert (await selector).shape == (60, 50)
        assert len(loopback.log(path)) > before


async def test_write():
    async with aio.FITS("mem://", "w+") as file:
        first = await file.write_image(IMAGE)
        second = await file.write_image(IMAGE[::2, ::-1], extname="B", extver=4)
        assert isinstance(second, aio.ImageHDU)
        same(await first.read(), IMAGE)
        same(await file["B", 4][1:3], IMAGE[::2, ::-1][1:3])
        assert await file.count() == 2
        await file.sync()
        packed = await file.write_image(IMAGE, compress="GZIP_2")
        assert isinstance(packed, aio.CompressedImageHDU)
        same(await packed.read(), IMAGE)
        zeros = await file.create_image_hdu("i2", (5, 7), compress=rustfits.Rice1(tile_shape=(2, 3)))
        same(await zeros.read(), np.zeros((5, 7), "i2"))
        whole = await file.to_bytes()
    with astropy_fits.HDUList.fromstring(whole) as theirs:
        np.testing.assert_array_equal(theirs[2].data, IMAGE)
        np.testing.assert_array_equal(theirs[1].data, IMAGE[::2, ::-1])


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
async def test_write_to_disk(tmp_path, name):
    async with aio.FITS(tmp_path / name, "w+") as file:
        await file.write_image(IMAGE)
    np.testing.assert_array_equal(astropy_fits.getdata(tmp_path / name), IMAGE)
    written = (tmp_path / name).read_bytes()
    async with await aio.open(tmp_path / name) as file:
        if name.endswith(".gz"):
            # A copy in memory.
            await file.write_image(IMAGE)
        else:
            with pytest.raises(OSError, match="read-only"):
                await file.write_image(IMAGE)
    assert (tmp_path / name).read_bytes() == written


async def test_errors_of_open(loopback, tmp_path):
    for name, error in [
        (tmp_path / "missing.fits", FileNotFoundError),
        (loopback.http + "/missing.fits", OSError),
        (loopback.ftp + "/missing.fits", FileNotFoundError),
        (loopback.http + "/page.fits", OSError),
        ("gopher://host/a", ValueError),
        ("stream://", NotImplementedError),
    ]:
        with pytest.raises(error):
            await aio.open(name)
        with pytest.raises(error):
            async with aio.FITS(name):
                pass
    for call in [aio.open, aio.FITS]:
        with pytest.raises(ValueError, match="mode"):
            call("a.fits", "rw")
    with pytest.raises(TimeoutError):
        await aio.open(f"{loopback.http}/a.fits?stall_head", remote=rustfits.Remote(timeout=0.2))


async def test_a_file_that_is_not_open(loopback):
    file = aio.FITS(loopback.http + "/a.fits")
    with pytest.raises(RuntimeError, match="async with"):
        file[0]
    await file.close()
    async with aio.FITS(loopback.http + "/a.fits") as file:
        selector = file["SCI"]
        hdu = await selector
    for call in [selector.read, hdu.read, file.count, lambda: hdu[0], lambda: file.contains(0), file.to_bytes]:
        with pytest.raises(OSError, match="closed"):
            await call()
    assert hdu.shape == (120, 90)


async def test_the_context_closes_also_on_errors(loopback):
    with pytest.raises(ZeroDivisionError):
        async with aio.FITS(loopback.http + "/a.fits") as file:
            raise ZeroDivisionError
    assert file.closed


async def test_gather(loopback, image):
    async def stamp(n):
        async with aio.FITS(f"{loopback.http}/a.fits?n={n}", remote="ranged" if n % 2 else None) as file:
            return await file["SCI"][n : n + 5]

    for n, ours in enumerate(await asyncio.gather(*(stamp(n) for n in range(20)))):
        same(ours, image[n : n + 5])
    async with aio.FITS(loopback.http + "/a.fits") as file:
        for n, ours in enumerate(await asyncio.gather(*(file["SCI"][n] for n in range(60)))):
            same(ours, image[n])


async def test_transfers_run_at_once(loopback):
    # Each stays unanswered: only if all are under way do all requests arrive.
    path = loopback.put(image_bytes(IMAGE))
    tasks = [asyncio.ensure_future(aio.open(f"{loopback.http}{path}?stall_head&n={n}")) for n in range(20)]
    while len(await asyncio.to_thread(loopback.log, path)) < 20:
        assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_the_loop_is_not_blocked(loopback):
    # The loop itself does the next step that the open waits for.
    opened = asyncio.ensure_future(aio.open(f"{loopback.http}{loopback.put(b'')}?stall_head"))
    for _ in range(1000):
        await asyncio.sleep(0)
        assert not opened.done()
    opened.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opened


async def test_a_server_in_the_same_loop(content):
    # It can answer only while the loop runs.
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(content))
        writer.write(content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.fits"
        async with aio.FITS(url) as file:
            same(await file["SCI"].read(), IMAGE)


async def test_cancelling_stops_the_transfer(loopback, caplog):
    path = loopback.put(image_bytes(np.zeros(1 << 22, "u1")))
    url = f"{loopback.http}{path}?rate=100000"
    open_before = loopback.connections()["open"]
    task = asyncio.ensure_future(aio.open(url))
    while not any(request["body_sent"] for request in await asyncio.to_thread(loopback.log, path)):
        assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The server sees the connection end, long before the 40 s that the file would take.
    async with asyncio.timeout(WATCHDOG_SECONDS / 4):
        while (await asyncio.to_thread(loopback.connections))["open"] > open_before:
            pass
    assert loopback.log(path)[0]["body_sent"] < 1 << 22
    assert caplog.records == []


async def test_time_limits_of_asyncio(loopback):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await aio.open(f"{loopback.http}/a.fits?stall_head")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(aio.open(f"{loopback.http}/a.fits?stall=3000"), 0.1)


async def test_cancelling_at_any_moment_leaves_no_trace(loopback, image, caplog):
    caplog.set_level(logging.DEBUG, "asyncio")
    for turns in range(60):
        task = asyncio.ensure_future(aio.open(loopback.http + "/a.fits"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    gc.collect()
    async with aio.FITS(loopback.http + "/a.fits") as file:
        same(await file[1].read(), image)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_one_loop_after_the_other(loopback, image):
    async def read():
        async with aio.FITS(loopback.http + "/a.fits") as file:
            return await file["SCI"].read()

    for _ in range(3):
        same(asyncio.run(read()), image)


def test_loops_in_several_threads(loopback, image):
    results = []

    async def read():
        async with aio.FITS(loopback.http + "/a.fits") as file:
            results.extend(await asyncio.gather(*(file["SCI"].read() for _ in range(4))))

    threads = [threading.Thread(target=asyncio.run, args=(read(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 24
    for result in results:
        same(result, image)


def test_a_loop_that_ends_while_a_transfer_runs(loopback):
    async def leave():
        task = asyncio.ensure_future(aio.open(f"{loopback.http}/a.fits?stall_head"))
        await asyncio.sleep(0)
        return task

    asyncio.run(leave())


async def test_blocking_calls_within_a_running_loop(loopback, image):
    with rustfits.FITS(loopback.http + "/a.fits") as file:
        same(file["SCI"].read(), image)
    assert [result.error for result in rustfits.fetch_many([loopback.http + "/a.fits"] * 2)] == [None, None]


def child(url, path, sending):
    async def read():
        async with aio.FITS(url) as remote, aio.FITS(path) as local:
            arrays = await asyncio.gather(remote[1].read(), local[1].read(), remote[3].read())
            return [int(array.sum()) for array in arrays]

    sending.send(asyncio.run(read()))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child(loopback, write, content):
    url, path = loopback.http + loopback.put(content), write(content)

    async def use():
        async with aio.FITS(url) as file:
            return await file[1].read()

    same(asyncio.run(use()), IMAGE)
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(url, path, sending))
    process.start()
    sending.close()
    try:
        assert receiving.poll(WATCHDOG_SECONDS), "the child hangs"
        assert receiving.recv() == [int(IMAGE.sum())] * 3
    finally:
        process.kill()
        process.join()
    same(asyncio.run(use()), IMAGE)


NO_DESCRIPTORS = """
import asyncio, os, resource, sys
import rustfits._await  # which would need a descriptor later
from rustfits import aio
async def main():
    lowest = os.dup(0)
    os.close(lowest)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    for _ in range(2):
        try:
            await aio.open(sys.argv[1])
        except OSError as error:
            print("can't start threads" in str(error) or error)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with aio.FITS(sys.argv[1]) as fits:
        print(await fits.count() > 0)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted otherwise")
def test_a_runtime_that_cannot_start_raises(loopback):
    words = [sys.executable, "-c", NO_DESCRIPTORS, str(loopback.root / "a.fits")]
    done = subprocess.run(words, stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout.split() == [b"True"] * 3


SHORT = """
import asyncio, sys
from rustfits import aio
async def main():
    async with aio.FITS(sys.argv[1]) as fits:
        await fits.count()
    async for result in aio.fetch_many([sys.argv[1]], progress=lambda event: None):
        assert result.error is None
asyncio.run(main())
"""


def test_a_program_that_ends_at_once_ends_well(loopback):
    # A thread of the engine may still be within Python when the interpreter ends.
    for _ in range(20):
        subprocess.run([sys.executable, "-c", SHORT, str(loopback.root / "a.fits")], timeout=60, check=True)


CLOSED = """
import asyncio, gc, sys, weakref
from rustfits import aio

class Named:
    pass

async def main(path):
    held = Named()
    reads = [asyncio.ensure_future(read_with(held, path)) for _ in range(20)]
    await asyncio.sleep(0)
    return reads, weakref.ref(held)

async def read_with(held, path):
    return await aio.read(path), held

loop = asyncio.new_event_loop()
reads, held = loop.run_until_complete(main(sys.argv[1]))
loop.close()
for read in reads:
    read._log_destroy_pending = False
del reads, read
# An engine's thread gives back what it held when it finds the loop closed.
other = asyncio.new_event_loop()
while held() is not None:
    other.run_until_complete(aio.read_header(sys.argv[1]))
    gc.collect()
other.close()
print("all gone")
"""


def test_a_loop_that_is_closed_while_reads_run_is_quiet(loopback):
    words = [sys.executable, "-c", CLOSED, str(loopback.root / "a.fits")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("all gone\n", "")


async def test_chunks_of_a_table_that_has_grown(tmp_path):
    async with aio.FITS(tmp_path / "a.fits", "w+") as file:
        table = await file.write_table({"a": np.arange(5)})
        await table.append({"a": np.arange(5, 12)})
        chunks = [chunk["a"].tolist() async for chunk in table.iter(chunksize=4)]
    assert chunks == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


async def test_loops_of_python_end_at_once(write, content):
    """Nothing is looked up before it is awaited, so that there would be no end to fits[0], fits[1], ..."""
    async with aio.FITS(write(content)) as file:
        for thing in (file, file["SCI"], await file["SCI"], await file["RICE"], await file["CAT"]):
            with pytest.raises(TypeError, match="async for|await"):
                iter(thing)
        with pytest.raises(TypeError, match="await fits.contains"):
            "SCI" in file  # noqa: B015


async def test_what_gives_nothing_gives_none():
    file = await aio.open("mem://", "w+")
    hdu = await file.write_image(IMAGE)
    table = await file.write_table({"a": [1, 2]})
    answers = [hdu.add_checksum(), hdu.set(0, 1), hdu.extend(IMAGE), table.append({"a": [3]}), file[0].set(0, 2)]
    answers += [file.sync(), file.delete(1), file.close(), file.close()]
    assert [await answer for answer in answers] == [None] * len(answers)


async def test_a_closed_file_is_not_entered(write, content):
    file = await aio.open(write(content))
    await file.close()
    with pytest.raises(OSError, match="the file is closed"):
        async with file:
            pass
