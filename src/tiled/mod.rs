//! Images in compressed tiles: which bytes a section needs and how they become values (FITS 4.0 §10.1). Pure: starts no thread.
//!
//! Such an image is a binary table with one row for each tile. `image_header` reads what the header says of the image, `packing`
//! how its tiles are compressed and what is peculiar to each compression, `columns` and `table` find the bytes of a tile, `limit`
//! doubts them, `grid` knows which tiles a section touches and with which pixels, `tile_reader` fetches, `unpack` and `decode`
//! turn one tile into values, `copy` moves those to their place, and `read` makes a plan of it all. The way
//! back is in `encode`, for one tile, and `write`, for the image; `plane_shape` is the shape of the tiles of HCOMPRESS_1; `patch`, `change`
//! and `edit` give some pixels of an image that is there other values.

mod cache;
mod change;
mod columns;
mod copy;
mod decode;
mod edit;
mod encode;
mod equivalent;
mod grid;
mod image_header;
mod limit;
mod packing;
mod patch;
mod plane_shape;
mod read;
mod rows;
mod scratch;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
mod tile_reader;
mod unpack;
mod write;

pub(crate) use cache::TileCache;
pub(crate) use edit::{EditedRows, EditedTiles, TiledEdit, tile_columns};
pub(crate) use equivalent::{as_shown, edit_as_shown, image_header};
pub(crate) use image_header::TiledImage;
pub(crate) use packing::compression;
pub(crate) use read::TiledPlan;
pub(crate) use rows::{
    NewTiledTable, PackedRows, Threads, TileTable, TiledTable, TiledTableSum, append_rows as append_tiled_rows,
    delete_column as delete_tiled_column, insert_column as insert_tiled_column, locate as locate_tiled_table,
    repack as repack_tiled_table, truncate_rows as truncate_tiled_rows, write_rows as write_tiled_rows,
};
pub(crate) use write::{NewTiledImage, PackedTiles, TileRows};
