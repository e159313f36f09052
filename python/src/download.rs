//! `download_many`: files to disk, for blocking loops and for `async for`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use rustfits::{Download, DownloadOptions, DownloadQueue, Downloaded, FetchControl, FetchOutcome, OpenOptions, Verify};

use crate::error::exception;
use crate::fetch::{Limits, host_headers_of, no_name, remote_options, shown};
use crate::numbers::{Number, Whole, optional};
use crate::options::{RemoteArgument, TimeoutArgument};
use crate::run::{awaitable, finish_at_exit, watched};
use crate::statistics::{FetchStatistics, cancel, statistics};

/// One file for `download_many`: where it is to be had, and what is known about it.
///
/// Parameters
/// ----------
/// url : str or sequence of str
///     Its URL, or several mirrors: each is tried when those before have failed.
/// name : str, optional
///     The name of the file in the directory; else the last part of the first URL's path.
/// size : int, optional
///     How many bytes it has.
/// sha256, md5 : str, optional
///     Its hash, in hexadecimal.
///
/// Examples
/// --------
/// >>> rustfits.Download("https://archive.example/get?id=7", name="7.fits").name
/// '7.fits'
#[pyclass(name = "Download", frozen, eq, module = "rustfits")]
#[derive(Clone, PartialEq)]
pub(crate) struct PyDownload(Download);

#[pymethods]
impl PyDownload {
    #[new]
    #[pyo3(signature = (url, *, name=None, size=None, sha256=None, md5=None))]
    fn py_new(
        url: &Bound<'_, PyAny>,
        name: Option<String>,
        size: Option<Whole>,
        sha256: Option<String>,
        md5: Option<String>,
    ) -> PyResult<Self> {
        let size = optional(size, "size", 0..=u64::MAX)?;
        Ok(Self(Download { urls: urls_of(url)?, name, size, sha256, md5 }))
    }

    /// Its URLs.
    #[getter]
    fn urls(&self) -> Vec<String> {
        self.0.urls.clone()
    }

    /// The name of the file in the directory, or None.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// How many bytes it has, or None.
    #[getter]
    fn size(&self) -> Option<u64> {
        self.0.size
    }

    /// Its SHA-256, or None.
    #[getter]
    fn sha256(&self) -> Option<&str> {
        self.0.sha256.as_deref()
    }

    /// Its MD5, or None.
    #[getter]
    fn md5(&self) -> Option<&str> {
        self.0.md5.as_deref()
    }
}

fn urls_of(url: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Ok(url) = url.cast::<PyString>() {
        return Ok(vec![url.to_cow()?.into_owned()]);
    }
    if url.is_instance_of::<PyList>() || url.is_instance_of::<PyTuple>() {
        return url.extract();
    }
    Err(PyTypeError::new_err("a URL, a list of URLs or a Download is needed"))
}

/// The result for one file of `download_many`.
///
/// Examples
/// --------
/// >>> for r in rustfits.download_many(["https://archive.example/image.fits"], "tiles"):
/// ...     print(r.error, r.size == r.path.stat().st_size)
/// None True
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct DownloadResult {
    /// The URL, without credentials; of mirrors the first.
    #[pyo3(get)]
    url: String,
    /// The number of the file in the order given.
    #[pyo3(get)]
    index: u64,
    /// Where the file is, or None.
    #[pyo3(get)]
    path: Option<PathBuf>,
    /// How many bytes the file has, or None.
    #[pyo3(get)]
    size: Option<u64>,
    /// Whether it was there already.
    #[pyo3(get)]
    skipped: bool,
    /// How many of its bytes were there from an earlier download.
    #[pyo3(get)]
    resumed: u64,
    /// The exception, or None.
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
    /// How many attempts were made, at all mirrors.
    #[pyo3(get)]
    attempts: u32,
    /// How many bytes came over the network.
    #[pyo3(get)]
    bytes: u64,
    /// How long it took, waiting for its turn not counted.
    #[pyo3(get)]
    seconds: f64,
}

#[pymethods]
impl DownloadResult {
    fn __repr__(&self) -> String {
        let state = match (&self.path, self.skipped) {
            (None, _) => "failed",
            (_, true) => "skipped",
            _ => "downloaded",
        };
        format!("<DownloadResult {} {}: {state}, {} bytes, {:.3} s>", self.index, self.url, self.bytes, self.seconds)
    }
}

fn result(py: Python<'_>, outcome: FetchOutcome<Downloaded>) -> DownloadResult {
    let FetchOutcome { url, index, result, attempts, bytes, duration } = outcome;
    let (done, error) = match result {
        Ok(done) => (Some(done), None),
        Err(error) => (None, Some(exception(error).into_value(py).into_any())),
    };
    DownloadResult {
        url,
        index,
        size: done.as_ref().map(|done| done.size),
        skipped: done.as_ref().is_some_and(|done| done.skipped),
        resumed: done.as_ref().map_or(0, |done| done.resumed),
        path: done.map(|done| done.path),
        error,
        attempts,
        bytes,
        seconds: duration.as_secs_f64(),
    }
}

/// An outcome on its way to an asyncio task.
struct Arrived(FetchOutcome<Downloaded>);

impl<'py> IntoPyObject<'py> for Arrived {
    type Target = DownloadResult;
    type Output = Bound<'py, DownloadResult>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        Bound::new(py, result(py, self.0))
    }
}

/// The download of many files: URLs go in one by one while there is room, results come out.
#[pyclass(name = "DownloadQueue", frozen, module = "rustfits._rustfits")]
pub(crate) struct PyDownloadQueue {
    queue: Arc<Mutex<DownloadQueue>>,
    /// Beside the lock, which is held while a result is waited for.
    control: FetchControl,
}

impl PyDownloadQueue {
    fn lock(&self) -> std::sync::MutexGuard<'_, DownloadQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyDownloadQueue {
    #[new]
    #[pyo3(signature = (directory, *, concurrency, per_host, retries, backoff, timeout, max_bytes, headers, remote, ordered, max_bytes_per_second, max_requests_per_second, host_headers, verify, overwrite, manifest, on_event))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of download_many")]
    fn py_new(
        py: Python<'_>,
        directory: PathBuf,
        concurrency: Whole,
        per_host: Option<Whole>,
        retries: Whole,
        backoff: Number,
        timeout: Option<TimeoutArgument>,
        max_bytes: Option<Whole>,
        headers: Option<&Bound<'_, PyDict>>,
        remote: Option<RemoteArgument>,
        ordered: bool,
        max_bytes_per_second: Option<Whole>,
        max_requests_per_second: Option<Number>,
        host_headers: Option<&Bound<'_, PyDict>>,
        verify: Option<&str>,
        overwrite: bool,
        manifest: Option<PathBuf>,
        on_event: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        finish_at_exit(py)?;
        let verify = match verify {
            None => Verify::Nothing,
            Some("start") => Verify::Start,
            Some("datasum") => Verify::DataSums,
            Some(_) => return Err(PyValueError::new_err("verify= is 'start', 'datasum' or None")),
        };
        let limits = Limits {
            concurrency,
            per_host,
            max_buffered: None,
            retries,
            backoff,
            ordered,
            max_bytes_per_second,
            max_requests_per_second,
            host_headers: host_headers_of(host_headers)?,
        };
        let remote = remote_options(remote, timeout, max_bytes, headers)?;
        let options = limits.options(OpenOptions { lenient: false, remote: Some(remote) }, on_event)?;
        let download = DownloadOptions { verify, overwrite, manifest };
        let queue = py.detach(|| DownloadQueue::new(options, &directory, download, None)).map_err(exception)?;
        Ok(Self { control: queue.control(), queue: Arc::new(Mutex::new(queue)) })
    }

    /// Cancels a file by its number, those of a URL, or all; says how many.
    #[pyo3(signature = (which=None))]
    fn cancel(&self, which: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        cancel(&self.control, which)
    }

    /// What came of it so far.
    #[getter]
    fn statistics(&self) -> FetchStatistics {
        statistics(&self.control)
    }

    // The lock is never waited for with the GIL held: who has it may need the GIL to look for signals.

    /// Whether another file should be pushed now.
    fn has_room(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().has_room())
    }

    /// Begins to download a file; what is no URL is that file's error.
    fn push(&self, py: Python<'_>, file: &Bound<'_, PyAny>) -> PyResult<()> {
        let download = match file.cast::<PyDownload>() {
            Ok(download) => Ok(download.get().0.clone()),
            Err(_) => urls_of(file).map(|urls| Download { urls, ..Download::default() }),
        };
        match download {
            Ok(download) => py.detach(|| self.lock().push(download)),
            Err(error) => {
                let (shown, error) = (shown(file)?, no_name(py, &error));
                py.detach(|| self.lock().push_failed(&shown, error));
            }
        }
        Ok(())
    }

    /// The next result, waited for; StopIteration where nothing is under way.
    fn next(&self, py: Python<'_>) -> PyResult<DownloadResult> {
        let outcome = watched(py, |check| self.lock().wait_until(check))?;
        outcome.map(|outcome| result(py, outcome)).ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// The next result, awaitable; StopAsyncIteration where nothing is under way.
    fn next_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let queue = Arc::clone(&self.queue);
        awaitable(py, async move {
            let outcome =
                std::future::poll_fn(|context| queue.lock().unwrap_or_else(PoisonError::into_inner).poll_next(context));
            outcome.await.map(Arrived).ok_or_else(|| PyStopAsyncIteration::new_err(()))
        })
    }
}
