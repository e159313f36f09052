//! Iteration over tables: by row, and by chunks of rows; in bounded memory.

use pyo3::prelude::*;
use pyo3::types::PyIterator;
use rustfits::{HduInfo, HduKind, RowChunks, TableSelector};

use crate::error::OrRaise;
use crate::records::Structured;
use crate::run::wait;

/// How many rows iteration by row reads at a time.
const ITERATION_ROWS: u64 = 1024;

/// Iterates over a table in chunks of rows.
#[pyclass(module = "rustfits")]
pub(crate) struct ChunkIterator {
    pub(crate) table: TableSelector,
    pub(crate) chunks: RowChunks,
}

impl ChunkIterator {
    fn chunk(&mut self, py: Python<'_>) -> PyResult<Option<Structured>> {
        let Some(rows) = self.chunks.next() else { return Ok(None) };
        wait(py, self.table.clone().rows(rows).read_records()).map(|records| Some(Structured(records)))
    }
}

#[pymethods]
impl ChunkIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Structured>> {
        self.chunk(py)
    }
}

/// Iterates over the rows of a table, some at a time.
#[pyclass(module = "rustfits")]
pub(crate) struct RowIterator {
    chunks: ChunkIterator,
    rows: Option<Py<PyIterator>>,
}

impl RowIterator {
    pub(crate) fn of(table: TableSelector, info: &HduInfo) -> PyResult<Self> {
        // Of a compressed table whole tiles, each of which is unpacked once.
        let rows_each = (info.kind() != HduKind::CompressedTable).then_some(ITERATION_ROWS);
        let chunks = info.row_chunks(rows_each).or_raise()?;
        Ok(Self { chunks: ChunkIterator { table, chunks }, rows: None })
    }
}

#[pymethods]
impl RowIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            if let Some(rows) = &self.rows
                && let Some(row) = rows.bind(py).clone().next()
            {
                return row.map(Some);
            }
            let Some(chunk) = self.chunks.chunk(py)? else { return Ok(None) };
            self.rows = Some(chunk.into_pyobject(py)?.try_iter()?.unbind());
        }
    }
}
