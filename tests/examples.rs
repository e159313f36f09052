//! The examples run, without arguments, and say what they should.
//!
//! `cargo test` builds them; with `--test examples` alone they have to be built before: `cargo build --release --examples`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The program of an example: in `examples`, beside the directory of this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let directory: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
    Command::new(directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

fn output(name: &str) -> String {
    let output = example(name).output().unwrap_or_else(|error| panic!("{name}: {error}; is it built?"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn assert_has(output: &str, parts: &[&str]) {
    for part in parts {
        assert!(output.contains(part), "no {part:?} in:\n{output}");
    }
}

#[test]
fn blocking_read_lists_the_hdus() {
    let output = output("blocking_read");
    assert_has(
        &output,
        &["/sky-0.fits\n", "0: SCI image [512, 512] ", "1: DQ image [16, 16] ", "0.000 to 1.000, mean 0.062"],
    );
}

#[test]
fn async_read_reads_every_file() {
    let output = output("async_read");
    assert_eq!(output.lines().count(), 3, "{output}");
    assert_has(&output, &["/sky-2.fits: 2 HDUs, corner means "]);
}

#[test]
fn bulk_fetch_goes_on_after_failures() {
    let output = output("bulk_fetch");
    assert_has(&output, &["/missing.fits", "attempts 2\n", "failed after 3 attempts", "101 files and 2 failures"]);
}

#[test]
fn ranged_cutout_moves_a_part_of_the_file() {
    let output = output("ranged_cutout");
    assert_has(&output, &["[200, 200] out of [4096, 4096] in ", "written to mem://"]);
    let moved: u64 = output.split("moved ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // 200 rows of 16 KB at most, and the header.
    assert!(moved < 200 * 4096 * 4 + 100_000, "{moved} bytes");
}

#[test]
fn images_are_compressed_and_uncompressed() {
    let output_of_compress = output("compress");
    assert_eq!(output_of_compress.matches("times smaller, the same pixels").count(), 5, "{output_of_compress}");
    assert_has(&output("uncompress"), &["1 HDU, [512, 512], the same pixels"]);
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("image.fits");
    let fits = rustfits::FitsWriter::create(&name).wait().unwrap();
    let counts = ndarray::Array2::from_shape_fn((100, 90), |(y, x)| (y * x) as u16);
    fits.write_image(&counts, rustfits::ImageOptions { blank: Some(7), ..Default::default() }).wait().unwrap();
    fits.write_image(&counts.mapv(f64::from), rustfits::ImageOptions::named("FLOATS")).wait().unwrap();
    fits.close().wait().unwrap();
    let before = std::fs::read(&name).unwrap();
    for codec in ["HCOMPRESS_1", "rice_1"] {
        assert!(example("compress").arg(codec).arg(&name).status().unwrap().success());
        std::fs::remove_file(&name).unwrap();
        let packed = name.with_extension("fits.fz");
        assert!(example("uncompress").current_dir(&directory).arg(&packed).status().unwrap().success());
        // Every card and every pixel.
        assert_eq!(std::fs::read(&name).unwrap(), before);
    }
}

/// Ends a program when the test does.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The answer to a GET: head and body.
fn get(address: &str, target: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

#[test]
fn cutout_service_answers_with_a_png() {
    let mut service = Ended(example("cutout_service").stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(service.0.stdout.take().unwrap()).lines();
    let url = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("try http://").map(str::to_owned)).unwrap();
    let (address, target) = url.split_at(url.find('/').unwrap());

    let (head, body) = get(address, target);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-type: image/png"), "{head}");
    let mut reader = png::Decoder::new(std::io::Cursor::new(body)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (400, 400));
    assert!(pixels.contains(&0) && pixels.contains(&255));

    let status = |change: &dyn Fn(&str) -> String| get(address, &change(target)).0[9..12].to_owned();
    assert_eq!(status(&|target| target.replace("sky-0", "none")), "502");
    assert_eq!(status(&|target| target.replace("hdu=0", "hdu=7")), "404");
    assert_eq!(status(&|target| target.replace("size=400", "size=0")), "400");
    assert_eq!(status(&|target| target.replace("x=1000", "x=5000")), "400");
    assert_eq!(status(&|_| "/cutout?url=/etc/passwd&hdu=0&x=1&y=1&size=9".to_owned()), "400");
}
