//! A file on disk: positioned reads and writes, each of them one system call.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::source::{ReadAt, Storage, past_the_end};

/// From this size on a file that was replaced is closed by a thread of its own.
const LONG_TO_FREE: u64 = 16 << 20;

/// A file on disk.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: Arc<File>,
    len: AtomicU64,
    identity: Identity,
    /// Where the file is found; known of one that is changed.
    path: Option<PathBuf>,
    /// Whether another file has taken its place.
    replaced: AtomicBool,
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
        let (len, identity) = (AtomicU64::new(metadata.len()), Identity::of(&metadata));
        Ok(Self { file: Arc::new(file), len, identity, path: None, replaced: AtomicBool::new(false) })
    }

    /// Takes over an open file that is going to be changed.
    pub(crate) fn at(path: &Path, file: File) -> Result<Self> {
        let mut file = Self::new(file)?;
        file.path = Some(path.canonicalize()?);
        Ok(file)
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
        let (len, identity) = length_and_identity(path).map_err(|_| changed())?;
        if len != self.len() || identity != self.identity {
            return Err(changed());
        }
        Ok(())
    }

    /// Notes that another file has taken its place: when its last reader lets go of it, its bytes are freed.
    pub(crate) fn note_replaced(&self) {
        self.replaced.store(true, Ordering::Release);
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

impl Drop for DiskFile {
    fn drop(&mut self) {
        // The system frees the bytes of a file without a name when it is closed, a quarter of a second for a gigabyte: nobody waits for that.
        if *self.replaced.get_mut() && *self.len.get_mut() >= LONG_TO_FREE {
            let file = Arc::clone(&self.file);
            // Where no thread can be started, the file is closed here.
            let _ = std::thread::Builder::new().name("rustfits-close".into()).spawn(move || drop(file));
        }
    }
}

/// What tells a file from others, while it is open.
#[derive(Debug, PartialEq)]
struct Identity(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] Option<std::time::SystemTime>);

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self((metadata.dev(), metadata.ino()))
    }

    /// As far as can be told.
    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.created().ok())
    }
}

/// How long the file is that a path leads to, and which it is.
fn length_and_identity(path: &Path) -> std::io::Result<(u64, Identity)> {
    // Not its times: where somebody has asked for them, Linux has the next write note a new one, which takes it longer than a small write.
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

        let wanted = StatxFlags::INO | StatxFlags::SIZE;
        if let Ok(now) = statx(CWD, path, AtFlags::empty(), wanted)
            && now.stx_mask & wanted.bits() == wanted.bits()
        {
            let device = makedev(now.stx_dev_major, now.stx_dev_minor);
            return Ok((now.stx_size, Identity((device, now.stx_ino))));
        }
    }
    let now = std::fs::metadata(path)?;
    Ok((now.len(), Identity::of(&now)))
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
