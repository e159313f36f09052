//! The elements of the arrays of a variable-length column: how many bytes they take in the heap and in the result, and how they become values (FITS 4.0 §7.3.5).

use super::cell::{CellForm, bits, cell_mask, complex, logicals};
use super::column::{Cell, Column, Variable};
use crate::error::{Error, Result};
use crate::format::DataType;
use crate::source::{BufferSize, does_not_fit};

/// How the arrays of a column come out.
#[derive(Debug)]
pub(crate) struct ArrayForm {
    pub(crate) variable: Variable,
    form: CellForm,
    pub(crate) mask: bool,
    /// Of the column.
    pub(crate) name: String,
}

impl ArrayForm {
    pub(crate) fn new(column: &Column, form: CellForm, mask: bool) -> Result<Self> {
        let variable = column.variable.clone().ok_or_else(|| Error::argument("the column has no arrays"))?;
        Ok(Self { variable, form, mask, name: column.name.clone() })
    }

    /// The type of the values, and how many an element has of them.
    pub(crate) fn output(&self) -> (DataType, usize) {
        match self.variable.cell {
            Cell::Number(scaling) => (self.form.scaling(scaling).data_type(), 1),
            Cell::Complex(scaling) => (self.form.scaling(scaling).data_type(), 2),
            _ => (DataType::U8, 1),
        }
    }

    /// How many bytes an element takes in the result.
    pub(crate) fn element_size(&self) -> usize {
        let (data_type, count) = self.output();
        data_type.size() * count
    }

    /// How many bytes so many elements take in the heap.
    pub(crate) fn stored_len(&self, elements: usize) -> Option<u64> {
        self.variable.stored_len(elements as u64)
    }

    /// The buffers that so many elements fill.
    pub(crate) fn buffers(&self, elements: usize) -> Vec<BufferSize> {
        let (data_type, count) = self.output();
        let values = BufferSize { data_type, elements: elements.saturating_mul(count) };
        let mask = BufferSize { data_type: DataType::U8, elements };
        if self.mask { vec![values, mask] } else { vec![values] }
    }

    /// How many bytes of each buffer so many elements fill.
    pub(crate) fn output_sizes(&self, elements: usize) -> Vec<usize> {
        let values = elements.saturating_mul(self.element_size());
        if self.mask { vec![values, elements] } else { vec![values] }
    }

    /// Makes values of the next elements.
    pub(crate) fn decode_values(&self, elements: usize, stored: &[u8], outputs: &mut ArrayOutputs<'_>) -> Result<()> {
        let values = outputs.values.split_off_mut(..elements * self.element_size()).ok_or_else(does_not_fit)?;
        match self.variable.cell {
            Cell::Logical => logicals(stored, values),
            Cell::Bits => bits(stored, values),
            Cell::Number(scaling) => self.form.scaling(scaling).decode(stored, values),
            Cell::Complex(scaling) => complex(self.form.scaling(scaling), stored, values),
            _ => self.form.characters(stored, values)?,
        }
        if self.mask {
            let flags = outputs.mask.split_off_mut(..elements).ok_or_else(does_not_fit)?;
            cell_mask(self.variable.cell, stored, flags);
        }
        Ok(())
    }
}

/// What of the values and of the mask is not filled yet.
pub(crate) struct ArrayOutputs<'a> {
    values: &'a mut [u8],
    mask: &'a mut [u8],
}

impl<'a> ArrayOutputs<'a> {
    pub(crate) fn new(outputs: &'a mut [&mut [u8]]) -> Self {
        let mut buffers = outputs.iter_mut().map(|output| &mut **output);
        Self { values: buffers.next().unwrap_or_default(), mask: buffers.next().unwrap_or_default() }
    }
}
