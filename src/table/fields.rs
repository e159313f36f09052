//! TFIELDS, TFORMn and TTYPEn: which fields a row of a binary table has, and where (FITS 4.0 §7.3.1, §7.3.2).

use super::form::Form;
use crate::error::{Error, Result, ResultExt};
use crate::format::Header;

/// The most columns that a table can have (§7.3.1).
pub(crate) const MOST_COLUMNS: i64 = 999;

/// What remains where the header of a table does not say where its columns are.
pub(super) const UNREADABLE: &str = "this table can't be read, the other HDUs can";

/// One field of the rows of a table.
#[derive(Clone, Debug)]
pub(crate) struct RowField {
    /// The number of the column, counted from 1.
    pub(crate) number: i64,
    pub(crate) form: Form,
    /// Where it starts in a row.
    pub(crate) offset: usize,
    /// How many bytes it takes in a row.
    pub(crate) width: usize,
    /// TTYPE; an error where the card breaks the rules.
    pub(crate) name: Result<Option<String>>,
}

/// TFIELDS: how many columns there are.
pub(super) fn column_count(header: &Header) -> Result<i64> {
    let count = header.integer("TFIELDS")?.unwrap_or(0);
    if !(0..=MOST_COLUMNS).contains(&count) {
        return Err(Error::illegal(format!(
            "TFIELDS is {count}; a table has 0 to {MOST_COLUMNS} columns: {UNREADABLE}"
        )));
    }
    Ok(count)
}

/// The fields of rows of `row_len` bytes.
pub(crate) fn fields(header: &Header, row_len: usize) -> Result<Vec<RowField>> {
    let count = column_count(header)?;
    let mut fields = Vec::new();
    let mut offset = 0;
    for number in 1..=count {
        let field = field(header, number, offset, row_len).in_item(|| format!("column {number}"))?;
        offset += field.width;
        fields.push(field);
    }
    Ok(fields)
}

fn field(header: &Header, number: i64, offset: usize, row_len: usize) -> Result<RowField> {
    let text = header.text(&format!("TFORM{number}"))?;
    let text = text.ok_or_else(|| Error::illegal(format!("TFORM{number} is missing: {UNREADABLE}")))?;
    let form = Form::parse(&text)?;
    let width = form.width().and_then(|width| usize::try_from(width).ok()).filter(|width| *width <= row_len - offset);
    let width = width.ok_or_else(|| {
        Error::illegal(format!(
            "TFORM '{text}' goes past the end of the row: NAXIS1 is {row_len}, the column starts at {offset}: {UNREADABLE}"
        ))
    })?;
    let name = header.text(&format!("TTYPE{number}"));
    Ok(RowField { number, form, offset, width, name })
}
