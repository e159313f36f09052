//! What the header of a compressed image says: its shape and type, its tiles, and how they are compressed (FITS 4.0 §10.1.1, §10.1.2).

use crate::codec::quantize::Dither;
use crate::directory::HduEntry;
use crate::error::{Error, Result};
use crate::format::structure::axes;
use crate::format::{DataType, HduKind, Header, Scaling};
use crate::image::image_scaling;

/// The largest RICE_1 block that is taken for one: the standard names 16 and 32.
const LARGEST_BLOCK_SIZE: i64 = 256;
/// The most bytes that gzip makes of one: 258 of two bits.
pub(super) const GZIP_EXPANSION: u64 = 1032;

/// How the bytes of a tile are packed: ZCMPTYPE and its parameters (§10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// RICE_1 with its parameters BLOCKSIZE and BYTEPIX.
    Rice { block_size: usize, pixel_size: usize },
    /// GZIP_1: big-endian pixels, gzipped.
    Gzip,
    /// GZIP_2: as GZIP_1, but the bytes were sorted by significance before.
    ShuffledGzip,
    /// NOCOMPRESS: big-endian pixels as they are.
    Plain,
}

/// A compressed image, as its header describes it.
#[derive(Clone, Debug)]
pub(crate) struct TiledImage {
    /// The lengths of the axes, slowest first.
    shape: Vec<u64>,
    /// The lengths of a tile along the axes, slowest first; tiles at the end of an axis can be shorter.
    tile_shape: Vec<u64>,
    /// From the pixels of the image to values. `stored` is the type that ZBITPIX names.
    pub(super) scaling: Scaling,
    pub(super) packing: Packing,
    /// ZQUANTIZ: `None` is NONE, floats that are stored as floats.
    pub(super) dither: Option<Dither>,
    /// ZDITHER0.
    pub(super) seed: i64,
}

impl TiledImage {
    /// Reads the header of a compressed image HDU; `unscaled`: without BSCALE and BZERO, whatever they are.
    pub(crate) fn new(hdu: &HduEntry, unscaled: bool) -> Result<Self> {
        if hdu.layout.kind != HduKind::CompressedImage {
            return Err(hdu.expected("a compressed image"));
        }
        let header = &*hdu.header;
        let bitpix = header.integer("ZBITPIX")?.ok_or_else(|| missing("ZBITPIX"))?;
        let stored = DataType::from_bitpix(bitpix)
            .ok_or_else(|| illegal("ZBITPIX", format!("is {bitpix}; the standard has 8, 16, 32, 64, -32 and -64")))?;
        let mut shape = axes(header, "ZNAXIS")?;
        let mut tile_shape = tile_lengths(header, &shape)?;
        shape.reverse();
        tile_shape.reverse();
        let packing = Packing::from_header(header)?;
        let blank = if header.contains("ZBLANK") { "ZBLANK" } else { "BLANK" };
        let dither = dither(header)?;
        let seed = header.integer("ZDITHER0")?.unwrap_or(1);
        Ok(Self { shape, tile_shape, scaling: image_scaling(header, stored, blank, unscaled)?, packing, dither, seed })
    }

    /// The lengths of the axes, slowest first.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The lengths of a tile along the axes, slowest first.
    pub(crate) fn tile_shape(&self) -> &[u64] {
        &self.tile_shape
    }

    /// How the floats of the image were made integers; `None` for integers, and for floats that are packed as they are.
    /// `has_scales` is whether the table has a ZSCALE and a ZZERO.
    pub(super) fn quantized(&self, has_scales: bool) -> Result<Option<Dither>> {
        let is_rice = matches!(self.packing, Packing::Rice { .. });
        match self.dither {
            _ if !self.scaling.stored.is_float() => Ok(None),
            _ if is_rice && !has_scales => {
                Err(Error::illegal("floats compressed with RICE_1 need a ZSCALE and a ZZERO, which are missing"))
            }
            None if is_rice => Ok(Some(Dither::None)),
            dither => Ok(dither.filter(|_| has_scales)),
        }
    }

    /// From the pixels of the image, as they were before they were compressed, to values.
    pub(crate) fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// The name that the standard has for the compression.
    pub(crate) fn compression(&self) -> &'static str {
        match self.packing {
            Packing::Rice { .. } => "RICE_1",
            Packing::Gzip => "GZIP_1",
            Packing::ShuffledGzip => "GZIP_2",
            Packing::Plain => "NOCOMPRESS",
        }
    }

    /// How floating-point pixels were quantized, by the standard's name; `None` for integers and for floats that were not.
    pub(crate) fn quantization(&self) -> Option<&'static str> {
        if !self.scaling.stored.is_float() {
            return None;
        }
        self.dither.map(|dither| match dither {
            Dither::None => "NO_DITHER",
            Dither::One => "SUBTRACTIVE_DITHER_1",
            Dither::Two => "SUBTRACTIVE_DITHER_2",
        })
    }
}

impl Packing {
    fn from_header(header: &Header) -> Result<Self> {
        let name = header.string("ZCMPTYPE").ok_or_else(|| missing("ZCMPTYPE"))?;
        match name.trim() {
            "RICE_1" | "RICE_ONE" => {
                Ok(Self::Rice { block_size: block_size(header)?, pixel_size: pixel_size(header)? })
            }
            "GZIP_1" => Ok(Self::Gzip),
            "GZIP_2" => Ok(Self::ShuffledGzip),
            "NOCOMPRESS" => Ok(Self::Plain),
            codec @ ("PLIO_1" | "HCOMPRESS_1") => {
                Err(Error::unsupported(format!("images compressed with {codec} can't be read yet")))
            }
            other => Err(illegal("ZCMPTYPE", format!("is '{other}', which is no compression of the standard"))),
        }
    }

    /// The most bytes of pixels that one byte of a tile can make.
    pub(super) fn most_bytes_of(self) -> u64 {
        match self {
            // A block of equal pixels is its head of 3, 4 or 5 bits.
            Self::Rice { block_size, pixel_size } => {
                (8 * block_size as u64 * pixel_size as u64).div_ceil(if pixel_size == 1 { 3 } else { 4 })
            }
            Self::Gzip | Self::ShuffledGzip => GZIP_EXPANSION,
            Self::Plain => 1,
        }
    }
}

fn block_size(header: &Header) -> Result<usize> {
    let size = parameter(header, "BLOCKSIZE")?.unwrap_or(32);
    let valid = usize::try_from(size).ok().filter(|_| (1..=LARGEST_BLOCK_SIZE).contains(&size));
    valid.ok_or_else(|| illegal("BLOCKSIZE (ZVALn)", format!("is {size}; the standard has 16 and 32")))
}

fn pixel_size(header: &Header) -> Result<usize> {
    match parameter(header, "BYTEPIX")?.unwrap_or(4) {
        1 => Ok(1),
        2 => Ok(2),
        4 => Ok(4),
        8 => Err(Error::unsupported("images compressed with RICE_1 of 64 bits (BYTEPIX = 8) can't be read")),
        other => Err(illegal("BYTEPIX (ZVALn)", format!("is {other}; the standard has 1, 2, 4 and 8"))),
    }
}

/// The parameter of the compression with this name: ZVALn where ZNAMEn is the name.
fn parameter(header: &Header, name: &str) -> Result<Option<i64>> {
    for number in 1.. {
        match header.string(&format!("ZNAME{number}")) {
            None => break,
            Some(own) if own.trim().eq_ignore_ascii_case(name) => return header.integer(&format!("ZVAL{number}")),
            Some(_) => {}
        }
    }
    Ok(None)
}

/// ZTILEn in FITS order; where they are missing, tiles are rows (§10.1.2).
fn tile_lengths(header: &Header, lengths: &[u64]) -> Result<Vec<u64>> {
    let tile_length = |(index, &length): (usize, &u64)| {
        let keyword = format!("ZTILE{}", index + 1);
        match header.integer(&keyword)? {
            None => Ok(if index == 0 { length.max(1) } else { 1 }),
            Some(tile) => u64::try_from(tile)
                .ok()
                .filter(|&tile| tile > 0)
                .ok_or_else(|| illegal(&keyword, format!("is {tile}; a tile has at least 1 pixel"))),
        }
    };
    lengths.iter().enumerate().map(tile_length).collect()
}

/// ZQUANTIZ (§10.2); images from before that keyword were not dithered.
fn dither(header: &Header) -> Result<Option<Dither>> {
    let Some(name) = header.string("ZQUANTIZ") else { return Ok(Some(Dither::None)) };
    match name.trim().to_ascii_uppercase().as_str() {
        "NONE" => Ok(None),
        "NO_DITHER" | "" => Ok(Some(Dither::None)),
        "SUBTRACTIVE_DITHER_1" => Ok(Some(Dither::One)),
        "SUBTRACTIVE_DITHER_2" => Ok(Some(Dither::Two)),
        other => Err(illegal("ZQUANTIZ", format!("is '{other}', which is no quantization of the standard"))),
    }
}

fn missing(keyword: &str) -> Error {
    illegal(keyword, "is mandatory and missing: this is no complete header of a compressed image".into())
}

fn illegal(keyword: &str, message: String) -> Error {
    Error::illegal(message).in_item(|| format!("keyword {keyword}"))
}
