//! Changing headers: in place where they keep their blocks, by moving what follows where they don't (FITS 4.0 §3.3.1).
//!
//! A process that is killed can cut one write at a page boundary and nowhere else. A change in place is therefore a sequence of
//! writes within a page each, after every one of which the header consists of old and new cards, whole.

use std::collections::HashSet;
use std::ops::Range;

use crate::format::CARD_BYTES;
use crate::format::structure::header_end;
use crate::source::{Content, EditPlan, Piece, Step};

/// Where a write can be cut.
const PAGE_BYTES: u64 = 4096;
/// A change that touches more pages is not worth the search for an order.
const MOST_PAGES: usize = 16;

/// How the new bytes of a header get into the file.
pub(crate) enum HeaderChange {
    /// They are there.
    Nothing,
    /// By these writes.
    InPlace(Vec<Step<'static>>),
    /// By a new file: the header changes its size, or no order of writes keeps it whole.
    Moves,
}

/// How the header in the blocks `old`, which start at offset `start` of the file, becomes `new`.
pub(crate) fn header_change(old: &[u8], new: &[u8], start: u64) -> HeaderChange {
    if old.len() != new.len() {
        return HeaderChange::Moves;
    }
    let mut ranges = differing_pages(old, new, start);
    if ranges.is_empty() {
        return HeaderChange::Nothing;
    }
    if ranges.len() > MOST_PAGES {
        return HeaderChange::Moves;
    }
    let stays_whole = |ranges: &[Range<usize>]| keeps_cards_whole(old, new, ranges);
    if ranges.len() > 1 && !stays_whole(&ranges) {
        // Cards that are added lie behind the old END until it is overwritten.
        ranges.reverse();
        if !stays_whole(&ranges) {
            return HeaderChange::Moves;
        }
    }
    let write = |range: Range<usize>| Step::Write {
        at: start + range.start as u64,
        content: Content::Bytes(new.get(range).unwrap_or_default().to_vec()),
    };
    HeaderChange::InPlace(ranges.into_iter().map(write).collect())
}

/// As [`header_change`], for a range that starts at `start` and outside of which nothing differs; `None` where more than one page changes.
pub(crate) fn change_of_page(old: &[u8], new: &[u8], start: u64) -> Option<HeaderChange> {
    let Some(range) = differing(old, new) else { return Some(HeaderChange::Nothing) };
    let at = start + range.start as u64;
    if at / PAGE_BYTES != (start + range.end as u64 - 1) / PAGE_BYTES {
        return None;
    }
    let content = Content::Bytes(new.get(range)?.to_vec());
    Some(HeaderChange::InPlace(vec![Step::Write { at, content }]))
}

/// The bytes that differ: of each page of the file, from the first to the last of them.
fn differing_pages(old: &[u8], new: &[u8], start: u64) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < old.len() {
        let page_end = (PAGE_BYTES - (start + at as u64) % PAGE_BYTES) as usize + at;
        let page = at..page_end.min(old.len());
        at = page.end;
        let (old, new) = (old.get(page.clone()).unwrap_or_default(), new.get(page.clone()).unwrap_or_default());
        if old == new {
            continue;
        }
        if let Some(differing) = differing(old, new) {
            ranges.push(page.start + differing.start..page.start + differing.end);
        }
    }
    ranges
}

/// From the first byte that differs to the last.
fn differing(old: &[u8], new: &[u8]) -> Option<Range<usize>> {
    // Pieces are compared at once, bytes one by one.
    let mut pieces = old.chunks(CARD_BYTES).zip(new.chunks(CARD_BYTES));
    let first_piece = pieces.clone().position(|(old, new)| old != new)? * CARD_BYTES;
    let last_piece = pieces.rposition(|(old, new)| old != new)? * CARD_BYTES;
    let mut from_first = old.iter().zip(new).skip(first_piece);
    let first = first_piece + from_first.position(|(old, new)| old != new)?;
    let mut from_last = old.iter().zip(new).skip(last_piece).take(CARD_BYTES);
    let last = last_piece + from_last.rposition(|(old, new)| old != new)?;
    Some(first..last + 1)
}

/// Whether after each of these writes the header has an END card, only cards of its old or its new state, and all that both have.
fn keeps_cards_whole(old: &[u8], new: &[u8], ranges: &[Range<usize>]) -> bool {
    let (before, after) = (cards(old), cards(new));
    let mut state = old.to_vec();
    for range in ranges {
        if let (Some(place), Some(bytes)) = (state.get_mut(range.clone()), new.get(range.clone())) {
            place.copy_from_slice(bytes);
        }
        if header_end(&state, 0).is_none() {
            return false;
        }
        let between = cards(&state);
        let whole = between.iter().all(|card| before.contains(card) || after.contains(card));
        if !whole || !before.intersection(&after).all(|card| between.contains(card)) {
            return false;
        }
    }
    true
}

/// The cards of a header up to END.
fn cards(blocks: &[u8]) -> HashSet<&[u8]> {
    let end = header_end(blocks, 0).unwrap_or(0);
    blocks.get(..end).unwrap_or_default().chunks(CARD_BYTES).collect()
}

/// The file with new headers in the place of the ranges where the old ones lie, in ascending order.
pub(crate) fn with_headers(file_len: u64, headers: Vec<(Range<u64>, Vec<u8>)>) -> EditPlan<'static> {
    let mut pieces = Vec::with_capacity(2 * headers.len() + 1);
    let mut at = 0;
    for (old, new) in headers {
        pieces.push(Piece::Old(at..old.start.max(at)));
        pieces.push(Piece::New(Content::Bytes(new)));
        at = old.end;
    }
    pieces.push(Piece::Old(at..file_len.max(at)));
    pieces.retain(|piece| piece.len() > 0);
    EditPlan::Assemble(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Header;

    fn header(count: usize, width: usize) -> Header {
        let mut header = Header::new();
        for number in 0..count {
            header.set(&format!("K{number}"), "x".repeat(width)).unwrap();
        }
        header
    }

    /// The states of the header after each step.
    fn states(old: &[u8], new: &[u8], start: u64) -> Vec<Vec<u8>> {
        let HeaderChange::InPlace(steps) = header_change(old, new, start) else { panic!("not in place") };
        let mut state = old.to_vec();
        let mut states = Vec::new();
        for step in steps {
            let Step::Write { at, content: Content::Bytes(bytes) } = step else { panic!("no write") };
            assert_eq!(at / PAGE_BYTES, (at + bytes.len() as u64 - 1) / PAGE_BYTES, "a write within a page");
            let at = (at - start) as usize;
            state[at..at + bytes.len()].copy_from_slice(&bytes);
            states.push(state.clone());
        }
        assert_eq!(state, new);
        states
    }

    #[test]
    fn a_card_within_a_page_is_one_write() {
        let mut edited = header(100, 8);
        let old = edited.to_bytes();
        edited.set("K7", "y").unwrap();
        assert_eq!(states(&old, &edited.to_bytes(), 2880).len(), 1);
        assert!(matches!(header_change(&old, &old, 0), HeaderChange::Nothing));
    }

    #[test]
    fn changes_in_several_pages_leave_whole_cards_in_between() {
        let mut edited = header(150, 8);
        let old = edited.to_bytes();
        edited.set("K3", "y").unwrap();
        edited.set("K120", "z").unwrap();
        let states = states(&old, &edited.to_bytes(), 0);
        assert_eq!(states.len(), 2);
        for state in states {
            let between = Header::parse(&state);
            assert_eq!(between.len(), 150);
            assert_eq!(between.get::<String>("K77").unwrap(), "xxxxxxxx");
        }
    }

    #[test]
    fn cards_added_across_a_page_appear_at_once() {
        // The END card of 50 cards lies in the first page, the cards that are added reach into the second.
        let mut edited = header(50, 8);
        let old = edited.to_bytes();
        for number in 0..15 {
            edited.set(&format!("NEW{number}"), number).unwrap();
        }
        let states = states(&old, &edited.to_bytes(), 0);
        assert_eq!(Header::parse(&states[0]).len(), 50);
        assert_eq!(Header::parse(&states[1]).len(), 65);
    }

    #[test]
    fn no_card_is_missing_while_others_shift() {
        // Only keywords differ, and a page ends behind one: removing shifts cards whole, and the one at the seam stands twice for a moment.
        let mut edited = header(100, 8);
        let old = edited.to_bytes();
        edited.remove("K0").unwrap();
        let new = edited.to_bytes();
        let states = states(&old, &new, 0);
        assert_eq!(Header::parse(&states[0]).len(), 100);
        // A card that is put in front of the others is the same from the other end.
        assert!(matches!(header_change(&new, &old, 0), HeaderChange::InPlace(_)));
    }

    #[test]
    fn a_header_that_changes_its_size_or_tears_a_card_moves() {
        let mut edited = Header::new();
        for number in 0..100 {
            edited.set(&format!("K{number}"), format!("{}", number * 7919).repeat(8)).unwrap();
        }
        let old = edited.to_bytes();
        edited.remove("K0").unwrap();
        assert!(matches!(header_change(&old, &edited.to_bytes(), 0), HeaderChange::Moves));
        assert!(matches!(header_change(&header(35, 8).to_bytes(), &header(36, 8).to_bytes(), 0), HeaderChange::Moves));
    }

    #[test]
    fn new_headers_stand_where_the_old_ones_were() {
        let EditPlan::Assemble(pieces) = with_headers(100, vec![(0..10, vec![1; 20]), (50..60, vec![2; 5])]) else {
            panic!("nothing moves")
        };
        let lens: Vec<u64> = pieces.iter().map(Piece::len).collect();
        assert_eq!(lens, [20, 40, 5, 40]);
    }
}
