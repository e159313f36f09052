"""The native module: the classes that `rustfits` exports. What each does is said in its runtime docstring."""

import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, TypeVar

from rustfits._compress import Gzip1, Gzip2, Hcompress1, NoCompress, Plio1, Quantize, Rice1

__version__: str
aio: Any

Array: TypeAlias = npt.NDArray[Any]
MaskedArray: TypeAlias = np.ma.MaskedArray[Any, Any]
Integer: TypeAlias = int | np.integer[Any]
# No Sequence[int]: bytes would be one.
Integers: TypeAlias = list[int] | list[np.integer[Any]] | tuple[Integer, ...] | range | npt.NDArray[np.integer[Any]]
HduKey: TypeAlias = Integer | str | bytes | tuple[str | bytes, Integer]
AxisKey: TypeAlias = Integer | slice | EllipsisType | Integers
SectionKey: TypeAlias = AxisKey | tuple[AxisKey, ...]
Rows: TypeAlias = Integer | slice | Integers
Column: TypeAlias = str | bytes | Integer
Columns: TypeAlias = Column | Sequence[str] | Sequence[Column]
Name: TypeAlias = str | os.PathLike[str]
Mode: TypeAlias = Literal["r", "r+", "w+"]
# A structured array, a dict of arrays, or a list of arrays with names=.
TableData: TypeAlias = Array | Mapping[str, npt.ArrayLike] | Sequence[npt.ArrayLike]
Units: TypeAlias = Mapping[str, str | None] | Sequence[str | None]
Compress: TypeAlias = str | Gzip1 | Gzip2 | Rice1 | Plio1 | Hcompress1 | NoCompress
TableCompress: TypeAlias = bool | str | Gzip1 | Gzip2 | Rice1
HeaderValue: TypeAlias = bool | int | float | complex | str | np.generic | None

class AstropyHeader(Protocol):
    """What is taken from an `astropy.io.fits.Header`."""

    @property
    def cards(self) -> Any: ...
    def tostring(self, sep: str = "", endcard: bool = True, padding: bool = True) -> str: ...

class Timeout:
    """Time limits of a transfer, in seconds."""

    def __init__(self, *, connect: float = 30.0, idle: float = 60.0, total: float | None = None) -> None: ...
    @property
    def connect(self) -> float: ...
    @property
    def idle(self) -> float: ...
    @property
    def total(self) -> float | None: ...

class BlockCache:
    """Fetched bytes of remote files that are read by ranges, shared by the files that are opened with it."""

    def __init__(self, max_bytes: int) -> None: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    def clear(self) -> None: ...

class Remote:
    """How a remote file is fetched."""

    def __init__(
        self,
        *,
        ranged: bool = False,
        mode: str | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | Timeout | None = None,
        ca_file: Name | None = None,
        client_cert: Name | tuple[Name, Name] | None = None,
        auth: str | tuple[str, str] | None = None,
        proxy: str | None = None,
        max_bytes: int | None = None,
        block_bytes: int | None = None,
        cache_bytes: int | None = None,
        cache: BlockCache | None = None,
    ) -> None: ...
    @property
    def ranged(self) -> bool: ...
    @property
    def mode(self) -> str | None: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def timeout(self) -> Timeout | None: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def client_cert(self) -> Path | tuple[Path, Path] | None: ...
    @property
    def auth(self) -> str | tuple[str, str] | None: ...
    @property
    def proxy(self) -> str | None: ...
    @property
    def max_bytes(self) -> int | None: ...
    @property
    def block_bytes(self) -> int | None: ...
    @property
    def cache_bytes(self) -> int | None: ...
    @property
    def cache(self) -> BlockCache | None: ...

class Header:
    """The header of an HDU: a mapping from keyword to value, in card order, found in any letter case."""

    def __init__(self, cards: HeaderCards | None = None) -> None: ...
    def copy(self) -> Header: ...
    def __copy__(self) -> Header: ...
    def __deepcopy__(self, memo: Any, /) -> Header: ...
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def cards(self) -> list[str]: ...
    def __getitem__(self, keyword: str, /) -> Any: ...
    def __setitem__(self, keyword: str, value: HeaderValue | tuple[HeaderValue, str | None] | list[str], /) -> None: ...
    def __delitem__(self, keyword: str, /) -> None: ...
    def __contains__(self, keyword: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[Any]: ...
    def items(self) -> list[tuple[str, Any]]: ...
    def get(self, keyword: str, default: Any = None) -> Any: ...
    def pop(self, keyword: str, default: Any = ...) -> Any: ...
    def setdefault(self, keyword: str, default: HeaderValue = None) -> Any: ...
    def comment_of(self, keyword: str) -> str: ...
    def set_comment(self, keyword: str, text: str) -> None: ...
    def add_comment(self, text: str) -> None: ...
    def add_history(self, text: str) -> None: ...
    def add_blank(self, text: str = "") -> None: ...
    def update(
        self,
        other: HeaderCards,
        *,
        copy_commentary: bool = False,
    ) -> None: ...
    def edit(self) -> HeaderEdit: ...
    def to_dict(self, skip_protected: bool = False) -> dict[str, Any]: ...

# Of a mapping the values are those of a header, tuples of value and comment, or lists of the texts of commentary.
HeaderCards: TypeAlias = Header | AstropyHeader | Mapping[str, Any]

class HeaderEdit:
    """Several edits of a header as one."""

    def __enter__(self) -> Header: ...
    def __exit__(self, *error: object) -> None: ...
    def __aenter__(self) -> Coroutine[Any, Any, Header]: ...
    def __aexit__(self, *error: object) -> Coroutine[Any, Any, None]: ...

class HDU:
    """One HDU of a file."""

    @property
    def header(self) -> Header: ...
    @property
    def index(self) -> int: ...
    @property
    def extname(self) -> str | None: ...
    @property
    def extver(self) -> int: ...
    @property
    def has_data(self) -> bool: ...
    def add_datasum(self) -> None: ...
    def add_checksum(self) -> None: ...
    def verify_datasum(self) -> bool | None: ...
    def verify_checksum(self) -> bool | None: ...

class ImageHDU(HDU):
    """An image."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def bitpix(self) -> int: ...
    @property
    def unit(self) -> str | None: ...
    def __len__(self) -> int: ...
    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array: ...
    # An array, or a scalar where every axis has an integer.
    def __getitem__(self, section: SectionKey, /) -> Any: ...
    def __setitem__(self, section: SectionKey, value: npt.ArrayLike, /) -> None: ...
    def write(self, data: npt.ArrayLike, start: Integer | Integers | None = None) -> None: ...
    def extend(self, data: npt.ArrayLike) -> None: ...
    def extending(self) -> Extending[Self]: ...
    @overload
    def read(self, section: None = None, *, scale: bool = True, mask_blank: Literal[False] = False) -> Array: ...
    @overload
    def read(self, section: None = None, *, scale: bool = True, mask_blank: Literal[True]) -> MaskedArray: ...
    @overload
    def read(self, section: SectionKey | None = None, *, scale: bool = True, mask_blank: bool = False) -> Any: ...

_Image = TypeVar("_Image", default=ImageHDU)

class Extending(Generic[_Image]):
    """The context of `extending()`: what is extended in it is written at its end, or 64 MiB at a time."""

    def __enter__(self) -> _Image: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    async def __aenter__(self) -> _Image: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

class CompressedImageHDU(ImageHDU):
    """An image in compressed tiles."""

    @property
    def zcmptype(self) -> str: ...
    @property
    def compression(self) -> Gzip1 | Gzip2 | Rice1 | Plio1 | Hcompress1 | NoCompress: ...
    @property
    def quantize(self) -> Quantize | None: ...
    @property
    def tile_shape(self) -> tuple[int, ...]: ...
    @property
    def n_tiles(self) -> int: ...
    @property
    def tile_cache_size(self) -> int: ...
    @property
    def tile_cache_used(self) -> int: ...
    def set_tile_cache_size(self, size: int) -> None: ...
    def clear_tile_cache(self) -> None: ...
    def repack(self) -> None: ...

class ColumnSubset:
    """Some columns of a table, read and written by rows."""

    def read(self, *, rows: Rows | None = None) -> Array: ...
    def write(self, data: Any, *, rows: Rows | None = None) -> None: ...
    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def __setitem__(self, rows: Integer | slice | EllipsisType | Integers, value: Any, /) -> None: ...
    @overload
    def __getitem__(self, rows: Integer, /) -> Any: ...
    @overload
    def __getitem__(self, rows: slice | EllipsisType | Integers, /) -> Array: ...

class RowIterator:
    """Iterates over the rows of a table, some at a time."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> np.void: ...

class ChunkIterator:
    """Iterates over a table in chunks of rows."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Array: ...

class _Table(HDU):
    """What binary and ASCII tables have in common."""

    @property
    def nrows(self) -> int: ...
    @property
    def ncols(self) -> int: ...
    @property
    def colnames(self) -> tuple[str, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def units(self) -> dict[str, str]: ...
    @property
    def shape(self) -> tuple[int]: ...
    def __len__(self) -> int: ...
    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array: ...
    @overload
    def __getitem__(self, key: Integer, /) -> np.void: ...
    @overload
    def __getitem__(self, key: str | bytes | list[str], /) -> ColumnSubset: ...
    @overload
    def __getitem__(self, key: slice | EllipsisType | Integers, /) -> Array: ...
    def __setitem__(
        self, key: Integer | slice | EllipsisType | Integers | str | bytes | list[str], value: Any, /
    ) -> None: ...
    def write(self, data: TableData, *, names: Sequence[str] | None = None) -> None: ...
    def append(self, data: TableData, *, names: Sequence[str] | None = None) -> None: ...
    def extend(self, data: TableData, *, names: Sequence[str] | None = None) -> None: ...
    def appending(self) -> Extending[Self]: ...
    def extending(self) -> Extending[Self]: ...
    def insert_column(
        self,
        name: str,
        data: npt.ArrayLike,
        *,
        position: int | None = None,
        after: Column | None = None,
        before: Column | None = None,
        unit: str | None = None,
        inner_dtype: npt.DTypeLike | None = None,
        heap_format: str | None = None,
        bit_packed: bool = False,
        format: str | None = None,
    ) -> None: ...
    def delete_column(self, name: Column) -> None: ...
    def truncate(self, nrows: Integer) -> None: ...
    def repack(self) -> None: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def __iter__(self) -> RowIterator: ...
    def iter(
        self, *, chunksize: Integer | None = None, columns: Columns | None = None, scale: bool = True
    ) -> ChunkIterator: ...
    @overload
    def read(
        self,
        *,
        rows: Rows | None = None,
        columns: Columns | None = None,
        scale: bool = True,
        mask_null: Literal[False] = False,
    ) -> Array: ...
    @overload
    def read(
        self, *, rows: Rows | None = None, columns: Columns | None = None, scale: bool = True, mask_null: Literal[True]
    ) -> MaskedArray: ...
    @overload
    def read(
        self, *, rows: Rows | None = None, columns: Columns | None = None, scale: bool = True, mask_null: bool = False
    ) -> Array: ...
    def read_column(
        self,
        name: Column,
        *,
        rows: Rows | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> Array: ...

class TableHDU(_Table):
    """A binary table."""

class CompressedTableHDU(TableHDU):
    """A table in compressed tiles."""

    @property
    def compression(self) -> dict[str, str]: ...
    @property
    def ztile_rows(self) -> int: ...
    @property
    def n_tiles(self) -> int: ...
    @property
    def tile_cache_size(self) -> int: ...
    @property
    def tile_cache_used(self) -> int: ...
    def set_tile_cache_size(self, size: int) -> None: ...
    def clear_tile_cache(self) -> None: ...

class AsciiTableHDU(_Table):
    """An ASCII table."""

    @property
    def formats(self) -> dict[str, str]: ...

class BinaryReader(Protocol):
    """What ``stream`` reads: a binary file object."""

    def read(self, size: int, /) -> bytes | bytearray: ...

class BandIterator:
    """The bands of an image of a stream."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Array: ...

class StreamChunkIterator:
    """The rows of a table of a stream, in chunks."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Array: ...

class StreamHDU(HDU):
    """An HDU of a stream: its header, and data that can be read until the next HDU is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def colnames(self) -> tuple[str, ...]: ...
    def bands(self, bytes: int | None = None, *, scale: bool = True, mask_blank: bool = False) -> BandIterator: ...
    def iter(
        self,
        *,
        chunksize: Integer | None = None,
        columns: Columns | None = None,
        scale: bool = True,
        mask_null: bool = False,
    ) -> StreamChunkIterator: ...
    def read(
        self,
        *,
        columns: Columns | None = None,
        scale: bool = True,
        mask_blank: bool = False,
        mask_null: bool = False,
    ) -> Array: ...

class Stream:
    """A FITS file that is read from its first byte to its last: an iterator of its HDUs."""

    @property
    def name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> StreamHDU: ...

def stream(
    source: Name | BinaryReader,
    *,
    lenient: bool = False,
    remote: str | Remote | None = None,
    max_held: int | None = None,
) -> Stream: ...

class FITS:
    """An open FITS file."""

    def __init__(
        self,
        filename: Name,
        mode: Mode = "r",
        *,
        lenient: bool = False,
        remote: str | Remote | None = None,
        atomic: bool = False,
        allow_in_place: bool = False,
    ) -> None: ...
    @staticmethod
    def from_bytes(data: Buffer, mode: Mode = "r", lenient: bool = False) -> FITS: ...
    def to_bytes(self) -> bytes: ...
    @property
    def filename(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    # Of the class that fits each: an image, or a table. Any, so that no cast is needed before each read.
    @property
    def hdus(self) -> list[Any]: ...
    def close(self) -> None: ...
    def create_ascii_table_hdu(
        self,
        dtype: npt.DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        formats: Mapping[str, str] | None = None,
        before: HduKey | HDU | None = None,
    ) -> AsciiTableHDU: ...
    def copy(self, hdu: HDU, *, before: HduKey | HDU | None = None) -> HDU: ...
    def __delitem__(self, key: HduKey | HDU, /) -> None: ...
    def sync(self) -> None: ...
    @overload
    def write_image(
        self,
        data: npt.ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress,
        quantize: Quantize | None = None,
        blank: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> CompressedImageHDU: ...
    @overload
    def write_image(
        self,
        data: npt.ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: None = None,
        quantize: Quantize | None = None,
        blank: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> ImageHDU: ...
    @overload
    def write_image(
        self,
        data: npt.ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress | None = None,
        quantize: Quantize | None = None,
        blank: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> ImageHDU: ...
    @overload
    def create_image_hdu(
        self,
        dtype: npt.DTypeLike,
        dims: int | Sequence[int],
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress,
        quantize: Quantize | None = None,
        blank: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> CompressedImageHDU: ...
    @overload
    def create_image_hdu(
        self,
        dtype: npt.DTypeLike,
        dims: int | Sequence[int],
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: None = None,
        quantize: Quantize | None = None,
        blank: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> ImageHDU: ...
    @overload
    def create_image_hdu(
        self,
        dtype: npt.DTypeLike,
        dims: int | Sequence[int],
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress | None = None,
        quantize: Quantize | None = None,
        blank: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> ImageHDU: ...
    @overload
    def write_table(
        self,
        data: TableData,
        *,
        names: Sequence[str] | None = None,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        var_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        bit_columns: Sequence[str] | None = None,
        heap_format: str | None = None,
        compress: Literal[True] | str | Gzip1 | Gzip2 | Rice1 | Mapping[str, TableCompress | None],
        ztilelen: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> CompressedTableHDU: ...
    @overload
    def write_table(
        self,
        data: TableData,
        *,
        names: Sequence[str] | None = None,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        var_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        bit_columns: Sequence[str] | None = None,
        heap_format: str | None = None,
        compress: None = None,
        ztilelen: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> TableHDU: ...
    @overload
    def write_table(
        self,
        data: TableData,
        *,
        names: Sequence[str] | None = None,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        var_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        bit_columns: Sequence[str] | None = None,
        heap_format: str | None = None,
        compress: TableCompress | Mapping[str, TableCompress | None] | None = None,
        ztilelen: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> TableHDU: ...
    @overload
    def create_table_hdu(
        self,
        dtype: npt.DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        var_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        bit_columns: Sequence[str] | None = None,
        heap_format: str | None = None,
        compress: Literal[True] | str | Gzip1 | Gzip2 | Rice1 | Mapping[str, TableCompress | None],
        ztilelen: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> CompressedTableHDU: ...
    @overload
    def create_table_hdu(
        self,
        dtype: npt.DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        var_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        bit_columns: Sequence[str] | None = None,
        heap_format: str | None = None,
        compress: None = None,
        ztilelen: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> TableHDU: ...
    @overload
    def create_table_hdu(
        self,
        dtype: npt.DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        var_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        bit_columns: Sequence[str] | None = None,
        heap_format: str | None = None,
        compress: TableCompress | Mapping[str, TableCompress | None] | None = None,
        ztilelen: int | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> TableHDU: ...
    # A table for a structured array or a dict, else an image.
    def write(
        self,
        data: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        extname: str | None = None,
        header: HeaderCards | None = None,
        before: HduKey | HDU | None = None,
    ) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: HduKey, /) -> Any: ...
    def __contains__(self, key: HduKey, /) -> bool: ...
    def __iter__(self) -> Iterator[Any]: ...

_File = TypeVar("_File", covariant=True, default=FITS)

class FetchResult(Generic[_File]):
    """The result for one file of `fetch_many`."""

    @property
    def url(self) -> str: ...
    @property
    def index(self) -> int: ...
    # Not None where `error` is None; said so here, so that no assert is needed before each use.
    @property
    def fits(self) -> _File: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def attempts(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def seconds(self) -> float: ...

class Download:
    """One file for `download_many`: where it is to be had, and what is known about it."""

    def __init__(
        self,
        url: str | list[str] | tuple[str, ...],
        *,
        name: str | None = None,
        size: int | None = None,
        sha256: str | None = None,
        md5: str | None = None,
    ) -> None: ...
    @property
    def urls(self) -> list[str]: ...
    @property
    def name(self) -> str | None: ...
    @property
    def size(self) -> int | None: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def md5(self) -> str | None: ...

class DownloadResult:
    """The result for one file of `download_many`."""

    @property
    def url(self) -> str: ...
    @property
    def index(self) -> int: ...
    # Neither is None where `error` is None; said so here, so that no assert is needed before each use.
    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def skipped(self) -> bool: ...
    @property
    def resumed(self) -> int: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def attempts(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def seconds(self) -> float: ...

class FetchStatistics:
    """What came of a fetch so far: ``fetch.statistics``."""

    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def total(self) -> HostStatistics: ...
    @property
    def hosts(self) -> dict[str, HostStatistics]: ...

class HostStatistics:
    """What came of the requests to a host."""

    @property
    def requests(self) -> int: ...
    @property
    def failed_requests(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def connections_opened(self) -> int: ...
    @property
    def connections_reused(self) -> int: ...
    @property
    def latency(self) -> LatencyStatistics: ...

class LatencyStatistics:
    """How long answers took, from the request to the head of the answer, connecting included; in seconds."""

    @property
    def count(self) -> int: ...
    @property
    def mean(self) -> float | None: ...
    @property
    def longest(self) -> float | None: ...
    def percentile(self, percent: float) -> float | None: ...

class DownloadQueue:
    """The download of many files: URLs go in one by one while there is room, results come out."""

    def __init__(
        self,
        directory: Name,
        *,
        concurrency: int,
        per_host: int | None,
        retries: int,
        backoff: float,
        timeout: float | Timeout | None,
        max_bytes: int | None,
        headers: Mapping[str, str] | None,
        remote: str | Remote | None,
        ordered: bool,
        max_bytes_per_second: int | None,
        max_requests_per_second: float | None,
        host_headers: Mapping[str, Mapping[str, str]] | None,
        verify: str | None,
        overwrite: bool,
        manifest: Name | None,
        on_event: Callable[[dict[str, Any]], object] | None,
    ) -> None: ...
    def has_room(self) -> bool: ...
    def push(self, file: object) -> None: ...
    def next(self) -> DownloadResult: ...
    def next_async(self) -> Coroutine[Any, Any, DownloadResult]: ...
    def cancel(self, which: int | str | None = None) -> int: ...
    @property
    def statistics(self) -> FetchStatistics: ...

class Queue:
    """The fetch of many files: names go in one by one while there is room, results come out."""

    def __init__(
        self,
        *,
        concurrency: int,
        per_host: int | None,
        max_buffered: int | None,
        retries: int,
        backoff: float,
        timeout: float | Timeout | None,
        max_bytes: int | None,
        headers: Mapping[str, str] | None,
        remote: str | Remote | None,
        lenient: bool,
        ordered: bool,
        max_bytes_per_second: int | None,
        max_requests_per_second: float | None,
        host_headers: Mapping[str, Mapping[str, str]] | None,
        on_event: Callable[[dict[str, Any]], object] | None,
    ) -> None: ...
    def has_room(self) -> bool: ...
    def push(self, name: object) -> None: ...
    def next(self) -> FetchResult[Any]: ...
    def next_async(self) -> Coroutine[Any, Any, FetchResult[Any]]: ...
    def cancel(self, which: int | str | None = None) -> int: ...
    @property
    def statistics(self) -> FetchStatistics: ...

@overload
def read(
    filename: Name,
    ext: HduKey | None = None,
    *,
    header: Literal[False] = False,
    lenient: bool = False,
    remote: str | Remote | None = None,
) -> Array: ...
@overload
def read(
    filename: Name,
    ext: HduKey | None = None,
    *,
    header: Literal[True],
    lenient: bool = False,
    remote: str | Remote | None = None,
) -> tuple[Array, Header]: ...
@overload
def read(
    filename: Name,
    ext: HduKey | None = None,
    *,
    header: bool = False,
    lenient: bool = False,
    remote: str | Remote | None = None,
) -> Any: ...
def read_header(
    filename: Name, ext: HduKey = 0, *, lenient: bool = False, remote: str | Remote | None = None
) -> Header: ...
def write(
    filename: Name,
    data: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    *,
    mode: Mode = "w+",
    extname: str | None = None,
    header: HeaderCards | None = None,
) -> None: ...
def is_protected_key(name: str) -> bool: ...
