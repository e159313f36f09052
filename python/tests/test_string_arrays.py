"""Arrays of strings in the cells of variable-length columns, written as they are read (FITS 4.0 §7.3.2, §7.3.5)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits

NAMES = [["abc", "d"], ["e"], [], ["fghij", "", " k"]]


def objects(cells: Any) -> np.ndarray:
    array = np.empty(len(cells), object)
    for row, cell in enumerate(cells):
        array[row] = cell
    return array


def lists(cells: Any) -> list[Any]:
    return [cell.tolist() for cell in cells]


def written(cells: Any, **keywords: Any) -> rustfits.FITS:
    fits = rustfits.FITS("mem://", "w+")
    fits.write_table({"n": np.arange(len(cells)), "c": cells}, **keywords)
    return fits


@pytest.mark.parametrize(
    ("cells", "keywords", "form", "dimensions"),
    [
        (NAMES, {}, "1PA(15):SSTR5", None),
        (objects(NAMES), {}, "1PA(15):SSTR5", None),
        (objects([np.array(cell, "S5") for cell in NAMES]), {"heap_format": "Q"}, "1QA(15):SSTR5", None),
        (objects([["abc", "d"], [], ["e", "xyzzy"]]), {}, "1PA(10)", "(5,2)"),
        ([["abc", "d"], ["e", "xyzzy"]], {"var_dtypes": {"c": "U"}}, "1PA(10)", "(5,2)"),
        (objects([np.array([["a", "b"], ["c", "dd"]])] * 2), {}, "1PA(8)", "(2,2,2)"),
        (objects([["", ""], [""]]), {}, "1PA(2):SSTR1", None),
        (NAMES, {"compress": True}, "1PA(15):SSTR5", None),
    ],
)
def test_the_form_says_how_long_they_are(cells, keywords, form, dimensions, tmp_path: Path):
    """TDIM where all arrays have one shape, else the convention for substrings; others read the same characters."""
    with written(cells, **keywords) as fits:
        hdu = fits[1]
        assert (hdu.header["TFORM2"], hdu.header.get("TDIM2")) == (form, dimensions)
        wanted = [np.asarray(cell).astype("U").tolist() for cell in cells]
        assert lists(hdu["c"][:]) == wanted
        data = fits.to_bytes()
    if "compress" in keywords:
        return
    joined = ["".join(np.asarray(cell).astype("U").reshape(-1).tolist()).replace(" ", "") for cell in wanted]
    with astropy_fits.open(io.BytesIO(data)) as theirs:
        theirs.verify("exception")
        assert ["".join(cell.tolist()).replace(" ", "") for cell in theirs[1].data["c"]] == joined
    path = tmp_path / "t.fits"
    path.write_bytes(data)
    assert [cell.replace(" ", "") for cell in fitsio.read(str(path), ext=1, vstorage="object")["c"]] == joined


def test_texts_of_numpy_of_any_length_and_masked_ones():
    texts = np.array(["ab", "c"], np.dtypes.StringDType())
    with written(objects([texts, ["d"]])) as fits:
        assert lists(fits[1]["c"][:]) == [["ab", "c"], ["d"]]
    with written(texts) as fits:
        assert (fits[1].header["TFORM2"], fits[1]["c"][:].tolist()) == ("2A", ["ab", "c"])
    with written(objects([np.ma.array(["ab", "c"], mask=[0, 1]), ["d"]])) as fits:
        assert lists(fits[1]["c"][:]) == [["ab", ""], ["d"]]


def test_cells_rows_and_columns_change():
    with written(NAMES) as fits:
        hdu = fits[1]
        hdu["c"][0] = ["q", "rst"]
        hdu["c"][1:3] = [["1", "2"], ["3", "4"]]
        hdu[3] = (9, ["last"])
        hdu.append({"n": [4, 5], "c": [["zz", "y"], []]})
        wanted = [["q", "rst"], ["1", "2"], ["3", "4"], ["last"], ["zz", "y"], []]
        assert lists(hdu["c"][:]) == wanted
        hdu.insert_column("first", objects([["a"], ["b", "c"], [], [], [], ["dd"]]), position=0)
        hdu.repack()
        assert lists(hdu["first"][:]) == [["a"], ["b", "c"], [], [], [], ["dd"]]
        assert lists(hdu["c"][:]) == wanted
        assert hdu.header["PCOUNT"] == 5 * 9 + 2 * 4
        hdu.delete_column("first")
        hdu.truncate(2)
        assert lists(hdu["c"][:]) == wanted[:2]


def set_cell(name: str, row: Any, value: Any) -> Callable[[Any], None]:
    return lambda hdu: hdu[name].__setitem__(row, value)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            set_cell("c", 0, ["abcdef"]),
            r"column 'c', row 0, text \[0\]: the text has 6 characters.*have 5.*insert_column",
        ),
        (set_cell("c", slice(2), [["a"], ["b", "longer"]]), r"row 1, text \[1\]: the text has 6 characters"),
        (set_cell("text", slice(2), [["a"], ["b", "c"]]), "column 'text': the data are arrays of texts.*insert_column"),
        (set_cell("n", slice(2), [["a"], ["b", "c"]]), "column 'n'.*the column holds numbers"),
        (set_cell("c", slice(2), [[1], [2, 3]]), "column 'c'.*the column holds strings"),
    ],
)
def test_what_does_not_fit_writes_nothing(edit, says):
    with written(NAMES) as fits:
        hdu = fits[1]
        hdu.insert_column("text", objects(["some", "texts", "", "x"]), inner_dtype="S")
        before = fits.to_bytes()
        with pytest.raises(ValueError, match=says):
            edit(hdu)
        assert fits.to_bytes() == before


def test_arrow_both_ways():
    pa = pytest.importorskip("pyarrow")
    with written(NAMES) as fits:
        table = pa.table(fits[1])
        back = fits.write_table(table)
        assert back.header["TFORM2"] == "1PA(15):SSTR5"
        assert lists(back["c"][:]) == NAMES
        nulls = pa.table({"c": pa.array([["a", None], None, ["bc"]])})
        assert lists(fits.write_table(nulls)["c"][:]) == [["a", ""], [], ["bc"]]
