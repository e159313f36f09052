//! A whole file into a sink, resumed where it broke.

use super::client::{HttpClient, deadline};
use super::failure::Failure;
use super::request::{ByteRange, Request};
use super::response::{Head, Response};
use super::retry::RetryPolicy;
use crate::io::budget::Budget;
use crate::io::location::display_url;
use crate::io::sink::Sink;
use crate::{Error, Remote, Result};
use tokio::time::Instant;
use url::Url;

/// Downloads a whole file into `sink`; see [`Transfer::run`].
#[cfg(test)]
pub(crate) async fn download(
    client: &HttpClient,
    url: &Url,
    remote: &Remote,
    retry: &RetryPolicy,
    budget: &dyn Budget,
    sink: &mut dyn Sink,
) -> Result<()> {
    Transfer::new(client, url, remote, retry, budget).run(sink).await
}

/// One download, which counts its attempts and bytes also where it fails.
pub(crate) struct Transfer<'a> {
    client: &'a HttpClient,
    url: &'a Url,
    remote: &'a Remote,
    retry: &'a RetryPolicy,
    budget: &'a dyn Budget,
    deadline: Option<Instant>,
    attempts: u32,
    wire_bytes: u64,
    /// The head of the answer that the sink began with.
    head: Option<Head>,
    /// How many bytes of the file the sink has.
    position: u64,
}

impl<'a> Transfer<'a> {
    /// A transfer that has not begun; its time limit (total) runs from now.
    pub(crate) fn new(
        client: &'a HttpClient,
        url: &'a Url,
        remote: &'a Remote,
        retry: &'a RetryPolicy,
        budget: &'a dyn Budget,
    ) -> Self {
        let deadline = deadline(remote);
        Self { client, url, remote, retry, budget, deadline, attempts: 0, wire_bytes: 0, head: None, position: 0 }
    }

    /// How many requests were made so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The head of the answer that the file began with, also where the file turned out to be of no use: its content type
    /// tells an HTML page that came in place of a file.
    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// How many bytes of bodies came so far, those of broken attempts among them.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// Downloads the file. What may succeed is tried again as the retry policy says, from where it broke if the server has
    /// ranges and says which version of the file it sends, else from the start.
    ///
    /// # Errors
    ///
    /// The last error, when no attempt is left or none would help; any error of the sink.
    pub(crate) async fn run(&mut self, sink: &mut dyn Sink) -> Result<()> {
        loop {
            self.attempts = self.attempts.saturating_add(1);
            match Box::pin(self.attempt(sink)).await {
                Ok(_) => return Ok(()),
                Err(failure) => {
                    let failure = failure.in_file(&display_url(self.url));
                    self.retry.pause(self.attempts, failure, self.deadline).await?;
                }
            }
        }
    }

    /// Makes one request and passes on what comes; the head is that of the answer that the file began with.
    async fn attempt(&mut self, sink: &mut dyn Sink) -> Result<Head, Failure> {
        let begun = self.head.clone().filter(|head| self.position > 0 && head.version.validator().is_some());
        let request = Request {
            url: self.url,
            range: begun.as_ref().map(|_| ByteRange::From(self.position)),
            if_range: begun.as_ref().and_then(|head| head.version.validator()),
            remote: self.remote,
        };
        let mut response = self.client.try_get(&request, self.deadline).await?;
        let head = match begun {
            Some(head) if response.head.status == 206 => {
                check_resumed(&head, self.position, &response)?;
                head
            }
            _ if response.head.status == 206 => {
                return Err(Error::corrupt("the server sent a part of the file, which was not asked for").into());
            }
            _ => {
                let head = response.head.clone();
                self.head = Some(head.clone());
                self.position = 0;
                sink.restart(head.length).map_err(Failure::for_good)?;
                head
            }
        };
        while let Some(chunk) = response.chunk().await? {
            let bytes = chunk.len() as u64;
            self.wire_bytes = self.wire_bytes.saturating_add(bytes);
            self.budget.received(bytes);
            sink.chunk(chunk).await.map_err(Failure::for_good)?;
            self.position = self.position.saturating_add(bytes);
        }
        Ok(head)
    }
}

/// Whether the rest of a file fits to what came of it before.
fn check_resumed(begun: &Head, position: u64, response: &Response) -> Result<()> {
    let rest = &response.head;
    if !begun.version.agrees(&rest.version) {
        return Err(Error::corrupt("the file changed on the server while it was downloaded"));
    }
    let Some(range) = rest.content_range else {
        return Err(Error::corrupt("the server sent a part of the file without saying which (Content-Range)"));
    };
    let total = begun.length.unwrap_or(range.total);
    if (range.start, range.end, range.total) != (position, total, total) {
        return Err(Error::corrupt(format!(
            "asked for bytes {position}..{total} of {total}, the server sent {}..{} of {}",
            range.start, range.end, range.total
        )));
    }
    Ok(())
}
