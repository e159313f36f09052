//! Cells of lengths of their own that users give: arrays of objects and ragged lists, as variable-length columns.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use rustfits::{CellSurvey, CellsFor, CellsMake, ColumnValues};

use crate::error::OrRaise;
use crate::pixels::mask_of;
use crate::table_values::{column_values, fixed_texts, memory_of};

/// The cells of a column; `None` where nothing is.
type Cells<'py> = Vec<Option<Bound<'py, PyAny>>>;

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
pub(crate) fn object_values(name: &str, data: &Bound<'_, PyAny>, kind: CellsFor) -> PyResult<ColumnValues> {
    let py = data.py();
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
    let mut survey = CellSurvey::new(name, kind);
    let is_text = |cell: &Bound<'_, PyAny>| cell.is_instance_of::<PyString>() || cell.is_instance_of::<PyBytes>();
    for (row, cell) in cells.iter().enumerate() {
        match cell {
            Some(cell) if is_text(cell) => survey.text(row).or_raise()?,
            Some(_) => survey.other(row).or_raise()?,
            None => {}
        }
    }
    if survey.make(cells.len()) == CellsMake::Texts {
        return texts_of_one_width(name, &array, mask.is_some().then_some(data), &cells, &shape);
    }
    if shape.len() != 1 {
        // A table of numbers that only looks like objects.
        let plain = py.import("numpy")?.call_method1("array", (array.call_method0("tolist")?,))?;
        if plain.getattr("dtype")?.getattr("kind")?.extract::<char>()? == 'O' || mask.is_some() {
            return Err(refuse(
                name,
                format!("an array of objects has one axis, its rows; this one has shape {shape:?}"),
            ));
        }
        return column_values(name, &plain);
    }
    if survey.make(cells.len()) == CellsMake::VariableTexts {
        return texts(name, &cells);
    }
    arrays(name, &cells, survey)
}

/// Texts as an array of texts.
fn texts_of_one_width(
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
fn arrays(name: &str, cells: &Cells<'_>, mut survey: CellSurvey) -> PyResult<ColumnValues> {
    let Some(py) = cells.iter().flatten().next().map(Bound::py) else {
        let nothing = Arc::new(Vec::<u8>::new());
        return ColumnValues::from_offsets(name, "f8", vec![0; cells.len() + 1], nothing, Vec::new()).or_raise();
    };
    let numpy = py.import("numpy")?;
    let (mut pieces, mut offsets) = (Vec::with_capacity(cells.len()), vec![0usize]);
    // The type of the last array, which mostly is that of the next one.
    let mut last: Option<(Bound<'_, PyAny>, String)> = None;
    for (row, cell) in cells.iter().enumerate() {
        let mut length = 0;
        if let Some(cell) = cell {
            let array = numpy.call_method1("asanyarray", (cell,));
            let mut array = array.map_err(|_| refuse(name, format!("row {row} holds what no array can be made of")))?;
            let dtype = array.getattr("dtype")?;
            let code = match last.take() {
                Some((known, code)) if known.is(&dtype) => code,
                _ => dtype.getattr("str")?.extract::<String>()?,
            };
            let code = if dtype.getattr("kind")?.extract::<char>()? == 'T' {
                array = fixed_texts(&array)?;
                array.getattr("dtype")?.getattr("str")?.extract()?
            } else {
                code
            };
            let shape: Vec<usize> = array.getattr("shape")?.extract()?;
            survey.array(row, &code, &shape, cell.hasattr("dtype")?).or_raise()?;
            last = Some((dtype, code));
            length = shape.iter().product();
            if length > 0 {
                pieces.push(if shape.len() == 1 { array } else { array.call_method1("reshape", (-1,))? });
            }
        }
        offsets.push(offsets.last().copied().unwrap_or(0) + length);
    }
    let shape = match survey.make(cells.len()) {
        CellsMake::Arrays(shape) => shape,
        _ => return column_values(name, &numpy.call_method1("concatenate", (PyList::new(py, pieces)?,))?),
    };
    let masked = pieces.iter().any(|piece| piece.hasattr("mask").unwrap_or(false));
    let module = if masked { py.import("numpy.ma")? } else { numpy.clone() };
    let all = match pieces.is_empty() {
        true => numpy.call_method1("empty", (0, survey.code().unwrap_or("f8")))?,
        false => module.call_method1("concatenate", (PyList::new(py, pieces)?,))?,
    };
    let code: String = all.getattr("dtype")?.getattr("str")?.extract()?;
    let memory = memory_of(&all)?;
    let values = match survey.are_texts() {
        true => ColumnValues::from_text_offsets(name, &code, offsets, memory, shape),
        false => ColumnValues::from_offsets(name, &code, offsets, memory, shape),
    };
    let values = values.or_raise()?;
    match mask_of(&all)? {
        Some(mask) => values.masked(mask.as_ref().to_vec()).or_raise(),
        None => Ok(values),
    }
}

fn refuse(name: &str, message: String) -> PyErr {
    PyValueError::new_err(format!("column '{name}': {message}; nothing was written"))
}
