//! The one error type of the crate.
//!
//! An [`Error`] says what went wrong ([`ErrorKind`]), where (file or URL, HDU, and column, keyword or tile) and, where that is
//! known, what to do about it. It is one pointer wide, so a `Result` stays small. Each layer adds the part of the place
//! that it knows: a codec knows the bytes, the tiled layer the tile, the reader the HDU and the file.

use std::fmt;
use std::sync::Arc;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate: a kind, a message, and the place it is about.
///
/// # Examples
///
/// ```
/// use rustfits::{ErrorKind, blocking::FitsReader};
///
/// let error = FitsReader::open("/no/such/file.fits").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert!(error.to_string().contains("/no/such/file.fits"));
/// ```
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    item: Option<String>,
    hdu: Option<usize>,
    file: Option<String>,
    /// The code of an FTP server that the error stands for.
    reply: Option<u16>,
    /// What the operating system said.
    source: Option<Arc<std::io::Error>>,
}

/// The kinds of condition that an [`Error`] reports; each maps to one Python exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a read or write.
    Io,
    /// There is no such file.
    NotFound,
    /// The operating system denies access.
    PermissionDenied,
    /// A connection could not be made or broke.
    Network,
    /// A server answered with this status instead of the file.
    Status(u16),
    /// A time limit was reached.
    Timeout,
    /// Bytes that the file promises are missing.
    Truncated,
    /// Bytes are there but can't be decoded.
    Corrupt,
    /// The result or the download is larger than the limit or the memory.
    TooLarge,
    /// A change was asked of something that can only be read.
    ReadOnly,
    /// The file was closed, or the HDU deleted.
    Closed,
    /// The content is there but breaks the FITS standard.
    Illegal,
    /// An argument is wrong.
    Argument,
    /// An integer index is out of range.
    Index,
    /// There is no such keyword, column or HDU.
    Key,
    /// An argument has a type that is not supported.
    Type,
    /// This version does not do that yet.
    Unsupported,
    /// The operation was cancelled.
    Cancelled,
}

impl Error {
    /// Makes an error of a kind with a message that says what is wrong and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            item: None,
            hdu: None,
            file: None,
            reply: None,
            source: None,
        }))
    }

    /// What went wrong, for code that decides by it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file or URL (without credentials) that the error is about, where it is known.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The number of the HDU, counted from 0, that the error is about, where it is known.
    pub fn hdu(&self) -> Option<usize> {
        self.0.hdu
    }

    /// Whether another attempt may succeed: a broken connection, a time limit, a short body, a busy server.
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            ErrorKind::Network | ErrorKind::Timeout => true,
            ErrorKind::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Names the file or URL; the innermost name stays.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.0.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// Names the HDU; the innermost number stays.
    #[must_use]
    pub fn in_hdu(mut self, index: usize) -> Self {
        self.0.hdu.get_or_insert(index);
        self
    }

    /// Names the column, keyword, row or tile ("column 'ra'"); the innermost name stays.
    #[must_use]
    pub fn in_item(mut self, item: impl FnOnce() -> String) -> Self {
        self.0.item.get_or_insert_with(item);
        self
    }

    /// Notes the code of the FTP server's answer.
    pub(crate) fn with_reply(mut self, code: u16) -> Self {
        self.0.reply = Some(code);
        self
    }

    /// The code of an FTP server that the error stands for, if it stands for one.
    pub(crate) fn reply(&self) -> Option<u16> {
        self.0.reply
    }

    /// The same error under another kind.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error with another message.
    pub(crate) fn saying(mut self, message: String) -> Self {
        self.0.message = message;
        self
    }

    /// The same error with something added to its message.
    pub(crate) fn noting(mut self, text: &str) -> Self {
        self.0.message.push_str(text);
        self
    }

    pub(crate) fn truncated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Truncated, message)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn illegal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Illegal, message)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Argument, message)
    }

    pub(crate) fn network(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Network, message)
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Timeout, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the operation was cancelled")
    }
}

impl Clone for Error {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.0.file.as_ref().filter(|file| !file.is_empty()) {
            write!(f, "{file}: ")?;
        }
        if let Some(hdu) = self.0.hdu {
            write!(f, "HDU {hdu}: ")?;
        }
        if let Some(item) = &self.0.item {
            write!(f, "{item}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    /// The error of the operating system, with its number, where there was one. The message says the same.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|error| error as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied => ErrorKind::PermissionDenied,
            Io::TimedOut => ErrorKind::Timeout,
            Io::ConnectionRefused | Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::NotConnected => {
                ErrorKind::Network
            }
            _ => ErrorKind::Io,
        };
        let mut own = Self::new(kind, error.to_string());
        own.0.source = Some(Arc::new(error));
        own
    }
}

/// Adds the place to the error of a `Result`, as [`Error::in_file`] and its siblings do.
pub(crate) trait ResultExt<T> {
    fn in_file(self, file: &str) -> Result<T>;
    fn in_hdu(self, index: usize) -> Result<T>;
    fn in_item(self, item: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn in_file(self, file: &str) -> Result<T> {
        self.map_err(|error| error.in_file(file))
    }

    fn in_hdu(self, index: usize) -> Result<T> {
        self.map_err(|error| error.in_hdu(index))
    }

    fn in_item(self, item: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.in_item(item))
    }
}
