//! So much in a second.

use std::time::Duration;

use tokio::time::Instant;

/// How far behind its rate a bucket may catch up: timers are no finer than a millisecond.
const CATCH_UP: Duration = Duration::from_millis(10);
/// The longest that one piece can make the next wait: no rate is so low that nothing comes.
const LONGEST_SECONDS: f64 = 3600.0;

/// A limit on the rate of something. What was taken has to be waited for by what comes next.
pub(super) struct Bucket {
    rate: f64,
    next: Option<Instant>,
}

impl Bucket {
    /// A limit of so many in a second.
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, next: None }
    }

    /// When something may be taken next; `None`: now.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.next
    }

    /// Takes some; says until when that is to be waited for.
    pub(super) fn take(&mut self, now: Instant, number: f64) -> Option<Instant> {
        let since = now.checked_sub(CATCH_UP).unwrap_or(now);
        let begin = self.next.map_or(now, |next| next.max(since));
        let seconds = (number / self.rate).min(LONGEST_SECONDS);
        self.next = Duration::try_from_secs_f64(seconds).ok().and_then(|pause| begin.checked_add(pause));
        self.next
    }
}
