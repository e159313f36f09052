//! HCOMPRESS_1: any bytes behind a right header as a tile, and any pixels there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits::{Algorithm, Compression};
use rustfits_fuzz::{Choices, Tile, check_lossless};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let scale = u32::from(choices.byte()) % 40;
    let smooth = choices.byte() % 2 == 0;
    if choices.byte() % 2 == 0 {
        let compression = Compression::of(Algorithm::Hcompress1 { scale: 0.0, smooth });
        return check_lossless(&compression, &mut choices);
    }
    let shape = (1 + usize::from(choices.byte() % 40), 1 + usize::from(choices.byte()));
    let bitpix = choices.of(&[8, 16, 32, 64]);
    let mut tile = vec![0xdd, 0x99];
    tile.extend((shape.0 as u32).to_be_bytes());
    tile.extend((shape.1 as u32).to_be_bytes());
    tile.extend(scale.to_be_bytes());
    tile.extend((i64::from(choices.byte()) << (choices.byte() % 64)).to_be_bytes());
    tile.extend([choices.byte() % 66, choices.byte() % 66, choices.byte() % 66]);
    tile.extend_from_slice(choices.rest());
    let parameters = [("SCALE", i64::from(scale)), ("SMOOTH", i64::from(smooth))];
    Tile { codec: "HCOMPRESS_1", bitpix, shape, parameters: &parameters, cards: &[], bytes: &tile }.read();
});
