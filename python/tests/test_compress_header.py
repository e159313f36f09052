"""What a compressed image says of itself: compression, header, checksums, kept tiles; as fpack and astropy have it."""

import shutil
import subprocess
import threading

import numpy as np
import pytest
from astropy.io import fits
from test_compress import CLASSES, floats, integers, same

import rustfits

needs_fpack = pytest.mark.skipif(not (shutil.which("fpack") and shutil.which("funpack")), reason="no fpack")
CARDS = {"OBJECT": ("M 31", "a galaxy"), "EXPTIME": 1.5, "LONG": "x" * 150, "HISTORY": "made"}


def pack(path, *arguments):
    packed = path.with_suffix(".packed")
    packed.unlink(missing_ok=True)
    subprocess.run(["fpack", *arguments, "-O", packed, path], check=True)
    return packed


def unpack(path):
    plain = path.with_suffix(".plain")
    plain.unlink(missing_ok=True)
    subprocess.run(["funpack", "-O", plain, path], check=True)
    return plain


def without_sums(header):
    """The cards without the checksums, which funpack sets."""
    return [card for card in header.cards if card[:8].strip() not in ("CHECKSUM", "DATASUM")]


@pytest.mark.parametrize(
    "compression",
    [
        rustfits.Rice1(),
        rustfits.Rice1(tile_shape=(7, 9), blocksize=16),
        rustfits.Gzip1(level=6, tile_shape=(50, 61)),
        rustfits.Gzip2(heap_format="Q"),
        rustfits.Plio1(heap_format="P"),
    ],
)
def test_compressions_read_back(tmp_path, compression):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(integers("u1"), compress=compression)
    with rustfits.FITS(path) as file:
        hdu = file[1]
        assert hdu.compression == compression and compression == hdu.compression
        assert hash(hdu.compression) == hash(compression)
        assert (hdu.zcmptype, type(hdu.compression)) == (compression.name, type(compression))
        assert hdu.compression.tile_shape == hdu.tile_shape == (compression.tile_shape or (1, 61))
        assert hdu.compression.heap_format == (compression.heap_format or "P")
        assert hdu.compression != type(compression)(tile_shape=(3, 3))
        assert hdu.compression != type(compression)(heap_format="Q" if compression.heap_format != "Q" else "P")
        assert hdu.quantize is None
        again = rustfits.FITS("mem://", "w+").write_image(hdu.read(), compress=hdu.compression)
        assert again.compression == hdu.compression
        rows, columns = (-(-length // tile) for length, tile in zip(hdu.shape, hdu.tile_shape, strict=True))
        assert hdu.n_tiles == rows * columns


@pytest.mark.parametrize(
    "quantize",
    [
        rustfits.Quantize(),
        rustfits.Quantize(level=-0.5, seed=77),
        rustfits.Quantize(level=8, method="dither2", seed=10_000),
        rustfits.Quantize(level=2.5, method="no_dither"),
    ],
)
def test_quantizations_read_back(tmp_path, quantize):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        hdu = file.write_image(floats(), compress="RICE_1", quantize=quantize)
        assert hdu.quantize == quantize
        assert hdu.quantize != rustfits.Quantize(level=3, seed=3)
        assert file.write_image(floats(), compress="GZIP_2").quantize is None
    theirs = fits.CompImageHDU(
        floats(), compression_type="RICE_1", quantize_level=8.0, quantize_method=2, dither_seed=5
    )
    fits.HDUList([fits.PrimaryHDU(), theirs]).writeto(path, overwrite=True)
    with rustfits.FITS(path) as file:
        assert file[1].quantize == rustfits.Quantize(level=8, method="dither2", seed=5)


def test_the_header_is_that_of_the_image(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(integers("u2"), extname="PLAIN", header=CARDS)
        file.write_image(integers("u2"), extname="SCI", header=CARDS, before=0)
        del file[0]
        packed = file.write_image(integers("u2"), extname="SCI", header=CARDS, compress="RICE_1")
        plain = file.write_image(integers("u2"), extname="SCI", header=CARDS)
        assert packed.header.cards == plain.header.cards
        assert list(packed.header) == list(plain.header)
        # What is of the compression is found by those who look for it.
        assert packed.header["ZCMPTYPE"] == "RICE_1" and "ZTILE1" in packed.header
        assert packed.header.get("ZNAXIS1") == packed.header["NAXIS1"] == 61
        assert packed.header.comment_of("ZCMPTYPE") and "ZOO" not in packed.header
        with pytest.raises(ValueError, match="protected"):
            packed.header["ZCMPTYPE"] = "GZIP_1"
        with pytest.raises(KeyError):
            packed.header["NOTHING"]
        assert file.copy(packed, before=1).header.cards == plain.header.cards
    assert rustfits.read_header(path, "SCI")["NAXIS1"] == 61


@needs_fpack
@pytest.mark.parametrize("primary", [True, False])
def test_fpack_and_back(tmp_path, primary):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        if not primary:
            file.write_image(np.zeros(3, "u1"))
        file.write_image(integers("i2"), header=CARDS, extname="SCI")
        cards = file["SCI"].header.cards
    packed = pack(path)
    with rustfits.FITS(packed) as file:
        assert without_sums(file["SCI"].header) == cards
        same(file["SCI"].read(), integers("i2"))


@needs_fpack
def test_funpack_gives_the_cards_back(tmp_path):
    path = tmp_path / "ours.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(integers("u2"), header=CARDS, extname="SCI", compress="GZIP_1")
        cards = file[1].header.cards
    with rustfits.FITS(unpack(path)) as file:
        assert sorted(without_sums(file["SCI"].header)) == sorted(cards)


def test_ten_edits_of_the_header_leave_the_pixels_alone(tmp_path):
    path = tmp_path / "a.fits"
    plain = fits.CompImageHDU(integers("i2"), compression_type="RICE_1", name="SCI")
    plain.header["BSCALE"], plain.header["BZERO"] = 0.5, 3.0
    quantized = fits.CompImageHDU(floats(), compression_type="RICE_1", name="FLOATS")
    fits.HDUList([fits.PrimaryHDU(), plain, quantized]).writeto(path)
    with rustfits.FITS(path) as file:
        before = [file[ext].read(scale=False).tobytes() for ext in (1, 2)]
    for number in range(10):
        with rustfits.FITS(path, "r+") as file:
            for ext in (1, 2):
                file[ext].header[f"KEY{number}"] = number
                file[ext].header["OBJECT"] = (f"object {number}", "a comment")
                with file[ext].header.edit() as header:
                    header.update({f"MORE{n}": "x" * 60 for n in range(8 * number, 8 * number + 8)})
                    header.add_history(f"edit {number}")
                    if number:
                        del header[f"KEY{number - 1}"]
    with rustfits.FITS(path) as file:
        assert [file[ext].read(scale=False).tobytes() for ext in (1, 2)] == before
        for ext in (1, 2):
            assert (file[ext].header["KEY9"], file[ext].header["OBJECT"]) == (9, "object 9")
            assert len(file[ext].header["HISTORY"]) >= 10 and "KEY8" not in file[ext].header
    with fits.open(path) as file:
        file.verify("exception")
        assert (file["SCI"].header["OBJECT"], file["FLOATS"].header["MORE79"]) == ("object 9", "x" * 60)
        same(file["FLOATS"].data, rustfits.read(path, "FLOATS"))


def test_an_image_of_the_generic_name(tmp_path):
    path = tmp_path / "a.fits"
    hdu = fits.CompImageHDU(integers("i2"), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    with rustfits.FITS(path, "r+") as file:
        file[1].header["EXTNAME"] = "SCI"
        file[1][3] = 5
    assert rustfits.read(path, "SCI")[3].tolist() == [5] * 61
    with fits.open(path) as file:
        assert file["SCI"].data[3].tolist() == [5] * 61


@needs_fpack
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
def test_checksums_of_fpack(tmp_path, dtype):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        hdu = file.write_image(integers(dtype, (33, 61)), header=CARDS)
        hdu.add_checksum()
    packed = pack(path)
    with rustfits.FITS(packed) as file:
        assert (file[1].verify_datasum(), file[1].verify_checksum()) == (True, True)
    with rustfits.FITS(packed, "r+") as file:
        file[1][3, 3] = 7
        assert (file[1].verify_datasum(), file[1].verify_checksum()) == (False, False)
        file[1].add_checksum()
        assert (file[1].verify_datasum(), file[1].verify_checksum()) == (True, True)
    # Those of the table, which fpack sets, are right again, too.
    with fits.open(packed, checksum=True, disable_image_compression=True) as file:
        assert file[1].verify_checksum() == 1 and file[1].verify_datasum() == 1
    plain = unpack(packed)
    with fits.open(plain, checksum=True) as file:
        assert file[0].data[3, 3] == 7
    with rustfits.FITS(plain) as file:
        assert (file[0].verify_datasum(), file[0].verify_checksum()) == (True, True)


@needs_fpack
@pytest.mark.parametrize("tiles", [None, (7, 9), (50, 61), (4, 3)])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f8"])
def test_checksums_of_ours(tmp_path, dtype, tiles):
    path = tmp_path / "a.fits"
    data = floats("f8", (33, 61)) if dtype == "f8" else integers(dtype, (33, 61))
    with rustfits.FITS(path, "w+") as file:
        hdu = file.write_image(data, header=CARDS, extname="SCI", compress=CLASSES["GZIP_2"](tile_shape=tiles))
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (None, None)
        hdu.add_datasum()
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, None)
        hdu.add_checksum()
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, True)
        assert "ZDATASUM" in hdu.header and "ZHECKSUM" in hdu.header
        # Those of the same image as it is.
        plain = file.write_image(data, header=CARDS, extname="SCI")
        plain.add_checksum()
        assert hdu.header["ZDATASUM"] == plain.header["DATASUM"]
        hdu.header["OBJECT"] = "another"
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, False)
        hdu.add_checksum()
        del file[2]
    with fits.open(unpack(path), checksum=True) as file:
        image = next(hdu for hdu in file if hdu.data is not None)
        same(image.data, data)
        assert image.header["DATASUM"] and image.verify_checksum() == 1 and image.verify_datasum() == 1


def test_checksums_of_astropy(tmp_path):
    path = tmp_path / "a.fits"
    hdu = fits.CompImageHDU(integers("i4"), compression_type="RICE_1", name="SCI")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)
    with rustfits.FITS(path) as file:
        assert (file[1].verify_datasum(), file[1].verify_checksum()) == (True, True)


def test_tiles_are_kept_for_the_next_section(tmp_path):
    path = tmp_path / "a.fits"
    data = integers("i4", (500, 1000))
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress="RICE_1")
        file.write_image(data.astype("i2"), compress="GZIP_2", blank=-5)
    with rustfits.FITS(path) as file:
        hdu = file[1]
        assert (hdu.tile_cache_size, hdu.tile_cache_used) == (32 << 20, 0)
        same(hdu[3:9, 100:200], data[3:9, 100:200])
        assert hdu.tile_cache_used == 6 * 4000
        for key in (np.s_[3:9, 500:], np.s_[8:2:-2, ::3], np.s_[4], np.s_[2:12, [5, 7, 5]], np.s_[:, 999]):
            for _ in range(2):
                same(hdu[key], data[key])
                same(hdu.read(key, scale=False), data[key])
        same(hdu.read(), data)
        assert hdu.tile_cache_used == 2 * data.nbytes
        hdu.set_tile_cache_size(10_000)
        assert hdu.tile_cache_size == 10_000 and 0 < hdu.tile_cache_used <= 10_000
        # More than is kept drives nothing out.
        used = hdu.tile_cache_used
        same(hdu[:300, :5], data[:300, :5])
        assert hdu.tile_cache_used == used
        hdu.clear_tile_cache()
        assert hdu.tile_cache_used == 0
        hdu.set_tile_cache_size(0)
        same(hdu[3:9, 100:200], data[3:9, 100:200])
        assert hdu.tile_cache_used == 0
        assert file[2].tile_cache_size == 32 << 20
        for _ in range(2):
            masked = file[2].read(np.s_[3:9, 2:7], mask_blank=True)
            assert np.array_equal(masked.mask, data[3:9, 2:7].astype("i2") == -5)
            same(file[2][3:9, 2:7], data[3:9, 2:7].astype("i2"))
        assert file[2].tile_cache_used == 6 * 2000 + 6 * 3000
        with pytest.raises(ValueError, match="size is -1"):
            hdu.set_tile_cache_size(-1)
        last = file[2]
    assert last.tile_cache_used == 0


def test_changes_drop_the_kept_tiles():
    data = integers("i4")
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(data, compress="RICE_1")
        hdu.set_tile_cache_size(1 << 20)
        for number in range(5):
            same(hdu[3:9, :20], data[3:9, :20])
            assert hdu.tile_cache_used > 0
            hdu[5, 7] = data[5, 7] = number
            assert hdu.tile_cache_used == 0 and hdu.tile_cache_size == 1 << 20
        same(hdu[3:9, :20], data[3:9, :20])


def test_threads_share_the_tiles(tmp_path):
    path = tmp_path / "a.fits"
    data = integers("i4", (300, 400))
    rustfits.FITS(path, "w+").write_image(data, compress=rustfits.Rice1(tile_shape=(10, 100)))
    wrong = []
    with rustfits.FITS(path) as file:
        file[1].set_tile_cache_size(100_000)

        def read(seed):
            rng = np.random.default_rng(seed)
            for _ in range(60):
                y, x = rng.integers(0, 250), rng.integers(0, 350)
                if not np.array_equal(file[1][y : y + 50, x : x + 50], data[y : y + 50, x : x + 50]):
                    wrong.append((y, x))

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert file[1].tile_cache_used <= 100_000
    assert not wrong


@pytest.mark.parametrize("before", [None, 0])
def test_what_is_refused_leaves_nothing(tmp_path, before):
    path = tmp_path / "a.fits"
    masks = np.zeros((4, 4), "i4")
    with rustfits.FITS(path, "w+") as file:
        if before is not None:
            file.write_image(np.arange(5))
        count, size = len(file), path.stat().st_size
        for data, keywords in [
            (masks, {"compress": "PLIO_1", "extname": "x" * 80}),
            (masks - 1, {"compress": "PLIO_1"}),
            (masks, {"compress": "RICE_1", "extname": "caf\xe9"}),
        ]:
            with pytest.raises(ValueError):
                file.write_image(data, before=before, **keywords)
            assert (len(file), path.stat().st_size) == (count, size)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.fits"]


def test_an_image_in_front_of_others_is_kept_aside(tmp_path):
    path = tmp_path / "a.fits"
    data = np.random.default_rng(1).integers(0, 2**31, (1500, 2500)).astype("i4")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(5), extname="LAST")
        # More than is kept in memory.
        file.write_image(np.concatenate([data, data]), compress=rustfits.Gzip1(level=1), before="LAST", extname="SCI")
    same(rustfits.read(path, "SCI")[1500:], data)
    same(rustfits.read(path, "LAST"), np.arange(5))
    with fits.open(path) as file:
        file.verify("exception")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.fits"]
