//! How stored numbers become physical ones: BSCALE and BZERO, TSCAL and TZERO, and the unsigned convention (FITS 4.0 §5.3, §7.3.2).

use super::endian::{DataType, Number, swap_copy, swap_in_place};

/// The way from stored numbers to values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scaling {
    /// The type in the file.
    pub(crate) stored: DataType,
    pub(crate) kind: ScalingKind,
    /// The stored integer that stands for "no value" (BLANK, TNULL).
    pub(crate) blank: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScalingKind {
    /// Values are what is stored.
    None,
    /// Half the range is added: unsigned integers, or signed bytes.
    Flip,
    /// value = stored × scale + zero, as `f64`.
    Linear { scale: f64, zero: f64 },
}

impl Scaling {
    /// The scaling that a scale and a zero mean for a stored type. A blank is for integers only: a float has NaN (§4.4.2.5).
    pub(crate) fn new(stored: DataType, scale: f64, zero: f64, blank: Option<i64>) -> Self {
        let half_range = match stored {
            DataType::U8 => -128.0,
            DataType::I16 => 32768.0,
            DataType::I32 => 2_147_483_648.0,
            DataType::I64 => 9_223_372_036_854_775_808.0,
            _ => f64::NAN,
        };
        let kind = if scale == 1.0 && zero == 0.0 {
            ScalingKind::None
        } else if scale == 1.0 && zero == half_range {
            ScalingKind::Flip
        } else {
            ScalingKind::Linear { scale, zero }
        };
        Self { stored, kind, blank: blank.filter(|_| !stored.is_float()) }
    }

    /// The same file bytes without scaling: stored values.
    pub(crate) fn unscaled(self) -> Self {
        Self { kind: ScalingKind::None, ..self }
    }

    /// The type of the values.
    pub(crate) fn data_type(self) -> DataType {
        match self.kind {
            ScalingKind::None => self.stored,
            ScalingKind::Flip => self.stored.shifted().unwrap_or(self.stored),
            ScalingKind::Linear { .. } => DataType::F64,
        }
    }

    /// Whether values are as large as what is stored, so that they can be made in place.
    pub(crate) fn in_place(self) -> bool {
        !matches!(self.kind, ScalingKind::Linear { .. })
    }

    /// Turns big-endian stored numbers into native values.
    pub(crate) fn decode(self, input: &[u8], output: &mut [u8]) {
        match self.kind {
            ScalingKind::None => swap_copy(self.stored.size(), false, input, output),
            ScalingKind::Flip => swap_copy(self.stored.size(), true, input, output),
            ScalingKind::Linear { scale, zero } => {
                let output = output.as_chunks_mut::<8>().0;
                let blank = self.blank;
                match self.stored {
                    DataType::I16 => linear::<i16>(input, output, scale, zero, blank.map(|blank| blank as f64)),
                    DataType::I32 => linear::<i32>(input, output, scale, zero, blank.map(|blank| blank as f64)),
                    DataType::I64 => linear_i64(input, output, scale, zero, blank),
                    DataType::F32 => linear::<f32>(input, output, scale, zero, None),
                    DataType::F64 => linear::<f64>(input, output, scale, zero, None),
                    _ => linear::<u8>(input, output, scale, zero, blank.map(|blank| blank as f64)),
                }
            }
        }
    }

    /// Turns big-endian stored numbers into native values where they are; for scalings that keep the size.
    pub(crate) fn decode_in_place(self, data: &mut [u8]) {
        swap_in_place(self.stored.size(), self.kind == ScalingKind::Flip, data);
    }

    /// Sets each byte of `mask` to 1 where the stored number is the blank, else to 0.
    pub(crate) fn mask(self, input: &[u8], mask: &mut [u8]) {
        let Some(blank) = self.blank else {
            return mask.fill(0);
        };
        let blank = blank.to_be_bytes();
        let size = self.stored.size();
        let (high, low) = blank.split_at(blank.len() - size);
        // A blank that the type can't hold matches nothing.
        let sign = if self.stored != DataType::U8 && low.first().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
        let fits = high.iter().all(|&byte| byte == sign);
        for (stored, flag) in input.chunks_exact(size).zip(mask) {
            *flag = u8::from(fits && stored == low);
        }
    }
}

fn linear<T: Number>(input: &[u8], output: &mut [[u8; 8]], scale: f64, zero: f64, blank: Option<f64>) {
    let stored = input.chunks_exact(size_of::<T>()).map(|bytes| T::from_big_endian(bytes).to_f64());
    match blank {
        None => {
            for (value, to) in stored.zip(output) {
                *to = (value * scale + zero).to_ne_bytes();
            }
        }
        Some(blank) => {
            for (value, to) in stored.zip(output) {
                *to = if value == blank { f64::NAN } else { value * scale + zero }.to_ne_bytes();
            }
        }
    }
}

/// 64-bit blanks are compared as integers: as `f64`, neighbours of a large blank would match it.
fn linear_i64(input: &[u8], output: &mut [[u8; 8]], scale: f64, zero: f64, blank: Option<i64>) {
    for (bytes, to) in input.as_chunks::<8>().0.iter().zip(output) {
        let stored = i64::from_be_bytes(*bytes);
        *to = if Some(stored) == blank { f64::NAN } else { stored as f64 * scale + zero }.to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unsigned_convention_is_exact_and_all_else_is_f64() {
        assert_eq!(Scaling::new(DataType::I16, 1.0, 32768.0, None).data_type(), DataType::U16);
        assert_eq!(Scaling::new(DataType::U8, 1.0, -128.0, None).data_type(), DataType::I8);
        assert_eq!(Scaling::new(DataType::I64, 1.0, 9_223_372_036_854_775_808.0, None).data_type(), DataType::U64);
        assert_eq!(Scaling::new(DataType::F32, 1.0, 0.0, Some(3)).data_type(), DataType::F32);
        assert_eq!(Scaling::new(DataType::F32, 2.0, 0.0, None).data_type(), DataType::F64);
    }

    #[test]
    fn blanks_become_nan_in_scaled_data_and_mask_in_all() {
        let scaling = Scaling::new(DataType::I16, 0.5, 1.0, Some(-1));
        let mut output = [0; 16];
        scaling.decode(&[0xff, 0xff, 0, 4], &mut output);
        assert!(f64::from_ne_bytes(output[..8].try_into().unwrap()).is_nan());
        assert_eq!(f64::from_ne_bytes(output[8..].try_into().unwrap()), 3.0);
        let mut mask = [9; 2];
        scaling.mask(&[0xff, 0xff, 0, 4], &mut mask);
        assert_eq!(mask, [1, 0]);
        Scaling::new(DataType::U8, 1.0, 0.0, Some(-1)).mask(&[0xff, 0], &mut mask);
        assert_eq!(mask, [0, 0]);
        Scaling::new(DataType::U8, 1.0, 0.0, Some(255)).mask(&[0xff, 0], &mut mask);
        assert_eq!(mask, [1, 0]);
    }
}
