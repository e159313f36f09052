//! `RemoteMode::Auto`: ranges where the server has them, else the whole file, and nothing asked for twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::s;
use rustfits::{ErrorKind, Fetcher, FitsReader, OpenOptions, Remote};
use rustfits_loopback::{FtpServer, HttpServer};

const ROWS: usize = 2000;

fn serving() -> HttpServer {
    let server = HttpServer::start();
    let large = one_image(&ramp(ROWS, 1000).into_dyn());
    server.put("/large.fits.gz", gzip(&large));
    // Gzip that does not say so by its name.
    server.put("/packed.fits", gzip(&large));
    server.put("/small.fits", sample());
    server.put("/large.fits", large);
    server
}

fn auto() -> OpenOptions {
    OpenOptions { remote: Some(Remote::auto()), ..OpenOptions::default() }
}

fn open(server: &HttpServer, path: &str) -> FitsReader {
    FitsReader::open_with(server.url(path), auto()).wait().unwrap()
}

fn assert_large(fits: &FitsReader) {
    let stamp = fits.image(0).section(s![1500..1510, 3..9]).read::<f32>().wait().unwrap();
    assert_eq!(stamp, ramp(ROWS, 1000).slice(s![1500..1510, 3..9]).into_dyn());
}

fn sent(server: &HttpServer) -> u64 {
    server.requests().iter().map(|request| request.body_sent).sum()
}

#[test]
fn a_server_with_ranges_is_asked_for_those_that_are_touched() {
    let server = serving();
    let fits = open(&server, "/large.fits");
    assert_large(&fits);
    assert_eq!(server.requests().len(), 2);
    assert!(sent(&server) < 100_000 && server.requests().iter().all(|request| request.range.is_some()));
}

#[test]
fn the_answer_of_a_server_without_ranges_is_used() {
    let server = serving();
    let fits = open(&server, "/large.fits?norange");
    assert_large(&fits);
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].status), (1, 200));
    assert_eq!(fits.to_bytes().wait().unwrap(), one_image(&ramp(ROWS, 1000).into_dyn()));
}

#[test]
fn a_body_that_breaks_is_gone_on_with() {
    let server = serving();
    let fetcher = Fetcher::builder().retries(2, std::time::Duration::from_millis(1)).open(auto()).build().unwrap();
    let urls = [server.url("/large.fits?norange&cut=1000000&cut_times=1")];
    let outcome = fetcher.fetch(urls).wait().next().unwrap();
    assert_large(&outcome.result.unwrap());
    let requests = server.requests();
    assert_eq!(requests[1].range.as_deref(), Some("bytes=1000000-"));
    assert_eq!((requests.len(), outcome.bytes), (2, sent(&server)));
}

#[test]
fn gzip_is_fetched_whole() {
    let server = serving();
    assert_large(&open(&server, "/large.fits.gz"));
    assert_eq!(server.requests().len(), 1);
    server.clear_log();
    // What came first is not fetched again.
    assert_large(&open(&server, "/packed.fits"));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(sent(&server), gzip(&one_image(&ramp(ROWS, 1000).into_dyn())).len() as u64);
}

#[test]
fn a_file_that_changes_in_between_is_fetched_anew() {
    let server = serving();
    assert_large(&open(&server, "/packed.fits?etag_changes&modified_changes"));
    assert_eq!(server.requests().last().unwrap().status, 200);
}

#[test]
fn what_is_too_large_and_has_no_ranges_says_how_to_read_it() {
    let server = serving();
    let ftp = FtpServer::start();
    ftp.put("/large.fits", one_image(&ramp(ROWS, 1000).into_dyn()));
    let limited = OpenOptions { remote: Some(Remote { max_bytes: Some(1 << 20), ..Remote::auto() }), ..auto() };
    let urls = [
        server.url("/large.fits?norange"),
        server.url("/large.fits?norange&chunked"),
        server.url("/large.fits.gz"),
        server.url("/packed.fits"),
        ftp.url("/large.fits"),
    ];
    for url in urls {
        let error = failure(FitsReader::open_with(&url, limited.clone()).wait());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert_says(&error, &[&url, "max_bytes=1048576", "can't be read by ranges", "rustfits.stream", "FitsStream"]);
    }
    // By ranges it takes no more than what is read of it.
    let fits = FitsReader::open_with(server.url("/large.fits"), limited).wait().unwrap();
    assert_large(&fits);
}

#[test]
fn small_and_ftp_files_open_as_ever() {
    let server = serving();
    assert_sample(&open(&server, "/small.fits"));
    assert_eq!(server.requests().len(), 1);
    let ftp = FtpServer::start();
    ftp.put("/a.fits", sample());
    assert_sample(&FitsReader::open_with(ftp.url("/a.fits"), auto()).wait().unwrap());
    let error = failure(FitsReader::open_with(server.url("/small.fits?html"), auto()).wait());
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Truncated), "{error:?}");
}
