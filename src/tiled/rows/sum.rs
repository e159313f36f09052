//! The checksum of the data unit that a compressed table stands for (FITS 4.0 §4.4.2.7, §10.3): tile by tile, its rows and the arrays of its heap are unpacked and added
//! where they lie.

use std::ops::Range;

use super::super::equivalent::sum_at;
use super::super::tile_reader::TileReader;
use super::arrays::{joined, unpack_array};
use super::layout::TiledTable;
use super::packing::{Packing, Unpacker};
use super::unpacked::UnpackedRows;
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::format::checksum::Sum;
use crate::source::{ReadAt, reserve};
use crate::table::{TableLayout, theap_is_of_uncompressed};

/// A read of all tiles for the sum of what they unpack to.
#[derive(Debug)]
pub(crate) struct TiledTableSum {
    table: TiledTable,
    layout: TableLayout,
    /// The columns that have bytes.
    numbers: Vec<usize>,
    /// Where the heap of the uncompressed table is in its data unit.
    heap: Range<u64>,
    parts: Vec<SumPart>,
}

/// A tile.
#[derive(Debug)]
struct SumPart {
    /// Where its packed columns are.
    streams: Vec<Range<u64>>,
    /// Where its packed arrays are.
    arrays: Vec<Range<u64>>,
}

/// An array of a row.
struct PlacedArray {
    /// What errors about it begin with.
    place: String,
    /// Where it is in the uncompressed heap.
    original: Range<u64>,
    /// Where it is in the file, and how it is packed.
    packed: Range<u64>,
    packing: Packing,
}

impl TiledTableSum {
    /// Plans the sum; finds where all packed bytes are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where arrays share bytes of the uncompressed heap, or leave it.
    pub(crate) fn locate(hdu: &HduEntry, source: &dyn ReadAt) -> Result<Self> {
        let table = TiledTable::new(hdu)?;
        let layout = TableLayout::of(hdu)?.clone();
        let numbers: Vec<usize> = (0..layout.columns.len()).filter(|&number| table.has_bytes(number)).collect();
        let count = |keyword: &str| -> Result<Option<u64>> {
            Ok(hdu.shown().integer(keyword)?.and_then(|count| u64::try_from(count).ok()))
        };
        let rows_len = layout.rows.saturating_mul(layout.row_len as u64);
        let heap_end = rows_len.saturating_add(count("PCOUNT")?.unwrap_or(0));
        let stored = hdu.header.integer("THEAP")?.and_then(|heap| u64::try_from(heap).ok());
        let stored = stored.filter(|_| theap_is_of_uncompressed(hdu));
        let heap = count("THEAP")?.or(stored).unwrap_or(rows_len).min(heap_end)..heap_end;
        let mut plan = Self { table, layout, numbers, heap, parts: Vec::new() };
        let tiles = if plan.numbers.is_empty() { 0 } else { plan.table.tiles() };
        if tiles > 0 {
            plan.table.check_tiles(plan.layout.rows - 1, source.len())?;
        }
        let streams = plan.table.streams(&(0..tiles).collect::<Vec<_>>(), &plan.numbers, source)?;
        reserve(&mut plan.parts, streams.len())?;
        plan.parts.extend(streams.into_iter().map(|streams| SumPart { streams, arrays: Vec::new() }));
        plan.find_arrays(source)?;
        Ok(plan)
    }

    /// Finds the packed arrays of all tiles, and checks that each byte of the uncompressed heap is of at most one.
    fn find_arrays(&mut self, source: &dyn ReadAt) -> Result<()> {
        let is_array =
            |number: &usize| self.table.columns.get(*number).is_some_and(|column| column.descriptor.is_some());
        let numbers: Vec<usize> = self.numbers.iter().copied().filter(is_array).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let streams_of = |part: &SumPart| -> Vec<Range<u64>> {
            let streams = self.numbers.iter().zip(&part.streams);
            streams.filter(|(number, _)| numbers.contains(number)).map(|(_, stream)| stream.clone()).collect()
        };
        source.require(&self.parts.iter().flat_map(&streams_of).collect::<Vec<_>>())?;
        let mut taken: Vec<Range<u64>> = Vec::new();
        let mut found = Vec::with_capacity(self.parts.len());
        for (tile, part) in (0..).zip(&self.parts) {
            let unpacked = self.table.unpack(&self.layout, tile, &numbers, &streams_of(part), source)?;
            let (mut originals, mut packed) = (Vec::new(), Vec::new());
            for &number in &numbers {
                for array in self.arrays(number, tile, &unpacked, source.len())? {
                    originals.push(array.original);
                    packed.push(array.packed);
                }
            }
            originals.sort_unstable_by_key(|original| original.start);
            taken.extend(joined(originals.into_iter()));
            found.push(joined(packed.into_iter()));
        }
        taken.sort_unstable_by_key(|range| range.start);
        if taken.is_sorted_by(|one, next| one.end <= next.start) {
            self.parts.iter_mut().zip(found).for_each(|(part, arrays)| part.arrays = arrays);
            return Ok(());
        }
        let message = "arrays of the table share bytes of its heap: its checksum can't be made without unpacking it";
        Err(Error::unsupported(message))
    }

    /// The arrays of a column in a tile, those without elements left out.
    fn arrays(&self, number: usize, tile: u64, unpacked: &UnpackedRows, file_len: u64) -> Result<Vec<PlacedArray>> {
        let column = self.table.columns.get(number);
        let variable = self.layout.columns.get(number).and_then(|column| column.variable.as_ref());
        let (Some(column), Some(variable)) = (column, variable) else { return Ok(Vec::new()) };
        let packing = column.packing.clone()?;
        let own = unpacked.arrays.get(number).map(Vec::as_slice).unwrap_or_default();
        let found = (self.table.rows_of(tile).start..).zip(own).filter(|(_, array)| array.elements > 0);
        let placed = found.map(|(row, array)| {
            let place = format!("column '{}', row {row}", column.name);
            let (packed, len) =
                self.table.packed_array(variable, packing, *array, file_len).in_item(|| place.clone())?;
            match array.start.checked_add(len as u64).filter(|&end| end <= self.heap.end - self.heap.start) {
                Some(end) => Ok(PlacedArray { place, original: array.start..end, packed, packing }),
                None => {
                    Err(Error::illegal("the array leads out of the heap of the uncompressed table")).in_item(|| place)
                }
            }
        });
        placed.collect()
    }

    /// How many parts there are: tiles.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// What a part needs of the file.
    pub(crate) fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let part = self.parts.get(index);
        part.map(|part| joined(part.streams.iter().chain(&part.arrays).cloned())).unwrap_or_default()
    }

    /// The sum of what a tile unpacks to.
    pub(crate) fn sum(&self, index: usize, source: &dyn ReadAt) -> Result<Sum> {
        let streams = self.parts.get(index).map(|part| part.streams.as_slice()).unwrap_or_default();
        let tile = index as u64;
        let unpacked = self.table.unpack(&self.layout, tile, &self.numbers, streams, source)?;
        let first = self.table.rows_of(tile).start * self.layout.row_len as u64;
        let mut sum = sum_at(first, &unpacked.rows);
        let mut reader = TileReader::new(source);
        let mut unpacker = Unpacker::default();
        for &number in &self.numbers {
            let arrays = self.arrays(number, tile, &unpacked, source.len())?;
            for (index, array) in arrays.iter().enumerate() {
                let summed = (|| {
                    let packed = reader.bytes(arrays.get(index..).unwrap_or_default(), |array| &array.packed)?;
                    let len = (array.original.end - array.original.start) as usize;
                    let bytes = unpack_array(&mut unpacker, array.packing, packed, len)?;
                    Ok(sum_at(self.heap.start + array.original.start, bytes))
                })();
                sum = sum.with(summed.in_item(|| array.place.clone())?);
            }
        }
        Ok(sum)
    }
}
