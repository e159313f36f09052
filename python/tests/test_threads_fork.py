"""One handle in many threads, forked children, and what is left open."""

from __future__ import annotations

import asyncio
import gc
import gzip
import http.server
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, same

import rustfits
from rustfits import aio

WATCHDOG_SECONDS = 60
IMAGE = np.arange(400 * 300, dtype="i4").reshape(400, 300)
NO_FORK_WARNING = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def content() -> bytes:
    table = astropy_fits.BinTableHDU.from_columns([astropy_fits.Column("a", "J", array=np.arange(2000))], name="CAT")
    images = [astropy_fits.ImageHDU(IMAGE + n, name=f"E{n}") for n in range(8)]
    compressed = astropy_fits.CompImageHDU(IMAGE, name="RICE", tile_shape=(20, 300))
    return hdu_bytes(astropy_fits.PrimaryHDU(), *images, table, compressed)


def read_all(file: rustfits.FITS, seed: int) -> None:
    """Reads what there is, in another order for each seed."""
    random = np.random.default_rng(seed)
    for key in random.permutation([f"E{n}" for n in range(8)] + ["CAT", "RICE"]):
        if key == "CAT":
            rows = random.integers(0, 2000, 50)
            np.testing.assert_array_equal(file["CAT"].read(rows=rows)["a"], rows)
        elif key == "RICE":
            same(file["RICE"][seed : seed + 30], IMAGE[seed : seed + 30])
        else:
            same(file[str(key)][seed:], IMAGE[seed:] + int(key[1:]))


@pytest.mark.parametrize("backend", ["disk", "memory", "gz", "http", "ranged"])
def test_16_threads_on_one_handle(loopback, write, content, backend):
    if backend == "disk":
        file = rustfits.FITS(write(content))
    elif backend == "memory":
        file = rustfits.FITS.from_bytes(content)
    elif backend == "gz":
        file = rustfits.FITS(write(gzip.compress(content, 1), "a.fits.gz"))
    else:
        remote = rustfits.Remote(ranged=True, block_bytes=64 << 10, cache_bytes=1 << 20)
        file = rustfits.FITS(loopback.http + loopback.put(content), remote=remote if backend == "ranged" else None)
    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(read_all, file, seed) for seed in range(48)]:
            done.result()
    assert [file[n] is file[n] for n in range(len(file))] == [True] * 11


def test_16_threads_that_open(content):
    def opened(seed):
        with rustfits.FITS.from_bytes(content) as file:
            read_all(file, seed)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(opened, range(32)))


def test_a_file_closed_while_threads_read(write, content):
    file = rustfits.FITS(write(content))
    barrier = threading.Barrier(9)

    def until_closed():
        hdu = file["E3"]
        barrier.wait()
        while True:
            try:
                same(hdu.read(), IMAGE + 3)
            except OSError as error:
                return str(error)

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(until_closed) for _ in range(8)]
        barrier.wait()
        file.close()
        assert all("closed" in reader.result() for reader in readers)


def test_16_threads_that_write():
    with rustfits.FITS("mem://", "w+") as file:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda n: file.write_image(IMAGE[n : n + 50], extname=f"N{n}"), range(40)))
        assert len(file) == 40
        whole = file.to_bytes()
    with astropy_fits.HDUList.fromstring(whole) as theirs:
        assert {hdu.header["EXTNAME"] for hdu in theirs} == {f"N{n}" for n in range(40)}
        for hdu in theirs:
            start = int(hdu.header["EXTNAME"][1:])
            np.testing.assert_array_equal(hdu.data, IMAGE[start : start + 50])


def test_other_threads_run_while_one_waits(content):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    # This server is Python, in this process: it can answer only while the GIL is free.
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/a.fits"
            with rustfits.FITS(url, remote=rustfits.Remote(timeout=WATCHDOG_SECONDS)) as file:
                read_all(file, 1)
            assert next(rustfits.fetch_many([url])).error is None
        finally:
            server.shutdown()
            thread.join()


def in_child(target, *arguments):
    """Runs a function in a forked child and gives its result."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def run():
        sending.send(target(*arguments))

    child = context.Process(target=run)
    child.start()
    sending.close()
    try:
        assert receiving.poll(WATCHDOG_SECONDS), "the child hangs"
        return receiving.recv()
    finally:
        child.kill()
        child.join()


def child_reads(path, urls, ca):
    async def in_loop():
        async with aio.FITS(urls["http"]) as file:
            return int((await file["E5"].read()).sum())

    results = []
    for name, remote in [
        (path, None),
        (urls["http"], None),
        (urls["https"], rustfits.Remote(ca_file=ca)),
        (urls["http"], "ranged"),
        (urls["ftp"], None),
    ]:
        with rustfits.FITS(name, remote=remote) as file:
            results.append(int(file["E5"].read().sum()))
            results.append(int(file["RICE"].read().sum()) + 5 * IMAGE.size)
    results.append(asyncio.run(in_loop()))
    results += [int(result.fits["E5"].read().sum()) for result in rustfits.fetch_many([urls["http"]] * 3)]
    return results


@NO_FORK_WARNING
def test_forked_children(loopback, write, content):
    path = write(content)
    served = loopback.put(content)
    urls = {scheme: getattr(loopback, scheme) + served for scheme in ["http", "https", "ftp"]}
    expected = [int((IMAGE + 5).sum())] * 14
    assert child_reads(path, urls, loopback.ca) == expected
    for _ in range(2):
        assert in_child(child_reads, path, urls, loopback.ca) == expected
    assert child_reads(path, urls, loopback.ca) == expected


def read_inherited(file):
    try:
        return int(file["E5"].read().sum())
    except OSError as error:
        return str(error)


@NO_FORK_WARNING
def test_handles_of_the_parent_in_a_child(loopback, write, content):
    expected = int((IMAGE + 5).sum())
    for file in [rustfits.FITS(write(content)), rustfits.FITS.from_bytes(content)]:
        assert read_inherited(file) == expected
        assert in_child(read_inherited, file) == expected
        assert read_inherited(file) == expected
    with rustfits.FITS(loopback.http + loopback.put(content), remote="ranged") as file:
        assert file[0].index == 0
        # It works or says why; it never hangs.
        inherited = in_child(read_inherited, file)
        assert inherited == expected or "fork" in inherited
        assert read_inherited(file) == expected


def read_sum(url):
    with rustfits.FITS(url) as file:
        return int(file["E0"].read().sum())


@NO_FORK_WARNING
def test_a_pool_of_forked_workers(loopback, content):
    url = loopback.http + loopback.put(content)
    rustfits.FITS(url).close()
    with multiprocessing.get_context("fork").Pool(3) as pool:
        sums = pool.map_async(read_sum, [url] * 12).get(WATCHDOG_SECONDS)
    assert sums == [int(IMAGE.sum())] * 12


def open_descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("closed", [True, False])
def test_no_descriptor_is_left(write, content, closed):
    path = write(content)
    read_sum(path)
    before = open_descriptors()
    arrays = []
    for _ in range(500):
        file = rustfits.FITS(path)
        arrays.append(file["E0"][:2])
        if closed:
            file.close()
        del file
    assert open_descriptors() <= before
    assert len(arrays) == 500


def test_no_descriptor_is_left_after_errors(write, tmp_path):
    paths = [tmp_path / "missing", tmp_path, write(b"junk"), write(b"\x1f\x8b junk")]
    before = open_descriptors()
    for _ in range(50):
        for path in paths:
            with pytest.raises(OSError):
                rustfits.FITS(path)
    assert open_descriptors() <= before


def test_connections_are_kept_for_the_next_file_or_closed(loopback, content):
    url = loopback.http + loopback.put(content)
    read_sum(url)
    before = open_descriptors()
    for _ in range(50):
        read_sum(url)
    # Some may stay open to be used again, not one for each file.
    assert open_descriptors() <= before + 8


def test_results_outlive_their_file(write, content):
    with rustfits.FITS(write(content)) as file:
        array = file["E0"].read()
        table = file["CAT"].read()
        view = array[::2, 5]
    del file, array
    gc.collect()
    same(np.ascontiguousarray(view), IMAGE[::2, 5])
    assert table["a"].sum() == 1999 * 1000


def test_memory_goes_back(write):
    # 200 times 8 MB would not fit the limit.
    script = """
import resource, sys
import numpy, rustfits
rustfits.FITS(sys.argv[1])[0].read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(200):
    with rustfits.FITS(sys.argv[1]) as file:
        file[0].read()
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000
"""
    path = write(hdu_bytes(astropy_fits.PrimaryHDU(np.zeros(1 << 20))))
    subprocess.run([sys.executable, "-c", script, path], check=True, timeout=WATCHDOG_SECONDS)
