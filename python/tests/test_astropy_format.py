"""`Table.read(..., format="rustfits")` and `Table.write`: what astropy's own reader gives, and what it reads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from astropy import units
from astropy.io import fits as astropy_fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.units import Quantity

import rustfits.astropy  # noqa: F401


@pytest.fixture
def table() -> Table:
    return Table(
        {
            "id": MaskedColumn([1, 2, 3], mask=[False, True, False]),
            "ra": [1.5, 2.5, 3.5] * units.deg,
            "speed": MaskedColumn([1.0, 2.0, 3.0], unit="km / s"),
            "name": ["Vega", "Deneb", "x"],
            "cell": np.arange(12, dtype="f4").reshape(3, 2, 2),
        },
        meta={"EXTNAME": "CAT", "EXPTIME": 30.5, "comments": ["first", "second"], "HISTORY": ["made"]},
    )


def same(one: Table, other: Table) -> None:
    assert one.colnames == other.colnames
    for name in one.colnames:
        # What lies under a mask is nobody's business.
        ours, theirs = np.ma.filled(one[name], 0), np.ma.filled(other[name], 0)
        np.testing.assert_array_equal(ours, theirs.astype(ours.dtype) if ours.dtype.kind == "U" else theirs, name)
        assert one[name].unit == other[name].unit
        np.testing.assert_array_equal(np.ma.getmaskarray(one[name]), np.ma.getmaskarray(other[name]), name)


def test_there_and_back(tmp_path, table):
    table.write(tmp_path / "t.fits", format="rustfits")
    ours = Table.read(tmp_path / "t.fits", format="rustfits")
    same(ours, table)
    assert ours.meta == table.meta
    theirs = Table.read(tmp_path / "t.fits")
    same(ours, theirs)
    assert theirs.meta["EXPTIME"] == 30.5


def test_what_astropy_writes(tmp_path, table):
    table.write(tmp_path / "t.fits")
    same(Table.read(tmp_path / "t.fits", format="rustfits", hdu=1), Table.read(tmp_path / "t.fits", hdu=1))
    some = Table.read(str(tmp_path / "t.fits"), format="rustfits", hdu="CAT", columns=["ra"], rows=slice(1, None))
    assert some.colnames == ["ra"] and some["ra"].tolist() == [2.5, 3.5]


def test_quantities(tmp_path, table):
    table.write(tmp_path / "t.fits", format="rustfits")
    read = QTable.read(tmp_path / "t.fits", format="rustfits")
    assert isinstance(read["ra"], Quantity)
    assert (read["ra"] == [1.5, 2.5, 3.5] * units.deg).all()
    read.write(tmp_path / "q.fits", format="rustfits")
    assert astropy_fits.getheader(tmp_path / "q.fits", 1)["TUNIT2"] == "deg"


def test_units_that_astropy_does_not_know(tmp_path):
    with rustfits.FITS(tmp_path / "u.fits", "w+") as fits:
        fits.write_table({"a": [1.0], "b": [2.0]}, units={"a": "electrons/fortnight", "b": "erg/s/cm2/A"})
    read = Table.read(tmp_path / "u.fits", format="rustfits")
    assert str(read["a"].unit) == "electrons/fortnight"


def test_files_that_are_there(tmp_path, table):
    path = tmp_path / "t.fits"
    table.write(path, format="rustfits")
    with pytest.raises(OSError, match="exists"):
        table.write(path, format="rustfits")
    table.write(path, format="rustfits", append=True, extname="MORE")
    assert [hdu.extname for hdu in rustfits.FITS(path)] == [None, "CAT", "MORE"]
    table[:1].write(path, format="rustfits", overwrite=True)
    assert len(Table.read(path, format="rustfits")) == 1


def test_what_can_not_be(tmp_path, table):
    astropy_fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "i.fits")
    with pytest.raises(ValueError, match="no HDU is a table"):
        Table.read(tmp_path / "i.fits", format="rustfits")
    with pytest.raises(ValueError, match="not a table"):
        Table.read(tmp_path / "i.fits", format="rustfits", hdu=0)
    table.meta["odd"] = {1: 2}
    with pytest.warns(UserWarning, match="meta 'odd' is not written"):
        table.write(tmp_path / "t.fits", format="rustfits")
    with pytest.raises(TypeError, match="column 'when' is a Time"):
        QTable({"when": Time(["2026-01-01"])}).write(tmp_path / "w.fits", format="rustfits")


IMPORTS = """
import sys
import rustfits
assert not any(name.split(".")[0] == "astropy" for name in sys.modules), "astropy was imported"
"""
FIRST = """
from astropy.table import Table
import rustfits
print(Table.read(sys.argv[1], format="rustfits").colnames)
"""


def test_importing_the_package_does_not_import_astropy(tmp_path, table):
    table.write(tmp_path / "t.fits", format="rustfits")
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, timeout=120)
    program = [sys.executable, "-c", "import sys\n" + FIRST, tmp_path / "t.fits"]
    assert b"'ra'" in subprocess.run(program, check=True, timeout=120, stdout=subprocess.PIPE).stdout
