//! Writing pixels of an image that is there, where they lie (FITS 4.0 §3.3.2, §7.1): only the bytes of these pixels are written.

use super::pixel_runs::PixelRuns;
use crate::directory::HduEntry;
use crate::error::{Error, Result};
use crate::format::structure::element_count;
use crate::format::{DataType, Encoding};
use crate::image::{AxisSection, ImageShape, Section, Selection, element_position};
use crate::source::{EditPlan, Step, past_the_end};

/// Which pixels are written.
#[derive(Clone, Debug)]
pub(crate) enum PixelPlace {
    /// Those of a section, over which the values are spread as numpy does it.
    Section(Option<Section>),
    /// As many as there are values, from this position on.
    From(Vec<u64>),
    /// As many as there are values, in the order of the file, from the pixel with this number on.
    Flat(u64),
}

/// The values that pixels get.
pub(crate) struct Pixels<'a> {
    pub(crate) data_type: DataType,
    /// Slowest axis first.
    pub(crate) shape: &'a [usize],
    /// The elements in native byte order, slowest axis first.
    pub(crate) values: &'a [u8],
    /// For each element a byte that is not 0 where there is no value.
    pub(crate) mask: Option<&'a [u8]>,
    pub(crate) meaning: Meaning,
}

/// What the numbers that are given stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Those of the stored type for stored numbers, all others for values.
    ByType,
    /// Values, to which BSCALE and BZERO apply.
    Values,
    /// Stored numbers.
    Stored,
}

/// Plans to write pixels of an image. Places, shapes and values are checked before.
pub(crate) fn write_pixels<'a>(
    hdu: &HduEntry,
    place: &PixelPlace,
    pixels: Pixels<'a>,
    file_len: u64,
) -> Result<EditPlan<'a>> {
    let encoding = pixels.encoding(hdu)?;
    let image: Vec<u64> = hdu.layout.axes.iter().rev().copied().collect();
    let (shape, selection) = place.selection(if image.is_empty() { vec![0] } else { image }, pixels.shape)?;
    let count = element_count(pixels.shape.iter().map(|&length| length as u64));
    let given = pixels.shape;
    let flat = [usize::try_from(count.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)];
    let spread = if matches!(place, PixelPlace::Flat(_)) { &flat } else { given };
    let runs = PixelRuns::new(&selection, &shape, spread)?;
    pixels.check(&encoding)?;
    let size = encoding.stored().size() as u64;
    let data_start = hdu.layout.data_start;
    if let Some(last) = runs.last() {
        let offset = data_start.saturating_add(last.saturating_mul(size));
        if offset.saturating_add(size) > file_len {
            return Err(past_the_end(offset, size as usize, file_len));
        }
    }
    let Pixels { values, mask, .. } = pixels;
    if flat.first().is_some_and(|&given| (given as u64).saturating_mul(2) <= runs.count()) {
        // Each value stands for several pixels: it is converted once.
        let mut stored = vec![0; values.len() / encoding.given().size() * size as usize];
        encoding.encode(values, mask, &mut stored);
        let pieces = move |write: &mut dyn FnMut(u64, &[u8]) -> Result<()>| {
            let mut gathered = Vec::new();
            runs.visit(&mut |piece| {
                write(data_start + piece.at * size, piece.gather(&stored, size as usize, &mut gathered))
            })
        };
        return Ok(EditPlan::InPlace(vec![Step::Scatter(Box::new(pieces))]));
    }
    let pieces = move |write: &mut dyn FnMut(u64, &[u8]) -> Result<()>| {
        let (mut gathered, mut flags, mut output) = (Vec::new(), Vec::new(), Vec::new());
        runs.visit(&mut |piece| {
            let values = piece.gather(values, encoding.given().size(), &mut gathered);
            let mask = mask.map(|mask| piece.gather(mask, 1, &mut flags));
            output.resize((piece.pixels.end - piece.pixels.start) as usize * size as usize, 0);
            encoding.encode(values, mask, &mut output);
            write(data_start + piece.at * size, &output)
        })
    };
    Ok(EditPlan::InPlace(vec![Step::Scatter(Box::new(pieces))]))
}

impl Pixels<'_> {
    /// How these values are stored in an image.
    pub(crate) fn encoding(&self, hdu: &HduEntry) -> Result<Encoding> {
        let as_stored = self.are_stored(hdu.layout.stored);
        Ok(Encoding::new(self.data_type, ImageShape::new(hdu, as_stored)?.scaling))
    }

    /// Whether these are stored numbers, for an image that stores this type.
    pub(crate) fn are_stored(&self, stored: DataType) -> bool {
        match self.meaning {
            Meaning::ByType => self.data_type == stored,
            Meaning::Values => false,
            Meaning::Stored => true,
        }
    }

    /// Checks that there are as many values as the shape says.
    pub(crate) fn check_lengths(&self) -> Result<()> {
        let count = element_count(self.shape.iter().map(|&length| length as u64));
        let wanted = count.and_then(|count| count.checked_mul(self.data_type.size() as u64));
        if wanted != Some(self.values.len() as u64) || self.mask.is_some_and(|mask| Some(mask.len() as u64) != count) {
            let message =
                format!("values of shape {:?} take {wanted:?} bytes, given were {}", self.shape, self.values.len());
            return Err(Error::argument(message));
        }
        Ok(())
    }

    /// Checks that there are as many values as the shape says, and that all of them can be stored.
    pub(crate) fn check(&self, encoding: &Encoding) -> Result<()> {
        self.check_lengths()?;
        encoding.check(self.values, self.mask, |index| format!("{:?}", element_position(index, self.shape)))
    }
}

impl PixelPlace {
    /// The pixels of an image of this shape, and the shape in which they are counted.
    pub(crate) fn selection(&self, shape: Vec<u64>, values: &[usize]) -> Result<(Vec<u64>, Selection)> {
        let beyond = |start: &[u64]| {
            Error::argument(format!(
                "data of shape {values:?} from {start:?} on reach beyond the image of shape {shape:?}, or have not as many axes: \
                 extend() makes it longer; nothing was written"
            ))
        };
        let span = |start: u64, count: usize, length: u64| {
            let stop = start.checked_add(count as u64).filter(|&stop| stop <= length)?;
            Some(AxisSection::Slice { start: Some(start as i64), stop: Some(i64::try_from(stop).ok()?), step: 1 })
        };
        match self {
            Self::Section(section) => {
                let selection = Selection::new(section.as_ref(), &shape)?;
                Ok((shape, selection))
            }
            Self::From(start) => {
                if start.len() != shape.len() || values.len() != shape.len() {
                    return Err(beyond(start));
                }
                let axes = start.iter().zip(values).zip(&shape);
                let section: Option<Vec<_>> =
                    axes.map(|((&start, &count), &length)| span(start, count, length)).collect();
                let selection = Selection::new(Some(&section.ok_or_else(|| beyond(start))?.into()), &shape)?;
                Ok((shape, selection))
            }
            Self::Flat(start) => {
                let length = element_count(shape.iter().copied()).unwrap_or(u64::MAX);
                let count = values.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
                let section = count.and_then(|count| span(*start, count, length)).ok_or_else(|| beyond(&[*start]))?;
                let selection = Selection::new(Some(&vec![section].into()), &[length])?;
                Ok((vec![length], selection))
            }
        }
    }
}
