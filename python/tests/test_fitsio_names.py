"""`rustfits.fitsio`: what fitsio documents for images, headers and tables, run through both packages, is equal."""

from __future__ import annotations

import fitsio as original
import numpy as np
import pytest

import rustfits
from rustfits import fitsio as ours

IMAGE = np.arange(20, dtype="i4").reshape(4, 5)


@pytest.fixture(params=[original, ours], ids=["fitsio", "rustfits"])
def package(request):
    return request.param


def both(work, tmp_path):
    """What the same work gives with each package, on a file of its own."""
    results = []
    for package in [original, ours]:
        path = tmp_path / f"{package.__name__}.fits"
        results.append(work(package, str(path)))
    return results


def test_reading_and_writing_in_one_call(tmp_path):
    def work(package, path):
        package.write(path, IMAGE)
        package.write(path, IMAGE * 2, extname="second", header={"EXPTIME": 30.5, "FILTER": "r"})
        data, header = package.read(path, ext=1, header=True)
        results = [package.read(path).tolist(), data.tolist(), header["EXPTIME"], header["filter"], data.dtype.str]
        results += [package.read(path, ext="second").tolist(), package.read_header(path, ext="second")["EXTNAME"]]
        results += [package.read_header(path)["NAXIS1"], "EXPTIME" in package.read_header(path)]
        package.write(path, IMAGE.astype("f4"), clobber=True)
        with package.FITS(path) as fits:
            results += [len(fits), fits[0].read().dtype.name]
        return results

    theirs, mine = both(work, tmp_path)
    assert mine == theirs


def test_an_open_file(tmp_path):
    def work(package, path):
        fits = package.FITS(path, "rw")
        fits.write(
            IMAGE,
            extname="SCI",
            header=[{"name": "EXPTIME", "value": 30.5, "comment": "seconds"}, {"name": "NAXIS", "value": 7}],
        )
        fits.create_image_hdu(dims=(3, 3), dtype="f4", extname="ZEROS")
        fits.create_image_hdu(np.ones((2, 6), "i2"), extname="LIKE")
        fits.write_image(IMAGE, extname="VER", extver=3)
        results = [len(fits), "sci" in fits, "nope" in fits, fits["VER", 3].get_extver()]
        for hdu in fits:
            results += [
                hdu.get_extname(),
                hdu.get_extnum(),
                hdu.get_extver(),
                hdu.get_exttype(),
                hdu.get_exttype(num=True),
            ]
            results += [list(hdu.get_dims()), hdu.has_data(), hdu.is_compressed(), hdu.read().tolist()]
        sci = fits["sci"]
        sci.write(np.full((2, 2), -1, "i4"), start=[1, 1])
        results += [sci.read().tolist(), sci[1:3, 0:2].tolist(), sci[:, 2:4].tolist(), sci[1:4:2, ::2].tolist()]
        results.append(hdu.get_filename() == path)
        fits.close()
        for mode in ["r", package.READONLY]:
            with package.FITS(path, mode) as again:
                results.append(again[-1].get_extname())
        with package.FITS(path, "rw", clobber=True) as emptied:
            emptied.write(IMAGE)
            results.append(len(emptied))
        return results

    theirs, mine = both(work, tmp_path)
    assert mine == theirs


def test_keys_of_an_hdu(tmp_path):
    def work(package, path):
        with package.FITS(path, "rw") as fits:
            fits.write(IMAGE)
            hdu = fits[0]
            hdu.write_key("A", 1, comment="first")
            hdu.write_key("A", 2)
            hdu.write_key("Q", "it's", comment="quoted")
            hdu.write_key("LONGKEYWORDNAME", True, comment="hierarch")
            hdu.write_key("LONG", "x" * 200)
            hdu.write_keys([{"name": "B", "value": 1.25, "comment": "c"}, {"name": "C", "value": "text"}])
            hdu.write_history("edited")
            hdu.write_comment("a comment of mine")
            hdu.delete_key("C")
            header = hdu.read_header()
            names = ["A", "Q", "LONGKEYWORDNAME", "LONG", "B", "HISTORY"]
            results = [(header[name], header.get_comment(name)) for name in names]
            results += ["C" in header, header.get("C", 5), header.get("a")]
            records = {record["name"]: record for record in header.records()}
            results += [(records[name]["value"], records[name]["comment"]) for name in ["A", "Q", "B"]]
            results.append(records["BITPIX"]["value"])
            hdu.write_checksum()
            hdu.verify_checksum()
        return results

    theirs, mine = both(work, tmp_path)
    assert mine == theirs


def test_headers_of_no_file(tmp_path):
    def work(package, path):
        header = package.FITSHDR([{"name": "K", "value": 3, "comment": "z"}])
        header["L"] = "s"
        header.add_record({"name": "M", "value": 1.5})
        header.delete("K")
        other = package.FITSHDR({"x": 1, "HISTORY": "made"})
        results = [sorted(header.keys()), header["l"], len(header), "K" in header, other["X"], other["HISTORY"]]
        package.write(path, IMAGE, header=header)
        copied = package.read_header(path)
        package.write(path, IMAGE.astype("f8"), header=copied, extname="COPY")
        back = package.read_header(path, ext="COPY")
        return [*results, back["BITPIX"], back["L"], back["M"]]

    theirs, mine = both(work, tmp_path)
    assert mine == theirs


def test_tables(tmp_path):
    def work(package, path):
        table = np.zeros(5, dtype=[("a", "i4"), ("b", "f8", (2,)), ("s", "S6")])
        table["a"], table["s"] = range(5), b"xyz"
        package.write(path, table, extname="T", header={"K": 1})
        with package.FITS(path, "rw") as fits:
            hdu = fits["T"]
            results = [hdu.get_nrows(), hdu.get_colnames(), hdu.get_exttype(), hdu.has_data(), hdu.read_header()["K"]]
            results += [
                hdu.read(columns=["a"], rows=[1, 3])["a"].tolist(),
                hdu["a"][:].tolist(),
                hdu["s"][:].dtype.kind,
            ]
            results += [hdu[1:3]["b"].tolist(), hdu["a"][[4, 0]].tolist()]
            hdu.append(table[:2])
            hdu.write_column("a", np.arange(7, dtype="i4") * 10)
            hdu.write_column("b", np.ones((2, 2)), firstrow=3)
            results += [hdu.read()["a"].tolist(), hdu.read()["b"].tolist()]
            fits.write({"x": np.arange(3), "y": np.ones(3)})
            fits.write([np.arange(3)], names=["z"])
            results += [len(fits), fits[-2].get_colnames(), fits[-1].read()["z"].tolist()]
        return [*results, package.read(path, columns=["a"])["a"].tolist()]

    theirs, mine = both(work, tmp_path)
    assert mine == theirs


def test_errors(tmp_path, package):
    path = str(tmp_path / "a.fits")
    with pytest.raises(OSError):
        package.FITS(path)
    package.write(path, IMAGE)
    with package.FITS(path) as fits:
        for key in ["nope", 9]:
            with pytest.raises(OSError, match="extension not found"):
                fits[key]
        with pytest.raises(KeyError):
            fits[0].read_header()["NOPE"]
    with pytest.raises(OSError):
        package.FITS(path, "sideways")


def test_the_rest_is_the_native_object(tmp_path):
    path = tmp_path / "a.fits"
    ours.write(path, IMAGE, header={"A": 1})
    with ours.FITS(path, "READONLY") as fits:
        assert fits.mode == "r"
    with ours.FITS(path, "READWRITE") as fits:
        assert isinstance(fits.native, rustfits.FITS)
        assert fits.filename == str(path)
        fits[0].extend(IMAGE[:1])
        assert fits[0].shape == (5, 5)
        fits[0][0, 0] = 99
        assert len(fits.to_bytes()) == 5760
        with pytest.raises(AttributeError):
            fits.nothing_of_the_kind()
    with rustfits.FITS(path, "r+") as fits:
        fits[0].add_checksum()
        fits[0][0, 0] = 1
    with ours.FITS(path) as fits, pytest.raises(OSError, match="data checksum failed"):
        fits[0].verify_checksum()


def test_a_header_of_ones_own():
    header = rustfits.Header({"EXPTIME": (30.5, "seconds"), "HISTORY": "made"})
    copied = header.copy()
    copied["EXPTIME"] = 31
    assert (header["EXPTIME"], copied["EXPTIME"], copied.comment_of("EXPTIME")) == (30.5, 31, "seconds")
    assert (len(rustfits.Header()), rustfits.Header(copied)["HISTORY"]) == (0, ["made"])
