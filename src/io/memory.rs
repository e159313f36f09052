//! A file that lies in memory and can be changed: `mem://`, and the working copy of a `.gz`.

use std::sync::{PoisonError, RwLock};

use crate::error::{Error, Result};
use crate::source::{ReadAt, Storage, slice};

/// A growable file in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryFile(RwLock<Vec<u8>>);

impl From<Vec<u8>> for MemoryFile {
    fn from(bytes: Vec<u8>) -> Self {
        Self(RwLock::new(bytes))
    }
}

impl MemoryFile {
    /// Lends all bytes; writes wait meanwhile.
    pub(crate) fn with_bytes<T>(&self, visit: impl FnOnce(&[u8]) -> T) -> T {
        visit(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadAt for MemoryFile {
    fn len(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        buffer.copy_from_slice(slice(&bytes, offset, buffer.len())?);
        Ok(())
    }
}

impl Storage for MemoryFile {
    fn write_at(&self, offset: u64, new: &[u8]) -> Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(offset).map_err(|_| too_large(offset))?;
        let end = start.checked_add(new.len()).ok_or_else(|| too_large(offset))?;
        resize(&mut bytes, end.max(start))?;
        if let Some(place) = bytes.get_mut(start..end) {
            place.copy_from_slice(new);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let len = usize::try_from(len).map_err(|_| too_large(len))?;
        bytes.truncate(len);
        resize(&mut bytes, len)
    }
}

fn resize(bytes: &mut Vec<u8>, len: usize) -> Result<()> {
    if len > bytes.len() {
        bytes.try_reserve(len - bytes.len()).map_err(|_| too_large(len as u64))?;
        bytes.resize(len, 0);
    }
    Ok(())
}

fn too_large(len: u64) -> Error {
    Error::too_large(format!("the file would take {len} bytes of memory, which this machine can't give: write to disk"))
}
