//! A new binary table: the header that it gets, and its rows (FITS 4.0 §7.3).

use std::ops::Range;

use super::column::TableLayout;
use super::declare::NewColumn;
use super::encode::RowEncoder;
use super::fields::MOST_COLUMNS;
use super::given::GivenColumn;
use crate::directory::HduEntry;
use crate::edit::NewHdu;
use crate::error::{Error, Result};
use crate::format::{HduKind, HduLayout, Header};
use crate::image::set_name;
use crate::source::{Content, Producer};

/// A table that is to be written.
pub(crate) struct NewTable<'a> {
    pub(crate) columns: Vec<NewColumn>,
    pub(crate) rows: u64,
    /// The values of all columns; `None` for rows that hold nothing.
    pub(crate) values: Option<&'a [GivenColumn<'a>]>,
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Option<i64>,
    /// More cards: those of protected keywords are left out.
    pub(crate) cards: Option<&'a Header>,
}

impl<'a> NewTable<'a> {
    /// The HDU that the table becomes.
    pub(crate) fn hdu(self) -> Result<NewHdu<'a>> {
        let header = self.header()?;
        let layout = HduLayout::new(&header, 0)?;
        let data_len = layout.data_len;
        let producer: Option<Box<Producer<'a>>> = match self.values {
            Some(values) => {
                let table = TableLayout::of_header(&header, &layout)?;
                let encoder = RowEncoder::new(&table, values, self.rows, false)?;
                encoder.check()?;
                Some(row_bytes(encoder))
            }
            None => empty_rows(&self.columns)?,
        };
        let data = producer.map(|producer| Content::Made { len: data_len, producer });
        Ok(NewHdu { header: header.to_bytes(), data, data_len })
    }

    fn header(&self) -> Result<Header> {
        if self.columns.len() > MOST_COLUMNS as usize {
            let message = format!("the table has {} columns; FITS has at most {MOST_COLUMNS}", self.columns.len());
            return Err(Error::argument(message));
        }
        check_names(self.columns.iter().map(|column| column.name.as_str()))?;
        let widths = self.columns.iter().map(NewColumn::width);
        let row_len = widths.reduce(|sum, width| {
            sum?.checked_add(width?).ok_or_else(|| Error::too_large("a row is larger than memory"))
        });
        let mut header = Header::new();
        header.set_structural("XTENSION", "BINTABLE", "binary table extension")?;
        header.set_structural("BITPIX", 8, "bits per data value")?;
        header.set_structural("NAXIS", 2, "rows of bytes")?;
        header.set_structural("NAXIS1", row_len.unwrap_or(Ok(0))?, "bytes in a row")?;
        let rows =
            i64::try_from(self.rows).map_err(|_| Error::too_large("the table has more rows than a file can hold"))?;
        header.set_structural("NAXIS2", rows, "number of rows")?;
        header.set_structural("PCOUNT", 0, "bytes of variable-length arrays")?;
        header.set_structural("GCOUNT", 1, "one group")?;
        header.set_structural("TFIELDS", self.columns.len(), "number of columns")?;
        for (number, column) in (1..).zip(&self.columns) {
            column.describe(number, &mut header)?;
        }
        if let Some(cards) = self.cards {
            header.update(cards, true);
            // What the caller says goes before what is copied.
            for (number, column) in (1..).zip(&self.columns) {
                if let Some(unit) = &column.unit {
                    header.set_structural(&format!("TUNIT{number}"), unit.as_str(), "")?;
                }
            }
        }
        set_name(&mut header, self.name, self.version)?;
        Ok(header)
    }
}

/// The columns of a table that can be changed.
///
/// # Errors
///
/// The HDU is no table, or one of a kind that can't be written yet.
pub(crate) fn changeable(hdu: &HduEntry) -> Result<&TableLayout> {
    if hdu.layout.kind == HduKind::AsciiTable {
        return Err(Error::unsupported("ASCII tables can't be written yet"));
    }
    TableLayout::of(hdu)
}

/// The bytes of encoded rows, piece by piece.
pub(crate) fn row_bytes(encoder: RowEncoder<'_>) -> Box<Producer<'_>> {
    Box::new(move |span: Range<u64>, output: &mut [u8]| encoder.encode_bytes(span, output))
}

/// The bytes of rows that hold nothing; `None` where all are 0.
pub(crate) fn empty_rows<'a>(columns: &[NewColumn]) -> Result<Option<Box<Producer<'a>>>> {
    let row = columns.iter().map(NewColumn::empty_cell).collect::<Result<Vec<_>>>()?.concat();
    if row.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    Ok(Some(Box::new(move |span: Range<u64>, output: &mut [u8]| {
        let first = (span.start % row.len() as u64) as usize;
        let bytes = row.iter().cycle().skip(first);
        output.iter_mut().zip(bytes).for_each(|(output, byte)| *output = *byte);
        Ok(())
    })))
}

/// Checks that each column can be asked for by its name.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name.trim().to_ascii_lowercase()) {
            let message = "two columns have this name, as letter case does not count: rename one of them";
            return Err(Error::argument(message).in_item(|| format!("column '{name}'")));
        }
    }
    Ok(())
}

impl NewColumn {
    /// The layout of a table of this column alone.
    pub(crate) fn layout(&self, rows: u64) -> Result<TableLayout> {
        let table =
            NewTable { columns: vec![self.clone()], rows, values: None, name: None, version: None, cards: None };
        let header = table.header()?;
        TableLayout::of_header(&header, &HduLayout::new(&header, 0)?)
    }
}
