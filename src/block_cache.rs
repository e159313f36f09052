//! A cache of the bytes of remote files that are read by ranges, which several open files may share.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Fetched bytes of remote files that are read by ranges, of all files together at most so many: what was used longest ago goes first.
///
/// Files share one that are opened with the same cache in [`Remote::cache`](crate::Remote::cache). The bytes belong to a version of a URL, as the server
/// tells it: by its ETag (a strong one) or its date, and its length. Opening the same version again asks for its first bytes only, which shows that
/// it still is the same, and what is in the cache is not fetched anew; a file that has changed on the server begins with nothing. A file of which
/// the server tells neither keeps its bytes for itself, as all do without a shared cache.
///
/// Cloning gives another handle to the same cache; any number of threads may use it at once.
///
/// # Examples
///
/// ```no_run
/// use ndarray::s;
/// use rustfits::{BlockCache, OpenOptions, Remote, blocking::FitsReader};
///
/// let remote = Remote { cache: Some(BlockCache::new(256 << 20)), ..Remote::ranged() };
/// let options = OpenOptions { remote: Some(remote), ..OpenOptions::default() };
/// for row in [100, 105, 100] {
///     let fits = FitsReader::open_with("https://archive.example/mosaic.fits", options.clone())?;
///     println!("{}", fits.image("SCI").section(s![row..row + 20, 50..70]).read::<f32>()?.sum());
/// }
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone)]
pub struct BlockCache(Arc<Shared>);

struct Shared {
    max_bytes: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// The pieces of each file by where they start; they never overlap.
    files: HashMap<Arc<str>, BTreeMap<u64, Piece>>,
    /// The pieces by when they were last used: the file, and where the piece starts.
    order: BTreeMap<u64, (Arc<str>, u64)>,
    bytes: u64,
    /// How often a piece was used so far.
    uses: u64,
}

struct Piece {
    bytes: Bytes,
    used: u64,
}

impl BlockCache {
    /// An empty cache that holds at most so many bytes; 0: none.
    pub fn new(max_bytes: u64) -> Self {
        Self(Arc::new(Shared { max_bytes, held: Mutex::default() }))
    }

    /// The most bytes that it holds.
    pub fn max_bytes(&self) -> u64 {
        self.0.max_bytes
    }

    /// How many bytes it holds now.
    pub fn bytes(&self) -> u64 {
        self.held().bytes
    }

    /// Lets go of all of them.
    pub fn clear(&self) {
        let held = std::mem::take(&mut *self.held());
        // Freed without the lock.
        drop(held);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pieces that hold some of a range of a file, in order, each with where it starts. They count as used.
    pub(crate) fn get(&self, file: &Arc<str>, range: &Range<u64>) -> Vec<(u64, Bytes)> {
        self.held().get(file, range)
    }

    /// Takes in bytes of a file: of them, what is not there yet. A piece larger than the cache is not taken in.
    pub(crate) fn insert(&self, file: &Arc<str>, start: u64, bytes: &Bytes) {
        if bytes.len() as u64 > self.0.max_bytes {
            return;
        }
        let mut held = self.held();
        held.insert(file, start, bytes);
        held.shrink(self.0.max_bytes);
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (max_bytes, bytes) = (self.max_bytes(), self.bytes());
        f.debug_struct("BlockCache").field("max_bytes", &max_bytes).field("bytes", &bytes).finish()
    }
}

impl PartialEq for BlockCache {
    /// Whether both are handles to one cache.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Held {
    fn get(&mut self, file: &Arc<str>, range: &Range<u64>) -> Vec<(u64, Bytes)> {
        let Self { files, order, uses, .. } = self;
        let Some(pieces) = files.get_mut(file) else { return Vec::new() };
        let first = pieces.range(..=range.start).next_back().map_or(range.start, |(&start, _)| start);
        let mut found = Vec::new();
        for (&start, piece) in pieces.range_mut(first..range.end.max(first)) {
            if start + piece.bytes.len() as u64 > range.start {
                order.remove(&piece.used);
                *uses += 1;
                piece.used = *uses;
                order.insert(piece.used, (Arc::clone(file), start));
                found.push((start, piece.bytes.clone()));
            }
        }
        found
    }

    fn insert(&mut self, file: &Arc<str>, start: u64, bytes: &Bytes) {
        let range = start..start.saturating_add(bytes.len() as u64);
        let (mut at, mut gaps) = (start, Vec::new());
        for (start, piece) in self.get(file, &range) {
            gaps.push(at..start);
            at = start + piece.len() as u64;
        }
        gaps.push(at..range.end);
        for gap in gaps.into_iter().filter(|gap| gap.start < gap.end) {
            let mut piece = bytes.slice((gap.start - start) as usize..(gap.end - start) as usize);
            if piece.len() < bytes.len() {
                // A part would keep all of it in memory.
                piece = Bytes::copy_from_slice(&piece);
            }
            self.bytes += piece.len() as u64;
            self.uses += 1;
            self.order.insert(self.uses, (Arc::clone(file), gap.start));
            self.files.entry(Arc::clone(file)).or_default().insert(gap.start, Piece { bytes: piece, used: self.uses });
        }
    }

    /// Lets go of what was used longest ago until at most `limit` bytes are left.
    fn shrink(&mut self, limit: u64) {
        while self.bytes > limit {
            let Some((_, (file, start))) = self.order.pop_first() else { break };
            let Some(pieces) = self.files.get_mut(&file) else { continue };
            self.bytes -= pieces.remove(&start).map_or(0, |piece| piece.bytes.len() as u64);
            if pieces.is_empty() {
                self.files.remove(&file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(file: usize) -> Arc<str> {
        Arc::from(format!("file {file}"))
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_was_put_in_and_no_more_than_allowed(
            steps in prop::collection::vec((0usize..3, 0u64..200, 0usize..50, any::<bool>()), 1..40),
            max_bytes in 0u64..300,
        ) {
            let cache = BlockCache::new(max_bytes);
            let byte = |file: usize, at: u64| (at as u8).wrapping_mul(3).wrapping_add(file as u8);
            for (file, start, len, put) in steps {
                let range = start..start + len as u64;
                if put {
                    let bytes: Vec<u8> = range.clone().map(|at| byte(file, at)).collect();
                    cache.insert(&name(file), start, &bytes.into());
                }
                let mut end = 0;
                for (at, piece) in cache.get(&name(file), &range) {
                    prop_assert!(at >= end && at < range.end && at + piece.len() as u64 > range.start);
                    end = at + piece.len() as u64;
                    prop_assert!(piece.iter().zip(at..).all(|(&found, at)| found == byte(file, at)));
                }
                let held = cache.held();
                let pieces = held.files.values().flat_map(BTreeMap::values);
                prop_assert_eq!(pieces.map(|piece| piece.bytes.len() as u64).sum::<u64>(), held.bytes);
                prop_assert_eq!(held.files.values().map(BTreeMap::len).sum::<usize>(), held.order.len());
                prop_assert!(held.bytes <= max_bytes && held.files.values().all(|pieces| !pieces.is_empty()));
            }
        }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (cache, bytes) = (BlockCache::new(30), Bytes::from_static(&[7; 10]));
        (0..3).for_each(|file| cache.insert(&name(file), 100, &bytes));
        assert_eq!(cache.get(&name(0), &(105..106)).len(), 1);
        cache.insert(&name(3), 0, &bytes);
        let there = |file| !cache.get(&name(file), &(0..200)).is_empty();
        assert!(there(0) && !there(1) && there(2) && there(3));
        cache.insert(&name(4), 0, &Bytes::from_static(&[7; 31]));
        assert!(!there(4) && there(0) && cache.bytes() == 30);
        cache.clear();
        assert!(cache.bytes() == 0 && !there(0));
    }

    #[test]
    fn a_part_of_what_was_fetched_does_not_keep_the_rest() {
        let cache = BlockCache::new(1000);
        cache.insert(&name(0), 0, &Bytes::from_static(&[1; 90]));
        let fetched = Bytes::from(vec![1; 100]);
        cache.insert(&name(0), 0, &fetched);
        let pieces = cache.get(&name(0), &(0..100));
        assert_eq!(pieces.iter().map(|(start, piece)| (*start, piece.len())).collect::<Vec<_>>(), [(0, 90), (90, 10)]);
        assert!(fetched.is_unique());
    }
}
