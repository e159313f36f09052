//! What a request gets: the answer as decided, before a byte of it is sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::behaviour::Behaviour;
use super::head::Head;
use super::range::{Asked, asked};
use crate::files::{Body, Files, Found};

/// An answer, proper or not.
#[derive(Debug)]
pub(super) enum Reply {
    /// None, and the connection stays open.
    Silence,
    /// A header that does not end.
    EndlessHeader,
    /// One that can be sent.
    Answer(Answer),
}

/// Status, headers and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
    /// The part of the body that is sent.
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Answer {
    /// An answer with a short text.
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::page(status, "text/plain; charset=utf-8", text.to_owned())
    }

    /// An answer of some content type.
    pub(super) fn page(status: u16, content_type: &str, text: String) -> Self {
        let body = Body::Memory(Bytes::from(text));
        Self { status, headers: Vec::new(), start: 0, end: body.length(), body }.with("Content-Type", content_type)
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn redirect(status: Option<u16>, location: &str) -> Self {
        let status = status.filter(|status| (300..400).contains(status)).unwrap_or(302);
        Self::text(status, "It is elsewhere.\n").with("Location", location)
    }
}

/// Decides what a request gets. `serial` is the request's own number.
pub(super) fn decide(files: &Files, user: Option<&str>, behaviour: &Behaviour, head: &Head, serial: u64) -> Reply {
    let faults = &behaviour.faults;
    if faults.stall_head {
        return Reply::Silence;
    }
    if faults.endless_header {
        return Reply::EndlessHeader;
    }
    let early = refused(user, behaviour, head).or_else(|| elsewhere(behaviour, head));
    Reply::Answer(early.unwrap_or_else(|| file(files, behaviour, head, serial)))
}

/// The answers that turn a client away.
fn refused(user: Option<&str>, behaviour: &Behaviour, head: &Head) -> Option<Answer> {
    for user in user.into_iter().chain(behaviour.auth.as_deref()) {
        if head.header("authorization") != Some(&format!("Basic {}", STANDARD.encode(user))) {
            let answer = Answer::text(401, "Who are you?\n");
            return Some(answer.with("WWW-Authenticate", "Basic realm=\"loopback\""));
        }
    }
    if behaviour.no_head && head.method == "HEAD" {
        return Some(Answer::text(403, "No HEAD here.\n"));
    }
    if !matches!(head.method.as_str(), "GET" | "HEAD") {
        return Some(Answer::text(405, "GET and HEAD only.\n"));
    }
    None
}

/// Redirects, set statuses, and the page in place of the file.
fn elsewhere(behaviour: &Behaviour, head: &Head) -> Option<Answer> {
    if let Some(location) = &behaviour.redirect {
        return Some(Answer::redirect(behaviour.status, location));
    }
    if behaviour.redirect_loop {
        return Some(Answer::redirect(behaviour.status, &head.target));
    }
    if behaviour.hops > 0 {
        let hops = |count: u64| format!("hops={count}");
        let location = head.target.replace(&hops(behaviour.hops), &hops(behaviour.hops - 1));
        return Some(Answer::redirect(behaviour.status, &location));
    }
    if let Some(status) = behaviour.status {
        let mut answer = Answer::text(status, &format!("As you like it: {status}.\n"));
        if let Some(seconds) = &behaviour.retry_after {
            answer = answer.with("Retry-After", seconds);
        }
        return Some(answer);
    }
    let page = "<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n";
    behaviour.faults.html.then(|| Answer::page(200, "text/html", page.to_owned()))
}

/// The file that the path names, or the part of it asked for.
fn file(files: &Files, behaviour: &Behaviour, head: &Head, serial: u64) -> Answer {
    let Some(found) = files.find(&head.path()) else {
        return Answer::text(404, "No such file.\n");
    };
    let validators = Validators::of(&found, behaviour, serial);
    if !behaviour.unconditional && validators.are_known(head) {
        let mut answer = Answer::text(304, "");
        answer.headers.extend(validators.headers());
        return answer;
    }
    let mut body = found.body;
    if behaviour.gzip_encoding {
        match body.gzipped() {
            Ok(gzipped) => body = gzipped,
            Err(error) => return Answer::text(500, &error.to_string()),
        }
    }
    let length = body.length();
    let part = if behaviour.faults.no_range || !validators.allow_range(head) {
        Asked::Whole
    } else {
        asked(head.header("range"), length)
    };
    let (status, start, end) = match part {
        Asked::Whole => (200, 0, length),
        Asked::Part { start, end } => (206, start, end),
        Asked::Outside => return Answer::text(416, "").with("Content-Range", format!("bytes */{length}")),
    };
    let mut answer = Answer { status, headers: Vec::new(), body, start, end };
    if status == 206 {
        let shift = u64::from(behaviour.faults.bad_range);
        let claimed = format!("bytes {}-{}/{}", start + shift, end - 1 + shift, length + shift);
        answer = answer.with("Content-Range", claimed);
    }
    if !behaviour.faults.no_range {
        answer = answer.with("Accept-Ranges", "bytes");
    }
    if behaviour.gzip_encoding {
        answer = answer.with("Content-Encoding", "gzip");
    }
    if let Some(name) = &behaviour.disposition {
        answer = answer.with("Content-Disposition", format!("attachment; filename=\"{name}\""));
    }
    answer.headers.extend(validators.headers());
    answer.with("Content-Type", content_type(&head.path()))
}

/// What tells one state of a file from another.
#[derive(Debug)]
struct Validators {
    etag: Option<String>,
    modified: Option<String>,
}

impl Validators {
    fn of(found: &Found, behaviour: &Behaviour, serial: u64) -> Self {
        if behaviour.no_validator {
            return Self { etag: None, modified: None };
        }
        let since = found.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let change = if behaviour.etag_changes { format!("-{serial}") } else { String::new() };
        let weak = if behaviour.weak_etag { "W/" } else { "" };
        let etag = format!("{weak}\"{:x}-{:x}{change}\"", since.as_nanos(), found.length);
        let later = if behaviour.modified_changes { serial } else { 0 };
        let modified: SystemTime = found.modified + Duration::from_secs(later);
        Self { etag: Some(etag), modified: Some(httpdate::fmt_http_date(modified)) }
    }

    /// Whether an If-Range header, if there is one, lets the range stand.
    fn allow_range(&self, head: &Head) -> bool {
        let Some(wanted) = head.header("if-range") else { return true };
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong == Some(wanted) || self.modified.as_deref() == Some(wanted)
    }

    /// Whether the client says that it has this state of the file.
    fn are_known(&self, head: &Head) -> bool {
        match head.header("if-none-match") {
            Some(known) => self.etag.as_deref() == Some(known),
            None => self.modified.is_some() && head.header("if-modified-since") == self.modified.as_deref(),
        }
    }

    fn headers(self) -> impl Iterator<Item = (&'static str, String)> {
        let etag = self.etag.map(|value| ("ETag", value));
        etag.into_iter().chain(self.modified.map(|value| ("Last-Modified", value)))
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "fits" | "fit" | "fts" => "application/fits",
        "gz" => "application/gzip",
        "html" => "text/html",
        "json" => "application/json",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}
