//! What a name that opens a file means: a path, memory, or a URL. Decides by the text alone; touches no disk and no network.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result, ResultExt};

/// What is supported, for the messages that refuse a name.
const SUPPORTED: &str = "supported are paths and file://, mem://, http://, https://, ftp:// and ftps:// names";

/// Query parameters whose value grants access (presigned URLs); [`display`] hides the values.
const SECRET_PARAMETERS: [&str; 9] = [
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-credential",
    "x-goog-signature",
    "x-goog-credential",
    "signature",
    "sig",
    "token",
    "access_token",
];

/// Where a name points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file on disk; from a `file://` name it is the decoded path.
    Path(PathBuf),
    /// Memory that starts empty (`mem://`, `memkeep://`).
    Memory,
    /// An `http` or `https` URL.
    Http(Url),
    /// An `ftp` or `ftps` (explicit TLS) URL.
    Ftp(Url),
}

/// Reads a name. A text without `scheme://` in front is a path, whatever else it contains.
///
/// # Errors
///
/// `Unsupported` for names that are known but not built, with the workaround; `Argument` for any other scheme, for a
/// malformed URL and for control characters, which would let a name smuggle a second line into a request.
pub(crate) fn parse(name: &Path) -> Result<Location> {
    // Named here, because callers would show the name as it is, and it may hold a password.
    parse_name(name).in_file(&safe_excerpt(&name.to_string_lossy()))
}

fn parse_name(name: &Path) -> Result<Location> {
    let Some(text) = name.to_str() else {
        return parse_bytes_that_are_not_text(name);
    };
    if text.is_empty() {
        return Err(Error::argument("the name of the file is empty: give a path or a URL"));
    }
    if text == "-" {
        return Err(Error::unsupported(
            "'-' (standard input or output) is not supported: read the bytes yourself and use from_bytes, \
             or write to mem:// and use to_bytes",
        ));
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        return path(PathBuf::from(name));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "file" => file_path(rest),
        "mem" | "memkeep" => Ok(Location::Memory),
        "http" | "https" => web_url(text).map(Location::Http),
        "ftp" | "ftps" => ftp_url(text).map(Location::Ftp),
        "stream" => Err(Error::unsupported(
            "stream:// is not supported: read the bytes yourself and use from_bytes, or write to mem:// and use to_bytes",
        )),
        "shmem" => Err(Error::unsupported(
            "shmem:// is not supported: hand the bytes of the shared memory to from_bytes, or take them from to_bytes",
        )),
        known @ ("root" | "gsiftp") => Err(Error::unsupported(format!(
            "{known}:// is not supported: fetch the file first and open the local copy"
        ))),
        other => Err(Error::argument(format!("{other}:// is not supported: {SUPPORTED}"))),
    }
}

/// Refuses to write to a name that promises a compression which is not built, so that no plain file gets such a name.
///
/// For reading the name does not matter: the bytes decide (`sniff`). To be called for `r+` and `w+`.
pub(crate) fn refuse_writing(location: &Location) -> Result<()> {
    let Location::Path(path) = location else { return Ok(()) };
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some(known @ ("z" | "zip" | "bz2" | "xz")) => Err(Error::unsupported(format!(
            "writing .{} files is not supported: write .fits or .fits.gz and compress that with another program",
            if known == "z" { "Z" } else { known }
        ))),
        _ => Ok(()),
    }
}

/// Whether the name says gzip: the path (of a URL: without its query) ends in `.gz` in any letter case.
pub(crate) fn is_gzip_name(location: &Location) -> bool {
    let name = match location {
        Location::Path(path) => path.as_os_str().to_string_lossy(),
        Location::Memory => return false,
        Location::Http(url) => Cow::Borrowed(url.path()),
        Location::Ftp(url) => Cow::Borrowed(without_type_code(url.path())),
    };
    name.to_ascii_lowercase().ends_with(".gz")
}

/// The name for messages: a URL without user, password and the secrets of presigned queries.
pub(crate) fn display(location: &Location) -> String {
    match location {
        Location::Path(path) => path.display().to_string(),
        Location::Memory => "mem://".to_owned(),
        Location::Http(url) | Location::Ftp(url) => display_url(url),
    }
}

/// A URL for messages, see [`display`].
pub(crate) fn display_url(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only on URLs without a host, which carry no credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if let Some(query) = url.query() {
        let masked: Vec<Cow<'_, str>> = query.split('&').map(mask_secret).collect();
        shown.set_query(Some(&masked.join("&")));
    }
    shown.into()
}

/// The path of an ftp URL without the `;type=i` that the URL standard of FTP allows behind it.
pub(crate) fn without_type_code(path: &str) -> &str {
    path.strip_suffix(";type=i").or_else(|| path.strip_suffix(";type=I")).unwrap_or(path)
}

fn mask_secret(parameter: &str) -> Cow<'_, str> {
    match parameter.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) => {
            Cow::Owned(format!("{name}=***"))
        }
        _ => Cow::Borrowed(parameter),
    }
}

/// `scheme` and what follows `://`, where the text has a scheme of the form the URL standard demands.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let ends_well = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (starts_well && ends_well).then_some((scheme, rest))
}

fn path(path: PathBuf) -> Result<Location> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Error::argument("the file name contains a NUL byte"));
    }
    Ok(Location::Path(path))
}

/// A name that is no UTF-8 can be a path, never a URL.
fn parse_bytes_that_are_not_text(name: &Path) -> Result<Location> {
    match split_scheme(&name.to_string_lossy()) {
        Some((scheme, _)) => {
            Err(Error::argument(format!("the {scheme}:// name is not UTF-8: percent-escape its bytes outside ASCII")))
        }
        None => path(name.to_path_buf()),
    }
}

/// The path of `file://host/path`, percent-decoded.
fn file_path(rest: &str) -> Result<Location> {
    let (host, encoded) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return Err(Error::argument(format!(
            "file:// names a file on host '{host}', but only this machine's files can be opened: \
             use file:///path (three slashes) or the plain path"
        )));
    }
    if encoded.is_empty() {
        return Err(Error::argument("the file:// name has no path: use file:///path (three slashes)"));
    }
    if let Some(at) = malformed_escape(encoded) {
        return Err(Error::argument(format!(
            "the file:// name has a malformed percent escape '{}': write a literal % as %25",
            encoded.get(at..).unwrap_or_default().chars().take(3).collect::<String>()
        )));
    }
    path(PathBuf::from(os_string(percent_decode_str(encoded).collect())?))
}

/// Where the first `%` stands that two hexadecimal digits don't follow.
fn malformed_escape(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    text.match_indices('%').map(|(at, _)| at).find(|&at| {
        let digits = bytes.get(at + 1..at + 3);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> Result<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Ok(OsString::from_vec(bytes))
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> Result<OsString> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(Error::argument("the path of the file:// name is not UTF-8")),
    }
}

fn web_url(text: &str) -> Result<Url> {
    // The URL parser would silently drop tabs and line breaks.
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err(Error::argument(format!(
            "the URL {} contains a control character: percent-escape it",
            safe_excerpt(text)
        )));
    }
    Url::parse(text).map_err(|error| Error::argument(format!("the URL {} is malformed: {error}", safe_excerpt(text))))
}

/// An ftp URL also becomes lines of a protocol after percent-decoding, so no escape may hide a line break.
fn ftp_url(text: &str) -> Result<Url> {
    let url = web_url(text)?;
    let parts = [url.username(), url.password().unwrap_or_default(), url.path(), url.query().unwrap_or_default()];
    let breaks_lines = |part: &str| percent_decode_str(part).any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    if parts.into_iter().any(breaks_lines) {
        return Err(Error::argument(format!(
            "the URL {} contains an escaped line break or NUL, which FTP can't express",
            display_url(&url)
        )));
    }
    if without_type_code(url.path()).ends_with('/') {
        return Err(Error::argument(format!("the URL {} names a directory, not a file", display_url(&url))));
    }
    Ok(url)
}

/// A URL that may not parse, for a message: nothing in front of the last `@` is shown, it may be a password, and no
/// value of a query parameter that grants access.
pub(crate) fn safe_excerpt(text: &str) -> String {
    let Some((scheme, rest)) = split_scheme(text) else { return text.escape_debug().to_string() };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let shown = match rest.split_once('?') {
        Some((path, query)) => {
            let masked: Vec<Cow<'_, str>> = query.split('&').map(mask_secret).collect();
            format!("{scheme}://{path}?{}", masked.join("&"))
        }
        None => format!("{scheme}://{rest}"),
    };
    shown.escape_debug().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]
mod tests;
