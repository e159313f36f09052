"""What is measured of tables beside numbers in rows: text, Arrow, and tables of text and of arrays written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pandas as pd
import pyarrow as pa
import rustfits
from astropy.io import fits
from astropy.table import Table
from data import Data
from works import Work, _fitsio
from writing import _written

CELLS = 10_000_000


def more_tables(data: Data) -> list[Work]:
    directory = data.root / "written"
    directory.mkdir(exist_ok=True)
    return [
        *_text(data),
        _arrow(data),
        _from_arrow(data, directory),
        *_written_cells(data, directory),
    ]


def _text(data: Data) -> list[Work]:
    path = data.text(CELLS)

    def ours(as_bytes: bool) -> Any:
        with rustfits.FITS(path) as f:
            return f[1].read_column("S", as_bytes=as_bytes)

    def by_fitsio(as_text: bool) -> Any:
        with fitsio.FITS(path) as f:
            column = f[1].read_column("S")
        return column if as_text == (column.dtype.kind == "U") else column.astype("U")

    def by_astropy(as_text: bool) -> Any:
        with fits.open(path, memmap=False) as f:
            column = np.array(f[1].data["S"])
        return column if as_text == (column.dtype.kind == "U") else column.astype("S")

    return [
        Work(
            f"{CELLS // data.scale:,} strings as {kind}",
            2,
            {
                "rustfits": lambda as_bytes=as_bytes: ours(as_bytes),
                "fitsio": lambda as_bytes=as_bytes: by_fitsio(not as_bytes),
                "astropy": lambda as_bytes=as_bytes: by_astropy(not as_bytes),
            },
        )
        for kind, as_bytes in [("U", False), ("S", True)]
    ]


def _arrow(data: Data) -> Work:
    """The table as what analysis goes on with; pandas has no columns of several numbers, so those are left out."""
    path = data.table(1_000_000)
    with rustfits.FITS(path) as f:
        names = [name for name in f[1].colnames if not f[1].dtype[name].shape]

    def ours() -> Any:
        with rustfits.FITS(path) as f:
            return pa.table(f[1][names])

    def by_astropy() -> Any:
        return pa.Table.from_pandas(
            Table.read(path, 1, memmap=False)[names].to_pandas()
        )

    def by_fitsio() -> Any:
        table = _fitsio(path, 1)
        frame = pd.DataFrame(
            {
                name: table[name].astype(table[name].dtype.newbyteorder("="))
                for name in names
            }
        )
        return pa.Table.from_pandas(frame)

    readers = {
        "rustfits": ours,
        "astropy + pandas": by_astropy,
        "fitsio + pandas": by_fitsio,
    }
    return Work("table to Arrow", 3, readers, base="astropy + pandas")


def _from_arrow(data: Data, directory: Path) -> Work:
    path = data.table(1_000_000)
    with rustfits.FITS(path) as f:
        table = pa.table(f[1])
    frame = table.select(
        [
            n
            for n in table.column_names
            if not pa.types.is_nested(table.schema.field(n).type)
        ]
    )

    def ours(name: str) -> None:
        with rustfits.FITS(name, "w+") as file:
            file.write_table(frame)

    def by_astropy(name: str) -> None:
        Table.from_pandas(frame.to_pandas()).write(name, format="fits")

    readers = {
        "rustfits": _written(directory, "rustfits", ours),
        "astropy + pandas": _written(directory, "astropy", by_astropy),
    }
    return Work("write a table of Arrow", None, readers)


def _written_cells(data: Data, directory: Path) -> list[Work]:
    """Left out where this version does not write them."""
    rows = 1_000_000 // data.scale
    cells = rustfits.read(data.variable(1_000_000), 1)["C"]
    text = rustfits.read(data.ascii(1_000_000), 1)
    kinds = [("I", "i4"), ("X", "f4"), ("D", "f8"), ("S", "S10")]
    text = text.astype(kinds)

    def ours_cells(path: str, cells: Any = cells) -> None:
        with rustfits.FITS(path, "w+") as file:
            file.write_table({"C": cells}, var_dtypes={"C": "f4"})

    def fitsio_cells(path: str) -> None:
        table = np.zeros(rows, [("C", "O")])
        table["C"] = cells
        fitsio.write(path, table)

    def ours_text(path: str, text: Any = text) -> None:
        with rustfits.FITS(path, "w+") as file:
            file.create_ascii_table_hdu(text.dtype, len(text))[...] = text

    def fitsio_text(path: str) -> None:
        with fitsio.FITS(path, "rw") as file:
            file.write(text, table_type="ascii")

    works = []
    for name, target, ours, theirs, few in [
        ("write variable-length f4 column", 2, ours_cells, fitsio_cells, cells[:2]),
        ("write ASCII table", 3, ours_text, fitsio_text, text[:2]),
    ]:
        try:
            ours("mem://", few)
        except (NotImplementedError, AttributeError):
            continue
        readers = {
            "rustfits": _written(directory, "rustfits", ours),
            "fitsio": _written(directory, "fitsio", theirs),
        }
        works.append(Work(name, target, readers, base="fitsio", rounds=3))
    return works
