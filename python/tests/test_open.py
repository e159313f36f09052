"""Names, modes, keys, closed files: what opens, and which exception what does not open raises."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pathlib
import warnings

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, image_bytes, same

import rustfits

DATA = np.arange(12, dtype="i2").reshape(3, 4)


@pytest.fixture(scope="module")
def content() -> bytes:
    """A primary without data, SCI version 1 and 2, and a table CAT."""
    return hdu_bytes(
        astropy_fits.PrimaryHDU(),
        astropy_fits.ImageHDU(DATA, name="SCI", ver=1),
        astropy_fits.ImageHDU(DATA + 1, name="SCI", ver=2),
        astropy_fits.BinTableHDU.from_columns([astropy_fits.Column("a", "J", array=[1, 2, 3])], name="CAT"),
    )


class Named:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return os.fspath(self.path)


def test_names(write, content):
    path = write(content, "a b%41ü.fits")
    for name in [str(path), path, Named(path), f"file://{path.parent}/a%20b%2541%C3%BC.fits"]:
        with rustfits.FITS(name) as file:
            assert file.filename == str(path)
            assert file.mode == "r"
            same(file[1].read(), DATA)
    with rustfits.FITS(f"FILE://LocalHost{path.parent}/a%20b%2541%c3%bc.fits") as file:
        same(file[1].read(), DATA)


def test_relative_names(write, content, monkeypatch):
    path = write(content)
    monkeypatch.chdir(path.parent)
    with rustfits.FITS(path.name) as file:
        same(file[1].read(), DATA)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("file://elsewhere/a.fits", ValueError),
        ("file:///a%ZZ.fits", ValueError),
        ("file:///a%4", ValueError),
        ("gopher://host/a.fits", ValueError),
        ("stream://", NotImplementedError),
        ("-", NotImplementedError),
        ("shmem://h1", NotImplementedError),
        ("root://host/a.fits", NotImplementedError),
        ("gsiftp://host/a.fits", NotImplementedError),
        ("", (OSError, ValueError)),
        ("a\0b.fits", (OSError, ValueError)),
    ],
)
def test_names_that_are_refused(name, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        rustfits.FITS(name)


def test_what_refused_names_say():
    with pytest.raises(ValueError, match="elsewhere"):
        rustfits.FITS("file://elsewhere/a.fits")
    with pytest.raises(ValueError, match="http"):
        rustfits.FITS("gopher://host/a.fits")
    for name in ["stream://", "-", "shmem://h1"]:
        with pytest.raises(NotImplementedError, match="from_bytes"):
            rustfits.FITS(name)


@pytest.mark.parametrize("name", [1, 1.5, None, object(), [b"a"]])
def test_a_name_of_another_type(name):
    with pytest.raises(TypeError):
        rustfits.FITS(name)


@pytest.mark.parametrize("mode", ["", "w", "rw", "R", "readonly", "a", "r +"])
def test_unknown_modes(write, content, mode):
    with pytest.raises(ValueError, match="mode"):
        rustfits.FITS(write(content), mode)
    with pytest.raises(ValueError, match="mode"):
        rustfits.FITS.from_bytes(content, mode)


def test_options_that_do_not_go_with_the_mode(write, content):
    path = write(content)
    with pytest.raises(ValueError, match="atomic"):
        rustfits.FITS(path, "r+", atomic=True)
    with pytest.raises(ValueError, match="allow_in_place"):
        rustfits.FITS(path, "w+", allow_in_place=True)
    with pytest.raises(ValueError, match="remote"):
        rustfits.FITS(path, "r+", remote="ranged")
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["mem://", "memkeep://", "MEM://", "mem://anything"])
def test_memory_starts_empty(name):
    with pytest.raises((OSError, ValueError)):
        rustfits.FITS(name, "r")
    with rustfits.FITS(name, "w+") as file:
        assert len(file) == 0
        file.write_image(DATA)
        same(file[0].read(), DATA)


def test_missing_and_unreadable(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.fits"):
        rustfits.FITS(tmp_path / "missing.fits")
    with pytest.raises(OSError, match=tmp_path.name):
        rustfits.FITS(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        rustfits.FITS(tmp_path / "nowhere" / "a.fits", "w+")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SIMPLE",
        b"SIMPLE  =                    T".ljust(2879),
        b"x" * 2880,
        b"\0" * 5760,
        b"<html>".ljust(2880),
        "é".encode() * 3000,
    ],
    ids=lambda data: f"{data[:8]!r}-{len(data)}",
)
def test_what_is_no_fits(write, data):
    path = write(data, "junk.fits")
    with pytest.raises(OSError, match="junk.fits") as raised:
        rustfits.FITS(path)
    assert str(len(data)) in str(raised.value)
    with pytest.raises(ValueError, match=str(len(data))):
        rustfits.FITS.from_bytes(data)


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (bz2.compress, "bzip2|bz2"),
        (lzma.compress, "xz"),
        (lambda data: b"\x1f\x9d\x90" + data, r"compress|\.Z"),
        (lambda data: b"PK\x03\x04" + data, "zip"),
    ],
)
def test_other_compressions_are_named(write, content, pack, name):
    path = write(pack(content))
    with pytest.raises((OSError, NotImplementedError), match=f"(?i){name}"):
        rustfits.FITS(path)


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "a.FITS.GZ", "a.gz", "noname"])
@pytest.mark.parametrize("packed", [True, False])
def test_content_decides(write, content, name, packed):
    path = write(gzip.compress(content) if packed else content, name)
    with rustfits.FITS(path) as file:
        assert len(file) == 4
        same(file[1].read(), DATA)
        assert file.to_bytes() == content


def test_gzip_members_and_flags(write, content):
    half = len(content) // 2
    members = gzip.compress(content[:half]) + gzip.compress(content[half:])
    named = io.BytesIO()
    with gzip.GzipFile("a name.fits", "wb", fileobj=named) as packer:
        packer.write(content)
    for data in [members, members + b"\0" * 1000, named.getvalue(), gzip.compress(content, 0)]:
        with rustfits.FITS(write(data)) as file:
            assert file.to_bytes() == content
        assert rustfits.FITS.from_bytes(data).to_bytes() == content


def test_bytes_behind_the_last_gzip_member_are_warned_of(write, content):
    path = write(gzip.compress(content) + b"other bytes", "tail.fits.gz")
    with pytest.warns(UserWarning, match="tail.fits.gz") as caught:
        file = rustfits.FITS(path)
    assert caught[0].filename == __file__
    assert file.to_bytes() == content
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            rustfits.FITS(path)


def test_broken_gzip(write, content):
    packed = gzip.compress(content)
    corrupt = bytearray(packed)
    corrupt[-6] ^= 1
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    for data in [
        packed[:-4],
        packed[: len(packed) // 2],
        bytes(corrupt),
        bytes(flipped),
        packed[:10],
        gzip.compress(b"not FITS"),
    ]:
        path = write(data, "broken.fits.gz")
        with pytest.raises(OSError, match="broken.fits.gz"), rustfits.FITS(path) as file:
            file.to_bytes()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, "u1")])
def test_from_bytes_takes_any_buffer(content, kind):
    with rustfits.FITS.from_bytes(kind(content)) as file:
        assert file.mode == "r"
        same(file[1].read(), DATA)
        assert file.to_bytes() == content
        assert type(file.to_bytes()) is bytes


def test_from_bytes_copies(content):
    buffer = bytearray(content)
    file = rustfits.FITS.from_bytes(buffer)
    buffer[:] = bytes(len(buffer))
    assert file.to_bytes() == content


def test_from_bytes_of_something_else(content):
    for data in [5, "text", None, 3.5, [1, "a"]]:
        with pytest.raises(TypeError):
            rustfits.FITS.from_bytes(data)
    with pytest.raises(ValueError):
        rustfits.FITS.from_bytes(content, "w+")


@pytest.mark.parametrize(
    ("key", "index"),
    [
        (0, 0),
        (1, 1),
        (-1, 3),
        (-4, 0),
        (np.int64(2), 2),
        (np.uint8(3), 3),
        ("SCI", 1),
        ("sci", 1),
        (" Sci ", 1),
        (b"sci", 1),
        (np.str_("cat"), 3),
        (np.bytes_(b"CAT"), 3),
        (("SCI", 2), 2),
        (("sci", 1), 1),
        ((b"sci", np.int32(2)), 2),
    ],
    ids=repr,
)
def test_keys(content, key, index):
    file = rustfits.FITS.from_bytes(content)
    assert file[key].index == index
    assert file[key] is file[index]
    assert key in file


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (4, IndexError),
        (-5, IndexError),
        (2**70, IndexError),
        ("NOPE", KeyError),
        ("", KeyError),
        (("SCI", 3), KeyError),
        (("NOPE", 1), KeyError),
    ],
    ids=repr,
)
def test_keys_that_are_not_there(content, key, error):
    file = rustfits.FITS.from_bytes(content)
    with pytest.raises(error):
        file[key]
    assert key not in file


@pytest.mark.parametrize(
    "key",
    [True, np.True_, 1.0, None, [1], slice(0, 1), ("SCI",), ("SCI", 1.0), ("SCI", True), (1, 1), {}, ...],
    ids=repr,
)
def test_keys_of_unsupported_types(content, key):
    file = rustfits.FITS.from_bytes(content)
    with pytest.raises(TypeError):
        file[key]


def test_the_same_object_each_time(content):
    file = rustfits.FITS.from_bytes(content)
    hdus = file.hdus
    assert len(file) == len(hdus) == 4
    assert all(ours is theirs for ours, theirs in zip(file, hdus, strict=True))
    assert [hdu.index for hdu in file] == [0, 1, 2, 3]
    assert [type(hdu) for hdu in hdus] == [rustfits.ImageHDU] * 3 + [rustfits.TableHDU]
    assert all(isinstance(hdu, rustfits.HDU) for hdu in hdus)
    assert [hdu.extname for hdu in hdus] == [None, "SCI", "SCI", "CAT"]


def test_class_tree():
    assert issubclass(rustfits.CompressedImageHDU, rustfits.ImageHDU)
    assert issubclass(rustfits.ImageHDU, rustfits.HDU)
    assert issubclass(rustfits.CompressedTableHDU, rustfits.TableHDU)
    assert issubclass(rustfits.TableHDU, rustfits.HDU)
    assert issubclass(rustfits.AsciiTableHDU, rustfits.HDU)


def test_closed_files(write, content):
    for file in [rustfits.FITS(write(content)), rustfits.FITS.from_bytes(content)]:
        image, table = file[1], file["CAT"]
        assert not file.closed
        file.close()
        file.close()
        assert file.closed
        for call in [
            lambda: file[0],
            lambda: file["SCI"],
            lambda: len(file),
            lambda: list(file),
            lambda: file.hdus,
            lambda: "SCI" in file,
            lambda: file.to_bytes(),
            lambda: image.read(),
            lambda: image[0],
            lambda: table.read(),
            lambda: table[0],
            lambda: table["a"].read(),
            lambda: list(table),
        ]:
            with pytest.raises(OSError, match="closed"):
                call()
        with pytest.raises(OSError):
            file.write_image(DATA)
        assert image.shape == (3, 4)
        assert image.header["NAXIS"] == 2
        assert table.colnames == ("a",)
        assert "closed" in repr(file)


def test_the_context_closes_also_on_errors(write, content):
    file = rustfits.FITS(write(content))
    with pytest.raises(KeyError), file as same_file:
        assert same_file is file
        file["NOPE"]
    assert file.closed


def test_a_closed_file_may_be_deleted_and_replaced(write, content):
    path = write(content)
    with rustfits.FITS(path) as file:
        hdu = file[1]
        same(hdu.read(), DATA)
    path.unlink()
    write(image_bytes(DATA + 5), path.name)
    with rustfits.FITS(path) as file:
        same(file[0].read(), DATA + 5)


def test_read_only(write, content):
    path = write(content)
    with rustfits.FITS(path) as file:
        with pytest.raises(OSError, match="read-only"):
            file.write_image(DATA)
        with pytest.raises(OSError, match="read-only"):
            file.sync()
    assert path.read_bytes() == content


def test_options_of_remote_files_on_local_ones(write, content):
    path = write(content)
    for remote in ["ranged", rustfits.Remote(), rustfits.Remote(ranged=True)]:
        with pytest.raises(ValueError, match="remote"):
            rustfits.FITS(path, remote=remote)
    with pytest.raises(ValueError, match="ranged"):
        rustfits.FITS(path, remote=True)
    with pytest.raises(ValueError, match="ranged"):
        rustfits.FITS(path, remote="sideways")
    with pytest.raises(ValueError, match="remote"):
        rustfits.FITS(path, remote="stream")


def test_keyword_only(write, content):
    path = write(content)
    with pytest.raises(TypeError):
        rustfits.FITS(path, "r", True)
    with pytest.raises(TypeError):
        rustfits.FITS(path, surprise=1)


def test_repr(write, content):
    path = write(content)
    with rustfits.FITS(path) as file:
        lines = repr(file).splitlines()
    assert str(path) in lines[0]
    assert "mode: r" in lines[1]
    assert lines[2].split() == ["extnum", "hdutype", "extname"]
    assert [line.split() for line in lines[3:]] == [
        ["0", "IMAGE_HDU"],
        ["1", "IMAGE_HDU", "SCI"],
        ["2", "IMAGE_HDU", "SCI"],
        ["3", "BINARY_TBL", "CAT"],
    ]


def test_one_bad_hdu_leaves_the_ones_before_readable(write):
    data = hdu_bytes(astropy_fits.PrimaryHDU(DATA), astropy_fits.ImageHDU(DATA), astropy_fits.ImageHDU(DATA))
    second = data.index(b"XTENSION", data.index(b"XTENSION") + 1)
    bad = data[:second] + data[second:].replace(b"BITPIX  =                   16", b"BITPIX  =                   17", 1)
    with rustfits.FITS(write(bad, "bad.fits")) as file:
        same(file[0].read(), DATA)
        same(file[1].read(), DATA)
        with pytest.raises((OSError, ValueError), match="BITPIX"):
            file[2]


def test_version():
    assert rustfits.__version__.count(".") == 2
    assert pathlib.Path(rustfits.__file__).with_name("py.typed").exists()
