//! What the tests share: small FITS files in memory, a plain executor, watchdogs, options.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "tests, each of which uses a part of this")]

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{Array2, Array3, ArrayD};
use rustfits::{Element, Error, FitsReader, FitsWriter, ImageOptions, OpenOptions, Remote, Result, Timeout};

/// The size of a FITS block.
pub(crate) const BLOCK: usize = 2880;

/// A header of these cards and END, filled up to whole blocks.
pub(crate) fn header(cards: &[&str]) -> Vec<u8> {
    let mut text: String = cards.iter().chain(&["END"]).map(|card| format!("{card:<80}")).collect();
    while !text.len().is_multiple_of(BLOCK) {
        text.push(' ');
    }
    text.into_bytes()
}

/// A file without data, of one block.
pub(crate) fn empty_primary() -> Vec<u8> {
    header(&["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"])
}

/// A new file in memory with these images.
pub(crate) fn fits(write: impl FnOnce(&FitsWriter)) -> Vec<u8> {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    write(&writer);
    writer.reader().to_bytes().wait().unwrap()
}

/// A file of one image.
pub(crate) fn one_image<T: Element>(image: &ArrayD<T>) -> Vec<u8> {
    fits(|writer| {
        writer.write_image(image, ImageOptions::default()).wait().unwrap();
    })
}

/// An image in which no two pixels are alike (below 2^24 of them).
pub(crate) fn ramp(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(row, column)| (row * columns + column) as f32)
}

/// The images of [`sample`].
pub(crate) fn sample_primary() -> Array2<f32> {
    ramp(40, 30)
}

/// See [`sample_primary`].
pub(crate) fn sample_science() -> Array3<i16> {
    Array3::from_shape_fn((3, 20, 25), |(plane, row, column)| (plane * 10_000 + row * 25 + column) as i16 - 9_000)
}

/// A file of four HDUs: an f32 image, SCI (i16), SCI version 2 (u16), ERR (f64).
pub(crate) fn sample() -> Vec<u8> {
    let named = |name: &str, version| ImageOptions { name: Some(name.to_owned()), version, ..ImageOptions::default() };
    fits(|writer| {
        writer.write_image(&sample_primary(), ImageOptions::default()).wait().unwrap();
        writer.write_image(&sample_science(), named("SCI", Some(1))).wait().unwrap();
        writer.write_image(&Array2::from_elem((5, 6), 65_535u16), named("SCI", Some(2))).wait().unwrap();
        writer.write_image(&Array2::from_elem((4, 4), 0.5f64), named("ERR", None)).wait().unwrap();
    })
}

/// Whether a reader has what [`sample`] wrote, down to the last HDU.
pub(crate) fn assert_sample(fits: &FitsReader) {
    assert_eq!(fits.count().wait().unwrap(), 4);
    assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), sample_primary().into_dyn());
    assert_eq!(fits.image("SCI").read::<i16>().wait().unwrap(), sample_science().into_dyn());
    assert!(fits.image(("SCI", 2)).read::<u16>().wait().unwrap().iter().all(|&pixel| pixel == 65_535));
    assert!(fits.image(-1).read::<f64>().wait().unwrap().iter().all(|&pixel| pixel == 0.5));
}

/// Bytes as one gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The error of something that has to fail.
pub(crate) fn failure<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error,
    }
}

/// Whether an error's text has all of these words.
pub(crate) fn assert_says(error: &Error, words: &[&str]) {
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' is missing in: {error:?}");
    }
}

/// Options for a remote file.
pub(crate) fn with_remote(change: impl FnOnce(&mut Remote)) -> OpenOptions {
    let mut remote = Remote::default();
    change(&mut remote);
    OpenOptions { remote: Some(remote), ..OpenOptions::default() }
}

/// Options for reading by ranges.
pub(crate) fn ranged() -> OpenOptions {
    OpenOptions { remote: Some(Remote::ranged()), ..OpenOptions::default() }
}

/// Time limits of so many milliseconds for each step and each silence.
pub(crate) fn limits(milliseconds: u64) -> Timeout {
    let limit = Duration::from_millis(milliseconds);
    Timeout { connect: limit, idle: limit, total: None }
}

/// Options for an open that is to run into a time limit.
pub(crate) fn impatient() -> OpenOptions {
    with_remote(|remote| remote.timeout = limits(300))
}

/// Runs something that must not hang: far more time than it needs, and no more.
pub(crate) fn promptly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = channel();
    let thread = std::thread::spawn(move || {
        let _ = send.send(work());
    });
    match receive.recv_timeout(Duration::from_secs(30)) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => panic!("no result"),
        },
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not so after 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a future on this thread with nothing of Tokio's around it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Polls a future once; it must not be done by then.
pub(crate) fn begin<F: Future + Unpin>(future: &mut F) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(future).poll(&mut context).is_pending(), "it was done at once");
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
