//! Tiles that other software wrote, tiles that come back, and damage.

use proptest::prelude::*;

use super::transform::levels;
use super::*;
use crate::error::ErrorKind;

/// Tiles of 7 rows of 9 pixels as CFITSIO 4 wrote them: lossless, and with a scale of 8.
const LOSSLESS: &[u8] = &[
    221, 153, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 12, 8, 6, 246, 215, 187, 107, 237, 179, 31,
    109, 189, 2, 132, 125, 0, 52, 194, 128, 3, 112, 110, 0, 60, 144, 73, 1, 253, 122, 192, 3, 68, 145, 125, 145, 75,
    254, 249, 153, 1, 187, 160, 102, 102, 249, 159, 2, 52, 80, 25, 137, 134, 65, 7, 253, 255, 123, 196, 128, 10, 42,
    136, 143, 127, 219, 192, 7, 160, 200, 10, 170, 136, 143, 116, 255, 255, 128, 89, 32, 5, 146, 3, 166, 16, 5, 146, 0,
    89, 32, 58, 97, 0, 0, 4, 14, 7, 4, 224, 72, 36,
];
const LOSSY: &[u8] = &[
    221, 153, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 16, 100, 11, 7, 5, 246, 215, 253, 238, 222, 190,
    221, 211, 0, 96, 91, 0, 11, 48, 68, 0, 172, 14, 64, 15, 20, 42, 64, 17, 8, 145, 239, 183, 163, 239, 54, 65, 249,
    83, 251, 130, 64, 98, 100, 30, 246, 129, 181, 132, 18, 99, 65, 214, 231, 254, 255, 130, 206, 179, 35, 222, 36, 7,
    191, 237, 231, 188, 75, 211, 238, 87, 128, 89, 35, 254, 1, 100, 128, 233, 132, 14, 152, 64, 0, 8, 28, 14, 9, 192,
    144, 72,
];

/// The pixels that were written.
fn pixels() -> Vec<i32> {
    (0..63).map(|index| (index / 9, index % 9)).map(|(y, x)| x * x * 5 + y * 31 - (x * y) % 7 * 9 - 100).collect()
}

/// What CFITSIO 4 makes of the second one, without and with smoothing.
const BLOCKS: [i32; 63] = [
    202, 214, 262, 334, 441, 573, 741, 937, 1161, 294, 282, 298, 346, 425, 533, 673, 1029, 1225, 386, 346, 338, 358,
    601, 681, 791, 1119, 1293, 478, 414, 378, 558, 585, 825, 911, 1215, 1357, 573, 477, 605, 573, 760, 788, 1030, 1306,
    1426, 665, 545, 645, 773, 744, 932, 1150, 1402, 1490, 759, 611, 683, 783, 918, 1078, 1272, 1492, 1556,
];
const SMOOTHED: [i32; 63] = [
    202, 214, 261, 334, 440, 574, 741, 935, 1161, 294, 282, 297, 346, 424, 534, 673, 1027, 1225, 386, 346, 340, 358,
    600, 680, 792, 1118, 1292, 478, 414, 378, 556, 588, 824, 910, 1212, 1358, 574, 478, 605, 575, 757, 789, 1031, 1305,
    1427, 664, 544, 643, 773, 745, 933, 1149, 1399, 1489, 759, 611, 684, 782, 917, 1079, 1272, 1490, 1556,
];

fn decoded(input: &[u8], count: usize, smooth: bool) -> Vec<i32> {
    let mut output = vec![-1; count];
    decode(input, count, smooth, &mut output).unwrap();
    output
}

fn encoded(pixels: &[i32], columns: usize, scale: u32) -> Vec<u8> {
    let mut output = Vec::new();
    encode(pixels, columns, scale, &mut output).unwrap();
    output
}

#[test]
fn tiles_of_other_software_decode() {
    assert_eq!(decoded(LOSSLESS, 63, false), pixels());
    assert_eq!(decoded(LOSSLESS, 63, true), pixels());
    assert_eq!(decoded(LOSSY, 63, false), BLOCKS);
    assert_eq!(decoded(LOSSY, 63, true), SMOOTHED);
    let mut first = [0i16; 20];
    decode(LOSSLESS, 63, false, &mut first).unwrap();
    assert_eq!(first.map(i32::from), pixels()[..20]);
}

#[test]
fn a_scale_is_that_of_other_software() {
    let pixels: Vec<i32> = pixels().iter().map(|pixel| 3 * pixel + 500).collect();
    assert_eq!(decoded(&encoded(&pixels, 9, 8), 63, false), BLOCKS);
    assert!(encoded(&pixels, 9, 8).len() < encoded(&pixels, 9, 0).len());
    assert_eq!(decoded(&encoded(&pixels, 9, 1), 63, false), pixels);
}

/// Pixels of about this many bits, in stretches that are smooth, constant or neither.
fn any_pixels(bits: u32, seeds: &[u32]) -> Vec<i32> {
    let half = 1i64 << (bits - 1);
    seeds.iter().map(|&seed| (i64::from(seed >> (seed % 3 * 8)) % (2 * half) - half) as i32).collect()
}

proptest! {
    #[test]
    fn pixels_come_back(
        rows in 1..40_usize, columns in 1..40_usize, bits in 1..=32_u32, seeds in prop::collection::vec(any::<u32>(), 1600),
    ) {
        let pixels = any_pixels(bits, &seeds[..rows * columns]);
        let packed = encoded(&pixels, columns, 0);
        prop_assert_eq!(&decoded(&packed, pixels.len(), false), &pixels);
        // Nothing behind the last coefficient is looked at, and smoothing leaves what is lossless.
        let longer = [packed, vec![0xff; 9]].concat();
        prop_assert_eq!(&decoded(&longer, pixels.len(), true), &pixels);
    }

    #[test]
    fn a_scale_loses_about_as_much(
        rows in 4..40_usize, columns in 4..40_usize, scale in 2..200_u32, seeds in prop::collection::vec(any::<u32>(), 1600),
    ) {
        let pixels = any_pixels(14, &seeds[..rows * columns]);
        let back = decoded(&encoded(&pixels, columns, scale), pixels.len(), false);
        // Each of the levels adds an error of at most half a scale for each coefficient.
        let most = (scale as i32 + 4) * (levels(rows, columns) as i32 + 1);
        for (pixel, back) in pixels.iter().zip(back) {
            prop_assert!((pixel - back).abs() <= most, "{} {} {}", pixel, back, most);
        }
    }

    #[test]
    fn any_bytes_are_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..300), smooth: bool) {
        let _ = decode(&bytes, 63, smooth, &mut [0i32; 63]);
        bytes.splice(0..0, LOSSLESS[..10].iter().copied());
        let _ = decode(&bytes, 63, smooth, &mut [0i32; 63]);
        bytes.splice(10..10, [0, 0, 0, 3]);
        let _ = decode(&bytes, 63, smooth, &mut [0u8; 63]);
        bytes.splice(14..14, [0, 0, 0, 0, 0, 0, 1, 1, 9, 7, 5]);
        let _ = decode(&bytes, 63, smooth, &mut [0i16; 63]);
    }
}

/// Both widths of arithmetic, and both ways in which a plane of bits is written.
#[test]
fn extremes_come_back() {
    let noise: Vec<i32> = (0..4096u32).map(|index| index.wrapping_mul(2_654_435_761) as i32).collect();
    for shift in [0, 8, 16, 24] {
        let pixels: Vec<i32> = noise.iter().map(|pixel| pixel >> shift).collect();
        assert_eq!(decoded(&encoded(&pixels, 64, 0), 4096, false), pixels);
    }
    for pixel in [i32::MIN, -1, 0, i32::MAX] {
        assert_eq!(decoded(&encoded(&vec![pixel; 100_000], 50_000, 0), 100_000, false), vec![pixel; 100_000]);
    }
    let ends: Vec<i32> = (0..4096).map(|index| if index % 3 == 0 { i32::MIN } else { i32::MAX }).collect();
    assert_eq!(decoded(&encoded(&ends, 64, 0), 4096, false), ends);
}

#[test]
fn what_a_scale_leads_past_a_type_is_its_limit() {
    let pixels: Vec<i32> = (0..400).map(|index| if index * 7919 % 13 < 6 { 0 } else { 255 }).collect();
    let packed = encoded(&pixels, 20, 20);
    let wide = decoded(&packed, 400, false);
    assert!(wide.iter().any(|pixel| !(0..=255).contains(pixel)));
    let mut narrow = [0u8; 400];
    decode(&packed, 400, false, &mut narrow).unwrap();
    assert!(narrow.iter().zip(wide).all(|(narrow, wide)| i32::from(*narrow) == wide.clamp(0, 255)));
}

#[test]
fn damage_is_named() {
    let failure = |input: &[u8], count| {
        let error = decode(input, count, false, &mut [0i32; 63]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        error.to_string()
    };
    for length in 0..LOSSLESS.len() {
        failure(&LOSSLESS[..length], 63);
    }
    assert!(failure(LOSSLESS, 64).contains("7 rows of 9 pixels"));
    let changed = |at: usize, byte: u8| {
        let mut bytes = LOSSLESS.to_vec();
        bytes[at] = byte;
        bytes
    };
    assert!(failure(&changed(0, 0), 63).contains("start"));
    for at in [2, 6, 10] {
        assert!(failure(&changed(at, 0x80), 63).contains("header"));
    }
    assert!(failure(&changed(22, 63), 63).contains("header"));
    assert!(failure(&changed(25, 0x76), 63).contains("code 7"));
    // Sizes are compared before memory is taken.
    let mut huge = LOSSLESS.to_vec();
    huge[2..10].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    failure(&huge, 63);
}
