//! Compressed images that are written and changed: they can be stopped while they are packed, and then nothing has happened.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array1, Array2, arr0, s};
use rustfits::{Algorithm, Compression, ErrorKind, FitsReader, FitsWriter, ImageOptions, WriteOptions};

/// Numbers that take long to pack.
fn noise(rows: usize) -> Array2<i32> {
    let mut state = 1u32;
    Array2::from_shape_simple_fn((rows, 2000), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 12) as i32
    })
}

fn slowly(name: &str) -> ImageOptions {
    let compression = Compression::of(Algorithm::Gzip1 { level: 12 });
    ImageOptions { compress: Some(compression), ..ImageOptions::named(name) }
}

#[test]
fn what_is_stopped_while_it_is_packed_leaves_the_file_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    let data = noise(6000);
    let writer = FitsWriter::create(&path).wait().unwrap();
    for started in [false, true] {
        if started {
            writer.write_image(&Array1::<i16>::zeros(7), ImageOptions::named("P")).wait().unwrap();
        }
        let before = std::fs::read(&path).unwrap();
        for place in [None, Some(0)] {
            let options = ImageOptions { before: place.filter(|_| started).map(Into::into), ..slowly("SCI") };
            let stopped = writer.write_image(&data, options).wait_until(|| true);
            assert_eq!(failure(stopped).kind(), ErrorKind::Cancelled);
            assert!(std::fs::read(&path).unwrap() == before, "{started} {place:?}");
            assert_eq!(writer.reader().count().wait().unwrap(), usize::from(started));
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    // The file goes on being usable.
    writer.write_image(&noise(3), slowly("SCI")).wait().unwrap();
    writer.close().wait().unwrap();
    assert_eq!(FitsReader::open(&path).wait().unwrap().image("SCI").read::<i32>().wait().unwrap(), noise(3).into_dyn());
}

#[test]
fn a_change_that_is_stopped_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    let writer = FitsWriter::create(&path).wait().unwrap();
    let options = ImageOptions { compress: Some("GZIP_2".parse().unwrap()), ..ImageOptions::named("SCI") };
    writer.create_image(rustfits::DataType::I32, vec![6000, 2000], options).wait().unwrap();
    let before = std::fs::read(&path).unwrap();
    let stopped = writer.reader().image("SCI").write(&noise(6000)).wait_until(|| true);
    assert_eq!(failure(stopped).kind(), ErrorKind::Cancelled);
    assert!(std::fs::read(&path).unwrap() == before);
    writer.write_section("SCI", s![7, ..9], &arr0(5i32)).wait().unwrap();
    let row = writer.reader().image("SCI").section(s![7, 5..11]).read::<i32>().wait().unwrap();
    assert_eq!(row, ndarray::array![5, 5, 5, 5, 0, 0].into_dyn());
}

#[test]
fn readers_of_a_file_that_changes_see_old_tiles_or_new_ones() {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    let options = ImageOptions { compress: Some("RICE_1".parse().unwrap()), ..ImageOptions::named("SCI") };
    writer.write_image(&Array2::<i32>::zeros((50, 300)), options).wait().unwrap();
    let reader = writer.reader().clone();
    let end = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    for rows in [s![.., ..], s![10..20, ..50]] {
                        let image = reader.image("SCI").section(rows).read::<i32>().wait().unwrap();
                        for row in image.outer_iter() {
                            assert!(row.iter().all(|value| Some(value) == row.first()));
                        }
                    }
                }
            });
        }
        for number in 1..200 {
            let row = number % 49;
            writer.write_section("SCI", s![row..row + 2, ..], &arr0(number)).wait().unwrap();
            if number % 50 == 0 {
                writer.reader().image("SCI").repack().wait().unwrap();
            }
        }
        end.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn where_no_new_file_can_take_its_place_the_old_one_is_changed_alike() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    let writer = FitsWriter::create(&path).wait().unwrap();
    // More than a megabyte of rows.
    let compression = Compression { tile_shape: Some(vec![1, 1]), .."RICE_1".parse().unwrap() };
    let options = ImageOptions { compress: Some(compression), ..ImageOptions::named("SCI") };
    writer.write_image(&noise(70), options).wait().unwrap();
    writer.write_image(&Array1::<i16>::ones(700), ImageOptions::named("NEXT")).wait().unwrap();
    writer.close().wait().unwrap();
    std::fs::hard_link(&path, directory.path().join("b.fits")).unwrap();
    let in_place = WriteOptions { allow_in_place: true, ..WriteOptions::default() };
    let in_memory = FitsWriter::from_bytes(std::fs::read(&path).unwrap(), WriteOptions::default()).wait().unwrap();
    let on_disk = FitsWriter::open_with(&path, in_place).wait().unwrap();
    for writer in [&in_memory, &on_disk] {
        let image = writer.reader().image("SCI");
        image.clone().section(s![.., ..;3]).write(&arr0(5i32)).wait().unwrap();
        image.extend(&noise(2)).wait().unwrap();
        image.clone().section(s![5, ..]).write(&arr0(-7i32)).wait().unwrap();
        image.repack().wait().unwrap();
        let mut expected = ndarray::concatenate![ndarray::Axis(0), noise(70), noise(2)];
        expected.slice_mut(s![..70, ..;3]).fill(5);
        expected.slice_mut(s![5, ..]).fill(-7);
        assert_eq!(image.read::<i32>().wait().unwrap(), expected.into_dyn());
        assert_eq!(writer.reader().image("NEXT").read::<i16>().wait().unwrap(), Array1::<i16>::ones(700).into_dyn());
    }
    let bytes = in_memory.to_bytes().wait().unwrap();
    assert!(on_disk.to_bytes().wait().unwrap() == bytes);
    on_disk.close().wait().unwrap();
    assert!(std::fs::read(directory.path().join("b.fits")).unwrap() == bytes);
}

#[test]
fn more_tiles_than_a_table_has_rows_for_are_refused() {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    for length in [1usize << 60, 1 << 62] {
        let one = Compression { tile_shape: Some(vec![1]), ..Compression::of(Algorithm::Gzip1 { level: 1 }) };
        let options = ImageOptions { compress: Some(one), ..ImageOptions::default() };
        let error = failure(fits.create_image(rustfits::DataType::U8, vec![length], options).wait());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
        assert_says(&error, &["tile_shape"]);
    }
}
