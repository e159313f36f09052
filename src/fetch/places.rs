//! Which files may be fetched now: so many at once, so many of them from one host, the older ones first.
//!
//! A file takes its place at its host and its place among all files together, so one that waits for its host keeps nobody else waiting.
//!
//! **The oldest file that is in line or under way always has a place**, which is what the memory limit relies on: it is the one file that may
//! always take more. Places are given in the order of the files wherever host and limit allow, so at the host of the oldest
//! file nobody younger is served before it; and when the file that was the oldest before it ended, it left a place that the oldest in line got.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::error::{Error, Result};
use crate::io::Location;

/// Host and port; `None` for local files, which have no host to spare.
type Host = Option<Arc<str>>;

/// All places of a fetch, and the lines for them.
pub(super) struct Places {
    limit: usize,
    per_host: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Files that have a place.
    served: HashSet<u64>,
    /// How many files are in line, at all hosts.
    waiting: usize,
    /// The fetch is over: nobody gets a place any more.
    closed: bool,
    /// The hosts that have files under way or in line.
    hosts: HashMap<Host, Line>,
}

/// The line at one host.
#[derive(Default)]
struct Line {
    served: usize,
    waiting: BTreeMap<u64, Sender<()>>,
}

impl Places {
    pub(super) fn new(limit: usize, per_host: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), per_host: per_host.max(1), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets in line. Files are to do so in their order.
    pub(super) fn line_up(self: &Arc<Self>, index: u64, location: &Location) -> Place {
        let host = host(location);
        let (call, turn) = channel();
        let mut state = self.state();
        state.hosts.entry(host.clone()).or_default().waiting.insert(index, call);
        state.waiting += 1;
        self.serve(&mut state);
        drop(state);
        Place { places: Arc::clone(self), index, host, turn }
    }

    /// Gives no more places. Files that are cancelled one by one would else let others begin that are cancelled next.
    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    /// How many files wait for nothing but their host: there are places, only not for them.
    pub(super) fn held_up(&self) -> usize {
        let state = self.state();
        if state.served.len() < self.limit { state.waiting } else { 0 }
    }

    /// Gives the places that are free to the oldest files that may have them.
    fn serve(&self, state: &mut State) {
        while !state.closed && state.served.len() < self.limit {
            let open = state.hosts.iter().filter(|(host, line)| host.is_none() || line.served < self.per_host);
            let oldest = open.filter_map(|(host, line)| line.waiting.keys().next().map(|&index| (index, host)));
            let Some((index, host)) = oldest.min_by_key(|&(index, _)| index) else { return };
            let host = host.clone();
            let Some(line) = state.hosts.get_mut(&host) else { return };
            line.served += 1;
            if let Some(call) = line.waiting.remove(&index) {
                // A file that has been given up meanwhile gives its place back when it is dropped.
                let _ = call.send(());
            }
            state.waiting -= 1;
            state.served.insert(index);
        }
    }
}

/// One file's place, in line or served; given up when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    index: u64,
    host: Host,
    turn: Receiver<()>,
}

impl Place {
    /// Waits until it is this file's turn.
    pub(super) async fn come(&mut self) -> Result<()> {
        (&mut self.turn).await.map_err(|_| Error::cancelled())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        let served = state.served.remove(&self.index);
        if let Some(line) = state.hosts.get_mut(&self.host) {
            let waited = line.waiting.remove(&self.index).is_some();
            line.served -= usize::from(served);
            let forgotten = line.served == 0 && line.waiting.is_empty();
            state.waiting -= usize::from(waited);
            if forgotten {
                state.hosts.remove(&self.host);
            }
        }
        self.places.serve(&mut state);
    }
}

fn host(location: &Location) -> Host {
    let (Location::Http(url) | Location::Ftp(url)) = location else { return None };
    Some(format!("{}:{:?}", url.host_str().unwrap_or_default(), url.port_or_known_default()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn line_up(places: &Arc<Places>, index: u64, host: &str) -> Place {
        places.line_up(index, &Location::Http(format!("http://{host}/").parse().unwrap()))
    }

    fn served(place: &mut Place) -> bool {
        place.places.state().served.contains(&place.index)
    }

    #[test]
    fn places_are_given_in_the_order_of_the_files() {
        let places = Places::new(1, 1);
        let mut files: Vec<_> = (0..4).map(|index| line_up(&places, index, "a")).collect();
        let mut third = files.remove(2);
        for file in &mut files {
            assert!(served(file) == (file.index == 0) && !served(&mut third));
        }
        files[0].come().now_or_never().unwrap().unwrap();
        // Whoever leaves the line holds up nobody.
        files.remove(1);
        files.remove(0);
        assert!(served(&mut third) && !served(&mut files[0]));
        drop(third);
        assert!(served(&mut files[0]));
        files.clear();
        assert!(places.state().hosts.is_empty() && places.state().waiting == 0);
    }

    #[test]
    fn a_busy_host_holds_up_no_other() {
        let places = Places::new(3, 1);
        let mut slow: Vec<_> = (0..5).map(|index| line_up(&places, index, "slow")).collect();
        assert_eq!(places.held_up(), 4);
        let (mut fast, mut local) = (line_up(&places, 5, "fast"), places.line_up(6, &Location::Memory));
        assert!(served(&mut slow[0]) && !served(&mut slow[1]) && served(&mut fast) && served(&mut local));
        assert_eq!(places.held_up(), 0);
        // The oldest goes on at once, whatever the younger ones hold.
        let mut younger = line_up(&places, 7, "fast");
        drop(slow.remove(0));
        assert!(served(&mut slow[0]) && !served(&mut younger));
        places.close();
        drop((slow.remove(0), fast));
        assert!(!served(&mut slow[0]) && !served(&mut younger));
    }
}
