"""Compressed images: ours read by rustfits, astropy, fitsio and funpack, and those of others read by rustfits."""

import re
import shutil
import subprocess

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from conftest import program

import rustfits

INTEGERS = ["u1", "i1", "i2", "u2", "i4", "u4"]
CODECS = ["RICE_1", "GZIP_1", "GZIP_2"]
TILES = [None, (1, 61), (7, 9), (50, 61), (13, 100)]
CLASSES = {
    "RICE_1": rustfits.Rice1,
    "GZIP_1": rustfits.Gzip1,
    "GZIP_2": rustfits.Gzip2,
    "PLIO_1": rustfits.Plio1,
}


def integers(dtype, shape=(50, 61)):
    """Numbers with the extremes of their type, and smooth and constant stretches."""
    rng = np.random.default_rng(7)
    limits = np.iinfo(dtype)
    data = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    data[: shape[0] // 2] = rng.integers(0, 100, (shape[0] // 2, *shape[1:])).astype(dtype)
    data[3:9] = 17
    data[0, :2] = limits.min, limits.max
    return data


def floats(dtype="f4", shape=(60, 71)):
    rng = np.random.default_rng(3)
    return (rng.normal(100, 5, shape) + np.arange(shape[-1])).astype(dtype)


def same(ours, theirs):
    """Equal to the bit, NaN where the other has one."""
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def readers(path, expected, unpacks=True):
    """Everyone reads the same pixels out of the first extension; funpack too, where it can."""
    with rustfits.FITS(path) as file:
        ours = file[1].read()
        assert ours.dtype == expected.dtype
        same(ours, expected)
        same(file[1][3:40:2, ::-3], expected[3:40:2, ::-3])
    with fits.open(path) as file:
        same(file[1].data, expected)
    # CFITSIO has no compressed integers of 64 bits.
    if expected.dtype.kind in "iu" and expected.dtype.itemsize == 8:
        return
    with fitsio.FITS(str(path)) as file:
        same(file[1].read(), expected)
    if unpacks and (funpack := shutil.which("funpack")):
        plain = path.with_suffix(".plain")
        plain.unlink(missing_ok=True)
        subprocess.run([funpack, "-O", plain, path], check=True, capture_output=True)
        with fits.open(plain) as file:
            image = next(hdu for hdu in file if hdu.data is not None)
            same(image.data, expected)


@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("codec", CODECS)
def test_integers_come_back_everywhere(tmp_path, codec, tiles):
    for dtype in INTEGERS + (["i8", "u8"] if codec != "RICE_1" else []):
        path = tmp_path / f"{dtype}.fits"
        data = integers(dtype)
        with rustfits.FITS(path, "w+") as file:
            hdu = file.write_image(data, compress=CLASSES[codec](tile_shape=tiles), extname="SCI", extver=3)
            assert isinstance(hdu, rustfits.CompressedImageHDU)
            assert (hdu.zcmptype, hdu.shape, hdu.dtype) == (codec, data.shape, data.dtype)
            assert (hdu.extname, hdu.extver) == ("SCI", 3)
            same(hdu[...], data)
        readers(path, data)


@pytest.mark.parametrize("shape", [(1000,), (3, 4, 50), (2, 3, 4, 20), (2, 1, 3, 2, 1, 30)])
@pytest.mark.parametrize("codec", [*CODECS, "PLIO_1"])
def test_any_number_of_axes(tmp_path, codec, shape):
    data = np.random.default_rng(1).integers(0, 3000, shape).astype("i4")
    tiles = tuple(max(1, length * 2 // 3) for length in shape)
    path = tmp_path / "cube.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress=CLASSES[codec](tile_shape=tiles))
    same(rustfits.read(path), data)
    with fits.open(path) as file:
        same(file[1].data, data)
    # CFITSIO reads compressed images of at most three axes.
    if len(shape) <= 3:
        same(fitsio.read(str(path), ext=1), data)


@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
def test_masks_as_line_lists(tmp_path, dtype, tiles):
    rng = np.random.default_rng(5)
    data = ((rng.random((50, 61)) < 0.2) * rng.integers(0, 120, (50, 61))).astype(dtype)
    data[7] = 5
    if dtype == "i4":
        data[9, 9:20] = 2**24 - 1
    path, theirs = tmp_path / "ours.fits", tmp_path / "theirs.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress=rustfits.Plio1(tile_shape=tiles))
    readers(path, data)
    fitsio.write(str(theirs), data, clobber=True, compress="PLIO", tile_dims=tiles)
    readers(theirs, data)


def test_a_wide_empty_mask_of_other_software(tmp_path):
    data = np.zeros((20, 30_000), "i4")
    fitsio.write(str(tmp_path / "mask.fits"), data, compress="PLIO")
    same(rustfits.read(tmp_path / "mask.fits"), data)


def test_funpack_unpacks_the_same_pixels(tmp_path):
    """In the tests above funpack reads along where it is installed; here it is seen where it is not."""
    funpack = program("funpack")
    data = np.arange(6000, dtype="i2").reshape(60, 100)
    with rustfits.FITS(tmp_path / "packed.fits", "w+") as file:
        file.write_image(data, compress="RICE_1")
    subprocess.run([funpack, "-O", tmp_path / "plain.fits", tmp_path / "packed.fits"], check=True)
    with fits.open(tmp_path / "plain.fits") as file:
        same(next(hdu.data for hdu in file if hdu.data is not None), data)


def test_line_lists_of_fpack(tmp_path):
    fpack = program("fpack")
    data = (np.random.default_rng(2).random((40, 500)) < 0.01).astype("i4") * 70_000
    rustfits.write(tmp_path / "plain.fits", data)
    subprocess.run([fpack, "-p", "-O", tmp_path / "packed.fits", tmp_path / "plain.fits"], check=True)
    same(rustfits.read(tmp_path / "packed.fits"), data)


def test_line_lists_of_unsigned_integers(tmp_path):
    """CFITSIO puts the values themselves into the lists, and not what an image that is not compressed stores."""
    fpack, funpack = program("fpack"), program("funpack")
    # A mask: fpack has no room for the lists of noise, and crashes.
    data = np.repeat(np.arange(80) * 819, 25).reshape(40, 50).astype("u2")
    data[3] = np.repeat([0, 65535, 32767, 32768, 1], 10)
    plain, packed, theirs = (tmp_path / f"{name}.fits" for name in ("plain", "packed", "theirs"))
    rustfits.write(plain, data)
    subprocess.run([fpack, "-p", "-O", packed, plain], check=True)
    fitsio.write(str(theirs), data, compress="PLIO")
    for path in (packed, theirs):
        with rustfits.FITS(path, "r+") as file:
            hdu = file[1]
            same(hdu.read(), data)
            same(hdu.read(scale=False), (data.astype("i4") - 32768).astype("i2"))
            same(hdu[3:5, 1:3], data[3:5, 1:3])
            hdu[5:7, :9] = 7
            hdu.add_checksum()
            assert hdu.verify_checksum()
        changed = data.copy()
        changed[5:7, :9] = 7
        same(rustfits.read(path), changed)
        same(fitsio.read(str(path), ext=1), changed)
        unpacked = path.with_suffix(".plain")
        subprocess.run([funpack, "-O", unpacked, path], check=True)
        same(rustfits.read(unpacked), changed)


@pytest.mark.parametrize("tiles", [None, (20, 20), (60, 71)])
@pytest.mark.parametrize("method", ["dither1", "dither2", "no_dither"])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_quantized_floats_come_back_within_half_a_step(tmp_path, dtype, codec, method, tiles):
    data = floats(dtype)
    data[5, 5:9] = np.nan
    data[10, 3:30] = 0
    # No noise, so these rows can't be quantized.
    data[20] = 3
    for level, step in [(-0.5, 0.5), (8.0, 5.5 / 8)]:
        path = tmp_path / "floats.fits"
        quantize = rustfits.Quantize(level=level, method=method, seed=17)
        with rustfits.FITS(path, "w+") as file:
            file.write_image(data, compress=CLASSES[codec](tile_shape=tiles), quantize=quantize)
        back = rustfits.read(path)
        assert back.dtype == data.dtype
        assert np.array_equal(np.isnan(back), np.isnan(data))
        # Rows are short, so that their noise is found within a third or so.
        most = step / 2 * (1.001 if level < 0 else 1.6)
        assert np.nanmax(np.abs(back - data)) <= most
        assert method != "dither2" or (back[10, 3:30] == 0).all()
        # funpack loses pixels of tiles with NaN that are narrower than the image, also in files that fitsio and
        # astropy wrote.
        readers(path, back, unpacks=tiles != (20, 20))


@pytest.mark.parametrize("codec", ["GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_are_lossless_without_quantize(tmp_path, dtype, codec):
    data = floats(dtype)
    data[0, :4] = np.nan, np.inf, -np.inf, -0.0
    path = tmp_path / "floats.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress=codec.lower())
    readers(path, data)
    assert rustfits.read(path).tobytes() == data.tobytes()


def test_tiles_without_any_number(tmp_path):
    data = floats()
    data[4] = np.nan
    for level in (4.0, -0.5):
        path = tmp_path / "floats.fits"
        with rustfits.FITS(path, "w+") as file:
            file.write_image(data, compress="RICE_1", quantize=rustfits.Quantize(level=level))
        back = rustfits.read(path)
        assert np.array_equal(np.isnan(back), np.isnan(data))
        readers(path, back)


def test_infinities_keep_their_tile_lossless(tmp_path):
    data = floats()
    data[4, 4] = np.inf
    path = tmp_path / "floats.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress="RICE_1", quantize=rustfits.Quantize())
    back = rustfits.read(path)
    same(back[4], data[4])
    assert not np.array_equal(back[5], data[5])
    with fits.open(path) as file:
        same(file[1].data, back)
    # CFITSIO gives NaN for an infinity in such a tile.
    same(fitsio.read(str(path), ext=1), np.where(np.isinf(back), np.nan, back))


def test_masked_pixels_and_blank(tmp_path):
    data = np.ma.masked_array(integers("i2"), np.zeros((50, 61), bool))
    data[10, 10:20] = np.ma.masked
    path = tmp_path / "blank.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress="RICE_1", blank=-9)
        file.write_image(np.ma.masked_array(floats(), floats() > 120), compress="GZIP_2")
    with rustfits.FITS(path) as file:
        back = file[1].read(mask_blank=True)
        assert back.mask[10, 10:20].all() and file[1].header["BLANK"] == -9
        assert np.array_equal(np.isnan(file[2].read()), floats() > 120)


def test_headers_and_places(tmp_path):
    path = tmp_path / "places.fits"
    with rustfits.FITS(path, "w+") as file:
        first = file.write_image(integers("i4"), compress="RICE_1", header={"OBJECT": ("M 31", "a galaxy")})
        plain = file.write_image(integers("i2"), extname="PLAIN")
        between = file.write_image(integers("u2"), compress="GZIP_1", before=plain, header=first.header)
        in_front = file.write_image(floats(), compress="GZIP_2", before=0)
        assert [hdu.index for hdu in (in_front, first, between, plain)] == [1, 3, 4, 5]
        zeros = file.create_image_hdu("u2", (30, 40), compress="RICE_1")
        first.header["EXPTIME"] = 1.5
    with rustfits.FITS(path) as file:
        assert len(file) == 7
        for index, data in [(1, floats()), (3, integers("i4")), (4, integers("u2")), (5, integers("i2"))]:
            same(file[index].read(), data)
        same(file[zeros.index].read(), np.zeros((30, 40), "u2"))
        assert file[3].header["EXPTIME"] == 1.5
        assert file[4].header["OBJECT"] == "M 31"
        assert "SIMPLE" not in file[4].header
    with fits.open(path) as file:
        file.verify("exception")
        same(file[3].data, integers("i4"))
        assert file[3].header["OBJECT"] == "M 31"


def test_memory_gzip_and_large_images(tmp_path):
    data = np.random.default_rng(8).integers(0, 1000, (1500, 2000)).astype("i4")
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(data, compress=rustfits.Rice1(heap_format="Q"))
        whole = file.to_bytes()
    with fits.HDUList.fromstring(whole) as file:
        same(file[1].data, data)
    with rustfits.FITS(tmp_path / "a.fits.gz", "w+") as file:
        file.write_image(data, compress="RICE_1")
    same(rustfits.read(tmp_path / "a.fits.gz"), data)


@pytest.mark.parametrize(
    ("data", "keywords", "message"),
    [
        (np.zeros((4, 4), "i8"), {"compress": "RICE_1"}, "GZIP_2"),
        (np.zeros((4, 4), "f4"), {"compress": "RICE_1"}, "quantize="),
        (np.zeros((4, 4), "i4"), {"compress": "RICE_1", "quantize": rustfits.Quantize()}, "floats"),
        (np.zeros((4, 4), "f4"), {"quantize": rustfits.Quantize()}, "compress"),
        (np.full((4, 4), -1, "i4"), {"compress": "PLIO_1"}, r"\[0, 0\]"),
        (np.full((4, 4), 2**24, "i4"), {"compress": "PLIO_1"}, "16777215"),
        (np.zeros((4, 4), "u2"), {"compress": "PLIO_1"}, "GZIP_2"),
        (np.zeros((4, 4), "i4"), {"compress": "LZW"}, "LZW"),
        (np.zeros((4, 4), "i4"), {"compress": rustfits.Rice1(tile_shape=(2,))}, "tile_shape"),
        (np.zeros((0, 4), "i4"), {"compress": "RICE_1"}, "without pixels"),
    ],
)
def test_what_can_not_be_packed_is_refused(tmp_path, data, keywords, message):
    path = tmp_path / "refused.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(3))
        with pytest.raises(ValueError, match=message):
            file.write_image(data, **keywords)
        # The file stays usable.
        file.write_image(np.arange(4))
        assert len(file) == 2


def test_compressions_compare_by_field():
    assert rustfits.Rice1() == rustfits.Rice1(blocksize=32)
    assert rustfits.Rice1() != rustfits.Rice1(tile_shape=(2, 2))
    assert rustfits.Gzip1() != rustfits.Gzip2()
    assert rustfits.Hcompress1() == rustfits.Hcompress1(scale=0, smooth=False)
    assert rustfits.Hcompress1() != rustfits.Hcompress1(smooth=True)
    assert re.search("blocksize=16", repr(rustfits.Rice1(blocksize=16)))
