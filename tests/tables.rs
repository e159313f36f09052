//! Binary tables: columns by name, and headers that break the rules.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use rustfits::{ErrorKind, FitsReader};

/// A table of one row of these bytes.
fn table(row: &[u8], cards: &[&str]) -> FitsReader {
    let naxis1 = format!("NAXIS1  = {}", row.len());
    let start = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", &naxis1, "NAXIS2  = 1", "PCOUNT  = 0"];
    let mut bytes = [empty_primary(), header(&[&start[..], cards].concat()), row.to_vec()].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    FitsReader::from_bytes(bytes).wait().unwrap()
}

#[test]
fn what_was_read_is_found_by_the_same_names() {
    let cards = [
        "TFIELDS = 3",
        "TFORM1  = 'B'",
        "TTYPE1  = 'flux'",
        "TFORM2  = 'B'",
        "TTYPE2  = 'FLUX'",
        "TFORM3  = 'B'",
        "TTYPE3  = ' time'",
    ];
    let fits = table(&[1, 2, 3], &cards);
    let all = fits.table(1).read().wait().unwrap();
    for (name, value) in [("flux", 1), ("FLUX", 2), ("Flux", 1), (" time", 3), ("TIME", 3), ("time ", 3)] {
        assert_eq!(all.array::<u8>(name).unwrap()[0], value, "{name}");
        let one = fits.table(1).columns([name]).read().wait().unwrap();
        assert_eq!(one.array::<u8>(name).unwrap()[0], value, "{name}");
    }
}

#[test]
fn a_form_that_breaks_the_rules_is_not_called_missing() {
    for (card, says) in [("TFORM1  = B", "TFORM1"), ("TFORM1  = 'B", "quote"), ("TFORM1  = 8", "TFORM1")] {
        let error = failure(table(&[1], &["TFIELDS = 1", card]).table(1).read().wait());
        assert_eq!(error.kind(), ErrorKind::Illegal);
        assert_says(&error, &[says]);
        assert!(!error.to_string().contains("missing"), "{error}");
    }
    assert_says(&failure(table(&[1], &["TFIELDS = 1"]).table(1).read().wait()), &["TFORM1", "missing"]);
}

#[test]
fn a_name_that_breaks_the_rules_is_told_to_who_asks_for_it() {
    let fits = table(&[1, 2], &["TFIELDS = 2", "TFORM1  = 'B'", "TTYPE1  = flux", "TFORM2  = 'B'", "TTYPE2  = 'time'"]);
    let error = failure(fits.table(1).columns(["flux"]).read().wait());
    assert_eq!(error.kind(), ErrorKind::Key);
    assert_says(&error, &["TTYPE1", "col1"]);
    assert_eq!(fits.table(1).columns(["col1"]).read().wait().unwrap().array::<u8>("col1").unwrap()[0], 1);
    assert_eq!(fits.table(1).read().wait().unwrap().names().collect::<Vec<_>>(), ["col1", "time"]);
}
