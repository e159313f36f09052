//! The memory that all downloads of one fetch share, and who of them may take more.
//!
//! A download may take more if it fits the limit. So that they can't all wait for each other, one may always go on: the oldest
//! when no finished file waits to be taken, and in ordered mode the one that is next in order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::Notify;

use super::places::Places;
use crate::error::Result;
use crate::io::budget::Budget;

/// The state that all downloads of a fetch share.
pub(super) struct Shared {
    limit: u64,
    ordered: bool,
    /// Is told of files that wait for memory.
    places: Arc<Places>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Bytes in downloads that run and in results that nobody took yet.
    held: u64,
    /// Files that are under way, or in line.
    running: BTreeSet<u64>,
    /// Finished files that nobody took yet.
    untaken: BTreeSet<u64>,
    /// The file that is next in order.
    next: u64,
}

impl State {
    /// Whether this download is the one that may go on however much is held.
    fn may_always(&self, index: u64, ordered: bool) -> bool {
        if ordered { index == self.next } else { self.running.first() == Some(&index) && self.untaken.is_empty() }
    }
}

impl Shared {
    pub(super) fn new(limit: u64, ordered: bool, places: Arc<Places>) -> Arc<Self> {
        Arc::new(Self { limit, ordered, places, state: Mutex::default(), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A download begins.
    pub(super) fn begin(self: &Arc<Self>, index: u64, on_bytes: OnBytes) -> Share {
        self.state().running.insert(index);
        Share { shared: Arc::clone(self), index, held: Mutex::default(), on_bytes }
    }

    /// Takes `bytes` for a download if it may have them now.
    fn try_take(&self, index: u64, bytes: u64) -> bool {
        let mut state = self.state();
        let first = state.may_always(index, self.ordered);
        let fits = state.held.saturating_add(bytes) <= self.limit;
        if fits || first {
            state.held = state.held.saturating_add(bytes);
        }
        fits || first
    }

    /// Whether another download may begin: there is room, or nothing runs.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state();
        state.held < self.limit || (state.running.is_empty() && state.untaken.is_empty())
    }
}

/// What is told of each piece that arrives: its size in bytes.
pub(super) type OnBytes = Arc<dyn Fn(u64) + Send + Sync>;

/// One download's share of the memory; given back when it is dropped.
pub(super) struct Share {
    shared: Arc<Shared>,
    index: u64,
    held: Mutex<Held>,
    on_bytes: OnBytes,
}

/// What one download has, and how long it waited for it.
#[derive(Clone, Copy, Default)]
struct Held {
    bytes: u64,
    waited: Duration,
}

impl Share {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the download has waited for memory.
    pub(super) fn waited(&self) -> Duration {
        self.held().waited
    }

    /// The download has ended; its bytes count until the result is taken.
    pub(super) fn finished(&self) {
        let mut state = self.shared.state();
        if state.running.remove(&self.index) {
            state.untaken.insert(self.index);
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// The result was handed over: its memory is the user's now.
    pub(super) fn taken(self) {
        let mut state = self.shared.state();
        state.untaken.remove(&self.index);
        state.next = state.next.max(self.index + 1);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let held = self.held().bytes;
        let mut state = self.shared.state();
        state.running.remove(&self.index);
        state.held = state.held.saturating_sub(held);
        drop(state);
        self.shared.changed.notify_waiters();
    }
}

impl Budget for Share {
    fn admit(&self, bytes: u64) -> BoxFuture<'_, Result<()>> {
        async move {
            let begun = Instant::now();
            let mut stuck = None;
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                // Listens before it looks, so that no change is missed.
                changed.as_mut().enable();
                if self.shared.try_take(self.index, bytes) {
                    let mut held = self.held();
                    held.bytes = held.bytes.saturating_add(bytes);
                    held.waited += begun.elapsed();
                    return Ok(());
                }
                stuck = stuck.or_else(|| Some(self.shared.places.stuck()));
                changed.await;
            }
        }
        .boxed()
    }

    fn give_back(&self, bytes: u64) {
        let mut held = self.held();
        let bytes = bytes.min(held.bytes);
        held.bytes -= bytes;
        drop(held);
        let mut state = self.shared.state();
        state.held = state.held.saturating_sub(bytes);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    fn received(&self, wire_bytes: u64) {
        (self.on_bytes)(wire_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    fn share(shared: &Arc<Shared>, index: u64) -> Share {
        shared.begin(index, Arc::new(|_| {}))
    }

    #[tokio::test]
    async fn a_file_larger_than_the_limit_runs_alone() {
        let shared = Shared::new(100, false, Places::new(1, 1, Default::default()));
        let (first, second) = (share(&shared, 0), share(&shared, 1));
        second.admit(60).await.unwrap();
        first.admit(200).await.unwrap();
        let mut more = second.admit(1);
        assert!(poll!(&mut more).is_pending());
        first.finished();
        // Untaken, it still counts, and nobody is let in beyond the limit.
        assert!(poll!(&mut more).is_pending());
        let pause = Duration::from_millis(20);
        std::thread::sleep(pause);
        first.taken();
        assert!(poll!(&mut more).is_ready());
        drop(more);
        assert!(second.waited() >= pause);
    }

    #[tokio::test]
    async fn in_ordered_mode_the_next_in_order_is_let_in() {
        let shared = Shared::new(100, true, Places::new(1, 1, Default::default()));
        let (first, second) = (share(&shared, 0), share(&shared, 1));
        second.admit(100).await.unwrap();
        second.finished();
        first.admit(50).await.unwrap();
        first.give_back(20);
        assert_eq!(shared.state().held, 130);
        first.finished();
        first.taken();
        second.taken();
        assert!(shared.has_room());
        assert_eq!(shared.state().held, 0);
    }
}
