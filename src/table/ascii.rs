//! The columns of an ASCII table, and the numbers in their fields (FITS 4.0 §7.2).

use std::io::Write;

use super::column::{Cell, Column, column_name};
use super::fields::{UNREADABLE, column_count};
use crate::error::{Error, Result, ResultExt};
use crate::format::{DataType, Header};

/// Integers of so many characters are read as 32-bit ones.
const MOST_I32_WIDTH: usize = 4;
/// No exponent of a decimal number that means anything is further from 0.
const MOST_EXPONENT: i64 = 100_000;

/// A column of numbers in decimal digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decimal {
    /// That of TFORM: `I`, `F`, `E` or `D`.
    pub(super) letter: char,
    /// `I32` or `I64` for TFORM `Iw`, else `F64`.
    pub(super) stored: DataType,
    /// How many digits stand behind the decimal point where the field has none (§7.2.5).
    pub(super) decimals: u32,
    /// TSCAL and TZERO, where they change anything.
    pub(super) scaling: Option<(f64, f64)>,
}

impl Decimal {
    /// The type of the values.
    pub(crate) fn data_type(self, unscaled: bool) -> DataType {
        if self.scaling.is_some() && !unscaled { DataType::F64 } else { self.stored }
    }

    /// Reads a field. A null one is NaN among floats and 0 among integers; a blank one is 0 (§7.2.5).
    pub(super) fn read(self, field: &[u8], null: Option<&str>, unscaled: bool, value: &mut [u8]) -> Result<()> {
        let text = field.trim_ascii();
        let is_null = null.is_some_and(|null| null.as_bytes() == text);
        let scaling = self.scaling.filter(|_| !unscaled);
        if self.stored == DataType::F64 || scaling.is_some() {
            let number = if is_null { f64::NAN } else { self.real(text)? };
            let number = scaling.map_or(number, |(scale, zero)| number * scale + zero);
            return put(value, number.to_ne_bytes());
        }
        let number = if is_null { 0 } else { integer(text)? };
        match self.stored {
            DataType::I32 => {
                put(value, i32::try_from(number).map_err(|_| bad(text, "a 32-bit integer"))?.to_ne_bytes())
            }
            _ => put(value, number.to_ne_bytes()),
        }
    }

    /// A number with or without a point and an exponent, which may begin with `D`, or with its sign only.
    fn real(self, text: &[u8]) -> Result<f64> {
        if self.stored != DataType::F64 {
            return integer(text).map(|number| number as f64);
        }
        if text.is_empty() {
            return Ok(0.0);
        }
        if let Some(number) = as_written(text) {
            return Ok(number);
        }
        let refused = || bad(text, "a number");
        let signed = usize::from(matches!(text.first(), Some(b'+' | b'-')));
        let digits = Digits::of(text.get(signed..).unwrap_or_default());
        let (mantissa, rest) = text.split_at_checked(signed + digits.len).ok_or_else(refused)?;
        if digits.len == usize::from(digits.has_point) {
            return Err(refused());
        }
        let implied = if digits.has_point { 0 } else { self.decimals };
        let power = if rest.is_empty() { 0 } else { exponent(rest).ok_or_else(refused)? } - i64::from(implied);
        match digits.exact(power) {
            Some(number) => Ok(if text.first() == Some(&b'-') { -number } else { number }),
            None => rounded(mantissa, power).ok_or_else(refused),
        }
    }
}

/// The digits that a number begins with, and the point among them.
struct Digits {
    /// How many characters they are, with the point.
    len: usize,
    has_point: bool,
    /// How many digits stand behind the point.
    behind: i64,
    /// The digits as an integer; `None` where they are too many for one.
    value: Option<u64>,
}

impl Digits {
    fn of(text: &[u8]) -> Self {
        let mut digits = Self { len: 0, has_point: false, behind: 0, value: Some(0) };
        for &byte in text {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    digits.value = digits.value.and_then(|value| value.checked_mul(10)?.checked_add(digit));
                    digits.behind += i64::from(digits.has_point);
                }
                b'.' if !digits.has_point => digits.has_point = true,
                _ => break,
            }
            digits.len += 1;
        }
        digits
    }

    /// The number with this power of ten, where one rounding makes it: digits and power are exact as `f64`.
    fn exact(&self, power: i64) -> Option<f64> {
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
            1e19, 1e20, 1e21, 1e22,
        ];
        let value = self.value.filter(|&value| value <= 1 << f64::MANTISSA_DIGITS)? as f64;
        let power = power - self.behind;
        let factor = *POWERS.get(usize::try_from(power.unsigned_abs()).ok()?)?;
        Some(if power < 0 { value / factor } else { value * factor })
    }
}

/// Longer numbers are rare.
const MOST_CHARACTERS: usize = 64;

/// An exponent is no longer than this, with its letter and sign.
const EXPONENT_CHARACTERS: usize = 5;

/// A number as most are written: as Rust reads them, but for the `D` before the exponent. `None` for those without a point, where decimals may be
/// implied, for those with an exponent written in a way of its own, and for what is no number: all that Rust reads and that is none has no point.
fn as_written(text: &[u8]) -> Option<f64> {
    if !text.contains(&b'.') {
        return None;
    }
    let read = |text: &[u8]| str::from_utf8(text).ok()?.parse().ok();
    match text.iter().rev().take(EXPONENT_CHARACTERS).position(|letter| matches!(letter, b'D' | b'd')) {
        None => read(text),
        Some(behind) => {
            let mut copy = [0; MOST_CHARACTERS];
            let copy = copy.get_mut(..text.len())?;
            copy.copy_from_slice(text);
            *copy.iter_mut().nth_back(behind)? = b'e';
            read(copy)
        }
    }
}

/// The nearest `f64` to a number with this power of ten.
fn rounded(mantissa: &[u8], power: i64) -> Option<f64> {
    let mantissa = str::from_utf8(mantissa).ok()?;
    let mut text = [0; MOST_CHARACTERS];
    let mut rest = text.as_mut_slice();
    if write!(rest, "{mantissa}e{power}").is_err() {
        return format!("{mantissa}e{power}").parse().ok();
    }
    let unused = rest.len();
    str::from_utf8(text.get(..MOST_CHARACTERS - unused)?).ok()?.parse().ok()
}

/// An exponent, of any length: `E+3`, `d3`, `E 3`, `+3`.
fn exponent(text: &[u8]) -> Option<i64> {
    let (letter, digits) = match text {
        [b'E' | b'e' | b'D' | b'd', digits @ ..] => (true, digits.trim_ascii_start()),
        digits => (false, digits),
    };
    let (negative, digits) = match digits {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits if letter => (false, digits),
        _ => return None,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let power = digits.iter().fold(0, |power: i64, digit| (10 * power + i64::from(digit - b'0')).min(MOST_EXPONENT));
    Some(if negative { -power } else { power })
}

fn integer(text: &[u8]) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| bad(text, "an integer"))
}

fn bad(text: &[u8], what: &str) -> Error {
    Error::illegal(format!("the field '{}' is not {what}: read the other columns, or other rows", text.escape_ascii()))
}

fn put<const N: usize>(value: &mut [u8], bytes: [u8; N]) -> Result<()> {
    *value.first_chunk_mut().ok_or_else(|| Error::argument("the result does not fit the buffer"))? = bytes;
    Ok(())
}

/// The columns of rows of `row_len` characters. They may overlap and stand in any order (§7.2.1).
pub(super) fn ascii_columns(header: &Header, row_len: usize) -> Result<Vec<Column>> {
    let columns = (1..=column_count(header)?)
        .map(|number| column(header, number, row_len).in_item(|| format!("column {number}")));
    columns.collect()
}

fn column(header: &Header, number: i64, row_len: usize) -> Result<Column> {
    let key = |stem: &str| format!("{stem}{number}");
    let text =
        header.text(&key("TFORM"))?.ok_or_else(|| Error::illegal(format!("TFORM{number} is missing: {UNREADABLE}")))?;
    let (letter, width, decimals) = parse_form(&text)?;
    let start = header
        .integer(&key("TBCOL"))?
        .ok_or_else(|| Error::illegal(format!("TBCOL{number} is missing: {UNREADABLE}")))?;
    let offset = start.checked_sub(1).and_then(|offset| usize::try_from(offset).ok());
    let fits = |offset: &usize| offset.checked_add(width).is_some_and(|end| end <= row_len);
    let offset = offset.filter(fits).ok_or_else(|| {
        Error::illegal(format!(
            "a field of {width} characters from TBCOL {start} on is not in the row: NAXIS1 is {row_len}: {UNREADABLE}"
        ))
    })?;
    let (scaling, unscalable) = match scaling(header, &key) {
        Ok(scaling) => (scaling, None),
        Err(error) => (None, Some(error)),
    };
    let cell = match letter {
        'A' => Cell::Text { width },
        'I' => {
            let stored = if width <= MOST_I32_WIDTH { DataType::I32 } else { DataType::I64 };
            Cell::Decimal(Decimal { letter, stored, decimals: 0, scaling })
        }
        _ => Cell::Decimal(Decimal { letter, stored: DataType::F64, decimals, scaling }),
    };
    let (name, misnamed) = column_name(header.text(&key("TTYPE")), number);
    Ok(Column {
        name,
        unit: header.string(&key("TUNIT")),
        offset,
        width,
        cell,
        shape: Vec::new(),
        variable: None,
        null_text: header.string(&key("TNULL")).map(|null| null.trim().to_owned()),
        unscalable: unscalable.filter(|_| letter != 'A'),
        misnamed,
    })
}

/// The letter, width and decimals of a TFORM such as `A8`, `I10`, `F12.4`, `E15.7`, `D25.17` (§7.2.1, Table 15).
pub(super) fn parse_form(text: &str) -> Result<(char, usize, u32)> {
    let refused =
        || Error::illegal(format!("TFORM '{text}' is no column format of an ASCII table, such as I10, F12.4 or A8"));
    let mut rest = text.trim().chars();
    let letter = rest.next().map(|letter| letter.to_ascii_uppercase()).filter(|letter| "AIFED".contains(*letter));
    let letter = letter.ok_or_else(refused)?;
    let (width, decimals) = rest.as_str().split_once('.').unwrap_or((rest.as_str(), "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(width) || !is_number(decimals) {
        return Err(refused());
    }
    Ok((letter, width.parse().map_err(|_| refused())?, decimals.parse().map_err(|_| refused())?))
}

fn scaling(header: &Header, key: &impl Fn(&str) -> String) -> Result<Option<(f64, f64)>> {
    let scale = header.real(&key("TSCAL"))?.unwrap_or(1.0);
    let zero = header.real(&key("TZERO"))?.unwrap_or(0.0);
    Ok(Some((scale, zero)).filter(|scaling| *scaling != (1.0, 0.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn real(text: &str, decimals: u32) -> Result<f64> {
        Decimal { letter: 'F', stored: DataType::F64, decimals, scaling: None }.real(text.as_bytes())
    }

    #[test]
    fn numbers_are_read_as_fortran_writes_them() {
        let read = |text| real(text, 3).unwrap();
        assert_eq!(
            [read("1.5"), read("-.5"), read("+5."), read("1.5D2"), read("1.5e+02")],
            [1.5, -0.5, 5.0, 150.0, 150.0]
        );
        // Without a point, three digits stand behind it; an exponent may lack its letter.
        assert_eq!(
            [read("12345"), read("15E2"), read("1.5-3"), read("1.5E 3"), read("")],
            [12.345, 1.5, 0.0015, 1500.0, 0.0]
        );
        assert_eq!([read("1.E999999999999999999999"), read("-0.")], [f64::INFINITY, -0.0]);
        for bad in ["1 2", "x", ".", "-", "1e", "1.5.2", "nan", "inf", "1e+", "e5", "0x5", "1_0"] {
            assert!(real(bad, 3).is_err(), "{bad}");
        }
        assert_eq!(integer(b"+12").unwrap(), 12);
        for bad in ["1.5", "1 2", "9223372036854775808", "-"] {
            assert!(integer(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_rounded_once(text in "[+-]?[0-9]{1,20}(\\.[0-9]{0,18})?(E[+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(real(&text, 0).unwrap().to_bits(), expected.to_bits());
            prop_assert_eq!(real(&text.replace('E', "d"), 0).unwrap().to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn formats_are_read() {
        assert_eq!(parse_form(" e15.7 ").unwrap(), ('E', 15, 7));
        assert_eq!(parse_form("A8").unwrap(), ('A', 8, 0));
        for bad in ["", "A", "8A", "I-5", "F8.", "F.3", "X5", "I99999999999999999999", "E15.7E3"] {
            assert!(parse_form(bad).is_err(), "{bad}");
        }
    }
}
