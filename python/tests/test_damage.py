"""Damaged files: whatever is asked of them is answered, or refused with one of Python's own exceptions."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from astropy.io import fits
from conftest import hdu_bytes, raw_file

import rustfits

#: What a damaged file may raise. A panic of the native code is none of these.
REFUSALS = (ValueError, OSError, NotImplementedError, IndexError, KeyError, TypeError, MemoryError)
EMPTY = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
TABLE = ("XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2")
IMAGE = ("ZIMAGE  = T", "ZCMPTYPE= 'RICE_1'", "ZBITPIX = 16", "ZNAXIS  = 2")


@pytest.fixture(scope="module")
def sample() -> bytes:
    """An image, a table and a compressed image."""
    columns = [
        fits.Column("id", "J", array=np.arange(5)),
        fits.Column("name", "6A", array=["a", "bb", "ccc", "", "e"]),
        fits.Column("spectrum", "6E", dim="(3,2)", array=np.arange(30, dtype="f4").reshape(5, 2, 3)),
        fits.Column("wide", "I", bzero=32768, unit="m", array=np.arange(5, dtype="u2")),
    ]
    image = np.arange(600, dtype="i2").reshape(20, 30)
    return hdu_bytes(
        fits.PrimaryHDU(image),
        fits.BinTableHDU.from_columns(columns, name="T"),
        fits.CompImageHDU(image, compression_type="RICE_1", tile_shape=(5, 30)),
        fits.CompImageHDU(image.astype("f4"), compression_type="GZIP_1", quantize_level=0.0),
    )


def look(content: bytes) -> None:
    """Looks at everything there is."""
    try:
        file = rustfits.FITS.from_bytes(content)
    except REFUSALS:
        return
    with file:
        for index in range(len(file)):
            with contextlib.suppress(*REFUSALS):
                look_at(file[index])


def look_at(hdu) -> None:
    names = [name for name in dir(type(hdu)) if not name.startswith("_")]
    for name in names:
        with contextlib.suppress(*REFUSALS):
            value = getattr(hdu, name)
            if name == "read":
                value()
    with contextlib.suppress(*REFUSALS):
        len(hdu)
    for key in [0, -1, slice(None, None, -2), [0, 1], "id"]:
        with contextlib.suppress(*REFUSALS):
            hdu[key]
    repr(hdu)
    str(hdu.header)
    if isinstance(hdu, rustfits.CompressedImageHDU):
        change(hdu)


def change(hdu) -> None:
    """Changes the copy in memory."""
    for edit in [
        lambda: hdu.__setitem__(0, 1),
        lambda: hdu.__setitem__(slice(None, None, 3), 7),
        lambda: hdu.__setitem__(..., 0),
        lambda: hdu.write(np.arange(9), start=40),
        lambda: hdu.extend(hdu.read(slice(0, 1))),
        hdu.verify_checksum,
        hdu.add_checksum,
        hdu.repack,
        lambda: hdu.header.add_history("changed"),
        hdu.read,
    ]:
        with contextlib.suppress(*REFUSALS):
            edit()


@pytest.mark.parametrize("seed", range(60))
def test_random_damage(sample, seed):
    random = np.random.default_rng(seed)
    content = bytearray(sample)
    for _ in range(random.integers(1, 12)):
        # Digits of header values, or any byte.
        if random.random() < 0.7:
            card = int(random.integers(0, len(content) // 80))
            content[card * 80 + int(random.integers(10, 30))] = int(random.choice(list(b"0123456789 '-.ET")))
        else:
            content[int(random.integers(0, len(content)))] = int(random.integers(0, 256))
    look(bytes(content[: int(random.integers(2880, 2 * len(content)))]))


@pytest.mark.parametrize(
    "cards",
    [
        ("NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 0"),
        ("NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 1", "TFORM1  = '0J'"),
        ("NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 1", "TFORM1  = '0A'"),
        ("NAXIS1  = 1", "NAXIS2  = 1", "TFIELDS = 1", "TFORM1  = '0A'", "TDIM1   = '(0,9223372036854775807)'"),
        ("NAXIS1  = 8", "NAXIS2  = 1", *IMAGE, "ZNAXIS1 = 4611686018427387904", "ZNAXIS2 = 4611686018427387904"),
        ("NAXIS1  = 8", "NAXIS2  = 1", *IMAGE, "ZNAXIS1 = 0", "ZNAXIS2 = 4611686018427387904"),
        ("NAXIS1  = 8", "NAXIS2  = 1", *IMAGE, "ZNAXIS1 = 4611686018427387903", "ZNAXIS2 = 1"),
    ],
)
def test_sizes_past_all_bounds(cards):
    look(EMPTY + raw_file(*TABLE, *cards, data=bytes(8)))


def test_shapes_past_all_bounds():
    for axes in [("NAXIS1  = 0", "NAXIS2  = 1099511627776", "NAXIS3  = 1099511627776")]:
        content = raw_file("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 3", *axes)
        look(content)
        assert rustfits.FITS.from_bytes(content)[0].size == 0
