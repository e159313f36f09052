//! One HDU of a stream: its header, which is here, and its data, which come.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::bands::ImageBands;
use super::rows::StreamedRows;
use super::{Shared, not_of_kind};
use crate::directory::{Directory, HduEntry};
use crate::engine::Op;
use crate::error::{Error, Result};
use crate::file::{OpenFile, Source};
use crate::format::{HduKind, Header};
use crate::hdu::HduInfo;
use crate::image_data::{ImageData, Pixel};
use crate::io::Arrival;
use crate::reader::{FitsReader, ImageSelector};
use crate::table_data::{Records, TableSelector};

/// An HDU of a [`FitsStream`](super::FitsStream). Its data can be read until the stream goes to the next HDU, each part once.
pub struct StreamHdu {
    shared: Arc<Shared>,
    /// The stream as a file of this HDU.
    reader: FitsReader,
    entry: Arc<HduEntry>,
    info: HduInfo,
}

impl StreamHdu {
    pub(super) fn new(shared: Arc<Shared>, entry: Arc<HduEntry>) -> Self {
        let directory = Directory::of_one(Arc::clone(&entry), shared.lenient);
        let source = Source::Arriving(Arc::clone(&shared.arrival));
        let file = OpenFile::of_directory(Arc::clone(&shared.name), shared.lenient, source, directory);
        Self { shared, reader: FitsReader::of(file), info: HduInfo::new(Arc::clone(&entry)), entry }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn entry(&self) -> &Arc<HduEntry> {
        &self.entry
    }

    pub(super) fn arrival(&self) -> &Arc<Arrival> {
        &self.shared.arrival
    }

    /// The stream as a file of this HDU: for bindings to other languages.
    #[doc(hidden)]
    pub fn reader(&self) -> &FitsReader {
        &self.reader
    }

    /// What the HDU is: its number in the stream, kind, name, shape, columns.
    pub fn info(&self) -> &HduInfo {
        &self.info
    }

    /// The header.
    pub fn header(&self) -> &Arc<Header> {
        self.info.header()
    }

    /// The image as something of which sections are read. The bytes that a section needs are waited for and kept until [`ImageBands`], or the next
    /// HDU, lets go of them; at most [`max_held`](super::StreamOptions::max_held) of them.
    pub fn image(&self) -> ImageSelector {
        self.reader.image(self.info.id())
    }

    /// The table as something of which columns and rows are read, as [`StreamHdu::image`].
    pub fn table(&self) -> TableSelector {
        self.reader.table(self.info.id())
    }

    /// The image in bands along its first axis, from the first to the last, of about so many bytes each (8 MiB unless given), at least one row.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no image, or for bands of 0 bytes.
    pub fn bands(&self, bytes: Option<u64>) -> Result<ImageBands> {
        ImageBands::new(self, bytes)
    }

    /// The rows of a table, so many at a time; about 8 MiB of them unless given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no table, or for chunks of 0 rows.
    pub fn rows(&self, chunk: Option<u64>) -> Result<StreamedRows> {
        StreamedRows::new(self, chunk)
    }

    /// Reads the whole image, in the type that the file has it in.
    ///
    /// # Errors
    ///
    /// As [`StreamHdu::bands`]; the stream breaks off or is cut short; part of the image was read before.
    pub fn read_dyn(&self) -> Op<ImageData> {
        match self.bands(None) {
            Ok(bands) => bands.rest(),
            Err(error) => Op::failed(error),
        }
    }

    /// Reads the whole image into an array of `T`; see [`ImageSelector::read`].
    ///
    /// # Errors
    ///
    /// As [`StreamHdu::read_dyn`] and [`ImageSelector::read`].
    pub fn read<T: Pixel>(&self) -> Op<ArrayD<T>> {
        self.read_dyn().map(|image| {
            let shape = IxDyn(image.shape());
            let values = T::convert(image.into_buffer())?;
            ArrayD::from_shape_vec(shape, values).map_err(|error| Error::argument(error.to_string()))
        })
    }

    /// Reads the whole table as records; see [`TableSelector::read_records`].
    ///
    /// # Errors
    ///
    /// As [`StreamHdu::rows`]; the stream breaks off or is cut short.
    pub fn read_records(&self) -> Op<Records> {
        match self.rows(None) {
            Ok(rows) => rows.rest(),
            Err(error) => Op::failed(error),
        }
    }

    /// An error unless the HDU is a table.
    pub(super) fn check_table(&self) -> Result<()> {
        match self.info.kind() {
            HduKind::BinaryTable | HduKind::AsciiTable | HduKind::CompressedTable => Ok(()),
            _ => Err(not_of_kind(self, "a table")),
        }
    }
}

impl std::fmt::Debug for StreamHdu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StreamHdu({}, {:?})", self.info.index(), self.info.kind())
    }
}
