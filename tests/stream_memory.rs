//! What a stream takes of memory: no more for a large file than for a small one.
//!
//! A file of its own, because it is the memory of the process that is looked at. `RUSTFITS_STREAM_BYTES` sets how much is streamed: 2000000000 for
//! more than a quick look.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]
#![cfg(target_os = "linux")]

mod common;

use std::io::{self, Read, Write};

use common::header;
use rustfits::{FitsStream, StreamHdu};

const COLUMNS: u64 = 5000;
const MOST_KIB: u64 = 100 << 10;

fn rows() -> u64 {
    let bytes = std::env::var("RUSTFITS_STREAM_BYTES").map_or(150_000_000, |bytes| bytes.parse().unwrap());
    bytes / (COLUMNS * 2)
}

/// What this process has had in memory at most since [`forget`].
fn most_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn forget() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A file of one image of ones, which is nowhere.
fn image() -> impl Read + Send + 'static {
    let rows = rows();
    let head = header(&[
        "SIMPLE  =                    T",
        "BITPIX  =                   16",
        "NAXIS   =                    2",
        &format!("NAXIS1  = {COLUMNS:20}"),
        &format!("NAXIS2  = {rows:20}"),
    ]);
    let data = rows * COLUMNS * 2;
    let padding = data.next_multiple_of(2880) - data;
    io::Cursor::new(head).chain(Ones(data)).chain(io::repeat(0).take(padding))
}

/// So many bytes of ones as 16-bit integers.
struct Ones(u64);

impl Read for Ones {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (buffer.len() as u64).min(self.0) as usize;
        for (place, byte) in buffer[..count].iter_mut().enumerate() {
            *byte = ((self.0 - place as u64) % 2) as u8;
        }
        self.0 -= count as u64;
        Ok(count)
    }
}

fn sum(hdu: &StreamHdu) -> u64 {
    let mut bands = hdu.bands(None).unwrap();
    let mut sum = 0;
    while let Some(band) = bands.next().wait().unwrap() {
        sum += band.as_slice::<i16>().unwrap().iter().map(|&pixel| pixel as u64).sum::<u64>();
    }
    sum
}

fn assert_in_little_memory(begin: impl Fn() -> FitsStream) {
    for reads in [true, false] {
        let mut stream = begin();
        forget();
        let before = most_resident_kib();
        let hdu = stream.next().wait().unwrap().unwrap();
        if reads {
            assert_eq!(sum(&hdu), rows() * COLUMNS);
        }
        assert!(stream.next().wait().unwrap().is_none());
        let grown = most_resident_kib() - before;
        assert!(grown < MOST_KIB, "{grown} KiB more than {before} KiB");
    }
}

#[test]
fn a_large_stream_takes_little_memory() {
    // Through a pipe.
    assert_in_little_memory(|| {
        let (reader, mut writer) = io::pipe().unwrap();
        std::thread::spawn(move || io::copy(&mut image(), &mut writer));
        FitsStream::from_read(reader).unwrap()
    });
    // Over http, from a server of a few lines that makes the body as it goes.
    assert_in_little_memory(|| {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a.fits", server.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut socket = server.accept().unwrap().0;
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").unwrap();
            io::copy(&mut image(), &mut socket)
        });
        FitsStream::open(url).wait().unwrap()
    });
    // Unpacked on the way: a few megabytes that become all of the file.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::copy(&mut image(), &mut packed).unwrap();
    let packed = bytes::Bytes::from(packed.finish().unwrap());
    assert_in_little_memory(|| FitsStream::from_reader(io::Cursor::new(packed.clone())).unwrap());
}
