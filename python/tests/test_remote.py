"""Remote files, many files, asyncio: over real sockets."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import rustfits
from rustfits import aio

WATCHDOG_SECONDS = 20


def test_every_scheme_reads_the_same(loopback, image):
    trusted = rustfits.Remote(ca_file=loopback.ca)
    for url, remote in [
        (loopback.http + "/a.fits", None),
        (loopback.http + "/a.fits.gz", None),
        (loopback.https + "/a.fits", trusted),
        (loopback.ftp + "/a.fits", None),
        (loopback.ftp + "/a.fits.gz", None),
        (loopback.ftps + "/a.fits", trusted),
        (loopback.http + "/a.fits", "ranged"),
        (loopback.https + "/a.fits", rustfits.Remote(ranged=True, ca_file=loopback.ca, block_bytes=4096)),
    ]:
        with rustfits.FITS(url, remote=remote) as fits:
            np.testing.assert_array_equal(fits["SCI"].read(), image)
            np.testing.assert_array_equal(fits[1][10:20, ::7], image[10:20, ::7])


def test_errors_name_the_url_and_hide_the_password(loopback):
    http = loopback.http
    cases = [
        (http + "/missing.fits", OSError, "404"),
        (http + "/page.fits", OSError, "web page|html"),
        (http + "/a.fits?cut=3000", OSError, "ended at"),
        (http + "/a.fits?loop", OSError, "redirect"),
        (loopback.https + "/a.fits", OSError, "SSL_CERT_FILE"),
        (loopback.ftp + "/missing.fits", FileNotFoundError, "550"),
    ]
    for url, error, text in cases:
        with pytest.raises(error, match=text) as raised:
            rustfits.FITS(url.replace("://", "://user:hidden@", 1) if url.startswith("http:") else url)
        assert (
            "hidden" not in str(raised.value) and "127.0.0.1" in str(raised.value) or "localhost" in str(raised.value)
        )
    with pytest.raises(OSError, match="ranged=False"):
        rustfits.FITS(http + "/a.fits?norange", remote="ranged")
    with pytest.raises(TimeoutError):
        rustfits.FITS(http + "/a.fits?stall_head", remote=rustfits.Remote(timeout=0.2))
    with pytest.raises(ValueError, match="ranged"):
        rustfits.FITS(http + "/a.fits", remote="sideways")


def test_fetch_many(loopback, image):
    urls = [f"{loopback.http}/a.fits?number={number}" for number in range(40)] + [loopback.http + "/missing.fits"]
    results = sorted(rustfits.fetch_many(iter(urls), concurrency=8), key=lambda result: result.index)
    assert [result.index for result in results] == list(range(41))
    assert all(result.error is None and result.attempts == 1 and result.bytes > 0 for result in results[:40])
    np.testing.assert_array_equal(results[0].fits["SCI"].read(), image)
    assert isinstance(results[40].error, OSError) and results[40].fits is None
    retried = next(rustfits.fetch_many([loopback.http + "/a.fits?status=503&times=2"], backoff=0.01))
    assert retried.error is None and retried.attempts == 3


def test_fetch_many_reads_lazily_and_tells(loopback):
    read = 0

    def names():
        nonlocal read
        while True:
            read += 1
            yield loopback.http + "/a.fits"

    events = []
    results = rustfits.fetch_many(names(), concurrency=4, ordered=True, progress=events.append)
    assert [next(results).index for _ in range(20)] == list(range(20))
    assert read <= 20 + 2 * 4
    results.close()
    assert {event["event"] for event in events} == {"started", "received", "finished"}


async def test_asyncio(loopback, image):
    async with aio.FITS(loopback.http + "/a.fits", remote="ranged") as fits:
        np.testing.assert_array_equal(await fits["SCI"][10:20, 5], image[10:20, 5])
        assert await fits.count() == 2 and await fits.contains("sci") and not await fits.contains(5)
        hdu = await fits["SCI"]
        assert isinstance(hdu, rustfits.ImageHDU) and hdu.shape == image.shape
        np.testing.assert_array_equal(await hdu.read(), image)
        assert [hdu.index async for hdu in fits] == [0, 1]
        with pytest.raises(KeyError):
            await fits["NOPE"]
    with pytest.raises(OSError, match="404"):
        await aio.open(loopback.http + "/missing.fits")
    stamps = await asyncio.gather(*(read_stamp(loopback.http) for _ in range(20)))
    assert all(np.array_equal(stamp, image[:3]) for stamp in stamps)
    urls = [loopback.http + "/a.fits"] * 20
    assert [result.index async for result in aio.fetch_many(urls, ordered=True)] == list(range(20))
    async with aio.FITS("mem://", "w+") as fits:
        written = await fits.write_image(image, extname="NEW")
        np.testing.assert_array_equal(await written[0:2], image[0:2])
        assert len(await fits.to_bytes()) % 2880 == 0


async def read_stamp(http):
    async with aio.FITS(http + "/a.fits") as fits:
        return await fits[1][:3]


async def test_cancelling_a_task_ends_it(loopback):
    for _ in range(20):
        task = asyncio.ensure_future(aio.open(loopback.http + "/a.fits?stall_head"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_ctrl_c_interrupts_a_download(loopback):
    script = (
        "import rustfits\nprint('ready', flush=True)\n"
        f"try:\n    rustfits.FITS('{loopback.http}/a.fits?stall=3000')\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=WATCHDOG_SECONDS)
    # A signal that comes before the call is Python's to report.
    assert output == "interrupted\n" or child.returncode != 0


def child_reads(http, queue):
    async def in_loop():
        async with aio.FITS(http + "/a.fits") as fits:
            return (await fits[1].read()).sum()

    with rustfits.FITS(http + "/a.fits") as fits:
        blocking = fits[1].read().sum()
    fetched = sum(result.error is None for result in rustfits.fetch_many([http + "/a.fits"] * 3))
    queue.put((float(blocking), float(asyncio.run(in_loop())), fetched))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_everything_works_in_a_fork_child(loopback, image):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with rustfits.FITS(loopback.http + "/a.fits") as fits:
        fits[1].read()
    child = context.Process(target=child_reads, args=(loopback.http, queue))
    child.start()
    expected = float(image.sum())
    assert queue.get(timeout=WATCHDOG_SECONDS) == (expected, expected, 3)
    child.join(WATCHDOG_SECONDS)
    assert child.exitcode == 0


def test_threads_share_a_handle_and_nothing_is_left_open(loopback, image):
    with rustfits.FITS(loopback.root / "a.fits") as fits:
        failures = []

        def read():
            for _ in range(20):
                if not np.array_equal(fits["SCI"].read(), image):
                    failures.append("differs")

        threads = [threading.Thread(target=read) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
    before = len(os.listdir("/proc/self/fd"))
    arrays = [rustfits.FITS(loopback.root / "a.fits")[1].read() for _ in range(500)]
    assert len(arrays) == 500 and len(os.listdir("/proc/self/fd")) <= before + 1
