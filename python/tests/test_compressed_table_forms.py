"""Compressed tables as others may write them: NOCOMPRESS, unknown algorithms, more rows of tiles than tiles."""

import gzip
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from test_compressed_tables import arrays, fpack, same, same_arrays

import rustfits

ROWS, TILE = 250, 100


def by_hand(path, *, algorithms=("NOCOMPRESS", "GZIP_1", "NOCOMPRESS"), more_rows=0, more_cards=None):
    """A table of numbers, text and arrays, put together from its definition."""
    data = {
        "id": np.arange(ROWS, dtype=">i4"),
        "name": np.array([f"row {i}" for i in range(ROWS)], "S8"),
        "v": [np.arange(i % 9, dtype=">i2") for i in range(ROWS)],
    }
    heap, descriptors, place = b"", [], 0
    for first in range(0, ROWS, TILE):
        rows = slice(first, min(first + TILE, ROWS))
        streams = [data["id"][rows].tobytes(), data["name"][rows].tobytes()]
        streams = [
            gzip.compress(stream) if algorithm == "GZIP_1" else stream
            for stream, algorithm in zip(streams, algorithms, strict=False)
        ]
        originals, places = [], []
        for array in data["v"][rows]:
            originals.append((len(array), place))
            places.append((array.nbytes, len(heap)))
            heap += array.tobytes()
            place += array.nbytes
        streams.append(gzip.compress(np.array(originals, ">i4").tobytes() + np.array(places, ">i8").tobytes()))
        for stream in streams:
            descriptors += [len(stream), len(heap)]
            heap += stream
    descriptors += [0] * 6 * more_rows
    rows = np.array(descriptors, ">i4").tobytes()
    header = fits.Header()
    cards = {
        "XTENSION": "BINTABLE",
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": 24,
        "NAXIS2": len(rows) // 24,
        "PCOUNT": len(heap),
        "GCOUNT": 1,
        "TFIELDS": 3,
        "ZTABLE": True,
        "ZTILELEN": TILE,
        "ZNAXIS1": 20,
        "ZNAXIS2": ROWS,
        "ZPCOUNT": place,
    }
    columns = zip(data, ("1J", "8A", "1PI(8)"), algorithms, strict=True)
    for number, (name, form, algorithm) in enumerate(columns, 1):
        cards |= {f"TTYPE{number}": name, f"TFORM{number}": "1PB", f"ZFORM{number}": form, f"ZCTYP{number}": algorithm}
    header.update(cards | (more_cards or {}))
    body = rows + heap
    body += bytes(-len(body) % 2880)
    path.write_bytes(fits.PrimaryHDU().header.tostring().encode() + header.tostring().encode() + body)
    return data


def is_read(hdu, data, rows=ROWS):
    assert hdu.nrows == rows
    assert hdu["id"][:ROWS].tolist() == data["id"].tolist()
    assert hdu["name"][:ROWS].tolist() == [name.decode() for name in data["name"]]
    same_arrays(hdu["v"][:ROWS], [array.astype("i2") for array in data["v"]])


def test_columns_as_they_are(tmp_path):
    path = tmp_path / "a.fits"
    data = by_hand(path)
    with rustfits.FITS(path, "r+") as file:
        hdu = file[1]
        assert hdu.compression == {"id": "NOCOMPRESS", "name": "GZIP_1", "v": "NOCOMPRESS"}
        is_read(hdu, data)
        assert hdu[[205, 7]]["id"].tolist() == [205, 7]
        hdu.add_checksum()
        assert hdu.verify_checksum() is True
        hdu["id"][7] = data["id"][7] = -5
        data["v"][120] = np.arange(50, dtype=">i2")
        hdu["v"][120] = [data["v"][120].astype("i2")]
        hdu.append({"id": [1], "name": ["new"], "v": [np.arange(3, dtype="i2")]})
        assert hdu.compression["id"] == "NOCOMPRESS"
        is_read(hdu, data, ROWS + 1)
        assert hdu["v"][ROWS].tolist() == [0, 1, 2]
        hdu.repack()
        is_read(hdu, data, ROWS + 1)


def test_an_unknown_algorithm_keeps_no_other_column_from_being_read(tmp_path):
    path = tmp_path / "a.fits"
    data = by_hand(path, algorithms=("NOCOMPRESS", "LZ4_1", "ZSTD_9"))
    with rustfits.FITS(path, "r+") as file:
        hdu = file[1]
        assert hdu["id"][:].tolist() == data["id"].tolist()
        hdu["id"][3] = 8
        assert hdu.read(columns=["id"], rows=[3])["id"].tolist() == [8]
        for name, algorithm in (("name", "LZ4_1"), ("v", "ZSTD_9")):
            message = f"HDU 1.*column '{name}'.*{algorithm}.*RICE_1, GZIP_1, GZIP_2 or NOCOMPRESS"
            for read in (lambda name=name: hdu[name][:], lambda name=name: hdu.read(columns=["id", name])):
                with pytest.raises(ValueError, match=message):
                    read()
            with pytest.raises(ValueError, match="column '(name|v)'"):
                hdu.verify_datasum() if "ZDATASUM" in hdu.header else hdu.add_datasum()
        # What can't be read goes out, and comes in again.
        hdu.delete_column("name")
        hdu.delete_column("v")
        hdu.insert_column("name", data["name"])
        assert hdu["name"][5] == "row 5"


def test_more_rows_of_tiles_than_tiles(tmp_path):
    path = tmp_path / "a.fits"
    data = by_hand(path, more_rows=3)
    with rustfits.FITS(path, "r+") as file:
        hdu = file[1]
        is_read(hdu, data)
        hdu.insert_column("new", np.arange(ROWS), position=1)
        more = {"id": np.arange(200), "new": np.arange(200), "name": ["x"] * 200, "v": arrays("I", 200)}
        hdu.append(more)
        for _ in range(2):
            is_read(hdu, data, ROWS + 200)
            assert hdu["id"][ROWS:].tolist() == list(range(200))
            assert hdu["new"][:].tolist() == [*range(ROWS), *range(200)]
            same_arrays(hdu["v"][ROWS:], more["v"])
            hdu.repack()
    with rustfits.FITS(path) as file:
        is_read(file[1], data, ROWS + 200)


def test_arrays_behind_the_heap_are_not_lost(tmp_path):
    """Where ZPCOUNT is too small, an array that is there is not taken for a new one."""
    path = tmp_path / "a.fits"
    data = by_hand(path)
    content = path.read_bytes()
    card = next(content[i : i + 80] for i in range(0, len(content), 80) if content[i:].startswith(b"ZPCOUNT"))
    path.write_bytes(content.replace(card, b"ZPCOUNT =                   10".ljust(80)))
    with rustfits.FITS(path, "r+") as file:
        is_read(file[1], data)
        with pytest.raises(ValueError, match="column 'v', tile 1.*ZPCOUNT"):
            file[1]["v"][3] = [np.arange(5, dtype="i2")]
        file[1]["id"][3] = 3
        is_read(file[1], data)


def test_repack_of_shared_arrays(tmp_path):
    """Rows that name the same packed array do so afterwards."""
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        hdu = file.write_table({"id": np.arange(300), "v": arrays("J", 300)}, compress=True, ztilelen=100)
        file.write_image(np.arange(7))
        for _ in range(5):
            hdu["v"][::3] = arrays("J", 100)
            hdu["id"][:] = np.arange(300)
        expected = hdu.read()
        size = path.stat().st_size
        hdu.repack()
        same(hdu.read(), expected)
        assert path.stat().st_size < size
        assert file[2].read().tolist() == list(range(7))
        packed = file.to_bytes()
        hdu.repack()
        assert file.to_bytes() == packed


def test_tiles_are_kept_for_the_next_rows(tmp_path):
    path = tmp_path / "a.fits"
    data = {"id": np.arange(1000), "x": np.arange(1000) / 7, "v": arrays("J")}
    with rustfits.FITS(path, "w+") as file:
        file.write_table(data, compress=True, ztilelen=100)
    whole = rustfits.FITS(path)[1].read()
    with rustfits.FITS(path) as file:
        hdu = file[1]
        assert (hdu.tile_cache_size, hdu.tile_cache_used) == (32 << 20, 0)
        assert hdu["x"][250] == data["x"][250]
        assert hdu.tile_cache_used == 100 * 8
        for _ in range(2):
            # Cells, and for arrays two descriptors.
            same(hdu[251:253], whole[251:253])
            assert hdu.tile_cache_used == 100 * (8 + 8 + 8 + 16)
        for key in (np.s_[10:20], np.s_[995:5:-30], [5, 700, 5], np.s_[150:950]):
            for _ in range(2):
                same(hdu[key], whole[key])
        used = hdu.tile_cache_used
        same(hdu.read(), whole)
        same(hdu[300:500], whole[300:500])
        assert hdu.tile_cache_used == used == 10 * 100 * 40
        assert hdu.read_column("id", rows=[3], scale=False).tolist() == [3]
        hdu.set_tile_cache_size(5000)
        assert 0 < hdu.tile_cache_used <= 5000
        # More than is kept drives nothing out.
        used = hdu.tile_cache_used
        same(hdu[5::100], whole[5::100])
        assert hdu.tile_cache_used == used
        hdu.clear_tile_cache()
        assert hdu.tile_cache_used == 0
        hdu.set_tile_cache_size(0)
        same(hdu[7:9], whole[7:9])
        assert hdu.tile_cache_used == 0


def test_changes_drop_the_kept_tiles():
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_table({"id": np.arange(300), "x": np.arange(300) / 7}, compress=True, ztilelen=100)
        hdu.set_tile_cache_size(1 << 20)
        for number in range(3):
            assert hdu[5]["id"] == (number + 99 if number else 5)
            assert hdu.tile_cache_used == 1600
            hdu["id"][5] = number + 100
            assert (hdu.tile_cache_used, hdu.tile_cache_size) == (0, 1 << 20)
        assert hdu[5]["id"] == 102
        hdu.insert_column("new", np.arange(300) * 2, position=0)
        assert hdu[5].tolist()[:2] == (10, 102)
        hdu.delete_column("id")
        assert hdu[5].tolist() == (10, 5 / 7)


def test_threads_share_the_kept_tiles(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_table({"id": np.arange(2000), "v": arrays("J", 2000)}, compress=True, ztilelen=100)
    expected = arrays("J", 2000)
    with rustfits.FITS(path) as file:
        file[1].set_tile_cache_size(20_000)

        def read(seed):
            for row in np.random.default_rng(seed).integers(0, 2000, 200).tolist():
                record = file[1][row]
                assert record["id"] == row
                assert np.array_equal(record["v"], expected[row])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(read, range(4)))


def test_room_that_was_made_for_arrays_is_used(tmp_path):
    """Where something follows the table its heap gets room when it moves: that is taken before there is more."""
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as file:
        hdu = file.write_table({"id": np.arange(1000), "v": arrays("E")}, compress=True, ztilelen=100)
        file.write_image(np.arange(7))
        size = len(file.to_bytes())
        expected = arrays("E")
        for number in range(60):
            expected[number] = np.arange(number, dtype="f4")
            hdu["v"][number] = [expected[number]]
        same_arrays(hdu["v"][:], expected)
        assert file[2].read().tolist() == list(range(7))
        assert len(file.to_bytes()) < 3 * size


@pytest.mark.parametrize("gap", [0, 100])
def test_theap_of_the_uncompressed_table(tmp_path, gap):
    """fpack leaves a THEAP as it was, puts the heap of the table that it makes there, and counts no gap in PCOUNT."""
    path = tmp_path / "a.fits"
    theap = 20 * ROWS + gap
    data = by_hand(path, more_cards={"THEAP": theap})
    header, content = fits.getheader(path, 1), path.read_bytes()
    start = len(fits.PrimaryHDU().header.tostring()) + len(header.tostring())
    rows = header["NAXIS1"] * header["NAXIS2"]
    heap = content[start + rows : start + rows + header["PCOUNT"]]
    content = content[: start + rows] + bytes(theap - rows) + heap
    path.write_bytes(content + bytes(-len(content) % 2880))
    with rustfits.FITS(path, "r+") as file:
        is_read(file[1], data)
        with pytest.raises(NotImplementedError, match="THEAP"):
            file[1].append({name: values[:2] for name, values in data.items()})
        is_read(file[1], data)


@pytest.mark.parametrize("gap", [0, 2880])
def test_a_table_with_theap_by_fpack(tmp_path, gap):
    path = tmp_path / "a.fits"
    values = [np.arange(row % 9, dtype="i4") for row in range(ROWS)]
    column = fits.Column("v", "PJ()", array=np.array(values, object))
    table = fits.BinTableHDU.from_columns([fits.Column("id", "J", array=np.arange(ROWS)), column])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, checksum=True)
    header, rows = fits.getheader(path, 1), 12 * ROWS
    padded = (rows + header["PCOUNT"] + 2879) // 2880 * 2880
    body = path.read_bytes()[-padded:]
    heap = body[rows : rows + header["PCOUNT"]]
    header["THEAP"], header["PCOUNT"] = rows + gap, len(heap) + gap
    del header["DATASUM"], header["CHECKSUM"]
    data = body[:rows] + bytes(gap) + heap
    primary = fits.PrimaryHDU().header.tostring().encode()
    path.write_bytes(primary + header.tostring().encode() + data + bytes(-len(data) % 2880))
    with rustfits.FITS(path, "r+") as file:
        file[1].add_datasum()
    with rustfits.FITS(fpack(path)) as file:
        same_arrays(file[1]["v"][:], values)
        assert file[1]["id"][:].tolist() == list(range(ROWS))
        assert file[1].verify_datasum() is True
