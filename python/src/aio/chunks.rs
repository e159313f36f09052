//! The chunks of a table for `async for`, read ahead.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::lock::Mutex;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use rustfits::RecordStream;

use crate::error::exception;
use crate::records::Structured;
use crate::run::awaitable;

/// Iterates over a table in chunks of rows.
#[pyclass(frozen, module = "rustfits.aio")]
pub(crate) struct ChunkStream(Arc<Mutex<RecordStream>>);

impl ChunkStream {
    pub(crate) fn new(stream: RecordStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }
}

#[pymethods]
impl ChunkStream {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stream = Arc::clone(&self.0);
        awaitable(py, async move {
            match stream.lock().await.next().await {
                Some(records) => records.map(Structured).map_err(exception),
                None => Err(PyStopAsyncIteration::new_err(())),
            }
        })
    }
}
