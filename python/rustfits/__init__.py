"""Read and write FITS files, wherever the bytes live.

Names open files as in cfitsio: paths, ``file://``, ``mem://``, ``http(s)://``, ``ftp(s)://``, plain or gzip.

>>> import rustfits
>>> with rustfits.FITS("image.fits") as fits:  # doctest: +SKIP
...     stamp = fits["SCI"][100:200, 50:150]
"""

from rustfits import aio
from rustfits._compress import Gzip1, Gzip2, Hcompress1, NoCompress, Plio1, Quantize, Rice1
from rustfits._fetch import Fetch, download_many, fetch_many
from rustfits._rustfits import (
    FITS,
    HDU,
    AsciiTableHDU,
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
    TableHDU,
    Timeout,
    __version__,
    is_protected_key,
    read,
    read_header,
    write,
)

__all__ = [
    "FITS",
    "HDU",
    "AsciiTableHDU",
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
    "TableHDU",
    "Timeout",
    "__version__",
    "aio",
    "download_many",
    "fetch_many",
    "is_protected_key",
    "read",
    "read_header",
    "write",
]
