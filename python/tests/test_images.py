"""Images that astropy and fitsio wrote, read whole and by sections."""

from __future__ import annotations

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, image_bytes, raw_file, same

import rustfits

DTYPES = ["u1", "i2", "i4", "i8", "f4", "f8", "i1", "u2", "u4", "u8"]
INTEGERS = [dtype for dtype in DTYPES if dtype[0] != "f"]


def sample(dtype: str, shape: tuple[int, ...] = (7, 11)) -> np.ndarray:
    """Numbers over the whole range of the dtype, its extremes among them."""
    dtype = np.dtype(dtype)
    random = np.random.default_rng(1)
    if dtype.kind == "f":
        data = random.normal(size=shape).astype(dtype)
        data.flat[:4] = [np.finfo(dtype).max, np.finfo(dtype).tiny, -np.inf, np.nan]
        return data
    limits = np.iinfo(dtype)
    data = random.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)
    data.flat[:4] = [limits.min, limits.max, 0, limits.max - 1]
    return data


def by_astropy(path, data):
    astropy_fits.PrimaryHDU(data).writeto(path)


def by_fitsio(path, data):
    with fitsio.FITS(str(path), "rw") as file:
        file.write(data)


@pytest.mark.parametrize("writer", [by_astropy, by_fitsio])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path, dtype, writer):
    data = sample(dtype)
    if writer is by_fitsio:
        data[data == -np.inf] = 0  # It writes infinities as NaN.
    path = tmp_path / "image.fits"
    writer(path, data)
    with rustfits.FITS(path) as file:
        hdu = file[0]
        assert isinstance(hdu, rustfits.ImageHDU)
        assert (hdu.shape, hdu.dtype, hdu.ndim, hdu.size, len(hdu)) == ((7, 11), np.dtype(dtype), 2, 77, 7)
        same(hdu.read(), data)
        same(hdu[...], data)
        same(hdu[2:5, ::-3], data[2:5, ::-3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_stored_values(write, dtype):
    data = sample(dtype)
    with (
        rustfits.FITS(write(image_bytes(data))) as file,
        astropy_fits.open(file.filename, do_not_scale_image_data=True) as theirs,
    ):
        same(file[0].read(scale=False), theirs[0].data)
        same(file[0].read(np.s_[1:5:2], scale=False), theirs[0].data[1:5:2])
        assert file[0].bitpix == theirs[0].header["BITPIX"]


SECTIONS = [
    np.s_[...],
    np.s_[:],
    np.s_[3],
    np.s_[-1],
    np.s_[2:5],
    np.s_[2:20:2],
    np.s_[::-1],
    np.s_[7:1:-3],
    np.s_[5:2],
    np.s_[100:],
    np.s_[-100:3],
    np.s_[1, 2],
    np.s_[1, 2, 3],
    np.s_[-1, -1, -1],
    np.s_[..., 0],
    np.s_[0, ...],
    np.s_[1:3, ..., ::2],
    np.s_[:, 2:4, 1:9:3],
    np.s_[::2, ::-2, ::-4],
    np.s_[:, :, -3:],
    np.s_[..., 4:4],
    np.s_[1, :, 5],
    np.s_[[0, 2, 5]],
    np.s_[[5, 2, 5]],
    np.s_[[-1, 0], 1:4],
    np.s_[:, [4, 0, 4]],
    np.s_[..., [9, -1, 0]],
    np.s_[1:4, 2, [1, 2]],
    np.s_[(np.int64(2), slice(np.int32(1), np.int16(4)))],
    np.s_[np.array([3, 1])],
    np.s_[[]],
    (),
]


@pytest.mark.parametrize("section", SECTIONS, ids=repr)
def test_sections_as_numpy(section):
    data = np.arange(8 * 6 * 10, dtype="i4").reshape(8, 6, 10)
    file = rustfits.FITS.from_bytes(image_bytes(data))
    expected = data[section if not (isinstance(section, list) and not section) else np.array([], int)]
    same(file[0][section], expected)
    same(file[0].read(section), expected)


def test_random_sections_as_numpy():
    random = np.random.default_rng(2)
    data = random.normal(size=(9, 5, 8)).astype("f4")
    hdu = rustfits.FITS.from_bytes(image_bytes(data))[0]

    def bound(length):
        return None if random.random() < 0.2 else int(random.integers(-length - 3, length + 4))

    for _ in range(300):
        key = []
        for length in data.shape[: random.integers(1, 4)]:
            step = int(random.choice([-4, -2, -1, 1, 2, 3]))
            whole = slice(bound(length), bound(length), step)
            key.append(int(random.integers(-length, length)) if random.random() < 0.3 else whole)
        key = tuple(key)
        same(hdu[key], data[key])


def test_two_lists_give_the_rectangle():
    data = np.arange(30, dtype="i2").reshape(5, 6)
    hdu = rustfits.FITS.from_bytes(image_bytes(data))[0]
    # Lists along axes, as slices are; numpy would pair them.
    same(hdu[[0, 4], [2, 3, 2]], data[np.ix_([0, 4], [2, 3, 2])])


@pytest.mark.parametrize("section", [8, -9, np.s_[0, 6], np.s_[..., 10], np.s_[[0, 8]], np.s_[0, 0, 0, 0], 2**70])
def test_index_out_of_range(section):
    hdu = rustfits.FITS.from_bytes(image_bytes(np.zeros((8, 6, 10), "u1")))[0]
    with pytest.raises(IndexError):
        hdu[section]


@pytest.mark.parametrize("section", ["a", 1.5, None, True, b"x", np.s_[0, None], np.s_[0, "b"], np.s_[1.0:3]])
def test_key_of_an_unsupported_type(section):
    hdu = rustfits.FITS.from_bytes(image_bytes(np.zeros((8, 6, 10), "u1")))[0]
    with pytest.raises(TypeError):
        hdu[section]


def test_step_of_zero():
    hdu = rustfits.FITS.from_bytes(image_bytes(np.zeros((8, 6), "u1")))[0]
    with pytest.raises(ValueError):
        hdu[::0]


def test_a_pixel_is_a_numpy_scalar():
    data = sample("u2")
    hdu = rustfits.FITS.from_bytes(image_bytes(data))[0]
    assert type(hdu[0, 1]) is np.uint16
    assert hdu[0, 1] == 65535


@pytest.mark.parametrize("bitpix", [8, 16, 32, 64])
def test_scaled_integers_come_as_f8(write, bitpix):
    stored = np.array([[0, 1, 2], [100, 101, 127]], {8: "u1", 16: "i2", 32: "i4", 64: "i8"}[bitpix])
    path = write(raw_image(stored, "BSCALE  =                  0.5", "BZERO   =                 10.0"))
    with rustfits.FITS(path) as file:
        assert file[0].dtype == np.dtype("f8")
        same(file[0].read(), stored * 0.5 + 10.0)
        same(file[0][:, 1:], stored[:, 1:] * 0.5 + 10.0)
        same(file[0].read(scale=False), stored)
        same(file[0].read(np.s_[1, ::2], scale=False), stored[1, ::2])


def test_scaled_floats():
    stored = np.array([1.5, -2.0, np.nan], "f4")
    unscaled = rustfits.FITS.from_bytes(raw_image(stored, "BSCALE  =                  1.0", "BZERO   =       0.0"))
    same(unscaled[0].read(), stored)
    scaled = rustfits.FITS.from_bytes(raw_image(stored, "BSCALE  =                  2.0", "BZERO   =       1.0"))
    same(scaled[0].read(), stored.astype("f8") * 2.0 + 1.0)


def raw_image(stored: np.ndarray, *cards: str) -> bytes:
    """An image file with exactly these cards besides the mandatory ones."""
    bitpix = stored.dtype.itemsize * (-8 if stored.dtype.kind == "f" else 8)
    axes = [f"NAXIS{n + 1:<3}= {length:>20}" for n, length in enumerate(reversed(stored.shape))]
    head = ["SIMPLE  =                    T", f"BITPIX  = {bitpix:>20}", f"NAXIS   = {stored.ndim:>20}", *axes]
    return raw_file(*head, *cards, data=stored.astype(stored.dtype.newbyteorder(">")).tobytes())


def test_bzero_of_other_widths_is_scaling_not_unsigned():
    stored = np.array([-5, 0, 5], "i2")
    file = rustfits.FITS.from_bytes(raw_image(stored, "BZERO   =           2147483648"))
    assert file[0].dtype == np.dtype("f8")
    same(file[0].read(), stored + 2147483648.0)


def test_bzero_as_a_string_never_gives_raw_values():
    stored = np.array([1, 2], "i2")
    file = rustfits.FITS.from_bytes(raw_image(stored, "BZERO   = '32768   '"))
    same(file[0].read(), np.array([32769, 32770], "u2"))
    same(file[0].read(scale=False), stored)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8"])
def test_blank_of_integers(dtype):
    blank = 7
    stored = np.array([[1, 7, 3], [7, 5, 6]], dtype)
    hdu = rustfits.FITS.from_bytes(raw_image(stored, f"BLANK   = {blank:>20}"))[0]
    same(hdu.read(), stored)
    masked = hdu.read(mask_blank=True)
    assert isinstance(masked, np.ma.MaskedArray)
    same(masked.data, stored)
    np.testing.assert_array_equal(np.ma.getmaskarray(masked), stored == blank)
    part = hdu.read(np.s_[:, ::-2], mask_blank=True)
    np.testing.assert_array_equal(np.ma.getmaskarray(part), (stored == blank)[:, ::-2])
    row = hdu.read(np.s_[0], mask_blank=True)
    assert row.tolist() == [1, None, 3]


def test_blank_of_unsigned_is_the_stored_value():
    stored = np.array([-32768, 0, 32767], "i2")
    hdu = rustfits.FITS.from_bytes(raw_image(stored, "BZERO   = 32768", "BLANK   = 32767"))[0]
    masked = hdu.read(mask_blank=True)
    assert masked.dtype == np.dtype("u2")
    assert masked.tolist() == [0, 32768, None]


def test_blank_of_scaled_pixels_is_nan():
    stored = np.array([1, -1, 3], "i2")
    hdu = rustfits.FITS.from_bytes(raw_image(stored, "BSCALE  = 0.5", "BLANK   = -1"))[0]
    same(hdu.read(), np.array([0.5, np.nan, 1.5]))
    assert hdu.read(mask_blank=True).tolist() == [0.5, None, 1.5]
    same(hdu.read(scale=False), stored)


def test_blank_of_floats_is_ignored():
    stored = np.array([1.0, 7.0, np.nan], "f4")
    hdu = rustfits.FITS.from_bytes(raw_image(stored, "BLANK   = 7"))[0]
    same(hdu.read(), stored)
    assert np.ma.getmaskarray(hdu.read(mask_blank=True)).tolist()[1] is False


def test_mask_blank_without_blank():
    masked = rustfits.FITS.from_bytes(image_bytes(np.arange(4, dtype="i2")))[0].read(mask_blank=True)
    assert isinstance(masked, np.ma.MaskedArray)
    assert masked.tolist() == [0, 1, 2, 3]


def test_no_axes():
    hdu = rustfits.FITS.from_bytes(image_bytes(None))[0]
    assert (hdu.shape, hdu.ndim, hdu.size, hdu.has_data) == ((), 0, 0, False)
    assert hdu.read().size == 0
    with pytest.raises(TypeError):
        len(hdu)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (2, 0, 3)])
def test_an_axis_of_no_length(shape):
    axes = [f"NAXIS{n + 1:<3}= {length:>20}" for n, length in enumerate(reversed(shape))]
    cards = ["SIMPLE  =                    T", "BITPIX  =                   16", f"NAXIS   = {len(shape):>20}", *axes]
    hdu = rustfits.FITS.from_bytes(raw_file(*cards))[0]
    assert (hdu.shape, hdu.size, hdu.has_data) == (shape, 0, False)
    same(hdu.read(), np.zeros(shape, "i2"))
    same(hdu[...], np.zeros(shape, "i2"))


def test_axes_of_length_one_stay():
    data = np.arange(12, dtype="f4").reshape(1, 1, 3, 4)
    hdu = rustfits.FITS.from_bytes(image_bytes(data))[0]
    assert hdu.shape == (1, 1, 3, 4)
    same(hdu[:, :, 1:, ::2], data[:, :, 1:, ::2])
    same(hdu[0, 0], data[0, 0])


def test_results_belong_to_the_caller(write):
    data = np.arange(20, dtype="i2").reshape(4, 5)
    with rustfits.FITS(write(image_bytes(data))) as file:
        first = file[0].read()
        first[...] = 0
        second = file[0].read()
    same(second, data)
    second += 1
    same(second, data + 1)


def test_extensions(write):
    images = [sample("i4", (3, 4)), sample("f4", (5,)), sample("u2", (2, 3, 4))]
    hdus = [astropy_fits.ImageHDU(image, name=f"SCI{n}", ver=n + 2) for n, image in enumerate(images)]
    hdus[0].header["BUNIT"] = "Jy"
    with rustfits.FITS(write(hdu_bytes(astropy_fits.PrimaryHDU(), *hdus))) as file:
        for n, image in enumerate(images):
            hdu = file[n + 1]
            same(hdu.read(), image)
            assert (hdu.index, hdu.extname, hdu.extver, hdu.has_data) == (n + 1, f"SCI{n}", n + 2, True)
        assert file[1].unit == "Jy"
        assert file[2].unit is None
        assert file[0].extname is None
        assert file[0].extver == 1


def test_last_block_cut_short(write):
    data = np.arange(1000, dtype="i4")
    whole = image_bytes(data)
    with rustfits.FITS(write(whole[: 2880 + 4000])) as file:
        same(file[0].read(), data)


def test_data_cut_short(write):
    whole = image_bytes(np.arange(1000, dtype="i4"))
    path = write(whole[: 2880 + 3999])
    with rustfits.FITS(path) as file, pytest.raises(OSError, match=path.name):
        file[0].read()


@pytest.mark.parametrize("junk", [b"\0" * 100_000, b"junk" * 50_000])
def test_junk_behind_the_last_hdu(junk):
    file = rustfits.FITS.from_bytes(image_bytes(np.arange(10, dtype="u1")) + junk)
    assert len(file) == 1
    same(file[0].read(), np.arange(10, dtype="u1"))


def test_large_images_read_in_parts(write):
    data = np.arange(3000 * 1001, dtype="i4").reshape(3000, 1001)
    with rustfits.FITS(write(image_bytes(data))) as file:
        same(file[0].read(), data)
        same(file[0][100:2900:7, 3::5], data[100:2900:7, 3::5])
        same(file[0][::-1, 1000], data[::-1, 1000])


def test_repr_of_an_image():
    hdu = rustfits.FITS.from_bytes(image_bytes(np.zeros((3, 4)), EXTNAME="SCI", BUNIT="Jy"))[0]
    text = repr(hdu)
    for expected in ["type:", "IMAGE_HDU", "SCI", "data type: f8", "dims: [3, 4]", "unit: Jy"]:
        assert expected in text
