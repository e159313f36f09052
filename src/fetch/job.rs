//! What is done for one file of a fetch: wait for the host, download with retries, open.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

use super::budget::{Share, Shared};
use super::hosts::Hosts;
use super::options::{FetchEvent, FetchOptions};
use super::queue::{Done, FetchOutcome};
use super::turn::Turn;
use crate::engine::engine;
use crate::error::{Result, ResultExt};
use crate::file::OpenFile;
use crate::io::location::{display, parse};
use crate::io::{Fetching, Location, TransferCounts};
use crate::open;
use crate::options::{OpenOptions, RemoteMode};
use crate::reader::FitsReader;

/// What all files of a fetch have in common.
pub(super) struct Common {
    pub(super) options: FetchOptions,
    pub(super) slots: Arc<Semaphore>,
    pub(super) hosts: Hosts,
    pub(super) memory: Arc<Shared>,
}

/// One file of a fetch, with its places in line.
///
/// The places are taken when the job is made, so all lines have the order of the files. The oldest file that is not done is then first
/// in each of them and always gets on, however little memory there is.
pub(super) struct Job {
    common: Arc<Common>,
    index: u64,
    name: String,
    location: Result<Location>,
    slot: Turn,
    host: Option<Turn>,
    share: Share,
}

impl Job {
    pub(super) fn new(common: &Arc<Common>, index: u64, name: String) -> Self {
        let location = parse(Path::new(&name)).in_file(&name);
        let slot = Turn::take(&common.slots);
        let host = location.as_ref().ok().and_then(|location| common.hosts.line_up(location));
        let on_bytes = {
            let common = Arc::clone(common);
            Arc::new(move |bytes| common.options.tell(FetchEvent::Received { index, bytes }))
        };
        let share = common.memory.begin(index, on_bytes);
        Self { common: Arc::clone(common), index, name, location, slot, host, share }
    }

    /// Fetches and opens the file; never fails as such: what went wrong is part of the outcome.
    pub(super) async fn run(self) -> Done {
        let Self { common, index, name, location, slot, host, share } = self;
        let url = location.as_ref().map_or_else(|_| name.clone(), display);
        let mut counts = TransferCounts::default();
        let mut begun = Instant::now();
        let result = async {
            let location = location?;
            let _slot = slot.come().await?;
            let _host = match host {
                Some(host) => Some(host.come().await?),
                None => None,
            };
            begun = Instant::now();
            common.options.tell(FetchEvent::Started { index, url: url.clone() });
            open(&common.options, &name, &location, &share, &mut counts).await
        };
        let result = result.await.map(|file| FitsReader { file: Arc::new(file) });
        share.finished();
        common.options.tell(FetchEvent::Finished { index, succeeded: result.is_ok() });
        let TransferCounts { attempts, wire_bytes } = counts;
        let outcome = FetchOutcome {
            url,
            index,
            result,
            attempts: attempts.max(1),
            bytes: wire_bytes,
            duration: begun.elapsed(),
        };
        Done { outcome, share }
    }
}

async fn open(
    options: &FetchOptions,
    name: &str,
    location: &Location,
    share: &Share,
    counts: &mut TransferCounts,
) -> Result<OpenFile> {
    if !matches!(location, Location::Http(_) | Location::Ftp(_)) {
        let local = OpenOptions { remote: None, ..options.open.clone() };
        return open::open(Path::new(name), local).await;
    }
    let remote = options.remote();
    if remote.mode == RemoteMode::Ranged {
        return open::open(Path::new(name), options.open.clone()).await;
    }
    let fetching =
        Fetching { client: engine()?.http(), remote: &remote, retry: &options.retry_policy(), budget: share };
    let file = fetching.fetch(location, counts).await?;
    open::downloaded(location, file, &options.open)
}
