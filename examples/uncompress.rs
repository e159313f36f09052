//! Undoes compression in tiles: `image.fits.fz` becomes `image.fits`. Other HDUs stay as they are.
//!
//! `cargo run --release --example uncompress -- image.fits.fz https://archive.example/mosaic.fits.fz`

mod common;

use rustfits::{DataType, FitsReader, FitsWriter, HduInfo, HduKind, ImageOptions, PixelValues, Result};

fn main() -> common::Outcome {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        return show();
    }
    for name in names {
        let last = name.rsplit('/').next().unwrap_or(&name);
        let output = last.strip_suffix(".fz").map_or_else(|| format!("uncompressed-{last}"), str::to_owned);
        let from = FitsReader::open(&name).wait()?;
        // Appears under its name when it is complete.
        let to = FitsWriter::create_atomic(&output).wait()?;
        uncompress(&from, &to)?;
        to.close().wait()?;
        println!("{output}");
    }
    Ok(())
}

fn uncompress(from: &FitsReader, to: &FitsWriter) -> Result<()> {
    let hdus = (0..from.count().wait()?).map(|index| from.hdu(index).wait()).collect::<Result<Vec<_>>>()?;
    for (index, hdu) in hdus.iter().enumerate() {
        let before_image = hdus.get(1).is_some_and(|next| next.kind() == HduKind::CompressedImage);
        if index == 0 && !hdu.has_data() && before_image {
            // It is there because a table can't be the primary HDU: the image takes its place.
            continue;
        }
        if hdu.kind() != HduKind::CompressedImage {
            to.copy_hdu(from, index).wait()?;
            continue;
        }
        let image = from.image(index).read_dyn().wait()?;
        let options = ImageOptions {
            header: Some(hdu.header().as_ref().clone()),
            blank: blank(hdu, image.data_type()),
            ..ImageOptions::default()
        };
        let values = PixelValues::from_bytes(image.data_type(), image.shape().to_vec(), image.bytes().to_vec());
        to.write_image_values(values, options).wait()?;
    }
    Ok(())
}

/// The value that stands for no value: BLANK says how it is stored.
fn blank(hdu: &HduInfo, data_type: DataType) -> Option<i128> {
    let integers = !matches!(data_type, DataType::F32 | DataType::F64);
    let stored = hdu.header().get::<i64>("BLANK").or_else(|_| hdu.header().get("ZBLANK")).ok().filter(|_| integers)?;
    let zero = hdu.header().get::<f64>("BZERO").unwrap_or(0.0);
    Some(i128::from(stored) + zero as i128)
}

/// Without arguments: compresses a sky in memory and undoes it.
fn show() -> common::Outcome {
    let sky = common::sky(512);
    let packed = FitsWriter::create("mem://").wait()?;
    let options = ImageOptions { compress: Some("GZIP_2".parse()?), ..ImageOptions::named("SKY") };
    packed.write_image(&sky, options).wait()?;
    let plain = FitsWriter::create("mem://").wait()?;
    uncompress(packed.reader(), &plain)?;
    let hdu = plain.reader().hdu("SKY").wait()?;
    let same = plain.reader().image("SKY").read::<f32>().wait()? == sky.into_dyn();
    println!(
        "{} HDU, {:?}, {} pixels",
        plain.reader().count().wait()?,
        hdu.shape()?,
        if same { "the same" } else { "other" }
    );
    Ok(())
}
