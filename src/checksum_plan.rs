//! A read of an HDU for its checksum (FITS 4.0 §4.4.2.7): the sums of its pieces, which add up in any order.

use std::ops::Range;

use crate::directory::HduEntry;
use crate::error::Result;
use crate::format::checksum::Sum;
use crate::format::{DataType, Header, Value};
use crate::source::{BufferSize, ReadAt, ReadPlan, past_the_end, take};

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
    data: Range<u64>,
    expected: Expected,
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
    /// Plans the sum of the data unit.
    pub(crate) fn of_data(hdu: &HduEntry, source: &dyn ReadAt) -> Result<Self> {
        let layout = &hdu.layout;
        let (start, end) = (layout.data_start, layout.data_start.saturating_add(layout.data_len));
        if end > source.len() {
            return Err(past_the_end(start, usize::try_from(layout.data_len).unwrap_or(usize::MAX), source.len()));
        }
        // A file may end without the last padding.
        Ok(Self { data: start..end.max(layout.end().min(source.len())), expected: Expected::Nothing })
    }

    /// Plans to check a checksum; where there is none, the plan reads nothing.
    pub(crate) fn verify(hdu: &HduEntry, scope: Scope, source: &dyn ReadAt) -> Result<Self> {
        let expected = match scope {
            Scope::Data => stored(&hdu.header, "DATASUM")?.map(|text| Expected::Data(number(&text))),
            Scope::Hdu => match stored(&hdu.header, "CHECKSUM")? {
                Some(_) => Some(Expected::Hdu(header_sum(hdu, source)?)),
                None => None,
            },
        };
        match expected {
            Some(expected) => Ok(Self { expected, ..Self::of_data(hdu, source)? }),
            None => Ok(Self { data: 0..0, expected: Expected::Nothing }),
        }
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

    fn piece(&self, index: usize) -> Range<u64> {
        let start = self.data.start + index as u64 * PIECE_BYTES;
        start..(start + PIECE_BYTES).min(self.data.end)
    }
}

impl ReadPlan for ChecksumPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        vec![BufferSize { data_type: DataType::U32, elements: self.len() }]
    }

    fn len(&self) -> usize {
        (self.data.end - self.data.start).div_ceil(PIECE_BYTES) as usize
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        vec![self.piece(index)]
    }

    fn output_sizes(&self, _index: usize) -> Vec<usize> {
        vec![4]
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let sum = sum_of(source, self.piece(index))?;
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
