//! Starting the scripted server, and asking it what came.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_rustls::TlsAcceptor;

use super::commands::Commands;
use super::fault::FtpFault;
use super::options::{FtpOptions, url};
use super::session::Session;
use crate::background::Background;
use crate::counters::{Connections, Counter};
use crate::files::Files;

/// An FTP or FTPS server that misbehaves, on a free port of 127.0.0.1, until it is dropped.
pub struct ScriptedFtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

/// What all connections of a server have in common.
pub(super) struct Shared {
    pub(super) faults: Vec<FtpFault>,
    /// Replies in place of what a command asks for.
    pub(super) replies: Vec<(String, String)>,
    pub(super) files: Files,
    pub(super) latency: Duration,
    pub(super) user: Option<(String, String)>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) commands: Commands,
    pub(super) connections: Arc<Counter>,
    pub(super) data_connections: Arc<Counter>,
}

impl ScriptedFtpServer {
    /// Starts a plain FTP server with these faults, that serves what is [`put`](Self::put).
    pub fn start(faults: &[FtpFault]) -> Self {
        FtpOptions::new().start_scripted(faults)
    }

    pub(super) fn with_options(options: FtpOptions, faults: &[FtpFault]) -> Self {
        let background = Background::new();
        let shared = Arc::new(Shared {
            faults: faults.to_vec(),
            replies: options.replies,
            files: Files::new(options.root),
            latency: options.latency,
            user: options.user,
            tls: options.tls.map(|identity| TlsAcceptor::from(identity.server_config(None))),
            commands: Commands::default(),
            connections: Arc::default(),
            data_connections: Arc::default(),
        });
        let for_connections = shared.clone();
        let address = background.listen(move |client| {
            let shared = for_connections.clone();
            async move {
                let connection = shared.connections.begin();
                // Errors are the client's ways of leaving.
                let _ = Session::new(client, &shared).run(connection.number).await;
            }
        });
        Self { address, shared, _background: background }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        url(self.address, self.shared.tls.is_some(), path)
    }

    /// Serves bytes as a file, in place of one of the same path.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        self.shared.files.put(path, bytes.into());
    }

    /// The command lines that came.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.list()
    }

    /// Forgets the command lines.
    pub fn clear_log(&self) {
        self.shared.commands.clear();
    }

    /// The control connections so far.
    pub fn connections(&self) -> Connections {
        self.shared.connections.connections()
    }

    /// The data connections so far.
    pub fn data_connections(&self) -> Connections {
        self.shared.data_connections.connections()
    }
}
