//! `fetch_many`: results as they complete, for blocking loops and for `async for`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use rustfits::{
    Error, ErrorKind, FetchControl, FetchEvent, FetchOptions, FetchOutcome, FetchQueue, OpenOptions, Remote,
};

use crate::aio::AioFits;
use crate::error::exception;
use crate::fits::Fits;
use crate::numbers::{Number, Whole, optional};
use crate::opening::warn;
use crate::options::{RemoteArgument, TimeoutArgument};
use crate::run::{UnderWay, awaitable, finish_at_exit, watched};
use crate::statistics::{FetchStatistics, cancel, statistics};

/// The result for one file of `fetch_many`.
///
/// Examples
/// --------
/// >>> for r in rustfits.fetch_many(["https://archive.example/image.fits"]):
/// ...     print(r.index, r.error, r.attempts, r.fits["SCI"].shape)
/// 0 None 1 (300, 200)
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct FetchResult {
    /// The name, without credentials.
    #[pyo3(get)]
    url: String,
    /// The number of the file in the order given.
    #[pyo3(get)]
    index: u64,
    /// The open file, or None.
    #[pyo3(get)]
    fits: Option<Py<PyAny>>,
    /// The exception, or None.
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
    /// How many attempts were made.
    #[pyo3(get)]
    attempts: u32,
    /// How many bytes came over the network.
    #[pyo3(get)]
    bytes: u64,
    /// How long it took, waiting for its turn and for memory not counted.
    #[pyo3(get)]
    seconds: f64,
}

#[pymethods]
impl FetchResult {
    fn __repr__(&self) -> String {
        let state = if self.fits.is_some() { "ok" } else { "failed" };
        format!("<FetchResult {} {}: {state}, {} bytes, {:.3} s>", self.index, self.url, self.bytes, self.seconds)
    }
}

fn result(py: Python<'_>, outcome: FetchOutcome, asynchronous: bool) -> PyResult<FetchResult> {
    let FetchOutcome { url, index, result, attempts, bytes, duration } = outcome;
    let opened = result.map_err(exception).and_then(|reader| {
        if asynchronous {
            warn(py, &reader)?;
            Ok(Py::new(py, AioFits::of_reader(reader))?.into_any())
        } else {
            Ok(Py::new(py, Fits::of_reader(py, reader)?)?.into_any())
        }
    });
    // A warning that the user's filters made an exception is that file's error, too: raised here, it would cost the result.
    let (fits, error) = match opened {
        Ok(fits) => (Some(fits), None),
        Err(error) => (None, Some(error.into_value(py).into_any())),
    };
    Ok(FetchResult { url, index, fits, error, attempts, bytes, seconds: duration.as_secs_f64() })
}

/// The error of something that should be a name and is none.
pub(crate) fn no_name(py: Python<'_>, error: &PyErr) -> Error {
    let kind = if error.is_instance_of::<PyTypeError>(py) { ErrorKind::Type } else { ErrorKind::Argument };
    Error::new(kind, format!("this is no name of a file: {}", error.value(py)))
}

/// An outcome on its way to an asyncio task.
struct Arrived(Option<FetchOutcome>);

impl<'py> IntoPyObject<'py> for Arrived {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self.0 {
            Some(outcome) => Ok(Bound::new(py, result(py, outcome, true)?)?.into_any()),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

/// Headers, by the names of hosts.
pub(crate) type HostHeaders = Vec<(String, Vec<(String, String)>)>;

/// The keywords that say how many files are fetched, and how often.
pub(crate) struct Limits {
    pub(crate) concurrency: Whole,
    pub(crate) per_host: Option<Whole>,
    pub(crate) max_buffered: Option<Whole>,
    pub(crate) retries: Whole,
    pub(crate) backoff: Number,
    pub(crate) ordered: bool,
    pub(crate) max_bytes_per_second: Option<Whole>,
    pub(crate) max_requests_per_second: Option<Number>,
    pub(crate) host_headers: HostHeaders,
}

impl Limits {
    pub(crate) fn options(self, open: OpenOptions, on_event: Option<Py<PyAny>>) -> PyResult<FetchOptions> {
        let defaults = FetchOptions::default();
        let (per_host, max_buffered) = (self.per_host, self.max_buffered);
        let options = FetchOptions {
            concurrency: self.concurrency.within("concurrency", 1..=usize::MAX)?,
            per_host: optional(per_host, "per_host", 1..=usize::MAX)?.unwrap_or(defaults.per_host),
            max_buffered: optional(max_buffered, "max_buffered", 1..=u64::MAX)?.unwrap_or(defaults.max_buffered),
            retries: self.retries.within("retries", 0..=u32::MAX)?,
            backoff: self.backoff.pause("backoff")?,
            ordered: self.ordered,
            max_bytes_per_second: optional(self.max_bytes_per_second, "max_bytes_per_second", 1..=u64::MAX)?,
            max_requests_per_second: self.max_requests_per_second.map(|rate| rate.0),
            host_headers: self.host_headers,
            open,
            on_event: on_event.map(callback),
            ..defaults
        };
        options.check().map_err(exception)?;
        Ok(options)
    }
}

/// `remote=` with what the other keywords say in place of it or besides.
pub(crate) fn remote_options(
    remote: Option<RemoteArgument>,
    timeout: Option<TimeoutArgument>,
    max_bytes: Option<Whole>,
    headers: Option<&Bound<'_, PyDict>>,
) -> PyResult<Remote> {
    let mut remote = remote.map_or_else(Remote::default, |remote| remote.0);
    if let Some(timeout) = timeout {
        remote.timeout = timeout.0.to_rust()?;
    }
    remote.max_bytes = optional(max_bytes, "max_bytes", 1..=u64::MAX)?.or(remote.max_bytes);
    remote.headers.extend(headers.map_or_else(|| Ok(Vec::new()), headers_of)?);
    Ok(remote)
}

/// Headers by their names.
fn headers_of(headers: &Bound<'_, PyDict>) -> PyResult<Vec<(String, String)>> {
    headers.iter().map(|(name, value)| Ok((name.extract()?, value.extract()?))).collect()
}

/// `host_headers=`: headers by the names of hosts.
pub(crate) fn host_headers_of(hosts: Option<&Bound<'_, PyDict>>) -> PyResult<HostHeaders> {
    let own = |(host, headers): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let headers = headers.cast_into::<PyDict>().map_err(|_| {
            PyTypeError::new_err("host_headers= is a dict of dicts: {'archive.example': {'X-Token': '...'}}")
        })?;
        Ok((host.extract()?, headers_of(&headers)?))
    };
    hosts.into_iter().flatten().map(own).collect()
}

/// A name, or the names of mirrors in a list or tuple.
fn names_of(name: &Bound<'_, PyAny>) -> PyResult<Vec<PathBuf>> {
    if name.is_instance_of::<PyList>() || name.is_instance_of::<PyTuple>() {
        name.extract()
    } else {
        Ok(vec![name.extract()?])
    }
}

/// What is shown of a name that is none. Not its repr: quotes around a URL would hide from us where a password is.
pub(crate) fn shown(name: &Bound<'_, PyAny>) -> PyResult<String> {
    match name.cast::<PyString>() {
        Ok(text) => Ok(text.to_string_lossy().into_owned()),
        Err(_) => Ok(format!("<{}>", name.get_type().name()?)),
    }
}

/// The fetch of many files: names go in one by one while there is room, results come out.
///
/// `rustfits.fetch_many` and `rustfits.aio.fetch_many` feed it from an iterable.
#[pyclass(frozen, module = "rustfits._rustfits")]
pub(crate) struct Queue {
    queue: Arc<Mutex<FetchQueue>>,
    /// Beside the lock, which is held while a result is waited for.
    control: FetchControl,
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, FetchQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (*, concurrency, per_host, max_buffered, retries, backoff, timeout, max_bytes, headers, remote, lenient, ordered, max_bytes_per_second, max_requests_per_second, host_headers, on_event))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of fetch_many")]
    fn py_new(
        py: Python<'_>,
        concurrency: Whole,
        per_host: Option<Whole>,
        max_buffered: Option<Whole>,
        retries: Whole,
        backoff: Number,
        timeout: Option<TimeoutArgument>,
        max_bytes: Option<Whole>,
        headers: Option<&Bound<'_, PyDict>>,
        remote: Option<RemoteArgument>,
        lenient: bool,
        ordered: bool,
        max_bytes_per_second: Option<Whole>,
        max_requests_per_second: Option<Number>,
        host_headers: Option<&Bound<'_, PyDict>>,
        on_event: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        finish_at_exit(py)?;
        let limits = Limits {
            concurrency,
            per_host,
            max_buffered,
            retries,
            backoff,
            ordered,
            max_bytes_per_second,
            max_requests_per_second,
            host_headers: host_headers_of(host_headers)?,
        };
        let remote = remote_options(remote, timeout, max_bytes, headers)?;
        let options = limits.options(OpenOptions { lenient, remote: Some(remote) }, on_event)?;
        let queue = FetchQueue::new(options, None);
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

    /// Whether another name should be pushed now.
    fn has_room(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().has_room())
    }

    /// Begins to fetch a file, given by its name or by those of its mirrors; what is no name is that file's error.
    fn push(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        match names_of(name) {
            Ok(names) => py.detach(|| self.lock().push_mirrors(names)),
            Err(error) => {
                let shown = shown(name)?;
                let error = no_name(py, &error);
                py.detach(|| self.lock().push_failed(&shown, error));
            }
        }
        Ok(())
    }

    /// The next result, waited for; StopIteration where nothing is under way.
    fn next(&self, py: Python<'_>) -> PyResult<FetchResult> {
        let outcome = watched(py, |check| self.lock().wait_until(check))?;
        match outcome {
            Some(outcome) => result(py, outcome, false),
            None => Err(PyStopIteration::new_err(())),
        }
    }

    /// The next result, awaitable; StopAsyncIteration where nothing is under way.
    fn next_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let queue = Arc::clone(&self.queue);
        awaitable(py, async move {
            let outcome =
                std::future::poll_fn(|context| queue.lock().unwrap_or_else(PoisonError::into_inner).poll_next(context));
            match outcome.await {
                None => Err(PyStopAsyncIteration::new_err(())),
                outcome => Ok(Arrived(outcome)),
            }
        })
    }
}

/// A Python callable that is given each event as a dict; what it raises is shown, and the fetch goes on.
fn callback(callable: Py<PyAny>) -> rustfits::OnEvent {
    Arc::new(move |event| {
        // Nobody is told once the interpreter is about to end.
        let Some(_under_way) = UnderWay::begin() else { return };
        Python::try_attach(|py| {
            let told = event_dict(py, event).and_then(|event| callable.call1(py, (event,)));
            if let Err(error) = told {
                error.write_unraisable(py, Some(callable.bind(py)));
            }
        });
    })
}

fn event_dict<'py>(py: Python<'py>, event: &FetchEvent) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match event {
        FetchEvent::Started { index, url } => {
            dict.set_item("event", "started")?;
            dict.set_item("index", index)?;
            dict.set_item("url", url)?;
        }
        FetchEvent::Received { index, bytes } => {
            dict.set_item("event", "received")?;
            dict.set_item("index", index)?;
            dict.set_item("bytes", bytes)?;
        }
        FetchEvent::Finished { index, succeeded } => {
            dict.set_item("event", "finished")?;
            dict.set_item("index", index)?;
            dict.set_item("succeeded", succeeded)?;
        }
        _ => dict.set_item("event", "other")?,
    }
    Ok(dict)
}
