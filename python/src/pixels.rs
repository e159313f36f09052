//! What users write into images: `hdu[key] = value` and `hdu.write(data, start)`, blocking and awaitable.

use std::sync::PoisonError;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use rustfits::{HduInfo, HduKind, Op, PixelValues};

use crate::array::{Lent, Numbers, is_plain_array};
use crate::error::OrRaise;
use crate::hdu::{Collected, Collection, Extension, Hdu};
use crate::keys::{SectionKey, integer, integers};
use crate::run::{await_op, awaitable, wait};
use crate::table_write::truncate;

/// A scalar or an array that pixels get.
pub(crate) struct PixelArgument(pub(crate) PixelValues);

impl<'py> FromPyObject<'_, 'py> for PixelArgument {
    type Error = PyErr;

    fn extract(data: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let numbers = Numbers::of(&data)?;
        // A number, or a list of numbers, has the type that numpy gives it, and not one that its author chose.
        let chosen = data.hasattr("dtype")? && !numbers.shape.is_empty();
        let mask = mask_of(&data)?;
        let mut values = PixelValues::from_bytes(numbers.data_type, numbers.shape, numbers.values);
        if let Some(mask) = mask {
            values = values.masked(mask.as_ref().to_vec());
        }
        Ok(Self(if chosen { values } else { values.scaled() }))
    }
}

/// The mask of a masked array in which something is masked.
pub(crate) fn mask_of(data: &Bound<'_, PyAny>) -> PyResult<Option<Lent>> {
    // Most often.
    if is_plain_array(data)? {
        return Ok(None);
    }
    let masked = data.py().import("numpy.ma")?;
    if !masked.call_method1("is_masked", (data,))?.is_truthy()? {
        return Ok(None);
    }
    let mask = masked.call_method1("getmaskarray", (data,))?;
    // In C order, and with an axis at least, which a buffer needs.
    let mask = data.py().import("numpy")?.call_method1("ascontiguousarray", (mask, "u1"))?;
    Lent::of(&mask).map(Some)
}

/// Where an array is written: a position for each axis, or the number of the first pixel.
pub(crate) enum StartArgument {
    Position(Vec<u64>),
    Number(u64),
}

impl<'py> FromPyObject<'_, 'py> for StartArgument {
    type Error = PyErr;

    fn extract(start: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let position = |start: i64| {
            let refused = || PyValueError::new_err(format!("start {start} is not a position: it counts from 0"));
            u64::try_from(start).map_err(|_| refused())
        };
        if let Some(start) = integer(&start) {
            return Ok(Self::Number(position(start?)?));
        }
        integers(&start)?.into_iter().map(position).collect::<PyResult<_>>().map(Self::Position)
    }
}

/// What `hdu[key] = value` does.
pub(crate) fn set_section(hdu: &Hdu, section: SectionKey, value: PixelArgument) -> Op<()> {
    hdu.reader.image(hdu.info.id()).section(section.0).write_values(value.0)
}

/// What `hdu.write(data, start)` does.
pub(crate) fn write_data(hdu: &Hdu, data: PixelArgument, start: Option<StartArgument>) -> Op<()> {
    let image = hdu.reader.image(hdu.info.id());
    match start {
        Some(StartArgument::Number(start)) => image.write_flat(start, data.0),
        Some(StartArgument::Position(start)) => image.write_from(start, data.0),
        None => {
            let axes = hdu.info.shape().map_or(0, |shape| shape.len());
            image.write_from(vec![0; axes], data.0)
        }
    }
}

/// What `hdu.extend(data)` does; `None` where the rows were collected.
pub(crate) fn extend(hdu: &Hdu, data: PixelArgument) -> Option<Op<()>> {
    match hdu.collect_pixels(data.0) {
        Collection::Closed(rows) => Some(hdu.reader.image(hdu.info.id()).extend_values(vec![rows])),
        Collection::Kept => None,
        Collection::Full(collected) => Some(write_collected(hdu, collected)),
    }
}

/// What writes rows that were collected, in one change.
pub(crate) fn write_collected(hdu: &Hdu, collected: Vec<Extension>) -> Op<()> {
    let (mut pixels, mut rows) = (Vec::new(), Vec::new());
    for extension in collected {
        match extension {
            Extension::Pixels(values) => pixels.push(values),
            Extension::Rows(values) => rows.push(values),
        }
    }
    match is_table(hdu) {
        true => hdu.reader.table(hdu.info.id()).append_all(rows),
        false => hdu.reader.image(hdu.info.id()).extend_values(pixels),
    }
}

/// What takes rows back that are written.
fn truncated(hdu: &Hdu, rows: u64) -> Op<()> {
    match is_table(hdu) {
        true => truncate(hdu, rows),
        false => hdu.reader.image(hdu.info.id()).truncate(rows),
    }
}

fn is_table(hdu: &Hdu) -> bool {
    matches!(hdu.info.kind(), HduKind::BinaryTable | HduKind::CompressedTable | HduKind::AsciiTable)
}

/// The context that `hdu.extending()` and `hdu.appending()` give.
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct Extending {
    pub(crate) hdu: Py<Hdu>,
}

impl Extending {
    fn begin(&self, py: Python<'_>) -> PyResult<Py<Hdu>> {
        let hdu = self.hdu.get();
        let rows_before = match is_table(hdu) {
            true => hdu.described(py, HduInfo::rows).or_raise()?,
            false => hdu.described(py, HduInfo::shape).or_raise()?.first().copied().unwrap_or(0),
        };
        let mut collected = hdu.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if collected.is_some() {
            return Err(PyRuntimeError::new_err("the rows of this HDU are collected already"));
        }
        *collected = Some(Collected::of(rows_before));
        Ok(self.hdu.clone_ref(py))
    }

    /// What writes the rows; after an exception what takes those back that are written, or nothing.
    fn end(&self, kind: &Bound<'_, PyAny>) -> Option<Op<()>> {
        let hdu = self.hdu.get();
        let collected = hdu.collected.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        match kind.is_none() {
            true => Some(write_collected(hdu, collected.extensions)),
            false => collected.begun.then(|| truncated(hdu, collected.rows_before)),
        }
    }
}

#[pymethods]
impl Extending {
    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<Hdu>> {
        if self.hdu.get().awaited {
            return Err(PyTypeError::new_err("writing the rows is awaited: use `async with`"));
        }
        self.begin(py)
    }

    #[pyo3(signature = (kind, *_error))]
    fn __exit__(&self, py: Python<'_>, kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.end(kind).map_or(Ok(()), |ended| wait(py, ended))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let hdu = self.begin(py)?;
        awaitable(py, async { Ok(hdu) })
    }

    #[pyo3(signature = (kind, *_error))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        kind: &Bound<'py, PyAny>,
        _error: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.end(kind) {
            Some(ended) => await_op(py, ended, |()| ()),
            None => awaitable(py, async { Ok(()) }),
        }
    }
}
