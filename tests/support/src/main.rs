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
use std::path::PathBuf;
use std::time::Duration;

use rustfits_loopback::{Authority, CertificateKind, HttpOptions, HttpServer};
use serde_json::{Map, Value};

const USAGE: &str = "\
usage: loopback [--root DIR] [--latency-ms N] [--user NAME:PASSWORD] [--ca-out FILE] SERVER...
servers:
  --http  --https           HTTP/1.1 (see the query words of rustfits_loopback::http::Behaviour)
  --https-wrong-host        HTTPS whose certificate is for another host
  --https-expired           HTTPS whose certificate is no longer valid
  --https-unknown           HTTPS whose certificate is of an authority that is not in the --ca-out file";

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
    user: Option<(String, String)>,
    ca_out: Option<PathBuf>,
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
                "--http" | "--https" | "--https-wrong-host" | "--https-expired" | "--https-unknown" => {
                    arguments.servers.push(word[2..].to_owned());
                }
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        if arguments.servers.is_empty() { Err("no server asked for".to_owned()) } else { Ok(arguments) }
    }
}

fn owned((name, password): (&str, &str)) -> (String, String) {
    (name.to_owned(), password.to_owned())
}

/// The started servers.
#[derive(Default)]
struct Running {
    urls: Map<String, Value>,
    _http: Vec<HttpServer>,
}

impl Running {
    fn start(arguments: &Arguments) -> Self {
        let authority = Authority::new();
        let mut running = Self::default();
        for name in &arguments.servers {
            let url = running.start_one(name, arguments, &authority);
            running.urls.insert(name.replace('-', "_"), url.into());
        }
        if let Some(path) = &arguments.ca_out {
            authority.write_pem(path);
            running.urls.insert("ca".to_owned(), path.to_string_lossy().into());
        }
        running
    }

    /// Starts a server, keeps it, and gives its URL.
    fn start_one(&mut self, name: &str, arguments: &Arguments, authority: &Authority) -> String {
        let mut options = HttpOptions::new().latency(arguments.latency);
        if let Some(root) = &arguments.root {
            options = options.root(root);
        }
        if let Some((name, password)) = &arguments.user {
            options = options.user(name, password);
        }
        let options = match name {
            "https" => options.tls(authority, CertificateKind::Right),
            "https-wrong-host" => options.tls(authority, CertificateKind::WrongHost),
            "https-expired" => options.tls(authority, CertificateKind::Expired),
            "https-unknown" => options.tls(&Authority::new(), CertificateKind::Right),
            _ => options,
        };
        let server = options.start();
        let url = server.url("");
        self._http.push(server);
        url
    }
}
