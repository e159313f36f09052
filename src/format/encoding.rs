//! How values become stored numbers: the way back of [`Scaling`] (FITS 4.0 §4.4.2.5, §5.3). Every value is checked before any is written.

use super::endian::{DataType, swap_copy};
use super::scaling::{Scaling, ScalingKind};
use crate::error::{Error, Result};

/// A float below this has an exact `i128`, and no integer type reaches it.
const BEYOND_INTEGERS: f64 = (1u128 << 70) as f64;

/// From here on messages show numbers with an exponent.
const LONGEST_SHOWN: f64 = 1e16;

/// The way from values of one type to stored numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    /// The type of the values that are given.
    given: DataType,
    scaling: Scaling,
    /// Whether values become stored numbers by their byte order alone, all of them.
    swaps: bool,
    /// The stored number of a pixel without a value, if the image has one.
    blank: Option<i64>,
}

/// A value without a stored number: which it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Misfit {
    /// It is masked, and nothing stands for no value.
    Masked(usize),
    /// It does not fit; as text.
    Value(usize, String),
}

/// A value that is given, exact.
#[derive(Clone, Copy)]
pub(crate) enum Given {
    Integer(i128),
    Real(f64),
}

/// A number as it is stored.
pub(crate) enum Stored {
    Integer(i64),
    Real(f64),
}

impl Given {
    /// Whether it is not a number.
    pub(crate) fn is_nan(self) -> bool {
        matches!(self, Self::Real(value) if value.is_nan())
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) => value,
        }
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            // Not three hundred zeros.
            Self::Real(value) if value.is_finite() && value.abs() >= LONGEST_SHOWN => write!(f, "{value:e}"),
            Self::Real(value) => value.fmt(f),
        }
    }
}

impl Encoding {
    /// From values of type `given` to what `scaling` stores.
    pub(crate) fn new(given: DataType, scaling: Scaling) -> Self {
        let swaps = scaling.in_place() && given == scaling.data_type();
        let blank = scaling.blank.filter(|&blank| fits(scaling.stored, blank.into()));
        Self { given, scaling, swaps, blank }
    }

    /// The type of what is stored.
    pub(crate) fn stored(&self) -> DataType {
        self.scaling.stored
    }

    /// The stored number that stands for no value.
    pub(crate) fn blank(&self) -> Option<i64> {
        self.blank
    }

    /// The type of what is given.
    pub(crate) fn given(&self) -> DataType {
        self.given
    }

    /// Checks that every value has a stored number; `mask` is not 0 where a pixel has no value. `place` names the pixel of a number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) with the first value that has none.
    pub(crate) fn check(&self, values: &[u8], mask: Option<&[u8]>, place: impl Fn(usize) -> String) -> Result<()> {
        // A value without an axis has no place.
        let shown = |place: String| if place == "[]" { String::new() } else { format!(" at {place}") };
        match self.first_misfit(values, mask) {
            None => Ok(()),
            Some(Misfit::Masked(index)) => Err(Error::argument(format!(
                "the pixel{} is masked, and the header has no BLANK that could stand for it: fill it, or create the image with blank=",
                shown(place(index))
            ))),
            Some(Misfit::Value(index, value)) => {
                let hint = if value == "NaN" { " (an integer image has no NaN, and this one no BLANK)" } else { "" };
                let wanted = self.described("BSCALE", "BZERO");
                Err(Error::argument(format!(
                    "the value {value}{} does not fit {wanted}{hint}; nothing was written",
                    shown(place(index))
                )))
            }
        }
    }

    /// The first value that has no stored number; `mask` is not 0 where there is no value.
    pub(crate) fn first_misfit(&self, values: &[u8], mask: Option<&[u8]>) -> Option<Misfit> {
        let is_masked = |index: usize| mask.and_then(|mask| mask.get(index)).is_some_and(|&flag| flag != 0);
        if !self.scaling.stored.is_float()
            && self.blank.is_none()
            && let Some(first) = mask.and_then(|mask| mask.iter().position(|&flag| flag != 0))
        {
            return Some(Misfit::Masked(first));
        }
        if self.swaps {
            return None;
        }
        let mut index = 0;
        let mut misfit = None;
        each(self.given, values, |value| {
            if misfit.is_none() && !is_masked(index) && self.store(value).is_none() {
                misfit = Some((index, value));
            }
            index += 1;
        });
        misfit.map(|(index, value)| Misfit::Value(index, value.to_string()))
    }

    /// What values have to fit; the keywords are those of the scale and the zero.
    pub(crate) fn described(&self, scale_keyword: &str, zero_keyword: &str) -> String {
        match self.scaling.kind {
            ScalingKind::Linear { scale, zero } => {
                format!("{} with {scale_keyword} {scale} and {zero_keyword} {zero}", self.scaling.stored.code())
            }
            _ => self.scaling.data_type().code().to_owned(),
        }
    }

    /// Turns native values into big-endian stored numbers.
    pub(crate) fn encode(&self, values: &[u8], mask: Option<&[u8]>, output: &mut [u8]) {
        let stored = self.scaling.stored;
        if self.swaps {
            to_big_endian(stored.size(), self.scaling.kind == ScalingKind::Flip, values, output);
        } else {
            let mut places = output.chunks_exact_mut(stored.size());
            each(self.given, values, |value| {
                // A masked pixel may hold anything; it is overwritten below.
                if let (Some(place), Some(number)) = (places.next(), self.store(value)) {
                    put(stored, &number, place);
                }
            });
        }
        let Some(mask) = mask else { return };
        let blank = self.blank.filter(|_| !stored.is_float()).map_or(Stored::Real(f64::NAN), Stored::Integer);
        for (place, _) in output.chunks_exact_mut(stored.size()).zip(mask).filter(|(_, flag)| **flag != 0) {
            put(stored, &blank, place);
        }
    }

    /// Calls `visit` with each of these native values and its stored number, if it has one.
    pub(crate) fn each_stored(&self, values: &[u8], mut visit: impl FnMut(Given, Option<Stored>)) {
        each(self.given, values, |value| visit(value, self.store(value)));
    }

    /// The stored number of a value; `None` where it has none.
    fn store(&self, value: Given) -> Option<Stored> {
        if self.scaling.stored.is_float() {
            return self.real(value).map(Stored::Real);
        }
        if value.is_nan() {
            return self.blank.map(Stored::Integer);
        }
        let number = match (self.scaling.kind, value) {
            (ScalingKind::Linear { scale, zero }, value) => rounded((value.to_f64() - zero) / scale)?,
            (kind, Given::Integer(value)) => value - offset(kind, self.scaling.stored),
            (kind, Given::Real(value)) => rounded(value)? - offset(kind, self.scaling.stored),
        };
        fits(self.scaling.stored, number).then_some(Stored::Integer(number as i64))
    }

    fn real(&self, value: Given) -> Option<f64> {
        let value = value.to_f64();
        let number = match self.scaling.kind {
            ScalingKind::Linear { scale, zero } => (value - zero) / scale,
            _ => value,
        };
        let number = if self.scaling.stored == DataType::F32 { f64::from(number as f32) } else { number };
        (number.is_finite() || !value.is_finite()).then_some(number)
    }
}

/// To the nearest integer, to the even one of two; `None` for NaN and what no integer type holds.
fn rounded(value: f64) -> Option<i128> {
    (value.abs() < BEYOND_INTEGERS).then(|| value.round_ties_even() as i128)
}

/// What a value is more than its stored number.
fn offset(kind: ScalingKind, stored: DataType) -> i128 {
    match (kind, stored) {
        (ScalingKind::Flip, DataType::U8) => -128,
        (ScalingKind::Flip, stored) => 1 << (8 * stored.size() - 1),
        _ => 0,
    }
}

/// Whether a stored type of integers has this number.
fn fits(stored: DataType, number: i128) -> bool {
    let half = 1i128 << (8 * stored.size() - 1);
    if stored == DataType::U8 { (0..256).contains(&number) } else { (-half..half).contains(&number) }
}

/// Writes a number in big-endian bytes.
fn put(stored: DataType, number: &Stored, place: &mut [u8]) {
    let wide = match *number {
        Stored::Integer(number) => number.to_be_bytes(),
        Stored::Real(number) if stored == DataType::F32 => u64::from((number as f32).to_bits()).to_be_bytes(),
        Stored::Real(number) => number.to_be_bytes(),
    };
    // The last bytes are those that a shorter type has.
    if let Some(bytes) = wide.get(wide.len() - place.len().min(wide.len())..) {
        place.copy_from_slice(bytes);
    }
}

/// Turns native values into big-endian ones; `flip`: into those of the unsigned convention.
pub(crate) fn to_big_endian(size: usize, flip: bool, input: &[u8], output: &mut [u8]) {
    // Swapping is its own inverse.
    swap_copy(size, false, input, output);
    if flip {
        // The top byte comes first in the file.
        output.iter_mut().step_by(size).for_each(|top| *top ^= 0x80);
    }
}

/// Calls `visit` with each native value.
fn each(data_type: DataType, values: &[u8], mut visit: impl FnMut(Given)) {
    macro_rules! visit_all {
        ($type:ty, $given:ident) => {
            values.as_chunks::<{ size_of::<$type>() }>().0.iter().for_each(|bytes| {
                visit(Given::$given(<$type>::from_ne_bytes(*bytes).into()));
            })
        };
    }
    match data_type {
        DataType::U8 => visit_all!(u8, Integer),
        DataType::I8 => visit_all!(i8, Integer),
        DataType::I16 => visit_all!(i16, Integer),
        DataType::U16 => visit_all!(u16, Integer),
        DataType::I32 => visit_all!(i32, Integer),
        DataType::U32 => visit_all!(u32, Integer),
        DataType::I64 => visit_all!(i64, Integer),
        DataType::U64 => visit_all!(u64, Integer),
        DataType::F32 => visit_all!(f32, Real),
        DataType::F64 => visit_all!(f64, Real),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;
    use crate::format::Element;

    fn encoded<T: Element>(scaling: Scaling, values: &[T], mask: Option<&[u8]>) -> Result<Vec<u8>> {
        let encoding = Encoding::new(T::DATA_TYPE, scaling);
        let values: &[u8] = bytemuck::cast_slice(values);
        encoding.check(values, mask, |index| format!("[{index}]"))?;
        let mut output = vec![0; values.len() / size_of::<T>() * scaling.stored.size()];
        encoding.encode(values, mask, &mut output);
        Ok(output)
    }

    #[test]
    fn values_become_what_reading_makes_of_them() {
        let unsigned = Scaling::new(DataType::I16, 1.0, 32768.0, None);
        assert_eq!(encoded(unsigned, &[0u16, 65535, 32768], None).unwrap(), [0x80, 0, 0x7f, 0xff, 0, 0]);
        assert_eq!(encoded(unsigned, &[0i64, 65535], None).unwrap(), [0x80, 0, 0x7f, 0xff]);
        assert_eq!(encoded(unsigned, &[1.5f64, 2.5], None).unwrap(), [0x80, 2, 0x80, 2]);
        let bytes = Scaling::new(DataType::U8, 1.0, -128.0, None);
        assert_eq!(encoded(bytes, &[-128i8, 127], None).unwrap(), [0, 255]);
        assert_eq!(encoded(bytes, &[-128i16, 127], None).unwrap(), [0, 255]);
        let large = Scaling::new(DataType::I64, 1.0, 9_223_372_036_854_775_808.0, None);
        assert_eq!(encoded(large, &[u64::MAX], None).unwrap(), i64::MAX.to_be_bytes());
        assert_eq!(encoded(large, &[1i64], None).unwrap(), (i64::MIN + 1).to_be_bytes());
        let linear = Scaling::new(DataType::I32, 0.5, 10.0, None);
        assert_eq!(encoded(linear, &[11.0f64, 9.26], None).unwrap(), [0, 0, 0, 2, 255, 255, 255, 255]);
        let float = Scaling::new(DataType::F32, 1.0, 0.0, None);
        assert_eq!(encoded(float, &[1.5f64], None).unwrap(), 1.5f32.to_be_bytes());
        assert_eq!(encoded(float, &[7i16], None).unwrap(), 7f32.to_be_bytes());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let short = Scaling::new(DataType::I16, 1.0, 0.0, None);
        let error = encoded(short, &[1i32, 32768], None).unwrap_err().to_string();
        assert!(error.contains("32768 at [1]") && error.contains("i2"), "{error}");
        for value in [32767.5, -32768.6, f64::INFINITY, f64::NAN, 1e300] {
            assert!(encoded(short, &[value], None).is_err(), "{value}");
        }
        assert!(encoded(short, &[32767.4, -32768.5], None).is_ok());
        assert!(encoded(Scaling::new(DataType::I16, 0.0, 1.0, Some(3)), &[1.0], None).is_err());
        assert!(encoded(Scaling::new(DataType::I64, 1.0, 0.0, None), &[9.3e18], None).is_err());
        assert!(encoded(Scaling::new(DataType::F32, 1.0, 0.0, None), &[1e39], None).is_err());
        assert!(encoded(Scaling::new(DataType::F32, 1.0, 0.0, None), &[f64::INFINITY, f64::NAN], None).is_ok());
        let unsigned = Scaling::new(DataType::I16, 1.0, 32768.0, None);
        assert!(encoded(unsigned, &[-1i32], None).unwrap_err().to_string().contains("u2"));
    }

    #[test]
    fn pixels_without_a_value_are_blank_or_nan() {
        let blank = Scaling::new(DataType::I16, 0.1, 0.0, Some(-7));
        assert_eq!(encoded(blank, &[f64::NAN, 0.2], None).unwrap(), [0xff, 0xf9, 0, 2]);
        // What lies below the mask is not looked at.
        assert_eq!(encoded(blank, &[1e9, 0.2], Some(&[1, 0])).unwrap(), [0xff, 0xf9, 0, 2]);
        let plain = Scaling::new(DataType::I16, 1.0, 0.0, Some(70_000));
        assert!(encoded(plain, &[1i16, 2], Some(&[0, 1])).unwrap_err().to_string().contains("[1] is masked"));
        assert!(encoded(plain, &[1i16, 2], Some(&[0, 0])).is_ok());
        let float = encoded(Scaling::new(DataType::F32, 1.0, 0.0, None), &[1f32], Some(&[1])).unwrap();
        assert!(f32::from_be_bytes(float.try_into().unwrap()).is_nan());
    }
}
