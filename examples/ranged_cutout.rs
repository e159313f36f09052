//! Cuts a stamp out of a remote image, fetching only the bytes of its rows.
//!
//! `cargo run --release --example ranged_cutout -- https://archive.example/mosaic.fits SCI 8000 4000 200`
//! (URL, HDU, x and y of the corner counted from 0, size; then it writes cutout.fits)

mod common;

use std::time::Instant;

use ndarray::{ArrayD, s};
use rustfits::{FitsReader, FitsWriter, HduKey, ImageOptions, OpenOptions, Remote};

#[tokio::main]
async fn main() -> common::Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (server, url, hdu, [x, y, size], output) = match arguments.as_slice() {
        [url, hdu, x, y, size] => (None, url.clone(), key(hdu), [x.parse()?, y.parse()?, size.parse()?], "cutout.fits"),
        [] => {
            let (server, urls) = common::serve(1, 4096)?;
            (Some(server), urls.concat(), key("SCI"), [1000_usize, 3000, 200], "mem://")
        }
        _ => return Err("usage: ranged_cutout [URL HDU X Y SIZE]".into()),
    };

    let started = Instant::now();
    let options = OpenOptions { remote: Some(Remote::ranged()), ..OpenOptions::default() };
    let fits = FitsReader::open_with(&url, options).await?;
    let shape = fits.hdu(hdu.clone()).await?.shape()?;
    let cutout: ArrayD<f32> = fits.image(hdu).section(s![y..y + size, x..x + size]).read().await?;
    println!("{:?} out of {shape:?} in {} ms", cutout.shape(), started.elapsed().as_millis());
    println!("brightest pixel: {:.2}", cutout.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    if let Some(server) = server {
        let requests = server.requests();
        let sent: u64 = requests.iter().map(|request| request.body_sent).sum();
        println!("{} requests moved {sent} bytes", requests.len());
    }

    let file = FitsWriter::create(output).await?;
    file.write_image(&cutout, ImageOptions::named("CUTOUT")).await?;
    file.close().await?;
    println!("written to {output}");
    Ok(())
}

/// An HDU is named by its number or its EXTNAME.
fn key(text: &str) -> HduKey {
    text.parse::<i64>().map_or_else(|_| HduKey::from(text), HduKey::from)
}
