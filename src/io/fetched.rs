//! A remote file of which only some ranges are here: what is asked for and missing is noted, then fetched by the engine.
//!
//! Operations at the same time share what they fetch: who needs what another one has asked for waits for that.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::http::{HttpClient, RangedFile};
use super::partial::{Partial, not_here};
use super::segments::{Segments, coalesce};
use crate::block_cache::BlockCache;
use crate::error::Result;
use crate::format::BLOCK_BYTES;
use crate::options::Remote;
use crate::source::ReadAt;

/// Ranges this close are fetched in one request: what lies between costs less than another round trip.
const GAP_BYTES: u64 = 64 << 10;
/// How much is asked for at least where a header is: a request costs more than the bytes.
const HEADER_BYTES: u64 = 4 * BLOCK_BYTES;
/// The most that is asked for ahead of headers that follow each other closely.
const MOST_AHEAD: u64 = 1 << 20;
/// An index that is read here and there is fetched in blocks of this size: the next read of the file needs another part of it.
const INDEX_BYTES: u64 = 128 << 10;
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
    under_way: Mutex<Vec<(Range<u64>, WeakShared<Coming>)>>,
}

/// Bytes on their way. They come as long as somebody waits for them.
type Coming = BoxFuture<'static, Result<Bytes>>;

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
        let (block_bytes, under_way) = (remote.block_bytes, Mutex::default());
        Self { file, cache, key, block_bytes, ahead: Mutex::new(ahead), under_way }
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

    /// Fetches a range, for the cache and for whoever waits.
    fn fetch(self: &Arc<Self>, range: Range<u64>, client: &'static HttpClient) -> Shared<Coming> {
        let source = Arc::clone(self);
        let coming = async move {
            let bytes = source.file.fetch(client, range.clone()).await?;
            source.cache.insert(&source.key, range.start, &bytes);
            Ok(bytes)
        };
        coming.boxed().shared()
    }
}

/// The blocks of an index that hold these ranges of it.
fn blocks(needed: &[Range<u64>], index: &Range<u64>) -> Vec<Range<u64>> {
    let at = |blocks: u64| index.start.saturating_add(blocks.saturating_mul(INDEX_BYTES));
    let block = |range: &Range<u64>| {
        let first = range.start.saturating_sub(index.start) / INDEX_BYTES;
        let end = range.end.saturating_sub(index.start).div_ceil(INDEX_BYTES);
        at(first)..at(end).min(index.end).max(range.end)
    };
    coalesce(needed.iter().map(block).collect(), 0)
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

    /// What brings these ranges here, each with where it starts: what others fetch already, and fetches of the rest.
    fn coming(&self, missing: &[Range<u64>], client: &'static HttpClient) -> Vec<(u64, Shared<Coming>)> {
        let mut under_way = lock(&self.source.under_way);
        // Looked at before the cache: what is no longer on its way by now is there.
        let shared: Vec<_> =
            under_way.iter().filter_map(|(range, coming)| Some((range.clone(), coming.upgrade()?))).collect();
        under_way.retain(|(_, coming)| coming.upgrade().is_some());
        let find = |wanted: Range<u64>| {
            let found = shared.iter().find(|(range, _)| range.start <= wanted.start && wanted.end <= range.end);
            if let Some((range, coming)) = found {
                return (range.start, coming.clone());
            }
            let coming = self.source.fetch(wanted.clone(), client);
            let start = wanted.start;
            under_way.extend(coming.downgrade().map(|coming| (wanted, coming)));
            (start, coming)
        };
        self.source.requests(self.absent(missing)).into_iter().map(find).collect()
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
    fn fill(&self, missing: Vec<Range<u64>>, client: &'static HttpClient) -> BoxFuture<'_, Result<()>> {
        stream::iter(self.coming(&missing, client))
            .map(|(start, coming)| async move { Ok((start, coming.await?)) })
            .buffer_unordered(CONCURRENT)
            .try_for_each(|(start, bytes)| {
                lock(&self.held).insert(start, &bytes);
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

    fn around(&self, needed: &[Range<u64>], index: &Range<u64>) -> Vec<Range<u64>> {
        // What is not kept is of no use to the next read.
        let absent = if self.source.cache.max_bytes() < INDEX_BYTES { Vec::new() } else { self.absent(needed) };
        needed.iter().cloned().chain(blocks(&absent, index)).collect()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
#[allow(clippy::single_range_in_vec_init, reason = "one range that is needed")]
mod tests {
    use super::*;
    use crate::io::traffic::FREE;
    use futures_util::poll;
    use rustfits_loopback::HttpServer;

    #[tokio::test]
    async fn what_another_operation_fetches_is_waited_for_and_outlives_it() {
        let server = HttpServer::start();
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        server.put("/a", bytes.clone());
        let client: &HttpClient = Box::leak(Box::new(HttpClient::new()));
        let url = server.url("/a").parse().unwrap();
        let remote = Remote::ranged();
        let (file, first) = RangedFile::open(client, &url, &remote, &FREE, 10).await.unwrap();
        let source = Arc::new(RangedSource::new(file, &first, &remote));
        server.clear_log();
        let views = [(); 3].map(|()| Fetched::new(Arc::clone(&source)));
        let range = 100_000..150_000;
        let mut first = views[0].fill(vec![range.clone()], client);
        assert!(poll!(&mut first).is_pending());
        // Part of what is under way; and what is not in it.
        let second = views[1].fill(vec![120_000..130_000], client);
        let third = views[2].fill(vec![140_000..160_000], client);
        drop(first);
        futures_util::future::try_join(second, third).await.unwrap();
        let mut part = vec![0; 10_000];
        views[1].read_at(120_000, &mut part).unwrap();
        assert_eq!(part, bytes[120_000..130_000]);
        let mut asked: Vec<_> = server.requests().into_iter().filter_map(|request| request.range).collect();
        asked.sort();
        assert_eq!(asked, ["bytes=100000-149999", "bytes=140000-159999"]);
        // It is in the cache by now.
        assert!(Fetched::new(source).absent(&[range]).is_empty());
    }

    #[test]
    fn blocks_are_those_of_the_index_and_end_with_it() {
        let index = 1000..1000 + 3 * INDEX_BYTES + 5;
        let second = 1000 + INDEX_BYTES;
        assert_eq!(blocks(&[1000..1001, 2000..2001], &index), [1000..second; 1]);
        assert_eq!(blocks(&[second - 1..second + 1], &index), [1000..second + INDEX_BYTES; 1]);
        assert_eq!(
            blocks(&[second..second + 1, index.end - 1..index.end], &index),
            [second..second + INDEX_BYTES, 1000 + 3 * INDEX_BYTES..index.end]
        );
        assert!(blocks(&[], &index).is_empty());
        // Lengths are the server's word.
        assert_eq!(blocks(&[u64::MAX - 9..u64::MAX], &(5..u64::MAX)).len(), 1);
    }
}
