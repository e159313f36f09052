//! Passive data connections: the server opens a port and we connect to it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use suppaftp::types::Response;
use suppaftp::{FtpError, Status};
use tokio::net::TcpStream;

use super::reply;
use super::session::Session;
use crate::error::{Error, Result};

/// How long a port that EPSV named is waited for before PASV is tried: firewalls that only understand PASV drop what goes there.
const EPSV_PATIENCE: Duration = Duration::from_secs(4);

/// Servers where EPSV does not work and PASV does.
static PASV_SERVERS: LazyLock<Mutex<HashSet<SocketAddr>>> = LazyLock::new(Mutex::default);

/// Connects to a port that the server opens: by EPSV, or by PASV where the server does not know EPSV or nothing answers on
/// its port, as behind firewalls that only understand PASV.
///
/// A server where EPSV failed and PASV did not is asked for PASV first from then on.
pub(super) async fn connect(session: &mut Session) -> Result<TcpStream> {
    let host = session.peer;
    let by_pasv = || PASV_SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    if by_pasv().contains(&host) {
        let limit = session.limits.connect();
        if let Ok(socket) = connect_by(session, "PASV", Status::PassiveMode, limit, port).await? {
            return Ok(socket);
        }
        by_pasv().remove(&host);
    }
    // PASV has no IPv6 addresses, so there is nothing to save time for.
    let limit = session.limits.connect();
    let patience = if host.is_ipv4() { limit.min(EPSV_PATIENCE) } else { limit };
    match connect_by(session, "EPSV", Status::ExtendedPassiveMode, patience, extended_port).await? {
        Ok(socket) => Ok(socket),
        Err(extended) => match connect_by(session, "PASV", Status::PassiveMode, limit, port).await? {
            Ok(socket) => {
                by_pasv().insert(host);
                Ok(socket)
            }
            Err(error) if error.kind() == extended.kind() => Err(error),
            Err(error) => Err(Error::new(error.kind(), format!("{error}; before that: {extended}"))),
        },
    }
}

/// The outer error means that the control connection is lost, so that no other way can be tried.
async fn connect_by(
    session: &mut Session,
    command: &str,
    expected: Status,
    patience: Duration,
    port: impl Fn(&str) -> Option<u16>,
) -> Result<Result<TcpStream>> {
    let doing = format!("opening a data connection by {command}");
    let response: Response = match session.ask(command, &[expected]).await? {
        Ok(response) => response,
        // 421: the server says goodbye.
        Err(FtpError::UnexpectedResponse(response)) if reply::code(&response) != 421 => {
            return Ok(Err(session.error(&doing, FtpError::UnexpectedResponse(response))));
        }
        Err(error) => return Err(session.error(&doing, error)),
    };
    let Some(port) = port(&reply::text(&response)) else {
        return Ok(Err(session.error(&doing, FtpError::UnexpectedResponse(response))));
    };
    // The server's own idea of its address is ignored.
    let mut address = session.peer;
    address.set_port(port);
    Ok(match session.limits.within(patience, &doing, TcpStream::connect(address)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => Err(Error::network(format!("can't connect to {address}: {error} ({doing})"))),
        Err(timeout) => Err(timeout),
    })
}

/// The port of `229 Entering Extended Passive Mode (|||6446|)`; the delimiter may be any character.
fn extended_port(text: &str) -> Option<u16> {
    let (_, inside) = text.split_once('(')?;
    let delimiter = inside.chars().next()?;
    inside.split(delimiter).nth(3)?.parse().ok()
}

/// The port of `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`; not all servers write the parentheses.
fn port(text: &str) -> Option<u16> {
    let numbers = |part: &str| {
        let bytes: Vec<u8> = part.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        let &[_, _, _, _, high, low] = bytes.as_slice() else { return None };
        Some(u16::from_be_bytes([high, low]))
    };
    text.split(|c: char| !c.is_ascii_digit() && c != ',').find_map(numbers)
}

#[cfg(test)]
mod tests {
    use super::{extended_port, port};

    #[test]
    fn ports_are_found_in_all_the_forms_that_servers_write() {
        assert_eq!(extended_port("229 Entering Extended Passive Mode (|||6446|)"), Some(6446));
        assert_eq!(extended_port("229 ok (!!!21!)"), Some(21));
        for text in ["229 ok", "229 (", "229 (|||)", "229 (|||70000|)", "229 (||||)", "229 (éééx"] {
            assert_eq!(extended_port(text), None, "{text}");
        }
        assert_eq!(port("227 Entering Passive Mode (10,0,0,1,4,1)."), Some(1025));
        assert_eq!(port("227 =10,0,0,1,0,21"), Some(21));
        for text in ["227 ok", "227 (1,2,3,4,5)", "227 (1,2,3,4,5,256)", "227 (1,2,3,4,5,6,7)", "227 (,,,,,)", ""] {
            assert_eq!(port(text), None, "{text}");
        }
    }
}
