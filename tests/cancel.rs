//! Dropping an operation stops it: its connection is closed, nothing of it stays.
//!
//! The tests of this file count what the whole process has, so they take turns.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::*;
use futures_util::future::{join_all, select};
use ndarray::Array2;
use rustfits::{ErrorKind, FitsReader, FitsWriter, ImageOptions, OpenOptions};
use rustfits_loopback::{FtpFault, HttpServer, ScriptedFtpServer};

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn server() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    server
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn patient() -> OpenOptions {
    with_remote(|remote| remote.timeout = limits(600_000))
}

#[test]
fn dropping_an_open_closes_its_connection() {
    let _turn = turn();
    let server = server();
    for words in ["stall_head", "stall=0", "stall=10000", "rate=100", "endless_header"] {
        server.clear_log();
        let mut open = FitsReader::open_with(server.url(&format!("/a.fits?{words}")), patient());
        begin(&mut open);
        eventually("it has begun", || server.requests().len() == 1 || words == "endless_header");
        drop(open);
        eventually(words, || server.connections().open == 0);
    }
}

#[test]
fn dropping_an_ftp_open_closes_both_connections() {
    let _turn = turn();
    for fault in [FtpFault::GreetingMissing, FtpFault::DataSilent, FtpFault::DataStall, FtpFault::CompletionMissing] {
        let server = ScriptedFtpServer::start(&[fault]);
        server.put("/a.fits", sample());
        let mut open = FitsReader::open_with(server.url("/a.fits"), patient());
        begin(&mut open);
        eventually("it has begun", || {
            server.connections().accepted == 1
                && (fault == FtpFault::GreetingMissing || server.data_connections().accepted == 1)
        });
        drop(open);
        eventually("both are closed", || server.connections().open == 0 && server.data_connections().open == 0);
    }
}

#[test]
fn an_operation_that_was_never_polled_does_nothing() {
    let _turn = turn();
    let server = server();
    drop(FitsReader::open(server.url("/a.fits")));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.fits");
    drop(FitsWriter::create(&path));
    assert_eq!(server.connections().accepted, 0);
    assert!(!path.exists());
}

#[test]
fn the_loser_of_a_race_is_stopped() {
    let _turn = turn();
    let (slow, fast) = (server(), server());
    let race =
        select(FitsReader::open_with(slow.url("/a.fits?stall=1000"), patient()), FitsReader::open(fast.url("/a.fits")));
    let futures_util::future::Either::Right((fits, loser)) = block_on(race) else { panic!("the wrong one won") };
    assert_sample(&fits.unwrap());
    eventually("it has begun", || slow.connections().open == 1);
    drop(loser);
    eventually("it is stopped", || slow.connections().open == 0);
}

#[test]
fn a_task_that_is_aborted_and_a_timeout_stop_the_transfer() {
    let _turn = turn();
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = server.url("/a.fits?stall=1000");
    runtime.block_on(async {
        let task = tokio::spawn(FitsReader::open_with(&url, patient()));
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let limited = tokio::time::timeout(Duration::from_millis(50), FitsReader::open_with(&url, patient()));
        assert!(limited.await.is_err());
    });
    eventually("both are stopped", || server.connections().open == 0);
    // Dropping the runtime drops its tasks.
    runtime.spawn(FitsReader::open_with(&url, patient()));
    runtime.block_on(async {
        while server.connections().open == 0 {
            tokio::task::yield_now().await;
        }
    });
    drop(runtime);
    eventually("it is stopped", || server.connections().open == 0);
}

#[test]
fn dropping_a_ranged_read_stops_it() {
    let _turn = turn();
    let server = HttpServer::start();
    server.put("/a.fits", one_image(&ramp(4000, 1000).into_dyn()));
    let url = server.url("/a.fits?rate=1000000");
    let mut options = ranged();
    if let Some(remote) = &mut options.remote {
        remote.timeout = limits(600_000);
    }
    let fits = FitsReader::open_with(url, options).wait().unwrap();
    server.clear_log();
    let mut read = fits.image(0).read::<f32>();
    begin(&mut read);
    eventually("it has begun", || server.requests().iter().any(|request| request.body_sent > 0));
    drop(read);
    eventually("it is stopped", || server.connections().open == 0);
    // The file is as good as before.
    let row = fits.image(0).section(ndarray::s![7, ..]).read::<f32>().wait().unwrap();
    assert_eq!(row, ramp(4000, 1000).slice(ndarray::s![7, ..]).into_dyn());
}

#[test]
fn a_wait_can_be_given_up() {
    let _turn = turn();
    let server = server();
    let calls = AtomicUsize::new(0);
    let open = FitsReader::open_with(server.url("/a.fits?stall=1000"), patient());
    let error = failure(open.wait_until(|| calls.fetch_add(1, Ordering::Relaxed) == 3));
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    assert_eq!(calls.into_inner(), 4);
    eventually("the connection is closed", || server.connections().open == 0);
    // One that was begun as a future, too.
    let mut open = FitsReader::open_with(server.url("/a.fits?stall=1000"), patient());
    begin(&mut open);
    eventually("it has begun", || server.connections().open == 1);
    assert_eq!(failure(open.wait_until(|| true)).kind(), ErrorKind::Cancelled);
    eventually("the connection is closed", || server.connections().open == 0);
    // And a check that never says so changes nothing.
    assert_sample(&FitsReader::open(server.url("/a.fits")).wait_until(|| false).unwrap());
}

#[test]
fn a_long_local_read_can_be_given_up() {
    let _turn = turn();
    // Its size is what makes it long: 2 GB of zeros that take no space on disk.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.fits");
    let axes = ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 16384", "NAXIS2  = 32768"];
    std::fs::write(&path, header(&axes)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(BLOCK as u64 + (1 << 31)).unwrap();
    let fits = FitsReader::open(&path).wait().unwrap();
    let error = failure(fits.image(0).read_dyn().wait_until(|| true));
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    // As a future: what was dropped does not go on reading for long.
    let mut read = fits.image(0).read_dyn();
    begin(&mut read);
    drop((read, fits));
    let uses = |link: &std::path::Path| std::fs::read_link(link).is_ok_and(|target| target == path);
    eventually("its file is closed", || {
        std::fs::read_dir("/proc/self/fd").unwrap().all(|link| !uses(&link.unwrap().path()))
    });
}

#[test]
fn a_write_that_was_begun_runs_to_its_end() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    let writer = FitsWriter::create(&path).wait().unwrap();
    let image = Array2::from_elem((2000, 2000), 7.5f64);
    let mut write = writer.write_image(&image, ImageOptions::default());
    begin(&mut write);
    drop(write);
    // Whatever comes next waits for it: a second image is the second.
    eventually("the first image is there", || writer.reader().count().wait().unwrap() == 1);
    assert_eq!(writer.write_image(&image, ImageOptions::default()).wait().unwrap(), 1);
    writer.close().wait().unwrap();
    let fits = FitsReader::open(&path).wait().unwrap();
    for index in 0..2 {
        assert!(fits.image(index).read::<f64>().wait().unwrap() == image.clone().into_dyn());
    }
}

#[test]
fn two_hundred_cancelled_opens_leave_nothing() {
    let _turn = turn();
    let http = server();
    let ftp = ScriptedFtpServer::start(&[FtpFault::DataStall]);
    ftp.put("/a.fits", sample());
    let round = || {
        let words = ["stall=1000", "stall_head", "rate=1000", "chunked&stall=5000"];
        let mut opens: Vec<_> = (0..40)
            .map(|number| FitsReader::open_with(http.url(&format!("/a.fits?{}", words[number % 4])), patient()))
            .chain((0..10).map(|_| FitsReader::open_with(ftp.url("/a.fits"), patient())))
            .collect();
        let (http_before, ftp_before) = (http.connections().accepted, ftp.connections().accepted);
        opens.iter_mut().for_each(begin);
        eventually("all have begun", || {
            http.connections().accepted >= http_before + 40 && ftp.connections().accepted >= ftp_before + 10
        });
        drop(opens);
        eventually("all are closed", || {
            http.connections().open + ftp.connections().open + ftp.data_connections().open == 0
        });
    };
    // The first round starts what is started once.
    round();
    let (descriptors, threads_before) = (open_descriptors(), threads());
    (0..4).for_each(|_| round());
    eventually("no descriptor stays", || open_descriptors() <= descriptors);
    assert!(threads() <= threads_before + 2, "{threads_before} threads became {}", threads());
}

#[test]
fn failures_leave_nothing_either() {
    let _turn = turn();
    let http = server();
    let round = || {
        let words =
            ["status=404&close", "norange&cut=1000", "loop&close", "html&close", "norange&stall=100", "endless_header"];
        let opens = words.map(|words| FitsReader::open_with(http.url(&format!("/a.fits?{words}")), impatient()));
        block_on(join_all(opens)).into_iter().for_each(|result| drop(failure(result)));
        eventually("all are closed", || http.connections().open == 0);
    };
    round();
    let (descriptors, threads_before) = (open_descriptors(), threads());
    (0..10).for_each(|_| round());
    eventually("no descriptor stays", || open_descriptors() <= descriptors);
    assert!(threads() <= threads_before + 2, "{threads_before} threads became {}", threads());
}

#[test]
fn the_check_of_a_wait_is_called_on_the_waiting_thread() {
    let _turn = turn();
    let server = server();
    let here = std::thread::current().id();
    let elsewhere = AtomicBool::new(false);
    let open = FitsReader::open(server.url("/a.fits?latency=200"));
    let fits = open.wait_until(|| {
        elsewhere.fetch_or(std::thread::current().id() != here, Ordering::Relaxed);
        false
    });
    assert_sample(&fits.unwrap());
    assert!(!elsewhere.into_inner());
}
