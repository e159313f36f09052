//! Making new files: on disk, in memory, gzipped; what cannot be written, and what a failure leaves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use common::*;
use ndarray::{Array, Array1, ArrayD, IxDyn, array};
use proptest::prelude::*;
use rustfits::{
    ColumnValues, DataType, Element, ErrorKind, FitsReader, FitsWriter, ImageOptions, Pixel, TableCompression,
    TableOptions,
};

fn named(name: &str, version: i64) -> ImageOptions {
    ImageOptions { name: Some(name.to_owned()), version: Some(version), ..ImageOptions::default() }
}

/// Writes a primary image and an extension.
fn write<T: Element>(writer: &FitsWriter, image: &ArrayD<T>) {
    assert_eq!(writer.write_image(image, ImageOptions::default()).wait().unwrap(), 0);
    assert_eq!(writer.write_image(image, named("AGAIN", 3)).wait().unwrap(), 1);
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn gunzipped(path: &Path) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
    plain
}

/// On disk, in memory and gzipped: the same bytes, and the values read back.
fn everywhere<T: Pixel + PartialEq + std::fmt::Debug>() {
    let bytes: Vec<u8> = (0..5 * 7 * 11 * size_of::<T>()).map(|number| (number * 37 % 120) as u8).collect();
    let image = Array::from_shape_vec(IxDyn(&[5, 7, 11]), bytemuck::pod_collect_to_vec::<u8, T>(&bytes)).unwrap();
    let in_memory = fits(|writer| write(writer, &image));
    assert!(in_memory.len().is_multiple_of(BLOCK));
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.fits", "a.fits.gz"] {
        let path = directory.path().join(name);
        let writer = FitsWriter::create(&path).wait().unwrap();
        write(&writer, &image);
        assert_eq!(writer.reader().image(1).read::<T>().wait().unwrap(), image);
        writer.close().wait().unwrap();
        let on_disk = if name.ends_with("gz") { gunzipped(&path) } else { std::fs::read(&path).unwrap() };
        assert!(on_disk == in_memory, "{name}");
        let fits = FitsReader::open(&path).wait().unwrap();
        assert_eq!(fits.count().wait().unwrap(), 2);
        assert_eq!(fits.image(0).read::<T>().wait().unwrap(), image);
        assert_eq!(fits.image(("again", 3)).read::<T>().wait().unwrap(), image);
        assert_eq!(fits.hdu(1).wait().unwrap().data_type().unwrap(), T::DATA_TYPE);
    }
}

macro_rules! types {
    ($($type:ident),*) => {$(
        #[test]
        fn $type() {
            everywhere::<$type>();
        }
    )*};
}

types!(u8, i8, i16, u16, i32, u32, i64, u64, f32, f64);

#[test]
fn the_bytes_are_those_of_the_standard() {
    let bytes = one_image(&array![[1i16, -2, 0x0102]].into_dyn());
    let cards: Vec<&str> =
        (0..36).map(|card| std::str::from_utf8(&bytes[card * 80..card * 80 + 80]).unwrap()).collect();
    assert!(cards[0].starts_with("SIMPLE  =                    T"));
    assert!(cards[1].starts_with("BITPIX  =                   16"));
    assert!(cards[2].starts_with("NAXIS   =                    2"));
    assert!(cards[3].starts_with("NAXIS1  =                    3"));
    assert!(cards[4].starts_with("NAXIS2  =                    1"));
    assert!(cards.contains(&format!("{:<80}", "END").as_str()));
    assert_eq!(bytes[BLOCK..BLOCK + 6], [0, 1, 0xff, 0xfe, 1, 2]);
    assert!(bytes[BLOCK + 6..].iter().all(|&byte| byte == 0) && bytes.len() == 2 * BLOCK);
    let unsigned = one_image(&array![0u16, 32_768, 65_535].into_dyn());
    assert_eq!(unsigned[BLOCK..BLOCK + 6], [0x80, 0, 0, 0, 0x7f, 0xff]);
    let nan = one_image(&array![f32::NAN, f32::INFINITY, -0.0].into_dyn());
    let back = FitsReader::from_bytes(nan).wait().unwrap().image(0).read::<f32>().wait().unwrap();
    assert!(back[0].is_nan() && back[1] == f32::INFINITY && back[2].is_sign_negative());
}

#[test]
fn images_without_pixels_and_without_axes() {
    let bytes = fits(|writer| {
        writer.write_image(&ArrayD::<u8>::zeros(IxDyn(&[3, 0])), ImageOptions::default()).wait().unwrap();
        writer.write_image_bytes(DataType::F64, vec![], Vec::new(), ImageOptions::default()).wait().unwrap();
        writer.write_image(&array![5u8], ImageOptions::default()).wait().unwrap();
    });
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    assert_eq!(fits.hdu(0).wait().unwrap().shape().unwrap(), [3, 0]);
    assert!(!fits.hdu(1).wait().unwrap().has_data());
    assert_eq!(fits.image(2).read::<u8>().wait().unwrap().as_slice().unwrap(), [5]);
}

#[test]
fn a_value_without_an_axis_is_refused_and_not_dropped() {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    let error = failure(writer.write_image(&ArrayD::<f64>::from_elem(IxDyn(&[]), 3.5), ImageOptions::default()).wait());
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_says(&error, &["(1,)"]);
    assert!(writer.reader().to_bytes().wait().unwrap().is_empty());
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    writer.write_image(&ramp(3, 3), ImageOptions::default()).wait().unwrap();
    let before = writer.reader().to_bytes().wait().unwrap();
    let write = |name: &str| writer.write_image(&array![1u8], ImageOptions::named(name)).wait();
    for name in ["n".repeat(69).as_str(), &"'".repeat(40), "caf\u{e9}", "a\nb", "a\0"] {
        assert_eq!(failure(write(name)).kind(), ErrorKind::Argument, "{name:?}");
    }
    for (shape, length) in [(vec![2, 3], 5), (vec![2, 3], 7), (vec![usize::MAX, 2], 4), (vec![1; 1000], 1)] {
        let result = writer.write_image_bytes(DataType::U8, shape, vec![0; length], ImageOptions::default()).wait();
        assert_eq!(failure(result).kind(), ErrorKind::Argument);
    }
    assert_eq!(writer.reader().to_bytes().wait().unwrap(), before);
    write(&"n".repeat(68)).unwrap();
    write("it's").unwrap();
    assert_eq!(writer.reader().hdu("IT'S").wait().unwrap().index(), 2);
}

#[test]
fn an_existing_file_is_emptied_and_its_mode_kept() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.fits", "a.fits.gz"] {
        let path = directory.path().join(name);
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let writer = FitsWriter::create(&path).wait().unwrap();
        writer.write_image(&ramp(2, 2), ImageOptions::default()).wait().unwrap();
        writer.close().wait().unwrap();
        assert_eq!(
            FitsReader::open(&path).wait().unwrap().image(0).read::<f32>().wait().unwrap(),
            ramp(2, 2).into_dyn()
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert_eq!(names_in(directory.path()).len(), 2);
}

#[test]
fn the_old_gzip_file_stays_until_the_new_one_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits.gz");
    std::fs::write(&path, gzip(&sample())).unwrap();
    let old = std::fs::read(&path).unwrap();
    let writer = FitsWriter::create(&path).wait().unwrap();
    writer.write_image(&ramp(20, 20), ImageOptions::default()).wait().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), old);
    let open_before = FitsReader::open(&path).wait().unwrap();
    writer.sync().wait().unwrap();
    assert_eq!(gunzipped(&path), writer.reader().to_bytes().wait().unwrap());
    let synced = std::fs::read(&path).unwrap();
    writer.write_image(&ramp(5, 5), ImageOptions::default()).wait().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), synced);
    writer.close().wait().unwrap();
    assert_eq!(FitsReader::open(&path).wait().unwrap().count().wait().unwrap(), 2);
    assert_sample(&open_before);
    assert_eq!(names_in(directory.path()), ["a.fits.gz"]);
}

#[test]
fn a_forgotten_gzip_file_is_written_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits.gz");
    let writer = FitsWriter::create(&path).wait().unwrap();
    writer.write_image(&ramp(4, 4), ImageOptions::default()).wait().unwrap();
    let clone = writer.clone();
    drop(writer);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    drop(clone);
    assert_eq!(FitsReader::open(&path).wait().unwrap().image(0).read::<f32>().wait().unwrap(), ramp(4, 4).into_dyn());
    assert_eq!(names_in(directory.path()), ["a.fits.gz"]);
}

#[test]
fn a_gzip_file_through_a_symlink_replaces_its_target() {
    let directory = tempfile::tempdir().unwrap();
    let (target, link) = (directory.path().join("real.gz"), directory.path().join("link.gz"));
    std::fs::write(&target, gzip(&sample())).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let writer = FitsWriter::create(&link).wait().unwrap();
    writer.write_image(&ramp(4, 4), ImageOptions::default()).wait().unwrap();
    writer.close().wait().unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(FitsReader::open(&target).wait().unwrap().count().wait().unwrap(), 1);
}

#[test]
fn a_write_back_that_fails_says_so_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let path = below.join("a.fits.gz");
    let writer = FitsWriter::create(&path).wait().unwrap();
    writer.write_image(&ramp(4, 4), ImageOptions::default()).wait().unwrap();
    std::fs::remove_dir_all(&below).unwrap();
    let error = failure(writer.sync().wait());
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert_says(&error, &["a.fits.gz"]);
    // Nothing is lost yet: it can be saved once the directory is back.
    std::fs::create_dir(&below).unwrap();
    std::fs::write(&path, b"").unwrap();
    writer.close().wait().unwrap();
    assert_eq!(FitsReader::open(&path).wait().unwrap().count().wait().unwrap(), 1);
    let writer = FitsWriter::create(&path).wait().unwrap();
    std::fs::remove_dir_all(&below).unwrap();
    assert!(writer.close().wait().is_err());
    drop(writer);
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_closed_writer_says_so_and_closes_twice() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.fits", "a.fits.gz"] {
        let path = directory.path().join(name);
        let writer = FitsWriter::create(&path).wait().unwrap();
        writer.write_image(&ramp(2, 2), ImageOptions::default()).wait().unwrap();
        let clone = writer.clone();
        writer.close().wait().unwrap();
        writer.close().wait().unwrap();
        let error = failure(clone.write_image(&ramp(2, 2), ImageOptions::default()).wait());
        assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
        assert_says(&error, &[name]);
        assert_eq!(failure(clone.reader().count().wait()).kind(), ErrorKind::Closed);
        assert_eq!(failure(clone.sync().wait()).kind(), ErrorKind::Closed);
        let before = std::fs::read(&path).unwrap();
        drop((writer, clone));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn what_is_remote_is_refused_before_any_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for scheme in ["http", "https", "ftp", "ftps"] {
        let error = failure(FitsWriter::create(format!("{scheme}://user:hidden@{address}/a.fits")).wait());
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
        assert_says(&error, &["mem://", &address.to_string()]);
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
    assert!(listener.accept().is_err(), "it connected");
}

#[test]
fn names_that_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.fits.Z", "a.zip", "a.bz2", "a.fits.xz"] {
        let path = directory.path().join(name);
        let error = failure(FitsWriter::create(&path).wait());
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert_says(&error, &[name]);
    }
    for name in ["missing/a.fits", "missing/a.fits.gz"] {
        let error = failure(FitsWriter::create(directory.path().join(name)).wait());
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert_says(&error, &[name]);
    }
    assert_eq!(failure(FitsWriter::create("-").wait()).kind(), ErrorKind::Unsupported);
    assert!(FitsWriter::create(directory.path()).wait().is_err());
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn threads_write_one_file_each_hdu_whole() {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let writer = &writer;
            scope.spawn(move || {
                let image = Array1::from_elem(3000, number);
                writer.write_image(&image, ImageOptions::named(format!("E{number}"))).wait().unwrap();
            });
        }
    });
    let fits = FitsReader::from_bytes(writer.reader().to_bytes().wait().unwrap()).wait().unwrap();
    assert_eq!(fits.count().wait().unwrap(), 8);
    for number in 0..8 {
        let image = fits.image(format!("E{number}")).read::<i32>().wait().unwrap();
        assert!(image.len() == 3000 && image.iter().all(|&pixel| pixel == number));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_shape_reads_back(shapes in prop::collection::vec(prop::collection::vec(0usize..5, 1..7), 1..5)) {
        let image = |shape: &[usize]| {
            let count: usize = shape.iter().product();
            ArrayD::from_shape_vec(IxDyn(shape), (0..count as u32).map(|number| number ^ 0x8000_0001).collect()).unwrap()
        };
        let bytes = fits(|writer| {
            for shape in &shapes {
                writer.write_image(&image(shape), ImageOptions::default()).wait().unwrap();
            }
        });
        let fits = FitsReader::from_bytes(bytes).wait().unwrap();
        prop_assert_eq!(fits.count().wait().unwrap(), shapes.len());
        for (index, shape) in shapes.iter().enumerate() {
            prop_assert_eq!(fits.image(index).read::<u32>().wait().unwrap(), image(shape));
        }
    }
}

/// Records of a number and a text of four characters.
fn records(texts: impl ExactSizeIterator<Item = [char; 4]>) -> Vec<ColumnValues> {
    let count = texts.len();
    let records = texts.zip(0i64..).flat_map(|(text, number)| {
        let characters = text.map(|character| u32::from(character).to_ne_bytes());
        number.to_ne_bytes().into_iter().chain(characters.into_iter().flatten())
    });
    let memory = std::sync::Arc::new(records.collect::<Vec<u8>>());
    let order = if cfg!(target_endian = "little") { '<' } else { '>' };
    let column = |name: &str, code: &str, start| {
        ColumnValues::from_memory(name, &format!("{order}{code}"), vec![count], memory.clone(), start, 24).unwrap()
    };
    vec![column("number", "i8", 0), column("text", "U4", 8)]
}

/// A table that is written before its last value turns out to be none that can be stored is taken back, whole.
#[test]
fn a_table_that_is_refused_leaves_the_file_as_it_was() {
    const ROWS: usize = 600_000;
    let bad = |row: usize| if row == ROWS - 2 { ['a', 'b', 'é', 'd'] } else { ['a', 'b', 'c', 'd'] };
    let directory = tempfile::tempdir().unwrap();
    for (number, compress) in [None, Some(TableCompression::default())].into_iter().enumerate() {
        for before in [0, 1] {
            let path = directory.path().join(format!("{number}-{before}.fits"));
            let writer = FitsWriter::create(&path).wait().unwrap();
            for _ in 0..before {
                writer.write_image(&array![1i16, 2, 3], ImageOptions::default()).wait().unwrap();
            }
            let held = std::fs::read(&path).unwrap();
            let options = TableOptions { compress: compress.clone(), ..TableOptions::default() };
            let refused = writer.write_table(records((0..ROWS).map(bad)), options.clone()).wait().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Argument);
            assert_says(&refused, &["column 'text'", &format!("row {}", ROWS - 2), "not ASCII"]);
            assert!(std::fs::read(&path).unwrap() == held, "{path:?}");
            assert_eq!(writer.reader().count().wait().unwrap(), before);
            writer.write_table(records((0..3).map(bad)), options).wait().unwrap();
            writer.close().wait().unwrap();
            let table = FitsReader::open(&path).wait().unwrap().table(1).read().wait().unwrap();
            assert_eq!(table.array::<i64>("number").unwrap().as_slice(), Some(&[0, 1, 2][..]));
            assert_eq!(table.array::<String>("text").unwrap().as_slice().unwrap(), ["abcd"; 3]);
        }
    }
}

/// What a broken write has left behind the last HDU stays there where a table is refused: it is then checked before anything is written.
#[test]
fn a_refused_table_changes_nothing_behind_the_last_hdu() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    let mut held = fits(|writer| {
        writer.write_image(&array![1i16, 2, 3], ImageOptions::default()).wait().unwrap();
    });
    held.extend([0; 100]);
    std::fs::write(&path, &held).unwrap();
    for compress in [None, Some(TableCompression::default())] {
        let writer = FitsWriter::open(&path).wait().unwrap();
        let options = TableOptions { compress, ..TableOptions::default() };
        let refused = writer.write_table(records([['é'; 4]; 9].into_iter()), options).wait().unwrap_err();
        assert_says(&refused, &["column 'text'", "row 0", "not ASCII"]);
        writer.close().wait().unwrap();
        assert!(std::fs::read(&path).unwrap() == held);
    }
}
