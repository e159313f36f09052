//! The description of a change to a file: steps that `engine::edit::apply` carries out. Pure data.

use std::ops::Range;

use crate::error::Result;

/// Fills a piece of what is written, given its range within the whole.
pub(crate) type Producer<'a> = dyn Fn(Range<u64>, &mut [u8]) -> Result<()> + Send + Sync + 'a;

/// What a [`Step::Write`] writes.
pub(crate) enum Content<'a> {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `len` bytes that are made piece by piece, so that a large array is never held twice.
    Made { len: u64, producer: Box<Producer<'a>> },
}

/// One step of a change.
pub(crate) enum Step<'a> {
    /// Writes the content from offset `at` on.
    Write { at: u64, content: Content<'a> },
    /// Makes the file exactly this long; what is added is zeros.
    SetLen(u64),
}

/// A change to a file, planned without touching it; steps are applied in order.
pub(crate) type EditPlan<'a> = Vec<Step<'a>>;

/// A file that can be changed.
pub(crate) trait Storage: Send + Sync {
    /// Writes all of `bytes` at `offset`, growing the file where needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the file exactly this long.
    fn set_len(&self, len: u64) -> Result<()>;
}
