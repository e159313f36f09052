//! The words in a URL's query that tell the server how to behave.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// What the query of a requested URL asks for. Words that are none of these are passed over.
///
/// A request's number, for `times` and `cut_times`, counts the requests of the same method and exactly the same
/// path and query since the log was last cleared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Behaviour {
    /// `latency=MS`: waits before it answers.
    pub latency: Option<Duration>,
    /// `rate=N`: sends N body bytes a second.
    pub rate: Option<u64>,
    /// `auth=USER:PASSWORD`: answers 401 to all other users.
    pub auth: Option<String>,
    /// `status=CODE`: answers with this status.
    pub status: Option<u16>,
    /// `times=K`: `status` is for the first K requests only.
    pub times: Option<u64>,
    /// `retry_after=S`: a Retry-After header with `status`.
    pub retry_after: Option<String>,
    /// `redirect=URL`: sends the client there, with `status` if that is 3xx, else 302.
    pub redirect: Option<String>,
    /// `loop`: redirects to the same URL.
    pub redirect_loop: bool,
    /// `hops=N`: redirects N times, then serves the file.
    pub hops: u64,
    /// `nohead`: answers 403 to HEAD.
    pub no_head: bool,
    /// `nolength`: no Content-Length, the end of the connection ends the body.
    pub no_length: bool,
    /// `chunked`: the body is sent in chunks.
    pub chunked: bool,
    /// `gzip_encoding`: the body is gzipped, as Content-Encoding says.
    pub gzip_encoding: bool,
    /// `etag_changes`: another ETag in each answer.
    pub etag_changes: bool,
    /// `modified_changes`: another Last-Modified in each answer.
    pub modified_changes: bool,
    /// `weak_etag`: the ETag is a weak one.
    pub weak_etag: bool,
    /// `no_validator`: neither ETag nor Last-Modified.
    pub no_validator: bool,
    /// `unconditional`: sends the file whatever If-None-Match and If-Modified-Since say.
    pub unconditional: bool,
    /// `disposition=NAME`: a Content-Disposition header that names the file so.
    pub disposition: Option<String>,
    /// `close`: ends the connection after the answer, and says so.
    pub close: bool,
    /// The words that `cut_times=K` limits to the first K requests.
    pub faults: Faults,
    /// `cut_times=K`: the faults are for the first K requests only.
    pub cut_times: Option<u64>,
}

/// The faults of an answer: after [`Behaviour::cut_times`] requests they are over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// `cut=N`: ends the connection after N body bytes.
    pub cut: Option<u64>,
    /// `reset`: `cut` resets the connection in place of closing it.
    pub reset: bool,
    /// `stall=N`: sends nothing more after N body bytes, the connection stays open.
    pub stall: Option<u64>,
    /// `stall_head`: never answers.
    pub stall_head: bool,
    /// `endless_header`: sends header lines for ever.
    pub endless_header: bool,
    /// `norange`: sends the whole file whatever Range says.
    pub no_range: bool,
    /// `badrange`: sends the range asked for under a Content-Range that names another.
    pub bad_range: bool,
    /// `wronglength=N`: claims a Content-Length of N, and closes after the body.
    pub wrong_length: Option<u64>,
    /// `chunked_cut=N`: breaks a chunked body off after N bytes, inside a chunk.
    pub chunked_cut: Option<u64>,
    /// `html`: an HTML page with status 200 in place of the file.
    pub html: bool,
    /// `close_idle`: closes the connection just after the answer, without having said so.
    pub close_idle: bool,
    /// `close_reused`: keeps the connection open and closes it, unanswered, when the next request comes on it.
    pub close_reused: bool,
}

impl Behaviour {
    /// Reads a query; the error names the word whose value cannot be read.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut behaviour = Self::default();
        for pair in query.split('&') {
            let (word, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            behaviour.set(word, &value)?;
        }
        Ok(behaviour)
    }

    /// Drops what does not concern the request of this number, counted from 0.
    pub fn at_request(mut self, number: u64) -> Self {
        if self.cut_times.is_some_and(|times| number >= times) {
            self.faults = Faults::default();
        }
        // Zero times is always.
        if self.times.is_some_and(|times| times > 0 && number >= times) {
            self.status = None;
        }
        self
    }

    fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        let text = || Some(value.to_owned());
        match word {
            "latency" => self.latency = Some(Duration::from_millis(read(word, value)?)),
            "rate" => self.rate = Some(read(word, value)?),
            "auth" => self.auth = text(),
            "status" => self.status = Some(read(word, value)?),
            "times" => self.times = Some(read(word, value)?),
            "retry_after" => self.retry_after = text(),
            "redirect" => self.redirect = text(),
            "loop" => self.redirect_loop = true,
            "hops" => self.hops = read(word, value)?,
            "nohead" => self.no_head = true,
            "nolength" => self.no_length = true,
            "chunked" => self.chunked = true,
            "gzip_encoding" => self.gzip_encoding = true,
            "etag_changes" => self.etag_changes = true,
            "modified_changes" => self.modified_changes = true,
            "weak_etag" => self.weak_etag = true,
            "no_validator" => self.no_validator = true,
            "unconditional" => self.unconditional = true,
            "disposition" => self.disposition = text(),
            "close" => self.close = true,
            "cut_times" => self.cut_times = Some(read(word, value)?),
            _ => self.faults.set(word, value)?,
        }
        Ok(())
    }
}

impl Faults {
    fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "cut" => self.cut = Some(read(word, value)?),
            "reset" => self.reset = true,
            "stall" => self.stall = Some(read(word, value)?),
            "stall_head" => self.stall_head = true,
            "endless_header" => self.endless_header = true,
            "norange" => self.no_range = true,
            "badrange" => self.bad_range = true,
            "wronglength" => self.wrong_length = Some(read(word, value)?),
            "chunked_cut" => self.chunked_cut = Some(read(word, value)?),
            "html" => self.html = true,
            "close_idle" => self.close_idle = true,
            "close_reused" => self.close_reused = true,
            _ => {}
        }
        Ok(())
    }
}

fn read<Number: FromStr>(word: &str, value: &str) -> Result<Number, String> {
    value.parse().map_err(|_| format!("{word}={value} is no number"))
}
