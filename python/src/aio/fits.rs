//! The class `rustfits.aio.FITS`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rustfits::{FitsReader, FitsWriter, HduKey, Op};

use super::hdu::AioHdu;
use super::selector::Selector;
use crate::array::data_type_of;
use crate::compress::{CompressArgument, QuantizeArgument, TableCompressArgument, table_compress};
use crate::error::{OrRaise, exception};
use crate::hdu::Hdu;
use crate::header::CardsArgument;
use crate::keys::{HduArgument, Key, file_name, row_count};
use crate::new_hdu::{Dims, copy_of, image_options};
use crate::numbers::{Whole, extension_version};
use crate::opening::{Handle, Mode, Opening, open_bytes, python_bytes, warn};
use crate::options::RemoteArgument;
use crate::pixels::PixelArgument;
use crate::run::{await_op, awaitable};
use crate::table_values::is_table;
use crate::table_write::{HeapFormatArgument, NewTable, UnitsArgument};

/// An open FITS file whose every operation is awaitable. Open it with `async with`, or with `await rustfits.aio.open(...)`.
///
/// Parameters are those of `rustfits.FITS`.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     async with aio.FITS("https://archive.example/image.fits", remote="ranged") as fits:
/// ...         stamp = await fits["SCI"][100:110, 50:60]
/// ...         print(stamp.shape, await fits.count())
/// >>> asyncio.run(main())
/// (10, 10) 3
#[pyclass(name = "FITS", frozen, module = "rustfits.aio")]
pub(crate) struct AioFits {
    mode: Mode,
    /// What opens the file when it is entered; `None` where it is open.
    opening: Option<Opening>,
    handle: Arc<OnceLock<Handle>>,
}

/// Waits until the file is open, and passes on what its user should know.
async fn opened(opening: Op<Handle>) -> PyResult<Handle> {
    let handle = opening.await.map_err(exception)?;
    // Nobody is warned once the interpreter has ended.
    Python::try_attach(|py| warn(py, handle.reader())).unwrap_or(Ok(()))?;
    Ok(handle)
}

impl AioFits {
    /// A file that a fetch has opened.
    pub(crate) fn of_reader(reader: FitsReader) -> Self {
        Self::of(Handle::Reader(reader), Mode::Read)
    }

    fn of(handle: Handle, mode: Mode) -> Self {
        Self { mode, opening: None, handle: Arc::new(OnceLock::from(handle)) }
    }

    fn opened(&self) -> PyResult<&Handle> {
        self.handle.get().ok_or_else(|| {
            PyRuntimeError::new_err("the file is not open yet: use `async with aio.FITS(...)` or `await aio.open(...)`")
        })
    }

    fn writer(&self) -> PyResult<FitsWriter> {
        self.opened()?.reader().writer().or_raise()
    }
}

impl AioFits {
    /// The HDU of this file in front of which something goes.
    fn place(&self, before: Option<HduArgument>) -> PyResult<Option<HduKey>> {
        let reader = self.opened()?.reader();
        before.map(|before| before.within(reader)).transpose()
    }

    /// The HDU that an operation adds, awaitable.
    fn added<'py>(&self, py: Python<'py>, adding: Op<usize>) -> PyResult<Bound<'py, PyAny>> {
        let reader = self.writer()?.reader().clone();
        awaitable(py, async move {
            let index = adding.await.map_err(exception)?;
            let info = reader.hdu(index).await.map_err(exception)?;
            Ok(AioHdu(reader, info))
        })
    }
}

/// Opens a file: `fits = await rustfits.aio.open(...)`. Parameters are those of `rustfits.FITS`.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     fits = await aio.open("image.fits")
/// ...     print((await fits["SCI"]).shape)
/// ...     await fits.close()
/// >>> asyncio.run(main())
/// (300, 200)
#[pyfunction]
#[pyo3(signature = (filename, mode="r", *, lenient=false, remote=None, atomic=false, allow_in_place=false))]
pub(crate) fn open<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    mode: &str,
    lenient: bool,
    remote: Option<RemoteArgument>,
    atomic: bool,
    allow_in_place: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let opening = Opening::new(filename, mode, lenient, remote, atomic, allow_in_place)?;
    let mode = opening.mode;
    awaitable(py, async move { Ok(AioFits::of(opened(opening.open()).await?, mode)) })
}

#[pymethods]
impl AioFits {
    #[new]
    #[pyo3(signature = (filename, mode="r", *, lenient=false, remote=None, atomic=false, allow_in_place=false))]
    fn py_new(
        #[pyo3(from_py_with = file_name)] filename: PathBuf,
        mode: &str,
        lenient: bool,
        remote: Option<RemoteArgument>,
        atomic: bool,
        allow_in_place: bool,
    ) -> PyResult<Self> {
        let opening = Opening::new(filename, mode, lenient, remote, atomic, allow_in_place)?;
        Ok(Self { mode: opening.mode, opening: Some(opening), handle: Arc::default() })
    }

    /// Opens bytes that are in memory, plain or gzip: `fits = await rustfits.aio.FITS.from_bytes(...)`.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with await aio.FITS.from_bytes(np.fromfile("image.fits", "u1")) as fits:
    /// ...         print((await fits["SCI"]).shape)
    /// >>> asyncio.run(main())
    /// (300, 200)
    #[staticmethod]
    #[pyo3(signature = (data, mode="r", lenient=false))]
    fn from_bytes<'py>(
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        mode: &str,
        lenient: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mode = Mode::of_bytes(mode)?;
        let opening = open_bytes(data, mode, lenient)?;
        awaitable(py, async move { Ok(Self::of(opened(opening).await?, mode)) })
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let object = slf.clone().unbind();
        let opening = this.opening.clone();
        let handle = Arc::clone(&this.handle);
        awaitable(slf.py(), async move {
            if let Some(handle) = handle.get().filter(|handle| handle.reader().is_closed()) {
                // For its error.
                handle.reader().count().await.map_err(exception)?;
            }
            if let (None, Some(opening)) = (handle.get(), opening) {
                let _ = handle.set(opened(opening.open()).await?);
            }
            Ok(object)
        })
    }

    #[pyo3(signature = (kind, *_error))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        kind: &Bound<'py, PyAny>,
        _error: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.handle.get() {
            Some(Handle::Writer(writer)) if !kind.is_none() => await_op(py, writer.abandon(), |()| ()),
            _ => self.close(py),
        }
    }

    /// Closes the file; closing twice is no error.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     fits = await aio.open("image.fits")
    /// ...     await fits.close()
    /// ...     print(fits.closed)
    /// >>> asyncio.run(main())
    /// True
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.handle.get() {
            Some(Handle::Writer(writer)) => await_op(py, writer.close(), |()| ()),
            Some(Handle::Reader(reader)) => {
                reader.close();
                awaitable(py, async { Ok(()) })
            }
            None => awaitable(py, async { Ok(()) }),
        }
    }

    /// The name under which the file was opened, without credentials.
    #[getter]
    fn filename(&self) -> PyResult<&str> {
        Ok(self.opened()?.reader().name())
    }

    /// The mode.
    #[getter]
    fn mode(&self) -> &str {
        self.mode.name()
    }

    /// Whether the file is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.get().is_some_and(|handle| handle.reader().is_closed())
    }

    /// Selects an HDU by number, EXTNAME or (EXTNAME, EXTVER). No I/O: what the selector reads is awaitable, and so is it.
    fn __getitem__(&self, key: Key) -> PyResult<Selector> {
        Ok(Selector { reader: self.opened()?.reader().clone(), key: key.0 })
    }

    // Without these Python would ask for fits[0], fits[1], ... without end, as no selector is looked up.
    fn __iter__(&self) -> PyResult<Py<PyAny>> {
        Err(PyTypeError::new_err("a loop over the HDUs would block the event loop: use `async for hdu in fits`"))
    }

    fn __contains__(&self, _key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Err(PyTypeError::new_err("`in` would block the event loop: use `await fits.contains(key)`"))
    }

    /// How many HDUs the file has.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("image.fits") as fits:
    /// ...         print(await fits.count())
    /// >>> asyncio.run(main())
    /// 3
    fn count<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.opened()?.reader().count(), |count| count)
    }

    /// Whether there is such an HDU.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("image.fits") as fits:
    /// ...         print(await fits.contains("SCI"), await fits.contains("NOPE"))
    /// >>> asyncio.run(main())
    /// True False
    fn contains<'py>(&self, py: Python<'py>, key: Key) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.opened()?.reader().contains(key.0), |found| found)
    }

    /// The whole file, uncompressed, as bytes.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         await fits.write_image(np.zeros((10, 10), "f4"))
    /// ...         print(len(await fits.to_bytes()))
    /// >>> asyncio.run(main())
    /// 5760
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.opened()?.to_bytes(), FileBytes)
    }

    fn __aiter__(&self) -> PyResult<HduStream> {
        Ok(HduStream { reader: self.opened()?.reader().clone(), next: 0 })
    }

    /// Appends an image. Parameters as in the blocking class; gives the new HDU.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         sci = await fits.write_image(np.zeros((100, 200)), extname="SCI")
    /// ...         print(sci.shape)
    /// >>> asyncio.run(main())
    /// (100, 200)
    #[pyo3(signature = (data, *, extname=None, extver=None, compress=None, quantize=None, blank=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn write_image<'py>(
        &self,
        py: Python<'py>,
        data: PixelArgument,
        extname: Option<String>,
        extver: Option<Whole>,
        compress: Option<CompressArgument>,
        quantize: Option<QuantizeArgument>,
        blank: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let compress = (compress, quantize);
        let options = image_options(extname, extver, blank, header, self.place(before)?, compress)?;
        self.added(py, self.writer()?.write_image_values(data.0, options))
    }

    /// Appends an image of zeros; an awaitable. Parameters are those of the blocking class.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         mosaic = await fits.create_image_hdu("f4", (1000, 1000))
    /// ...         print(mosaic.shape)
    /// >>> asyncio.run(main())
    /// (1000, 1000)
    #[pyo3(signature = (dtype, dims, *, extname=None, extver=None, compress=None, quantize=None, blank=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn create_image_hdu<'py>(
        &self,
        py: Python<'py>,
        dtype: &Bound<'py, PyAny>,
        dims: Dims,
        extname: Option<String>,
        extver: Option<Whole>,
        compress: Option<CompressArgument>,
        quantize: Option<QuantizeArgument>,
        blank: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let compress = (compress, quantize);
        let options = image_options(extname, extver, blank, header, self.place(before)?, compress)?;
        self.added(py, self.writer()?.create_image(data_type_of(dtype)?, dims.shape(), options))
    }

    /// Adds an array as an image, a structured array or a dict as a table; an awaitable. Parameters as in the blocking class.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         table = await fits.write({"a": [1, 2]})
    /// ...         print(table.nrows)
    /// >>> asyncio.run(main())
    /// 2
    #[pyo3(signature = (data, *, extname=None, header=None, before=None))]
    fn write<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        extname: Option<String>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if is_table(data)? {
            let table = NewTable { extname, header, before: self.place(before)?, ..NewTable::default() };
            return self.added(py, table.write(&self.writer()?, data, None)?);
        }
        self.write_image(py, data.extract()?, extname, None, None, None, None, header, before)
    }

    /// Adds a binary table. Parameters as in the blocking class; gives the new HDU.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         cat = await fits.write_table({"ra": [1.5, 2.5]}, units={"ra": "deg"})
    /// ...         print(cat.units)
    /// >>> asyncio.run(main())
    /// {'ra': 'deg'}
    #[pyo3(signature = (data, *, names=None, extname=None, extver=None, units=None, var_dtypes=None, bit_columns=None, heap_format=None, compress=None, ztilelen=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn write_table<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        names: Option<Vec<String>>,
        extname: Option<String>,
        extver: Option<Whole>,
        units: Option<UnitsArgument<'py>>,
        var_dtypes: Option<Bound<'py, PyDict>>,
        bit_columns: Option<Vec<String>>,
        heap_format: Option<HeapFormatArgument>,
        compress: Option<TableCompressArgument>,
        ztilelen: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let compress = table_compress(compress, ztilelen)?;
        let before = self.place(before)?;
        let formats = None;
        let table = NewTable {
            extname,
            extver: extension_version(extver)?,
            units,
            var_dtypes,
            bit_columns,
            heap_format,
            formats,
            compress,
            header,
            before,
        };
        self.added(py, table.write(&self.writer()?, data, names)?)
    }

    /// Adds a binary table whose rows hold nothing. Parameters as in the blocking class; gives the new HDU.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         log = await fits.create_table_hdu([("time", "f8")])
    /// ...         await log.append({"time": [0.5]})
    /// ...         print(log.nrows)
    /// >>> asyncio.run(main())
    /// 1
    #[pyo3(signature = (dtype, nrows=0, *, extname=None, extver=None, units=None, var_dtypes=None, bit_columns=None, heap_format=None, compress=None, ztilelen=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn create_table_hdu<'py>(
        &self,
        py: Python<'py>,
        dtype: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = row_count)] nrows: u64,
        extname: Option<String>,
        extver: Option<Whole>,
        units: Option<UnitsArgument<'py>>,
        var_dtypes: Option<Bound<'py, PyDict>>,
        bit_columns: Option<Vec<String>>,
        heap_format: Option<HeapFormatArgument>,
        compress: Option<TableCompressArgument>,
        ztilelen: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let compress = table_compress(compress, ztilelen)?;
        let before = self.place(before)?;
        let formats = None;
        let table = NewTable {
            extname,
            extver: extension_version(extver)?,
            units,
            var_dtypes,
            bit_columns,
            heap_format,
            formats,
            compress,
            header,
            before,
        };
        self.added(py, table.create(&self.writer()?, dtype, nrows)?)
    }

    /// Adds an ASCII table whose rows are blank. Parameters as in the blocking class; gives the new HDU.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         text = await fits.create_ascii_table_hdu([("x", "f8")], 2, formats={"x": "F8.3"})
    /// ...         print(text.formats)
    /// >>> asyncio.run(main())
    /// {'x': 'F8.3'}
    #[pyo3(signature = (dtype, nrows=0, *, extname=None, extver=None, units=None, formats=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn create_ascii_table_hdu<'py>(
        &self,
        py: Python<'py>,
        dtype: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = row_count)] nrows: u64,
        extname: Option<String>,
        extver: Option<Whole>,
        units: Option<UnitsArgument<'py>>,
        formats: Option<Bound<'py, PyDict>>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let extver = extension_version(extver)?;
        let table = NewTable { extname, extver, units, formats, before: self.place(before)?, ..NewTable::default() };
        self.added(py, table.create_ascii(&self.writer()?, dtype, nrows)?)
    }

    /// Adds a copy of an HDU that was looked up, of this or another open file. As in the blocking class; gives the new HDU.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         await fits.write_image(np.zeros(3), extname="SCI")
    /// ...         print((await fits.copy(await fits["SCI"])).index)
    /// >>> asyncio.run(main())
    /// 1
    #[pyo3(signature = (hdu, *, before=None))]
    fn copy<'py>(
        &self,
        py: Python<'py>,
        hdu: PyRef<'_, Hdu>,
        before: Option<HduArgument>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.added(py, copy_of(&self.writer()?, &hdu, self.place(before)?))
    }

    /// Deletes an HDU; what `del fits[key]` is in the blocking API.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("mem://", "w+") as fits:
    /// ...         await fits.write_image(np.zeros(3))
    /// ...         await fits.write_image(np.ones(3), extname="SCI")
    /// ...         await fits.delete("SCI")
    /// ...         print(await fits.count())
    /// >>> asyncio.run(main())
    /// 1
    fn delete<'py>(&self, py: Python<'py>, key: HduArgument) -> PyResult<Bound<'py, PyAny>> {
        let writer = self.writer()?;
        await_op(py, writer.delete_hdu(key.within(writer.reader())?), |()| ())
    }

    /// Makes what was written durable.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async with aio.FITS("new.fits", "w+") as fits:
    /// ...         await fits.write_image(np.zeros(3))
    /// ...         await fits.sync()
    /// >>> asyncio.run(main())
    fn sync<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.writer()?.sync(), |()| ())
    }
}

/// A file as Python bytes.
struct FileBytes(Vec<u8>);

impl<'py> IntoPyObject<'py> for FileBytes {
    type Target = PyBytes;
    type Output = Bound<'py, PyBytes>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        python_bytes(py, &self.0)
    }
}

/// The HDUs of a file, one after the other: `async for hdu in fits`.
#[pyclass(module = "rustfits.aio")]
pub(crate) struct HduStream {
    reader: FitsReader,
    next: usize,
}

#[pymethods]
impl HduStream {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (reader, index) = (self.reader.clone(), self.next);
        self.next += 1;
        awaitable(py, async move {
            if !reader.contains(index).await.map_err(exception)? {
                return Err(PyStopAsyncIteration::new_err(()));
            }
            let info = reader.hdu(index).await.map_err(exception)?;
            Ok(AioHdu(reader, info))
        })
    }
}
