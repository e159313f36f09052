//! What a change means for the bytes of a file: plans, made from the layout and the new contents alone. Pure.

mod append;
mod arrays;
mod columns;
mod copied;
mod extend;
mod header;
mod heap;
mod insert;
mod pixel_runs;
mod pixels;
mod rows;
mod truncate;

pub(crate) use arrays::{heap_columns, write_arrays};
pub(crate) use columns::{
    TileRowChange, append_descriptors, change_tile_rows, delete_column, insert_column, new_column_encoder,
};
pub(crate) use copied::as_extension;
pub(crate) use extend::{Extended, OldHdu, check_one_group, count_rows, extend_image, last_block, set_count};
pub(crate) use header::{HeaderChange, change_of_page, header_change, with_headers};
pub(crate) use heap::{
    Cells, HeapChange, HeapColumn, Kept, LARGEST_P, change_heap, heap_of_rows, rebuild_heap, repack_heap, used_heap,
};
pub(crate) use insert::{Demoted, NewHdu, append_hdus, delete_hdu, insert_hdus};
pub(crate) use pixel_runs::value_strides;
pub(crate) use pixels::{Meaning, PixelPlace, Pixels, write_pixels};
pub(crate) use rows::{append_rows, given_rows, write_rows};
pub(crate) use truncate::{Staying, check_fewer, shortened, truncate_image, truncate_rows};
