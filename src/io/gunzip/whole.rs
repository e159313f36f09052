//! Gunzips a whole buffer, as fast as that goes.

use libdeflater::Decompressor;

use super::parallel::gunzip_pieces;
use super::{GunzipStream, header};
use crate::cpu::Cpu;
use crate::error::Result;
use crate::memory;

/// No deflate stream decodes to more than this many times its size.
pub(super) const MAX_RATIO: u64 = 1032;

/// How much is reserved at first on a guess.
const FIRST_ROOM: u64 = 64 << 20;

/// What came out of a gzip buffer.
#[derive(Debug)]
pub(crate) struct Gunzipped {
    /// The decoded bytes of all members.
    pub(crate) bytes: Vec<u8>,
    /// Where bytes that are no gzip follow the last member: a text for the user.
    pub(crate) warning: Option<String>,
}

/// Gunzips a buffer; its rules are those of [`GunzipStream`]. With `cpu` on all threads, where the buffer says where its pieces are.
///
/// # Errors
///
/// `Corrupt` or `Truncated` where the bytes are damaged or cut off, `TooLarge` where more than `max_bytes` come out.
pub(crate) fn gunzip_whole(input: &[u8], max_bytes: u64, cpu: Option<&Cpu>) -> Result<Gunzipped> {
    if let Some(bytes) = gunzip_pieces(input, max_bytes, cpu) {
        return Ok(Gunzipped { bytes, warning: None });
    }
    if let Some(bytes) = gunzip_one_member(input, max_bytes) {
        return Ok(Gunzipped { bytes, warning: None });
    }
    let mut bytes = Vec::new();
    let guess = (input.len() as u64).saturating_mul(4).min(max_bytes).min(FIRST_ROOM);
    // Only a guess: where it can't be had, the stream grows the buffer and reports for itself.
    let _ = bytes.try_reserve(usize::try_from(guess).unwrap_or(0));
    let mut stream = GunzipStream::new(max_bytes);
    stream.push(input, &mut bytes)?;
    let warning = stream.finish()?;
    bytes.shrink_to_fit();
    Ok(Gunzipped { bytes, warning })
}

/// The fast way for what nearly every file is: one member that ends where the buffer ends.
///
/// `None` wherever anything is unusual or wrong; the stream then finds out what. libdeflate does not tell how much of its input
/// it used. That the member ends with the buffer follows from this: the last 8 bytes hold the checksum and
/// length of what was decoded, and these 8 bytes occur nowhere before.
fn gunzip_one_member(input: &[u8], max_bytes: u64) -> Option<Vec<u8>> {
    let start = header::length(input).ok()??;
    let (before, trailer) = input.split_last_chunk::<8>()?;
    let body = before.get(start..)?;
    let (checksum, size) = trailer.split_at(4);
    let checksum = u32::from_le_bytes(checksum.try_into().ok()?);
    let size = u64::from(u32::from_le_bytes(size.try_into().ok()?));
    // The length is stored modulo 4 GiB and may be a lie: more than deflate can make, or far less than is there.
    let body_bytes = body.len() as u64;
    let plausible = size <= max_bytes && size <= body_bytes.saturating_mul(MAX_RATIO) && size >= body_bytes / 2;
    if !plausible || memchr::memmem::find(body, trailer).is_some() {
        return None;
    }
    let mut bytes = memory::filled_by_caller(usize::try_from(size).ok()?).ok()?;
    let decoded = Decompressor::new().deflate_decompress(body, &mut bytes).ok()?;
    (decoded == bytes.len() && libdeflater::crc32(&bytes) == checksum).then_some(bytes)
}
