//! Arrays of variable length as they are given: for each row an array, or one for all of them (FITS 4.0 §7.3.5).

use std::borrow::Cow;

use super::cell_encoder::turn;
use super::given::{GivenColumn, GivenType};
use crate::error::{Error, Result};
use crate::source::reserve;

/// The elements of all rows, one behind the other, in the machine's byte order; of a single row where all get the same.
pub(super) struct Elements<'a> {
    pub(super) values: Cow<'a, [u8]>,
    pub(super) mask: Option<Cow<'a, [u8]>>,
    pub(super) offsets: Cow<'a, [usize]>,
}

impl<'a> Elements<'a> {
    /// Of arrays with lengths of their own; of an array of as many rows; or of one array, or one element, for all rows. `text_width`: how many characters each text
    /// takes in a column whose cells are arrays of texts.
    pub(super) fn new(given: &GivenColumn<'a>, rows: u64, text_width: Option<usize>) -> Result<Self> {
        let rows = usize::try_from(rows).map_err(|_| Error::too_large("the rows do not fit memory"))?;
        let mut elements = match given.offsets {
            Some(offsets) if offsets.len() == rows + 1 => Self {
                values: Cow::Borrowed(given.bytes),
                mask: given.mask.map(Cow::Borrowed),
                offsets: Cow::Borrowed(offsets),
            },
            Some(offsets) => {
                let count = offsets.len().saturating_sub(1);
                return Err(given.refuse(&format!("have {count} rows, {rows} are written; nothing was written")));
            }
            None => Self::of_array(given, rows, text_width)?,
        };
        if given.swapped {
            turn(given.element.unit(), elements.values.to_mut());
        }
        if given.text_width().is_none() && !(text_width.is_some() && is_one_array(given, rows)) {
            return Ok(elements);
        }
        match text_width {
            Some(width) => elements.into_characters(given, width),
            None if elements.count() == 0 => Ok(elements),
            None => Err(given.refuse(
                "are arrays of texts, which the cells of this column are not: give one text for each row, or make a new column with insert_column(); \
                 nothing was written",
            )),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Of arrays of whole texts: each text is filled up with blanks. (Behind a NUL some programs read no more of a cell.)
    fn into_characters(self, given: &GivenColumn<'_>, width: usize) -> Result<Self> {
        let (unit, size, count) = (given.element.unit(), given.element.size().unwrap_or(0), self.count());
        let blank = u32::from(b' ').to_ne_bytes();
        let blank = if unit == 1 { b" " } else { blank.as_slice() };
        let mut characters = Vec::new();
        reserve(&mut characters, count.saturating_mul(width).saturating_mul(unit))?;
        for index in 0..count {
            let text = self.values.get(index * size..(index + 1) * size).unwrap_or_default();
            let masked = self.mask.as_ref().and_then(|mask| mask.get(index)).is_some_and(|&flag| flag != 0);
            let is_fill = |character: &[u8]| character == blank || character.iter().all(|&byte| byte == 0);
            let last = text.chunks_exact(unit).rposition(|character| !is_fill(character));
            let length = last.filter(|_| !masked).map_or(0, |last| last + 1);
            if length > width {
                let row = self.offsets.partition_point(|&offset| offset <= index).saturating_sub(1);
                let within = index - self.offsets.get(row).copied().unwrap_or(0);
                let message = format!(
                    "the text has {length} characters, and those of this column have {width}: make a new column with insert_column(); nothing was written"
                );
                let place = || format!("column '{}', row {row}, text [{within}]", given.name);
                return Err(Error::argument(message).in_item(place));
            }
            characters.extend_from_slice(text.get(..length * unit).unwrap_or_default());
            (length..width).for_each(|_| characters.extend_from_slice(blank));
        }
        let offsets = self.offsets.iter().map(|offset| offset * width).collect();
        Ok(Self { values: Cow::Owned(characters), mask: None, offsets: Cow::Owned(offsets) })
    }

    fn of_array(given: &GivenColumn<'a>, rows: usize, text_width: Option<usize>) -> Result<Self> {
        let is_text = is_text(given.element);
        // The rows that there are values for, and what each of them has.
        let (count, cell) = match given.shape {
            [] => (1, given.shape),
            cell if text_width.is_some() && is_one_array(given, rows) => (1, cell),
            [count, cell @ ..] if is_text || !cell.is_empty() => (*count, cell),
            // One axis of numbers is an array, unless it is for no row at all.
            cell if rows == 1 => (1, cell),
            [0] if rows == 0 => (0, &[][..]),
            shape => {
                return Err(given.refuse(&format!(
                    "has shape {shape:?}, the column an array for each of {rows} rows: give a list of arrays, or one array as [array] for all of them; nothing was written"
                )));
            }
        };
        if count != rows && count != 1 {
            return Err(given.refuse(&format!("have {count} rows, {rows} are written; nothing was written")));
        }
        let values = gathered(given)?;
        let mut offsets = Vec::new();
        reserve(&mut offsets, count + 1)?;
        offsets.push(0);
        if is_text && cell.is_empty() {
            let texts = without_fill(given, &values, &mut offsets);
            return Ok(Self { values: Cow::Owned(texts), mask: None, offsets: Cow::Owned(offsets) });
        }
        let per_cell: usize = cell.iter().product();
        offsets.extend((1..=count).map(|row| row * per_cell));
        Ok(Self { values, mask: given.mask.map(Cow::Borrowed), offsets: Cow::Owned(offsets) })
    }
}

fn is_text(element: GivenType) -> bool {
    matches!(element, GivenType::Bytes { .. } | GivenType::Characters { .. })
}

/// Whether an array of texts, which has one axis, may be that of a single row.
fn is_one_array(given: &GivenColumn<'_>, rows: usize) -> bool {
    rows == 1 && is_text(given.element) && given.offsets.is_none() && given.shape.len() == 1
}

/// The elements of an array without what lies between its rows.
fn gathered<'a>(given: &GivenColumn<'a>) -> Result<Cow<'a, [u8]>> {
    let (rows, cell) = given.shape.split_first().map_or((1, given.shape), |(&rows, cell)| (rows, cell));
    let size = cell.iter().try_fold(given.element.size().unwrap_or(0), |size, &length| size.checked_mul(length));
    let size = size.ok_or_else(|| given.refuse("are larger than memory"))?;
    if given.stride == size || rows == 1 {
        let end = given.start.saturating_add(rows.saturating_mul(size));
        return Ok(Cow::Borrowed(given.bytes.get(given.start..end).unwrap_or_default()));
    }
    let mut values = Vec::new();
    reserve(&mut values, rows.saturating_mul(size))?;
    for row in 0..rows {
        let at = given.start + row * given.stride;
        values.extend_from_slice(given.bytes.get(at..at + size).unwrap_or_default());
    }
    Ok(Cow::Owned(values))
}

/// Texts of one width without the NULs that fill them up; those that are masked are empty. Says where each ends.
fn without_fill(given: &GivenColumn<'_>, values: &[u8], offsets: &mut Vec<usize>) -> Vec<u8> {
    let (unit, size) = (given.element.unit(), given.element.size().unwrap_or(0));
    let rows = given.shape.first().copied().unwrap_or(1);
    let mut texts = Vec::with_capacity(values.len());
    for row in 0..rows {
        let text = values.get(row * size..(row + 1) * size).unwrap_or_default();
        let masked = given.mask.and_then(|mask| mask.get(row)).is_some_and(|&flag| flag != 0);
        let last = text.chunks_exact(unit).rposition(|character| character.iter().any(|&byte| byte != 0));
        let length = last.filter(|_| !masked).map_or(0, |last| last + 1);
        texts.extend_from_slice(text.get(..length * unit).unwrap_or_default());
        offsets.push(texts.len() / unit);
    }
    texts
}
