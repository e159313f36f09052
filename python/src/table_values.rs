//! What users give tables: structured arrays, dicts, lists of arrays, as the columns that the crate writes.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use rustfits::{CellsFor, ColumnValues, Field, TableValues};

use crate::array::Lent;
use crate::arrow::{offered, offers};
use crate::cells::{object_values, ragged};
use crate::error::OrRaise;
use crate::pixels::mask_of;

const ACCEPTED: &str = "the data of a table is a structured array, a dict of arrays by column name, a list of arrays with names=, or what offers Arrow's \
     __arrow_c_stream__, such as a data frame";

/// The memory of an array, as all of its columns share it.
type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The columns that data of a table consist of.
pub(crate) fn table_values(data: &Bound<'_, PyAny>, names: Option<&[String]>) -> PyResult<TableValues> {
    declared_values(data, names, &|_| CellsFor::Present)
}

/// As [`table_values`], of columns that may be new ones.
pub(crate) fn declared_values(
    data: &Bound<'_, PyAny>,
    names: Option<&[String]>,
    kind: &dyn Fn(&str) -> CellsFor,
) -> PyResult<TableValues> {
    if let Some(batches) = offered(data)? {
        return Ok(chosen(batches, names));
    }
    if let Ok(columns) = data.cast::<PyDict>() {
        let columns = columns.iter().map(|(name, values)| {
            let name = name.extract::<String>()?;
            declared_column(&name, &values, kind(&name))
        });
        return Ok(chosen(columns.collect::<PyResult<Vec<_>>>()?.into(), names));
    }
    if field_names(data)?.is_some() {
        return Ok(chosen(structured_values(data, kind)?.into(), names));
    }
    let is_list = data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>();
    match names {
        Some(names) if is_list => named_arrays(names, data, kind),
        _ => Err(PyValueError::new_err(ACCEPTED)),
    }
}

/// Arrays that are columns by their order.
pub(crate) fn named_values(names: &[String], arrays: &Bound<'_, PyAny>) -> PyResult<TableValues> {
    named_arrays(names, arrays, &|_| CellsFor::Present)
}

fn named_arrays(names: &[String], arrays: &Bound<'_, PyAny>, kind: &dyn Fn(&str) -> CellsFor) -> PyResult<TableValues> {
    let arrays = arrays.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    if arrays.len() != names.len() {
        let message = format!("there are {} columns and values for {}: {names:?}", names.len(), arrays.len());
        return Err(PyValueError::new_err(message));
    }
    let columns = names.iter().zip(&arrays).map(|(name, values)| declared_column(name, values, kind(name)));
    columns.collect::<PyResult<Vec<_>>>().map(TableValues::from)
}

/// Of columns that have names only those that are named, in that order.
fn chosen(values: TableValues, names: Option<&[String]>) -> TableValues {
    match names {
        Some(names) => values.only(names.to_vec()),
        None => values,
    }
}

/// The names of the fields of a structured array or record; `None` for anything else.
fn field_names(data: &Bound<'_, PyAny>) -> PyResult<Option<Vec<String>>> {
    match data.getattr_opt("dtype")? {
        Some(dtype) => dtype.getattr_opt("names")?.map_or(Ok(None), |names| names.extract()),
        None => Ok(None),
    }
}

/// Whether data can only be a table.
pub(crate) fn is_table(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(has_fields(data)? || offers(data)?)
}

/// Whether data are columns with names, of numpy or in a dict.
pub(crate) fn has_fields(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(data.is_instance_of::<PyDict>() || field_names(data)?.is_some())
}

/// The fields of a structured array, or of one record.
fn structured_values(data: &Bound<'_, PyAny>, kind: &dyn Fn(&str) -> CellsFor) -> PyResult<Vec<ColumnValues>> {
    let py = data.py();
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("asarray", (data,))?;
    let dtype = array.getattr("dtype")?;
    let names: Vec<String> = dtype.getattr("names")?.extract()?;
    let mut shape: Vec<usize> = array.getattr("shape")?.extract()?;
    if shape.is_empty() {
        // A record is a row.
        shape.push(1);
    }
    if shape.len() > 1 {
        let message = format!("the array has {} axes: a table has one, its rows", shape.len());
        return Err(PyValueError::new_err(message));
    }
    if dtype.getattr("hasobject")?.is_truthy()? {
        return names.iter().map(|name| declared_column(name, &data.get_item(name)?, kind(name))).collect();
    }
    let stride: usize = dtype.getattr("itemsize")?.extract()?;
    let memory = memory_of(&array)?;
    let fields = dtype.getattr("fields")?;
    let mask = masks(data)?;
    let columns = names.iter().map(|name| {
        let field = fields.get_item(name)?;
        let start: usize = field.get_item(1)?.extract()?;
        let (code, cell) = element_and_shape(&field.get_item(0)?)?;
        let shape = [shape.as_slice(), &cell].concat();
        let values = ColumnValues::from_memory(name, &code, shape, Arc::clone(&memory), start, stride).or_raise()?;
        match &mask {
            Some(mask) => masked(values, &mask.get_item(name)?),
            None => Ok(values),
        }
    });
    columns.collect()
}

/// The masks of a masked structured array in which something is masked.
fn masks<'py>(data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let masked = data.py().import("numpy.ma")?;
    // Of a structured mask each field counts.
    if !masked.call_method1("isMaskedArray", (data,))?.is_truthy()? {
        return Ok(None);
    }
    masked.call_method1("getmaskarray", (data,)).map(Some)
}

fn masked(values: ColumnValues, mask: &Bound<'_, PyAny>) -> PyResult<ColumnValues> {
    let numpy = mask.py().import("numpy")?;
    let mask = numpy.call_method1("ascontiguousarray", (mask, "u1"))?;
    let mask = mask.call_method1("reshape", (-1,))?;
    values.masked(Lent::of(&mask)?.as_ref().to_vec()).or_raise()
}

/// The type string of a field and the shape of its cells.
fn element_and_shape(dtype: &Bound<'_, PyAny>) -> PyResult<(String, Vec<usize>)> {
    match dtype.getattr("subdtype")?.extract::<Option<(Bound<'_, PyAny>, Vec<usize>)>>()? {
        Some((base, shape)) => Ok((base.getattr("str")?.extract()?, shape)),
        None => Ok((dtype.getattr("str")?.extract()?, Vec::new())),
    }
}

/// One column: an array, a list, or a single value.
pub(crate) fn column_values(name: &str, data: &Bound<'_, PyAny>) -> PyResult<ColumnValues> {
    declared_column(name, data, CellsFor::Present)
}

/// As [`column_values`], of a column that may be a new one.
pub(crate) fn declared_column(name: &str, data: &Bound<'_, PyAny>, kind: CellsFor) -> PyResult<ColumnValues> {
    let numpy = data.py().import("numpy")?;
    let with_masks = masked_together(data)?;
    let data = with_masks.as_ref().unwrap_or(data);
    let mut array = match numpy.call_method1("asarray", (data,)) {
        Ok(array) => array,
        // numpy makes no array of lists of different lengths.
        Err(error) => match ragged(data)? {
            Some(cells) => return object_values(name, &cells, kind),
            None => return Err(error),
        },
    };
    match array.getattr("dtype")?.getattr("kind")?.extract::<char>()? {
        'O' if array.getattr("ndim")?.extract::<usize>()? > 0 => {
            return object_values(name, data_or(data, &array)?, kind);
        }
        'T' => array = fixed_texts(&array)?,
        _ => {}
    }
    let code: String = array.getattr("dtype")?.getattr("str")?.extract()?;
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let itemsize: usize = array.getattr("itemsize")?.extract()?;
    let stride = itemsize * shape.iter().skip(1).product::<usize>();
    let values = ColumnValues::from_memory(name, &code, shape, memory_of(&array)?, 0, stride).or_raise()?;
    match mask_of(data)? {
        Some(mask) => values.masked(mask.as_ref().to_vec()).or_raise(),
        None => Ok(values),
    }
}

/// A list or tuple with masked arrays in it as one masked array, where they are of one shape: numpy's `asarray` loses their masks.
fn masked_together<'py>(data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if !data.is_instance_of::<PyList>() && !data.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let ma = data.py().import("numpy.ma")?;
    let masked = ma.getattr("MaskedArray")?;
    for cell in data.try_iter()? {
        if cell?.is_instance(&masked)? {
            return Ok(ma.call_method1("array", (data,)).ok());
        }
    }
    Ok(None)
}

/// numpy's texts of lengths of their own as those of one width: `astype` does not find the width.
pub(crate) fn fixed_texts<'py>(texts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    texts.py().import("numpy")?.call_method1("array", (texts.call_method0("tolist")?, "U"))
}

/// The data where they are an array, else the array that was made of them.
fn data_or<'a, 'py>(data: &'a Bound<'py, PyAny>, array: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyAny>> {
    Ok(if data.hasattr("dtype")? { data } else { array })
}

/// The memory of an array in C order.
pub(crate) fn memory_of(array: &Bound<'_, PyAny>) -> PyResult<Shared> {
    let numpy = array.py().import("numpy")?;
    if array.getattr("nbytes")?.extract::<usize>()? == 0 {
        return Ok(Arc::new(Vec::new()));
    }
    let array = numpy.call_method1("ascontiguousarray", (array,))?.call_method1("reshape", (-1,))?;
    // Bytes, as not every dtype has a buffer of its own.
    let bytes = array.call_method1("view", ("u1",));
    let bytes = bytes.map_err(|error| {
        let dtype = array.getattr("dtype").map_or_else(|_| "another".to_owned(), |dtype| dtype.to_string());
        let message =
            format!("the values make an array of dtype {dtype}, which can't be written: convert it with astype()");
        let refused = PyTypeError::new_err(message);
        refused.set_cause(array.py(), Some(error));
        refused
    })?;
    Ok(Arc::new(Lent::of(&bytes)?))
}

/// The columns that a dtype describes.
pub(crate) fn fields_of(dtype: &Bound<'_, PyAny>) -> PyResult<Vec<Field>> {
    let dtype = dtype.py().import("numpy")?.getattr("dtype")?.call1((dtype,))?;
    let names: Option<Vec<String>> = dtype.getattr("names")?.extract()?;
    let names = names.ok_or_else(|| {
        PyValueError::new_err("the dtype of a table has fields, such as [('ra', 'f8'), ('id', 'i4')]")
    })?;
    let fields = dtype.getattr("fields")?;
    let columns = names.into_iter().map(|name| {
        let (code, shape) = element_and_shape(&fields.get_item(&name)?.get_item(0)?)?;
        Ok(Field { name, code, shape })
    });
    columns.collect()
}
