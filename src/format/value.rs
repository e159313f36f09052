//! The value of a card: fixed and free format strings, logicals, integers, reals, complex numbers (FITS 4.0 §4.2).

use super::card::{is_printable, text, trimmed_length};
use crate::error::{Error, Result};

/// The value of a header card.
///
/// # Examples
///
/// ```
/// use rustfits::Value;
///
/// assert_eq!(Value::Integer(3).as_f64(), Some(3.0));
/// assert_eq!(Value::String("SCI".into()).as_str(), Some("SCI"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A keyword with a value indicator and no value (§4.1.2.3).
    Undefined,
    /// `T` or `F` (§4.2.2).
    Logical(bool),
    /// An integer that fits 64 bits (§4.2.3).
    Integer(i64),
    /// An integer of more than 64 bits: its digits, with a minus sign where negative.
    BigInteger(String),
    /// A floating-point number (§4.2.4).
    Real(f64),
    /// A complex number, real part first (§4.2.5, §4.2.6).
    Complex(f64, f64),
    /// Text without its quotes and trailing blanks (§4.2.1).
    String(String),
}

impl Value {
    /// The number as `i64`, if the value is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The number as `f64`, if the value is an integer or a real.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::BigInteger(digits) => digits.parse().ok(),
            Self::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if the value is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if the value is a logical.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Logical(flag) => Some(*flag),
            _ => None,
        }
    }
}

/// As a card has it: `T`, `42`, `'text'`; an undefined value is empty.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Undefined => Ok(()),
            Self::Logical(flag) => f.write_str(if *flag { "T" } else { "F" }),
            Self::Integer(number) => write!(f, "{number}"),
            Self::BigInteger(digits) => f.write_str(digits),
            Self::Real(number) => write!(f, "{number:?}"),
            Self::Complex(real, imaginary) => write!(f, "({real:?}, {imaginary:?})"),
            Self::String(text) => write!(f, "'{text}'"),
        }
    }
}

/// A value and the comment behind its slash.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueAndComment {
    pub(crate) value: Result<Value, String>,
    pub(crate) comment: String,
}

/// Reads the value field of a card: `field` is what follows the value indicator. A value that breaks the rules is an `Err`
/// that says which; the comment is found all the same.
pub(crate) fn parse(field: &[u8], lenient: bool) -> ValueAndComment {
    let (value, rest) = parse_value(field, lenient);
    ValueAndComment { value, comment: comment(rest) }
}

/// Reads the value of a value field, and gives what follows it.
pub(crate) fn parse_value(field: &[u8], lenient: bool) -> (Result<Value, String>, &[u8]) {
    let start = field.iter().position(|&byte| byte != b' ').unwrap_or(field.len());
    let trimmed = field.get(start..).unwrap_or_default();
    if trimmed.first() == Some(&b'\'') {
        let (value, rest) = parse_string(trimmed, lenient);
        return (value.map(Value::String), rest);
    }
    let slash = trimmed.iter().position(|&byte| byte == b'/').unwrap_or(trimmed.len());
    let (token, rest) = trimmed.split_at(slash);
    let token = token.get(..trimmed_length(token)).unwrap_or_default();
    (parse_token(token, lenient), rest)
}

/// Where the value ends within its field: behind the closing quote, or behind the last character in front of the slash.
pub(crate) fn value_end(field: &[u8]) -> usize {
    let start = field.iter().position(|&byte| byte != b' ').unwrap_or(0);
    let trimmed = field.get(start..).unwrap_or_default();
    if trimmed.first() == Some(&b'\'') {
        return field.len() - parse_string(trimmed, true).1.len();
    }
    let before_slash = trimmed.split(|&byte| byte == b'/').next().unwrap_or_default();
    match trimmed_length(before_slash) {
        0 => 0,
        length => start + length,
    }
}

/// The comment behind the first slash.
fn comment(rest: &[u8]) -> String {
    match rest.iter().position(|&byte| byte == b'/') {
        Some(slash) => text(rest.get(slash + 1..).unwrap_or_default()).trim().to_owned(),
        None => String::new(),
    }
}

/// Reads a quoted string; returns it (trailing blanks dropped, a doubled quote as one) and what follows the closing quote.
fn parse_string(quoted: &[u8], lenient: bool) -> (Result<String, String>, &[u8]) {
    let mut raw = Vec::with_capacity(quoted.len());
    let mut position = 1;
    let mut closed = false;
    while let Some(&byte) = quoted.get(position) {
        position += 1;
        if byte == b'\'' {
            if quoted.get(position) != Some(&b'\'') {
                closed = true;
                break;
            }
            position += 1;
        }
        raw.push(byte);
    }
    raw.truncate(trimmed_length(&raw));
    let rest = quoted.get(position..).unwrap_or_default();
    if !lenient {
        if !closed {
            return (Err("the string has no closing quote".into()), rest);
        }
        if let Some(byte) = raw.iter().find(|&&byte| !is_printable(byte)) {
            return (Err(format!("the string holds the byte 0x{byte:02x}, which is not printable ASCII")), rest);
        }
    }
    (Ok(text(&raw)), rest)
}

/// Reads a value that is not a string.
fn parse_token(token: &[u8], lenient: bool) -> Result<Value, String> {
    match token {
        b"" => return Ok(Value::Undefined),
        b"T" => return Ok(Value::Logical(true)),
        b"F" => return Ok(Value::Logical(false)),
        _ => {}
    }
    if let Some(inner) = token.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")) {
        return parse_complex(inner, lenient);
    }
    parse_number(token, lenient).ok_or_else(|| format!("'{}' is not a FITS value", text(token)))
}

fn parse_complex(inner: &[u8], lenient: bool) -> Result<Value, String> {
    let mut halves = inner.splitn(2, |&byte| byte == b',');
    let mut next = || parse_number(halves.next()?.trim_ascii(), lenient)?.as_f64();
    match (next(), next()) {
        (Some(real), Some(imaginary)) => Ok(Value::Complex(real, imaginary)),
        _ => Err(format!("'({})' is not a complex number", text(inner))),
    }
}

/// Reads an integer or a real number (§4.2.3, §4.2.4); `D` and `E` exponents in either case.
pub(crate) fn parse_number(token: &[u8], lenient: bool) -> Option<Value> {
    let digits = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"+")).unwrap_or(token);
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        return parse_integer(token);
    }
    let real = std::str::from_utf8(token).ok()?;
    if is_real(digits) {
        let number = if real.contains(['D', 'd']) { real.replace(['D', 'd'], "E").parse() } else { real.parse() };
        return number.ok().map(Value::Real);
    }
    let named = matches!(digits.to_ascii_uppercase().as_slice(), b"NAN" | b"INF" | b"INFINITY");
    if lenient && named { real.parse().ok().map(Value::Real) } else { None }
}

fn parse_integer(token: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(token).ok()?;
    if let Ok(number) = text.parse() {
        return Some(Value::Integer(number));
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.trim_start_matches('0');
    match format!("{sign}{digits}") {
        short if short.len() <= sign.len() + 18 => short.parse().map(Value::Integer).ok().or(Some(Value::Integer(0))),
        long => Some(long.parse().map(Value::Integer).unwrap_or(Value::BigInteger(long))),
    }
}

/// Whether unsigned text is digits with a point and an exponent as §4.2.4 has it.
fn is_real(digits: &[u8]) -> bool {
    let exponent = digits.iter().position(|byte| matches!(byte, b'E' | b'e' | b'D' | b'd'));
    let (mantissa, power) = match exponent {
        Some(at) => (digits.get(..at).unwrap_or_default(), digits.get(at + 1..)),
        None => (digits, None),
    };
    let points = mantissa.iter().filter(|&&byte| byte == b'.').count();
    let mantissa_is_right =
        points <= 1 && mantissa.len() > points && mantissa.iter().all(|&byte| byte == b'.' || byte.is_ascii_digit());
    let power_is_right = power.is_none_or(|power| {
        let power = power.strip_prefix(b"-").or_else(|| power.strip_prefix(b"+")).unwrap_or(power);
        !power.is_empty() && power.iter().all(u8::is_ascii_digit)
    });
    mantissa_is_right && power_is_right
}

/// A type that a header value can be read as; see [`Header::get`](crate::Header::get).
pub trait FromValue: Sized {
    /// What the type is called in an error message.
    const NAME: &'static str;

    /// The value as this type, if it is of it.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($type:ty, $name:literal, $convert:expr) => {
        impl FromValue for $type {
            const NAME: &'static str = $name;

            fn from_value(value: Value) -> Option<Self> {
                let convert: fn(Value) -> Option<Self> = $convert;
                convert(value)
            }
        }
    };
}

from_value!(Value, "value", Some);
from_value!(i64, "integer", |value| value.as_i64());
from_value!(f64, "number", |value| value.as_f64());
from_value!(bool, "logical", |value| value.as_bool());
from_value!(String, "string", |value| match value {
    Value::String(text) => Some(text),
    _ => None,
});

/// The error for a card whose value can't be read.
pub(crate) fn refused(keyword: &str, reason: &str) -> Error {
    Error::illegal(format!("{reason}; lenient=True may read it")).in_item(|| format!("keyword {keyword}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(text.as_bytes(), false).value.unwrap()
    }

    #[test]
    fn every_form_of_value_is_read() {
        assert_eq!(value("                   T / yes"), Value::Logical(true));
        assert_eq!(value("  42"), Value::Integer(42));
        assert_eq!(value("-0042/x"), Value::Integer(-42));
        assert_eq!(value("123456789012345678901"), Value::BigInteger("123456789012345678901".into()));
        assert_eq!(value("-00000000000000000000000000000"), Value::Integer(0));
        assert_eq!(value("1.5D+3"), Value::Real(1500.0));
        assert_eq!(value(".5"), Value::Real(0.5));
        assert_eq!(value("1."), Value::Real(1.0));
        assert_eq!(value("(1, -2.5E1)"), Value::Complex(1.0, -25.0));
        assert_eq!(value("   / nothing"), Value::Undefined);
        assert_eq!(value("'GRAVITY/176642' / slash"), Value::String("GRAVITY/176642".into()));
        assert_eq!(value("'it''s   '"), Value::String("it's".into()));
        assert_eq!(value("''"), Value::String(String::new()));
    }

    #[test]
    fn comments_are_found_behind_every_value() {
        assert_eq!(parse(b"'a/b' / c / d", false).comment, "c / d");
        assert_eq!(parse(b"1.95E+00, / bad", false).comment, "bad");
        assert_eq!(parse(b"/ only", false).comment, "only");
    }

    #[test]
    fn what_breaks_the_rules_is_refused_and_lenient_takes_it() {
        for bad in ["1.95E+00,", "NaN", "-Inf", "1 2", "1E", ".", "+", "T T", "(1,2", "(1)"] {
            assert!(parse(bad.as_bytes(), false).value.is_err(), "{bad}");
        }
        assert!(parse(b"'open", false).value.is_err());
        assert_eq!(parse(b"'open", true).value, Ok(Value::String("open".into())));
        assert_eq!(parse(b"-Inf", true).value, Ok(Value::Real(f64::NEG_INFINITY)));
        assert_eq!(parse(b"'caf\xe9'", true).value, Ok(Value::String("caf_".into())));
    }
}
