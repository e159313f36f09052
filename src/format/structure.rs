//! How an HDU is laid out: header blocks, data unit, padding (FITS 4.0 §3, §4.4.1, §6, §7).

use super::card::CARD_BYTES;
use super::endian::DataType;
use super::header::Header;
use crate::error::{Error, Result, ResultExt};

/// FITS files are made of blocks of this many bytes (§3.1).
pub(crate) const BLOCK_BYTES: u64 = 2880;
/// The most axes that an array can have (§4.4.1.1).
pub(crate) const MOST_AXES: i64 = 999;

/// `len` rounded up to whole blocks; `None` past 2^64.
pub(crate) fn padded(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(BLOCK_BYTES)
}

/// What an HDU holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HduKind {
    /// An array: the primary HDU or an IMAGE extension (§7.1).
    Image,
    /// A binary table (§7.3).
    BinaryTable,
    /// An ASCII table (§7.2).
    AsciiTable,
    /// An image in compressed tiles, which is stored in a binary table (§10.1).
    CompressedImage,
    /// A table in compressed tiles (§10.3).
    CompressedTable,
    /// Random groups (§6).
    RandomGroups,
    /// An extension of a type that the standard does not define.
    Other,
}

/// The mandatory keywords of an HDU, checked, and where its data unit is.
#[derive(Clone, Debug)]
pub(crate) struct HduLayout {
    pub(crate) kind: HduKind,
    pub(crate) stored: DataType,
    /// NAXISn in FITS order: the fastest axis first.
    pub(crate) axes: Vec<u64>,
    /// Where the data unit starts.
    pub(crate) data_start: u64,
    /// How long the data unit is without its padding.
    pub(crate) data_len: u64,
}

impl HduLayout {
    /// Reads the mandatory keywords of a header whose data unit starts at byte `data_start` of the file.
    pub(crate) fn new(header: &Header, data_start: u64) -> Result<Self> {
        let bitpix = header.integer("BITPIX")?.ok_or_else(|| missing("BITPIX"))?;
        let stored = DataType::from_bitpix(bitpix)
            .ok_or_else(|| illegal("BITPIX", format!("is {bitpix}; the standard has 8, 16, 32, 64, -32 and -64")))?;
        let axes = axes(header, "NAXIS")?;
        let extension = extension(header)?;
        let groups = extension.is_none() && axes.first() == Some(&0) && header.flag("GROUPS");
        let pcount = count(header, "PCOUNT", 0)?;
        let gcount = count(header, "GCOUNT", 1)?;
        let kind = match extension.as_deref() {
            None if groups => HduKind::RandomGroups,
            None | Some("IMAGE" | "IUEIMAGE") => HduKind::Image,
            Some("TABLE") => HduKind::AsciiTable,
            Some("BINTABLE" | "A3DTABLE") if header.flag("ZIMAGE") => HduKind::CompressedImage,
            Some("BINTABLE" | "A3DTABLE") if header.flag("ZTABLE") => HduKind::CompressedTable,
            Some("BINTABLE" | "A3DTABLE") => HduKind::BinaryTable,
            Some(_) => HduKind::Other,
        };
        let data_len = data_len(
            stored,
            if groups { axes.get(1..).unwrap_or_default() } else { &axes },
            pcount,
            gcount,
            extension.is_none() && !groups,
        )
        .ok_or_else(|| illegal("NAXISn", "multiply past 2^63 bytes: no such file can exist".into()))?;
        Ok(Self { kind, stored, axes, data_start, data_len })
    }

    /// Where the next HDU starts, if there is one.
    pub(crate) fn end(&self) -> u64 {
        padded(self.data_len).and_then(|len| self.data_start.checked_add(len)).unwrap_or(u64::MAX)
    }

    /// Whether there are data: NAXIS > 0 and every NAXISn > 0.
    pub(crate) fn has_data(&self) -> bool {
        !self.axes.is_empty() && self.axes.iter().all(|&length| length > 0)
    }
}

/// XTENSION, which only the primary HDU lacks: a card without a usable name must not make an image of a table.
fn extension(header: &Header) -> Result<Option<String>> {
    match header.text("XTENSION")? {
        None if header.contains("XTENSION") => Err(illegal("XTENSION", "has no value".into())),
        name => Ok(name.map(|name| name.trim_end().to_owned())),
    }
}

/// The lengths of the axes, fastest first, from NAXIS and NAXISn (or ZNAXIS and ZNAXISn).
pub(crate) fn axes(header: &Header, keyword: &str) -> Result<Vec<u64>> {
    let number = header.integer(keyword)?.ok_or_else(|| missing(keyword))?;
    if !(0..=MOST_AXES).contains(&number) {
        return Err(illegal(keyword, format!("is {number}; an array has 0 to {MOST_AXES} axes")));
    }
    (1..=number)
        .map(|axis| {
            let keyword = format!("{keyword}{axis}");
            let length = header.integer(&keyword)?.ok_or_else(|| missing(&keyword))?;
            u64::try_from(length).map_err(|_| illegal(&keyword, format!("is {length}; a length is not negative")))
        })
        .collect()
}

fn count(header: &Header, keyword: &str, default: u64) -> Result<u64> {
    match header.integer(keyword)? {
        None => Ok(default),
        Some(number) => {
            u64::try_from(number).map_err(|_| illegal(keyword, format!("is {number}; a count is not negative")))
        }
    }
}

/// The size of the data unit (§4.4.1.2 eq. 2, §6.1.1); a primary array has no PCOUNT and GCOUNT that count.
fn data_len(stored: DataType, axes: &[u64], pcount: u64, gcount: u64, primary: bool) -> Option<u64> {
    if axes.is_empty() {
        return Some(0);
    }
    let elements = element_count(axes.iter().copied())?;
    let total = if primary { elements } else { elements.checked_add(pcount)?.checked_mul(gcount)? };
    total.checked_mul(stored.size() as u64).filter(|&len| i64::try_from(len).is_ok())
}

/// How many elements an array with axes of these lengths has; `None` past 2^64.
pub(crate) fn element_count(lengths: impl Iterator<Item = u64> + Clone) -> Option<u64> {
    if lengths.clone().any(|length| length == 0) {
        return Some(0);
    }
    lengths.into_iter().try_fold(1u64, |product, length| product.checked_mul(length))
}

fn missing(keyword: &str) -> Error {
    illegal(keyword, "is mandatory and missing: this is no complete header".into())
}

fn illegal(keyword: &str, message: String) -> Error {
    Error::illegal(message).in_item(|| format!("keyword {keyword}"))
}

/// Where the header that starts `bytes` ends: the offset behind its END card, if that is there.
pub(crate) fn header_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut offset = from;
    while let Some(card) = bytes.get(offset..offset + CARD_BYTES) {
        if card.starts_with(b"END     ") && super::classify(card) == super::CardKind::End {
            return Some(offset + CARD_BYTES);
        }
        offset += CARD_BYTES;
    }
    None
}

/// Checks how a file starts (§4.4.1.1).
pub(crate) fn check_start(bytes: &[u8], file_len: u64) -> Result<()> {
    if file_len == 0 {
        return Err(Error::truncated("the file is empty (0 bytes): nothing to read"));
    }
    if !bytes.starts_with(b"SIMPLE  =") {
        return Err(Error::corrupt(format!(
            "the file of {file_len} bytes does not start like FITS: its first card is not SIMPLE"
        )));
    }
    if file_len < BLOCK_BYTES {
        return Err(Error::truncated(format!(
            "the file has {file_len} bytes, less than one FITS block of {BLOCK_BYTES}: it is cut short"
        )));
    }
    Ok(())
}

/// Adds the HDU to an error of its layout.
pub(crate) fn layout_of(header: &Header, index: usize, data_start: u64) -> Result<HduLayout> {
    HduLayout::new(header, data_start).in_hdu(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn layout(cards: &[&str]) -> Result<HduLayout> {
        let bytes: String = cards.iter().map(|card| format!("{card:<80}")).collect();
        HduLayout::new(&Header::parse(bytes.as_bytes()), BLOCK_BYTES)
    }

    #[test]
    fn data_units_are_measured() {
        let image =
            layout(&["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 30000", "NAXIS2  = 20000"]).unwrap();
        assert_eq!(image.data_len, 2_400_000_000);
        let table = layout(&[
            "XTENSION= 'BINTABLE'",
            "BITPIX  = 8",
            "NAXIS   = 2",
            "NAXIS1  = 10",
            "NAXIS2  = 3",
            "PCOUNT  = 7",
            "GCOUNT  = 1",
        ])
        .unwrap();
        assert_eq!((table.data_len, table.end()), (37, 2 * BLOCK_BYTES));
        let groups = layout(&[
            "SIMPLE  = T",
            "BITPIX  = 16",
            "NAXIS   = 3",
            "NAXIS1  = 0",
            "NAXIS2  = 4",
            "NAXIS3  = 5",
            "GROUPS  = T",
            "PCOUNT  = 2",
            "GCOUNT  = 3",
        ])
        .unwrap();
        assert_eq!((groups.kind, groups.data_len), (HduKind::RandomGroups, 2 * 3 * 22));
        assert!(!groups.has_data());
    }

    #[test]
    fn sizes_past_all_bounds_are_refused() {
        let huge = ["SIMPLE  = T", "BITPIX  = 64", "NAXIS   = 2", "NAXIS1  = 4294967296", "NAXIS2  = 4294967296"];
        assert_eq!(layout(&huge).unwrap_err().kind(), ErrorKind::Illegal);
        assert!(layout(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1000"]).is_err());
        assert!(layout(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -1"]).is_err());
        assert!(layout(&["SIMPLE  = T", "BITPIX  = 7", "NAXIS   = 0"]).unwrap_err().to_string().contains("BITPIX"));
    }
}
