"""Many files at once: `fetch_many`, blocking and asyncio."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from conftest import image_bytes, same

import rustfits
from rustfits import aio

WATCHDOG_SECONDS = 60


def blocking(urls, **options):
    """All results of the blocking face."""
    return list(rustfits.fetch_many(urls, **options))


def in_a_loop(urls, **options):
    """All results of the asyncio face."""

    async def collect():
        return [result async for result in aio.fetch_many(urls, **options)]

    return asyncio.run(collect())


def image_of(result):
    """The pixels of a result of either face."""
    if isinstance(result.fits, rustfits.FITS):
        return result.fits[1].read()

    async def read():
        return await result.fits[1].read()

    return asyncio.run(read())


both = pytest.mark.parametrize("fetch", [blocking, in_a_loop])


@both
def test_all_come_once(loopback, image, fetch):
    urls = [f"{loopback.http}/a.fits?n={n}" for n in range(50)]
    results = fetch(iter(urls), concurrency=8)
    assert sorted(result.index for result in results) == list(range(50))
    for result in results:
        assert isinstance(result, rustfits.FetchResult)
        assert result.url == urls[result.index]
        assert result.error is None
        assert result.attempts == 1
        assert result.bytes == (loopback.root / "a.fits").stat().st_size
        assert result.seconds > 0
        assert "ok" in repr(result)
        same(image_of(result), image)


@both
def test_the_kind_of_file(loopback, fetch):
    (result,) = fetch([loopback.http + "/a.fits"])
    assert type(result.fits) is (rustfits.FITS if fetch is blocking else aio.FITS)
    assert result.fits.filename == loopback.http + "/a.fits"


@both
def test_every_scheme(loopback, image, fetch):
    names = [
        loopback.http + "/a.fits.gz",
        loopback.https + "/a.fits",
        loopback.ftp + "/a.fits",
        loopback.ftps + "/a.fits.gz",
    ]
    for result in fetch(names, remote=rustfits.Remote(ca_file=loopback.ca), ordered=True):
        assert result.error is None
        same(image_of(result), image)
    for result in fetch([loopback.http + "/a.fits"], remote="ranged"):
        same(image_of(result), image)


@both
def test_mirrors(loopback, image, fetch):
    good = loopback.http + "/a.fits"
    for mirrors in [
        [loopback.http + "/missing.fits", good],
        (loopback.http + "/page.fits", loopback.http + "/no", good),
    ]:
        (result,) = fetch([mirrors])
        assert result.error is None
        assert (result.url, result.attempts) == (mirrors[0], len(mirrors))
        same(image_of(result), image)
    wrong, empty = fetch([[good, None], []], ordered=True)
    assert type(wrong.error) is TypeError and type(empty.error) is ValueError


@both
def test_what_is_no_name_is_the_error_of_that_file(loopback, image, fetch):
    good = loopback.http + "/a.fits"
    names = [good, None, good, 17, "/no/such/\ud800.fits", "http://user:s3cret@host/\ud800", b"/tmp/a.fits", good]
    for ordered in [False, True]:
        results = fetch(iter(names), ordered=ordered)
        assert sorted(result.index for result in results) == list(range(len(names)))
        kinds = {result.index: type(result.error) for result in results if result.error is not None}
        assert kinds == {1: TypeError, 3: TypeError, 4: ValueError, 5: ValueError, 6: TypeError}
        assert not any("s3cret" in f"{result!r} {result.url} {result.error}" for result in results)


@both
def test_names_are_paths_as_the_system_has_them(loopback, image, fetch, tmp_path):
    class Name:
        def __fspath__(self):
            return str(tmp_path / "a.fits")

        def __str__(self):
            return "not this"

    content = (loopback.root / "a.fits").read_bytes()
    names = [Name(), tmp_path / "a.fits"]
    (tmp_path / "a.fits").write_bytes(content)
    if sys.platform == "linux":
        # A name that is no UTF-8.
        names.append(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.fits"))
        (tmp_path / names[-1]).write_bytes(content)
    for result in fetch(names):
        assert result.error is None
        same(image_of(result), image)


@both
def test_a_password_is_shown_nowhere(fetch):
    (result,) = fetch(["http://user:s3cret@localhost:99999/x.fits"])
    assert isinstance(result.error, ValueError)
    assert "s3cret" not in f"{result!r} {result.url} {result.error}"


@both
def test_junk_behind_gzip_warns(loopback, image, fetch):
    packed = gzip.compress((loopback.root / "a.fits").read_bytes()) + b"junk"
    url = loopback.http + loopback.put(packed, ".fits.gz")
    with pytest.warns(UserWarning, match="no gzip"):
        (result,) = fetch([url])
    same(image_of(result), image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = fetch([url, loopback.http + "/a.fits"], ordered=True)
    assert isinstance(first.error, UserWarning)
    assert first.fits is None
    assert second.error is None


TWO_THREADS = """
import sys, threading
from rustfits._rustfits import Queue
options = dict.fromkeys(["per_host", "max_buffered", "timeout", "max_bytes", "headers", "remote", "on_event",
                         "max_bytes_per_second", "max_requests_per_second", "host_headers"])
queue = Queue(concurrency=8, retries=0, backoff=1.0, lenient=False, ordered=False, **options)
queue.push(sys.argv[1])
waiting = threading.Thread(target=queue.next)
waiting.start()
while waiting.is_alive():
    queue.has_room()
print("done")
"""


def test_a_queue_in_two_threads(loopback):
    url = loopback.http + "/a.fits?latency=500"
    words = [sys.executable, "-c", TWO_THREADS, url]
    done = subprocess.run(words, stdout=subprocess.PIPE, timeout=WATCHDOG_SECONDS, check=True)
    assert done.stdout.strip() == b"done"


@both
def test_bad_ones_among_many(loopback, image, fetch):
    good = loopback.http + "/a.fits"
    bad = {
        3: (loopback.http + "/missing.fits", OSError),
        7: (loopback.http + "/page.fits", OSError),
        9: ("http://127.0.0.1:1/a.fits", OSError),
        11: (loopback.ftp + "/missing.fits", FileNotFoundError),
        13: ("gopher://host/a", ValueError),
        19: (loopback.http + loopback.put(b"junk"), OSError),
        21: ("", (OSError, ValueError)),
        23: ("http://", (OSError, ValueError)),
    }
    urls = [bad[n][0] if n in bad else good for n in range(30)]
    results = fetch(urls, retries=1, backoff=0.01)
    assert len(results) == 30
    for result in results:
        if result.index in bad:
            assert result.fits is None
            assert isinstance(result.error, bad[result.index][1])
            assert "failed" in repr(result)
        else:
            assert result.error is None
            same(image_of(result), image)


@both
@pytest.mark.parametrize(
    # The total is that of all attempts.
    ("timeout", "attempts"),
    [(0.2, 2), (rustfits.Timeout(connect=0.2), 2), (rustfits.Timeout(total=0.2), 1)],
)
def test_time_limits(loopback, fetch, timeout, attempts):
    path = loopback.put(b"")
    (result,) = fetch([f"{loopback.http}{path}?stall_head"], timeout=timeout, retries=1, backoff=0.01)
    assert isinstance(result.error, TimeoutError)
    assert result.attempts == attempts


@both
def test_ordered(loopback, fetch):
    # The first ones are the slowest.
    urls = [f"{loopback.http}/a.fits?latency={100 - 5 * n}&n={n}" for n in range(20)]
    assert [result.index for result in fetch(urls, ordered=True, per_host=20)] == list(range(20))


def test_as_they_complete(loopback):
    slow = f"{loopback.http}/a.fits?stall_head"
    results = rustfits.fetch_many([slow, *[loopback.http + "/a.fits"] * 5], per_host=8)
    # The first one never comes.
    assert sorted(next(results).index for _ in range(5)) == [1, 2, 3, 4, 5]


@both
@pytest.mark.parametrize(
    "fault", ["status=503&times=2", "status=500&times=2", "status=429&times=2", "cut=5000&cut_times=2"]
)
def test_what_can_succeed_is_tried_again(loopback, image, fetch, fault):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    (result,) = fetch([f"{loopback.http}{path}?{fault}"], backoff=0.01)
    assert result.error is None
    assert result.attempts == 3
    same(image_of(result), image)
    assert len([request for request in loopback.log(path) if request["method"] == "GET"]) == 3


@both
def test_attempts_end(loopback, fetch):
    path = loopback.put(b"")
    (result,) = fetch([f"{loopback.http}{path}?status=503"], backoff=0.01, retries=2)
    assert "503" in str(result.error)
    assert result.attempts == 3
    assert len(loopback.log(path)) == 3
    (result,) = fetch([f"{loopback.http}{path}?status=503&n=1"], backoff=0.01, retries=0)
    assert result.attempts == 1


@both
@pytest.mark.parametrize("fault", ["status=404", "status=403", "status=401", "html"])
def test_what_cannot_succeed_fails_at_once(loopback, fetch, fault):
    path = loopback.put(b"")
    (result,) = fetch([f"{loopback.http}{path}?{fault}"], backoff=30.0)
    assert isinstance(result.error, OSError)
    assert result.attempts == 1
    assert len(loopback.log(path)) == 1


def test_retry_after(loopback):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    (result,) = blocking([f"{loopback.http}{path}?status=503&times=1&retry_after=1"], backoff=0.0)
    assert result.attempts == 2
    first, second = loopback.log(path)
    assert second["started"] - first["started"] >= 1


def test_a_broken_transfer_goes_on_where_it_was(loopback, image):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    (result,) = blocking([f"{loopback.http}{path}?cut=20000&cut_times=1"], backoff=0.01)
    same(image_of(result), image)
    assert loopback.log(path)[1]["range"] == "bytes=20000-"


def test_a_file_that_changed_meanwhile_is_not_pieced_together(loopback, image):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    (result,) = blocking([f"{loopback.http}{path}?cut=20000&cut_times=1&etag_changes&modified_changes"], backoff=0.01)
    same(image_of(result), image)


@both
def test_per_host(loopback, fetch):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    fetch([f"{loopback.http}{path}?latency=20&n={n}" for n in range(30)], concurrency=32, per_host=2)
    assert most_at_once(loopback.log(path)) <= 2
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    fetch([f"{loopback.http}{path}?latency=20&n={n}" for n in range(30)])
    assert most_at_once(loopback.log(path)) <= 6


def most_at_once(requests):
    """The most requests that were under way at one time."""
    changes = sorted([(r["started"], 1) for r in requests] + [(r["finished"] or float("inf"), -1) for r in requests])
    return int(np.cumsum([change for _, change in changes]).max())


@both
def test_an_endless_iterable_is_read_lazily(loopback, fetch):
    read = 0

    def names():
        nonlocal read
        while True:
            read += 1
            yield loopback.http + "/a.fits"

    async def first_100():
        results = aio.fetch_many(names(), concurrency=4)
        async for result in results:
            assert result.error is None
            if result.index >= 100:
                await results.aclose()
                break

    if fetch is blocking:
        for result in rustfits.fetch_many(names(), concurrency=4):
            assert result.error is None
            if result.index >= 100:
                break
    else:
        asyncio.run(first_100())
    assert 100 < read <= 101 + 2 * 4


async def test_an_async_iterable(loopback):
    async def names():
        for n in range(10):
            await asyncio.sleep(0)
            yield f"{loopback.http}/a.fits?n={n}"

    assert [r.index async for r in aio.fetch_many(names(), ordered=True)] == list(range(10))


SLOW_CONSUMER = """
import resource, sys
import rustfits
read = taken = most_ahead = 0
def names():
    global read
    for n in range(2000):
        read += 1
        yield sys.argv[1]
before = None
for result in rustfits.fetch_many(names(), concurrency=8, per_host=8, max_buffered=8 << 20):
    assert result.error is None, result.error
    total = int(result.fits[0].read().sum())
    taken += 1
    most_ahead = max(most_ahead, read - taken)
    if taken == 100:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read, taken, most_ahead, after - before)
"""


def test_memory_is_bounded(loopback):
    # 2,000 times 256 KiB: 500 MB, were they kept.
    url = loopback.http + loopback.put(image_bytes(np.ones(1 << 18, "u1")))
    done = subprocess.run(
        [sys.executable, "-c", SLOW_CONSUMER, url], stdout=subprocess.PIPE, timeout=WATCHDOG_SECONDS, check=True
    )
    read, taken, most_ahead, growth_kib = map(int, done.stdout.split())
    assert (read, taken) == (2000, 2000)
    assert most_ahead <= 2 * 32
    assert growth_kib < 64 << 10


@both
def test_no_more_is_fetched_than_may_be_kept(loopback, fetch):
    # 24 files could be there before the first is taken, but 2 of them are all that may be kept.
    size = 4 << 20
    path = loopback.put(image_bytes(np.ones(size, "u1")))
    received = taken = most_ahead = 0

    def progress(event):
        nonlocal received, most_ahead
        if event["event"] == "received":
            received += event["bytes"]
            most_ahead = max(most_ahead, received - taken)

    def names():
        for n in range(24):
            yield f"{loopback.http}{path}?n={n}"

    options = {"concurrency": 8, "per_host": 8, "max_buffered": 2 * size, "progress": progress}

    async def take():
        nonlocal taken
        async for result in aio.fetch_many(names(), **options):
            assert result.error is None
            taken += result.bytes
            await asyncio.to_thread(loopback.log, path)

    if fetch is in_a_loop:
        asyncio.run(take())
    else:
        for result in rustfits.fetch_many(names(), **options):
            assert result.error is None
            taken += result.bytes
            loopback.log(path)
    assert received == taken == 24 * (size + 2 * 2880 - size % 2880)
    # What may be kept, one that may always go on, a result on its way to the user, and a piece on each connection.
    assert most_ahead <= 6 * size


@both
def test_a_file_larger_than_may_be_kept_runs_alone(loopback, fetch):
    data = np.ones(1 << 20, "u1")
    url = loopback.http + loopback.put(image_bytes(data))
    for options in [{}, {"ordered": True}]:
        results = fetch([url] * 6, max_buffered=100_000, **options)
        assert len(results) == 6
        assert all(result.error is None for result in results)


@both
def test_most_bytes_of_a_file(loopback, fetch):
    packed = loopback.put(gzip.compress(image_bytes(np.zeros(1 << 20, "u1"))), ".fits.gz")
    small, large = fetch([loopback.http + "/a.fits", loopback.http + packed], max_bytes=100_000, ordered=True)
    assert small.error is None
    assert "max_bytes" in str(large.error)


@both
def test_headers(loopback, fetch):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    fetch([loopback.http + path], headers={"X-Token": "abc"})
    assert ["x-token", "abc"] in loopback.log(path)[0]["headers"]


@both
def test_progress_by_a_callback(loopback, fetch):
    events = []
    urls = [loopback.http + "/a.fits", loopback.http + "/missing.fits"]
    results = fetch(urls, progress=events.append, ordered=True)
    for result in results:
        mine = [event for event in events if event["index"] == result.index]
        assert mine[0]["event"] == "started"
        assert mine[0]["url"] == result.url
        assert mine[-1] == {"event": "finished", "index": result.index, "succeeded": result.error is None}
    assert sum(event["bytes"] for event in events if event["event"] == "received" and event["index"] == 0) > 0


def test_a_progress_callback_that_raises(loopback, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)

    def callback(event):
        raise ZeroDivisionError

    (result,) = blocking([loopback.http + "/a.fits"], progress=callback)
    assert result.error is None
    assert raised[0].exc_type is ZeroDivisionError


def test_progress_on_a_plain_terminal(loopback, capsys):
    assert len(blocking([loopback.http + "/a.fits"] * 3, progress=True)) == 3
    assert "3" in capsys.readouterr().err


@both
def test_no_urls(fetch):
    assert fetch([]) == []
    assert fetch(iter(())) == []


@both
@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"per_host": 0},
        {"max_buffered": 0},
        {"timeout": 0},
        {"remote": "sideways"},
        {"backoff": -1.0},
    ],
    ids=repr,
)
def test_bad_options(fetch, options):
    with pytest.raises(ValueError):
        fetch([], **options)


@both
def test_options_of_other_types(fetch):
    for options in [{"concurrency": "many"}, {"surprise": 1}, {"timeout": "long"}]:
        with pytest.raises(TypeError):
            fetch([], **options)


@both
def test_an_iterable_that_raises(loopback, fetch):
    def names():
        yield loopback.http + "/a.fits"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch(names())


def test_leaving_the_loop_stops_the_rest(loopback):
    path = loopback.put(image_bytes(np.zeros(1 << 22, "u1")))
    open_before = loopback.connections()["open"]
    urls = [loopback.http + "/a.fits"] + [f"{loopback.http}{path}?rate=100000&n={n}" for n in range(5)]
    for result in rustfits.fetch_many(urls):
        assert result.index == 0
        break
    del result
    gc.collect()
    deadline = time.monotonic() + WATCHDOG_SECONDS / 4
    while loopback.connections()["open"] > open_before + 1:
        assert time.monotonic() < deadline
    assert all(request["body_sent"] < 1 << 22 for request in loopback.log(path))


async def test_cancelling_the_task_stops_the_rest(loopback):
    path = loopback.put(image_bytes(np.zeros(1 << 22, "u1")))
    open_before = loopback.connections()["open"]

    async def fetch():
        async for _ in aio.fetch_many([f"{loopback.http}{path}?rate=100000&n={n}" for n in range(5)]):
            raise AssertionError("none of them comes")

    task = asyncio.create_task(fetch())
    while len(await asyncio.to_thread(loopback.log, path)) < 5:
        assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(WATCHDOG_SECONDS / 4):
        while (await asyncio.to_thread(loopback.connections))["open"] > open_before + 1:
            pass


def test_results_stay_open(loopback, image):
    results = blocking([loopback.http + "/a.fits"] * 10)
    gc.collect()
    for result in results:
        assert not result.fits.closed
        same(result.fits["SCI"].read(), image)
        result.fits.close()
    # What the others read does not depend on one that was closed.
    (again,) = blocking([loopback.http + "/a.fits"])
    same(again.fits["SCI"].read(), image)


@pytest.mark.parametrize("module", [rustfits, aio])
def test_a_single_name_is_no_list(module, tmp_path):
    """Its characters are no names."""
    for name in ("https://archive.example/a.fits", b"a.fits"):
        with pytest.raises(TypeError, match="put the one in a list"):
            module.fetch_many(name)
        with pytest.raises(TypeError, match="put the one in a list"):
            module.download_many(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
