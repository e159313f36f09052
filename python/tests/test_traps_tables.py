"""What has bitten users of other packages: tables."""

from __future__ import annotations

import io

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import raw_file, same
from test_tables import raw_table

import rustfits


@pytest.mark.parametrize("shape", [(5, 1), (5, 1, 1), (1, 1), (1, 4, 1), (5, 4, 1), (5, 1, 4)])
@pytest.mark.parametrize("dtype", ["f8", "i2", "u2", "U3", "?"])
def test_axes_of_length_1_stay(shape, dtype, tmp_path):
    values = (np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype)
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_table({"a": values})
    with rustfits.FITS(path) as file:
        same(file[1]["a"][:], values)
    if dtype != "?":
        theirs = astropy_fits.getdata(path, 1)["a"]
        assert theirs.shape == shape
        assert theirs.tolist() == values.tolist()
    same(rustfits.read(path)["a"], fitsio.read(str(path))["a"].reshape(shape))


@pytest.mark.parametrize(("form", "dtype"), [("E", ">f4"), ("D", ">f8"), ("C", ">c8")])
def test_tnull_of_floats_is_ignored(form, dtype):
    values = np.array([5, np.nan, 7], dtype)
    hdu = raw_table([form], 3, values.tobytes(), "TNULL1  = 5")
    same(hdu.read_column("c1"), values)
    masked = hdu.read_column("c1", mask_null=True)
    assert not np.ma.getmaskarray(masked)[0]
    assert masked.data[0] == 5


def test_names_keep_their_comments_when_columns_come_and_go():
    table = astropy_fits.BinTableHDU(np.zeros(3, [("a", "i2"), ("b", "f4"), ("c", "u1")]))
    for number, name in enumerate("abc", 1):
        table.header.comments[f"TTYPE{number}"] = f"what {name} is"
        table.header[f"TCOMM{number}"] = f"of {name}"
    content = io.BytesIO()
    table.writeto(content)
    with rustfits.FITS.from_bytes(content.getvalue(), "r+") as file:
        hdu = file[1]

        def described():
            names = {name: number for number, name in enumerate(hdu.colnames, 1)}
            found = {name: hdu.header.comment_of(f"TTYPE{number}") for name, number in names.items()}
            assert all(hdu.header.get(f"TCOMM{n}", f"of {name}") == f"of {name}" for name, n in names.items())
            return found

        hdu.delete_column("a")
        assert described() == {"b": "what b is", "c": "what c is"}
        hdu.insert_column("new", np.arange(3), before="c")
        assert {name: text for name, text in described().items() if name != "new"} == {
            "b": "what b is",
            "c": "what c is",
        }
        assert "TCOMM2" not in hdu.header


def test_descriptors_of_32_bits_reach_4_gib(tmp_path):
    # What other programs wrote into heaps of more than 2 GiB before they had Q: the offset is one without a sign.
    offset = 2**31 + 40
    heap = offset + 12
    cards = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 2", f"PCOUNT  = {heap}"]
    cards += ["GCOUNT  = 1", "TFIELDS = 1", "TTYPE1  = 'a'", "TFORM1  = '1PJ(3)'"]
    header = raw_file("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0") + raw_file(*cards)
    path = tmp_path / "large.fits"
    with path.open("wb") as file:
        file.write(header + np.array([[1, 0], [3, offset]], ">u4").tobytes())
        file.seek(len(header) + 16 + offset)
        file.write(np.array([7, 8, 9], ">i4").tobytes())
        file.truncate(len(header) + -(-(16 + heap) // 2880) * 2880)
    with rustfits.FITS(path) as file:
        assert [cell.tolist() for cell in file[1]["a"][:]] == [[0], [7, 8, 9]]


@pytest.mark.parametrize("compress", [None, True])
def test_rows_come_in_the_order_and_as_often_as_asked(compress):
    values = np.arange(10) * 10
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_table(
            {"a": values, "s": values.astype("U3")}, compress=compress, ztilelen=3 if compress else None
        )
        for rows in [[5, 2, 5], np.array([9, 0]), (3,), range(5, 1, -1), [-1, 0, -1], np.array([3, 3], "u1")]:
            wanted = values[list(rows)].tolist()
            assert hdu.read(rows=rows)["a"].tolist() == wanted
            assert hdu.read_column("a", rows=rows).tolist() == wanted
            assert hdu["a"][list(rows)].tolist() == wanted
            assert hdu[list(rows)]["s"].tolist() == [str(value) for value in wanted]
