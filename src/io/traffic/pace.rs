//! How fast one host may be asked, after it said that it is busy.
//!
//! Each time that it says so halves the number of files that are fetched from it at once, and doubles the pause between two
//! requests; each answer takes a part of that back. A host that is busy for good is so asked at about the rate that it bears.

use std::time::Duration;

use tokio::time::Instant;

/// What one good answer leaves of the pause between two requests: with a doubling for each busy one, a host is held where about one
/// answer in eight is a busy one.
const RECOVERY: f64 = 0.9;

/// How a busy host is asked.
#[derive(Clone, Debug)]
pub(crate) struct PaceLimits {
    /// How many files are fetched from a host that is not busy.
    pub(crate) files: usize,
    /// The first pause between two requests.
    pub(crate) first: Duration,
    /// The longest.
    pub(crate) longest: Duration,
    /// The longest that a `Retry-After` can hold a host up.
    pub(crate) longest_hold: Duration,
}

impl PaceLimits {
    /// The limits for a fetch of so many files from a host and with this pause after the first attempt.
    pub(crate) fn new(files: usize, backoff: Duration, longest_hold: Duration) -> Self {
        Self { files, first: backoff / 32, longest: backoff.saturating_mul(4), longest_hold }
    }
}

impl Default for PaceLimits {
    fn default() -> Self {
        Self::new(6, Duration::from_secs(1), Duration::from_secs(120))
    }
}

/// The pace of one host.
#[derive(Debug)]
pub(super) struct Pace {
    files: f64,
    pause: Duration,
    next: Option<Instant>,
    held_until: Option<Instant>,
    /// When it was last slowed down: an answer to what was asked before that says nothing new.
    slowed: Option<Instant>,
}

impl Pace {
    pub(super) fn new(limits: &PaceLimits) -> Self {
        Self { files: limits.files as f64, pause: Duration::ZERO, next: None, held_until: None, slowed: None }
    }

    /// When the host may be asked next; `None`: now.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.next.max(self.held_until)
    }

    /// A request is made.
    pub(super) fn asked(&mut self, now: Instant) {
        self.next = now.checked_add(self.pause);
    }

    /// How many files may be fetched at once.
    pub(super) fn files(&self) -> usize {
        (self.files as usize).max(1)
    }

    /// The host said that it is busy, to a request that was made at `begun`.
    pub(super) fn busy(&mut self, begun: Instant, now: Instant, retry_after: Option<Duration>, limits: &PaceLimits) {
        let held = retry_after.and_then(|pause| now.checked_add(pause.min(limits.longest_hold)));
        self.held_until = self.held_until.max(held);
        if self.slowed.is_some_and(|slowed| begun <= slowed) {
            return;
        }
        self.slowed = Some(now);
        self.files = (self.files / 2.0).max(1.0);
        self.pause = self.pause.saturating_mul(2).max(limits.first).min(limits.longest);
        self.next = self.next.max(now.checked_add(self.pause));
    }

    /// The host gave a good answer; whether it is as if it had never been busy.
    pub(super) fn well(&mut self, now: Instant, limits: &PaceLimits) -> bool {
        let most = limits.files as f64;
        self.files = (self.files + 1.0 / self.files).min(most);
        self.pause = self.pause.mul_f64(RECOVERY);
        if self.pause < limits.first / 2 {
            self.pause = Duration::ZERO;
        }
        self.files >= most && self.pause.is_zero() && self.held_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> PaceLimits {
        PaceLimits::new(8, SECOND, 120 * SECOND)
    }

    #[test]
    fn each_busy_answer_halves_and_good_ones_recover() {
        let (limits, mut now) = (limits(), Instant::now());
        let mut pace = Pace::new(&limits);
        let mut files = vec![pace.files()];
        for _ in 0..12 {
            now += SECOND;
            pace.busy(now, now, None, &limits);
            files.push(pace.files());
        }
        assert_eq!(files[..5], [8, 4, 2, 1, 1]);
        assert_eq!(pace.pause, limits.longest);
        assert_eq!(pace.earliest(), Some(now + limits.longest));
        let answers = (0..1000).position(|_| pace.well(now, &limits)).unwrap();
        assert!((20..80).contains(&answers), "{answers}");
        assert_eq!(pace.files(), 8);
    }

    #[test]
    fn answers_to_what_was_asked_before_slow_down_once() {
        let (limits, now) = (limits(), Instant::now());
        let mut pace = Pace::new(&limits);
        for late in 0..6 {
            pace.busy(now, now + SECOND * late, Some(3 * SECOND), &limits);
        }
        assert_eq!((pace.files(), pace.pause), (4, limits.first));
        assert_eq!(pace.earliest(), Some(now + 8 * SECOND));
        pace.busy(now, now, Some(Duration::MAX), &limits);
        assert_eq!(pace.earliest(), Some(now + limits.longest_hold));
    }

    #[test]
    fn requests_keep_their_distance() {
        let (limits, now) = (limits(), Instant::now());
        let mut pace = Pace::new(&limits);
        pace.asked(now);
        assert_eq!(pace.earliest(), Some(now));
        pace.busy(now, now, None, &limits);
        pace.asked(now + SECOND);
        assert_eq!(pace.earliest(), Some(now + SECOND + limits.first));
    }
}
