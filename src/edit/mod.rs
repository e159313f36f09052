//! What a change means for the bytes of a file: plans, made from the layout and the new contents alone. Pure.

mod append;
mod copied;
mod extend;
mod header;
mod insert;
mod pixel_runs;
mod pixels;

pub(crate) use copied::as_extension;
pub(crate) use extend::{Extended, OldImage, extend_image};
pub(crate) use header::{HeaderChange, header_change, with_headers};
pub(crate) use insert::{Demoted, NewHdu, append_hdus, delete_hdu, insert_hdus};
pub(crate) use pixels::{Meaning, PixelPlace, Pixels, write_pixels};
