//! Writing an image: the header it gets, and how its values become bytes of the file (FITS 4.0 §4.4.1, §5.3).

use std::ops::Range;

use crate::edit::NewHdu;
use crate::error::{Error, Result};
use crate::format::structure::{MOST_AXES, element_count};
use crate::format::{DataType, Encoding, Header, Scaling, Value, to_big_endian};
use crate::source::{Content, Producer};

/// The longest EXTNAME that fits one card.
const LONGEST_NAME: usize = 68;

/// An image that is to be written.
pub(crate) struct NewImage<'a> {
    pub(crate) data_type: DataType,
    /// Slowest axis first.
    pub(crate) shape: &'a [usize],
    pub(crate) content: NewPixels<'a>,
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Option<i64>,
    /// The value that stands for a pixel without one.
    pub(crate) blank: Option<i128>,
    /// More cards: those of protected keywords are left out.
    pub(crate) cards: Option<&'a Header>,
}

/// What the pixels of a new image are.
pub(crate) enum NewPixels<'a> {
    /// All 0.
    Zeros,
    /// These elements in native byte order, slowest axis first, and for each element a byte that is not 0 where there is no value.
    Values(&'a [u8], Option<&'a [u8]>),
}

impl<'a> NewImage<'a> {
    /// The HDU that the image becomes.
    pub(crate) fn hdu(self, primary: bool) -> Result<NewHdu<'a>> {
        let header = self.header(primary)?;
        let data_len = self.data_len()?;
        let data = self.content()?.map(|producer| Content::Made { len: data_len, producer });
        Ok(NewHdu { header, data, data_len })
    }

    /// How many bytes the pixels take in the file.
    pub(crate) fn data_len(&self) -> Result<u64> {
        if self.shape.is_empty() {
            return Ok(0);
        }
        element_count(self.shape.iter().map(|&length| length as u64))
            .and_then(|count| count.checked_mul(self.data_type.size() as u64))
            .ok_or_else(|| Error::too_large(format!("an image of shape {:?} is larger than a file can be", self.shape)))
    }

    /// What makes the data unit; `None` where it is zeros.
    fn content(&self) -> Result<Option<Box<Producer<'a>>>> {
        let size = self.data_type.size();
        let flip = self.data_type.bzero() != "0";
        let (values, mask) = match self.content {
            NewPixels::Values(values, mask) => (values, mask),
            NewPixels::Zeros if !flip => return Ok(None),
            NewPixels::Zeros => {
                return Ok(Some(Box::new(move |span: Range<u64>, output: &mut [u8]| {
                    let top = |at: u64| if at.is_multiple_of(size as u64) { 0x80 } else { 0 };
                    output.iter_mut().zip(span).for_each(|(byte, at)| *byte = top(at));
                    Ok(())
                })));
            }
        };
        let Some(mask) = mask else {
            return Ok(Some(Box::new(move |span: Range<u64>, output: &mut [u8]| {
                let input = values.get(span.start as usize..span.end as usize).unwrap_or_default();
                to_big_endian(size, flip, input, output);
                Ok(())
            })));
        };
        let encoding = self.encoding()?;
        encoding.check(values, Some(mask), |index| format!("{:?}", element_position(index, self.shape)))?;
        Ok(Some(Box::new(move |span: Range<u64>, output: &mut [u8]| {
            let (start, end) = (span.start as usize, span.end as usize);
            let input = values.get(start..end).unwrap_or_default();
            encoding.encode(input, mask.get(start / size..end / size), output);
            Ok(())
        })))
    }

    /// How values become what is stored.
    pub(crate) fn encoding(&self) -> Result<Encoding> {
        Ok(Encoding::new(self.data_type, self.scaling()?))
    }

    /// How values are stored.
    fn scaling(&self) -> Result<Scaling> {
        let signed = self.data_type.bzero() != "0";
        let stored = if signed { self.data_type.shifted().unwrap_or(self.data_type) } else { self.data_type };
        let zero = self.data_type.bzero().parse().unwrap_or(0.0);
        Ok(Scaling::new(stored, 1.0, zero, self.stored_blank()?))
    }

    /// BLANK: the stored number that stands for no value.
    fn stored_blank(&self) -> Result<Option<i64>> {
        let Some(blank) = self.blank else { return Ok(None) };
        if self.data_type.is_float() {
            return Err(Error::argument("blank= is for images of integers: NaN stands for no value among floats"));
        }
        let bits = 8 * self.data_type.size() as u32;
        let lowest = if matches!(self.data_type.code().as_bytes(), [b'u', ..]) { 0 } else { -(1i128 << (bits - 1)) };
        if blank < lowest || blank >= lowest + (1i128 << bits) {
            return Err(Error::argument(format!("blank {blank} does not fit {}", self.data_type.code())));
        }
        let zero: i128 = self.data_type.bzero().parse().unwrap_or(0);
        Ok(i64::try_from(blank - zero).ok())
    }

    fn header(&self, primary: bool) -> Result<Vec<u8>> {
        if self.shape.len() > MOST_AXES as usize {
            return Err(Error::argument(format!(
                "the array has {} axes; FITS has at most {MOST_AXES}",
                self.shape.len()
            )));
        }
        let mut header = Header::new();
        if primary {
            header.set_structural("SIMPLE", true, "conforms to FITS standard")?;
        } else {
            header.set_structural("XTENSION", "IMAGE", "image extension")?;
        }
        header.set_structural("BITPIX", self.data_type.bitpix(), "bits per data value")?;
        header.set_structural("NAXIS", self.shape.len(), "number of axes")?;
        for (axis, length) in self.shape.iter().rev().enumerate() {
            header.set_structural(&format!("NAXIS{}", axis + 1), *length, "")?;
        }
        if primary {
            header.set_structural("EXTEND", true, "extensions may follow")?;
        } else {
            header.set_structural("PCOUNT", 0, "no parameters")?;
            header.set_structural("GCOUNT", 1, "one group")?;
        }
        self.describe(&mut header)?;
        Ok(header.to_bytes())
    }

    /// What a header says of the image beyond its structure.
    pub(crate) fn describe(&self, header: &mut Header) -> Result<()> {
        if self.data_type.bzero() != "0" {
            let bzero = Value::BigInteger(self.data_type.bzero().to_owned());
            header.set_structural("BSCALE", 1, "")?;
            header.set_structural("BZERO", bzero, "offset of the unsigned (or signed byte) range")?;
        }
        if let Some(blank) = self.stored_blank()? {
            header.set_structural("BLANK", blank, "stored number of pixels without a value")?;
        }
        if let Some(cards) = self.cards {
            header.update(cards, true);
        }
        set_name(header, self.name, self.version)
    }
}

/// A primary HDU without data, as it stands in front of what can only be an extension.
pub(crate) fn empty_primary() -> Result<NewHdu<'static>> {
    let content = NewPixels::Zeros;
    NewImage { data_type: DataType::U8, shape: &[], content, name: None, version: None, blank: None, cards: None }
        .hdu(true)
}

/// The position along each axis of an element.
pub(crate) fn element_position(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut positions: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let position = index % length.max(1);
            index /= length.max(1);
            position
        })
        .collect();
    positions.reverse();
    positions
}

/// Gives a new HDU its EXTNAME and EXTVER, where it has them.
pub(crate) fn set_name(header: &mut Header, name: Option<&str>, version: Option<i64>) -> Result<()> {
    if let Some(name) = name {
        check_name(name)?;
        header.set_structural("EXTNAME", name, "")?;
    }
    if let Some(version) = version {
        header.set_structural("EXTVER", version, "")?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if name.replace('\'', "''").len() > LONGEST_NAME {
        return Err(Error::argument(format!(
            "extname '{name}' is longer than the {LONGEST_NAME} characters that fit a card"
        )));
    }
    if !name.bytes().all(crate::format::card::is_printable) {
        return Err(Error::argument(format!("extname {name:?} holds characters that are not printable ASCII")));
    }
    Ok(())
}
