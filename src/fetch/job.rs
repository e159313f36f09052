//! What is done for one file of a fetch: wait for its place, then fetch it from the first of its URLs that has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tracing::Instrument;
use tracing::field::Empty;

use super::budget::{Share, Shared};
use super::control::{Cancelled, FetchControl};
use super::options::{FetchEvent, FetchOptions};
use super::places::{Place, Places};
use super::queue::{Done, FetchOutcome};
use crate::engine::engine;
use crate::error::{Error, ErrorKind, Result};
use crate::file::OpenFile;
use crate::io::budget::Budget;
use crate::io::http::RetryPolicy;
use crate::io::location::{display, parse, safe_excerpt};
use crate::io::traffic::Traffic;
use crate::io::{Fetching, Location, TransferCounts};
use crate::open;
use crate::options::OpenOptions;

/// What all files of a fetch have in common.
pub(super) struct Common {
    pub(super) options: FetchOptions,
    pub(super) places: Arc<Places>,
    pub(super) memory: Arc<Shared>,
    pub(super) traffic: Traffic,
    pub(super) control: FetchControl,
}

/// One file of a fetch, with its place in line.
///
/// It gets in line when the job is made, so that the lines have the order of the files. The oldest file that is not done then
/// always has a place and gets on, however little memory there is. A file of several mirrors is in line at one after the other.
pub(super) struct Job {
    common: Arc<Common>,
    index: u64,
    url: String,
    /// `Err` for a name that leads nowhere: it needs no place.
    located: Result<(Vec<Mirror>, Place)>,
    share: Share,
    cancelled: Cancelled,
}

/// One place where a file is to be had.
struct Mirror {
    name: PathBuf,
    location: Location,
}

/// What it takes to fetch a file from one of its mirrors.
pub(super) struct Attempt<'a> {
    pub(super) options: &'a FetchOptions,
    pub(super) name: &'a Path,
    pub(super) location: &'a Location,
    pub(super) retry: &'a RetryPolicy,
    pub(super) share: &'a Share,
    pub(super) traffic: &'a Traffic,
    pub(super) counts: &'a mut TransferCounts,
}

impl Job {
    /// A job for a file that is to be had under each of these names.
    pub(super) fn new(common: &Arc<Common>, index: u64, names: Vec<PathBuf>) -> Self {
        let shown = names.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mirrors: Result<Vec<Mirror>> =
            names.into_iter().map(|name| Ok(Mirror { location: parse(&name)?, name })).collect();
        let first = mirrors.as_ref().ok().and_then(|mirrors| mirrors.first());
        let url = first.map_or_else(|| safe_excerpt(&shown), |mirror| display(&mirror.location));
        let urls = mirrors.iter().flatten().map(|mirror| display(&mirror.location)).collect();
        let cancelled = common.control.enter(index, urls);
        let located = match (first, &mirrors) {
            (Some(first), _) => Ok(common.places.line_up(index, &first.location)),
            (None, Err(error)) => Err(error.clone()),
            (None, Ok(_)) => Err(Error::argument("a list of mirrors is empty: give one URL at least")),
        };
        let located = located.and_then(|place| Ok((mirrors?, place)));
        let on_bytes = {
            let common = Arc::clone(common);
            Arc::new(move |bytes| common.options.tell(FetchEvent::Received { index, bytes }))
        };
        let share = common.memory.begin(index, on_bytes);
        Self { common: Arc::clone(common), index, url, located, share, cancelled }
    }

    /// The name of the file, without credentials; of mirrors that of the first.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Fetches the file; never fails as such: what went wrong is part of the outcome.
    pub(super) async fn run<T>(self, work: impl AsyncWork<T>) -> Done<T> {
        let span = tracing::info_span!(
            "file",
            url = %self.url,
            index = self.index,
            attempts = Empty,
            bytes = Empty,
            error = Empty,
        );
        let done = Box::pin(self.fetch(work)).instrument(span.clone()).await;
        span.record("attempts", done.outcome.attempts);
        span.record("bytes", done.outcome.bytes);
        if let Err(error) = &done.outcome.result {
            span.record("error", tracing::field::display(error));
        }
        done
    }

    async fn fetch<T>(self, work: impl AsyncWork<T>) -> Done<T> {
        let Self { common, index, url, located, share, mut cancelled } = self;
        let mut counts = TransferCounts::default();
        let mut begun = Instant::now();
        let fetching = async {
            let (mirrors, mut place) = located?;
            place.come().await?;
            begun = Instant::now();
            common.options.tell(FetchEvent::Started { index, url: url.clone() });
            let mut trip = Trip { common: &common, share: &share, place, counts: &mut counts };
            trip.try_mirrors(&mirrors, &work).await
        };
        let result = tokio::select! {
            biased;
            error = cancelled.come() => Err(error.in_file(&url)),
            result = fetching => result,
        };
        if result.is_err() {
            share.give_back(u64::MAX);
        }
        share.finished();
        common.control.count(result.is_ok());
        common.options.tell(FetchEvent::Finished { index, succeeded: result.is_ok() });
        let TransferCounts { attempts, wire_bytes } = counts;
        let outcome = FetchOutcome {
            url,
            index,
            result,
            attempts: attempts.max(1),
            bytes: wire_bytes,
            duration: begun.elapsed().saturating_sub(share.waited()),
        };
        Done { outcome, share }
    }
}

/// What is done with one mirror of a file.
pub(super) trait AsyncWork<T>:
    for<'a> Fn(Attempt<'a>) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static
{
}

impl<T, F> AsyncWork<T> for F where F: for<'a> Fn(Attempt<'a>) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static {}

/// The way of one file from mirror to mirror.
struct Trip<'a> {
    common: &'a Common,
    share: &'a Share,
    place: Place,
    counts: &'a mut TransferCounts,
}

impl Trip<'_> {
    /// Fetches a file from the first mirror that has it. Each is asked once before any is asked again, and only those again where that may help.
    async fn try_mirrors<T>(&mut self, mirrors: &[Mirror], work: &impl AsyncWork<T>) -> Result<T> {
        let all = self.common.options.retry_policy();
        let retries = self.common.options.retries;
        let (once, again) =
            (RetryPolicy { attempts: 1, ..all.clone() }, RetryPolicy { attempts: retries, ..all.clone() });
        let mut failures: Vec<(&Mirror, Error)> = Vec::new();
        let alone = mirrors.len() == 1;
        for mirror in mirrors {
            let retry = if alone { &all } else { &once };
            match self.try_mirror(mirror, retry, work).await {
                Err(error) if error.kind() != ErrorKind::Cancelled => failures.push((mirror, error)),
                result => return result,
            }
        }
        if !alone {
            for (mirror, failure) in &mut failures {
                if retries == 0 || all.pause_after_error(1, failure.clone(), None).await.is_err() {
                    continue;
                }
                if let Location::Http(url) | Location::Ftp(url) = &mirror.location {
                    self.common.traffic.retrying(url);
                }
                match self.try_mirror(mirror, &again, work).await {
                    Err(error) if error.kind() != ErrorKind::Cancelled => *failure = error,
                    result => return result,
                }
            }
        }
        let mut errors = failures.into_iter().map(|(_, error)| error);
        let first = errors.next().unwrap_or_else(Error::cancelled);
        Err(errors.fold(first, |error, other| error.noting(&format!("; another mirror: {other}"))))
    }

    async fn try_mirror<T>(&mut self, mirror: &Mirror, retry: &RetryPolicy, work: &impl AsyncWork<T>) -> Result<T> {
        let Mirror { name, location } = mirror;
        self.place.move_to(location).await?;
        let Common { options, traffic, .. } = self.common;
        let share = self.share;
        let mut counted = Counted { all: self.counts, own: TransferCounts::default() };
        let counts = &mut counted.own;
        let result = work(Attempt { options, name, location, retry, share, traffic, counts }).await;
        counted.own.attempts = counted.own.attempts.max(1);
        drop(counted);
        if result.is_err() {
            // What a mirror brought in vain is not the next one's.
            share.give_back(u64::MAX);
        }
        result
    }
}

/// The counts of one mirror, added to those of the file at their end, also where they are cancelled.
struct Counted<'a> {
    all: &'a mut TransferCounts,
    own: TransferCounts,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.all.attempts = self.all.attempts.saturating_add(self.own.attempts);
        self.all.wire_bytes = self.all.wire_bytes.saturating_add(self.own.wire_bytes);
    }
}

/// Fetches and opens a file.
pub(super) async fn open(attempt: Attempt<'_>) -> Result<OpenFile> {
    let Attempt { options, name, location, retry, share, traffic, counts } = attempt;
    if !matches!(location, Location::Http(_) | Location::Ftp(_)) {
        let local = OpenOptions { remote: None, ..options.open.clone() };
        return open::open(name, local).await;
    }
    let remote = options.remote(location);
    let fetching = Fetching { client: engine()?.http(), remote: &remote, retry, budget: share, traffic };
    // Not kept for the next one: that would be memory beyond what the fetch may have.
    open::fetched(&fetching, location, &options.open, counts, Bytes::from).await
}
