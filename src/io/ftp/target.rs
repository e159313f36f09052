//! What an ftp URL asks for: which server, who logs in, which file.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use suppaftp::Encoding;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::io::location::without_type_code;
use crate::io::netrc;
use crate::options::Auth;

/// An ftp URL, taken apart. Its texts hold one character for each byte, see [`RawBytes`].
pub(super) struct Target {
    /// The host as TLS and the resolver want it: an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether the connections are to be encrypted.
    pub(super) secure: bool,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) anonymous: bool,
    /// Relative to the directory after login, as the URL standard of FTP says; absolute where the URL has `//` or `/%2F`.
    pub(super) path: String,
}

impl Target {
    pub(super) fn new(url: &Url, auth: Option<&Auth>) -> Result<Self> {
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(Error::argument("the URL names no host")),
        };
        let login = if url.username().is_empty() {
            match auth {
                Some(Auth::Basic { user, password }) => Some((utf8_bytes(user), utf8_bytes(password))),
                Some(Auth::Bearer(_)) => {
                    return Err(Error::argument(
                        "auth= with a token is for http(s) only: FTP logs in by name and password",
                    ));
                }
                None => netrc::login(&host).map(|login| (utf8_bytes(&login.user), utf8_bytes(&login.password))),
            }
        } else {
            Some((byte_text(url.username()), byte_text(url.password().unwrap_or_default())))
        };
        let anonymous = login.is_none();
        let (user, password) = login.unwrap_or_else(|| ("anonymous".to_owned(), "rustfits@".to_owned()));
        let path = without_type_code(url.path());
        let mut path = byte_text(path.strip_prefix('/').unwrap_or(path));
        // FTP knows no queries: a question mark is a part of the name.
        if let Some(query) = url.query() {
            path = format!("{path}?{}", byte_text(query));
        }
        if path.is_empty() || path.ends_with('/') {
            return Err(Error::argument("the URL names no file"));
        }
        if [&user, &password, &path].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
            return Err(Error::argument("the URL or auth= contains a line break or NUL, which FTP can't express"));
        }
        let secure = url.scheme() == "ftps";
        Ok(Self { host, port: url.port().unwrap_or(21), secure, user, password, anonymous, path })
    }

    /// A server's text without what it may repeat of the login.
    pub(super) fn without_credentials(&self, text: &str) -> String {
        if self.anonymous {
            return text.to_owned();
        }
        let mut clean = text.to_owned();
        for secret in [&self.password, &self.user] {
            let bytes: Vec<u8> = secret.chars().map(|character| character as u8).collect();
            if !bytes.is_empty() {
                clean = clean.replace(String::from_utf8_lossy(&bytes).as_ref(), "***");
            }
        }
        clean
    }
}

/// Decodes percent escapes to one character for each byte.
fn byte_text(escaped: &str) -> String {
    percent_decode_str(escaped).map(char::from).collect()
}

/// One character for each byte of a text's UTF-8.
fn utf8_bytes(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// What stands for user name and password in the commands of the FTP library, which writes each command to the log.
pub(super) const UNSAID: &str = "***";

/// Sends each character of a command as one byte, so that names need not be UTF-8; and the login in place of [`UNSAID`].
pub(super) struct RawBytes {
    user: String,
    password: String,
}

impl RawBytes {
    pub(super) fn new(target: &Target) -> Self {
        Self { user: target.user.clone(), password: target.password.clone() }
    }
}

impl fmt::Debug for RawBytes {
    /// Shows no login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawBytes")
    }
}

impl Encoding for RawBytes {
    fn decode(&self, bytes: &[u8]) -> String {
        bytes.iter().copied().map(char::from).collect()
    }

    fn encode(&self, text: &str) -> std::io::Result<Vec<u8>> {
        let byte = |character| u8::try_from(u32::from(character)).map_err(std::io::Error::other);
        let said = match text.trim_end().split_once(' ') {
            Some(("USER", UNSAID)) => Cow::Owned(format!("USER {}\r\n", self.user)),
            Some(("PASS", UNSAID)) => Cow::Owned(format!("PASS {}\r\n", self.password)),
            _ => Cow::Borrowed(text),
        };
        said.chars().map(byte).collect()
    }
}
