//! One tile in, its bytes out: quantizes floats, and packs (FITS 4.0 §10.1.3, §10.2, §10.4).

use super::scratch::{Scratch, typed};
use super::table::TileStorage;
use crate::codec::quantize::{self, BLANK_VALUE, Dither, Float, Quantization, Step};
use crate::codec::rice::RiceInteger;
use crate::codec::{gzip, hcompress, noise, plio, rice};
use crate::compression::{Algorithm, Dithering, LARGEST_SCALE, Quantize};
use crate::error::{Error, Result};
use crate::format::DataType;
use crate::format::endian::swap_in_place;

/// The level of gzip for tiles that can't be quantized.
const FALLBACK_LEVEL: u8 = crate::compression::GZIP_LEVEL;

/// What all tiles of an image have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packer {
    pub(super) algorithm: Algorithm,
    /// The type of the pixels as they are stored.
    pub(super) stored: DataType,
    pub(super) quantize: Option<Quantize>,
    /// The stored number that stands for no value.
    pub(super) blank: Option<i64>,
    /// How many bytes an integer that RICE_1 packs has, where that is not what the pixels have (BYTEPIX).
    pub(super) rice_size: Option<usize>,
    /// By how much the integers of line lists are more than the stored ones.
    pub(super) plio_zero: i32,
    /// Which column tiles go to that are packed as all are.
    pub(super) storage: TileStorage,
}

impl Packer {
    /// Whether tiles go to UNCOMPRESSED_DATA.
    pub(super) fn is_plain(self) -> bool {
        self.storage == TileStorage::Plain
    }
}

/// A tile, packed.
#[derive(Debug)]
pub(super) struct NewTile {
    pub(super) storage: TileStorage,
    pub(super) bytes: Vec<u8>,
    pub(super) scale: f64,
    pub(super) zero: f64,
}

impl NewTile {
    /// A tile without bytes yet.
    pub(super) fn new(storage: TileStorage) -> Self {
        Self { storage, bytes: Vec::new(), scale: 1.0, zero: 0.0 }
    }

    /// Big-endian pixels that could not be quantized.
    pub(super) fn gzipped(pixels: &[u8]) -> Result<Self> {
        let mut new = Self::new(TileStorage::Gzipped);
        gzip::encode(pixels, FALLBACK_LEVEL, &mut new.bytes)?;
        Ok(new)
    }
}

/// Packs tiles one after the other with the same memory.
#[derive(Debug)]
pub(super) struct TileEncoder {
    packer: Packer,
    integers: Vec<i32>,
    sorted: Vec<u8>,
}

/// Packs integers that have to fit fewer bits.
fn rice_narrow<T: RiceInteger + TryFrom<i32>>(integers: &[i32], block_size: usize, output: &mut Vec<u8>) -> Result<()> {
    let narrow: std::result::Result<Vec<T>, _> = integers.iter().map(|&integer| T::try_from(integer)).collect();
    let narrow = narrow.map_err(|_| {
        Error::argument(format!(
            "a pixel does not fit the {} bytes that the image is packed in (BYTEPIX)",
            size_of::<T>()
        ))
    })?;
    rice::encode(&narrow, block_size, output);
    Ok(())
}

/// How fine the steps are, from what a user gives.
pub(super) fn step(level: f64) -> Step {
    if level > 0.0 { Step::OfNoise(level) } else { Step::Width(-level) }
}

/// How floats are made integers.
pub(super) fn dither(quantize: Quantize) -> Dither {
    match quantize.method {
        Dithering::None => Dither::None,
        Dithering::One => Dither::One,
        Dithering::Two => Dither::Two,
    }
}

/// ZDITHER0.
pub(super) fn seed(quantize: Quantize) -> i64 {
    i64::from(quantize.seed.max(1))
}

impl TileEncoder {
    pub(super) fn new(packer: Packer) -> Self {
        Self { packer, integers: Vec::new(), sorted: Vec::new() }
    }

    /// Packs a tile of `len` bytes of big-endian pixels, which are lost; its rows have `row_len` pixels. `number` counts from 1.
    pub(super) fn pack(&mut self, tile: &mut Scratch, len: usize, row_len: usize, number: u64) -> Result<NewTile> {
        let pixels = tile.bytes(len)?;
        let mut new = NewTile::new(self.packer.storage);
        let Some(quantize) = self.packer.quantize else {
            self.pack_pixels(pixels, row_len, &mut new.bytes)?;
            return Ok(new);
        };
        let size = self.packer.stored.size();
        swap_in_place(size, false, pixels);
        let place = (dither(quantize), seed(quantize), number);
        let how = match self.packer.stored {
            DataType::F32 => self.quantize(typed::<f32>(pixels)?, row_len, step(quantize.level), place),
            _ => self.quantize(typed::<f64>(pixels)?, row_len, step(quantize.level), place),
        };
        let Some(how) = how else {
            swap_in_place(size, false, pixels);
            return NewTile::gzipped(pixels);
        };
        (new.scale, new.zero) = (how.scale, how.zero);
        self.pack_integers(row_len, &mut new.bytes)?;
        Ok(new)
    }

    /// Makes pixels the integers that [`TileEncoder::pack_integers`] packs; see [`quantize::quantize`].
    pub(super) fn quantize<F: Float + Into<f64>>(
        &mut self,
        pixels: &[F],
        row_len: usize,
        step: Step,
        place: (Dither, i64, u64),
    ) -> Option<Quantization> {
        quantize::quantize(pixels, row_len, step, place, &mut self.integers)
    }

    /// Lets this integer stand for undefined pixels among those that pixels were made; whether it is free for that.
    pub(super) fn has_blank(&mut self, blank: i32) -> bool {
        if blank == BLANK_VALUE {
            return true;
        }
        let is_free = !self.integers.contains(&blank);
        self.integers.iter_mut().filter(|integer| **integer == BLANK_VALUE).for_each(|integer| *integer = blank);
        is_free
    }

    /// Takes integers to be packed by [`TileEncoder::pack_integers`].
    pub(super) fn set_integers(&mut self, integers: &mut Vec<i32>) {
        std::mem::swap(&mut self.integers, integers);
    }

    /// Packs big-endian pixels as they are.
    pub(super) fn pack_pixels(&mut self, pixels: &mut [u8], row_len: usize, output: &mut Vec<u8>) -> Result<()> {
        let size = self.packer.stored.size();
        match self.packer.algorithm {
            Algorithm::Gzip1 { level } => return gzip::encode(pixels, level, output),
            Algorithm::Gzip2 { level } => {
                self.sorted.resize(pixels.len(), 0);
                gzip::shuffle(size, pixels, &mut self.sorted);
                return gzip::encode(&self.sorted, level, output);
            }
            Algorithm::NoCompress => {
                output.extend_from_slice(pixels);
                return Ok(());
            }
            Algorithm::Rice1 { .. } | Algorithm::Plio1 | Algorithm::Hcompress1 { .. } => {
                swap_in_place(size, false, pixels);
            }
        }
        if self.packer.rice_size.is_some() {
            self.widen(pixels)?;
            return self.pack_integers(row_len, output);
        }
        match (self.packer.algorithm, self.packer.stored) {
            (Algorithm::Rice1 { block_size }, DataType::U8) => rice::encode(pixels, block_size, output),
            (Algorithm::Rice1 { block_size }, DataType::I16) => rice::encode(typed::<i16>(pixels)?, block_size, output),
            (Algorithm::Rice1 { block_size }, _) => rice::encode(typed::<i32>(pixels)?, block_size, output),
            (Algorithm::Plio1, DataType::I32) => plio::encode(typed::<i32>(pixels)?, output)?,
            (algorithm, _) => {
                self.widen(pixels)?;
                if let Algorithm::Hcompress1 { scale, .. } = algorithm {
                    let blank = self.packer.blank.and_then(|blank| i32::try_from(blank).ok());
                    let lossless = blank.is_some_and(|blank| self.integers.contains(&blank));
                    return self.hcompress(if lossless { 0.0 } else { scale }, row_len, output);
                }
                let zero = self.packer.plio_zero;
                self.integers.iter_mut().for_each(|integer| *integer = integer.wrapping_add(zero));
                plio::encode(&self.integers, output)?;
            }
        }
        Ok(())
    }

    /// Makes native pixels integers of 32 bits.
    fn widen(&mut self, pixels: &mut [u8]) -> Result<()> {
        self.integers.clear();
        match self.packer.stored {
            DataType::I32 => self.integers.extend_from_slice(typed::<i32>(pixels)?),
            DataType::I16 => self.integers.extend(typed::<i16>(pixels)?.iter().map(|&pixel| i32::from(pixel))),
            _ => self.integers.extend(pixels.iter().map(|&pixel| i32::from(pixel))),
        }
        Ok(())
    }

    fn hcompress(&self, scale: f64, row_len: usize, output: &mut Vec<u8>) -> Result<()> {
        let scale = if scale > 0.0 { noise::sigma(&self.integers, row_len) * scale } else { -scale };
        hcompress::encode(&self.integers, row_len, scale.round().min(LARGEST_SCALE) as u32, output)
    }

    /// Packs the integers that floats were quantized to.
    pub(super) fn pack_integers(&mut self, row_len: usize, output: &mut Vec<u8>) -> Result<()> {
        let level = match self.packer.algorithm {
            Algorithm::NoCompress => {
                let integers = bytemuck::cast_slice_mut::<i32, u8>(&mut self.integers);
                swap_in_place(size_of::<i32>(), false, integers);
                output.extend_from_slice(integers);
                return Ok(());
            }
            Algorithm::Rice1 { block_size } => {
                return match self.packer.rice_size {
                    Some(1) => rice_narrow::<u8>(&self.integers, block_size, output),
                    Some(2) => rice_narrow::<i16>(&self.integers, block_size, output),
                    _ => {
                        rice::encode(&self.integers, block_size, output);
                        Ok(())
                    }
                };
            }
            Algorithm::Plio1 => return plio::encode(&self.integers, output),
            Algorithm::Hcompress1 { scale, .. } => {
                // Numbers with a meaning of their own must come back as they are, and others must not become such.
                let method = self.packer.quantize.map(|quantize| quantize.method);
                let lossless = method == Some(Dithering::Two) || self.integers.contains(&BLANK_VALUE);
                return self.hcompress(if lossless { 0.0 } else { scale }, row_len, output);
            }
            Algorithm::Gzip1 { level } | Algorithm::Gzip2 { level } => level,
        };
        let integers = bytemuck::cast_slice_mut::<i32, u8>(&mut self.integers);
        swap_in_place(size_of::<i32>(), false, integers);
        if matches!(self.packer.algorithm, Algorithm::Gzip1 { .. }) {
            return gzip::encode(integers, level, output);
        }
        self.sorted.resize(integers.len(), 0);
        gzip::shuffle(size_of::<i32>(), integers, &mut self.sorted);
        gzip::encode(&self.sorted, level, output)
    }
}
