//! PLIO_1 (FITS 4.0 §10.4.3): the line lists of IRAF's pixel masks, for integers from 0 to 2^24 - 1.
//!
//! A tile is a list of big-endian words of 16 bits: a header of seven words, then instructions, whose highest 4 bits are the operation and whose lowest
//! 12 bits are its argument. They change the "high value", which starts as 1, and set pixels to 0 or to that value. Pixels behind the last instruction are 0.

use crate::error::{Error, Result};

/// The largest pixel that a line list can hold.
pub(crate) const LARGEST: i32 = (1 << 24) - 1;

/// The most bytes of pixels that one byte of a list makes.
pub(crate) const EXPANSION: u64 = (LARGEST_ARGUMENT * size_of::<i32>()) as u64 / 2;

/// The words of the header: one that is not used, its length, the version, and the length of the list in two parts of 15 bits.
const HEADER_WORDS: usize = 7;
const VERSION: i16 = -100;
/// How many bits of the length of a list its first word holds.
const LENGTH_BITS: u32 = 15;
/// The largest argument of an instruction.
const LARGEST_ARGUMENT: usize = 4095;
const ARGUMENT_BITS: u32 = 12;

/// The operations, by their number.
mod operation {
    /// Sets the next pixels to 0.
    pub(super) const ZEROS: u16 = 0;
    /// Sets the high value: its lowest 12 bits are the argument, the others the next word.
    pub(super) const SET_HIGH: u16 = 1;
    pub(super) const RAISE: u16 = 2;
    pub(super) const LOWER: u16 = 3;
    /// Sets the next pixels to the high value.
    pub(super) const HIGHS: u16 = 4;
    /// Sets the next pixels to 0, but the last of them to the high value.
    pub(super) const ZEROS_AND_HIGH: u16 = 5;
    /// Changes the high value and sets one pixel to it.
    pub(super) const RAISE_AND_SET: u16 = 6;
    pub(super) const LOWER_AND_SET: u16 = 7;
}

/// Decodes the first pixels of a tile: as many as `output` has room for.
pub(crate) fn decode(input: &[u8], output: &mut [i32]) -> Result<()> {
    let mut words = instructions(input)?.iter().map(|word| u16::from_be_bytes(*word));
    let mut rest = output;
    let mut high = 1i32;
    while let Some(word) = words.next()
        && !rest.is_empty()
    {
        let argument = i32::from(word & LARGEST_ARGUMENT as u16);
        let mut fill = |count: usize, value: i32| {
            let count = count.min(rest.len());
            if let Some(pixels) = rest.split_off_mut(..count) {
                pixels.fill(value);
            }
        };
        match word >> ARGUMENT_BITS {
            operation::ZEROS => fill(argument as usize, 0),
            operation::SET_HIGH => {
                let upper = words.next().ok_or_else(|| damaged("ends within an instruction"))?;
                high = (i32::from(upper & 0x7fff) << ARGUMENT_BITS) | argument;
            }
            operation::RAISE => high = high.wrapping_add(argument),
            operation::LOWER => high = high.wrapping_sub(argument),
            operation::HIGHS => fill(argument as usize, high),
            operation::ZEROS_AND_HIGH => {
                fill((argument as usize).saturating_sub(1), 0);
                fill(usize::from(argument > 0), high);
            }
            operation::RAISE_AND_SET => {
                high = high.wrapping_add(argument);
                fill(1, high);
            }
            operation::LOWER_AND_SET => {
                high = high.wrapping_sub(argument);
                fill(1, high);
            }
            other => return Err(damaged(&format!("has the unknown operation {other}"))),
        }
    }
    rest.fill(0);
    Ok(())
}

/// The words behind the header of a list.
fn instructions(input: &[u8]) -> Result<&[[u8; 2]]> {
    let words = input.as_chunks::<2>().0;
    let word = |index: usize| words.get(index).map(|word| i16::from_be_bytes(*word));
    let (Some(header), Some(version), Some(low), Some(high)) = (word(1), word(2), word(3), word(4)) else {
        return Err(damaged("is shorter than its header"));
    };
    if version > 0 {
        return Err(Error::unsupported("PLIO_1 lists of the old form without a version can't be read"));
    }
    let len = i64::from(low) + (i64::from(high) << LENGTH_BITS);
    let range = usize::try_from(header).ok().zip(usize::try_from(len).ok());
    let list = range.and_then(|(header, len)| words.get(header..len));
    list.ok_or_else(|| damaged(&format!("names a length of {len} words, but the tile has {}", words.len())))
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("the PLIO_1 list of the tile {what}"))
}

/// Appends the list of a tile's pixels to `output`.
///
/// # Errors
///
/// [`ErrorKind::Argument`](crate::ErrorKind::Argument) for a pixel that is negative or above [`LARGEST`].
pub(crate) fn encode(pixels: &[i32], output: &mut Vec<u8>) -> Result<()> {
    let start = output.len();
    let mut writer = Writer { output, high: 1, zeros: 0 };
    writer.output.resize(start + 2 * HEADER_WORDS, 0);
    for run in pixels.chunk_by(|one, next| one == next) {
        let Some(&value) = run.first() else { continue };
        if !(0..=LARGEST).contains(&value) {
            return Err(Error::argument(format!(
                "PLIO_1 holds integers from 0 to {LARGEST}, and a pixel is {value}: use another compression"
            )));
        }
        if value == 0 {
            writer.zeros += run.len();
        } else {
            writer.run(value, run.len());
        }
    }
    writer.end();
    let words = (output.len() - start) / 2;
    let header = [
        0,
        HEADER_WORDS as i16,
        VERSION,
        (words & ((1 << LENGTH_BITS) - 1)) as i16,
        i16::try_from(words >> LENGTH_BITS)
            .map_err(|_| Error::too_large("a tile with PLIO_1 is larger than its list can be: use smaller tiles"))?,
    ];
    let places = output.get_mut(start..).unwrap_or_default().as_chunks_mut::<2>().0;
    for (place, word) in places.iter_mut().zip(header) {
        *place = word.to_be_bytes();
    }
    Ok(())
}

/// Writes instructions.
struct Writer<'a> {
    output: &'a mut Vec<u8>,
    high: i32,
    /// Zeros that are not written yet.
    zeros: usize,
}

impl Writer<'_> {
    fn put(&mut self, operation: u16, argument: usize) {
        self.output.extend_from_slice(&((operation << ARGUMENT_BITS) | argument as u16).to_be_bytes());
    }

    fn put_all(&mut self, operation: u16, mut count: usize) {
        while count > 0 {
            let now = count.min(LARGEST_ARGUMENT);
            self.put(operation, now);
            count -= now;
        }
    }

    /// Pixels of one value that is not 0.
    fn run(&mut self, value: i32, count: usize) {
        let change = value - self.high;
        let small = change.unsigned_abs() as usize <= LARGEST_ARGUMENT;
        let zeros = std::mem::take(&mut self.zeros);
        self.high = value;
        let mut left = count;
        if change != 0 && small && zeros == 0 {
            self.put(
                if change > 0 { operation::RAISE_AND_SET } else { operation::LOWER_AND_SET },
                change.unsigned_abs() as usize,
            );
            left -= 1;
        } else if change != 0 && small {
            self.put(if change > 0 { operation::RAISE } else { operation::LOWER }, change.unsigned_abs() as usize);
        } else if change != 0 {
            self.put(operation::SET_HIGH, value as usize & LARGEST_ARGUMENT);
            self.output.extend_from_slice(&((value >> ARGUMENT_BITS) as u16).to_be_bytes());
        }
        if zeros > 0 && zeros < LARGEST_ARGUMENT && left == 1 {
            self.put(operation::ZEROS_AND_HIGH, zeros + 1);
            return;
        }
        self.put_all(operation::ZEROS, zeros);
        self.put_all(operation::HIGHS, left);
    }

    fn end(&mut self) {
        let zeros = std::mem::take(&mut self.zeros);
        self.put_all(operation::ZEROS, zeros);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    fn bytes(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn round_trip(pixels: &[i32]) {
        let mut packed = Vec::new();
        encode(pixels, &mut packed).unwrap();
        let mut output = vec![-1; pixels.len()];
        decode(&packed, &mut output).unwrap();
        assert_eq!(output, pixels);
    }

    /// Lists as CFITSIO 4 wrote them.
    #[test]
    fn lists_of_other_software_decode() {
        let lists: [(&[u16], &[i32]); 4] = [
            (&[0, 7, 0xff9c, 8, 0, 0, 0, 0x0004], &[0, 0, 0, 0]),
            (&[0, 7, 0xff9c, 12, 0, 0, 0, 0x2004, 0x0002, 0x4003, 0x2002, 0x5003], &[0, 0, 5, 5, 5, 0, 0, 7]),
            (&[0, 7, 0xff9c, 14, 0, 0, 0, 0x1388, 1, 0x4002, 0x1170, 17, 0x4001, 0x6001], &[5000, 5000, 70000, 70001]),
            (&[0, 7, 0xff9c, 11, 0, 0, 0, 0x6002, 0x7002, 0x6002, 0x6001], &[3, 1, 3, 4]),
        ];
        for (words, expected) in lists {
            let mut output = vec![-1; expected.len()];
            decode(&bytes(words), &mut output).unwrap();
            assert_eq!(output, expected);
        }
    }

    proptest! {
        #[test]
        fn pixels_come_back(runs in prop::collection::vec((prop_oneof![Just(0), 0..5000, 0..=LARGEST], 1..6000_usize), 0..20)) {
            let pixels: Vec<i32> = runs.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count)).collect();
            round_trip(&pixels);
        }

        #[test]
        fn any_words_are_harmless(words in prop::collection::vec(any::<u16>(), 0..60), room in 0..5000_usize) {
            let mut output = vec![0; room];
            let _ = decode(&bytes(&words), &mut output);
            let framed = [vec![0, 7, 0xff9c, words.len() as u16 + 7, 0, 0, 0], words].concat();
            let _ = decode(&bytes(&framed), &mut output);
        }
    }

    #[test]
    fn long_lists_and_runs_come_back() {
        round_trip(&[LARGEST, 0, LARGEST, 1, 4096, 1, 4097, 1]);
        round_trip(&[vec![0; 4094], vec![9], vec![0; 4095], vec![9], vec![0; 8190], vec![9]].concat());
        round_trip(&(0..100_000).map(|index| index % 3 * 5000).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_list_can_not_hold_is_refused() {
        for pixel in [-1, LARGEST + 1, i32::MIN, i32::MAX] {
            assert_eq!(encode(&[1, pixel], &mut Vec::new()).unwrap_err().kind(), ErrorKind::Argument);
        }
        for words in [
            &[][..],
            &[0, 7, 0xff9c, 9, 0, 0, 0, 0x4001],
            &[0, 7, 0xff9c, 8, 0, 0, 0, 0x1001],
            &[0, 7, 0xff9c, 8, 0, 0, 0, 0x8001],
        ] {
            assert_eq!(decode(&bytes(words), &mut [0; 4]).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
