"""Tables by Arrow's C stream interface: read by pyarrow, polars and pandas, and written from them."""

from __future__ import annotations

import gc
import itertools
import threading
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy.io import fits as astropy_fits
from astropy.table import Table
from conftest import raw_file

import rustfits
from rustfits import aio

ROWS = 3000


def mixed() -> np.ndarray:
    rng = np.random.default_rng(3)
    fields = [(code, code) for code in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "b1")]
    data = np.zeros(ROWS, [*fields, ("text", "U9"), ("cell", "f4", (2, 3)), ("flags", "?", 5), ("z", "c16")])
    for code, _ in fields:
        data[code] = rng.integers(0, 2, ROWS) if code == "b1" else rng.integers(-100, 100, ROWS).astype(code)
    data["u8"][:2], data["f8"][:3] = [2**64 - 1, 2**63], [np.nan, np.inf, -0.0]
    data["text"] = [f"star-{n:04}"[: n % 10] for n in range(ROWS)]
    data["cell"] = rng.normal(size=(ROWS, 2, 3))
    data["flags"] = rng.integers(0, 2, (ROWS, 5))
    data["z"] = rng.normal(size=ROWS) + 1j * rng.normal(size=ROWS)
    return data


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty primary, then the table; astropy and fitsio would store some of these types as others."""
    path = tmp_path_factory.mktemp("arrow") / "mixed.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_table(mixed(), extname="CAT", units={"f8": "deg"})
    return path


def as_numpy(column: pa.ChunkedArray, like: np.ndarray) -> np.ndarray:
    values = column.combine_chunks()
    while pa.types.is_fixed_size_list(values.type):
        values = values.flatten()
    values = values.to_numpy(zero_copy_only=False)
    if like.dtype.kind == "c":
        values = values.view(like.dtype)
    return values.reshape(like.shape).astype(like.dtype)


def test_pyarrow_reads_every_type(path):
    with rustfits.FITS(path) as fits:
        table = pa.table(fits["CAT"])
        assert pa.schema(fits["CAT"]) == table.schema
        read = fits["CAT"].read()
    data = mixed()
    assert table.column_names == list(data.dtype.names)
    for name in data.dtype.names:
        np.testing.assert_array_equal(as_numpy(table[name], data[name]), data[name], name)
        np.testing.assert_array_equal(as_numpy(table[name], read[name]), read[name], name)
    assert table.schema.field("f8").metadata == {b"unit": b"deg"}
    assert table.schema.field("u8").type == pa.uint64()
    assert table.schema.field("i1").type == pa.int8()
    assert table.schema.field("cell").type == pa.list_(pa.list_(pa.float32(), 3), 2)
    table.validate(full=True)


def test_polars_and_pandas_read_with_no_more_code(path):
    data = mixed()
    with rustfits.FITS(path) as fits:
        frame = pl.DataFrame(fits["CAT"])
        some = pd.DataFrame.from_arrow(fits["CAT"][["text", "f8"]]) if hasattr(pd.DataFrame, "from_arrow") else None
        one = pa.table(fits["CAT"]["u2"])
    assert frame.height == ROWS
    np.testing.assert_array_equal(frame["cell"].to_numpy(), data["cell"])
    assert frame["text"].to_list() == data["text"].tolist()
    assert one.column_names == ["u2"]
    if some is not None:
        assert list(some.columns) == ["text", "f8"]
        np.testing.assert_array_equal(some["f8"], data["f8"])


def test_nulls_are_null(write):
    cards = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 9", "NAXIS2  = 3", "PCOUNT  = 0"]
    cards += ["GCOUNT  = 1", "TFIELDS = 3", "TTYPE1  = 'n'", "TFORM1  = 'I'", "TNULL1  = 5", "TTYPE2  = 'l'"]
    cards += ["TFORM2  = 'L'", "TTYPE3  = 'v'", "TFORM3  = '3I'", "TNULL3  = 2"]
    rows = b"".join(
        np.array([n], ">i2").tobytes() + logical + np.array([1, 2, n], ">i2").tobytes()
        for n, logical in [(4, b"T"), (5, b"\0"), (6, b"F")]
    )
    primary = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
    with rustfits.FITS(write(primary + raw_file(*cards, data=rows))) as fits:
        table = pa.table(fits[1]).to_pydict()
    assert table["n"] == [4, None, 6]
    assert table["l"] == [True, None, False]
    assert table["v"] == [[1, None, 4], [1, None, 5], [1, None, 6]]


def test_ascii_tables(tmp_path):
    data = np.array([(1, 2.5, "a"), (-7, -1e10, "bcd")], [("i", "i4"), ("f", "f8"), ("s", "S3")])
    with fitsio.FITS(tmp_path / "a.fits", "rw") as fits:
        fits.write(data, table_type="ascii", units=["m", "", ""])
    with rustfits.FITS(tmp_path / "a.fits") as fits:
        table = pa.table(fits[1])
    assert table.to_pydict() == {"i": [1, -7], "f": [2.5, -1e10], "s": ["a", "bcd"]}
    assert table.schema.field("i").metadata == {b"unit": b"m"}


def test_variable_length_columns_are_lists(tmp_path):
    cells = np.empty(4, object)
    cells[:] = [np.arange(n, dtype="f4") for n in (3, 0, 1, 2)]
    words = np.array(["one", "", "three", "x"], object)
    columns = [astropy_fits.Column("v", "PE()", array=cells), astropy_fits.Column("w", "QA()", array=words)]
    astropy_fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "v.fits")
    with rustfits.FITS(tmp_path / "v.fits") as fits:
        table = pa.table(fits[1])
    assert table.schema.field("v").type == pa.list_(pa.float32())
    assert table.to_pydict() == {"v": [[0, 1, 2], [], [0], [0, 1]], "w": words.tolist()}


def test_batches_come_one_by_one_and_outlive_the_handle(path):
    with rustfits.FITS(path) as fits:
        wide = np.zeros(5000, [("a", "u1", 10_000)])
        with rustfits.FITS("mem://", "w+") as other:
            stream = pa.RecordBatchReader.from_stream(other.write_table(wide))
            sizes = [batch.num_rows for batch in stream]
        assert sum(sizes) == 5000 and len(sizes) > 4
    reader = pa.RecordBatchReader.from_stream(rustfits.FITS(path)["CAT"])
    gc.collect()
    assert sum(batch.num_rows for batch in reader) == ROWS
    capsule = rustfits.FITS(path)["CAT"].__arrow_c_stream__()
    # Never read: released with its capsule.
    del capsule
    assert fits.closed


def test_a_closed_file_is_an_error_of_the_stream(path):
    fits = rustfits.FITS(path)
    hdu = fits["CAT"]
    reader = pa.RecordBatchReader.from_stream(hdu)
    fits.close()
    with pytest.raises(OSError, match=r"mixed\.fits: the file is closed"):
        reader.read_next_batch()
    with pytest.raises(OSError, match="closed"):
        pa.table(hdu)


def test_what_is_wrong_with_a_cell_is_said_by_the_stream(write):
    cards = [
        "XTENSION= 'TABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 4",
        "NAXIS2  = 2",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
    ]
    cards += ["TFIELDS = 1", "TTYPE1  = 'n'", "TFORM1  = 'I4'", "TBCOL1  = 1"]
    primary = raw_file("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
    with rustfits.FITS(write(primary + raw_file(*cards, data=b"  12oops"))) as fits:
        reader = pa.RecordBatchReader.from_stream(fits[1])
        with pytest.raises(ValueError, match="column 'n', row 1"):
            reader.read_next_batch()


def test_the_gil_is_free_while_batches_are_read(tmp_path):
    """Another thread makes progress while one thread pulls every batch of a table."""
    with rustfits.FITS(tmp_path / "a.fits", "w+") as fits:
        fits.write_table({"a": np.zeros(500_000), "s": np.full(500_000, "x" * 20)})
    done, counted = threading.Event(), itertools.count()

    def count() -> None:
        while not done.is_set():
            next(counted)

    thread = threading.Thread(target=count)
    thread.start()
    with rustfits.FITS(tmp_path / "a.fits") as fits:
        frame = pl.DataFrame(fits[1])
    done.set()
    thread.join(60)
    assert frame.height == 500_000
    assert next(counted) > 0


@pytest.mark.parametrize("make", [lambda table: table, pl.DataFrame, lambda table: table.to_batches()[0]])
def test_what_offers_a_stream_is_written(tmp_path, path, make):
    names = ["u1", "i1", "u2", "i4", "u8", "f4", "f8", "b1", "text"]
    with rustfits.FITS(path) as fits:
        table = pa.table(fits["CAT"][names])
    with rustfits.FITS(tmp_path / "out.fits", "w+") as out:
        hdu = out.write_table(make(table), extname="NEW", units={"f4": "Jy"})
        hdu.append(make(table))
        same_units = {"f4": "Jy"} if make is pl.DataFrame else {"f4": "Jy", "f8": "deg"}
        assert hdu.units == same_units
    data = mixed()[names]
    theirs = fitsio.read(tmp_path / "out.fits", ext="NEW")
    astropys = astropy_fits.getdata(tmp_path / "out.fits", "NEW")
    for name in names:
        twice = np.tile(data[name], 2)
        np.testing.assert_array_equal(theirs[name].astype(twice.dtype), twice, name)
        np.testing.assert_array_equal(astropys[name].astype(twice.dtype), twice, name)


def test_arrays_bits_and_complex_survive_arrow(tmp_path, path):
    with rustfits.FITS(path) as fits, rustfits.FITS(tmp_path / "out.fits", "w+") as out:
        copy = out.write_table(pa.table(fits["CAT"]), extname="COPY")
        # A table of one file, as it is, into another.
        direct = out.write_table(fits["CAT"], extname="DIRECT")
        for hdu in (copy, direct):
            assert hdu.dtype == fits["CAT"].dtype
            assert hdu.read().tobytes() == fits["CAT"].read().tobytes()
        bits = out.write_table({"x": np.eye(11, dtype=bool)}, bit_columns=["x"])
        again = out.write_table(bits)
        assert again.header["TFORM1"] == bits.header["TFORM1"] == "11X"
        np.testing.assert_array_equal(again["x"][...], np.eye(11, dtype=bool))
    theirs = fitsio.read(tmp_path / "out.fits", ext="COPY")
    for name in ("z", "cell", "flags"):
        np.testing.assert_array_equal(theirs[name], mixed()[name], name)


def test_nulls_are_written_as_fits_has_them(tmp_path):
    frame = pl.DataFrame(
        {
            "i": [1, None, 3],
            "f": [1.5, None, 2.5],
            "s": ["a", None, "ccc"],
            "b": [True, None, False],
            "v": pl.Series([[1, 2], [3, None], None], dtype=pl.Array(pl.Int16, 2)),
            "c": pl.Series(["x", "yy", None], dtype=pl.Categorical),
        }
    )
    with rustfits.FITS(tmp_path / "n.fits", "w+") as fits:
        hdu = fits.write_table(frame)
        read = hdu.read(mask_null=True)
        assert pa.table(hdu)["i"].to_pylist() == [1, None, 3]
        assert pa.table(hdu)["b"].to_pylist() == [True, None, False]
        assert pa.table(hdu)["v"].to_pylist() == [[1, 2], [3, None], [None, None]]
    assert read["i"].tolist() == [1, None, 3]
    assert np.isnan(read["f"][1]) and read["s"].tolist() == ["a", "", "ccc"]
    with fitsio.FITS(tmp_path / "n.fits") as theirs:
        assert theirs[1]["c"].read().tolist() == ["x", "yy", ""]
    with pytest.warns(UserWarning, match="NULL"):
        table = Table.read(tmp_path / "n.fits")
    assert table["i"].mask.tolist() == [False, True, False]


def test_lists_become_variable_length_columns(tmp_path):
    frame = pl.DataFrame({"v": [[1.5, 2.5], [], None, [3.0]], "f": [[True], [False, True], [], [True]]})
    with rustfits.FITS(tmp_path / "v.fits", "w+") as fits:
        hdu = fits.write_table(frame)
        hdu.append(frame[:1])
        assert pa.table(hdu)["v"].to_pylist() == [[1.5, 2.5], [], [], [3.0], [1.5, 2.5]]
    theirs = astropy_fits.getdata(tmp_path / "v.fits", 1)
    assert [cell.tolist() for cell in theirs["v"]] == [[1.5, 2.5], [], [], [3.0], [1.5, 2.5]]
    assert theirs["f"][1].tolist() == [False, True]


def test_cells_and_other_ways_to_write(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})
    rustfits.write(tmp_path / "f.fits", frame, extname="CAT")
    with rustfits.FITS(tmp_path / "f.fits", "r+") as fits:
        hdu = fits["CAT"]
        hdu[...] = pl.DataFrame({"s": ["p", "q"], "a": [7, 8]})
        hdu["a"][...] = pl.Series([9, 10])
        hdu[0:1] = pl.DataFrame({"s": ["r"]})
        hdu.write(pl.DataFrame({"a": [3, 4], "s": ["n", "n"]}), names=["a"])
        with hdu.appending() as rows:
            rows.append(pd.DataFrame({"a": [5], "s": ["z"]}))
            rows.append(pa.table({"s": ["w"], "a": [6]}))
        # Its own rows, behind themselves.
        hdu.append(hdu)
        assert hdu.read().tolist() == [(3, "r"), (4, "q"), (5, "z"), (6, "w")] * 2
        assert fits.write(frame).nrows == 2
        with pytest.raises(ValueError, match="names= has 'b'"):
            hdu.write(frame, names=["b"])


def test_what_fits_has_not_is_refused_before_a_byte_is_written():
    with rustfits.FITS("mem://", "w+") as fits:
        before = fits.to_bytes()
        days = pd.DataFrame({"day": pd.to_datetime(["2026-01-01"])})
        for data, error, says in [
            (days, TypeError, "column 'day': FITS tables have nothing like Arrow's Timestamp"),
            (pl.DataFrame({"s": ["ä"]}), ValueError, "column 's': row 0: the text .* is not ASCII"),
            (pa.chunked_array([[1, 2]]), TypeError, "ChunkedArray gives no table"),
        ]:
            with pytest.raises(error, match=says):
                fits.write_table(data)
        assert fits.to_bytes() == before
        hdu = fits.write_table({"a": np.arange(3)})
        with pytest.raises(ValueError, match="column 'a': has no values"):
            hdu.append(pl.DataFrame({"b": [1]}))
        assert hdu.nrows == 3


def test_a_failing_source_is_told_and_nothing_written():
    class Failing:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            def batches():
                yield pa.record_batch({"a": [1]})
                raise RuntimeError("the well ran dry")

            schema = pa.schema({"a": pa.int64()})
            return pa.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__()

    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(ValueError, match="the well ran dry"):
            fits.write_table(Failing())
        assert len(fits) == 0


async def test_asyncio(tmp_path, path):
    frame = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})
    async with aio.FITS(tmp_path / "a.fits", "w+") as fits:
        hdu = await fits.write_table(frame, extname="CAT")
        await hdu.append(frame)
        await hdu.set(slice(0, 1), pl.DataFrame({"a": [5]}))
        with pytest.raises(TypeError, match="would block the event loop"):
            pa.table(hdu)
        assert (await hdu.read()).tolist() == [(5, "x"), (2, "y"), (1, "x"), (2, "y")]


def test_a_remote_table(loopback, path):
    url = loopback.http + loopback.put(path.read_bytes())
    with rustfits.FITS(url, remote="ranged") as fits:
        assert pa.table(fits["CAT"]["f4"])["f4"].to_numpy().tolist() == mixed()["f4"].tolist()


def test_duckdb_asks_tables_and_columns():
    import duckdb

    cells = np.empty(4, object)
    cells[:] = [np.arange(n, dtype="f4") for n in range(4)]
    counts = np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0])
    with rustfits.FITS("mem://", "w+") as fits:
        data = {"ra": [1.5, 2.5, 3.5, 4.5], "n": counts, "s": ["a", "bb", "", "d"], "v": cells}
        cat = fits.write_table(data, extname="CAT")
        pairs = fits["CAT"][["ra", "s"]]
        with duckdb.connect() as connection:
            rows = connection.sql("SELECT ra, n, s, v FROM cat WHERE ra > 2 ORDER BY ra").fetchall()
            assert rows == [(2.5, None, "bb", [0.0]), (3.5, 3, "", [0.0, 1.0]), (4.5, 4, "d", [0.0, 1.0, 2.0])]
            assert connection.sql("SELECT sum(ra), max(s) FROM pairs").fetchall() == [(12.0, "d")]
            connection.register("again", cat)
            for _ in range(2):
                assert connection.sql("SELECT count(*) FROM again").fetchall() == [(4,)]
            back = fits.write_table(connection.sql("SELECT s, n FROM cat ORDER BY ra DESC"), extname="BACK")
        assert back.read(mask_null=True).tolist() == [("d", 4), ("", 3), ("bb", None), ("a", 1)]
        assert pairs.read().tolist() == cat.read(columns=["ra", "s"]).tolist()


def test_what_is_written_may_read_a_stream_of_ours_without_the_gil():
    """On this thread, before it gives its own: pyarrow releases the GIL while it asks for batches, DuckDB too."""
    import duckdb

    class Copied:
        def __init__(self, hdu: Any) -> None:
            self.hdu = hdu

        def __arrow_c_stream__(self, schema: object = None) -> object:
            return pa.RecordBatchReader.from_stream(self.hdu).read_all().__arrow_c_stream__(schema)

    class Failing:
        def __arrow_c_stream__(self, schema: object = None) -> object:
            raise KeyError("no stream")

    with rustfits.FITS("mem://", "w+") as fits:
        cat = fits.write_table({"a": [1, 2, 3]}, extname="CAT")
        assert fits.write_table(Copied(cat))["a"][:].tolist() == [1, 2, 3]
        with pytest.raises(KeyError, match="no stream"):
            fits.write_table(Failing())
        for _ in range(20):
            with duckdb.connect() as connection:
                assert fits.write_table(connection.sql("SELECT a FROM cat ORDER BY a")).nrows == 3
        assert len(cat.read()) == 3
