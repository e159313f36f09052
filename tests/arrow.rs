//! Tables as Arrow record batches, out and in; and in memory that does not grow with the table.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt16Type};
use arrow_array::{
    Array, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchIterator,
    StringArray, UInt16Array,
};
use arrow_schema::{DataType, Field, Schema};
use common::*;
use futures_util::StreamExt;
use ndarray::{Array3, arr1};
use rustfits::{ColumnValues, ErrorKind, FitsReader, FitsWriter, TableOptions, TableValues};

fn binary(cards: &[&str], rows: usize, data: &[u8], heap: usize) -> FitsReader {
    let (naxis1, naxis2) = (format!("NAXIS1  = {}", (data.len() - heap) / rows), format!("NAXIS2  = {rows}"));
    let pcount = format!("PCOUNT  = {heap}");
    let start = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", &naxis1, &naxis2, &pcount, "GCOUNT  = 1"];
    let mut file = [empty_primary(), header(&[&start[..], cards].concat()), data.to_vec()].concat();
    file.resize(file.len().next_multiple_of(BLOCK), 0);
    FitsReader::from_bytes(file).wait().unwrap()
}

#[test]
fn nulls_bits_and_arrays_are_what_arrow_has_for_them() {
    let cards = [
        "TFIELDS = 6",
        "TTYPE1  = 'N'",
        "TFORM1  = 'I'",
        "TNULL1  = -1",
        "TUNIT1  = 'adu'",
        "TTYPE2  = 'L'",
        "TFORM2  = '2L'",
        "TTYPE3  = 'X'",
        "TFORM3  = '11X'",
        "TTYPE4  = 'M'",
        "TFORM4  = '6I'",
        "TDIM4   = '(3,2)'",
        "TTYPE5  = 'C'",
        "TFORM5  = 'C'",
        "TTYPE6  = 'N'",
        "TFORM6  = '4A'",
    ];
    let row = |number: i16, logicals: &[u8; 2], bits: [u8; 2], text: &[u8; 4]| {
        let mut row = Vec::new();
        row.extend(number.to_be_bytes());
        row.extend(logicals);
        row.extend(bits);
        (0i16..6).for_each(|element| row.extend((number + element).to_be_bytes()));
        [1.5f32, -2.5].iter().for_each(|part| row.extend(part.to_be_bytes()));
        row.extend(text);
        row
    };
    let rows = [row(-1, b"T\0", [0b1000_0000, 0b0010_0000], b"a b "), row(7, b"FT", [0, 0], b"\0xyz")].concat();
    let fits = binary(&cards, 2, &rows, 0);
    let batch = fits.table(1).read_batch().wait().unwrap();
    let schema = batch.schema();
    // A name that comes twice gets a number.
    assert_eq!(
        schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["N", "L", "X", "M", "C", "N_6"]
    );
    assert_eq!(schema.field(0).metadata()["unit"], "adu");
    assert_eq!(batch.column(0).as_primitive::<Int16Type>().iter().collect::<Vec<_>>(), [None, Some(7)]);

    let logicals = batch.column(1).as_fixed_size_list();
    assert_eq!(logicals.null_count(), 0);
    let logicals: Vec<_> = logicals.values().as_boolean().iter().collect();
    assert_eq!(logicals, [Some(true), None, Some(false), Some(true)]);

    assert_eq!(schema.field(2).metadata()["element"], "bit");
    let bits = batch.column(2).as_fixed_size_list().value(0);
    let set: Vec<usize> =
        bits.as_boolean().iter().enumerate().filter(|(_, bit)| *bit == Some(true)).map(|(at, _)| at).collect();
    assert_eq!((bits.len(), set), (11, vec![0, 10]));

    let matrix = batch.column(3).as_fixed_size_list();
    assert_eq!((matrix.value_length(), matrix.value(1).as_fixed_size_list().value_length()), (2, 3));
    let second = matrix.value(1).as_fixed_size_list().value(1);
    assert_eq!(second.as_primitive::<Int16Type>().values(), &[10, 11, 12]);

    assert_eq!(schema.field(4).metadata()["element"], "complex");
    assert_eq!(batch.column(4).as_fixed_size_list().value(1).as_primitive::<Float32Type>().values(), &[1.5, -2.5]);
    assert_eq!(batch.column(5).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a b"), Some("")]);

    let stored = fits.table(1).columns(["M"]).rows(vec![1]).read_batch().wait().unwrap();
    assert_eq!((stored.num_rows(), stored.num_columns()), (1, 1));
    assert_eq!(fits.table(1).columns(Vec::<&str>::new()).read_batch().wait().unwrap().num_rows(), 2);
}

#[test]
fn arrays_of_variable_length_are_lists() {
    let cards =
        ["TFIELDS = 2", "TTYPE1  = 'V'", "TFORM1  = 'PJ(3)'", "TNULL1  = 9", "TTYPE2  = 'T'", "TFORM2  = 'PA(5)'"];
    let mut data = Vec::new();
    for (length, offset) in [(2i32, 0i32), (3, 12), (0, 0), (2, 12), (1, 8), (0, 0)] {
        data.extend(length.to_be_bytes());
        data.extend(offset.to_be_bytes());
    }
    [5i32, 9, 7].iter().for_each(|element| data.extend(element.to_be_bytes()));
    data.extend(b"ab ");
    let batch = binary(&cards, 3, &data, 15).table(1).read_batch().wait().unwrap();
    let lists = batch.column(0).as_list::<i32>();
    let cell = |row: usize| lists.value(row).as_primitive::<Int32Type>().iter().collect::<Vec<_>>();
    assert_eq!((cell(0), cell(1), cell(2)), (vec![Some(5), None], vec![], vec![Some(7)]));
    assert_eq!(batch.column(1).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("ab"), Some("ab"), Some("")]);
}

#[test]
fn numbers_lie_where_they_were_decoded() {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let numbers: Vec<f64> = (0..1000).map(f64::from).collect();
    fits.write_table(vec![ColumnValues::from_array("a", &arr1(&numbers))], TableOptions::named("CAT")).wait().unwrap();
    let batch = fits.reader().table("CAT").read_batch().wait().unwrap();
    let column = batch.column(0).as_primitive::<Float64Type>();
    assert_eq!(column.values(), numbers.as_slice());
    // The memory is as large as the column: nothing was built beside it.
    assert_eq!((column.values().inner().len(), column.nulls().is_none()), (8000, true));
}

#[test]
fn batches_are_written_and_come_back() {
    let metadata = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
    let cube = Array3::from_shape_fn((3, 2, 2), |(row, y, x)| (4 * row + 2 * y + x) as f32);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::UInt16, true),
        Field::new("ra", DataType::Float64, true).with_metadata(metadata("unit", "deg")),
        Field::new("name", DataType::Utf8, true),
        Field::new("flag", DataType::Boolean, true).with_metadata(metadata("element", "bit")),
    ]));
    let batch = |ids: Vec<Option<u16>>, ra: Vec<Option<f64>>, names: Vec<Option<&str>>, flags: Vec<bool>| {
        let columns = vec![
            Arc::new(UInt16Array::from(ids)) as _,
            Arc::new(Float64Array::from(ra)) as _,
            Arc::new(StringArray::from(names)) as _,
            Arc::new(BooleanArray::from(flags)) as _,
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let first = batch(vec![Some(1), None], vec![Some(0.5), None], vec![Some("Vega"), None], vec![true, false]);
    let second = batch(vec![Some(65535)], vec![Some(2.5)], vec![Some("longer")], vec![true]);
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let batches = RecordBatchIterator::new([Ok(first.clone()), Ok(second)], Arc::clone(&schema));
    fits.write_table(TableValues::from_batches(batches), TableOptions::named("CAT")).wait().unwrap();
    let header = fits.reader().header("CAT").wait().unwrap();
    assert_eq!(header.get::<String>("TUNIT2").unwrap(), "deg");
    assert_eq!(
        (header.get::<String>("TFORM3").unwrap(), header.get::<String>("TFORM4").unwrap()),
        ("6A".into(), "1X".into())
    );
    assert!(header.get::<i64>("TNULL1").is_ok());

    let table = fits.reader().table("CAT");
    let back = table.read_batch().wait().unwrap();
    assert_eq!(back.column(0).as_primitive::<UInt16Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(65535)]);
    assert!(back.column(1).as_primitive::<Float64Type>().value(1).is_nan());
    assert_eq!(back.column(2).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("Vega"), Some(""), Some("longer")]);

    // What was read can be appended: of another table, and of the same one.
    table.append(first).wait().unwrap();
    table.append(TableValues::from_batches(table.batches(Some(2)).wait().unwrap())).wait().unwrap();
    assert_eq!(fits.reader().hdu("CAT").wait().unwrap().rows().unwrap(), 10);
    table.clone().rows(0..1).write(TableValues::from(back.slice(2, 1)).only(vec!["name".into()])).wait().unwrap();
    assert_eq!(
        table.columns(["name"]).rows(0..1).read_batch().wait().unwrap().column(0).as_string::<i32>().value(0),
        "longer"
    );

    // Arrays in cells, complex ones too, written from their own batch.
    let complex = arr1(&[[1.5f64, -1.0], [2.0, 0.25], [f64::NAN, 0.0]]);
    let columns = vec![ColumnValues::from_array("cube", &cube), ColumnValues::from_array("z", &complex)];
    fits.write_table(columns, TableOptions::named("ARRAYS")).wait().unwrap();
    let arrays = fits.reader().table("ARRAYS");
    let batch = arrays.read_batch().wait().unwrap();
    fits.write_table(batch, TableOptions::named("AGAIN")).wait().unwrap();
    let (once, again) =
        (arrays.read_records().wait().unwrap(), fits.reader().table("AGAIN").read_records().wait().unwrap());
    assert_eq!(once.bytes, again.bytes);
    assert_eq!(fits.reader().header("AGAIN").wait().unwrap().get::<String>("TFORM2").unwrap(), "1M");
}

#[test]
fn lists_become_columns_of_variable_length() {
    use arrow_array::ListArray;
    use arrow_array::types::Int16Type as Short;

    let cells = vec![Some(vec![Some(1), None, Some(3)]), None, Some(vec![]), Some(vec![Some(-7)])];
    let list = ListArray::from_iter_primitive::<Short, _, _>(cells);
    let batch = RecordBatch::try_from_iter_with_nullable([("v", Arc::new(list) as _, true)]).unwrap();
    let fits = FitsWriter::create("mem://").wait().unwrap();
    // A slice of lists begins within their elements.
    let batches = [Ok(batch.slice(3, 1)), Ok(batch.clone())];
    let batches = RecordBatchIterator::new(batches, batch.schema());
    fits.write_table(TableValues::from_batches(batches), TableOptions::named("CAT")).wait().unwrap();
    assert_eq!(fits.reader().header("CAT").wait().unwrap().get::<String>("TFORM1").unwrap(), "1PI(3)");
    let back = fits.reader().table("CAT").read_batch().wait().unwrap();
    let lists = back.column(0).as_list::<i32>();
    let cell = |row: usize| lists.value(row).as_primitive::<Short>().iter().collect::<Vec<_>>();
    assert_eq!(cell(0), [Some(-7)]);
    assert_eq!(cell(1), [Some(1), None, Some(3)]);
    assert_eq!((cell(2), cell(3)), (vec![], vec![]));
    assert_eq!(cell(4), [Some(-7)]);
    // And once more, from what was read.
    fits.write_table(back.clone(), TableOptions::named("AGAIN")).wait().unwrap();
    assert_eq!(fits.reader().table("AGAIN").read_batch().wait().unwrap(), back);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_written() {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let before = fits.to_bytes().wait().unwrap();
    let refused = |array: Arc<dyn Array>| {
        let batch = RecordBatch::try_from_iter_with_nullable([("a", array, true)]).unwrap();
        failure(fits.write_table(batch, TableOptions::default()).wait())
    };
    let days = refused(Arc::new(arrow_array::Date32Array::from(vec![1])));
    assert_eq!(days.kind(), ErrorKind::Type);
    assert_says(&days, &["column 'a'", "Date32", "cast"]);
    assert_says(&refused(Arc::new(StringArray::from(vec!["ä"]))), &["column 'a'", "row 0", "not ASCII"]);
    let failing = RecordBatchIterator::new(
        [Err(arrow_schema::ArrowError::ComputeError("the source broke".into()))],
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)])),
    );
    let error = failure(fits.write_table(TableValues::from_batches(failing), TableOptions::default()).wait());
    assert_says(&error, &["the source broke"]);
    assert_eq!(fits.to_bytes().wait().unwrap(), before);
}

#[test]
fn text_that_is_not_utf8_is_an_error_unless_read_leniently() {
    let cards = ["TFIELDS = 1", "TTYPE1  = 'T'", "TFORM1  = '4A'"];
    let fits = binary(&cards, 2, b"\xc3\xa4b ok\xff ", 0);
    let first = fits.table(1).rows(0..1).read_batch().wait().unwrap();
    assert_eq!(first.column(0).as_string::<i32>().value(0), "äb");
    let error = failure(fits.table(1).read_batch().wait());
    assert_eq!(error.kind(), ErrorKind::Illegal);
    assert_says(&error, &["column 'T'", "UTF-8", "as_bytes"]);
}

#[tokio::test]
async fn batches_cover_the_selected_rows_in_their_order() {
    let fits = FitsWriter::create("mem://").await.unwrap();
    let numbers: Vec<i64> = (0..1000).collect();
    fits.write_table(vec![ColumnValues::from_array("n", &arr1(&numbers))], TableOptions::named("CAT")).await.unwrap();
    let table = fits.reader().table("CAT");
    let selections: [(rustfits::Rows, Vec<i64>); 3] = [
        (rustfits::Rows::All, numbers.clone()),
        (rustfits::Rows::Slice { start: Some(900), stop: Some(3), step: -7 }, (4..=900).rev().step_by(7).collect()),
        (vec![5, 5, -1, 0].into(), vec![5, 5, 999, 0]),
    ];
    for (rows, wanted) in selections {
        let reader = table.clone().rows(rows).batches(Some(3)).await.unwrap();
        let schema = reader.schema();
        let mut stream = reader.into_stream();
        let mut found = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.unwrap();
            assert!(batch.num_rows() <= 3);
            assert_eq!(batch.schema(), schema);
            found.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
        assert_eq!(found, wanted);
    }
    let mut reader = table.batches(Some(10)).await.unwrap();
    assert!(reader.next().unwrap().is_ok());
    fits.close().await.unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(failure(table.batches(Some(0)).await).kind(), ErrorKind::Closed);
}

#[test]
fn many_types_survive_a_round_trip() {
    let batch = RecordBatch::try_from_iter([
        ("i", Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])) as _),
        ("f", Arc::new(Float32Array::from(vec![1.5, f32::INFINITY, -0.0])) as _),
        ("j", Arc::new(Int32Array::from(vec![None, Some(i32::MIN), Some(i32::MAX)])) as _),
    ])
    .unwrap();
    let fits = FitsWriter::create("mem://").wait().unwrap();
    fits.write_table(batch.clone(), TableOptions::named("CAT")).wait().unwrap();
    let back = fits.reader().table("CAT").read_batch().wait().unwrap();
    assert_eq!(back.columns(), batch.columns());
}
