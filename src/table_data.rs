//! The result of reading a table: columns by name, or rows as records.

use std::collections::HashSet;

use ndarray::{ArrayD, IxDyn};

use crate::directory::HduKey;
use crate::engine::{Buffer, Op};
use crate::error::{Error, ErrorKind, Result};
use crate::format::DataType;
use crate::memory;
use crate::reader::FitsReader;
use crate::row_chunks::{RecordStream, RowChunks};
use crate::table::{
    Arrangement, Cell, CellForm, Column, ColumnKey, Rows, TablePlan, TableRequest, TextForm, find_name,
};
use crate::table_plan::locate_table;
use crate::variable_column::VariableColumn;

/// A table of a file, or some of its columns and rows, that can be read.
#[derive(Clone, Debug)]
pub struct TableSelector {
    pub(crate) reader: FitsReader,
    pub(crate) key: HduKey,
    pub(crate) request: TableRequest,
}

impl TableSelector {
    pub(crate) fn new(reader: FitsReader, key: HduKey) -> Self {
        let request = TableRequest { lenient: reader.file.lenient(), ..TableRequest::default() };
        Self { reader, key, request }
    }

    /// Only these columns, in this order, by name (in any letter case) or number.
    #[must_use]
    pub fn columns<K: Into<ColumnKey>>(mut self, columns: impl IntoIterator<Item = K>) -> Self {
        self.request.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Only these rows: a range, a slice with a step, or a list.
    #[must_use]
    pub fn rows(mut self, rows: impl Into<Rows>) -> Self {
        self.request.rows = rows.into();
        self
    }

    /// The values as stored, without TSCAL and TZERO.
    #[must_use]
    pub fn unscaled(mut self) -> Self {
        self.request.unscaled = true;
        self
    }

    /// Strings of records as bytes and not as 32-bit characters; for [`TableSelector::read_records`].
    #[must_use]
    pub fn text_as_bytes(mut self) -> Self {
        self.request.text = TextForm::Bytes;
        self
    }

    /// Reads the columns, each into an array of its own whose first axis is the rows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`] for a column that is not there, [`ErrorKind::Index`] for a row out of range,
    /// [`ErrorKind::Illegal`] for a descriptor that leads out of the heap and for a field of an ASCII table that is no number.
    pub fn read(&self) -> Op<Columns> {
        let request = TableRequest {
            text: TextForm::Bytes,
            arrangement: Arrangement::Columns,
            mask: false,
            ..self.request.clone()
        };
        self.run(request, |plan, buffers| {
            let (rows, form) = (plan.row_count, plan.form);
            let (mut fixed, mut arrays) = split(buffers, &plan);
            let mut plans = plan.arrays.into_iter();
            let read = plan.columns.into_iter().map(|column| {
                let data = if column.cell == Cell::Variable {
                    let offsets = plans.next().map(|plan| plan.into_offsets()).unwrap_or_default();
                    let values = arrays.next().ok_or_else(lacking)?;
                    variable_data(variable_column(&column, form, offsets, values, None))?
                } else {
                    column_data(&column, rows, fixed.next().ok_or_else(lacking)?)?
                };
                Ok((column.name, data))
            });
            Ok(Columns { rows, columns: read.collect::<Result<_>>()? })
        })
    }

    /// Also which values are null; for [`TableSelector::read_records`].
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.request.mask = true;
        self
    }

    /// Reads rows as records: the values of a row follow each other without gaps, in native byte order. Variable-length columns are not
    /// in them: their arrays lie by themselves.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::read`].
    pub fn read_records(&self) -> Op<Records> {
        let request = TableRequest { arrangement: Arrangement::Records, ..self.request.clone() };
        let masked = request.mask;
        self.run(request, move |plan, buffers| {
            let form = plan.form;
            let fields = plan.columns.iter().map(|column| Field::new(column, form)).collect();
            let (rows, record_size) = (plan.row_count, plan.record_size);
            let mut buffers = buffers.into_iter();
            let bytes = buffers.next().map(Buffer::into_bytes).unwrap_or_default();
            let mask = if masked { buffers.next().map(Buffer::into_bytes) } else { None };
            let mut arrays = Vec::new();
            let variable = plan.columns.iter().filter(|column| column.cell == Cell::Variable);
            for (column, heap) in variable.zip(plan.arrays) {
                let values = buffers.next().ok_or_else(lacking)?;
                let mask = if masked { buffers.next().map(Buffer::into_bytes) } else { None };
                arrays.push(variable_column(column, form, heap.into_offsets(), values, mask));
            }
            let text_as_bytes = form.text == TextForm::Bytes;
            Ok(Records { rows, record_size, fields, bytes, mask, arrays, text_as_bytes })
        })
    }

    /// Reads rows chunk after chunk, each while the one before is worked on; the chunks are those of [`HduInfo::row_chunks`](crate::HduInfo::row_chunks).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use futures_util::StreamExt;
    /// use rustfits::FitsReader;
    ///
    /// # async fn example() -> rustfits::Result<()> {
    /// let fits = FitsReader::open("https://archive.example/catalogue.fits").await?;
    /// let chunks = fits.hdu(1).await?.row_chunks(Some(100_000))?;
    /// let mut stream = fits.table(1).columns(["ra", "dec"]).stream(chunks);
    /// while let Some(records) = stream.next().await {
    ///     println!("{} rows", records?.rows);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self, chunks: RowChunks) -> RecordStream {
        let (table, mut chunks) = (self.clone(), chunks);
        RecordStream::new(move || Some(table.clone().rows(chunks.next()?).read_records()))
    }

    pub(crate) fn run<T: Send + 'static>(
        &self,
        request: TableRequest,
        finish: impl FnOnce(TablePlan, Vec<Buffer>) -> Result<T> + Send + 'static,
    ) -> Op<T> {
        self.reader.file.read(self.key.clone(), move |hdu, source| locate_table(hdu, &request, source), finish)
    }
}

/// The buffers of the columns in the rows, and those of the variable-length ones.
fn split(mut buffers: Vec<Buffer>, plan: &TablePlan) -> (std::vec::IntoIter<Buffer>, std::vec::IntoIter<Buffer>) {
    let arrays = buffers.split_off(buffers.len().saturating_sub(plan.arrays.len()));
    (buffers.into_iter(), arrays.into_iter())
}

fn lacking() -> Error {
    Error::corrupt("the read gave fewer columns than were asked for: this is a defect of rustfits")
}

/// Columns that were read, in the order in which they were asked for.
#[derive(Clone, Debug)]
pub struct Columns {
    rows: usize,
    columns: Vec<(String, ColumnData)>,
}

impl Columns {
    /// How many rows were read.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The column of this name, in any letter case; an exact match goes before.
    pub fn get(&self, name: &str) -> Option<&ColumnData> {
        let index = find_name(self.names(), name)?;
        self.columns.get(index).map(|(_, data)| data)
    }

    /// The column of this name as an array of `T`: `bool`, a number, or `String`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`] where there is no such column, [`ErrorKind::Type`] where it is of another type.
    pub fn array<T: ColumnElement>(&self, name: &str) -> Result<&ArrayD<T>> {
        let column =
            self.get(name).ok_or_else(|| Error::new(ErrorKind::Key, format!("no column '{name}' was read")))?;
        T::array(column).ok_or_else(|| {
            let message = format!("column '{name}' does not hold {}", std::any::type_name::<T>());
            Error::new(ErrorKind::Type, message)
        })
    }
}

macro_rules! column_data {
    ($($variant:ident($type:ty): $doc:literal),* $(,)?) => {
        /// The values of a column: an array whose first axis is the rows.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum ColumnData {
            $(#[doc = $doc] $variant(ArrayD<$type>),)*
            /// Arrays of variable length.
            Variable(VariableColumn),
        }

        $(impl ColumnElement for $type {
            fn array(column: &ColumnData) -> Option<&ArrayD<Self>> {
                match column {
                    ColumnData::$variant(array) => Some(array),
                    _ => None,
                }
            }
        })*
    };
}

/// Types that the values of a column can have.
pub trait ColumnElement: Sized {
    /// The column's array, if it is of this type.
    fn array(column: &ColumnData) -> Option<&ArrayD<Self>>;
}

column_data! {
    Bool(bool): "Logicals and bits.",
    U8(u8): "Unsigned bytes.",
    I8(i8): "Signed bytes.",
    I16(i16): "16-bit integers.",
    U16(u16): "Unsigned 16-bit integers.",
    I32(i32): "32-bit integers.",
    U32(u32): "Unsigned 32-bit integers.",
    I64(i64): "64-bit integers.",
    U64(u64): "Unsigned 64-bit integers.",
    F32(f32): "32-bit floats.",
    F64(f64): "64-bit floats.",
    Complex32([f32; 2]): "Pairs of 32-bit floats: real and imaginary part.",
    Complex64([f64; 2]): "Pairs of 64-bit floats: real and imaginary part.",
    Text(String): "Strings, without trailing blanks.",
}

fn column_data(column: &Column, rows: usize, buffer: Buffer) -> Result<ColumnData> {
    let mut shape = vec![rows];
    shape.extend(&column.shape);
    let pairs = "a complex column has an even number of parts";
    Ok(match (column.cell, buffer) {
        (Cell::Logical | Cell::Bits, Buffer::U8(flags)) => {
            ColumnData::Bool(array(&shape, flags.into_iter().map(|flag| flag != 0).collect())?)
        }
        (Cell::Text { width }, Buffer::U8(bytes)) => {
            let texts = bytes.chunks_exact(width.max(1)).map(|text| {
                let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
                String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned()
            });
            ColumnData::Text(array(&shape, texts.collect())?)
        }
        (Cell::Complex(_), Buffer::F32(parts)) => {
            ColumnData::Complex32(array(&shape, bytemuck::try_cast_vec(parts).map_err(|_| Error::corrupt(pairs))?)?)
        }
        (Cell::Complex(_), Buffer::F64(parts)) => {
            ColumnData::Complex64(array(&shape, bytemuck::try_cast_vec(parts).map_err(|_| Error::corrupt(pairs))?)?)
        }
        (_, Buffer::U8(values)) => ColumnData::U8(array(&shape, values)?),
        (_, Buffer::I8(values)) => ColumnData::I8(array(&shape, values)?),
        (_, Buffer::I16(values)) => ColumnData::I16(array(&shape, values)?),
        (_, Buffer::U16(values)) => ColumnData::U16(array(&shape, values)?),
        (_, Buffer::I32(values)) => ColumnData::I32(array(&shape, values)?),
        (_, Buffer::U32(values)) => ColumnData::U32(array(&shape, values)?),
        (_, Buffer::I64(values)) => ColumnData::I64(array(&shape, values)?),
        (_, Buffer::U64(values)) => ColumnData::U64(array(&shape, values)?),
        (_, Buffer::F32(values)) => ColumnData::F32(array(&shape, values)?),
        (_, Buffer::F64(values)) => ColumnData::F64(array(&shape, values)?),
    })
}

/// Text of variable length is a string a row, whatever its length, unless a row has several.
fn variable_data(column: VariableColumn) -> Result<ColumnData> {
    if !column.is_text() || column.text_width().is_some() {
        return Ok(ColumnData::Variable(column));
    }
    let texts = (0..column.rows()).map(|row| Ok(String::from_utf8_lossy(column.text(row)?).into_owned()));
    Ok(ColumnData::Text(array(&[column.rows()], texts.collect::<Result<_>>()?)?))
}

fn variable_column(
    column: &Column,
    form: CellForm,
    offsets: Vec<usize>,
    values: Buffer,
    mask: Option<Vec<u8>>,
) -> VariableColumn {
    let (code, shape, text_width) = match &column.variable {
        Some(variable) => (element_code(variable.cell, form), variable.shape.clone(), variable.text_width),
        None => ("u1", Vec::new(), None),
    };
    VariableColumn { code, shape, text_width, offsets, values, mask }
}

fn array<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|error| Error::argument(error.to_string()))
}

/// Rows that were read as records.
#[derive(Debug)]
#[non_exhaustive]
pub struct Records {
    /// How many rows there are.
    pub rows: usize,
    /// The size of a row in bytes.
    pub record_size: usize,
    /// What a row consists of, in order. Those whose code is `O` are in `arrays` and not in the bytes.
    pub fields: Vec<Field>,
    /// The rows.
    pub bytes: Vec<u8>,
    /// Where asked for, a byte for each value of a row, in the same order: 1 where it is null.
    pub mask: Option<Vec<u8>>,
    /// The variable-length columns, in order.
    pub arrays: Vec<VariableColumn>,
    /// Whether text was asked for as bytes.
    pub text_as_bytes: bool,
}

impl Records {
    /// The rows, taken out.
    pub fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Makes room for so many rows in all.
    pub(crate) fn reserve(&mut self, rows: u64) -> Result<()> {
        let refused = || Error::too_large(format!("{rows} rows are more than the memory holds: read them in chunks"));
        let rows = usize::try_from(rows).map_err(|_| refused())?;
        let more = |held: usize| {
            let all = (held / self.rows.max(1)).checked_mul(rows).ok_or_else(refused)?;
            Ok::<_, Error>(all.saturating_sub(held))
        };
        let (bytes, mask) = (more(self.bytes.len())?, self.mask.as_ref().map(|mask| more(mask.len())).transpose()?);
        self.bytes.try_reserve_exact(bytes).map_err(|_| refused())?;
        if let (Some(mask), Some(more)) = (&mut self.mask, mask) {
            mask.try_reserve_exact(more).map_err(|_| refused())?;
        }
        Ok(())
    }

    /// Puts further rows of the same table behind these; without variable-length columns.
    pub(crate) fn append(&mut self, rows: &Self) {
        self.rows += rows.rows;
        self.bytes.extend_from_slice(&rows.bytes);
        if let (Some(mask), Some(more)) = (&mut self.mask, &rows.mask) {
            mask.extend_from_slice(more);
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        memory::keep(std::mem::take(&mut self.bytes));
    }
}

/// One field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name of the column.
    pub name: String,
    /// numpy's code for the type of an element: `f4`, `?`, `U8`, `S8`, `c8`.
    pub code: String,
    /// The shape of a cell, slowest axis first; empty for a single value.
    pub shape: Vec<usize>,
}

impl Field {
    fn new(column: &Column, form: CellForm) -> Self {
        Self { name: column.name.clone(), code: numpy_code(column, form), shape: column.shape.clone() }
    }

    pub(crate) fn of(column: &Column) -> Self {
        Self::new(column, CellForm { unscaled: false, text: TextForm::Unicode, lenient: false })
    }
}

/// The names of columns, each of its own: one that came before gets a number behind it that makes a name which no column has.
///
/// # Examples
///
/// ```
/// assert_eq!(rustfits::distinct_names(["x", "y", "x"]), ["x", "y", "x_3"]);
/// ```
pub fn distinct_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut taken: HashSet<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut seen = HashSet::new();
    let mut distinct = Vec::with_capacity(names.len());
    for (number, &name) in names.iter().enumerate() {
        let mut own = name.to_owned();
        if !seen.insert(name) {
            let free = (number + 1..).map(|number| format!("{name}_{number}")).find(|name| !taken.contains(name));
            own = free.unwrap_or(own);
            taken.insert(own.clone());
        }
        distinct.push(own);
    }
    distinct
}

fn numpy_code(column: &Column, form: CellForm) -> String {
    match column.cell {
        Cell::Text { width } => {
            let letter = if form.text == TextForm::Unicode { 'U' } else { 'S' };
            format!("{letter}{}", width.max(1))
        }
        cell => element_code(cell, form).to_owned(),
    }
}

/// numpy's code for an element; single characters for text.
fn element_code(cell: Cell, form: CellForm) -> &'static str {
    match cell {
        Cell::Logical | Cell::Bits => "?",
        Cell::Number(scaling) => form.scaling(scaling).data_type().code(),
        Cell::Decimal(decimal) => decimal.data_type(form.unscaled).code(),
        Cell::Complex(scaling) => match form.scaling(scaling).data_type() {
            DataType::F32 => "c8",
            _ => "c16",
        },
        Cell::Text { .. } => "S1",
        Cell::Variable => "O",
    }
}
