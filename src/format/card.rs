//! One 80-character card: which keyword it has and what kind of card it is (FITS 4.0 §4.1).

/// The length of a card in bytes (§4.1).
pub(crate) const CARD_BYTES: usize = 80;
/// The length of a standard keyword in bytes (§4.1.2.1).
pub(crate) const KEYWORD_BYTES: usize = 8;
/// The two bytes that say that a value follows (§4.1.2.2).
const VALUE_INDICATOR: &[u8] = b"= ";
const HIERARCH: &[u8] = b"HIERARCH";

/// What a card is, with the byte range of its keyword and the place where its value or text starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CardKind {
    /// The END card (§4.4.1.1).
    End,
    /// Keyword and value.
    Value { keyword: (usize, usize), value: usize },
    /// A CONTINUE card, which may go on with the string before it (§4.2.1.2).
    Continue,
    /// COMMENT, HISTORY, a blank keyword, or any other card without a value indicator (§4.4.2.4).
    Commentary { keyword: (usize, usize) },
}

/// Says what kind of card the 80 bytes are. Never fails: what is no value card is commentary.
pub(crate) fn classify(card: &[u8]) -> CardKind {
    let (name, rest) = card.split_at(KEYWORD_BYTES.min(card.len()));
    let length = trimmed_length(name);
    let has_value = rest.starts_with(VALUE_INDICATOR);
    match name {
        b"END     " if !has_value => CardKind::End,
        b"CONTINUE" if !has_value => CardKind::Continue,
        b"COMMENT " | b"HISTORY " | b"        " => CardKind::Commentary { keyword: (0, length) },
        _ if name == HIERARCH && !has_value => hierarch(card),
        _ if has_value => CardKind::Value { keyword: (0, length), value: KEYWORD_BYTES + VALUE_INDICATOR.len() },
        _ => CardKind::Commentary { keyword: (0, length) },
    }
}

/// The ESO HIERARCH convention: the keyword is what stands between HIERARCH and the first equals sign.
fn hierarch(card: &[u8]) -> CardKind {
    let Some(equals) = card.iter().position(|&byte| byte == b'=') else {
        return CardKind::Commentary { keyword: (0, KEYWORD_BYTES) };
    };
    let name = card.get(KEYWORD_BYTES..equals).unwrap_or_default();
    let start = KEYWORD_BYTES + name.iter().take_while(|&&byte| byte == b' ').count();
    let end = KEYWORD_BYTES + trimmed_length(name);
    if start >= end {
        return CardKind::Commentary { keyword: (0, KEYWORD_BYTES) };
    }
    CardKind::Value { keyword: (start, end), value: equals + 1 }
}

/// The length without trailing blanks.
pub(crate) fn trimmed_length(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1)
}

/// Text of a card: printable ASCII as it is, anything else as `_`.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| if is_printable(byte) { char::from(byte) } else { '_' }).collect()
}

/// Whether a byte may stand in a header (§3.2.1, restricted ASCII).
pub(crate) fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Vec<u8> {
        format!("{text:<80}").into_bytes()
    }

    #[test]
    fn standard_hierarch_and_commentary_cards_are_told_apart() {
        assert_eq!(classify(&card("NAXIS   = 2")), CardKind::Value { keyword: (0, 5), value: 10 });
        assert_eq!(classify(&card("HIERARCH ESO TEL = 1")), CardKind::Value { keyword: (9, 16), value: 18 });
        assert_eq!(classify(&card("HIERARCH = = =")), CardKind::Commentary { keyword: (0, 8) });
        assert_eq!(classify(&card("HIERARCH  = 3")), CardKind::Commentary { keyword: (0, 8) });
        assert_eq!(classify(&card("        = '  '")), CardKind::Commentary { keyword: (0, 0) });
        assert_eq!(classify(&card("COMMENT = 3")), CardKind::Commentary { keyword: (0, 7) });
        assert_eq!(classify(&card("CONTINUE  'x'")), CardKind::Continue);
        assert_eq!(classify(&card("END")), CardKind::End);
        assert_eq!(classify(&card("FRA.ZP  = 1")), CardKind::Value { keyword: (0, 6), value: 10 });
    }
}
