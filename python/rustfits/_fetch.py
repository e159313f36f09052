"""``fetch_many`` and ``download_many``: feed the engine's queues from an iterable; blocking, and for `rustfits.aio`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypedDict, TypeVar, Unpack

from rustfits._rustfits import Download, DownloadQueue, DownloadResult, FetchResult, FetchStatistics, Queue

if TYPE_CHECKING:
    from rustfits._rustfits import FITS, Name, Remote, Timeout
    from rustfits.aio import FITS as AioFITS

_LOG_EVERY_FILES = 100
# Not None: that may come where a name should, and is then that file's error.
_END: Any = object()

if TYPE_CHECKING:
    # A file by its name, or by those of its mirrors.
    Names: TypeAlias = Name | list[Name] | tuple[Name, ...] | list[str] | tuple[str, ...]
    File: TypeAlias = str | list[str] | tuple[str, ...] | Download
    AnyQueue: TypeAlias = Queue | DownloadQueue
    Result: TypeAlias = FetchResult[Any] | DownloadResult


class _Progress:
    """Shows how far a fetch is: tqdm where it is installed (also in a notebook), else a line now and then."""

    def __init__(self, total: int | None) -> None:
        self._files = 0
        self._bytes = 0
        self._bar: Any = None
        with contextlib.suppress(ImportError):
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit="file")

    def add(self, result: Result) -> None:
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


_R = TypeVar("_R")


class _Control:
    """What both faces of a fetch can do from outside."""

    def __init__(self, queue: AnyQueue) -> None:
        self._queue = queue

    def cancel(self, which: int | str | None = None) -> int:
        """Cancel a file, or all; from any thread.

        Parameters
        ----------
        which : int or str, optional
            The number of a file in the order given, or a URL: a file that is under way or waits for its turn ends
            with an error that says so. Without it all do, and no further one begins.

        Returns
        -------
        int
            How many files were cancelled.

        Examples
        --------
        >>> fetch = rustfits.fetch_many(["https://archive.example/image.fits"])
        >>> cancelled = fetch.cancel()
        >>> [type(r.error).__name__ for r in fetch if r.error] in ([], ["OSError"])
        True
        """
        return self._queue.cancel(which)

    @property
    def statistics(self) -> FetchStatistics:
        """What came so far: files, bytes, requests, retries, connections, latencies; in all and by host."""
        return self._queue.statistics


class Fetch(_Control, Generic[_R]):
    """The results of `fetch_many` or `download_many`, as they complete: an iterator.

    Leaving a ``with`` block, `close` and forgetting it stop what runs.

    Examples
    --------
    >>> with rustfits.fetch_many(["https://archive.example/image.fits"]) as fetch:
    ...     print([r.fits["SCI"].shape for r in fetch], fetch.statistics.succeeded)
    [(300, 200)] 1
    """

    def __init__(self, queue: AnyQueue, files: Iterable[Any], shown: bool) -> None:
        _refuse_single(files)
        super().__init__(queue)
        self._results: Generator[_R, None, None] = _run(queue, files, _Progress(_length(files)) if shown else None)

    def __iter__(self) -> Iterator[_R]:
        return self

    def __next__(self) -> _R:
        return next(self._results)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs; results that were not taken are dropped.

        Examples
        --------
        >>> fetch = rustfits.fetch_many(["https://archive.example/image.fits"])
        >>> fetch.close()
        """
        self.cancel()
        self._results.close()


class AsyncFetch(_Control, Generic[_R]):
    """The results of `aio.fetch_many` or `aio.download_many`, as they complete: an asynchronous iterator.

    Leaving an ``async with`` block, `aclose` and forgetting it stop what runs.

    Examples
    --------
    >>> async def main():
    ...     async with aio.fetch_many(["https://archive.example/image.fits"]) as fetch:
    ...         print([r.url async for r in fetch if r.error], fetch.statistics.succeeded)
    >>> asyncio.run(main())
    [] 1
    """

    def __init__(self, queue: AnyQueue, files: Iterable[Any] | AsyncIterable[Any], shown: bool) -> None:
        _refuse_single(files)
        super().__init__(queue)
        self._results: AsyncGenerator[_R, None] = _run_async(queue, files, _Progress(_length(files)) if shown else None)

    def __aiter__(self) -> AsyncIterator[_R]:
        return self

    async def __anext__(self) -> _R:
        return await anext(self._results)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop what runs; results that were not taken are dropped.

        Examples
        --------
        >>> async def main():
        ...     fetch = aio.fetch_many(["https://archive.example/image.fits"])
        ...     await fetch.aclose()
        >>> asyncio.run(main())
        """
        self.cancel()
        await self._results.aclose()


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
    max_bytes_per_second: int | None
    max_requests_per_second: float | None
    host_headers: dict[str, dict[str, str]] | None
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
    max_bytes_per_second: int | None = None,
    max_requests_per_second: float | None = None,
    host_headers: dict[str, dict[str, str]] | None = None,
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
        max_bytes_per_second=max_bytes_per_second,
        max_requests_per_second=max_requests_per_second,
        host_headers=host_headers,
        on_event=progress if callable(progress) else None,
    )
    return queue, progress is True


def _refuse_single(files: object) -> None:
    # Its characters would be taken for names.
    if isinstance(files, str | bytes):
        raise TypeError(f"many files are a list or another iterable of names: put the one in a list, [{files!r}]")


def _length(urls: object) -> int | None:
    try:
        return len(urls)  # type: ignore[arg-type]
    except TypeError:
        return None


def fetch_many(urls: Iterable[Names], **options: Unpack[_Options]) -> Fetch[FetchResult[FITS]]:
    """Fetch many files concurrently and yield each as it completes.

    Parameters
    ----------
    urls : iterable of str
        Names as `FITS` takes them; read lazily, as room becomes free. A list or tuple of names is one file with
        its mirrors: the next one is tried when those before have failed.
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
    remote : 'ranged', 'auto' or Remote, optional
        How each file is fetched.
    lenient : bool
        Take cards that break the rules.
    ordered : bool
        Yield in the order given.
    max_bytes_per_second : int, optional
        How many bytes may come in a second, from all hosts together.
    max_requests_per_second : float, optional
        How many requests may be made in a second, of all hosts together.
    host_headers : dict of dicts, optional
        Further request headers for the files of a host, in place of those in `headers` of the same name:
        ``{"archive.example": {"X-Token": "..."}}``. A port that is not the scheme's own belongs to the name. They are
        never sent to a host that a redirect leads to.
    progress : bool or callable
        True shows a bar; a callable is given each event as a dict.

    Returns
    -------
    Fetch
        An iterator of `FetchResult`: `url`, `index`, `fits` (an open file), `error`, `attempts`, `bytes`, `seconds`.
        It never raises for one bad name or URL; a warning that is made an error is the `error` of its file.
        `cancel` cancels a file or all, `statistics` says what came so far.

    Notes
    -----
    A host that answers 429 or 503 (ftp: 421) is asked more slowly: no request before the time that its ``Retry-After``
    names, half as many files at once, twice the pause between two requests; each good answer takes a part of that back.

    Later reads of files that were opened by ranges keep to the same limits, and are in the statistics.

    Examples
    --------
    >>> for r in rustfits.fetch_many(["https://archive.example/image.fits"], concurrency=8):
    ...     print(r.error or r.fits["SCI"].shape)
    (300, 200)
    """
    queue, shown = _options(**options)
    return Fetch(queue, urls, shown)


def _run(queue: AnyQueue, files: Iterable[Any], progress: _Progress | None) -> Generator[Any, None, None]:
    names = iter(files)
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


async def _names(urls: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(urls, AsyncIterable):
        async for name in urls:
            yield name
    else:
        for name in urls:
            yield name


def fetch_many_async(
    urls: Iterable[Names] | AsyncIterable[Names], **options: Unpack[_Options]
) -> AsyncFetch[FetchResult[AioFITS]]:
    """Fetch many files concurrently: ``async for r in aio.fetch_many(urls)``.

    Parameters are those of `rustfits.fetch_many`; the iterable may be an async one.
    The files of the results are `aio.FITS`.

    Examples
    --------
    >>> async def main():
    ...     async for r in aio.fetch_many(["https://archive.example/image.fits"]):
    ...         print(r.error or (await r.fits["SCI"].read()).shape)
    >>> asyncio.run(main())
    (300, 200)
    """
    queue, shown = _options(**options)
    return AsyncFetch(queue, urls, shown)


async def _run_async(
    queue: AnyQueue, files: Iterable[Any] | AsyncIterable[Any], progress: _Progress | None
) -> AsyncGenerator[Any, None]:
    names = _names(files)
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


class _DownloadOptions(TypedDict, total=False):
    """The keywords of `download_many`."""

    concurrency: int
    per_host: int | None
    retries: int
    backoff: float
    timeout: float | Timeout | None
    max_bytes: int | None
    headers: dict[str, str] | None
    remote: Remote | None
    ordered: bool
    max_bytes_per_second: int | None
    max_requests_per_second: float | None
    host_headers: dict[str, dict[str, str]] | None
    verify: str | None
    overwrite: bool
    manifest: Name | None
    progress: bool | Callable[[dict[str, Any]], object]


def _download_options(
    directory: Name,
    concurrency: int = 32,
    per_host: int | None = None,
    retries: int = 4,
    backoff: float = 1.0,
    timeout: float | Timeout | None = None,
    max_bytes: int | None = None,
    headers: dict[str, str] | None = None,
    remote: Remote | None = None,
    ordered: bool = False,
    max_bytes_per_second: int | None = None,
    max_requests_per_second: float | None = None,
    host_headers: dict[str, dict[str, str]] | None = None,
    verify: str | None = "start",
    overwrite: bool = False,
    manifest: Name | None = None,
    progress: bool | Callable[[dict[str, Any]], object] = False,
) -> tuple[DownloadQueue, bool]:
    queue = DownloadQueue(
        directory,
        concurrency=concurrency,
        per_host=per_host,
        retries=retries,
        backoff=backoff,
        timeout=timeout,
        max_bytes=max_bytes,
        headers=headers,
        remote=remote,
        ordered=ordered,
        max_bytes_per_second=max_bytes_per_second,
        max_requests_per_second=max_requests_per_second,
        host_headers=host_headers,
        verify=verify,
        overwrite=overwrite,
        manifest=manifest,
        on_event=progress if callable(progress) else None,
    )
    return queue, progress is True


def download_many(files: Iterable[File], directory: Name, **options: Unpack[_DownloadOptions]) -> Fetch[DownloadResult]:
    """Download many files into a directory and yield a result for each as it is complete.

    A file appears under its name when it is complete, checked and durable. Before that it is ``.NAME.rustfits-part``
    with ``.NAME.rustfits-journal`` beside it: after a kill the same call goes on from there if the server has the same
    version still, and what is complete and unchanged is skipped. Files keep the bytes of the server: gzip stays gzip.

    Parameters
    ----------
    files : iterable of str, list, tuple or Download
        URLs, read lazily; a list or tuple is one file with its mirrors. A `Download` also says under which name,
        and which size and hash the file has.
    directory : path
        Where the files go; made if it is not there. No name of a URL or of a server leads out of it.
    concurrency, per_host, retries, backoff, timeout, max_bytes, headers, remote, ordered, progress
        As for `fetch_many`; `max_bytes` counts the bytes that are stored.
    max_bytes_per_second, max_requests_per_second, host_headers
        As for `fetch_many`.
    verify : {'start', 'datasum', None}
        What is checked of each file besides its size and hash: that it begins as FITS or gzip (a web page in its place
        is an error), and also that the data are what DATASUM says.
    overwrite : bool
        Fetch also what is there already.
    manifest : path, optional
        A file for what became of each: ``.csv`` or ``.jsonl``.

    Returns
    -------
    Fetch
        An iterator of `DownloadResult`: `url`, `index`, `path`, `size`, `skipped`, `resumed`, `error`, `attempts`,
        `bytes`, `seconds`. It never raises for one bad file. `cancel` cancels a file or all, `statistics` says what
        came so far.

    Examples
    --------
    >>> for r in rustfits.download_many(["https://archive.example/image.fits"], "tiles", verify="datasum"):
    ...     print(r.error or r.path.name)
    image.fits
    """
    queue, shown = _download_options(directory, **options)
    return Fetch(queue, files, shown)


def download_many_async(
    files: Iterable[File] | AsyncIterable[File], directory: Name, **options: Unpack[_DownloadOptions]
) -> AsyncFetch[DownloadResult]:
    """Download many files into a directory: ``async for r in aio.download_many(urls, directory)``.

    Parameters are those of `rustfits.download_many`; the iterable may be an async one.

    Examples
    --------
    >>> async def main():
    ...     async for r in aio.download_many(["https://archive.example/image.fits"], "tiles"):
    ...         print(r.error or r.path.name)
    >>> asyncio.run(main())
    image.fits
    """
    queue, shown = _download_options(directory, **options)
    return AsyncFetch(queue, files, shown)
