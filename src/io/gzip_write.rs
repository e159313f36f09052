//! Writes a `.gz` file in one step: beside the target under another name, made durable, then renamed over it.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use crate::error::{Error, Result};

/// zlib's own default.
const LEVEL: u32 = 6;

/// Compresses `bytes` and replaces the file at `path`, keeping its permissions. On failure the old file is untouched and nothing is left behind.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = path.canonicalize()?;
    let directory = target.parent().ok_or_else(|| Error::argument("the path has no directory"))?;
    let permissions = target.metadata()?.permissions();
    let temporary = tempfile::Builder::new().prefix(".rustfits-").suffix(".tmp").tempfile_in(directory)?;
    let mut encoder = GzEncoder::new(temporary, Compression::new(LEVEL));
    encoder.write_all(bytes)?;
    let temporary = encoder.finish()?;
    temporary.as_file().set_permissions(permissions)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| Error::from(error.error))?;
    sync_directory(directory)
}

/// Makes the new name durable.
fn sync_directory(directory: &Path) -> Result<()> {
    #[cfg(unix)]
    std::fs::File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}
