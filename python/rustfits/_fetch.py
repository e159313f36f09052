"""``fetch_many``: feeds the engine's queue from an iterable; blocking here, asyncio in `rustfits.aio`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from rustfits._rustfits import FetchResult, Queue

if TYPE_CHECKING:
    from rustfits._rustfits import FITS, Name, Remote, Timeout
    from rustfits.aio import FITS as AioFITS

_LOG_EVERY_FILES = 100
# Not None: that may come where a name should, and is then that file's error.
_END: Any = object()


class _Progress:
    """Shows how far a fetch is: tqdm where it is installed (also in a notebook), else a line now and then."""

    def __init__(self, total: int | None) -> None:
        self._files = 0
        self._bytes = 0
        self._bar: Any = None
        with contextlib.suppress(ImportError):
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit="file")

    def add(self, result: FetchResult[Any]) -> None:
        self._files += 1
        self._bytes += result.bytes
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._bytes / 1e6:.1f} MB", refresh=False)
            self._bar.update()
        elif self._files % _LOG_EVERY_FILES == 0:
            self._line()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._line()

    def _line(self) -> None:
        print(f"fetched {self._files} files, {self._bytes / 1e6:.1f} MB", file=sys.stderr)


class _Options(TypedDict, total=False):
    """The keywords of `fetch_many`."""

    concurrency: int
    per_host: int | None
    max_buffered: int | None
    retries: int
    backoff: float
    timeout: float | Timeout | None
    max_bytes: int | None
    headers: dict[str, str] | None
    remote: str | Remote | None
    lenient: bool
    ordered: bool
    progress: bool | Callable[[dict[str, Any]], object]


def _options(
    concurrency: int = 32,
    per_host: int | None = None,
    max_buffered: int | None = None,
    retries: int = 4,
    backoff: float = 1.0,
    timeout: float | Timeout | None = None,
    max_bytes: int | None = None,
    headers: dict[str, str] | None = None,
    remote: str | Remote | None = None,
    lenient: bool = False,
    ordered: bool = False,
    progress: bool | Callable[[dict[str, Any]], object] = False,
) -> tuple[Queue, bool]:
    queue = Queue(
        concurrency=concurrency,
        per_host=per_host,
        max_buffered=max_buffered,
        retries=retries,
        backoff=backoff,
        timeout=timeout,
        max_bytes=max_bytes,
        headers=headers,
        remote=remote,
        lenient=lenient,
        ordered=ordered,
        on_event=progress if callable(progress) else None,
    )
    return queue, progress is True


def _length(urls: object) -> int | None:
    try:
        return len(urls)  # type: ignore[arg-type]
    except TypeError:
        return None


def fetch_many(urls: Iterable[Name], **options: Unpack[_Options]) -> Generator[FetchResult[FITS], None, None]:
    """Fetch many files concurrently and yield each as it completes.

    Parameters
    ----------
    urls : iterable of str
        Names as `FITS` takes them; read lazily, as room becomes free.
    concurrency : int
        How many files are fetched at once (32).
    per_host : int, optional
        How many of them from one host (6).
    max_buffered : int, optional
        Bytes in flight and in results that nobody took yet (1 GiB). A larger file runs alone.
    retries : int
        Further attempts for what can succeed (4).
    backoff : float
        The pause after the first attempt in seconds; it doubles each time.
    timeout : float or Timeout, optional
        Time limits of each file.
    max_bytes : int, optional
        The most bytes of a file, after gunzip.
    headers : dict, optional
        Further request headers.
    remote : 'ranged' or Remote, optional
        How each file is fetched.
    lenient : bool
        Take cards that break the rules.
    ordered : bool
        Yield in the order given.
    progress : bool or callable
        True shows a bar; a callable is given each event as a dict.

    Yields
    ------
    FetchResult
        `url`, `index`, `fits` (an open file), `error`, `attempts`, `bytes`, `seconds`.
        Never raises for one bad name or URL; a warning that is made an error is the `error` of its file.
    """
    queue, shown = _options(**options)
    return _fetch(queue, urls, _Progress(_length(urls)) if shown else None)


def _fetch(queue: Queue, urls: Iterable[Name], progress: _Progress | None) -> Generator[FetchResult[FITS], None, None]:
    names = iter(urls)
    try:
        while True:
            while queue.has_room() and (name := next(names, _END)) is not _END:
                queue.push(name)
            try:
                result = queue.next()
            except StopIteration:
                return
            if progress is not None:
                progress.add(result)
            yield result
    finally:
        if progress is not None:
            progress.close()


async def _names(urls: Iterable[Name] | AsyncIterable[Name]) -> AsyncIterator[Name]:
    if isinstance(urls, AsyncIterable):
        async for name in urls:
            yield name
    else:
        for name in urls:
            yield name


def fetch_many_async(
    urls: Iterable[Name] | AsyncIterable[Name], **options: Unpack[_Options]
) -> AsyncGenerator[FetchResult[AioFITS], None]:
    """Fetch many files concurrently: ``async for r in aio.fetch_many(urls)``.

    Parameters are those of `rustfits.fetch_many`; the iterable may be an async one.
    The files of the results are `aio.FITS`.
    """
    queue, shown = _options(**options)
    return _fetch_async(queue, urls, _Progress(_length(urls)) if shown else None)


async def _fetch_async(
    queue: Queue, urls: Iterable[Name] | AsyncIterable[Name], progress: _Progress | None
) -> AsyncGenerator[FetchResult[AioFITS], None]:
    names = _names(urls)
    try:
        while True:
            while queue.has_room() and (name := await anext(names, _END)) is not _END:
                queue.push(name)
            try:
                result = await queue.next_async()
            except StopAsyncIteration:
                return
            if progress is not None:
                progress.add(result)
            yield result
    finally:
        if progress is not None:
            progress.close()
