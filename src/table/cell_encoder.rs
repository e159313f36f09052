//! The cells of one column: from values in memory to the bytes of rows (FITS 4.0 §7.2.5, §7.3.3).

use std::ops::Range;

use super::column::{Cell, Column};
use super::conversion::{ComplexEncoding, Conversion};
use super::field::FieldEncoding;
use super::given::{GivenColumn, GivenType, Spread};
use super::lanes::Lanes;
use super::row_moves::Unit;
use crate::error::{Error, Result};
use crate::format::endian::swap_in_place;
use crate::format::{DataType, Encoding, Misfit, ScalingKind, to_big_endian};

/// How many rows are checked at a time.
const CHECKED_ROWS: u64 = 1024;
/// How many bytes come into the cache at a time; where it is more, some are asked for twice.
const CACHE_LINE: usize = 64;
/// The top bit of a number, in its first byte in the file.
const TOP_BIT: u8 = 0x80;
/// The bit that no ASCII character has.
const BEYOND_ASCII: u8 = 0x80;

/// What writes the values of one column.
#[derive(Debug)]
pub(super) struct CellEncoder<'a> {
    name: &'a str,
    element: GivenType,
    shape: Vec<usize>,
    /// Where the cell lies in a row.
    pub(super) place: Range<usize>,
    way: Way,
    given: Spread<'a>,
    /// The size of a cell in memory.
    pub(super) size: usize,
    swapped: bool,
    /// What fills strings up, and what stands for nothing: NUL, or a blank in ASCII tables.
    blank: u8,
    /// The text that stands for no value among strings of an ASCII table.
    null_text: Option<String>,
}

/// How the elements of a cell become bytes.
#[derive(Clone, Debug)]
enum Way {
    /// The same bytes, or in the other order; `flip`: the top bit of each is turned.
    Move {
        unit: usize,
        swap: bool,
        flip: bool,
    },
    /// Elements that are checked and converted.
    Convert(Conversion),
    Logicals,
    Bits,
    /// Strings that take `stored` bytes of the file each.
    Strings {
        stored: usize,
    },
}

/// Memory for what is converted.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    values: Vec<u8>,
    stored: Vec<u8>,
    mask: Vec<u8>,
}

impl<'a> CellEncoder<'a> {
    pub(super) fn new(
        column: &Column,
        values: &GivenColumn<'a>,
        rows: u64,
        as_stored: bool,
        blank: u8,
    ) -> Result<Self> {
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
            blank,
            null_text: column.null_text.clone().filter(|null| null.len() <= column.width),
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

    /// Where the cell of the first row lies, and how far it is from a row to the next.
    pub(super) fn given_place(&self) -> (usize, usize) {
        (self.given.bytes.as_ptr().addr().saturating_add(self.given.start), self.given.stride)
    }

    /// The memory of the records that begin with this column, from a row on, and how far it is from one to the next.
    pub(super) fn records(&self, row: u64) -> (&[u8], usize) {
        let at = self.given.start.saturating_add((row as usize).saturating_mul(self.given.stride));
        (self.given.bytes.get(at..).unwrap_or_default(), self.given.stride)
    }

    /// Where the cell lies in records that begin with `first`; `None` if it is in no such record.
    pub(super) fn place_in_record(&self, first: &Self) -> Option<usize> {
        let (own, records) = (&self.given, &first.given);
        let same = own.bytes.as_ptr_range() == records.bytes.as_ptr_range() && own.stride == records.stride;
        let place = own.start.checked_sub(records.start).filter(|_| same)?;
        place.checked_add(self.size).is_some_and(|end| end <= own.stride).then_some(place)
    }

    /// What the cell consists of, in order; `None` where it is more than bytes moved.
    pub(super) fn units(&self) -> Option<Vec<Unit>> {
        if self.given.mask.is_some() || self.size == 0 || self.place.is_empty() {
            return None;
        }
        let element = self.element.size().filter(|&size| size > 0)?;
        match (&self.way, self.element) {
            (&Way::Move { unit, swap, flip }, _) if self.size == self.place.len() => {
                let number = |at: usize| {
                    let mut bytes: Vec<_> = (at..at + unit).map(Some).collect();
                    if swap {
                        bytes.reverse();
                    }
                    Unit { bytes, flip: if flip { TOP_BIT } else { 0 }, memory: at..at + unit, forbidden: Vec::new() }
                };
                Some((0..self.size).step_by(unit).map(number).collect())
            }
            (&Way::Strings { stored }, GivenType::Bytes { width } | GivenType::Characters { width })
                if self.blank == 0 && (1..=stored).contains(&width) =>
            {
                let texts = (0..self.size).step_by(element);
                let characters = texts.flat_map(|at| (0..stored).map(move |index| (at, index)));
                Some(characters.map(|(at, index)| self.character(at, (index < width).then_some(index))).collect())
            }
            _ => None,
        }
    }

    /// A character of the text at `at` in the cell; NUL where that has none.
    fn character(&self, at: usize, index: Option<usize>) -> Unit {
        let size = self.element.unit();
        let Some(at) = index.map(|index| at + index * size) else {
            return Unit { bytes: vec![None], flip: 0, memory: at..at, forbidden: Vec::new() };
        };
        if size == 1 {
            return Unit { bytes: vec![Some(at)], flip: 0, memory: at..at + 1, forbidden: Vec::new() };
        }
        let low = self.low_byte();
        let forbidden = (0..size).map(|byte| if byte == low { BEYOND_ASCII } else { u8::MAX }).collect();
        Unit { bytes: vec![Some(at + low)], flip: 0, memory: at..at + size, forbidden }
    }

    /// Has the memory between the cells of these rows brought into the cache, from its first byte to its last.
    pub(super) fn bring(&self, rows: &Range<u64>) {
        let at = |row: u64| self.given.start.saturating_add((row as usize).saturating_mul(self.given.stride));
        let end = at(rows.end).min(self.given.bytes.len());
        let memory = self.given.bytes.get(at(rows.start)..end).unwrap_or_default();
        let looked_at = memory.iter().step_by(CACHE_LINE).fold(0, |all, byte| all ^ byte);
        std::hint::black_box(looked_at);
    }

    /// Whether some of the values are masked.
    pub(super) fn is_masked(&self) -> bool {
        self.given.mask.is_some()
    }

    /// One row where all get the same.
    fn distinct(&self, rows: u64) -> u64 {
        if self.given.stride == 0 { rows.min(1) } else { rows }
    }

    /// The error of the first value that can't be stored.
    pub(super) fn check(&self, rows: u64, scratch: &mut Scratch) -> Result<()> {
        let rows = self.distinct(rows);
        match &self.way {
            Way::Strings { stored } => (0..rows).try_for_each(|row| self.check_strings(row, *stored)),
            _ => self.first_misfit(0..rows, scratch).map_or(Ok(()), Err),
        }
    }

    /// Whether the values of these rows are certain to be such as can be stored: of those that aren't [`CellEncoder::check`] knows more.
    pub(super) fn fits(&self, rows: Range<u64>, scratch: &mut Scratch) -> bool {
        let distinct = self.distinct(rows.end);
        let rows = rows.start.min(distinct)..distinct;
        match &self.way {
            Way::Strings { stored } => self.strings_fit(rows, *stored),
            _ => self.first_misfit(rows, scratch).is_none(),
        }
    }

    fn first_misfit(&self, rows: Range<u64>, scratch: &mut Scratch) -> Option<Error> {
        let Way::Convert(conversion) = &self.way else { return None };
        let mut row = rows.start;
        while row < rows.end {
            let end = (row + CHECKED_ROWS).min(rows.end);
            self.gather(row..end, scratch);
            let mask = self.given.mask.as_ref().map(|_| scratch.mask.as_slice());
            if let Some(misfit) = conversion.first_misfit(&scratch.values, mask) {
                return Some(self.misfit(&misfit, row, conversion));
            }
            row = end;
        }
        None
    }

    /// Whether bytes are taken as they are, and none is too many.
    fn takes_any_bytes(&self, stored: usize) -> bool {
        self.blank == 0 && matches!(self.element, GivenType::Bytes { width } if width <= stored)
    }

    /// Whether all texts are ASCII, and only blanks and NULs of them have no place.
    fn strings_fit(&self, rows: Range<u64>, stored: usize) -> bool {
        let Some(size) = self.element.size().filter(|&size| size > 0) else { return true };
        if self.takes_any_bytes(stored) {
            return true;
        }
        let characters = matches!(self.element, GivenType::Characters { .. });
        let order = |point: u32| if self.swapped { point.swap_bytes() } else { point };
        let (beyond_ascii, beyond_blank) = (order(!0x7f), order(!0x20));
        let fits = |text: &[u8]| {
            if characters {
                let (kept, cut) = text.split_at(text.len().min(stored.saturating_mul(4)));
                any_bits(kept) & beyond_ascii == 0 && any_bits(cut) & beyond_blank == 0
            } else {
                let (kept, cut) = text.split_at(text.len().min(stored));
                (self.blank == 0 || kept.is_ascii()) && cut.iter().all(|byte| matches!(byte, 0 | b' '))
            }
        };
        let mut cells = rows.map(|row| self.cell(row));
        if self.size == size { cells.all(fits) } else { cells.all(|cell| cell.chunks_exact(size).all(fits)) }
    }

    /// The values of some rows, one behind the other in the machine's byte order, and their masks.
    fn gather(&self, rows: Range<u64>, scratch: &mut Scratch) {
        scratch.values.clear();
        scratch.mask.clear();
        let elements = self.shape.iter().product();
        for row in rows {
            scratch.values.extend_from_slice(self.cell(row));
            scratch.mask.extend_from_slice(self.mask(row, elements).unwrap_or_default());
        }
        if self.swapped {
            turn(self.element.unit(), &mut scratch.values);
        }
    }

    fn misfit(&self, misfit: &Misfit, first: u64, conversion: &Conversion) -> Error {
        let elements: usize = self.shape.iter().product::<usize>().max(1);
        let index = match misfit {
            Misfit::Masked(index) | Misfit::Value(index, _) => *index,
        };
        self.refuse((first + (index / elements) as u64, index % elements), &said(misfit, conversion))
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
        if self.takes_any_bytes(stored) {
            return Ok(());
        }
        for (index, text) in self.cell(row).chunks_exact(size).enumerate() {
            if self.mask(row, self.size / size).is_some_and(|mask| mask.get(index).is_some_and(|&flag| flag != 0)) {
                continue;
            }
            let (ascii, length) = match self.element {
                GivenType::Characters { .. } => self.characters(text),
                // Bytes are taken as they are, except into ASCII tables.
                _ => {
                    (self.blank == 0 || text.is_ascii(), if text.len() > stored { significant_bytes(text) } else { 0 })
                }
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

    pub(super) fn encode(
        &self,
        rows: Range<u64>,
        output: &mut [u8],
        row_len: usize,
        start: usize,
        scratch: &mut Scratch,
    ) {
        let lanes = self.lanes(&rows, output, row_len, start);
        match self.way {
            Way::Move { unit, swap, flip: false } if unit == 1 || !swap => lanes.copy(),
            Way::Move { unit, swap, flip } => lanes.numbers(unit, swap, flip, |given, place| {
                if swap {
                    return to_big_endian(unit, flip, given, place);
                }
                place.copy_from_slice(given);
                if flip {
                    place.iter_mut().step_by(unit).for_each(|top| *top ^= TOP_BIT);
                }
            }),
            Way::Convert(ref conversion) => return self.convert(rows, output, row_len, start, conversion, scratch),
            Way::Logicals => lanes.logicals(),
            Way::Bits => lanes.each(|given, place| {
                for (bits, byte) in given.chunks(8).zip(place) {
                    *byte =
                        bits.iter().enumerate().fold(0, |byte, (index, bit)| byte | u8::from(*bit != 0) << (7 - index));
                }
            }),
            Way::Strings { stored } => self.strings(lanes, stored),
        }
        self.put_nulls(rows, output, row_len, start);
    }

    /// The column's cells of some rows, and their places in rows whose byte 0 is byte `start` of a row.
    fn lanes<'o>(&self, rows: &Range<u64>, output: &'o mut [u8], row_len: usize, start: usize) -> Lanes<'_, 'o> {
        let first = self.given.start + rows.start as usize * self.given.stride;
        Lanes {
            given: self.given.bytes.get(first..).unwrap_or_default(),
            stride: self.given.stride,
            size: self.size,
            output: output.get_mut(self.place.start - start..).unwrap_or_default(),
            row_len,
            width: self.place.len(),
            rows: rows.clone().count(),
        }
    }

    fn strings(&self, mut lanes: Lanes<'_, '_>, stored: usize) {
        let size = self.element.size().unwrap_or(0);
        if size == 0 || stored == 0 {
            return lanes.each(|_, place| place.fill(self.blank));
        }
        match self.element {
            GivenType::Bytes { width } if width == stored => lanes.reborrow().copy(),
            // All of them are ASCII.
            GivenType::Characters { .. } => lanes.reborrow().characters(size, stored, self.low_byte()),
            _ => lanes.reborrow().each(|given, place| {
                for (text, place) in given.chunks_exact(size).zip(place.chunks_exact_mut(stored)) {
                    let (filled, rest) = place.split_at_mut(size.min(stored));
                    filled.copy_from_slice(text.get(..filled.len()).unwrap_or_default());
                    rest.fill(0);
                }
            }),
        }
        if self.blank != 0 {
            lanes.each(|_, place| {
                place.iter_mut().for_each(|byte| *byte = if *byte == 0 { self.blank } else { *byte });
            });
        }
    }

    /// In which of its four bytes an ASCII character is.
    fn low_byte(&self) -> usize {
        if cfg!(target_endian = "little") != self.swapped { 0 } else { 3 }
    }

    fn convert(
        &self,
        rows: Range<u64>,
        output: &mut [u8],
        row_len: usize,
        start: usize,
        conversion: &Conversion,
        scratch: &mut Scratch,
    ) {
        self.gather(rows.clone(), scratch);
        scratch.stored.clear();
        scratch.stored.resize(rows.clone().count() * self.place.len(), 0);
        let mask = self.given.mask.as_ref().map(|_| scratch.mask.as_slice());
        conversion.encode(&scratch.values, mask, &mut scratch.stored);
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
            _ => {
                let mut null = vec![self.blank; self.place.len().checked_div(elements).unwrap_or(0)];
                null.iter_mut()
                    .zip(self.null_text.iter().flat_map(|text| text.bytes()))
                    .for_each(|(to, from)| *to = from);
                null
            }
        };
        let place = self.place.start - start..self.place.end - start;
        for (row, output) in rows.zip(output.chunks_mut(row_len)) {
            let (Some(cell), Some(mask)) = (output.get_mut(place.clone()), self.mask(row, elements)) else { continue };
            let places = cell.chunks_exact_mut(null.len().max(1)).zip(mask);
            places.filter(|(_, flag)| **flag != 0).for_each(|(place, _)| place.copy_from_slice(&null));
        }
    }
}

/// The bits that any of the characters has.
fn any_bits(text: &[u8]) -> u32 {
    text.as_chunks::<4>().0.iter().fold(0, |all, point| all | u32::from_ne_bytes(*point))
}

/// How many bytes of a string count: those before trailing blanks and NULs.
fn significant_bytes(text: &[u8]) -> usize {
    text.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1)
}

/// Turns the bytes of numbers of `unit` bytes that are in the other order than the machine's.
pub(super) fn turn(unit: usize, values: &mut [u8]) {
    // Where the machine is little-endian what is swapped is big-endian; turning it is its own inverse.
    if unit > 1 && cfg!(target_endian = "little") {
        swap_in_place(unit, false, values);
    } else if unit > 1 {
        values.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
}

/// What is said about a value that can't be stored.
pub(super) fn said(misfit: &Misfit, conversion: &Conversion) -> String {
    match misfit {
        Misfit::Masked(_) => {
            "is masked, and the column has no TNULL that could stand for it: fill it with a value, or write the table anew from the masked \
             array; nothing was written"
                .to_owned()
        }
        Misfit::Value(_, value) => {
            let not = match (value.as_str(), conversion) {
                ("NaN" | "inf" | "-inf", Conversion::Field(_)) => " (text has no such number: mask the value)",
                ("NaN", _) => " (a column of integers has no NaN: mask the value)",
                _ => "",
            };
            format!("the value {value} does not fit {}{not}; nothing was written", conversion.described())
        }
    }
}

/// The error for values of a type that a column does not take.
pub(super) fn wrong_type(values: &GivenColumn<'_>, cell: Cell) -> Error {
    let wanted = match cell {
        Cell::Logical | Cell::Bits => "bool",
        Cell::Complex(_) => "complex numbers",
        Cell::Text { .. } => "strings",
        _ => "numbers",
    };
    values.refuse(&format!("are {}, the column holds {wanted}; nothing was written", values.element.code()))
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
                    Self::Convert(Conversion::Number(Encoding::new(data_type, scaling)))
                }
            }
            (Cell::Complex(scaling), GivenType::Complex(part)) => {
                let scaling = if as_stored { scaling.unscaled() } else { scaling };
                if scaling.in_place() && scaling.stored == part {
                    Self::Move { unit, swap, flip: false }
                } else {
                    Self::Convert(Conversion::Complex(ComplexEncoding::new(part, scaling)))
                }
            }
            (Cell::Decimal(decimal), GivenType::Number(data_type)) => {
                let null = column.null_text.as_deref();
                let encoding = FieldEncoding::new(decimal, column.width, null, data_type, as_stored);
                Self::Convert(Conversion::Field(encoding))
            }
            (Cell::Text { width }, GivenType::Bytes { .. } | GivenType::Characters { .. }) => {
                Self::Strings { stored: width }
            }
            (cell, _) => return Err(wrong_type(values, cell)),
        })
    }
}
