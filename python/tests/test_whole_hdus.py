"""HDUs deleted, inserted and copied in front of others; handles that stay right meanwhile."""

from __future__ import annotations

import asyncio

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits
from rustfits import aio


def images(path, names="ABCD"):
    with rustfits.FITS(path, "w+") as fits:
        for number, name in enumerate(names):
            fits.write_image(np.full((3, 4), number, "i2"), extname=name, header={"NUMBER": number})
    return path


def names(path):
    with astropy_fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        found = [hdu.name for hdu in hdus]
        kinds = [("SIMPLE" in hdu.header, "XTENSION" in hdu.header) for hdu in hdus]
    assert kinds == [(number == 0, number > 0) for number in range(len(kinds))]
    with fitsio.FITS(str(path)) as fits:
        assert [hdu.get_extname() for hdu in fits] == ["" if name == "PRIMARY" else name for name in found]
    return found


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_an_hdu_is_deleted_and_those_behind_it_move_up(tmp_path, name):
    path = images(tmp_path / name)
    with rustfits.FITS(path, "r+") as fits:
        b, c, d = fits["B"], fits["C"], fits["D"]
        del fits["B"]
        assert (len(fits), c.index, d.index) == (3, 1, 2)
        assert fits[1] is c
        np.testing.assert_array_equal(d.read(), np.full((3, 4), 3))
        c[0, 0] = 77
        d.header["NEW"] = "set after the move"
        assert "extension: 2" in " ".join(repr(d).split())
        for use in [
            b.read,
            lambda: b.header.__setitem__("A", 1),
            lambda: b.write(np.zeros((3, 4))),
            b.add_checksum,
            lambda: b.index,
        ]:
            with pytest.raises(OSError, match="deleted"):
                use()
        assert b.header["NUMBER"] == 1
        del fits[-1]
        assert len(fits) == 2
    assert names(path) == ["A", "C"]
    assert fitsio.read(str(path), ext="C")[0].tolist() == [77, 2, 2, 2]
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_primary_hdu_becomes_an_empty_one(tmp_path):
    path = images(tmp_path / "a.fits")
    with rustfits.FITS(path, "r+") as fits:
        old = fits[0]
        del fits[0]
        assert (len(fits), fits[0].has_data, fits[0].shape, fits[0].extname) == (4, False, (), None)
        assert fits[0] is not old
        with pytest.raises(OSError, match="deleted"):
            old.read()
    assert names(path) == ["PRIMARY", "B", "C", "D"]
    with rustfits.FITS(path, "r+") as fits:
        for _ in range(3):
            del fits[-1]
        del fits[0]
        assert len(fits) == 1
        with pytest.raises(IndexError, match="out of range"):
            del fits[1]
        with pytest.raises(KeyError, match="GONE"):
            del fits["GONE"]
    assert path.stat().st_size == 2880
    with rustfits.FITS(path) as fits, pytest.raises(OSError, match="read-only"):
        del fits[0]


def test_an_image_goes_in_front_of_another(tmp_path):
    path = images(tmp_path / "a.fits")
    with rustfits.FITS(path, "r+") as fits:
        held = [fits[name] for name in "ABCD"]
        between = fits.write_image(np.arange(5.0), extname="BETWEEN", before="C")
        assert (between.index, [hdu.index for hdu in held]) == (2, [0, 1, 3, 4])
        fits.create_image_hdu("u2", (2, 2), extname="ZEROS", before=held[3])
        fits.write(np.ones(3, "u1"), extname="LATE", before=-1)
        assert [hdu.extname for hdu in fits] == ["A", "B", "BETWEEN", "C", "ZEROS", "LATE", "D"]
        for number, hdu in enumerate(held):
            np.testing.assert_array_equal(hdu.read(), np.full((3, 4), number))
            hdu.header["SEEN"] = hdu.index
        assert held[3].header["SEEN"] == 6
        for wrong, error in [(9, IndexError), ("X", KeyError), (1.5, TypeError)]:
            with pytest.raises(error):
                fits.write_image(np.zeros(2), before=wrong)
        with rustfits.FITS("mem://", "w+") as other:
            foreign = other.write_image(np.zeros(2))
            with pytest.raises(ValueError, match="is one of mem://"):
                fits.write_image(np.zeros(2), before=foreign)
        del fits[between]
        with pytest.raises(OSError, match="deleted"):
            fits.write_image(np.zeros(2), before=between)
    assert names(path) == ["A", "B", "C", "ZEROS", "LATE", "D"]
    np.testing.assert_array_equal(fitsio.read(str(path), ext="D"), np.full((3, 4), 3))


def test_what_comes_first_is_the_primary_hdu(tmp_path):
    path = images(tmp_path / "a.fits", "AB")
    with rustfits.FITS(path, "r+") as fits:
        old = fits["A"]
        old.add_checksum()
        first = fits.write_image(np.zeros((2, 2), "f4"), header={"FIRST": True}, before=0)
        assert (first.index, old.index) == (0, 1)
        np.testing.assert_array_equal(old.read(), np.zeros((3, 4)))
        old.header["NUMBER"] = 99
        old[1, 1] = 5
        assert (old.verify_datasum(), old.verify_checksum()) == (False, None)
        old.add_datasum()
        # An extension can't come first: an empty primary HDU goes in front of it.
        table = np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])
        source = tmp_path / "table.fits"
        astropy_fits.HDUList([astropy_fits.PrimaryHDU(), astropy_fits.BinTableHDU(table, name="T")]).writeto(source)
        with rustfits.FITS(source) as tables:
            copied = fits.copy(tables["T"], before=first)
        assert (copied.index, first.index, old.index) == (1, 2, 3)
        assert copied.read()["b"][0] == 2.5
    assert names(path) == ["PRIMARY", "T", "", "A", "B"]
    header = astropy_fits.getheader(path, 3)
    assert (header["NUMBER"], header["XTENSION"], "CHECKSUM" in header) == (99, "IMAGE", False)
    assert list(header)[:8] == ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "NUMBER"]
    assert fitsio.read(str(path), ext=3)[1, 1] == 5


def test_nothing_is_written_over_an_hdu_that_cannot_be_read(tmp_path):
    path = images(tmp_path / "a.fits", "ABC")
    content = bytearray(path.read_bytes())
    at = content.rindex(b"BITPIX  =                   16")
    content[at : at + 30] = b"BITPIX  =                   17"
    path.write_bytes(content)
    with rustfits.FITS(path, "r+") as fits:
        with pytest.raises(ValueError, match="would overwrite it"):
            fits.write_image(np.zeros(3))
        assert path.read_bytes() == content
        # What is in front of it can go: the bytes of the rest stay.
        del fits["B"]
        assert fits["A"].shape == (3, 4)
    assert path.read_bytes() == content[:5760] + content[2 * 5760 :]


def test_nothing_goes_behind_data_that_are_cut_short(tmp_path):
    """The file would be filled up with zeros in place of what is missing, and nobody could tell."""
    path = images(tmp_path / "a.fits", "ABC")
    whole = path.read_bytes()
    # Only the padding is missing, or the last pixel, too.
    path.write_bytes(whole[: 5 * 2880 + 24])
    with rustfits.FITS(path, "r+") as fits:
        fits.write_image(np.zeros(3))
        assert fits[2].read().shape == (3, 4)
    cut = whole[: 5 * 2880 + 23]
    path.write_bytes(cut)
    with rustfits.FITS(path, "r+") as fits:
        for write in (
            lambda: fits.write_image(np.zeros(3)),
            lambda: fits.write_image(np.arange(9), compress="GZIP_1"),
            lambda: fits.write_table({"a": np.arange(3)}),
            lambda: fits.copy(fits["A"]),
        ):
            with pytest.raises(OSError, match="zeros of what is missing"):
                write()
    assert path.read_bytes() == cut


def test_headers_that_wait_are_written_first(tmp_path):
    path = images(tmp_path / "a.fits")
    with rustfits.FITS(path, "r+") as fits:
        for number in range(60):
            fits["C"].header[f"K{number}"] = number
        del fits["B"]
        for number in range(60):
            fits["A"].header[f"K{number}"] = number
        fits.copy(fits["A"], before="D")
        assert fits[2].header["K59"] == 59
    assert names(path) == ["A", "C", "A", "D"]
    assert [len(rustfits.read_header(path, index)) > 60 for index in range(4)] == [True, True, True, False]


def test_asyncio_inserts_and_deletes(tmp_path):
    path = images(tmp_path / "a.fits")

    async def work():
        async with aio.FITS(path, "r+") as fits:
            held = await fits["D"]
            new = await fits.write_image(np.zeros(3), extname="NEW", before="B")
            assert (new.index, held.index) == (1, 4)
            await fits.delete(new)
            await fits.delete(0)
            await fits.copy(held, before=1)
            assert (await held[...])[0, 0] == 3

    asyncio.run(work())
    assert names(path) == ["PRIMARY", "D", "B", "C", "D"]
