//! A file that arrives from its first byte to its last while it is read: what of it is here, and how far the transfer may run ahead.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::arrival_sink::ArrivalSink;
use super::http::HttpClient;
use super::partial::{Partial, not_here};
use super::segments::Segments;
use crate::error::{Error, ErrorKind, Result};
use crate::memory;
use crate::source::{ReadAt, past_the_end};

/// The pieces in which a file is kept.
const PIECE_BYTES: usize = 1 << 20;
/// How far a transfer runs ahead of what was read, where what was read is let go of.
const AHEAD_BYTES: u64 = 8 << 20;
/// How often it is looked whether there is memory for more.
const LOOK_BYTES: u64 = 64 << 20;

/// What is kept of a file that arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// All of it: at most so many bytes; `None`: what memory allows.
    All(Option<u64>),
    /// What was not let go of yet: at most so many bytes.
    Window(u64),
}

/// What the transfer and the readers share.
pub(super) struct Shared {
    state: Mutex<State>,
    progress: watch::Sender<Progress>,
    /// The byte up to which the transfer may run.
    allowed: watch::Sender<u64>,
    keep: Keep,
}

/// How far the file has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    arrived: u64,
    ended: bool,
}

#[derive(Default)]
struct State {
    pieces: Segments,
    /// The piece that is being filled, and where it starts.
    last: Vec<u8>,
    last_start: u64,
    arrived: u64,
    /// How long the file is by the sender's word.
    announced: Option<u64>,
    /// How the transfer ended.
    end: Option<Result<()>>,
    /// What lies before is not needed any more,
    released: u64,
    /// but for this.
    pinned: Range<u64>,
    content_type: Option<String>,
}

impl State {
    fn len(&self) -> u64 {
        match &self.end {
            Some(Ok(())) => self.arrived,
            _ => self.announced.unwrap_or(u64::MAX),
        }
    }

    /// Whether all of the file came, by the sender's word where the transfer has not ended yet.
    fn is_complete(&self) -> bool {
        matches!(self.end, Some(Ok(()))) || self.announced == Some(self.arrived)
    }

    /// Whether nobody will read what comes up to byte `end`, nor what came last.
    fn is_passed_by(&self, end: u64) -> bool {
        end <= self.released && self.pinned.end <= self.last_start
    }

    fn add(&mut self, mut bytes: &[u8]) -> Result<()> {
        if self.is_passed_by(self.arrived.saturating_add(bytes.len() as u64)) {
            self.last.clear();
            self.arrived = self.arrived.saturating_add(bytes.len() as u64);
            self.last_start = self.arrived;
            return Ok(());
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.last.len()));
            let refused = |_| Error::too_large("there is no memory for more of the file: set max_bytes");
            if self.arrived < PIECE_BYTES as u64 {
                self.last.try_reserve(now.len()).map_err(refused)?;
            } else if self.last.is_empty() {
                self.last.try_reserve_exact(PIECE_BYTES).map_err(refused)?;
            }
            self.last.extend_from_slice(now);
            self.arrived = self.arrived.saturating_add(now.len() as u64);
            bytes = later;
            if self.last.len() == PIECE_BYTES {
                let piece = Bytes::from(std::mem::take(&mut self.last));
                self.pieces.insert(self.last_start, &piece);
                self.last_start = self.arrived;
            }
        }
        Ok(())
    }

    /// Lets go of what nobody will read.
    fn drop_released(&mut self) {
        self.pieces.keep_only(&[self.pinned.clone(), self.released..u64::MAX]);
        if self.is_passed_by(self.arrived) {
            self.last = Vec::new();
            self.last_start = self.arrived;
        }
    }

    /// Whether all of a range is here and has not passed by.
    fn has(&self, range: &Range<u64>) -> bool {
        let kept = range.start >= self.released || (self.pinned.start <= range.start && range.end <= self.pinned.end);
        kept && range.end <= self.arrived
    }

    /// What is here of a range, in pieces that are shared.
    fn view(&self, range: &Range<u64>) -> Segments {
        let mut view = Segments::default();
        self.pieces.overlapping(range).for_each(|(&start, piece)| view.insert(start, piece));
        let from = range.start.max(self.last_start);
        let within = |at: u64| usize::try_from(at.saturating_sub(self.last_start)).unwrap_or(usize::MAX);
        if let Some(last) = self.last.get(within(from)..within(range.end.min(self.arrived))) {
            view.insert(from, &Bytes::copy_from_slice(last));
        }
        view
    }
}

impl Shared {
    fn new(keep: Keep) -> Self {
        let allowed = match keep {
            Keep::All(_) => u64::MAX,
            Keep::Window(most) => AHEAD_BYTES.min(most),
        };
        Self {
            state: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
            allowed: watch::Sender::new(allowed),
            keep,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the sender says about the file: how long it is, if that is of these bytes, and of what type.
    pub(super) fn announce(&self, length: Option<u64>) -> Result<()> {
        if let (Keep::All(limit), Some(length)) = (self.keep, length) {
            check_limit(length, limit)?;
            if length > LOOK_BYTES && length > memory::available() {
                return Err(no_memory(length));
            }
        }
        self.state().announced = length;
        Ok(())
    }

    pub(super) fn describe(&self, content_type: Option<&str>) {
        self.state().content_type = content_type.map(str::to_owned);
    }

    /// Takes the next bytes, once the transfer may go on.
    pub(super) async fn add(&self, bytes: Bytes) -> Result<()> {
        let arrived = self.state().arrived;
        if *self.allowed.borrow() <= arrived {
            // The sender of the limit is `self`, so the wait does not fail.
            let _ = self.allowed.subscribe().wait_for(|&allowed| allowed > arrived).await;
        }
        let end = arrived.saturating_add(bytes.len() as u64);
        if let Keep::All(limit) = self.keep {
            check_limit(end, limit)?;
            if end / LOOK_BYTES > arrived / LOOK_BYTES && memory::available() < LOOK_BYTES {
                return Err(no_memory(end));
            }
        }
        self.state().add(&bytes)?;
        self.progress.send_modify(|progress| progress.arrived = end);
        Ok(())
    }

    /// Notes how the transfer ended; what came first counts.
    pub(super) fn end(&self, result: Result<()>) {
        self.state().end.get_or_insert(result);
        self.progress.send_modify(|progress| progress.ended = true);
    }

    fn allow(&self, end: u64) {
        self.allowed.send_if_modified(|allowed| {
            let more = end > *allowed;
            *allowed = end.max(*allowed);
            more
        });
    }
}

fn check_limit(bytes: u64, limit: Option<u64>) -> Result<()> {
    match limit {
        Some(limit) if bytes > limit => {
            Err(Error::too_large(format!("the file has at least {bytes} bytes, more than max_bytes={limit} allows")))
        }
        _ => Ok(()),
    }
}

fn no_memory(bytes: u64) -> Error {
    Error::too_large(format!("the file needs {bytes} bytes of memory, which are not there"))
}

/// A file that arrives. When its last owner is gone, the transfer ends.
pub(crate) struct Arrival {
    shared: Arc<Shared>,
    transfer: AbortHandle,
    /// The process that the transfer runs in.
    process: u32,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("progress", &*self.shared.progress.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        // A forked child leaves its parent's transfer alone.
        if self.is_ours() {
            self.transfer.abort();
        }
    }
}

impl Arrival {
    /// A file that a transfer brings, which `start` begins: it is given where the bytes are to go.
    pub(crate) fn begin(keep: Keep, start: impl FnOnce(ArrivalSink) -> Result<AbortHandle>) -> Result<Arc<Self>> {
        let shared = Arc::new(Shared::new(keep));
        let max_bytes = match keep {
            Keep::All(limit) => limit.unwrap_or_else(memory::available),
            Keep::Window(_) => u64::MAX,
        };
        let transfer = start(ArrivalSink::new(Arc::clone(&shared), max_bytes))?;
        Ok(Arc::new(Self { shared, transfer, process: std::process::id() }))
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn check_process(&self) -> Result<()> {
        if self.is_ours() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io, "the file arrives in the process that opened it: open it again in this one"))
    }

    /// Whether all of the file is here and stays.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.shared.keep, Keep::All(_)) && self.is_ours() && self.shared.state().is_complete()
    }

    /// How many bytes came so far.
    pub(crate) fn arrived(&self) -> u64 {
        self.shared.progress.borrow().arrived
    }

    /// The type that the server gives the file.
    pub(crate) fn content_type(&self) -> Option<String> {
        self.shared.state().content_type.clone()
    }

    /// Lets go of what lies before byte `to`, but for what is pinned, and lets the transfer go on. Where all is kept nothing happens.
    pub(crate) fn release(&self, to: u64) {
        if let Keep::Window(most) = self.shared.keep {
            let mut state = self.shared.state();
            state.released = state.released.max(to);
            let to = state.released;
            state.drop_released();
            drop(state);
            self.shared.allow(to.saturating_add(AHEAD_BYTES.min(most)));
        }
    }

    /// Keeps this range until another one is pinned, whatever is let go of.
    pub(crate) fn pin(&self, range: Range<u64>) {
        self.shared.state().pinned = range;
    }

    /// Waits until the file is here up to byte `end`, or as far as it goes.
    async fn wait_for(&self, start: u64, end: u64) -> Result<()> {
        self.check_process()?;
        let (released, end) = {
            let state = self.shared.state();
            let end = end.min(state.len());
            if start < state.released && !state.has(&(start..end)) {
                return Err(passed_by(start, state.released));
            }
            (state.released, end)
        };
        if let Keep::Window(most) = self.shared.keep
            && end.saturating_sub(released) > most
        {
            return Err(too_much(end - released, most));
        }
        self.shared.allow(end);
        let mut progress = self.shared.progress.subscribe();
        // The sender is `self`, so the wait does not fail.
        let _ = progress.wait_for(|progress| progress.arrived >= end || progress.ended).await;
        let state = self.shared.state();
        match &state.end {
            Some(Err(error)) if state.arrived < end => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

impl ReadAt for Arrival {
    /// The largest number there is as long as nobody knows.
    fn len(&self) -> u64 {
        if self.is_ours() { self.shared.state().len() } else { u64::MAX }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.check_process()?;
        let range = offset..offset.saturating_add(buffer.len() as u64);
        let view = self.shared.state().view(&range);
        // Copied without the lock: many threads read at once.
        if view.copy_to(offset, buffer) {
            return Ok(());
        }
        let state = self.shared.state();
        if offset.saturating_add(buffer.len() as u64) > state.len() {
            return Err(past_the_end(offset, buffer.len(), state.len()));
        }
        if offset < state.released { Err(passed_by(offset, state.released)) } else { Err(not_here()) }
    }
}

/// What one operation sees of a file that arrives.
pub(crate) struct Awaited {
    arrival: Arc<Arrival>,
    missing: Mutex<Vec<Range<u64>>>,
}

impl Awaited {
    pub(crate) fn new(arrival: Arc<Arrival>) -> Self {
        Self { arrival, missing: Mutex::default() }
    }

    fn missing(&self) -> MutexGuard<'_, Vec<Range<u64>>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for Awaited {
    fn len(&self) -> u64 {
        self.arrival.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end <= self.len() {
            self.require(std::slice::from_ref(&(offset..end)))?;
        }
        self.arrival.read_at(offset, buffer)
    }

    fn require(&self, ranges: &[Range<u64>]) -> Result<()> {
        let absent = self.absent(ranges);
        if absent.is_empty() {
            return Ok(());
        }
        self.missing().extend(absent);
        Err(not_here())
    }
}

impl Partial for Awaited {
    fn take_missing(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut *self.missing())
    }

    fn absent(&self, ranges: &[Range<u64>]) -> Vec<Range<u64>> {
        if !self.arrival.is_ours() {
            return ranges.to_vec();
        }
        let state = self.arrival.shared.state();
        let within = ranges.iter().map(|range| range.start..range.end.min(state.len()));
        within.filter(|range| range.start < range.end && !state.has(range)).collect()
    }

    fn fill<'a>(&'a self, missing: Vec<Range<u64>>, _client: &'a HttpClient) -> BoxFuture<'a, Result<()>> {
        let start = missing.iter().map(|range| range.start).min().unwrap_or(0);
        let end = missing.iter().map(|range| range.end).max().unwrap_or(0);
        self.arrival.wait_for(start, end).boxed()
    }
}

fn passed_by(offset: u64, released: u64) -> Error {
    Error::new(
        ErrorKind::Closed,
        format!(
            "byte {offset} has passed by, the stream has come to byte {released}: read what you need of an HDU in order, before the next one"
        ),
    )
}

fn too_much(bytes: u64, most: u64) -> Error {
    Error::too_large(format!(
        "this needs {bytes} bytes of the stream at once, more than max_held={most}: raise it, leave variable-length columns out, \
         or open the file in place of streaming it"
    ))
}
