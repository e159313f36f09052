//! Plain data and traits between FITS code and the world: bytes at offsets, parts of a read, steps of an edit. No I/O here.

mod edit_plan;
mod read_at;
mod read_plan;
mod scratch;

pub(crate) use edit_plan::{Content, EditPlan, Piece, Producer, Scatter, Step, Storage};
pub(crate) use read_at::{MemorySource, ReadAt, past_the_end, slice};
pub(crate) use read_plan::{BufferSize, GAP_BYTES, ReadPlan, does_not_fit, take};
pub(crate) use scratch::{reserve, resize};
