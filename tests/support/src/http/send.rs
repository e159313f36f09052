//! Sending an answer, as well or as badly as it is asked for.

use std::io;
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::connection::Socket;
use super::log::Noted;

/// The most that is sent at once.
const PIECE: u64 = 512 << 10;

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It waits for the next request.
    Keep,
    /// It ends in good order.
    Close,
    /// It is dropped as it is.
    Drop,
    /// It is dropped when the next request comes.
    DropReused,
}

/// How a body ends, and where it breaks off.
struct Plan {
    chunked: bool,
    /// The claimed Content-Length, if one is sent.
    length: Option<u64>,
    /// The body bytes that are sent.
    limit: u64,
    stall: bool,
    after: After,
}

impl Plan {
    fn new(answer: &Answer, behaviour: &Behaviour, keep_alive: bool) -> Self {
        let faults = &behaviour.faults;
        let whole = answer.end - answer.start;
        let chunked = behaviour.chunked || faults.chunked_cut.is_some();
        let cut = faults.cut.or(faults.chunked_cut).filter(|cut| *cut < whole);
        let stall = faults.stall.filter(|stall| *stall < cut.unwrap_or(whole));
        let length = faults.wrong_length.or(Some(whole)).filter(|_| !chunked && !behaviour.no_length);
        let after = if cut.is_some() {
            After::Drop
        } else if behaviour.close || !keep_alive || (length != Some(whole) && !chunked) || faults.close_idle {
            After::Close
        } else if faults.close_reused {
            After::DropReused
        } else {
            After::Keep
        };
        Self { chunked, length, limit: stall.or(cut).unwrap_or(whole), stall: stall.is_some(), after }
    }

    fn head(&self, answer: &Answer, announce_close: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        for (name, value) in &answer.headers {
            line(name, value);
        }
        if self.chunked {
            line("Transfer-Encoding", "chunked");
        } else if let Some(length) = self.length {
            line("Content-Length", &length.to_string());
        }
        if announce_close {
            line("Connection", "close");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// Sends an answer; says what becomes of the connection.
pub(super) async fn send(
    stream: &mut impl Socket,
    answer: &Answer,
    behaviour: &Behaviour,
    (only_head, keep_alive): (bool, bool),
    noted: &mut Noted,
) -> io::Result<After> {
    let plan = Plan::new(answer, behaviour, keep_alive);
    let announce_close = behaviour.close || !keep_alive || (plan.length.is_none() && !plan.chunked);
    let head = plan.head(answer, announce_close);
    noted.status(answer.status);
    if only_head {
        noted.finish();
        stream.write_all(&head).await?;
        return Ok(if plan.after == After::Drop { After::Keep } else { plan.after });
    }
    send_body(stream, answer, &plan, head, behaviour.rate, noted).await?;
    if plan.stall {
        wait_for_close(stream).await?;
        return Ok(After::Drop);
    }
    if plan.after == After::Drop && behaviour.faults.reset {
        stream.reset_at_close();
    }
    Ok(plan.after)
}

/// Sends the head and, from the same write on, the body.
async fn send_body(
    stream: &mut impl Socket,
    answer: &Answer,
    plan: &Plan,
    mut prefix: Vec<u8>,
    rate: Option<u64>,
    noted: &mut Noted,
) -> io::Result<()> {
    let whole = answer.end - answer.start;
    // Fifty steps a second look even enough.
    let step = rate.map_or(PIECE, |rate| (rate / 50).clamp(1, PIECE));
    let begun = Instant::now();
    let mut buffer = Vec::new();
    let mut sent = 0;
    loop {
        let claimed = step.min(whole - sent);
        let length = claimed.min(plan.limit - sent);
        let last = sent + length == plan.limit;
        let piece = answer.body.piece(answer.start + sent, length as usize, &mut buffer)?;
        let mut suffix: &[u8] = b"";
        if plan.chunked && claimed > 0 {
            prefix.extend_from_slice(format!("{claimed:x}\r\n").as_bytes());
            suffix = if length == claimed { b"\r\n" } else { b"" };
        }
        if plan.chunked && plan.limit == whole && last {
            suffix = if claimed > 0 { b"\r\n0\r\n\r\n" } else { b"0\r\n\r\n" };
        }
        noted.sending(piece.len());
        if last && !plan.stall {
            noted.finish();
        }
        let mut bytes = Buf::chain(prefix.as_slice(), piece).chain(suffix);
        if let Err(error) = stream.write_all_buf(&mut bytes).await {
            noted.not_sent(bytes.remaining().saturating_sub(suffix.len()).min(piece.len()));
            return Err(error);
        }
        prefix.clear();
        sent += length;
        if last {
            return stream.flush().await;
        }
        if let Some(rate) = rate {
            let due = begun + Duration::from_secs_f64(sent as f64 / rate as f64);
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

/// Sends header lines until the client has had enough.
pub(super) async fn send_endless_header(stream: &mut impl Socket, noted: &Noted) -> io::Result<()> {
    noted.status(200);
    let line = format!("X-Filler: {}\r\n", "filler ".repeat(100));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/fits\r\n").await?;
    loop {
        stream.write_all(line.as_bytes()).await?;
        // With TLS a write may be taken into memory only.
        stream.flush().await?;
    }
}

/// Waits, silent, until the client closes.
pub(super) async fn wait_for_close(stream: &mut impl Socket) -> io::Result<()> {
    let mut scrap = [0; 1024];
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Whatever",
    }
}
