//! Files in memory: bytes that are given, and `mem://`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::Array2;
use rustfits::{ErrorKind, FitsReader, FitsWriter, ImageOptions};

#[test]
fn bytes_are_read_in_any_form() {
    assert_sample(&FitsReader::from_bytes(sample()).wait().unwrap());
    assert_sample(&FitsReader::from_bytes(bytes::Bytes::from(sample())).wait().unwrap());
    assert_sample(&block_on(FitsReader::from_bytes(sample())).unwrap());
    assert_sample(&rustfits::blocking::FitsReader::from_bytes(sample()).unwrap().into_async());
    let leaked: &'static [u8] = Box::leak(sample().into_boxed_slice());
    assert_sample(&FitsReader::from_bytes(leaked).wait().unwrap());
}

#[test]
fn gzip_is_unpacked_however_often_it_was_packed() {
    let once = gzip(&sample());
    assert_sample(&FitsReader::from_bytes(once.clone()).wait().unwrap());
    let twice = gzip(&once);
    let fits = FitsReader::from_bytes(twice).wait().unwrap();
    assert_sample(&fits);
    assert_eq!(fits.to_bytes().wait().unwrap(), sample());
}

#[test]
fn bad_bytes_are_a_bad_argument() {
    let mut damaged = gzip(&sample());
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    for bytes in [Vec::new(), b"not FITS".to_vec(), sample()[..2000].to_vec(), vec![b'x'; 9000], damaged] {
        let error = failure(FitsReader::from_bytes(bytes).wait());
        assert_eq!(error.kind(), ErrorKind::Argument, "{error:?}");
        assert_eq!(error.file(), Some("<bytes>"));
    }
}

#[test]
fn what_is_written_to_memory_reads_back_and_is_nobody_elses() {
    let one = FitsWriter::create("mem://").wait().unwrap();
    let other = FitsWriter::create("mem://").wait().unwrap();
    let index = one.write_image(&ramp(3, 4), ImageOptions::named("A")).wait().unwrap();
    assert_eq!(index, 0);
    assert_eq!(one.write_image(&ramp(2, 2), ImageOptions::named("B")).wait().unwrap(), 1);
    assert_eq!(one.reader().image("B").read::<f32>().wait().unwrap(), ramp(2, 2).into_dyn());
    assert_eq!(other.reader().count().wait().unwrap(), 0);
    assert!(other.reader().to_bytes().wait().unwrap().is_empty());
}

#[test]
fn an_hdu_object_taken_earlier_still_reads_the_right_bytes() {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    writer.write_image(&ramp(3, 4), ImageOptions::default()).wait().unwrap();
    let first = writer.reader().image(0);
    let last = writer.reader().image(-1);
    writer.write_image(&Array2::from_elem((500, 500), 7i32), ImageOptions::default()).wait().unwrap();
    assert_eq!(first.read::<f32>().wait().unwrap(), ramp(3, 4).into_dyn());
    assert!(last.read::<i32>().wait().unwrap().iter().all(|&pixel| pixel == 7));
}

#[test]
fn sixteen_threads_read_one_handle() {
    let fits = FitsReader::from_bytes(sample()).wait().unwrap();
    promptly(move || {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..20).for_each(|_| assert_sample(&fits)));
            }
        });
    });
}

#[test]
fn sixteen_threads_open_from_memory() {
    let packed = gzip(&sample());
    promptly(move || {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    (0..20).for_each(|_| assert_sample(&FitsReader::from_bytes(packed.clone()).wait().unwrap()));
                });
            }
        });
    });
}
