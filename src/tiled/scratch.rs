//! Memory that is used again from tile to tile.

use bytemuck::Pod;

use crate::error::{Error, Result};
use crate::source::resize;

/// Bytes that lie where any number type may lie.
#[derive(Debug, Default)]
pub(super) struct Scratch(Vec<u64>);

impl Scratch {
    /// All bytes, at least as many as were asked for.
    pub(super) fn held(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }

    /// The first `len` bytes; what they hold is left over from before.
    pub(super) fn bytes(&mut self, len: usize) -> Result<&mut [u8]> {
        let words = len.div_ceil(size_of::<u64>());
        if self.0.len() < words {
            resize(&mut self.0, words)?;
        }
        Ok(bytemuck::cast_slice_mut(&mut self.0).get_mut(..len).unwrap_or_default())
    }
}

/// Bytes as numbers; they must lie as the type demands.
pub(super) fn typed<T: Pod>(bytes: &mut [u8]) -> Result<&mut [T]> {
    bytemuck::try_cast_slice_mut(bytes)
        .map_err(|_| Error::argument(format!("the memory is not aligned for {}", std::any::type_name::<T>())))
}

/// Whether bytes lie as numbers of `size` bytes demand.
pub(super) fn is_aligned(bytes: &[u8], size: usize) -> bool {
    bytes.as_ptr().addr().is_multiple_of(size)
}
