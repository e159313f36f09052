"""Tables that are edited: cells, rows, columns; against numpy, read back by other programs."""

from __future__ import annotations

import asyncio
import io

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import raw_file

import rustfits
from rustfits import aio

DTYPE = [("n", "i4"), ("u", "u2"), ("f", "f8"), ("s", "U6"), ("v", "f4", 3), ("b", "?")]


def example(n: int = 10) -> np.ndarray:
    array = np.zeros(n, DTYPE)
    array["n"], array["u"], array["f"] = np.arange(n), np.arange(n) + 40000, np.arange(n) / 3
    array["s"] = [f"s{i}" for i in range(n)]
    array["v"], array["b"] = np.arange(3 * n).reshape(n, 3), np.arange(n) % 2 == 0
    return array


@pytest.fixture(params=["alone", "followed"])
def table(request):
    """A table, the last HDU or with another behind it, and the array that it should be equal to."""
    with rustfits.FITS("mem://", "w+") as fits:
        model = example()
        hdu = fits.write_table(model, extname="CAT", header={"TDISP6": "L4", "TUCD2": "u.cd"})
        if request.param == "followed":
            fits.write_image(np.arange(5000, dtype="i4"), extname="BEHIND")
        yield fits, hdu, model
        if request.param == "followed":
            np.testing.assert_array_equal(fits["BEHIND"].read(), np.arange(5000))


def check(fits, hdu, model) -> None:
    """Equal for us and for astropy."""
    np.testing.assert_array_equal(hdu.read(), model)
    assert hdu.nrows == len(model) and len(hdu) == len(model)
    theirs = astropy_fits.open(io.BytesIO(fits.to_bytes()))
    theirs.verify("exception")
    for name in model.dtype.names:
        np.testing.assert_array_equal(theirs["CAT"].data[name].astype(model.dtype[name].base), model[name])


def assignments():
    record = np.array([(-1, 7, 2.5, "new", [1, 2, 3], True)], DTYPE)
    yield "record", 3, record[0], record
    yield "tuple", -1, (-1, 7, 2.5, "new", [1, 2, 3], True), record
    yield "dict", 2, {"n": -1, "u": 7, "f": 2.5, "s": "new", "v": [1, 2, 3], "b": True}, record
    yield "slice", slice(2, 5), np.repeat(record, 3), record
    yield "reversed", slice(None, None, -1), example(), example()
    yield "step", slice(1, None, 3), np.repeat(record, 3), record
    yield "list", [7, 0, 7], example(3), example(3)
    yield "tuples", slice(0, 2), [tuple(record[0]), tuple(example()[4])], np.r_[record, example()[4:5]]
    yield "all", ..., example()[::-1], example()[::-1]


@pytest.mark.parametrize(("key", "value", "meant"), [pytest.param(*a[1:], id=a[0]) for a in assignments()])
def test_rows(table, key, value, meant):
    fits, hdu, model = table
    hdu[key] = value
    model[key] = meant[0] if isinstance(key, int) else meant
    check(fits, hdu, model)


def test_columns(table):
    fits, hdu, model = table
    hdu["n"] = np.arange(10) * 2
    model["n"] = np.arange(10) * 2
    hdu["F"] = 2.5
    model["f"] = 2.5
    hdu["v"] = [1, 2, 3]
    model["v"] = [1, 2, 3]
    hdu["s"] = ["x" * i for i in range(7)] + ["a", "b", "c"]
    model["s"] = ["x" * i for i in range(7)] + ["a", "b", "c"]
    hdu[["u", "b"]] = {"u": np.full(10, 65535), "b": False}
    model["u"], model["b"] = 65535, False
    check(fits, hdu, model)


def test_lazy_subsets(table):
    fits, hdu, model = table
    hdu["n"][...] = np.arange(10) + 100
    hdu["n"][2:4] = -1
    hdu["s"][0] = "first"
    hdu["v"][-1] = [7, 8, 9]
    hdu["f"][[3, 1]] = [0.25, 0.5]
    model["n"] = np.arange(10) + 100
    model["n"][2:4] = -1
    model["s"][0] = "first"
    model["v"][-1] = [7, 8, 9]
    model["f"][[3, 1]] = [0.25, 0.5]
    pair = np.array([(5, "five"), (6, "six")], [("n", "i8"), ("s", "U9")])
    hdu[["n", "s"]][4:6] = pair
    hdu[["n", "s"]][9] = (9, "nine")
    hdu[["n", "s"]].write({"n": [1, 2]}, rows=[0, 1])
    hdu["u"].write(np.arange(3), rows=slice(0, 3))
    model["n"][4:6], model["s"][4:6] = pair["n"], pair["s"]
    model["n"][9], model["s"][9] = 9, "nine"
    model["n"][:2] = [1, 2]
    model["u"][:3] = np.arange(3)
    check(fits, hdu, model)


def test_write_by_name(table):
    fits, hdu, model = table
    hdu.write({"n": model["n"][::-1], "f": model["f"] * 2})
    hdu.write([np.zeros(10, "i8")], names=["u"])
    hdu.write(model, names=["s"])
    model["n"], model["f"], model["u"] = model["n"][::-1].copy(), model["f"] * 2, 0
    check(fits, hdu, model)


REFUSED = [
    (lambda hdu: hdu.__setitem__("n", np.arange(9)), "shape"),
    (lambda hdu: hdu.__setitem__("n", 2**31), r"column 'n', row 0.*2147483648.*i4"),
    (lambda hdu: hdu.__setitem__("u", np.arange(10) - 5), r"column 'u', row 0.*-5.*u2"),
    (lambda hdu: hdu.__setitem__("n", np.nan), "NaN"),
    (lambda hdu: hdu.__setitem__("n", "text"), "column 'n'"),
    (lambda hdu: hdu.__setitem__("s", 5), "column 's'"),
    (lambda hdu: hdu.__setitem__("b", 1), "column 'b'"),
    (lambda hdu: hdu["s"].__setitem__(4, "seven77"), r"column 's', row 0.*7 characters.*takes 6.*insert_column"),
    (lambda hdu: hdu.__setitem__("s", "né"), "ASCII"),
    (lambda hdu: hdu.__setitem__("n", np.ma.array(np.arange(10), mask=[1] + [0] * 9)), r"column 'n', row 0.*TNULL"),
    (lambda hdu: hdu.__setitem__("v", np.zeros((10, 2))), "shape"),
    (lambda hdu: hdu.__setitem__(0, (1, 2)), "values for 2"),
    (lambda hdu: hdu.__setitem__(slice(0, 2), np.zeros(3, DTYPE)), "shape"),
    (lambda hdu: hdu.__setitem__(0, 5), "record"),
    (lambda hdu: hdu[["n", "s"]].__setitem__(slice(0, 10), {"f": np.zeros(10)}), "column 'f'.*chosen"),
    (lambda hdu: hdu.append({"n": [1]}), "column 'u'"),
    (lambda hdu: hdu.append({name: np.zeros(2 if name == "b" else 1, d) for name, d, *_ in DTYPE}), "rows|shape"),
    (lambda hdu: hdu.insert_column("new", np.arange(9)), r"shape \(?\[?9.*10 rows"),
    (lambda hdu: hdu.insert_column("N", np.arange(10)), "column 'N'"),
    (lambda hdu: hdu.insert_column("x", np.arange(10), bit_packed=True), "bits"),
]


@pytest.mark.parametrize(("edit", "says"), REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_written(table, edit, says):
    fits, hdu, _ = table
    before = fits.to_bytes()
    with pytest.raises(ValueError, match=says):
        edit(hdu)
    assert fits.to_bytes() == before


def test_keys_that_are_not_there(table):
    fits, hdu, _ = table
    before = fits.to_bytes()
    for edit, error in [
        (lambda: hdu.__setitem__("nope", 1), KeyError),
        (lambda: hdu.__setitem__(10, hdu[0]), IndexError),
        (lambda: hdu["n"].__setitem__([0, -11], 1), IndexError),
        (lambda: hdu.write({"nope": np.arange(10)}), KeyError),
        (lambda: hdu.delete_column("nope"), KeyError),
        (lambda: hdu.delete_column(6), IndexError),
        (lambda: hdu.insert_column("x", np.arange(10), position=7), IndexError),
        (lambda: hdu.insert_column("x", np.arange(10), after="nope"), KeyError),
        (lambda: hdu.insert_column("x", np.arange(10), after="n", before="f"), TypeError),
    ]:
        with pytest.raises(error):
            edit()
    assert fits.to_bytes() == before


def scaled_file() -> bytes:
    """A table with a scaled column and one with a null."""
    cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 6",
        "NAXIS2  = 3",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
    ]
    cards += ["TFIELDS = 2", "TTYPE1  = 'c'", "TFORM1  = 'I'", "TSCAL1  = 0.5", "TZERO1  = 10"]
    cards += ["TTYPE2  = 't'", "TFORM2  = 'J'", "TNULL2  = -99", "EXTNAME = 'CAT'"]
    return raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0") + raw_file(*cards, data=bytes(18))


def test_scaled_columns_are_scaled_back():
    with rustfits.FITS.from_bytes(scaled_file(), "r+") as fits:
        hdu = fits["CAT"]
        hdu["c"][...] = [12.0, 12.26, -5.0]
        np.testing.assert_array_equal(hdu.read_column("c"), [12.0, 12.5, -5.0])
        hdu["c"][0] = np.int16(11)
        assert hdu.read_column("c", scale=False)[0] == 2
        with pytest.raises(ValueError, match=r"TSCAL 0.5 and TZERO 10"):
            hdu["c"][1] = 1e6
        hdu["t"][:2] = np.ma.array([7, 8], mask=[1, 0])
        assert hdu["t"][...].tolist() == [-99, 8, 0]


def test_other_bytes_stay(tmp_path):
    """An edit of one column leaves all other bytes alone: trailing blanks and NULs in strings, too."""
    columns = [astropy_fits.Column("s", "8A", array=np.array(["a", "b"])), astropy_fits.Column("n", "J", array=[1, 2])]
    buffer = io.BytesIO()
    astropy_fits.BinTableHDU.from_columns(columns).writeto(buffer)
    data = bytearray(buffer.getvalue())
    data[5760:5768] = b"x\0junk  "
    with rustfits.FITS.from_bytes(bytes(data), "r+") as fits:
        fits[1]["n"][...] = [3, 4]
        after = fits.to_bytes()
    expected = bytearray(data)
    expected[5768:5772], expected[5780:5784] = (3).to_bytes(4, "big"), (4).to_bytes(4, "big")
    assert after == bytes(expected)


def test_append(table):
    fits, hdu, model = table
    hdu.append(example(3))
    hdu.extend({name: example(2)[name] for name in model.dtype.names})
    hdu.append([example(1)[name] for name in model.dtype.names], names=list(model.dtype.names))
    hdu.append(example(0))
    model = np.r_[model, example(3), example(2), example(1)]
    check(fits, hdu, model)


def test_append_types_that_fit(table):
    fits, hdu, model = table
    rows = example(2).astype([("n", "i8"), ("u", "i4"), ("f", "f4"), ("s", "S20"), ("v", "f8", 3), ("b", "?")])
    hdu.append(rows)
    rows["f"] = rows["f"].astype("f8")
    check(fits, hdu, np.r_[model, rows.astype(model.dtype)])


def test_many_appends_move_a_followed_table_once(table):
    fits, hdu, model = table
    one = example(1)
    with hdu.appending() as rows:
        assert rows is hdu
        for n in range(100):
            one["n"] = n
            rows.append(one)
        assert hdu.nrows == 10
    more = np.repeat(example(1), 100)
    more["n"] = np.arange(100)
    check(fits, hdu, np.r_[model, more])
    with pytest.raises(RuntimeError, match="stop"), hdu.extending():
        hdu.append(one)
        raise RuntimeError("stop")
    assert hdu.nrows == 110


PLACES = [
    ({}, 6),
    ({"position": 0}, 0),
    ({"position": 3}, 3),
    ({"after": "u"}, 2),
    ({"before": "v"}, 4),
    ({"position": -1}, 5),
]


@pytest.mark.parametrize(("place", "at"), PLACES)
def test_insert_column(table, place, at):
    fits, hdu, model = table
    values = np.arange(20, dtype="u4").reshape(10, 2)
    hdu.insert_column("new", values, unit="ct", **place)
    names = list(model.dtype.names)
    names.insert(at, "new")
    assert hdu.colnames == tuple(names) and hdu.units == {"new": "ct"}
    np.testing.assert_array_equal(hdu.read_column("new"), values)
    for name in model.dtype.names:
        np.testing.assert_array_equal(hdu.read_column(name), model[name])
    header = hdu.header
    assert header[f"TDISP{names.index('b') + 1}"] == "L4" and header[f"TUCD{names.index('u') + 1}"] == "u.cd"
    theirs = astropy_fits.open(io.BytesIO(fits.to_bytes()))
    theirs.verify("exception")
    np.testing.assert_array_equal(theirs["CAT"].data["u"], model["u"])
    hdu.delete_column("NEW")
    check(fits, hdu, model)
    assert header["TDISP6"] == "L4" and header["TUCD2"] == "u.cd" and header["TFIELDS"] == 6


def test_inserted_columns_of_every_kind(table):
    fits, hdu, model = table
    hdu.insert_column("scalar", 2.5)
    hdu.insert_column("mask", np.ma.array(np.arange(10), mask=np.arange(10) == 4))
    hdu.insert_column("bits", np.ones((10, 9), bool), bit_packed=True)
    hdu.insert_column("text", [f"t{i}" for i in range(10)])
    hdu[3:5] = hdu[0:2]
    assert hdu.read_column("scalar").tolist() == [2.5] * 10
    assert hdu.header["TFORM9"] == "9X" and hdu.header["TNULL8"] == -(2**63)
    assert hdu.read_column("text")[3] == "t0"


def test_delete_columns(table):
    fits, hdu, model = table
    hdu.delete_column(0)
    hdu.delete_column("v")
    rest = ["u", "f", "s", "b"]
    assert hdu.colnames == tuple(rest)
    np.testing.assert_array_equal(hdu.read(), np.array(model[rest].tolist(), [d for d in DTYPE if d[0] in rest]))
    assert hdu.header["TUCD1"] == "u.cd" and hdu.header["TDISP4"] == "L4" and "TTYPE5" not in hdu.header
    theirs = astropy_fits.open(io.BytesIO(fits.to_bytes()))
    assert theirs["CAT"].header["NAXIS1"] == 2 + 8 + 6 + 1
    for name in rest[::-1]:
        hdu.delete_column(name)
    assert hdu.ncols == 0 and hdu.nrows == 10


def test_large_tables_are_edited_piece_by_piece(tmp_path):
    n = 400_000
    model = np.zeros(n, [("a", "i8"), ("b", "f4", 5)])
    model["a"] = np.arange(n)
    model["b"] = np.random.default_rng(1).normal(size=(n, 5))
    path = tmp_path / "large.fits"
    rustfits.write(path, model)
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits[1]
        hdu.insert_column("mid", np.arange(n, dtype="i2"), after="a")
        hdu["a"] = model["a"][::-1]
        hdu.append({"a": np.arange(n), "mid": 5 * np.ones(n, "i1"), "b": model["b"]})
    theirs = fitsio.read(str(path), ext=1)
    np.testing.assert_array_equal(theirs["a"], np.r_[model["a"][::-1], np.arange(n)])
    np.testing.assert_array_equal(theirs["mid"], np.r_[np.arange(n).astype("i2"), np.full(n, 5)])
    np.testing.assert_array_equal(theirs["b"], np.r_[model["b"], model["b"]])


def test_on_disk_between_sessions(tmp_path):
    path = tmp_path / "t.fits"
    rustfits.write(path, example(), extname="CAT")
    for _ in range(3):
        with rustfits.FITS(path, "r+") as fits:
            fits["CAT"].append(example(1000))
            fits["CAT"]["n"][-1] = 77
    assert len(path.read_bytes()) % 2880 == 0
    back = fitsio.read(str(path), ext="CAT")
    assert len(back) == 3010 and back["n"][[1009, 2009, 3009]].tolist() == [77] * 3


def test_tables_of_others(tmp_path):
    """What fitsio and astropy wrote is edited in place, and they read it again."""
    path = str(tmp_path / "f.fits")
    fitsio.write(
        path, example().astype([(n, "S6", *s) if n == "s" else (n, t, *s) for n, t, *s in DTYPE]), extname="CAT"
    )
    with rustfits.FITS(path, "r+") as fits:
        fits["CAT"][5] = example()[0]
        fits["CAT"].append(example(4))
        fits["CAT"].insert_column("w", np.arange(14))
    back = fitsio.read(path, ext="CAT")
    assert back["n"][5] == 0 and len(back) == 14 and back["w"].tolist() == list(range(14))


def with_heap(gap: int = 0) -> bytes:
    """A table with variable-length arrays in its heap, behind a gap if there is one, and an image behind it."""
    arrays = np.array([np.arange(n, dtype="f4") for n in [3, 0, 5]], object)
    columns = [astropy_fits.Column("a", "J", array=[1, 2, 3]), astropy_fits.Column("var", "PE()", array=arrays)]
    columns.append(astropy_fits.Column("b", "D", array=[1.5, 2.5, 3.5]))
    buffer = io.BytesIO()
    table = astropy_fits.BinTableHDU.from_columns(columns, name="CAT")
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), table, astropy_fits.ImageHDU(np.arange(9))]).writeto(buffer)
    data = buffer.getvalue()
    if gap:
        rows = 5760 + 3 * 20
        data = data[:rows] + b"\xff" * gap + data[rows : 8640 - gap] + data[8640:]
        data = data.replace(f"PCOUNT  = {32:20}".encode(), f"PCOUNT  = {32 + gap:20}".encode())
        data = data.replace(f"THEAP   = {60:20}".encode(), f"THEAP   = {60 + gap:20}".encode())
        if b"THEAP" not in data:
            end = data.index(b"END" + b" " * 77, 2880)
            data = data[:end] + f"{f'THEAP   = {60 + gap}':80}".encode() + data[end : end + 80] + data[end + 160 :]
    return data


@pytest.mark.parametrize("gap", [0, 7])
def test_the_heap_stays_where_descriptors_say(gap):
    with rustfits.FITS.from_bytes(with_heap(gap), "r+") as fits:
        hdu = fits["CAT"]
        hdu["a"] = [7, 8, 9]
        hdu.insert_column("new", np.arange(6, dtype="i2").reshape(3, 2), position=1)
        hdu.delete_column("b")
        theirs = astropy_fits.open(io.BytesIO(fits.to_bytes()))
        theirs.verify("exception")
        assert theirs["CAT"].data["a"].tolist() == [7, 8, 9]
        assert theirs["CAT"].data["new"].tolist() == [[0, 1], [2, 3], [4, 5]]
        assert [cell.tolist() for cell in theirs["CAT"].data["var"]] == [[0, 1, 2], [], [0, 1, 2, 3, 4]]
        assert theirs[2].data.tolist() == list(range(9))


def test_doubled_names_and_rows_with_gaps():
    """A table that is legal but odd: two columns of one name, and bytes behind the last column."""
    cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 5",
        "NAXIS2  = 3",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
    ]
    cards += ["TFIELDS = 2", "TTYPE1  = 'c'", "TFORM1  = 'B'", "TTYPE2  = 'C'", "TFORM2  = 'I'", "EXTNAME = 'CAT'"]
    data = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0") + raw_file(*cards, data=b"\1\0\2??" * 3)
    with rustfits.FITS.from_bytes(data, "r+") as fits:
        hdu = fits["CAT"]
        hdu["C"] = [300, 301, 302]
        hdu.insert_column("d", np.arange(3, dtype="u1"))
        assert fits.to_bytes()[5760:5778] == b"\1\x01\x2c\0??\1\x01\x2d\1??\1\x01\x2e\2??"
        hdu.delete_column(1)
        hdu.append({"c": [9], "d": [8]})
        assert hdu.read()["c"].tolist() == [1, 1, 1, 9] and hdu.read()["d"].tolist() == [0, 1, 2, 8]


def test_asyncio(tmp_path):
    """Every way to write a table, awaited."""

    async def run():
        async with aio.FITS(tmp_path / "a.fits", "w+") as fits:
            model = example()
            hdu = await fits.write_table(model, extname="CAT")
            await fits.create_table_hdu([("x", "f4")], 3, extname="NEW")
            assert (await fits.write({"y": np.arange(2)}, extname="W")).nrows == 2
            await hdu.set(0, model[5])
            await hdu.set("n", np.arange(10) * 3)
            await hdu.write({"u": np.arange(10)})
            await hdu.append(model[:2])
            async with hdu.appending() as rows:
                await rows.append(model[2:3])
                await rows.extend(model[3:4])
            await hdu.insert_column("w", 1.5, after="n")
            await hdu.delete_column("v")
            model[0] = model[5]
            model["n"], model["u"] = np.arange(10) * 3, np.arange(10)
            back = await hdu.read()
            assert back.dtype.names == ("n", "w", "u", "f", "s", "b")
            for name in ["n", "u", "f", "s", "b"]:
                np.testing.assert_array_equal(back[name], np.r_[model, example(4)][name])
            await fits["CAT"].append(back[:1])
            await fits["CAT"].set("n", 4)
            await fits["CAT"].write({"f": np.arange(15)})
            assert (await fits["CAT"][14])["n"] == 4 and (await fits["CAT"][14])["f"] == 14
            with pytest.raises(TypeError, match="start"):
                await fits["CAT"].write({"f": np.arange(15)}, 0)
            with pytest.raises(TypeError, match="set"):
                hdu[0] = model[0]
            with pytest.raises(TypeError, match="async with"), hdu.appending():
                pass

    asyncio.run(run())


@pytest.mark.parametrize("columns", [["c"], ["a", "d"], ["b", "c"], ["d", "c", "b", "a"]])
def test_columns_of_many_rows_change_and_what_lies_between_stays(tmp_path, columns) -> None:
    """Several megabytes, so that threads write pieces that begin and end within rows."""
    rows = 160_001
    random = np.random.default_rng(3)
    table = np.zeros(rows, [("a", "i4"), ("b", "U7"), ("c", "f8", (2,)), ("d", "?")])
    table["a"], table["d"] = random.integers(-(2**31), 2**31, rows), random.integers(0, 2, rows)
    table["b"] = random.integers(0, 10**7, rows).astype("U7")
    table["c"] = random.normal(size=(rows, 2))
    path = tmp_path / "table.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_table(table)
    new = table[::-1].copy()
    with rustfits.FITS(path, "r+") as fits:
        fits[1][columns][1:-1] = new[columns][1:-1]
    expected = table.copy()
    for name in columns:
        expected[name][1:-1] = new[name][1:-1]
    np.testing.assert_array_equal(rustfits.read(path, 1), expected)


def test_many_rows_of_an_ascii_table_change_and_what_lies_between_fields_stays(tmp_path) -> None:
    rows = 120_000
    table = np.zeros(rows, [("i", "i4"), ("x", "f4"), ("s", "S9")])
    table["i"], table["x"] = np.arange(rows) * 7 - 5, np.linspace(-1e9, 1e9, rows)
    table["s"] = np.arange(rows).astype("S9")
    path = tmp_path / "table.fits"
    with rustfits.FITS(path, "w+") as fits:
        hdu = fits.create_ascii_table_hdu(table.dtype, rows)
        hdu[...] = table
    data = path.read_bytes()
    width = rustfits.read_header(path, 1)["NAXIS1"]
    start = len(data) - -(-rows * width // 2880) * 2880
    between = start + 20 + width * np.arange(rows)
    changed = bytearray(data)
    # The blank behind the first field, where this table has nothing.
    np.frombuffer(changed, "u1")[between] = ord("|")
    path.write_bytes(changed)
    table["i"] += 1
    with rustfits.FITS(path, "r+") as fits:
        fits[1][...] = table
    assert (np.frombuffer(path.read_bytes(), "u1")[between] == ord("|")).all()
    with rustfits.FITS(path) as fits:
        got = fits[1].read()
    for name in ["i", "x"]:
        np.testing.assert_array_equal(got[name].astype(table[name].dtype), table[name])
    np.testing.assert_array_equal(got["s"].astype("S9"), table["s"])
