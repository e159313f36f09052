//! Where a transfer puts the bytes of a file that is read meanwhile: unpacked, and never twice.
//!
//! What has been read can't be taken back. A transfer that begins again, because its server can't resume, sends what came before once
//! more; it is compared by its checksum and not passed on.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::future::{BoxFuture, FutureExt};
use libdeflater::Crc;
use tokio::task::spawn_blocking;

use super::arrival::Shared;
use super::gunzip::GunzipStream;
use super::sink::Sink;
use crate::error::{Error, ErrorKind, Result};

/// How often a file may be gzip within gzip: a server may add a layer, and so may a pipeline.
pub(crate) const MOST_GZIP_LAYERS: usize = 3;
/// What gzip begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// How much is gunzipped before it is passed on.
const STEP_BYTES: usize = 256 << 10;
/// Compressed bytes that are gunzipped where they arrive: another thread would cost more.
const FEW_BYTES: usize = 8 << 10;

/// Takes a file in as it comes.
pub(crate) struct ArrivalSink {
    shared: Arc<Shared>,
    max_bytes: u64,
    /// How long the file is by the sender's word, as it is sent.
    length: Option<u64>,
    /// What was passed on, as it was sent.
    passed: u64,
    checksum: Crc,
    /// What came of it again, after a new beginning.
    again: Option<(u64, Crc)>,
    /// The layers of gzip found so far, outermost first; a decoder that is away is `None`.
    layers: Vec<Option<Box<GunzipStream>>>,
    /// Whether there is no further layer.
    plain: bool,
    /// The first byte of what may be a further layer, where it came alone: it takes two to tell gzip.
    first: Option<u8>,
}

impl ArrivalSink {
    pub(super) fn new(shared: Arc<Shared>, max_bytes: u64) -> Self {
        Self {
            shared,
            max_bytes,
            length: None,
            passed: 0,
            checksum: Crc::new(),
            again: None,
            layers: Vec::new(),
            plain: false,
            first: None,
        }
    }

    /// Notes how the transfer ended.
    pub(crate) async fn finish(mut self, result: Result<()>) {
        let result = match result {
            Ok(()) => self.complete().await,
            broken => broken,
        };
        self.shared.end(result);
    }

    async fn complete(&mut self) -> Result<()> {
        if self.again.is_some() {
            return Err(changed());
        }
        for layer in &mut self.layers {
            if let Some(warning) = layer.as_mut().ok_or_else(died)?.finish()? {
                tracing::warn!("{warning}");
            }
        }
        if let Some(first) = self.first.take() {
            self.shared.add(Bytes::copy_from_slice(&[first])).await?;
        }
        Ok(())
    }

    /// Of a chunk, what did not come before.
    fn fresh(&mut self, mut chunk: Bytes) -> Result<Bytes> {
        if let Some((seen, checksum)) = &mut self.again {
            let known = chunk.split_to(usize::try_from(self.passed - *seen).unwrap_or(usize::MAX).min(chunk.len()));
            checksum.update(&known);
            *seen += known.len() as u64;
            if *seen == self.passed {
                if checksum.sum() != self.checksum.sum() {
                    return Err(changed());
                }
                self.again = None;
            }
        }
        self.passed = self.passed.saturating_add(chunk.len() as u64);
        self.checksum.update(&chunk);
        Ok(chunk)
    }

    /// Takes bytes that came out of so many layers of gzip.
    fn take(&mut self, depth: usize, mut chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        async move {
            if depth == self.layers.len() && !self.plain {
                if let Some(first) = self.first.take() {
                    chunk = [&[first], chunk.as_ref()].concat().into();
                }
                match *chunk {
                    [] => return Ok(()),
                    [first] => {
                        self.first = Some(first);
                        return Ok(());
                    }
                    _ => self.look(&chunk)?,
                }
            }
            if depth == self.layers.len() { self.shared.add(chunk).await } else { self.gunzip(depth, chunk).await }
        }
        .boxed()
    }

    /// Finds out whether what begins so is gzip.
    fn look(&mut self, start: &[u8]) -> Result<()> {
        if !start.starts_with(&GZIP_MAGIC) {
            self.plain = true;
            return self.shared.announce(self.length.filter(|_| self.layers.is_empty()));
        }
        if self.layers.len() == MOST_GZIP_LAYERS {
            return Err(too_many_layers());
        }
        self.layers.push(Some(Box::new(GunzipStream::new(self.max_bytes))));
        Ok(())
    }

    async fn gunzip(&mut self, depth: usize, mut chunk: Bytes) -> Result<()> {
        loop {
            let stream = self.layers.get_mut(depth).and_then(Option::take).ok_or_else(died)?;
            let step = if chunk.len() <= FEW_BYTES {
                step(stream, chunk)
            } else {
                spawn_blocking(move || step(stream, chunk)).await.map_err(|_| died())?
            };
            if let Some(layer) = self.layers.get_mut(depth) {
                *layer = Some(step.stream);
            }
            // What came out before an error is good.
            self.take(depth + 1, step.plain.into()).await?;
            match step.rest? {
                Some(rest) => chunk = rest,
                None => return Ok(()),
            }
        }
    }
}

/// What came of gunzipping for a moment.
struct Step {
    stream: Box<GunzipStream>,
    plain: Vec<u8>,
    /// What is still to be gunzipped; `None` where all was.
    rest: Result<Option<Bytes>>,
}

fn step(mut stream: Box<GunzipStream>, mut chunk: Bytes) -> Step {
    let mut plain = Vec::with_capacity(STEP_BYTES);
    let rest = stream.push_within(&chunk, &mut plain).map(|used| {
        used.map(|used| {
            chunk.advance(used);
            chunk
        })
    });
    Step { stream, plain, rest }
}

impl Sink for ArrivalSink {
    fn describe(&mut self, content_type: Option<&str>) {
        self.shared.describe(content_type);
    }

    fn restart(&mut self, length: Option<u64>) -> Result<()> {
        if self.passed > 0 {
            if self.length.is_some() && length.is_some() && self.length != length {
                return Err(changed());
            }
            self.again = Some((0, Crc::new()));
        }
        self.length = length;
        Ok(())
    }

    fn chunk(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        match self.fresh(bytes) {
            Ok(fresh) if fresh.is_empty() => std::future::ready(Ok(())).boxed(),
            Ok(fresh) => self.take(0, fresh),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }
}

impl Drop for ArrivalSink {
    fn drop(&mut self) {
        // Without effect where the transfer ended in good order.
        self.shared.end(Err(Error::new(ErrorKind::Cancelled, "the transfer was given up")));
    }
}

/// The error for more layers of gzip than anybody makes on purpose.
pub(crate) fn too_many_layers() -> Error {
    Error::corrupt(format!("is gzip within gzip, {MOST_GZIP_LAYERS} times: gunzip it first"))
}

fn changed() -> Error {
    Error::corrupt("the file changed on the server while it was read: open it again")
}

fn died() -> Error {
    Error::new(ErrorKind::Io, "gunzip ended without a result: this is a defect of rustfits")
}
