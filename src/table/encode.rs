//! The cells of rows: from values in memory to the bytes of the table (FITS 4.0 §7.3.3), block of rows after block of rows.
//!
//! A [`RowEncoder`] is made from the columns of a table and the values that some of them are given. [`RowEncoder::check`] looks at every value
//! that may not fit; what [`RowEncoder::encode`] writes after that can't fail.

use std::ops::Range;

use super::column::{Cell, Column, TableLayout};
use super::given::{GivenColumn, GivenType, Spread};
use crate::error::{Error, ErrorKind, Result};
use crate::format::endian::swap_in_place;
use crate::format::{DataType, Encoding, Misfit, ScalingKind, to_big_endian};
use crate::source::resize;

/// How many bytes, of values and of rows, are encoded column by column: they stay in the processor's first cache.
const ENCODE_BYTES: usize = 24 << 10;
/// How many rows are checked at a time.
const CHECKED_ROWS: u64 = 1024;

/// What writes values into rows.
#[derive(Debug)]
pub(crate) struct RowEncoder<'a> {
    columns: Vec<CellEncoder<'a>>,
    rows: u64,
    row_len: usize,
    /// The part of a row that holds the columns.
    span: Range<usize>,
    /// Whether the columns fill the span.
    fills: bool,
}

/// What writes the values of one column.
#[derive(Debug)]
struct CellEncoder<'a> {
    name: &'a str,
    element: GivenType,
    shape: Vec<usize>,
    /// Where the cell lies in a row.
    place: Range<usize>,
    way: Way,
    given: Spread<'a>,
    /// The size of a cell in memory.
    size: usize,
    swapped: bool,
}

/// How the elements of a cell become bytes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The same bytes, or in the other order; `flip`: the top bit of each is turned.
    Move {
        unit: usize,
        swap: bool,
        flip: bool,
    },
    /// Numbers that are checked and converted.
    Convert(Encoding),
    Logicals,
    Bits,
    /// Strings that take `stored` bytes of the file each.
    Strings {
        stored: usize,
    },
}

/// Memory for what is converted.
#[derive(Debug, Default)]
struct Scratch {
    values: Vec<u8>,
    stored: Vec<u8>,
    mask: Vec<u8>,
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
        for values in given {
            let number = table.find(values.name).ok_or_else(|| no_column(table, values.name))?;
            let free = taken.get_mut(number).filter(|taken| !**taken).ok_or_else(|| values.refuse("come twice"))?;
            *free = true;
            let column = table.columns.get(number).ok_or_else(|| no_column(table, values.name))?;
            columns.push(CellEncoder::new(column, values, rows, as_stored)?);
        }
        columns.sort_by_key(|column| column.place.start);
        let start = columns.first().map_or(0, |column| column.place.start);
        let end = columns.iter().map(|column| column.place.end).max().unwrap_or(start);
        let filled: usize = columns.iter().map(|column| column.place.len()).sum();
        Ok(Self { columns, rows, row_len: table.row_len, span: start..end, fills: filled == end - start })
    }

    /// The part of a row that holds the columns.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether every byte of the span is written.
    pub(crate) fn fills(&self) -> bool {
        self.fills
    }

    /// Checks that all values can be stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] with the column and the row of the first that can't.
    pub(crate) fn check(&self) -> Result<()> {
        let mut scratch = Scratch::default();
        self.columns.iter().try_for_each(|column| column.check(self.rows, &mut scratch))
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
            for column in &self.columns {
                column.encode(row..end, block, self.row_len, start, &mut scratch);
            }
            row = end;
        }
    }

    /// Writes the bytes from `span.start` to before `span.end` of all rows, one row behind the other.
    pub(crate) fn encode_bytes(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        let row_len = self.row_len as u64;
        if row_len == 0 || span.is_empty() {
            return Ok(());
        }
        if !self.fills || self.span.len() < self.row_len {
            // What belongs to no column.
            output.fill(0);
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
                self.encode(row..row + 1, 0, &mut cut);
                piece.copy_from_slice(cut.get(offset..offset + taken).unwrap_or_default());
            }
            at += taken as u64;
            rest = behind;
        }
        Ok(())
    }
}

/// The error for a column that a table has not.
pub(crate) fn no_column(table: &TableLayout, name: &str) -> Error {
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    Error::new(ErrorKind::Key, format!("the table has no column '{name}'; there are {names:?}"))
}

impl<'a> CellEncoder<'a> {
    fn new(column: &Column, values: &GivenColumn<'a>, rows: u64, as_stored: bool) -> Result<Self> {
        if let Some(error) = column.unscalable.as_ref().filter(|_| !as_stored) {
            return Err(error.clone().in_item(|| format!("column '{}'", column.name)));
        }
        let way = Way::new(column, values, as_stored)?;
        let given = values.spread(rows, &column.shape)?;
        let size = values.element.size().and_then(|size| size.checked_mul(column.elements()));
        Ok(Self {
            name: values.name,
            element: values.element,
            shape: column.shape.clone(),
            place: column.offset..column.offset + column.width,
            way,
            given,
            size: size.ok_or_else(|| values.refuse("are larger than memory"))?,
            swapped: values.swapped,
        })
    }

    /// The cell of a row as it is given.
    fn cell(&self, row: u64) -> &[u8] {
        let at = self.given.start + row as usize * self.given.stride;
        self.given.bytes.get(at..at + self.size).unwrap_or_default()
    }

    /// What says for each element of a row whether it is masked.
    fn mask(&self, row: u64, elements: usize) -> Option<&[u8]> {
        let at = row as usize * self.given.mask_stride;
        self.given.mask.as_ref()?.get(at..at + elements)
    }

    /// One row where all get the same.
    fn distinct(&self, rows: u64) -> u64 {
        if self.given.stride == 0 { rows.min(1) } else { rows }
    }

    fn check(&self, rows: u64, scratch: &mut Scratch) -> Result<()> {
        let rows = self.distinct(rows);
        match self.way {
            Way::Move { .. } | Way::Logicals | Way::Bits => Ok(()),
            Way::Strings { stored } => (0..rows).try_for_each(|row| self.check_strings(row, stored)),
            Way::Convert(encoding) => {
                let mut row = 0;
                while row < rows {
                    let end = (row + CHECKED_ROWS).min(rows);
                    self.gather(row..end, encoding.given().size(), scratch);
                    let mask = self.given.mask.as_ref().map(|_| scratch.mask.as_slice());
                    if let Some(misfit) = encoding.first_misfit(&scratch.values, mask) {
                        return Err(self.misfit(&misfit, row, &encoding));
                    }
                    row = end;
                }
                Ok(())
            }
        }
    }

    /// The values of some rows, one behind the other in the machine's byte order, and their masks.
    fn gather(&self, rows: Range<u64>, unit: usize, scratch: &mut Scratch) {
        scratch.values.clear();
        scratch.mask.clear();
        for row in rows {
            scratch.values.extend_from_slice(self.cell(row));
            scratch.mask.extend_from_slice(self.mask(row, self.size / unit).unwrap_or_default());
        }
        if self.swapped && unit > 1 {
            // Where the machine is little-endian what is swapped is big-endian; turning it is its own inverse.
            if cfg!(target_endian = "little") {
                swap_in_place(unit, false, &mut scratch.values);
            } else {
                scratch.values.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
            }
        }
    }

    fn misfit(&self, misfit: &Misfit, first: u64, encoding: &Encoding) -> Error {
        let elements = self.size / encoding.given().size().max(1);
        let place = |index: usize| (first + (index / elements.max(1)) as u64, index % elements.max(1));
        match misfit {
            Misfit::Masked(index) => {
                let message = "is masked, and the column has no TNULL that could stand for it: fill it with a value, or write the \
                               table anew from the masked array; nothing was written";
                self.refuse(place(*index), message)
            }
            Misfit::Value(index, value) => {
                let not = if value == "NaN" { " (a column of integers has no NaN: mask the value)" } else { "" };
                let message = format!(
                    "the value {value} does not fit {}{not}; nothing was written",
                    encoding.described("TSCAL", "TZERO")
                );
                self.refuse(place(*index), &message)
            }
        }
    }

    fn refuse(&self, (row, element): (u64, usize), message: &str) -> Error {
        let index = if self.shape.is_empty() {
            String::new()
        } else {
            format!(", element {:?}", crate::image::element_position(element, &self.shape))
        };
        Error::argument(message).in_item(|| format!("column '{}', row {row}{index}", self.name))
    }

    fn check_strings(&self, row: u64, stored: usize) -> Result<()> {
        let Some(size) = self.element.size().filter(|&size| size > 0) else { return Ok(()) };
        for (index, text) in self.cell(row).chunks_exact(size).enumerate() {
            if self.mask(row, self.size / size).is_some_and(|mask| mask.get(index).is_some_and(|&flag| flag != 0)) {
                continue;
            }
            let (ascii, length) = match self.element {
                GivenType::Characters { .. } => self.characters(text),
                _ => (text.is_ascii(), if text.len() > stored { significant_bytes(text) } else { 0 }),
            };
            if !ascii {
                let message = format!(
                    "the text '{}' is not ASCII, which is all that FITS has: transliterate it",
                    self.shown(text)
                );
                return Err(self.refuse((row, index), &message));
            }
            if length > stored {
                let message = format!(
                    "the text '{}' has {length} characters, the column takes {stored}: write it into a column made for longer strings \
                     (insert_column), or cut it; nothing was written",
                    self.shown(text)
                );
                return Err(self.refuse((row, index), &message));
            }
        }
        Ok(())
    }

    /// Whether all characters are ASCII, and how many there are without trailing blanks and NULs.
    fn characters(&self, text: &[u8]) -> (bool, usize) {
        let points = text.as_chunks::<4>().0;
        let all = points.iter().fold(0, |all, point| all | self.point(*point));
        let significant = points.iter().rposition(|point| !matches!(self.point(*point), 0 | 0x20));
        (all < 0x80, significant.map_or(0, |last| last + 1))
    }

    fn point(&self, bytes: [u8; 4]) -> u32 {
        let point = u32::from_ne_bytes(bytes);
        if self.swapped { point.swap_bytes() } else { point }
    }

    fn shown(&self, text: &[u8]) -> String {
        let shown: String = match self.element {
            GivenType::Characters { .. } => {
                let points = text.as_chunks::<4>().0.iter().map(|point| self.point(*point));
                points.map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
            _ => text.escape_ascii().to_string(),
        };
        shown.trim_end_matches(['\0', ' ']).to_owned()
    }

    fn encode(&self, rows: Range<u64>, output: &mut [u8], row_len: usize, start: usize, scratch: &mut Scratch) {
        match self.way {
            Way::Move { unit: 1, swap: _, flip: false } => self.each(rows.clone(), output, row_len, start, copy),
            Way::Move { unit, swap: false, flip } => self.each(rows.clone(), output, row_len, start, |given, place| {
                copy(given, place);
                if flip {
                    place.iter_mut().step_by(unit).for_each(|top| *top ^= 0x80);
                }
            }),
            Way::Move { unit, swap: true, flip } => match (unit, self.size) {
                (2, 2) => self.each(rows.clone(), output, row_len, start, single::<2>(flip)),
                (4, 4) => self.each(rows.clone(), output, row_len, start, single::<4>(flip)),
                (8, 8) => self.each(rows.clone(), output, row_len, start, single::<8>(flip)),
                _ => self
                    .each(rows.clone(), output, row_len, start, |given, place| to_big_endian(unit, flip, given, place)),
            },
            Way::Convert(encoding) => return self.convert(rows, output, row_len, start, &encoding, scratch),
            Way::Logicals if self.size == 1 => self.each(rows.clone(), output, row_len, start, |given, place| {
                if let (Some(given), Some(place)) = (given.first(), place.first_mut()) {
                    *place = if *given != 0 { b'T' } else { b'F' };
                }
            }),
            Way::Logicals => self.each(rows.clone(), output, row_len, start, |given, place| {
                given.iter().zip(place).for_each(|(given, place)| *place = if *given != 0 { b'T' } else { b'F' });
            }),
            Way::Bits => self.each(rows.clone(), output, row_len, start, |given, place| {
                for (bits, byte) in given.chunks(8).zip(place) {
                    *byte =
                        bits.iter().enumerate().fold(0, |byte, (index, bit)| byte | u8::from(*bit != 0) << (7 - index));
                }
            }),
            Way::Strings { stored } => self.strings(rows.clone(), output, row_len, start, stored),
        }
        self.put_nulls(rows, output, row_len, start);
    }

    fn strings(&self, rows: Range<u64>, output: &mut [u8], row_len: usize, start: usize, stored: usize) {
        let size = self.element.size().unwrap_or(0);
        if size == 0 || stored == 0 {
            return self.each(rows, output, row_len, start, |_, place| place.fill(0));
        }
        if self.element == (GivenType::Bytes { width: stored }) {
            return self.each(rows, output, row_len, start, copy);
        }
        let characters = matches!(self.element, GivenType::Characters { .. });
        // The byte of a character that is not 0, as all are ASCII.
        let low = if cfg!(target_endian = "little") != self.swapped { 0 } else { 3 };
        self.each(rows, output, row_len, start, |given, place| {
            for (text, place) in given.chunks_exact(size).zip(place.chunks_exact_mut(stored)) {
                let length = if characters { size / 4 } else { size }.min(stored);
                let (filled, rest) = place.split_at_mut(length);
                if characters {
                    for (point, byte) in text.as_chunks::<4>().0.iter().zip(filled) {
                        *byte = point.get(low).copied().unwrap_or(0);
                    }
                } else {
                    copy(text.get(..length).unwrap_or_default(), filled);
                }
                rest.fill(0);
            }
        });
    }

    fn convert(
        &self,
        rows: Range<u64>,
        output: &mut [u8],
        row_len: usize,
        start: usize,
        encoding: &Encoding,
        scratch: &mut Scratch,
    ) {
        self.gather(rows.clone(), encoding.given().size(), scratch);
        scratch.stored.clear();
        scratch.stored.resize(rows.clone().count() * self.place.len(), 0);
        let mask = self.given.mask.as_ref().map(|_| scratch.mask.as_slice());
        encoding.encode(&scratch.values, mask, &mut scratch.stored);
        let place = self.place.start - start..self.place.end - start;
        if place.is_empty() {
            return;
        }
        for (stored, row) in scratch.stored.chunks_exact(self.place.len()).zip(output.chunks_mut(row_len)) {
            if let Some(place) = row.get_mut(place.clone()) {
                place.copy_from_slice(stored);
            }
        }
    }

    /// Overwrites what is masked: numbers, whose nulls their encoding knows, were written already.
    fn put_nulls(&self, rows: Range<u64>, output: &mut [u8], row_len: usize, start: usize) {
        if self.given.mask.is_none() {
            return;
        }
        let elements: usize = self.shape.iter().product();
        let null = match self.element {
            GivenType::Complex(DataType::F32) => [f32::NAN.to_be_bytes(); 2].concat(),
            GivenType::Complex(_) => [f64::NAN.to_be_bytes(); 2].concat(),
            _ => vec![0; self.place.len().checked_div(elements).unwrap_or(0)],
        };
        let place = self.place.start - start..self.place.end - start;
        for (row, output) in rows.zip(output.chunks_mut(row_len)) {
            let (Some(cell), Some(mask)) = (output.get_mut(place.clone()), self.mask(row, elements)) else { continue };
            let places = cell.chunks_exact_mut(null.len().max(1)).zip(mask);
            places.filter(|(_, flag)| **flag != 0).for_each(|(place, _)| place.copy_from_slice(&null));
        }
    }

    #[inline(always)]
    fn each(
        &self,
        rows: Range<u64>,
        output: &mut [u8],
        row_len: usize,
        start: usize,
        mut encode: impl FnMut(&[u8], &mut [u8]),
    ) {
        let place = self.place.start - start..self.place.end - start;
        let mut from = self.given.start + rows.start as usize * self.given.stride;
        for (_, row) in rows.zip(output.chunks_mut(row_len)) {
            let given = self.given.bytes.get(from..from + self.size);
            if let (Some(given), Some(place)) = (given, row.get_mut(place.clone())) {
                encode(given, place);
            }
            from += self.given.stride;
        }
    }
}

#[inline(always)]
fn copy(given: &[u8], place: &mut [u8]) {
    if given.len() == place.len() {
        place.copy_from_slice(given);
    }
}

/// Turns the bytes of a single number around.
#[inline(always)]
fn single<const N: usize>(flip: bool) -> impl Fn(&[u8], &mut [u8]) {
    let top = if flip { 0x80 } else { 0 };
    move |given, place| {
        if let (Some(given), Some(place)) = (given.first_chunk::<N>(), place.first_chunk_mut::<N>()) {
            *place = *given;
            if cfg!(target_endian = "little") {
                place.reverse();
            }
            place[0] ^= top;
        }
    }
}

/// How many bytes of a string count: those before trailing blanks and NULs.
fn significant_bytes(text: &[u8]) -> usize {
    text.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1)
}

impl Way {
    fn new(column: &Column, values: &GivenColumn<'_>, as_stored: bool) -> Result<Self> {
        let masked = values.mask.is_some();
        let unit = values.element.unit();
        // Bytes in the machine's order turn where that is not the file's.
        let swap = cfg!(target_endian = "little") != values.swapped;
        Ok(match (column.cell, values.element) {
            (Cell::Logical, GivenType::Logical) => Self::Logicals,
            (Cell::Bits, GivenType::Logical) if masked => {
                return Err(values.refuse("are masked, and bits have no null: fill them"));
            }
            (Cell::Bits, GivenType::Logical) => Self::Bits,
            (Cell::Number(scaling), GivenType::Number(data_type)) => {
                let scaling = if as_stored { scaling.unscaled() } else { scaling };
                if data_type == scaling.data_type() && scaling.in_place() && !masked {
                    Self::Move { unit, swap, flip: scaling.kind == ScalingKind::Flip }
                } else {
                    Self::Convert(Encoding::new(data_type, scaling))
                }
            }
            (Cell::Complex(scaling), GivenType::Complex(_)) if !as_stored && !scaling.in_place() => {
                let error = Error::unsupported("complex columns with TSCAL or TZERO can't be written yet");
                return Err(error.in_item(|| format!("column '{}'", column.name)));
            }
            (Cell::Complex(scaling), GivenType::Complex(data_type)) if scaling.stored == data_type => {
                Self::Move { unit, swap, flip: false }
            }
            // The parts of narrower complex numbers are numbers that fit.
            (Cell::Complex(scaling), GivenType::Complex(DataType::F32))
                if !masked && scaling.stored == DataType::F64 =>
            {
                Self::Convert(Encoding::new(DataType::F32, scaling.unscaled()))
            }
            (Cell::Text { width }, GivenType::Bytes { .. } | GivenType::Characters { .. }) => {
                Self::Strings { stored: width }
            }
            (Cell::Variable, _) => {
                let error = Error::unsupported("variable-length columns can't be written yet");
                return Err(error.in_item(|| format!("column '{}'", column.name)));
            }
            (cell, element) => {
                let wanted = match cell {
                    Cell::Logical | Cell::Bits => "bool",
                    Cell::Complex(_) => "complex numbers",
                    Cell::Text { .. } => "strings",
                    _ => "numbers",
                };
                return Err(
                    values.refuse(&format!("are {}, the column holds {wanted}; nothing was written", element.code()))
                );
            }
        })
    }
}
