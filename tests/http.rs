//! Whole files over http: what is asked for, what comes, and everything that can be wrong with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use rustfits::{Error, ErrorKind, FitsReader, OpenOptions, Timeout};
use rustfits_loopback::HttpServer;

fn server() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    server.put("/a.fits.gz", gzip(&sample()));
    server
}

/// Opens `/a.fits` with these words.
fn open(server: &HttpServer, words: &str) -> rustfits::Result<FitsReader> {
    FitsReader::open(server.url(&format!("/a.fits?{words}"))).wait()
}

/// The error of an open that must not hang; it names the URL.
fn refused(server: &HttpServer, path: &str, options: OpenOptions) -> Error {
    let url = server.url(path);
    let error = promptly(move || failure(FitsReader::open_with(url, options).wait()));
    assert_says(&error, &[&server.url(path)]);
    error
}

#[test]
fn a_whole_file_is_one_request_without_a_range() {
    let server = server();
    let fits = FitsReader::open(server.url("/a.fits")).wait().unwrap();
    assert_sample(&fits);
    assert_sample(&block_on(FitsReader::open(server.url("/a.fits"))).unwrap());
    assert_sample(&rustfits::blocking::FitsReader::open(server.url("/a.fits")).unwrap().into_async());
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!((request.method.as_str(), request.path(), request.status), ("GET", "/a.fits", 200));
        assert_eq!(request.range, None);
        assert_eq!(request.body_sent, sample().len() as u64);
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert!(request.header("user-agent").unwrap().starts_with("rustfits/"));
        assert_eq!(request.header("authorization"), None);
    }
    assert_eq!(fits.name(), server.url("/a.fits"));
    assert_eq!(fits.warning(), None);
}

#[test]
fn a_large_file_comes_whole() {
    let server = HttpServer::start();
    let image = ramp(2000, 1500).into_dyn();
    server.put("/a.fits", one_image(&image));
    for words in ["", "?chunked", "?nolength", "?rate=60000000"] {
        let fits = FitsReader::open(server.url(&format!("/a.fits{words}"))).wait().unwrap();
        assert!(fits.image(0).read::<f32>().wait().unwrap() == image, "{words}");
    }
}

#[test]
fn statuses_are_errors_of_their_own_and_asked_for_again_where_that_may_help() {
    let server = server();
    for status in [400, 401, 403, 404, 410, 429, 500, 502, 503, 504] {
        server.clear_log();
        let error = refused(&server, &format!("/a.fits?status={status}"), OpenOptions::default());
        assert_eq!(error.kind(), ErrorKind::Status(status));
        assert_says(&error, &[&status.to_string()]);
        assert_eq!(error.is_transient(), status >= 429);
        assert_eq!(server.requests().len(), if error.is_transient() { 3 } else { 1 }, "{status}");
    }
    assert_eq!(refused(&server, "/none.fits", OpenOptions::default()).kind(), ErrorKind::Status(404));
}

#[test]
fn a_plain_open_does_not_need_head() {
    let server = server();
    assert_sample(&open(&server, "nohead").unwrap());
    assert!(server.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn nobody_listens() {
    let server = server();
    let url = server.url("/a.fits");
    drop(server);
    let error = promptly({
        let url = url.clone();
        move || failure(FitsReader::open(url).wait())
    });
    assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
    assert_says(&error, &[&url]);
}

#[test]
fn a_short_body_is_never_a_short_file() {
    let server = server();
    for words in [
        "cut=0",
        "norange&cut=1000",
        "norange&cut=5000&reset",
        "norange&cut=20000",
        "wronglength=3000000",
        "norange&chunked_cut=4000",
        "norange&chunked&cut=2880",
        "norange&chunked&cut=5000&reset",
    ] {
        let error = refused(&server, &format!("/a.fits?{words}"), OpenOptions::default());
        assert_eq!(error.kind(), ErrorKind::Network, "{words}: {error:?}");
        assert!(error.is_transient());
    }
    let error = refused(&server, "/a.fits?norange&cut=5000", OpenOptions::default());
    assert_says(&error, &["5000", &sample().len().to_string()]);
}

#[test]
fn a_body_that_is_longer_than_promised_is_cut_and_found_out() {
    let server = server();
    let fits = open(&server, "wronglength=5000").unwrap();
    assert_eq!(failure(fits.image(0).read::<f32>().wait()).kind(), ErrorKind::Truncated);
    // And what follows it on the connection is not taken for the next answer.
    assert_sample(&open(&server, "").unwrap());
}

#[test]
fn a_body_of_unknown_length_that_ends_early_is_found_out() {
    let server = server();
    let fits = open(&server, "nolength&cut=5000").unwrap();
    let error = failure(fits.image(0).read::<f32>().wait());
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &[&server.url("/a.fits?nolength&cut=5000")]);
}

#[test]
fn every_silence_has_its_time_limit() {
    let server = server();
    for (words, kind) in [
        ("stall_head", "answer"),
        ("stall=0", "idle"),
        ("norange&stall=5000", "5000"),
        ("norange&stall=5000&chunked", "5000"),
    ] {
        let error = refused(&server, &format!("/a.fits?{words}"), impatient());
        assert_eq!(error.kind(), ErrorKind::Timeout, "{words}: {error:?}");
        assert_says(&error, &[kind, "0.3"]);
    }
    eventually("the connections are closed", || server.connections().open == 0);
}

#[test]
fn a_body_that_trickles_has_only_the_limit_on_the_total() {
    let server = server();
    let total = |total| with_remote(|remote| remote.timeout = Timeout { total, ..Timeout::default() });
    let error = refused(&server, "/a.fits?rate=2000", total(Some(Duration::from_millis(300))));
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_says(&error, &["total"]);
    // 0.4 s in all, never silent for 0.3 s.
    let rate = sample().len() * 5 / 2;
    assert_sample(&FitsReader::open_with(server.url(&format!("/a.fits?rate={rate}")), impatient()).wait().unwrap());
}

#[test]
fn a_header_without_end_is_cut_off() {
    let server = server();
    let error = refused(&server, "/a.fits?endless_header", OpenOptions::default());
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    eventually("the connection is closed", || server.connections().open == 0);
}

#[test]
fn gzip_is_unpacked_while_it_comes() {
    let server = server();
    let size = gzip(&sample()).len();
    for path in [
        "/a.fits.gz".to_owned(),
        "/a.fits.gz?chunked".to_owned(),
        "/a.fits.gz?nolength".to_owned(),
        format!("/a.fits.gz?rate={}", 4 * size),
        // Packed once more on the way, though nobody asked for it.
        "/a.fits?gzip_encoding".to_owned(),
        "/a.fits.gz?gzip_encoding".to_owned(),
    ] {
        let fits = FitsReader::open(server.url(&path)).wait().unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_sample(&fits);
        assert_eq!(fits.warning(), None);
    }
    server.put("/plain.fits.gz", sample());
    assert_sample(&FitsReader::open(server.url("/plain.fits.gz")).wait().unwrap());
    server.put("/members.gz", sample().chunks(3000).flat_map(gzip).collect::<Vec<u8>>());
    assert_sample(&FitsReader::open(server.url("/members.gz")).wait().unwrap());
}

#[test]
fn damaged_gzip_is_found_out() {
    let server = server();
    let packed = gzip(&sample());
    server.put("/junk.gz", [&packed[..], b"more"].concat());
    let fits = FitsReader::open(server.url("/junk.gz")).wait().unwrap();
    assert_sample(&fits);
    assert!(fits.warning().unwrap().contains("no gzip"));
    server.put("/cut.gz", packed[..packed.len() / 2].to_vec());
    assert_eq!(refused(&server, "/cut.gz", OpenOptions::default()).kind(), ErrorKind::Truncated);
    let mut damaged = packed.clone();
    let at = packed.len() - 7;
    damaged[at] ^= 1;
    server.put("/crc.gz", damaged);
    assert_eq!(refused(&server, "/crc.gz", OpenOptions::default()).kind(), ErrorKind::Corrupt);
    // A connection that breaks is the connection's fault, not the file's.
    assert_eq!(refused(&server, "/a.fits.gz?norange&cut=500", OpenOptions::default()).kind(), ErrorKind::Network);
}

#[test]
fn a_web_page_in_place_of_the_file_is_named() {
    let server = server();
    let error = refused(&server, "/a.fits?html", OpenOptions::default());
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Truncated), "{error:?}");
    assert_says(&error, &["text/html", "DOCTYPE"]);
    assert!(!error.is_transient());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn empty_and_short_files() {
    let server = server();
    server.put("/empty.fits", Vec::new());
    server.put("/one.fits", b"S".to_vec());
    server.put("/short.fits", sample()[..2000].to_vec());
    server.put("/cut.fits", sample()[..4000].to_vec());
    let error = refused(&server, "/empty.fits", OpenOptions::default());
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &["empty"]);
    for (path, length) in [("/one.fits", "1 bytes"), ("/short.fits", "2000 bytes")] {
        let error = refused(&server, path, OpenOptions::default());
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert_says(&error, &[length]);
    }
    let fits = FitsReader::open(server.url("/cut.fits")).wait().unwrap();
    assert_eq!(failure(fits.image(0).read::<f32>().wait()).kind(), ErrorKind::Truncated);
}

#[test]
fn a_limit_on_the_size_holds_before_and_while_it_comes() {
    let server = server();
    let size = sample().len() as u64;
    let limit = |max| with_remote(|remote| remote.max_bytes = Some(max));
    for words in ["?rate=100000", "?chunked", "?nolength", "?gzip_encoding"] {
        let error = refused(&server, &format!("/a.fits{words}"), limit(size - 1));
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{words}: {error:?}");
        let url = server.url(&format!("/a.fits{words}"));
        assert_sample(&FitsReader::open_with(url, limit(size)).wait().unwrap());
    }
    server.clear_log();
    // What says beforehand that it is too large is not read.
    refused(&server, "/a.fits?stall=10", limit(size - 1));
    assert!(server.requests()[0].body_sent <= 10);
}

#[test]
fn odd_names_are_asked_for_as_they_are() {
    let server = HttpServer::start();
    for path in ["/a%20b.fits", "/%C3%A9.fits", "/a+b~c;d,e=f.fits", "/a.fits%3Fx"] {
        server.put(path, sample());
        assert_sample(&FitsReader::open(server.url(path)).wait().unwrap());
        assert_eq!(server.requests().last().unwrap().target, path);
    }
    let text = server.url("/\u{e9}.fits#fragment");
    assert_sample(&FitsReader::open(text).wait().unwrap());
    assert_eq!(server.requests().last().unwrap().target, "/%C3%A9.fits");
}
