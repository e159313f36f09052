//! The columns of the table of tiles: descriptors of variable-length arrays, and numbers (FITS 4.0 §7.3.3, §7.3.5, §10.1.3).

use crate::format::DataType;
use crate::format::endian::Number;
use crate::table::{Form, FormType};

/// A column of variable-length arrays.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataColumn {
    offset: usize,
    wide: bool,
    element_size: u64,
}

impl DataColumn {
    /// `None` for a column that holds no data.
    pub(super) fn new(form: &Form, offset: usize) -> Option<Self> {
        let FormType::Descriptor { wide } = form.element else { return None };
        let element = Form::parse(form.rest.get(..1)?).ok()?;
        (form.repeat == 1).then_some(Self { offset, wide, element_size: element.width()? })
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
