//! Reads the bytes of tiles, several at once where they follow each other in the file.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::source::{ReadAt, resize, slice};

/// How much is read at a time, unless one tile is larger.
const READ_BYTES: u64 = 1 << 20;

/// The bytes of successive tiles.
pub(super) struct TileReader<'a> {
    source: &'a dyn ReadAt,
    /// What `scratch` holds of the file.
    held: Range<u64>,
    scratch: Vec<u8>,
}

impl<'a> TileReader<'a> {
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        Self { source, held: 0..0, scratch: Vec::new() }
    }

    /// The bytes of the first of `tiles`, each of which is at its `place`; those of the next ones are read with it, as far as they follow.
    pub(super) fn bytes<T>(&mut self, tiles: &[T], place: impl Fn(&T) -> &Range<u64>) -> Result<&[u8]> {
        let Some(first) = tiles.first() else { return Ok(&[]) };
        let wanted = place(first);
        let len = usize::try_from(wanted.end - wanted.start).map_err(|_| Error::too_large("the tile is too large"))?;
        if let Some(bytes) = self.source.bytes() {
            return slice(bytes, wanted.start, len);
        }
        if wanted.start < self.held.start || wanted.end > self.held.end {
            let mut end = wanted.end;
            for next in tiles.iter().skip(1).map(place) {
                if next.start != end || next.end - wanted.start > READ_BYTES {
                    break;
                }
                end = next.end;
            }
            self.held = 0..0;
            resize(&mut self.scratch, (end - wanted.start) as usize)?;
            self.source.read_at(wanted.start, &mut self.scratch)?;
            self.held = wanted.start..end;
        }
        slice(&self.scratch, wanted.start - self.held.start, len)
    }
}
