//! A file of which not all is here: what is asked for and missing is noted, and had by the engine.

use std::ops::Range;

use futures_util::future::BoxFuture;

use super::http::HttpClient;
use crate::error::{Error, Result};
use crate::source::ReadAt;

/// What one operation sees of a file of which not all is here. [`ReadAt::require`] and [`ReadAt::read_at`] fail where something is missing, and
/// note it; whoever runs the operation has it brought here and runs the operation again.
pub(crate) trait Partial: ReadAt + 'static {
    /// What was asked for and is not here, since the last call.
    fn take_missing(&self) -> Vec<Range<u64>>;

    /// Of the ranges, what is not here.
    fn absent(&self, ranges: &[Range<u64>]) -> Vec<Range<u64>>;

    /// Brings these ranges here, as far as the file has them.
    fn fill(&self, missing: Vec<Range<u64>>, client: &'static HttpClient) -> BoxFuture<'_, Result<()>>;

    /// Lets go of everything but these ranges, where the operation holds it.
    fn keep_only(&self, _ranges: Vec<Range<u64>>) {}

    /// The ranges that the operation holds, where it holds any.
    fn held(&self) -> Vec<Range<u64>> {
        Vec::new()
    }
}

/// Never seen by a user: the engine looks at what is missing, has it brought here and runs the operation again.
pub(super) fn not_here() -> Error {
    Error::truncated("these bytes are not here yet: this is a defect of rustfits")
}
