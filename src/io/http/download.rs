//! A whole file into a sink, resumed where it broke.

use super::client::{HttpClient, deadline};
use super::failure::Failure;
use super::ranges::{First, RangedFile};
use super::request::{ByteRange, Request};
use super::response::{FileVersion, Head, Response};
use super::retry::RetryPolicy;
use crate::io::budget::Budget;
use crate::io::location::display_url;
use crate::io::sink::Sink;
use crate::io::traffic::{FREE, Traffic};
use crate::{Error, ErrorKind, Remote, Result};
use bytes::Bytes;
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
    traffic: &'a Traffic,
    deadline: Option<Instant>,
    attempts: u32,
    wire_bytes: u64,
    /// The head of the answer that the sink began with.
    head: Option<Head>,
    /// How many bytes of the file the sink has.
    position: u64,
    /// Whether what the sink has came before this transfer, so that the file may be another one by now.
    from_before: bool,
    /// The answer to a request for the first bytes, to go on from.
    first: Option<First>,
    known: Option<Known>,
}

/// The version of a file that is here already.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) version: FileVersion,
    pub(crate) length: u64,
    /// Whether the server may be asked to compare: it was the server that said what the version is.
    pub(crate) from_server: bool,
}

impl Known {
    /// Whether an answer is of the same version: by its ETag, else its date, and its length; by that alone where the server says no more.
    fn is(&self, head: &Head) -> bool {
        let strong = |etag: &str| etag.trim_start_matches("W/").to_owned();
        let same_version = match (&self.version.etag, &head.version.etag) {
            (Some(ours), Some(theirs)) => strong(ours) == strong(theirs),
            _ => match (&self.version.last_modified, &head.version.last_modified) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => head.length.is_some(),
            },
        };
        same_version && head.length.is_none_or(|length| length == self.length)
    }
}

/// The error of a file that is not sent because it is here already.
pub(crate) const NOT_MODIFIED: ErrorKind = ErrorKind::Status(304);

/// What asking for a file by ranges brought, where all of it does as well.
pub(crate) enum Asked<'a> {
    /// The server has ranges: the file, and its first bytes.
    Ranged(Box<RangedFile>, Bytes),
    /// All of the file is to be fetched, from what came first on.
    Whole(Box<Transfer<'a>>),
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
        Self {
            client,
            url,
            remote,
            retry,
            budget,
            traffic: &FREE,
            deadline,
            attempts: 0,
            wire_bytes: 0,
            head: None,
            position: 0,
            from_before: false,
            first: None,
            known: None,
        }
    }

    /// What is asked for is a part of this traffic.
    pub(crate) fn within(mut self, traffic: &'a Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    fn request(&self) -> Request<'a> {
        Request { attempt: self.attempts.max(1), ..Request::new(self.url, self.remote, self.traffic) }
    }

    /// Asks for the first bytes of the file, and finds out by the answer whether the rest is to be had by ranges. `by_ranges` looks at the
    /// bytes; where it says no, the transfer goes on from them. `attempts` is how many requests were made, also where all failed.
    pub(crate) async fn ask(
        mut self,
        first: u64,
        by_ranges: impl Fn(&[u8]) -> bool,
        attempts: &mut u32,
    ) -> Result<Asked<'a>> {
        match First::ask(self.client, &self.request(), first, self.retry, self.deadline, attempts).await? {
            First::Part(head, bytes) if by_ranges(&bytes) => {
                Ok(Asked::Ranged(Box::new(RangedFile::of(self.url, self.remote, self.traffic, head)), bytes))
            }
            answer => {
                self.first = Some(answer);
                // The last one goes on, and counts when it does.
                self.attempts = attempts.saturating_sub(1);
                Ok(Asked::Whole(Box::new(self)))
            }
        }
    }

    /// The sink has the start of the file already, from an earlier transfer.
    pub(crate) fn resuming(mut self, version: FileVersion, length: Option<u64>, position: u64) -> Self {
        self.head = Some(Head::of_before(version, length, self.url.clone()));
        self.position = position;
        self.from_before = true;
        self
    }

    /// A file of this version is not to be sent: the transfer ends with [`NOT_MODIFIED`].
    pub(crate) fn unless(mut self, known: Option<Known>) -> Self {
        self.known = known;
        self
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
        let (mut tried, mut furthest) = (0_u32, self.position);
        loop {
            self.attempts = self.attempts.saturating_add(1);
            let attempt = match self.first.take() {
                Some(first) => Box::pin(self.go_on(first, sink)).await,
                None => Box::pin(self.attempt(sink)).await,
            };
            match attempt {
                Ok(Attempt::Done) => return Ok(()),
                Ok(Attempt::Again) => {}
                Err(failure) => {
                    let failure = failure.in_file(&display_url(self.url));
                    tried = if self.retry.lasting && self.position > furthest { 1 } else { tried.saturating_add(1) };
                    furthest = furthest.max(self.position);
                    self.retry.pause(tried, failure, self.deadline).await?;
                    self.traffic.retrying(self.url);
                }
            }
        }
    }

    /// Passes on what came first, and what follows in the same answer.
    async fn go_on(&mut self, first: First, sink: &mut dyn Sink) -> Result<Attempt, Failure> {
        let (head, bytes) = match first {
            First::Whole(response) => {
                self.begin(response.head.clone(), sink)?;
                self.pass_on(response, sink).await?;
                return Ok(Attempt::Done);
            }
            First::Part(head, bytes) => (head, bytes),
        };
        let (length, from) = (head.content_range.map(|range| range.total), head.url.clone());
        self.begin(Head { length, content_range: None, ..head }, sink)?;
        self.take(&from, bytes, sink).await?;
        Ok(if length == Some(self.position) { Attempt::Done } else { Attempt::Again })
    }

    /// The file begins, with this head.
    fn begin(&mut self, head: Head, sink: &mut dyn Sink) -> Result<(), Failure> {
        self.position = 0;
        sink.version(&head.version);
        sink.describe(head.content_type.as_deref());
        let begun = sink.restart(head.length).map_err(Failure::for_good);
        self.head = Some(head);
        begun
    }

    /// Makes one request and passes on what comes.
    async fn attempt(&mut self, sink: &mut dyn Sink) -> Result<Attempt, Failure> {
        let begun = self.head.clone().filter(|head| self.position > 0 && head.version.validator().is_some());
        let request = Request {
            range: begun.as_ref().map(|_| ByteRange::From(self.position)),
            if_range: begun.as_ref().and_then(|head| head.version.validator()),
            unless: self
                .known
                .as_ref()
                .filter(|known| begun.is_none() && known.from_server)
                .map(|known| &known.version),
            ..self.request()
        };
        let response = match self.client.try_get(&request, self.deadline).await {
            // The file ends before that: it is another one, or its length was not what the server said.
            Err(failure) if begun.is_some() && failure.error.kind() == ErrorKind::Status(416) => {
                return Ok(self.forget());
            }
            answer => answer?,
        };
        match begun {
            Some(head) if response.head.status == 206 => match check_resumed(&head, self.position, &response) {
                Err(_) if self.from_before => return Ok(self.forget()),
                checked => checked?,
            },
            _ if response.head.status == 206 => {
                return Err(Error::corrupt("the server sent a part of the file, which was not asked for").into());
            }
            _ if self.known.as_ref().is_some_and(|known| known.is(&response.head)) => {
                let error = Error::new(NOT_MODIFIED, "the file is here already");
                return Err(Failure::for_good(error));
            }
            _ => self.begin(response.head.clone(), sink)?,
        }
        self.from_before = false;
        self.pass_on(response, sink).await?;
        Ok(Attempt::Done)
    }

    /// What the sink has is of another version of the file: it is to begin anew.
    fn forget(&mut self) -> Attempt {
        self.head = None;
        self.position = 0;
        self.from_before = false;
        Attempt::Again
    }

    async fn pass_on(&mut self, mut response: Response, sink: &mut dyn Sink) -> Result<(), Failure> {
        while let Some(chunk) = response.chunk().await? {
            self.take(&response.head.url, chunk, sink).await?;
        }
        Ok(())
    }

    async fn take(&mut self, from: &Url, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Failure> {
        let bytes = chunk.len() as u64;
        self.wire_bytes = self.wire_bytes.saturating_add(bytes);
        self.budget.received(bytes);
        self.traffic.arrived(from, bytes).await;
        sink.chunk(chunk).await.map_err(Failure::for_good)?;
        self.position = self.position.saturating_add(bytes);
        Ok(())
    }
}

/// What an attempt that did not fail came to.
enum Attempt {
    /// The file is complete.
    Done,
    /// Another request is to be made, at once.
    Again,
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
