//! A tile of a compressed table as the rows that it stands for (FITS 4.0 §10.3).

use std::ops::Range;

use super::super::tile_reader::TileReader;
use super::arrays::{PackedArray, packed_arrays};
use super::layout::TiledTable;
use super::packing::Unpacker;
use crate::error::{Error, Result, ResultExt};
use crate::source::{ReadAt, resize};
use crate::table::TableLayout;

/// The rows of a tile as in the uncompressed table.
#[derive(Debug, Default)]
pub(super) struct UnpackedRows {
    pub(super) rows: Vec<u8>,
    /// For each column of variable length that was asked for: where the array of each row is, packed and not. Nothing for other columns.
    pub(super) arrays: Vec<Vec<PackedArray>>,
}

impl TiledTable {
    /// The rows of a tile with these columns, whose packed cells are in `streams`; zeros for the others.
    pub(super) fn unpack(
        &self,
        layout: &TableLayout,
        tile: u64,
        numbers: &[usize],
        streams: &[Range<u64>],
        source: &dyn ReadAt,
    ) -> Result<UnpackedRows> {
        let rows = self.rows_of(tile);
        let too_large = || Error::too_large("the tile is larger than memory");
        let count = usize::try_from(rows.end - rows.start).map_err(|_| too_large())?;
        let row_len = layout.row_len;
        let mut unpacked = UnpackedRows { rows: Vec::new(), arrays: vec![Vec::new(); layout.columns.len()] };
        resize(&mut unpacked.rows, count.checked_mul(row_len).ok_or_else(too_large)?)?;
        let mut unpacker = Unpacker::default();
        let mut reader = TileReader::new(source);
        for (index, &number) in numbers.iter().enumerate() {
            let (Some(column), Some(place)) = (self.columns.get(number), layout.columns.get(number)) else { continue };
            let mut put = || {
                let packed = reader.bytes(streams.get(index..).unwrap_or_default(), |stream| stream)?;
                let len = column.unpacked_len(count as u64).and_then(|len| usize::try_from(len).ok());
                let cells = unpacker.unpack(column.stream_packing()?, packed, len.ok_or_else(too_large)?)?;
                let mut originals = Vec::new();
                let cells = match column.descriptor {
                    None => cells,
                    Some(size) => {
                        let arrays = packed_arrays(cells, size, self.heap.end - self.heap.start)?;
                        arrays.iter().for_each(|array| array.put_original(size, &mut originals));
                        if let Some(own) = unpacked.arrays.get_mut(number) {
                            *own = arrays;
                        }
                        &originals
                    }
                };
                for (row, cell) in unpacked.rows.chunks_exact_mut(row_len).zip(cells.chunks_exact(column.width)) {
                    row.get_mut(place.offset..place.offset + column.width).unwrap_or_default().copy_from_slice(cell);
                }
                Ok(())
            };
            put().in_item(|| format!("column '{}', tile {}", column.name, tile + 1))?;
        }
        Ok(unpacked)
    }
}
