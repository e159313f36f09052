"""Fetches hundreds of FITS files concurrently from servers on this machine, and shows what came.

``make demo`` runs it. It needs no network. What it makes is below ``demo-output``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import data
import listing
import look
import rustfits
import sheet
from server import Servers

OUTPUT = Path("demo-output").absolute()
DATA = OUTPUT / "data"
LATENCY_MS = 20
PROTOCOLS = ["http", "https", "http", "ftp", "https"]
OPTIONS = {"concurrency": 32, "per_host": 32, "backoff": 0.1, "max_buffered": 128 << 20}
SAMPLE = 60


def peak_memory() -> float:
    """The most memory that this process ever had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def headline(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def make_data() -> None:
    headline(f"Making FITS files in {DATA}")
    started = time.perf_counter()
    subprocess.run([sys.executable, Path(__file__).with_name("data.py"), DATA], check=True)
    files = [path for path in DATA.iterdir() if ".fits" in path.name]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{len(files)} files, {size:,.0f} MB, in {time.perf_counter() - started:.1f} s")


def all_urls(servers: Servers) -> list[str]:
    """Every file but the big one, spread over the protocols, and one that isn't there."""
    names = sorted(path.name for path in DATA.iterdir() if ".fits" in path.name and path.name != data.BIG)
    urls = [servers.url(PROTOCOLS[number % len(PROTOCOLS)], name) for number, name in enumerate(names)]
    return [*urls, servers.url("http", "missing.fits")]


def fetch_all(servers: Servers) -> list[look.Row]:
    urls = all_urls(servers)
    headline(f"Fetching {len(urls)} files over http, https and ftp, {LATENCY_MS} ms latency, 32 at a time")
    before = peak_memory()
    started = time.perf_counter()
    remote = rustfits.Remote(ca_file=servers.ca_file)
    rows = [look.look(result) for result in rustfits.fetch_many(urls, remote=remote, progress=True, **OPTIONS)]
    seconds = time.perf_counter() - started
    listing.show(rows)
    size = sum(row.bytes for row in rows) / 1e6
    failed = sum(row.error is not None for row in rows)
    print(
        f"\n{len(rows) - failed} files read and {failed} failed, {size:,.0f} MB moved, in {seconds:.1f} s,"
        " a table line and a thumbnail of each made meanwhile:"
        f" {len(rows) / seconds:.0f} files/s, {size / seconds:.0f} MB/s"
    )
    print(f"peak memory {peak_memory():.0f} MB, of which {before:.0f} MB before the first file")
    return rows


def compare(servers: Servers, rows: list[look.Row]) -> None:
    """The same files one after another and together, only opened and read."""
    fine = [row for row in rows if row.error is None and row.shape and not row.name.startswith("astropy")]
    fine.sort(key=lambda row: row.name)
    sample = fine[:: max(len(fine) // SAMPLE, 1)][:SAMPLE]
    urls = [servers.url(row.protocol, row.name) for row in sample]
    remote = rustfits.Remote(ca_file=servers.ca_file)
    headline(f"{len(urls)} of them one after another, then together")

    started = time.perf_counter()
    for url in urls:
        with rustfits.FITS(url, remote=remote) as fits:
            look.first_image(fits)
    single = time.perf_counter() - started
    started = time.perf_counter()
    for result in rustfits.fetch_many(urls, remote=remote, **OPTIONS):
        if result.error is not None:
            raise result.error
        look.first_image(result.fits)
    together = time.perf_counter() - started
    print(f"one after another {single:.2f} s, together {together:.2f} s: {single / together:.1f} times as fast")


def cutouts(servers: Servers) -> list[tuple[str, object]]:
    size, side = (DATA / data.BIG).stat().st_size, data.CUTOUT
    corners = json.loads((DATA / "targets.json").read_text())
    headline(f"Taking {len(corners)} cutouts of {side}x{side} out of a remote file of {size / 1e6:.0f} MB")
    servers.clear_log()
    started = time.perf_counter()
    with rustfits.FITS(servers.url("http", data.BIG), remote="ranged") as fits:
        image = fits["SCI"]
        stamps = [image[y : y + side, x : x + side] for y, x in corners]
    seconds = time.perf_counter() - started
    log = servers.log()
    moved = sum(request["body_sent"] for request in log)
    wanted = sum(stamp.nbytes for stamp in stamps)
    print(
        f"{len(stamps)} cutouts in {seconds:.2f} s: {len(log)} requests moved {moved / 1e6:.2f} MB,"
        f" {moved / size:.2%} of the file; the pixels are {wanted / 1e6:.2f} MB"
    )
    return [(f"y {y}, x {x}", stamp) for (y, x), stamp in zip(corners, stamps, strict=True)]


def main() -> None:
    started = time.perf_counter()
    OUTPUT.mkdir(exist_ok=True)
    make_data()
    with Servers(DATA, LATENCY_MS) as servers:
        rows = fetch_all(servers)
        compare(servers, rows)
        stamps = cutouts(servers)
    rows.sort(key=lambda row: (row.name.startswith("astropy"), row.name))
    pictures = [(row.name, row.thumbnail) for row in rows if row.thumbnail is not None]
    path = OUTPUT / "contact-sheet.png"
    sheet.write(
        path,
        [
            (f"{len(pictures)} images fetched concurrently", pictures),
            (f"{len(stamps)} cutouts of a remote 500 MB mosaic, by byte ranges", stamps),
        ],
    )
    headline(f"Look at {path}")
    print(f"all in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
