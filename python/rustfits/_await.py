"""What is easier said in Python for asyncio: operations as coroutines, which begin when awaited; rows of chunks."""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Generator, Iterable
from typing import Any


async def operation(start: Callable[[], tuple[Future[Any], Any]]) -> Any:
    result, running = start()
    try:
        return await result
    finally:
        # Cancelled, or closed with its event loop: nobody waits any more.
        running.stop()


def settle(waiting: Future[Any], value: Any, error: BaseException | None) -> None:
    """In the event loop: the result of an operation, unless it was cancelled meanwhile."""
    if waiting.done():
        return
    if error is None:
        waiting.set_result(value)
    else:
        waiting.set_exception(error)


async def rows(chunks: AsyncIterable[Iterable[Any]]) -> AsyncIterator[Any]:
    """The rows of a table, one by one, from its chunks."""
    async for chunk in chunks:
        for row in chunk:
            yield row


class _Asked:
    """Begins where it is awaited: dropped before, with its event loop, it leaves no coroutine behind."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._ask = ask

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._ask().__await__()


async def _read(reader: Any, size: int) -> Any:
    return await reader.read(size)


async def _following(chunks: Any) -> Any:
    return await anext(chunks, b"")


def read(reader: Any, size: int) -> _Asked:
    return _Asked(lambda: _read(reader, size))


def following(chunks: Any, _size: int) -> _Asked:
    return _Asked(lambda: _following(chunks))
