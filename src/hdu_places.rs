//! Whole HDUs: put behind the others or in front of one, and deleted.

use std::sync::Arc;

use crate::changer::Changer;
use crate::directory::{Directory, HduKey};
use crate::edit::{Demoted, NewHdu, append_hdus, as_extension, delete_hdu, insert_hdus};
use crate::engine::Op;
use crate::error::{Result, ResultExt};
use crate::format::{HduLayout, Header};
use crate::image::empty_primary;
use crate::source::ReadAt;
use crate::target::Target;
use crate::writer::FitsWriter;

impl FitsWriter {
    /// Deletes an HDU; those behind it move up. A primary HDU becomes an empty one: a file has to begin with one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`](crate::ErrorKind::Index) or [`ErrorKind::Key`](crate::ErrorKind::Key) where there is no such HDU.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// for name in ["ONE", "TWO", "THREE"] {
    ///     fits.write_image(&ndarray::array![1i16], ImageOptions::named(name)).wait()?;
    /// }
    /// fits.delete_hdu("TWO").wait()?;
    /// assert_eq!(fits.reader().hdu("THREE").wait()?.index(), 1);
    /// fits.delete_hdu(0).wait()?;
    /// assert_eq!(fits.reader().count().wait()?, 2);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn delete_hdu(&self, key: impl Into<HduKey>) -> Op<()> {
        let (shared, key) = (Arc::clone(&self.shared), key.into());
        Op::edit(move || shared.delete(&key).in_file(shared.file().name()))
    }
}

impl Changer {
    /// Puts new HDUs in front of the one that `before` names, or behind the last one. `make` makes them, given whether the first of them is the
    /// primary HDU of the file. Returns the number of the last of them.
    pub(crate) fn insert<'a>(
        &self,
        before: Option<&HduKey>,
        make: impl FnOnce(bool) -> Result<Vec<NewHdu<'a>>>,
    ) -> Result<usize> {
        self.insert_into(&mut *self.target()?, before, make)
    }

    /// As [`Changer::insert`], by one who holds what it changes.
    pub(crate) fn insert_into<'a>(
        &self,
        target: &mut Target,
        before: Option<&HduKey>,
        make: impl FnOnce(bool) -> Result<Vec<NewHdu<'a>>>,
    ) -> Result<usize> {
        let index = {
            let mut directory = self.file().directory();
            self.write_staged(target, &mut directory)?;
            let source = target.source();
            let count = directory.count_whole(&*source)?;
            before.map_or(Ok(count), |key| directory.number(key, &*source))?
        };
        // Without the directory, which what is copied may have to be looked up in. The target is held: no HDU moves meanwhile.
        let hdus = make(index == 0)?;
        let mut directory = self.file().directory();
        let source = target.source();
        let at = directory.start_of(index);
        let headers: Vec<_> = hdus.iter().map(|hdu| hdu.header.clone()).collect();
        let followed = index < directory.count(&*source)?;
        let extension = if followed && index == 0 { Some(demoted(&mut directory, &*source)?) } else { None };
        let plan =
            if followed { insert_hdus(hdus, at, extension.clone(), source.len())? } else { append_hdus(hdus, at)? };
        target.carry_out_or_take_back(plan)?;
        let number = index + headers.len();
        for (place, header) in (index..).zip(&headers) {
            let start = directory.start_of(place);
            directory.insert(place, header, start)?;
        }
        if let Some(Demoted { extension: blocks, .. }) = extension {
            let header = Header::with_rules(&blocks, self.file().lenient()).placed(self.file().name(), number);
            let layout = HduLayout::new(&header, directory.start_of(number) + blocks.len() as u64)?;
            directory.replace(number, header, blocks, layout, None);
        }
        self.file().replace_source(target.source());
        Ok(number - 1)
    }

    fn delete(&self, key: &HduKey) -> Result<()> {
        let mut target = self.target()?;
        let mut directory = self.file().directory();
        self.write_staged(&mut target, &mut directory)?;
        let source = target.source();
        let hdu = directory.find(key, &*source)?;
        let (index, range) = (hdu.index, directory.start_of(hdu.index)..hdu.layout.end());
        let last = directory.is_last(index, &*source)?;
        let instead = if index == 0 { empty_primary()?.header } else { Vec::new() };
        target.carry_out(delete_hdu(range, instead.clone(), last, source.len()))?;
        directory.remove(index);
        if !instead.is_empty() {
            directory.insert(0, &instead, 0)?;
        }
        self.file().replace_source(target.source());
        Ok(())
    }
}

/// What becomes of the primary HDU where another comes in front of it.
fn demoted(directory: &mut Directory, source: &dyn ReadAt) -> Result<Demoted> {
    let edited = directory.edit(0, source)?;
    let extension = as_extension(&edited.header).in_hdu(0)?;
    Ok(Demoted { header: 0..edited.blocks.len() as u64, extension })
}
