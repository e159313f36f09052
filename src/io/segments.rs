//! Pieces of a file in memory: sorted by where they start, never overlapping, found by binary search.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

/// Pieces of a file.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pieces: BTreeMap<u64, Bytes>,
}

impl Segments {
    /// Takes in a piece: of it, what is not there yet.
    pub(crate) fn insert(&mut self, start: u64, bytes: &Bytes) {
        for gap in self.gaps(start..start.saturating_add(bytes.len() as u64)) {
            let piece = bytes.slice((gap.start - start) as usize..(gap.end - start) as usize);
            self.pieces.insert(gap.start, piece);
        }
    }

    /// The parts of a range that are not there.
    pub(crate) fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for (&start, piece) in self.overlapping(&range) {
            if start > at {
                gaps.push(at..start);
            }
            at = at.max(start + piece.len() as u64);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// The pieces that hold some of a range, in order, each with where it starts.
    pub(crate) fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = (&u64, &Bytes)> {
        let first = self.pieces.range(..=range.start).next_back().map_or(range.start, |(&start, _)| start);
        let end = range.end.max(first);
        let start = range.start;
        self.pieces.range(first..end).filter(move |(at, piece)| **at + piece.len() as u64 > start)
    }

    /// Fills `buffer` from offset on; `false` where some of it is not there.
    pub(crate) fn copy_to(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let end = offset.saturating_add(buffer.len() as u64);
        let mut at = offset;
        for (&start, piece) in self.overlapping(&(offset..end)) {
            if start > at {
                return false;
            }
            let stop = end.min(start + piece.len() as u64);
            let from = piece.get((at - start) as usize..(stop - start) as usize);
            let to = buffer.get_mut((at - offset) as usize..(stop - offset) as usize);
            let (Some(from), Some(to)) = (from, to) else { return false };
            to.copy_from_slice(from);
            at = stop;
        }
        at == end
    }

    /// The ranges of all pieces, in order.
    pub(crate) fn ranges(&self) -> Vec<Range<u64>> {
        self.pieces.iter().map(|(&start, piece)| start..start + piece.len() as u64).collect()
    }

    /// Drops all pieces that hold nothing of these ranges.
    pub(crate) fn keep_only(&mut self, ranges: &[Range<u64>]) {
        let mut kept = Self::default();
        for range in ranges {
            self.overlapping(range).for_each(|(&start, piece)| kept.insert(start, piece));
        }
        *self = kept;
    }
}

/// Sorts ranges and joins those that are at most `gap` bytes apart.
pub(crate) fn coalesce(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let near = next.start <= last.end.saturating_add(gap);
        if near {
            last.end = last.end.max(next.end);
        }
        near
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(pieces in prop::collection::vec((0u64..200, 0usize..40), 0..12), start in 0u64..200, len in 0usize..80) {
            let file: Vec<u8> = (0..=255).collect();
            let mut segments = Segments::default();
            let mut held = [false; 256];
            for (at, size) in pieces {
                let at_index = at as usize;
                segments.insert(at, &Bytes::copy_from_slice(&file[at_index..at_index + size]));
                held[at_index..at_index + size].fill(true);
            }
            let end = (start as usize + len).min(256);
            let complete = held[start as usize..end].iter().all(|&held| held);
            let mut buffer = vec![0; end - start as usize];
            prop_assert_eq!(segments.copy_to(start, &mut buffer), complete);
            if complete {
                prop_assert_eq!(&buffer, &file[start as usize..end]);
            }
            let missing: u64 = segments.gaps(start..end as u64).iter().map(|gap| gap.end - gap.start).sum();
            prop_assert_eq!(missing, held[start as usize..end].iter().filter(|&&held| !held).count() as u64);
        }
    }

    #[test]
    fn near_ranges_are_joined() {
        assert_eq!(coalesce(vec![10..20, 0..5, 24..30, 40..40], 4), [0..5, 10..30]);
        assert_eq!(coalesce(vec![0..100, 10..20], 0), [0..100; 1]);
    }

    #[test]
    fn only_what_is_asked_for_is_kept() {
        let mut segments = Segments::default();
        segments.insert(0, &Bytes::from_static(b"0123"));
        segments.insert(4, &Bytes::from_static(b"4567"));
        segments.keep_only(&[5..6, 5..8]);
        assert_eq!(segments.gaps(0..8), [0..4; 1]);
        segments.keep_only(&[]);
        assert_eq!(segments.gaps(0..8), [0..8; 1]);
    }
}
