//! Opening files on disk: names, and every way in which a file is none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use rustfits::{ErrorKind, FitsReader, HduKind, OpenOptions};
use tempfile::TempDir;

/// A directory with one file in it.
fn on_disk(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// The error that opening such a file gives; it names the file.
fn refused(bytes: &[u8]) -> rustfits::Error {
    let (_directory, path) = on_disk("bad.fits", bytes);
    let error = failure(FitsReader::open(&path).wait());
    assert_eq!(error.file(), Some(&*path.to_string_lossy()), "{error:?}");
    let blocking = failure(rustfits::blocking::FitsReader::open(&path));
    let awaited = failure(block_on(FitsReader::open(&path)));
    assert_eq!((blocking.to_string(), awaited.to_string()), (error.to_string(), error.to_string()));
    error
}

#[test]
fn a_file_is_read_by_path_and_by_file_url() {
    let (_directory, path) = on_disk("a b%#é.fits", &sample());
    assert_sample(&FitsReader::open(&path).wait().unwrap());
    assert_sample(&block_on(FitsReader::open(&path)).unwrap());
    assert_sample(&rustfits::blocking::FitsReader::open(&path).unwrap().into_async());
    let escaped = path.to_str().unwrap().replace('%', "%25").replace(' ', "%20").replace('é', "%C3%A9");
    assert_sample(&FitsReader::open(format!("file://{escaped}")).wait().unwrap());
    assert_sample(&FitsReader::open(format!("FILE://localhost{escaped}")).wait().unwrap());
    let elsewhere = failure(FitsReader::open(format!("file://elsewhere{escaped}")).wait());
    assert_eq!(elsewhere.kind(), ErrorKind::Argument);
    assert_says(&elsewhere, &["elsewhere"]);
}

#[test]
fn what_is_not_there_or_not_allowed_has_its_own_kind() {
    let error = failure(FitsReader::open("/no/such/directory/a.fits").wait());
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_says(&error, &["/no/such/directory/a.fits"]);
    let directory = tempfile::tempdir().unwrap();
    let error = failure(FitsReader::open(directory.path()).wait());
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert_says(&error, &[&directory.path().to_string_lossy()]);
}

#[test]
fn unsupported_schemes_say_how_to_do_without() {
    for (name, kind) in [
        ("-", ErrorKind::Unsupported),
        ("stream://", ErrorKind::Unsupported),
        ("shmem://h1", ErrorKind::Unsupported),
        ("root://host/a.fits", ErrorKind::Unsupported),
        ("gsiftp://host/a.fits", ErrorKind::Unsupported),
        ("s3://bucket/a.fits", ErrorKind::Argument),
        ("mem://", ErrorKind::Argument),
    ] {
        let error = failure(FitsReader::open(name).wait());
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_says(&error, &[name]);
    }
}

#[test]
fn remote_options_are_refused_for_a_local_file() {
    let (_directory, path) = on_disk("a.fits", &sample());
    let error = failure(FitsReader::open_with(&path, ranged()).wait());
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_says(&error, &["remote", "a.fits"]);
}

#[test]
fn empty_and_short_files_are_truncated() {
    let error = refused(b"");
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &["empty", "0 bytes"]);
    for length in [1, 8, 80, 2879] {
        let error = refused(&sample()[..length]);
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert_says(&error, &[&format!("{length} bytes")]);
    }
}

#[test]
fn what_is_not_fits_is_named_for_what_it_is() {
    for (start, kind, word) in [
        (&b"just text"[..], ErrorKind::Corrupt, "just text"),
        (b"<!DOCTYPE html><html>", ErrorKind::Corrupt, "web page"),
        (b"BZh91AY&SY", ErrorKind::Corrupt, "bzip2"),
        (b"\xfd7zXZ\0\0", ErrorKind::Corrupt, "xz"),
        (b"\x1f\x9d\x90", ErrorKind::Unsupported, ".Z"),
        (b"PK\x03\x04", ErrorKind::Unsupported, "zip"),
        (b"SIMPLE = T", ErrorKind::Corrupt, "SIMPLE"),
        (b"XTENSION= 'IMAGE   '", ErrorKind::Corrupt, "XTENSION"),
    ] {
        let mut bytes = start.to_vec();
        bytes.resize(3 * BLOCK, b' ');
        let error = refused(&bytes);
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_says(&error, &[word]);
    }
}

#[test]
fn a_header_cut_short_says_where() {
    // A thousand cards, of which a third is there.
    let cards: Vec<String> = (0..1000).map(|number| format!("KEY{number:<5}= {number}")).collect();
    let cards: Vec<&str> = cards.iter().map(String::as_str).collect();
    let start = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"];
    let bytes = header(&[&start[..], &cards[..]].concat());
    let error = refused(&bytes[..10 * BLOCK]);
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &["END", &(10 * BLOCK).to_string()]);
    // The header of an extension: the file opens, what is before it reads.
    let whole = sample();
    let second = FitsReader::from_bytes(whole.clone()).wait().unwrap().image(0).read::<f32>().wait().unwrap();
    let (_directory, path) = on_disk("cut.fits", &whole[..BLOCK + 2 * BLOCK + 240]);
    let fits = FitsReader::open(path).wait().unwrap();
    assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), second);
    let error = failure(fits.hdu(1).wait());
    assert_eq!((error.kind(), error.hdu()), (ErrorKind::Truncated, Some(1)), "{error:?}");
    assert_says(&error, &["cut.fits", "HDU 1"]);
}

#[test]
fn data_cut_short_fail_only_where_they_are_missing() {
    let image = ramp(100, 100).into_dyn();
    let whole = one_image(&image);
    let (_directory, path) = on_disk("cut.fits", &whole[..BLOCK + 20_000]);
    let fits = FitsReader::open(path).wait().unwrap();
    assert_eq!(fits.hdu(0).wait().unwrap().shape().unwrap(), [100, 100]);
    let error = failure(fits.image(0).read::<f32>().wait());
    assert_eq!((error.kind(), error.hdu()), (ErrorKind::Truncated, Some(0)));
    assert_says(&error, &["cut.fits", "HDU 0", &(BLOCK + 20_000).to_string()]);
    let upper = fits.image(0).section(ndarray::s![..50, ..]).read::<f32>().wait().unwrap();
    assert_eq!(upper, image.slice(ndarray::s![..50, ..]).into_dyn());
    assert!(fits.image(0).section(ndarray::s![..51, ..]).read::<f32>().wait().is_err());
}

#[test]
fn a_short_last_block_is_no_error() {
    let whole = one_image(&ramp(10, 10).into_dyn());
    let (_directory, path) = on_disk("a.fits", &whole[..BLOCK + 400]);
    let fits = FitsReader::open(path).wait().unwrap();
    assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), ramp(10, 10).into_dyn());
    assert_eq!(fits.count().wait().unwrap(), 1);
}

#[test]
fn megabytes_behind_the_last_hdu_are_no_hdus() {
    for filler in [0u8, b' ', b'X', 0xff] {
        let mut bytes = sample();
        bytes.resize(bytes.len() + (8 << 20) + 17, filler);
        let (_directory, path) = on_disk("a.fits", &bytes);
        assert_sample(&FitsReader::open(path).wait().unwrap());
    }
    // What looks like an HDU, but not at a place where one may start, is none.
    let mut bytes = sample();
    bytes.extend(vec![0; BLOCK]);
    bytes.extend(header(&["XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0"]));
    assert_sample(&FitsReader::from_bytes(bytes).wait().unwrap());
}

#[test]
fn junk_behind_end_is_accepted() {
    let mut bytes = empty_primary();
    let end = bytes.windows(8).position(|card| card == b"END     ").unwrap();
    bytes[end + 80..].fill(0);
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    assert_eq!(fits.count().wait().unwrap(), 1);
}

#[test]
fn every_extension_type_is_walked_over() {
    let mut bytes = empty_primary();
    bytes.extend(header(&[
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 8",
        "NAXIS2  = 1",
        "PCOUNT  = 2000",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TFORM1  = '1PE(3)'",
    ]));
    bytes.extend(vec![0; BLOCK]);
    bytes.extend(header(&["XTENSION= 'DUMP    '", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 1", "PCOUNT  = 2880"]));
    bytes.extend(vec![0; 2 * BLOCK]);
    bytes.extend(header(&["XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0", "EXTNAME = 'LAST'"]));
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    let kinds: Vec<HduKind> = (0..4).map(|index| fits.hdu(index).wait().unwrap().kind()).collect();
    assert_eq!(kinds, [HduKind::Image, HduKind::BinaryTable, HduKind::Other, HduKind::Image]);
    assert_eq!(fits.hdu("LAST").wait().unwrap().index(), 3);
    assert_eq!(fits.count().wait().unwrap(), 4);
}

#[test]
fn a_closed_file_says_so() {
    let (_directory, path) = on_disk("a.fits", &sample());
    let fits = FitsReader::open(&path).wait().unwrap();
    let clone = fits.clone();
    let image = fits.image(0);
    let before = open_descriptors_of(&path);
    assert_eq!(before, 1);
    fits.close();
    assert!(clone.is_closed());
    assert_eq!(open_descriptors_of(&path), 0);
    for error in [failure(image.read::<f32>().wait()), failure(clone.count().wait()), failure(clone.header(0).wait())] {
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_says(&error, &["a.fits", "open it again"]);
    }
}

fn open_descriptors_of(path: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links.filter(|link| std::fs::read_link(link.as_ref().unwrap().path()).is_ok_and(|target| target == path)).count()
}

#[test]
fn arrays_outlive_their_file_and_hold_no_descriptor() {
    let (_directory, path) = on_disk("a.fits", &sample());
    let images: Vec<_> =
        (0..2000).map(|_| FitsReader::open(&path).wait().unwrap().image("SCI").read::<i16>().wait().unwrap()).collect();
    assert_eq!(open_descriptors_of(&path), 0);
    assert!(images.iter().all(|image| *image == sample_science().into_dyn()));
}

#[test]
fn lenient_takes_the_values_that_the_standard_has_not() {
    let cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "TEMP    = NaN", "GOOD    = 3", "OTHER   = 'caf\u{e9}'"];
    let mut bytes = header(&cards);
    // One byte of Latin-1 in place of the two of UTF-8.
    let at = bytes.windows(2).position(|pair| pair == [0xc3, 0xa9]).unwrap();
    bytes.remove(at);
    bytes.resize(BLOCK, b' ');
    let (_directory, path) = on_disk("odd.fits", &bytes);
    let strict = FitsReader::open(&path).wait().unwrap().header(0).wait().unwrap();
    assert_eq!(strict.get::<i64>("GOOD").unwrap(), 3);
    let error = failure(strict.get::<f64>("TEMP"));
    assert_eq!(error.kind(), ErrorKind::Illegal, "{error:?}");
    assert_says(&error, &["TEMP", "lenient", "odd.fits"]);
    let options = OpenOptions { lenient: true, ..OpenOptions::default() };
    let lenient = FitsReader::open_with(&path, options).wait().unwrap().header(0).wait().unwrap();
    assert!(lenient.get::<f64>("TEMP").unwrap().is_nan());
    assert_eq!(lenient.get::<String>("OTHER").unwrap(), "caf_");
}
