//! The one pool of threads for decoding: the only user of rayon.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rayon::ThreadPool;

use crate::error::{Error, ErrorKind, Result};

/// How often the calling thread looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A pool of one thread for each processor.
pub(crate) struct Cpu(ThreadPool);

impl Cpu {
    pub(crate) fn new() -> Result<Self> {
        let builder = rayon::ThreadPoolBuilder::new().thread_name(|number| format!("rustfits-cpu-{number}"));
        let pool =
            builder.build().map_err(|error| Error::new(ErrorKind::Io, format!("can't start threads: {error}")))?;
        Ok(Self(pool))
    }

    /// Takes jobs from `next` and does them with `work`, on all threads, until there are none or one fails; returns the first failure.
    /// Meanwhile the calling thread calls `check` now and then; once that fails, no further job is begun.
    pub(crate) fn run<J: Send>(
        &self,
        next: impl FnMut() -> Option<J> + Send,
        work: impl Fn(J) -> Result<()> + Sync,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let next = Mutex::new(next);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let fail = |error| {
            let mut failure = failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            failure.get_or_insert(error);
        };
        let failed = || failure.lock().map_or(true, |failure| failure.is_some());
        let take = || if failed() { None } else { next.lock().ok().and_then(|mut next| next()) };
        let worker = || {
            while let Some(job) = take() {
                if let Err(error) = work(job) {
                    fail(error);
                }
            }
        };
        self.0.in_place_scope(|scope| {
            let (done, all_done) = channel::<()>();
            for _ in 0..self.0.current_num_threads() {
                let done = done.clone();
                let worker = &worker;
                scope.spawn(move |_| {
                    worker();
                    drop(done);
                });
            }
            drop(done);
            while let Err(RecvTimeoutError::Timeout) = all_done.recv_timeout(LOOK_EVERY) {
                if let Err(error) = check() {
                    fail(error);
                    break;
                }
            }
        });
        match failure.into_inner() {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Io, "a decoding thread died: this is a defect of rustfits")),
        }
    }
}
