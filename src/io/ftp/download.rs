//! A whole file into a sink, resumed where it broke.

use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::{Empty, display};
use url::Url;

use super::limits::deadline;
use super::{FtpTransfer, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::io::budget::Budget;
use crate::io::http::{FileVersion, Known, NOT_MODIFIED, RetryPolicy};
use crate::io::location::display_url;
use crate::io::sink::Sink;
use crate::io::traffic::{FREE, Traffic};
use crate::options::Remote;

/// What stands for the reply of a server that sends the file, where http has a status: 150, as FTP has it.
const ACCEPTED: u16 = 150;
/// The reply of a server that has too many connections or goes down (RFC 959), and the status that stands for it.
const NOT_AVAILABLE: u16 = 421;
const BUSY: u16 = 503;

/// One download, which counts its attempts and bytes also where it fails.
pub(crate) struct FtpDownload<'a> {
    url: &'a Url,
    remote: &'a Remote,
    retry: &'a RetryPolicy,
    budget: &'a dyn Budget,
    traffic: &'a Traffic,
    deadline: Option<Instant>,
    attempts: u32,
    wire_bytes: u64,
    /// How many bytes of the file the sink has.
    position: u64,
    /// How long the file was when the sink began; without it nothing is resumed.
    length: Option<u64>,
    /// When it was changed, where the server tells.
    modified: Option<String>,
    /// Whether the date is asked for.
    dated: bool,
    /// A file that is here already.
    known: Option<Known>,
}

/// Where an attempt failed.
enum Failure {
    /// On the way.
    Transfer(Error),
    /// In the sink: another attempt would change nothing.
    Sink(Error),
}

impl<'a> FtpDownload<'a> {
    /// A download that has not begun; its time limit (total) runs from now.
    pub(crate) fn new(url: &'a Url, remote: &'a Remote, retry: &'a RetryPolicy, budget: &'a dyn Budget) -> Self {
        let deadline = deadline(remote.timeout);
        Self {
            url,
            remote,
            retry,
            budget,
            traffic: &FREE,
            deadline,
            attempts: 0,
            wire_bytes: 0,
            position: 0,
            length: None,
            modified: None,
            dated: false,
            known: None,
        }
    }

    /// What is asked for is a part of this traffic.
    pub(crate) fn within(mut self, traffic: &'a Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    /// The date of the file is asked for as well, and told to the sink.
    pub(crate) fn dated(mut self) -> Self {
        self.dated = true;
        self
    }

    /// A file of this length, and where both are known of this date, is not to be sent: the download ends with [`NOT_MODIFIED`].
    pub(crate) fn unless(mut self, known: Option<Known>) -> Self {
        self.known = known;
        self
    }

    /// The sink has the start of the file already, from an earlier download.
    pub(crate) fn resuming(mut self, version: FileVersion, length: Option<u64>, position: u64) -> Self {
        self.modified = version.last_modified;
        self.length = length;
        self.position = position;
        self
    }

    /// How many attempts were made so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How many bytes of the file came so far, those of broken attempts among them.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// Downloads the file. What may succeed is tried again as the retry policy says, from where it broke if the file is as
    /// long as before and the server can resume, else from the start.
    ///
    /// # Errors
    ///
    /// The last error, when no attempt is left or none would help; any error of the sink.
    pub(crate) async fn run(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let (mut tried, mut furthest) = (0_u32, self.position);
        loop {
            self.attempts = self.attempts.saturating_add(1);
            match self.attempt(sink).await {
                Ok(()) => return Ok(()),
                Err(Failure::Sink(error)) => return Err(error),
                Err(Failure::Transfer(error)) => {
                    tried = if self.retry.lasting && self.position > furthest { 1 } else { tried.saturating_add(1) };
                    furthest = furthest.max(self.position);
                    self.retry.pause_after_error(tried, error, self.deadline).await?;
                    self.traffic.retrying(self.url);
                }
            }
        }
    }

    async fn attempt(&mut self, sink: &mut dyn Sink) -> Result<(), Failure> {
        if let Some(transfer) = self.resumed().await.map_err(Failure::Transfer)? {
            match self.pass_on(transfer, sink).await {
                // What does not fit may be the fault of resuming: a server can say that it does and send everything anew.
                Err(Failure::Transfer(error)) if error.kind() == ErrorKind::Io => {}
                Err(Failure::Sink(error)) if error.kind() == ErrorKind::Corrupt => {}
                result => return result,
            }
        }
        let transfer = self.open(0).await.map_err(Failure::Transfer)?;
        self.position = 0;
        self.length = transfer.length();
        self.modified = transfer.modified().map(str::to_owned);
        if self.known.as_ref().is_some_and(|known| self.is(known)) {
            return Err(Failure::Sink(Error::new(NOT_MODIFIED, "the file is here already")));
        }
        sink.version(&FileVersion { etag: None, last_modified: self.modified.clone() });
        sink.restart(self.length).map_err(Failure::Sink)?;
        self.pass_on(transfer, sink).await
    }

    async fn open(&self, start: u64) -> Result<FtpTransfer> {
        let span = tracing::debug_span!(
            "request",
            url = %display_url(self.url),
            range = (start > 0).then(|| format!("bytes={start}-")),
            attempt = self.attempts,
            bytes = Empty,
            error = Empty,
        );
        let asked = match self.deadline {
            None => self.traffic.permission(self.url).await,
            Some(deadline) => tokio::time::timeout_at(deadline, self.traffic.permission(self.url))
                .await
                .map_err(|_| Error::timeout("the transfer took longer than its time limit (total)"))?,
        };
        let opening =
            FtpTransfer::open(self.url, self.remote, Wanted { start, dated: self.dated }, self.deadline, span.clone());
        match opening.instrument(span.clone()).await {
            Ok(transfer) => {
                self.traffic.answered(asked, ACCEPTED, None, false);
                Ok(transfer)
            }
            Err(error) => {
                span.record("error", display(&error));
                if error.reply() == Some(NOT_AVAILABLE) {
                    self.traffic.answered(asked, BUSY, None, false);
                } else {
                    self.traffic.failed(asked);
                }
                Err(error)
            }
        }
    }

    /// Whether the file is the one that is here already.
    fn is(&self, known: &Known) -> bool {
        let date = known.version.last_modified.as_ref().filter(|_| known.from_server);
        self.length == Some(known.length) && agree(date, self.modified.as_ref())
    }

    /// The rest of the file that the sink has the start of, where that can be had.
    async fn resumed(&self) -> Result<Option<FtpTransfer>> {
        if self.position == 0 || self.length.is_none() {
            return Ok(None);
        }
        match self.open(self.position).await {
            Ok(transfer)
                if transfer.length() == self.length && agree(self.modified.as_deref(), transfer.modified()) =>
            {
                Ok(Some(transfer))
            }
            // The file is another one by now.
            Ok(_) => Ok(None),
            Err(error) if error.is_transient() => Err(error),
            // The server can't resume, or the file got shorter. If it is something else, asking for all of it meets that as well.
            Err(_) => Ok(None),
        }
    }

    async fn pass_on(&mut self, mut transfer: FtpTransfer, sink: &mut dyn Sink) -> Result<(), Failure> {
        while let Some(chunk) = transfer.chunk().await.map_err(Failure::Transfer)? {
            let bytes = chunk.len() as u64;
            self.wire_bytes = self.wire_bytes.saturating_add(bytes);
            self.budget.received(bytes);
            self.traffic.arrived(self.url, bytes).await;
            sink.chunk(chunk).await.map_err(Failure::Sink)?;
            self.position = self.position.saturating_add(bytes);
        }
        Ok(())
    }
}

/// Whether two dates may be of the same version: not where both are known and differ.
fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.is_none() || other.is_none() || one == other
}
