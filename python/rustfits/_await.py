"""Makes a coroutine of an operation, so that it can become a task; like any coroutine it begins when it is awaited."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any


async def operation(start: Callable[[], Future[Any]]) -> Any:
    return await start()


async def read(reader: Any, size: int) -> Any:
    return await reader.read(size)


async def following(chunks: Any, _size: int) -> Any:
    return await anext(chunks, b"")
