//! The arrays of the wanted rows of a variable-length column, as they come out one behind the other, cut into parts of a read (FITS 4.0 §7.3.5).

use std::ops::Range;

use super::array_form::ArrayForm;
use super::read::PART_BYTES;
use crate::error::{Error, Result};
use crate::source::{BufferSize, reserve};

/// What the bookkeeping of a row counts for when parts are made.
pub(crate) const ROW_BYTES: u64 = 16;

/// How many elements the array of each row has, wherever it is.
#[derive(Debug)]
pub(crate) struct ArrayRows {
    pub(crate) array: ArrayForm,
    /// The number of each row in the table.
    rows: Vec<u64>,
    /// How many elements the rows before have, for each row; and of all, at the end.
    offsets: Vec<usize>,
    /// The rows of each part.
    parts: Vec<Range<usize>>,
}

impl ArrayRows {
    /// With room for so many rows.
    pub(crate) fn new(array: ArrayForm, count: usize) -> Result<Self> {
        let mut rows = Self { array, rows: Vec::new(), offsets: vec![0], parts: Vec::new() };
        reserve(&mut rows.rows, count)?;
        reserve(&mut rows.offsets, count)?;
        Ok(rows)
    }

    /// Takes in the next row, which has this number in the table; says how many bytes its array takes in the result.
    pub(crate) fn push(&mut self, row: u64, elements: usize) -> Result<usize> {
        let too_large = || Error::too_large("the array is larger than memory");
        let size = elements.checked_mul(self.array.element_size()).ok_or_else(too_large)?;
        let sum = self.total().checked_add(elements).ok_or_else(too_large)?;
        self.rows.push(row);
        self.offsets.push(sum);
        Ok(size)
    }

    /// Cuts the rows into parts that are neither many bytes of the uncompressed heap nor of the result.
    pub(crate) fn make_parts(&mut self) {
        let (mut first, mut bytes) = (0, 0);
        for index in 0..self.rows.len() {
            let elements = self.elements(index);
            let stored = self.array.stored_len(elements).unwrap_or(u64::MAX);
            let decoded = elements.saturating_mul(self.array.element_size()) as u64;
            let row = stored.max(decoded).saturating_add(ROW_BYTES);
            if index > first && row.saturating_add(bytes) > PART_BYTES as u64 {
                self.parts.push(first..index);
                (first, bytes) = (index, 0);
            }
            bytes += row;
        }
        if self.total() > 0 {
            self.parts.push(first..self.rows.len());
        }
    }

    /// What errors about a row begin with.
    pub(crate) fn place(&self, index: usize) -> String {
        format!("column '{}', row {}", self.array.name, self.rows.get(index).copied().unwrap_or(0))
    }

    /// How many elements the array of a row has.
    pub(crate) fn elements(&self, index: usize) -> usize {
        self.elements_of(index..index + 1)
    }

    /// How many elements the arrays of some rows have.
    pub(crate) fn elements_of(&self, rows: Range<usize>) -> usize {
        let offset = |row: usize| self.offsets.get(row).copied().unwrap_or(0);
        offset(rows.end).saturating_sub(offset(rows.start))
    }

    fn total(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// How many parts there are.
    pub(crate) fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// The rows of a part.
    pub(crate) fn part(&self, index: usize) -> Range<usize> {
        self.parts.get(index).cloned().unwrap_or(0..0)
    }

    /// The buffers that all elements fill.
    pub(crate) fn buffers(&self) -> Vec<BufferSize> {
        self.array.buffers(self.total())
    }

    /// How many bytes of each buffer a part fills.
    pub(crate) fn output_sizes(&self, index: usize) -> Vec<usize> {
        self.array.output_sizes(self.elements_of(self.part(index)))
    }

    pub(crate) fn into_offsets(self) -> Vec<usize> {
        self.offsets
    }
}
