//! What a network and a server can do to an http transfer, one row for each: the right file comes or the right error, in time, after as many
//! attempts as may help; credentials go nowhere else, and nothing is left behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::*;
use rustfits::{
    Download, DownloadOptions, ErrorKind, FetchOptions, FetchOutcome, FetchQueue, Fetcher, FetcherBuilder, FitsReader,
    OpenOptions, RemoteMode,
};
use rustfits_loopback::{
    Authority, BlackHole, CertificateKind, FaultProxy, FtpFault, FtpOptions, HttpOptions, HttpServer, WireFault,
};
use sha2::{Digest, Sha256};

const RETRIES: u32 = 2;

/// What has to come of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// It comes, after so many attempts.
    Comes(u32),
    /// It fails so, after so many attempts.
    Fails(ErrorKind, u32),
    /// What came opens, and is found to be short when it is read.
    IsShort,
    /// What came opens, and differs: nothing on the way can tell.
    Differs,
    /// It comes or it fails; it is never a wrong file.
    NotWrong,
}
use Expected::{Comes, Differs, Fails, IsShort, NotWrong};

/// One row: what the URL asks of the server, what the wire does to one connection after the other.
struct Row {
    words: String,
    wire: Vec<WireFault>,
    secure: bool,
    expected: Expected,
}

fn row(words: &str, wire: &[WireFault], expected: Expected) -> Row {
    Row { words: words.to_owned(), wire: wire.to_vec(), secure: false, expected }
}

fn secure(wire: &[WireFault], expected: Expected) -> Row {
    Row { secure: true, ..row("", wire, expected) }
}

fn replaced(from: &str, to: &str) -> WireFault {
    WireFault::Replace(from.to_owned(), to.to_owned())
}

fn table() -> Vec<Row> {
    use WireFault::{Close, Corrupt, Duplicate, Rate, Reset, Stall};
    let length = sample().len();
    let says =
        |length: &str| replaced(&format!("Content-Length: {}", sample().len()), &format!("Content-Length: {length}"));
    let network = |attempts| Fails(ErrorKind::Network, attempts);
    let corrupt = |attempts| Fails(ErrorKind::Corrupt, attempts);
    let status = |status, attempts| Fails(ErrorKind::Status(status), attempts);
    vec![
        // The wire breaks: in the head, in the body, each time.
        row("", &[Reset(0)], Comes(2)),
        row("", &[Reset(20)], Comes(2)),
        row("", &[Reset(5000)], Comes(2)),
        row("", &[Close(0)], Comes(2)),
        row("", &[Close(20)], Comes(2)),
        row("", &[Close(5000)], Comes(2)),
        row("", &[Close(5000), Reset(1000)], Comes(3)),
        row("no_validator", &[Close(5000)], Comes(2)),
        row("norange", &[Close(5000)], Comes(2)),
        row("", &[Reset(1000), Reset(1000), Reset(1000)], network(3)),
        row("chunked", &[Close(5000)], Comes(2)),
        // Nothing comes, or too slowly for nobody.
        row("", &[Stall(0)], Comes(2)),
        row("", &[Stall(100)], Comes(2)),
        row("", &[Stall(5000)], Comes(2)),
        row("", &[Stall(5000), Stall(5000), Stall(600)], Fails(ErrorKind::Timeout, 3)),
        row("", &[Rate(2 * length as u64)], Comes(1)),
        // Other bytes than those of the file. Of pixels nobody knows what they were.
        row("", &[Corrupt(10_000)], Differs),
        row("", &[Corrupt(0)], corrupt(1)),
        row("", &[Duplicate(9000, 100)], Differs),
        row("chunked", &[Duplicate(9000, 2880)], NotWrong),
        // A server's lies about the length, the range and the version.
        // All that there is comes first, then nothing, then a place to go on from that there is not.
        row("", &[says(&(length + 1000).to_string())], Comes(3)),
        row("", &[says("5760")], IsShort),
        row("", &[says("many")], corrupt(1)),
        row("", &[says("-1")], corrupt(1)),
        row("", &[says(&format!("{length}\r\nContent-Length: 5"))], corrupt(1)),
        row("", &[says("99999999999999999999999")], corrupt(1)),
        row("", &[Close(5000), replaced("Content-Range: bytes ", "Content-Range: bytes 1")], corrupt(2)),
        row("", &[Close(5000), replaced("Content-Range: ", "X-Range: ")], corrupt(2)),
        row("", &[Close(5000), replaced("/", "/1")], NotWrong),
        row("", &[Close(5000), replaced("ETag: \"", "ETag: \"other")], corrupt(2)),
        row("", &[replaced("200 OK", "206 OK")], corrupt(1)),
        // The file changes between two requests.
        row("etag_changes&modified_changes", &[Close(5000)], Comes(2)),
        row("etag_changes&modified_changes&norange", &[Close(5000)], Comes(2)),
        // A packing that nobody asked for, and one that is only claimed.
        row("gzip_encoding", &[], Comes(1)),
        row("gzip_encoding", &[Close(2000)], Comes(2)),
        row("", &[replaced("Content-Type", "Content-Encoding: gzip\r\nContent-Type")], Comes(1)),
        // Statuses, with and without a time.
        row("status=500&times=1", &[], Comes(2)),
        row("status=502&times=1", &[], Comes(2)),
        row("status=503&times=2", &[], Comes(3)),
        row("status=503&times=1&retry_after=0", &[], Comes(2)),
        row("status=429&times=1&retry_after=1", &[], Comes(2)),
        row("status=429&times=1&retry_after=soon", &[], Comes(2)),
        row("status=408&times=1", &[], Comes(2)),
        row("status=500", &[], status(500, 3)),
        row("status=503", &[], status(503, 3)),
        row("status=404", &[], status(404, 1)),
        row("status=401", &[], status(401, 1)),
        row("status=204", &[], NotWrong),
        // Nobody said that the file is here already.
        row("status=304", &[], status(304, 1)),
        // Ways that lead elsewhere, or nowhere.
        row("hops=10", &[], Comes(1)),
        row("hops=11", &[], status(302, 1)),
        row("loop", &[], status(302, 1)),
        row("redirect=file:///etc/passwd", &[], status(302, 1)),
        row("redirect=ftp://127.0.0.1/a.fits", &[], status(302, 1)),
        row("redirect=http://", &[], status(302, 1)),
        // What is no answer, or no FITS file.
        row("endless_header", &[], corrupt(1)),
        row("", &[replaced("HTTP/1.1", "SMTP/9.9")], corrupt(1)),
        row("html", &[], NotWrong),
        row("close_idle", &[], Comes(1)),
        row("close_reused", &[], Comes(1)),
        // TLS that breaks in the handshake, in the body, without a goodbye; and bytes that were changed on the way.
        secure(&[Reset(0)], Comes(2)),
        secure(&[Reset(100)], Comes(2)),
        secure(&[Close(700)], Comes(2)),
        secure(&[Stall(100)], Comes(2)),
        secure(&[Reset(6000)], Comes(2)),
        secure(&[Close(6000)], Comes(2)),
        secure(&[Stall(6000)], Comes(2)),
        secure(&[Corrupt(300)], Comes(2)),
        secure(&[Corrupt(9000)], Comes(2)),
        secure(&[Close(6000), Close(6000), Close(700)], network(3)),
    ]
}

/// The servers of one row.
struct Scene {
    server: HttpServer,
    proxy: FaultProxy,
    url: String,
    options: OpenOptions,
    name: String,
}

/// How often a plain open asks where nothing comes.
const PLAIN_ATTEMPTS: u32 = 3;

impl Scene {
    fn new(row: &Row, authority: &Authority, pem: &Path) -> Self {
        let options = HttpOptions::new();
        let options = if row.secure { options.tls(authority, CertificateKind::Right) } else { options };
        let server = options.start();
        server.put("/a.fits", sample());
        let proxy = FaultProxy::start(server.address(), row.wire.clone());
        let url = proxy.through(&server.url(&format!("/a.fits?{}", row.words)), server.address());
        let options = with_remote(|remote| {
            remote.timeout = limits(400);
            remote.ca_file = row.secure.then(|| pem.to_owned());
        });
        Self { server, proxy, url, options, name: format!("{} {:?}", row.words, row.wire) }
    }

    fn with_login(&self) -> String {
        self.url.replacen("://", "://ann:hidden@", 1)
    }

    fn builder(&self) -> FetcherBuilder {
        Fetcher::builder().retries(RETRIES, Duration::from_millis(1)).open(self.options.clone())
    }

    /// Whether the outcome is the one of the row.
    fn check<T>(&self, outcome: &FetchOutcome<T>, expected: Expected, file: impl Fn(&T) -> Vec<u8>) {
        let name = &self.name;
        if let Err(error) = &outcome.result {
            let shown = format!("{error} {error:?}");
            assert!(
                shown.contains("/a.fits") && !shown.contains("hidden") && !shown.contains("ann"),
                "{name}: {shown}"
            );
        }
        let came = outcome.result.as_ref().map(file).map_err(|error| error.kind());
        match (expected, &came) {
            (Comes(attempts), Ok(bytes)) => assert!(
                *bytes == sample() && outcome.attempts == attempts,
                "{name}: {outcome:?}",
                outcome = outcome.attempts
            ),
            (Fails(kind, attempts), Err(found)) => assert_eq!((*found, outcome.attempts), (kind, attempts), "{name}"),
            (IsShort, Ok(bytes)) => assert!(bytes.len() < sample().len(), "{name}"),
            (Differs, Ok(bytes)) => assert!(*bytes != sample() && bytes.len() == sample().len(), "{name}"),
            (NotWrong, came) => assert!(came.as_ref().is_ok_and(|bytes| *bytes == sample()) || came.is_err(), "{name}"),
            (expected, came) => panic!("{name}: {expected:?} is not {:?}", came.as_ref().map(Vec::len)),
        }
        assert!(outcome.attempts <= RETRIES + 1, "{name}");
    }
}

fn bytes_of(fits: &FitsReader) -> Vec<u8> {
    fits.to_bytes().wait().unwrap()
}

/// Fetched into memory.
fn fetched(row: &Row, authority: &Authority, pem: &Path) {
    let scene = Scene::new(row, authority, pem);
    let (fetcher, url) = (scene.builder().build().unwrap(), scene.with_login());
    let outcome = promptly(move || fetcher.fetch([url]).wait().next().unwrap());
    scene.check(&outcome, row.expected, bytes_of);
    eventually(&scene.name, || scene.server.requests().iter().all(|request| request.finished.is_some()));
    // One that is kept for the next request.
    eventually(&scene.name, || scene.proxy.connections().open <= 1);
}

/// Downloaded to disk, with the hash of the file: nothing that differs gets through, and the next call brings the file.
fn downloaded(row: &Row, authority: &Authority, pem: &Path) {
    let scene = Scene::new(row, authority, pem);
    let directory = tempfile::tempdir().unwrap();
    let hash = Sha256::digest(sample()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let download = || {
        let file = Download { sha256: Some(hash.clone()), ..Download::from(scene.with_login()) };
        let fetcher = scene.builder().build().unwrap();
        let downloads = fetcher.download([file], directory.path(), DownloadOptions::default()).unwrap();
        promptly(move || downloads.wait().next().unwrap())
    };
    let there = || std::fs::read(directory.path().join("a.fits")).ok();
    let outcome = download();
    match &outcome.result {
        Ok(done) => assert!(there() == Some(sample()) && done.size == sample().len() as u64, "{}", scene.name),
        Err(error) => {
            assert!(there().is_none() && !format!("{error:?}").contains("hidden"), "{}: {error:?}", scene.name)
        }
    }
    // A packed body is another file on disk than the one of the hash.
    if let (Comes(_), false) = (row.expected, row.words.contains("gzip_encoding")) {
        assert!(outcome.result.is_ok(), "{}: {:?}", scene.name, outcome.result);
    }
    if matches!(row.expected, Differs | IsShort) {
        assert!(outcome.result.is_err(), "{}", scene.name);
        assert!(download().result.is_ok(), "{}: the fault is over", scene.name);
    }
    if there().is_some() {
        let left = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("part")).collect();
        assert!(left.is_empty(), "{}: {left:?}", scene.name);
    }
}

/// Whether a file that comes whole in some attempts has to come by ranges, too: each of them is asked for again.
fn comes_by_ranges(row: &Row) -> bool {
    // What says something else of the file than before; and what has no ranges.
    let other = ["norange", "etag_changes", "gzip_encoding"].iter().any(|word| row.words.contains(word))
        || row.wire.iter().any(|fault| matches!(fault, WireFault::Replace(..)));
    matches!(row.expected, Comes(_)) && !other
}

/// Read by ranges, or in whichever way the server has: the pixels are right or an error says why not.
fn by_ranges(row: &Row, authority: &Authority, pem: &Path) {
    for mode in [RemoteMode::Ranged, RemoteMode::Auto] {
        let mut scene = Scene::new(row, authority, pem);
        scene.options.remote.as_mut().unwrap().mode = mode;
        let (url, options) = (scene.with_login(), scene.options.clone());
        let read: rustfits::Result<_> = promptly(move || {
            let fits = FitsReader::open_with(url, options).wait()?;
            Ok((fits.image(0).read::<f32>().wait()?, fits.image("SCI").read::<i16>().wait()?))
        });
        match read {
            Ok((first, second)) if first == sample_primary().into_dyn() && second == sample_science().into_dyn() => {}
            // Nothing says that a changed pixel was another one.
            Ok(_) => assert_eq!(row.expected, Differs, "{}: wrong pixels", scene.name),
            Err(error) => {
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("/a.fits") && !shown.contains("hidden"), "{}: {shown}", scene.name);
                assert!(!comes_by_ranges(row), "{} {mode:?}: {shown}", scene.name);
            }
        }
    }
}

/// Opened whole, at once or while it comes: as a fetch with so many attempts, but that attempts which bring something new don't count.
fn opened_whole(row: &Row, authority: &Authority, pem: &Path) {
    for mode in [RemoteMode::Whole, RemoteMode::Stream] {
        let mut scene = Scene::new(row, authority, pem);
        scene.options.remote.as_mut().unwrap().mode = mode;
        let (url, options) = (scene.with_login(), scene.options.clone());
        let opened = promptly(move || {
            let fits = FitsReader::open_with(url, options).wait()?;
            fits.to_bytes().wait()
        });
        let name = format!("{} {mode:?}", scene.name);
        // What is read while it comes has the length that the server said first.
        let lied = mode == RemoteMode::Stream && row.wire.iter().any(|fault| matches!(fault, WireFault::Replace(..)));
        let expected = if lied && matches!(row.expected, Comes(_)) { NotWrong } else { row.expected };
        match (expected, &opened) {
            (Comes(_), Ok(bytes)) => assert!(*bytes == sample(), "{name}"),
            (Fails(kind, attempts), Err(error)) => {
                assert_eq!(error.kind(), kind, "{name}: {error}");
                assert!(
                    attempts == PLAIN_ATTEMPTS || scene.proxy.connections().accepted <= u64::from(attempts),
                    "{name}"
                );
            }
            // The last fault of the row is over with the last attempt that brought something.
            (Fails(_, PLAIN_ATTEMPTS), Ok(bytes)) => assert!(row.wire.len() > 1 && *bytes == sample(), "{name}"),
            (IsShort, Ok(bytes)) => assert!(bytes.len() < sample().len(), "{name}"),
            (IsShort, Err(error)) => assert_eq!(error.kind(), ErrorKind::Truncated, "{name}: {error}"),
            (Differs, Ok(bytes)) => assert!(*bytes != sample() && bytes.len() == sample().len(), "{name}"),
            (NotWrong, came) => assert!(came.as_ref().is_ok_and(|bytes| *bytes == sample()) || came.is_err(), "{name}"),
            (expected, Err(error)) => panic!("{name}: {expected:?}, but {error}"),
            (expected, Ok(bytes)) => panic!("{name}: {expected:?}, but {} bytes came", bytes.len()),
        }
        if let Err(error) = &opened {
            let shown = format!("{error} {error:?}");
            assert!(
                shown.contains("/a.fits") && !shown.contains("hidden") && !shown.contains("ann"),
                "{name}: {shown}"
            );
        }
        eventually(&name, || scene.proxy.connections().open <= 1);
    }
}

/// In whichever way a file is opened: what may succeed is tried three times in all, and what may not once.
#[test]
fn a_plain_open_makes_as_many_attempts_in_each_way() {
    for mode in [RemoteMode::Whole, RemoteMode::Stream, RemoteMode::Ranged, RemoteMode::Auto] {
        for (words, attempts) in [("status=503", PLAIN_ATTEMPTS), ("status=404", 1), ("stall_head", PLAIN_ATTEMPTS)] {
            let server = HttpServer::start();
            server.put("/a.fits", sample());
            let url = server.url(&format!("/a.fits?{words}"));
            let options = with_remote(|remote| (remote.mode, remote.timeout) = (mode, limits(300)));
            let opened = promptly(move || FitsReader::open_with(url, options).wait());
            assert!(opened.is_err(), "{words} {mode:?}");
            assert_eq!(server.requests().len(), attempts as usize, "{words} {mode:?}");
        }
    }
    for mode in [RemoteMode::Whole, RemoteMode::Stream, RemoteMode::Auto] {
        for (fault, attempts) in [(FtpFault::Busy, PLAIN_ATTEMPTS), (FtpFault::FileMissing, 1)] {
            let server = FtpOptions::new().start_scripted(std::slice::from_ref(&fault));
            server.put("/a.fits", sample());
            let url = server.url("/a.fits");
            let opened = promptly(move || FitsReader::open_with(url, with_remote(|remote| remote.mode = mode)).wait());
            // The third connection is let in.
            assert_eq!(opened.is_ok(), fault == FtpFault::Busy, "{fault:?} {mode:?}");
            assert_eq!(server.connections().accepted, u64::from(attempts), "{fault:?} {mode:?}");
        }
    }
}

/// Ways to nobody: connections that are never answered, and a login that is not to be sent on.
fn nobody_and_others() {
    let hole = BlackHole::start();
    let fetcher = Fetcher::builder().retries(RETRIES, Duration::from_millis(1)).open(impatient()).build().unwrap();
    let nobody = |scheme: &str| format!("{scheme}://ann:hidden@{}/a.fits", hole.address());
    let urls = ["http", "https", "ftp"].map(nobody);
    let outcomes = promptly(move || fetcher.fetch(urls).wait().collect::<Vec<_>>());
    for outcome in outcomes {
        let error = outcome.result.unwrap_err();
        assert_eq!((error.kind(), outcome.attempts), (ErrorKind::Timeout, 3), "{error}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
    // The next mirror is asked in place of waiting for ever.
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    let mut queue = FetchQueue::new(FetchOptions { open: impatient(), ..FetchOptions::default() }, None);
    queue.push_mirrors(vec![nobody("http").into(), server.url("/a.fits").into()]);
    let outcome = promptly(move || queue.wait_until(|| false).unwrap().unwrap());
    assert!(bytes_of(&outcome.result.unwrap()) == sample());
    assert_eq!(server.requests()[0].header("authorization"), None);
    // Nor does a redirect take the login along, also after the wire broke.
    let first = HttpServer::start();
    let proxy = FaultProxy::start(server.address(), vec![WireFault::Close(3000)]);
    let there = proxy.through(&server.url("/a.fits"), server.address());
    let url = first.url(&format!("/a.fits?redirect={there}")).replacen("://", "://ann:hidden@", 1);
    let fetcher = Fetcher::builder().retries(RETRIES, Duration::from_millis(1)).build().unwrap();
    let outcome = promptly(move || fetcher.fetch([url]).wait().next().unwrap());
    assert_eq!((bytes_of(&outcome.result.unwrap()) == sample(), outcome.attempts), (true, 2));
    assert!(first.requests().iter().all(|request| request.header("authorization").is_some()));
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

/// Surplus bytes of one answer are not taken for the beginning of the next, and closed connections are noticed.
fn one_after_the_other() {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    for (words, fault) in [
        ("", WireFault::Duplicate(9000, 100)),
        ("close_idle", WireFault::Rate(1 << 30)),
        ("close_reused", WireFault::Rate(1 << 30)),
    ] {
        let proxy = FaultProxy::always(server.address(), fault.clone());
        let url = |number| proxy.through(&server.url(&format!("/a.fits?{words}&number={number}")), server.address());
        let fetcher = Fetcher::builder().per_host(1).retries(RETRIES, Duration::from_millis(1)).build().unwrap();
        let urls: Vec<_> = (0..6).map(url).collect();
        let outcomes = promptly(move || fetcher.fetch(urls).wait().collect::<Vec<_>>());
        for outcome in outcomes {
            let fits = outcome.result.unwrap_or_else(|error| panic!("{words} {fault:?}: {error}"));
            assert_eq!(bytes_of(&fits).len(), sample().len());
            assert!(matches!(fault, WireFault::Duplicate(..)) || bytes_of(&fits) == sample(), "{words} {fault:?}");
        }
    }
}

/// One test, so that what is left of it can be told from what others use.
#[test]
fn every_fault() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, pem) = (Authority::new(), directory.path().join("ca.pem"));
    authority.write_pem(&pem);
    fetched(&row("", &[], Comes(1)), &authority, &pem);
    fetched(&secure(&[], Comes(1)), &authority, &pem);
    let descriptors = open_descriptors();
    let table = table();
    std::thread::scope(|scope| {
        for part in 0..6 {
            let (table, authority, pem) = (&table, &authority, pem.as_path());
            scope.spawn(move || {
                for row in table.iter().skip(part).step_by(6) {
                    fetched(row, authority, pem);
                    downloaded(row, authority, pem);
                    by_ranges(row, authority, pem);
                    opened_whole(row, authority, pem);
                }
            });
        }
        scope.spawn(nobody_and_others);
        scope.spawn(one_after_the_other);
    });
    eventually("no descriptor is left", || open_descriptors() <= descriptors);
}
