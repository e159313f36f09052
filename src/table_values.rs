//! The values that a column of a table is written from.

use std::sync::Arc;

use ndarray::{ArrayBase, CowArray, Data, Dimension};

use crate::error::{Error, Result};
use crate::format::Element;
use crate::table::{GivenColumn, GivenType};
use crate::table_writer::TableOptions;
use crate::variable_column::ArrayElement;

/// The values of one column: an array whose first axis is the rows, or one cell or one element for all rows.
///
/// # Examples
///
/// ```
/// use ndarray::{arr1, arr2};
/// use rustfits::ColumnValues;
///
/// let names = arr1(&["Vega".to_owned(), "Deneb".to_owned()]);
/// let columns = [
///     ColumnValues::from_array("name", &names),
///     ColumnValues::from_array("flux", &arr2(&[[1.5f32, 2.5], [3.5, 4.5]])),
/// ];
/// assert_eq!(columns[0].name(), "name");
/// ```
#[derive(Clone)]
pub struct ColumnValues {
    name: String,
    element: GivenType,
    shape: Vec<usize>,
    memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
    start: usize,
    stride: usize,
    swapped: bool,
    mask: Option<Vec<u8>>,
    /// For arrays of variable length where the elements of each row begin, and how many there are.
    offsets: Option<Vec<usize>>,
    array_shape: Vec<usize>,
    /// Whether the elements of those arrays are whole texts.
    strings: bool,
}

/// Types that the values of a column can be written from.
pub trait ColumnValue: Clone {
    /// numpy's code for the elements, and their bytes.
    #[doc(hidden)]
    fn memory(elements: &[Self]) -> (String, Vec<u8>);
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl ColumnValue for $type {
            fn memory(elements: &[Self]) -> (String, Vec<u8>) {
                (<$type>::DATA_TYPE.code().to_owned(), bytemuck::cast_slice(elements).to_vec())
            }
        }
    )*};
}

numbers!(u8, i8, i16, u16, i32, u32, i64, u64, f32, f64);

impl ColumnValue for bool {
    fn memory(elements: &[Self]) -> (String, Vec<u8>) {
        ("?".to_owned(), elements.iter().map(|&flag| u8::from(flag)).collect())
    }
}

impl ColumnValue for [f32; 2] {
    fn memory(elements: &[Self]) -> (String, Vec<u8>) {
        ("c8".to_owned(), bytemuck::cast_slice(elements).to_vec())
    }
}

impl ColumnValue for [f64; 2] {
    fn memory(elements: &[Self]) -> (String, Vec<u8>) {
        ("c16".to_owned(), bytemuck::cast_slice(elements).to_vec())
    }
}

impl ColumnValue for String {
    fn memory(elements: &[Self]) -> (String, Vec<u8>) {
        let texts: Vec<&str> = elements.iter().map(String::as_str).collect();
        <&str>::memory(&texts)
    }
}

impl ColumnValue for &str {
    fn memory(elements: &[Self]) -> (String, Vec<u8>) {
        let width = elements.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let mut bytes = Vec::with_capacity(elements.len().saturating_mul(4 * width));
        for text in elements {
            let points = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
            bytes.extend(points.flat_map(u32::to_ne_bytes));
        }
        (format!("U{width}"), bytes)
    }
}

impl ColumnValues {
    /// The elements of an array of any memory order: `bool`, a number, a pair of floats for a complex number, `String` or `&str`.
    pub fn from_array<T: ColumnValue, S: Data<Elem = T>, D: Dimension>(
        name: impl Into<String>,
        data: &ArrayBase<S, D>,
    ) -> Self {
        let values: CowArray<'_, T, D> = data.as_standard_layout();
        let (code, bytes) = T::memory(values.as_slice().unwrap_or_default());
        let element = GivenType::from_code(&code).map_or(GivenType::Logical, |(element, _)| element);
        let shape = data.shape().to_vec();
        let cell: usize = shape.iter().skip(1).product();
        let stride = element.size().unwrap_or(0).saturating_mul(cell);
        Self {
            name: name.into(),
            element,
            shape,
            memory: Arc::new(bytes),
            start: 0,
            stride,
            swapped: false,
            mask: None,
            offsets: None,
            array_shape: Vec::new(),
            strings: false,
        }
    }

    /// Arrays of lengths of their own, one for each row: they go into a variable-length column.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{ColumnData, ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let events = ColumnValues::from_cells("adc", &[vec![1i16, 2, 3], vec![], vec![4]]);
    /// fits.write_table(vec![events], TableOptions::named("EVENTS")).wait()?;
    /// let table = fits.reader().table("EVENTS").read().wait()?;
    /// let Some(ColumnData::Variable(adc)) = table.get("adc") else { panic!("not variable") };
    /// assert_eq!((adc.offsets(), adc.cell::<i16>(2)?[0]), (&[0, 3, 3, 4][..], 4));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_cells<T: ArrayElement, C: AsRef<[T]>>(name: impl Into<String>, cells: &[C]) -> Self {
        let elements = cells.iter().map(|cell| cell.as_ref().len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(elements.saturating_mul(size_of::<T>()));
        let mut offsets = Vec::with_capacity(cells.len() + 1);
        offsets.push(0);
        for cell in cells {
            bytes.extend_from_slice(bytemuck::cast_slice(cell.as_ref()));
            offsets.push(offsets.last().copied().unwrap_or(0) + cell.as_ref().len());
        }
        Self {
            name: name.into(),
            element: GivenType::from_code(T::CODE).map_or(GivenType::Logical, |(element, _)| element),
            shape: vec![cells.len()],
            memory: Arc::new(bytes),
            start: 0,
            stride: 0,
            swapped: false,
            mask: None,
            offsets: Some(offsets),
            array_shape: Vec::new(),
            strings: false,
        }
    }

    /// Texts of lengths of their own, one for each row: they go into a variable-length column.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let notes = ColumnValues::from_texts("note", &["", "a long note that few rows have"]);
    /// fits.write_table(vec![notes], TableOptions::named("NOTES")).wait()?;
    /// assert_eq!(fits.reader().header("NOTES").wait()?.get::<String>("TFORM1")?, "1PA(30)");
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_texts<S: AsRef<str>>(name: impl Into<String>, texts: &[S]) -> Self {
        let characters: Vec<Vec<u32>> =
            texts.iter().map(|text| text.as_ref().chars().map(u32::from).collect()).collect();
        let values = Self::from_cells(name, &characters);
        Self { element: GivenType::Characters { width: 1 }, ..values }
    }

    /// Arrays of texts with lengths of their own, one array for each row: they go into a variable-length column.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{ColumnData, ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let names = ColumnValues::from_text_cells("names", &[vec!["Vega", "alpha Lyr"], vec![], vec!["Deneb"]]);
    /// fits.write_table(vec![names], TableOptions::named("STARS")).wait()?;
    /// let table = fits.reader().table("STARS").read().wait()?;
    /// let Some(ColumnData::Variable(names)) = table.get("names") else { panic!("not variable") };
    /// assert_eq!(names.texts(0)?.collect::<Vec<_>>(), [&b"Vega"[..], b"alpha Lyr"]);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_text_cells<S: AsRef<str>, C: AsRef<[S]>>(name: impl Into<String>, cells: &[C]) -> Self {
        let texts: Vec<&str> = cells.iter().flat_map(|cell| cell.as_ref().iter().map(AsRef::as_ref)).collect();
        let (code, bytes) = <&str>::memory(&texts);
        let element = GivenType::from_code(&code).map_or(GivenType::Characters { width: 0 }, |(element, _)| element);
        let counted: Vec<Vec<u8>> = cells.iter().map(|cell| vec![0; cell.as_ref().len()]).collect();
        Self { element, memory: Arc::new(bytes), strings: true, ..Self::from_cells(name, &counted) }
    }

    /// Arrays of lengths of their own that lie one behind the other in memory, of the type that numpy's type string `code` names, `S1` or `U1` for the characters of
    /// texts. `offsets` says where the elements of each row begin, and at the end how many there are. Where all arrays have the same `shape` with more than one axis, it
    /// becomes the TDIM of a new column; else it is empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) for a type that FITS has not, and where the offsets don't ascend from 0 to what the memory holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustfits::ColumnValues;
    ///
    /// // [1], [] and [2, 3] of bytes.
    /// ColumnValues::from_offsets("a", "u1", vec![0, 1, 1, 3], Arc::new(vec![1u8, 2, 3]), vec![])?;
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_offsets(
        name: impl Into<String>,
        code: &str,
        offsets: Vec<usize>,
        memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
        shape: Vec<usize>,
    ) -> Result<Self> {
        Self::of_offsets(name.into(), code, offsets, memory, shape, false)
    }

    /// As [`ColumnValues::from_offsets`] of arrays of texts: `code` is `S8` for texts of at most 8 bytes each, `U8` for code points, and `offsets` counts texts. A column whose
    /// cells are arrays of texts gets them; a new one has TDIM where all arrays are as long, and else names the length of the texts in TFORM (`1PA(24):SSTR8`).
    ///
    /// # Errors
    ///
    /// As for [`ColumnValues::from_offsets`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustfits::ColumnValues;
    ///
    /// // ["ab", "c"], [] and ["d"].
    /// ColumnValues::from_text_offsets("a", "S2", vec![0, 2, 2, 3], Arc::new(*b"abc\0d\0"), vec![])?;
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_text_offsets(
        name: impl Into<String>,
        code: &str,
        offsets: Vec<usize>,
        memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
        shape: Vec<usize>,
    ) -> Result<Self> {
        Self::of_offsets(name.into(), code, offsets, memory, shape, true)
    }

    fn of_offsets(
        name: String,
        code: &str,
        offsets: Vec<usize>,
        memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
        shape: Vec<usize>,
        strings: bool,
    ) -> Result<Self> {
        let (element, swapped) = given_type(code).map_err(|error| error.in_item(|| format!("column '{name}'")))?;
        let size = element.size().unwrap_or(0);
        let last = offsets.last().and_then(|last| last.checked_mul(size));
        let fits = last == Some((*memory).as_ref().len()) && offsets.first() == Some(&0) && offsets.is_sorted();
        if !fits || (!strings && element != element.single()) || (strings && !is_text(element)) {
            let message = "the offsets of arrays ascend from 0 to the number of elements in memory";
            return Err(Error::argument(message).in_item(|| format!("column '{name}'")));
        }
        let rows = offsets.len().saturating_sub(1);
        let array_shape = if shape.len() > 1 { shape } else { Vec::new() };
        Ok(Self {
            name,
            element,
            shape: vec![rows],
            memory,
            start: 0,
            stride: 0,
            swapped,
            mask: None,
            offsets: Some(offsets),
            array_shape,
            strings,
        })
    }

    /// Elements that lie in memory: of the type that numpy's type string `code` names (`<f4`, `|S8`, `|b1`, `c8`), the first row at byte `start`, a row's
    /// elements one behind the other, and `stride` bytes from a row to the next.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) for a type that FITS has not, and where the memory does not hold as many rows.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustfits::ColumnValues;
    ///
    /// // Two records of a big-endian i2 and a byte.
    /// let records = Arc::new(vec![0u8, 1, 9, 0, 2, 9]);
    /// ColumnValues::from_memory("a", ">i2", vec![2], records.clone(), 0, 3)?;
    /// assert!(ColumnValues::from_memory("b", "<f2", vec![2], records, 0, 3).is_err());
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_memory(
        name: impl Into<String>,
        code: &str,
        shape: Vec<usize>,
        memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
        start: usize,
        stride: usize,
    ) -> Result<Self> {
        let name = name.into();
        let refuse = |message: String| Error::argument(message).in_item(|| format!("column '{name}'"));
        let (element, swapped) = given_type(code).map_err(|error| error.in_item(|| format!("column '{name}'")))?;
        let (rows, cell) = shape.split_first().map_or((1, shape.as_slice()), |(&rows, cell)| (rows, cell));
        let cell = cell.iter().try_fold(element.size().unwrap_or(usize::MAX), |size, &length| size.checked_mul(length));
        let end = cell.and_then(|cell| {
            let last = rows.saturating_sub(1).checked_mul(stride)?;
            if rows == 0 { Some(0) } else { last.checked_add(start)?.checked_add(cell) }
        });
        let len = (*memory).as_ref().len();
        if end.is_none_or(|end| end > len) {
            return Err(refuse(format!("an array of shape {shape:?} takes more than the {len} bytes that are given")));
        }
        Ok(Self {
            name,
            element,
            shape,
            memory,
            start,
            stride,
            swapped,
            mask: None,
            offsets: None,
            array_shape: Vec::new(),
            strings: false,
        })
    }

    /// With a byte for each element that is not 0 where there is no value: TNULL is written there into integers, 0 into logicals, NaN into floats,
    /// the empty string into text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the mask has not as many bytes as there are elements.
    pub fn masked(mut self, mask: Vec<u8>) -> Result<Self> {
        let elements = match &self.offsets {
            Some(offsets) => offsets.last().copied().unwrap_or(0),
            None => self.shape.iter().product(),
        };
        if mask.len() != elements {
            let message = format!("the mask has {} bytes for {elements} elements", mask.len());
            return Err(Error::argument(message).in_item(|| format!("column '{}'", self.name)));
        }
        self.mask = mask.iter().any(|&flag| flag != 0).then_some(mask);
        Ok(self)
    }

    /// The name of the column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of the array, that of the rows first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The same with memory of its own, so that what was given may change.
    #[must_use]
    pub fn into_owned(self) -> Self {
        let cell: usize = self.shape.iter().skip(1).product::<usize>().saturating_mul(self.element.size().unwrap_or(0));
        let bytes = (*self.memory).as_ref();
        if self.offsets.is_some() {
            return Self { memory: Arc::new(bytes.to_vec()), ..self };
        }
        let rows = self.shape.first().copied().unwrap_or(1);
        let mut own = Vec::with_capacity(cell.saturating_mul(rows));
        for row in 0..rows {
            let at = self.start + row * self.stride;
            own.extend_from_slice(bytes.get(at..at + cell).unwrap_or_default());
        }
        Self { memory: Arc::new(own), start: 0, stride: cell, ..self }
    }

    /// How many bytes the values take in memory.
    pub fn size(&self) -> usize {
        let elements = match &self.offsets {
            Some(offsets) => offsets.last().copied().unwrap_or(0),
            None => self.shape.iter().product(),
        };
        elements.saturating_mul(self.element.size().unwrap_or(0))
    }

    pub(crate) fn lend(&self) -> GivenColumn<'_> {
        GivenColumn {
            name: &self.name,
            element: self.element,
            shape: &self.shape,
            bytes: (*self.memory).as_ref(),
            start: self.start,
            stride: self.stride,
            swapped: self.swapped,
            mask: self.mask.as_deref(),
            offsets: self.offsets.as_deref(),
            array_shape: &self.array_shape,
            strings: self.strings,
        }
    }
}

/// What a table is written from: the values of its columns; with the feature `arrow` also record batches.
pub struct TableValues {
    source: Source,
    /// Only these columns, in this order.
    names: Option<Vec<String>>,
}

enum Source {
    Columns(Vec<ColumnValues>),
    #[cfg(feature = "arrow")]
    Batches(Box<dyn arrow_array::RecordBatchReader + Send>),
}

impl From<Vec<ColumnValues>> for TableValues {
    fn from(columns: Vec<ColumnValues>) -> Self {
        Self { source: Source::Columns(columns), names: None }
    }
}

#[cfg(feature = "arrow")]
impl From<arrow_array::RecordBatch> for TableValues {
    fn from(batch: arrow_array::RecordBatch) -> Self {
        let schema = batch.schema();
        Self::from_batches(arrow_array::RecordBatchIterator::new([Ok(batch)], schema))
    }
}

impl TableValues {
    /// Arrow record batches (feature `arrow`), which are read when the table is written; [`RecordBatch`](arrow_array::RecordBatch) can be given as it is.
    ///
    /// Nulls are masked values: TNULL among integers, NaN among floats, the empty string, 0 among logicals. The `unit` in a field's metadata is the
    /// column's unit. Texts and dictionaries of them take as many bytes as the longest, `FixedSizeList` is an array in each cell. What FITS has not, such as
    /// time stamps, is refused by the name of the column: cast it before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{Float64Array, RecordBatch, StringArray};
    /// use rustfits::{FitsWriter, TableOptions};
    ///
    /// let name = Arc::new(StringArray::from(vec![Some("Vega"), None]));
    /// let ra = Arc::new(Float64Array::from(vec![279.23, 310.36]));
    /// let batch = RecordBatch::try_from_iter([("name", name as _), ("ra", ra as _)])?;
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_table(batch, TableOptions::named("CAT")).wait()?;
    /// assert_eq!(fits.reader().table("CAT").read().wait()?.array::<f64>("ra")?.as_slice(), Some(&[279.23, 310.36][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "arrow")]
    pub fn from_batches(batches: impl arrow_array::RecordBatchReader + Send + 'static) -> Self {
        Self { source: Source::Batches(Box::new(batches)), names: None }
    }

    /// Of the columns only these, in this order.
    #[must_use]
    pub fn only(self, names: Vec<String>) -> Self {
        Self { names: Some(names), ..self }
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<String> {
        match (&self.names, &self.source) {
            (Some(names), _) => names.clone(),
            (None, Source::Columns(columns)) => columns.iter().map(|column| column.name.clone()).collect(),
            #[cfg(feature = "arrow")]
            (None, Source::Batches(batches)) => {
                batches.schema().fields().iter().map(|field| field.name().clone()).collect()
            }
        }
    }

    /// The values of all columns, in memory: reads the record batches to their end.
    ///
    /// # Errors
    ///
    /// What the batches fail with; [`ErrorKind::Type`](crate::ErrorKind::Type) for columns that FITS can't hold, [`ErrorKind::Key`](crate::ErrorKind::Key) where a chosen
    /// column is not there.
    pub fn into_columns(self) -> Result<Vec<ColumnValues>> {
        Ok(self.resolve(TableOptions::default())?.0)
    }

    /// The values, and the options with what is said about the columns beside them.
    pub(crate) fn resolve(self, options: TableOptions) -> Result<(Vec<ColumnValues>, TableOptions)> {
        let (columns, options) = match self.source {
            Source::Columns(columns) => (columns, options),
            #[cfg(feature = "arrow")]
            Source::Batches(batches) => {
                use crate::arrow::{columns_of, options_of};
                let schema = batches.schema();
                let schema = match &self.names {
                    Some(names) => only_fields(&schema, names)?,
                    None => (*schema).clone(),
                };
                let names: Vec<usize> =
                    schema.fields().iter().filter_map(|field| batches.schema().index_of(field.name()).ok()).collect();
                let batches = batches.map(|batch| batch.and_then(|batch| batch.project(&names)));
                let batches = batches.collect::<std::result::Result<Vec<_>, _>>();
                let batches = batches.map_err(|error| Error::argument(format!("the record batches fail: {error}")))?;
                return Ok((columns_of(&schema, &batches)?, options_of(&schema, options)));
            }
        };
        let Some(names) = self.names else { return Ok((columns, options)) };
        let chosen = names.iter().map(|name| {
            let column = columns.iter().find(|column| &column.name == name);
            column.cloned().ok_or_else(|| not_given(name))
        });
        Ok((chosen.collect::<Result<_>>()?, options))
    }
}

fn not_given(name: &str) -> Error {
    Error::argument(format!("names= has '{name}', which the data have not"))
}

#[cfg(feature = "arrow")]
fn only_fields(schema: &arrow_schema::Schema, names: &[String]) -> Result<arrow_schema::Schema> {
    let fields = names.iter().map(|name| match schema.field_with_name(name) {
        Ok(field) => Ok(field.clone()),
        Err(_) => Err(not_given(name)),
    });
    Ok(arrow_schema::Schema::new(fields.collect::<Result<Vec<_>>>()?))
}

fn is_text(element: GivenType) -> bool {
    matches!(element, GivenType::Bytes { .. } | GivenType::Characters { .. })
}

/// The type that numpy's type string names.
pub(crate) fn given_type(code: &str) -> Result<(GivenType, bool)> {
    GivenType::from_code(code).ok_or_else(|| {
        Error::argument(format!(
            "dtype {code} is not one that FITS tables have: b1, u1 i2 i4 i8 f4 f8, i1 u2 u4 u8, c8 c16, S and U; convert it with astype()"
        ))
    })
}

impl std::fmt::Debug for ColumnValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ColumnValues('{}' {} {:?})", self.name, self.element.code(), self.shape)
    }
}
