//! The blocking face: the same operations, waited for. Every method is one line over the async one.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayD;

use crate::directory::HduKey;
use crate::error::Result;
use crate::format::Header;
use crate::hdu::HduInfo;
use crate::image::Section;
use crate::image_data::{ImageData, Pixel};
use crate::options::OpenOptions;
use crate::table::{ColumnKey, Rows};
use crate::table_data::Columns;

/// A FITS file open for reading; see [`crate::FitsReader`].
///
/// # Examples
///
/// ```no_run
/// let image = rustfits::blocking::FitsReader::open("image.fits")?.image(0).read::<f32>()?;
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FitsReader(crate::FitsReader);

impl FitsReader {
    /// See [`crate::FitsReader::open`].
    pub fn open(name: impl AsRef<Path>) -> Result<Self> {
        crate::FitsReader::open(name).wait().map(Self)
    }

    /// See [`crate::FitsReader::open_with`].
    pub fn open_with(name: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        crate::FitsReader::open_with(name, options).wait().map(Self)
    }

    /// See [`crate::FitsReader::from_bytes`].
    pub fn from_bytes(bytes: impl Into<bytes::Bytes>) -> Result<Self> {
        crate::FitsReader::from_bytes(bytes).wait().map(Self)
    }

    /// See [`crate::FitsReader::count`].
    pub fn count(&self) -> Result<usize> {
        self.0.count().wait()
    }

    /// See [`crate::FitsReader::hdu`].
    pub fn hdu(&self, key: impl Into<HduKey>) -> Result<HduInfo> {
        self.0.hdu(key).wait()
    }

    /// See [`crate::FitsReader::header`].
    pub fn header(&self, key: impl Into<HduKey>) -> Result<Arc<Header>> {
        self.0.header(key).wait()
    }

    /// See [`crate::FitsReader::image`].
    pub fn image(&self, key: impl Into<HduKey>) -> ImageSelector {
        ImageSelector(self.0.image(key))
    }

    /// See [`crate::FitsReader::table`].
    pub fn table(&self, key: impl Into<HduKey>) -> TableSelector {
        TableSelector(self.0.table(key))
    }

    /// See [`crate::FitsReader::to_bytes`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.0.to_bytes().wait()
    }

    /// The async reader of the same file.
    pub fn into_async(self) -> crate::FitsReader {
        self.0
    }
}

/// An image, or a section of one, that can be read; see [`crate::ImageSelector`].
#[derive(Clone)]
pub struct ImageSelector(crate::ImageSelector);

impl ImageSelector {
    /// See [`crate::ImageSelector::section`].
    #[must_use]
    pub fn section(self, section: impl Into<Section>) -> Self {
        Self(self.0.section(section))
    }

    /// See [`crate::ImageSelector::unscaled`].
    #[must_use]
    pub fn unscaled(self) -> Self {
        Self(self.0.unscaled())
    }

    /// See [`crate::ImageSelector::read`].
    pub fn read<T: Pixel>(&self) -> Result<ArrayD<T>> {
        self.0.read().wait()
    }

    /// See [`crate::ImageSelector::read_dyn`].
    pub fn read_dyn(&self) -> Result<ImageData> {
        self.0.read_dyn().wait()
    }
}

/// A table, or some of its columns and rows, that can be read; see [`crate::TableSelector`].
#[derive(Clone)]
pub struct TableSelector(crate::TableSelector);

impl TableSelector {
    /// See [`crate::TableSelector::columns`].
    #[must_use]
    pub fn columns<K: Into<ColumnKey>>(self, columns: impl IntoIterator<Item = K>) -> Self {
        Self(self.0.columns(columns))
    }

    /// See [`crate::TableSelector::rows`].
    #[must_use]
    pub fn rows(self, rows: impl Into<Rows>) -> Self {
        Self(self.0.rows(rows))
    }

    /// See [`crate::TableSelector::read`].
    pub fn read(&self) -> Result<Columns> {
        self.0.read().wait()
    }
}
