"""ZDATASUM and ZHECKSUM of compressed tables: the sums of the tables that they stand for, also as fpack writes them."""

import numpy as np
import pytest
from astropy.io import fits
from test_compressed_tables import ROWS, arrays, everything, fpack, unpack, without_pairs

import rustfits

KINDS = "BIJKED"


def table(*, with_arrays):
    data = without_pairs(everything())
    columns = {name: data[name] for name in data.dtype.names}
    return columns | ({kind: arrays(kind) for kind in KINDS} if with_arrays else {})


def write(path, *, with_arrays=True, without=(), **options):
    data = {name: values for name, values in table(with_arrays=with_arrays).items() if name not in without}
    with rustfits.FITS(path, "w+") as file:
        file.write_table(data, extname="TAB", header={"OBJECT": "M31"}, **options)


def verified(hdu):
    return hdu.verify_datasum(), hdu.verify_checksum()


@pytest.mark.parametrize("tile", [None, 300, 7])
@pytest.mark.parametrize("with_arrays", [True, False])
def test_checksums_of_ours(tmp_path, tile, with_arrays):
    packed, plain = tmp_path / "packed.fits", tmp_path / "plain.fits"
    write(packed, with_arrays=with_arrays, compress=True, ztilelen=tile)
    write(plain, with_arrays=with_arrays)
    with rustfits.FITS(packed, "r+") as file, rustfits.FITS(plain, "r+") as other:
        hdu = file[1]
        assert verified(hdu) == (None, None)
        hdu.add_datasum()
        assert verified(hdu) == (True, None)
        hdu.add_checksum()
        other[1].add_checksum()
        assert verified(hdu) == (True, True)
        assert hdu.header["DATASUM"] == other[1].header["DATASUM"]
        # That of a header does not depend on the order of its cards.
        dates = {card[:8]: card for card in hdu.header.cards if card.startswith(("DATASUM", "CHECKSUM"))}
        assert set(dates) == {"DATASUM ", "CHECKSUM"}
        hdu.header["OBJECT"] = "M33"
        assert verified(hdu) == (True, False)
        hdu.header["OBJECT"] = "M31"
        assert verified(hdu) == (True, True)
        hdu["i4"][5] = -77
        assert verified(hdu) == (False, False)
        hdu.add_checksum()
        assert verified(hdu) == (True, True)
    plain = unpack(packed)
    if plain:
        with fits.open(plain, checksum=True) as file:
            assert file[1].data["i4"][5] == -77
            assert file[1].header["DATASUM"]
            assert file[1].verify_datasum() == 1
            assert file[1].verify_checksum() == 1


@pytest.mark.parametrize("with_arrays", [True, False])
def test_checksums_of_fpack(tmp_path, with_arrays):
    """fpack keeps the sums that the table had, and sets those of the one that it makes."""
    path = tmp_path / "plain.fits"
    # What fpack makes of complex numbers, funpack can't read.
    write(path, with_arrays=with_arrays, without=["c8"])
    with rustfits.FITS(path, "r+") as file:
        file[1].add_checksum()
    packed = fpack(path)
    with fits.open(packed, disable_image_compression=True) as file:
        assert "ZHECKSUM" in file[1].header
        assert "CHECKSUM" in file[1].header
    with rustfits.FITS(packed, "r+") as file:
        assert verified(file[1]) == (True, True)
        file[1]["i4"][3] = 5
        assert verified(file[1]) == (False, False)
        file[1].add_checksum()
        assert verified(file[1]) == (True, True)
    # Those of the table of tiles are right, too.
    with fits.open(packed, checksum=True, disable_image_compression=True) as file:
        assert file[1].verify_datasum() == 1
        assert file[1].verify_checksum() == 1
    with rustfits.FITS(unpack(packed)) as file:
        assert verified(file[1]) == (True, True)


def test_of_the_table_of_tiles_alone(tmp_path):
    """Without the sums of the table that was compressed those of the stored one are checked."""
    path = tmp_path / "plain.fits"
    write(path)
    with rustfits.FITS(path, "r+") as file:
        assert "CHECKSUM" not in file[1].header
    packed = fpack(path)
    with rustfits.FITS(packed) as file:
        assert verified(file[1]) == (True, True)
    whole = bytearray(packed.read_bytes())
    whole[-3000] ^= 1
    with rustfits.FITS.from_bytes(bytes(whole)) as file:
        assert verified(file[1]) == (False, False)


def test_damage_and_what_is_shared(tmp_path):
    path = tmp_path / "a.fits"
    write(path, compress=True, ztilelen=300)
    with rustfits.FITS(path, "r+") as file:
        file[1].add_checksum()
        count = file[1].header["PCOUNT"]
    whole = path.read_bytes()
    lying = whole.replace(f"ZPCOUNT = {count:20}".encode(), f"ZPCOUNT = {count // 2:20}".encode())
    with (
        rustfits.FITS.from_bytes(lying) as file,
        pytest.raises(ValueError, match=r"HDU 1.*column '\w+', row \d+.*heap"),
    ):
        file[1].verify_datasum()
    # Rows of a table that name the same array.
    columns = [fits.Column("v", "PJ()", array=arrays("J")), fits.Column("id", "J", array=np.arange(ROWS))]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "plain.fits")
    content = bytearray((tmp_path / "plain.fits").read_bytes())
    start = 5760 + 50 * 12
    content[start : start + 8] = content[start + 12 : start + 20]
    (tmp_path / "plain.fits").write_bytes(content)
    packed = fpack(tmp_path / "plain.fits")
    with rustfits.FITS(packed, "r+") as file:
        assert np.array_equal(file[1]["v"][50], arrays("J")[51])
        with pytest.raises(NotImplementedError, match="share"):
            file[1].add_checksum()


def test_tables_without_rows_or_bytes(tmp_path):
    with rustfits.FITS(tmp_path / "a.fits", "w+") as file:
        for hdu in (
            file.create_table_hdu([("a", "i4")], compress=True),
            file.create_table_hdu([("a", "i4"), ("b", "O")], 5, var_dtypes={"b": "f4"}, compress=True),
        ):
            hdu.add_checksum()
            assert verified(hdu) == (True, True)


def test_ranged(tmp_path, loopback):
    path = tmp_path / "a.fits"
    write(path, compress=True, ztilelen=100)
    with rustfits.FITS(path, "r+") as file:
        file[1].add_checksum()
    url = loopback.http + loopback.put(path.read_bytes())
    with rustfits.FITS(url, remote="ranged") as file:
        assert verified(file[1]) == (True, True)
