//! Changing files that are there: headers in place, headers that outgrow their blocks, and what refuses to be lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use ndarray::{Array2, ArrayD};
use proptest::prelude::*;
use rustfits::{ErrorKind, FitsReader, FitsWriter, Header, ImageOptions, WriteOptions};

const EXTENSIONS: usize = 3;

fn pixels(number: usize) -> ArrayD<i16> {
    Array2::from_shape_fn((40, 50), |(row, column)| (number * 1000 + row * 7 + column) as i16).into_dyn()
}

/// An empty primary HDU and some images.
fn images() -> Vec<u8> {
    fits(|writer| {
        writer.write_image_bytes(rustfits::DataType::I16, vec![], vec![], ImageOptions::default()).wait().unwrap();
        for number in 1..=EXTENSIONS {
            writer.write_image(&pixels(number), ImageOptions::named(format!("E{number}"))).wait().unwrap();
        }
    })
}

fn file_in(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    let bytes = if name.ends_with(".gz") { gzip(&images()) } else { images() };
    std::fs::write(&path, bytes).unwrap();
    path
}

fn assert_pixels(fits: &FitsReader) {
    assert_eq!(fits.count().wait().unwrap(), EXTENSIONS + 1);
    for number in 1..=EXTENSIONS {
        assert_eq!(fits.image(format!("E{number}")).read::<i16>().wait().unwrap(), pixels(number));
    }
}

fn add_cards(header: &mut Header, count: usize) -> rustfits::Result<()> {
    (0..count).try_for_each(|number| header.set_with_comment(&format!("KEY{number}"), number as i64, "a number"))
}

/// Opens everywhere, edits, and reads back what came of it.
fn everywhere(edit: impl Fn(&FitsWriter), check: impl Fn(&FitsReader)) {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.fits", "a.fits.gz"] {
        let path = file_in(directory.path(), name);
        let writer = FitsWriter::open(&path).wait().unwrap();
        edit(&writer);
        check(writer.reader());
        writer.close().wait().unwrap();
        check(&FitsReader::open(&path).wait().unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
        std::fs::remove_file(path).unwrap();
    }
    let writer = FitsWriter::from_bytes(images(), WriteOptions::default()).wait().unwrap();
    edit(&writer);
    check(writer.reader());
    check(&FitsReader::from_bytes(writer.to_bytes().wait().unwrap()).wait().unwrap());
}

#[test]
fn a_header_changes_within_its_blocks() {
    let edit = |writer: &FitsWriter| {
        writer.edit_header("E2", |header| header.set_with_comment("EXPTIME", 99.9, "seconds")).wait().unwrap();
        writer.edit_header("E2", |header| header.set("EXPTIME", 100.5)).wait().unwrap();
        writer.edit_header(0, |header| header.add_history("edited in place")).wait().unwrap();
    };
    everywhere(edit, |fits| {
        let header = fits.header("E2").wait().unwrap();
        assert_eq!(header.get::<f64>("EXPTIME").unwrap(), 100.5);
        assert_eq!(header.comment("EXPTIME").unwrap(), "seconds");
        assert_eq!(fits.header(0).wait().unwrap().commentary("HISTORY").unwrap(), ["edited in place"]);
        assert_pixels(fits);
    });
}

#[test]
fn a_header_that_outgrows_its_blocks_moves_what_follows() {
    let edit = |writer: &FitsWriter| {
        let live = writer.reader().image("E3");
        writer.edit_header("E1", |header| add_cards(header, 100)).wait().unwrap();
        writer.edit_header(0, |header| add_cards(header, 50)).wait().unwrap();
        assert_eq!(live.read::<i16>().wait().unwrap(), pixels(3), "before the move");
        writer.sync().wait().unwrap();
        assert_eq!(live.read::<i16>().wait().unwrap(), pixels(3), "after it");
        writer.edit_header("E3", |header| header.set("LAST", true)).wait().unwrap();
    };
    everywhere(edit, |fits| {
        assert_eq!(fits.header("E1").wait().unwrap().get::<i64>("KEY99").unwrap(), 99);
        assert_eq!(fits.header(0).wait().unwrap().get::<i64>("KEY49").unwrap(), 49);
        assert!(fits.header(3).wait().unwrap().get::<bool>("LAST").unwrap());
        assert_pixels(fits);
    });
}

#[test]
fn a_header_shrinks_and_what_follows_moves_down() {
    let before = images().len();
    let writer = FitsWriter::from_bytes(images(), WriteOptions::default()).wait().unwrap();
    writer.edit_header("E1", |header| add_cards(header, 100)).wait().unwrap();
    let grown = writer.to_bytes().wait().unwrap().len();
    assert!(grown > before);
    let remove = |header: &mut Header| (0..100).try_for_each(|number| header.remove(&format!("KEY{number}")));
    writer.edit_header("E1", remove).wait().unwrap();
    assert!(writer.to_bytes().wait().unwrap() == images());
    assert_pixels(writer.reader());
}

#[test]
fn an_image_is_appended_behind_headers_that_wait_for_their_move() {
    let edit = |writer: &FitsWriter| {
        writer.edit_header(0, |header| add_cards(header, 200)).wait().unwrap();
        assert_eq!(writer.write_image(&pixels(9), ImageOptions::named("NEW")).wait().unwrap(), EXTENSIONS + 1);
    };
    everywhere(edit, |fits| {
        assert_eq!(fits.header(0).wait().unwrap().get::<i64>("KEY199").unwrap(), 199);
        assert_eq!(fits.image("NEW").read::<i16>().wait().unwrap(), pixels(9));
        assert_eq!(fits.image("E3").read::<i16>().wait().unwrap(), pixels(3));
    });
}

#[test]
fn an_edit_that_fails_changes_nothing() {
    let writer = FitsWriter::from_bytes(images(), WriteOptions::default()).wait().unwrap();
    let edit = |header: &mut Header| {
        header.set("FINE", 1)?;
        header.set("NAXIS1", 1)
    };
    let error = failure(writer.edit_header("E1", edit).wait());
    assert_says(&error, &["protected", "NAXIS1", "HDU 1"]);
    assert!(writer.to_bytes().wait().unwrap() == images());
    assert_eq!(failure(writer.edit_header("NOWHERE", |_| Ok(())).wait()).kind(), ErrorKind::Key);
}

#[test]
fn a_name_that_is_set_is_found() {
    let writer = FitsWriter::from_bytes(images(), WriteOptions::default()).wait().unwrap();
    writer.edit_header("E2", |header| header.set("EXTNAME", "RENAMED")).wait().unwrap();
    assert_eq!(writer.reader().image("renamed").read::<i16>().wait().unwrap(), pixels(2));
    assert!(!writer.reader().contains("E2").wait().unwrap());
    let live = writer.reader().live_header(&writer.reader().hdu("RENAMED").wait().unwrap());
    live.edit(|header| header.set("EXTNAME", "AGAIN")).wait().unwrap();
    let shown = || live.read(|header| header.get::<String>("EXTNAME")).unwrap();
    assert_eq!(shown(), "AGAIN");
    writer.close().wait().unwrap();
    assert_eq!(shown(), "AGAIN");
    assert_eq!(failure(live.edit(|_| Ok(())).wait()).kind(), ErrorKind::Closed);
    let directory = tempfile::tempdir().unwrap();
    let reader = FitsReader::open(file_in(directory.path(), "a.fits")).wait().unwrap();
    let live = reader.live_header(&reader.hdu(0).wait().unwrap());
    assert_eq!(failure(live.edit(|_| Ok(())).wait()).kind(), ErrorKind::ReadOnly);
}

#[test]
fn nothing_is_written_where_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.fits", "a.fits.gz"] {
        let path = file_in(directory.path(), name);
        let before = (std::fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap());
        let writer = FitsWriter::open(&path).wait().unwrap();
        assert_pixels(writer.reader());
        writer.edit_header("E1", |_| Ok(())).wait().unwrap();
        writer.close().wait().unwrap();
        let after = (std::fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap());
        assert!(before == after, "{name}");
    }
}

#[test]
fn another_programs_change_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    // The same header through two handles: the second does not know what the first wrote.
    let path = file_in(directory.path(), "two.fits");
    let (first, second) = (FitsWriter::open(&path).wait().unwrap(), FitsWriter::open(&path).wait().unwrap());
    second.reader().header("E1").wait().unwrap();
    first.edit_header("E1", |header| header.set("WHO", "first")).wait().unwrap();
    let error = failure(second.edit_header("E1", |header| header.set("WHO", "second")).wait());
    assert_says(&error, &["another program", "reopen", "two.fits"]);
    assert!(!second.reader().header("E1").wait().unwrap().contains("WHO"), "what was not written is not shown");
    // Also where the change waits for its move.
    let path_of_moves = file_in(directory.path(), "moves.fits");
    let [first_mover, second_mover] = [(); 2].map(|()| FitsWriter::open(&path_of_moves).wait().unwrap());
    second_mover.edit_header("E1", |header| add_cards(header, 200)).wait().unwrap();
    first_mover.edit_header("E1", |header| header.set("WHO", "first")).wait().unwrap();
    assert_says(&failure(second_mover.sync().wait()), &["another program", "reopen", "moves.fits"]);
    // A value that the other handle has changed.
    let both = file_in(directory.path(), "both.fits");
    let [one, other] = [(); 2].map(|()| FitsWriter::open(&both).wait().unwrap());
    one.edit_header("E1", |header| header.set("SHARED", 1)).wait().unwrap();
    drop((one, other));
    let [one, other] = [(); 2].map(|()| FitsWriter::open(&both).wait().unwrap());
    other.edit_header("E1", |header| header.set_comment("SHARED", "seen")).wait().unwrap();
    one.edit_header("E1", |header| header.set("SHARED", 2)).wait().unwrap();
    assert_says(&failure(other.edit_header("E1", |header| header.set("SHARED", 3)).wait()), &["another program"]);
    // The file grew, or was replaced.
    first.write_image(&pixels(7), ImageOptions::default()).wait().unwrap();
    let error = failure(second.edit_header("E2", |header| header.set("WHO", "second")).wait());
    assert_says(&error, &["another program", "reopen"]);
    assert!(!second.reader().header("E2").wait().unwrap().contains("WHO"), "what was not written is not shown");
    let moved = file_in(directory.path(), "moved.fits");
    let writer = FitsWriter::open(&moved).wait().unwrap();
    std::fs::rename(&path, &moved).unwrap();
    let error = failure(writer.write_image(&pixels(7), ImageOptions::default()).wait());
    assert_says(&error, &["another program", "reopen"]);
    assert_eq!(
        FitsReader::open(&moved).wait().unwrap().header("E1").wait().unwrap().get::<String>("WHO").unwrap(),
        "first"
    );
}

#[test]
fn names_decide_what_is_opened_for_changes() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain.fits.gz");
    std::fs::write(&plain, images()).unwrap();
    let packed = directory.path().join("packed.fits");
    std::fs::write(&packed, gzip(&images())).unwrap();
    for path in [plain, packed] {
        let error = failure(FitsWriter::open(&path).wait());
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
        assert_says(&error, &["rename it"]);
    }
    assert_eq!(failure(FitsWriter::open("mem://").wait()).kind(), ErrorKind::Argument);
    assert_eq!(failure(FitsWriter::open("http://localhost/a.fits").wait()).kind(), ErrorKind::ReadOnly);
    assert_eq!(failure(FitsWriter::open(directory.path().join("none.fits")).wait()).kind(), ErrorKind::NotFound);
}

#[cfg(unix)]
mod names_and_modes {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_move_keeps_the_mode_and_goes_where_a_symbolic_link_leads() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_in(directory.path(), "real.fits");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("link.fits");
        symlink(&path, &link).unwrap();
        let inode = path.metadata().unwrap().ino();
        let writer = FitsWriter::open(&link).wait().unwrap();
        writer.edit_header(0, |header| add_cards(header, 60)).wait().unwrap();
        writer.close().wait().unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
        assert_ne!(path.metadata().unwrap().ino(), inode, "a new file took its place");
        assert_pixels(&FitsReader::open(&link).wait().unwrap());
    }

    #[test]
    fn a_file_of_several_names_is_moved_in_place_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_in(directory.path(), "one.fits");
        let other = directory.path().join("other.fits");
        std::fs::hard_link(&path, &other).unwrap();
        let writer = FitsWriter::open(&path).wait().unwrap();
        writer.edit_header(0, |header| add_cards(header, 60)).wait().unwrap();
        let error = failure(writer.sync().wait());
        assert_says(&error, &["hard links", "allow_in_place"]);
        drop(writer);
        assert!(std::fs::read(&path).unwrap() == images());
        let options = WriteOptions { allow_in_place: true, ..WriteOptions::default() };
        let writer = FitsWriter::open_with(&path, options).wait().unwrap();
        writer.edit_header(0, |header| add_cards(header, 60)).wait().unwrap();
        writer.close().wait().unwrap();
        let fits = FitsReader::open(&other).wait().unwrap();
        assert_eq!(fits.header(0).wait().unwrap().get::<i64>("KEY59").unwrap(), 59);
        assert_pixels(&fits);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is done to the headers, in whatever order: what a reader finds is what plain headers would hold.
    #[test]
    fn edits_make_the_file_that_headers_alone_would(edits in prop::collection::vec((0..=EXTENSIONS, 0u8..5, 0usize..70), 1..12)) {
        let writer = FitsWriter::from_bytes(images(), WriteOptions::default()).wait().unwrap();
        let mut model: Vec<Header> = (0..=EXTENSIONS).map(|hdu| (*writer.reader().header(hdu).wait().unwrap()).clone()).collect();
        for (hdu, kind, number) in edits {
            let edit = move |header: &mut Header| match kind {
                0 => header.set(&format!("KEY{number}"), number as i64),
                1 => add_cards(header, number),
                2 => header.add_comment(&"words ".repeat(number)),
                3 if header.contains(&format!("KEY{number}")) => header.remove(&format!("KEY{number}")),
                _ => header.set_with_comment("LONG", "it's ".repeat(number).as_str(), "a comment"),
            };
            edit(&mut model[hdu]).unwrap();
            writer.edit_header(hdu, edit).wait().unwrap();
            if number % 5 == 0 {
                writer.sync().wait().unwrap();
            }
        }
        let bytes = writer.to_bytes().wait().unwrap();
        let fits = FitsReader::from_bytes(bytes).wait().unwrap();
        assert_pixels(&fits);
        for (hdu, model) in model.iter().enumerate() {
            prop_assert_eq!(fits.header(hdu).wait().unwrap().to_bytes(), model.to_bytes());
            prop_assert_eq!(writer.reader().header(hdu).wait().unwrap().to_bytes(), model.to_bytes());
        }
    }
}

#[test]
fn checksums_are_added_and_verified() {
    let edit = |writer: &FitsWriter| {
        let fits = writer.reader();
        assert_eq!(fits.verify_datasum("E1").wait().unwrap(), None);
        assert_eq!(fits.verify_checksum("E1").wait().unwrap(), None);
        writer.add_datasum("E1").wait().unwrap();
        assert_eq!(fits.verify_datasum("E1").wait().unwrap(), Some(true));
        assert_eq!(fits.verify_checksum("E1").wait().unwrap(), None);
        for number in 0..=EXTENSIONS {
            // Both of headers that are in the file and of those that wait for their move.
            writer.edit_header(number, move |header| add_cards(header, 30 * number)).wait().unwrap();
            writer.add_checksum(number).wait().unwrap();
            writer.add_checksum(number).wait().unwrap();
            assert_eq!(fits.verify_checksum(number).wait().unwrap(), Some(true));
        }
        assert_eq!(fits.header(0).wait().unwrap().get::<String>("DATASUM").unwrap(), "0");
        writer.edit_header("E2", |header| header.set("LATER", 1)).wait().unwrap();
    };
    everywhere(edit, |fits| {
        for number in 0..=EXTENSIONS {
            assert_eq!(fits.verify_datasum(number).wait().unwrap(), Some(true));
            assert_eq!(fits.verify_checksum(number).wait().unwrap(), Some(number != 2), "HDU {number}");
        }
    });
}

#[test]
fn damage_shows_in_the_checksums() {
    let writer = FitsWriter::from_bytes(images(), WriteOptions::default()).wait().unwrap();
    writer.add_checksum("E3").wait().unwrap();
    let mut bytes = writer.to_bytes().wait().unwrap();
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    let fits = FitsReader::from_bytes(bytes.clone()).wait().unwrap();
    assert_eq!(fits.verify_datasum("E3").wait().unwrap(), Some(false));
    assert_eq!(fits.verify_checksum("E3").wait().unwrap(), Some(false));
    bytes.truncate(last);
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    assert_eq!(failure(fits.verify_checksum("E3").wait()).kind(), ErrorKind::Truncated);
    assert_eq!(failure(fits.verify_checksum(9).wait()).kind(), ErrorKind::Index);
}

#[test]
fn checksums_are_verified_by_ranges() {
    let big = Array2::from_shape_fn((1500, 1000), |(row, column)| (row * column) as f64).into_dyn();
    let writer = FitsWriter::create("mem://").wait().unwrap();
    writer.write_image(&big, ImageOptions::default()).wait().unwrap();
    writer.write_image(&pixels(1), ImageOptions::named("E1")).wait().unwrap();
    writer.add_checksum(0).wait().unwrap();
    writer.add_checksum(1).wait().unwrap();
    let server = rustfits_loopback::HttpServer::start();
    server.put("/a.fits", writer.to_bytes().wait().unwrap());
    let fits = FitsReader::open_with(server.url("/a.fits"), ranged()).wait().unwrap();
    for number in 0..2 {
        assert_eq!(fits.verify_checksum(number).wait().unwrap(), Some(true));
        assert_eq!(block_on(fits.verify_datasum(number)).unwrap(), Some(true));
    }
}

#[test]
fn hdus_are_copied() {
    let edit = |writer: &FitsWriter| {
        // A header that waits for its move is copied as it is now, from where the data will be then.
        writer.edit_header("E1", |header| add_cards(header, 100)).wait().unwrap();
        writer.add_checksum("E2").wait().unwrap();
        assert_eq!(writer.copy_hdu(writer.reader(), "E2").wait().unwrap(), EXTENSIONS + 1);
        assert_eq!(writer.copy_hdu(writer.reader(), 0).wait().unwrap(), EXTENSIONS + 2);
        assert_eq!(writer.copy_hdu(writer.reader(), "E1").wait().unwrap(), EXTENSIONS + 3);
        assert_eq!(failure(writer.copy_hdu(writer.reader(), 99).wait()).kind(), ErrorKind::Index);
    };
    everywhere(edit, |fits| {
        assert_eq!(fits.count().wait().unwrap(), EXTENSIONS + 4);
        for (copy, original) in [(EXTENSIONS + 1, 2), (EXTENSIONS + 3, 1)] {
            assert_eq!(fits.image(copy).read::<i16>().wait().unwrap(), pixels(original));
            assert!(fits.header(copy).wait().unwrap().to_bytes() == fits.header(original).wait().unwrap().to_bytes());
        }
        assert_eq!(fits.verify_checksum(EXTENSIONS + 1).wait().unwrap(), Some(true));
        assert!(fits.header(EXTENSIONS + 2).wait().unwrap().contains("XTENSION"));
    });
    let from = FitsReader::from_bytes(images()).wait().unwrap();
    let whole = FitsWriter::create("mem://").wait().unwrap();
    for number in 0..=EXTENSIONS {
        assert_eq!(whole.copy_hdu(&from, number).wait().unwrap(), number);
    }
    assert!(whole.to_bytes().wait().unwrap() == images());
    let extension = FitsWriter::create("mem://").wait().unwrap();
    assert_eq!(extension.copy_hdu(&from, "E3").wait().unwrap(), 1);
    assert_eq!(extension.reader().image("E3").read::<i16>().wait().unwrap(), pixels(3));
}
