//! What a fetch takes of memory: no more for a hundred thousand files than for a thousand, and no more for gzip than it may.
//!
//! A file of its own, and one test at a time: it is the memory of the process that is looked at.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]
#![cfg(target_os = "linux")]

mod common;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::{empty_primary, gzip, one_image};
use ndarray::{ArrayD, IxDyn};
use rustfits::Fetcher;
use rustfits_loopback::HttpServer;

static ALONE: Mutex<()> = Mutex::new(());

/// What this process has in memory now.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn gzip_takes_no_more_memory_than_a_fetch_may_have() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Each file is about 200 times as large as its download: 24 of them at once would be 480 MB.
    let server = HttpServer::start();
    server.put("/a.fits.gz", gzip(&one_image(&ArrayD::<u8>::ones(IxDyn(&[4500, 4500])))));
    let urls: Vec<_> = (0..24).map(|number| server.url(&format!("/a.fits.gz?number={number}"))).collect();
    let fetcher = Fetcher::builder().concurrency(24).per_host(24).max_buffered(64 << 20).build().unwrap();
    let (before, mut most, mut taken) = (resident_kib(), 0, 0);
    for outcome in fetcher.fetch(urls).wait() {
        // Time for the others to take what they can get.
        std::thread::sleep(Duration::from_millis(20));
        most = most.max(resident_kib());
        outcome.result.unwrap();
        taken += 1;
    }
    assert_eq!(taken, 24);
    // The limit, one file that may always go on, one in the hands of the consumer, and what the allocator keeps.
    assert!(most - before < 192 << 10, "{before} KiB before, {most} KiB at most");
}

#[test]
fn memory_stays_flat_over_many_files_and_a_consumer_that_sometimes_sleeps() {
    const FILES: u64 = 20_000;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = HttpServer::start();
    server.put("/a.fits", empty_primary());
    let names = (0..FILES).map(|number| server.url(&format!("/a.fits?number={number}")));
    let fetcher = Fetcher::builder().per_host(16).retries(0, Duration::ZERO).build().unwrap();
    let (mut early, mut most, mut seen) = (0, 0, vec![false; FILES as usize]);
    for (taken, outcome) in fetcher.fetch(names).wait().enumerate() {
        outcome.result.unwrap();
        assert!(!std::mem::replace(&mut seen[outcome.index as usize], true), "{} came twice", outcome.index);
        if taken % 1000 == 999 {
            std::thread::sleep(Duration::from_millis(20));
            // The server remembers each request, in this same process.
            server.clear_log();
            match taken {
                ..2000 => early = resident_kib(),
                _ => most = most.max(resident_kib()),
            }
        }
    }
    assert!(seen.into_iter().all(|seen| seen));
    assert!(most < early + (16 << 10), "{early} KiB after 2,000 files, {most} KiB at most later");
}
