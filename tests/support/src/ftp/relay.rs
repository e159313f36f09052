//! A wire between a client and the complete server, on which commands can be delayed and read.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::commands::Commands;

/// The two ends of a new connection.
pub(super) async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (near, far) = tokio::try_join!(TcpStream::connect(listener.local_addr()?), listener.accept())?;
    near.set_nodelay(true)?;
    far.0.set_nodelay(true)?;
    Ok((near, far.0))
}

/// Passes on what client and server say, until one of them closes.
pub(super) async fn relay(client: TcpStream, server: TcpStream, latency: Duration, commands: &Commands) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 16 << 10];
        let mut plain = true;
        loop {
            let count = from_client.read(&mut buffer).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
            if plain {
                let text = String::from_utf8_lossy(&buffer[..count]);
                text.lines().for_each(|line| commands.note(line));
                // What follows AUTH is encrypted.
                plain = !text.starts_with("AUTH");
            }
            tokio::time::sleep(latency).await;
            to_server.write_all(&buffer[..count]).await?;
        }
    };
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    // The server's end ends it; the client's end leaves the server its last word.
    tokio::select! {
        _ = async { there.await?; std::future::pending::<io::Result<()>>().await } => {}
        _ = back => {}
    }
}
