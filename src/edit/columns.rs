//! Putting a column into a table, and taking one out: every row becomes wider or narrower, every keyword that carries a column's number
//! follows (FITS 4.0 §7.2.2, §7.3.2, §8.1).

use std::ops::Range;
use std::sync::Arc;

use super::extend::{Extended, OldHdu, check_one_group, fill_of, set_count};
use crate::error::{Error, Result};
use crate::format::{HduLayout, Header, padded};
use crate::source::{Content, EditPlan, Piece, Producer, ReadAt, past_the_end};
use crate::table::{GivenColumn, MOST_COLUMNS, NewColumn, RowEncoder, TableLayout, heap, heap_bytes, row_bytes};

/// Plans to put a column in front of the one with this number, counted from 0, or behind the last one.
pub(crate) fn insert_column<'p>(
    old: &OldHdu<'_>,
    number: usize,
    mut column: NewColumn,
    values: &GivenColumn<'p>,
    wide_if_needed: bool,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let table = TableLayout::of(old.hdu)?;
    let heap = heap(old.hdu)?;
    let encoder = new_column_encoder(table, &mut column, values, heap.end - heap.start, wide_if_needed)?;
    let width = column.width()?;
    let place = Place::of_new(table, number, width);
    let too_large = || Error::too_large("a row is larger than memory");
    let row_len = table.row_len.checked_add(place.width).ok_or_else(too_large)?;
    let describe = |header: &mut Header| column.describe(number + 1, place.at + place.field, header);
    let mut header = old.header.clone().with_column(number + 1, describe)?;
    set_lengths(&mut header, table, row_len)?;
    if table.ascii {
        for (index, other) in table.columns.iter().enumerate().filter(|(_, other)| other.offset >= place.at) {
            let number = if index >= number { index + 2 } else { index + 1 };
            set_start(&mut header, number, other.offset + place.width)?;
        }
    }
    if encoder.heap_len() > 0 {
        let grown = i64::try_from(encoder.heap_len()).ok();
        let count = grown.and_then(|grown| header.integer("PCOUNT").ok()?.unwrap_or(0).checked_add(grown));
        set_count(&mut header, "PCOUNT", count.ok_or_else(too_large)?)?;
    }
    let encoder = Arc::new(encoder);
    let arrays = heap_bytes(Arc::clone(&encoder));
    let cells: Box<Producer<'p>> = match table.ascii {
        true => place.fields(width, row_bytes(encoder)),
        false => row_bytes(encoder),
    };
    let splice =
        Splice { data_start: table.data_start, row_len: table.row_len, cut: place.at..place.at, width: place.width };
    respliced(old, table, header, splice, (cells, Some(arrays)), source)
}

/// What writes the values of a new column of a table, whose arrays go into the heap from byte `heap` on. The column learns how its arrays are described.
///
/// # Errors
///
/// There is a column of this name, or no room for one more; a value does not fit.
pub(crate) fn new_column_encoder<'p>(
    table: &TableLayout,
    column: &mut NewColumn,
    values: &GivenColumn<'p>,
    heap: u64,
    wide_if_needed: bool,
) -> Result<RowEncoder<'p>> {
    if let Some(other) = table.find(&column.name).and_then(|number| table.columns.get(number)) {
        let message = format!("the table has the column '{}' already; nothing was written", other.name);
        return Err(Error::argument(message).in_item(|| format!("column '{}'", column.name)));
    }
    if table.columns.len() as i64 >= MOST_COLUMNS {
        let message =
            format!("would be the table's number {}: FITS has at most {MOST_COLUMNS}", table.columns.len() + 1);
        return Err(Error::argument(message).in_item(|| format!("column '{}'", column.name)));
    }
    let mut encoder = encoder(column, values, table.rows)?;
    if let Err(error) = encoder.place_heap(heap) {
        let arrays = column.arrays.as_mut().filter(|_| wide_if_needed).ok_or(error)?;
        arrays.wide = true;
        encoder = self::encoder(column, values, table.rows)?;
        encoder.place_heap(heap)?;
    }
    Ok(encoder)
}

/// What writes the values of a new column, which are checked. The column learns how long its arrays are.
fn encoder<'p>(column: &mut NewColumn, values: &GivenColumn<'p>, rows: u64) -> Result<RowEncoder<'p>> {
    let encoder = RowEncoder::new(&column.layout(rows)?, std::slice::from_ref(values), rows, false)?;
    encoder.check()?;
    if let Some(arrays) = &mut column.arrays {
        arrays.longest = encoder.longest_arrays().map(|(_, longest)| longest).max().unwrap_or(0);
    }
    Ok(encoder)
}

/// Where a new column goes in the rows.
#[derive(Clone, Copy)]
struct Place {
    /// The byte of the old rows in front of which it goes.
    at: usize,
    /// How many bytes are new, with the blank between two fields of an ASCII table.
    width: usize,
    /// Where among them its field begins.
    field: usize,
}

impl Place {
    fn of_new(table: &TableLayout, number: usize, width: usize) -> Self {
        let next = table.columns.get(number).map(|next| next.offset);
        if !table.ascii {
            let end = || table.columns.iter().map(|column| column.offset + column.width).max().unwrap_or(0);
            return Self { at: next.unwrap_or_else(end), width, field: 0 };
        }
        // Fields may overlap and stand in any order: none is torn apart.
        let torn =
            |at: usize| table.columns.iter().any(|column| column.offset < at && at < column.offset + column.width);
        match next.filter(|&at| !torn(at)) {
            Some(at) => Self { at, width: width + 1, field: 0 },
            None if table.row_len == 0 => Self { at: 0, width, field: 0 },
            None => Self { at: table.row_len, width: width + 1, field: 1 },
        }
    }

    /// The cells of rows with the blank beside each field, from the fields alone.
    fn fields<'p>(self, width: usize, fields: Box<Producer<'p>>) -> Box<Producer<'p>> {
        Box::new(move |span: Range<u64>, output: &mut [u8]| {
            // Whole rows, as the splice asks for.
            let rows = span.start / self.width as u64..span.end / self.width as u64;
            let mut made = vec![0; (rows.end - rows.start) as usize * width];
            fields(rows.start * width as u64..rows.end * width as u64, &mut made)?;
            for (cell, field) in output.chunks_exact_mut(self.width).zip(made.chunks_exact(width)) {
                cell.fill(b' ');
                cell.get_mut(self.field..self.field + width).unwrap_or_default().copy_from_slice(field);
            }
            Ok(())
        })
    }
}

/// Plans to put a column of descriptors, all of them empty, behind the last one of the table of a compressed image.
pub(crate) fn append_descriptors<'p>(
    old: &OldHdu<'_>,
    name: &str,
    wide: bool,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let table = TableLayout::of_header(old.header, &old.hdu.layout)?;
    let number = table.columns.len() + 1;
    let header = old.header.clone().with_column(number, |header| {
        header.set_structural(&format!("TTYPE{number}"), name, "")?;
        header.set_structural(&format!("TFORM{number}"), if wide { "1QB" } else { "1PB" }, "")
    })?;
    let width = if wide { 16 } else { 8 };
    let empty = |_: Range<u64>, cells: &mut [u8]| {
        cells.fill(0);
        Ok(())
    };
    let change = TileRowChange { cut: table.row_len..table.row_len, width, cells: Box::new(empty), arrays: Vec::new() };
    change_tile_rows(old, header, change, source)
}

/// What changes in each row of a table of tiles.
pub(crate) struct TileRowChange<'p> {
    /// The bytes that give way to new ones.
    pub(crate) cut: Range<usize>,
    /// How many new ones a row gets.
    pub(crate) width: usize,
    /// Makes those of all rows.
    pub(crate) cells: Box<Producer<'p>>,
    /// What goes behind the heap.
    pub(crate) arrays: Vec<u8>,
}

/// Plans to change each row of a table of tiles, whose header has the columns already as they are to be.
pub(crate) fn change_tile_rows<'p>(
    old: &OldHdu<'_>,
    mut header: Header,
    change: TileRowChange<'p>,
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    let TileRowChange { cut, width, cells, arrays } = change;
    let table = TableLayout::of_header(old.header, &old.hdu.layout)?;
    let too_large = || Error::too_large("a row is larger than memory");
    let row_len = (table.row_len - cut.len()).checked_add(width).ok_or_else(too_large)?;
    set_lengths(&mut header, &table, row_len)?;
    if !arrays.is_empty() {
        let count = header.integer("PCOUNT")?.unwrap_or(0).checked_add(arrays.len() as i64).ok_or_else(too_large)?;
        set_count(&mut header, "PCOUNT", count)?;
    }
    let splice = Splice { data_start: table.data_start, row_len: table.row_len, cut, width };
    respliced(old, &table, header, splice, (cells, Some(Content::Bytes(arrays))), source)
}

/// Plans to take out the column with this number, counted from 0. The arrays of a variable-length column stay in the heap until it is repacked.
pub(crate) fn delete_column<'p>(old: &OldHdu<'_>, number: usize, source: &'p dyn ReadAt) -> Result<Extended<'p>> {
    let table = TableLayout::of(old.hdu)?;
    let column = table.columns.get(number).ok_or_else(|| Error::argument("there is no such column"))?;
    let mut header = old.header.clone().without_column(number + 1)?;
    let cut = match table.ascii {
        true => field_to_cut(table, number, column.offset..column.offset + column.width),
        false => column.offset..column.offset + column.width,
    };
    set_lengths(&mut header, table, table.row_len - cut.len())?;
    if table.ascii {
        let others = table.columns.iter().enumerate().filter(|(index, _)| *index != number);
        for (index, other) in others.filter(|(_, other)| other.offset >= cut.end && !cut.is_empty()) {
            let number = if index > number { index } else { index + 1 };
            set_start(&mut header, number, other.offset - cut.len())?;
        }
    }
    let splice = Splice { data_start: table.data_start, row_len: table.row_len, cut, width: 0 };
    respliced(old, table, header, splice, (Box::new(|_, _| Ok(())), None), source)
}

/// The part of the rows of an ASCII table that goes with a field: with the blank beside it, and nothing where another field shares it.
fn field_to_cut(table: &TableLayout, number: usize, field: Range<usize>) -> Range<usize> {
    let others = || table.columns.iter().enumerate().filter(|(index, _)| *index != number).map(|(_, other)| other);
    let is_free = |range: &Range<usize>| {
        range.end <= table.row_len
            && !others().any(|other| other.offset < range.end && range.start < other.offset + other.width)
    };
    let before = field.start.saturating_sub(1)..field.end;
    let behind = field.start..field.end + 1;
    [behind, before, field.clone()].into_iter().find(is_free).unwrap_or(field.start..field.start)
}

/// Sets TBCOL.
fn set_start(header: &mut Header, number: usize, offset: usize) -> Result<()> {
    set_count(header, &format!("TBCOL{number}"), i64::try_from(offset + 1).unwrap_or(i64::MAX))
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

/// The new file: as the old one, but with the header, with the spliced rows, and with new arrays at the end of the heap.
fn respliced<'p>(
    old: &OldHdu<'_>,
    table: &TableLayout,
    header: Header,
    splice: Splice,
    (cells, arrays): (Box<Producer<'p>>, Option<Content<'p>>),
    source: &'p dyn ReadAt,
) -> Result<Extended<'p>> {
    check_one_group(old)?;
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
    ];
    pieces.extend(arrays.map(Piece::New));
    pieces.push(Piece::New(Content::Bytes(vec![fill_of(layout.kind); padding as usize])));
    pieces.push(Piece::Old(before.end().min(old.file_len)..old.file_len));
    pieces.retain(|piece| piece.len() > 0);
    Ok(Extended { plan: EditPlan::Assemble(pieces), header, blocks, layout, table: None })
}
