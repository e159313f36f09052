//! Which HDUs a file has: found as they are asked for, by number, name and version.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use rustfits::{ErrorKind, FitsReader, HduKey, HduKind};

fn reader() -> FitsReader {
    FitsReader::from_bytes(sample()).wait().unwrap()
}

/// A primary HDU and extensions without data, each of which has its number as its name.
fn many(extensions: usize) -> Vec<u8> {
    let mut bytes = empty_primary();
    for number in 1..=extensions {
        let name = format!("EXTNAME = 'E{number}'");
        let version = format!("EXTVER  = {}", number % 7);
        bytes.extend(header(&["XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0", &name, &version]));
    }
    bytes
}

#[test]
fn by_number_from_both_ends() {
    let fits = reader();
    for (key, index) in [(0, 0), (3, 3), (-1, 3), (-4, 0), (-2, 2)] {
        assert_eq!(fits.hdu(key).wait().unwrap().index(), index, "{key}");
    }
    for key in [4, 400, -5, i64::MIN, i64::MAX] {
        let error = failure(fits.hdu(key).wait());
        assert_eq!(error.kind(), ErrorKind::Index, "{error:?}");
        assert_says(&error, &[&key.to_string(), "4 HDUs"]);
        assert!(!fits.contains(key).wait().unwrap());
    }
}

#[test]
fn by_name_in_any_case_and_by_version() {
    let fits = reader();
    for name in ["SCI", "sci", " Sci "] {
        assert_eq!(fits.hdu(name).wait().unwrap().index(), 1, "{name}");
    }
    assert_eq!(fits.hdu(("SCI", 1)).wait().unwrap().index(), 1);
    assert_eq!(fits.hdu(("sci", 2)).wait().unwrap().index(), 2);
    assert_eq!(fits.hdu("ERR").wait().unwrap().version(), 1);
    assert!(fits.contains("err").wait().unwrap());
    for (key, name) in
        [(HduKey::from("DQ"), "DQ"), (("SCI", 3).into(), "SCI"), (("ERR", 2).into(), "ERR"), ("".into(), "")]
    {
        assert!(!fits.contains(key.clone()).wait().unwrap());
        let error = failure(fits.hdu(key).wait());
        assert_eq!(error.kind(), ErrorKind::Key, "{error:?}");
        assert_says(&error, &[name, "SCI", "ERR"]);
    }
}

#[test]
fn an_hdu_says_what_it_is() {
    let fits = reader();
    let hdu = fits.hdu("SCI").wait().unwrap();
    assert_eq!((hdu.kind(), hdu.name(), hdu.version()), (HduKind::Image, Some("SCI"), 1));
    assert_eq!((hdu.shape().unwrap(), hdu.bitpix().unwrap()), (vec![3, 20, 25], 16));
    assert!(hdu.has_data());
    let error = failure(hdu.rows());
    assert_eq!((error.kind(), error.hdu()), (ErrorKind::Argument, Some(1)));
}

#[test]
fn three_thousand_extensions_are_all_found() {
    let fits = promptly(|| {
        let fits = FitsReader::from_bytes(many(3000)).wait().unwrap();
        assert_eq!(fits.count().wait().unwrap(), 3001);
        fits
    });
    assert_eq!(fits.hdu("E2999").wait().unwrap().index(), 2999);
    assert_eq!(fits.hdu(("E3000", 4)).wait().unwrap().index(), 3000);
    assert_eq!(fits.hdu(-3001).wait().unwrap().index(), 0);
}

#[test]
fn only_as_many_are_walked_as_are_asked_for() {
    // The tenth extension is broken. Who does not go there does not see it.
    let mut bytes = many(3000);
    let at = 10 * BLOCK + 80;
    bytes[at..at + 20].copy_from_slice(b"BITPIX  = 7         ");
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    assert_eq!(fits.hdu(9).wait().unwrap().name(), Some("E9"));
    assert_eq!(fits.hdu("E5").wait().unwrap().index(), 5);
    assert!(fits.contains("E9").wait().unwrap());
    // Who does is told, and the HDUs before it stay readable.
    for error in [failure(fits.hdu(10).wait()), failure(fits.hdu("E10").wait())] {
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(10)), "{error:?}");
        assert_says(&error, &["BITPIX", "HDU 10"]);
    }
    assert_eq!(fits.count().wait().unwrap(), 11);
    assert_eq!(fits.hdu(9).wait().unwrap().index(), 9);
}

#[test]
fn names_that_are_given_twice() {
    let mut bytes = empty_primary();
    bytes.extend(header(&[
        "XTENSION= 'IMAGE   '",
        "BITPIX  = 8",
        "NAXIS   = 0",
        "EXTNAME = 'COMPRESSED_IMAGE'",
        "EXTNAME = 'REAL    '",
    ]));
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    assert_eq!(fits.hdu("REAL").wait().unwrap().index(), 1);
    assert!(!fits.contains("COMPRESSED_IMAGE").wait().unwrap());
}

/// A file of an empty primary HDU and one more of these cards.
fn extension(cards: &[&str]) -> FitsReader {
    FitsReader::from_bytes([empty_primary(), header(cards), vec![0; BLOCK]].concat()).wait().unwrap()
}

#[test]
fn an_extension_whose_type_is_unreadable_is_refused() {
    for card in ["XTENSION= BINTABLE", "XTENSION=", "XTENSION= 'BINTABLE", "XTENSION 'BINTABLE'", "XTENSION= T"] {
        let fits = extension(&[card, "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 1", "NAXIS2  = 1", "TFIELDS = 0"]);
        let error = failure(fits.hdu(1).wait());
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Illegal, Some(1)), "{card}: {error:?}");
        assert_says(&error, &["XTENSION"]);
        assert_eq!(fits.count().wait().unwrap(), 2);
    }
}

#[test]
fn errors_of_an_hdus_properties_name_the_file() {
    let start = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 1", "NAXIS2  = 1", "TFIELDS = 1"];
    let hdu = extension(&[&start[..], &["TFORM1  = '9J'"]].concat()).hdu(1).wait().unwrap();
    for error in [failure(hdu.rows()), failure(hdu.fields()), failure(hdu.units()), failure(hdu.shape())] {
        assert_eq!((error.file(), error.hdu()), (Some("<bytes>"), Some(1)), "{error:?}");
    }
}
