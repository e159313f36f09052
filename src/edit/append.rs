//! Putting a new HDU behind the last one (FITS 4.0 §3.1).

use crate::error::{Error, Result};
use crate::format::padded;
use crate::source::{Content, Step};

/// The steps that put an HDU at `at`, where those of the file end: its header, and a data unit of `data_len` bytes, of which `data` are the
/// first; `None` for zeros.
pub(super) fn append_hdu<'a>(
    at: u64,
    header: &[u8],
    data: Option<Content<'a>>,
    data_len: u64,
) -> Result<Vec<Step<'a>>> {
    let data_start = at + header.len() as u64;
    let end = padded(data_len)
        .and_then(|len| data_start.checked_add(len))
        .filter(|&end| i64::try_from(end).is_ok())
        .ok_or_else(|| Error::too_large("the data unit is larger than a file can be"))?;
    let first = match data {
        Some(content) => Step::Write { at: data_start, content },
        // What a broken write has left there is no zeros.
        None => Step::SetLen(at),
    };
    // The header comes last: a killed write leaves bytes that are no HDU, and not an HDU without its data.
    Ok(vec![first, Step::SetLen(end), Step::Write { at, content: Content::Bytes(header.to_vec()) }])
}
