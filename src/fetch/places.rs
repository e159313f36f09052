//! Which files may be fetched now: so many at once, so many of them from one host, the older ones first.
//!
//! A file takes its place at its host and its place among all files together, so one that waits for its host keeps nobody else waiting.
//! A file that goes on to another mirror gives its place back and gets in line there, before all that are younger. A host that is
//! busy has fewer places.
//!
//! **When a file waits for memory, the oldest file that is in line or under way has a place**, which is what the memory limit relies on: it is
//! the one file that may always take more. Places are given in the order of the files wherever host and limit allow, so at the host of the
//! oldest file nobody younger is served before it; and when the file that was the oldest before it ended, it left a place that the oldest in
//! line got. Only a file that moves to another mirror may find all places taken by younger ones: if any of all files waits for memory then, it
//! is let in beyond the limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::error::{Error, Result};
use crate::io::Location;
use crate::io::traffic::{Traffic, host_of};

/// Host and port; `None` for local files, which have no host to spare.
type Host = Option<Arc<str>>;

/// All places of a fetch, and the lines for them.
pub(super) struct Places {
    limit: usize,
    per_host: usize,
    /// Knows which hosts are busy.
    traffic: Traffic,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Files that have a place.
    served: BTreeSet<u64>,
    /// How many files are in line, at all hosts.
    waiting: usize,
    /// How many files wait for memory.
    stuck: usize,
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

impl State {
    /// The oldest file in line at one of these hosts.
    fn oldest(&self, open: impl Fn(&Host, &Line) -> bool) -> Option<(u64, Host)> {
        let open = self.hosts.iter().filter(|(host, line)| open(host, line));
        let oldest = open.filter_map(|(host, line)| line.waiting.keys().next().map(|&index| (index, host)));
        oldest.min_by_key(|&(index, _)| index).map(|(index, host)| (index, host.clone()))
    }

    fn give_place(&mut self, index: u64, host: &Host) {
        let Some(line) = self.hosts.get_mut(host) else { return };
        line.served += 1;
        if let Some(call) = line.waiting.remove(&index) {
            // A file that has been given up meanwhile gives its place back when it is dropped.
            let _ = call.send(());
        }
        self.waiting -= 1;
        self.served.insert(index);
    }
}

impl Places {
    pub(super) fn new(limit: usize, per_host: usize, traffic: Traffic) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), per_host: per_host.max(1), traffic, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets in line. Files are to do so in their order, except those that move on to another mirror.
    pub(super) fn line_up(self: &Arc<Self>, index: u64, location: &Location) -> Place {
        let host = host(location);
        let turn = self.enter(index, host.clone());
        Place { places: Arc::clone(self), index, host, turn }
    }

    fn enter(&self, index: u64, host: Host) -> Receiver<()> {
        let (call, turn) = channel();
        let mut state = self.state();
        state.hosts.entry(host).or_default().waiting.insert(index, call);
        state.waiting += 1;
        self.serve(&mut state);
        turn
    }

    /// A file waits for memory, until what is returned is dropped.
    pub(super) fn stuck(self: &Arc<Self>) -> Stuck {
        let mut state = self.state();
        state.stuck += 1;
        self.serve(&mut state);
        drop(state);
        Stuck(Arc::clone(self))
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
        if state.closed {
            return;
        }
        let allowed = |host: &Host| match host {
            Some(host) => self.traffic.files_at_once(host, self.per_host),
            None => usize::MAX,
        };
        while state.served.len() < self.limit
            && let Some((index, host)) =
                state.oldest(|host, line| !line.waiting.is_empty() && line.served < allowed(host))
        {
            state.give_place(index, &host);
        }
        if state.stuck > 0
            && let Some((index, host)) = state.oldest(|_, _| true)
            && state.served.first().is_none_or(|&served| index < served)
        {
            state.give_place(index, &host);
        }
    }
}

/// A file that waits for memory.
pub(super) struct Stuck(Arc<Places>);

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.state().stuck -= 1;
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

    /// Gives the place back and gets in line at another host; where it is the same host nothing changes.
    pub(super) async fn move_to(&mut self, location: &Location) -> Result<()> {
        let next = host(location);
        if self.host == next {
            return Ok(());
        }
        self.leave();
        self.host = next;
        self.turn = self.places.enter(self.index, self.host.clone());
        self.come().await
    }

    fn leave(&self) {
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

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn host(location: &Location) -> Host {
    let (Location::Http(url) | Location::Ftp(url)) = location else { return None };
    Some(host_of(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::traffic::Rules;
    use futures_util::FutureExt;

    fn line_up(places: &Arc<Places>, index: u64, host: &str) -> Place {
        places.line_up(index, &Location::Http(format!("http://{host}/").parse().unwrap()))
    }

    fn served(place: &mut Place) -> bool {
        place.places.state().served.contains(&place.index)
    }

    #[test]
    fn places_are_given_in_the_order_of_the_files() {
        let places = Places::new(1, 1, Traffic::default());
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
        let places = Places::new(3, 1, Traffic::default());
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

    #[tokio::test]
    async fn a_busy_host_has_fewer_places_until_it_is_well_again() {
        let traffic = Traffic::new(Rules::default());
        let url = "http://busy/".parse().unwrap();
        let places = Places::new(100, 6, traffic.clone());
        for (status, expected) in [(503, 3), (503, 1), (503, 1), (200, 2)] {
            let asked = traffic.permission(&url).await;
            traffic.answered(asked, status, None, false);
            let mut files: Vec<_> = (0..8).map(|index| line_up(&places, index, "busy")).collect();
            let mut others: Vec<_> = (8..16).map(|index| line_up(&places, index, "other")).collect();
            let count = |files: &mut Vec<Place>| files.iter_mut().map(served).filter(|&served| served).count();
            assert_eq!((count(&mut files), count(&mut others)), (expected, 6), "after {status}");
        }
    }

    #[tokio::test]
    async fn who_moves_on_gets_in_line_before_the_younger_and_in_at_once_where_memory_is_short() {
        let places = Places::new(4, 1, Traffic::default());
        let mut files: Vec<_> =
            ["a", "a", "b", "b"].iter().zip(0..).map(|(host, index)| line_up(&places, index, host)).collect();
        assert!(files.iter_mut().map(served).eq([true, false, true, false]));
        let other = Location::Http("http://b/".parse().unwrap());
        let (mut rest, mut first) = (files.split_off(1), files.remove(0));
        let mut moving = Box::pin(first.move_to(&other));
        assert!((&mut moving).now_or_never().is_none());
        // Its place went to the next at its old host, and its new one is still taken.
        assert!(rest.iter_mut().map(served).eq([true, true, false]));
        let stuck = places.stuck();
        moving.await.unwrap();
        assert!(served(&mut first) && places.state().hosts[&host(&other)].served == 2);
        drop((stuck, first));
        assert_eq!(places.state().stuck, 0);
        assert!(!served(&mut rest[2]));
        drop(rest.remove(1));
        assert!(served(&mut rest[1]));
        rest.clear();
        assert!(places.state().hosts.is_empty() && places.state().waiting == 0 && places.state().served.is_empty());
    }
}
