//! The cells of one column: from the bytes of rows to values, row after row.

use super::column::{Cell, Column};
use crate::error::{Error, Result};
use crate::format::{DataType, Scaling, ScalingKind};

/// How strings come out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// Each character as its 32-bit code point, as numpy's `U` has it.
    #[default]
    Unicode,
    /// Each character as a byte, as numpy's `S` has it.
    Bytes,
}

/// What is wrong with a cell, and in which of the rows at hand it is.
#[derive(Debug)]
pub(crate) struct CellError {
    pub(crate) row: usize,
    pub(crate) error: Error,
}

/// Where rows lie: the distance between them, and where the column starts in each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stride {
    pub(crate) row: usize,
    pub(crate) offset: usize,
}

/// How a column comes out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellForm {
    pub(crate) unscaled: bool,
    pub(crate) text: TextForm,
    pub(crate) lenient: bool,
}

impl CellForm {
    /// The type of the elements, and how many a cell has of them.
    pub(crate) fn output(self, column: &Column) -> (DataType, usize) {
        let elements = column.elements();
        match column.cell {
            Cell::Logical | Cell::Bits | Cell::Variable => (DataType::U8, elements),
            Cell::Number(scaling) => (self.scaling(scaling).data_type(), elements),
            Cell::Decimal(decimal) => (decimal.data_type(self.unscaled), elements),
            Cell::Complex(scaling) => (self.scaling(scaling).data_type(), elements.saturating_mul(2)),
            // numpy has no strings of length 0.
            Cell::Text { width } => match self.text {
                TextForm::Unicode => (DataType::U32, elements.saturating_mul(width.max(1))),
                TextForm::Bytes => (DataType::U8, elements.saturating_mul(width.max(1))),
            },
        }
    }

    /// The size of a cell of the result in bytes; `None` past memory.
    pub(crate) fn output_size(self, column: &Column) -> Option<usize> {
        let (data_type, elements) = self.output(column);
        elements.checked_mul(data_type.size())
    }

    pub(crate) fn scaling(self, scaling: Scaling) -> Scaling {
        if self.unscaled { scaling.unscaled() } else { scaling }
    }

    /// Decodes the column's cells of successive rows.
    pub(crate) fn decode(
        self,
        column: &Column,
        input: &[u8],
        from: Stride,
        output: &mut [u8],
        to: Stride,
    ) -> Result<(), CellError> {
        let size = self.output_size(column).unwrap_or(usize::MAX);
        if size == 0 || from.row == 0 || to.row == 0 {
            return Ok(());
        }
        let cells = Cells { input, from, width: column.width, output, to, size };
        match column.cell {
            Cell::Logical => cells.each(|stored, value| {
                logicals(stored, value);
                Ok(())
            }),
            Cell::Bits => cells.each(|stored, value| {
                bits(stored, value);
                Ok(())
            }),
            Cell::Number(scaling) => numbers(cells, self.scaling(scaling)),
            Cell::Complex(scaling) => {
                let scaling = self.scaling(scaling);
                match scaling.kind {
                    ScalingKind::Linear { .. } => cells.each(|stored, value| {
                        complex(scaling, stored, value);
                        Ok(())
                    }),
                    _ => numbers(cells, scaling),
                }
            }
            Cell::Text { width } => cells.each(|stored, value| self.strings(width, stored, value)),
            Cell::Decimal(decimal) => {
                let null = column.null_text.as_deref();
                cells.each(|stored, value| decimal.read(stored, null, self.unscaled, value))
            }
            // Their arrays are read from the heap.
            Cell::Variable => Ok(()),
        }
    }

    /// Sets a byte for each value of the column's cells: 1 where it is null, else 0 (§7.2.2, §7.3.2, §7.3.3.1).
    pub(crate) fn mask(self, column: &Column, input: &[u8], from: Stride, mask: &mut [u8], to: Stride) {
        let size = column.elements();
        if size == 0 || from.row == 0 || to.row == 0 {
            return;
        }
        let null = column.null_text.as_deref().map(str::as_bytes);
        let cells = Cells { input, from, width: column.width, output: mask, to, size };
        // Nothing in it fails.
        let _ = cells.each(|stored, flags| {
            match (column.cell, null) {
                (Cell::Decimal(_), Some(null)) => flags.fill(u8::from(stored.trim_ascii() == null)),
                // Empty text is no null.
                (Cell::Text { .. }, Some(null)) if !null.is_empty() => {
                    flags.fill(u8::from(stored.trim_ascii() == null));
                }
                (cell, _) => cell_mask(cell, stored, flags),
            }
            Ok(())
        });
    }

    pub(super) fn strings(self, width: usize, stored: &[u8], value: &mut [u8]) -> Result<()> {
        if width == 0 {
            value.fill(0);
            return Ok(());
        }
        let size = if self.text == TextForm::Unicode { 4 * width } else { width };
        for (stored, value) in stored.chunks_exact(width).zip(value.chunks_exact_mut(size)) {
            let text = significant(stored);
            if self.text == TextForm::Bytes {
                let (start, rest) = value.split_at_mut(text.len());
                start.copy_from_slice(text);
                rest.fill(0);
                continue;
            }
            self.check_text(text)?;
            let characters = value.as_chunks_mut::<4>().0;
            for (byte, character) in stored.iter().zip(characters.iter_mut()) {
                *character = u32::from(if byte.is_ascii() { *byte } else { b'_' }).to_ne_bytes();
            }
            characters.get_mut(text.len()..).unwrap_or_default().fill([0; 4]);
        }
        Ok(())
    }
}

impl CellForm {
    /// Copies the text of a variable-length cell, with the blanks behind it.
    pub(super) fn characters(self, stored: &[u8], value: &mut [u8]) -> Result<()> {
        self.check_text(significant(stored))?;
        for (stored, value) in stored.iter().zip(value) {
            *value = if self.text == TextForm::Bytes || stored.is_ascii() { *stored } else { b'_' };
        }
        Ok(())
    }

    /// Refuses text that is not ASCII where it would become characters.
    fn check_text(self, text: &[u8]) -> Result<()> {
        if self.text == TextForm::Bytes || self.lenient || text.is_ascii() {
            return Ok(());
        }
        Err(Error::illegal(format!(
            "the text '{}' is not ASCII: read it with read_column(name, as_bytes=True), or open with lenient=True",
            text.escape_ascii()
        )))
    }
}

/// `T`, `F` or 0 as 1 or 0 (§7.3.3.1).
pub(super) fn logicals(stored: &[u8], value: &mut [u8]) {
    stored.iter().zip(value).for_each(|(stored, value)| *value = u8::from(*stored == b'T'));
}

/// Bits, the most significant first, as bytes.
pub(super) fn bits(stored: &[u8], value: &mut [u8]) {
    for (index, bit) in value.iter_mut().enumerate() {
        *bit = stored.get(index / 8).map_or(0, |byte| byte >> (7 - index % 8) & 1);
    }
}

/// Pairs of numbers with a linear scaling: the zero point is a real number.
pub(super) fn complex(scaling: Scaling, stored: &[u8], value: &mut [u8]) {
    let ScalingKind::Linear { scale, zero } = scaling.kind else { return scaling.decode(stored, value) };
    Scaling { kind: ScalingKind::Linear { scale, zero: 0.0 }, ..scaling }.decode(stored, value);
    for [real, _] in value.as_chunks_mut::<8>().0.as_chunks_mut::<2>().0 {
        *real = (f64::from_ne_bytes(*real) + zero).to_ne_bytes();
    }
}

/// Which of the stored values of a binary table are null: those that are TNULL, and logicals of 0.
pub(super) fn cell_mask(cell: Cell, stored: &[u8], flags: &mut [u8]) {
    match cell {
        Cell::Logical => stored.iter().zip(flags).for_each(|(stored, flag)| *flag = u8::from(*stored == 0)),
        Cell::Number(scaling) => scaling.mask(stored, flags),
        _ => flags.fill(0),
    }
}

/// A string without what follows its first NUL (§7.3.3.1) and without trailing blanks.
pub(crate) fn significant(stored: &[u8]) -> &[u8] {
    let length = short_length(stored).unwrap_or_else(|| {
        let end = memchr::memchr(0, stored).unwrap_or(stored.len());
        let text = stored.get(..end).unwrap_or_default();
        text.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1)
    });
    stored.get(..length).unwrap_or_default()
}

/// How much of a string of at most 16 bytes is significant: they are looked at as one number. `None` for longer strings.
fn short_length(stored: &[u8]) -> Option<usize> {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const BLANKS: u128 = u128::from_ne_bytes([b' '; 16]);
    // The first byte lowest, and NUL behind the last one.
    let bytes = match stored.len() {
        0..8 => u128::from(stored.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte))),
        length @ 8..=16 => {
            let (first, last) = (u64::from_le_bytes(*stored.first_chunk()?), u64::from_le_bytes(*stored.last_chunk()?));
            u128::from(first) | u128::from(last) << (8 * (length - 8))
        }
        _ => return None,
    };
    // A byte of 0 borrows from its own top bit, which was not set before.
    let nulls = bytes.wrapping_sub(ONES) & !bytes & (ONES << 7);
    let behind_null = u128::MAX.checked_shl(nulls.trailing_zeros() / 8 * 8).unwrap_or(0);
    let visible = (bytes ^ BLANKS) & !behind_null;
    Some(16 - (visible.leading_zeros() / 8) as usize)
}

/// The cells of a column in the bytes of some rows, and their places in the result.
struct Cells<'a> {
    input: &'a [u8],
    from: Stride,
    width: usize,
    output: &'a mut [u8],
    to: Stride,
    size: usize,
}

impl Cells<'_> {
    #[inline(always)]
    fn each(self, mut decode: impl FnMut(&[u8], &mut [u8]) -> Result<()>) -> Result<(), CellError> {
        let from = self.from.offset..self.from.offset + self.width;
        let to = self.to.offset..self.to.offset + self.size;
        let rows = self.input.chunks_exact(self.from.row).zip(self.output.chunks_exact_mut(self.to.row));
        for (row, (input, output)) in rows.enumerate() {
            let stored = input.get(from.clone());
            let value = output.get_mut(to.clone());
            if let (Some(stored), Some(value)) = (stored, value) {
                decode(stored, value).map_err(|error| CellError { row, error })?;
            }
        }
        Ok(())
    }
}

fn numbers(cells: Cells<'_>, scaling: Scaling) -> Result<(), CellError> {
    let flip = match scaling.kind {
        ScalingKind::None => false,
        ScalingKind::Flip => true,
        ScalingKind::Linear { .. } => {
            return cells.each(|stored, value| {
                scaling.decode(stored, value);
                Ok(())
            });
        }
    };
    // Single values are most of what tables hold: their loop has no call in it.
    match (cells.width, scaling.stored.size()) {
        (1, 1) => single::<u8, 1>(cells, flip, |bytes, top| (u8::from_be_bytes(bytes) ^ top).to_ne_bytes()),
        (2, 2) => single::<u16, 2>(cells, flip, |bytes, top| (u16::from_be_bytes(bytes) ^ top).to_ne_bytes()),
        (4, 4) => single::<u32, 4>(cells, flip, |bytes, top| (u32::from_be_bytes(bytes) ^ top).to_ne_bytes()),
        (8, 8) => single::<u64, 8>(cells, flip, |bytes, top| (u64::from_be_bytes(bytes) ^ top).to_ne_bytes()),
        _ => cells.each(|stored, value| {
            scaling.decode(stored, value);
            Ok(())
        }),
    }
}

/// Single values of `N` bytes; with `flip` their top bit is turned.
#[inline(always)]
fn single<T: From<u8> + std::ops::Shl<u32, Output = T> + Copy, const N: usize>(
    cells: Cells<'_>,
    flip: bool,
    native: impl Fn([u8; N], T) -> [u8; N],
) -> Result<(), CellError> {
    let top = T::from(u8::from(flip)) << (8 * N as u32 - 1);
    cells.each(|stored, value| {
        if let (Some(stored), Some(value)) = (stored.first_chunk::<N>(), value.first_chunk_mut::<N>()) {
            *value = native(*stored, top);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn significant_text_ends_before_trailing_blanks_and_nulls(text in prop::collection::vec(prop::sample::select(b" \0aZ!\x7f\x80\xff".to_vec()), 0..20)) {
            let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
            let naive = text[..end].iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
            prop_assert_eq!(significant(&text), &text[..naive]);
        }
    }
}
