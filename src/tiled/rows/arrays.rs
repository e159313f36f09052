//! The arrays of a variable-length column of a compressed table (FITS 4.0 §10.3.6).
//!
//! Each array is packed by itself. What a tile has of the column are descriptors, gzipped: first those that the rows of the uncompressed table have, then as
//! many of 64 bits that say where the packed arrays are. (The standard has them the other way round; the programs that write such tables don't. Both are read:
//! only one of the two makes sense.) An array that did not become smaller is stored as it is.

use std::ops::Range;

use super::super::tile_reader::TileReader;
use super::layout::TiledTable;
use super::packing::{Packing, Unpacker};
use crate::error::{Error, Result, ResultExt};
use crate::source::{BufferSize, ReadAt, ReadPlan, reserve};
use crate::table::{ArrayForm, ArrayOutputs, ArraysPlan};

/// How many bytes a descriptor of a packed array has.
pub(super) const PLACE_BYTES: usize = 16;
/// How many bytes of arrays one part unpacks, unless one array has more.
const PART_BYTES: u64 = 1 << 20;
/// What the bookkeeping of a row counts for when parts are made.
const ROW_BYTES: u64 = 16;

/// The descriptors of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedArray {
    /// How many elements the array has, and where it is in the uncompressed heap.
    pub(super) elements: u64,
    pub(super) start: u64,
    /// How many bytes it is packed to, and where they are in the heap.
    pub(super) len: u64,
    pub(super) offset: u64,
}

impl PackedArray {
    /// Of a row without an array.
    pub(super) const EMPTY: Self = Self { elements: 0, start: 0, len: 0, offset: 0 };

    /// Appends the descriptor of the uncompressed table, which has `size` bytes.
    pub(super) fn put_original(&self, size: usize, output: &mut Vec<u8>) {
        for number in [self.elements, self.start] {
            output.extend_from_slice(number.to_be_bytes().get(8 - size / 2..).unwrap_or_default());
        }
    }
}

/// The descriptors of the rows of a tile, from their unpacked bytes; those of the uncompressed table have `size` bytes.
pub(super) fn packed_arrays(bytes: &[u8], size: usize, heap_len: u64) -> Result<Vec<PackedArray>> {
    let rows = bytes.len() / (size + PLACE_BYTES);
    let (first, second) = bytes.split_at(rows * size);
    let usual = pair_up(first, second, size);
    if plausible(&usual, heap_len) {
        return Ok(usual);
    }
    let (first, second) = bytes.split_at(rows * PLACE_BYTES);
    let standard = pair_up(second, first, size);
    if plausible(&standard, heap_len) {
        return Ok(standard);
    }
    Err(Error::corrupt("the descriptors of the tile lead out of the heap"))
}

fn pair_up(originals: &[u8], places: &[u8], size: usize) -> Vec<PackedArray> {
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    let pairs = originals.chunks_exact(size.max(1)).zip(places.chunks_exact(PLACE_BYTES));
    let packed = pairs.map(|(original, place)| {
        let (len, offset) = place.split_at(PLACE_BYTES / 2);
        PackedArray {
            elements: number(original.get(..size / 2).unwrap_or_default()),
            start: number(original.get(size / 2..).unwrap_or_default()),
            len: number(len),
            offset: number(offset),
        }
    });
    packed.collect()
}

fn plausible(arrays: &[PackedArray], heap_len: u64) -> bool {
    arrays.iter().all(|array| {
        let inside = array.offset.checked_add(array.len).is_some_and(|end| end <= heap_len);
        inside && (array.elements == 0) == (array.len == 0)
    })
}

/// A read of the arrays of one column, ready to run.
#[derive(Debug)]
pub(super) struct PackedArraysPlan {
    array: ArrayForm,
    packing: Packing,
    /// The number of each row in the table, and where in the file its packed array is.
    places: Vec<(u64, Range<u64>)>,
    /// How many elements the rows before have, for each row; and of all, at the end.
    offsets: Vec<usize>,
    /// The rows of each part.
    parts: Vec<Range<usize>>,
}

impl PackedArraysPlan {
    /// Plans the read of the arrays of these rows, each with its number.
    pub(super) fn new(
        array: ArrayForm,
        packing: Packing,
        rows: Vec<(u64, PackedArray)>,
        table: &TiledTable,
        file_len: u64,
    ) -> Result<Self> {
        let mut plan = Self { array, packing, places: Vec::new(), offsets: vec![0], parts: Vec::new() };
        reserve(&mut plan.places, rows.len())?;
        reserve(&mut plan.offsets, rows.len())?;
        let (mut first, mut bytes, mut total) = (0, 0, 0u64);
        for (index, (row, packed)) in rows.into_iter().enumerate() {
            let place = format!("column '{}', row {row}", plan.array.name);
            let stored = plan.add(row, packed, table, file_len).in_item(|| place.clone())?;
            total = total.saturating_add(stored);
            if total > table.heap_room(packing.expansion()) {
                let message =
                    format!("the arrays up to here take {total} bytes, more than such a heap plausibly holds");
                return Err(Error::illegal(message).in_item(|| place));
            }
            if index > first && bytes + stored > PART_BYTES {
                plan.parts.push(first..index);
                (first, bytes) = (index, 0);
            }
            bytes += stored + ROW_BYTES;
        }
        if plan.offsets.last().is_some_and(|&total| total > 0) {
            plan.parts.push(first..plan.places.len());
        }
        Ok(plan)
    }

    /// Takes in a row; says how many bytes its array has.
    fn add(&mut self, row: u64, packed: PackedArray, table: &TiledTable, file_len: u64) -> Result<u64> {
        let place = table.in_heap(packed.len, packed.offset, file_len)?;
        let too_large = || Error::too_large("the array is larger than memory");
        let elements = usize::try_from(packed.elements).map_err(|_| too_large())?;
        let stored = self.array.stored_len(elements).ok_or_else(too_large)?;
        if stored > packed.len.saturating_mul(self.packing.expansion()) {
            return Err(Error::corrupt(format!(
                "the array has {elements} elements, but only {} bytes, which can't hold them",
                packed.len
            )));
        }
        let before = self.offsets.last().copied().unwrap_or(0);
        elements.checked_mul(self.array.element_size()).ok_or_else(too_large)?;
        self.offsets.push(before.checked_add(elements).ok_or_else(too_large)?);
        self.places.push((row, place));
        Ok(stored)
    }

    fn elements(&self, index: usize) -> usize {
        match self.offsets.get(index..index + 2) {
            Some([start, end]) => end - start,
            _ => 0,
        }
    }
}

impl ReadPlan for PackedArraysPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.array.buffers(self.offsets.last().copied().unwrap_or(0))
    }

    fn len(&self) -> usize {
        self.parts.len()
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let rows = self.parts.get(index).cloned().unwrap_or(0..0);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (_, place) in self.places.get(rows).unwrap_or_default().iter().filter(|(_, place)| !place.is_empty()) {
            match ranges.last_mut() {
                Some(last) if last.end == place.start => last.end = place.end,
                _ => ranges.push(place.clone()),
            }
        }
        ranges
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        let rows = self.parts.get(index).cloned().unwrap_or(0..0);
        let offset = |row: usize| self.offsets.get(row).copied().unwrap_or(0);
        self.array.output_sizes(offset(rows.end) - offset(rows.start))
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let mut outputs = ArrayOutputs::new(outputs);
        let mut reader = TileReader::new(source);
        let mut unpacker = Unpacker::default();
        let rows = self.parts.get(index).cloned().unwrap_or(0..0);
        for index in rows.clone() {
            let places = self.places.get(index..rows.end).unwrap_or_default();
            let elements = self.elements(index);
            let (Some((row, _)), true) = (places.first(), elements > 0) else { continue };
            let decoded = (|| {
                let packed = reader.bytes(places, |(_, place)| place)?;
                let len =
                    self.array.stored_len(elements).and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX);
                let stored = if packed.len() == len { packed } else { unpacker.unpack(self.packing, packed, len)? };
                self.array.decode_values(elements, stored, &mut outputs)
            })();
            decoded.in_item(|| format!("column '{}', row {row}", self.array.name))?;
        }
        Ok(())
    }
}

impl ArraysPlan for PackedArraysPlan {
    fn into_offsets(self: Box<Self>) -> Vec<usize> {
        self.offsets
    }
}
