//! The asyncio face: the same operations as the blocking classes, each an awaitable.

mod chunks;
mod fits;
mod functions;
mod hdu;
mod selector;
mod streaming;

pub(crate) use chunks::ChunkStream;
pub(crate) use fits::{AioFits, HduStream, open};
pub(crate) use functions::{read, read_header, write};
pub(crate) use hdu::{AioAsciiTableHdu, AioCompressedImageHdu, AioCompressedTableHdu, AioImageHdu, AioTableHdu};
pub(crate) use selector::{Data, Read, Selector, Shape};
pub(crate) use streaming::{AioStream, AioStreamHdu, BandStream, RowChunkStream, stream};
