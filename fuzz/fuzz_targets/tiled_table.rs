//! Compressed tables: any bytes as the columns of a few tiles, read and changed; and values there and back, with the changes that an uncompressed table gets, too.
#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use ndarray::Array1;
use rustfits::{
    Algorithm, ColumnOptions, ColumnPlace, ColumnValues, FitsWriter, TableCompression, TableOptions, WriteOptions,
};
use rustfits_fuzz::{Choices, file_of, read_everything};

const FORMS: [&str; 14] =
    ["1J", "3I", "B", "1E", "2D", "8A", "11X", "L", "1C", "1PJ(9)", "1PB", "1QE(3)", "1PX(20)", "0K"];
/// The most changes that one input asks for.
const MOST_CHANGES: usize = 12;
const ALGORITHMS: [&str; 5] = ["GZIP_1", "GZIP_2", "RICE_1", "NOCOMPRESS", "OTHER"];

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    if choices.byte() % 2 == 0 { changed_as_others(&mut choices) } else { hostile(&mut choices) }
});

/// A table of tiles whose streams are pieces of the input, as they are or gzipped.
fn hostile(choices: &mut Choices<'_>) {
    let columns = 1 + usize::from(choices.byte() % 3);
    let (rows, tile) = (u32::from(choices.byte() % 40), 1 + u32::from(choices.byte() % 20));
    let tiles = rows.div_ceil(tile) as usize;
    let (more, heap_len) = (usize::from(choices.byte() % 3), u32::from(choices.byte()) * 8);
    let columns: Vec<_> = (0..columns).map(|_| (choices.of(&FORMS), choices.of(&ALGORITHMS), choices.byte())).collect();
    let row_len = choices.byte();
    let mut cards: Vec<String> = vec![
        "XTENSION= 'BINTABLE'".into(),
        "BITPIX  = 8".into(),
        "NAXIS   = 2".into(),
        format!("NAXIS1  = {}", 8 * columns.len()),
        format!("NAXIS2  = {}", tiles + more),
        "GCOUNT  = 1".into(),
        format!("TFIELDS = {}", columns.len()),
        "ZTABLE  = T".into(),
        format!("ZTILELEN= {tile}"),
        format!("ZNAXIS1 = {row_len}"),
        format!("ZNAXIS2 = {rows}"),
        format!("ZPCOUNT = {heap_len}"),
        "ZDATASUM= '12345'".into(),
    ];
    for (number, (form, algorithm, _)) in (1..).zip(&columns) {
        cards.push(format!("TTYPE{number}  = 'C{number}'"));
        cards.push(format!("TFORM{number}  = '1PB'"));
        cards.push(format!("ZFORM{number}  = '{form}'"));
        cards.push(format!("ZCTYP{number}  = '{algorithm}'"));
    }
    let share = choices.rest().len() / (tiles * columns.len()).max(1);
    let (mut table, mut heap) = (Vec::new(), Vec::new());
    for _ in 0..tiles {
        for (_, _, way) in &columns {
            let (piece, rest) = choices.rest().split_at(share);
            choices.0 = rest;
            let piece = if way % 2 == 0 { gzipped(piece) } else { piece.to_vec() };
            table.extend([piece.len() as u32, heap.len() as u32].map(u32::to_be_bytes).concat());
            heap.extend(piece);
        }
    }
    table.resize(8 * columns.len() * (tiles + more), 0);
    cards.insert(5, format!("PCOUNT  = {}", heap.len()));
    table.extend(heap);
    let file = file_of(&cards, &table);
    read_everything(&file);
    let Ok(fits) = FitsWriter::from_bytes(file, WriteOptions::default()).wait() else { return };
    let selector = fits.reader().table(1);
    let one = |name: &str| ColumnValues::from_array(name, &Array1::from_vec(vec![1i32]));
    let _ = selector.clone().rows(vec![0]).write(vec![one("C1")]).wait();
    let _ = selector.append(vec![one("C1")]).wait();
    let _ = selector.repack().wait();
    let _ = fits.add_checksum(1).wait();
    let _ = selector.delete_column("C1").wait();
    let values = ColumnValues::from_array("new", &Array1::from_iter(0..rows as i32));
    let _ =
        selector.insert_column(values, ColumnOptions { place: ColumnPlace::At(0), ..ColumnOptions::default() }).wait();
    if let Ok(file) = fits.reader().to_bytes().wait() {
        read_everything(&file);
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same changes of a compressed table and of one that is not give the same table.
fn changed_as_others(choices: &mut Choices<'_>) {
    let compress = TableCompression {
        algorithm: choices.of(&[None, Some(Algorithm::Gzip2 { level: 1 }), Some(Algorithm::Rice1 { block_size: 32 })]),
        tile_rows: Some(1 + u64::from(choices.byte() % 20)),
        ..TableCompression::default()
    };
    let rows = usize::from(choices.byte() % 30);
    let [packed, plain] = [Some(compress), None].map(|compress| {
        let fits = FitsWriter::create("mem://").wait().unwrap();
        let first = columns(rows, &mut Choices(choices.rest()));
        fits.write_table(first, TableOptions { compress, ..TableOptions::named("T") }).wait().unwrap();
        fits
    });
    same(&packed, &plain);
    for _ in 0..MOST_CHANGES {
        if choices.rest().is_empty() {
            break;
        }
        let (what, number) = (choices.byte() % 6, choices.byte());
        let results = [&packed, &plain].map(|fits| {
            let table = fits.reader().table("T");
            let mut values = Choices(choices.rest());
            match what {
                0 => table.append(columns(usize::from(number % 9), &mut values)).wait().is_ok(),
                1 => {
                    let rows = vec![i64::from(number % 9), 2, 0];
                    table.clone().rows(rows).write(columns(3, &mut values)).wait().is_ok()
                }
                2 => table.delete_column(["i", "f", "s", "v"][usize::from(number % 4)]).wait().is_ok(),
                3 => {
                    let rows = fits.reader().hdu("T").wait().unwrap().rows().unwrap() as usize;
                    let values = columns(rows, &mut values).swap_remove(usize::from(number % 4));
                    let place = ColumnPlace::At(i64::from(number % 5));
                    table.insert_column(values, ColumnOptions { place, ..ColumnOptions::default() }).wait().is_ok()
                }
                4 => table.repack().wait().is_ok(),
                _ => {
                    fits.add_checksum("T").wait().unwrap();
                    fits.reader().verify_checksum("T").wait().unwrap().unwrap()
                }
            }
        });
        assert_eq!(results[0], results[1], "change {what} with {number}");
        same(&packed, &plain);
        choices.0 = choices.rest().get(8..).unwrap_or_default();
    }
}

/// Columns of numbers, text and arrays, which begin with those of the input.
fn columns(rows: usize, choices: &mut Choices<'_>) -> Vec<ColumnValues> {
    let bytes: Vec<u8> = (0..rows * 2).map(|_| choices.byte()).collect();
    let texts: Vec<String> = bytes.iter().take(rows).map(|byte| format!("{byte:<4}")).collect();
    let arrays: Vec<Vec<i16>> =
        bytes.iter().take(rows).map(|&byte| vec![i16::from(byte) * 77; usize::from(byte % 6)]).collect();
    vec![
        ColumnValues::from_array("i", &Array1::from_iter(bytes.iter().take(rows).map(|&byte| i32::from(byte) << 9))),
        ColumnValues::from_array("f", &Array1::from_iter(bytes.iter().skip(rows).map(|&byte| f64::from(byte) / 7.0))),
        ColumnValues::from_array("s", &Array1::from_vec(texts)),
        ColumnValues::from_cells("v", &arrays),
    ]
}

fn same(packed: &FitsWriter, plain: &FitsWriter) {
    let [one, other] = [packed, plain].map(|fits| {
        let columns = fits.reader().table("T").read().wait().unwrap();
        (columns, fits.reader().hdu("T").wait().unwrap().fields().unwrap())
    });
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}
