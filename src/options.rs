//! What a caller can set: how a file is opened, how a remote one is fetched, which time limits hold.

use std::path::PathBuf;
use std::time::Duration;

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
#[derive(Clone, Debug)]
pub struct Remote {
    /// Whole or by the byte ranges that are touched.
    pub mode: RemoteMode,
    /// Further request headers (http only); dropped when a redirect leaves the host.
    pub headers: Vec<(String, String)>,
    /// The time limits.
    pub timeout: Timeout,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The most bytes to accept, after gunzip; `None`: what memory allows.
    pub max_bytes: Option<u64>,
    /// Ranged: the size to which requested ranges are rounded, in bytes; `None` asks for just what is needed.
    pub block_bytes: Option<u64>,
    /// Ranged: how many fetched bytes are kept for later reads; 0 keeps none.
    pub cache_bytes: u64,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            mode: RemoteMode::Whole,
            headers: Vec::new(),
            timeout: Timeout::default(),
            ca_file: None,
            max_bytes: None,
            block_bytes: None,
            cache_bytes: 32 * MEBIBYTE,
        }
    }
}

impl Remote {
    /// Fetches only the byte ranges that are touched; the server has to support them.
    pub fn ranged() -> Self {
        Self { mode: RemoteMode::Ranged, ..Self::default() }
    }
}

/// Which bytes of a remote file are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RemoteMode {
    /// All of them, into memory, when the file is opened.
    #[default]
    Whole,
    /// Those that are touched, when they are touched.
    Ranged,
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
