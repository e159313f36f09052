//! The values that a column is given: of which type they are, and where they lie in memory.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::format::DataType;
use crate::source::reserve;

/// The type of the elements that a column is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenType {
    /// A byte that is not 0 for true.
    Logical,
    Number(DataType),
    /// Pairs of numbers of this type.
    Complex(DataType),
    /// Strings of bytes, filled up with NUL.
    Bytes {
        width: usize,
    },
    /// Strings of 32-bit code points, filled up with NUL.
    Characters {
        width: usize,
    },
}

impl GivenType {
    /// The type that numpy's type string names, such as `<f4`, `|S8` or `|b1`, and whether its bytes are in the other order than the machine's.
    pub(crate) fn from_code(code: &str) -> Option<(Self, bool)> {
        let (order, code) = match code.chars().next()? {
            order @ ('<' | '>' | '=' | '|') => (order, code.get(1..)?),
            _ => ('=', code),
        };
        let swapped = order == if cfg!(target_endian = "little") { '>' } else { '<' };
        let element = match code {
            "b1" | "?" => Self::Logical,
            "c8" => Self::Complex(DataType::F32),
            "c16" => Self::Complex(DataType::F64),
            _ => match code.split_at_checked(1)? {
                ("S", width) => Self::Bytes { width: width.parse().ok()? },
                ("U", width) => Self::Characters { width: width.parse().ok()? },
                _ => Self::Number(DataType::from_code(code)?),
            },
        };
        Some((element, swapped))
    }

    /// numpy's code.
    pub(crate) fn code(self) -> String {
        match self {
            Self::Logical => "?".to_owned(),
            Self::Number(data_type) => data_type.code().to_owned(),
            Self::Complex(part) => format!("c{}", 2 * part.size()),
            Self::Bytes { width } => format!("S{width}"),
            Self::Characters { width } => format!("U{width}"),
        }
    }

    /// The size of an element in bytes; `None` past memory.
    pub(crate) fn size(self) -> Option<usize> {
        match self {
            Self::Logical => Some(1),
            Self::Number(data_type) => Some(data_type.size()),
            Self::Complex(part) => Some(2 * part.size()),
            Self::Bytes { width } => Some(width),
            Self::Characters { width } => width.checked_mul(4),
        }
    }

    /// The type of a single character, of texts; else the type itself.
    pub(crate) fn single(self) -> Self {
        match self {
            Self::Bytes { .. } => Self::Bytes { width: 1 },
            Self::Characters { .. } => Self::Characters { width: 1 },
            element => element,
        }
    }

    /// The size of what has a byte order.
    pub(crate) fn unit(self) -> usize {
        match self {
            Self::Logical | Self::Bytes { .. } => 1,
            Self::Number(data_type) | Self::Complex(data_type) => data_type.size(),
            Self::Characters { .. } => 4,
        }
    }
}

/// The values that one column is given.
#[derive(Clone, Debug)]
pub(crate) struct GivenColumn<'a> {
    pub(crate) name: &'a str,
    pub(crate) element: GivenType,
    /// Slowest axis first; that of the rows is the first one, where there is one.
    pub(crate) shape: &'a [usize],
    pub(crate) bytes: &'a [u8],
    /// Where the first row lies among the bytes, and how far it is from one to the next. A row's elements follow each other.
    pub(crate) start: usize,
    pub(crate) stride: usize,
    /// Whether the bytes are in the other order than the machine's.
    pub(crate) swapped: bool,
    /// For each element a byte that is not 0 where there is no value.
    pub(crate) mask: Option<&'a [u8]>,
    /// For arrays of variable length, whose elements lie one behind the other from the first byte on: where those of each row begin, and at the
    /// end how many there are. The shape then is that of the rows alone.
    pub(crate) offsets: Option<&'a [usize]>,
    /// The shape of those arrays, where all have the same and more than one axis.
    pub(crate) array_shape: &'a [usize],
    /// Whether the elements of those arrays are whole texts and no characters.
    pub(crate) strings: bool,
}

/// Values that were brought to the rows and the shape of the cells that they are for.
#[derive(Clone, Debug)]
pub(super) struct Spread<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) start: usize,
    /// 0 where all rows get the same.
    pub(super) stride: usize,
    pub(super) mask: Option<Cow<'a, [u8]>>,
    /// How far it is from a row to the next in the mask.
    pub(super) mask_stride: usize,
}

impl<'a> GivenColumn<'a> {
    /// How many rows there are, and the shape of a cell.
    pub(crate) fn rows_and_cell(&self) -> Result<(usize, &'a [usize])> {
        let (rows, cell) = self.shape.split_first().ok_or_else(|| self.refuse("is a single value and not an array"))?;
        Ok((*rows, cell))
    }

    /// How many characters the texts take at most, where a cell is an array of them.
    pub(crate) fn text_width(&self) -> Option<usize> {
        let several = if self.offsets.is_some() { self.strings } else { self.shape.len() > 1 };
        match self.element {
            GivenType::Bytes { width } | GivenType::Characters { width } if several => Some(width),
            _ => None,
        }
    }

    /// The values for so many rows with cells of this shape: one for each, or one cell or one element for all.
    pub(super) fn spread(&self, rows: u64, cell: &[usize]) -> Result<Spread<'a>> {
        if self.offsets.is_some() {
            return Err(
                self.refuse("are arrays of variable length, the column has cells of one size; nothing was written")
            );
        }
        let own = self.shape.iter().rev().copied();
        let wanted = || std::iter::once(usize::try_from(rows).unwrap_or(usize::MAX)).chain(cell.iter().copied());
        let elements: usize = cell.iter().product();
        let borrowed = |stride, mask_stride| Spread {
            bytes: Cow::Borrowed(self.bytes),
            start: self.start,
            stride,
            mask: self.mask.map(Cow::Borrowed),
            mask_stride,
        };
        if self.shape.iter().copied().eq(wanted()) {
            return Ok(borrowed(self.stride, elements));
        }
        let is_cell =
            self.shape == cell || (self.shape.len() == cell.len() + 1 && self.shape.split_first() == Some((&1, cell)));
        if is_cell {
            return Ok(borrowed(0, 0));
        }
        if self.shape.len() <= cell.len() + 1 && own.into_iter().all(|length| length == 1) {
            let size = self.element.size().unwrap_or(usize::MAX);
            let element = self.bytes.get(self.start..self.start.saturating_add(size)).unwrap_or_default();
            let bytes = repeated(element, elements)?;
            let mask = match self.mask.and_then(|mask| mask.get(..1)) {
                Some(flag) => Some(Cow::Owned(repeated(flag, elements)?)),
                None => None,
            };
            return Ok(Spread { bytes: Cow::Owned(bytes), start: 0, stride: 0, mask, mask_stride: 0 });
        }
        let wanted: Vec<usize> = wanted().collect();
        Err(self.refuse(&format!("has shape {:?}, which does not fit {wanted:?}; nothing was written", self.shape)))
    }

    pub(crate) fn refuse(&self, why: &str) -> Error {
        Error::argument(format!("the data {why}")).in_item(|| format!("column '{}'", self.name))
    }
}

/// The bytes, so many times. How often comes from a header.
fn repeated(bytes: &[u8], times: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    reserve(&mut all, bytes.len().saturating_mul(times))?;
    for _ in 0..times {
        all.extend_from_slice(bytes);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<'a>(shape: &'a [usize], bytes: &'a [u8], stride: usize) -> GivenColumn<'a> {
        let element = GivenType::Number(DataType::U8);
        GivenColumn {
            name: "a",
            element,
            shape,
            bytes,
            start: 0,
            stride,
            swapped: false,
            mask: None,
            offsets: None,
            array_shape: &[],
            strings: false,
        }
    }

    #[test]
    fn type_strings_name_types() {
        assert_eq!(GivenType::from_code("|b1"), Some((GivenType::Logical, false)));
        assert_eq!(GivenType::from_code("|S0"), Some((GivenType::Bytes { width: 0 }, false)));
        let (element, swapped) = GivenType::from_code(">U7").unwrap();
        assert_eq!((element, swapped), (GivenType::Characters { width: 7 }, cfg!(target_endian = "little")));
        for code in ["<f2", "|O", "<M8[s]", "|V3", "", "<", "S-1", "é1"] {
            assert_eq!(GivenType::from_code(code), None, "{code}");
        }
    }

    #[test]
    fn values_are_spread_over_rows_and_cells() {
        let bytes = [1, 2, 3, 4, 5, 6];
        let strides = |shape: &[usize], stride, rows, cell: &[usize]| {
            given(shape, &bytes, stride).spread(rows, cell).map(|spread| (spread.stride, spread.bytes.len()))
        };
        assert_eq!(strides(&[3, 2], 2, 3, &[2]).unwrap(), (2, 6));
        assert_eq!(strides(&[2], 1, 3, &[2]).unwrap(), (0, 6));
        assert_eq!(strides(&[], 0, 3, &[2]).unwrap(), (0, 2));
        assert_eq!(strides(&[1, 1], 1, 3, &[2]).unwrap(), (0, 2));
        assert_eq!(strides(&[3], 1, 3, &[]).unwrap(), (1, 6));
        for (shape, rows, cell) in
            [(&[3usize, 2][..], 2, &[2usize][..]), (&[3], 3, &[2]), (&[3, 1], 3, &[]), (&[1, 1, 1], 3, &[2])]
        {
            assert!(strides(shape, 1, rows, cell).is_err(), "{shape:?}");
        }
    }
}
