//! Arrays of variable length as they are written: descriptors for the rows, and bytes for the heap (FITS 4.0 §7.3.5).
//!
//! The arrays of a column lie one behind the other, in the order of the rows. [`ArrayEncoder::check`] looks at every value that may not fit.

use std::borrow::Cow;
use std::ops::Range;

use super::cell_encoder::{said, turn, wrong_type};
use super::column::{Cell, Column};
use super::conversion::{ComplexEncoding, Conversion};
use super::given::{GivenColumn, GivenType};
use crate::error::{Error, Result};
use crate::format::{Encoding, Misfit};
use crate::source::{reserve, resize};

/// The largest number in a descriptor of 32 bits.
const MOST_P: u64 = i32::MAX as u64;

/// What writes the arrays of one column.
#[derive(Debug)]
pub(super) struct ArrayEncoder<'a> {
    pub(super) name: &'a str,
    /// Where the descriptor lies in a row.
    pub(super) place: Range<usize>,
    /// Whether descriptors are of 64 bits.
    wide: bool,
    way: Way,
    element: GivenType,
    /// The elements, one behind the other, in the machine's byte order.
    values: Cow<'a, [u8]>,
    mask: Option<Cow<'a, [u8]>>,
    /// Where the elements of each row begin, and how many there are; of a single row where all get the same.
    offsets: Cow<'a, [usize]>,
    /// Where the bytes of each row begin, where those of the elements don't say so.
    starts: Option<Vec<u64>>,
    rows: u64,
    heap_start: u64,
}

/// How elements become bytes of the heap.
#[derive(Debug)]
enum Way {
    Convert(Conversion),
    Logicals,
    /// Eight to a byte, each array from a byte of its own on.
    Bits,
    Text,
}

impl<'a> ArrayEncoder<'a> {
    /// For `rows` rows of the table. `as_stored`: numbers are stored ones.
    pub(super) fn new(column: &Column, values: &GivenColumn<'a>, rows: u64, as_stored: bool) -> Result<Self> {
        let variable = column.variable.as_ref().ok_or_else(|| values.refuse("are for no variable-length column"))?;
        if let Some(error) = column.unscalable.as_ref().filter(|_| !as_stored) {
            return Err(error.clone().in_item(|| format!("column '{}'", column.name)));
        }
        let elements = Elements::new(values, rows)?;
        let way = Way::new(variable.cell, values, as_stored, elements.count())?;
        let mut encoder = Self {
            name: values.name,
            place: column.offset..column.offset + column.width,
            wide: variable.wide,
            way,
            element: values.element.single(),
            values: elements.values,
            mask: elements.mask,
            offsets: elements.offsets,
            starts: None,
            rows,
            heap_start: 0,
        };
        if matches!(encoder.way, Way::Bits) {
            if encoder.mask.is_some() {
                return Err(values.refuse("are masked, and bits have no null: fill them"));
            }
            let mut starts = Vec::new();
            reserve(&mut starts, encoder.offsets.len())?;
            let mut at = 0;
            starts.push(at);
            starts.extend(encoder.offsets.windows(2).map(|ends| {
                at += ends.last().zip(ends.first()).map_or(0, |(end, start)| (end - start).div_ceil(8)) as u64;
                at
            }));
            encoder.starts = Some(starts);
        }
        Ok(encoder)
    }

    /// Whether all rows get the same array.
    fn repeated(&self) -> bool {
        self.rows != 1 && self.offsets.len() == 2
    }

    fn row_index(&self, row: u64) -> usize {
        if self.repeated() { 0 } else { row as usize }
    }

    /// How many elements a row gets.
    fn elements(&self, row: u64) -> usize {
        let row = self.row_index(row);
        match self.offsets.get(row..row + 2) {
            Some([start, end]) => end - start,
            _ => 0,
        }
    }

    /// How many bytes an element takes in the heap; of bits all start at a byte.
    fn stored_size(&self) -> u64 {
        match &self.way {
            Way::Convert(conversion) => conversion.stored_size() as u64,
            _ => 1,
        }
    }

    /// Where the array of a row begins among the bytes of the column.
    fn start(&self, row: u64) -> u64 {
        if self.repeated() {
            return row.saturating_mul(self.single_len());
        }
        let row = row as usize;
        match &self.starts {
            Some(starts) => starts.get(row).copied().unwrap_or(0),
            None => (self.offsets.get(row).copied().unwrap_or(0) as u64).saturating_mul(self.stored_size()),
        }
    }

    /// How many bytes the arrays take that are held: of one row where all get the same.
    fn single_len(&self) -> u64 {
        match &self.starts {
            Some(starts) => starts.last().copied().unwrap_or(0),
            None => (self.offsets.last().copied().unwrap_or(0) as u64).saturating_mul(self.stored_size()),
        }
    }

    /// How many bytes the arrays take in the heap.
    pub(super) fn len(&self) -> u64 {
        if self.repeated() { self.rows.saturating_mul(self.single_len()) } else { self.single_len() }
    }

    /// The length of the longest array.
    pub(super) fn longest(&self) -> usize {
        let rows = if self.repeated() { 1 } else { self.rows };
        (0..rows).map(|row| self.elements(row)).max().unwrap_or(0)
    }

    /// Has the arrays lie from this byte of the heap on.
    pub(super) fn place_in_heap(&mut self, start: u64) -> Result<()> {
        self.heap_start = start;
        let end = start.saturating_add(self.len());
        if !self.wide && (end > MOST_P || self.longest() as u64 > MOST_P) {
            let message = format!(
                "the arrays would reach byte {end} of the heap, and descriptors of 32 bits (P) count to {MOST_P}: write the table anew with \
                 heap_format='Q', or repack() it where much of its heap is unused; nothing was written"
            );
            return Err(Error::too_large(message).in_item(|| format!("column '{}'", self.name)));
        }
        Ok(())
    }

    /// Checks that all values can be stored.
    pub(super) fn check(&self) -> Result<()> {
        let mask = self.mask.as_deref();
        match &self.way {
            Way::Convert(conversion) => match conversion.first_misfit(&self.values, mask) {
                None => Ok(()),
                Some(misfit) => {
                    let index = match &misfit {
                        Misfit::Masked(index) | Misfit::Value(index, _) => *index,
                    };
                    Err(self.refuse(index, &said(&misfit, conversion)))
                }
            },
            Way::Text if matches!(self.element, GivenType::Characters { .. }) => {
                let points = self.values.as_chunks::<4>().0;
                match points.iter().position(|point| u32::from_ne_bytes(*point) >= 0x80) {
                    None => Ok(()),
                    Some(index) => Err(self.refuse(
                        index,
                        "the text is not ASCII, which is all that FITS has: transliterate it; nothing was written",
                    )),
                }
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, element: usize, message: &str) -> Error {
        let row = self.offsets.partition_point(|&offset| offset <= element).saturating_sub(1);
        let within = element - self.offsets.get(row).copied().unwrap_or(0);
        Error::argument(message).in_item(|| format!("column '{}', row {row}, element [{within}]", self.name))
    }

    /// Writes the descriptors of some rows, which lie `row_len` apart. Byte 0 of the output is byte `start` of a row.
    pub(super) fn describe(&self, rows: Range<u64>, output: &mut [u8], row_len: usize, start: usize) {
        let place = self.place.start - start..self.place.end - start;
        for (row, output) in rows.zip(output.chunks_mut(row_len)) {
            let Some(place) = output.get_mut(place.clone()) else { continue };
            let length = self.elements(row) as u64;
            // An empty array is nowhere.
            let offset = if length == 0 { 0 } else { self.heap_start + self.start(row) };
            if self.wide {
                place.copy_from_slice([length.to_be_bytes(), offset.to_be_bytes()].as_flattened());
            } else if let Some(place) = place.first_chunk_mut::<8>() {
                place.copy_from_slice([(length as u32).to_be_bytes(), (offset as u32).to_be_bytes()].as_flattened());
            }
        }
    }

    /// Writes the bytes from `span.start` to before `span.end` of what the arrays take in the heap.
    pub(super) fn encode(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        if !self.repeated() {
            return self.encode_single(span, output);
        }
        let len = self.single_len();
        let mut rest = output;
        let mut at = span.start;
        while at < span.end && len > 0 {
            let from = at % len;
            let to = len.min(from + (span.end - at));
            let (piece, behind) = std::mem::take(&mut rest).split_at_mut((to - from) as usize);
            self.encode_single(from..to, piece)?;
            rest = behind;
            at += to - from;
        }
        Ok(())
    }

    fn encode_single(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        if let Some(starts) = &self.starts {
            self.pack_bits(starts, span, output);
            return Ok(());
        }
        let size = self.stored_size();
        let elements = (span.start / size) as usize..span.end.div_ceil(size) as usize;
        let cut = (span.start % size) as usize;
        if cut == 0 && span.end.is_multiple_of(size) {
            self.encode_elements(elements, output);
            return Ok(());
        }
        let mut whole = Vec::new();
        resize(&mut whole, elements.len() * size as usize)?;
        self.encode_elements(elements, &mut whole);
        output.copy_from_slice(whole.get(cut..cut + output.len()).unwrap_or_default());
        Ok(())
    }

    fn encode_elements(&self, elements: Range<usize>, output: &mut [u8]) {
        let size = self.element.size().unwrap_or(1);
        let values = self.values.get(elements.start * size..elements.end * size).unwrap_or_default();
        let mask = self.mask.as_ref().and_then(|mask| mask.get(elements));
        match &self.way {
            Way::Convert(conversion) => conversion.encode(values, mask, output),
            Way::Text if size == 4 => {
                let points = values.as_chunks::<4>().0.iter();
                points.zip(output).for_each(|(point, place)| *place = u32::from_ne_bytes(*point) as u8);
            }
            Way::Text => output.copy_from_slice(values),
            Way::Logicals => {
                for (index, (value, place)) in values.iter().zip(output).enumerate() {
                    let masked = mask.and_then(|mask| mask.get(index)).is_some_and(|&flag| flag != 0);
                    *place = if masked { 0 } else { [b'F', b'T'][usize::from(*value != 0)] };
                }
            }
            Way::Bits => {}
        }
    }

    fn pack_bits(&self, starts: &[u64], span: Range<u64>, output: &mut [u8]) {
        let mut row = starts.partition_point(|&start| start <= span.start).saturating_sub(1);
        for (at, byte) in (span.start..).zip(output) {
            while starts.get(row + 1).is_some_and(|&end| end <= at) {
                row += 1;
            }
            let first = starts.get(row).map_or(0, |start| (at - start) as usize * 8);
            let bits = match self.offsets.get(row..row + 2) {
                Some([start, end]) => self.values.get((start + first).min(*end)..(start + first + 8).min(*end)),
                _ => None,
            };
            let bits = bits.unwrap_or_default().iter().enumerate();
            *byte = bits.fold(0, |byte, (index, bit)| byte | u8::from(*bit != 0) << (7 - index));
        }
    }
}

impl Way {
    fn new(cell: Cell, values: &GivenColumn<'_>, as_stored: bool, elements: usize) -> Result<Self> {
        Ok(match (cell, values.element) {
            (Cell::Logical, GivenType::Logical) => Self::Logicals,
            (Cell::Bits, GivenType::Logical) => Self::Bits,
            (Cell::Text { .. }, GivenType::Bytes { .. } | GivenType::Characters { .. }) => Self::Text,
            (Cell::Number(scaling), GivenType::Number(data_type)) => {
                let scaling = if as_stored { scaling.unscaled() } else { scaling };
                Self::Convert(Conversion::Number(Encoding::new(data_type, scaling)))
            }
            (Cell::Complex(scaling), GivenType::Complex(part)) => {
                let scaling = if as_stored { scaling.unscaled() } else { scaling };
                Self::Convert(Conversion::Complex(ComplexEncoding::new(part, scaling)))
            }
            // Nothing is of every type.
            _ if elements == 0 => Self::Text,
            (cell, _) => return Err(wrong_type(values, cell)),
        })
    }
}

/// The elements of all rows, one behind the other.
struct Elements<'a> {
    values: Cow<'a, [u8]>,
    mask: Option<Cow<'a, [u8]>>,
    offsets: Cow<'a, [usize]>,
}

impl<'a> Elements<'a> {
    /// Of arrays with lengths of their own; of an array of as many rows; or of one array, or one element, for all rows.
    fn new(given: &GivenColumn<'a>, rows: u64) -> Result<Self> {
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
            None => Self::of_array(given, rows)?,
        };
        if given.swapped {
            turn(given.element.unit(), elements.values.to_mut());
        }
        Ok(elements)
    }

    fn count(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    fn of_array(given: &GivenColumn<'a>, rows: usize) -> Result<Self> {
        let is_text = matches!(given.element, GivenType::Bytes { .. } | GivenType::Characters { .. });
        // The rows that there are values for, and what each of them has.
        let (count, cell) = match given.shape {
            [] => (1, given.shape),
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
        if is_text && !cell.is_empty() {
            let message = format!("has shape {:?}, a cell holds one text; nothing was written", given.shape);
            return Err(given.refuse(&message));
        }
        let values = gathered(given)?;
        let mut offsets = Vec::new();
        reserve(&mut offsets, count + 1)?;
        offsets.push(0);
        if is_text {
            let texts = without_fill(given, &values, &mut offsets);
            return Ok(Self { values: Cow::Owned(texts), mask: None, offsets: Cow::Owned(offsets) });
        }
        let per_cell: usize = cell.iter().product();
        offsets.extend((1..=count).map(|row| row * per_cell));
        Ok(Self { values, mask: given.mask.map(Cow::Borrowed), offsets: Cow::Owned(offsets) })
    }
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
