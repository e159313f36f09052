//! What users do to tables: `hdu[key] = value`, `write`, `append`, columns in and out; blocking and awaitable.

use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use rustfits::{
    CellsFor, ColumnOptions, ColumnPlace, ColumnValues, FitsWriter, HduKey, HeapFormat, Op, Rows, TableCompression,
    TableOptions, TableSelector, TableValues,
};

use crate::error::OrRaise;
use crate::hdu::{Collection, Extension, Hdu};
use crate::header::CardsArgument;
use crate::numbers::{Whole, of_keyword};
use crate::pixels::write_collected;
use crate::table_keys::{RowsArgument, TableKey, column_argument};
use crate::table_values::{
    column_values, declared_column, declared_values, fields_of, has_fields, is_table, named_values, table_values,
};

/// The units of a new table: by name, or one for each column.
#[derive(FromPyObject)]
pub(crate) enum UnitsArgument<'py> {
    Named(Bound<'py, PyDict>),
    Listed(Vec<Option<String>>),
}

/// What a new table is called and has, from the keywords of `write_table` and `create_table_hdu`.
#[derive(Default)]
pub(crate) struct NewTable<'py> {
    pub(crate) extname: Option<String>,
    pub(crate) extver: Option<i64>,
    pub(crate) units: Option<UnitsArgument<'py>>,
    pub(crate) var_dtypes: Option<Bound<'py, PyDict>>,
    pub(crate) bit_columns: Option<Vec<String>>,
    pub(crate) compress: Option<TableCompression>,
    pub(crate) heap_format: Option<HeapFormatArgument>,
    pub(crate) formats: Option<Bound<'py, PyDict>>,
    pub(crate) header: Option<CardsArgument>,
    pub(crate) before: Option<HduKey>,
}

impl NewTable<'_> {
    /// What `fits.write_table(data, ...)` does.
    pub(crate) fn write(
        self,
        writer: &FitsWriter,
        data: &Bound<'_, PyAny>,
        names: Option<Vec<String>>,
    ) -> PyResult<Op<usize>> {
        let types = self.array_types()?;
        let kind = |name: &str| match types.iter().any(|(column, _)| is_called(name, column)) {
            true => CellsFor::Variable,
            false => CellsFor::New,
        };
        let columns = declared_values(data, names.as_deref(), &kind)?;
        let options = self.options(columns.names().iter().map(String::as_str))?;
        Ok(writer.write_table(columns, options))
    }

    /// What `fits.create_table_hdu(dtype, nrows, ...)` does.
    pub(crate) fn create(self, writer: &FitsWriter, dtype: &Bound<'_, PyAny>, rows: u64) -> PyResult<Op<usize>> {
        let fields = fields_of(dtype)?;
        let options = self.options(fields.iter().map(|field| field.name.as_str()))?;
        Ok(writer.create_table(fields, rows, options))
    }

    /// What `fits.create_ascii_table_hdu(dtype, nrows, ...)` does.
    pub(crate) fn create_ascii(self, writer: &FitsWriter, dtype: &Bound<'_, PyAny>, rows: u64) -> PyResult<Op<usize>> {
        let fields = fields_of(dtype)?;
        let options = self.options(fields.iter().map(|field| field.name.as_str()))?;
        Ok(writer.create_ascii_table(fields, rows, options))
    }

    /// The types of the arrays of variable-length columns, as numpy names them.
    fn array_types(&self) -> PyResult<Vec<(String, String)>> {
        let Some(types) = &self.var_dtypes else { return Ok(Vec::new()) };
        types.iter().map(|(name, dtype)| Ok((name.extract()?, inner_code(&dtype)?))).collect()
    }

    /// What `rustfits.write(filename, data)` does.
    pub(crate) fn write_file(self, name: PathBuf, append: bool, data: &Bound<'_, PyAny>) -> PyResult<Op<()>> {
        let columns = declared_values(data, None, &|_| CellsFor::New)?;
        let options = self.options(columns.names().iter().map(String::as_str))?;
        Ok(FitsWriter::write_table_file(name, append, columns, options))
    }

    fn options<'n>(self, names: impl ExactSizeIterator<Item = &'n str>) -> PyResult<TableOptions> {
        let array_types = self.array_types()?;
        let formats = self.formats.iter().flatten().map(|(name, format)| Ok((name.extract()?, format.extract()?)));
        let formats = formats.collect::<PyResult<_>>()?;
        let units = match self.units {
            None => Vec::new(),
            Some(UnitsArgument::Named(units)) => units
                .iter()
                .filter(|(_, unit)| !unit.is_none())
                .map(|(name, unit)| Ok((name.extract()?, unit.extract()?)))
                .collect::<PyResult<_>>()?,
            Some(UnitsArgument::Listed(units)) if units.len() != names.len() => {
                let message = format!("there are {} columns and {} units", names.len(), units.len());
                return Err(PyValueError::new_err(message));
            }
            Some(UnitsArgument::Listed(units)) => {
                names.zip(units).filter_map(|(name, unit)| Some((name.to_owned(), unit?))).collect()
            }
        };
        let bit_columns = self.bit_columns.unwrap_or_default();
        let header = self.header.map(|cards| cards.0);
        Ok(TableOptions {
            name: self.extname,
            version: self.extver,
            units,
            bit_columns,
            compress: self.compress,
            array_types,
            heap_format: self.heap_format.map(|format| format.0),
            formats,
            header,
            before: self.before,
        })
    }
}

/// `heap_format=`: 'P' or 'Q'.
#[derive(Clone, Copy)]
pub(crate) struct HeapFormatArgument(pub(crate) HeapFormat);

impl<'py> FromPyObject<'_, 'py> for HeapFormatArgument {
    type Error = PyErr;

    fn extract(format: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match format.extract::<String>()?.trim().to_ascii_uppercase().as_str() {
            "P" => Ok(Self(HeapFormat::P)),
            "Q" => Ok(Self(HeapFormat::Q)),
            other => Err(PyValueError::new_err(format!("heap_format '{other}' is not one of 'P', 'Q'"))),
        }
    }
}

/// What numpy calls the type of the arrays of a variable-length column; `S` for text.
fn inner_code(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    let dtype = dtype.py().import("numpy")?.getattr("dtype")?.call1((dtype,))?;
    match dtype.getattr("kind")?.extract::<char>()? {
        'S' | 'U' | 'T' => Ok("S".to_owned()),
        _ => dtype.getattr("str")?.extract(),
    }
}

fn is_called(name: &str, wanted: &str) -> bool {
    name.trim().eq_ignore_ascii_case(wanted.trim())
}

fn whole(hdu: &Hdu) -> TableSelector {
    hdu.reader.table(hdu.info.id())
}

/// What `hdu[key] = value` does.
pub(crate) fn assign(hdu: &Hdu, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Op<()>> {
    let table = whole(hdu);
    if key.is(key.py().Ellipsis()) {
        return Ok(table.write(values_of(value, &names(hdu)?, false)?));
    }
    match key.extract::<TableKey>()? {
        TableKey::Row(row) => {
            let values = values_of(value, &names(hdu)?, true)?;
            Ok(table.rows(Rows::List(vec![row])).write(values))
        }
        TableKey::Rows(rows) => Ok(table.rows(rows).write(values_of(value, &names(hdu)?, false)?)),
        TableKey::Column(name) => Ok(table.write(vec![column_values(&name, value)?])),
        TableKey::Columns(names) => Ok(table.columns(names.clone()).write(values_of(value, &names, false)?)),
    }
}

/// What `hdu["name"][rows] = value` and `hdu[["name", "other"]][rows] = value` do.
pub(crate) fn assign_columns(
    table: &TableSelector,
    names: &[String],
    single: bool,
    rows: Rows,
    value: &Bound<'_, PyAny>,
    one_row: bool,
) -> PyResult<Op<()>> {
    let table = table.clone().rows(rows);
    match names {
        [name] if single && !has_fields(value)? => Ok(table.write(vec![column_values(name, value)?])),
        names => Ok(table.write(values_of(value, names, one_row)?)),
    }
}

fn names(hdu: &Hdu) -> PyResult<Vec<String>> {
    let now = hdu.reader.present(&hdu.info).or_raise()?;
    Ok(now.fields().or_raise()?.into_iter().map(|field| field.name).collect())
}

/// Values for these columns: a structured array or record, a dict, or as many values as there are columns. `one_row`: each is a cell; else each is
/// for all rows, and a list of tuples is rows.
fn values_of(value: &Bound<'_, PyAny>, names: &[String], one_row: bool) -> PyResult<TableValues> {
    if is_table(value)? {
        return table_values(value, None);
    }
    if let Ok(rows) = value.cast::<PyList>()
        && !one_row
        && rows.iter().all(|row| row.is_instance_of::<PyTuple>())
    {
        let builtins = value.py().import("builtins")?;
        let columns = builtins.call_method1("zip", PyTuple::new(value.py(), rows.iter())?)?;
        let columns = columns.try_iter()?.map(|column| builtins.call_method1("list", (column?,)));
        let columns = PyList::new(value.py(), columns.collect::<PyResult<Vec<_>>>()?)?;
        return named_values(names, columns.as_any());
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return named_values(names, value);
    }
    Err(PyValueError::new_err(format!(
        "rows are given as a structured array, a record, a dict, or a tuple of a value for each of {names:?}"
    )))
}

/// What `hdu.write(data, names=...)` does.
pub(crate) fn write_columns(hdu: &Hdu, data: &Bound<'_, PyAny>, names: Option<Vec<String>>) -> PyResult<Op<()>> {
    Ok(whole(hdu).write(table_values(data, names.as_deref())?))
}

/// What `hdu.append(data)` does; `None` where the rows were collected.
pub(crate) fn append(hdu: &Hdu, data: &Bound<'_, PyAny>, names: Option<Vec<String>>) -> PyResult<Option<Op<()>>> {
    let rows = table_values(data, names.as_deref())?;
    if !hdu.is_collecting() {
        return Ok(Some(whole(hdu).append(rows)));
    }
    let rows = data.py().detach(|| rows.into_columns()).or_raise()?;
    // Whoever collects rows often fills one array again and again.
    let own = |rows: Vec<ColumnValues>| Extension::Rows(rows.into_iter().map(ColumnValues::into_owned).collect());
    let size = rows.iter().map(ColumnValues::size).sum();
    Ok(match hdu.collect(rows, size, own) {
        Collection::Closed(rows) => Some(whole(hdu).append(rows)),
        Collection::Kept => None,
        Collection::Full(collected) => Some(write_collected(hdu, collected)),
    })
}

/// Where `insert_column` puts the column, and what it is.
pub(crate) struct Insertion<'a, 'py> {
    pub(crate) position: Option<Whole>,
    pub(crate) after: Option<&'a Bound<'py, PyAny>>,
    pub(crate) before: Option<&'a Bound<'py, PyAny>>,
    pub(crate) unit: Option<String>,
    pub(crate) bits: bool,
    pub(crate) inner_dtype: Option<&'a Bound<'py, PyAny>>,
    pub(crate) heap_format: Option<HeapFormatArgument>,
    pub(crate) format: Option<String>,
}

/// What `hdu.insert_column(name, data, ...)` does.
pub(crate) fn insert_column(
    hdu: &Hdu,
    name: &str,
    data: &Bound<'_, PyAny>,
    insertion: Insertion<'_, '_>,
) -> PyResult<Op<()>> {
    let place = match (insertion.position, insertion.after, insertion.before) {
        (None, None, None) => ColumnPlace::Last,
        (Some(position), None, None) => ColumnPlace::At(position.within("position", i64::MIN..=i64::MAX)?),
        (None, Some(after), None) => ColumnPlace::After(of_keyword("after", after, column_argument)?),
        (None, None, Some(before)) => ColumnPlace::Before(of_keyword("before", before, column_argument)?),
        _ => return Err(PyTypeError::new_err("a column has one place: give position=, after= or before=")),
    };
    let array_type = insertion.inner_dtype.map(|dtype| of_keyword("inner_dtype", dtype, inner_code)).transpose()?;
    let kind = if array_type.is_some() { CellsFor::Variable } else { CellsFor::New };
    let values = declared_column(name, data, kind)?;
    let options = ColumnOptions {
        place,
        unit: insertion.unit,
        bits: insertion.bits,
        array_type,
        heap_format: insertion.heap_format.map(|format| format.0),
        format: insertion.format,
    };
    Ok(whole(hdu).insert_column(values, options))
}

/// What `hdu.delete_column(name)` does.
pub(crate) fn delete_column(hdu: &Hdu, name: &Bound<'_, PyAny>) -> PyResult<Op<()>> {
    Ok(whole(hdu).delete_column(column_argument(name)?))
}

/// What `hdu.truncate(nrows)` does.
pub(crate) fn truncate(hdu: &Hdu, rows: u64) -> Op<()> {
    whole(hdu).truncate(rows)
}

/// What `hdu.repack()` does.
pub(crate) fn repack(hdu: &Hdu) -> Op<()> {
    whole(hdu).repack()
}

/// The rows that a key of lazy columns means, and whether it is a single one.
pub(crate) fn subset_rows(key: &Bound<'_, PyAny>) -> PyResult<(Rows, bool)> {
    if key.is(key.py().Ellipsis()) {
        return Ok((Rows::All, false));
    }
    let rows = key.extract::<RowsArgument>()?.0;
    Ok((rows, crate::keys::integer(key).is_some()))
}
