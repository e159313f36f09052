use std::io::Write;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::{BoxFuture, FutureExt, pending, ready};

use super::super::file_sink::FileSink;
use super::super::sink::Sink;
use super::*;

/// Admits up to a limit, and nothing more for ever.
struct Strict {
    limit: u64,
    admitted: Mutex<u64>,
}

impl Strict {
    fn new(limit: u64) -> Self {
        Self { limit, admitted: Mutex::default() }
    }

    fn admitted(&self) -> u64 {
        *self.admitted.lock().unwrap()
    }
}

impl Budget for Strict {
    fn admit(&self, bytes: u64) -> BoxFuture<'_, Result<()>> {
        let mut admitted = self.admitted.lock().unwrap();
        if *admitted + bytes > self.limit {
            return pending().boxed();
        }
        *admitted += bytes;
        ready(Ok(())).boxed()
    }

    fn give_back(&self, bytes: u64) {
        *self.admitted.lock().unwrap() -= bytes;
    }

    fn received(&self, _wire_bytes: u64) {}
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

/// Bytes that gzip can't make much smaller.
fn noise(len: u32) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (at >> 9) as u8).collect()
}

async fn fill(sink: &mut FileSink<'_>, gz: &Bytes, piece: usize) {
    for start in (0..gz.len()).step_by(piece) {
        sink.chunk(gz.slice(start..gz.len().min(start + piece))).await.unwrap();
    }
}

#[tokio::test]
async fn what_comes_out_is_what_was_packed_whatever_the_pieces() {
    for file in [noise(5_000_000), vec![7; 9_000_000], noise(1000), Vec::new()] {
        let gz = gzip(&file);
        for piece in [usize::MAX / 2, 500_000, 60_000, 1000] {
            let budget = Strict::new(u64::MAX);
            let mut sink = FileSink::new(&budget, None);
            sink.restart(Some(gz.len() as u64)).unwrap();
            fill(&mut sink, &gz, piece).await;
            let (bytes, warning) = sink.finish().await.unwrap();
            assert!(bytes == file && warning.is_none());
            // All of it was asked for, the end as well, and no more.
            assert_eq!(budget.admitted(), bytes.capacity() as u64);
            assert!(bytes.capacity() <= bytes.len() + bytes.len() / 8);
        }
    }
}

#[tokio::test]
async fn nothing_is_gunzipped_before_it_is_admitted() {
    let gz = gzip(&vec![0; 100 << 20]);
    let budget = Strict::new(3 << 20);
    let mut sink = GunzipSink::new(&budget, None);
    // All in one chunk, as it may come from a socket.
    sink.chunk(gz).await.unwrap();
    assert!(sink.finish().now_or_never().is_none());
    assert!(budget.admitted() <= 3 << 20);
    for max_bytes in [1, 1 << 20, 10 << 20] {
        let budget = Strict::new(max_bytes + 1);
        let mut sink = GunzipSink::new(&budget, Some(max_bytes));
        sink.chunk(gzip(&vec![0; 11 << 20])).await.unwrap();
        assert_eq!(sink.finish().await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn a_file_that_begins_again_is_not_asked_for_twice() {
    let file = noise(6_000_000);
    let gz = gzip(&file);
    let budget = Strict::new(u64::MAX);
    let mut sink = FileSink::new(&budget, None);
    for attempt in 0..3 {
        sink.restart(Some(gz.len() as u64)).unwrap();
        let part = if attempt < 2 { gz.slice(..gz.len() * 9 / 10) } else { gz.clone() };
        fill(&mut sink, &part, 100_000).await;
    }
    assert!(budget.admitted() <= 6_000_000 / 4 * 5 + ROOM_BYTES, "{}", budget.admitted());
    assert!(sink.finish().await.unwrap().0 == file);
}

#[tokio::test]
async fn damage_is_found_in_the_background_too() {
    let mut gz = gzip(&noise(5_000_000)).to_vec();
    let middle = gz.len() / 2;
    gz[middle..middle + 100].fill(0);
    let budget = Strict::new(u64::MAX);
    let mut sink = FileSink::new(&budget, None);
    let gz = Bytes::from(gz);
    let mut failure = None;
    for start in (0..gz.len()).step_by(100_000) {
        if let Err(error) = sink.chunk(gz.slice(start..gz.len().min(start + 100_000))).await {
            failure = Some(error);
            break;
        }
    }
    let failure = match failure {
        Some(error) => error,
        None => sink.finish().await.unwrap_err(),
    };
    assert_eq!(failure.kind(), ErrorKind::Corrupt);
}
