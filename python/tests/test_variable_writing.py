"""Variable-length columns that we write and edit: against astropy and fitsio, and against numpy."""

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

LENGTHS = [3, 0, 1, 7, 0, 0, 2, 100]
CODES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16", "?"]


def cell(rng: np.random.Generator, code: str, length: int) -> np.ndarray:
    if code == "?":
        return rng.random(length) < 0.5
    if code[0] in "iu":
        limits = np.iinfo(code)
        return rng.integers(limits.min, limits.max, length, code, endpoint=True)
    numbers = rng.normal(size=length) + (1j * rng.normal(size=length) if code[0] == "c" else 0)
    return np.asarray(numbers).astype(code)


def objects(cells) -> np.ndarray:
    array = np.empty(len(cells), "O")
    for row, value in enumerate(cells):
        array[row] = value
    return array


def cells_of(code: str, lengths=tuple(LENGTHS), seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [cell(rng, code, length) for length in lengths]


def same(got, wanted, what: str = "") -> None:
    assert len(got) == len(wanted), what
    for row, (one, other) in enumerate(zip(got, wanted, strict=True)):
        if isinstance(other, str):
            assert one == other, f"{what} row {row}"
            continue
        one, other = np.asarray(one), np.asarray(other)
        np.testing.assert_array_equal(one, other, err_msg=f"{what} row {row}")


def saved(data, **keywords) -> bytes:
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_table(data, **keywords)
        return fits.to_bytes()


def theirs(data: bytes, name: str = "c", ext: int = 1) -> list[np.ndarray]:
    """A column as astropy reads it, which makes floats of signed bytes."""
    with astropy_fits.open(io.BytesIO(data)) as hdus:
        hdus.verify("exception")
        return [np.array(value) for value in hdus[ext].data[name]]


@pytest.mark.parametrize("heap_format", [None, "P", "q"])
@pytest.mark.parametrize("code", CODES)
def test_every_type_is_read_back_by_all(code, heap_format, tmp_path):
    cells = cells_of(code)
    data = saved({"n": np.arange(len(cells)), "c": objects(cells), "s": ["x"] * len(cells)}, heap_format=heap_format)
    header = astropy_fits.getheader(io.BytesIO(data), 1)
    letter = {"?": "L", "u1": "B", "i1": "B", "i2": "I", "u2": "I", "i4": "J", "u4": "J"}.get(code)
    letter = letter or {"i8": "K", "u8": "K", "f4": "E", "f8": "D", "c8": "C", "c16": "M"}[code]
    assert header["TFORM2"] == f"1{'Q' if heap_format == 'q' else 'P'}{letter}(100)"
    assert header["PCOUNT"] == sum(value.nbytes for value in cells)
    ours = rustfits.FITS.from_bytes(data)[1]
    read = ours.read()
    assert [value.dtype for value in read["c"]] == [np.dtype(code)] * len(cells)
    same(read["c"], cells, "ours")
    assert read["n"].tolist() == list(range(len(cells)))
    zero = {"u2": 2**15, "u4": 2**31, "u8": 2**63, "i1": -128}.get(code)
    if zero is None:
        same(theirs(data), cells, "astropy")
    else:
        # Neither of the others reads unsigned arrays of variable length right.
        start = 5760 + len(cells) * header["NAXIS1"]
        heap = data[start : start + header["PCOUNT"]]
        stored = np.frombuffer(heap, {"u2": ">i2", "u4": ">i4", "u8": ">i8", "i1": "u1"}[code])
        assert [int(value) + zero for value in stored] == np.concatenate(cells).tolist()
    if zero is None and code not in ("c8", "c16", "?"):  # fitsio reads none of these
        (tmp_path / "v.fits").write_bytes(data)
        back = fitsio.read(str(tmp_path / "v.fits"), ext=1, vstorage="object")
        same(back["c"], cells, "fitsio")


@pytest.mark.parametrize("kind", ["S", "U", str, "S3"])
def test_texts(kind, tmp_path):
    texts = ["ab", "", "a longer text", None, " led", "x y"]
    data = saved({"t": np.array(texts, object), "n": np.arange(6)}, var_dtypes={"T": kind})
    assert astropy_fits.getheader(io.BytesIO(data), 1)["TFORM1"] == "1PA(13)"
    wanted = [text or "" for text in texts]
    assert rustfits.FITS.from_bytes(data)[1].read()["t"].tolist() == wanted
    with astropy_fits.open(io.BytesIO(data)) as hdus:
        # astropy takes blanks for nothing in the characters of such texts.
        assert ["".join(text) for text in hdus[1].data["t"]] == [text.replace(" ", "") for text in wanted]
    (tmp_path / "t.fits").write_bytes(data)
    assert fitsio.read(str(tmp_path / "t.fits"), ext=1, vstorage="object")["t"].tolist() == wanted
    plain = np.array([text or "" for text in texts])
    assert rustfits.FITS.from_bytes(saved({"t": plain}, var_dtypes={"t": kind}))[1].read()["t"].tolist() == wanted
    as_bytes = np.array([text.encode() for text in wanted], object)
    assert rustfits.FITS.from_bytes(saved({"t": as_bytes}, var_dtypes={"t": "S"}))[1].read()["t"].tolist() == wanted


def test_bits_and_logicals():
    cells = cells_of("?", (3, 0, 17, 8, 9))
    data = saved({"c": objects(cells)}, bit_columns=["c"])
    header = astropy_fits.getheader(io.BytesIO(data), 1)
    assert (header["TFORM1"], header["PCOUNT"]) == ("1PX(17)", 1 + 3 + 1 + 2)
    same(rustfits.FITS.from_bytes(data)[1].read()["c"], cells)
    logical = saved({"c": objects(cells)})
    # T and F are what lies in the heap.
    assert set(logical[5760 + 5 * 8 :][: sum(map(len, cells))]) == {ord("T"), ord("F")}


def test_what_numpy_and_lists_say():
    """Lists of lists, big-endian and strided arrays, declared types, structured arrays, rows of one length."""
    table = rustfits.FITS.from_bytes(saved({"a": [[1, 2], [], [3.5]], "b": [[1, 2], [3, 4], [5, 6]]}))[1].read()
    same(table["a"], [[1, 2], [], [3.5]])
    assert table["a"][0].dtype == "f8" and table["b"].shape == (3, 2)
    odd = objects([np.arange(4, dtype=">i2"), np.arange(10, dtype=">i2")[::3], np.zeros(0, ">i2")])
    same(rustfits.FITS.from_bytes(saved({"c": odd}))[1].read()["c"], odd)
    declared = {"c": [[1, 2], [3, 4]], "d": [1, 2], "e": objects([[], [np.float32(1)]]), "f": objects([5, None])}
    table = rustfits.FITS.from_bytes(saved(declared, var_dtypes={"c": "f4", "e": "i2", "f": np.int16}))[1]
    assert [table.header[f"TFORM{n}"] for n in (1, 2, 3, 4)] == ["1PE(2)", "1K", "1PI(1)", "1PI(1)"]
    same(table.read()["c"], [[1, 2], [3, 4]])
    same(table.read()["f"], [[5], []])
    records = np.zeros(2, [("n", "i4"), ("c", "O")])
    records["c"] = [np.arange(3.0), np.arange(2.0)]
    back = rustfits.FITS.from_bytes(saved(records))[1].read()
    same(back["c"], records["c"])
    same(rustfits.FITS.from_bytes(saved({"c": objects([])}))[1].read()["c"], [])


def test_one_shape_becomes_tdim():
    cells = [np.arange(6, dtype="i2").reshape(2, 3), np.zeros((0,), "i2"), np.arange(6, 12, dtype="i2").reshape(2, 3)]
    table = rustfits.FITS.from_bytes(saved({"c": objects(cells)}))[1]
    assert table.header["TDIM1"] == "(3,2)"
    same(table.read()["c"], cells)
    flat = [np.arange(6).reshape(2, 3), np.arange(4).reshape(2, 2)]
    table = rustfits.FITS.from_bytes(saved({"c": objects(flat)}))[1]
    assert "TDIM1" not in table.header
    same(table.read()["c"], [value.ravel() for value in flat])


def test_masks():
    cells = objects(
        [np.ma.array([1, 2, 3], "i2", mask=[0, 1, 0]), np.ma.array([-32768], "i2"), np.arange(2, dtype="i2")]
    )
    table = rustfits.FITS.from_bytes(saved({"c": cells}))[1]
    null = table.header["TNULL1"]
    assert table.read_column("c")[0].tolist() == [1, null, 3] and null not in (1, 3, -32768, 0)
    assert table.read_column("c", mask_null=True)[0].mask.tolist() == [False, True, False]
    floats = objects([np.ma.array([1.0, 2.0], mask=[1, 0])])
    assert np.isnan(rustfits.FITS.from_bytes(saved({"c": floats}))[1].read()["c"][0]).tolist() == [True, False]
    flags = objects([np.ma.array([True, True], mask=[1, 0])])
    read = rustfits.FITS.from_bytes(saved({"c": flags}))[1].read_column("c", mask_null=True)
    assert read[0].tolist() == [None, True]
    whole = np.ma.array(objects([np.arange(3), np.arange(4)]), mask=[1, 0])
    same(rustfits.FITS.from_bytes(saved({"c": whole}))[1].read()["c"], [[], [0, 1, 2, 3]])


def test_a_list_of_masked_arrays_of_one_length_keeps_its_masks():
    cells = [np.ma.array([True, False], mask=[1, 0]), np.ma.array([True, True])]
    with rustfits.FITS.from_bytes(saved({"c": objects([np.array([True])] * 2)}), "r+") as file:
        file[1]["c"] = tuple(cells)
        read = file[1].read_column("c", mask_null=True)
    assert [cell.tolist() for cell in read] == [[None, False], [True, True]]
    with rustfits.FITS.from_bytes(
        saved({"c": [np.ma.array([1, 2], "i2", mask=[0, 1]), np.arange(2, dtype="i2")]})
    ) as file:
        read = file[1].read_column("c", mask_null=True)
    assert read.tolist() == [[1, None], [0, 1]]


@pytest.mark.parametrize(
    ("values", "keywords", "says"),
    [
        (objects([np.arange(2), "text"]), {}, "row 1 holds text, row 0"),
        (objects([np.arange(2, dtype="f4"), np.arange(2)]), {}, r"row 0 holds f4, row 1 i8.*var_dtypes"),
        (objects([[True], [1]]), {}, "row 0 holds b1"),
        (objects([1, 2]), {}, "single value.*astype"),
        (objects([{}, [1]]), {}, "row 0 holds"),
        (objects([np.array(["a"]), np.array([1])]), {}, "row 0 holds U1, row 1 i8"),
        (objects([["a", "b"], "c"]), {}, "row 1 holds text, row 0 does not"),
        (objects([["a", None], ["b"]]), {}, "row 0 holds O"),
        (objects([["a"], ["b", "né"]]), {}, r"column 'c', row 1.*ASCII"),
        (objects([np.zeros(2, "f2")]), {}, "column 'c'.*f2"),
        (objects([[1, 2], [300]]), {"var_dtypes": {"c": "u1"}}, r"column 'c', row 1, element \[0\].*300.*u1"),
        (objects([[1, 2], [1.5]]), {"var_dtypes": {"c": "S"}}, "column 'c'.*strings"),
        (objects(["né", ""]), {"var_dtypes": {"c": "U"}}, r"column 'c', row 0.*ASCII"),
        ([1, 2], {"var_dtypes": {"c": "f4"}}, "single values"),
        (objects([[1], [2]]), {"heap_format": "R"}, "'R' is not one of"),
        (objects([[1], [2]]), {"var_dtypes": {"c": "f2"}}, "f2"),
        (objects([[1], [2]]), {"bit_columns": ["c"]}, "bits"),
    ],
)
def test_what_is_refused_writes_nothing(values, keywords, says):
    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(ValueError, match=says):
            fits.write_table({"n": np.arange(2), "c": values} if len(values) == 2 else {"c": values}, **keywords)
        assert len(fits) == 0 and fits.to_bytes() == b""


def test_an_empty_list_is_arrays_for_no_rows():
    for code in ("i2", "c8", "S", "?"):
        with rustfits.FITS("mem://", "w+") as file:
            hdu = file.write_table({"n": np.zeros(0), "c": []}, var_dtypes={"c": code})
            hdu.insert_column("d", [], inner_dtype=code)
            assert (hdu.nrows, hdu.colnames, hdu.read().shape) == (0, ("n", "c", "d"), (0,))


def test_types_for_columns_that_are_not_there():
    with pytest.raises(KeyError, match="nope"):
        saved({"c": [[1], [2, 3]]}, var_dtypes={"nope": "f4"})
    with rustfits.FITS("mem://", "w+") as fits, pytest.raises(ValueError, match="var_dtypes"):
        fits.create_table_hdu([("c", "O")], 3)


def test_created_tables_are_filled():
    with rustfits.FITS("mem://", "w+") as fits:
        dtype = [("n", "i4"), ("c", "O"), ("t", "O"), ("x", "O")]
        types = {"c": "u2", "t": "S", "x": "?"}
        table = fits.create_table_hdu(dtype, 3, var_dtypes=types, bit_columns=["x"], heap_format="Q")
        assert table.header["TFORM2"] == "1QI(0)" and table.header["NAXIS1"] == 4 + 3 * 16
        same(table.read()["c"], [[], [], []])
        table["c"][1] = [65535, 0]
        table[2] = (7, [1], "text", [True, False, True])
        table.append({"n": [8], "c": [[2, 3]], "t": ["more"], "x": [[True] * 9]})
        same(table.read()["c"], [[], [65535, 0], [1], [2, 3]])
        assert table.read()["t"].tolist() == ["", "", "text", "more"]
        same(table.read()["x"], [[], [], [True, False, True], [True] * 9])
        assert (table.header["TFORM2"], table.header["TFORM3"], table.header["TFORM4"]) == (
            "1QI(2)",
            "1QA(4)",
            "1QX(9)",
        )


@pytest.fixture(params=["alone", "followed"])
def table(request):
    """A table, the last HDU or with another behind it, and the columns that it should be equal to."""
    with rustfits.FITS("mem://", "w+") as fits:
        model = {"n": list(range(8)), "c": cells_of("f4"), "t": ["x" * n for n in range(8)], "u": cells_of("u2")}
        data = {"n": np.array(model["n"], "i4"), "c": objects(model["c"]), "t": model["t"], "u": objects(model["u"])}
        hdu = fits.write_table(data, var_dtypes={"t": "S"}, extname="CAT")
        if request.param == "followed":
            fits.write_image(np.arange(5000, dtype="i4"), extname="BEHIND")
        yield fits, hdu, model
        if request.param == "followed":
            np.testing.assert_array_equal(fits["BEHIND"].read(), np.arange(5000))


def check(fits, hdu, model) -> None:
    read = hdu.read()
    with astropy_fits.open(io.BytesIO(fits.to_bytes())) as hdus:
        hdus.verify("exception")
        data = hdus["CAT"].data
        for name, wanted in model.items():
            same(read[name], wanted, name)
            if name == "t":
                assert ["".join(text) for text in data[name]] == [text.replace(" ", "") for text in wanted]
            elif name != "u":
                same(data[name], wanted, f"astropy {name}")
    assert hdu.nrows == len(model["n"])


def test_cells(table):
    fits, hdu, model = table
    before = hdu.header["PCOUNT"]
    hdu["c"][3] = [1.5, 2.5, 3.5]
    hdu["t"][-1] = "new text"
    hdu["u"][0] = []
    model["c"][3], model["t"][-1], model["u"][0] = [1.5, 2.5, 3.5], "new text", []
    check(fits, hdu, model)
    assert hdu.header["PCOUNT"] >= before
    hdu["c"][[5, 1, 5]] = [[1], [2, 3], [4, 5, 6]]
    hdu["c"][6:8] = [[7, 7], [8, 8]]
    model["c"][5], model["c"][1], model["c"][6], model["c"][7] = [4, 5, 6], [2, 3], [7, 7], [8, 8]
    check(fits, hdu, model)
    hdu["c"][...] = objects(cells_of("f8", seed=2))
    hdu["t"][...] = "all"
    hdu["u"][::2] = [[1, 2]]
    model["c"], model["t"] = [value.astype("f4") for value in cells_of("f8", seed=2)], ["all"] * 8
    for row in range(0, 8, 2):
        model["u"][row] = [1, 2]
    check(fits, hdu, model)
    hdu["c"] = model["c"][::-1]
    hdu["c"].write([[1]], rows=[0])
    model["c"] = model["c"][::-1]
    model["c"][0] = [1]
    check(fits, hdu, model)


def test_rows(table):
    fits, hdu, model = table
    hdu[2] = (20, [1.0], "two", [1, 2, 3])
    hdu[3] = {"c": [3.0, 3.0], "n": 30}
    hdu[4:6] = [(40, [4.0], "four", [4]), (50, [5.0, 5.0], "five", [])]
    hdu[6] = hdu[0]
    hdu[7] = hdu[[1]]
    for row, values in [
        (2, (20, [1.0], "two", [1, 2, 3])),
        (4, (40, [4.0], "four", [4])),
        (5, (50, [5.0, 5.0], "five", [])),
    ]:
        for name, value in zip(model, values, strict=True):
            model[name][row] = value
    model["n"][3], model["c"][3] = 30, [3.0, 3.0]
    for name in model:
        model[name][6], model[name][7] = model[name][0], model[name][1]
    check(fits, hdu, model)
    everything = hdu.read()
    hdu[::-1] = everything
    model = {name: values[::-1] for name, values in model.items()}
    check(fits, hdu, model)
    hdu.write({"c": objects(model["c"][::-1]), "n": np.arange(8)})
    model["c"], model["n"] = model["c"][::-1], list(range(8))
    check(fits, hdu, model)


def test_append(table):
    fits, hdu, model = table
    hdu.append(hdu.read())
    hdu.append({"n": [1], "c": [[1, 2]], "t": ["appended"], "u": [[3]]})
    with hdu.appending() as rows:
        for n in range(5):
            rows.append({"n": [n], "c": [np.arange(n, dtype="f4")], "t": ["x" * n], "u": objects([np.arange(n)])})
    for name, more in {"n": [1], "c": [[1, 2]], "t": ["appended"], "u": [[3]]}.items():
        model[name] = [*model[name], *model[name], *more]
    for n in range(5):
        for name, value in {"n": n, "c": np.arange(n), "t": "x" * n, "u": np.arange(n)}.items():
            model[name].append(value)
    check(fits, hdu, model)


def test_columns_in_and_out_and_repack(table):
    fits, hdu, model = table
    hdu.insert_column("new", cells_of("i2"), position=1)
    hdu.insert_column("txt", [f"text {n}" for n in range(8)], inner_dtype="U", heap_format="Q", after="c")
    same(theirs(fits.to_bytes(), "new"), cells_of("i2"))
    hdu.insert_column("bits", cells_of("?"), bit_packed=True)
    hdu.insert_column("dbl", cells_of("f4"), inner_dtype="f8", unit="Jy")
    forms = [hdu.header[f"TFORM{n + 1}"] for n in range(hdu.ncols)]
    assert forms == ["1J", "1PI(100)", "1PE(100)", "1QA(6)", "1PA(7)", "1PI(100)", "1PX(100)", "1PD(100)"]
    more = {"new": cells_of("i2"), "bits": cells_of("?"), "dbl": [value.astype("f8") for value in cells_of("f4")]}
    for name, wanted in more.items():
        same(hdu.read()[name], wanted, name)
    assert hdu.read()["txt"].tolist() == [f"text {n}" for n in range(8)]
    used = hdu.header["PCOUNT"]
    for name in ["new", "txt", "bits", "dbl"]:
        hdu.delete_column(name)
    assert hdu.header["PCOUNT"] == used
    hdu["c"] = model["c"]
    check(fits, hdu, model)
    hdu.repack()
    check(fits, hdu, model)
    assert hdu.header["PCOUNT"] == sum(map(len, model["t"])) + sum(v.nbytes for name in "cu" for v in model[name])
    data = fits.to_bytes()
    hdu.repack()
    assert fits.to_bytes() == data


REFUSED = [
    (lambda hdu: hdu["c"].__setitem__(3, "text"), "column 'c'.*numbers"),
    (lambda hdu: hdu["t"].__setitem__(3, [1, 2]), "column 't'.*strings"),
    (lambda hdu: hdu["u"].__setitem__(0, [1, -1]), r"column 'u', row 0, element \[1\].*-1.*u2"),
    (lambda hdu: hdu["u"].__setitem__(0, [65536]), "65536"),
    (lambda hdu: hdu["u"].__setitem__(0, np.ma.array([1, 2], mask=[0, 1])), "TNULL"),
    (lambda hdu: hdu["t"].__setitem__(0, "né"), "ASCII"),
    (lambda hdu: hdu["c"].__setitem__(slice(0, 3), [1.0, 2.0, 3.0]), r"array for each of 3 rows"),
    (lambda hdu: hdu["c"].__setitem__(slice(0, 3), [[1.0], [2.0, 3.0]]), "2 rows, 3 are written"),
    (lambda hdu: hdu["n"].__setitem__(slice(0, 2), [[1], [2, 3]]), "variable length"),
    (lambda hdu: hdu.__setitem__(0, (2**40, [1.0], "x", [1])), "column 'n'"),
    (lambda hdu: hdu.append({"n": [1], "c": [[1.0]], "t": ["x"]}), "column 'u'"),
    (lambda hdu: hdu.append({"n": [1], "c": [[1.0]], "t": ["x"], "u": [[-1]]}), "column 'u', row 0"),
    (lambda hdu: hdu.append({"n": [1], "c": [[1.0], [2.0, 1]], "t": ["x"], "u": [[1]]}), "rows"),
    (lambda hdu: hdu.insert_column("x", [[1], [2, 3]]), "rows"),
    (lambda hdu: hdu.insert_column("c", [[1]] * 7 + [[2, 3]]), "column 'c'"),
    (lambda hdu: hdu.insert_column("x", objects([[1]] * 7 + ["t"])), "row 7 holds text"),
]


@pytest.mark.parametrize(("edit", "says"), REFUSED)
def test_edits_that_are_refused_write_nothing(table, edit, says):
    fits, hdu, _ = table
    before = fits.to_bytes()
    with pytest.raises(ValueError, match=says):
        edit(hdu)
    assert fits.to_bytes() == before


def with_gap(gap: int = 7, **cards: int) -> bytes:
    """A table of astropy with bytes between its rows and its heap, and an image behind it."""
    buffer = io.BytesIO()
    columns = [
        astropy_fits.Column("a", "J", array=[1, 2, 3]),
        astropy_fits.Column("c", "PE()", array=objects(cells_of("f4", (3, 0, 5)))),
    ]
    astropy_fits.BinTableHDU.from_columns(columns).writeto(buffer)
    data = buffer.getvalue()[5760:]
    head = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 12",
        "NAXIS2  = 3",
        f"PCOUNT  = {32 + gap}",
        "GCOUNT  = 1",
    ]
    head += [
        "TFIELDS = 2",
        "TTYPE1  = 'a'",
        "TFORM1  = 'J'",
        "TTYPE2  = 'c'",
        "TFORM2  = 'PE(5)'",
        f"THEAP   = {36 + gap}",
        "EXTNAME = 'CAT'",
    ]
    table = raw_file(*head, data=data[:36] + b"#" * gap + data[36 : 36 + 32])
    image = raw_file(
        "XTENSION= 'IMAGE'", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 4", "PCOUNT  = 0", "GCOUNT  = 1", data=b"data"
    )
    return raw_file(f"SIMPLE  = {'T':>20}", f"BITPIX  = {8:>20}", f"NAXIS   = {0:>20}") + table + image


def test_a_gap_in_front_of_the_heap_is_kept():
    wanted = cells_of("f4", (3, 0, 5))
    with rustfits.FITS.from_bytes(with_gap(), "r+") as fits:
        hdu = fits["CAT"]

        def look() -> None:
            same(hdu.read_column("c"), wanted)
            start = fits.to_bytes().index(b"#######")
            assert (hdu.header["THEAP"], start) == (
                hdu.nrows * hdu.header["NAXIS1"] + 7,
                5760 + hdu.header["THEAP"] - 7,
            )
            same(theirs(fits.to_bytes()), wanted)
            assert fits[2].read().tobytes() == b"data"

        hdu["c"][1] = wanted[1] = np.arange(4)
        look()
        hdu.insert_column("new", cells_of("i2", (1, 2, 3)))
        look()
        hdu.append({"a": [4], "c": [[9.0]], "new": [[1]]})
        wanted.append(np.array([9.0]))
        look()
        hdu.delete_column("new")
        look()
        hdu.repack()
        look()
        assert hdu.header["PCOUNT"] == 7 + sum(map(len, wanted)) * 4


def test_arrays_that_share_their_bytes_are_told_apart():
    """Two rows name the same bytes: an edit of one leaves the other alone, and repacking keeps them shared."""
    head = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 8",
        "NAXIS2  = 3",
        "PCOUNT  = 4",
        "GCOUNT  = 1",
    ]
    head += ["TFIELDS = 1", "TTYPE1  = 'c'", "TFORM1  = '1PI(2)'"]
    rows = b"".join(np.array(pair, ">i4").tobytes() for pair in [(2, 0), (2, 0), (1, 2)])
    primary = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
    with rustfits.FITS.from_bytes(primary + raw_file(*head, data=rows + b"\0\1\0\2"), "r+") as fits:
        hdu = fits[1]
        hdu["c"][0] = [7, 8, 9]
        same(hdu.read_column("c"), [[7, 8, 9], [1, 2], [2]])
        hdu["c"][0] = [5]
        hdu.repack()
        same(hdu.read_column("c"), [[5], [1, 2], [2]])
        assert hdu.header["PCOUNT"] == 6


def test_scaled_cells_are_scaled_back():
    head = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 16",
        "NAXIS2  = 1",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
    ]
    head += ["TFIELDS = 2", "TTYPE1  = 'c'", "TFORM1  = '1PI(0)'", "TSCAL1  = 0.5", "TZERO1  = 10", "TNULL1  = -1"]
    head += ["TTYPE2  = 'z'", "TFORM2  = '1PC'", "TSCAL2  = 2.0", "TZERO2  = 1.0"]
    primary = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
    with rustfits.FITS.from_bytes(primary + raw_file(*head, data=bytes(16)), "r+") as fits:
        hdu = fits[1]
        hdu["c"][0] = np.ma.array([12.0, 12.26, 0], mask=[0, 0, 1])
        assert hdu.read_column("c", scale=False)[0].tolist() == [4, 5, -1]
        hdu["z"][0] = [3 + 4j]
        assert hdu.read_column("z")[0].tolist() == [3 + 4j] and hdu.read_column("z", scale=False)[0].tolist() == [
            1 + 2j
        ]
        with pytest.raises(ValueError, match="TSCAL 0.5"):
            hdu["c"][0] = [1e6]


def test_scaled_complex_columns():
    head = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 24",
        "NAXIS2  = 2",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
    ]
    head += [
        "TFIELDS = 2",
        "TTYPE1  = 'c'",
        "TFORM1  = 'C'",
        "TSCAL1  = 0.5",
        "TZERO1  = 10",
        "TTYPE2  = 'm'",
        "TFORM2  = 'M'",
    ]
    primary = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
    with rustfits.FITS.from_bytes(primary + raw_file(*head, data=bytes(48)), "r+") as fits:
        hdu = fits[1]
        hdu["c"] = np.ma.array([12 + 4j, 1], mask=[0, 1])
        hdu["m"] = np.ma.array(np.array([1 + 2j, 3j], "c8"), mask=[1, 0])
        assert hdu.read_column("c", scale=False)[0] == 4 + 8j and hdu.read_column("c")[0] == 12 + 4j
        assert np.isnan(hdu.read_column("c")[1]) and np.isnan(hdu.read_column("m")[0]) and hdu.read_column("m")[1] == 3j
        with pytest.raises(ValueError, match=r"column 'c', row 1.*1e300.*TSCAL 0.5"):
            hdu["c"] = [1, 1e300j]


def test_bytes_that_are_no_ascii_are_taken_as_they_are():
    """As astropy and fitsio do; text is refused."""
    data = saved({"s": np.array([b"ok", b"\xff\xe9"]), "v": np.array([b"\xe9", b""], object)}, var_dtypes={"v": "S"})
    table = rustfits.FITS.from_bytes(data)[1]
    assert table.read_column("s", as_bytes=True).tolist() == [b"ok", b"\xff\xe9"]
    assert table.read_column("v", as_bytes=True).tolist() == [b"\xe9", b""]
    with astropy_fits.open(io.BytesIO(data)) as hdus:
        assert bytes(hdus[1].data["s"][1]) == b"\xff\xe9"
    with pytest.raises(ValueError, match="as_bytes"):
        table.read_column("s")


def test_large_columns_are_written_on_all_threads(tmp_path):
    rng = np.random.default_rng(5)
    lengths = rng.integers(0, 40, 60_000)
    ends = np.cumsum(lengths)
    values = rng.normal(size=ends[-1]).astype("f4")
    cells = objects(np.split(values, ends[:-1]))
    flags = objects([value > 0 for value in cells])
    path = tmp_path / "large.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_table({"n": np.arange(60_000), "c": cells, "x": flags}, bit_columns=["x"])
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits[1]
        same(hdu.read_column("x", rows=slice(None, None, 97)), flags[::97])
        hdu["c"][::2] = cells[1::2]
        hdu.append({"n": np.arange(10), "c": cells[:10], "x": flags[:10]})
    cells[::2] = cells[1::2].copy()
    same(rustfits.read(path)["c"][:60_000], cells)


def test_tables_of_fitsio_are_edited(tmp_path):
    path = str(tmp_path / "f.fits")
    data = np.zeros(3, [("n", "i4"), ("c", "O"), ("t", "O")])
    data["c"] = objects([np.arange(n + 1, dtype="f4") for n in range(3)])
    data["t"] = ["a", "bc", "def"]
    fitsio.write(path, data)
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits[1]
        hdu["c"][0] = [9, 9]
        hdu["t"][1] = "much longer"
        hdu.append(hdu.read())
        hdu.repack()
    back = fitsio.read(str(path), vstorage="object")
    same(back["c"], [[9, 9], [0, 1], [0, 1, 2]] * 2)
    assert back["t"].tolist() == ["a", "much longer", "def"] * 2


def test_the_first_bytes_of_a_large_heap_stay(tmp_path):
    """A cell that is rewritten in the last HDU touches its descriptor, the header and the end of the heap."""
    path = tmp_path / "h.fits"
    rustfits.write(path, {"c": objects([np.arange(50_000.0), np.arange(3.0)])})
    before = path.read_bytes()
    number = path.stat().st_ino
    with rustfits.FITS(path, "r+") as fits:
        fits[1]["c"][1] = [1.0, 2.0]
    after = path.read_bytes()
    assert path.stat().st_ino == number
    assert after[5776 : 5776 + 400_024] == before[5776 : 5776 + 400_024]


def test_rows_that_are_collected_are_written_in_time():
    """More than 64 MiB of rows are not held until the end."""
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.create_table_hdu([("a", "f8", 1 << 17), ("b", "O")], var_dtypes={"b": "f8"})
        rows = {"a": np.ones((30, 1 << 17)), "b": objects([np.arange(1 << 12, dtype="f8")] * 30)}
        with hdu.appending() as group:
            group.append(rows)
            group.append(rows)
            assert hdu.nrows == 0
            group.append(rows)
            assert hdu.nrows == 90
            group.append({"a": rows["a"][:1], "b": rows["b"][:1]})
            assert hdu.nrows == 90
        assert hdu.nrows == 91
        same(hdu.read_column("b", rows=[90]), rows["b"][:1])


def test_asyncio(tmp_path):
    async def run():
        async with aio.FITS(tmp_path / "a.fits", "w+") as fits:
            hdu = await fits.write_table({"c": [[1.0, 2.0], [3.0]], "t": ["a", "b"]}, var_dtypes={"t": "S"})
            new = await fits.create_table_hdu([("c", "O")], 2, var_dtypes={"c": "i2"}, heap_format="Q", extname="NEW")
            await new.set("c", [[1], [2, 3]])
            await fits[1].set(0, ([7.0], "seven"))
            await hdu.insert_column("d", [[1], []], inner_dtype="f4", heap_format="Q")
            await hdu.append({"c": [[5.0]], "t": ["five"], "d": [[2.5]]})
            await hdu.delete_column("t")
            await hdu.repack()
            await fits[1].repack()
            same((await hdu.read())["c"], [[7.0], [3.0], [5.0]])
            same((await hdu.read())["d"], [[1], [], [2.5]])
            same(await fits["NEW"].read_column("c"), [[1], [2, 3]])

    asyncio.run(run())
