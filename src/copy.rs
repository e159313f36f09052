//! Copying whole HDUs, within a file and from one to another.

use std::ops::Range;
use std::sync::Arc;

use crate::directory::{HduEntry, HduKey};
use crate::edit::{NewHdu, as_extension};
use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::Source;
use crate::image::empty_primary;
use crate::reader::FitsReader;
use crate::source::{Content, ReadAt, past_the_end};
use crate::writer::FitsWriter;

impl FitsWriter {
    /// Appends a copy of an HDU of this or another open file: its cards and its data byte for byte. Returns the number of the new HDU.
    ///
    /// A primary image that is copied into a file with HDUs becomes an image extension, without its CHECKSUM; an extension that is copied into an
    /// empty file gets an empty primary HDU in front.
    ///
    /// # Errors
    ///
    /// There is no such HDU, or it is cut short; the other file is read by ranges; random groups are copied behind other HDUs.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let one = FitsWriter::create("mem://").wait()?;
    /// one.write_image(&ndarray::array![[1i16, 2]], ImageOptions::named("SCI")).wait()?;
    /// let other = FitsWriter::create("mem://").wait()?;
    /// assert_eq!(other.copy_hdu(one.reader(), "SCI").wait()?, 0);
    /// assert_eq!(other.copy_hdu(one.reader(), "SCI").wait()?, 1);
    /// assert_eq!(other.reader().image(1).read::<i16>().wait()?, ndarray::array![[1i16, 2]].into_dyn());
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn copy_hdu(&self, from: &FitsReader, key: impl Into<HduKey>) -> Op<usize> {
        self.copy(from, key.into(), None)
    }

    /// As [`FitsWriter::copy_hdu`], in front of the HDU that `before` names. In front of the primary HDU a primary one becomes the primary one, and
    /// any other gets an empty one in front; the old one becomes an extension.
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::copy_hdu`]; random groups can't become an extension.
    pub fn copy_hdu_before(&self, from: &FitsReader, key: impl Into<HduKey>, before: impl Into<HduKey>) -> Op<usize> {
        self.copy(from, key.into(), Some(before.into()))
    }

    fn copy(&self, from: &FitsReader, key: HduKey, before: Option<HduKey>) -> Op<usize> {
        let (writer, from) = (self.clone(), from.clone());
        Op::edit(move || {
            let source = match from.file.source()? {
                Source::Local(source) => source,
                Source::Ranged(_) | Source::Arriving(_) => {
                    let message = "not all bytes of the file are here: open it without remote= to copy from it";
                    return Err(Error::new(ErrorKind::Io, message).in_file(from.name()));
                }
            };
            // In the same file a header that waited may move it: only when it has.
            let copied = writer.shared.insert(before.as_ref(), |primary| {
                let (hdu, source) = from.file.find_local(&key, source)?;
                copies(&hdu, source, primary).in_hdu(hdu.index).in_file(from.name())
            });
            copied.in_file(writer.reader.name())
        })
    }
}

/// What an HDU of the source becomes: itself, after an empty primary HDU where it has to come first and can't.
fn copies(hdu: &HduEntry, source: Arc<dyn ReadAt>, primary: bool) -> Result<Vec<NewHdu<'static>>> {
    let layout = &hdu.layout;
    let (start, len) = (layout.data_start, layout.data_len);
    if start.saturating_add(len) > source.len() {
        return Err(past_the_end(start, usize::try_from(len).unwrap_or(usize::MAX), source.len()));
    }
    let can_be_primary = hdu.header.contains("SIMPLE");
    let header = if primary && can_be_primary { hdu.header.to_bytes() } else { as_extension(&hdu.header)? };
    // With its padding, where the file has it.
    let kept = layout.end().min(source.len()) - start;
    let producer = move |range: Range<u64>, output: &mut [u8]| source.read_at(start + range.start, output);
    let data = Content::Derived { len: kept, producer: Box::new(producer) };
    let copy = NewHdu { header, data: Some(data), data_len: len };
    Ok(if primary && !can_be_primary { vec![empty_primary()?, copy] } else { vec![copy] })
}
