//! The way from floating-point pixels to integers (FITS 4.0 §10.2; Pence, White & Seaman 2010).

use super::{Dither, Float, Quantization, ZERO_VALUE};
use crate::codec::noise::sigma;

/// The integer that stands for an undefined pixel: ZBLANK.
pub(crate) const BLANK_VALUE: i32 = -2_147_483_647;
/// The lowest integer of a pixel's value where some integers have a meaning of their own.
const LOWEST_VALUE: i32 = BLANK_VALUE + 11;
/// Up to here apart, the integers of the lowest and the highest pixel fit, wherever the lowest is.
const LARGEST_SPAN: f64 = 2_147_483_000.0;

/// How fine the steps are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// The noise of the tile, divided by this.
    OfNoise(f64),
    /// As wide as this.
    Width(f64),
}

/// Quantizes a tile with rows of `row_len` pixels into `output`, and says how. `None` where that can't be done: a tile without noise, with infinities,
/// without any number, or whose pixels are too many steps apart.
pub(crate) fn quantize<F: Float + Into<f64>>(
    pixels: &[F],
    row_len: usize,
    step: Step,
    place: (Dither, i64, u64),
    output: &mut Vec<i32>,
) -> Option<Quantization> {
    let (dither, seed, tile) = place;
    let (mut low, mut high, mut undefined) = (f64::INFINITY, f64::NEG_INFINITY, false);
    for &pixel in pixels {
        let pixel: f64 = pixel.into();
        undefined |= pixel.is_nan();
        low = low.min(pixel);
        high = high.max(pixel);
    }
    let scale = match step {
        Step::OfNoise(level) => sigma(pixels, row_len) / level,
        Step::Width(width) => width,
    };
    let span = (high - low) / scale;
    // Also false for NaN.
    if !(scale.is_normal() && scale > 0.0 && (0.0..LARGEST_SPAN).contains(&span)) {
        return None;
    }
    let reserved = undefined || dither == Dither::Two;
    let zero = if reserved { low - f64::from(LOWEST_VALUE) * scale } else { low };
    let quantization = Quantization { scale, zero, blank: Some(BLANK_VALUE), dither, seed, tile };
    output.clear();
    output.resize(pixels.len(), 0);
    quantization.apply(pixels, output);
    Some(quantization)
}

impl Quantization {
    /// Sets the integers of the pixels that `changed` marks with a byte other than 0, and leaves the others. Whether each of them has an integer that
    /// means it: where one has none, what is in `integers` is of no use.
    pub(crate) fn requantize<F: Float + Into<f64>>(&self, pixels: &[F], changed: &[u8], integers: &mut [i32]) -> bool {
        if !self.scale.is_finite() || self.scale == 0.0 || !self.zero.is_finite() {
            return false;
        }
        let mut values = vec![0; pixels.len()];
        self.apply(pixels, &mut values);
        let mut all = pixels.iter().zip(values).zip(changed).zip(integers).filter(|((_, changed), _)| **changed != 0);
        all.all(|(((&pixel, value), _), place)| {
            let pixel: f64 = pixel.into();
            if pixel.is_nan() {
                *place = self.blank.unwrap_or(BLANK_VALUE);
                return self.blank.is_some();
            }
            *place = value;
            let is_zero = self.dither == Dither::Two && value == ZERO_VALUE;
            value != i32::MIN && value != i32::MAX && Some(value) != self.blank && (!is_zero || pixel == 0.0)
        })
    }

    /// The way back of [`restore`](Self::restore).
    fn apply<F: Float + Into<f64>>(&self, pixels: &[F], output: &mut [i32]) {
        let Self { scale, zero, dither, .. } = *self;
        let step = |pixel: f64, random: f64| {
            let value = nearest((pixel - zero) / scale + random - 0.5);
            if pixel.is_nan() { BLANK_VALUE } else { value }
        };
        match dither {
            Dither::None => {
                for (&pixel, value) in pixels.iter().zip(output) {
                    *value = step(pixel.into(), 0.5);
                }
            }
            Dither::One => self.for_each_dithered(pixels, output, |pixel, random| step(pixel.into(), random.into())),
            Dither::Two => self.for_each_dithered(pixels, output, |pixel, random| {
                let pixel: f64 = pixel.into();
                if pixel == 0.0 { ZERO_VALUE } else { step(pixel, random.into()) }
            }),
        }
    }
}

#[inline(always)]
fn nearest(value: f64) -> i32 {
    (value + 0.5_f64.copysign(value)) as i32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;

    fn pixels() -> Vec<f32> {
        (0..20_000).map(|index| ((index * 7919 % 1009) as f32 - 500.0) * 0.37).collect()
    }

    #[test]
    fn pixels_come_back_within_half_a_step() {
        let mut pixels = pixels();
        pixels[5] = f32::NAN;
        pixels[9] = 0.0;
        for dither in [Dither::None, Dither::One, Dither::Two] {
            for step in [Step::OfNoise(4.0), Step::Width(0.25)] {
                let mut integers = Vec::new();
                let how = quantize(&pixels, 100, step, (dither, 17, 3), &mut integers).unwrap();
                let mut back = vec![0.0_f32; pixels.len()];
                how.restore(&integers, &mut back).unwrap();
                for (index, (before, after)) in pixels.iter().zip(&back).enumerate() {
                    if index == 5 {
                        assert!(after.is_nan());
                    } else {
                        assert!(f64::from((before - after).abs()) <= how.scale * 0.5001 + 1e-6, "{before} {after}");
                    }
                }
                assert!(dither != Dither::Two || back[9] == 0.0);
            }
        }
    }

    #[test]
    fn what_has_no_steps_is_left_alone() {
        let quantized =
            |pixels: &[f32], step| quantize(pixels, 10, step, (Dither::One, 1, 1), &mut Vec::new()).is_some();
        let mut infinite = pixels();
        infinite[3] = f32::NEG_INFINITY;
        assert!(!quantized(&infinite, Step::OfNoise(4.0)) && !quantized(&infinite, Step::Width(1.0)));
        assert!(!quantized(&[f32::NAN; 50], Step::Width(1.0)));
        assert!(!quantized(&[2.5; 50], Step::OfNoise(4.0)) && quantized(&[2.5; 50], Step::Width(1.0)));
        assert!(!quantized(&pixels(), Step::Width(1e-9)));
    }
}
