"""Binary tables against astropy and fitsio."""

from __future__ import annotations

import struct

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, raw_file

import rustfits

ROWS = 1000
ROW_KEYS = [
    slice(10, 20),
    slice(None, None, -7),
    slice(900, 5000),
    slice(-5, None),
    slice(20, 10),
    slice(20, 10, -1),
    [5, 2, 5, -1],
    (0, 1),
    np.arange(0, ROWS, 90),
    np.array([3, 3, 999], "u2"),
    np.array([-1, -1000]),
    list(range(ROWS - 1, -1, -1)),
    [7],
    np.array([], "i8"),
]


def random_records(dtype: list, rows: int) -> np.ndarray:
    """Random rows; integers over their whole range, extremes among them."""
    random = np.random.default_rng(3)
    data = np.zeros(rows, dtype)
    for name in data.dtype.names:
        field = data[name]
        kind = field.dtype.kind
        if kind in "iu":
            limits = np.iinfo(field.dtype)
            field[...] = random.integers(limits.min, limits.max, field.shape, field.dtype, endpoint=True)
            field[0], field[1] = limits.min, limits.max
        elif kind == "f":
            field[...] = random.normal(size=field.shape)
        elif kind == "c":
            field[...] = random.normal(size=field.shape) + 1j * random.normal(size=field.shape)
        elif kind == "b":
            field[...] = random.integers(0, 2, field.shape).astype(bool)
        else:
            field[...] = random.choice([b"", b"a", b"bcd e", b" fg"], field.shape)
    return data


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A file with every type that fitsio writes, and the array that was written."""
    dtype = [
        ("b", "u1"), ("i", "i2"), ("j", "i4"), ("k", "i8"), ("e", "f4"), ("d", "f8"), ("c", "c8"), ("m", "c16"),
        ("flag", "?"), ("text", "S12"), ("sb", "i1"), ("ui", "u2"), ("uj", "u4"), ("uk", "u8"), ("grid", "f4", (2, 3)),
        ("Words", "S5", (4,)),
    ]  # fmt: skip
    data = random_records(dtype, ROWS)
    path = tmp_path_factory.mktemp("table") / "t.fits"
    fitsio.write(str(path), data, extname="CAT", units=["m"] + [""] * 15)
    return path, data


def equal(ours, theirs):
    """Equal values; text as astropy and numpy have it, without trailing blanks."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype.isnative
    if ours.dtype.kind == "U":
        theirs = np.char.rstrip(np.char.decode(theirs, "ascii") if theirs.dtype.kind == "S" else theirs)
    else:
        assert ours.dtype == theirs.dtype.newbyteorder("=")
    np.testing.assert_array_equal(ours, theirs)


def table_of(*columns, **cards) -> rustfits.TableHDU:
    """A table as astropy writes these columns, opened by us."""
    hdu = astropy_fits.BinTableHDU.from_columns(list(columns))
    hdu.header.update(cards)
    return rustfits.FITS.from_bytes(hdu_bytes(astropy_fits.PrimaryHDU(), hdu))[1]


def raw_table(forms: list[str], rows: int, data: bytes, *cards: str, row_bytes: int | None = None) -> rustfits.TableHDU:
    """A table with exactly these columns c1, c2, ..."""
    columns = [card for n, form in enumerate(forms, 1) for card in (f"TTYPE{n:<3}= 'c{n}'", f"TFORM{n:<3}= '{form}'")]
    width = len(data) // rows if row_bytes is None else row_bytes
    primary = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]
    head = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        f"NAXIS1  = {width:>20}",
        f"NAXIS2  = {rows:>20}",
        "PCOUNT  =                    0",
        "GCOUNT  =                    1",
        f"TFIELDS = {len(forms):>20}",
    ]
    return rustfits.FITS.from_bytes(raw_file(*primary) + raw_file(*head, *columns, *cards, data=data))[1]


def test_all_types_of_fitsio(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        hdu = fits["cat"]
        assert type(hdu) is rustfits.TableHDU
        assert (hdu.nrows, hdu.ncols, len(hdu), hdu.shape) == (ROWS, 16, ROWS, (ROWS,))
        assert hdu.colnames == data.dtype.names
        assert hdu.units == {"b": "m"}
        read = hdu.read()
        assert read.dtype == hdu.dtype
        assert read.flags.c_contiguous and read.flags.writeable and read.flags.aligned is not None
        for name in data.dtype.names:
            equal(read[name], data[name])
            equal(hdu.read_column(name), data[name])
            assert hdu.read_column(name).flags.writeable
        text = hdu.read_column("text", as_bytes=True)
        assert text.dtype == np.dtype("S12")
        np.testing.assert_array_equal(text, data["text"])
        np.testing.assert_array_equal(hdu.read_column("words", as_bytes=True), data["Words"])


FORMS = [
    ("L", "?", ()), ("3L", "?", (3,)), ("X", "?", (1,)), ("8X", "?", (8,)), ("11X", "?", (11,)), ("263X", "?", (263,)),
    ("B", "u1", ()), ("4B", "u1", (4,)), ("I", "i2", ()), ("2I", "i2", (2,)), ("J", "i4", ()), ("3J", "i4", (3,)),
    ("K", "i8", ()), ("2K", "i8", (2,)), ("E", "f4", ()), ("5E", "f4", (5,)), ("D", "f8", ()), ("2D", "f8", (2,)),
    ("C", "c8", ()), ("2C", "c8", (2,)), ("M", "c16", ()), ("2M", "c16", (2,)), ("7A", "S7", ()),
]  # fmt: skip


@pytest.mark.parametrize(("form", "dtype", "shape"), FORMS)
def test_each_type_of_astropy(form, dtype, shape):
    array = random_records([("c", dtype, shape)], 20)["c"]
    hdu = table_of(
        astropy_fits.Column("first", "I", array=np.arange(20)),
        astropy_fits.Column("c", form, array=array),
        astropy_fits.Column("last", "D", array=np.arange(20.0)),
    )
    read = hdu.read()
    ours = read["c"].reshape(array.shape)
    equal(ours, array)
    equal(read["first"], np.arange(20, dtype="i2"))
    equal(read["last"], np.arange(20.0))
    equal(hdu.read_column("c", rows=[3, 1]).reshape(array[[3, 1]].shape), array[[3, 1]])


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4", "u8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_unsigned_columns_of_both_writers(tmp_path, dtype, shape):
    data = random_records([("c", dtype, shape), ("x", "i2")], 10)
    fitsio.write(str(tmp_path / "fitsio.fits"), data)
    files = [tmp_path / "fitsio.fits"]
    if dtype != "i1":  # astropy has no signed bytes in tables.
        files.append(tmp_path / "astropy.fits")
        astropy_fits.BinTableHDU(data).writeto(files[1])
    for path in files:
        with rustfits.FITS(path) as file:
            equal(file[1].read()["c"], data["c"])
            equal(file[1].read_column("c"), data["c"])
            offset = {"i1": -(2**7), "u2": 2**15, "u4": 2**31, "u8": 2**63}[dtype]
            stored = file[1].read(scale=False)["c"]
            assert stored.dtype == np.dtype({"i1": "u1", "u2": "i2", "u4": "i4", "u8": "i8"}[dtype])
            assert [int(value) + offset for value in stored.flat] == [int(value) for value in data["c"].flat]


@pytest.mark.parametrize("rows", ROW_KEYS, ids=lambda rows: repr(rows)[:30])
def test_rows_and_columns(table, rows):
    path, data = table
    expected = data[list(rows) if isinstance(rows, tuple) else rows]
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        read = hdu.read(rows=rows, columns=["words", "D", "ui"])
        assert read.dtype.names == ("Words", "d", "ui")
        for name in read.dtype.names:
            equal(read[name], expected[name])
        equal(hdu["e"][rows], expected["e"])
        equal(hdu["GRID"].read(rows=rows), expected["grid"])
        equal(hdu[["e", "k"]].read(rows=rows)["k"], expected["k"])
        equal(hdu[["e", "k"]][rows]["e"], expected["e"])
        equal(hdu.read_column("sb", rows=rows), expected["sb"])
        if len(expected):
            whole = hdu[rows]
            for name in data.dtype.names:
                equal(whole[name], expected[name])


@pytest.mark.parametrize("seed", range(8))
def test_random_columns_and_rows(table, seed):
    path, data = table
    random = np.random.default_rng(seed)
    names = list(random.permutation(data.dtype.names)[: random.integers(1, 17)])
    rows = random.integers(-ROWS, ROWS, 200)
    with rustfits.FITS(path) as fits:
        read = fits[1].read(rows=rows, columns=names)
    assert read.dtype.names == tuple(names)
    for name in names:
        equal(read[name], data[rows][name])


def test_one_row_number_reads_one_row(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        assert fits[1].read(rows=7)["k"].tolist() == [data["k"][7]]
        assert fits[1].read(rows=np.int32(-1))["k"].tolist() == [data["k"][-1]]
        assert fits[1].read_column("k", rows=7).tolist() == [data["k"][7]]


def test_columns_by_number_and_name(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        assert hdu.read(columns=[3, "b", -1]).dtype.names == ("k", "b", "Words")
        assert hdu.read(columns="K").dtype.names == ("k",)
        assert hdu.read(columns=b"k").dtype.names == ("k",)
        equal(hdu.read_column(3), data["k"])
        with pytest.raises(KeyError, match="nope"):
            hdu.read(columns=["k", "nope"])
        with pytest.raises(KeyError, match="nope"):
            hdu.read_column("nope")
        with pytest.raises(KeyError, match="nope"):
            hdu["nope"].read()
        for number in [16, -17]:
            with pytest.raises(IndexError):
                hdu.read_column(number)
        for key in [1.5, True, [1.5], object()]:
            with pytest.raises(TypeError):
                hdu.read(columns=key)


def test_rows_that_are_not_there(table):
    path, _ = table
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        for row in [ROWS, -ROWS - 1, 2**70]:
            with pytest.raises(IndexError):
                hdu[row]
            with pytest.raises(IndexError):
                hdu.read(rows=[0, row])
            with pytest.raises(IndexError):
                hdu["k"][row]
        for key in [1.5, None, True, [1.5], object(), (1, "a")]:
            with pytest.raises(TypeError):
                hdu[key]
        for rows in [1.5, "a", [0.5], True, b"1"]:
            with pytest.raises(TypeError):
                hdu.read(rows=rows)
        with pytest.raises(ValueError):
            hdu[::0]


def test_cells_and_records(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        record = hdu[3]
        assert isinstance(record, np.void)
        assert record.dtype == hdu.dtype
        assert record["j"] == data[3]["j"]
        assert hdu[-1]["text"] == data[-1]["text"].decode()
        assert hdu["uk"][5] == data["uk"][5]
        assert type(hdu["uk"][5]) is np.uint64
        equal(hdu["grid"][5], data["grid"][5])
        assert hdu[["j", "e"]][2].tolist() == (data["j"][2], data["e"][2])
        equal(hdu["k"][...], data["k"])
        equal(hdu["k"].read(), data["k"])
        equal(hdu["k"][:], data["k"])


def test_iteration(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        rows = list(hdu)
        assert [row["k"] for row in rows] == data["k"].tolist()
        assert rows[7].dtype == hdu.dtype
        first, second = iter(hdu), iter(hdu)
        assert next(first)["k"] == next(second)["k"] == data["k"][0]
    assert list(table_of(astropy_fits.Column("c", "I", array=[]))) == []


def test_iteration_over_more_rows_than_are_read_at_once():
    hdu = table_of(astropy_fits.Column("c", "J", array=np.arange(5000)))
    assert [row["c"] for row in hdu] == list(range(5000))


def test_scaled_columns():
    stored = np.arange(-10, 10)
    hdu = table_of(
        astropy_fits.Column("c", "I", array=stored),
        astropy_fits.Column("v", "3J", array=np.arange(60).reshape(20, 3)),
        TSCAL1=0.5,
        TZERO1=3.0,
        TSCAL2=2.0,
    )
    read = hdu.read()
    equal(read["c"], stored * 0.5 + 3.0)
    equal(read["v"], np.arange(60).reshape(20, 3) * 2.0)
    assert hdu.dtype["c"] == np.dtype("f8")
    equal(hdu.read(scale=False)["c"], stored.astype("i2"))
    equal(hdu.read_column("c", scale=False), stored.astype("i2"))


def test_scaling_of_floats_and_bytes():
    values = np.array([1.5, -2.0, np.nan], "f4")
    data = b"".join(struct.pack(">Bf", n, value) for n, value in enumerate(values))
    hdu = raw_table(["B", "E"], 3, data, "TSCAL1  = 2.0", "TZERO1  = 1.0", "TSCAL2  = 10.0")
    read = hdu.read()
    equal(read["c1"], np.array([1.0, 3.0, 5.0]))
    np.testing.assert_array_equal(read["c2"], values.astype("f8") * 10)


def test_tzero_as_a_string_never_gives_raw_values():
    hdu = raw_table(["I", "J"], 2, b"\0\1\0\0\0\2" * 2, "TZERO1  = '32768'")
    equal(hdu.read_column("c1"), np.array([32769, 32769], "u2"))
    assert hdu.read_column("c2").tolist() == [2, 2]


def test_dimensions():
    cube = np.arange(240).reshape(10, 2, 3, 4)
    hdu = table_of(
        astropy_fits.Column("cube", "24J", dim="(4,3,2)", array=cube),
        astropy_fits.Column("words", "12A", dim="(3,4)", array=np.array([["abc", "d", "", "ef"]] * 10)),
        astropy_fits.Column("line", "3E", array=np.ones((10, 3))),
        astropy_fits.Column("ones", "2I", dim="(1,2)", array=np.arange(20).reshape(10, 2, 1)),
    )
    read = hdu.read()
    equal(read["cube"], cube.astype("i4"))
    assert read["words"][0].tolist() == ["abc", "d", "", "ef"]
    assert read["words"].dtype == np.dtype("U3")
    equal(read["line"], np.ones((10, 3), "f4"))
    equal(read["ones"], np.arange(20, dtype="i2").reshape(10, 2, 1))


@pytest.mark.parametrize(
    ("form", "dim", "text"),
    [("17A", "(1)", "a" * 17), ("4A", "(5,2)", "abcd"), ("4A", "(junk)", "abcd"), ("4A", "", "abcd")],
)
def test_tdim_that_does_not_fit_is_ignored(form, dim, text):
    hdu = raw_table([form], 1, text.encode(), f"TDIM1   = '{dim}'")
    assert hdu.read_column("c1").tolist() == [text]


def test_tdim_larger_than_the_cell_is_ignored():
    hdu = raw_table(["4I"], 1, bytes(8), "TDIM1   = '(3,3)'")
    assert hdu.read_column("c1").shape == (1, 4)


def test_bits():
    # The most significant bit is the first; what is left of the last byte is ignored.
    hdu = raw_table(["11X"], 2, bytes([0b10100000, 0b01011111, 0b00000001, 0b10000000]))
    bits = hdu.read_column("c1")
    assert bits.dtype == np.dtype("?")
    assert bits.astype(int).tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]]
    shaped = raw_table(["12X"], 1, bytes([0b11110000, 0b10100000]), "TDIM1   = '(4,3)'")
    assert shaped.read_column("c1").astype(int).tolist() == [[[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]]]


def test_logicals():
    hdu = raw_table(["L"], 3, b"TF\0")
    assert hdu.read_column("c1").tolist() == [True, False, False]


def test_strings():
    hdu = raw_table(["5A"], 5, b"abc  " + b"ab\0zz" + b"\0\0\0\0\0" + b" a b " + b"     ")
    assert hdu.read_column("c1").tolist() == ["abc", "ab", "", " a b", ""]
    assert hdu.read_column("c1").dtype == np.dtype("U5")
    assert hdu.read_column("c1", as_bytes=True).dtype == np.dtype("S5")
    assert [text.rstrip() for text in hdu.read_column("c1", as_bytes=True).tolist()] == [
        b"abc",
        b"ab",
        b"",
        b" a b",
        b"",
    ]


def test_text_outside_ascii_is_refused_or_read_but_always_there_as_bytes():
    hdu = raw_table(["4A", "I"], 1, b"caf\xe9\0\1")
    assert hdu.read_column("c1", as_bytes=True).tolist() == [b"caf\xe9"]
    assert hdu.read_column("c2").tolist() == [1]


def test_columns_of_no_width():
    hdu = raw_table(["0A", "I", "0J"], 3, b"\0\1\0\2\0\3")
    assert hdu.read_column("c2").tolist() == [1, 2, 3]
    assert hdu.read_column("c1").tolist() == ["", "", ""]
    assert hdu.read_column("c3").shape == (3, 0)
    assert hdu.read()["c2"].tolist() == [1, 2, 3]


def test_no_rows():
    hdu = table_of(astropy_fits.Column("a", "I", array=[]), astropy_fits.Column("b", "3A", array=[]))
    assert (hdu.nrows, len(hdu), hdu.has_data) == (0, 0, False)
    assert hdu.read().shape == (0,)
    assert hdu.read().dtype.names == ("a", "b")
    assert hdu.read_column("a").shape == (0,)
    assert hdu[:].shape == (0,)
    with pytest.raises(IndexError):
        hdu[0]


def test_no_columns():
    hdu = raw_table([], 0, b"", row_bytes=0)
    assert (hdu.ncols, hdu.colnames, hdu.units) == (0, (), {})
    assert hdu.read().shape == (0,)


def test_row_bytes_that_no_column_claims():
    hdu = raw_table(["I"], 2, b"\0\1junk\0\2junk")
    assert hdu.read_column("c1").tolist() == [1, 2]


def test_two_columns_of_one_name():
    hdu = raw_table(["I", "J"], 2, b"\0\1\0\0\0\5" * 2, "TTYPE2  = 'c1'")
    file = raw_table(["I", "J"], 2, b"\0\1\0\0\0\5" * 2)
    assert file.colnames == ("c1", "c2")
    assert hdu.ncols == 2
    assert hdu.read_column(0).tolist() == [1, 1]
    assert hdu.read_column(1).tolist() == [5, 5]


def test_the_same_name_twice_in_the_file():
    data = hdu_bytes(
        astropy_fits.PrimaryHDU(),
        astropy_fits.BinTableHDU.from_columns(
            [astropy_fits.Column("name", "I", array=[1, 2]), astropy_fits.Column("nome", "J", array=[5, 6])]
        ),
    ).replace(b"'nome", b"'name")
    hdu = rustfits.FITS.from_bytes(data)[1]
    assert hdu.colnames == ("name", "name")
    read = hdu.read()
    assert len(set(read.dtype.names)) == 2
    assert [read[name].tolist() for name in read.dtype.names] == [[1, 2], [5, 6]]
    assert hdu.read_column("name").tolist() == [1, 2]
    assert hdu.read_column(1).tolist() == [5, 6]


def test_form_letters_without_a_repeat_count():
    hdu = raw_table(["E", "1I"], 1, np.array([2.5], ">f4").tobytes() + b"\0\7")
    assert hdu.read().tolist() == [(2.5, 7)]


@pytest.mark.parametrize("form", ["5Z", "", "-1J", "J J", "99999999999999999999J", "9223372036854775807D"])
def test_bad_forms(form):
    with pytest.raises((ValueError, OSError), match="TFORM|NAXIS1"):
        raw_table([form], 1, b"\0\1").read()


def test_columns_wider_than_the_row():
    with pytest.raises((ValueError, OSError), match="NAXIS1"):
        raw_table(["J", "J"], 1, bytes(6)).read()


def test_table_cut_short(table, write):
    path, _ = table
    short = write(path.read_bytes()[:-20_000])
    with rustfits.FITS(short) as fits:
        assert fits[1].read(rows=[0, 1]).shape == (2,)
        with pytest.raises(OSError, match=short.name):
            fits[1].read()


def test_results_belong_to_the_caller(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        first = fits[1].read(columns=["k"])
        first["k"] = 0
        equal(fits[1].read(columns=["k"])["k"], data["k"])


def test_what_is_not_there_yet_says_so():
    hdu = table_of(astropy_fits.Column("var", "PE()", array=np.array([np.ones(2), np.ones(3)], dtype=object)))
    assert hdu.colnames == ("var",)


def test_complex_columns_are_scaled():
    hdu = table_of(astropy_fits.Column("z", "2C", array=np.array([[1j, 2], [3, 4 - 1j]])), TSCAL1=2.0, TZERO1=1.0)
    equal(hdu.read_column("z"), np.array([[1 + 2j, 5], [7, 9 - 2j]]))
    equal(hdu.read()["z"], np.array([[1 + 2j, 5], [7, 9 - 2j]]))
    equal(hdu.read_column("z", scale=False), np.array([[1j, 2], [3, 4 - 1j]], "c8"))


def test_masks_of_nulls():
    data = b"".join(struct.pack(">hB3sLh", n, n, b"T\0F"[n : n + 1] * 3, n, -n) for n in range(3))
    hdu = raw_table(["I", "B", "3L", "J", "I"], 3, data, "TNULL1  = 1", "TNULL2  = 2", "TNULL5  = 99999")
    read = hdu.read(mask_null=True)
    assert isinstance(read, np.ma.MaskedArray)
    assert read.dtype == hdu.dtype
    assert read["c1"].tolist() == [0, None, 2]
    assert read["c2"].tolist() == [0, 1, None]
    assert read["c3"].tolist() == [[True] * 3, [None] * 3, [False] * 3]
    assert read["c4"].tolist() == [0, 1, 2]
    # A null that the type can't hold is none of the values.
    assert read["c5"].tolist() == [0, -1, -2]
    column = hdu.read_column("c1", mask_null=True, rows=[1, 0])
    assert isinstance(column, np.ma.MaskedArray)
    assert column.tolist() == [None, 0]
    assert hdu.read_column("c1").tolist() == [0, 1, 2]


def test_masks_of_scaled_and_many_rows():
    stored = np.arange(5000) % 7
    hdu = table_of(astropy_fits.Column("n", "I", array=stored), astropy_fits.Column("x", "E", array=stored), TNULL1=3)
    for rows in (None, slice(None, None, -3), list(range(0, 5000, 50))):
        expected = stored if rows is None else stored[rows]
        read = hdu.read(rows=rows, mask_null=True)
        np.testing.assert_array_equal(np.ma.getmaskarray(read["n"]), expected == 3)
        np.testing.assert_array_equal(np.ma.getdata(read["n"]), expected)
        assert not np.ma.getmaskarray(read["x"]).any()
    scaled = table_of(astropy_fits.Column("n", "I", array=stored[:7]), TSCAL1=0.5, TNULL1=3)
    read = scaled.read_column("n", mask_null=True)
    assert read.tolist() == [0.0, 0.5, 1.0, None, 2.0, 2.5, 3.0]
    assert np.isnan(scaled.read_column("n")[3])


def test_empty_text_is_no_null():
    hdu = raw_table(["3A"], 2, b"   abc", "TNULL1  = ''")
    assert not np.ma.getmaskarray(hdu.read_column("c1", mask_null=True)).any()


def test_text_that_is_not_ascii_is_named_by_its_row(table):
    hdu = raw_table(["4A"], 300, b"abcd" * 250 + b"caf\xe9" * 50)
    for read in (lambda: hdu.read(), lambda: hdu.read(rows=slice(None, 240, -1))):
        with pytest.raises(ValueError, match=r"column 'c1', row (250|299):"):
            read()


def test_chunks(table):
    path, data = table
    with rustfits.FITS(path) as fits:
        chunks = list(fits[1].iter(chunksize=300, columns=["k", "text"]))
        assert [len(chunk) for chunk in chunks] == [300, 300, 300, 100]
        assert chunks[0].dtype.names == ("k", "text")
        equal(np.concatenate([chunk["k"] for chunk in chunks]), data["k"])
        (whole,) = fits[1].iter()
        assert len(whole) == ROWS
        for bad in (0, -1):
            with pytest.raises(ValueError, match="chunksize"):
                fits[1].iter(chunksize=bad)
        with pytest.raises(TypeError):
            fits[1].iter(chunksize=1.5)


def test_repr_of_a_table(table):
    path, _ = table
    with rustfits.FITS(path) as fits:
        text = repr(fits[1])
        listing = repr(fits)
    for expected in ["BINARY_TBL", "CAT", "rows:", "1000", "column info:", "array[2,3]", "(m)"]:
        assert expected in text
    assert "IMAGE_HDU" in listing and "BINARY_TBL" in listing and "CAT" in listing


def test_tnull_of_other_columns_than_integers_is_ignored():
    """NaN is the null of floats (7.3.2); TNULL is for integers."""
    data = np.array([3, np.nan], ">f4").tobytes() + b"3 "
    hdu = raw_table(["2E", "2A"], 1, data, "TNULL1  = 3", "TNULL2  = '3'")
    read = hdu.read(mask_null=True)
    assert not np.ma.getmaskarray(read["c1"]).any() and not np.ma.getmaskarray(read["c2"]).any()
    np.testing.assert_array_equal(np.asarray(read["c1"])[0], np.array([3, np.nan], "f4"))
    assert read["c2"].tolist() == ["3"]
