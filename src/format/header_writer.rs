//! Makes the cards of a header: fixed format values, padding to whole blocks (FITS 4.0 §4.2).

use super::card::CARD_BYTES;
use super::structure::BLOCK_BYTES;

/// The cards of a header that is being made.
#[derive(Debug, Default)]
pub(crate) struct HeaderWriter {
    cards: Vec<u8>,
}

impl HeaderWriter {
    /// A logical, right-justified in column 30.
    pub(crate) fn logical(&mut self, keyword: &str, value: bool, comment: &str) {
        self.fixed(keyword, if value { "T" } else { "F" }, comment);
    }

    /// A number given as its text, right-justified in column 30.
    pub(crate) fn number(&mut self, keyword: &str, value: impl std::fmt::Display, comment: &str) {
        self.fixed(keyword, &value.to_string(), comment);
    }

    /// A string of at most 68 characters once its quotes are doubled; longer ones are cut.
    pub(crate) fn string(&mut self, keyword: &str, value: &str, comment: &str) {
        let quoted = format!("'{:<8}'", value.replace('\'', "''"));
        self.card(&with_comment(&format!("{keyword:<8}= {quoted:<20}"), comment));
    }

    fn fixed(&mut self, keyword: &str, value: &str, comment: &str) {
        self.card(&with_comment(&format!("{keyword:<8}= {value:>20}"), comment));
    }

    fn card(&mut self, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(CARD_BYTES, b' ');
        self.cards.extend_from_slice(&bytes);
    }

    /// Adds END and fills the last block with blanks.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.card("END");
        let len = self.cards.len().next_multiple_of(BLOCK_BYTES as usize);
        self.cards.resize(len, b' ');
        self.cards
    }
}

fn with_comment(text: &str, comment: &str) -> String {
    if comment.is_empty() { text.to_owned() } else { format!("{text} / {comment}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Header;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = HeaderWriter::default();
        writer.logical("SIMPLE", true, "conforms to FITS standard");
        writer.number("BITPIX", -32, "");
        writer.string("EXTNAME", "it's", "name");
        let bytes = writer.finish();
        assert_eq!(bytes.len() as u64, BLOCK_BYTES);
        let header = Header::parse(&bytes);
        assert!(header.get::<bool>("SIMPLE").unwrap());
        assert_eq!(header.get::<i64>("BITPIX").unwrap(), -32);
        assert_eq!(header.get::<String>("EXTNAME").unwrap(), "it's");
        assert_eq!(header.comment("EXTNAME").unwrap(), "name");
    }
}
