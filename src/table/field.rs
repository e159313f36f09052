//! Numbers in the fields of an ASCII table, as they are written (FITS 4.0 §7.2.1, §7.2.5): `Iw`, `Fw.d`, `Ew.d`, `Dw.d`.

use std::io::Write;

use super::ascii::Decimal;
use super::digits::{Shortest, put_integer};
use crate::format::{DataType, Encoding, Misfit, Scaling, Stored};

/// The decimals of `E15.7`, the usual format of 32-bit floats.
const USUAL_DECIMALS: u32 = 7;
/// A digit before the point, and one more behind it than is usual.
const MOST_USUAL_DIGITS: usize = 2 + USUAL_DECIMALS as usize;
/// The numbers whose exponents have two digits, as all 32-bit ones have.
const TWO_DIGITS: std::ops::Range<f64> = 1e-99..1e99;
/// The width of `E15.7`.
const USUAL_WIDTH: usize = 15;
/// With so many decimals every 64-bit float comes back.
const EXACT_DECIMALS: u32 = 16;
/// No number has as many decimals: more are only zeros.
const MOST_DECIMALS: u32 = 1200;
/// What a number takes beside its decimals: sign, digit, point, letter, sign and three digits of the exponent.
const AROUND_DECIMALS: usize = 8;

/// The way from numbers to the fields of a column.
#[derive(Clone, Debug)]
pub(super) struct FieldEncoding {
    letter: char,
    width: usize,
    decimals: u32,
    /// To 64-bit integers or floats, past TSCAL and TZERO.
    encoding: Encoding,
    /// Whether 32-bit floats are given, of which all have to come back from the field.
    single: bool,
    /// What stands for "no value".
    null: Option<String>,
}

impl FieldEncoding {
    /// From values of type `given` to fields of so many characters. `as_stored`: TSCAL and TZERO are not for them.
    pub(super) fn new(decimal: Decimal, width: usize, null: Option<&str>, given: DataType, as_stored: bool) -> Self {
        let (scale, zero) = decimal.scaling.filter(|_| !as_stored).unwrap_or((1.0, 0.0));
        let stored = if decimal.stored.is_float() { DataType::F64 } else { DataType::I64 };
        Self {
            letter: decimal.letter,
            width,
            decimals: decimal.decimals,
            encoding: Encoding::new(given, Scaling::new(stored, scale, zero, None)),
            single: given == DataType::F32 && (scale, zero) == (1.0, 0.0),
            null: null.filter(|null| null.len() <= width).map(str::to_owned),
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn described(&self) -> String {
        match self.letter {
            'I' => format!("a field of {} characters (format I{0})", self.width),
            letter => format!("a field of {} characters (format {letter}{0}.{})", self.width, self.decimals),
        }
    }

    /// As [`Conversion::first_misfit`](super::conversion::Conversion::first_misfit). Without a null neither NaN nor what is masked can be written; infinities can't be in any case.
    pub(super) fn first_misfit(&self, values: &[u8], mask: Option<&[u8]>) -> Option<Misfit> {
        let (mut index, mut misfit) = (0, None);
        let mut text = Vec::new();
        self.encoding.each_stored(values, |given, stored| {
            let is_masked = mask.and_then(|mask| mask.get(index)).is_some_and(|&flag| flag != 0);
            let fits = match stored {
                _ if misfit.is_some() => true,
                _ if is_masked || given.is_nan() => self.null.is_some(),
                Some(number) => self.certainly_fits(&number) || self.format(&number, &mut text),
                None => false,
            };
            if !fits {
                misfit = Some(if is_masked { Misfit::Masked(index) } else { Misfit::Value(index, given.to_string()) });
            }
            index += 1;
        });
        misfit
    }

    /// Writes the fields, numbers flush right and nulls flush left.
    pub(super) fn encode(&self, values: &[u8], mask: Option<&[u8]>, output: &mut [u8]) {
        let mut fields = output.chunks_exact_mut(self.width.max(1));
        let mut index = 0;
        let mut text = Vec::with_capacity(self.width);
        self.encoding.each_stored(values, |given, stored| {
            let is_masked = mask.and_then(|mask| mask.get(index)).is_some_and(|&flag| flag != 0);
            index += 1;
            let Some(field) = fields.next() else { return };
            field.fill(b' ');
            if is_masked || given.is_nan() {
                let null = self.null.as_deref().unwrap_or_default().as_bytes();
                field.iter_mut().zip(null).for_each(|(place, byte)| *place = *byte);
            } else if let Some(number) = stored
                && self.format(&number, &mut text)
            {
                let start = field.len() - text.len();
                field.get_mut(start..).unwrap_or_default().copy_from_slice(&text);
            }
        });
    }

    /// Whether a number fits by its size alone.
    fn certainly_fits(&self, number: &Stored) -> bool {
        match (number, self.letter) {
            (Stored::Real(number), 'E' | 'D') => {
                number.is_finite() && self.width >= self.decimals as usize + AROUND_DECIMALS
            }
            (Stored::Real(_), _) => false,
            (Stored::Integer(number), _) => {
                let digits = self.width.saturating_sub(1).min(18) as u32;
                number.unsigned_abs() < 10u64.pow(digits)
            }
        }
    }

    /// Writes a number as text; whether it fits the field.
    fn format(&self, number: &Stored, text: &mut Vec<u8>) -> bool {
        text.clear();
        let decimals = self.decimals.min(MOST_DECIMALS) as usize;
        let written = match *number {
            Stored::Integer(number) => {
                put_integer(number, text);
                Ok(())
            }
            Stored::Real(number) if !number.is_finite() || self.decimals as usize > self.width => return false,
            Stored::Real(number) if self.letter == 'F' => write!(text, "{number:.decimals$}"),
            Stored::Real(number) => self.with_exponent(number, decimals, text),
        };
        written.is_ok() && text.len() <= self.width
    }

    /// `1.5E+00`: a digit, the point, the decimals, and an exponent of two digits or three.
    fn with_exponent(&self, number: f64, decimals: usize, text: &mut Vec<u8>) -> std::io::Result<()> {
        // Where all digits have room that the number needs to come back, those behind them are zeros.
        if self.decimals >= EXACT_DECIMALS {
            self.put_shortest(&Shortest::of(number), decimals, text);
            return Ok(());
        }
        if self.decimals == USUAL_DECIMALS && self.width >= USUAL_WIDTH {
            // The shortest digits that give the number back; one more than there are decimals is needed by some and fits.
            // What was read from such a field needs no more either.
            let shortest = if self.single { Shortest::of(number as f32) } else { Shortest::of(number) };
            let short = shortest.digits().len() <= MOST_USUAL_DIGITS;
            if short && (number == 0.0 || TWO_DIGITS.contains(&number.abs())) {
                self.put_shortest(&shortest, decimals, text);
                return Ok(());
            }
        }
        write!(text, "{number:.decimals$E}")?;
        let Some(letter) = text.iter().position(|&byte| byte == b'E') else { return Ok(()) };
        let exponent = str::from_utf8(text.get(letter + 1..).unwrap_or_default()).ok();
        let exponent = exponent.and_then(|exponent| exponent.parse().ok()).unwrap_or(0);
        text.truncate(letter);
        if decimals == 0 {
            text.push(b'.');
        }
        self.put_exponent(exponent, text);
        Ok(())
    }

    fn put_shortest(&self, number: &Shortest, decimals: usize, text: &mut Vec<u8>) {
        if number.negative {
            text.push(b'-');
        }
        let (first, rest) = number.digits().split_at_checked(1).unwrap_or_default();
        text.extend_from_slice(first);
        text.push(b'.');
        text.extend_from_slice(rest);
        text.extend(std::iter::repeat_n(b'0', decimals.saturating_sub(rest.len())));
        self.put_exponent(number.exponent, text);
    }

    fn put_exponent(&self, exponent: i32, text: &mut Vec<u8>) {
        text.extend([self.letter as u8, if exponent < 0 { b'-' } else { b'+' }]);
        if exponent.abs() < 10 {
            text.push(b'0');
        }
        put_integer(exponent.unsigned_abs().into(), text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(letter: char, width: usize, decimals: u32, given: DataType, values: &[u8]) -> Result<String, Misfit> {
        let stored = if letter == 'I' { DataType::I64 } else { DataType::F64 };
        let decimal = Decimal { letter, stored, decimals, scaling: None };
        let encoding = FieldEncoding::new(decimal, width, None, given, false);
        match encoding.first_misfit(values, None) {
            Some(misfit) => Err(misfit),
            None => {
                let mut output = vec![b'?'; values.len() / given.size() * width];
                encoding.encode(values, None, &mut output);
                Ok(String::from_utf8(output).unwrap())
            }
        }
    }

    fn real(letter: char, width: usize, decimals: u32, value: f64) -> Result<String, Misfit> {
        field(letter, width, decimals, DataType::F64, &value.to_ne_bytes())
    }

    #[test]
    fn numbers_are_written_as_their_formats_say() {
        assert_eq!(real('E', 15, 7, 1.5).unwrap(), "  1.5000000E+00");
        assert_eq!(real('E', 15, 7, -1.23456789e-99).unwrap(), "-1.23456789E-99");
        assert_eq!(real('E', 15, 7, -1.23456789e-100).unwrap(), "-1.2345679E-100");
        assert_eq!(real('E', 15, 7, 1.0 / 3.0).unwrap(), "  3.3333333E-01");
        assert_eq!(real('D', 25, 17, -f64::MIN_POSITIVE).unwrap(), "-2.22507385850720140D-308");
        assert_eq!(real('F', 8, 3, -1.5).unwrap(), "  -1.500");
        assert_eq!(real('F', 8, 0, 7.0).unwrap(), "       7");
        assert_eq!(field('I', 5, 0, DataType::I16, &(-32i16).to_ne_bytes()).unwrap(), "  -32");
        assert_eq!(field('I', 20, 0, DataType::I64, &i64::MIN.to_ne_bytes()).unwrap(), "-9223372036854775808");
    }

    #[test]
    fn what_is_wider_than_its_field_is_named() {
        let value = |value: &str| Misfit::Value(0, value.into());
        assert_eq!(real('F', 6, 3, 123.4567).unwrap_err(), value("123.4567"));
        assert_eq!(real('F', 6, 2, 999.9949).unwrap(), "999.99");
        assert_eq!(real('F', 6, 2, 999.9951).unwrap_err(), value("999.9951"));
        assert_eq!(real('E', 12, 7, 1.0).unwrap_err(), value("1"));
        assert_eq!(real('E', 15, 7, f64::INFINITY).unwrap_err(), value("inf"));
        assert_eq!(real('E', 15, 7, f64::NAN).unwrap_err(), value("NaN"));
        assert_eq!(real('F', 5, 4_000_000_000, 1.0).unwrap_err(), value("1"));
        assert_eq!(field('I', 2, 0, DataType::I16, &100i16.to_ne_bytes()).unwrap_err(), value("100"));
        assert_eq!(
            field('I', 20, 0, DataType::U64, &u64::MAX.to_ne_bytes()).unwrap_err(),
            value("18446744073709551615")
        );
    }

    #[test]
    fn nulls_stand_for_no_value() {
        let decimal = Decimal { letter: 'F', stored: DataType::F64, decimals: 1, scaling: None };
        let encoding = FieldEncoding::new(decimal, 5, Some("--"), DataType::F64, false);
        let values: Vec<u8> = [1.0f64, f64::NAN, 1e9].iter().flat_map(|value| value.to_ne_bytes()).collect();
        assert_eq!(encoding.first_misfit(&values, None), Some(Misfit::Value(2, "1000000000".into())));
        assert_eq!(encoding.first_misfit(&values, Some(&[0, 0, 1])), None);
        let mut output = [0; 15];
        encoding.encode(&values, Some(&[0, 0, 1]), &mut output);
        assert_eq!(&output, b"  1.0--   --   ");
    }

    proptest! {
        #[test]
        fn usual_formats_give_every_float_back(bits in any::<u32>(), wide in any::<u64>()) {
            let (single, double) = (f32::from_bits(bits), f64::from_bits(wide));
            if single.is_finite() {
                let text = field('E', 15, 7, DataType::F32, &single.to_ne_bytes()).unwrap();
                prop_assert_eq!(text.trim().parse::<f32>().unwrap().to_bits(), single.to_bits());
                // A double is read from it, which is written as the same field.
                prop_assert_eq!(real('E', 15, 7, text.trim().parse().unwrap()).unwrap(), text);
            }
            if double.is_finite() {
                let text = real('D', 25, 17, double).unwrap().replace('D', "E");
                prop_assert_eq!(text.trim().parse::<f64>().unwrap().to_bits(), double.to_bits());
            }
        }
    }
}
