//! HTTP/2: what is small goes over one connection at the same time, what is large over several.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tempfile::NamedTempFile;
use tokio::sync::{Barrier, Notify};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use super::super::{ByteRange, RangedFile, RetryPolicy, download};
use super::tls::prepare;
use super::{client, remote};
use crate::Remote;
use crate::io::budget::Unlimited;
use crate::io::sink::MemorySink;
use crate::io::traffic::FREE;

/// Larger than what may come ahead of being read.
const FILE: &[u8] = &[7; 5 << 20];
/// The requests that the server answers once all of them have come.
const TOGETHER: usize = 8;
/// What no test takes, unless requests wait for each other.
const WATCHDOG: Duration = Duration::from_secs(60);

/// An HTTP/2 server of one file. Its answers wait for each other, but for those to requests for its first byte.
struct Server {
    url: Url,
    ca_file: NamedTempFile,
    /// How many requests came on each connection that had any.
    requests: Arc<Mutex<BTreeMap<usize, usize>>>,
    /// Lets a connection be heard no more of.
    dies: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start() -> Self {
        let (listener, acceptor, ca_file) = prepare("localhost", &[b"h2", b"http/1.1"]).await;
        let url = Url::parse(&format!("https://localhost:{}/f", listener.local_addr().unwrap().port())).unwrap();
        let requests = Arc::new(Mutex::new(BTreeMap::new()));
        let (log, together) = (Arc::clone(&requests), Arc::new(Barrier::new(TOGETHER)));
        let dies = Arc::new(Notify::new());
        let dying = Arc::clone(&dies);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, log, together) = (acceptor.clone(), Arc::clone(&log), Arc::clone(&together));
                let dies = Arc::clone(&dying);
                let number = connections.len();
                connections.spawn(async move {
                    // Connections that turn out not to be needed are closed at any moment.
                    let Ok(socket) = acceptor.accept(socket).await else { return };
                    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                    let mut answers = JoinSet::new();
                    loop {
                        let accepted = tokio::select! {
                            biased;
                            () = dies.notified() => std::future::pending().await,
                            accepted = connection.accept() => accepted,
                        };
                        let Some(Ok((request, respond))) = accepted else { return };
                        *log.lock().unwrap().entry(number).or_default() += 1;
                        answers.spawn(answer(request, respond, Arc::clone(&together)));
                    }
                });
            }
        });
        Self { url, ca_file, requests, dies, task }
    }

    fn remote(&self) -> Remote {
        Remote { ca_file: Some(self.ca_file.path().to_owned()), ..remote() }
    }

    /// How many requests came on each connection.
    fn requests(&self) -> Vec<usize> {
        self.requests.lock().unwrap().values().copied().collect()
    }
}

async fn answer(
    request: hyper::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    together: Arc<Barrier>,
) {
    assert_eq!(request.headers()["accept-encoding"], "identity");
    let mut head = hyper::Response::builder().header("etag", "\"a\"");
    let mut body = FILE;
    if let Some(range) = request.headers().get("range") {
        let (start, last) = range.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap());
        body = &FILE[start..=last];
        head = head.status(206).header("content-range", format!("bytes {start}-{last}/{}", FILE.len()));
        if start > 0 {
            together.wait().await;
        }
    } else {
        together.wait().await;
    }
    let head = head.header("content-length", body.len()).body(()).unwrap();
    respond.send_response(head, false).unwrap().send_data(body.into(), true).unwrap();
}

#[tokio::test]
async fn small_ranges_go_over_one_connection_at_the_same_time() {
    let server = Server::start().await;
    let (client, remote) = (client(), server.remote());
    let (file, _) = RangedFile::open(&client, &server.url, &remote, &FREE, 100).await.unwrap();
    let fetches = (1..=TOGETHER as u64).map(|number| file.fetch(&client, number * 1000..number * 1000 + 100));
    let parts = tokio::time::timeout(WATCHDOG, join_all(fetches)).await.expect("they wait for each other");
    assert!(parts.into_iter().all(|part| part.unwrap() == FILE[..100]));
    assert_eq!(server.requests(), [1 + TOGETHER]);
}

#[tokio::test]
async fn whole_files_go_over_several_connections() {
    let server = Server::start().await;
    let (client, remote) = (client(), server.remote());
    let downloads = (0..TOGETHER).map(async |_| {
        let mut sink = MemorySink::new(&Unlimited, None);
        download(&client, &server.url, &remote, &RetryPolicy::none(), &Unlimited, &mut sink).await.unwrap();
        assert!(sink.into_bytes() == FILE);
    });
    tokio::time::timeout(WATCHDOG, join_all(downloads)).await.expect("they wait for each other");
    let requests = server.requests();
    assert_eq!(requests.iter().sum::<usize>(), TOGETHER);
    assert!((6..=TOGETHER).contains(&requests.len()), "{requests:?}");
}

#[tokio::test]
async fn a_connection_that_died_in_silence_is_found_out() {
    let server = Server::start().await;
    let mut remote = server.remote();
    remote.timeout.connect = Duration::from_secs(3);
    let client = client();
    let (_file, first) = RangedFile::open(&client, &server.url, &remote, &FREE, 100).await.unwrap();
    assert_eq!(first, FILE[..100]);
    server.dies.notify_one();
    // One attempt: the request goes to the dead connection, and from there to a new one.
    let response = client.get(&server.url, Some(ByteRange::Part(0..7)), None, &remote).await;
    assert_eq!(response.unwrap().head.content_range.unwrap().end, 7);
    assert_eq!(server.requests(), [1, 1]);
}
