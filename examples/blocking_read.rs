//! Lists the HDUs of files with the statistics of their images; a name is a path or a URL.
//!
//! `cargo run --release --example blocking_read -- image.fits https://archive.example/tile.fits.gz`

mod common;

use rustfits::blocking::FitsReader;
use rustfits::{HduInfo, HduKind};

fn main() -> common::Outcome {
    let (_server, names) = common::names(1, 512)?;
    for name in names {
        let fits = FitsReader::open(&name)?;
        println!("{name}");
        for index in 0..fits.count()? {
            println!("  {index}: {}", describe(&fits, &fits.hdu(index as i64)?)?);
        }
    }
    Ok(())
}

fn describe(fits: &FitsReader, hdu: &HduInfo) -> rustfits::Result<String> {
    let name = hdu.name().unwrap_or("-");
    match hdu.kind() {
        HduKind::Image | HduKind::CompressedImage if hdu.has_data() => {
            let image = fits.image(hdu.index() as i64).read::<f64>()?;
            let (mut low, mut high, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
            for &value in image.iter().filter(|value| value.is_finite()) {
                low = low.min(value);
                high = high.max(value);
                sum += value;
            }
            let mean = sum / image.len() as f64;
            Ok(format!(
                "{name} image {:?} {}, {low:.3} to {high:.3}, mean {mean:.3}",
                hdu.shape()?,
                hdu.data_type()?.code()
            ))
        }
        HduKind::BinaryTable => {
            let columns: Vec<_> = hdu.fields()?.iter().map(|field| field.name.clone()).collect();
            Ok(format!("{name} table of {} rows: {}", hdu.rows()?, columns.join(", ")))
        }
        kind => Ok(format!("{name} {kind:?}, {} cards", hdu.header().len())),
    }
}
