"""The asyncio face of rustfits: the same names, and every call that does I/O is awaitable.

>>> from rustfits import aio
>>> async def stamp(url):
...     async with aio.FITS(url, remote="ranged") as fits:
...         return await fits["SCI"][100:200, 50:150]
"""

from rustfits._fetch import AsyncFetch as Fetch
from rustfits._fetch import download_many_async as download_many
from rustfits._fetch import fetch_many_async as fetch_many
from rustfits._rustfits import aio as _native

FITS = _native.FITS
ImageHDU = _native.ImageHDU
CompressedImageHDU = _native.CompressedImageHDU
CompressedTableHDU = _native.CompressedTableHDU
Stream = _native.Stream
StreamHDU = _native.StreamHDU
TableHDU = _native.TableHDU
AsciiTableHDU = _native.AsciiTableHDU
open = _native.open
read = _native.read
read_header = _native.read_header
stream = _native.stream
write = _native.write

__all__ = [
    "FITS",
    "AsciiTableHDU",
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
