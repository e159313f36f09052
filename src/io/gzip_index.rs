//! The index of a gzip file that can be gunzipped in parallel: an extra field of its header (RFC 1952, §2.3.1.1) says where its pieces begin.
//!
//! Such a file is one member, because cfitsio reads no further than the first one. Its pieces are compressed each for itself and end at
//! whole bytes, as after a full flush, so that any gunzip reads them one after the other.

use super::gunzip::GZIP_MAGIC;

/// The name of the field.
const FIELD: [u8; 2] = *b"RF";
/// The flag of the gzip header that says that there are extra fields.
const EXTRA: u8 = 4;
/// Magic, flags, time (none), what the compression is, system (unknown), length of the extra fields.
const FIXED_BYTES: usize = 12;
/// Name and length of a field.
const FIELD_START_BYTES: usize = 4;
/// How long the extra fields may be together.
const MOST_FIELD_BYTES: usize = u16::MAX as usize;
/// The decoded length of all, and of each piece but the last.
const SIZES_BYTES: usize = 12;

/// What ends the compressed data: an empty block that says that it is the last.
pub(super) const LAST_BLOCK: [u8; 2] = [3, 0];
/// Checksum and length, behind the data.
pub(super) const TRAILER_BYTES: usize = 8;

/// Where the pieces of a gzip file are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GzipIndex {
    /// How long all is when it is decoded.
    pub(super) len: u64,
    /// How long each piece is when it is decoded, the last one at most.
    pub(super) piece_bytes: u32,
    /// How long each piece is in the file.
    pub(super) packed: Vec<u32>,
}

impl GzipIndex {
    /// How many pieces there are of so many bytes; `None` where there is no room for an index.
    pub(super) fn pieces(len: usize, piece_bytes: usize) -> Option<usize> {
        let pieces = len.div_ceil(piece_bytes);
        (FIELD_START_BYTES + SIZES_BYTES + 4 * pieces <= MOST_FIELD_BYTES).then_some(pieces)
    }

    /// The header of the gzip file, as long for as many pieces; of a file without an index if there is none.
    pub(super) fn header(index: Option<&Self>) -> Vec<u8> {
        let [first, second, method] = GZIP_MAGIC;
        let mut header = vec![first, second, method, 0, 0, 0, 0, 0, 0, 255];
        let Some(index) = index else { return header };
        let mut field = Vec::with_capacity(SIZES_BYTES + 4 * index.packed.len());
        field.extend(index.len.to_le_bytes());
        field.extend(index.piece_bytes.to_le_bytes());
        field.extend(index.packed.iter().flat_map(|packed| packed.to_le_bytes()));
        if let Some(flags) = header.get_mut(3) {
            *flags = EXTRA;
        }
        header.extend(((FIELD_START_BYTES + field.len()) as u16).to_le_bytes());
        header.extend(FIELD);
        header.extend((field.len() as u16).to_le_bytes());
        header.extend(field);
        header
    }

    /// The index of a file that has one and nothing else in its header, and how long the header is.
    pub(super) fn of(file: &[u8]) -> Option<(Self, usize)> {
        if !file.starts_with(&GZIP_MAGIC) || file.get(3) != Some(&EXTRA) {
            return None;
        }
        let number = |at: usize| Some(usize::from(u16::from_le_bytes(*file.get(at..)?.first_chunk()?)));
        let (fields, field) = (number(FIXED_BYTES - 2)?, number(FIXED_BYTES + 2)?);
        let header_len = FIXED_BYTES + fields;
        let content = file.get(FIXED_BYTES + FIELD_START_BYTES..header_len)?;
        if file.get(FIXED_BYTES..FIXED_BYTES + 2) != Some(&FIELD) || content.len() != field {
            return None;
        }
        let (len, rest) = content.split_first_chunk()?;
        let (piece_bytes, rest) = rest.split_first_chunk()?;
        let (packed, []) = rest.as_chunks() else { return None };
        let packed = packed.iter().map(|&packed| u32::from_le_bytes(packed)).collect();
        let (len, piece_bytes) = (u64::from_le_bytes(*len), u32::from_le_bytes(*piece_bytes));
        Some((Self { len, piece_bytes, packed }, header_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_reads_back_and_nothing_else_passes_for_one() {
        let index = GzipIndex { len: 2500, piece_bytes: 1000, packed: vec![700, 800, 90] };
        let header = GzipIndex::header(Some(&index));
        assert_eq!(GzipIndex::of(&header), Some((index, header.len())));
        for cut in 0..header.len() {
            assert_eq!(GzipIndex::of(&header[..cut]), None, "{cut}");
        }
        for at in [0, 3, 10, 12, 14] {
            let mut other = header.clone();
            other[at] ^= 0x41;
            assert_eq!(GzipIndex::of(&other), None, "{at}");
        }
        assert_eq!(GzipIndex::of(&GzipIndex::header(None)), None);
        assert_eq!(GzipIndex::pieces(0, 1000), Some(0));
        assert_eq!(GzipIndex::pieces(2001, 1000), Some(3));
        assert_eq!(GzipIndex::pieces(1 << 40, 1 << 20), None);
    }
}
