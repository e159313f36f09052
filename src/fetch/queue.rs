//! Files in, outcomes out: the one driver behind every face of a fetch.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::FutureExt;
use indicatif::ProgressBar;
use tokio::task::{Id, JoinSet};

use super::budget::{Share, Shared};
use super::control::FetchControl;
use super::job::{AsyncWork, Common, Job, open};
use super::options::FetchOptions;
use super::places::Places;
use super::progress::bar;
use crate::engine::{Op, engine};
use crate::error::{Error, ErrorKind, Result};
use crate::io::location::safe_excerpt;
use crate::io::traffic::Traffic;
use crate::reader::FitsReader;

/// How many files may be under way or waiting to be taken, for each one that may be fetched at once.
const WINDOW: usize = 2;
/// How many further files may wait for their host while others could be fetched, for each one that may be fetched at once. More names are
/// read then, as the next one may be of a host that has nothing to do; but not all names of an endless list of one host.
const LOOKAHEAD: usize = 16;

/// What became of one file.
#[derive(Debug)]
pub struct FetchOutcome<T = FitsReader> {
    /// The name, without credentials.
    pub url: String,
    /// The number of the file in the order given, counted from 0.
    pub index: u64,
    /// The file (opened, or for a download where it is), or why there is none.
    pub result: Result<T>,
    /// How many attempts were made, at all mirrors.
    pub attempts: u32,
    /// How many bytes came over the network, those of broken attempts among them.
    pub bytes: u64,
    /// How long it took, waiting for its turn and for memory not counted.
    pub duration: Duration,
}

/// An outcome with the memory that it holds until it is taken.
pub(super) struct Done<T> {
    pub(super) outcome: FetchOutcome<T>,
    pub(super) share: Share,
}

/// Fetches files that are pushed one by one while there is room. Dropping it cancels what runs.
///
/// This is what [`Fetch`](super::Fetch) is made of, for callers whose names don't come from an iterator.
pub struct FetchQueue<T = FitsReader> {
    common: Arc<Common>,
    running: JoinSet<Done<T>>,
    /// Which file each running task is for, should it die.
    tasks: HashMap<Id, (u64, String)>,
    /// Outcomes to be handed over: in ordered mode also those whose turn has not come.
    early: BTreeMap<u64, Done<T>>,
    next_in: u64,
    next_out: u64,
    bar: Option<ProgressBar>,
}

impl FetchQueue {
    /// Begins to fetch a file.
    pub fn push(&mut self, name: impl Into<PathBuf>) {
        self.push_mirrors(vec![name.into()]);
    }

    /// Begins to fetch a file that is to be had under each of these names: from the first one that works.
    pub fn push_mirrors(&mut self, names: Vec<PathBuf>) {
        self.begin(names, |attempt| async move { open(attempt).await.map(FitsReader::of) }.boxed());
    }
}

impl<T: Send + 'static> FetchQueue<T> {
    /// A queue; `known` is the number of files, for the progress bar, where it is known.
    pub fn new(options: FetchOptions, known: Option<u64>) -> Self {
        let bar = options.progress.then(|| bar(known));
        let traffic = Traffic::new(options.rules());
        let places = Places::new(options.concurrency, options.per_host, traffic.clone());
        let common = Common {
            memory: Shared::new(options.max_buffered, options.ordered, Arc::clone(&places)),
            places,
            control: FetchControl::new(traffic.clone()),
            traffic,
            options,
        };
        Self {
            common: Arc::new(common),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            early: BTreeMap::new(),
            next_in: 0,
            next_out: 0,
            bar,
        }
    }

    /// Whether another file should be pushed now.
    pub fn has_room(&self) -> bool {
        let times = |files: usize| self.common.options.concurrency.max(1).saturating_mul(files);
        let files = self.running.len() + self.early.len();
        let held_up = self.common.places.held_up();
        !self.common.control.is_stopped()
            && files.saturating_sub(held_up) < times(WINDOW)
            && held_up < times(LOOKAHEAD)
            && self.common.memory.has_room()
    }

    /// What can cancel files of this fetch and say how it goes, from any thread.
    pub fn control(&self) -> FetchControl {
        self.common.control.clone()
    }

    /// Whether no file is under way or waiting to be taken.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.early.is_empty()
    }

    /// Begins to do this with a file.
    pub(super) fn begin(&mut self, names: Vec<PathBuf>, work: impl AsyncWork<T>) {
        let index = self.next_in;
        self.next_in += 1;
        let job = Job::new(&self.common, index, names);
        let url = job.url().to_owned();
        match engine().and_then(|engine| engine.runtime()) {
            Ok(runtime) => {
                let task = self.running.spawn_on(job.run(work), runtime.handle());
                self.tasks.insert(task.id(), (index, url));
            }
            Err(error) => {
                drop(job);
                self.failed(index, url, error);
            }
        }
    }

    /// Takes in a name that can't be fetched: its outcome is this error, in its turn.
    pub fn push_failed(&mut self, name: &str, error: Error) {
        let index = self.next_in;
        self.next_in += 1;
        self.failed(index, safe_excerpt(name), error);
    }

    /// No file may vanish: in ordered mode all that follow would wait for it.
    fn failed(&mut self, index: u64, url: String, error: Error) {
        let share = self.common.memory.begin(index, Arc::new(|_| {}));
        share.finished();
        self.common.control.count(false);
        let result = Err(error.in_file(&url));
        let outcome = FetchOutcome { url, index, result, attempts: 1, bytes: 0, duration: Duration::ZERO };
        self.early.insert(index, Done { outcome, share });
    }

    /// An outcome that is there and whose turn it is.
    fn ready(&mut self) -> Option<Done<T>> {
        if self.common.options.ordered {
            self.early.remove(&self.next_out)
        } else {
            self.early.pop_first().map(|(_, done)| done)
        }
    }

    /// The next outcome; `None` when there is none under way.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<FetchOutcome<T>>> {
        loop {
            if let Some(done) = self.ready() {
                return Poll::Ready(Some(self.hand_over(done)));
            }
            let Some(joined) = std::task::ready!(self.running.poll_join_next_with_id(context)) else {
                return Poll::Ready(None);
            };
            match joined {
                Ok((id, done)) => {
                    self.tasks.remove(&id);
                    self.early.insert(done.outcome.index, done);
                }
                Err(error) => {
                    tracing::error!("a download died: {error}");
                    if let Some((index, url)) = self.tasks.remove(&error.id()) {
                        let message = format!("the download died, by a defect of rustfits or in on_event: {error}");
                        self.failed(index, url, Error::new(ErrorKind::Io, message));
                    }
                }
            }
        }
    }

    fn hand_over(&mut self, done: Done<T>) -> FetchOutcome<T> {
        self.next_out = self.next_out.max(done.outcome.index + 1);
        done.share.taken();
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        done.outcome
    }

    /// The next outcome, waited for, or `None` when no file is under way; `check` is called about every 50 ms.
    ///
    /// What goes wrong with a file is the `result` of its outcome, not an error of this.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`] once `check` returned true. The fetch is over then: what runs is cancelled, outcomes that
    /// nobody took are dropped, and the queue is an empty one with default options.
    pub fn wait_until(&mut self, check: impl FnMut() -> bool) -> Result<Option<FetchOutcome<T>>> {
        if let Some(done) = self.ready() {
            return Ok(Some(self.hand_over(done)));
        }
        if self.running.is_empty() {
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

impl<T> Drop for FetchQueue<T> {
    fn drop(&mut self) {
        self.common.places.close();
    }
}
