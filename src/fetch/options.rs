//! What a caller can set for a fetch of many files.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::http::RetryPolicy;
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
    /// How many of them from one host, 6 unless set.
    pub per_host: usize,
    /// Bytes in flight and in results that nobody took yet, 1 GiB unless set. A file larger than that runs alone.
    pub max_buffered: u64,
    /// Further attempts for what can succeed, 4 unless set.
    pub retries: u32,
    /// The pause after the first attempt, 1 s unless set; it doubles each time.
    pub backoff: Duration,
    /// Results in the order given, and not as they complete.
    pub ordered: bool,
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
            open: OpenOptions::default(),
            progress: false,
            on_event: None,
        }
    }
}

impl FetchOptions {
    /// An error where the options contradict a fetch of many.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) for [`RemoteMode::Stream`].
    pub fn check(&self) -> Result<()> {
        if self.remote().mode == RemoteMode::Stream {
            return Err(Error::argument(
                "remote=\"stream\" is for opening single files: here each file is handed out once it is complete, while others come; leave \
                 remote= out, or use \"auto\"",
            ));
        }
        Ok(())
    }

    pub(super) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { attempts: self.retries.saturating_add(1), first_pause: self.backoff, ..RetryPolicy::default() }
    }

    pub(super) fn remote(&self) -> Remote {
        self.open.remote.clone().unwrap_or_default()
    }

    pub(super) fn tell(&self, event: FetchEvent) {
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
    }
}
