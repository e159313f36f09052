//! A server over a raw socket, which answers each request with the bytes that the test gives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Counts requests to the server, from 0.
    pub(super) number: usize,
    /// Counts connections, from 0.
    pub(super) connection: usize,
    head: String,
}

impl Seen {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The path and query.
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

/// What the server does with a connection after it sent its bytes.
#[derive(Clone, Debug)]
pub(super) enum After {
    Keep,
    Close,
    Stall,
    /// Sends these bytes again and again.
    Repeat(&'static [u8]),
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) after: After,
}

impl Reply {
    /// A whole answer; the connection is kept.
    pub(super) fn new(status: &str, headers: &[&str], body: &[u8]) -> Self {
        let length = format!("Content-Length: {}", body.len());
        let headers: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
        Self::raw(status, &headers, body, After::Keep)
    }

    /// An answer whose headers are only those given.
    pub(super) fn raw(status: &str, headers: &[&str], body: &[u8], after: After) -> Self {
        let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for header in headers {
            bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Self { bytes, after }
    }

    /// Nothing at all.
    pub(super) fn none(after: After) -> Self {
        Self { bytes: Vec::new(), after }
    }
}

/// A running server; it ends when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let reply = Arc::new(reply);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let connection = connections.len();
                connections.spawn(serve(socket, connection, log.clone(), reply.clone()));
            }
        });
        Self { address, seen, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve<R: Fn(&Seen) -> Reply>(
    mut socket: TcpStream,
    connection: usize,
    log: Arc<Mutex<Vec<Seen>>>,
    reply: Arc<R>,
) {
    while let Some(head) = read_head(&mut socket).await {
        let seen = {
            let mut log = log.lock().unwrap();
            let seen = Seen { number: log.len(), connection, head };
            log.push(seen.clone());
            seen
        };
        let reply = reply(&seen);
        if socket.write_all(&reply.bytes).await.is_err() {
            return;
        }
        match reply.after {
            After::Keep => {}
            After::Close => return,
            After::Stall => std::future::pending().await,
            After::Repeat(bytes) => while socket.write_all(bytes).await.is_ok() {},
        }
    }
}

async fn read_head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
