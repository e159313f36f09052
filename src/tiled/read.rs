//! Reading a compressed image or a section of one: the tiles that it touches, some at a time (FITS 4.0 §10.1).

use std::ops::Range;
use std::sync::Arc;

use super::cache::{DecodedTile, TileCache, TileKey};
use super::copy::{gather, place};
use super::decode::{Decoding, TileDecoder};
use super::grid::{Grid, TouchedTile};
use super::image_header::TiledImage;
use super::limit::SizeLimit;
use super::packing::Compression;
use super::scratch::{Scratch, is_aligned};
use super::table::{TileEntry, TileTable};
use super::tile_reader::TileReader;
use super::unpack::PackedTile;
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::format::Scaling;
use crate::format::structure::element_count;
use crate::image::{ImageBuffers, ImageRequest, Selection, Unfilled};
use crate::source::{BufferSize, ReadAt, ReadPlan, does_not_fit, resize};

/// How many bytes the tiles of one part decode to, unless one tile is larger: few enough that the parts of a small image
/// keep all threads busy.
const PART_OUTPUT: u64 = 512 << 10;

/// A read of a compressed image, ready to run.
#[derive(Debug)]
pub(crate) struct TiledPlan {
    /// The shape of the result, slowest axis first.
    pub(crate) shape: Vec<usize>,
    pub(crate) scaling: Scaling,
    mask: bool,
    elements: u64,
    decoding: Decoding,
    grid: Grid,
    /// The touched tiles, in the order of the grid.
    tiles: Vec<TileEntry>,
    tiles_in_part: usize,
    scattered: bool,
    /// Where decoded tiles are kept, if those of this read are.
    cache: Option<Arc<TileCache>>,
    /// Of the touched tiles those that were kept.
    held: Vec<Option<Arc<DecodedTile>>>,
    unscaled: bool,
}

impl TiledPlan {
    /// Plans a read of the HDU: finds the touched tiles, and checks that each is in the file.
    pub(crate) fn locate(hdu: &HduEntry, request: &ImageRequest, source: &dyn ReadAt) -> Result<Self> {
        let image = TiledImage::new(hdu, request.unscaled)?;
        let compression = Compression::new(&hdu.header)?;
        let scaling = image.scaling;
        let (shape, tile_shape) = match image.shape() {
            [] => ([0].as_slice(), [1].as_slice()),
            shape => (shape, image.tile_shape()),
        };
        let selection = Selection::new(request.section.as_ref(), shape)?;
        let elements = selection.elements()?;
        let grid = Grid::new(&selection, shape, tile_shape)?;
        let table = TileTable::new(hdu, &image)?;
        let quantized = compression.quantized(scaling.stored, table.has_scales())?;
        let tiles = if elements == 0 {
            Vec::new()
        } else {
            let limit = SizeLimit::new(compression.packing, scaling.stored, quantized.is_some());
            table.read(&grid, &limit, source)?
        };
        let full_tile = tile_shape
            .iter()
            .zip(shape)
            .fold(1u64, |product, (&tile, &length)| product.saturating_mul(tile.min(length).max(1)));
        let tile_len = full_tile.saturating_mul(scaling.data_type().size() as u64);
        let is_whole = element_count(image.shape().iter().copied()) == Some(elements);
        let cache = Arc::clone(&hdu.tiles);
        let decoded_len = tile_len.saturating_mul(tiles.len() as u64);
        // A whole image is hardly read again; and what does not fit would only drive out what is there.
        let cached = !is_whole && decoded_len <= cache.limit();
        let mut held = Vec::new();
        if cached {
            let (unscaled, masked) = (request.unscaled, request.mask);
            let key = |index| TileKey { row: grid.row(index), column: 0, unscaled, masked };
            held.extend((0..tiles.len()).map(|index| cache.get(key(index))));
        }
        Ok(Self {
            cache: cached.then_some(cache),
            held,
            unscaled: request.unscaled,
            shape: selection.shape,
            scaling,
            mask: request.mask,
            elements,
            decoding: Decoding { packing: compression.packing, scaling, quantized, seed: compression.seed, full_tile },
            scattered: !grid.is_in_order(),
            grid,
            tiles,
            tiles_in_part: (PART_OUTPUT / tile_len.max(1)).max(1) as usize,
        })
    }

    pub(super) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The tile, if it was kept decoded.
    fn kept(&self, number: usize) -> Option<&DecodedTile> {
        self.held.get(number).and_then(Option::as_deref)
    }

    /// The numbers among the touched tiles of those of part `index`.
    pub(super) fn part(&self, index: usize) -> Range<usize> {
        let start = index.saturating_mul(self.tiles_in_part).min(self.tiles.len());
        start..start.saturating_add(self.tiles_in_part).min(self.tiles.len())
    }

    fn value_size(&self) -> usize {
        self.scaling.data_type().size()
    }

    fn image_buffers(&self) -> ImageBuffers {
        ImageBuffers { values: self.scaling.data_type(), mask: self.mask }
    }
}

impl ReadPlan for TiledPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.image_buffers().sizes(self.elements)
    }

    fn len(&self) -> usize {
        self.tiles.len().div_ceil(self.tiles_in_part)
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for number in self.part(index).filter(|&number| self.kept(number).is_none()) {
            let Some(tile) = self.tiles.get(number) else { continue };
            match ranges.last_mut() {
                Some(last) if last.end == tile.bytes.start => last.end = tile.bytes.end,
                _ => ranges.push(tile.bytes.clone()),
            }
        }
        ranges
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        let mut touched = TouchedTile::default();
        let mut elements = 0usize;
        for number in self.part(index) {
            self.grid.look(number, &mut touched);
            elements = elements.saturating_add(touched.count());
        }
        self.image_buffers().byte_sizes(elements)
    }

    fn scattered(&self) -> bool {
        self.scattered
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let mut rest = Unfilled::new(self.image_buffers(), outputs)?;
        let mut run = TileRun {
            reader: TileReader::new(source),
            decoder: TileDecoder::new(self.decoding),
            values: Scratch::default(),
            mask: Scratch::default(),
            value_size: self.value_size(),
        };
        let mut touched = TouchedTile::default();
        let part = self.part(index);
        for number in part.clone() {
            self.grid.look(number, &mut touched);
            let (values, mask) = rest.take(touched.count())?;
            let tiles = self.tiles.get(number..part.end).unwrap_or_default();
            let decoded = match (&self.cache, self.kept(number)) {
                (None, _) => run.decode(&touched, tiles, values, mask),
                (_, Some(kept)) => run.take(kept, &touched, values, mask),
                (Some(cache), None) => run.decode_whole(&touched, tiles, self.mask).and_then(|tile| {
                    run.take(&tile, &touched, values, mask)?;
                    let (unscaled, masked) = (self.unscaled, self.mask);
                    let key = TileKey { row: touched.row, column: 0, unscaled, masked };
                    cache.put(key, Arc::new(tile));
                    Ok(())
                }),
            };
            decoded.in_item(|| format!("tile {}", touched.row + 1))?;
        }
        Ok(())
    }

    fn place(&self, index: usize, pieces: &[&mut [u8]], buffers: &mut [&mut [u8]]) -> Result<()> {
        let mut touched = TouchedTile::default();
        for ((piece, buffer), size) in pieces.iter().zip(buffers).zip(self.image_buffers().element_sizes()) {
            let mut rest = &**piece;
            for number in self.part(index) {
                self.grid.look(number, &mut touched);
                let block = rest.split_off(..touched.count().saturating_mul(size)).ok_or_else(does_not_fit)?;
                place(&touched, self.grid.output_strides(), size, block, buffer)?;
            }
        }
        Ok(())
    }
}

/// Decodes the tiles of one part with the same memory.
struct TileRun<'a> {
    reader: TileReader<'a>,
    decoder: TileDecoder,
    values: Scratch,
    mask: Scratch,
    value_size: usize,
}

impl TileRun<'_> {
    /// Decodes all of the first of `tiles`.
    fn decode_whole(&mut self, touched: &TouchedTile<'_>, tiles: &[TileEntry], masked: bool) -> Result<DecodedTile> {
        let entry = tiles.first().ok_or_else(does_not_fit)?;
        let pixels = usize::try_from(touched.pixels()).map_err(|_| Error::too_large("the tile is too large"))?;
        let tile =
            PackedTile { entry, bytes: self.reader.bytes(tiles, |tile| &tile.bytes)?, number: touched.row + 1, pixels };
        let (mut values, mut mask) = (Scratch::default(), Vec::new());
        let len = pixels.saturating_mul(self.value_size);
        resize(&mut mask, if masked { pixels } else { 0 })?;
        self.decoder.decode(&tile, values.bytes(len)?, masked.then_some(mask.as_mut_slice()))?;
        let bytes = (len + mask.len()) as u64;
        Ok(DecodedTile { values, mask, bytes })
    }

    /// Takes what the section does of a tile that is decoded.
    fn take(
        &self,
        tile: &DecodedTile,
        touched: &TouchedTile<'_>,
        values: &mut [u8],
        mask: Option<&mut [u8]>,
    ) -> Result<()> {
        gather(touched, self.value_size, tile.values.held(), values)?;
        mask.map_or(Ok(()), |mask| gather(touched, 1, &tile.mask, mask))
    }

    /// Decodes what the section takes of the first of `tiles`.
    fn decode(
        &mut self,
        touched: &TouchedTile<'_>,
        tiles: &[TileEntry],
        values: &mut [u8],
        mask: Option<&mut [u8]>,
    ) -> Result<()> {
        let Some(entry) = tiles.first() else { return Ok(()) };
        let pixels = usize::try_from(touched.pixels()).map_err(|_| Error::too_large("the tile is too large"))?;
        let tile =
            PackedTile { entry, bytes: self.reader.bytes(tiles, |tile| &tile.bytes)?, number: touched.row + 1, pixels };
        if touched.is_whole() && is_aligned(values, self.value_size) {
            return self.decoder.decode(&tile, values, mask);
        }
        let needed = touched.needed();
        let all_values = self.values.bytes(needed.saturating_mul(self.value_size))?;
        let Some(mask) = mask else {
            self.decoder.decode(&tile, all_values, None)?;
            return gather(touched, self.value_size, all_values, values);
        };
        let all_mask = self.mask.bytes(needed)?;
        self.decoder.decode(&tile, all_values, Some(all_mask))?;
        gather(touched, self.value_size, all_values, values)?;
        gather(touched, 1, all_mask, mask)
    }
}
