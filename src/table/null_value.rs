//! A TNULL for a new column: a stored number that none of its values has (FITS 4.0 §7.3.2).

use super::given::{GivenColumn, GivenType};
use crate::error::Result;

/// A stored number that is none of the values, where some are masked: TNULL. Only integers need one.
pub(super) fn null_value(values: &GivenColumn<'_>) -> Result<Option<i64>> {
    let (Some(mask), GivenType::Number(data_type)) = (values.mask, values.element) else { return Ok(None) };
    if data_type.is_float() || mask.iter().all(|&flag| flag == 0) {
        return Ok(None);
    }
    let size = data_type.size();
    // Arrays of variable length are one row here.
    let shape = [mask.len()];
    let all = [&[1], shape.as_slice()].concat();
    let values = &match values.offsets {
        Some(_) => GivenColumn { shape: &all, offsets: None, ..values.clone() },
        None => values.clone(),
    };
    let (rows, cell) = values.rows_and_cell()?;
    let spread = values.spread(rows as u64, cell)?;
    let elements: usize = cell.iter().product();
    // One more than there are values: one of them is free.
    let candidates = mask.len().saturating_add(1).min(if size < 3 { 1 << (8 * size) } else { usize::MAX });
    let mut taken = vec![false; candidates];
    let signed = data_type.code().starts_with('i');
    // Counted from the lowest stored number up; of unsigned numbers, whose lowest is 0, from the highest down.
    let distance = |bytes: &[u8]| {
        let wide = bytes.iter().rev().fold(0u64, |wide, &byte| wide << 8 | u64::from(byte));
        let top = u64::MAX >> (64 - 8 * size);
        if signed { (wide ^ (1 << (8 * size - 1))) & top } else { top - wide }
    };
    let mut flags = mask.iter();
    for row in 0..rows {
        let at = spread.start + row * spread.stride;
        let cell = spread.bytes.get(at..at + elements * size).unwrap_or_default();
        for (bytes, flag) in cell.chunks_exact(size).zip(&mut flags).filter(|(_, flag)| **flag == 0) {
            let mut little = bytes.to_vec();
            if (cfg!(target_endian = "little")) == values.swapped {
                little.reverse();
            }
            let _ = flag;
            if let Some(taken) = usize::try_from(distance(&little)).ok().and_then(|at| taken.get_mut(at)) {
                *taken = true;
            }
        }
    }
    let free = taken.iter().position(|taken| !taken).ok_or_else(|| {
        values.refuse(&format!(
            "hold every value that {} has, so that none is left for what is masked: write a wider type",
            data_type.code()
        ))
    })?;
    let bits = 8 * size as u32;
    let value = if signed { -(1i128 << (bits - 1)) + free as i128 } else { (1i128 << bits) - 1 - free as i128 };
    let zero: i128 = data_type.bzero().parse().unwrap_or(0);
    Ok(i64::try_from(value - zero).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null_of(code: &str, bytes: &[u8], mask: &[u8]) -> Result<Option<i64>> {
        let (element, swapped) = GivenType::from_code(code).unwrap();
        let size = element.size().unwrap();
        let shape = [bytes.len() / size];
        null_value(&GivenColumn {
            name: "a",
            element,
            shape: &shape,
            bytes,
            start: 0,
            stride: size,
            swapped,
            mask: Some(mask),
            offsets: None,
            array_shape: &[],
            strings: false,
        })
    }

    #[test]
    fn a_null_is_none_of_the_values() {
        assert_eq!(null_of("<i2", &[0, 0x80, 1, 0x80, 7, 7], &[0, 0, 1]).unwrap(), Some(-32766));
        assert_eq!(null_of(">i2", &[0x80, 0, 0, 1], &[0, 1]).unwrap(), Some(-32767));
        assert_eq!(null_of("<u2", &[255, 255, 0, 0], &[0, 1]).unwrap(), Some(32766));
        assert_eq!(null_of("|u1", &[1, 2], &[1, 0]).unwrap(), Some(255));
        assert_eq!(null_of("|i1", &[1, 2], &[1, 0]).unwrap(), Some(0));
        assert_eq!(null_of("<i8", &[0; 16], &[1, 0]).unwrap(), Some(i64::MIN));
        assert_eq!(null_of("<u8", &[255; 16], &[1, 0]).unwrap(), Some(i64::MAX - 1));
        assert_eq!(null_of("<i2", &[0, 0], &[0]).unwrap(), None);
        assert_eq!(null_of("<f4", &[0; 4], &[1]).unwrap(), None);
        let all: Vec<u8> = (0..=255).chain([0]).collect();
        let mut mask = vec![0; 257];
        mask[256] = 1;
        assert!(null_of("|u1", &all, &mask).unwrap_err().to_string().contains("wider"));
    }
}
