//! Putting a column into a compressed table, and taking one out (FITS 4.0 §10.3): each row of the table of tiles gets a descriptor more or less. Only the new column
//! is packed; what the others have in the heap stays where it is.

use std::ops::Range;

use super::choice::usual;
use super::edited::Edited;
use super::write::{Arrays, TileTable, descriptor_size, pack_columns, stream_form};
use crate::edit::{Extended, OldHdu, TileRowChange, change_tile_rows, new_column_encoder, set_count};
use crate::error::{Error, Result, ResultExt};
use crate::format::Header;
use crate::source::{ReadAt, resize};
use crate::table::{GivenColumn, NewColumn, TableLayout};

/// Plans to put a column in front of the one with this number, counted from 0, or behind the last one. It is packed as suits its type.
pub(crate) fn insert_column<'p>(
    old: &'p OldHdu<'_>,
    number: usize,
    mut column: NewColumn,
    values: &GivenColumn<'_>,
    wide_if_needed: bool,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let edited = Edited::new(old, source)?;
    let encoder = new_column_encoder(edited.layout, &mut column, values, edited.base, wide_if_needed)?;
    let layout = column.layout(edited.table.rows)?;
    let packers: Vec<_> = layout.columns.iter().map(usual).collect();
    let bytes = |span: Range<u64>, output: &mut [u8]| {
        encoder.encode_heap(span.start - edited.base..span.end - edited.base, output)
    };
    let arrays = Arrays { base: edited.base, kept: &[], bytes: &bytes };
    let mut tiles = TileTable { heap_len: edited.table.heap.end - edited.table.heap.start, ..TileTable::default() };
    let (mut cells, mut streams) = (Vec::new(), Vec::new());
    edited.check_rows()?;
    for tile in 0..edited.table.tiles() {
        let rows = edited.table.rows_of(tile);
        let len = usize::try_from(rows.end - rows.start).ok().and_then(|rows| rows.checked_mul(layout.row_len));
        resize(&mut cells, len.ok_or_else(|| Error::too_large("a tile is larger than memory"))?)?;
        encoder.encode(rows, 0, &mut cells);
        let packed = pack_columns(&layout, &packers, &cells, |_| true, &arrays);
        streams.extend(tiles.add(packed.in_item(|| format!("tile {}", tile + 1))?, edited.wide)?);
    }
    let longest = tiles.longest.first().copied().unwrap_or(0);
    let describe = |header: &mut Header| {
        column.describe(number + 1, 0, header)?;
        let keyword = format!("TFORM{}", number + 1);
        let form = header.text(&keyword)?.unwrap_or_default();
        header.set_structural(&keyword, stream_form(edited.wide, longest), "")?;
        header.set_structural(&format!("ZFORM{}", number + 1), form, "")?;
        match packers.first().filter(|_| layout.row_len > 0) {
            Some(packer) => header.set_structural(
                &format!("ZCTYP{}", number + 1),
                packer.packing.name(),
                "how the column is compressed",
            ),
            None => Ok(()),
        }
    };
    let mut header = old.header.clone().with_column(number + 1, describe)?;
    let row_len = edited.layout.row_len.checked_add(layout.row_len);
    set_row_len(&mut header, edited.layout, row_len.ok_or_else(|| Error::too_large("a row is larger than memory"))?)?;
    edited.lengthen_heap(&mut header, &[&encoder])?;
    let width = descriptor_size(edited.wide);
    let (descriptors, _) = tiles.into_parts();
    let cells = move |span: Range<u64>, output: &mut [u8]| {
        // Rows behind those of the tiles name nothing.
        output.fill(0);
        let made = descriptors.get(span.start as usize..descriptors.len().min(span.end as usize)).unwrap_or_default();
        output.get_mut(..made.len()).unwrap_or_default().copy_from_slice(made);
        Ok(())
    };
    let change = TileRowChange { cut: number * width..number * width, width, cells: Box::new(cells), arrays: streams };
    change_tile_rows(old, header, change, source)
}

/// Plans to take out the column with this number, counted from 0. What it has in the heap stays there until that is repacked.
pub(crate) fn delete_column<'p>(old: &'p OldHdu<'_>, number: usize, source: &'p dyn ReadAt) -> Result<Extended<'p>> {
    let edited = Edited::new(old, source)?;
    let column = edited.layout.columns.get(number).ok_or_else(|| Error::argument("there is no such column"))?;
    let mut header = old.header.clone().without_column(number + 1)?;
    set_row_len(&mut header, edited.layout, edited.layout.row_len - column.width)?;
    let width = descriptor_size(edited.wide);
    let change = TileRowChange {
        cut: number * width..(number + 1) * width,
        width: 0,
        cells: Box::new(|_, _| Ok(())),
        arrays: Vec::new(),
    };
    change_tile_rows(old, header, change, source)
}

/// Says how long a row of the uncompressed table is, and where its heap begins then.
fn set_row_len(header: &mut Header, table: &TableLayout, row_len: usize) -> Result<()> {
    let too_large = || Error::too_large("the table would be larger than a file can be");
    let rows = i64::try_from(table.rows).map_err(|_| too_large())?;
    let length = |row_len: usize| i64::try_from(row_len).ok()?.checked_mul(rows);
    let grown = length(row_len).zip(length(table.row_len)).map(|(new, old)| new - old).ok_or_else(too_large)?;
    set_count(header, "ZNAXIS1", row_len as i64)?;
    match header.integer("ZTHEAP")? {
        Some(heap) => set_count(header, "ZTHEAP", heap.checked_add(grown).ok_or_else(too_large)?),
        None => Ok(()),
    }
}
