"""What ``compress=`` and ``quantize=`` take: how a new image is compressed in tiles (FITS 4.0 section 10)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from rustfits._rustfits import check_compression  # type: ignore[attr-defined]  # Not for users.


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiles:
    """What all compressions have in common.

    Two are equal where their fields are. One that was read from a file, ``hdu.compression``, has the tile shape and the
    descriptors that the image got: what was left to chance when it was written is equal to that.

    Parameters
    ----------
    tile_shape : tuple of int, optional
        The shape of a tile, slowest axis first; rows of the image unless given (with ``Hcompress1`` about 16 rows).
        Tiles at the end of an axis are shorter.
    heap_format : {'P', 'Q'}, optional
        Descriptors of 32 or of 64 bits; what the size of the image demands unless given.
    """

    tile_shape: tuple[int, ...] | None = None
    heap_format: Literal["P", "Q"] | None = None
    _of_file: bool = field(default=False, init=False, repr=False)
    # The most rows of a tile whose shape was not asked for.
    _most_rows: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_compression(self)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        read, asked = (self, other) if self._of_file else (other, self)
        return all(_agree(name, read, asked) for name in self._names())

    def __hash__(self) -> int:
        # What is equal to one of a file has not all fields in common with it.
        return hash(type(self))

    def _names(self) -> list[str]:
        return [item.name for item in fields(self) if item.init]


def _agree(name: str, read: Tiles, asked: Tiles) -> bool:
    """Whether a field of a compression is that of another; `read` may be one of a file."""
    here, wanted = getattr(read, name), getattr(asked, name)
    if here == wanted or not read._of_file:
        return bool(here == wanted)
    if name == "tile_shape":
        # Tiles are rows, or some of them, unless it is said.
        return wanted is None and all(length == 1 for length in here[:-2]) and here[-2:-1] <= (read._most_rows,)
    # The level is not in the file; the descriptors are what the size demands.
    return name == "level" or (name == "heap_format" and wanted is None)


def of_file(name: str, **found: Any) -> Tiles:
    """The compression of an image that is in a file, which may have parameters that no new one gets."""
    kind = {kind.name: kind for kind in (Gzip1, Gzip2, Rice1, Plio1, Hcompress1, NoCompress)}[name]
    compression = object.__new__(kind)
    for item in fields(kind):
        object.__setattr__(compression, item.name, found.get(item.name, item.default))
    object.__setattr__(compression, "_of_file", True)
    return compression


@dataclass(frozen=True, kw_only=True, eq=False)
class Gzip1(Tiles):
    """GZIP_1: any pixels, gzipped.

    Parameters
    ----------
    tile_shape, heap_format : optional
        As for every compression: the shape of a tile, slowest axis first, and the width of descriptors.
    level : int
        From 1, the fastest, to 12, the smallest.

    Examples
    --------
    >>> import rustfits
    >>> rustfits.Gzip1(level=6) == rustfits.Gzip1(level=6, tile_shape=None)
    True
    """

    level: int = 2
    name = "GZIP_1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Gzip2(Tiles):
    """GZIP_2: any pixels, their bytes sorted by significance and gzipped; smaller than GZIP_1 for most data.

    Parameters
    ----------
    tile_shape, heap_format : optional
        As for every compression: the shape of a tile, slowest axis first, and the width of descriptors.
    level : int
        From 1, the fastest, to 12, the smallest.

    Examples
    --------
    >>> with rustfits.FITS("mem://", "w+") as fits:
    ...     hdu = fits.write_image(np.arange(4000).reshape(80, 50), compress=rustfits.Gzip2(tile_shape=(20, 50)))
    ...     print(hdu.zcmptype, hdu.n_tiles)
    GZIP_2 4
    """

    level: int = 2
    name = "GZIP_2"


@dataclass(frozen=True, kw_only=True, eq=False)
class Rice1(Tiles):
    """RICE_1: integers of 8, 16 and 32 bits, and floats with ``quantize=``.

    Parameters
    ----------
    tile_shape, heap_format : optional
        As for every compression: the shape of a tile, slowest axis first, and the width of descriptors.
    blocksize : int
        How many pixels share a code: 16 or 32 in the standard.

    Examples
    --------
    >>> with rustfits.FITS("mem://", "w+") as fits:
    ...     hdu = fits.write_image(np.zeros((80, 50), "i2"), compress=rustfits.Rice1(blocksize=16))
    ...     print(hdu.compression.blocksize)
    16
    """

    blocksize: int = 32
    name = "RICE_1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Plio1(Tiles):
    """PLIO_1: masks of the dtypes u1, i2 and i4, whose values are from 0 to 2**24 - 1.

    Parameters
    ----------
    tile_shape, heap_format : optional
        As for every compression: the shape of a tile, slowest axis first, and the width of descriptors.

    Examples
    --------
    >>> with rustfits.FITS("mem://", "w+") as fits:
    ...     hdu = fits.write_image(np.ones((80, 50), "i2"), compress=rustfits.Plio1())
    ...     print(hdu.zcmptype)
    PLIO_1
    """

    name = "PLIO_1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Hcompress1(Tiles):
    """HCOMPRESS_1: integers of 8, 16 and 32 bits, and floats with ``quantize=``, in tiles that are planes.

    Parameters
    ----------
    tile_shape, heap_format : optional
        As for every compression: the shape of a tile, slowest axis first, and the width of descriptors. Two axes of a
        tile have at least 4 pixels, also at the end of the image, the others one; 16 rows or a few more unless given.
    scale : float
        0 loses nothing. Else coefficients are divided by it, so that the faintest are lost: a positive number counts
        in the noise of a tile (its standard deviation), a negative one is the scale itself with its sign changed.
        Tiles with pixels that stand for no value, and floats under 'dither2', lose nothing.
    smooth : bool
        Whether readers are to smooth the blocks that a scale leaves.

    Examples
    --------
    >>> import numpy as np
    >>> import rustfits
    >>> with rustfits.FITS("mem://", "w+") as fits:
    ...     hdu = fits.write_image(np.arange(4000).reshape(80, 50).astype("i4"), compress=rustfits.Hcompress1())
    ...     hdu.zcmptype
    'HCOMPRESS_1'
    """

    scale: float = 0.0
    smooth: bool = False
    name = "HCOMPRESS_1"
    _most_rows: ClassVar[int] = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class NoCompress(Tiles):
    """NOCOMPRESS: any pixels, as they are, in tiles.

    Parameters
    ----------
    tile_shape, heap_format : optional
        As for every compression: the shape of a tile, slowest axis first, and the width of descriptors.

    Examples
    --------
    >>> with rustfits.FITS("mem://", "w+") as fits:
    ...     hdu = fits.write_image(np.arange(4000).reshape(80, 50), compress=rustfits.NoCompress(tile_shape=(20, 50)))
    ...     print(hdu.n_tiles)
    4
    """

    name = "NOCOMPRESS"


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantize:
    """How floats become integers before they are compressed. What is below a step is lost.

    Parameters
    ----------
    level : float
        Positive: how many steps the noise of a tile (its standard deviation) has. Negative: the width of a step,
        with its sign changed.
    method : {'dither1', 'dither2', 'no_dither'}
        Whether random numbers, which readers take off again, are added before rounding; with 'dither2' pixels of
        exactly 0 stay so.
    seed : int
        Where the sequence of random numbers starts, from 1 to 10000 (ZDITHER0); 0 is 1.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(80, 50))
    >>> with rustfits.FITS("mem://", "w+") as fits:
    ...     hdu = fits.write_image(noise, compress="RICE_1", quantize=rustfits.Quantize(level=16, method="dither2"))
    ...     print(hdu.quantize.level, np.abs(hdu[...] - noise).max() < 0.1)
    16.0 True
    """

    level: float = 4.0
    method: Literal["dither1", "dither2", "no_dither"] = "dither1"
    seed: int = 0

    def __post_init__(self) -> None:
        check_compression(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantize):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[float, str, int]:
        # Without dithering there is no sequence.
        return self.level, self.method, 0 if self.method == "no_dither" else max(self.seed, 1)
