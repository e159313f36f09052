//! The table classes of the blocking API, and what users put in their brackets.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PySlice, PyTuple};
use rustfits::{ColumnKey, FitsReader, HduId, HduInfo, Op, Records, Rows, TableSelector};

use crate::array::as_array;
use crate::arrow;
use crate::error::OrRaise;
use crate::hdu::Hdu;
use crate::keys::{integer, integer_array, integer_list, integers, row_count, slice_parts, text, unsupported};
use crate::pickle::{Reduced, reduce_item};
use crate::pixels::Extending;
use crate::records::{Row, Single, Structured, record_dtype};
use crate::run::wait;
use crate::table_iteration::{ChunkIterator, RowIterator};
use crate::table_write::{
    HeapFormatArgument, Insertion, append, assign, assign_columns, delete_column, insert_column, repack, subset_rows,
    truncate, write_columns,
};

const ACCEPTED: &str = "a table key is an int, a slice, a list of ints, a column name or a list of names";
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

/// A table in compressed tiles.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("mem://", "w+") as fits:
/// ...     packed = fits.write_table({"id": np.arange(1000)}, compress=True, ztilelen=100)
/// ...     print(packed.n_tiles, packed.ztile_rows, packed["id"][500])
/// 10 100 500
#[pyclass(name = "CompressedTableHDU", extends = TableHdu, subclass, frozen, module = "rustfits")]
pub(crate) struct CompressedTableHdu;

#[pymethods]
impl CompressedTableHdu {
    /// How each column is compressed, by name: 'GZIP_1', 'GZIP_2', 'RICE_1' or 'NOCOMPRESS'. Columns that have no bytes are not in it.
    #[getter]
    fn compression<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let names = slf.as_super().as_super().as_super().described(py, HduInfo::column_compression).or_raise()?;
        let dict = PyDict::new(py);
        for (name, algorithm) in names {
            dict.set_item(name, algorithm)?;
        }
        Ok(dict)
    }

    /// How many rows a tile has; the last one can have fewer.
    #[getter]
    fn ztile_rows(slf: PyRef<'_, Self>) -> PyResult<u64> {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tile_rows).or_raise()
    }

    /// How many tiles there are.
    #[getter]
    fn n_tiles(slf: PyRef<'_, Self>) -> PyResult<u64> {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tiles).or_raise()
    }

    /// The most bytes of unpacked tiles that are kept for the next rows: 32 MiB unless it was set.
    #[getter]
    fn tile_cache_size(slf: PyRef<'_, Self>) -> u64 {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tile_cache_size)
    }

    /// How many bytes of unpacked tiles are kept. Reads of some rows of a tile keep the columns that they read; reads of all of them don't.
    #[getter]
    fn tile_cache_used(slf: PyRef<'_, Self>) -> u64 {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tile_cache_used)
    }

    /// Sets the most bytes of unpacked tiles that are kept, by all that read this HDU of the open file; 0 keeps none.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_table({"id": np.arange(1000)}, compress=True)
    /// ...     packed.set_tile_cache_size(1 << 20)
    /// ...     print(packed.tile_cache_size)
    /// 1048576
    fn set_tile_cache_size(slf: PyRef<'_, Self>, size: u64) {
        slf.as_super().as_super().as_super().described(slf.py(), |now| now.set_tile_cache_size(size));
    }

    /// Lets the unpacked tiles go.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_table({"id": np.arange(1000)}, compress=True)
    /// ...     row = packed[10]
    /// ...     packed.clear_tile_cache()
    /// ...     print(packed.tile_cache_used)
    /// 0
    fn clear_tile_cache(slf: PyRef<'_, Self>) {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::clear_tile_cache);
    }
}

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
        let size = integer(&size).ok_or_else(|| unsupported(&size, "chunksize= is a number of rows"))??;
        u64::try_from(size)
            .map(Self)
            .map_err(|_| PyValueError::new_err(format!("chunksize is {size}: it is at least 1")))
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
        position: Option<i64>,
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

/// Some columns of a table, read when rows are asked of them.
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct ColumnSubset {
    table: TableSelector,
    single: bool,
    /// The table, and the key of it that gave the subset.
    hdu: Py<PyAny>,
    names: Vec<String>,
}

fn subset<'py>(
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
