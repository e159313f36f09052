//! GZIP_1 and GZIP_2: any bytes behind the head of a gzip member as a tile, and any pixels there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits::{Algorithm, Compression};
use rustfits_fuzz::{Choices, Tile, check_lossless};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let sorted = choices.byte() % 2 == 0;
    if choices.byte() % 4 == 0 {
        let level = 1 + choices.byte() % 12;
        let algorithm = if sorted { Algorithm::Gzip2 { level } } else { Algorithm::Gzip1 { level } };
        return check_lossless(&Compression::of(algorithm), &mut choices);
    }
    let shape = (1 + usize::from(choices.byte() % 9), 1 + usize::from(choices.byte()));
    let bitpix = choices.of(&[8, 16, 32, 64, -32, -64]);
    let tile = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], choices.rest()].concat();
    let codec = if sorted { "GZIP_2" } else { "GZIP_1" };
    Tile { codec, bitpix, shape, parameters: &[], cards: &[], bytes: &tile }.read();
});
