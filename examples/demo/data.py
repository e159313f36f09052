"""Makes the files that the demo serves: ``python data.py DIRECTORY``.

A process of its own, so that its memory isn't the demo's.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import rustfits
import scenes

VERSION = 3
MOSAICS = 200
BIG = "big-mosaic.fits"
BIG_SHAPE = (12_500, 10_000)
TARGETS = 20
CUTOUT = 200


def mosaic(directory: Path, number: int) -> None:
    """One mosaic of 1 to 8 MB: some .gz or tile-compressed, of several types, some with a second HDU."""
    rng = np.random.default_rng(number)
    kind = list(scenes.SCENES)[number % len(scenes.SCENES)]
    dtype = np.dtype(["f4", "u2", "i2", "f4", "i4"][number % 5])
    zipped = number % 4 == 1  # those are smaller: gzip is what takes longest here
    side = int(np.sqrt(1.05e6 * (2.5 if zipped else 7.5) ** (rng.random() ** 1.4) / dtype.itemsize))
    image = scenes.make(kind, side, rng)
    image = (image * 4 + 1000).clip(0, 30_000).astype(dtype) if dtype.kind in "iu" else image
    name = f"{kind}-{number:03}.fits"
    if number % 8 == 2:
        from astropy.io import fits

        codec = "RICE_1" if dtype.kind != "f" or number % 3 else "GZIP_2"
        fits.CompImageHDU(image, name="SCI", compression_type=codec).writeto(directory / f"{kind}-{number:03}.fz.fits")
        return
    with rustfits.FITS(directory / (name + ".gz" if zipped else name), "w+") as file:
        file.write_image(image, extname="SCI")
        if number % 5 == 0:
            file.write_image((image[::8, ::8] > 20).astype("u1"), extname="MASK")


def broken(directory: Path) -> None:
    """A file cut short, and one that isn't FITS."""
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(scenes.make("spiral", 600, np.random.default_rng(0)))
        (directory / "broken-truncated.fits").write_bytes(file.to_bytes()[:900_000])
    (directory / "broken-not-fits.fits").write_text("<html><body>Please log in to the archive.</body></html>\n" * 50)


def big(directory: Path) -> None:
    """A mosaic of 500 MB: noise that repeats, stars, and a galaxy at each of the places in ``targets.json``."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal((2500, 2500), dtype="f4")
    image = np.tile(noise, (BIG_SHAPE[0] // 2500, BIG_SHAPE[1] // 2500))
    for _ in range(4000):
        scenes.stamp(image, rng.uniform(0, BIG_SHAPE[0]), rng.uniform(0, BIG_SHAPE[1]), 10 * (1 + rng.pareto(0.9)), 1.8)
    targets = []
    kinds = ["spiral", "ring", "elliptical", "comet", "spiral"]
    for number in range(TARGETS):
        y, x = (int(rng.integers(0, length - CUTOUT)) for length in BIG_SHAPE)
        image[y : y + CUTOUT, x : x + CUTOUT] += scenes.SCENES[kinds[number % len(kinds)]](CUTOUT, rng)
        targets.append((y, x))
    with rustfits.FITS(directory / BIG, "w+") as file:
        file.write_image(image, extname="SCI")
    (directory / "targets.json").write_text(json.dumps(targets))


def astropy_files(directory: Path) -> None:
    """The FITS files that come with astropy's tests."""
    import astropy.io.fits

    for path in (Path(astropy.io.fits.__file__).parent / "tests" / "data").glob("*.fits"):
        shutil.copyfile(path, directory / f"astropy-{path.name}")


def _job(job: tuple[str, Path, int]) -> None:
    what, directory, number = job
    if what == "big":
        big(directory)
    elif what == "others":
        astropy_files(directory)
        broken(directory)
    else:
        mosaic(directory, number)


def make(directory: Path) -> None:
    """Makes all files, unless they are there already."""
    done = directory / f"complete-{VERSION}"
    if done.exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    jobs = [("big", directory, 0), ("others", directory, 0), *(("mosaic", directory, n) for n in range(MOSAICS))]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for _ in pool.imap_unordered(_job, jobs, chunksize=1):
            pass
    done.touch()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
