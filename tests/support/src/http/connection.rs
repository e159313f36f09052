//! One connection: request after request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::answer::{Answer, Reply, decide};
use super::behaviour::Behaviour;
use super::head::Head;
use super::pages;
use super::send::{After, send, send_endless_header, wait_for_close};
use super::server::Shared;

/// A connection to a client, with or without TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Lets the end of the connection be a reset.
    fn reset_at_close(&self);
}

impl Socket for TcpStream {
    fn reset_at_close(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Socket for TlsStream<TcpStream> {
    fn reset_at_close(&self) {
        self.get_ref().0.reset_at_close();
    }
}

/// Answers requests until the connection ends. `connection` is its number.
pub(super) async fn serve(mut stream: impl Socket, shared: Arc<Shared>, connection: u64) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(8 << 10);
    let mut after = After::Keep;
    while let Some(head) = Head::read(&mut stream, &mut buffer).await? {
        let body = read_body(&mut stream, &mut buffer, head.body_length()).await?;
        after = match pages::page(&shared, &head, body) {
            Some(answer) => send_page(&mut stream, &answer, head.keep_alive).await?,
            None => answer(&mut stream, &shared, &head, connection, after).await?,
        };
        match after {
            After::Keep | After::DropReused => {}
            After::Close => return stream.shutdown().await,
            After::Drop => return Ok(()),
        }
    }
    Ok(())
}

/// Notes and answers one request.
async fn answer(
    stream: &mut impl Socket,
    shared: &Shared,
    head: &Head,
    connection: u64,
    after: After,
) -> io::Result<After> {
    let (mut noted, number) = shared.log.note(head, connection);
    if after == After::DropReused {
        return Ok(After::Drop);
    }
    let behaviour = match Behaviour::parse(head.query()) {
        Ok(behaviour) => behaviour.at_request(number),
        Err(complaint) => {
            let answer = Answer::text(400, &complaint);
            return send(stream, &answer, &Behaviour::default(), (false, false), &mut noted).await;
        }
    };
    let latency = behaviour.latency.unwrap_or(shared.options.latency);
    if latency > Duration::ZERO {
        tokio::time::sleep(latency).await;
    }
    match decide(&shared.files, shared.options.user.as_deref(), &behaviour, head, noted.serial) {
        Reply::Silence => wait_for_close(stream).await.map(|()| After::Drop),
        Reply::EndlessHeader => send_endless_header(stream, &noted).await.map(|()| After::Drop),
        Reply::Answer(answer) => {
            let how = (head.method == "HEAD", head.keep_alive);
            send(stream, &answer, &behaviour, how, &mut noted).await
        }
    }
}

/// Sends one of the server's own pages.
async fn send_page(stream: &mut impl Socket, answer: &Answer, keep_alive: bool) -> io::Result<After> {
    let mut text = Vec::new();
    let body = answer.body.piece(0, answer.end as usize, &mut text)?;
    let head = format!(
        "HTTP/1.1 {} OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n",
        answer.status,
        answer.headers[0].1,
        body.len(),
        if keep_alive { "" } else { "Connection: close\r\n" },
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    Ok(if keep_alive { After::Keep } else { After::Close })
}

/// Reads the body that came with a request.
async fn read_body(stream: &mut impl Socket, buffer: &mut BytesMut, length: usize) -> io::Result<Bytes> {
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(buffer.split_to(length).freeze())
}
