//! Gunzips: a whole buffer at once, or a stream while it arrives.
//!
//! A whole buffer that says where its pieces are is decoded in parallel: what this crate writes, and BGZF.
//!
//! All decode every member, tolerate zero bytes behind the last one, keep the data and warn where other bytes follow,
//! check length and checksum of each member, and stop at a cap: a few kilobytes of gzip can decode to gigabytes.

mod header;
mod parallel;
mod stream;
mod whole;

pub(super) use header::MAGIC as GZIP_MAGIC;
pub(crate) use stream::GunzipStream;
pub(crate) use whole::{Gunzipped, gunzip_whole};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]
mod tests;
