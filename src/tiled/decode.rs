//! Turns one tile into values: restores floats from integers, applies the scaling, marks blank pixels (FITS 4.0 §10.1.3, §10.2).

use super::packing::Packing;
use super::scratch::{Scratch, typed};
use super::table::TileStorage;
use super::unpack::{OUT_OF_RANGE, PackedTile, Unpacker, read_integers, too_few};
use crate::codec::quantize::{Dither, Float, Quantization};
use crate::error::{Error, Result};
use crate::format::endian::swap_in_place;
use crate::format::{DataType, Scaling, ScalingKind};
use crate::source::resize;

/// What all tiles of a read have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoding {
    pub(super) packing: Packing,
    /// From pixels to values.
    pub(super) scaling: Scaling,
    /// How floats became the integers that are packed; `None` where pixels are packed as they are.
    pub(super) quantized: Option<Dither>,
    /// ZDITHER0.
    pub(super) seed: i64,
    /// The number of pixels of a tile that is not cut off by the end of an axis.
    pub(super) full_tile: u64,
}

/// Decodes tiles one after the other with the same memory.
pub(super) struct TileDecoder {
    decoding: Decoding,
    unpacker: Unpacker,
    integers: Vec<i32>,
    pixels: Scratch,
}

impl TileDecoder {
    pub(super) fn new(decoding: Decoding) -> Self {
        let unpacker = Unpacker::new(decoding.packing, decoding.full_tile);
        Self { decoding, unpacker, integers: Vec::new(), pixels: Scratch::default() }
    }

    /// The integers that the pixels of the last tile were restored from, if they were.
    pub(super) fn integers(&self) -> &[i32] {
        &self.integers
    }

    /// Decodes the first pixels of a tile: as many as `values` has room for. `mask` has a byte for each of them.
    /// `values` must lie as its type demands.
    pub(super) fn decode(&mut self, tile: &PackedTile<'_>, values: &mut [u8], mask: Option<&mut [u8]>) -> Result<()> {
        let blank = tile.entry.blank.filter(|_| !self.decoding.scaling.stored.is_float());
        let scaling = Scaling { blank, ..self.decoding.scaling };
        let is_packed = tile.entry.storage == TileStorage::Packed;
        if is_packed && (self.decoding.packing.makes_integers() || self.decoding.quantized.is_some()) {
            return self.decode_integers(tile, scaling, values, mask);
        }
        self.decode_pixels(tile, scaling, values, mask)
    }

    /// Decodes a tile whose big-endian pixels are packed as they are.
    fn decode_pixels(
        &mut self,
        tile: &PackedTile<'_>,
        scaling: Scaling,
        values: &mut [u8],
        mask: Option<&mut [u8]>,
    ) -> Result<()> {
        let count = values.len() / scaling.data_type().size();
        let size = scaling.stored.size();
        let (width, numbers) = self.unpacker.numbers(tile, size)?;
        if width == size {
            let pixels = numbers.get(..count.saturating_mul(size));
            finish(scaling, pixels.ok_or_else(|| too_few(numbers.len(), tile.pixels, size))?, values, mask);
            return Ok(());
        }
        if scaling.stored.is_float() {
            return Err(too_few(numbers.len(), tile.pixels, size));
        }
        // Integers can be packed wider or narrower than they are.
        resize(&mut self.integers, count)?;
        read_integers(width, numbers, &mut self.integers)?;
        let pixels = self.pixels.bytes(count.saturating_mul(size))?;
        write_integers(&self.integers, scaling.stored, pixels)?;
        swap_in_place(size, false, pixels);
        finish(scaling, pixels, values, mask);
        Ok(())
    }

    /// Decodes a tile whose pixels are packed as integers of the machine, or were made from such.
    fn decode_integers(
        &mut self,
        tile: &PackedTile<'_>,
        scaling: Scaling,
        values: &mut [u8],
        mask: Option<&mut [u8]>,
    ) -> Result<()> {
        let size = scaling.stored.size();
        if !scaling.in_place() {
            let count = values.len() / scaling.data_type().size();
            let mut memory = std::mem::take(&mut self.pixels);
            let pixels = memory.bytes(count.saturating_mul(size))?;
            let result = self.native_pixels(tile, scaling.stored, pixels);
            swap_in_place(size, false, pixels);
            finish(scaling, pixels, values, mask);
            self.pixels = memory;
            return result;
        }
        self.native_pixels(tile, scaling.stored, values)?;
        if mask.is_some() || scaling.kind != ScalingKind::None {
            swap_in_place(size, false, values);
            if let Some(mask) = mask {
                scaling.mask(values, mask);
            }
            scaling.decode_in_place(values);
        }
        Ok(())
    }

    /// Fills `pixels` with pixels of the stored type in native byte order.
    fn native_pixels(&mut self, tile: &PackedTile<'_>, stored: DataType, pixels: &mut [u8]) -> Result<()> {
        let packing = self.decoding.packing;
        if self.decoding.quantized.is_none() && packing.unpack_pixels(tile.bytes, tile.pixels, stored, pixels)? {
            return Ok(());
        }
        resize(&mut self.integers, pixels.len() / stored.size())?;
        self.unpacker.integers(tile, &mut self.integers)?;
        match (self.decoding.quantized, stored) {
            (Some(dither), DataType::F32) => self.restore(tile, dither, typed::<f32>(pixels)?),
            (Some(dither), DataType::F64) => self.restore(tile, dither, typed::<f64>(pixels)?),
            _ => write_integers(&self.integers, stored, pixels),
        }
    }

    fn restore<F: Float>(&self, tile: &PackedTile<'_>, dither: Dither, pixels: &mut [F]) -> Result<()> {
        let quantization = Quantization {
            scale: tile.entry.scale,
            zero: tile.entry.zero,
            blank: tile.entry.blank.and_then(|blank| i32::try_from(blank).ok()),
            dither,
            seed: self.decoding.seed,
            tile: tile.number,
        };
        quantization.restore(&self.integers, pixels)
    }
}

/// Makes values of big-endian pixels.
fn finish(scaling: Scaling, pixels: &[u8], values: &mut [u8], mask: Option<&mut [u8]>) {
    if let Some(mask) = mask {
        scaling.mask(pixels, mask);
    }
    scaling.decode(pixels, values);
}

/// Writes integers as native pixels of the stored type; an error where one has no room in it.
fn write_integers(integers: &[i32], stored: DataType, pixels: &mut [u8]) -> Result<()> {
    match stored {
        DataType::U8 => convert::<u8>(integers, pixels),
        DataType::I16 => convert::<i16>(integers, typed(pixels)?),
        DataType::I32 => convert::<i32>(integers, typed(pixels)?),
        DataType::I64 => convert::<i64>(integers, typed(pixels)?),
        _ => Err(Error::illegal("the tiles hold integers, but the image is of floats (ZBITPIX) without a ZSCALE")),
    }
}

fn convert<T: TryFrom<i32>>(integers: &[i32], pixels: &mut [T]) -> Result<()> {
    for (integer, pixel) in integers.iter().zip(pixels) {
        *pixel = T::try_from(*integer).map_err(|_| Error::corrupt(OUT_OF_RANGE))?;
    }
    Ok(())
}
