//! What the header of a compressed image says of the image: its shape and type, and its tiles (FITS 4.0 §10.1.1, §10.1.2).

use super::packing::{Compression, hcompress_scale, noise_level};
use super::table::TileTable;
use crate::codec::quantize::Dither;
use crate::compression::{Algorithm, Compression as Options, Dithering, HeapFormat, Quantize};
use crate::directory::HduEntry;
use crate::error::{Error, Result};
use crate::format::structure::{axes, element_count};
use crate::format::{DataType, HduKind, Header, Scaling};
use crate::image::image_scaling;

/// A compressed image, as its header describes it. How its tiles are compressed is another question: an image of a compression
/// that can't be read still has a shape.
#[derive(Clone, Debug)]
pub(crate) struct TiledImage {
    /// The lengths of the axes, slowest first.
    shape: Vec<u64>,
    /// The lengths of a tile along the axes, slowest first; tiles at the end of an axis can be shorter.
    tile_shape: Vec<u64>,
    /// From the pixels of the image to values. `stored` is the type that ZBITPIX names.
    pub(super) scaling: Scaling,
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
        let size = element_count(shape.iter().copied()).and_then(|count| count.checked_mul(stored.size() as u64));
        if size.is_none_or(|size| i64::try_from(size).is_err()) {
            return Err(illegal("ZNAXISn", "multiply past 2^63 bytes: no such image can exist".into()));
        }
        let mut tile_shape = tile_lengths(header, &shape)?;
        shape.reverse();
        tile_shape.reverse();
        let blank = if header.contains("ZBLANK") { "ZBLANK" } else { "BLANK" };
        Ok(Self { shape, tile_shape, scaling: image_scaling(header, stored, blank, unscaled)? })
    }

    /// The lengths of the axes, slowest first.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The lengths of a tile along the axes, slowest first.
    pub(crate) fn tile_shape(&self) -> &[u64] {
        &self.tile_shape
    }

    /// From the pixels of the image, as they were before they were compressed, to values.
    pub(crate) fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// How many tiles there are.
    pub(crate) fn tiles(&self) -> u64 {
        let counts = self.shape.iter().zip(&self.tile_shape).map(|(&length, &tile)| length.div_ceil(tile.max(1)));
        if self.shape.is_empty() { 0 } else { counts.fold(1, u64::saturating_mul) }
    }

    /// What would compress an image as this one.
    pub(crate) fn options(&self, hdu: &HduEntry) -> Result<Options> {
        let compression = Compression::new(&hdu.header)?;
        let wide = TileTable::new(hdu, self)?.heap_columns().iter().any(|column| column.wide);
        let tile = self.tile_shape.iter().zip(&self.shape).map(|(&tile, &length)| tile.min(length.max(1)));
        let mut algorithm = compression.algorithm();
        if let Algorithm::Hcompress1 { scale, .. } = &mut algorithm {
            *scale = hcompress_scale(&hdu.header);
        }
        Ok(Options {
            algorithm,
            tile_shape: Some(tile.map(|length| length as usize).collect()),
            heap_format: Some(if wide { HeapFormat::Q } else { HeapFormat::P }),
        })
    }

    /// How floating-point pixels were quantized; `None` where they were not.
    pub(crate) fn quantize_options(&self, hdu: &HduEntry) -> Result<Option<Quantize>> {
        let compression = Compression::new(&hdu.header)?;
        let has_scales = TileTable::new(hdu, self)?.has_scales();
        let dither = compression.quantized(self.scaling.stored, has_scales)?;
        Ok(dither.map(|dither| {
            let method = match dither {
                Dither::None => Dithering::None,
                Dither::One => Dithering::One,
                Dither::Two => Dithering::Two,
            };
            let seed = if dither == Dither::None { 0 } else { u16::try_from(compression.seed).unwrap_or(0) };
            Quantize { level: noise_level(&hdu.header), method, seed }
        }))
    }

    /// How floating-point pixels were quantized, by the standard's name; `None` for integers, and for floats that are packed as
    /// they are: those have no ZSCALE and ZZERO.
    pub(crate) fn quantization(&self, hdu: &HduEntry) -> Result<Option<&'static str>> {
        let compression = Compression::new(&hdu.header)?;
        let has_scales = TileTable::new(hdu, self)?.has_scales();
        let dither = compression.quantized(self.scaling.stored, has_scales)?;
        Ok(dither.map(|dither| match dither {
            Dither::None => "NO_DITHER",
            Dither::One => "SUBTRACTIVE_DITHER_1",
            Dither::Two => "SUBTRACTIVE_DITHER_2",
        }))
    }
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

pub(super) fn missing(keyword: &str) -> Error {
    illegal(keyword, "is mandatory and missing: this is no complete header of a compressed image".into())
}

pub(super) fn illegal(keyword: &str, message: String) -> Error {
    Error::illegal(message).in_item(|| format!("keyword {keyword}"))
}
