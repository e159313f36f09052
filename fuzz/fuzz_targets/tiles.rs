//! Tile decoders: an image of a few tiles whose parameters are the first bytes and whose compressed bytes are the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits_fuzz::{Choices, file_of, read_everything};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let codec = choices.of(&["RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS", "PLIO_1", "HCOMPRESS_1"]);
    let bitpix = choices.of(&[8, 16, 32, 64, -32, -64]);
    let (width, height) = (1 + choices.byte() % 70, 1 + choices.byte() % 5);
    let tile = 1 + choices.byte() % 70;
    let quantize = choices.of(&["NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2", "NONE"]);
    let (block, pixel) = (choices.byte(), choices.of(&[1, 2, 4, 8]));
    let fallback = choices.byte() % 4 == 0;
    let tiles = usize::from(width).div_ceil(usize::from(tile)) * usize::from(height);
    let heap = choices.rest();
    let share = heap.len() / tiles;
    let row_len: usize = if fallback { 16 } else { 8 };
    let mut data = Vec::new();
    for number in 0..tiles {
        let descriptor =
            |length: usize| [(length as u32).to_be_bytes(), ((number * share) as u32).to_be_bytes()].concat();
        let first = !fallback || number % 2 == 0;
        data.extend(descriptor(if first { share } else { 0 }));
        if fallback {
            data.extend(descriptor(if first { 0 } else { share }));
        }
    }
    data.extend_from_slice(heap);
    let mut cards: Vec<String> = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "GCOUNT  = 1",
        "ZIMAGE  = T",
        "ZNAXIS  = 2",
        "ZTILE2  = 1",
        "TTYPE1  = 'COMPRESSED_DATA'",
        "TFORM1  = '1PB'",
        "ZNAME1  = 'BLOCKSIZE'",
        "ZNAME2  = 'BYTEPIX'",
        "ZSCALE  = 0.5",
        "ZZERO   = 3.0",
        "ZDITHER0= 7",
    ]
    .map(str::to_owned)
    .to_vec();
    cards.insert(3, format!("NAXIS1  = {row_len}"));
    cards.insert(4, format!("NAXIS2  = {tiles}"));
    cards.insert(5, format!("PCOUNT  = {}", heap.len()));
    cards.push(format!("TFIELDS = {}", 1 + u8::from(fallback)));
    cards.push(format!("ZBITPIX = {bitpix}"));
    cards.push(format!("ZNAXIS1 = {width}"));
    cards.push(format!("ZNAXIS2 = {height}"));
    cards.push(format!("ZTILE1  = {tile}"));
    cards.push(format!("ZCMPTYPE= '{codec}'"));
    cards.push(format!("ZQUANTIZ= '{quantize}'"));
    cards.push(format!("ZVAL1   = {block}"));
    cards.push(format!("ZVAL2   = {pixel}"));
    if fallback {
        cards.push("TTYPE2  = 'GZIP_COMPRESSED_DATA'".into());
        cards.push("TFORM2  = '1PB'".into());
    }
    read_everything(&file_of(&cards, &data));
});
