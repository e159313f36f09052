//! The control connection: connect, TLS, login, commands.

use std::net::SocketAddr;

use suppaftp::tokio::{
    AsyncDataStream, AsyncRustlsConnector, AsyncRustlsFtpStream, AsyncRustlsStream, AsyncTlsConnector,
};
use suppaftp::types::{FileType, Response};
use suppaftp::{FtpError, FtpResult, Status};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::limits::Limits;
use super::target::{RawBytes, Target, UNSAID};
use super::{passive, reply};
use crate::error::{Error, Result};
use crate::io::tls;
use crate::options::Remote;

/// A data connection.
pub(super) type Data = AsyncDataStream<AsyncRustlsStream>;

/// A control connection that is logged in and set to binary.
pub(super) struct Session {
    control: AsyncRustlsFtpStream,
    /// Where the control connection really goes.
    pub(super) peer: SocketAddr,
    /// Encrypts data connections, where the control connection is encrypted. The same configuration as there: many
    /// servers demand that the data connection resumes the control connection's TLS session.
    tls: Option<TlsConnector>,
    target: Target,
    pub(super) limits: Limits,
}

impl Session {
    /// Connects and logs in.
    pub(super) async fn start(target: Target, remote: &Remote, limits: Limits) -> Result<Self> {
        let tls = match target.secure {
            true => Some(TlsConnector::from(tls::client_config(&tls::TlsOptions::of(remote)).await?)),
            false => None,
        };
        let socket = connect(&target, &limits).await?;
        let peer = socket.peer_addr().map_err(|error| Error::network(error.to_string()))?;
        let greeting = AsyncRustlsFtpStream::connect_with_stream(socket);
        let mut control = checked("waiting for the greeting", limits.step("greeting", greeting).await?, &target)?;
        if let Some(tls) = &tls {
            let doing = "starting TLS, which ftps:// asks for";
            let handshake = control.into_secure(AsyncRustlsConnector::from(tls.clone()), &target.host);
            control = checked(doing, limits.step(doing, handshake).await?, &target)?;
        }
        control.set_encoding(RawBytes::new(&target)).await;
        let login = control.login(UNSAID, UNSAID);
        checked("logging in", limits.step("logging in", login).await?, &target)?;
        let binary = control.transfer_type(FileType::Binary);
        checked("setting binary mode", limits.step("setting binary mode", binary).await?, &target)?;
        Ok(Self { control, peer, tls, target, limits })
    }

    /// Sends a command. The outer result is the time limit's, the inner one the server's.
    pub(super) async fn ask(&mut self, command: &str, expected: &[Status]) -> Result<FtpResult<Response>> {
        let verb = command.split(' ').next().unwrap_or_default();
        self.limits.step(verb, self.control.custom_command(command, expected)).await
    }

    /// An error of [`Self::ask`] for the user.
    pub(super) fn error(&self, doing: &str, error: FtpError) -> Error {
        reply::error(doing, error, &self.target)
    }

    /// The file's length, where the server tells. A refusal is no error: many servers can't, and whether the file is there
    /// shows when it is asked for.
    pub(super) async fn size(&mut self) -> Result<Option<u64>> {
        let command = format!("SIZE {}", self.target.path);
        match self.ask(&command, &[Status::File]).await? {
            Ok(response) => Ok(reply::text(&response).split(' ').nth(1).and_then(|size| size.parse().ok())),
            Err(FtpError::UnexpectedResponse(_)) => Ok(None),
            Err(error) => Err(self.error("asking for the size", error)),
        }
    }

    /// Opens the data connection through which the file comes, from byte `start` on.
    pub(super) async fn retrieve(&mut self, start: u64) -> Result<Data> {
        let socket = passive::connect(self).await?;
        if start > 0 {
            self.restart_at(start).await?;
        }
        let command = format!("RETR {}", self.target.path);
        let begun = self.ask(&command, &[Status::AboutToSend, Status::AlreadyOpen]).await?;
        begun.map_err(|error| self.error("asking for the file", error))?;
        let Some(tls) = &self.tls else { return Ok(AsyncDataStream::Tcp(socket)) };
        let doing = "starting TLS on the data connection";
        let connector = AsyncRustlsConnector::from(tls.clone());
        let encrypted = self.limits.step(doing, connector.connect(&self.target.host, socket)).await?;
        Ok(AsyncDataStream::Ssl(Box::new(checked(doing, encrypted, &self.target)?)))
    }

    async fn restart_at(&mut self, start: u64) -> Result<()> {
        match self.ask(&format!("REST {start}"), &[Status::RequestFilePending]).await? {
            Ok(_) => Ok(()),
            Err(FtpError::UnexpectedResponse(response)) if reply::code(&response) >= 500 => {
                Err(Error::unsupported(format!(
                    "the server can't resume at byte {start} ({}): fetch the file from its start",
                    reply::shown(&response, &self.target)
                )))
            }
            Err(error) => Err(self.error("resuming", error)),
        }
    }

    /// Waits for the reply that ends a transfer.
    pub(super) async fn confirmation(&mut self, expected: &[Status]) -> Result<()> {
        let doing = "waiting for the end of the transfer to be confirmed";
        let answer = self.limits.silence(doing, self.control.read_response_in(expected)).await?;
        answer.map(|_| ()).map_err(|error| self.error(doing, error))
    }
}

fn checked<T>(doing: &str, result: FtpResult<T>, target: &Target) -> Result<T> {
    result.map_err(|error| reply::error(doing, error, target))
}

/// Connects to the first address of the host that accepts, each getting an even share of the time that is left.
async fn connect(target: &Target, limits: &Limits) -> Result<TcpStream> {
    let host = target.host.as_str();
    let found = limits.step("looking up the host", lookup_host((host, target.port))).await?;
    let addresses: Vec<SocketAddr> =
        found.map_err(|error| Error::network(format!("can't find the host {host}: {error}")))?.collect();
    let mut left = limits.connect();
    let mut failure = Error::network(format!("the host {host} has no address"));
    for (tried, address) in addresses.iter().enumerate() {
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let started = tokio::time::Instant::now();
        failure = match limits.within(share, "connecting", TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => Error::network(format!("can't connect to {host} ({address}): {error}")),
            Err(timeout) => timeout,
        };
        left = left.saturating_sub(started.elapsed());
    }
    Err(failure)
}
