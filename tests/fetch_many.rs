//! Many files at once: limits, retries, order, cancelling, memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::promptly;
use futures_util::StreamExt;
use ndarray::Array2;
use rustfits::{ErrorKind, FetchEvent, FetchOptions, FetchQueue, Fetcher, FitsWriter, ImageOptions};
use rustfits_loopback::{FtpFault, HttpServer, ScriptedFtpServer};

/// A file with one image of `side` × `side` bytes.
fn file(side: usize) -> Vec<u8> {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    fits.write_image(&Array2::<u8>::ones((side, side)), ImageOptions::default()).wait().unwrap();
    fits.reader().to_bytes().wait().unwrap()
}

#[test]
fn every_file_comes_once_and_one_bad_url_spoils_nothing() {
    let server = HttpServer::start();
    server.put("/a.fits", file(100));
    server.put("/page.fits", b"<html>please log in</html>".to_vec());
    let mut urls: Vec<String> = (0..50).map(|number| server.url(&format!("/a.fits?number={number}"))).collect();
    urls.push(server.url("/missing.fits"));
    urls.push(server.url("/page.fits"));
    urls.push("gopher://nowhere/x.fits".to_owned());
    let mut outcomes: Vec<_> = Fetcher::new().fetch(urls).wait().collect();
    outcomes.sort_by_key(|outcome| outcome.index);
    assert_eq!(outcomes.len(), 53);
    for outcome in &outcomes[..50] {
        let fits = outcome.result.as_ref().unwrap();
        assert_eq!(fits.image(0).read::<u8>().wait().unwrap(), Array2::<u8>::ones((100, 100)).into_dyn());
        assert_eq!((outcome.attempts, outcome.bytes), (1, file(100).len() as u64));
    }
    let kinds: Vec<_> = outcomes[50..].iter().map(|outcome| outcome.result.as_ref().unwrap_err().kind()).collect();
    assert_eq!(kinds[0], ErrorKind::Status(404));
    assert!(matches!(kinds[1], ErrorKind::Truncated | ErrorKind::Corrupt), "{:?}", kinds[1]);
    assert_eq!(kinds[2], ErrorKind::Argument);
    let asked = server.requests().iter().filter(|request| request.target == "/missing.fits").count();
    assert_eq!(asked, 1, "a 404 is not asked for again");
}

#[test]
fn what_can_succeed_is_tried_again_and_resumed() {
    let server = HttpServer::start();
    server.put("/a.fits", file(1000));
    let urls = [server.url("/a.fits?status=503&times=2"), server.url("/a.fits?cut=500000&cut_times=1")];
    let fetcher = Fetcher::builder().retries(3, Duration::from_millis(1)).ordered(true).build().unwrap();
    let outcomes: Vec<_> = fetcher.fetch(urls).wait().collect();
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!((outcomes[0].attempts, outcomes[1].attempts), (3, 2));
    let resumed = server.requests().into_iter().any(|request| request.range.is_some());
    assert!(resumed, "the rest of the cut body was asked for by range");

    let urls = [server.url("/a.fits?status=503")];
    let fetcher = Fetcher::builder().retries(1, Duration::from_millis(1)).build().unwrap();
    let outcome = fetcher.fetch(urls).wait().next().unwrap();
    assert_eq!((outcome.result.unwrap_err().kind(), outcome.attempts), (ErrorKind::Status(503), 2));
}

#[test]
fn the_next_mirror_is_tried() {
    let server = HttpServer::start();
    server.put("/a.fits", file(10));
    let mut queue = FetchQueue::new(FetchOptions { backoff: Duration::ZERO, ..FetchOptions::default() }, None);
    let urls = |paths: &[&str]| paths.iter().map(|path| server.url(path).into()).collect();
    queue.push_mirrors(urls(&["/no.fits", "/a.fits?html", "/a.fits"]));
    let outcome = queue.wait_until(|| false).unwrap().unwrap();
    assert_eq!((outcome.attempts, outcome.url), (3, server.url("/no.fits")));
    assert_eq!(outcome.result.unwrap().name(), server.url("/a.fits"));
    queue.push_mirrors(urls(&["/no.fits", "/none.fits"]));
    let error = queue.wait_until(|| false).unwrap().unwrap().result.unwrap_err();
    assert!(error.to_string().contains("/no.fits") && error.to_string().contains("/none.fits"), "{error}");
    queue.push_mirrors(Vec::new());
    assert_eq!(queue.wait_until(|| false).unwrap().unwrap().result.unwrap_err().kind(), ErrorKind::Argument);
    assert!(queue.wait_until(|| false).unwrap().is_none());
}

#[test]
fn limits_on_files_and_hosts_hold() {
    let server = HttpServer::start();
    server.put("/a.fits", file(10));
    let urls = || (0..60).map(|number| server.url(&format!("/a.fits?latency=5&number={number}"))).collect::<Vec<_>>();
    assert_eq!(Fetcher::builder().per_host(3).build().unwrap().fetch(urls()).wait().count(), 60);
    assert!(server.most_in_flight() <= 3, "{}", server.most_in_flight());
    assert!(server.connections().accepted <= 3, "connections are reused: {:?}", server.connections());
    server.clear_log();
    let fetcher = Fetcher::builder().concurrency(4).per_host(100).build().unwrap();
    assert_eq!(fetcher.fetch(urls()).wait().count(), 60);
    assert!(server.most_in_flight() <= 4, "{}", server.most_in_flight());
    for refused in
        [Fetcher::builder().concurrency(0), Fetcher::builder().per_host(0), Fetcher::builder().max_buffered(0)]
    {
        assert_eq!(refused.build().err().map(|error| error.kind()), Some(ErrorKind::Argument));
    }
}

#[test]
fn names_are_read_as_room_becomes_free_and_memory_is_limited() {
    let server = HttpServer::start();
    server.put("/a.fits", file(1000));
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let url = server.url("/a.fits");
    let names = (0..100_000).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        url.clone()
    });
    // Room for three files at most; a consumer that takes 20 and then loses interest.
    let fetcher = Fetcher::builder().concurrency(8).per_host(8).max_buffered(3 << 20).build().unwrap();
    let taken: Vec<_> = fetcher.fetch(names).wait().take(20).map(|outcome| outcome.result.map(|_| ())).collect();
    assert!(taken.iter().all(Result::is_ok));
    assert!(read.load(Ordering::Relaxed) <= 20 + 2 * 8, "{}", read.load(Ordering::Relaxed));
}

#[test]
fn a_file_larger_than_the_limit_still_comes() {
    let server = HttpServer::start();
    server.put("/a.fits", file(2000));
    let urls: Vec<_> = (0..10).map(|_| server.url("/a.fits")).collect();
    for ordered in [false, true] {
        let fetcher = Fetcher::builder().max_buffered(1 << 20).ordered(ordered).build().unwrap();
        assert_eq!(fetcher.fetch(urls.clone()).wait().filter(|outcome| outcome.result.is_ok()).count(), 10);
    }
}

#[tokio::test]
async fn ordered_results_come_in_order_and_events_tell_of_all() {
    let server = HttpServer::start();
    server.put("/a.fits", file(50));
    let urls: Vec<_> = (0..40)
        .map(|number| server.url(&format!("/a.fits?latency={}", if number % 7 == 0 { 30 } else { 0 })))
        .collect();
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let fetcher = Fetcher::builder()
        .ordered(true)
        .on_event(move |event| log.lock().unwrap().push(event.clone()))
        .build()
        .unwrap();
    let order: Vec<u64> = fetcher.fetch(urls).map(|outcome| outcome.index).collect().await;
    assert_eq!(order, (0..40).collect::<Vec<_>>());
    let events = events.lock().unwrap();
    let count = |wanted: fn(&FetchEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, FetchEvent::Started { .. })), 40);
    assert_eq!(count(|event| matches!(event, FetchEvent::Finished { succeeded: true, .. })), 40);
    let bytes: u64 =
        events.iter().map(|event| if let FetchEvent::Received { bytes, .. } = event { *bytes } else { 0 }).sum();
    assert_eq!(bytes, 40 * file(50).len() as u64);
}

#[tokio::test]
async fn dropping_the_stream_cancels_what_runs() {
    let server = HttpServer::start();
    server.put("/a.fits", file(1000));
    let urls: Vec<_> = (0..6).map(|number| server.url(&format!("/a.fits?stall=1000&number={number}"))).collect();
    let mut fetch = Fetcher::new().fetch(urls);
    while server.requests().len() < 6 {
        let next = tokio::time::timeout(Duration::from_millis(10), fetch.next()).await;
        assert!(next.is_err(), "nothing completes while the server stalls");
    }
    drop(fetch);
    let closed = async {
        while server.connections().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the connections are closed");
}

#[test]
fn a_download_that_dies_is_an_outcome_and_those_after_it_come() {
    let server = HttpServer::start();
    server.put("/a.fits", file(10));
    for ordered in [false, true] {
        let urls: Vec<_> = (0..8).map(|number| server.url(&format!("/a.fits?number={number}"))).collect();
        let expected = urls[2].clone();
        let fetcher = Fetcher::builder().ordered(ordered).on_event(|event| {
            assert!(!matches!(event, FetchEvent::Started { index: 2, .. }), "a callback that panics");
        });
        let fetcher = fetcher.build().unwrap();
        let mut outcomes: Vec<_> = promptly(move || fetcher.fetch(urls).wait().collect());
        outcomes.sort_by_key(|outcome| outcome.index);
        assert_eq!(outcomes.iter().map(|outcome| outcome.index).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        for outcome in outcomes {
            assert_eq!(outcome.result.is_err(), outcome.index == 2, "{outcome:?}");
            if outcome.index == 2 {
                assert_eq!(outcome.url, expected);
            }
        }
    }
}

#[test]
fn files_that_wait_for_their_host_hold_up_no_other_host() {
    let (slow, fast) = (HttpServer::start(), HttpServer::start());
    fast.put("/a.fits", file(10));
    slow.put("/a.fits", file(10));
    let stalled = (0..40).map(|number| slow.url(&format!("/a.fits?stall_head&number={number}")));
    let quick = (0..5).map(|number| fast.url(&format!("/a.fits?number={number}")));
    let urls: Vec<_> = stalled.chain(quick).collect();
    let fetcher = Fetcher::builder().concurrency(8).per_host(2).build().unwrap();
    let mut first =
        promptly(move || fetcher.fetch(urls).wait().take(5).map(|outcome| outcome.index).collect::<Vec<_>>());
    first.sort_unstable();
    assert_eq!(first, [40, 41, 42, 43, 44]);
    assert!(slow.most_in_flight() <= 2, "{}", slow.most_in_flight());
}

#[tokio::test]
async fn an_endless_list_of_one_host_is_not_read_without_bound() {
    let server = HttpServer::start();
    server.put("/a.fits", file(10));
    let read = Arc::new(AtomicUsize::new(0));
    let (counter, url) = (Arc::clone(&read), server.url("/a.fits?stall_head"));
    let names = std::iter::repeat_with(move || {
        assert!(counter.fetch_add(1, Ordering::Relaxed) < 10_000, "it reads on and on");
        url.clone()
    });
    let mut fetch = Fetcher::builder().concurrency(8).per_host(2).build().unwrap().fetch(names);
    while server.requests().len() < 2 {
        let next = tokio::time::timeout(Duration::from_millis(10), fetch.next()).await;
        assert!(next.is_err(), "nothing completes while the server stalls");
    }
    assert!(read.load(Ordering::Relaxed) <= 200, "{}", read.load(Ordering::Relaxed));
}

#[test]
fn two_hosts_and_no_memory_to_spare_come_to_an_end() {
    let (first, second) = (HttpServer::start(), HttpServer::start());
    first.put("/a.fits", file(300));
    second.put("/a.fits", file(300));
    for ordered in [false, true] {
        for (concurrency, per_host) in [(1, 1), (2, 1), (3, 2), (8, 3)] {
            let urls: Vec<_> = (0..60)
                .map(|number| if number % 7 < 5 { first.url("/a.fits") } else { second.url("/a.fits") })
                .collect();
            let limited = Fetcher::builder().concurrency(concurrency).per_host(per_host).max_buffered(1);
            let fetcher = limited.ordered(ordered).build().unwrap();
            let outcomes: Vec<_> = promptly(move || fetcher.fetch(urls).wait().collect());
            assert_eq!(outcomes.iter().filter(|outcome| outcome.result.is_ok()).count(), 60);
            assert!(!ordered || outcomes.iter().map(|outcome| outcome.index).eq(0..60));
        }
    }
}

#[test]
fn a_broken_ftp_transfer_goes_on_where_it_was() {
    let server = ScriptedFtpServer::start(&[FtpFault::DataCut]);
    let bytes = file(1000);
    server.put("/a.fits", bytes.clone());
    let fetcher = Fetcher::builder().retries(2, Duration::from_millis(1)).build().unwrap();
    let outcome = fetcher.fetch([server.url("/a.fits")]).wait().next().unwrap();
    assert_eq!((outcome.result.unwrap_err().kind(), outcome.attempts), (ErrorKind::Network, 3));
    let half = bytes.len() / 2;
    let resumed: Vec<_> = server.commands().into_iter().filter(|command| command.starts_with("REST")).collect();
    assert_eq!(resumed, [format!("REST {half}"), format!("REST {}", half + (bytes.len() - half) / 2)]);
}
