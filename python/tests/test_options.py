"""Every option of every function: a value that it does not take is a TypeError or ValueError that names the option."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rustfits
from rustfits import _fetch, aio

WRONG = [-1, 2**70, float("nan"), "x", None, object()]
# Such as look something up: what is not found is said as the file says it, and a file that is not there by its name.
LOOKED_UP = {"ext", "before", "after", "rows", "columns", "names", "name", "section", "bit_columns", "start"}
FILES = {"ca_file", "client_cert", "manifest"}
# Values of any type: a text, an array, or what has a `read`.
FREE = {"requested_schema", "dtype", "copy"}

TABLE = {"x": np.arange(5), "name": np.array(["a"] * 5)}


def made() -> bytes:
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(np.ones((6, 8), "i2"), extname="SCI")
        file.write_table(TABLE, extname="CAT")
        file.write_image(np.ones((6, 8), "i2"), extname="Z", compress="RICE_1")
        file.write_table(TABLE, extname="ZCAT", compress=True)
        return file.to_bytes()


def shown(error: Exception) -> str:
    """What a traceback shows of it."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def fresh(method: str, given: dict[str, Any], key: Any) -> Callable[..., Any]:
    """A method of a file, or of one of its HDUs, that nothing has changed before."""

    def call(**options: Any) -> Any:
        with rustfits.FITS.from_bytes(made(), "r+") as file:
            return getattr(file if key is None else file[key], method)(**{**given, **options})

    return call


def awaited(method: str, given: dict[str, Any], key: Any) -> Callable[..., Any]:
    async def run(options: dict[str, Any]) -> Any:
        async with await aio.FITS.from_bytes(made(), "r+") as file:
            return await getattr(file if key is None else await file[key], method)(**{**given, **options})

    return lambda **options: asyncio.run(run(options))


def named(function: Any) -> list[str]:
    """The parameters that can be given by name and left out, or numbers that can't."""
    found = inspect.signature(function).parameters.values()
    plain = [p.name for p in found if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "self"]
    return [name for name in plain if name not in {"filename", "data", "source", "url", "directory", "key"} | FREE]


image, dtype = np.ones((6, 8), "i2"), [("x", "f8")]
METHODS: list[tuple[str | None, str, dict[str, Any]]] = [
    (None, "write_image", {"data": image}),
    (None, "create_image_hdu", {"dtype": "i2", "dims": (2, 2)}),
    (None, "write", {"data": image}),
    (None, "write_table", {"data": TABLE}),
    (None, "create_table_hdu", {"dtype": dtype}),
    (None, "create_ascii_table_hdu", {"dtype": dtype}),
    ("SCI", "read", {}),
    ("SCI", "write", {"data": image}),
    ("CAT", "read", {}),
    ("CAT", "write", {"data": TABLE}),
    ("CAT", "append", {"data": TABLE}),
    ("CAT", "insert_column", {"name": "new", "data": np.zeros(5)}),
    ("CAT", "truncate", {}),
    ("Z", "set_tile_cache_size", {}),
    ("ZCAT", "set_tile_cache_size", {}),
]
# What an option needs besides.
BESIDES: dict[str, dict[str, Any]] = {
    "ztilelen": {"compress": True},
    "block_bytes": {"mode": "auto"},
    "cache_bytes": {"mode": "auto"},
    "cache": {"mode": "auto"},
}


def cases() -> Iterator[Any]:
    def each(label: str, function: Any, call: Callable[..., Any]) -> Iterator[Any]:
        for option in named(function):
            yield pytest.param(call, option, id=f"{label}-{option}")

    for key, method, given in METHODS:
        with rustfits.FITS.from_bytes(made()) as file:
            owner = type(file if key is None else file[key])
        label = f"{owner.__name__}.{method}"
        yield from each(label, getattr(owner, method), fresh(method, given, key))
        if method != "set_tile_cache_size":
            yield from each(f"aio.{label}", getattr(owner, method), awaited(method, given, key))
    for kind in ("Timeout", "Remote", "BlockCache", "Gzip1", "Gzip2", "Rice1", "Plio1", "Hcompress1", "NoCompress"):
        yield from each(kind, getattr(rustfits, kind), getattr(rustfits, kind))
    yield from each("Quantize", rustfits.Quantize, rustfits.Quantize)
    yield from each("Download", rustfits.Download, lambda **o: rustfits.Download("http://archive.example/a", **o))
    for option in _fetch._Options.__annotations__:
        yield pytest.param(lambda **o: rustfits.fetch_many([], **o).close(), option, id=f"fetch_many-{option}")
        yield pytest.param(lambda **o: aio.fetch_many([], **o), option, id=f"aio.fetch_many-{option}")


@pytest.mark.parametrize(("call", "option"), list(cases()))
@pytest.mark.parametrize("value", WRONG, ids=["-1", "2**70", "nan", "x", "None", "object"])
def test_a_wrong_value_is_named(call: Callable[..., Any], option: str, value: Any) -> None:
    try:
        call(**{**BESIDES.get(option, {}), option: value})
    except (TypeError, ValueError) as error:
        assert option in shown(error) or (option in LOOKED_UP and "HDU" in str(error))
    except (KeyError, IndexError):
        assert option in LOOKED_UP
    except OSError as error:
        assert option in FILES or "larger than" in str(error)


@pytest.mark.parametrize("key", ["read", "read_header", "stream", "FITS"])
@pytest.mark.parametrize("value", WRONG, ids=["-1", "2**70", "nan", "x", "None", "object"])
def test_of_functions_that_open(key: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(made())
    function = getattr(rustfits, key)
    for option in named(function):
        try:
            function(tmp_path / "a.fits", **{option: value})
        except (TypeError, ValueError) as error:
            assert option in shown(error), option
        except (KeyError, IndexError):
            assert option == "ext"


@pytest.mark.parametrize(
    "make",
    [
        lambda: rustfits.Gzip1(level=-1),
        lambda: rustfits.Gzip2(level=13),
        lambda: rustfits.Rice1(blocksize=-1),
        lambda: rustfits.Rice1(blocksize=0),
        lambda: rustfits.Rice1(blocksize=257),
        lambda: rustfits.Hcompress1(scale=float("nan")),
        lambda: rustfits.NoCompress(tile_shape=(0, 3)),
        lambda: rustfits.NoCompress(heap_format="R"),
        lambda: rustfits.Quantize(level=float("nan")),
        lambda: rustfits.Quantize(level=0),
        lambda: rustfits.Quantize(method="dither3"),
        lambda: rustfits.Quantize(seed=10_001),
        lambda: rustfits.Quantize(seed=-1),
        lambda: rustfits.Quantize(level=-float("inf")),
        lambda: rustfits.Timeout(idle=-1),
        lambda: rustfits.Timeout(total=float("inf")),
        lambda: rustfits.Remote(timeout=float("nan")),
        lambda: rustfits.Remote(max_bytes=0),
        lambda: rustfits.BlockCache(2**64),
        lambda: rustfits.fetch_many([], concurrency=0),
        lambda: rustfits.fetch_many([], retries=-1),
        lambda: rustfits.fetch_many([], backoff=float("inf")),
    ],
)
def test_refused_when_made(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w+ "):
        make()


@pytest.mark.parametrize("key", [2**70, -(2**70), ("SCI", 2**70), 9])
def test_numbers_of_hdus(key: Any) -> None:
    with rustfits.FITS.from_bytes(made()) as file:
        with pytest.raises(IndexError if isinstance(key, int) else KeyError, match="HDU"):
            file[key]
        assert key not in file


@pytest.mark.parametrize("row", [2**70, -(2**70), 5])
def test_numbers_of_rows(row: int) -> None:
    with rustfits.FITS.from_bytes(made()) as file:
        for read in (lambda: file["CAT"][row], lambda: file["CAT"].read(rows=[row]), lambda: file["CAT"]["x"][row]):
            with pytest.raises(IndexError, match="out of range"):
                read()
