"""A fetch and its hosts: limits on the rate, headers of a host, busy ones; cancelled and looked at from outside."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import pytest
from conftest import same

import rustfits
from rustfits import aio


def collected(start):
    """The results of a fetch that `start` begins, and the fetch; by asyncio."""

    async def run():
        fetch = start()
        return [result async for result in fetch], fetch

    return asyncio.run(run())


def blocking(urls, **options):
    fetch = rustfits.fetch_many(urls, **options)
    return list(fetch), fetch


def in_a_loop(urls, **options):
    return collected(lambda: aio.fetch_many(urls, **options))


def to_disk(directory):
    def download(urls, **options):
        fetch = rustfits.download_many(urls, directory, **options)
        return list(fetch), fetch

    return download


def to_disk_in_a_loop(directory):
    return lambda urls, **options: collected(lambda: aio.download_many(urls, directory, **options))


@pytest.fixture(params=["blocking", "asyncio", "disk", "asyncio disk"])
def fetch(request, tmp_path):
    """Each of the four ways; gives the results and what they came from."""
    ways = {
        "blocking": blocking,
        "asyncio": in_a_loop,
        "disk": to_disk(tmp_path),
        "asyncio disk": to_disk_in_a_loop(tmp_path),
    }
    return ways[request.param]


def copies(loopback, files):
    """URLs of files of their own with the same image."""
    data = (loopback.root / "a.fits").read_bytes()
    return [loopback.http + loopback.put(data) for _ in range(files)]


def host(loopback):
    return loopback.http.removeprefix("http://")


def test_statistics(loopback, fetch):
    good = copies(loopback, 5)
    (busy,) = copies(loopback, 1)
    results, done = fetch([*good, busy + "?status=503&times=2", loopback.http + "/none.fits"], per_host=2, backoff=0.01)
    assert sum(result.error is None for result in results) == 6
    statistics = done.statistics
    assert isinstance(statistics, rustfits.FetchStatistics)
    assert (statistics.succeeded, statistics.failed) == (6, 1)
    assert list(statistics.hosts) == [host(loopback)]
    for counts in [statistics.total, statistics.hosts[host(loopback)]]:
        assert isinstance(counts, rustfits.HostStatistics)
        assert (counts.requests, counts.busy, counts.retries, counts.failed_requests) == (9, 2, 2, 0)
        assert counts.bytes == 6 * (loopback.root / "a.fits").stat().st_size
        # Those that earlier fetches left are reused.
        assert counts.connections_opened + counts.connections_reused == 9
        latency = counts.latency
        assert isinstance(latency, rustfits.LatencyStatistics)
        assert latency.count == 9
        assert 0 < latency.percentile(50) <= latency.percentile(99) <= latency.longest
        assert latency.mean <= latency.longest
    assert "6 files, 1 failed, 9 requests, 2 retries" in repr(statistics)
    assert "p99" in repr(latency)
    assert "9 requests" in repr(counts)


def test_statistics_of_nothing():
    latency = rustfits.fetch_many([]).statistics.total.latency
    assert (latency.count, latency.mean, latency.longest, latency.percentile(50)) == (0, None, None, None)
    assert "none" in repr(latency)


def test_requests_in_a_second(loopback, fetch):
    begun = time.monotonic()
    results, _ = fetch(copies(loopback, 6), max_requests_per_second=20.0)
    assert all(result.error is None for result in results)
    assert time.monotonic() - begun >= 0.2


def test_bytes_in_a_second(loopback, fetch):
    size = (loopback.root / "a.fits").stat().st_size
    begun = time.monotonic()
    results, _ = fetch(copies(loopback, 6), max_bytes_per_second=20 * size)
    assert all(result.error is None for result in results)
    assert time.monotonic() - begun >= 0.25


def test_headers_of_a_host(loopback, fetch):
    (url,) = copies(loopback, 1)
    headers = {host(loopback): {"X-Token": "own"}, "elsewhere.example": {"X-Token": "other", "X-More": "1"}}
    results, _ = fetch([url], headers={"X-Token": "all", "X-All": "2"}, host_headers=headers)
    assert results[0].error is None
    sent = loopback.log(url.removeprefix(loopback.http))[0]["headers"]
    assert [value for name, value in sent if name.startswith("x-")] == ["2", "own"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_requests_per_second": 0.0}, ValueError),
        ({"max_requests_per_second": float("nan")}, ValueError),
        ({"max_bytes_per_second": 0}, ValueError),
        ({"max_bytes_per_second": -1}, ValueError),
        ({"host_headers": {"a": "b"}}, TypeError),
        ({"host_headers": {"a": {"b": 1}}}, TypeError),
    ],
)
def test_bad_options(fetch, options, error):
    with pytest.raises(error):
        fetch([], **options)


def test_cancelling_one(loopback, image):
    slow, other, quick = copies(loopback, 3)
    fetch = rustfits.fetch_many([slow + "?stall=100", other + "?stall=100", quick], ordered=True)
    timer = threading.Thread(target=lambda: cancel_when_all_are_asked_for(loopback, fetch, slow, other))
    timer.start()
    results = list(fetch)
    timer.join()
    for result in results[:2]:
        assert isinstance(result.error, OSError)
        assert "cancelled" in str(result.error)
    same(results[2].fits[1].read(), image)
    assert fetch.cancel(0) == fetch.cancel(slow) == fetch.cancel(-1) == fetch.cancel(10**30) == 0
    for wrong in [1.5, True, b"x"]:
        with pytest.raises(TypeError):
            fetch.cancel(wrong)


def cancel_when_all_are_asked_for(loopback, fetch, slow, other):
    while not loopback.log(slow.removeprefix(loopback.http)) or not loopback.log(other.removeprefix(loopback.http)):
        time.sleep(0.005)
    assert fetch.cancel(0) == 1
    assert fetch.cancel(other + "?stall=100") == 1


def test_cancelling_all_while_another_thread_waits(loopback):
    (url,) = copies(loopback, 1)
    endless = (f"{url}?stall=100&n={n}" for n in range(10**9))
    fetch = rustfits.fetch_many(endless, per_host=4)
    results = []
    thread = threading.Thread(target=lambda: results.extend(fetch))
    thread.start()
    while len(loopback.log(url.removeprefix(loopback.http))) < 4:
        time.sleep(0.005)
    assert fetch.cancel() >= 4
    thread.join(30)
    assert not thread.is_alive()
    assert results
    assert all("cancelled" in str(result.error) for result in results)


async def test_cancelling_all_in_a_loop(loopback):
    urls = copies(loopback, 3)
    fetch = aio.fetch_many([url + "?stall=100" for url in urls])

    async def cancel():
        while sum(len(loopback.log(url.removeprefix(loopback.http))) for url in urls) < 3:
            await asyncio.sleep(0.005)
        return fetch.cancel()

    canceller = asyncio.create_task(cancel())
    results = [result async for result in fetch]
    assert await canceller == len(results) == 3
    assert fetch.statistics.failed == 3


def test_a_with_block_stops_what_runs(loopback):
    (stalled,) = copies(loopback, 1)
    quick = loopback.http + "/a.fits"
    with rustfits.fetch_many([quick, stalled + "?stall=100"]) as fetch:
        assert isinstance(fetch, rustfits.Fetch)
        assert next(fetch).error is None
    assert list(fetch) == []

    async def leave():
        async with aio.fetch_many([quick, stalled + "?stall=100"]) as fetch:
            assert isinstance(fetch, aio.Fetch)
            assert (await anext(fetch)).error is None
        return [result async for result in fetch]

    assert asyncio.run(leave()) == []


def test_what_is_documented():
    described = inspect.getdoc(rustfits.fetch_many)
    for name in ["max_bytes_per_second", "max_requests_per_second", "host_headers", "cancel", "statistics"]:
        assert name in described
