"""What all tests share: the loopback servers, and files that other programs write."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

ROOT = Path(__file__).resolve().parents[2]


def loopback_binary() -> Path:
    """The server program, built by `cargo build --release -p rustfits-loopback`."""
    if named := os.environ.get("RUSTFITS_LOOPBACK"):
        return Path(named)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "loopback"


@dataclass
class Loopback:
    """HTTP, HTTPS, FTP and FTPS servers of one directory.

    `a.fits` (and `a.fits.gz`) holds `image` under the name SCI; `page.fits` is a web page. Files that a test puts there
    get a name of their own, so tests don't meet.
    """

    root: Path
    http: str
    https: str
    ftp: str
    ftps: str
    ca: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, data: bytes, suffix: str = ".fits") -> str:
        """Puts a file there and gives its path, the same on every server."""
        name = f"file{next(self._numbers)}{suffix}"
        (self.root / name).write_bytes(data)
        return f"/{name}"

    def log(self, path: str) -> list[dict[str, Any]]:
        """The http requests for a path, in the order in which they came."""
        return [request for request in self._json("/_log") if request["target"].split("?")[0] == path]

    def connections(self) -> dict[str, int]:
        counts: dict[str, int] = self._json("/_connections")
        return counts

    def _json(self, page: str) -> Any:
        with urllib.request.urlopen(self.http + page, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """What the servers' `a.fits` holds."""
    return np.random.default_rng(6).normal(size=(120, 90)).astype("f4")


@contextlib.contextmanager
def started(*arguments: str | Path) -> Iterator[dict[str, str]]:
    """The server program with these arguments, while the context lasts; gives the URLs that it prints."""
    binary = loopback_binary()
    if not binary.exists():
        pytest.fail(f"{binary} is missing: cargo build --release -p rustfits-loopback")
    # It ends when its standard input does.
    with subprocess.Popen([binary, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory, image: np.ndarray) -> Iterator[Loopback]:
    root = tmp_path_factory.mktemp("served")
    whole = hdu_bytes(astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(image, name="SCI"))
    (root / "a.fits").write_bytes(whole)
    (root / "a.fits.gz").write_bytes(gzip.compress(whole))
    (root / "page.fits").write_text("<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n")
    ca = tmp_path_factory.mktemp("authority") / "ca.pem"
    with started("--root", root, "--ca-out", ca, "--http", "--https", "--ftp", "--ftps") as urls:
        yield Loopback(root, **urls)


def image_bytes(data: np.ndarray | None, **cards: Any) -> bytes:
    """A FITS file with one image, as astropy writes it."""
    hdu = astropy_fits.PrimaryHDU(data)
    hdu.header.update(cards)
    return hdu_bytes(hdu)


def hdu_bytes(*hdus: Any) -> bytes:
    """These HDUs as astropy writes them."""
    buffer = io.BytesIO()
    astropy_fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def raw_file(*cards: str, data: bytes = b"") -> bytes:
    """A file made of these cards, for headers that no other program would write."""
    header = "".join(card.ljust(80) for card in (*cards, "END")).encode("latin-1")
    return header.ljust(-(-len(header) // 2880) * 2880) + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes bytes to a new file and gives its path."""
    numbers = itertools.count()

    def write(data: bytes, name: str | None = None) -> Path:
        path = tmp_path / (name or f"file{next(numbers)}.fits")
        path.write_bytes(data)
        return path

    return write


def same(ours: Any, theirs: Any) -> None:
    """Equal values, shape and kind of dtype; ours in native byte order, contiguous and writable."""
    theirs = np.asarray(theirs)
    assert ours.dtype == theirs.dtype.newbyteorder("=")
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)
    if ours.shape:
        assert ours.dtype.isnative and ours.flags.c_contiguous and ours.flags.writeable


def program(name: str) -> str:
    """Where a program of cfitsio is. `make test` installs them where it can; elsewhere the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def numbers_by_fitsio(path: Any, ext: Any = 1) -> Any:
    """What fitsio reads of the numbers of an ASCII table.

    Of its texts it writes a byte behind the memory that it took for them, as valgrind shows: sooner or later the
    process ends by that.
    """
    with fitsio.FITS(str(path)) as fits:
        header = fits[ext].read_header()
    numbers = range(1, header["TFIELDS"] + 1)
    columns = [header[f"TTYPE{n}"].strip() for n in numbers if not header[f"TFORM{n}"].strip().startswith("A")]
    return fitsio.read(str(path), ext=ext, columns=columns) if columns else None
