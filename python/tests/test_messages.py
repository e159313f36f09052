"""What users get wrong, and what they are told: the file or URL, where in it, and what to do."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rustfits
from rustfits import aio

IMAGE = np.arange(12, dtype="i2").reshape(3, 4)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with rustfits.FITS("a.fits", "w+") as file:
        file.write_image(IMAGE, extname="SCI")
        file.write_table({"x": np.arange(5)}, extname="CAT")
    Path("adir").mkdir()
    Path("empty.fits").touch()
    return tmp_path


def opened(name: str, mode: str) -> object:
    if mode == "w":
        return rustfits.write(name, IMAGE)
    return rustfits.FITS(name, mode)


# Name, mode, exception, what is said.
NAMES: list[tuple[str, str, type[Exception], str]] = [
    ("none.fits", "r", FileNotFoundError, "none.fits: No such file"),
    ("none.fits", "r+", FileNotFoundError, "none.fits: No such file"),
    ("", "r", ValueError, "the name of the file is empty: give a path or a URL"),
    ("", "w", ValueError, "the name of the file is empty"),
    ("a.fits[1]", "r", FileNotFoundError, "an HDU is no part of a name: open a.fits, and ask that for its HDU 1"),
    ("*.fits", "r", FileNotFoundError, "names have no wildcards"),
    ("~/a.fits", "r", FileNotFoundError, "'~' is not expanded"),
    ("http:/archive.example/a.fits", "r", FileNotFoundError, "two slashes"),
    ("htp://archive.example/a.fits", "r", ValueError, "htp:// is not supported: supported are paths and file://"),
    ("sub/a.fits", "r", FileNotFoundError, "there is no directory sub"),
    ("sub/a.fits", "w+", FileNotFoundError, "sub/a.fits: No such file or directory (os error 2): there is no"),
    ("sub/a.fits", "w", FileNotFoundError, "sub/a.fits: there is no directory sub"),
    ("sub/a.fits.gz", "w", FileNotFoundError, "sub/a.fits.gz: there is no directory sub"),
    ("a.fits/b.fits", "w", OSError, "a.fits/b.fits: no file can be made in the directory a.fits: not a directory"),
    ("adir", "r", OSError, "adir: is a directory"),
    ("adir", "r+", OSError, "adir: Is a directory"),
    ("adir", "w", OSError, "adir: Is a directory"),
    ("empty.fits", "r", OSError, "empty.fits: the file is empty"),
    ("http://archive.example/a.fits", "w", OSError, "write to disk or to mem:// and upload that"),
    ("a.fits", "rb", ValueError, "mode 'rb' is not one of 'r', 'r+', 'w+'"),
]


@pytest.mark.parametrize(("name", "mode", "kind", "said"), NAMES)
def test_names(name: str, mode: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)) as caught:
        opened(name, mode)
    assert ".rustfits-" not in str(caught.value)
    assert name in str(caught.value) or "mode" in said


@pytest.mark.parametrize(("name", "mode", "kind", "said"), NAMES)
def test_names_in_asyncio(name: str, mode: str, kind: type[Exception], said: str) -> None:
    async def run() -> object:
        return await (aio.write(name, IMAGE) if mode == "w" else aio.open(name, mode))  # type: ignore[arg-type]

    with pytest.raises(kind, match=re.escape(said)):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.write_image(IMAGE), "a.fits: the file is open read-only: open it with mode 'r+'"),
        (lambda file: file["CAT"].append({"x": [1]}), "a.fits: the file is open read-only: open it with mode 'r+'"),
        (lambda file: file["SCI"].header.update({"A": 1}), "a.fits: HDU 0: the file is open read-only"),
    ],
)
def test_changes_of_what_is_read(change: Any, said: str) -> None:
    with rustfits.FITS("a.fits") as file, pytest.raises(OSError, match=re.escape(said)):
        change(file)


def test_a_value_that_does_not_fit_is_not_at_an_empty_place() -> None:
    with rustfits.FITS("a.fits", "r+") as file:
        with pytest.raises(ValueError, match=re.escape("a.fits: HDU 0: the value 70000 does not fit i2")):
            file["SCI"][0] = 70000
        with pytest.raises(ValueError, match=re.escape("the value 70000 at [1] does not fit i2")):
            file["SCI"][0] = [0, 70000, 0, 0]


def test_an_hdu_that_was_not_looked_up_says_how_it_becomes_a_task() -> None:
    async def run() -> None:
        async with aio.FITS("a.fits") as file:
            with pytest.raises(TypeError, match=r"an HDU of a\.fits .* asyncio\.ensure_future\(\)"):
                asyncio.create_task(file["SCI"])  # type: ignore[arg-type]
            hdu, other = await asyncio.gather(asyncio.ensure_future(file["SCI"]), file["CAT"])
            assert (hdu.extname, other.extname) == ("SCI", "CAT")
            assert (await asyncio.wait_for(file["SCI"], 60)).extname == "SCI"
            assert (await asyncio.create_task(file["SCI"].read())).shape == (3, 4)

    asyncio.run(run())
