//! Files to disk: complete under their names or not there, gone on with after a kill, skipped when they are there.
//!
//! `RUSTFITS_KILLS` sets how often the download is killed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use common::*;
use futures_util::StreamExt;
use rustfits::{
    Download, DownloadOptions, Downloaded, ErrorKind, FetchOutcome, Fetcher, FitsReader, FitsWriter, ImageOptions,
    Verify,
};
use rustfits_loopback::{FtpServer, HttpServer};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const KILLS: usize = 8;
/// Where the killed process finds the server and the directory.
const URL: &str = "RUSTFITS_TEST_URL";
const DIRECTORY: &str = "RUSTFITS_TEST_DIRECTORY";
const FILES: usize = 12;

fn fetcher() -> Fetcher {
    Fetcher::builder().retries(2, Duration::from_millis(1)).ordered(true).build().unwrap()
}

fn download<T: Into<Download>>(files: Vec<T>, directory: &TempDir) -> Vec<FetchOutcome<Downloaded>> {
    download_with(files, directory, DownloadOptions::default())
}

fn download_with<T: Into<Download>>(
    files: Vec<T>,
    directory: &TempDir,
    options: DownloadOptions,
) -> Vec<FetchOutcome<Downloaded>> {
    fetcher().download(files, directory.path(), options).unwrap().wait().collect()
}

fn one<T: Into<Download>>(file: T, directory: &TempDir) -> FetchOutcome<Downloaded> {
    download(vec![file], directory).pop().unwrap()
}

fn names(directory: &Path) -> BTreeSet<String> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn files_are_there_as_the_server_has_them() {
    let (server, ftp, directory) = (HttpServer::start(), FtpServer::start(), tempfile::tempdir().unwrap());
    let large = one_image(&ramp(1000, 1000).into_dyn());
    server.put("/large.fits", large.clone());
    server.put("/a%20b.fits.gz", gzip(&sample()));
    ftp.put("/ftp.fits", sample());
    let urls =
        vec![server.url("/large.fits?x=1"), server.url("/a%20b.fits.gz"), ftp.url("/ftp.fits"), server.url("/no.fits")];
    let inside = directory.path().join("new/directory");
    let outcomes: Vec<_> = fetcher().download(urls, &inside, DownloadOptions::default()).unwrap().wait().collect();
    let expected = [("large.fits", large), ("a b.fits.gz", gzip(&sample())), ("ftp.fits", sample())];
    for ((name, bytes), outcome) in expected.iter().zip(&outcomes) {
        let done = outcome.result.as_ref().unwrap();
        assert_eq!(done.path, inside.join(name));
        assert_eq!(std::fs::read(&done.path).unwrap(), *bytes);
        assert_eq!((done.size, done.skipped, done.resumed), (bytes.len() as u64, false, 0));
        assert_eq!(outcome.bytes, bytes.len() as u64);
    }
    assert_eq!(outcomes[3].result.as_ref().unwrap_err().kind(), ErrorKind::Status(404));
    assert_eq!(names(&inside), expected.map(|(name, _)| name.to_owned()).into());
    let modified = std::fs::metadata(inside.join("large.fits")).unwrap().modified().unwrap();
    let header = httpdate::fmt_http_date(modified);
    assert!(modified <= SystemTime::now() && header.ends_with("GMT"));
}

#[test]
fn what_is_complete_and_unchanged_is_skipped() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    server.put("/a.fits", sample());
    for words in ["", "unconditional", "no_validator", "weak_etag"] {
        let url = server.url(&format!("/a.fits?{words}"));
        let options = || DownloadOptions { overwrite: true, ..DownloadOptions::default() };
        let first = download_with(vec![url.clone()], &directory, options()).pop().unwrap();
        assert!(!first.result.unwrap().skipped, "{words}");
        server.clear_log();
        let again = one(url.clone(), &directory);
        let done = again.result.unwrap();
        assert!(done.skipped && done.size == sample().len() as u64, "{words}");
        assert_eq!(again.bytes, 0, "{words}");
        assert_eq!(server.requests().len(), 1);
        if words.is_empty() {
            assert_eq!(server.requests()[0].status, 304);
        }
        assert_eq!(names(directory.path()), ["a.fits".to_owned()].into());
        // Another length is another file, whatever the server says.
        std::fs::write(directory.path().join("a.fits"), b"cut off").unwrap();
        assert!(!one(url, &directory).result.unwrap().skipped, "{words}");
        assert_eq!(std::fs::read(directory.path().join("a.fits")).unwrap(), sample());
    }
    let url = server.url("/a.fits");
    one(url.clone(), &directory).result.unwrap();
    let other = one_image(&ramp(7, 7).into_dyn());
    server.put("/a.fits", other.clone());
    assert!(!one(url.clone(), &directory).result.unwrap().skipped);
    assert_eq!(std::fs::read(directory.path().join("a.fits")).unwrap(), other);
    // A hash that fits needs no server.
    server.clear_log();
    let known = Download { sha256: Some(sha256(&other)), ..url.into() };
    assert!(one(known, &directory).result.unwrap().skipped && server.requests().is_empty());
    let ftp = FtpServer::start();
    ftp.put("/f.fits", sample());
    assert!(!one(ftp.url("/f.fits"), &directory).result.unwrap().skipped);
    assert!(one(ftp.url("/f.fits"), &directory).result.unwrap().skipped);
}

#[test]
fn what_is_not_what_it_should_be_does_not_appear() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    server.put("/a.fits", sample());
    let url = |words: &str| Download::from(server.url(&format!("/a.fits{words}")));
    let right =
        Download { size: Some(sample().len() as u64), sha256: Some(sha256(&sample()).to_lowercase()), ..url("?right") };
    let wrong = [
        Download { size: Some(1), ..url("") },
        Download { sha256: Some(sha256(b"other")), ..url("") },
        Download { md5: Some("0".repeat(32)), ..url("") },
        url("?html"),
        url("?wronglength=1000000"),
        url("?cut=4000"),
    ];
    for download in wrong {
        let outcome = one(download.clone(), &directory);
        let error = outcome.result.unwrap_err();
        let kinds = [ErrorKind::Corrupt, ErrorKind::Truncated, ErrorKind::Network];
        assert!(kinds.contains(&error.kind()), "{download:?}: {error:?}");
        assert!(!names(directory.path()).contains("a.fits"), "{download:?}");
    }
    one(right, &directory).result.unwrap();
    assert_eq!(names(directory.path()), ["a.fits".to_owned()].into());
    // An error leaves what was there before.
    one(Download { size: Some(1), ..url("") }, &directory).result.unwrap_err();
    assert_eq!(std::fs::read(directory.path().join("a.fits")).unwrap(), sample());
}

#[test]
fn data_sums_are_checked_where_that_is_asked_for() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    let fits = FitsWriter::create("mem://").wait().unwrap();
    fits.write_image(&ramp(40, 40), ImageOptions::default()).wait().unwrap();
    fits.add_datasum(0).wait().unwrap();
    let mut bytes = fits.reader().to_bytes().wait().unwrap();
    server.put("/good.fits", bytes.clone());
    server.put("/good.fits.gz", gzip(&bytes));
    let last = BLOCK + 100;
    bytes[last] ^= 1;
    server.put("/bad.fits", bytes);
    let urls = || ["/good.fits", "/good.fits.gz", "/bad.fits"].map(|path| server.url(path)).to_vec();
    let options = DownloadOptions { verify: Verify::DataSums, ..DownloadOptions::default() };
    let outcomes = download_with(urls(), &directory, options);
    assert!(outcomes[..2].iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_says(outcomes[2].result.as_ref().unwrap_err(), &["DATASUM", "HDU 0", "bad.fits"]);
    assert_eq!(names(directory.path()), ["good.fits".to_owned(), "good.fits.gz".to_owned()].into());
    server.put("/page.fits", b"<html>".to_vec());
    let options = DownloadOptions { verify: Verify::Nothing, ..DownloadOptions::default() };
    assert!(download_with(vec![server.url("/page.fits")], &directory, options)[0].result.is_ok());
}

#[test]
fn no_name_leads_out_of_the_directory() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    let inside = directory.path().join("inside");
    let urls =
        ["/x/..%2fa.fits", "/x/%2e%2e%2f%2e%2e%2fetc", "/x/.hidden", "/x/", "/x/a%00.fits", "/x/a%5Cb", "/x/%ff"];
    let mut files: Vec<Download> = urls.iter().map(|path| server.url(path).into()).collect();
    for name in ["../a.fits", "/tmp/a.fits", "", ".", "b/c.fits"] {
        files.push(Download { name: Some(name.to_owned()), ..server.url("/a.fits").into() });
    }
    files.push("file:///etc/passwd".into());
    files.push("/etc/passwd".into());
    files.push(Download::default());
    files.push(Download { md5: Some("xyz".to_owned()), ..server.url("/a.fits").into() });
    let count = files.len();
    let outcomes: Vec<_> = fetcher().download(files, &inside, DownloadOptions::default()).unwrap().wait().collect();
    assert_eq!(outcomes.len(), count);
    for outcome in &outcomes {
        assert_eq!(outcome.result.as_ref().unwrap_err().kind(), ErrorKind::Argument, "{outcome:?}");
    }
    assert!(server.requests().is_empty());
    assert!(names(&inside).is_empty());
    assert_eq!(names(directory.path()), ["inside".to_owned()].into());
    // What the server says about the name is not heard.
    server.put("/a.fits", sample());
    let named = server.url("/a.fits?disposition=../evil.fits");
    fetcher().download([named], &inside, DownloadOptions::default()).unwrap().wait().next().unwrap().result.unwrap();
    assert_eq!(names(&inside), ["a.fits".to_owned()].into());
}

#[test]
fn one_file_is_not_written_over_another_of_the_same_download() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    server.put("/x/a.fits", sample());
    server.put("/y/A.fits", one_image(&ramp(5, 5).into_dyn()));
    let named = Download { name: Some("b.fits".to_owned()), ..server.url("/y/A.fits").into() };
    let files = vec![server.url("/x/a.fits").into(), server.url("/y/A.fits").into(), named];
    let outcomes = download::<Download>(files, &directory);
    assert_eq!(std::fs::read(directory.path().join("a.fits")).unwrap(), sample());
    assert_says(outcomes[1].result.as_ref().unwrap_err(), &["A.fits", "name="]);
    assert!(outcomes[2].result.is_ok());
}

#[test]
fn the_next_mirror_is_tried() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    server.put("/a.fits", sample());
    let mirrors = |paths: &[&str]| Download {
        urls: paths.iter().map(|path| server.url(path)).collect(),
        name: Some("m.fits".to_owned()),
        ..Download::default()
    };
    for first in ["/no.fits", "/a.fits?status=503", "/a.fits?cut=5000", "/a.fits?html"] {
        let outcome = one(mirrors(&[first, "/a.fits"]), &directory);
        assert!(!outcome.result.unwrap().skipped, "{first}");
        assert_eq!((outcome.attempts, outcome.url), (2, server.url(first)));
        assert_eq!(names(directory.path()), ["m.fits".to_owned()].into());
        std::fs::remove_file(directory.path().join("m.fits")).unwrap();
    }
    // Each is asked once before any is asked again.
    server.clear_log();
    one(mirrors(&["/a.fits?status=503&times=1", "/no.fits"]), &directory).result.unwrap();
    let statuses: Vec<u16> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 404, 200]);
    std::fs::remove_file(directory.path().join("m.fits")).unwrap();
    let error = one(mirrors(&["/no.fits", "/a.fits?html"]), &directory).result.unwrap_err();
    assert_says(&error, &["404", "another mirror", "html"]);
    assert!(names(directory.path()).is_empty());
}

#[test]
fn what_was_broken_off_is_gone_on_with() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    let large = one_image(&ramp(1000, 1000).into_dyn());
    server.put("/a.fits", large.clone());
    let once = Fetcher::builder().retries(0, Duration::ZERO).build().unwrap();
    let url = server.url("/a.fits?cut=2000000&cut_times=1");
    let get =
        || once.download([url.clone()], directory.path(), DownloadOptions::default()).unwrap().wait().next().unwrap();
    assert_eq!(get().result.unwrap_err().kind(), ErrorKind::Network);
    assert_eq!(
        names(directory.path()),
        [".a.fits.rustfits-journal".to_owned(), ".a.fits.rustfits-part".to_owned()].into()
    );
    let resumed = get();
    assert_eq!(resumed.bytes, large.len() as u64 - 2_000_000);
    assert_eq!(resumed.result.unwrap().resumed, 2_000_000);
    assert_eq!(std::fs::read(directory.path().join("a.fits")).unwrap(), large);
    assert_eq!(names(directory.path()), ["a.fits".to_owned()].into());

    // Another file by now: it begins anew. A complete one that was not renamed yet: its last byte is asked for.
    for (changed, requests) in [(true, 1), (false, 1)] {
        std::fs::remove_file(directory.path().join("a.fits")).unwrap();
        server.clear_log();
        get().result.unwrap_err();
        let other = if changed { one_image(&ramp(900, 900).into_dyn()) } else { large.clone() };
        if changed {
            server.put("/a.fits", other.clone());
        } else {
            server.put("/a.fits", large[..2_000_000].to_vec());
        }
        server.clear_log();
        let done = once
            .download([server.url("/a.fits?cut=2000000&cut_times=0")], directory.path(), DownloadOptions::default())
            .unwrap()
            .wait()
            .next()
            .unwrap();
        let done = done.result.unwrap();
        assert_eq!(done.resumed, 0, "{changed}");
        assert_eq!(server.requests().len(), requests, "{changed}");
        server.put("/a.fits", large.clone());
    }
}

#[test]
fn the_manifest_says_what_became_of_each() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    let place = tempfile::tempdir().unwrap();
    server.put("/a,b.fits", sample());
    let urls = vec![server.url("/a,b.fits"), server.url("/no.fits"), "gopher://x/y".to_owned()];
    for (name, state) in [("m.csv", "downloaded"), ("m.jsonl", "skipped")] {
        let manifest = place.path().join(name);
        let options = DownloadOptions { manifest: Some(manifest.clone()), ..DownloadOptions::default() };
        download_with(urls.clone(), &directory, options);
        let text = std::fs::read_to_string(&manifest).unwrap();
        let lines: Vec<Vec<String>> = if name == "m.csv" {
            let mut reader = csv::Reader::from_path(&manifest).unwrap();
            let columns = reader.headers().unwrap().iter().take(4).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(columns, ["index", "url", "name", "state"]);
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
        } else {
            let fields = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                ["index", "url", "name", "state"].map(|key| line[key].as_str().unwrap_or_default().to_owned()).to_vec()
            };
            text.lines().map(fields).collect()
        };
        assert_eq!(lines.len(), 3);
        assert!(
            lines.iter().any(|line| line[1..4] == [urls[0].clone(), "a,b.fits".to_owned(), state.to_owned()]),
            "{text}"
        );
        assert_eq!(lines.iter().filter(|line| line[3] == "failed").count(), 2);
    }
    let options = DownloadOptions { manifest: Some(place.path().join("m.txt")), ..DownloadOptions::default() };
    let error = fetcher().download(urls, directory.path(), options).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[tokio::test]
async fn leaving_the_stream_stops_it_and_the_rest_comes_later() {
    let (server, directory) = (HttpServer::start(), tempfile::tempdir().unwrap());
    let large = one_image(&ramp(2000, 1000).into_dyn());
    server.put("/slow.fits", large.clone());
    server.put("/a.fits", sample());
    let urls = [server.url("/a.fits"), server.url("/slow.fits?rate=3000000")];
    let mut downloads = Fetcher::new().download(urls, directory.path(), DownloadOptions::default()).unwrap();
    assert!(downloads.next().await.unwrap().result.is_ok());
    drop(downloads);
    eventually("the transfer is stopped", || server.requests().iter().all(|request| request.finished.is_some()));
    let urls = [server.url("/a.fits"), server.url("/slow.fits")];
    let downloads = Fetcher::new().download(urls, directory.path(), DownloadOptions::default()).unwrap();
    assert!(downloads.collect::<Vec<_>>().await.iter().all(|outcome| outcome.result.is_ok()));
    assert_eq!(names(directory.path()), ["a.fits".to_owned(), "slow.fits".to_owned()].into());
    assert_eq!(std::fs::read(directory.path().join("slow.fits")).unwrap(), large);
}

fn numbered(number: usize) -> Vec<u8> {
    one_image(&ramp(100 + number * 60, 1000).into_dyn())
}

/// The process that is killed. Run as a test of its own it does nothing.
#[test]
fn worker() {
    let (Ok(url), Some(directory)) = (std::env::var(URL), std::env::var_os(DIRECTORY)) else { return };
    let urls: Vec<String> = (0..FILES).map(|number| format!("{url}/{number}.fits")).collect();
    for outcome in Fetcher::new().download(urls, directory, DownloadOptions::default()).unwrap().wait() {
        outcome.result.unwrap();
    }
}

#[test]
fn kills_leave_what_the_next_run_completes() {
    let server = HttpServer::start();
    (0..FILES).for_each(|number| server.put(&format!("/{number}.fits"), numbered(number)));
    kill_again_and_again(&server.url(""));
}

#[test]
fn kills_leave_what_the_next_run_completes_by_ftp() {
    let server = FtpServer::start();
    (0..FILES).for_each(|number| server.put(&format!("/{number}.fits"), numbered(number)));
    kill_again_and_again(&server.url(""));
}

/// How many bytes there are, complete or not.
fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap();
    // Files come and go meanwhile.
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Kills a process that downloads all files from there, and starts it again.
fn kill_again_and_again(url: &str) {
    let directory = tempfile::tempdir().unwrap();
    let kills = std::env::var("RUSTFITS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "worker"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env(URL, url).env(DIRECTORY, directory.path()).spawn().unwrap()
    };
    let mut killed_within = 0;
    for kill in 0..kills {
        if kill % 8 == 0 {
            names(directory.path()).iter().for_each(|name| std::fs::remove_file(directory.path().join(name)).unwrap());
        }
        let before = bytes_in(directory.path());
        let mut process = start();
        // As many bytes as make each kill meet another moment of another file.
        let bytes = 1 + (kill as u64 * 1_234_567) % 9_000_000;
        while bytes_in(directory.path()) < before + bytes && process.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        killed_within += usize::from(process.try_wait().unwrap().is_none());
        process.kill().unwrap();
        process.wait().unwrap();
        // What is there under its name is complete, at any moment.
        for name in names(directory.path()).iter().filter(|name| !name.starts_with('.')) {
            let number = name.trim_end_matches(".fits").parse().unwrap();
            assert!(
                std::fs::read(directory.path().join(name)).unwrap() == numbered(number),
                "{name} after kill {kill}"
            );
        }
    }
    assert!(killed_within > 0, "every run ended before it was killed");
    assert!(start().wait().unwrap().success());
    let expected: BTreeSet<String> = (0..FILES).map(|number| format!("{number}.fits")).collect();
    assert_eq!(names(directory.path()), expected);
    for number in 0..FILES {
        let path = directory.path().join(format!("{number}.fits"));
        assert!(std::fs::read(&path).unwrap() == numbered(number), "{number}.fits");
        FitsReader::open(path).wait().unwrap();
    }
}

#[tokio::test]
async fn what_a_broken_download_by_ftp_left_is_gone_on_with() {
    let (ftp, directory) = (FtpServer::start(), tempfile::tempdir().unwrap());
    let large = one_image(&ramp(8000, 2000).into_dyn());
    ftp.put("/large.fits", &large);
    let file = |directory: &TempDir| {
        fetcher().download([ftp.url("/large.fits")], directory.path(), DownloadOptions::default()).unwrap()
    };
    let part = directory.path().join(".large.fits.rustfits-part");
    let mut downloads = file(&directory);
    let mut next = downloads.next();
    while std::fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 4 << 20 {
        assert!(futures_util::poll!(&mut next).is_pending(), "it was too fast");
        tokio::task::yield_now().await;
    }
    drop(downloads);
    let here = std::fs::metadata(&part).unwrap().len();
    ftp.clear_log();
    let outcome = eventually_unlocked(|| file(&directory)).await;
    let done = outcome.result.unwrap();
    assert!(done.resumed >= here, "{} of {here}", done.resumed);
    assert_eq!(outcome.bytes + done.resumed, large.len() as u64);
    assert!(std::fs::read(directory.path().join("large.fits")).unwrap() == large);
    assert!(ftp.commands().iter().any(|command| command.starts_with("REST")));
    assert_eq!(names(directory.path()).len(), 1);
}

/// The outcome of a download, once the one before, which was dropped, has let go of the file.
async fn eventually_unlocked<I>(download: impl Fn() -> rustfits::Downloads<I>) -> FetchOutcome<Downloaded>
where
    I: Iterator + Unpin,
    I::Item: Into<Download>,
{
    loop {
        let outcome = download().next().await.unwrap();
        match &outcome.result {
            Err(error) if error.to_string().contains("downloaded by someone else") => tokio::task::yield_now().await,
            _ => return outcome,
        }
    }
}
