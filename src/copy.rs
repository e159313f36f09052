//! Copying whole HDUs, within a file and from one to another.

use std::sync::Arc;

use crate::directory::HduKey;
use crate::edit::{append_hdu, as_extension};
use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::Source;
use crate::format::DataType;
use crate::reader::FitsReader;
use crate::source::{Content, EditPlan, ReadAt, past_the_end};
use crate::writer::{Changer, FitsWriter, ImageOptions};

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
        let (writer, from, key) = (self.clone(), from.clone(), key.into());
        Op::edit(move || {
            let source = match from.file.source()? {
                Source::Local(source) => source,
                Source::Ranged(_) => {
                    let message = "a ranged file has only parts of its bytes: open it without remote= to copy from it";
                    return Err(Error::new(ErrorKind::Io, message).in_file(from.name()));
                }
            };
            // Looked up before anything is written.
            let found = from.file.find_local(&key, Arc::clone(&source))?.0;
            let is_primary = found.header.contains("SIMPLE");
            if !is_primary && writer.reader().count().wait()? == 0 {
                writer.write_image_bytes(DataType::U8, Vec::new(), Vec::new(), ImageOptions::default()).wait()?;
            }
            let file = Arc::clone(&writer.reader.file);
            writer.shared.append_copy(&from, found.index, source).in_file(file.name())
        })
    }
}

impl Changer {
    fn append_copy(&self, from: &FitsReader, index: usize, source: Arc<dyn ReadAt>) -> Result<usize> {
        let mut target = self.target()?;
        self.write_staged(&mut target, &mut self.file().directory())?;
        // Only now: in the same file, the move may have changed where the HDU is.
        let (hdu, source) = from.file.find_local(&index.into(), source)?;
        let layout = &hdu.layout;
        let (start, len) = (layout.data_start, layout.data_len);
        if start.saturating_add(len) > source.len() {
            let error = past_the_end(start, usize::try_from(len).unwrap_or(usize::MAX), source.len());
            return Err(error.in_hdu(index).in_file(from.name()));
        }
        let mut directory = self.file().directory();
        directory.count(&*target.source())?;
        let at = directory.append_at();
        let header = if at == 0 { hdu.header.to_bytes() } else { as_extension(&hdu.header).in_hdu(index)? };
        // With its padding, where the file has it.
        let kept = layout.end().min(source.len()) - start;
        let producer =
            move |range: std::ops::Range<u64>, output: &mut [u8]| source.read_at(start + range.start, output);
        let data = Content::Made { len: kept, producer: Box::new(producer) };
        let steps = append_hdu(at, &header, Some(data), len)?;
        target.carry_out(EditPlan::InPlace(steps))?;
        Ok(directory.push(&header, at)?.index)
    }
}
