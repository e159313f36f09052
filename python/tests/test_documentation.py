"""The Python examples of README and docs/ run, top to bottom, each page on its own."""

from __future__ import annotations

import ast
import asyncio
import doctest
import gzip
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import ROOT, Loopback, hdu_bytes

import rustfits
from rustfits import aio

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


def sample() -> bytes:
    """A file with what the pages talk of: a primary image with EXPTIME, SCI and CAT."""
    primary = astropy_fits.PrimaryHDU(np.arange(12000, dtype="f4").reshape(120, 100))
    primary.header["EXPTIME"] = (99.9, "seconds")
    science = astropy_fits.ImageHDU(np.arange(60000, dtype="i2").reshape(300, 200), name="SCI")
    rows = np.zeros(1200, [("ra", "f8"), ("dec", "f8"), ("name", "S8")])
    return hdu_bytes(primary, science, astropy_fits.BinTableHDU(rows, name="CAT"))


def test_every_page_but_the_index_and_the_measurements_has_examples() -> None:
    without = {page.relative_to(ROOT).as_posix() for page in PAGES if not blocks(page)}
    assert without <= {"docs/README.md", "docs/speed.md"}
    assert len(PAGES) >= 6


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_examples_run(
    page: Path, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = sample()
    Path("image.fits").write_bytes(data)
    served = loopback.put(data)
    packed = loopback.put(gzip.compress(data), ".fits.gz")
    urls = [f"{loopback.http}{served}?n={n}" for n in range(5)]
    names: dict[str, Any] = {"urls": urls}
    for number, block in enumerate(blocks(page)):
        block = re.sub(r"https://archive\.example/[\w-]+\.fits\.gz", loopback.http + packed, block)
        block = re.sub(r"https://archive\.example/[\w-]+\.fits", loopback.http + served, block)
        # The mosaics of the pages are larger than what is served here: slices are clipped, so they still run.
        code = compile(block, f"{page.name} block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    if page.name == "opening.md":
        assert Path("new.fits.gz").read_bytes().startswith(b"\x1f\x8b")
        assert "IMAGE_HDU" in capsys.readouterr().out


def docstrings() -> Iterator[Any]:
    """What `help` shows of everything public that is called, and of the classes."""
    for module in (rustfits, aio):
        for name in module.__all__:
            value = getattr(module, name)
            if not callable(value):
                continue
            described = {"": value}
            if inspect.isclass(value):
                described |= {
                    f".{member}": getattr(value, member) for member in dir(value) if not member.startswith("_")
                }
            for member, found in described.items():
                if callable(found):
                    full_name = f"{module.__name__}.{name}{member}"
                    yield pytest.param(full_name, inspect.getdoc(found) or "", id=full_name)


@pytest.mark.parametrize(("name", "described"), list(docstrings()))
def test_docstrings_have_examples_that_run(
    name: str, described: str, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ">>>" in described
    monkeypatch.chdir(tmp_path)
    Path("image.fits").write_bytes(sample())
    if "archive.example" in described:
        (loopback.root / "image.fits").write_bytes(sample())
        described = described.replace("https://archive.example", loopback.http)
    names = {"rustfits": rustfits, "aio": aio, "np": np, "asyncio": asyncio}
    test = doctest.DocTestParser().get_doctest(described, names, name, None, None)
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert not said, "".join(said)
