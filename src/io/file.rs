//! A file on disk: positioned reads and writes, each of them one system call.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::source::{ReadAt, Storage, past_the_end};

/// A file on disk.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: File,
    len: AtomicU64,
    /// Where the file is found; known of one that is changed.
    path: Option<PathBuf>,
}

impl DiskFile {
    /// Opens a file to be read. A named pipe is refused: it would be waited for until somebody writes to it, and has no places to read at.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        #[cfg(unix)]
        if std::os::unix::fs::FileTypeExt::is_fifo(&std::fs::metadata(path)?.file_type()) {
            let message = "is a pipe: read it with rustfits.stream (Rust: FitsStream)";
            return Err(Error::new(crate::ErrorKind::Io, message));
        }
        Self::new(File::open(path)?)
    }

    /// Takes over an open file.
    pub(crate) fn new(file: File) -> Result<Self> {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(Error::new(crate::ErrorKind::Io, "is a directory, not a file"));
        }
        Ok(Self { file, len: AtomicU64::new(metadata.len()), path: None })
    }

    /// Takes over an open file that is going to be changed.
    pub(crate) fn at(path: &Path, file: File) -> Result<Self> {
        Ok(Self { path: Some(path.canonicalize()?), ..Self::new(file)? })
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where the file is found, if it is going to be changed.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// An error unless the path still leads to this file and the file is as long as it was left.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let changed = || Error::new(crate::ErrorKind::Io, "changed by another program: close and reopen");
        let now = std::fs::metadata(path).map_err(|_| changed())?;
        if now.len() != self.len() || !is_same(&now, &self.file.metadata()?) {
            return Err(changed());
        }
        Ok(())
    }

    /// Makes sure that what was written survives a loss of power.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::from)
    }
}

impl ReadAt for DiskFile {
    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        match read_exact_at(&self.file, buffer, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let len = self.file.metadata().map_or_else(|_| self.len(), |metadata| metadata.len());
                Err(past_the_end(offset, buffer.len(), len))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Storage for DiskFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        write_all_at(&self.file, bytes, offset)?;
        self.len.fetch_max(offset + bytes.len() as u64, Ordering::AcqRel);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)?;
        self.len.store(len, Ordering::Release);
        Ok(())
    }
}

/// Whether two names lead to one file.
#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether two names lead to one file, as far as can be told.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

#[cfg(unix)]
use std::os::unix::fs::FileExt;

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    file.read_exact_at(buffer, offset)
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    file.write_all_at(bytes, offset)
}

#[cfg(windows)]
use std::os::windows::fs::FileExt;

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let count = file.seek_read(buffer, offset)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += count as u64;
        buffer = buffer.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let count = file.seek_write(bytes, offset)?;
        offset += count as u64;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}
