//! What went wrong with a request, in words, and how long the server wants us to wait.

use crate::{Error, ErrorKind};
use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

/// An error, and what the retry layer has to know besides.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the caller sees if nobody tries again.
    pub(super) error: Error,
    /// How long the server asks us to wait before the next attempt.
    pub(super) retry_after: Option<Duration>,
    /// Whether no further attempt is to be made whatever the error is.
    pub(super) for_good: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None, for_good: false }
    }
}

impl Failure {
    /// The answer of a server that doesn't send what was asked for.
    pub(super) fn status(status: StatusCode, headers: &HeaderMap, where_from: &str) -> Self {
        let error = status_error(status, &format!("the server answered {status}{where_from}"));
        Self { error, retry_after: retry_after(headers, SystemTime::now()), for_good: false }
    }

    /// An error that is not the network's: asking again would not help.
    pub(super) fn for_good(error: Error) -> Self {
        Self { error, retry_after: None, for_good: true }
    }

    /// Names the file that the error is about.
    pub(super) fn in_file(self, file: &str) -> Self {
        Self { error: self.error.in_file(file), ..self }
    }
}

/// An error of a status with a message.
pub(super) fn status_error(status: StatusCode, message: &str) -> Error {
    Error::new(ErrorKind::Status(status.as_u16()), message)
}

/// What `Retry-After` says: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Puts an error of the http library into words; an error of our own connector among its causes is taken as it is.
pub(super) fn request_error(error: &(dyn StdError + 'static), host: &str) -> Error {
    for cause in causes(error) {
        if let Some(own) = cause.downcast_ref::<Error>() {
            return own.clone();
        }
        let Some(cause) = cause.downcast_ref::<hyper::Error>() else { continue };
        if cause.is_parse() {
            return Error::corrupt(format!("the answer of {host} can't be read: {}", in_words(cause)));
        }
        if cause.is_incomplete_message() {
            return Error::network(format!("{host} closed the connection without an answer"));
        }
    }
    Error::network(format!("the request to {host} failed: {}", in_words(error)))
}

/// Whether an answer came that can't be understood, which a new connection would not change.
pub(super) fn is_parse(error: &(dyn StdError + 'static)) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// An error and what caused it, in one line.
pub(super) fn in_words(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = causes(error).map(ToString::to_string).collect();
    // Some errors repeat what their cause says.
    words.dedup();
    words.join(": ")
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let wait = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]), now)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
    }
}
