//! What is told to `tracing` and `log`: spans of files and requests, and never a credential, however much is asked to be logged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use common::*;
use rustfits::{Auth, Fetcher, FitsReader, Timeout};
use rustfits_loopback::{Authority, CertificateKind, FtpOptions, HttpOptions};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// All that was logged, by either way, in text.
static TEXT: Mutex<String> = Mutex::new(String::new());
/// The spans, by their number from 1.
static SPANS: Mutex<Vec<Span>> = Mutex::new(Vec::new());

#[derive(Clone, Debug, Default)]
struct Span {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
}

/// Takes the fields of spans and events.
struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Logs everything there is, of every crate.
struct Everything;

fn note(text: impl Debug) {
    writeln!(TEXT.lock().unwrap(), "{text:?}").unwrap();
}

impl Subscriber for Everything {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        note(&fields);
        let mut spans = SPANS.lock().unwrap();
        let name = if span.metadata().target().starts_with("rustfits") { span.metadata().name() } else { "" };
        spans.push(Span { name, fields });
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = SPANS.lock().unwrap();
        let fields = &mut spans[span.into_u64() as usize - 1].fields;
        values.record(&mut Fields(fields));
        note(fields);
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        note((event.metadata().target(), fields));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

impl log::Log for Everything {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        note((record.target(), record.args().to_string()));
    }

    fn flush(&self) {}
}

fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        tracing::subscriber::set_global_default(Everything).unwrap();
        log::set_logger(&Everything).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// The spans of this name whose URL has these words.
fn spans(name: &str, words: &str) -> Vec<BTreeMap<&'static str, String>> {
    let spans = SPANS.lock().unwrap();
    let wanted = spans.iter().filter(|span| span.name == name && span.fields["url"].contains(words));
    wanted.map(|span| span.fields.clone()).collect()
}

#[test]
fn a_span_for_each_file_and_each_request() {
    listen();
    let server = HttpOptions::new().start();
    server.put("/spans.fits", sample());
    let urls = [server.url("/spans.fits?cut=5000&cut_times=1"), server.url("/spans.fits?status=404")];
    let fetcher = Fetcher::builder().retries(2, Duration::from_millis(1)).build().unwrap();
    let done: Vec<_> = fetcher.fetch(urls).wait().collect();
    assert_eq!(done.iter().filter(|outcome| outcome.result.is_ok()).count(), 1);
    let files = spans("file", "cut=5000");
    assert_eq!(files.len(), 1);
    let bytes = sample().len();
    assert_eq!((files[0]["attempts"].as_str(), files[0]["bytes"].as_str()), ("2", bytes.to_string().as_str()));
    assert!(spans("file", "404")[0]["error"].contains("404"));
    // The end of a request is noted when its body has been dropped.
    eventually("both requests have ended", || {
        spans("request", "cut=5000").iter().filter(|span| span.contains_key("bytes")).count() == 2
    });
    let requests = spans("request", "cut=5000");
    let shown = |number: usize, field: &str| requests[number].get(field).map_or("", String::as_str).to_owned();
    assert_eq!([shown(0, "attempt"), shown(0, "status"), shown(0, "bytes")], ["1", "200", "5000"]);
    assert_eq!([shown(1, "attempt"), shown(1, "status"), shown(1, "bytes")], ["2", "206", &(bytes - 5000).to_string()]);
    assert!(shown(0, "error").contains("ended at") && shown(1, "range").contains("bytes=5000-"));
    assert_eq!(spans("request", "404")[0]["status"], "404");
}

#[test]
fn no_credential_is_logged_by_us_or_by_what_we_use() {
    listen();
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    authority.write_pem(&pem);
    let (user, password) = ("l0gin", "hidd3n");
    let options = || {
        with_remote(|remote| {
            remote.ca_file = Some(pem.clone());
            remote.timeout = Timeout { connect: Duration::from_secs(10), ..Timeout::default() };
        })
    };
    let with_login = |url: String| url.replacen("://", &format!("://{user}:{password}@"), 1);
    for secure in [false, true] {
        let (ftp, http) = (FtpOptions::new().user(user, password), HttpOptions::new().user(user, password));
        let (ftp, http) = if secure {
            (ftp.tls(&authority, CertificateKind::Right), http.tls(&authority, CertificateKind::Right))
        } else {
            (ftp, http)
        };
        let (ftp, http) = (ftp.start_scripted(&[]), http.start());
        ftp.put("/a.fits", sample());
        http.put("/a.fits", sample());
        for url in [ftp.url("/a.fits"), http.url("/a.fits")] {
            assert_sample(&FitsReader::open_with(with_login(url.clone()), options()).wait().unwrap());
            let mut wrong = options();
            let auth = Auth::Basic { user: user.to_owned(), password: format!("wrong-{password}") };
            wrong.remote.as_mut().unwrap().auth = Some(auth);
            failure(FitsReader::open_with(&url, wrong).wait());
        }
        let mut signed = options();
        signed.remote.as_mut().unwrap().headers = vec![("X-Token".to_owned(), password.to_owned())];
        assert_sample(&FitsReader::open_with(with_login(http.url("/a.fits")), signed).wait().unwrap());
        let mut token = options();
        token.remote.as_mut().unwrap().auth = Some(Auth::Bearer(format!("bearer-{password}")));
        failure(FitsReader::open_with(http.url("/a.fits"), token).wait());
        if !secure {
            let commands = ftp.commands();
            assert!(commands.contains(&format!("PASS {password}")), "it was sent: {commands:?}");
        }
    }
    let text = TEXT.lock().unwrap();
    assert!(text.contains("suppaftp") && text.contains("PASS ***"), "the FTP library logs its commands");
    // As text, as base64 in a header, and as the numbers of its bytes.
    let numbers = format!("{:?}", password.as_bytes());
    let base64 = "bDBnaW46aGlkZDNu"; // l0gin:hidd3n
    for secret in [password, base64, numbers.trim_matches(['[', ']'])] {
        let found = text.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{found:?}");
    }
}
