//! Redirects, and what of the credentials goes where: to the host they are for, and never into a message.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, TcpListener};

use common::*;
use rustfits::{Error, ErrorKind, Fetcher, FitsReader, FitsWriter, OpenOptions, RemoteMode};
use rustfits_loopback::{Authority, CertificateKind, HttpOptions, HttpServer};

const AUTHORIZATION: &str = "Basic dXNlcjpoaWRkZW4="; // user:hidden

fn server() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    server
}

/// A URL with a user and a password in front of the host.
fn with_login(url: &str) -> String {
    url.replacen("://", "://user:hidden@", 1)
}

/// A URL as a value in a query.
fn escaped(url: &str) -> String {
    url.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('?', "%3F")
}

/// Two requested headers, and one that the user may well regard as a secret.
fn with_headers(mode: RemoteMode) -> OpenOptions {
    with_remote(|remote| {
        remote.mode = mode;
        remote.headers = vec![("X-Token".into(), "hidden".into()), ("X-Other".into(), "b".into())];
    })
}

fn refused(url: String) -> Error {
    promptly(move || failure(FitsReader::open(url).wait()))
}

#[test]
fn ten_redirects_are_followed_and_no_more() {
    let server = server();
    assert_sample(&FitsReader::open(server.url("/a.fits?hops=10")).wait().unwrap());
    assert_eq!(server.requests().len(), 11);
    let error = refused(server.url("/a.fits?hops=11"));
    assert_eq!(error.kind(), ErrorKind::Status(302), "{error:?}");
    assert_says(&error, &["redirects", "/a.fits?hops=11"]);
    server.clear_log();
    let error = refused(server.url("/a.fits?loop"));
    assert_eq!(error.kind(), ErrorKind::Status(302));
    assert_eq!(server.requests().len(), 11);
}

#[test]
fn every_redirect_status_is_followed() {
    let server = server();
    for status in [301, 302, 303, 307, 308] {
        let url = server.url(&format!("/b.fits?redirect=/a.fits&status={status}"));
        let fits = FitsReader::open(&url).wait().unwrap();
        assert_sample(&fits);
        assert_eq!(fits.name(), url);
    }
    let relative = server.url("/dir/x.fits?redirect=../a.fits");
    assert_sample(&FitsReader::open(relative).wait().unwrap());
}

#[test]
fn redirects_to_other_schemes_are_not_followed() {
    let server = server();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for target in [format!("ftp://{address}/a.fits"), "file:///etc/passwd".into(), "data:,x".into()] {
        let error = refused(server.url(&format!("/a.fits?redirect={target}")));
        assert_eq!(error.kind(), ErrorKind::Status(302), "{error:?}");
        assert_says(&error, &["redirects", target.split(':').next().unwrap()]);
    }
    assert!(listener.accept().is_err(), "it connected");
}

#[test]
fn https_never_leads_to_http() {
    let plain = server();
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    authority.write_pem(&pem);
    let secure = HttpOptions::new().tls(&authority, CertificateKind::Right).start();
    secure.put("/a.fits", sample());
    let options = with_remote(|remote| remote.ca_file = Some(pem));
    let url = secure.url(&format!("/a.fits?redirect={}", plain.url("/a.fits")));
    let error = failure(FitsReader::open_with(url, options.clone()).wait());
    assert_eq!(error.kind(), ErrorKind::Status(302), "{error:?}");
    assert_says(&error, &["https", "not followed"]);
    assert!(plain.requests().is_empty());
    // The other way is an improvement.
    let url = plain.url(&format!("/a.fits?redirect={}", secure.url("/a.fits")));
    assert_sample(&FitsReader::open_with(url, options).wait().unwrap());
}

#[test]
fn a_login_goes_to_its_host_only() {
    let (first, second) = (server(), server());
    let url = with_login(&first.url(&format!("/a.fits?redirect={}", second.url("/a.fits"))));
    let fits = FitsReader::open_with(&url, with_headers(RemoteMode::Whole)).wait().unwrap();
    assert_sample(&fits);
    let [request] = &first.requests()[..] else { panic!() };
    assert_eq!(request.header("authorization"), Some(AUTHORIZATION));
    assert_eq!((request.header("x-token"), request.header("x-other")), (Some("hidden"), Some("b")));
    let [request] = &second.requests()[..] else { panic!() };
    for header in ["authorization", "x-token", "x-other"] {
        assert_eq!(request.header(header), None);
    }
    // Whoever redirects does not choose as whom we log in.
    first.clear_log();
    second.clear_log();
    let url = first.url(&format!("/a.fits?redirect={}", escaped(&with_login(&second.url("/a.fits")))));
    assert_sample(&FitsReader::open(url).wait().unwrap());
    assert_eq!(second.requests()[0].header("authorization"), None);
}

#[test]
fn a_login_stays_on_the_same_host() {
    let server = HttpOptions::new().user("user", "hidden").start();
    server.put("/a.fits", sample());
    assert_eq!(refused(server.url("/a.fits")).kind(), ErrorKind::Status(401));
    let fits = FitsReader::open(with_login(&server.url("/a.fits?hops=2"))).wait().unwrap();
    assert_sample(&fits);
    assert_eq!(fits.name(), server.url("/a.fits?hops=2"));
    assert!(server.requests().iter().skip(1).all(|request| request.header("authorization") == Some(AUTHORIZATION)));
    let special = HttpOptions::new().user("us er", "p@ss:w/\u{f6}rd").start();
    special.put("/a.fits", sample());
    let url = special.url("/a.fits").replacen("://", "://us%20er:p%40ss%3Aw%2F%C3%B6rd@", 1);
    assert_sample(&FitsReader::open(url).wait().unwrap());
}

#[test]
fn ranges_follow_a_redirect_and_the_login_does_not() {
    let (first, second) = (server(), server());
    let url = with_login(&first.url(&format!("/a.fits?redirect={}", second.url("/a.fits"))));
    let fits = FitsReader::open_with(url, with_headers(RemoteMode::Ranged)).wait().unwrap();
    assert_sample(&fits);
    for request in second.requests() {
        assert_eq!((request.status, request.header("authorization"), request.header("x-token")), (206, None, None));
        assert!(request.range.is_some());
    }
    assert!(first.requests().iter().all(|request| request.header("authorization") == Some(AUTHORIZATION)));
}

#[test]
fn headers_that_would_break_the_request_are_refused_before_any_connection() {
    let server = server();
    for (name, value) in [("X-A", "hidden\r\nX-B: c"), ("X-A\r\nX-B", "c"), ("X A", "c"), ("", "c"), ("X-A", "a\nb")] {
        let options = with_remote(|remote| remote.headers = vec![(name.into(), value.into())]);
        let error = failure(FitsReader::open_with(server.url("/a.fits"), options).wait());
        assert_eq!(error.kind(), ErrorKind::Argument, "{error:?}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
    for name in ["/a.fits\r\nX: y", "/a.fits HTTP/1.1\r\n\r\nGET /b", "/a\tb.fits", "/a\0.fits"] {
        assert_eq!(failure(FitsReader::open(server.url(name)).wait()).kind(), ErrorKind::Argument);
    }
    assert_eq!(server.connections().accepted, 0);
}

#[test]
fn no_message_shows_a_credential() {
    let server = server();
    server.put("/junk.fits", vec![b'x'; 9000]);
    for words in [
        "status=404",
        "status=503",
        "cut=1000",
        "stall=1000",
        "stall_head",
        "endless_header",
        "html",
        "loop",
        "hops=11",
        "redirect=ftp://host/a.fits",
        "redirect=http://[broken/a.fits",
        "badrange",
        "norange",
        "wronglength=99999",
    ] {
        for mode in [RemoteMode::Whole, RemoteMode::Ranged] {
            let options = with_remote(|remote| {
                remote.mode = mode;
                remote.timeout = limits(200);
                remote.headers = vec![("X-Token".into(), "hidden".into())];
            });
            let url = with_login(&server.url(&format!("/a.fits?{words}&X-Amz-Signature=hidden")));
            let opened = promptly(move || FitsReader::open_with(url, options).wait());
            let fits = match opened {
                Ok(fits) => fits,
                Err(error) => {
                    let shown = format!("{error} {error:?} {:?}", error.file());
                    assert!(!shown.contains("hidden") && !shown.contains("user"), "{words}: {shown}");
                    continue;
                }
            };
            assert!(!format!("{fits:?} {}", fits.name()).contains("hidden"));
            if let Err(error) = promptly(move || fits.image(0).read::<f32>().wait()) {
                assert!(!format!("{error:?}").contains("hidden"), "{words}: {error:?}");
            }
        }
    }
    let error = refused(with_login(&server.url("/junk.fits?token=hidden")));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!error.to_string().contains("hidden"), "{error}");
    let error = refused("http://user:hidden@127.0.0.1:1/a.fits".into());
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(!error.to_string().contains("hidden"), "{error}");
    for url in [
        "http://user:hidden@127.0.0.1:99999/",
        "https://user:hidden@[broken/",
        "s3://user:hidden@bucket/a",
        "s3://bucket/a?X-Amz-Signature=hidden&b=c",
    ] {
        for error in [refused(url.into()), failure(FitsWriter::create(url).wait())] {
            assert_eq!(error.kind(), ErrorKind::Argument);
            assert!(!format!("{error:?} {:?}", error.file()).contains("hidden"), "{error:?}");
        }
        let shown = format!("{:?}", Fetcher::new().fetch([url]).wait().next().unwrap());
        assert!(!shown.contains("hidden") && !shown.contains("user"), "{shown}");
    }
}
