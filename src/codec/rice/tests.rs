//! The decoder against a plain one, against an encoder, against tiles that other software wrote, and against damage.

use std::fmt::Debug;

use proptest::prelude::*;

use super::{RiceInteger, decode};
use crate::error::ErrorKind;

/// What the tests need to know of a pixel type beyond what the decoder does.
trait Pixel: RiceInteger + Default + Debug + PartialEq {
    fn bits(self) -> u32;
}

impl Pixel for u8 {
    fn bits(self) -> u32 {
        u32::from(self)
    }
}

impl Pixel for i16 {
    fn bits(self) -> u32 {
        u32::from(self as u16)
    }
}

impl Pixel for i32 {
    fn bits(self) -> u32 {
        self as u32
    }
}

/// Bits by the byte, each 0 or 1: slow and obvious.
#[derive(Default)]
struct Bits(Vec<u8>);

impl Bits {
    fn push(&mut self, number: u32, count: u32) {
        self.0.extend((0..count).rev().map(|bit| (number >> bit & 1) as u8));
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.chunks(8).map(|bits| bits.iter().zip((0..8).rev()).map(|(bit, place)| bit << place).sum()).collect()
    }
}

/// Encodes pixels. `field_of` chooses the code of each block from its folded differences.
fn encode<T: Pixel>(pixels: &[T], block_size: usize, mut field_of: impl FnMut(&[u32]) -> u32) -> Vec<u8> {
    let mut bits = Bits::default();
    let Some(first) = pixels.first() else { return Vec::new() };
    bits.push(first.bits(), T::BITS);
    let mut previous = first.bits();
    for block in pixels.chunks(block_size) {
        let mut folded = Vec::new();
        for pixel in block {
            // The difference modulo the range of the type, with its sign extended to 32 bits.
            let unused = 32 - T::BITS;
            let difference = (pixel.bits().wrapping_sub(previous) << unused) as i32 >> unused;
            folded.push(((difference << 1) ^ (difference >> 31)) as u32);
            previous = pixel.bits();
        }
        let field = field_of(&folded);
        bits.push(field, T::FIELD_BITS);
        for folded in folded {
            if field == T::PLAIN_FIELD {
                bits.push(folded, T::BITS);
            } else if field > 0 {
                bits.0.extend(vec![0; (folded >> (field - 1)) as usize]);
                bits.push(1, 1);
                bits.push(folded, field - 1);
            }
        }
    }
    bits.bytes()
}

/// The code that makes a block shortest.
fn best_field<T: Pixel>(folded: &[u32]) -> u32 {
    let length = |field: u32| match field {
        0 if folded.iter().all(|folded| *folded == 0) => 0,
        0 => u64::MAX,
        field if field == T::PLAIN_FIELD => folded.len() as u64 * u64::from(T::BITS),
        field => folded.iter().map(|folded| u64::from(folded >> (field - 1)) + u64::from(field)).sum(),
    };
    (0..=T::PLAIN_FIELD).min_by_key(|field| length(*field)).unwrap_or_default()
}

/// Decodes bit by bit.
fn decode_plainly<T: Pixel>(input: &[u8], block_size: usize, output: &mut [T]) -> Option<()> {
    let mut bits = input.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    fn take(bits: &mut impl Iterator<Item = u32>, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |number, _| Some(number << 1 | bits.next()?))
    }
    if output.is_empty() {
        return Some(());
    }
    let mut previous = take(&mut bits, T::BITS)?;
    for block in output.chunks_mut(block_size) {
        let field = take(&mut bits, T::FIELD_BITS)?;
        for pixel in block {
            let folded = if field == 0 {
                0
            } else if field == T::PLAIN_FIELD {
                take(&mut bits, T::BITS)?
            } else if field > T::PLAIN_FIELD {
                return None;
            } else {
                let mut high: u32 = 0;
                while bits.next()? == 0 {
                    high += 1;
                }
                high.wrapping_shl(field - 1) | take(&mut bits, field - 1)?
            };
            let magnitude = folded / 2;
            previous = previous.wrapping_add(if folded % 2 == 0 { magnitude } else { !magnitude });
            *pixel = T::from_low_bits(previous);
        }
    }
    Some(())
}

/// Pixels that wander: by nothing, a little, much, or now and then by a leap; each run of pixels in another manner.
fn pixels<T: Pixel>() -> impl Strategy<Value = Vec<T>> {
    let length = prop_oneof![Just(0), Just(1), Just(31), Just(32), Just(33), 0..300_usize];
    let steps = prop::collection::vec((any::<i32>(), 0..40_u32), 300);
    let calm = prop::collection::vec(0..34_u32, 10);
    (length, steps, calm).prop_map(|(length, steps, calm)| {
        let mut value: u32 = 1000;
        let runs = steps.chunks(30).zip(calm);
        let walk = runs.flat_map(|(run, calm)| run.iter().map(move |(step, leap)| (*step, *leap, calm)));
        let mut step_by = |(step, leap, calm): (i32, u32, u32)| {
            let calm = if leap == 0 { calm / 2 } else { calm };
            value = value.wrapping_add(step.checked_shr(calm).unwrap_or(0) as u32);
            T::from_low_bits(value)
        };
        walk.take(length).map(&mut step_by).collect()
    })
}

fn check_round_trip<T: Pixel>(pixels: &[T], block_size: usize, surplus: &[u8]) -> Result<(), TestCaseError> {
    let mut input = encode(pixels, block_size, best_field::<T>);
    input.extend(surplus);
    let mut output = vec![T::default(); pixels.len()];
    prop_assert!(decode(&input, block_size, &mut output).is_ok());
    prop_assert_eq!(output, pixels);
    Ok(())
}

fn check_same<T: Pixel>(input: &[u8], block_size: usize, length: usize) -> Result<(), TestCaseError> {
    let (mut output, mut plain) = (vec![T::default(); length], vec![T::default(); length]);
    let decoded = decode(input, block_size, &mut output).is_ok();
    prop_assert_eq!(decoded, decode_plainly(input, block_size, &mut plain).is_some());
    prop_assert!(!decoded || output == plain);
    Ok(())
}

proptest! {
    #[test]
    fn pixels_come_back(bytes in pixels::<u8>(), shorts in pixels::<i16>(), longs in pixels::<i32>(),
                        block_size in prop_oneof![Just(16), Just(32), 1..70_usize],
                        surplus in prop::collection::vec(any::<u8>(), 0..12)) {
        check_round_trip(&bytes, block_size, &surplus)?;
        check_round_trip(&shorts, block_size, &surplus)?;
        check_round_trip(&longs, block_size, &surplus)?;
    }

    #[test]
    fn any_bytes_decode_as_plainly(
        input in prop::collection::vec(prop_oneof![2 => any::<u8>(), 1 => Just(0), 1 => Just(255), 1 => Just(16)], 0..400),
        block_size in prop_oneof![Just(16), Just(32), 1..70_usize],
        length in 0..200_usize,
    ) {
        check_same::<u8>(&input, block_size, length)?;
        check_same::<i16>(&input, block_size, length)?;
        check_same::<i32>(&input, block_size, length)?;
    }
}

#[test]
fn every_code_decodes() {
    let pixels: Vec<i32> = (0..330).map(|index| index * index % 97).collect();
    for field in 1..=<i32 as RiceInteger>::PLAIN_FIELD {
        let input = encode(&pixels, 32, |_| field);
        let mut output = vec![0; pixels.len()];
        decode(&input, 32, &mut output).unwrap();
        assert_eq!(output, pixels, "code {field}");
    }
}

#[test]
fn long_runs_of_zero_bits_decode() {
    let pixels = [0, 100_000, 0, 7, -3];
    let mut output = [0; 5];
    decode(&encode(&pixels, 32, |_| 1), 32, &mut output).unwrap();
    assert_eq!(output, pixels);
}

#[test]
fn every_truncation_is_an_error() {
    let noise = |index: i32| index.wrapping_mul(0x9E37_79B9_u32 as i32) >> (index / 32 * 5 % 32);
    let mut pixels: Vec<i32> = (0..300).map(noise).collect();
    pixels.extend([5; 70]);
    pixels.push(6);
    let input = encode(&pixels, 32, best_field::<i32>);
    for length in 0..input.len() {
        let error = decode(&input[..length], 32, &mut vec![0; pixels.len()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("of 371 pixels"), "{error}");
    }
    let error = decode(&input[..20], 32, &mut vec![0; pixels.len()]).unwrap_err();
    assert!(error.to_string().contains("truncated: 20 bytes hold only 0 of 371 pixels"), "{error}");
}

#[test]
fn wrong_parameters_are_errors() {
    assert_eq!(decode(&[0; 8], 0, &mut [0_u8; 4]).unwrap_err().kind(), ErrorKind::Illegal);
    assert_eq!(decode(&[0; 8], usize::MAX, &mut [0_u8; 4]).unwrap_err().kind(), ErrorKind::Illegal);
    assert!(decode::<i32>(&[0; 8], 32, &mut []).is_ok());
    let error = decode(&[0, 0, 0, 0, 27 << 3, 0], 32, &mut [0_i32; 4]).unwrap_err();
    assert!(error.to_string().contains("impossible code 27"), "{error}");
}

/// Tiles as CFITSIO 4 and astropy 8 wrote them, which agree, from pixels made by formulas.
#[test]
fn tiles_of_other_software_decode() {
    let input = [
        0, 176, 247, 189, 239, 123, 192, 175, 189, 239, 123, 192, 175, 189, 239, 123, 192, 175, 189, 239, 123, 192,
        175, 189, 174, 186, 235, 128, 218, 235, 174,
    ];
    let mut output = [0; 40];
    decode(&input, 32, &mut output).unwrap();
    assert!(
        output.iter().zip(0..).all(|(pixel, index)| *pixel == (index * 7 % 50 + i32::from(index > 35) * 150) as u8)
    );

    let input = [
        254, 212, 104, 34, 154, 171, 178, 219, 175, 145, 38, 84, 185, 147, 103, 79, 136, 137, 138, 139, 140, 141, 142,
        143, 132, 66, 97, 80, 184, 100, 54, 29, 104, 0, 13, 107, 64, 6, 0, 80, 1, 128, 20, 0, 96, 5, 0, 16,
    ];
    let mut output = [0; 40];
    decode(&input, 32, &mut output).unwrap();
    let expected = |index: i16| match index {
        0..32 => index * index - 300,
        _ if index % 2 == 0 => i16::MIN,
        _ => i16::MAX,
    };
    assert!(output.iter().zip(0..).all(|(pixel, index)| *pixel == expected(index)));

    let input = [
        0, 0, 3, 232, 52, 16, 203, 77, 184, 235, 207, 168, 82, 169, 90, 197, 171, 151, 164, 36, 165, 37, 166, 38, 167,
        39, 162, 17, 40, 164, 90, 49, 26, 142, 117, 255, 255, 255, 96, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4,
        0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4,
    ];
    let mut output = [0; 40];
    decode(&input, 32, &mut output).unwrap();
    let expected = |index: i32| match index {
        0..32 => 1000 - index * index,
        _ if index % 3 == 0 => i32::MIN,
        _ => i32::MAX,
    };
    assert!(output.iter().zip(0..).all(|(pixel, index)| *pixel == expected(index)));
}
