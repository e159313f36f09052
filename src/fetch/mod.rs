//! Many files at once: fetched concurrently, with limits on connections and memory, retried, and handed over as they complete.
//!
//! | file | idea |
//! | --- | --- |
//! | `options` | what a caller can set |
//! | `queue` | files in, outcomes out: the one driver behind all faces |
//! | `job` | what is done for one file, at its mirrors |
//! | `download`, `verify`, `manifest` | files to disk: complete and checked, or not there; what became of them |
//! | `budget` | the memory that all of them share |
//! | `places` | who may be fetched now: so many at once, so many of one host |
//! | `progress` | the bar |

mod budget;
mod download;
mod job;
mod manifest;
mod options;
mod places;
mod progress;
mod queue;
mod verify;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

pub use download::{Download, DownloadOptions, DownloadQueue, Downloaded, Downloads, Verify};
pub use options::{FetchEvent, FetchOptions, OnEvent};
pub use queue::{FetchOutcome, FetchQueue};

use crate::error::{Error, Result};

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
        let FetchOptions { concurrency, per_host, max_buffered, .. } = self.options;
        if concurrency == 0 || per_host == 0 || max_buffered == 0 {
            return Err(Error::argument("concurrency, per_host and max_buffered must be positive"));
        }
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
