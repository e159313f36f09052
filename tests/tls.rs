//! Https: whom we trust, and what a refusal says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::*;
use rustfits::{Error, ErrorKind, FitsReader, OpenOptions, Remote};
use rustfits_loopback::{Authority, CertificateKind, HttpOptions, HttpServer};
use tempfile::TempDir;

/// Names the URL for a child process that runs one test of this file.
const URL: &str = "RUSTFITS_TEST_URL";

/// An https server, and a directory with its authority's file.
fn server(kind: CertificateKind) -> (HttpServer, TempDir, PathBuf) {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    authority.write_pem(&pem);
    let server = HttpOptions::new().tls(&authority, kind).start();
    server.put("/a.fits", sample());
    (server, directory, pem)
}

fn trusting(pem: &std::path::Path) -> OpenOptions {
    with_remote(|remote| remote.ca_file = Some(pem.to_owned()))
}

fn refused(url: String, options: OpenOptions) -> Error {
    promptly(move || failure(FitsReader::open_with(url, options).wait()))
}

#[test]
fn an_authority_given_in_the_options_is_trusted() {
    let (server, _directory, pem) = server(CertificateKind::Right);
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), trusting(&pem)).wait().unwrap());
    let ranged = OpenOptions {
        remote: Some(Remote { ca_file: Some(pem.clone()), ..Remote::ranged() }),
        ..OpenOptions::default()
    };
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), ranged).wait().unwrap());
    // By its address, too, which the certificate names.
    let by_address = server.url("/a.fits").replace("localhost", "127.0.0.1");
    assert_sample(&FitsReader::open_with(by_address, trusting(&pem)).wait().unwrap());
}

#[test]
fn an_unknown_authority_says_what_to_set() {
    let (server, _directory, _) = server(CertificateKind::Right);
    let error = refused(server.url("/a.fits"), OpenOptions::default());
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert_says(&error, &["localhost", "SSL_CERT_FILE", "ca_file", &server.url("/a.fits")]);
    assert!(!error.is_transient());
    // Another authority's file does not help.
    let (_other, _directory, pem) = self::server(CertificateKind::Right);
    assert_eq!(refused(server.url("/a.fits"), trusting(&pem)).kind(), ErrorKind::Io);
    assert!(server.requests().is_empty());
    eventually("the connections are closed", || server.connections().open == 0);
}

#[test]
fn a_certificate_of_another_host_is_refused() {
    let (server, _directory, pem) = server(CertificateKind::WrongHost);
    let error = refused(server.url("/a.fits"), trusting(&pem));
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert_says(&error, &["another host", "localhost"]);
    assert!(server.requests().is_empty());
}

#[test]
fn an_expired_certificate_is_refused() {
    let (server, _directory, pem) = server(CertificateKind::Expired);
    let error = refused(server.url("/a.fits"), trusting(&pem));
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert_says(&error, &["localhost", "xpired"]);
    assert!(!error.is_transient() && server.requests().is_empty());
}

#[test]
fn a_file_that_is_no_authority_is_named() {
    let (server, directory, pem) = server(CertificateKind::Right);
    let missing = directory.path().join("missing.pem");
    let error = refused(server.url("/a.fits"), trusting(&missing));
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert_says(&error, &["missing.pem"]);
    std::fs::write(&pem, "nothing of use").unwrap();
    let error = refused(server.url("/a.fits"), trusting(&pem));
    assert_eq!(error.kind(), ErrorKind::Argument, "{error:?}");
    assert_says(&error, &["ca.pem", "no certificate"]);
    assert!(server.requests().is_empty());
}

#[test]
fn the_wrong_protocol_on_a_port() {
    let plain = HttpServer::start();
    // It waits for the end of a header that never comes.
    let error = refused(plain.url("/a.fits").replace("http:", "https:"), impatient());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    let (secure, _directory, _) = server(CertificateKind::Right);
    let error = refused(secure.url("/a.fits").replace("https:", "http:"), OpenOptions::default());
    assert!(matches!(error.kind(), ErrorKind::Network | ErrorKind::Corrupt), "{error:?}");
}

#[test]
fn a_body_cut_off_is_found_out_under_tls_too() {
    let (server, _directory, pem) = server(CertificateKind::Right);
    for words in ["norange&cut=5000", "norange&chunked&cut=5000", "norange&cut=5000&reset", "norange&nolength&cut=5000"]
    {
        let error = refused(server.url(&format!("/a.fits?{words}")), trusting(&pem));
        assert_eq!(error.kind(), ErrorKind::Network, "{words}: {error:?}");
    }
}

#[test]
fn many_at_once_share_their_connections() {
    let (server, _directory, pem) = server(CertificateKind::Right);
    for _ in 0..5 {
        assert_sample(&FitsReader::open_with(server.url("/a.fits"), trusting(&pem)).wait().unwrap());
    }
    assert_eq!(server.connections().accepted, 1);
    let opens = (0..16).map(|_| FitsReader::open_with(server.url("/a.fits"), trusting(&pem)));
    let opened = block_on(futures_util::future::join_all(opens));
    opened.into_iter().for_each(|fits| assert_sample(&fits.unwrap()));
}

#[test]
fn the_environment_names_an_authority() {
    let (server, directory, pem) = server(CertificateKind::Right);
    let child = |file: &std::path::Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_reads_the_url_of_its_environment"]);
        command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").env(URL, server.url("/a.fits"));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (success, output) = child(&pem);
    assert!(success && server.requests().len() == 1, "{output}");
    let (success, output) = child(&directory.path().join("typo.pem"));
    assert!(!success && output.contains("SSL_CERT_FILE") && output.contains("typo.pem"), "{output}");
}

/// Does nothing unless it is run by the test above.
#[test]
fn child_reads_the_url_of_its_environment() {
    if let Ok(url) = std::env::var(URL) {
        assert_sample(&FitsReader::open(url).wait().unwrap());
    }
}
