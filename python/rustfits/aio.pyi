"""The asyncio face of rustfits: the same names, and every call that does I/O is awaitable."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Coroutine, Generator, Mapping, Sequence
from types import EllipsisType, TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias, overload

import numpy.typing as npt
from typing_extensions import Buffer

import rustfits
from rustfits._compress import Quantize
from rustfits._fetch import AsyncFetch as Fetch
from rustfits._fetch import download_many_async as download_many
from rustfits._fetch import fetch_many_async as fetch_many
from rustfits._rustfits import (
    Array,
    BinaryReader,
    Column,
    Columns,
    Compress,
    HduKey,
    Header,
    HeaderCards,
    Integer,
    Integers,
    MaskedArray,
    Mode,
    Name,
    Remote,
    Rows,
    SectionKey,
    TableCompress,
    TableData,
    Units,
)

__all__ = [
    "FITS",
    "CompressedImageHDU",
    "CompressedTableHDU",
    "Fetch",
    "ImageHDU",
    "Stream",
    "StreamHDU",
    "TableHDU",
    "download_many",
    "fetch_many",
    "open",
    "read",
    "read_header",
    "stream",
    "write",
]

ByteString: TypeAlias = bytes | bytearray

class AsyncReader(Protocol):
    """What ``stream`` reads in an event loop, such as an ``asyncio.StreamReader``."""

    def read(self, size: int, /) -> Awaitable[ByteString]: ...

class StreamHDU(rustfits.StreamHDU):
    """An HDU of a stream whose reads are awaitable; otherwise as the blocking class."""

    def bands(  # type: ignore[override]
        self, bytes: int | None = None, *, scale: bool = True, mask_blank: bool = False
    ) -> AsyncIterator[Array]: ...
    def iter(  # type: ignore[override]
        self,
        *,
        chunksize: Integer | None = None,
        columns: Columns | None = None,
        scale: bool = True,
        mask_null: bool = False,
    ) -> AsyncIterator[Array]: ...
    def read(  # type: ignore[override]
        self,
        *,
        columns: Columns | None = None,
        scale: bool = True,
        mask_blank: bool = False,
        mask_null: bool = False,
    ) -> Coroutine[Any, Any, Array]: ...

class Stream:
    """A FITS file that is read from its first byte to its last: an asynchronous iterator of its HDUs."""

    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, StreamHDU]: ...

def stream(
    source: Name | AsyncReader | AsyncIterable[ByteString] | BinaryReader,
    *,
    lenient: bool = False,
    remote: str | Remote | None = None,
    max_held: int | None = None,
) -> Stream: ...

class ImageHDU(rustfits.ImageHDU):
    """An image whose reads are awaitable; otherwise as the blocking class."""

    def __getitem__(self, section: SectionKey, /) -> Coroutine[Any, Any, Any]: ...
    def set(self, key: SectionKey, value: npt.ArrayLike) -> Coroutine[Any, Any, None]: ...
    def write(  # type: ignore[override]
        self, data: npt.ArrayLike, start: Integer | Integers | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def extend(self, data: npt.ArrayLike) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    @overload  # type: ignore[override]
    def read(
        self, section: None = None, *, scale: bool = True, mask_blank: Literal[False] = False
    ) -> Coroutine[Any, Any, Array]: ...
    @overload
    def read(
        self, section: None = None, *, scale: bool = True, mask_blank: Literal[True]
    ) -> Coroutine[Any, Any, MaskedArray]: ...
    @overload
    def read(
        self, section: SectionKey | None = None, *, scale: bool = True, mask_blank: bool = False
    ) -> Coroutine[Any, Any, Any]: ...
    def add_datasum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_checksum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def verify_datasum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]
    def verify_checksum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]

class CompressedImageHDU(rustfits.CompressedImageHDU):
    """An image in compressed tiles whose reads are awaitable; otherwise as the blocking class."""

    def __getitem__(self, section: SectionKey, /) -> Coroutine[Any, Any, Any]: ...
    def set(self, key: SectionKey, value: npt.ArrayLike) -> Coroutine[Any, Any, None]: ...
    def write(  # type: ignore[override]
        self, data: npt.ArrayLike, start: Integer | Integers | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def extend(self, data: npt.ArrayLike) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    @overload  # type: ignore[override]
    def read(
        self, section: None = None, *, scale: bool = True, mask_blank: Literal[False] = False
    ) -> Coroutine[Any, Any, Array]: ...
    @overload
    def read(
        self, section: None = None, *, scale: bool = True, mask_blank: Literal[True]
    ) -> Coroutine[Any, Any, MaskedArray]: ...
    @overload
    def read(
        self, section: SectionKey | None = None, *, scale: bool = True, mask_blank: bool = False
    ) -> Coroutine[Any, Any, Any]: ...
    def repack(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_datasum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_checksum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def verify_datasum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]
    def verify_checksum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]

class TableHDU(rustfits.TableHDU):
    """A table whose reads are awaitable; otherwise as the blocking class."""

    def __getitem__(self, key: Any, /) -> Coroutine[Any, Any, Any]: ...  # type: ignore[override]
    def read(  # type: ignore[override]
        self, *, rows: Rows | None = None, columns: Columns | None = None, scale: bool = True, mask_null: bool = False
    ) -> Coroutine[Any, Any, Array]: ...
    def read_column(  # type: ignore[override]
        self,
        name: Column,
        *,
        rows: Rows | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> Coroutine[Any, Any, Array]: ...
    def __aiter__(self) -> AsyncIterator[Any]: ...
    def iter(  # type: ignore[override]
        self, *, chunksize: Integer | None = None, columns: Columns | None = None, scale: bool = True
    ) -> AsyncIterator[Array]: ...
    def set(
        self, key: Integer | slice | EllipsisType | Integers | str | bytes | list[str], value: Any
    ) -> Coroutine[Any, Any, None]: ...
    def write(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def append(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def extend(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def insert_column(  # type: ignore[override]
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
    ) -> Coroutine[Any, Any, None]: ...
    def delete_column(self, name: Column) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def truncate(self, nrows: Integer) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def repack(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_datasum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_checksum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def verify_datasum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]
    def verify_checksum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]

class CompressedTableHDU(rustfits.CompressedTableHDU):
    """A table whose reads are awaitable; otherwise as the blocking class."""

    def __getitem__(self, key: Any, /) -> Coroutine[Any, Any, Any]: ...  # type: ignore[override]
    def read(  # type: ignore[override]
        self, *, rows: Rows | None = None, columns: Columns | None = None, scale: bool = True, mask_null: bool = False
    ) -> Coroutine[Any, Any, Array]: ...
    def read_column(  # type: ignore[override]
        self,
        name: Column,
        *,
        rows: Rows | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> Coroutine[Any, Any, Array]: ...
    def iter(  # type: ignore[override]
        self, *, chunksize: Integer | None = None, columns: Columns | None = None, scale: bool = True
    ) -> AsyncIterator[Array]: ...
    def set(
        self, key: Integer | slice | EllipsisType | Integers | str | bytes | list[str], value: Any
    ) -> Coroutine[Any, Any, None]: ...
    def write(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def append(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def extend(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def insert_column(  # type: ignore[override]
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
    ) -> Coroutine[Any, Any, None]: ...
    def delete_column(self, name: Column) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def truncate(self, nrows: Integer) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def repack(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_datasum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_checksum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def verify_datasum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]
    def verify_checksum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]

class AsciiTableHDU(rustfits.AsciiTableHDU):
    """An ASCII table whose reads are awaitable; otherwise as the blocking class."""

    def __getitem__(self, key: Any, /) -> Coroutine[Any, Any, Any]: ...  # type: ignore[override]
    def read(  # type: ignore[override]
        self, *, rows: Rows | None = None, columns: Columns | None = None, scale: bool = True, mask_null: bool = False
    ) -> Coroutine[Any, Any, Array]: ...
    def read_column(  # type: ignore[override]
        self,
        name: Column,
        *,
        rows: Rows | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> Coroutine[Any, Any, Array]: ...
    def __aiter__(self) -> AsyncIterator[Any]: ...
    def iter(  # type: ignore[override]
        self, *, chunksize: Integer | None = None, columns: Columns | None = None, scale: bool = True
    ) -> AsyncIterator[Array]: ...
    def set(
        self, key: Integer | slice | EllipsisType | Integers | str | bytes | list[str], value: Any
    ) -> Coroutine[Any, Any, None]: ...
    def write(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def append(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def extend(  # type: ignore[override]
        self, data: TableData, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def insert_column(  # type: ignore[override]
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
    ) -> Coroutine[Any, Any, None]: ...
    def delete_column(self, name: Column) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def truncate(self, nrows: Integer) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def repack(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_datasum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def add_checksum(self) -> Coroutine[Any, Any, None]: ...  # type: ignore[override]
    def verify_datasum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]
    def verify_checksum(self) -> Coroutine[Any, Any, bool | None]: ...  # type: ignore[override]

class Selector:
    """An HDU that was not looked up yet: `fits[key]`. Awaited, it is the HDU."""

    def __await__(self) -> Generator[Any, None, Any]: ...
    def __getitem__(self, key: Any, /) -> Coroutine[Any, Any, Any]: ...
    def set(self, key: Any, value: Any) -> Coroutine[Any, Any, None]: ...
    def write(
        self, data: Any, start: Integer | Integers | None = None, *, names: Sequence[str] | None = None
    ) -> Coroutine[Any, Any, None]: ...
    def extend(self, data: Any, *, names: Sequence[str] | None = None) -> Coroutine[Any, Any, None]: ...
    def append(self, data: Any, *, names: Sequence[str] | None = None) -> Coroutine[Any, Any, None]: ...
    def read(
        self,
        section: SectionKey | None = None,
        *,
        rows: Rows | None = None,
        columns: Columns | None = None,
        scale: bool = True,
        mask_blank: bool = False,
        mask_null: bool = False,
    ) -> Coroutine[Any, Any, Any]: ...
    def read_column(
        self,
        name: Column,
        *,
        rows: Rows | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> Coroutine[Any, Any, Array]: ...
    def read_header(self) -> Coroutine[Any, Any, Header]: ...
    def repack(self) -> Coroutine[Any, Any, None]: ...
    def add_datasum(self) -> Coroutine[Any, Any, None]: ...
    def add_checksum(self) -> Coroutine[Any, Any, None]: ...
    def verify_datasum(self) -> Coroutine[Any, Any, bool | None]: ...
    def verify_checksum(self) -> Coroutine[Any, Any, bool | None]: ...

class FITS:
    """An open FITS file whose every operation is awaitable."""

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
    def from_bytes(data: Buffer, mode: Mode = "r", lenient: bool = False) -> Coroutine[Any, Any, FITS]: ...
    @property
    def filename(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __getitem__(self, key: HduKey, /) -> Selector: ...
    def __aiter__(self) -> AsyncIterator[Any]: ...
    def count(self) -> Coroutine[Any, Any, int]: ...
    def contains(self, key: HduKey) -> Coroutine[Any, Any, bool]: ...
    def to_bytes(self) -> Coroutine[Any, Any, bytes]: ...
    def close(self) -> Coroutine[Any, Any, None]: ...
    def create_ascii_table_hdu(
        self,
        dtype: npt.DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Units | None = None,
        formats: Mapping[str, str] | None = None,
        before: HduKey | rustfits.HDU | None = None,
    ) -> Coroutine[Any, Any, AsciiTableHDU]: ...
    def copy(
        self, hdu: rustfits.HDU, *, before: HduKey | rustfits.HDU | None = None
    ) -> Coroutine[Any, Any, rustfits.HDU]: ...
    def delete(self, key: HduKey | rustfits.HDU) -> Coroutine[Any, Any, None]: ...
    def sync(self) -> Coroutine[Any, Any, None]: ...
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
        before: HduKey | rustfits.HDU | None = None,
    ) -> Coroutine[Any, Any, ImageHDU]: ...
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
        before: HduKey | rustfits.HDU | None = None,
    ) -> Coroutine[Any, Any, ImageHDU]: ...
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
        before: HduKey | rustfits.HDU | None = None,
    ) -> Coroutine[Any, Any, TableHDU]: ...
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
        before: HduKey | rustfits.HDU | None = None,
    ) -> Coroutine[Any, Any, TableHDU]: ...
    # A table for a structured array or a dict, else an image.
    def write(
        self,
        data: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        extname: str | None = None,
        header: HeaderCards | None = None,
        before: HduKey | rustfits.HDU | None = None,
    ) -> Coroutine[Any, Any, Any]: ...

def open(
    filename: Name,
    mode: Mode = "r",
    *,
    lenient: bool = False,
    remote: str | Remote | None = None,
    atomic: bool = False,
    allow_in_place: bool = False,
) -> Coroutine[Any, Any, FITS]: ...
@overload
def read(
    filename: Name,
    ext: HduKey | None = None,
    *,
    header: Literal[False] = False,
    lenient: bool = False,
    remote: str | Remote | None = None,
) -> Coroutine[Any, Any, Array]: ...
@overload
def read(
    filename: Name,
    ext: HduKey | None = None,
    *,
    header: Literal[True],
    lenient: bool = False,
    remote: str | Remote | None = None,
) -> Coroutine[Any, Any, tuple[Array, Header]]: ...
@overload
def read(
    filename: Name,
    ext: HduKey | None = None,
    *,
    header: bool = False,
    lenient: bool = False,
    remote: str | Remote | None = None,
) -> Coroutine[Any, Any, Any]: ...
def read_header(
    filename: Name, ext: HduKey = 0, *, lenient: bool = False, remote: str | Remote | None = None
) -> Coroutine[Any, Any, Header]: ...
def write(
    filename: Name,
    data: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    *,
    mode: Mode = "w+",
    extname: str | None = None,
    header: HeaderCards | None = None,
) -> Coroutine[Any, Any, None]: ...
