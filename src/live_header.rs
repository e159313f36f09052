//! The header of an HDU as it is now: read without I/O, edited where the file can be changed.

use std::sync::Arc;

use crate::directory::HduId;
use crate::engine::Op;
use crate::error::Result;
use crate::format::{HduKind, Header, is_protected_keyword};
use crate::hdu::HduInfo;
use crate::reader::FitsReader;
use crate::tiled::{as_shown, edit_as_shown};

/// The header of one HDU of an open file. Unlike a [`Header`], which is a copy, it changes with the file, and can change it.
///
/// Reading works after the file was closed, too.
///
/// # Examples
///
/// ```
/// use rustfits::{FitsWriter, ImageOptions};
///
/// let fits = FitsWriter::create("mem://").wait()?;
/// fits.write_image(&ndarray::array![[1i16, 2]], ImageOptions::default()).wait()?;
/// let info = fits.reader().hdu(0).wait()?;
/// let header = fits.reader().live_header(&info);
/// header.edit(|header| header.set("EXPTIME", 30)).wait()?;
/// assert_eq!(header.read(|header| header.get::<i64>("EXPTIME"))?, 30);
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone)]
pub struct LiveHeader {
    reader: FitsReader,
    id: HduId,
    index: usize,
    /// As it was when the HDU was found; the stored one.
    found: Arc<Header>,
    /// Such a header as it is shown.
    shown: Arc<Header>,
    /// Whether what is shown is the header of the table before it was compressed.
    of_table: bool,
}

impl LiveHeader {
    pub(crate) fn new(reader: FitsReader, info: &HduInfo) -> Self {
        let (found, shown) = (Arc::clone(info.stored_header()), Arc::clone(info.header()));
        let of_table = info.kind() == HduKind::CompressedTable;
        Self { reader, id: info.id(), index: info.index(), found, shown, of_table }
    }

    /// Lends the header as it is now, with edits that still wait to be written; of a compressed image that of the image which it stands for, of a compressed
    /// table that of the table before it was compressed.
    pub fn read<T>(&self, visit: impl FnOnce(&Header) -> T) -> T {
        if !self.can_change() {
            return visit(&self.shown);
        }
        let directory = self.reader.file.directory();
        directory.with_header(self.id, |header| visit(&as_shown(header)), &self.found)
    }

    /// As [`LiveHeader::read`], to look for a keyword: of a compressed image those of the compression, such as ZCMPTYPE, are found, too.
    pub fn look_up<T>(&self, keyword: &str, visit: impl FnOnce(&Header) -> T) -> T {
        if self.of_table {
            return self.read(visit);
        }
        let of_compression = is_protected_keyword(keyword) && keyword.trim().to_ascii_uppercase().starts_with('Z');
        let visit_one = |header: &Header| {
            if of_compression { visit(header) } else { visit(&as_shown(header)) }
        };
        if !self.can_change() {
            return visit_one(&self.found);
        }
        let directory = self.reader.file.directory();
        directory.with_header(self.id, visit_one, &self.found)
    }

    /// Whether the file was opened to be changed.
    pub fn can_change(&self) -> bool {
        self.reader.writer.is_some()
    }

    /// Changes the header: all that `edit` does, or nothing where it fails. See [`FitsWriter::edit_header`](crate::FitsWriter::edit_header).
    ///
    /// # Errors
    ///
    /// Those of `edit`; [`ErrorKind::ReadOnly`](crate::ErrorKind::ReadOnly) where the file was opened to be read only.
    pub fn edit(&self, edit: impl FnOnce(&mut Header) -> Result<()> + Send + 'static) -> Op<()> {
        self.edit_once(move |header| {
            let mut edited = header.clone();
            edit(&mut edited)?;
            *header = edited;
            Ok(())
        })
    }

    /// As [`LiveHeader::edit`] for an edit that by itself does all or nothing, as each method of [`Header`] does: without the copy that takes
    /// back what a longer edit did before it failed.
    pub fn edit_once(&self, edit: impl FnOnce(&mut Header) -> Result<()> + Send + 'static) -> Op<()> {
        match self.reader.changer() {
            Ok(changer) => changer.change_header(self.id.into(), |header| edit_as_shown(header, edit)),
            Err(error) => Op::failed(error.in_hdu(self.index)),
        }
    }
}

impl std::fmt::Debug for LiveHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveHeader(HDU {} of {})", self.index, self.reader.name())
    }
}
