"""Columns put into compressed tables and taken out: the same as in the table uncompressed, read by funpack, too."""

import asyncio

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from numpy.lib.recfunctions import repack_fields
from test_compressed_tables import ROWS, arrays, everything, fpack, reads_as, same, streams, unpack, without_pairs

import rustfits
from rustfits import aio


def both(tmp_path, table, **options):
    """The same table compressed and not, in files where an image follows."""
    paths = tmp_path / "packed.fits", tmp_path / "plain.fits"
    for path, compress in zip(paths, ({"compress": True, "ztilelen": 300}, {}), strict=True):
        with rustfits.FITS(path, "w+") as file:
            file.write_table(table, extname="TAB", units={"f8": "Jy"}, **compress, **options)
            file.write_image(np.arange(7))
    return paths


def are_the_same(packed, plain):
    reads_as(packed, plain)
    with rustfits.FITS(packed) as one, rustfits.FITS(plain) as other:
        assert sorted(one[1].header.cards) == sorted(other[1].header.cards)
        # The shown columns are in their order, whatever stands between them.
        keys = [key for key in one[1].header if key.startswith("TTYPE")]
        assert keys == [f"TTYPE{number + 1}" for number in range(one[1].ncols)]
        assert one[2].read().tolist() == list(range(7))


def is_unpacked_as(packed, plain):
    made = unpack(packed)
    if made:
        with rustfits.FITS(made) as one, rustfits.FITS(plain) as other:
            same(one[1].read(), other[1].read())
            assert one[1].colnames == other[1].colnames
            assert one[1].units == other[1].units


def new_columns():
    random = np.random.default_rng(7)
    return {
        "first": (np.arange(ROWS, dtype="i4"), {"position": 0, "unit": "s"}),
        "middle": (random.normal(size=(ROWS, 2)).astype("f4"), {"after": "i4"}),
        "unsigned": (np.arange(ROWS).astype("u2"), {"before": "U4"}),
        "text": (np.array([f"row {i}" for i in range(ROWS)]), {"position": -1}),
        "masked": (np.ma.masked_array(np.arange(ROWS, dtype="i2"), mask=np.arange(ROWS) % 3 == 0), {}),
        "bits": (random.integers(0, 2, (ROWS, 11)).astype(bool), {"bit_packed": True}),
        "one": (np.float64(2.5), {}),
        "none": (np.zeros(ROWS, "S1"), {}),
        "arrays": (arrays("E"), {}),
        "wide": (arrays("I"), {"heap_format": "Q", "position": 2}),
        "words": (arrays("A"), {"inner_dtype": "S"}),
    }


def test_inserted_columns(tmp_path):
    packed, plain = both(tmp_path, without_pairs(everything()))
    before = streams(packed)
    for path in (packed, plain):
        with rustfits.FITS(path, "r+") as file:
            for name, (values, options) in new_columns().items():
                file[1].insert_column(name, values, **options)
            with pytest.raises(ValueError, match="already"):
                file[1].insert_column("FIRST", np.arange(ROWS))
            with pytest.raises(ValueError, match="1000 rows"):
                file[1].insert_column("short", np.arange(5))
            with pytest.raises(IndexError):
                file[1].insert_column("far", np.arange(ROWS), position=99)
    are_the_same(packed, plain)
    with rustfits.FITS(packed) as file:
        hdu = file[1]
        assert hdu.compression["first"] == "RICE_1"
        assert hdu.compression["middle"] == "GZIP_2"
        assert hdu.n_tiles == 4
        # What was there was not packed anew.
        number = hdu.colnames.index("f8")
    assert streams(packed)[0, number] == before[0, 5]


def test_what_was_inserted_is_unpacked_by_funpack(tmp_path):
    packed, plain = both(tmp_path, without_pairs(everything()))
    for path in (packed, plain):
        with rustfits.FITS(path, "r+") as file:
            for name, (values, options) in new_columns().items():
                # funpack crashes on text in the heap.
                if name != "words":
                    file[1].insert_column(name, values, **options)
            file[1].delete_column("u8")
    is_unpacked_as(packed, plain)


def test_deleted_columns(tmp_path):
    table = without_pairs(everything())
    data = {name: table[name] for name in table.dtype.names} | {"arrays": arrays("J")}
    packed, plain = both(tmp_path, data)
    for path in (packed, plain):
        with rustfits.FITS(path, "r+") as file:
            for column in ("f8", 0, "NAME", -1):
                file[1].delete_column(column)
            with pytest.raises(KeyError, match="f8"):
                file[1].delete_column("f8")
            with pytest.raises(IndexError):
                file[1].delete_column(99)
    are_the_same(packed, plain)
    is_unpacked_as(packed, plain)
    size = packed.stat().st_size
    with rustfits.FITS(packed, "r+") as file:
        file[1].repack()
    assert packed.stat().st_size < size
    reads_as(packed, plain)


def test_all_columns_out_and_one_in(tmp_path):
    packed, plain = both(tmp_path, repack_fields(everything()[["i4", "f8"]]))
    for path in (packed, plain):
        with rustfits.FITS(path, "r+") as file:
            file[1].delete_column("i4")
            file[1].delete_column("f8")
            assert (file[1].nrows, file[1].ncols) == (ROWS, 0)
            assert len(file[1].read()) == ROWS
            file[1].insert_column("new", np.arange(ROWS, dtype="i2"))
            file[1].insert_column("first", np.arange(ROWS, dtype="f4"), position=0)
            file[1]["new"][5:7] = 3
            file[1].append({"new": [7], "first": [0.5]})
    are_the_same(packed, plain)
    is_unpacked_as(packed, plain)


def test_columns_of_an_empty_table(tmp_path):
    path = tmp_path / "empty.fits"
    with rustfits.FITS(path, "w+") as file:
        hdu = file.create_table_hdu([("a", "i4")], compress=True)
        hdu.insert_column("b", np.zeros(0, "f8"))
        hdu.delete_column("a")
        hdu.append({"b": [1.5, 2.5]})
        assert hdu["b"][:].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("directives", [{}, {"FZALG2": "GZIP_1", "FZTILELN": 300}])
def test_columns_of_tables_of_fpack(tmp_path, directives):
    path = tmp_path / "plain.fits"
    fitsio.write(path, repack_fields(everything()[["i2", "i4", "f8", "name"]]), units=["", "m", "Jy", ""])
    with fits.open(path, "update") as file:
        file[1].header["TDISP3"] = "F8.3"
        file[1].header["TUCD2"] = ("meta.id", "of the second")
        file[1].header.update(directives)
    packed = fpack(path)
    for name in (packed, path):
        with rustfits.FITS(name, "r+") as file:
            file[1].insert_column("new", arrays("E"), position=1)
            file[1].delete_column("i2")
            assert file[1].header["TDISP3"] == "F8.3"
            assert file[1].header.comment_of("TUCD2") == "of the second"
    reads_as(packed, path)
    is_unpacked_as(packed, path)


def test_headers_of_columns_are_changed(tmp_path):
    """What is no part of the structure: units and what others say of columns."""
    packed, plain = both(tmp_path, repack_fields(everything()[["i4", "f8"]]))
    for path in (packed, plain):
        with rustfits.FITS(path, "r+") as file:
            header = file[1].header
            header["TUNIT1"] = "s"
            header["TDISP2"] = ("F8.3", "as shown")
            header["EXTNAME"] = "OTHER"
            with header.edit() as edit:
                edit["TUCD1"] = "meta.id"
                del edit["TDISP2"]
            assert file["OTHER"].units == {"i4": "s", "f8": "Jy"}
            for key in ("TTYPE1", "TFORM1", "NAXIS1", "PCOUNT"):
                with pytest.raises(ValueError, match="protected"):
                    header[key] = 1
    are_the_same(packed, plain)
    is_unpacked_as(packed, plain)


def test_awaited(tmp_path):
    async def change():
        async with aio.FITS(tmp_path / "a.fits", "w+") as file:
            hdu = await file.write_table(everything(50), compress=True, ztilelen=20)
            await hdu.insert_column("new", np.arange(50), position=0)
            await hdu.delete_column("i4")
            return await hdu.read()

    read = asyncio.run(change())
    assert read.dtype.names[0] == "new"
    assert "i4" not in read.dtype.names
    assert np.array_equal(read["new"], np.arange(50))


def test_columns_of_hostile_tables(tmp_path):
    """A value for all rows makes no more of a table than its length allows."""
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_table(everything()[["i4", "f8"]], compress=True)
    whole = path.read_bytes()
    for old, new in ((b"ZNAXIS2 =                 1000", 10**15), (b"ZNAXIS2 =                 1000", 10**10)):
        lying = whole.replace(old, old[:9] + f"{new:21}".encode())
        lying = lying.replace(b"ZTILELEN=", b"ZTILELEN= 4611686018427387904 / ")
        with rustfits.FITS.from_bytes(lying, "r+") as file, pytest.raises((ValueError, OSError)):
            file[1].insert_column("new", np.int64(5))


def test_edits_see_the_header_of_the_uncompressed_table(tmp_path):
    packed, plain = both(tmp_path, repack_fields(everything()[["i4", "f8"]]))
    for path in (packed, plain):
        with rustfits.FITS(path, "r+") as file:
            with file[1].header.edit() as edit:
                assert (edit["NAXIS2"], edit["NAXIS1"], edit["TFORM2"]) == (ROWS, 12, "1D")
                assert "ZTABLE" not in edit
                edit["OBJECT"] = ("M31", "a galaxy")
                edit["LONG"] = "x" * 150
                edit.add_history("edited")
                del edit["EXTNAME"]
            file[1].header["LAST"] = 1
            file[1].header["LONG"] = "y" * 100
            with pytest.raises(ValueError, match="protected"), file[1].header.edit() as edit:
                edit["ZTILELEN"] = 5
    are_the_same(packed, plain)
    with rustfits.FITS(packed) as one, rustfits.FITS(plain) as other:
        assert one[1].header.to_dict() == other[1].header.to_dict()
    is_unpacked_as(packed, plain)
