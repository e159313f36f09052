//! The way into RICE_1 (FITS 4.0 §10.4.1; Rice, Yeh & Miller 1993). The parent module says what a stream looks like.

use super::RiceInteger;
use crate::codec::bits::BitWriter;

/// Appends the stream of a tile's pixels to `output`.
pub(crate) fn encode<T: RiceInteger>(pixels: &[T], block_size: usize, output: &mut Vec<u8>) {
    let Some(first) = pixels.first() else { return };
    let mut previous = first.low_bits();
    let mut bits = BitWriter::new(output);
    bits.put(previous, T::BITS);
    let mut folded = vec![0u32; block_size.min(pixels.len())];
    for block in pixels.chunks(block_size.max(1)) {
        let folded = folded.get_mut(..block.len()).unwrap_or_default();
        let mut sum = 0u64;
        for (folded, pixel) in folded.iter_mut().zip(block) {
            let pixel = pixel.low_bits();
            *folded = fold::<T>(pixel.wrapping_sub(previous));
            sum = sum.wrapping_add(u64::from(*folded));
            previous = pixel;
        }
        encode_block::<T>(folded, sum, &mut bits);
    }
    bits.finish();
}

/// A difference with its sign in the lowest bit: 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ...
#[inline(always)]
fn fold<T: RiceInteger>(difference: u32) -> u32 {
    let unused = 32_u32.wrapping_sub(T::BITS);
    let signed = (difference.wrapping_shl(unused) as i32) >> unused;
    ((signed.wrapping_shl(1) ^ (signed >> 31)) as u32) & (u32::MAX >> unused)
}

fn encode_block<T: RiceInteger>(folded: &[u32], sum: u64, bits: &mut BitWriter<'_>) {
    if sum == 0 {
        bits.put(0, T::FIELD_BITS);
        return;
    }
    let count = folded.len().max(1) as u64;
    // The best number of low bits is about the logarithm of the mean.
    let split = (sum / count).checked_ilog2().unwrap_or(0);
    let cost = count * u64::from(split + 1) + (sum >> split);
    if split + 1 >= T::PLAIN_FIELD || cost >= count * u64::from(T::BITS) {
        bits.put(T::PLAIN_FIELD, T::FIELD_BITS);
        for value in folded {
            bits.put(*value, T::BITS);
        }
        return;
    }
    bits.put(split + 1, T::FIELD_BITS);
    let low_mask = (1u32 << split) - 1;
    for value in folded {
        let zeros = value >> split;
        let low = (1 << split) | (value & low_mask);
        let count = split.wrapping_add(1);
        if zeros.wrapping_add(count) <= 32 {
            bits.put(low, zeros.wrapping_add(count));
        } else {
            bits.put_zeros(zeros);
            bits.put(low, count);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::rice::decode;

    fn round_trip<T: RiceInteger + Default + PartialEq + std::fmt::Debug>(pixels: &[T], block_size: usize) {
        let mut packed = Vec::new();
        encode(pixels, block_size, &mut packed);
        let mut output = vec![T::default(); pixels.len()];
        decode(&packed, block_size, &mut output).unwrap();
        assert_eq!(output, pixels);
        // No block is longer than its pixels as they are.
        let blocks = pixels.len().div_ceil(block_size) as u32;
        let most = T::BITS * (pixels.len() as u32 + 1) + T::FIELD_BITS * blocks;
        assert!(packed.len() as u32 <= most.div_ceil(8));
    }

    proptest! {
        #[test]
        fn pixels_come_back(
            pixels in prop::collection::vec(any::<i32>(), 0..300),
            keep in 0..32_u32,
            block_size in prop_oneof![Just(16_usize), Just(32), 1..200_usize],
        ) {
            let narrow: Vec<i32> = pixels.iter().map(|pixel| pixel >> keep).collect();
            round_trip(&narrow, block_size);
            round_trip(&narrow.iter().map(|&pixel| pixel as i16).collect::<Vec<_>>(), block_size);
            round_trip(&narrow.iter().map(|&pixel| pixel as u8).collect::<Vec<_>>(), block_size);
        }
    }

    #[test]
    fn steps_over_the_whole_range_come_back() {
        round_trip(&[i32::MIN, i32::MAX, 0, -1, i32::MIN, 1], 32);
        round_trip(&[i16::MIN, i16::MAX, 0, -1, i16::MIN, 1], 32);
        round_trip(&[0_u8, 255, 128, 127, 0], 32);
        let mut spike = vec![0; 32];
        spike[16] = i32::MAX;
        round_trip(&spike, 32);
        spike[16] = 1 << 20;
        round_trip(&spike, 32);
        round_trip::<i32>(&[], 32);
    }
}
