//! Whole downloads: retries, resumption, limits.

use super::super::{RetryPolicy, Transfer};
use super::server::{After, Reply, Server};
use super::{AT_ONCE, client, remote, whole};
use crate::io::budget::{Budget, Unlimited};
use crate::io::sink::MemorySink;
use crate::{ErrorKind, Remote, Result};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Mutex;
use url::Url;

fn cut(headers: &[&str]) -> Reply {
    let headers: Vec<&str> = headers.iter().copied().chain(["Content-Length: 10"]).collect();
    Reply::raw("200 OK", &headers, b"01234", After::Close)
}

#[tokio::test]
async fn what_may_succeed_is_tried_again() {
    for status in ["408 A", "425 B", "429 C", "500 D", "502 E", "503 F", "504 G"] {
        let server = Server::start(move |seen| match seen.number {
            // An hour, cut to the longest that the policy allows.
            0 => Reply::new(status, &["Retry-After: 3600"], b""),
            1 => Reply::none(After::Close),
            _ => Reply::new("200 OK", &[], b"here"),
        })
        .await;
        let (result, attempts) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
        assert_eq!(result.unwrap(), b"here");
        // The connection that had answered and was then closed is the silent retry.
        assert!(attempts == 2 || attempts == 3, "{attempts}");
        assert_eq!(server.seen().len(), 3);
    }
}

#[tokio::test]
async fn what_cannot_succeed_is_not_tried_again() {
    for status in ["400 A", "401 B", "403 C", "404 D", "410 E", "416 F", "302 G"] {
        let server = Server::start(move |_| Reply::new(status, &["Retry-After: 0"], b"")).await;
        let (result, attempts) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
        assert!(matches!(result.unwrap_err().kind(), ErrorKind::Status(_)));
        assert_eq!((attempts, server.seen().len()), (1, 1));
    }
}

#[tokio::test]
async fn attempts_run_out() {
    let server = Server::start(|_| Reply::new("503 Busy", &[], b"")).await;
    let (result, attempts) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Status(503));
    assert_eq!((attempts, server.seen().len()), (5, 5));
    let (_, attempts) = whole(&server.url("/"), &remote(), &RetryPolicy::none()).await;
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn a_broken_body_continues_where_it_broke() {
    let server = Server::start(|seen| match seen.number {
        0 => cut(&["ETag: \"a\""]),
        1 => Reply::raw(
            "206 P",
            &["ETag: \"a\"", "Content-Range: bytes 5-9/10", "Content-Length: 5"],
            b"56",
            After::Close,
        ),
        _ => Reply::new("206 P", &["Content-Range: bytes 7-9/10"], b"789"),
    })
    .await;
    let (result, attempts) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
    assert_eq!((result.unwrap().as_slice(), attempts), (b"0123456789".as_slice(), 3));
    let ranges: Vec<_> = server.seen().iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=5-".to_owned()), Some("bytes=7-".to_owned())]);
    assert!(server.seen()[1..].iter().all(|seen| seen.header("if-range") == Some("\"a\"")));
}

#[tokio::test]
async fn a_changed_file_begins_again() {
    let server = Server::start(|seen| match seen.number {
        0 => cut(&["Last-Modified: then"]),
        _ => Reply::new("200 OK", &["Last-Modified: now"], b"another"),
    })
    .await;
    let (result, _) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
    assert_eq!(result.unwrap(), b"another");
    assert_eq!(server.seen()[1].header("if-range"), Some("then"));
}

#[tokio::test]
async fn a_file_without_a_validator_begins_again() {
    for validator in ["ETag: W/\"weak\"", "X: y"] {
        let server = Server::start(move |seen| match seen.number {
            0 => cut(&[validator]),
            _ => Reply::new("200 OK", &[], b"0123456789"),
        })
        .await;
        let (result, _) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
        assert_eq!(result.unwrap(), b"0123456789");
        assert_eq!(server.seen()[1].header("range"), None);
    }
}

#[tokio::test]
async fn a_rest_that_does_not_fit_is_an_error() {
    for (etag, range) in [
        ("ETag: \"a\"", "Content-Range: bytes 4-8/10"),
        ("ETag: \"a\"", "Content-Range: bytes 5-8/10"),
        ("ETag: \"a\"", "Content-Range: bytes 5-9/11"),
        ("ETag: \"a\"", "Content-Range: bytes 5-9/*"),
        ("ETag: \"a\"", "X: y"),
        ("ETag: \"b\"", "Content-Range: bytes 5-9/10"),
    ] {
        let server = Server::start(move |seen| match seen.number {
            0 => cut(&["ETag: \"a\""]),
            _ => Reply::new("206 P", &[etag, range], b"56789"),
        })
        .await;
        let (result, attempts) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
        assert_eq!((result.unwrap_err().kind(), attempts), (ErrorKind::Corrupt, 2), "{range}");
    }
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_an_error() {
    let server = Server::start(|_| Reply::new("206 P", &["Content-Range: bytes 0-4/10"], b"01234")).await;
    let (result, _) = whole(&server.url("/"), &remote(), &AT_ONCE).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused() {
    let announced = Server::start(|_| Reply::raw("200 OK", &["Content-Length: 11"], b"", After::Stall)).await;
    let chunked = ["Transfer-Encoding: chunked"];
    let endless = Server::start(move |_| Reply::raw("200 OK", &chunked, b"", After::Repeat(b"4\r\nabcd\r\n"))).await;
    let remote = Remote { max_bytes: Some(10), ..remote() };
    for server in [announced, endless] {
        let (result, attempts) = whole(&server.url("/"), &remote, &AT_ONCE).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), attempts), (ErrorKind::TooLarge, 1));
        assert!(error.to_string().contains("max_bytes=10"), "{error}");
        assert_eq!(error.file(), Some(server.url("/").as_str()));
    }
}

#[tokio::test]
async fn a_page_in_place_of_a_file_can_be_named() {
    let server = Server::start(|_| Reply::new("200 OK", &["Content-Type: text/html"], b"<html>")).await;
    let (client, url, remote) =
        (client(), Url::parse(&server.url("/")).unwrap(), Remote { max_bytes: Some(1), ..remote() });
    let mut transfer = Transfer::new(&client, &url, &remote, &AT_ONCE, &Unlimited);
    transfer.run(&mut MemorySink::new(&Unlimited, remote.max_bytes)).await.unwrap_err();
    assert_eq!(transfer.head().unwrap().content_type.as_deref(), Some("text/html"));
}

/// Writes down what it is asked.
#[derive(Default)]
struct Recorder {
    admitted: Mutex<Vec<u64>>,
    received: Mutex<u64>,
}

impl Budget for Recorder {
    fn admit(&self, bytes: u64) -> BoxFuture<'_, Result<()>> {
        self.admitted.lock().unwrap().push(bytes);
        async { Ok(()) }.boxed()
    }

    fn received(&self, wire_bytes: u64) {
        *self.received.lock().unwrap() += wire_bytes;
    }
}

#[tokio::test]
async fn a_server_that_lies_about_the_length_gets_64_mebibytes() {
    let server =
        Server::start(|_| Reply::raw("200 OK", &["Content-Length: 1152921504606846976"], b"SIMPLE", After::Close))
            .await;
    let (client, url, remote, budget) =
        (client(), Url::parse(&server.url("/")).unwrap(), remote(), Recorder::default());
    let mut sink = MemorySink::new(&budget, None);
    let retry = RetryPolicy { attempts: 2, ..AT_ONCE };
    let mut transfer = Transfer::new(&client, &url, &remote, &retry, &budget);
    let error = transfer.run(&mut sink).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(transfer.wire_bytes(), 12);
    // Once for both attempts: the memory was kept.
    assert_eq!(*budget.admitted.lock().unwrap(), [64 << 20]);
    assert_eq!(*budget.received.lock().unwrap(), 12);
}

#[tokio::test]
async fn memory_is_admitted_before_it_is_taken_and_never_twice() {
    let body: Vec<u8> = (0..300_000_u32).map(|value| value as u8).collect();
    let sent = body.clone();
    let server = Server::start(move |_| Reply::raw("200 OK", &[], &sent, After::Close)).await;
    let (client, url, remote, budget) =
        (client(), Url::parse(&server.url("/")).unwrap(), remote(), Recorder::default());
    let mut sink = MemorySink::new(&budget, None);
    Transfer::new(&client, &url, &remote, &AT_ONCE, &budget).run(&mut sink).await.unwrap();
    assert_eq!(sink.into_bytes(), body);
    let admitted: u64 = budget.admitted.lock().unwrap().iter().sum();
    assert!((300_000..=600_000).contains(&admitted), "{admitted}");
}

/// How long 256 MB take over loopback, beside the same bytes read from a plain socket. A measurement, not a promise:
/// `cargo test --release -- --ignored --nocapture throughput`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput() {
    const SIZE: usize = 256 << 20;
    let body = vec![1_u8; SIZE];
    let server = Server::start(move |_| Reply::new("200 OK", &[], &body)).await;
    let (client, url, remote) = (client(), Url::parse(&server.url("/")).unwrap(), remote());
    for _ in 0..5 {
        let begin = std::time::Instant::now();
        let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut bytes = Vec::with_capacity(SIZE + 1000);
        while bytes.len() < SIZE {
            tokio::io::AsyncReadExt::read_buf(&mut socket, &mut bytes).await.unwrap();
        }
        let plain = begin.elapsed();
        drop((bytes, socket));
        let begin = std::time::Instant::now();
        let mut sink = MemorySink::new(&Unlimited, None);
        Transfer::new(&client, &url, &remote, &AT_ONCE, &Unlimited).run(&mut sink).await.unwrap();
        assert_eq!(sink.into_bytes().len(), SIZE);
        println!("plain socket {plain:?}, http {:?}", begin.elapsed());
    }
}
