//! The blocking face: the same operations, waited for. Every method is one line over the async one.
//!
//! Many files at once need no face of their own: see [`Fetch::wait`](crate::Fetch::wait).

use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use crate::directory::HduKey;
use crate::error::Result;
use crate::format::{DataType, Element, Header};
use crate::hdu::HduInfo;
use crate::image::Section;
use crate::image_data::{ImageData, Pixel};
use crate::image_writer::PixelValues;
use crate::options::OpenOptions;
use crate::stream::StreamOptions;
use crate::table::{ColumnKey, Rows};
use crate::table_data::{Columns, Field, Records};
use crate::table_editor::ColumnOptions;
use crate::table_values::{ColumnValues, TableValues};
use crate::table_writer::TableOptions;
use crate::writer::{ImageOptions, WriteOptions};

/// Methods that wait for the operation of the same name of the async type, and those that have nothing to wait for.
macro_rules! forwarded {
    ($async:ident; $(waited fn $waited:ident($($argument:ident: $type:ty),*) -> $result:ty;)* $(fn $plain:ident() -> $value:ty;)*) => {
        $(#[doc = concat!("See [`crate::", stringify!($async), "::", stringify!($waited), "`].")]
        pub fn $waited(&self, $($argument: $type),*) -> Result<$result> {
            self.0.$waited($($argument),*).wait()
        })*
        $(#[doc = concat!("See [`crate::", stringify!($async), "::", stringify!($plain), "`].")]
        pub fn $plain(&self) -> $value {
            self.0.$plain()
        })*
    };
}

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

    /// See [`crate::FitsReader::from_bytes_with`].
    pub fn from_bytes_with(bytes: impl Into<bytes::Bytes>, options: OpenOptions) -> Result<Self> {
        crate::FitsReader::from_bytes_with(bytes, options).wait().map(Self)
    }

    forwarded! {
        FitsReader;
        waited fn count() -> usize;
        waited fn hdu(key: impl Into<HduKey>) -> HduInfo;
        waited fn contains(key: impl Into<HduKey>) -> bool;
        waited fn header(key: impl Into<HduKey>) -> Arc<Header>;
        waited fn first_with_data() -> HduInfo;
        waited fn verify_datasum(key: impl Into<HduKey>) -> Option<bool>;
        waited fn verify_checksum(key: impl Into<HduKey>) -> Option<bool>;
        waited fn to_bytes() -> Vec<u8>;
        fn name() -> &str;
        fn warning() -> Option<&str>;
        fn close() -> ();
        fn is_closed() -> bool;
    }

    /// See [`crate::FitsReader::image`].
    pub fn image(&self, key: impl Into<HduKey>) -> ImageSelector {
        ImageSelector(self.0.image(key))
    }

    /// See [`crate::FitsReader::table`].
    pub fn table(&self, key: impl Into<HduKey>) -> TableSelector {
        TableSelector(self.0.table(key))
    }

    /// The async reader of the same file.
    pub fn into_async(self) -> crate::FitsReader {
        self.0
    }
}

/// An image, or a section of one, that can be read; see [`crate::ImageSelector`].
#[derive(Clone, Debug)]
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

    forwarded! {
        ImageSelector;
        waited fn read_dyn() -> ImageData;
        waited fn read_masked() -> ImageData;
        waited fn write_values(values: PixelValues) -> ();
        waited fn write_from(start: Vec<u64>, values: PixelValues) -> ();
        waited fn write_flat(start: u64, values: PixelValues) -> ();
        waited fn extend_values(rows: Vec<PixelValues>) -> ();
        waited fn repack() -> ();
    }

    /// See [`crate::ImageSelector::write`].
    pub fn write<T: Element, S: Data<Elem = T>, D: Dimension>(&self, data: &ArrayBase<S, D>) -> Result<()> {
        self.0.write(data).wait()
    }

    /// See [`crate::ImageSelector::extend`].
    pub fn extend<T: Element, S: Data<Elem = T>, D: Dimension>(&self, data: &ArrayBase<S, D>) -> Result<()> {
        self.0.extend(data).wait()
    }
}

/// A table, or some of its columns and rows, that can be read; see [`crate::TableSelector`].
#[derive(Clone, Debug)]
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

    /// See [`crate::TableSelector::unscaled`].
    #[must_use]
    pub fn unscaled(self) -> Self {
        Self(self.0.unscaled())
    }

    /// See [`crate::TableSelector::text_as_bytes`].
    #[must_use]
    pub fn text_as_bytes(self) -> Self {
        Self(self.0.text_as_bytes())
    }

    /// See [`crate::TableSelector::masked`].
    #[must_use]
    pub fn masked(self) -> Self {
        Self(self.0.masked())
    }

    forwarded! {
        TableSelector;
        waited fn read() -> Columns;
        waited fn read_records() -> Records;
        waited fn write(columns: impl Into<TableValues>) -> ();
        waited fn append(rows: impl Into<TableValues>) -> ();
        waited fn repack() -> ();
        waited fn append_all(groups: Vec<Vec<ColumnValues>>) -> ();
        waited fn truncate(rows: u64) -> ();
        waited fn insert_column(values: ColumnValues, options: ColumnOptions) -> ();
        waited fn delete_column(column: impl Into<ColumnKey>) -> ();
    }

    /// See [`crate::TableSelector::read_batch`].
    #[cfg(feature = "arrow")]
    pub fn read_batch(&self) -> Result<arrow_array::RecordBatch> {
        self.0.read_batch().wait()
    }

    /// See [`crate::TableSelector::batches`].
    #[cfg(feature = "arrow")]
    pub fn batches(&self, rows: Option<u64>) -> Result<crate::BatchReader> {
        self.0.batches(rows).wait()
    }
}

/// A FITS file that is read as it comes, HDU after HDU: an iterator; see [`crate::FitsStream`].
///
/// # Examples
///
/// ```no_run
/// use rustfits::blocking::FitsStream;
///
/// for hdu in FitsStream::from_read(std::io::stdin())? {
///     let hdu = hdu?;
///     for band in hdu.bands(None)? {
///         println!("{:?}: {:?}", hdu.info().name(), band?.shape());
///     }
/// }
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Debug)]
pub struct FitsStream(crate::FitsStream);

impl FitsStream {
    /// See [`crate::FitsStream::open`].
    pub fn open(name: impl AsRef<Path>) -> Result<Self> {
        crate::FitsStream::open(name).wait().map(Self)
    }

    /// See [`crate::FitsStream::open_with`].
    pub fn open_with(name: impl AsRef<Path>, options: StreamOptions) -> Result<Self> {
        crate::FitsStream::open_with(name, options).wait().map(Self)
    }

    /// See [`crate::FitsStream::from_read`].
    pub fn from_read(reader: impl std::io::Read + Send + 'static) -> Result<Self> {
        crate::FitsStream::from_read(reader).map(Self)
    }

    /// See [`crate::FitsStream::from_read_with`].
    pub fn from_read_with(reader: impl std::io::Read + Send + 'static, options: StreamOptions) -> Result<Self> {
        crate::FitsStream::from_read_with(reader, options).map(Self)
    }
}

impl Iterator for FitsStream {
    type Item = Result<StreamHdu>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().wait().map(|hdu| hdu.map(StreamHdu)).transpose()
    }
}

/// An HDU of a stream; see [`crate::StreamHdu`].
#[derive(Debug)]
pub struct StreamHdu(crate::StreamHdu);

impl StreamHdu {
    /// The bands of the image, as an iterator; see [`crate::StreamHdu::bands`].
    pub fn bands(&self, bytes: Option<u64>) -> Result<impl Iterator<Item = Result<ImageData>> + use<>> {
        let mut bands = self.0.bands(bytes)?;
        Ok(std::iter::from_fn(move || bands.next().wait().transpose()))
    }

    /// The rows of the table in chunks, as an iterator; see [`crate::StreamHdu::rows`].
    pub fn rows(&self, chunk: Option<u64>) -> Result<impl Iterator<Item = Result<Records>> + use<>> {
        let mut rows = self.0.rows(chunk)?;
        Ok(std::iter::from_fn(move || rows.next().wait().transpose()))
    }

    /// See [`crate::StreamHdu::read`].
    pub fn read<T: Pixel>(&self) -> Result<ArrayD<T>> {
        self.0.read().wait()
    }

    forwarded! {
        StreamHdu;
        waited fn read_dyn() -> ImageData;
        waited fn read_records() -> Records;
        fn info() -> &HduInfo;
        fn header() -> &Arc<Header>;
    }

    /// The async HDU, for what else can be set.
    pub fn as_async(&self) -> &crate::StreamHdu {
        &self.0
    }
}

/// A FITS file that is made or changed; see [`crate::FitsWriter`].
///
/// # Examples
///
/// ```
/// use rustfits::ImageOptions;
/// use rustfits::blocking::FitsWriter;
///
/// let fits = FitsWriter::create("mem://")?;
/// fits.write_image(&ndarray::array![[1i16, 2], [3, 4]], ImageOptions::named("SCI"))?;
/// fits.edit_header("SCI", |header| header.set("EXPTIME", 30))?;
/// fits.reader().image("SCI").extend(&ndarray::array![5i16, 6])?;
/// fits.write_section("SCI", ndarray::s![0, ..], &ndarray::array![7i16, 8])?;
/// assert_eq!(fits.reader().header("SCI")?.get::<i64>("EXPTIME")?, 30);
/// assert_eq!(fits.reader().image("SCI").read::<i16>()?, ndarray::array![[7i16, 8], [3, 4], [5, 6]].into_dyn());
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FitsWriter(crate::FitsWriter);

impl FitsWriter {
    /// See [`crate::FitsWriter::create`].
    pub fn create(name: impl AsRef<Path>) -> Result<Self> {
        crate::FitsWriter::create(name).wait().map(Self)
    }

    /// See [`crate::FitsWriter::create_atomic`].
    pub fn create_atomic(name: impl AsRef<Path>) -> Result<Self> {
        crate::FitsWriter::create_atomic(name).wait().map(Self)
    }

    /// See [`crate::FitsWriter::open`].
    pub fn open(name: impl AsRef<Path>) -> Result<Self> {
        crate::FitsWriter::open(name).wait().map(Self)
    }

    /// See [`crate::FitsWriter::open_with`].
    pub fn open_with(name: impl AsRef<Path>, options: WriteOptions) -> Result<Self> {
        crate::FitsWriter::open_with(name, options).wait().map(Self)
    }

    /// See [`crate::FitsWriter::from_bytes`].
    pub fn from_bytes(bytes: impl Into<Vec<u8>>, options: WriteOptions) -> Result<Self> {
        crate::FitsWriter::from_bytes(bytes, options).wait().map(Self)
    }

    /// The file as a reader.
    pub fn reader(&self) -> FitsReader {
        FitsReader(self.0.reader().clone())
    }

    /// See [`crate::FitsWriter::write_image`].
    pub fn write_image<T: Element, S: Data<Elem = T>, D: Dimension>(
        &self,
        data: &ArrayBase<S, D>,
        options: ImageOptions,
    ) -> Result<usize> {
        self.0.write_image(data, options).wait()
    }

    forwarded! {
        FitsWriter;
        waited fn write_image_bytes(
            data_type: DataType,
            shape: Vec<usize>,
            values: impl AsRef<[u8]> + Send + 'static,
            options: ImageOptions
        ) -> usize;
        waited fn write_table(columns: impl Into<TableValues>, options: TableOptions) -> usize;
        waited fn create_table(fields: Vec<Field>, rows: u64, options: TableOptions) -> usize;
        waited fn create_ascii_table(fields: Vec<Field>, rows: u64, options: TableOptions) -> usize;
        waited fn edit_header(key: impl Into<HduKey>, edit: impl FnOnce(&mut Header) -> Result<()> + Send + 'static) -> ();
        waited fn write_image_values(values: PixelValues, options: ImageOptions) -> usize;
        waited fn create_image(data_type: DataType, shape: Vec<usize>, options: ImageOptions) -> usize;
        waited fn delete_hdu(key: impl Into<HduKey>) -> ();
        waited fn repack(key: impl Into<HduKey>) -> ();
        waited fn add_datasum(key: impl Into<HduKey>) -> ();
        waited fn add_checksum(key: impl Into<HduKey>) -> ();
        waited fn to_bytes() -> Vec<u8>;
        waited fn sync() -> ();
        waited fn close() -> ();
        waited fn abandon() -> ();
    }

    /// See [`crate::FitsWriter::write_section`].
    pub fn write_section<T: Element, S: Data<Elem = T>, D: Dimension>(
        &self,
        key: impl Into<HduKey>,
        section: impl Into<Section>,
        data: &ArrayBase<S, D>,
    ) -> Result<()> {
        self.0.write_section(key, section, data).wait()
    }

    /// See [`crate::FitsWriter::copy_hdu`].
    pub fn copy_hdu(&self, from: &FitsReader, key: impl Into<HduKey>) -> Result<usize> {
        self.0.copy_hdu(&from.0, key).wait()
    }

    /// The async writer of the same file.
    pub fn into_async(self) -> crate::FitsWriter {
        self.0
    }
}
