"""What is easier said in Python for asyncio: operations as coroutines, which begin when awaited; rows of chunks."""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any


async def operation(start: Callable[[], Future[Any]]) -> Any:
    return await start()


async def rows(chunks: AsyncIterable[Iterable[Any]]) -> AsyncIterator[Any]:
    """The rows of a table, one by one, from its chunks."""
    async for chunk in chunks:
        for row in chunk:
            yield row


async def read(reader: Any, size: int) -> Any:
    return await reader.read(size)


async def following(chunks: Any, _size: int) -> Any:
    return await anext(chunks, b"")
