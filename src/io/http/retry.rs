//! Whether and when a failed request is made again.

use super::failure::Failure;
use crate::{Error, Result};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a request is made and how long the pauses between are.
///
/// Only what may succeed is tried again: a broken connection, a time limit, a short body, and the statuses 408, 425, 429
/// and 5xx. The pause doubles from one attempt to the next, less up to half of it by chance, so that many clients of
/// one busy server don't come back at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// Attempts in all, the first among them; at least one is made.
    pub(crate) attempts: u32,
    /// The pause after the first attempt.
    pub(crate) first_pause: Duration,
    /// The longest pause of our own.
    pub(crate) longest_pause: Duration,
    /// The longest pause that a server's `Retry-After` can ask for; what is above is cut to it.
    pub(crate) longest_retry_after: Duration,
    /// Whether of a whole file only attempts count that brought nothing new: then it takes as long as it takes.
    pub(crate) lasting: bool,
}

impl Default for RetryPolicy {
    /// Five attempts; pauses of up to 1, 2, 4 and 8 seconds; a server may ask for up to two minutes.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(120),
            lasting: false,
        }
    }
}

impl RetryPolicy {
    /// One attempt.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// At most three attempts in a row that bring nothing, with short pauses: for opening and reading one file, which must not wait for long.
    pub(crate) fn brief() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(2),
            longest_retry_after: Duration::from_secs(10),
            lasting: true,
        }
    }

    /// Waits before the next attempt, or returns the error if there is to be none.
    ///
    /// `attempts` is how many were made. No pause is begun that the time limit `deadline` would end.
    pub(super) async fn pause(&self, attempts: u32, failure: Failure, deadline: Option<Instant>) -> Result<(), Error> {
        if attempts >= self.attempts || failure.for_good || !failure.error.is_transient() {
            return Err(failure.error);
        }
        let pause = self.pause_after(attempts, failure.retry_after, random());
        if deadline.is_some_and(|deadline| Instant::now().checked_add(pause).is_none_or(|end| end >= deadline)) {
            return Err(failure.error);
        }
        tracing::debug!(attempts, ?pause, error = %failure.error, "trying again");
        sleep(pause).await;
        Ok(())
    }

    /// As [`RetryPolicy::pause`], for an error of another protocol.
    pub(crate) async fn pause_after_error(
        &self,
        attempts: u32,
        error: Error,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        self.pause(attempts, Failure::from(error), deadline).await
    }

    /// The pause after so many attempts; `random` is 0 to 1.
    fn pause_after(&self, attempts: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = 2u32.saturating_pow(attempts.saturating_sub(1));
        let longest = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let own = longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        own.max(retry_after.unwrap_or_default().min(self.longest_retry_after))
    }
}

/// A number from 0 to 1 that differs from call to call; the standard library's hash keys are random enough for a pause.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    bits as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_a_cap() {
        let policy = RetryPolicy::default();
        let pauses: Vec<u64> = (1..9).map(|attempts| policy.pause_after(attempts, None, 1.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(policy.pause_after(1, None, 0.0), SECOND / 2);
        assert_eq!(policy.pause_after(u32::MAX, None, 1.0), 30 * SECOND);
    }

    #[test]
    fn the_server_may_ask_for_more_but_not_for_ever() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.pause_after(1, Some(7 * SECOND), 1.0), 7 * SECOND);
        assert_eq!(policy.pause_after(1, Some(Duration::ZERO), 1.0), SECOND);
        assert_eq!(policy.pause_after(1, Some(Duration::MAX), 1.0), 120 * SECOND);
    }

    #[test]
    fn chance_stays_between_zero_and_one() {
        assert!((0..100).map(|_| random()).all(|value| (0.0..=1.0).contains(&value)));
    }

    #[tokio::test]
    async fn no_pause_outlasts_the_time_limit() {
        let failure = Failure { retry_after: Some(60 * SECOND), ..Error::network("broken").into() };
        let deadline = Instant::now() + 30 * SECOND;
        let error = RetryPolicy::default().pause(1, failure, Some(deadline)).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
