//! What came of a fetch, in numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::io::traffic::{HostCounts, Latencies};

/// What came of a fetch so far; see [`FetchControl::statistics`](crate::FetchControl::statistics).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FetchStatistics {
    /// Files that came.
    pub succeeded: u64,
    /// Files that failed for good, or were cancelled.
    pub failed: u64,
    /// All hosts together.
    pub total: HostStatistics,
    /// Each host by its name, with its port where that is not the scheme's own. From the thousandth on all further ones are counted
    /// together, as `(others)`. A redirect is counted at the host that it leads to.
    pub hosts: BTreeMap<String, HostStatistics>,
}

/// What came of the requests to a host.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HostStatistics {
    /// Requests that were made, those of redirects among them; for ftp the attempts to get a file.
    pub requests: u64,
    /// Requests that brought no answer: no connection, a broken one, a time limit. Those that were cancelled are not among them.
    pub failed_requests: u64,
    /// Answers 429 and 503, and 421 of ftp, after which the host was asked more slowly.
    pub busy: u64,
    /// Further attempts at a file after one that failed, counted at the host that the file was asked of.
    pub retries: u64,
    /// Bytes that came, before any gunzip, those of broken attempts among them.
    pub bytes: u64,
    /// New connections that brought an answer; for ftp those for commands.
    pub connections_opened: u64,
    /// Answers on connections that had brought one before.
    pub connections_reused: u64,
    /// How long answers took, from the request to the head of the answer (ftp: to the file's beginning), connecting included.
    pub latency: LatencyStatistics,
}

/// How long something took, each time.
#[derive(Clone, Debug, Default)]
pub struct LatencyStatistics(Latencies);

impl LatencyStatistics {
    /// How many times.
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// The mean; `None` where there are none.
    pub fn mean(&self) -> Option<Duration> {
        self.0.mean()
    }

    /// The longest; `None` where there are none.
    pub fn longest(&self) -> Option<Duration> {
        self.0.longest()
    }

    /// The time that so many of a hundred did not exceed, to within a sixteenth; `None` where there are none.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        self.0.percentile(percent)
    }
}

impl FetchStatistics {
    pub(super) fn new(succeeded: u64, failed: u64, counts: BTreeMap<Arc<str>, HostCounts>) -> Self {
        let mut total = HostStatistics::default();
        let hosts: BTreeMap<String, HostStatistics> =
            counts.into_iter().map(|(host, counts)| (host.to_string(), HostStatistics::of(counts))).collect();
        hosts.values().for_each(|host| total.add(host));
        Self { succeeded, failed, total, hosts }
    }
}

impl HostStatistics {
    fn of(counts: HostCounts) -> Self {
        Self {
            requests: counts.requests,
            failed_requests: counts.failed,
            busy: counts.busy,
            retries: counts.retries,
            bytes: counts.bytes,
            connections_opened: counts.connections_opened,
            connections_reused: counts.connections_reused,
            latency: LatencyStatistics(counts.latencies),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed_requests += other.failed_requests;
        self.busy += other.busy;
        self.retries += other.retries;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.connections_opened += other.connections_opened;
        self.connections_reused += other.connections_reused;
        self.latency.0.merge(&other.latency.0);
    }
}
