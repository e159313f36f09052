//! Variable-length columns and ASCII tables in Rust: awaited, waited for, in chunks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use futures_util::StreamExt;
use ndarray::arr1;
use rustfits::{ColumnData, ColumnOptions, ColumnValues, ErrorKind, FitsReader, FitsWriter, HeapFormat, TableOptions};

const ROWS: usize = 100;

fn file(cards: &[&str], data: &[u8]) -> Vec<u8> {
    let mut file = [empty_primary(), header(cards), data.to_vec()].concat();
    file.resize(file.len().next_multiple_of(BLOCK), 0);
    file
}

/// Row n: the number n, an array of n % 4 floats that are n, and a text of n % 3 letters.
fn variable() -> Vec<u8> {
    let (mut rows, mut heap) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        rows.extend((row as i32).to_be_bytes());
        rows.extend((row as i32 % 4).to_be_bytes());
        rows.extend((heap.len() as i32).to_be_bytes());
        (0..row % 4).for_each(|_| heap.extend((row as f32).to_be_bytes()));
        rows.extend((row as i64 % 3).to_be_bytes());
        rows.extend((heap.len() as i64).to_be_bytes());
        heap.extend(&b"abc"[..row % 3]);
    }
    let pcount = format!("PCOUNT  = {}", heap.len());
    rows.extend(heap);
    let cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 28",
        "NAXIS2  = 100",
        &pcount,
        "GCOUNT  = 1",
        "TFIELDS = 3",
        "TTYPE1  = 'N'",
        "TFORM1  = 'J'",
        "TTYPE2  = 'FLUX'",
        "TFORM2  = 'PE(3)'",
        "TTYPE3  = 'TEXT'",
        "TFORM3  = '1QA(2)'",
    ];
    file(&cards, &rows)
}

#[tokio::test]
async fn variable_length_columns_are_offsets_and_values() {
    let fits = FitsReader::from_bytes(variable()).await.unwrap();
    let table = fits.table(1).read().await.unwrap();
    assert_eq!(table.array::<i32>("n").unwrap().len(), ROWS);
    let Some(ColumnData::Variable(flux)) = table.get("FLUX") else { panic!("not variable") };
    assert_eq!((flux.rows(), flux.code()), (ROWS, "f4"));
    assert_eq!(&flux.offsets()[..6], [0, 0, 1, 3, 6, 6]);
    for row in 0..ROWS {
        assert_eq!(flux.cell::<f32>(row).unwrap().into_owned().into_raw_vec_and_offset().0, vec![row as f32; row % 4]);
    }
    assert_eq!(flux.cell::<f64>(0).unwrap_err().kind(), ErrorKind::Type);
    assert_eq!(flux.cell::<f32>(ROWS).unwrap_err().kind(), ErrorKind::Index);
    let text = table.array::<String>("TEXT").unwrap();
    assert!(text.iter().enumerate().all(|(row, text)| *text == "abc"[..row % 3]));
}

#[tokio::test]
async fn chunks_are_read_one_after_the_other() {
    let fits = FitsReader::from_bytes(variable()).await.unwrap();
    let chunks = fits.hdu(1).await.unwrap().row_chunks(Some(30)).unwrap();
    let read: Vec<_> = fits.table(1).stream(chunks).collect().await;
    let rows: Vec<usize> = read.iter().map(|records| records.as_ref().unwrap().rows).collect();
    assert_eq!(rows, [30, 30, 30, 10]);
    let last = read.last().unwrap().as_ref().unwrap();
    assert_eq!(last.fields.iter().map(|field| field.code.as_str()).collect::<Vec<_>>(), ["i4", "O", "O"]);
    assert_eq!(last.arrays[0].cell::<f32>(1).unwrap().as_slice(), Some(&[91.0; 3][..]));
    assert_eq!(last.arrays[1].text(1).unwrap(), b"a");
    assert_eq!(last.arrays[0].text(1).unwrap_err().kind(), ErrorKind::Type);
}

#[test]
fn ascii_tables_are_columns_too() {
    let cards = [
        "XTENSION= 'TABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 12",
        "NAXIS2  = 2",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 3",
        "TTYPE1  = 'A'",
        "TFORM1  = 'A4'",
        "TBCOL1  = 1",
        "TTYPE2  = 'I'",
        "TFORM2  = 'I3'",
        "TBCOL2  = 5",
        "TTYPE3  = 'F'",
        "TFORM3  = 'F5.2'",
        "TBCOL3  = 8",
        "TNULL2  = 'xx'",
    ];
    let fits = FitsReader::from_bytes(file(&cards, b"one   1 1.50two xx   250")).wait().unwrap();
    let table = fits.table(1).read().wait().unwrap();
    assert_eq!(table.array::<String>("A").unwrap().as_slice().unwrap(), ["one", "two"]);
    assert_eq!(table.array::<i32>("I").unwrap().as_slice().unwrap(), [1, 0]);
    assert_eq!(table.array::<f64>("F").unwrap().as_slice().unwrap(), [1.5, 2.5]);
    let records = fits.table(1).columns(["F", "I"]).masked().read_records().wait().unwrap();
    assert_eq!(records.mask.as_deref(), Some(&[0, 0, 0, 1][..]));
    assert_eq!(fits.hdu(1).wait().unwrap().formats().unwrap()[2], ("F".to_owned(), "F5.2".to_owned()));
}

#[tokio::test]
async fn arrays_are_written_and_rewritten() {
    let fits = FitsWriter::create("mem://").await.unwrap();
    let columns = vec![
        ColumnValues::from_cells("flux", &[vec![1.5f32, 2.5], vec![], vec![3.5]]),
        ColumnValues::from_texts("note", &["", "a text", ""]),
        ColumnValues::from_cells("flags", &[vec![true, false, true], vec![], vec![true]]),
        ColumnValues::from_array("n", &arr1(&[1i16, 2, 3])),
    ];
    let options = TableOptions {
        bit_columns: vec!["flags".into()],
        heap_format: Some(HeapFormat::Q),
        array_types: vec![("n".into(), "u4".into())],
        ..TableOptions::named("EVT")
    };
    // Numbers of one axis are no arrays.
    let error = fits.write_table(columns.clone(), options.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    let options = TableOptions { array_types: vec![("flux".into(), "f8".into())], ..options };
    fits.write_table(columns, options).await.unwrap();
    let table = fits.reader().table("EVT");
    let cell = ColumnValues::from_cells("flux", &[[7i32, 8, 9]]);
    table.clone().rows(vec![-1]).write(vec![cell]).await.unwrap();
    let more = vec![
        ColumnValues::from_cells("flux", &[vec![4.5f64]]),
        ColumnValues::from_texts("note", &["more"]),
        ColumnValues::from_cells("flags", &[vec![false; 9]]),
        ColumnValues::from_array("n", &arr1(&[4i16])),
    ];
    table.append(more).await.unwrap();
    let options = ColumnOptions { array_type: Some("S".into()), ..ColumnOptions::default() };
    table.insert_column(ColumnValues::from_array("t", &arr1(&["a", "bc", "", "d"])), options).await.unwrap();
    table.repack().await.unwrap();
    let read = table.read().await.unwrap();
    let Some(ColumnData::Variable(flux)) = read.get("flux") else { panic!("not variable") };
    assert_eq!((flux.code(), flux.offsets()), ("f8", &[0, 2, 2, 5, 6][..]));
    assert_eq!(flux.cell::<f64>(2).unwrap().as_slice(), Some(&[7.0, 8.0, 9.0][..]));
    let Some(ColumnData::Variable(flags)) = read.get("flags") else { panic!("not variable") };
    assert_eq!(flags.cell::<bool>(0).unwrap().as_slice(), Some(&[true, false, true][..]));
    assert_eq!(read.array::<String>("note").unwrap().as_slice().unwrap(), ["", "a text", "", "more"]);
    assert_eq!(read.array::<String>("t").unwrap().as_slice().unwrap(), ["a", "bc", "", "d"]);
    let form = |number: usize| fits.reader().header("EVT").wait().unwrap().get::<String>(&format!("TFORM{number}"));
    assert_eq!([form(1).unwrap(), form(2).unwrap(), form(3).unwrap()], ["1QD(3)", "1QA(6)", "1QX(9)"]);
}
