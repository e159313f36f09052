//! What a header value can be made of.

use super::value::Value;

macro_rules! from_integer {
    ($($type:ty)*) => {
        $(impl From<$type> for Value {
            fn from(number: $type) -> Self {
                i64::try_from(number).map_or_else(|_| Self::BigInteger(number.to_string()), Self::Integer)
            }
        })*
    };
}

from_integer!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Logical(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// The number that the shortest text of the `f32` stands for: 0.1, not 0.10000000149011612. It reads back to the same `f32`.
impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Self::Real(number.to_string().parse().unwrap_or(f64::from(number)))
    }
}

/// A complex number, real part first.
impl From<(f64, f64)> for Value {
    fn from((real, imaginary): (f64, f64)) -> Self {
        Self::Complex(real, imaginary)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

/// `None` is an undefined value.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Undefined, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_made_of_what_rust_has() {
        assert_eq!(Value::from(-3i8), Value::Integer(-3));
        assert_eq!(Value::from(u64::MAX), Value::BigInteger("18446744073709551615".into()));
        assert_eq!(Value::from(0.1f32), Value::Real(0.1));
        assert!(matches!(Value::from(f32::NAN), Value::Real(number) if number.is_nan()));
        assert_eq!(Value::from((1.0, -2.0)), Value::Complex(1.0, -2.0));
        assert_eq!(Value::from(Some("text")), Value::String("text".into()));
        assert_eq!(Value::from(None::<bool>), Value::Undefined);
    }
}
