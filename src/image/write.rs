//! Writing an image: the header it gets, and how its values become bytes of the file (FITS 4.0 §4.4.1, §5.3).

use std::ops::Range;

use crate::error::{Error, Result};
use crate::format::structure::MOST_AXES;
use crate::format::{DataType, Header, Value, padded, to_big_endian};
use crate::source::{Content, Step};

/// The longest EXTNAME that fits one card.
const LONGEST_NAME: usize = 68;

/// An image that is to be written.
pub(crate) struct NewImage<'a> {
    pub(crate) data_type: DataType,
    /// Slowest axis first.
    pub(crate) shape: &'a [usize],
    /// The elements in native byte order, slowest axis first.
    pub(crate) values: &'a [u8],
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Option<i64>,
}

impl<'a> NewImage<'a> {
    /// Plans to append the image to a file whose HDUs end at byte `at`: as the primary HDU where the file is empty.
    /// Returns the plan and the header's bytes.
    pub(crate) fn append(self, at: u64) -> Result<(Vec<Step<'a>>, Vec<u8>)> {
        let header = self.header(at == 0)?;
        let data_start = at + header.len() as u64;
        let size = self.data_type.size();
        let flip = self.data_type.bzero() != "0";
        let values = self.values;
        let producer = move |span: Range<u64>, output: &mut [u8]| {
            let input = values.get(span.start as usize..span.end as usize).unwrap_or_default();
            to_big_endian(size, flip, input, output);
            Ok(())
        };
        let len = values.len() as u64;
        let end = padded(len)
            .and_then(|len| data_start.checked_add(len))
            .ok_or_else(|| Error::too_large("the image is too large"))?;
        let plan = vec![
            Step::Write { at: data_start, content: Content::Made { len, producer: Box::new(producer) } },
            Step::SetLen(end),
            // The header comes last: a killed write leaves bytes that are no HDU, and not an HDU without its data.
            Step::Write { at, content: Content::Bytes(header.clone()) },
        ];
        Ok((plan, header))
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
        if self.data_type.bzero() != "0" {
            let bzero = Value::BigInteger(self.data_type.bzero().to_owned());
            header.set_structural("BSCALE", 1, "")?;
            header.set_structural("BZERO", bzero, "offset of the unsigned (or signed byte) range")?;
        }
        if let Some(name) = self.name {
            check_name(name)?;
            header.set_structural("EXTNAME", name, "")?;
        }
        if let Some(version) = self.version {
            header.set_structural("EXTVER", version, "")?;
        }
        Ok(header.to_bytes())
    }
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
