//! Makes cards: from a keyword, a value and a comment, or from commentary text (FITS 4.0 §4.1, §4.2, §4.4.2.4).
//!
//! Values stand where the standard's fixed format has them: logicals and numbers end in column 30, strings start in column 11, comments start
//! in column 34 or later. Real numbers have the shortest text that reads back to the same number. A value that is longer than its columns goes on to the
//! right. A string that does not fit, or whose comment does not fit, goes on in CONTINUE cards; the comment of any other value is cut at
//! the end of its card, since only strings can go on.

use super::card::{CARD_BYTES, KEYWORD_BYTES};
use super::compose_long::long_cards;
use super::keyword::Keyword;
use super::value::{Value, value_end};
use crate::error::{Error, Result};

/// The columns of a value in fixed format: 11 to 30 (§4.2).
const VALUE_COLUMNS: usize = 20;
/// Where a standard value field starts.
const VALUE_START: usize = 10;
/// The least characters between the quotes of a string (§4.2.1.1).
const STRING_COLUMNS: usize = 8;
/// What separates a value and its comment.
pub(crate) const SLASH: &[u8] = b" / ";
/// The text that fits a commentary card (§4.4.2.4).
const TEXT_COLUMNS: usize = CARD_BYTES - KEYWORD_BYTES;

/// The cards of a keyword with its value and comment: one, or several where a string goes on.
///
/// # Errors
///
/// `Argument` where the value has no form in a header, or does not fit beside its keyword; the keyword is named.
pub(crate) fn value_cards(keyword: &Keyword, value: &Value, comment: &str) -> Result<Vec<u8>> {
    let comment = checked_comment(keyword, comment)?;
    match value {
        Value::String(text) => string_cards(keyword, text, comment),
        _ => plain_card(keyword, &plain_text(value).map_err(|reason| keyword.refuse(reason))?, comment),
    }
}

/// The cards of a text under COMMENT, HISTORY or the blank keyword; a line break starts a new card.
///
/// # Errors
///
/// `Argument` where the text holds characters that are not printable ASCII.
pub(crate) fn commentary_cards(keyword: &str, text: &str) -> Result<Vec<u8>> {
    let mut cards = Vec::new();
    for line in text.lines().chain(text.is_empty().then_some("")) {
        let name = if keyword.is_empty() { "the blank keyword".to_owned() } else { format!("keyword {keyword}") };
        refuse_unprintable(line, "text", |reason| Error::argument(reason).in_item(|| name))?;
        for piece in line.as_bytes().chunks(TEXT_COLUMNS).chain(line.is_empty().then_some(b"".as_slice())) {
            push_card(&mut cards, &[format!("{keyword:<KEYWORD_BYTES$}").as_bytes(), piece]);
        }
    }
    Ok(cards)
}

/// The card with another comment and its value as it stands; `None` where it is a string whose comment would have to go on.
///
/// # Errors
///
/// `Argument` where the comment holds characters that are not printable ASCII.
pub(crate) fn with_comment(keyword: &Keyword, card: &[u8], value_at: usize, comment: &str) -> Result<Option<Vec<u8>>> {
    let comment = checked_comment(keyword, comment)?;
    let field = card.get(value_at..).unwrap_or_default();
    let mut head = card.get(..value_at + value_end(field)).unwrap_or_default().to_vec();
    if keyword.is_fixed() {
        head.resize(head.len().max(VALUE_START + VALUE_COLUMNS), b' ');
    }
    let is_string = field.trim_ascii_start().starts_with(b"'");
    if is_string && !comment.is_empty() && head.len() + SLASH.len() + comment.len() > CARD_BYTES {
        return Ok(None);
    }
    let mut cards = Vec::with_capacity(CARD_BYTES);
    push_commented(&mut cards, &head, comment);
    Ok(Some(cards))
}

/// The comment as a reader gives it back: without the blanks around it.
fn checked_comment<'a>(keyword: &Keyword, comment: &'a str) -> Result<&'a str> {
    refuse_unprintable(comment, "comment", |reason| keyword.refuse(reason))?;
    Ok(comment.trim_matches(' '))
}

/// A value that is no string: always one card.
fn plain_card(keyword: &Keyword, value: &str, comment: &str) -> Result<Vec<u8>> {
    let value = if keyword.is_fixed() { format!("{value:>VALUE_COLUMNS$}") } else { value.to_owned() };
    let mut leads = keyword.leads();
    let Some(lead) = leads.find(|lead| lead.len() + value.len() <= CARD_BYTES) else {
        return Err(
            keyword.refuse(format!("the value {value} does not fit the card: shorten the keyword or the value"))
        );
    };
    let mut cards = Vec::with_capacity(CARD_BYTES);
    push_commented(&mut cards, &[lead.as_slice(), value.as_bytes()].concat(), comment);
    Ok(cards)
}

/// A string: one card where it fits with its comment, else as many as it takes.
fn string_cards(keyword: &Keyword, value: &str, comment: &str) -> Result<Vec<u8>> {
    refuse_unprintable(value, "string", |reason| keyword.refuse(reason))?;
    // Blanks at the end of a string don't count (§4.2.1.1): they take no card of their own.
    let quoted = value.trim_end_matches(' ').replace('\'', "''");
    // Two quotes and nothing else are the string without characters, as opposed to no value at all.
    let padded = if quoted.is_empty() { "''".to_owned() } else { format!("'{quoted:<STRING_COLUMNS$}'") };
    let bodies = if keyword.is_fixed() {
        vec![format!("{padded:<VALUE_COLUMNS$}")]
    } else {
        vec![padded, format!("'{quoted}'")]
    };
    let tail = if comment.is_empty() { 0 } else { SLASH.len() + comment.len() };
    for lead in keyword.leads() {
        for body in &bodies {
            if lead.len() + body.len() + tail <= CARD_BYTES {
                let mut cards = Vec::with_capacity(CARD_BYTES);
                push_commented(&mut cards, &[lead.as_slice(), body.as_bytes()].concat(), comment);
                return Ok(cards);
            }
        }
    }
    long_cards(keyword, &quoted, comment)
}

/// The text of a value that is no string, or why it has none.
fn plain_text(value: &Value) -> Result<String, String> {
    match value {
        Value::Logical(true) => Ok("T".into()),
        Value::Logical(false) => Ok("F".into()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::BigInteger(digits) => {
            let unsigned = digits.strip_prefix('-').unwrap_or(digits);
            let right = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
            if right { Ok(digits.clone()) } else { Err(format!("'{digits}' is no integer: give digits only")) }
        }
        Value::Real(number) => real_text(*number),
        Value::Complex(real, imaginary) => Ok(format!("({}, {})", real_text(*real)?, real_text(*imaginary)?)),
        Value::Undefined | Value::String(_) => Ok(String::new()),
    }
}

/// The shortest text that reads back to the same number, always with a point or an exponent (§4.2.4).
fn real_text(number: f64) -> Result<String, String> {
    if !number.is_finite() {
        return Err(format!(
            "{number} has no form in a header: leave the value undefined (None in Python), or write it as a string"
        ));
    }
    // Debug gives the shortest text, with an exponent where the number is very large or small: 1e20, 1.5e-7.
    let text = format!("{number:?}");
    Ok(match text.split_once('e') {
        None => text,
        Some((mantissa, power)) => {
            let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
            format!("{mantissa}E{sign}{digits:0>2}")
        }
    })
}

/// Refuses what may not stand in a header (§3.2.1); `what` says which part it is in.
fn refuse_unprintable(text: &str, what: &str, refuse: impl FnOnce(String) -> Error) -> Result<()> {
    match text.chars().find(|&character| !matches!(character, ' '..='~')) {
        None => Ok(()),
        Some(character) => {
            Err(refuse(format!("the {what} holds {character:?}; a header takes printable ASCII only: replace it")))
        }
    }
}

/// Adds a card of a value and its comment, which is cut at the end of the card.
pub(crate) fn push_commented(cards: &mut Vec<u8>, head: &[u8], comment: &str) {
    let room = CARD_BYTES.saturating_sub(head.len() + SLASH.len());
    let comment = comment.as_bytes().get(..room.min(comment.len())).unwrap_or_default();
    let slash = if comment.is_empty() { b"" } else { SLASH };
    push_card(cards, &[head, slash, comment]);
}

/// Adds a card made of pieces, filled with blanks.
pub(crate) fn push_card(cards: &mut Vec<u8>, pieces: &[&[u8]]) {
    let end = cards.len() + CARD_BYTES;
    pieces.iter().for_each(|piece| cards.extend_from_slice(piece));
    cards.resize(end, b' ');
}

#[cfg(test)]
mod tests;
