//! What takes the edges off the blocks that a scale leaves (White, Postman & Lattanzi 1992, §5): differences of a block move towards those that a smooth surface through
//! the sums of its neighbours would have, by half the scale at most, and not past a sum of a neighbour. Blocks at the edges of the plane stay as they are.

use super::transform::{Coefficient, Level};

/// Smooths the differences of one level. The sums are those of the level, `most` is how much a difference may change.
pub(super) fn smooth<T: Coefficient>(level: &Level, sums: &[T], plane: &mut [T], most: T) {
    let blocks = Blocks { level, sums, most };
    for row in 1..level.sum_rows.saturating_sub(1) {
        for column in 0..level.sum_columns {
            let slope = blocks.slope((row - 1, column), (row, column), (row + 1, column));
            blocks.change(plane, blocks.vertical(row, column), slope, SLOPE_SHIFT);
        }
    }
    for row in 0..level.sum_rows {
        for column in 1..level.sum_columns.saturating_sub(1) {
            let slope = blocks.slope((row, column - 1), (row, column), (row, column + 1));
            blocks.change(plane, blocks.horizontal(row, column), slope, SLOPE_SHIFT);
        }
    }
    for row in 1..level.sum_rows.saturating_sub(1) {
        for column in 1..level.sum_columns.saturating_sub(1) {
            let twist = blocks.twist(plane, row, column);
            blocks.change(plane, blocks.diagonal(row, column), twist, TWIST_SHIFT);
        }
    }
}

/// A slope is 8 times the difference in a block, a twist 64 times.
const SLOPE_SHIFT: usize = 3;
const TWIST_SHIFT: usize = 6;

/// The blocks of a level.
struct Blocks<'a, T> {
    level: &'a Level,
    sums: &'a [T],
    most: T,
}

impl<T: Coefficient> Blocks<'_, T> {
    fn sum(&self, (row, column): (usize, usize)) -> T {
        self.sums.get(row * self.level.sum_columns + column).copied().unwrap_or_default()
    }

    fn vertical(&self, row: usize, column: usize) -> usize {
        (self.level.sum_rows + row) * self.level.stride + column
    }

    fn horizontal(&self, row: usize, column: usize) -> usize {
        row * self.level.stride + self.level.sum_columns + column
    }

    fn diagonal(&self, row: usize, column: usize) -> usize {
        self.vertical(row, self.level.sum_columns + column)
    }

    /// The slope through the sums of three blocks in line; `None` at a summit and where all are level.
    fn slope(&self, before: (usize, usize), here: (usize, usize), after: (usize, usize)) -> Option<T> {
        let zero = T::default();
        let (before, here, after) = (self.sum(before), self.sum(here), self.sum(after));
        let (rise, last_rise) = (after - here, here - before);
        let highest = rise.min(last_rise).max(zero) << 2;
        let lowest = rise.max(last_rise).min(zero) << 2;
        (lowest < highest).then(|| (after - before).min(highest).max(lowest))
    }

    /// The twist of the surface through the sums of the four blocks at the corners.
    fn twist(&self, plane: &[T], row: usize, column: usize) -> Option<T> {
        let zero = T::default();
        let difference = |place: usize| plane.get(place).copied().unwrap_or_default() << 1;
        let (vertical, horizontal) = (difference(self.vertical(row, column)), difference(self.horizontal(row, column)));
        let here = self.sum((row, column));
        let rise = |row: usize, column: usize| self.sum((row, column)) - here;
        let (upper_left, upper_right) = (rise(row - 1, column - 1), rise(row - 1, column + 1));
        let (lower_left, lower_right) = (rise(row + 1, column - 1), rise(row + 1, column + 1));
        let bounds = |limit: fn(T, T) -> T| {
            [
                limit(lower_right, zero) - vertical - horizontal,
                limit(-lower_left, zero) + vertical - horizontal,
                limit(-upper_right, zero) - vertical + horizontal,
                limit(upper_left, zero) + vertical + horizontal,
            ]
        };
        let highest = bounds(T::max).into_iter().min()? << 4;
        let lowest = bounds(T::min).into_iter().max()? << 4;
        let twist = lower_right + upper_left - upper_right - lower_left;
        (lowest < highest).then(|| twist.min(highest).max(lowest))
    }

    /// Moves a difference towards one whose multiple is `aim`.
    fn change(&self, plane: &mut [T], place: usize, aim: Option<T>, shift: usize) {
        let (Some(difference), Some(aim)) = (plane.get_mut(place), aim) else { return };
        let change = aim - (*difference << shift);
        // Towards 0.
        let rounding = if change >= T::default() { T::default() } else { (T::new(1) << shift) - T::new(1) };
        let change = (change + rounding) >> shift;
        *difference = *difference + change.min(self.most).max(-self.most);
    }
}
