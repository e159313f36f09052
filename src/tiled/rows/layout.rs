//! What the header of a compressed table says of its tiles, and where the packed columns of each are (FITS 4.0 §10.3.1, §10.3.2).

use std::ops::Range;

use super::super::columns::DataColumn;
use super::packing::{Packing, standard_name};
use crate::codec::gzip;
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::format::{HduKind, Header};
use crate::source::{GAP_BYTES, ReadAt, past_the_end, reserve, resize};
use crate::table::{Cell, TableLayout, fields, heap};

/// How much of the table of tiles is read at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// A compressed table, as its header describes it.
#[derive(Debug)]
pub(crate) struct TiledTable {
    /// ZTILELEN: how many rows a tile has; the last one can have fewer.
    pub(crate) tile_rows: u64,
    /// How many rows there are.
    pub(super) rows: u64,
    /// By number.
    pub(super) columns: Vec<TileColumn>,
    /// The table of tiles: where it starts, its rows, and how long each is.
    start: u64,
    stored_rows: u64,
    row_len: usize,
    pub(super) heap: Range<u64>,
}

/// A column of the table.
#[derive(Debug)]
pub(super) struct TileColumn {
    pub(super) name: String,
    /// How many bytes a row has of it, uncompressed.
    pub(super) width: usize,
    /// For columns of variable length: how many bytes a descriptor has.
    pub(super) descriptor: Option<usize>,
    /// ZCTYP; an error where there is none that can be used.
    pub(super) packing: Result<Packing>,
    /// Where its descriptor is in a row of the table of tiles; `None` where there is none.
    place: Option<DataColumn>,
}

impl TileColumn {
    /// How many bytes so many rows of a tile unpack to: cells, or of a variable-length column two descriptors a row (§10.3.6).
    pub(super) fn unpacked_len(&self, rows: u64) -> Option<u64> {
        let width = match self.descriptor {
            Some(size) => size + super::arrays::PLACE_BYTES,
            None => self.width,
        };
        rows.checked_mul(width as u64)
    }

    /// How its bytes in a tile are packed: descriptors always in the same way.
    pub(super) fn stream_packing(&self) -> Result<Packing> {
        match self.descriptor {
            Some(_) => Ok(Packing::Gzip),
            None => self.packing.clone(),
        }
    }
}

impl TiledTable {
    /// Of a compressed table HDU.
    pub(crate) fn new(hdu: &HduEntry) -> Result<Self> {
        if hdu.layout.kind != HduKind::CompressedTable {
            return Err(hdu.expected("a compressed table"));
        }
        let (header, layout) = (&*hdu.header, &hdu.layout);
        let [row_len, stored_rows] = layout.axes.as_slice() else {
            return Err(Error::illegal(format!("a table has two axes, NAXIS is {}", layout.axes.len())));
        };
        let row_len = usize::try_from(*row_len).map_err(|_| Error::too_large("a row is larger than memory"))?;
        let table = TableLayout::of(hdu)?;
        Ok(Self {
            tile_rows: tile_rows(header)?,
            rows: table.rows,
            columns: columns(header, table, row_len)?,
            start: layout.data_start,
            stored_rows: *stored_rows,
            row_len,
            heap: heap(hdu)?,
        })
    }

    /// Whether a column has bytes in a row.
    pub(super) fn has_bytes(&self, number: usize) -> bool {
        self.columns.get(number).is_some_and(|column| column.width > 0)
    }

    /// How many rows the table of tiles has: at least one for each tile.
    pub(super) fn stored_rows(&self) -> u64 {
        self.stored_rows
    }

    /// How many tiles there are.
    pub(crate) fn tiles(&self) -> u64 {
        self.rows.div_ceil(self.tile_rows)
    }

    /// The standard's name for how each column is compressed, with the column's; those of no width are not.
    pub(crate) fn compression(hdu: &HduEntry) -> Result<Vec<(String, &'static str)>> {
        let table = Self::new(hdu)?;
        let mut names = Vec::new();
        for (number, column) in (1..).zip(table.columns) {
            if column.width > 0 {
                column.packing.in_item(|| format!("column '{}'", column.name))?;
                let name = hdu.header.string(&format!("ZCTYP{number}")).unwrap_or_default();
                names.extend(standard_name(&name).map(|name| (column.name, name)));
            }
        }
        Ok(names)
    }

    /// The rows of a tile.
    pub(super) fn rows_of(&self, tile: u64) -> Range<u64> {
        let start = tile.saturating_mul(self.tile_rows).min(self.rows);
        start..start.saturating_add(self.tile_rows).min(self.rows)
    }

    /// An error unless the table of tiles has a row for each tile, and the file those up to the tile of this row: so their number is bounded by its length, and
    /// so is all that is made for them.
    pub(super) fn check_tiles(&self, last_row: u64, file_len: u64) -> Result<()> {
        if self.tiles() > self.stored_rows {
            return Err(Error::illegal(format!(
                "the {} rows are in {} tiles of {} (ZTILELEN), but there are only {} (NAXIS2)",
                self.rows,
                self.tiles(),
                self.tile_rows,
                self.stored_rows
            )));
        }
        let start = self.start.saturating_add((last_row / self.tile_rows).saturating_mul(self.row_len as u64));
        if start.saturating_add(self.row_len as u64) > file_len || self.row_len == 0 {
            return Err(past_the_end(start, self.row_len, file_len));
        }
        Ok(())
    }

    /// Where in the file the packed columns of tiles are: those with these numbers, for each tile in turn. Each is checked against the heap, the file, and
    /// what it has to unpack to, before anything is allocated for that.
    pub(super) fn streams(
        &self,
        tiles: &[u64],
        columns: &[usize],
        source: &dyn ReadAt,
    ) -> Result<Vec<Vec<Range<u64>>>> {
        if columns.is_empty() || tiles.is_empty() {
            return Ok(Vec::new());
        }
        let runs = self.runs(tiles, source.len())?;
        let ranges: Vec<Range<u64>> = runs.iter().map(|(_, range)| range.clone()).collect();
        source.require(&ranges)?;
        let mut streams = Vec::new();
        reserve(&mut streams, tiles.len())?;
        let mut scratch = Vec::new();
        let mut total = 0u64;
        for (numbers, range) in runs {
            resize(&mut scratch, (range.end - range.start) as usize)?;
            source.read_at(range.start, &mut scratch)?;
            let tiles = tiles.get(numbers).unwrap_or_default();
            let first = tiles.first().copied().unwrap_or(0);
            for &tile in tiles {
                let at = (tile - first) as usize * self.row_len;
                let row = scratch.get(at..at + self.row_len).unwrap_or_default();
                let (ranges, unpacked) = self.streams_of(tile, row, columns, source.len())?;
                total = total.saturating_add(unpacked);
                streams.push(ranges);
            }
        }
        // Tiles may share bytes, but not so that they make more of the file than its length allows.
        if total > source.len().saturating_mul(gzip::EXPANSION) {
            return Err(Error::corrupt(format!(
                "the tiles decode to {total} bytes, which a file of {} bytes can't hold",
                source.len()
            )));
        }
        Ok(streams)
    }

    /// The streams of one tile, and how many bytes they unpack to.
    fn streams_of(&self, tile: u64, row: &[u8], columns: &[usize], file_len: u64) -> Result<(Vec<Range<u64>>, u64)> {
        let rows = self.rows_of(tile);
        let mut total = 0u64;
        let mut ranges = Vec::with_capacity(columns.len());
        for column in columns.iter().filter_map(|&number| self.columns.get(number)) {
            let found = self.stream(column, rows.end - rows.start, row, file_len);
            let (range, unpacked) = found.in_item(|| format!("column '{}', tile {}", column.name, tile + 1))?;
            total = total.saturating_add(unpacked);
            ranges.push(range);
        }
        Ok((ranges, total))
    }

    fn stream(&self, column: &TileColumn, rows: u64, row: &[u8], file_len: u64) -> Result<(Range<u64>, u64)> {
        let packing = column.stream_packing()?;
        let (len, offset) = column
            .place
            .as_ref()
            .and_then(|place| place.descriptor(row))
            .ok_or_else(|| Error::illegal("TFORM names no packed bytes, as 1QB does"))?;
        let range = self.in_heap(len, offset, file_len)?;
        let unpacked = column.unpacked_len(rows);
        match unpacked.filter(|&unpacked| unpacked <= len.saturating_mul(packing.expansion())) {
            Some(unpacked) => Ok((range, unpacked)),
            None => {
                Err(Error::corrupt(format!("the {rows} rows of the tile have only {len} bytes, which can't hold them")))
            }
        }
    }

    /// Where in the file a piece of the heap is.
    pub(super) fn in_heap(&self, len: u64, offset: u64, file_len: u64) -> Result<Range<u64>> {
        let start = self.heap.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(len));
        let (Some(start), Some(end)) = (start, end.filter(|&end| end <= self.heap.end)) else {
            return Err(Error::illegal(format!(
                "the descriptor ({len}, {offset}) goes past the end of the heap, which has {} bytes",
                self.heap.end - self.heap.start
            )));
        };
        if end > file_len {
            return Err(past_the_end(start, usize::try_from(len).unwrap_or(usize::MAX), file_len));
        }
        Ok(start..end)
    }

    /// Whether the descriptors of packed columns have 64 bits.
    ///
    /// # Errors
    ///
    /// The table of tiles is not made of descriptors of one kind alone, so that it can't be changed.
    pub(super) fn descriptors(&self) -> Result<bool> {
        let wide = self.columns.iter().all(|column| column.place.is_some_and(|place| place.is_wide()));
        let narrow = self.columns.iter().all(|column| column.place.is_some_and(|place| !place.is_wide()));
        let size = if wide { 16 } else { 8 };
        if (wide || narrow) && self.row_len == self.columns.len() * size {
            return Ok(wide);
        }
        Err(Error::unsupported("the table of tiles has other columns than those of packed bytes: it can't be changed"))
    }

    /// Where in the file the row of a tile is.
    pub(super) fn row_start(&self, tile: u64) -> u64 {
        self.start.saturating_add(tile.saturating_mul(self.row_len as u64))
    }

    /// How many bytes of arrays the heap plausibly holds, where each of its bytes makes at most so many.
    pub(super) fn heap_room(&self, expansion: u64) -> u64 {
        (self.heap.end - self.heap.start).saturating_mul(expansion)
    }

    /// The rows of the table of tiles that are read in one go: the numbers in `tiles`, and the byte range.
    fn runs(&self, tiles: &[u64], file_len: u64) -> Result<Vec<(Range<usize>, Range<u64>)>> {
        let row_len = self.row_len as u64;
        let mut runs: Vec<(Range<usize>, Range<u64>)> = Vec::new();
        for (number, &tile) in tiles.iter().enumerate() {
            let start = self.start.saturating_add(tile.saturating_mul(row_len));
            let end = start.saturating_add(row_len);
            if end > file_len {
                return Err(past_the_end(start, self.row_len, file_len));
            }
            match runs.last_mut() {
                Some((numbers, range))
                    if start >= range.end && start - range.end <= GAP_BYTES && end - range.start <= CHUNK_BYTES =>
                {
                    numbers.end = number + 1;
                    range.end = end;
                }
                _ => runs.push((number..number + 1, start..end)),
            }
        }
        Ok(runs)
    }
}

/// ZTILELEN.
fn tile_rows(header: &Header) -> Result<u64> {
    let refused = |message: String| Error::illegal(message).in_item(|| "keyword ZTILELEN".to_owned());
    let number = header.integer("ZTILELEN")?;
    let number = number.ok_or_else(|| refused("is mandatory and missing: the tiles have no length".to_owned()))?;
    u64::try_from(number)
        .ok()
        .filter(|&rows| rows > 0)
        .ok_or_else(|| refused(format!("is {number}; a tile has at least 1 row")))
}

fn columns(header: &Header, table: &TableLayout, row_len: usize) -> Result<Vec<TileColumn>> {
    let stored = fields(header, row_len)?;
    let columns = table.columns.iter().zip(stored).map(|(column, field)| {
        let cell = column.variable.as_ref().map_or(column.cell, |variable| variable.cell);
        let wide = column.variable.as_ref().filter(|_| column.cell == Cell::Variable).map(|variable| variable.wide);
        TileColumn {
            name: column.name.clone(),
            width: column.width,
            descriptor: wide.map(|wide| if wide { 16 } else { 8 }),
            packing: packing(header, field.number, cell, wide.is_some())
                .in_item(|| format!("column '{}', keyword ZCTYP{}", column.name, field.number)),
            place: DataColumn::new(&field.form, field.offset, field.number),
        }
    });
    Ok(columns.collect())
}

fn packing(header: &Header, number: i64, cell: Cell, in_heap: bool) -> Result<Packing> {
    let name = header.text(&format!("ZCTYP{number}"))?;
    let missing = || Error::illegal("is missing, so that the column can't be read");
    name.ok_or_else(missing).and_then(|name| Packing::new(&name, cell, in_heap))
}
