//! Rewriting a compressed table without what changes have left behind in its heap.

use super::super::tile_reader::TileReader;
use super::arrays::packed_arrays;
use super::edited::Edited;
use super::packing::{Packing, Unpacker};
use super::write::{PackedColumn, Place, TileTable};
use crate::edit::{Extended, OldHdu, repack_heap, set_count};
use crate::error::{Error, Result, ResultExt};
use crate::format::{HduLayout, padded};
use crate::source::{Content, EditPlan, Piece, ReadAt, reserve};

/// Plans to rewrite the heap. `None` where every byte of it is in use. Where there are arrays of variable length the compressed table is held in memory.
pub(crate) fn repack<'p>(old: &'p OldHdu<'_>, source: &'p dyn ReadAt) -> Result<Option<Extended<'p>>> {
    let edited = Edited::new(old, source)?;
    if !edited.has_arrays() {
        return repack_heap(old, edited.heap_columns(), source);
    }
    let mut tiles = TileTable::default();
    let mut heap = Vec::new();
    if edited.table.rows > 0 {
        edited.table.check_tiles(edited.table.rows - 1, source.len())?;
    }
    for tile in 0..edited.table.tiles() {
        let bytes = tiles.add(columns(&edited, tile, source)?, edited.wide)?;
        reserve(&mut heap, bytes.len())?;
        heap.extend(bytes);
    }
    if heap.len() as u64 >= edited.table.heap.end - edited.table.heap.start {
        return Ok(None);
    }
    whole(old, tiles, heap).map(Some)
}

/// The packed columns of a tile, as they are.
fn columns(edited: &Edited<'_>, tile: u64, source: &dyn ReadAt) -> Result<Vec<PackedColumn>> {
    let numbers: Vec<usize> = (0..edited.table.columns.len()).filter(|&number| edited.has_bytes(number)).collect();
    let found = edited.table.streams(&[tile], &numbers, source)?;
    let mut streams = found.iter().flatten();
    let mut reader = TileReader::new(source);
    let mut unpacker = Unpacker::default();
    let packed = edited.table.columns.iter().map(|column| {
        let Some(stream) = (if column.width > 0 { streams.next() } else { None }) else {
            return Ok(PackedColumn::Cells(Vec::new()));
        };
        let bytes = reader.bytes(std::slice::from_ref(stream), |stream| stream)?.to_vec();
        let Some(size) = column.descriptor else { return Ok(PackedColumn::Cells(bytes)) };
        let rows = edited.table.rows_of(tile);
        let len = column.unpacked_len(rows.end - rows.start).and_then(|len| usize::try_from(len).ok());
        let len = len.ok_or_else(|| Error::too_large("the tile is larger than memory"))?;
        let descriptors = unpacker.unpack(Packing::Gzip, &bytes, len)?;
        let found = packed_arrays(descriptors, size, edited.table.heap.end - edited.table.heap.start)?;
        let (mut originals, mut places, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for array in found {
            array.put_original(size, &mut originals);
            let place = edited.table.in_heap(array.len, array.offset, source.len())?;
            reserve(&mut arrays, array.len as usize)?;
            arrays.extend_from_slice(reader.bytes(std::slice::from_ref(&place), |place| place)?);
            places.push(Place::New(array.len));
        }
        Ok(PackedColumn::Arrays { originals, places, arrays })
    });
    let packed: Result<Vec<_>> = packed.collect();
    packed.in_item(|| format!("tile {}", tile + 1))
}

/// The HDU with another table of tiles and another heap.
fn whole<'p>(old: &OldHdu<'_>, tiles: TileTable, heap: Vec<u8>) -> Result<Extended<'p>> {
    let mut header = old.header.clone();
    let too_large = || Error::too_large("the table would be larger than a file can be");
    set_count(&mut header, "PCOUNT", i64::try_from(heap.len()).map_err(|_| too_large())?)?;
    if header.contains("THEAP") {
        header.remove_structural("THEAP")?;
    }
    let blocks = header.to_bytes();
    let layout = HduLayout::new(&header, old.header_start + blocks.len() as u64)?;
    let padding = padded(layout.data_len).ok_or_else(too_large)? - layout.data_len;
    let end = old.hdu.layout.end().min(old.file_len);
    let (rows, _) = tiles.into_parts();
    let mut pieces = vec![
        Piece::Old(0..old.header_start),
        Piece::New(Content::Bytes(blocks.clone())),
        Piece::New(Content::Bytes(rows)),
        Piece::New(Content::Bytes(heap)),
        Piece::New(Content::Bytes(vec![0; padding as usize])),
        // What a broken write left behind the last HDU goes.
        Piece::Old(if old.last { end..end } else { end..old.file_len }),
    ];
    pieces.retain(|piece| piece.len() > 0);
    Ok(Extended { plan: EditPlan::Assemble(pieces), header, blocks, layout, table: None })
}
