//! How much memory a download may take, and who is told what arrives.
//!
//! A plain open takes what the file needs ([`Unlimited`]). Fetching many files at once shares one limit: a download asks
//! *before* it takes memory, and waits until others have given theirs back.

use crate::Result;
use futures_util::future::{BoxFuture, FutureExt, ready};

/// A limit on memory that downloads share, and the place where arriving bytes are counted.
pub(crate) trait Budget: Send + Sync {
    /// Waits until this many *further* bytes of memory may be taken; called before they are reserved.
    fn admit(&self, bytes: u64) -> BoxFuture<'_, Result<()>>;

    /// Takes back what was admitted and is not needed after all.
    fn give_back(&self, _bytes: u64) {}

    /// Counts bytes that came over the network, before any gunzip, for progress.
    fn received(&self, wire_bytes: u64);
}

/// The budget of a plain open: everything is admitted at once, nothing is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unlimited;

impl Budget for Unlimited {
    fn admit(&self, _bytes: u64) -> BoxFuture<'_, Result<()>> {
        ready(Ok(())).boxed()
    }

    fn received(&self, _wire_bytes: u64) {}
}
