//! From the elements of a column, as they are given, to what is stored: numbers (§7.3.2), pairs of numbers, and fields of text (§7.2).

use super::field::FieldEncoding;
use crate::format::{DataType, Encoding, Misfit, Scaling, ScalingKind};

/// How elements whose bytes don't just move become what is stored. Every value is looked at before any is written.
#[derive(Clone, Debug)]
pub(super) enum Conversion {
    Number(Encoding),
    Complex(ComplexEncoding),
    /// Numbers in the fields of an ASCII table.
    Field(FieldEncoding),
}

impl Conversion {
    /// How many bytes an element takes in the file.
    pub(super) fn stored_size(&self) -> usize {
        match self {
            Self::Number(encoding) => encoding.stored().size(),
            Self::Complex(encoding) => 2 * encoding.stored.size(),
            Self::Field(encoding) => encoding.width(),
        }
    }

    /// The first of these native values that can't be stored; `mask` is not 0 where there is no value.
    pub(super) fn first_misfit(&self, values: &[u8], mask: Option<&[u8]>) -> Option<Misfit> {
        match self {
            Self::Number(encoding) => encoding.first_misfit(values, mask),
            Self::Complex(encoding) => encoding.first_misfit(values, mask),
            Self::Field(encoding) => encoding.first_misfit(values, mask),
        }
    }

    /// Writes native values as they are stored.
    pub(super) fn encode(&self, values: &[u8], mask: Option<&[u8]>, output: &mut [u8]) {
        match self {
            Self::Number(encoding) => encoding.encode(values, mask, output),
            Self::Complex(encoding) => encoding.encode(values, mask, output),
            Self::Field(encoding) => encoding.encode(values, mask, output),
        }
    }

    /// What a value has to fit.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Number(encoding) => encoding.described("TSCAL", "TZERO"),
            Self::Complex(encoding) => encoding.real.described("TSCAL", "TZERO"),
            Self::Field(encoding) => encoding.described(),
        }
    }
}

/// Pairs of numbers: TSCAL is for both, the zero point is a real number.
#[derive(Clone, Debug)]
pub(super) struct ComplexEncoding {
    given: DataType,
    stored: DataType,
    real: Encoding,
    imaginary: Encoding,
}

impl ComplexEncoding {
    pub(super) fn new(given: DataType, scaling: Scaling) -> Self {
        let kind = match scaling.kind {
            ScalingKind::Linear { scale, .. } => ScalingKind::Linear { scale, zero: 0.0 },
            kind => kind,
        };
        Self {
            given,
            stored: scaling.stored,
            real: Encoding::new(given, scaling),
            imaginary: Encoding::new(given, Scaling { kind, ..scaling }),
        }
    }

    fn first_misfit(&self, values: &[u8], mask: Option<&[u8]>) -> Option<Misfit> {
        let size = self.given.size();
        let is_masked = |index: usize| mask.and_then(|mask| mask.get(index)).is_some_and(|&flag| flag != 0);
        values.chunks_exact(2 * size).enumerate().filter(|(index, _)| !is_masked(*index)).find_map(|(index, pair)| {
            let (real, imaginary) = pair.split_at(size);
            let misfit = self.real.first_misfit(real, None).or_else(|| self.imaginary.first_misfit(imaginary, None))?;
            Some(match misfit {
                Misfit::Masked(_) => Misfit::Masked(index),
                Misfit::Value(_, value) => Misfit::Value(index, value),
            })
        })
    }

    fn encode(&self, values: &[u8], mask: Option<&[u8]>, output: &mut [u8]) {
        let (given, stored) = (self.given.size(), self.stored.size());
        let pairs = values.chunks_exact(2 * given).zip(output.chunks_exact_mut(2 * stored));
        for (index, (pair, place)) in pairs.enumerate() {
            let flag = mask.and_then(|mask| mask.get(index..index + 1));
            let ((real, imaginary), (to_real, to_imaginary)) = (pair.split_at(given), place.split_at_mut(stored));
            // What is masked becomes NaN in both parts.
            self.real.encode(real, flag, to_real);
            self.imaginary.encode(imaginary, flag, to_imaginary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zero_point_is_for_the_real_part() {
        let encoding = ComplexEncoding::new(DataType::F64, Scaling::new(DataType::F32, 0.5, 10.0, None));
        let values: Vec<u8> = [11.0f64, 4.0, 1e300, 0.0].iter().flat_map(|value| value.to_ne_bytes()).collect();
        assert_eq!(encoding.first_misfit(&values, None), Some(Misfit::Value(1, "1e300".into())));
        assert_eq!(encoding.first_misfit(&values, Some(&[0, 1])), None);
        let mut output = [0; 16];
        encoding.encode(&values, Some(&[0, 1]), &mut output);
        let stored: Vec<f32> = output.as_chunks::<4>().0.iter().map(|bytes| f32::from_be_bytes(*bytes)).collect();
        assert_eq!(stored[..2], [2.0, 8.0]);
        assert!(stored[2].is_nan() && stored[3].is_nan());
    }
}
