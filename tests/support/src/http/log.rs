//! What a server was asked, and what it answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::head::Head;
use crate::counters::{Counted, Counter};

/// One request, as far as it has come.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// `GET` or `HEAD`, as a rule.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The Range header.
    pub range: Option<String>,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The number of the connection it came on, from 1.
    pub connection: u64,
    /// The status it was answered with; 0 while there was none.
    pub status: u16,
    /// The body bytes sent so far, without the framing of chunks.
    pub body_sent: u64,
    /// When it came, in seconds since the server's start.
    pub started: f64,
    /// When its answer ended, in seconds since the server's start; none while it lasts.
    pub finished: Option<f64>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("")
    }
}

/// All requests since the log was last cleared.
#[derive(Debug)]
pub(super) struct Log {
    start: Instant,
    state: Mutex<State>,
    in_flight: Arc<Counter>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Arc<Entry>>,
    numbers: HashMap<String, u64>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), state: Mutex::default(), in_flight: Arc::default() }
    }

    /// Notes a request that has come. The number counts from 0 those of the same method and target.
    pub(super) fn note(&self, head: &Head, connection: u64) -> (Noted, u64) {
        let entry = Arc::new(Entry {
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.clone(),
            connection,
            start: self.start,
            started: self.start.elapsed(),
            status: AtomicU16::new(0),
            body_sent: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        });
        let mut state = self.state();
        state.entries.push(entry.clone());
        let count = state.numbers.entry(format!("{} {}", head.method, head.target)).or_default();
        let number = *count;
        *count += 1;
        let counted = self.in_flight.begin();
        (Noted { entry, serial: counted.number, counted: Some(counted) }, number)
    }

    /// The requests in the order in which they came.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.state().entries.iter().map(|entry| entry.request()).collect()
    }

    /// The most requests that were being answered at one time.
    pub(super) fn most_in_flight(&self) -> u64 {
        self.in_flight.most()
    }

    /// Forgets all requests, and their numbers.
    pub(super) fn clear(&self) {
        *self.state() = State::default();
        self.in_flight.forget_most();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in the log; what changes while it is answered is atomic.
#[derive(Debug)]
struct Entry {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    connection: u64,
    start: Instant,
    started: Duration,
    status: AtomicU16,
    body_sent: AtomicU64,
    /// Microseconds since the start; 0 while the answer lasts.
    finished: AtomicU64,
}

impl Entry {
    fn request(&self) -> Request {
        let finished = self.finished.load(Ordering::SeqCst);
        Request {
            method: self.method.clone(),
            target: self.target.clone(),
            range: self.headers.iter().find(|(name, _)| name == "range").map(|(_, value)| value.clone()),
            headers: self.headers.clone(),
            connection: self.connection,
            status: self.status.load(Ordering::SeqCst),
            body_sent: self.body_sent.load(Ordering::SeqCst),
            started: self.started.as_secs_f64(),
            finished: (finished > 0).then(|| Duration::from_micros(finished).as_secs_f64()),
        }
    }
}

/// A noted request while it is answered; dropping it ends it.
#[derive(Debug)]
pub(super) struct Noted {
    entry: Arc<Entry>,
    /// No other request of the server has the same.
    pub(super) serial: u64,
    counted: Option<Counted>,
}

impl Noted {
    pub(super) fn status(&self, status: u16) {
        self.entry.status.store(status, Ordering::SeqCst);
    }

    /// Counts body bytes. To be called before they are sent: the client may look as soon as it has them.
    pub(super) fn sending(&self, bytes: usize) {
        self.entry.body_sent.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    /// Takes back bytes that could not be sent.
    pub(super) fn not_sent(&self, bytes: usize) {
        self.entry.body_sent.fetch_sub(bytes as u64, Ordering::SeqCst);
    }

    /// Ends the request. To be called before its last bytes are sent, for the same reason.
    pub(super) fn finish(&mut self) {
        if self.counted.take().is_some() {
            let now = self.entry.start.elapsed().as_micros().max(1);
            self.entry.finished.store(now as u64, Ordering::SeqCst);
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.finish();
    }
}
