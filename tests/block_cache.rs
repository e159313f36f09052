//! `BlockCache`: files that are read by ranges share what was fetched, and never get bytes of another version.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::s;
use rustfits::{BlockCache, FitsReader, OpenOptions, Remote, Result};
use rustfits_loopback::HttpServer;

const ROWS: usize = 2000;

fn image(first: f32) -> Vec<u8> {
    one_image(&(ramp(ROWS, 1000) + first).into_dyn())
}

fn serving() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", image(0.0));
    server
}

fn open(cache: &BlockCache, url: &str) -> Result<FitsReader> {
    let remote = Remote { cache: Some(cache.clone()), cache_bytes: 1 << 20, ..Remote::ranged() };
    FitsReader::open_with(url, OpenOptions { remote: Some(remote), ..OpenOptions::default() }).wait()
}

/// Reads a stamp in that row and says whether it is right.
fn stamp_is_right(fits: &FitsReader, row: usize, first: f32) -> bool {
    let section = s![row..row + 10, 500..510];
    let read = fits.image(0).section(section).read::<f32>().wait().unwrap();
    read == (ramp(ROWS, 1000) + first).slice(section).into_dyn()
}

/// How many requests have come since the log was last cleared, which it is then.
fn requests(server: &HttpServer) -> usize {
    let requests = server.requests().len();
    server.clear_log();
    requests
}

#[test]
fn what_one_file_fetched_serves_the_next() {
    let (server, cache) = (serving(), BlockCache::new(1 << 20));
    let url = server.url("/a.fits");
    for expected in [2, 1] {
        let fits = open(&cache, &url).unwrap();
        assert!(stamp_is_right(&fits, 1000, 0.0));
        assert_eq!(requests(&server), expected);
    }
    let (one, two) = (open(&cache, &url).unwrap(), open(&cache, &url).unwrap());
    assert_eq!(requests(&server), 2);
    assert!(stamp_is_right(&one, 300, 0.0) && stamp_is_right(&two, 300, 0.0));
    assert_eq!(requests(&server), 1);
    assert!(cache.bytes() > 32 << 10 && cache.bytes() <= cache.max_bytes());
    // Another URL is another file.
    server.put("/b.fits", image(7.0));
    assert!(stamp_is_right(&open(&cache, &server.url("/b.fits")).unwrap(), 1000, 7.0));
    assert!(stamp_is_right(&open(&cache, &server.url("/a.fits?x")).unwrap(), 1000, 0.0));
    assert_eq!(requests(&server), 4);
    cache.clear();
    assert!(stamp_is_right(&one, 1000, 0.0) && cache.bytes() > 0);
    assert_eq!(requests(&server), 1);
}

#[test]
fn a_file_that_changed_begins_with_nothing() {
    let (server, cache) = (serving(), BlockCache::new(1 << 20));
    let url = server.url("/a.fits");
    let before = open(&cache, &url).unwrap();
    assert!(stamp_is_right(&before, 1000, 0.0));
    server.put("/a.fits", image(5.0));
    let after = open(&cache, &url).unwrap();
    assert!(stamp_is_right(&after, 1000, 5.0) && stamp_is_right(&before, 1000, 0.0));
    assert_says(&failure(before.image(0).section(s![1500..1510, ..]).read::<f32>().wait()), &["changed on the server"]);
}

#[test]
fn without_a_version_nothing_is_shared() {
    for words in ["no_validator", "weak_etag&modified_changes"] {
        let (server, cache) = (serving(), BlockCache::new(1 << 20));
        let url = server.url(&format!("/a.fits?{words}"));
        if words == "no_validator" {
            let fits = open(&cache, &url).unwrap();
            assert!(stamp_is_right(&fits, 1000, 0.0) && stamp_is_right(&fits, 1000, 0.0));
            assert_eq!((requests(&server), cache.bytes()), (2, 0), "the file keeps its own");
        }
        // The date of each answer is another one: no two opens are of the same version.
        let [one, two] = [open(&cache, &url).unwrap(), open(&cache, &url).unwrap()];
        assert_eq!(requests(&server), 2);
        assert_eq!(cache.bytes(), if words == "no_validator" { 0 } else { 2 * (32 << 10) });
        drop((one, two));
    }
}

#[test]
fn many_threads_use_one_small_cache() {
    let (server, cache) = (serving(), BlockCache::new(100 << 10));
    server.put("/b.fits", image(9.0));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (server, cache) = (&server, &cache);
            scope.spawn(move || {
                let (path, first) = if thread % 2 == 0 { ("/a.fits", 0.0) } else { ("/b.fits", 9.0) };
                let fits = open(cache, &server.url(path)).unwrap();
                assert!((0..25).all(|step| stamp_is_right(&fits, (step * 331 + thread * 7) % 1990, first)));
                assert!(cache.bytes() <= cache.max_bytes());
            });
        }
    });
}
