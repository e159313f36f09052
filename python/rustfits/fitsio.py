"""The calls of the package ``fitsio``, over the same engine: for programs that were written for it.

>>> from rustfits import fitsio
>>> image, header = fitsio.read("image.fits", header=True)  # doctest: +SKIP

Images, tables and headers have most of the methods that ``fitsio`` gives them. Whatever else is asked of a file, an
HDU or a header is asked of the object of ``rustfits`` behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import rustfits

__all__ = ["FITS", "FITSHDR", "HDU", "READONLY", "READWRITE", "read", "read_header", "write"]

READONLY = 0
READWRITE = 1
_READ_MODES = ("r", "READONLY", READONLY)
_WRITE_MODES = ("rw", "READWRITE", READWRITE)


class FITSHDR:
    """A header that is not of a file: what ``read_header`` gives, and what ``header=`` takes.

    Parameters
    ----------
    records : FITSHDR, rustfits.Header, dict or list of dict, optional
        The first cards. The dicts of a list have ``name``, ``value`` and, if wanted, ``comment``.
    """

    def __init__(self, records: Any = None) -> None:
        self.native = rustfits.Header()
        if isinstance(records, FITSHDR):
            self.native = rustfits.Header(records.native)
        elif isinstance(records, rustfits.Header):
            self.native = rustfits.Header(records)
        elif isinstance(records, Mapping):
            for name, value in records.items():
                self.add_record({"name": name, "value": value})
        else:
            for record in records or []:
                self.add_record(record)

    def add_record(self, record: Mapping[str, Any]) -> None:
        """Sets a card from a dict with ``name``, ``value`` and, if wanted, ``comment``.

        One that describes the structure of a file is left out: it is written with the data.
        """
        _set(self.native, record["name"], record.get("value"), record.get("comment"))

    def records(self) -> list[dict[str, Any]]:
        """The cards: dicts with ``name``, ``value`` and ``comment``."""
        records: list[dict[str, Any]] = []
        for name, value in self.native.items():
            if isinstance(value, list):
                records += [{"name": name, "value": text, "comment": ""} for text in value]
            else:
                records.append({"name": name, "value": value, "comment": self.native.comment_of(name)})
        return records

    def get_comment(self, name: str) -> str:
        """The comment of a card; of a commentary card its text."""
        value = self.native[name]
        return value[0] if isinstance(value, list) else self.native.comment_of(name)

    def delete(self, name: str) -> None:
        """Takes a card out; one that is not there is no error."""
        if name in self.native:
            del self.native[name]

    def clean(self) -> None:
        """Takes out the cards that describe the structure of a file."""
        cleaned = rustfits.Header()
        cleaned.update(self.native, copy_commentary=True)
        self.native = cleaned

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a card, or the default."""
        try:
            return self[name]
        except KeyError:
            return default

    def keys(self) -> list[str]:
        """The names of the cards."""
        return list(self.native.keys())

    def __getitem__(self, name: str) -> Any:
        value = self.native[name]
        return value[0] if isinstance(value, list) else value

    def __setitem__(self, name: str, value: Any) -> None:
        _set(self.native, name, value, None)

    def __delitem__(self, name: str) -> None:
        del self.native[name]

    def __contains__(self, name: str) -> bool:
        return name in self.native

    def __iter__(self) -> Iterator[str]:
        return iter(self.native)

    def __len__(self) -> int:
        return len(self.native.cards)

    def __repr__(self) -> str:
        return "\n" + str(self.native)

    def __getattr__(self, name: str) -> Any:
        return getattr(_native(self, name), name)


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
        _set(self.native.header, name, value, comment or None)

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

    def write(self, data: Any, start: Any = 0, **keywords: Any) -> None:
        """Writes into the image, from ``start`` on: a position for each axis, or the number of a pixel."""
        if isinstance(self.native, rustfits.ImageHDU):
            self.native.write(data, start=start, **keywords)
        else:
            self.native.write(data, **keywords)

    def write_column(self, column: str | int, data: Any, firstrow: int = 0) -> None:
        """Writes a column of the table, from a row on."""
        name = column if isinstance(column, str) else self.native.colnames[column]
        self.native[name].write(data, rows=slice(firstrow, firstrow + len(data)))

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

    def get_dims(self) -> list[int]:
        """The lengths of the axes, slowest first."""
        return list(self.native.shape)

    def get_colnames(self) -> list[str]:
        """The names of a table's columns."""
        return list(self.native.colnames)

    def get_nrows(self) -> int:
        """How many rows a table has."""
        return int(self.native.nrows)

    def is_compressed(self) -> bool:
        """Whether it is an image in compressed tiles."""
        return isinstance(self.native, rustfits.CompressedImageHDU)

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
        return getattr(_native(self, name), name)


class FITS:
    """An open file, as ``fitsio.FITS``.

    Parameters
    ----------
    fname : str or os.PathLike
        A name as `rustfits.FITS` takes it. A ``!`` in front empties the file, as ``clobber`` does.
    mode : {'r', 'rw', 'READONLY', 'READWRITE', 0, 1}
        ``rw`` opens a file to be changed, or creates it.
    clobber : bool
        With ``rw``: empty the file if there is one.
    """

    def __init__(self, fname: str | os.PathLike[str], mode: str | int = "r", clobber: bool = False) -> None:
        name = os.fspath(fname)
        if name.startswith("!"):
            name, clobber = name[1:], True
        if mode in _READ_MODES:
            native_mode = "r"
        elif mode in _WRITE_MODES:
            native_mode = "r+" if os.path.exists(name) and not clobber else "w+"
        else:
            raise OSError(f"{name}: mode {mode!r} is not one of 'r', 'rw', 'READONLY', 'READWRITE', 0, 1")
        self.native: Any = rustfits.FITS(name, native_mode)  # type: ignore[arg-type]

    def write(self, data: Any, **keywords: Any) -> None:
        """Adds an array as an image, a structured array, a dict or a list of arrays as a table."""
        if _is_table(data):
            self.write_table(data, **keywords)
        else:
            self.write_image(data, **keywords)

    def write_image(self, img: Any, header: Any = None, **keywords: Any) -> None:
        """Adds an image. ``header`` is a FITSHDR, a dict or a list of dicts; cards of the structure are left out."""
        self.native.write_image(img, header=_cards(header), **_given(keywords))

    def write_table(self, data: Any, header: Any = None, **keywords: Any) -> None:
        """Adds a table."""
        self.native.write_table(data, header=_cards(header), **_given(keywords))

    def create_image_hdu(
        self, img: Any = None, dims: Any = None, dtype: Any = None, header: Any = None, **keywords: Any
    ) -> None:
        """Adds an image of zeros from ``dims`` and ``dtype``, or the image ``img``."""
        if img is not None:
            self.write_image(img, header=header, **keywords)
        elif dims is None or dtype is None:
            raise ValueError("an image is created from img, or from dims and dtype")
        else:
            self.native.create_image_hdu(dtype, dims, header=_cards(header), **_given(keywords))

    def close(self) -> None:
        """Closes the file."""
        self.native.close()

    def update_hdu_list(self) -> None:
        """Nothing: the list is always up to date."""

    def __getitem__(self, key: Any) -> HDU:
        try:
            return HDU(self.native[key], self.native.filename)
        except (IndexError, KeyError) as error:
            raise OSError(f"extension not found: {key}: {error}") from error

    def __contains__(self, key: Any) -> bool:
        return key in self.native

    def __len__(self) -> int:
        return len(self.native)

    def __iter__(self) -> Iterator[HDU]:
        return (HDU(hdu, self.native.filename) for hdu in self.native)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.native.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return repr(self.native)

    def __getattr__(self, name: str) -> Any:
        return getattr(_native(self, name), name)


def read(
    filename: str | os.PathLike[str], ext: Any = None, extver: int | None = None, header: bool = False, **keywords: Any
) -> Any:
    """Reads the data of an HDU: of the first one with data unless ``ext`` is given. ``header``: also its header.

    Further keywords are those of the HDU's ``read``, such as ``rows`` and ``columns`` of a table.
    """
    with rustfits.FITS(filename) as fits:
        if ext is None:
            found = next((hdu for hdu in fits if hdu.has_data), None)
            if found is None:
                raise OSError(f"{fits.filename}: no HDU has data")
        else:
            found = _found(fits, ext, extver)
        data = found.read(**keywords)
        return (data, FITSHDR(found.header)) if header else data


def read_header(filename: str | os.PathLike[str], ext: Any = 0, extver: int | None = None) -> FITSHDR:
    """A copy of the header of an HDU."""
    with rustfits.FITS(filename) as fits:
        return FITSHDR(_found(fits, ext, extver).header)


def write(filename: str | os.PathLike[str], data: Any, clobber: bool = False, **keywords: Any) -> None:
    """Adds an array as an image, anything with columns as a table; ``clobber`` empties the file first."""
    with FITS(filename, "rw", clobber=clobber) as fits:
        fits.write(data, **keywords)


def _found(fits: Any, ext: Any, extver: int | None) -> Any:
    try:
        return fits[ext] if extver is None else fits[ext, extver]
    except (IndexError, KeyError) as error:
        raise OSError(f"extension not found: {ext}: {error}") from error


def _native(shim: Any, name: str) -> Any:
    # Of an object that is being made, or unpickled, there may be none yet.
    if name == "native":
        raise AttributeError(name)
    return shim.native


def _set(header: Any, name: str | None, value: Any, comment: str | None) -> None:
    name = name or ""
    if rustfits.is_protected_key(name):
        return
    if name.upper() in ("COMMENT", "HISTORY", "", "CONTINUE"):
        if name.upper() != "CONTINUE":
            header[name] = str(value)
    elif comment is None:
        header[name] = value
    else:
        header[name] = (value, comment)


def _cards(header: Any) -> rustfits.Header | None:
    return None if header is None else FITSHDR(header).native


def _given(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value is not None}


def _is_table(data: Any) -> bool:
    return isinstance(data, dict | list) or getattr(getattr(data, "dtype", None), "names", None) is not None
