//! A small FTP server that misbehaves as a test asks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::HandshakeKind;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// In place of a reply: says nothing.
pub(super) const SILENCE: &str = "silence";
/// In place of a reply: closes the control connection.
pub(super) const CLOSE: &str = "close";

/// What the server serves and how it misbehaves.
pub(super) struct Script {
    pub(super) body: Vec<u8>,
    /// Replies by verb, in place of the usual ones; the greeting's verb is "".
    pub(super) replies: Vec<(&'static str, String)>,
    /// Sends only so many bytes of the body.
    pub(super) cut: usize,
    /// Sends these after the body.
    pub(super) surplus: Vec<u8>,
    /// Keeps the data connection open after the body.
    pub(super) stall: bool,
    pub(super) confirmation: String,
    pub(super) tls: Option<TlsAcceptor>,
    /// Whether a TLS data connection ends with a goodbye.
    pub(super) goodbye: bool,
    /// Sends from the beginning whatever REST said.
    pub(super) forgets_rest: bool,
    /// Refuses a TLS data connection that does not resume a session.
    pub(super) demands_reuse: bool,
}

impl Script {
    pub(super) fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            replies: Vec::new(),
            cut: usize::MAX,
            surplus: Vec::new(),
            stall: false,
            confirmation: "226 done".to_owned(),
            tls: None,
            goodbye: true,
            forgets_rest: false,
            demands_reuse: false,
        }
    }

    pub(super) fn reply(mut self, verb: &'static str, reply: impl Into<String>) -> Self {
        self.replies.push((verb, reply.into()));
        self
    }

    fn answer<'a>(&'a self, verb: &str, usual: &'a str) -> &'a str {
        self.replies.iter().find(|(known, _)| *known == verb).map_or(usual, |(_, reply)| reply)
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    commands: Arc<Mutex<Vec<String>>>,
    /// Ends when the client has closed its connection.
    pub(super) task: JoinHandle<()>,
}

impl Server {
    /// Serves one connection.
    pub(super) async fn start(script: Script) -> Self {
        Self::start_each([script]).await
    }

    /// Serves one connection after the other, each with a script of its own.
    pub(super) async fn start_each(scripts: impl IntoIterator<Item = Script>) -> Self {
        let scripts: Vec<Script> = scripts.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&commands);
        let task = tokio::spawn(async move {
            for script in scripts {
                let (socket, _) = listener.accept().await.unwrap();
                // An error is a client that went away, as some tests want.
                let _ = serve(socket, &script, &log).await;
            }
        });
        Self { address, commands, task }
    }

    pub(super) fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn serve(socket: tokio::net::TcpStream, script: &Script, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut control: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(socket));
    let mut data_listener = None;
    let mut start = 0;
    let mut line = format!("{}\r\n", script.answer("", "220-hello\r\n and\r\n220 welcome"));
    loop {
        match line.trim_end() {
            SILENCE => {}
            CLOSE => return Ok(()),
            _ => control.write_all(line.as_bytes()).await?,
        }
        let mut raw = Vec::new();
        if control.read_until(b'\n', &mut raw).await? == 0 {
            return Ok(());
        }
        let command: String = raw.iter().filter(|byte| !b"\r\n".contains(byte)).map(|&byte| char::from(byte)).collect();
        log.lock().unwrap().push(command.clone());
        let (verb, argument) = command.split_once(' ').unwrap_or((&command, ""));
        let mut usual = match verb {
            "USER" => "331 password?".to_owned(),
            "PASS" => "230 hello".to_owned(),
            "TYPE" | "PBSZ" | "PROT" => "200 ok".to_owned(),
            "SIZE" => format!("213 {}", script.body.len()),
            "REST" => "350 ok".to_owned(),
            "RETR" => "150 coming".to_owned(),
            "AUTH" => "234 go".to_owned(),
            _ => "502 what?".to_owned(),
        };
        if matches!(verb, "EPSV" | "PASV") {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let port = listener.local_addr()?.port();
            data_listener = Some(listener);
            usual = match verb {
                "EPSV" => format!("229 port (|||{port}|)"),
                // An address where nothing is, as servers behind NAT name it.
                _ => format!("227 port (10,255,255,1,{},{})", port >> 8, port & 255),
            };
        }
        if verb == "REST" && !script.forgets_rest {
            start = argument.parse().unwrap();
        }
        let reply = script.answer(verb, &usual).to_owned();
        line = format!("{reply}\r\n");
        if verb == "AUTH" && reply.starts_with("234") {
            control.write_all(line.as_bytes()).await?;
            let encrypted = script.tls.as_ref().unwrap().accept(control.into_inner()).await?;
            control = BufReader::new(Box::new(encrypted));
            line = SILENCE.to_owned();
        }
        if verb == "RETR" && reply.starts_with('1') {
            control.write_all(line.as_bytes()).await?;
            let socket = data_listener.take().unwrap().accept().await?.0;
            let body = [&script.body[start..script.cut.min(script.body.len())], &script.surplus].concat();
            match &script.tls {
                Some(tls) => {
                    let encrypted = tls.accept(socket).await?;
                    let is_new = encrypted.get_ref().1.handshake_kind() != Some(HandshakeKind::Resumed);
                    if script.demands_reuse && is_new {
                        return Err(std::io::Error::other("session reuse required"));
                    }
                    send(encrypted, &body, script).await?;
                }
                None => send(socket, &body, script).await?,
            }
            line = format!("{}\r\n", script.confirmation);
        }
    }
}

async fn send(mut data: impl Stream, body: &[u8], script: &Script) -> std::io::Result<()> {
    data.write_all(body).await?;
    data.flush().await?;
    if script.stall {
        std::future::pending::<()>().await;
    }
    if script.goodbye {
        data.shutdown().await?;
    }
    Ok(())
}
