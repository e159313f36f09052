//! The description of a change to a file, which `engine::edit` carries out. Pure data.

use std::ops::Range;

use super::read_at::ReadAt;
use crate::error::Result;

/// Fills a piece of what is written, given its range within the whole.
pub(crate) type Producer<'a> = dyn Fn(Range<u64>, &mut [u8]) -> Result<()> + Send + Sync + 'a;

/// Bytes that are written.
pub(crate) enum Content<'a> {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `len` bytes that are made piece by piece, so that a large array is never held twice.
    Made { len: u64, producer: Box<Producer<'a>> },
    /// As `Made`, of what the file itself holds: to be made before that is overwritten.
    Derived { len: u64, producer: Box<Producer<'a>> },
}

impl Content<'_> {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Made { len, .. } | Self::Derived { len, .. } => *len,
        }
    }
}

/// Makes pieces that lie apart, and calls `write` with where each goes and its bytes: none of them is held longer than that.
pub(crate) type Scatter<'a> = dyn Fn(&mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> + Send + Sync + 'a;

/// A change to a file, planned without touching it.
pub(crate) enum EditPlan<'a> {
    /// What is there stays where it is: these steps, in order.
    InPlace(Vec<Step<'a>>),
    /// Something moves: the new file, piece by piece.
    Assemble(Vec<Piece<'a>>),
}

/// One step of a change in place.
pub(crate) enum Step<'a> {
    /// Writes the content from offset `at` on.
    Write { at: u64, content: Content<'a> },
    /// Writes many pieces that lie apart, each of them short.
    Scatter(Box<Scatter<'a>>),
    /// Makes the file exactly this long; what is added is zeros.
    SetLen(u64),
}

/// A piece of a new file.
pub(crate) enum Piece<'a> {
    /// These bytes of the old file.
    Old(Range<u64>),
    /// Other bytes.
    New(Content<'a>),
}

impl Piece<'_> {
    /// How long the piece is.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Old(range) => range.end - range.start,
            Self::New(content) => content.len(),
        }
    }
}

/// A file that can be changed.
pub(crate) trait Storage: ReadAt {
    /// Writes all of `bytes` at `offset`, growing the file where needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the file exactly this long.
    fn set_len(&self, len: u64) -> Result<()>;
}
