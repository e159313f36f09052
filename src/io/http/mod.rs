//! http and https: one client for a whole process, whole downloads that resume, and files read by byte ranges.
//!
//! | file | idea |
//! | --- | --- |
//! | `client` | connections that are kept and reused; one request with its redirects |
//! | `lanes` | over which of several connections HTTP/2 requests go |
//! | `connect` | how one connection is made: proxy, TCP, TLS, each within its time limit |
//! | `request` | what is sent: headers, and which of them a redirect may take to another host |
//! | `response` | what comes back: the head, and a body that can't be short without an error |
//! | `failure`, `retry` | what went wrong, and whether and when to try again |
//! | `download` | a whole file into a [`Sink`](super::sink::Sink), resumed where it broke |
//! | `ranges` | a file of which only the ranges that are touched are fetched |
//!
//! Everything that a server says is input: sizes are checked before memory is taken, headers and redirects are limited,
//! and every step has a time limit.

mod address;
mod client;
mod connect;
mod download;
mod failure;
mod lanes;
mod ranges;
mod request;
mod response;
mod retry;
#[cfg(test)]
mod tests;

pub(crate) use client::HttpClient;
pub(crate) use download::{Asked, Known, NOT_MODIFIED, Transfer};
pub(crate) use ranges::RangedFile;
pub(crate) use response::FileVersion;
pub(crate) use retry::RetryPolicy;
#[cfg(test)]
use {download::download, request::ByteRange, response::Response};
