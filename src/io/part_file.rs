//! A file that is being downloaded: it lies beside its final place, with a journal that says what it is a part of, until it is complete.
//!
//! | name | what |
//! | --- | --- |
//! | `.NAME.rustfits-part` | the bytes that came |
//! | `.NAME.rustfits-journal` | one line of JSON: from where, which version, how long; there as long as the part is |
//! | `NAME` | the complete file, renamed into place; its date is that of the server's file |
//!
//! A kill leaves part and journal, from which the next download goes on, or neither. What the server said about a complete file is kept in an extended
//! attribute where the file system has those, so that the next download can ask whether it has changed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::write_all_at;
use super::http::{FileVersion, Known};
use super::replacement::sync_directory;
use crate::error::{Error, ErrorKind, Result, ResultExt};

/// The longest name of a file: the system's limit of 255 bytes, less what the names of part and journal have besides.
const LONGEST_NAME: usize = 255 - ".".len() - ".rustfits-journal".len();
/// How often a file is opened anew that another download renamed in the same moment.
const MOST_OPENINGS: usize = 8;
#[cfg(target_os = "linux")]
const ATTRIBUTE: &str = "user.rustfits.download";

/// What a part is a part of, and what a complete file was.
#[derive(Serialize, Deserialize)]
struct Record {
    /// A hash of the URL, which may hold secrets.
    source: String,
    etag: Option<String>,
    last_modified: Option<String>,
    length: Option<u64>,
    /// Of a complete file: its date, in nanoseconds since 1970. Another one shows that somebody changed it.
    modified: Option<u64>,
}

/// The start of a file that is here from an earlier download.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub(crate) version: FileVersion,
    pub(crate) length: Option<u64>,
    pub(crate) position: u64,
}

/// A file that is being downloaded, locked against other downloads of the same one.
#[derive(Debug)]
pub(crate) struct PartFile {
    target: PathBuf,
    part: PathBuf,
    journal: PathBuf,
    file: File,
    source: String,
    /// Whether a length is enough to tell one version of the file from another: FTP may have no more.
    told_by_length: bool,
}

/// Whether a file can have this name: one part of a path, not hidden, of a length that leaves room for the names of part and journal.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let outside = name.contains(['/', '\\', '\0']) || name.chars().any(char::is_control);
    let reason = match name {
        "" => "is empty",
        _ if outside => "is more than the name of a file",
        _ if name.starts_with('.') => "begins with a dot",
        _ if name.len() > LONGEST_NAME => "is too long",
        _ => return Ok(()),
    };
    Err(Error::argument(format!("the name {name:?} for the downloaded file {reason}: give another one (name=)")))
}

impl PartFile {
    /// Opens the part of the file that is to become `directory/name`, or makes an empty one.
    ///
    /// # Errors
    ///
    /// `Io` where another download has it, `Argument` for a name that is none, and what the file system says.
    pub(crate) fn open(directory: &Path, name: &str, url: &str) -> Result<Self> {
        check_name(name)?;
        let target = directory.join(name);
        let part = directory.join(format!(".{name}.rustfits-part"));
        let file = locked(&part).in_file(&part.display().to_string())?;
        let journal = directory.join(format!(".{name}.rustfits-journal"));
        let told_by_length = url.starts_with("ftp");
        Ok(Self { target, part, journal, file, source: hash(url), told_by_length })
    }

    /// The bytes that came so far, to be read.
    pub(crate) fn path(&self) -> &Path {
        &self.part
    }

    /// The start of the file, where it can be gone on from.
    pub(crate) fn beginning(&self) -> Option<Beginning> {
        let record: Record = serde_json::from_slice(&std::fs::read(&self.journal).ok()?).ok()?;
        let here = self.file.metadata().ok()?.len();
        let version = FileVersion { etag: record.etag, last_modified: record.last_modified };
        // Of a complete file the last byte is asked for again: a range behind the end is refused whatever the file is.
        let position = record.length.map_or(here, |length| here.min(length.saturating_sub(1)));
        let told = version.validator().is_some() || (self.told_by_length && record.length.is_some());
        let usable = record.source == self.source && position > 0 && told;
        usable.then_some(Beginning { version, length: record.length, position })
    }

    /// The file begins anew.
    pub(super) fn begin(&self, version: &FileVersion, length: Option<u64>) -> Result<()> {
        // In this order: a kill between the two leaves a journal without a byte that it could be wrong about.
        self.file.set_len(0)?;
        std::fs::write(&self.journal, self.record(version, length, None)?)?;
        Ok(())
    }

    /// Writes bytes of the file at their place.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        Ok(write_all_at(&self.file, bytes, at)?)
    }

    /// The file is complete: makes it durable and puts it in its place.
    pub(crate) fn finish(&self, version: &FileVersion, length: u64) -> Result<()> {
        self.file.set_len(length)?;
        if let Some(date) = version.last_modified.as_deref().and_then(|date| httpdate::parse_http_date(date).ok()) {
            self.file.set_modified(date)?;
        }
        let modified = nanoseconds(self.file.metadata()?.modified()?);
        keep_record(&self.file, &self.record(version, Some(length), modified)?);
        self.file.sync_all()?;
        // Before the rename, after which nobody would look for it.
        remove(&self.journal)?;
        std::fs::rename(&self.part, &self.target)?;
        sync_directory(&self.target)
    }

    /// Removes what came.
    pub(crate) fn discard(&self) -> Result<()> {
        remove(&self.journal)?;
        remove(&self.part)
    }

    /// Lets what came begin anew.
    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.journal)?;
        Ok(self.file.set_len(0)?)
    }

    fn record(&self, version: &FileVersion, length: Option<u64>, modified: Option<u64>) -> Result<Vec<u8>> {
        let FileVersion { etag, last_modified } = version.clone();
        let record = Record { source: self.source.clone(), etag, last_modified, length, modified };
        serde_json::to_vec(&record).map_err(|error| Error::new(ErrorKind::Io, error.to_string()))
    }
}

/// A file that is complete.
pub(crate) struct Finished;

impl Finished {
    /// What is known about the complete file at `path`, `None` where there is none.
    ///
    /// What the server said about it counts if it came from the same URL and is as it was then; else its size and date do.
    pub(crate) fn known(path: &Path, url: &str) -> Result<Option<Known>> {
        let metadata = match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata?,
        };
        if !metadata.is_file() {
            let message =
                "the place of the file is taken by something that is no file: move it away, or give another name";
            return Err(Error::new(ErrorKind::Io, message));
        }
        let modified = metadata.modified()?;
        let record: Option<Record> = kept_record(path).and_then(|record| serde_json::from_slice(&record).ok());
        let length = metadata.len();
        let unchanged = |record: &Record| {
            record.source == hash(url) && record.length == Some(length) && record.modified == nanoseconds(modified)
        };
        if let Some(record) = record.filter(unchanged) {
            let version = FileVersion { etag: record.etag, last_modified: record.last_modified };
            let from_server = version != FileVersion::default();
            return Ok(Some(Known { version, length, from_server }));
        }
        let last_modified = Some(httpdate::fmt_http_date(modified));
        Ok(Some(Known { version: FileVersion { etag: None, last_modified }, length, from_server: false }))
    }
}

/// Opens a part and locks it. Where files can't be locked, as on some network file systems, it is open without.
fn locked(path: &Path) -> Result<File> {
    for _ in 0..MOST_OPENINGS {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // Somebody else's link must not decide what is written to.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let file = options.open(path)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let message = "is being downloaded by someone else, or under the same name: wait, or give another name";
            return Err(Error::new(ErrorKind::Io, message));
        }
        if is_at(&file, path)? {
            return Ok(file);
        }
    }
    Err(Error::new(ErrorKind::Io, "is renamed again and again by other downloads: give another name"))
}

/// Whether the file is still the one at the path: whoever had it before may have renamed it before it was locked.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> Result<bool> {
    Ok(path.exists())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn hash(url: &str) -> String {
    Sha256::digest(url).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .as_ref()
        .map(Duration::as_nanos)
        .and_then(|nanoseconds| nanoseconds.try_into().ok())
}

/// Keeps what was said about a file with it, where the file system can; else its size and date have to do.
#[cfg(target_os = "linux")]
fn keep_record(file: &File, record: &[u8]) {
    if let Err(error) = rustix::fs::fsetxattr(file, ATTRIBUTE, record, rustix::fs::XattrFlags::empty()) {
        tracing::debug!(%error, "no extended attributes here");
    }
}

#[cfg(target_os = "linux")]
fn kept_record(path: &Path) -> Option<Vec<u8>> {
    let mut record = vec![0; 4096];
    let len = rustix::fs::lgetxattr(path, ATTRIBUTE, &mut record[..]).ok()?;
    record.truncate(len);
    Some(record)
}

#[cfg(not(target_os = "linux"))]
fn keep_record(_file: &File, _record: &[u8]) {}

#[cfg(not(target_os = "linux"))]
fn kept_record(_path: &Path) -> Option<Vec<u8>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> FileVersion {
        FileVersion { etag: Some("\"a\"".to_owned()), last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()) }
    }

    #[test]
    fn what_was_begun_is_gone_on_with_only_if_it_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let open = |url: &str| PartFile::open(directory.path(), "a.fits", url);
        let part = open("http://host/a.fits").unwrap();
        assert!(part.beginning().is_none());
        part.begin(&version(), Some(10)).unwrap();
        part.write(0, b"four").unwrap();
        assert_eq!(open("http://host/a.fits").unwrap_err().kind(), ErrorKind::Io);
        drop(part);
        assert!(open("http://host/b.fits").unwrap().beginning().is_none());
        let beginning = open("http://host/a.fits").unwrap().beginning().unwrap();
        assert_eq!((beginning.position, beginning.length, beginning.version), (4, Some(10), version()));
        std::fs::write(directory.path().join(".a.fits.rustfits-journal"), b"{\"source\":").unwrap();
        assert!(open("http://host/a.fits").unwrap().beginning().is_none());
    }

    #[test]
    fn a_complete_file_is_alone_and_known() {
        let directory = tempfile::tempdir().unwrap();
        let (path, url) = (directory.path().join("a.fits"), "http://host/a.fits");
        assert!(Finished::known(&path, url).unwrap().is_none());
        let part = PartFile::open(directory.path(), "a.fits", url).unwrap();
        part.begin(&version(), Some(4)).unwrap();
        part.write(0, b"four").unwrap();
        assert_eq!(part.beginning().unwrap().position, 3);
        part.finish(&version(), 4).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"four");
        let known = Finished::known(&path, url).unwrap().unwrap();
        assert_eq!((known.length, known.version.last_modified), (4, version().last_modified));
        std::fs::write(&path, b"five5").unwrap();
        let known = Finished::known(&path, url).unwrap().unwrap();
        assert!(!known.from_server && known.version.etag.is_none() && known.length == 5);
        std::fs::create_dir(directory.path().join("b.fits")).unwrap();
        assert!(Finished::known(&directory.path().join("b.fits"), url).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_elses_link_is_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        std::fs::write(&victim, b"precious").unwrap();
        std::os::unix::fs::symlink(&victim, directory.path().join(".a.fits.rustfits-part")).unwrap();
        PartFile::open(directory.path(), "a.fits", "http://host/a").unwrap_err();
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["", ".", "..", "a/b", "/a", "a\\b", "a\0", "a\nb", ".bashrc"] {
            assert_eq!(check_name(name).unwrap_err().kind(), ErrorKind::Argument, "{name:?}");
        }
        assert!(check_name(&"a".repeat(LONGEST_NAME)).is_ok() && check_name(&"a".repeat(LONGEST_NAME + 1)).is_err());
    }
}
