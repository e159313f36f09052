//! Compressed images are changed tile by tile: what is packed anew is kept aside until the file gets it.

use std::sync::Arc;

use crate::changer::Changer;
use crate::directory::{Directory, HduEntry, HduId, HduKey, placed};
use crate::edit::{Extended, OldHdu, PixelPlace, Pixels, append_descriptors, change_heap, repack_heap};
use crate::engine::{Op, Watch, in_order};
use crate::error::{Result, ResultExt};
use crate::format::Header;
use crate::image_writer::PixelValues;
use crate::source::{Content, ReadAt};
use crate::target::Target;
use crate::tiled::{EditedRows, EditedTiles, TiledEdit, tile_columns};

/// What is done to a compressed image.
pub(crate) enum TileChange {
    /// Pixels that are there get values.
    Pixels(PixelPlace, PixelValues),
    /// Rows of pixels are put behind the last one.
    Rows(Vec<PixelValues>),
}

impl TileChange {
    fn edit<'a>(
        &'a self,
        pixels: &'a [Pixels<'a>],
        hdu: &HduEntry,
        source: &dyn ReadAt,
    ) -> Result<Option<TiledEdit<'a>>> {
        match (self, pixels) {
            (Self::Pixels(place, _), [pixels]) => TiledEdit::pixels(hdu, place, pixels, source),
            _ => TiledEdit::rows(hdu, pixels, source),
        }
    }

    fn lend(&self) -> Vec<Pixels<'_>> {
        match self {
            Self::Pixels(_, values) => vec![values.lend()],
            Self::Rows(rows) => rows.iter().map(PixelValues::lend).collect(),
        }
    }
}

/// An HDU that is held to be changed.
struct Held {
    hdu: Arc<HduEntry>,
    header: Header,
    blocks: Vec<u8>,
    header_start: u64,
    last: bool,
    source: Arc<dyn ReadAt>,
}

impl Held {
    fn old(&self) -> OldHdu<'_> {
        OldHdu {
            hdu: &self.hdu,
            header: &self.header,
            blocks: &self.blocks,
            header_start: self.header_start,
            last: self.last,
            file_len: self.source.len(),
        }
    }
}

impl Changer {
    /// Changes a compressed image. Until all tiles are packed the file is as it was, and the operation can be stopped.
    pub(crate) fn change_tiles(&self, key: &HduKey, change: &TileChange, watch: &mut Watch<'_>) -> Result<()> {
        let mut target = self.target()?;
        let held = self.hold(key, &mut target)?;
        let changed = self.change_held_tiles(&held, change, &mut target, watch);
        placed(changed, self.file().name(), held.hdu.index)
    }

    fn change_held_tiles(
        &self,
        held: &Held,
        change: &TileChange,
        target: &mut Target,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let pixels = change.lend();
        let Some(edit) = change.edit(&pixels, &held.hdu, &*held.source)? else { return Ok(()) };
        let mut rows = EditedRows::default();
        let mut spool = target.spool();
        in_order(
            edit.jobs(),
            |job| edit.pack(job, &*held.source),
            |packed: EditedTiles| {
                rows.add(&packed);
                spool.append(&packed.bytes)
            },
            watch,
        )?;
        let (old, len) = (held.old(), spool.len());
        if let Some((name, wide)) = edit.missing_column(&rows) {
            let widened = append_descriptors(&old, name, wide, &*held.source)?;
            self.put(widened, held.hdu.index, target)?;
            let held = self.hold(&held.hdu.id.into(), target)?;
            return self.change_held_tiles(&held, change, target, watch);
        }
        let producer = move |span: std::ops::Range<u64>, output: &mut [u8]| spool.read_at(span.start, output);
        let arrays = Content::Made { len, producer: Box::new(producer) };
        let change = edit.change_of(&old, &rows, arrays, &*held.source)?;
        let changed = change_heap(&old, change, &*held.source)?;
        self.put(changed, held.hdu.index, target)
    }

    /// Rewrites the heap of a compressed image without what no tile is in.
    pub(crate) fn repack_tiles(self: &Arc<Self>, key: HduKey) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target()?;
            let held = shared.hold(&key, &mut target)?;
            let repacked = (|| {
                let columns = tile_columns(&held.hdu)?;
                match repack_heap(&held.old(), columns, &*held.source)? {
                    Some(changed) => shared.put(changed, held.hdu.index, &mut target),
                    None => Ok(()),
                }
            })();
            placed(repacked, shared.file().name(), held.hdu.index)
        })
    }

    /// Takes hold of an HDU; while the target is held, it does not change. Readers have the directory meanwhile.
    fn hold(&self, key: &HduKey, target: &mut Target) -> Result<Held> {
        let mut directory = self.file().directory();
        self.write_staged(target, &mut directory)?;
        let source = target.source();
        let hdu = directory.find(key, &*source).in_file(self.file().name())?;
        let held = held(&mut directory, Arc::clone(&hdu), source);
        placed(held, self.file().name(), hdu.index)
    }

    /// Carries out a change of an HDU, and shows it to readers.
    fn put(&self, changed: Extended<'_>, index: usize, target: &mut Target) -> Result<()> {
        let mut directory = self.file().directory();
        let Extended { plan, header, blocks, layout, table } = changed;
        target.carry_out(plan)?;
        directory.replace(index, header, blocks, layout, table);
        self.file().replace_source(target.source());
        Ok(())
    }

    /// The HDU, if it is a compressed image.
    pub(crate) fn tiled(&self, key: &HduKey) -> Result<Option<HduId>> {
        let target = self.target()?;
        let hdu = self.file().find(key, &*target.source())?;
        Ok((hdu.layout.kind == crate::HduKind::CompressedImage).then_some(hdu.id))
    }
}

fn held(directory: &mut Directory, hdu: Arc<HduEntry>, source: Arc<dyn ReadAt>) -> Result<Held> {
    let last = directory.is_last(hdu.index, &*source)?;
    let header_start = directory.header_range(hdu.index).map_or(0, |range| range.start);
    let edited = directory.edit(hdu.index, &*source)?;
    let (header, blocks) = (edited.header.clone(), edited.blocks.clone());
    Ok(Held { hdu, header, blocks, header_start, last, source })
}
