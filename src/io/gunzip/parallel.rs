//! Gunzips a whole buffer in parallel, where its headers say where the pieces are: files that this crate wrote, and BGZF.

use std::ops::Range;

use libdeflater::Decompressor;

use super::super::gzip_index::{GzipIndex, LAST_BLOCK, TRAILER_BYTES};
use super::whole::MAX_RATIO;
use super::{GZIP_MAGIC, header};
use crate::cpu::Cpu;
use crate::memory;

/// The extra field of a BGZF member: its name, its length, and the length of the member less one (SAM 1.6, §4.1).
const BGZF_FIELD: [u8; 4] = [b'B', b'C', 2, 0];
const BGZF_FIELD_AT: usize = 12;

/// A piece that is decoded for itself.
struct Packed {
    /// Its deflate blocks.
    range: Range<usize>,
    /// How long it is decoded.
    len: usize,
    /// Of a member of its own; a piece of a larger member has none.
    checksum: Option<u32>,
}

/// What a buffer says of itself.
struct Plan {
    pieces: Vec<Packed>,
    len: usize,
    /// Of all pieces together.
    checksum: Option<u32>,
}

/// Gunzips a buffer that says where its pieces are. `None` for any other, and wherever anything is wrong: a stream then finds out what.
pub(super) fn gunzip_pieces(input: &[u8], max_bytes: u64, cpu: Option<&Cpu>) -> Option<Vec<u8>> {
    let plan = indexed(input).or_else(|| bgzf(input))?;
    if plan.len as u64 > max_bytes {
        return None;
    }
    let mut bytes = memory::filled_by_caller::<u8>(plan.len).ok()?;
    let mut rest = bytes.as_mut_slice();
    let mut jobs = plan.pieces.iter().map_while(|piece| Some((piece, rest.split_off_mut(..piece.len)?)));
    let work = |(piece, output): (&Packed, &mut [u8])| {
        let wrong = || crate::Error::corrupt("a piece of the gzip data");
        decode(piece, input, output).ok_or_else(wrong)
    };
    let decoded = match cpu {
        Some(cpu) => cpu.run(|| jobs.next(), work, &mut || Ok(())),
        None => jobs.try_for_each(work),
    };
    let right = plan.checksum.is_none_or(|checksum| checksum == libdeflater::crc32(&bytes));
    (decoded.is_ok() && right).then_some(bytes)
}

fn decode(piece: &Packed, input: &[u8], output: &mut [u8]) -> Option<()> {
    let blocks = input.get(piece.range.clone())?;
    let decoded = if piece.checksum.is_some() {
        Decompressor::new().deflate_decompress(blocks, output)
    } else {
        // None of its blocks says that it is the last.
        Decompressor::new().deflate_decompress(&[blocks, &LAST_BLOCK].concat(), output)
    };
    let right = piece.checksum.is_none_or(|checksum| checksum == libdeflater::crc32(output));
    (decoded.ok()? == output.len() && right).then_some(())
}

/// No piece decodes to more than deflate can make of it.
fn is_plausible(piece: &Packed) -> bool {
    piece.len as u64 <= (piece.range.len() as u64).saturating_mul(MAX_RATIO)
}

/// The pieces of a file with a [`GzipIndex`].
fn indexed(input: &[u8]) -> Option<Plan> {
    let (index, mut at) = GzipIndex::of(input)?;
    let mut left = index.len;
    let mut pieces = Vec::with_capacity(index.packed.len());
    for packed in index.packed {
        let len = left.min(u64::from(index.piece_bytes));
        left -= len;
        let end = at.checked_add(packed as usize)?;
        let piece = Packed { range: at..end, len: usize::try_from(len).ok()?, checksum: None };
        if end > input.len() || !is_plausible(&piece) {
            return None;
        }
        pieces.push(piece);
        at = end;
    }
    let (last_block, trailer) = input.get(at..)?.split_first_chunk()?;
    let (&checksum, size) = trailer.split_first_chunk()?;
    let is_whole = left == 0 && *last_block == LAST_BLOCK && *size == (index.len as u32).to_le_bytes();
    let len = usize::try_from(index.len).ok()?;
    is_whole.then(|| Plan { pieces, len, checksum: Some(u32::from_le_bytes(checksum)) })
}

/// The members of a BGZF file.
fn bgzf(input: &[u8]) -> Option<Plan> {
    let mut pieces = Vec::new();
    let (mut at, mut total) = (0, 0usize);
    while at < input.len() {
        let member = input.get(at..)?;
        if !member.starts_with(&GZIP_MAGIC) || member.get(BGZF_FIELD_AT..BGZF_FIELD_AT + 4) != Some(&BGZF_FIELD) {
            return None;
        }
        let size: [u8; 2] = *member.get(BGZF_FIELD_AT + 4..)?.first_chunk()?;
        let end = at + usize::from(u16::from_le_bytes(size)) + 1;
        let blocks_end = end.checked_sub(TRAILER_BYTES)?;
        let trailer = input.get(blocks_end..end)?;
        let (&checksum, len) = trailer.split_first_chunk()?;
        let len = u32::from_le_bytes(*len.first_chunk()?) as usize;
        let start = at + header::length(member).ok()??;
        let piece = Packed { range: start..blocks_end.max(start), len, checksum: Some(u32::from_le_bytes(checksum)) };
        if !is_plausible(&piece) {
            return None;
        }
        total = total.checked_add(len)?;
        pieces.push(piece);
        at = end;
    }
    (!pieces.is_empty()).then_some(Plan { pieces, len: total, checksum: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engine;

    fn sample(len: usize) -> Vec<u8> {
        (0..len as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 25) as u8).collect()
    }

    fn bgzf_member(bytes: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; bytes.len() + 1000];
        let len = libdeflater::Compressor::default().deflate_compress(bytes, &mut packed).unwrap();
        let mut member = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, b'B', b'C', 2, 0];
        member.extend((18 + len as u16 + 8 - 1).to_le_bytes());
        member.extend(&packed[..len]);
        member.extend(libdeflater::crc32(bytes).to_le_bytes());
        member.extend((bytes.len() as u32).to_le_bytes());
        member
    }

    /// BGZF ends with an empty member.
    fn bgzf_file(bytes: &[u8]) -> Vec<u8> {
        bytes.chunks(60_000).chain([&[][..]]).flat_map(bgzf_member).collect()
    }

    fn indexed_file(bytes: &[u8]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gz");
        crate::io::gzip_write::replace(&path, bytes, || engine()?.cpu()).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn pieces_are_decoded_on_one_thread_and_on_all() {
        for len in [0, 1, 100_000, 3_500_000] {
            let bytes = sample(len);
            for packed in [bgzf_file(&bytes), indexed_file(&bytes)] {
                for cpu in [None, Some(engine().unwrap().cpu().unwrap())] {
                    assert!(gunzip_pieces(&packed, u64::MAX, cpu).unwrap() == bytes, "{len}");
                    assert!(len == 0 || gunzip_pieces(&packed, len as u64 - 1, cpu).is_none());
                }
            }
        }
    }

    #[test]
    fn whatever_is_unusual_is_left_to_the_stream() {
        let bytes = sample(100_000);
        for packed in [bgzf_file(&bytes), indexed_file(&bytes)] {
            for cut in (0..packed.len()).step_by(997) {
                assert!(
                    gunzip_pieces(&packed[..cut], u64::MAX, None).is_none_or(|part| bytes.starts_with(&part)),
                    "{cut}"
                );
            }
            assert!(gunzip_pieces(&[&packed[..], &[0; 8]].concat(), u64::MAX, None).is_none());
            for at in (0..packed.len()).step_by(61).chain(0..40) {
                let mut damaged = packed.clone();
                damaged[at] ^= 0x10;
                assert!(gunzip_pieces(&damaged, u64::MAX, None).is_none_or(|decoded| decoded == bytes), "{at}");
            }
        }
    }

    #[test]
    fn a_lie_about_lengths_reserves_nothing() {
        let mut packed = indexed_file(&sample(5000));
        packed[16..24].copy_from_slice(&(1u64 << 50).to_le_bytes());
        packed[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(gunzip_pieces(&packed, u64::MAX, None).is_none());
        packed[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(gunzip_pieces(&packed, u64::MAX, None).is_none());
    }
}
