//! A compressed table while it is changed: its tiles as rows and back (FITS 4.0 §10.3).

use super::super::tile_reader::TileReader;
use super::arrays::packed_arrays;
use super::layout::TiledTable;
use super::packing::Unpacker;
use super::write::{Arrays, PackedColumn, Place, TileTable, descriptor_size, pack_columns, packers, stream_form};
use crate::directory::HduEntry;
use crate::edit::{HeapColumn, OldHdu, set_count, used_heap};
use crate::error::{Error, Result, ResultExt};
use crate::format::Header;
use crate::source::{ReadAt, resize};
use crate::table::{Cell, RowEncoder, TableLayout};

/// What an edit works on.
pub(super) struct Edited<'a> {
    pub(super) table: TiledTable,
    pub(super) layout: &'a TableLayout,
    source: &'a dyn ReadAt,
    /// Whether the descriptors of the table of tiles have 64 bits.
    pub(super) wide: bool,
    /// How long the heap of the uncompressed table is: where new arrays go in it.
    pub(super) base: u64,
}

/// The rows of a tile as in an uncompressed table.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) rows: Vec<u8>,
    /// For each column of variable length: where the packed array of each row is.
    pub(super) kept: Vec<Vec<Place>>,
}

impl<'a> Edited<'a> {
    pub(super) fn new(old: &'a OldHdu<'_>, source: &'a dyn ReadAt) -> Result<Self> {
        let table = TiledTable::new(old.hdu)?;
        let layout = TableLayout::of(old.hdu)?;
        let wide = table.descriptors()?;
        Ok(Self { table, layout, source, wide, base: heap_len(old.hdu, layout)? })
    }

    /// How long a row of the table of tiles is.
    pub(super) fn row_len(&self) -> usize {
        self.layout.columns.len() * descriptor_size(self.wide)
    }

    pub(super) fn has_bytes(&self, number: usize) -> bool {
        self.table.columns.get(number).is_some_and(|column| column.width > 0)
    }

    pub(super) fn has_arrays(&self) -> bool {
        self.layout.columns.iter().any(|column| column.cell == Cell::Variable)
    }

    pub(super) fn heap_columns(&self) -> Vec<HeapColumn> {
        let size = descriptor_size(self.wide);
        let columns = (0..self.layout.columns.len()).map(|number| number * size);
        columns.map(|offset| HeapColumn { offset, wide: self.wide, element_bits: 8 }).collect()
    }

    /// The table of new tiles, whose heap begins behind what is in use.
    pub(super) fn begin(&self, old: &OldHdu<'_>) -> Result<TileTable> {
        // Where arrays of variable length are is not in the rows.
        let heap_len = if self.has_arrays() {
            self.table.heap.end - self.table.heap.start
        } else {
            used_heap(old, &self.heap_columns(), self.source)?
        };
        Ok(TileTable { heap_len, ..TileTable::default() })
    }

    /// The rows of a tile with these columns in them; zeros for the others.
    pub(super) fn unpack(&self, tile: u64, numbers: &[usize]) -> Result<Unpacked> {
        let streams = self.table.streams(&[tile], numbers, self.source)?;
        let rows = self.table.rows_of(tile);
        let too_large = || Error::too_large("the tile is larger than memory");
        let count = usize::try_from(rows.end - rows.start).map_err(|_| too_large())?;
        let row_len = self.layout.row_len;
        let mut unpacked = Unpacked { rows: Vec::new(), kept: vec![Vec::new(); self.layout.columns.len()] };
        resize(&mut unpacked.rows, count.checked_mul(row_len).ok_or_else(too_large)?)?;
        let mut unpacker = Unpacker::default();
        let mut reader = TileReader::new(self.source);
        for (&number, stream) in numbers.iter().zip(streams.iter().flatten()) {
            let (Some(column), Some(place)) = (self.table.columns.get(number), self.layout.columns.get(number)) else {
                continue;
            };
            let mut put = || {
                let packed = reader.bytes(std::slice::from_ref(stream), |stream| stream)?;
                let len = column.unpacked_len(count as u64).and_then(|len| usize::try_from(len).ok());
                let cells = unpacker.unpack(column.stream_packing()?, packed, len.ok_or_else(too_large)?)?;
                let mut originals = Vec::new();
                let cells = match column.descriptor {
                    None => cells,
                    Some(size) => {
                        let arrays = packed_arrays(cells, size, self.table.heap.end - self.table.heap.start)?;
                        arrays.iter().for_each(|array| array.put_original(size, &mut originals));
                        let places = arrays.iter().map(|array| Place::Kept { len: array.len, offset: array.offset });
                        if let Some(kept) = unpacked.kept.get_mut(number) {
                            kept.extend(places);
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

    /// Packs the wanted columns of a tile.
    pub(super) fn pack(
        &self,
        tile: u64,
        rows: &[u8],
        wanted: impl Fn(usize) -> bool,
        arrays: &Arrays<'_>,
    ) -> Result<Vec<PackedColumn>> {
        let packings = self.table.columns.iter().enumerate().map(|(number, column)| {
            if column.width > 0 && wanted(number) { column.packing.clone().map(Some) } else { Ok(None) }
        });
        let packers = packers(packings)?;
        pack_columns(self.layout, &packers, rows, wanted, arrays).in_item(|| format!("tile {}", tile + 1))
    }

    /// The row of a tile in the table of tiles.
    pub(super) fn stored_row(&self, tile: u64) -> Result<Vec<u8>> {
        let mut row = vec![0; self.row_len()];
        self.source.read_at(self.table.row_start(tile), &mut row)?;
        Ok(row)
    }

    /// Has the row of a tile name new streams for these columns; returns what goes into the heap.
    pub(super) fn replace(
        &self,
        row: &mut [u8],
        packed: Vec<PackedColumn>,
        numbers: &[usize],
        tiles: &mut TileTable,
    ) -> Result<Vec<u8>> {
        let size = descriptor_size(self.wide);
        let before = tiles.rows.len();
        // What does not change has no stream, and keeps its descriptor.
        let bytes = tiles.add(packed, self.wide)?;
        let new = tiles.rows.get(before..).unwrap_or_default();
        for &number in numbers {
            let place = number * size..(number + 1) * size;
            if let (Some(place), Some(new)) = (row.get_mut(place.clone()), new.get(place)) {
                place.copy_from_slice(new);
            }
        }
        Ok(bytes)
    }

    /// Makes the maxima in TFORM as large as the new streams are.
    pub(super) fn lengthen_forms(&self, header: &mut Header, tiles: &TileTable) -> Result<()> {
        for (number, &longest) in (1..).zip(&tiles.longest) {
            let keyword = format!("TFORM{number}");
            let form = header.text(&keyword)?.unwrap_or_default();
            if maximum(&form).is_none_or(|most| most < longest) {
                let comment = header.comment(&keyword).unwrap_or_default();
                header.set_structural(&keyword, stream_form(self.wide, longest), &comment)?;
            }
        }
        Ok(())
    }

    /// Says in ZPCOUNT and ZFORM that the uncompressed table has the arrays that these encoders write.
    pub(super) fn lengthen_heap(&self, header: &mut Header, encoders: &[&RowEncoder<'_>]) -> Result<()> {
        let added: u64 = encoders.iter().map(|encoder| encoder.heap_len()).sum();
        if added == 0 {
            return Ok(());
        }
        let before = header.integer("ZPCOUNT")?.unwrap_or(0);
        let after = i64::try_from(added).ok().and_then(|added| before.checked_add(added));
        set_count(header, "ZPCOUNT", after.ok_or_else(|| Error::too_large("the table would be too large"))?)?;
        for (name, longest) in encoders.iter().flat_map(|encoder| encoder.longest_arrays()) {
            let Some(number) = self.layout.find(name) else { continue };
            let keyword = format!("ZFORM{}", number + 1);
            let form = header.text(&keyword)?.unwrap_or_default();
            if maximum(&form).is_some_and(|most| most < longest as u64) {
                let comment = header.comment(&keyword).unwrap_or_default();
                let letters = form.split('(').next().unwrap_or_default().to_owned();
                header.set_structural(&keyword, format!("{letters}({longest})"), &comment)?;
            }
        }
        Ok(())
    }
}

/// How long the heap of the uncompressed table is.
fn heap_len(hdu: &HduEntry, layout: &TableLayout) -> Result<u64> {
    let header = &hdu.header;
    let rows = layout.rows.saturating_mul(layout.row_len as u64);
    let gap = match header.integer("ZTHEAP")? {
        Some(heap) => u64::try_from(heap).unwrap_or(0).saturating_sub(rows),
        None => 0,
    };
    let count = header.integer("ZPCOUNT")?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    Ok(count.saturating_sub(gap))
}

/// The number in parentheses behind the form of a variable-length column.
fn maximum(form: &str) -> Option<u64> {
    form.split(['(', ')']).nth(1)?.trim().parse().ok()
}
