//! What a change means for the bytes of a file: plans, made from the layout and the new contents alone. Pure.

mod copied;
mod header;

pub(crate) use copied::as_extension;
pub(crate) use header::{HeaderChange, header_change, with_headers};
