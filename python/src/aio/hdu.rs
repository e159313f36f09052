//! HDUs whose reads are awaitable. Everything that needs no I/O they inherit from the blocking classes.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rustfits::{FitsReader, HduInfo, HduKind, Rows};

use super::chunks::ChunkStream;
use crate::array::Pixels;
use crate::compressed_table::CompressedTableHdu;
use crate::error::OrRaise;
use crate::hdu::{CompressedImageHdu, Hdu, ImageHdu, read_section};
use crate::keys::{SectionKey, row_count};
use crate::numbers::Whole;
use crate::pixels::{PixelArgument, StartArgument, extend, set_section, write_data};
use crate::records::{Row, Single, Structured};
use crate::run::{await_op, awaitable};
use crate::table::{AnyTable, AsciiTableHdu, TableHdu, column_op, selector};
use crate::table_keys::{ChunkSize, ColumnsArgument, RowsArgument, TableKey, column_argument};
use crate::table_write::{
    HeapFormatArgument, Insertion, append, assign, delete_column, insert_column, repack, truncate, write_columns,
};

/// An HDU with awaitable reads, of the class that fits its kind.
pub(crate) struct AioHdu(pub(crate) FitsReader, pub(crate) HduInfo);

impl<'py> IntoPyObject<'py> for AioHdu {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let Self(reader, info) = self;
        let kind = info.kind();
        let base = PyClassInitializer::from(Hdu::awaited(reader, info));
        Ok(match kind {
            HduKind::BinaryTable => {
                let table = base.add_subclass(AnyTable).add_subclass(TableHdu);
                Bound::new(py, table.add_subclass(AioTableHdu))?.into_any()
            }
            HduKind::CompressedTable => {
                let table = base.add_subclass(AnyTable).add_subclass(TableHdu).add_subclass(CompressedTableHdu);
                Bound::new(py, table.add_subclass(AioCompressedTableHdu))?.into_any()
            }
            HduKind::AsciiTable => {
                let table = base.add_subclass(AnyTable).add_subclass(AsciiTableHdu);
                Bound::new(py, table.add_subclass(AioAsciiTableHdu))?.into_any()
            }
            HduKind::CompressedImage => {
                let image = base.add_subclass(ImageHdu).add_subclass(CompressedImageHdu);
                Bound::new(py, image.add_subclass(AioCompressedImageHdu))?.into_any()
            }
            _ => Bound::new(py, base.add_subclass(ImageHdu).add_subclass(AioImageHdu))?.into_any(),
        })
    }
}

macro_rules! awaitable_image {
    ($class:ident, $base:ident, $name:literal, $($up:ident)+) => {
        #[doc = "An image whose reads and writes are awaitable; otherwise as the blocking class."]
        ///
        /// Examples
        /// --------
        /// >>> async def main():
        /// ...     async with aio.FITS("image.fits") as fits:
        /// ...         sci = await fits["SCI"]
        /// ...         print(sci.shape, await sci[10, 20:23])
        /// >>> asyncio.run(main())
        /// (300, 200) [2020 2021 2022]
        #[pyclass(name = $name, extends = $base, frozen, module = "rustfits.aio")]
        pub(crate) struct $class;

        #[pymethods]
        impl $class {
            /// Reads the image, or a section of it; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("image.fits") as fits:
            /// ...         sci = await fits["SCI"]
            /// ...         print(await sci.read(np.s_[:2, :3]))
            /// >>> asyncio.run(main())
            /// [[  0   1   2]
            ///  [200 201 202]]
            #[pyo3(signature = (section=None, *, scale=true, mask_blank=false))]
            fn read<'py>(
                slf: PyRef<'py, Self>,
                section: Option<SectionKey>,
                scale: bool,
                mask_blank: bool,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, read_section(slf$(.$up())+, section, scale, mask_blank), Pixels)
            }

            fn __getitem__<'py>(slf: PyRef<'py, Self>, section: SectionKey) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, read_section(slf$(.$up())+, Some(section), true, false), Pixels)
            }

            // Without it Python would ask for hdu[0], hdu[1], ... without end, as nothing is read before it is awaited.
            fn __iter__(&self) -> PyResult<Py<PyAny>> {
                Err(PyTypeError::new_err("a loop over the image would block the event loop: use `await hdu.read()`"))
            }

            /// What `hdu[key] = value` is in the blocking class; an awaitable.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         hdu = await fits.write_image(np.zeros((4, 3), "i2"))
            /// ...         await hdu.set(np.s_[1, ::2], 7)
            /// ...         print(await hdu[1])
            /// >>> asyncio.run(main())
            /// [7 0 7]
            fn set<'py>(
                slf: PyRef<'py, Self>,
                key: SectionKey,
                value: PixelArgument,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, set_section(slf$(.$up())+, key, value), |()| ())
            }

            /// Writes an array into the image; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         hdu = await fits.write_image(np.zeros((4, 3), "i2"))
            /// ...         await hdu.write([[1, 2]], start=(1, 1))
            /// ...         print(await hdu[1])
            /// >>> asyncio.run(main())
            /// [0 1 2]
            #[pyo3(signature = (data, start=None))]
            fn write<'py>(
                slf: PyRef<'py, Self>,
                data: PixelArgument,
                start: Option<StartArgument>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, write_data(slf$(.$up())+, data, start), |()| ())
            }

            /// Makes the image longer; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         hdu = await fits.write_image(np.zeros((4, 3), "i2"))
            /// ...         await hdu.extend(np.ones((2, 3)))
            /// ...         print(hdu.shape)
            /// >>> asyncio.run(main())
            /// (6, 3)
            fn extend<'py>(slf: PyRef<'py, Self>, data: PixelArgument) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                match extend(slf$(.$up())+, data) {
                    Some(op) => await_op(py, op, |()| ()),
                    None => awaitable(py, async { Ok(()) }),
                }
            }
        }
    };
}

awaitable_image!(AioImageHdu, ImageHdu, "ImageHDU", as_super as_super);
awaitable_image!(AioCompressedImageHdu, CompressedImageHdu, "CompressedImageHDU", as_super as_super as_super);

macro_rules! awaitable_table {
    ($class:ident, $base:ident, $name:literal, $($up:ident)+) => {
        #[doc = "A table whose reads are awaitable; otherwise as the blocking class."]
        ///
        /// Examples
        /// --------
        /// >>> async def main():
        /// ...     async with aio.FITS("image.fits") as fits:
        /// ...         cat = await fits["CAT"]
        /// ...         print(cat.nrows, (await cat["ra"])[:3])
        /// >>> asyncio.run(main())
        /// 1200 [0. 0. 0.]
        #[pyclass(name = $name, extends = $base, frozen, module = "rustfits.aio")]
        pub(crate) struct $class;

        #[pymethods]
        impl $class {
            /// Reads the table, or some of its rows and columns; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         print(await cat.read(rows=[2, 0], columns=["b", "a"]))
            /// >>> asyncio.run(main())
            /// [(2.5, 3) (0.5, 1)]
            #[pyo3(signature = (*, rows=None, columns=None, scale=true, mask_null=false))]
            fn read<'py>(
                slf: PyRef<'py, Self>,
                rows: Option<RowsArgument>,
                columns: Option<ColumnsArgument>,
                scale: bool,
                mask_null: bool,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                let hdu = slf$(.$up())+;
                let table = selector(&hdu.reader, hdu.info.id(), rows, columns, scale, mask_null);
                await_op(py, table.read_records(), Structured)
            }

            /// Reads one column as a plain array; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         print(await cat.read_column("b"))
            /// >>> asyncio.run(main())
            /// [0.5 1.5 2.5]
            #[pyo3(signature = (name, *, rows=None, as_bytes=false, scale=true, mask_null=false))]
            fn read_column<'py>(
                slf: PyRef<'py, Self>,
                name: &Bound<'py, PyAny>,
                rows: Option<RowsArgument>,
                as_bytes: bool,
                scale: bool,
                mask_null: bool,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                let hdu = slf$(.$up())+;
                let table = selector(&hdu.reader, hdu.info.id(), rows, None, scale, mask_null);
                await_op(py, column_op(table, column_argument(name)?, as_bytes), Single)
            }

            fn __getitem__<'py>(slf: PyRef<'py, Self>, key: TableKey) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                let hdu = slf$(.$up())+;
                let table = hdu.reader.table(hdu.info.id());
                match key {
                    TableKey::Row(row) => await_op(py, table.rows(Rows::List(vec![row])).read_records(), Row),
                    TableKey::Rows(rows) => await_op(py, table.rows(rows).read_records(), Structured),
                    TableKey::Column(name) => await_op(py, table.columns([name]).read_records(), Single),
                    TableKey::Columns(names) => await_op(py, table.columns(names).read_records(), Structured),
                }
            }

            /// Iterates over the rows, with `async for row in hdu`; the next ones are read while these are worked on.
            fn __aiter__<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                let chunks = Self::iter(slf, None, None, true)?;
                py.import("rustfits._await")?.call_method1("rows", (chunks,))
            }

            /// Iterates over the table in chunks of rows, with `async for`; the next chunk is read while one is worked on. Parameters as in the
            /// blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("image.fits") as fits:
            /// ...         cat = await fits["CAT"]
            /// ...         print([len(chunk) async for chunk in cat.iter(chunksize=500)])
            /// >>> asyncio.run(main())
            /// [500, 500, 200]
            #[pyo3(signature = (*, chunksize=None, columns=None, scale=true))]
            fn iter(
                slf: PyRef<'_, Self>,
                chunksize: Option<ChunkSize>,
                columns: Option<ColumnsArgument>,
                scale: bool,
            ) -> PyResult<ChunkStream> {
                let hdu = slf$(.$up())+;
                let rows_each = chunksize.map(|size| size.0);
                let chunks = hdu.described(slf.py(), |now| now.row_chunks(rows_each)).or_raise()?;
                let table = selector(&hdu.reader, hdu.info.id(), None, columns, scale, false);
                Ok(ChunkStream::new(table.stream(chunks)))
            }

            /// What `hdu[key] = value` is in the blocking class; an awaitable.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.set("a", [4, 5, 6])
            /// ...         print(await cat["a"])
            /// >>> asyncio.run(main())
            /// [4 5 6]
            fn set<'py>(
                slf: PyRef<'py, Self>,
                key: &Bound<'py, PyAny>,
                value: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, assign(slf$(.$up())+, key, value)?, |()| ())
            }

            /// Writes columns of all rows; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.write({"a": [4, 5, 6]})
            /// ...         print(await cat["a"])
            /// >>> asyncio.run(main())
            /// [4 5 6]
            #[pyo3(signature = (data, *, names=None))]
            fn write<'py>(
                slf: PyRef<'py, Self>,
                data: &Bound<'py, PyAny>,
                names: Option<Vec<String>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, write_columns(slf$(.$up())+, data, names)?, |()| ())
            }

            /// Puts rows behind the last one; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.append({"a": [4], "b": [3.5]})
            /// ...         print(cat.nrows)
            /// >>> asyncio.run(main())
            /// 4
            #[pyo3(signature = (data, *, names=None))]
            fn append<'py>(
                slf: PyRef<'py, Self>,
                data: &Bound<'py, PyAny>,
                names: Option<Vec<String>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                match append(slf$(.$up())+, data, names)? {
                    Some(op) => await_op(py, op, |()| ()),
                    None => awaitable(py, async { Ok(()) }),
                }
            }

            /// The same as `append`.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.extend(await cat[:2])
            /// ...         print(cat.nrows)
            /// >>> asyncio.run(main())
            /// 5
            #[pyo3(signature = (data, *, names=None))]
            fn extend<'py>(
                slf: PyRef<'py, Self>,
                data: &Bound<'py, PyAny>,
                names: Option<Vec<String>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                Self::append(slf, data, names)
            }

            /// Puts a column into the table; an awaitable. Parameters as in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.insert_column("mag", [15.5, 16.0, 14.25], unit="mag")
            /// ...         print(cat.colnames)
            /// >>> asyncio.run(main())
            /// ('a', 'b', 'mag')
            #[pyo3(signature = (name, data, *, position=None, after=None, before=None, unit=None, inner_dtype=None, heap_format=None, bit_packed=false, format=None))]
            #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
            fn insert_column<'py>(
                slf: PyRef<'py, Self>,
                name: &str,
                data: &Bound<'py, PyAny>,
                position: Option<Whole>,
                after: Option<&Bound<'py, PyAny>>,
                before: Option<&Bound<'py, PyAny>>,
                unit: Option<String>,
                inner_dtype: Option<&Bound<'py, PyAny>>,
                heap_format: Option<HeapFormatArgument>,
                bit_packed: bool,
                format: Option<String>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                let insertion =
                    Insertion { position, after, before, unit, bits: bit_packed, inner_dtype, heap_format, format };
                await_op(py, insert_column(slf$(.$up())+, name, data, insertion)?, |()| ())
            }

            /// Takes a column out of the table; an awaitable. As in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.delete_column("a")
            /// ...         print(cat.colnames)
            /// >>> asyncio.run(main())
            /// ('b',)
            fn delete_column<'py>(slf: PyRef<'py, Self>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, delete_column(slf$(.$up())+, name)?, |()| ())
            }

            /// Leaves the table its first rows; an awaitable. As in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         cat = await fits.write_table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
            /// ...         await cat.truncate(1)
            /// ...         print(cat.nrows)
            /// >>> asyncio.run(main())
            /// 1
            fn truncate<'py>(slf: PyRef<'py, Self>, #[pyo3(from_py_with = row_count)] nrows: u64) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, truncate(slf$(.$up())+, nrows), |()| ())
            }

            /// Rewrites the heap without what no row names any more; an awaitable. As in the blocking class.
            ///
            /// Examples
            /// --------
            /// >>> async def main():
            /// ...     async with aio.FITS("mem://", "w+") as fits:
            /// ...         ragged = await fits.write_table({"v": [[1, 2], [3]]}, var_dtypes={"v": "i4"})
            /// ...         await ragged.repack()
            /// >>> asyncio.run(main())
            fn repack<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                await_op(py, repack(slf$(.$up())+), |()| ())
            }
        }
    };
}

awaitable_table!(AioTableHdu, TableHdu, "TableHDU", as_super as_super as_super);
awaitable_table!(AioCompressedTableHdu, CompressedTableHdu, "CompressedTableHDU", as_super as_super as_super as_super);
awaitable_table!(AioAsciiTableHdu, AsciiTableHdu, "AsciiTableHDU", as_super as_super as_super);
