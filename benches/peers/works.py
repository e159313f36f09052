"""What is measured: each work is the same question put to several readers."""

from __future__ import annotations

import asyncio
import io
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import fitsio
import numpy as np
import rustfits
from astropy.io import fits
from data import Data
from servers import Servers

try:
    import fitsy
except ImportError:
    fitsy = None
try:
    import deflate
except ImportError:
    deflate = None
try:
    import pycurl
except ImportError:
    pycurl = None
try:
    import aiohttp
except ImportError:
    aiohttp = None
try:
    import obstore
    from obstore.store import HTTPStore
except ImportError:
    obstore = None

Reader = Callable[[], Any]


@dataclass
class Work:
    """`readers` always has "rustfits"; `base` is the peer of the target, else the best one."""

    name: str
    target: float | None
    readers: dict[str, Reader]
    base: str | None = None
    rounds: int | None = None


def nbytes(result: Any) -> int:
    """How large a result is, as far as arrays go."""
    if isinstance(result, (list, tuple)):
        return sum(nbytes(part) for part in result)
    return int(getattr(result, "nbytes", 0))


def _ours(path: str, hdu: int = 0) -> Any:
    with rustfits.FITS(path) as f:
        return f[hdu].read()


def _fitsio(path: str, hdu: int = 0) -> Any:
    with fitsio.FITS(path) as f:
        return f[hdu].read()


def _astropy(path: str, hdu: int = 0) -> Any:
    with fits.open(path, memmap=False) as f:
        return f[hdu].data


def _fitsy(path: str, hdu: int = 0) -> Any:
    return fitsy.open(path)[hdu].data


def _present(readers: dict[str, Reader | None]) -> dict[str, Reader]:
    return {name: reader for name, reader in readers.items() if reader is not None}


def _whole(name: str, target: float, path: str, hdu: int = 0) -> Work:
    readers: dict[str, Reader | None] = {
        "rustfits": lambda: _ours(path, hdu),
        "fitsio": lambda: _fitsio(path, hdu),
        "astropy": lambda: _astropy(path, hdu),
        "fitsy": (lambda: _fitsy(path, hdu)) if fitsy else None,
    }
    return Work(name, target, _present(readers))


def images(data: Data) -> list[Work]:
    return [
        _whole("image f8 512 MB", 1.1, data.image(512, "f8")),
        _whole("image f4 64 MB", 1.1, data.image(64, "f4")),
        _whole("image u2 64 MB (BZERO)", 2.1, data.image(64, "u2")),
        _stamps("300 stamps", 1.5, data.image(64, "f4"), 0),
    ]


def _stamps(name: str, target: float, path: str, hdu: int) -> Work:
    with rustfits.FITS(path) as f:
        height, width = f[hdu].shape
    rng = np.random.default_rng(3)
    corners = [
        (int(y), int(x))
        for y, x in zip(
            rng.integers(0, height - 32, 300),
            rng.integers(0, width - 32, 300),
            strict=True,
        )
    ]

    def cut(image: Any) -> Any:
        return [image[y : y + 32, x : x + 32] for y, x in corners]

    def ours() -> Any:
        with rustfits.FITS(path) as f:
            return cut(f[hdu])

    def by_fitsio() -> Any:
        with fitsio.FITS(path) as f:
            return cut(f[hdu])

    def by_astropy() -> Any:
        with fits.open(path, memmap=False) as f:
            return cut(f[hdu].section)

    def by_fitsy() -> Any:
        return cut(fitsy.open(path)[hdu].section)

    readers = {
        "rustfits": ours,
        "fitsio": by_fitsio,
        "astropy": by_astropy,
        "fitsy": by_fitsy if fitsy else None,
    }
    return Work(name, target, _present(readers))


def headers(data: Data) -> list[Work]:
    small = data.small(100)

    def one_key() -> Any:
        values = []
        for path in small:
            with rustfits.FITS(path) as f:
                values.append(f[0].header["KEY50"])
        return values

    def one_key_fitsio() -> Any:
        values = []
        for path in small:
            with fitsio.FITS(path) as f:
                values.append(f[0].read_header()["KEY50"])
        return values

    def one_key_astropy() -> Any:
        values = []
        for path in small:
            with fits.open(path) as f:
                values.append(f[0].header["KEY50"])
        return values

    long, names = data.header(2000)

    def every_key() -> Any:
        with rustfits.FITS(long) as f:
            header = f[0].header
            return [header[name] for name in names]

    def every_key_fitsio() -> Any:
        with fitsio.FITS(long) as f:
            header = f[0].read_header()
            return [header[name] for name in names]

    def every_key_astropy() -> Any:
        with fits.open(long) as f:
            header = f[0].header
            return [header[name] for name in names]

    def every_key_fitsy() -> Any:
        header = fitsy.open(long)[0].header
        return [header[name] for name in names]

    many = data.hdus(200)

    def walk() -> Any:
        with rustfits.FITS(many) as f:
            return [(hdu.extname, hdu.shape) for hdu in f]

    def walk_fitsio() -> Any:
        with fitsio.FITS(many) as f:
            return [(hdu.get_extname(), tuple(hdu.get_dims())) for hdu in f]

    def walk_astropy() -> Any:
        with fits.open(many) as f:
            return [(hdu.name, hdu.shape) for hdu in f]

    def walk_fitsy() -> Any:
        return [
            (hdu.header.get("EXTNAME"), tuple(hdu.axes)) for hdu in fitsy.open(many)
        ]

    return [
        Work(
            "open + one key, 100 small files",
            6,
            _present(
                {
                    "rustfits": one_key,
                    "fitsio": one_key_fitsio,
                    "astropy": one_key_astropy,
                    "fitsy": (
                        lambda: [fitsy.open(path)[0].header["KEY50"] for path in small]
                    )
                    if fitsy
                    else None,
                }
            ),
            base="fitsio",
        ),
        Work(
            "every key of 2,000 cards",
            8,
            _present(
                {
                    "rustfits": every_key,
                    "fitsio": every_key_fitsio,
                    "astropy": every_key_astropy,
                    "fitsy": every_key_fitsy if fitsy else None,
                }
            ),
            base="astropy",
        ),
        Work(
            "walk 200 HDUs",
            3.5,
            _present(
                {
                    "rustfits": walk,
                    "fitsio": walk_fitsio,
                    "astropy": walk_astropy,
                    "fitsy": walk_fitsy if fitsy else None,
                }
            ),
            base="fitsio",
        ),
    ]


def tables(data: Data) -> list[Work]:
    path = data.table(1_000_000)
    with rustfits.FITS(path) as f:
        count = f[1].nrows
    three = ["C3", "C4", "C5"]
    tenth = slice(count // 2, count // 2 + count // 10)
    scattered = np.sort(
        np.random.default_rng(5).choice(
            count, 10_000 if count >= 100_000 else count // 10, replace=False
        )
    )

    def ours(**options: Any) -> Reader:
        def read() -> Any:
            with rustfits.FITS(path) as f:
                return f[1].read(**options)

        return read

    def by_fitsio(select: Callable[[Any], Any]) -> Reader:
        def read() -> Any:
            with fitsio.FITS(path) as f:
                return select(f[1])

        return read

    def by_astropy(columns: list[str] | None, rows: Any) -> Reader:
        # Not memory-mapped, astropy would read all of the table for a part of it.
        def read() -> Any:
            with fits.open(path, memmap=rows is not None or columns is not None) as f:
                table = f[1].data if rows is None else f[1].data[rows]
                return [np.array(table[name]) for name in columns or table.names]

        return read

    def by_fitsy(columns: list[str] | None, rows: Any) -> Reader | None:
        def read() -> Any:
            table = fitsy.open(path)[1]
            if columns is not None:
                return [table[name] for name in columns]
            return table.data if rows is None else table.data[rows]

        return read if fitsy else None

    def work(
        name: str,
        target: float,
        mine: dict[str, Any],
        select: Any,
        columns: list[str] | None,
        rows: Any,
    ) -> Work:
        readers = {"rustfits": ours(**mine), "fitsio": by_fitsio(select)}
        readers |= {
            "astropy": by_astropy(columns, rows),
            "fitsy": by_fitsy(columns, rows),
        }
        return Work(name, target, _present(readers), base="fitsio")

    return [
        work("table whole", 9, {}, lambda t: t.read(), None, None),
        work(
            "table three columns",
            6,
            {"columns": three},
            lambda t: t.read(columns=three),
            three,
            None,
        ),
        work("table 10 % slice", 3.5, {"rows": tenth}, lambda t: t[tenth], None, tenth),
        work(
            "table 10,000 rows",
            3.5,
            {"rows": scattered},
            lambda t: t.read(rows=scattered),
            None,
            scattered,
        ),
    ]


def other_tables(data: Data) -> list[Work]:
    """Tables that are not rows of binary numbers: each reader makes an array a cell, or a number a field."""
    variable, text = data.variable(1_000_000), data.ascii(1_000_000)

    def cells_of_astropy() -> Any:
        with fits.open(variable, memmap=False) as f:
            return list(f[1].data["C"])

    def columns_of_astropy() -> Any:
        with fits.open(text, memmap=False) as f:
            return [np.array(f[1].data[name]) for name in f[1].columns.names]

    arrays: dict[str, Reader] = {
        "rustfits": lambda: _ours(variable, 1),
        "fitsio": lambda: _fitsio(variable, 1),
        "astropy": cells_of_astropy,
    }
    fields: dict[str, Reader] = {
        "rustfits": lambda: _ours(text, 1),
        "fitsio": lambda: _fitsio(text, 1),
        "astropy": columns_of_astropy,
    }
    # astropy takes half a minute for a million cells.
    return [
        Work("variable-length f4 column", 2, arrays, rounds=3),
        Work("ASCII table", 5, fields, rounds=3),
    ]


def compressed(data: Data) -> list[Work]:
    packed = data.gzipped(128, "i2")
    gz = _whole("gzip'd image 128 MB", 2, packed)
    works = [
        _whole("RICE f4 whole", 2.3, data.rice(64, "f4"), 1),
        _stamps("RICE f4 300 stamps", 1.3, data.rice(64, "f4"), 1),
        _whole("RICE i4 whole", 2.8, data.rice(64, "i4"), 1),
        gz,
    ]
    if deflate:
        # The best case: the size of the result is known, and the header is not looked at.
        def libdeflate() -> Any:
            with open(packed, "rb") as f:
                plain = deflate.gzip_decompress(f.read())
            return np.frombuffer(
                plain, ">i2", count=(len(plain) - 5760) // 2, offset=2880
            ).astype("i2")

        readers = {"rustfits": gz.readers["rustfits"], "libdeflate + swap": libdeflate}
        works.append(Work("gzip'd image against libdeflate", 1.0, readers))

    paths = [data.rice(64, "f4", copy) for copy in range(4)]

    def threads(read: Callable[[str, int], Any], count: int) -> Reader:
        def run() -> Any:
            with ThreadPoolExecutor(count) as pool:
                return list(pool.map(lambda path: read(path, 1), paths))

        return run

    works.append(
        Work(
            "4 threads over 1, RICE f4",
            1.8,
            {
                "rustfits": threads(_ours, 4),
                "rustfits, 1 thread": threads(_ours, 1),
                "fitsio": threads(_fitsio, 4),
            },
            base="rustfits, 1 thread",
        )
    )
    return works


def _curl(url: str, ca: str | None) -> Any:
    body = io.BytesIO()
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEDATA, body)
    handle.setopt(pycurl.NOPROXY, "*")
    handle.setopt(pycurl.BUFFERSIZE, 512 << 10)
    if ca:
        handle.setopt(pycurl.CAINFO, ca)
    handle.perform()
    handle.close()
    return body.getbuffer()


def remote(data: Data, servers: Servers) -> list[Work]:
    image = data.image(256, "f4")
    servers.start_real()
    works = []
    for scheme, base in servers.urls.items():
        url = f"{base}/{image.rsplit('/', 1)[1]}"
        options = (
            rustfits.Remote(ca_file=servers.ca)
            if scheme == "https"
            else rustfits.Remote()
        )

        def ours(url: str = url, options: Any = options) -> Any:
            with rustfits.FITS(url, remote=options) as f:
                return f[0].read()

        def fetched(url: str = url, options: Any = options) -> Any:
            with rustfits.FITS(url, remote=options) as f:
                return len(f)

        def program(url: str = url) -> Any:
            command = ["curl", "-s", "-f", "--noproxy", "*", "-o", "/dev/null", url]
            return subprocess.run(
                command + (["--cacert", str(servers.ca)] if servers.ca else []),
                check=True,
            )

        curl = (lambda url=url: _curl(url, servers.ca)) if pycurl else None
        who = servers.by[scheme]
        # Half: at most twice the time of curl.
        for suffix, reader in (("", fetched), (" + read as array", ours)):
            readers = {
                "rustfits": reader,
                "curl to memory": curl,
                "curl > /dev/null": program,
            }
            base_peer = "curl to memory" if curl else "curl > /dev/null"
            works.append(
                Work(
                    f"256 MB over {scheme} ({who}){suffix}",
                    0.5,
                    _present(readers),
                    base=base_peer,
                )
            )
    return works


def bulk(data: Data, servers: Servers, count: int) -> list[Work]:
    names = data.many(count)
    base = servers.start_own(["http"], 20)["http"]
    urls = [f"{base}/{name}" for name in names]

    def check(sums: list[float]) -> list[float]:
        if len(sums) != count:
            raise RuntimeError(f"{len(sums)} of {count} files came")
        return sums

    def ours() -> Any:
        results = rustfits.fetch_many(urls, concurrency=32, per_host=32)
        return check([float(r.fits[0].read()[0, 0]) for r in results])

    def with_aiohttp() -> Any:
        async def run() -> list[float]:
            gate = asyncio.Semaphore(32)
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=32)
            ) as session:

                async def one(url: str) -> float:
                    async with gate, session.get(url) as answer:
                        answer.raise_for_status()
                        body = await answer.read()
                    with fits.open(io.BytesIO(body)) as f:
                        return float(f[0].data[0, 0])

                return await asyncio.gather(*map(one, urls))

        return check(asyncio.run(run()))

    def with_obstore() -> Any:
        async def run() -> list[float]:
            gate = asyncio.Semaphore(32)
            store = HTTPStore.from_url(base, client_options={"allow_http": True})

            async def one(name: str) -> float:
                async with gate:
                    body = await (await obstore.get_async(store, name)).bytes_async()
                with rustfits.FITS.from_bytes(bytes(body)) as f:
                    return float(f[0].read()[0, 0])

            return await asyncio.gather(*map(one, names))

        return check(asyncio.run(run()))

    readers = {
        "rustfits": ours,
        "aiohttp + astropy": with_aiohttp if aiohttp else None,
        "obstore + rustfits": with_obstore if obstore else None,
    }
    base_peer = "aiohttp + astropy" if aiohttp else None
    return [
        Work(
            f"{count} files of 1 MB, 32 at once, 20 ms",
            1.8,
            _present(readers),
            base=base_peer,
        )
    ]
