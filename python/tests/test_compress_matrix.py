"""Every codec, dtype, tile shape and quantization, written by fpack, astropy and rustfits, is read by funpack, astropy,
fitsio and rustfits: the same pixels."""

import shutil
import subprocess

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from conftest import program

import rustfits

SHAPE = (40, 57)
# Rows; columns and rows that don't divide the image; all of it. HCOMPRESS_1 needs 4 pixels also at the end of an axis.
TILES = {"rows": None, "blocks": (12, 25), "whole": SHAPE}
DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"]
CLASSES = {
    "RICE_1": rustfits.Rice1,
    "GZIP_1": rustfits.Gzip1,
    "GZIP_2": rustfits.Gzip2,
    "PLIO_1": rustfits.Plio1,
    "HCOMPRESS_1": rustfits.Hcompress1,
    "NOCOMPRESS": rustfits.NoCompress,
}
FPACK = {
    "RICE_1": "-r",
    "GZIP_1": "-g1",
    "GZIP_2": "-g2",
    "PLIO_1": "-p",
    "HCOMPRESS_1": "-h",
    "NOCOMPRESS": "-d",
}
# What fpack calls the steps and the dithering.
FPACK_QUANTIZE = {"no_dither": "-q0", "dither1": "-q7", "dither2": "-qz7"}
ASTROPY_QUANTIZE = {"no_dither": -1, "dither1": 1, "dither2": 2}
LEVEL = 8.0
FLOATS = ("f4", "f8")


def image(dtype, codec):
    """A sky with stars; for PLIO_1 a mask. Integers reach both ends of their type."""
    rng = np.random.default_rng(13)
    if codec == "PLIO_1":
        return ((rng.random(SHAPE) < 0.3) * rng.integers(0, 120, SHAPE)).astype(dtype)
    sky = rng.normal(60, 5, SHAPE) + 40 * (rng.random(SHAPE) < 0.02)
    data = sky.astype(dtype)
    if dtype not in FLOATS:
        limits = np.iinfo(dtype)
        data[20, 3:5] = limits.min, limits.max
    return data


def same(ours, theirs):
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def refuses(writer, codec, dtype, quantize):
    """Why a program can't write this, or None."""
    floats = dtype in FLOATS
    if codec == "PLIO_1" and dtype not in ("u1", "i2", "i4"):
        return "line lists hold integers from 0 to 2**24 - 1"
    if codec in ("RICE_1", "HCOMPRESS_1") and dtype == "i8":
        return "the codec has no integers of 64 bits"
    if floats and quantize is None and codec in ("RICE_1", "HCOMPRESS_1"):
        return "the codec has no floats"
    if quantize and codec == "NOCOMPRESS":
        return "pixels are kept as they are"
    if writer == "fpack" and dtype == "i8":
        return "CFITSIO has no compressed integers of 64 bits"
    if writer == "fpack" and dtype == "i4" and codec == "PLIO_1":
        return "fpack takes masks of 8 and 16 bits"
    if writer == "fpack" and codec == "NOCOMPRESS" and dtype not in ("i2", "u2", "i4", "u4"):
        return "fpack fails at other types than integers of 16 and 32 bits"
    return None


def can_read(reader, writer, codec, dtype):
    """Whether a program can read what the standard allows."""
    if reader in ("fitsio", "funpack"):
        # CFITSIO has no compressed integers of 64 bits, and reads NOCOMPRESS only from UNCOMPRESSED_DATA, where astropy
        # does not put it. Its library for programs does not shift such pixels to unsigned ones, funpack does.
        shifted = reader == "fitsio" and dtype in ("i1", "u2", "u4")
        return dtype != "i8" and not (codec == "NOCOMPRESS" and (writer == "astropy" or shifted))
    return True


def write(writer, path, data, codec, tiles, quantize):
    path.unlink(missing_ok=True)
    if writer == "rustfits":
        steps = quantize and rustfits.Quantize(level=LEVEL, method=quantize, seed=7)
        with rustfits.FITS(path, "w+") as file:
            file.write_image(data, compress=CLASSES[codec](tile_shape=tiles), quantize=steps)
    elif writer == "astropy":
        steps = {"quantize_level": 0.0}
        if quantize:
            steps = {"quantize_level": LEVEL, "quantize_method": ASTROPY_QUANTIZE[quantize], "dither_seed": 7}
        hdu = fits.CompImageHDU(data, compression_type=codec, tile_shape=tiles, **steps)
        hdu.writeto(path)
    else:
        plain = path.with_suffix(".in")
        rustfits.write(plain, data)
        options = [FPACK[codec]]
        if tiles:
            options += ["-t", ",".join(str(length) for length in reversed(tiles))]
        if quantize:
            options += [FPACK_QUANTIZE[quantize], str(LEVEL)]
        elif data.dtype.kind == "f":
            options += ["-q", "0"]
        subprocess.run(["fpack", *options, "-O", path, plain], check=True, capture_output=True)


def read(reader, path):
    if reader == "rustfits":
        return rustfits.read(path)
    if reader == "fitsio":
        return fitsio.read(str(path), ext=1)
    if reader == "astropy":
        return fits.getdata(path, 1)
    plain = path.with_suffix(".out")
    plain.unlink(missing_ok=True)
    subprocess.run(["funpack", "-O", plain, path], check=True, capture_output=True)
    with fits.open(plain) as file:
        return next(hdu.data for hdu in file if hdu.data is not None)


def readers():
    return ["rustfits", "astropy", "fitsio", *(["funpack"] if shutil.which("funpack") else [])]


def check(path, writer, codec, dtype, tiles, quantize):
    data = image(dtype, codec)
    write(writer, path, data, codec, tiles, quantize)
    with fits.open(path, disable_image_compression=True) as file:
        # CFITSIO calls it so with dither 2, as readers without that would give wrong pixels.
        assert file[1].header["ZCMPTYPE"] in (codec, codec.replace("RICE_1", "RICE_ONE"))
        if tiles:
            assert [file[1].header[f"ZTILE{axis}"] for axis in (2, 1)] == list(tiles)
        if quantize and dtype in FLOATS:
            assert "ZSCALE" in file[1].columns.names
    ours = rustfits.read(path)
    assert ours.dtype == data.dtype
    if quantize:
        assert not np.array_equal(ours, data)
        np.testing.assert_allclose(ours, data, atol=1)
    else:
        same(ours, data)
    for reader in readers():
        if can_read(reader, writer, codec, dtype):
            same(ours, read(reader, path))
    with rustfits.FITS(path) as file:
        same(file[1][7:33:3, ::-4], ours[7:33:3, ::-4])


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@pytest.mark.parametrize("writer", ["fpack", "astropy", "rustfits"])
@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("codec", CLASSES)
def test_all_read_what_each_writes(tmp_path, codec, tiles, writer):
    if writer == "fpack":
        program("fpack")
    checked = 0
    for dtype in DTYPES:
        if refuses(writer, codec, dtype, None) is None:
            check(tmp_path / f"{dtype}.fits", writer, codec, dtype, TILES[tiles], None)
            checked += 1
    assert checked >= 2


@pytest.mark.parametrize("writer", ["fpack", "astropy", "rustfits"])
@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_all_read_what_each_quantizes(tmp_path, codec, tiles, writer):
    if writer == "fpack":
        program("fpack")
    for dtype in FLOATS if tiles == "blocks" else ["f4"]:
        for quantize in FPACK_QUANTIZE:
            check(tmp_path / f"{dtype}-{quantize}.fits", writer, codec, dtype, TILES[tiles], quantize)


@pytest.mark.parametrize("codec", CLASSES)
def test_what_a_codec_can_not_hold_is_refused(codec):
    for dtype in DTYPES:
        if (reason := refuses("rustfits", codec, dtype, None)) is None:
            continue
        with (
            rustfits.FITS("mem://", "w+") as file,
            pytest.raises(ValueError, match="GZIP_2"),
        ):
            file.write_image(image(dtype, "RICE_1"), compress=codec)
            pytest.fail(reason)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("scale", [-2, -7, -40, 1.5, 6])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
def test_hcompress_with_a_scale(tmp_path, dtype, scale, smooth):
    """What a scale leaves is the same for everyone, smoothed or not."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:70, :91]
    data = 60 + 100 * np.exp(-((y - 30) ** 2 + (x - 40) ** 2) / 90) + rng.normal(0, 4, (70, 91))
    data = data.astype(dtype)
    ours, theirs = tmp_path / "ours.fits", tmp_path / "theirs.fits"
    compress = rustfits.Hcompress1(scale=scale, smooth=smooth)
    with rustfits.FITS(ours, "w+") as file:
        file.write_image(data, compress=compress)
    fitsio.write(str(theirs), data, compress="HCOMPRESS", hcomp_scale=scale, hcomp_smooth=smooth)
    for path in (ours, theirs):
        back = rustfits.read(path)
        assert not np.array_equal(back, data)
        # Errors of a pixel's coefficients add up, level by level.
        size = -scale if scale < 0 else scale * 4
        assert np.abs(back.astype("f8") - data).max() <= 8 * size
        for reader in readers():
            same(back, read(reader, path))
    with fits.open(ours, disable_image_compression=True) as file:
        header = file[1].header
        assert (header["ZNAME1"], header["ZVAL1"], header["ZNAME2"], header["ZVAL2"]) == (
            "SCALE",
            scale,
            "SMOOTH",
            smooth,
        )


def test_a_scale_leaves_what_stands_for_no_value(tmp_path):
    rng = np.random.default_rng(6)
    floats = rng.normal(100, 5, (64, 50)).astype("f4")
    floats[20:24, 10:20] = np.nan
    floats[50, 3:40] = 0
    integers = np.ma.masked_array(rng.integers(0, 90, (64, 50)).astype("i2"), np.isnan(floats))
    lossy = rustfits.Hcompress1(scale=-9, smooth=True, tile_shape=(16, 50))
    with rustfits.FITS(tmp_path / "blank.fits", "w+") as file:
        file.write_image(integers, compress=lossy, blank=-77)
        for method in ("dither1", "dither2"):
            file.write_image(floats, compress=lossy, quantize=rustfits.Quantize(level=-0.1, method=method))
        back = file[1].read(mask_blank=True)
        assert np.array_equal(back.mask, integers.mask)
        # The tile with blank pixels is lossless, the others are not.
        same(back[16:32].data, integers[16:32].filled(-77))
        assert not np.array_equal(back[:16].data, integers[:16].data)
        one, two = file[2].read(), file[3].read()
        assert np.array_equal(np.isnan(one), np.isnan(floats)) and np.array_equal(np.isnan(two), np.isnan(floats))
        assert (two[50, 3:40] == 0).all()


@pytest.mark.parametrize(
    ("shape", "tiles", "message"),
    [
        ((3, 50), None, "leave 3"),
        ((50,), None, "two axes"),
        ((40, 50), (3, 50), "leave 3"),
        ((40, 50), (13, 50), "leave 1"),
        ((40, 50), (40, 16), "leave 2"),
        ((8, 40, 50), (4, 20, 50), "two axes"),
        ((8, 40, 50), (1, 1, 50), "two axes"),
        ((40, 50), (40,), "tile_shape"),
    ],
)
def test_hcompress_packs_planes(shape, tiles, message):
    with rustfits.FITS("mem://", "w+") as file, pytest.raises(ValueError, match=message):
        file.write_image(np.zeros(shape, "i2"), compress=rustfits.Hcompress1(tile_shape=tiles))


@pytest.mark.parametrize("scale", [float("nan"), 2.0**31, -(2.0**31)])
def test_a_scale_is_a_number(scale):
    with rustfits.FITS("mem://", "w+") as file, pytest.raises(ValueError, match="scale"):
        file.write_image(np.zeros((40, 50), "i2"), compress=rustfits.Hcompress1(scale=scale))


@pytest.mark.parametrize(
    ("shape", "tiles"),
    [
        ((3, 40, 50), None),
        ((40, 1, 50), (20, 1, 50)),
        ((40, 50, 1), (20, 50, 1)),
        ((40, 5, 50), (40, 1, 50)),
        ((2, 2, 40, 50), (1, 1, 40, 25)),
    ],
)
def test_planes_of_cubes(tmp_path, shape, tiles):
    data = np.random.default_rng(2).integers(0, 999, shape).astype("i4")
    path = tmp_path / "cube.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress=rustfits.Hcompress1(tile_shape=tiles))
    same(rustfits.read(path), data)
    same(fits.getdata(path, 1), data)
    # CFITSIO reads compressed images of at most three axes.
    if len(shape) <= 3:
        same(fitsio.read(str(path), ext=1), data)


def test_the_usual_planes_are_those_of_fpack(tmp_path):
    """For each height that leaves another rest: about 16 rows, and no rest of less than 4."""
    program("fpack")
    for rows in [4, 15, 30, 31, 33, 35, 36, 49, 51, 65, 97, 113, 241, 481, 3601]:
        data = np.zeros((rows, 5), "u1")
        plain, packed, ours = tmp_path / "plain.fits", tmp_path / f"{rows}.fz", tmp_path / "ours.fits"
        rustfits.write(plain, data)
        subprocess.run(["fpack", "-h", "-O", packed, plain], check=True, capture_output=True)
        with rustfits.FITS(ours, "w+") as file:
            file.write_image(data, compress="hcompress_1")
        keywords = [fits.getheader(path, 1, disable_image_compression=True) for path in (ours, packed)]
        assert keywords[0]["ZTILE2"] == keywords[1]["ZTILE2"], rows


def test_a_damaged_plane_is_named_and_leaves_the_others(tmp_path):
    data = np.random.default_rng(9).integers(0, 5000, (64, 50)).astype("i4")
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(data, compress="HCOMPRESS_1")
        content = bytearray(file.to_bytes())
    third = [at for at in range(len(content)) if content.startswith(b"\xdd\x99\x00\x00\x00\x10", at)][2]
    content[third] = 0
    with rustfits.FITS.from_bytes(content) as file:
        with pytest.raises(OSError, match="tile 3"):
            file[1].read()
        same(file[1][:32], data[:32])
        same(file[1][48:], data[48:])


def test_large_planes_come_back(tmp_path):
    """Whole images as one tile; numbers that need 64 bits on the way; parts on all cores."""
    rng = np.random.default_rng(10)
    noise = rng.integers(-(2**31), 2**31, (300, 411)).astype("i4")
    path = tmp_path / "large.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(noise, compress=rustfits.Hcompress1(tile_shape=noise.shape))
        file.write_image(np.full((2000, 1000), -7, "i4"), compress="HCOMPRESS_1")
    same(rustfits.read(path), noise)
    same(fits.getdata(path, 1), noise)
    same(fitsio.read(str(path), ext=1), noise)
    same(rustfits.read(path, ext=2), np.full((2000, 1000), -7, "i4"))


@pytest.mark.parametrize(
    "compress", [rustfits.Hcompress1(), rustfits.Hcompress1(scale=-20, smooth=True), rustfits.NoCompress()]
)
def test_pixels_that_stay_stay_the_same(tmp_path, compress):
    """Also where a tile is lossy and smoothed: it is packed again as it was read, without loss."""
    path = tmp_path / "changed.fits"
    data = np.random.default_rng(17).integers(0, 5000, (64, 50)).astype("i2")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress=compress)
    model = rustfits.read(path)
    with rustfits.FITS(path, "r+") as file:
        file[1][20:35, 3:9] = 5
        file[1].extend(data[:8])
        if compress.name == "HCOMPRESS_1":
            # A last tile of one row, which astropy does not read.
            with pytest.raises(ValueError, match="at least 4"):
                file[1].extend(data[:9])
    model[20:35, 3:9] = 5
    model = np.concatenate([model, data[:8]])
    for reader in readers():
        same(model, read(reader, path))
