"""ASCII tables that we write and edit: against astropy and fitsio."""

from __future__ import annotations

import asyncio
import io
import re

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import numbers_by_fitsio, raw_file

import rustfits
from rustfits import aio

DTYPE = [("i", "i4"), ("b", "i8"), ("f", "f4"), ("d", "f8"), ("s", "U6")]


def example(n: int = 6) -> np.ndarray:
    rng = np.random.default_rng(n)
    array = np.zeros(n, DTYPE)
    array["i"], array["b"] = rng.integers(-(2**31), 2**31, n), rng.integers(-(2**63), 2**63, n, endpoint=False)
    array["f"], array["d"] = rng.normal(size=n) * 10.0 ** rng.integers(-30, 30, n), rng.normal(size=n) * 1e-300
    array["s"] = [f"s {k}" for k in range(n)]
    return array


def filled(fits, array: np.ndarray, **keywords):
    hdu = fits.create_ascii_table_hdu(array.dtype, len(array), **keywords)
    hdu.write(array)
    return hdu


def equal(got, model: np.ndarray, exact: bool = True) -> None:
    assert len(got) == len(model)
    for name in model.dtype.names if len(model) else ():
        values = np.asarray(got[name])
        if model.dtype[name].kind == "U":
            values = np.char.rstrip(values.astype("U"))
        elif not exact:
            # fitsio makes floats of long integers, and its decimals are off by a last bit.
            near = 2e-7 if model.dtype[name] == "f4" else 2e-15
            np.testing.assert_allclose(values.astype("f8"), model[name].astype("f8"), rtol=near, err_msg=name)
            continue
        np.testing.assert_array_equal(values.astype(model.dtype[name]), model[name], err_msg=name)


def check(fits, hdu, model: np.ndarray, directory=None) -> bytes:
    equal(hdu.read(), model)
    data = fits.to_bytes()
    with astropy_fits.open(io.BytesIO(data)) as theirs:
        theirs.verify("exception")
        equal(theirs["CAT"].data, model)
    start = data.index(b"XTENSION= 'TABLE   '")
    header = astropy_fits.Header.fromstring(data[start:].split(b"END" + b" " * 77)[0].decode())
    begin = start + (len(header.tostring()))
    length = header["NAXIS1"] * header["NAXIS2"]
    padding = data[begin + length : begin + -(-length // 2880) * 2880]
    assert set(padding) <= {ord(" ")} and all(32 <= byte < 127 for byte in data[begin : begin + length])
    if directory is not None and len(model):
        (directory / "a.fits").write_bytes(data)
        numbers = [name for name in model.dtype.names if model.dtype[name].kind != "U"]
        back = numbers_by_fitsio(directory / "a.fits", "CAT")
        assert list(back.dtype.names if back is not None else ()) == numbers
        if numbers:
            equal(back, model[numbers], exact=False)
    return data


@pytest.mark.parametrize("n", [0, 1, 6, 500])
def test_every_value_comes_back(n, tmp_path):
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = filled(fits, example(n), extname="CAT", extver=3, units={"f": "Jy"})
        assert isinstance(hdu, rustfits.AsciiTableHDU) and (hdu.extver, hdu.units) == (3, {"f": "Jy"})
        assert hdu.formats == {"i": "I20", "b": "I20", "f": "E15.7", "d": "D25.17", "s": "A6"}
        check(fits, hdu, example(n), tmp_path)


def test_created_tables_are_blank():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_ascii_table_hdu(DTYPE, 4, extname="CAT")
        data = fits.to_bytes()
        assert data[-2880:] == b" " * 2880
        np.testing.assert_array_equal(hdu.read(), np.zeros(4, hdu.dtype))
        fits.create_ascii_table_hdu([("x", "f4")], 2, before="CAT", extname="FIRST", formats={"X": "f8.2"})
        assert [h.extname for h in fits] == [None, "FIRST", "CAT"] and fits["FIRST"].formats == {"x": "F8.2"}


def test_every_dtype():
    codes = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"]
    with rustfits.FITS("mem://", "w+") as fits:
        dtype = [(code, code) for code in codes] + [("S", "S3"), ("U", "U2")]
        model = np.zeros(2, dtype)
        for code in codes:
            info = np.iinfo(code)
            model[code] = [info.min, min(info.max, 2**63 - 1)]
        model["S"], model["U"] = [b"a", b"abc"], ["", "é"[:0]]
        hdu = filled(fits, model, extname="CAT")
        read = hdu.read()
        for code in codes:
            assert read[code].tolist() == model[code].tolist()
        assert hdu.read_column("S", as_bytes=True).tolist() == [b"a", b"abc"]


def test_formats_are_kept(tmp_path):
    model = np.array(
        [(1.25, 7, -3.5, "ab"), (-100.0625, -42, 2.5e-7, "")], [("a", "f8"), ("n", "i2"), ("e", "f4"), ("s", "U4")]
    )
    with rustfits.FITS("mem://", "w+") as fits:
        formats = {"a": "F12.4", "n": "I4", "e": "E10.2", "s": "A9"}
        hdu = filled(fits, model, extname="CAT", formats=formats)
        assert hdu.formats == formats
        rows = fits.to_bytes()[5760 : 5760 + 76]
        assert rows[:38] == b"      1.2500    7  -3.50E+00 ab       " and rows[38:].startswith(b"   -100.0625  -42")
        model["e"] = [-3.5, 2.5e-7]
        check(fits, hdu, model, tmp_path)


def test_decimals_are_those_of_the_format():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_ascii_table_hdu(
            [("f", "f8"), ("e", "f8"), ("d", "f4")], 1, formats={"f": "F8.2", "e": "E20.4", "d": "D14.5"}
        )
        hdu[0] = (np.pi, -np.pi * 1e-5, np.pi)
        assert fits.to_bytes()[5760 : 5760 + 44] == b"    3.14          -3.1416E-05    3.14159D+00"


@pytest.mark.parametrize(
    ("dtype", "formats", "says"),
    [
        ([("c", "c8")], None, "column 'c'.*binary table"),
        ([("c", "?")], None, "column 'c'.*binary table"),
        ([("c", "f4", 2)], None, "column 'c'.*one value a field"),
        ([("c", "O")], None, "column 'c'"),
        ([("c", "f4")], {"c": "I8"}, "I8 is not for f4"),
        ([("c", "i4")], {"c": "A8"}, "A8 is not for i4"),
        ([("c", "U3")], {"c": "F8.2"}, "F8.2 is not for U3"),
        ([("c", "f4")], {"c": "Z8"}, "Z8"),
        ([("c", "f4")], {"c": "F3.3"}, "no room"),
        ([("c", "i4")], {"c": "I0"}, "no room"),
        ([("c", "i4"), ("C", "i4")], None, "this name"),
    ],
)
def test_what_no_ascii_table_holds(dtype, formats, says):
    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(ValueError, match=says):
            fits.create_ascii_table_hdu(dtype, 2, formats=formats)
        assert len(fits) == 0


def test_formats_of_columns_that_are_not_there():
    with rustfits.FITS("mem://", "w+") as fits, pytest.raises(KeyError, match="nope"):
        fits.create_ascii_table_hdu([("c", "f4")], 2, formats={"nope": "F8.2"})


@pytest.fixture(params=["alone", "followed"])
def table(request):
    with rustfits.FITS("mem://", "w+") as fits:
        model = example()
        hdu = filled(fits, model, extname="CAT")
        if request.param == "followed":
            fits.write_image(np.arange(5000, dtype="i4"), extname="BEHIND")
        yield fits, hdu, model
        if request.param == "followed":
            np.testing.assert_array_equal(fits["BEHIND"].read(), np.arange(5000))


def test_cells_rows_and_columns(table, tmp_path):
    fits, hdu, model = table
    hdu["i"][2], model["i"][2] = 77, 77
    hdu["s"][1:3], model["s"][1:3] = ["x", "longer"], ["x", "longer"]
    hdu["d"][...] = np.arange(6) / 3
    model["d"] = np.arange(6) / 3
    hdu[0] = model[0] = (1, 2, 3.5, 4.5, "six666")
    hdu[[5, 4]] = model[:2].copy()
    model[[5, 4]] = model[:2].copy()
    hdu[1::2] = model[::2].copy()
    model[1::2] = model[::2].copy()
    hdu["f"] = 2.5
    model["f"] = 2.5
    hdu.write({"b": np.arange(6, dtype=">i2"), "i": np.arange(6.0)})
    model["b"] = model["i"] = np.arange(6)
    check(fits, hdu, model, tmp_path)


def test_append(table, tmp_path):
    fits, hdu, model = table
    hdu.append(example(3))
    hdu.extend({name: example(2)[name] for name in model.dtype.names})
    with hdu.appending() as rows:
        for n in range(40):
            rows.append(example(5)[n % 5 : n % 5 + 1])
    model = np.r_[model, example(3), example(2), np.tile(example(5), 8)]
    check(fits, hdu, model, tmp_path)


@pytest.mark.parametrize(("place", "at"), [({}, 5), ({"position": 0}, 0), ({"after": "b"}, 2), ({"before": "s"}, 4)])
def test_columns_in_and_out(table, place, at, tmp_path):
    fits, hdu, model = table
    values = np.array([1.5, -2.25, 0, 1e-30, 3, 4])
    hdu.insert_column("new", values, unit="ct", **place)
    names = list(model.dtype.names)
    names.insert(at, "new")
    assert hdu.colnames == tuple(names) and hdu.units == {"new": "ct"} and hdu.formats["new"] == "D25.17"
    wide = np.zeros(6, [(name, "f8" if name == "new" else model.dtype[name]) for name in names])
    for name in names:
        wide[name] = values if name == "new" else model[name]
    before = check(fits, hdu, wide, tmp_path)
    assert before
    hdu.delete_column("NEW")
    check(fits, hdu, model, tmp_path)
    assert hdu.header["NAXIS1"] == 20 + 20 + 15 + 25 + 6 + 4
    for name in ["i", "s", "f"]:
        hdu.delete_column(name)
    check(fits, hdu, model[["b", "d"]], tmp_path)
    assert hdu.header["NAXIS1"] == 46
    hdu.delete_column("b")
    hdu.delete_column("d")
    assert (hdu.ncols, hdu.header["NAXIS1"], hdu.nrows) == (0, 0, 6)
    hdu.insert_column("again", np.arange(6))
    assert hdu.read()["again"].tolist() == list(range(6))


REFUSED = [
    (lambda hdu: hdu["s"].__setitem__(1, "seven77"), r"column 's', row 0.*7 characters.*takes 6"),
    (lambda hdu: hdu["s"].__setitem__(1, "né"), "ASCII"),
    (lambda hdu: hdu["s"].__setitem__(1, b"\xff"), "ASCII"),
    (lambda hdu: hdu["f"].__setitem__(1, np.inf), r"column 'f', row 0.*inf.*no such number"),
    (lambda hdu: hdu["f"].__setitem__(slice(1, 3), [1, np.nan]), r"column 'f', row 1.*NaN.*mask"),
    (lambda hdu: hdu["b"].__setitem__(0, np.uint64(2**63)), "9223372036854775808"),
    (lambda hdu: hdu["b"].__setitem__(0, 1e30), "1e30"),
    (lambda hdu: hdu["i"].__setitem__(0, "text"), "column 'i'.*numbers"),
    (lambda hdu: hdu["s"].__setitem__(0, 5), "column 's'.*strings"),
    (lambda hdu: hdu["i"].__setitem__(0, [1, 2]), "shape"),
    (lambda hdu: hdu.append({"i": [1]}), "column 'b'"),
    (lambda hdu: hdu.append({"i": [1], "b": [1], "f": [np.inf], "d": [1], "s": ["a"]}), "column 'f', row 0.*inf"),
    (lambda hdu: hdu.insert_column("x", np.zeros((6, 2))), "one value"),
    (lambda hdu: hdu.insert_column("x", [[1], [2, 3]] * 3), "column 'x'"),
    (lambda hdu: hdu.insert_column("x", np.full(6, np.nan)), "NaN"),
    (lambda hdu: hdu.insert_column("x", np.zeros(6, "c8")), "binary table"),
    (lambda hdu: hdu.insert_column("I", np.zeros(6)), "already"),
]


@pytest.mark.parametrize(("edit", "says"), REFUSED)
def test_what_does_not_fit_writes_nothing(table, edit, says):
    fits, hdu, _ = table
    before = fits.to_bytes()
    with pytest.raises(ValueError, match=says):
        edit(hdu)
    assert fits.to_bytes() == before


def test_a_number_wider_than_its_format_never_reaches_its_neighbour():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_ascii_table_hdu(
            [("a", "i4"), ("f", "f8"), ("n", "i4")], 2, formats={"a": "I3", "f": "F6.2", "n": "I3"}
        )
        hdu["n"] = 123
        for column, value, says in [
            ("a", 1000, "I3"),
            ("a", -100, "I3"),
            ("f", 1000, r"F6\.2"),
            ("f", -100.0, r"F6\.2"),
            ("f", 999.999, r"F6\.2"),
        ]:
            with pytest.raises(ValueError, match=f"column '{column}'.*{says}"):
                hdu[column] = value
        hdu[0] = (999, 999.99, 1)
        hdu[1] = (-99, -99.99, 2)
        assert hdu.read().tolist() == [(999, 999.99, 1), (-99, -99.99, 2)]


def test_masked_values_become_tnull(table, tmp_path):
    fits, hdu, model = table
    hdu["i"] = np.ma.array(np.arange(6), mask=[0, 1, 0, 0, 0, 0])
    hdu["d"][2:4] = np.ma.array([1.5, 2.5], mask=[1, 0])
    assert hdu.header["TNULL1"] == "*" and hdu.header["TNULL4"] == "*" and "TNULL2" not in hdu.header
    read = hdu.read(mask_null=True)
    assert read["i"].tolist() == [0, None, 2, 3, 4, 5]
    assert read["d"].mask.tolist() == [False, False, True, False, False, False]
    hdu["d"][0] = np.nan
    assert np.isnan(hdu.read()["d"][[0, 2]]).all() and hdu.read(mask_null=True)["d"].mask[0]
    hdu.insert_column("new", np.ma.array(np.arange(6.0), mask=[1, 0, 0, 0, 0, 0]))
    assert hdu.read_column("new", mask_null=True).tolist() == [None, 1, 2, 3, 4, 5]
    hdu.delete_column("new")
    hdu.append({"i": [1], "b": np.ma.array([2], mask=[1]), "f": [0], "d": [1], "s": ["x"]})
    assert hdu.header["TNULL2"] == "*" and hdu[6]["b"] == 0 and hdu.read(mask_null=True)["b"].mask[6]
    hdu["s"] = np.ma.array(["a"] * 7, mask=[1, 0, 0, 0, 0, 0, 0])
    assert hdu.read()["s"].tolist() == ["", "a", "a", "a", "a", "a", "a"]
    with astropy_fits.open(io.BytesIO(fits.to_bytes())) as theirs:
        assert theirs["CAT"].data["b"][:6].tolist() == model["b"].tolist()
        assert theirs["CAT"].header["TNULL1"] == "*"
    # A value beside the mask that does not fit: no TNULL either.
    with rustfits.FITS("mem://", "w+") as other:
        bad = filled(other, example())
        before = other.to_bytes()
        with pytest.raises(ValueError, match="inf"):
            bad["d"] = np.ma.array([np.inf] * 6, mask=[1] * 5 + [0])
        assert other.to_bytes() == before


def odd_table() -> bytes:
    """Unordered and overlapping fields, gaps, TNULL, TSCAL and text that is not ours to change."""
    cards = [
        "XTENSION= 'TABLE   '",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 20",
        "NAXIS2  = 2",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 5",
    ]
    cards += ["TTYPE1  = 'num'", "TBCOL1  = 11", "TFORM1  = 'I4'", "TNULL1  = '--'"]
    cards += ["TTYPE2  = 'txt'", "TBCOL2  = 1", "TFORM2  = 'A6'"]
    cards += ["TTYPE3  = 'sub'", "TBCOL3  = 3", "TFORM3  = 'A2'"]
    cards += ["TTYPE4  = 'sc'", "TBCOL4  = 16", "TFORM4  = 'I3'", "TSCAL4  = 0.5", "TZERO4  = 10", "TUCD4   = 'phot'"]
    cards += ["TTYPE5  = 'bl'", "TBCOL5  = 15", "TFORM5  = 'A1'", "TNULL5  = 'x'", "EXTNAME = 'CAT'"]
    rows = b"ab12ef/// 0042, 10 ?" + b"gh34ij///   --  -4 ?"
    assert len(rows) == 40
    data = raw_file(*cards, data=rows)
    return raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0") + data[:-2840] + rows[40:].ljust(2840, b" ")


def test_tables_of_others_keep_what_is_not_written():
    with rustfits.FITS.from_bytes(odd_table(), "r+") as fits:
        hdu = fits["CAT"]
        hdu["num"][0] = 7
        hdu["sub"] = ["XY", "Z"]
        hdu["sc"] = [12.0, 8.5]
        hdu["num"][1] = np.ma.masked
        assert hdu.read_column("num", mask_null=True).tolist() == [7, None]
        data = fits.to_bytes()[5760:]
        assert data[:40] == b"abXYef///    7,  4 ?" + b"ghZ ij/// --    -3 ?"
        assert hdu["sc"][...].tolist() == [12.0, 8.5]
        hdu.insert_column("new", np.array([5, 6]), before="sub")
        hdu.insert_column("mid", ["m", "n"], before="num")
        assert hdu.colnames == ("mid", "num", "txt", "new", "sub", "sc", "bl")
        assert hdu.read()["txt"].tolist() == ["abXYef", "ghZ ij"] and hdu.read()["new"].tolist() == [5, 6]
        assert hdu.read()["mid"].tolist() == ["m", "n"] and hdu.header["TUCD6"] == "phot"
        hdu.delete_column("sub")
        assert hdu.read()["txt"].tolist() == ["abXYef", "ghZ ij"]
        hdu.delete_column("txt")
        hdu.delete_column("bl")
        assert hdu.colnames == ("mid", "num", "new", "sc")
        assert hdu.read()["sc"].tolist() == [12.0, 8.5] and hdu.read()["num"].tolist() == [7, 0]
        hdu.append({"mid": ["o"], "num": [1], "new": [2], "sc": [10.5]})
        assert hdu.read()["sc"].tolist() == [12.0, 8.5, 10.5]
        with pytest.raises(ValueError, match="TSCAL|format I3"):
            hdu["sc"][0] = 1e4


@pytest.mark.parametrize("writer", ["astropy", "fitsio"])
def test_tables_of_astropy_and_fitsio_are_edited(writer, tmp_path):
    path = tmp_path / "t.fits"
    if writer == "astropy":
        columns = [
            astropy_fits.Column("n", "I6", array=np.array([1, 2, 3]), ascii=True),
            astropy_fits.Column("x", "E14.6", array=np.array([1.5, 2.5, 3.5]), ascii=True),
            astropy_fits.Column("s", "A5", array=np.array(["a", "b", "c"]), ascii=True),
        ]
        astropy_fits.TableHDU.from_columns(columns, name="CAT").writeto(path)
    else:
        data = np.array([(1, 1.5, b"a"), (2, 2.5, b"b"), (3, 3.5, b"c")], [("n", "i4"), ("x", "f8"), ("s", "S5")])
        fitsio.write(str(path), data, table_type="ascii", extname="CAT")
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits["CAT"]
        hdu["n"][1] = -20
        hdu["x"] = [-0.25, 1e10, 0]
        hdu[2] = (30, 3.25, "ccc")
        hdu.append({"n": [4], "x": [4.5], "s": ["dd"]})
        hdu.insert_column("y", np.arange(4, dtype="f4"), position=1)
    wanted = {"n": [1, -20, 30, 4], "x": [-0.25, 1e10, 3.25, 4.5], "s": ["a", "b", "ccc", "dd"], "y": [0, 1, 2, 3]}
    with astropy_fits.open(path) as theirs:
        theirs.verify("exception")
        for name, values in wanted.items():
            got = theirs["CAT"].data[name]
            assert (np.char.rstrip(got) if name == "s" else got).tolist() == values
    back = numbers_by_fitsio(path, "CAT")
    assert {name: back[name].tolist() for name in back.dtype.names} == {n: v for n, v in wanted.items() if n != "s"}


NEW_COLUMNS = [
    ("F12.4", np.array([1.25, -3.5, 0, 12345.6789, 1e-3, 7]), [1.25, -3.5, 0, 12345.6789, 0.001, 7]),
    ("f8.3", np.arange(6), [0, 1, 2, 3, 4, 5]),
    ("E10.2", np.array([1.234, -1e20, 0, 5, 6, 7]), [1.23, -1e20, 0, 5, 6, 7]),
    ("D12.4", np.array([1.0, 2, 3, 4, 5, 1e200]), [1.0, 2, 3, 4, 5, 1e200]),
    ("I4", np.arange(-3, 3), [-3, -2, -1, 0, 1, 2]),
    ("I7", np.array([True, False] * 3).astype("u1"), [1, 0, 1, 0, 1, 0]),
    ("A9", np.array(["a", "bc", "", "d", "e", "ninechars"]), ["a", "bc", "", "d", "e", "ninechars"]),
]


@pytest.mark.parametrize(("form", "values", "wanted"), NEW_COLUMNS)
@pytest.mark.parametrize("position", [0, 2, None])
def test_a_new_column_has_the_format_that_is_asked_for(tmp_path, form, values, wanted, position):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        hdu = filled(fits, example())
        hdu.insert_column("new", values, position=position, format=form)
        assert hdu.formats["new"] == form.upper()
        assert hdu["new"][:].tolist() == pytest.approx(wanted)
        same_others = hdu.read(columns=[name for name in hdu.colnames if name != "new"])
        assert same_others.tolist() == filled(fits, example()).read().tolist()
    with astropy_fits.open(path) as theirs:
        theirs.verify("exception")
        table = theirs[1]
        assert table.columns["new"].format == form.upper()
        column = table.data["new"]
        assert (np.char.rstrip(column) if form[0] == "A" else column).tolist() == pytest.approx(wanted)
    if form[0] != "A":
        assert numbers_by_fitsio(path)["new"].tolist() == pytest.approx(wanted)


def test_formats_that_are_not_for_a_new_column():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = filled(fits, example())
        for form, values, said in [
            ("I4", np.arange(6.0), "I4"),
            ("A4", np.arange(6), "A4"),
            ("I2", np.arange(95, 101), "row 5"),
            ("X", np.arange(6), "X"),
        ]:
            with pytest.raises(ValueError, match=said):
                hdu.insert_column("new", values, format=form)
        assert "new" not in hdu.colnames
        binary = fits.write_table({"a": [1, 2]})
        with pytest.raises(ValueError, match="ASCII"):
            binary.insert_column("new", [1, 2], format="I4")


def test_exponents_of_d_are_written_as_d():
    with rustfits.FITS("mem://", "w+") as fits:
        filled(fits, np.array([(1e200,)], [("d", "f8")]))
        assert re.fullmatch(rb" *[0-9.]+D\+[0-9]{3} *", fits.to_bytes()[5760 : 5760 + 25])


def test_asyncio(tmp_path):
    async def run():
        async with aio.FITS(tmp_path / "a.fits", "w+") as fits:
            hdu = await fits.create_ascii_table_hdu(
                DTYPE, 6, extname="CAT", units=["a", None, None, None, None], formats={"s": "A9"}
            )
            await hdu.write(example())
            await hdu.set(0, example()[5])
            await fits["CAT"].set("f", 1.5)
            await hdu.append(example(2))
            async with hdu.appending() as rows:
                await rows.append(example(1))
            await hdu.insert_column("x", 1.5, format="F8.2")
            await hdu.delete_column("b")
            await hdu.set("i", np.ma.array(np.arange(9), mask=np.arange(9) == 4))
            model = np.r_[example(), example(2), example(1)]
            model[0] = model[5]
            back = await hdu.read()
            assert back["d"].tolist() == model["d"].tolist() and back["x"].tolist() == [1.5] * 9
            assert hdu.formats["s"] == "A9" and hdu.formats["x"] == "F8.2"

    asyncio.run(run())


def test_empty_text_is_no_null():
    """Neither in binary tables nor in ASCII ones, whatever TNULL says."""
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_table({"s": ["", "a"]})
        assert not np.ma.getmaskarray(fits[1].read_column("s", mask_null=True)).any()
        hdu = fits.create_ascii_table_hdu([("s", "U3"), ("n", "i4")], 2)
        hdu["s"] = ["", "a"]
        assert not np.ma.getmaskarray(hdu.read_column("s", mask_null=True)).any()
        hdu["n"] = np.ma.array([1, 2], mask=[0, 1])
        assert hdu.read(mask_null=True)["s"].mask.tolist() == [False, False]


def test_rows_that_were_read_are_appended_as_they_were():
    """Those of E15.7 come out as f8, of which nine digits go back in; formats that were chosen have their own."""
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2**32, 3000, "u4").view("f4")
    numbers = np.append(bits[np.isfinite(bits)], np.array([0, -0.0, 1.1754944e-38, 1e-45, -3.4028235e38], "f4"))
    with rustfits.FITS("mem://", "w+") as fits:
        fields = [("x", "f4"), ("y", "f8"), ("z", "f4")]
        hdu = fits.create_ascii_table_hdu(fields, len(numbers), formats={"z": "E13.3"})
        hdu.write({"x": numbers, "y": numbers.astype("f8") / 3, "z": numbers})
        rows = hdu.read()
        hdu.append(rows)
        again = hdu[len(rows) :]
        assert hdu.formats == {"x": "E15.7", "y": "D25.17", "z": "E13.3"}
        for name in rows.dtype.names:
            assert again[name].tobytes() == rows[name].tobytes()
        assert rows["x"].astype("f4").tobytes() == numbers.tobytes()
        np.testing.assert_allclose(rows["z"], numbers.astype("f8"), rtol=6e-4)
        hdu["x"] = 1 / 3
        assert hdu["x"][0] == 0.33333333
