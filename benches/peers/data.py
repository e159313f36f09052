"""The files that the benchmarks read, made once with fitsio."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import fitsio
import numpy as np

RNG_SEED = 7
MIB = 1 << 20
# The 20 columns of the table, as numpy names them.
KINDS = "i2,i4,i8,f4,f8,S10,?,3f4,u1,u2,i4,f8,f4,i2,S4,f8,i8,2i4,f4,f8"


class Data:
    """Makes each file when it is first asked for; `scale` divides the sizes (1: as the targets say)."""

    def __init__(self, root: Path, scale: int) -> None:
        self.root = root / f"scale-{scale}"
        self.scale = scale
        self.root.mkdir(parents=True, exist_ok=True)

    def _make(self, name: str, write: object) -> str:
        path = self.root / name
        if not path.exists():
            part = self.root / f"part-{name}"
            part.unlink(missing_ok=True)
            write(str(part))  # type: ignore[operator]
            os.replace(part, path)
        return str(path)

    def _side(self, mib: int, itemsize: int) -> int:
        return int((mib * MIB // self.scale // itemsize) ** 0.5)

    def noise(self, mib: int, dtype: str) -> np.ndarray:
        """A sky: a gradient, noise of sigma 20 and some bright pixels."""
        side = self._side(mib, np.dtype(dtype).itemsize)
        rng = np.random.default_rng(RNG_SEED)
        sky = rng.normal(1000, 20, (side, side)).astype("f4")
        sky += np.arange(side, dtype="f4") / 50
        sky[rng.integers(0, side, 1000), rng.integers(0, side, 1000)] += 20000
        return sky.astype(dtype)

    def image(self, mib: int, dtype: str) -> str:
        def write(path: str) -> None:
            with fitsio.FITS(path, "rw") as f:
                f.write(self.noise(mib, dtype))

        return self._make(f"image-{mib}-{dtype}.fits", write)

    def gzipped(self, mib: int, dtype: str) -> str:
        def write(path: str) -> None:
            with (
                open(self.image(mib, dtype), "rb") as plain,
                gzip.open(path, "wb", compresslevel=6) as packed,
            ):
                shutil.copyfileobj(plain, packed, 4 * MIB)

        return self._make(f"image-{mib}-{dtype}.fits.gz", write)

    def rice(self, mib: int, dtype: str, copy: int = 0) -> str:
        def write(path: str) -> None:
            with fitsio.FITS(path, "rw") as f:
                f.write(
                    self.noise(mib, dtype),
                    compress="RICE",
                    qlevel=4.0 if dtype == "f4" else None,
                )

        return self._make(f"rice-{mib}-{dtype}-{copy}.fits", write)

    def small(self, count: int) -> list[str]:
        def write(path: str) -> None:
            with fitsio.FITS(path, "rw") as f:
                f.write(
                    np.zeros((32, 32), "f4"),
                    header=[{"name": f"KEY{i}", "value": i} for i in range(100)],
                )

        return [self._make(f"small-{i}.fits", write) for i in range(count)]

    def header(self, cards: int) -> tuple[str, list[str]]:
        names = [f"K{i}" for i in range(cards)]

        def write(path: str) -> None:
            values = [
                i * 1.5 if i % 3 == 0 else i if i % 3 == 1 else f"text {i}"
                for i in range(cards)
            ]
            with fitsio.FITS(path, "rw") as f:
                f.write(
                    np.zeros(1, "u1"),
                    header=[
                        {"name": n, "value": v}
                        for n, v in zip(names, values, strict=True)
                    ],
                )

        return self._make(f"header-{cards}.fits", write), names

    def hdus(self, count: int) -> str:
        def write(path: str) -> None:
            with fitsio.FITS(path, "rw") as f:
                for i in range(count):
                    f.write(np.zeros((64, 64), "f4"), extname=f"E{i}")

        return self._make(f"hdus-{count}.fits", write)

    def table(self, rows: int) -> str:
        rows //= self.scale
        kinds = KINDS.split(",")

        def write(path: str) -> None:
            rng = np.random.default_rng(RNG_SEED)
            table = np.zeros(rows, [(f"C{i}", kind) for i, kind in enumerate(kinds)])
            for name in table.dtype.names:
                column = table[name]
                column[...] = rng.integers(0, 100, column.shape).astype(column.dtype)
            with fitsio.FITS(path, "rw") as f:
                f.write(table, extname="T")

        return self._make(f"table-{rows}.fits", write)

    def variable(self, rows: int) -> str:
        """A column of arrays of 1 to 8 floats."""
        rows //= self.scale

        def write(path: str) -> None:
            rng = np.random.default_rng(RNG_SEED)
            table = np.zeros(rows, [("C", "O")])
            for row, length in enumerate(rng.integers(1, 9, rows)):
                table["C"][row] = np.full(length, row, "f4")
            with fitsio.FITS(path, "rw") as f:
                f.write(table, extname="T")

        return self._make(f"variable-{rows}.fits", write)

    def ascii(self, rows: int) -> str:
        rows //= self.scale

        def write(path: str) -> None:
            rng = np.random.default_rng(RNG_SEED)
            kinds = [("I", "i4"), ("X", "f4"), ("D", "f8"), ("S", "S10")]
            table = np.zeros(rows, kinds)
            table["I"] = rng.integers(-(2**31), 2**31, rows)
            table["X"], table["D"] = rng.normal(size=(2, rows))
            table["S"] = b"abcdef"
            with fitsio.FITS(path, "rw") as f:
                f.write(table, extname="T", table_type="ascii")

        return self._make(f"ascii-{rows}.fits", write)

    def text(self, cells: int) -> str:
        """A column of strings of up to 12 characters."""
        cells //= self.scale

        def write(path: str) -> None:
            numbers = np.arange(cells, dtype="u8") ** 2 % 10**12
            table = np.zeros(cells, [("S", "S12")])
            table["S"] = numbers.astype("S12")
            with fitsio.FITS(path, "rw") as f:
                f.write(table, extname="T")

        return self._make(f"text-{cells}.fits", write)

    def many(self, count: int) -> list[str]:
        directory = self.root / "many"
        directory.mkdir(exist_ok=True)

        def write(path: str) -> None:
            with fitsio.FITS(path, "rw") as f:
                f.write(np.zeros((512, 512), "f4"))

        first = self._make("many.fits", write)
        names = [f"many/{i}.fits" for i in range(count)]
        for name in names:
            if not (self.root / name).exists():
                shutil.copyfile(first, self.root / name)
        return names
