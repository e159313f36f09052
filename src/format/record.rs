//! A record: a keyword's cards within the bytes of a header (FITS 4.0 §4.1, §4.2.1.2).

use super::card::{CARD_BYTES, CardKind, KEYWORD_BYTES, classify};
use super::long::record_length;

/// A keyword with its cards: one, or several where a long string goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) keyword: (usize, usize),
    /// Where the value field starts within the first card; `None` for commentary.
    pub(super) value: Option<usize>,
}

impl Record {
    /// The record whose first card starts at byte `start`, if there is a card and it is not END.
    pub(super) fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let card = bytes.get(start..start + CARD_BYTES)?;
        let (keyword, value, cards) = match classify(card) {
            CardKind::End => return None,
            CardKind::Value { keyword, value } => {
                (keyword, Some(value), record_length(bytes.get(start..).unwrap_or_default(), value))
            }
            CardKind::Continue => ((0, KEYWORD_BYTES), None, 1),
            CardKind::Commentary { keyword } => (keyword, None, 1),
        };
        Some(Self { start, end: start + cards * CARD_BYTES, keyword, value })
    }

    /// The same record with its first card at byte `start`.
    pub(super) fn moved_to(self, start: usize) -> Self {
        Self { start, end: start + (self.end - self.start), ..self }
    }
}
