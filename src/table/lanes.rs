//! The loops over the cells of one column: from where they lie in memory to their places in rows.
//!
//! Rows are encoded column by column, so most of the work is short loops over single values that lie a fixed distance apart, here and there.
//! What is asked in them for each cell is the same for all of them, so that the compiler takes it out of the loop.

/// The most elements of a cell that are written as if each were a column of its own; more are worth a call for each cell.
const MOST_SINGLE: usize = 8;
/// Text is narrowed by so many characters at a time, which take four times as many bytes in memory.
const CHARACTERS: usize = 4;

/// The cells of a column in some rows.
pub(super) struct Lanes<'g, 'o> {
    /// The values, the first row's first byte in front.
    pub(super) given: &'g [u8],
    /// How far it is from a row to the next among them; less than a cell where rows share what they get.
    pub(super) stride: usize,
    /// The size of a cell among them.
    pub(super) size: usize,
    /// The rows, the first one's cell in front.
    pub(super) output: &'o mut [u8],
    /// How far it is from a row to the next.
    pub(super) row_len: usize,
    /// The size of a cell in a row.
    pub(super) width: usize,
    pub(super) rows: usize,
}

impl<'g> Lanes<'g, '_> {
    /// The same once more.
    pub(super) fn reborrow(&mut self) -> Lanes<'g, '_> {
        Lanes { output: &mut *self.output, ..*self }
    }

    /// Calls `encode` with each cell and its place.
    #[inline(always)]
    pub(super) fn each(self, encode: impl FnMut(&[u8], &mut [u8])) {
        let (size, width) = (self.size, self.width);
        self.part((0, size), (0, width), encode);
    }

    /// As `each`, with a part of each cell and of its place: where it starts in them, and its size.
    #[inline(always)]
    fn part(
        self,
        (given_at, size): (usize, usize),
        (place_at, width): (usize, usize),
        mut encode: impl FnMut(&[u8], &mut [u8]),
    ) {
        let Some(before_last) = self.rows.checked_sub(1) else { return };
        let given = self.given.get(given_at..).unwrap_or_default();
        let output = self.output.get_mut(place_at..).unwrap_or_default();
        if self.stride < size.max(1) {
            for (row, place) in (0..self.rows).zip(output.chunks_mut(self.row_len.max(1))) {
                let at = row * self.stride;
                if let (Some(given), Some(place)) = (given.get(at..at + size), place.get_mut(..width)) {
                    encode(given, place);
                }
            }
            return;
        }
        // The last row may end where its cell does.
        let (Some((given, last_given)), Some((output, last_output))) = (
            given.split_at_checked(before_last * self.stride),
            output.split_at_mut_checked(before_last * self.row_len),
        ) else {
            return;
        };
        let mut one = |given: &[u8], place: &mut [u8]| {
            if let (Some(given), Some(place)) = (given.get(..size), place.get_mut(..width)) {
                encode(given, place);
            }
        };
        let rows = given.chunks_exact(self.stride.max(1)).zip(output.chunks_exact_mut(self.row_len.max(1)));
        rows.for_each(|(given, place)| one(given, place));
        one(last_given, last_output);
    }

    /// Elements of `unit` bytes one by one, if they are few: each is turned by `turn`.
    fn elements<const N: usize>(mut self, turn: impl Fn([u8; N]) -> [u8; N] + Copy) {
        let count = (self.size / N).min(self.width / N);
        for element in 0..count {
            let at = element * N;
            self.reborrow().part((at, N), (at, N), |given, place| {
                if let (Some(given), Some(place)) = (given.first_chunk::<N>(), place.first_chunk_mut::<N>()) {
                    *place = turn(*given);
                }
            });
        }
    }

    /// The bytes as they are.
    pub(super) fn copy(self) {
        if self.size != self.width {
            return;
        }
        match self.size {
            0 => {}
            1 => self.elements::<1>(|bytes| bytes),
            2 => self.elements::<2>(|bytes| bytes),
            3 => self.ends::<2>(),
            4 => self.elements::<4>(|bytes| bytes),
            5..8 => self.ends::<4>(),
            8 => self.elements::<8>(|bytes| bytes),
            9..=16 => self.ends::<8>(),
            17..=32 => self.ends::<16>(),
            _ => self.each(|given, place| place.copy_from_slice(given)),
        }
    }

    /// Cells of `N` to `2 * N` bytes: the first `N` and the last `N` of them.
    fn ends<const N: usize>(self) {
        self.each(|given, place| {
            if let (Some(first), Some(last)) = (given.first_chunk::<N>(), given.last_chunk::<N>()) {
                if let Some(place) = place.first_chunk_mut::<N>() {
                    *place = *first;
                }
                if let Some(place) = place.last_chunk_mut::<N>() {
                    *place = *last;
                }
            }
        });
    }

    /// Numbers of `unit` bytes: with `swap` their bytes turned around, with `flip` their top bit, which is in the first byte of the file.
    /// Cells of many numbers are given to `many`.
    pub(super) fn numbers(self, unit: usize, swap: bool, flip: bool, many: impl Fn(&[u8], &mut [u8])) {
        let top = if flip { 0x80 } else { 0 };
        let few = self.size == self.width && self.size <= MOST_SINGLE * unit;
        match (unit, swap) {
            (1, _) if few => self.elements::<1>(|[byte]| [byte ^ top]),
            (2, true) if few => self.elements::<2>(|bytes| turned(bytes, top)),
            (4, true) if few => self.elements::<4>(|bytes| turned(bytes, top)),
            (8, true) if few => self.elements::<8>(|bytes| turned(bytes, top)),
            _ => self.each(many),
        }
    }

    /// A byte that is not 0 becomes `T`, else `F` (§7.3.3.1).
    pub(super) fn logicals(self) {
        let letter = |byte: u8| if byte != 0 { b'T' } else { b'F' };
        if self.size <= MOST_SINGLE {
            return self.elements::<1>(|[byte]| [letter(byte)]);
        }
        self.each(|given, place| given.iter().zip(place).for_each(|(given, place)| *place = letter(*given)));
    }

    /// Texts of ASCII characters of four bytes each, `size` bytes of memory a text, become `stored` bytes; where they are fewer characters, NUL follows.
    /// `low`: which of the four bytes a character is in.
    pub(super) fn characters(self, size: usize, stored: usize, low: usize) {
        if size == 0 || stored == 0 {
            return;
        }
        let shift = 8 * low as u32;
        if self.size == size && self.width == stored {
            return self.each(|given, place| narrow(given, place, shift));
        }
        self.each(|given, place| {
            let texts = given.chunks_exact(size).zip(place.chunks_exact_mut(stored));
            texts.for_each(|(text, place)| narrow(text, place, shift));
        });
    }
}

/// The bytes of a number the other way round than the machine has them, the first one with the bits of `top` turned.
#[inline(always)]
fn turned<const N: usize>(mut bytes: [u8; N], top: u8) -> [u8; N] {
    if cfg!(target_endian = "little") {
        bytes.reverse();
    }
    bytes[0] ^= top;
    bytes
}

/// One byte of each four, for as many as there is place; what is left of the place becomes NUL. `shift`: how many bits come before that byte in the
/// little-endian order.
#[inline(always)]
fn narrow(text: &[u8], place: &mut [u8], shift: u32) {
    let fours = text.as_chunks::<{ 4 * CHARACTERS }>().0.iter().zip(place.as_chunks_mut::<CHARACTERS>().0);
    let done = CHARACTERS * fours.len();
    for (four, place) in fours {
        let (pairs, _) = four.as_chunks::<8>();
        let pair = |index: usize| {
            let pair = u64::from_le_bytes(pairs.get(index).copied().unwrap_or_default()) >> shift;
            (pair | pair >> 24) as u16
        };
        let [first, second] = pair(0).to_le_bytes();
        let [third, fourth] = pair(1).to_le_bytes();
        *place = [first, second, third, fourth];
    }
    let points = text.get(4 * done..).unwrap_or_default().as_chunks::<4>().0;
    for (index, place) in place.get_mut(done..).unwrap_or_default().iter_mut().enumerate() {
        *place = points.get(index).map_or(0, |point| (u32::from_le_bytes(*point) >> shift) as u8);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows as `act` leaves them, and what is expected: each cell encoded by `naive`, row after row, between bytes that stay.
    fn check(
        (rows, stride, size): (usize, usize, usize),
        (gap, width): (usize, usize),
        act: impl Fn(Lanes<'_, '_>),
        naive: impl Fn(&[u8], &mut [u8]),
    ) {
        let given: Vec<u8> = (0..(rows.max(1) - 1) * stride + size).map(|at| (at * 37 % 251) as u8).collect();
        let row_len = width + gap;
        let len = (rows.max(1) - 1) * row_len + width;
        let (mut output, mut expected) = (vec![0xA5; len], vec![0xA5; len]);
        act(Lanes { given: &given, stride, size, output: &mut output, row_len, width, rows });
        for row in 0..rows {
            naive(&given[row * stride..][..size], &mut expected[row * row_len..][..width]);
        }
        assert_eq!(output, expected);
    }

    proptest! {
        #[test]
        fn cells_are_copied(rows in 0usize..5, stride in 0usize..50, size in 0usize..40, gap in 0usize..3) {
            check((rows, stride, size), (gap, size), |lanes| lanes.copy(), |given, place| place.copy_from_slice(given));
        }

        #[test]
        fn numbers_are_turned(
            rows in 0usize..5, more in 0usize..9, count in 0usize..12, gap in 0usize..3, exponent in 0u32..4, swap: bool, flip: bool, shared: bool,
        ) {
            let unit = 1usize << exponent;
            let size = unit * count;
            let stride = if shared { 0 } else { size + more };
            let naive = |given: &[u8], place: &mut [u8]| {
                place.copy_from_slice(given);
                for number in place.chunks_exact_mut(unit) {
                    if swap && cfg!(target_endian = "little") {
                        number.reverse();
                    }
                    number[0] ^= if flip { 0x80 } else { 0 };
                }
            };
            check((rows, stride, size), (gap, size), |lanes| lanes.numbers(unit, swap, flip, naive), naive);
        }

        #[test]
        fn every_row_is_reached(rows in 0usize..5, stride in 0usize..3, size in 0usize..3, gap in 0usize..3, width in 1usize..4) {
            let fill = |_: &[u8], place: &mut [u8]| place.fill(b' ');
            check((rows, stride, size), (gap, width), |lanes| lanes.each(fill), fill);
        }

        #[test]
        fn logicals_become_letters(rows in 0usize..5, stride in 0usize..20, size in 0usize..20, gap in 0usize..3) {
            check((rows, stride, size), (gap, size), |lanes| lanes.logicals(), |given, place| {
                place.iter_mut().zip(given).for_each(|(place, given)| *place = if *given == 0 { b'F' } else { b'T' });
            });
        }

        #[test]
        fn characters_are_narrowed(
            texts in prop::collection::vec("[ -~]{0,11}", 1..7), given in 0usize..12, stored in 0usize..12, cells in 1usize..3, swapped: bool,
        ) {
            let point = |byte: u8| if swapped { u32::from(byte).swap_bytes() } else { u32::from(byte) }.to_ne_bytes();
            let cell = |text: &String| (0..given).flat_map(|at| point(text.as_bytes().get(at).copied().unwrap_or(0))).collect::<Vec<_>>();
            let memory: Vec<u8> = texts.iter().flat_map(|text| cell(text).repeat(cells)).collect();
            let mut output = vec![0xA5; texts.len() * cells * stored];
            let low = if cfg!(target_endian = "little") != swapped { 0 } else { 3 };
            let lanes = Lanes {
                given: &memory,
                stride: 4 * given * cells,
                size: 4 * given * cells,
                output: &mut output,
                row_len: stored * cells,
                width: stored * cells,
                rows: texts.len(),
            };
            lanes.characters(4 * given, stored, low);
            if given > 0 {
                let cut = |text: &String| (0..stored).map(|at| if at < given { text.as_bytes().get(at).copied().unwrap_or(0) } else { 0 }).collect::<Vec<_>>();
                let expected: Vec<u8> = texts.iter().flat_map(|text| cut(text).repeat(cells)).collect();
                prop_assert_eq!(output, expected);
            }
        }
    }
}
