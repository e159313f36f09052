//! Who we are to servers, and the ways through proxies: `auth`, client certificates, netrc, SOCKS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::process::Command;

use common::*;
use rustfits::{Auth, ClientCertificate, Error, ErrorKind, FitsReader, OpenOptions, Remote};
use rustfits_loopback::{Authority, FtpOptions, HttpOptions, HttpServer, SocksProxy};

/// Names the URL for a child process that runs one test of this file.
const URL: &str = "RUSTFITS_TEST_URL";

fn basic(user: &str, password: &str) -> Auth {
    Auth::Basic { user: user.to_owned(), password: password.to_owned() }
}

fn with_auth(auth: Auth) -> OpenOptions {
    with_remote(|remote| remote.auth = Some(auth))
}

fn refused(url: String, options: OpenOptions) -> Error {
    promptly(move || failure(FitsReader::open_with(url, options).wait()))
}

#[test]
fn user_and_password_are_sent_and_stay_with_their_host() {
    let server = HttpOptions::new().user("ann", "s3cret").start();
    server.put("/a.fits", sample());
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), with_auth(basic("ann", "s3cret"))).wait().unwrap());
    let error = refused(server.url("/a.fits"), with_auth(basic("ann", "wr0ng")));
    assert_eq!(error.kind(), ErrorKind::Status(401));
    assert!(!error.to_string().contains("wr0ng"), "{error}");
    // What the URL says counts more.
    let named = server.url("/a.fits").replace("http://", "http://ann:s3cret@");
    assert_sample(&FitsReader::open_with(named, with_auth(basic("bob", "x"))).wait().unwrap());
    let other = HttpServer::start();
    other.put("/a.fits", sample());
    let away = server.url(&format!("/a.fits?redirect={}", other.url("/a.fits")));
    assert_sample(&FitsReader::open_with(away, with_auth(basic("ann", "s3cret"))).wait().unwrap());
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[test]
fn a_token_is_sent_by_http_and_refused_for_ftp() {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    let options = with_auth(Auth::Bearer("t0ken".to_owned()));
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), options.clone()).wait().unwrap());
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer t0ken"));
    let error = refused("ftp://127.0.0.1:1/a.fits".to_owned(), options);
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(!error.to_string().contains("t0ken"), "{error}");
}

#[test]
fn ftp_logs_in_by_user_and_password() {
    let server = FtpOptions::new().user("ann", "s3cret").start_scripted(&[]);
    server.put("/a.fits", sample());
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), with_auth(basic("ann", "s3cret"))).wait().unwrap());
    assert!(server.commands().contains(&"USER ann".to_owned()), "{:?}", server.commands());
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_ours() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    authority.write_pem(path("ca.pem"));
    let (certificate, key) = authority.client();
    std::fs::write(path("cert.pem"), &certificate).unwrap();
    std::fs::write(path("key.pem"), &key).unwrap();
    std::fs::write(path("both.pem"), format!("{certificate}{key}")).unwrap();
    let server = HttpOptions::new().mutual_tls(&authority).start();
    server.put("/a.fits", sample());
    let options = |cert: Option<&str>, key: Option<&str>| {
        with_remote(|remote| {
            remote.ca_file = Some(path("ca.pem"));
            remote.client_cert = cert.map(|cert| ClientCertificate { cert: path(cert), key: key.map(path) });
        })
    };
    for (cert, key) in [("cert.pem", Some("key.pem")), ("both.pem", None)] {
        assert_sample(&FitsReader::open_with(server.url("/a.fits"), options(Some(cert), key)).wait().unwrap());
    }
    refused(server.url("/a.fits"), options(None, None));
    let error = refused(server.url("/a.fits"), options(Some("cert.pem"), None));
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_says(&error, &["client_cert", "PRIVATE KEY"]);
}

fn through(proxy: &str) -> OpenOptions {
    with_remote(|remote| remote.proxy = Some(proxy.to_owned()))
}

#[test]
fn a_socks_proxy_is_gone_through_and_looks_up_the_host() {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    let port = server.address().port();
    let proxy = SocksProxy::start(Some(("ann", "s3cret")));
    for scheme in ["socks5", "socks5h"] {
        let through = through(&format!("{scheme}://ann:s3cret@{}", proxy.address()));
        let url = format!("http://archive.invalid:{port}/a.fits");
        assert_sample(&FitsReader::open_with(&url, through.clone()).wait().unwrap());
        let ranged = OpenOptions {
            remote: Some(Remote { mode: rustfits::RemoteMode::Ranged, ..through.remote.unwrap() }),
            ..OpenOptions::default()
        };
        assert_sample(&FitsReader::open_with(&url, ranged).wait().unwrap());
    }
    assert!(proxy.asked().iter().all(|asked| *asked == format!("archive.invalid:{port}")), "{:?}", proxy.asked());
    let error = refused(server.url("/a.fits"), through(&format!("socks5://ann:wr0ng@{}", proxy.address())));
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(!error.to_string().contains("wr0ng"), "{error}");
    // Directly, whatever the environment says.
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), through("")).wait().unwrap());
}

#[test]
fn https_goes_through_socks_too() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    authority.write_pem(&pem);
    let server = HttpOptions::new().tls(&authority, rustfits_loopback::CertificateKind::Right).start();
    server.put("/a.fits", sample());
    let proxy = SocksProxy::start(None);
    let options = with_remote(|remote| {
        remote.ca_file = Some(pem);
        remote.proxy = Some(format!("socks5://{}", proxy.address()));
    });
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), options).wait().unwrap());
    assert_eq!(proxy.asked(), [format!("localhost:{}", server.address().port())]);
}

#[test]
fn what_is_no_proxy_is_refused_and_not_passed_by() {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    for proxy in ["proxy", "ftp://host:1", "socks4://host:1", "http://", "https://ann:s3cret@host"] {
        let error = refused(server.url("/a.fits"), through(proxy));
        assert_eq!(error.kind(), ErrorKind::Argument, "{proxy}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert!(server.requests().is_empty());
    let error = refused("ftp://127.0.0.1:1/a.fits".to_owned(), through("http://127.0.0.1:1"));
    assert_eq!(error.kind(), ErrorKind::Argument);
}

/// What the child does whose environment the tests set. Run as a test of its own it does nothing.
#[test]
fn child() {
    let Some(url) = std::env::var_os(URL) else { return };
    assert_sample(&FitsReader::open(url).wait().unwrap());
}

fn child_opens(url: &str, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child"]).env(URL, url).env(variable, value);
    command.output().unwrap().status.success()
}

#[test]
fn netrc_and_all_proxy_hold() {
    let server = HttpOptions::new().user("ann", "s3cret").start();
    server.put("/a.fits", sample());
    let directory = tempfile::tempdir().unwrap();
    let netrc = directory.path().join("netrc");
    std::fs::write(&netrc, "machine 127.0.0.1 login ann password s3cret\n").unwrap();
    assert!(child_opens(&server.url("/a.fits"), "NETRC", &netrc));
    std::fs::write(&netrc, "machine elsewhere login ann password s3cret\ndefault login ann password s3cret\n").unwrap();
    assert!(!child_opens(&server.url("/a.fits"), "NETRC", &netrc));
    let (open, proxy) = (HttpServer::start(), SocksProxy::start(None));
    open.put("/a.fits", sample());
    let url = format!("http://archive.invalid:{}/a.fits", open.address().port());
    assert!(child_opens(&url, "ALL_PROXY", format!("socks5h://{}", proxy.address())));
    assert_eq!(proxy.asked().len(), 1);
}
