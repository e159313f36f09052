//! Which cards an edit has touched since the header was last written, so that the others need not be compared with what the file has.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::header::Header;

/// The name of a state that a header was in; no two states have the same. The default one is no header's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderState(u64);

/// The bytes in which a header may differ from the state that was noted last; all others are the same, and where they were.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    state: HeaderState,
    bytes: Range<usize>,
}

impl Touched {
    /// Notes that bytes are replaced by as many others.
    pub(super) fn add(&mut self, bytes: Range<usize>) {
        self.bytes = match self.bytes.is_empty() {
            true => bytes,
            false => self.bytes.start.min(bytes.start)..self.bytes.end.max(bytes.end),
        };
    }

    /// Notes that cards move.
    pub(super) fn move_cards(&mut self) {
        self.state = HeaderState::default();
    }
}

impl Header {
    /// Notes the present state, and names it.
    pub(crate) fn note_state(&mut self) -> HeaderState {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let state = HeaderState(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        self.touched = Touched { state, bytes: 0..0 };
        state
    }

    /// The bytes of the cards in which the header may differ from that state; `None` where it may in any, and in its length.
    pub(crate) fn touched_since(&self, state: HeaderState) -> Option<Range<usize>> {
        let known = state != HeaderState::default() && state == self.touched.state;
        known.then(|| self.touched.bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let mut header = Header::new();
        for number in 0..100 {
            header.set(&format!("K{number}"), number).unwrap();
        }
        header
    }

    #[test]
    fn what_is_replaced_in_its_place_is_known() {
        let mut header = header();
        assert_eq!(header.touched_since(HeaderState::default()), None);
        let state = header.note_state();
        assert_eq!(header.touched_since(state), Some(0..0));
        header.set("K7", 1234).unwrap();
        header.set("K3", "text").unwrap();
        assert_eq!(header.touched_since(state), Some(3 * 80..8 * 80));
        // A copy knows it as well, and of a later state nothing.
        let copy = header.clone();
        assert_eq!(copy.touched_since(state), Some(3 * 80..8 * 80));
        let later = header.note_state();
        assert_eq!((header.touched_since(later), copy.touched_since(later)), (Some(0..0), None));
    }

    #[test]
    fn where_cards_move_nothing_is_known() {
        type Edit = fn(&mut Header) -> crate::Result<()>;
        let edits: [Edit; 5] = [
            |header| header.set("NEW", 1),
            |header| header.set("K7", "long ".repeat(40)),
            |header| header.remove("K99"),
            |header| header.add_history("text"),
            |header| {
                *header = Header::parse(&header.to_bytes());
                Ok(())
            },
        ];
        for edit in edits {
            let mut header = header();
            let state = header.note_state();
            edit(&mut header).unwrap();
            assert_eq!(header.touched_since(state), None);
        }
    }
}
