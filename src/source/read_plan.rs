//! The second half of a read: parts, each of which says what bytes it needs and how large its values are.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::format::DataType;
use crate::source::ReadAt;

/// Pieces of the file that are not further apart than this are read in one go: reading a page costs less than a call.
pub(crate) const GAP_BYTES: u64 = 4 << 10;

/// One of the arrays that a read fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferSize {
    pub(crate) data_type: DataType,
    pub(crate) elements: usize,
}

/// What `locate` returns: the size of the result and the parts that fill it. Parts can run in any order and in parallel.
pub(crate) trait ReadPlan: Send + Sync + 'static {
    /// The arrays that make up the result.
    fn buffers(&self) -> Vec<BufferSize>;

    /// How many parts there are. None decodes to more than 8 MiB, unless a single tile or row does.
    fn len(&self) -> usize;

    /// The byte ranges of the file that part `index` reads.
    fn ranges(&self, index: usize) -> Vec<Range<u64>>;

    /// For each buffer, how many bytes part `index` makes. The outputs of successive parts follow each other in every buffer,
    /// unless the plan is scattered.
    fn output_sizes(&self, index: usize) -> Vec<usize>;

    /// Whether a part's values don't lie together in the result: it decodes into buffers of its own, and `place` copies them.
    fn scattered(&self) -> bool {
        false
    }

    /// Decodes part `index` into its pieces of the buffers, all of them: what they held before is not said.
    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()>;

    /// Copies the decoded pieces of part `index` to where they belong; called for scattered plans only.
    fn place(&self, _index: usize, _pieces: &[&mut [u8]], _buffers: &mut [&mut [u8]]) -> Result<()> {
        Ok(())
    }
}

/// Cuts the first `len` bytes off a buffer that is filled front to back.
pub(crate) fn take<'a>(buffer: &mut &'a mut [u8], len: usize) -> Result<&'a mut [u8]> {
    buffer.split_off_mut(..len).ok_or_else(does_not_fit)
}

/// The error for a buffer that is smaller than what goes into it.
pub(crate) fn does_not_fit() -> Error {
    Error::argument("the result does not fit the buffer")
}
