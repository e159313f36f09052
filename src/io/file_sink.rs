//! Takes a whole file into memory as it arrives, and gunzips it on the way if its first bytes say that it is gzip.

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

use super::budget::Budget;
use super::gunzip_sink::GunzipSink;
use super::sink::{MemorySink, Sink};
use crate::error::Result;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A whole file in memory, uncompressed.
pub(crate) struct FileSink<'a> {
    /// The first byte, where it came alone: it takes two to tell gzip.
    first: Option<u8>,
    content: Content,
    plain: MemorySink<'a>,
    gunzip: GunzipSink<'a>,
}

/// What the first bytes say.
#[derive(Clone, Copy)]
enum Content {
    Unknown,
    Plain,
    Gzip,
}

impl<'a> FileSink<'a> {
    pub(crate) fn new(budget: &'a dyn Budget, max_bytes: Option<u64>) -> Self {
        let (plain, gunzip) = (MemorySink::new(budget, max_bytes), GunzipSink::new(budget, max_bytes));
        Self { first: None, content: Content::Unknown, plain, gunzip }
    }

    /// The file, and what its user should know about the gzip stream.
    pub(crate) async fn finish(self) -> Result<(Vec<u8>, Option<String>)> {
        if matches!(self.content, Content::Gzip) {
            return self.gunzip.finish().await;
        }
        let mut bytes = self.plain.into_bytes();
        bytes.extend(self.first);
        Ok((bytes, None))
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<()> {
        if matches!(self.content, Content::Unknown) && !chunk.is_empty() {
            if let Some(first) = self.first.take() {
                chunk = [&[first], chunk.as_ref()].concat().into();
            }
            if let [first] = *chunk {
                self.first = Some(first);
                return Ok(());
            }
            self.content = if chunk.starts_with(&GZIP_MAGIC) { Content::Gzip } else { Content::Plain };
        }
        match self.content {
            Content::Gzip => self.gunzip.chunk(chunk).await,
            _ => self.plain.chunk(chunk).await,
        }
    }
}

impl Sink for FileSink<'_> {
    fn restart(&mut self, length: Option<u64>) -> Result<()> {
        self.first = None;
        self.content = Content::Unknown;
        self.gunzip.restart(length);
        self.plain.restart(length)
    }

    fn chunk(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.take(bytes).boxed()
    }
}
