//! An image of a stream, band after band.
//!
//! A band is read in pieces that lie together in the file. Behind each piece the stream is let go of up to the byte that the rest still needs:
//! that follows from the layout, or, for compressed tiles, which may lie in any order, from where they lie.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::Mutex;

use super::hdu::StreamHdu;
use crate::engine::Op;
use crate::error::{Error, Result};
use crate::format::HduKind;
use crate::format::structure::element_count;
use crate::image::{AxisSection, ImageRequest, Section};
use crate::image_data::ImageData;
use crate::image_plan::AnyImagePlan;
use crate::io::Arrival;
use crate::reader::ImageSelector;
use crate::source::{ReadAt, ReadPlan};

/// How many bytes a band has unless told otherwise, and a piece at most.
const BAND_BYTES: u64 = 8 << 20;

/// The bands of an image: a `Stream`, and [`ImageBands::next`]. Made by [`StreamHdu::bands`].
///
/// # Examples
///
/// ```no_run
/// use rustfits::FitsStream;
///
/// # async fn example() -> rustfits::Result<()> {
/// let mut stream = FitsStream::open("https://archive.example/cube.fits.gz").await?;
/// let Some(hdu) = stream.next().await? else { return Ok(()) };
/// let mut bands = hdu.bands(Some(1 << 20))?.masked();
/// while let Some(band) = bands.next().await? {
///     println!("{:?}", band.shape());
/// }
/// # Ok(())
/// # }
/// ```
pub struct ImageBands {
    image: ImageSelector,
    arrival: Arc<Arrival>,
    cut: Cut,
    cursor: Arc<Mutex<Cursor>>,
    ahead: Option<Op<Option<ImageData>>>,
}

/// How an image is cut into pieces that lie together: all axes in front of one are walked through, that one is cut, and those behind it are whole.
#[derive(Clone, Debug)]
struct Cut {
    shape: Vec<u64>,
    axis: usize,
    /// How long a piece is along the axis that is cut.
    rows: u64,
    /// How many pieces make up a band.
    band: u64,
    /// Where the data start, and how long an element is in the file; `None` for compressed tiles.
    plain: Option<(u64, u64)>,
    /// What has to stay, whatever was read: the table of the tiles.
    table: Range<u64>,
}

/// Which piece is next, and from which byte on each piece and those behind it lie, where that is not plain.
#[derive(Default)]
struct Cursor {
    piece: u64,
    needs: Option<Vec<u64>>,
    begun: Option<Begun>,
}

/// A band of which some pieces are read. The stream may have let go of those: an operation that is dropped leaves them to the next one.
struct Begun {
    from: u64,
    to: u64,
    joined: Joined,
}

impl Cut {
    /// With bands of about so many bytes of elements of this size.
    fn with_bands(self, size: u64, bytes: u64) -> Self {
        let row = self.shape.iter().skip(1).fold(size, |bytes, &length| bytes.saturating_mul(length)).max(1);
        let band = if self.axis == 0 {
            bytes / row.saturating_mul(self.rows)
        } else {
            (bytes / row).max(1).saturating_mul(self.pieces_of_a_slice())
        };
        Self { band: band.max(1), ..self }
    }

    fn pieces_a_row(&self) -> u64 {
        self.length(self.axis).div_ceil(self.rows)
    }

    /// How many pieces one position along the first axis has, where another axis is cut.
    fn pieces_of_a_slice(&self) -> u64 {
        self.pieces() / self.length(0).max(1)
    }

    fn length(&self, axis: usize) -> u64 {
        self.shape.get(axis).copied().unwrap_or(0)
    }

    /// How many pieces there are: none of an image without pixels.
    fn pieces(&self) -> u64 {
        if element_count(self.shape.iter().copied()).unwrap_or(0) == 0 || self.shape.is_empty() {
            return 0;
        }
        let walked = self.shape.iter().take(self.axis).product::<u64>();
        walked.saturating_mul(self.pieces_a_row())
    }

    fn section(&self, piece: u64) -> Section {
        let slice = |start: u64, stop: u64| AxisSection::Slice {
            start: i64::try_from(start).ok(),
            stop: i64::try_from(stop).ok(),
            step: 1,
        };
        let start = piece % self.pieces_a_row() * self.rows;
        let mut axes = vec![slice(start, start.saturating_add(self.rows).min(self.length(self.axis)))];
        let mut number = piece / self.pieces_a_row();
        for &length in self.shape.iter().take(self.axis).rev() {
            axes.push(slice(number % length.max(1), number % length.max(1) + 1));
            number /= length.max(1);
        }
        axes.reverse();
        Section(axes)
    }

    /// The shape of the pieces `from..to`, taken together: a band, or all of them.
    fn shape_of(&self, from: u64, to: u64) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = if self.axis == 0 {
                to.saturating_mul(self.rows).min(*first) - (from * self.rows).min(*first)
            } else {
                (to - from) / self.pieces_of_a_slice().max(1)
            };
        }
        shape.into_iter().map(|length| usize::try_from(length).unwrap_or(usize::MAX)).collect()
    }

    /// The byte up to which the stream is not needed any more before this piece.
    fn needed_from(&self, piece: u64, needs: Option<&Vec<u64>>) -> Option<u64> {
        match self.plain {
            Some((start, size)) => {
                let behind = self.shape.iter().skip(self.axis + 1).product::<u64>();
                let whole_rows = piece / self.pieces_a_row() * self.length(self.axis);
                let row = whole_rows + (piece % self.pieces_a_row() * self.rows).min(self.length(self.axis));
                Some(start.saturating_add(row.saturating_mul(behind).saturating_mul(size)))
            }
            None => needs.and_then(|needs| needs.get(usize::try_from(piece).ok()?)).copied(),
        }
    }
}

impl ImageBands {
    pub(super) fn new(hdu: &StreamHdu, bytes: Option<u64>) -> Result<Self> {
        let info = hdu.info();
        let (shape, size) = (info.shape()?, info.data_type()?.size() as u64);
        let bytes = bytes.unwrap_or(BAND_BYTES);
        if bytes == 0 {
            return Err(Error::argument("a band of 0 bytes: give a positive number"));
        }
        let tiled = info.kind() == HduKind::CompressedImage;
        let units = if tiled { info.tile_shape()? } else { vec![1; shape.len()] };
        let (axis, rows) = place_of_cut(&shape, &units, size, bytes.min(BAND_BYTES));
        let layout = &hdu.entry().layout;
        let table = if tiled {
            let len = layout.axes.iter().fold(1, |product: u64, &length| product.saturating_mul(length));
            layout.data_start..layout.data_start.saturating_add(len)
        } else {
            0..0
        };
        let plain = (!tiled).then_some((layout.data_start, layout.stored.size() as u64));
        let cut = Cut { shape, axis, rows, band: 1, plain, table }.with_bands(size, bytes);
        Ok(Self { image: hdu.image(), arrival: Arc::clone(hdu.arrival()), cut, cursor: Arc::default(), ahead: None })
    }

    /// The values as stored, without BSCALE and BZERO.
    #[must_use]
    pub fn unscaled(mut self) -> Self {
        self.image = self.image.unscaled();
        self
    }

    /// With a mask of the blank pixels.
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.image.request.mask = true;
        self
    }

    /// The next band; `None` behind the last one. A band has all axes of the image.
    ///
    /// # Errors
    ///
    /// The stream breaks off, is cut short or has gone to another HDU.
    ///
    /// # Cancel safety
    ///
    /// Dropping the unfinished operation loses no band: the next one reads the same, unless the stream has let go of some of it.
    #[allow(clippy::should_implement_trait, reason = "awaited, as every operation here")]
    pub fn next(&mut self) -> Op<Option<ImageData>> {
        self.ahead = None;
        self.step(false)
    }

    /// What was not read yet of the image, in one; all of it at first.
    ///
    /// # Errors
    ///
    /// As [`ImageBands::next`]; where nothing is left, those of reading an image that has passed by.
    pub fn rest(self) -> Op<ImageData> {
        let whole = self.image.clone();
        let masked = whole.request.mask;
        let rest = self.step(true);
        Op::remote(async move {
            match rest.await? {
                Some(image) => Ok(image),
                // Without pixels there is nothing to wait for.
                None if masked => whole.read_masked().await,
                None => whole.read_dyn().await,
            }
        })
    }

    fn step(&self, all: bool) -> Op<Option<ImageData>> {
        let (image, arrival, cut) = (self.image.clone(), Arc::clone(&self.arrival), self.cut.clone());
        let cursor = Arc::clone(&self.cursor);
        Op::remote(async move {
            let cursor = &mut *cursor.lock().await;
            let from = cursor.begun.as_ref().map_or(cursor.piece, |begun| begun.from);
            let to = if all { cut.pieces() } else { from.saturating_add(cut.band).min(cut.pieces()) };
            if from >= to {
                return Ok(None);
            }
            if cut.plain.is_none() && cursor.needs.is_none() {
                arrival.pin(cut.table.clone());
                cursor.needs = Some(needs(&image, &cut).inline().await?);
            }
            if let Some(begun) = cursor.begun.as_mut().filter(|begun| begun.to != to) {
                begun.joined = begun.joined.longer(cut.shape_of(from, to))?;
                begun.to = to;
            }
            let mut whole = None;
            while cursor.piece < to {
                let piece = cursor.piece;
                if let Some(start) = cut.needed_from(piece, cursor.needs.as_ref()) {
                    arrival.release(start);
                }
                let read = read(&image, cut.section(piece)).inline().await?;
                match &mut cursor.begun {
                    None if to - from == 1 => whole = Some(read),
                    None => {
                        let joined = Joined::new(cut.shape_of(from, to), &read)?;
                        cursor.begun = Some(Begun { from, to, joined });
                    }
                    Some(begun) => begun.joined.add(&read)?,
                }
                // From here on the stream may have let go of the piece.
                cursor.piece = piece + 1;
            }
            if let Some(start) = cut.needed_from(to, cursor.needs.as_ref()) {
                arrival.release(start);
            }
            Ok(whole.or_else(|| cursor.begun.take().map(|begun| begun.joined.image)))
        })
    }
}

fn read(image: &ImageSelector, section: Section) -> Op<ImageData> {
    let image = image.clone().section(section);
    if image.request.mask { image.read_masked() } else { image.read_dyn() }
}

/// Which axis is cut, and how far apart: as far in front as pieces of so many bytes allow, and never through a tile.
fn place_of_cut(shape: &[u64], units: &[u64], size: u64, bytes: u64) -> (usize, u64) {
    let mut axis = 0;
    loop {
        let behind = shape.iter().skip(axis + 1).fold(size, |bytes, &length| bytes.saturating_mul(length));
        let unit = units.get(axis).copied().unwrap_or(1).max(1);
        let most = bytes / behind.max(1);
        if most == 0 && unit == 1 && axis + 1 < shape.len() {
            axis += 1;
            continue;
        }
        return (axis, (most / unit).max(1).saturating_mul(unit));
    }
}

/// For each piece the first byte that it or one behind it needs.
fn needs(image: &ImageSelector, cut: &Cut) -> Op<Vec<u64>> {
    let (request, cut) = (image.request.clone(), cut.clone());
    let key = image.key.clone();
    image.reader.file.locate(move |file, source: &dyn ReadAt| {
        let hdu = file.find(&key, source)?;
        source.require(std::slice::from_ref(&cut.table))?;
        let mut needs = Vec::new();
        for piece in 0..cut.pieces() {
            let request = ImageRequest { section: Some(cut.section(piece)), ..request.clone() };
            let plan = AnyImagePlan::locate(&hdu, &request, source)?;
            let ranges = (0..plan.len()).flat_map(|part| plan.ranges(part));
            needs.push(ranges.map(|range| range.start).min().unwrap_or(u64::MAX));
        }
        for index in (1..needs.len()).rev() {
            if let [before, after] = needs.get_mut(index - 1..=index).unwrap_or_default() {
                *before = (*before).min(*after);
            }
        }
        Ok(needs)
    })
}

/// Pieces put together.
struct Joined {
    image: ImageData,
    filled: usize,
}

impl Joined {
    /// A band of this shape, of which the first piece is here.
    fn new(shape: Vec<usize>, first: &ImageData) -> Result<Self> {
        let image = ImageData::unfilled(shape, first.data_type(), first.mask().is_some())?;
        let mut joined = Self { image, filled: 0 };
        joined.add(first)?;
        Ok(joined)
    }

    /// The same in a band of a larger shape.
    fn longer(&self, shape: Vec<usize>) -> Result<Self> {
        Ok(Self { filled: self.filled, ..Self::new(shape, &self.image)? })
    }

    fn add(&mut self, piece: &ImageData) -> Result<()> {
        self.filled += self.image.put(self.filled, piece)?;
        Ok(())
    }
}

impl Stream for ImageBands {
    type Item = Result<ImageData>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut step = self.ahead.take().unwrap_or_else(|| self.step(false));
        match Pin::new(&mut step).poll(context) {
            Poll::Pending => {
                self.ahead = Some(step);
                Poll::Pending
            }
            Poll::Ready(band) => Poll::Ready(band.transpose()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(shape: &[u64], units: &[u64], bytes: u64) -> Cut {
        let (axis, rows) = place_of_cut(shape, units, 1, bytes);
        Cut { shape: shape.to_vec(), axis, rows, band: 1, plain: Some((0, 1)), table: 0..0 }.with_bands(1, bytes)
    }

    #[test]
    fn pieces_cover_an_image_once_and_lie_together() {
        for (shape, bytes) in [([7, 4, 5], 45), ([7, 4, 5], 1000), ([7, 4, 5], 11), ([7, 4, 5], 2), ([1, 9, 3], 7)] {
            let cut = cut(&shape, &[1, 1, 1], bytes);
            let ends: Vec<u64> = (0..=cut.pieces()).filter_map(|piece| cut.needed_from(piece, None)).collect();
            assert_eq!((ends.first(), ends.last()), (Some(&0), Some(&shape.iter().product())), "{cut:?}");
            assert!(ends.windows(2).all(|ends| ends[0] < ends[1] && ends[1] - ends[0] <= bytes.max(1)), "{cut:?}");
            assert!(cut.axis == 0 || cut.pieces().is_multiple_of(cut.band), "{cut:?}");
        }
        assert_eq!(cut(&[0, 4], &[1, 1], 8).pieces(), 0);
        assert_eq!(cut(&[], &[], 8).pieces(), 0);
    }

    #[test]
    fn tiles_are_not_cut() {
        assert_eq!(place_of_cut(&[100, 100], &[32, 32], 1, 4000), (0, 32));
        assert_eq!(place_of_cut(&[100, 100], &[32, 32], 1, 7000), (0, 64));
        assert_eq!(place_of_cut(&[5, 100, 100], &[1, 32, 32], 1, 4000), (1, 32));
        assert_eq!(place_of_cut(&[5, 100, 100], &[2, 32, 32], 1, 4000), (0, 2));
    }

    #[test]
    fn bands_may_be_larger_than_pieces() {
        let (axis, rows) = place_of_cut(&[100, 10], &[1, 1], 1, 50);
        let whole = Cut { shape: vec![100, 10], axis, rows, band: 1, plain: Some((0, 1)), table: 0..0 };
        let cut = whole.with_bands(1, 170);
        assert_eq!((cut.rows, cut.band, cut.shape_of(18, 20)), (5, 3, vec![10, 10]));
    }

    #[test]
    fn a_band_of_several_pieces_is_one_row() {
        let cut = cut(&[3, 10, 10], &[1, 1, 1], 40);
        assert_eq!((cut.pieces(), cut.band), (9, 3));
        assert_eq!(cut.shape_of(0, 3), [1, 10, 10]);
        assert_eq!(cut.shape_of(0, 9), [3, 10, 10]);
    }
}
