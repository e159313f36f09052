//! The table classes of the blocking API.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use rustfits::{ColumnKey, FitsReader, HduId, HduInfo, Op, Records, Rows, TableSelector};

use crate::array::as_array;
use crate::arrow;
use crate::column_subset::subset;
use crate::error::OrRaise;
use crate::hdu::Hdu;
use crate::keys::row_count;
use crate::numbers::Whole;
use crate::pixels::Extending;
use crate::records::{Row, Single, Structured, record_dtype};
use crate::run::wait;
use crate::table_iteration::{ChunkIterator, RowIterator};
use crate::table_keys::{ChunkSize, ColumnsArgument, RowsArgument, TableKey, column_argument};
use crate::table_write::{
    HeapFormatArgument, Insertion, append, assign, delete_column, insert_column, repack, truncate, write_columns,
};

/// What binary and ASCII tables have in common.
#[pyclass(name = "_Table", extends = Hdu, subclass, frozen, module = "rustfits")]
pub(crate) struct AnyTable;

/// A binary table.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("image.fits") as fits:
/// ...     cat = fits["CAT"]
/// ...     print(cat.nrows, cat.colnames, cat["ra"][:3], cat[["ra", "dec"]][5:7].dtype.names)
/// 1200 ('ra', 'dec', 'name') [0. 0. 0.] ('ra', 'dec')
#[pyclass(name = "TableHDU", extends = AnyTable, subclass, frozen, module = "rustfits")]
pub(crate) struct TableHdu;

/// An ASCII table.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("mem://", "w+") as fits:
/// ...     text = fits.create_ascii_table_hdu([("n", "i4"), ("s", "U5")], 2)
/// ...     text["s"] = ["one", "two"]
/// ...     print(text.read())
/// [(0, 'one') (0, 'two')]
#[pyclass(name = "AsciiTableHDU", extends = AnyTable, subclass, frozen, module = "rustfits")]
pub(crate) struct AsciiTableHdu;

/// What is asked of a table, for every face.
pub(crate) fn selector(
    reader: &FitsReader,
    hdu: HduId,
    rows: Option<RowsArgument>,
    columns: Option<ColumnsArgument>,
    scale: bool,
    mask_null: bool,
) -> TableSelector {
    let mut table = reader.table(hdu);
    if let Some(RowsArgument(rows)) = rows {
        table = table.rows(rows);
    }
    if let Some(ColumnsArgument(columns)) = columns {
        table = table.columns(columns);
    }
    if mask_null {
        table = table.masked();
    }
    if scale { table } else { table.unscaled() }
}

/// One column, whole or by rows.
pub(crate) fn column_op(table: TableSelector, name: ColumnKey, as_bytes: bool) -> Op<Records> {
    let table = table.columns([name]);
    if as_bytes { table.text_as_bytes().read_records() } else { table.read_records() }
}

impl AnyTable {
    /// The whole table, to be read as Arrow batches.
    fn for_arrow(slf: &PyRef<'_, Self>) -> PyResult<TableSelector> {
        let hdu = slf.as_super();
        if hdu.awaited {
            let message = "an Arrow stream of a table of rustfits.aio would block the event loop: await read(), or open the file with rustfits.FITS";
            return Err(PyTypeError::new_err(message));
        }
        Ok(hdu.reader.table(hdu.info.id()))
    }

    /// What describes the table, as it is now.
    fn now<T: Send>(slf: &PyRef<'_, Self>, describe: impl FnOnce(&HduInfo) -> T + Send) -> T {
        slf.as_super().described(slf.py(), describe)
    }
}

#[pymethods]
impl AnyTable {
    /// The number of rows.
    #[getter]
    fn nrows(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Self::now(&slf, HduInfo::rows).or_raise()
    }

    /// The number of columns.
    #[getter]
    fn ncols(slf: PyRef<'_, Self>) -> PyResult<usize> {
        Ok(Self::now(&slf, HduInfo::fields).or_raise()?.len())
    }

    /// The names of the columns, as the file has them.
    #[getter]
    fn colnames<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        PyTuple::new(py, Self::now(&slf, HduInfo::fields).or_raise()?.into_iter().map(|field| field.name))
    }

    /// The dtype of a row.
    #[getter]
    fn dtype<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        record_dtype(py, &Self::now(&slf, HduInfo::fields).or_raise()?)
    }

    /// The units of the columns that have one.
    #[getter]
    fn units<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let units = PyDict::new(py);
        for (name, unit) in Self::now(&slf, HduInfo::units).or_raise()? {
            units.set_item(name, unit)?;
        }
        Ok(units)
    }

    /// The number of rows, as a tuple of one.
    #[getter]
    fn shape(slf: PyRef<'_, Self>) -> PyResult<(u64,)> {
        Ok((Self::now(&slf, HduInfo::rows).or_raise()?,))
    }

    fn __len__(slf: PyRef<'_, Self>) -> PyResult<usize> {
        Ok(Self::now(&slf, HduInfo::rows).or_raise()? as usize)
    }

    /// Reads the table, or some of its rows and columns.
    ///
    /// Parameters
    /// ----------
    /// rows : slice, int or list of int, optional
    ///     The rows, in this order, repeats included; all of them unless given.
    /// columns : str, int or list, optional
    ///     The columns, in this order, by name in any letter case or by number; all of them unless given.
    /// scale : bool
    ///     Apply TSCAL and TZERO; False gives the stored values.
    /// mask_null : bool
    ///     Give a masked array in which null values are masked: integers that are TNULL, fields of ASCII tables that read TNULL, logicals
    ///     of 0. Variable-length cells of such columns are masked arrays themselves.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    ///     A structured array in native byte order. A variable-length column is a field of objects: an array a row, a str for text.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     print(cat.read(rows=[2, 0], columns=["b", "a"]))
    /// [(2.5, 3) (0.5, 1)]
    #[pyo3(signature = (*, rows=None, columns=None, scale=true, mask_null=false))]
    fn read(
        slf: PyRef<'_, Self>,
        rows: Option<RowsArgument>,
        columns: Option<ColumnsArgument>,
        scale: bool,
        mask_null: bool,
    ) -> PyResult<Structured> {
        let py = slf.py();
        let hdu = slf.as_super();
        wait(py, selector(&hdu.reader, hdu.info.id(), rows, columns, scale, mask_null).read_records()).map(Structured)
    }

    /// Reads one column as a plain array.
    ///
    /// Parameters
    /// ----------
    /// name : str or int
    ///     The column.
    /// rows : slice, int or list of int, optional
    ///     As for `read`.
    /// as_bytes : bool
    ///     Give text as bytes (dtype `S`; bytes objects where it is of variable length), whatever characters it holds.
    /// scale, mask_null : bool
    ///     As for `read`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     print(cat.read_column("b", rows=slice(None, None, -1)))
    /// [2.5 1.5 0.5]
    #[pyo3(signature = (name, *, rows=None, as_bytes=false, scale=true, mask_null=false))]
    fn read_column(
        slf: PyRef<'_, Self>,
        name: &Bound<'_, PyAny>,
        rows: Option<RowsArgument>,
        as_bytes: bool,
        scale: bool,
        mask_null: bool,
    ) -> PyResult<Single> {
        let py = slf.py();
        let hdu = slf.as_super();
        let key = column_argument(name)?;
        let table = selector(&hdu.reader, hdu.info.id(), rows, None, scale, mask_null);
        wait(py, column_op(table, key, as_bytes)).map(Single)
    }

    /// The whole table as a structured array, for functions of numpy that are given the HDU.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: PyRef<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, hdu) = (slf.py(), slf.as_super());
        let table = hdu.reader.table(hdu.info.id());
        as_array(hdu.awaited, dtype, copy, || Structured(wait(py, table.read_records())?).into_pyobject(py))
    }

    fn __getitem__<'py>(slf: PyRef<'py, Self>, key: TableKey) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let hdu = slf.as_super();
        let table = hdu.reader.table(hdu.info.id());
        match key {
            TableKey::Row(row) => Row(wait(py, table.rows(Rows::List(vec![row])).read_records())?).into_pyobject(py),
            TableKey::Rows(rows) => Structured(wait(py, table.rows(rows).read_records())?).into_pyobject(py),
            TableKey::Column(name) => subset(slf, table, vec![name], true),
            TableKey::Columns(names) => subset(slf, table, names, false),
        }
    }

    fn __setitem__(slf: PyRef<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, hdu) = (slf.py(), slf.as_super());
        if hdu.awaited {
            return Err(PyTypeError::new_err("an assignment can't be awaited: use `await hdu.set(key, value)`"));
        }
        wait(py, assign(hdu, key, value)?)
    }

    /// Writes columns of all rows.
    ///
    /// Parameters
    /// ----------
    /// data : structured array, dict or list of arrays
    ///     Values of any dtype whose numbers fit, which is checked before anything is written; columns are found by their names. Columns with
    ///     TSCAL and TZERO get physical values. What is masked becomes TNULL, NaN, or 0 among logicals. A variable-length column takes an array for each row, as a
    ///     list of arrays or an array of objects; the new arrays go behind those in the heap, and `repack()` reclaims the old ones.
    /// names : list of str, optional
    ///     The columns that a list of arrays is for; of other data, only these.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     cat.write({"a": [4, 5, 6]})
    /// ...     print(cat["a"][:])
    /// [4 5 6]
    #[pyo3(signature = (data, *, names=None))]
    fn write(slf: PyRef<'_, Self>, data: &Bound<'_, PyAny>, names: Option<Vec<String>>) -> PyResult<()> {
        let py = slf.py();
        wait(py, write_columns(slf.as_super(), data, names)?)
    }

    /// Puts rows behind the last one.
    ///
    /// Parameters
    /// ----------
    /// data : structured array, dict or list of arrays
    ///     Values for every column of the table; dtypes as for `write`.
    /// names : list of str, optional
    ///     The columns that a list of arrays is for.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     cat.append({"a": [4], "b": [3.5]})
    /// ...     print(cat.nrows)
    /// 4
    #[pyo3(signature = (data, *, names=None))]
    fn append(slf: PyRef<'_, Self>, data: &Bound<'_, PyAny>, names: Option<Vec<String>>) -> PyResult<()> {
        let py = slf.py();
        append(slf.as_super(), data, names)?.map_or(Ok(()), |op| wait(py, op))
    }

    /// The same as `append`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     cat.extend(cat[:2])
    /// ...     print(cat["a"][:])
    /// [1 2 3 1 2]
    #[pyo3(signature = (data, *, names=None))]
    fn extend(slf: PyRef<'_, Self>, data: &Bound<'_, PyAny>, names: Option<Vec<String>>) -> PyResult<()> {
        Self::append(slf, data, names)
    }

    /// A context in which `append` collects rows, which are written at its end in one change. Whenever more than 64 MiB are collected they are written at once, so that
    /// memory stays bounded. After an exception the table has the rows again that it had before; a process that is killed leaves those that were written. The context is the table itself: `with hdu.appending() as rows: rows.append(...)`.
    /// `async with` for a file of `rustfits.aio`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     with cat.appending() as rows:
    /// ...         for n in range(100):
    /// ...             rows.append({"a": [n], "b": [n / 2]})
    /// ...     print(cat.nrows)
    /// 103
    fn appending(slf: Bound<'_, Self>) -> Extending {
        Extending { hdu: slf.into_super().unbind() }
    }

    /// The same as `appending`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     with cat.extending() as rows:
    /// ...         for n in range(100):
    /// ...             rows.append({"a": [n], "b": [n / 2]})
    /// ...     print(cat.nrows)
    /// 103
    fn extending(slf: Bound<'_, Self>) -> Extending {
        Self::appending(slf)
    }

    /// Puts a column into the table; the keywords of the columns behind it follow.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     Its name.
    /// data : array_like
    ///     A value for each row, or a single one for all of them.
    /// position : int, optional
    ///     The number that it gets, counted from 0; the last one unless given.
    /// after, before : str or int, optional
    ///     Or: the column behind which, or in front of which, it goes.
    /// unit : str, optional
    ///     TUNIT.
    /// bit_packed : bool
    ///     Pack bools as bits.
    /// inner_dtype : dtype, optional
    ///     Make a variable-length column of arrays of this dtype ("S" or "U" for text). Objects that are arrays, and lists of different lengths, make one in any case.
    /// heap_format : 'P' or 'Q', optional
    ///     The descriptors of a variable-length column: of 32 bits, or of 64; P unless the heap needs Q.
    /// format : str, optional
    ///     The format of a column of an ASCII table, such as 'F12.4'; as for `create_ascii_table_hdu` unless given.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     cat.insert_column("mag", [15.5, 16.0, 14.25], unit="mag", after="a")
    /// ...     print(cat.colnames, cat.units)
    /// ('a', 'mag', 'b') {'mag': 'mag'}
    #[pyo3(signature = (name, data, *, position=None, after=None, before=None, unit=None, inner_dtype=None, heap_format=None, bit_packed=false, format=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn insert_column(
        slf: PyRef<'_, Self>,
        name: &str,
        data: &Bound<'_, PyAny>,
        position: Option<Whole>,
        after: Option<&Bound<'_, PyAny>>,
        before: Option<&Bound<'_, PyAny>>,
        unit: Option<String>,
        inner_dtype: Option<&Bound<'_, PyAny>>,
        heap_format: Option<HeapFormatArgument>,
        bit_packed: bool,
        format: Option<String>,
    ) -> PyResult<()> {
        let py = slf.py();
        let insertion = Insertion { position, after, before, unit, bits: bit_packed, inner_dtype, heap_format, format };
        wait(py, insert_column(slf.as_super(), name, data, insertion)?)
    }

    /// Takes a column out of the table, by name in any letter case or by number; the keywords of the columns behind it follow.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     cat.delete_column("a")
    /// ...     print(cat.colnames)
    /// ('b',)
    fn delete_column(slf: PyRef<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        wait(py, delete_column(slf.as_super(), name)?)
    }

    /// Leaves the table its first rows, `nrows` of them. The arrays of the others go out of the end of the heap; `repack()` takes out what is left.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    /// ...     cat.truncate(1)
    /// ...     print(cat.read())
    /// [(1, 0.5)]
    fn truncate(slf: PyRef<'_, Self>, #[pyo3(from_py_with = row_count)] nrows: u64) -> PyResult<()> {
        let py = slf.py();
        wait(py, truncate(slf.as_super(), nrows))
    }

    /// Rewrites the heap without what no row names any more: arrays that were replaced, and those of columns that were deleted. All values stay as they are.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     ragged = fits.write_table({"v": [[1, 2], [3]]}, var_dtypes={"v": "i4"})
    /// ...     ragged["v"][0] = [4, 5, 6, 7]
    /// ...     ragged.repack()
    /// ...     print(ragged["v"][0])
    /// [4 5 6 7]
    fn repack(slf: PyRef<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        wait(py, repack(slf.as_super()))
    }

    /// The table as a stream of Arrow record batches, for what takes one: `polars.DataFrame(hdu)`, `pyarrow.table(hdu)`. Batches are read
    /// when they are asked for, in memory that does not grow with the table. Nulls are null, units in the metadata of the fields.
    ///
    /// Parameters
    /// ----------
    /// requested_schema : optional
    ///     Not looked at, as the interface allows.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        slf: PyRef<'py, Self>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow::stream(slf.py(), &Self::for_arrow(&slf)?)
    }

    /// The schema of `__arrow_c_stream__`.
    fn __arrow_c_schema__<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(slf.py(), &Self::for_arrow(&slf)?)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyResult<RowIterator> {
        let hdu = slf.as_super();
        if hdu.awaited {
            let message = "a table of rustfits.aio can't be iterated over with `for`, which would block the event loop: use `async for \
                           chunk in hdu.iter()` for arrays of rows, `async for row in hdu` for records";
            return Err(PyTypeError::new_err(message));
        }
        let table = hdu.reader.table(hdu.info.id());
        Self::now(&slf, |now| RowIterator::of(table, now))
    }

    /// Iterates over the table in chunks of rows, in memory that does not grow with the table.
    ///
    /// Parameters
    /// ----------
    /// chunksize : int, optional
    ///     How many rows a chunk has; about 8 MiB of them unless given.
    /// columns, scale : as for `read`
    ///
    /// Yields
    /// ------
    /// numpy.ndarray
    ///     What `read` gives for the rows of the chunk.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("image.fits") as fits:
    /// ...     print([len(chunk) for chunk in fits["CAT"].iter(chunksize=500, columns=["ra"])])
    /// [500, 500, 200]
    #[pyo3(signature = (*, chunksize=None, columns=None, scale=true))]
    fn iter(
        slf: PyRef<'_, Self>,
        chunksize: Option<ChunkSize>,
        columns: Option<ColumnsArgument>,
        scale: bool,
    ) -> PyResult<ChunkIterator> {
        let hdu = slf.as_super();
        let chunks = Self::now(&slf, |now| now.row_chunks(chunksize.map(|size| size.0))).or_raise()?;
        Ok(ChunkIterator { table: selector(&hdu.reader, hdu.info.id(), None, columns, scale, false), chunks })
    }
}

#[pymethods]
impl AsciiTableHdu {
    /// The formats of the columns (TFORM), by name: `{"c": "F12.4"}`.
    #[getter]
    fn formats<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let formats = PyDict::new(slf.py());
        for (name, format) in slf.as_super().as_super().described(slf.py(), HduInfo::formats).or_raise()? {
            formats.set_item(name, format)?;
        }
        Ok(formats)
    }
}
