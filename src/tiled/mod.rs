//! Images in compressed tiles: which bytes a section needs and how they become values (FITS 4.0 §10.1). Pure: starts no thread.
//!
//! Such an image is a binary table with one row for each tile. `meta` reads what the header says of the image, `columns` and
//! `table` find the bytes of a tile, `limit` doubts them, `grid` knows which tiles a section touches and with which pixels,
//! `reader` fetches, `unpack` and `decode` turn one tile into values, `copy` moves those to their place, and `read` makes a
//! plan of it all.

mod columns;
mod copy;
mod decode;
mod grid;
mod limit;
mod meta;
mod read;
mod reader;
mod scratch;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
mod unpack;

pub(crate) use meta::TiledImage;
pub(crate) use read::TiledPlan;
