"""Many files to disk: `download_many`, blocking and asyncio."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import image_bytes

import rustfits
from rustfits import aio


def blocking(files, directory, **options):
    """All results of the blocking face."""
    return list(rustfits.download_many(files, directory, **options))


def in_a_loop(files, directory, **options):
    """All results of the asyncio face."""

    async def collect():
        return [result async for result in aio.download_many(files, directory, **options)]

    return asyncio.run(collect())


both = pytest.mark.parametrize("download", [blocking, in_a_loop])


@both
def test_files_come_and_are_skipped(loopback, image, download, tmp_path):
    directory = tmp_path / "new"
    urls = [loopback.http + "/a.fits", loopback.https + "/a.fits.gz"]
    options = {"remote": rustfits.Remote(ca_file=loopback.ca), "ordered": True}
    for skipped in [False, True]:
        results = download(iter(urls), directory, **options)
        assert [result.path for result in results] == [directory / "a.fits", directory / "a.fits.gz"]
        for result, name in zip(results, ["a.fits", "a.fits.gz"], strict=True):
            assert isinstance(result, rustfits.DownloadResult)
            assert result.error is None and result.skipped is skipped and result.resumed == 0
            content = (loopback.root / name).read_bytes()
            assert result.path.read_bytes() == content
            assert result.size == len(content)
            assert result.bytes == (0 if skipped else len(content))
            assert ("skipped" if skipped else "downloaded") in repr(result)
        assert sorted(os.listdir(directory)) == ["a.fits", "a.fits.gz"]
    np.testing.assert_array_equal(astropy_fits.getdata(directory / "a.fits.gz"), image)
    (result,) = download([loopback.ftp + "/a.fits"], tmp_path / "ftp")
    assert result.error is None


@both
def test_one_bad_file_is_its_own_error(loopback, download, tmp_path):
    good = loopback.http + "/a.fits"
    files = [
        good,
        loopback.http + "/missing.fits",
        None,
        17,
        loopback.http + "/page.fits",
        "http://user:s3cret@host/..%2fx",
        rustfits.Download(good, name="wrong.fits", md5="0" * 32),
        [loopback.http + "/missing2.fits", loopback.http + "/a.fits.gz"],
        [],
    ]
    results = download(files, str(tmp_path), ordered=True)
    kinds = [type(result.error) for result in results]
    assert kinds[:4] == [type(None), OSError, TypeError, TypeError]
    assert "404" in str(results[1].error)
    assert kinds[4] is OSError and "DOCTYPE" in str(results[4].error)
    assert kinds[5] is ValueError and "s3cret" not in str(results[5].error) + results[5].url
    assert kinds[6] is OSError and "md5" in str(results[6].error)
    assert results[7].path.name == "missing2.fits" and results[7].attempts == 2
    assert kinds[8] is ValueError
    assert sorted(os.listdir(tmp_path)) == ["a.fits", "missing2.fits"]


@both
def test_hashes_sums_and_manifest(loopback, download, tmp_path):
    content = (loopback.root / "a.fits").read_bytes()
    known = rustfits.Download(
        loopback.http + "/a.fits",
        name="b.fits",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest().upper(),
        md5=hashlib.md5(content).hexdigest(),
    )
    assert known == rustfits.Download(
        [loopback.http + "/a.fits"], name="b.fits", size=known.size, sha256=known.sha256, md5=known.md5
    )
    hdu = astropy_fits.PrimaryHDU(np.arange(12.0))
    hdu.add_datasum()
    hdu.header["DATASUM"] = "1"
    bad = tmp_path / "bad.fits"
    hdu.writeto(bad, checksum=False)
    path = loopback.put(bad.read_bytes())
    manifest = tmp_path / "manifest.jsonl"
    (done, wrong) = download(
        [known, loopback.http + path], tmp_path / "d", verify="datasum", ordered=True, manifest=manifest
    )
    assert done.error is None and done.path.name == "b.fits"
    assert isinstance(wrong.error, OSError) and "DATASUM" in str(wrong.error)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert sorted(line["state"] for line in lines) == ["downloaded", "failed"]
    manifest = tmp_path / "manifest.csv"
    download([known], tmp_path / "d", manifest=manifest)
    with manifest.open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["state"], line["name"], int(line["size"])) == ("skipped", "b.fits", len(content))
    with pytest.raises(ValueError, match="verify"):
        download([], tmp_path, verify="all")
    with pytest.raises(ValueError, match="csv"):
        download([], tmp_path, manifest=tmp_path / "m.txt")


KILLED = """
import sys, rustfits
for result in rustfits.download_many(sys.argv[2:], sys.argv[1]):
    if result.error is not None:
        raise result.error
"""


def test_killed_and_run_again(loopback, tmp_path):
    content = image_bytes(np.random.default_rng(1).normal(size=(800, 800)))
    path = loopback.put(content)
    name = path[1:]

    def start(rate):
        url = f"{loopback.http}{path}?rate={rate}"
        # The same URL each time: another one is another file.
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), url])

    rate = 4_000_000
    process = start(rate)
    part = tmp_path / f".{name}.rustfits-part"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size > 0):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    came = part.stat().st_size
    assert 0 < came < len(content)
    (result,) = rustfits.download_many([f"{loopback.http}{path}?rate={rate}"], tmp_path)
    assert result.error is None and result.resumed == came and result.bytes == len(content) - came
    assert os.listdir(tmp_path) == [name]
    assert result.path.read_bytes() == content
