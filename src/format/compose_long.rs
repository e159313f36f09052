//! Writes strings that go on in CONTINUE cards, and comments that go on with them (FITS 4.0 §4.2.1.2).
//!
//! The string comes first, in pieces that end in an ampersand, then the comment on cards whose strings are empty. The last card has no
//! ampersand that counts: a string that itself ends in one is closed by a card with an empty string.

use super::card::CARD_BYTES;
use super::compose::{SLASH, push_card, push_commented};
use super::keyword::Keyword;
use crate::error::Result;

/// What a card that goes on starts with: the keyword and two blanks.
const CONTINUE: &[u8] = b"CONTINUE  ";
/// What every piece but the last takes besides its characters: two quotes and an ampersand.
const AROUND: usize = 3;

/// The cards of a string that needs several; `quoted` has its quotes doubled.
pub(crate) fn long_cards(keyword: &Keyword, quoted: &str, comment: &str) -> Result<Vec<u8>> {
    let mut leads = keyword.leads();
    let Some(first) = leads.find(|lead| lead.len() + AROUND <= CARD_BYTES) else {
        return Err(keyword.refuse("the keyword leaves no room for a string on its card: shorten it"));
    };
    let room = CARD_BYTES - AROUND;
    let mut pieces = split_string(quoted, room - first.len(), room - CONTINUE.len());
    if quoted.ends_with('&') {
        pieces.push(String::new());
    }
    let last = pieces.pop().unwrap_or_default();
    let mut cards = Vec::new();
    let mut lead = first.as_slice();
    for piece in &pieces {
        push_card(&mut cards, &[lead, format!("'{piece}&'").as_bytes()]);
        lead = CONTINUE;
    }
    let end = [lead, format!("'{last}'").as_bytes()].concat();
    if comment.is_empty() || end.len() + SLASH.len() + comment.len() <= CARD_BYTES {
        push_commented(&mut cards, &end, comment);
        return Ok(cards);
    }
    // An empty last piece only closes the string, and the cards of the comment do that as well.
    if !last.is_empty() || pieces.is_empty() {
        push_card(&mut cards, &[lead, format!("'{last}&'").as_bytes()]);
    }
    push_comment(&mut cards, comment);
    Ok(cards)
}

/// Splits a string into pieces of at most `first` and then `room` bytes, never between the two quotes that stand for one.
fn split_string(quoted: &str, first: usize, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        let width = if character == '\'' { 2 } else { 1 };
        let limit = if pieces.is_empty() { first } else { room };
        if piece.len() + width > limit {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(character);
        if character == '\'' {
            piece.extend(characters.next_if_eq(&'\''));
        }
    }
    pieces.push(piece);
    pieces
}

/// Puts a comment on cards of its own, broken at blanks. Readers join the parts with a blank, unless a part reaches the end of its
/// card: only a word too long for a card does.
fn push_comment(cards: &mut Vec<u8>, comment: &str) {
    let middle = [CONTINUE, b"'&'"].concat();
    let last = [CONTINUE, b"''"].concat();
    let room = CARD_BYTES - SLASH.len() - middle.len();
    let mut rest = comment;
    while last.len() + SLASH.len() + rest.len() > CARD_BYTES {
        let (part, after) = break_comment(rest, room);
        push_commented(cards, &middle, part);
        rest = after;
    }
    push_commented(cards, &last, rest);
}

/// The part of a comment that goes on a card with `room` columns, and what follows.
fn break_comment(comment: &str, room: usize) -> (&str, &str) {
    let (full, after) = comment.split_at_checked(room).unwrap_or((comment, ""));
    // The blank is the join's own, so the part must not end in another; the rest may start with one, but some readers drop that.
    let breaks_at = |at: usize| full.get(..at).is_some_and(|before| !before.is_empty() && !before.ends_with(' '));
    let is_single = |at: usize| comment.get(at + 1..).is_some_and(|after| !after.starts_with(' '));
    let breaks = || full.rmatch_indices(' ').map(|(at, _)| at).filter(|&at| breaks_at(at));
    match breaks().find(|&at| is_single(at)).or_else(|| breaks().next()) {
        Some(at) => (full.get(..at).unwrap_or_default(), comment.get(at + 1..).unwrap_or_default()),
        None => (full, after),
    }
}
