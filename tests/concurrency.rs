//! Many operations at once, on any executor and inside any runtime; connections kept, reused and closed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use common::*;
use futures_util::future::{join_all, select_all};
use rustfits::{ErrorKind, FitsReader};
use rustfits_loopback::HttpServer;
use tokio::runtime::{Builder, Runtime};

fn server() -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    server
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn one_after_another_use_one_connection() {
    let server = server();
    for _ in 0..20 {
        assert_sample(&FitsReader::open(server.url("/a.fits")).wait().unwrap());
    }
    let fits = FitsReader::open_with(server.url("/a.fits"), ranged()).wait().unwrap();
    assert_sample(&fits);
    assert_eq!(server.connections().accepted, 1);
}

#[test]
fn a_connection_that_the_server_closed_is_replaced_in_silence() {
    let server = server();
    for words in ["close_idle", "close_reused", "close"] {
        for _ in 0..5 {
            let fits = FitsReader::open(server.url(&format!("/a.fits?{words}"))).wait();
            assert_sample(&fits.unwrap_or_else(|error| panic!("{words}: {error}")));
        }
    }
    // But fresh connections without an answer are an error, after three attempts.
    let other = HttpServer::start();
    other.put("/a.fits", sample());
    let error = failure(FitsReader::open(other.url("/a.fits?cut=0&reset")).wait());
    assert_eq!((error.kind(), other.requests().len()), (ErrorKind::Network, 3), "{error:?}");
}

#[test]
fn sixty_four_at_once_on_one_runtime() {
    for runtime in [current_thread(), multi_thread()] {
        let server = server();
        let opens = (0..64).map(|_| FitsReader::open(server.url("/a.fits?latency=100")));
        let opened = runtime.block_on(join_all(opens));
        opened.into_iter().for_each(|fits| assert_sample(&fits.unwrap()));
        assert_eq!(server.requests().len(), 64);
        // One after the other it would be 1.
        assert!(server.most_in_flight() > 16, "{}", server.most_in_flight());
        assert!(server.connections().accepted <= 64);
    }
}

#[test]
fn spawned_tasks_and_joined_reads() {
    let server = server();
    let runtime = multi_thread();
    runtime.block_on(async {
        let fits = FitsReader::open(server.url("/a.fits")).await.unwrap();
        let reads: Vec<_> = (0..32).map(|_| tokio::spawn(fits.image(0).read::<f32>())).collect();
        for read in reads {
            assert_eq!(read.await.unwrap().unwrap(), sample_primary().into_dyn());
        }
        let (first, second, third) =
            tokio::join!(fits.image("SCI").read::<i16>(), fits.header(0), fits.image("ERR").read::<f64>());
        assert_eq!(first.unwrap(), sample_science().into_dyn());
        assert!(second.unwrap().contains("BITPIX") && third.unwrap().len() == 16);
    });
}

#[test]
fn waiting_inside_a_runtime_works() {
    let server = server();
    let url = server.url("/a.fits");
    let wait = move || assert_sample(&FitsReader::open(&url).wait().unwrap());
    promptly(move || {
        // On a current-thread runtime it blocks the whole of it, and ends all the same.
        current_thread().block_on(async { wait() });
        let runtime = multi_thread();
        runtime.block_on(async { wait() });
        let inside = wait.clone();
        runtime.block_on(async { tokio::spawn(async move { inside() }).await.unwrap() });
        let inside = wait.clone();
        runtime.block_on(async { tokio::task::spawn_blocking(inside).await.unwrap() });
        current_thread().block_on(async { tokio::task::spawn_blocking(wait).await.unwrap() });
    });
}

#[test]
fn an_operation_that_was_begun_can_be_waited_for() {
    let server = server();
    let mut open = FitsReader::open(server.url("/a.fits?latency=50"));
    begin(&mut open);
    assert_sample(&open.wait().unwrap());
    // Also from within a runtime, and when it has ended long since.
    let mut open = FitsReader::open(server.url("/a.fits?latency=50"));
    begin(&mut open);
    eventually("it was answered", || server.requests().last().is_some_and(|request| request.finished.is_some()));
    current_thread().block_on(async { assert_sample(&open.wait().unwrap()) });
}

#[test]
fn no_executor_of_tokios_is_needed() {
    let server = server();
    block_on(async {
        let (remote, memory) =
            futures_util::future::join(FitsReader::open(server.url("/a.fits")), FitsReader::from_bytes(sample())).await;
        for fits in [remote.unwrap(), memory.unwrap()] {
            assert_eq!(fits.image(0).read::<f32>().await.unwrap(), sample_primary().into_dyn());
        }
        let opens = (0..8).map(|_| FitsReader::open(server.url("/a.fits")));
        let (first, _, _rest) = select_all(opens).await;
        first.unwrap();
    });
}

#[test]
fn an_operation_can_move_between_runtimes_and_outlive_them() {
    let server = server();
    let mut open = FitsReader::open(server.url("/a.fits?latency=50"));
    let first = current_thread();
    first.block_on(async { begin(&mut open) });
    drop(first);
    let fits = multi_thread().block_on(open).unwrap();
    // The connection was not the first runtime's either.
    assert_sample(&FitsReader::open(server.url("/a.fits")).wait().unwrap());
    assert_sample(&fits);
    assert_eq!(server.connections().accepted, 1);
}

#[test]
fn an_operation_awaited_twice_says_so() {
    let mut open = FitsReader::from_bytes(sample());
    block_on(&mut open).unwrap();
    assert_eq!(failure(block_on(&mut open)).kind(), ErrorKind::Argument);
}

#[test]
fn results_are_mapped_before_during_and_after() {
    let server = server();
    let count = |fits: FitsReader| Ok(fits.name().len());
    let length = server.url("/a.fits?latency=50").len();
    assert_eq!(FitsReader::open(server.url("/a.fits?latency=50")).map(count).wait().unwrap(), length);
    let mut open = FitsReader::open(server.url("/a.fits?latency=50"));
    begin(&mut open);
    assert_eq!(block_on(open.map(count)).unwrap(), length);
    let failed = FitsReader::open(server.url("/none.fits")).map(|_| -> rustfits::Result<()> { panic!("not called") });
    assert_eq!(failure(failed.wait()).kind(), ErrorKind::Status(404));
}

#[test]
fn what_is_made_of_a_result_keeps_no_transfer_waiting() {
    let server = server();
    let url = server.url("/a.fits");
    promptly(move || {
        // More than there are threads that move bytes; all of them busy until another transfer is done.
        let (busy, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new((Mutex::new(false), Condvar::new())));
        let slow = |_| {
            let (busy, gate) = (Arc::clone(&busy), Arc::clone(&gate));
            let mut op = FitsReader::open(&url).map(move |fits| {
                busy.fetch_add(1, Ordering::Relaxed);
                drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
                Ok(fits)
            });
            begin(&mut op);
            op
        };
        let ops: Vec<_> = (0..4).map(slow).collect();
        eventually("all are busy", || busy.load(Ordering::Relaxed) == 4);
        assert_sample(&FitsReader::open(&url).wait().unwrap());
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        ops.into_iter().for_each(|op| assert_sample(&op.wait().unwrap()));
    });
}

#[test]
fn a_hundred_threads_wait_at_once() {
    let server = server();
    promptly(move || {
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| assert_sample(&FitsReader::open(server.url("/a.fits")).wait().unwrap()));
            }
        });
    });
}
