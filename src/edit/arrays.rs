//! Changing the arrays of variable-length columns, and putting rows with such behind the last one (FITS 4.0 §7.3.5).

use std::ops::Range;
use std::sync::Arc;

use super::extend::{Extended, OldHdu};
use super::heap::{Cells, HeapChange, HeapColumn, change_heap, used_heap};
use crate::error::{Error, Result};
use crate::format::Header;
use crate::image::Axis;
use crate::source::{Content, Producer, ReadAt, past_the_end, resize};
use crate::table::{Cell, GivenColumn, RowEncoder, TableLayout, heap, heap_bytes, row_bytes};

/// The columns of descriptors of a table.
pub(crate) fn heap_columns(table: &TableLayout) -> Vec<HeapColumn> {
    let columns = table.columns.iter().filter(|column| column.width > 0);
    let found = columns.filter_map(|column| {
        let variable = column.variable.as_ref()?;
        let element_bits = match variable.cell {
            Cell::Bits => 1,
            Cell::Number(scaling) => 8 * scaling.stored.size() as u64,
            Cell::Complex(scaling) => 16 * scaling.stored.size() as u64,
            _ => 8,
        };
        Some(HeapColumn { offset: column.offset, wide: variable.wide, element_bits })
    });
    found.collect()
}

/// Plans to write cells of some rows, among them those of variable-length columns: new arrays go behind those in use. `table`: the columns, which `header`
/// describes, as they are to be.
pub(crate) fn write_arrays<'p>(
    old: &OldHdu<'_>,
    (table, header): (&TableLayout, Header),
    rows: &Axis,
    given: &[GivenColumn<'p>],
    as_stored: bool,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let row_len = table.row_len as u64;
    if let Some((_, last)) = rows.bounds() {
        let end = table.data_start.saturating_add((last + 1).saturating_mul(row_len));
        if end > source.len() {
            return Err(past_the_end(table.data_start + last * row_len, table.row_len, source.len()));
        }
    }
    let mut encoder = RowEncoder::new(table, given, rows.count(), as_stored)?;
    encoder.check()?;
    let at = free_heap(old, table, source)?;
    encoder.place_heap(at)?;
    let header = with_longest(header, table, std::slice::from_ref(&encoder))?;
    let cells = cells(table, rows, &encoder, source)?;
    let arrays = vec![heap_bytes(Arc::new(encoder))];
    change_heap(old, HeapChange { header, cells, rows: None, at, arrays }, source)
}

/// Plans to put rows behind the last one whose arrays go behind those in use.
pub(super) fn append_with_arrays<'p>(
    old: &OldHdu<'_>,
    (table, header): (&TableLayout, Header),
    mut encoders: Vec<RowEncoder<'p>>,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let at = free_heap(old, table, source)?;
    let mut start = at;
    for encoder in &mut encoders {
        encoder.place_heap(start)?;
        start = start.saturating_add(encoder.heap_len());
    }
    let header = with_longest(header, table, &encoders)?;
    let encoders: Vec<_> = encoders.into_iter().map(Arc::new).collect();
    let arrays = encoders.iter().map(|encoder| heap_bytes(Arc::clone(encoder))).collect();
    let rows = joined(encoders.into_iter().map(|encoder| (encoder.rows_len(), row_bytes(encoder))).collect());
    change_heap(old, HeapChange { header, cells: Cells::new(table.row_len), rows: Some(rows), at, arrays }, source)
}

/// Where in the heap new arrays go. Behind the last HDU the heap grows in place; anywhere else what no descriptor names at its end is used first.
fn free_heap(old: &OldHdu<'_>, table: &TableLayout, source: &dyn ReadAt) -> Result<u64> {
    let heap = heap(old.hdu)?;
    let len = heap.end - heap.start;
    if old.last {
        return Ok(len);
    }
    // A descriptor that leads out of the heap is no reason not to add to it.
    Ok(used_heap(old, &heap_columns(table), source).unwrap_or(len))
}

/// The header with the lengths of the longest arrays in TFORM, where they have grown. No reader may rely on them, some do.
fn with_longest(mut header: Header, table: &TableLayout, encoders: &[RowEncoder<'_>]) -> Result<Header> {
    for (name, longest) in encoders.iter().flat_map(RowEncoder::longest_arrays) {
        let Some(number) = table.find(name) else { continue };
        let keyword = format!("TFORM{}", number + 1);
        let Some(form) = header.text(&keyword)? else { continue };
        let Some((front, most)) = form.split_once('(') else { continue };
        let most: Option<usize> = most.trim_end().strip_suffix(')').and_then(|most| most.trim().parse().ok());
        if most.is_some_and(|most| most < longest) {
            let comment = header.comment(&keyword).unwrap_or_default();
            header.set_structural(&keyword, format!("{front}({longest})"), &comment)?;
        }
    }
    Ok(header)
}

/// The cells in the order of the rows; of a row that comes twice the last ones.
fn cells(table: &TableLayout, rows: &Axis, encoder: &RowEncoder<'_>, source: &dyn ReadAt) -> Result<Cells> {
    let mut order: Vec<(u64, u64)> = (0..rows.count()).map(|index| (rows.position(index), index)).collect();
    order.sort_unstable();
    order.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = next.1;
        }
        same
    });
    let span = encoder.span();
    let descriptors = encoder.descriptors().filter(|places| places.windows(2).all(|two| two[0].len() == two[1].len()));
    let places = descriptors.unwrap_or_else(|| vec![span.clone()]);
    let fills = encoder.fills() || places.first() != Some(&span);
    let mut cells = Cells::new(places.first().map_or(0, Range::len));
    let mut row_bytes = Vec::new();
    for (row, index) in order {
        let start = row * table.row_len as u64;
        resize(&mut row_bytes, span.len())?;
        if !fills {
            source.read_at(table.data_start + start + span.start as u64, &mut row_bytes)?;
        }
        encoder.encode(index..index + 1, span.start, &mut row_bytes);
        for place in &places {
            let bytes = row_bytes.get(place.start - span.start..place.end - span.start).unwrap_or_default();
            cells.push(start + place.start as u64, bytes);
        }
    }
    Ok(cells)
}

/// Contents one behind the other, as one.
fn joined(contents: Vec<(u64, Box<Producer<'_>>)>) -> Content<'_> {
    let len = contents.iter().map(|(len, _)| len).sum();
    let mut start = 0;
    let placed: Vec<_> = contents
        .into_iter()
        .map(|(len, producer)| {
            let range = start..start + len;
            start += len;
            (range, producer)
        })
        .collect();
    let producer = move |span: Range<u64>, output: &mut [u8]| {
        let first = placed.partition_point(|(range, _)| range.end <= span.start);
        for (range, producer) in placed.iter().skip(first).take_while(|(range, _)| range.start < span.end) {
            let (from, to) = (span.start.max(range.start), span.end.min(range.end));
            let piece = output.get_mut((from - span.start) as usize..(to - span.start) as usize);
            let piece = piece.ok_or_else(|| Error::argument("the rows do not fit the buffer"))?;
            producer(from - range.start..to - range.start, piece)?;
        }
        Ok(())
    };
    Content::Made { len, producer: Box::new(producer) }
}
