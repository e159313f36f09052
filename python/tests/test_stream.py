"""`stream`, and `remote="stream"`: files that are read as they come."""

from __future__ import annotations

import asyncio
import gc
import gzip
import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, raw_file

import rustfits
from rustfits import _await, aio

IMAGE = np.arange(3 * 50 * 40, dtype="f4").reshape(3, 50, 40)
TABLE = np.array([(n, n / 7, f"row {n}", [n, -n]) for n in range(1000)], dtype="i4,f8,U8,2i2")
TABLE.dtype.names = ("id", "x", "name", "pair")


@pytest.fixture(scope="module")
def content():
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(IMAGE, header={"OBJECT": "M 31"})
        fits.write_table(TABLE, extname="CAT", units={"x": "mm"})
        fits.write_image(IMAGE, extname="TILED", compress="GZIP_2")
        masked = np.ma.masked_equal(np.arange(200, dtype="i2").reshape(20, 10), 7)
        fits.write_image(masked, extname="BLANK", blank=-1)
        written = fits.to_bytes()
    cells = np.empty(30, object)
    cells[:] = [np.arange(n, dtype="f4") for n in range(30)]
    columns = [astropy_fits.Column("n", "K", array=np.arange(30)), astropy_fits.Column("v", "PE()", array=cells)]
    table = astropy_fits.BinTableHDU.from_columns(columns, name="VAR")
    return written + hdu_bytes(astropy_fits.PrimaryHDU(), table)[2880:]


def check(hdus):
    first = next(hdus)
    assert isinstance(first, rustfits.StreamHDU) and isinstance(first, rustfits.HDU)
    assert (first.index, first.shape, first.dtype, first.header["OBJECT"]) == (0, (3, 50, 40), "f4", "M 31")
    assert np.array_equal(np.concatenate(list(first.bands(1000))), IMAGE)
    table = next(hdus)
    assert (table.extname, table.shape, table.dtype, table.colnames) == ("CAT", (1000,), TABLE.dtype, TABLE.dtype.names)
    chunks = list(table.iter(chunksize=300))
    assert [len(chunk) for chunk in chunks] == [300, 300, 300, 100]
    assert np.array_equal(np.concatenate(chunks), TABLE)
    tiled = next(hdus)
    assert np.array_equal(tiled.read(), IMAGE)
    blank = next(hdus)
    assert [band.mask.sum() for band in blank.bands(40, mask_blank=True)] == [1, *[0] * 9]
    variable = next(hdus)
    cells = [cell for chunk in variable.iter(chunksize=7) for cell in chunk["v"]]
    assert [len(cell) for cell in cells] == list(range(30))
    with pytest.raises(StopIteration):
        next(hdus)


@pytest.mark.parametrize("packed", [False, True])
def test_from_files_and_pipes(content, tmp_path, packed):
    sent = gzip.compress(content) if packed else content
    path = tmp_path / "a.fits"
    path.write_bytes(sent)
    check(rustfits.stream(path))
    check(rustfits.stream(path.as_uri()))
    check(rustfits.stream(io.BytesIO(sent)))
    with path.open("rb") as file:
        check(rustfits.stream(file))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for source in [fifo, str(fifo)]:
        writer = threading.Thread(target=fifo.write_bytes, args=(sent,))
        writer.start()
        check(rustfits.stream(source))
        writer.join()


def test_from_the_standard_input(content):
    program = """if True:
        import sys, rustfits
        for source in [sys.stdin.buffer, "-"][int(sys.argv[1]):][:1]:
            print([(hdu.extname, hdu.read().shape) for hdu in rustfits.stream(source)])
    """
    for number in "01":
        run = subprocess.run([sys.executable, "-c", program, number], input=content, capture_output=True, timeout=60)
        assert run.returncode == 0, run.stderr
        assert run.stdout.decode().startswith("[(None, (3, 50, 40)), ('CAT', (1000,)), ('TILED', (3, 50, 40))")


def test_over_the_network(content, loopback):
    for name in [loopback.put(content), loopback.put(gzip.compress(content), ".fits.gz")]:
        check(rustfits.stream(loopback.http + name))
        check(rustfits.stream(loopback.ftp + name))
        with rustfits.FITS(f"{loopback.http}{name}?rate=400000", remote="stream") as fits:
            assert np.array_equal(fits[0][1, 3:5], IMAGE[1, 3:5])
            assert np.array_equal(fits["CAT"].read(), TABLE)
            assert fits.to_bytes() == content
            assert len(fits) == 5
    with pytest.raises(OSError, match="404"):
        rustfits.stream(f"{loopback.http}/none.fits")
    with pytest.raises(ValueError, match="ranges"):
        rustfits.stream(f"{loopback.http}/a.fits", remote="ranged")


def test_what_is_here_is_shown_without_waiting(content, loopback):
    url = loopback.http + loopback.put(content)
    with rustfits.FITS(f"{url}?stall=60000", remote="stream") as fits:
        assert np.array_equal(fits[0].read(), IMAGE)
        assert fits["CAT"].nrows == 1000
        shown = repr(fits)
        assert "CAT" in shown and "TILED" not in shown and "arriving" in shown
    with rustfits.FITS(url, remote="stream") as fits:
        assert len(fits) == 5
        assert "VAR" in repr(fits) and "arriving" not in repr(fits)


def test_a_fetch_refuses_to_stream():
    with pytest.raises(ValueError, match="stream"):
        next(iter(rustfits.fetch_many(["http://localhost/a"], remote="stream")))


def test_columns_nulls_and_stored_values(content):
    hdus = iter(rustfits.stream(io.BytesIO(content)))
    image = next(hdus)
    with pytest.raises(TypeError, match="columns"):
        image.read(columns=["a"])
    with pytest.raises(ValueError, match="table"):
        image.iter()
    table = next(hdus)
    with pytest.raises(TypeError, match="mask_blank"):
        table.read(mask_blank=True)
    with pytest.raises(ValueError):
        table.bands()
    with pytest.raises(ValueError):
        table.iter(chunksize=0)
    assert table.read(columns=["x", "id"]).dtype.names == ("x", "id")
    next(hdus), next(hdus)
    assert next(hdus).read(columns="n")["n"].tolist() == list(range(30))
    with pytest.raises(OSError, match="passed by"):
        table.read()


def test_readers_that_fail(content):
    class Broken(io.BytesIO):
        def read1(self, size=-1):
            data = super().read1(3000)
            if not data:
                raise ConnectionError("the wire is cut")
            return data

    with pytest.raises(OSError, match="the wire is cut"):
        for _ in rustfits.stream(Broken(content)):
            pass
    with pytest.raises(OSError, match="binary"):
        next(rustfits.stream(io.StringIO("SIMPLE")))
    with pytest.raises(OSError, match="cut short"):
        list(rustfits.stream(io.BytesIO(content[:-20_000])))
    with pytest.raises(OSError, match="SIMPLE"):
        list(rustfits.stream(io.BytesIO(b"x" * 9000)))
    for source in [3, None, object()]:
        with pytest.raises(TypeError, match="stream"):
            rustfits.stream(source)


def test_closing(content):
    with rustfits.stream(io.BytesIO(content)) as stream:
        first = next(stream)
        assert not stream.closed and "<stream>" in repr(stream) and stream.name == "<stream>"
    assert stream.closed
    with pytest.raises(OSError, match="closed"):
        next(stream)
    assert first.header["OBJECT"] == "M 31"
    assert "dims: [3, 50, 40]" in repr(first)


def test_a_file_larger_than_what_is_held():
    cards = ["SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 1000", "NAXIS2  = 40000"]

    class Rows:
        """80 MB that are nowhere."""

        def __init__(self):
            self.left = 80_000_000 + 2240
            self.head = raw_file(*cards)

        def read(self, size):
            if self.head:
                head, self.head = self.head, b""
                return head
            now = min(size, self.left)
            self.left -= now
            return b"\0\1" * (now // 2)

    rows = Rows()
    (hdu,) = [hdu for hdu in rustfits.stream(rows, max_held=4 << 20) if hdu.index == 0]
    assert rows.left == 0
    hdu = next(rustfits.stream(Rows(), max_held=4 << 20))
    assert sum(int(band.sum()) for band in hdu.bands(1 << 20)) == 40_000_000


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def check_awaited(stream):
    names = []
    async for hdu in stream:
        assert isinstance(hdu, aio.StreamHDU)
        names.append(hdu.extname)
        if hdu.extname == "CAT":
            assert np.array_equal(np.concatenate([chunk async for chunk in hdu.iter(chunksize=300)]), TABLE)
        elif hdu.index == 0:
            assert np.array_equal(np.concatenate([band async for band in hdu.bands(1000)]), IMAGE)
        elif hdu.extname == "TILED":
            assert np.array_equal(await hdu.read(), IMAGE)
    assert names == [None, "CAT", "TILED", "BLANK", "VAR"]


@pytest.mark.parametrize("packed", [False, True])
def test_awaited(content, loopback, tmp_path, packed):
    sent = gzip.compress(content) if packed else content
    url = loopback.http + loopback.put(sent)
    path = tmp_path / "a.fits"
    path.write_bytes(sent)

    class Reader:
        def __init__(self):
            self.file = io.BytesIO(sent)

        async def read(self, size):
            await asyncio.sleep(0)
            return self.file.read(min(size, 5000))

    async def chunks():
        for start in range(0, len(sent), 7000):
            yield sent[start : start + 7000]

    async def main():
        for source in [path, url, io.BytesIO(sent), Reader(), chunks()]:
            await check_awaited(aio.stream(source))
        reader, writer = asyncio.StreamReader(), None
        assert writer is None
        feeding = asyncio.create_task(feed(reader))
        async with aio.stream(reader) as stream:
            await check_awaited(stream)
        assert stream.closed
        await feeding

    async def feed(reader):
        for start in range(0, len(sent), 4000):
            reader.feed_data(sent[start : start + 4000])
            await asyncio.sleep(0)
        reader.feed_eof()

    run(main())


def test_awaited_errors(content):
    class Broken:
        async def read(self, size):
            raise ConnectionError("the wire is cut")

    async def main():
        with pytest.raises(OSError, match="the wire is cut"):
            await anext(aio.stream(Broken()))
        with pytest.raises(FileNotFoundError):
            await anext(aio.stream("/no/such/file"))
        with pytest.raises(TypeError):
            aio.stream(3)
        stream = aio.stream(io.BytesIO(content))
        await anext(stream)
        stream.close()
        with pytest.raises(OSError, match="closed"):
            await anext(stream)

    run(main())


def test_a_cancelled_wait_loses_nothing(content):
    async def main():
        go_on = asyncio.Event()

        class Slow:
            def __init__(self):
                self.file = io.BytesIO(content)

            async def read(self, size):
                if self.file.tell() > 20_000:
                    await go_on.wait()
                return self.file.read(5000)

        stream = aio.stream(Slow())
        hdu = await anext(stream)
        bands = hdu.bands(8000)
        read = [await anext(bands), await anext(bands)]
        waiting = asyncio.create_task(bands.__anext__())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        read += [band async for band in bands]
        assert np.array_equal(np.concatenate(read), IMAGE)

    run(main())


def test_a_forgotten_stream_stops_its_transfer(content, loopback):
    url = loopback.http + loopback.put(content)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        next(rustfits.stream(f"{url}?stall=10000"))
        rustfits.FITS(f"{url}?stall=10000", remote="stream")
    gc.collect()
    for _ in range(200):
        if len(os.listdir("/proc/self/fd")) <= before + 5:
            break
        threading.Event().wait(0.05)
    assert len(os.listdir("/proc/self/fd")) <= before + 5


def test_a_read_that_is_dropped_before_it_begins_is_quiet(recwarn):
    for ask in (_await.read, _await.following):
        ask(io.BytesIO(b"bytes"), 5)
    gc.collect()
    assert not recwarn.list
