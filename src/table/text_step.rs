//! Strings of at most 16 bytes at a stroke: cut where they end, and spread to as many bytes a character as the record wants.

use super::cell::TextForm;
use super::shuffle::{LANES, NO_BYTE};

/// The most times 16 bytes that become of 16 characters.
const MOST_PIECES: usize = 4;

/// Moves a string from a row to a record, without what follows its first NUL (§7.3.3.1) and without trailing blanks.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextStep {
    /// Where 16 bytes lie in a row that hold the string.
    pub(super) from: usize,
    /// How many of them are in front of it.
    skip: u32,
    /// How many bytes it has.
    width: u32,
    /// Where it goes in the record.
    pub(super) to: usize,
    /// Which of the bytes goes where, for each 16 bytes of the record.
    orders: [[u8; LANES]; MOST_PIECES],
    pieces: usize,
    /// Whether bytes that are not ASCII are no characters of the record.
    wants_ascii: bool,
}

impl TextStep {
    /// For the string of `width` bytes at `at` in a row, which goes to `to`; `None` for long ones and empty ones.
    pub(super) fn new(at: usize, width: usize, to: usize, form: TextForm) -> Option<Self> {
        if !(1..=LANES).contains(&width) {
            return None;
        }
        // The 16 bytes end with the string, so that a step does not reach behind its row.
        let from = (at + width).saturating_sub(LANES);
        let skip = at - from;
        let unit = match form {
            TextForm::Unicode => LANES / MOST_PIECES,
            TextForm::Bytes => 1,
        };
        let mut orders = [[NO_BYTE; LANES]; MOST_PIECES];
        // Of a character's bytes in the record, little-endian on the processors that have the instruction, the first one is used.
        let firsts = orders.as_flattened_mut().iter_mut().step_by(unit);
        firsts.take(width).zip(skip..).for_each(|(order, byte)| *order = byte as u8);
        let (skip, pieces) = (skip as u32, (unit * width).div_ceil(LANES));
        Some(Self { from, skip, width: width as u32, to, orders, pieces, wants_ascii: form == TextForm::Unicode })
    }

    /// How far into a record it writes.
    pub(super) fn end(&self) -> usize {
        self.to + self.pieces * LANES
    }

    /// Moves the string; `false` if it has bytes that it must not have. `to` begins where it goes.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "ssse3")]
    #[inline]
    pub(super) fn run(&self, from: [u8; LANES], to: &mut [u8]) -> bool {
        use bytemuck::must_cast;
        use std::arch::x86_64::{
            __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_set1_epi8,
            _mm_setzero_si128, _mm_shuffle_epi8,
        };
        const PLACES: [u8; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

        // A bit for each of the 16 bytes, the string's first one lowest.
        let stored: __m128i = must_cast(from);
        let nulls = _mm_movemask_epi8(_mm_cmpeq_epi8(stored, _mm_setzero_si128())) as u32 >> self.skip;
        let blanks = _mm_movemask_epi8(_mm_cmpeq_epi8(stored, _mm_set1_epi8(b' ' as i8))) as u32 >> self.skip;
        let others = _mm_movemask_epi8(stored) as u32 >> self.skip;
        let end = (nulls | 1 << self.width).trailing_zeros();
        let length = u32::BITS - (!blanks & ((1 << end) - 1)).leading_zeros();
        let is_kept = _mm_cmplt_epi8(must_cast(PLACES), _mm_set1_epi8((self.skip + length) as i8));
        let kept = _mm_and_si128(stored, is_kept);
        for (order, to) in self.orders.iter().take(self.pieces).zip(to.as_chunks_mut::<LANES>().0) {
            *to = must_cast::<__m128i, _>(_mm_shuffle_epi8(kept, must_cast(*order)));
        }
        !self.wants_ascii || others & ((1 << length) - 1) == 0
    }
}
