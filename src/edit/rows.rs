//! Writing cells of a table where they lie, and putting rows behind the last one (FITS 4.0 §7.2.3, §7.3.3).

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::arrays::append_with_arrays;
use super::extend::{Extended, OldHdu, lengthened, set_count};
use crate::error::{Error, Result};
use crate::format::Header;
use crate::image::Axis;
use crate::source::{Content, EditPlan, ReadAt, Step, past_the_end, resize};
use crate::table::{Every, GivenColumn, RowEncoder, TableLayout, row_bytes};

/// How many bytes of rows that follow each other are written at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Plans to write cells of some rows. `source`: the file, for the bytes between the columns that are written.
pub(crate) fn write_rows<'p>(
    table: &TableLayout,
    rows: Axis,
    given: &[GivenColumn<'p>],
    as_stored: bool,
    source: &'p dyn ReadAt,
    every: &Every,
) -> Result<EditPlan<'p>> {
    let (row_len, data_start) = (table.row_len, table.data_start);
    let row_start = move |row: u64| data_start.saturating_add(row.saturating_mul(row_len as u64));
    if let Some((_, last)) = rows.bounds() {
        let end = row_start(last).saturating_add(row_len as u64);
        if end > source.len() {
            return Err(past_the_end(row_start(last), row_len, source.len()));
        }
    }
    let encoder = RowEncoder::new(table, given, rows.count(), as_stored)?;
    encoder.check_on(every)?;
    let span = encoder.span();
    let many_in_chunk = row_len <= CHUNK_BYTES / 2;
    if rows.is_run() && rows.count() > 1 && many_in_chunk && !span.is_empty() {
        let (at, len) = (row_start(rows.position(0)), encoder.rows_len());
        let producer = move |piece: Range<u64>, output: &mut [u8]| {
            if !encoder.fills_rows() {
                source.read_at(at + piece.start, output)?;
            }
            encoder.encode_over(piece, output)
        };
        let content = Content::Derived { len, producer: Box::new(producer) };
        return Ok(EditPlan::InPlace(vec![Step::Write { at, content }]));
    }
    let pieces = move |write: &mut dyn FnMut(u64, &[u8]) -> Result<()>| {
        if span.is_empty() {
            return Ok(());
        }
        let mut buffer = Vec::new();
        for run in runs(&rows, (CHUNK_BYTES / row_len.max(1)).max(1) as u64) {
            let count = (run.end - run.start) as usize;
            let at = row_start(rows.position(run.start)) + span.start as u64;
            resize(&mut buffer, count * row_len)?;
            // The last row ends where the columns do.
            let len = (count - 1) * row_len + span.len();
            let piece = buffer.get_mut(..len).unwrap_or_default();
            if !(encoder.fills() && (count == 1 || span.len() == row_len)) {
                source.read_at(at, piece)?;
            }
            encoder.encode(run, span.start, piece);
            write(at, piece)?;
        }
        Ok(())
    };
    Ok(EditPlan::InPlace(vec![Step::Scatter(Box::new(pieces))]))
}

/// The rows, cut into runs of at most `most` that follow each other in the file: ranges of their numbers among the rows that are written.
fn runs(rows: &Axis, most: u64) -> impl Iterator<Item = Range<u64>> + '_ {
    let count = rows.count();
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= count {
            return None;
        }
        let limit = start.saturating_add(most).min(count);
        let mut end = start + 1;
        while end < limit && rows.position(end) == rows.position(end - 1) + 1 {
            end += 1;
        }
        let run = start..end;
        start = end;
        Some(run)
    })
}

/// Plans to put rows behind the last one; each group has values for every column. `None` where there is nothing to add. `table`: the columns, which `header`
/// describes, as they are to be.
pub(crate) fn append_rows<'p>(
    old: &OldHdu<'_>,
    (table, mut header): (&TableLayout, Header),
    groups: &[Vec<GivenColumn<'p>>],
    source: &'p dyn ReadAt,
    every: &Every,
) -> Result<Option<Extended<'p>>> {
    let mut added = 0u64;
    let mut encoders = Vec::with_capacity(groups.len());
    for given in groups {
        let rows = given_rows(table, given)?;
        let encoder = RowEncoder::new(table, given, rows, false)?;
        encoder.check_on(every)?;
        added = added.saturating_add(rows);
        rows.checked_mul(table.row_len as u64).ok_or_else(too_large)?;
        encoders.push(encoder);
    }
    if added == 0 {
        return Ok(None);
    }
    let rows = table.rows.checked_add(added).and_then(|rows| i64::try_from(rows).ok()).ok_or_else(too_large)?;
    if encoders.iter().any(RowEncoder::has_arrays) {
        return append_with_arrays(old, (table, header), encoders, source).map(Some);
    }
    let row_bytes_of = |rows: u64| rows.checked_mul(table.row_len as u64).ok_or_else(too_large);
    let contents = encoders
        .into_iter()
        .map(|encoder| Content::Made { len: encoder.rows_len(), producer: row_bytes(Arc::new(encoder)) })
        .collect();
    set_count(&mut header, "NAXIS2", rows)?;
    if let Some(heap) = header.integer("THEAP")? {
        let moved = i64::try_from(row_bytes_of(added)?).ok().and_then(|added| heap.checked_add(added));
        set_count(&mut header, "THEAP", moved.ok_or_else(too_large)?)?;
    }
    let end = table.data_start.checked_add(row_bytes_of(table.rows)?).ok_or_else(too_large)?;
    let longer = lengthened(old, header, contents, end)?;
    let table = TableLayout { rows: rows as u64, data_start: longer.layout.data_start, ..table.clone() };
    Ok(Some(Extended { table: Some(table), ..longer }))
}

fn too_large() -> Error {
    Error::too_large("the table would be larger than a file can be")
}

/// How many rows there are values for, the same for every column of the table.
pub(crate) fn given_rows(table: &TableLayout, given: &[GivenColumn<'_>]) -> Result<u64> {
    let found: HashSet<usize> = given.iter().filter_map(|values| table.find(values.name)).collect();
    let missing = table.columns.iter().enumerate().find(|(number, _)| !found.contains(number));
    if let Some((_, column)) = missing {
        let message = "has no values: rows that are appended have all columns of the table; nothing was written";
        return Err(Error::argument(message).in_item(|| format!("column '{}'", column.name)));
    }
    let mut rows = None;
    for values in given {
        let (count, _) = values.rows_and_cell()?;
        let first = *rows.get_or_insert(count);
        if first != count {
            return Err(values.refuse(&format!("have {count} rows, those before {first}; nothing was written")));
        }
    }
    Ok(rows.unwrap_or(0) as u64)
}
