//! A file that takes another one's place: built beside it under a name of its own, then renamed over it. A kill leaves the old file or the new
//! one, never half of one.

use std::fs::{File, Permissions};
use std::ops::Range;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::abandoned;
use super::remedy::unmade;
use crate::error::{Error, ErrorKind, Result};

/// What the page cache is made of.
#[cfg(target_os = "linux")]
const PAGE_BYTES: u64 = 4096;
/// How much is copied at a time through memory: what stays in a core's own cache. Writes begin at multiples of it.
const CHUNK_BYTES: u64 = 512 << 10;

/// The file that is being built. Dropping it removes it.
pub(crate) struct Replacement {
    file: NamedTempFile,
    /// The file that it replaces, where a symbolic link leads.
    target: PathBuf,
    /// Of the old file, if there is one.
    permissions: Option<Permissions>,
}

impl Replacement {
    /// Begins a file beside the one at `path`, with its owner, mode and extended attributes.
    ///
    /// # Errors
    ///
    /// Where a file can't be made beside it or can't be given its owner.
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        let target = path.canonicalize()?;
        let metadata = target.metadata()?;
        let directory = target.parent().ok_or_else(|| Error::argument("the path has no directory"))?;
        let prefix = abandoned::prefix();
        let file = Builder::new().prefix(&prefix).suffix(abandoned::suffix()).tempfile_in(directory);
        let file = file.map_err(|error| unmade(&error, path))?;
        #[cfg(unix)]
        take_over(&target, &metadata, file.as_file())?;
        Ok(Self { file, target, permissions: Some(metadata.permissions()) })
    }

    /// Begins a file for `path`, whether there is one already or not.
    ///
    /// # Errors
    ///
    /// As [`Replacement::beside`].
    pub(crate) fn of(path: &Path) -> Result<Self> {
        if path.exists() {
            return Self::beside(path);
        }
        let target = std::path::absolute(path)?;
        let directory = target.parent().ok_or_else(|| Error::argument("the path has no directory"))?;
        let prefix = abandoned::prefix();
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(abandoned::suffix());
        // What a new file is given, less the umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(|error| unmade(&error, path))?;
        Ok(Self { file, target, permissions: None })
    }

    /// Where the new file is until it takes its place.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The new file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Reserves the space for so many bytes, where the file system can: what does not fit is refused before anything is copied, and neither the copy
    /// nor the renaming waits for the system to find places for the bytes, which takes it longer than the copy itself.
    ///
    /// # Errors
    ///
    /// Where there is not as much space.
    pub(crate) fn reserve(&self, len: u64) -> Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            use rustix::io::Errno;

            let reserved = fallocate(self.file(), FallocateFlags::KEEP_SIZE, 0, len);
            // Other errors are of file systems that can't do it.
            if let Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) = reserved {
                return Err(std::io::Error::from(error).into());
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = len;
        Ok(())
    }

    /// Copies a range of another file to an offset of this one, within the kernel where it can do that.
    pub(crate) fn copy_from(&self, old: &File, range: Range<u64>, at: u64) -> Result<()> {
        copy_range(old, range, self.file(), at)
    }

    /// Takes the old file's place. `durable`: also after a loss of power.
    pub(crate) fn take_place(self, durable: bool) -> Result<File> {
        // By its name: an edit that moved data has put another file in its place.
        if let Some(permissions) = self.permissions {
            std::fs::set_permissions(self.file.path(), permissions)?;
        }
        if durable {
            self.file.as_file().sync_all()?;
        }
        let file = self.file.persist(&self.target).map_err(|error| Error::from(error.error))?;
        if durable {
            sync_directory(&self.target)?;
        }
        Ok(file)
    }
}

/// Makes the name of a file durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    #[cfg(unix)]
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        File::open(directory)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// An error where the file has several names: those that are not replaced would go on to show the old contents.
pub(crate) fn refuse_other_names(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        let names = std::os::unix::fs::MetadataExt::nlink(&path.metadata()?);
        if names > 1 {
            let message =
                format!("the file has {names} names (hard links), and the others would show the old contents");
            return Err(Error::new(ErrorKind::Io, message));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Gives the new file the old one's owner and extended attributes.
#[cfg(unix)]
fn take_over(target: &Path, metadata: &std::fs::Metadata, new: &File) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};

    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(new, Some(metadata.uid()), Some(metadata.gid())).map_err(|error| {
            let message = format!("a new file can't be given the old one's owner ({error})");
            Error::new(ErrorKind::PermissionDenied, message)
        })?;
    }
    #[cfg(target_os = "linux")]
    copy_attributes(target, new)?;
    #[cfg(not(target_os = "linux"))]
    let _ = target;
    Ok(())
}

/// Copies the extended attributes; a file system without any has none to copy.
#[cfg(target_os = "linux")]
fn copy_attributes(target: &Path, new: &File) -> Result<()> {
    use rustix::fs::{XattrFlags, fsetxattr, getxattr, listxattr};
    use rustix::io::Errno;

    let mut names = vec![0; 64 << 10];
    let len = match listxattr(target, &mut names[..]) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(std::io::Error::from(error).into()),
    };
    let names = names.get(..len).unwrap_or_default();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let len = getxattr(target, name, &mut value[..]).map_err(std::io::Error::from)?;
        let value = value.get(..len).unwrap_or_default();
        match fsetxattr(new, name, value, XattrFlags::empty()) {
            Ok(()) => {}
            // What the system manages by itself can't be set.
            Err(Errno::PERM | Errno::NOTSUP) if name.starts_with(b"security.") || name.starts_with(b"system.") => {}
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
    Ok(())
}

/// Whether a file system copies within its page cache. There, pages that begin elsewhere in the new file than in the old one are copied in halves, which takes
/// longer than through a buffer that stays in a core's cache; a server can do better.
#[cfg(target_os = "linux")]
fn is_on_local_disk(file: &File) -> bool {
    const EXT: u32 = 0xef53;
    const XFS: u32 = 0x5846_5342;
    const BTRFS: u32 = 0x9123_683e;
    const TMPFS: u32 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|system| [EXT, XFS, BTRFS, TMPFS].contains(&(system.f_type as u32)))
}

#[cfg(target_os = "linux")]
fn copy_range(old: &File, range: Range<u64>, new: &File, at: u64) -> Result<()> {
    if range.start % PAGE_BYTES != at % PAGE_BYTES && is_on_local_disk(old) {
        return copy_through_memory(old, range, new, at);
    }
    let (mut from, mut to) = (range.start, at);
    while from < range.end {
        let len = usize::try_from(range.end - from).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(old, Some(&mut from), new, Some(&mut to), len) {
            Ok(0) => return Err(crate::source::past_the_end(from, len, from)),
            Ok(_) => {}
            // Not on every file system.
            Err(_) => return copy_through_memory(old, from..range.end, new, to),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn copy_range(old: &File, range: Range<u64>, new: &File, at: u64) -> Result<()> {
    copy_through_memory(old, range, new, at)
}

fn copy_through_memory(old: &File, range: Range<u64>, new: &File, mut at: u64) -> Result<()> {
    let mut scratch = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let len = (range.end - from).min(CHUNK_BYTES - at % CHUNK_BYTES);
        scratch.resize(len as usize, 0);
        super::file::read_exact_at(old, &mut scratch, from)?;
        super::file::write_all_at(new, &scratch, at)?;
        (from, at) = (from + len, at + len);
    }
    Ok(())
}
