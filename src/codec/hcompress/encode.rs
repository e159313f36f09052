//! The way into HCOMPRESS_1. The parent module says what a tile looks like.

use std::num::Wrapping;

use super::transform::{self, Coefficient, levels};
use super::{MAGIC, damaged, quadrants, tree, zeros};
use crate::codec::bits::BitWriter;
use crate::error::{Error, Result};

/// Appends a tile of rows of `columns` pixels to `output`. Coefficients are divided by `scale`; 0 and 1 keep all pixels as they are.
pub(crate) fn encode(pixels: &[i32], columns: usize, scale: u32, output: &mut Vec<u8>) -> Result<()> {
    let rows = pixels.len() / columns.max(1);
    let largest = pixels.iter().map(|pixel| pixel.unsigned_abs()).max().unwrap_or(0);
    // The sum of all, before it is halved, and what it is rounded up by.
    let bits = (u32::BITS - largest.leading_zeros()) + levels(rows, columns) + 3;
    if bits < i32::BITS {
        encode_as::<Wrapping<i32>>(pixels, (rows, columns), scale, output)
    } else {
        encode_as::<Wrapping<i64>>(pixels, (rows, columns), scale, output)
    }
}

fn encode_as<T: Coefficient>(
    pixels: &[i32],
    (rows, columns): (usize, usize),
    scale: u32,
    output: &mut Vec<u8>,
) -> Result<()> {
    let mut plane = zeros::<T>(pixels.len())?;
    plane.iter_mut().zip(pixels).for_each(|(number, &pixel)| *number = T::new(pixel.into()));
    let mut coefficients = transform::split(plane, (rows, columns))?;
    divide(&mut coefficients, scale);
    let first = coefficients.first_mut().ok_or_else(|| damaged("have no pixels"))?;
    let sum = std::mem::take(first).get();
    let side = |length: usize| {
        i32::try_from(length).map_err(|_| Error::too_large("a side of the tile is too long for HCOMPRESS_1"))
    };
    output.extend(MAGIC);
    output.extend(side(rows)?.to_be_bytes());
    output.extend(side(columns)?.to_be_bytes());
    output.extend(scale.to_be_bytes());
    output.extend(sum.to_be_bytes());
    let mut signs = Vec::new();
    take_signs(&mut coefficients, &mut signs);
    write_planes(&coefficients, (rows, columns), output);
    output.extend(signs);
    Ok(())
}

/// Divides by the scale, to the nearest; halves towards 0.
fn divide<T: Coefficient>(coefficients: &mut [T], scale: u32) {
    if scale > 1 {
        let half = T::new(i64::from(scale.div_ceil(2)) - 1);
        let scale = T::new(scale.into());
        for coefficient in coefficients {
            let rounding = if *coefficient > T::default() { half } else { -half };
            *coefficient = (*coefficient + rounding) / scale;
        }
    }
}

/// Makes all coefficients positive; a bit in `signs` for each that is not 0 says whether it was negative.
fn take_signs<T: Coefficient>(coefficients: &mut [T], signs: &mut Vec<u8>) {
    let mut bits = BitWriter::new(signs);
    for coefficient in coefficients.iter_mut().filter(|coefficient| **coefficient != T::default()) {
        let negative = *coefficient < T::default();
        bits.put(negative.into(), 1);
        if negative {
            *coefficient = -*coefficient;
        }
    }
    bits.finish();
}

fn write_planes<T: Coefficient>(coefficients: &[T], (rows, columns): (usize, usize), output: &mut Vec<u8>) {
    let quadrants = quadrants(rows, columns);
    let mut most = [0u32; 3];
    for quadrant in &quadrants {
        let plane = coefficients.get(quadrant.start..).unwrap_or_default();
        let lines = plane.chunks(columns).take(quadrant.rows).filter_map(|line| line.get(..quadrant.columns));
        let all = lines.flatten().fold(T::default(), |all, coefficient| all | *coefficient).get();
        if let Some(most) = most.get_mut(quadrant.class) {
            *most = (*most).max(u64::BITS - all.leading_zeros());
        }
    }
    output.extend(most.map(|bits| bits as u8));
    let mut bits = BitWriter::new(output);
    let mut memory = tree::Memory::default();
    for quadrant in &quadrants {
        let plane = coefficients.get(quadrant.start..).unwrap_or_default();
        for bit in (0..most.get(quadrant.class).copied().unwrap_or(0)).rev() {
            tree::write_plane(plane, quadrant, columns, bit, &mut bits, &mut memory);
        }
    }
    bits.put(tree::END, tree::CODE_BITS);
    bits.finish();
}
