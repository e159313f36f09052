"""Objects that use the file while they are asked for the data that it gets: here, on other threads, without the GIL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rustfits

VALUES = np.arange(5, dtype="i4")


class Calling:
    """Gives its values as an array, after it has called back."""

    def __init__(self, call: Callable[[], Any], values: np.ndarray = VALUES) -> None:
        self.call, self.values = call, values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self.call()
        return self.values if dtype is None else self.values.astype(dtype)


class CallingSequence:
    """A sequence that calls back when it is measured and when it is taken apart."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call

    def __len__(self) -> int:
        self.call()
        return len(VALUES)

    def __getitem__(self, index: int) -> int:
        self.call()
        return int(VALUES[index])


class CallingStream(Calling):
    """Offers Arrow's stream, after it has called back; numpy's array otherwise."""

    def __arrow_c_stream__(self, schema: object = None) -> object:
        import pyarrow

        self.call()
        return pyarrow.table({"a": self.values}).__arrow_c_stream__(schema)


class Buffer:
    """Arrays over memory of ours, whose interface calls back."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call

    @property
    def __array_interface__(self) -> dict[str, Any]:
        self.call()
        return VALUES.__array_interface__


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.zeros((5, 3), "i4"), extname="IMAGE")
        fits.write_table({"a": VALUES, "s": ["x"] * 5}, extname="T")
        fits.write_table({"a": VALUES}, extname="C", compress=True)
    return path


def in_a_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """The same on another thread, for which this one waits."""

    def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(call).result(timeout=60)

    return run


WRITES: list[Callable[[Any, Any], Any]] = [
    lambda fits, data: fits["T"].__setitem__("a", data),
    lambda fits, data: fits["T"]["a"].__setitem__(slice(None), data),
    lambda fits, data: fits["T"].write({"a": data}),
    lambda fits, data: fits["T"].append({"a": data, "s": ["y"] * 5}),
    lambda fits, data: fits["T"].insert_column("new", data),
    lambda fits, data: fits["C"].__setitem__("a", data),
    lambda fits, data: fits.write_table({"a": data}),
    lambda fits, data: fits["IMAGE"].__setitem__((slice(None), 1), data),
    lambda fits, data: fits.write_image(data),
]


def read_without_the_gil(fits: Any, path: Path) -> None:
    """pyarrow releases the GIL, and asks our stream for its batches on this thread."""
    pyarrow = pytest.importorskip("pyarrow")
    assert pyarrow.RecordBatchReader.from_stream(fits["T"]).read_all().num_rows == fits["T"].nrows


CALLS: list[Callable[[Any, Path], Any]] = [
    read_without_the_gil,
    lambda fits, path: fits["T"].read(),
    lambda fits, path: fits["T"].__setitem__(0, (7, "z")),
    lambda fits, path: fits["T"].header.__setitem__("CALLED", True),
    lambda fits, path: fits.write_image(np.zeros(3)),
    lambda fits, path: fits["C"].repack(),
    lambda fits, path: fits.sync(),
    lambda fits, path: rustfits.read(path, "T"),
]


@pytest.mark.parametrize("kind", [Calling, CallingSequence, Buffer])
@pytest.mark.parametrize("threaded", [False, True])
def test_what_is_written_uses_its_own_file(path: Path, kind: Any, threaded: bool):
    for write in WRITES:
        for call in CALLS:
            with rustfits.FITS(path, "r+") as fits:
                calls = []

                def back(fits: Any = fits, call: Any = call, calls: list[int] = calls) -> None:
                    # Once: what is written may be asked many times.
                    if not calls:
                        calls.append(1)
                        call(fits, path)

                write(fits, kind(in_a_thread(back) if threaded else back))
                assert calls
                assert fits["T"].read(rows=slice(1, 5), columns="a")["a"].tolist() == [1, 2, 3, 4]
            with rustfits.FITS(path, "r+") as fits:
                # As it was for the next.
                while fits["T"].ncols > 2:
                    fits["T"].delete_column(2)
                fits["T"].truncate(5)
                fits["T"][0] = (0, "x")
                while len(fits) > 4:
                    del fits[len(fits) - 1]


@pytest.mark.parametrize("kind", [Calling, CallingSequence, CallingStream, Buffer])
@pytest.mark.parametrize("threaded", [False, True])
def test_the_file_is_closed_by_what_is_written(path: Path, kind: Any, threaded: bool):
    """An error that says so, and the file is as it was."""
    before = path.read_bytes()
    for write in WRITES:
        fits = rustfits.FITS(path, "r+")
        with pytest.raises(OSError, match="closed"):
            write(fits, kind(in_a_thread(fits.close) if threaded else fits.close))
        assert path.read_bytes() == before


def test_a_stream_of_ours_within_a_stream(path: Path):
    """Its batches are read while the table that is written waits for it; in the end the table is there."""
    import pyarrow

    class Reading(CallingStream):
        def __arrow_c_stream__(self, schema: object = None) -> object:
            def batches() -> Any:
                for batch in pyarrow.RecordBatchReader.from_stream(fits["T"]):
                    self.call()
                    yield batch.select(["a"])

            schema = pyarrow.schema([("a", pyarrow.int32())])
            return pyarrow.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__()

    with rustfits.FITS(path, "r+") as fits:
        for call in (lambda: fits["T"].read(), lambda: fits["T"].header.__setitem__("CALLED", 1)):
            assert fits.write_table(Reading(call))["a"][:].tolist() == VALUES.tolist()
            assert fits.write_table(Reading(in_a_thread(call)))["a"][:].tolist() == VALUES.tolist()
        with pytest.raises(OSError, match="closed"):
            fits.write_table(Reading(fits.close))


def test_rows_that_are_collected_use_the_context(path: Path):
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits["T"]
        with hdu.appending() as growing:
            growing.append({"a": Calling(lambda: growing.append({"a": [8], "s": ["i"]})), "s": ["o"] * 5})
            with pytest.raises(RuntimeError, match="collected already"):
                growing.append({"a": Calling(lambda: hdu.appending().__enter__()), "s": ["o"] * 5})
        assert hdu["a"][5:].tolist() == [8, 0, 1, 2, 3, 4]


def test_keys_that_call_back(path: Path):
    """Indices and names are asked what they are while the HDU is in use."""
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits["T"]

        class Index:
            def __index__(self) -> int:
                hdu[0] = (3, "q")
                return 0

        class Rows(list):  # type: ignore[type-arg]
            def __iter__(self) -> Any:
                hdu.append({"a": [9], "s": ["n"]})
                return super().__iter__()

        assert hdu[Index()][0] == 3
        assert hdu[Rows([0, 1])]["a"].tolist() == [3, 1]
        assert hdu.nrows >= 6
        assert hdu.read(rows=Rows([1]))["a"].tolist() == [1]


def test_duckdb_within_an_array(path: Path):
    """It reads our stream on threads of its own and on this one, with the GIL let go."""
    duckdb = pytest.importorskip("duckdb")
    with rustfits.FITS(path, "r+") as fits:
        cat = fits["T"]

        def query() -> None:
            with duckdb.connect() as connection:
                connection.register("cat", cat)
                assert connection.sql("SELECT sum(a) FROM cat").fetchall() == [(10,)]

        for write in WRITES[5:]:
            write(fits, Calling(query))


def test_two_files_are_written_from_each_other(path: Path, tmp_path: Path):
    """Each thread holds one and reads the other: neither waits for ever."""
    other = tmp_path / "b.fits"
    other.write_bytes(path.read_bytes())
    with rustfits.FITS(path, "r+") as one, rustfits.FITS(other, "r+") as two:
        barrier = threading.Barrier(2)

        def crossed(mine: Any, theirs: Any) -> None:
            for _ in range(20):
                barrier.wait(60)
                mine["T"]["a"] = Calling(lambda: theirs["T"].__setitem__("a", Calling(lambda: mine["T"].read())))

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(crossed, one, two), pool.submit(crossed, two, one)]:
                done.result(timeout=120)
        assert one["T"]["a"][:].tolist() == two["T"]["a"][:].tolist() == VALUES.tolist()
