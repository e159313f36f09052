//! Reads what users put in brackets: HDU keys and sections.

use std::path::PathBuf;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyEllipsis, PySlice, PyString, PyTuple};
use rustfits::{AxisSection, FitsReader, HduId, HduKey, Section};

use crate::hdu::Hdu;
use crate::numbers::Whole;

/// An HDU key: number, EXTNAME, or (EXTNAME, EXTVER).
pub(crate) struct Key(pub(crate) HduKey);

impl<'py> FromPyObject<'_, 'py> for Key {
    type Error = PyErr;

    fn extract(key: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Some(name) = text(&key)? {
            return Ok(Self(HduKey::Name(name)));
        }
        if let Some(index) = integer(&key) {
            return Ok(Self(HduKey::Index(index?)));
        }
        if let Ok(pair) = key.cast::<PyTuple>()
            && pair.len() == 2
            && let Some(name) = text(&pair.get_item(0)?)?
            && let Some(version) = integer(&pair.get_item(1)?)
        {
            return Ok(Self(HduKey::NameVersion(name, version?)));
        }
        Err(unsupported(&key, "an HDU key is an int, an EXTNAME or a tuple (EXTNAME, EXTVER)"))
    }
}

/// An HDU where one that is there is meant: a key, or the HDU's object.
pub(crate) enum HduArgument {
    Key(HduKey),
    Object(FitsReader, HduId),
}

impl HduArgument {
    /// The key within a file; an HDU of another file is a ValueError.
    pub(crate) fn within(self, file: &FitsReader) -> PyResult<HduKey> {
        match self {
            Self::Key(key) => Ok(key),
            Self::Object(other, id) if other.is_same_file(file) => Ok(id.into()),
            Self::Object(other, _) => {
                let message = format!("the HDU is one of {}, not of {}", other.name(), file.name());
                Err(PyValueError::new_err(message))
            }
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for HduArgument {
    type Error = PyErr;

    fn extract(argument: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match argument.cast::<Hdu>() {
            Ok(hdu) => Ok(Self::Object(hdu.get().reader.clone(), hdu.get().info.id())),
            Err(_) => argument.extract().map(|Key(key)| Self::Key(key)),
        }
    }
}

/// A section of an image.
pub(crate) struct SectionKey(pub(crate) Section);

impl<'py> FromPyObject<'_, 'py> for SectionKey {
    type Error = PyErr;

    fn extract(key: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let axes = match key.cast::<PyTuple>() {
            Ok(axes) => axes.iter().map(|entry| axis(&entry)).collect::<PyResult<_>>()?,
            Err(_) => vec![axis(&key)?],
        };
        Ok(Self(Section(axes)))
    }
}

fn axis(entry: &Bound<'_, PyAny>) -> PyResult<AxisSection> {
    if let Ok(slice) = entry.cast::<PySlice>() {
        let (start, stop, step) = slice_parts(slice)?;
        return Ok(AxisSection::Slice { start, stop, step });
    }
    if entry.is_instance_of::<PyEllipsis>() {
        return Ok(AxisSection::Ellipsis);
    }
    if let Some(index) = integer(entry) {
        return Ok(AxisSection::At(index?));
    }
    integers(entry).map(AxisSection::List)
}

/// Start, stop and step of a slice; a missing step is 1.
pub(crate) fn slice_parts(slice: &Bound<'_, PySlice>) -> PyResult<(Option<i64>, Option<i64>, i64)> {
    let part = |name: &str| -> PyResult<Option<i64>> {
        let value = slice.getattr(name)?;
        if value.is_none() {
            return Ok(None);
        }
        integer(&value).unwrap_or_else(|| Err(unsupported(&value, "the parts of a slice are integers"))).map(Some)
    };
    Ok((part("start")?, part("stop")?, part("step")?.unwrap_or(1)))
}

const ACCEPTED: &str =
    "a key is made of integers, slices, '...' and lists of integers; of a mask take np.flatnonzero(mask)";

/// A list, tuple or one-dimensional array of integers.
pub(crate) fn integers(values: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if values.is_instance_of::<PyString>() || values.is_instance_of::<PyBytes>() || values.is_none() {
        return Err(unsupported(values, ACCEPTED));
    }
    if let Some(integers) = integer_array(values) {
        return integers;
    }
    let entries = values.try_iter().map_err(|_| unsupported(values, ACCEPTED))?;
    integer_list(&entries.collect::<PyResult<Vec<_>>>()?)
}

/// The integers in a list, which may come from an iterator that can't be asked twice.
pub(crate) fn integer_list(entries: &[Bound<'_, PyAny>]) -> PyResult<Vec<i64>> {
    entries.iter().map(|entry| integer(entry).unwrap_or_else(|| Err(unsupported(entry, ACCEPTED)))).collect()
}

/// The integers of an array of such; `None` for anything else.
pub(crate) fn integer_array(values: &Bound<'_, PyAny>) -> Option<PyResult<Vec<i64>>> {
    let kind = values.getattr("dtype").and_then(|dtype| dtype.getattr("kind")?.extract::<char>()).ok()?;
    matches!(kind, 'i' | 'u').then(|| copied(values, kind == 'u'))
}

/// An array of integers goes over in one piece: element by element, 10,000 rows cost more than reading them.
fn copied(values: &Bound<'_, PyAny>, unsigned: bool) -> PyResult<Vec<i64>> {
    let py = values.py();
    let numpy = py.import("numpy")?;
    let mut array = numpy.call_method1("asarray", (values,))?;
    let axes: usize = array.getattr("ndim")?.extract()?;
    if axes != 1 {
        let message = format!("an array of integers that is a key has one axis, this one has {axes}");
        return Err(PyTypeError::new_err(message));
    }
    if unsigned && array.getattr("itemsize")?.extract::<usize>()? == size_of::<u64>() {
        // What i64 can't hold would wrap to a place that counts from the end.
        array = numpy.call_method1("minimum", (array, i64::MAX as u64))?;
    }
    let wide = array.call_method1("astype", ("int64",))?;
    PyBuffer::<i64>::get(&wide)?.to_vec(py)
}

/// The lengths of the axes of a new array: an int or several.
pub(crate) fn lengths(dims: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let accepted = || {
        let name = dims.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("the lengths of axes are an int or a tuple of ints, not a {name} of other things"))
    };
    let one = |entry: &Bound<'_, PyAny>| {
        let length = integer(entry).ok_or_else(accepted)??;
        usize::try_from(length)
            .map_err(|_| PyValueError::new_err(format!("dims: an axis can't have the length {length}")))
    };
    if integer(dims).is_some() {
        return Ok(vec![one(dims)?]);
    }
    dims.try_iter().map_err(|_| accepted())?.map(|entry| one(&entry?)).collect()
}

/// A number of rows: `nrows=`.
pub(crate) fn row_count(count: &Bound<'_, PyAny>) -> PyResult<u64> {
    count.extract::<Whole>()?.within("nrows", 0..=u64::MAX)
}

/// The name of a file that is opened: a str or an os.PathLike.
pub(crate) fn file_name(name: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    name.extract().map_err(|_| {
        let kind = name.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
        let remedy = if name.hasattr("read").unwrap_or(false) {
            "of an open file take FITS.from_bytes(file.read()), or rustfits.stream(file)"
        } else {
            "bytes are opened by FITS.from_bytes"
        };
        PyTypeError::new_err(format!("a file is opened by its name, a str or os.PathLike, not by a {kind}: {remedy}"))
    })
}

/// The text of a str or bytes.
pub(crate) fn text(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Some(text.to_cow()?.into_owned()));
    }
    Ok(value.cast::<PyBytes>().ok().map(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned()))
}

/// An integer, also of numpy; a bool or a float is none. An integer beyond 64 bits is clipped: it is out of range of everything.
pub(crate) fn integer(value: &Bound<'_, PyAny>) -> Option<PyResult<i64>> {
    if value.is_instance_of::<PyBool>() || value.get_type().name().is_ok_and(|name| name == "bool") {
        return None;
    }
    let index = value.call_method0("__index__").ok()?;
    Some(index.extract().or_else(|_| Ok(if index.lt(0)? { i64::MIN } else { i64::MAX })))
}

/// The error for a key of another type.
pub(crate) fn unsupported(key: &Bound<'_, PyAny>, accepted: &str) -> PyErr {
    let name = key.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("a key of type {name} is not supported: {accepted}"))
}
