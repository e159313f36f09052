//! Long strings: a string value that goes on in CONTINUE cards (FITS 4.0 §4.2.1.2).

use super::card::{CARD_BYTES, CardKind, KEYWORD_BYTES, classify, text, trimmed_length};
use super::value::{Value, ValueAndComment, parse, value_end};

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
    let mut joined = Ok(String::new());
    let mut comment = JoinedComment::default();
    for index in 0..count {
        let start = if index == 0 { value_at } else { KEYWORD_BYTES };
        let field = card(cards, index).and_then(|card| card.get(start..)).unwrap_or_default();
        comment.add(field);
        let Ok(whole) = &mut joined else { continue };
        match parse(field, lenient).value {
            Ok(Value::String(text)) if index + 1 < count => whole.push_str(text.strip_suffix('&').unwrap_or(&text)),
            Ok(Value::String(text)) => whole.push_str(&text),
            Ok(_) => {}
            Err(reason) => joined = Err(reason),
        }
    }
    ValueAndComment { value: joined.map(Value::String), comment: comment.text.trim().to_owned() }
}

/// A comment in several parts. A blank joins them, unless a part reaches the end of its card: writers break only long words there.
#[derive(Default)]
struct JoinedComment {
    text: String,
    full: bool,
}

impl JoinedComment {
    /// Adds the comment of a card, given its value field.
    fn add(&mut self, field: &[u8]) {
        let behind = field.get(value_end(field)..).unwrap_or_default();
        let Some(slash) = behind.iter().position(|&byte| byte == b'/') else { return };
        let part = behind.get(slash + 1..).unwrap_or_default();
        // The first blank belongs to the slash.
        let part = part.strip_prefix(b" ").unwrap_or(part);
        if !self.text.is_empty() && !self.full {
            self.text.push(' ');
        }
        self.text.push_str(&text(part.get(..trimmed_length(part)).unwrap_or_default()));
        self.full = part.last().is_some_and(|&byte| byte != b' ');
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(cards: &[&str]) -> String {
        let cards: String = cards.iter().map(|card| format!("{card:<80}")).collect();
        parse_long(cards.as_bytes(), 10, false).comment
    }

    #[test]
    fn comments_join_as_they_were_broken() {
        // Between words: a blank joins them. Further blanks were there before.
        assert_eq!(comment(&["X       = 's&'", "CONTINUE  '&' / one two", "CONTINUE  '' /  three"]), "one two  three");
        // At the end of the card: within a word, or the blank is the next card's.
        let full = "w".repeat(64);
        let card = format!("CONTINUE  '&' / {full}");
        assert_eq!(comment(&["X       = 's&'", &card, "CONTINUE  '' / ord"]), format!("{full}ord"));
        assert_eq!(comment(&["X       = 's&'", &card, "CONTINUE  '' /  ord"]), format!("{full} ord"));
        assert_eq!(comment(&["X       = 's&' / first", "CONTINUE  't'"]), "first");
    }

    #[test]
    fn a_piece_that_breaks_the_rules_refuses_the_string_and_no_comment() {
        let cards = format!("{:<80}{:<80}", "X       = 's&' / one", "CONTINUE  'caf\u{1}' / two");
        let read = parse_long(cards.as_bytes(), 10, false);
        assert!(read.value.is_err());
        assert_eq!(read.comment, "one two");
    }
}
