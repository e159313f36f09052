//! The second half of a read: parts, each of which says what bytes it needs and where its values go.

use std::ops::Range;

use crate::error::Result;
use crate::source::ReadAt;

/// The most bytes that one part decodes to, unless it is a single tile or row that is larger.
pub(crate) const PART_BYTES: usize = 8 << 20;

/// One step of a read: some byte ranges of the file that become some bytes of the result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// The byte ranges of the file that are read.
    pub(crate) ranges: Vec<Range<u64>>,
    /// For each buffer of the result, the bytes that the part fills; for a scattered plan, the size of a buffer of the part's own.
    pub(crate) output: Vec<Range<usize>>,
}

/// What `locate` returns: the size of the result and the parts that fill it. Parts can run in any order and in parallel.
pub(crate) trait ReadPlan: Send + Sync {
    /// The sizes in bytes of the buffers that make up the result.
    fn buffers(&self) -> Vec<usize>;

    /// How many parts there are.
    fn len(&self) -> usize;

    /// What part `index` needs and fills. The outputs of successive parts follow each other in every buffer,
    /// unless the plan is scattered.
    fn part(&self, index: usize) -> Part;

    /// Whether a part's values don't lie together in the result: it decodes into buffers of its own, and `place` copies them.
    fn scattered(&self) -> bool {
        false
    }

    /// Decodes part `index` into its pieces of the buffers.
    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()>;

    /// Copies the decoded pieces of part `index` to where they belong; called for scattered plans only.
    fn place(&self, _index: usize, _pieces: &[Vec<u8>], _buffers: &mut [&mut [u8]]) -> Result<()> {
        Ok(())
    }
}

impl ReadPlan for () {
    fn buffers(&self) -> Vec<usize> {
        Vec::new()
    }

    fn len(&self) -> usize {
        0
    }

    fn part(&self, _index: usize) -> Part {
        Part::default()
    }

    fn decode(&self, _index: usize, _source: &dyn ReadAt, _outputs: &mut [&mut [u8]]) -> Result<()> {
        Ok(())
    }
}
