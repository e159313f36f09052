//! What is done for one file of a fetch: wait for its place, then fetch it from the first of its URLs that has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::budget::{Share, Shared};
use super::options::{FetchEvent, FetchOptions};
use super::places::{Place, Places};
use super::queue::{Done, FetchOutcome};
use crate::engine::engine;
use crate::error::{Error, ErrorKind, Result};
use crate::file::OpenFile;
use crate::io::budget::Budget;
use crate::io::http::RetryPolicy;
use crate::io::location::{display, parse, safe_excerpt};
use crate::io::{Fetching, Location, TransferCounts};
use crate::open;
use crate::options::{OpenOptions, RemoteMode};

/// What all files of a fetch have in common.
pub(super) struct Common {
    pub(super) options: FetchOptions,
    pub(super) places: Arc<Places>,
    pub(super) memory: Arc<Shared>,
}

/// One file of a fetch, with its place in line.
///
/// It gets in line when the job is made, so that the lines have the order of the files. The oldest file that is not done then
/// always has a place and gets on, however little memory there is. A file of several mirrors is in line at its first one only.
pub(super) struct Job {
    common: Arc<Common>,
    index: u64,
    url: String,
    /// `Err` for a name that leads nowhere: it needs no place.
    located: Result<(Vec<Mirror>, Place)>,
    share: Share,
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
        Self { common: Arc::clone(common), index, url, located, share }
    }

    /// The name of the file, without credentials; of mirrors that of the first.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Fetches the file; never fails as such: what went wrong is part of the outcome.
    pub(super) async fn run<T>(self, work: impl AsyncWork<T>) -> Done<T> {
        let Self { common, index, url, located, share } = self;
        let mut counts = TransferCounts::default();
        let mut begun = Instant::now();
        let result = async {
            let (mirrors, mut place) = located?;
            place.come().await?;
            begun = Instant::now();
            common.options.tell(FetchEvent::Started { index, url: url.clone() });
            from_mirrors(&common.options, &mirrors, &share, &mut counts, &work).await
        };
        let result = result.await;
        share.finished();
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

/// Fetches a file from the first mirror that has it. Each is asked once before any is asked again, and only those again where that may help.
async fn from_mirrors<T>(
    options: &FetchOptions,
    mirrors: &[Mirror],
    share: &Share,
    counts: &mut TransferCounts,
    work: &impl AsyncWork<T>,
) -> Result<T> {
    let all = options.retry_policy();
    let (once, again) =
        (RetryPolicy { attempts: 1, ..all.clone() }, RetryPolicy { attempts: options.retries, ..all.clone() });
    let mut failures: Vec<(&Mirror, Error)> = Vec::new();
    let alone = mirrors.len() == 1;
    for mirror in mirrors {
        let retry = if alone { &all } else { &once };
        match from_mirror(options, mirror, retry, share, counts, work).await {
            Err(error) if error.kind() != ErrorKind::Cancelled => failures.push((mirror, error)),
            result => return result,
        }
    }
    if !alone {
        for (mirror, failure) in &mut failures {
            if options.retries == 0 || all.pause_after_error(1, failure.clone(), None).await.is_err() {
                continue;
            }
            match from_mirror(options, mirror, &again, share, counts, work).await {
                Err(error) if error.kind() != ErrorKind::Cancelled => *failure = error,
                result => return result,
            }
        }
    }
    let mut errors = failures.into_iter().map(|(_, error)| error);
    let first = errors.next().unwrap_or_else(Error::cancelled);
    Err(errors.fold(first, |error, other| error.noting(&format!("; another mirror: {other}"))))
}

async fn from_mirror<T>(
    options: &FetchOptions,
    mirror: &Mirror,
    retry: &RetryPolicy,
    share: &Share,
    counts: &mut TransferCounts,
    work: &impl AsyncWork<T>,
) -> Result<T> {
    let mut own = TransferCounts::default();
    let Mirror { name, location } = mirror;
    let result = work(Attempt { options, name, location, retry, share, counts: &mut own }).await;
    counts.attempts = counts.attempts.saturating_add(own.attempts.max(1));
    counts.wire_bytes = counts.wire_bytes.saturating_add(own.wire_bytes);
    if result.is_err() {
        // What a mirror brought in vain is not the next one's.
        share.give_back(u64::MAX);
    }
    result
}

/// Fetches and opens a file.
pub(super) async fn open(attempt: Attempt<'_>) -> Result<OpenFile> {
    let Attempt { options, name, location, retry, share, counts } = attempt;
    if !matches!(location, Location::Http(_) | Location::Ftp(_)) {
        let local = OpenOptions { remote: None, ..options.open.clone() };
        return open::open(name, local).await;
    }
    let remote = options.remote();
    if remote.mode == RemoteMode::Ranged {
        return open::open(name, options.open.clone()).await;
    }
    let fetching = Fetching { client: engine()?.http(), remote: &remote, retry, budget: share };
    // Not kept for the next one: that would be memory beyond what the fetch may have.
    open::fetched(&fetching, location, &options.open, counts, Bytes::from).await
}
