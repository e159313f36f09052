//! The digits of numbers in the fields of ASCII tables: integers, and the shortest decimal numbers that floats come back from.

/// No 64-bit integer has more digits.
const MOST_DIGITS: usize = 20;
const DECIMAL: u64 = 10;

/// The fewest digits that a float comes back from, and the power of ten of the first one.
pub(super) struct Shortest {
    pub(super) negative: bool,
    digits: [u8; MOST_DIGITS],
    count: usize,
    pub(super) exponent: i32,
}

impl Shortest {
    /// Of a finite float.
    pub(super) fn of(number: impl zmij::Float) -> Self {
        let mut buffer = zmij::Buffer::new();
        Self::parse(buffer.format_finite(number).as_bytes())
    }

    /// Of a number with or without a point and an exponent.
    fn parse(text: &[u8]) -> Self {
        let mut parsed = Self { negative: false, digits: [b'0'; MOST_DIGITS], count: 0, exponent: -1 };
        let mut behind_point = false;
        let mut rest = text;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'-' => parsed.negative = true,
                b'.' => behind_point = true,
                b'e' => break,
                // Zeros in front of the first digit that counts.
                b'0' if parsed.count == 0 => parsed.exponent -= i32::from(behind_point),
                digit => {
                    if let Some(place) = parsed.digits.get_mut(parsed.count) {
                        *place = digit;
                    }
                    parsed.count += 1;
                    parsed.exponent += i32::from(!behind_point);
                }
            }
        }
        let power = str::from_utf8(rest).ok().and_then(|power| power.parse::<i32>().ok()).unwrap_or(0);
        parsed.exponent = if parsed.count == 0 { 0 } else { parsed.exponent + power };
        // Those of "100.0" count, but say nothing.
        let significant = parsed.digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
        parsed.count = parsed.count.clamp(1, significant);
        parsed
    }

    /// The digits, at least one, the last of which is 0 for the number 0 only.
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }
}

/// Puts an integer behind what is there.
pub(super) fn put_integer(number: i64, text: &mut Vec<u8>) {
    if number < 0 {
        text.push(b'-');
    }
    let mut digits = [b'0'; MOST_DIGITS];
    let mut rest = number.unsigned_abs();
    let mut count = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % DECIMAL) as u8;
        rest /= DECIMAL;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(MOST_DIGITS - count..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(shortest: &Shortest) -> String {
        let (first, rest) = shortest.digits().split_at(1);
        let [first, rest] = [first, rest].map(|digits| str::from_utf8(digits).unwrap());
        format!("{}{first}.{rest}e{}", if shortest.negative { "-" } else { "" }, shortest.exponent)
    }

    #[test]
    fn digits_are_found_in_every_form() {
        for (text, expected) in [
            ("0.0", "0.e0"),
            ("-0.0", "-0.e0"),
            ("100.0", "1.e2"),
            ("12.5", "1.25e1"),
            ("0.00125", "1.25e-3"),
            ("-1.5e-10", "-1.5e-10"),
            ("1e+20", "1.e20"),
            ("12345678901234567.0", "1.2345678901234567e16"),
        ] {
            assert_eq!(shown(&Shortest::parse(text.as_bytes())), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn floats_come_back(wide in any::<u64>(), narrow in any::<u32>()) {
            let (double, single) = (f64::from_bits(wide), f32::from_bits(narrow));
            if double.is_finite() {
                prop_assert_eq!(shown(&Shortest::of(double)).parse::<f64>().unwrap().to_bits(), wide);
                prop_assert_eq!(shown(&Shortest::of(double)).replace(".e", "e"), format!("{double:e}"));
            }
            if single.is_finite() {
                prop_assert_eq!(shown(&Shortest::of(single)).parse::<f32>().unwrap().to_bits(), narrow);
            }
        }

        #[test]
        fn integers_are_as_rust_has_them(number in any::<i64>()) {
            for number in [number, number >> 40, i64::MIN, 0] {
                let mut text = Vec::new();
                put_integer(number, &mut text);
                prop_assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
            }
        }
    }
}
