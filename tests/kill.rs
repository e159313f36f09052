//! Processes that are killed while they change a file, and disks that are full: the file is as before or as after.
//!
//! The test starts itself again as a process that edits in a tight loop, and kills it at a random moment. `RUSTFITS_KILLS` sets how often
//! each kind of edit is killed, without the time limit that there is otherwise.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::*;
use ndarray::{Array1, Array2, ArrayD, arr0, s};
use rustfits::{
    ColumnData, ColumnOptions, ColumnPlace, ColumnValues, DataType, ErrorKind, FitsReader, FitsWriter, Header,
    ImageOptions, ImageSelector, PixelValues, Result, TableOptions, TableSelector, WriteOptions,
};

/// The kills of each kind of edit, unless `RUSTFITS_KILLS` says more, and the time that they may take.
const KILLS: usize = 100;
const LONGEST: Duration = Duration::from_secs(3);
const EXTENSIONS: usize = 3;
/// Enough cards for a header of several pages.
const STEADY: usize = 200;
const MORE: usize = 100;

fn pixels(number: usize) -> ArrayD<i16> {
    // Small ones: most of an append is its header.
    let shape = (1 + number % 7, 5 + 13 * (number % 11));
    Array2::from_shape_fn(shape, |(row, column)| (number * 1000 + row * 7 + column) as i16).into_dyn()
}

fn steady(header: &mut Header) -> Result<()> {
    header.set("FIRST", 0)?;
    (0..STEADY).try_for_each(|number| header.set(&format!("STEADY{number}"), format!("the text of {number}")))?;
    header.set("LAST", 0)
}

fn write_base(path: &Path) {
    let writer = FitsWriter::create("mem://").wait().unwrap();
    writer.write_image_bytes(DataType::I16, vec![], vec![], ImageOptions::default()).wait().unwrap();
    for number in 1..=EXTENSIONS {
        writer.write_image(&pixels(number), ImageOptions::named(format!("E{number}"))).wait().unwrap();
    }
    writer.edit_header("E1", steady).wait().unwrap();
    writer.edit_header("E2", |header| header.set("COUNT", 0)).wait().unwrap();
    let bytes = writer.to_bytes().wait().unwrap();
    std::fs::write(path, if is_gzip(path) { gzip(&bytes) } else { bytes }).unwrap();
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// The process that is killed. Run as a test of its own it does nothing.
#[test]
fn worker() {
    let Ok(edit) = std::env::var("RUSTFITS_KILL_EDIT") else { return };
    let path = PathBuf::from(std::env::var("RUSTFITS_KILL_FILE").unwrap());
    if let Some(check) = edit.strip_prefix("limited ") {
        return limited(check, &path);
    }
    let open = || FitsWriter::open(&path).wait().unwrap();
    let mut stdout = std::io::stdout();
    stdout.write_all(b"ready\n").unwrap();
    stdout.flush().unwrap();
    let writer = open();
    for number in 1.. {
        match &*edit {
            "within a page" => {
                writer.edit_header("E2", move |header| header.set("COUNT", number)).wait().unwrap();
            }
            "across pages" => {
                let both =
                    move |header: &mut Header| header.set("FIRST", number).and_then(|()| header.set("LAST", number));
                writer.edit_header("E1", both).wait().unwrap();
            }
            "moving" | "written back" => {
                let writer = open();
                let edit = move |header: &mut Header| match header.contains("MORE0") {
                    true => (0..MORE).try_for_each(|number| header.remove(&format!("MORE{number}"))),
                    false => (0..MORE).try_for_each(|number| header.set(&format!("MORE{number}"), number)),
                };
                writer.edit_header("E1", edit).wait().unwrap();
                writer.edit_header("E2", move |header| header.set("COUNT", number)).wait().unwrap();
                writer.close().wait().unwrap();
            }
            "appending" => {
                let count = writer.reader().count().wait().unwrap();
                writer.write_image(&pixels(count), ImageOptions::named(format!("E{count}"))).wait().unwrap();
            }
            "copying" => {
                let count = writer.reader().count().wait().unwrap();
                writer.copy_hdu(writer.reader(), 1).wait().unwrap();
                let name = format!("E{count}");
                writer.edit_header(count, move |header| header.set("EXTNAME", name)).wait().unwrap();
            }
            "rows" => {
                let table = with_table(&writer);
                let first = writer.reader().hdu("ROWS").wait().unwrap().rows().unwrap() as usize;
                table.append(rows(first..first + 1 + number as usize * 37 % 400)).wait().unwrap();
            }
            "rows taken back" => {
                let table = with_table(&writer);
                let first = writer.reader().hdu("ROWS").wait().unwrap().rows().unwrap() as usize;
                table.append(rows(first..first + 1 + number as usize * 37 % 400)).wait().unwrap();
                table.truncate(number as u64 * 53 % 90).wait().unwrap();
                table.append(rows(number as usize * 53 % 90..100)).wait().unwrap();
            }
            "rows of pixels" => {
                let image = with_pixels(&writer);
                let first = writer.reader().hdu("PIXELS").wait().unwrap().shape().unwrap()[0] as usize;
                image.extend(&pixel_rows(first..first + 1 + number as usize * 37 % 400)).wait().unwrap();
                image.truncate(number as u64 * 53 % 90).wait().unwrap();
                image.extend(&pixel_rows(number as usize * 53 % 90..100)).wait().unwrap();
            }
            "columns" => {
                let table = with_table(&writer);
                let columns = writer.reader().hdu("ROWS").wait().unwrap().fields().unwrap().len();
                let values = ColumnValues::from_array("more", &arr0(7i16));
                let options = ColumnOptions { place: ColumnPlace::At(1), ..ColumnOptions::default() };
                match columns {
                    2 => table.insert_column(values, options).wait().unwrap(),
                    _ => table.delete_column("more").wait().unwrap(),
                }
            }
            "tiles" => {
                let image = with_tiles(&writer);
                let row = number as usize * 7 % 40;
                image.clone().section(s![row..row + 3, ..]).write(&arr0(number)).wait().unwrap();
                if number % 5 == 0 {
                    image.repack().wait().unwrap();
                }
            }
            "variable-length cells" => {
                let table = with_arrays(&writer);
                let count = writer.reader().hdu("ARRAYS").wait().unwrap().rows().unwrap() as usize;
                let row = number as usize * 7 % count;
                let cells = vec![ColumnValues::from_cells("array", &[array(row, number as usize)])];
                table.clone().rows(vec![row as i64]).write(cells).wait().unwrap();
                match number % 30 {
                    10 => table.append(arrays(count..count + 3, number as usize)).wait().unwrap(),
                    20 => table.repack().wait().unwrap(),
                    _ => {}
                }
            }
            "made anew" => {
                let (length, value) = (5000 + number as usize % 3 * 3000, number as u8);
                let mut header = Header::new();
                (0..MORE).try_for_each(|n| header.set(&format!("MORE{n}"), n)).unwrap();
                let options = ImageOptions { header: Some(header), ..ImageOptions::default() };
                let values = PixelValues::from_bytes(DataType::U8, vec![length], vec![value; length]);
                FitsWriter::write_file(&path, false, values, options).wait().unwrap();
            }
            other => panic!("no edit {other}"),
        }
    }
}

/// Rows of a table, each with its number in two forms.
fn rows(numbers: std::ops::Range<usize>) -> Vec<ColumnValues> {
    let integers: Array1<u32> = numbers.clone().map(|number| number as u32).collect();
    let texts: Array1<String> = numbers.map(|number| format!("{number:<9}")).collect();
    vec![ColumnValues::from_array("number", &integers), ColumnValues::from_array("text", &texts)]
}

/// The table, behind the last HDU.
fn with_table(writer: &FitsWriter) -> TableSelector {
    if !writer.reader().contains("ROWS").wait().unwrap() {
        writer.write_table(rows(0..100), TableOptions::named("ROWS")).wait().unwrap();
    }
    writer.reader().table("ROWS")
}

/// A compressed image whose tiles are rows, each of one value.
fn with_tiles(writer: &FitsWriter) -> ImageSelector {
    if !writer.reader().contains("TILES").wait().unwrap() {
        let options = ImageOptions {
            compress: Some("GZIP_1".parse().unwrap()),
            before: Some("E3".into()),
            ..ImageOptions::named("TILES")
        };
        writer.write_image(&Array2::<i32>::zeros((40, 300)), options).wait().unwrap();
    }
    writer.reader().image("TILES")
}

/// Rows of pixels, each of which has the number of its row.
fn pixel_rows(numbers: std::ops::Range<usize>) -> Array2<i32> {
    Array2::from_shape_fn((numbers.len(), 25), |(row, _)| (numbers.start + row) as i32)
}

/// An image behind the last HDU.
fn with_pixels(writer: &FitsWriter) -> ImageSelector {
    if !writer.reader().contains("PIXELS").wait().unwrap() {
        writer.write_image(&pixel_rows(0..100), ImageOptions::named("PIXELS")).wait().unwrap();
    }
    writer.reader().image("PIXELS")
}

/// How many rows the table has, all of them whole; `None` where it is not there yet.
fn whole_rows(fits: &FitsReader) -> Option<usize> {
    if !fits.contains("ROWS").wait().unwrap() {
        return None;
    }
    let table = fits.table("ROWS").read().wait().unwrap();
    for (row, (number, text)) in
        table.array::<u32>("number").unwrap().iter().zip(table.array::<String>("text").unwrap()).enumerate()
    {
        assert_eq!((*number as usize, text.trim_end()), (row, &*row.to_string()));
    }
    let more = table.names().any(|name| name == "more");
    assert!(!more || table.array::<i16>("more").unwrap().iter().all(|value| *value == 7));
    Some(table.rows())
}

/// The array of a row in its `version`: the row, the version, the length, and numbers that follow from the version.
fn array(row: usize, version: usize) -> Vec<i32> {
    let length = 3 + version * 13 % 60;
    let rest = (3..length).map(|index| (version * 31 + index) as i32);
    [row as i32, version as i32, length as i32].into_iter().chain(rest).collect()
}

fn arrays(rows: std::ops::Range<usize>, version: usize) -> Vec<ColumnValues> {
    let cells: Vec<_> = rows.clone().map(|row| array(row, version)).collect();
    let numbers: Array1<u16> = rows.map(|row| row as u16).collect();
    vec![ColumnValues::from_array("row", &numbers), ColumnValues::from_cells("array", &cells)]
}

/// A table with arrays, behind the last HDU.
fn with_arrays(writer: &FitsWriter) -> TableSelector {
    if !writer.reader().contains("ARRAYS").wait().unwrap() {
        writer.write_table(arrays(0..300, 0), TableOptions::named("ARRAYS")).wait().unwrap();
    }
    writer.reader().table("ARRAYS")
}

/// Every array is whole: that of one version, in its row.
fn whole_arrays(fits: &FitsReader) {
    if !fits.contains("ARRAYS").wait().unwrap() {
        return;
    }
    let table = fits.table("ARRAYS").read().wait().unwrap();
    let numbers = table.array::<u16>("row").unwrap();
    let Some(ColumnData::Variable(found)) = table.get("array") else { panic!("not variable") };
    assert!(found.rows() >= 300 && found.rows() == numbers.len());
    for (row, number) in numbers.iter().enumerate() {
        let cell: Vec<i32> = found.cell::<i32>(row).unwrap().iter().copied().collect();
        assert_eq!((usize::from(*number), &cell), (row, &array(row, cell[1] as usize)));
    }
}

fn spawn(edit: &str, path: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["worker", "--exact", "--nocapture", "--test-threads=1"]);
    command.env("RUSTFITS_KILL_EDIT", edit).env("RUSTFITS_KILL_FILE", path);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Kills the edit again and again, and looks at the file each time.
fn killed(edit: &str, name: &str, check: impl Fn(&FitsReader)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    write_base(&path);
    let wanted = std::env::var("RUSTFITS_KILLS").ok().map(|kills| kills.parse::<usize>().unwrap());
    let begun = Instant::now();
    for _ in 0..wanted.unwrap_or(KILLS) {
        if wanted.is_none() && begun.elapsed() > LONGEST {
            break;
        }
        let mut child = spawn(edit, &path);
        let mut stdout = child.stdout.take().unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"ready\n") {
            let mut byte = [0];
            if stdout.read(&mut byte).unwrap() == 0 {
                break;
            }
            said.push(byte[0]);
        }
        std::thread::sleep(Duration::from_micros(RandomState::new().hash_one(0) % 12_000));
        child.kill().unwrap();
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.code().is_none(), "it ended by itself: {}", String::from_utf8_lossy(&ended.stderr));
        look(&path, &check);
    }
}

fn look(path: &Path, check: &impl Fn(&FitsReader)) {
    for name in beside(path) {
        assert!(name.starts_with(".rustfits-") && name.ends_with(".tmp"), "{name} is left");
    }
    check(&FitsReader::open(path).wait().unwrap());
    FitsWriter::open(path).wait().unwrap().close().wait().unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(beside(path), [""; 0], "left by a dead process when the file was opened to be written");
    }
}

/// The names of the other files in the directory.
fn beside(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
    let others = entries.filter(|entry| entry.path() != *path);
    others.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Every HDU has the data and the cards that no edit touches.
fn assert_whole(fits: &FitsReader) {
    let count = fits.count().wait().unwrap();
    assert!(count > EXTENSIONS);
    for number in 1..count {
        assert_eq!(fits.hdu(number).wait().unwrap().name(), Some(&*format!("E{number}")));
        assert_eq!(
            fits.image(number).read::<i16>().wait().unwrap(),
            pixels(number),
            "the data of HDU {number} of {count}"
        );
    }
    let header = fits.header("E1").wait().unwrap();
    for number in 0..STEADY {
        assert_eq!(header.get::<String>(&format!("STEADY{number}")).unwrap(), format!("the text of {number}"));
    }
    let more = (0..MORE).filter(|number| header.contains(&format!("MORE{number}"))).count();
    assert!(more == 0 || more == MORE, "{more} cards of {MORE}");
    assert_eq!(header.keywords().count(), 7 + STEADY + 2 + more + 1, "{header}");
    assert!(fits.header("E2").wait().unwrap().get::<i64>("COUNT").unwrap() >= 0);
    assert_eq!(fits.header("E2").wait().unwrap().keywords().count(), 9);
}

#[test]
fn a_header_that_is_changed_within_a_page() {
    killed("within a page", "a.fits", assert_whole);
}

#[test]
fn a_header_that_is_changed_in_several_pages() {
    killed("across pages", "a.fits", |fits| {
        assert_whole(fits);
        let header = fits.header("E1").wait().unwrap();
        let (first, last) = (header.get::<i64>("FIRST").unwrap(), header.get::<i64>("LAST").unwrap());
        // Each new process begins again with 1.
        assert!(first.abs_diff(last) <= 1 || first == 1 || last == 1, "{first} and {last}");
    });
}

#[test]
fn a_header_that_outgrows_its_blocks_and_shrinks() {
    killed("moving", "a.fits", assert_whole);
}

#[test]
fn a_gzip_file_that_is_written_back() {
    killed("written back", "a.fits.gz", assert_whole);
}

#[test]
fn images_that_are_appended() {
    let most = std::cell::Cell::new(0);
    killed("appending", "a.fits", |fits| {
        assert_whole(fits);
        let count = fits.count().wait().unwrap();
        assert!(count >= most.get(), "{count} HDUs, there were {}", most.get());
        most.set(count);
    });
}

#[test]
fn hdus_that_are_copied() {
    let most = std::cell::Cell::new(0);
    killed("copying", "a.fits", |fits| {
        let count = fits.count().wait().unwrap();
        assert!(count >= most.replace(count));
        for number in EXTENSIONS + 1..count {
            assert_eq!(fits.image(number).read::<i16>().wait().unwrap(), pixels(1));
            let header = fits.header(number).wait().unwrap();
            assert_eq!(
                header.get::<String>(&format!("STEADY{}", STEADY - 1)).unwrap(),
                format!("the text of {}", STEADY - 1)
            );
        }
    });
}

#[test]
fn rows_that_are_appended() {
    let most = std::cell::Cell::new(None);
    killed("rows", "a.fits", |fits| {
        let count = whole_rows(fits);
        assert!(count >= most.get(), "{count:?} rows, there were {:?}", most.get());
        most.set(count);
    });
}

#[test]
fn rows_that_are_taken_back() {
    killed("rows taken back", "a.fits", |fits| assert!(whole_rows(fits).is_none_or(|rows| rows < 600)));
}

#[test]
fn rows_of_pixels_that_are_added_and_taken_back() {
    killed("rows of pixels", "a.fits", |fits| {
        if fits.contains("PIXELS").wait().unwrap() {
            let image = fits.image("PIXELS").read::<i32>().wait().unwrap();
            let rows = image.shape()[0];
            assert!(rows < 600 && image == pixel_rows(0..rows).into_dyn(), "{rows} rows");
        }
    });
}

#[test]
fn variable_length_cells() {
    killed("variable-length cells", "a.fits", whole_arrays);
}

#[test]
fn columns_that_come_and_go() {
    killed("columns", "a.fits", |fits| assert!(whole_rows(fits).is_none_or(|rows| rows == 100)));
}

#[test]
fn pixels_of_a_compressed_image() {
    killed("tiles", "a.fits", |fits| {
        for number in 1..=EXTENSIONS {
            let name = format!("E{number}");
            assert_eq!(fits.image(&*name).read::<i16>().wait().unwrap(), pixels(number), "{name}");
        }
        if fits.contains("TILES").wait().unwrap() {
            let image = fits.image("TILES").read::<i32>().wait().unwrap();
            for row in image.outer_iter() {
                assert!(row.iter().all(|value| Some(value) == row.first()), "{row}");
            }
        }
    });
}

#[test]
fn a_file_that_is_made_anew() {
    killed("made anew", "a.fits", |fits| {
        if fits.count().wait().unwrap() > 1 {
            // Not replaced yet.
            return assert_whole(fits);
        }
        let image = fits.image(0).read::<u8>().wait().unwrap();
        assert!(image.iter().all(|value| Some(value) == image.first()));
        assert!(fits.header(0).wait().unwrap().contains(&format!("MORE{}", MORE - 1)));
    });
}

/// In a process that may write no file past a size: its write fails as on a full disk.
fn limited(check: &str, path: &Path) {
    let before = std::fs::read(path).unwrap();
    let writer = FitsWriter::open(path).wait().unwrap();
    match check {
        "move" => {
            writer
                .edit_header("E1", |header| (0..MORE).try_for_each(|n| header.set(&format!("MORE{n}"), n)))
                .wait()
                .unwrap();
            let error = failure(writer.sync().wait());
            assert_says(&error, &[path.to_str().unwrap(), "too large", "allow_in_place=True"]);
            assert!(std::fs::read(path).unwrap() == before, "the file is as it was");
            // Nothing of the file has changed: it goes on being usable, and says so again.
            assert_whole(writer.reader());
            failure(writer.close().wait());
            assert!(writer.reader().is_closed());
        }
        "in place" => {
            let writer_of_header = writer.edit_header("E3", |header| header.set("NEW", 1)).wait();
            assert_says(&failure(writer_of_header), &["HDU 3", "too large"]);
            for error in [
                failure(writer.edit_header("E1", |header| header.set("FIRST", 1)).wait()),
                failure(writer.write_image(&pixels(9), ImageOptions::default()).wait()),
                failure(writer.sync().wait()),
            ] {
                assert_says(&error, &[path.to_str().unwrap(), "close the file and open it again"]);
                assert_eq!(error.kind(), ErrorKind::Io);
            }
            failure_or_nothing(writer.close().wait());
            assert!(writer.reader().is_closed());
            assert!(std::fs::read(path).unwrap() == before, "the file is as it was");
        }
        "append" => {
            failure(writer.write_image(&pixels(4), ImageOptions::named("E4")).wait());
            assert_says(&failure(writer.sync().wait()), &["close the file and open it again"]);
            failure_or_nothing(writer.close().wait());
            assert!(std::fs::read(path).unwrap().starts_with(&before), "what was there is there");
        }
        "write-back" => {
            let noise = |header: &mut Header| {
                (0..5000u64).try_for_each(|number| {
                    header.set(&format!("N{number}"), RandomState::new().hash_one(number) as i64)
                })
            };
            writer.edit_header("E3", noise).wait().unwrap();
            assert_says(&failure(writer.sync().wait()), &[path.to_str().unwrap(), "too large"]);
            failure(writer.close().wait());
            assert!(std::fs::read(path).unwrap() == before, "the file is as it was");
        }
        "allowed in place" => {
            drop(writer);
            let options = WriteOptions { allow_in_place: true, ..WriteOptions::default() };
            let writer = FitsWriter::open_with(path, options).wait().unwrap();
            writer
                .edit_header("E1", |header| (0..MORE).try_for_each(|n| header.set(&format!("MORE{n}"), n)))
                .wait()
                .unwrap();
            failure(writer.sync().wait());
            let again = failure(writer.edit_header("E2", |header| header.set("COUNT", 1)).wait());
            assert_says(&again, &["close the file and open it again"]);
        }
        other => panic!("no check {other}"),
    }
}

fn failure_or_nothing(result: Result<()>) {
    if let Err(error) = result {
        assert_says(&error, &["close the file and open it again"]);
    }
}

/// Runs a check of [`limited`] where files may have at most as many blocks of 512 bytes as `limit` makes of the size.
fn with_limit(check: &str, name: &str, limit: impl Fn(u64) -> u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    write_base(&path);
    let blocks = limit(path.metadata().unwrap().len() / 512);
    // The shell ignores the signal that a process gets at the limit, and so does what it turns into.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" worker --exact --nocapture --test-threads=1");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    command.env("RUSTFITS_KILL_EDIT", format!("limited {check}")).env("RUSTFITS_KILL_FILE", &path);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside the file");
    if check != "allowed in place" {
        look(&path, &assert_whole);
    }
}

#[test]
fn a_full_disk_leaves_what_was_to_move() {
    with_limit("move", "a.fits", |blocks| blocks + 1);
}

#[test]
fn a_write_that_fails_in_place_ends_the_handle() {
    with_limit("in place", "a.fits", |blocks| blocks / 2);
}

#[test]
fn an_append_to_a_full_disk_leaves_what_was_there() {
    with_limit("append", "a.fits", |blocks| blocks + 1);
}

#[test]
fn a_full_disk_leaves_the_gzip_file_that_was_there() {
    with_limit("write-back", "a.fits.gz", |blocks| blocks + 1);
}

#[test]
fn a_move_in_place_that_fails_ends_the_handle() {
    with_limit("allowed in place", "a.fits", |blocks| blocks + 1);
}
