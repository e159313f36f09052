"""One file in several hands: read while another process appends, and changed through two handles."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits

ROWS = np.array([(1, 2.5), (2, 3.5)], dtype=[("a", "i4"), ("b", "f8")])

APPENDING = """
import sys, numpy, rustfits
for number in range(40):
    with rustfits.FITS(sys.argv[1], "r+") as fits:
        fits.write_image(numpy.full((50, 60), number, "i4"), extname=f"N{number}")
        fits["ROWS"].append(numpy.array([(number, number / 2)], dtype=[("a", "i4"), ("b", "f8")]))
    print(number, flush=True)
"""

CHANGING = """
import sys, rustfits
with rustfits.FITS(sys.argv[1], "r+") as fits:
    exec(sys.argv[2])
"""


APPEND_IMAGE = "fits.write_image(__import__('numpy').zeros((2, 2)))"


def in_another_process(path, statement):
    subprocess.run([sys.executable, "-c", CHANGING, str(path), statement], check=True)


def make(path):
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.arange(12, dtype="i2").reshape(3, 4))
        fits.write_table(ROWS, extname="ROWS")
    return path


def test_a_file_is_read_while_another_process_appends(tmp_path):
    path = make(tmp_path / "a.fits")
    with rustfits.FITS(path) as before:
        assert len(before) == 2
        process = subprocess.Popen([sys.executable, "-c", APPENDING, str(path)], stdout=subprocess.PIPE, text=True)
        with process:
            for line in process.stdout:
                done = int(line)
                with rustfits.FITS(path) as fits:
                    assert len(fits) >= done + 3
                    for number in {0, done // 2, done}:
                        np.testing.assert_array_equal(fits[f"N{number}"].read(), np.full((50, 60), number))
                    rows = fits["ROWS"]["a"][:]
                    assert rows[: done + 3].tolist() == [1, 2, *range(done + 1)]
                # The file as it was when it was opened.
                np.testing.assert_array_equal(before[0].read(), np.arange(12).reshape(3, 4))
                np.testing.assert_array_equal(before["ROWS"].read(), ROWS)
        assert process.returncode == 0
    with astropy_fits.open(path) as hdus:
        hdus.verify("exception")
        assert len(hdus) == 42


@pytest.mark.parametrize("elsewhere", ["same process", "another process"])
@pytest.mark.parametrize(
    "first, second",
    [
        ("fits[0].header['A'] = 1", "fits[0].header['B'] = 2"),
        (APPEND_IMAGE, "fits[0].header['B'] = 2"),
        (APPEND_IMAGE, APPEND_IMAGE),
        ("fits['ROWS'].append({'a': [3], 'b': [4.5]})", "fits['ROWS'].append({'a': [5], 'b': [6.5]})"),
        ("del fits['ROWS']", "fits['ROWS']['a'][0] = 4"),
        ("fits[0].header.update({f'K{n}': n for n in range(60)})", "fits['ROWS']['a'][0] = 4"),
    ],
)
def test_an_edit_of_what_another_has_changed_is_refused(tmp_path, elsewhere, first, second):
    path = make(tmp_path / "a.fits")
    with rustfits.FITS(path, "r+") as fits:
        # The handle knows the file as it was.
        assert len(fits) == 2
        assert fits[0].header["NAXIS"] == 2
        if elsewhere == "another process":
            in_another_process(path, first)
        else:
            with rustfits.FITS(path, "r+") as other:
                exec(first, {"fits": other})
        expected = path.read_bytes()
        with pytest.raises(OSError, match="changed by another program: close and reopen"):
            exec(second, {"fits": fits})
        assert path.read_bytes() == expected
    assert path.read_bytes() == expected
    with rustfits.FITS(path, "r+") as fits:
        if "del" not in first:
            exec(second, {"fits": fits})
    with astropy_fits.open(path) as hdus:
        hdus.verify("exception")


def test_what_two_handles_change_in_different_places_is_all_in_the_file(tmp_path):
    path = make(tmp_path / "a.fits")
    with rustfits.FITS(path, "r+") as one, rustfits.FITS(path, "r+") as two:
        assert len(two) == 2
        one[0].header["A"] = 1
        two["ROWS"]["a"][0] = 7
        exec(APPEND_IMAGE, {"fits": two})
        in_another_process(path, "fits[0][0, 0] = 3")
    with astropy_fits.open(path) as hdus:
        hdus.verify("exception")
        assert (len(hdus), hdus[0].header["A"], hdus[0].data[0, 0]) == (3, 1, 3)
        assert hdus["ROWS"].data["a"].tolist() == [7, 2]


def test_pixels_of_two_handles_are_both_in_the_file(tmp_path):
    path = make(tmp_path / "a.fits")
    with rustfits.FITS(path, "r+") as one, rustfits.FITS(path, "r+") as two:
        one[0][0] = 1
        two[0][1] = 2
        in_another_process(path, "fits[0][2] = 3")
        np.testing.assert_array_equal(one[0].read(), np.repeat([[1], [2], [3]], 4, axis=1))
        np.testing.assert_array_equal(two[0].read(), one[0].read())
    np.testing.assert_array_equal(astropy_fits.getdata(path), np.repeat([[1], [2], [3]], 4, axis=1))
