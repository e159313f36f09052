//! The class `rustfits.aio.FITS`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyNotImplementedError, PyOSError, PyRuntimeError, PyStopAsyncIteration, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use rustfits::{FitsReader, FitsWriter, ImageOptions, OpenOptions};

use super::hdu::AioHdu;
use super::selector::Selector;
use crate::array::ImageArgument;
use crate::error::exception;
use crate::fits::{Handle, check_mode, refuse_options, warn};
use crate::keys::Key;
use crate::options::{RemoteArgument, open_options};
use crate::run::{await_op, awaitable};

/// An open FITS file whose every operation is awaitable. Open it with `async with`, or with `await rustfits.aio.open(...)`.
///
/// Parameters are those of `rustfits.FITS`.
#[pyclass(name = "FITS", frozen, module = "rustfits.aio")]
pub(crate) struct AioFits {
    path: PathBuf,
    mode: String,
    options: OpenOptions,
    handle: Arc<OnceLock<Handle>>,
}

/// What opens the file: nothing of it borrows from Python.
async fn open_handle(path: PathBuf, mode: String, options: OpenOptions) -> PyResult<Handle> {
    let opened = if mode == "r" {
        FitsReader::open_with(path, options).await.map(Handle::Reader)
    } else {
        FitsWriter::create(path).await.map(Handle::Writer)
    };
    let handle = opened.map_err(exception)?;
    // Nobody is warned once the interpreter has ended.
    Python::try_attach(|py| warn(py, handle.reader())).unwrap_or(Ok(()))?;
    Ok(handle)
}

/// Ways to write that a later version will have.
fn refuse_safety(atomic: bool, allow_in_place: bool) -> PyResult<()> {
    if atomic || allow_in_place {
        return Err(PyNotImplementedError::new_err("atomic= and allow_in_place= are not supported yet"));
    }
    Ok(())
}

impl AioFits {
    /// A file that a fetch has opened.
    pub(crate) fn of_reader(name: &str, reader: FitsReader) -> Self {
        let handle = Arc::new(OnceLock::from(Handle::Reader(reader)));
        Self { path: name.into(), mode: "r".to_owned(), options: OpenOptions::default(), handle }
    }

    fn opened(&self) -> PyResult<&Handle> {
        self.handle.get().ok_or_else(|| {
            PyRuntimeError::new_err("the file is not open yet: use `async with aio.FITS(...)` or `await aio.open(...)`")
        })
    }

    fn writer(&self) -> PyResult<&FitsWriter> {
        match self.opened()? {
            Handle::Writer(writer) => Ok(writer),
            Handle::Reader(reader) => {
                Err(PyOSError::new_err(format!("{}: the file is open read-only (mode 'r')", reader.name())))
            }
        }
    }
}

/// Opens a file: `fits = await rustfits.aio.open(...)`. Parameters are those of `rustfits.FITS`.
#[pyfunction]
#[pyo3(signature = (filename, mode="r", *, lenient=false, remote=None, atomic=false, allow_in_place=false))]
pub(crate) fn open<'py>(
    py: Python<'py>,
    filename: PathBuf,
    mode: &str,
    lenient: bool,
    remote: Option<RemoteArgument>,
    atomic: bool,
    allow_in_place: bool,
) -> PyResult<Bound<'py, PyAny>> {
    check_mode(mode)?;
    refuse_safety(atomic, allow_in_place)?;
    let (mode, options) = (mode.to_owned(), open_options(lenient, remote));
    awaitable(py, async move {
        let handle = open_handle(filename.clone(), mode.clone(), options.clone()).await?;
        Ok(AioFits { path: filename, mode, options, handle: Arc::new(OnceLock::from(handle)) })
    })
}

#[pymethods]
impl AioFits {
    #[new]
    #[pyo3(signature = (filename, mode="r", *, lenient=false, remote=None, atomic=false, allow_in_place=false))]
    fn py_new(
        filename: PathBuf,
        mode: &str,
        lenient: bool,
        remote: Option<RemoteArgument>,
        atomic: bool,
        allow_in_place: bool,
    ) -> PyResult<Self> {
        check_mode(mode)?;
        refuse_safety(atomic, allow_in_place)?;
        let options = open_options(lenient, remote);
        Ok(Self { path: filename, mode: mode.to_owned(), options, handle: Arc::default() })
    }

    /// Opens bytes that are in memory, plain or gzip: `fits = await rustfits.aio.FITS.from_bytes(...)`.
    #[staticmethod]
    #[pyo3(signature = (data, mode="r", lenient=false))]
    fn from_bytes<'py>(
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        mode: &str,
        lenient: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if mode == "w+" {
            return Err(PyValueError::new_err(
                "from_bytes opens what is there, with mode 'r' or 'r+'; use mem:// for 'w+'",
            ));
        }
        check_mode(mode)?;
        let bytes = PyMemoryView::from(data)?.call_method0("tobytes")?.extract::<Vec<u8>>()?;
        let options = open_options(lenient, None);
        awaitable(py, async move {
            let reader = FitsReader::from_bytes_with(bytes, options).await.map_err(exception)?;
            Python::attach(|py| warn(py, &reader))?;
            let name = reader.name().to_owned();
            Ok(Self::of_reader(&name, reader))
        })
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let object = slf.clone().unbind();
        let (path, mode, options) = (this.path.clone(), this.mode.clone(), this.options.clone());
        let handle = Arc::clone(&this.handle);
        awaitable(slf.py(), async move {
            if handle.get().is_none() {
                let opened = open_handle(path, mode, options).await?;
                let _ = handle.set(opened);
            }
            Ok(object)
        })
    }

    #[pyo3(signature = (*_error))]
    fn __aexit__<'py>(&self, py: Python<'py>, _error: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.close(py)
    }

    /// Closes the file; closing twice is no error.
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
        &self.mode
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

    /// How many HDUs the file has.
    fn count<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.opened()?.reader().count(), |count| count)
    }

    /// Whether there is such an HDU.
    fn contains<'py>(&self, py: Python<'py>, key: Key) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.opened()?.reader().contains(key.0), |found| found)
    }

    /// The whole file, uncompressed, as bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.opened()?.reader().to_bytes(), FileBytes)
    }

    fn __aiter__(&self) -> PyResult<HduStream> {
        Ok(HduStream { reader: self.opened()?.reader().clone(), next: 0 })
    }

    /// Appends an image. Parameters as in the blocking class; gives the new HDU.
    #[pyo3(signature = (data, *, extname=None, extver=None, compress=None, quantize=None, blank=None, header=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn write_image<'py>(
        &self,
        py: Python<'py>,
        data: ImageArgument,
        extname: Option<String>,
        extver: Option<i64>,
        compress: Option<Py<PyAny>>,
        quantize: Option<Py<PyAny>>,
        blank: Option<Py<PyAny>>,
        header: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        refuse_options(&[("compress", &compress), ("quantize", &quantize), ("blank", &blank), ("header", &header)])?;
        let writer = self.writer()?.clone();
        let options = ImageOptions { name: extname, version: extver };
        awaitable(py, async move {
            let written = writer.write_image_bytes(data.data_type, data.shape, data.values, options);
            let index = written.await.map_err(exception)?;
            let reader = writer.reader().clone();
            let info = reader.hdu(index).await.map_err(exception)?;
            Ok(AioHdu(reader, info))
        })
    }

    /// Makes what was written durable.
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
        Ok(PyBytes::new(py, &self.0))
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
