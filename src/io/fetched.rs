//! A remote file of which only some ranges are here: what is asked for and missing is noted, then fetched by the engine.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::http::{HttpClient, RangedFile};
use super::partial::{Partial, not_here};
use super::segments::{Segments, coalesce};
use crate::block_cache::BlockCache;
use crate::error::{Error, Result};
use crate::format::BLOCK_BYTES;
use crate::options::Remote;
use crate::source::ReadAt;

/// Ranges this close are fetched in one request: what lies between costs less than another round trip.
const GAP_BYTES: u64 = 64 << 10;
/// How much is asked for at least where a header is: a request costs more than the bytes.
const HEADER_BYTES: u64 = 4 * BLOCK_BYTES;
/// The most that is asked for ahead of headers that follow each other closely.
const MOST_AHEAD: u64 = 1 << 20;
/// How many ranges are asked for at once.
const CONCURRENT: usize = 8;

/// A remote file that is read by ranges, with the ranges that were fetched last.
#[derive(Debug)]
pub(crate) struct RangedSource {
    file: RangedFile,
    cache: BlockCache,
    /// Under which name the cache has the file.
    key: Arc<str>,
    block_bytes: Option<u64>,
    ahead: Mutex<Ahead>,
}

/// What was asked for last because of a header, and how much is asked for at the next one that is near.
#[derive(Debug)]
struct Ahead {
    last: Range<u64>,
    bytes: u64,
}

impl RangedSource {
    /// A file of which the first bytes came with the opening request.
    pub(crate) fn new(file: RangedFile, first: &Bytes, remote: &Remote) -> Self {
        let (cache, key) = match (&remote.cache, file.version_key()) {
            (Some(shared), Some(key)) => (shared.clone(), Arc::from(key)),
            _ => (BlockCache::new(remote.cache_bytes), Arc::from("")),
        };
        cache.insert(&key, 0, first);
        let ahead = Ahead { last: 0..first.len() as u64, bytes: HEADER_BYTES };
        Self { file, cache, key, block_bytes: remote.block_bytes, ahead: Mutex::new(ahead) }
    }

    /// What to ask for where a header is needed. A walk over headers that follow each other closely asks for more each time; one that passes over
    /// large data, for each header alone.
    fn ahead_of(&self, needed: Range<u64>) -> Range<u64> {
        let mut ahead = lock(&self.ahead);
        let last = &ahead.last;
        if needed.start >= last.start && needed.end <= last.end {
            return needed;
        }
        let near = needed.start >= last.start && needed.start <= last.end.saturating_add(GAP_BYTES);
        let bytes = if near { ahead.bytes } else { HEADER_BYTES };
        let end = needed.start.saturating_add(bytes).min(self.file.len()).max(needed.end);
        *ahead = Ahead { last: needed.start..end, bytes: bytes.saturating_mul(2).min(MOST_AHEAD) };
        ahead.last.clone()
    }

    /// The ranges to ask for, so that these are there.
    fn requests(&self, missing: Vec<Range<u64>>) -> Vec<Range<u64>> {
        let len = self.file.len();
        let rounded = missing.into_iter().map(|range| match self.block_bytes {
            Some(block) if block > 0 => range.start / block * block..range.end.next_multiple_of(block).min(len),
            _ => range,
        });
        coalesce(rounded.collect(), GAP_BYTES)
    }
}

/// What one operation has of a remote file. What it holds stays, however small the cache is.
#[derive(Debug)]
pub(crate) struct Fetched {
    source: Arc<RangedSource>,
    held: Mutex<Segments>,
    missing: Mutex<Vec<Range<u64>>>,
}

impl Fetched {
    pub(crate) fn new(source: Arc<RangedSource>) -> Self {
        Self { source, held: Mutex::default(), missing: Mutex::default() }
    }

    /// What the operation has that opens the file: the first bytes, also where the cache has no room for them.
    pub(crate) fn beginning(source: Arc<RangedSource>, first: &Bytes) -> Self {
        let fetched = Self::new(source);
        lock(&fetched.held).insert(0, first);
        fetched
    }
}

impl Partial for Fetched {
    fn take_missing(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut *lock(&self.missing))
    }

    /// What is in the cache is held from now on.
    fn absent(&self, ranges: &[Range<u64>]) -> Vec<Range<u64>> {
        let mut held = lock(&self.held);
        let RangedSource { cache, key, .. } = &*self.source;
        let mut absent = Vec::new();
        for range in ranges {
            for gap in held.gaps(range.clone()) {
                for (start, piece) in cache.get(key, &gap) {
                    held.insert(start, &piece);
                }
                absent.extend(held.gaps(gap));
            }
        }
        absent
    }

    /// Several at once.
    fn fill<'a>(&'a self, missing: Vec<Range<u64>>, client: &'a HttpClient) -> BoxFuture<'a, Result<()>> {
        let RangedSource { file, cache, key, .. } = &*self.source;
        stream::iter(self.source.requests(missing))
            .map(move |range| async move {
                let start = range.start;
                Ok::<_, Error>((start, file.fetch(client, range).await?))
            })
            .buffer_unordered(CONCURRENT)
            .try_for_each(move |(start, bytes)| {
                lock(&self.held).insert(start, &bytes);
                cache.insert(key, start, &bytes);
                std::future::ready(Ok(()))
            })
            .boxed()
    }

    /// The cache keeps what it has room for.
    fn keep_only(&self, ranges: Vec<Range<u64>>) {
        lock(&self.held).keep_only(&coalesce(ranges, 0));
    }

    fn held(&self) -> Vec<Range<u64>> {
        lock(&self.held).ranges()
    }
}

impl ReadAt for Fetched {
    fn len(&self) -> u64 {
        self.source.file.len()
    }

    fn ahead_of(&self, needed: Range<u64>) -> Range<u64> {
        self.source.ahead_of(needed)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        if lock(&self.held).copy_to(offset, buffer) {
            return Ok(());
        }
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.len() {
            return Err(crate::source::past_the_end(offset, buffer.len(), self.len()));
        }
        self.require(std::slice::from_ref(&(offset..end)))?;
        if lock(&self.held).copy_to(offset, buffer) { Ok(()) } else { Err(not_here()) }
    }

    fn require(&self, ranges: &[Range<u64>]) -> Result<()> {
        let len = self.len();
        let within: Vec<_> = ranges.iter().map(|range| range.start..range.end.min(len)).collect();
        let absent = self.absent(&within);
        if absent.is_empty() {
            return Ok(());
        }
        lock(&self.missing).extend(absent);
        Err(not_here())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
