//! What is sent: the headers of a request, and which of them a redirect may take to another host.

use super::address::authorization;
use super::response::FileVersion;
use crate::io::traffic::Traffic;
use crate::{Error, Remote, Result};
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE,
    USER_AGENT,
};
use std::fmt;
use std::ops::Range;
use url::Url;

/// Which bytes of a file are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// These bytes; the end is not included. Never empty.
    Part(Range<u64>),
    /// From this byte to the end.
    From(u64),
}

impl fmt::Display for ByteRange {
    /// The value of a `Range` header, whose last byte *is* included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(range) => write!(f, "bytes={}-{}", range.start, range.end.saturating_sub(1)),
            Self::From(start) => write!(f, "bytes={start}-"),
        }
    }
}

/// One GET and how it is to be made.
#[derive(Clone)]
pub(super) struct Request<'a> {
    /// What to get; may carry credentials.
    pub(super) url: &'a Url,
    /// Which bytes of it; all where `None`.
    pub(super) range: Option<ByteRange>,
    /// A validator: answer with the range only if the file is still this one, else with all of it.
    pub(super) if_range: Option<&'a str>,
    /// The version that is here already: answer 304 if the file is still this one.
    pub(super) unless: Option<&'a FileVersion>,
    /// User headers and time limits.
    pub(super) remote: &'a Remote,
    /// Limits on what is asked for, and counts of it.
    pub(super) traffic: &'a Traffic,
    /// Which attempt at the file this is, from 1.
    pub(super) attempt: u32,
}

impl<'a> Request<'a> {
    /// The first request for all of a file.
    pub(super) fn new(url: &'a Url, remote: &'a Remote, traffic: &'a Traffic) -> Self {
        Self { url, range: None, if_range: None, unless: None, remote, traffic, attempt: 1 }
    }
}

/// The headers of a request.
pub(super) struct Headers {
    public: HeaderMap,
    private: HeaderMap,
}

impl Headers {
    /// Makes the headers; a line break or another illegal character in one of them is refused.
    pub(super) fn new(request: &Request<'_>) -> Result<Self> {
        let mut private = HeaderMap::new();
        for (name, value) in &request.remote.headers {
            let (name, value) = user_header(name, value)?;
            private.append(name, value);
        }
        if !private.contains_key(AUTHORIZATION)
            && let Some(value) = authorization(request.url, request.remote.auth.as_ref())?
        {
            private.insert(AUTHORIZATION, value);
        }
        let mut public = HeaderMap::new();
        public.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // A body that is packed once more on the way would make ranges and sizes mean something else.
        public.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        public.insert(USER_AGENT, HeaderValue::from_static(concat!("rustfits/", env!("CARGO_PKG_VERSION"))));
        if let Some(range) = &request.range {
            public.insert(RANGE, own_value(&range.to_string())?);
            if let Some(validator) = request.if_range {
                public.insert(IF_RANGE, own_value(validator)?);
            }
        }
        if let Some(known) = request.unless {
            if let Some(etag) = &known.etag {
                public.insert(IF_NONE_MATCH, own_value(etag)?);
            }
            if let Some(date) = &known.last_modified {
                public.insert(IF_MODIFIED_SINCE, own_value(date)?);
            }
        }
        Ok(Self { public, private })
    }

    /// Drops what only the first host may see: credentials and the user's headers.
    pub(super) fn leave_host(&mut self) {
        self.private.clear();
    }

    /// All headers, the user's in place of the default of the same name, except those that decide which bytes come.
    pub(super) fn to_map(&self) -> HeaderMap {
        let mut map = self.private.clone();
        for (name, value) in &self.public {
            let ours = matches!(*name, RANGE | IF_RANGE | IF_NONE_MATCH | IF_MODIFIED_SINCE | ACCEPT_ENCODING);
            if ours || !map.contains_key(name) {
                map.insert(name, value.clone());
            }
        }
        map
    }
}

/// A header that the user set; its value may be a secret, so only its name is ever shown.
fn user_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let shown = name.escape_debug();
    let parsed = name.parse::<HeaderName>();
    let name = parsed.map_err(|_| Error::argument(format!("headers: '{shown}' is not a header name")))?;
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::argument(format!("headers: the value of '{shown}' holds a line break or control character"))
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn own_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| Error::argument("a header value holds a control character"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::traffic::FREE;

    fn map(url: &str, headers: &[(&str, &str)]) -> Result<HeaderMap> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let remote = Remote { headers, ..Remote::default() };
        let url = Url::parse(url).unwrap();
        let (range, if_range) = (Some(ByteRange::Part(5..9)), Some("\"a\""));
        let request = Request { range, if_range, ..Request::new(&url, &remote, &FREE) };
        Ok(Headers::new(&request)?.to_map())
    }

    #[test]
    fn user_headers_replace_defaults_but_not_the_range() {
        let map = map("http://host/", &[("User-Agent", "mine"), ("range", "bytes=0-0"), ("X-Key", "1")]).unwrap();
        assert_eq!(map[USER_AGENT], "mine");
        assert_eq!(map[RANGE], "bytes=5-8");
        assert_eq!(map[IF_RANGE], "\"a\"");
        assert_eq!(map["x-key"], "1");
    }

    #[test]
    fn line_breaks_are_refused_and_values_not_shown() {
        let error = map("http://host/", &[("X-Key", "secret\r\nX: y")]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Argument);
        assert!(error.to_string().contains("X-Key") && !error.to_string().contains("secret"), "{error}");
        assert!(map("http://host/", &[("X\r\nY", "1")]).is_err());
    }
}
