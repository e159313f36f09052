//! A read of an HDU for its checksum (FITS 4.0 §4.4.2.7): the sums of its pieces, which add up in any order.
//!
//! ZDATASUM and ZHECKSUM of a compressed image or table are those of the HDU that it stands for (§10.1.1, §10.3.1): its pixels or rows are unpacked, tile by tile.

use std::borrow::Cow;
use std::ops::Range;

use crate::directory::HduEntry;
use crate::error::Result;
use crate::format::checksum::Sum;
use crate::format::{DataType, HduKind, Header, Value};
use crate::image::ImageRequest;
use crate::source::{BufferSize, ReadAt, ReadPlan, past_the_end, take};
use crate::tiled::{TiledPlan, TiledTableSum, image_header};

/// How much is read for one sum: a multiple of four.
const PIECE_BYTES: u64 = 1 << 20;

/// What a checksum is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The data unit: DATASUM.
    Data,
    /// The HDU: CHECKSUM.
    Hdu,
}

/// The sums of the pieces of a data unit.
#[derive(Debug)]
pub(crate) struct ChecksumPlan {
    content: Content,
    expected: Expected,
}

/// What is summed up.
#[derive(Debug)]
enum Content {
    /// These bytes of the file.
    Bytes(Range<u64>),
    /// The pixels of a compressed image.
    Pixels(Box<TiledPlan>),
    /// The rows and the heap of a compressed table.
    Rows(Box<TiledTableSum>),
}

/// Of which form of an HDU a checksum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is in the file.
    Stored,
    /// A compressed image as it is when it is not compressed.
    Image,
    /// A compressed table as it is when it is not compressed.
    Table,
}

impl Form {
    /// DATASUM and CHECKSUM, as they are called for this form.
    pub(crate) fn keywords(self) -> [&'static str; 2] {
        match self {
            Self::Stored => ["DATASUM", "CHECKSUM"],
            Self::Image | Self::Table => ["ZDATASUM", "ZHECKSUM"],
        }
    }

    /// The form that checksums are made for.
    pub(crate) fn of(hdu: &HduEntry) -> Self {
        match hdu.layout.kind {
            HduKind::CompressedImage => Self::Image,
            HduKind::CompressedTable => Self::Table,
            _ => Self::Stored,
        }
    }

    /// What this form has as its header; `header` is that in the file.
    pub(crate) fn header(self, header: &Header) -> Result<Cow<'_, Header>> {
        Ok(match self {
            Self::Stored => Cow::Borrowed(header),
            Self::Image => Cow::Owned(image_header(header)),
            Self::Table => Cow::Owned(header.of_uncompressed_table()?),
        })
    }
}

/// What the sum of the data is held against.
#[derive(Debug)]
enum Expected {
    /// Nothing: it is wanted itself, or there is no card.
    Nothing,
    /// DATASUM; `None` where its text is no number.
    Data(Option<Sum>),
    /// With that of the header, it completes the HDU.
    Hdu(Sum),
}

impl ChecksumPlan {
    /// Plans the sum of the data.
    pub(crate) fn of_data(hdu: &HduEntry, form: Form, source: &dyn ReadAt) -> Result<Self> {
        let unpacked = match form {
            Form::Stored => None,
            Form::Image => {
                let request = ImageRequest { section: None, unscaled: true, mask: false };
                Some(Content::Pixels(Box::new(TiledPlan::locate(hdu, &request, source)?)))
            }
            Form::Table => Some(Content::Rows(Box::new(TiledTableSum::locate(hdu, source)?))),
        };
        if let Some(content) = unpacked {
            return Ok(Self { content, expected: Expected::Nothing });
        }
        let layout = &hdu.layout;
        let (start, end) = (layout.data_start, layout.data_start.saturating_add(layout.data_len));
        if end > source.len() {
            return Err(past_the_end(start, usize::try_from(layout.data_len).unwrap_or(usize::MAX), source.len()));
        }
        // A file may end without the last padding.
        let content = Content::Bytes(start..end.max(layout.end().min(source.len())));
        Ok(Self { content, expected: Expected::Nothing })
    }

    /// Plans to check a checksum; where there is none, the plan reads nothing. A compressed HDU without one of what it stands for is checked as it is
    /// stored.
    pub(crate) fn verify(hdu: &HduEntry, scope: Scope, source: &dyn ReadAt) -> Result<Self> {
        for form in [Form::of(hdu), Form::Stored] {
            let [data, checksum] = form.keywords();
            let expected = match scope {
                Scope::Data => stored(&hdu.header, data)?.map(|text| Expected::Data(number(&text))),
                Scope::Hdu => match stored(&hdu.header, checksum)? {
                    Some(_) if form == Form::Stored => Some(Expected::Hdu(header_sum(hdu, source)?)),
                    Some(_) => Some(Expected::Hdu(Sum::of(&form.header(&hdu.header)?.to_bytes()))),
                    None => None,
                },
            };
            if let Some(expected) = expected {
                return Ok(Self { expected, ..Self::of_data(hdu, form, source)? });
            }
        }
        Ok(Self { content: Content::Bytes(0..0), expected: Expected::Nothing })
    }

    /// The sum of the data, from the sums of the pieces in native byte order.
    pub(crate) fn sum(pieces: &[u8]) -> Sum {
        let sums = pieces.as_chunks::<4>().0.iter().map(|&piece| Sum::from_number(u32::from_ne_bytes(piece)));
        sums.fold(Sum::default(), Sum::with)
    }

    /// Whether the checksum is right; `None` where there is none.
    pub(crate) fn verdict(&self, pieces: &[u8]) -> Option<bool> {
        let data = Self::sum(pieces);
        match self.expected {
            Expected::Nothing => None,
            Expected::Data(expected) => Some(expected.is_some_and(|expected| expected.is_same(data))),
            Expected::Hdu(header) => Some(header.with(data).is_complete()),
        }
    }
}

fn piece(data: &Range<u64>, index: usize) -> Range<u64> {
    let start = data.start + index as u64 * PIECE_BYTES;
    start..(start + PIECE_BYTES).min(data.end)
}

impl ReadPlan for ChecksumPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        vec![BufferSize { data_type: DataType::U32, elements: self.len() }]
    }

    fn len(&self) -> usize {
        match &self.content {
            Content::Bytes(data) => (data.end - data.start).div_ceil(PIECE_BYTES) as usize,
            Content::Pixels(plan) => plan.len(),
            Content::Rows(plan) => plan.len(),
        }
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        match &self.content {
            Content::Bytes(data) => vec![piece(data, index)],
            Content::Pixels(plan) => plan.ranges(index),
            Content::Rows(plan) => plan.ranges(index),
        }
    }

    fn output_sizes(&self, _index: usize) -> Vec<usize> {
        vec![4]
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let sum = match &self.content {
            Content::Bytes(data) => sum_of(source, piece(data, index))?,
            Content::Pixels(plan) => plan.sum(index, source)?,
            Content::Rows(plan) => plan.sum(index, source)?,
        };
        let mut sizes = outputs.iter_mut();
        if let Some(output) = sizes.next() {
            take(output, 4)?.copy_from_slice(&sum.number().to_ne_bytes());
        }
        Ok(())
    }
}

fn sum_of(source: &dyn ReadAt, range: Range<u64>) -> Result<Sum> {
    let len = (range.end - range.start) as usize;
    if let Some(bytes) = source.bytes() {
        return crate::source::slice(bytes, range.start, len).map(Sum::of);
    }
    let mut scratch = vec![0; len];
    source.read_at(range.start, &mut scratch)?;
    Ok(Sum::of(&scratch))
}

/// The sum of the header as the file has it, or will have it where an edit waits for its move.
fn header_sum(hdu: &HduEntry, source: &dyn ReadAt) -> Result<Sum> {
    let bytes = hdu.header.to_bytes();
    if let Some(start) = hdu.layout.data_start.checked_sub(bytes.len() as u64) {
        let range = start..hdu.layout.data_start;
        source.require(std::slice::from_ref(&range))?;
        let mut blocks = vec![0; bytes.len()];
        source.read_at(start, &mut blocks)?;
        if hdu.header.is_of(&blocks) {
            return Ok(Sum::of(&blocks));
        }
    }
    Ok(Sum::of(&bytes))
}

/// The text of a checksum; blanks stand for one that is not known.
fn stored(header: &Header, keyword: &str) -> Result<Option<String>> {
    if !header.contains(keyword) {
        return Ok(None);
    }
    let text = match header.value(keyword)? {
        Value::String(text) => text,
        Value::Undefined => return Ok(None),
        other => other.to_string(),
    };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn number(text: &str) -> Option<Sum> {
    text.parse().ok().map(Sum::from_number)
}
