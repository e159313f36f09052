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
use crate::table::{ArrayForm, ArrayOutputs, ArrayRows, ArraysPlan, Variable};

/// How many bytes a descriptor of a packed array has.
pub(super) const PLACE_BYTES: usize = 16;

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
    rows: ArrayRows,
    packing: Packing,
    /// Where in the file the packed array of each row is.
    places: Vec<Range<u64>>,
}

impl PackedArraysPlan {
    /// Plans the read of the arrays of these rows, each with its number.
    pub(super) fn new(
        array: ArrayForm,
        packing: Packing,
        found: Vec<(u64, PackedArray)>,
        table: &TiledTable,
        file_len: u64,
    ) -> Result<Self> {
        let mut plan = Self { rows: ArrayRows::new(array, found.len())?, packing, places: Vec::new() };
        reserve(&mut plan.places, found.len())?;
        let mut total = 0u64;
        for (row, packed) in found {
            let added = table.packed_array(&plan.rows.array.variable, packing, packed, file_len);
            let added = added.and_then(|(place, stored)| {
                total = total.saturating_add(stored as u64);
                if total > table.heap_room(packing.expansion()) {
                    return Err(Error::illegal(format!(
                        "the arrays up to here take {total} bytes, more than such a heap plausibly holds: read fewer rows"
                    )));
                }
                plan.places.push(place);
                // An array that is in memory has no more elements than that.
                plan.rows.push(row, usize::try_from(packed.elements).unwrap_or(usize::MAX))
            });
            added.in_item(|| format!("column '{}', row {row}", plan.rows.array.name))?;
        }
        plan.rows.make_parts();
        Ok(plan)
    }
}

impl TiledTable {
    /// Where in the file the packed array of a row is, and how many bytes it unpacks to: no more than it can.
    pub(super) fn packed_array(
        &self,
        variable: &Variable,
        packing: Packing,
        packed: PackedArray,
        file_len: u64,
    ) -> Result<(Range<u64>, usize)> {
        let place = self.in_heap(packed.len, packed.offset, file_len)?;
        let stored = variable.stored_len(packed.elements);
        let stored = stored.filter(|&stored| stored <= packed.len.saturating_mul(packing.expansion()));
        match stored.and_then(|stored| usize::try_from(stored).ok()) {
            Some(stored) => Ok((place, stored)),
            None => Err(Error::corrupt(format!(
                "the array has {} elements, but only {} bytes, which can't hold them",
                packed.elements, packed.len
            ))),
        }
    }
}

/// The bytes of an array as the uncompressed heap has them.
pub(super) fn unpack_array<'a>(
    unpacker: &'a mut Unpacker,
    packing: Packing,
    packed: &'a [u8],
    len: usize,
) -> Result<&'a [u8]> {
    if packed.len() == len { Ok(packed) } else { unpacker.unpack(packing, packed, len) }
}

impl ReadPlan for PackedArraysPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.rows.buffers()
    }

    fn len(&self) -> usize {
        self.rows.part_count()
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        joined(self.places.get(self.rows.part(index)).unwrap_or_default().iter().cloned())
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        self.rows.output_sizes(index)
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let mut outputs = ArrayOutputs::new(outputs);
        let mut reader = TileReader::new(source);
        let mut unpacker = Unpacker::default();
        let rows = self.rows.part(index);
        let array = &self.rows.array;
        for index in rows.clone() {
            let elements = self.rows.elements(index);
            if elements == 0 {
                continue;
            }
            let places = self.places.get(index..rows.end).unwrap_or_default();
            let decoded = reader.bytes(places, |place| place).and_then(|packed| {
                let len = array.stored_len(elements).and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX);
                let stored = unpack_array(&mut unpacker, self.packing, packed, len)?;
                array.decode_values(elements, stored, &mut outputs)
            });
            decoded.in_item(|| self.rows.place(index))?;
        }
        Ok(())
    }
}

impl ArraysPlan for PackedArraysPlan {
    fn into_offsets(self: Box<Self>) -> Vec<usize> {
        self.rows.into_offsets()
    }
}

/// Ranges of the file with those joined that follow each other.
pub(super) fn joined(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::new();
    for range in ranges.filter(|range| !range.is_empty()) {
        match all.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => all.push(range),
        }
    }
    all
}
