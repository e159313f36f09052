"""What the demo wants to know of each fetched file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rustfits

THUMBNAIL = 150


@dataclass
class Row:
    """One line of the table."""

    name: str
    protocol: str
    bytes: int
    seconds: float
    attempts: int
    hdus: int | None = None
    shape: tuple[int, ...] | None = None
    statistics: tuple[float, float, float] | None = None
    thumbnail: np.ndarray | None = None
    error: str | None = None


def first_image(fits: rustfits.FITS) -> np.ndarray | None:
    """The pixels of the first HDU that has an image."""
    for hdu in fits:
        if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data:
            return hdu.read()
    return None


def thumbnail(image: np.ndarray) -> np.ndarray | None:
    """A small square of the image, each pixel a mean; None where there is no picture in it."""
    while image.ndim > 2:
        image = image[0]
    side = min(image.shape, default=0)
    if image.ndim != 2 or side < 40:
        return None
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    bin_ = max(side // THUMBNAIL, 1)
    count = side // bin_
    square = image[top : top + count * bin_, left : left + count * bin_]
    rows = square.reshape(count, bin_, -1).mean(axis=1, dtype="f4")
    return rows.reshape(count, count, bin_).mean(axis=2)


def statistics(image: np.ndarray) -> tuple[float, float, float] | None:
    """The lowest, the median and the highest of the finite values."""
    values = image.ravel()
    if values.dtype.kind == "f" and not np.isfinite([values.min(), values.max()]).all():
        values = values[np.isfinite(values)]
    return (float(values.min()), float(np.median(values)), float(values.max())) if values.size else None


def look(result: rustfits.FetchResult) -> Row:
    protocol, _, rest = result.url.partition("://")
    row = Row(rest.rpartition("/")[2], protocol, result.bytes, result.seconds, result.attempts)
    if result.error is not None:
        row.error = f"{type(result.error).__name__}: {result.error}"
        return row
    try:
        row.hdus = len(result.fits)
        image = first_image(result.fits)
        if image is not None and image.size:
            row.shape = image.shape
            row.statistics = statistics(image)
            row.thumbnail = thumbnail(image)
    except (OSError, ValueError, NotImplementedError) as error:
        row.error = f"{type(error).__name__}: {error}"
    return row
