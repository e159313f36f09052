//! The tiles of HCOMPRESS_1: planes (FITS 4.0 §10.4.4).

use super::write::tile_shape;
use crate::codec::hcompress;
use crate::error::{Error, Result};

/// The lengths of a tile for HCOMPRESS_1, which packs planes: two axes, of which no tile has less than 4 pixels.
pub(super) fn plane_shape(shape: &[usize], asked: Option<&[usize]>) -> Result<Vec<usize>> {
    let tile = match asked {
        Some(_) => tile_shape(shape, asked)?,
        None => rows_of_plane(shape),
    };
    let shortest = hcompress::SHORTEST_SIDE;
    let refused =
        |reason: String| Err(Error::argument(format!("{reason}: give another tile_shape, or use RICE_1 or GZIP_2")));
    if tile.iter().filter(|&&length| length > 1).count() != 2 {
        return refused(format!(
            "HCOMPRESS_1 packs planes, and tiles of {tile:?} have not two axes of more than one pixel"
        ));
    }
    for (&tile, &length) in tile.iter().zip(shape).filter(|(tile, _)| **tile > 1) {
        let last = length % tile;
        if tile < shortest || (1..shortest).contains(&last) {
            let least = if tile < shortest { tile } else { last };
            return refused(format!(
                "HCOMPRESS_1 packs at least {shortest} pixels of an axis, and tiles of {tile} along one of {length} leave {least}"
            ));
        }
    }
    Ok(tile)
}

/// Refuses a longer axis that would leave a tile which other software does not read.
pub(super) fn check_longer(tile: u64, length: u64) -> Result<()> {
    let shortest = hcompress::SHORTEST_SIDE as u64;
    match length.checked_rem(tile) {
        Some(last) if (1..shortest).contains(&last) => Err(Error::argument(format!(
            "with {length} rows the last tile would have {last}, and HCOMPRESS_1 packs at least {shortest}: add more rows at once"
        ))),
        _ => Ok(()),
    }
}

/// Tiles for HCOMPRESS_1 as fpack makes them: a number of rows near 16 that does not leave a too short tile at the end.
fn rows_of_plane(shape: &[usize]) -> Vec<usize> {
    const ALL_ROWS: usize = 30;
    const ROWS: [usize; 9] = [16, 24, 20, 30, 28, 26, 22, 18, 14];
    let mut tile = vec![1; shape.len()];
    let mut axes = tile.iter_mut().zip(shape).rev().filter(|(_, length)| **length > 1);
    if let Some((columns, &length)) = axes.next() {
        *columns = length;
    }
    if let Some((rows, &length)) = axes.next() {
        let fits = |rows: &usize| !(1..hcompress::SHORTEST_SIDE).contains(&(length % rows));
        let some = ROWS.into_iter().find(fits).filter(|_| length > ALL_ROWS);
        *rows = some.unwrap_or(length);
    }
    tile
}
