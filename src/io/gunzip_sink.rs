//! Gunzips a download while it arrives, on threads that may compute, within the memory that is admitted.
//!
//! The compressed bytes are collected to batches, as handing each chunk to another thread would cost more than it brings. While one batch is
//! decoded, the next one arrives. A batch is decoded until the room for output is full; more room is admitted before it is made.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use tokio::task::{JoinHandle, spawn_blocking};

use super::budget::Budget;
use super::gunzip::GunzipStream;
use crate::error::{Error, ErrorKind, Result};
use crate::memory;

/// How many compressed bytes are handed over together; a file with fewer is decoded where it arrives.
const BATCH_BYTES: usize = 256 << 10;
/// The least room that is made at first, and at most on the server's word.
const FIRST_BYTES: u64 = 64 << 10;
/// How much room is made at a time, at least; also the most that is filled on a thread that moves bytes.
const ROOM_BYTES: u64 = 1 << 20;
/// The most room that is made at once because the file so far and the server's word suggest it; twice as much each time after that.
const RESERVE_BYTES: u64 = 64 << 20;
/// What commonly comes out, as a multiple of the compressed size: a guess for the first room.
const USUAL_RATIO: u64 = 4;

/// Takes a gzip stream and keeps what comes out.
pub(super) struct GunzipSink<'a> {
    budget: &'a dyn Budget,
    max_bytes: u64,
    /// How long the stream is by the sender's word.
    expected: Option<u64>,
    /// What the budget has admitted; never asked for twice, also when the file begins again.
    admitted: u64,
    batch: VecDeque<Bytes>,
    batch_bytes: usize,
    state: State,
}

/// Where the decoder is.
enum State {
    /// Not begun; most files are no gzip, and never need a decoder.
    Fresh,
    Here(Box<Work>),
    /// On another thread.
    Away(JoinHandle<Result<Box<Work>>>),
    /// Lost to an error, or on its way.
    Gone,
}

/// A decoder, what it is to decode, and what came out.
struct Work {
    stream: GunzipStream,
    input: VecDeque<Bytes>,
    bytes: Vec<u8>,
}

impl Work {
    fn new(max_bytes: u64) -> Box<Self> {
        Box::new(Self { stream: GunzipStream::new(max_bytes), input: VecDeque::new(), bytes: Vec::new() })
    }

    /// Decodes until no input is left, or no room.
    fn run(mut self: Box<Self>) -> Result<Box<Self>> {
        while let Some(chunk) = self.input.front_mut() {
            match self.stream.push_within(chunk, &mut self.bytes)? {
                None => self.input.pop_front(),
                Some(used) => {
                    chunk.advance(used);
                    break;
                }
            };
        }
        Ok(self)
    }

    fn room(&self) -> u64 {
        (self.bytes.capacity() - self.bytes.len()) as u64
    }
}

impl<'a> GunzipSink<'a> {
    pub(super) fn new(budget: &'a dyn Budget, max_bytes: Option<u64>) -> Self {
        let max_bytes = max_bytes.unwrap_or(u64::MAX);
        let batch = VecDeque::new();
        Self { budget, max_bytes, expected: None, admitted: 0, batch, batch_bytes: 0, state: State::Fresh }
    }

    /// The stream begins, or begins again.
    pub(super) fn restart(&mut self, length: Option<u64>) {
        self.expected = length;
        self.batch.clear();
        self.batch_bytes = 0;
        self.state = State::Fresh;
    }

    /// Takes the next bytes, and waits where decoding is behind.
    pub(super) async fn chunk(&mut self, bytes: Bytes) -> Result<()> {
        self.batch_bytes += bytes.len();
        self.batch.push_back(bytes);
        if self.batch_bytes < BATCH_BYTES {
            return Ok(());
        }
        let mut work = self.settled().await?;
        work.input = self.take_batch();
        let work = self.with_room(work).await?;
        self.state = State::Away(spawn_blocking(|| work.run()));
        Ok(())
    }

    /// All that came out, and what the user should know about the stream.
    pub(super) async fn finish(mut self) -> Result<(Vec<u8>, Option<String>)> {
        let mut work = self.settled().await?;
        work.input = self.take_batch();
        if !work.input.is_empty() {
            work = self.with_room(work).await?;
        }
        self.state = if work.room() <= ROOM_BYTES {
            // Little to do: another thread would cost more.
            State::Here(work.run()?)
        } else {
            State::Away(spawn_blocking(|| work.run()))
        };
        let Work { mut stream, mut bytes, .. } = *self.settled().await?;
        let warning = stream.finish()?;
        if bytes.capacity() - bytes.len() > bytes.len() / 8 {
            bytes.shrink_to_fit();
        }
        self.budget.give_back(self.admitted.saturating_sub(bytes.capacity() as u64));
        Ok((bytes, warning))
    }

    fn take_batch(&mut self) -> VecDeque<Bytes> {
        self.batch_bytes = 0;
        std::mem::take(&mut self.batch)
    }

    /// The decoder, once it has decoded all that it was given.
    async fn settled(&mut self) -> Result<Box<Work>> {
        loop {
            let work = match std::mem::replace(&mut self.state, State::Gone) {
                State::Fresh => return Ok(Work::new(self.max_bytes)),
                State::Here(work) => work,
                State::Away(task) => task.await.unwrap_or_else(|_| Err(died()))?,
                State::Gone => return Err(died()),
            };
            if work.input.is_empty() {
                return Ok(work);
            }
            let work = self.with_room(work).await?;
            self.state = State::Away(spawn_blocking(|| work.run()));
        }
    }

    /// Makes room where there is none, once it is admitted.
    async fn with_room(&mut self, mut work: Box<Work>) -> Result<Box<Work>> {
        if work.room() > 0 {
            return Ok(work);
        }
        let capacity = self.next_capacity(work.bytes.capacity() as u64, work.stream.consumed());
        if capacity > self.admitted {
            self.budget.admit(capacity - self.admitted).await?;
            self.admitted = capacity;
        }
        let len = work.bytes.len();
        let refused = || {
            Error::too_large(format!("there is no memory for more than {len} bytes of gunzipped data: set max_bytes"))
        };
        let more = usize::try_from(capacity).map_err(|_| refused())?.saturating_sub(len);
        // The system promises more than it has, and ends the process that takes it at its word.
        if more as u64 > RESERVE_BYTES && more as u64 > memory::available() {
            return Err(refused());
        }
        work.bytes.try_reserve_exact(more).map_err(|_| refused())?;
        Ok(work)
    }

    /// What all of the file should take, if the rest is like what was decoded so far; a little more each time where that is not known.
    /// Few large steps keep the allocator from being left with holes of every size.
    fn next_capacity(&self, capacity: u64, consumed: u64) -> u64 {
        let wanted = match self.expected {
            expected if capacity == 0 => {
                expected.unwrap_or_default().saturating_mul(USUAL_RATIO).clamp(FIRST_BYTES, ROOM_BYTES)
            }
            Some(expected) if consumed > 0 => {
                let all = u128::from(capacity) * u128::from(expected) / u128::from(consumed);
                let all = u64::try_from(all + all / 16).unwrap_or(u64::MAX);
                all.min(RESERVE_BYTES.max(capacity.saturating_mul(2))).max(a_little_more(capacity))
            }
            _ => a_little_more(capacity),
        };
        // One byte more than is allowed, to find out that there is more.
        wanted.min(self.max_bytes.saturating_add(1)).max(capacity.saturating_add(1))
    }
}

fn a_little_more(capacity: u64) -> u64 {
    capacity.saturating_add((capacity / 4).max(ROOM_BYTES))
}

fn died() -> Error {
    Error::new(ErrorKind::Io, "gunzip ended without a result: this is a defect of rustfits")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
