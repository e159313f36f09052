//! `rustfits.aio.stream`: a file from its first byte to its last, awaited.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};

use futures_util::Stream;
use futures_util::stream::unfold;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use pyo3_async_runtimes::{TaskLocals, into_future_with_locals};
use rustfits::{FitsStream, ImageBands, Op, StreamHdu, StreamOptions, StreamedRows};

use crate::array::Pixels;
use crate::error::{OrRaise, exception};
use crate::numbers::Whole;
use crate::options::RemoteArgument;
use crate::records::Structured;
use crate::run::{UnderWay, awaitable};
use crate::streaming::{
    Origin, PyStreamHdu, Reader, bands, bytes_of, closed, in_words, read, rows, stream_hdu, stream_options,
};
use crate::table_keys::{ChunkSize, ColumnsArgument};

/// How much is asked of a reader at a time.
const READ_BYTES: usize = 256 << 10;

static READ: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static FOLLOWING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static BLOCKING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What gives a stream its bytes, in an event loop.
struct AsyncReader {
    object: Py<PyAny>,
    locals: TaskLocals,
    /// Whether it is iterated over and has no `read`.
    iterated: bool,
}

impl AsyncReader {
    /// Of a reader, or of something to iterate over; to be called in its event loop.
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let iterated = !object.hasattr("read")?;
        let object = if iterated { object.call_method0("__aiter__")? } else { object.clone() };
        let locals = TaskLocals::with_running_loop(py)?.copy_context(py)?;
        Ok(Self { object: object.unbind(), locals, iterated })
    }

    /// Begins to ask for the next bytes.
    fn ask(&self, py: Python<'_>) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<>> {
        let ask = if self.iterated {
            FOLLOWING.import(py, "rustfits._await", "following")?
        } else {
            READ.import(py, "rustfits._await", "read")?
        };
        into_future_with_locals(&self.locals, ask.call1((self.object.bind(py), READ_BYTES))?)
    }

    async fn next(&self) -> io::Result<bytes::Bytes> {
        let ending = || io::Error::other("the interpreter ends");
        let under_way = || UnderWay::begin().ok_or_else(ending);
        let asking = under_way()?;
        let asked = Python::try_attach(|py| self.ask(py)).ok_or_else(ending)?;
        drop(asking);
        let given = asked.map_err(|error| in_words(&error))?.await.map_err(|error| in_words(&error))?;
        let _taking = under_way()?;
        let copied = Python::try_attach(|py| Ok(bytes::Bytes::copy_from_slice(&bytes_of(given.bind(py))?)));
        copied.ok_or_else(ending)?
    }

    fn chunks(self) -> impl Stream<Item = io::Result<bytes::Bytes>> + Send {
        unfold(Some(self), |reader| async {
            let reader = reader?;
            match reader.next().await {
                Ok(bytes) if bytes.is_empty() => None,
                Ok(bytes) => Some((Ok(bytes), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// Streams a FITS file: `async for hdu in rustfits.aio.stream(source)`.
///
/// Parameters
/// ----------
/// source : str, os.PathLike, reader or asynchronous iterable
///     A name or a binary file object as `rustfits.stream` takes it; an object whose `read(n)` is awaited and gives bytes, such as an
///     `asyncio.StreamReader`; or an asynchronous iterable of bytes.
/// lenient, remote, max_held
///     As for `rustfits.stream`.
///
/// Returns
/// -------
/// Stream
///     An asynchronous iterator of `StreamHDU`, and an asynchronous context manager. The transfer begins at the first step.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     async for hdu in aio.stream("https://archive.example/image.fits"):
/// ...         print(hdu.extname)
/// >>> asyncio.run(main())
/// None
/// SCI
/// CAT
#[pyfunction]
#[pyo3(signature = (source, *, lenient=false, remote=None, max_held=None))]
pub(crate) fn stream(
    source: Origin,
    lenient: bool,
    remote: Option<RemoteArgument>,
    max_held: Option<Whole>,
) -> PyResult<AioStream> {
    let name = match &source {
        Origin::Name(name) => name.to_string_lossy().into_owned(),
        Origin::Reader(_) => "<stream>".to_owned(),
    };
    let options = stream_options(lenient, remote, max_held)?;
    Ok(AioStream { name, state: Mutex::new(State::Named(source, Box::new(options))) })
}

/// A FITS file that is read from its first byte to its last: an asynchronous iterator of its HDUs. Made by `rustfits.aio.stream`.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     async with aio.stream("image.fits") as stream:
/// ...         print([hdu.extname async for hdu in stream])
/// >>> asyncio.run(main())
/// [None, 'SCI', 'CAT']
#[pyclass(name = "Stream", frozen, module = "rustfits.aio")]
pub(crate) struct AioStream {
    name: String,
    state: Mutex<State>,
}

enum State {
    Named(Origin, Box<StreamOptions>),
    Begun(FitsStream),
    Closed,
}

impl AioStream {
    /// The step to the next HDU; begins the transfer if it was not.
    fn step(&self, py: Python<'_>) -> PyResult<Op<Option<StreamHdu>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Named(..) = &*state
            && let State::Named(origin, options) = std::mem::replace(&mut *state, State::Closed)
        {
            *state = State::Begun(begin(py, origin, *options)?);
        }
        match &mut *state {
            State::Begun(stream) => Ok(stream.next()),
            _ => Err(closed(&self.name)),
        }
    }
}

fn begin(py: Python<'_>, origin: Origin, options: StreamOptions) -> PyResult<FitsStream> {
    let object = match origin {
        Origin::Name(name) => return FitsStream::named(name, options).or_raise(),
        Origin::Reader(object) => object.into_bound(py),
    };
    if object.is_instance(BLOCKING.import(py, "io", "IOBase")?)? {
        return FitsStream::from_read_with(Reader::new(&object)?, options).or_raise();
    }
    FitsStream::from_chunks_with(AsyncReader::new(&object)?.chunks(), options).or_raise()
}

#[pymethods]
impl AioStream {
    /// Stops the transfer; closing twice is no error. HDUs that were handed out keep their headers.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     stream = aio.stream("image.fits")
    /// ...     stream.close()
    /// ...     print(stream.closed)
    /// >>> asyncio.run(main())
    /// True
    fn close(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
    }

    /// Whether the stream was closed.
    #[getter]
    fn closed(&self) -> bool {
        matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Closed)
    }

    fn __aenter__<'py>(slf: Py<Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, async move { Ok(slf) })
    }

    #[pyo3(signature = (*_exception))]
    fn __aexit__<'py>(&self, py: Python<'py>, _exception: &Bound<'_, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.close();
        awaitable(py, async { Ok(false) })
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        following(py, self.step(py)?, AwaitedHdu)
    }
}

/// The next of an asynchronous iteration, or its end.
fn following<'py, T, U>(py: Python<'py>, step: Op<Option<T>>, convert: fn(T) -> U) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    U: for<'a> IntoPyObject<'a> + Send + 'static,
{
    awaitable(py, async move {
        let found = step.await.map_err(exception)?;
        found.map(convert).ok_or_else(|| PyStopAsyncIteration::new_err(()))
    })
}

/// An HDU that becomes an object of [`AioStreamHdu`].
struct AwaitedHdu(StreamHdu);

impl<'py> IntoPyObject<'py> for AwaitedHdu {
    type Target = AioStreamHdu;
    type Output = Bound<'py, AioStreamHdu>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        Bound::new(py, stream_hdu(self.0, true).add_subclass(AioStreamHdu))
    }
}

/// An HDU of a stream whose reads are awaitable; otherwise as the blocking class.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     async for hdu in aio.stream("image.fits"):
/// ...         if hdu.extname == "SCI":
/// ...             print((await hdu.read()).shape)
/// >>> asyncio.run(main())
/// (300, 200)
#[pyclass(name = "StreamHDU", extends = PyStreamHdu, frozen, module = "rustfits.aio")]
pub(crate) struct AioStreamHdu;

#[pymethods]
impl AioStreamHdu {
    /// Iterates over an image in bands: `async for`. Parameters as in the blocking class.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async for hdu in aio.stream("image.fits"):
    /// ...         if hdu.extname == "SCI":
    /// ...             print(sum([band.size async for band in hdu.bands()]))
    /// >>> asyncio.run(main())
    /// 60000
    #[pyo3(signature = (bytes=None, *, scale=true, mask_blank=false))]
    fn bands(slf: PyRef<'_, Self>, bytes: Option<Whole>, scale: bool, mask_blank: bool) -> PyResult<BandStream> {
        bands(&slf.as_super().0, bytes, scale, mask_blank).map(Mutex::new).map(BandStream)
    }

    /// Iterates over a table in chunks of rows: `async for`. Parameters as in the blocking class.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async for hdu in aio.stream("image.fits"):
    /// ...         if hdu.extname == "CAT":
    /// ...             print([len(chunk) async for chunk in hdu.iter(chunksize=500)])
    /// >>> asyncio.run(main())
    /// [500, 500, 200]
    #[pyo3(signature = (*, chunksize=None, columns=None, scale=true, mask_null=false))]
    fn iter(
        slf: PyRef<'_, Self>,
        chunksize: Option<ChunkSize>,
        columns: Option<ColumnsArgument>,
        scale: bool,
        mask_null: bool,
    ) -> PyResult<RowChunkStream> {
        rows(&slf.as_super().0, chunksize, columns, scale, mask_null).map(Mutex::new).map(RowChunkStream)
    }

    /// Reads the whole image or table; an awaitable. Parameters as in the blocking class.
    ///
    /// Examples
    /// --------
    /// >>> async def main():
    /// ...     async for hdu in aio.stream("image.fits"):
    /// ...         if hdu.extname == "SCI":
    /// ...             print((await hdu.read()).shape)
    /// >>> asyncio.run(main())
    /// (300, 200)
    #[pyo3(signature = (*, columns=None, scale=true, mask_blank=false, mask_null=false))]
    fn read<'py>(
        slf: PyRef<'py, Self>,
        columns: Option<ColumnsArgument>,
        scale: bool,
        mask_blank: bool,
        mask_null: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reading = read(&slf.as_super().0, columns, scale, mask_blank, mask_null)?;
        awaitable(slf.py(), async move { reading.run().await })
    }
}

/// The bands of an image for `async for`.
#[pyclass(frozen, module = "rustfits.aio")]
pub(crate) struct BandStream(Mutex<ImageBands>);

#[pymethods]
impl BandStream {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let step = self.0.lock().unwrap_or_else(PoisonError::into_inner).next();
        following(py, step, Pixels)
    }
}

/// The rows of a table in chunks for `async for`.
#[pyclass(frozen, module = "rustfits.aio")]
pub(crate) struct RowChunkStream(Mutex<StreamedRows>);

#[pymethods]
impl RowChunkStream {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let step = self.0.lock().unwrap_or_else(PoisonError::into_inner).next();
        following(py, step, Structured)
    }
}
