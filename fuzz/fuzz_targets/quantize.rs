//! Quantized floats: any scales, seeds and blanks, and any floats there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits::{Algorithm, Compression, Dithering, Quantize};
use rustfits_fuzz::{Choices, Tile, numbers, round_trip};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let algorithm = choices.of(&[
        Algorithm::Rice1 { block_size: 32 },
        Algorithm::Gzip2 { level: 1 },
        Algorithm::Hcompress1 { scale: 0.0, smooth: false },
    ]);
    let method = choices.of(&[Dithering::None, Dithering::One, Dithering::Two]);
    let level = choices.of(&[4.0, 0.01, 1e9, -1.0, -0.5, -1e-30, -1e30]);
    if choices.byte() % 2 == 0 {
        let seed = u16::from(choices.byte()) * 40;
        let columns = 1 + usize::from(choices.byte());
        let image = numbers::<f32>(choices.rest(), columns);
        let quantize = Quantize { level, method, seed };
        let Some(back) = round_trip(&image, Compression::of(algorithm), Some(quantize)) else { return };
        for (before, after) in image.iter().zip(&back) {
            assert_eq!(before.is_nan(), after.is_nan());
            assert!(!before.is_infinite() || before == after);
            assert!(method != Dithering::Two || *before != 0.0 || *after == 0.0);
            if level < 0.0 && before.is_finite() {
                let most = -level * 0.5001 + f64::from(before.abs()) * 1e-6;
                assert!((f64::from(*before) - f64::from(*after)).abs() <= most, "{before} {after}");
            }
        }
        return;
    }
    let shape = (1 + usize::from(choices.byte() % 5), 1 + usize::from(choices.byte() % 40));
    let bitpix = choices.of(&[-32, -64, 32]);
    let number = |choices: &mut Choices<'_>| choices.of(&["0.5", "0.0", "-3.0", "1E300", "-1E-300", "7"]);
    let name = choices.of(&["NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2", "NONE"]);
    let cards = [
        format!("ZQUANTIZ= '{name}'"),
        format!("ZSCALE  = {}", number(&mut choices)),
        format!("ZZERO   = {}", number(&mut choices)),
        format!("ZDITHER0= {}", choices.of(&["1", "10000", "0", "-5", "9223372036854775807"])),
        format!("ZBLANK  = {}", choices.of(&["-2147483647", "0", "9223372036854775807"])),
    ];
    let parameters = [("BLOCKSIZE", 32), ("BYTEPIX", 4)];
    Tile { codec: "RICE_1", bitpix, shape, parameters: &parameters, cards: &cards, bytes: choices.rest() }.read();
});
