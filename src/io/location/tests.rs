use std::path::{Path, PathBuf};

use super::{Location, display, is_gzip_name, parse, refuse_writing};
use crate::ErrorKind;

fn location(name: &str) -> Location {
    parse(Path::new(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refusal(name: &str) -> (ErrorKind, String) {
    let error = parse(Path::new(name)).expect_err(name);
    (error.kind(), error.to_string())
}

#[test]
fn names_without_a_scheme_are_paths() {
    for name in [
        "a.fits",
        "/data/a.fits",
        "a:b.fits",
        "12:30:00.fits",
        "a:/b",
        "http:/x",
        "file:/x",
        "dir/http://x",
        "1x://y",
        "://x",
        "a%20b.fits",
        "image.fits[1]",
        "é.fits",
        " -",
        "--",
    ] {
        assert_eq!(location(name), Location::Path(PathBuf::from(name)), "{name}");
    }
}

#[test]
fn file_names_are_decoded() {
    for (name, path) in [
        ("file:///data/a.fits", "/data/a.fits"),
        ("FILE:///data/a%20b%25.fits", "/data/a b%.fits"),
        ("file://localhost/a.fits", "/a.fits"),
        ("file://LocalHost/a.fits", "/a.fits"),
        ("file:///a%C3%A9.fits", "/aé.fits"),
        ("file:///a?b#c.fits", "/a?b#c.fits"),
        ("file:////a", "//a"),
    ] {
        assert_eq!(location(name), Location::Path(PathBuf::from(path)), "{name}");
        assert_eq!(display(&location(name)), path);
    }
}

#[test]
fn file_names_that_are_refused() {
    for (name, says) in [
        ("file:///a%2", "%2"),
        ("file:///a%zz.fits", "%zz"),
        ("file:///a%", "percent escape"),
        ("file:///%é1", "percent escape"),
        ("file://server/a.fits", "'server'"),
        ("file://a.fits", "three slashes"),
        ("file://", "three slashes"),
        ("file://localhost", "three slashes"),
        ("file:///a%00b", "NUL"),
        ("a\0b", "NUL"),
        ("", "the name of the file is empty"),
    ] {
        let (kind, message) = refusal(name);
        assert_eq!(kind, ErrorKind::Argument, "{name}");
        assert!(message.contains(says), "{name}: {message}");
    }
}

#[test]
#[cfg(unix)]
fn bytes_that_are_no_text_are_kept_in_paths() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let raw = Path::new(OsStr::from_bytes(b"/a\xff.fits"));
    assert_eq!(parse(raw).unwrap(), Location::Path(raw.to_path_buf()));
    assert_eq!(location("file:///a%FF.fits"), Location::Path(raw.to_path_buf()));
    let url = Path::new(OsStr::from_bytes(b"http://host/a\xff.fits"));
    assert_eq!(parse(url).unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn memory_and_urls_in_any_letter_case() {
    assert_eq!(location("mem://"), Location::Memory);
    assert_eq!(location("MemKeep://"), Location::Memory);
    let Location::Http(url) = location("HTTPS://Example.org/a%20b/c%2Fd.fits?x=%41&y=1") else { panic!() };
    assert_eq!(url.as_str(), "https://example.org/a%20b/c%2Fd.fits?x=%41&y=1");
    for name in ["ftp://example.org/a.fits", "FTPS://example.org:2121/%2Fa.fits;type=i"] {
        assert!(matches!(location(name), Location::Ftp(_)), "{name}");
    }
}

#[test]
fn what_is_not_built_says_how_to_do_without() {
    for (name, says) in [
        ("-", "from_bytes"),
        ("stream://", "from_bytes"),
        ("shmem://h1", "from_bytes"),
        ("root://host/x", "fetch the file first"),
        ("GSIFTP://host/x", "fetch the file first"),
    ] {
        let (kind, message) = refusal(name);
        assert_eq!(kind, ErrorKind::Unsupported, "{name}");
        assert!(message.contains(says), "{name}: {message}");
    }
    for name in ["s3://bucket/a.fits", "gopher://x", "stdin://", "x+y.z-1://a"] {
        let (kind, message) = refusal(name);
        assert_eq!(kind, ErrorKind::Argument, "{name}");
        assert!(message.contains("https://") && message.contains("mem://"), "{name}: {message}");
    }
}

#[test]
fn line_breaks_and_malformed_urls_are_refused() {
    for name in [
        "http://host/a\r\nX: y",
        "http://host/a\tb",
        "ftp://host/a%0D%0ADELE%20b",
        "ftp://us%0Aer@host/a",
        "ftp://u:p%0d@host/a",
        "ftp://host/a%00",
        "ftp://host/a?b%0A",
        "ftp://host/",
        "ftp://host",
        "ftp://host/dir/",
        "http://",
        "http://host:99999/",
        "http://[::1/a",
    ] {
        assert_eq!(refusal(name).0, ErrorKind::Argument, "{name}");
    }
    // Percent-escaped line breaks are harmless in http, which sends the escapes as they are.
    assert!(matches!(location("http://host/a%0Ab"), Location::Http(_)));
}

#[test]
fn credentials_are_never_shown() {
    let shown = display(&location("https://user:hidden@host/a.fits?x=1&X-Amz-Signature=hidden&Sig=hidden"));
    assert_eq!(shown, "https://host/a.fits?x=1&X-Amz-Signature=***&Sig=***");
    assert_eq!(display(&location("ftp://user:hidden@host/a.fits")), "ftp://host/a.fits");
    assert_eq!(display(&location("http://host/a%20b?q=%41")), "http://host/a%20b?q=%41");
    for name in [
        "http://user:hidden@host:99999/",
        "http://user:hid/hidden@host/",
        "ftp://user:hidden@host/a%0a",
        "http://user:hidden@host/\n",
    ] {
        let (_, message) = refusal(name);
        assert!(!message.contains("hid"), "{message}");
    }
}

#[test]
fn gzip_names() {
    for name in
        ["a.gz", "/x/a.FITS.GZ", "http://h/a.fits.gz?x=1", "ftp://h/a.Gz", "ftp://h/a.gz;type=i", "file:///a%2egz"]
    {
        assert!(is_gzip_name(&location(name)), "{name}");
    }
    for name in ["a.fits", "agz", "http://h/a.fits?f=a.gz", "mem://", "a.gz/b"] {
        assert!(!is_gzip_name(&location(name)), "{name}");
    }
}

#[test]
fn names_of_other_compressions_are_read_but_not_written() {
    for name in ["a.Z", "a.fits.z", "a.zip", "a.fits.BZ2", "a.xz"] {
        assert_eq!(refuse_writing(&location(name)).unwrap_err().kind(), ErrorKind::Unsupported, "{name}");
    }
    for name in ["a.fits", "a.gz", "Z", "mem://"] {
        refuse_writing(&location(name)).unwrap();
    }
}
