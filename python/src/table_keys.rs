//! Reads what users put in the brackets of a table, and behind `rows=`, `columns=` and `chunksize=`.

use pyo3::prelude::*;
use pyo3::types::PySlice;
use rustfits::{ColumnKey, Rows};

use crate::keys::{integer, integer_array, integer_list, integers, slice_parts, text, unsupported};
use crate::numbers::Whole;

const ACCEPTED: &str = "a table key is an int, a slice, a list of ints, a column name or a list of names";

/// Rows as users name them: None, a slice, or integers.
#[derive(Clone, Default)]
pub(crate) struct RowsArgument(pub(crate) Rows);

impl<'py> FromPyObject<'_, 'py> for RowsArgument {
    type Error = PyErr;

    fn extract(rows: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(slice) = rows.cast::<PySlice>() {
            let (start, stop, step) = slice_parts(&slice)?;
            return Ok(Self(Rows::Slice { start, stop, step }));
        }
        if let Some(index) = integer(&rows) {
            return Ok(Self(Rows::List(vec![index?])));
        }
        integers(&rows).map(|list| Self(Rows::List(list)))
    }
}

/// How many rows a chunk has.
pub(crate) struct ChunkSize(pub(crate) u64);

impl<'py> FromPyObject<'_, 'py> for ChunkSize {
    type Error = PyErr;

    fn extract(size: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        size.extract::<Whole>()?.within("chunksize", 1..=u64::MAX).map(Self)
    }
}

/// Columns as users name them: one name or number, or a list of them.
pub(crate) struct ColumnsArgument(pub(crate) Vec<ColumnKey>);

impl<'py> FromPyObject<'_, 'py> for ColumnsArgument {
    type Error = PyErr;

    fn extract(columns: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Some(key) = column_key(&columns)? {
            return Ok(Self(vec![key]));
        }
        let accepted = "columns= is a name, a number or a list of them";
        let entries = columns.try_iter().map_err(|_| unsupported(&columns, accepted))?;
        let keys = entries.map(|entry| {
            let entry = entry?;
            column_key(&entry)?.ok_or_else(|| unsupported(&entry, accepted))
        });
        Ok(Self(keys.collect::<PyResult<_>>()?))
    }
}

/// One column as users name it.
pub(crate) fn column_argument(name: &Bound<'_, PyAny>) -> PyResult<ColumnKey> {
    column_key(name)?.ok_or_else(|| unsupported(name, "a column is a name or a number"))
}

fn column_key(key: &Bound<'_, PyAny>) -> PyResult<Option<ColumnKey>> {
    if let Some(name) = text(key)? {
        return Ok(Some(ColumnKey::Name(name)));
    }
    integer(key).map(|index| Ok(ColumnKey::Index(index?))).transpose()
}

/// What stands in the brackets of a table.
pub(crate) enum TableKey {
    Row(i64),
    Rows(Rows),
    Column(String),
    Columns(Vec<String>),
}

impl<'py> FromPyObject<'_, 'py> for TableKey {
    type Error = PyErr;

    fn extract(key: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Some(name) = text(&key)? {
            return Ok(Self::Column(name));
        }
        if let Some(index) = integer(&key) {
            return Ok(Self::Row(index?));
        }
        if key.is(key.py().Ellipsis()) {
            return Ok(Self::Rows(Rows::default()));
        }
        if let Ok(slice) = key.cast::<PySlice>() {
            let (start, stop, step) = slice_parts(&slice)?;
            return Ok(Self::Rows(Rows::Slice { start, stop, step }));
        }
        if let Some(rows) = integer_array(&key) {
            return rows.map(|rows| Self::Rows(Rows::List(rows)));
        }
        let entries: Vec<_> = key.try_iter().map_err(|_| unsupported(&key, ACCEPTED))?.collect::<PyResult<_>>()?;
        let names = entries.iter().map(text).collect::<PyResult<Option<Vec<String>>>>()?;
        match names {
            Some(names) if !names.is_empty() => Ok(Self::Columns(names)),
            _ => integer_list(&entries).map(|rows| Self::Rows(Rows::List(rows))),
        }
    }
}
