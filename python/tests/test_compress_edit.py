"""Compressed images that are there: pixels changed, rows added, tiles repacked; what stays is the same to the bit."""

import shutil
import subprocess

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from conftest import program
from test_compress import CLASSES, INTEGERS, floats, integers, readers, same

import rustfits
from rustfits import aio

TILES = [None, (7, 9), (50, 61)]
KEYS = [
    np.s_[3],
    np.s_[10:20, 5:40],
    np.s_[::-3, ::2],
    np.s_[[4, 1, 4, 44], 3:9],
    np.s_[..., 60],
    np.s_[7, 7],
    np.s_[:],
    np.s_[5:5],
]


def tiles_of(path, ext=1):
    """The bytes of every tile, by column."""
    with fits.open(path, disable_image_compression=True) as file:
        table = file[ext].data
        names = [name for name in table.names if name.endswith("_DATA")]
        return [[bytes(row[name]) for name in names] for row in table]


@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2"])
def test_sections_of_integers(tmp_path, codec, tiles):
    for dtype in INTEGERS + (["i8", "u8"] if codec != "RICE_1" else []):
        path = tmp_path / f"{dtype}.fits"
        model = integers(dtype)
        rng = np.random.default_rng(4)
        with rustfits.FITS(path, "w+") as file:
            file.write_image(model, compress=CLASSES[codec](tile_shape=tiles), extname="SCI")
            file.write_image(np.arange(10), extname="NEXT")
        with rustfits.FITS(path, "r+") as file:
            hdu = file["SCI"]
            for key in KEYS:
                values = rng.integers(0, 100, model[key].shape).astype(dtype)
                hdu[key] = values
                model[key] = values
                same(hdu[...], model)
            hdu[2:4] = 7
            model[2:4] = 7
            hdu[:, 3] = np.arange(50).astype(dtype)
            model[:, 3] = np.arange(50).astype(dtype)
            hdu.write(model[:9, :8] // 2, start=(20, 30))
            model[20:29, 30:38] = model[:9, :8] // 2
            hdu.write(np.arange(100).astype(dtype), start=1000)
            model.reshape(-1)[1000:1100] = np.arange(100).astype(dtype)
            same(hdu[...], model)
            same(file["NEXT"].read(), np.arange(10))
            before = len(file.to_bytes())
            hdu.repack()
            same(hdu[...], model)
            assert len(file.to_bytes()) < before
            packed = file.to_bytes()
            hdu.repack()
            assert file.to_bytes() == packed
        readers(path, model)
        same(rustfits.read(path, "NEXT"), np.arange(10))


def test_other_tiles_keep_their_bytes(tmp_path):
    path = tmp_path / "tiles.fits"
    rustfits.FITS(path, "w+").write_image(integers("i4"), compress="RICE_1")
    before = tiles_of(path)
    with rustfits.FITS(path, "r+") as file:
        file[1][7:9, 3] = 5
    after = tiles_of(path)
    assert [n for n, (one, other) in enumerate(zip(before, after, strict=True)) if one != other] == [7, 8]


@pytest.mark.parametrize("method", ["dither1", "dither2", "no_dither"])
@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_quantized_pixels_that_stay_are_the_same_to_the_bit(tmp_path, dtype, tiles, method):
    data = floats(dtype, (50, 61))
    data[5, 5:9] = np.nan
    data[10, 3:30] = 0
    # No noise: these rows are stored as they are.
    data[20] = 3
    path = tmp_path / "floats.fits"
    for codec in ("RICE_1", "GZIP_2"):
        with rustfits.FITS(path, "w+") as file:
            quantize = rustfits.Quantize(level=-0.25, method=method, seed=77)
            file.write_image(data, compress=CLASSES[codec](tile_shape=tiles), quantize=quantize)
        model = rustfits.read(path)
        changed = np.zeros(model.shape, bool)
        wanted = model.copy()
        with rustfits.FITS(path, "r+") as file:
            hdu = file[1]
            for key, value in [
                (np.s_[3:9, 10:20], 101.3),
                (np.s_[10, 3:12], 7.7),
                (np.s_[20, 5], 4.123456),
                (np.s_[30, 30:40], np.nan),
                (np.s_[31, 30:40], 0),
                # Beyond all steps of its tile.
                (np.s_[40, 1:3], 1e30),
                (np.s_[41, 1:3], -np.inf),
            ]:
                hdu[key] = value
                wanted[key] = value
                changed[key] = True
        back = rustfits.read(path)
        assert back[~changed].tobytes() == model[~changed].tobytes()
        assert np.array_equal(np.isnan(back), np.isnan(wanted))
        near = changed & np.isfinite(wanted)
        near &= np.nan_to_num(wanted) < 1e20
        assert np.abs(back[near] - wanted[near]).max() <= 0.126
        same(back[40:42, 1:3], wanted[40:42, 1:3])
        assert method != "dither2" or (back[31, 30:40] == 0).all()
        with fits.open(path) as file:
            same(file[1].data, back)
        # CFITSIO gives NaN for an infinity in such a tile.
        same(fitsio.read(str(path), ext=1), np.where(np.isinf(back), np.nan, back))


def test_a_tile_that_is_written_whole_is_quantized_anew(tmp_path):
    path = tmp_path / "zeros.fits"
    data = floats()
    with rustfits.FITS(path, "w+") as file:
        hdu = file.create_image_hdu("f4", data.shape, compress="RICE_1", quantize=rustfits.Quantize(level=16, seed=9))
        same(hdu[...], np.zeros(data.shape, "f4"))
        for row in range(0, 60, 7):
            hdu[row : row + 7] = data[row : row + 7]
        hdu.repack()
        once = file.write_image(data, compress="RICE_1", quantize=rustfits.Quantize(level=16, seed=9))
        same(hdu[...], once[...])
    assert tiles_of(path, 1) == tiles_of(path, 2)


@pytest.mark.parametrize("arguments", [["-r"], ["-g1"], ["-g2"], ["-r", "-w"], ["-r", "-q", "0.5"], ["-r", "-qz", "8"]])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4", "u1", "u2"])
def test_files_of_fpack(tmp_path, dtype, arguments):
    fpack = program("fpack")
    data = floats(dtype) if dtype[0] == "f" else integers(dtype) // 2
    rustfits.write(tmp_path / "plain.fits", data)
    path = tmp_path / "packed.fits"
    subprocess.run([fpack, *arguments, "-O", path, tmp_path / "plain.fits"], check=True)
    model = rustfits.read(path)
    with rustfits.FITS(path, "r+") as file:
        hdu = file[1]
        hdu[3:6, 10:20] = model[30:33, 10:20]
        hdu[9, 9] = model[8, 8]
        hdu.extend(model[:2])
        if dtype[0] == "f":
            # Neither ZBLANK nor the column for tiles that are stored as they are is in such a file.
            hdu[12, 3] = np.nan
            hdu[13, 4] = 1e30
            same(hdu[12:14, 3:5][[0, 1], [0, 1]], np.array([np.nan, 1e30], dtype))
    back = rustfits.read(path)
    changed = np.zeros(back.shape, bool)
    for key in (np.s_[3:6, 10:20], np.s_[9, 9], np.s_[-2:], np.s_[12, 3], np.s_[13, 4]):
        changed[key] = True
    assert back[: len(model)][~changed[: len(model)]].tobytes() == model[~changed[: len(model)]].tobytes()
    if dtype[0] != "f":
        same(back[3:6, 10:20], model[30:33, 10:20])
        same(back[-2:], model[:2])
    with fits.open(path) as file:
        file.verify("exception")
        same(file[1].data, back)
    same(fitsio.read(str(path), ext=1), back)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2", "PLIO_1", "HDU"])
def test_files_of_astropy(tmp_path, kind):
    path = tmp_path / "theirs.fits"
    data = np.random.default_rng(2).integers(0, 900, (40, 50)).astype("i2")
    compression = "RICE_1" if kind == "HDU" else kind
    hdu = fits.CompImageHDU(data, compression_type=compression, tile_shape=(7, 11), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), hdu, fits.ImageHDU(data)]).writeto(path)
    with rustfits.FITS(path, "r+") as file:
        file["SCI"][3:9, 8:30] = 5
        file["SCI"].extend(data[:5])
    model = np.concatenate([data, data[:5]])
    model[3:9, 8:30] = 5
    with fits.open(path) as file:
        same(file["SCI"].data, model)
        same(file[2].data, data)
    same(rustfits.read(path, "SCI"), model)


@pytest.mark.parametrize("tiles", [None, (7, 9), (4, 61), (60, 100)])
@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_2"])
def test_rows_are_added(tmp_path, codec, tiles):
    path = tmp_path / "rows.fits"
    for followed in (False, True):
        model = integers("u2")
        with rustfits.FITS(path, "w+") as file:
            hdu = file.write_image(model, compress=CLASSES[codec](tile_shape=tiles))
            if followed:
                file.write_image(np.arange(10))
            for count in (1, 3, 8, 0, 2):
                hdu.extend(model[:count])
                model = np.concatenate([model, model[:count]])
                same(hdu[...], model)
                assert hdu.shape == model.shape
            with hdu.extending() as rows:
                rows.extend(model[4])
                rows.extend(model[:11])
                rows.extend(model[8:9].astype("i8"))
            model = np.concatenate([model, model[4:5], model[:11], model[8:9]])
            same(hdu[...], model)
            hdu[-3:] = 9
            model[-3:] = 9
            hdu.repack()
        readers(path, model)
        if followed:
            same(rustfits.read(path, 2), np.arange(10))


def test_rows_of_quantized_images(tmp_path):
    path = tmp_path / "rows.fits"
    for tiles in (None, (7, 20), (100, 100)):
        with rustfits.FITS(path, "w+") as file:
            hdu = file.write_image(
                floats(), compress=rustfits.Rice1(tile_shape=tiles), quantize=rustfits.Quantize(level=-0.5)
            )
            before = hdu[...]
            hdu.extend(floats()[:11])
            after = hdu[...]
        assert after[:60].tobytes() == before.tobytes()
        assert np.abs(after[60:] - floats()[:11]).max() <= 0.2501
        readers(path, after)


def test_axes_of_any_number(tmp_path):
    rng = np.random.default_rng(3)
    for shape, tiles in [((400,), (30,)), ((4, 5, 60), (1, 2, 25)), ((2, 3, 4, 20), (2, 2, 3, 7))]:
        model = rng.integers(0, 3000, shape).astype("i4")
        with rustfits.FITS("mem://", "w+") as file:
            hdu = file.write_image(model, compress=rustfits.Rice1(tile_shape=tiles))
            for _ in range(12):
                key = tuple(slice(*sorted(rng.integers(0, length + 1, 2)), 1 + rng.integers(0, 2)) for length in shape)
                values = rng.integers(0, 3000, model[key].shape).astype("i4")
                hdu[key] = values
                model[key] = values
                flat = model.reshape(-1)
                start, stop = sorted(rng.integers(0, flat.size + 1, 2))
                values = rng.integers(0, 3000, stop - start).astype("i4")
                hdu.write(values, start=int(start))
                flat[start:stop] = values
                same(hdu[...], model)
            hdu.extend(model[:1])
            same(hdu[...], np.concatenate([model, model[:1]]))


def test_scaled_blank_and_masked_pixels(tmp_path):
    path = tmp_path / "scaled.fits"
    plain = fits.CompImageHDU(np.arange(600, dtype="i2").reshape(20, 30), compression_type="RICE_1", name="SCI")
    plain.header["BLANK"] = -99
    fits.HDUList([fits.PrimaryHDU(), plain]).writeto(path)
    with rustfits.FITS(path, "r+") as file:
        hdu = file["SCI"]
        values = np.ma.masked_array(np.arange(30, dtype="i2"), np.arange(30) % 7 == 0)
        hdu[4] = values
        back = hdu.read(np.s_[4], mask_blank=True)
        assert np.array_equal(back.mask, values.mask) and back.compressed().tolist() == values.compressed().tolist()
        assert (hdu[4][::7] == -99).all()
    image = np.arange(600, dtype="i2").reshape(20, 30)
    packed, plain = tmp_path / "packed.fits", tmp_path / "plain.fits"
    with fits.open(path) as file:
        assert file["SCI"].header["BLANK"] == -99
    hdu = fits.PrimaryHDU(image * 0.5 + 10)
    hdu.scale("int16", bscale=0.5, bzero=10.0)
    hdu.writeto(plain)
    if fpack := shutil.which("fpack"):
        subprocess.run([fpack, "-r", "-O", packed, plain], check=True)
        with rustfits.FITS(packed, "r+") as file:
            before = file[1].read(scale=False)
            same(before, image)
            file[1][3, 3] = 12.5
            file[1].write(np.full((1, 4), 77, "i2"), start=(6, 0))
            after = file[1].read(scale=False)
            assert file[1][3, 3] == 12.5
        before[6, :4] = 77
        before[3, 3] = 5
        same(after, before)
        with fits.open(packed) as file:
            same(file[1].data, before * 0.5 + 10)


@pytest.mark.parametrize(
    ("key", "value", "error", "message"),
    [
        (np.s_[0], 70000, ValueError, "does not fit"),
        (np.s_[0, 0], np.nan, ValueError, "NaN"),
        (np.s_[0:3], np.zeros(9), ValueError, "shape"),
        (np.s_[60], 1, IndexError, "60"),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path, key, value, error, message):
    path = tmp_path / "refused.fits"
    rustfits.FITS(path, "w+").write_image(integers("i2"), compress="RICE_1")
    before = path.read_bytes()
    with rustfits.FITS(path, "r+") as file:
        with pytest.raises(error, match=message):
            file[1][key] = value
        with pytest.raises(ValueError, match="rows"):
            file[1].extend(np.zeros((3, 7), "i2"))
        with pytest.raises(ValueError, match="beyond"):
            file[1].write(np.zeros((3, 7), "i2"), start=(49, 0))
        same(file[1][...], integers("i2"))
    assert path.read_bytes() == before


def test_masks_stay_masks(tmp_path):
    path = tmp_path / "mask.fits"
    data = (integers("i4") % 100).clip(0)
    rustfits.FITS(path, "w+").write_image(data, compress="PLIO_1")
    before = path.read_bytes()
    with rustfits.FITS(path, "r+") as file:
        for value in (-1, 2**24):
            with pytest.raises(ValueError, match="16777215"):
                file[1][3, 4] = value
        assert path.read_bytes() == before
        file[1][3, 4:9] = 2**24 - 1
        data[3, 4:9] = 2**24 - 1
    readers(path, data)


def test_gzip_files_and_memory(tmp_path):
    path = tmp_path / "a.fits.gz"
    model = integers("i4")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(model, compress="RICE_1")
        whole = file.to_bytes()
    model[3:9] = 4
    with rustfits.FITS(path, "r+") as file:
        file[1][3:9] = 4
        ours = file.to_bytes()
    same(rustfits.read(path), model)
    with rustfits.FITS.from_bytes(whole, "r+") as file:
        file[1][3:9] = 4
        assert file.to_bytes() == ours


def test_many_changes_move_the_file_seldom(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(integers("i4"), compress="RICE_1")
        file.write_image(np.zeros(1_000_000, "u1"))
        inodes = set()
        for row in range(50):
            file[1][row] = row
            inodes.add(path.stat().st_ino)
        same(file[1][...], np.repeat(np.arange(50, dtype="i4"), 61).reshape(50, 61))
    assert len(inodes) < 12


async def test_awaited_changes(tmp_path):
    path = tmp_path / "a.fits"
    model = integers("i4")
    async with aio.FITS(path, "w+") as file:
        await file.write_image(model, compress="RICE_1", extname="SCI")
        hdu = await file["SCI"]
        for value in (4, 5):
            await hdu.set(np.s_[3:40, ::2], value)
        await file["SCI"].set(np.s_[10], 6)
        await hdu.extend(model[:3])
        model[3:40, ::2] = 5
        model[10] = 6
        model = np.concatenate([model, integers("i4")[:3]])
        same(await hdu[...], model)
        size = len(await file.to_bytes())
        await hdu.repack()
        await file["SCI"].repack()
        assert len(await file.to_bytes()) < size
        await hdu.add_checksum()
        assert await hdu.verify_checksum() is True
        assert (hdu.header["NAXIS1"], hdu.n_tiles, hdu.zcmptype) == (61, 53, "RICE_1")
        async with hdu.header.edit() as header:
            header["OBJECT"] = "M 31"
    same(rustfits.read(path), model)
    assert rustfits.read_header(path, "SCI")["OBJECT"] == "M 31"
