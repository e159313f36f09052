//! Files in, outcomes out: the one driver behind every face of a fetch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::budget::{Share, Shared};
use super::hosts::Hosts;
use super::job::{Common, Job};
use super::options::FetchOptions;
use super::progress::bar;
use crate::engine::{Op, engine};
use crate::error::{Error, ErrorKind, Result};
use crate::reader::FitsReader;

/// How many files may be under way or waiting to be taken, for each one that may be fetched at once.
const WINDOW: usize = 2;

/// What became of one file.
#[derive(Debug)]
pub struct FetchOutcome {
    /// The name, without credentials.
    pub url: String,
    /// The number of the file in the order given, counted from 0.
    pub index: u64,
    /// The open file, or why there is none.
    pub result: Result<FitsReader>,
    /// How many attempts were made.
    pub attempts: u32,
    /// How many bytes came over the network, those of broken attempts among them.
    pub bytes: u64,
    /// How long it took, waiting for its turn not counted.
    pub duration: Duration,
}

/// An outcome with the memory that it holds until it is taken.
pub(super) struct Done {
    pub(super) outcome: FetchOutcome,
    pub(super) share: Share,
}

/// Fetches files that are pushed one by one while there is room. Dropping it cancels what runs.
///
/// This is what [`Fetch`](super::Fetch) is made of, for callers whose names don't come from an iterator.
pub struct FetchQueue {
    common: Arc<Common>,
    running: JoinSet<Done>,
    /// In ordered mode: outcomes whose turn has not come.
    early: BTreeMap<u64, Done>,
    next_in: u64,
    next_out: u64,
    bar: Option<ProgressBar>,
}

impl FetchQueue {
    /// A queue; `known` is the number of files, for the progress bar, where it is known.
    pub fn new(options: FetchOptions, known: Option<u64>) -> Self {
        let bar = options.progress.then(|| bar(known));
        let common = Common {
            slots: Arc::new(Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            hosts: Hosts::new(options.per_host.clamp(1, Semaphore::MAX_PERMITS)),
            memory: Shared::new(options.max_buffered, options.ordered),
            options,
        };
        let common = Arc::new(common);
        Self { common, running: JoinSet::new(), early: BTreeMap::new(), next_in: 0, next_out: 0, bar }
    }

    /// Whether another file should be pushed now.
    pub fn has_room(&self) -> bool {
        let window = self.common.options.concurrency.saturating_mul(WINDOW).max(1);
        self.running.len() + self.early.len() < window && self.common.memory.has_room()
    }

    /// Whether no file is under way or waiting to be taken.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.early.is_empty()
    }

    /// Begins to fetch a file.
    pub fn push(&mut self, name: String) {
        let job = Job::new(&self.common, self.next_in, name).run();
        self.next_in += 1;
        match engine().and_then(|engine| engine.runtime()) {
            Ok(runtime) => {
                self.running.spawn_on(job, runtime.handle());
            }
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// The next outcome; `None` when there is none under way.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<FetchOutcome>> {
        loop {
            if let Some(done) = self.early.remove(&self.next_out) {
                return Poll::Ready(Some(self.hand_over(done)));
            }
            match std::task::ready!(self.running.poll_join_next(context)) {
                None => return Poll::Ready(None),
                Some(Ok(done)) if self.common.options.ordered => {
                    self.early.insert(done.outcome.index, done);
                }
                Some(Ok(done)) => return Poll::Ready(Some(self.hand_over(done))),
                Some(Err(error)) => tracing::error!("a download died: {error}"),
            }
        }
    }

    fn hand_over(&mut self, done: Done) -> FetchOutcome {
        self.next_out = self.next_out.max(done.outcome.index + 1);
        done.share.taken();
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        done.outcome
    }

    /// The next outcome, waited for; `check` is called about every 50 ms, and the wait ends with an error once it returns true.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`] where `check` ended the wait.
    pub fn wait_until(&mut self, check: impl FnMut() -> bool) -> Result<Option<FetchOutcome>> {
        if self.is_empty() {
            return Ok(None);
        }
        // The set of running downloads travels to the runtime and back, so that no runtime has to be entered here.
        let mut travelling = std::mem::replace(self, Self::new(FetchOptions::default(), None));
        let waiting = Op::remote(async move {
            let outcome = std::future::poll_fn(|context| travelling.poll_next(context)).await;
            Ok((outcome, travelling))
        });
        let (outcome, back) = waiting.wait_until(check).map_err(|error| match error.kind() {
            ErrorKind::Cancelled => Error::new(ErrorKind::Cancelled, "the fetch was interrupted"),
            _ => error,
        })?;
        *self = back;
        Ok(outcome)
    }
}
