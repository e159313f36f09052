//! A header as the bytes of a file and as text (FITS 4.0 §3.3.1, §4.4.1.1).

use std::fmt;

use super::card::text;
use super::compose::push_card;
use super::structure::BLOCK_BYTES;
use super::{CARD_BYTES, Header};

impl Header {
    /// A header without cards, to be given to a new HDU.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::Header;
    ///
    /// let mut header = Header::new();
    /// header.set_with_comment("EXPTIME", 99.9, "seconds")?;
    /// header.add_history("made from nothing")?;
    /// assert_eq!(header.to_string(), "EXPTIME =                 99.9 / seconds\nHISTORY made from nothing");
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether these blocks of a file hold the cards of this header, and no more.
    pub(crate) fn is_of(&self, blocks: &[u8]) -> bool {
        blocks.strip_prefix(self.bytes.as_slice()).is_some_and(|rest| rest.starts_with(b"END     "))
    }

    /// The header as a file has it: the cards, END, and blanks up to a whole block of 2880 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut blocks = Vec::new();
        self.write_to(&mut blocks);
        blocks
    }

    /// As [`Header::to_bytes`], into memory that is there.
    pub(crate) fn write_to(&self, blocks: &mut Vec<u8>) {
        blocks.clear();
        blocks.reserve((self.bytes.len() + CARD_BYTES).next_multiple_of(BLOCK_BYTES as usize));
        blocks.extend_from_slice(&self.bytes);
        push_card(blocks, &[b"END"]);
        blocks.resize(blocks.len().next_multiple_of(BLOCK_BYTES as usize), b' ');
    }
}

/// One card a line, without the blanks at its end; END is left out.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, card) in self.bytes.chunks(CARD_BYTES).enumerate() {
            let line = text(card);
            write!(f, "{}{}", if number == 0 { "" } else { "\n" }, line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_fills_whole_blocks() {
        let mut header = Header::new();
        assert_eq!(header.to_bytes().len(), 2880);
        for number in 0..36 {
            header.set(&format!("KEY{number}"), number).unwrap();
            assert_eq!(header.to_bytes().len(), if number < 35 { 2880 } else { 5760 });
        }
        let bytes = header.to_bytes();
        assert_eq!(&bytes[2880..2883], b"END");
        assert!(bytes[2883..].iter().all(|&byte| byte == b' '));
        assert_eq!(Header::parse(&bytes).len(), 36);
        assert_eq!(header.to_string().lines().count(), 36);
    }
}
