//! How tiles are compressed: ZCMPTYPE with its parameters, and ZQUANTIZ (FITS 4.0 §10.1.1, §10.2, §10.4). All that differs from
//! one compression to another is here.

use bytemuck::Pod;

use super::encode::Packer;
use super::image_header::{illegal, missing};
use super::scratch::{Scratch, typed};
use super::table::TileStorage;
use crate::codec::quantize::Dither;
use crate::codec::rice::{self, RiceInteger};
use crate::codec::{gzip, hcompress, plio};
use crate::compression::{Algorithm, GZIP_LEVEL, Quantize};
use crate::error::{Error, Result};
use crate::format::{DataType, Header};

/// The largest RICE_1 block that is taken for one: the standard names 16 and 32, and writers may choose others.
const LARGEST_BLOCK_SIZE: i64 = 1 << 16;

/// The parameter that says how many steps the noise of a tile has: other programs write it, too.
pub(super) const NOISE_LEVEL: &str = "NOISEBIT";

/// How the bytes of a tile are packed (§10.4).
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
    /// PLIO_1: line lists of integers that are not negative: by `zero` more than what is stored.
    Plio { zero: i32 },
    /// HCOMPRESS_1 with its parameter SMOOTH; SCALE is in the tiles.
    Hcompress { smooth: bool },
}

impl Packing {
    fn new(header: &Header) -> Result<Self> {
        Ok(match compression(header)? {
            "RICE_1" => Self::Rice { block_size: block_size(header)?, pixel_size: pixel_size(header)? },
            "GZIP_1" => Self::Gzip,
            "GZIP_2" => Self::ShuffledGzip,
            "NOCOMPRESS" => Self::Plain,
            "PLIO_1" => Self::Plio { zero: plio_zero(header) },
            _ => Self::Hcompress { smooth: parameter(header, "SMOOTH")?.unwrap_or(0) != 0 },
        })
    }

    /// Whether a tile is integers of the machine once it is unpacked; else it is big-endian numbers.
    pub(super) fn makes_integers(self) -> bool {
        match self {
            Self::Rice { .. } | Self::Plio { .. } | Self::Hcompress { .. } => true,
            Self::Gzip | Self::ShuffledGzip | Self::Plain => false,
        }
    }

    /// How many bytes a number has as it is packed, where one of those that were packed has `size`.
    pub(super) fn packed_size(self, size: u64) -> u64 {
        match self {
            Self::Rice { pixel_size, .. } => pixel_size as u64,
            Self::Plio { .. } | Self::Hcompress { .. } => size_of::<i32>() as u64,
            _ => size,
        }
    }

    /// The most bytes of pixels that one byte of a tile can make.
    pub(super) fn most_bytes_of(self) -> u64 {
        match self {
            // A block of equal pixels is its head of 3, 4 or 5 bits.
            Self::Rice { block_size, pixel_size } => {
                (8 * block_size as u64 * pixel_size as u64).div_ceil(if pixel_size == 1 { 3 } else { 4 })
            }
            Self::Gzip | Self::ShuffledGzip => gzip::EXPANSION,
            Self::Plio { .. } => plio::EXPANSION,
            Self::Hcompress { .. } => hcompress::EXPANSION,
            Self::Plain => 1,
        }
    }

    /// How many bytes of pixels a tile may have whatever its own bytes.
    pub(super) fn always_possible(self) -> u64 {
        if matches!(self, Self::Hcompress { .. }) { hcompress::LARGEST_BLANK } else { 0 }
    }

    /// The most bytes of pixels that one byte of a file makes, where tiles may share bytes.
    pub(super) fn most_of_file(self) -> u64 {
        match self {
            Self::Hcompress { .. } => hcompress::MOST_OF_FILE,
            _ => self.most_bytes_of().clamp(gzip::EXPANSION, plio::EXPANSION),
        }
    }

    /// Fills `integers` with the first integers of a tile, which has `pixels` in all; for packings that make such.
    pub(super) fn unpack(self, tile: &[u8], pixels: usize, memory: &mut Scratch, integers: &mut [i32]) -> Result<()> {
        match self {
            Self::Rice { block_size, pixel_size: 4 } => rice::decode(tile, block_size, integers),
            Self::Rice { block_size, pixel_size: 2 } => unrice::<i16>(tile, block_size, memory, integers),
            Self::Rice { block_size, .. } => unrice::<u8>(tile, block_size, memory, integers),
            Self::Plio { zero } => {
                plio::decode(tile, integers)?;
                integers.iter_mut().for_each(|integer| *integer = integer.wrapping_sub(zero));
                Ok(())
            }
            Self::Hcompress { smooth } => hcompress::decode(tile, pixels, smooth, integers),
            Self::Gzip | Self::ShuffledGzip | Self::Plain => Err(Error::argument("the tiles do not hold integers")),
        }
    }

    /// Fills `pixels` with the first pixels of a tile in the image's own type, where that is what the packing makes; returns
    /// whether it is. The tile has `count` pixels in all.
    pub(super) fn unpack_pixels(self, tile: &[u8], count: usize, stored: DataType, pixels: &mut [u8]) -> Result<bool> {
        match (self, stored) {
            (Self::Rice { block_size, pixel_size: 1 }, DataType::U8) => rice::decode(tile, block_size, pixels)?,
            (Self::Rice { block_size, pixel_size: 2 }, DataType::I16) => {
                rice::decode(tile, block_size, typed::<i16>(pixels)?)?;
            }
            (Self::Rice { block_size, pixel_size: 4 }, DataType::I32) => {
                rice::decode(tile, block_size, typed::<i32>(pixels)?)?;
            }
            (Self::Plio { zero: 0 }, DataType::I32) => plio::decode(tile, typed::<i32>(pixels)?)?,
            (Self::Hcompress { smooth }, DataType::U8) => hcompress::decode(tile, count, smooth, pixels)?,
            (Self::Hcompress { smooth }, DataType::I16) => {
                hcompress::decode(tile, count, smooth, typed::<i16>(pixels)?)?;
            }
            (Self::Hcompress { smooth }, DataType::I32) => {
                hcompress::decode(tile, count, smooth, typed::<i32>(pixels)?)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Unpacks integers of another type than `i32`.
fn unrice<T>(tile: &[u8], block_size: usize, memory: &mut Scratch, integers: &mut [i32]) -> Result<()>
where
    T: RiceInteger + Pod + Into<i32>,
{
    let narrow = typed::<T>(memory.bytes(integers.len().saturating_mul(size_of::<T>()))?)?;
    rice::decode(tile, block_size, narrow)?;
    for (integer, narrow) in integers.iter_mut().zip(narrow) {
        *integer = (*narrow).into();
    }
    Ok(())
}

/// The compression of an image, as its header has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compression {
    pub(super) packing: Packing,
    /// ZQUANTIZ: `None` is NONE, floats that are stored as floats.
    dither: Option<Dither>,
    /// ZDITHER0.
    pub(super) seed: i64,
}

impl Compression {
    pub(super) fn new(header: &Header) -> Result<Self> {
        let seed = header.integer("ZDITHER0")?.unwrap_or(1);
        Ok(Self { packing: Packing::new(header)?, dither: dither(header)?, seed })
    }

    /// What packs such tiles, as far as that is known: the level of gzip is not in a file.
    pub(super) fn algorithm(self) -> Algorithm {
        match self.packing {
            Packing::Rice { block_size, .. } => Algorithm::Rice1 { block_size },
            Packing::Gzip => Algorithm::Gzip1 { level: GZIP_LEVEL },
            Packing::ShuffledGzip => Algorithm::Gzip2 { level: GZIP_LEVEL },
            Packing::Plain => Algorithm::NoCompress,
            Packing::Plio { .. } => Algorithm::Plio1,
            // Without a scale, so that pixels which stay come back as they were.
            Packing::Hcompress { smooth } => Algorithm::Hcompress1 { scale: 0.0, smooth },
        }
    }

    /// What packs tiles as those of the image are; `has_plain`: the table has a column for tiles that are not packed.
    pub(super) fn packer(self, stored: DataType, quantized: bool, has_plain: bool) -> Packer {
        let number_size = if quantized { size_of::<i32>() } else { stored.size() };
        let rice_size = match self.packing {
            Packing::Rice { pixel_size, .. } if pixel_size != number_size => Some(pixel_size),
            _ => None,
        };
        let is_plain = self.packing == Packing::Plain && has_plain && !quantized;
        let storage = if is_plain { TileStorage::Plain } else { TileStorage::Packed };
        let plio_zero = match self.packing {
            Packing::Plio { zero } => zero,
            _ => 0,
        };
        Packer { algorithm: self.algorithm(), stored, quantize: None, blank: None, rice_size, plio_zero, storage }
    }

    /// How the floats of an image of this type were made integers; `None` for integers, and for floats that are packed as they
    /// are. `has_scales` is whether the table has a ZSCALE and a ZZERO.
    pub(super) fn quantized(self, stored: DataType, has_scales: bool) -> Result<Option<Dither>> {
        let makes_integers = self.packing.makes_integers();
        match self.dither {
            _ if !stored.is_float() => Ok(None),
            _ if makes_integers && !has_scales => Err(Error::illegal(
                "floats compressed as integers (ZCMPTYPE) need a ZSCALE and a ZZERO, which are missing",
            )),
            None if makes_integers => Ok(Some(Dither::None)),
            dither => Ok(dither.filter(|_| has_scales)),
        }
    }
}

/// How many steps the noise of a tile has; the usual number unless the header has one.
pub(super) fn noise_level(header: &Header) -> f64 {
    let usual = Quantize::default().level;
    let given = parameter_card(header, NOISE_LEVEL).ok().flatten().and_then(|card| header.real(&card).ok().flatten());
    given.filter(|level| level.is_finite() && *level != 0.0).unwrap_or(usual)
}

/// The scale of HCOMPRESS_1, as it was asked for; 0 where the header has none.
pub(super) fn hcompress_scale(header: &Header) -> f64 {
    let card = parameter_card(header, "SCALE").ok().flatten();
    card.and_then(|card| header.real(&card).ok().flatten()).unwrap_or(0.0)
}

/// ZCMPTYPE, by the name that the standard has for it.
pub(crate) fn compression(header: &Header) -> Result<&'static str> {
    let name = header.text("ZCMPTYPE")?.ok_or_else(|| missing("ZCMPTYPE"))?;
    Ok(match name.trim() {
        "RICE_1" | "RICE_ONE" => "RICE_1",
        "GZIP_1" => "GZIP_1",
        "GZIP_2" => "GZIP_2",
        "NOCOMPRESS" => "NOCOMPRESS",
        "PLIO_1" => "PLIO_1",
        "HCOMPRESS_1" => "HCOMPRESS_1",
        other => return Err(illegal("ZCMPTYPE", format!("is '{other}', which is no compression of the standard"))),
    })
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

/// By how much the integers of a line list are more than the stored ones. Of unsigned integers of 16 bits, half of which are stored as negative ones, CFITSIO puts
/// the values themselves into the lists; it takes the lists of all such images so.
fn plio_zero(header: &Header) -> i32 {
    const UNSIGNED_16: i32 = 1 << 15;
    let integer = |keyword: &str| header.integer(keyword).ok().flatten();
    let real = |keyword: &str| header.real(keyword).ok().flatten();
    let is_unsigned = integer("ZBITPIX") == Some(16)
        && real("BZERO") == Some(f64::from(UNSIGNED_16))
        && real("BSCALE").is_none_or(|scale| scale == 1.0);
    if is_unsigned { UNSIGNED_16 } else { 0 }
}

/// The parameter of the compression with this name: ZVALn where ZNAMEn is the name.
fn parameter(header: &Header, name: &str) -> Result<Option<i64>> {
    parameter_card(header, name)?.map_or(Ok(None), |card| header.integer(&card))
}

/// The keyword of the parameter with this name.
fn parameter_card(header: &Header, name: &str) -> Result<Option<String>> {
    for number in 1.. {
        match header.text(&format!("ZNAME{number}"))? {
            None => break,
            Some(own) if own.trim().eq_ignore_ascii_case(name) => return Ok(Some(format!("ZVAL{number}"))),
            Some(_) => {}
        }
    }
    Ok(None)
}

/// ZQUANTIZ (§10.2); images from before that keyword were not dithered.
fn dither(header: &Header) -> Result<Option<Dither>> {
    let Some(name) = header.text("ZQUANTIZ")? else { return Ok(Some(Dither::None)) };
    match name.trim().to_ascii_uppercase().as_str() {
        "NONE" => Ok(None),
        "NO_DITHER" | "" => Ok(Some(Dither::None)),
        "SUBTRACTIVE_DITHER_1" => Ok(Some(Dither::One)),
        "SUBTRACTIVE_DITHER_2" => Ok(Some(Dither::Two)),
        other => Err(illegal("ZQUANTIZ", format!("is '{other}', which is no quantization of the standard"))),
    }
}
