"""Variable-length columns against what astropy and fitsio write and read, and damaged ones."""

from __future__ import annotations

import asyncio
import gzip
import io
import struct

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, raw_file

import rustfits
from rustfits import aio

LENGTHS = [3, 0, 1, 7, 0, 0, 2, 100]
TYPES = [("B", "u1"), ("I", "i2"), ("J", "i4"), ("K", "i8"), ("E", "f4"), ("D", "f8"), ("C", "c8"), ("M", "c16"),
         ("L", "?")]  # fmt: skip


def cells_of(dtype: str, seed: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    cells = []
    for length in LENGTHS:
        if dtype == "?":
            cells.append(random.integers(0, 2, length).astype("?"))
        elif dtype[0] in "iu":
            limits = np.iinfo(dtype)
            cells.append(random.integers(limits.min, limits.max, length, dtype, endpoint=True))
        elif dtype[0] == "c":
            cells.append((random.normal(size=length) + 1j * random.normal(size=length)).astype(dtype))
        else:
            cells.append(random.normal(size=length).astype(dtype))
    return cells


def objects(cells) -> np.ndarray:
    array = np.empty(len(cells), "O")
    for row, cell in enumerate(cells):
        array[row] = cell
    return array


def variable_file(form: str = "PE()", dtype: str = "f4", **cards) -> bytes:
    cells = cells_of(dtype)
    hdu = astropy_fits.BinTableHDU.from_columns(
        [
            astropy_fits.Column("n", "I", array=np.arange(len(cells))),
            astropy_fits.Column("c", form, array=objects(cells)),
            astropy_fits.Column("text", "5A", array=["a", "bc", "", "d", "e", "f", "g", "hijkl"]),
        ]
    )
    hdu.header.update(cards)
    return hdu_bytes(astropy_fits.PrimaryHDU(), hdu)


def same_cells(ours: np.ndarray, theirs, dtype: str | None = None) -> None:
    assert ours.dtype == np.dtype("O") and ours.shape == (len(theirs),)
    for cell, expected in zip(ours, theirs, strict=True):
        assert cell.dtype == np.dtype(dtype or expected.dtype)
        assert cell.flags.writeable and cell.flags.c_contiguous and cell.flags.aligned and cell.dtype.isnative
        np.testing.assert_array_equal(cell, expected)


def raw_variable(
    form: str, rows: list[tuple[int, int]], heap: bytes, *cards: str, theap: int | None = None, lenient: bool = False
) -> rustfits.TableHDU:
    """A table of one variable-length column c with these descriptors and this heap."""
    wide = "Q" in form
    data = b"".join(struct.pack(">qQ" if wide else ">iI", *row) for row in rows)
    start = len(data) if theap is None else theap
    head = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        f"NAXIS1  = {16 if wide else 8:>20}",
        f"NAXIS2  = {len(rows):>20}",
        f"PCOUNT  = {start - len(data) + len(heap):>20}",
        "GCOUNT  =                    1",
        "TFIELDS =                    1",
        "TTYPE1  = 'c'",
        f"TFORM1  = '{form}'",
    ]
    if theap is not None:
        head.append(f"THEAP   = {theap:>20}")
    primary = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]
    content = data.ljust(start, b"#") + heap
    return rustfits.FITS.from_bytes(raw_file(*primary) + raw_file(*head, *cards, data=content), lenient=lenient)[1]


@pytest.mark.parametrize("descriptor", ["P", "Q"])
@pytest.mark.parametrize(("letter", "dtype"), TYPES)
def test_every_type_of_astropy(descriptor, letter, dtype):
    cells = cells_of(dtype)
    hdu = rustfits.FITS.from_bytes(variable_file(f"{descriptor}{letter}()", dtype))[1]
    assert hdu.dtype["c"] == np.dtype("O")
    same_cells(hdu.read_column("c"), cells)
    read = hdu.read()
    assert read.dtype == hdu.dtype and read.dtype.names == ("n", "c", "text")
    same_cells(read["c"], cells)
    assert read["n"].tolist() == list(range(len(cells)))
    assert read["text"].tolist() == ["a", "bc", "", "d", "e", "f", "g", "hijkl"]


@pytest.mark.parametrize(("letter", "dtype"), [kind for kind in TYPES if kind[0] not in "CML"])
def test_every_type_of_fitsio(tmp_path, letter, dtype):
    data = np.zeros(len(LENGTHS), [("n", "i4"), ("c", "O")])
    cells = [cell if len(cell) else np.zeros(1, dtype) for cell in cells_of(dtype)]
    data["n"] = np.arange(len(cells))
    data["c"] = objects(cells)
    path = str(tmp_path / "v.fits")
    fitsio.write(path, data)
    with rustfits.FITS(path) as fits:
        same_cells(fits[1].read_column("c"), cells)
        same_cells(fits[1].read()["c"], cells)


def test_rows_and_cells():
    cells = cells_of("f4")
    hdu = rustfits.FITS.from_bytes(variable_file())[1]
    for rows in [slice(2, 5), slice(None, None, -1), [7, 0, 0, -1], np.array([1]), slice(4, 4)]:
        expected = objects(cells)[rows]
        same_cells(hdu.read_column("c", rows=rows), expected)
        same_cells(hdu["c"][rows], expected)
        same_cells(hdu.read(rows=rows)["c"], expected)
        same_cells(hdu[["c", "n"]][rows]["c"], expected)
    np.testing.assert_array_equal(hdu["c"][3], cells[3])
    record = hdu[3]
    assert record["n"] == 3
    np.testing.assert_array_equal(record["c"], cells[3])
    for row, cell in zip(hdu, cells, strict=True):
        np.testing.assert_array_equal(row["c"], cell)
    chunks = list(hdu.iter(chunksize=3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 2]
    same_cells(np.concatenate([chunk["c"] for chunk in chunks]), cells)


def test_cells_belong_to_the_caller():
    hdu = raw_variable("1PI(2)", [(2, 0), (2, 0)], b"\0\1\0\2")
    read = hdu.read_column("c")
    read[0][:] = 7
    # Two descriptors of the same bytes give two arrays.
    assert [cell.tolist() for cell in read] == [[7, 7], [1, 2]]
    assert hdu.read_column("c")[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("dtype", "letter", "zero"), [("u2", "I", 2**15), ("u4", "J", 2**31), ("u8", "K", 2**63), ("i1", "B", -128)]
)
def test_unsigned_arrays(dtype, letter, zero):
    values = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 1], dtype)
    stored = [int(value) - zero for value in values]
    code = {"I": ">i2", "J": ">i4", "K": ">i8", "B": ">u1"}[letter]
    heap = np.array(stored, code).tobytes()
    hdu = raw_variable(f"1P{letter}(3)", [(3, 0), (0, 0)], heap, f"TZERO1  = {zero}")
    same_cells(hdu.read_column("c"), [values, values[:0]])
    assert hdu.read_column("c", scale=False)[0].tolist() == stored


def test_scaled_arrays():
    heap = np.array([1, -2, 3], ">i2").tobytes()
    hdu = raw_variable("1PI(3)", [(2, 0), (1, 4)], heap, "TSCAL1  = 0.5", "TZERO1  = 10.0")
    same_cells(hdu.read_column("c"), [np.array([10.5, 9.0]), np.array([11.5])])


def test_complex_scaling_adds_the_zero_point_to_the_real_part():
    heap = np.array([1 + 2j], ">c8").tobytes()
    hdu = raw_variable("1PC(1)", [(1, 0)], heap, "TSCAL1  = 2.0", "TZERO1  = 10.0")
    same_cells(hdu.read_column("c"), [np.array([12 + 4j], "c16")])


def test_bits():
    hdu = raw_variable("1PX(11)", [(11, 0), (0, 0), (3, 2), (16, 0)], bytes([0b10100000, 0b01011111, 0b01000000]))
    read = hdu.read_column("c")
    assert [cell.astype(int).tolist() for cell in read] == [
        [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0],
        [],
        [0, 1, 0],
        [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1],
    ]
    assert read[0].dtype == np.dtype("?")


def test_strings():
    heap = b"hello  ab\0zz\xe9"
    rows = [(5, 0), (7, 0), (0, 99), (5, 7)]
    hdu = raw_variable("1PA(7)", rows, heap)
    assert hdu.read_column("c").tolist() == ["hello", "hello", "", "ab"]
    assert hdu.read_column("c", as_bytes=True).tolist() == [b"hello", b"hello", b"", b"ab"]
    assert hdu[0]["c"] == "hello"
    bad = raw_variable("1PA(7)", [*rows, (1, 12)], heap)
    with pytest.raises(ValueError, match="column 'c', row 4: .*as_bytes"):
        bad.read_column("c")
    assert bad.read_column("c", as_bytes=True)[4] == b"\xe9"
    assert raw_variable("1PA(7)", [(1, 12)], heap, lenient=True).read_column("c").tolist() == ["_"]


def test_dimensions_are_used_where_they_fit():
    heap = np.arange(8, dtype=">i2").tobytes()
    hdu = raw_variable("1PI(6)", [(6, 0), (2, 12), (0, 0)], heap, "TDIM1   = '(3,2)'")
    read = hdu.read_column("c")
    assert read[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read[1].tolist() == [6, 7] and read[2].shape == (0,)


def test_a_heap_behind_a_gap():
    hdu = raw_variable("1PB(2)", [(2, 1), (1, 0)], b"\1\2\3", theap=100)
    assert [cell.tolist() for cell in hdu.read_column("c")] == [[2, 3], [1]]


def test_arrays_without_descriptors_are_empty():
    heap_of_nothing = raw_variable("0PJ(0)", [(0, 0)] * 3, b"")
    assert [cell.shape for cell in heap_of_nothing.read_column("c")] == [(0,)] * 3


@pytest.mark.parametrize("form", ["1PE(3)", "1QE(3)"])
@pytest.mark.parametrize(
    ("row", "reason"),
    [((-1, 0), "negative"), ((4, 0), "12 bytes"), ((1, 12), "heap"), ((2**31 - 1, 0), "heap"), ((3, 4), "heap")],
)
def test_descriptors_that_lead_nowhere(form, row, reason):
    hdu = raw_variable(form, [(3, 0), (0, 0), row, (1, 0)], bytes(12))
    for read in (lambda: hdu.read_column("c"), hdu.read, lambda: hdu[2], lambda: hdu["c"][1:]):
        with pytest.raises(ValueError, match=f"HDU 1: column 'c', row 2: .*{reason}"):
            read()
    assert hdu.read_column("c", rows=[0, 1, 3])[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("row", [(2**62, 0), (2**63 - 1, 2**63 - 1), (1, 2**63), (1, 2**64 - 1)])
def test_descriptors_past_all_bounds(row):
    with pytest.raises(ValueError, match="row 0"):
        raw_variable("1QD(1)", [row], bytes(12)).read_column("c")


def test_arrays_that_share_the_heap_may_not_multiply_it():
    shared = raw_variable("1PB(9)", [(1000, 0)] * 20, bytes(range(100)) * 10)
    assert len(shared.read_column("c")) == 20
    bomb = raw_variable("1PB(9)", [(500_000, 0)] * 1000, bytes(500_000))
    with pytest.raises(ValueError, match=r"column 'c', row \d+: .*plausibly"):
        bomb.read_column("c")
    assert bomb.read_column("c", rows=[5])[0].shape == (500_000,)


@pytest.mark.parametrize("theap", ["7", "-1"])
def test_theap_within_the_table(theap):
    data = variable_file(THEAP=2**15).replace(b"THEAP   =                32768", f"THEAP   = {theap:>20}".encode())
    hdu = rustfits.FITS.from_bytes(data)[1]
    with pytest.raises(ValueError, match="THEAP"):
        hdu.read()
    assert hdu.read_column("n").tolist() == list(range(8))


@pytest.mark.parametrize("form", ["1P", "1PP(3)", "1PZ(3)", "1P(3)"])
def test_forms_that_name_no_type(form):
    with pytest.raises(ValueError, match="TFORM|column 1"):
        raw_variable(form, [(1, 0)], b"\0").read_column("c")


def test_files_cut_short(write):
    whole = variable_file()
    short = write(whole[: len(whole) - 2880 + 8 * 15 + 100])
    with rustfits.FITS(short) as fits, pytest.raises(OSError, match=short.name):
        fits[1].read()


def test_masks_in_cells():
    heap = np.array([1, -9, 3], ">i2").tobytes()
    hdu = raw_variable("1PI(3)", [(2, 0), (1, 4), (0, 0)], heap, "TNULL1  =                   -9")
    read = hdu.read_column("c", mask_null=True)
    assert all(isinstance(cell, np.ma.MaskedArray) for cell in read)
    assert [cell.tolist() for cell in read] == [[1, None], [3], []]
    assert [cell.tolist() for cell in hdu.read(mask_null=True)["c"]] == [[1, None], [3], []]
    assert [cell.tolist() for cell in hdu.read_column("c")] == [[1, -9], [3], []]
    logical = raw_variable("1PL(3)", [(3, 0)], b"T\0F")
    assert logical.read_column("c", mask_null=True)[0].tolist() == [True, None, False]


def test_many_rows_with_several_columns(tmp_path):
    random = np.random.default_rng(5)
    lengths = random.integers(0, 40, 20_000)
    data = np.zeros(len(lengths), [("a", "O"), ("x", "f8"), ("b", "O")])
    data["a"] = objects([random.normal(size=max(length, 1)).astype("f4") for length in lengths])
    data["b"] = objects([np.arange(length + 1, dtype="i2") for length in lengths])
    data["x"] = random.normal(size=len(lengths))
    path = str(tmp_path / "many.fits")
    fitsio.write(path, data)
    with open(path, "rb") as file:
        content = file.read()
    zipped = tmp_path / "many.fits.gz"
    zipped.write_bytes(gzip.compress(content, 1))
    for fits in (rustfits.FITS(path), rustfits.FITS.from_bytes(content), rustfits.FITS(zipped)):
        with fits:
            read = fits[1].read()
            same_cells(read["a"], data["a"])
            same_cells(read["b"], data["b"])
            np.testing.assert_array_equal(read["x"], data["x"])
            rows = random.integers(-len(lengths), len(lengths), 300)
            same_cells(fits[1].read_column("b", rows=rows), data["b"][rows])


def test_one_large_array(tmp_path):
    values = np.arange(700_000, dtype="f8")
    data = np.zeros(2, [("a", "O")])
    data["a"] = objects([values, values[:5]])
    path = str(tmp_path / "large.fits")
    fitsio.write(path, data)
    with rustfits.FITS(path) as fits:
        same_cells(fits[1].read_column("a"), [values, values[:5]])


def test_ranges_of_a_remote_file(loopback):
    cells = [np.arange(50_000, dtype="f4") + row for row in range(40)]
    hdu = astropy_fits.BinTableHDU.from_columns(
        [
            astropy_fits.Column("n", "J", array=np.arange(40)),
            astropy_fits.Column("c", "PE()", array=objects(cells)),
        ]
    )
    path = loopback.put(hdu_bytes(astropy_fits.PrimaryHDU(), hdu))
    remote = rustfits.Remote(ranged=True, block_bytes=4096, cache_bytes=0)
    with rustfits.FITS(loopback.http + path, remote=remote) as fits:
        same_cells(fits[1].read_column("c", rows=[30, 2]), [cells[30], cells[2]])
        asked = [request["range"] for request in loopback.log(path) if request.get("range")]
        ends = [tuple(map(int, range_.removeprefix("bytes=").split("-"))) for range_ in asked]
        # Two cells of 200,000 bytes, the header and the rows.
        assert sum(last - first for first, last in ends) < 500_000
        same_cells(fits[1].read()["c"], cells)

    async def read():
        async with aio.FITS(loopback.http + path, remote="ranged") as fits:
            column = await fits[1].read_column("c")
            table = await fits[1][3:5]
            hdu = await fits[1]
            chunks = [chunk async for chunk in hdu.iter(chunksize=7, columns=["c"])]
            return column, table, chunks

    column, table, chunks = asyncio.run(read())
    same_cells(column, cells)
    same_cells(table["c"], cells[3:5])
    same_cells(np.concatenate([chunk["c"] for chunk in chunks]), cells)


def test_repr():
    assert "array[var]" in repr(rustfits.FITS.from_bytes(variable_file())[1])


def test_the_length_in_tform_is_a_hint():
    hdu = raw_variable("1PI(0)", [(3, 0), (1, 4)], b"\0\1\0\2\0\3")
    assert [cell.tolist() for cell in hdu.read_column("c")] == [[1, 2, 3], [3]]


SUBSTRINGS = [b"abcdefghij", b"abc  fg\0xy", b"abcdefghijklmno", b"", b"abcdefg"]
STRINGS = [["abcde", "fghij"], ["abc", "fg"], ["abcde", "fghij", "klmno"], [], ["abcde", "fg"]]


def text_file(form: str, *cards: str, texts: list[bytes] = SUBSTRINGS) -> bytes:
    """A table of one variable-length column of these bytes."""
    rows = b""
    for number, text in enumerate(texts):
        rows += struct.pack(">ii", len(text), sum(map(len, texts[:number])))
    heap = b"".join(texts)
    table = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", f"NAXIS2  = {len(texts)}"]
    table += [f"PCOUNT  = {len(heap)}", "GCOUNT  = 1", "TFIELDS = 1", "TTYPE1  = 'c'", f"TFORM1  = '{form}'", *cards]
    primary = raw_file("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0")
    return primary + raw_file(*table, data=rows + heap)


@pytest.mark.parametrize(
    ("form", "cards"),
    [
        ("1PA(15)", ["TDIM1   = '(5,2)'"]),
        ("1PA5(15)", []),
        ("1Pa(15):SSTR5", []),
        ("1PA(15):SSTR5/032", []),
    ],
)
def test_cells_of_several_strings(form, cards):
    """TDIM names the length of the strings first (7.3.2); older conventions name it in TFORM."""
    with rustfits.FITS.from_bytes(text_file(form, *cards)) as fits:
        hdu = fits[1]
        cells = hdu["c"][:]
        assert [cell.tolist() for cell in cells] == STRINGS
        assert all(cell.dtype.kind == "U" for cell in cells)
        as_bytes = hdu.read_column("c", as_bytes=True)
        assert [cell.tolist() for cell in as_bytes] == [[text.encode() for text in cell] for cell in STRINGS]
        assert hdu[2]["c"].tolist() == STRINGS[2]
        assert [cell.tolist() for cell in hdu.read(rows=[4, 0], mask_null=True)["c"]] == [STRINGS[4], STRINGS[0]]


def test_strings_have_the_shape_of_tdim_where_there_are_as_many():
    texts = [b"aabbccddeeff", b"aabb", b""]
    with rustfits.FITS.from_bytes(text_file("1PA(12)", "TDIM1   = '(2,3,2)'", texts=texts)) as fits:
        first, second, third = fits[1]["c"][:]
        assert first.tolist() == [["aa", "bb", "cc"], ["dd", "ee", "ff"]]
        assert second.tolist() == ["aa", "bb"] and third.shape == (0,)


@pytest.mark.parametrize("dimensions", ["(15)", "(0,2)", "(x)", "", "(5,-2)"])
def test_a_tdim_that_names_no_strings_leaves_a_string_a_cell(dimensions):
    with rustfits.FITS.from_bytes(text_file("1PA(15)", f"TDIM1   = '{dimensions}'")) as fits:
        assert fits[1]["c"][:].tolist() == ["abcdefghij", "abc  fg", "abcdefghijklmno", "", "abcdefg"]


def test_a_length_of_strings_past_the_cells_takes_no_memory():
    with rustfits.FITS.from_bytes(text_file("1PA(15)", "TDIM1   = '(9000000000000,2)'")) as fits:
        assert [cell.tolist() for cell in fits[1]["c"][:]][2:] == [["abcdefghijklmno"], [], ["abcdefg"]]


def test_cells_of_several_strings_by_arrow():
    import pyarrow

    with rustfits.FITS.from_bytes(text_file("1PA(15)", "TDIM1   = '(5,2)'")) as fits:
        column = pyarrow.table(fits[1])["c"]
        assert column.type == pyarrow.list_(pyarrow.string())
        assert column.to_pylist() == STRINGS


def test_cells_of_several_strings_in_other_edits():
    """They stay as they are where rows and columns beside them change; a cell that is given a text has its bytes."""
    with rustfits.FITS.from_bytes(text_file("1PA(15)", "TDIM1   = '(5,2)'"), "r+") as fits:
        hdu = fits[1]
        hdu.insert_column("n", np.arange(5), position=0)
        assert hdu.header["TDIM2"] == "(5,2)"
        hdu["c"][1] = "vwxyzuvw"
        hdu.repack()
        assert [cell.tolist() for cell in hdu["c"][:]] == [STRINGS[0], ["vwxyz", "uvw"], *STRINGS[2:]]


def test_rows_may_share_an_array():
    """Pointer aliasing is permitted (7.3.6): rows with the same array may name the same bytes, or parts of them."""
    rows = b"".join(struct.pack(">ii", *descriptor) for descriptor in [(4, 0), (4, 0), (2, 8), (1, 4)])
    table = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 4", "PCOUNT  = 16"]
    table += ["GCOUNT  = 1", "TFIELDS = 1", "TTYPE1  = 'v'", "TFORM1  = '1PJ(4)'"]
    heap = np.arange(4, dtype=">i4").tobytes()
    primary = raw_file("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0")
    data = primary + raw_file(*table, data=rows + heap)
    wanted = [[0, 1, 2, 3], [0, 1, 2, 3], [2, 3], [1]]
    with astropy_fits.open(io.BytesIO(data)) as theirs:
        assert [cell.tolist() for cell in theirs[1].data["v"]] == wanted
    with rustfits.FITS.from_bytes(data, "r+") as fits:
        hdu = fits[1]
        assert [cell.tolist() for cell in hdu["v"][:]] == wanted
        hdu.repack()
        assert hdu.header["PCOUNT"] == 16
        # A cell that changes gets bytes of its own.
        hdu["v"][0] = [np.array([7, 8], "i4")]
        assert [cell.tolist() for cell in hdu["v"][:]] == [[7, 8], *wanted[1:]]
        hdu.truncate(2)
        hdu.repack()
        assert [cell.tolist() for cell in hdu["v"][:]] == [[7, 8], [0, 1, 2, 3]]
        assert hdu.header["PCOUNT"] == 24


def test_offsets_past_2_gib_in_descriptors_of_32_bits(tmp_path):
    """Some write them as unsigned numbers: they are taken as such where they lie in the heap."""
    path, offset = tmp_path / "large.fits", 2**31 + 8
    table = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 8",
        "NAXIS2  = 2",
        f"PCOUNT  = {offset + 8}",
    ]
    table += ["GCOUNT  = 1", "TFIELDS = 1", "TTYPE1  = 'v'", "TFORM1  = '1PJ(2)'"]
    head = raw_file("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0") + raw_file(*table)
    with path.open("wb") as file:
        file.write(head + struct.pack(">iIiI", 2, offset, 1, offset + 8))
        file.seek(len(head) + 16 + offset)
        file.write(np.array([5, -6], ">i4").tobytes())
        file.truncate(-(-file.tell() // 2880) * 2880)
    with rustfits.FITS(path) as fits:
        assert fits[1]["v"][0].tolist() == [5, -6]
        with pytest.raises(ValueError, match="row 1: .*past the end of the heap"):
            fits[1]["v"][1]
