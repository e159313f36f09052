//! The asyncio face: the same operations as the blocking classes, each an awaitable.

mod fits;
mod hdu;
mod selector;

pub(crate) use fits::{AioFits, HduStream, open};
pub(crate) use hdu::{AioCompressedImageHdu, AioImageHdu, AioTableHdu};
pub(crate) use selector::Selector;
