//! PLIO_1: any words behind a right header as a tile, and any mask there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits::{Algorithm, Compression};
use rustfits_fuzz::{Choices, Tile, check_lossless};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    if choices.byte() % 2 == 0 {
        return check_lossless(&Compression::of(Algorithm::Plio1), &mut choices);
    }
    let shape = (1 + usize::from(choices.byte() % 9), 1 + usize::from(choices.byte()));
    let bitpix = choices.of(&[8, 16, 32, 64]);
    let words = choices.rest().len() / 2 + 7;
    let mut tile = [0, 0, 0, 7, 0xff, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    tile[6..8].copy_from_slice(&((words & 0x7fff) as u16).to_be_bytes());
    tile[8..10].copy_from_slice(&((words >> 15) as u16).to_be_bytes());
    tile.extend_from_slice(choices.rest());
    Tile { codec: "PLIO_1", bitpix, shape, parameters: &[], cards: &[], bytes: &tile }.read();
});
