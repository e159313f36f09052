//! The HTTP server, seen from a raw socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{ask, connect, eventually, get, is_silent, secure};
use rustfits_loopback::{Authority, CertificateKind, HttpOptions, HttpServer};

/// Three megabytes in which no two parts are alike.
fn content() -> Vec<u8> {
    (0..750_000u32).flat_map(u32::to_be_bytes).collect()
}

fn server() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", content());
    server
}

#[test]
fn whole_file_and_log() {
    let server = server();
    let answer = get(server.address(), "/a.fits", "X-Mine: yes\r\n");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("Content-Type"), Some("application/fits"));
    assert!(answer.body == content());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].status, requests[0].body_sent, requests[0].connection), (200, 3_000_000, 1));
    assert_eq!(requests[0].header("x-mine"), Some("yes"));
    assert!(requests[0].finished.is_some());
    assert_eq!(get(server.address(), "/b.fits", "").status(), 404);
    assert_eq!(get(server.address(), "/../a.fits", "").status(), 404);
}

#[test]
fn files_of_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("b c.fits"), content()).unwrap();
    let server = HttpOptions::new().root(directory.path()).start();
    assert!(get(server.address(), "/b%20c.fits", "").body == content());
    assert!(get(server.address(), "/b%20c.fits", "Range: bytes=1000000-\r\n").body == content()[1_000_000..]);
    assert_eq!(get(server.address(), "/", "").status(), 404);
}

#[test]
fn ranges() {
    let server = server();
    let address = server.address();
    let answer = get(address, "/a.fits", "Range: bytes=10-19\r\n");
    assert_eq!((answer.status(), answer.header("Content-Range")), (206, Some("bytes 10-19/3000000")));
    assert!(answer.body == content()[10..20]);
    let etag = answer.header("ETag").unwrap();
    let same = get(address, "/a.fits", &format!("Range: bytes=10-19\r\nIf-Range: {etag}\r\n"));
    assert_eq!(same.status(), 206);
    assert_eq!(get(address, "/a.fits", "Range: bytes=10-19\r\nIf-Range: \"other\"\r\n").status(), 200);
    let outside = get(address, "/a.fits", "Range: bytes=3000000-\r\n");
    assert_eq!((outside.status(), outside.header("Content-Range")), (416, Some("bytes */3000000")));
    assert_eq!(get(address, "/a.fits?norange", "Range: bytes=10-19\r\n").status(), 200);
    let changing = || get(address, "/a.fits?etag_changes", "").header("ETag").map(str::to_owned);
    assert_ne!(changing(), changing());
    let bad = get(address, "/a.fits?badrange", "Range: bytes=10-19\r\n");
    assert_eq!(bad.header("Content-Range"), Some("bytes 11-20/3000001"));
    assert_eq!(server.requests()[0].range.as_deref(), Some("bytes=10-19"));
}

#[test]
fn broken_bodies() {
    let server = server();
    let address = server.address();
    let cut = get(address, "/a.fits?cut=700000&cut_times=1", "");
    assert_eq!((cut.header("Content-Length"), cut.body.len()), (Some("3000000"), 700_000));
    assert_eq!(get(address, "/a.fits?cut=700000&cut_times=1", "").body.len(), 3_000_000);
    assert_eq!(server.requests()[0].body_sent, 700_000);
    let wrong = get(address, "/a.fits?wronglength=4000000", "");
    assert_eq!((wrong.header("Content-Length"), wrong.body.len()), (Some("4000000"), 3_000_000));
    let without = get(address, "/a.fits?nolength", "");
    assert_eq!((without.header("Content-Length"), without.body.len()), (None, 3_000_000));
    assert!(get(address, "/a.fits?chunked", "").body.ends_with(b"\r\n0\r\n\r\n"));
    let broken = get(address, "/a.fits?chunked_cut=100", "").body;
    assert_eq!(broken.len(), 100 + "80000\r\n".len());
}

#[test]
fn stalls_end_with_the_client() {
    let server = server();
    let mut stream = connect(server.address());
    stream.write_all(b"GET /a.fits?stall=100 HTTP/1.1\r\n\r\n").unwrap();
    let mut bytes = vec![0; 100];
    stream.read_exact(&mut bytes).unwrap();
    eventually("the stall comes", || server.requests()[0].body_sent == 100);
    let mut head_stall = connect(server.address());
    head_stall.write_all(b"GET /a.fits?stall_head HTTP/1.1\r\n\r\n").unwrap();
    assert!(is_silent(&mut head_stall));
    assert_eq!(server.connections().open, 2);
    drop((stream, head_stall));
    eventually("connections end", || server.connections().open == 0);
}

#[test]
fn statuses_and_redirects() {
    let server = server();
    let address = server.address();
    let busy = "/a.fits?status=503&times=2&retry_after=1";
    assert_eq!(get(address, busy, "").header("Retry-After"), Some("1"));
    assert_eq!(get(address, busy, "").status(), 503);
    assert_eq!(get(address, busy, "").status(), 200);
    server.clear_log();
    assert_eq!(get(address, busy, "").status(), 503);
    let there = get(address, "/a.fits?redirect=http%3A%2F%2Flocalhost%2Fb%3Fc&status=307", "");
    assert_eq!((there.status(), there.header("Location")), (307, Some("http://localhost/b?c")));
    assert_eq!(get(address, "/a.fits?loop", "").header("Location"), Some("/a.fits?loop"));
    assert_eq!(get(address, "/a.fits?hops=2", "").header("Location"), Some("/a.fits?hops=1"));
    assert_eq!(get(address, "/a.fits?auth=me:secret", "").status(), 401);
    let known = "Authorization: Basic bWU6c2VjcmV0\r\n";
    assert_eq!(get(address, "/a.fits?auth=me:secret", known).status(), 200);
    assert_eq!(get(address, "/a.fits?cut=much", "").status(), 400);
}

#[test]
fn kept_connections() {
    let server = server();
    server.put("/empty.fits", Vec::new());
    let mut stream = connect(server.address());
    for _ in 0..2 {
        stream.write_all(b"HEAD /a.fits HTTP/1.1\r\n\r\nGET /empty.fits HTTP/1.1\r\n\r\n").unwrap();
    }
    stream.write_all(b"GET /empty.fits?close_reused HTTP/1.1\r\n\r\nGET /empty.fits HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 5);
    assert_eq!(server.connections().accepted, 1);
    assert_eq!(server.requests()[5].status, 0);
    assert!(!get(server.address(), "/empty.fits?close_idle", "").head.is_empty());
}

#[test]
fn pages_for_other_processes() {
    let server = HttpServer::start();
    let mut stream = connect(server.address());
    stream.write_all(b"PUT /new.fits HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").unwrap();
    stream.read_exact(&mut [0; 20]).unwrap();
    assert_eq!(get(server.address(), "/new.fits", "").body, b"abc");
    let log = String::from_utf8(get(server.address(), "/_log", "").body).unwrap();
    assert!(log.contains(r#""target":"/new.fits","range":null"#), "{log}");
    get(server.address(), "/_clear", "");
    assert!(server.requests().is_empty());
}

#[test]
fn https() {
    let authority = Authority::new();
    let server = HttpOptions::new().tls(&authority, CertificateKind::Right).start();
    server.put("/a.fits", content());
    let mut stream = secure(connect(server.address()), &authority, "localhost");
    assert!(ask(&mut stream, "/a.fits", "").body == content());
    let mut stream = secure(connect(server.address()), &authority, "127.0.0.1");
    assert_eq!(ask(&mut stream, "/a.fits?cut=700000", "").body.len(), 700_000);
    let mut stranger = secure(connect(server.address()), &Authority::new(), "localhost");
    assert!(stranger.write_all(b"GET").and_then(|()| stranger.flush()).is_err());
    let elsewhere = HttpOptions::new().tls(&authority, CertificateKind::WrongHost).start();
    let mut stream = secure(connect(elsewhere.address()), &authority, "localhost");
    assert!(stream.write_all(b"GET").and_then(|()| stream.flush()).is_err());
}

#[test]
fn latency_and_rate() {
    let server = HttpOptions::new().latency(Duration::from_millis(30)).start();
    server.put("/a.fits", vec![0; 1000]);
    let begun = Instant::now();
    get(server.address(), "/a.fits?rate=10000", "");
    assert!(begun.elapsed() >= Duration::from_millis(30 + 80));
}

#[tokio::test]
async fn ends_when_dropped_in_async_code() {
    let server = server();
    let mut stream = connect(server.address());
    let address = server.address();
    eventually("the connection is there", || server.connections().open == 1);
    drop(server);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert!(std::net::TcpStream::connect(address).is_err());
}
