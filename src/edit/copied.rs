//! The header of an HDU that is copied to another place (FITS 4.0 §4.4.1).

use crate::error::{Error, Result};
use crate::format::structure::{BLOCK_BYTES, header_end};
use crate::format::{CARD_BYTES, Header};

/// The header of an HDU as an extension: its own bytes where it is one; else those of an image that was the primary one.
///
/// # Errors
///
/// Random groups have no form as an extension.
pub(crate) fn as_extension(header: &Header) -> Result<Vec<u8>> {
    let blocks = header.to_bytes();
    if !header.contains("SIMPLE") {
        return Ok(blocks);
    }
    if header.flag("GROUPS") {
        return Err(Error::unsupported("random groups can only be a primary HDU: copy them into an empty file"));
    }
    let mut new = Header::new();
    new.set_structural("XTENSION", "IMAGE", "image extension")?;
    new.set_structural("PCOUNT", 0, "no parameters")?;
    new.set_structural("GCOUNT", 1, "one group")?;
    let made = new.to_bytes();
    let (extension, counts) = made.get(..3 * CARD_BYTES).unwrap_or_default().split_at(CARD_BYTES);
    let mut cards = Vec::with_capacity(blocks.len() + CARD_BYTES);
    let mut axes_end = 0;
    for card in blocks.get(..header_end(&blocks, 0).unwrap_or(0)).unwrap_or_default().chunks(CARD_BYTES) {
        let keyword = card.get(..8).unwrap_or_default().trim_ascii_end();
        match keyword {
            b"SIMPLE" => cards.extend_from_slice(extension),
            // The checksum was that of the primary HDU.
            b"EXTEND" | b"PCOUNT" | b"GCOUNT" | b"CHECKSUM" => {}
            _ => cards.extend_from_slice(card),
        }
        if keyword.strip_prefix(b"NAXIS").is_some_and(|number| number.iter().all(u8::is_ascii_digit)) {
            axes_end = cards.len();
        }
    }
    cards.splice(axes_end..axes_end, counts.iter().copied());
    cards.resize(cards.len().next_multiple_of(BLOCK_BYTES as usize), b' ');
    Ok(cards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_image_becomes_an_extension() {
        let mut primary = Header::new();
        primary.set_structural("SIMPLE", true, "").unwrap();
        for (keyword, value) in [("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 3), ("NAXIS2", 4)] {
            primary.set_structural(keyword, value, "").unwrap();
        }
        primary.set_structural("EXTEND", true, "").unwrap();
        primary.set_structural("CHECKSUM", "0", "").unwrap();
        primary.set("EXPTIME", 30).unwrap();
        let extension = Header::parse(&as_extension(&primary).unwrap());
        let keywords: Vec<String> = extension.keywords().collect();
        assert_eq!(keywords, ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "EXPTIME"]);
        assert_eq!(as_extension(&extension).unwrap(), extension.to_bytes());
        primary.set_structural("GROUPS", true, "").unwrap();
        assert!(as_extension(&primary).is_err());
    }
}
