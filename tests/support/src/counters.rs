//! How many connections a server had.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Connections of a server, as counted when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// All that were ever accepted.
    pub accepted: u64,
    /// Those open now.
    pub open: u64,
    /// The most that were open at one time.
    pub most_open: u64,
}

/// Counts things that begin and end.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    begun: AtomicU64,
    open: AtomicU64,
    most: AtomicU64,
}

impl Counter {
    /// Counts one more, until the returned guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Counted {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        Counted { counter: self.clone(), number }
    }

    /// The counts so far.
    pub(crate) fn connections(&self) -> Connections {
        Connections {
            accepted: self.begun.load(Ordering::SeqCst),
            open: self.open.load(Ordering::SeqCst),
            most_open: self.most(),
        }
    }

    /// The most that were open at one time.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }

    /// Takes the number open now as the most.
    pub(crate) fn forget_most(&self) {
        self.most.store(self.open.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// One counted thing; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    counter: Arc<Counter>,
    /// Its number, from 1.
    pub(crate) number: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counter.open.fetch_sub(1, Ordering::SeqCst);
    }
}
