//! Many files from a server that fails at random: each arrives whole or fails with its reason, and none is wrong.
//!
//! `RUSTFITS_FAULTY_FILES` sets how many are fetched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use common::*;
use rustfits::{Download, DownloadOptions, ErrorKind, Fetcher, OpenOptions, Remote, RemoteMode, Timeout};
use rustfits_loopback::HttpServer;

const FILES: usize = 600;
/// How many files there really are, each of another size.
const SIZES: usize = 5;
/// How far the memory may grow in a pass: the server's log is in it, and what a hundred files take.
const GROWTH_MIB: u64 = 100;
/// One file in this many meets a fault.
const ONE_IN: u64 = 10;
/// What the server does wrong, and whether the file can come all the same.
const FAULTS: [(&str, bool); 18] = [
    ("cut=7000&cut_times=1", true),
    ("cut=7000&reset&cut_times=2", true),
    ("cut=1&norange&cut_times=2", true),
    ("chunked&chunked_cut=7000&cut_times=1", true),
    ("cut=7000&cut_times=1&etag_changes&modified_changes", true),
    ("cut=7000&cut_times=1&no_validator", true),
    ("cut=7000&cut_times=1&weak_etag", true),
    ("stall=7000&cut_times=1", true),
    ("stall_head&cut_times=1", true),
    ("status=503&times=2", true),
    ("status=429&times=1&retry_after=0", true),
    ("status=500", false),
    ("status=404", false),
    ("wronglength=1000000", false),
    ("endless_header", false),
    ("html", false),
    ("loop", false),
    ("redirect=file:///etc/passwd", false),
];

fn file(number: usize) -> Vec<u8> {
    one_image(&ramp(3 + number % SIZES, 1000).into_dyn())
}

fn options(mode: RemoteMode) -> OpenOptions {
    let silence = Duration::from_millis(400);
    let timeout = Timeout { connect: silence, idle: silence, total: None };
    OpenOptions { remote: Some(Remote { mode, timeout, ..Remote::default() }), ..OpenOptions::default() }
}

/// The URLs, and for each that meets a fault whether its file can come. The first ones meet every fault there is.
fn urls(server: &HttpServer, files: usize) -> (Vec<String>, HashMap<u64, bool>) {
    let chance = RandomState::new();
    let mut faulty = HashMap::new();
    let url = |number: usize| {
        let random = chance.hash_one(number);
        let fault = FAULTS
            .get(number)
            .or_else(|| random.is_multiple_of(ONE_IN).then(|| &FAULTS[(random / ONE_IN) as usize % FAULTS.len()]));
        let words = fault.map_or("", |(words, _)| words);
        fault.map(|(_, comes)| faulty.insert(number as u64, *comes));
        server.url(&format!("/{}.fits?number={number}&{words}", number % SIZES))
    };
    let urls = (0..files).map(url).collect();
    (urls, faulty)
}

/// How much memory this process has, the server with it.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Whether a file that failed may have, and the error says enough to find it.
fn assert_may_fail(number: u64, faulty: &HashMap<u64, bool>, error: &rustfits::Error) {
    assert_eq!(faulty.get(&number), Some(&false), "file {number}: {error}");
    assert!(error.to_string().contains(&format!("number={number}&")), "{error}");
    assert_ne!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn every_file_comes_whole_or_fails_with_its_reason() {
    let files = std::env::var("RUSTFITS_FAULTY_FILES").ok().and_then(|files| files.parse().ok()).unwrap_or(FILES);
    let server = HttpServer::start();
    for number in 0..SIZES {
        server.put(&format!("/{number}.fits"), file(number));
    }
    for mode in [RemoteMode::Whole, RemoteMode::Auto] {
        server.clear_log();
        let (urls, faulty) = urls(&server, files);
        let fetcher = Fetcher::builder().retries(4, Duration::from_millis(5)).open(options(mode)).per_host(32).build();
        let (mut seen, mut memory) = (0, 0);
        for outcome in fetcher.unwrap().fetch(urls).wait() {
            seen += 1;
            if seen == 100 {
                memory = resident_mib();
            }
            // By ranges a fault may strike again at each of them, with fewer attempts.
            match outcome.result.and_then(|fits| fits.image(0).read::<f32>().wait()) {
                Ok(image) => {
                    let expected = ramp(3 + outcome.index as usize % SIZES, 1000).into_dyn();
                    assert!(image == expected, "file {} is wrong", outcome.index);
                }
                Err(error) if mode == RemoteMode::Auto && faulty.contains_key(&outcome.index) => {
                    assert!(error.to_string().contains(&format!("number={}&", outcome.index)), "{error}");
                }
                Err(error) => assert_may_fail(outcome.index, &faulty, &error),
            }
        }
        assert_eq!(seen, files);
        assert!(resident_mib() <= memory + GROWTH_MIB, "{memory} MiB, then {} MiB", resident_mib());
    }
    server.clear_log();
    let directory = tempfile::tempdir().unwrap();
    let (urls, faulty) = urls(&server, files);
    let named = |(number, url)| Download { name: Some(format!("{number}.fits")), ..Download::from(url) };
    let downloads = urls.into_iter().enumerate().map(named);
    let fetcher =
        Fetcher::builder().retries(4, Duration::from_millis(5)).open(options(RemoteMode::Whole)).per_host(32).build();
    let mut complete = 0;
    for outcome in fetcher.unwrap().download(downloads, directory.path(), DownloadOptions::default()).unwrap().wait() {
        match outcome.result {
            Ok(done) => {
                complete += 1;
                assert!(std::fs::read(done.path).unwrap() == file(outcome.index as usize), "file {}", outcome.index);
            }
            Err(error) => assert_may_fail(outcome.index, &faulty, &error),
        }
    }
    let there = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(there.filter(|name| !name.to_string_lossy().starts_with('.')).count(), complete);
    eventually("no connection is left in use", || server.requests().iter().all(|request| request.finished.is_some()));
}
