//! Putting a column into a binary table, and taking one out: every row becomes wider or narrower, every keyword that carries a column's number
//! follows (FITS 4.0 §7.3.2, §8.1).

use std::ops::Range;

use super::extend::{Extended, OldHdu, set_count};
use crate::error::{Error, Result};
use crate::format::{HduLayout, Header, padded};
use crate::source::{Content, EditPlan, Piece, Producer, ReadAt, past_the_end};
use crate::table::{GivenColumn, NewColumn, RowEncoder, TableLayout, changeable, row_bytes};

/// Plans to put a column in front of the one with this number, counted from 0, or behind the last one.
pub(crate) fn insert_column<'p>(
    old: &OldHdu<'_>,
    number: usize,
    column: &NewColumn,
    values: &GivenColumn<'p>,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let table = changeable(old.hdu)?;
    if let Some(other) = table.find(&column.name).and_then(|number| table.columns.get(number)) {
        let message = format!("the table has the column '{}' already; nothing was written", other.name);
        return Err(Error::argument(message).in_item(|| format!("column '{}'", column.name)));
    }
    let width = column.width()?;
    let row_len = table.row_len.checked_add(width).ok_or_else(|| Error::too_large("a row is larger than memory"))?;
    let mut header = old.header.clone().with_column(number + 1, |header| column.describe(number + 1, header))?;
    set_lengths(&mut header, table, row_len)?;
    let at = table.columns.get(number).map_or_else(
        || table.columns.iter().map(|column| column.offset + column.width).max().unwrap_or(0),
        |next| next.offset,
    );
    let encoder = RowEncoder::new(&column.layout(table.rows)?, std::slice::from_ref(values), table.rows, false)?;
    encoder.check()?;
    let cells = row_bytes(encoder);
    let splice = Splice { data_start: table.data_start, row_len: table.row_len, cut: at..at, width };
    respliced(old, table, header, splice, cells, source)
}

/// Plans to put a column of descriptors, all of them empty, behind the last one of the table of a compressed image.
pub(crate) fn append_descriptors<'p>(
    old: &OldHdu<'_>,
    name: &str,
    wide: bool,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let table = TableLayout::of_header(old.header, &old.hdu.layout)?;
    let width = if wide { 16 } else { 8 };
    let row_len = table.row_len.checked_add(width).ok_or_else(|| Error::too_large("a row is larger than memory"))?;
    let number = table.columns.len() + 1;
    let mut header = old.header.clone().with_column(number, |header| {
        header.set_structural(&format!("TTYPE{number}"), name, "")?;
        header.set_structural(&format!("TFORM{number}"), if wide { "1QB" } else { "1PB" }, "")
    })?;
    set_lengths(&mut header, &table, row_len)?;
    let end = table.row_len;
    let splice = Splice { data_start: table.data_start, row_len: table.row_len, cut: end..end, width };
    let empty = |_: Range<u64>, cells: &mut [u8]| {
        cells.fill(0);
        Ok(())
    };
    respliced(old, &table, header, splice, Box::new(empty), source)
}

/// Plans to take out the column with this number, counted from 0.
pub(crate) fn delete_column<'p>(old: &OldHdu<'_>, number: usize, source: &'p dyn ReadAt) -> Result<Extended<'p>> {
    let table = changeable(old.hdu)?;
    let column = table.columns.get(number).ok_or_else(|| Error::argument("there is no such column"))?;
    let mut header = old.header.clone().without_column(number + 1)?;
    set_lengths(&mut header, table, table.row_len - column.width)?;
    let splice = Splice {
        data_start: table.data_start,
        row_len: table.row_len,
        cut: column.offset..column.offset + column.width,
        width: 0,
    };
    respliced(old, table, header, splice, Box::new(|_, _| Ok(())), source)
}

fn set_lengths(header: &mut Header, table: &TableLayout, row_len: usize) -> Result<()> {
    let too_large = || Error::too_large("the table would be larger than a file can be");
    let length =
        |row_len: usize| i64::try_from(row_len).ok().and_then(|len| len.checked_mul(i64::try_from(table.rows).ok()?));
    let grown = length(row_len).ok_or_else(too_large)? - length(table.row_len).ok_or_else(too_large)?;
    set_count(header, "NAXIS1", row_len as i64)?;
    if let Some(heap) = header.integer("THEAP")? {
        set_count(header, "THEAP", heap.checked_add(grown).ok_or_else(too_large)?)?;
    }
    Ok(())
}

/// Old rows of which a part gives way to new cells.
#[derive(Clone)]
struct Splice {
    data_start: u64,
    row_len: usize,
    cut: Range<usize>,
    /// How wide the new cells are.
    width: usize,
}

impl Splice {
    fn new_row_len(&self) -> usize {
        self.row_len - self.cut.len() + self.width
    }

    /// Makes the new rows in `span`, which are whole ones.
    fn rows(&self, rows: Range<u64>, cells: &Producer<'_>, source: &dyn ReadAt, output: &mut [u8]) -> Result<()> {
        let count = (rows.end - rows.start) as usize;
        let mut old = vec![0; count * self.row_len];
        source.read_at(self.data_start + rows.start * self.row_len as u64, &mut old)?;
        let mut new = vec![0; count * self.width];
        cells(rows.start * self.width as u64..rows.end * self.width as u64, &mut new)?;
        for (row, output) in output.chunks_exact_mut(self.new_row_len()).enumerate() {
            let old = old.get(row * self.row_len..(row + 1) * self.row_len).unwrap_or_default();
            let new = new.get(row * self.width..(row + 1) * self.width).unwrap_or_default();
            let (before, rest) = output.split_at_mut(self.cut.start);
            let (place, behind) = rest.split_at_mut(self.width);
            before.copy_from_slice(old.get(..self.cut.start).unwrap_or_default());
            place.copy_from_slice(new);
            behind.copy_from_slice(old.get(self.cut.end..).unwrap_or_default());
        }
        Ok(())
    }

    /// Makes the bytes in `span` of the new rows.
    fn bytes(&self, span: Range<u64>, cells: &Producer<'_>, source: &dyn ReadAt, output: &mut [u8]) -> Result<()> {
        let row_len = self.new_row_len() as u64;
        if row_len == 0 || span.is_empty() {
            return Ok(());
        }
        let rows = span.start / row_len..span.end.div_ceil(row_len);
        let whole = rows.start * row_len..rows.end * row_len;
        if whole == span {
            return self.rows(rows, cells, source, output);
        }
        let mut made = vec![0; (whole.end - whole.start) as usize];
        self.rows(rows, cells, source, &mut made)?;
        let first = (span.start - whole.start) as usize;
        output.copy_from_slice(made.get(first..first + output.len()).unwrap_or_default());
        Ok(())
    }
}

/// The new file: as the old one, but with the header and with the spliced rows.
fn respliced<'p>(
    old: &OldHdu<'_>,
    table: &TableLayout,
    header: Header,
    splice: Splice,
    cells: Box<Producer<'p>>,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let before = &old.hdu.layout;
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let data_end = before.data_start.saturating_add(before.data_len);
    if data_end > old.file_len {
        return Err(past_the_end(before.data_start, before.data_len as usize, old.file_len));
    }
    let too_large = || Error::too_large("the table would be larger than a file can be");
    let rows_end = table.data_start + table.rows.checked_mul(table.row_len as u64).ok_or_else(too_large)?;
    let len = table.rows.checked_mul(splice.new_row_len() as u64).ok_or_else(too_large)?;
    let padding = padded(layout.data_len).ok_or_else(too_large)? - layout.data_len;
    let producer: Box<Producer<'p>> =
        Box::new(move |span: Range<u64>, output: &mut [u8]| splice.bytes(span, &*cells, source, output));
    let mut pieces = vec![
        Piece::Old(0..old.header_start),
        Piece::New(Content::Bytes(blocks.clone())),
        Piece::New(Content::Derived { len, producer }),
        Piece::Old(rows_end..data_end),
        Piece::New(Content::Bytes(vec![0; padding as usize])),
        Piece::Old(before.end().min(old.file_len)..old.file_len),
    ];
    pieces.retain(|piece| piece.len() > 0);
    Ok(Extended { plan: EditPlan::Assemble(pieces), header, blocks, layout, table: None })
}
