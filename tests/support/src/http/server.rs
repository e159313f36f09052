//! Starting a server, and asking it what came.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_rustls::TlsAcceptor;

use super::connection::serve;
use super::head::decoded;
use super::log::{Log, Request};
use crate::background::Background;
use crate::certificates::{Authority, CertificateKind};
use crate::counters::{Connections, Counter};
use crate::files::Files;

/// How to start an [`HttpServer`].
#[derive(Clone, Default)]
pub struct HttpOptions {
    root: Option<PathBuf>,
    pub(super) latency: Duration,
    pub(super) user: Option<String>,
    tls: Option<TlsAcceptor>,
}

impl HttpOptions {
    /// Plain HTTP without a directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the files below a directory.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Waits before each answer, where the URL has no `latency` of its own.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Lets in one user only, by Basic authentication.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some(format!("{name}:{password}"));
        self
    }

    /// Speaks HTTPS, with a certificate of this authority.
    pub fn tls(mut self, authority: &Authority, kind: CertificateKind) -> Self {
        self.tls = Some(TlsAcceptor::from(authority.identity(kind).server_config(None)));
        self
    }

    /// Speaks HTTPS, to clients only that show a certificate of the same authority.
    pub fn mutual_tls(mut self, authority: &Authority) -> Self {
        let config = authority.identity(CertificateKind::Right).server_config(Some(authority));
        self.tls = Some(TlsAcceptor::from(config));
        self
    }

    /// Starts the server.
    pub fn start(self) -> HttpServer {
        let background = Background::new();
        let files = Files::new(self.root.clone());
        let shared = Arc::new(Shared { files, log: Log::new(), connections: Arc::default(), options: self });
        let for_connections = shared.clone();
        let address = background.listen(move |stream| {
            let shared = for_connections.clone();
            async move {
                let connection = shared.connections.begin();
                // Errors are the client's ways of leaving.
                let _ = match shared.options.tls.clone() {
                    None => serve(stream, shared, connection.number).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => serve(stream, shared, connection.number).await,
                        Err(error) => Err(error),
                    },
                };
            }
        });
        HttpServer { address, shared, _background: background }
    }
}

/// What all connections of a server have in common.
pub(super) struct Shared {
    pub(super) files: Files,
    pub(super) log: Log,
    pub(super) connections: Arc<Counter>,
    pub(super) options: HttpOptions,
}

/// An HTTP or HTTPS server on a free port of 127.0.0.1, until it is dropped.
pub struct HttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

impl HttpServer {
    /// Starts a plain HTTP server that serves what is [`put`](Self::put).
    pub fn start() -> Self {
        HttpOptions::new().start()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which begins with a slash and may have a query. HTTPS URLs name `localhost`.
    pub fn url(&self, path: &str) -> String {
        match self.shared.options.tls {
            None => format!("http://{}{path}", self.address),
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
        }
    }

    /// Serves bytes as a file, in place of one of the same path. It gets a new ETag.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        self.shared.files.put(&decoded(path), bytes.into());
    }

    /// Stops serving a file that was [`put`](Self::put).
    pub fn remove(&self, path: &str) {
        self.shared.files.remove(&decoded(path));
    }

    /// The requests since the log was last cleared, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// The most requests that were being answered at one time since the log was last cleared.
    pub fn most_in_flight(&self) -> u64 {
        self.shared.log.most_in_flight()
    }

    /// Forgets the requests, and with them which of a URL's requests is the first.
    pub fn clear_log(&self) {
        self.shared.log.clear();
    }

    /// The connections so far, those that failed in the TLS handshake too.
    pub fn connections(&self) -> Connections {
        self.shared.connections.connections()
    }
}
