"""The calls of the package ``fitsio``, over the same engine: for programs that were written for it.

>>> from rustfits import fitsio
>>> image, header = fitsio.read("image.fits", header=True)  # doctest: +SKIP

Images, tables and headers have most of the methods that ``fitsio`` gives them. Whatever else is asked of a file, an
HDU or a header is asked of the object of ``rustfits`` behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

import rustfits
from rustfits._fitsio_compress import (
    GZIP_1,
    GZIP_2,
    HCOMPRESS_1,
    NO_DITHER,
    NOCOMPRESS,
    PLIO_1,
    RICE_1,
    SUBTRACTIVE_DITHER_1,
    SUBTRACTIVE_DITHER_2,
    compression,
)
from rustfits._fitsio_hdu import HDU, ImageHDU, TableHDU
from rustfits._fitsio_header import FITSHDR, native_of
from rustfits._fitsio_rows import Reading, columns_of

__all__ = [
    "ASCII_TBL",
    "BINARY_TBL",
    "FITS",
    "FITSHDR",
    "GZIP_1",
    "GZIP_2",
    "HCOMPRESS_1",
    "HDU",
    "IMAGE_HDU",
    "NOCOMPRESS",
    "NO_DITHER",
    "PLIO_1",
    "READONLY",
    "READWRITE",
    "RICE_1",
    "SUBTRACTIVE_DITHER_1",
    "SUBTRACTIVE_DITHER_2",
    "read",
    "read_header",
    "write",
]

READONLY = 0
READWRITE = 1
IMAGE_HDU, ASCII_TBL, BINARY_TBL = 0, 1, 2
# Keywords of images alone, and of tables alone: `write` takes all of them.
_OF_IMAGES = ("compress", "tile_dims", "qlevel", "qmethod", "dither_seed", "hcomp_scale", "hcomp_smooth")
_OF_TABLES = ("table_type", "names", "formats", "units", "write_bitcols")
_READ_MODES = ("r", "READONLY", READONLY)
_WRITE_MODES = ("rw", "READWRITE", READWRITE)


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
    lower, upper : bool
        Names of columns in lower or in upper case.
    vstorage : {'fixed', 'object'}
        Whether columns of variable length are read as arrays of one length, with zeros behind, or as arrays of objects.
    case_sensitive : bool
        Whether names of columns have to be given in their own letter case.
    write_bitcols : bool
        Whether columns of bools are written as bits.
    options
        Others of ``fitsio``, such as ``iter_row_buffer``, are taken and change nothing.

    Examples
    --------
    >>> from rustfits import fitsio
    >>> with fitsio.FITS("catalog.fits") as fits:  # doctest: +SKIP
    ...     rows = fits[1].where("x > 3 && y < 25")
    ...     data = fits[1]["x", "y"][rows]
    """

    def __init__(
        self,
        fname: str | os.PathLike[str],
        mode: str | int = "r",
        lower: bool = False,
        upper: bool = False,
        *,
        vstorage: str = "fixed",
        case_sensitive: bool = False,
        write_bitcols: bool = False,
        clobber: bool = False,
        **options: Any,
    ) -> None:
        name = os.fspath(fname)
        if name.startswith("!"):
            name, clobber = name[1:], True
        if mode in _READ_MODES:
            native_mode = "r"
        elif mode in _WRITE_MODES:
            # What an earlier write that failed has left is empty.
            there = os.path.exists(name) and os.path.getsize(name) > 0
            native_mode = "r+" if there and not clobber else "w+"
        else:
            raise OSError(f"{name}: mode {mode!r} is not one of 'r', 'rw', 'READONLY', 'READWRITE', 0, 1")
        self.native: Any = rustfits.FITS(name, native_mode)  # type: ignore[arg-type]
        self._reading = Reading(lower, upper, vstorage, case_sensitive)
        self._write_bitcols = write_bitcols

    def write(self, data: Any, **keywords: Any) -> None:
        """Adds an array as an image, a structured array, a dict or a list of arrays as a table."""
        if _is_table(data):
            self.write_table(data, **{name: value for name, value in keywords.items() if name not in _OF_IMAGES})
        else:
            self.write_image(data, **{name: value for name, value in keywords.items() if name not in _OF_TABLES})

    def write_image(
        self, img: Any, extname: str | None = None, extver: int | None = None, header: Any = None, **keywords: Any
    ) -> None:
        """Adds an image. ``header`` is a FITSHDR, a dict or a list of dicts; cards of the structure are left out.

        ``compress``, ``tile_dims``, ``qlevel``, ``qmethod``, ``dither_seed``, ``hcomp_scale`` and ``hcomp_smooth`` say
        how it is compressed. Floats are quantized, which loses digits, unless ``qlevel`` is None or 0.
        """
        keywords = _compressed(np.asanyarray(img).dtype, keywords)
        self.native.write_image(img, header=_cards(header), **_given(keywords, extname=extname, extver=extver))

    def write_table(
        self,
        data: Any,
        table_type: str = "binary",
        names: Any = None,
        formats: Any = None,
        units: Any = None,
        extname: str | None = None,
        extver: int | None = None,
        header: Any = None,
        write_bitcols: bool = False,
        **keywords: Any,
    ) -> None:
        """Adds a table, with ``table_type="ascii"`` one in text.

        ``units`` has one text for each column; ``formats``, also one for each, is for tables in text.
        """
        columns = columns_of(data, names)
        keywords = _given(keywords, extname=extname, extver=extver, units=_by_name(columns, units))
        if table_type == "ascii":
            dtype = [(name, np.asarray(values).dtype) for name, values in columns.items()]
            given = _given(keywords, formats=_by_name(columns, formats))
            table = self.native.create_ascii_table_hdu(dtype, len(next(iter(columns.values()))), **given)
            table.write(columns)
            if header is not None:
                table.header.update(FITSHDR(header).native, copy_commentary=True)
            return
        if write_bitcols or self._write_bitcols:
            keywords["bit_columns"] = [name for name, values in columns.items() if np.asarray(values).dtype == bool]
        self.native.write_table(columns, header=_cards(header), **keywords)

    def create_table_hdu(
        self,
        data: Any = None,
        dtype: Any = None,
        names: Any = None,
        units: Any = None,
        header: Any = None,
        **keywords: Any,
    ) -> None:
        """Adds a table without rows, with the columns of ``data`` or of ``dtype``."""
        keywords.pop("table_type", None)
        if data is not None:
            arrays = {name: np.asarray(values) for name, values in columns_of(data, names).items()}
            dtype = [(name, values.dtype, values.shape[1:]) for name, values in arrays.items()]
        elif dtype is None:
            raise ValueError("a table is created from data or from dtype")
        units = _by_name(np.dtype(dtype).names or (), units)
        self.native.create_table_hdu(dtype, header=_cards(header), **_given(keywords, units=units))

    def create_image_hdu(
        self, img: Any = None, dims: Any = None, dtype: Any = None, header: Any = None, **keywords: Any
    ) -> None:
        """Adds an image of zeros from ``dims`` and ``dtype``, or the image ``img``."""
        if img is not None:
            self.write_image(img, header=header, **keywords)
        elif dims is None or dtype is None:
            raise ValueError("an image is created from img, or from dims and dtype")
        else:
            keywords = _compressed(dtype, keywords)
            self.native.create_image_hdu(dtype, dims, header=_cards(header), **_given(keywords))

    def close(self) -> None:
        """Closes the file."""
        self.native.close()

    def update_hdu_list(self) -> None:
        """Nothing: the list is always up to date."""

    def _hdu(self, native: Any) -> HDU:
        if isinstance(native, rustfits.ImageHDU):
            return ImageHDU(native, self.native.filename)
        return TableHDU(native, self.native.filename, self._reading)

    def __getitem__(self, key: Any) -> HDU:
        try:
            found = self.native[key]
        except (IndexError, KeyError) as error:
            raise OSError(f"extension not found: {key}: {error}") from error
        name = key[0] if isinstance(key, tuple) else key
        if self._reading.case_sensitive and isinstance(name, str) and name != found.extname:
            raise OSError(f"{self.native.filename}: extension not found: {name!r} in this letter case")
        return self._hdu(found)

    def __contains__(self, key: Any) -> bool:
        return key in self.native

    def __len__(self) -> int:
        return len(self.native)

    def __iter__(self) -> Iterator[HDU]:
        return (self._hdu(hdu) for hdu in self.native)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.native.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return repr(self.native)

    def __getattr__(self, name: str) -> Any:
        return getattr(native_of(self, name), name)


def read(
    filename: str | os.PathLike[str],
    ext: Any = None,
    extver: int | None = None,
    columns: Any = None,
    rows: Any = None,
    header: bool = False,
    case_sensitive: bool = False,
    upper: bool = False,
    lower: bool = False,
    vstorage: str = "fixed",
    **keywords: Any,
) -> Any:
    """Reads the data of an HDU: of the first one with data unless ``ext`` is given. ``header``: also its header.

    Examples
    --------
    >>> from rustfits import fitsio
    >>> data = fitsio.read("catalog.fits", ext=1, columns=["x", "y"], rows=[3, 5])  # doctest: +SKIP
    """
    with FITS(filename, "r", lower, upper, vstorage=vstorage, case_sensitive=case_sensitive) as fits:
        if ext is None:
            found = next((hdu for hdu in fits if hdu.has_data()), None)
            if found is None:
                raise OSError(f"{fits.filename}: no HDU has data")
        else:
            found = fits[_key(ext, extver)]
        data = found.read(columns=columns, rows=rows) if isinstance(found, TableHDU) else found.read()
        return (data, found.read_header()) if header else data


def read_header(
    filename: str | os.PathLike[str],
    ext: Any = 0,
    extver: int | None = None,
    case_sensitive: bool = False,
    **keywords: Any,
) -> FITSHDR:
    """A copy of the header of an HDU.

    Examples
    --------
    >>> from rustfits import fitsio
    >>> fitsio.read_header("image.fits")["EXPTIME"]  # doctest: +SKIP
    30.0
    """
    with FITS(filename) as fits:
        return fits[_key(ext, extver)].read_header()


def write(filename: str | os.PathLike[str], data: Any, clobber: bool = False, **keywords: Any) -> None:
    """Adds an array as an image, anything with columns as a table; ``clobber`` empties the file first.

    Examples
    --------
    >>> from rustfits import fitsio
    >>> fitsio.write("image.fits", image, compress="rice", clobber=True)  # doctest: +SKIP
    """
    with FITS(filename, "rw", clobber=clobber) as fits:
        fits.write(data, **keywords)


def _key(ext: Any, extver: int | None) -> Any:
    return ext if extver is None else (ext, extver)


def _cards(header: Any) -> rustfits.Header | None:
    return None if header is None else FITSHDR(header).native


def _given(keywords: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {name: value for name, value in (keywords | others).items() if value is not None}


def _by_name(names: Any, texts: Any) -> dict[str, str] | None:
    """One text for each column as a dict, without those that are empty."""
    if texts is None or isinstance(texts, dict):
        return texts
    return {name: text for name, text in zip(names, texts, strict=True) if text}


def _compressed(dtype: Any, keywords: dict[str, Any]) -> dict[str, Any]:
    """The keywords of an image, those of its compression as rustfits has them."""
    asked = {name: keywords.pop(name) for name in _OF_IMAGES if name in keywords}
    return keywords | compression(dtype, **asked)


def _is_table(data: Any) -> bool:
    return isinstance(data, dict | list) or getattr(getattr(data, "dtype", None), "names", None) is not None
