//! URLs: requested without their credentials, followed only where that is safe.

use crate::io::location::display_url;
use crate::io::netrc;
use crate::options::Auth;
use crate::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

/// The URL as it is requested. Percent-escapes and the query stay as they are.
pub(super) fn request_uri(url: &Url) -> Result<Uri> {
    let uri = bare(url).as_str().parse();
    uri.map_err(|error| Error::argument(format!("a URL that can't be requested: {error}")))
}

/// The `Authorization` that the URL's user name and password stand for; else that of `auth=`, else what netrc has for the host.
pub(super) fn authorization(url: &Url, auth: Option<&Auth>) -> Result<Option<HeaderValue>> {
    let text = if !url.username().is_empty() || url.password().is_some() {
        let (user, password) =
            (percent_decode_str(url.username()), percent_decode_str(url.password().unwrap_or_default()));
        basic(&user.collect::<Vec<u8>>(), &password.collect::<Vec<u8>>())
    } else {
        match auth {
            Some(Auth::Bearer(token)) => format!("Bearer {token}"),
            Some(Auth::Basic { user, password }) => basic(user.as_bytes(), password.as_bytes()),
            None => match netrc::login(url.host_str().unwrap_or_default()) {
                Some(login) => basic(login.user.as_bytes(), login.password.as_bytes()),
                None => return Ok(None),
            },
        }
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Error::argument("auth= or the URL's user name and password can't be sent"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn basic(user: &[u8], password: &[u8]) -> String {
    format!("Basic {}", BASE64_STANDARD.encode([user, b":", password].concat()))
}

/// Whether both URLs lead to the same host and port: only then may credentials go from one to the other.
pub(super) fn same_host(one: &Url, other: &Url) -> bool {
    one.host() == other.host() && one.port_or_known_default() == other.port_or_known_default()
}

/// Where a redirect from `from` leads, or why it is not followed.
///
/// Credentials in a `Location` that leads to another host are dropped: whoever redirects must not choose as whom we log in.
pub(super) fn redirect_target(from: &Url, location: Option<&HeaderValue>) -> Result<Url, String> {
    let location = location.ok_or("without saying where to")?;
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| "to a URL that is not UTF-8")?;
    let mut target = from.join(location).map_err(|error| format!("to an invalid URL ({error})"))?;
    match (from.scheme(), target.scheme()) {
        ("http", "http") | (_, "https") => {}
        ("https", "http") => return Err(format!("from https to {}, which is not followed", display_url(&target))),
        (_, scheme) => return Err(format!("to a {scheme}: URL, which is not followed")),
    }
    if !same_host(from, &target) {
        target = bare(&target);
    }
    Ok(target)
}

/// The URL without user name, password and fragment, none of which belongs in a request line.
fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    // These fail only for a URL without a host, which has no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_become_a_header() {
        let url = Url::parse("https://ann:se%40cret@example.org/a%20b.fits?sig=1&x=%2F#part").unwrap();
        assert_eq!(request_uri(&url).unwrap().to_string(), "https://example.org/a%20b.fits?sig=1&x=%2F");
        assert_eq!(
            authorization(&url, Some(&Auth::Bearer("other".to_owned()))).unwrap().unwrap(),
            "Basic YW5uOnNlQGNyZXQ="
        );
        let url = Url::parse("https://example.org/").unwrap();
        let bearer = authorization(&url, Some(&Auth::Bearer("t0ken".to_owned()))).unwrap().unwrap();
        assert!(bearer == "Bearer t0ken" && bearer.is_sensitive());
        let broken = authorization(&url, Some(&Auth::Bearer("s3cret\r\nX: y".to_owned()))).unwrap_err();
        assert!(!broken.to_string().contains("s3cret"));
    }

    #[test]
    fn unusual_characters_can_be_requested() {
        for text in ["http://host/a|b.fits", "http://host/a[1]{2}.fits?x={y}|z", "http://[::1]:8080/ü.fits"] {
            let url = Url::parse(text).unwrap();
            assert!(request_uri(&url).is_ok(), "{text}");
        }
    }

    #[test]
    fn redirects_lead_only_where_it_is_safe() {
        let from = Url::parse("https://ann:secret@example.org/dir/a.fits").unwrap();
        let target = |location: &'static str| redirect_target(&from, Some(&HeaderValue::from_static(location)));
        assert_eq!(target("b.fits").unwrap().as_str(), "https://ann:secret@example.org/dir/b.fits");
        assert_eq!(target("https://bob:x@other.org/b").unwrap().as_str(), "https://other.org/b");
        assert_eq!(target("//example.org:444/b").unwrap().as_str(), "https://example.org:444/b");
        for location in ["http://example.org/a.fits", "file:///etc/passwd", "ftp://example.org/a.fits", "https://"] {
            let reason = target(location).unwrap_err();
            assert!(!reason.contains("secret"), "{reason}");
        }
        assert!(redirect_target(&from, None).is_err());
    }
}
