//! Changing cells of a compressed table and putting rows behind the last one (FITS 4.0 §10.3): the tiles that are touched are packed anew, and of each only the
//! columns that change. The new bytes go behind those in use, so that a kill leaves each tile as it was or as it is to be.

use std::ops::Range;

use super::edited::Edited;
use super::read::touched;
use super::unpacked::UnpackedRows;
use super::write::{Arrays, PackedRows};
use crate::edit::{Cells, Extended, HeapChange, OldHdu, change_heap, given_rows, rebuild_heap, set_count};
use crate::error::{Error, Result};
use crate::image::Axis;
use crate::source::{Content, ReadAt, resize};
use crate::table::{Every, GivenColumn, RowEncoder};

/// Makes so many tiles, on as many threads as there are, and takes them in their order.
pub(crate) type PackInOrder = dyn Fn(
    usize,
    &(dyn Fn(usize) -> Result<PackedRows> + Sync),
    &mut dyn FnMut(PackedRows) -> Result<()>,
) -> Result<()>;

/// The threads that an edit works on.
#[derive(Clone, Copy)]
pub(crate) struct Threads<'a> {
    pub(crate) every: &'a Every,
    pub(crate) pack: &'a PackInOrder,
}

/// Plans to write cells of some rows. `None` where there is nothing to write.
pub(crate) fn write_rows<'p>(
    old: &'p OldHdu<'_>,
    rows: &Axis,
    given: &[GivenColumn<'_>],
    as_stored: bool,
    source: &'p dyn ReadAt,
    threads: Threads<'_>,
) -> Result<Option<Extended<'p>>> {
    let edited = Edited::new(old, source)?;
    let mut encoder = RowEncoder::new(edited.layout, given, rows.count(), as_stored)?;
    encoder.check_on(threads.every)?;
    encoder.place_heap(edited.base)?;
    let mut numbers: Vec<usize> = given.iter().filter_map(|values| edited.layout.find(values.name)).collect();
    numbers.sort_unstable();
    numbers.retain(|&number| edited.table.has_bytes(number));
    let Some((_, last)) = rows.bounds().filter(|_| !numbers.is_empty()) else { return Ok(None) };
    edited.table.check_tiles(last, source.len())?;
    let mut parts = touched(rows, &edited.table).parts;
    parts.sort_unstable_by_key(|(tile, _)| *tile);
    let mut tiles = edited.begin(old)?;
    let at = tiles.heap_len;
    let row_len = edited.row_len();
    let mut cells = Cells::new(row_len);
    let mut streams = Vec::new();
    let bytes = |span: Range<u64>, output: &mut [u8]| {
        encoder.encode_heap(span.start - edited.base..span.end - edited.base, output)
    };
    let pack = |number: usize| {
        let (tile, results) = parts.get(number).ok_or_else(no_tile)?;
        let UnpackedRows { rows: mut buffer, arrays: kept } = edited.unpack(*tile, &numbers)?;
        let first = edited.table.rows_of(*tile).start;
        for index in results.iter() {
            let start = (rows.position(index) - first) as usize * edited.layout.row_len;
            let row = buffer.get_mut(start..start + edited.layout.row_len).unwrap_or_default();
            encoder.encode(index..index + 1, 0, row);
        }
        let arrays = Arrays { base: edited.base, kept: &kept, bytes: &bytes };
        let columns = edited.pack(*tile, &buffer, |number| numbers.contains(&number), &arrays)?;
        Ok(PackedRows { columns })
    };
    let mut next = parts.iter();
    let mut take = |packed: PackedRows| {
        let (tile, _) = next.next().ok_or_else(no_tile)?;
        let mut row = edited.stored_row(*tile)?;
        streams.extend(edited.replace(&mut row, packed.columns, &numbers, &mut tiles)?);
        cells.push(tile * row_len as u64, &row);
        Ok(())
    };
    (threads.pack)(parts.len(), &pack, &mut take)?;
    let mut header = old.header.clone();
    edited.lengthen_forms(&mut header, &tiles)?;
    edited.lengthen_heap(&mut header, &[&encoder])?;
    let arrays = vec![Content::Bytes(streams)];
    change_heap(old, HeapChange { header, cells, rows: None, at, arrays }, source).map(Some)
}

/// Plans to put rows behind the last one; each group has values for every column. `None` where there is nothing to add.
pub(crate) fn append_rows<'p>(
    old: &'p OldHdu<'_>,
    groups: &[Vec<GivenColumn<'_>>],
    source: &'p dyn ReadAt,
    threads: Threads<'_>,
) -> Result<Option<Extended<'p>>> {
    let edited = Edited::new(old, source)?;
    let appending = Appending::new(&edited, groups, threads.every)?;
    if appending.added == 0 {
        return Ok(None);
    }
    let table = &edited.table;
    let total = table.rows.checked_add(appending.added).filter(|&rows| i64::try_from(rows).is_ok());
    let total = total.ok_or_else(|| Error::too_large("the table would be larger than a file can be"))?;
    let mut tiles = edited.begin(old)?;
    let at = tiles.heap_len;
    let mut cells = Cells::new(edited.row_len());
    let mut stored = Vec::new();
    let mut streams = Vec::new();
    let first = table.rows / table.tile_rows;
    let held = table.rows % table.tile_rows;
    if held > 0 {
        table.check_tiles(table.rows - 1, source.len())?;
    }
    let all: Vec<usize> = (0..edited.layout.columns.len()).filter(|&number| table.has_bytes(number)).collect();
    let pack = |number: usize| {
        let tile = first + number as u64;
        let unpacked = if number == 0 && held > 0 { edited.unpack(tile, &all)? } else { UnpackedRows::default() };
        let UnpackedRows { rows: mut buffer, arrays: kept } = unpacked;
        let start = (tile * table.tile_rows).max(table.rows);
        let end = (tile + 1).saturating_mul(table.tile_rows).min(total);
        appending.put(start - table.rows..end - table.rows, &mut buffer)?;
        let bytes = |span: Range<u64>, output: &mut [u8]| appending.heap(span, output);
        let arrays = Arrays { base: edited.base, kept: &kept, bytes: &bytes };
        Ok(PackedRows { columns: edited.pack(tile, &buffer, |_| true, &arrays)? })
    };
    let mut tile = first;
    let mut take = |packed: PackedRows| {
        let before = tiles.rows.len();
        streams.extend(tiles.add(packed.columns, edited.wide)?);
        let row = tiles.rows.get(before..).unwrap_or_default();
        if tile < table.stored_rows() {
            cells.push(tile * row.len() as u64, row);
        } else {
            stored.extend_from_slice(row);
        }
        tile += 1;
        Ok(())
    };
    let count = usize::try_from((total - 1) / table.tile_rows - first + 1);
    let count = count.map_err(|_| Error::too_large("the rows take more tiles than there can be"))?;
    (threads.pack)(count, &pack, &mut take)?;
    let mut header = old.header.clone();
    set_count(&mut header, "ZNAXIS2", total as i64)?;
    if let Some(heap) = header.integer("ZTHEAP")? {
        let moved = i64::try_from(appending.added).ok().and_then(|rows| rows.checked_mul(edited.layout.row_len as i64));
        let heap = moved.and_then(|moved| heap.checked_add(moved));
        set_count(&mut header, "ZTHEAP", heap.ok_or_else(|| Error::too_large("the table would be too large"))?)?;
    }
    edited.lengthen_forms(&mut header, &tiles)?;
    let encoders: Vec<&RowEncoder<'_>> = appending.groups.iter().map(|group| &group.encoder).collect();
    edited.lengthen_heap(&mut header, &encoders)?;
    let rows = (!stored.is_empty()).then_some(Content::Bytes(stored));
    // The number of rows and the last tile only make sense together.
    rebuild_heap(old, HeapChange { header, cells, rows, at, arrays: vec![Content::Bytes(streams)] }, source).map(Some)
}

fn no_tile() -> Error {
    Error::corrupt("a tile was packed that no row is in: this is a defect of rustfits")
}

/// Rows that are put behind the last one.
struct Appending<'a> {
    groups: Vec<Group<'a>>,
    added: u64,
    row_len: usize,
}

struct Group<'a> {
    encoder: RowEncoder<'a>,
    /// Which of the new rows they are.
    rows: Range<u64>,
    /// Where in the uncompressed heap its arrays begin.
    heap: u64,
}

impl<'a> Appending<'a> {
    /// Checks what is given.
    fn new(edited: &Edited<'_>, groups: &[Vec<GivenColumn<'a>>], every: &Every) -> Result<Self> {
        let mut appending = Self { groups: Vec::new(), added: 0, row_len: edited.layout.row_len };
        let mut heap = edited.base;
        for given in groups {
            let count = given_rows(edited.layout, given)?;
            let mut encoder = RowEncoder::new(edited.layout, given, count, false)?;
            encoder.check_on(every)?;
            encoder.place_heap(heap)?;
            let len = encoder.heap_len();
            let rows = appending.added..appending.added.saturating_add(count);
            appending.added = rows.end;
            appending.groups.push(Group { encoder, rows, heap });
            heap = heap.saturating_add(len);
        }
        Ok(appending)
    }

    /// Puts some of the new rows behind those that the buffer has.
    fn put(&self, rows: Range<u64>, buffer: &mut Vec<u8>) -> Result<()> {
        let mut at = buffer.len();
        let len = usize::try_from(rows.end - rows.start).ok().and_then(|count| count.checked_mul(self.row_len));
        let len = len.and_then(|len| len.checked_add(at));
        resize(buffer, len.ok_or_else(|| Error::too_large("a tile is larger than memory"))?)?;
        for group in &self.groups {
            let own = rows.start.max(group.rows.start)..rows.end.min(group.rows.end);
            if own.is_empty() {
                continue;
            }
            let end = at + (own.end - own.start) as usize * self.row_len;
            let first = group.rows.start;
            let place = buffer.get_mut(at..end).unwrap_or_default();
            group.encoder.encode(own.start - first..own.end - first, 0, place);
            at = end;
        }
        Ok(())
    }

    /// Bytes of the uncompressed heap: those of one array.
    fn heap(&self, span: Range<u64>, output: &mut [u8]) -> Result<()> {
        let group = self.groups.iter().rev().find(|group| group.heap <= span.start);
        let group = group.ok_or_else(|| Error::corrupt("an array of the table is not where its row says"))?;
        group.encoder.encode_heap(span.start - group.heap..span.end - group.heap, output)
    }
}
