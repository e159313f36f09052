"""Files that we write, read by astropy and fitsio."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import same
from test_images import DTYPES, sample

import rustfits
from rustfits import aio

LAYOUTS = {
    "plain": lambda data: data,
    "fortran": np.asfortranarray,
    "strided": lambda data: np.repeat(np.repeat(data, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda data: np.ascontiguousarray(data[::-1, ::-1])[::-1, ::-1],
    "swapped": lambda data: data.astype(data.dtype.newbyteorder("S")),
    "unaligned": lambda data: unaligned(data),
    "read-only": lambda data: frozen(data),
}


def unaligned(data):
    buffer = np.zeros(data.nbytes + 1, "u1")
    result = buffer[1:].view(data.dtype).reshape(data.shape)
    result[...] = data
    return result


def frozen(data):
    data = data.copy()
    data.flags.writeable = False
    return data


def read_by_others(path, index=0):
    """What astropy and fitsio read; astropy also checks the file against the standard."""
    with astropy_fits.open(path) as file:
        file.verify("exception")
        theirs = np.array(file[index].data)
    # fitsio does not read a u8 beyond 2**63, not even its own.
    beyond = theirs.dtype.kind == "u" and theirs.size and int(theirs.max()) >= 2**63
    return theirs, theirs if beyond else fitsio.read(str(path), ext=index)


@pytest.mark.parametrize("backend", ["disk", "mem", "gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path, dtype, backend):
    data = sample(dtype)
    path = tmp_path / ("a.fits.gz" if backend == "gz" else "a.fits")
    with rustfits.FITS("mem://" if backend == "mem" else path, "w+") as file:
        assert file.mode == "w+"
        hdu = file.write_image(data)
        assert isinstance(hdu, rustfits.ImageHDU)
        assert hdu is file[0]
        same(hdu.read(), data)
        whole = file.to_bytes()
    if backend == "mem":
        path.write_bytes(whole)
    assert len(whole) % 2880 == 0
    assert (gzip.decompress(path.read_bytes()) if backend == "gz" else path.read_bytes()) == whole
    for theirs in read_by_others(path):
        np.testing.assert_array_equal(theirs, data)
        assert theirs.dtype.newbyteorder("=") == data.dtype
    with rustfits.FITS(path) as file:
        same(file[0].read(), data)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layout_in_memory(tmp_path, dtype, layout):
    data = sample(dtype)
    given = LAYOUTS[layout](data)
    before = given.copy()
    with rustfits.FITS("mem://", "w+") as expected, rustfits.FITS("mem://", "w+") as file:
        expected.write_image(data)
        file.write_image(given)
        assert file.to_bytes() == expected.to_bytes()
        same(file[0].read(), data)
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("shape", [(1,), (5,), (1440,), (1441,), (2, 3), (1, 1, 4), (2, 1, 3, 1), (2, 2, 2, 2, 2)])
def test_shapes(tmp_path, shape):
    data = np.arange(np.prod(shape), dtype="i2").reshape(shape)
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data)
    for theirs in read_by_others(path):
        assert theirs.shape == shape
        np.testing.assert_array_equal(theirs, data)


def test_what_is_no_array_but_array_like():
    with rustfits.FITS("mem://", "w+") as file:
        same(file.write_image([[1, 2], [3, 4]]).read(), np.array([[1, 2], [3, 4]]))
        same(file.write_image(range(5)).read(), np.arange(5))
        same(file.write_image([1.5, 2]).read(), np.array([1.5, 2]))


@pytest.mark.parametrize(
    "data",
    [np.zeros(3, "c8"), np.zeros(3, "f2"), np.array(["a"]), np.zeros(3, "M8[s]"), np.zeros(2, "i4,f4"), [object()]],
)
def test_dtypes_that_fits_does_not_have(data):
    with rustfits.FITS("mem://", "w+") as file, pytest.raises(ValueError, match="dtype"):
        file.write_image(data)


def test_unsigned_of_64_bits_as_fitsio_reads_it(tmp_path):
    path = tmp_path / "a.fits"
    data = np.array([0, 1, 2**63 - 1], "u8")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(data)
    np.testing.assert_array_equal(fitsio.read(str(path)), data)


def test_several_images_with_names(tmp_path):
    path = tmp_path / "a.fits"
    images = [sample("f4"), sample("u2"), sample("i8", (3, 2, 2))]
    with rustfits.FITS(path, "w+") as file:
        file.write_image(images[0])
        file.write_image(images[1], extname="SCI", extver=2)
        hdu = file.write_image(images[2], extname="it's")
        assert (hdu.index, hdu.extname, hdu.extver) == (2, "it's", 1)
        assert len(file) == 3
        assert file["sci", 2] is file[1]
        for n, image in enumerate(images):
            same(file[n].read(), image)
            same(file[n][1:, ::2], image[1:, ::2])
    with astropy_fits.open(path) as theirs:
        theirs.verify("exception")
        assert [hdu.header.get("EXTNAME") for hdu in theirs] == [None, "SCI", "it's"]
        assert theirs[1].header["EXTVER"] == 2
        for hdu, image in zip(theirs, images, strict=True):
            np.testing.assert_array_equal(hdu.data, image)
    with fitsio.FITS(str(path)) as theirs:
        assert len(theirs) == 3
        np.testing.assert_array_equal(theirs["SCI"].read(), images[1])


@pytest.mark.parametrize("name", ["caf\xe9", "a\nb", "x" * 200])
def test_names_that_do_not_fit_a_card(name):
    with rustfits.FITS("mem://", "w+") as file:
        try:
            file.write_image(np.zeros(2), extname=name)
        except ValueError as error:
            assert "extname" in str(error)
            assert len(file) == 0
        else:
            assert rustfits.FITS.from_bytes(file.to_bytes())[0].extname == name


def test_disk_memory_and_gzip_hold_the_same_bytes(tmp_path):
    def fill(file):
        file.write_image(sample("f8"))
        file.write_image(sample("u4"), extname="B")

    written = []
    for name in ["mem://", tmp_path / "a.fits", tmp_path / "a.fits.gz"]:
        with rustfits.FITS(name, "w+") as file:
            fill(file)
            written.append(file.to_bytes())
    assert written[0] == written[1] == written[2]


def test_large_images(tmp_path):
    data = np.arange(1500 * 1400, dtype="f4").reshape(1500, 1400)
    for name in ["a.fits", "a.fits.gz"]:
        path = tmp_path / name
        with rustfits.FITS(path, "w+") as file:
            file.write_image(data.T)
        with astropy_fits.open(path) as theirs:
            np.testing.assert_array_equal(theirs[0].data, data.T)


def test_a_file_without_hdus(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        assert (len(file), file.hdus) == (0, [])
        with pytest.raises(IndexError):
            file[0]
    with pytest.raises(OSError, match="0 bytes"):
        rustfits.FITS(path)


def test_w_plus_empties_an_existing_file(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"old" * 10_000)
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.zeros(3, "u1"))
    assert path.stat().st_size == 2 * 2880


def test_sync_makes_what_is_there_readable(tmp_path):
    for name in ["a.fits", "a.fits.gz"]:
        path = tmp_path / name
        with rustfits.FITS(path, "w+") as file:
            file.write_image(np.arange(5, dtype="i2"))
            file.sync()
            np.testing.assert_array_equal(fitsio.read(str(path)), np.arange(5))
            file.write_image(np.arange(6, dtype="i2"))
        np.testing.assert_array_equal(fitsio.read(str(path), ext=1), np.arange(6))


def test_gzip_keeps_the_old_bytes_until_it_is_written(tmp_path):
    path = tmp_path / "a.fits.gz"
    path.write_bytes(b"old")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.zeros(3))
        assert path.read_bytes() == b"old"
    assert subprocess.run(["gunzip", "-t", path], check=False).returncode == 0
    assert os.listdir(tmp_path) == [path.name]


def test_gzip_makes_a_missing_file_at_open(tmp_path):
    path = tmp_path / "a.fits.gz"
    with rustfits.FITS(path, "w+"):
        assert path.exists()


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_directories_that_are_missing_or_files(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        rustfits.FITS(tmp_path / "nowhere" / name, "w+")
    (tmp_path / "dir.gz").mkdir()
    with pytest.raises(OSError):
        rustfits.FITS(tmp_path / "dir.gz", "w+")
    assert sorted(os.listdir(tmp_path)) == ["dir.gz"]


def test_gzip_keeps_the_permissions(tmp_path):
    path = tmp_path / "a.fits.gz"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.zeros(3))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_gzip_follows_symbolic_links(tmp_path):
    real = tmp_path / "real.fits.gz"
    real.write_bytes(b"old")
    link = tmp_path / "link.fits.gz"
    link.symlink_to(real)
    with rustfits.FITS(link, "w+") as file:
        file.write_image(np.zeros(3))
    assert link.is_symlink()
    np.testing.assert_array_equal(fitsio.read(str(real)), np.zeros(3))


def test_a_forgotten_handle_is_written_back(tmp_path):
    path = tmp_path / "a.fits.gz"
    rustfits.FITS(path, "w+").write_image(np.arange(4, dtype="i2"))
    np.testing.assert_array_equal(fitsio.read(str(path)), np.arange(4))


def test_a_handle_that_lives_until_the_interpreter_ends(tmp_path):
    path = tmp_path / "a.fits"
    script = "import sys, numpy, rustfits; file = rustfits.FITS(sys.argv[1], 'w+'); file.write_image(numpy.arange(4))"
    subprocess.run([sys.executable, "-c", script, path], check=True, timeout=60)
    np.testing.assert_array_equal(fitsio.read(str(path)), np.arange(4))


def test_written_is_closed_after_an_error(tmp_path):
    path = tmp_path / "a.fits"
    with pytest.raises(ZeroDivisionError), rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(3))
        raise ZeroDivisionError
    assert file.closed
    np.testing.assert_array_equal(fitsio.read(str(path)), np.arange(3))


def test_nothing_is_written_to_a_closed_file():
    file = rustfits.FITS("mem://", "w+")
    file.close()
    for call in [lambda: file.write_image(np.zeros(2)), file.sync, file.to_bytes]:
        with pytest.raises(OSError, match="closed"):
            call()


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_remote_files_are_read_only(scheme, suffix):
    # Nothing listens there, and nobody has to.
    with pytest.raises(OSError, match="read-only") as raised:
        rustfits.FITS(f"{scheme}://user:hidden@127.0.0.1:1/a.fits{suffix}", "w+")
    assert "hidden" not in str(raised.value)


def test_options_of_the_wrong_type_are_refused():
    with rustfits.FITS("mem://", "w+") as file:
        for option in ["compress", "quantize"]:
            with pytest.raises(TypeError, match=option):
                file.write_image(np.zeros(3), **{option: 1})
        assert len(file) == 0


def test_masked_arrays_need_a_blank_unless_they_are_floats():
    data = np.ma.MaskedArray(np.arange(4, dtype="u2"), mask=[0, 1, 0, 0])
    with rustfits.FITS("mem://", "w+") as file:
        with pytest.raises(ValueError, match=r"\[1\] is masked"):
            file.write_image(data)
        file.write_image(np.ma.MaskedArray(np.arange(4, dtype="i2")))
        same(file[0].read(), np.arange(4, dtype="i2"))
        hdu = file.write_image(data, blank=65535)
        assert hdu.header["BLANK"] == 32767
        same(hdu.read(), np.array([0, 65535, 2, 3], "u2"))
        np.testing.assert_array_equal(np.ma.getmaskarray(hdu.read(mask_blank=True)), data.mask)
        same(file.write_image(data.astype("f4")).read(), np.array([0, np.nan, 2, 3], "f4"))
        for dtype, blank in [("i2", 32768), ("u1", -1), ("u8", 2**64), ("i8", 2**63), ("f4", 0)]:
            with pytest.raises(ValueError, match="blank"):
                file.create_image_hdu(dtype, 3, blank=blank)
        assert file.create_image_hdu("u8", 3, blank=2**64 - 1).header["BLANK"] == 2**63 - 1
        assert file.create_image_hdu("i1", 3, blank=-128).header["BLANK"] == 0
        assert len(file) == 5


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", ">f8"])
def test_created_images_are_zeros(dtype, tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        hdu = file.create_image_hdu(dtype, (3, 500), extname="A", extver=2)
        same(hdu.read(), np.zeros((3, 500), np.dtype(dtype).newbyteorder("=")))
        hdu[1] = 7
        file.create_image_hdu(np.dtype(dtype), 5)
        file.create_image_hdu(dtype, [0, 4])
        assert (file["A", 2].shape, file[1].shape, file[2].shape) == ((3, 500), (5,), (0, 4))
    with astropy_fits.open(path) as theirs:
        assert theirs[0].data[1].tolist() == [7] * 500
        assert not theirs[0].data[::2].any()
        assert not theirs[1].data.any()


def test_created_images_take_no_space_and_overwrite_what_a_broken_write_left(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(3, dtype="i2"))
    path.write_bytes(path.read_bytes() + b"x" * 100_000)
    with rustfits.FITS(path, "r+") as file:
        hdu = file.create_image_hdu("f4", (1000, 1000, 300))
        assert not hdu[0].any()
    assert path.stat().st_size > 1_200_000_000
    assert path.stat().st_blocks * 512 < 10_000_000


def test_impossible_shapes_are_refused():
    with rustfits.FITS("mem://", "w+") as file:
        for dims in [(2**40, 2**40), (2**62,), [1] * 1000]:
            with pytest.raises((ValueError, OSError)):
                file.create_image_hdu("f8", dims)
        for dtype in ["c16", "U3", "?", "f2"]:
            with pytest.raises(ValueError, match="dtype"):
                file.create_image_hdu(dtype, 3)
        assert len(file) == 0


def test_cards_at_creation():
    cards = {"EXPTIME": (99.9, "seconds"), "OBJECT": "M31", "HISTORY": "made", "ESO TEL AIRM": 1.5}
    with rustfits.FITS("mem://", "w+") as file:
        first = file.write_image(np.zeros((2, 3), "u2"), header=cards, extname="A")
        assert first.header["EXPTIME"] == 99.9
        assert first.header.comment_of("EXPTIME") == "seconds"
        second = file.create_image_hdu("f4", 7, header=first.header, extname="B")
        assert second.header["OBJECT"] == "M31"
        assert second.header["HISTORY"] == ["made"]
        assert second.extname == "B"
        assert second.header["NAXIS1"] == 7
        assert "SIMPLE" not in second.header
        assert "BZERO" not in second.header
        third = file.write(np.arange(3.0), header=first.header)
        assert third.extname == "A"
        for bad in [{"NAXIS1": 3}, {"BZERO": 1}, {"A": float("nan")}]:
            with pytest.raises(ValueError, match=r"protected|NaN|nan"):
                file.write_image(np.zeros(3), header=bad)
        with pytest.raises(TypeError):
            file.write_image(np.zeros(3), header=[1])
        for nothing in ["text", None, 1j]:
            with pytest.raises(ValueError, match="dtype"):
                file.write(nothing)
        assert len(file) == 3
        with astropy_fits.HDUList.fromstring(file.to_bytes()) as theirs:
            theirs.verify("exception")
            assert theirs[1].header["ESO TEL AIRM"] == 1.5
            assert theirs["B"].header["EXPTIME"] == 99.9


async def test_asyncio_creates_and_writes():
    async with aio.FITS("mem://", "w+") as file:
        hdu = await file.create_image_hdu("i2", (2, 3), extname="A", blank=-1, header={"KEY": 1})
        await hdu.set(0, np.ma.masked)
        assert (await hdu.read()).tolist() == [[-1] * 3, [0] * 3]
        plain = await file.write([1.5, 2.5], header=hdu.header, extname="B")
        assert plain.header["KEY"] == 1
        assert (await file["B"].read()).tolist() == [1.5, 2.5]


def test_an_image_without_pixels():
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(np.zeros((0, 3), "i2"))
        assert hdu.shape == (0, 3)
        same(hdu.read(), np.zeros((0, 3), "i2"))
        whole = file.to_bytes()
    same(rustfits.FITS.from_bytes(whole)[0].read(), np.zeros((0, 3), "i2"))
