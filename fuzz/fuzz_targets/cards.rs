//! Header cards: what is in the input, cut into cards, between the mandatory ones and END.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits_fuzz::{header, read_everything};

fuzz_target!(|bytes: &[u8]| {
    let start =
        [&b"SIMPLE  =                    T"[..], b"BITPIX  =                    8", b"NAXIS   =                    0"];
    read_everything(&header(start.into_iter().chain(bytes.chunks(80))));
});
