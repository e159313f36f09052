//! A variable-length column that was read: the values of all rows behind one another, and where each row's begin.

use std::borrow::Cow;

use bytemuck::{CheckedBitPattern, NoUninit};
use ndarray::{ArrayViewD, IxDyn};

use crate::engine::Buffer;
use crate::error::{Error, ErrorKind, Result};
use crate::memory;
use crate::table::significant;

/// The arrays of a variable-length column (FITS 4.0 §7.3.5): the values of all rows in one piece of memory.
///
/// Row `n` has the elements `offsets()[n]..offsets()[n + 1]`, as in an Arrow list.
///
/// # Examples
///
/// ```no_run
/// use rustfits::{ColumnData, blocking::FitsReader};
///
/// let table = FitsReader::open("events.fits")?.table("EVENTS").read()?;
/// if let Some(ColumnData::Variable(adc)) = table.get("ADC") {
///     let first = adc.cell::<f32>(0)?;
///     println!("{} values, {} in the first row", adc.offsets().last().unwrap_or(&0), first.len());
/// }
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Debug)]
pub struct VariableColumn {
    pub(crate) code: &'static str,
    pub(crate) shape: Vec<usize>,
    /// Of text that has several strings in a cell, how many characters each takes.
    pub(crate) text_width: Option<usize>,
    pub(crate) offsets: Vec<usize>,
    pub(crate) values: Buffer,
    /// One byte an element: 1 where it is null.
    pub(crate) mask: Option<Vec<u8>>,
}

/// Types that the elements of a variable-length column can have.
pub trait ArrayElement: CheckedBitPattern + NoUninit {
    /// numpy's code for the type, such as `f4`.
    const CODE: &'static str;
}

macro_rules! array_elements {
    ($($type:ty: $code:literal),*) => {
        $(impl ArrayElement for $type {
            const CODE: &'static str = $code;
        })*
    };
}

array_elements!(bool: "?", u8: "u1", i8: "i1", i16: "i2", u16: "u2", i32: "i4", u32: "u4", i64: "i8", u64: "u8",
    f32: "f4", f64: "f8", [f32; 2]: "c8", [f64; 2]: "c16");

impl VariableColumn {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Where the elements of each row begin; at the end, how many there are.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// numpy's code for the type of an element: `f4`, `?`, `c8`; `S1` for the characters of text.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// All elements of all rows, as bytes in native order.
    pub fn bytes(&self) -> &[u8] {
        self.values.bytes()
    }

    /// The memory of [`VariableColumn::bytes`].
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.values.bytes_mut()
    }

    /// Takes the mask out, if one was read: a byte for each element, 1 where it is null.
    pub fn take_mask(&mut self) -> Option<Vec<u8>> {
        self.mask.take()
    }

    /// Whether arrays may have more than one axis (TDIM).
    pub fn has_shape(&self) -> bool {
        !self.shape.is_empty()
    }

    /// The shape of a row's array, slowest axis first: that of TDIM where it has as many elements, else one axis. Of text with several strings in a cell
    /// ([`VariableColumn::text_width`]) it is that of the strings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`] for a row that was not read.
    pub fn shape(&self, row: usize) -> Result<Cow<'_, [usize]>> {
        let (start, end) = self.ends(row)?;
        let count = self.text_width.map_or(end - start, |width| (end - start).div_ceil(width));
        let fits = self.shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length)) == Some(count);
        Ok(if fits && !self.shape.is_empty() { Cow::from(&self.shape) } else { Cow::from(vec![count]) })
    }

    /// The array of a row, as it lies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`] for a row that was not read, [`ErrorKind::Type`] where the elements are of another type.
    pub fn cell<T: ArrayElement>(&self, row: usize) -> Result<ArrayViewD<'_, T>> {
        let (start, end) = self.ends(row)?;
        let wrong = || Error::new(ErrorKind::Type, format!("the elements are {}, not {}", self.code, T::CODE));
        if T::CODE != self.code {
            return Err(wrong());
        }
        let size = size_of::<T>();
        let bytes = self.bytes().get(start * size..end * size).unwrap_or_default();
        let values = bytemuck::checked::try_cast_slice(bytes).map_err(|_| wrong())?;
        let shape = self.shape(row)?;
        ArrayViewD::from_shape(IxDyn(&shape), values).map_err(|error| Error::argument(error.to_string()))
    }

    /// The text of a row of a string column, without trailing blanks, and without what follows a NUL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`] for a row that was not read, [`ErrorKind::Type`] where the column holds no text.
    pub fn text(&self, row: usize) -> Result<&[u8]> {
        let (start, end) = self.ends(row)?;
        if !self.is_text() {
            return Err(Error::new(ErrorKind::Type, format!("the elements are {}, not characters", self.code)));
        }
        Ok(significant(self.bytes().get(start..end).unwrap_or_default()))
    }

    /// The strings of a row of a column that has several in each ([`VariableColumn::text_width`]), in the order in which they lie, each without trailing
    /// blanks, and without what follows a NUL. What is left at the end is a shorter one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`] for a row that was not read, [`ErrorKind::Type`] where the column has no such cells.
    pub fn texts(&self, row: usize) -> Result<impl ExactSizeIterator<Item = &[u8]>> {
        let (start, end) = self.ends(row)?;
        let width = self.text_width.ok_or_else(|| Error::new(ErrorKind::Type, "a cell is no array of strings"))?;
        Ok(self.bytes().get(start..end).unwrap_or_default().chunks(width).map(significant))
    }

    /// How many characters each string takes at most in a column of text that has several in a cell: TDIM says so with its first length, or TFORM as in
    /// `1PA8(40)` and `1PA(40):SSTR8`. `None` for other columns.
    pub fn text_width(&self) -> Option<usize> {
        self.text_width
    }

    /// Whether the column holds text: a string a row, or several ([`VariableColumn::text_width`]).
    pub fn is_text(&self) -> bool {
        self.code == "S1"
    }

    fn ends(&self, row: usize) -> Result<(usize, usize)> {
        match self.offsets.get(row..).and_then(<[usize]>::first_chunk) {
            Some([start, end]) => Ok((*start, *end)),
            None => Err(Error::new(ErrorKind::Index, format!("row {row} was not read: there are {}", self.rows()))),
        }
    }
}

impl Clone for VariableColumn {
    fn clone(&self) -> Self {
        let Self { code, shape, text_width, offsets, values, mask } = self;
        let (shape, offsets) = (shape.clone(), offsets.clone());
        Self { code, shape, text_width: *text_width, offsets, values: values.copy(), mask: mask.clone() }
    }
}

impl Drop for VariableColumn {
    fn drop(&mut self) {
        let values = std::mem::replace(&mut self.values, Buffer::U8(Vec::new()));
        values.recycle();
        memory::keep(self.mask.take().unwrap_or_default());
    }
}
