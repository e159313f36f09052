//! One tile with other values in some of its pixels: all other pixels stay what they were, to the bit (FITS 4.0 §10.1.3, §10.2).
//!
//! Of a quantized tile the integers of the pixels that stay are kept as they are, with scale and zero; a value that has no integer there makes the tile
//! one that is stored as floats, as what could not be quantized is.

use super::decode::{Decoding, TileDecoder};
use super::encode::{NewTile, Packer, TileEncoder};
use super::patch::PatchScratch;
use super::scratch::{Scratch, typed};
use super::table::TileStorage;
use super::unpack::PackedTile;
use crate::codec::quantize::{BLANK_VALUE, Dither, Quantization, Step};
use crate::error::Result;
use crate::format::DataType;
use crate::format::endian::swap_in_place;
use crate::source::resize;

/// What all changed tiles of an image have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangeRules {
    pub(super) decoding: Decoding,
    pub(super) packer: Packer,
    /// How fine the steps of tiles are that are quantized anew.
    pub(super) step: Step,
    /// Whether every tile has a scale and a zero of its own, so that new pixels can get others.
    pub(super) own_scales: bool,
    /// How tiles are stored whose pixels can't be quantized.
    pub(super) as_floats: TileStorage,
}

/// A tile that is changed.
pub(super) struct OldTile<'a> {
    /// Counted from 1.
    pub(super) number: u64,
    /// How many pixels it has then, and how many a row of it.
    pub(super) pixels: usize,
    pub(super) row_len: usize,
    /// What it was, if pixels of that stay.
    pub(super) kept: Option<PackedTile<'a>>,
    pub(super) scale: f64,
    pub(super) zero: f64,
    /// The integer of undefined pixels.
    pub(super) blank: Option<i32>,
}

/// A tile that was changed.
pub(super) struct ChangedTile {
    pub(super) tile: NewTile,
    /// Whether the scale and the zero are others.
    pub(super) rescaled: bool,
    /// Whether it has undefined pixels that only ZBLANK makes such, and the image has none.
    pub(super) needs_blank: bool,
}

/// Changes tiles one after the other with the same memory.
pub(super) struct TileChanger {
    rules: ChangeRules,
    decoder: TileDecoder,
    encoder: TileEncoder,
    pixels: Scratch,
    integers: Vec<i32>,
    changed: Vec<u8>,
    scratch: PatchScratch,
}

impl TileChanger {
    pub(super) fn new(rules: ChangeRules) -> Self {
        Self {
            rules,
            decoder: TileDecoder::new(rules.decoding),
            encoder: TileEncoder::new(rules.packer),
            pixels: Scratch::default(),
            integers: Vec::new(),
            changed: Vec::new(),
            scratch: PatchScratch::default(),
        }
    }

    /// Changes a tile: `put` puts the new pixels into its big-endian ones, and a 1 for each of them into a mask.
    pub(super) fn change(
        &mut self,
        old: &OldTile<'_>,
        put: impl FnOnce(&mut [u8], &mut [u8], &mut PatchScratch) -> Result<()>,
    ) -> Result<ChangedTile> {
        let size = self.rules.packer.stored.size();
        let mut memory = std::mem::take(&mut self.pixels);
        let pixels = memory.bytes(old.pixels.saturating_mul(size))?;
        let was_packed = self.unpack(old, size, pixels)?;
        self.changed.clear();
        resize(&mut self.changed, old.pixels)?;
        put(pixels, &mut self.changed, &mut self.scratch)?;
        let changed = match self.rules.decoding.quantized {
            None => {
                let mut tile = NewTile::new(self.rules.packer.storage);
                self.encoder.pack_pixels(pixels, old.row_len, &mut tile.bytes)?;
                Ok(ChangedTile { tile, rescaled: false, needs_blank: false })
            }
            Some(_) if old.kept.is_some() && !was_packed => self.as_floats(pixels),
            Some(dither) => {
                swap_in_place(size, false, pixels);
                let quantized = match self.rules.packer.stored {
                    DataType::F32 => self.quantize::<f32>(old, dither, typed(pixels)?),
                    _ => self.quantize::<f64>(old, dither, typed(pixels)?),
                };
                match quantized? {
                    Some(changed) => Ok(changed),
                    None => {
                        swap_in_place(size, false, pixels);
                        self.as_floats(pixels)
                    }
                }
            }
        };
        self.pixels = memory;
        changed
    }

    /// Fills the first pixels with those that the tile had, and the rest with zeros; whether they were packed as all are.
    fn unpack(&mut self, old: &OldTile<'_>, size: usize, pixels: &mut [u8]) -> Result<bool> {
        let Some(kept) = &old.kept else { return Ok(false) };
        let (before, rest) = pixels.split_at_mut(kept.pixels.saturating_mul(size).min(pixels.len()));
        self.decoder.decode(kept, before, None)?;
        swap_in_place(size, false, before);
        rest.fill(0);
        Ok(kept.entry.storage == TileStorage::Packed)
    }

    /// Quantizes native pixels; `None` where that can't be done without a change to those that stay.
    fn quantize<F>(&mut self, old: &OldTile<'_>, dither: Dither, pixels: &mut [F]) -> Result<Option<ChangedTile>>
    where
        F: crate::codec::quantize::Float + Into<f64>,
    {
        let undefined = |(pixel, &changed): (&F, &u8)| changed != 0 && (*pixel).into().is_nan();
        let has_undefined = pixels.iter().zip(&self.changed).any(undefined);
        let place = (dither, self.rules.decoding.seed, old.number);
        let mut tile = NewTile::new(TileStorage::Packed);
        if old.kept.is_none() && self.rules.own_scales {
            let how = self.encoder.quantize(pixels, old.row_len, self.rules.step, place);
            let Some(how) = how.filter(|_| self.encoder.has_blank(old.blank.unwrap_or(BLANK_VALUE))) else {
                return Ok(None);
            };
            (tile.scale, tile.zero) = (how.scale, how.zero);
        } else {
            self.integers.clear();
            if old.kept.is_some() {
                self.integers.extend_from_slice(self.decoder.integers());
            }
            resize(&mut self.integers, old.pixels)?;
            if old.blank.is_none() && has_undefined && self.integers.contains(&BLANK_VALUE) {
                return Ok(None);
            }
            let blank = old.blank.or(Some(BLANK_VALUE));
            let (dither, seed, number) = place;
            let how = Quantization { scale: old.scale, zero: old.zero, blank, dither, seed, tile: number };
            if !how.requantize(pixels, &self.changed, &mut self.integers) {
                return Ok(None);
            }
            self.encoder.set_integers(&mut self.integers);
        }
        if self.encoder.pack_integers(old.row_len, &mut tile.bytes).is_err() {
            // Integers that the packing has no room for.
            return Ok(None);
        }
        let rescaled = old.kept.is_none() && self.rules.own_scales;
        Ok(Some(ChangedTile { tile, rescaled, needs_blank: has_undefined && old.blank.is_none() }))
    }

    /// Stores big-endian floats as they are.
    fn as_floats(&self, pixels: &[u8]) -> Result<ChangedTile> {
        let tile = match self.rules.as_floats {
            TileStorage::Plain => NewTile { bytes: pixels.to_vec(), ..NewTile::new(TileStorage::Plain) },
            _ => NewTile::gzipped(pixels)?,
        };
        Ok(ChangedTile { tile, rescaled: false, needs_blank: false })
    }
}
