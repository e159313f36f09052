//! What keeps a small file from asking for a large result.

use super::grid::TouchedTile;
use super::packing::Packing;
use super::table::{TileEntry, TileStorage};
use crate::codec::gzip;
use crate::error::{Error, Result};
use crate::format::DataType;

/// How large the tiles of an image can be at most: no compression makes more than so many bytes of one.
#[derive(Debug)]
pub(super) struct SizeLimit {
    packing: Packing,
    /// The size of the numbers that are packed.
    number_size: u64,
    /// The size of a pixel of the image.
    stored_size: u64,
}

impl SizeLimit {
    /// For an image of this type; `quantized`: whose floats were made integers.
    pub(super) fn new(packing: Packing, stored: DataType, quantized: bool) -> Self {
        let stored_size = stored.size() as u64;
        let number_size = if quantized { size_of::<i32>() as u64 } else { stored_size };
        Self { packing, number_size, stored_size }
    }

    /// How many bytes the tile decodes to; an error where its own bytes can't be enough.
    pub(super) fn check(&self, tile: &TileEntry, touched: &TouchedTile<'_>) -> Result<u64> {
        let packing = self.packing;
        let (pixel_size, expansion, always) = match tile.storage {
            TileStorage::Packed => {
                (packing.packed_size(self.number_size), packing.most_bytes_of(), packing.always_possible())
            }
            TileStorage::Gzipped => (self.stored_size, gzip::EXPANSION, 0),
            TileStorage::Plain => (self.stored_size, 1, 0),
        };
        let decoded = touched.pixels().saturating_mul(pixel_size);
        let packed = tile.bytes.end - tile.bytes.start;
        if decoded > packed.saturating_mul(expansion).max(always) {
            return Err(Error::corrupt(format!(
                "the tile has {} pixels (ZTILEn), but only {packed} bytes, which can't hold them",
                touched.pixels()
            )));
        }
        Ok(decoded)
    }

    /// Tiles may share bytes, but not so that they make more of the file than its length allows.
    pub(super) fn check_total(&self, decoded: u64, file_len: u64) -> Result<()> {
        if decoded > file_len.saturating_mul(self.packing.most_of_file()) {
            return Err(Error::corrupt(format!(
                "the tiles decode to {decoded} bytes, which a file of {file_len} bytes can't hold"
            )));
        }
        Ok(())
    }
}
