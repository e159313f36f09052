//! Proxies, as the variables of the environment name them.

use super::super::HttpClient;
use super::remote;
use super::server::{Reply, Server};
use crate::ErrorKind;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// A client whose requests all go through this server.
fn through(server: &Server) -> HttpClient {
    let proxy = server.url("").replace("http://", "http://ann:secret@");
    HttpClient::with_proxies(Matcher::builder().all(proxy).no("direct.example").build())
}

#[tokio::test]
async fn http_goes_through_the_proxy() {
    let server = Server::start(|_| Reply::new("200 OK", &[], b"here")).await;
    let url = Url::parse("http://archive.example/f?x=1").unwrap();
    let mut response = through(&server).get(&url, None, None, &remote()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "here");
    let seen = &server.seen()[0];
    assert_eq!(seen.path(), "http://archive.example/f?x=1");
    assert_eq!(seen.header("proxy-authorization"), Some("Basic YW5uOnNlY3JldA=="));
}

#[tokio::test]
async fn https_asks_the_proxy_for_a_tunnel() {
    let server = Server::start(|_| Reply::new("407 Who Are You", &[], b"")).await;
    let url = Url::parse("https://archive.example/f").unwrap();
    let Err(error) = through(&server).get(&url, None, None, &remote()).await else { panic!("the proxy refuses") };
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(
        error.to_string().contains(&server.address.to_string()) && !error.to_string().contains("secret"),
        "{error}"
    );
    let seen = &server.seen()[0];
    assert_eq!(seen.path(), "archive.example:443");
    assert_eq!(seen.header("proxy-authorization"), Some("Basic YW5uOnNlY3JldA=="));
}
