//! Turns quantized integers back into floating-point pixels (FITS 4.0 section 10.2 and Appendix I); `encode` is the way there.
//!
//! A tile of real numbers is stored as integers, a scale and a zero point. Where it was dithered, a random number was
//! added to every pixel before it was rounded, and the same one is subtracted here: the standard prescribes the
//! sequence, and where in it a tile starts.

mod encode;

pub(crate) use encode::{BLANK_VALUE, Step, quantize};

use crate::error::{Error, Result};

/// How many random numbers the standard's sequence has.
const RANDOM_COUNT: usize = 10_000;

/// The random numbers of Appendix I, between 0 and 1. They are rounded to 32 bits before use, as in other FITS software:
/// 64 bits would give other pixels.
static RANDOM: [f32; RANDOM_COUNT] = random_numbers();

/// The stored value that stands for exactly 0.0 with [`Dither::Two`].
const ZERO_VALUE: i32 = -2_147_483_646;

/// How pixels were dithered before they were rounded: the keyword ZQUANTIZ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dither {
    /// NO_DITHER: not at all.
    None,
    /// SUBTRACTIVE_DITHER_1.
    One,
    /// SUBTRACTIVE_DITHER_2: pixels of exactly 0.0 were left alone.
    Two,
}

/// The pixel types of quantized images: `f32` and `f64`.
pub(crate) trait Float: Copy {
    /// What an undefined pixel becomes.
    const NAN: Self;
    /// What an exact zero becomes.
    const ZERO: Self;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
}

impl Float for f32 {
    const NAN: Self = f32::NAN;
    const ZERO: Self = 0.0;

    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Float for f64 {
    const NAN: Self = f64::NAN;
    const ZERO: Self = 0.0;

    fn from_f64(value: f64) -> Self {
        value
    }
}

/// How the integers of one tile were made from its pixels, which [`restore`](Self::restore) undoes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantization {
    /// By how much pixels differ whose integers differ by 1: ZSCALE.
    pub(crate) scale: f64,
    /// The pixel whose integer is 0: ZZERO.
    pub(crate) zero: f64,
    /// The integer of undefined pixels, if there are any: ZBLANK.
    pub(crate) blank: Option<i32>,
    /// The kind of dithering: ZQUANTIZ.
    pub(crate) dither: Dither,
    /// Where the image starts in the random sequence: ZDITHER0, from 1 to 10,000. Others count on, or back, in a circle.
    pub(crate) seed: i64,
    /// The number of the tile, which is its row in the table, counted from 1.
    pub(crate) tile: u64,
}

impl Quantization {
    /// Restores the pixels of the tile; undefined ones become NaN.
    pub(crate) fn restore<F: Float>(&self, stored: &[i32], output: &mut [F]) -> Result<()> {
        if stored.len() != output.len() {
            return Err(Error::corrupt(format!("{} integers can't be {} pixels", stored.len(), output.len())));
        }
        match self.blank {
            None => self.restore_unless(|_| false, stored, output),
            Some(blank) => self.restore_unless(|value| value == blank, stored, output),
        }
        Ok(())
    }

    /// Restores all pixels but the blank ones. Each kind of dithering has a loop of its own, without a branch in it.
    fn restore_unless<F: Float>(&self, is_blank: impl Fn(i32) -> bool, stored: &[i32], output: &mut [F]) {
        let Self { scale, zero, .. } = *self;
        match self.dither {
            Dither::None => {
                for (value, pixel) in stored.iter().zip(output) {
                    *pixel = if is_blank(*value) { F::NAN } else { F::from_f64(f64::from(*value) * scale + zero) };
                }
            }
            Dither::One => self.for_each_dithered(stored, output, |value, random| {
                let pixel = F::from_f64((f64::from(value) - f64::from(random) + 0.5) * scale + zero);
                if is_blank(value) { F::NAN } else { pixel }
            }),
            Dither::Two => self.for_each_dithered(stored, output, |value, random| {
                let pixel = F::from_f64((f64::from(value) - f64::from(random) + 0.5) * scale + zero);
                let pixel = if value == ZERO_VALUE { F::ZERO } else { pixel };
                if is_blank(value) { F::NAN } else { pixel }
            }),
        }
    }

    /// Sets every item of `output` to `made(its item of the input, its random number)`.
    ///
    /// The random numbers are those from some place on to the end of the sequence; after that, those from another place
    /// on, and so forth. The places are chosen by random numbers too: by one that belongs to the tile, then by the next.
    fn for_each_dithered<A: Copy, B>(&self, mut input: &[A], mut output: &mut [B], made: impl Fn(A, f32) -> B) {
        let mut chooser = self.first_chooser();
        while !input.is_empty() {
            let start = RANDOM.get(chooser).map_or(0, |random| (random * 500.0) as usize);
            let numbers = RANDOM.get(start..).unwrap_or(&RANDOM);
            let count = numbers.len().min(input.len()).min(output.len());
            let (places, later_places) = output.split_at_mut(count);
            let (items, later_items) = input.split_at(count);
            for ((item, random), place) in items.iter().zip(numbers).zip(places) {
                *place = made(*item, *random);
            }
            (input, output) = (later_items, later_places);
            chooser = (chooser + 1) % RANDOM_COUNT;
        }
    }

    /// The position of the random number that chooses where the tile starts.
    fn first_chooser(&self) -> usize {
        // Both are reduced before they are added, so that no number from a header can overflow.
        let seed = (self.seed.rem_euclid(RANDOM_COUNT as i64)) as usize;
        let tile = (self.tile % RANDOM_COUNT as u64) as usize;
        (seed + tile + RANDOM_COUNT - 2) % RANDOM_COUNT
    }
}

/// Makes the sequence of Appendix I, the "minimal standard" generator of Park and Miller, at compile time.
const fn random_numbers() -> [f32; RANDOM_COUNT] {
    const MULTIPLIER: u64 = 16_807;
    const MODULUS: u64 = 2_147_483_647;
    let mut numbers = [0.0; RANDOM_COUNT];
    let mut seed = 1;
    let mut index = 0;
    while index < RANDOM_COUNT {
        seed = MULTIPLIER * seed % MODULUS;
        numbers[index] = (seed as f64 / MODULUS as f64) as f32;
        index += 1;
    }
    assert!(seed == 1_043_618_065, "the standard gives the last seed as a check");
    numbers
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;

    /// The tile 2 of an image with ZDITHER0 = 9999.
    fn quantization(dither: Dither, scale: f64, zero: f64) -> Quantization {
        Quantization { scale, zero, blank: Some(-2_147_483_647), dither, seed: 9999, tile: 2 }
    }

    /// Restores a tile of 20,001 pixels of which only the ones that [`PLACES`] names matter, and returns those.
    fn restore<F: Float>(quantization: Quantization, values: [i32; 8]) -> [F; 8] {
        let mut stored = vec![0; 20_001];
        for (place, value) in PLACES.iter().zip(values) {
            stored[*place] = value;
        }
        let mut output = vec![F::ZERO; stored.len()];
        quantization.restore(&stored, &mut output).unwrap();
        PLACES.map(|place| output[place])
    }

    /// Some pixels before and behind the places where the random sequence starts over.
    const PLACES: [usize; 8] = [0, 1, 2, 3, 9_999, 10_000, 19_999, 20_000];

    /// What CFITSIO 4 wrote and read, bit for bit; the pixel 1 was NaN, the pixels 2 and 19,999 were 0.
    #[test]
    fn pixels_are_those_of_other_software() {
        let plain = quantization(Dither::None, 0.1862117293288857, 399886630.7757063);
        let values =
            [-2147483571, -2147483647, -2147483578, -2147483580, -2147483556, -2147483604, -2147483578, -2147483562];
        let expected = [0x3fa83f18, 0x7fc00000, 0x3c334b80, 0xbeb913ec, 0x40837178, 0xc09a93f6, 0x3c334b80, 0x403f6195];
        assert_eq!(restore::<f32>(plain, values).map(f32::to_bits), expected);

        let dithered = quantization(Dither::One, 0.18636324552822112, 400212008.22211754);
        let values =
            [-2147483585, -2147483647, -2147483572, -2147483562, -2147483558, -2147483559, -2147483572, -2147483563];
        let expected = [0xc0190653, 0x7fc00000, 0x3d500900, 0x3ff8b606, 0x402957b6, 0x401d1570, 0x3d9cbee8, 0x3fde4c46];
        assert_eq!(restore::<f32>(dithered, values).map(f32::to_bits), expected);

        let dithered = quantization(Dither::Two, 0.18754615182037354, 402752280.0787955);
        let values =
            [-2147483554, -2147483647, -2147483646, -2147483568, -2147483566, -2147483564, -2147483646, -2147483600];
        let expected = [0x405bd13b, 0x7fc00000, 0, 0x3f5b653d, 0x3f983b32, 0x3fc79357, 0, 0xc0a5443c];
        assert_eq!(restore::<f32>(dithered, values).map(f32::to_bits), expected);

        let dithered = quantization(Dither::Two, 0.18738767028022113, 402411943.443787);
        let values =
            [-2147483571, -2147483647, -2147483646, -2147483568, -2147483574, -2147483581, -2147483646, -2147483572];
        let expected = [
            0x3fbd793f00000000,
            0x7ff8000000000000,
            0,
            0x3fe7356520000000,
            0xbfdc46cc80000000,
            0xbffc23d240000000,
            0,
            0xbfa6b93400000000,
        ];
        assert_eq!(restore::<f64>(dithered, values).map(f64::to_bits), expected);
    }

    #[test]
    fn any_seed_and_tile_is_a_place_in_the_sequence() {
        let first = |seed, tile| Quantization { seed, tile, ..quantization(Dither::One, 1.0, 0.0) }.first_chooser();
        assert_eq!(first(1, 1), 0);
        assert_eq!(first(10_000, 1), 9_999);
        assert_eq!(first(10_000, 2), 0);
        assert_eq!(first(9_999, 20_005), 2);
        assert_eq!(first(0, 1), 9_999);
        for (seed, tile) in [(i64::MIN, 0), (i64::MAX, u64::MAX), (0, 0)] {
            assert!(first(seed, tile) < RANDOM_COUNT);
        }
    }

    #[test]
    fn only_blank_pixels_become_nan() {
        let stored = [7, -2_147_483_647, ZERO_VALUE, i32::MIN, i32::MAX];
        for dither in [Dither::None, Dither::One, Dither::Two] {
            let mut output = [0.0_f32; 5];
            let mut quantization = quantization(dither, 0.5, 3.0);
            quantization.restore(&stored, &mut output).unwrap();
            assert_eq!(output.map(f32::is_nan), [false, true, false, false, false]);
            quantization.blank = None;
            quantization.restore(&stored, &mut output).unwrap();
            assert_eq!(output.map(f32::is_nan), [false; 5]);
            assert_eq!(output[2] == 0.0, dither == Dither::Two);
        }
    }

    #[test]
    fn lengths_that_disagree_are_an_error() {
        assert!(quantization(Dither::One, 1.0, 0.0).restore(&[1, 2], &mut [0.0_f64]).is_err());
    }
}
