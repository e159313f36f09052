//! A SOCKS5 proxy (RFC 1928, RFC 1929).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::background::Background;

/// A SOCKS5 proxy on a free port of 127.0.0.1, until it is dropped. Every host that it is asked for is 127.0.0.1, under whatever name.
#[derive(Debug)]
pub struct SocksProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _background: Background,
}

impl SocksProxy {
    /// Starts one; with a user name and password it lets in nobody else.
    pub fn start(user: Option<(&str, &str)>) -> Self {
        let user = user.map(|(name, password)| (name.to_owned(), password.to_owned()));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let background = Background::new();
        let log = asked.clone();
        let address = background.listen(move |stream| {
            let (user, log) = (user.clone(), log.clone());
            async move {
                // Errors are the client's ways of leaving.
                let _ = serve(stream, user.as_ref(), &log).await;
            }
        });
        Self { address, asked, _background: background }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hosts and ports that it was asked for, as they were asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut client: TcpStream, user: Option<&(String, String)>, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let [_version, methods] = read(&mut client).await?;
    let mut offered = vec![0; methods.into()];
    client.read_exact(&mut offered).await?;
    let method = if user.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, method]).await?;
    if let Some((name, password)) = user {
        let [_version] = read(&mut client).await?;
        let right = (text(&mut client).await?, text(&mut client).await?) == (name.clone(), password.clone());
        client.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return Ok(());
        }
    }
    let [_version, _connect, _reserved, kind] = read(&mut client).await?;
    let host = match kind {
        1 => read::<4>(&mut client).await?.map(|byte| byte.to_string()).join("."),
        _ => text(&mut client).await?,
    };
    let port = u16::from_be_bytes(read(&mut client).await?);
    log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{host}:{port}"));
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

async fn read<const LEN: usize>(stream: &mut TcpStream) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A text with its length in front.
async fn text(stream: &mut TcpStream) -> io::Result<String> {
    let [len] = read(stream).await?;
    let mut bytes = vec![0; len.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
