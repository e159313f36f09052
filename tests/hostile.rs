//! Files that lie about sizes: an error, and never the memory that they ask for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use ndarray::{Array1, array};
use proptest::prelude::*;
use rustfits::{ColumnValues, ErrorKind, FitsReader, FitsWriter, ImageOptions, TableCompression, TableOptions};
use rustfits_loopback::HttpServer;

/// Notes the largest piece of memory that anything in this process asks for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What no test of this file has a reason to ask for at once; `Content-Length` may reserve 64 MiB.
const BOUND: usize = 80 << 20;

fn assert_modest() {
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < BOUND, "{largest} bytes were asked for at once");
}

/// A file of one header, and 100 bytes behind it.
fn file(cards: &[&str]) -> Vec<u8> {
    let mut bytes = header(cards);
    bytes.extend([0; 100]);
    bytes
}

fn primary(bitpix: &str, axes: &[&str]) -> Vec<u8> {
    let (bitpix, naxis) = (format!("BITPIX  = {bitpix}"), format!("NAXIS   = {}", axes.len()));
    let axes: Vec<String> =
        axes.iter().enumerate().map(|(i, n)| format!("{:<8}= {n}", format!("NAXIS{}", i + 1))).collect();
    let mut cards = vec!["SIMPLE  = T", &bitpix, &naxis];
    cards.extend(axes.iter().map(String::as_str));
    file(&cards)
}

/// A file with a table as its second HDU, of which the header is all there is.
fn table(cards: &[&str]) -> FitsReader {
    let start = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2"];
    let bytes = [empty_primary(), header(&[&start[..], cards].concat()), vec![0; 100]].concat();
    FitsReader::from_bytes(bytes).wait().unwrap()
}

#[test]
fn images_larger_than_their_file_are_truncated() {
    for (bitpix, axes) in [
        ("-64", &["1000000", "1000000"][..]),
        ("8", &["3000000000"]),
        ("64", &["1152921504606846975"]),
        ("16", &["1", "1", "1", "4000000000"]),
    ] {
        let fits = FitsReader::from_bytes(primary(bitpix, axes)).wait().unwrap();
        let error = failure(fits.image(0).read_dyn().wait());
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Truncated, Some(0)), "{axes:?}: {error:?}");
        assert_eq!(failure(fits.image(0).read_masked().wait()).kind(), ErrorKind::Truncated);
        assert_eq!(fits.count().wait().unwrap(), 1);
    }
    assert_modest();
}

#[test]
fn a_little_of_a_huge_image_that_is_there_reads() {
    let fits = FitsReader::from_bytes(primary("8", &["3000000000"])).wait().unwrap();
    let read = fits.image(0).section(ndarray::s![..10]).read::<u8>().wait().unwrap();
    assert_eq!(read.len(), 10);
    assert!(fits.image(0).section(ndarray::s![-10..]).read::<u8>().wait().is_err());
    assert_modest();
}

#[test]
fn sizes_past_all_bounds_are_illegal() {
    for (bitpix, axes) in [
        ("64", &["4294967296", "4294967296"][..]),
        ("8", &["9223372036854775807", "2"]),
        ("64", &["9223372036854775807"]),
        ("8", &["-1"]),
        ("8", &["99999999999999999999999"]),
        ("8", &["1.5"]),
        ("7", &["1"]),
    ] {
        let error = failure(FitsReader::from_bytes(primary(bitpix, axes)).wait());
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(0)), "{axes:?}: {error:?}");
    }
    for naxis in ["NAXIS   = 1000", "NAXIS   = -1", "NAXIS   = 9223372036854775807"] {
        let error = failure(FitsReader::from_bytes(file(&["SIMPLE  = T", "BITPIX  = 8", naxis])).wait());
        assert_eq!(error.kind(), ErrorKind::Illegal, "{error:?}");
        assert_says(&error, &["NAXIS"]);
    }
    assert_modest();
}

#[test]
fn tables_larger_than_their_file_are_truncated() {
    for cards in [
        ["NAXIS1  = 8", "NAXIS2  = 1000000000000", "PCOUNT  = 0", "GCOUNT  = 1", "TFIELDS = 1", "TFORM1  = '1D'"],
        ["NAXIS1  = 4000000000", "NAXIS2  = 2", "PCOUNT  = 0", "GCOUNT  = 1", "TFIELDS = 1", "TFORM1  = '500000000D'"],
    ] {
        let error = failure(table(&cards).table(1).read().wait());
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Truncated, Some(1)), "{error:?}");
    }
    assert_modest();
}

#[test]
fn table_headers_that_cannot_be_are_refused() {
    for cards in [
        ["NAXIS1  = 8", "NAXIS2  = 9223372036854775807", "TFIELDS = 1", "TFORM1  = '1D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 1", "TFORM1  = '9223372036854775807D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 1", "TFORM1  = '99999999999999999999D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 1000", "TFORM1  = '1D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = -1", "TFORM1  = '1D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 2", "TFORM1  = '1D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 1", "TFORM1  = '2D'"],
        ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 1", "TFORM1  = '1Z'"],
    ] {
        let error = failure(table(&cards).table(1).read().wait());
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(1)), "{cards:?}: {error:?}");
    }
    assert_modest();
}

#[test]
fn rows_of_no_bytes_end_however_many_they_are() {
    for cards in [
        &["NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 0"][..],
        &["NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 1", "TFORM1  = '0J'"],
        &["NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 2", "TFORM1  = '0J'", "TFORM2  = '0D'"],
    ] {
        let fits = table(cards);
        let (columns, records) = promptly(move || (fits.table(1).read().wait(), fits.table(1).read_records().wait()));
        assert_eq!(columns.unwrap().rows() as u64, i64::MAX as u64, "{cards:?}");
        let records = records.unwrap();
        assert_eq!((records.rows as u64, records.bytes.len()), (i64::MAX as u64, 0), "{cards:?}");
    }
    // Text of no width still takes a character a row in numpy.
    let fits = table(&["NAXIS1  = 0", "NAXIS2  = 9223372036854775807", "TFIELDS = 1", "TFORM1  = '0A'"]);
    assert!(promptly(move || fits.table(1).read_records().wait()).is_err());
    assert_modest();
}

#[test]
fn text_of_no_width_makes_no_memory_of_its_dimensions() {
    let cards = ["NAXIS1  = 1", "NAXIS2  = 100", "TFIELDS = 2", "TFORM1  = '0A'", "TDIM1   = '(0,500000)'"];
    let fits = table(&[&cards[..], &["TFORM2  = '1B'"]].concat());
    let records = fits.table(1).read_records().wait().unwrap();
    assert_eq!((records.rows, records.record_size), (100, 5));
    assert!(records.fields[0].shape.is_empty());
    assert_eq!(fits.table(1).read().wait().unwrap().array::<String>("col1").unwrap().shape(), [100]);
    // Only columns without bytes, of rows that are not in the file: no file bounds their number.
    for (forms, name) in
        [(["TFORM1  = '0A'", "TFORM2  = '1B'"], "col1"), (["TFORM1  = '1B'", "TFORM2  = '0A'"], "col2")]
    {
        let rows = |rows: &str| table(&[&["NAXIS1  = 1", rows, "TFIELDS = 2"][..], &forms].concat());
        assert!(rows("NAXIS2  = 1000000000").table(1).columns([name]).read_records().wait().is_err());
        assert_eq!(rows("NAXIS2  = 100000").table(1).columns([name]).read_records().wait().unwrap().rows, 100_000);
    }
    assert_modest();
}

#[test]
fn shapes_past_all_bounds_have_no_size() {
    let cards = ["NAXIS1  = 8", "NAXIS2  = 1", "TFIELDS = 1", "TFORM1  = '1PB'", "ZIMAGE  = T", "ZCMPTYPE= 'RICE_1'"];
    let axes = ["ZBITPIX = 16", "ZNAXIS  = 2", "ZNAXIS1 = 4611686018427387904", "ZNAXIS2 = 4611686018427387904"];
    let fits = table(&[&cards[..], &axes].concat());
    let hdu = fits.hdu(1).wait().unwrap();
    for error in [failure(hdu.size()), failure(hdu.shape()), failure(fits.image(1).read_dyn().wait())] {
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(1)), "{error:?}");
        assert_says(&error, &["ZNAXISn"]);
    }
    for axes in [["0", "1099511627776", "1099511627776"], ["1099511627776", "1099511627776", "0"]] {
        let fits = FitsReader::from_bytes(primary("16", &axes)).wait().unwrap();
        assert_eq!(fits.hdu(0).wait().unwrap().size().unwrap(), 0);
        assert!(!fits.hdu(0).wait().unwrap().has_data());
    }
    assert_modest();
}

#[test]
fn groups_and_counts_past_all_bounds_are_refused() {
    for (pcount, gcount) in [("9223372036854775807", "2"), ("1", "9223372036854775807"), ("-1", "1"), ("0", "-1")] {
        let counts = [format!("PCOUNT  = {pcount}"), format!("GCOUNT  = {gcount}")];
        let cards = ["XTENSION= 'IMAGE   '", "BITPIX  = 16", "NAXIS   = 1", "NAXIS1  = 10", &counts[0], &counts[1]];
        let fits = FitsReader::from_bytes([empty_primary(), file(&cards)].concat()).wait().unwrap();
        let error = failure(fits.hdu(1).wait());
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(1)), "{error:?}");
    }
    assert_modest();
}

#[test]
fn a_gzip_trailer_that_claims_gigabytes_reserves_none() {
    let mut packed = gzip(&sample());
    let at = packed.len() - 4;
    packed[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(FitsReader::from_bytes(packed).wait().is_err());
    assert_modest();
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    // 200 MB of zeros in 200 kB; the limit applies while it is unpacked, also twice packed.
    let bomb = [gzip(&sample()), gzip(&vec![0; 20 << 20]).repeat(10)].concat();
    LARGEST.store(0, Ordering::Relaxed);
    let server = HttpServer::start();
    for (path, bytes) in [("/once.gz", bomb.clone()), ("/twice.gz", gzip(&bomb))] {
        let options = with_remote(|remote| remote.max_bytes = Some(4 << 20));
        server.put(path, bytes.clone());
        let error = failure(FitsReader::open_with(server.url(path), options.clone()).wait());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{path}: {error:?}");
        assert_eq!(failure(FitsReader::from_bytes_with(bytes, options).wait()).kind(), ErrorKind::TooLarge);
    }
    assert_modest();
}

#[test]
fn a_server_that_claims_terabytes_gets_no_more_than_it_sends() {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    for length in ["3000000000", "9000000000000000000"] {
        let error = failure(FitsReader::open(server.url(&format!("/a.fits?wronglength={length}"))).wait());
        assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
        assert_says(&error, &[length]);
    }
    assert_modest();
}

/// Reads all that there is, whatever it is; only that it ends is asked.
fn read_everything(bytes: Vec<u8>) {
    let Ok(fits) = FitsReader::from_bytes(bytes).wait() else { return };
    let count = fits.count().wait().unwrap();
    for index in 0..count {
        let Ok(hdu) = fits.hdu(index).wait() else { continue };
        hdu.header().keywords().for_each(|keyword| drop(hdu.header().value(&keyword)));
        let _ = (hdu.shape(), hdu.size(), hdu.data_type(), hdu.bitpix(), hdu.rows(), hdu.fields(), hdu.units());
        let _ = (hdu.compression(), hdu.quantization(), hdu.tile_shape());
        let _ = (fits.image(index).read_dyn().wait(), fits.table(index).read().wait());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics_and_never_takes_memory(
        places in prop::collection::vec((0usize..14 * BLOCK, any::<u8>()), 1..20),
        digits in prop::collection::vec((0usize..30, 10usize..30, b'0'..=b'9'), 0..6),
        cut in 0usize..40_000,
    ) {
        let mut bytes = sample();
        for (card, column, digit) in digits {
            bytes[card * 80 + column] = digit;
        }
        for (place, byte) in places {
            if let Some(at) = bytes.get_mut(place) {
                *at = byte;
            }
        }
        bytes.truncate(cut.max(BLOCK));
        read_everything(bytes);
        assert_modest();
    }
}

#[test]
fn compressed_tables_that_lie_about_their_tiles() {
    for (rows, tile) in
        [(1u64 << 62, 1u64), (1 << 62, 1 << 62), (1 << 40, 1 << 20), (1 << 40, 1 << 40), (1 << 30, 1 << 30)]
    {
        for form in ["J", "20A", "PJ(5)", "QD(5)", "0A"] {
            let width = match form {
                "J" => 4,
                "20A" => 20,
                "PJ(5)" => 8,
                "0A" => 0,
                _ => 16,
            };
            let tiles = rows.div_ceil(tile);
            let mut bytes = header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]);
            bytes.extend(header(&[
                "XTENSION= 'BINTABLE'",
                "BITPIX  = 8",
                "NAXIS   = 2",
                "NAXIS1  = 16",
                &format!("NAXIS2  = {}", tiles.min(1 << 50)),
                "PCOUNT  = 2000",
                "GCOUNT  = 1",
                "TFIELDS = 1",
                "TFORM1  = '1QB(5)'",
                "ZTABLE  = T",
                &format!("ZTILELEN= {tile}"),
                &format!("ZNAXIS1 = {width}"),
                &format!("ZNAXIS2 = {rows}"),
                "ZPCOUNT = 0",
                &format!("ZFORM1  = '{form}'"),
                "ZCTYP1  = 'GZIP_1'",
            ]));
            let row: Vec<u8> = [1000u64, 0].into_iter().flat_map(u64::to_be_bytes).collect();
            bytes.extend(row.iter().cycle().take(1 << 16));
            let fits = FitsReader::from_bytes(bytes).wait().unwrap();
            let read = promptly(move || fits.table(1).read().wait());
            assert!(read.is_err(), "{rows} rows in tiles of {tile}, {form}");
        }
    }
    assert_modest();
}

/// A file on disk that is opened for changes.
fn opened(directory: &tempfile::TempDir, bytes: &[u8]) -> FitsWriter {
    let path = directory.path().join("a.fits");
    std::fs::write(&path, bytes).unwrap();
    FitsWriter::open(path).wait().unwrap()
}

#[test]
fn nothing_goes_behind_data_that_are_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let whole = primary("16", &["50"]);
    let fits = opened(&directory, &whole);
    fits.write_image(&array![1i16], ImageOptions::default()).wait().unwrap();
    for cut in [primary("16", &["51"]), primary("16", &["1000000", "1000000"])] {
        let fits = opened(&directory, &cut);
        let compress = Some(TableCompression::default());
        let columns = || vec![ColumnValues::from_array("a", &array![1i32])];
        for error in [
            failure(fits.write_image(&array![1i16], ImageOptions::default()).wait()),
            failure(fits.write_table(columns(), TableOptions::default()).wait()),
            failure(fits.write_table(columns(), TableOptions { compress, ..TableOptions::default() }).wait()),
            failure(fits.copy_hdu(&FitsReader::from_bytes(sample()).wait().unwrap(), 1).wait()),
        ] {
            assert_eq!((error.kind(), error.hdu()), (ErrorKind::Truncated, Some(0)), "{error:?}");
            assert_says(&error, &["cut short", "zeros of what is missing"]);
        }
        drop(fits);
        assert!(std::fs::read(directory.path().join("a.fits")).unwrap() == cut);
    }
    assert_modest();
}

/// A file with a compressed table of 100 rows: an integer, a text, and an array.
fn compressed_table() -> Vec<u8> {
    fits(|writer| {
        let arrays: Vec<Vec<i32>> = (0..100).map(|row| vec![row; row as usize % 5]).collect();
        let columns = vec![
            ColumnValues::from_array("a", &Array1::from_iter(0..100i32)),
            ColumnValues::from_array("b", &Array1::from_iter((0..100).map(|row| format!("{row:06}")))),
            ColumnValues::from_cells("c", &arrays),
        ];
        let options = TableOptions { compress: Some(TableCompression::default()), ..TableOptions::default() };
        writer.write_table(columns, options).wait().unwrap();
    })
}

/// Gives a card of the last HDU another value.
fn with_card(mut bytes: Vec<u8>, keyword: &str, value: &str) -> Vec<u8> {
    let start = format!("{keyword:<8}=");
    let at = bytes.windows(start.len()).rposition(|window| window == start.as_bytes()).unwrap();
    bytes[at..at + 80].copy_from_slice(format!("{:<80}", format!("{start} {value}")).as_bytes());
    bytes
}

#[test]
fn hdus_of_other_than_one_group_keep_their_length() {
    let directory = tempfile::tempdir().unwrap();
    let ids = |rows: i32| vec![ColumnValues::from_array("a", &Array1::from_iter(0..rows))];
    let table = fits(|writer| {
        let columns = [ids(720), vec![ColumnValues::from_array("b", &Array1::from_iter(0..720i32))]].concat();
        writer.write_table(columns, TableOptions::default()).wait().unwrap();
        writer.write_image(&array![1i16], ImageOptions::named("BEHIND")).wait().unwrap();
    });
    for groups in ["0", "2"] {
        // With two groups there are as many bytes behind the rows as they take.
        let mut bytes = table.clone();
        let at = bytes.windows(8).position(|window| window == b"GCOUNT  ").unwrap();
        bytes[at..at + 80].copy_from_slice(format!("{:<80}", format!("GCOUNT  = {groups}")).as_bytes());
        if groups == "2" {
            bytes.splice(5760..5760, [0; 5760]);
        }
        let fits = opened(&directory, &bytes);
        let selector = || fits.reader().table(1);
        for error in [
            failure(selector().append([ids(1), vec![ColumnValues::from_array("b", &array![1i32])]].concat()).wait()),
            failure(selector().truncate(3).wait()),
            failure(selector().delete_column("b").wait()),
            failure(
                selector()
                    .insert_column(ColumnValues::from_array("c", &Array1::from_iter(0..720i32)), Default::default())
                    .wait(),
            ),
        ] {
            assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(1)), "{error:?}");
            assert_says(&error, &["GCOUNT", groups]);
        }
        drop(fits);
        assert!(std::fs::read(directory.path().join("a.fits")).unwrap() == bytes);
    }
}

#[test]
fn changes_of_compressed_tables_that_lie_take_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    // Rows with a text of gigabytes, of which only the integers change.
    let wide = with_card(with_card(compressed_table(), "ZFORM2", "'1000000000A'"), "ZNAXIS1", "1000000020");
    let fits = opened(&directory, &wide);
    let layout = fits.reader().hdu(1).wait().unwrap();
    assert_eq!(layout.rows().unwrap(), 100);
    let one = vec![ColumnValues::from_array("a", &array![7i32])];
    let error = failure(fits.reader().table(1).rows(vec![3]).write(one).wait());
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_says(&error, &["tile 1", "can't hold"]);
    // A table of tiles of gigabytes, of no rows.
    let long = with_card(with_card(compressed_table(), "NAXIS2", "1000000000"), "ZNAXIS2", "0");
    let error = failure(opened(&directory, &long).reader().table(1).repack().wait());
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
    assert_modest();
}
