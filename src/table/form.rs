//! TFORMn and TDIMn: the type, repeat count and shape of a column of a binary table (FITS 4.0 §7.3.1, §7.3.2, Table 18).

use crate::error::{Error, Result};

/// What stands in front of the length of substrings (the substring array convention).
pub(super) const SUBSTRINGS: &str = ":SSTR";

/// The type of a column's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormType {
    Logical,
    Bit,
    Byte,
    Short,
    Int,
    Long,
    Character,
    Float,
    Double,
    Complex,
    DoubleComplex,
    /// A descriptor of 32-bit numbers (`P`) or 64-bit ones (`Q`).
    Descriptor {
        wide: bool,
    },
}

/// A parsed TFORM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) repeat: u64,
    pub(crate) element: FormType,
    /// What follows the type letter: the width of substrings (`20A5`), or the type and maximum of a variable-length array.
    pub(crate) rest: String,
}

impl Form {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, letters) = text.split_at(digits);
        let repeat = if count.is_empty() { 1 } else { count.parse().map_err(|_| bad(text))? };
        let mut letters = letters.chars();
        let element = match letters.next().map(|letter| letter.to_ascii_uppercase()) {
            Some('L') => FormType::Logical,
            Some('X') => FormType::Bit,
            Some('B') => FormType::Byte,
            Some('I') => FormType::Short,
            Some('J') => FormType::Int,
            Some('K') => FormType::Long,
            Some('A') => FormType::Character,
            Some('E') => FormType::Float,
            Some('D') => FormType::Double,
            Some('C') => FormType::Complex,
            Some('M') => FormType::DoubleComplex,
            Some('P') => FormType::Descriptor { wide: false },
            Some('Q') => FormType::Descriptor { wide: true },
            _ => return Err(bad(text)),
        };
        if matches!(element, FormType::Descriptor { .. }) && repeat > 1 {
            return Err(Error::illegal(format!(
                "TFORM '{text}': a variable-length column has a repeat count of 0 or 1"
            )));
        }
        Ok(Self { repeat, element, rest: letters.as_str().trim().to_owned() })
    }

    /// The type of the elements of a variable-length column's arrays: the letter behind `P` or `Q` (§7.3.5).
    pub(crate) fn inner(&self) -> Result<FormType> {
        let letter = self.rest.chars().next().map(String::from).unwrap_or_default();
        match Self::parse(&letter) {
            Ok(Self { element, .. }) if !matches!(element, FormType::Descriptor { .. }) => Ok(element),
            _ => Err(Error::illegal(format!(
                "a variable-length column names the type of its arrays, as 1PE(7) does; here stands '{}'",
                self.rest
            ))),
        }
    }

    /// How long the strings are of which a cell of text holds several: `20A5`, `1PA5(20)`, or as in `20A:SSTR5` and `1PA(20):SSTR5`, by conventions that are
    /// older than TDIM.
    pub(crate) fn substring_width(&self) -> Option<usize> {
        let text = match self.element {
            FormType::Descriptor { .. } => self.rest.get(1..)?,
            _ => &self.rest,
        };
        let (_, named) = text.split_once(SUBSTRINGS).unwrap_or(("", text));
        let digits = named.bytes().take_while(u8::is_ascii_digit).count();
        named.get(..digits)?.parse().ok().filter(|&width| width > 0)
    }

    /// How many bytes the column takes in a row; `None` past 2^64.
    pub(crate) fn width(&self) -> Option<u64> {
        let size = match self.element {
            FormType::Bit => return Some(self.repeat.div_ceil(8)),
            FormType::Logical | FormType::Byte | FormType::Character => 1,
            FormType::Short => 2,
            FormType::Int | FormType::Float => 4,
            FormType::Long | FormType::Double | FormType::Complex | FormType::Descriptor { wide: false } => 8,
            FormType::DoubleComplex | FormType::Descriptor { wide: true } => 16,
        };
        self.repeat.checked_mul(size)
    }
}

fn bad(text: &str) -> Error {
    Error::illegal(format!("TFORM '{text}' is no column format of a binary table, such as 1J, 3E or 20A"))
}

/// The lengths that a TDIM value such as `(3,4)` names, fastest first; `None` where it is no such list.
pub(crate) fn parse_dimensions(text: &str) -> Option<Vec<u64>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(|length| length.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_in_any_letter_case() {
        let form = |text| Form::parse(text).unwrap();
        assert_eq!((form("E").repeat, form("E").width()), (1, Some(4)));
        assert_eq!(form("263X").width(), Some(33));
        assert_eq!(form(" 0a ").width(), Some(0));
        assert_eq!(form("20A5").rest, "5");
        assert_eq!(form("1PE(7)").element, FormType::Descriptor { wide: false });
        assert_eq!(form("18446744073709551615D").width(), None);
        for bad in ["", "5", "Z", "-1J", "99999999999999999999J", "2PJ"] {
            assert!(Form::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dimensions_are_read_or_ignored() {
        assert_eq!(parse_dimensions("(3, 4)"), Some(vec![3, 4]));
        assert_eq!(parse_dimensions("3,4"), None);
        assert_eq!(parse_dimensions("(-1,2)"), None);
    }
}
