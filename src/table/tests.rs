//! Which bytes a read of a table asks for.

use std::ops::Range;

use bytes::Bytes;

use super::{ColumnKey, TablePlan, TableRequest};
use crate::directory::Directory;
use crate::source::{MemorySource, ReadPlan};
use crate::table::Rows;

const ROWS: u64 = 300;

/// A table of these rows, whose columns these cards describe, and of a heap.
fn file(row_len: u64, rows: u64, columns: &[String], data: &[u8]) -> MemorySource {
    let blocks = |cards: &[String]| {
        let text: String = cards.iter().chain(&["END".to_owned()]).map(|card| format!("{card:<80}")).collect();
        format!("{text:<width$}", width = text.len().next_multiple_of(2880)).into_bytes()
    };
    let mut file = blocks(&["SIMPLE  = T".into(), "BITPIX  = 8".into(), "NAXIS   = 0".into()]);
    let mut cards = vec!["XTENSION= 'BINTABLE'".into(), "BITPIX  = 8".into(), "NAXIS   = 2".into()];
    cards.extend([format!("NAXIS1  = {row_len}"), format!("NAXIS2  = {rows}")]);
    cards.extend([format!("PCOUNT  = {}", data.len() as u64 - row_len * rows), "GCOUNT  = 1".into()]);
    cards.push(format!("TFIELDS = {}", columns.len()));
    cards.extend_from_slice(columns);
    file.extend(blocks(&cards));
    file.extend_from_slice(data);
    MemorySource(Bytes::from(file))
}

/// A table with rows of `row_len` bytes: a number of 8 bytes, others, and at the end text of no width.
fn table(row_len: u64) -> MemorySource {
    let columns = ["TFORM1  = 'K'".into(), format!("TFORM2  = '{}B'", row_len - 8), "TFORM3  = '0A'".into()];
    file(row_len, ROWS, &columns, &vec![1; (row_len * ROWS) as usize])
}

fn locate(source: &MemorySource, rows: Rows, columns: &[i64]) -> TablePlan {
    let hdu = Directory::new("test".into(), false).get(1, source).unwrap().unwrap();
    let columns = Some(columns.iter().map(|&column| ColumnKey::Index(column)).collect());
    TablePlan::locate(&hdu, &TableRequest { rows, columns, ..TableRequest::default() }, source).unwrap()
}

fn ranges(source: &MemorySource, rows: Rows) -> Vec<Range<u64>> {
    let plan = locate(source, rows, &[0]);
    (0..plan.len()).flat_map(|part| plan.ranges(part)).collect()
}

#[test]
fn what_lies_between_far_cells_is_not_asked_for() {
    let source = table(6000);
    let found = ranges(&source, Rows::All);
    assert_eq!(found.len() as u64, ROWS);
    assert!(found.iter().all(|range| range.end - range.start == 8));
}

#[test]
fn what_lies_between_near_cells_is() {
    let source = table(400);
    let found = ranges(&source, Rows::Slice { start: Some(0), stop: Some(100), step: 2 });
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].end - found[0].start, 98 * 400 + 8);
}

#[test]
fn far_rows_are_shared_out_by_their_number() {
    const MANY: i64 = 5000;
    let source = file(8, MANY as u64, &["TFORM1  = 'K'".into()], &vec![1; 8 * MANY as usize]);
    let parts = |rows: Rows| locate(&source, rows, &[0]).len();
    assert_eq!((parts(Rows::All), parts((0..MANY).rev().collect::<Vec<_>>().into())), (1, 5));
}

#[test]
fn text_of_no_width_is_empty_wherever_it_stands() {
    for row_len in [16, 6000] {
        let source = table(row_len);
        for rows in [Rows::All, Rows::Slice { start: None, stop: None, step: -3 }] {
            let plan = locate(&source, rows, &[2, 0]);
            for part in 0..plan.len() {
                let sizes = plan.output_sizes(part);
                // The memory of results is used again: what is not written shows.
                let (mut text, mut numbers) = (vec![9; sizes[0]], vec![9; sizes[1]]);
                plan.decode(part, &source, &mut [&mut text, &mut numbers]).unwrap();
                assert!(text.iter().all(|&byte| byte == 0) && numbers.iter().all(|&byte| byte == 1));
            }
        }
    }
}

/// A table of descriptors, whose arrays are of `length` bytes and `gap` bytes apart in the heap.
fn heaped(rows: u64, length: u64, gap: u64) -> MemorySource {
    let mut data = Vec::new();
    for row in 0..rows {
        data.extend((length as i32).to_be_bytes());
        data.extend(((row * (length + gap)) as i32).to_be_bytes());
    }
    data.resize(data.len() + (rows * (length + gap)) as usize, 5);
    file(8, rows, &["TFORM1  = 'PB'".into()], &data)
}

#[test]
fn near_arrays_are_read_in_one_go_and_far_ones_not() {
    let heap_ranges = |gap| {
        let source = heaped(50, 100, gap);
        let plan = locate(&source, Rows::All, &[0]);
        (0..plan.len()).flat_map(|part| plan.ranges(part)).collect::<Vec<_>>()
    };
    let near = heap_ranges(7);
    assert_eq!(near.len(), 1);
    assert_eq!(near[0].end - near[0].start, 50 * 107 - 7);
    let far = heap_ranges(6000);
    assert_eq!(far.len(), 50);
    assert!(far.iter().all(|range| range.end - range.start == 100));
}

#[test]
fn parts_of_arrays_are_bounded() {
    let source = heaped(64, 100_000, 0);
    let plan = locate(&source, Rows::All, &[0]);
    let sizes: Vec<usize> = (0..plan.len()).map(|part| plan.output_sizes(part).iter().sum()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 64 * 100_000);
    assert!(sizes.len() > 5 && sizes.iter().all(|&size| size <= 1 << 20), "{sizes:?}");
}
