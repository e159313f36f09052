//! Changing what lies in the heap of a binary table, and the rows that say where in it (FITS 4.0 §7.3.5): compressed images, compressed tables and
//! variable-length columns.
//!
//! An array that changes is never overwritten: the new one goes behind those in use, and then the row that names it is written. A kill leaves the old
//! array under the old descriptor, or the new one under the new; what nothing names any more stays until [`repack`](super::repack_heap).

mod cells;
mod repack;

use std::ops::Range;

use super::extend::{Extended, OldHdu, check_one_group, fill_of, set_count};
use super::header::{HeaderChange, header_change};
use crate::error::{Error, Result};
use crate::format::{HduLayout, Header, padded};
use crate::source::{Content, EditPlan, Piece, ReadAt, Step, past_the_end};
use crate::table::heap;
pub(crate) use cells::Cells;
pub(crate) use repack::{HeapColumn, Kept, heap_of_rows, repack_heap, used_heap};

/// Where the HDU has to move for its heap to grow, the heap gets room for this part of what it has, so that the next arrays need no move.
const SPARE_PART: u64 = 8;
/// The most room that is added so.
const MOST_SPARE: u64 = 64 << 20;
/// What a descriptor of 32 bits can name: readers take its numbers for signed.
pub(crate) const LARGEST_P: u64 = i32::MAX as u64;

/// What changes in a table with a heap.
pub(crate) struct HeapChange<'p> {
    /// The header, with all that changes in it but NAXIS2, PCOUNT and THEAP.
    pub(crate) header: Header,
    /// Bytes of rows that are there, such as their descriptors.
    pub(crate) cells: Cells,
    /// Rows behind the last one.
    pub(crate) rows: Option<Content<'p>>,
    /// Where in the heap the new arrays go: no array that is in use ends behind it. The length of the heap, where that is not known.
    pub(crate) at: u64,
    /// The new arrays, one behind the other.
    pub(crate) arrays: Vec<Content<'p>>,
}

/// Where the parts of the HDU lie in the file, and how long they will be.
#[derive(Clone)]
struct Parts {
    data_start: u64,
    /// Where the rows end.
    rows_end: u64,
    heap: Range<u64>,
    /// Of the new rows.
    added: u64,
    /// Where in the file the new arrays go, before anything moves.
    at: u64,
    arrays: u64,
}

/// Plans a change of rows and heap. In place: room first, then the arrays, then the header, then the rows.
pub(crate) fn change_heap<'p>(
    old: &OldHdu<'_>,
    change: HeapChange<'p>,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let parts = parts(old, &change)?;
    let HeapChange { mut header, cells, rows, arrays, at } = change;
    cells.check(parts.rows_end - parts.data_start)?;
    let grown = (parts.at + parts.arrays).saturating_sub(parts.heap.end);
    let gap = parts.heap.start - parts.rows_end;
    if parts.added == 0 && !cells.can_be_torn(parts.data_start, source)? {
        set_heap_len(&mut header, &parts, gap, grown)?;
        let blocks = header.to_bytes();
        let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
        let steps = match header_change(old.blocks, &blocks, old.header_start) {
            HeaderChange::InPlace(steps) => Some(steps),
            HeaderChange::Nothing => Some(Vec::new()),
            HeaderChange::Moves => None,
        };
        let before = old.hdu.layout.end();
        if let Some(header_steps) = steps.filter(|_| old.last || layout.end() == before) {
            let ends = old.last.then(|| [before, layout.end()]);
            let steps = in_place(&parts, arrays, header_steps, cells, ends);
            return Ok(Extended { plan: EditPlan::InPlace(steps), header, blocks, layout, table: None });
        }
    }
    rebuilt(old, HeapChange { header, cells, rows, arrays, at }, &parts, source)
}

/// As [`change_heap`], all at once: for what only makes sense together. The file is made anew.
pub(crate) fn rebuild_heap<'p>(
    old: &OldHdu<'_>,
    change: HeapChange<'p>,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let parts = parts(old, &change)?;
    change.cells.check(parts.rows_end - parts.data_start)?;
    rebuilt(old, change, &parts, source)
}

fn rebuilt<'p>(
    old: &OldHdu<'_>,
    change: HeapChange<'p>,
    parts: &Parts,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let HeapChange { mut header, cells, rows, arrays, .. } = change;
    let grown = (parts.at + parts.arrays).saturating_sub(parts.heap.end);
    let spare = if grown > 0 && !old.last { spare(parts) } else { 0 };
    set_heap_len(&mut header, parts, parts.heap.start - parts.rows_end, grown.saturating_add(spare))?;
    moved(old, header, parts, (rows, arrays), cells, spare, source)
}

fn too_large() -> Error {
    Error::too_large("the table would be larger than a file can be")
}

/// Where the parts of an HDU lie that gets nothing new.
fn parts_of(old: &OldHdu<'_>) -> Result<Parts> {
    check_one_group(old)?;
    let layout = &old.hdu.layout;
    let data_end = layout.data_start.saturating_add(layout.data_len);
    if data_end > old.file_len {
        return Err(past_the_end(layout.data_start, layout.data_len as usize, old.file_len));
    }
    // The product is part of the length of the data unit, which was checked.
    let rows_len = layout.axes.iter().fold(1, |product: u64, &length| product.saturating_mul(length));
    let heap = heap(old.hdu)?;
    let (rows_end, at) = (layout.data_start + rows_len, heap.end);
    if heap.start < rows_end {
        return Err(Error::illegal("the rows reach into the heap: PCOUNT is too small for THEAP"));
    }
    Ok(Parts { data_start: layout.data_start, rows_end, heap, added: 0, at, arrays: 0 })
}

fn parts(old: &OldHdu<'_>, change: &HeapChange<'_>) -> Result<Parts> {
    let parts = parts_of(old)?;
    let row_len = old.hdu.layout.axes.first().copied().unwrap_or(0);
    let added = change.rows.as_ref().map_or(0, Content::len);
    if added > 0 && (row_len == 0 || !added.is_multiple_of(row_len)) {
        return Err(Error::argument(format!("{added} bytes are no rows of {row_len} bytes")));
    }
    let arrays =
        change.arrays.iter().try_fold(0u64, |sum, array| sum.checked_add(array.len())).ok_or_else(too_large)?;
    let at = parts.heap.start.checked_add(change.at).filter(|&at| at <= parts.heap.end);
    let at = at.ok_or_else(|| Error::argument("the new arrays would begin behind the end of the heap"))?;
    at.checked_add(arrays).ok_or_else(too_large)?;
    Ok(Parts { added, at, arrays, ..parts })
}

/// How much room the heap gets for what comes later.
fn spare(parts: &Parts) -> u64 {
    ((parts.heap.end - parts.heap.start) / SPARE_PART).max(parts.arrays).min(MOST_SPARE)
}

/// Sets the keywords for the new rows, and for a heap that is longer by `grown`.
fn set_heap_len(header: &mut Header, parts: &Parts, gap: u64, grown: u64) -> Result<()> {
    let signed = |number: u64| i64::try_from(number).map_err(|_| too_large());
    let heap_len = (parts.heap.end - parts.heap.start).checked_add(grown).and_then(|len| len.checked_add(gap));
    set_count(header, "PCOUNT", signed(heap_len.ok_or_else(too_large)?)?)?;
    if parts.added == 0 {
        return Ok(());
    }
    let row_len = header.integer("NAXIS1")?.filter(|&len| len > 0).ok_or_else(too_large)?;
    let rows = header.integer("NAXIS2")?.unwrap_or(0).checked_add(signed(parts.added)? / row_len);
    set_count(header, "NAXIS2", rows.ok_or_else(too_large)?)?;
    if let Some(heap) = header.integer("THEAP")? {
        set_count(header, "THEAP", heap.checked_add(signed(parts.added)?).ok_or_else(too_large)?)?;
    }
    Ok(())
}

/// A kill leaves bytes behind the arrays that nothing names, or a heap that ends with such, or some rows with the new arrays.
fn in_place<'p>(
    parts: &Parts,
    arrays: Vec<Content<'p>>,
    header: Vec<Step<'static>>,
    cells: Cells,
    ends: Option<[u64; 2]>,
) -> Vec<Step<'p>> {
    let mut steps = Vec::with_capacity(arrays.len() + header.len() + 3);
    // What a broken write left behind the last HDU goes, and the new padding is zeros.
    steps.extend(ends.into_iter().flatten().map(Step::SetLen));
    let mut at = parts.at;
    for content in arrays {
        let len = content.len();
        steps.push(Step::Write { at, content });
        at += len;
    }
    steps.extend(header);
    if !cells.is_empty() {
        steps.push(Step::Scatter(cells.writes(parts.data_start)));
    }
    steps
}

/// The file with the change in it.
fn moved<'p>(
    old: &OldHdu<'_>,
    header: Header,
    parts: &Parts,
    (rows, arrays): (Option<Content<'p>>, Vec<Content<'p>>),
    cells: Cells,
    spare: u64,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let padding = padded(layout.data_len).ok_or_else(too_large)? - layout.data_len;
    let before_end = old.hdu.layout.end().min(old.file_len);
    let mut pieces = vec![Piece::Old(0..old.header_start), Piece::New(Content::Bytes(blocks.clone()))];
    pieces.extend(cells.patched(parts.data_start..parts.rows_end, source));
    pieces.extend(rows.map(Piece::New));
    pieces.push(Piece::Old(parts.rows_end..parts.at));
    pieces.extend(arrays.into_iter().map(Piece::New));
    pieces.push(Piece::Old((parts.at + parts.arrays).min(parts.heap.end)..parts.heap.end));
    pieces.push(Piece::New(filled(spare + padding, fill_of(layout.kind))));
    // What a broken write left behind the last HDU goes.
    pieces.push(Piece::Old(if old.last { before_end..before_end } else { before_end..old.file_len }));
    pieces.retain(|piece| piece.len() > 0);
    Ok(Extended { plan: EditPlan::Assemble(pieces), header, blocks, layout, table: None })
}

fn zeros(len: u64) -> Content<'static> {
    filled(len, 0)
}

pub(super) fn filled(len: u64, byte: u8) -> Content<'static> {
    let fill = move |_: Range<u64>, output: &mut [u8]| {
        output.fill(byte);
        Ok(())
    };
    Content::Made { len, producer: Box::new(fill) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
