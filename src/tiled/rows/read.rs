//! Reading a compressed table: the tiles of the wanted rows, and of each the wanted columns (FITS 4.0 §10.3).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::super::cache::DecodedTile;
use super::super::tile_reader::TileReader;
use super::arrays::{PLACE_BYTES, PackedArray, PackedArraysPlan, joined, packed_arrays};
use super::kept::KeptColumns;
use super::layout::TiledTable;
use super::packing::{Packing, Unpacker};
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::image::Axis;
use crate::source::{BufferSize, ReadAt, ReadPlan, does_not_fit, reserve};
use crate::table::{ArrayForm, ArraysPlan, Cell, Column, RowPlan, TableLayout, TablePlan, TableRequest, selected};

/// Plans a read of the HDU: finds the packed columns of the tiles that are touched, and checks that they are in the file.
pub(crate) fn locate(hdu: &HduEntry, request: &TableRequest, source: &dyn ReadAt) -> Result<TablePlan> {
    let table = TiledTable::new(hdu)?;
    let layout = TableLayout::of(hdu)?;
    let columns = selected(layout, request)?;
    let is_variable = |column: &&Column| column.cell == Cell::Variable;
    let fixed: Vec<Column> = columns.iter().filter(|column| !is_variable(column)).cloned().collect();
    let variable: Vec<&Column> = columns.iter().filter(is_variable).collect();
    let numbers: Vec<Option<usize>> = fixed.iter().map(|column| number_of(layout, column)).collect();
    let rows = RowPlan::of_cells(layout, fixed, request, source.len())?;
    let stored: Vec<usize> = numbers.iter().flatten().copied().collect();
    let touched = match rows.rows.bounds() {
        Some((_, last)) if columns.iter().any(|column| column.width > 0) => {
            table.check_tiles(last, source.len())?;
            touched(&rows.rows, &table)
        }
        // Nothing of any tile.
        _ => Touched { parts: Vec::new(), scattered: false },
    };
    let arrays_in: Vec<usize> = variable.iter().filter_map(|column| number_of(layout, column)).collect();
    let kept = KeptColumns::of_read(&hdu.tiles, &table, &touched, &[stored.as_slice(), &arrays_in].concat());
    let arrays = arrays(&table, layout, &variable, (&rows, &touched, &kept), request.mask, source)?;
    let shape = (rows.form, rows.row_count(), rows.record_size());
    let streams = table.streams(&touched.tiles(), &stored, source)?;
    let mut packings = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let column = number.and_then(|number| table.columns.get(number));
        packings.push(column.map(|column| column.packing.clone()).transpose()?);
    }
    let parts = touched.parts.into_iter().zip(streams).map(|((tile, results), streams)| {
        let rows = table.rows_of(tile);
        let held = held(&kept, tile, &stored, results.are_all(&rows));
        TilePart { tile, rows, results, streams, held }
    });
    let plan = TileRowsPlan { parts: parts.collect(), scattered: touched.scattered, packings, rows, stored, kept };
    // Arrays are as long as they are unpacked.
    Ok(TablePlan::new(columns, shape, Box::new(plan), arrays, u64::MAX))
}

/// Those of the columns of a tile that are kept; none of a tile that is read whole.
fn held(kept: &KeptColumns, tile: u64, columns: &[usize], whole: bool) -> Vec<Option<Arc<DecodedTile>>> {
    columns.iter().map(|&column| if whole { None } else { kept.get(tile, column) }).collect()
}

/// The number of a column that has bytes in the file; `None` for one of no width.
fn number_of(layout: &TableLayout, column: &Column) -> Option<usize> {
    // Columns that have bytes begin at different places.
    layout
        .columns
        .iter()
        .position(|other| other.offset == column.offset && other.width > 0)
        .filter(|_| column.width > 0)
}

/// The plans of the variable-length columns.
fn arrays(
    table: &TiledTable,
    layout: &TableLayout,
    columns: &[&Column],
    (rows, touched, kept): (&RowPlan, &Touched, &KeptColumns),
    mask: bool,
    source: &dyn ReadAt,
) -> Result<Vec<Box<dyn ArraysPlan>>> {
    let mut plans: Vec<Box<dyn ArraysPlan>> = Vec::new();
    let numbers: Vec<usize> = columns.iter().filter_map(|column| number_of(layout, column)).collect();
    let streams = table.streams(&touched.tiles(), &numbers, source)?;
    let held: Vec<_> = touched
        .parts
        .iter()
        .map(|(tile, results)| held(kept, *tile, &numbers, results.are_all(&table.rows_of(*tile))))
        .collect();
    let needed = streams.iter().flatten().zip(held.iter().flatten()).filter(|(_, held)| held.is_none());
    source.require(&needed.map(|(stream, _)| stream.clone()).collect::<Vec<_>>())?;
    let mut next = 0;
    for column in columns {
        let form = ArrayForm::new(column, rows.form, mask)?;
        let mut found: Vec<(u64, PackedArray)> = Vec::new();
        let mut packing = Packing::Plain;
        let number = number_of(layout, column);
        if let Some((number, stored)) = number.and_then(|number| Some((number, table.columns.get(number)?))) {
            packing = stored.packing.clone()?;
            let streams =
                streams.iter().zip(&held).filter_map(|(streams, held)| Some((streams.get(next)?, held.get(next)?)));
            let streams: Vec<_> = streams.map(|(stream, held)| (stream, held.as_deref())).collect();
            found = wanted_arrays(table, number, &streams, (rows, touched, kept), source)
                .in_item(|| format!("column '{}'", column.name))?;
            next += 1;
        } else {
            rows.check_empty(size_of::<usize>() as u64, source.len())?;
            reserve(&mut found, rows.row_count())?;
            found.extend((0..rows.row_count()).map(|index| (rows.row(index), PackedArray::EMPTY)));
        }
        plans.push(Box::new(PackedArraysPlan::new(form, packing, found, table, source.len())?));
    }
    Ok(plans)
}

/// The descriptors of one column, in the order of the result.
fn wanted_arrays(
    table: &TiledTable,
    number: usize,
    streams: &[(&Range<u64>, Option<&DecodedTile>)],
    (rows, touched, kept): (&RowPlan, &Touched, &KeptColumns),
    source: &dyn ReadAt,
) -> Result<Vec<(u64, PackedArray)>> {
    let size = table.columns.get(number).and_then(|column| column.descriptor).unwrap_or(0);
    let mut found = Vec::new();
    reserve(&mut found, rows.row_count())?;
    found.resize(rows.row_count(), (0, PackedArray::EMPTY));
    let mut unpacker = Unpacker::default();
    let mut reader = TileReader::new(source);
    for ((tile, results), (stream, held)) in touched.parts.iter().zip(streams) {
        let tile_rows = table.rows_of(*tile);
        let descriptors = (|| {
            let len = (tile_rows.end - tile_rows.start).saturating_mul((size + PLACE_BYTES) as u64);
            let len = usize::try_from(len).map_err(|_| Error::too_large("the tile is larger than memory"))?;
            let bytes = match held {
                Some(held) => held.values.held().get(..len).ok_or_else(does_not_fit)?,
                None => {
                    let packed = reader.bytes(std::slice::from_ref(*stream), |stream| stream)?;
                    let bytes = unpacker.unpack(Packing::Gzip, packed, len)?;
                    if !results.are_all(&tile_rows) {
                        kept.put(*tile, number, bytes)?;
                    }
                    bytes
                }
            };
            packed_arrays(bytes, size, table.heap.end - table.heap.start)
        })();
        let descriptors = descriptors.in_item(|| format!("tile {}", tile + 1))?;
        for index in results.iter() {
            let row = rows.row(index as usize);
            let array = descriptors.get((row - tile_rows.start) as usize);
            if let (Some(array), Some(place)) = (array, found.get_mut(index as usize)) {
                *place = (row, *array);
            }
        }
    }
    Ok(found)
}

/// Which rows of the result are of one tile.
#[derive(Debug)]
pub(super) enum Results {
    /// Successive ones.
    Run(Range<u64>),
    /// These.
    Some(Vec<u64>),
}

impl Results {
    /// Whether there are as many as these rows of a tile.
    fn are_all(&self, rows: &Range<u64>) -> bool {
        self.len() as u64 >= rows.end - rows.start
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Run(run) => (run.end - run.start) as usize,
            Self::Some(rows) => rows.len(),
        }
    }

    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match self {
            Self::Run(run) => Box::new(run.clone()),
            Self::Some(rows) => Box::new(rows.iter().copied()),
        }
    }
}

/// The tiles that a read touches, each once, with the rows of the result that are of it.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) parts: Vec<(u64, Results)>,
    /// Whether the rows of a tile don't follow each other in the result.
    scattered: bool,
}

impl Touched {
    fn tiles(&self) -> Vec<u64> {
        self.parts.iter().map(|(tile, _)| *tile).collect()
    }
}

pub(super) fn touched(rows: &Axis, table: &TiledTable) -> Touched {
    let mut parts: Vec<(u64, Results)> = Vec::new();
    let mut index = 0;
    match *rows {
        Axis::Range { step, count, .. } => {
            while index < count {
                let row = rows.position(index);
                let tile = row / table.tile_rows;
                let span = table.rows_of(tile);
                let more = if step > 0 {
                    (span.end - 1 - row) / step as u64
                } else {
                    (row - span.start) / step.unsigned_abs().max(1)
                };
                let end = (index + 1 + more).min(count);
                parts.push((tile, Results::Run(index..end)));
                index = end;
            }
        }
        Axis::List(ref list) => {
            for &row in list {
                let tile = row / table.tile_rows;
                match parts.last_mut() {
                    Some((last, Results::Run(run))) if *last == tile => run.end += 1,
                    _ => parts.push((tile, Results::Run(index..index + 1))),
                }
                index += 1;
            }
        }
    }
    let mut grouped: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    if let Axis::List(list) = rows {
        let mut seen = std::collections::HashSet::new();
        if !parts.iter().all(|(tile, _)| seen.insert(*tile)) {
            for (index, row) in (0..).zip(list) {
                grouped.entry(row / table.tile_rows).or_default().push(index);
            }
        }
    }
    if grouped.is_empty() {
        return Touched { parts, scattered: false };
    }
    Touched { parts: grouped.into_iter().map(|(tile, rows)| (tile, Results::Some(rows))).collect(), scattered: true }
}

/// What one tile has of the result.
#[derive(Debug)]
struct TilePart {
    tile: u64,
    /// The rows of the tile.
    rows: Range<u64>,
    results: Results,
    /// Where its packed columns are, for those that have bytes.
    streams: Vec<Range<u64>>,
    /// Those of these columns that are kept unpacked.
    held: Vec<Option<Arc<DecodedTile>>>,
}

/// A read of the columns of fixed length, ready to run: a part for each tile.
#[derive(Debug)]
struct TileRowsPlan {
    rows: RowPlan,
    /// Of each column of the result; `None` for one of no width.
    packings: Vec<Option<Packing>>,
    /// The numbers of those that have bytes.
    stored: Vec<usize>,
    kept: KeptColumns,
    parts: Vec<TilePart>,
    scattered: bool,
}

impl TileRowsPlan {
    /// The cells of those rows of a tile that are wanted, one behind the other.
    fn choose<'a>(&self, part: &TilePart, width: usize, cells: &'a [u8], chosen: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let start = |row: u64| (row - part.rows.start) as usize * width;
        if let (Results::Run(run), true) = (&part.results, self.rows.rows.is_run()) {
            let at = start(self.rows.row(run.start as usize));
            return cells.get(at..at + part.results.len() * width).ok_or_else(does_not_fit);
        }
        chosen.clear();
        reserve(chosen, part.results.len().saturating_mul(width))?;
        for index in part.results.iter() {
            let at = start(self.rows.row(index as usize));
            chosen.extend_from_slice(cells.get(at..at + width).ok_or_else(does_not_fit)?);
        }
        Ok(chosen)
    }

    fn part(&self, index: usize) -> Result<&TilePart> {
        self.parts.get(index).ok_or_else(|| Error::argument("the read has no such part"))
    }
}

impl ReadPlan for TileRowsPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.rows.buffers()
    }

    fn len(&self) -> usize {
        // Without bytes every cell is empty, and the buffers hold zeros.
        if self.packings.iter().all(Option::is_none) { 0 } else { self.parts.len() }
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let Ok(part) = self.part(index) else { return Vec::new() };
        let needed = part.streams.iter().zip(&part.held).filter(|(_, held)| held.is_none());
        joined(needed.map(|(stream, _)| stream.clone()))
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        let rows = self.part(index).map_or(0, |part| part.results.len());
        self.rows.output_row_sizes().into_iter().map(|size| size * rows).collect()
    }

    fn scattered(&self) -> bool {
        self.scattered
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let part = self.part(index)?;
        let mut unpacker = Unpacker::default();
        let mut reader = TileReader::new(source);
        let mut chosen = Vec::new();
        let row_of = &|index: usize| part.results.iter().nth(index).map_or(0, |index| self.rows.row(index as usize));
        let mut next = 0;
        for (number, (column, packing)) in self.rows.columns.iter().zip(&self.packings).enumerate() {
            let decoded = (|| {
                let Some(packing) = packing else {
                    chosen.clear();
                    chosen.resize(part.results.len(), 0);
                    return self.rows.decode_cells(number, &chosen, row_of, outputs);
                };
                let index = next;
                next += 1;
                let len = (part.rows.end - part.rows.start).saturating_mul(column.width as u64);
                let len = usize::try_from(len).map_err(|_| Error::too_large("the tile is larger than memory"))?;
                let cells = match part.held.get(index).and_then(Option::as_deref) {
                    Some(held) => held.values.held().get(..len).ok_or_else(does_not_fit)?,
                    None => {
                        let streams = part.streams.get(index..).unwrap_or_default();
                        let packed = reader.bytes(streams, |stream| stream);
                        let unpacked = packed.and_then(|packed| unpacker.unpack(*packing, packed, len));
                        let cells = unpacked.in_item(|| format!("column '{}', tile {}", column.name, part.tile + 1))?;
                        if let Some(&stored) = self.stored.get(index).filter(|_| !part.results.are_all(&part.rows)) {
                            self.kept.put(part.tile, stored, cells)?;
                        }
                        cells
                    }
                };
                let cells = self.choose(part, column.width, cells, &mut chosen)?;
                self.rows.decode_cells(number, cells, row_of, outputs)
            })();
            decoded?;
        }
        Ok(())
    }

    fn place(&self, index: usize, pieces: &[&mut [u8]], buffers: &mut [&mut [u8]]) -> Result<()> {
        let part = self.part(index)?;
        for ((piece, buffer), size) in pieces.iter().zip(buffers).zip(self.rows.output_row_sizes()) {
            for (row, values) in part.results.iter().zip(piece.chunks_exact(size.max(1))) {
                let start = row as usize * size;
                buffer.get_mut(start..start + size).ok_or_else(does_not_fit)?.copy_from_slice(values);
            }
        }
        Ok(())
    }
}
