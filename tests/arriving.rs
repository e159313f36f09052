//! `RemoteMode::Stream`: a file that is read while it arrives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array2, s};
use rustfits::{ErrorKind, Fetcher, FitsReader, ImageOptions, OpenOptions, Remote};
use rustfits_loopback::{FtpServer, HttpServer};

fn streamed() -> OpenOptions {
    OpenOptions { remote: Some(Remote::stream()), ..OpenOptions::default() }
}

/// Two images: a small one, and a large one.
fn two_images() -> Vec<u8> {
    fits(|writer| {
        writer.write_image(&sample_primary(), ImageOptions::default()).wait().unwrap();
        writer.write_image(&ramp(1000, 1000), ImageOptions::named("LARGE")).wait().unwrap();
        writer.write_image(&Array2::from_elem((4, 4), 0.5f64), ImageOptions::named("LAST")).wait().unwrap();
    })
}

fn open(url: &str) -> rustfits::Result<FitsReader> {
    let url = url.to_owned();
    promptly(move || FitsReader::open_with(url, streamed()).wait())
}

#[test]
fn a_file_is_the_same_however_it_comes() {
    let server = HttpServer::start();
    server.put("/a.fits", sample());
    server.put("/a.fits.gz", gzip(&sample()));
    server.put("/twice.fits", gzip(&gzip(&sample())));
    for word in ["", "?chunked", "?nolength", "?norange", "?rate=2000000"] {
        for name in ["/a.fits", "/a.fits.gz", "/twice.fits"] {
            let fits = open(&server.url(&format!("{name}{word}"))).unwrap();
            assert_sample(&fits);
            assert_eq!(fits.to_bytes().wait().unwrap(), sample());
            assert!(fits.contains("ERR").wait().unwrap() && !fits.contains("NONE").wait().unwrap());
            assert!(fits.arrived_hdus().is_none());
        }
    }
    assert!(server.requests().iter().all(|request| request.range.is_none()));
}

#[test]
fn a_file_is_the_same_over_ftp() {
    let server = FtpServer::start();
    server.put("/a.fits", sample());
    server.put("/a.fits.gz", gzip(&sample()));
    for name in ["/a.fits", "/a.fits.gz"] {
        assert_sample(&open(&server.url(name)).unwrap());
    }
    assert_eq!(open(&server.url("/none.fits")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn opening_and_reading_wait_for_no_more_than_they_need() {
    let server = HttpServer::start();
    let file = two_images();
    // Nothing comes after the header of the large image and a part of its rows, until the connection is closed.
    let stop = 3 * BLOCK + 2 * BLOCK + 4 * 1000 * 100;
    server.put("/a.fits", file);
    for word in [format!("stall={BLOCK}"), format!("chunked&stall={BLOCK}")] {
        let fits = open(&server.url(&format!("/a.fits?{word}"))).unwrap();
        assert_eq!(fits.header(0).wait().unwrap().get::<i64>("NAXIS1").unwrap(), 30);
        assert_eq!(fits.arrived_hdus().unwrap().len(), 1);
    }
    let fits = open(&server.url(&format!("/a.fits?stall={stop}"))).unwrap();
    assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), sample_primary().into_dyn());
    let rows = fits.image("LARGE").section(s![40..50, ..]).read::<f32>().wait().unwrap();
    assert_eq!(rows, ramp(1000, 1000).slice(s![40..50, ..]).into_dyn());
    let names: Vec<_> = fits.arrived_hdus().unwrap().iter().map(|hdu| hdu.name().map(str::to_owned)).collect();
    assert_eq!(names, [None, Some("LARGE".to_owned())]);
    // A read of what has not come waits, and closing ends neither it nor others.
    let mut waiting = fits.image("LARGE").read::<f32>();
    begin(&mut waiting);
    drop(waiting);
    assert_eq!(fits.image("LARGE").section(s![0, 0..3]).read::<f32>().wait().unwrap().len(), 3);
}

#[test]
fn closing_a_file_stops_its_transfer() {
    let server = HttpServer::start();
    server.put("/a.fits", two_images());
    for closes in [true, false] {
        server.clear_log();
        let fits = open(&server.url("/a.fits?rate=400000")).unwrap();
        let again = fits.clone();
        if closes {
            fits.close()
        } else {
            drop((fits, again))
        }
        eventually("the transfer has ended", || server.requests().iter().all(|request| request.finished.is_some()));
        assert!(server.requests()[0].body_sent < 2_000_000);
    }
}

#[test]
fn a_dropped_open_stops_its_transfer() {
    let server = HttpServer::start();
    server.put("/a.fits", two_images());
    let mut opening = FitsReader::open_with(server.url("/a.fits?stall=100"), streamed());
    begin(&mut opening);
    eventually("it is asked for", || !server.requests().is_empty());
    drop(opening);
    eventually("the transfer has ended", || server.requests().iter().all(|request| request.finished.is_some()));
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let server = HttpServer::start();
    let file = two_images();
    server.put("/a.fits", file.clone());
    server.put("/a.fits.gz", gzip(&file));
    // With ranges the rest is asked for; without, all comes once more and is compared.
    for name in ["/a.fits?cut=100000&cut_times=1", "/a.fits.gz?cut=30000&cut_times=1"] {
        for word in ["", "&no_validator", "&reset"] {
            let fits = open(&server.url(&format!("{name}{word}"))).unwrap();
            assert_eq!(fits.to_bytes().wait().unwrap(), file);
        }
    }
    let resumed = server.requests().iter().filter(|request| request.range.is_some()).count();
    assert_eq!(resumed, 4);
}

#[test]
fn a_transfer_that_breaks_often_gets_there() {
    let server = HttpServer::start();
    let file = two_images();
    server.put("/a.fits", file.clone());
    // Each of five answers breaks off after a piece.
    let fits = open(&server.url("/a.fits?cut=800000")).unwrap();
    assert_eq!(fits.to_bytes().wait().unwrap(), file);
    assert!(server.requests().len() > 5);
    // Three that bring nothing new are enough.
    server.clear_log();
    let fits = open(&server.url("/a.fits?cut=100000&norange")).unwrap();
    assert_eq!(failure(fits.to_bytes().wait()).kind(), ErrorKind::Network);
}

#[test]
fn a_file_that_changed_is_no_file() {
    let server = HttpServer::start();
    server.put("/a.fits", two_images());
    let fits = open(&server.url("/a.fits?cut=1000000&cut_times=1&no_validator&rate=4000000")).unwrap();
    let mut other = two_images();
    other[20_000] ^= 1;
    server.put("/a.fits", other);
    let error = failure(promptly(move || fits.to_bytes().wait()));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_says(&error, &["changed", "a.fits"]);
}

#[test]
fn errors_come_at_the_reads_that_need_what_is_missing() {
    let server = HttpServer::start();
    let file = two_images();
    server.put("/a.fits", file.clone());
    server.put("/cut.fits.gz", gzip(&file)[..60_000].to_vec());
    server.put("/cut.fits", file[..1_000_000].to_vec());
    for (name, kind) in [
        ("/a.fits?cut=1000000&norange", ErrorKind::Network),
        ("/cut.fits.gz", ErrorKind::Truncated),
        ("/cut.fits", ErrorKind::Truncated),
        ("/cut.fits?chunked", ErrorKind::Truncated),
    ] {
        let fits = open(&server.url(name)).unwrap();
        assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), sample_primary().into_dyn());
        let rows = fits.image("LARGE").section(s![0..10, ..]).read::<f32>().wait().unwrap();
        assert_eq!(rows, ramp(1000, 1000).slice(s![0..10, ..]).into_dyn());
        let whole = fits.clone();
        let error = failure(promptly(move || whole.image("LARGE").read::<f32>().wait()));
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert_says(&error, &["127.0.0.1", name.split('?').next().unwrap()]);
        assert_eq!(fits.header("LARGE").wait().unwrap().get::<i64>("NAXIS1").unwrap(), 1000);
    }
}

#[test]
fn what_is_no_fits_file_is_refused_when_it_is_opened() {
    let server = HttpServer::start();
    server.put("/empty.fits", Vec::new());
    server.put("/short.fits", sample()[..1000].to_vec());
    server.put("/junk.fits", vec![b'x'; 100_000]);
    server.put("/endless.fits", [&sample()[..80], &vec![b' '; 300_000]].concat());
    for (name, kind, words) in [
        ("/none.fits", ErrorKind::Status(404), "404"),
        ("/empty.fits", ErrorKind::Truncated, "empty"),
        ("/short.fits", ErrorKind::Truncated, "1000 bytes"),
        ("/junk.fits", ErrorKind::Corrupt, "SIMPLE"),
        ("/junk.fits?chunked", ErrorKind::Corrupt, "SIMPLE"),
        ("/endless.fits?chunked", ErrorKind::Truncated, "END"),
        ("/short.fits?html", ErrorKind::Truncated, "text/html"),
    ] {
        let error = open(&server.url(name)).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert_says(&error, &[words, name.split('?').next().unwrap()]);
    }
}

#[test]
fn limits_of_time_and_size_hold() {
    let server = HttpServer::start();
    server.put("/a.fits", two_images());
    server.put("/a.fits.gz", gzip(&two_images()));
    let with = |change: fn(&mut Remote)| {
        let mut remote = Remote::stream();
        change(&mut remote);
        OpenOptions { remote: Some(remote), ..OpenOptions::default() }
    };
    let small = with(|remote| remote.max_bytes = Some(1_000_000));
    let error = failure(FitsReader::open_with(server.url("/a.fits"), small.clone()).wait());
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    // How long what comes will be shows as it comes.
    for name in ["/a.fits?chunked", "/a.fits.gz"] {
        let fits = FitsReader::open_with(server.url(name), small.clone()).wait().unwrap();
        assert_eq!(fits.image(0).read::<f32>().wait().unwrap(), sample_primary().into_dyn());
        let error = failure(fits.to_bytes().wait());
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_says(&error, &["1000000", "max_bytes"]);
    }
    let patience = with(|remote| remote.timeout = limits(200));
    let fits = FitsReader::open_with(server.url("/a.fits?stall=100000&norange"), patience).wait().unwrap();
    assert_eq!(failure(promptly(move || fits.count().wait())).kind(), ErrorKind::Timeout);
}

#[test]
fn many_read_one_file_while_it_arrives() {
    let server = HttpServer::start();
    server.put("/a.fits", two_images());
    let fits = open(&server.url("/a.fits?rate=20000000")).unwrap();
    let expected = ramp(1000, 1000);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (fits, expected) = (fits.clone(), &expected);
            scope.spawn(move || {
                for start in (thread * 10..1000).step_by(80) {
                    let rows = fits.image(1).section(s![start..start + 10, ..]).read::<f32>().wait().unwrap();
                    assert_eq!(rows, expected.slice(s![start..start + 10, ..]).into_dyn());
                }
            });
        }
    });
}

#[test]
fn a_fetch_of_many_refuses_to_stream() {
    let fetcher = Fetcher::builder().open(streamed()).build();
    let error = failure(fetcher);
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_says(&error, &["stream", "auto"]);
}
