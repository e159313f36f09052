//! Files that are read by ranges.

use crate::io::traffic::{FREE, PaceLimits, Rules, Traffic};

use super::super::{HttpClient, RangedFile};
use super::server::{After, Reply, Seen, Server};
use super::{NEVER, client, limits, remote};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use futures_util::FutureExt;
use url::Url;

const FILE: &[u8] = b"0123456789abcdef";

/// Answers a range as it should be answered.
fn part(seen: &Seen) -> Reply {
    let range = seen.header("range").and_then(|range| range.strip_prefix("bytes=")).unwrap();
    let (start, last) = range.split_once('-').unwrap();
    let (start, end) = (start.parse::<usize>().unwrap(), (last.parse::<usize>().unwrap() + 1).min(FILE.len()));
    let content_range = format!("Content-Range: bytes {start}-{}/{}", end - 1, FILE.len());
    Reply::new("206 Partial Content", &[&content_range, "ETag: \"a\""], &FILE[start..end])
}

async fn open(client: &HttpClient, server: &Server, first: u64) -> Result<(RangedFile, Bytes), Error> {
    let url = Url::parse(&server.url("/f").replace("http://", "http://ann:secret@")).unwrap();
    RangedFile::open(client, &url, &remote(), &FREE, first).await
}

#[tokio::test]
async fn ranges_are_fetched() {
    let server = Server::start(part).await;
    let client = client();
    let (file, bytes) = open(&client, &server, 4).await.unwrap();
    assert_eq!((file.len(), &bytes[..], file.name()), (16, b"0123".as_slice(), server.url("/f").as_str()));
    assert_eq!(file.fetch(&client, 10..13).await.unwrap(), "abc");
    assert_eq!(file.fetch(&client, 15..16).await.unwrap(), "f");
    assert_eq!(file.fetch(&client, 7..7).await.unwrap(), "");
    let error = file.fetch(&client, 10..17).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    let ranges: Vec<_> = server.seen().iter().map(|seen| seen.header("range").unwrap().to_owned()).collect();
    assert_eq!(ranges, ["bytes=0-3", "bytes=10-12", "bytes=15-15"]);
    let validators: Vec<_> = server.seen().iter().map(|seen| seen.header("if-range").is_some()).collect();
    assert_eq!(validators, [false, true, true]);
}

#[tokio::test]
async fn a_file_smaller_than_the_first_range_is_read() {
    let server = Server::start(part).await;
    let (file, bytes) = open(&client(), &server, 1 << 20).await.unwrap();
    assert_eq!((file.len(), &bytes[..]), (16, FILE));
}

#[tokio::test]
async fn an_empty_file_is_named() {
    let server = Server::start(|_| Reply::new("416 No", &["Content-Range: bytes */0"], b"")).await;
    let error = open(&client(), &server, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(error.to_string().contains("empty"), "{error}");
    assert!(error.to_string().contains(&server.url("/f")), "{error}");
}

#[tokio::test]
async fn a_server_without_ranges_is_not_read() {
    // The body never ends: were it read, the test would not either.
    let headers = ["Content-Length: 1000000000000", "Content-Type: text/html"];
    let server = Server::start(move |_| Reply::raw("200 OK", &headers, b"", After::Repeat(&[0; 4096]))).await;
    let error = open(&client(), &server, 4).await.unwrap_err();
    for word in ["ranged=False", "RemoteMode::Whole", "text/html", &server.url("/f")] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_first_part_that_is_not_what_was_asked_is_an_error() {
    for range in ["bytes 1-4/16", "bytes 0-2/16", "bytes 0-4/16", "bytes 0-3/*", "bytes 0-3/2", "nonsense"] {
        let header = format!("Content-Range: {range}");
        let server = Server::start(move |_| Reply::new("206 P", &[&header], b"0123")).await;
        let error = open(&client(), &server, 4).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{range}: {error}");
    }
    let headers = ["Content-Range: bytes 0-3/16", "Transfer-Encoding: chunked"];
    let server = Server::start(move |_| Reply::raw("206 P", &headers, b"5\r\n01234\r\n0\r\n\r\n", After::Keep)).await;
    let error = open(&client(), &server, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// What `fetch(8..12)` says when the second answer is this one.
async fn fetch_error(reply: Reply) -> (Error, usize) {
    let server = Server::start(move |seen| if seen.number == 0 { part(seen) } else { reply.clone() }).await;
    let client = client();
    let (file, _) = open(&client, &server, 4).await.unwrap();
    let error = file.fetch(&client, 8..12).await.unwrap_err();
    assert_eq!(error.file(), Some(server.url("/f").as_str()));
    (error, server.seen().len())
}

#[tokio::test]
async fn a_file_that_changed_is_never_mixed() {
    let range = "Content-Range: bytes 8-11/16";
    for reply in [
        Reply::new("206 P", &[range, "ETag: \"b\""], b"89ab"),
        Reply::new("206 P", &["Content-Range: bytes 8-11/17", "ETag: \"a\""], b"89ab"),
        Reply::new("200 OK", &["ETag: \"b\""], FILE),
        Reply::new("200 OK", &[], b"shorter"),
        Reply::new("416 No", &["Content-Range: bytes */3"], b""),
    ] {
        let (error, requests) = fetch_error(reply).await;
        assert_eq!((error.kind(), requests), (ErrorKind::Corrupt, 2));
        assert!(error.to_string().contains("changed on the server"), "{error}");
    }
}

#[tokio::test]
async fn a_part_that_is_not_what_was_asked_is_an_error() {
    for range in ["bytes 7-10/16", "bytes 8-10/16", "bytes 8-12/16", "nonsense"] {
        let header = format!("Content-Range: {range}");
        let (error, _) = fetch_error(Reply::new("206 P", &[&header], b"89ab")).await;
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{range}: {error}");
    }
    let (error, _) = fetch_error(Reply::new("206 P", &["Content-Range: bytes 8-11/16"], b"89a")).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let (error, _) = fetch_error(Reply::new("200 OK", &["ETag: \"a\""], FILE)).await;
    assert!(error.to_string().contains("ignores byte ranges"), "{error}");
    let (error, requests) = fetch_error(Reply::new("404 Gone", &[], b"")).await;
    assert_eq!((error.kind(), requests), (ErrorKind::Status(404), 2));
}

#[tokio::test]
async fn what_may_succeed_is_tried_again() {
    let server = Server::start(|seen| match seen.number {
        1 => Reply::new("503 Busy", &["Retry-After: 0"], b""),
        2 => Reply::raw("206 P", &["Content-Range: bytes 8-11/16", "Content-Length: 4"], b"89", After::Close),
        _ => part(seen),
    })
    .await;
    let client = client();
    let (file, _) = open(&client, &server, 4).await.unwrap();
    assert_eq!(file.fetch(&client, 8..12).await.unwrap(), "89ab");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn only_so_many_ranges_are_asked_of_a_host_at_once() {
    let server = Server::start(|seen| if seen.number == 0 { part(seen) } else { Reply::none(After::Stall) }).await;
    let rules = Rules { pace: PaceLimits::new(2, NEVER, NEVER), ..Rules::default() };
    let (client, traffic, url) = (client(), Traffic::new(rules), Url::parse(&server.url("/f")).unwrap());
    let (file, _) = RangedFile::open(&client, &url, &remote(), &traffic, 1).await.unwrap();
    let asked = || traffic.counts().values().map(|counts| counts.requests).sum::<u64>();
    let mut fetches: Vec<_> = (0..4).map(|_| Box::pin(file.fetch(&client, 3..5))).collect();
    for (begun, expected) in [(1, 2), (2, 3), (3, 3), (4, 3)] {
        assert!((&mut fetches[begun - 1]).now_or_never().is_none());
        assert_eq!(asked(), expected);
    }
    // Whoever gives up lets the next one go.
    drop(fetches.remove(0));
    assert!((&mut fetches[1]).now_or_never().is_none() && (&mut fetches[2]).now_or_never().is_none());
    assert_eq!(asked(), 4);
    drop(fetches);
    assert!(traffic.slots(&url).take().now_or_never().is_some());
}

#[tokio::test]
async fn many_ranges_at_once() {
    let server = Server::start(part).await;
    let client = client();
    let url = Url::parse(&server.url("/f")).unwrap();
    let (file, _) = RangedFile::open(&client, &url, &limits(NEVER, NEVER, Some(NEVER)), &FREE, 1).await.unwrap();
    let fetches = (0..16_u64).map(|at| file.fetch(&client, at..at + 1));
    let parts = futures_util::future::try_join_all(fetches).await.unwrap();
    assert_eq!(parts.concat(), FILE);
}
