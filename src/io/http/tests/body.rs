//! Bodies that are short, silent, chunked or of the wrong kind.

use super::super::Response;
use super::server::{After, Reply, Server};
use super::{NEVER, SOON, client, limits, remote};
use crate::{Error, ErrorKind, Remote};
use url::Url;

async fn get(server: &Server, remote: &Remote) -> Response {
    client().get(&Url::parse(&server.url("/f")).unwrap(), None, None, remote).await.unwrap()
}

async fn body(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[tokio::test]
async fn the_head_is_read() {
    let headers =
        ["ETag: \"a\"", "Last-Modified: then", "Content-Type: text/html; charset=utf-8", "Accept-Ranges: bytes"];
    let server = Server::start(move |_| Reply::new("200 OK", &headers, b"<html>")).await;
    let response = get(&server, &remote()).await;
    let head = &response.head;
    assert_eq!((head.status, head.length, head.content_range), (200, Some(6), None));
    assert_eq!(head.content_type.as_deref(), Some("text/html; charset=utf-8"));
    assert_eq!(head.version.validator(), Some("\"a\""));
    assert!(head.accept_ranges);
    assert_eq!(body(response).await.unwrap(), b"<html>");
}

#[tokio::test]
async fn a_short_body_says_how_short() {
    let server = Server::start(|_| Reply::raw("200 OK", &["Content-Length: 10"], b"12345", After::Close)).await;
    let error = body(get(&server, &remote()).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.is_transient());
    assert!(error.to_string().contains("the body ended at 5 of 10 bytes"), "{error}");
    assert_eq!(error.file(), Some(server.url("/f").as_str()));
}

#[tokio::test]
async fn chunked_bodies_are_read_and_may_not_be_cut() {
    let chunked = ["Transfer-Encoding: chunked"];
    let whole =
        Server::start(move |_| Reply::raw("200 OK", &chunked, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", After::Keep)).await;
    let response = get(&whole, &remote()).await;
    assert_eq!(response.head.length, None);
    assert_eq!(body(response).await.unwrap(), b"abcde");
    for cut in [b"3\r\nabc\r\n2\r\nd".as_slice(), b"3\r\nabc\r\n", b"3\r\nabc\r\nxyz"] {
        let server = Server::start(move |_| Reply::raw("200 OK", &chunked, cut, After::Close)).await;
        let error = body(get(&server, &remote()).await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    }
}

#[tokio::test]
async fn a_body_without_length_ends_with_the_connection() {
    let server = Server::start(|_| Reply::raw("200 OK", &[], b"all of it", After::Close)).await;
    assert_eq!(body(get(&server, &remote()).await).await.unwrap(), b"all of it");
}

#[tokio::test]
async fn a_silent_body_is_given_up() {
    let server = Server::start(|_| Reply::raw("200 OK", &["Content-Length: 10"], b"12345", After::Stall)).await;
    let error = body(get(&server, &limits(NEVER, SOON, None)).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("idle") && error.to_string().contains("5 of 10 bytes"), "{error}");
    let error = body(get(&server, &limits(NEVER, NEVER, Some(SOON))).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("total"), "{error}");
}
