//! Where a download puts its bytes: the trait that every protocol feeds, and the sink that keeps a whole file in memory.

use super::budget::Budget;
use super::http::FileVersion;
use crate::{Error, Result, memory};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

/// Takes the bytes of a file as they come: into memory, through gunzip, or elsewhere.
///
/// A sink limits the memory it takes: it asks its [`Budget`] before it reserves any, and it knows the largest size
/// (`max_bytes`) that its owner accepts. Whoever owns it finishes it after the transfer.
pub(crate) trait Sink: Send {
    /// The file begins: before its first byte, and again whenever what came so far is of no use. `length` is how many
    /// bytes the sender announces, which may be wrong.
    fn restart(&mut self, length: Option<u64>) -> Result<()>;

    /// Which version of the file it is that begins, as far as the sender says; told before [`Sink::restart`].
    fn version(&mut self, _version: &FileVersion) {}

    /// The type that the sender gives the file that begins; told before [`Sink::restart`].
    fn describe(&mut self, _content_type: Option<&str>) {}

    /// Takes the next bytes, and waits until there is room for more. An error ends the transfer for good.
    fn chunk(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>>;
}

/// The most memory that is reserved because a server says how long the body is; more only as it comes.
const RESERVE_BYTES: u64 = 64 << 20;
/// What is reserved first where the server doesn't say.
const FIRST_BYTES: u64 = 64 << 10;

/// Keeps a file in one piece of memory; each chunk is copied once, to its place.
pub(crate) struct MemorySink<'a> {
    budget: &'a dyn Budget,
    max_bytes: Option<u64>,
    expected: Option<u64>,
    /// What the budget has admitted; never asked for twice, also when the file begins again.
    admitted: u64,
    bytes: Vec<u8>,
    /// How much memory there is: what the system says, but for tests.
    available: fn() -> u64,
}

impl<'a> MemorySink<'a> {
    /// A sink that takes at most `max_bytes` (`None`: what memory allows) and asks `budget` before it reserves.
    pub(crate) fn new(budget: &'a dyn Budget, max_bytes: Option<u64>) -> Self {
        Self { budget, max_bytes, expected: None, admitted: 0, bytes: Vec::new(), available: memory::available }
    }

    /// The file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn check_limit(&self, bytes: u64) -> Result<()> {
        match self.max_bytes {
            Some(limit) if bytes > limit => Err(Error::too_large(format!(
                "the file has at least {bytes} bytes, more than max_bytes={limit} allows"
            ))),
            _ => Ok(()),
        }
    }

    /// How much to reserve when `needed` bytes have to fit: what the server said, at first no more than it may claim, and
    /// twice as much each time that it turns out to be true.
    fn next_capacity(&self, needed: u64) -> u64 {
        let doubled = (self.bytes.capacity() as u64).saturating_mul(2);
        let wanted = match self.expected {
            Some(expected) => expected.min(doubled.max(RESERVE_BYTES)),
            None => doubled.max(FIRST_BYTES),
        };
        let allowed = self.max_bytes.unwrap_or(u64::MAX);
        wanted.min(allowed).max(needed)
    }

    async fn append(&mut self, chunk: Bytes) -> Result<()> {
        let needed = (self.bytes.len() as u64).saturating_add(chunk.len() as u64);
        self.check_limit(needed)?;
        if needed > self.bytes.capacity() as u64 {
            self.reserve(self.next_capacity(needed)).await?;
        }
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn reserve(&mut self, mut capacity: u64) -> Result<()> {
        // Memory that is kept is there already, whatever the server's word is worth.
        let all = self.expected.unwrap_or(0).max(capacity);
        let kept = if self.bytes.is_empty() { usize::try_from(all).ok().and_then(memory::with_room) } else { None };
        if kept.is_some() {
            capacity = all;
        }
        if capacity > self.admitted {
            self.budget.admit(capacity - self.admitted).await?;
            self.admitted = capacity;
        }
        if let Some(kept) = kept {
            self.bytes = kept;
            return Ok(());
        }
        let refused = || Error::too_large(format!("the file needs {capacity} bytes of memory, which are not there"));
        // The system promises more than it has, and ends the process that takes it at its word.
        if capacity > RESERVE_BYTES && capacity - self.bytes.len() as u64 > (self.available)() {
            return Err(refused());
        }
        let capacity = usize::try_from(capacity).map_err(|_| refused())?;
        self.bytes.try_reserve_exact(capacity.saturating_sub(self.bytes.len())).map_err(|_| refused())
    }
}

impl Sink for MemorySink<'_> {
    fn restart(&mut self, length: Option<u64>) -> Result<()> {
        self.bytes.clear();
        self.expected = length;
        self.check_limit(length.unwrap_or_default())
    }

    fn chunk(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.append(bytes).boxed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::io::budget::Unlimited;

    const AVAILABLE: u64 = 100 << 20;

    /// The bytes that a sink without `max_bytes` takes on a machine with 100 MiB, of a file that says it has `length`.
    async fn taken(length: Option<u64>) -> (u64, Result<()>) {
        let mut sink = MemorySink { available: || AVAILABLE, ..MemorySink::new(&Unlimited, None) };
        if let Err(error) = sink.restart(length) {
            return (0, Err(error));
        }
        let chunk = Bytes::from(vec![0; 1 << 20]);
        for number in 0..300_u64 {
            if let Err(error) = sink.chunk(chunk.clone()).await {
                return (number << 20, Err(error));
            }
        }
        (300 << 20, Ok(()))
    }

    #[tokio::test]
    async fn without_a_limit_the_memory_is_the_limit() {
        for length in [None, Some(300 << 20), Some(u64::MAX)] {
            let (bytes, result) = taken(length).await;
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{length:?}");
            assert!(error.to_string().contains("bytes of memory"), "{error}");
            // It took what was there, and no more: what a piece of memory grows by is what has to be there.
            assert!((RESERVE_BYTES..=2 * RESERVE_BYTES).contains(&bytes), "{length:?}: {bytes}");
        }
    }
}
