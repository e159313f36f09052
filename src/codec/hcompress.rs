//! HCOMPRESS_1 (FITS 4.0 §10.4.4; White, Postman & Lattanzi 1992, "Compression of the Guide Star digitised Schmidt plates"): an H-transform of a
//! plane of pixels, whose coefficients may be divided by a scale, and are then written bit plane by bit plane as quadtrees.
//!
//! A tile is: the bytes DD 99; the number of rows, of columns, and the scale in 32 bits each; the sum of all pixels (the coefficient at the origin) in 64
//! bits; how many bits the coefficients of the first quadrant, of the second and third, and of the fourth one have; the bit planes of the four quadrants,
//! closed by a half byte of 0; and, from the next whole byte on, a bit for each coefficient that is not 0: whether it is negative.

mod encode;
mod smooth;
mod transform;
mod tree;

use std::num::Wrapping;

pub(crate) use encode::encode;

use crate::codec::bits::BitReader;
use crate::error::{Error, Result};
use transform::Coefficient;

const MAGIC: [u8; 2] = [0xdd, 0x99];
/// The bytes of the header.
const HEADER_LEN: usize = 25;
/// A plane of equal pixels takes as many bytes however large it is. So a tile is taken for one up to this many bytes of pixels,
pub(crate) const LARGEST_BLANK: u64 = 64 << 20;
/// and beyond where one byte makes no more than so many,
pub(crate) const EXPANSION: u64 = 1 << 14;
/// and a file where all tiles make no more than so many bytes of each of its own.
pub(crate) const MOST_OF_FILE: u64 = 1 << 16;
/// The least rows and columns of a tile that other software takes.
pub(crate) const SHORTEST_SIDE: usize = 4;
/// Coefficients of up to so many bits, times the scale, are restored in 32 bits without overflow.
const MOST_NARROW_BITS: u32 = 26;
/// A coefficient of more bits can't come from pixels of 32 bits.
const MOST_BITS: u32 = 62;

/// A type of pixels.
pub(crate) trait Pixel: Copy {
    /// The pixel that is nearest: what a scale took off can lead past the limits of the type.
    fn nearest(value: i64) -> Self;
}

macro_rules! pixels {
    ($($type:ty),*) => {$(
        impl Pixel for $type {
            fn nearest(value: i64) -> Self {
                value.clamp(Self::MIN.into(), Self::MAX.into()) as Self
            }
        }
    )*};
}

pixels!(u8, i16, i32);

/// What the header of a tile says.
struct TileHeader {
    rows: usize,
    columns: usize,
    scale: i32,
    sum: i64,
    /// The bits of the coefficients of the first quadrant, of the second and third, and of the fourth.
    bits: [u32; 3],
}

/// A quarter of the plane of coefficients.
#[derive(Clone, Copy)]
struct Quadrant {
    /// Where it starts in the plane.
    start: usize,
    rows: usize,
    columns: usize,
    /// Which of the three numbers of bits is that of its coefficients.
    class: usize,
}

/// The quadrants of a plane, in the order in which they are written.
fn quadrants(rows: usize, columns: usize) -> [Quadrant; 4] {
    let (upper, left) = (rows.div_ceil(2), columns.div_ceil(2));
    let (lower, right) = (rows - upper, columns - left);
    let below = upper * columns;
    [
        Quadrant { start: 0, rows: upper, columns: left, class: 0 },
        Quadrant { start: left, rows: upper, columns: right, class: 1 },
        Quadrant { start: below, rows: lower, columns: left, class: 1 },
        Quadrant { start: below + left, rows: lower, columns: right, class: 2 },
    ]
}

/// Decodes the first pixels of a tile of `pixels` pixels: as many as `output` has room for. `smooth`: whether blocks that the scale left are smoothed.
pub(crate) fn decode<P: Pixel>(input: &[u8], pixels: usize, smooth: bool, output: &mut [P]) -> Result<()> {
    let (header, rest) = TileHeader::read(input)?;
    if header.rows.checked_mul(header.columns) != Some(pixels) {
        let TileHeader { rows, columns, .. } = header;
        return Err(damaged(&format!("are of {rows} rows of {columns} pixels, but the tile has {pixels} pixels")));
    }
    if header.narrow() && !smooth {
        decode_as::<Wrapping<i32>, P>(&header, rest, smooth, output)
    } else {
        decode_as::<Wrapping<i64>, P>(&header, rest, smooth, output)
    }
}

fn decode_as<T: Coefficient, P: Pixel>(
    header: &TileHeader,
    input: &[u8],
    smooth: bool,
    output: &mut [P],
) -> Result<()> {
    let mut coefficients = zeros::<T>(header.rows * header.columns)?;
    header.read_coefficients(input, &mut coefficients).ok_or_else(|| damaged("end before the last coefficient"))??;
    let most = if smooth { header.scale >> 1 } else { 0 };
    let pixels = transform::restore(&mut coefficients, (header.rows, header.columns), T::new(most.into()))?;
    for (output, pixel) in output.iter_mut().zip(pixels) {
        *output = P::nearest(pixel.get());
    }
    Ok(())
}

impl TileHeader {
    fn read(input: &[u8]) -> Result<(Self, &[u8])> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
            return Err(damaged(&format!("are {} bytes, which is less than their header", input.len())));
        };
        let [m0, m1, r0, r1, r2, r3, c0, c1, c2, c3, f0, f1, f2, f3, sum @ .., first, middle, last] = *header;
        if [m0, m1] != MAGIC {
            return Err(damaged("don't start as such"));
        }
        let bits = [first, middle, last].map(u32::from);
        let scale = i32::from_be_bytes([f0, f1, f2, f3]);
        let side = |bytes| usize::try_from(i32::from_be_bytes(bytes)).ok().filter(|&side| side > 0);
        let sides = side([r0, r1, r2, r3]).zip(side([c0, c1, c2, c3]));
        match sides {
            Some((rows, columns)) if scale >= 0 && bits.iter().all(|&bits| bits <= MOST_BITS) => {
                Ok((Self { rows, columns, scale, sum: i64::from_be_bytes(sum), bits }, rest))
            }
            _ => Err(damaged("have an impossible header")),
        }
    }

    /// Whether 32 bits are enough to restore the pixels.
    fn narrow(&self) -> bool {
        let sum_bits = u64::BITS - self.sum.unsigned_abs().leading_zeros();
        let bits = self.bits.iter().copied().fold(sum_bits, u32::max);
        let bits = bits + (i32::BITS - self.scale.leading_zeros());
        bits.max(transform::levels(self.rows, self.columns)) <= MOST_NARROW_BITS
    }

    /// Reads the coefficients, as they were before they were divided by the scale; `None` if the input ends before.
    fn read_coefficients<T: Coefficient>(&self, input: &[u8], coefficients: &mut [T]) -> Option<Result<()>> {
        let mut bits = BitReader::new(input);
        let mut memory = tree::Memory::default();
        for quadrant in quadrants(self.rows, self.columns) {
            let plane = coefficients.get_mut(quadrant.start..).unwrap_or_default();
            for bit in (0..self.bits.get(quadrant.class).copied()?).rev() {
                if let Err(error) = tree::read_plane(&mut bits, &quadrant, self.columns, bit, plane, &mut memory)? {
                    return Some(Err(error));
                }
            }
        }
        if bits.take(tree::CODE_BITS)? != tree::END {
            return Some(Err(damaged("don't end behind the last coefficient")));
        }
        bits.align();
        let scale = T::new(self.scale.max(1).into());
        for group in coefficients.chunks_mut(u32::BITS as usize) {
            let (mut signs, mut used) = (bits.peek(u32::BITS), 0u32);
            for coefficient in group {
                let counts = u32::from(*coefficient != T::default());
                let value = *coefficient * scale;
                *coefficient = if signs >> 31 == 1 { -value } else { value };
                signs <<= counts;
                used += counts;
            }
            bits.skip(used)?;
        }
        if let Some(first) = coefficients.first_mut() {
            *first = T::new(self.sum) * scale;
        }
        Some(Ok(()))
    }
}

/// Memory for so many numbers, or an error.
fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(len).map_err(|_| Error::too_large("there is not enough memory for the tile"))?;
    numbers.resize(len, T::default());
    Ok(numbers)
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("the HCOMPRESS_1 data of the tile {what}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
