"""What we write as .gz: every reader gets the same bytes, and the size is what zlib makes of it."""

from __future__ import annotations

import gzip
import subprocess
import zlib

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits

RNG = np.random.default_rng(11)
SKY = RNG.normal(1000, 20, (1200, 1000)).astype("f4")
IMAGES = {
    "noise": SKY,
    "integers": SKY.astype("i2"),
    "constant": np.zeros((1500, 1500), "f8"),
    "small": np.arange(10, dtype="i4"),
    "random": RNG.integers(0, 255, (3000, 1001), dtype="u1"),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_every_reader_reads_it(tmp_path, kind):
    path = tmp_path / "a.fits.gz"
    image = IMAGES[kind]
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(image)
        fits.write_image(image[:1], extname="SECOND")
        plain = fits.to_bytes()
    assert gzip.decompress(path.read_bytes()) == plain
    assert subprocess.run(["gunzip", "-c", path], capture_output=True, check=True).stdout == plain
    np.testing.assert_array_equal(fitsio.read(str(path)), image)
    np.testing.assert_array_equal(fitsio.read(str(path), ext="SECOND"), image[:1])
    np.testing.assert_array_equal(astropy_fits.getdata(path), image)
    np.testing.assert_array_equal(astropy_fits.getdata(path, "SECOND"), image[:1])
    with rustfits.FITS(path) as fits:
        assert fits.to_bytes() == plain
    level_6 = len(zlib.compress(plain, 6))
    # The index of the pieces and the header: what matters in a file of some hundred bytes only.
    assert path.stat().st_size <= 1.05 * level_6 + 200


@pytest.mark.parametrize("damage", ["cut", "flip", "tail"])
def test_damage_in_any_piece_is_found(tmp_path, damage):
    path = tmp_path / "a.fits.gz"
    rustfits.write(path, IMAGES["noise"])
    whole = path.read_bytes()
    for at in np.linspace(30, len(whole) - 1, 40).astype(int):
        content = bytearray(whole)
        if damage == "cut":
            del content[at:]
        elif damage == "flip":
            content[at] ^= 0x10
        else:
            content = content[: at // 2] + content[at:]
        path.write_bytes(content)
        # A bit of the index of the pieces changes no byte of the file.
        if damage == "flip" and at < len(whole) // 20:
            if readable(path):
                np.testing.assert_array_equal(rustfits.read(path), IMAGES["noise"])
        else:
            with pytest.raises(OSError, match=r"a\.fits\.gz"):
                rustfits.read(path)


def readable(path):
    try:
        rustfits.read(path)
    except OSError:
        return False
    return True
