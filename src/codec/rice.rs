//! Tiles compressed with RICE_1 (FITS 4.0 section 10.4.1): the way out; the one in is in `encode`.
//!
//! The stream is one bit string, most significant bit first: the first pixel as it is, then the pixels in blocks. Every
//! pixel, the first one too, is coded as its difference to the one before it (0 for the first), the sign folded into
//! the lowest bit. A block opens with a field that says how its differences are coded:
//!
//! - 0: all are zero, nothing follows;
//! - the largest number: each is written as it is, in as many bits as a pixel has;
//! - any other number is one more than `split`: a difference is its high part as that many 0 bits and a 1 bit, then its
//!   lowest `split` bits.

mod encode;

use multiversion::multiversion;

pub(crate) use encode::encode;

use crate::codec::bits::BitReader;
use crate::error::{Error, Result};

/// The largest block that is taken for one: the standard names 16 and 32, and no writer gains anything beyond.
const LARGEST_BLOCK_SIZE: usize = 1 << 16;

/// The pixel types that RICE_1 knows, by its parameter BYTEPIX: `u8` (1), `i16` (2) and `i32` (4).
pub(crate) trait RiceInteger: Copy {
    /// How many bits a pixel has.
    const BITS: u32;
    /// How many bits the field at the head of a block has.
    const FIELD_BITS: u32;
    /// The value of that field in a block whose differences are written as they are.
    const PLAIN_FIELD: u32;

    /// The pixel with these lowest bits.
    fn from_low_bits(bits: u32) -> Self;

    /// A number whose lowest bits are the pixel.
    fn low_bits(self) -> u32;
}

impl RiceInteger for u8 {
    const BITS: u32 = 8;
    const FIELD_BITS: u32 = 3;
    const PLAIN_FIELD: u32 = 7;

    fn from_low_bits(bits: u32) -> Self {
        bits as u8
    }

    fn low_bits(self) -> u32 {
        self as u32
    }
}

impl RiceInteger for i16 {
    const BITS: u32 = 16;
    const FIELD_BITS: u32 = 4;
    const PLAIN_FIELD: u32 = 15;

    fn from_low_bits(bits: u32) -> Self {
        bits as i16
    }

    fn low_bits(self) -> u32 {
        self as u32
    }
}

impl RiceInteger for i32 {
    const BITS: u32 = 32;
    const FIELD_BITS: u32 = 5;
    const PLAIN_FIELD: u32 = 26;

    fn from_low_bits(bits: u32) -> Self {
        bits as i32
    }

    fn low_bits(self) -> u32 {
        self as u32
    }
}

/// Decodes one tile into `output`, whose length is the number of its pixels. Bytes after the last pixel are ignored.
pub(crate) fn decode<T: RiceInteger>(input: &[u8], block_size: usize, output: &mut [T]) -> Result<()> {
    if block_size == 0 || block_size > LARGEST_BLOCK_SIZE {
        return Err(Error::illegal(format!(
            "the RICE_1 parameter BLOCKSIZE is {block_size}, but must be between 1 and {LARGEST_BLOCK_SIZE} (usually 32)"
        )));
    }
    let pixels = output.len();
    decode_tile(input, block_size, output).map_err(|damage| match damage {
        Damage::Truncated { decoded } => Error::corrupt(format!(
            "the RICE_1 data are truncated: {} bytes hold only {decoded} of {pixels} pixels in whole blocks",
            input.len()
        )),
        Damage::Field { field, decoded } => Error::corrupt(format!(
            "the RICE_1 data are damaged: after {decoded} of {pixels} pixels a block has the impossible code {field}"
        )),
    })
}

/// Why a tile can't be decoded, and how many pixels were.
enum Damage {
    Truncated { decoded: usize },
    Field { field: u32, decoded: usize },
}

// Compiled twice: with the bit instructions that nearly every x86-64 processor has by now, and without.
#[multiversion(targets("x86_64+bmi1+bmi2+lzcnt+movbe"))]
fn decode_tile<T: RiceInteger>(input: &[u8], block_size: usize, output: &mut [T]) -> Result<(), Damage> {
    if output.is_empty() {
        return Ok(());
    }
    let mut bits = BitReader::new(input);
    let mut previous = bits.take(T::BITS).ok_or(Damage::Truncated { decoded: 0 })?;
    for (index, block) in output.chunks_mut(block_size).enumerate() {
        // Can't overflow: it is at most the length of `output`.
        let decoded = index.wrapping_mul(block_size);
        let field = bits.take(T::FIELD_BITS).ok_or(Damage::Truncated { decoded })?;
        let done = if field == 0 {
            block.fill(T::from_low_bits(previous));
            Some(())
        } else if field == T::PLAIN_FIELD {
            decode_plain(&mut bits, &mut previous, block)
        } else if field > T::PLAIN_FIELD {
            return Err(Damage::Field { field, decoded });
        } else if field <= 11 {
            // 4 pixels need 4 * field bits and those of their unary parts, which are 1 or 2 bits most of the time.
            decode_split::<T, 4>(&mut bits, field - 1, &mut previous, block)
        } else {
            decode_split::<T, 2>(&mut bits, field - 1, &mut previous, block)
        };
        done.ok_or(Damage::Truncated { decoded })?;
    }
    Ok(())
}

/// Decodes a block whose differences are written as they are; `None` if the input ends before.
#[inline(always)]
fn decode_plain<T: RiceInteger>(bits: &mut BitReader<'_>, previous: &mut u32, block: &mut [T]) -> Option<()> {
    for pixel in block {
        *previous = previous.wrapping_add(unfold(bits.take(T::BITS)?));
        *pixel = T::from_low_bits(*previous);
    }
    Some(())
}

/// Decodes a block of split differences, `GROUP` pixels for each look at the input; `None` if the input ends before.
///
/// A group is decoded from the bits at hand as if they were enough, and taken back if they weren't.
#[inline(always)]
fn decode_split<T: RiceInteger, const GROUP: usize>(
    bits: &mut BitReader<'_>,
    split: u32,
    previous: &mut u32,
    block: &mut [T],
) -> Option<()> {
    let (groups, rest) = block.as_chunks_mut::<GROUP>();
    for group in groups {
        bits.refill();
        let mut window = bits.window;
        let mut used: u32 = 0;
        let mut value = *previous;
        for pixel in group.iter_mut() {
            let zeros = window.leading_zeros();
            // The 1 bit comes to the top. A window without one leaves nonsense, but then `used` is too large.
            let aligned = window.wrapping_shl(zeros);
            value = value.wrapping_add(unfold(join(zeros, aligned, split)));
            *pixel = T::from_low_bits(value);
            window = aligned.wrapping_shl(split.wrapping_add(1));
            used = used.wrapping_add(zeros).wrapping_add(split.wrapping_add(1));
        }
        if used <= bits.available {
            bits.window = window;
            bits.available = bits.available.wrapping_sub(used);
            *previous = value;
        } else {
            *bits = decode_one_by_one(*bits, split, previous, group)?;
        }
    }
    if !rest.is_empty() {
        *bits = decode_one_by_one(*bits, split, previous, rest)?;
    }
    Some(())
}

/// Decodes split differences wherever their bits lie. The reader goes in and out by value: by reference it would have to
/// live in memory instead of in registers also on the fast way.
#[inline(never)]
fn decode_one_by_one<'a, T: RiceInteger>(
    mut bits: BitReader<'a>,
    split: u32,
    previous: &mut u32,
    pixels: &mut [T],
) -> Option<BitReader<'a>> {
    for pixel in pixels {
        let high = bits.count_zeros()?;
        let difference = high.wrapping_shl(split) | bits.take(split)?;
        *previous = previous.wrapping_add(unfold(difference));
        *pixel = T::from_low_bits(*previous);
    }
    Some(bits)
}

/// The folded difference with `zeros` as its high part and its low part in `aligned` after the 1 bit at the top.
#[inline(always)]
fn join(zeros: u32, aligned: u64, split: u32) -> u32 {
    // Shifted down together with the 1 bit, the low part is too large by 1 << split.
    let low = (aligned >> 63_u32.wrapping_sub(split)) as u32;
    zeros.wrapping_sub(1).wrapping_shl(split).wrapping_add(low)
}

/// The difference from its folded form: 0, -1, 1, -2, 2 ... for 0, 1, 2, 3, 4 ...
#[inline(always)]
fn unfold(folded: u32) -> u32 {
    (folded >> 1) ^ (folded & 1).wrapping_neg()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
