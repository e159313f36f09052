"""Random tables and random edits against a model in numpy, read back by astropy and fitsio at the end.

`RUSTFITS_TABLE_SEEDS` sets how many sequences of edits are tried.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits

SEEDS = int(os.environ.get("RUSTFITS_TABLE_SEEDS", "25"))
EDITS = 14
CODES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16", "?", "U1", "U7", "S4"]
SHAPES: list[tuple[int, ...]] = [(), (), (), (3,), (2, 2), (1,), (5, 1, 2)]

Model = dict[str, np.ndarray]


def values(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "US":
        letters = rng.integers(ord("a"), ord("z"), (*shape, dtype.itemsize // (4 if dtype.kind == "U" else 1)))
        kept = rng.integers(0, letters.shape[-1], shape, endpoint=True)
        letters[np.arange(letters.shape[-1]) >= kept[..., None]] = 0
        code = "u4" if dtype.kind == "U" else "u1"
        return np.ascontiguousarray(letters.astype(code)).view(dtype)[..., 0]
    numbers = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype.kind == "c" else 0)
    return np.asarray(numbers).astype(dtype)


def column(rng: np.random.Generator, rows: int) -> np.ndarray:
    dtype = np.dtype(CODES[rng.integers(len(CODES))])
    shape = (rows, *SHAPES[rng.integers(len(SHAPES))])
    return values(rng, dtype, shape)


def given(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same values in another byte order or memory order."""
    match rng.integers(4):
        case 0:
            return array.astype(array.dtype.newbyteorder(">"))
        case 1:
            return np.repeat(array, 2, axis=0)[::2]
        case 2:
            return np.asfortranarray(array)
        case _:
            return array


def structured(columns: Model) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    array = np.zeros(rows, [(name, a.dtype, a.shape[1:]) for name, a in columns.items()])
    for name, a in columns.items():
        array[name] = a
    return array


def row_key(rng: np.random.Generator, rows: int) -> Any:
    match rng.integers(3):
        case 0:
            start, stop = sorted(rng.integers(0, rows, 2, endpoint=True).tolist())
            return slice(start, stop, int(rng.integers(1, 4)))
        case 1:
            return slice(None, None, int(rng.choice([-3, -2, -1])))
        case _:
            return rng.permutation(rows)[: rng.integers(1, rows, endpoint=True)].tolist() if rows else []


def edit(rng: np.random.Generator, hdu: Any, model: Model, number: int) -> None:
    rows, names = len(next(iter(model.values()))), list(model)
    name = names[rng.integers(len(names))]
    dtype, cell = model[name].dtype, model[name].shape[1:]
    match rng.integers(8):
        case 0:
            model[name] = values(rng, dtype, (rows, *cell))
            hdu[name] = given(rng, model[name])
        case 1:
            key = row_key(rng, rows)
            new = values(rng, dtype, model[name][key].shape)
            model[name][key] = new
            hdu[name][key] = given(rng, new)
        case 2:
            key = row_key(rng, rows)
            new = {n: values(rng, a.dtype, a[key].shape) for n, a in model.items()}
            for n in model:
                model[n][key] = new[n]
            hdu[key] = structured(new) if rng.random() < 0.5 else new
        case 3 if rows:
            row = int(rng.integers(-rows, rows))
            cells = tuple(values(rng, a.dtype, (1, *a.shape[1:]))[0] for a in model.values())
            for n, value in zip(model, cells, strict=True):
                model[n][row] = value
            hdu[row] = cells
        case 4 | 5:
            new = {n: values(rng, a.dtype, (int(rng.integers(0, 60)), *a.shape[1:])) for n, a in model.items()}
            count = min(len(a) for a in new.values())
            new = {n: a[:count] for n, a in new.items()}
            for n in model:
                model[n] = np.concatenate([model[n], new[n]])
            hdu.append(structured(new) if rng.random() < 0.5 else {n: given(rng, a) for n, a in new.items()})
        case 6:
            new = column(rng, rows)
            at = int(rng.integers(0, len(names), endpoint=True))
            hdu.insert_column(f"new{number}", given(rng, new), position=at)
            items = list(model.items())
            items.insert(at, (f"new{number}", new))
            model.clear()
            model.update(items)
        case 7 if len(names) > 1:
            hdu.delete_column(name)
            del model[name]


def check(model: Model, table: Any, what: str, columns: Any) -> None:
    for name, wanted in model.items():
        got = np.asarray(table[name])
        if wanted.dtype.kind in "US":
            got = np.char.rstrip(got).astype(wanted.dtype)
        elif wanted.dtype == "i1":
            got = got.astype("i1")
        # fitsio has no axes of length 1 around a single value.
        np.testing.assert_array_equal(got.reshape(wanted.shape), wanted, err_msg=f"{what} {name}")
    assert list(columns) == list(model)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_edits(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(0, 40))
    model: Model = {f"c{n}": column(rng, rows) for n in range(rng.integers(1, 7))}
    path = tmp_path / "table.fits"
    behind = np.arange(rng.integers(1, 5000))
    with rustfits.FITS(path, "w+") as fits:
        fits.write_table({name: given(rng, a) for name, a in model.items()}, extname="T")
        if rng.random() < 0.5:
            fits.write_image(behind, extname="BEHIND")
    for number in range(EDITS):
        with rustfits.FITS(path, "r+") as fits:
            hdu = fits["T"]
            edit(rng, hdu, model, number)
            check(model, hdu.read(), f"edit {number}", hdu.colnames)
    data = path.read_bytes()
    with astropy_fits.open(io.BytesIO(data)) as theirs:
        theirs.verify("exception")
        check(model, theirs["T"].data, "astropy", theirs["T"].columns.names)
        if "BEHIND" in theirs:
            np.testing.assert_array_equal(theirs["BEHIND"].data, behind)
    if len(next(iter(model.values()))):
        back = fitsio.read(str(path), ext="T")
        check(model, back, "fitsio", back.dtype.names)
