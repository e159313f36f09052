//! How to start an FTP server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::complete::FtpServer;
use super::fault::FtpFault;
use super::scripted::ScriptedFtpServer;
use crate::certificates::{Authority, CertificateKind, Identity};

/// How to start an [`FtpServer`] or a [`ScriptedFtpServer`].
#[derive(Debug, Default)]
pub struct FtpOptions {
    pub(super) root: Option<PathBuf>,
    pub(super) latency: Duration,
    pub(super) user: Option<(String, String)>,
    pub(super) tls: Option<Identity>,
    pub(super) replies: Vec<(String, String)>,
}

impl FtpOptions {
    /// Plain FTP for anyone, without a directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the files below a directory.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Waits before each reply.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Lets in this user only, in place of anyone.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Offers AUTH TLS, with a certificate of this authority; without TLS nobody can log in then.
    pub fn tls(mut self, authority: &Authority, kind: CertificateKind) -> Self {
        self.tls = Some(authority.identity(kind));
        self
    }

    /// Has the scripted server give this reply to a command in place of doing what it asks for, or none and close the connection where the
    /// reply is empty. `GREETING` stands for the beginning, and `END` for the reply after the data.
    pub fn reply(mut self, command: &str, reply: &str) -> Self {
        self.replies.push((command.to_owned(), reply.to_owned()));
        self
    }

    /// Starts the complete server.
    pub fn start(self) -> FtpServer {
        FtpServer::with_options(self)
    }

    /// Starts the scripted server, with these faults; with none of them it behaves.
    pub fn start_scripted(self, faults: &[FtpFault]) -> ScriptedFtpServer {
        ScriptedFtpServer::with_options(self, faults)
    }
}

/// The URL of a path. FTPS URLs name `localhost`.
pub(super) fn url(address: SocketAddr, tls: bool, path: &str) -> String {
    if tls { format!("ftps://localhost:{}{path}", address.port()) } else { format!("ftp://{address}{path}") }
}
