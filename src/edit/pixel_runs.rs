//! Which pixels of the file a section covers, in the order of the file, and which of the given values each of them gets.
//!
//! Values that are given for fewer axes, or for axes of length 1, stand for all positions along these, as in numpy.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::image::{Axis, Selection};

/// How many pixels are handed on in one go.
const MOST_PIXELS: u64 = 64 << 10;

/// One axis of a section that is written.
#[derive(Debug)]
struct WriteAxis {
    order: Order,
    /// The distance in pixels between neighbours in the file.
    in_file: u64,
    /// The distance in elements between neighbours in the values: 0 where one value stands for all.
    in_values: u64,
    /// Whether all positions of the axis are written.
    whole: bool,
}

/// Positions along an axis, ascending and each once, and the number of the value that each gets.
#[derive(Debug)]
enum Order {
    Up { start: u64, step: u64, count: u64, reversed: bool },
    List(Vec<(u64, u64)>),
}

impl Order {
    fn new(axis: &Axis) -> Self {
        match axis {
            Axis::Range { start, step, count } if *step > 0 || *count < 2 => {
                Self::Up { start: *start, step: step.unsigned_abs(), count: *count, reversed: false }
            }
            Axis::Range { step, count, .. } => {
                Self::Up { start: axis.position(count - 1), step: step.unsigned_abs(), count: *count, reversed: true }
            }
            Axis::List(positions) => {
                let mut pairs: Vec<(u64, u64)> = positions.iter().copied().zip(0..).collect();
                // Of a position that is named twice, the last value counts.
                pairs.sort_unstable_by_key(|&(position, value)| (position, std::cmp::Reverse(value)));
                pairs.dedup_by_key(|&mut (position, _)| position);
                Self::List(pairs)
            }
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Up { count, .. } => *count,
            Self::List(pairs) => pairs.len() as u64,
        }
    }

    fn pair(&self, number: u64) -> (u64, u64) {
        match self {
            Self::Up { start, step, count, reversed } => {
                (start + number * step, if *reversed { count - 1 - number } else { number })
            }
            Self::List(pairs) => {
                usize::try_from(number).ok().and_then(|number| pairs.get(number)).copied().unwrap_or_default()
            }
        }
    }

    fn position(&self, number: u64) -> u64 {
        self.pair(number).0
    }

    /// How many positions follow each other from this one on.
    fn run(&self, number: u64) -> u64 {
        match self {
            Self::Up { step: 1, count, .. } => count - number,
            Self::Up { .. } => 1,
            Self::List(_) => {
                let follows = |next: &u64| self.position(*next) == self.position(next - 1) + 1;
                1 + (number + 1..self.count()).take_while(follows).count() as u64
            }
        }
    }

    fn ascends(&self) -> bool {
        matches!(self, Self::Up { reversed: false, .. })
    }
}

/// The pixels of a section in the order of the file.
#[derive(Debug)]
pub(super) struct PixelRuns {
    axes: Vec<WriteAxis>,
    /// The slowest axis of what lies together in the file; those behind it are whole.
    split: usize,
    /// Pixels in one step of the axis `split`.
    tail: u64,
    /// Whether the values of a run lie together as well.
    straight: bool,
}

/// Pixels that follow each other in the file.
pub(super) struct Piece<'a> {
    runs: &'a PixelRuns,
    /// The number of the first pixel in the file.
    pub(super) at: u64,
    /// Where the values of the step of the slower axes start.
    values: u64,
    /// The first number along the axis `split`.
    first: u64,
    /// Which pixels of the run.
    pub(super) pixels: Range<u64>,
}

impl PixelRuns {
    /// For an image of this shape, slowest axis first, from values of the shape `values`.
    pub(super) fn new(selection: &Selection, shape: &[u64], values: &[usize]) -> Result<Self> {
        let mut strides = value_strides(selection, values)?.into_iter().rev();
        let mut axes = Vec::with_capacity(shape.len());
        let mut in_file = 1u64;
        for ((axis, &length), &kept) in selection.axes.iter().zip(shape).zip(&selection.kept).rev() {
            let order = Order::new(axis);
            let whole = order.count() == length;
            let in_values = if kept { strides.next().unwrap_or(0) } else { 0 };
            axes.push(WriteAxis { order, in_file, in_values, whole });
            in_file = in_file.saturating_mul(length);
        }
        axes.reverse();
        let whole = axes.iter().skip(1).rev().take_while(|axis| axis.whole).count();
        let split = axes.len().saturating_sub(1 + whole);
        let tail = axes.iter().skip(split + 1).map(|axis| axis.order.count()).product();
        let mut natural = 1;
        let straight = axes.iter().skip(split).rev().all(|axis| {
            let count = axis.order.count();
            let fits = axis.order.ascends() && (axis.in_values == natural || count == 1);
            natural *= count;
            fits
        });
        Ok(Self { axes, split, tail, straight })
    }

    /// How many pixels there are.
    pub(super) fn count(&self) -> u64 {
        self.axes.iter().fold(1, |count: u64, axis| count.saturating_mul(axis.order.count()))
    }

    /// The number of the last pixel in the file; `None` where there is none.
    pub(super) fn last(&self) -> Option<u64> {
        self.axes.iter().try_fold(0u64, |last, axis| {
            let highest = axis.order.position(axis.order.count().checked_sub(1)?);
            Some(last.saturating_add(highest.saturating_mul(axis.in_file)))
        })
    }

    /// Visits the pixels piece by piece, in the order of the file.
    pub(super) fn visit(&self, visit: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
        let (Some(slower), Some(split)) = (self.axes.get(..self.split), self.axes.get(self.split)) else {
            return Ok(());
        };
        if self.last().is_none() {
            return Ok(());
        }
        let steps: u64 = slower.iter().map(|axis| axis.order.count()).product();
        for step in 0..steps {
            let (in_file, values) = offsets(slower, step);
            let mut number = 0;
            while number < split.order.count() {
                let count = split.order.run(number);
                let start = in_file + split.order.position(number) * split.in_file;
                let mut from = 0;
                while from < count * self.tail {
                    let to = (from + MOST_PIXELS).min(count * self.tail);
                    visit(Piece { runs: self, at: start + from, values, first: number, pixels: from..to })?;
                    from = to;
                }
                number += count;
            }
        }
        Ok(())
    }
}

/// The offsets in the file and in the values of a step of these axes.
fn offsets(axes: &[WriteAxis], mut step: u64) -> (u64, u64) {
    let (mut in_file, mut in_values) = (0, 0);
    for axis in axes.iter().rev() {
        let count = axis.order.count().max(1);
        let (position, value) = axis.order.pair(step % count);
        in_file += position * axis.in_file;
        in_values += value * axis.in_values;
        step /= count;
    }
    (in_file, in_values)
}

/// The distances between values along the axes of the result, slowest first.
pub(crate) fn value_strides(selection: &Selection, values: &[usize]) -> Result<Vec<u64>> {
    let wanted = &selection.shape;
    let refused = || {
        Error::argument(format!(
            "values of shape {values:?} don't fit the section's shape {wanted:?}; nothing was written"
        ))
    };
    let more = values.len().saturating_sub(wanted.len());
    let (leading, values_here) = values.split_at_checked(more).ok_or_else(refused)?;
    if leading.iter().any(|&length| length != 1) {
        return Err(refused());
    }
    let missing = wanted.len() - values_here.len();
    let mut strides = vec![0; wanted.len()];
    let mut stride = 1u64;
    let axes = strides.iter_mut().zip(wanted).skip(missing).zip(values_here);
    for ((place, &wanted), &length) in axes.rev() {
        if length != 1 && length != wanted {
            return Err(refused());
        }
        *place = if length == 1 { 0 } else { stride };
        stride = stride.saturating_mul(length as u64);
    }
    Ok(strides)
}

impl Piece<'_> {
    /// The elements of the values for these pixels, each of `size` bytes: as they are where they lie together, else put together in `scratch`.
    pub(super) fn gather<'a>(&self, values: &'a [u8], size: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let element = |number: u64, count: u64| {
            let start = number as usize * size;
            values.get(start..start + count as usize * size).unwrap_or_default()
        };
        let split = self.runs.axes.get(self.runs.split);
        if self.runs.straight {
            let first = split.map_or(0, |axis| self.first * axis.in_values);
            return element(self.values + first + self.pixels.start, self.pixels.end - self.pixels.start);
        }
        scratch.clear();
        let axes = self.runs.axes.get(self.runs.split..).unwrap_or_default();
        let Some((last, slower)) = axes.split_last() else { return scratch };
        let mut at = self.pixels.start;
        // Pixels of the run are counted from the number `first` along the axis `split`.
        let (length, base, first_row) = if slower.is_empty() {
            (u64::MAX, self.first, 0)
        } else {
            let length = last.order.count().max(1);
            (length, 0, self.first * (self.runs.tail / length))
        };
        while at < self.pixels.end {
            let row = first_row + at / length;
            let from = at % length;
            let to = length.min(from.saturating_add(self.pixels.end - at));
            let start = self.values + offsets(slower, row).1;
            if last.in_values == 0 {
                repeat(element(start, 1), (to - from) as usize, scratch);
            } else if last.order.ascends() && last.in_values == 1 {
                scratch.extend_from_slice(element(start + base + from, to - from));
            } else {
                for number in from..to {
                    let value = last.order.pair(base + number).1;
                    scratch.extend_from_slice(element(start + value * last.in_values, 1));
                }
            }
            at += to - from;
        }
        scratch
    }
}

/// Adds an element so many times.
fn repeat(element: &[u8], times: usize, output: &mut Vec<u8>) {
    let start = output.len();
    let end = start + element.len() * times;
    output.extend_from_slice(element.get(..element.len() * times.min(1)).unwrap_or_default());
    while output.len() < end {
        // What is there is added to itself: as many steps as the number has digits.
        let len = (output.len() - start).min(end - output.len());
        if len == 0 {
            return;
        }
        output.extend_from_within(start..start + len);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;
    use crate::image::{AxisSection, Section};
    use proptest::prelude::*;

    /// Positions along an axis of this length, as a key may name them.
    fn entry(length: u64) -> impl Strategy<Value = AxisSection> {
        let positions = -(length as i64)..length as i64;
        let slice = (prop::option::of(-7i64..7), prop::option::of(-7i64..7), prop_oneof![-3i64..0, 1i64..4]);
        prop_oneof![
            slice.prop_map(|(start, stop, step)| AxisSection::Slice { start, stop, step }),
            positions.clone().prop_map(AxisSection::At),
            prop::collection::vec(positions, 0..6).prop_map(AxisSection::List),
        ]
    }

    proptest! {
        #[test]
        fn each_pixel_gets_its_value(
            (shape, section) in prop::collection::vec(1u64..6, 1..4).prop_flat_map(|shape| {
                let entries: Vec<_> = shape.iter().map(|&length| entry(length)).collect();
                (Just(shape), entries)
            }),
            spread in prop::collection::vec(any::<bool>(), 3),
        ) {
            let selection = Selection::new(Some(&Section(section)), &shape).unwrap();
            let given: Vec<usize> =
                selection.shape.iter().zip(spread).map(|(&length, one)| if one { 1 } else { length }).collect();
            let values: Vec<u8> = (0..given.iter().product::<usize>()).map(|value| value as u8 + 1).collect();
            // By the definition: value after value, the last one counts.
            let total = shape.iter().product::<u64>() as usize;
            let mut model = vec![0u8; total];
            for mut step in 0..selection.axes.iter().map(Axis::count).product::<u64>() {
                let (mut at, mut stride, mut value, mut value_stride) = (0, 1, 0, 1);
                let mut axis_of_result = given.len();
                let mut positions = Vec::new();
                for (number, axis) in selection.axes.iter().enumerate().rev() {
                    let index = step % axis.count();
                    step /= axis.count();
                    positions.push(index);
                    at += axis.position(index) * stride;
                    stride *= shape[number];
                    if selection.kept[number] {
                        axis_of_result -= 1;
                        if given[axis_of_result] > 1 {
                            value += index as usize * value_stride;
                        }
                        value_stride *= given[axis_of_result];
                    }
                }
                model[at as usize] = values[value];
            }
            let runs = PixelRuns::new(&selection, &shape, &given).unwrap();
            let mut written = vec![0u8; total];
            let mut scratch = Vec::new();
            let mut before = 0;
            runs.visit(&mut |piece| {
                let bytes = piece.gather(&values, 1, &mut scratch);
                assert_eq!(bytes.len() as u64, piece.pixels.end - piece.pixels.start);
                assert!(piece.at >= before, "in the order of the file, each once");
                before = piece.at + bytes.len() as u64;
                written[piece.at as usize..before as usize].copy_from_slice(bytes);
                Ok(())
            }).unwrap();
            prop_assert_eq!(written, model);
        }
    }

    #[test]
    fn what_lies_together_is_one_piece_and_shapes_are_checked() {
        let pieces = |section: Vec<AxisSection>, shape: &[u64], values: &[usize]| {
            let runs = PixelRuns::new(&Selection::new(Some(&section.into()), shape).unwrap(), shape, values)?;
            let mut pieces = Vec::new();
            runs.visit(&mut |piece| {
                pieces.push((piece.at, piece.pixels.end - piece.pixels.start));
                Ok(())
            })?;
            Ok::<_, Error>(pieces)
        };
        let back = || AxisSection::Slice { start: None, stop: None, step: -1 };
        assert_eq!(pieces(vec![back(), back()], &[3, 4], &[]).unwrap(), [(0, 12)]);
        assert_eq!(pieces(vec![AxisSection::List(vec![3, 2, 0])], &[4, 5], &[5]).unwrap(), [(0, 5), (10, 10)]);
        assert_eq!(pieces(vec![AxisSection::At(1)], &[4, 5], &[1, 1, 5]).unwrap(), [(5, 5)]);
        assert_eq!(pieces(vec![], &[300_000], &[]).unwrap().len(), 5);
        for values in [&[4usize][..], &[2, 5], &[2, 1, 5]] {
            assert!(pieces(vec![AxisSection::At(1)], &[4, 5], values).is_err(), "{values:?}");
        }
    }
}
