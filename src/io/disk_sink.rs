//! Puts a download into a part file: piece after piece, each written by a thread that may wait for the disk.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

use super::http::FileVersion;
use super::part_file::PartFile;
use super::sink::Sink;
use crate::error::{Error, Result};

/// How much is written at once.
const PIECE_BYTES: usize = 1 << 20;

/// Takes a file to disk as it comes.
pub(crate) struct DiskSink {
    part: Arc<PartFile>,
    max_bytes: Option<u64>,
    /// How many bytes of the file came, those that are to be written still among them.
    position: u64,
    pending: Vec<u8>,
    version: FileVersion,
    length: Option<u64>,
    /// Whether the file begins anew with what is written next.
    beginning: bool,
    began_anew: bool,
}

impl DiskSink {
    /// A sink for a part file that has `position` bytes.
    pub(crate) fn new(part: Arc<PartFile>, position: u64, max_bytes: Option<u64>) -> Self {
        Self {
            part,
            max_bytes,
            position,
            pending: Vec::new(),
            version: FileVersion::default(),
            length: None,
            beginning: false,
            began_anew: false,
        }
    }

    /// The version of the file, if it began anew.
    pub(crate) fn version(&self) -> &FileVersion {
        &self.version
    }

    /// Whether the file began anew since the sink was made.
    pub(crate) fn began_anew(&self) -> bool {
        self.began_anew
    }

    /// How many bytes of the file came.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Writes what is left.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() && !self.beginning {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.pending);
        let at = self.position - piece.len() as u64;
        let begins = std::mem::take(&mut self.beginning).then(|| (self.version.clone(), self.length));
        let part = Arc::clone(&self.part);
        let writing = tokio::task::spawn_blocking(move || {
            if let Some((version, length)) = begins {
                part.begin(&version, length)?;
            }
            part.write(at, &piece)?;
            Ok::<_, Error>(piece)
        });
        self.pending = writing.await.map_err(|_| Error::cancelled())??;
        self.pending.clear();
        Ok(())
    }

    fn check_limit(&self, bytes: u64) -> Result<()> {
        match self.max_bytes {
            Some(limit) if bytes > limit => Err(Error::too_large(format!(
                "the file has at least {bytes} bytes, more than max_bytes={limit} allows"
            ))),
            _ => Ok(()),
        }
    }

    async fn take(&mut self, chunk: Bytes) -> Result<()> {
        let end = self.position.saturating_add(chunk.len() as u64);
        self.check_limit(end)?;
        self.pending.extend_from_slice(&chunk);
        self.position = end;
        if self.pending.len() >= PIECE_BYTES { self.flush().await } else { Ok(()) }
    }
}

impl Sink for DiskSink {
    fn version(&mut self, version: &FileVersion) {
        self.version = version.clone();
    }

    fn restart(&mut self, length: Option<u64>) -> Result<()> {
        self.check_limit(length.unwrap_or_default())?;
        self.pending.clear();
        (self.position, self.length) = (0, length);
        (self.beginning, self.began_anew) = (true, true);
        Ok(())
    }

    fn chunk(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.take(bytes).boxed()
    }
}
