//! Downloads a file by FTP, plain or with explicit TLS (`AUTH TLS`, private data connection).
//!
//! The control connection is suppaftp's; each of its steps and each read has a time limit. The data connection always goes to
//! the address of the control connection, never to one that the server names: that one is wrong behind NAT, and following
//! it would let a server make us connect anywhere.

mod download;
mod limits;
mod passive;
mod reply;
mod session;
mod target;

use bytes::{Bytes, BytesMut};
use suppaftp::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tracing::Span;
use url::Url;

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::io::location::display_url;
use crate::options::{Remote, RemoteMode};
pub(crate) use download::FtpDownload;
use limits::Limits;
use session::{Data, Session};
use target::Target;

/// How much is asked of the socket at a time.
const READ_BYTES: usize = 256 << 10;

/// A file on its way. Dropping it closes its connections.
struct FtpTransfer {
    name: String,
    session: Session,
    /// `None` once the body has ended.
    data: Option<Data>,
    buffer: BytesMut,
    start: u64,
    length: Option<u64>,
    received: u64,
    failure: Option<Error>,
    /// Of the request: it ends with the transfer.
    span: Span,
}

impl Drop for FtpTransfer {
    fn drop(&mut self) {
        self.span.record("bytes", self.received);
    }
}

impl FtpTransfer {
    /// Connects, logs in and asks for the file from byte `start` on; all of it has to be done by the deadline.
    ///
    /// # Errors
    ///
    /// `Argument` for options that FTP does not have, before any connection; `NotFound` and `PermissionDenied` with the
    /// server's text; `Network` and `Timeout` where another attempt may succeed; `Unsupported` only where `start` is not 0
    /// and the server can't resume: open again from 0 and drop what was fetched.
    async fn open(url: &Url, remote: &Remote, start: u64, deadline: Option<Instant>, span: Span) -> Result<Self> {
        // Boxed because it is some kilobytes large and runs once for each file.
        Box::pin(Self::begin(url, remote, start, deadline, span)).await.in_file(&display_url(url))
    }

    async fn begin(url: &Url, remote: &Remote, start: u64, deadline: Option<Instant>, span: Span) -> Result<Self> {
        check_options(remote)?;
        let name = display_url(url);
        let limits = Limits::new(remote.timeout, deadline);
        let mut session = Session::start(Target::new(url, remote.auth.as_ref())?, remote, limits).await?;
        let length = session.size().await?;
        if let Some(length) = length
            && length < start
        {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{start} bytes were fetched before, but the file now has {length}: it changed on the server"),
            ));
        }
        let data = session.retrieve(start).await?;
        let buffer = BytesMut::with_capacity(READ_BYTES);
        Ok(Self { name, session, data: Some(data), buffer, start, length, received: 0, failure: None, span })
    }

    /// The length of the whole file (from byte 0), where the server knows it. A server's word: not to be trusted with memory.
    fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes; `None` once all of them have come and the server has confirmed it.
    ///
    /// # Errors
    ///
    /// `Network` where the body is short or the confirmation missing, `Timeout` after silence, `Io` where more bytes come than
    /// the file has. After an error each later call returns it again.
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let result = self.next().await.in_file(&self.name);
        if let Err(error) = &result {
            self.span.record("error", tracing::field::display(error));
            self.failure = Some(error.clone());
            self.data = None;
        }
        result
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(data) = &mut self.data else { return Ok(None) };
        if self.buffer.capacity() < READ_BYTES / 4 {
            self.buffer.reserve(READ_BYTES);
        }
        match self.session.limits.silence("receiving the file", data.read_buf(&mut self.buffer)).await? {
            Ok(0) => self.finish(false).await,
            Ok(read) => {
                self.received += read as u64;
                self.check_surplus()?;
                Ok(Some(self.buffer.split().freeze()))
            }
            // TLS: the connection closed without the goodbye that tells an end from a cut.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => self.finish(true).await,
            Err(error) => {
                Err(Error::network(format!("the connection broke after {} bytes: {error}", self.start + self.received)))
            }
        }
    }

    fn check_surplus(&self) -> Result<()> {
        match self.length {
            Some(length) if self.received > length - self.start => Err(Error::new(
                ErrorKind::Io,
                format!("the server sends more than the {length} bytes that it said the file has"),
            )),
            _ => Ok(()),
        }
    }

    /// The body has ended: closes the data connection, reads the server's verdict and checks the length.
    async fn finish(&mut self, without_goodbye: bool) -> Result<Option<Bytes>> {
        if let Some(mut data) = self.data.take() {
            // A courtesy to TLS servers; the body is already complete or not.
            let _ = self.session.limits.silence("closing the data connection", data.shutdown()).await;
        }
        let confirmed =
            self.session.confirmation(&[Status::ClosingDataConnection, Status::RequestedFileActionOk]).await;
        let end = self.start + self.received;
        if let Some(length) = self.length
            && end < length
        {
            let why = confirmed.err().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(Error::network(format!("the body ended at {end} of {length} bytes{why}")));
        }
        confirmed?;
        if without_goodbye && self.length.is_none() {
            return Err(Error::network(format!(
                "the TLS connection was cut after {end} bytes, and the server does not tell how many there are"
            )));
        }
        Ok(None)
    }
}

/// Refuses what FTP does not have.
fn check_options(remote: &Remote) -> Result<()> {
    if !remote.headers.is_empty() {
        return Err(Error::argument("headers= is for http:// and https:// only; an ftp:// request has no headers"));
    }
    if remote.proxy.as_ref().is_some_and(|proxy| !proxy.is_empty()) {
        return Err(Error::argument("proxy= is for http:// and https:// only: an ftp:// file is fetched directly"));
    }
    if remote.mode == RemoteMode::Ranged {
        return Err(Error::argument("an ftp:// file can't be read by ranges: use ranged=False"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]
mod tests;
