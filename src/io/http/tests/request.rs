//! Statuses, redirects, headers, and connections that are kept.

use super::super::ByteRange;
use super::server::{After, Reply, Server};
use super::{NEVER, SOON, client, get_error, limits, remote};
use crate::{ErrorKind, Remote};
use url::Url;

#[tokio::test]
async fn a_bad_status_is_an_error_with_the_url_but_no_password() {
    for (status, code) in [("404 Not Found", 404), ("403 Forbidden", 403), ("500 Oh", 500), ("304 Not Modified", 304)] {
        let server = Server::start(move |_| Reply::new(status, &[], b"<html>")).await;
        let url = server.url("/a%20b.fits?x=1").replace("http://", "http://ann:secret@");
        let error = get_error(&url, &remote()).await;
        assert_eq!(error.kind(), ErrorKind::Status(code));
        assert_eq!(error.file(), Some(server.url("/a%20b.fits?x=1").as_str()));
        assert!(error.to_string().contains(&code.to_string()) && !error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn what_is_sent() {
    let server = Server::start(|_| Reply::new("200 OK", &[], b"")).await;
    let url = Url::parse(&server.url("/a%20b.fits?x=%2F").replace("http://", "http://ann:se%40cret@")).unwrap();
    let remote = Remote { headers: vec![("X-Key".into(), "1".into())], ..remote() };
    client().get(&url, Some(ByteRange::From(7)), Some("\"a\""), &remote).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.path(), "/a%20b.fits?x=%2F");
    assert_eq!(seen.header("host"), Some(server.address.to_string().as_str()));
    assert_eq!(seen.header("authorization"), Some("Basic YW5uOnNlQGNyZXQ="));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("user-agent"), Some(concat!("rustfits/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.header("range"), Some("bytes=7-"));
    assert_eq!(seen.header("if-range"), Some("\"a\""));
    assert_eq!(seen.header("x-key"), Some("1"));
}

#[tokio::test]
async fn redirects_keep_the_range_and_leave_secrets_with_their_host() {
    for status in ["301 A", "302 B", "303 C", "307 D", "308 E"] {
        let other = Server::start(|_| Reply::new("200 OK", &[], b"there")).await;
        let away = format!("Location: {}", other.url("/away"));
        let server = Server::start(move |seen| match seen.path() {
            "/first" => Reply::new(status, &["Location: second?x=1"], b""),
            _ => Reply::new(status, &[&away], b""),
        })
        .await;
        let url = Url::parse(&server.url("/first").replace("http://", "http://ann:secret@")).unwrap();
        let remote = Remote { headers: vec![("X-Key".into(), "1".into())], ..remote() };
        let range = Some(ByteRange::Part(0..9));
        let response = client().get(&url, range, None, &remote).await.unwrap();
        assert_eq!(response.head.url.as_str(), other.url("/away"));
        assert_eq!(server.seen()[1].path(), "/second?x=1");
        for seen in server.seen() {
            assert!(seen.header("authorization").is_some() && seen.header("x-key").is_some());
        }
        let seen = &other.seen()[0];
        assert_eq!((seen.header("authorization"), seen.header("x-key")), (None, None));
        assert_eq!(seen.header("range"), Some("bytes=0-8"));
    }
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let server = Server::start(|seen| Reply::new("302 Found", &[&format!("Location: /{}", seen.number)], b"")).await;
    let error = get_error(&server.url("/"), &remote()).await;
    assert_eq!(error.kind(), ErrorKind::Status(302));
    assert!(error.to_string().contains("more than 10 redirects"), "{error}");
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn redirects_to_other_schemes_are_refused() {
    for location in ["Location: file:///etc/passwd", "Location: ftp://host/a.fits", "Location: http://[", "X: y"] {
        let server = Server::start(move |_| Reply::new("302 Found", &[location], b"")).await;
        let error = get_error(&server.url("/"), &remote()).await;
        assert_eq!(error.kind(), ErrorKind::Status(302), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn an_error_after_a_redirect_names_both_urls() {
    let server = Server::start(|seen| match seen.path() {
        "/a" => Reply::new("302 Found", &["Location: /b"], b""),
        _ => Reply::new("404 Not Found", &[], b""),
    })
    .await;
    let error = get_error(&server.url("/a"), &remote()).await.to_string();
    assert!(error.contains(&server.url("/a")) && error.contains(&server.url("/b")), "{error}");
}

#[tokio::test]
async fn a_kept_connection_is_used_again() {
    let server = Server::start(|_| Reply::new("200 OK", &[], b"")).await;
    let client = client();
    for _ in 0..3 {
        let url = Url::parse(&server.url("/")).unwrap();
        let mut response = client.get(&url, None, None, &remote()).await.unwrap();
        assert_eq!(response.chunk().await.unwrap(), None);
        // The connection goes back to the pool in a task of its own.
        tokio::task::yield_now().await;
    }
    assert!(server.seen().iter().all(|seen| seen.connection == 0), "{:?}", server.seen());
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_one_silent_retry() {
    // Each connection answers once and is closed without a word when the next request comes.
    let server = Server::start(|seen| match seen.number {
        0 | 2 => Reply::new("200 OK", &[], b""),
        _ => Reply::none(After::Close),
    })
    .await;
    let client = client();
    let url = Url::parse(&server.url("/")).unwrap();
    client.get(&url, None, None, &remote()).await.unwrap();
    client.get(&url, None, None, &remote()).await.unwrap();
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn a_new_connection_that_is_closed_is_not_tried_again() {
    let server = Server::start(|_| Reply::none(After::Close)).await;
    let error = get_error(&server.url("/"), &remote()).await;
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start(|_| Reply::none(After::Stall)).await;
    let error = get_error(&server.url("/"), &limits(SOON, NEVER, None)).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect"), "{error}");
    let error = get_error(&server.url("/"), &limits(NEVER, NEVER, Some(SOON))).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("total"), "{error}");
}

#[tokio::test]
async fn a_head_without_an_end_is_given_up() {
    let server = Server::start(|_| Reply {
        bytes: b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec(),
        after: After::Repeat(&[b'a'; 4096]),
    })
    .await;
    let error = get_error(&server.url("/"), &remote()).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let server =
        Server::start(|_| Reply { bytes: b"HTTP/1.1 200 OK\r\n".to_vec(), after: After::Repeat(b"X-Again: 1\r\n") })
            .await;
    let error = get_error(&server.url("/"), &remote()).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    for bytes in
        [b"220 an ftp server\r\n\r\n".as_slice(), b"SIMPLE  =                    T", b"\0\0\0\0\0\0\0\0\r\n\r\n"]
    {
        let server = Server::start(move |_| Reply { bytes: bytes.to_vec(), after: After::Close }).await;
        let error = get_error(&server.url("/"), &remote()).await;
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Network), "{error}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_network_error() {
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = get_error(&format!("http://{address}/"), &remote()).await;
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains(&format!("connecting to {address}")), "{error}");
}
