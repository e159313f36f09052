//! Turns the crate's errors into Python's own exceptions.

use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileNotFoundError, PyIndexError, PyKeyError, PyNotImplementedError, PyOSError, PyPermissionError, PyTimeoutError,
    PyTypeError, PyValueError,
};
use rustfits::{Error, ErrorKind};

/// The exception for an error.
pub(crate) fn exception(error: Error) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
        ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
        ErrorKind::Timeout => PyTimeoutError::new_err(message),
        ErrorKind::Illegal | ErrorKind::Argument => PyValueError::new_err(message),
        ErrorKind::Index => PyIndexError::new_err(message),
        ErrorKind::Key => PyKeyError::new_err(message),
        ErrorKind::Type => PyTypeError::new_err(message),
        ErrorKind::Unsupported => PyNotImplementedError::new_err(message),
        _ => PyOSError::new_err(message),
    }
}

/// Maps the error of a result.
pub(crate) trait OrRaise<T> {
    fn or_raise(self) -> Result<T, PyErr>;
}

impl<T> OrRaise<T> for rustfits::Result<T> {
    fn or_raise(self) -> Result<T, PyErr> {
        self.map_err(exception)
    }
}
