//! What a caller can set: how a file is opened, how a remote one is fetched, which time limits hold.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::block_cache::BlockCache;

const MEBIBYTE: u64 = 1 << 20;

/// How a file is opened. The default reads strictly, a remote file whole.
///
/// # Examples
///
/// ```
/// use rustfits::{OpenOptions, Remote};
///
/// let options = OpenOptions { remote: Some(Remote::ranged()), ..OpenOptions::default() };
/// assert!(!options.lenient);
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Takes cards that break the rules: bytes outside printable ASCII read as `_`, unquoted NaN and Inf are floats.
    pub lenient: bool,
    /// How a remote file is fetched; `None` downloads it whole. Not allowed for a local file.
    pub remote: Option<Remote>,
}

/// How a remote file is fetched.
///
/// What may succeed (a broken connection, a time limit, a short body, statuses 408, 425, 429 and 5xx) is asked for again after a fraction of a second, or
/// after what `Retry-After` says, up to 10 s: a range three times in all, a whole file, which goes on where it broke, until three attempts in a
/// row bring nothing. A fetch of many files has a number of its own, [`FetchOptions::retries`](crate::FetchOptions::retries).
///
/// # Examples
///
/// ```
/// use rustfits::{Auth, Remote, RemoteMode};
///
/// let remote = Remote {
///     mode: RemoteMode::Auto,
///     auth: Some(Auth::Bearer("s3cret".to_owned())),
///     proxy: Some("socks5://proxy.example:1080".to_owned()),
///     ..Remote::default()
/// };
/// assert!(!format!("{remote:?}").contains("s3cret"));
/// ```
#[derive(Clone)]
pub struct Remote {
    /// Whole or by the byte ranges that are touched.
    pub mode: RemoteMode,
    /// Further request headers (http only); dropped when a redirect leaves the host.
    pub headers: Vec<(String, String)>,
    /// The time limits.
    pub timeout: Timeout,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate by which servers that ask for one know us (https and ftps).
    pub client_cert: Option<ClientCertificate>,
    /// As whom to log in, at the host of each URL that brings no user name of its own; never sent on to the host that a redirect leads to.
    /// `None`: as the file that `NETRC` names, or `~/.netrc`, says for the host.
    pub auth: Option<Auth>,
    /// The proxy for all http(s) requests, in place of those that the environment names: `http://`, `socks5://` or `socks5h://`, with user
    /// and password where it wants them. Hosts are looked up by the proxy. An empty text: no proxy.
    pub proxy: Option<String>,
    /// The most bytes to accept, after gunzip; `None`: what memory allows.
    pub max_bytes: Option<u64>,
    /// Ranged: the size to which requested ranges are rounded, in bytes; `None` asks for just what is needed.
    pub block_bytes: Option<u64>,
    /// Ranged: how many fetched bytes are kept for later reads; 0 keeps none.
    pub cache_bytes: u64,
    /// Ranged: where fetched bytes are kept, for all files that are opened with this cache. `None`: each file keeps its own, of at most `cache_bytes`;
    /// and so do, with a cache, the files of which the server doesn't tell the version.
    pub cache: Option<BlockCache>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            mode: RemoteMode::Whole,
            headers: Vec::new(),
            timeout: Timeout::default(),
            ca_file: None,
            client_cert: None,
            auth: None,
            proxy: None,
            max_bytes: None,
            block_bytes: None,
            cache_bytes: 32 * MEBIBYTE,
            cache: None,
        }
    }
}

impl Remote {
    /// Fetches only the byte ranges that are touched; the server has to support them.
    pub fn ranged() -> Self {
        Self { mode: RemoteMode::Ranged, ..Self::default() }
    }

    /// Fetches only the byte ranges that are touched where the server supports that, else the whole file.
    pub fn auto() -> Self {
        Self { mode: RemoteMode::Auto, ..Self::default() }
    }

    /// Fetches the whole file while it is read.
    pub fn stream() -> Self {
        Self { mode: RemoteMode::Stream, ..Self::default() }
    }
}

impl fmt::Debug for Remote {
    /// Shows no secret: of headers their names, of credentials and a proxy only that there are some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Remote")
            .field("mode", &self.mode)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("ca_file", &self.ca_file)
            .field("client_cert", &self.client_cert)
            .field("auth", &self.auth)
            .field("proxy", &self.proxy.as_ref().map(|_| "***"))
            .field("max_bytes", &self.max_bytes)
            .field("block_bytes", &self.block_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("cache", &self.cache)
            .finish()
    }
}

/// As whom a server is asked.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// User name and password (http: RFC 7617; ftp: the login).
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token (http only, RFC 6750).
    Bearer(String),
}

impl fmt::Debug for Auth {
    /// Shows the kind, no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(***)",
            Self::Bearer(_) => "Bearer(***)",
        })
    }
}

/// A client's own certificate with its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate, with those between it and the authority behind it.
    pub cert: PathBuf,
    /// The private key; `None`: it is in the file of the certificate.
    pub key: Option<PathBuf>,
}

/// Which bytes of a remote file are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RemoteMode {
    /// All of them, into memory, when the file is opened.
    #[default]
    Whole,
    /// Those that are touched, when they are touched.
    Ranged,
    /// Those that are touched where the server has ranges and the file is not gzip; else all of them. The answer to the first request is
    /// used in either case, nothing is asked for twice.
    Auto,
    /// All of them, into memory, while the file is read: opening waits for the first header only, a read for the bytes that it needs.
    Stream,
}

/// Time limits of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// For each step up to the response's head: DNS, connect, TLS, login, request.
    pub connect: Duration,
    /// For each silence after that.
    pub idle: Duration,
    /// For the whole transfer; `None`: no limit.
    pub total: Option<Duration>,
}

impl Default for Timeout {
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), idle: Duration::from_secs(60), total: None }
    }
}
