//! `hdu["a"]` and `hdu[["a", "b"]]`: columns that are read when rows are asked of them.

use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rustfits::{Rows, TableSelector};

use crate::array::as_array;
use crate::arrow;
use crate::keys::integer;
use crate::pickle::{Reduced, reduce_item};
use crate::records::{Single, Structured};
use crate::run::wait;
use crate::table::AnyTable;
use crate::table_keys::RowsArgument;
use crate::table_write::{assign_columns, subset_rows};

/// Some columns of a table, read when rows are asked of them.
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct ColumnSubset {
    table: TableSelector,
    single: bool,
    /// The table, and the key of it that gave the subset.
    hdu: Py<PyAny>,
    names: Vec<String>,
}

pub(crate) fn subset<'py>(
    hdu: PyRef<'py, AnyTable>,
    table: TableSelector,
    names: Vec<String>,
    single: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let py = hdu.py();
    let table = table.columns(names.clone());
    let hdu = hdu.into_pyobject(py)?.into_any().unbind();
    Ok(Bound::new(py, ColumnSubset { table, single, hdu, names })?.into_any())
}

impl ColumnSubset {
    fn rows<'py>(&self, py: Python<'py>, rows: Rows) -> PyResult<Bound<'py, PyAny>> {
        let records = wait(py, self.table.clone().rows(rows).read_records())?;
        if self.single { Single(records).into_pyobject(py) } else { Structured(records).into_pyobject(py) }
    }
}

#[pymethods]
impl ColumnSubset {
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        match self.names.as_slice() {
            [name] if self.single => reduce_item(py, &self.hdu, name),
            names => reduce_item(py, &self.hdu, names),
        }
    }

    /// Reads the rows, all of them unless given.
    #[pyo3(signature = (*, rows=None))]
    fn read<'py>(&self, py: Python<'py>, rows: Option<RowsArgument>) -> PyResult<Bound<'py, PyAny>> {
        self.rows(py, rows.unwrap_or_default().0)
    }

    /// All rows as an array, for functions of numpy that are given the columns.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        as_array(false, dtype, copy, || self.rows(py, Rows::default()))
    }

    /// These columns as a stream of Arrow record batches, as for the table.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow::stream(py, &self.table)
    }

    /// The schema of `__arrow_c_stream__`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, &self.table)
    }

    /// Writes into these columns.
    ///
    /// Parameters
    /// ----------
    /// data : array_like
    ///     A value for each row, or a single one for all of them; for several columns as for `TableHDU.write`.
    /// rows : slice, int or list of int, optional
    ///     The rows, all of them unless given.
    #[pyo3(signature = (data, *, rows=None))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>, rows: Option<RowsArgument>) -> PyResult<()> {
        let rows = rows.unwrap_or_default().0;
        wait(py, assign_columns(&self.table, &self.names, self.single, rows, data, false)?)
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (rows, one_row) = subset_rows(key)?;
        wait(py, assign_columns(&self.table, &self.names, self.single, rows, value, one_row)?)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, rows: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if rows.is(py.Ellipsis()) {
            return self.rows(py, Rows::All);
        }
        let single_row = integer(rows).is_some();
        let read = self.rows(py, rows.extract::<RowsArgument>()?.0)?;
        if single_row { read.get_item(0) } else { Ok(read) }
    }
}
