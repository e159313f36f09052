//! Taking the last rows of a compressed table out (FITS 4.0 §10.3): whole tiles go, and one that keeps some of its rows is packed anew.

use super::edited::Edited;
use super::write::Arrays;
use crate::edit::{Extended, OldHdu, Staying, check_fewer, heap_of_rows, set_count, shortened};
use crate::error::{Error, Result};
use crate::source::ReadAt;

/// Plans to leave the table so many rows. `None` where it has no more.
pub(crate) fn truncate_rows<'p>(
    old: &'p OldHdu<'_>,
    rows: u64,
    source: &'p dyn ReadAt,
) -> Result<Option<Extended<'p>>> {
    let edited = Edited::new(old, source)?;
    let table = &edited.table;
    if rows == table.rows {
        return Ok(None);
    }
    check_fewer(rows, table.rows)?;
    table.check_tiles(table.rows - 1, source.len())?;
    let (tile, held) = (rows / table.tile_rows, (rows % table.tile_rows) as usize);
    let mut tiles = edited.begin(old)?;
    if !edited.has_arrays() {
        tiles.heap_len = heap_of_rows(old, &edited.heap_columns(), tile, source)?;
    }
    let heap = tiles.heap_len;
    let mut header = old.header.clone();
    let mut kept = Staying { header: header.clone(), rows: tile, last_row: None, heap, arrays: Vec::new() };
    if held > 0 {
        let all: Vec<usize> = (0..edited.layout.columns.len()).filter(|&number| table.has_bytes(number)).collect();
        let mut unpacked = edited.unpack(tile, &all)?;
        unpacked.rows.truncate(held * edited.layout.row_len);
        unpacked.arrays.iter_mut().for_each(|places| places.truncate(held));
        let nothing_new = |_, _: &mut [u8]| Err(Error::corrupt("an array of the table is not where its row says"));
        let arrays = Arrays { base: edited.base, kept: &unpacked.arrays, bytes: &nothing_new };
        let packed = edited.pack(tile, &unpacked.rows, |_| true, &arrays)?;
        kept.arrays = tiles.add(packed, edited.wide)?;
        kept.last_row = Some(std::mem::take(&mut tiles.rows));
        edited.lengthen_forms(&mut header, &tiles)?;
    }
    let too_large = || Error::too_large("the table would be larger than a file can be");
    set_count(&mut header, "ZNAXIS2", i64::try_from(rows).map_err(|_| too_large())?)?;
    if let Some(heap) = header.integer("ZTHEAP")? {
        let moved =
            i64::try_from(table.rows - rows).ok().and_then(|rows| rows.checked_mul(edited.layout.row_len as i64));
        let heap = moved.and_then(|moved| heap.checked_sub(moved));
        set_count(&mut header, "ZTHEAP", heap.ok_or_else(too_large)?)?;
    }
    kept.header = header;
    shortened(old, kept).map(Some)
}
