//! The head of a request.

use std::io;

use bytes::{Buf, BytesMut};
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head that is read.
const LONGEST: usize = 64 << 10;

/// A request line and its header lines.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    /// Path and query, as they came.
    pub(super) target: String,
    pub(super) keep_alive: bool,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads the next head; none when the client has closed, or sent what is no HTTP.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<Option<Self>> {
        loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = Self::parse(&String::from_utf8_lossy(&buffer[..end]));
                buffer.advance(end + 4);
                return Ok(head);
            }
            if buffer.len() > LONGEST || stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut head = Self { method: method.to_owned(), target: target.to_owned(), keep_alive: true, headers };
        head.keep_alive = version == "HTTP/1.1"
            && !head.header("connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        Some(head)
    }

    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The part of the target before the query, decoded.
    pub(super) fn path(&self) -> String {
        decoded(self.target.split('?').next().unwrap_or(""))
    }

    /// The part of the target behind the question mark.
    pub(super) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The length of the request's own body.
    pub(super) fn body_length(&self) -> usize {
        self.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

/// A path without its percent signs.
pub(super) fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}
