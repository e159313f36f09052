//! The keyword of a card that is written: in the standard's eight columns, or behind HIERARCH (FITS 4.0 §4.1.2.1).
//!
//! A keyword of at most eight letters, digits, hyphens and underscores is written in upper case, as the standard wants it. Any other one,
//! and one that is given with HIERARCH in front, follows the ESO HIERARCH convention and keeps its case. A keyword that is there already
//! stays as it stands.

use super::card::{KEYWORD_BYTES, is_printable, text};
use crate::error::{Error, Result};

/// What stands in front of a keyword that does not fit the standard's eight columns.
const HIERARCH: &str = "HIERARCH ";

/// A keyword with the form that it has on disk.
#[derive(Clone, Debug)]
pub(crate) struct Keyword {
    /// What stands in front of the equals sign.
    name: Vec<u8>,
    hierarch: bool,
}

impl Keyword {
    /// The form that a new keyword gets.
    ///
    /// # Errors
    ///
    /// `Argument` where no card can carry the keyword.
    pub(crate) fn new(keyword: &str) -> Result<Self> {
        let trimmed = keyword.trim();
        let forced = trimmed.get(..HIERARCH.len()).is_some_and(|start| start.eq_ignore_ascii_case(HIERARCH));
        let name = if forced { trimmed.get(HIERARCH.len()..).unwrap_or_default().trim_start() } else { trimmed };
        let refused = |reason: &str| Err(Error::argument(reason).in_item(|| format!("keyword {keyword:?}")));
        if name.is_empty() {
            return refused("is empty: give it a name (text without a keyword is added as a blank card)");
        }
        if !name.bytes().all(is_printable) {
            return refused("holds characters that are not printable ASCII: use letters, digits, '-' and '_'");
        }
        if name.contains('=') {
            return refused("holds an equals sign, where readers see the start of the value: leave it out");
        }
        let upper = name.to_ascii_uppercase();
        if matches!(upper.as_str(), "END" | "CONTINUE" | "COMMENT" | "HISTORY") {
            return refused("has a meaning of its own and carries no value: choose another name");
        }
        let standard = name.len() <= KEYWORD_BYTES && upper.bytes().all(is_standard) && !forced;
        let name = if standard { format!("{upper:<KEYWORD_BYTES$}") } else { format!("{HIERARCH}{name}") };
        Ok(Self { name: name.into_bytes(), hierarch: !standard })
    }

    /// The keyword as a card has it; `keyword` is its byte range within the card.
    pub(crate) fn on_disk(card: &[u8], keyword: (usize, usize)) -> Self {
        if keyword.0 == 0 {
            return Self { name: card.get(..KEYWORD_BYTES).unwrap_or_default().to_vec(), hierarch: false };
        }
        let name = card.get(keyword.0..keyword.1).unwrap_or_default();
        Self { name: [HIERARCH.as_bytes(), name].concat(), hierarch: true }
    }

    /// What can stand in front of the value, the best first. Readers take a HIERARCH card without blanks around its equals sign, too.
    pub(crate) fn leads(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let signs: &[&str] = if self.hierarch { &[" = ", "= ", "="] } else { &["= "] };
        signs.iter().map(|sign| [&self.name, sign.as_bytes()].concat())
    }

    /// Whether values are justified in columns, as in the standard's fixed format (§4.2).
    pub(crate) fn is_fixed(&self) -> bool {
        !self.hierarch
    }

    /// Says which keyword an error is about.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Error {
        let name = text(&self.name);
        let name = name.strip_prefix(HIERARCH).unwrap_or(&name).trim_end().to_owned();
        Error::argument(reason).in_item(|| format!("keyword {name}"))
    }
}

fn is_standard(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn lead(keyword: &str) -> String {
        text(&Keyword::new(keyword).unwrap().leads().next().unwrap())
    }

    #[test]
    fn short_keywords_are_upper_case_and_others_keep_theirs() {
        assert_eq!(lead("exptime"), "EXPTIME = ");
        assert_eq!(lead(" date-obs "), "DATE-OBS= ");
        assert_eq!(lead("FRA.ZP"), "HIERARCH FRA.ZP = ");
        assert_eq!(lead("Eso Tel"), "HIERARCH Eso Tel = ");
        assert_eq!(lead("longkeyword"), "HIERARCH longkeyword = ");
        assert_eq!(lead("hierarch  abc"), "HIERARCH abc = ");
        assert_eq!(lead("HIERARCH"), "HIERARCH= ");
    }

    #[test]
    fn keywords_that_no_card_can_carry_are_refused() {
        for bad in ["", "  ", "A=B", "A\nB", "É", "caf\u{e9}", "END", "hierarch end", "Continue", "HIERARCH COMMENT"] {
            let error = Keyword::new(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument, "{bad:?}");
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn keywords_on_disk_stay_as_they_stand() {
        let leads = |card: &str, keyword| Keyword::on_disk(card.as_bytes(), keyword).leads().next().unwrap();
        assert_eq!(leads("fra.zp  = 1", (0, 6)), b"fra.zp  = ");
        assert_eq!(leads("HIERARCH   Eso  Tel=1", (11, 19)), b"HIERARCH Eso  Tel = ");
    }
}
