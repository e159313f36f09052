"""Headers against astropy and fitsio, and cards that neither would write."""

from __future__ import annotations

import math

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, raw_file

import rustfits

START = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]


def header_of(*cards: str, lenient: bool = False) -> rustfits.Header:
    return rustfits.FITS.from_bytes(raw_file(*START, *cards), lenient=lenient)[0].header


def test_every_form_of_value(tmp_path):
    hdu = astropy_fits.PrimaryHDU()
    header = hdu.header
    header["TEXT"] = ("it's", "a comment")
    header["LONG"] = "word " * 40 + "end"
    header["HIERARCH ESO DET NAME"] = 4.5
    header["FLAG"] = True
    header["COMPLEX"] = 1 + 2j
    header["UNDEF"] = None
    header["BIG"] = 12345678901234567890123
    header["REAL"] = 1234567891234.1235
    header["HISTORY"] = "first"
    header["HISTORY"] = "second"
    hdu.writeto(tmp_path / "a.fits")
    with rustfits.FITS(tmp_path / "a.fits") as fits:
        ours = fits[0].header
    for keyword in ["TEXT", "LONG", "ESO DET NAME", "FLAG", "COMPLEX", "BIG", "REAL", "NAXIS"]:
        assert ours[keyword] == header[keyword], keyword
        assert type(ours[keyword]) is type(header[keyword]), keyword
    assert ours["UNDEF"] is None
    assert ours.comment_of("text") == "a comment"
    assert ours["history"] == ["first", "second"]
    assert "FLAG" in ours and "flag" in ours and "NOPE" not in ours
    assert ours.get("NOPE", 3) == 3
    assert list(ours)[0] == "SIMPLE" and len(ours.keys()) == len(ours)
    with pytest.raises(KeyError, match="NOPE"):
        ours["NOPE"]
    with pytest.raises(OSError, match="read-only"):
        ours["FLAG"] = 1
    with pytest.raises(OSError, match="read-only"):
        del ours["FLAG"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("                   T", True),
        ("                   F", False),
        ("T", True),
        ("                  42", 42),
        ("42", 42),
        ("+42 / signed", 42),
        ("-0", 0),
        ("00012", 12),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        (str(2**63), 2**63),
        (str(2**64 - 1), 2**64 - 1),
        ("1" * 60, int("1" * 60)),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E+3", -1500.0),
        ("1.5D-3", 0.0015),
        ("1E3", 1000.0),
        ("99.9", 99.9),
        ("1234567891234.1235", 1234567891234.1235),
        ("0.1000000000000000055511151231257827", 0.1),
        ("1.7976931348623157E308", 1.7976931348623157e308),
        ("5E-324", 5e-324),
        ("(1, 2)", 1 + 2j),
        ("(1.5, -2.5E1)", 1.5 - 25j),
        ("'text'", "text"),
        ("'text    '", "text"),
        ("  'free'  / comment", "free"),
        ("'  leading'", "  leading"),
        ("''", ""),
        ("'it''s'", "it's"),
        ("''''", "'"),
        ("'GRAVITY/176642' / slash", "GRAVITY/176642"),
        ("'ends in &'", "ends in &"),
        ("", None),
        ("                    / only a comment", None),
    ],
    ids=repr,
)
def test_value_fields(field, value):
    header = header_of(f"KEY     = {field}", "NEXT    =                    1")
    assert header["KEY"] == value
    assert type(header["KEY"]) is type(value)
    assert header["NEXT"] == 1


def test_undefined_and_empty_differ():
    header = header_of("UNDEF   =", "EMPTY   = ''", "BLANK   = '   '")
    assert header["UNDEF"] is None
    assert header["EMPTY"] == ""
    assert header["BLANK"].strip() == ""
    assert header.get("UNDEF", 1) is None


@pytest.mark.parametrize("field", ["NaN", "nan", "Inf", "-INF", "1.95E+00,", "'open", "T F", "maybe", "1.2.3", "12abc"])
def test_a_bad_value_is_refused_alone(field):
    header = header_of("BEFORE  =                    1", f"BAD     = {field}", "AFTER   =                    2")
    assert header["BEFORE"] == 1
    assert header["AFTER"] == 2
    assert "BAD" in header
    with pytest.raises(ValueError, match="BAD") as raised:
        header["BAD"]
    assert "HDU 0" in str(raised.value)
    assert header.cards[4].startswith(f"BAD     = {field}")
    assert f"BAD     = {field}" in str(header)


@pytest.mark.parametrize(
    ("field", "value"), [("NaN", math.nan), ("NAN", math.nan), ("Inf", math.inf), ("-INF", -math.inf)]
)
def test_lenient_takes_nan_and_inf(field, value):
    with pytest.raises(ValueError, match="lenient=True"):
        header_of(f"KEY     = {field}")["KEY"]
    np.testing.assert_equal(header_of(f"KEY     = {field}", lenient=True)["KEY"], value)


def test_bytes_outside_ascii():
    cards = ["HISTORY caf\xe9", "NAME    = 'caf\xe9'", "GOOD    =                    1"]
    header = header_of(*cards)
    assert header["GOOD"] == 1
    with pytest.raises(ValueError, match="NAME"):
        header["NAME"]
    lenient = header_of(*cards, lenient=True)
    assert lenient["NAME"] == "caf_"
    assert lenient["HISTORY"] == ["caf_"]


def test_keywords_with_illegal_characters_are_readable():
    header = header_of(
        "FRA.ZP  =                  1.5", "lower   =                    2", "A*      =                    3"
    )
    lenient = header_of(
        "FRA.ZP  =                  1.5",
        "lower   =                    2",
        "A*      =                    3",
        lenient=True,
    )
    for keyword, value in [("FRA.ZP", 1.5), ("lower", 2), ("LOWER", 2), ("A*", 3)]:
        assert header[keyword] == value
        assert lenient[keyword] == value


@pytest.mark.parametrize("length", [60, 67, 68, 69, 70, 130, 135, 136, 200, 1000, 5000])
@pytest.mark.parametrize("quote", ["", "'"])
def test_long_strings_as_astropy(length, quote):
    text = (f"word{quote} & " * length)[:length].rstrip()
    hdu = astropy_fits.PrimaryHDU()
    hdu.header["LONG"] = (text, "note" if length > 68 else "")
    hdu.header["NEXT"] = 5
    header = rustfits.FITS.from_bytes(hdu_bytes(hdu))[0].header
    assert header["LONG"] == text
    assert header.comment_of("LONG") == hdu.header.comments["LONG"]
    assert header["NEXT"] == 5
    assert list(header)[-2:] == ["LONG", "NEXT"]


def test_long_strings_as_fitsio(tmp_path):
    path = tmp_path / "long.fits"
    text = "a long text, " * 30
    fitsio.write(str(path), np.zeros(2), header={"LONG": text, "N": 3})
    with rustfits.FITS(path) as file:
        assert file[0].header["LONG"] == text.rstrip()
        assert file[0].header["N"] == 3


def test_continue_cards():
    header = header_of(
        "CHAIN   = 'first &'",
        "CONTINUE  'second &'",
        "CONTINUE  'last' / one comment",
        "OPEN    = 'ends in &'",
        "NEXT    =                    1",
        "DANGLE  = 'one &'",
        "CONTINUE  'two &'",
        "END_    =                    2",
    )
    assert header["CHAIN"] == "first second last"
    assert header.comment_of("CHAIN") == "one comment"
    # Nothing goes on behind this &: it is text (4.2.1.2).
    assert header["OPEN"] == "ends in &"
    assert header["DANGLE"] == "one two &"
    assert header["NEXT"] == 1
    assert header["END_"] == 2


def test_a_continue_card_that_continues_nothing():
    header = header_of("NUMBER  =                    1", "CONTINUE  'lost'", "NEXT    =                    2")
    assert header["NUMBER"] == 1
    assert header["NEXT"] == 2


def test_hierarch():
    header = header_of(
        "HIERARCH ESO DET NAME = 'CCD-44' / detector",
        "HIERARCH Mixed.Case key = 7",
        "HIERARCH ESO EXP=4.5",
        "HIERARCH ESO LONG TEXT = 'first &'",
        "CONTINUE  'last' / its comment",
    )
    assert header["ESO DET NAME"] == "CCD-44"
    assert header["eso det name"] == "CCD-44"
    assert header.comment_of("ESO DET NAME") == "detector"
    assert header["MIXED.CASE KEY"] == 7
    assert header["ESO EXP"] == 4.5
    assert header["ESO LONG TEXT"] == "first last"
    assert "ESO DET NAME" in header.keys()


def test_commentary():
    header = header_of(
        "COMMENT one",
        "HISTORY   indented",
        "COMMENT",
        "        blank keyword",
        "COMMENT = 'no value'",
        "        = '  '",
        "KEY     =                    1",
    )
    assert header["COMMENT"] == ["one", "", "= 'no value'"]
    assert header["history"] == ["  indented"]
    assert header[""][0] == "blank keyword"
    assert len(header[""]) == 2
    assert list(header) == ["SIMPLE", "BITPIX", "NAXIS", "COMMENT", "HISTORY", "", "KEY"]
    assert all(isinstance(keyword, str) for keyword in header)
    for keyword in ["HISTORY", "COMMENT", ""]:
        empty = header_of()
        assert keyword not in empty
        assert empty.get(keyword, []) == []
        with pytest.raises(KeyError):
            empty[keyword]


def test_no_value_indicator_is_commentary():
    header = header_of("NOTE    this is text", "KEY=5", "LAST    =                    1")
    assert header["LAST"] == 1
    assert "NOTE" in header


def test_the_same_keyword_twice():
    header = header_of(
        "KEY     =                    1 / a", "OTHER   =                    2", "KEY     =                    3 / b"
    )
    assert header["KEY"] == 1
    assert header.comment_of("KEY") == "a"
    assert list(header).count("KEY") == 1
    assert dict(header.items())["KEY"] == 1
    assert len(header.cards) == 6


def test_mapping():
    header = header_of("ALPHA   =                    1 / first", "BETA    =                  2.5", "GAMMA   = 'c'")
    assert list(header) == header.keys() == ["SIMPLE", "BITPIX", "NAXIS", "ALPHA", "BETA", "GAMMA"]
    assert header.values() == [True, 8, 0, 1, 2.5, "c"]
    assert header.items() == list(zip(header.keys(), header.values(), strict=True))
    assert len(header) == 6
    assert "alpha" in header and "Alpha " in header and "DELTA" not in header
    assert 1 not in header
    assert header["alpha"] == header["ALPHA"] == header["ALPHA  "] == 1
    assert header.get("delta") is None
    assert header.get("delta", 7) == 7
    assert header.get("beta", 7) == 2.5
    assert header.comment_of("alpha") == "first"
    assert header.comment_of("beta") == ""
    assert header.to_dict() == dict(header.items())
    assert list(header.to_dict(skip_protected=True)) == ["ALPHA", "BETA", "GAMMA"]
    for call in [header.__getitem__, header.comment_of]:
        with pytest.raises(KeyError, match="DELTA"):
            call("DELTA")
    for key in [1, None, b"ALPHA", ("ALPHA",)]:
        with pytest.raises(TypeError):
            header[key]


def test_cards_and_str():
    header = header_of("ALPHA   =                    1 / first", "COMMENT two")
    assert all(len(card) == 80 for card in header.cards)
    assert [card.rstrip() for card in header.cards][3:] == ["ALPHA   =                    1 / first", "COMMENT two"]
    assert str(header).splitlines() == [card.rstrip() for card in header.cards]
    assert "5 cards" in repr(header)


def test_the_same_object_each_time_and_after_close(write):
    file = rustfits.FITS(write(raw_file(*START, "KEY     =                    5")))
    hdu = file[0]
    assert hdu.header is hdu.header
    file.close()
    assert hdu.header["KEY"] == 5


def test_many_cards():
    header = header_of(*(f"K{n:<7}= {n:>20} / comment {n}" for n in range(3000)))
    assert [header[f"K{n}"] for n in range(3000)] == list(range(3000))
    assert len(header) == 3003


def test_every_card_as_astropy(tmp_path):
    hdu = astropy_fits.ImageHDU(np.zeros((2, 3), "i2"), name="sci", ver=3)
    random = np.random.default_rng(5)
    for n in range(200):
        kind = n % 5
        value = [int(random.integers(-(10**12), 10**12)), float(random.normal()), f"text {n}", n % 2 == 0, None][kind]
        hdu.header[f"KEY{n}"] = (value, f"comment {n}")
    data = hdu_bytes(astropy_fits.PrimaryHDU(), hdu)
    header = rustfits.FITS.from_bytes(data)[1].header
    # Read again: astropy writes fewer digits than it was given.
    theirs = astropy_fits.HDUList.fromstring(data)[1].header
    for card in theirs.cards:
        expected = None if isinstance(card.value, astropy_fits.card.Undefined) else card.value
        assert header[card.keyword] == expected
        assert header.comment_of(card.keyword) == card.comment


def test_every_value_as_fitsio(tmp_path):
    path = tmp_path / "keys.fits"
    records = {"INT": 5, "REAL": 1.25e-9, "TEXT": "it's", "YES": True, "NO": False, "MINUS": -7, "NONE": None}
    fitsio.write(str(path), np.zeros(3, "f4"), header=records)
    theirs = fitsio.read_header(str(path))
    with rustfits.FITS(path) as file:
        for keyword in records:
            assert file[0].header[keyword] == theirs[keyword] == records[keyword]


def test_nul_fill_behind_end():
    data = raw_file(*START, "KEY     =                    5")
    end = data.index(b"END     ") + 80
    file = rustfits.FITS.from_bytes(data[:end] + b"\0" * (len(data) - end))
    assert file[0].header["KEY"] == 5


def test_a_mandatory_card_without_a_usable_value(write):
    path = write(raw_file("SIMPLE  =                    T", "BITPIX  = 'eight'", "NAXIS   =                    0"))
    with pytest.raises((OSError, ValueError), match="BITPIX") as raised, rustfits.FITS(path) as file:
        file[0].read()
    assert path.name in str(raised.value)


def test_end_missing(write):
    path = write(raw_file(*START).replace(b"END     ", b"NOTEND  "))
    with pytest.raises(OSError, match="END") as raised:
        rustfits.FITS(path)
    assert path.name in str(raised.value)
