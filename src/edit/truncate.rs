//! Taking the last rows of a table (FITS 4.0 §7.2.3, §7.3.3) or an image out: what follows moves up, and the heap of a table ends where the last array
//! does that a row names.

use super::extend::{Extended, OldHdu, check_one_group, fill_of, set_count};
use super::header::{HeaderChange, header_change};
use super::heap::{filled, heap_of_rows};
use super::heap_columns;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{HduKind, HduLayout, Header, padded};
use crate::source::{Content, EditPlan, Piece, ReadAt, Step, past_the_end};
use crate::table::{TableLayout, heap};

/// What stays of a table in the file.
pub(crate) struct Staying {
    /// The header, with all that changes in it but NAXIS2, PCOUNT and THEAP.
    pub(crate) header: Header,
    /// How many rows stay as they are.
    pub(crate) rows: u64,
    /// The row behind them, where it is another one than before.
    pub(crate) last_row: Option<Vec<u8>>,
    /// How many bytes of the heap stay.
    pub(crate) heap: u64,
    /// What goes behind them.
    pub(crate) arrays: Vec<u8>,
}

/// Plans to leave the table so many rows. `None` where it has no more.
pub(crate) fn truncate_rows<'p>(old: &OldHdu<'_>, rows: u64, source: &'p dyn ReadAt) -> Result<Option<Extended<'p>>> {
    let table = TableLayout::of(old.hdu)?;
    if rows == table.rows {
        return Ok(None);
    }
    check_fewer(rows, table.rows)?;
    let heap = heap(old.hdu)?;
    let columns = heap_columns(table);
    let all = heap.end - heap.start;
    // What no column describes stays, and so does what damaged descriptors may name.
    let used = if columns.is_empty() { all } else { heap_of_rows(old, &columns, rows, source).unwrap_or(all) };
    let kept = Staying { header: old.header.clone(), rows, last_row: None, heap: used, arrays: Vec::new() };
    shortened(old, kept).map(Some)
}

/// Plans to leave the image so many rows along its slowest axis. `None` where it has no more.
pub(crate) fn truncate_image(old: &OldHdu<'_>, rows: u64) -> Result<Option<Extended<'static>>> {
    let before = &old.hdu.layout;
    if !matches!(before.kind, HduKind::Image) {
        return Err(old.hdu.expected("an image that is not compressed"));
    }
    let Some((&length, row)) = before.axes.split_last() else {
        return Err(Error::argument("an image without axes has no rows"));
    };
    if rows == length {
        return Ok(None);
    }
    if rows > length {
        let message = format!("the image has {length} rows: it can't be left {rows}; extend() adds rows");
        return Err(Error::new(ErrorKind::Index, message));
    }
    let mut header = old.header.clone();
    let too_large = || Error::too_large("the image would be larger than a file can be");
    set_count(&mut header, &format!("NAXIS{}", before.axes.len()), i64::try_from(rows).map_err(|_| too_large())?)?;
    let row_len = row.iter().fold(before.stored.size() as u64, |product, &length| product.saturating_mul(length));
    let rows_end = rows.saturating_mul(row_len);
    if before.data_len > old.file_len.saturating_sub(before.data_start) || rows_end > before.data_len {
        return Err(past_the_end(before.data_start, before.data_len as usize, old.file_len));
    }
    ending(old, header, vec![Piece::Old(before.data_start..before.data_start + rows_end)]).map(Some)
}

/// An error where there are not so many rows.
pub(crate) fn check_fewer(rows: u64, of: u64) -> Result<()> {
    if rows <= of {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Index, format!("the table has {of} rows: it can't be left {rows}; append() adds rows")))
}

/// The HDU with what is kept of it. Behind the last HDU and without a heap in place: the header first, then the end of the file.
pub(crate) fn shortened<'p>(old: &OldHdu<'_>, kept: Staying) -> Result<Extended<'p>> {
    check_one_group(old)?;
    let Staying { mut header, rows, last_row, heap: heap_len, arrays } = kept;
    let before = &old.hdu.layout;
    let data_end = before.data_start.saturating_add(before.data_len);
    if data_end > old.file_len {
        return Err(past_the_end(before.data_start, before.data_len as usize, old.file_len));
    }
    let too_large = || Error::too_large("the table would be larger than a file can be");
    let row_len = before.axes.first().copied().unwrap_or(0);
    // The product is part of the length of the data unit, which was checked.
    let rows_end =
        before.data_start + before.axes.iter().fold(1, |product: u64, &length| product.saturating_mul(length));
    let kept_end = before.data_start + rows.saturating_mul(row_len);
    let heap = heap(old.hdu)?;
    if kept_end > rows_end || heap.start < rows_end || heap_len > heap.end - heap.start {
        return Err(Error::illegal("the rows reach into the heap: PCOUNT is too small for THEAP"));
    }
    let gap = heap.start - rows_end;
    let signed = |number: u64| i64::try_from(number).map_err(|_| too_large());
    let count = rows + u64::from(last_row.is_some());
    set_count(&mut header, "NAXIS2", signed(count)?)?;
    if data_end > rows_end {
        set_count(&mut header, "PCOUNT", signed(gap + heap_len + arrays.len() as u64)?)?;
    }
    if header.contains("THEAP") {
        set_count(&mut header, "THEAP", signed(count.saturating_mul(row_len) + gap)?)?;
    }
    let behind = [
        Piece::New(Content::Bytes(last_row.unwrap_or_default())),
        Piece::Old(rows_end..heap.start + heap_len),
        Piece::New(Content::Bytes(arrays)),
    ];
    let mut kept = vec![Piece::Old(before.data_start..kept_end)];
    kept.extend(behind.into_iter().filter(|piece| piece.len() > 0));
    ending(old, header, kept)
}

/// The HDU with this header and, of its data, what is kept, in the order of the file. What is only cut off the end of the last HDU is cut off in
/// place: the header first, then the end of the file.
fn ending<'p>(old: &OldHdu<'_>, header: Header, kept: Vec<Piece<'p>>) -> Result<Extended<'p>> {
    let before = &old.hdu.layout;
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let too_large = || Error::too_large("the HDU would be larger than a file can be");
    let padding = padded(layout.data_len).ok_or_else(too_large)? - layout.data_len;
    let padding = filled(padding, fill_of(layout.kind));
    let change = header_change(old.blocks, &blocks, old.header_start);
    let plan = match (change, kept.as_slice()) {
        (HeaderChange::InPlace(mut steps), [Piece::Old(kept)]) if old.last => {
            steps.push(Step::Write { at: kept.end, content: padding });
            steps.push(Step::SetLen(layout.end()));
            EditPlan::InPlace(steps)
        }
        _ => {
            let end = before.end().min(old.file_len);
            let mut pieces = vec![Piece::Old(0..old.header_start), Piece::New(Content::Bytes(blocks.clone()))];
            pieces.extend(kept);
            pieces.push(Piece::New(padding));
            // What a broken write left behind the last HDU goes.
            pieces.push(Piece::Old(if old.last { end..end } else { end..old.file_len }));
            pieces.retain(|piece| piece.len() > 0);
            EditPlan::Assemble(pieces)
        }
    };
    Ok(Extended { plan, header, blocks, layout, table: None })
}
