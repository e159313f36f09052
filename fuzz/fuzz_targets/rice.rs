//! RICE_1: any bytes as a tile, and any pixels there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits::{Algorithm, Compression};
use rustfits_fuzz::{Choices, Tile, check_lossless};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let block_size = choices.of(&[1, 7, 16, 32, 64]);
    if choices.byte() % 2 == 0 {
        let compression = Compression::of(Algorithm::Rice1 { block_size });
        return check_lossless(&compression, &mut choices);
    }
    let shape = (1 + usize::from(choices.byte() % 9), 1 + usize::from(choices.byte()));
    let (bitpix, pixel_size) = (choices.of(&[8, 16, 32, 64]), choices.of(&[1, 2, 4]));
    let parameters = [("BLOCKSIZE", block_size as i64), ("BYTEPIX", pixel_size)];
    Tile { codec: "RICE_1", bitpix, shape, parameters: &parameters, cards: &[], bytes: choices.rest() }.read();
});
