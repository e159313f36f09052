//! A wire with the latency and the speed of a distant server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::channel;
use tokio::time::{Instant, sleep, sleep_until};

use crate::background::Background;

/// The most that is read at once where the speed is limited: small enough for an even one.
const PIECE: usize = 16 << 10;
/// The same where it is not: what a distant server costs should not be taken from the processors that its client is measured on.
const LARGE_PIECE: usize = 64 << 10;
/// How many pieces are on their way: more than a line of 100 MB/s and a second holds.
const PIECES: usize = 8 << 10;

/// A proxy that makes a server on this machine look far away, on a free port of 127.0.0.1 until it is dropped.
pub struct ShapingProxy {
    address: SocketAddr,
    _background: Background,
}

impl ShapingProxy {
    /// Starts a proxy to a server: each connection costs one round trip of this time, and so does a question with its answer; the server
    /// is heard at so many bytes in a second on each connection.
    pub fn start(server: SocketAddr, round_trip: Duration, rate: Option<u64>) -> Self {
        let background = Background::new();
        let address = background.listen(move |client| async move {
            // Errors are the ways of either side to leave.
            let _ = relay(client, server, round_trip, rate).await;
        });
        Self { address, _background: background }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn relay(client: TcpStream, server: SocketAddr, round_trip: Duration, rate: Option<u64>) -> io::Result<()> {
    sleep(round_trip).await;
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let half = round_trip / 2;
    tokio::try_join!(delayed(from_client, to_server, half, None), delayed(from_server, to_client, half, rate))?;
    Ok(())
}

/// Passes on what comes, so much later, at this rate at most.
async fn delayed(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
    rate: Option<u64>,
) -> io::Result<()> {
    let (send, mut receive) = channel::<(Instant, Vec<u8>)>(PIECES);
    let size = if rate.is_some() { PIECE } else { LARGE_PIECE };
    let read = async move {
        let mut free = Instant::now();
        loop {
            let mut piece = Vec::with_capacity(size);
            let count = from.read_buf(&mut piece).await?;
            if count == 0 {
                return Ok::<_, io::Error>(());
            }
            let took = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(count as f64 / rate as f64));
            free = free.max(Instant::now()) + took;
            if send.send((free + delay, piece)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = receive.recv().await {
            sleep_until(due).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}
