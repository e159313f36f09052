//! The files that are served.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A directory, and files in memory that go before those in the directory.
#[derive(Debug, Default)]
pub(crate) struct Files {
    root: Option<PathBuf>,
    memory: Mutex<HashMap<String, (Bytes, SystemTime)>>,
}

impl Files {
    pub(crate) fn new(root: Option<PathBuf>) -> Self {
        Self { root, memory: Mutex::default() }
    }

    /// Puts a file in memory, in place of one of the same path.
    pub(crate) fn put(&self, path: &str, bytes: Bytes) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.insert(path.to_owned(), (bytes, SystemTime::now()));
    }

    /// Removes a file from memory.
    pub(crate) fn remove(&self, path: &str) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// The file of a path, which begins with a slash.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bytes, modified)) = memory.get(path) {
            let body = Body::Memory(bytes.clone());
            return Some(Found { length: body.length(), body, modified: *modified });
        }
        drop(memory);
        let below = Path::new(path.trim_start_matches('/'));
        if !below.components().all(|component| matches!(component, Component::Normal(_))) {
            return None;
        }
        let file = File::open(self.root.as_ref()?.join(below)).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let length = metadata.len();
        Some(Found { body: Body::Disk { file, length }, length, modified: metadata.modified().ok()? })
    }
}

/// A file that was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) body: Body,
    pub(crate) length: u64,
    pub(crate) modified: SystemTime,
}

/// Where the bytes of an answer come from.
#[derive(Debug)]
pub(crate) enum Body {
    /// Bytes in memory.
    Memory(Bytes),
    /// An open file.
    Disk {
        /// The file.
        file: File,
        /// Its length when it was opened.
        length: u64,
    },
}

impl Body {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { length, .. } => *length,
        }
    }

    /// The bytes from `start`, `length` of them; `buffer` is room for those that have to be read.
    pub(crate) fn piece<'a>(&'a self, start: u64, length: usize, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        match self {
            Self::Memory(bytes) => Ok(&bytes[start as usize..start as usize + length]),
            Self::Disk { file, .. } => {
                if buffer.len() < length {
                    buffer.resize(length, 0);
                }
                file.read_exact_at(&mut buffer[..length], start)?;
                Ok(&buffer[..length])
            }
        }
    }

    /// The same bytes gzipped.
    pub(crate) fn gzipped(self) -> io::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        match self {
            Self::Memory(bytes) => encoder.write_all(&bytes)?,
            Self::Disk { file, length } => {
                io::copy(&mut file.take(length), &mut encoder)?;
            }
        }
        Ok(Self::Memory(encoder.finish()?.into()))
    }
}
