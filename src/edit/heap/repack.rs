//! A heap without what no descriptor names (FITS 4.0 §7.3.5).

use std::ops::Range;

use super::super::extend::{Extended, OldHdu};
use super::{Parts, parts_of, set_heap_len, zeros};
use crate::error::{Error, Result, ResultExt};
use crate::format::{HduLayout, padded};
use crate::source::{Content, EditPlan, Piece, ReadAt, past_the_end, reserve, resize};

/// How much of the rows is read at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// A column of descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeapColumn {
    /// Where it starts in a row.
    pub(crate) offset: usize,
    /// Whether its numbers have 64 bits.
    pub(crate) wide: bool,
    /// How many bits an element takes in the heap.
    pub(crate) element_bits: u64,
}

impl HeapColumn {
    fn width(&self) -> usize {
        if self.wide { 16 } else { 8 }
    }

    /// How many bytes a row's array has, and where in the heap it starts. Offsets are taken as unsigned: heaps of more than 2 GiB were written so.
    fn descriptor(&self, row: &[u8]) -> Option<(u64, u64)> {
        let bytes = row.get(self.offset..)?;
        let (elements, start) = if self.wide {
            let [length, start] = bytes.as_chunks::<8>().0.get(..2)? else { return None };
            (u64::from_be_bytes(*length), u64::from_be_bytes(*start))
        } else {
            let [length, start] = bytes.as_chunks::<4>().0.get(..2)? else { return None };
            (u32::from_be_bytes(*length).into(), u32::from_be_bytes(*start).into())
        };
        Some((elements.checked_mul(self.element_bits)?.div_ceil(8), start))
    }

    fn set_start(&self, row: &mut [u8], start: u64) {
        let half = self.width() / 2;
        let bytes = start.to_be_bytes();
        let place = row.get_mut(self.offset + half..self.offset + 2 * half);
        if let (Some(place), Some(bytes)) = (place, bytes.get(8 - half..)) {
            place.copy_from_slice(bytes);
        }
    }
}

/// Where the heap of a table ends that is in use: where the last array does that a descriptor names.
pub(crate) fn used_heap(old: &OldHdu<'_>, columns: &[HeapColumn], source: &dyn ReadAt) -> Result<u64> {
    heap_of_rows(old, columns, u64::MAX, source)
}

/// As [`used_heap`], for the first rows alone.
pub(crate) fn heap_of_rows(old: &OldHdu<'_>, columns: &[HeapColumn], rows: u64, source: &dyn ReadAt) -> Result<u64> {
    let mut parts = parts_of(old)?;
    let row_len = old.hdu.layout.axes.first().copied().unwrap_or(0);
    parts.rows_end = parts.rows_end.min(parts.data_start.saturating_add(rows.saturating_mul(row_len)));
    let mut end = 0;
    visit_arrays(old, &parts, columns, source, &mut |array| {
        end = end.max(array.end);
        Ok(())
    })?;
    Ok(end)
}

/// Plans to rewrite the heap so that every byte of it is named by a descriptor; arrays keep their order, and what they share. `None` where it is so
/// already.
pub(crate) fn repack_heap<'p>(
    old: &OldHdu<'_>,
    columns: Vec<HeapColumn>,
    source: &'p dyn ReadAt,
) -> Result<Option<Extended<'p>>> {
    let parts = parts_of(old)?;
    let heap_len = parts.heap.end - parts.heap.start;
    let kept = Kept::of(old, &parts, &columns, source)?;
    if kept.len == heap_len {
        return Ok(None);
    }
    let mut header = old.header.clone();
    let gap = parts.heap.start - parts.rows_end;
    set_heap_len(&mut header, &Parts { heap: 0..kept.len, ..parts.clone() }, gap, 0)?;
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let padding = padded(layout.data_len).unwrap_or(layout.data_len) - layout.data_len;
    let end = old.hdu.layout.end().min(old.file_len);
    let mut pieces = vec![Piece::Old(0..old.header_start), Piece::New(Content::Bytes(blocks.clone()))];
    let arrays: Vec<_> = kept.ranges.iter().map(|kept| shifted(kept, parts.heap.start)).collect();
    let rows = Rows { row_len: old.hdu.layout.axes.first().copied().unwrap_or(0), columns, kept };
    let (start, len) = (parts.data_start, parts.rows_end - parts.data_start);
    let producer = move |span: Range<u64>, output: &mut [u8]| rows.make(start, len, span, output, source);
    pieces.push(Piece::New(Content::Derived { len, producer: Box::new(producer) }));
    pieces.push(Piece::Old(parts.rows_end..parts.heap.start));
    pieces.extend(arrays.into_iter().map(Piece::Old));
    pieces.push(Piece::New(zeros(padding)));
    pieces.push(Piece::Old(if old.last { end..end } else { end..old.file_len }));
    pieces.retain(|piece| piece.len() > 0);
    Ok(Some(Extended { plan: EditPlan::Assemble(pieces), header, blocks, layout, table: None }))
}

fn shifted(range: &Range<u64>, by: u64) -> Range<u64> {
    range.start + by..range.end + by
}

/// What of a heap is kept, and where it goes.
pub(crate) struct Kept {
    /// Ascending; no two touch.
    ranges: Vec<Range<u64>>,
    /// Where each goes.
    starts: Vec<u64>,
    len: u64,
}

impl Kept {
    fn of(old: &OldHdu<'_>, parts: &Parts, columns: &[HeapColumn], source: &dyn ReadAt) -> Result<Self> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        visit_arrays(old, parts, columns, source, &mut |array| {
            // Most arrays lie in the order of their rows.
            match ranges.last_mut() {
                Some(last) if last.end == array.start => last.end = array.end,
                _ => {
                    reserve(&mut ranges, 1)?;
                    ranges.push(array);
                }
            }
            Ok(())
        })?;
        Ok(Self::new(ranges))
    }

    /// Of these arrays, in any order; they may share bytes.
    pub(crate) fn new(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, range| {
            let touches = next.start <= range.end;
            if touches {
                range.end = range.end.max(next.end);
            }
            touches
        });
        let mut len = 0;
        let starts = ranges.iter().map(|range| {
            let start = len;
            len += range.end - range.start;
            start
        });
        let starts = starts.collect();
        Self { ranges, starts, len }
    }

    /// What is kept, ascending.
    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// How many bytes are kept.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where the array goes that starts here.
    pub(crate) fn new_start(&self, start: u64) -> u64 {
        let number = self.ranges.partition_point(|range| range.start <= start).saturating_sub(1);
        match (self.ranges.get(number), self.starts.get(number)) {
            (Some(range), Some(new)) => new + (start - range.start),
            _ => start,
        }
    }
}

/// Visits every array that a descriptor names: its bytes in the heap.
fn visit_arrays(
    old: &OldHdu<'_>,
    parts: &Parts,
    columns: &[HeapColumn],
    source: &dyn ReadAt,
    visit: &mut dyn FnMut(Range<u64>) -> Result<()>,
) -> Result<()> {
    let row_len = old.hdu.layout.axes.first().copied().unwrap_or(0);
    let heap_len = parts.heap.end - parts.heap.start;
    if row_len == 0 {
        return Ok(());
    }
    let chunk = (CHUNK_BYTES / row_len).max(1).saturating_mul(row_len);
    let mut scratch = Vec::new();
    let (mut at, mut number) = (parts.data_start, 0u64);
    while at < parts.rows_end {
        resize(&mut scratch, chunk.min(parts.rows_end - at) as usize)?;
        source.read_at(at, &mut scratch)?;
        for row in scratch.chunks_exact(row_len as usize) {
            for column in columns {
                let array = column.descriptor(row).and_then(|(len, start)| Some(start..start.checked_add(len)?));
                let array = array.filter(|array| array.is_empty() || array.end <= heap_len);
                let array = array
                    .ok_or_else(|| {
                        Error::illegal(format!(
                            "a descriptor goes past the end of the heap, which has {heap_len} bytes"
                        ))
                    })
                    .in_item(|| format!("row {number}"))?;
                if !array.is_empty() {
                    visit(array)?;
                }
            }
            number += 1;
        }
        at += scratch.len() as u64;
    }
    Ok(())
}

/// The rows with descriptors that name what the heap has then.
struct Rows {
    row_len: u64,
    columns: Vec<HeapColumn>,
    kept: Kept,
}

impl Rows {
    /// Makes the bytes in `span` of the new rows; the old ones are the `len` bytes from `start` on.
    fn make(&self, start: u64, len: u64, span: Range<u64>, output: &mut [u8], source: &dyn ReadAt) -> Result<()> {
        if span.is_empty() || self.row_len == 0 {
            return Ok(());
        }
        let whole = span.start / self.row_len * self.row_len..span.end.next_multiple_of(self.row_len).min(len);
        let mut rows = Vec::new();
        resize(&mut rows, (whole.end - whole.start) as usize)?;
        source.read_at(start + whole.start, &mut rows)?;
        for row in rows.chunks_exact_mut(self.row_len as usize) {
            for column in &self.columns {
                if let Some((1.., old)) = column.descriptor(row) {
                    column.set_start(row, self.kept.new_start(old));
                }
            }
        }
        let first = (span.start - whole.start) as usize;
        let made =
            rows.get(first..first + output.len()).ok_or_else(|| past_the_end(start, output.len(), start + len))?;
        output.copy_from_slice(made);
        Ok(())
    }
}
