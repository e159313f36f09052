//! Images: which bytes a section needs and how they become values (FITS 4.0 §3.3.2, §7.1). Pure: starts no thread.

mod buffers;
mod read;
mod section;
mod write;

pub(crate) use buffers::{ImageBuffers, Unfilled};
pub(crate) use read::{ImagePlan, ImageRequest, ImageShape, image_scaling};
pub(crate) use section::{Axis, Selection, position, slice_axis};
pub use section::{AxisSection, Section};
pub(crate) use write::{NewImage, NewPixels, element_position, empty_primary, set_name};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
