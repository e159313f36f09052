//! Making an image or a table longer along its slowest axis (FITS 4.0 §4.4.1): behind the last HDU in place, else by moving what follows.

use std::ops::Range;

use super::header::{HeaderChange, header_change};
use super::pixels::Pixels;
use crate::directory::HduEntry;
use crate::error::{Error, Result};
use crate::format::{Encoding, HduKind, HduLayout, Header, padded};
use crate::source::{Content, EditPlan, Piece, Producer, Step, past_the_end};
use crate::table::TableLayout;

/// An HDU as it is, and where it is.
pub(crate) struct OldHdu<'a> {
    pub(crate) hdu: &'a HduEntry,
    /// Its header, as it was edited last.
    pub(crate) header: &'a Header,
    /// The blocks of the header in the file.
    pub(crate) blocks: &'a [u8],
    pub(crate) header_start: u64,
    /// Whether nothing that has to stay follows it.
    pub(crate) last: bool,
    pub(crate) file_len: u64,
}

/// An HDU that is changed: the plan, and what it is then.
pub(crate) struct Extended<'p> {
    pub(crate) plan: EditPlan<'p>,
    pub(crate) header: Header,
    pub(crate) blocks: Vec<u8>,
    pub(crate) layout: HduLayout,
    /// The columns of a table, where they are known to be as they were.
    pub(crate) table: Option<TableLayout>,
}

/// Plans to add rows: arrays with all axes of the image, or with all but the slowest for a single row. `None` where there is nothing to add.
pub(crate) fn extend_image<'p>(old: &OldHdu<'_>, rows: Vec<Pixels<'p>>) -> Result<Option<Extended<'p>>> {
    if !matches!(old.hdu.layout.kind, HduKind::Image) {
        return Err(old.hdu.expected("an image"));
    }
    let before = &old.hdu.layout;
    let mut added = 0u64;
    let mut contents = Vec::with_capacity(rows.len());
    for rows in rows {
        added = added.saturating_add(count_rows(&before.axes, rows.shape)?);
        let encoding = rows.encoding(old.hdu)?;
        rows.check(&encoding)?;
        contents.push((encoding, rows));
    }
    if added == 0 {
        return Ok(None);
    }
    let number = before.axes.len();
    let length = before.axes.last().copied().unwrap_or(0).checked_add(added).and_then(|sum| i64::try_from(sum).ok());
    let length = length.ok_or_else(|| Error::too_large("the image would be longer than 2^63"))?;
    let mut header = old.header.clone();
    set_count(&mut header, &format!("NAXIS{number}"), length)?;
    let data_end = before.data_start.saturating_add(before.data_len);
    let contents = contents.into_iter().map(|(encoding, rows)| content(encoding, rows)).collect();
    lengthened(old, header, contents, data_end).map(Some)
}

/// Gives a keyword of the structure another number and keeps its comment.
pub(crate) fn set_count(header: &mut Header, keyword: &str, number: i64) -> Result<()> {
    let comment = header.comment(keyword).unwrap_or_default();
    header.set_structural(keyword, number, &comment)
}

/// An error unless the HDU is of one group: the data unit is as long as all groups together, and nobody knows in which of them the rows are.
pub(crate) fn check_one_group(old: &OldHdu<'_>) -> Result<()> {
    let header = &old.hdu.header;
    match header.integer("GCOUNT")? {
        Some(count) if count != 1 && header.contains("XTENSION") => {
            let message = format!("is {count}, and only an HDU of one group can become longer or shorter");
            Err(Error::illegal(message).in_item(|| "keyword GCOUNT".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Plans to put contents into the data of an HDU, at byte `at` of the file, and to give it a header that says so.
pub(super) fn lengthened<'p>(
    old: &OldHdu<'_>,
    header: Header,
    contents: Vec<Content<'p>>,
    at: u64,
) -> Result<Extended<'p>> {
    check_one_group(old)?;
    let before = &old.hdu.layout;
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let data_end = before.data_start.saturating_add(before.data_len);
    if data_end > old.file_len {
        return Err(past_the_end(before.data_start, before.data_len as usize, old.file_len));
    }
    let too_large = || Error::too_large("the HDU would be larger than a file can be");
    let padding = padded(layout.data_len).ok_or_else(too_large)? - layout.data_len;
    let padding = vec![fill_of(layout.kind); usize::try_from(padding).unwrap_or(0)];
    let header_steps = match header_change(old.blocks, &blocks, old.header_start) {
        HeaderChange::InPlace(steps) => Some(steps),
        _ => None,
    };
    let plan = match header_steps {
        Some(steps) if at == data_end && (old.last || layout.end() == before.end()) => {
            let mut contents = contents;
            contents.extend(
                Some(padding).filter(|padding| padding.first().is_some_and(|&fill| fill != 0)).map(Content::Bytes),
            );
            EditPlan::InPlace(in_place(contents, data_end, old.last.then(|| [before.end(), layout.end()]), steps))
        }
        _ => {
            let mut pieces = vec![Piece::Old(0..old.header_start), Piece::New(Content::Bytes(blocks.clone()))];
            pieces.push(Piece::Old(before.data_start..at));
            pieces.extend(contents.into_iter().map(Piece::New));
            pieces.push(Piece::Old(at..data_end));
            pieces.push(Piece::New(Content::Bytes(padding)));
            pieces.push(Piece::Old(before.end().min(old.file_len)..old.file_len));
            pieces.retain(|piece| piece.len() > 0);
            EditPlan::Assemble(pieces)
        }
    };
    Ok(Extended { plan, header, blocks, layout, table: None })
}

/// What the last block of a data unit is filled up with: blanks in ASCII tables (§7.2.3).
pub(super) fn fill_of(kind: HduKind) -> u8 {
    if kind == HduKind::AsciiTable { b' ' } else { 0 }
}

/// What a file of this length lacks of the block that its last HDU's data end in, where they are all there.
pub(crate) fn last_block(last: &HduLayout, file_len: u64) -> Option<EditPlan<'static>> {
    let data_end = last.data_start.checked_add(last.data_len)?;
    let missing = usize::try_from(last.end().checked_sub(file_len)?).ok()?;
    if file_len < data_end || missing == 0 {
        return None;
    }
    let content = Content::Bytes(vec![fill_of(last.kind); missing]);
    Some(EditPlan::InPlace(vec![Step::Write { at: file_len, content }]))
}

/// Room first, then data, then the header: a kill leaves the HDU as it was, its last block whole. `ends`, of the last HDU: where it ends and
/// will end.
fn in_place<'p>(
    contents: Vec<Content<'p>>,
    mut at: u64,
    ends: Option<[u64; 2]>,
    header: Vec<Step<'static>>,
) -> Vec<Step<'p>> {
    let mut steps = Vec::with_capacity(contents.len() + header.len() + 2);
    // What a broken write left behind the last HDU goes, and the new padding is zeros.
    steps.extend(ends.into_iter().flatten().map(Step::SetLen));
    for content in contents {
        let len = content.len();
        steps.push(Step::Write { at, content });
        at += len;
    }
    steps.extend(header);
    steps
}

fn content<'p>(encoding: Encoding, rows: Pixels<'p>) -> Content<'p> {
    let (given, stored) = (encoding.given().size(), encoding.stored().size());
    let Pixels { values, mask, .. } = rows;
    let producer: Box<Producer<'p>> = Box::new(move |span: Range<u64>, output: &mut [u8]| {
        let (start, end) = (span.start as usize / stored, span.end as usize / stored);
        let input = values.get(start * given..end * given).unwrap_or_default();
        encoding.encode(input, mask.and_then(|mask| mask.get(start..end)), output);
        Ok(())
    });
    Content::Made { len: (values.len() / given * stored) as u64, producer }
}

/// How many rows an array is to an image with these axes, fastest first.
pub(crate) fn count_rows(axes: &[u64], shape: &[usize]) -> Result<u64> {
    let Some((_, row)) = axes.split_last() else {
        return Err(Error::argument("an image without axes can't be made longer: create one with an axis of length 0"));
    };
    let is_row = |shape: &[usize]| {
        shape.len() == row.len() && shape.iter().rev().zip(row).all(|(&given, &wanted)| given as u64 == wanted)
    };
    match shape.split_first() {
        Some((&count, rest)) if is_row(rest) => Ok(count as u64),
        _ if is_row(shape) => Ok(1),
        _ => {
            let wanted: Vec<u64> = row.iter().rev().copied().collect();
            let message = format!(
                "data of shape {shape:?} are no rows of this image, each of shape {wanted:?}; nothing was written"
            );
            Err(Error::argument(message))
        }
    }
}
