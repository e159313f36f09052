"""HDUs with the methods that the package ``fitsio`` gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import rustfits
from rustfits._fitsio_header import FITSHDR, native_of, set_card
from rustfits._fitsio_rows import Reading, columns_of, errors_of_fitsio
from rustfits._fitsio_where import true_rows


class HDU:
    """An HDU with the methods of ``fitsio``. ``native`` is the HDU of ``rustfits``."""

    def __init__(self, native: Any, filename: str) -> None:
        self.native = native
        self._filename = filename

    def read_header(self) -> FITSHDR:
        """A copy of the header."""
        return FITSHDR(self.native.header)

    def read_header_list(self) -> list[dict[str, Any]]:
        """The cards of the header: dicts with ``name``, ``value`` and ``comment``."""
        return self.read_header().records()

    def write_key(self, name: str, value: Any, comment: str = "") -> None:
        """Sets a card. Without a comment that of an old card stays."""
        set_card(self.native.header, name, value, comment or None)

    def write_keys(self, records: Any, clean: bool = True) -> None:
        """Sets cards, given as ``header=`` takes them. ``clean`` leaves out those of the structure."""
        cards = FITSHDR(records)
        if clean:
            cards.clean()
        self.native.header.update(cards.native, copy_commentary=True)

    def write_comment(self, comment: str) -> None:
        """Adds COMMENT cards."""
        self.native.header.add_comment(comment)

    def write_history(self, history: str) -> None:
        """Adds HISTORY cards."""
        self.native.header.add_history(history)

    def delete_key(self, name: str) -> None:
        """Takes a card out."""
        del self.native.header[name]

    def delete_keys(self, names: Iterable[str]) -> None:
        """Takes cards out."""
        with self.native.header.edit() as header:
            for name in names:
                del header[name]

    def write_checksum(self) -> dict[str, Any]:
        """Sets DATASUM and CHECKSUM; gives both."""
        self.native.add_checksum()
        return {name.lower(): self.native.header[name] for name in ("DATASUM", "CHECKSUM")}

    def verify_checksum(self) -> None:
        """Raises OSError where the data or the HDU are not those that the cards were made for."""
        if self.native.verify_datasum() is False:
            raise OSError(f"{self.get_filename()}: HDU {self.get_extnum()}: data checksum failed")
        if self.native.verify_checksum() is False:
            raise OSError(f"{self.get_filename()}: HDU {self.get_extnum()}: hdu checksum failed")

    def get_extnum(self) -> int:
        """The number of the HDU, counted from 0."""
        return int(self.native.index)

    def get_extname(self) -> str:
        """EXTNAME, or an empty text."""
        return self.native.extname or ""

    def get_extver(self) -> int:
        """EXTVER, 0 where it is missing."""
        return self.native.extver if "EXTVER" in self.native.header else 0

    def get_exttype(self, num: bool = False) -> str | int:
        """IMAGE_HDU, ASCII_TBL or BINARY_TBL; ``num``: 0, 1 or 2."""
        kinds = ("IMAGE_HDU", "ASCII_TBL", "BINARY_TBL")
        number = 0
        if isinstance(self.native, rustfits.AsciiTableHDU):
            number = 1
        elif isinstance(self.native, rustfits.TableHDU):
            number = 2
        return number if num else kinds[number]

    def get_filename(self) -> str:
        """The name of the file."""
        return self._filename

    def has_data(self) -> bool:
        """Whether there are data."""
        return bool(self.native.has_data)

    def __getitem__(self, key: Any) -> Any:
        return self.native[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.native[key] = value

    def __len__(self) -> int:
        return len(self.native)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.native)

    def __repr__(self) -> str:
        return repr(self.native)

    def __getattr__(self, name: str) -> Any:
        return getattr(native_of(self, name), name)


class ImageHDU(HDU):
    """An image, with the methods of ``fitsio``."""

    def read(self, **keywords: Any) -> Any:
        """The pixels."""
        return self.native.read(**keywords)

    def write(self, img: Any, start: Any = 0, **keywords: Any) -> None:
        """Writes into the image, from ``start`` on: a position for each axis, or the number of a pixel.

        What reaches beyond the end of the first axis makes the image longer.
        """
        data = np.asanyarray(img)
        if not isinstance(start, int) and data.ndim == len(start) > 0:
            missing = int(start[0]) + data.shape[0] - self.native.shape[0]
            if missing > 0:
                self.native.extend(np.zeros((missing, *self.native.shape[1:]), self.native.dtype))
        self.native.write(data, start=start, **keywords)

    def get_dims(self) -> list[int]:
        """The lengths of the axes, slowest first."""
        return list(self.native.shape)

    def get_comptype(self) -> str | None:
        """The name of the compression, None for an image without."""
        return self.native.zcmptype if self.is_compressed() else None

    def is_compressed(self) -> bool:
        """Whether it is an image in compressed tiles."""
        return isinstance(self.native, rustfits.CompressedImageHDU)


class TableHDU(HDU):
    """A table, with the methods of ``fitsio``. ``reading`` is what its file was opened with."""

    def __init__(self, native: Any, filename: str, reading: Reading) -> None:
        super().__init__(native, filename)
        self._reading = reading

    def get_colnames(self) -> list[str]:
        """The names of the columns."""
        return list(self.native.colnames)

    def get_colname(self, colnum: int) -> str:
        """The name of a column, by number."""
        return str(self.native.colnames[colnum])

    def get_nrows(self) -> int:
        """How many rows there are."""
        return int(self.native.nrows)

    def get_rec_dtype(self, colnums: Iterable[int] | None = None, vstorage: str | None = None) -> Any:
        """The dtype of the rows, where each column begins in them, and whether it is of variable length."""
        reading = self._reading.changed({"vstorage": vstorage})
        columns = None if colnums is None else [self.get_colname(number) for number in colnums]
        dtype = reading.records(self.native, columns, []).dtype
        fields = dtype.fields or {}
        variable = [self.native.dtype[name].kind == "O" for name in columns or self.native.colnames]
        return dtype, [fields[name][1] for name in dtype.names or ()], variable

    def get_vstorage(self) -> str:
        """How columns of variable length are read."""
        return self._reading.vstorage

    def read(self, columns: Any = None, rows: Any = None, **keywords: Any) -> Any:
        """Reads rows and columns as a structured array; of a single name its column.

        Columns come in the order in which they are asked for. ``vstorage``, ``upper`` and ``lower`` are those of the
        file unless given; ``trim_strings`` changes nothing, as texts come without trailing blanks.
        """
        reading = self._reading.changed(keywords)
        if isinstance(columns, str | int):
            return reading.column(self.native, columns, rows)
        return reading.records(self.native, columns, rows)

    def read_column(self, col: str | int, rows: Any = None, **keywords: Any) -> Any:
        """Reads a column."""
        return self._reading.changed(keywords).column(self.native, col, rows)

    def read_columns(self, columns: Sequence[str | int], rows: Any = None, **keywords: Any) -> Any:
        """Reads columns as a structured array."""
        return self.read(columns=list(columns), rows=rows, **keywords)

    def read_rows(self, rows: Any, **keywords: Any) -> Any:
        """Reads rows as a structured array."""
        return self.read(rows=rows, **keywords)

    def read_slice(self, firstrow: int, lastrow: int, step: int = 1, **keywords: Any) -> Any:
        """Reads the rows from one to another, which does not count any more."""
        return self.read(rows=slice(firstrow, lastrow, step), **keywords)

    def where(self, expression: str, firstrow: int | None = None, lastrow: int | None = None) -> Any:
        """The numbers of the rows for which an expression is true, such as ``"x > 3 && y < 25"``.

        They are counted from ``firstrow``.
        Comparisons, arithmetic, ``&&``, ``||``, ``!``, parentheses and functions of numbers are understood, not the
        whole language of CFITSIO.
        """
        first, last, _ = slice(firstrow, lastrow).indices(self.get_nrows())
        with errors_of_fitsio():
            chosen = true_rows(expression, lambda name: self.native.read_column(name, rows=slice(first, last)))
        return np.flatnonzero(np.broadcast_to(chosen, max(last - first, 0)))

    def write(self, data: Any, firstrow: int = 0, columns: Any = None, names: Any = None, **keywords: Any) -> None:
        """Writes rows, or some of their columns, from a row on.

        What reaches beyond the last row makes the table longer.
        """
        given = columns_of(data, names if names is not None else columns)
        last = firstrow + max((len(values) for values in given.values()), default=0)
        if last > self.get_nrows():
            self.resize(last)
        self.native[list(given)].write(given, rows=slice(firstrow, last))

    def write_column(self, column: str | int, data: Any, firstrow: int = 0, **keywords: Any) -> None:
        """Writes a column, from a row on."""
        name = column if isinstance(column, str) else self.get_colname(column)
        self.write({name: data}, firstrow=firstrow)

    write_var_column = write_column

    def append(self, data: Any, columns: Any = None, names: Any = None, **keywords: Any) -> None:
        """Adds rows."""
        names = names if names is not None else columns
        self.native.append(data if names is None else columns_of(data, names))

    def insert_column(self, name: str, data: Any, colnum: int | None = None, **keywords: Any) -> None:
        """Adds a column, in front of number ``colnum`` or behind the others."""
        self.native.insert_column(name, data, position=colnum)

    def resize(self, nrows: int, front: bool = False) -> None:
        """Takes rows off the end of the table, or adds empty ones there; ``front``: at its beginning."""
        old = self.get_nrows()
        if nrows < old:
            self.delete_rows(slice(0, old - nrows) if front else slice(nrows, old))
        elif nrows > old:
            added = np.zeros(nrows - old, self.native.dtype)
            for name in added.dtype.names or ():
                if added.dtype[name].kind == "O":
                    added[name] = [[]] * len(added)
            moved = self.native.read() if front else None
            self.native.append(added)
            if moved is not None:
                self.native[nrows - old :] = moved
                self.native[: nrows - old] = added

    def delete_rows(self, rows: Any) -> None:
        """Takes out a row, a slice of them or several, given by number. Those behind them move up."""
        old = self.get_nrows()
        gone = np.unique(np.arange(old)[rows])
        if not gone.size:
            return
        first = int(gone[0])
        kept = np.setdiff1d(np.arange(first, old), gone)
        if kept.size:
            moved = self.native.read(rows=kept)
            self.native[first : first + len(moved)] = moved
        self.native.truncate(first + kept.size)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) or (isinstance(key, tuple | list) and key and isinstance(key[0], str)):
            return Columns(self, key)
        if isinstance(key, int | np.integer):
            return self.read(rows=[key])[0]
        return self.read(rows=key)

    def __iter__(self) -> Iterator[Any]:
        return (row for chunk in self.native.iter() for row in self._reading.shaped(self.native, chunk))


class Columns:
    """Columns of a table, ``hdu["x"]`` or ``hdu["x", "y"]``: read or written when rows are named.

    One column gives its values, several a structured array.
    """

    def __init__(self, table: TableHDU, names: Any) -> None:
        self._table = table
        self._names = names if isinstance(names, str) else list(names)

    def read(self, rows: Any = None, **keywords: Any) -> Any:
        """All values, or those of some rows."""
        return self._table.read(columns=self._names, rows=rows, **keywords)

    def write(self, data: Any, rows: Any = None) -> None:
        """Writes all values, or those of some rows."""
        self._table.native[self._names].write(data, rows=rows)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.read(rows=[rows])[0]
        return self.read(rows=rows)

    def __setitem__(self, rows: Any, value: Any) -> None:
        with errors_of_fitsio():
            self._table.native[self._names][rows] = value
