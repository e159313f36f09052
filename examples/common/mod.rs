//! Files to read for an example that is started without arguments, on a server that it starts itself.

#![allow(dead_code, reason = "each example uses a part of this")]

use std::error::Error;

use ndarray::Array2;
use rustfits::{FitsWriter, ImageOptions};
use rustfits_loopback::HttpServer;

/// What `main` of an example returns.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// A square image of a sky: a gradient, and stars of many brightnesses on a loose grid.
pub(crate) fn sky(side: usize) -> Array2<f32> {
    const CELL: usize = 64;
    Array2::from_shape_fn((side, side), |(row, column)| {
        let (cell_row, cell_column) = (row / CELL, column / CELL);
        let scatter = (cell_row * 7919 + cell_column * 104_729) % 997;
        let distance = |position: usize, shift: usize| (position % CELL) as f32 - (12 + scatter * shift % 40) as f32;
        let radius2 = distance(row, 3).powi(2) + distance(column, 5).powi(2);
        let width = 2.0 + (scatter % 5) as f32;
        100.0 + 20.0 * row as f32 / side as f32 + scatter as f32 * 4.0 * (-radius2 / (2.0 * width * width)).exp()
    })
}

/// The bytes of a file with two HDUs: the sky, and a small integer image named DQ.
pub(crate) fn sky_file(side: usize) -> rustfits::Result<Vec<u8>> {
    let fits = FitsWriter::create("mem://").wait()?;
    fits.write_image(&sky(side), ImageOptions::named("SCI")).wait()?;
    fits.write_image(&Array2::<i16>::from_shape_fn((16, 16), |(y, x)| i16::from(x == y)), ImageOptions::named("DQ"))
        .wait()?;
    fits.reader().to_bytes().wait()
}

/// A running server with `count` files, and their URLs.
pub(crate) fn serve(count: usize, side: usize) -> rustfits::Result<(HttpServer, Vec<String>)> {
    let server = HttpServer::start();
    let bytes = bytes::Bytes::from(sky_file(side)?);
    let urls = (0..count).map(|number| {
        let path = format!("/sky-{number}.fits");
        server.put(&path, bytes.clone());
        server.url(&path)
    });
    let urls = urls.collect();
    Ok((server, urls))
}

/// The arguments of the program. Where there are none: the URLs of `count` files and the server to keep alive.
pub(crate) fn names(count: usize, side: usize) -> rustfits::Result<(Option<HttpServer>, Vec<String>)> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if !names.is_empty() {
        return Ok((None, names));
    }
    serve(count, side).map(|(server, urls)| (Some(server), urls))
}
