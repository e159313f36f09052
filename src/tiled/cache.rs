//! Decoded tiles that are kept for the next section of the same image, and unpacked columns of tiles for the next rows of the same table, up to a number of
//! bytes; shared by all threads.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scratch::Scratch;
use crate::error::Result;

/// How many bytes of tiles an image or a table keeps unless it is told otherwise.
const USUAL_LIMIT: u64 = 32 << 20;

/// The decoded tiles of an image or a table.
#[derive(Debug)]
pub(crate) struct TileCache {
    /// Shared by what the HDU was and is: a change of it loses the tiles, and not what the user has set.
    limit: Arc<AtomicU64>,
    held: Mutex<Held>,
}

/// What a tile was decoded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TileKey {
    /// Its row in the table.
    pub(super) row: u64,
    /// Which column of a table; 0 for images.
    pub(super) column: usize,
    pub(super) unscaled: bool,
    pub(super) masked: bool,
}

/// A tile whose pixels are values, or the cells of a column of a tile as an uncompressed table has them.
#[derive(Debug)]
pub(super) struct DecodedTile {
    pub(super) values: Scratch,
    pub(super) mask: Vec<u8>,
    pub(super) bytes: u64,
}

/// The tiles, and when each was asked for last.
#[derive(Debug, Default)]
struct Held {
    tiles: HashMap<TileKey, (Arc<DecodedTile>, u64)>,
    by_age: BTreeMap<u64, TileKey>,
    bytes: u64,
    now: u64,
}

impl DecodedTile {
    /// The cells of a column.
    pub(super) fn of_bytes(cells: &[u8]) -> Result<Self> {
        let mut values = Scratch::default();
        values.bytes(cells.len())?.copy_from_slice(cells);
        Ok(Self { values, mask: Vec::new(), bytes: cells.len() as u64 })
    }
}

impl Default for TileCache {
    fn default() -> Self {
        Self { limit: Arc::new(AtomicU64::new(USUAL_LIMIT)), held: Mutex::default() }
    }
}

impl TileCache {
    /// For the same HDU after a change of it: without tiles. Those of before go, too.
    pub(crate) fn renewed(&self) -> Self {
        self.clear();
        Self { limit: Arc::clone(&self.limit), held: Mutex::default() }
    }

    /// The most bytes that are kept.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Keeps at most so many bytes from now on.
    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
        self.held().shrink(bytes);
    }

    /// How many bytes are kept.
    pub(crate) fn used(&self) -> u64 {
        self.held().bytes
    }

    /// Lets all tiles go.
    pub(crate) fn clear(&self) {
        *self.held() = Held::default();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: TileKey) -> Option<Arc<DecodedTile>> {
        let mut held = self.held();
        held.now += 1;
        let now = held.now;
        let (tile, age) = held.tiles.get_mut(&key)?;
        let (tile, before) = (Arc::clone(tile), std::mem::replace(age, now));
        held.by_age.remove(&before);
        held.by_age.insert(now, key);
        Some(tile)
    }

    pub(super) fn put(&self, key: TileKey, tile: Arc<DecodedTile>) {
        let limit = self.limit();
        if tile.bytes > limit {
            return;
        }
        let mut held = self.held();
        held.now += 1;
        let now = held.now;
        held.bytes += tile.bytes;
        if let Some((old, age)) = held.tiles.insert(key, (tile, now)) {
            held.by_age.remove(&age);
            held.bytes -= old.bytes;
        }
        held.by_age.insert(now, key);
        held.shrink(limit);
    }
}

impl Held {
    /// Lets the tiles go that were not asked for the longest, until no more bytes are left than these.
    fn shrink(&mut self, bytes: u64) {
        while self.bytes > bytes
            && let Some((_, key)) = self.by_age.pop_first()
        {
            if let Some((tile, _)) = self.tiles.remove(&key) {
                self.bytes -= tile.bytes;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;

    fn key(row: u64) -> TileKey {
        TileKey { row, column: 0, unscaled: false, masked: false }
    }

    fn tile(bytes: u64) -> Arc<DecodedTile> {
        Arc::new(DecodedTile { values: Scratch::default(), mask: Vec::new(), bytes })
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        let cache = TileCache::default();
        cache.set_limit(100);
        for row in 0..4 {
            cache.put(key(row), tile(25));
        }
        assert!(cache.get(key(0)).is_some());
        cache.put(key(4), tile(30));
        assert_eq!((cache.get(key(1)).is_some(), cache.get(key(2)).is_some()), (false, false));
        assert_eq!((cache.get(key(0)).is_some(), cache.used()), (true, 80));
        // The same tile is counted once; one that is larger than all is not kept.
        cache.put(key(4), tile(30));
        cache.put(key(5), tile(101));
        assert_eq!(cache.used(), 80);
        cache.set_limit(30);
        assert!(cache.used() <= 30 && cache.get(key(4)).is_some());
        let renewed = cache.renewed();
        assert_eq!((cache.used(), renewed.used(), renewed.limit()), (0, 0, 30));
        renewed.set_limit(0);
        cache.put(key(1), tile(1));
        assert_eq!((cache.limit(), cache.used()), (0, 0));
    }
}
