//! Gzip on disk: told by the bytes and not by the name, all members, and everything that can be wrong with them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::Array2;
use rustfits::{ErrorKind, FitsReader, FitsWriter, ImageOptions};

/// Opens a file of this name and content.
fn open(name: &str, bytes: &[u8]) -> rustfits::Result<FitsReader> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let waited = FitsReader::open(&path).wait();
    let awaited = block_on(FitsReader::open(&path));
    assert_eq!(waited.is_ok(), awaited.is_ok());
    waited
}

#[test]
fn the_content_decides_and_not_the_name() {
    assert_sample(&open("a.fits.gz", &gzip(&sample())).unwrap());
    assert_sample(&open("a.fits", &gzip(&sample())).unwrap());
    assert_sample(&open("a.fits.gz", &sample()).unwrap());
    assert_sample(&open("a.Z", &gzip(&sample())).unwrap());
    assert_sample(&open("a.gz", &gzip(&gzip(&sample()))).unwrap());
}

#[test]
fn any_flag_byte_of_the_gzip_header_is_understood() {
    let plain = gzip(&sample());
    let body = &plain[10..];
    let fields: [(u8, &[u8]); 5] = [
        (0x01, b""),
        (0x04, b"\x05\x00extra"),
        (0x08, b"name.fits\0"),
        (0x10, b"a comment\0"),
        (0x1c, b"\x02\x00xxname\0comment\0"),
    ];
    for (flags, field) in fields {
        let mut bytes = plain[..10].to_vec();
        bytes[3] = flags;
        bytes.extend_from_slice(field);
        bytes.extend_from_slice(body);
        let fits = open("a.gz", &bytes).unwrap_or_else(|error| panic!("flags {flags:#x}: {error}"));
        assert_sample(&fits);
        assert_eq!(fits.warning(), None);
    }
}

#[test]
fn all_members_are_decoded() {
    let whole = sample();
    let bytes: Vec<u8> = whole.chunks(1000).flat_map(gzip).collect();
    let fits = open("a.gz", &bytes).unwrap();
    assert_sample(&fits);
    assert_eq!(fits.warning(), None);
    // Members without content, as some programs put at the end, change nothing.
    let bytes = [gzip(b""), gzip(&whole), gzip(b"")].concat();
    assert_sample(&open("a.gz", &bytes).unwrap());
}

#[test]
fn zeros_behind_the_last_member_are_padding_and_junk_is_a_warning() {
    let packed = gzip(&sample());
    let fits = open("a.gz", &[&packed[..], &[0; 5000]].concat()).unwrap();
    assert_sample(&fits);
    assert_eq!(fits.warning(), None);
    let fits = open("a.gz", &[&packed[..], b"signature of somebody"].concat()).unwrap();
    assert_sample(&fits);
    assert!(fits.warning().unwrap().contains("no gzip"), "{:?}", fits.warning());
}

#[test]
fn a_stream_cut_short_is_truncated_wherever_it_is_cut() {
    let packed = gzip(&sample());
    for length in [2, 5, 10, 11, packed.len() / 2, packed.len() - 8, packed.len() - 4, packed.len() - 1] {
        let error = failure(open("a.gz", &packed[..length]));
        assert_eq!(error.kind(), ErrorKind::Truncated, "{length} bytes: {error:?}");
        assert_says(&error, &["a.gz"]);
    }
    // The second member counts as much as the first.
    let error = failure(open("a.gz", &[&packed[..], &packed[..100]].concat()));
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
}

#[test]
fn a_wrong_checksum_or_length_is_corrupt() {
    for from_end in [8, 5, 4, 1] {
        let mut packed = gzip(&sample());
        let at = packed.len() - from_end;
        packed[at] ^= 0x10;
        let error = failure(open("a.gz", &packed));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {from_end} from the end: {error:?}");
        assert_says(&error, &["a.gz"]);
    }
}

#[test]
fn no_flipped_bit_passes_for_the_file() {
    let whole = sample();
    let packed = gzip(&whole);
    for at in (10..packed.len()).step_by(packed.len() / 150) {
        let mut damaged = packed.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(fits) = FitsReader::from_bytes(damaged).wait() {
            assert_eq!(fits.to_bytes().wait().unwrap(), whole, "byte {at}");
        }
    }
}

#[test]
fn gzip_of_something_else_is_named() {
    let error = failure(open("a.gz", &gzip(&[b'x'; 9000])));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_says(&error, &["SIMPLE"]);
    let error = failure(open("a.gz", &gzip(b"")));
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &["empty"]);
    let error = failure(open("a.gz", &gzip(&sample()[..1000])));
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
}

#[test]
fn data_cut_short_before_they_were_packed_are_found_when_they_are_read() {
    let fits = open("a.gz", &gzip(&sample()[..BLOCK + 1000])).unwrap();
    assert_eq!(failure(fits.image(0).read::<f32>().wait()).kind(), ErrorKind::Truncated);
}

#[test]
fn gzip_within_gzip_ends_somewhere() {
    let mut bytes = one_image(&ramp(2, 3).into_dyn());
    for layer in 0..5 {
        let opened = FitsReader::from_bytes(bytes.clone()).wait();
        assert_eq!(opened.is_ok(), layer <= 3, "{layer}");
        if let Err(error) = opened {
            assert_says(&error, &["gzip within gzip"]);
        }
        bytes = gzip(&bytes);
    }
}

#[test]
fn what_is_written_in_pieces_is_one_member_and_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits.gz");
    // Nothing, less than a piece, many pieces, and more of them than are compressed at once.
    for side in [1, 100, 1300, 4300] {
        let image = Array2::from_shape_fn((side, side), |(row, column)| (row * 31 + column * column % 977) as f32);
        let writer = FitsWriter::create(&path).wait().unwrap();
        writer.write_image(&image, ImageOptions::default()).wait().unwrap();
        writer.close().wait().unwrap();
        let packed = std::fs::read(&path).unwrap();
        let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
        assert!(decoder.into_inner().is_empty(), "one member, with nothing behind it");
        assert!(plain == one_image(&image.into_dyn()));
        assert!(packed.len() < plain.len());
        for fits in [FitsReader::open(&path).wait().unwrap(), FitsReader::from_bytes(packed).wait().unwrap()] {
            assert!(fits.to_bytes().wait().unwrap() == plain);
            assert_eq!(fits.warning(), None);
        }
    }
}
