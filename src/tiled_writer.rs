//! Compressed images are written tile by tile: the tiles first, then what finds them.

use crate::directory::HduKey;
use crate::edit::NewHdu;
use crate::engine::{Watch, in_order};
use crate::error::{Error, Result};
use crate::image::empty_primary;
use crate::source::{Content, EditPlan, Step};
use crate::target::Target;
use crate::tiled::{NewTiledImage, PackedTiles, TileRows};
use crate::writer::Changer;

impl Changer {
    /// Adds a compressed image behind the last HDU, or in front of another; an empty primary HDU where there is none.
    ///
    /// Behind the last HDU its tiles are never held in memory together.
    pub(crate) fn insert_compressed(
        &self,
        image: &NewTiledImage<'_>,
        before: Option<&HduKey>,
        watch: &mut Watch<'_>,
    ) -> Result<usize> {
        let mut target = self.target()?;
        if before.is_some() {
            return self.insert_into(&mut target, before, |primary| {
                let hdu = compressed_hdu(image, watch)?;
                Ok(if primary { vec![empty_primary()?, hdu] } else { vec![hdu] })
            });
        }
        if self.end_of_hdus(&mut target)? == 0 {
            self.insert_into(&mut target, None, |_| Ok(vec![empty_primary()?]))?;
        }
        let at = self.end_of_hdus(&mut target)?;
        let rows = write_tiles(image, at, &mut target, watch)?;
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

/// The HDU with its tiles in memory.
fn compressed_hdu(image: &NewTiledImage<'_>, watch: &mut Watch<'_>) -> Result<NewHdu<'static>> {
    let mut rows = TileRows::default();
    let mut heap = Vec::new();
    let take = |packed: PackedTiles| {
        image.add_rows(&packed, &mut rows)?;
        heap.try_reserve(packed.bytes.len()).map_err(|_| Error::too_large("the compressed tiles do not fit memory"))?;
        heap.extend(packed.bytes);
        Ok(())
    };
    in_order(image.jobs(), |job| image.pack(job), take, watch)?;
    let header = image.header(&rows)?;
    let (mut data, _) = rows.into_parts();
    data.append(&mut heap);
    let data_len = data.len() as u64;
    Ok(NewHdu { header, data: Some(Content::Bytes(data)), data_len })
}
