"""Every row of docs/from-fitsio-and-astropy.md: what its cells say does the same in each of the packages."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from conftest import ROOT, Loopback

import rustfits

PAGE = (ROOT / "docs/from-fitsio-and-astropy.md").read_text()
ROWS: dict[str, Callable[..., None]] = {}
NAME = "a.fits"
IMAGE = np.arange(60000, dtype="i2").reshape(300, 200)


def row(here: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Of the row whose last cell this is."""

    def add(run: Callable[..., None]) -> Callable[..., None]:
        assert here not in ROWS
        ROWS[here] = run
        return run

    return add


def cells() -> list[str]:
    """The last cells of the page's tables."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [line.rsplit(" | ", 1)[1].removesuffix(" |") for line in lines if not re.match(r"\| (fitsio|---) \|", line)]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = np.zeros(12, [("ra", "f8"), ("dec", "f8"), ("name", "S8")])
    rows["ra"] = np.arange(12)
    primary = fits.PrimaryHDU(np.ones((4, 5), "f4"))
    primary.header["EXPTIME"] = (99.9, "seconds")
    fits.HDUList([primary, fits.ImageHDU(IMAGE, name="SCI"), fits.BinTableHDU(rows, name="CAT")]).writeto(NAME)


def ours(mode: Any = "r") -> rustfits.FITS:
    return rustfits.FITS(NAME, mode)


def same(*arrays: Any) -> None:
    for array in arrays[1:]:
        np.testing.assert_array_equal(np.asarray(arrays[0]), np.asarray(array))


# Files


@row("`rustfits.FITS(name)`")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, rustfits.FITS(NAME) as c:
        assert len(a) == len(b) == len(c) == 3


@row('`rustfits.FITS(name, "r+")`; the file must be there')
def _() -> None:
    for opened in (fitsio.FITS(NAME, "rw"), fits.open(NAME, mode="update"), rustfits.FITS(NAME, "r+")):
        opened.close()
    with pytest.raises(FileNotFoundError):
        rustfits.FITS("none.fits", "r+")


@row('`rustfits.FITS(name, "w+")`')
def _() -> None:
    fitsio.FITS(NAME, "rw", clobber=True).close()
    fits.HDUList([fits.PrimaryHDU()]).writeto(NAME, overwrite=True)
    with rustfits.FITS(NAME, "w+") as file:
        assert len(file) == 0


@row("`rustfits.read(name, 1)`")
def _() -> None:
    same(fitsio.read(NAME, ext=1), fits.getdata(NAME, 1), rustfits.read(NAME, 1))


@row("`rustfits.read_header(name, 1)`")
def _() -> None:
    found = fitsio.read_header(NAME, 1), fits.getheader(NAME, 1), rustfits.read_header(NAME, 1)
    assert [header["EXTNAME"] for header in found] == ["SCI"] * 3


@row("`rustfits.write(name, data)`; takes the place of an old file")
def _() -> None:
    fitsio.write("b.fits", IMAGE)
    fits.writeto("c.fits", IMAGE)
    for name in ("d.fits", NAME):
        rustfits.write(name, IMAGE)
        same(*(rustfits.read(other) for other in ("b.fits", "c.fits", name)))
        assert len(rustfits.FITS(name)) == 1


@row('`FITS.from_bytes(data)`; `FITS("mem://", "w+")`, `fits.to_bytes()`')
def _() -> None:
    data = Path(NAME).read_bytes()
    with fits.open(io.BytesIO(data)) as a, rustfits.FITS.from_bytes(data) as b:
        same(a[1].data, b[1].read())
        assert b.to_bytes() == data
    with fitsio.FITS("mem://", "rw") as a, rustfits.FITS("mem://", "w+") as b:
        a.write(IMAGE)
        b.write(IMAGE)
        same(a[0].read(), b[0].read())


@row("the same")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        same(a["SCI"].read(), b["SCI"].data, c["SCI"].read())
        headers = a[0].read_header(), b[0].header, c[0].header
        for header in headers:
            assert header["EXPTIME"] == header.get("EXPTIME") == 99.9
            assert "EXPTIME" in header and "NONE" not in header
    with ours("r+") as c:
        c.write_image(IMAGE[:9], extname="SCI", extver=2)
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        same(IMAGE[:9], a["SCI", 2].read(), b["SCI", 2].data, c["SCI", 2].read())
    for write in (fitsio.write, fits.writeto, rustfits.write):
        Path("a.fits.gz").unlink(missing_ok=True)
        write("a.fits.gz", IMAGE)
        assert Path("a.fits.gz").read_bytes().startswith(b"\x1f\x8b")
        same(fitsio.read("a.fits.gz"), fits.getdata("a.fits.gz"), rustfits.read("a.fits.gz"))


@row("`print(fits)`")
def _(capsys: pytest.CaptureFixture[str]) -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        print(a)
        b.info()
        print(c)
    assert capsys.readouterr().out.count("SCI") == 3


# Headers


@row("`hdu.header`; assigning to it changes the file")
def _() -> None:
    with ours("r+") as file:
        file[0].header["NEW"] = 1
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b:
        assert a[0].read_header()["NEW"] == b[0].header["NEW"] == 1


@row('`h["KEY"] = (1, "why")`')
def _() -> None:
    with fitsio.FITS(NAME, "rw") as a:
        a[0].write_key("A", 1, "why")
    with fits.open(NAME, mode="update") as b:
        b[0].header["B"] = (1, "why")
    with ours("r+") as c:
        header = c[0].header
        header["C"] = (1, "why")
        assert [(header[key], header.comment_of(key)) for key in "ABC"] == [(1, "why")] * 3


@row('`h.comment_of("KEY")`')
def _() -> None:
    with fits.open(NAME) as b, ours() as c:
        assert fitsio.read_header(NAME, 0).get_comment("EXPTIME") == "seconds"
        assert b[0].header.comments["EXPTIME"] == c[0].header.comment_of("EXPTIME") == "seconds"


@row('`h.set_comment("KEY", c)`')
def _() -> None:
    with fitsio.FITS(NAME, "rw") as a:
        a[0].write_key("EXPTIME", 99.9, "of fitsio")
        assert a[0].read_header().get_comment("EXPTIME") == "of fitsio"
    with fits.open(NAME, mode="update") as b:
        b[0].header.comments["EXPTIME"] = "of astropy"
    with ours("r+") as c:
        assert c[0].header.comment_of("EXPTIME") == "of astropy"
        c[0].header.set_comment("EXPTIME", "of ours")
    assert fits.getheader(NAME).comments["EXPTIME"] == "of ours"
    assert fits.getheader(NAME)["EXPTIME"] == 99.9


@row('`h.add_history("text")`')
def _() -> None:
    with fitsio.FITS(NAME, "rw") as a:
        a[0].write_history("one")
    with fits.open(NAME, mode="update") as b:
        b[0].header.add_history("two")
    with ours("r+") as c:
        c[0].header.add_history("three")
    assert list(fits.getheader(NAME)["HISTORY"]) == ["one", "two", "three"]


@row("a list of `str`")
def _() -> None:
    with ours("r+") as c:
        c[0].header.add_history("one")
        assert c[0].header["HISTORY"] == ["one"] == list(fits.getheader(NAME).get("HISTORY", ["one"]))


@row('`del h["KEY"]`, `h.pop("KEY")`')
def _() -> None:
    a = fitsio.read_header(NAME)
    a.delete("EXPTIME")
    b = fits.getheader(NAME)
    b["OTHER"] = 1
    b.remove("OTHER")
    assert b.pop("EXPTIME") == 99.9
    c = rustfits.read_header(NAME)
    c["OTHER"] = 1
    del c["OTHER"]
    assert c.pop("EXPTIME") == 99.9
    assert not any(key in header for header in (a, b, c) for key in ("EXPTIME", "OTHER"))


@row("`rustfits.Header(dict)`; a header of astropy is taken as it is")
def _() -> None:
    cards = {"A": 1, "B": "text"}
    a, b = fitsio.FITSHDR(cards), fits.Header(list(cards.items()))
    c = rustfits.Header(cards)
    assert [a[key] for key in cards] == [b[key] for key in cards] == [c[key] for key in cards]
    assert rustfits.Header(b) == c


@row("`h.items()`; `h.cards` are the cards as strings")
def _() -> None:
    b, c = fits.getheader(NAME), rustfits.read_header(NAME)
    assert [record["name"] for record in fitsio.read_header(NAME).records()] == [key for key, _ in c.items()]
    assert [(card.keyword, card.value) for card in b.cards] == c.items()
    assert [str(card).rstrip() for card in b.cards] == [card.rstrip() for card in c.cards]


@row("`h.update(other)`")
def _() -> None:
    b, c, other = fits.Header(), rustfits.Header(), {"A": 1, "B": 2}
    b.update(other)
    c.update(other)
    assert dict(b) == c.to_dict() == other


@row("`h.copy()`; also `copy.copy`, and pickled")
def _() -> None:
    header = rustfits.read_header(NAME)
    for twin in (header.copy(), copy.copy(header), pickle.loads(pickle.dumps(header))):
        twin["NEW"] = 1
        assert "NEW" not in header
        del twin["NEW"]
        assert twin == header
    assert fits.getheader(NAME).copy()["EXPTIME"] == header["EXPTIME"]


# Images


@row("`hdu.read()`, `hdu[...]`")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        same(IMAGE, a[1].read(), a[1][:, :], b[1].data, c[1].read(), c[1][...])


@row("`hdu[10:20, 30:40]`, with every step, negative ones, and lists")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        same(a[1][10:20, 30:40], b[1].section[10:20, 30:40], c[1][10:20, 30:40])
        same(IMAGE[::-3, 40:30:-2], c[1][::-3, 40:30:-2])
        same(IMAGE[[5, 3]][:, 1], c[1][[5, 3], 1])


@row("`hdu.shape`")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        assert tuple(a[1].get_dims()) == b[1].shape == c[1].shape == (300, 200)


def scaled() -> None:
    hdu = fits.ImageHDU(IMAGE[:3, :4].copy())
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 2.0, 1.0, 1
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(NAME, overwrite=True, output_verify="ignore")
    with fits.open(NAME, mode="update", do_not_scale_image_data=True) as file:
        file[1].header["BSCALE"], file[1].header["BZERO"] = 2.0, 1.0


@row("`hdu.read(scale=False)`")
def _() -> None:
    scaled()
    with fits.open(NAME, do_not_scale_image_data=True) as b, ours() as c:
        same(b[1].data, c[1].read(scale=False))
    assert not np.array_equal(rustfits.read(NAME, 1), fits.getdata(NAME, 1, do_not_scale_image_data=True))


@row("`hdu.read(mask_blank=True)`")
def _() -> None:
    scaled()
    with ours() as c:
        stored, header = c[1].read(scale=False), c[1].header
        same(c[1].read(mask_blank=True).mask, stored == header["BLANK"])
        assert (stored == header["BLANK"]).sum() == 1


@row('`fits.write_image(image, extname="SCI")`')
def _() -> None:
    with fitsio.FITS("b.fits", "rw") as a:
        a.write(IMAGE, extname="SCI")
    b = fits.HDUList()
    b.append(fits.ImageHDU(IMAGE, name="SCI"))
    b.writeto("c.fits")
    with rustfits.FITS("d.fits", "w+") as c:
        c.write_image(IMAGE, extname="SCI")
    same(*(rustfits.read(name, "SCI") for name in ("b.fits", "c.fits", "d.fits")))


@row("`hdu[10:14, 30:34] = stamp`, `hdu.write(stamp, start=(10, 30))`")
def _() -> None:
    stamp, expected = np.full((4, 4), 7, "i2"), IMAGE.copy()
    expected[10:14, 30:34] = 7

    def of_fitsio() -> None:
        with fitsio.FITS(NAME, "rw") as a:
            a[1].write(stamp, start=(10, 30))

    def of_astropy() -> None:
        with fits.open(NAME, mode="update") as b:
            b[1].data[10:14, 30:34] = stamp

    def by_key() -> None:
        with ours("r+") as c:
            c[1][10:14, 30:34] = stamp

    def by_start() -> None:
        with ours("r+") as c:
            c[1].write(stamp, start=(10, 30))

    before = Path(NAME).read_bytes()
    for change in (of_fitsio, of_astropy, by_key, by_start):
        Path(NAME).write_bytes(before)
        change()
        same(expected, fits.getdata(NAME, 1))


@row("`hdu.extend(rows)` along the first axis; else write a new HDU")
def _() -> None:
    with ours("r+") as c:
        c[1].extend(IMAGE[:5])
        assert c[1].shape == (305, 200)
    with fitsio.FITS(NAME, "rw") as a:
        a[1].reshape([310, 200])
        assert tuple(a[1].get_dims()) == (310, 200)
    with fits.open(NAME, mode="update") as b:
        b[1].data = np.concatenate([b[1].data, IMAGE[:1]])
    assert fits.getdata(NAME, 1).shape == (311, 200)


@row("`hdu.add_checksum()`")
def _() -> None:
    with fitsio.FITS(NAME, "rw") as a:
        a[0].write_checksum()
    with fits.open(NAME, mode="update") as b:
        b[1].add_checksum()
    with ours("r+") as c:
        c[2].add_checksum()
        assert [hdu.verify_checksum() for hdu in c] == [True] * 3


@row("`hdu.verify_checksum()` is True, False, or None without the card")
def _() -> None:
    with ours("r+") as c:
        assert c[1].verify_checksum() is None
        c[1].add_checksum()
        assert c[1].verify_checksum() is True
    data = bytearray(Path(NAME).read_bytes())
    data[data.index(IMAGE[:1].astype(">i2").tobytes())] ^= 1
    Path(NAME).write_bytes(data)
    with ours() as c:
        assert c[1].verify_checksum() is False
    with fitsio.FITS(NAME) as a, pytest.raises(ValueError, match="checksum"):
        a[1].verify_checksum()
    with pytest.warns(UserWarning, match="hecksum"), fits.open(NAME, checksum=True) as b:
        assert len(b) == 3


# Tables


@row('`hdu.read()`, `hdu[:]`; `Table.read(name, format="rustfits")`')
def _() -> None:

    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        # Where rustfits was imported before astropy.table.
        importlib.import_module("rustfits.astropy")
        found = a[2].read(), a[2][:], b[2].data, Table.read(NAME, 2), c[2].read(), c[2][:]
        tables = *found, Table.read(NAME, format="rustfits", hdu=2)
        same(*(table["ra"] for table in tables))
        assert all(len(table.dtype.names) == 3 for table in tables)


@row('`hdu.read(columns=["ra"], rows=[3, 1])`')
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        here = c[2].read(columns=["ra"], rows=[3, 1])
        same(b[2].data["ra"][[3, 1]], here["ra"], [3.0, 1.0])
        assert sorted(a[2].read(columns=["ra"], rows=[3, 1])["ra"]) == [1.0, 3.0]
        assert here.dtype.names == ("ra",)


@row('`hdu["ra"][10:20]`: reads these alone')
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        same(a[2]["ra"][5:9], b[2].data["ra"][5:9], c[2]["ra"][5:9])


@row('`hdu.read_column("ra")`')
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        same(a[2].read_column("ra"), b[2].data["ra"], c[2].read_column("ra"))


@row('`hdu[np.flatnonzero(hdu["ra"][:] > 3)]`')
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        data, hdu = b[2].data, c[2]
        same(data[data["ra"] > 3]["ra"], hdu[np.flatnonzero(hdu["ra"][:] > 3)]["ra"], data["ra"][a[2].where("ra > 3")])


@row("`hdu.colnames`, `hdu.nrows`")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        assert tuple(a[2].get_colnames()) == tuple(b[2].columns.names) == c[2].colnames
        assert a[2].get_nrows() == len(b[2].data) == c[2].nrows == 12


@row('`fits.write_table({"ra": ra}, units={"ra": "deg"})`')
def _() -> None:
    ra = np.arange(3.0)
    with fitsio.FITS("b.fits", "rw") as a:
        a.write({"ra": ra}, units=["deg"])
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"ra": ra}, units={"ra": "deg"}))]).writeto("c.fits")
    with rustfits.FITS("d.fits", "w+") as c:
        c.write_table({"ra": ra}, units={"ra": "deg"})
    for name in ("b.fits", "c.fits", "d.fits"):
        with rustfits.FITS(name) as file:
            same(ra, file[1]["ra"][:])
            assert file[1].units == {"ra": "deg"}


@row("`hdu.append(rows)`")
def _() -> None:
    rows = fitsio.read(NAME, ext=2)[:2]
    with fitsio.FITS(NAME, "rw") as a:
        a[2].append(rows)
    with ours("r+") as c:
        c[2].append(rows)
    same(fits.getdata(NAME, 2)["ra"], [*range(12), 0, 1, 0, 1])


@row('`hdu["ra"] = ra`')
def _() -> None:
    for shift in (1, 2, 3):
        ra = np.arange(12.0) + shift
        if shift == 1:
            with fitsio.FITS(NAME, "rw") as a:
                a[2].write_column("ra", ra)
        elif shift == 2:
            with fits.open(NAME, mode="update") as b:
                b[2].data["ra"] = ra
        else:
            with ours("r+") as c:
                c[2]["ra"] = ra
        same(fits.getdata(NAME, 2)["ra"], ra)


@row('`hdu.insert_column("mag", mag)`, `hdu.delete_column("mag")`')
def _() -> None:
    mag = np.arange(12.0)
    with fitsio.FITS(NAME, "rw") as a:
        a[2].insert_column("one", mag)
    table = Table.read(NAME, 2)
    table.add_column(mag, name="two")
    with ours("r+") as c:
        c[2].insert_column("mag", mag)
        same(c[2]["one"][:], table["two"], c[2]["mag"][:])
        c[2].delete_column("mag")
        assert "mag" not in c[2].colnames


@row("`for row in hdu`, `for chunk in hdu.iter()`")
def _() -> None:
    with fitsio.FITS(NAME) as a, fits.open(NAME) as b, ours() as c:
        read = [[row["ra"] for row in rows] for rows in (a[2], b[2].data, c[2])]
        assert read[0] == read[1] == read[2]
        same(np.concatenate([chunk["ra"] for chunk in c[2].iter()]), read[0])


# Compression


@row('`fits.write_image(i, compress="RICE_1")`')
def _() -> None:
    with fitsio.FITS("b.fits", "rw") as a:
        a.write(IMAGE, compress="RICE")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(IMAGE, compression_type="RICE_1")]).writeto("c.fits")
    with rustfits.FITS("d.fits", "w+") as c:
        c.write_image(IMAGE, compress="RICE_1")
    for file in (rustfits.FITS(name) for name in ("b.fits", "c.fits", "d.fits")):
        assert file[1].zcmptype == "RICE_1"
        same(IMAGE, file[1].read())


@row("`compress=rustfits.Gzip2(tile_shape=(50, 50))`")
def _() -> None:
    with fitsio.FITS("b.fits", "rw") as a:
        a.write(IMAGE, compress="GZIP_2", tile_dims=(50, 50))
    image = fits.CompImageHDU(IMAGE, compression_type="GZIP_2", tile_shape=(50, 50))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto("c.fits")
    with rustfits.FITS("d.fits", "w+") as c:
        c.write_image(IMAGE, compress=rustfits.Gzip2(tile_shape=(50, 50)))
    for file in (rustfits.FITS(name) for name in ("b.fits", "c.fits", "d.fits")):
        assert (file[1].zcmptype, file[1].tile_shape) == ("GZIP_2", (50, 50))
        same(IMAGE, file[1].read())


@row('`quantize=rustfits.Quantize(level=4, method="dither2")`')
def _() -> None:
    data = np.random.default_rng(1).normal(size=(60, 70)).astype("f4")
    with fitsio.FITS("b.fits", "rw") as a:
        a.write(data, compress="RICE", qlevel=4, qmethod="SUBTRACTIVE_DITHER_2")
    image = fits.CompImageHDU(data, compression_type="RICE_1", quantize_level=4, quantize_method=2)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto("c.fits")
    with rustfits.FITS("d.fits", "w+") as c:
        c.write_image(data, compress="RICE_1", quantize=rustfits.Quantize(level=4, method="dither2"))
    for file in (rustfits.FITS(name) for name in ("b.fits", "c.fits", "d.fits")):
        assert file[1].quantize.method == "dither2"
        assert 0 < np.abs(file[1].read() - data).max() < 0.2


@row("`fits.write_table(t, compress=True)`")
def _() -> None:
    with rustfits.FITS("d.fits", "w+") as c:
        c.write_table({"id": np.arange(1000)}, compress=True)
        assert isinstance(c[1], rustfits.CompressedTableHDU)
        same(c[1]["id"][:], np.arange(1000))


# Remote files


@row("`rustfits.FITS(url)`, in memory")
def _(loopback: Loopback) -> None:
    url = loopback.http + loopback.put(Path(NAME).read_bytes())
    with fits.open(url, cache=False) as b, rustfits.FITS(url) as c:
        same(b[1].data, c[1].read())


@row('`rustfits.FITS(url, remote="ranged")`')
def _(loopback: Loopback) -> None:
    url = loopback.http + loopback.put(Path(NAME).read_bytes())
    with rustfits.FITS(url, remote="ranged") as c:
        same(IMAGE[10:20, 30:40], c[1][10:20, 30:40])


@row("`rustfits.fetch_many(urls)`, `rustfits.download_many(urls, directory)`")
def _(loopback: Loopback, tmp_path: Path) -> None:
    url = loopback.http + loopback.put(Path(NAME).read_bytes())
    for result in rustfits.fetch_many([url]):
        same(IMAGE, result.fits[1].read())
    for done in rustfits.download_many([url], tmp_path / "down"):
        same(IMAGE, rustfits.read(done.path, 1))


@row("`rustfits.aio`")
def _() -> None:
    assert rustfits.aio.FITS.__module__ == "rustfits.aio"


def test_every_row_is_run() -> None:
    assert set(cells()) == set(ROWS)
    assert len(cells()) > 50


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("here", list(ROWS))
def test_row(here: str, request: pytest.FixtureRequest) -> None:
    names = ROWS[here].__code__.co_varnames[: ROWS[here].__code__.co_argcount]
    ROWS[here](*(request.getfixturevalue(name) for name in names))
