//! `Remote` and `Timeout`: how remote files are fetched, as users say it.

use std::path::PathBuf;

use crate::block_cache::PyBlockCache;
use crate::numbers::{Number, Whole, optional};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rustfits::{Auth, ClientCertificate, OpenOptions, RemoteMode};

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
///
/// Examples
/// --------
/// >>> remote = rustfits.Remote(timeout=rustfits.Timeout(connect=10, idle=30))
/// >>> remote.timeout
/// Timeout(connect=10, idle=30, total=None)
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
    #[pyo3(signature = (*, connect=Number(30.0), idle=Number(60.0), total=None), text_signature = "(*, connect=30.0, idle=60.0, total=None)")]
    fn py_new(connect: Number, idle: Number, total: Option<Number>) -> PyResult<Self> {
        let timeout = Self { connect: connect.0, idle: idle.0, total: total.map(|total| total.0) };
        timeout.to_rust().map(|_| timeout)
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
            connect: Number(self.connect).seconds("connect")?,
            idle: Number(self.idle).seconds("idle")?,
            total: self.total.map(|total| Number(total).seconds("total")).transpose()?,
        })
    }
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
        let seconds = timeout.extract::<Number>()?;
        seconds.seconds("timeout")?;
        Ok(Self(PyTimeout { connect: seconds.0, idle: seconds.0, total: None }))
    }
}

/// How a remote file is fetched.
///
/// Parameters
/// ----------
/// ranged : bool
///     Fetch only the byte ranges that are touched; the server has to support them.
/// mode : {None, 'ranged', 'auto', 'stream'}
///     None fetches the whole file; 'ranged' is the same as ``ranged=True``; 'auto' fetches ranges where the server has them and the file
///     is not gzip, else the whole file. Nothing is asked for twice. 'stream' fetches the whole file while it is read: opening waits for the
///     first header only, a read for the bytes that it needs, and what goes wrong on the way shows there.
/// headers : dict, optional
///     Further request headers (http only).
/// timeout : float or Timeout, optional
///     A number limits each step up to the response's head, and each silence after it.
/// ca_file : path, optional
///     A PEM file of certificate authorities to trust besides the system's.
/// client_cert : path or (path, path), optional
///     The certificate by which the server knows us (https, ftps): one PEM file with its key, or a file for each.
/// auth : (str, str) or str, optional
///     User name and password, or a token (http only), for URLs that bring no user name of their own. Never sent on to the host that a
///     redirect leads to. Without it what ``~/.netrc`` (or the file that ``NETRC`` names) has for the host is used.
/// proxy : str, optional
///     The proxy for http(s) in place of those that the environment names: ``http://``, ``socks5://`` or ``socks5h://``, with user and
///     password where it wants them. It looks up the hosts. An empty text: none.
/// max_bytes : int, optional
///     The most bytes to accept, after gunzip.
/// block_bytes, cache_bytes : int, optional
///     Ranged or auto: the size to which requested ranges are rounded, and how many fetched bytes are kept (32 MiB; 0: none).
/// cache : BlockCache, optional
///     Ranged or auto: where fetched bytes are kept, for all files that are opened with this cache. `cache_bytes` then holds for files only
///     of which the server doesn't tell the version (ETag or date).
///
/// Examples
/// --------
/// >>> with rustfits.FITS("https://archive.example/image.fits", remote=rustfits.Remote(ranged=True)) as fits:
/// ...     stamp = fits["SCI"][100:110, 50:60]
/// >>> stamp.shape
/// (10, 10)
#[pyclass(name = "Remote", frozen, eq, from_py_object, module = "rustfits")]
#[derive(Clone, PartialEq)]
pub(crate) struct PyRemote {
    fetched: RemoteMode,
    headers: Vec<(String, String)>,
    /// The time limits, or None for the default ones.
    #[pyo3(get)]
    timeout: Option<PyTimeout>,
    /// The file of further certificate authorities, or None.
    #[pyo3(get)]
    ca_file: Option<PathBuf>,
    client_cert: Option<ClientCertificate>,
    auth: Option<Auth>,
    proxy: Option<String>,
    /// The most bytes to accept, or None.
    #[pyo3(get)]
    max_bytes: Option<u64>,
    /// The size to which requested ranges are rounded, or None for the default one.
    #[pyo3(get)]
    block_bytes: Option<u64>,
    /// How many fetched bytes are kept, or None for the default number.
    #[pyo3(get)]
    cache_bytes: Option<u64>,
    /// The cache that is shared with other files, or None.
    #[pyo3(get)]
    cache: Option<PyBlockCache>,
}

const ACCEPTED_MODES: &str = "remote= is None, 'ranged', 'auto', 'stream' or a Remote";

fn mode_of(mode: &str) -> PyResult<RemoteMode> {
    match mode {
        "ranged" => Ok(RemoteMode::Ranged),
        "auto" => Ok(RemoteMode::Auto),
        "stream" => Ok(RemoteMode::Stream),
        other => Err(PyValueError::new_err(format!("remote mode '{other}' is unknown: {ACCEPTED_MODES}"))),
    }
}

fn has_ranges(mode: RemoteMode) -> bool {
    matches!(mode, RemoteMode::Ranged | RemoteMode::Auto)
}

/// One PEM file with certificate and key, or a file for each.
#[derive(FromPyObject)]
enum CertificateArgument {
    #[pyo3(transparent)]
    One(PathBuf),
    #[pyo3(transparent)]
    Two((PathBuf, PathBuf)),
}

/// User name and password, or a token.
fn auth_of(auth: &Bound<'_, PyAny>) -> PyResult<Auth> {
    if let Ok(token) = auth.cast::<PyString>() {
        return Ok(Auth::Bearer(token.to_cow()?.into_owned()));
    }
    match auth.extract::<(String, String)>() {
        Ok((user, password)) => Ok(Auth::Basic { user, password }),
        Err(_) => Err(PyTypeError::new_err("auth= is a token, or a user name and a password: ('name', 'password')")),
    }
}

#[pymethods]
impl PyRemote {
    #[new]
    #[pyo3(signature = (*, ranged=false, mode=None, headers=None, timeout=None, ca_file=None, client_cert=None, auth=None,
                        proxy=None, max_bytes=None, block_bytes=None, cache_bytes=None, cache=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python class")]
    fn py_new(
        ranged: bool,
        mode: Option<&str>,
        headers: Option<&Bound<'_, PyDict>>,
        timeout: Option<TimeoutArgument>,
        ca_file: Option<PathBuf>,
        client_cert: Option<CertificateArgument>,
        auth: Option<&Bound<'_, PyAny>>,
        proxy: Option<String>,
        max_bytes: Option<Whole>,
        block_bytes: Option<Whole>,
        cache_bytes: Option<Whole>,
        cache: Option<PyBlockCache>,
    ) -> PyResult<Self> {
        let fetched = match (ranged, mode.map(mode_of).transpose()?) {
            (true, None) => RemoteMode::Ranged,
            (true, Some(mode)) if mode != RemoteMode::Ranged => {
                return Err(PyValueError::new_err(
                    "ranged=True and another mode= contradict each other: give one of them",
                ));
            }
            (_, mode) => mode.unwrap_or_default(),
        };
        if !has_ranges(fetched) && (block_bytes.is_some() || cache_bytes.is_some() || cache.is_some()) {
            return Err(PyValueError::new_err("block_bytes=, cache_bytes= and cache= need ranged=True or mode='auto'"));
        }
        let client_cert = client_cert.map(|files| match files {
            CertificateArgument::One(cert) => ClientCertificate { cert, key: None },
            CertificateArgument::Two((cert, key)) => ClientCertificate { cert, key: Some(key) },
        });
        let auth = auth.map(auth_of).transpose()?;
        let max_bytes = optional(max_bytes, "max_bytes", 1..=u64::MAX)?;
        let block_bytes = optional(block_bytes, "block_bytes", 1..=u64::MAX)?;
        let cache_bytes = optional(cache_bytes, "cache_bytes", 0..=u64::MAX)?;
        let headers = headers
            .map(|headers| headers.iter().map(|(name, value)| Ok((name.extract()?, value.extract()?))).collect());
        let headers: Vec<(String, String)> = headers.unwrap_or_else(|| PyResult::Ok(Vec::new()))?;
        let timeout = timeout.map(|timeout| timeout.0);
        Ok(Self {
            fetched,
            headers,
            timeout,
            ca_file,
            client_cert,
            auth,
            proxy,
            max_bytes,
            block_bytes,
            cache_bytes,
            cache,
        })
    }

    /// Whether only the byte ranges that are touched are fetched.
    #[getter]
    fn ranged(&self) -> bool {
        self.fetched == RemoteMode::Ranged
    }

    /// 'ranged', 'auto', 'stream' or None.
    #[getter]
    fn mode(&self) -> Option<&'static str> {
        match self.fetched {
            RemoteMode::Ranged => Some("ranged"),
            RemoteMode::Auto => Some("auto"),
            RemoteMode::Stream => Some("stream"),
            _ => None,
        }
    }

    /// The certificate by which the server knows us: a file, two files, or None.
    #[getter]
    fn client_cert<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.client_cert {
            None => Ok(None),
            Some(ClientCertificate { cert, key: None }) => Ok(Some(cert.into_pyobject(py)?.into_any())),
            Some(ClientCertificate { cert, key: Some(key) }) => Ok(Some((cert, key).into_pyobject(py)?.into_any())),
        }
    }

    /// User name and password, a token, or None.
    #[getter]
    fn auth<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.auth {
            Some(Auth::Basic { user, password }) => Ok(Some((user, password).into_pyobject(py)?.into_any())),
            Some(Auth::Bearer(token)) => Ok(Some(token.into_pyobject(py)?.into_any())),
            _ => Ok(None),
        }
    }

    /// The proxy, or None.
    #[getter]
    fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
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
        keywords.set_item("mode", self.mode())?;
        keywords.set_item("client_cert", self.client_cert(py)?)?;
        keywords.set_item("auth", self.auth(py)?)?;
        keywords.set_item("proxy", self.proxy())?;
        keywords.set_item("headers", self.headers(py)?)?;
        keywords.set_item("timeout", self.timeout)?;
        keywords.set_item("ca_file", self.ca_file.as_ref())?;
        keywords.set_item("max_bytes", self.max_bytes)?;
        keywords.set_item("block_bytes", self.block_bytes)?;
        keywords.set_item("cache_bytes", self.cache_bytes)?;
        keywords.set_item("cache", self.cache.clone())?;
        Ok((PyTuple::empty(py), keywords))
    }

    fn __repr__(&self) -> String {
        match self.fetched {
            RemoteMode::Auto => "Remote(mode='auto')".to_owned(),
            RemoteMode::Stream => "Remote(mode='stream')".to_owned(),
            mode => format!("Remote(ranged={})", if mode == RemoteMode::Ranged { "True" } else { "False" }),
        }
    }
}

impl From<&rustfits::Remote> for PyRemote {
    fn from(remote: &rustfits::Remote) -> Self {
        let timeout = &remote.timeout;
        let timeout = PyTimeout {
            connect: timeout.connect.as_secs_f64(),
            idle: timeout.idle.as_secs_f64(),
            total: timeout.total.map(|total| total.as_secs_f64()),
        };
        Self {
            fetched: remote.mode,
            headers: remote.headers.clone(),
            timeout: Some(timeout),
            ca_file: remote.ca_file.clone(),
            client_cert: remote.client_cert.clone(),
            auth: remote.auth.clone(),
            proxy: remote.proxy.clone(),
            max_bytes: remote.max_bytes,
            block_bytes: remote.block_bytes,
            cache_bytes: has_ranges(remote.mode).then_some(remote.cache_bytes),
            cache: remote.cache.clone().map(PyBlockCache),
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
            let mode = mode_of(&mode.to_cow()?)?;
            return Ok(Self(rustfits::Remote { mode, ..rustfits::Remote::default() }));
        }
        let remote = remote.extract::<PyRemote>().map_err(|_| PyValueError::new_err(ACCEPTED_MODES))?;
        let defaults = rustfits::Remote::default();
        Ok(Self(rustfits::Remote {
            mode: remote.fetched,
            headers: remote.headers,
            timeout: remote.timeout.map_or(Ok(defaults.timeout), PyTimeout::to_rust)?,
            ca_file: remote.ca_file,
            client_cert: remote.client_cert,
            auth: remote.auth,
            proxy: remote.proxy,
            max_bytes: remote.max_bytes,
            block_bytes: remote.block_bytes,
            cache_bytes: remote.cache_bytes.unwrap_or(defaults.cache_bytes),
            cache: remote.cache.map(|cache| cache.0),
        }))
    }
}

/// The options of an open.
pub(crate) fn open_options(lenient: bool, remote: Option<RemoteArgument>) -> OpenOptions {
    OpenOptions { lenient, remote: remote.map(|remote| remote.0) }
}
