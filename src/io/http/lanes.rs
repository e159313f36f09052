//! Over which connection a request goes, where one connection can carry many.
//!
//! HTTP/2 sends all that is asked of a host over one connection, and that is as fast as one TCP connection on a long line is: one window, one
//! share of a line, one loss that holds up all. So https requests go in lanes, each a client with connections of its own: a small one in the
//! lane that has least to bring, so that few connections are made for it; one for which each lane in use has much to bring already in a further lane.
//! Where the server speaks HTTP/1.1, a lane has as many connections as it has requests, and is free where one of them is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most lanes to one host: as many connections as a browser makes to it.
const LANES: usize = 6;
/// How much a lane may have to bring before a further one is opened for more: a new connection takes some round trips.
const BUSY_BYTES: u64 = 1 << 20;
/// What a body of unknown length counts for.
const WHOLE_FILE: u64 = 1 << 40;

/// What each lane to a host has to bring.
type Loads = [u64; LANES];

/// The lanes to all hosts.
pub(super) struct Lanes<T> {
    clients: [T; LANES],
    loads: Arc<Mutex<HashMap<String, Loads>>>,
}

/// What one request adds to the load of its lane, until it is dropped: with the end of its body.
pub(super) struct Load {
    loads: Arc<Mutex<HashMap<String, Loads>>>,
    host: String,
    lane: usize,
    bytes: u64,
}

impl<T> Lanes<T> {
    /// Lanes with these clients.
    pub(super) fn new(client: impl Fn() -> T) -> Self {
        Self { clients: std::array::from_fn(|_| client()), loads: Arc::default() }
    }

    /// The client for what can't share a connection.
    pub(super) fn first(&self) -> &T {
        let [first, ..] = &self.clients;
        first
    }

    /// The client for a request of so many bytes (`None`: nobody knows), and what is to be kept until they are there.
    pub(super) fn choose(&self, host: &str, bytes: Option<u64>) -> (&T, Load) {
        let bytes = bytes.unwrap_or(WHOLE_FILE).clamp(1, WHOLE_FILE);
        let mut all = lock(&self.loads);
        let loads = all.entry(host.to_owned()).or_default();
        let in_use = loads.iter().rposition(|&load| load > 0).map_or(1, |last| last + 1);
        let least = loads.iter().take(in_use).enumerate().min_by_key(|(_, load)| **load);
        let lane = match least {
            Some((_, &load)) if load > BUSY_BYTES && in_use < LANES => in_use,
            least => least.map_or(0, |(lane, _)| lane),
        };
        if let Some(load) = loads.get_mut(lane) {
            *load = load.saturating_add(bytes);
        }
        drop(all);
        let load = Load { loads: Arc::clone(&self.loads), host: host.to_owned(), lane, bytes };
        (self.clients.get(lane).unwrap_or_else(|| self.first()), load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let mut all = lock(&self.loads);
        let Some(loads) = all.get_mut(&self.host) else { return };
        if let Some(load) = loads.get_mut(self.lane) {
            *load = load.saturating_sub(self.bytes);
        }
        if loads.iter().all(|&load| load == 0) {
            all.remove(&self.host);
        }
    }
}

fn lock(loads: &Mutex<HashMap<String, Loads>>) -> MutexGuard<'_, HashMap<String, Loads>> {
    loads.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lanes that these requests get, one after the other, all of them under way.
    fn chosen(lanes: &Lanes<usize>, requests: &[Option<u64>]) -> (Vec<usize>, Vec<Load>) {
        requests.iter().map(|&bytes| lanes.choose("host", bytes)).map(|(&lane, load)| (lane, load)).unzip()
    }

    fn lanes() -> Lanes<usize> {
        let number = std::cell::Cell::new(0);
        Lanes::new(|| number.replace(number.get() + 1))
    }

    #[test]
    fn small_requests_share_a_connection_and_large_ones_get_their_own() {
        let lanes = lanes();
        let (small, under_way) = chosen(&lanes, &[Some(1000); 20]);
        assert_eq!(small, [0; 20]);
        drop(under_way);
        let (whole, mut under_way) = chosen(&lanes, &[None; 8]);
        assert_eq!(whole, [0, 1, 2, 3, 4, 5, 0, 1]);
        // A lane that is free serves before a busy one.
        drop(under_way.remove(3));
        assert_eq!(chosen(&lanes, &[Some(10), Some(10)]).0, [3, 3]);
        assert_eq!(lanes.choose("other", None).0, &0);
        drop(under_way);
        let (parts, _under_way) = chosen(&lanes, &[Some(BUSY_BYTES); 6]);
        assert_eq!(parts, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn nothing_is_left_of_what_has_ended() {
        let lanes = lanes();
        let (_, under_way) = chosen(&lanes, &[None, Some(0), Some(u64::MAX)]);
        assert_eq!(lock(&lanes.loads).len(), 1);
        drop(under_way);
        assert!(lock(&lanes.loads).is_empty());
    }
}
