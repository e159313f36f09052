//! A client that takes what comes, byte by byte.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "tests")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustfits_loopback::Authority;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A connection on which nothing takes longer than some seconds.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// The same with TLS, as a client that trusts the authority and wants to speak with `host`.
pub(crate) fn secure(stream: TcpStream, authority: &Authority, host: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status line and headers.
    pub(crate) head: String,
    /// What came of the body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The number in the status line.
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

/// Asks for a path with some more header lines, on a connection that then closes; reads to its end.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    ask(&mut connect(address), path, headers)
}

/// The same on any connection.
pub(crate) fn ask(stream: &mut (impl Read + Write), path: &str, headers: &str) -> Answer {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    stream.flush().unwrap();
    let mut bytes = Vec::new();
    // A connection that is cut off is an end too.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    Answer { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes[end + 4..].to_vec() }
}

/// Whether a connection sends nothing more, and does not end, for a while.
pub(crate) fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    matches!(stream.read(&mut [0]), Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The control connection of an FTP client.
pub(crate) struct Control<Stream> {
    stream: BufReader<Stream>,
}

impl<Stream: Read + Write> Control<Stream> {
    /// Takes a connection over, before or after the greeting.
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The connection beneath.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream.into_inner()
    }

    /// Sends a command and gives the reply.
    pub(crate) fn command(&mut self, line: &str) -> String {
        write!(self.stream.get_mut(), "{line}\r\n").unwrap();
        self.stream.get_mut().flush().unwrap();
        self.reply()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Logs in as anyone.
    pub(crate) fn log_in(&mut self) {
        assert_eq!(&self.command("USER anonymous")[..3], "331");
        assert_eq!(&self.command("PASS guest")[..3], "230");
        assert_eq!(&self.command("TYPE I")[..3], "200");
    }

    /// The address of the data port by EPSV.
    pub(crate) fn extended_passive(&mut self) -> SocketAddr {
        let reply = self.command("EPSV");
        let port = reply.split('|').nth(3).unwrap_or_else(|| panic!("{reply}"));
        SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
    }
}
