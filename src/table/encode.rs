//! The cells of rows: from values in memory to the bytes of the table (FITS 4.0 §7.3.3), block of rows after block of rows.
//!
//! A [`RowEncoder`] is made from the columns of a table and the values that some of them are given. [`RowEncoder::check`] looks at every value
//! that may not fit; what [`RowEncoder::encode`] writes after that can't fail.

//!
//! Arrays of variable length are not in the rows: [`RowEncoder::encode_heap`] makes their bytes, and the rows get descriptors of where they are to lie in
//! the heap (§7.3.5).

use std::ops::Range;

use super::arrays::ArrayEncoder;
use super::cell_encoder::{CellEncoder, Scratch};
use super::column::{Cell, TableLayout};
use super::given::GivenColumn;
use crate::error::{Error, ErrorKind, Result};
use crate::source::resize;

/// How many bytes, of values and of rows, are encoded column by column: they stay in the processor's first cache.
const ENCODE_BYTES: usize = 24 << 10;

/// How many rows are checked at a time: few enough to stay in the cache while one column after the other is looked at.
const CHECKED_ROWS: u64 = 4096;

/// Asks for each number from 0 to before the first argument whether something is so, on as many threads as there are; whether it is so for all.
pub(crate) type Every = dyn Fn(u64, &(dyn Fn(u64) -> bool + Sync)) -> bool;

/// What writes values into rows.
#[derive(Debug)]
pub(crate) struct RowEncoder<'a> {
    columns: Vec<CellEncoder<'a>>,
    /// The variable-length columns.
    arrays: Vec<ArrayEncoder<'a>>,
    rows: u64,
    row_len: usize,
    /// What is written where no column is.
    blank: u8,
    /// The part of a row that holds the columns.
    span: Range<usize>,
    /// Whether the columns fill the span.
    fills: bool,
    /// The column that is first in memory, where the values are records: short loops over the cells of one column after the other have the processor
    /// wait for each, which one look over all of the records beforehand has not.
    records: Option<usize>,
}

impl<'a> RowEncoder<'a> {
    /// For `rows` rows of the table, of which the given columns get their values. `as_stored`: numbers are stored ones.
    ///
    /// # Errors
    ///
    /// A column that is not there or given twice; a type that the column can't take; a shape that does not fit rows and cells.
    pub(crate) fn new(table: &TableLayout, given: &[GivenColumn<'a>], rows: u64, as_stored: bool) -> Result<Self> {
        let mut taken = vec![false; table.columns.len()];
        let mut columns = Vec::with_capacity(given.len());
        let mut arrays = Vec::new();
        for values in given {
            let number = table.find(values.name).ok_or_else(|| no_column(table, values.name))?;
            let free = taken.get_mut(number).filter(|taken| !**taken).ok_or_else(|| values.refuse("come twice"))?;
            *free = true;
            let column = table.columns.get(number).ok_or_else(|| no_column(table, values.name))?;
            if column.cell == Cell::Variable {
                arrays.push(ArrayEncoder::new(column, values, rows, as_stored)?);
            } else {
                columns.push(CellEncoder::new(column, values, rows, as_stored, table.blank())?);
            }
        }
        columns.sort_by_key(|column| column.place.start);
        let places = || columns.iter().map(|column| &column.place).chain(arrays.iter().map(|arrays| &arrays.place));
        let start = places().map(|place| place.start).min().unwrap_or(0);
        let end = places().map(|place| place.end).max().unwrap_or(start);
        let filled: usize = places().map(|place| place.len()).sum();
        let fills = filled == end - start;
        let (row_len, blank) = (table.row_len, table.blank());
        let records = first_of_records(&columns);
        Ok(Self { columns, arrays, rows, row_len, blank, span: start..end, fills, records })
    }

    /// Whether some of the columns are variable-length ones.
    pub(crate) fn has_arrays(&self) -> bool {
        !self.arrays.is_empty()
    }

    /// Where the descriptors lie in a row, if they are all that is written.
    pub(crate) fn descriptors(&self) -> Option<Vec<Range<usize>>> {
        let mut places: Vec<_> = self.arrays.iter().map(|arrays| arrays.place.clone()).collect();
        places.sort_by_key(|place| place.start);
        self.columns.is_empty().then_some(places)
    }

    /// How many bytes the rows take.
    pub(crate) fn rows_len(&self) -> u64 {
        self.rows.saturating_mul(self.row_len as u64)
    }

    /// How many bytes the arrays take in the heap.
    pub(crate) fn heap_len(&self) -> u64 {
        self.arrays.iter().fold(0, |sum, arrays| sum.saturating_add(arrays.len()))
    }

    /// Has the arrays lie in the heap from byte `start` on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where the descriptors of a column can't say so.
    pub(crate) fn place_heap(&mut self, mut start: u64) -> Result<()> {
        for arrays in &mut self.arrays {
            arrays.place_in_heap(start)?;
            start = start.saturating_add(arrays.len());
        }
        Ok(())
    }

    /// Of each variable-length column that gets arrays: its name, and the length of the longest one.
    pub(crate) fn longest_arrays(&self) -> impl Iterator<Item = (&str, usize)> {
        self.arrays.iter().map(|arrays| (arrays.name, arrays.longest()))
    }

    /// Writes the bytes from `span.start` to before `span.end` of what the arrays take in the heap.
    pub(crate) fn encode_heap(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        let mut start = 0u64;
        for arrays in &self.arrays {
            let end = start.saturating_add(arrays.len());
            let (from, to) = (span.start.max(start), span.end.min(end));
            if from < to {
                let piece = output.get_mut((from - span.start) as usize..(to - span.start) as usize);
                arrays.encode(from - start..to - start, piece.unwrap_or_default())?;
            }
            start = end;
        }
        Ok(())
    }

    /// The part of a row that holds the columns.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether every byte of the span is written.
    pub(crate) fn fills(&self) -> bool {
        self.fills
    }

    /// Checks that all values can be stored, on the threads that `every` has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] with the column and the row of the first that can't.
    pub(crate) fn check_on(&self, every: &Every) -> Result<()> {
        let fit = |part: u64| {
            let start = part * CHECKED_ROWS;
            let rows = start..(start + CHECKED_ROWS).min(self.rows);
            let mut scratch = Scratch::default();
            self.columns.iter().all(|column| column.fits(rows.clone(), &mut scratch))
        };
        if every(self.rows.div_ceil(CHECKED_ROWS), &fit) {
            return self.arrays.iter().try_for_each(ArrayEncoder::check);
        }
        self.check()
    }

    /// As [`RowEncoder::check_on`], on this thread.
    pub(crate) fn check(&self) -> Result<()> {
        let mut scratch = Scratch::default();
        self.columns.iter().try_for_each(|column| column.check(self.rows, &mut scratch))?;
        self.arrays.iter().try_for_each(ArrayEncoder::check)
    }

    /// Writes some of the rows into `output`, where they lie `row_len` apart. Byte 0 of the output is byte `start` of a row.
    pub(crate) fn encode(&self, rows: Range<u64>, start: usize, output: &mut [u8]) {
        if self.row_len == 0 {
            return;
        }
        let mut scratch = Scratch::default();
        let given: usize = self.columns.iter().map(|column| column.size).sum();
        let block = (ENCODE_BYTES / (self.row_len + given).max(1)).max(1);
        let mut row = rows.start;
        for block in output.chunks_mut(block.saturating_mul(self.row_len)) {
            let end = (row + block.len().div_ceil(self.row_len) as u64).min(rows.end);
            if let Some(column) = self.records.and_then(|number| self.columns.get(number)) {
                column.bring(&(row..end));
            }
            for column in &self.columns {
                column.encode(row..end, block, self.row_len, start, &mut scratch);
            }
            for arrays in &self.arrays {
                arrays.describe(row..end, block, self.row_len, start);
            }
            row = end;
        }
    }

    /// Whether the columns are all that there is in a row.
    pub(crate) fn fills_rows(&self) -> bool {
        self.fills && self.span.len() == self.row_len
    }

    /// Writes the bytes from `span.start` to before `span.end` of all rows, one row behind the other.
    pub(crate) fn encode_bytes(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        if !self.fills_rows() {
            // What belongs to no column.
            output.fill(self.blank);
        }
        self.encode_over(span, output)
    }

    /// As [`RowEncoder::encode_bytes`]; what belongs to no column stays.
    pub(crate) fn encode_over(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        let row_len = self.row_len as u64;
        if row_len == 0 || span.is_empty() {
            return Ok(());
        }
        let mut cut = Vec::new();
        let mut at = span.start;
        let mut rest = output;
        while at < span.end && !rest.is_empty() {
            let (row, offset) = (at / row_len, (at % row_len) as usize);
            let whole = rest.len() / self.row_len;
            let taken =
                if offset == 0 && whole > 0 { whole * self.row_len } else { (self.row_len - offset).min(rest.len()) };
            let (piece, behind) = rest.split_at_mut(taken);
            if offset == 0 && whole > 0 {
                self.encode(row..row + whole as u64, 0, piece);
            } else {
                resize(&mut cut, self.row_len)?;
                if let Some(part) = cut.get_mut(offset..offset + taken) {
                    part.copy_from_slice(piece);
                }
                self.encode(row..row + 1, 0, &mut cut);
                piece.copy_from_slice(cut.get(offset..offset + taken).unwrap_or_default());
            }
            at += taken as u64;
            rest = behind;
        }
        Ok(())
    }
}

/// Which of the columns is first in memory, if the next one lies in the same records.
fn first_of_records(columns: &[CellEncoder<'_>]) -> Option<usize> {
    let mut places: Vec<_> = columns.iter().map(CellEncoder::given_place).zip(0..).collect();
    places.sort_unstable();
    let mut pairs = places.windows(2).filter_map(|pair| <[_; 2]>::try_from(pair).ok());
    let together =
        pairs.find(|[((first, stride), _), ((next, next_stride), _)]| stride == next_stride && next - first < *stride);
    together.map(|[(_, number), _]| number)
}

/// The error for a column that a table has not.
pub(crate) fn no_column(table: &TableLayout, name: &str) -> Error {
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    Error::new(ErrorKind::Key, format!("the table has no column '{name}'; there are {names:?}"))
}
