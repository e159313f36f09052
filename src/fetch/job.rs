//! What is done for one file of a fetch: wait for its place, download with retries, open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::budget::{Share, Shared};
use super::options::{FetchEvent, FetchOptions};
use super::places::{Place, Places};
use super::queue::{Done, FetchOutcome};
use bytes::Bytes;

use crate::engine::engine;
use crate::error::Result;
use crate::file::OpenFile;
use crate::io::location::{display, parse, safe_excerpt};
use crate::io::{Fetching, Location, TransferCounts};
use crate::open;
use crate::options::{OpenOptions, RemoteMode};
use crate::reader::FitsReader;

/// What all files of a fetch have in common.
pub(super) struct Common {
    pub(super) options: FetchOptions,
    pub(super) places: Arc<Places>,
    pub(super) memory: Arc<Shared>,
}

/// One file of a fetch, with its place in line.
///
/// It gets in line when the job is made, so that the lines have the order of the files. The oldest file that is not done then
/// always has a place and gets on, however little memory there is.
pub(super) struct Job {
    common: Arc<Common>,
    index: u64,
    name: PathBuf,
    url: String,
    /// `Err` for a name that leads nowhere: it needs no place.
    located: Result<(Location, Place)>,
    share: Share,
}

impl Job {
    pub(super) fn new(common: &Arc<Common>, index: u64, name: PathBuf) -> Self {
        let location = parse(&name);
        let url = location.as_ref().map_or_else(|_| safe_excerpt(&name.to_string_lossy()), display);
        let located = location.map(|location| {
            let place = common.places.line_up(index, &location);
            (location, place)
        });
        let on_bytes = {
            let common = Arc::clone(common);
            Arc::new(move |bytes| common.options.tell(FetchEvent::Received { index, bytes }))
        };
        let share = common.memory.begin(index, on_bytes);
        Self { common: Arc::clone(common), index, name, url, located, share }
    }

    /// The name of the file, without credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Fetches and opens the file; never fails as such: what went wrong is part of the outcome.
    pub(super) async fn run(self) -> Done {
        let Self { common, index, name, url, located, share } = self;
        let mut counts = TransferCounts::default();
        let mut begun = Instant::now();
        let result = async {
            let (location, mut place) = located?;
            place.come().await?;
            begun = Instant::now();
            common.options.tell(FetchEvent::Started { index, url: url.clone() });
            open(&common.options, &name, &location, &share, &mut counts).await
        };
        let result = result.await.map(FitsReader::of);
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

async fn open(
    options: &FetchOptions,
    name: &Path,
    location: &Location,
    share: &Share,
    counts: &mut TransferCounts,
) -> Result<OpenFile> {
    if !matches!(location, Location::Http(_) | Location::Ftp(_)) {
        let local = OpenOptions { remote: None, ..options.open.clone() };
        return open::open(name, local).await;
    }
    let remote = options.remote();
    if remote.mode == RemoteMode::Ranged {
        return open::open(name, options.open.clone()).await;
    }
    let fetching =
        Fetching { client: engine()?.http(), remote: &remote, retry: &options.retry_policy(), budget: share };
    let file = fetching.fetch(location, counts).await?;
    // Not kept for the next one: that would be memory beyond what the fetch may have.
    open::downloaded(location, file, &options.open, Bytes::from)
}
