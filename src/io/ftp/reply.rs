//! What a server's refusal means for the user.

use suppaftp::FtpError;
use suppaftp::types::Response;

use super::target::Target;
use crate::error::{Error, ErrorKind};

/// The longest text of a server that is shown.
const SHOWN: usize = 300;

/// The error for a step that failed. Never contains the login.
pub(super) fn error(doing: &str, error: FtpError, target: &Target) -> Error {
    match error {
        FtpError::UnexpectedResponse(response) => refusal(doing, &response, target),
        FtpError::ConnectionError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::network(format!("the server closed the connection ({doing})"))
        }
        FtpError::ConnectionError(error) => Error::network(format!("{error} ({doing})")),
        FtpError::SecureError(text) if text.contains("certificate") => Error::new(
            ErrorKind::Io,
            format!(
                "TLS failed: {text} ({doing}); if the server's authority is a private one, name its PEM file in ca_file \
                 or SSL_CERT_FILE"
            ),
        ),
        FtpError::SecureError(text) => Error::network(format!("TLS failed: {text} ({doing})")),
        other => Error::network(format!("{other} ({doing})")),
    }
}

/// The three digits of a reply; 0 where there are none.
pub(super) fn code(response: &Response) -> u16 {
    response.body.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
}

/// A reply as text, for reading its numbers.
pub(super) fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).trim().to_owned()
}

/// A reply for a message: on one line, of bounded length, without the login that it may repeat.
pub(super) fn shown(response: &Response, target: &Target) -> String {
    // Credentials first: cutting could leave half a password.
    let words: Vec<String> =
        target.without_credentials(&text(response)).split_whitespace().map(str::to_owned).collect();
    words.join(" ").chars().filter(|character| !character.is_control()).take(SHOWN).collect()
}

fn refusal(doing: &str, response: &Response, target: &Target) -> Error {
    let kind = match code(response) {
        430 | 530 | 532 | 332 => ErrorKind::PermissionDenied,
        550 => ErrorKind::NotFound,
        500..=599 => ErrorKind::Io,
        // 4xx means "try again later"; anything else is out of place, as from a connection that got out of step.
        _ => ErrorKind::Network,
    };
    let text = shown(response, target);
    Error::new(kind, format!("the server answered \"{text}\" ({doing})"))
}
