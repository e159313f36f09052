//! Ports for data connections, open and otherwise.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A port that was named to the client.
#[derive(Debug)]
pub(crate) enum Port {
    /// A client can connect.
    Open(TcpListener),
    /// Connection attempts get no answer: as long as this is kept.
    Blocked { _listener: TcpListener, _filler: TcpStream },
    /// Connection attempts are refused.
    Closed,
}

impl Port {
    /// Opens a port; gives its number too.
    pub(super) async fn open() -> io::Result<(Self, u16)> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let number = listener.local_addr()?.port();
        Ok((Self::Open(listener), number))
    }

    /// A port whose queue of connections is full, so that the system drops what comes.
    pub(crate) async fn blocked() -> io::Result<(Self, u16)> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(ANY_PORT))?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let filler = TcpStream::connect(address).await?;
        Ok((Self::Blocked { _listener: listener, _filler: filler }, address.port()))
    }

    /// A port on which nothing listens.
    pub(super) async fn closed() -> io::Result<(Self, u16)> {
        let (_, number) = Self::open().await?;
        Ok((Self::Closed, number))
    }

    /// Waits for the client.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => Ok(listener.accept().await?.0),
            _ => std::future::pending().await,
        }
    }
}
