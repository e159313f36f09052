//! Long strings: a string value that goes on in CONTINUE cards (FITS 4.0 §4.2.1.2).

use super::card::{CARD_BYTES, CardKind, KEYWORD_BYTES, classify};
use super::value::{Value, ValueAndComment, parse};

/// How many of the cards from the start of `cards` belong to one record: 1, or more where the first one's string goes on.
pub(crate) fn record_length(cards: &[u8], value_at: usize) -> usize {
    let mut count = 1;
    let mut field = cards.get(value_at..CARD_BYTES).unwrap_or_default();
    while ends_in_ampersand(field) {
        let Some(next) = card(cards, count) else { break };
        let continued = next.get(KEYWORD_BYTES..).unwrap_or_default();
        if classify(next) != CardKind::Continue || !starts_a_string(continued) {
            break;
        }
        field = continued;
        count += 1;
    }
    count
}

/// Reads the value of a record of several cards: the strings joined, each ampersand but the last one's dropped.
pub(crate) fn parse_long(cards: &[u8], value_at: usize, lenient: bool) -> ValueAndComment {
    let count = cards.len() / CARD_BYTES;
    let mut joined = String::new();
    let mut comments = Vec::new();
    for index in 0..count {
        let start = if index == 0 { value_at } else { KEYWORD_BYTES };
        let piece = parse(card(cards, index).and_then(|card| card.get(start..)).unwrap_or_default(), lenient);
        if !piece.comment.is_empty() {
            comments.push(piece.comment);
        }
        match piece.value {
            Ok(Value::String(text)) if index + 1 < count => joined.push_str(text.strip_suffix('&').unwrap_or(&text)),
            Ok(Value::String(text)) => joined.push_str(&text),
            Ok(_) => {}
            Err(reason) => return ValueAndComment { value: Err(reason), comment: comments.join(" ") },
        }
    }
    ValueAndComment { value: Ok(Value::String(joined)), comment: comments.join(" ") }
}

fn card(cards: &[u8], index: usize) -> Option<&[u8]> {
    cards.get(index * CARD_BYTES..(index + 1) * CARD_BYTES)
}

fn starts_a_string(field: &[u8]) -> bool {
    field.iter().find(|&&byte| byte != b' ') == Some(&b'\'')
}

/// Whether the field is a string that ends in an ampersand. The quick look for an ampersand spares most cards the parsing.
fn ends_in_ampersand(field: &[u8]) -> bool {
    field.contains(&b'&')
        && starts_a_string(field)
        && matches!(parse(field, true).value, Ok(Value::String(text)) if text.ends_with('&'))
}
