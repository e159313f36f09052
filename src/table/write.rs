//! A new table: the header that it gets, its rows and its heap (FITS 4.0 §7.2, §7.3).

use std::ops::Range;
use std::sync::Arc;

use super::column::TableLayout;
use super::declare::NewColumn;
use super::encode::{Every, RowEncoder};
use super::fields::MOST_COLUMNS;
use super::given::GivenColumn;
use crate::compression::HeapFormat;
use crate::edit::{NewHdu, set_count};
use crate::error::{Error, Result};
use crate::format::{HduLayout, Header, padded};
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
    /// Whether it is an ASCII table.
    pub(crate) ascii: bool,
    /// The descriptors of variable-length arrays; P unless given or the heap needs Q.
    pub(crate) heap_format: Option<HeapFormat>,
    /// More cards: those of protected keywords are left out.
    pub(crate) cards: Option<&'a Header>,
    /// Has the values checked on all threads.
    pub(crate) every: &'a Every,
    /// Whether what is written of a table can be taken back, so that values may be checked while they are written.
    pub(crate) can_be_taken_back: bool,
}

impl<'a> NewTable<'a> {
    /// The HDU that the table becomes.
    pub(crate) fn hdu(mut self) -> Result<NewHdu<'a>> {
        let encoder = match self.values {
            Some(values) => Some(self.encoder(values)?),
            None => None,
        };
        let heap_len = encoder.as_ref().map_or(0, RowEncoder::heap_len);
        let mut header = self.header()?;
        let heap = i64::try_from(heap_len).map_err(|_| Error::too_large("the heap is larger than a file can be"))?;
        set_count(&mut header, "PCOUNT", heap)?;
        let data_len = HduLayout::new(&header, 0)?.data_len;
        let producer: Option<Box<Producer<'a>>> = match encoder {
            Some(encoder) => Some(table_bytes(encoder, data_len - heap_len)),
            None => empty_rows(&self.columns)?,
        };
        let data = producer.map(|producer| Content::Made { len: data_len, producer });
        // Blocks of an ASCII table are filled up with blanks (§7.2.3).
        let data = if self.ascii { Some(blank_padded(data, data_len)) } else { data };
        Ok(NewHdu { header: header.to_bytes(), data, data_len })
    }

    /// What writes the values, which are checked. The columns learn how long their arrays are.
    fn encoder(&mut self, values: &'a [GivenColumn<'a>]) -> Result<RowEncoder<'a>> {
        let header = self.header()?;
        let table = TableLayout::of_header(&header, &HduLayout::new(&header, 0)?)?;
        let mut encoder = RowEncoder::new(&table, values, self.rows, false)?;
        match self.can_be_taken_back {
            true => encoder.check_late(self.every)?,
            false => encoder.check_on(self.every)?,
        }
        for (name, longest) in encoder.longest_arrays() {
            let arrays = self.columns.iter_mut().filter(|column| column.name == name);
            arrays.filter_map(|column| column.arrays.as_mut()).for_each(|arrays| arrays.longest = longest);
        }
        match encoder.place_heap(0) {
            Err(_) if self.heap_format.is_none() && !self.is_wide() => {
                self.columns
                    .iter_mut()
                    .filter_map(|column| column.arrays.as_mut())
                    .for_each(|arrays| arrays.wide = true);
                self.encoder(values)
            }
            placed => placed.map(|()| encoder),
        }
    }

    fn is_wide(&self) -> bool {
        self.columns.iter().filter_map(|column| column.arrays).all(|arrays| arrays.wide)
    }

    fn header(&self) -> Result<Header> {
        if self.columns.len() > MOST_COLUMNS as usize {
            let message = format!("the table has {} columns; FITS has at most {MOST_COLUMNS}", self.columns.len());
            return Err(Error::argument(message));
        }
        check_names(self.columns.iter().map(|column| column.name.as_str()))?;
        let starts = self.starts()?;
        let mut header = Header::new();
        let (kind, comment) =
            if self.ascii { ("TABLE", "ASCII table extension") } else { ("BINTABLE", "binary table extension") };
        header.set_structural("XTENSION", kind, comment)?;
        header.set_structural("BITPIX", 8, "bits per data value")?;
        header.set_structural("NAXIS", 2, "rows of bytes")?;
        header.set_structural("NAXIS1", starts.last().copied().unwrap_or(0), "bytes in a row")?;
        let rows =
            i64::try_from(self.rows).map_err(|_| Error::too_large("the table has more rows than a file can hold"))?;
        header.set_structural("NAXIS2", rows, "number of rows")?;
        header.set_structural("PCOUNT", 0, if self.ascii { "none" } else { "bytes of variable-length arrays" })?;
        header.set_structural("GCOUNT", 1, "one group")?;
        header.set_structural("TFIELDS", self.columns.len(), "number of columns")?;
        for ((number, column), start) in (1..).zip(&self.columns).zip(starts) {
            column.describe(number, start, &mut header)?;
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

    /// Where each column starts in a row, and where the row ends. Between the fields of an ASCII table is a blank.
    fn starts(&self) -> Result<Vec<usize>> {
        let mut starts = Vec::with_capacity(self.columns.len() + 1);
        let mut start = 0usize;
        for (number, column) in self.columns.iter().enumerate() {
            let gap = usize::from(self.ascii && number > 0);
            starts.push(start + gap);
            let end = column.width()?.checked_add(gap).and_then(|width| start.checked_add(width));
            start = end.ok_or_else(|| Error::too_large("a row is larger than memory"))?;
        }
        starts.push(start);
        Ok(starts)
    }
}

/// The bytes of encoded rows, piece by piece.
pub(crate) fn row_bytes(encoder: Arc<RowEncoder<'_>>) -> Box<Producer<'_>> {
    Box::new(move |span: Range<u64>, output: &mut [u8]| encoder.encode_bytes(span, output))
}

/// The bytes of encoded arrays, piece by piece.
pub(crate) fn heap_bytes(encoder: Arc<RowEncoder<'_>>) -> Content<'_> {
    let len = encoder.heap_len();
    Content::Made {
        len,
        producer: Box::new(move |span: Range<u64>, output: &mut [u8]| encoder.encode_heap(span, output)),
    }
}

/// The bytes of encoded rows, which take `rows_len` of them, and of the heap behind them.
fn table_bytes(encoder: RowEncoder<'_>, rows_len: u64) -> Box<Producer<'_>> {
    Box::new(move |span: Range<u64>, output: &mut [u8]| {
        let in_rows = span.start.min(rows_len)..span.end.min(rows_len);
        let (rows, heap) = output.split_at_mut((in_rows.end - in_rows.start) as usize);
        encoder.encode_bytes(in_rows, rows)?;
        encoder.encode_heap(span.start.max(rows_len) - rows_len..span.end.max(rows_len) - rows_len, heap)
    })
}

/// Data of `len` bytes with blanks behind, so that they fill whole blocks.
fn blank_padded(data: Option<Content<'_>>, len: u64) -> Content<'_> {
    let padded_len = padded(len).unwrap_or(len);
    let producer: Box<Producer<'_>> = Box::new(move |span: Range<u64>, output: &mut [u8]| {
        let inside = span.start.min(len)..span.end.min(len);
        let (front, behind) = output.split_at_mut((inside.end - inside.start) as usize);
        behind.fill(b' ');
        match &data {
            Some(Content::Made { producer, .. }) if !front.is_empty() => producer(inside, front),
            _ => {
                front.fill(b' ');
                Ok(())
            }
        }
    });
    Content::Made { len: padded_len, producer }
}

/// The bytes of rows that hold nothing; `None` where all are 0.
pub(crate) fn empty_rows<'a>(columns: &[NewColumn]) -> Result<Option<Box<Producer<'a>>>> {
    if columns.iter().any(|column| column.field.is_some()) {
        // All blanks, which is what they are padded with.
        return Ok(None);
    }
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
        let table = NewTable {
            columns: vec![self.clone()],
            rows,
            values: None,
            name: None,
            version: None,
            ascii: self.field.is_some(),
            heap_format: None,
            cards: None,
            every: &|count, test| (0..count).all(test),
            can_be_taken_back: false,
        };
        let header = table.header()?;
        TableLayout::of_header(&header, &HduLayout::new(&header, 0)?)
    }
}
