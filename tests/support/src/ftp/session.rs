//! One client of the scripted server: command after command.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::fault::FtpFault;
use super::passive::Port;
use super::scripted::Shared;
use crate::files::Body;

/// The most that is sent at once.
const PIECE: u64 = 512 << 10;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<Any: AsyncRead + AsyncWrite + Unpin + Send> Stream for Any {}

/// A control connection and what was said on it.
pub(super) struct Session<'a> {
    shared: &'a Shared,
    control: BufReader<Box<dyn Stream>>,
    encrypted: bool,
    protected: bool,
    user: String,
    logged_in: bool,
    directory: String,
    restart: u64,
    port: Option<Port>,
}

/// How a data transfer ended.
enum Transfer {
    /// As it should.
    Done,
    /// Half of it was sent and the connection closed.
    Half,
}

impl<'a> Session<'a> {
    pub(super) fn new(client: TcpStream, shared: &'a Shared) -> Self {
        Self {
            shared,
            control: BufReader::new(Box::new(client)),
            encrypted: false,
            protected: false,
            user: String::new(),
            logged_in: false,
            directory: "/".to_owned(),
            restart: 0,
            port: None,
        }
    }

    /// Greets, and obeys until the client leaves. `connection` is its number, from 1.
    pub(super) async fn run(&mut self, connection: u64) -> io::Result<()> {
        if self.has(FtpFault::GreetingMissing) {
            return self.wait_for_close().await;
        }
        while self.has(FtpFault::EndlessReply) {
            self.reply("220-Welcome, welcome.").await?;
        }
        if self.has(FtpFault::Busy) && connection <= 2 {
            return self.reply("421 Too many users, try later.").await;
        }
        self.reply_or("GREETING", "220 Loopback.").await?;
        let mut line = String::new();
        while self.control.read_line(&mut line).await? > 0 {
            let command = line.trim_end();
            self.shared.commands.note(command);
            tokio::time::sleep(self.shared.latency).await;
            let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
            if verb.eq_ignore_ascii_case("QUIT") {
                return self.reply("221 Bye.").await;
            }
            self.obey(&verb.to_ascii_uppercase(), argument).await?;
            line.clear();
        }
        Ok(())
    }

    async fn obey(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        if let Some((_, reply)) = self.shared.replies.iter().find(|(command, _)| command == verb) {
            match verb {
                "USER" => (self.user, self.logged_in) = (argument.to_owned(), reply.starts_with('2')),
                "PASS" => self.logged_in = reply.starts_with('2'),
                _ => {}
            }
            return self.reply_or(verb, "").await;
        }
        match verb {
            "AUTH" => return self.secure(argument).await,
            "USER" => {
                self.user = argument.to_owned();
                return self.reply("331 Password, please.").await;
            }
            "PASS" => return self.log_in(argument).await,
            "FEAT" => return self.reply("211-Features:\r\n SIZE\r\n EPSV\r\n REST STREAM\r\n211 End").await,
            "PBSZ" => return self.reply("200 PBSZ=0").await,
            "PROT" => {
                self.protected = argument.eq_ignore_ascii_case("P");
                return self.reply("200 So be it.").await;
            }
            _ if !self.logged_in => return self.reply("530 Log in first.").await,
            _ => {}
        }
        match verb {
            "TYPE" | "MODE" | "STRU" | "OPTS" | "NOOP" => self.reply("200 Fine.").await,
            "SYST" => self.reply("215 UNIX Type: L8").await,
            "PWD" => self.reply(&format!("257 \"{}\"", self.directory)).await,
            "CWD" => {
                self.directory = self.path(argument);
                self.reply("250 Here we are.").await
            }
            "SIZE" => self.size(argument).await,
            "EPSV" => self.extended_passive().await,
            "PASV" => self.passive().await,
            "REST" => self.restart_at(argument).await,
            "RETR" => self.retrieve(argument).await,
            _ => self.reply("502 Never heard of it.").await,
        }
    }

    /// AUTH TLS.
    async fn secure(&mut self, argument: &str) -> io::Result<()> {
        let Some(acceptor) = self.shared.tls.clone().filter(|_| argument.eq_ignore_ascii_case("TLS")) else {
            return self.reply("502 Not here.").await;
        };
        self.reply("234 Go on.").await?;
        let nothing: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.control, BufReader::new(nothing)).into_inner();
        self.control = BufReader::new(Box::new(acceptor.accept(plain).await?));
        self.encrypted = true;
        Ok(())
    }

    async fn log_in(&mut self, password: &str) -> io::Result<()> {
        if self.has(FtpFault::LoginRefused) {
            return self.reply("530 Members only.").await;
        }
        if self.shared.tls.is_some() && !self.encrypted {
            return self.reply("534 Not without TLS.").await;
        }
        let known = self.shared.user.as_ref();
        self.logged_in = known.is_none_or(|known| (known.0.as_str(), known.1.as_str()) == (&self.user, password));
        self.reply(if self.logged_in { "230 Come in." } else { "530 Wrong user or password." }).await
    }

    async fn size(&mut self, argument: &str) -> io::Result<()> {
        if self.has(FtpFault::SizeUnsupported) {
            return self.reply("500 SIZE not understood.").await;
        }
        match self.find(argument) {
            Some(body) => {
                let wrong = if self.has(FtpFault::SizeWrong) { 1000 } else { 0 };
                self.reply(&format!("213 {}", body.length() + wrong)).await
            }
            None => self.missing(argument).await,
        }
    }

    async fn extended_passive(&mut self) -> io::Result<()> {
        if self.has(FtpFault::EpsvRefused) || self.has(FtpFault::PasvMalformed) || self.has(FtpFault::PasvPrivate) {
            return self.reply("500 EPSV not understood.").await;
        }
        if self.has(FtpFault::EpsvMalformed) {
            return self.reply("229 Entering Extended Passive Mode (||||)").await;
        }
        let (port, number) = if self.has(FtpFault::EpsvBlocked) || self.has(FtpFault::DataNeverOpens) {
            Port::blocked().await?
        } else if self.has(FtpFault::EpsvClosed) {
            Port::closed().await?
        } else {
            Port::open().await?
        };
        self.port = Some(port);
        self.reply(&format!("229 Entering Extended Passive Mode (|||{number}|)")).await
    }

    async fn passive(&mut self) -> io::Result<()> {
        if self.has(FtpFault::PasvMalformed) {
            return self.reply("227 Entering Passive Mode (127,0,0,1,999)").await;
        }
        let (port, number) =
            if self.has(FtpFault::DataNeverOpens) { Port::blocked().await? } else { Port::open().await? };
        self.port = Some(port);
        let address = if self.has(FtpFault::PasvPrivate) { "10,255,255,1" } else { "127,0,0,1" };
        self.reply(&format!("227 Entering Passive Mode ({address},{},{})", number >> 8, number & 255)).await
    }

    async fn restart_at(&mut self, argument: &str) -> io::Result<()> {
        if self.has(FtpFault::RestUnsupported) {
            return self.reply("502 REST not implemented.").await;
        }
        match argument.parse() {
            Ok(position) => {
                self.restart = if self.has(FtpFault::RestIgnored) { 0 } else { position };
                self.reply(&format!("350 From {position} on.")).await
            }
            Err(_) => self.reply("501 No number.").await,
        }
    }

    async fn retrieve(&mut self, argument: &str) -> io::Result<()> {
        let restart = std::mem::take(&mut self.restart);
        let Some(body) = self.find(argument) else { return self.missing(argument).await };
        let Some(port) = self.port.take() else { return self.reply("425 No data connection.").await };
        self.reply("150 Here it comes.").await?;
        let transfer = transfer(self.shared, port, &body, restart.min(body.length()), self.protected);
        // A client that leaves, or speaks, in the middle ends it.
        let transfer = tokio::select! {
            transfer = transfer => transfer,
            _ = self.control.fill_buf() => return self.reply("426 As you like.").await,
        };
        match transfer {
            Err(error) => self.reply(&format!("426 Broken off: {error}")).await,
            Ok(Transfer::Half) if self.has(FtpFault::ControlDropped) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(Transfer::Half) if self.has(FtpFault::DataCut) || self.has(FtpFault::DataCutOnce) => {
                self.reply("426 The tape broke.").await
            }
            Ok(_) if self.has(FtpFault::CompletionMissing) => Ok(()),
            Ok(_) => self.reply_or("END", "226 That was it.").await,
        }
    }

    async fn missing(&mut self, argument: &str) -> io::Result<()> {
        let text = if self.has(FtpFault::FileMissing) { "The tape is in the vault" } else { "No such file" };
        self.reply(&format!("550 {argument}: {text}.")).await
    }

    fn find(&self, argument: &str) -> Option<Body> {
        let found = self.shared.files.find(&self.path(argument)).filter(|_| !self.has(FtpFault::FileMissing));
        found.map(|found| found.body)
    }

    fn path(&self, argument: &str) -> String {
        if argument.starts_with('/') {
            return argument.to_owned();
        }
        format!("{}/{argument}", self.directory.trim_end_matches('/'))
    }

    fn has(&self, fault: FtpFault) -> bool {
        self.shared.faults.contains(&fault)
    }

    /// The reply that was set for a command, else this one.
    async fn reply_or(&mut self, command: &str, line: &str) -> io::Result<()> {
        let set = self.shared.replies.iter().find(|(known, _)| known == command).map(|(_, reply)| reply.clone());
        match set.as_deref().unwrap_or(line) {
            "" => Err(io::ErrorKind::ConnectionAborted.into()),
            line => self.reply(line).await,
        }
    }

    async fn reply(&mut self, line: &str) -> io::Result<()> {
        self.control.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.control.flush().await
    }

    async fn wait_for_close(&mut self) -> io::Result<()> {
        let mut scrap = String::new();
        while self.control.read_line(&mut scrap).await? > 0 {}
        Ok(())
    }
}

/// Sends a body from `start` over a data connection.
async fn transfer(shared: &Shared, port: Port, body: &Body, start: u64, protected: bool) -> io::Result<Transfer> {
    let has = |fault| shared.faults.contains(&fault);
    let stream = port.accept().await?;
    let counted = shared.data_connections.begin();
    stream.set_nodelay(true)?;
    let mut stream: Box<dyn Stream> = match shared.tls.as_ref().filter(|_| protected) {
        Some(acceptor) => Box::new(acceptor.accept(stream).await?),
        None => Box::new(stream),
    };
    if has(FtpFault::DataSilent) {
        return std::future::pending().await;
    }
    let half = start + (body.length() - start) / 2;
    let once = has(FtpFault::DataCutOnce) && counted.number == 1;
    let breaks = [FtpFault::DataCut, FtpFault::DataShort, FtpFault::ControlDropped].into_iter().any(has) || once;
    let end = if breaks || has(FtpFault::DataStall) { half } else { body.length() };
    send(&mut stream, body, start, end).await?;
    if has(FtpFault::DataStall) {
        return std::future::pending().await;
    }
    if has(FtpFault::Surplus) {
        stream.write_all(&[b'?'; 100]).await?;
    }
    // With TLS the half is followed by a bare end of the connection only where it is not claimed to be all.
    if !breaks || has(FtpFault::DataShort) {
        stream.shutdown().await?;
    }
    Ok(if breaks { Transfer::Half } else { Transfer::Done })
}

async fn send(stream: &mut dyn Stream, body: &Body, start: u64, end: u64) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut position = start;
    while position < end {
        let length = PIECE.min(end - position);
        stream.write_all(body.piece(position, length as usize, &mut buffer)?).await?;
        position += length;
    }
    stream.flush().await
}
