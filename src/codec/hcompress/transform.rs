//! The H-transform (White, Postman & Lattanzi 1992, §3): each block of 2 by 2 numbers becomes its sum and three differences, and the sums, again and again, become those
//! of larger blocks.
//!
//! The sums and differences of a block are all odd or all even, and the last bits of one follow from those of the others. So a level leaves off what follows: the
//! difference of rows and that of columns are rounded to even numbers, the sum to a multiple of 4. [`Level::join`] finds it again.
//! In the plane, the differences of a level lie below and to the right of those of the next one.

use std::fmt::Debug;
use std::num::Wrapping;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Shl, Shr, Sub};

use super::{smooth, zeros};
use crate::error::Result;

/// A number of as many bits as the coefficients need. What damaged data make too large wraps around.
pub(super) trait Coefficient:
    Copy
    + Debug
    + Default
    + Ord
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Shl<usize, Output = Self>
    + Shr<usize, Output = Self>
{
    fn new(number: i64) -> Self;

    fn get(self) -> i64;
}

impl Coefficient for Wrapping<i32> {
    fn new(number: i64) -> Self {
        Self(number as i32)
    }

    fn get(self) -> i64 {
        self.0.into()
    }
}

impl Coefficient for Wrapping<i64> {
    fn new(number: i64) -> Self {
        Self(number)
    }

    fn get(self) -> i64 {
        self.0
    }
}

/// How many levels a plane has: until one block is left.
pub(super) fn levels(rows: usize, columns: usize) -> u32 {
    usize::BITS - rows.max(columns).saturating_sub(1).leading_zeros()
}

/// The coefficients of the pixels of a plane, the sum of all at the origin.
pub(super) fn split<T: Coefficient>(pixels: Vec<T>, (rows, columns): (usize, usize)) -> Result<Vec<T>> {
    let mut coefficients = zeros(rows * columns)?;
    let mut sums = pixels;
    for number in 0..levels(rows, columns) {
        let level = Level::new(rows, columns, number);
        let mut next = zeros(level.sum_rows * level.sum_columns)?;
        level.split(&sums, &mut coefficients, &mut next);
        sums = next;
    }
    if let (Some(first), Some(sum)) = (coefficients.first_mut(), sums.first()) {
        *first = *sum;
    }
    Ok(coefficients)
}

/// The pixels of a plane's coefficients. Where `smoothing` is not 0, differences are changed by up to that much to make a smooth image.
pub(super) fn restore<T: Coefficient>(
    coefficients: &mut [T],
    (rows, columns): (usize, usize),
    smoothing: T,
) -> Result<Vec<T>> {
    let levels = levels(rows, columns);
    let first = coefficients.first().copied().unwrap_or_default();
    let mut sums = vec![if levels > 0 { Rounding::to(levels + 1).apply(first) } else { first }];
    for number in (0..levels).rev() {
        let level = Level::new(rows, columns, number);
        if smoothing > T::default() {
            smooth::smooth(&level, &sums, coefficients, smoothing);
        }
        let mut joined = zeros(level.rows * level.columns)?;
        level.join(&sums, coefficients, &mut joined);
        sums = joined;
    }
    Ok(sums)
}

/// Rounds to multiples of a power of two, halves away from 0.
#[derive(Clone, Copy)]
struct Rounding<T> {
    half: T,
    /// What is added to negative numbers.
    less: T,
    mask: T,
}

impl<T: Coefficient> Rounding<T> {
    fn to(bits: u32) -> Self {
        let one = T::new(1);
        let half = (one << bits as usize) >> 1;
        Self { half, less: (half - one).max(T::default()), mask: -(one << bits as usize) }
    }

    #[inline(always)]
    fn apply(self, number: T) -> T {
        (number + if number >= T::default() { self.half } else { self.less }) & self.mask
    }
}

/// One level: where its numbers lie.
pub(super) struct Level {
    /// The size of what is split.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The size of the sums.
    pub(super) sum_rows: usize,
    pub(super) sum_columns: usize,
    /// The columns of the plane.
    pub(super) stride: usize,
    number: u32,
}

/// What lies in a plane for one row of blocks.
struct Differences<S> {
    /// Of rows: for each block.
    vertical: S,
    /// Of columns: without a last block of one column.
    horizontal: S,
    /// Of both.
    diagonal: S,
}

impl Level {
    fn new(rows: usize, columns: usize, number: u32) -> Self {
        let length = |length: usize, number: u32| (length.saturating_sub(1) >> number) + 1;
        Self {
            rows: length(rows, number),
            columns: length(columns, number),
            sum_rows: length(rows, number + 1),
            sum_columns: length(columns, number + 1),
            stride: columns,
            number,
        }
    }

    fn split<T: Coefficient>(&self, input: &[T], plane: &mut [T], sums: &mut [T]) {
        let step = SplitStep::new(self.number);
        let (top, bottom) = plane.split_at_mut((self.sum_rows * self.stride).min(plane.len()));
        let mut bottom_rows = bottom.chunks_mut(self.stride);
        let blocks =
            input.chunks(2 * self.columns).zip(sums.chunks_mut(self.sum_columns)).zip(top.chunks_mut(self.stride));
        for ((rows, sums), top_row) in blocks {
            let horizontal = top_row.get_mut(self.sum_columns..self.columns).unwrap_or_default();
            let (upper, lower) = rows.split_at(self.columns.min(rows.len()));
            if lower.is_empty() {
                step.last_row(upper, horizontal, sums);
            } else if let Some((vertical, rest)) =
                bottom_rows.next().and_then(|row| row.split_at_mut_checked(self.sum_columns))
            {
                let diagonal = rest.get_mut(..self.columns - self.sum_columns).unwrap_or_default();
                step.rows(upper, lower, Differences { vertical, horizontal, diagonal }, sums);
            }
        }
    }

    fn join<T: Coefficient>(&self, sums: &[T], plane: &[T], output: &mut [T]) {
        let step = JoinStep::new(self.number);
        let (top, bottom) = plane.split_at((self.sum_rows * self.stride).min(plane.len()));
        let mut bottom_rows = bottom.chunks(self.stride);
        let blocks =
            output.chunks_mut(2 * self.columns).zip(sums.chunks(self.sum_columns)).zip(top.chunks(self.stride));
        for ((rows, sums), top_row) in blocks {
            let horizontal = top_row.get(self.sum_columns..self.columns).unwrap_or_default();
            let (upper, lower) = rows.split_at_mut(self.columns.min(rows.len()));
            if lower.is_empty() {
                step.last_row(sums, horizontal, upper);
            } else if let Some((vertical, rest)) =
                bottom_rows.next().and_then(|row| row.split_at_checked(self.sum_columns))
            {
                let diagonal = rest.get(..self.columns - self.sum_columns).unwrap_or_default();
                step.rows(sums, Differences { vertical, horizontal, diagonal }, upper, lower);
            }
        }
    }
}

/// How blocks of a level are split.
struct SplitStep<T> {
    /// For differences.
    even: Rounding<T>,
    /// For sums.
    fourth: Rounding<T>,
    /// Numbers above the first level have a bit for fractions, as their sums are halved.
    halved: usize,
}

impl<T: Coefficient> SplitStep<T> {
    fn new(level: u32) -> Self {
        Self { even: Rounding::to(level + 1), fourth: Rounding::to(level + 2), halved: level.min(1) as usize }
    }

    fn rows(&self, upper: &[T], lower: &[T], differences: Differences<&mut [T]>, sums: &mut [T]) {
        let Differences { vertical, horizontal, diagonal } = differences;
        let ((upper, upper_last), (lower, lower_last)) = (upper.as_chunks::<2>(), lower.as_chunks::<2>());
        let outputs = sums.iter_mut().zip(vertical.iter_mut()).zip(horizontal).zip(diagonal);
        for ((&[a, b], &[c, d]), (((sum, vertical), horizontal), diagonal)) in upper.iter().zip(lower).zip(outputs) {
            let (left, right, falling) = (a + c, b + d, a + d);
            let all = left + right;
            *sum = self.fourth.apply(all >> self.halved);
            *vertical = self.even.apply(((c + d) - (a + b)) >> self.halved);
            *horizontal = self.even.apply((right - left) >> self.halved);
            *diagonal = (falling + falling - all) >> self.halved;
        }
        if let ([above], [below], Some(sum), Some(vertical)) =
            (upper_last, lower_last, sums.last_mut(), vertical.last_mut())
        {
            *sum = self.fourth.apply((*above + *below) << (1 - self.halved));
            *vertical = self.even.apply((*below - *above) << (1 - self.halved));
        }
    }

    /// A last row without one below it.
    fn last_row(&self, row: &[T], horizontal: &mut [T], sums: &mut [T]) {
        let (pairs, last) = row.as_chunks::<2>();
        for ((&[left, right], sum), horizontal) in pairs.iter().zip(sums.iter_mut()).zip(horizontal) {
            *sum = self.fourth.apply((left + right) << (1 - self.halved));
            *horizontal = self.even.apply((right - left) << (1 - self.halved));
        }
        if let ([corner], Some(sum)) = (last, sums.last_mut()) {
            *sum = self.fourth.apply(*corner << (2 - self.halved));
        }
    }
}

/// How blocks of a level are joined.
struct JoinStep<T> {
    any: Rounding<T>,
    even: Rounding<T>,
    /// The last bit, and the one above it.
    first_bit: T,
    second_bit: T,
    /// Sums above the first level were halved.
    shift: usize,
}

impl<T: Coefficient> JoinStep<T> {
    fn new(level: u32) -> Self {
        let first_bit = T::new(1) << level as usize;
        let shift = if level == 0 { 2 } else { 1 };
        Self { any: Rounding::to(level), even: Rounding::to(level + 1), first_bit, second_bit: first_bit << 1, shift }
    }

    fn rows(&self, sums: &[T], differences: Differences<&[T]>, upper: &mut [T], lower: &mut [T]) {
        let Differences { vertical, horizontal, diagonal } = differences;
        let ((upper, upper_last), (lower, lower_last)) = (upper.as_chunks_mut::<2>(), lower.as_chunks_mut::<2>());
        let inputs = sums.iter().zip(vertical).zip(horizontal).zip(diagonal);
        for ((upper, lower), (((sum, vertical), horizontal), diagonal)) in upper.iter_mut().zip(lower).zip(inputs) {
            let (sum, vertical, horizontal, diagonal) = self.block(*sum, *vertical, *horizontal, *diagonal);
            *upper = [sum - vertical - horizontal + diagonal, sum - vertical + horizontal - diagonal]
                .map(|n| n >> self.shift);
            *lower = [sum + vertical - horizontal - diagonal, sum + vertical + horizontal + diagonal]
                .map(|n| n >> self.shift);
        }
        if let ([above], [below], Some(sum), Some(vertical)) = (upper_last, lower_last, sums.last(), vertical.last()) {
            let (sum, vertical) = self.pair(*sum, *vertical);
            *above = (sum - vertical) >> self.shift;
            *below = (sum + vertical) >> self.shift;
        }
    }

    fn last_row(&self, sums: &[T], horizontal: &[T], row: &mut [T]) {
        let (pairs, last) = row.as_chunks_mut::<2>();
        for ((pair, sum), horizontal) in pairs.iter_mut().zip(sums).zip(horizontal) {
            let (sum, horizontal) = self.pair(*sum, *horizontal);
            *pair = [sum - horizontal, sum + horizontal].map(|number| number >> self.shift);
        }
        if let ([corner], Some(sum)) = (last, sums.last()) {
            *corner = *sum >> self.shift;
        }
    }

    /// The sum and the differences of a block with the bits that were left off.
    #[inline(always)]
    fn block(&self, sum: T, vertical: T, horizontal: T, diagonal: T) -> (T, T, T, T) {
        let diagonal = self.any.apply(diagonal);
        // All are odd, or none is.
        let odd = diagonal & self.first_bit;
        let restored = |difference: T| {
            let difference = self.even.apply(difference);
            if difference >= T::default() { difference - odd } else { difference + odd }
        };
        let (vertical, horizontal) = (restored(vertical), restored(horizontal));
        let second = (diagonal ^ vertical ^ horizontal) & self.second_bit;
        // An odd sum was rounded to the multiple of 4 next to it, an even one away from 0.
        let left_off = if sum >= T::default() || odd != T::default() { odd - second } else { second };
        (sum + left_off, vertical, horizontal, diagonal)
    }

    /// The sum and the difference of two numbers.
    #[inline(always)]
    fn pair(&self, sum: T, difference: T) -> (T, T) {
        let difference = self.even.apply(difference);
        let second = difference & self.second_bit;
        (if sum >= T::default() { sum - second } else { sum + second }, difference)
    }
}
