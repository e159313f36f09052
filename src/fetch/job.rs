//! What is done for one file of a fetch: wait for the host, download with retries, open.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

use super::budget::Shared;
use super::hosts::Hosts;
use super::options::{FetchEvent, FetchOptions};
use super::queue::{Done, FetchOutcome};
use crate::engine::engine;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::OpenFile;
use crate::io::location::{display, parse};
use crate::io::{Fetching, Location, TransferCounts};
use crate::open;
use crate::options::RemoteMode;
use crate::reader::FitsReader;

/// What all files of a fetch have in common.
pub(super) struct Common {
    pub(super) options: FetchOptions,
    pub(super) slots: Arc<Semaphore>,
    pub(super) hosts: Hosts,
    pub(super) memory: Arc<Shared>,
}

/// Fetches and opens one file; never fails as such: what went wrong is part of the outcome.
pub(super) async fn fetch(common: Arc<Common>, index: u64, name: String) -> Done {
    let location = parse(Path::new(&name)).in_file(&name);
    let url = location.as_ref().map_or_else(|_| name.clone(), display);
    let mut counts = TransferCounts::default();
    let mut begun = Instant::now();
    let slot = common.slots.acquire().await;
    let on_bytes = {
        let common = Arc::clone(&common);
        Arc::new(move |bytes| common.options.tell(FetchEvent::Received { index, bytes }))
    };
    let share = common.memory.begin(index, on_bytes);
    let result = async {
        let location = location?;
        let _slot = slot.map_err(|_| Error::new(ErrorKind::Cancelled, "the fetch was cancelled"))?;
        let _host = common.hosts.enter(&location).await?;
        begun = Instant::now();
        common.options.tell(FetchEvent::Started { index, url: url.clone() });
        open(&common.options, &name, &location, &share, &mut counts).await
    };
    let result = result.await.map(|file| FitsReader { file: Arc::new(file) });
    share.finished();
    common.options.tell(FetchEvent::Finished { index, succeeded: result.is_ok() });
    let TransferCounts { attempts, wire_bytes } = counts;
    let outcome =
        FetchOutcome { url, index, result, attempts: attempts.max(1), bytes: wire_bytes, duration: begun.elapsed() };
    Done { outcome, share }
}

async fn open(
    options: &FetchOptions,
    name: &str,
    location: &Location,
    share: &super::budget::Share,
    counts: &mut TransferCounts,
) -> Result<OpenFile> {
    let remote = options.remote();
    let whole = matches!(location, Location::Http(_) | Location::Ftp(_)) && remote.mode == RemoteMode::Whole;
    if !whole {
        return open::open(Path::new(name), options.open.clone()).await;
    }
    let fetching =
        Fetching { client: engine()?.http(), remote: &remote, retry: &options.retry_policy(), budget: share };
    let file = fetching.fetch(location, counts).await?;
    open::downloaded(location, file, &options.open)
}
