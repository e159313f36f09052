//! A new compressed image (FITS 4.0 §10.1): its tiles, packed some at a time, and then the table and the header that describe them.

use std::ops::Range;

use super::encode::{NewTile, Packer, TileEncoder, dither, seed};
use super::packing::NOISE_LEVEL;
use super::plane_shape;
use super::scratch::Scratch;
use super::table::TileStorage;
use crate::codec::plio;
use crate::codec::quantize::{BLANK_VALUE, Dither};
use crate::compression::{Algorithm, Compression, HeapFormat, Quantize};
use crate::edit::LARGEST_P;
use crate::error::{Error, Result, ResultExt};
use crate::format::{DataType, Encoding, Header, Value};
use crate::image::{NewImage, NewPixels, element_position};

/// How many bytes of pixels are packed by one job, unless one tile has more.
const JOB_BYTES: usize = 512 << 10;
/// The largest image whose heap certainly has offsets that fit descriptors of 32 bits.
const LARGEST_P_IMAGE: u64 = 1 << 30;

/// A compressed image that is to be written; everything that can be wrong with it is checked.
pub(crate) struct NewTiledImage<'a> {
    image: NewImage<'a>,
    packer: Packer,
    encoding: Encoding,
    /// Slowest axis first.
    tile_shape: Vec<usize>,
    /// How many tiles there are along each axis.
    counts: Vec<usize>,
    tiles: usize,
    wide: bool,
}

/// The rows of the table, as tiles come in.
#[derive(Debug, Default)]
pub(crate) struct TileRows {
    rows: Vec<u8>,
    heap_len: u64,
    /// The most elements of an array in each column.
    longest: [u64; 2],
}

/// The tiles of one job, one after the other, and what the table has of each.
#[derive(Debug, Default)]
pub(crate) struct PackedTiles {
    pub(crate) bytes: Vec<u8>,
    tiles: Vec<(TileStorage, u64, f64, f64)>,
}

impl<'a> NewTiledImage<'a> {
    /// Checks what is asked for.
    pub(crate) fn new(image: NewImage<'a>, compression: &Compression, quantize: Option<Quantize>) -> Result<Self> {
        let algorithm = compression.algorithm;
        let stored = if image.data_type.bzero() == "0" {
            image.data_type
        } else {
            image.data_type.shifted().unwrap_or(image.data_type)
        };
        let pixels = image.data_len()?;
        if pixels == 0 {
            return Err(Error::argument("an image without pixels can't be compressed: leave compress out"));
        }
        check_type(algorithm, image.data_type, quantize.is_some())?;
        if let Some(quantize) = quantize {
            check_quantize(quantize, algorithm, stored)?;
        }
        let asked = compression.tile_shape.as_deref();
        let tile_shape = match algorithm {
            Algorithm::Hcompress1 { .. } => plane_shape::plane_shape(image.shape, asked)?,
            _ => tile_shape(image.shape, asked)?,
        };
        let counts: Vec<usize> =
            image.shape.iter().zip(&tile_shape).map(|(&length, &tile)| length.div_ceil(tile)).collect();
        // Fewer than there are pixels, whose number was checked.
        let tiles = counts.iter().product();
        let wide = compression.heap_format.map_or(pixels > LARGEST_P_IMAGE, |format| format == HeapFormat::Q);
        let encoding = image.encoding()?;
        if let NewPixels::Values(values, Some(mask)) = image.content {
            encoding.check(values, Some(mask), |index| format!("{:?}", element_position(index, image.shape)))?;
        }
        if algorithm == Algorithm::Plio1 {
            check_mask_values(&image, &encoding)?;
        }
        // CFITSIO reads tiles of NOCOMPRESS nowhere but in UNCOMPRESSED_DATA; it has none of 64-bit integers, and astropy reads them elsewhere only.
        let is_plain = algorithm == Algorithm::NoCompress && stored != DataType::I64;
        let storage = if is_plain { TileStorage::Plain } else { TileStorage::Packed };
        let packer =
            Packer { algorithm, stored, quantize, blank: encoding.blank(), rice_size: None, plio_zero: 0, storage };
        let new = Self { image, packer, encoding, tile_shape, counts, tiles, wide };
        match (tiles as u64).checked_mul(new.row_len()).filter(|&len| i64::try_from(len).is_ok()) {
            Some(_) => Ok(new),
            None => Err(Error::too_large(format!(
                "the rows of {tiles} tiles are larger than a file can be: give a larger tile_shape"
            ))),
        }
    }

    /// How many jobs pack the image.
    pub(crate) fn jobs(&self) -> usize {
        self.tiles.div_ceil(self.tiles_in_job())
    }

    fn tiles_in_job(&self) -> usize {
        let tile =
            self.tile_shape.iter().fold(self.packer.stored.size(), |product, &length| product.saturating_mul(length));
        (JOB_BYTES / tile.max(1)).max(1)
    }

    /// Packs the tiles of one job.
    pub(crate) fn pack(&self, job: usize) -> Result<PackedTiles> {
        let start = job * self.tiles_in_job();
        let mut encoder = TileEncoder::new(self.packer);
        let mut memory = Scratch::default();
        let mut flags = Vec::new();
        let mut packed = PackedTiles::default();
        for number in start..start.saturating_add(self.tiles_in_job()).min(self.tiles) {
            let (len, row_len) = self.gather(number, &mut memory, &mut flags)?;
            let tile = encoder.pack(&mut memory, len, row_len, number as u64 + 1);
            let NewTile { storage, bytes, scale, zero } = tile.in_item(|| format!("tile {}", number + 1))?;
            packed.tiles.push((storage, bytes.len() as u64, scale, zero));
            packed.bytes.extend(bytes);
        }
        Ok(packed)
    }

    /// Copies a tile to `memory` as it is stored; returns how many bytes it has, and how many pixels a row of it.
    fn gather(&self, number: usize, memory: &mut Scratch, zeros: &mut Vec<u8>) -> Result<(usize, usize)> {
        let ranges = self.ranges(number);
        let Some((columns, outer)) = ranges.split_last() else { return Ok((0, 0)) };
        let rows: usize = outer.iter().map(Range::len).product();
        let (given, stored) = (self.encoding.given().size(), self.packer.stored.size());
        let row_len = columns.len() * stored;
        let len = rows.saturating_mul(row_len);
        let tile = memory.bytes(len)?;
        for (row, output) in tile.chunks_exact_mut(row_len.max(1)).enumerate() {
            let first = self.first_pixel(row, columns, outer);
            let span = first..first + columns.len();
            match self.image.content {
                NewPixels::Values(values, mask) => {
                    let values = values.get(span.start * given..span.end * given).unwrap_or_default();
                    self.encoding.encode(values, mask.and_then(|mask| mask.get(span)), output);
                }
                NewPixels::Zeros => {
                    zeros.resize(columns.len() * given, 0);
                    self.encoding.encode(zeros, None, output);
                }
            }
        }
        // An axis of one pixel makes no rows.
        let row_len = ranges.iter().rev().map(Range::len).find(|&length| length > 1).unwrap_or(1);
        Ok((len, row_len))
    }

    /// The pixels of a tile along each axis.
    fn ranges(&self, number: usize) -> Vec<Range<usize>> {
        let positions = element_position(number, &self.counts);
        let axes = positions.iter().zip(&self.tile_shape).zip(self.image.shape);
        axes.map(|((&position, &tile), &length)| position * tile..((position + 1) * tile).min(length)).collect()
    }

    /// The number in the image of the first pixel of a row of a tile.
    fn first_pixel(&self, mut row: usize, columns: &Range<usize>, outer: &[Range<usize>]) -> usize {
        let mut stride = self.image.shape.last().copied().unwrap_or(1);
        let mut pixel = columns.start;
        for (range, &length) in outer.iter().zip(self.image.shape).rev() {
            pixel += (range.start + row % range.len().max(1)) * stride;
            row /= range.len().max(1);
            stride = stride.saturating_mul(length);
        }
        pixel
    }

    /// Adds the rows of tiles, which come in their order.
    pub(crate) fn add_rows(&self, packed: &PackedTiles, rows: &mut TileRows) -> Result<()> {
        for &(storage, len, scale, zero) in &packed.tiles {
            let second = storage != TileStorage::Packed;
            let elements = len / self.element_size(second);
            let offset = rows.heap_len;
            rows.heap_len += len;
            if !self.wide && rows.heap_len > LARGEST_P {
                return Err(Error::too_large(
                    "the compressed tiles take more than descriptors of 32 bits can say: use heap_format Q",
                ));
            }
            let place = &mut rows.longest[usize::from(second)];
            *place = (*place).max(elements);
            self.descriptor(if second { (0, 0) } else { (elements, offset) }, &mut rows.rows);
            if self.second_column().is_some() {
                self.descriptor(if second { (elements, offset) } else { (0, 0) }, &mut rows.rows);
            }
            if self.packer.quantize.is_some() {
                rows.rows.extend(scale.to_be_bytes());
                rows.rows.extend(zero.to_be_bytes());
            }
        }
        Ok(())
    }

    fn descriptor(&self, (length, offset): (u64, u64), rows: &mut Vec<u8>) {
        for number in [length, offset] {
            if self.wide {
                rows.extend(number.to_be_bytes());
            } else {
                rows.extend((number as u32).to_be_bytes());
            }
        }
    }

    /// The column for tiles that are not packed: those that can't be quantized, and those of NOCOMPRESS.
    fn second_column(&self) -> Option<&'static str> {
        if self.packer.is_plain() {
            Some("UNCOMPRESSED_DATA")
        } else {
            self.packer.quantize.map(|_| "GZIP_COMPRESSED_DATA")
        }
    }

    /// Lists of PLIO_1 are arrays of 16-bit integers, tiles of NOCOMPRESS are arrays of pixels, everything else is bytes.
    fn element_size(&self, second: bool) -> u64 {
        match self.packer.algorithm {
            Algorithm::Plio1 => 2,
            _ if second && self.packer.is_plain() => self.packer.stored.size() as u64,
            _ => 1,
        }
    }

    /// The letter of TFORM for elements of the second column.
    fn second_letter(&self) -> char {
        match self.packer.stored {
            _ if !self.packer.is_plain() => 'B',
            DataType::I16 => 'I',
            DataType::I32 => 'J',
            DataType::F32 => 'E',
            DataType::F64 => 'D',
            _ => 'B',
        }
    }

    /// How many bytes the table takes in front of the heap.
    pub(crate) fn table_len(&self) -> u64 {
        self.tiles as u64 * self.row_len()
    }

    fn row_len(&self) -> u64 {
        let descriptor = if self.wide { 16 } else { 8 };
        let scales = if self.packer.quantize.is_some() { 16 } else { 0 };
        descriptor + self.second_column().map_or(0, |_| descriptor) + scales
    }

    /// The header, which is as long for any rows.
    pub(crate) fn header(&self, rows: &TileRows) -> Result<Vec<u8>> {
        let mut header = Header::new();
        let quantized = self.packer.quantize.is_some();
        header.set_structural("XTENSION", "BINTABLE", "binary table extension")?;
        header.set_structural("BITPIX", 8, "bytes")?;
        header.set_structural("NAXIS", 2, "rows of a table")?;
        header.set_structural("NAXIS1", self.row_len() as i64, "bytes of a row")?;
        header.set_structural("NAXIS2", self.tiles, "rows: one for each tile")?;
        header.set_structural("PCOUNT", rows.heap_len as i64, "bytes of the compressed tiles")?;
        header.set_structural("GCOUNT", 1, "one group")?;
        let second = self.second_column();
        header.set_structural("TFIELDS", 1 + i64::from(second.is_some()) + if quantized { 2 } else { 0 }, "columns")?;
        let descriptor = if self.wide { 'Q' } else { 'P' };
        let element = if self.packer.algorithm == Algorithm::Plio1 { 'I' } else { 'B' };
        let [packed, others] = rows.longest;
        header.set_structural("TTYPE1", "COMPRESSED_DATA", "")?;
        header.set_structural("TFORM1", format!("1{descriptor}{element}({packed})"), "")?;
        if let Some(name) = second {
            let letter = self.second_letter();
            header.set_structural("TTYPE2", name, if quantized { "tiles that could not be quantized" } else { "" })?;
            header.set_structural("TFORM2", format!("1{descriptor}{letter}({others})"), "")?;
        }
        if quantized {
            header.set_structural("TTYPE3", "ZSCALE", "")?;
            header.set_structural("TFORM3", "1D", "")?;
            header.set_structural("TTYPE4", "ZZERO", "")?;
            header.set_structural("TFORM4", "1D", "")?;
        }
        self.describe_image(&mut header)?;
        self.describe_compression(&mut header)?;
        self.image.describe(&mut header)?;
        Ok(header.to_bytes())
    }

    /// What the header of the image itself would say (§10.1.1).
    fn describe_image(&self, header: &mut Header) -> Result<()> {
        header.set_structural("ZIMAGE", true, "this table is a compressed image")?;
        header.set_structural("ZTENSION", "IMAGE", "image extension")?;
        header.set_structural("ZBITPIX", self.packer.stored.bitpix(), "bits per data value")?;
        header.set_structural("ZNAXIS", self.image.shape.len(), "number of axes")?;
        for (axis, length) in self.image.shape.iter().rev().enumerate() {
            header.set_structural(&format!("ZNAXIS{}", axis + 1), *length, "")?;
        }
        header.set_structural("ZPCOUNT", 0, "no parameters")?;
        header.set_structural("ZGCOUNT", 1, "one group")
    }

    fn describe_compression(&self, header: &mut Header) -> Result<()> {
        for (axis, length) in self.tile_shape.iter().rev().enumerate() {
            header.set_structural(&format!("ZTILE{}", axis + 1), *length, "length of a tile")?;
        }
        header.set_structural("ZCMPTYPE", self.packer.algorithm.name(), "how tiles are compressed")?;
        let mut parameters: Vec<(&str, Value, &str)> = Vec::new();
        if let Algorithm::Rice1 { block_size } = self.packer.algorithm {
            let pixel_size = if self.packer.quantize.is_some() { size_of::<i32>() } else { self.packer.stored.size() };
            parameters.push(("BLOCKSIZE", block_size.into(), "pixels of a block"));
            parameters.push(("BYTEPIX", pixel_size.into(), "bytes of a pixel"));
        }
        if let Algorithm::Hcompress1 { scale, smooth } = self.packer.algorithm {
            parameters.push(("SCALE", scale.into(), "of the noise; negative: as it is"));
            parameters.push(("SMOOTH", i64::from(smooth).into(), "whether readers smooth"));
        }
        if let Some(quantize) = self.packer.quantize {
            parameters.push((NOISE_LEVEL, quantize.level.into(), "steps of the noise"));
        }
        for (number, (name, value, comment)) in (1..).zip(parameters) {
            header.set_structural(&format!("ZNAME{number}"), name, "")?;
            header.set_structural(&format!("ZVAL{number}"), value, comment)?;
        }
        let Some(quantize) = self.packer.quantize else {
            return if self.packer.stored.is_float() {
                header.set_structural("ZQUANTIZ", "NONE", "lossless")
            } else {
                Ok(())
            };
        };
        let name = match dither(quantize) {
            Dither::None => "NO_DITHER",
            Dither::One => "SUBTRACTIVE_DITHER_1",
            Dither::Two => "SUBTRACTIVE_DITHER_2",
        };
        header.set_structural("ZQUANTIZ", name, "how floats became integers")?;
        if dither(quantize) != Dither::None {
            header.set_structural("ZDITHER0", seed(quantize), "where the random numbers start")?;
        }
        header.set_structural("ZBLANK", i64::from(BLANK_VALUE), "integer of undefined pixels")
    }
}

impl TileRows {
    /// The rows, and how many bytes the heap has.
    pub(crate) fn into_parts(self) -> (Vec<u8>, u64) {
        (self.rows, self.heap_len)
    }
}

/// Checks that the algorithm can pack pixels of this type.
fn check_type(algorithm: Algorithm, given: DataType, quantized: bool) -> Result<()> {
    algorithm.check()?;
    let name = algorithm.name();
    let code = given.code();
    match algorithm {
        Algorithm::Gzip1 { .. } | Algorithm::Gzip2 { .. } | Algorithm::NoCompress => Ok(()),
        _ if given.is_float() && !quantized => Err(Error::argument(format!(
            "{name} packs integers, and the image is {code}: give quantize=, which loses digits, or use GZIP_2, which keeps all"
        ))),
        Algorithm::Plio1 if given.bzero() != "0" || given == DataType::I64 => Err(Error::argument(format!(
            "PLIO_1 packs u1, i2 and i4 from 0 to {}, and the image is {code}: use GZIP_2",
            plio::LARGEST
        ))),
        _ if matches!(given, DataType::I64 | DataType::U64) => {
            Err(Error::argument(format!("{name} has no integers of 64 bits, and the image is {code}: use GZIP_2")))
        }
        Algorithm::Rice1 { .. } | Algorithm::Plio1 | Algorithm::Hcompress1 { .. } => Ok(()),
    }
}

fn check_quantize(quantize: Quantize, algorithm: Algorithm, stored: DataType) -> Result<()> {
    let refused = |reason: String| Err(Error::argument(reason));
    if !stored.is_float() {
        return refused("quantize= is for images of floats: integers are compressed as they are".to_owned());
    }
    if algorithm == Algorithm::NoCompress {
        return refused("NOCOMPRESS keeps floats as they are: leave quantize out".to_owned());
    }
    if algorithm == Algorithm::Plio1 {
        return refused("PLIO_1 is for masks and not for quantized floats: use RICE_1".to_owned());
    }
    quantize.check()
}

/// The lengths of a tile; none is longer than the axis.
pub(super) fn tile_shape(shape: &[usize], asked: Option<&[usize]>) -> Result<Vec<usize>> {
    let Some(asked) = asked else {
        let last = shape.len().saturating_sub(1);
        return Ok(shape.iter().enumerate().map(|(axis, &length)| if axis == last { length } else { 1 }).collect());
    };
    if asked.len() != shape.len() || asked.contains(&0) {
        return Err(Error::argument(format!(
            "tile_shape {asked:?} does not go with an image of shape {shape:?}: give a positive length for each axis"
        )));
    }
    Ok(asked.iter().zip(shape).map(|(&tile, &length)| tile.min(length)).collect())
}

/// Checks that a line list can hold all pixels, before any tile is written.
fn check_mask_values(image: &NewImage<'_>, encoding: &Encoding) -> Result<()> {
    let NewPixels::Values(values, _) = image.content else { return Ok(()) };
    let size = encoding.given().size();
    let first = values.chunks_exact(size).position(|bytes| {
        let pixel = match *bytes {
            [byte] => i32::from(byte),
            [one, two] => i32::from(i16::from_ne_bytes([one, two])),
            [one, two, three, four] => i32::from_ne_bytes([one, two, three, four]),
            _ => 0,
        };
        !(0..=plio::LARGEST).contains(&pixel)
    });
    first.map_or(Ok(()), |index| {
        Err(Error::argument(format!(
            "PLIO_1 packs integers from 0 to {}, and the pixel at {:?} is none: use RICE_1 or GZIP_2",
            plio::LARGEST,
            element_position(index, image.shape)
        )))
    })
}
