//! The time limits of one transfer.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::options::Timeout;

/// When a transfer that begins now has to be done, with all its attempts and the pauses between them.
pub(super) fn deadline(timeout: Timeout) -> Option<Instant> {
    // A limit too far away to be a time is none.
    timeout.total.and_then(|total| Instant::now().checked_add(total))
}

/// Limits that are running.
pub(super) struct Limits {
    timeout: Timeout,
    deadline: Option<Instant>,
}

impl Limits {
    /// Limits of one attempt of a transfer that has to be done by the deadline.
    pub(super) fn new(timeout: Timeout, deadline: Option<Instant>) -> Self {
        Self { timeout, deadline }
    }

    /// The limit of one step.
    pub(super) fn connect(&self) -> Duration {
        self.timeout.connect
    }

    /// Runs one step up to the first byte of the body.
    pub(super) async fn step<T>(&self, what: &str, work: impl Future<Output = T>) -> Result<T> {
        self.within(self.timeout.connect, what, work).await
    }

    /// Waits for the server during the body.
    pub(super) async fn silence<T>(&self, what: &str, work: impl Future<Output = T>) -> Result<T> {
        self.within(self.timeout.idle, what, work).await
    }

    /// Runs something within a limit, and within what is left of the whole transfer's.
    pub(super) async fn within<T>(&self, limit: Duration, what: &str, work: impl Future<Output = T>) -> Result<T> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left < limit => tokio::time::timeout(left, work).await.map_err(|_| {
                let total = self.timeout.total.unwrap_or_default();
                Error::timeout(format!("the transfer was not done within {total:?} ({what}): raise timeout total"))
            }),
            _ => tokio::time::timeout(limit, work)
                .await
                .map_err(|_| Error::timeout(format!("no answer from the server within {limit:?} ({what})"))),
        }
    }
}
