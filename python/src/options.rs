//! `Remote` and `Timeout`: how remote files are fetched, as users say it.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyNotImplementedError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rustfits::{OpenOptions, RemoteMode};

/// Time limits of a transfer, in seconds.
///
/// Parameters
/// ----------
/// connect : float
///     For each step up to the response's head: DNS, connect, TLS, login, request.
/// idle : float
///     For each silence after that.
/// total : float, optional
///     For the whole transfer.
#[pyclass(name = "Timeout", frozen, eq, from_py_object, module = "rustfits")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyTimeout {
    /// Seconds for each step up to the response's head.
    #[pyo3(get)]
    connect: f64,
    /// Seconds for each silence after that.
    #[pyo3(get)]
    idle: f64,
    /// Seconds for the whole transfer, or None.
    #[pyo3(get)]
    total: Option<f64>,
}

#[pymethods]
impl PyTimeout {
    #[new]
    #[pyo3(signature = (*, connect=30.0, idle=60.0, total=None))]
    fn py_new(connect: f64, idle: f64, total: Option<f64>) -> PyResult<Self> {
        for seconds in [Some(connect), Some(idle), total].into_iter().flatten() {
            seconds_of(seconds)?;
        }
        Ok(Self { connect, idle, total })
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let keywords = PyDict::new(py);
        keywords.set_item("connect", self.connect)?;
        keywords.set_item("idle", self.idle)?;
        keywords.set_item("total", self.total)?;
        Ok((PyTuple::empty(py), keywords))
    }

    fn __repr__(&self) -> String {
        let total = self.total.map_or_else(|| "None".to_owned(), |total| total.to_string());
        format!("Timeout(connect={}, idle={}, total={total})", self.connect, self.idle)
    }
}

impl PyTimeout {
    pub(crate) fn to_rust(self) -> PyResult<rustfits::Timeout> {
        Ok(rustfits::Timeout {
            connect: seconds_of(self.connect)?,
            idle: seconds_of(self.idle)?,
            total: self.total.map(seconds_of).transpose()?,
        })
    }
}

fn seconds_of(seconds: f64) -> PyResult<Duration> {
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| PyValueError::new_err(format!("timeout={seconds} is not a positive number of seconds")))
}

/// A number of seconds for connect and idle, or a `Timeout`.
#[derive(Clone, Copy)]
pub(crate) struct TimeoutArgument(pub(crate) PyTimeout);

impl<'py> FromPyObject<'_, 'py> for TimeoutArgument {
    type Error = PyErr;

    fn extract(timeout: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(timeout) = timeout.extract::<PyTimeout>() {
            return Ok(Self(timeout));
        }
        let seconds = timeout.extract::<f64>()?;
        PyTimeout::py_new(seconds, seconds, None).map(Self)
    }
}

/// How a remote file is fetched.
///
/// Parameters
/// ----------
/// ranged : bool
///     Fetch only the byte ranges that are touched; the server has to support them.
/// mode : {None, 'ranged'}
///     The same by name.
/// headers : dict, optional
///     Further request headers (http only).
/// timeout : float or Timeout, optional
///     A number limits each step up to the response's head, and each silence after it.
/// ca_file : path, optional
///     A PEM file of certificate authorities to trust besides the system's.
/// max_bytes : int, optional
///     The most bytes to accept, after gunzip.
/// block_bytes, cache_bytes : int, optional
///     Ranged: the size to which requested ranges are rounded, and how many fetched bytes are kept (32 MiB; 0: none).
#[pyclass(name = "Remote", frozen, eq, from_py_object, module = "rustfits")]
#[derive(Clone, PartialEq)]
pub(crate) struct PyRemote {
    /// Whether only the byte ranges that are touched are fetched.
    #[pyo3(get)]
    ranged: bool,
    headers: Vec<(String, String)>,
    /// The time limits, or None for the default ones.
    #[pyo3(get)]
    timeout: Option<PyTimeout>,
    /// The file of further certificate authorities, or None.
    #[pyo3(get)]
    ca_file: Option<PathBuf>,
    /// The most bytes to accept, or None.
    #[pyo3(get)]
    max_bytes: Option<u64>,
    /// The size to which requested ranges are rounded, or None for the default one.
    #[pyo3(get)]
    block_bytes: Option<u64>,
    /// How many fetched bytes are kept, or None for the default number.
    #[pyo3(get)]
    cache_bytes: Option<u64>,
}

const ACCEPTED_MODES: &str = "remote= is None, 'ranged' or a Remote";

fn is_ranged(mode: &str) -> PyResult<bool> {
    match mode {
        "ranged" => Ok(true),
        "auto" | "stream" => {
            Err(PyNotImplementedError::new_err(format!("remote mode '{mode}' is not supported yet: {ACCEPTED_MODES}")))
        }
        other => Err(PyValueError::new_err(format!("remote mode '{other}' is unknown: {ACCEPTED_MODES}"))),
    }
}

#[pymethods]
impl PyRemote {
    #[new]
    #[pyo3(signature = (*, ranged=false, mode=None, headers=None, timeout=None, ca_file=None, client_cert=None, auth=None,
                        proxy=None, max_bytes=None, block_bytes=None, cache_bytes=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python class")]
    fn py_new(
        ranged: bool,
        mode: Option<&str>,
        headers: Option<&Bound<'_, PyDict>>,
        timeout: Option<TimeoutArgument>,
        ca_file: Option<PathBuf>,
        client_cert: Option<Py<PyAny>>,
        auth: Option<Py<PyAny>>,
        proxy: Option<Py<PyAny>>,
        max_bytes: Option<u64>,
        block_bytes: Option<u64>,
        cache_bytes: Option<u64>,
    ) -> PyResult<Self> {
        if client_cert.is_some() || auth.is_some() || proxy.is_some() {
            return Err(PyNotImplementedError::new_err("client_cert=, auth= and proxy= are not supported yet"));
        }
        let ranged = ranged || mode.map(is_ranged).transpose()?.unwrap_or(false);
        if !ranged && (block_bytes.is_some() || cache_bytes.is_some()) {
            return Err(PyValueError::new_err("block_bytes= and cache_bytes= need ranged=True"));
        }
        if block_bytes == Some(0) || max_bytes == Some(0) {
            return Err(PyValueError::new_err("block_bytes= and max_bytes= must be positive"));
        }
        let headers = headers
            .map(|headers| headers.iter().map(|(name, value)| Ok((name.extract()?, value.extract()?))).collect());
        let headers: Vec<(String, String)> = headers.unwrap_or_else(|| PyResult::Ok(Vec::new()))?;
        let timeout = timeout.map(|timeout| timeout.0);
        Ok(Self { ranged, headers, timeout, ca_file, max_bytes, block_bytes, cache_bytes })
    }

    /// 'ranged' or None.
    #[getter]
    fn mode(&self) -> Option<&'static str> {
        self.ranged.then_some("ranged")
    }

    /// The further request headers.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for (name, value) in &self.headers {
            headers.set_item(name, value)?;
        }
        Ok(headers)
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let keywords = PyDict::new(py);
        keywords.set_item("ranged", self.ranged)?;
        keywords.set_item("headers", self.headers(py)?)?;
        keywords.set_item("timeout", self.timeout)?;
        keywords.set_item("ca_file", self.ca_file.as_ref())?;
        keywords.set_item("max_bytes", self.max_bytes)?;
        keywords.set_item("block_bytes", self.block_bytes)?;
        keywords.set_item("cache_bytes", self.cache_bytes)?;
        Ok((PyTuple::empty(py), keywords))
    }

    fn __repr__(&self) -> String {
        format!("Remote(ranged={})", if self.ranged { "True" } else { "False" })
    }
}

impl From<&rustfits::Remote> for PyRemote {
    fn from(remote: &rustfits::Remote) -> Self {
        let ranged = remote.mode == RemoteMode::Ranged;
        let timeout = &remote.timeout;
        let timeout = PyTimeout {
            connect: timeout.connect.as_secs_f64(),
            idle: timeout.idle.as_secs_f64(),
            total: timeout.total.map(|total| total.as_secs_f64()),
        };
        Self {
            ranged,
            headers: remote.headers.clone(),
            timeout: Some(timeout),
            ca_file: remote.ca_file.clone(),
            max_bytes: remote.max_bytes,
            block_bytes: remote.block_bytes,
            cache_bytes: ranged.then_some(remote.cache_bytes),
        }
    }
}

/// What stands behind `remote=`: None, the name of a mode, or a `Remote`.
#[derive(Clone)]
pub(crate) struct RemoteArgument(pub(crate) rustfits::Remote);

impl<'py> FromPyObject<'_, 'py> for RemoteArgument {
    type Error = PyErr;

    fn extract(remote: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(mode) = remote.cast::<PyString>() {
            is_ranged(&mode.to_cow()?)?;
            return Ok(Self(rustfits::Remote::ranged()));
        }
        let remote = remote.extract::<PyRemote>().map_err(|_| PyValueError::new_err(ACCEPTED_MODES))?;
        let defaults = rustfits::Remote::default();
        Ok(Self(rustfits::Remote {
            mode: if remote.ranged { RemoteMode::Ranged } else { RemoteMode::Whole },
            headers: remote.headers,
            timeout: remote.timeout.map_or(Ok(defaults.timeout), PyTimeout::to_rust)?,
            ca_file: remote.ca_file,
            max_bytes: remote.max_bytes,
            block_bytes: remote.block_bytes,
            cache_bytes: remote.cache_bytes.unwrap_or(defaults.cache_bytes),
        }))
    }
}

/// The options of an open.
pub(crate) fn open_options(lenient: bool, remote: Option<RemoteArgument>) -> OpenOptions {
    OpenOptions { lenient, remote: remote.map(|remote| remote.0) }
}
