//! Reads files in async code: all of them at the same time, and several parts of each at the same time.
//!
//! `cargo run --release --example async_read -- image.fits https://archive.example/tile.fits.gz`

mod common;

use futures_util::future::try_join_all;
use ndarray::s;
use rustfits::{Error, ErrorKind, FitsReader, Result};

#[tokio::main]
async fn main() -> common::Outcome {
    let (_server, names) = common::names(3, 512)?;
    for line in try_join_all(names.iter().map(|name| corners(name))).await? {
        println!("{line}");
    }
    Ok(())
}

/// The mean of each corner of the first image. A reader is shared by cloning: tasks read one file together.
async fn corners(name: &str) -> Result<String> {
    let fits = FitsReader::open(name).await?;
    let image = fits.image(first_image(&fits).await?);
    let top = image.clone().section(s![-16.., ..16]);
    let bottom = image.section(s![..16, ..16]);
    let (top, bottom) = tokio::try_join!(top.read::<f32>(), bottom.read::<f32>())?;
    let mean = |corner: &ndarray::ArrayD<f32>| corner.mean().unwrap_or(f32::NAN);
    Ok(format!("{name}: {} HDUs, corner means {:.2} and {:.2}", fits.count().await?, mean(&bottom), mean(&top)))
}

/// The number of the first HDU that has a two-dimensional image.
async fn first_image(fits: &FitsReader) -> Result<i64> {
    for index in 0..fits.count().await? as i64 {
        if fits.hdu(index).await?.shape().is_ok_and(|shape| shape.len() == 2) {
            return Ok(index);
        }
    }
    Err(Error::new(ErrorKind::Key, format!("{}: there is no image of two axes", fits.name())))
}
