"""Headers against astropy."""

import astropy.io.fits as astropy_fits
import pytest

import rustfits


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
    with pytest.raises(NotImplementedError):
        ours["FLAG"] = 1


def test_one_bad_card_spoils_nothing_else(tmp_path):
    hdu = astropy_fits.PrimaryHDU()
    hdu.header["GOOD"] = 1
    hdu.header["BAD"] = 2.5
    hdu.writeto(tmp_path / "a.fits")
    data = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(data.replace(b"                 2.5", b"                 NaN"))
    with rustfits.FITS(tmp_path / "a.fits") as fits:
        assert fits[0].header["GOOD"] == 1
        with pytest.raises(ValueError, match=r"BAD.*lenient=True"):
            fits[0].header["BAD"]
    with rustfits.FITS(tmp_path / "a.fits", lenient=True) as fits:
        assert fits[0].header["BAD"] != fits[0].header["BAD"]
