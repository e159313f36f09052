"""`atomic=True`: a file that gets its name when it is complete."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import stat
import subprocess
import sys

import fitsio
import numpy as np
import pytest

import rustfits
from rustfits import aio

NAMES = ["a.fits", "a.fits.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_appears_when_it_is_closed(tmp_path, name):
    path = tmp_path / name
    with rustfits.FITS(path, "w+", atomic=True) as fits:
        fits.write_image(np.arange(6).reshape(2, 3))
        fits.sync()
        for number in range(100):  # a header that outgrows its block moves the rest
            fits[0].header[f"K{number}"] = number
        fits.write_image(np.ones(3, "f4"), extname="SECOND")
        assert (fits.filename, fits[0].header["K99"]) == (str(path), 99)
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(fitsio.read(str(path)), np.arange(6).reshape(2, 3))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", NAMES)
def test_an_old_file_stays_until_then_and_gives_its_mode(tmp_path, name):
    path = tmp_path / name
    rustfits.write(path, np.zeros(3))
    path.chmod(0o640)
    old = path.read_bytes()
    with rustfits.FITS(path, "w+", atomic=True) as fits:
        fits.write_image(np.ones(5))
        fits.sync()
        assert path.read_bytes() == old
    assert rustfits.read(path).tolist() == [1] * 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_and_a_forgotten_handle_leave_nothing(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(RuntimeError), rustfits.FITS(path, "w+", atomic=True) as fits:
        fits.write_image(np.ones(5))
        raise RuntimeError
    assert fits.closed
    fits = rustfits.FITS(path, "w+", atomic=True)
    fits.write_image(np.ones(5))
    del fits
    gc.collect()
    assert list(tmp_path.iterdir()) == []

    async def fail():
        async with aio.FITS(path, "w+", atomic=True) as fits:
            await fits.write_image(np.ones(5))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail())
    assert list(tmp_path.iterdir()) == []
    # Without it, what was written before the exception is there.
    with pytest.raises(RuntimeError), rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.ones(5))
        raise RuntimeError
    assert rustfits.read(path).tolist() == [1] * 5


def test_a_killed_job_leaves_nothing_under_the_name(tmp_path):
    path = tmp_path / "a.fits"
    job = f"""
import numpy, os, signal, rustfits
fits = rustfits.FITS({str(path)!r}, "w+", atomic=True)
fits.write_image(numpy.ones((100, 100)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", job], check=False).returncode == -signal.SIGKILL
    assert not path.exists()


def test_a_forked_child_that_ends_takes_nothing_away(tmp_path):
    path = tmp_path / "a.fits"
    job = f"""
import numpy, os, rustfits
fits = rustfits.FITS({str(path)!r}, "w+", atomic=True)
fits.write_image(numpy.ones(3))
child = os.fork()
if child == 0:
    del fits
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
fits.close()
assert rustfits.read({str(path)!r}).tolist() == [1, 1, 1]
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", job], check=True)


def test_what_cannot_be_replaced_is_refused(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.zeros(3))
    (tmp_path / "b.fits").hardlink_to(path)
    with pytest.raises(OSError, match="hard links"):
        rustfits.FITS(path, "w+", atomic=True)
    with pytest.raises(ValueError, match="no regular file"):
        rustfits.FITS("/dev/null", "w+", atomic=True)
    with pytest.raises(FileNotFoundError):
        rustfits.FITS(tmp_path / "none" / "a.fits", "w+", atomic=True)
    for mode in ["r", "r+"]:
        with pytest.raises(ValueError, match=r"mode 'w\+'"):
            rustfits.FITS(path, mode, atomic=True)
    link = tmp_path / "link.fits"
    target = tmp_path / "target.fits"
    rustfits.write(target, np.zeros(3))
    link.symlink_to(target)
    with rustfits.FITS(link, "w+", atomic=True) as fits:
        fits.write_image(np.ones(2))
    assert link.is_symlink()
    assert rustfits.read(target).tolist() == [1, 1]
    with rustfits.FITS("mem://", "w+", atomic=True) as fits:
        fits.write_image(np.ones(2))
        assert len(fits.to_bytes()) == 5760
