//! Many files at once: fetched concurrently, with limits on connections and memory, retried, and handed over as they complete.
//!
//! | file | idea |
//! | --- | --- |
//! | `options` | what a caller can set |
//! | `queue` | files in, outcomes out: the one driver behind all faces |
//! | `job` | what is done for one file, at its mirrors |
//! | `download`, `verify`, `manifest` | files to disk: complete and checked, or not there; what became of them |
//! | `budget` | the memory that all of them share |
//! | `control`, `statistics` | a fetch from outside: cancelled, looked at |
//! | `places` | who may be fetched now: so many at once, so many of one host |
//! | `progress` | the bar |

mod budget;
mod control;
mod download;
mod job;
mod manifest;
mod options;
mod places;
mod progress;
mod queue;
mod statistics;
mod verify;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

pub use control::FetchControl;
pub use download::{Download, DownloadOptions, DownloadQueue, Downloaded, Downloads, Verify};
pub use options::{FetchEvent, FetchOptions, OnEvent};
pub use queue::{FetchOutcome, FetchQueue};
pub use statistics::{FetchStatistics, HostStatistics, LatencyStatistics};

use crate::error::Result;

/// Fetches many files concurrently.
///
/// # Examples
///
/// ```no_run
/// use futures_util::StreamExt;
/// use rustfits::Fetcher;
///
/// # async fn example(urls: Vec<String>) -> rustfits::Result<()> {
/// let mut done = Fetcher::builder().concurrency(32).build()?.fetch(urls);
/// while let Some(outcome) = done.next().await {
///     match outcome.result {
///         Ok(fits) => println!("{}: {} HDUs", outcome.url, fits.count().await?),
///         Err(error) => println!("{error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A host that answers 429 or 503 (ftp: 421) is asked more slowly: no request before the time that its `Retry-After` names, half as many
/// files at once, twice the pause between two requests; each good answer takes a part of that back.
///
/// Later reads of files that were opened by ranges keep to the same limits, with at most `per_host` ranges on their way from a host, and are
/// in the statistics.
#[derive(Clone, Default)]
pub struct Fetcher {
    options: FetchOptions,
}

impl Fetcher {
    /// A fetcher with the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets options one by one.
    pub fn builder() -> FetcherBuilder {
        FetcherBuilder { options: FetchOptions::default() }
    }

    /// Fetches the files that the names open. The iterator is read lazily, as room becomes free; no file is fetched before
    /// the stream is polled, and dropping the stream cancels what runs.
    pub fn fetch<I>(&self, names: I) -> Fetch<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let names = names.into_iter();
        let known = names.size_hint().1.map(|upper| upper as u64);
        Fetch { names, exhausted: false, queue: FetchQueue::new(self.options.clone(), known) }
    }
}

/// Sets the options of a [`Fetcher`].
#[derive(Clone)]
pub struct FetcherBuilder {
    options: FetchOptions,
}

impl FetcherBuilder {
    /// How many files are fetched at once (32).
    #[must_use]
    pub fn concurrency(mut self, files: usize) -> Self {
        self.options.concurrency = files;
        self
    }

    /// How many of them from one host (6).
    #[must_use]
    pub fn per_host(mut self, files: usize) -> Self {
        self.options.per_host = files;
        self
    }

    /// Bytes in flight and in results that nobody took yet (1 GiB).
    #[must_use]
    pub fn max_buffered(mut self, bytes: u64) -> Self {
        self.options.max_buffered = bytes;
        self
    }

    /// Further attempts for what can succeed (4), and the pause after the first one (1 s), which doubles each time.
    #[must_use]
    pub fn retries(mut self, attempts: u32, backoff: Duration) -> Self {
        self.options.retries = attempts;
        self.options.backoff = backoff;
        self
    }

    /// Results in the order given.
    #[must_use]
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.options.ordered = ordered;
        self
    }

    /// How many bytes may come in a second, from all hosts together (as many as come). It holds on average: what is on its way
    /// when the limit is met still comes. With very many files at once and a low limit each is slow, and its server may lose patience.
    #[must_use]
    pub fn max_bytes_per_second(mut self, bytes: u64) -> Self {
        self.options.max_bytes_per_second = Some(bytes);
        self
    }

    /// How many requests may be made in a second, of all hosts together (no limit): for each file, each further attempt, each redirect.
    #[must_use]
    pub fn max_requests_per_second(mut self, requests: f64) -> Self {
        self.options.max_requests_per_second = Some(requests);
        self
    }

    /// Further request headers for the files of one host; see [`FetchOptions::host_headers`].
    #[must_use]
    pub fn host_headers(mut self, host: impl Into<String>, headers: Vec<(String, String)>) -> Self {
        self.options.host_headers.push((host.into(), headers));
        self
    }

    /// How each file is fetched and opened.
    #[must_use]
    pub fn open(mut self, options: crate::OpenOptions) -> Self {
        self.options.open = options;
        self
    }

    /// Shows a progress bar on the terminal.
    #[must_use]
    pub fn progress(mut self, shown: bool) -> Self {
        self.options.progress = shown;
        self
    }

    /// Is told what happens, on a thread of the engine.
    #[must_use]
    pub fn on_event(mut self, on_event: impl Fn(&FetchEvent) + Send + Sync + 'static) -> Self {
        self.options.on_event = Some(std::sync::Arc::new(on_event));
        self
    }

    /// The fetcher.
    ///
    /// # Errors
    ///
    /// A limit is 0.
    pub fn build(self) -> Result<Fetcher> {
        self.options.check()?;
        Ok(Fetcher { options: self.options })
    }
}

/// The outcomes of a fetch: a stream, and for blocking code an iterator through [`Fetch::wait`].
pub struct Fetch<I> {
    names: I,
    exhausted: bool,
    queue: FetchQueue,
}

impl<I: Iterator> Fetch<I>
where
    I::Item: Into<String>,
{
    fn fill(&mut self) {
        while !self.exhausted && self.queue.has_room() {
            match self.names.next() {
                Some(name) => self.queue.push(name.into()),
                None => self.exhausted = true,
            }
        }
    }

    /// What can cancel files of this fetch and say how it goes, from any thread.
    pub fn control(&self) -> FetchControl {
        self.queue.control()
    }

    /// The same outcomes for blocking code: each `next` waits for one.
    ///
    /// What goes wrong with a file is the `result` of its outcome, also where the engine can't start its threads; the iterator itself
    /// has no error and ends only after the last file. It blocks its thread until then and can't be interrupted: [`FetchQueue::wait_until`]
    /// can. Dropping it cancels what runs.
    pub fn wait(mut self) -> impl Iterator<Item = FetchOutcome> {
        std::iter::from_fn(move || {
            self.fill();
            // An error is left for what no file can have: nobody interrupts this wait.
            self.queue.wait_until(|| false).ok().flatten()
        })
    }
}

impl<I: Iterator + Unpin> Stream for Fetch<I>
where
    I::Item: Into<String>,
{
    type Item = FetchOutcome;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FetchOutcome>> {
        self.fill();
        self.queue.poll_next(context)
    }
}
