"""Headers as mappings: copied, compared, pickled, filled from dicts and from headers of astropy."""

from __future__ import annotations

import collections
import copy
import multiprocessing
import pickle
import types

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import raw_file

import rustfits


@pytest.fixture
def header() -> rustfits.Header:
    header = rustfits.Header({"EXPTIME": (99.9, "seconds"), "ESO DET NAME": "x" * 100, "NOTHING": None})
    header.add_history("first")
    header.add_history("second")
    return header


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, rustfits.Header.copy, rustfits.Header])
def test_copies_are_equal_and_apart(header, copied):
    other = copied(header)
    assert other == header and other.cards == header.cards
    other["EXPTIME"] = 1.0
    assert other != header and header["EXPTIME"] == 99.9


def test_headers_are_equal_card_by_card(header):
    other = header.copy()
    other.set_comment("EXPTIME", "in seconds")
    assert header != other
    assert header != {"EXPTIME": 99.9} and header != header.cards
    with pytest.raises(TypeError):
        hash(header)


def test_pickled(header, tmp_path):
    assert pickle.loads(pickle.dumps(header)) == header
    rustfits.write(tmp_path / "a.fits", np.zeros(3, "i2"), header=header)
    with rustfits.FITS(tmp_path / "a.fits") as fits:
        again = pickle.loads(pickle.dumps(fits[0].header))
        assert again == fits[0].header and again.comment_of("EXPTIME") == "seconds"
    again["EXPTIME"] = 1.0
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (there,) = pool.map(rustfits.read_header, [tmp_path / "a.fits"])
    assert there["HISTORY"] == ["first", "second"] and there["NAXIS1"] == 3


def test_a_pickled_header_is_as_lenient_as_it_was():
    start = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]
    content = raw_file(*start, "SEEING  = INF")
    for lenient in (True, False):
        header = pickle.loads(pickle.dumps(rustfits.FITS.from_bytes(content, lenient=lenient)[0].header))
        if lenient:
            assert header["SEEING"] == float("inf")
        else:
            with pytest.raises(ValueError, match="SEEING"):
                header["SEEING"]


def test_pop_and_setdefault(header):
    assert header.pop("exptime") == 99.9 and "EXPTIME" not in header
    assert header.pop("EXPTIME", 3) == 3 and header.pop("EXPTIME", None) is None
    with pytest.raises(KeyError, match="EXPTIME"):
        header.pop("EXPTIME")
    assert header.pop("HISTORY") == ["first", "second"] and "HISTORY" not in header
    assert header.setdefault("FILTER", "r") == "r" and header.setdefault("FILTER", "g") == "r"


def test_a_dict_comes_back(header):
    again = rustfits.Header(header.to_dict())
    assert again.to_dict() == header.to_dict()
    other = rustfits.Header()
    other.update(header.to_dict())
    other["COMMENT"] = ["one", "two"]
    assert other["HISTORY"] == ["first", "second"] and other["COMMENT"] == ["one", "two"]


def test_every_mapping_is_taken():
    values = {"A": 1, "B": (2.5, "a comment")}
    for kind in (dict, collections.OrderedDict, types.MappingProxyType, collections.ChainMap):
        mapping = kind(values)
        header = rustfits.Header(mapping)
        header.update(mapping)
        assert header.to_dict() == {"A": 1, "B": 2.5} and header.comment_of("B") == "a comment"


def test_a_header_of_astropy_is_taken():
    theirs = astropy_fits.ImageHDU(np.zeros((3, 4), "f8")).header
    theirs["EXPTIME"] = (99.9, "seconds")
    theirs["HIERARCH ESO DET NAME"] = ("CCD", "the detector")
    theirs["LONG"] = "word " * 30 + "end"
    theirs["NOTHING"] = None
    theirs["HISTORY"] = "first"
    theirs["COMMENT"] = "a remark"
    with rustfits.FITS("mem://", "w+") as fits:
        ours = fits.write_image(np.zeros((5, 6), "i2"), header=theirs).header
        assert (ours["BITPIX"], ours["NAXIS1"], ours["NAXIS2"]) == (16, 6, 5)
        for keyword in ("EXPTIME", "ESO DET NAME", "LONG"):
            assert ours[keyword] == theirs[keyword] and ours.comment_of(keyword) == theirs.comments[keyword]
        assert ours["NOTHING"] is None and ours["HISTORY"] == ["first"] and ours["COMMENT"] == ["a remark"]
        table = fits.write_table({"a": [1]})
        table.header.update(theirs)
        assert table.header["EXPTIME"] == 99.9 and table.header["BITPIX"] == 8 and "HISTORY" not in table.header
    assert rustfits.Header(theirs)["NAXIS2"] == 3


def test_refusals_name_the_keyword(header):
    with pytest.raises(TypeError, match="keyword 'OBSERVER': a list is no value"):
        header["OBSERVER"] = ["a", "b"]
    with pytest.raises(TypeError, match="keyword 'OBSERVER': a bytes is no value"):
        header.update({"OBSERVER": b"me"})
    with pytest.raises(ValueError, match="keyword 'OBSERVER': a tuple is a value and its comment, this one has 3"):
        header["OBSERVER"] = ("a", "b", "c")
    with pytest.raises(TypeError, match="a Header, a dict or a header of astropy, not from a list"):
        header.update([("A", 1)])
    with pytest.raises(TypeError, match="not from a str"), rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(np.zeros(3), header="EXPTIME = 3")


@pytest.mark.parametrize("live", [True, False])
def test_a_list_of_which_one_is_refused_adds_nothing(live):
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(np.zeros(3, "i2"))
        header = file[0].header if live else rustfits.Header()
        with pytest.raises(ValueError, match="HISTORY"):
            header["HISTORY"] = ["fine", "caf\u00e9"]
        header["HISTORY"] = ["one", "two"]
        assert header["HISTORY"] == ["one", "two"]
