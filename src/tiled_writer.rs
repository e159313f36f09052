//! Compressed images and tables are written tile by tile: the tiles first, then what finds them.

use std::ops::Range;

use crate::changer::Changer;
use crate::directory::HduKey;
use crate::edit::NewHdu;
use crate::engine::{Watch, in_order};
use crate::error::Result;
use crate::image::empty_primary;
use crate::io::Spool;
use crate::source::{Content, EditPlan, ReadAt, Step};
use crate::target::Target;
use crate::tiled::{NewTiledImage, NewTiledTable, PackedRows, PackedTiles, TileRows, TileTable};

/// What is written tile by tile.
pub(crate) trait NewTiles: Sync {
    /// The tiles of one job.
    type Packed: Send;
    /// The table that finds the tiles.
    type Rows: Default;

    /// How many jobs pack all tiles.
    fn jobs(&self) -> usize;
    /// Packs the tiles of one job.
    fn pack(&self, job: usize) -> Result<Self::Packed>;
    /// Adds the rows of tiles, which come in their order; returns what goes into the heap.
    fn add(&self, packed: Self::Packed, rows: &mut Self::Rows) -> Result<Vec<u8>>;
    /// The header, which is as long for any rows.
    fn header(&self, rows: &Self::Rows) -> Result<Vec<u8>>;
    /// How many bytes the table takes in front of the heap.
    fn table_len(&self) -> u64;
    /// The rows, and how many bytes the heap has.
    fn parts(rows: Self::Rows) -> (Vec<u8>, u64);
}

impl NewTiles for NewTiledImage<'_> {
    type Packed = PackedTiles;
    type Rows = TileRows;

    fn jobs(&self) -> usize {
        self.jobs()
    }

    fn pack(&self, job: usize) -> Result<PackedTiles> {
        self.pack(job)
    }

    fn add(&self, packed: PackedTiles, rows: &mut TileRows) -> Result<Vec<u8>> {
        self.add_rows(&packed, rows)?;
        Ok(packed.bytes)
    }

    fn header(&self, rows: &TileRows) -> Result<Vec<u8>> {
        self.header(rows)
    }

    fn table_len(&self) -> u64 {
        self.table_len()
    }

    fn parts(rows: TileRows) -> (Vec<u8>, u64) {
        rows.into_parts()
    }
}

impl NewTiles for NewTiledTable<'_> {
    type Packed = PackedRows;
    type Rows = TileTable;

    fn jobs(&self) -> usize {
        self.jobs()
    }

    fn pack(&self, job: usize) -> Result<PackedRows> {
        self.pack(job)
    }

    fn add(&self, packed: PackedRows, rows: &mut TileTable) -> Result<Vec<u8>> {
        self.add(packed, rows)
    }

    fn header(&self, rows: &TileTable) -> Result<Vec<u8>> {
        self.header(rows)
    }

    fn table_len(&self) -> u64 {
        self.table_len()
    }

    fn parts(rows: TileTable) -> (Vec<u8>, u64) {
        rows.into_parts()
    }
}

impl Changer {
    /// Adds a compressed HDU behind the last one, or in front of another; behind an empty primary HDU where there is none.
    ///
    /// Its tiles are never held in memory together. Until all are packed, the operation can be stopped, and the file has nothing of them.
    pub(crate) fn insert_compressed<T: NewTiles>(
        &self,
        tiles: &T,
        before: Option<&HduKey>,
        watch: &mut Watch<'_>,
    ) -> Result<usize> {
        let mut target = self.target()?;
        if before.is_some() {
            let spool = target.spool();
            return self.insert_into(&mut target, before, |primary| {
                let hdu = spooled_hdu(tiles, spool, watch)?;
                Ok(if primary { vec![empty_primary()?, hdu] } else { vec![hdu] })
            });
        }
        let start = self.end_of_hdus(&mut target)?;
        let primary = if start == 0 { Some(empty_primary()?) } else { None };
        let at = start + primary.as_ref().map_or(0, |primary| primary.header.len() as u64);
        let len = target.source().len();
        let rows = match write_tiles(tiles, at, &mut target, watch) {
            Ok(rows) => rows,
            Err(error) => {
                // What was written is no part of the file yet.
                if target.check_usable().is_ok() && target.source().len() > len.min(start) {
                    target.carry_out(EditPlan::InPlace(vec![Step::SetLen(len.min(start))]))?;
                }
                return Err(error);
            }
        };
        if let Some(primary) = primary {
            let write = Step::Write { at: 0, content: Content::Bytes(primary.header.clone()) };
            target.carry_out(EditPlan::InPlace(vec![write]))?;
            self.file().directory().insert(0, &primary.header, 0)?;
        }
        self.insert_into(&mut target, None, |_| {
            let header = tiles.header(&rows)?;
            let (table, heap_len) = T::parts(rows);
            let data_len = table.len() as u64 + heap_len;
            Ok(vec![NewHdu { header, data: Some(Content::Bytes(table)), data_len }])
        })
    }

    /// Whether nothing lies behind the last HDU: what is put there can be taken back by cutting the file to the length that it has now.
    pub(crate) fn ends_with_hdu(&self) -> Result<bool> {
        let mut target = self.target()?;
        let end = self.end_of_hdus(&mut target)?;
        Ok(target.source().len() <= end)
    }

    /// Where the HDUs of the file end.
    fn end_of_hdus(&self, target: &mut Target) -> Result<u64> {
        let mut directory = self.file().directory();
        self.write_staged(target, &mut directory)?;
        let count = directory.count_whole(&*target.source())?;
        Ok(directory.start_of(count))
    }
}

/// Writes the tiles to where the heap of an HDU at `at` is. Until its header is there, what is written is no part of the file.
fn write_tiles<T: NewTiles>(tiles: &T, at: u64, target: &mut Target, watch: &mut Watch<'_>) -> Result<T::Rows> {
    let mut rows = T::Rows::default();
    let heap = at + tiles.header(&rows)?.len() as u64 + tiles.table_len();
    let mut offset = heap;
    // What a broken write has left there is no zeros.
    target.carry_out(EditPlan::InPlace(vec![Step::SetLen(at)]))?;
    in_order(
        tiles.jobs(),
        |job| tiles.pack(job),
        |packed| {
            let bytes = tiles.add(packed, &mut rows)?;
            let len = bytes.len() as u64;
            let write = Step::Write { at: offset, content: Content::Bytes(bytes) };
            target.carry_out(EditPlan::InPlace(vec![write]))?;
            offset += len;
            Ok(())
        },
        watch,
    )?;
    Ok(rows)
}

/// The HDU with its tiles kept aside.
fn spooled_hdu<T: NewTiles>(tiles: &T, mut spool: Spool, watch: &mut Watch<'_>) -> Result<NewHdu<'static>> {
    let mut rows = T::Rows::default();
    let take = |packed: T::Packed| {
        let bytes = tiles.add(packed, &mut rows)?;
        spool.append(&bytes)
    };
    in_order(tiles.jobs(), |job| tiles.pack(job), take, watch)?;
    let header = tiles.header(&rows)?;
    let (table, heap_len) = T::parts(rows);
    let data_len = table.len() as u64 + heap_len;
    let producer = move |span: Range<u64>, output: &mut [u8]| {
        let table = table.get(span.start as usize..).unwrap_or_default();
        let (front, rest) = output.split_at_mut(table.len().min(output.len()));
        front.copy_from_slice(table.get(..front.len()).unwrap_or_default());
        if rest.is_empty() {
            return Ok(());
        }
        spool.read_at(span.end - rest.len() as u64 - (data_len - spool.len()), rest)
    };
    let data = Content::Made { len: data_len, producer: Box::new(producer) };
    Ok(NewHdu { header, data: Some(data), data_len })
}
