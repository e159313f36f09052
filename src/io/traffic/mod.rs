//! The traffic of a fetch of many files, and of later reads of those that it opened by ranges: what is asked of each host, how fast, and what
//! comes of it.
//!
//! Every request asks for permission first, and tells what came of it. A host that says that it is busy (429, 503) is asked more slowly,
//! and not at all before the time that its `Retry-After` names; limits on requests and bytes in a second hold for all hosts together.
//!
//! | file | idea |
//! | --- | --- |
//! | `bucket` | so much in a second |
//! | `pace` | how fast one host may be asked |
//! | `slots` | how many ranges may be on their way from one host |
//! | `latencies` | how long answers took |
//!
//! Waiting for permission is only ever waiting for some time, never for another file; and a place of [`Slots`] is held by one range on its way, which waits
//! for nothing but time: nothing can lock up here.

mod bucket;
mod latencies;
mod pace;
mod slots;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use url::Url;

use bucket::Bucket;
pub(crate) use latencies::Latencies;
use pace::Pace;
pub(crate) use pace::PaceLimits;
pub(crate) use slots::Slots;

/// The most hosts that are counted one by one; what goes to further ones is counted under [`OTHER_HOSTS`].
const MOST_HOSTS: usize = 1000;
/// The name under which hosts beyond [`MOST_HOSTS`] are counted.
const OTHER_HOSTS: &str = "(others)";

/// The traffic of a plain open: nothing is limited, nothing counted.
pub(crate) static FREE: Traffic = Traffic(None);

/// Limits on what a fetch asks for, and counts of what came; as [`FREE`] by default. Clones are of the same traffic.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Option<Arc<Ruled>>);

/// Traffic with limits and counts.
struct Ruled {
    rules: Rules,
    state: Mutex<State>,
}

impl Ruled {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Traffic").field(&self.0.as_ref().map(|ruled| &ruled.rules)).finish()
    }
}

/// The limits of a fetch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// At all hosts together; `None`: no limit.
    pub(crate) bytes_per_second: Option<u64>,
    /// At all hosts together; `None`: no limit.
    pub(crate) requests_per_second: Option<f64>,
    /// How a busy host is asked.
    pub(crate) pace: PaceLimits,
}

#[derive(Default)]
struct State {
    bytes: Option<Bucket>,
    requests: Option<Bucket>,
    /// Hosts that have been busy.
    paces: BTreeMap<Arc<str>, Pace>,
    counts: BTreeMap<Arc<str>, HostCounts>,
    /// Of the hosts of which files are read by ranges.
    slots: BTreeMap<Arc<str>, Weak<Semaphore>>,
}

impl State {
    fn counts(&mut self, host: &Arc<str>) -> &mut HostCounts {
        let host = if self.counts.len() < MOST_HOSTS || self.counts.contains_key(host) {
            Arc::clone(host)
        } else {
            Arc::from(OTHER_HOSTS)
        };
        self.counts.entry(host).or_default()
    }
}

/// What came of the requests to one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostCounts {
    /// Requests that were made, those of redirects among them.
    pub(crate) requests: u64,
    /// Requests that brought no answer.
    pub(crate) failed: u64,
    /// Answers that the host is busy: 429 and 503 (ftp: 421).
    pub(crate) busy: u64,
    /// Further attempts after one that failed.
    pub(crate) retries: u64,
    /// Bytes of bodies.
    pub(crate) bytes: u64,
    /// Answers on a connection that had served no other before.
    pub(crate) connections_opened: u64,
    /// Answers on a connection that had.
    pub(crate) connections_reused: u64,
    /// From a request to the head of its answer, connecting included.
    pub(crate) latencies: Latencies,
}

/// A request that may be made, until it is known what came of it.
pub(crate) struct Asked {
    host: Option<Arc<str>>,
    begun: Instant,
}

/// The host of a URL, with its port where that is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> Arc<str> {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| Arc::from(host), |port| Arc::from(format!("{host}:{port}")))
}

impl Traffic {
    pub(crate) fn new(rules: Rules) -> Self {
        let state = State {
            bytes: rules.bytes_per_second.map(|rate| Bucket::new(rate as f64)),
            requests: rules.requests_per_second.map(Bucket::new),
            ..State::default()
        };
        Self(Some(Arc::new(Ruled { rules, state: Mutex::new(state) })))
    }

    /// What limits the ranges that are read from a host by files that were opened within this traffic.
    pub(crate) fn slots(&self, url: &Url) -> Slots {
        let Some(ruled) = &self.0 else { return Slots::default() };
        let host = host_of(url);
        let mut state = ruled.state();
        if let Some(slots) = state.slots.get(&host).and_then(Weak::upgrade) {
            return Slots::of(slots);
        }
        state.slots.retain(|_, slots| slots.strong_count() > 0);
        let slots = Arc::new(Semaphore::new(ruled.rules.pace.files.clamp(1, Semaphore::MAX_PERMITS)));
        state.slots.insert(host, Arc::downgrade(&slots));
        Slots::of(slots)
    }

    /// Waits until a request may be made; it has been made then.
    pub(crate) async fn permission(&self, url: &Url) -> Asked {
        let Some(ruled) = &self.0 else { return Asked { host: None, begun: Instant::now() } };
        let host = host_of(url);
        // Asks again each time: the host may have become busy, or another request have been first.
        while let Err(until) = ruled.ask(&host, Instant::now()) {
            sleep_until(until).await;
        }
        Asked { host: Some(host), begun: Instant::now() }
    }

    /// The request brought an answer. `retry_after` is what the host says of the next one.
    pub(crate) fn answered(&self, asked: Asked, status: u16, retry_after: Option<Duration>, reused: bool) {
        let (Some(ruled), Some(host)) = (&self.0, asked.host) else { return };
        let (rules, now) = (&ruled.rules, Instant::now());
        let mut state = ruled.state();
        let counts = state.counts(&host);
        counts.latencies.add(now.saturating_duration_since(asked.begun));
        *(if reused { &mut counts.connections_reused } else { &mut counts.connections_opened }) += 1;
        let busy = matches!(status, 429 | 503);
        counts.busy += u64::from(busy);
        if busy {
            let pace = state.paces.entry(host).or_insert_with(|| Pace::new(&rules.pace));
            pace.busy(asked.begun, now, retry_after, &rules.pace);
        } else if status < 500
            && let Some(pace) = state.paces.get_mut(&host)
            && pace.well(now, &rules.pace)
        {
            state.paces.remove(&host);
        }
    }

    /// The request brought none.
    pub(crate) fn failed(&self, asked: Asked) {
        if let (Some(ruled), Some(host)) = (&self.0, asked.host) {
            ruled.state().counts(&host).failed += 1;
        }
    }

    /// A file is asked for once more.
    pub(crate) fn retrying(&self, url: &Url) {
        if let Some(ruled) = &self.0 {
            ruled.state().counts(&host_of(url)).retries += 1;
        }
    }

    /// Bytes arrived; waits where they were too many.
    pub(crate) async fn arrived(&self, url: &Url, bytes: u64) {
        let Some(ruled) = &self.0 else { return };
        let until = {
            let mut state = ruled.state();
            let host = host_of(url);
            let counts = state.counts(&host);
            counts.bytes = counts.bytes.saturating_add(bytes);
            state.bytes.as_mut().and_then(|bucket| bucket.take(Instant::now(), bytes as f64))
        };
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }

    /// How many files may be fetched at once from a host, of which the caller would allow so many.
    pub(crate) fn files_at_once(&self, host: &Arc<str>, most: usize) -> usize {
        let Some(ruled) = &self.0 else { return most };
        ruled.state().paces.get(host).map_or(most, |pace| pace.files().min(most))
    }

    /// What came so far, by host.
    pub(crate) fn counts(&self) -> BTreeMap<Arc<str>, HostCounts> {
        self.0.as_ref().map(|ruled| ruled.state().counts.clone()).unwrap_or_default()
    }
}

impl Ruled {
    /// Takes the permission, or says when to ask again.
    fn ask(&self, host: &Arc<str>, now: Instant) -> Result<(), Instant> {
        let mut state = self.state();
        let paced = state.paces.get(host).and_then(Pace::earliest);
        let limited = state.requests.as_ref().and_then(Bucket::earliest);
        if let Some(until) = paced.max(limited).filter(|&until| until > now) {
            return Err(until);
        }
        if let Some(pace) = state.paces.get_mut(host) {
            pace.asked(now);
        }
        if let Some(requests) = &mut state.requests {
            requests.take(now, 1.0);
        }
        state.counts(host).requests += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn busy(traffic: &Traffic, host: &str, retry_after: Option<Duration>) {
        let asked = Asked { host: Some(Arc::from(host)), begun: Instant::now() };
        traffic.answered(asked, 503, retry_after, false);
    }

    #[test]
    fn hosts_have_names() {
        assert_eq!(&*host_of(&url("https://ann:secret@archive.example/a")), "archive.example");
        assert_eq!(&*host_of(&url("https://archive.example:443/a")), "archive.example");
        assert_eq!(&*host_of(&url("ftp://[::1]:2121/a")), "[::1]:2121");
    }

    /// When the host may be asked, counted from `begun`: the clock is moved on until then.
    fn permitted(traffic: &Traffic, host: &str, begun: Instant) -> Duration {
        let mut now = begun;
        while let Err(until) = traffic.0.as_ref().unwrap().ask(&Arc::from(host), now) {
            assert!(until > now);
            now = until;
        }
        now - begun
    }

    #[test]
    fn a_host_that_says_when_is_not_asked_before_and_others_are() {
        let (traffic, begun) = (Traffic::new(Rules::default()), Instant::now());
        busy(&traffic, "busy", Some(Duration::from_secs(7)));
        assert_eq!(permitted(&traffic, "other", begun), Duration::ZERO);
        let waited = permitted(&traffic, "busy", begun);
        assert!((7.0..8.0).contains(&waited.as_secs_f64()), "{waited:?}");
        assert_eq!(traffic.files_at_once(&Arc::from("other"), 6), 6);
        assert_eq!(traffic.files_at_once(&Arc::from("busy"), 6), 3);
    }

    #[test]
    fn requests_and_bytes_are_limited_over_all_hosts() {
        let rules = Rules { requests_per_second: Some(10.0), bytes_per_second: Some(1000), ..Rules::default() };
        let (traffic, begun) = (Traffic::new(rules), Instant::now());
        let mut now = begun;
        for number in 0..21 {
            now += permitted(&traffic, &format!("host{number}"), now);
        }
        let seconds = (now - begun).as_secs_f64();
        assert!((1.98..2.01).contains(&seconds), "{seconds}");
        let mut bucket = Bucket::new(1000.0);
        let begun = Instant::now();
        let mut now = begun;
        for _ in 0..5 {
            now = bucket.take(now, 500.0).unwrap();
        }
        assert!((now - begun).as_secs_f64() >= 2.48);
        // What was not taken in time is no credit.
        now += Duration::from_secs(60);
        assert!(bucket.take(now, 500.0).unwrap() >= now + Duration::from_millis(480));
    }

    #[tokio::test]
    async fn many_hosts_take_bounded_memory() {
        let traffic = Traffic::new(Rules::default());
        for number in 0..MOST_HOSTS + 50 {
            traffic.permission(&url(&format!("http://host{number}/"))).await;
        }
        let counts = traffic.counts();
        assert_eq!((counts.len(), counts[OTHER_HOSTS].requests), (MOST_HOSTS + 1, 50));
        assert!(FREE.permission(&url("http://host/")).await.host.is_none() && FREE.counts().is_empty());
    }
}
