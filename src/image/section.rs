//! Sections of an image: what a caller asks for, and what that means for an array of known shape. numpy's rules, numpy's axis order.

use std::ops::Range;

use ndarray::{Dimension, SliceInfo, SliceInfoElem};

use crate::error::{Error, ErrorKind, Result};
use crate::format::structure::element_count;

/// What is taken along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AxisSection {
    /// One position, negative from the end; the axis drops out of the result.
    At(i64),
    /// From `start` to before `stop` by `step`, as a Python slice: `None` is the end, negative counts from the end, what lies outside is clipped.
    Slice {
        /// The first position.
        start: Option<i64>,
        /// The position before which it ends.
        stop: Option<i64>,
        /// The distance, not 0; negative goes backwards.
        step: i64,
    },
    /// These positions, in this order, negative from the end.
    List(Vec<i64>),
    /// As many whole axes as are needed to fill up; at most once.
    Ellipsis,
    /// A new axis of length 1, as `ndarray::NewAxis`: refused, because an image has none to read.
    NewAxis,
}

/// A section of an image: one entry an axis, slowest axis first; axes that are not named are whole.
///
/// Made from the ranges of [`ndarray::s!`] or from a list of [`AxisSection`].
///
/// # Examples
///
/// ```
/// use ndarray::s;
/// use rustfits::{AxisSection, Section};
///
/// let stamp = Section::from(s![100..200, ..;2]);
/// let first_row = Section::from(vec![AxisSection::At(0)]);
/// assert_ne!(stamp, first_row);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section(pub Vec<AxisSection>);

impl From<Vec<AxisSection>> for Section {
    fn from(axes: Vec<AxisSection>) -> Self {
        Self(axes)
    }
}

impl<T: AsRef<[SliceInfoElem]>, In: Dimension, Out: Dimension> From<SliceInfo<T, In, Out>> for Section {
    fn from(slices: SliceInfo<T, In, Out>) -> Self {
        let signed = |position: isize| position as i64;
        let axes = slices.as_ref().iter().map(|slice| match *slice {
            SliceInfoElem::Slice { start, end, step } if step > 0 => {
                AxisSection::Slice { start: Some(signed(start)), stop: end.map(signed), step: signed(step) }
            }
            SliceInfoElem::Slice { start, end, step } => reversed(signed(start), end.map(signed), signed(step)),
            SliceInfoElem::Index(index) => AxisSection::At(signed(index)),
            SliceInfoElem::NewAxis => AxisSection::NewAxis,
        });
        Self(axes.collect())
    }
}

/// ndarray's negative step reverses the range start..end; numpy's counts down from start.
fn reversed(start: i64, end: Option<i64>, step: i64) -> AxisSection {
    let before = |position: i64| match position {
        // In numpy, -1 would be the end of the axis.
        0 => None,
        // The lowest number stays what it is: below the start of every axis.
        other => Some(other.saturating_sub(1)),
    };
    match end {
        Some(0) => AxisSection::Slice { start: Some(0), stop: Some(0), step },
        end => AxisSection::Slice { start: end.and_then(before), stop: before(start), step },
    }
}

/// The positions along one axis, checked against its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// `count` positions from `start` by `step`.
    Range { start: u64, step: i64, count: u64 },
    /// These positions.
    List(Vec<u64>),
}

impl Axis {
    pub(crate) fn whole(length: u64) -> Self {
        Self::Range { start: 0, step: 1, count: length }
    }

    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(positions) => positions.len() as u64,
        }
    }

    /// The position that is number `index` of the selection; `index` is below `count`.
    pub(crate) fn position(&self, index: u64) -> u64 {
        match self {
            Self::Range { start, step, .. } => start.wrapping_add_signed(step.wrapping_mul(index as i64)),
            Self::List(positions) => {
                usize::try_from(index).ok().and_then(|index| positions.get(index)).copied().unwrap_or(0)
            }
        }
    }

    /// The lowest and the highest position; `None` if there is no position.
    pub(crate) fn bounds(&self) -> Option<(u64, u64)> {
        match self {
            Self::Range { count: 0, .. } => None,
            Self::Range { count, .. } => {
                let (first, last) = (self.position(0), self.position(count - 1));
                Some((first.min(last), first.max(last)))
            }
            Self::List(positions) => Some((*positions.iter().min()?, *positions.iter().max()?)),
        }
    }

    /// The lowest and the highest of the positions with these numbers, of which there is at least one.
    pub(crate) fn bounds_of(&self, indices: Range<u64>) -> (u64, u64) {
        let (first, last) = (self.position(indices.start), self.position(indices.end.saturating_sub(1)));
        let ends = (first.min(last), first.max(last));
        match self {
            Self::Range { .. } => ends,
            Self::List(_) => indices
                .map(|index| self.position(index))
                .fold(ends, |(lowest, highest), position| (lowest.min(position), highest.max(position))),
        }
    }

    /// Whether the positions follow each other upwards.
    pub(crate) fn is_run(&self) -> bool {
        matches!(self, Self::Range { step: 1, .. } | Self::Range { count: 0 | 1, .. })
    }
}

/// A section that was checked against a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// One entry for each axis of the image, slowest first.
    pub(crate) axes: Vec<Axis>,
    /// The shape of the result: without the axes of single positions.
    pub(crate) shape: Vec<usize>,
    /// For each axis of the image, whether the result has it.
    pub(crate) kept: Vec<bool>,
}

impl Selection {
    /// What `section` means for an image of this shape (slowest axis first); `None` is all of it.
    pub(crate) fn new(section: Option<&Section>, shape: &[u64]) -> Result<Self> {
        let entries = section.map(|section| section.0.as_slice()).unwrap_or_default();
        if entries.contains(&AxisSection::NewAxis) {
            return Err(new_axis());
        }
        let given = entries.iter().filter(|entry| **entry != AxisSection::Ellipsis).count();
        if given > shape.len() || entries.len() - given > 1 {
            let message = format!("the section has {given} axes, the image {}; '...' may stand once", shape.len());
            return Err(Error::new(ErrorKind::Index, message));
        }
        let mut selection = Self { axes: Vec::with_capacity(shape.len()), shape: Vec::new(), kept: Vec::new() };
        let mut lengths = shape.iter().copied();
        let whole_axes = shape.len() - given;
        for entry in entries {
            let repeat = if *entry == AxisSection::Ellipsis { whole_axes } else { 1 };
            for length in lengths.by_ref().take(repeat) {
                selection.push(entry, length)?;
            }
        }
        for length in lengths {
            selection.push(&AxisSection::Ellipsis, length)?;
        }
        Ok(selection)
    }

    fn push(&mut self, entry: &AxisSection, length: u64) -> Result<()> {
        let axis = match entry {
            AxisSection::NewAxis => return Err(new_axis()),
            AxisSection::At(index) => {
                let start = position(*index, length, self.axes.len())?;
                self.axes.push(Axis::Range { start, step: 1, count: 1 });
                self.kept.push(false);
                return Ok(());
            }
            AxisSection::Ellipsis => Axis::whole(length),
            AxisSection::Slice { start, stop, step } => slice_axis(*start, *stop, *step, length)?,
            AxisSection::List(indices) => {
                let number = self.axes.len();
                Axis::List(indices.iter().map(|&index| position(index, length, number)).collect::<Result<_>>()?)
            }
        };
        self.shape
            .push(usize::try_from(axis.count()).map_err(|_| Error::too_large("the section is larger than memory"))?);
        self.axes.push(axis);
        self.kept.push(true);
        Ok(())
    }

    /// The number of elements of the result.
    pub(crate) fn elements(&self) -> Result<u64> {
        element_count(self.axes.iter().map(Axis::count))
            .ok_or_else(|| Error::too_large("the section is larger than memory"))
    }
}

fn new_axis() -> Error {
    Error::argument("a section takes of the axes that there are: add the new axis to the result")
}

/// An index as a position of an axis of `length`; negative counts from the end.
pub(crate) fn position(index: i64, length: u64, axis: usize) -> Result<u64> {
    let wrapped = if index < 0 { length.checked_sub(index.unsigned_abs()) } else { Some(index.unsigned_abs()) };
    wrapped.filter(|&position| position < length).ok_or_else(|| {
        Error::new(ErrorKind::Index, format!("index {index} is out of range for axis {axis} of length {length}"))
    })
}

/// Python's slice rules: ends are clipped.
pub(crate) fn slice_axis(start: Option<i64>, stop: Option<i64>, step: i64, length: u64) -> Result<Axis> {
    if step == 0 {
        return Err(Error::argument("a slice step is not zero"));
    }
    let length = i64::try_from(length).map_err(|_| Error::too_large("the axis is longer than 2^63"))?;
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clip = |index: i64| (if index < 0 { index.saturating_add(length) } else { index }).clamp(lowest, highest);
    let start = start.map_or(if step > 0 { lowest } else { highest }, clip);
    let stop = stop.map_or(if step > 0 { highest } else { lowest }, clip);
    let distance = if step > 0 { stop - start } else { start - stop };
    let count = if distance > 0 { (distance as u64).div_ceil(step.unsigned_abs()) } else { 0 };
    Ok(Axis::Range { start: if count > 0 { start as u64 } else { 0 }, step, count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, s};

    #[test]
    fn slices_follow_python() {
        let range = |start, stop, step| slice_axis(start, stop, step, 10).unwrap();
        assert_eq!(range(None, None, 1), Axis::whole(10));
        assert_eq!(range(Some(-3), None, 1), Axis::Range { start: 7, step: 1, count: 3 });
        assert_eq!(range(None, None, -3), Axis::Range { start: 9, step: -3, count: 4 });
        assert_eq!(range(Some(8), Some(100), 2), Axis::Range { start: 8, step: 2, count: 1 });
        assert_eq!(range(Some(5), Some(2), 1).count(), 0);
        assert_eq!(range(Some(i64::MIN), Some(i64::MAX), i64::MAX).count(), 1);
        assert!(slice_axis(None, None, 0, 10).is_err());
    }

    #[test]
    fn ndarray_slices_mean_the_same_here() {
        let array = Array1::from_iter(0..10u64);
        for (slices, view) in [
            (Section::from(s![2..8;2]), array.slice(s![2..8;2])),
            (Section::from(s![2..8;-2]), array.slice(s![2..8;-2])),
            (Section::from(s![..;-3]), array.slice(s![..;-3])),
            (Section::from(s![-4..]), array.slice(s![-4..])),
            (Section::from(s![..0;-1]), array.slice(s![..0;-1])),
            (Section::from(s![0..0;-2]), array.slice(s![0..0;-2])),
            (Section::from(s![..1;-1]), array.slice(s![..1;-1])),
            (Section::from(s![-10..-3;-2]), array.slice(s![-10..-3;-2])),
            (Section::from(s![10..;-1]), array.slice(s![10..;-1])),
        ] {
            let selection = Selection::new(Some(&slices), &[10]).unwrap();
            let axis = &selection.axes[0];
            let positions: Vec<u64> = (0..axis.count()).map(|index| axis.position(index)).collect();
            assert_eq!(positions, view.to_vec());
        }
    }

    #[test]
    fn ends_beyond_all_bounds_are_clipped_and_new_axes_refused() {
        let count = |section| Selection::new(Some(&section), &[10]).unwrap().axes[0].count();
        assert_eq!(count(Section::from(s![isize::MIN..;-1])), 10);
        assert_eq!(count(Section::from(s![..isize::MIN;-1])), 0);
        assert_eq!(count(Section::from(s![..isize::MAX;-3])), 4);
        let error = Selection::new(Some(&Section::from(s![ndarray::NewAxis, ..])), &[10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }

    #[test]
    fn single_positions_drop_their_axis_and_ellipsis_fills_up() {
        let section = Section(vec![AxisSection::At(-1), AxisSection::Ellipsis, AxisSection::List(vec![0, -1])]);
        let selection = Selection::new(Some(&section), &[3, 4, 5]).unwrap();
        assert_eq!(selection.shape, [4, 2]);
        assert_eq!(selection.axes[2], Axis::List(vec![0, 4]));
        assert_eq!(
            Selection::new(Some(&Section(vec![AxisSection::At(3)])), &[3]).unwrap_err().kind(),
            ErrorKind::Index
        );
        assert!(Selection::new(Some(&Section(vec![AxisSection::At(0); 2])), &[3]).is_err());
    }
}
