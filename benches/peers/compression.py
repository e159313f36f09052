"""Measures compressed images and tables: rustfits and other packages in one process, by turns, medians and ratios.

    python benches/peers/compression.py [--quick] [--only REGEX] [--rounds N] [--data DIRECTORY]

Every work is measured twice: with all processors, and with one thread (RAYON_NUM_THREADS=1, in a process of its own), where
each codec has to be no slower than CFITSIO's. The targets are those of all processors. Sizes of what was written are in MB.
For tables the other package is fpack, and funpack with fitsio behind it: both sides go from file to file, and from file to array.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import rustfits
import works
from astropy.io import fits
from data import Data
from run import QUICK_SCALE, measure
from works import Work

ONE_THREAD = "RAYON_NUM_THREADS"
MIB = 64
TABLE_ROWS = 300_000


@dataclass
class Codec:
    """A way to compress, as each package is told of it, and what reading and writing must reach."""

    name: str
    dtype: str
    ours: dict[str, Any]
    fitsio: dict[str, Any]
    astropy: dict[str, Any]
    read: float
    write: float


QUANTIZE = rustfits.Quantize(level=4.0, method="dither1", seed=1)
CODECS = [
    Codec(
        "RICE i4",
        "i4",
        {"compress": "RICE_1"},
        {"compress": "RICE"},
        {"compression_type": "RICE_1"},
        2.8,
        1.9,
    ),
    Codec(
        "RICE f4 quantized",
        "f4",
        {"compress": "RICE_1", "quantize": QUANTIZE},
        {"compress": "RICE", "qlevel": 4.0, "qmethod": "SUBTRACTIVE_DITHER_1"},
        {
            "compression_type": "RICE_1",
            "quantize_level": 4.0,
            "quantize_method": 1,
            "dither_seed": 1,
        },
        2.3,
        2,
    ),
    Codec(
        "GZIP_2 f8 lossless",
        "f8",
        {"compress": "GZIP_2"},
        {"compress": "GZIP_2", "qlevel": 0},
        {"compression_type": "GZIP_2", "quantize_level": 0},
        2.2,
        5,
    ),
    Codec(
        "HCOMPRESS i4",
        "i4",
        {"compress": "HCOMPRESS_1"},
        {"compress": "HCOMPRESS", "hcomp_scale": 0},
        {"compression_type": "HCOMPRESS_1"},
        1.8,
        1.8,
    ),
    Codec(
        "PLIO",
        "mask",
        {"compress": "PLIO_1"},
        {"compress": "PLIO"},
        {"compression_type": "PLIO_1"},
        1.5,
        1.7,
    ),
]


def image(data: Data, dtype: str) -> np.ndarray:
    if dtype != "mask":
        return data.noise(MIB, dtype)
    # Patches, as masks of stars and of bad columns have them.
    side = data.noise(MIB, "i4").shape[0]
    rng = np.random.default_rng(11)
    mask = np.zeros((side, side), "i4")
    for y, x in rng.integers(0, side - 20, (side, 2)):
        mask[y : y + 15, x : x + 20] = rng.integers(1, 9)
    mask[:, rng.integers(0, side, side // 100)] = 1
    return mask


def writers(
    codec: Codec, pixels: np.ndarray, directory: Path
) -> dict[str, Callable[[], Path]]:
    def path(package: str) -> Path:
        path = directory / f"{codec.name.replace(' ', '-')}-{package}.fits"
        path.unlink(missing_ok=True)
        return path

    def by_rustfits() -> Path:
        name = path("rustfits")
        with rustfits.FITS(name, "w+") as file:
            file.write_image(pixels, **codec.ours)
        return name

    def by_fitsio() -> Path:
        name = path("fitsio")
        with fitsio.FITS(str(name), "rw") as file:
            file.write(pixels, **codec.fitsio)
        return name

    def by_astropy() -> Path:
        name = path("astropy")
        fits.CompImageHDU(pixels, **codec.astropy).writeto(name)
        return name

    return {"rustfits": by_rustfits, "fitsio": by_fitsio, "astropy": by_astropy}


def compression(data: Data) -> Iterator[Work]:
    """The works; what is read is written by fitsio."""
    directory = data.root / "compressed"
    directory.mkdir(exist_ok=True)
    for codec in CODECS:
        pixels = image(data, codec.dtype)
        write = writers(codec, pixels, directory)
        yield Work(f"{codec.name} write", codec.write, dict(write))
        yield works._whole(f"{codec.name} read", codec.read, str(write["fitsio"]()), 1)
    yield works._stamps("RICE f4 300 stamps", 1.3, data.rice(MIB, "f4"), 1)
    if shutil.which("fpack") and shutil.which("funpack"):
        yield from tables(data)
    yield from (work for work in works.compressed(data) if work.name.startswith("4 "))


def tables(data: Data) -> Iterator[Work]:
    """A table of 20 columns to fpack's form and back."""
    directory = data.root / "compressed"
    plain = data.table(TABLE_ROWS)
    packed = {
        package: directory / f"ZTABLE-{package}.fits"
        for package in ("rustfits", "fpack")
    }
    unpacked = directory / "ZTABLE-unpacked.fits"

    def by_rustfits() -> None:
        with (
            rustfits.FITS(plain) as source,
            rustfits.FITS(packed["rustfits"], "w+") as file,
        ):
            file.write_table(source[1].read(), extname="T", compress=True)

    def by_fpack() -> None:
        packed["fpack"].unlink(missing_ok=True)
        command = ["fpack", "-table", "-O", packed["fpack"], plain]
        subprocess.run(command, check=True, capture_output=True)

    def by_funpack() -> np.ndarray:
        unpacked.unlink(missing_ok=True)
        command = ["funpack", "-C", "-O", unpacked, packed["fpack"]]
        subprocess.run(command, check=True)
        return works._fitsio(str(unpacked), 1)

    yield Work("ZTABLE write", 4, {"rustfits": by_rustfits, "fpack": by_fpack})
    by_fpack()
    readers = {
        "rustfits": lambda: works._ours(str(packed["fpack"]), 1),
        "funpack, fitsio": by_funpack,
    }
    yield Work("ZTABLE read", 3.2, readers)


def size_note(work: Work, directory: Path) -> str:
    """How large the files of a write are."""
    if not work.name.endswith(" write"):
        return ""
    name = work.name.removesuffix(" write").replace(" ", "-")
    sizes = [
        f"{package} {path.stat().st_size / 1e6:.1f}"
        for package in work.readers
        if (path := directory / f"{name}-{package}.fits").exists()
    ]
    return "  MB: " + ", ".join(sizes)


def show(options: argparse.Namespace) -> None:
    single = os.environ.get(ONE_THREAD) == "1"
    print("\none thread" if single else "all processors", flush=True)
    data = Data(options.data, QUICK_SCALE if options.quick else 1)
    for work in compression(data):
        if not re.search(options.only, work.name) or (
            single and work.name.startswith("4 ")
        ):
            continue
        times = measure(work, options.rounds or (3 if options.quick else 7))
        ours = times.pop("rustfits")
        peers = {
            name: time for name, time in times.items() if work.base in (None, name)
        }
        best = min(peers.values(), default=float("nan"))
        target = 1.0 if single else work.target
        others = ", ".join(f"{name} {time:.1f}" for name, time in times.items())
        print(
            f"{work.name:26} {ours:8.1f} ms  ratio {best / ours:5.2f}  (at least {target})  {others}"
            + size_note(work, data.root / "compressed"),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="an eighth of the sizes, three rounds"
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="only works whose name matches"
    )
    parser.add_argument(
        "--rounds", type=int, default=None, help="how often each reader is asked (7)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()) / "rustfits-bench"
    )
    show(parser.parse_args())
    if ONE_THREAD not in os.environ:
        environment = {**os.environ, ONE_THREAD: "1"}
        command = [sys.executable, __file__, *sys.argv[1:]]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
