"""What is measured of writing: each work is done by several packages, each on a file of its own."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import rustfits
from astropy.io import fits
from data import Data
from works import Work

STAMPS = 300
ROWS = 500
APPENDS = 100
CARDS = 5_000
UPDATES = 1_000


def writing(data: Data) -> list[Work]:
    """The works, in a directory beside the files that are read."""
    directory = data.root / "written"
    directory.mkdir(exist_ok=True)
    return [
        _new_image("write image f8 512 MB", 1.2, data.noise(512, "f8"), directory),
        _new_image("write image f4 64 MB", 1.8, data.noise(64, "f4"), directory),
        _gzip(data, directory),
        _stamps(data, directory),
        _rows(directory),
        _table(data, directory),
        _appends(data, directory),
        _new_header(directory),
        _updates(directory),
        _growth(data, directory),
    ]


def _written(
    directory: Path, name: str, write: Callable[[str], Any], ending: str = ".fits"
) -> Callable[[], None]:
    """Makes a new file each time; removing the last one is in everybody's time."""

    def work() -> None:
        path = directory / f"{name}{ending}"
        path.unlink(missing_ok=True)
        write(str(path))

    return work


def _new_image(name: str, target: float, image: np.ndarray, directory: Path) -> Work:
    readers = {
        "rustfits": _written(directory, "rustfits", lambda path: _ours(path, image)),
        "fitsio": _written(directory, "fitsio", lambda path: _fitsio(path, image)),
        "astropy": _written(
            directory, "astropy", lambda path: fits.PrimaryHDU(image).writeto(path)
        ),
    }
    return Work(name, target, readers)


def _ours(path: str, image: np.ndarray) -> None:
    with rustfits.FITS(path, "w+") as file:
        file.write_image(image)


def _fitsio(path: str, image: np.ndarray) -> None:
    with fitsio.FITS(path, "rw") as file:
        file.write(image)


def _gzip(data: Data, directory: Path) -> Work:
    image = data.noise(128, "f4")
    readers = {
        "rustfits": _written(
            directory, "rustfits", lambda path: _ours(path, image), ".fits.gz"
        ),
        "fitsio": _written(
            directory, "fitsio", lambda path: _fitsio(path, image), ".fits.gz"
        ),
    }
    return Work("write gzip 128 MB", 8, readers, base="fitsio")


def _stamps(data: Data, directory: Path) -> Work:
    source = data.image(64, "f4")
    with rustfits.FITS(source) as file:
        height, width = file[0].shape
    random = np.random.default_rng(5)
    corners = list(
        zip(
            random.integers(0, height - 32, STAMPS),
            random.integers(0, width - 32, STAMPS),
            strict=True,
        )
    )
    corners = [(int(y), int(x)) for y, x in corners]
    stamp = np.ones((32, 32), "f4")

    def copied(name: str) -> str:
        return shutil.copyfile(source, directory / f"stamps-{name}.fits").as_posix()

    ours_path, fitsio_path, astropy_path = (
        copied("rustfits"),
        copied("fitsio"),
        copied("astropy"),
    )

    def ours() -> None:
        with rustfits.FITS(ours_path, "r+") as file:
            image = file[0]
            for y, x in corners:
                image[y : y + 32, x : x + 32] = stamp

    def by_fitsio() -> None:
        with fitsio.FITS(fitsio_path, "rw") as file:
            image = file[0]
            for y, x in corners:
                image.write(stamp, start=[y, x])

    def by_astropy() -> None:
        with fits.open(astropy_path, mode="update", memmap=True) as file:
            image = file[0].data
            for y, x in corners:
                image[y : y + 32, x : x + 32] = stamp

    return Work(
        "overwrite 300 stamps",
        1.5,
        {"rustfits": ours, "fitsio": by_fitsio, "astropy": by_astropy},
    )


def _rows(directory: Path) -> Work:
    row = np.ones((1, 1000), "f4")

    def by_rustfits(path: str) -> None:
        with rustfits.FITS(path, "w+") as file, file.create_image_hdu("f4", (0, 1000)).extending() as image:
            for _ in range(ROWS):
                image.extend(row)

    def by_fitsio(path: str) -> None:
        with fitsio.FITS(path, "rw") as file:
            file.write(row)
            image = file[0]
            for number in range(1, ROWS):
                image.write(row, start=[number, 0])

    readers = {
        "rustfits": _written(directory, "rustfits", by_rustfits),
        "fitsio": _written(directory, "fitsio", by_fitsio),
    }
    return Work("append 500 rows of pixels", 5, readers)


def _table(data: Data, directory: Path) -> Work:
    table = fitsio.read(data.table(1_000_000), ext=1)
    table = table.astype(table.dtype.newbyteorder("="))

    def by_rustfits(path: str) -> None:
        with rustfits.FITS(path, "w+") as file:
            file.write_table(table)

    readers = {
        "rustfits": _written(directory, "rustfits", by_rustfits),
        "fitsio": _written(
            directory, "fitsio", lambda path: fitsio.write(path, table)
        ),
        "astropy": _written(
            directory, "astropy", lambda path: fits.BinTableHDU(table).writeto(path)
        ),
    }
    return Work("write table of 20 columns", 40, readers, base="fitsio")


def _appends(data: Data, directory: Path) -> Work:
    rows = fitsio.read(data.table(1_000_000), ext=1, rows=range(1000))
    rows = rows.astype(rows.dtype.newbyteorder("="))

    def by_rustfits(path: str) -> None:
        with rustfits.FITS(path, "w+") as file:
            table = file.write_table(rows)
            for _ in range(APPENDS):
                table.append(rows)

    def by_fitsio(path: str) -> None:
        with fitsio.FITS(path, "rw") as file:
            file.write(rows)
            table = file[1]
            for _ in range(APPENDS):
                table.append(rows)

    readers = {
        "rustfits": _written(directory, "rustfits", by_rustfits),
        "fitsio": _written(directory, "fitsio", by_fitsio),
    }
    return Work("append 100 times 1,000 rows", 13, readers, base="fitsio")


def _cards() -> list[tuple[str, Any]]:
    values = itertools.cycle([1, 2.5, "some text", True])
    return [(f"K{number}", next(values)) for number in range(CARDS)]


def _new_header(directory: Path) -> Work:
    cards = _cards()
    image = np.zeros(10, "f4")

    def by_rustfits(path: str) -> None:
        with rustfits.FITS(path, "w+") as file:
            header = file.write_image(image).header
            for key, value in cards:
                header[key] = value

    def by_fitsio(path: str) -> None:
        with fitsio.FITS(path, "rw") as file:
            file.write(image)
            hdu = file[0]
            for key, value in cards:
                hdu.write_key(key, value)

    def by_astropy(path: str) -> None:
        hdu = fits.PrimaryHDU(image)
        for key, value in cards:
            hdu.header[key] = value
        hdu.writeto(path)

    readers = {
        "rustfits": _written(directory, "rustfits", by_rustfits),
        "fitsio": _written(directory, "fitsio", by_fitsio),
        "astropy": _written(directory, "astropy", by_astropy),
    }
    return Work("build a header of 5,000 cards", 5, readers)


def _updates(directory: Path) -> Work:
    def made(name: str) -> str:
        path = directory / f"updates-{name}.fits"
        rustfits.write(
            path,
            np.zeros(10, "f4"),
            header={f"K{number}": number for number in range(200)},
        )
        return str(path)

    ours_path, fitsio_path = made("rustfits"), made("fitsio")

    def ours() -> None:
        with rustfits.FITS(ours_path, "r+") as file:
            header = file[0].header
            for number in range(UPDATES):
                header["K150"] = number

    def by_fitsio() -> None:
        with fitsio.FITS(fitsio_path, "rw") as file:
            hdu = file[0]
            for number in range(UPDATES):
                hdu.write_key("K150", number)

    return Work(
        "update a card 1,000 times", 10, {"rustfits": ours, "fitsio": by_fitsio}
    )


def _growth(data: Data, directory: Path) -> Work:
    """The file has its header grown by a block, or is copied."""
    path = directory / "growth.fits"
    if not path.exists():
        image = np.zeros((1024 // data.scale, 131072), "f8")
        with rustfits.FITS(path, "w+") as file:
            file.write_image(image)
    copy = directory / "growth-copy.fits"
    with rustfits.FITS(path) as file:
        # Keywords that no run before has set.
        turns = itertools.count(len(file[0].header))

    def ours() -> None:
        turn = next(turns)
        with rustfits.FITS(path, "r+") as file, file[0].header.edit() as header:
            for number in range(36):
                header[f"T{turn}C{number}"] = number

    def by_cp() -> None:
        copy.unlink(missing_ok=True)
        subprocess.run(["cp", path, copy], check=True)

    return Work(
        "grow the first header of 1 GB", 1, {"rustfits": ours, "cp": by_cp}, base="cp"
    )
