//! Rows of tables as numpy arrays: the memory of the rows is adopted; variable-length cells are views of one array a column.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice, PyString, PyTuple};
use rustfits::{Field, Records, VariableColumn, distinct_names};

use crate::array::{masked, ndarray};
use crate::error::OrRaise;

/// Rows as a structured array.
pub(crate) struct Structured(pub(crate) Records);

/// Rows of one column as a plain array.
pub(crate) struct Single(pub(crate) Records);

/// One row as a record.
pub(crate) struct Row(pub(crate) Records);

/// The memory of records, which an array adopts.
struct RecordMemory(Records);

impl AsMut<[u8]> for RecordMemory {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

/// The memory of variable-length cells.
struct CellMemory(VariableColumn);

impl AsMut<[u8]> for CellMemory {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

impl<'py> IntoPyObject<'py> for Structured {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(mut self, py: Python<'py>) -> PyResult<Self::Output> {
        let fields = numpy_fields(&self.0.fields);
        let (rows, mask) = (self.0.rows, self.0.mask.take());
        let arrays = std::mem::take(&mut self.0.arrays);
        let values = if arrays.is_empty() {
            ndarray(py, &[rows], dtype(py, &fields)?, RecordMemory(self.0))?
        } else {
            with_objects(py, rows, &fields, self.0, arrays)?
        };
        let Some(mask) = mask else { return Ok(values) };
        let fixed: Vec<_> = fields.iter().filter(|field| !field.is_object()).map(NumpyField::flags).collect();
        let mut flags = ndarray(py, &[rows], dtype(py, &fixed)?, mask)?;
        if fixed.len() < fields.len() {
            // A variable-length cell is not masked as a whole.
            let all: Vec<_> = fields.iter().map(NumpyField::flags).collect();
            flags = copied(py, rows, &all, &fixed, &flags)?;
        }
        masked(&values, flags)
    }
}

impl<'py> IntoPyObject<'py> for Single {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(mut self, py: Python<'py>) -> PyResult<Self::Output> {
        if let Some(column) = self.0.arrays.pop() {
            let as_bytes = self.0.text_as_bytes;
            return objects(py, column, as_bytes);
        }
        let field = self.0.fields.first().ok_or_else(|| PyTypeError::new_err("no column was read"))?;
        let mut shape = vec![self.0.rows];
        shape.extend(&field.shape);
        let (code, mask) = (field.code.clone(), self.0.mask.take());
        let values = ndarray(py, &shape, code, RecordMemory(self.0))?;
        match mask {
            Some(mask) => masked(&values, ndarray(py, &shape, "?", mask)?),
            None => Ok(values),
        }
    }
}

impl<'py> IntoPyObject<'py> for Row {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        Structured(self.0).into_pyobject(py)?.get_item(0)
    }
}

/// A field of a structured dtype.
struct NumpyField {
    name: String,
    code: String,
    shape: Vec<usize>,
}

impl NumpyField {
    fn is_object(&self) -> bool {
        self.code == "O"
    }

    /// The field of the mask.
    fn flags(&self) -> Self {
        Self { name: self.name.clone(), code: "?".to_owned(), shape: self.shape.clone() }
    }
}

/// numpy wants every field to have a name of its own.
fn numpy_fields(fields: &[Field]) -> Vec<NumpyField> {
    let names = distinct_names(fields.iter().map(|field| field.name.as_str()));
    let named = fields.iter().zip(names);
    named.map(|(field, name)| NumpyField { name, code: field.code.clone(), shape: field.shape.clone() }).collect()
}

fn dtype<'py>(py: Python<'py>, fields: &[NumpyField]) -> PyResult<Bound<'py, PyAny>> {
    let entries = fields.iter().map(|field| {
        let shape = PyTuple::new(py, &field.shape)?;
        (field.name.as_str(), field.code.as_str(), shape).into_pyobject(py)
    });
    py.import("numpy")?.getattr("dtype")?.call1((PyList::new(py, entries.collect::<PyResult<Vec<_>>>()?)?,))
}

/// The dtype of a row.
pub(crate) fn record_dtype<'py>(py: Python<'py>, fields: &[Field]) -> PyResult<Bound<'py, PyAny>> {
    dtype(py, &numpy_fields(fields))
}

/// A structured array that also has fields of objects: memory that numpy makes itself, as it counts what the objects refer to.
fn with_objects<'py>(
    py: Python<'py>,
    rows: usize,
    fields: &[NumpyField],
    records: Records,
    arrays: Vec<VariableColumn>,
) -> PyResult<Bound<'py, PyAny>> {
    let is_fixed = |field: &&NumpyField| !field.is_object();
    let same = |field: &NumpyField| NumpyField { code: field.code.clone(), ..field.flags() };
    let fixed: Vec<_> = fields.iter().filter(is_fixed).map(same).collect();
    let as_bytes = records.text_as_bytes;
    let values = ndarray(py, &[rows], dtype(py, &fixed)?, RecordMemory(records))?;
    let all = copied(py, rows, fields, &fixed, &values)?;
    for (field, column) in fields.iter().filter(|field| field.is_object()).zip(arrays) {
        all.set_item(&field.name, objects(py, column, as_bytes)?)?;
    }
    Ok(all)
}

/// A new structured array with all fields, of which some are copied from another one and the others are empty.
fn copied<'py>(
    py: Python<'py>,
    rows: usize,
    all: &[NumpyField],
    some: &[NumpyField],
    from: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let array = py.import("numpy")?.call_method1("zeros", (rows, dtype(py, all)?))?;
    for field in some {
        array.set_item(&field.name, from.get_item(&field.name)?)?;
    }
    Ok(array)
}

/// A variable-length column as an array of objects: for each row an array, or its text.
fn objects<'py>(py: Python<'py>, column: VariableColumn, as_bytes: bool) -> PyResult<Bound<'py, PyAny>> {
    let cells = match column.is_text() {
        true if column.text_width().is_some() => string_arrays(py, &column, as_bytes)?,
        true => texts(py, &column, as_bytes)?,
        false => arrays(py, column)?,
    };
    let numpy = py.import("numpy")?;
    numpy.call_method1("fromiter", (&cells, "O", cells.len()))
}

fn texts<'py>(py: Python<'py>, column: &VariableColumn, as_bytes: bool) -> PyResult<Bound<'py, PyList>> {
    let cells = (0..column.rows()).map(|row| text_object(py, column.text(row).or_raise()?, as_bytes));
    PyList::new(py, cells.collect::<PyResult<Vec<_>>>()?)
}

fn text_object<'py>(py: Python<'py>, text: &[u8], as_bytes: bool) -> PyResult<Bound<'py, PyAny>> {
    Ok(if as_bytes { PyBytes::new(py, text).into_any() } else { PyString::from_bytes(py, text)?.into_any() })
}

/// For each row an array of strings.
fn string_arrays<'py>(py: Python<'py>, column: &VariableColumn, as_bytes: bool) -> PyResult<Bound<'py, PyList>> {
    // Each array is as wide as its longest string, and not as the header says.
    let (numpy, letter) = (py.import("numpy")?, if as_bytes { "S" } else { "U" });
    let cells = (0..column.rows()).map(|row| {
        let texts = column.texts(row).or_raise()?;
        let texts = texts.map(|text| text_object(py, text, as_bytes)).collect::<PyResult<Vec<_>>>()?;
        let array = numpy.call_method1("array", (PyList::new(py, texts)?, letter))?;
        array.call_method1("reshape", (PyTuple::new(py, column.shape(row).or_raise()?.iter())?,))
    });
    PyList::new(py, cells.collect::<PyResult<Vec<_>>>()?)
}

fn arrays<'py>(py: Python<'py>, mut column: VariableColumn) -> PyResult<Bound<'py, PyList>> {
    let offsets = column.offsets().to_vec();
    let shapes = (0..column.rows()).map(|row| column.shape(row).map(|shape| shape.into_owned()));
    let shapes: Option<Vec<Vec<usize>>> =
        if column.has_shape() { Some(shapes.collect::<Result<_, _>>().or_raise()?) } else { None };
    let (code, mask) = (column.code(), column.take_mask());
    let total = offsets.last().copied().unwrap_or(0);
    let mut values = ndarray(py, &[total], code, CellMemory(column))?;
    if let Some(mask) = mask {
        values = masked(&values, ndarray(py, &[total], "?", mask)?)?;
    }
    let mut cells = Vec::with_capacity(offsets.len());
    for (row, ends) in offsets.windows(2).enumerate() {
        let [start, end] = ends else { continue };
        let mut cell = values.get_item(PySlice::new(py, *start as isize, *end as isize, 1))?;
        if let Some(shape) = shapes.as_ref().and_then(|shapes| shapes.get(row)).filter(|shape| shape.len() > 1) {
            cell = cell.call_method1(intern!(py, "reshape"), (PyTuple::new(py, shape)?,))?;
        }
        cells.push(cell);
    }
    PyList::new(py, cells)
}
