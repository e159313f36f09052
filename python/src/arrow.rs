//! Tables through Arrow's C stream interface, both ways: capsules with which polars, pandas, pyarrow and DuckDB hand tables to each other.

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rustfits::{BatchReader, Error, ErrorKind, TableSelector, TableValues};

use crate::run::{wait, wait_apart};

/// The table as a capsule with a stream of record batches, each of which is read when it is asked for.
pub(crate) fn stream<'py>(py: Python<'py>, table: &TableSelector) -> PyResult<Bound<'py, PyCapsule>> {
    let batches = Apart(wait(py, table.batches(None))?);
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
}

/// The columns of the table as a capsule with a schema.
pub(crate) fn schema<'py>(py: Python<'py>, table: &TableSelector) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = wait(py, table.batches(None))?.schema();
    let schema = FFI_ArrowSchema::try_from(&*schema).map_err(|error| PyValueError::new_err(error.to_string()))?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

/// Reads batches with the GIL released, whoever asks for them: some consumers hold it, others have never had it.
struct Apart(BatchReader);

impl Iterator for Apart {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.0.next_batch()?;
        let read =
            wait_apart(batch).unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "the interpreter is ending")));
        Some(read.map_err(ArrowError::from))
    }
}

impl RecordBatchReader for Apart {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

/// The stream that an object offers; `None` where it offers none. It is read when it is written.
pub(crate) fn offered(data: &Bound<'_, PyAny>) -> PyResult<Option<TableValues>> {
    let py = data.py();
    let Some(method) = data.getattr_opt(intern!(py, "__arrow_c_stream__"))? else { return Ok(None) };
    let capsule = method.call0()?.cast_into::<PyCapsule>()?;
    let stream = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a stream of Arrow's C interface. It is moved out, so that the capsule no longer releases it.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
    let batches = py.detach(|| RecordBatchStreamReader::try_new(stream)).map_err(|error| {
        let class = data.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        PyTypeError::new_err(format!("{class} gives no table: {error}"))
    })?;
    Ok(Some(TableValues::from_batches(batches)))
}

/// Whether an object offers a table in Arrow's form.
pub(crate) fn offers(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    data.hasattr(intern!(data.py(), "__arrow_c_stream__"))
}
