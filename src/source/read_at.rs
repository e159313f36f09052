//! Bytes at offsets: the only way FITS code sees a file.

use std::ops::Range;

use bytes::Bytes;

use crate::error::{Error, Result};

/// A file as FITS code sees it: a length, and bytes at offsets.
pub(crate) trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on; an error if the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;

    /// Says that these ranges are about to be read. A remote source that lacks some of them notes which, and fails.
    fn require(&self, _ranges: &[Range<u64>]) -> Result<()> {
        Ok(())
    }

    /// What to ask for where these bytes of a header are needed and further headers may be: more than that where asking costs more than
    /// the bytes do.
    fn ahead_of(&self, needed: Range<u64>) -> Range<u64> {
        needed
    }

    /// What to ask for where these ranges of an index are needed, which is read here and there: more than them where they are not here and asking
    /// costs more than the bytes do.
    fn around(&self, needed: &[Range<u64>], _index: &Range<u64>) -> Vec<Range<u64>> {
        needed.to_vec()
    }

    /// All bytes at once, where they lie in memory.
    fn bytes(&self) -> Option<&[u8]> {
        None
    }
}

/// A file that lies in memory.
#[derive(Clone, Debug)]
pub(crate) struct MemorySource(pub(crate) Bytes);

impl ReadAt for MemorySource {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        buffer.copy_from_slice(slice(&self.0, offset, buffer.len())?);
        Ok(())
    }

    fn bytes(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

/// The `len` bytes of `bytes` from `offset` on, or an error that states both ends.
pub(crate) fn slice(bytes: &[u8], offset: u64, len: usize) -> Result<&[u8]> {
    usize::try_from(offset)
        .ok()
        .and_then(|start| bytes.get(start..start.checked_add(len)?))
        .ok_or_else(|| past_the_end(offset, len, bytes.len() as u64))
}

/// The error for a read past the end of a file.
pub(crate) fn past_the_end(offset: u64, len: usize, file_len: u64) -> Error {
    let end = offset.saturating_add(len as u64);
    Error::truncated(format!("needs bytes {offset}..{end}, the file ends at {file_len}: it is cut short"))
}
