//! Which values go into which pixels of a tile (FITS 4.0 §10.1).

use super::copy::tile_offset;
use super::grid::{Grid, Hits, TouchedTile};
use crate::edit::{PixelPlace, Pixels, value_strides};
use crate::error::{Error, Result};
use crate::format::Encoding;
use crate::format::structure::element_count;
use crate::image::{Axis, Selection};
use crate::source::resize;

/// Values, and where in an image in tiles they go.
pub(super) struct Patch<'a> {
    values: &'a [u8],
    mask: Option<&'a [u8]>,
    encoding: Encoding,
    pub(super) grid: Grid,
    /// The number of the value for the first pixel.
    first: usize,
    /// How far the values of neighbours along each axis lie apart.
    strides: Vec<usize>,
}

/// Memory that is used again from row to row.
#[derive(Debug, Default)]
pub(super) struct PatchScratch {
    values: Vec<u8>,
    flags: Vec<u8>,
    stored: Vec<u8>,
}

/// The shape of an image and of its tiles, slowest axis first.
#[derive(Clone, Copy)]
pub(super) struct Lengths<'a> {
    pub(super) image: &'a [u64],
    pub(super) tile: &'a [u64],
}

impl<'a> Patch<'a> {
    /// The patches that put values where `place` says. Values are checked by who calls this.
    pub(super) fn of(
        place: &PixelPlace,
        pixels: &Pixels<'a>,
        encoding: Encoding,
        lengths: Lengths<'_>,
    ) -> Result<Vec<Self>> {
        let (shape, selection) = place.selection(lengths.image.to_vec(), pixels.shape)?;
        if !matches!(place, PixelPlace::Flat(_)) {
            let mut given = value_strides(&selection, pixels.shape)?.into_iter();
            let strides = selection.kept.iter().map(|&kept| if kept { given.next().unwrap_or(0) } else { 0 });
            let strides = strides.map(|stride| stride as usize).collect();
            return Ok(vec![Self::new(pixels, encoding, &selection, strides, 0, lengths)?]);
        }
        // One number counts all pixels: what it counts are boxes.
        let Some(Axis::Range { start, count, .. }) = selection.axes.first() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        boxes(*start, start + count, lengths.image, &mut Vec::new(), &mut found);
        debug_assert_eq!(shape.len(), 1);
        let natural = natural_strides(lengths.image);
        let mut first = 0;
        let mut patches = Vec::with_capacity(found.len());
        for selection in found {
            let strides = natural.clone();
            patches.push(Self::new(pixels, encoding, &selection, strides, first, lengths)?);
            first += selection.elements()? as usize;
        }
        Ok(patches)
    }

    /// The patch that puts rows into an image from row `start` on.
    pub(super) fn rows(
        pixels: &Pixels<'a>,
        encoding: Encoding,
        (start, count): (u64, u64),
        lengths: Lengths<'_>,
    ) -> Result<Self> {
        let mut selection = whole(lengths.image);
        if let Some(axis) = selection.axes.first_mut() {
            *axis = Axis::Range { start, step: 1, count };
        }
        Self::new(pixels, encoding, &selection, natural_strides(lengths.image), 0, lengths)
    }

    fn new(
        pixels: &Pixels<'a>,
        encoding: Encoding,
        selection: &Selection,
        strides: Vec<usize>,
        first: usize,
        lengths: Lengths<'_>,
    ) -> Result<Self> {
        let grid = if selection.elements()? == 0 {
            Grid::new(&nothing(lengths.image), lengths.image, lengths.tile)?
        } else {
            Grid::new(selection, lengths.image, lengths.tile)?
        };
        Ok(Self { values: pixels.values, mask: pixels.mask, encoding, grid, first, strides })
    }

    /// Puts the values into a tile of big-endian stored pixels, and a byte of 1 into `changed` for each of these pixels.
    pub(super) fn put(
        &self,
        touched: &TouchedTile<'_>,
        tile: &mut [u8],
        changed: &mut [u8],
        scratch: &mut PatchScratch,
    ) -> Result<()> {
        let Some((inner, outer)) = touched.hits.split_last() else { return Ok(()) };
        let Some((stride, slower)) = self.strides.split_last() else { return Ok(()) };
        let count = inner.count();
        let rows = outer.iter().fold(1usize, |rows, hits| rows.saturating_mul(hits.count()));
        let size = self.encoding.stored().size();
        for row in 0..rows {
            let value = self.first + value_offset(outer, slower, row);
            self.encode_row(inner, (value, *stride), scratch)?;
            let start = tile_offset(touched, outer, row);
            let stored = scratch.stored.get(..count * size).unwrap_or_default();
            if let Hits::Range { position, step: 1, .. } = *inner {
                let first = start + position;
                part(tile, first * size, count * size)?.copy_from_slice(stored);
                part(changed, first, count)?.fill(1);
                continue;
            }
            for (index, pixel) in stored.chunks_exact(size).enumerate() {
                let at = start + inner.position(index);
                part(tile, at * size, size)?.copy_from_slice(pixel);
                part(changed, at, 1)?.fill(1);
            }
        }
        Ok(())
    }

    /// Makes the stored pixels of a row of a tile.
    fn encode_row(&self, hits: &Hits<'_>, (value, stride): (usize, usize), scratch: &mut PatchScratch) -> Result<()> {
        let (given, size, count) = (self.encoding.given().size(), self.encoding.stored().size(), hits.count());
        resize(&mut scratch.stored, count * size)?;
        let stored = scratch.stored.get_mut(..count * size).unwrap_or_default();
        if let (Hits::Range { output, .. }, 1) = (hits, stride) {
            let first = value + output;
            let values = self.values.get(first * given..(first + count) * given).ok_or_else(outside)?;
            self.encoding.encode(values, self.mask.and_then(|mask| mask.get(first..first + count)), stored);
            return Ok(());
        }
        scratch.values.clear();
        scratch.flags.clear();
        for index in 0..count {
            let number = value + hits.output(index) * stride;
            let bytes = self.values.get(number * given..(number + 1) * given).ok_or_else(outside)?;
            scratch.values.extend_from_slice(bytes);
            scratch.flags.extend(self.mask.and_then(|mask| mask.get(number)));
        }
        self.encoding.encode(&scratch.values, self.mask.is_some().then_some(&scratch.flags), stored);
        Ok(())
    }
}

/// Which value belongs to the first pixel of row `number` of a block.
fn value_offset(outer: &[Hits<'_>], strides: &[usize], number: usize) -> usize {
    let mut rest = number;
    let mut offset = 0;
    for (hits, stride) in outer.iter().zip(strides).rev() {
        let count = hits.count().max(1);
        offset += hits.output(rest % count) * stride;
        rest /= count;
    }
    offset
}

/// The pixels from number `start` to before `end` of an image of this shape as boxes, in their order; `fixed` are positions along slower axes.
fn boxes(start: u64, end: u64, shape: &[u64], fixed: &mut Vec<u64>, found: &mut Vec<Selection>) {
    let Some((_, faster)) = shape.split_first() else { return };
    if start >= end {
        return;
    }
    let row = element_count(faster.iter().copied()).unwrap_or(u64::MAX).max(1);
    let (first, last) = (start / row, (end - 1) / row);
    if faster.is_empty() || (start.is_multiple_of(row) && end.is_multiple_of(row)) {
        let mut selection = whole(faster);
        let range = Axis::Range { start: first, step: 1, count: end.div_ceil(row) - first };
        selection.axes.insert(0, range);
        for &position in fixed.iter().rev() {
            selection.axes.insert(0, Axis::Range { start: position, step: 1, count: 1 });
        }
        selection.kept = vec![true; selection.axes.len()];
        found.push(selection);
        return;
    }
    if first == last {
        fixed.push(first);
        boxes(start - first * row, end - first * row, faster, fixed, found);
        fixed.pop();
        return;
    }
    let whole_from = start.next_multiple_of(row);
    let whole_to = end / row * row;
    boxes(start, whole_from.min(end), shape, fixed, found);
    boxes(whole_from, whole_to, shape, fixed, found);
    boxes(whole_to.max(whole_from), end, shape, fixed, found);
}

fn whole(shape: &[u64]) -> Selection {
    Selection {
        axes: shape.iter().map(|&length| Axis::whole(length)).collect(),
        shape: Vec::new(),
        kept: vec![true; shape.len()],
    }
}

fn nothing(shape: &[u64]) -> Selection {
    let none = Axis::Range { start: 0, step: 1, count: 0 };
    Selection { axes: vec![none; shape.len()], ..whole(shape) }
}

fn natural_strides(shape: &[u64]) -> Vec<usize> {
    let mut stride = 1usize;
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let own = stride;
            stride = stride.saturating_mul(length as usize);
            own
        })
        .collect();
    strides.reverse();
    strides
}

fn part(bytes: &mut [u8], at: usize, len: usize) -> Result<&mut [u8]> {
    at.checked_add(len).and_then(|end| bytes.get_mut(at..end)).ok_or_else(outside)
}

fn outside() -> Error {
    Error::argument("the values do not fit the section")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn boxes_are_the_pixels_in_their_order(shape in prop::collection::vec(1u64..5, 1..5), cut in any::<[prop::sample::Index; 2]>()) {
            let count: u64 = shape.iter().product();
            let [one, other] = cut.map(|cut| cut.index(count as usize + 1) as u64);
            let (start, end) = (one.min(other), one.max(other));
            let mut found = Vec::new();
            boxes(start, end, &shape, &mut Vec::new(), &mut found);
            prop_assert!(found.len() < 2 * shape.len());
            let strides = natural_strides(&shape);
            let mut pixels = Vec::new();
            for selection in &found {
                let elements: u64 = selection.axes.iter().map(Axis::count).product();
                for number in 0..elements {
                    let mut rest = number;
                    let mut pixel = 0;
                    for (axis, stride) in selection.axes.iter().zip(&strides).rev() {
                        pixel += axis.position(rest % axis.count()) * *stride as u64;
                        rest /= axis.count();
                    }
                    pixels.push(pixel);
                }
            }
            prop_assert_eq!(pixels, (start..end).collect::<Vec<_>>());
        }
    }
}
