//! Writes a `.gz` file in one step: beside the target under another name, made durable, then renamed over it.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use super::replacement::Replacement;
use crate::error::Result;

/// zlib's own default.
const LEVEL: u32 = 6;

/// Compresses `bytes` and replaces the file at `path`, keeping its permissions. On failure the old file is untouched and nothing is left behind.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let replacement = Replacement::of(path)?;
    let mut encoder = GzEncoder::new(replacement.file(), Compression::new(LEVEL));
    encoder.write_all(bytes)?;
    encoder.finish()?;
    replacement.take_place(true).map(drop)
}
