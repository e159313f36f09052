"""Images without axes, with axes of length 0, and with as many axes as FITS has."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits


def written(data, **keywords):
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(data, **keywords)
        return fits.to_bytes()


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0, 3), (3, 1, 0), (1,) * 64])
def test_axes_of_length_0_and_many_axes(shape):
    content = written(np.zeros(shape, "i2"))
    theirs = astropy_fits.open(io.BytesIO(content))[0]
    ours = rustfits.FITS.from_bytes(content)[0]
    assert ours.shape == ours.read().shape == theirs.shape == shape
    assert (ours.size, ours.has_data, len(ours)) == (int(np.prod(shape)), 0 not in shape, shape[0])
    made = io.BytesIO()
    astropy_fits.PrimaryHDU(np.zeros(shape, "i2")).writeto(made)
    assert rustfits.FITS.from_bytes(made.getvalue())[0].read().shape == shape


def test_999_axes():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_image_hdu("u1", (1,) * 998 + (7,))
        hdu[(0,) * 998 + (3,)] = 5
        hdu.write(np.array([9], "u1"), start=4)
        assert hdu[(0,) * 990].shape == (1,) * 8 + (7,)
        assert hdu[(0,) * 998].tolist() == [0, 0, 0, 5, 9, 0, 0]
        assert (hdu.ndim, hdu.size, hdu.header["NAXIS999"]) == (999, 7, 1)
        with pytest.raises(ValueError, match="999 axes.*read a section"):
            hdu.read()
        header = astropy_fits.getheader(io.BytesIO(fits.to_bytes()))
        assert (header["NAXIS"], header["NAXIS1"], header["NAXIS999"]) == (999, 7, 1)
        with pytest.raises(ValueError, match="1000 axes; FITS has at most 999"):
            fits.create_image_hdu("u1", (1,) * 1000)
        assert len(fits) == 1


def test_no_axes():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_image_hdu("i2", ())
        assert (hdu.shape, hdu.has_data, hdu.size) == ((), False, 0)
        with pytest.raises(TypeError):
            len(hdu)
        with pytest.raises(ValueError, match=r"shape \(1,\)"):
            fits.write_image(np.array(5.0))
        assert (len(fits), len(fits.to_bytes())) == (1, 2880)


def test_an_empty_image_grows_and_takes_values():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_image_hdu("f4", (0, 4))
        hdu.extend(np.ones((2, 4), "f4"))
        assert (hdu.shape, hdu.read().sum()) == ((2, 4), 8)
        empty = fits.write_image(np.zeros((3, 0), "i4"))
        empty[...] = 5
        assert (empty[1].shape, empty[0:0].shape) == ((0,), (0, 0))
