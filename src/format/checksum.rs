//! Checksums of HDUs: 32-bit ones-complement sums, as numbers and as text (FITS 4.0 §4.4.2.7, Appendix J).
//!
//! The sum over all bytes of an HDU is brought to all ones by the text of its CHECKSUM card, so that whoever adds it up anew sees whether something
//! has changed.

use std::iter::once;

/// What the text of a CHECKSUM card is while the sum is made.
pub(crate) const UNSET: &str = "0000000000000000";
/// The sum of an HDU whose CHECKSUM is right.
const ALL_ONES: u32 = u32::MAX;
/// The bytes of the text: letters and digits begin where these do, and what lies between those is left out.
const OFFSET: u8 = b'0';

/// The ones-complement sum of big-endian 32-bit words. The order in which pieces are added does not matter, as long as each piece begins at a
/// multiple of four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(u32);

impl Sum {
    /// The sum of bytes; a last word that is cut short is filled up with zeros.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        // The carries of some billions of words fit the upper half.
        let folded = words.chunks(1 << 20).map(|words| {
            let sum = words.iter().map(|&word| u64::from(u32::from_be_bytes(word))).sum();
            Self::folded(sum)
        });
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(place, &byte)| *place = byte);
        folded.chain(once(Self(u32::from_be_bytes(last)))).fold(Self::default(), Self::with)
    }

    /// The sum that was kept as a number.
    pub(crate) fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The sum as a number.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The sum of two pieces.
    #[must_use]
    pub(crate) fn with(self, other: Self) -> Self {
        Self::folded(u64::from(self.0) + u64::from(other.0))
    }

    /// Adds the carries in at the low end.
    fn folded(mut sum: u64) -> Self {
        while sum > u64::from(u32::MAX) {
            sum = (sum & u64::from(u32::MAX)) + (sum >> 32);
        }
        Self(sum as u32)
    }

    /// Whether this is the sum of an HDU whose CHECKSUM is right. Zero, which only zeros have, is the same number.
    pub(crate) fn is_complete(self) -> bool {
        self.0 == ALL_ONES || self.0 == 0
    }

    /// Whether two sums are equal: there are two zeros.
    pub(crate) fn is_same(self, other: Self) -> bool {
        self.0 % ALL_ONES == other.0 % ALL_ONES
    }

    /// The text of the CHECKSUM card for an HDU that has this sum while the text is [`UNSET`] (Appendix J.3).
    pub(crate) fn encoded(self) -> String {
        let complement = (!self.0).to_be_bytes();
        let mut text = [[0u8; 4]; 4];
        for (byte, column) in complement.into_iter().zip(0..4) {
            for (row, character) in text.iter_mut().zip(quarters(byte)) {
                if let Some(place) = row.get_mut(column) {
                    *place = character;
                }
            }
        }
        let mut text = text.concat();
        // The text begins at the last byte of a word.
        text.rotate_right(1);
        text.into_iter().map(char::from).collect()
    }
}

/// Four letters or digits that together are a byte more than four zeros.
fn quarters(byte: u8) -> [u8; 4] {
    let quarter = byte / 4 + OFFSET;
    let mut quarters = [quarter + byte % 4, quarter, quarter, quarter];
    // What is one more on the one is one less on the other; there are at most seven signs in a row that are neither.
    while !quarters.iter().all(u8::is_ascii_alphanumeric) {
        let [a, b, c, d] = &mut quarters;
        for (one, other) in [(a, b), (c, d)] {
            if !(one.is_ascii_alphanumeric() && other.is_ascii_alphanumeric()) {
                *one += 1;
                *other -= 1;
            }
        }
    }
    quarters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // Appendix J.3, and the empty text that leads to it.
        assert_eq!(Sum(868_229_149).encoded(), "hcHjjc9ghcEghc9g");
        assert_eq!(Sum::of(&[0, 0, 0, 1, 0, 0, 0, 2]).number(), 3);
        assert_eq!(Sum::of(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2]).number(), 2);
        assert_eq!(Sum::of(&[1]).number(), 1 << 24);
        assert_eq!(Sum::of(&[]).number(), 0);
    }

    #[test]
    fn every_byte_has_four_letters_or_digits() {
        for byte in 0..=255 {
            let quarters = quarters(byte);
            assert!(quarters.iter().all(u8::is_ascii_alphanumeric), "{byte}");
            assert_eq!(quarters.iter().map(|&quarter| u32::from(quarter)).sum::<u32>(), u32::from(byte) + 4 * 48);
        }
    }

    proptest! {
        #[test]
        fn the_text_completes_the_sum(mut words in prop::collection::vec(any::<u32>(), 0..50)) {
            // The text stands from the last byte of the first word on.
            let mut bytes = b"CHECKSUM= '".to_vec();
            bytes.extend_from_slice(UNSET.as_bytes());
            bytes.extend_from_slice(b"' ");
            bytes.resize(32, b' ');
            let tail: Vec<u8> = words.drain(..).flat_map(u32::to_be_bytes).collect();
            bytes.extend(tail);
            let text = Sum::of(&bytes).encoded();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            bytes[11..27].copy_from_slice(text.as_bytes());
            prop_assert!(Sum::of(&bytes).is_complete());
        }

        #[test]
        fn a_sum_is_that_of_its_pieces(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..100) {
            let (front, back) = bytes.split_at((cut * 4).min(bytes.len() / 4 * 4));
            prop_assert_eq!(Sum::of(front).with(Sum::of(back)), Sum::of(&bytes));
            let slow = bytes.chunks(4).fold(0u64, |sum, word| {
                let mut four = [0; 4];
                four[..word.len()].copy_from_slice(word);
                let sum = sum + u64::from(u32::from_be_bytes(four));
                (sum & 0xffff_ffff) + (sum >> 32)
            });
            prop_assert_eq!(u64::from(Sum::of(&bytes).number()), slow);
        }

        #[test]
        fn one_flipped_bit_shows(mut bytes in prop::collection::vec(any::<u8>(), 4..400), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let before = Sum::of(&bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(!Sum::of(&bytes).is_same(before));
        }
    }
}
