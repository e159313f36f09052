//! A new compressed table (FITS 4.0 §10.3): the rows of the uncompressed one are cut into tiles, and the columns of each are packed by themselves.
//!
//! What is compressed is the data unit that an uncompressed table would have, piece by piece: it never lies in memory as a whole.

use std::ops::Range;

use super::arrays::{PLACE_BYTES, PackedArray};
use super::choice::choose;
use super::packing::{Packer, Packing};
use crate::codec::gzip;
use crate::compression::{GZIP_LEVEL, HeapFormat, TableCompression};
use crate::edit::{LARGEST_P, NewHdu};
use crate::error::{Error, Result, ResultExt};
use crate::format::{HduLayout, Header};
use crate::source::{Content, resize};
use crate::table::{Cell, TableLayout, Variable};

/// How many bytes of rows a tile has, unless told otherwise.
const TILE_BYTES: usize = 1 << 20;
/// How many bytes a column of a tile has at least, as far as tiles stay below [`LARGEST_TILE`]: short streams pack badly.
const COLUMN_BYTES: usize = 32 << 10;
const LARGEST_TILE: usize = 10 << 20;

/// A compressed table that is to be written; everything that can be wrong with it is checked.
pub(crate) struct NewTiledTable<'a> {
    plain: NewHdu<'a>,
    header: Header,
    table: TableLayout,
    /// Where the heap of the uncompressed table starts in its data unit.
    heap_start: u64,
    tile_rows: u64,
    packers: Vec<Packer>,
    wide: bool,
}

/// The packed columns of a tile.
pub(crate) struct PackedRows {
    pub(super) columns: Vec<PackedColumn>,
}

/// A packed column of a tile.
pub(super) enum PackedColumn {
    Cells(Vec<u8>),
    /// Of variable length: the descriptors of the uncompressed table, where each packed array is, and the new ones of those one behind the other.
    Arrays {
        originals: Vec<u8>,
        places: Vec<Place>,
        arrays: Vec<u8>,
    },
}

/// Where a packed array is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Behind the last new one; of so many bytes.
    New(u64),
    /// Where it was before.
    Kept { len: u64, offset: u64 },
}

/// Where the arrays of variable-length columns come from.
pub(super) struct Arrays<'a> {
    /// Those that begin in front of this byte of the uncompressed heap are packed already.
    pub(super) base: u64,
    /// Where those are, for each column and each of the first rows.
    pub(super) kept: &'a [Vec<PackedArray>],
    /// Makes bytes of the uncompressed heap.
    pub(super) bytes: &'a HeapBytes<'a>,
}

/// Makes bytes of a heap, given where they are.
pub(super) type HeapBytes<'a> = dyn Fn(Range<u64>, &mut [u8]) -> Result<()> + 'a;

/// The table of tiles, as they come in.
#[derive(Debug, Default)]
pub(crate) struct TileTable {
    pub(super) rows: Vec<u8>,
    pub(super) heap_len: u64,
    /// The longest stream of each column.
    pub(super) longest: Vec<u64>,
}

impl<'a> NewTiledTable<'a> {
    /// Of the uncompressed table.
    pub(crate) fn new(plain: NewHdu<'a>, compression: &TableCompression) -> Result<Self> {
        let header = Header::parse(&plain.header);
        let layout = HduLayout::new(&header, 0)?;
        let table = TableLayout::of_header(&header, &layout)?;
        let packers = choose(&table, compression)?;
        let tile_rows = match compression.tile_rows {
            Some(rows) if i64::try_from(rows).is_err() => {
                return Err(Error::argument("ztilelen is larger than a file can be"));
            }
            Some(0) => return Err(Error::argument("ztilelen is 0: a tile has at least 1 row")),
            Some(rows) => rows,
            None => usual_tile_rows(&table),
        };
        let heap_start = table.rows.saturating_mul(table.row_len as u64);
        let wide = compression.heap_format != Some(HeapFormat::P);
        Ok(Self { plain, header, table, heap_start, tile_rows, packers, wide })
    }

    /// How many jobs pack the table: one for each tile.
    pub(crate) fn jobs(&self) -> usize {
        self.table.rows.div_ceil(self.tile_rows) as usize
    }

    /// Packs a tile.
    pub(crate) fn pack(&self, tile: usize) -> Result<PackedRows> {
        let first = tile as u64 * self.tile_rows;
        let last = first.saturating_add(self.tile_rows).min(self.table.rows);
        let row_len = self.table.row_len as u64;
        let len = usize::try_from((last - first).saturating_mul(row_len));
        let len = len.map_err(|_| Error::too_large("a tile is larger than memory: make ztilelen smaller"))?;
        let mut rows = Vec::new();
        resize(&mut rows, len)?;
        self.make(first * row_len..first * row_len + len as u64, &mut rows)?;
        let bytes = |span: Range<u64>, output: &mut [u8]| {
            self.make(self.heap_start.saturating_add(span.start)..self.heap_start.saturating_add(span.end), output)
        };
        let arrays = Arrays { base: 0, kept: &[], bytes: &bytes };
        let columns = pack_columns(&self.table, &self.packers, &rows, |_| true, &arrays)
            .in_item(|| format!("tile {}", tile + 1))?;
        Ok(PackedRows { columns })
    }

    /// Makes bytes of the uncompressed data unit.
    fn make(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        match &self.plain.data {
            None => output.fill(0),
            Some(Content::Made { producer, .. } | Content::Derived { producer, .. }) => producer(span, output)?,
            Some(Content::Bytes(bytes)) => {
                let piece = bytes.get(span.start as usize..span.end as usize);
                output.copy_from_slice(piece.ok_or_else(|| Error::argument("the table has fewer bytes than rows"))?);
            }
        }
        Ok(())
    }

    /// Adds the row of a tile, which come in their order; returns what goes into the heap.
    pub(crate) fn add(&self, packed: PackedRows, tiles: &mut TileTable) -> Result<Vec<u8>> {
        tiles.add(packed.columns, self.wide)
    }

    /// How many bytes the table of tiles takes in front of the heap.
    pub(crate) fn table_len(&self) -> u64 {
        (self.jobs() as u64).saturating_mul(self.row_len())
    }

    fn row_len(&self) -> u64 {
        self.table.columns.len() as u64 * descriptor_size(self.wide) as u64
    }

    /// The header, which is as long for any tiles.
    pub(crate) fn header(&self, tiles: &TileTable) -> Result<Vec<u8>> {
        let mut header = self.header.clone();
        for key in ["NAXIS1", "NAXIS2", "PCOUNT"] {
            let comment = header.comment(key)?;
            let number = header.integer(key)?.unwrap_or(0);
            header.set_structural(&format!("Z{key}"), number, &comment)?;
        }
        header.set_structural("NAXIS1", self.row_len(), "bytes in a row")?;
        header.set_structural("NAXIS2", self.jobs(), "rows: one for each tile")?;
        header.set_structural("PCOUNT", tiles.heap_len, "bytes of the compressed columns")?;
        header.set_structural("ZTABLE", true, "this table is a compressed table")?;
        header.set_structural("ZTILELEN", self.tile_rows, "rows of a tile")?;
        for (number, (column, packer)) in (1..).zip(self.table.columns.iter().zip(&self.packers)) {
            let keyword = format!("TFORM{number}");
            let form = header.text(&keyword)?.unwrap_or_default();
            let longest = tiles.longest.get(number - 1).copied().unwrap_or(0);
            header.set_structural(&keyword, stream_form(self.wide, longest), "")?;
            header.set_structural(&format!("ZFORM{number}"), form, "")?;
            if column.width > 0 {
                header.set_structural(
                    &format!("ZCTYP{number}"),
                    packer.packing.name(),
                    "how the column is compressed",
                )?;
            }
        }
        Ok(header.to_bytes())
    }
}

/// TFORM of a column of packed bytes.
pub(super) fn stream_form(wide: bool, longest: u64) -> String {
    format!("1{}B({longest})", if wide { 'Q' } else { 'P' })
}

pub(super) fn descriptor_size(wide: bool) -> usize {
    if wide { 16 } else { 8 }
}

fn usual_tile_rows(table: &TableLayout) -> u64 {
    let bytes = TILE_BYTES.max(COLUMN_BYTES.saturating_mul(table.columns.len())).min(LARGEST_TILE);
    (bytes / table.row_len.max(1)).max(1) as u64
}

/// Packs the columns of a tile, each by itself; `wanted` says by number which.
pub(super) fn pack_columns(
    table: &TableLayout,
    packers: &[Packer],
    rows: &[u8],
    wanted: impl Fn(usize) -> bool,
    arrays: &Arrays<'_>,
) -> Result<Vec<PackedColumn>> {
    let mut cells = Vec::new();
    let packed = table.columns.iter().zip(packers).enumerate().map(|(number, (column, packer))| {
        cells.clear();
        if column.width > 0 && wanted(number) {
            let row_cells = rows.chunks_exact(table.row_len.max(1));
            row_cells.for_each(|row| {
                cells.extend_from_slice(row.get(column.offset..column.offset + column.width).unwrap_or_default());
            });
        }
        let packed = match column.variable.as_ref().filter(|_| column.cell == Cell::Variable && !cells.is_empty()) {
            Some(variable) => {
                let kept = arrays.kept.get(number).map(Vec::as_slice).unwrap_or_default();
                pack_arrays(variable, *packer, &cells, kept, arrays)
            }
            None if cells.is_empty() => Ok(PackedColumn::Cells(Vec::new())),
            None => {
                let mut packed = Vec::new();
                packer.pack(&cells, &mut packed).map(|()| PackedColumn::Cells(packed))
            }
        };
        packed.in_item(|| format!("column '{}'", column.name))
    });
    packed.collect()
}

/// Packs the arrays that descriptors name, each by itself.
fn pack_arrays(
    variable: &Variable,
    packer: Packer,
    descriptors: &[u8],
    kept: &[PackedArray],
    arrays: &Arrays<'_>,
) -> Result<PackedColumn> {
    let mut places = Vec::new();
    let mut all = Vec::new();
    let mut array = Vec::new();
    for (row, descriptor) in descriptors.chunks_exact(descriptor_size(variable.wide)).enumerate() {
        let (length, offset) = descriptor.split_at(descriptor.len() / 2);
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        let len =
            variable.stored_len(number(length)).ok_or_else(|| Error::too_large("an array is larger than memory"))?;
        let start = number(offset);
        if len == 0 {
            places.push(Place::New(0));
            continue;
        }
        if let Some(place) = kept.get(row).filter(|_| start < arrays.base) {
            places.push(Place::Kept { len: place.len, offset: place.offset });
            continue;
        }
        resize(&mut array, usize::try_from(len).map_err(|_| Error::too_large("an array is larger than memory"))?)?;
        (arrays.bytes)(start..start.saturating_add(len), &mut array)?;
        let before = all.len();
        pack_array(packer, &array, &mut all)?;
        places.push(Place::New((all.len() - before) as u64));
    }
    Ok(PackedColumn::Arrays { originals: descriptors.to_vec(), places, arrays: all })
}

/// Packs an array; one that would not become smaller goes as it is.
fn pack_array(packer: Packer, array: &[u8], output: &mut Vec<u8>) -> Result<()> {
    let start = output.len();
    packer.pack(array, output)?;
    if output.len() - start >= array.len() {
        output.truncate(start);
        output.extend_from_slice(array);
    }
    Ok(())
}

impl TileTable {
    /// Adds the row of a tile; returns what goes into the heap.
    pub(super) fn add(&mut self, columns: Vec<PackedColumn>, wide: bool) -> Result<Vec<u8>> {
        self.longest.resize(columns.len().max(self.longest.len()), 0);
        let mut heap = Vec::new();
        for (column, longest) in columns.into_iter().zip(&mut self.longest) {
            let stream = match column {
                PackedColumn::Cells(stream) => stream,
                PackedColumn::Arrays { originals, places, arrays } => {
                    // The order in which fpack has them.
                    let mut at = self.heap_len + heap.len() as u64;
                    let places = places.into_iter().map(|place| match place {
                        Place::Kept { len, offset } => (len, offset),
                        Place::New(len) => {
                            at += len;
                            (len, at - len)
                        }
                    });
                    heap.extend(arrays);
                    packed_places(originals, places)?
                }
            };
            let (len, offset) = (stream.len() as u64, self.heap_len + heap.len() as u64);
            *longest = (*longest).max(len);
            put_descriptor(&mut self.rows, wide, len, offset)?;
            heap.extend(stream);
        }
        self.heap_len += heap.len() as u64;
        Ok(heap)
    }

    /// The rows, and how many bytes the heap has.
    pub(crate) fn into_parts(self) -> (Vec<u8>, u64) {
        (self.rows, self.heap_len)
    }
}

/// Puts a descriptor of packed bytes behind those that a row has.
pub(super) fn put_descriptor(rows: &mut Vec<u8>, wide: bool, len: u64, offset: u64) -> Result<()> {
    if !wide && offset + len > LARGEST_P {
        return Err(Error::too_large(
            "the compressed columns take more than descriptors of 32 bits can say: use heap_format Q",
        ));
    }
    for number in [len, offset] {
        let bytes = number.to_be_bytes();
        rows.extend_from_slice(if wide { &bytes } else { bytes.get(4..).unwrap_or_default() });
    }
    Ok(())
}

/// The packed descriptors of a column of variable length: those of the uncompressed table, and the length and place of each packed array.
pub(super) fn packed_places(mut originals: Vec<u8>, places: impl Iterator<Item = (u64, u64)>) -> Result<Vec<u8>> {
    originals.reserve(places.size_hint().0 * PLACE_BYTES);
    places.for_each(|(len, offset)| originals.extend([len, offset].map(u64::to_be_bytes).as_flattened()));
    let mut stream = Vec::new();
    gzip::encode(&originals, GZIP_LEVEL, &mut stream)?;
    Ok(stream)
}

/// What packs the columns of a table that is there: each as it says; `None` where nothing is packed.
pub(super) fn packers(packings: impl Iterator<Item = Result<Option<Packing>>>) -> Result<Vec<Packer>> {
    packings.map(|packing| Ok(Packer { packing: packing?.unwrap_or(Packing::Plain), level: GZIP_LEVEL })).collect()
}
