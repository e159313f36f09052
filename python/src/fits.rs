//! The class `FITS`: an open file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyNotImplementedError, PyOSError, PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyMemoryView};
use rustfits::{FitsReader, FitsWriter, HduInfo, ImageOptions};

use crate::array::ImageArgument;
use crate::hdu::hdu_object;
use crate::keys::Key;
use crate::options::{RemoteArgument, open_options};
use crate::run::wait;

/// An open FITS file.
///
/// Parameters
/// ----------
/// filename : str or os.PathLike
///     A path, or a `file://`, `mem://`, `http(s)://` or `ftp(s)://` name. Plain and gzip files are told apart by their bytes.
/// mode : {'r', 'w+'}
///     `r` reads; `w+` creates the file or empties it.
/// lenient : bool
///     Take cards that break the rules of the standard.
/// remote : 'ranged' or Remote, optional
///     How a remote file is fetched; whole unless given.
/// atomic, allow_in_place : bool
///     Not supported yet.
#[pyclass(name = "FITS", frozen, module = "rustfits")]
pub(crate) struct Fits {
    handle: Handle,
    mode: String,
    hdus: Mutex<HashMap<usize, Py<PyAny>>>,
}

/// A file open for reading, or for writing.
pub(crate) enum Handle {
    Reader(FitsReader),
    Writer(FitsWriter),
}

impl Handle {
    pub(crate) fn reader(&self) -> &FitsReader {
        match self {
            Self::Reader(reader) => reader,
            Self::Writer(writer) => writer.reader(),
        }
    }
}

/// What the three modes of a file are; anything else is a ValueError.
pub(crate) fn check_mode(mode: &str) -> PyResult<()> {
    match mode {
        "r" | "w+" => Ok(()),
        "r+" => Err(PyNotImplementedError::new_err(
            "mode 'r+' is not supported yet: open with 'r', or write anew with 'w+'",
        )),
        _ => Err(PyValueError::new_err(format!("mode '{mode}' is not one of 'r', 'r+', 'w+'"))),
    }
}

/// Keywords that a later version will take.
pub(crate) fn refuse_options(options: &[(&str, &Option<Py<PyAny>>)]) -> PyResult<()> {
    match options.iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => Err(PyNotImplementedError::new_err(format!("{name}= is not supported yet"))),
        None => Ok(()),
    }
}

/// Passes on what a user should know about a file that could be opened all the same.
pub(crate) fn warn(py: Python<'_>, reader: &FitsReader) -> PyResult<()> {
    let Some(warning) = reader.warning() else { return Ok(()) };
    let text = std::ffi::CString::new(format!("{}: {warning}", reader.name()))?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)
}

impl Fits {
    fn new(py: Python<'_>, handle: Handle, mode: &str) -> PyResult<Self> {
        warn(py, handle.reader())?;
        Ok(Self { handle, mode: mode.to_owned(), hdus: Mutex::default() })
    }

    /// A file that a fetch has opened.
    pub(crate) fn of_reader(py: Python<'_>, reader: FitsReader) -> PyResult<Self> {
        Self::new(py, Handle::Reader(reader), "r")
    }

    /// The HDU's object: the same one each time.
    fn object(&self, py: Python<'_>, info: HduInfo) -> PyResult<Py<PyAny>> {
        let index = info.index();
        if let Some(object) = self.hdus.lock().unwrap_or_else(PoisonError::into_inner).get(&index) {
            return Ok(object.clone_ref(py));
        }
        let object = hdu_object(py, self.handle.reader().clone(), info)?;
        let mut hdus = self.hdus.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(hdus.entry(index).or_insert(object).clone_ref(py))
    }

    fn writer(&self) -> PyResult<&FitsWriter> {
        match &self.handle {
            Handle::Writer(writer) => Ok(writer),
            Handle::Reader(reader) => {
                Err(PyOSError::new_err(format!("{}: the file is open read-only (mode 'r')", reader.name())))
            }
        }
    }
}

#[pymethods]
impl Fits {
    #[new]
    #[pyo3(signature = (filename, mode="r", *, lenient=false, remote=None, atomic=false, allow_in_place=false))]
    fn py_new(
        py: Python<'_>,
        filename: Bound<'_, PyAny>,
        mode: &str,
        lenient: bool,
        remote: Option<RemoteArgument>,
        atomic: bool,
        allow_in_place: bool,
    ) -> PyResult<Self> {
        check_mode(mode)?;
        if atomic || allow_in_place {
            return Err(PyNotImplementedError::new_err("atomic= and allow_in_place= are not supported yet"));
        }
        let path: PathBuf = filename.extract()?;
        let handle = if mode == "r" {
            Handle::Reader(wait(py, FitsReader::open_with(path, open_options(lenient, remote)))?)
        } else {
            Handle::Writer(wait(py, FitsWriter::create(path))?)
        };
        Self::new(py, handle, mode)
    }

    /// Opens bytes that are in memory, plain or gzip.
    #[staticmethod]
    #[pyo3(signature = (data, mode="r", lenient=false))]
    fn from_bytes(py: Python<'_>, data: &Bound<'_, PyAny>, mode: &str, lenient: bool) -> PyResult<Self> {
        if mode == "w+" {
            return Err(PyValueError::new_err(
                "from_bytes opens what is there, with mode 'r' or 'r+'; use mem:// for 'w+'",
            ));
        }
        check_mode(mode)?;
        let bytes = PyMemoryView::from(data)?.call_method0("tobytes")?.extract::<Vec<u8>>()?;
        let reader = wait(py, FitsReader::from_bytes_with(bytes, open_options(lenient, None)))?;
        Self::new(py, Handle::Reader(reader), mode)
    }

    /// The whole file, uncompressed, as bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &wait(py, self.handle.reader().to_bytes())?))
    }

    /// The name under which the file was opened, without credentials.
    #[getter]
    fn filename(&self) -> &str {
        self.handle.reader().name()
    }

    /// The mode.
    #[getter]
    fn mode(&self) -> &str {
        &self.mode
    }

    /// Whether the file is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.reader().is_closed()
    }

    /// All HDUs.
    #[getter]
    fn hdus(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        (0..self.__len__(py)?).map(|index| self.object(py, wait(py, self.handle.reader().hdu(index))?)).collect()
    }

    /// Closes the file; closing twice is no error.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match &self.handle {
            Handle::Reader(reader) => {
                reader.close();
                Ok(())
            }
            Handle::Writer(writer) => wait(py, writer.close()),
        }
    }

    /// Makes what was written durable.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, self.writer()?.sync())
    }

    /// Appends an image: as the primary HDU where the file is empty, else as an extension.
    ///
    /// Parameters
    /// ----------
    /// data : array_like
    ///     Numbers of any byte order and memory order; dtypes u1 i2 i4 i8 f4 f8 and i1 u2 u4 u8.
    /// extname : str, optional
    ///     EXTNAME.
    /// extver : int, optional
    ///     EXTVER.
    /// compress, quantize, blank, header : optional
    ///     Not supported yet.
    ///
    /// Returns
    /// -------
    /// ImageHDU
    ///     The new HDU.
    #[pyo3(signature = (data, *, extname=None, extver=None, compress=None, quantize=None, blank=None, header=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn write_image(
        &self,
        py: Python<'_>,
        data: ImageArgument,
        extname: Option<String>,
        extver: Option<i64>,
        compress: Option<Py<PyAny>>,
        quantize: Option<Py<PyAny>>,
        blank: Option<Py<PyAny>>,
        header: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        refuse_options(&[("compress", &compress), ("quantize", &quantize), ("blank", &blank), ("header", &header)])?;
        let options = ImageOptions { name: extname, version: extver };
        let index = wait(py, self.writer()?.write_image_bytes(data.data_type, data.shape, data.values, options))?;
        self.__getitem__(py, Key(index.into()))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let reader = self.handle.reader();
        if reader.is_closed() {
            return Ok(crate::repr::file(reader.name(), &self.mode, None));
        }
        let infos = (0..self.__len__(py)?).map(|index| wait(py, reader.hdu(index))).collect::<PyResult<Vec<_>>>()?;
        Ok(crate::repr::file(reader.name(), &self.mode, Some(&infos)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        wait(py, self.handle.reader().count())
    }

    fn __getitem__(&self, py: Python<'_>, key: Key) -> PyResult<Py<PyAny>> {
        let info = wait(py, self.handle.reader().hdu(key.0))?;
        self.object(py, info)
    }

    fn __contains__(&self, py: Python<'_>, key: Key) -> PyResult<bool> {
        wait(py, self.handle.reader().contains(key.0))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.hdus(py)?)?.try_iter()
    }
}
