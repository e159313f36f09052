//! The columns of the table of tiles: descriptors of variable-length arrays, and numbers (FITS 4.0 §7.3.3, §7.3.5, §10.1.3).

use crate::edit::{HeapColumn, LARGEST_P};
use crate::error::{Error, Result};
use crate::format::DataType;
use crate::format::endian::Number;
use crate::table::{Form, FormType};

/// A column of variable-length arrays.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataColumn {
    /// The number of the column, counted from 1.
    pub(super) number: i64,
    offset: usize,
    wide: bool,
    element_size: u64,
}

impl DataColumn {
    /// `None` for a column that holds no data.
    pub(super) fn new(form: &Form, offset: usize, number: i64) -> Option<Self> {
        let FormType::Descriptor { wide } = form.element else { return None };
        let element = Form::parse(form.rest.get(..1)?).ok()?;
        (form.repeat == 1).then_some(Self { number, offset, wide, element_size: element.width()? })
    }

    /// The column as a change of the heap sees it.
    pub(super) fn in_heap(self) -> HeapColumn {
        HeapColumn { offset: self.offset, wide: self.wide, element_bits: 8 * self.element_size }
    }

    /// So many bytes filled up to whole elements.
    pub(super) fn padded(self, len: usize) -> usize {
        len.next_multiple_of((self.element_size as usize).max(1))
    }

    /// How many elements so many bytes are.
    pub(super) fn elements(self, len: u64) -> u64 {
        len.checked_div(self.element_size).unwrap_or(len)
    }

    /// Names `len` bytes of the heap as the row's array.
    ///
    /// # Errors
    ///
    /// Where they are further on than descriptors of 32 bits can say.
    pub(super) fn describe(self, row: &mut [u8], len: u64, offset: u64) -> Result<()> {
        let half = if self.wide { 8 } else { 4 };
        if !self.wide && offset.saturating_add(len) > LARGEST_P {
            return Err(Error::too_large(
                "the heap would be longer than descriptors of 32 bits can say: repack() takes out what is not in use, and heap_format Q has room",
            ));
        }
        let numbers = [self.elements(len), offset];
        let places = row.get_mut(self.offset..self.offset + 2 * half).unwrap_or_default().chunks_exact_mut(half);
        for (place, number) in places.zip(numbers) {
            place.copy_from_slice(number.to_be_bytes().get(8 - half..).unwrap_or_default());
        }
        Ok(())
    }

    /// Whether its descriptors have 64 bits.
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// The length and the offset in the heap of a row's array, in bytes. Both are taken as unsigned (§7.3.5).
    pub(super) fn descriptor(&self, row: &[u8]) -> Option<(u64, u64)> {
        let bytes = row.get(self.offset..)?;
        let (elements, offset) = if self.wide {
            let [length, offset] = bytes.as_chunks::<8>().0.get(..2)? else { return None };
            (u64::from_be_bytes(*length), u64::from_be_bytes(*offset))
        } else {
            let [length, offset] = bytes.as_chunks::<4>().0.get(..2)? else { return None };
            (u32::from_be_bytes(*length).into(), u32::from_be_bytes(*offset).into())
        };
        Some((elements.saturating_mul(self.element_size), offset))
    }
}

/// A column of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberColumn {
    offset: usize,
    stored: DataType,
}

impl NumberColumn {
    /// `None` for a column that holds no number.
    pub(super) fn new(form: &Form, offset: usize) -> Option<Self> {
        let stored = match form.element {
            FormType::Byte => DataType::U8,
            FormType::Short => DataType::I16,
            FormType::Int => DataType::I32,
            FormType::Long => DataType::I64,
            FormType::Float => DataType::F32,
            FormType::Double => DataType::F64,
            _ => return None,
        };
        (form.repeat > 0).then_some(Self { offset, stored })
    }

    /// Whether a number of 64 bits can be put there as it is.
    pub(super) fn is_double(self) -> bool {
        self.stored == DataType::F64
    }

    /// Sets the number of a row; for columns of doubles.
    pub(super) fn set_double(self, row: &mut [u8], number: f64) {
        if let Some(place) = row.get_mut(self.offset..self.offset + size_of::<f64>()).filter(|_| self.is_double()) {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }

    pub(super) fn real(self, row: &[u8]) -> f64 {
        let bytes = row.get(self.offset..self.offset.saturating_add(self.stored.size())).unwrap_or_default();
        match self.stored {
            DataType::F32 => f32::from_big_endian(bytes).into(),
            DataType::F64 => f64::from_big_endian(bytes),
            _ => self.integer(row).unwrap_or(0) as f64,
        }
    }

    pub(super) fn integer(self, row: &[u8]) -> Option<i64> {
        let bytes = row.get(self.offset..self.offset.saturating_add(self.stored.size()))?;
        match self.stored {
            DataType::U8 => Some(u8::from_big_endian(bytes).into()),
            DataType::I16 => Some(i16::from_big_endian(bytes).into()),
            DataType::I32 => Some(i32::from_big_endian(bytes).into()),
            DataType::I64 => Some(i64::from_big_endian(bytes)),
            _ => None,
        }
    }
}
