//! The table that the tiles are stored in: its columns, and where the bytes of each tile are (FITS 4.0 §7.3.5, §10.1.3).

use std::ops::Range;

use super::columns::{DataColumn, NumberColumn};
use super::grid::{Grid, TouchedTile};
use super::image_header::TiledImage;
use super::limit::SizeLimit;
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::format::Header;
use crate::source::{ReadAt, past_the_end, reserve, resize};
use crate::table::{RowField, fields, heap};

/// How much of the table is read at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// How the pixels of one tile are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TileStorage {
    /// In COMPRESSED_DATA, as ZCMPTYPE says.
    Packed,
    /// In GZIP_COMPRESSED_DATA: the gzipped big-endian pixels of the image itself.
    Gzipped,
    /// In UNCOMPRESSED_DATA: the big-endian pixels of the image itself.
    Plain,
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(super) struct TileEntry {
    /// Where in the file the tile is.
    pub(super) bytes: Range<u64>,
    pub(super) storage: TileStorage,
    /// ZSCALE, ZZERO and ZBLANK of the tile.
    pub(super) scale: f64,
    pub(super) zero: f64,
    pub(super) blank: Option<i64>,
}

/// The layout of the table.
#[derive(Debug)]
pub(super) struct TileTable {
    row_len: usize,
    rows: u64,
    start: u64,
    heap: Range<u64>,
    packed: Option<DataColumn>,
    gzipped: Option<DataColumn>,
    plain: Option<DataColumn>,
    scale: Option<NumberColumn>,
    zero: Option<NumberColumn>,
    blank: Option<NumberColumn>,
    /// ZSCALE and ZZERO where they are keywords.
    common_scale: Option<f64>,
    common_zero: Option<f64>,
    common_blank: Option<i64>,
}

impl TileTable {
    pub(super) fn new(hdu: &HduEntry, image: &TiledImage) -> Result<Self> {
        let header = &*hdu.header;
        let layout = &hdu.layout;
        let [row_len, rows] = layout.axes.as_slice() else {
            return Err(Error::illegal(format!("a table has two axes, NAXIS is {}", layout.axes.len())));
        };
        let mut table = Self {
            row_len: usize::try_from(*row_len).map_err(|_| Error::too_large("a row is larger than memory"))?,
            rows: *rows,
            start: layout.data_start,
            heap: heap(hdu)?,
            packed: None,
            gzipped: None,
            plain: None,
            scale: None,
            zero: None,
            blank: None,
            common_scale: header.real("ZSCALE")?,
            common_zero: header.real("ZZERO")?,
            common_blank: image.scaling.blank.or(header.integer("ZBLANK").ok().flatten()),
        };
        table.read_columns(header)?;
        Ok(table)
    }

    fn read_columns(&mut self, header: &Header) -> Result<()> {
        for RowField { form, offset, name, .. } in fields(header, self.row_len)? {
            // A column whose name can't be read is none of these.
            let name = name.ok().flatten().unwrap_or_default().trim().to_ascii_uppercase();
            match name.as_str() {
                "COMPRESSED_DATA" => set_first(&mut self.packed, DataColumn::new(&form, offset)),
                "GZIP_COMPRESSED_DATA" => set_first(&mut self.gzipped, DataColumn::new(&form, offset)),
                "UNCOMPRESSED_DATA" => set_first(&mut self.plain, DataColumn::new(&form, offset)),
                "ZSCALE" => set_first(&mut self.scale, NumberColumn::new(&form, offset)),
                "ZZERO" => set_first(&mut self.zero, NumberColumn::new(&form, offset)),
                "ZBLANK" => set_first(&mut self.blank, NumberColumn::new(&form, offset)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the tiles have a scale and a zero point.
    pub(super) fn has_scales(&self) -> bool {
        (self.scale.is_some() || self.common_scale.is_some()) && (self.zero.is_some() || self.common_zero.is_some())
    }

    /// Reads the rows of the touched tiles, and checks them against the heap, the file and what the tiles take decoded.
    pub(super) fn read(&self, grid: &Grid, limit: &SizeLimit, source: &dyn ReadAt) -> Result<Vec<TileEntry>> {
        if grid.tiles > self.rows {
            return Err(Error::illegal(format!(
                "the image has {} tiles, but the table only {} rows (NAXIS2)",
                grid.tiles, self.rows
            )));
        }
        let runs = self.runs(grid, source.len())?;
        source.require(&runs)?;
        let mut tiles = Vec::new();
        reserve(&mut tiles, grid.len())?;
        let mut touched = TouchedTile::default();
        let mut decoded_len = 0u64;
        let mut scratch = Vec::new();
        let row_len = self.row_len as u64;
        let chunk = (CHUNK_BYTES / row_len.max(1)).max(1).saturating_mul(row_len);
        for run in runs {
            let mut at = run.start;
            while at < run.end {
                resize(&mut scratch, chunk.min(run.end - at) as usize)?;
                source.read_at(at, &mut scratch)?;
                for row in scratch.chunks_exact(self.row_len.max(1)) {
                    grid.look(tiles.len(), &mut touched);
                    let tile = self.entry(row, source.len()).and_then(|tile| {
                        decoded_len = decoded_len.saturating_add(limit.check(&tile, &touched)?);
                        Ok(tile)
                    });
                    tiles.push(tile.in_item(|| format!("tile {}", touched.row + 1))?);
                }
                at += scratch.len() as u64;
            }
        }
        limit.check_total(decoded_len, source.len())?;
        Ok(tiles)
    }

    /// The byte ranges of the rows of the touched tiles.
    fn runs(&self, grid: &Grid, file_len: u64) -> Result<Vec<Range<u64>>> {
        // The rows are in the file: so their number is bounded by its length, and so is all that is made for them.
        let last = grid.len().checked_sub(1).map_or(0, |last| grid.row(last));
        let row_len = self.row_len as u64;
        let offset_of = |row: u64| self.start.saturating_add(row.saturating_mul(row_len));
        if grid.len() > 0 && (offset_of(last).saturating_add(row_len) > file_len || row_len == 0) {
            return Err(past_the_end(offset_of(last), self.row_len, file_len));
        }
        let mut runs: Vec<Range<u64>> = Vec::new();
        for index in 0..grid.len() {
            let start = offset_of(grid.row(index));
            match runs.last_mut() {
                Some(run) if run.end == start => run.end += row_len,
                _ => runs.push(start..start + row_len),
            }
        }
        Ok(runs)
    }

    fn entry(&self, row: &[u8], file_len: u64) -> Result<TileEntry> {
        let columns = [
            (&self.packed, TileStorage::Packed),
            (&self.plain, TileStorage::Plain),
            (&self.gzipped, TileStorage::Gzipped),
        ];
        let mut found = columns.into_iter().filter_map(|(column, storage)| {
            let (len, offset) = column.as_ref()?.descriptor(row)?;
            (len > 0).then_some((len, offset, storage))
        });
        let Some((len, offset, storage)) = found.next() else {
            return Err(Error::corrupt("the table has no data for the tile: every descriptor is empty"));
        };
        let start = self.heap.start.checked_add(offset);
        let bytes = start.and_then(|start| Some(start..start.checked_add(len)?));
        let Some(bytes) = bytes.filter(|bytes| bytes.end <= self.heap.end) else {
            return Err(Error::corrupt(format!(
                "the descriptor names {len} bytes from {offset} on, but the heap has only {}",
                self.heap.end - self.heap.start
            )));
        };
        if bytes.end > file_len {
            return Err(past_the_end(bytes.start, len as usize, file_len));
        }
        Ok(TileEntry {
            bytes,
            storage,
            scale: self.scale.map(|column| column.real(row)).or(self.common_scale).unwrap_or(1.0),
            zero: self.zero.map(|column| column.real(row)).or(self.common_zero).unwrap_or(0.0),
            blank: self.blank.and_then(|column| column.integer(row)).or(self.common_blank),
        })
    }
}

/// Of two columns with one name, the first is taken.
fn set_first<T>(place: &mut Option<T>, column: Option<T>) {
    if place.is_none() {
        *place = column;
    }
}
