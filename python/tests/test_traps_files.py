"""What has bitten users of other packages: whole files, headers and images."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import threading

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from conftest import hdu_bytes, image_bytes, raw_file, same

import rustfits

BLOCK = 2880
GIB = 2**30


@pytest.mark.parametrize("value", [math.nan, -math.inf, np.float32("nan"), np.float16("inf"), np.complex64(np.nan)])
def test_a_card_that_is_set_to_no_number_stays_as_it_was(value, write):
    path = write(image_bytes(np.zeros(3), SCALE=(1.5, "as it was")))
    before = path.read_bytes()
    with rustfits.FITS(path, "r+") as file:
        header = file[0].header
        for give in [value, (value, "a comment")]:
            with pytest.raises(ValueError, match="SCALE"):
                header["SCALE"] = give
        with pytest.raises(ValueError, match="SCALE"):
            header.update({"OTHER": 1, "SCALE": value})
        with pytest.raises(ValueError, match="SCALE"), header.edit() as edited:
            edited["OTHER"] = 1
            edited["SCALE"] = value
        assert header["SCALE"] == 1.5 and "OTHER" not in header
    assert path.read_bytes() == before


def short(*hdus) -> bytes:
    """A file that ends where its data end."""
    whole = hdu_bytes(*hdus)
    return whole.rstrip(b"\0 ") if isinstance(hdus[-1], astropy_fits.TableHDU) else whole[: -whole[::-1].index(b"\1")]


IMAGE = astropy_fits.PrimaryHDU(np.ones(1000, ">i2"))
ROWS = astropy_fits.BinTableHDU(np.ones(50, [("a", ">i2"), ("b", "u1")]))
TEXT = astropy_fits.TableHDU(np.full(50, 7, [("a", "i4")]))
SHORT = {"image": [IMAGE], "table": [astropy_fits.PrimaryHDU(), ROWS], "text": [astropy_fits.PrimaryHDU(), TEXT]}


def change_header(hdu):
    hdu.header["NEW"] = 1


def change_header_much(hdu):
    with hdu.header.edit() as header:
        for n in range(50):
            header[f"NEW{n}"] = n


def change_data(hdu):
    if isinstance(hdu, rustfits.ImageHDU):
        hdu[3] = 5
    else:
        hdu["a"][3] = 5


@pytest.mark.parametrize("change", [change_header, change_header_much, change_data])
@pytest.mark.parametrize("kind", SHORT)
def test_a_short_last_block_is_filled_where_the_file_changes(kind, change, write):
    path = write(short(*SHORT[kind]))
    data, size = path.read_bytes(), path.stat().st_size
    assert size % BLOCK != 0
    modified = path.stat().st_mtime_ns
    with rustfits.FITS(path, "r+") as file:
        file[-1].read()
    assert path.read_bytes() == data and path.stat().st_mtime_ns == modified
    with rustfits.FITS(path, "r+") as file:
        change(file[-1])
        assert len(file.to_bytes()) % BLOCK == 0
    filled = path.read_bytes()
    assert len(filled) % BLOCK == 0
    # What was there is there, and behind it what the standard fills with.
    assert set(filled[len(filled) // BLOCK * BLOCK - (-size % BLOCK) :]) == {ord(" ") if kind == "text" else 0}
    with astropy_fits.open(path) as theirs:
        theirs.verify("exception")
        assert len(theirs) == len(SHORT[kind])
    with rustfits.FITS.from_bytes(data, "r+") as file:
        change(file[-1])
        assert file.to_bytes() == filled


def test_what_is_cut_within_its_data_is_not_filled(write):
    path = write(hdu_bytes(IMAGE)[: BLOCK + 1999])
    with rustfits.FITS(path, "r+") as file:
        change_header(file[0])
        with pytest.raises(OSError):
            file[0].read()
    assert path.stat().st_size == BLOCK + 1999


def test_two_handles_of_a_short_file(write):
    path = write(short(IMAGE))
    first, second = rustfits.FITS(path, "r+"), rustfits.FITS(path, "r+")
    first[0][1], second[0][2] = 5, 6
    first.close()
    second.close()
    assert path.stat().st_size == 2 * BLOCK
    assert rustfits.read(path)[:4].tolist() == [1, 5, 6, 1]


def test_sizes_above_2_gib_lead_to_what_lies_behind(tmp_path):
    side = 23_171
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    header = raw_file(*cards, f"NAXIS1  = {side:20}", f"NAXIS2  = {side:20}")
    behind = hdu_bytes(astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(np.arange(3, dtype="i2"), name="BEHIND"))[
        BLOCK:
    ]
    assert 2 * GIB < side * side * 4 < 2 * GIB + 10**6
    path = tmp_path / "large.fits"
    with path.open("wb") as file:
        file.write(header)
        file.seek(len(header) + -(-side * side * 4 // BLOCK) * BLOCK)
        file.write(behind)
    with rustfits.FITS(path) as file:
        assert len(file) == 2
        same(file["BEHIND"].read(), np.arange(3, dtype="i2"))
        assert file[0][-1, -3:].tolist() == [0, 0, 0]


def test_files_above_4_gib_are_written_and_read(tmp_path):
    path, rows = tmp_path / "large.fits", GIB + 5
    with rustfits.FITS(path, "w+") as file:
        file.create_image_hdu("u1", (4, rows), extname="LARGE")
        file["LARGE"].write(np.arange(6, dtype="u1"), start=4 * rows - 6)
        file.write_image(np.arange(3, dtype="i2"), extname="BEHIND")
        file["LARGE"].header["LATER"] = 1
    assert path.stat().st_size > 4 * GIB
    with rustfits.FITS(path) as file:
        assert file["LARGE"][3, -6:].tolist() == [0, 1, 2, 3, 4, 5]
        assert file["LARGE"].header["LATER"] == 1
        same(file["BEHIND"].read(), np.arange(3, dtype="i2"))
    with fitsio.FITS(str(path)) as file:
        assert file["LARGE"][3:4, rows - 3 : rows].tolist() == [[3, 4, 5]]
        assert file["BEHIND"].read().tolist() == [0, 1, 2]


def test_headers_that_grow_in_ten_sessions(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(2000, dtype="i4"))
        file.write_table({"a": np.arange(700), "s": np.array(["text"] * 700)}, extname="CAT")
        file.write_image(np.arange(30.0), compress="GZIP_2", extname="PACKED")
    behind = path.read_bytes()[BLOCK:]
    for session in range(10):
        with rustfits.FITS(path, "r+") as file, file[0].header.edit() as header:
            for n in range(40):
                header[f"S{session}N{n}"] = n
        content = path.read_bytes()
        assert content.endswith(behind) and len(content) % BLOCK == 0
    with rustfits.FITS(path) as file:
        assert (len(file), file[0].header["S9N39"], file[0].header["S0N0"]) == (4 - 1, 39, 0)


def test_one_bad_hdu_does_not_stop_the_check_of_the_others(write):
    with rustfits.FITS("mem://", "w+") as file:
        for n in range(3):
            file.write_image(np.full(10, n)).add_checksum()
        file.write_image(np.zeros(3))
        content = bytearray(file.to_bytes())
    content[3 * BLOCK + 5] ^= 1
    with rustfits.FITS.from_bytes(content) as file:
        assert [hdu.verify_datasum() for hdu in file] == [True, False, True, None]
        assert [hdu.verify_checksum() for hdu in file] == [True, False, True, None]


OPENS = """
import sys, rustfits
try:
    print(rustfits.FITS(sys.argv[1], remote=rustfits.Remote(timeout=5))[0].read().tolist())
except OSError as error:
    print("error")
"""


@pytest.mark.parametrize(
    ("url", "environment", "asked"),
    [
        ("http://archive.invalid/a.fits", ["HTTP_PROXY"], "GET http://archive.invalid/a.fits HTTP/1.1"),
        ("https://archive.invalid/a.fits", ["HTTPS_PROXY"], "CONNECT archive.invalid:443 HTTP/1.1"),
        ("http://archive.invalid/a.fits", ["HTTP_PROXY", "NO_PROXY"], None),
        ("http://data.archive.invalid/a.fits", ["HTTP_PROXY", "NO_PROXY"], None),
        ("https://archive.invalid/a.fits", ["HTTPS_PROXY", "NO_PROXY"], None),
    ],
)
def test_proxies_of_the_environment(url, environment, asked):
    content = image_bytes(np.arange(3, dtype="u1"))
    lines: list[str] = []

    def answer(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                lines.append(stream.readline().decode().strip())
                while stream.readline().strip():
                    pass
                status = "200 OK" if lines[-1].startswith("GET") else "403 Forbidden"
                stream.write(
                    f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
                )
                stream.write(content)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=[listening])
        thread.start()
        names = {
            name: "archive.invalid" if name == "NO_PROXY" else f"http://127.0.0.1:{listening.getsockname()[1]}"
            for name in environment
        }
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        command = [sys.executable, "-c", OPENS, url]
        done = subprocess.run(command, env=clean | names, capture_output=True, text=True, timeout=60, check=True)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert set(lines) == ({asked} if asked else set())
    assert done.stdout == ("[0, 1, 2]\n" if asked and asked.startswith("GET") else "error\n")
