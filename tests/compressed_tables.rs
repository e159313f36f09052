//! Tables in compressed tiles: what is fetched of them, and that damaged ones are errors.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array1, arr0};
use proptest::prelude::*;
use rustfits::{
    Algorithm, ColumnData, ColumnOptions, ColumnPlace, ColumnValues, Field, FitsReader, FitsWriter, HduKind,
    TableCompression, TableOptions, blocking,
};
use rustfits_loopback::HttpServer;

/// Rows of the table of [`compressed`], and of a tile.
const ROWS: usize = 200_000;
const TILE: u64 = 20_000;

/// Numbers that don't become small.
fn noise(row: usize) -> f64 {
    f64::from((row as u32).wrapping_mul(2_654_435_761) >> 7)
}

fn columns(rows: usize) -> Vec<ColumnValues> {
    vec![
        ColumnValues::from_array("id", &Array1::from_iter(0..rows as i32)),
        ColumnValues::from_array("flux", &Array1::from_iter((0..rows).map(noise))),
        ColumnValues::from_array("name", &Array1::from_iter((0..rows).map(|row| format!("star {row}")))),
    ]
}

fn compressed(rows: usize, tile_rows: u64) -> Vec<u8> {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let compress = TableCompression { tile_rows: Some(tile_rows), ..TableCompression::default() };
    let options = TableOptions { compress: Some(compress), ..TableOptions::named("CAT") };
    assert_eq!(fits.write_table(columns(rows), options).wait().unwrap(), 1);
    fits.reader().to_bytes().wait().unwrap()
}

#[test]
fn only_the_columns_and_tiles_that_are_asked_for_are_fetched() {
    let bytes = compressed(ROWS, TILE);
    assert!(bytes.len() > 500_000, "{}", bytes.len());
    let server = HttpServer::start();
    server.put("/a.fits", bytes.clone());
    let url = server.url("/a.fits");
    let fits = promptly(move || FitsReader::open_with(url, ranged()).wait()).unwrap();
    let table = fits.hdu("CAT").wait().unwrap();
    assert_eq!(
        (table.kind(), table.rows().unwrap(), table.tiles().unwrap()),
        (HduKind::CompressedTable, ROWS as u64, 10)
    );
    let sent = || server.requests().iter().map(|request| request.body_sent).sum::<u64>();
    server.clear_log();
    let row = fits.table("CAT").columns(["flux"]).rows(vec![150_001]).read().wait().unwrap();
    assert_eq!(row.array::<f64>("flux").unwrap()[0], noise(150_001));
    let one_stream = sent();
    assert!(one_stream < bytes.len() as u64 / 8, "{one_stream} of {}", bytes.len());
    server.clear_log();
    let whole = fits.table("CAT").read().wait().unwrap();
    assert_eq!(whole.array::<i32>("id").unwrap().as_slice().unwrap(), (0..ROWS as i32).collect::<Vec<_>>());
    assert_eq!(whole.array::<String>("name").unwrap()[199_999], "star 199999");
    assert!(sent() <= bytes.len() as u64);
}

#[test]
fn rows_in_any_order_and_the_blocking_face() {
    let bytes = compressed(1000, 64);
    let fits = blocking::FitsReader::from_bytes(bytes).unwrap();
    let header = fits.header("CAT").unwrap();
    assert_eq!((header.get::<i64>("NAXIS2").unwrap(), header.contains("ZTABLE")), (1000, false));
    let rows = vec![999, 0, 500, 1, -1, 500, 63, 64];
    let read = fits.table("CAT").rows(rows).read().unwrap();
    assert_eq!(read.array::<i32>("id").unwrap().as_slice().unwrap(), [999, 0, 500, 1, 999, 500, 63, 64]);
    assert_eq!(read.array::<String>("name").unwrap()[2], "star 500");
    let mut total = 0;
    for rows in fits.hdu("CAT").unwrap().row_chunks(None).unwrap() {
        total += fits.table("CAT").rows(rows).read().unwrap().rows();
    }
    assert_eq!(total, 1000);
}

#[test]
fn tables_are_made_changed_and_repacked() {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let field = |name: &str, code: &str| Field { name: name.into(), code: code.into(), shape: vec![] };
    let compress = TableCompression {
        algorithm: Some(Algorithm::Gzip2 { level: 5 }),
        tile_rows: Some(10),
        ..TableCompression::default()
    };
    let options = TableOptions { compress: Some(compress), ..TableOptions::named("CAT") };
    let fields = vec![field("id", "i4"), field("flux", "f8"), field("name", "U12")];
    fits.create_table(fields, 25, options).wait().unwrap();
    let table = fits.reader().table("CAT");
    table.append(columns(30)).wait().unwrap();
    table.clone().rows(0..25).write(columns(25)).wait().unwrap();
    let info = fits.reader().hdu("CAT").wait().unwrap();
    assert_eq!((info.rows().unwrap(), info.tiles().unwrap(), info.tile_rows().unwrap()), (55, 6, 10));
    let names: Vec<&str> = info.column_compression().unwrap().iter().map(|(_, name)| *name).collect();
    assert_eq!(names, ["GZIP_2", "GZIP_2", "GZIP_1"]);
    let long = fits.reader().to_bytes().wait().unwrap().len();
    table.repack().wait().unwrap();
    assert!(fits.reader().to_bytes().wait().unwrap().len() <= long);
    let read = table.read().wait().unwrap();
    let expected: Vec<i32> = (0..25).chain(0..30).collect();
    assert_eq!(read.array::<i32>("id").unwrap().as_slice().unwrap(), expected);
}

#[test]
fn columns_go_in_and_out() {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let compress = TableCompression { tile_rows: Some(64), ..TableCompression::default() };
    let options = TableOptions { compress: Some(compress), ..TableOptions::named("CAT") };
    fits.write_table(columns(300), options).wait().unwrap();
    let table = fits.reader().table("CAT");
    let arrays: Vec<Vec<i32>> = (0..300).map(|row| vec![row; row as usize % 5]).collect();
    let place = ColumnOptions { place: ColumnPlace::After("id".into()), ..ColumnOptions::default() };
    table.insert_column(ColumnValues::from_cells("arrays", &arrays), place.clone()).wait().unwrap();
    table.insert_column(ColumnValues::from_array("one", &arr0(0.5f32)), place).wait().unwrap();
    table.delete_column("flux").wait().unwrap();
    fits.add_checksum("CAT").wait().unwrap();
    // Other arrays go behind those that are there, and what they leave goes when the table is repacked.
    for _ in 0..2 {
        let read = table.read().wait().unwrap();
        assert_eq!(read.names().collect::<Vec<_>>(), ["id", "one", "arrays", "name"]);
        assert_eq!(read.array::<f32>("one").unwrap().as_slice().unwrap(), [0.5; 300]);
        let ColumnData::Variable(found) = read.get("arrays").unwrap() else { panic!("no arrays") };
        assert_eq!(found.cell::<i32>(204).unwrap().as_slice().unwrap(), [204; 4]);
        assert_eq!(fits.reader().verify_checksum("CAT").wait().unwrap(), Some(true));
        table
            .clone()
            .rows(vec![204])
            .write(vec![ColumnValues::from_cells("arrays", &[vec![204i32; 4]])])
            .wait()
            .unwrap();
        fits.add_checksum("CAT").wait().unwrap();
        let long = fits.reader().to_bytes().wait().unwrap().len();
        table.repack().wait().unwrap();
        assert!(fits.reader().to_bytes().wait().unwrap().len() <= long);
    }
}

#[test]
fn the_next_row_finds_its_tile_unpacked() {
    let fits = FitsReader::from_bytes(compressed(1000, 100)).wait().unwrap();
    let info = fits.hdu("CAT").wait().unwrap();
    let flux = |row: i64| {
        let read = fits.table("CAT").columns(["flux"]).rows(vec![row]).read().wait().unwrap();
        read.array::<f64>("flux").unwrap()[0]
    };
    assert_eq!((flux(250), info.tile_cache_used()), (noise(250), 800));
    assert_eq!((flux(299), info.tile_cache_used()), (noise(299), 800));
    assert_eq!((flux(300), info.tile_cache_used()), (noise(300), 1600));
    fits.table("CAT").read().wait().unwrap();
    assert_eq!(info.tile_cache_used(), 1600);
    info.clear_tile_cache();
    assert_eq!((info.tile_cache_used(), flux(299)), (0, noise(299)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_other_bytes_is_an_error_or_a_table(changes in prop::collection::vec((0usize..20_000, any::<u8>()), 1..4)) {
        let mut bytes = compressed(300, 100);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(fits) = FitsReader::from_bytes(bytes).wait() {
            let _ = fits.table(1).read().wait();
            let _ = fits.table(1).rows(vec![250, 5]).read_records().wait();
        }
    }
}
