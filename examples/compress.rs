//! Compresses the images of files in tiles, without loss: `image.fits` becomes `image.fits.fz`. Tables and empty HDUs stay as they are.
//!
//! `cargo run --release --example compress -- RICE_1 image.fits other.fits` (RICE_1, GZIP_1, GZIP_2, PLIO_1 or HCOMPRESS_1)

mod common;

use ndarray::Array2;
use rustfits::{Compression, DataType, FitsReader, FitsWriter, HduInfo, HduKind, ImageOptions, PixelValues, Result};

fn main() -> common::Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((codec, names)) = arguments.split_first() else { return show() };
    for name in names {
        let from = FitsReader::open(name).wait()?;
        // Appears under its name when it is complete.
        let to = FitsWriter::create_atomic(format!("{name}.fz")).wait()?;
        compress(&from, &to, &codec.parse()?)?;
        to.close().wait()?;
        println!("{name}.fz");
    }
    Ok(())
}

fn compress(from: &FitsReader, to: &FitsWriter, compression: &Compression) -> Result<()> {
    for index in 0..from.count().wait()? {
        let hdu = from.hdu(index).wait()?;
        if hdu.kind() != HduKind::Image || !hdu.has_data() {
            to.copy_hdu(from, index).wait()?;
            continue;
        }
        let image = from.image(index).read_dyn().wait()?;
        let options = ImageOptions {
            compress: Some(lossless(compression, image.data_type())?),
            header: Some(hdu.header().as_ref().clone()),
            blank: blank(&hdu, image.data_type()),
            ..ImageOptions::default()
        };
        let values = PixelValues::from_bytes(image.data_type(), image.shape().to_vec(), image.bytes().to_vec());
        to.write_image_values(values, options).wait()?;
    }
    Ok(())
}

/// The compression that was asked for where it keeps all digits of such pixels, else GZIP_2, which keeps those of any.
fn lossless(asked: &Compression, data_type: DataType) -> Result<Compression> {
    match data_type {
        DataType::F32 | DataType::F64 | DataType::I64 | DataType::U64 => "GZIP_2".parse(),
        _ => Ok(asked.clone()),
    }
}

/// The value that stands for no value: BLANK says how it is stored.
fn blank(hdu: &HduInfo, data_type: DataType) -> Option<i128> {
    let integers = !matches!(data_type, DataType::F32 | DataType::F64);
    let stored = hdu.header().get::<i64>("BLANK").ok().filter(|_| integers)?;
    let zero = hdu.header().get::<f64>("BZERO").unwrap_or(0.0);
    Some(i128::from(stored) + zero as i128)
}

/// Without arguments: compresses an image of counts in memory, by each codec.
fn show() -> common::Outcome {
    let counts: Array2<i32> = common::sky(1024).mapv(|flux| flux.round() as i32);
    let plain = FitsWriter::create("mem://").wait()?;
    plain.write_image(&counts, ImageOptions::named("SKY")).wait()?;
    let size = plain.to_bytes().wait()?.len();
    for codec in ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"] {
        let packed = FitsWriter::create("mem://").wait()?;
        compress(plain.reader(), &packed, &codec.parse()?)?;
        let back = packed.reader().image("SKY").read::<i32>().wait()?;
        let same = if back == counts.clone().into_dyn() { "the same" } else { "other" };
        println!("{codec}: {:.1} times smaller, {same} pixels", size as f64 / packed.to_bytes().wait()?.len() as f64);
    }
    Ok(())
}
