//! `FitsStream`: a file from its first byte to its last, HDU after HDU, in bounded memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{self, Read};

use bytes::Bytes;
use common::*;
use futures_util::{StreamExt, stream};
use ndarray::{Array3, ArrayD, s};
use rustfits::{
    Algorithm, Compression, ErrorKind, FitsReader, FitsStream, HduKind, ImageOptions, Remote, StreamHdu, StreamOptions,
};
use rustfits_loopback::{FtpServer, HttpServer};

const GZIP: Algorithm = Algorithm::Gzip2 { level: 2 };

/// A stream of these bytes in chunks of this size.
fn in_chunks(bytes: &[u8], size: usize) -> FitsStream {
    let chunks: Vec<_> = bytes.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    FitsStream::from_chunks(stream::iter(chunks)).unwrap()
}

fn next(stream: &mut FitsStream) -> StreamHdu {
    stream.next().wait().unwrap().unwrap()
}

/// The bands of an image, put together again along their first axis.
fn joined(hdu: &StreamHdu, bytes: u64) -> ArrayD<f32> {
    let mut bands = hdu.bands(Some(bytes)).unwrap();
    let mut parts: Vec<ArrayD<f32>> = Vec::new();
    while let Some(band) = bands.next().wait().unwrap() {
        parts.push(ArrayD::from_shape_vec(band.shape(), band.as_slice().unwrap().to_vec()).unwrap());
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    ndarray::concatenate(ndarray::Axis(0), &views).unwrap()
}

fn assert_is_sample(stream: &mut FitsStream) {
    let hdu = next(stream);
    assert_eq!((hdu.info().index(), hdu.info().kind()), (0, HduKind::Image));
    assert_eq!(joined(&hdu, 1000), sample_primary().into_dyn());
    let science = next(stream);
    assert_eq!((science.info().name(), science.info().shape().unwrap()), (Some("SCI"), vec![3, 20, 25]));
    assert_eq!(science.read::<i16>().wait().unwrap(), sample_science().into_dyn());
    // The third is passed over.
    assert_eq!(next(stream).info().version(), 2);
    assert!(next(stream).read::<f64>().wait().unwrap().iter().all(|&pixel| pixel == 0.5));
    assert!(stream.next().wait().unwrap().is_none());
    assert!(stream.next().wait().unwrap().is_none());
}

#[test]
fn hdu_after_hdu_from_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let (http, ftp) = (HttpServer::start(), FtpServer::start());
    let (plain, packed) = (sample(), gzip(&sample()));
    for (name, bytes) in [("a.fits", &plain), ("a.fits.gz", &packed)] {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        http.put(&format!("/{name}"), bytes.clone());
        ftp.put(&format!("/{name}"), bytes);
        let url = format!("file://{}", path.display());
        for name in [path.to_str().unwrap(), &url, &http.url(&format!("/{name}")), &ftp.url(&format!("/{name}"))] {
            let mut stream = FitsStream::open(name).wait().unwrap();
            assert_is_sample(&mut stream);
        }
        for size in [1, 77, 2880, 1 << 20] {
            assert_is_sample(&mut in_chunks(bytes, size));
        }
        assert_is_sample(&mut FitsStream::from_reader(io::Cursor::new(bytes.clone())).unwrap());
        assert_is_sample(&mut FitsStream::from_read(io::Cursor::new(bytes.clone())).unwrap());
    }
}

#[tokio::test]
async fn it_is_a_stream_of_streams() {
    let mut kinds = Vec::new();
    let mut pixels = 0;
    let mut stream = in_chunks(&sample(), 5000);
    while let Some(hdu) = StreamExt::next(&mut stream).await {
        let hdu = hdu.unwrap();
        kinds.push(hdu.info().kind());
        let mut bands = hdu.bands(Some(100)).unwrap();
        while let Some(band) = StreamExt::next(&mut bands).await {
            pixels += band.unwrap().shape().iter().product::<usize>();
        }
    }
    assert_eq!((kinds.len(), pixels), (4, 40 * 30 + 3 * 20 * 25 + 5 * 6 + 4 * 4));
}

#[test]
fn bands_of_every_size_are_the_image() {
    let cube = Array3::from_shape_fn((5, 40, 30), |(z, y, x)| (z * 10_000 + y * 100 + x) as f32).into_dyn();
    let tiled = |tile_shape: &[usize]| ImageOptions {
        compress: Some(Compression { tile_shape: Some(tile_shape.to_vec()), ..Compression::of(GZIP) }),
        ..ImageOptions::named("T")
    };
    let file = fits(|writer| {
        writer.write_image(&cube, ImageOptions::default()).wait().unwrap();
        writer.write_image(&cube, tiled(&[1, 1, 30])).wait().unwrap();
        writer.write_image(&cube, tiled(&[2, 7, 8])).wait().unwrap();
        writer.write_image(&cube, tiled(&[1, 16, 16])).wait().unwrap();
    });
    for bytes in [1, 120, 1000, 4800, 4801, 12_000, 1 << 20, u64::MAX] {
        let mut stream = in_chunks(&file, 3000);
        for hdu in 0..4 {
            assert_eq!(joined(&next(&mut stream), bytes), cube, "HDU {hdu} in bands of {bytes}");
        }
    }
    let mut stream = in_chunks(&file, 3000);
    for _ in 0..4 {
        assert_eq!(next(&mut stream).read::<f32>().wait().unwrap(), cube);
    }
    let hdu = next(&mut in_chunks(&file, 3000));
    assert_eq!(failure(hdu.bands(Some(0))).kind(), ErrorKind::Argument);
    assert_eq!(failure(hdu.rows(None)).kind(), ErrorKind::Argument);
}

#[test]
fn parts_of_an_image_are_read_until_they_have_passed_by() {
    let mut stream = in_chunks(&one_image(&ramp(4000, 1000).into_dyn()), 100_000);
    let hdu = next(&mut stream);
    let stamp = hdu.image().section(s![10..20, 5..9]).read::<f32>().wait().unwrap();
    assert_eq!(stamp, ramp(4000, 1000).slice(s![10..20, 5..9]).into_dyn());
    let mut bands = hdu.bands(Some(4_000_000)).unwrap();
    bands.next().wait().unwrap().unwrap();
    let error = failure(hdu.image().section(s![0..5, ..]).read::<f32>().wait());
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_says(&error, &["passed by", "<stream>"]);
    assert!(hdu.image().section(s![1000..1010, ..]).read::<f32>().wait().is_ok());
    assert!(stream.next().wait().unwrap().is_none());
    assert_eq!(failure(bands.next().wait()).kind(), ErrorKind::Closed);
    assert_eq!(hdu.header().get::<i64>("NAXIS1").unwrap(), 1000);
}

#[test]
fn more_than_may_be_held_is_refused() {
    let file = one_image(&ramp(1000, 1000).into_dyn());
    let chunks: Vec<_> = file.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let options = StreamOptions { max_held: 1_000_000, ..StreamOptions::default() };
    let mut stream = FitsStream::from_chunks_with(stream::iter(chunks), options).unwrap();
    let hdu = next(&mut stream);
    let error = failure(hdu.image().read::<f32>().wait());
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["1000000", "max_held"]);
    assert_eq!(joined(&hdu, 100_000), ramp(1000, 1000).into_dyn());
}

#[test]
fn what_is_cut_short_is_an_error_wherever() {
    let file = sample();
    let ends = [0, 100, 2880, 2880 + 100, 7600, file.len() - 5760 + 10];
    for end in ends {
        for (bytes, packed) in [(file[..end].to_vec(), false), (gzip(&file[..end]), true)] {
            let mut stream = in_chunks(&bytes, 1000);
            let mut last = stream.next().wait();
            while let Ok(Some(_)) = last {
                last = stream.next().wait();
            }
            // Whatever was read of it: nothing at all.
            let error = failure(last);
            assert_eq!(error.kind(), ErrorKind::Truncated, "cut at {end}, gzip {packed}: {error}");
            assert!(stream.next().wait().map_or_else(|again| again.kind() == error.kind(), |hdu| hdu.is_none()));
        }
    }
    let packed = gzip(&file);
    let mut stream = in_chunks(&packed[..packed.len() - 20], 1000);
    let error = loop {
        match stream.next().wait() {
            Ok(hdu) => assert!(hdu.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &["gzip", "cut off"]);
}

#[test]
fn what_lies_behind_the_last_hdu_is_passed_over() {
    let last_block_short = sample()[..sample().len() - 2000].to_vec();
    for file in [[sample(), vec![b'x'; 10_000]].concat(), [sample(), vec![0; 1]].concat(), last_block_short] {
        assert_is_sample(&mut in_chunks(&file, 700));
    }
}

#[test]
fn garbage_is_refused() {
    let error = failure(in_chunks(&vec![b'x'; 10_000], 700).next().wait());
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_says(&error, &["<stream>", "SIMPLE"]);
    let mut file = sample();
    file[2880 + 80 * 3..2880 + 80 * 4].fill(b'?');
    let broken = [&empty_primary()[..], b"XTENSION= 'IMAGE   '", &[b'?'; 2880 * 2]].concat();
    let mut stream = in_chunks(&broken, 700);
    assert!(!next(&mut stream).info().has_data());
    assert_says(&failure(stream.next().wait()), &["END", "HDU 1"]);
}

#[test]
fn the_reader_s_error_is_the_stream_s() {
    let good = Bytes::from(sample()[..3000].to_vec());
    let chunks = [Ok(good), Err(io::Error::other("the tape is torn"))];
    let mut stream = FitsStream::from_chunks(stream::iter(chunks)).unwrap();
    let hdu = next(&mut stream);
    for error in [failure(hdu.read::<f32>().wait()), failure(stream.next().wait())] {
        assert_says(&error, &["torn"]);
    }
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            panic!("on purpose")
        }
    }
    let error = failure(promptly(|| FitsStream::from_read(Panics).unwrap().next().wait()));
    assert_says(&error, &["panicked"]);
}

#[test]
fn names_and_options_are_checked() {
    for (name, kind) in [("/no/such/file", ErrorKind::NotFound), ("mem://", ErrorKind::Argument)] {
        assert_eq!(failure(FitsStream::open(name).wait()).kind(), kind);
    }
    let with = |remote| StreamOptions { remote: Some(remote), ..StreamOptions::default() };
    let local = failure(FitsStream::open_with("/no/such/file", with(Remote::default())).wait());
    assert_eq!(local.kind(), ErrorKind::Argument);
    let server = HttpServer::start();
    let ranged = failure(FitsStream::open_with(server.url("/a"), with(Remote::ranged())).wait());
    assert_says(&ranged, &["ranges"]);
    assert_eq!(failure(FitsStream::open(server.url("/a")).wait()).kind(), ErrorKind::Status(404));
    let impatient = with(Remote { timeout: limits(200), ..Remote::default() });
    server.put("/a", sample());
    let mut stream = FitsStream::open_with(server.url("/a?stall=3000&norange"), impatient).wait().unwrap();
    next(&mut stream);
    assert_eq!(failure(promptly(move || stream.next().wait())).kind(), ErrorKind::Timeout);
}

#[test]
fn the_transfer_waits_for_its_reader_and_ends_with_it() {
    let server = HttpServer::start();
    server.put("/a", one_image(&ramp(30_000, 1000).into_dyn()));
    let mut stream = FitsStream::open(server.url("/a")).wait().unwrap();
    let hdu = next(&mut stream);
    let sent = || server.requests()[0].body_sent;
    // Some megabytes lie in sockets.
    eventually("it waits", || {
        let before = sent();
        std::thread::sleep(std::time::Duration::from_millis(100));
        before > 0 && sent() == before
    });
    assert!(sent() < 60_000_000, "{}", sent());
    let mut bands = hdu.bands(None).unwrap();
    let band = bands.next().wait().unwrap().unwrap();
    assert_eq!(band.as_slice::<f32>().unwrap()[1001], 1001.0);
    drop((stream, hdu, bands));
    eventually("it has ended", || server.requests().iter().all(|request| request.finished.is_some()));
}

#[test]
fn a_dropped_step_loses_nothing() {
    let server = HttpServer::start();
    server.put("/a", sample());
    // No byte is here while the steps begin: they can't be done at once.
    let mut stream = FitsStream::named(server.url("/a?latency=500"), StreamOptions::default()).unwrap();
    for _ in 0..3 {
        begin(&mut stream.next());
    }
    assert_eq!(next(&mut stream).info().index(), 0);
}

#[test]
fn it_equals_what_a_reader_reads() {
    let file = fits(|writer| {
        writer
            .write_image(
                &sample_science().mapv(i32::from),
                ImageOptions { blank: Some(-9_000), ..ImageOptions::default() },
            )
            .wait()
            .unwrap();
    });
    let reader = FitsReader::from_bytes(file.clone()).wait().unwrap();
    let expected = reader.image(0).read_masked().wait().unwrap();
    let mut stream = in_chunks(&file, 999);
    let mut bands = next(&mut stream).bands(Some(1)).unwrap().masked();
    let mut mask = Vec::new();
    while let Some(band) = bands.next().wait().unwrap() {
        mask.extend_from_slice(band.mask().unwrap());
    }
    assert_eq!(Some(mask.as_slice()), expected.mask());
}

/// A table of rows of 12 bytes, with variable-length arrays behind it, in this order of rows.
fn variable_table(rows: usize, order: impl Fn(usize) -> usize) -> Vec<u8> {
    let cards = [
        "XTENSION= 'BINTABLE'".to_owned(),
        "BITPIX  =                    8".to_owned(),
        "NAXIS   =                    2".to_owned(),
        "NAXIS1  =                   12".to_owned(),
        format!("NAXIS2  = {rows:20}"),
        format!("PCOUNT  = {:20}", rows * 100),
        "GCOUNT  =                    1".to_owned(),
        "TFIELDS =                    2".to_owned(),
        "TTYPE1  = 'N'".to_owned(),
        "TFORM1  = 'J'".to_owned(),
        "TTYPE2  = 'V'".to_owned(),
        "TFORM2  = 'PB'".to_owned(),
    ];
    let mut file = [empty_primary(), header(&cards.iter().map(String::as_str).collect::<Vec<_>>())].concat();
    for row in 0..rows {
        for number in [row, 100, order(row) * 100] {
            file.extend_from_slice(&(number as u32).to_be_bytes());
        }
    }
    for place in 0..rows {
        let row = (0..rows).find(|&row| order(row) == place).unwrap();
        file.extend_from_slice(&[row as u8; 100]);
    }
    file.resize(file.len().next_multiple_of(BLOCK), 0);
    file
}

#[test]
fn tables_come_in_chunks_and_their_arrays_within_what_may_be_held() {
    let file = variable_table(500, |row| 499 - row);
    let mut stream = in_chunks(&file, 1000);
    next(&mut stream);
    let mut rows = next(&mut stream).rows(Some(70)).unwrap();
    let (mut numbers, mut arrays) = (Vec::new(), Vec::new());
    while let Some(chunk) = rows.next().wait().unwrap() {
        numbers.extend(chunk.bytes.chunks(4).map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap())));
        arrays.extend(
            (0..chunk.rows).map(|row| chunk.arrays[0].cell::<u8>(row).unwrap().iter().copied().collect::<Vec<_>>()),
        );
    }
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    assert!(arrays.iter().enumerate().all(|(row, array)| array == &[row as u8; 100]));
    assert!(stream.next().wait().unwrap().is_none());

    let options = StreamOptions { max_held: 20_000, ..StreamOptions::default() };
    let chunks: Vec<_> = file.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let mut stream = FitsStream::from_chunks_with(stream::iter(chunks), options).unwrap();
    next(&mut stream);
    let hdu = next(&mut stream);
    let error = failure(hdu.rows(Some(70)).unwrap().next().wait());
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["HDU 1", "max_held=20000", "variable-length"]);
    let only = hdu.rows(Some(70)).unwrap().columns(["N"]);
    assert_eq!(only.rest().wait().unwrap().rows, 500);
}

#[test]
fn tiles_in_another_order_are_held_until_they_are_needed() {
    // Pixels that don't shrink much.
    let image = ramp(400, 1000).mapv(|pixel| (f64::from(pixel) * 7919.0 % 65521.0) as f32 / 3.0).into_dyn();
    let compress = Compression { tile_shape: Some(vec![10, 1000]), ..Compression::of(GZIP) };
    let file = fits(|writer| {
        let options = ImageOptions { compress: Some(compress), ..ImageOptions::named("T") };
        writer.write_image(&image, options).wait().unwrap();
    });
    // The descriptors of the first and the last tile, which are of 8 bytes each, change places, and so do the rows of the image.
    let reader = FitsReader::from_bytes(file.clone()).wait().unwrap();
    let info = reader.hdu(1).wait().unwrap();
    let size = |keyword: &str| info.stored_header().get::<i64>(keyword).unwrap() as usize;
    let (rows, width) = (size("NAXIS2"), size("NAXIS1"));
    let table = file.windows(8).position(|window| window == b"XTENSION").unwrap();
    let start = table + header_length(&file[table..]);
    let mut swapped = file.clone();
    let last = start + (rows - 1) * width;
    for byte in 0..width {
        swapped.swap(start + byte, last + byte);
    }
    let mut expected = image.clone();
    for row in 0..10 {
        for column in 0..1000 {
            expected.swap([row, column].as_slice(), [390 + row, column].as_slice());
        }
    }
    let open = |max_held| {
        let chunks: Vec<_> = swapped.chunks(5000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let options = StreamOptions { max_held, ..StreamOptions::default() };
        let mut stream = FitsStream::from_chunks_with(stream::iter(chunks), options).unwrap();
        next(&mut stream);
        next(&mut stream)
    };
    assert_eq!(joined(&open(64 << 20), 40_000), expected);
    let error = failure(open(100_000).read::<f32>().wait());
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["max_held"]);
    // In order, little has to be held.
    let chunks: Vec<_> = file.chunks(5000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let options = StreamOptions { max_held: 100_000, ..StreamOptions::default() };
    let mut stream = FitsStream::from_chunks_with(stream::iter(chunks), options).unwrap();
    next(&mut stream);
    assert_eq!(joined(&next(&mut stream), 40_000), image);
}

/// How long the header is that begins here, in whole blocks.
fn header_length(bytes: &[u8]) -> usize {
    let card = bytes.chunks(80).position(|card| card.starts_with(b"END     ")).unwrap();
    ((card + 1) * 80).next_multiple_of(BLOCK)
}

#[test]
fn the_blocking_face_is_an_iterator() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    std::fs::write(&path, variable_table(500, |row| row)).unwrap();
    let mut rows = 0;
    for hdu in rustfits::blocking::FitsStream::open(&path).unwrap() {
        let hdu = hdu.unwrap();
        if hdu.info().kind() == HduKind::BinaryTable {
            rows += hdu.rows(Some(70)).unwrap().map(|chunk| chunk.unwrap().rows).sum::<usize>();
        }
    }
    assert_eq!(rows, 500);
    let mut stream = rustfits::blocking::FitsStream::from_read(io::Cursor::new(sample())).unwrap();
    let hdu = stream.next().unwrap().unwrap();
    let pixels: usize = hdu.bands(Some(500)).unwrap().map(|band| band.unwrap().bytes().len() / 4).sum();
    assert_eq!(pixels, 1200);
    assert_eq!(stream.nth(2).unwrap().unwrap().read::<f64>().unwrap().len(), 16);
    assert!(stream.next().is_none());
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_that_nobody_writes_to_hold_up_nothing() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    // More than there are threads for work that may block.
    const PIPES: usize = 600;
    let directory = tempfile::tempdir().unwrap();
    let path = |number: usize| directory.path().join(number.to_string());
    let streams: Vec<FitsStream> = (0..PIPES)
        .map(|number| {
            mknodat(CWD, path(number), FileType::Fifo, Mode::RWXU, 0).unwrap();
            FitsStream::named(path(number), StreamOptions::default()).unwrap()
        })
        .collect();
    let mut last = streams.into_iter().next_back().unwrap();
    let (file, pipe) = (directory.path().join("a.fits"), path(PIPES - 1));
    std::fs::write(&file, sample()).unwrap();
    promptly(move || {
        assert_is_sample(&mut FitsStream::open(&file).wait().unwrap());
        let writer = std::thread::spawn(move || std::fs::write(pipe, sample()).unwrap());
        assert_is_sample(&mut last);
        writer.join().unwrap();
    });
    let error = failure(FitsReader::open(path(0)).wait());
    assert_says(&error, &[path(0).to_str().unwrap(), "is a pipe", "rustfits.stream"]);
}

#[test]
fn a_band_that_is_dropped_half_read_goes_on_where_it_was() {
    let cube = Array3::from_shape_fn((3, 10, 10), |(plane, row, column)| (plane * 100 + row * 10 + column) as f32);
    let file = one_image(&cube.clone().into_dyn());
    let pixels: Vec<f32> = cube.iter().copied().collect();
    // A plane is read in pieces of 4, 4 and 2 rows of 40 bytes. Of the first plane two are here, and the third comes once it was given up.
    for whole in [false, true] {
        let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let chunks = stream::unfold(receive, |mut receive| async move { Some((Ok(receive.recv().await?), receive)) });
        let mut stream = FitsStream::from_chunks(chunks).unwrap();
        let (first, rest) = file.split_at(2880 + 330);
        send.send(Bytes::copy_from_slice(first)).unwrap();
        let hdu = next(&mut stream);
        let mut bands = hdu.bands(Some(160)).unwrap();
        let error = failure(bands.next().wait_until(|| true));
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
        send.send(Bytes::copy_from_slice(rest)).unwrap();
        drop(send);
        let mut read: Vec<f32> = Vec::new();
        if whole {
            let rest = bands.rest().wait().unwrap();
            assert_eq!(rest.shape(), [3, 10, 10]);
            read.extend_from_slice(rest.as_slice().unwrap());
        } else {
            while let Some(band) = bands.next().wait().unwrap() {
                assert_eq!(band.shape(), [1, 10, 10]);
                read.extend_from_slice(band.as_slice::<f32>().unwrap());
            }
        }
        assert_eq!(read, pixels);
    }
}

#[test]
fn shapes_past_all_bounds_are_errors() {
    // A piece of it is here, but there is no memory for all.
    let mut huge =
        header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 2147483648", "NAXIS2  = 2147483648"]);
    huge.resize(9 << 20, 0);
    let mut stream = in_chunks(&huge, 1 << 20);
    let error = failure(next(&mut stream).read_dyn().wait());
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    // The lengths of the first two axes multiply past 2^64, and yet there are no rows.
    let mut tiled = empty_primary();
    tiled.extend(header(&[
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 3",
        "NAXIS1  = 1099511627776",
        "NAXIS2  = 1099511627776",
        "NAXIS3  = 0",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TFORM1  = '1PB'",
        "ZIMAGE  = T",
        "ZBITPIX = 8",
        "ZNAXIS  = 1",
        "ZNAXIS1 = 10",
        "ZCMPTYPE= 'GZIP_1'",
    ]));
    let mut stream = in_chunks(&tiled, 1 << 20);
    next(&mut stream);
    let error = failure(next(&mut stream).read_dyn().wait());
    assert_eq!(error.kind(), ErrorKind::Illegal, "{error:?}");
}
