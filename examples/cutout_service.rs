//! A web service that gives PNG cutouts of remote FITS files, of which it fetches only the rows it needs.
//!
//! `cargo run --release --example cutout_service -- 127.0.0.1:8080`, then
//! `GET /cutout?url=https://archive.example/mosaic.fits&hdu=1&x=8000&y=4000&size=300`: `x` and `y` are the centre, in pixels
//! counted from 0; `hdu` is a number or an EXTNAME. Run it where people you trust can reach it: it fetches any http(s) URL.

mod common;

use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use ndarray::{ArrayD, s};
use rustfits::{Error, ErrorKind, FitsReader, HduKey, OpenOptions, Remote};

const MAX_SIZE: usize = 2048;

#[tokio::main]
async fn main() -> common::Outcome {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let base = format!("http://{}", listener.local_addr()?);
    println!("listening on {base}");
    let (_server, urls) = common::serve(1, 2048)?;
    println!("try {base}/cutout?url={}&hdu=0&x=1000&y=1000&size=400", urls.concat());
    axum::serve(listener, Router::new().route("/cutout", get(cutout))).await?;
    Ok(())
}

/// What to cut out.
#[derive(serde::Deserialize)]
struct Cutout {
    url: String,
    hdu: String,
    x: usize,
    y: usize,
    size: usize,
}

async fn cutout(Query(cutout): Query<Cutout>) -> Response {
    match read(cutout).await.and_then(|image| png(&image)) {
        Ok(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        Err(error) => (status(&error), format!("{error}\n")).into_response(),
    }
}

/// Reads the pixels around a point; at the edge of the image there are fewer.
async fn read(Cutout { url, hdu, x, y, size }: Cutout) -> rustfits::Result<ArrayD<f32>> {
    let bad = |message: String| Err(Error::new(ErrorKind::Argument, message));
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return bad("url must begin with http:// or https://".to_owned());
    }
    if !(1..=MAX_SIZE).contains(&size) {
        return bad(format!("size must be 1 to {MAX_SIZE}"));
    }
    let key = hdu.parse::<i64>().map_or_else(|_| HduKey::from(hdu.as_str()), HduKey::from);
    let options = OpenOptions { remote: Some(Remote::ranged()), ..OpenOptions::default() };
    let fits = FitsReader::open_with(url, options).await?;
    let shape = fits.hdu(key.clone()).await?.shape()?;
    let (left, bottom) = (x.saturating_sub(size / 2), y.saturating_sub(size / 2));
    match shape.as_slice() {
        &[height, width] if (x as u64) < width && (y as u64) < height => {
            let (right, top) = ((left + size).min(width as usize), (bottom + size).min(height as usize));
            fits.image(key).section(s![bottom..top, left..right]).read().await
        }
        [_, _] => bad(format!("there is no pixel ({x}, {y}) in an image of shape {shape:?}")),
        _ => bad(format!("the HDU has shape {shape:?}; an image of two axes is needed")),
    }
}

/// Grey levels: asinh of the height above the median, in units of the spread; the first row of the image is at the bottom.
fn png(image: &ArrayD<f32>) -> rustfits::Result<Vec<u8>> {
    let (rows, columns) = (image.shape()[0], image.shape()[1]);
    let mut sorted: Vec<f32> = image.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let quantile = |part: f32| sorted.get((part * (sorted.len() as f32 - 1.0)) as usize).copied().unwrap_or(0.0);
    let (low, middle) = (quantile(0.02), quantile(0.5));
    let spread = (middle - low).max((quantile(1.0) - low) * 1e-3).max(f32::MIN_POSITIVE);
    let stretch = |value: f32| ((value - low) / spread).max(0.0).asinh();
    let white = stretch(quantile(0.998)).max(f32::MIN_POSITIVE);
    let level = |value: &f32| (stretch(*value) / white * 255.0) as u8;
    let pixels: Vec<u8> = image.outer_iter().rev().flat_map(|row| row.iter().map(level).collect::<Vec<_>>()).collect();

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|error| Error::new(ErrorKind::Argument, error.to_string()))?;
    Ok(bytes)
}

fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Key | ErrorKind::Index => StatusCode::NOT_FOUND,
        ErrorKind::Argument => StatusCode::BAD_REQUEST,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    }
}
