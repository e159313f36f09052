//! What a caller can set for a fetch of many files.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::Location;
use crate::io::http::RetryPolicy;
use crate::io::traffic::{PaceLimits, Rules, host_of};
use crate::options::{OpenOptions, Remote, RemoteMode};

/// How many files are fetched at once.
const CONCURRENCY: usize = 32;
/// How many of them from one host: as many as a browser opens, which no archive minds.
const PER_HOST: usize = 6;
/// How many bytes may be in flight and in results that nobody took yet.
const MAX_BUFFERED: u64 = 1 << 30;
/// How many further attempts are made.
const RETRIES: u32 = 4;

/// Something that happened during a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchEvent {
    /// A file's transfer begins.
    Started {
        /// The number of the file in the order given.
        index: u64,
        /// Its name, without credentials.
        url: String,
    },
    /// Bytes of a file arrived.
    Received {
        /// The number of the file.
        index: u64,
        /// How many.
        bytes: u64,
    },
    /// A file is there, or has failed for good.
    Finished {
        /// The number of the file.
        index: u64,
        /// Whether it could be opened.
        succeeded: bool,
    },
}

/// Is told of each event, on a thread of the engine; it should return at once.
pub type OnEvent = Arc<dyn Fn(&FetchEvent) + Send + Sync>;

/// How many files are fetched; see [`Fetcher`](crate::Fetcher).
#[derive(Clone)]
pub struct FetchOptions {
    /// How many files are fetched at once, 32 unless set.
    pub concurrency: usize,
    /// How many of them from one host, 6 unless set; and how many ranges of those that were opened by ranges.
    pub per_host: usize,
    /// Bytes in flight and in results that nobody took yet, 1 GiB unless set. A file larger than that runs alone.
    pub max_buffered: u64,
    /// Further attempts for what can succeed, 4 unless set.
    pub retries: u32,
    /// The pause after the first attempt, 1 s unless set; it doubles each time.
    pub backoff: Duration,
    /// Results in the order given, and not as they complete.
    pub ordered: bool,
    /// How many bytes may come in a second, from all hosts together; `None`: as many as come.
    pub max_bytes_per_second: Option<u64>,
    /// How many requests may be made in a second, of all hosts together; `None`: no limit.
    pub max_requests_per_second: Option<f64>,
    /// Further request headers for the files of a host (`archive.example`, or with a port that is not the scheme's own
    /// `archive.example:8080`), in place of those for all hosts of the same name (http only).
    /// They go to the host of each file's own URL, and to none that a redirect leads to.
    pub host_headers: Vec<(String, Vec<(String, String)>)>,
    /// How each file is fetched and opened.
    pub open: OpenOptions,
    /// A progress bar on the terminal.
    pub progress: bool,
    /// Is told what happens.
    pub on_event: Option<OnEvent>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENCY,
            per_host: PER_HOST,
            max_buffered: MAX_BUFFERED,
            retries: RETRIES,
            backoff: RetryPolicy::default().first_pause,
            ordered: false,
            max_bytes_per_second: None,
            max_requests_per_second: None,
            host_headers: Vec::new(),
            open: OpenOptions::default(),
            progress: false,
            on_event: None,
        }
    }
}

/// Without the values of headers, which may be credentials.
impl fmt::Debug for FetchOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.host_headers.iter().map(|(host, _)| host).collect::<Vec<_>>();
        formatter
            .debug_struct("FetchOptions")
            .field("concurrency", &self.concurrency)
            .field("per_host", &self.per_host)
            .field("max_buffered", &self.max_buffered)
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .field("ordered", &self.ordered)
            .field("max_bytes_per_second", &self.max_bytes_per_second)
            .field("max_requests_per_second", &self.max_requests_per_second)
            .field("host_headers", &hosts)
            .field("open", &self.open)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl FetchOptions {
    pub(super) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { attempts: self.retries.saturating_add(1), first_pause: self.backoff, ..RetryPolicy::default() }
    }

    /// The rules for what is asked of hosts.
    pub(super) fn rules(&self) -> Rules {
        let retry = self.retry_policy();
        Rules {
            bytes_per_second: self.max_bytes_per_second,
            requests_per_second: self.max_requests_per_second,
            pace: PaceLimits::new(self.per_host, self.backoff, retry.longest_retry_after),
        }
    }

    /// How a file is fetched from there.
    pub(super) fn remote(&self, location: &Location) -> Remote {
        let mut remote = self.open.remote.clone().unwrap_or_default();
        let Location::Http(url) = location else { return remote };
        let host = host_of(url);
        let own = self.host_headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&host));
        for (name, value) in own.flat_map(|(_, headers)| headers) {
            remote.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            remote.headers.push((name.clone(), value.clone()));
        }
        remote
    }

    /// Whether the limits are limits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where one of them is 0, or no number; for [`RemoteMode::Stream`].
    pub fn check(&self) -> Result<()> {
        if self.concurrency == 0 || self.per_host == 0 || self.max_buffered == 0 {
            return Err(Error::argument("concurrency=, per_host= and max_buffered= must be positive"));
        }
        let requests = self.max_requests_per_second;
        if self.max_bytes_per_second == Some(0) || requests.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(Error::argument("max_bytes_per_second= and max_requests_per_second= must be positive"));
        }
        let streamed = self.open.remote.as_ref().is_some_and(|remote| remote.mode == RemoteMode::Stream);
        if streamed {
            return Err(Error::argument(
                "remote=\"stream\" is for opening single files: here each file is handed out once it is complete, while others come; leave \
                 remote= out, or use \"auto\"",
            ));
        }
        Ok(())
    }

    pub(super) fn tell(&self, event: FetchEvent) {
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
    }
}
