//! Arrays of variable length as they are written: descriptors for the rows, and bytes for the heap (FITS 4.0 §7.3.5).
//!
//! The arrays of a column lie one behind the other, in the order of the rows. [`ArrayEncoder::check`] looks at every value that may not fit.

use std::borrow::Cow;
use std::ops::Range;

use super::cell_encoder::{said, wrong_type};
use super::column::{Cell, Column};
use super::conversion::{ComplexEncoding, Conversion};
use super::elements::Elements;
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
        let elements = Elements::new(values, rows, variable.text_width)?;
        if column.width == 0 && elements.count() > 0 {
            return Err(values.refuse("are arrays, and the column has no room to say where they are (its repeat count is 0); nothing was written"));
        }
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
            let Some(place) = output.get_mut(place.clone()).filter(|place| !place.is_empty()) else { continue };
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

#[cfg(test)]
mod tests {
    use super::super::encode::RowEncoder;
    use super::super::{Declared, NewColumn};
    use super::*;
    use crate::error::ErrorKind;
    use crate::format::DataType;

    fn given<'a>(
        element: GivenType,
        bytes: &'a [u8],
        shape: &'a [usize],
        offsets: Option<&'a [usize]>,
    ) -> GivenColumn<'a> {
        let stride = bytes.len() / shape.first().copied().unwrap_or(1).max(1);
        let (start, swapped, mask) = (0, false, None);
        GivenColumn {
            name: "c",
            element,
            shape,
            bytes,
            start,
            stride,
            swapped,
            mask,
            offsets,
            array_shape: &[],
            strings: false,
        }
    }

    /// The rows and the heap of a table of one column, made in pieces of `step` bytes.
    fn encoded(column: &NewColumn, values: &GivenColumn<'_>, rows: u64, start: u64, step: usize) -> (Vec<u8>, Vec<u8>) {
        let mut encoder =
            RowEncoder::new(&column.layout(rows).unwrap(), std::slice::from_ref(values), rows, false).unwrap();
        encoder.check().unwrap();
        encoder.place_heap(start).unwrap();
        let mut cells = vec![0xaa; encoder.rows_len() as usize];
        encoder.encode_bytes(0..cells.len() as u64, &mut cells).unwrap();
        let mut heap = vec![0xaa; encoder.heap_len() as usize];
        for (number, piece) in heap.chunks_mut(step).enumerate() {
            let from = (number * step) as u64;
            encoder.encode_heap(from..from + piece.len() as u64, piece).unwrap();
        }
        (cells, heap)
    }

    #[test]
    fn pieces_of_any_size_are_the_whole() {
        let numbers: Vec<u8> = (1..=5i16).flat_map(i16::to_ne_bytes).collect();
        let flags = [1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1];
        for step in [1, 2, 3, 7, 100] {
            let values = given(GivenType::Number(DataType::I16), &numbers, &[3], Some(&[0, 2, 2, 5]));
            let column = NewColumn::of(&values, Declared::default()).unwrap();
            let (cells, heap) = encoded(&column, &values, 3, 100, step);
            assert_eq!(heap, [0, 1, 0, 2, 0, 3, 0, 4, 0, 5]);
            assert_eq!(
                cells,
                [[2, 100], [0, 0], [3, 104]]
                    .as_flattened()
                    .iter()
                    .flat_map(|n: &u32| n.to_be_bytes())
                    .collect::<Vec<_>>()
            );
            let bits = given(GivenType::Logical, &flags, &[3], Some(&[0, 9, 9, 12]));
            let column = NewColumn::of(&bits, Declared { bits: true, wide: true, ..Declared::default() }).unwrap();
            let (cells, heap) = encoded(&column, &bits, 3, 0, step);
            assert_eq!(heap, [0b1011_0000, 0b1000_0000, 0b1010_0000]);
            assert_eq!(
                cells,
                [[9u64, 0], [0, 0], [3, 2]].as_flattened().iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>()
            );
            // One array for all rows lies there for each.
            let one = given(GivenType::Number(DataType::I16), &numbers[..4], &[1, 2], None);
            let declared = || Declared { array: Some(one.element), ..Declared::default() };
            let column = NewColumn::new("c", one.element, &[], declared()).unwrap();
            let (_, heap) = encoded(&column, &one, 3, 0, step);
            assert_eq!(heap, [0, 1, 0, 2].repeat(3));
        }
    }

    #[test]
    fn a_heap_past_2_gib_has_descriptors_of_64_bits() {
        const LARGE: usize = 1 << 30;
        // Zeros that are never looked at take no memory.
        let bytes = vec![0u8; LARGE];
        let values = given(GivenType::Number(DataType::U8), &bytes, &[1, LARGE], None);
        let declared = Declared { array: Some(values.element), ..Declared::default() };
        let column = NewColumn::new("c", values.element, &[], declared).unwrap();
        let table = |heap_format| super::super::NewTable {
            columns: vec![column.clone()],
            rows: 3,
            values: Some(std::slice::from_ref(&values)),
            name: None,
            version: None,
            ascii: false,
            heap_format,
            cards: None,
            every: &|count, test| (0..count).all(test),
            can_be_taken_back: false,
        };
        let hdu = table(None).hdu().unwrap();
        let header = String::from_utf8(hdu.header).unwrap();
        assert!(header.contains("'1QB(1073741824)'") && header.contains("3221225472"), "{header}");
        assert_eq!(hdu.data_len, 48 + 3 * LARGE as u64);
        let Some(crate::source::Content::Made { producer, .. }) = hdu.data else { panic!("no data") };
        let mut rows = [0xaa; 50];
        producer(0..50, &mut rows).unwrap();
        let number = |at: usize| u64::from_be_bytes(*rows[at..].first_chunk().unwrap());
        assert_eq!([number(0), number(8), number(32), number(40)], [LARGE as u64, 0, LARGE as u64, 2 * LARGE as u64]);
        let refused = table(Some(crate::compression::HeapFormat::P)).hdu().err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::TooLarge);
        assert!(refused.to_string().contains("heap_format='Q'"), "{refused}");
    }
}
