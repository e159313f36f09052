//! Rewriting a compressed table without what changes have left behind in its heap.
//!
//! Packed cells and arrays are copied as they are, in their order, whatever shares bytes. Where arrays are says a packed column of descriptors: those are made anew, and go
//! behind the rest. So what is in memory are descriptors alone.

use std::ops::Range;

use super::super::tile_reader::TileReader;
use super::arrays::{PackedArray, packed_arrays};
use super::edited::Edited;
use super::packing::{Packing, Unpacker};
use super::write::{packed_places, put_descriptor};
use crate::edit::{Extended, Kept, OldHdu, repack_heap, set_count};
use crate::error::{Error, Result, ResultExt};
use crate::format::{HduLayout, padded};
use crate::source::{Content, EditPlan, Piece, ReadAt, past_the_end, reserve, resize};

/// What a tile has of a column.
enum Stream {
    /// Nothing.
    Nothing,
    /// Packed cells, which are here in the heap.
    Cells(Range<u64>),
    /// Arrays, whose descriptors have `size` bytes in the uncompressed table.
    Arrays { size: usize, arrays: Vec<PackedArray> },
}

/// Plans to rewrite the heap. `None` where that makes it no shorter.
pub(crate) fn repack<'p>(old: &'p OldHdu<'_>, source: &'p dyn ReadAt) -> Result<Option<Extended<'p>>> {
    let edited = Edited::new(old, source)?;
    if !edited.has_arrays() {
        return repack_heap(old, edited.heap_columns(), source);
    }
    if let Some(last) = edited.table.rows.checked_sub(1) {
        edited.table.check_tiles(last, source.len())?;
    }
    let kept = kept(&edited, source)?;
    let (rows, streams) = described(&edited, &kept, source)?;
    let heap_len = kept.len() + streams.len() as u64;
    if heap_len >= edited.table.heap.end - edited.table.heap.start {
        return Ok(None);
    }
    let mut header = old.header.clone();
    let too_large = || Error::too_large("the table would be larger than a file can be");
    set_count(&mut header, "PCOUNT", i64::try_from(heap_len).map_err(|_| too_large())?)?;
    if header.contains("THEAP") {
        header.remove_structural("THEAP")?;
    }
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let padding = padded(layout.data_len).ok_or_else(too_large)? - layout.data_len;
    let end = old.hdu.layout.end().min(old.file_len);
    let mut pieces = vec![
        Piece::Old(0..old.header_start),
        Piece::New(Content::Bytes(blocks.clone())),
        Piece::New(Content::Bytes(rows)),
    ];
    let start = edited.table.heap.start;
    pieces.extend(kept.ranges().iter().map(|range| Piece::Old(range.start + start..range.end + start)));
    pieces.push(Piece::New(Content::Bytes(streams)));
    pieces.push(Piece::New(Content::Bytes(vec![0; padding as usize])));
    // What a broken write left behind the last HDU goes.
    pieces.push(Piece::Old(if old.last { end..end } else { end..old.file_len }));
    pieces.retain(|piece| piece.len() > 0);
    Ok(Some(Extended { plan: EditPlan::Assemble(pieces), header, blocks, layout, table: None }))
}

/// Where in the heap the last packed array ends.
pub(super) fn used_by_arrays(edited: &Edited<'_>, source: &dyn ReadAt) -> Result<u64> {
    let mut end = 0;
    if let Some(last) = edited.table.rows.checked_sub(1) {
        edited.table.check_tiles(last, source.len())?;
    }
    for tile in 0..edited.table.tiles() {
        for stream in streams(edited, tile, source)? {
            if let Stream::Arrays { arrays, .. } = stream {
                end = arrays.iter().map(|array| array.offset + array.len).fold(end, u64::max);
            }
        }
    }
    Ok(end)
}

/// What of the heap is in use, but for the descriptors of arrays.
fn kept(edited: &Edited<'_>, source: &dyn ReadAt) -> Result<Kept> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut add = |range: Range<u64>| -> Result<()> {
        match ranges.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => {
                reserve(&mut ranges, 1)?;
                ranges.push(range);
            }
        }
        Ok(())
    };
    for tile in 0..edited.table.tiles() {
        for stream in streams(edited, tile, source)? {
            match stream {
                Stream::Nothing => {}
                Stream::Cells(range) => add(range)?,
                Stream::Arrays { arrays, .. } => {
                    arrays.iter().try_for_each(|array| add(array.offset..array.offset + array.len))?;
                }
            }
        }
    }
    Ok(Kept::new(ranges))
}

/// The table of tiles as it is to be, and the packed descriptors that go behind what is kept.
fn described(edited: &Edited<'_>, kept: &Kept, source: &dyn ReadAt) -> Result<(Vec<u8>, Vec<u8>)> {
    let (mut rows, mut packed) = (Vec::new(), Vec::new());
    for tile in 0..edited.table.tiles() {
        for stream in streams(edited, tile, source)? {
            let (len, offset) = match stream {
                Stream::Nothing => (0, 0),
                Stream::Cells(range) => (range.end - range.start, kept.new_start(range.start)),
                Stream::Arrays { size, arrays } => {
                    let mut originals = Vec::new();
                    arrays.iter().for_each(|array| array.put_original(size, &mut originals));
                    let places = arrays.iter().map(|array| match array.len {
                        0 => (0, 0),
                        len => (len, kept.new_start(array.offset)),
                    });
                    let stream = packed_places(originals, places)?;
                    let at = kept.len() + packed.len() as u64;
                    reserve(&mut packed, stream.len())?;
                    packed.extend_from_slice(&stream);
                    (stream.len() as u64, at)
                }
            };
            put_descriptor(&mut rows, edited.wide, len, offset)?;
        }
    }
    // Rows behind those of the tiles name nothing. They are in the file, which bounds their number.
    let end = edited.table.row_start(edited.table.stored_rows());
    if end > source.len() {
        return Err(past_the_end(edited.table.row_start(0), (end - edited.table.row_start(0)) as usize, source.len()));
    }
    let len = edited.table.stored_rows().saturating_mul(edited.row_len() as u64);
    let len = usize::try_from(len).map_err(|_| Error::too_large("the table of tiles is larger than memory"))?;
    resize(&mut rows, len)?;
    Ok((rows, packed))
}

/// What a tile has of each column.
fn streams(edited: &Edited<'_>, tile: u64, source: &dyn ReadAt) -> Result<Vec<Stream>> {
    let table = &edited.table;
    let numbers: Vec<usize> = (0..table.columns.len()).filter(|&number| table.has_bytes(number)).collect();
    let found = table.streams(&[tile], &numbers, source)?.concat();
    let mut places = found.iter();
    let mut reader = TileReader::new(source);
    let mut unpacker = Unpacker::default();
    let heap_len = table.heap.end - table.heap.start;
    let streams = table.columns.iter().map(|column| {
        let Some(place) = (if column.width > 0 { places.next() } else { None }) else { return Ok(Stream::Nothing) };
        let Some(size) = column.descriptor else {
            return Ok(Stream::Cells(place.start - table.heap.start..place.end - table.heap.start));
        };
        let rows = table.rows_of(tile);
        let len = column.unpacked_len(rows.end - rows.start).and_then(|len| usize::try_from(len).ok());
        let len = len.ok_or_else(|| Error::too_large("the tile is larger than memory"))?;
        let arrays = reader
            .bytes(std::slice::from_ref(place), |place| place)
            .and_then(|packed| unpacker.unpack(Packing::Gzip, packed, len))
            .and_then(|descriptors| packed_arrays(descriptors, size, heap_len));
        arrays.map(|arrays| Stream::Arrays { size, arrays }).in_item(|| format!("column '{}'", column.name))
    });
    streams.collect::<Result<_>>().in_item(|| format!("tile {}", tile + 1))
}
