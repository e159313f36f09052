//! A wire between a client and a server, with faults.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::TcpStream;

use crate::background::Background;
use crate::counters::{Connections, Counter};
use crate::ftp::Port;

/// What a [`FaultProxy`] does to what the server sends on a connection. Bytes are counted from its start, heads and TLS among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireFault {
    /// Resets the connection after so many bytes.
    Reset(u64),
    /// Closes the connection in good order after so many bytes.
    Close(u64),
    /// Sends nothing more after so many bytes; the connection stays open.
    Stall(u64),
    /// Passes on so many bytes in a second.
    Rate(u64),
    /// Flips the lowest bit of this byte.
    Corrupt(u64),
    /// Sends so many bytes a second time once that many have been sent.
    Duplicate(u64, usize),
    /// Puts the second text in place of the first one, where that comes first.
    Replace(String, String),
}

/// A proxy in front of a server, on a free port of 127.0.0.1 until it is dropped. The client takes it for the server.
pub struct FaultProxy {
    address: SocketAddr,
    connections: Arc<Counter>,
    _background: Background,
}

impl FaultProxy {
    /// Starts a proxy to a server: the first connection has the first of these faults, and so on; those after the last have none.
    pub fn start(server: SocketAddr, faults: Vec<WireFault>) -> Self {
        Self::with(server, move |number| faults.get(number).cloned())
    }

    /// Starts a proxy of which each connection has this fault.
    pub fn always(server: SocketAddr, fault: WireFault) -> Self {
        Self::with(server, move |_| Some(fault.clone()))
    }

    fn with(server: SocketAddr, fault: impl Fn(usize) -> Option<WireFault> + Send + Sync + 'static) -> Self {
        let (background, connections) = (Background::new(), Arc::<Counter>::default());
        let counter = Arc::clone(&connections);
        let address = background.listen(move |client| {
            let counted = counter.begin();
            let fault = fault(counted.number as usize - 1);
            async move {
                // Errors are the ways of either side to leave.
                let _ = relay(client, server, fault).await;
                drop(counted);
            }
        });
        Self { address, connections, _background: background }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server, as it is through the proxy.
    pub fn through(&self, url: &str, server: SocketAddr) -> String {
        url.replacen(&format!(":{}", server.port()), &format!(":{}", self.address.port()), 1)
    }

    /// The connections so far.
    pub fn connections(&self) -> Connections {
        self.connections.connections()
    }
}

async fn relay(client: TcpStream, server: SocketAddr, fault: Option<WireFault>) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let back = async {
        let mut wire = Wire { fault, sent: 0, begun: Instant::now() };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from_server.read(&mut buffer).await?;
            if count == 0 {
                return Ok::<_, io::Error>(false);
            }
            if let After::Break { reset } = wire.pass_on(buffer[..count].to_vec(), &mut to_client).await? {
                return Ok(reset);
            }
        }
    };
    // The client's end ends it; of the server's end the client is told.
    let reset = tokio::select! {
        ended = there => return ended,
        reset = back => reset?,
    };
    if reset {
        let client = from_client.reunite(to_client).map_err(io::Error::other)?;
        #[allow(deprecated, reason = "zero never blocks, it resets")]
        return client.set_linger(Some(Duration::ZERO));
    }
    to_client.shutdown().await
}

/// What comes after a piece.
enum After {
    More,
    Break { reset: bool },
}

/// The way from the server to the client.
struct Wire {
    fault: Option<WireFault>,
    sent: u64,
    begun: Instant,
}

impl Wire {
    async fn pass_on(&mut self, mut piece: Vec<u8>, client: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<After> {
        let begin = self.sent;
        // Where in this piece a place of the whole is, if it is.
        let here =
            |place: u64| place.checked_sub(begin).map(|place| place as usize).filter(|&place| place < piece.len());
        match self.fault.clone() {
            Some(WireFault::Corrupt(place)) => {
                if let Some(place) = here(place) {
                    piece[place] ^= 1;
                }
            }
            Some(WireFault::Duplicate(place, bytes)) => {
                if let Some(place) = here(place) {
                    let again = piece[place.saturating_sub(bytes)..place].to_vec();
                    piece.splice(place..place, again);
                    self.fault = None;
                }
            }
            Some(WireFault::Replace(from, to)) => {
                if let Some(place) = piece.windows(from.len()).position(|text| text == from.as_bytes()) {
                    piece.splice(place..place + from.len(), to.into_bytes());
                    self.fault = None;
                }
            }
            Some(WireFault::Reset(end) | WireFault::Close(end) | WireFault::Stall(end)) => {
                piece.truncate(end.saturating_sub(begin) as usize);
            }
            Some(WireFault::Rate(_)) | None => {}
        }
        // Fifty steps a second look even enough.
        let step = if let Some(WireFault::Rate(rate)) = self.fault { (rate / 50).max(1) as usize } else { piece.len() };
        for step in piece.chunks(step.max(1)) {
            client.write_all(step).await?;
            self.sent += step.len() as u64;
            if let Some(WireFault::Rate(rate)) = self.fault {
                let due = self.begun + Duration::from_secs_f64(self.sent as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
            }
        }
        match self.fault {
            Some(WireFault::Reset(end)) if self.sent >= end => Ok(After::Break { reset: true }),
            Some(WireFault::Close(end)) if self.sent >= end => Ok(After::Break { reset: false }),
            Some(WireFault::Stall(end)) if self.sent >= end => std::future::pending().await,
            _ => Ok(After::More),
        }
    }
}

/// An address where connections are never answered: what a firewall does that drops what comes.
pub struct BlackHole {
    address: SocketAddr,
    _port: Port,
    _background: Background,
}

impl BlackHole {
    /// An address of 127.0.0.1, until it is dropped.
    pub fn start() -> Self {
        let background = Background::new();
        let (port, number) = background.run(Port::blocked()).unwrap();
        Self { address: SocketAddr::from(([127, 0, 0, 1], number)), _port: port, _background: background }
    }

    /// Where nobody answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
