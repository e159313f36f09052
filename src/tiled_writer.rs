//! Compressed images are written tile by tile: the tiles first, then what finds them.

use std::ops::Range;

use crate::directory::HduKey;
use crate::edit::NewHdu;
use crate::engine::{Watch, in_order};
use crate::error::Result;
use crate::image::empty_primary;
use crate::io::Spool;
use crate::source::{Content, EditPlan, ReadAt, Step};
use crate::target::Target;
use crate::tiled::{NewTiledImage, PackedTiles, TileRows};
use crate::writer::Changer;

impl Changer {
    /// Adds a compressed image behind the last HDU, or in front of another; behind an empty primary HDU where there is none.
    ///
    /// Its tiles are never held in memory together. Until all are packed, the operation can be stopped, and the file has nothing of them.
    pub(crate) fn insert_compressed(
        &self,
        image: &NewTiledImage<'_>,
        before: Option<&HduKey>,
        watch: &mut Watch<'_>,
    ) -> Result<usize> {
        let mut target = self.target()?;
        if before.is_some() {
            let spool = target.spool();
            return self.insert_into(&mut target, before, |primary| {
                let hdu = spooled_hdu(image, spool, watch)?;
                Ok(if primary { vec![empty_primary()?, hdu] } else { vec![hdu] })
            });
        }
        let start = self.end_of_hdus(&mut target)?;
        let primary = if start == 0 { Some(empty_primary()?) } else { None };
        let at = start + primary.as_ref().map_or(0, |primary| primary.header.len() as u64);
        let len = target.source().len();
        let rows = match write_tiles(image, at, &mut target, watch) {
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
            let header = image.header(&rows)?;
            let (table, heap_len) = rows.into_parts();
            let data_len = table.len() as u64 + heap_len;
            Ok(vec![NewHdu { header, data: Some(Content::Bytes(table)), data_len }])
        })
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
fn write_tiles(image: &NewTiledImage<'_>, at: u64, target: &mut Target, watch: &mut Watch<'_>) -> Result<TileRows> {
    let mut rows = TileRows::default();
    let heap = at + image.header(&rows)?.len() as u64 + image.table_len();
    let mut offset = heap;
    // What a broken write has left there is no zeros.
    target.carry_out(EditPlan::InPlace(vec![Step::SetLen(at)]))?;
    in_order(
        image.jobs(),
        |job| image.pack(job),
        |packed: PackedTiles| {
            image.add_rows(&packed, &mut rows)?;
            let len = packed.bytes.len() as u64;
            let write = Step::Write { at: offset, content: Content::Bytes(packed.bytes) };
            target.carry_out(EditPlan::InPlace(vec![write]))?;
            offset += len;
            Ok(())
        },
        watch,
    )?;
    Ok(rows)
}

/// The HDU with its tiles kept aside.
fn spooled_hdu(image: &NewTiledImage<'_>, mut spool: Spool, watch: &mut Watch<'_>) -> Result<NewHdu<'static>> {
    let mut rows = TileRows::default();
    let take = |packed: PackedTiles| {
        image.add_rows(&packed, &mut rows)?;
        spool.append(&packed.bytes)
    };
    in_order(image.jobs(), |job| image.pack(job), take, watch)?;
    let header = image.header(&rows)?;
    let (table, heap_len) = rows.into_parts();
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
