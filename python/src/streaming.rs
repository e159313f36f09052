//! `rustfits.stream`: a file from its first byte to its last.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyTuple};
use rustfits::{FitsStream, HduKind, ImageBands, StreamHdu, StreamOptions, StreamedRows};

use crate::aio::{Data, Read, Shape};
use crate::array::Pixels;
use crate::error::OrRaise;
use crate::hdu::Hdu;
use crate::numbers::{Whole, optional};
use crate::options::RemoteArgument;
use crate::records::{Structured, record_dtype};
use crate::run::{UnderWay, finish_at_exit, wait};
use crate::table_keys::{ChunkSize, ColumnsArgument};

const ACCEPTED: &str = "a stream is of a name, or of an object whose read() gives bytes";

/// How a stream is read, from the keywords of `stream`.
pub(crate) fn stream_options(
    lenient: bool,
    remote: Option<RemoteArgument>,
    max_held: Option<Whole>,
) -> PyResult<StreamOptions> {
    let max_held = optional(max_held, "max_held", 0..=u64::MAX)?.unwrap_or(StreamOptions::default().max_held);
    Ok(StreamOptions { lenient, remote: remote.map(|remote| remote.0), max_held })
}

/// Where the bytes of a stream come from.
pub(crate) enum Origin {
    Name(PathBuf),
    Reader(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Origin {
    type Error = PyErr;

    fn extract(source: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if source.hasattr("read")? || source.hasattr("__aiter__")? {
            return Ok(Self::Reader(source.to_owned().unbind()));
        }
        source.extract().map(Self::Name).map_err(|_| PyTypeError::new_err(ACCEPTED))
    }
}

/// The bytes that a reader gave.
pub(crate) fn bytes_of(object: &Bound<'_, PyAny>) -> io::Result<PyBackedBytes> {
    if let Ok(array) = object.cast::<PyByteArray>() {
        return Ok(array.clone().into());
    }
    object.extract().map_err(|_| {
        let given = object.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
        io::Error::other(format!("the reader gave {given} in place of bytes: open it in binary mode"))
    })
}

/// What went wrong in Python's code, in words.
pub(crate) fn in_words(error: &PyErr) -> io::Error {
    io::Error::other(format!("the reader failed: {error}"))
}

/// A binary file object of Python.
pub(crate) struct Reader {
    object: Py<PyAny>,
    /// `read1` gives what is there, where `read` waits for all that was asked for.
    method: &'static str,
    /// What was given beyond what was asked for.
    rest: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let method = ["read1", "read"].into_iter().find(|method| object.hasattr(*method).unwrap_or(false));
        let method = method.ok_or_else(|| PyTypeError::new_err(ACCEPTED))?;
        Ok(Self { object: object.clone().unbind(), method, rest: Vec::new() })
    }

    fn give(&mut self, buffer: &mut [u8], given: &[u8]) -> usize {
        let (now, later) = given.split_at(given.len().min(buffer.len()));
        if let Some(place) = buffer.get_mut(..now.len()) {
            place.copy_from_slice(now);
        }
        self.rest = later.to_vec();
        now.len()
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Ok(self.give(buffer, &rest));
        }
        let ending = || io::Error::other("the interpreter ends");
        let _under_way = UnderWay::begin().ok_or_else(ending)?;
        let given = Python::try_attach(|py| {
            let read = self.object.bind(py).call_method1(self.method, (buffer.len(),));
            bytes_of(&read.map_err(|error| in_words(&error))?)
        });
        let given = given.ok_or_else(ending)??;
        Ok(self.give(buffer, &given))
    }
}

/// Streams a FITS file: reads it HDU after HDU from its first byte to its last, in memory that does not grow with the file.
///
/// The file may be compressed by gzip, and larger than the memory. What was not read of an HDU is passed over when the next one is asked for;
/// the transfer waits while nobody reads.
///
/// Parameters
/// ----------
/// source : str, os.PathLike or binary file object
///     A path (a named pipe, too), `-` for the standard input, or a `file://`, `http(s)://` or `ftp(s)://` name; or an object whose `read` gives
///     bytes, such as `sys.stdin.buffer`.
/// lenient : bool
///     As for `FITS`.
/// remote : Remote, optional
///     How a URL is fetched: its time limits, logins and so on.
/// max_held : int, optional
///     The most bytes of the file that a single step may need at once (64 MiB): a row of tiles; the rows of a table with the arrays of its
///     variable-length columns.
///
/// Returns
/// -------
/// Stream
///     An iterator of `StreamHDU`, and a context manager.
///
/// Examples
/// --------
/// >>> for hdu in rustfits.stream(sys.stdin.buffer):  # doctest: +SKIP
/// ...     if hdu.extname == "SCI":
/// ...         total = sum(band.sum(dtype="f8") for band in hdu.bands())
#[pyfunction]
#[pyo3(signature = (source, *, lenient=false, remote=None, max_held=None))]
pub(crate) fn stream(
    py: Python<'_>,
    source: Origin,
    lenient: bool,
    remote: Option<RemoteArgument>,
    max_held: Option<Whole>,
) -> PyResult<PyStream> {
    let options = stream_options(lenient, remote, max_held)?;
    let stream = match source {
        Origin::Name(name) => wait(py, FitsStream::open_with(name, options))?,
        Origin::Reader(object) => {
            finish_at_exit(py)?;
            FitsStream::from_read_with(Reader::new(object.bind(py))?, options).or_raise()?
        }
    };
    Ok(PyStream { name: stream.name().to_owned(), stream: Mutex::new(Some(stream)) })
}

/// A FITS file that is read from its first byte to its last: an iterator of its HDUs. Made by `rustfits.stream`.
///
/// Examples
/// --------
/// >>> with rustfits.stream("image.fits") as stream:
/// ...     print([hdu.extname for hdu in stream])
/// [None, 'SCI', 'CAT']
#[pyclass(name = "Stream", frozen, module = "rustfits")]
pub(crate) struct PyStream {
    name: String,
    /// `None` once it is closed.
    stream: Mutex<Option<FitsStream>>,
}

pub(crate) fn closed(name: &str) -> PyErr {
    PyOSError::new_err(format!("{name}: the stream is closed"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl PyStream {
    /// The name of the file, without credentials; `<stream>` for a file object.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Stops the transfer; closing twice is no error. HDUs that were handed out keep their headers.
    ///
    /// Examples
    /// --------
    /// >>> stream = rustfits.stream("image.fits")
    /// >>> stream.close()
    /// >>> stream.closed
    /// True
    fn close(&self) {
        *lock(&self.stream) = None;
    }

    /// Whether the stream was closed.
    #[getter]
    fn closed(&self) -> bool {
        lock(&self.stream).is_none()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyStreamHdu>>> {
        let step = lock(&self.stream).as_mut().ok_or_else(|| closed(&self.name))?.next();
        match wait(py, step)? {
            Some(hdu) => Py::new(py, stream_hdu(hdu, false)).map(Some),
            None => Ok(None),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Stream {}>", self.name)
    }
}

/// An HDU of a stream. Its header is here; its data can be read until the next HDU is asked for, each part once.
///
/// Examples
/// --------
/// >>> for hdu in rustfits.stream("image.fits"):
/// ...     if hdu.extname == "SCI":
/// ...         print(hdu.shape, hdu.dtype)
/// (300, 200) int16
#[pyclass(name = "StreamHDU", extends = Hdu, subclass, frozen, module = "rustfits")]
pub(crate) struct PyStreamHdu(pub(crate) StreamHdu);

/// An HDU of a stream for Python.
pub(crate) fn stream_hdu(hdu: StreamHdu, awaited: bool) -> PyClassInitializer<PyStreamHdu> {
    let (reader, info) = (hdu.reader().clone(), hdu.info().clone());
    let base = if awaited { Hdu::awaited(reader, info) } else { Hdu::new(reader, info) };
    PyClassInitializer::from(base).add_subclass(PyStreamHdu(hdu))
}

/// What `bands` gives.
pub(crate) fn bands(hdu: &StreamHdu, bytes: Option<Whole>, scale: bool, mask_blank: bool) -> PyResult<ImageBands> {
    let bands = hdu.bands(optional(bytes, "bytes", 0..=u64::MAX)?).or_raise()?;
    let bands = if scale { bands } else { bands.unscaled() };
    Ok(if mask_blank { bands.masked() } else { bands })
}

/// What `iter` gives.
pub(crate) fn rows(
    hdu: &StreamHdu,
    chunksize: Option<ChunkSize>,
    columns: Option<ColumnsArgument>,
    scale: bool,
    mask_null: bool,
) -> PyResult<StreamedRows> {
    let mut rows = hdu.rows(chunksize.map(|size| size.0)).or_raise()?;
    if let Some(ColumnsArgument(columns)) = columns {
        rows = rows.columns(columns);
    }
    if mask_null {
        rows = rows.masked();
    }
    Ok(if scale { rows } else { rows.unscaled() })
}

fn is_table(hdu: &StreamHdu) -> bool {
    matches!(hdu.info().kind(), HduKind::BinaryTable | HduKind::AsciiTable | HduKind::CompressedTable)
}

/// What `read` gives.
pub(crate) fn read(
    hdu: &StreamHdu,
    columns: Option<ColumnsArgument>,
    scale: bool,
    mask_blank: bool,
    mask_null: bool,
) -> PyResult<Read> {
    if is_table(hdu) {
        if mask_blank {
            return Err(PyTypeError::new_err("the HDU is a table: mask_blank= is not for that"));
        }
        return Ok(Read::Table(rows(hdu, None, columns, scale, mask_null)?.rest(), Shape::Structured));
    }
    if columns.is_some() || mask_null {
        return Err(PyTypeError::new_err("the HDU is an image: columns= and mask_null= are not for that"));
    }
    Ok(Read::Image(bands(hdu, None, scale, mask_blank)?.rest()))
}

#[pymethods]
impl PyStreamHdu {
    /// The lengths of an image's axes, slowest first; of a table its number of rows, as a tuple of one.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let info = self.0.info();
        let shape = if is_table(&self.0) { info.rows().map(|rows| vec![rows]) } else { info.shape() };
        PyTuple::new(py, shape.or_raise()?)
    }

    /// The dtype of an image's values, or of a table's row.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let info = self.0.info();
        if is_table(&self.0) {
            return record_dtype(py, &info.fields().or_raise()?);
        }
        py.import("numpy")?.getattr("dtype")?.call1((info.data_type().or_raise()?.code(),))
    }

    /// The names of a table's columns.
    #[getter]
    fn colnames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.info().fields().or_raise()?.into_iter().map(|field| field.name))
    }

    /// Iterates over an image in bands along its first axis.
    ///
    /// Parameters
    /// ----------
    /// bytes : int, optional
    ///     About how large a band is (8 MiB); at least one row.
    /// scale, mask_blank : bool
    ///     As for `ImageHDU.read`.
    ///
    /// Examples
    /// --------
    /// >>> for hdu in rustfits.stream("image.fits"):
    /// ...     if hdu.extname == "SCI":
    /// ...         print(sum(band.size for band in hdu.bands()))
    /// 60000
    #[pyo3(signature = (bytes=None, *, scale=true, mask_blank=false))]
    fn bands(&self, bytes: Option<Whole>, scale: bool, mask_blank: bool) -> PyResult<BandIterator> {
        bands(&self.0, bytes, scale, mask_blank).map(Mutex::new).map(BandIterator)
    }

    /// Iterates over a table in chunks of rows, each a structured array.
    ///
    /// Parameters
    /// ----------
    /// chunksize : int, optional
    ///     How many rows a chunk has; about 8 MiB of them unless given.
    /// columns, scale, mask_null
    ///     As for `TableHDU.read`. Variable-length columns that are not asked for need no memory.
    ///
    /// Examples
    /// --------
    /// >>> for hdu in rustfits.stream("image.fits"):
    /// ...     if hdu.extname == "CAT":
    /// ...         print([len(chunk) for chunk in hdu.iter(chunksize=500)])
    /// [500, 500, 200]
    #[pyo3(signature = (*, chunksize=None, columns=None, scale=true, mask_null=false))]
    fn iter(
        &self,
        chunksize: Option<ChunkSize>,
        columns: Option<ColumnsArgument>,
        scale: bool,
        mask_null: bool,
    ) -> PyResult<StreamChunkIterator> {
        rows(&self.0, chunksize, columns, scale, mask_null).map(Mutex::new).map(StreamChunkIterator)
    }

    /// Reads the whole image or table.
    ///
    /// Parameters
    /// ----------
    /// columns, mask_null
    ///     For a table, as for `TableHDU.read`.
    /// mask_blank : bool
    ///     For an image, as for `ImageHDU.read`.
    /// scale : bool
    ///     As for either.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    ///     The image, or a structured array.
    ///
    /// Examples
    /// --------
    /// >>> for hdu in rustfits.stream("image.fits"):
    /// ...     if hdu.extname == "SCI":
    /// ...         print(hdu.read().shape)
    /// (300, 200)
    #[pyo3(signature = (*, columns=None, scale=true, mask_blank=false, mask_null=false))]
    fn read(
        &self,
        py: Python<'_>,
        columns: Option<ColumnsArgument>,
        scale: bool,
        mask_blank: bool,
        mask_null: bool,
    ) -> PyResult<Data> {
        read(&self.0, columns, scale, mask_blank, mask_null)?.wait(py)
    }
}

/// The bands of an image of a stream.
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct BandIterator(Mutex<ImageBands>);

#[pymethods]
impl BandIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Pixels>> {
        let step = lock(&self.0).next();
        Ok(wait(py, step)?.map(Pixels))
    }
}

/// The rows of a table of a stream, in chunks.
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct StreamChunkIterator(Mutex<StreamedRows>);

#[pymethods]
impl StreamChunkIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Structured>> {
        let step = lock(&self.0).next();
        Ok(wait(py, step)?.map(Structured))
    }
}
