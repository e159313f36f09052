"""What the documentation of fitsio shows, typed into it and into `rustfits.fitsio`: what comes out is the same."""

from __future__ import annotations

import fitsio as original
import numpy as np
import pytest

import rustfits
from rustfits import fitsio as ours

IMAGE = np.arange(400, dtype="i4").reshape(20, 20)
TABLE = np.zeros(
    10, [("Index", "i4"), ("x", "f8"), ("y", "f4"), ("name", "S5"), ("vec", "f8", 3), ("arr", "f4", (3, 4))]
)
TABLE["Index"], TABLE["x"], TABLE["y"] = range(10), np.arange(10) * 1.5, np.arange(10) ** 2
TABLE["name"] = [f"n{n}" for n in range(10)]
RAGGED = np.zeros(3, [("o", "O"), ("s", "O")])
RAGGED["o"], RAGGED["s"] = [np.arange(2), np.arange(3), np.arange(1)], ["ab", "c", "def"]


def plain(value):
    """What can be compared: nested lists with the types that matter."""
    if isinstance(value, np.ndarray):
        if value.dtype.names:
            return [(name, plain(value[name])) for name in value.dtype.names]
        kind = value.dtype.kind if value.dtype.kind in "SUO" else value.dtype.newbyteorder("=").str
        return (kind, value.shape, [plain(cell) for cell in value] if value.dtype.kind == "O" else value.tolist())
    if isinstance(value, np.void):
        return plain(np.array([value]))
    if isinstance(value, np.generic):
        return (value.dtype.str, value.item())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def both(work, tmp_path):
    """What the work gives with each package on a file with the image and the table; errors by their type."""
    results = []
    for package in [original, ours]:
        path = str(tmp_path / f"{package.__name__}.fits")
        with package.FITS(path, "rw", clobber=True) as fits:
            fits.write(IMAGE)
            fits.write(TABLE, extname="mytable")
            fits.write(RAGGED, extname="ragged")
        try:
            results.append(plain(work(package, path)))
        except Exception as error:
            results.append(type(error))
    return results


def of_table(use, **options):
    def work(package, path):
        with package.FITS(path, **options) as fits:
            return use(fits["mytable"])

    return work


READS = {
    "rows and columns": lambda p, f: p.read(f, rows=[3, 7], columns=["x", "y"], ext=1),
    "one column": lambda p, f: p.read(f, ext="mytable", columns="x", rows=[5, 2, 5]),
    "with a header": lambda p, f: p.read(f, ext=1, header=True)[1]["extname"],
    "upper": lambda p, f: p.read(f, ext=1, upper=True).dtype.names,
    "lower": lambda p, f: p.FITS(f, lower=True)[1].read(rows=[2]).dtype.names,
    "extension by name and case": lambda p, f: p.read(f, ext="MyTable", case_sensitive=True),
    "header by name": lambda p, f: p.read_header(f, "mytable", case_sensitive=False)["TTYPE1"],
    "fixed arrays": lambda p, f: p.read(f, ext="ragged"),
    "fixed arrays of some rows": lambda p, f: p.FITS(f)["ragged"]["o"][[0, 2]],
    "arrays of their length": lambda p, f: p.read(f, ext="ragged", vstorage="object", columns=["o"]),
    "an array of a cell": lambda p, f: p.FITS(f, vstorage="object")["ragged"]["o"][1],
    "which storage": lambda p, f: (p.FITS(f)[2].get_vstorage(), p.FITS(f, vstorage="object")[2].get_vstorage()),
    "a column": of_table(lambda t: (t["x"][:], t["x"].read(), t["x"][2:8:2], t["x"][np.array([1, 2])])),
    "a cell": of_table(lambda t: (t["x"][3], t["name"][3], t["vec"][3])),
    "columns": of_table(lambda t: (t["x", "y"][2:5], t["x", "y"][[1, 3]], t[["x", "y"]][0:9:3])),
    "rows": of_table(lambda t: (t[3], t[3:6], t[[3, 6]], t[-3:], t[:])),
    "read_*": of_table(lambda t: (t.read_column("x"), t.read_columns(["x", "y"]), t.read_rows([1, 2]))),
    "read_slice": of_table(lambda t: t.read_slice(1, 8, 3)),
    "names": of_table(lambda t: (t.get_colname(1), t.get_colnames(), t.get_rec_dtype()[0].names)),
    "iteration": of_table(lambda t: [row["x"] for row in t], iter_row_buffer=3),
    "iteration in lower case": of_table(lambda t: [row["index"] for row in t], lower=True),
    "where": of_table(lambda t: t["x", "y"][t.where("x > 3 && y < 25")]),
    "where, of more": of_table(
        lambda t: [
            t.where(text).tolist()
            for text in [
                "index == 3 || index >= 8",
                "!(x > 3)",
                "x + y*2 > 20 && x != 7.5",
                "sqrt(y) <= 2",
                "-x < -6",
                "name == 'n4'",
                "index/2 == 2 || index % 4 == 3",
                "x^2 > 30 && arcsin(x/100) < 0.13",
                "(x > 3 || y > 2) && index < 5",
                "x > 100",
            ]
        ]
    ),
    "where, of some rows": of_table(lambda t: t.where("x > 3", 4, 7)),
    "where, of no column": of_table(lambda t: t["nope"][:]),
    "a column that is not there": of_table(lambda t: t.read(columns=["x", "nope"])),
    "a row that is not there": of_table(lambda t: t.read(rows=[99])),
    "another letter case": of_table(lambda t: t["X"][:2], case_sensitive=True),
    "not compressed": lambda p, f: (p.FITS(f)[0].get_comptype(), p.FITS(f)[0].is_compressed()),
    "cards as texts": lambda p, f: p.FITSHDR(["A       =                    1 / c"]).get_comment("A"),
    "the last of several": lambda p, f: p.FITSHDR(["HISTORY one", "HISTORY two"])["HISTORY"],
    "constants": lambda p, f: [getattr(p, name) for name in ours.__all__ if isinstance(getattr(ours, name), int)],
}


@pytest.mark.parametrize("name", READS)
def test_reads(name, tmp_path):
    theirs, mine = both(READS[name], tmp_path)
    assert mine == theirs


def changed(use, ext="mytable"):
    """What is read of a table after it was changed, by both packages."""

    def work(package, path):
        with package.FITS(path, "rw") as fits:
            use(fits)
        return [reader.read(path, ext=ext) for reader in [original, ours]]

    return work


WRITES = {
    "rows from one on": changed(lambda f: f["mytable"].write(TABLE[:3], firstrow=7)),
    "rows beyond the end": changed(lambda f: f["mytable"].write(TABLE[:3], firstrow=9)),
    "columns by name": changed(lambda f: f["mytable"].write([TABLE["x"] * 2, TABLE["y"]], names=["x", "y"])),
    "columns of some rows": changed(lambda f: f["mytable"].write({"x": TABLE["x"][:2]}, firstrow=4)),
    "a column": changed(lambda f: f["mytable"].write_column("x", TABLE["x"] + 1)),
    "append": changed(lambda f: f["mytable"].append(TABLE[:2])),
    "append lists": changed(
        lambda f: f["mytable"].append([TABLE[name][:2] for name in TABLE.dtype.names], names=TABLE.dtype.names)
    ),
    "append a dict": changed(lambda f: f["mytable"].append({name: TABLE[name][:2] for name in TABLE.dtype.names})),
    "a new column": changed(lambda f: f["mytable"].insert_column("new", np.arange(10), colnum=0)),
    "a new last column": changed(lambda f: f["mytable"].insert_column("new", np.arange(10))),
    "fewer rows": changed(lambda f: f["mytable"].resize(4)),
    "fewer rows in front": changed(lambda f: f["mytable"].resize(4, front=True)),
    "more rows": changed(lambda f: f["mytable"].resize(14)),
    "more rows in front": changed(lambda f: f["mytable"].resize(14, front=True)),
    "without some rows": changed(lambda f: f["mytable"].delete_rows([1, 3, 8])),
    "without a slice": changed(lambda f: f["mytable"].delete_rows(slice(2, 5))),
    "without the last": changed(lambda f: f["mytable"].delete_rows(9)),
    "lists of arrays": changed(lambda f: f.write([TABLE["x"], TABLE["y"]], names=["x", "y"], extname="l"), "l"),
    "text": changed(lambda f: f.write(TABLE[["Index", "x", "name"]].copy(), table_type="ascii", extname="a"), "a"),
    "created like data": changed(lambda f: (f.create_table_hdu(TABLE, extname="c"), f["c"].write(TABLE)), "c"),
    "created from a dtype": changed(
        lambda f: (f.create_table_hdu(dtype=TABLE.dtype, extname="c"), f["c"].append(TABLE)), "c"
    ),
    "an image grows": changed(lambda f: f[0].write(np.full((2, 2), -1, "i4"), start=(30, 3)), 0),
    "an image gets rows": changed(lambda f: f[0].write(np.full((2, 20), -1, "i4"), start=[20, 0]), 0),
    "an image like another": changed(lambda f: f.create_image_hdu(IMAGE, extname="i"), "i"),
    **{
        f"compressed by {name}": changed(lambda f, name=name: f.write(IMAGE, compress=name, extname="c"), "c")
        for name in ["rice", "gzip", "gzip_2", "plio", "hcompress", "RICE_1", "HCOMPRESS", 11, 21, 22, 31, 41]
    },
    "tiles": changed(lambda f: f.write(IMAGE, compress="rice", tile_dims=(5, 10), extname="c"), "c"),
    "hcompress with options": changed(
        lambda f: f.write(IMAGE, compress="hcompress", hcomp_scale=0, hcomp_smooth=False, extname="c"), "c"
    ),
    "lossless floats": changed(lambda f: f.write(IMAGE * np.pi, compress="gzip", qlevel=None, extname="c"), "c"),
    "floats at level 0": changed(lambda f: f.write(IMAGE * np.pi, compress="gzip_2", qlevel=0, extname="c"), "c"),
    "bits": changed(lambda f: f.write({"b": np.arange(10) > 4}, write_bitcols=True, extname="b"), "b"),
}


@pytest.mark.parametrize("name", WRITES)
def test_writes(name, tmp_path):
    theirs, mine = both(WRITES[name], tmp_path)
    assert mine == theirs
    assert mine[0] == mine[1]


def test_floats_are_quantized_as_asked(tmp_path):
    noise = np.random.default_rng(4).normal(size=(40, 50)).astype("f4")
    noise[3, 4:9] = 0

    def work(package, path):
        with package.FITS(path, "rw") as fits:
            for method in ["NO_DITHER", package.SUBTRACTIVE_DITHER_1, "SUBTRACTIVE_DITHER_2"]:
                fits.write(noise, compress="rice", qlevel=8, qmethod=method, dither_seed=77)
            fits.write(noise, compress="rice", dither_seed=5)
        with rustfits.FITS(path) as fits:
            for hdu in fits.hdus[3:]:
                # To half a step, of which there are 4 in the noise at least.
                assert np.abs(hdu.read() - noise).max() < 0.6 * noise.std() / hdu.quantize.level
            return [(hdu.quantize, hdu.compression) for hdu in fits.hdus[3:]]

    theirs, mine = both(work, tmp_path)
    assert mine == theirs
    with pytest.raises(ValueError, match="qmethod"):
        ours.write(tmp_path / "a.fits", noise, compress="rice", qmethod="dither")
    with pytest.raises(ValueError, match="RICE"):
        ours.write(tmp_path / "a.fits", noise, compress="zip")


def test_units_and_cards(tmp_path):
    cards = [{"name": "observer", "value": "ES", "comment": "who"}, {"name": "location", "value": "CFHT"}]

    def work(package, path):
        with package.FITS(path, "rw") as fits:
            fits.write(TABLE, units=["s", "m", "", "", "km", ""], header=cards, extname="u")
            fits.write(TABLE[["x"]].copy(), header=package.FITSHDR(cards), table_type="ascii", extname="a")
            header = fits["u"].read_header()
            found = [header.get(f"TUNIT{n}") for n in range(1, 7)]
            return [*found, header["OBSERVER"], header.get_comment("observer"), fits["a"].read_header()["location"]]

    theirs, mine = both(work, tmp_path)
    assert mine == theirs


@pytest.mark.parametrize(
    "text", ["x >", "x in (1, 2)", "__import__('os')", "x.real > 1", "f(x)", "1 < x < 3", "x[0] > 1"]
)
def test_what_where_does_not_understand(text, tmp_path):
    ours.write(tmp_path / "a.fits", TABLE)
    with ours.FITS(tmp_path / "a.fits") as fits, pytest.raises(ValueError, match="where"):
        fits[1].where(text)


def test_rows_of_variable_length_come_and_go(tmp_path):
    path = tmp_path / "a.fits"
    ours.write(path, RAGGED)
    with ours.FITS(path, "rw", vstorage="object") as fits:
        table = fits[1]
        table.resize(5)
        assert [len(cell) for cell in table["o"][:]] == [2, 3, 1, 0, 0]
        table.resize(6, front=True)
        table.delete_rows([0, 2])
        assert [cell.tolist() for cell in table["o"][:]] == [[0, 1], [0], [], []]
        assert table["s"][:].tolist() == ["ab", "def", "", ""]
        with pytest.raises(ValueError, match="no column"):
            table.where("nope > 1")
