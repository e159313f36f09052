//! The table that the tiles are stored in: its columns, and where the bytes of each tile are (FITS 4.0 §7.3.5, §10.1.3).

use std::ops::Range;

use super::columns::{DataColumn, NumberColumn};
use super::grid::{Grid, TouchedTile};
use super::image_header::TiledImage;
use super::limit::SizeLimit;
use crate::directory::HduEntry;
use crate::edit::HeapColumn;
use crate::error::{Error, Result, ResultExt};
use crate::format::Header;
use crate::source::{ReadAt, past_the_end, reserve, resize, take};
use crate::table::{RowField, fields, heap};

/// How much of the table is read at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// The columns that tiles lie in (§10.1.3).
pub(super) const PACKED: &str = "COMPRESSED_DATA";
pub(super) const GZIPPED: &str = "GZIP_COMPRESSED_DATA";
pub(super) const PLAIN: &str = "UNCOMPRESSED_DATA";

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
    pub(super) row_len: usize,
    pub(super) rows: u64,
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
        for RowField { number, form, offset, name, .. } in fields(header, self.row_len)? {
            // A column whose name can't be read is none of these.
            let name = name.ok().flatten().unwrap_or_default().trim().to_ascii_uppercase();
            match name.as_str() {
                PACKED => set_first(&mut self.packed, DataColumn::new(&form, offset, number)),
                GZIPPED => set_first(&mut self.gzipped, DataColumn::new(&form, offset, number)),
                PLAIN => set_first(&mut self.plain, DataColumn::new(&form, offset, number)),
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
        let index =
            self.start..self.start.saturating_add(self.rows.saturating_mul(self.row_len as u64)).min(source.len());
        source.require(&source.around(&runs, &index))?;
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

    /// An error unless so many tiles have rows in the file.
    pub(super) fn check_tiles(&self, tiles: u64, file_len: u64) -> Result<()> {
        if tiles > self.rows || (tiles > 0 && self.row_len == 0) {
            return Err(Error::illegal(format!(
                "the image has {tiles} tiles, but the table only {} rows (NAXIS2)",
                self.rows
            )));
        }
        let len = tiles.saturating_mul(self.row_len as u64);
        if self.start.saturating_add(len) > file_len {
            return Err(past_the_end(self.start, usize::try_from(len).unwrap_or(usize::MAX), file_len));
        }
        Ok(())
    }

    /// Reads rows of the table, in ascending order and each once; they come behind each other.
    pub(super) fn raw_rows(&self, rows: &[u64], source: &dyn ReadAt) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let offset_of = |row: u64| self.start.saturating_add(row.saturating_mul(self.row_len as u64));
        // The rows are in the file: so their number is bounded by its length.
        if let Some(&last) = rows.last()
            && (last >= self.rows || offset_of(last).saturating_add(self.row_len as u64) > source.len())
        {
            return Err(past_the_end(offset_of(last), self.row_len, source.len()));
        }
        resize(&mut bytes, rows.len().saturating_mul(self.row_len))?;
        let mut rest = bytes.as_mut_slice();
        for run in rows.chunk_by(|row, next| row + 1 == *next) {
            let place = take(&mut rest, run.len() * self.row_len)?;
            source.read_at(run.first().map_or(0, |&row| offset_of(row)), place)?;
        }
        Ok(bytes)
    }

    /// How many bytes the heap has.
    pub(super) fn heap_len(&self) -> u64 {
        self.heap.end - self.heap.start
    }

    /// The columns of descriptors.
    pub(super) fn heap_columns(&self) -> Vec<HeapColumn> {
        [self.packed, self.gzipped, self.plain].into_iter().flatten().map(DataColumn::in_heap).collect()
    }

    /// The column in which tiles of this kind lie, if there is one.
    pub(super) fn column(&self, storage: TileStorage) -> Option<DataColumn> {
        match storage {
            TileStorage::Packed => self.packed,
            TileStorage::Gzipped => self.gzipped,
            TileStorage::Plain => self.plain,
        }
    }

    /// Makes a row name a tile of `len` bytes at `offset` of the heap, in this column and in no other.
    pub(super) fn describe(&self, row: &mut [u8], column: DataColumn, len: u64, offset: u64) -> Result<()> {
        for other in [self.packed, self.gzipped, self.plain].into_iter().flatten() {
            other.describe(row, 0, 0)?;
        }
        column.describe(row, len, offset)
    }

    /// Gives the tile of a row a scale and a zero.
    pub(super) fn set_scale(&self, row: &mut [u8], scale: f64, zero: f64) {
        for (column, number) in [(self.scale, scale), (self.zero, zero)] {
            if let Some(column) = column {
                column.set_double(row, number);
            }
        }
    }

    /// Whether every tile has a scale and a zero of its own.
    pub(super) fn has_own_scales(&self) -> bool {
        [self.scale, self.zero].into_iter().all(|column| column.is_some_and(NumberColumn::is_double))
    }

    /// Scale, zero and blank of a tile, whether it has bytes or not.
    pub(super) fn numbers(&self, row: &[u8]) -> (f64, f64, Option<i64>) {
        (
            self.scale.map(|column| column.real(row)).or(self.common_scale).unwrap_or(1.0),
            self.zero.map(|column| column.real(row)).or(self.common_zero).unwrap_or(0.0),
            self.blank.and_then(|column| column.integer(row)).or(self.common_blank),
        )
    }

    pub(super) fn entry(&self, row: &[u8], file_len: u64) -> Result<TileEntry> {
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
        let (scale, zero, blank) = self.numbers(row);
        Ok(TileEntry { bytes, storage, scale, zero, blank })
    }
}

/// Of two columns with one name, the first is taken.
fn set_first<T>(place: &mut Option<T>, column: Option<T>) {
    if place.is_none() {
        *place = column;
    }
}
