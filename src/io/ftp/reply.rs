//! What a server's refusal means for the user.

use std::time::{Duration, SystemTime};

use suppaftp::FtpError;
use suppaftp::types::Response;

use super::target::Target;
use crate::error::{Error, ErrorKind};

/// The days from the first of March of the year 0 to 1970, and one.
const DAYS_TO_1970: u64 = 719_469;
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

/// The date that MDTM gives, `YYYYMMDDHHMMSS` and perhaps a fraction, as http has it.
pub(super) fn http_date(text: &str) -> Option<String> {
    let digits = text.get(..14).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    // Days since 1970 in the calendar that runs from March to February.
    let (shifted, of_year) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (of_year * 153 + 2) / 5 + day;
    let seconds =
        days.checked_sub(DAYS_TO_1970)? * 86_400 + number(8..10)? * 3600 + number(10..12)? * 60 + number(12..14)?;
    let legal = (1..=12).contains(&month) && (1..=31).contains(&day);
    legal.then(|| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
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
    let code = code(response);
    let kind = match code {
        430 | 530 | 532 | 332 => ErrorKind::PermissionDenied,
        550 => ErrorKind::NotFound,
        500..=599 => ErrorKind::Io,
        // 4xx means "try again later"; anything else is out of place, as from a connection that got out of step.
        _ => ErrorKind::Network,
    };
    let text = shown(response, target);
    Error::new(kind, format!("the server answered \"{text}\" ({doing})")).with_reply(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_mdtm_are_read() {
        for (text, date) in [
            ("19941106084937", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("20240229235959.123", "Thu, 29 Feb 2024 23:59:59 GMT"),
            ("19700101000000", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("20000301000000", "Wed, 01 Mar 2000 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(text).as_deref(), Some(date));
        }
        for text in ["", "1994110608493", "1994-11-06T08:49", "19690101000000", "19941306084937", "19941100084937"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
