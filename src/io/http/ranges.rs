//! A file of which only the ranges that are touched are fetched.
//!
//! The server is held to what it said first: a part that isn't what was asked, or of another version of the file, is an
//! error and never taken for the part.

use super::client::{HttpClient, deadline};
use super::failure::{Failure, status_error};
use super::request::{ByteRange, Request};
use super::response::{ContentRange, FileVersion, Head, Response};
use super::retry::RetryPolicy;
use crate::error::ResultExt;
use crate::io::location::display_url;
use crate::io::traffic::{FREE, Slots, Traffic};
use crate::{Error, ErrorKind, Remote, Result};
use bytes::Bytes;
use hyper::StatusCode;
use std::ops::Range;
use tokio::time::Instant;
use url::Url;

/// The most memory that is reserved at once for a range.
const RESERVE_BYTES: u64 = 64 << 20;

/// A remote file that is read by ranges.
#[derive(Clone, Debug)]
pub(crate) struct RangedFile {
    url: Url,
    name: String,
    len: u64,
    version: FileVersion,
    remote: Remote,
    /// What the ranges are a part of.
    traffic: Traffic,
    slots: Slots,
}

impl RangedFile {
    /// Asks for the first bytes of a file, `first` at most, and learns its size from the answer. `attempts` is how many requests were made.
    ///
    /// # Errors
    ///
    /// `Status(200)` for a server that ignores ranges, `Truncated` for an empty file, and those of [`HttpClient::get`].
    pub(crate) async fn open_with(
        client: &HttpClient,
        url: &Url,
        remote: &Remote,
        traffic: &Traffic,
        first: u64,
        retry: &RetryPolicy,
        attempts: &mut u32,
    ) -> Result<(Self, Bytes)> {
        let request = Request::new(url, remote, traffic);
        match First::ask(client, &request, first, retry, deadline(remote), attempts).await? {
            First::Part(head, bytes) => Ok((Self::of(url, remote, traffic, head), bytes)),
            // The body is dropped unread: it may be gigabytes.
            First::Whole(response) => Err(ignores_ranges(&response.head)).in_file(&display_url(url)),
        }
    }

    /// [`RangedFile::open_with`] as a plain open does it.
    #[cfg(test)]
    pub(crate) async fn open(
        client: &HttpClient,
        url: &Url,
        remote: &Remote,
        traffic: &Traffic,
        first: u64,
    ) -> Result<(Self, Bytes)> {
        Self::open_with(client, url, remote, traffic, first, &RetryPolicy::brief(), &mut 0).await
    }

    /// A file of which the head of a part is known. Its ranges are asked for within the same limits, and counted with the rest.
    pub(super) fn of(url: &Url, remote: &Remote, traffic: &Traffic, head: Head) -> Self {
        Self {
            name: display_url(url),
            len: head.content_range.map_or(0, |range| range.total),
            version: head.version,
            remote: remote.clone(),
            traffic: traffic.clone(),
            slots: traffic.slots(url),
            url: url.clone(),
        }
    }

    /// The size of the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The URL without credentials, as messages show it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What tells this version of the file from all other files; `None` where the server doesn't say which version it is.
    pub(crate) fn version_key(&self) -> Option<String> {
        self.version.validator()?;
        let FileVersion { etag, last_modified } = &self.version;
        let mut url = self.url.clone();
        url.set_fragment(None);
        // No line of these can hold a line break.
        Some(format!(
            "{url}\n{}\n{}\n{}",
            etag.as_deref().unwrap_or_default(),
            last_modified.as_deref().unwrap_or_default(),
            self.len
        ))
    }

    /// Fetches exactly these bytes; what may succeed is tried again up to twice.
    ///
    /// # Errors
    ///
    /// `Corrupt` ("changed on the server") when the file is not the one that was opened, or when the server sends another
    /// range than the one it was asked for; `Truncated` for a range that reaches behind the end; and those of [`HttpClient::get`].
    pub(crate) async fn fetch(&self, client: &HttpClient, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end > self.len {
            let Range { start, end } = range;
            let message = format!("bytes {start}..{end} were asked for, the file has {}", self.len);
            return Err(Error::truncated(message).in_file(&self.name));
        }
        let _slot = self.slots.take().await;
        let deadline = deadline(&self.remote);
        let request = Request {
            range: Some(ByteRange::Part(range.clone())),
            if_range: self.version.validator(),
            ..Request::new(&self.url, &self.remote, &self.traffic)
        };
        let part = |request| self.part(client, request, range.clone(), deadline);
        retrying(&request, &RetryPolicy::brief(), deadline, &mut 0, part).await.in_file(&self.name)
    }

    async fn part(
        &self,
        client: &HttpClient,
        request: Request<'_>,
        range: Range<u64>,
        deadline: Option<Instant>,
    ) -> Result<Bytes, Failure> {
        let mut response = match client.try_get(&request, deadline).await {
            // The file got shorter than this range.
            Err(failure) if failure.error.kind() == ErrorKind::Status(416) => return Err(changed().into()),
            answer => answer?,
        };
        let head = &response.head;
        let total = head.content_range.map(|range| range.total).or(head.length.filter(|_| head.status != 206));
        if !self.version.agrees(&head.version) || total.is_some_and(|total| total != self.len) {
            return Err(changed().into());
        }
        if head.status != 206 {
            return Err(ignores_ranges(head).into());
        }
        check_range(head, &range, self.len)?;
        Ok(read_body(&mut response, range.end - range.start, &self.traffic).await?)
    }
}

/// What the request for the first bytes of a file brought.
pub(super) enum First {
    /// Them, from a server that has ranges.
    Part(Head, Bytes),
    /// The whole file, which is on its way.
    Whole(Response),
}

impl First {
    /// Asks for the first bytes of a file, `first` at most.
    pub(super) async fn ask(
        client: &HttpClient,
        request: &Request<'_>,
        first: u64,
        retry: &RetryPolicy,
        deadline: Option<Instant>,
        attempts: &mut u32,
    ) -> Result<Self> {
        let request = Request { range: Some(ByteRange::Part(0..first.max(1))), ..request.clone() };
        retrying(&request, retry, deadline, attempts, |request| first_part(client, request, deadline))
            .await
            .in_file(&display_url(request.url))
    }
}

async fn first_part(client: &HttpClient, request: Request<'_>, deadline: Option<Instant>) -> Result<First, Failure> {
    let mut response = match client.try_get(&request, deadline).await {
        // Nothing but an empty file has no byte 0.
        Err(failure) if failure.error.kind() == ErrorKind::Status(416) => {
            return Err(Error::truncated("the file is empty (0 bytes)").into());
        }
        answer => answer?,
    };
    if response.head.status != 206 {
        return Ok(First::Whole(response));
    }
    let Some(ContentRange { total, .. }) = response.head.content_range else {
        return Err(no_content_range().into());
    };
    let asked = match &request.range {
        Some(ByteRange::Part(range)) => range.start..range.end.min(total),
        _ => 0..total,
    };
    check_range(&response.head, &asked, total)?;
    // Whoever asked counts these, with the rest of the file.
    let bytes = read_body(&mut response, asked.end - asked.start, &FREE).await?;
    Ok(First::Part(response.head.clone(), bytes))
}

/// Makes attempts, and counts them, until one succeeds or no more should be made.
async fn retrying<'a, T, F: Future<Output = Result<T, Failure>>>(
    request: &Request<'a>,
    retry: &RetryPolicy,
    deadline: Option<Instant>,
    attempts: &mut u32,
    mut attempt: impl FnMut(Request<'a>) -> F,
) -> Result<T> {
    loop {
        *attempts = attempts.saturating_add(1);
        match Box::pin(attempt(Request { attempt: *attempts, ..request.clone() })).await {
            Ok(value) => return Ok(value),
            Err(failure) => retry.pause(*attempts, failure, deadline).await?,
        }
        request.traffic.retrying(request.url);
    }
}

/// Whether an answer is exactly the range that was asked for.
fn check_range(head: &Head, asked: &Range<u64>, len: u64) -> Result<()> {
    let Some(sent) = head.content_range else {
        return Err(no_content_range());
    };
    if (sent.start, sent.end, sent.total) != (asked.start, asked.end, len) {
        return Err(Error::corrupt(format!(
            "asked for bytes {}..{} of {len}, the server sent {}..{} of {}",
            asked.start, asked.end, sent.start, sent.end, sent.total
        )));
    }
    match head.length {
        Some(length) if length != asked.end - asked.start => Err(Error::corrupt(format!(
            "asked for bytes {}..{}, the server's answer is {length} bytes long",
            asked.start, asked.end
        ))),
        _ => Ok(()),
    }
}

/// Reads a body of which the length is known.
async fn read_body(response: &mut Response, length: u64, traffic: &Traffic) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let reserve = usize::try_from(length.min(RESERVE_BYTES)).unwrap_or(usize::MAX);
    let refused = |_| Error::too_large(format!("a range of {length} bytes is larger than the memory"));
    bytes.try_reserve_exact(reserve).map_err(refused)?;
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() as u64).saturating_add(chunk.len() as u64) > length {
            return Err(Error::corrupt(format!("the server sent more than the {length} bytes that were asked for")));
        }
        bytes.try_reserve(chunk.len()).map_err(refused)?;
        bytes.extend_from_slice(&chunk);
        traffic.arrived(&response.head.url, chunk.len() as u64).await;
    }
    if (bytes.len() as u64) < length {
        return Err(Error::network(format!("the body ended at {} of {length} bytes", bytes.len())));
    }
    Ok(bytes.into())
}

fn changed() -> Error {
    Error::corrupt("the file changed on the server since it was opened: open it again")
}

fn no_content_range() -> Error {
    Error::corrupt("the server sent a part of the file without saying which (Content-Range)")
}

/// The error of a server that sends all where a part was asked for; its type shows a login page for what it is.
fn ignores_ranges(head: &Head) -> Error {
    let content_type = head.content_type.as_deref().unwrap_or("of an unknown type");
    let message = format!(
        "the server ignores byte ranges: it sent all of the file ({content_type}); use remote=\"auto\" or ranged=False \
         (Rust: RemoteMode::Auto, RemoteMode::Whole) to download it whole"
    );
    status_error(StatusCode::OK, &message)
}
