//! Pickling: a handle that only reads goes to another process as the name and the options that open it there.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustfits::FitsReader;

use crate::options::PyRemote;

/// A callable and its arguments, as `__reduce__` gives them.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// How an open file is pickled; a TypeError where opening it again would not give the same.
pub(crate) fn reduce_file<'py>(py: Python<'py>, reader: &FitsReader) -> PyResult<Reduced<'py>> {
    let Some(opening) = reader.opening().filter(|_| !reader.is_closed()) else {
        let message = format!(
            "{}: only a file that is open by its name with mode 'r' and unchanged, its HDUs and their columns can be pickled: pass the bytes or the name",
            reader.name()
        );
        return Err(PyTypeError::new_err(message));
    };
    let remote = opening.options.remote.as_ref().map(PyRemote::from);
    let arguments = (opening.name.as_os_str(), opening.options.lenient, remote).into_pyobject(py)?;
    Ok((arrival(py)?.getattr("opened")?, arguments))
}

/// As [`reduce_file`], for what a key of the file, or of something of it, gives.
pub(crate) fn reduce_item<'py>(
    py: Python<'py>,
    of: impl IntoPyObject<'py>,
    key: impl IntoPyObject<'py>,
) -> PyResult<Reduced<'py>> {
    Ok((arrival(py)?.getattr("item")?, (of, key).into_pyobject(py)?))
}

/// The module whose functions are called where a handle arrives.
fn arrival(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("rustfits._pickle")
}
