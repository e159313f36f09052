"""The native module: the classes that `rustfits` and `rustfits.aio` export."""

import os
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from types import EllipsisType, TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

__version__: str

Array: TypeAlias = npt.NDArray[Any]
HduKey: TypeAlias = int | np.integer[Any] | str | bytes | tuple[str | bytes, int]
AxisKey: TypeAlias = int | np.integer[Any] | slice | EllipsisType | Sequence[int] | npt.NDArray[np.integer[Any]]
SectionKey: TypeAlias = AxisKey | tuple[AxisKey, ...]
Rows: TypeAlias = int | slice | Sequence[int] | npt.NDArray[np.integer[Any]]
Columns: TypeAlias = str | int | Sequence[str | int]
Name: TypeAlias = str | os.PathLike[str]

class Timeout:
    """Time limits of a transfer, in seconds."""

    connect: float
    idle: float
    total: float | None
    def __init__(self, *, connect: float = 30.0, idle: float = 60.0, total: float | None = None) -> None: ...

class Remote:
    """How a remote file is fetched."""

    ranged: bool
    mode: str | None
    headers: dict[str, str]
    timeout: Timeout | None
    ca_file: str | os.PathLike[str] | None
    max_bytes: int | None
    block_bytes: int | None
    cache_bytes: int | None
    def __init__(
        self,
        *,
        ranged: bool = False,
        mode: str | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | Timeout | None = None,
        ca_file: Name | None = None,
        client_cert: object = None,
        auth: object = None,
        proxy: object = None,
        max_bytes: int | None = None,
        block_bytes: int | None = None,
        cache_bytes: int | None = None,
    ) -> None: ...

class Header:
    """The header of an HDU: a mapping from keyword to value, in card order, found in any letter case."""

    @property
    def cards(self) -> list[str]: ...
    def __getitem__(self, keyword: str, /) -> Any: ...
    def __setitem__(self, keyword: str, value: object, /) -> None: ...
    def __delitem__(self, keyword: str, /) -> None: ...
    def __contains__(self, keyword: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[Any]: ...
    def items(self) -> list[tuple[str, Any]]: ...
    def get(self, keyword: str, default: Any = None) -> Any: ...
    def comment_of(self, keyword: str) -> str: ...
    def to_dict(self, skip_protected: bool = False) -> dict[str, Any]: ...

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
    def __getitem__(self, section: SectionKey, /) -> Any: ...
    def __setitem__(self, key: SectionKey, value: object, /) -> None: ...
    def read(self, section: SectionKey | None = None, *, scale: bool = True, mask_blank: bool = False) -> Any: ...

class CompressedImageHDU(ImageHDU):
    """An image in compressed tiles."""

class ColumnSubset:
    """Some columns of a table, read when rows are asked of them."""

    def read(self, *, rows: Rows | None = None) -> Array: ...
    def __getitem__(self, rows: Rows | EllipsisType, /) -> Any: ...

class RowIterator:
    """Iterates over the rows of a table, some at a time."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> np.void: ...

class TableHDU(HDU):
    """A binary table."""

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
    def __getitem__(self, key: Any, /) -> Any: ...
    def __setitem__(self, key: Any, value: object, /) -> None: ...
    def __iter__(self) -> RowIterator: ...
    def read(
        self, *, rows: Rows | None = None, columns: Columns | None = None, scale: bool = True, mask_null: bool = False
    ) -> Array: ...
    def read_column(
        self,
        name: str | int,
        *,
        rows: Rows | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> Array: ...

class CompressedTableHDU(TableHDU):
    """A table in compressed tiles."""

class AsciiTableHDU(HDU):
    """An ASCII table."""

class FITS:
    """An open FITS file."""

    def __init__(
        self,
        filename: Name,
        mode: str = "r",
        *,
        lenient: bool = False,
        remote: str | Remote | None = None,
        atomic: bool = False,
        allow_in_place: bool = False,
    ) -> None: ...
    @staticmethod
    def from_bytes(data: bytes | bytearray | memoryview, mode: str = "r", lenient: bool = False) -> FITS: ...
    def to_bytes(self) -> bytes: ...
    @property
    def filename(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def hdus(self) -> list[Any]: ...
    def close(self) -> None: ...
    def sync(self) -> None: ...
    def write_image(
        self,
        data: npt.ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: object = None,
        quantize: object = None,
        blank: object = None,
        header: object = None,
    ) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: HduKey, /) -> Any: ...
    def __contains__(self, key: HduKey, /) -> bool: ...
    def __iter__(self) -> Iterator[Any]: ...

class FetchResult:
    """The result for one file of `fetch_many`."""

    url: str
    index: int
    fits: Any
    error: BaseException | None
    attempts: int
    bytes: int
    seconds: float

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
        on_event: Callable[[dict[str, Any]], None] | None,
    ) -> None: ...
    def has_room(self) -> bool: ...
    def push(self, name: str) -> None: ...
    def next(self) -> FetchResult: ...
    def next_async(self) -> Awaitable[FetchResult]: ...

class aio:
    """The classes of `rustfits.aio`."""

    class Selector:
        """An HDU that was not looked up yet."""

        def __await__(self) -> Generator[Any, None, Any]: ...
        def __getitem__(self, key: Any, /) -> Awaitable[Any]: ...
        def read(
            self,
            section: SectionKey | None = None,
            *,
            rows: Rows | None = None,
            columns: Columns | None = None,
            scale: bool = True,
            mask_blank: bool = False,
        ) -> Awaitable[Any]: ...
        def read_column(
            self, name: str | int, *, rows: Rows | None = None, as_bytes: bool = False, scale: bool = True
        ) -> Awaitable[Array]: ...
        def read_header(self) -> Awaitable[Header]: ...

    class ImageHDU: ...
    class CompressedImageHDU: ...
    class TableHDU: ...

    class FITS:
        """An open FITS file whose every operation is awaitable."""

        def __init__(
            self, filename: Name, mode: str = "r", *, lenient: bool = False, remote: str | Remote | None = None
        ) -> None: ...
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
        def __getitem__(self, key: HduKey, /) -> aio.Selector: ...
        def __aiter__(self) -> Any: ...
        def count(self) -> Awaitable[int]: ...
        def contains(self, key: HduKey) -> Awaitable[bool]: ...
        def to_bytes(self) -> Awaitable[bytes]: ...
        def close(self) -> Awaitable[None]: ...
        def sync(self) -> Awaitable[None]: ...
        def write_image(
            self,
            data: npt.ArrayLike,
            *,
            extname: str | None = None,
            extver: int | None = None,
            compress: object = None,
            quantize: object = None,
            blank: object = None,
            header: object = None,
        ) -> Awaitable[Any]: ...

    @staticmethod
    def open(
        filename: Name, mode: str = "r", *, lenient: bool = False, remote: str | Remote | None = None
    ) -> Awaitable[aio.FITS]: ...
