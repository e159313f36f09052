//! How long things took: counts in classes a sixteenth wide, so that percentiles cost little memory.

use std::collections::BTreeMap;
use std::time::Duration;

/// The bits by which two durations of one class may agree only: a class is at most a sixteenth wide.
const BITS: u32 = 4;

/// Durations, as far as percentiles need them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    count: u64,
    sum: Duration,
    longest: Duration,
    classes: BTreeMap<u32, u64>,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(latency);
        self.longest = self.longest.max(latency);
        *self.classes.entry(class(latency)).or_default() += 1;
    }

    /// Adds all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.longest = self.longest.max(other.longest);
        for (class, number) in &other.classes {
            *self.classes.entry(*class).or_default() += number;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.sum.div_f64(self.count as f64))
    }

    pub(crate) fn longest(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.longest)
    }

    /// The duration that so many of a hundred don't exceed, to within a sixteenth; `None` where there are none.
    pub(crate) fn percentile(&self, percent: f64) -> Option<Duration> {
        let rank = ((percent.clamp(0.0, 100.0) / 100.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let class = self.classes.iter().find_map(|(class, number)| {
            seen += number;
            (seen >= rank).then_some(*class)
        });
        Some(longest_of(class?).min(self.longest))
    }
}

/// The class of a duration: its microseconds up to their highest bits.
fn class(latency: Duration) -> u32 {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let shift = micros.checked_ilog2().unwrap_or(0).saturating_sub(BITS);
    (shift << BITS) + (micros >> shift) as u32
}

/// The longest duration of a class.
fn longest_of(class: u32) -> Duration {
    let shift = (class >> BITS).saturating_sub(1);
    let highest = u128::from(class - (shift << BITS));
    let micros = ((highest + 1) << shift) - 1;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_each_other_and_hold_their_durations() {
        let mut before = None;
        for micros in (0..5000).chain([1 << 20, 1 << 40, u64::MAX / 2, u64::MAX]) {
            let latency = Duration::from_micros(micros);
            let class = class(latency);
            assert!(before.is_none_or(|before| before <= class), "{micros}");
            let longest = longest_of(class);
            assert!(longest >= latency && longest.as_secs_f64() <= latency.as_secs_f64() * 1.0626, "{micros}");
            before = Some(class);
        }
    }

    #[test]
    fn percentiles_are_those_of_the_durations() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.percentile(50.0), latencies.mean(), latencies.longest()), (None, None, None));
        for milliseconds in 1..=100 {
            latencies.add(Duration::from_millis(milliseconds));
        }
        for percent in [1.0, 10.0, 50.0, 90.0, 99.0] {
            let millis = latencies.percentile(percent).unwrap().as_secs_f64() * 1e3;
            assert!((percent..=percent * 1.0626).contains(&millis), "{percent}: {millis}");
        }
        assert_eq!(latencies.percentile(100.0), Some(Duration::from_millis(100)));
        assert_eq!(latencies.mean(), Some(Duration::from_micros(50_500)));
        let mut both = Latencies::default();
        both.merge(&latencies);
        both.merge(&latencies);
        assert_eq!((both.count(), both.percentile(50.0)), (200, latencies.percentile(50.0)));
    }
}
