//! The result of reading a table: columns by name, or rows as records.

use ndarray::{ArrayD, IxDyn};

use crate::directory::HduKey;
use crate::engine::{Buffer, Op};
use crate::error::{Error, ErrorKind, Result};
use crate::format::DataType;
use crate::memory;
use crate::reader::FitsReader;
use crate::table::{Arrangement, Cell, Column, ColumnKey, Rows, TablePlan, TableRequest, TextForm, find_name};

/// A table of a file, or some of its columns and rows, that can be read.
#[derive(Clone)]
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
    /// [`ErrorKind::Unsupported`] for a variable-length column.
    pub fn read(&self) -> Op<Columns> {
        let request = TableRequest { text: TextForm::Bytes, arrangement: Arrangement::Columns, ..self.request.clone() };
        self.run(request, |plan, buffers| {
            let rows = plan.row_count();
            let columns = plan.columns.into_iter().zip(buffers);
            let read = columns.map(|(column, buffer)| {
                let data = column_data(&column, rows, buffer)?;
                Ok((column.name, data))
            });
            Ok(Columns { rows, columns: read.collect::<Result<_>>()? })
        })
    }

    /// Reads rows as records: the values of a row follow each other without gaps, in native byte order.
    pub fn read_records(&self) -> Op<Records> {
        let request = TableRequest { arrangement: Arrangement::Records, ..self.request.clone() };
        self.run(request, |plan, buffers| {
            let bytes = buffers.into_iter().next().map(crate::engine::Buffer::into_bytes).unwrap_or_default();
            let fields = plan.columns.iter().map(|column| Field::new(column, &plan)).collect();
            Ok(Records { rows: plan.row_count(), record_size: plan.record_size(), fields, bytes })
        })
    }

    fn run<T: Send + 'static>(
        &self,
        request: TableRequest,
        finish: impl FnOnce(TablePlan, Vec<Buffer>) -> Result<T> + Send + 'static,
    ) -> Op<T> {
        self.reader.file.read(self.key.clone(), move |hdu, source| TablePlan::locate(hdu, &request, source), finish)
    }
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

fn array<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|error| Error::argument(error.to_string()))
}

/// Rows that were read as records.
#[derive(Debug)]
pub struct Records {
    /// How many rows there are.
    pub rows: usize,
    /// The size of a row in bytes.
    pub record_size: usize,
    /// What a row consists of, in order.
    pub fields: Vec<Field>,
    /// The rows.
    pub bytes: Vec<u8>,
}

impl Records {
    /// The rows, taken out.
    pub fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
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
    fn new(column: &Column, plan: &TablePlan) -> Self {
        Self { name: column.name.clone(), code: numpy_code(column, plan.form), shape: column.shape.clone() }
    }

    pub(crate) fn of(column: &Column) -> Self {
        let form = crate::table::CellForm { unscaled: false, text: TextForm::Unicode, lenient: false };
        Self { name: column.name.clone(), code: numpy_code(column, form), shape: column.shape.clone() }
    }
}

fn numpy_code(column: &Column, form: crate::table::CellForm) -> String {
    match column.cell {
        Cell::Logical | Cell::Bits => "?".to_owned(),
        Cell::Number(_) => form.output(column).0.code().to_owned(),
        Cell::Complex(DataType::F32) => "c8".to_owned(),
        Cell::Complex(_) => "c16".to_owned(),
        Cell::Text { width } => {
            let letter = if form.text == TextForm::Unicode { 'U' } else { 'S' };
            format!("{letter}{}", width.max(1))
        }
        Cell::Variable => "O".to_owned(),
    }
}
