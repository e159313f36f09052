"""Remote files and many of them, as they come from real servers: rustfits and what others use.

    python benches/peers/remote.py [--quick] [--only REGEX] [--rounds N] [--data DIRECTORY]

nginx and vsftpd serve on the loopback address where they are installed (``apt-get install nginx-light vsftpd``), else
this project's own servers. A proxy of this project makes them look far away: a latency, and a speed of each connection.
Readers are asked by turns in one process; "ratio" is the time of the peer of the target (else the best one) over ours.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import rustfits
from astropy.io import fits
from data import MIB, Data
from run import line, measure
from servers import Servers
from works import Work, _curl, _present, aiohttp, deflate, obstore, pycurl

try:
    import fsspec
except ImportError:
    fsspec = None
try:
    import parfive
except ImportError:
    parfive = None

AT_ONCE = 32
CUTOUTS = 20
CUTOUT_SIDE = 100


def whole(data: Data, servers: Servers) -> Iterator[Work]:
    """A large file by each protocol."""
    name = Path(data.image(256, "f4")).name
    own = servers.start_own(["ftps"], 0)
    for scheme, base in {**servers.urls, "ftps": own["ftps"]}.items():
        ca = own["ca"] if scheme == "ftps" else servers.ca
        url = f"{base}/{name}"
        options = rustfits.Remote(ca_file=ca if scheme in ("https", "ftps") else None)

        def ours(url: str = url, options: Any = options) -> int:
            with rustfits.FITS(url, remote=options) as f:
                return len(f)

        # curl wants ftps that begins with plain ftp to be called so.
        curl = None
        if pycurl and scheme != "ftps":
            curl = lambda url=url, ca=ca: _curl(url, ca)
        elif scheme == "ftps" and shutil.which("curl"):
            words = [
                "curl",
                "-s",
                "-f",
                "--ssl-reqd",
                "--cacert",
                ca,
                "-o",
                "/dev/null",
            ]
            words.append(url.replace("ftps://", "ftp://"))
            curl = lambda words=words: subprocess.run(words, check=True)
        by = servers.by.get(scheme, "loopback")
        yield Work(
            f"256 MB over {scheme} ({by})",
            1 / 1.5,
            _present({"rustfits": ours, "curl": curl}),
            base="curl",
        )


def gzipped(data: Data, servers: Servers) -> Iterator[Work]:
    """A packed file: as fast as the slower of transfer and gunzip."""
    path = data.gzipped(128, "f4")
    url = f"{servers.urls['http']}/{Path(path).name}"
    packed = Path(path).read_bytes()
    size = Path(data.image(128, "f4")).stat().st_size

    def ours() -> int:
        with rustfits.FITS(url) as f:
            return len(f)

    def with_urllib() -> int:
        with (
            urllib.request.urlopen(url) as answer,
            fits.open(io.BytesIO(gzip.decompress(answer.read()))) as f,
        ):
            return len(f)

    def with_fsspec() -> int:
        with (
            fsspec.open(url) as file,
            fits.open(io.BytesIO(gzip.decompress(file.read()))) as f,
        ):
            return len(f)

    def slower() -> Any:
        return _curl(url, None), deflate.gzip_decompress(packed)

    readers = {
        "rustfits": ours,
        "curl, then libdeflate": slower if pycurl and deflate else None,
        "urllib + astropy": with_urllib,
        "fsspec + astropy": with_fsspec if fsspec else None,
    }
    assert size > len(packed)
    yield Work("128 MB .gz over http", 2.0, _present(readers), base="urllib + astropy")


def header(data: Data, servers: Servers) -> Iterator[Work]:
    """The header of a large file that is far away."""
    path = data.image(500, "f4")
    url = servers.start_shaped(f"{servers.urls['http']}/{Path(path).name}", 20)

    def ours() -> int:
        with rustfits.FITS(url, remote="ranged") as f:
            return int(f[0].header["NAXIS1"])

    def with_fsspec() -> int:
        with fits.open(url, use_fsspec=True) as f:
            return int(f[0].header["NAXIS1"])

    yield Work(
        "header of a 500 MB file, 20 ms",
        None,
        _present(
            {"rustfits": ours, "fsspec + astropy": with_fsspec if fsspec else None}
        ),
    )


def cutouts(data: Data, servers: Servers) -> Iterator[Work]:
    """Stamps of a compressed image that is far away."""
    path = data.rice(64, "f4")
    url = servers.start_shaped(f"{servers.urls['http']}/{Path(path).name}", 20)
    with rustfits.FITS(path) as f:
        side = f[1].shape[0]
    rng = np.random.default_rng(3)
    corners = rng.integers(0, side - CUTOUT_SIDE, (CUTOUTS, 2)).tolist()

    def ours() -> list[np.ndarray]:
        async def run() -> list[np.ndarray]:
            async with rustfits.aio.FITS(url, remote="ranged") as f:
                reads = (
                    f[1][y : y + CUTOUT_SIDE, x : x + CUTOUT_SIDE] for y, x in corners
                )
                return await asyncio.gather(*reads)

        return asyncio.run(run())

    def ours_blocking() -> list[np.ndarray]:
        with rustfits.FITS(url, remote="ranged") as f:
            return [f[1][y : y + CUTOUT_SIDE, x : x + CUTOUT_SIDE] for y, x in corners]

    def with_fsspec() -> list[np.ndarray]:
        with fits.open(url, use_fsspec=True) as f:
            return [
                f[1].section[y : y + CUTOUT_SIDE, x : x + CUTOUT_SIDE]
                for y, x in corners
            ]

    readers = {
        "rustfits": ours,
        "rustfits, one after the other": ours_blocking,
        "fsspec + astropy": with_fsspec if fsspec else None,
    }
    yield Work(
        "20 cutouts of a RICE image of 64 MB, 20 ms",
        2.5,
        _present(readers),
        base="fsspec + astropy" if fsspec else None,
    )


def many(data: Data, servers: Servers, count: int) -> Iterator[Work]:
    """Many files of 1 MB, near and far."""
    names = data.many(count)
    plain = servers.urls["http"]
    lines = [
        ("20 ms", servers.start_shaped(plain, 20), 1.8),
        ("no latency", plain, 2.5),
        (
            "100 ms and 10 MB/s a connection",
            servers.start_shaped(plain, 100, 10 * MIB),
            None,
        ),
    ]
    for which, base, target in lines:
        readers = _present(bulk_readers(base, names))
        yield Work(
            f"{count} files of 1 MB, {AT_ONCE} at once, {which}", target, readers
        )


def parsed(body: bytes) -> float:
    """One pixel of a file in memory, by fitsio."""
    with tempfile.NamedTemporaryFile(suffix=".fits", dir="/dev/shm") as file:
        file.write(body)
        file.flush()
        return first_pixel(file.name)


def first_pixel(path: str | Path) -> float:
    with fitsio.FITS(str(path)) as f:
        return float(f[0].read()[0, 0])


def bulk_readers(base: str, names: list[str]) -> dict[str, Callable[[], Any] | None]:
    urls = [f"{base}/{name}" for name in names]

    def ours() -> list[float]:
        results = rustfits.fetch_many(urls, concurrency=AT_ONCE, per_host=AT_ONCE)
        return check(float(r.fits[0].read()[0, 0]) for r in results)

    def check(pixels: Any) -> list[float]:
        found = list(pixels)
        if len(found) != len(urls):
            raise RuntimeError(f"{len(found)} of {len(urls)} files came")
        return found

    def with_aiohttp() -> list[float]:
        async def run() -> list[float]:
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=AT_ONCE)
            ) as session:

                async def one(url: str) -> float:
                    async with session.get(url) as answer:
                        return parsed(await answer.read())

                return await asyncio.gather(*map(one, urls))

        return check(asyncio.run(run()))

    def with_obstore() -> list[float]:
        async def run() -> list[float]:
            gate = asyncio.Semaphore(AT_ONCE)
            store = obstore.store.HTTPStore.from_url(
                base, client_options={"allow_http": True}
            )

            async def one(name: str) -> float:
                async with gate:
                    answer = await obstore.get_async(store, name)
                    return parsed(bytes(await answer.bytes_async()))

            return await asyncio.gather(*map(one, names))

        return check(asyncio.run(run()))

    def with_aria2() -> list[float]:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            words = [
                "aria2c",
                "-q",
                "-j",
                str(AT_ONCE),
                "-x1",
                "-i-",
                "-d",
                directory,
                "--file-allocation=none",
            ]
            lines = "".join(
                f"{url}\n  out={number}.fits\n" for number, url in enumerate(urls)
            )
            subprocess.run(words, input=lines.encode(), check=True)
            return check(map(first_pixel, Path(directory).iterdir()))

    def with_parfive() -> list[float]:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            downloader = parfive.Downloader(max_conn=AT_ONCE, progress=False)
            for number, url in enumerate(urls):
                downloader.enqueue_file(url, path=directory, filename=f"{number}.fits")
            return check(map(first_pixel, downloader.download()))

    return {
        "rustfits": ours,
        "aiohttp + fitsio": with_aiohttp if aiohttp else None,
        "obstore + fitsio": with_obstore if obstore else None,
        "aria2 + fitsio": with_aria2 if shutil.which("aria2c") else None,
        "parfive + fitsio": with_parfive if parfive else None,
    }


def asked(data: Data, servers: Servers) -> None:
    """How many requests and bytes the header and the cutouts take, by our own server's count."""
    base = servers.start_own(["http"], 0)["http"]
    big, rice = Path(data.image(500, "f4")), Path(data.rice(64, "f4"))

    def counted(path: Path, read: Callable[[str], object]) -> str:
        read(f"{base}/{path.name}")
        with urllib.request.urlopen(f"{base}/_log") as answer:
            log = [
                entry
                for entry in json.load(answer)
                if entry["target"] == f"/{path.name}"
            ]
        return f"{len(log)} requests, {sum(entry['body_sent'] for entry in log) / 1024:.0f} KiB"

    def read_header(url: str) -> None:
        with rustfits.FITS(url, remote="ranged") as f:
            f[0].header["NAXIS1"]

    def read_cutouts(url: str) -> None:
        with rustfits.FITS(url, remote="ranged") as f:
            side = f[1].shape[0]
            for corner in range(0, side - CUTOUT_SIDE, side // CUTOUTS):
                f[1][corner : corner + CUTOUT_SIDE, corner : corner + CUTOUT_SIDE]

    print(f"\nheader of 500 MB: {counted(big, read_header)}")
    print(f"cutouts of RICE 64 MB: {counted(rice, read_cutouts)}")


def loop_lag(data: Data, servers: Servers) -> None:
    """How late an asyncio loop is while 64 packed files are downloaded and decoded, read as arrays by the loop's tasks."""
    url = f"{servers.urls['http']}/{Path(data.rice(64, 'f4')).name}"

    async def lateness(work: Coroutine[Any, Any, None]) -> list[float]:
        late: list[float] = []
        working = asyncio.create_task(work)
        while not working.done():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - before - 0.001)
        await working
        return sorted(late)

    async def downloads() -> None:
        urls = (f"{url}?n={number}" for number in range(64))
        fetch = rustfits.aio.fetch_many(
            urls, concurrency=64, per_host=64, max_buffered=4 << 30
        )
        async for result in fetch:
            await result.fits[1].read()

    print()
    # What an idle loop is late by is the machine's doing.
    for which, work in (
        ("does nothing", asyncio.sleep(2)),
        ("downloads and decodes 64 files", downloads()),
    ):
        late = asyncio.run(lateness(work))
        shown = ", ".join(
            f"p{p} {late[int(len(late) * p / 100)] * 1e3:.2f} ms" for p in (50, 90, 99)
        )
        print(
            f"event loop that {which} is late by {shown}, most {late[-1] * 1e3:.2f} ms ({len(late)} ticks)"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="an eighth of the sizes, 100 files, three rounds",
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="only works whose name matches"
    )
    parser.add_argument(
        "--rounds", type=int, default=None, help="how often each reader is asked (5)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()) / "rustfits-bench"
    )
    return parser.parse_args()


def main() -> None:
    options = parse()
    data = Data(options.data, 8 if options.quick else 1)
    rounds = options.rounds or (3 if options.quick else 5)
    with Servers(data.root, options.data / "servers") as servers:
        # A server with nothing to list is taken for one that does not work.
        data.image(256, "f4")
        servers.start_real()
        print(
            "| work | rustfits ms | peers ms | ratio | target | |\n| --- | --- | --- | --- | --- | --- |"
        )
        groups = [
            whole,
            gzipped,
            header,
            cutouts,
            lambda *of: many(*of, 100 if options.quick else 500),
        ]
        for work in (work for group in groups for work in group(data, servers)):
            if re.search(options.only, work.name):
                text, _ = line(work, measure(work, rounds), {})
                print(text, flush=True)
        if re.search(options.only, "requests"):
            asked(data, servers)
        if re.search(options.only, "event loop"):
            loop_lag(data, servers)


if __name__ == "__main__":
    main()
