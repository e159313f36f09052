//! Every edit on a storage that fails at its n-th step, for every n: an error, a handle that refuses further work, and a file that is whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ndarray::{Array2, ArrayD, arr0, array, s};

use super::{Place, Target};
use crate::changer::Changer;
use crate::engine::edit::PAGE_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::io::MemoryFile;
use crate::open::opened;
use crate::source::{ReadAt, Storage};
use crate::{DataType, FitsReader, FitsWriter, ImageOptions, OpenOptions};

/// A disk that serves so many steps and then no more.
struct Failing {
    file: MemoryFile,
    steps: AtomicI64,
    /// Whether the write that fails has written some pages before.
    torn: bool,
}

impl Failing {
    fn step(&self) -> Result<()> {
        let left = self.steps.fetch_sub(1, Ordering::Relaxed);
        if left > 0 { Ok(()) } else { Err(Error::new(ErrorKind::Io, "the disk fails")) }
    }

    fn bytes(&self) -> Vec<u8> {
        self.file.with_bytes(<[u8]>::to_vec)
    }
}

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.step()?;
        self.file.read_at(offset, buffer)
    }
}

impl Storage for Failing {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let result = self.step();
        if result.is_ok() {
            self.file.write_at(offset, bytes)?;
        } else if self.torn {
            let pages = (offset + bytes.len() as u64) / PAGE_BYTES * PAGE_BYTES;
            let written = pages.saturating_sub(offset) as usize;
            self.file.write_at(offset, &bytes[..written])?;
        }
        result
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.step()?;
        self.file.set_len(len)
    }
}

const CARDS: i32 = 200;

fn image(number: i16) -> Array2<i16> {
    Array2::from_shape_fn((40, 60), |(row, column)| number * 1000 + (row * 7 + column) as i16)
}

fn compressed(name: &str) -> ImageOptions {
    ImageOptions { compress: Some("RICE_1".parse().unwrap()), ..ImageOptions::named(name) }
}

fn base() -> Vec<u8> {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    for (number, name) in ["P", "A", "B"].into_iter().enumerate() {
        writer.write_image(&image(number as i16), ImageOptions::named(name)).wait().unwrap();
    }
    let many = |header: &mut crate::Header| {
        header.set("FIRST", 0)?;
        (0..CARDS).try_for_each(|number| header.set(&format!("K{number}"), number))?;
        header.set("LAST", 0)
    };
    writer.edit_header("A", many).wait().unwrap();
    let tiles = ImageOptions { before: Some("B".into()), ..compressed("T") };
    writer.write_image(&image(9), tiles).wait().unwrap();
    // Now there is room for more tiles, and some that nothing names.
    writer.write_section("T", s![30..33, ..], &arr0(3i16)).wait().unwrap();
    writer.to_bytes().wait().unwrap()
}

/// What a file says: of each HDU its cards, its shape and its pixels.
#[derive(Debug, PartialEq)]
struct Said {
    cards: HashSet<String>,
    pixels: ArrayD<i16>,
}

fn said(bytes: Vec<u8>) -> Vec<Said> {
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    let of = |index: usize| Said {
        cards: fits.header(index).wait().unwrap().cards().map(|card| card.to_string()).collect(),
        pixels: fits.image(index).read::<i16>().wait().unwrap(),
    };
    (0..fits.count().wait().unwrap()).map(of).collect()
}

/// Whether a file is as before, as after, or in between with each card and each pixel old or new.
fn assert_whole(now: &[Said], before: &[Said], after: &[Said], edit: &str) {
    assert!(now.len() == before.len() || now.len() == after.len(), "{edit}: {} HDUs", now.len());
    for (index, now) in now.iter().enumerate() {
        let states: Vec<&Said> = [before.get(index), after.get(index)].into_iter().flatten().collect();
        let known = |card: &String| states.iter().any(|state| state.cards.contains(card));
        assert!(now.cards.iter().all(known), "{edit}: a card of HDU {index} is neither old nor new");
        let kept = |card: &&String| states.iter().all(|state| state.cards.contains(*card));
        assert!(states[0].cards.iter().filter(kept).all(|card| now.cards.contains(card)), "{edit}: a card is lost");
        let same: Vec<_> = states.iter().filter(|state| state.pixels.shape() == now.pixels.shape()).collect();
        assert!(!same.is_empty(), "{edit}: HDU {index} has a shape of its own");
        for (position, pixel) in now.pixels.indexed_iter() {
            assert!(same.iter().any(|state| state.pixels[&position] == *pixel), "{edit}: {position:?} of {index}");
        }
    }
}

type Edit = fn(&FitsWriter) -> Result<()>;

const EDITS: [(&str, Edit); 21] = [
    ("a card", |fits| fits.edit_header("B", |header| header.set("NEW", 1)).wait()),
    ("cards of several pages", |fits| {
        let both = |header: &mut crate::Header| header.set("FIRST", 1).and_then(|()| header.set("LAST", 1));
        fits.edit_header("A", both).wait()
    }),
    ("a header that grows", |fits| {
        let more = |header: &mut crate::Header| (0..90).try_for_each(|number| header.set(&format!("M{number}"), 1));
        fits.edit_header("P", more).wait()?;
        fits.sync().wait()
    }),
    ("all pixels", |fits| fits.reader().image("A").write(&-image(5)).wait()),
    ("one value everywhere", |fits| fits.reader().image("P").write(&arr0(-1i16)).wait()),
    ("scattered pixels", |fits| fits.write_section("B", s![..;3, 5..;2], &arr0(-7i16)).wait()),
    ("rows of the last image", |fits| fits.reader().image("B").extend(&Array2::<i16>::ones((100, 60))).wait()),
    ("rows within the last block", |fits| fits.reader().image("B").extend(&Array2::<i16>::ones((1, 60))).wait()),
    ("rows of the first image", |fits| fits.reader().image("P").extend(&Array2::<i16>::ones((100, 60))).wait()),
    ("a new image", |fits| fits.write_image(&image(7), ImageOptions::named("C")).wait().map(drop)),
    ("an image of zeros", |fits| {
        fits.create_image(DataType::I16, vec![9, 9], ImageOptions::named("C")).wait().map(drop)
    }),
    ("an image in front of all", |fits| {
        let options = ImageOptions { before: Some(0.into()), ..ImageOptions::named("C") };
        fits.write_image(&array![[1i16, 2]], options).wait().map(drop)
    }),
    ("an image in between", |fits| {
        let options = ImageOptions { before: Some("B".into()), ..ImageOptions::named("C") };
        fits.write_image(&array![[1i16, 2]], options).wait().map(drop)
    }),
    ("pixels in tiles", |fits| fits.write_section("T", s![4..6, ..], &arr0(9i16)).wait()),
    ("pixels in more tiles than there is room for", |fits| fits.write_section("T", s![.., ..;2], &arr0(9i16)).wait()),
    ("rows in tiles", |fits| fits.reader().image("T").extend(&Array2::<i16>::ones((5, 60))).wait()),
    ("a compressed image", |fits| fits.write_image(&image(7), compressed("C")).wait().map(drop)),
    ("a compressed image in between", |fits| {
        let options = ImageOptions { before: Some("A".into()), ..compressed("C") };
        fits.write_image(&image(7), options).wait().map(drop)
    }),
    ("a copy", |fits| fits.copy_hdu(fits.reader(), "A").wait().map(drop)),
    ("one HDU less", |fits| fits.delete_hdu("A").wait()),
    ("the last HDU less", |fits| fits.delete_hdu("B").wait()),
];

fn open(bytes: Vec<u8>, torn: bool) -> (FitsWriter, Arc<Failing>) {
    let disk = Arc::new(Failing { file: MemoryFile::from(bytes), steps: AtomicI64::new(i64::MAX), torn });
    let target = Target::new(Place::Memory(Arc::clone(&disk) as Arc<dyn Storage>), false, false);
    let file = opened("a disk".into(), &OpenOptions::default(), target.source(), None).unwrap();
    (Changer::writer(file, target), disk)
}

/// Carries out an edit on a disk that fails after so many steps; whether it came to its end before.
fn fails_after(steps: i64, torn: bool, (name, edit): (&str, Edit), before: &[Said], after: &[Said]) -> bool {
    let bytes = base();
    let (writer, disk) = open(bytes.clone(), torn);
    disk.steps.store(steps, Ordering::Relaxed);
    let result = edit(&writer);
    disk.steps.store(i64::MAX, Ordering::Relaxed);
    let Err(error) = result else {
        assert_eq!(said(writer.to_bytes().wait().unwrap()), after, "{name}");
        return true;
    };
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("the disk fails"), "{name}: {error}");
    let left = disk.bytes();
    assert_whole(&said(left.clone()), before, after, name);
    match writer.edit_header("B", |header| header.set("LATER", 1)).wait() {
        Ok(()) => assert!(left == bytes, "{name}: the handle goes on after it has written a part"),
        Err(error) => assert!(error.to_string().contains("close the file and open it again"), "{name}: {error}"),
    }
    false
}

#[test]
fn a_disk_that_fails_at_any_step_leaves_a_whole_file() {
    let before = said(base());
    for edit in EDITS {
        let (writer, disk) = open(base(), false);
        edit.1(&writer).unwrap();
        let after = said(writer.to_bytes().wait().unwrap());
        assert!(after != before, "{} changes something", edit.0);
        drop(disk);
        for torn in [false, true] {
            let mut steps = 0;
            while !fails_after(steps, torn, edit, &before, &after) {
                steps += 1;
                assert!(steps < 10_000, "{} never ends", edit.0);
            }
            assert!(steps > 0, "{} takes a step", edit.0);
        }
    }
}
