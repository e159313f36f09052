"""Read and write FITS files, wherever the bytes live.

Names open files as in cfitsio: paths, ``file://``, ``mem://``, ``http(s)://``, ``ftp(s)://``, plain or gzip.

>>> import rustfits
>>> with rustfits.FITS("image.fits") as fits:  # doctest: +SKIP
...     stamp = fits["SCI"][100:200, 50:150]
"""

import sys as _sys

from rustfits import aio
from rustfits._compress import Gzip1, Gzip2, Hcompress1, NoCompress, Plio1, Quantize, Rice1
from rustfits._fetch import Fetch, download_many, fetch_many
from rustfits._rustfits import (
    FITS,
    HDU,
    AsciiTableHDU,
    BlockCache,
    CompressedImageHDU,
    CompressedTableHDU,
    Download,
    DownloadResult,
    FetchResult,
    FetchStatistics,
    Header,
    HostStatistics,
    ImageHDU,
    LatencyStatistics,
    Remote,
    Stream,
    StreamHDU,
    TableHDU,
    Timeout,
    __version__,
    is_protected_key,
    read,
    read_header,
    stream,
    write,
)

__all__ = [
    "FITS",
    "HDU",
    "AsciiTableHDU",
    "BlockCache",
    "CompressedImageHDU",
    "CompressedTableHDU",
    "Download",
    "DownloadResult",
    "Fetch",
    "FetchResult",
    "FetchStatistics",
    "Gzip1",
    "Gzip2",
    "Hcompress1",
    "Header",
    "HostStatistics",
    "ImageHDU",
    "LatencyStatistics",
    "NoCompress",
    "Plio1",
    "Quantize",
    "Remote",
    "Rice1",
    "Stream",
    "StreamHDU",
    "TableHDU",
    "Timeout",
    "__version__",
    "aio",
    "download_many",
    "fetch_many",
    "is_protected_key",
    "read",
    "read_header",
    "stream",
    "write",
]

# Where astropy is in use its tables learn the format "rustfits"; it is not imported for that.
if "astropy.table" in _sys.modules:
    from rustfits import astropy as astropy  # noqa: F401
