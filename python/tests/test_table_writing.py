"""Tables that we write: other programs read them, and we read them back."""

from __future__ import annotations

import io

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits

ROWS = 7


def column_arrays() -> dict[str, np.ndarray]:
    """A column of every dtype that FITS can hold, with the extremes of each."""
    columns: dict[str, np.ndarray] = {}
    for code in ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"]:
        info = np.iinfo(code)
        columns[code] = np.array([info.min, info.max, 0, 1, 2, info.max - 1, info.min + 1], code)
    for code in ["f4", "f8"]:
        columns[code] = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1.5, np.finfo(code).tiny], code)
    columns["c8"] = (np.arange(ROWS) + 1j * np.arange(ROWS, 0, -1)).astype("c8")
    columns["c16"] = columns["c8"].astype("c16") * 1.5
    columns["flag"] = np.arange(ROWS) % 3 == 0
    columns["text"] = np.array(["", "a", "Vega", "  led", "tab", "x y", "seventeen letters"])
    columns["bytes"] = np.array([b"", b"a", b"Vega", b"  led", b"z", b"x y", b"seven"])
    columns["vector"] = np.arange(ROWS * 3, dtype="f4").reshape(ROWS, 3)
    columns["one"] = np.arange(ROWS, dtype="u2").reshape(ROWS, 1)
    columns["matrix"] = np.arange(ROWS * 6, dtype="u4").reshape(ROWS, 2, 3)
    columns["words"] = np.array([[f"w{i}{j}" for j in range(3)] for i in range(ROWS)])
    columns["flags"] = columns["matrix"] % 2 == 0
    return columns


def structured(columns: dict[str, np.ndarray], align: bool = False) -> np.ndarray:
    dtype = np.dtype([(name, a.dtype, a.shape[1:]) for name, a in columns.items()], align=align)
    array = np.zeros(ROWS, dtype)
    for name, values in columns.items():
        array[name] = values
    return array


def saved(data, **keywords) -> bytes:
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_table(data, **keywords)
        return fits.to_bytes()


def read_back(data: bytes, ext: int = 1) -> np.ndarray:
    return rustfits.FITS.from_bytes(data)[ext].read()


def check(name: str, got: np.ndarray, wanted: np.ndarray) -> None:
    assert got.shape == wanted.shape, name
    if wanted.dtype.kind in "SU":
        got = np.char.rstrip(got)
        got = got.astype("S") if wanted.dtype.kind == "S" else got.astype("U")
    else:
        assert got.dtype.newbyteorder("=") == wanted.dtype.newbyteorder("="), name
    np.testing.assert_array_equal(got, wanted, err_msg=name)


SOURCES = {
    "dict": lambda columns: columns,
    "structured": structured,
    "aligned": lambda columns: structured(columns, align=True),
    "big-endian": lambda columns: structured(columns).astype(structured(columns).dtype.newbyteorder(">")),
    "strided": lambda columns: np.repeat(structured(columns), 2)[::2],
    "fortran": lambda columns: {name: np.asfortranarray(a) for name, a in columns.items()},
    "recarray": lambda columns: structured(columns).view(np.recarray),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_dtype_is_read_back_by_all(source, tmp_path):
    columns = column_arrays()
    data = saved(SOURCES[source](columns), extname="CAT", units={"f4": "Jy"})
    (tmp_path / "table.fits").write_bytes(data)
    ours = rustfits.FITS.from_bytes(data)["CAT"]
    assert ours.colnames == tuple(columns)
    assert ours.units == {"f4": "Jy"}
    for name, wanted in columns.items():
        got = ours.read_column(name, as_bytes=wanted.dtype.kind == "S")
        check(name, got, wanted)
    with astropy_fits.open(io.BytesIO(data)) as theirs:
        theirs.verify("exception")
        for name, wanted in columns.items():
            got = np.asarray(theirs["CAT"].data[name])
            # astropy makes floats of signed bytes.
            check(name, got.astype("i1") if name == "i1" else got, wanted)
    theirs = fitsio.read(str(tmp_path / "table.fits"), ext="CAT")
    for name, wanted in columns.items():
        if name == "one":
            wanted = wanted[:, 0] if theirs[name].ndim == 1 else wanted
        check(name, theirs[name], wanted)


def test_lists_of_arrays_have_names():
    data = saved([np.arange(3), np.array(["a", "b", "c"])], names=["n", "s"], units=["m", None])
    table = rustfits.FITS.from_bytes(data)[1]
    assert table.colnames == ("n", "s") and table.units == {"n": "m"}
    with pytest.raises(ValueError, match="names"):
        saved([np.arange(3)])
    with pytest.raises(ValueError, match="2 columns"):
        saved([np.arange(3)], names=["a", "b"])


def test_the_file_is_legal():
    data = saved({"a": np.arange(5, dtype="u2"), "b": np.zeros((5, 2, 3))}, header={"EXPTIME": 3, "TDISP1": "I5"})
    assert len(data) % 2880 == 0
    header = astropy_fits.open(io.BytesIO(data))[1].header
    assert list(header)[:8] == ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS"]
    assert (header["NAXIS1"], header["NAXIS2"]) == (50, 5)
    assert (header["TFORM1"], header["TZERO1"], header["TFORM2"], header["TDIM2"]) == ("1I", 32768, "6D", "(3,2)")
    assert (header["EXPTIME"], header["TDISP1"]) == (3, "I5")
    assert not any(data[2880 * 2 + 250 :])


def test_cards_of_another_table_are_kept_without_the_protected():
    first = rustfits.FITS.from_bytes(
        saved({"a": np.arange(2)}, header={"TUCD1": "pos", "TDISP1": "I5", "OBJECT": "x"})
    )[1]
    header = astropy_fits.open(io.BytesIO(saved({"b": np.arange(3.0)}, header=first.header, extname="B")))[1].header
    assert (header["TTYPE1"], header["NAXIS2"], header["TUCD1"], header["OBJECT"]) == ("b", 3, "pos", "x")


@pytest.mark.parametrize("n", [0, 1])
def test_few_rows_and_none(n):
    columns = {"a": np.zeros(n, "i4"), "s": np.zeros(n, "U5"), "e": np.zeros((n, 0)), "z": np.zeros(n, "S0")}
    back = read_back(saved(columns))
    assert back.shape == (n,) and back.dtype["e"].shape == (0,)
    assert len(astropy_fits.open(io.BytesIO(saved(columns)))[1].data) == n


def test_no_columns_at_all():
    assert read_back(saved({})).shape == (0,)


@pytest.mark.parametrize("code", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_masked_integers_get_a_null_that_is_no_value(code, tmp_path):
    info = np.iinfo(code)
    values = np.array([info.min, info.max, 5, 7, 0], code)
    masked = np.ma.array(values, mask=[0, 0, 1, 0, 0])
    data = saved({"a": masked})
    header = astropy_fits.open(io.BytesIO(data))[1].header
    table = astropy_fits.open(io.BytesIO(data))[1]
    back = read_back(data)["a"]
    np.testing.assert_array_equal(back[~masked.mask], values[~masked.mask])
    null = header["TNULL1"] + int(header.get("TZERO1", 0))
    assert back[2] == null and null not in values[~masked.mask].tolist()
    assert table.data["a"].shape == (5,)


def test_masked_values_of_other_types():
    data = saved(
        {
            "f": np.ma.array([1.0, 2.0], mask=[0, 1]),
            "c": np.ma.array([1 + 2j, 3j], mask=[0, 1]),
            "b": np.ma.array([True, True], mask=[0, 1]),
            "s": np.ma.array(["ab", "cd"], mask=[0, 1]),
        }
    )
    back = read_back(data)
    assert np.isnan(back["f"][1]) and np.isnan(back["c"][1]) and back["s"][1] == ""
    raw = data[2 * 2880 :]
    assert raw[:28][24:25] == b"T" and raw[27 + 24 : 27 + 25] == b"\0"


def test_a_masked_structured_array():
    array = np.ma.array(np.array([(1, 2.0), (3, 4.0)], "i2,f4"), mask=[(0, 1), (1, 0)])
    back = read_back(saved(array))
    assert back["f0"][0] == 1 and np.isnan(back["f1"][0]) and back["f1"][1] == 4
    assert back["f0"][1] == -32768
    untouched = np.ma.array(np.array([(1, 2.0)], "i2,f4"))
    assert read_back(saved(untouched))["f0"][0] == 1


def test_every_value_taken_leaves_no_null():
    values = np.ma.array(np.r_[np.arange(256), 0].astype("u1"), mask=[0] * 256 + [1])
    with pytest.raises(ValueError, match=r"column 'a'.*wider"):
        saved({"a": values})


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"a": np.arange(3), "b": np.arange(4)}, "column 'b'.*4 rows"),
        ({"a": np.arange(3), "A": np.arange(3)}, "column 'A'"),
        ({"": np.arange(3)}, "name"),
        ({"é": np.arange(3)}, "ASCII"),
        ({"a": np.array(["ok", "né"])}, r"column 'a', row 1.*né.*ASCII"),
        ({"a": np.arange(3).astype("f2")}, "column 'a'.*f2"),
        ({"a": np.array(["2020-01-01"], "M8[D]")}, "column 'a'.*M8"),
        ({"a": np.float64(3)}, "column 'a'"),
        (np.zeros((2, 2), "i4,f4"), "axes"),
        (np.zeros(3), "structured"),
        ({"a": np.zeros(2, np.dtype([("x", "i4")]))}, "column 'a'"),
    ],
)
def test_what_is_refused_writes_nothing(columns, says):
    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(ValueError, match=says):
            fits.write_table(columns)
        assert len(fits) == 0
        assert fits.to_bytes() == b""


def test_names_for_what_is_not_there():
    with pytest.raises(KeyError, match="nope"):
        saved({"a": np.arange(2)}, units={"nope": "m"})
    with pytest.raises(ValueError, match="bits"):
        saved({"a": np.arange(2)}, bit_columns=["a"])


def test_objects_that_are_texts():
    back = read_back(saved({"s": np.array(["a", "long text"], object), "b": np.array([b"x", b""], object)}))
    assert back["s"].tolist() == ["a", "long text"] and back["b"].tolist() == ["x", ""]
    masked = np.ma.array(np.array(["a", "b"], object), mask=[0, 1])
    assert read_back(saved({"s": masked, "n": np.array(["a", None], object)})).tolist() == [("a", "a"), ("", "")]


def test_bits_are_packed(tmp_path):
    flags = np.arange(5 * 11).reshape(5, 11) % 3 == 0
    data = saved({"x": flags}, bit_columns=["x"])
    (tmp_path / "bits.fits").write_bytes(data)
    with astropy_fits.open(io.BytesIO(data)) as theirs:
        assert theirs[1].header["TFORM1"] == "11X" and theirs[1].header["NAXIS1"] == 2
        np.testing.assert_array_equal(theirs[1].data["x"], flags)
    np.testing.assert_array_equal(read_back(data)["x"], flags)


def test_created_tables_hold_nothing():
    dtype = [("i", "i4"), ("u", "u2"), ("s", "U5"), ("b", "?"), ("m", "f4", (2, 3)), ("x", "i1")]
    with rustfits.FITS("mem://", "w+") as fits:
        table = fits.create_table_hdu(dtype, 4, extname="NEW", extver=2, units={"m": "Jy"})
        assert (table.extname, table.extver, table.nrows, table.units) == ("NEW", 2, 4, {"m": "Jy"})
        np.testing.assert_array_equal(table.read(), np.zeros(4, dtype))
        data = fits.to_bytes()
    theirs = astropy_fits.open(io.BytesIO(data))[1].data
    assert theirs["u"].tolist() == [0] * 4 and theirs["b"].tolist() == [False] * 4 and theirs["x"].tolist() == [0] * 4
    with rustfits.FITS("mem://", "w+") as fits, pytest.raises(ValueError, match="fields"):
        fits.create_table_hdu("f4", 3)


def test_a_table_in_front_of_another_hdu():
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(np.arange(4), extname="IMG")
        fits.write_table({"a": np.arange(2)}, extname="LAST")
        table = fits.write_table({"b": np.arange(3)}, extname="MID", before="LAST")
        assert table.index == 1 and fits["LAST"].index == 2
        first = fits.write_table({"c": np.arange(3)}, extname="FIRST", before=0)
        assert [hdu.extname for hdu in fits] == [None, "FIRST", "IMG", "MID", "LAST"]
        assert first.read()["c"].tolist() == [0, 1, 2]
        theirs = astropy_fits.open(io.BytesIO(fits.to_bytes()))
        theirs.verify("exception")
        assert theirs["LAST"].data["a"].tolist() == [0, 1]


def test_write_takes_tables(tmp_path):
    array = np.array([(1, "a"), (2, "bc")], [("n", "i4"), ("s", "U2")])
    with rustfits.FITS("mem://", "w+") as fits:
        assert fits.write(array, extname="T", header={"A": 1}).header["A"] == 1
    for suffix in ["fits", "fits.gz"]:
        path = tmp_path / f"table.{suffix}"
        rustfits.write(path, array, extname="T")
        rustfits.write(path, {"x": np.arange(3)}, mode="r+")
        np.testing.assert_array_equal(rustfits.read(path), array)
        assert rustfits.read(path, 2)["x"].tolist() == [0, 1, 2]


def test_large_tables_are_written_on_all_threads(tmp_path):
    n = 300_000
    rng = np.random.default_rng(3)
    array = np.zeros(n, [("a", "f8"), ("b", "i2"), ("s", "S7"), ("v", "f4", 3), ("u", "u8")])
    array["a"], array["b"], array["u"] = rng.normal(size=n), np.arange(n), np.arange(n)
    array["v"] = rng.normal(size=(n, 3))
    array["s"] = np.arange(n).astype("S7")
    path = tmp_path / "large.fits"
    rustfits.write(path, array)
    theirs = astropy_fits.getdata(path, 1)
    for name in array.dtype.names:
        np.testing.assert_array_equal(theirs[name].astype(array[name].dtype), array[name])


def test_a_read_only_file_is_refused(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, {"a": np.arange(3)})
    with rustfits.FITS(path) as fits:
        for write in [
            lambda: fits.write_table({"a": np.arange(2)}),
            lambda: fits[1].append({"a": np.arange(2)}),
            lambda: fits[1].write({"a": np.arange(3)}),
            lambda: fits[1].delete_column("a"),
            lambda: fits[1].insert_column("b", np.arange(3)),
        ]:
            with pytest.raises(OSError, match="read-only"):
                write()


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_first_text_that_does_not_fit_a_large_table_is_named(order: str) -> None:
    rows = 50_000
    table = np.zeros(rows, [("id", f"{order}i4"), ("name", f"{order}U5"), ("code", "S3")])
    table["name"] = "Vega"
    table["name"][[41_000, 20_003, 47_000]] = "Véga"
    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(ValueError, match="column 'name', row 20003: the text 'Véga' is not ASCII"):
            fits.write_table(table)
        assert len(fits) == 0
        table["name"] = "Vega"
        hdu = fits.write_table(table)
        table["name"][30_000:] = ["Deneb"]
        longer = table.astype([("id", "i4"), ("name", f"{order}U8"), ("code", "S3")])
        hdu[...] = longer
        np.testing.assert_array_equal(hdu.read()["name"], table["name"])
        longer["name"][[49_000, 45_001]] = "Deneb x"
        with pytest.raises(ValueError, match="column 'name', row 45001: the text 'Deneb x' has 7 characters"):
            hdu[...] = longer
        np.testing.assert_array_equal(hdu.read()["name"], table["name"])


def test_numbers_of_a_large_table_are_checked_before_any_is_written() -> None:
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(40_000, dtype="i4")})
        values = np.zeros(40_000, "i8")
        values[[39_999, 33_333]] = 2**40
        with pytest.raises(ValueError, match="column 'a', row 33333: the value 1099511627776 does not fit"):
            hdu["a"] = values
        np.testing.assert_array_equal(hdu["a"].read(), np.arange(40_000))
