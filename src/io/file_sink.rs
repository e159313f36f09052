//! Takes a whole file into memory as it arrives, and gunzips it on the way if its first bytes say that it is gzip.

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

use super::budget::Budget;
use super::gunzip::GunzipStream;
use super::sink::{MemorySink, Sink};
use crate::error::Result;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// How much may be gunzipped before the budget is asked again.
const ADMIT_BYTES: u64 = 1 << 20;

/// A whole file in memory, uncompressed.
pub(crate) struct FileSink<'a> {
    budget: &'a dyn Budget,
    max_bytes: Option<u64>,
    /// The first byte, where it came alone: it takes two to tell gzip.
    first: Option<u8>,
    decided: bool,
    plain: MemorySink<'a>,
    gunzip: Option<Gunzip>,
}

struct Gunzip {
    stream: GunzipStream,
    bytes: Vec<u8>,
    admitted: u64,
}

impl<'a> FileSink<'a> {
    pub(crate) fn new(budget: &'a dyn Budget, max_bytes: Option<u64>) -> Self {
        let plain = MemorySink::new(budget, max_bytes);
        Self { budget, max_bytes, first: None, decided: false, plain, gunzip: None }
    }

    /// The file, and what its user should know about the gzip stream.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Option<String>)> {
        if let Some(mut gunzip) = self.gunzip.take() {
            let warning = gunzip.stream.finish()?;
            return Ok((gunzip.bytes, warning));
        }
        let mut bytes = self.plain.into_bytes();
        bytes.extend(self.first);
        Ok((bytes, None))
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<()> {
        if !self.decided && !chunk.is_empty() {
            if let Some(first) = self.first.take() {
                chunk = [&[first], chunk.as_ref()].concat().into();
            }
            if let [first] = *chunk {
                self.first = Some(first);
                return Ok(());
            }
            self.decided = true;
            if chunk.starts_with(&GZIP_MAGIC) {
                let stream = GunzipStream::new(self.max_bytes.unwrap_or(u64::MAX));
                self.gunzip = Some(Gunzip { stream, bytes: Vec::new(), admitted: 0 });
            }
        }
        let Some(gunzip) = &mut self.gunzip else {
            return self.plain.chunk(chunk).await;
        };
        gunzip.stream.push(&chunk, &mut gunzip.bytes)?;
        let more = (gunzip.bytes.len() as u64).saturating_sub(gunzip.admitted);
        if more >= ADMIT_BYTES {
            self.budget.admit(more).await?;
            gunzip.admitted += more;
        }
        Ok(())
    }
}

impl Sink for FileSink<'_> {
    fn restart(&mut self, length: Option<u64>) -> Result<()> {
        self.first = None;
        self.decided = false;
        self.gunzip = None;
        self.plain.restart(length)
    }

    fn chunk(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.take(bytes).boxed()
    }
}
