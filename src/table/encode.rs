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
use super::row_moves::{Moved, RowMoves};
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
    /// Where the values are records and become whole rows.
    moves: Option<RowMoves>,
    /// Whether values are checked while they are encoded.
    checks_late: bool,
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
        let fills_rows = fills && end - start == row_len;
        let moves = records.filter(|_| fills_rows).and_then(|first| RowMoves::new(&columns, first));
        let checks_late = false;
        Ok(Self { columns, arrays, rows, row_len, blank, span: start..end, fills, records, moves, checks_late })
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

    /// Has the values checked while they are encoded: they then come out of memory once and not twice. Whoever carries that out takes
    /// back what was written of a table that is refused.
    ///
    /// # Errors
    ///
    /// As [`RowEncoder::check_on`] for what has to be looked at before.
    pub(crate) fn check_late(&mut self, every: &Every) -> Result<()> {
        if self.columns.iter().any(CellEncoder::is_masked) {
            // What is behind a mask may be anything, which only the check of each value knows.
            return self.check_on(every);
        }
        self.checks_late = true;
        self.arrays.iter().try_for_each(ArrayEncoder::check)
    }

    /// As [`RowEncoder::check_on`], on this thread.
    pub(crate) fn check(&self) -> Result<()> {
        let mut scratch = Scratch::default();
        self.columns.iter().try_for_each(|column| column.check(self.rows, &mut scratch))?;
        self.arrays.iter().try_for_each(ArrayEncoder::check)
    }

    /// Writes some of the rows into `output`, where they lie `row_len` apart. Byte 0 of the output is byte `start` of a row.
    pub(crate) fn encode(&self, rows: Range<u64>, start: usize, output: &mut [u8]) {
        self.encode_rows(rows, start, output, false);
    }

    /// As [`RowEncoder::encode`]; with `checks` whether all of these values are certain to be such as can be stored.
    fn encode_rows(&self, rows: Range<u64>, start: usize, output: &mut [u8], checks: bool) -> bool {
        if self.row_len == 0 {
            return true;
        }
        let mut scratch = Scratch::default();
        let given: usize = self.columns.iter().map(|column| column.size).sum();
        let block_rows = (ENCODE_BYTES / (self.row_len + given).max(1)).max(1);
        let mut fit = true;
        let (mut row, mut rest) = (rows.start, output);
        while row < rows.end && !rest.is_empty() {
            let block_len = block_rows.saturating_mul(self.row_len).min(rest.len());
            let end = (row + block_len.div_ceil(self.row_len) as u64).min(rows.end);
            let moved = self.move_cells(row..end, rows.end, start, rest);
            fit &= moved.fits;
            let (block, behind) = rest.split_at_mut(block_len);
            for (number, column) in self.columns.iter().enumerate() {
                let is_moved = self.moves.as_ref().is_some_and(|moves| moves.moves(number));
                let done = if is_moved { moved.rows } else { 0 };
                let rows = row + done as u64..end;
                let Some(block) = block.get_mut(done * self.row_len..).filter(|_| !rows.is_empty()) else { continue };
                fit = fit && (!checks || column.fits(rows.clone(), &mut scratch));
                column.encode(rows, block, self.row_len, start, &mut scratch);
            }
            for arrays in &self.arrays {
                arrays.describe(row..end, block, self.row_len, start);
            }
            (row, rest) = (end, behind);
        }
        fit
    }

    /// Moves cells of a block of rows that are bytes in another order; `last` is the end of all rows. Has the block's memory brought into the cache in any case.
    fn move_cells(&self, block: Range<u64>, last: u64, start: usize, output: &mut [u8]) -> Moved {
        if let Some(moves) = self.moves.as_ref().filter(|_| start == 0) {
            // What is moved past the block is overwritten by the rows behind it.
            let len = usize::try_from(last - block.start).unwrap_or(usize::MAX).saturating_mul(self.row_len);
            let output = output.get_mut(..len.min(output.len())).unwrap_or_default();
            return moves.run(&self.columns, block, output, self.row_len);
        }
        if let Some(column) = self.records.and_then(|number| self.columns.get(number)) {
            column.bring(&block);
        }
        Moved { rows: 0, fits: true }
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
                self.encode_checked(row..row + whole as u64, piece)?;
            } else {
                resize(&mut cut, self.row_len)?;
                if let Some(part) = cut.get_mut(offset..offset + taken) {
                    part.copy_from_slice(piece);
                }
                self.encode_checked(row..row + 1, &mut cut)?;
                piece.copy_from_slice(cut.get(offset..offset + taken).unwrap_or_default());
            }
            at += taken as u64;
            rest = behind;
        }
        Ok(())
    }

    /// Writes whole rows, whose values are checked where they were not before.
    fn encode_checked(&self, rows: Range<u64>, output: &mut [u8]) -> Result<()> {
        // The error is that of the first value that does not fit, wherever this one is.
        if self.encode_rows(rows, 0, output, self.checks_late) || !self.checks_late { Ok(()) } else { self.check() }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::{HduLayout, Header};
    use crate::table::{Declared, GivenType, NewColumn, NewTable};

    const CODES: [&str; 12] = ["?", "u1", "i1", "i2", "u2", "u4", "f8", "c8", "S3", "S20", "U5", "U1"];

    /// The rows of a table with these columns, in records of its own, and what the values are written by.
    fn with_encoder<T>(
        columns: &[(usize, usize, bool)],
        rows: usize,
        fill: impl Fn(usize) -> u8,
        visit: impl FnOnce(&TableLayout, &[GivenColumn<'_>]) -> T,
    ) -> T {
        let names: Vec<String> = (0..columns.len()).map(|number| format!("c{number}")).collect();
        let mut fields = Vec::new();
        let mut stride = 0;
        for &(code, count, swapped) in columns {
            let element = GivenType::from_code(CODES[code]).unwrap().0;
            fields.push((element, [rows, count], stride, swapped));
            stride += element.size().unwrap() * count;
        }
        let mut bytes: Vec<u8> = (0..rows * stride).map(&fill).collect();
        for (element, [_, count], start, swapped) in &fields {
            // Characters are ASCII, but for a few.
            let GivenType::Characters { width } = element else { continue };
            for row in 0..rows {
                for at in 0..count * width {
                    let place = row * stride + start + 4 * at;
                    let character = u32::from(fill(place)) & if fill(place + 1) == 0 { 0xff } else { 0x7f };
                    let character = if *swapped { character.swap_bytes() } else { character };
                    bytes[place..place + 4].copy_from_slice(&character.to_ne_bytes());
                }
            }
        }
        let given: Vec<GivenColumn<'_>> = names
            .iter()
            .zip(&fields)
            .map(|(name, (element, shape, start, swapped))| GivenColumn {
                name,
                element: *element,
                shape,
                bytes: &bytes,
                start: *start,
                stride,
                swapped: *swapped,
                mask: None,
                offsets: None,
                array_shape: &[],
                strings: false,
            })
            .collect();
        let new = given.iter().map(|values| NewColumn::of(values, Declared::default()).unwrap()).collect();
        let table = NewTable {
            columns: new,
            rows: rows as u64,
            values: None,
            name: None,
            version: None,
            ascii: false,
            heap_format: None,
            cards: None,
            every: &|count, test| (0..count).all(test),
            can_be_taken_back: false,
        };
        let header = Header::parse(&table.hdu().unwrap().header);
        let layout = TableLayout::of_header(&header, &HduLayout::new(&header, 0).unwrap()).unwrap();
        visit(&layout, &given)
    }

    proptest! {
        #[test]
        fn cells_that_move_together_are_those_that_are_encoded_one_by_one(
            columns in prop::collection::vec((0..CODES.len(), 1usize..4, any::<bool>()), 1..9),
            rows in 0usize..300,
            cut in 0usize..500,
            salt in any::<u64>(),
        ) {
            let fill = |at: usize| ((at as u64 ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 45) as u8;
            with_encoder(&columns, rows, fill, |layout, given| {
                let mut encoder = RowEncoder::new(layout, given, rows as u64, false).unwrap();
                let len = encoder.rows_len();
                let span = (cut as u64).min(len)..len.saturating_sub(cut as u64 / 3).max((cut as u64).min(len));
                let mut moved = vec![0xA5; (span.end - span.start) as usize];
                let mut single = moved.clone();
                encoder.checks_late = true;
                let found = encoder.encode_bytes(0..len, &mut vec![0xA5; len as usize]).err();
                let expected = encoder.check().err();
                assert_eq!(found.map(|error| error.to_string()), expected.map(|error| error.to_string()));
                encoder.checks_late = false;
                encoder.encode_bytes(span.clone(), &mut moved).unwrap();
                encoder.moves = None;
                encoder.encode_bytes(span, &mut single).unwrap();
                assert_eq!(moved, single);
            });
        }
    }
}
