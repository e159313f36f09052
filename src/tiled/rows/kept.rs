//! Unpacked columns of tiles that are kept for the next read of other rows of the same tiles.

use std::sync::Arc;

use super::super::cache::{DecodedTile, TileCache, TileKey};
use super::layout::TiledTable;
use super::read::Touched;
use crate::error::Result;

/// Where the columns that a read unpacks are kept, if they are.
#[derive(Clone, Debug)]
pub(super) struct KeptColumns(Option<Arc<TileCache>>);

impl KeptColumns {
    /// For a read of these columns. What is read whole is hardly read again; and what does not fit would only drive out what is there.
    pub(super) fn of_read(cache: &Arc<TileCache>, table: &TiledTable, touched: &Touched, numbers: &[usize]) -> Self {
        let columns = || numbers.iter().filter_map(|&number| table.columns.get(number));
        let bytes_of = |rows: u64| {
            columns().fold(0u64, |sum, column| sum.saturating_add(column.unpacked_len(rows).unwrap_or(u64::MAX)))
        };
        let partial = touched.parts.iter().map(|(tile, results)| (table.rows_of(*tile), results.len() as u64));
        let partial =
            partial.map(|(rows, results)| (rows.end - rows.start, results)).filter(|(rows, wanted)| wanted < rows);
        let bytes = partial.fold(0u64, |sum, (rows, _)| sum.saturating_add(bytes_of(rows)));
        Self((bytes > 0 && bytes <= cache.limit()).then(|| Arc::clone(cache)))
    }

    /// A column of a tile, if it is kept.
    pub(super) fn get(&self, tile: u64, column: usize) -> Option<Arc<DecodedTile>> {
        self.0.as_ref()?.get(key(tile, column))
    }

    /// Keeps a column of a tile.
    pub(super) fn put(&self, tile: u64, column: usize, cells: &[u8]) -> Result<()> {
        match &self.0 {
            Some(cache) => {
                cache.put(key(tile, column), Arc::new(DecodedTile::of_bytes(cells)?));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn key(tile: u64, column: usize) -> TileKey {
    TileKey { row: tile, column, unscaled: true, masked: false }
}
