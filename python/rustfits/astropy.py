"""astropy's tables: ``Table.read("x.fits", format="rustfits")`` and ``table.write("x.fits", format="rustfits")``.

``import rustfits`` registers the format where ``astropy.table`` was imported before, and never imports astropy
itself. ``import rustfits.astropy`` does so in any order.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from astropy.io.registry import IORegistryError, register_reader, register_writer
from astropy.table import MaskedColumn, Table
from astropy.units import Quantity, UnitBase, UnrecognizedUnit
from astropy.utils.exceptions import AstropyUserWarning

from rustfits._rustfits import FITS, AsciiTableHDU, Header, TableHDU, is_protected_key

__all__ = ["FORMAT", "read_table", "register", "write_table"]

FORMAT = "rustfits"
_COMMENTARY = {"COMMENT": "comments", "HISTORY": "HISTORY", "": ""}


def read_table(
    filename: str | os.PathLike[str],
    hdu: int | str | tuple[str, int] | None = None,
    *,
    rows: Any = None,
    columns: Any = None,
    lenient: bool = False,
    remote: Any = None,
) -> Table:
    """Read a table: what ``Table.read(filename, format="rustfits")`` calls.

    Parameters
    ----------
    filename : str or os.PathLike
        A path or a URL, as for `rustfits.FITS`.
    hdu : int, str or (str, int), optional
        The HDU; the first table unless given.
    rows, columns : optional
        As for `rustfits.TableHDU.read`: only these are read.
    lenient, remote : optional
        As for `rustfits.FITS`.

    Returns
    -------
    astropy.table.Table
        Columns with their units; those with nulls are masked. ``meta`` has the cards of the header that do not describe
        the structure of the file or the columns, COMMENT cards as ``comments``.
    """
    with FITS(filename, lenient=lenient, remote=remote) as fits:
        source = _first_table(fits, os.fspath(filename)) if hdu is None else fits[hdu]
        if not isinstance(source, (TableHDU, AsciiTableHDU)):
            raise ValueError(f"{os.fspath(filename)}, HDU {source.index}: not a table")
        data = source.read(rows=rows, columns=columns, mask_null=True)
        units, meta = source.units, _meta(source.header)
    mask = np.ma.getmaskarray(data)
    values = np.ma.getdata(data)
    table = Table(meta=meta)
    for name in data.dtype.names:
        if mask[name].any():
            table[name] = MaskedColumn(values[name], mask=mask[name])
        else:
            table[name] = values[name]
        if name in units:
            table[name].unit = _unit(units[name])
    return table


def write_table(
    table: Table,
    filename: str | os.PathLike[str],
    *,
    extname: str | None = None,
    overwrite: bool = False,
    append: bool = False,
) -> None:
    """Write a table: what ``table.write(filename, format="rustfits")`` calls.

    Parameters
    ----------
    table : astropy.table.Table
        Units become TUNIT, masked values nulls, ``meta`` cards of the header.
    filename : str or os.PathLike
        A path; one that ends in ``.gz`` is compressed. The file appears when it is complete.
    extname : str, optional
        EXTNAME; that of ``meta`` unless given.
    overwrite : bool
        Take the place of a file that is there.
    append : bool
        Add the table to a file that is there.
    """
    exists = os.path.exists(filename)
    if exists and not overwrite and not append:
        raise OSError(f"{os.fspath(filename)} exists: write with overwrite=True or append=True")
    columns, units = {}, {}
    for name in table.colnames:
        column = table[name]
        unit = getattr(column, "unit", None)
        if unit is not None:
            units[name] = unit.to_string("fits") if isinstance(unit, UnitBase) else str(unit)
        if isinstance(column, Quantity):
            column = column.value
        elif name in table.columns and not isinstance(column, np.ndarray):
            kind = type(column).__name__
            message = f"column '{name}' is a {kind}, which FITS tables have not: make columns of numbers or text of it"
            raise TypeError(message)
        columns[name] = np.ma.asarray(column) if isinstance(column, np.ma.MaskedArray) else np.asarray(column)
    header = _cards(table.meta)
    name = extname if extname is not None else table.meta.get("EXTNAME")
    if append and exists:
        with FITS(filename, "r+") as fits:
            fits.write_table(columns, units=units, extname=name, header=header)
        return
    with FITS(filename, "w+", atomic=True) as fits:
        fits.write_table(columns, units=units, extname=name, header=header)


def register() -> None:
    """Register the format with astropy; once is enough."""
    try:
        register_reader(FORMAT, Table, read_table)
        register_writer(FORMAT, Table, write_table)
    except IORegistryError:
        pass


def _first_table(fits: FITS, name: str) -> TableHDU | AsciiTableHDU:
    for hdu in fits:
        if isinstance(hdu, (TableHDU, AsciiTableHDU)):
            return hdu
    raise ValueError(f"{name}: no HDU is a table")


def _unit(text: str) -> Any:
    from astropy.units import Unit

    try:
        return Unit(text, format="fits", parse_strict="raise")
    except ValueError:
        unit = Unit(text, parse_strict="silent")
        return unit if not isinstance(unit, UnrecognizedUnit) else UnrecognizedUnit(text)


def _meta(header: Header) -> dict[str, Any]:
    columns = range(1, int(header.get("TFIELDS", 0)) + 1)
    described = {f"{stem}{number}" for stem in ("TTYPE", "TFORM", "TUNIT", "TDIM") for number in columns}
    described |= {f"{stem}{number}" for stem in ("TSCAL", "TZERO", "TNULL", "TBCOL") for number in columns}
    meta: dict[str, Any] = {}
    for keyword in header:
        if keyword in _COMMENTARY:
            if keyword:
                meta[_COMMENTARY[keyword]] = list(header[keyword])
        elif keyword == "EXTNAME" or not (is_protected_key(keyword) or keyword in described):
            meta[keyword] = header[keyword]
    return meta


def _cards(meta: dict[str, Any]) -> Header:
    header = Header()
    for keyword, value in meta.items():
        if is_protected_key(keyword) or keyword.upper() == "EXTNAME":
            continue
        try:
            if keyword.lower() == "comments":
                for line in value:
                    header.add_comment(line)
            elif keyword.upper() == "HISTORY":
                for line in [value] if isinstance(value, str) else value:
                    header.add_history(line)
            else:
                header[keyword] = value
        except (TypeError, ValueError) as error:
            message = f"meta '{keyword}' is not written, as a FITS header can't hold it: {error}"
            warnings.warn(message, AstropyUserWarning, stacklevel=2)
    return header


register()
