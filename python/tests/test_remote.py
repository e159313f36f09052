"""Files behind http(s) and ftp(s): over real sockets, on the loopback address."""

from __future__ import annotations

import asyncio
import copy
import gzip
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, image_bytes, same, started

import rustfits
from rustfits import aio

WATCHDOG_SECONDS = 60


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    """An image that takes 4 MB."""
    return np.random.default_rng(8).normal(size=(1000, 1000)).astype("f4")


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps"])
@pytest.mark.parametrize("name", ["/a.fits", "/a.fits.gz"])
def test_every_scheme_reads_the_same(loopback, image, scheme, name):
    url = getattr(loopback, scheme) + name
    remote = rustfits.Remote(ca_file=loopback.ca) if scheme.endswith("s") else None
    with rustfits.FITS(url, remote=remote) as file:
        assert file.filename == url
        assert file.mode == "r"
        assert len(file) == 2
        same(file["SCI"].read(), image)
        same(file[1][10:20, ::7], image[10:20, ::7])
        assert file.to_bytes() == (loopback.root / "a.fits").read_bytes()


@pytest.mark.parametrize("scheme", ["HTTP", "Http", "FTP"])
def test_schemes_in_any_letter_case(loopback, image, scheme):
    url = getattr(loopback, scheme.lower())
    with rustfits.FITS(scheme + url[url.index(":") :] + "/a.fits") as file:
        same(file[1].read(), image)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_ranged(loopback, image, scheme):
    url = getattr(loopback, scheme) + "/a.fits"
    for remote in [
        rustfits.Remote(ranged=True, ca_file=loopback.ca),
        rustfits.Remote(mode="ranged", ca_file=loopback.ca, block_bytes=4096),
        rustfits.Remote(ranged=True, ca_file=loopback.ca, block_bytes=3000, cache_bytes=0),
    ]:
        with rustfits.FITS(url, remote=remote) as file:
            same(file["SCI"][10:20, ::7], image[10:20, ::7])
            same(file[1][::-1, [3, 1]], image[::-1][:, [3, 1]])
            same(file[1].read(), image)


def test_ranged_fetches_what_is_touched(loopback, large):
    path = loopback.put(image_bytes(large))
    with rustfits.FITS(loopback.http + path, remote=rustfits.Remote(ranged=True, block_bytes=16 << 10)) as file:
        same(file[0][500:510, 500:510], large[500:510, 500:510])
        assert file[0].header["NAXIS1"] == 1000
    requests = loopback.log(path)
    assert all(request["range"] for request in requests)
    assert sum(request["body_sent"] for request in requests) < 500_000
    assert len(requests) < 10


def test_ranged_tables(loopback):
    columns = [
        astropy_fits.Column("a", "J", array=np.arange(50_000)),
        astropy_fits.Column("t", "5A", array=["x"] * 50_000),
    ]
    path = loopback.put(hdu_bytes(astropy_fits.PrimaryHDU(), astropy_fits.BinTableHDU.from_columns(columns)))
    with rustfits.FITS(loopback.http + path, remote="ranged") as file:
        assert file[1].read(rows=[49_999, 5, -2], columns="a")["a"].tolist() == [49_999, 5, 49_998]
        assert file[1]["t"][3] == "x"
        assert [row["a"] for row in file[1]][:5] == [0, 1, 2, 3, 4]


def test_ranged_scans_no_further_than_it_has_to(loopback, large):
    hdus = [astropy_fits.PrimaryHDU(), *(astropy_fits.ImageHDU(large[n : n + 300], name=f"E{n}") for n in range(10))]
    data = hdu_bytes(*hdus)
    path = loopback.put(data)
    with rustfits.FITS(loopback.http + path, remote=rustfits.Remote(ranged=True, block_bytes=8 << 10)) as file:
        same(file["E0"][0], large[0])
        assert sum(request["body_sent"] for request in loopback.log(path)) < len(data) // 10
        same(file["E9"][0], large[9])


@pytest.mark.parametrize(
    "query",
    ["chunked", "nolength", "close", "gzip_encoding", "nohead", "hops=3", "rate=4000000", "x=1&y=%20", "close_idle"],
)
def test_servers_that_do_it_another_way(loopback, image, query):
    for _ in range(2):
        with rustfits.FITS(f"{loopback.http}/a.fits?{query}") as file:
            same(file["SCI"].read(), image)


def test_gzip_in_gzip_encoding(loopback, image):
    with rustfits.FITS(f"{loopback.http}/a.fits.gz?gzip_encoding") as file:
        same(file["SCI"].read(), image)


@pytest.mark.parametrize("query", ["nohead", "hops=2", "close", "close_idle", "weak_etag", "no_validator"])
def test_ranged_on_servers_that_do_it_another_way(loopback, image, query):
    with rustfits.FITS(f"{loopback.http}/a.fits?{query}", remote="ranged") as file:
        same(file["SCI"][5:7], image[5:7])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 500, 502])
def test_statuses(loopback, status):
    with pytest.raises(OSError, match=str(status)) as raised:
        rustfits.FITS(f"{loopback.http}/a.fits?status={status}")
    assert f"{loopback.http}/a.fits" in str(raised.value)


def test_errors_of_http(loopback):
    http = loopback.http
    for path, text in [
        ("/missing.fits", "404"),
        ("/page.fits", "(?i)html|web page"),
        ("/a.fits?html", "(?i)html|web page"),
        ("/a.fits?norange&cut=3000", "3000"),
        ("/a.fits?norange&chunked_cut=3000", "ended|broke|cut|incomplete|closed|chunk"),
        ("/a.fits?wronglength=90000", "90000"),
        ("/a.fits?loop", "redirect"),
        ("/a.fits?redirect=file:///etc/passwd", "redirect|file"),
        ("/a.fits?redirect=ftp://127.0.0.1/a.fits", "redirect|ftp"),
        ("/a.fits?endless_header", "header|head"),
    ]:
        with pytest.raises(OSError, match=text) as raised:
            rustfits.FITS(http + path, remote=rustfits.Remote(timeout=20))
        assert "127.0.0.1" in str(raised.value)


def test_errors_of_ftp(loopback):
    with pytest.raises(FileNotFoundError, match="550"):
        rustfits.FITS(loopback.ftp + "/missing.fits")
    with pytest.raises(ValueError, match="headers"):
        rustfits.FITS(loopback.ftp + "/a.fits", remote=rustfits.Remote(headers={"X-A": "b"}))
    with pytest.raises((OSError, ValueError), match="only http"):
        rustfits.FITS(loopback.ftp + "/a.fits", remote="ranged")


def test_ranged_where_it_does_not_go(loopback):
    with pytest.raises(OSError, match="ranged=False"):
        rustfits.FITS(f"{loopback.http}/a.fits?norange", remote="ranged")
    with pytest.raises((OSError, ValueError), match="gz"):
        rustfits.FITS(f"{loopback.http}/a.fits.gz", remote="ranged")
    with pytest.raises(OSError), rustfits.FITS(f"{loopback.http}/a.fits?badrange", remote="ranged") as file:
        file[1].read()


def test_a_file_that_changes_between_two_ranges(loopback, large):
    path = loopback.put(image_bytes(large))
    remote = rustfits.Remote(ranged=True, block_bytes=8 << 10)
    with rustfits.FITS(loopback.http + path, remote=remote) as file:
        same(file[0][0], large[0])
        (loopback.root / path[1:]).write_bytes(image_bytes(large + 1))
        with pytest.raises(OSError, match="chang"):
            file[0].read(np.s_[900:])


def test_nobody_listens():
    with pytest.raises(OSError, match="127.0.0.1:1"):
        rustfits.FITS("http://127.0.0.1:1/a.fits")
    with pytest.raises(OSError, match="127.0.0.1:1"):
        rustfits.FITS("ftp://127.0.0.1:1/a.fits")
    with pytest.raises(OSError, match="no-such-host.invalid"):
        rustfits.FITS("http://no-such-host.invalid/a.fits")


def test_unknown_authority(loopback, tmp_path):
    for url in [loopback.https, loopback.ftps]:
        with pytest.raises(OSError, match="SSL_CERT_FILE|ca_file"):
            rustfits.FITS(url + "/a.fits")
    with pytest.raises(OSError, match="missing.pem"):
        rustfits.FITS(loopback.https + "/a.fits", remote=rustfits.Remote(ca_file=tmp_path / "missing.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises((OSError, ValueError), match="junk.pem"):
        rustfits.FITS(loopback.https + "/a.fits", remote=rustfits.Remote(ca_file=str(tmp_path / "junk.pem")))


@pytest.mark.parametrize("fault", ["wrong-host", "expired", "unknown"])
def test_certificates_that_are_refused(loopback, tmp_path, fault):
    with started("--root", loopback.root, "--ca-out", tmp_path / "ca.pem", f"--https-{fault}") as urls:
        remote = rustfits.Remote(ca_file=tmp_path / "ca.pem")
        with pytest.raises(OSError, match="(?i)certificate"):
            rustfits.FITS(urls[f"https_{fault.replace('-', '_')}"] + "/a.fits", remote=remote)


def test_ssl_cert_file(loopback):
    script = "import sys, rustfits; print(len(rustfits.FITS(sys.argv[1])))"
    command = [sys.executable, "-c", script, loopback.https + "/a.fits"]
    environment = {"SSL_CERT_FILE": loopback.ca}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=WATCHDOG_SECONDS, check=True)
    assert done.stdout == b"2\n"


def test_credentials(loopback, image):
    with started("--root", loopback.root, "--user", "me:hidden", "--http", "--ftp") as urls:
        for url in [urls["http"], urls["ftp"]]:
            with rustfits.FITS(url.replace("://", "://me:hidden@") + "/a.fits") as file:
                same(file[1].read(), image)
                assert file.filename == url + "/a.fits"
                assert "hidden" not in repr(file) + repr(file[1])
            with pytest.raises(OSError) as closed:
                file[0]
            assert "hidden" not in str(closed.value) + repr(file)
            for user in ["me:wrong", "you:hidden", "me"]:
                with pytest.raises(OSError, match="401|530") as raised:
                    rustfits.FITS(url.replace("://", f"://{user}@") + "/a.fits")
                assert "wrong" not in str(raised.value)
            with pytest.raises(OSError, match="401|530"):
                rustfits.FITS(url + "/a.fits")


def test_passwords_are_in_no_message(loopback):
    url = loopback.http.replace("://", "://user:hidden@") + "/a.fits"
    for query in ["status=404", "norange&cut=3000", "loop", "html", "hops=20"]:
        with pytest.raises(OSError) as raised:
            rustfits.FITS(f"{url}?{query}")
        assert "hidden" not in str(raised.value)
    for url in ["http://user:hidden@127.0.0.1:1/a.fits", "ftp://user:hidden@127.0.0.1:1/a.fits"]:
        with pytest.raises(OSError) as raised:
            rustfits.FITS(url)
        assert "hidden" not in str(raised.value)
    for result in rustfits.fetch_many([url], retries=0):
        assert "hidden" not in str(result.error) + result.url + repr(result)


def test_credentials_are_not_sent_elsewhere(loopback):
    path = loopback.put(image_bytes(np.zeros(3)))
    elsewhere = loopback.http.replace("127.0.0.1", "localhost")
    url = loopback.http.replace("://", "://user:hidden@") + f"/a.fits?redirect={elsewhere}{path}"
    rustfits.FITS(url).close()
    assert all(name != "authorization" for request in loopback.log(path) for name, _ in request["headers"])


def test_headers(loopback):
    path = loopback.put(image_bytes(np.zeros(3)))
    rustfits.FITS(loopback.http + path, remote=rustfits.Remote(headers={"X-Token": "abc"})).close()
    assert ["x-token", "abc"] in loopback.log(path)[0]["headers"]
    for headers in [{"X-A": "a\nb"}, {"bad name": "a"}]:
        with pytest.raises(ValueError):
            rustfits.FITS(loopback.http + path, remote=rustfits.Remote(headers=headers))


def test_time_limits(loopback):
    for query in ["stall_head", "norange&stall=3000"]:
        for timeout in [0.2, rustfits.Timeout(connect=0.2, idle=0.2), rustfits.Timeout(total=0.2)]:
            with pytest.raises(TimeoutError, match="127.0.0.1"):
                rustfits.FITS(f"{loopback.http}/a.fits?{query}", remote=rustfits.Remote(timeout=timeout))


def test_idle_is_no_limit_of_the_whole(loopback):
    # It takes longer than the limit, but is never silent for as long.
    data = np.zeros(120_000, "u1")
    path = loopback.put(image_bytes(data))
    with rustfits.FITS(f"{loopback.http}{path}?rate=50000", remote=rustfits.Remote(timeout=2)) as file:
        same(file[0].read(), data)


def test_most_bytes(loopback, large):
    path = loopback.put(gzip.compress(image_bytes(np.zeros_like(large))), ".fits.gz")
    for url in [loopback.http + path, loopback.ftp + path, loopback.http + "/a.fits"]:
        with pytest.raises(OSError, match="max_bytes"):
            rustfits.FITS(url, remote=rustfits.Remote(max_bytes=20_000))
    with rustfits.FITS(loopback.http + path, remote=rustfits.Remote(max_bytes=5_000_000)) as file:
        same(file[0].read(), np.zeros_like(large))


def test_what_the_server_sends_is_no_fits(loopback):
    for data, suffix in [(b"", ".fits"), (b"short", ".fits"), (bytes(10_000), ".fits"), (gzip.compress(b"x"), ".gz")]:
        with pytest.raises(OSError):
            rustfits.FITS(loopback.http + loopback.put(data, suffix))
    with pytest.raises(OSError):
        rustfits.FITS(loopback.http + loopback.put(b""), remote="ranged")


def test_gzip_cut_short(loopback):
    packed = gzip.compress((loopback.root / "a.fits").read_bytes())
    for url in [loopback.http, loopback.ftp]:
        with pytest.raises(OSError):
            rustfits.FITS(url + loopback.put(packed[:-100], ".fits.gz"))


def test_remote_reads_back():
    remote = rustfits.Remote(
        ranged=True, headers={"A": "b"}, timeout=2, ca_file="ca.pem", max_bytes=10, block_bytes=20, cache_bytes=0
    )
    assert (remote.ranged, remote.mode, remote.headers) == (True, "ranged", {"A": "b"})
    assert remote.timeout is not None
    assert (remote.timeout.connect, remote.timeout.idle, remote.timeout.total) == (2, 2, None)
    assert (str(remote.ca_file), remote.max_bytes, remote.block_bytes, remote.cache_bytes) == ("ca.pem", 10, 20, 0)
    assert remote == rustfits.Remote(
        mode="ranged", headers={"A": "b"}, timeout=2.0, ca_file="ca.pem", max_bytes=10, block_bytes=20, cache_bytes=0
    )
    empty = rustfits.Remote()
    assert empty != remote
    assert (empty.ranged, empty.mode, empty.headers, empty.timeout, empty.ca_file) == (False, None, {}, None, None)
    assert rustfits.Timeout(connect=1, idle=2, total=3) == rustfits.Timeout(total=3.0, idle=2.0, connect=1.0)
    assert repr(rustfits.Timeout(connect=1)).startswith("Timeout(connect=1")
    assert repr(remote).startswith("Remote(ranged=True")


@pytest.mark.parametrize(
    "options",
    [
        {"block_bytes": 0, "ranged": True},
        {"block_bytes": 10},
        {"cache_bytes": 10},
        {"cache": rustfits.BlockCache(10)},
        {"max_bytes": 0},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"mode": "sideways"},
    ],
    ids=repr,
)
def test_bad_options(options):
    with pytest.raises(ValueError):
        rustfits.Remote(**options)


def test_bad_time_limits():
    for values in [{"connect": 0}, {"idle": -1}, {"total": 0}]:
        with pytest.raises(ValueError):
            rustfits.Timeout(**values)


def test_files_share_a_block_cache(loopback, image):
    path = loopback.put((loopback.root / "a.fits").read_bytes())
    cache = rustfits.BlockCache(max_bytes=1 << 20)
    remote = rustfits.Remote(ranged=True, cache=cache)
    assert remote.cache == cache != rustfits.BlockCache(1 << 20)
    assert (cache.max_bytes, cache.bytes) == (1 << 20, 0)

    def read():
        with rustfits.FITS(loopback.http + path, remote=remote) as fits:
            same(fits["SCI"].read(), image)
        return len(loopback.log(path))

    first = read()
    assert cache.bytes > 0
    # One request, which shows that the file is still the same.
    assert read() == first + 1
    assert copy.deepcopy(remote) == copy.copy(remote) == remote
    cache.clear()
    assert cache.bytes == 0
    arrived = pickle.loads(pickle.dumps(remote)).cache
    assert (arrived.max_bytes, arrived.bytes, arrived == cache) == (1 << 20, 0, False)
    with rustfits.FITS(loopback.http + path, remote=remote) as fits:
        same(pickle.loads(pickle.dumps(fits["SCI"])).read(), image)
    with pytest.raises(ValueError, match="max_bytes is 0"):
        rustfits.BlockCache(0)


def test_a_streamed_open_has_no_ranges():
    assert rustfits.Remote(mode="stream").mode == "stream"
    with pytest.raises(ValueError, match="block_bytes"):
        rustfits.Remote(mode="stream", block_bytes=1)


def test_options_of_login_and_proxy_read_back_and_pickle():
    for options in [
        {"auth": ("ann", "s3cret"), "proxy": "socks5://host:1"},
        {"auth": "t0ken", "client_cert": Path("both.pem"), "mode": "auto", "cache_bytes": 1},
        {"client_cert": (Path("cert.pem"), Path("key.pem"))},
    ]:
        remote = rustfits.Remote(**options)
        assert {name: getattr(remote, name) for name in options} == options
        assert pickle.loads(pickle.dumps(remote)) == remote
        assert "s3cret" not in repr(remote) and "t0ken" not in repr(remote)
    with pytest.raises(TypeError, match="token"):
        rustfits.Remote(auth=1)
    with pytest.raises(ValueError, match="contradict"):
        rustfits.Remote(ranged=True, mode="auto")
    with pytest.raises(ValueError, match="proxy="):
        rustfits.FITS("http://127.0.0.1:1/a.fits", remote=rustfits.Remote(proxy="nonsense"))


def test_auto(loopback, image):
    for words, status in [("", 206), ("?norange", 200)]:
        path = loopback.put((loopback.root / "a.fits").read_bytes())
        with rustfits.FITS(loopback.http + path + words, remote="auto") as fits:
            same(fits["SCI"][3:9, 4:], image[3:9, 4:])
        assert [request["status"] for request in loopback.log(path)][:1] == [status]
        assert words == "" or len(loopback.log(path)) == 1

        async def read(url):
            async with aio.FITS(url, remote="auto") as fits:
                return await fits["SCI"].read()

        same(asyncio.run(read(loopback.http + path + words)), image)


def test_login(loopback, image):
    url = loopback.http + "/a.fits?auth=ann:s3cret"
    with rustfits.FITS(url, remote=rustfits.Remote(auth=("ann", "s3cret"))) as fits:
        same(fits["SCI"].read(), image)
    with pytest.raises(OSError, match="401"):
        rustfits.FITS(url, remote=rustfits.Remote(auth="s3cret"))


INTERRUPTED = """
import asyncio, sys, rustfits
async def opened():
    await rustfits.aio.open(sys.argv[1])
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    "call",
    [
        "rustfits.FITS(sys.argv[1])",
        "rustfits.FITS(sys.argv[1], remote='ranged')",
        "list(rustfits.fetch_many([sys.argv[1]] * 3, retries=0))",
        "asyncio.run(opened())",
    ],
)
def test_ctrl_c_ends_a_blocked_call(loopback, call):
    path = loopback.put(image_bytes(np.zeros(3)))
    url = f"{loopback.http}{path}?stall_head"
    command = [sys.executable, "-c", INTERRUPTED.format(call=call), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        # Once the request has come, the child is in the call.
        while not loopback.log(path):
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        try:
            # A watchdog: without Ctrl-C it would wait for 30 s.
            output, _ = child.communicate(timeout=2)
        finally:
            child.kill()
    assert output == "interrupted\n"
    assert child.returncode == 0


def test_an_interpreter_that_ends_while_a_transfer_runs(loopback):
    path = loopback.put(image_bytes(np.zeros(3)))
    script = """
import sys, threading, urllib.request, rustfits
threading.Thread(target=rustfits.FITS, args=sys.argv[1:2], daemon=True).start()
while sys.argv[3] not in urllib.request.urlopen(sys.argv[2]).read().decode():
    pass
"""
    command = [sys.executable, "-c", script, f"{loopback.http}{path}?stall_head", f"{loopback.http}/_log", path]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=WATCHDOG_SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
