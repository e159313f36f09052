//! The arrays of a variable-length column: descriptors in the rows say where each lies in the heap (FITS 4.0 §7.3.5).
//!
//! The descriptors of all wanted rows are read and checked before anything is allocated for the arrays. The values of all rows then
//! come out behind one another, as many as [`ArrayRows`] says.

use std::ops::Range;

use super::array_form::{ArrayForm, ArrayOutputs};
use super::array_rows::{ArrayRows, ROW_BYTES};
use super::column::{Cell, Column};
use super::plan::ArraysPlan;
use super::read::{READ_BYTES, RowPlan, most_decoded};
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::format::HduKind;
use crate::source::{BufferSize, GAP_BYTES, ReadAt, ReadPlan, does_not_fit, past_the_end, reserve, resize, slice};

/// Where the heap of a table is: behind its rows, or at THEAP (§7.3.5).
pub(crate) fn heap(hdu: &HduEntry) -> Result<Range<u64>> {
    let layout = &hdu.layout;
    // The product is part of the length of the data unit, which was checked.
    let rows_len = layout.axes.iter().fold(1, |product: u64, &length| product.saturating_mul(length));
    let offset = match hdu.header.integer("THEAP")? {
        None => rows_len,
        Some(offset) => u64::try_from(offset)
            .ok()
            .filter(|&offset| offset >= rows_len)
            .ok_or_else(|| Error::illegal(format!("THEAP is {offset}, within the {rows_len} bytes of the table: read the columns that are not of variable length")))?,
    };
    let mut end = layout.data_start.saturating_add(layout.data_len);
    if theap_is_of_uncompressed(hdu) {
        // PCOUNT is the length of the heap alone.
        end = end.saturating_add(offset - rows_len);
    }
    Ok(layout.data_start.saturating_add(offset).min(end)..end)
}

/// Whether THEAP of a compressed table is that of the uncompressed one, which belongs in ZTHEAP (§10.3.1): fpack leaves it as it was, and so puts its own heap
/// there, far behind the rows and past the end that PCOUNT tells. It says where the rows of the uncompressed table end, or more; nobody else leaves such a gap
/// in front of compressed columns.
pub(crate) fn theap_is_of_uncompressed(hdu: &HduEntry) -> bool {
    let number =
        |keyword: &str| hdu.header.integer(keyword).ok().flatten().and_then(|number| u64::try_from(number).ok());
    if hdu.layout.kind != HduKind::CompressedTable || hdu.header.contains("ZTHEAP") {
        return false;
    }
    let own_len = hdu.layout.axes.iter().fold(1, |product: u64, &length| product.saturating_mul(length));
    let rows_len = number("ZNAXIS1").zip(number("ZNAXIS2")).map(|(row, rows)| row.saturating_mul(rows));
    rows_len.zip(number("THEAP")).is_some_and(|(rows_len, heap)| heap >= rows_len && heap != own_len)
}

/// A read of the arrays of one column, ready to run.
#[derive(Debug)]
pub(crate) struct HeapPlan {
    rows: ArrayRows,
    /// Where in the file the array of each row starts; that of an empty one is where the one before ends.
    starts: Vec<u64>,
}

impl HeapPlan {
    /// Plans the read from the descriptors of the wanted rows: pairs of native numbers. Each is checked against the heap and the file, and all
    /// together against what such a heap can hold.
    pub(super) fn new(
        column: &Column,
        descriptors: &[u8],
        rows: &RowPlan,
        mask: bool,
        heap: &Range<u64>,
        file_len: u64,
    ) -> Result<Self> {
        let array = ArrayForm::new(column, rows.form, mask)?;
        let count = rows.row_count();
        if column.width == 0 {
            rows.check_empty(ROW_BYTES, file_len).in_item(|| format!("column '{}'", column.name))?;
        }
        let mut plan = Self { rows: ArrayRows::new(array, count)?, starts: Vec::new() };
        reserve(&mut plan.starts, count)?;
        let limit = most_decoded(heap.end - heap.start);
        let mut descriptors = Descriptors { bytes: descriptors, wide: plan.rows.array.variable.wide };
        let (mut total, mut end) = (0, heap.start);
        for index in 0..count {
            let row = rows.row(index);
            let (length, start) =
                if column.width == 0 { (0, 0) } else { descriptors.next().ok_or_else(does_not_fit)? };
            let added = plan.add(row, (length, start), end, heap, file_len).and_then(|added| {
                total += added as u64;
                if total > limit {
                    return Err(Error::illegal(format!(
                        "the arrays up to here take {total} bytes, more than a heap of {} bytes plausibly holds: read fewer rows",
                        heap.end - heap.start
                    )));
                }
                Ok(())
            });
            added.in_item(|| format!("column '{}', row {row}", column.name))?;
            end = plan.end(index);
        }
        plan.rows.make_parts();
        Ok(plan)
    }

    /// Takes in the next row's descriptor; says how many bytes its array takes in the result.
    fn add(
        &mut self,
        row: u64,
        (length, offset): (i64, i64),
        last_end: u64,
        heap: &Range<u64>,
        file_len: u64,
    ) -> Result<usize> {
        let refused = |what: &str| {
            Error::illegal(format!(
                "the descriptor ({length}, {offset}) {what}: read the other rows, or the other columns"
            ))
        };
        let elements = usize::try_from(length).map_err(|_| refused("has a negative length"))?;
        if elements == 0 {
            self.starts.push(last_end);
            return self.rows.push(row, 0);
        }
        let offset = u64::try_from(offset).map_err(|_| refused("has a negative offset"))?;
        let len = self.rows.array.stored_len(elements);
        let start = heap.start.checked_add(offset).filter(|&start| start < heap.end);
        let end = start.zip(len).and_then(|(start, len)| start.checked_add(len));
        let (Some(start), Some(len), Some(end)) = (start, len, end.filter(|&end| end <= heap.end)) else {
            return Err(refused(&format!("goes past the end of the heap, which has {} bytes", heap.end - heap.start)));
        };
        if end > file_len {
            return Err(past_the_end(start, usize::try_from(len).unwrap_or(usize::MAX), file_len));
        }
        self.starts.push(start);
        self.rows.push(row, elements)
    }

    fn start(&self, index: usize) -> u64 {
        self.starts.get(index).copied().unwrap_or(0)
    }

    /// Where in the file the array of a row ends.
    fn end(&self, index: usize) -> u64 {
        // Both were checked when the row was added.
        self.start(index) + self.rows.array.stored_len(self.rows.elements(index)).unwrap_or(0)
    }

    /// How many of the rows from `first` on are read in one go: those that follow upwards, close enough together.
    fn run(&self, first: usize, last: usize) -> Range<usize> {
        let start = self.start(first);
        let mut end = first + 1;
        while end < last {
            let gap = self.start(end).checked_sub(self.end(end - 1));
            if gap.is_none_or(|gap| gap > GAP_BYTES) || self.end(end) - start > READ_BYTES as u64 {
                break;
            }
            end += 1;
        }
        first..end
    }

    /// How many of the rows from `first` on are one piece: each begins where the one before ends, with no bits left over.
    fn piece(&self, first: usize, last: usize) -> Range<usize> {
        let joined = |index: usize| self.start(index) == self.end(index - 1);
        let cell = self.rows.array.variable.cell;
        let single = cell == Cell::Bits || matches!(cell, Cell::Text { .. });
        let end = (first + 1..last).find(|&index| single || !joined(index)).unwrap_or(last);
        first..end
    }

    fn decode_run(&self, run: Range<usize>, bytes: &[u8], outputs: &mut ArrayOutputs<'_>) -> Result<()> {
        let base = self.start(run.start);
        let mut next = run.start;
        while next < run.end {
            let piece = self.piece(next, run.end);
            let elements = self.rows.elements_of(piece.clone());
            let from = self.start(piece.start) - base;
            let stored = slice(bytes, from, (self.end(piece.end - 1) - base - from) as usize)?;
            self.rows.array.decode_values(elements, stored, outputs).in_item(|| self.rows.place(piece.start))?;
            next = piece.end;
        }
        Ok(())
    }

    /// An array that is too large to be read in one go.
    fn decode_large(&self, index: usize, source: &dyn ReadAt, outputs: &mut ArrayOutputs<'_>) -> Result<()> {
        let elements = self.rows.elements(index);
        let (start, end) = (self.start(index), self.end(index));
        let mut scratch = Vec::new();
        let (mut at, mut done) = (start, 0);
        while at < end {
            // A multiple of every element's size.
            resize(&mut scratch, READ_BYTES.min((end - at) as usize))?;
            source.read_at(at, &mut scratch)?;
            at += scratch.len() as u64;
            let count = match self.rows.array.variable.cell {
                Cell::Bits => (scratch.len() * 8).min(elements - done),
                _ => scratch.len() / self.rows.array.stored_len(1).unwrap_or(1) as usize,
            };
            self.rows.array.decode_values(count, &scratch, outputs).in_item(|| self.rows.place(index))?;
            done += count;
        }
        Ok(())
    }
}

/// Length and offset of each row. The offset of a `P` descriptor is taken as unsigned: heaps of more than 2 GiB were written so.
struct Descriptors<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl Iterator for Descriptors<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        if self.wide {
            let (pair, rest) = self.bytes.split_first_chunk::<16>()?;
            self.bytes = rest;
            let [length, offset] = bytemuck::must_cast::<_, [[u8; 8]; 2]>(*pair);
            Some((i64::from_ne_bytes(length), i64::from_ne_bytes(offset)))
        } else {
            let (pair, rest) = self.bytes.split_first_chunk::<8>()?;
            self.bytes = rest;
            let [length, offset] = bytemuck::must_cast::<_, [[u8; 4]; 2]>(*pair);
            Some((i32::from_ne_bytes(length).into(), u32::from_ne_bytes(offset).into()))
        }
    }
}

impl ReadPlan for HeapPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.rows.buffers()
    }

    fn len(&self) -> usize {
        self.rows.part_count()
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut next = self.rows.part(index);
        while !next.is_empty() {
            let run = self.run(next.start, next.end);
            next.start = run.end;
            ranges.push(self.start(run.start)..self.end(run.end - 1));
        }
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        self.rows.output_sizes(index)
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let mut outputs = ArrayOutputs::new(outputs);
        let mut scratch = Vec::new();
        let mut next = self.rows.part(index);
        while !next.is_empty() {
            let run = self.run(next.start, next.end);
            next.start = run.end;
            let start = self.start(run.start);
            let len = (self.end(run.end - 1) - start) as usize;
            if len == 0 {
                continue;
            }
            match source.bytes() {
                Some(bytes) => self.decode_run(run, slice(bytes, start, len)?, &mut outputs)?,
                None if len > READ_BYTES => self.decode_large(run.start, source, &mut outputs)?,
                None => {
                    resize(&mut scratch, len)?;
                    source.read_at(start, &mut scratch)?;
                    self.decode_run(run, &scratch, &mut outputs)?;
                }
            }
        }
        Ok(())
    }
}

impl ArraysPlan for HeapPlan {
    fn into_offsets(self: Box<Self>) -> Vec<usize> {
        self.rows.into_offsets()
    }
}
