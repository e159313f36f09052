//! How a new image is compressed in tiles (FITS 4.0 §10).

use std::str::FromStr;

use crate::error::{Error, Result};

/// How the tiles of a new image are compressed.
///
/// # Examples
///
/// ```
/// use rustfits::{Algorithm, Compression};
///
/// let compression: Compression = "rice_1".parse()?;
/// assert_eq!(compression.algorithm, Algorithm::Rice1 { block_size: 32 });
/// let tiles = Compression { tile_shape: Some(vec![100, 100]), ..Compression::of(Algorithm::Gzip2 { level: 5 }) };
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Compression {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The shape of a tile, slowest axis first; rows of the image unless given, with HCOMPRESS_1 about 16 rows. Tiles at the end of an axis are shorter.
    pub tile_shape: Option<Vec<usize>>,
    /// The width of the descriptors of tiles; what the size of the image demands unless given.
    pub heap_format: Option<HeapFormat>,
}

/// The algorithm that packs a tile (§10.4).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// RICE_1: integers of 8, 16 and 32 bits, and quantized floats.
    Rice1 {
        /// How many pixels share a code: 16 or 32 in the standard.
        block_size: usize,
    },
    /// GZIP_1: any pixels.
    Gzip1 {
        /// From 1, the fastest, to 12, the smallest.
        level: u8,
    },
    /// GZIP_2: any pixels, their bytes sorted by significance before, which makes most data smaller.
    Gzip2 {
        /// From 1, the fastest, to 12, the smallest.
        level: u8,
    },
    /// PLIO_1: masks, whose integers are from 0 to 2^24 - 1.
    Plio1,
    /// HCOMPRESS_1: integers of 8, 16 and 32 bits, and quantized floats, in tiles with two axes of at least 4 pixels.
    Hcompress1 {
        /// What the coefficients are divided by, which loses the faintest: where positive, so many times the noise (the standard deviation) of a tile;
        /// where negative, this with its sign changed. 0 loses nothing. Tiles with pixels that stand for something else than their value (BLANK, NaN, the
        /// exact zeros of [`Dithering::Two`]) lose nothing either.
        scale: f64,
        /// Whether readers are to smooth the blocks that a scale leaves.
        smooth: bool,
    },
    /// NOCOMPRESS: any pixels, as they are, in tiles.
    NoCompress,
}

/// The descriptors of variable-length arrays (§7.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapFormat {
    /// P: of 32 bits, for heaps below 2 GiB.
    P,
    /// Q: of 64 bits.
    Q,
}

/// How the floats of a new image are made integers before they are compressed (§10.2). This loses what is below the steps.
///
/// # Examples
///
/// ```
/// use ndarray::Array2;
/// use rustfits::{FitsWriter, ImageOptions, Quantize};
///
/// let data = Array2::from_shape_fn((100, 100), |(y, x)| ((y * 7919 + x * 104_729) % 1009) as f32);
/// let fits = FitsWriter::create("mem://").wait()?;
/// let options = ImageOptions { compress: Some("RICE_1".parse()?), quantize: Some(Quantize::default()), ..ImageOptions::default() };
/// let index = fits.write_image(&data, options).wait()?;
/// assert_eq!(fits.reader().hdu(index).wait()?.quantization()?, Some("SUBTRACTIVE_DITHER_1"));
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantize {
    /// Where positive, how many steps the noise of a tile (its standard deviation) has; where negative, the width of a step with its sign changed.
    pub level: f64,
    /// Whether random numbers, which readers take off again, are added before rounding.
    pub method: Dithering,
    /// Where in the sequence of random numbers the image starts (ZDITHER0): from 1 to 10,000; 0 is 1.
    pub seed: u16,
}

/// How the columns of a new table are compressed in tiles of rows (§10.3).
///
/// A column that is not named gets `algorithm`, where that packs what it holds; else what suits its type: RICE_1 for integers of 32 bits, GZIP_2 for other
/// numbers of 16 bits and more, GZIP_1 for bytes, text, logicals, bits and complex numbers.
///
/// # Examples
///
/// ```
/// use ndarray::Array1;
/// use rustfits::{Algorithm, ColumnValues, FitsWriter, TableCompression, TableOptions};
///
/// let fits = FitsWriter::create("mem://").wait()?;
/// let columns = vec![
///     ColumnValues::from_array("id", &Array1::from_iter(0..1000i32)),
///     ColumnValues::from_array("flux", &Array1::from_iter((0..1000).map(f64::from))),
/// ];
/// let compress = TableCompression {
///     columns: vec![("flux".into(), Some(Algorithm::Gzip1 { level: 6 }))],
///     tile_rows: Some(300),
///     ..TableCompression::default()
/// };
/// fits.write_table(columns, TableOptions { compress: Some(compress), ..TableOptions::named("CAT") }).wait()?;
/// let table = fits.reader().hdu("CAT").wait()?;
/// assert_eq!(table.tiles()?, 4);
/// assert_eq!(table.column_compression()?, [("id".into(), "RICE_1"), ("flux".into(), "GZIP_1")]);
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableCompression {
    /// For the columns that have none of their own.
    pub algorithm: Option<Algorithm>,
    /// For columns by name; `None` for what suits the type.
    pub columns: Vec<(String, Option<Algorithm>)>,
    /// How many rows a tile has (ZTILELEN); about 1 MiB of them unless given, more for many columns.
    pub tile_rows: Option<u64>,
    /// The width of the descriptors of packed columns; Q unless given.
    pub heap_format: Option<HeapFormat>,
}

/// How pixels are dithered (§10.2, ZQUANTIZ).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dithering {
    /// NO_DITHER: not at all.
    None,
    /// SUBTRACTIVE_DITHER_1.
    One,
    /// SUBTRACTIVE_DITHER_2: pixels of exactly 0 stay so.
    Two,
}

/// The level of gzip unless another is asked for: about the size that zlib's fastest levels reach, in less time.
pub(crate) const GZIP_LEVEL: u8 = 2;
/// The highest level of gzip.
pub(crate) const HIGHEST_GZIP_LEVEL: u8 = 12;
/// The largest scale of HCOMPRESS_1; beyond it nothing is left of 32-bit pixels.
pub(crate) const LARGEST_SCALE: f64 = (1 << 30) as f64;
/// The longest block of RICE_1.
const LONGEST_RICE_BLOCK: usize = 256;
/// The last place in the sequence of random numbers.
const LAST_SEED: u16 = 10_000;
/// The usual block of RICE_1.
const RICE_BLOCK: usize = 32;

impl Compression {
    /// With tiles that are rows.
    pub fn of(algorithm: Algorithm) -> Self {
        Self { algorithm, tile_shape: None, heap_format: None }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Takes a name of the standard, in any case.
    fn from_str(name: &str) -> Result<Self> {
        let algorithm = match name.trim().to_ascii_uppercase().as_str() {
            "RICE_1" => Algorithm::Rice1 { block_size: RICE_BLOCK },
            "GZIP_1" => Algorithm::Gzip1 { level: GZIP_LEVEL },
            "GZIP_2" => Algorithm::Gzip2 { level: GZIP_LEVEL },
            "PLIO_1" => Algorithm::Plio1,
            "HCOMPRESS_1" => Algorithm::Hcompress1 { scale: 0.0, smooth: false },
            "NOCOMPRESS" => Algorithm::NoCompress,
            _ => {
                return Err(Error::argument(format!(
                    "'{name}' is no compression of images: there are RICE_1, GZIP_1, GZIP_2, PLIO_1, HCOMPRESS_1 and NOCOMPRESS"
                )));
            }
        };
        Ok(Self::of(algorithm))
    }
}

impl Algorithm {
    /// The standard's name for it: ZCMPTYPE.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rice1 { .. } => "RICE_1",
            Self::Gzip1 { .. } => "GZIP_1",
            Self::Gzip2 { .. } => "GZIP_2",
            Self::Plio1 => "PLIO_1",
            Self::Hcompress1 { .. } => "HCOMPRESS_1",
            Self::NoCompress => "NOCOMPRESS",
        }
    }

    /// Refuses parameters that no image can be packed with.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument), with the name of the parameter.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Gzip1 { level } | Self::Gzip2 { level } if !(1..=HIGHEST_GZIP_LEVEL).contains(&level) => {
                Err(Error::argument(format!("level {level} of gzip is not from 1 to {HIGHEST_GZIP_LEVEL}")))
            }
            Self::Rice1 { block_size } if !(1..=LONGEST_RICE_BLOCK).contains(&block_size) => Err(Error::argument(
                format!("blocksize {block_size} is not from 1 to {LONGEST_RICE_BLOCK}; the standard has 16 and 32"),
            )),
            Self::Hcompress1 { scale, .. } if scale.is_nan() || scale.abs() > LARGEST_SCALE => {
                Err(Error::argument(format!("scale {scale} of HCOMPRESS_1 is no number from -2^30 to 2^30")))
            }
            _ => Ok(()),
        }
    }
}

impl Quantize {
    /// Refuses parameters that no image can be quantized with.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument), with the name of the parameter.
    pub fn check(self) -> Result<()> {
        let Self { level, seed, .. } = self;
        if !level.is_finite() || level == 0.0 {
            let message = format!("level {level} is no number of steps, nor a width: it is 0 or not finite");
            return Err(Error::argument(message));
        }
        if seed > LAST_SEED {
            return Err(Error::argument(format!("seed {seed} is not from 0 to {LAST_SEED}")));
        }
        Ok(())
    }
}

impl Default for Quantize {
    fn default() -> Self {
        Self { level: 4.0, method: Dithering::One, seed: 0 }
    }
}
