"""What numpy's users try: an HDU in place of an array, masks, negative lengths."""

from __future__ import annotations

import io

import numpy as np
import pytest

import rustfits
from rustfits import aio


@pytest.fixture
def fits():
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(np.arange(12, dtype="u2").reshape(3, 4), extname="SCI")
        fits.write_image(np.arange(12, dtype="i4").reshape(3, 4), extname="RICE", compress="RICE_1")
        fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}, extname="CAT")
        yield fits


@pytest.mark.parametrize("name", ["SCI", "RICE"])
def test_an_image_is_an_array_to_numpy(fits, name):
    hdu = fits[name]
    values = np.asarray(hdu)
    assert values.dtype == hdu.dtype and np.array_equal(values, hdu.read())
    assert np.asarray(hdu, dtype="f4").dtype == np.float32
    assert np.mean(hdu) == 5.5 and np.array_equal(np.add(hdu, 1), hdu.read() + 1)
    assert [row.tolist() for row in hdu] == hdu.read().tolist()


def test_a_table_and_its_columns_are_arrays_to_numpy(fits):
    table = fits["CAT"]
    assert np.array_equal(np.asarray(table), table.read())
    assert np.asarray(table["a"]).tolist() == [1, 2, 3] and np.sum(table["b"]) == 4.5
    assert np.asarray(table[["b"]]).dtype.names == ("b",)
    assert np.array_equal(table[...], table.read())


def test_an_array_without_a_copy_is_refused(fits):
    for thing in (fits["SCI"], fits["CAT"], fits["CAT"]["a"]):
        with pytest.raises(ValueError, match="copy=False"):
            thing.__array__(copy=False)


async def test_asyncio_gives_numpy_no_array(fits):
    async with await aio.FITS.from_bytes(fits.to_bytes()) as file:
        for name in ("SCI", "RICE", "CAT"):
            with pytest.raises(TypeError, match="event loop"):
                np.asarray(await file[name])


def test_masks_are_pointed_to_integers(fits):
    mask = np.array([True, False, True])
    for read in (lambda: fits["CAT"][mask], lambda: fits["CAT"].read(rows=mask), lambda: fits["SCI"][mask.tolist()]):
        with pytest.raises(TypeError, match="flatnonzero"):
            read()
    assert fits["CAT"][np.flatnonzero(mask)]["a"].tolist() == [1, 3]


@pytest.mark.parametrize("dims", [-1, (3, -1)])
def test_a_negative_axis(fits, dims):
    with pytest.raises(ValueError, match="an axis can't have the length -1"):
        fits.create_image_hdu("f4", dims)


@pytest.mark.parametrize("dims", [2.0, (2.0, 3), None, "2"])
def test_lengths_that_are_no_integers(fits, dims):
    with pytest.raises(TypeError, match="an int or a tuple of ints"):
        fits.create_image_hdu("f4", dims)


def test_a_negative_number_of_rows(fits):
    with pytest.raises(ValueError, match="nrows is -3"):
        fits.create_table_hdu([("a", "i4")], -3)
    with pytest.raises(ValueError, match="nrows is -3"):
        fits.create_ascii_table_hdu([("a", "i4")], -3)


def test_values_without_a_dtype_of_fits(fits):
    with pytest.raises(TypeError, match="dtype object"):
        fits["CAT"]["a"] = 2**70
    with pytest.raises(ValueError, match="astype"):
        fits.write_image(np.zeros(3, bool))


def test_files_and_bytes_are_not_names(tmp_path, fits):
    path = tmp_path / "a.fits"
    path.write_bytes(fits.to_bytes())
    with path.open("rb") as file:
        for name in (file, io.BytesIO(fits.to_bytes())):
            for opened in (rustfits.FITS, rustfits.read, rustfits.read_header, aio.FITS, aio.open, aio.read):
                with pytest.raises(TypeError, match=r"FITS.from_bytes\(file.read\(\)\)"):
                    opened(name)
    with pytest.raises(TypeError, match=r"bytes: .*from_bytes"):
        rustfits.FITS(fits.to_bytes())


def test_a_closed_file_is_not_entered(tmp_path):
    rustfits.write(tmp_path / "a.fits", np.zeros(3))
    fits = rustfits.FITS(tmp_path / "a.fits")
    fits.close()
    with pytest.raises(OSError, match="a.fits: the file is closed"), fits:
        pass


def test_what_gives_nothing_gives_none(fits):
    assert fits["SCI"].add_checksum() is None and fits["SCI"].add_datasum() is None
