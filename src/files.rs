//! Whole files in one call: the first HDU with data; a file of one image, which appears when it is complete.

use std::path::Path;

use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result};
use crate::hdu::HduInfo;
use crate::image_writer::PixelValues;
use crate::io::Location;
use crate::io::location::parse;
use crate::io::replacement::refuse_other_names;
use crate::reader::FitsReader;
use crate::table_values::TableValues;
use crate::table_writer::TableOptions;
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
        written(name.as_ref(), append, move |writer| writer.write_image_values(values, options))
    }

    /// As [`FitsWriter::write_file`], a table; see [`FitsWriter::write_table`].
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::create`], [`FitsWriter::open`] and [`FitsWriter::write_table`].
    pub fn write_table_file(
        name: impl AsRef<Path>,
        append: bool,
        columns: impl Into<TableValues>,
        options: TableOptions,
    ) -> Op<()> {
        let columns = columns.into();
        written(name.as_ref(), append, move |writer| writer.write_table(columns, options))
    }
}

fn written(name: &Path, append: bool, write: impl FnOnce(&FitsWriter) -> Op<usize> + Send + 'static) -> Op<()> {
    let name = name.to_owned();
    Op::edit(move || {
        let writer = if append { FitsWriter::open(&name).wait()? } else { created(&name)? };
        let written = write(&writer).wait();
        written.and_then(|_| writer.close().wait())
    })
}

/// A file that appears when it is complete; where that can't be, one that is written in place.
fn created(name: &Path) -> Result<FitsWriter> {
    if !can_be_replaced(name) {
        return FitsWriter::create(name).wait();
    }
    match FitsWriter::create_atomic(name).wait() {
        // A directory in which no file can be made may hold one that can be written.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => FitsWriter::create(name).wait(),
        created => created,
    }
}

fn can_be_replaced(name: &Path) -> bool {
    let Ok(Location::Path(path)) = parse(name) else { return true };
    let is_other = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    !is_other && (!path.exists() || refuse_other_names(&path).is_ok())
}
