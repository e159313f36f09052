//! The one way from an operation to Python: waited for with the GIL released and Ctrl-C working.

use pyo3::prelude::*;
use rustfits::Op;

use crate::error::exception;

/// Waits for an operation with the GIL released; a signal (Ctrl-C) stops it.
pub(crate) fn wait<T: Send + 'static>(py: Python<'_>, op: Op<T>) -> PyResult<T> {
    let mut raised = None;
    let result = py.detach(|| {
        op.wait_until(|| match Python::attach(|py| py.check_signals()) {
            Ok(()) => false,
            Err(error) => {
                raised = Some(error);
                true
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => result.map_err(exception),
    }
}
