"""Compressed images that other readers stumbled over."""

import subprocess

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from conftest import program

import rustfits


def sky(dtype="f4", shape=(60, 71)):
    rng = np.random.default_rng(21)
    return rng.normal(100, 5, shape).astype(dtype)


def fpacked(path, data, *options):
    program("fpack")
    plain = path.with_suffix(".in")
    rustfits.write(plain, data)
    subprocess.run(["fpack", *options, "-O", path, plain], check=True, capture_output=True)
    return path


def card(text):
    return text.ljust(80).encode()


def changed(path, old, new):
    """Another card in place of one that starts so."""
    content = bytearray(path.read_bytes())
    at = content.index(card(old)[: len(old)])
    content[at : at + 80] = card(new)
    path.write_bytes(content)


def test_zquantiz_of_the_primary_header_is_not_that_of_the_extension(tmp_path):
    path = tmp_path / "image.fits"
    hdu = fits.CompImageHDU(sky(), compression_type="RICE_1", quantize_method=1, dither_seed=3)
    primary = fits.PrimaryHDU()
    primary.header["ZQUANTIZ"] = "SUBTRACTIVE_DITHER_2"
    fits.HDUList([primary, hdu]).writeto(path)
    np.testing.assert_array_equal(rustfits.read(path), fits.getdata(path, 1))


@pytest.mark.parametrize("codec", ["-r", "-g2", "-h"])
def test_cubes_of_fpack(tmp_path, codec):
    data = np.random.default_rng(3).integers(0, 900, (2, 3, 20, 30)).astype("i4")
    np.testing.assert_array_equal(rustfits.read(fpacked(tmp_path / "cube.fz", data, codec)), data)


def test_rice_one_is_rice_1(tmp_path):
    path = tmp_path / "image.fits"
    data = sky()
    data[:, 7] = 0
    fits.CompImageHDU(data, compression_type="RICE_1", quantize_method=2, dither_seed=3).writeto(path)
    expected = fits.getdata(path, 1)
    changed(path, "ZCMPTYPE=", "ZCMPTYPE= 'RICE_ONE'")
    back = rustfits.read(path)
    np.testing.assert_array_equal(back, expected)
    assert (back[:, 7] == 0).all()


def test_zblank_of_integers_is_blank(tmp_path):
    path = tmp_path / "image.fits"
    data = np.arange(3000, dtype="i2").reshape(50, 60)
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress="RICE_1", blank=77)
    changed(path, "BLANK   =", "ZBLANK  = 77")
    with rustfits.FITS(path) as file:
        back = file[1].read(mask_blank=True)
    assert np.array_equal(back.mask, data == 77) and np.array_equal(back.data, data)


def test_header_edits_leave_the_pixels_of_a_scaled_image(tmp_path):
    path = tmp_path / "scaled.fits"
    hdu = fits.CompImageHDU(np.arange(3000, dtype="i2").reshape(50, 60), compression_type="RICE_1")
    hdu.header["BSCALE"], hdu.header["BZERO"] = 1.0, 0.0
    hdu.writeto(path)
    changed(path, "BSCALE  =", "BSCALE  = 0.37")
    with rustfits.FITS(path) as file:
        before, stored = file[1].read(), file[1].read(scale=False)
    assert before.dtype == "f8" and np.array_equal(before, stored * 0.37)
    for turn in range(10):
        with rustfits.FITS(path, "r+") as file:
            file[1].header[f"TURN{turn}"] = (turn, "a card that takes its place among the others")
    with rustfits.FITS(path) as file:
        assert file[1].header["TURN9"] == 9
        assert file[1].read().tobytes() == before.tobytes()
        assert file[1].read(scale=False).tobytes() == stored.tobytes()


def test_doubled_keywords_and_names(tmp_path):
    path = tmp_path / "doubled.fits"
    hdu = fits.CompImageHDU(sky(), name="SCI", compression_type="RICE_1", quantize_method=1, dither_seed=5)
    hdu.writeto(path)
    expected = fits.getdata(path, 1)
    content = path.read_bytes()
    start = content.index(b"XTENSION")
    doubled = card("EXTNAME = 'COMPRESSED_IMAGE'")
    doubled += content[(at := content.index(b"ZQUANTIZ", start)) : at + 80]
    doubled += content[(at := content.index(b"ZDITHER0", start)) : at + 80]
    at = content.index(b"ZIMAGE", start)
    end = content.index(b"END".ljust(80), start)
    block_end = start + -(-(end + 80 - start) // 2880) * 2880
    header = content[start:at] + doubled + content[at : end + 80]
    header += b" " * (-len(header) % 2880)
    path.write_bytes(content[:start] + header + content[block_end:])
    with rustfits.FITS(path) as file:
        assert file[1].extname == "SCI" and "SCI" in file
        np.testing.assert_array_equal(file["SCI"].read(), expected)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
def test_gzipped_integers_of_fpack_with_q_0(tmp_path, dtype):
    data = np.random.default_rng(4).integers(0, 120, (40, 50)).astype(dtype)
    np.testing.assert_array_equal(rustfits.read(fpacked(tmp_path / "image.fz", data, "-g", "-q", "0")), data)


def test_rice_of_64_bits_is_refused(tmp_path):
    path = tmp_path / "image.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(100, dtype="i4").reshape(10, 10), compress="RICE_1")
    changed(path, "ZVAL2", "ZVAL2   = 8")
    with rustfits.FITS(path) as file, pytest.raises(NotImplementedError, match="BYTEPIX"):
        file[1].read()


@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS"])
def test_a_tile_of_too_few_bytes_is_named_and_one_of_more_is_read(tmp_path, codec):
    data = np.random.default_rng(5).integers(0, 99, (48, 50)).astype("i2")
    path = tmp_path / "image.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data, compress=codec)
    with fits.open(path, disable_image_compression=True) as file:
        columns = {name: [np.array(row) for row in file[1].data[name]] for name in file[1].columns.names}
        header = file[1].header
        name = "UNCOMPRESSED_DATA" if codec == "NOCOMPRESS" else "COMPRESSED_DATA"
        for change, fails in [
            (lambda tile: tile[: len(tile) - 2], True),
            (lambda tile: np.append(tile, tile[:9]), False),
        ]:
            rows = columns[name][:-1] + [change(columns[name][-1])]
            table = {**columns, name: rows}
            forms = {key: file[1].columns[key].format[:3].rstrip("(") for key in table}
            made = fits.BinTableHDU.from_columns(
                [fits.Column(key, forms[key], array=np.array([*table[key], None], object)[:-1]) for key in table]
            )
            for keyword in header:
                if keyword.startswith("Z"):
                    made.header[keyword] = header[keyword]
            damaged = tmp_path / "damaged.fits"
            made.writeto(damaged, overwrite=True)
            with rustfits.FITS(damaged) as ours:
                if fails:
                    with pytest.raises(OSError, match=f"tile {len(rows)}"):
                        ours[1].read()
                else:
                    np.testing.assert_array_equal(ours[1].read(), data)


def test_fallback_columns_of_others(tmp_path):
    """Rows without noise, which fitsio keeps gzipped."""
    data = sky()
    data[7] = 3
    path = tmp_path / "image.fits"
    fitsio.write(str(path), data, compress="RICE", qlevel=4)
    with fits.open(path, disable_image_compression=True) as file:
        assert len(file[1].data["GZIP_COMPRESSED_DATA"][7]) > 0
    back = rustfits.read(path)
    np.testing.assert_array_equal(back, fitsio.read(str(path), ext=1))
    assert (back[7] == 3).all()
