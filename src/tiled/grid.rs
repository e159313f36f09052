//! Which tiles a section touches, and with which of their pixels (FITS 4.0 §10.1).

use crate::error::{Error, Result};
use crate::image::{Axis, Selection};

/// One position of a list of positions along an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    tile: u64,
    /// Its place in the list, and so in the result.
    output: usize,
    /// Its place in the tile.
    position: usize,
}

/// The positions along one axis that lie in one tile, in the order of the result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hits<'a> {
    /// Positions at equal distances, which follow each other in the result from `output` on.
    Range { output: usize, position: usize, step: isize, count: usize },
    /// Other positions.
    List(&'a [Hit]),
}

impl Hits<'_> {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(hits) => hits.len(),
        }
    }

    /// Where in the tile number `index` of the positions is; `index` is below `count`.
    pub(super) fn position(&self, index: usize) -> usize {
        match self {
            Self::Range { position, step, .. } => position.wrapping_add_signed(step.wrapping_mul(index as isize)),
            Self::List(hits) => hits.get(index).map_or(0, |hit| hit.position),
        }
    }

    /// Where in the result number `index` of the positions goes.
    pub(super) fn output(&self, index: usize) -> usize {
        match self {
            Self::Range { output, .. } => output.wrapping_add(index),
            Self::List(hits) => hits.get(index).map_or(0, |hit| hit.output),
        }
    }

    fn highest_position(&self) -> usize {
        match self {
            Self::Range { count, .. } => self.position(0).max(self.position(count.saturating_sub(1))),
            Self::List(hits) => hits.iter().map(|hit| hit.position).max().unwrap_or(0),
        }
    }
}

/// How the section falls on the tiles along one axis.
#[derive(Debug)]
struct AxisTiles {
    length: u64,
    tile_length: u64,
    /// How many rows of the table lie between neighbours along this axis.
    row_stride: u64,
    positions: Positions,
}

/// The positions of the section along one axis, upwards.
#[derive(Debug)]
enum Positions {
    Range {
        low: u64,
        step: u64,
        count: u64,
        reversed: bool,
    },
    /// Sorted by tile, and within a tile by the place in the list; and where each tile begins among them.
    List {
        hits: Vec<Hit>,
        starts: Vec<usize>,
    },
}

impl AxisTiles {
    fn new(axis: &Axis, length: u64, tile_length: u64, row_stride: u64) -> Self {
        let tile_length = tile_length.clamp(1, length.max(1));
        let positions = match axis {
            Axis::Range { step, count, .. } => {
                let low = axis.bounds().map_or(0, |(low, _)| low);
                // The step to a single position is of no account, and can be as large as a number can be.
                let step = if *count > 1 { *step } else { 1 };
                Positions::Range { low, step: step.unsigned_abs().max(1), count: *count, reversed: step < 0 }
            }
            Axis::List(list) => {
                let hit = |(output, position): (usize, &u64)| Hit {
                    tile: position / tile_length,
                    output,
                    position: (position % tile_length) as usize,
                };
                let mut hits: Vec<Hit> = list.iter().enumerate().map(hit).collect();
                hits.sort_by_key(|hit| hit.tile);
                let mut starts: Vec<usize> = Vec::new();
                let mut before = None;
                for (index, hit) in hits.iter().enumerate() {
                    if before.replace(hit.tile) != Some(hit.tile) {
                        starts.push(index);
                    }
                }
                Positions::List { hits, starts }
            }
        };
        Self { length, tile_length, row_stride, positions }
    }

    /// How many tiles are touched along the axis.
    fn touched(&self) -> u64 {
        match &self.positions {
            Positions::Range { count: 0, .. } => 0,
            Positions::Range { low, step, count, .. } if *step < self.tile_length => {
                let high = low + step * (count - 1);
                high / self.tile_length - low / self.tile_length + 1
            }
            Positions::Range { count, .. } => *count,
            Positions::List { starts, .. } => starts.len() as u64,
        }
    }

    /// The number along the axis of touched tile `index`, upwards.
    fn tile(&self, index: u64) -> u64 {
        match &self.positions {
            Positions::Range { low, step, .. } if *step < self.tile_length => low / self.tile_length + index,
            Positions::Range { low, step, .. } => (low + step * index) / self.tile_length,
            Positions::List { .. } => self.listed(index).first().map_or(0, |hit| hit.tile),
        }
    }

    fn listed(&self, index: u64) -> &[Hit] {
        let Positions::List { hits, starts } = &self.positions else { return &[] };
        let bound = |index: usize| starts.get(index).copied().unwrap_or(hits.len());
        hits.get(bound(index as usize)..bound(index as usize + 1)).unwrap_or_default()
    }

    /// Which positions of the section lie in touched tile `index`.
    fn hits(&self, index: u64) -> Hits<'_> {
        let Positions::Range { low, step, count, reversed } = self.positions else {
            return Hits::List(self.listed(index));
        };
        let start = self.tile(index) * self.tile_length;
        // The ranks, counted upwards, of the first position that is not below the tile, and of the first beyond it.
        let rank = |bound: u64| bound.saturating_sub(low).div_ceil(step).min(count);
        let (first, end) = (rank(start), rank(start + self.tile_length));
        let (output, rank, step) = if reversed {
            (count - end, end.saturating_sub(1), -(step as isize))
        } else {
            (first, first, step as isize)
        };
        let position = low + rank * self.positions.step() - start;
        Hits::Range { output: output as usize, position: position as usize, step, count: (end - first) as usize }
    }

    fn count(&self) -> u64 {
        match &self.positions {
            Positions::Range { count, .. } => *count,
            Positions::List { hits, .. } => hits.len() as u64,
        }
    }

    fn is_upwards(&self) -> bool {
        matches!(self.positions, Positions::Range { reversed: false, .. })
    }
}

impl Positions {
    fn step(&self) -> u64 {
        match self {
            Self::Range { step, .. } => *step,
            Self::List { .. } => 1,
        }
    }
}

/// The tiles that a section touches, numbered in the order of their rows in the table.
#[derive(Debug)]
pub(super) struct Grid {
    axes: Vec<AxisTiles>,
    /// By how much neighbours along each axis differ in the result.
    output_strides: Vec<usize>,
    touched: usize,
    /// How many tiles the whole image has.
    pub(super) tiles: u64,
}

impl Grid {
    /// Lays a section over an image of this shape in tiles of this shape, all slowest axis first.
    pub(super) fn new(selection: &Selection, shape: &[u64], tile_shape: &[u64]) -> Result<Self> {
        let too_many = || Error::illegal("the tiles (ZNAXISn by ZTILEn) are more than any file can hold");
        let mut grid = Self { axes: Vec::new(), output_strides: Vec::new(), touched: 1, tiles: 1 };
        let mut output_stride = 1usize;
        for ((axis, &length), &tile_length) in selection.axes.iter().zip(shape).zip(tile_shape).rev() {
            let tiles = AxisTiles::new(axis, length, tile_length, grid.tiles);
            grid.output_strides.push(output_stride);
            output_stride = output_stride.saturating_mul(usize::try_from(tiles.count()).unwrap_or(usize::MAX));
            grid.tiles = grid.tiles.checked_mul(length.div_ceil(tiles.tile_length)).ok_or_else(too_many)?;
            let touched = usize::try_from(tiles.touched()).ok();
            grid.touched = touched.and_then(|touched| grid.touched.checked_mul(touched)).ok_or_else(too_many)?;
            grid.axes.push(tiles);
        }
        grid.axes.reverse();
        grid.output_strides.reverse();
        Ok(grid)
    }

    /// How many tiles are touched.
    pub(super) fn len(&self) -> usize {
        self.touched
    }

    /// The row in the table, counted from 0, of touched tile `index`.
    pub(super) fn row(&self, index: usize) -> u64 {
        let mut row = 0;
        self.walk(index, |axis, index| row += axis.tile(index) * axis.row_stride);
        row
    }

    /// Sets `tile` to what the section takes of touched tile `index`.
    pub(super) fn look<'a>(&'a self, index: usize, tile: &mut TouchedTile<'a>) {
        tile.row = 0;
        tile.lengths.clear();
        tile.hits.clear();
        self.walk(index, |axis, index| {
            let number = axis.tile(index);
            tile.row += number * axis.row_stride;
            tile.lengths.push((axis.length - number * axis.tile_length).min(axis.tile_length));
            tile.hits.push(axis.hits(index));
        });
        tile.lengths.reverse();
        tile.hits.reverse();
    }

    /// Calls `visit` for each axis, the fastest first, with the place of touched tile `index` among those touched along it.
    fn walk<'a>(&'a self, index: usize, mut visit: impl FnMut(&'a AxisTiles, u64)) {
        let mut rest = index as u64;
        for axis in self.axes.iter().rev() {
            let touched = axis.touched().max(1);
            visit(axis, rest % touched);
            rest /= touched;
        }
    }

    /// By how much neighbours along each axis differ in the result.
    pub(super) fn output_strides(&self) -> &[usize] {
        &self.output_strides
    }

    /// Whether what the tiles give, one tile after the other, is the result in its order.
    pub(super) fn is_in_order(&self) -> bool {
        let mut slower = self.axes.iter().rev().skip_while(|axis| axis.touched() == 1);
        slower.next().is_none_or(AxisTiles::is_upwards)
            && slower.all(|axis| axis.is_upwards() && axis.touched() == axis.count())
    }
}

/// One tile, and what a section takes of it.
#[derive(Debug, Default)]
pub(super) struct TouchedTile<'a> {
    /// Its row in the table, counted from 0.
    pub(super) row: u64,
    /// The lengths of the tile, slowest axis first.
    pub(super) lengths: Vec<u64>,
    /// The positions along each axis.
    pub(super) hits: Vec<Hits<'a>>,
}

impl TouchedTile<'_> {
    /// How many pixels the tile has; more than 2^64 count as that.
    pub(super) fn pixels(&self) -> u64 {
        self.lengths.iter().fold(1, |product, &length| product.saturating_mul(length))
    }

    /// How many of its pixels the section takes.
    pub(super) fn count(&self) -> usize {
        self.hits.iter().fold(1, |product, hits| product.saturating_mul(hits.count()))
    }

    /// Whether the section takes all pixels in their order.
    pub(super) fn is_whole(&self) -> bool {
        self.hits.iter().zip(&self.lengths).all(|(hits, &length)| match *hits {
            Hits::Range { count, step, .. } => count as u64 == length && (step == 1 || count == 1),
            Hits::List(_) => false,
        })
    }

    /// How many pixels must be decoded, from the first one on, to have all that the section takes.
    pub(super) fn needed(&self) -> usize {
        let highest = self.hits.iter().zip(&self.lengths).fold(0usize, |offset, (hits, &length)| {
            offset.saturating_mul(length as usize).saturating_add(hits.highest_position())
        });
        highest.saturating_add(1)
    }
}
