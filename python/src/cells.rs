//! Cells of lengths of their own that users give: arrays of objects and ragged lists, as variable-length columns.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use rustfits::ColumnValues;

use crate::error::OrRaise;
use crate::pixels::mask_of;
use crate::table_values::{column_values, memory_of};

/// The cells of a column; `None` where nothing is.
type Cells<'py> = Vec<Option<Bound<'py, PyAny>>>;

/// What is known of the column that cells are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// It is there.
    There,
    /// It is made of the cells.
    New,
    /// It is made, and was said to be a variable-length one.
    Variable,
}

/// A sequence whose entries numpy makes no array of: each is a cell.
pub(crate) fn ragged<'py>(data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if !data.is_instance_of::<PyList>() && !data.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let cells = PyList::new(data.py(), data.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
    let array = data.py().import("numpy")?.call_method1("empty", (cells.len(), "O"))?;
    for (row, cell) in cells.iter().enumerate() {
        array.set_item(row, cell)?;
    }
    Ok(Some(array))
}

/// An array of objects as a column. Where all are text it is one of fixed width, unless it was said to be a variable-length one.
pub(crate) fn object_values(name: &str, data: &Bound<'_, PyAny>, kind: ColumnKind) -> PyResult<ColumnValues> {
    let py = data.py();
    let refuse = |message: String| PyValueError::new_err(format!("column '{name}': {message}; nothing was written"));
    let mask = mask_of(data)?;
    let array = py.import("numpy")?.call_method1("asarray", (data,))?;
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let objects = array.call_method1("reshape", (-1,))?.call_method0("tolist")?;
    let is_masked =
        |index: usize| mask.as_ref().is_some_and(|mask| mask.as_ref().get(index).is_some_and(|&flag| flag != 0));
    let cells: Cells<'_> = objects
        .try_iter()?
        .enumerate()
        .map(|(index, cell)| Ok(Some(cell?).filter(|cell| !cell.is_none() && !is_masked(index))))
        .collect::<PyResult<_>>()?;
    let present = || cells.iter().enumerate().filter_map(|(row, cell)| Some((row, cell.as_ref()?)));
    let is_text = |cell: &Bound<'_, PyAny>| cell.is_instance_of::<PyString>() || cell.is_instance_of::<PyBytes>();
    let text = present().find(|(_, cell)| is_text(cell)).map(|(row, _)| row);
    let other = present().find(|(_, cell)| !is_text(cell)).map(|(row, _)| row);
    if let (Some(text), Some(other)) = (text, other) {
        return Err(refuse(format!("row {text} holds text, row {other} does not: a column is of one kind")));
    }
    if text.is_some() && kind != ColumnKind::Variable {
        return fixed_texts(name, &array, mask.is_some().then_some(data), &cells, &shape);
    }
    if shape.len() != 1 {
        // A table of numbers that only looks like objects.
        let plain = py.import("numpy")?.call_method1("array", (array.call_method0("tolist")?,))?;
        if plain.getattr("dtype")?.getattr("kind")?.extract::<char>()? == 'O' || mask.is_some() {
            return Err(refuse(format!("an array of objects has one axis, its rows; this one has shape {shape:?}")));
        }
        return column_values(name, &plain);
    }
    match text {
        Some(_) => texts(name, &cells),
        None => arrays(name, &cells, kind, &refuse),
    }
}

/// Texts as an array of texts.
fn fixed_texts(
    name: &str,
    array: &Bound<'_, PyAny>,
    masked: Option<&Bound<'_, PyAny>>,
    cells: &Cells<'_>,
    shape: &[usize],
) -> PyResult<ColumnValues> {
    let bytes = cells.iter().flatten().any(|cell| cell.is_instance_of::<PyBytes>());
    let numpy = array.py().import("numpy")?;
    let empty =
        || if bytes { PyBytes::new(array.py(), b"").into_any() } else { PyString::new(array.py(), "").into_any() };
    let filled = cells.iter().map(|cell| cell.clone().unwrap_or_else(empty));
    let filled = PyList::new(array.py(), filled)?;
    let texts = numpy.call_method1("array", (filled, if bytes { "S" } else { "U" }))?;
    let texts = texts.call_method1("reshape", (PyTuple::new(array.py(), shape)?,))?;
    let values = column_values(name, &texts)?;
    match masked.map(mask_of).transpose()?.flatten() {
        Some(mask) => values.masked(mask.as_ref().to_vec()).or_raise(),
        None => Ok(values),
    }
}

/// Texts of lengths of their own.
fn texts(name: &str, cells: &Cells<'_>) -> PyResult<ColumnValues> {
    let (mut characters, mut offsets) = (Vec::new(), vec![0]);
    let bytes = cells.iter().flatten().all(|cell| cell.is_instance_of::<PyBytes>());
    for cell in cells {
        match cell {
            Some(cell) if bytes => characters.extend_from_slice(cell.cast::<PyBytes>()?.as_bytes()),
            Some(cell) => match cell.cast::<PyBytes>() {
                Ok(text) => text.as_bytes().iter().for_each(|&byte| characters.extend(u32::from(byte).to_ne_bytes())),
                Err(_) => {
                    let text = cell.extract::<String>()?;
                    text.chars().for_each(|character| characters.extend(u32::from(character).to_ne_bytes()));
                }
            },
            None => {}
        }
        offsets.push(if bytes { characters.len() } else { characters.len() / 4 });
    }
    ColumnValues::from_offsets(name, if bytes { "S1" } else { "U1" }, offsets, Arc::new(characters), Vec::new())
        .or_raise()
}

/// Arrays of lengths of their own, which are of one type.
fn arrays(name: &str, cells: &Cells<'_>, kind: ColumnKind, refuse: &dyn Fn(String) -> PyErr) -> PyResult<ColumnValues> {
    let Some(py) = cells.iter().flatten().next().map(Bound::py) else {
        let nothing = Arc::new(Vec::<u8>::new());
        return ColumnValues::from_offsets(name, "f8", vec![0; cells.len() + 1], nothing, Vec::new()).or_raise();
    };
    let numpy = py.import("numpy")?;
    let mut found = Found::default();
    let (mut pieces, mut offsets) = (Vec::with_capacity(cells.len()), vec![0usize]);
    for (row, cell) in cells.iter().enumerate() {
        if let Some(cell) = cell {
            let array = numpy.call_method1("asanyarray", (cell,));
            let array = array.map_err(|_| refuse(format!("row {row} holds what no array can be made of")))?;
            let length = found.look_at(row, cell, &array, kind, refuse)?;
            offsets.push(offsets.last().copied().unwrap_or(0) + length);
            let flat = if found.is_flat { array } else { array.call_method1("reshape", (-1,))? };
            if length > 0 {
                pieces.push(flat);
            }
        } else {
            offsets.push(offsets.last().copied().unwrap_or(0));
        }
    }
    let masked = pieces.iter().any(|piece| piece.hasattr("mask").unwrap_or(false));
    if found.only_single && kind == ColumnKind::There && pieces.len() == cells.len() {
        // Objects that are numbers.
        return column_values(name, &numpy.call_method1("concatenate", (PyList::new(py, pieces)?,))?);
    }
    let module = if masked { py.import("numpy.ma")? } else { numpy.clone() };
    let all = match pieces.is_empty() {
        true => numpy.call_method1("empty", (0, found.dtype.clone().unwrap_or("f8".into_pyobject(py)?.into_any())))?,
        false => module.call_method1("concatenate", (PyList::new(py, pieces)?,))?,
    };
    let code: String = all.getattr("dtype")?.getattr("str")?.extract()?;
    let memory = memory_of(&all)?;
    let values = ColumnValues::from_offsets(name, &code, offsets, memory, found.common_shape()).or_raise()?;
    match mask_of(&all)? {
        Some(mask) => values.masked(mask.as_ref().to_vec()).or_raise(),
        None => Ok(values),
    }
}

/// What the cells that were looked at have in common.
#[derive(Default)]
struct Found<'py> {
    /// The type of the arrays, and the first row that has it; of lists it is what numpy makes of them.
    dtype: Option<Bound<'py, PyAny>>,
    row: usize,
    /// Whether it is that of a list, whose author chose none.
    from_list: bool,
    shape: Option<Vec<usize>>,
    shapes_differ: bool,
    is_flat: bool,
    /// Whether arrays without an axis are all that was seen.
    only_single: bool,
}

impl<'py> Found<'py> {
    /// Takes in the array of a row; says how many elements it has.
    fn look_at(
        &mut self,
        row: usize,
        cell: &Bound<'py, PyAny>,
        array: &Bound<'py, PyAny>,
        column: ColumnKind,
        refuse: &dyn Fn(String) -> PyErr,
    ) -> PyResult<usize> {
        let axes: usize = array.getattr("ndim")?.extract()?;
        let length: usize = array.getattr("size")?.extract()?;
        self.is_flat = axes == 1;
        self.only_single = axes == 0 && (self.only_single || row == 0);
        if axes == 0 && column == ColumnKind::New {
            return Err(refuse(format!(
                "row {row} holds a single value and not an array: convert the column with astype(), or say that it is a variable-length one with \
                 var_dtypes= or inner_dtype="
            )));
        }
        if axes > 1 || self.shape.is_some() {
            let shape: Vec<usize> = array.getattr("shape")?.extract()?;
            self.shapes_differ |= length > 0 && self.shape.as_ref().is_some_and(|known| *known != shape);
            self.shape.get_or_insert(shape);
        } else if length > 0 {
            self.shapes_differ = true;
        }
        let dtype = array.getattr("dtype")?;
        let kind: char = dtype.getattr("kind")?.extract()?;
        if !"biufc".contains(kind) {
            return Err(refuse(format!(
                "row {row} holds {}, of which no variable-length column is made",
                dtype.str()?
            )));
        }
        // A list without entries is of no type.
        let from_list = !cell.hasattr("dtype")?;
        if length == 0 && from_list {
            return Ok(0);
        }
        match &self.dtype {
            Some(known) if known.is(&dtype) => {}
            Some(known) if !known.eq(&dtype)? => {
                let same =
                    known.call_method1("newbyteorder", ("=",))?.eq(dtype.call_method1("newbyteorder", ("=",))?)?;
                let known_kind: char = known.getattr("kind")?.extract()?;
                let numbers = known_kind != 'b' && kind != 'b';
                if !same && length > 0 && !((column != ColumnKind::New || (from_list && self.from_list)) && numbers) {
                    return Err(refuse(format!(
                        "row {} holds {}, row {row} {}: say the type of the arrays with var_dtypes= or inner_dtype=",
                        self.row,
                        known.str()?,
                        dtype.str()?
                    )));
                }
            }
            Some(_) => {}
            None => (self.dtype, self.row, self.from_list) = (Some(dtype), row, from_list),
        }
        Ok(length)
    }

    /// The shape of all arrays that hold something, where it has more than one axis.
    fn common_shape(self) -> Vec<usize> {
        self.shape.filter(|_| !self.shapes_differ).unwrap_or_default()
    }
}
