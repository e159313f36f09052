//! Pickling: a handle that only reads goes to another process as the name and the options that open it there.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustfits::FitsReader;

use crate::fits::Fits;
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
    let reopened = py.import("rustfits._rustfits")?.getattr("_reopened")?;
    let arguments = (opening.name.as_os_str(), opening.options.lenient, remote).into_pyobject(py)?;
    Ok((reopened, arguments))
}

/// As [`reduce_file`], for what a key of the file, or of something of it, gives.
pub(crate) fn reduce_item<'py>(
    py: Python<'py>,
    of: impl IntoPyObject<'py>,
    key: impl IntoPyObject<'py>,
) -> PyResult<Reduced<'py>> {
    Ok((py.import("operator")?.getattr("getitem")?, (of, key).into_pyobject(py)?))
}

/// Opens a file that was pickled.
#[pyfunction]
#[pyo3(name = "_reopened")]
pub(crate) fn reopened<'py>(
    py: Python<'py>,
    filename: Bound<'py, PyAny>,
    lenient: bool,
    remote: Option<PyRemote>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item("lenient", lenient)?;
    keywords.set_item("remote", remote)?;
    py.get_type::<Fits>().call((filename, "r"), Some(&keywords))
}
