//! Other values for some pixels of a compressed image, or more rows of pixels: the tiles that this touches are packed anew, some at a time, and go behind
//! the others in the heap (FITS 4.0 §10.1).

use super::change::{ChangeRules, ChangedTile, OldTile, TileChanger};
use super::decode::Decoding;
use super::encode::step;
use super::grid::TouchedTile;
use super::image_header::TiledImage;
use super::limit::SizeLimit;
use super::packing::{Compression, noise_level};
use super::patch::{Lengths, Patch};
use super::table::{GZIPPED, PACKED, PLAIN, TileStorage, TileTable};
use super::unpack::PackedTile;
use crate::codec::quantize::BLANK_VALUE;
use crate::directory::HduEntry;
use crate::edit::{Cells, HeapChange, HeapColumn, OldHdu, PixelPlace, Pixels, count_rows, set_count, used_heap};
use crate::error::{Error, Result, ResultExt};
use crate::format::{Encoding, Header};
use crate::source::{Content, ReadAt, resize};
use std::collections::BTreeMap;

/// How many bytes of pixels one job packs, unless one tile has more.
const JOB_BYTES: u64 = 512 << 10;

/// A change of a compressed image; everything that can be wrong with the values is checked.
pub(crate) struct TiledEdit<'a> {
    /// Slowest axis first, as it will be.
    shape: Vec<u64>,
    /// How long the slowest axis is now.
    old_length: u64,
    tile_shape: Vec<u64>,
    patches: Vec<Patch<'a>>,
    /// Which patch touches which tile with which of its own: the row of the tile, the number of the patch, the number among its tiles. Sorted.
    touches: Vec<(u64, usize, usize)>,
    /// Where the touches of each touched tile begin.
    starts: Vec<usize>,
    table: TileTable,
    /// The rows of the touched tiles that there are, and one that new ones are made after.
    rows: Vec<u8>,
    old_tiles: usize,
    limit: SizeLimit,
    rules: ChangeRules,
    tiles_in_job: usize,
}

/// The tiles of one job, one after the other, and what the table has of each.
#[derive(Debug, Default)]
pub(crate) struct EditedTiles {
    pub(crate) bytes: Vec<u8>,
    tiles: Vec<EditedTile>,
}

#[derive(Clone, Copy, Debug)]
struct EditedTile {
    storage: TileStorage,
    len: u64,
    scale: Option<(f64, f64)>,
    needs_blank: bool,
}

/// What all jobs have made, without the bytes.
#[derive(Debug, Default)]
pub(crate) struct EditedRows(Vec<EditedTile>);

impl EditedRows {
    /// Adds the tiles of the next job.
    pub(crate) fn add(&mut self, tiles: &EditedTiles) {
        self.0.extend_from_slice(&tiles.tiles);
    }
}

impl<'a> TiledEdit<'a> {
    /// Other values for pixels that are there; `None` where there is nothing to change.
    pub(crate) fn pixels(
        hdu: &HduEntry,
        place: &PixelPlace,
        pixels: &Pixels<'a>,
        source: &dyn ReadAt,
    ) -> Result<Option<Self>> {
        let image = TiledImage::new(hdu, true)?;
        let encoding = encoding(hdu, pixels)?;
        let shape = image.shape().to_vec();
        let lengths = Lengths { image: &shape, tile: image.tile_shape() };
        let patches = Patch::of(place, pixels, encoding, lengths)?;
        pixels.check(&encoding)?;
        let old_length = shape.first().copied().unwrap_or(0);
        Self::new(hdu, &image, shape.clone(), old_length, patches, source)
    }

    /// Rows behind the last one; `None` where there is nothing to add.
    pub(crate) fn rows(hdu: &HduEntry, rows: &[Pixels<'a>], source: &dyn ReadAt) -> Result<Option<Self>> {
        let image = TiledImage::new(hdu, true)?;
        let mut shape = image.shape().to_vec();
        let fastest_first: Vec<u64> = shape.iter().rev().copied().collect();
        let old_length = shape.first().copied().unwrap_or(0);
        let mut places = Vec::with_capacity(rows.len());
        let mut length = old_length;
        for rows in rows {
            let count = count_rows(&fastest_first, rows.shape)?;
            let encoding = encoding(hdu, rows)?;
            rows.check(&encoding)?;
            places.push((encoding, (length, count)));
            length = length
                .checked_add(count)
                .filter(|&length| i64::try_from(length).is_ok())
                .ok_or_else(|| Error::too_large("the image would be longer than 2^63"))?;
        }
        if let Some(first) = shape.first_mut() {
            *first = length;
        }
        if super::compression(&hdu.header)? == "HCOMPRESS_1"
            && let Some(&tile) = image.tile_shape().first()
        {
            super::plane_shape::check_longer(tile, length)?;
        }
        let lengths = Lengths { image: &shape, tile: image.tile_shape() };
        let patches =
            rows.iter().zip(places).map(|(rows, (encoding, place))| Patch::rows(rows, encoding, place, lengths));
        let patches = patches.collect::<Result<_>>()?;
        Self::new(hdu, &image, shape.clone(), old_length, patches, source)
    }

    fn new(
        hdu: &HduEntry,
        image: &TiledImage,
        shape: Vec<u64>,
        old_length: u64,
        patches: Vec<Patch<'a>>,
        source: &dyn ReadAt,
    ) -> Result<Option<Self>> {
        let compression = Compression::new(&hdu.header)?;
        let stored = image.scaling().stored;
        let table = TileTable::new(hdu, image)?;
        let quantized = compression.quantized(stored, table.has_scales())?;
        let tile_shape = image.tile_shape().to_vec();
        let old_rows = tile_count(old_length, &shape, &tile_shape);
        // So their number is bounded by the length of the file, and that of new ones by that of the values.
        table.check_tiles(old_rows, source.len())?;
        let (touches, starts) = touches(&patches);
        if touches.is_empty() {
            return Ok(None);
        }
        let touched = starts.iter().filter_map(|&start| touches.get(start)).map(|touch| touch.0);
        let mut there: Vec<u64> = touched.filter(|row| *row < old_rows).collect();
        let old_tiles = there.len();
        if old_tiles < starts.len() && table.rows != old_rows {
            return Err(Error::illegal(format!(
                "the image has {old_rows} tiles, but the table {} rows (NAXIS2): it can't be made longer",
                table.rows
            )));
        }
        let mut rows = table.raw_rows(&there, source)?;
        // A new row has what the last one has in columns that are not of the tile itself.
        there.clear();
        there.extend(old_rows.checked_sub(1));
        rows.extend(table.raw_rows(&there, source)?);
        resize(&mut rows, (old_tiles + 1) * table.row_len)?;
        let full_tile = tile_shape
            .iter()
            .zip(&shape)
            .fold(1u64, |pixels, (&tile, &length)| pixels.saturating_mul(tile.min(length).max(1)));
        let tile_len = full_tile.saturating_mul(stored.size() as u64);
        let scaling = image.scaling().unscaled();
        let decoding = Decoding { packing: compression.packing, scaling, quantized, seed: compression.seed, full_tile };
        let has_plain = table.column(TileStorage::Plain).is_some();
        let packer = compression.packer(stored, quantized.is_some(), has_plain);
        let own_scales = table.has_own_scales();
        let has_plain_only = table.column(TileStorage::Gzipped).is_none() && has_plain;
        let as_floats = if has_plain_only { TileStorage::Plain } else { TileStorage::Gzipped };
        Ok(Some(Self {
            shape,
            old_length,
            tile_shape,
            patches,
            touches,
            starts,
            rows,
            old_tiles,
            limit: SizeLimit::new(compression.packing, stored, quantized.is_some()),
            rules: ChangeRules { decoding, packer, step: step(noise_level(&hdu.header)), own_scales, as_floats },
            tiles_in_job: (JOB_BYTES / tile_len.max(1)).max(1) as usize,
            table,
        }))
    }

    /// How many jobs pack the touched tiles.
    pub(crate) fn jobs(&self) -> usize {
        self.starts.len().div_ceil(self.tiles_in_job)
    }

    /// Packs the tiles of one job; `source` is the file as it is.
    pub(crate) fn pack(&self, job: usize, source: &dyn ReadAt) -> Result<EditedTiles> {
        let start = job * self.tiles_in_job;
        let mut changer = TileChanger::new(self.rules);
        let mut packed = EditedTiles::default();
        let mut scratch = Vec::new();
        for number in start..start.saturating_add(self.tiles_in_job).min(self.starts.len()) {
            let row = self.touched(number).first().map_or(0, |touch| touch.0);
            let changed = self.change(number, &mut changer, &mut scratch, source);
            let ChangedTile { mut tile, rescaled, needs_blank } = changed.in_item(|| format!("tile {}", row + 1))?;
            if let Some(column) = self.table.column(tile.storage) {
                tile.bytes.resize(column.padded(tile.bytes.len()), 0);
            }
            let scale = rescaled.then_some((tile.scale, tile.zero));
            packed.tiles.push(EditedTile { storage: tile.storage, len: tile.bytes.len() as u64, scale, needs_blank });
            packed.bytes.extend(tile.bytes);
        }
        Ok(packed)
    }

    fn touched(&self, number: usize) -> &[(u64, usize, usize)] {
        let bound = |number: usize| self.starts.get(number).copied().unwrap_or(self.touches.len());
        self.touches.get(bound(number)..bound(number + 1)).unwrap_or_default()
    }

    /// The row of a touched tile, or that which a new one is made after.
    fn row(&self, number: usize) -> &[u8] {
        let start = number.min(self.old_tiles) * self.table.row_len;
        self.rows.get(start..start + self.table.row_len).unwrap_or_default()
    }

    fn change(
        &self,
        number: usize,
        changer: &mut TileChanger,
        scratch: &mut Vec<u8>,
        source: &dyn ReadAt,
    ) -> Result<ChangedTile> {
        let too_large = || Error::too_large("the tile is too large");
        let mut patches = Vec::new();
        for &(_, patch, index) in self.touched(number) {
            let Some(patch) = self.patches.get(patch) else { continue };
            let mut touched = TouchedTile::default();
            patch.grid.look(index, &mut touched);
            patches.push((patch, touched));
        }
        let Some((_, first)) = patches.first() else { return Err(too_large()) };
        let whole = patches.iter().any(|(_, touched)| touched.is_whole());
        let (row, row_bytes) = (first.row, self.row(number));
        let pixels = usize::try_from(first.pixels()).map_err(|_| too_large())?;
        // An axis of one pixel makes no rows.
        let row_len = first.lengths.iter().rev().copied().find(|&length| length > 1).unwrap_or(1) as usize;
        let (scale, zero, blank) = self.table.numbers(row_bytes);
        let entry = if number < self.old_tiles { Some(self.table.entry(row_bytes, source.len())?) } else { None };
        let mut kept = None;
        if let Some(entry) = &entry {
            let mut before = TouchedTile { row, lengths: first.lengths.clone(), hits: Vec::new() };
            if let Some(length) = before.lengths.first_mut() {
                *length = self.old_tile_length(row).min(*length);
            }
            self.limit.check(entry, &before)?;
            if !whole {
                let len = usize::try_from(entry.bytes.end - entry.bytes.start).map_err(|_| too_large())?;
                resize(scratch, len)?;
                source.read_at(entry.bytes.start, scratch)?;
                let pixels = before.pixels() as usize;
                kept = Some(PackedTile { entry, bytes: scratch, number: row + 1, pixels });
            }
        }
        let blank = blank.and_then(|blank| i32::try_from(blank).ok());
        let old = OldTile { number: row + 1, pixels, row_len, kept, scale, zero, blank };
        changer.change(&old, |tile, changed, scratch| {
            patches.iter().try_for_each(|(patch, touched)| patch.put(touched, tile, changed, scratch))
        })
    }

    /// How long a tile is now along the slowest axis.
    fn old_tile_length(&self, row: u64) -> u64 {
        let (Some(&tile), Some(&length)) = (self.tile_shape.first(), self.shape.first()) else { return 0 };
        let tile = tile.min(length).max(1);
        let in_layer = tile_count(tile, &self.shape, &self.tile_shape).max(1);
        self.old_length.saturating_sub(row / in_layer * tile).min(tile)
    }

    /// The column that is needed for tiles whose floats can't be quantized, where the table has none: its name, and whether its descriptors are to have 64
    /// bits.
    pub(crate) fn missing_column(&self, rows: &EditedRows) -> Option<(&'static str, bool)> {
        let tile = rows.0.iter().find(|tile| self.table.column(tile.storage).is_none())?;
        let name = match tile.storage {
            TileStorage::Packed => PACKED,
            TileStorage::Gzipped => GZIPPED,
            TileStorage::Plain => PLAIN,
        };
        Some((name, self.table.heap_columns().iter().any(|column| column.wide)))
    }

    /// What of the table changes; `arrays` are the bytes of all jobs.
    pub(crate) fn change_of<'p>(
        &self,
        old: &OldHdu<'_>,
        rows: &EditedRows,
        arrays: Content<'p>,
        source: &dyn ReadAt,
    ) -> Result<HeapChange<'p>> {
        // Of a table with damaged rows everything in the heap counts as used.
        let heap_len = || self.table.heap_len();
        let at = used_heap(old, &self.table.heap_columns(), source).unwrap_or_else(|_| heap_len());
        let mut cells = Cells::new(self.table.row_len);
        let mut new_rows = Vec::new();
        let mut header = old.header.clone();
        let mut offset = at;
        let mut longest = BTreeMap::new();
        for (number, tile) in rows.0.iter().enumerate() {
            let column = self.table.column(tile.storage).ok_or_else(no_column)?;
            let mut row = self.row(number).to_vec();
            self.table.describe(&mut row, column, tile.len, offset)?;
            offset += tile.len;
            if let Some((scale, zero)) = tile.scale {
                self.table.set_scale(&mut row, scale, zero);
            }
            let most = longest.entry(column.number).or_insert(0);
            *most = column.elements(tile.len).max(*most);
            if number < self.old_tiles {
                let table_row = self.touched(number).first().map_or(0, |touch| touch.0);
                cells.push(table_row * self.table.row_len as u64, &row);
            } else {
                new_rows.extend(row);
            }
        }
        for (number, most) in longest {
            note_longest(&mut header, number, most)?;
        }
        if rows.0.iter().any(|tile| tile.needs_blank) && !header.contains("ZBLANK") {
            header.set_structural("ZBLANK", i64::from(BLANK_VALUE), "integer of undefined pixels")?;
        }
        if self.shape.first() != Some(&self.old_length) {
            let length = self.shape.first().copied().unwrap_or(0);
            set_count(&mut header, &format!("ZNAXIS{}", self.shape.len()), length as i64)?;
        }
        let rows = (!new_rows.is_empty()).then_some(Content::Bytes(new_rows));
        Ok(HeapChange { header, cells, rows, at, arrays: vec![arrays] })
    }
}

/// Which patch touches which tile, by tile: the row of the tile, the number of the patch, the number among its tiles. And where each tile begins among
/// them.
fn touches(patches: &[Patch<'_>]) -> (Vec<(u64, usize, usize)>, Vec<usize>) {
    let mut touches = Vec::new();
    for (number, patch) in patches.iter().enumerate() {
        touches.extend((0..patch.grid.len()).map(|index| (patch.grid.row(index), number, index)));
    }
    touches.sort_unstable();
    let mut starts = Vec::new();
    let mut before = None;
    for (index, (row, ..)) in touches.iter().enumerate() {
        if before.replace(row) != Some(row) {
            starts.push(index);
        }
    }
    (touches, starts)
}

/// The columns of descriptors of a compressed image.
pub(crate) fn tile_columns(hdu: &HduEntry) -> Result<Vec<HeapColumn>> {
    Ok(TileTable::new(hdu, &TiledImage::new(hdu, true)?)?.heap_columns())
}

/// How values become pixels of a compressed image.
fn encoding(hdu: &HduEntry, pixels: &Pixels<'_>) -> Result<Encoding> {
    let stored = TiledImage::new(hdu, true)?.scaling().stored;
    let scaling = TiledImage::new(hdu, pixels.are_stored(stored))?.scaling();
    Ok(Encoding::new(pixels.data_type, scaling))
}

/// How many tiles an image has whose slowest axis is this long.
fn tile_count(length: u64, shape: &[u64], tile_shape: &[u64]) -> u64 {
    let lengths = std::iter::once(length).chain(shape.iter().skip(1).copied());
    let clamped = tile_shape.iter().zip(shape).map(|(&tile, &length)| tile.min(length).max(1));
    lengths.zip(clamped).fold(1u64, |count, (length, tile)| count.saturating_mul(length.div_ceil(tile)))
}

fn no_column() -> Error {
    Error::illegal("the table has no column for the tile")
}

/// Notes in TFORM how many elements the longest array of a column has, where it says that.
fn note_longest(header: &mut Header, column: i64, most: u64) -> Result<()> {
    let keyword = format!("TFORM{column}");
    let Some(form) = header.text(&keyword)? else { return Ok(()) };
    let Some((front, rest)) = form.split_once('(') else { return Ok(()) };
    let Some((number, behind)) = rest.split_once(')') else { return Ok(()) };
    if number.trim().parse::<u64>().is_ok_and(|number| number >= most) {
        return Ok(());
    }
    let comment = header.comment(&keyword).unwrap_or_default();
    header.set_structural(&keyword, format!("{front}({most}){behind}"), &comment)
}
