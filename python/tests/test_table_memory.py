"""Tables are gone through in memory that does not grow with them, and by asyncio."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rustfits
from rustfits import aio

MIB = 1 << 20
ROWS = 2_000_000
# 100 bytes a row: 200 MB, of which nothing is written, so that the file takes no room.
DTYPE = [("a", "f8"), ("b", "i4"), ("s", "U40"), ("m", "f4", 12)]

PROGRAM = """
import sys
import rustfits

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) << 10

path, way = sys.argv[1:]
fits = rustfits.FITS(path)
hdu = fits[1]
rows = 0
if way == "arrow":
    import pyarrow
    pyarrow.table({"a": [1]})
before = peak()
if way == "chunks":
    for chunk in hdu.iter(chunksize=50_000):
        rows += len(chunk)
elif way == "own chunks":
    for chunk in hdu.iter():
        rows += len(chunk)
elif way == "rows":
    for row in hdu:
        rows += 1
        if rows == 300_000:
            rows = hdu.nrows
            break
else:
    for batch in pyarrow.RecordBatchReader.from_stream(hdu):
        rows += batch.num_rows
assert rows == hdu.nrows, rows
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("way", ["chunks", "own chunks", "rows", "arrow"])
def test_a_scan_takes_less_than_64_mib(tmp_path, way):
    path = tmp_path / "large.fits"
    with rustfits.FITS(path, "w+") as fits:
        assert fits.create_table_hdu(DTYPE, ROWS).nrows == ROWS
    grown = subprocess.run(
        [sys.executable, "-c", PROGRAM, path, way], check=True, timeout=120, stdout=subprocess.PIPE
    ).stdout
    assert int(grown) < 64 * MIB, f"{int(grown) / MIB:.1f} MiB"


EDIT = """
import sys
import numpy as np
import rustfits

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) << 10

path, way = sys.argv[1:]
fits = rustfits.FITS(path, "r+")
hdu = fits[1]
rows = hdu.nrows
before = peak()
if way == "insert":
    hdu.insert_column("new", 1.5, position=1)
elif way == "delete":
    hdu.delete_column("b")
elif way == "append":
    hdu.append(hdu[:1])
elif way == "truncate":
    hdu.truncate(rows - 1)
else:
    with hdu.appending() as more:
        group = hdu[:100_000]
        for _ in range(20):
            more.append(group)
grown = peak() - before
fits.close()
with rustfits.FITS(path) as fits:
    hdu = fits[1]
    wanted = {"append": rows + 1, "truncate": rows - 1, "many": rows + 2_000_000}.get(way, rows)
    names = {"insert": ("a", "new", "b", "s", "m"), "delete": ("a", "s", "m")}.get(way, ("a", "b", "s", "m"))
    assert hdu.nrows == wanted and hdu.colnames == names
    assert hdu[0]["s"] == "first" and hdu[rows - 2]["s"] == "last"
    assert way != "insert" or hdu[rows - 1]["new"] == 1.5
    assert len(fits) == 2 or (fits[2].read() == np.arange(7)).all()
print(grown)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize(
    ("way", "most"), [("insert", 64), ("delete", 64), ("append", 64), ("truncate", 64), ("many", 256)]
)
def test_a_large_table_is_changed_in_little_memory(tmp_path, way, most, followed):
    """200 MB of rows; of those that are appended at most 64 MiB wait, beside what their text takes as characters."""
    path = tmp_path / "large.fits"
    with rustfits.FITS(path, "w+") as fits:
        hdu = fits.create_table_hdu(DTYPE, ROWS)
        hdu["s"][[0, ROWS - 2]] = ["first", "last"]
        if followed:
            fits.write_image(np.arange(7))
    grown = subprocess.run(
        [sys.executable, "-c", EDIT, path, way], check=True, timeout=120, stdout=subprocess.PIPE
    ).stdout
    assert int(grown) < most * MIB, f"{int(grown) / MIB:.1f} MiB"


def test_chunks_count_the_heap_of_their_rows(tmp_path):
    """Rows of 16 bytes whose arrays take 400 kB each are no chunk of 8 MiB of rows."""
    from astropy.io import fits as astropy_fits

    cells = np.empty(50, object)
    cells[:] = [np.full(100_000, n, "f4") for n in range(50)]
    columns = [astropy_fits.Column("v", "QE()", array=cells)]
    astropy_fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "v.fits")
    with rustfits.FITS(tmp_path / "v.fits") as fits:
        sizes = [sum(cell.nbytes for cell in chunk["v"]) for chunk in fits[1].iter()]
    assert sum(sizes) == 50 * 400_000
    assert max(sizes) <= 9 * MIB


async def test_rows_and_chunks_by_async_for(tmp_path):
    data = {"n": np.arange(5000), "s": [f"{n}" for n in range(5000)]}
    with rustfits.FITS(tmp_path / "t.fits", "w+") as fits:
        fits.write_table(data, extname="CAT")
    async with aio.FITS(tmp_path / "t.fits") as fits:
        hdu = await fits["CAT"]
        assert [int(row["n"]) async for row in hdu] == list(range(5000))
        chunks = [len(chunk) async for chunk in hdu.iter(chunksize=2000)]
        assert chunks == [2000, 2000, 1000]
        with pytest.raises(TypeError, match="async for"):
            iter(hdu)
        with pytest.raises(TypeError, match="async for"):
            for _ in hdu:
                pass


async def test_the_next_chunk_is_asked_for_before_it_is_wanted(loopback, tmp_path):
    """Once a chunk has come the request for the one behind it goes out by itself, while nobody waits."""
    import asyncio

    with rustfits.FITS(tmp_path / "t.fits", "w+") as fits:
        fits.write_table({"a": np.zeros((4000, 100))})
    target = loopback.put((tmp_path / "t.fits").read_bytes())
    remote = rustfits.Remote(ranged=True, block_bytes=4096)
    async with aio.FITS(loopback.http + target, remote=remote) as fits:
        hdu = await fits[1]
        chunks = aiter(hdu.iter(chunksize=1000))
        seen = len(loopback.log(target))
        await anext(chunks)
        first = 5760 + 1000 * 800

        def asked() -> list[int]:
            ranges = [request["range"] for request in loopback.log(target)[seen:] if request["range"]]
            return [int(text.removeprefix("bytes=").split("-")[0]) for text in ranges]

        async with asyncio.timeout(30):
            while not any(start >= first - 4096 for start in asked()):
                await asyncio.sleep(0.01)
        assert len(await anext(chunks)) == 1000
