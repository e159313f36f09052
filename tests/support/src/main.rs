//! The loopback servers as a program, for tests and demos in other languages.
//!
//! It prints one line of JSON with the URLs once all servers listen, and ends when its standard input does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a failure here is a failed test"
)]

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustfits_loopback::{
    Authority, CertificateKind, FtpFault, FtpOptions, FtpServer, HttpOptions, HttpServer, ScriptedFtpServer,
    ShapingProxy,
};
use serde_json::{Map, Value};

const USAGE: &str = "\
usage: loopback [--root DIR] [--latency-ms N] [--rate BYTES] [--user NAME:PASSWORD] [--ca-out FILE] SERVER...
servers:
  --http  --https           HTTP/1.1 (see the query words of rustfits_loopback::http::Behaviour)
  --https-wrong-host        HTTPS whose certificate is for another host
  --https-expired           HTTPS whose certificate is no longer valid
  --https-unknown           HTTPS whose certificate is of an authority that is not in the --ca-out file
  --ftp  --ftps             FTP, and FTPS by AUTH TLS
  --ftp-script FAULTS       FTP with faults, joined by +, or `none` (see rustfits_loopback::FtpFault)
  --ftps-script FAULTS      the same with AUTH TLS
  --shape HOST:PORT         a proxy to a server that adds the latency and holds each connection to the rate";

fn main() {
    let arguments = Arguments::parse(std::env::args().skip(1)).unwrap_or_else(|complaint| {
        eprintln!("{complaint}\n{USAGE}");
        std::process::exit(2)
    });
    let running = Running::start(&arguments);
    let mut output = std::io::stdout();
    writeln!(output, "{}", Value::Object(running.urls.clone())).unwrap();
    output.flush().unwrap();
    // The parent's end closes this too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The command line.
#[derive(Default)]
struct Arguments {
    root: Option<PathBuf>,
    latency: Duration,
    rate: Option<u64>,
    user: Option<(String, String)>,
    ca_out: Option<PathBuf>,
    /// As the keys of the printed JSON.
    servers: Vec<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--root" => arguments.root = Some(value()?.into()),
                "--ca-out" => arguments.ca_out = Some(value()?.into()),
                "--user" => {
                    let (name, password) = value()?.split_once(':').map(owned).ok_or("--user needs NAME:PASSWORD")?;
                    arguments.user = Some((name, password));
                }
                "--latency-ms" => {
                    let number = value()?.parse().map_err(|_| "--latency-ms needs a number")?;
                    arguments.latency = Duration::from_millis(number);
                }
                "--rate" => arguments.rate = Some(value()?.parse().map_err(|_| "--rate needs a number")?),
                "--shape" => {
                    let server = value()?;
                    server.parse::<SocketAddr>().map_err(|_| "--shape needs the address of a server")?;
                    arguments.servers.push(format!("shape_{server}"));
                }
                "--ftp-script" | "--ftps-script" => {
                    let name = value()?;
                    faults(&name)?;
                    arguments.servers.push(format!("{}_{name}", word[2..].trim_end_matches("-script")));
                }
                "--ftp" | "--ftps" | "--http" | "--https" | "--https-wrong-host" | "--https-expired"
                | "--https-unknown" => {
                    arguments.servers.push(word[2..].replace('-', "_"));
                }
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        if arguments.servers.is_empty() { Err("no server asked for".to_owned()) } else { Ok(arguments) }
    }
}

/// The faults of a script's name.
fn faults(name: &str) -> Result<Vec<FtpFault>, String> {
    name.split('+').filter(|name| *name != "none").map(str::parse).collect()
}

fn owned((name, password): (&str, &str)) -> (String, String) {
    (name.to_owned(), password.to_owned())
}

/// The started servers.
#[derive(Default)]
struct Running {
    urls: Map<String, Value>,
    http: Vec<HttpServer>,
    ftp: Vec<FtpServer>,
    scripted: Vec<ScriptedFtpServer>,
    shaping: Vec<ShapingProxy>,
}

impl Running {
    fn start(arguments: &Arguments) -> Self {
        let authority = Authority::new();
        let mut running = Self::default();
        for name in &arguments.servers {
            let url = running.start_one(name, arguments, &authority);
            running.urls.insert(name.clone(), url.into());
        }
        if let Some(path) = &arguments.ca_out {
            authority.write_pem(path);
            running.urls.insert("ca".to_owned(), path.to_string_lossy().into());
        }
        running
    }

    /// Starts a server, keeps it, and gives its URL.
    fn start_one(&mut self, name: &str, arguments: &Arguments, authority: &Authority) -> String {
        if let Some(server) = name.strip_prefix("shape_") {
            let proxy = ShapingProxy::start(server.parse().unwrap(), arguments.latency, arguments.rate);
            let address = proxy.address().to_string();
            self.shaping.push(proxy);
            address
        } else if name.starts_with("ftp") {
            self.start_ftp(name, arguments, authority)
        } else {
            self.start_http(name, arguments, authority)
        }
    }

    fn start_http(&mut self, name: &str, arguments: &Arguments, authority: &Authority) -> String {
        let mut options = HttpOptions::new().latency(arguments.latency);
        if let Some(root) = &arguments.root {
            options = options.root(root);
        }
        if let Some((name, password)) = &arguments.user {
            options = options.user(name, password);
        }
        let options = match name {
            "https" => options.tls(authority, CertificateKind::Right),
            "https_wrong_host" => options.tls(authority, CertificateKind::WrongHost),
            "https_expired" => options.tls(authority, CertificateKind::Expired),
            "https_unknown" => options.tls(&Authority::new(), CertificateKind::Right),
            _ => options,
        };
        let server = options.start();
        let url = server.url("");
        self.http.push(server);
        url
    }

    fn start_ftp(&mut self, name: &str, arguments: &Arguments, authority: &Authority) -> String {
        let mut options = FtpOptions::new().latency(arguments.latency);
        if let Some(root) = &arguments.root {
            options = options.root(root);
        }
        if let Some((name, password)) = &arguments.user {
            options = options.user(name, password);
        }
        let (protocol, script) = name.split_once('_').unwrap_or((name, ""));
        if protocol == "ftps" {
            options = options.tls(authority, CertificateKind::Right);
        }
        if script.is_empty() {
            let server = options.start();
            let url = server.url("");
            self.ftp.push(server);
            return url;
        }
        let server = options.start_scripted(&faults(script).unwrap());
        let url = server.url("");
        self.scripted.push(server);
        url
    }
}
