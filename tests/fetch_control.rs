//! A fetch and its hosts: busy ones, limits on the rate, headers of a host, mirrors; a fetch cancelled and looked at from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

mod common;

use std::time::Duration;

use common::*;
use ndarray::s;
use rustfits::{
    Download, DownloadOptions, ErrorKind, FetchOptions, FetchOutcome, FetchQueue, Fetcher, FetcherBuilder, RemoteMode,
};
use rustfits_loopback::{FtpFault, HttpServer, ScriptedFtpServer};

fn server() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    server
}

/// URLs of one file that differ in a number, with these words.
fn urls(server: &HttpServer, files: usize, words: &str) -> Vec<String> {
    (0..files).map(|number| server.url(&format!("/a.fits?number={number}&{words}"))).collect()
}

fn builder() -> FetcherBuilder {
    Fetcher::builder().retries(4, Duration::from_millis(20))
}

fn outcomes(fetcher: FetcherBuilder, urls: Vec<String>) -> Vec<FetchOutcome> {
    let fetcher = fetcher.build().unwrap();
    promptly(move || fetcher.fetch(urls).wait().collect())
}

/// When each request began and ended, in the order in which they came.
fn times(server: &HttpServer) -> Vec<(f64, f64)> {
    server.requests().iter().map(|request| (request.started, request.finished.unwrap_or(f64::MAX))).collect()
}

#[test]
fn nobody_asks_a_host_before_the_time_that_it_named() {
    let (busy, other) = (server(), server());
    let options = FetchOptions { backoff: Duration::from_millis(10), ..FetchOptions::default() };
    let mut queue = FetchQueue::new(options, None);
    let control = queue.control();
    queue.push(busy.url("/a.fits?status=429&times=1&retry_after=1"));
    eventually("the answer came", || control.statistics().total.busy == 1);
    urls(&busy, 5, "").into_iter().for_each(|url| queue.push(url));
    queue.push(other.url("/a.fits"));
    let first = queue.wait_until(|| false).unwrap().unwrap();
    assert_eq!((first.index, first.result.is_ok()), (6, true), "another host is not held up");
    while let Some(outcome) = queue.wait_until(|| false).unwrap() {
        assert!(outcome.result.is_ok(), "{outcome:?}");
        assert_eq!(outcome.attempts, 1 + u32::from(outcome.index == 0));
    }
    let times = times(&busy);
    assert_eq!(times.len(), 7);
    assert!(times[1..].iter().all(|(began, _)| began - times[0].1 >= 1.0), "{times:?}");
}

#[test]
fn requests_in_a_second_are_limited_over_all_hosts() {
    let (one, two) = (server(), server());
    let mut urls = urls(&one, 10, "");
    urls.extend((0..10).map(|number| two.url(&format!("/a.fits?number={number}"))));
    assert!(outcomes(builder().max_requests_per_second(50.0), urls).iter().all(|outcome| outcome.result.is_ok()));
    for server in [one, two] {
        let times = times(&server);
        let passed = times.last().unwrap().0 - times[0].0;
        // Ten requests are nine distances of 20 ms, less what the clocks of timer and log are apart.
        assert!(times.len() == 10 && passed >= 0.15, "{passed}");
    }
}

#[test]
fn bytes_in_a_second_are_limited() {
    let server = server();
    let bytes = sample().len() as u64;
    let begun = std::time::Instant::now();
    let done = outcomes(builder().max_bytes_per_second(bytes * 20), urls(&server, 10, ""));
    assert!(done.iter().all(|outcome| outcome.result.is_ok() && outcome.bytes == bytes));
    assert!(begun.elapsed() >= Duration::from_millis(450), "ten files at twenty in a second");
}

#[test]
fn limits_that_are_none_are_refused() {
    for refused in [
        builder().max_bytes_per_second(0),
        builder().max_requests_per_second(0.0),
        builder().max_requests_per_second(-1.0),
        builder().max_requests_per_second(f64::NAN),
        builder().max_requests_per_second(f64::INFINITY),
    ] {
        assert_eq!(refused.build().err().map(|error| error.kind()), Some(ErrorKind::Argument));
    }
}

#[test]
fn headers_of_a_host_go_to_that_host() {
    let (one, two) = (server(), server());
    let headers = |value: &str| vec![("X-Token".to_owned(), value.to_owned()), ("X-Own".to_owned(), "1".to_owned())];
    let fetcher = builder()
        .host_headers(one.address().to_string(), headers("hidden"))
        .host_headers("127.0.0.1", headers("of another port"))
        .open(with_remote(|remote| {
            remote.headers = vec![("x-token".into(), "all".into()), ("X-All".into(), "a".into())]
        }));
    let away = one.url(&format!("/a.fits?redirect={}", two.url("/a.fits?away")));
    let done = outcomes(fetcher.clone(), vec![one.url("/a.fits"), two.url("/a.fits"), away]);
    assert!(done.iter().all(|outcome| outcome.result.is_ok()), "{done:?}");
    for request in one.requests() {
        let header = |name| request.header(name);
        assert_eq!((header("x-token"), header("x-own"), header("x-all")), (Some("hidden"), Some("1"), Some("a")));
    }
    for request in two.requests() {
        let expected = if request.target.ends_with("away") { None } else { Some("all") };
        assert_eq!((request.header("x-token"), request.header("x-own")), (expected, None), "{}", request.target);
    }
    // By ranges and to disk too; and ftp, which has no headers, is fetched all the same.
    one.clear_log();
    let ranged = with_remote(|remote| remote.mode = RemoteMode::Ranged);
    assert!(outcomes(fetcher.clone().open(ranged), vec![one.url("/a.fits")])[0].result.is_ok());
    let ftp = ScriptedFtpServer::start(&[]);
    ftp.put("/b.fits", sample());
    let fetcher = fetcher.host_headers(ftp.address().to_string(), headers("hidden")).open(Default::default());
    let directory = tempfile::tempdir().unwrap();
    let files = [one.url("/a.fits"), ftp.url("/b.fits")];
    let downloads = fetcher.build().unwrap().download(files, directory.path(), DownloadOptions::default()).unwrap();
    assert!(downloads.wait().all(|outcome| outcome.result.is_ok()));
    assert!(one.requests().len() >= 2);
    assert!(one.requests()[..1].iter().all(|request| request.header("x-token") == Some("hidden")));
}

#[test]
fn mirrors_count_at_the_host_that_is_really_asked() {
    let (down, up) = (server(), server());
    let options = FetchOptions { per_host: 2, backoff: Duration::ZERO, ..FetchOptions::default() };
    let mut queue = FetchQueue::new(options, None);
    for number in 0..20 {
        let names = [down.url("/none.fits"), up.url(&format!("/a.fits?latency=10&number={number}"))];
        queue.push_mirrors(names.map(Into::into).to_vec());
        queue.push(up.url(&format!("/a.fits?latency=10&alone={number}")));
    }
    let mut came = 0;
    while let Some(outcome) = queue.wait_until(|| false).unwrap() {
        came += u32::from(outcome.result.is_ok());
    }
    assert_eq!(came, 40);
    assert!(up.most_in_flight() <= 2 && down.most_in_flight() <= 2, "{}", up.most_in_flight());
}

#[test]
fn mirrors_without_memory_to_spare_come_to_an_end() {
    let (one, two) = (server(), server());
    for ordered in [false, true] {
        let limits = [(1, 1), (2, 1), (4, 1), (5, 2)];
        for (concurrency, per_host) in limits {
            let options = FetchOptions {
                concurrency,
                per_host,
                ordered,
                max_buffered: 1,
                backoff: Duration::ZERO,
                ..FetchOptions::default()
            };
            let mut queue = FetchQueue::new(options, None);
            for number in 0..30 {
                let (bad, good) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
                let names = [bad.url("/a.fits?cut=5000"), bad.url("/none.fits"), good.url("/a.fits")];
                queue.push_mirrors(names.into_iter().skip(number % 3).map(Into::into).collect());
            }
            let came = promptly(move || {
                std::iter::from_fn(|| queue.wait_until(|| false).unwrap())
                    .filter(|outcome| outcome.result.is_ok())
                    .count()
            });
            assert_eq!(came, 30);
        }
    }
}

#[test]
fn one_file_or_those_of_a_url_or_all_are_cancelled() {
    let server = server();
    let mut queue = FetchQueue::new(FetchOptions { ordered: true, per_host: 3, ..FetchOptions::default() }, None);
    let control = queue.control();
    let stalled = urls(&server, 5, "stall=1000");
    stalled.iter().for_each(|url| queue.push(url));
    queue.push(server.url("/a.fits"));
    eventually("three are under way", || server.requests().len() == 3);
    assert!(!control.cancel(17) && control.cancel(0) && !control.cancel(0));
    // One in line, too; with a login, as files are known without.
    assert_eq!(control.cancel_url(&stalled[4].replacen("://", "://ann:hidden@", 1)), 1);
    for index in [0, 4] {
        let outcome = if index == 0 { queue.wait_until(|| false).unwrap().unwrap() } else { continue };
        assert_eq!((outcome.index, outcome.result.unwrap_err().kind()), (index, ErrorKind::Cancelled));
    }
    assert!(queue.has_room());
    control.cancel_all();
    assert!(!queue.has_room());
    let rest: Vec<_> = std::iter::from_fn(|| queue.wait_until(|| false).unwrap()).collect();
    assert_eq!(rest.iter().map(|outcome| outcome.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for outcome in &rest[..4] {
        let error = outcome.result.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_says(error, &[&outcome.url, "cancelled"]);
    }
    assert_eq!(control.statistics().failed, 5 + u64::from(rest[4].result.is_err()));
    eventually("what stalled is closed", || server.requests().iter().all(|request| request.finished.is_some()));
}

#[test]
fn a_download_that_is_cancelled_leaves_no_file_and_the_iterator_ends() {
    let server = server();
    let directory = tempfile::tempdir().unwrap();
    let files = (0..).map(|number| Download {
        name: Some(format!("{number}.fits")),
        ..Download::from(server.url(&format!("/a.fits?stall=1000&number={number}")))
    });
    let downloads = Fetcher::builder()
        .per_host(4)
        .build()
        .unwrap()
        .download(files, directory.path(), DownloadOptions::default())
        .unwrap();
    let control = downloads.control();
    let mut outcomes = downloads.wait();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("some are under way", || server.requests().len() == 4);
            control.cancel_all();
        });
        assert!(outcomes.by_ref().all(|outcome| outcome.result.unwrap_err().kind() == ErrorKind::Cancelled));
    });
    let shown = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(shown.map(|name| name.into_string().unwrap()).all(|name| name.starts_with('.')));
}

#[test]
fn statistics_say_what_came_from_where() {
    let (one, two) = (server(), server());
    let bytes = sample().len() as u64;
    let mut files = urls(&one, 8, "");
    files.push(one.url("/a.fits?status=503&times=2"));
    files.push(one.url(&format!("/a.fits?redirect={}", two.url("/a.fits"))));
    files.push(one.url("/none.fits"));
    let fetch = builder().per_host(1).ordered(true).build().unwrap().fetch(files);
    let control = fetch.control();
    assert_eq!((control.statistics().total.requests, control.statistics().total.latency.percentile(50.0)), (0, None));
    assert_eq!(fetch.wait().filter(|outcome| outcome.result.is_ok()).count(), 10);
    let statistics = control.statistics();
    assert_eq!((statistics.succeeded, statistics.failed), (10, 1));
    let first = &statistics.hosts[&one.address().to_string()];
    assert_eq!((first.requests, first.busy, first.retries, first.failed_requests), (13, 2, 2, 0));
    assert_eq!((first.bytes, first.connections_opened + first.connections_reused), (9 * bytes, 13));
    assert_eq!(first.connections_opened, one.connections().accepted);
    assert_eq!(first.latency.count(), 13);
    let (median, most) = (first.latency.percentile(50.0).unwrap(), first.latency.longest().unwrap());
    assert!(median > Duration::ZERO && median <= most && first.latency.mean().unwrap() <= most);
    let second = &statistics.hosts[&two.address().to_string()];
    assert_eq!((second.requests, second.bytes), (1, bytes));
    assert_eq!((statistics.total.requests, statistics.total.bytes), (14, 10 * bytes));
    assert_eq!(statistics.total.latency.count(), 14);
}

#[test]
fn statistics_count_ftp_and_what_brings_no_answer() {
    let server = ScriptedFtpServer::start(&[]);
    server.put("/a.fits", sample());
    let fetch = builder().retries(1, Duration::from_millis(1)).build().unwrap();
    let fetch = fetch.fetch([server.url("/a.fits"), "http://127.0.0.1:1/a.fits".to_owned()]);
    let control = fetch.control();
    assert_eq!(fetch.wait().filter(|outcome| outcome.result.is_ok()).count(), 1);
    let statistics = control.statistics();
    let ftp = &statistics.hosts[&server.address().to_string()];
    assert_eq!((ftp.requests, ftp.connections_opened, ftp.bytes), (1, 1, sample().len() as u64));
    let nobody = &statistics.hosts["127.0.0.1:1"];
    assert_eq!((nobody.requests, nobody.failed_requests, nobody.retries, nobody.latency.count()), (2, 2, 1, 0));
}

#[test]
fn an_ftp_server_with_too_many_connections_is_busy() {
    let server = ScriptedFtpServer::start(&[FtpFault::Busy]);
    server.put("/a.fits", sample());
    let fetch = builder().per_host(1).build().unwrap().fetch([server.url("/a.fits")]);
    let control = fetch.control();
    assert!(fetch.wait().all(|outcome| outcome.result.is_ok() && outcome.attempts == 3));
    let host = &control.statistics().hosts[&server.address().to_string()];
    assert_eq!((host.requests, host.busy, host.retries, host.failed_requests), (3, 2, 2, 0));
}

#[test]
fn later_reads_of_ranged_files_keep_to_the_limits_and_are_counted() {
    const RATE: f64 = 200.0;
    let server = HttpServer::start();
    server.put("/large.fits", one_image(&ramp(2000, 1000).into_dyn()));
    let uncached = with_remote(|remote| (remote.mode, remote.cache_bytes) = (RemoteMode::Ranged, 0));
    let fetcher = builder().per_host(2).max_requests_per_second(RATE).open(uncached).build().unwrap();
    let fetch = fetcher.fetch((0..4).map(|number| server.url(&format!("/large.fits?number={number}"))));
    let control = fetch.control();
    let files: Vec<_> = fetch.wait().map(|outcome| outcome.result.unwrap()).collect();
    let opened = control.statistics().total;
    assert_eq!(opened.requests, 4);
    server.clear_log();
    // Rows so far from each other that each is a request.
    let section = s![..;200, 3..9];
    let expected = ramp(2000, 1000).slice(section).into_owned().into_dyn();
    std::thread::scope(|scope| {
        for fits in &files {
            scope.spawn(|| assert_eq!(fits.image(0).section(section).read::<f32>().wait().unwrap(), expected));
        }
    });
    let times = times(&server);
    assert!(times.len() > 4, "{}", times.len());
    let passed = times.iter().map(|(began, _)| *began).fold(0.0, f64::max) - times[0].0;
    // The server may have noted the first one late; without the limit they take a small part of this.
    assert!(passed >= 0.7 * times.len() as f64 / RATE, "{} requests in {passed} s", times.len());
    let (total, sent) =
        (control.statistics().total, server.requests().iter().map(|request| request.body_sent).sum::<u64>());
    assert_eq!(total.requests, opened.requests + times.len() as u64);
    assert_eq!(total.bytes, opened.bytes + sent);
}
