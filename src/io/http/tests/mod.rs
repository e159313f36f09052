//! The client against servers that do what servers shouldn't. What went over the wire is asserted, not only the result.

mod body;
mod download;
mod http2;
mod proxy;
mod ranges;
mod request;
mod server;
mod tls;

use super::{HttpClient, RetryPolicy, Transfer};
use crate::io::budget::Unlimited;
use crate::io::sink::MemorySink;
use crate::{Error, Remote, Result, Timeout};
use hyper_util::client::proxy::matcher::Matcher;
use std::time::Duration;

/// A limit that no test reaches unless it is about it.
const NEVER: Duration = Duration::from_secs(600);
/// A limit that a test waits for.
const SOON: Duration = Duration::from_millis(50);

/// Five attempts without pauses.
const AT_ONCE: RetryPolicy = RetryPolicy {
    attempts: 5,
    first_pause: Duration::ZERO,
    longest_pause: Duration::ZERO,
    longest_retry_after: Duration::from_millis(1),
    lasting: false,
};

fn limits(connect: Duration, idle: Duration, total: Option<Duration>) -> Remote {
    Remote { timeout: Timeout { connect, idle, total }, ..Remote::default() }
}

fn remote() -> Remote {
    limits(NEVER, NEVER, None)
}

/// A client that no proxy of the environment comes between.
fn client() -> HttpClient {
    HttpClient::with_proxies(Matcher::builder().build())
}

/// Downloads into memory; returns the bytes and the number of attempts, or the error with it.
async fn whole(url: &str, remote: &Remote, retry: &RetryPolicy) -> (Result<Vec<u8>>, u32) {
    let client = client();
    let url = url::Url::parse(url).unwrap();
    let mut sink = MemorySink::new(&Unlimited, remote.max_bytes);
    let mut transfer = Transfer::new(&client, &url, remote, retry, &Unlimited);
    let result = transfer.run(&mut sink).await;
    (result.map(|_| sink.into_bytes()), transfer.attempts())
}

async fn get_error(url: &str, remote: &Remote) -> Error {
    match client().get(&url::Url::parse(url).unwrap(), None, None, remote).await {
        Ok(_) => panic!("the request was to fail"),
        Err(error) => error,
    }
}

/// Everything that others await can be moved between threads; this needs only to compile.
#[test]
fn futures_are_send() {
    fn check<T: Send>(future: T) {
        drop(future);
    }
    let (client, remote, url) = (client(), remote(), url::Url::parse("http://localhost/").unwrap());
    let mut sink = MemorySink::new(&Unlimited, None);
    check(client.get(&url, None, None, &remote));
    check(super::download(&client, &url, &remote, &AT_ONCE, &Unlimited, &mut sink));
    check(super::RangedFile::open(&client, &url, &remote, &crate::io::traffic::FREE, 1));
    check(async |file: super::RangedFile, mut response: super::Response| {
        check(file.fetch(&client, 0..1));
        check(response.chunk());
    });
}
