//! A fetch from outside: cancel some of it or all, and see how it goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::statistics::FetchStatistics;
use crate::error::{Error, ErrorKind};
use crate::io::location::{display, parse};
use crate::io::traffic::Traffic;

/// Cancels files of a fetch and says how it goes, from any thread and for as long as one likes.
///
/// # Examples
///
/// ```
/// use rustfits::{ErrorKind, Fetcher};
///
/// let fetch = Fetcher::new().fetch(["http://127.0.0.1:1/a.fits", "http://127.0.0.1:1/b.fits"]);
/// let control = fetch.control();
/// let mut outcomes = fetch.wait();
/// control.cancel_all();
/// assert!(outcomes.next().is_none());
/// assert_eq!(control.statistics().succeeded, 0);
/// ```
#[derive(Clone)]
pub struct FetchControl(Arc<State>);

struct State {
    traffic: Traffic,
    stopped: AtomicBool,
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// The files that are under way or in line.
    files: Mutex<BTreeMap<u64, UnderWay>>,
}

struct UnderWay {
    urls: Vec<String>,
    stop: Sender<()>,
}

impl FetchControl {
    pub(super) fn new(traffic: Traffic) -> Self {
        Self(Arc::new(State {
            traffic,
            stopped: AtomicBool::new(false),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            files: Mutex::default(),
        }))
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<u64, UnderWay>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file gets in line; `urls` are its names without credentials.
    pub(super) fn enter(&self, index: u64, urls: Vec<String>) -> Cancelled {
        let (stop, stopped) = channel();
        let mut files = self.files();
        // Looked at under the lock: who stops the fetch either finds this file or is found out here.
        if self.is_stopped() {
            let _ = stop.send(());
        } else {
            files.insert(index, UnderWay { urls, stop });
        }
        drop(files);
        Cancelled { control: self.clone(), index, stopped }
    }

    /// A file has ended, in one way or the other.
    pub(super) fn count(&self, succeeded: bool) {
        let counter = if succeeded { &self.0.succeeded } else { &self.0.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no further file is to begin.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// Cancels a file that is under way or waits for its turn, by its number in the order given. Its outcome is an error of the kind
    /// [`ErrorKind::Cancelled`]. `false`: there is no such file, or it has ended, or its name was not read yet.
    pub fn cancel(&self, index: u64) -> bool {
        self.files().remove(&index).is_some_and(|file| file.stop.send(()).is_ok())
    }

    /// Cancels the files of this URL, also those of which it is a mirror; says how many there were.
    pub fn cancel_url(&self, url: &str) -> usize {
        // As files are known: without credentials.
        let url = parse(Path::new(url)).map_or_else(|_| url.to_owned(), |location| display(&location));
        let mut files = self.files();
        let indices: Vec<u64> =
            files.iter().filter(|(_, file)| file.urls.contains(&url)).map(|(&index, _)| index).collect();
        indices.iter().filter_map(|index| files.remove(index)).filter_map(|file| file.stop.send(()).ok()).count()
    }

    /// Cancels all files, and begins no other: the fetch ends with the outcomes of those that had begun. Says how many were cancelled.
    pub fn cancel_all(&self) -> usize {
        let mut files = self.files();
        self.0.stopped.store(true, Ordering::Relaxed);
        let files = std::mem::take(&mut *files);
        files.into_values().filter_map(|file| file.stop.send(()).ok()).count()
    }

    /// What came of the fetch so far.
    pub fn statistics(&self) -> FetchStatistics {
        let (succeeded, failed) = (self.0.succeeded.load(Ordering::Relaxed), self.0.failed.load(Ordering::Relaxed));
        FetchStatistics::new(succeeded, failed, self.0.traffic.counts())
    }
}

/// Whether one file was cancelled. Dropping it takes the file out of those that can be.
pub(super) struct Cancelled {
    control: FetchControl,
    index: u64,
    stopped: Receiver<()>,
}

impl Cancelled {
    /// Waits until the file is cancelled; for ever if it never is.
    pub(super) async fn come(&mut self) -> Error {
        if (&mut self.stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
        Error::new(ErrorKind::Cancelled, "the file was cancelled")
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.control.files().remove(&self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_file_that_gets_in_line_after_all_were_cancelled_is_cancelled() {
        let control = FetchControl::new(Traffic::default());
        let (mut first, mut second) = (control.enter(0, Vec::new()), control.enter(1, Vec::new()));
        assert!(control.cancel(0) && !control.cancel(0));
        assert_eq!(first.come().now_or_never().unwrap().kind(), ErrorKind::Cancelled);
        assert!(second.come().now_or_never().is_none() && !control.is_stopped());
        assert_eq!(control.cancel_all(), 1);
        assert!(second.come().now_or_never().is_some() && control.is_stopped());
        assert!(control.enter(2, Vec::new()).come().now_or_never().is_some());
        drop((first, second));
        assert!(control.files().is_empty());
    }
}
