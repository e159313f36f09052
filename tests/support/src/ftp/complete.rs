//! The complete server: libunftp on a directory.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use libunftp::ServerBuilder;
use libunftp::options::FtpsRequired;
use tempfile::TempDir;
use tokio::net::TcpStream;
use unftp_core::auth::{AuthenticationError, Authenticator, Credentials, Principal};
use unftp_sbe_fs::Filesystem;

use super::commands::Commands;
use super::options::{FtpOptions, url};
use super::relay::{pair, relay};
use crate::background::Background;
use crate::certificates::Identity;
use crate::counters::{Connections, Counter};

/// An FTP or FTPS server of a directory on a free port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct FtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

impl FtpServer {
    /// Starts a plain FTP server that serves what is [`put`](Self::put).
    pub fn start() -> Self {
        FtpOptions::new().start()
    }

    pub(super) fn with_options(options: FtpOptions) -> Self {
        let background = Background::new();
        let shared = Arc::new(Shared::new(options));
        let for_connections = shared.clone();
        let address = background.listen(move |client| {
            let shared = for_connections.clone();
            async move {
                let _counted = shared.connections.begin();
                shared.serve(client).await;
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

    /// Writes a file into the served directory.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.shared.root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The command lines that came, as far as they were not encrypted.
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
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    latency: Duration,
    door: Arc<Door>,
    /// The files of certificate and key.
    tls: Option<(PathBuf, PathBuf)>,
    commands: Commands,
    connections: Arc<Counter>,
    _own: TempDir,
}

impl Shared {
    fn new(options: FtpOptions) -> Self {
        let own = TempDir::new().unwrap();
        let root = options.root.unwrap_or_else(|| own.path().join("files"));
        std::fs::create_dir_all(&root).unwrap();
        Self {
            root,
            latency: options.latency,
            door: Arc::new(Door { user: options.user }),
            tls: options.tls.map(|identity| write(&identity, own.path())),
            commands: Commands::default(),
            connections: Arc::default(),
            _own: own,
        }
    }

    /// Serves one client by a server of its own behind a relay.
    async fn serve(&self, client: TcpStream) {
        let root = self.root.clone();
        let storage = Box::new(move || Filesystem::new(root.clone()).unwrap());
        let mut builder = ServerBuilder::with_authenticator(storage, self.door.clone());
        if let Some((certificate, key)) = &self.tls {
            builder = builder.ftps(certificate, key).ftps_required(FtpsRequired::All, FtpsRequired::All);
        }
        let server = builder.build().unwrap();
        let Ok((near, far)) = pair().await else { return };
        tokio::spawn(server.service(far));
        relay(client, near, self.latency, &self.commands).await;
    }
}

fn write(identity: &Identity, directory: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, &identity.certificate).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    (certificate, key)
}

/// Lets in one user, or anyone.
#[derive(Debug)]
struct Door {
    user: Option<(String, String)>,
}

#[async_trait]
impl Authenticator for Door {
    async fn authenticate(&self, name: &str, credentials: &Credentials) -> Result<Principal, AuthenticationError> {
        match &self.user {
            Some((known, _)) if known != name => Err(AuthenticationError::BadUser),
            Some((_, password)) if Some(password) != credentials.password.as_ref() => {
                Err(AuthenticationError::BadPassword)
            }
            _ => Ok(Principal { username: name.to_owned() }),
        }
    }
}
