"""Rows and columns of tables as the package ``fitsio`` gives and takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

# The longest array of a column, as a form such as 1PJ(9) has it.
_LONGEST = re.compile(r"\((\d+)\)")


@contextmanager
def errors_of_fitsio() -> Iterator[None]:
    """``fitsio`` raises ValueError for columns and rows that are not there."""
    try:
        yield
    except (KeyError, IndexError) as error:
        raise ValueError(error.args[0]) from error


def columns_of(data: Any, names: Any = None) -> dict[str, Any]:
    """The columns of a structured array, a dict or a list of arrays with names."""
    if isinstance(data, Mapping):
        return dict(data)
    found = getattr(getattr(data, "dtype", None), "names", None)
    if found is not None:
        rows = np.atleast_1d(data)
        return {name: rows[name] for name in found}
    if names is None:
        raise ValueError("a list of arrays needs names= for its columns")
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != len(data):
        raise ValueError(f"there are {len(data)} arrays and {len(names)} names")
    return dict(zip(names, data, strict=True))


@dataclass(frozen=True)
class Reading:
    """How tables are read: what ``fitsio.FITS`` and ``read`` take."""

    lower: bool = False
    upper: bool = False
    vstorage: str = "fixed"
    case_sensitive: bool = False

    def changed(self, keywords: Mapping[str, Any]) -> Self:
        """The same but for what one call asks for."""
        asked = {name: keywords[name] for name in ("lower", "upper", "vstorage") if keywords.get(name)}
        return replace(self, **asked)

    def records(self, table: Any, columns: Any, rows: Any) -> Any:
        """Rows and columns as a structured array."""
        with errors_of_fitsio():
            for name in columns or ():
                self._check(table, name)
            return self.shaped(table, table.read(columns=columns, rows=rows))

    def column(self, table: Any, name: str | int, rows: Any) -> Any:
        """The values of a column."""
        with errors_of_fitsio():
            self._check(table, name)
            return self._fixed(table, name, table.read_column(name, rows=rows))

    def shaped(self, table: Any, records: Any) -> Any:
        """Records with names in the letter case that was asked for, and arrays of one length."""
        if not (self.upper or self.lower) and not any(kind.kind == "O" for kind, *_ in records.dtype.fields.values()):
            return records
        fields = {name: self._fixed(table, name, records[name]) for name in records.dtype.names}
        names = [name.upper() if self.upper else name.lower() if self.lower else name for name in fields]
        kinds = [(name, values.dtype, values.shape[1:]) for name, values in zip(names, fields.values(), strict=True)]
        shaped = np.empty(len(records), kinds)
        for name, values in zip(names, fields.values(), strict=True):
            shaped[name] = values
        return shaped

    def _fixed(self, table: Any, name: str | int, values: Any) -> Any:
        """Arrays of different lengths as rows of one array, with zeros behind the shorter ones."""
        if values.dtype.kind != "O" or self.vstorage == "object":
            return values
        number = name if isinstance(name, int) else [known.upper() for known in table.colnames].index(name.upper())
        hint = _LONGEST.search(table.header[f"TFORM{number % table.ncols + 1}"])
        longest = max([1 if hint is None else int(hint[1]), *map(len, values)])
        if all(isinstance(value, str) for value in values):
            return values.astype(f"U{longest}")
        fixed = np.zeros((len(values), longest), values[0].dtype)
        for row, value in zip(fixed, values, strict=True):
            row[: len(value)] = value.ravel()
        return fixed

    def _check(self, table: Any, name: str | int) -> None:
        if self.case_sensitive and isinstance(name, str) and name not in table.colnames:
            raise KeyError(f"the table has no column {name!r} in this letter case; there are {list(table.colnames)}")
