//! Reading by ranges: which bytes are asked for, and that a server which misbehaves is found out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array2, Array3, ArrayD, s};
use proptest::prelude::*;
use rustfits::{AxisSection, Error, ErrorKind, FitsReader, FitsWriter, ImageOptions, OpenOptions, Remote};
use rustfits_loopback::HttpServer;

const KIB: u64 = 1 << 10;
/// The image of [`large`]: 2,000 rows of 4 KB.
const ROWS: usize = 2000;
const ROW_BYTES: u64 = 4000;

/// A file of 8 MB: one image.
fn large() -> Vec<u8> {
    one_image(&ramp(ROWS, 1000).into_dyn())
}

fn serving(bytes: Vec<u8>) -> HttpServer {
    let server = HttpServer::start();
    server.put("/a.fits", bytes);
    server
}

fn open(server: &HttpServer, words: &str) -> rustfits::Result<FitsReader> {
    let url = server.url(&format!("/a.fits{words}"));
    promptly(move || FitsReader::open_with(url, ranged()).wait())
}

fn open_with(server: &HttpServer, change: impl FnOnce(&mut Remote)) -> FitsReader {
    let mut remote = Remote::ranged();
    change(&mut remote);
    let options = OpenOptions { remote: Some(remote), ..OpenOptions::default() };
    FitsReader::open_with(server.url("/a.fits"), options).wait().unwrap()
}

/// The ranges asked for since the log was cleared, sorted: first byte and the byte behind the last.
fn asked(server: &HttpServer) -> Vec<(u64, u64)> {
    let parse = |range: &str| {
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (first.parse().unwrap(), last.parse::<u64>().unwrap() + 1)
    };
    let mut ranges: Vec<_> =
        server.requests().iter().map(|request| parse(request.range.as_deref().unwrap_or("bytes=0-0"))).collect();
    ranges.sort_unstable();
    ranges
}

fn sent(server: &HttpServer) -> u64 {
    server.requests().iter().map(|request| request.body_sent).sum()
}

#[test]
fn opening_is_one_request_of_32_kib() {
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    assert_eq!(asked(&server), [(0, 32 * KIB)]);
    assert_eq!(server.requests()[0].method, "GET");
    // What came with it is not asked for again.
    assert_eq!(fits.header(0).wait().unwrap().get::<i64>("NAXIS1").unwrap(), 1000);
    assert_eq!(fits.image(0).section(s![..7, ..]).read::<f32>().wait().unwrap().len(), 7000);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(fits.name(), server.url("/a.fits"));
}

#[test]
fn a_section_fetches_its_rows_and_no_more() {
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    server.clear_log();
    let stamp = fits.image(0).section(s![1000..1064, 500..564]).read::<f32>().wait().unwrap();
    assert_eq!(stamp, ramp(ROWS, 1000).slice(s![1000..1064, 500..564]).into_dyn());
    // Rows that lie close are one range: from the first pixel to the last.
    let start = BLOCK as u64 + 1000 * ROW_BYTES + 500 * 4;
    assert_eq!(asked(&server), [(start, start + 63 * ROW_BYTES + 64 * 4)]);
    // What was fetched is kept.
    server.clear_log();
    fits.image(0).section(s![1010..1020, 510..520]).read::<f32>().wait().unwrap();
    assert_eq!(asked(&server), []);
}

#[test]
fn rows_that_lie_far_apart_are_separate_ranges() {
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    server.clear_log();
    let rows = AxisSection::List(vec![1900, 100, 1000]);
    let read = fits.image(0).section(vec![rows]).read::<f32>().wait().unwrap();
    assert_eq!(read, ramp(ROWS, 1000).select(ndarray::Axis(0), &[1900, 100, 1000]).into_dyn());
    let row = |number: u64| (BLOCK as u64 + number * ROW_BYTES, BLOCK as u64 + (number + 1) * ROW_BYTES);
    assert_eq!(asked(&server), [row(100), row(1000), row(1900)]);
    assert_eq!(sent(&server), 3 * ROW_BYTES);
}

#[test]
fn a_whole_image_is_fetched_once() {
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    let image = fits.image(0).read::<f32>().wait().unwrap();
    assert!(image == ramp(ROWS, 1000).into_dyn());
    assert!(sent(&server) <= large().len() as u64, "{}", sent(&server));
    assert!(server.requests().len() <= 10, "{:?}", asked(&server));
}

#[test]
fn rows_with_arrays_of_variable_length_are_fetched_once() {
    const TABLE_ROWS: usize = 30_000;
    const PADDING: usize = 392;
    let mut data = Vec::new();
    for row in 0..TABLE_ROWS {
        data.extend((row as i32 * 2).to_be_bytes());
        data.resize(data.len() + PADDING - 4, 0);
        data.extend(1i32.to_be_bytes());
        data.extend((4 * row as i32).to_be_bytes());
    }
    (0..TABLE_ROWS).for_each(|row| data.extend((row as i32).to_be_bytes()));
    let cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 400",
        "NAXIS2  = 30000",
        "PCOUNT  = 120000",
        "GCOUNT  = 1",
        "TFIELDS = 3",
        "TTYPE1  = 'N'",
        "TFORM1  = 'J'",
        "TFORM2  = '388B'",
        "TTYPE3  = 'V'",
        "TFORM3  = 'PJ(1)'",
    ];
    let mut file = [empty_primary(), header(&cards), data].concat();
    file.resize(file.len().next_multiple_of(BLOCK), 0);
    let length = file.len() as u64;
    let server = serving(file);
    // A cache that does not hold the rows, which are more than are fetched together.
    let fits = open_with(&server, |remote| remote.cache_bytes = 1 << 20);
    let table = fits.table(1).read().wait().unwrap();
    assert_eq!(table.array::<i32>("N").unwrap()[TABLE_ROWS - 1], 2 * (TABLE_ROWS as i32 - 1));
    let Some(rustfits::ColumnData::Variable(arrays)) = table.get("V") else { panic!("not variable") };
    assert!((0..TABLE_ROWS).all(|row| arrays.cell::<i32>(row).unwrap()[0] == row as i32));
    assert!(sent(&server) <= length, "{} of {length} bytes", sent(&server));
}

#[test]
fn a_cube_is_cut_across_all_axes() {
    let cube = Array3::from_shape_fn((30, 100, 100), |(plane, row, column)| (plane * 1000 + row * 100 + column) as i32);
    let server = serving(one_image(&cube.clone().into_dyn()));
    let fits = open(&server, "").unwrap();
    server.clear_log();
    let spectrum = fits.image(0).section(s![.., 50, 50]).read::<i32>().wait().unwrap();
    assert_eq!(spectrum, cube.slice(s![.., 50, 50]).into_dyn());
    // The planes are 40 kB apart, which is closer than another request is worth.
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn headers_of_later_hdus_take_a_request_each_and_no_data() {
    let bytes = fits(|writer| {
        for number in 0..10 {
            let options = ImageOptions::named(format!("E{number}"));
            writer.write_image(&ramp(300, 1000), options).wait().unwrap();
        }
    });
    let server = serving(bytes.clone());
    let fits = open(&server, "").unwrap();
    assert_eq!(fits.hdu(9).wait().unwrap().name(), Some("E9"));
    assert!(server.requests().len() <= 10, "{:?}", asked(&server));
    assert!(sent(&server) <= 32 * KIB + 9 * 12 * KIB, "{}", sent(&server));
    // They are found once.
    server.clear_log();
    assert_eq!(fits.hdu("E5").wait().unwrap().index(), 5);
    assert_eq!(fits.hdu(-1).wait().unwrap().index(), 9);
    assert_eq!(fits.count().wait().unwrap(), 10);
    assert!(server.requests().len() <= 1, "{:?}", asked(&server));
}

#[test]
fn three_thousand_extensions_are_walked_as_far_as_needed() {
    let mut bytes = empty_primary();
    for number in 1..=3000 {
        let name = format!("EXTNAME = 'E{number}'");
        bytes.extend(header(&["XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0", &name]));
    }
    let length = bytes.len() as u64;
    let server = serving(bytes);
    let fits = open(&server, "").unwrap();
    assert_eq!(fits.hdu("E100").wait().unwrap().index(), 100);
    assert!(sent(&server) < length / 20, "{}", sent(&server));
    let walked = server.requests().len();
    assert!(walked <= 100, "{walked}");
    assert_eq!(fits.hdu("E50").wait().unwrap().index(), 50);
    assert_eq!(server.requests().len(), walked);
}

#[test]
fn a_header_longer_than_the_first_range() {
    let cards: Vec<String> = (0..2000).map(|number| format!("KEY{number:<5}= {number}")).collect();
    let cards: Vec<&str> = cards.iter().map(String::as_str).collect();
    let start = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 3"];
    let mut bytes = header(&[&start[..], &cards].concat());
    bytes.extend([1, 2, 3]);
    let server = serving(bytes);
    let fits = open(&server, "").unwrap();
    assert_eq!(fits.header(0).wait().unwrap().get::<i64>("KEY1999").unwrap(), 1999);
    assert_eq!(fits.image(0).read::<u8>().wait().unwrap().as_slice().unwrap(), [1, 2, 3]);
    assert!(server.requests().len() <= 6, "{:?}", asked(&server));
    assert_no_byte_twice(&server);
}

fn assert_no_byte_twice(server: &HttpServer) {
    let ranges = asked(server);
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ranges:?}");
}

#[test]
fn small_and_empty_files() {
    let small = one_image(&ramp(2, 3).into_dyn());
    let server = serving(small.clone());
    let fits = open(&server, "").unwrap();
    assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), ramp(2, 3).into_dyn());
    assert_says(&failure(fits.to_bytes().wait()), &["ranged", "open it without remote="]);
    assert_eq!((server.requests().len(), sent(&server)), (1, small.len() as u64));
    server.put("/a.fits", Vec::new());
    let error = failure(open(&server, ""));
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
    assert_says(&error, &["empty"]);
    server.put("/a.fits", sample()[..1000].to_vec());
    assert_eq!(failure(open(&server, "")).kind(), ErrorKind::Truncated);
    server.put("/a.fits", large()[..100_000].to_vec());
    let error = failure(open(&server, "").unwrap().image(0).read::<f32>().wait());
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
}

#[test]
fn a_server_without_ranges_is_named_and_its_file_not_downloaded() {
    let server = serving(large());
    let error = failure(open(&server, "?norange"));
    assert_eq!(error.kind(), ErrorKind::Status(200), "{error:?}");
    assert_says(&error, &["ranges", "whole", &server.url("/a.fits?norange")]);
    eventually("the rest of the body is not read", || server.connections().open == 0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_sends_the_whole_to_a_later_range_is_found_out() {
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    let broken = open(&server, "?etag_changes").unwrap();
    let section = s![1000..1010, ..];
    assert!(fits.image(0).section(section).read::<f32>().wait().is_ok());
    let error = failure(broken.image(0).section(section).read::<f32>().wait());
    assert_changed(&error);
}

fn assert_changed(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_says(error, &["changed on the server", "/a.fits"]);
    assert!(!error.is_transient());
}

#[test]
fn a_file_that_changes_is_never_mixed() {
    for words in ["?etag_changes", "?modified_changes", "?weak_etag&etag_changes"] {
        let server = serving(large());
        let fits = open(&server, words).unwrap();
        assert_changed(&failure(fits.image(0).read::<f32>().wait()));
    }
    // Another file of the same length under the same name; one of another length, also where no validator tells.
    for (words, bytes) in [("", one_image(&ramp(ROWS, 1000).mapv(|x| -x).into_dyn())), ("?no_validator", sample())] {
        let server = serving(large());
        let fits = open(&server, words).unwrap();
        server.put("/a.fits", bytes);
        assert_changed(&failure(fits.image(0).read::<f32>().wait()));
    }
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    server.remove("/a.fits");
    assert_eq!(failure(fits.image(0).read::<f32>().wait()).kind(), ErrorKind::Status(404));
}

#[test]
fn a_wrong_content_range_is_never_taken_for_the_part() {
    let server = serving(large());
    let error = failure(open(&server, "?badrange"));
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_says(&error, &["asked for bytes 0..32768", "the server sent 1..32769"]);
}

#[test]
fn a_part_that_breaks_off_is_asked_for_again_and_a_lasting_fault_is_an_error() {
    let server = serving(large());
    let fits = open(&server, "?cut=1000&cut_times=1").unwrap();
    assert_eq!(server.requests().len(), 2);
    drop(fits);
    let fits = open(&server, "?status=503&times=2").unwrap();
    assert_eq!(fits.image(0).section(s![0, ..]).read::<f32>().wait().unwrap().len(), 1000);
    assert_eq!(failure(open(&server, "?status=404")).kind(), ErrorKind::Status(404));
    let error = failure(open(&server, "?cut=1000"));
    assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
    assert_says(&error, &["1000 of 32768"]);
    let error = failure(open(&server, "?chunked&cut=1000"));
    assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
}

#[test]
fn what_cannot_be_read_by_ranges_is_refused() {
    let server = serving(gzip(&sample()));
    assert_says(&failure(open(&server, "")), &["gzip", "ranges"]);
    server.clear_log();
    let error = failure(FitsReader::open_with(server.url("/a.fits.gz"), ranged()).wait());
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_says(&error, &[".gz", "ranges"]);
    let error = failure(FitsReader::open_with("ftp://127.0.0.1/a.fits", ranged()).wait());
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(server.requests().is_empty());
    server.put("/page.fits", b"<!DOCTYPE html>".repeat(500));
    assert_says(&failure(FitsReader::open_with(server.url("/page.fits"), ranged()).wait()), &["web page"]);
}

#[test]
fn blocks_and_cache_are_as_set() {
    let server = serving(large());
    let fits = open_with(&server, |remote| remote.block_bytes = Some(65_536));
    server.clear_log();
    let section = s![1000..1002, 10..12];
    fits.image(0).section(section).read::<f32>().wait().unwrap();
    let ranges = asked(&server);
    assert!(
        ranges.len() == 1 && ranges.iter().all(|range| range.0 % 65_536 == 0 && range.1 % 65_536 == 0),
        "{ranges:?}"
    );
    // Without a cache every read asks again, and the values stay right.
    let fits = open_with(&server, |remote| remote.cache_bytes = 0);
    server.clear_log();
    for _ in 0..2 {
        let read = fits.image(0).section(section).read::<f32>().wait().unwrap();
        assert_eq!(read, ramp(ROWS, 1000).slice(section).into_dyn());
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn many_sections_at_once() {
    let server = serving(large());
    let fits = open(&server, "").unwrap();
    let reads = (0..40).map(|number| fits.image(0).section(s![number * 50, ..]).read::<f32>());
    let rows = block_on(futures_util::future::join_all(reads));
    for (number, row) in rows.into_iter().enumerate() {
        assert_eq!(row.unwrap(), ramp(ROWS, 1000).slice(s![number * 50, ..]).into_dyn());
    }
}

#[test]
fn the_rows_of_tiles_are_fetched_once_for_all_cutouts() {
    // A row of the table for each row of the image: 160 KB, of which the opening request brings the first.
    let image = Array2::from_shape_fn((20_000, 50), |(row, column)| {
        (row as i32 * 31 + column as i32).wrapping_mul(0x9e37_79b9_u32 as i32)
    });
    let writer = FitsWriter::create("mem://").wait().unwrap();
    let options = ImageOptions { compress: Some("RICE_1".parse().unwrap()), ..ImageOptions::default() };
    writer.write_image(&image, options).wait().unwrap();
    let server = serving(writer.to_bytes().wait().unwrap());
    let cut = |fits: &FitsReader, row: usize| fits.image(1).section(s![row..row + 10, 5..15]).read::<i32>();
    let right = |row: usize, read: rustfits::Result<ArrayD<i32>>| {
        assert_eq!(read.unwrap(), image.slice(s![row..row + 10, 5..15]).into_dyn());
    };
    let rows = || (0..20).map(|number| 3000 + 800 * number);
    for at_once in [false, true] {
        let fits = open(&server, "").unwrap();
        server.clear_log();
        // Its row came with the first bytes.
        right(100, cut(&fits, 100).wait());
        assert_eq!(server.requests().len(), 1);
        if at_once {
            let read = block_on(futures_util::future::join_all(rows().map(|row| cut(&fits, row))));
            rows().zip(read).for_each(|(row, read)| right(row, read));
        } else {
            rows().for_each(|row| right(row, cut(&fits, row).wait()));
        }
        // Two requests for rows of the table, one for the tiles of each cutout.
        assert_eq!(server.requests().len(), 1 + 2 + 20, "{:?}", asked(&server));
    }
    // What is not kept is not fetched for later.
    let fits = open_with(&server, |remote| remote.cache_bytes = 0);
    server.clear_log();
    right(9000, cut(&fits, 9000).wait());
    let lens: Vec<u64> = asked(&server).iter().map(|range| range.1 - range.0).collect();
    assert!(lens.contains(&80) && lens.iter().all(|&len| len < 64 * KIB), "{lens:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ranged_and_whole_are_equal(
        shape in (1usize..6, 1usize..60, 1usize..60),
        starts in prop::array::uniform3(-70i64..70),
        stops in prop::array::uniform3(-70i64..70),
        steps in prop::array::uniform3(prop_oneof![Just(1i64), Just(-1), Just(3), Just(-7)]),
        cache_bytes in prop_oneof![Just(0u64), Just(5000), Just(1 << 20)],
        block_bytes in prop::option::of(1u64..10_000),
    ) {
        let cube = Array3::from_shape_fn(shape, |(plane, row, column)| (plane * 10_000 + row * 100 + column) as u32);
        let bytes = fits(|writer| {
            writer.write_image(&ramp(100, 90), ImageOptions::default()).wait().unwrap();
            writer.write_image(&cube, ImageOptions::default()).wait().unwrap();
        });
        let server = serving(bytes.clone());
        let by_ranges = open_with(&server, |remote| (remote.cache_bytes, remote.block_bytes) = (cache_bytes, block_bytes));
        let whole = FitsReader::from_bytes(bytes).wait().unwrap();
        let axes: Vec<AxisSection> = (0..3)
            .map(|axis| AxisSection::Slice { start: Some(starts[axis]), stop: Some(stops[axis]), step: steps[axis] })
            .collect();
        let read = |fits: &FitsReader| fits.image(1).section(axes.clone()).read::<u32>().wait().unwrap();
        prop_assert_eq!(read(&by_ranges), read(&whole));
        prop_assert_eq!(by_ranges.image(1).read::<u32>().wait().unwrap(), cube.into_dyn());
    }
}

/// A file of so many HDUs, each with so many bytes of data (16-bit integers); the last is called LAST.
fn many_hdus(hdus: usize, bytes: usize) -> Vec<u8> {
    let cards = |first: &str, name: &str| {
        header(&[
            first,
            "BITPIX  =                   16",
            "NAXIS   =                    1",
            &format!("NAXIS1  = {:20}", bytes / 2),
            "PCOUNT  =                    0",
            "GCOUNT  =                    1",
            &format!("EXTNAME = '{name}'"),
        ])
    };
    let mut file = Vec::new();
    for number in 0..hdus {
        let first = if number == 0 { "SIMPLE  =                    T" } else { "XTENSION= 'IMAGE   '" };
        file.extend(cards(first, if number + 1 == hdus { "LAST" } else { "HDU" }));
        file.resize(file.len() + bytes.next_multiple_of(BLOCK), 0);
    }
    file
}

#[test]
fn a_walk_over_small_hdus_reads_ahead() {
    const HDUS: usize = 3000;
    let file = many_hdus(HDUS, 2000);
    let length = file.len() as u64;
    let server = serving(file);
    // 17 MB, of which the first 32 KiB come with the opening, and then 11 KiB, 22 KiB and so on up to 1 MiB a request.
    let few = 1 + 8 + (length / (1 << 20)) as usize;
    for walk in [
        (|fits: &FitsReader| assert_eq!(fits.count().wait().unwrap(), HDUS)) as fn(&FitsReader),
        |fits| assert_eq!(fits.hdu("LAST").wait().unwrap().index(), HDUS - 1),
        |fits| (0..HDUS).for_each(|index| assert_eq!(fits.hdu(index).wait().unwrap().index(), index)),
    ] {
        server.clear_log();
        let fits = open(&server, "").unwrap();
        walk(&fits);
        let requests = server.requests().len();
        assert!((10..=few).contains(&requests), "{requests} requests");
        // Nothing is asked for twice, and little in vain.
        assert!(sent(&server) <= length + (32 << 10), "{} of {length} bytes", sent(&server));
    }
    server.clear_log();
    let fits = open(&server, "").unwrap();
    assert_eq!(fits.hdu(4).wait().unwrap().index(), 4);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_walk_over_large_hdus_asks_for_their_headers_alone() {
    const HDUS: usize = 40;
    let server = serving(many_hdus(HDUS, 200_000));
    let fits = open(&server, "").unwrap();
    assert_eq!(fits.count().wait().unwrap(), HDUS);
    assert_eq!(server.requests().len(), HDUS);
    assert!(asked(&server).iter().skip(1).all(|(start, end)| end - start == 4 * BLOCK as u64));
}
