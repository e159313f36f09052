//! Tables in compressed tiles of rows (FITS 4.0 §10.3). Pure: starts no thread.
//!
//! Such a table is stored in another one, with one row for each tile and a descriptor of packed bytes for each column. `layout` reads what the header says of
//! it and finds the packed columns of a tile, `packing` unpacks one of them, `unpacked` a tile of them, `arrays` reads those of variable length, and `read`
//! makes a plan of it all, `sum` one for the checksum; `kept` is what the next read finds unpacked. The way back is in `choice`, of how a column is packed,
//! and `write`, for the table; `edit`, `edited`, `columns`, `truncate` and `repack` change one that is there.

mod arrays;
mod choice;
mod columns;
mod edit;
mod edited;
mod kept;
mod layout;
mod packing;
mod read;
mod repack;
mod sum;
mod truncate;
mod unpacked;
mod write;

pub(crate) use columns::{delete_column, insert_column};
pub(crate) use edit::{Threads, append_rows, write_rows};
pub(crate) use layout::TiledTable;
pub(crate) use read::locate;
pub(crate) use repack::repack;
pub(crate) use sum::TiledTableSum;
pub(crate) use truncate::truncate_rows;
pub(crate) use write::{NewTiledTable, PackedRows, TileTable};
