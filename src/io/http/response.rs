//! What comes back: the head of an answer, and a body that can't be short without an error.

use super::client::total_limit;
use super::failure::in_words;
use super::lanes::Load;
use crate::{Error, Result};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::Span;
use tracing::field::display;
use url::Url;

/// The part of a file that an answer says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// The first byte.
    pub(crate) start: u64,
    /// The byte behind the last: `start < end <= total`.
    pub(crate) end: u64,
    /// The size of the whole file.
    pub(crate) total: u64,
}

impl ContentRange {
    /// Reads `bytes 0-99/1234`; a size that the server doesn't know (`*`) is of no use here.
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes")?.split_once('/')?;
        let (start, last) = range.trim().split_once('-')?;
        let (start, last, total): (u64, u64, u64) = (number(start)?, number(last)?, number(total)?);
        (start <= last && last < total).then(|| Self { start, end: last + 1, total })
    }
}

/// Digits only: `parse` alone would take a sign too.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Which version of a file an answer came from, as far as the server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileVersion {
    /// The `ETag`, strong or weak.
    pub(crate) etag: Option<String>,
    /// The `Last-Modified`, as it was sent.
    pub(crate) last_modified: Option<String>,
}

impl FileVersion {
    /// What an `If-Range` may say: a strong ETag, else the date.
    pub(crate) fn validator(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| etag.starts_with('"'));
        strong.or(self.last_modified.as_deref())
    }

    /// Whether an answer may be of the same version: nothing that both have says otherwise.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| one.is_none() || other.is_none() || one == other;
        same(&self.etag, &other.etag) && same(&self.last_modified, &other.last_modified)
    }
}

/// The head of a good answer.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "for the tests of a response"))]
pub(crate) struct Head {
    /// The status, 200 to 299.
    pub(crate) status: u16,
    /// Where the answer came from, after redirects; may carry credentials, so show it with `display_url`.
    pub(crate) url: Url,
    /// How long the body says it is.
    pub(crate) length: Option<u64>,
    /// Which part of the file the body is (206).
    pub(crate) content_range: Option<ContentRange>,
    /// ETag and Last-Modified.
    pub(crate) version: FileVersion,
    /// The type that the server gives the body, which names an HTML page that came in place of a file.
    pub(crate) content_type: Option<String>,
    /// Whether the server says that it has byte ranges.
    pub(crate) accept_ranges: bool,
}

impl Head {
    /// The head of an answer that came before this process, as far as it is known.
    pub(super) fn of_before(version: FileVersion, length: Option<u64>, url: Url) -> Self {
        Self { status: 200, url, length, content_range: None, version, content_type: None, accept_ranges: true }
    }

    fn new(headers: &HeaderMap, status: u16, url: Url, length: Option<u64>) -> Self {
        let version = FileVersion { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) };
        Self {
            status,
            url,
            length,
            content_range: text(headers, &CONTENT_RANGE).as_deref().and_then(ContentRange::parse),
            version,
            content_type: text(headers, &CONTENT_TYPE),
            accept_ranges: text(headers, &ACCEPT_RANGES).is_some_and(|units| units.eq_ignore_ascii_case("bytes")),
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

/// The time limits of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For each silence.
    pub(super) idle: Duration,
    /// For the whole transfer.
    pub(super) deadline: Option<Instant>,
}

/// A good answer whose body has not been read yet. Dropping it gives up the body.
pub(crate) struct Response {
    /// What the server says about the body.
    pub(crate) head: Head,
    body: Incoming,
    received: u64,
    name: String,
    limits: Limits,
    /// Of the request: it ends with the body.
    span: Span,
    /// What the body adds to the load of its connection.
    _load: Option<Load>,
}

impl Drop for Response {
    fn drop(&mut self) {
        self.span.record("bytes", self.received);
    }
}

impl Response {
    pub(super) fn new(
        answer: hyper::Response<Incoming>,
        url: Url,
        name: String,
        limits: Limits,
        span: Span,
        load: Option<Load>,
    ) -> Self {
        let (parts, body) = answer.into_parts();
        let head = Head::new(&parts.headers, parts.status.as_u16(), url, body.size_hint().exact());
        Self { head, body, received: 0, name, limits, span, _load: load }
    }

    /// The next bytes of the body as they come, `None` at its end.
    ///
    /// # Errors
    ///
    /// `Network` when the body ends before the length that the head gave or breaks off, `Timeout` when nothing comes for
    /// the idle limit or the whole transfer takes too long. All of them may be tried again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: bytes stay in the body until they are returned.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = self.frame().await.map_err(|error| {
                self.span.record("error", display(&error));
                error.in_file(&self.name)
            })?;
            let Some(frame) = frame else { return Ok(None) };
            if !frame.is_empty() {
                self.received = self.received.saturating_add(frame.len() as u64);
                return Ok(Some(frame));
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Bytes>> {
        let now = Instant::now();
        // A limit beyond what the clock can count is none.
        let idle = now.checked_add(self.limits.idle);
        let Some(end) = idle.into_iter().chain(self.limits.deadline).min() else {
            let frame = self.body.frame().await;
            return self.data(frame);
        };
        match timeout_at(end, self.body.frame()).await {
            Ok(frame) => self.data(frame),
            Err(_) if self.limits.deadline == Some(end) => Err(total_limit()),
            Err(_) => Err(Error::timeout(format!(
                "nothing came for {} s, the time limit for a silence (idle), after {}",
                self.limits.idle.as_secs_f64(),
                self.progress()
            ))),
        }
    }

    fn data(&self, frame: Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>) -> Result<Option<Bytes>> {
        match frame {
            // A frame that is no data is a trailer, which says nothing about the file.
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(error)) => {
                Err(Error::network(format!("the body ended at {}: {}", self.progress(), in_words(&error))))
            }
            None if self.head.length.is_some_and(|length| self.received < length) => {
                Err(Error::network(format!("the body ended at {}", self.progress())))
            }
            None => Ok(None),
        }
    }

    fn progress(&self) -> String {
        match self.head.length {
            Some(length) => format!("{} of {length} bytes", self.received),
            None => format!("{} bytes", self.received),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let range = |start, end, total| Some(ContentRange { start, end, total });
        assert_eq!(ContentRange::parse("bytes 0-99/1234"), range(0, 100, 1234));
        assert_eq!(ContentRange::parse("bytes 5-5/6"), range(5, 6, 6));
        let top = u64::MAX;
        assert_eq!(ContentRange::parse(&format!("bytes 0-{}/{top}", top - 1)), range(0, top, top));
        for text in ["", "bytes", "bytes */10", "bytes 0-9/*", "bytes 9-0/10", "bytes 0-10/10", "bytes +0-9/10"] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
        assert_eq!(ContentRange::parse("lines 0-9/10"), None);
        assert_eq!(ContentRange::parse("bytes 0-9/99999999999999999999"), None);
        assert_eq!(ContentRange::parse("bytes -/"), None);
    }

    #[test]
    fn a_weak_etag_validates_nothing_but_shows_a_change() {
        let version = |etag: &str, date: Option<&str>| FileVersion {
            etag: Some(etag.to_owned()),
            last_modified: date.map(str::to_owned),
        };
        assert_eq!(version("\"a\"", Some("then")).validator(), Some("\"a\""));
        assert_eq!(version("W/\"a\"", Some("then")).validator(), Some("then"));
        assert_eq!(version("W/\"a\"", None).validator(), None);
        assert!(!version("W/\"a\"", None).agrees(&version("W/\"b\"", None)));
        assert!(version("\"a\"", None).agrees(&FileVersion::default()));
    }
}
