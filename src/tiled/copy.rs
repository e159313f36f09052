//! Moves pixels from a tile to where the section wants them.

use super::grid::{Hits, TouchedTile};
use crate::error::{Error, Result};

/// Copies what the section takes of a tile, row by row, to `block`, where those pixels lie together. Pixels have `size` bytes;
/// `tile` can end behind the last that is taken.
pub(super) fn gather(touched: &TouchedTile<'_>, size: usize, tile: &[u8], block: &mut [u8]) -> Result<()> {
    let Some((inner, outer)) = touched.hits.split_last() else { return Ok(()) };
    let row_len = inner.count().saturating_mul(size);
    if row_len == 0 {
        return Ok(());
    }
    for (number, to) in block.chunks_exact_mut(row_len).enumerate() {
        let start = tile_offset(touched, outer, number);
        match *inner {
            Hits::Range { position, step: 1, .. } => {
                to.copy_from_slice(part(tile, start.saturating_add(position).saturating_mul(size), row_len)?);
            }
            _ => {
                for (index, to) in to.chunks_exact_mut(size).enumerate() {
                    let at = start.saturating_add(inner.position(index)).saturating_mul(size);
                    to.copy_from_slice(part(tile, at, size)?);
                }
            }
        }
    }
    Ok(())
}

/// Copies a block that [`gather`] made to its place in the result, whose neighbours along each axis lie `strides` apart.
pub(super) fn place(
    touched: &TouchedTile<'_>,
    strides: &[usize],
    size: usize,
    block: &[u8],
    result: &mut [u8],
) -> Result<()> {
    let Some((inner, outer)) = touched.hits.split_last() else { return Ok(()) };
    let row_len = inner.count().saturating_mul(size);
    if row_len == 0 {
        return Ok(());
    }
    for (number, from) in block.chunks_exact(row_len).enumerate() {
        let start = result_offset(outer, strides, number);
        match *inner {
            Hits::Range { output, .. } => {
                part_mut(result, start.saturating_add(output).saturating_mul(size), row_len)?.copy_from_slice(from);
            }
            Hits::List(_) => {
                for (index, from) in from.chunks_exact(size).enumerate() {
                    let at = start.saturating_add(inner.output(index)).saturating_mul(size);
                    part_mut(result, at, size)?.copy_from_slice(from);
                }
            }
        }
    }
    Ok(())
}

/// In which pixel of the tile row `number` of its block starts.
pub(super) fn tile_offset(touched: &TouchedTile<'_>, outer: &[Hits<'_>], number: usize) -> usize {
    let mut rest = number;
    let mut offset = 0usize;
    let mut stride = 1usize;
    let mut lengths = touched.lengths.iter().rev();
    for hits in outer.iter().rev() {
        stride = stride.saturating_mul(lengths.next().map_or(1, |&length| length as usize));
        let count = hits.count().max(1);
        offset = offset.saturating_add(hits.position(rest % count).saturating_mul(stride));
        rest /= count;
    }
    offset
}

/// In which pixel of the result row `number` of a block starts.
fn result_offset(outer: &[Hits<'_>], strides: &[usize], number: usize) -> usize {
    let mut rest = number;
    let mut offset = 0usize;
    for (hits, stride) in outer.iter().zip(strides).rev() {
        let count = hits.count().max(1);
        offset = offset.saturating_add(hits.output(rest % count).saturating_mul(*stride));
        rest /= count;
    }
    offset
}

fn part(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    at.checked_add(len).and_then(|end| bytes.get(at..end)).ok_or_else(outside)
}

fn part_mut(bytes: &mut [u8], at: usize, len: usize) -> Result<&mut [u8]> {
    at.checked_add(len).and_then(|end| bytes.get_mut(at..end)).ok_or_else(outside)
}

fn outside() -> Error {
    Error::argument("the section does not fit the buffer")
}
