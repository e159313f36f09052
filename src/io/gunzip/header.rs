//! The header in front of each gzip member (RFC 1952).

use crate::error::{Error, Result};

/// How every member starts: two magic bytes and the compression method "deflate".
pub(in crate::io) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// The longest header that is taken; a longer one (names have no length of their own) is an attempt to exhaust memory.
pub(super) const LONGEST: usize = 128 << 10;

const FIXED: usize = 10;
const HEADER_CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// The length of the header that `bytes` starts with; `None` where more bytes are needed to tell.
///
/// # Errors
///
/// `Corrupt` where it is no gzip header, or one whose own checksum is wrong.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>> {
    let compared = bytes.len().min(MAGIC.len());
    if bytes.get(..compared) != MAGIC.get(..compared) {
        return Err(Error::corrupt("the content does not start like gzip (bytes 1f 8b 08)"));
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    if flags & RESERVED != 0 {
        return Err(Error::corrupt(format!("the gzip header has flags that don't exist (byte 0x{flags:02x})")));
    }
    let Some(end) = end_of_fields(bytes, flags) else {
        return if bytes.len() > LONGEST { Err(too_long()) } else { Ok(None) };
    };
    if end > LONGEST {
        return Err(too_long());
    }
    if flags & HEADER_CHECKSUM == 0 {
        return Ok((end <= bytes.len()).then_some(end));
    }
    let (Some(fields), Some(&[low, high])) = (bytes.get(..end), bytes.get(end..end + 2)) else {
        return Ok(None);
    };
    // The header's checksum is the low half of a CRC-32.
    if libdeflater::crc32(fields) & 0xffff != u32::from(u16::from_le_bytes([low, high])) {
        return Err(Error::corrupt("the checksum of the gzip header is wrong"));
    }
    Ok(Some(end + 2))
}

/// Where the optional fields end, the checksum not counted; `None` where more bytes are needed to tell.
fn end_of_fields(bytes: &[u8], flags: u8) -> Option<usize> {
    let mut end = FIXED;
    if flags & EXTRA != 0 {
        let &[low, high] = bytes.get(end..end + 2)? else { return None };
        end += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            end += bytes.get(end..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    Some(end)
}

fn too_long() -> Error {
    Error::corrupt(format!("the gzip header is longer than {LONGEST} bytes"))
}
