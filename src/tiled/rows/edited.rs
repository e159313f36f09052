//! A compressed table while it is changed: its tiles as rows and back (FITS 4.0 §10.3).

use super::arrays::PackedArray;
use super::layout::TiledTable;
use super::repack::used_by_arrays;
use super::unpacked::UnpackedRows;
use super::write::{Arrays, PackedColumn, TileTable, descriptor_size, pack_columns, packers, stream_form};
use crate::codec::gzip;
use crate::directory::HduEntry;
use crate::edit::{HeapColumn, OldHdu, check_one_group, set_count, used_heap};
use crate::error::{Error, Result, ResultExt};
use crate::format::Header;
use crate::source::ReadAt;
use crate::table::{Cell, RowEncoder, TableLayout, most_decoded, theap_is_of_uncompressed};

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

impl<'a> Edited<'a> {
    pub(super) fn new(old: &'a OldHdu<'_>, source: &'a dyn ReadAt) -> Result<Self> {
        check_one_group(old)?;
        if theap_is_of_uncompressed(old.hdu) {
            return Err(Error::unsupported(
                "THEAP is that of the uncompressed table, as fpack leaves it: it can be read, and to be changed has to be written anew",
            ));
        }
        let table = TiledTable::new(old.hdu)?;
        let layout = TableLayout::of(old.hdu)?;
        let wide = table.descriptors()?;
        Ok(Self { table, layout, source, wide, base: heap_len(old.hdu, layout)? })
    }

    /// How long a row of the table of tiles is.
    pub(super) fn row_len(&self) -> usize {
        self.layout.columns.len() * descriptor_size(self.wide)
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
        let whole = self.table.heap.end - self.table.heap.start;
        let heap_len = match self.has_arrays() {
            false => used_heap(old, &self.heap_columns(), self.source)?,
            // Where the arrays are is not in the rows. Behind the last HDU there is room without end; a tile that can't be read is no reason to change no other.
            true if old.last => whole,
            true => {
                let used = used_heap(old, &self.heap_columns(), self.source)?;
                used_by_arrays(self, self.source).map_or(whole, |end| end.max(used))
            }
        };
        Ok(TileTable { heap_len, ..TileTable::default() })
    }

    /// An error unless the file holds all tiles, and these as many rows as the header says: so what is made for the rows is bounded by the length of the file.
    pub(super) fn check_rows(&self) -> Result<()> {
        let Some(last) = self.table.rows.checked_sub(1) else { return Ok(()) };
        match (0..self.table.columns.len()).find(|&number| self.table.has_bytes(number)) {
            Some(number) => {
                self.table.check_tiles(last, self.source.len())?;
                let all: Vec<u64> = (0..self.table.tiles()).collect();
                self.table.streams(&all, &[number], self.source).map(drop)
            }
            None if self.table.rows > most_decoded(self.source.len()) => Err(Error::illegal(format!(
                "{} rows without a byte are more than is plausible: write the table anew",
                self.table.rows
            ))),
            None => Ok(()),
        }
    }

    /// The rows of a tile with these columns in them; zeros for the others.
    pub(super) fn unpack(&self, tile: u64, numbers: &[usize]) -> Result<UnpackedRows> {
        let streams = self.table.streams(&[tile], numbers, self.source)?;
        self.check_row_bytes(tile)?;
        let unpacked = self.table.unpack(self.layout, tile, numbers, &streams.concat(), self.source)?;
        // New arrays go behind those that the heap has: none that is there may be taken for one of them.
        let is_behind = |array: &PackedArray| array.elements > 0 && array.start >= self.base;
        match unpacked.arrays.iter().zip(&self.table.columns).find(|(arrays, _)| arrays.iter().any(is_behind)) {
            None => Ok(unpacked),
            Some((_, column)) => Err(Error::illegal(format!(
                "an array is behind the end of the uncompressed heap, which has {} bytes as ZPCOUNT says",
                self.base
            ))
            .in_item(|| format!("column '{}', tile {}", column.name, tile + 1))),
        }
    }

    /// An error where the rows of a tile, with the columns that nobody looks at, are larger than a file like this one can hold.
    fn check_row_bytes(&self, tile: u64) -> Result<()> {
        let rows = self.table.rows_of(tile);
        let bytes = (rows.end - rows.start).saturating_mul(self.layout.row_len as u64);
        if bytes <= self.source.len().saturating_mul(gzip::EXPANSION) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "tile {} decodes to {bytes} bytes, which a file of {} bytes can't hold",
            tile + 1,
            self.source.len()
        )))
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
            let is_packed = column.width > 0 && wanted(number);
            is_packed.then(|| column.packing.clone()).transpose()
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
