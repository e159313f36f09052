//! Whole files in one call: the first HDU with data; a file of one image, which appears when it is complete.

use std::path::{Path, PathBuf};

use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::hdu::HduInfo;
use crate::image_writer::PixelValues;
use crate::io::location::{is_gzip_name, parse};
use crate::io::{Location, Replacement};
use crate::reader::FitsReader;
use crate::writer::{FitsWriter, ImageOptions};

impl FitsReader {
    /// The first HDU that has data.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] where none has.
    pub fn first_with_data(&self) -> Op<HduInfo> {
        self.file.locate(|file, source| {
            for index in 0_usize.. {
                match file.find(&index.into(), source) {
                    Ok(hdu) if hdu.layout.has_data() => return Ok(HduInfo::new(hdu)),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::Index => break,
                    Err(error) => return Err(error),
                }
            }
            Err(Error::argument("no HDU of the file has data"))
        })
    }
}

impl FitsWriter {
    /// Writes an image into a file and closes it; see [`FitsWriter::write_image_values`].
    ///
    /// With `append` the image goes behind the HDUs of a file that is there. Else a file is made beside the place and takes it once it is complete: a
    /// failure or a kill leaves what was there before. Where no file can be made beside it, and where the name is of a device or of a file with
    /// several hard links, it is written in place.
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::create`], [`FitsWriter::open`] and [`FitsWriter::write_image_values`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{DataType, FitsReader, FitsWriter, Header, ImageOptions, PixelValues};
    ///
    /// # let name = std::env::temp_dir().join("rustfits-write-file-doctest.fits");
    /// let mut header = Header::new();
    /// header.set("EXPTIME", 30)?;
    /// let values = PixelValues::from_bytes(DataType::U8, vec![2, 2], vec![1, 2, 3, 4]);
    /// let options = ImageOptions { header: Some(header), ..ImageOptions::default() };
    /// FitsWriter::write_file(&name, false, values, options).wait()?;
    /// assert_eq!(FitsReader::open(&name).wait()?.header(0).wait()?.get::<i64>("EXPTIME")?, 30);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn write_file(name: impl AsRef<Path>, append: bool, values: PixelValues, options: ImageOptions) -> Op<()> {
        let name = name.as_ref().to_owned();
        Op::edit(move || {
            let replacement = if append { None } else { replacement(&name)? };
            let place = replacement.as_ref().map_or(&*name, Replacement::path);
            let writer = if append { FitsWriter::open(place) } else { FitsWriter::create(place) }.wait()?;
            let written = writer.write_image_values(values, options).wait().and_then(|_| writer.close().wait());
            match replacement {
                // The name under which it was made says nothing to anybody.
                Some(replacement) => written
                    .and_then(|()| replacement.take_place(false).map(drop))
                    .map_err(|error| error.of_file(&name.to_string_lossy())),
                None => written,
            }
        })
    }
}

/// What is made beside a file on disk; `None` where the file is written in place.
fn replacement(name: &Path) -> Result<Option<Replacement>> {
    let location = parse(name)?;
    match &location {
        // A gzip file is made in memory and takes its place by itself.
        Location::Path(_) if is_gzip_name(&location) => Ok(None),
        Location::Path(path) => beside(path).in_file(&path.to_string_lossy()),
        _ => Ok(None),
    }
}

fn beside(path: &PathBuf) -> Result<Option<Replacement>> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => return Ok(None),
        Ok(_) if crate::io::replacement::refuse_other_names(path).is_err() => return Ok(None),
        // Whoever may not write the file may not replace it either.
        Ok(_) => drop(std::fs::OpenOptions::new().write(true).open(path)?),
        Err(_) => {}
    }
    match Replacement::of(path) {
        Ok(replacement) => Ok(Some(replacement)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied && path.exists() => Ok(None),
        Err(error) => Err(error),
    }
}
