//! What an HDU is, without its data.

use std::sync::Arc;

use crate::compression::{Compression, Quantize};
use crate::directory::{HduEntry, HduId, placed};
use crate::error::{Error, Result};
use crate::format::structure::element_count;
use crate::format::{DataType, HduKind, Header};
use crate::image::ImageShape;
use crate::image_plan::image_shape;
use crate::row_chunks::RowChunks;
use crate::table::TableLayout;
use crate::table_data::Field;
use crate::tiled::{TiledImage, TiledTable, compression};

/// An HDU: its kind, its name, its header, and the shape of what it holds.
#[derive(Clone, Debug)]
pub struct HduInfo {
    entry: Arc<HduEntry>,
}

impl HduInfo {
    pub(crate) fn new(entry: Arc<HduEntry>) -> Self {
        Self { entry }
    }

    /// Which HDU it is, to ask for the same one after others were inserted or deleted in front of it.
    pub fn id(&self) -> HduId {
        self.entry.id
    }

    /// The number of the HDU, counted from 0, when it was looked up.
    pub fn index(&self) -> usize {
        self.entry.index
    }

    /// What the HDU holds.
    pub fn kind(&self) -> HduKind {
        self.entry.layout.kind
    }

    /// EXTNAME, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.entry.name.as_deref()
    }

    /// EXTVER, 1 where it is missing.
    pub fn version(&self) -> i64 {
        self.entry.version
    }

    /// The header; of a compressed image that of the image which it stands for, of a compressed table that of the table before it was compressed: with its
    /// size and the forms of its columns.
    pub fn header(&self) -> &Arc<Header> {
        self.entry.shown()
    }

    /// The header as it is in the file: of a compressed image or table that of the table in which the tiles are stored.
    pub fn stored_header(&self) -> &Arc<Header> {
        &self.entry.header
    }

    /// Whether there are data: NAXIS > 0 and every NAXISn > 0.
    pub fn has_data(&self) -> bool {
        self.entry.layout.has_data()
    }

    /// The shape of an image, slowest axis first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no image.
    pub fn shape(&self) -> Result<Vec<u64>> {
        Ok(self.image(true)?.shape)
    }

    /// How many pixels an image has.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::shape`].
    pub fn size(&self) -> Result<u64> {
        let shape = self.shape()?;
        let size = if shape.is_empty() { Some(0) } else { element_count(shape.iter().copied()) };
        self.placed(size.ok_or_else(|| Error::too_large(format!("the axes {shape:?} multiply past 2^64"))))
    }

    /// The type of an image's values.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::shape`].
    pub fn data_type(&self) -> Result<DataType> {
        Ok(self.image(false)?.scaling.data_type())
    }

    /// BITPIX of an image: the type in which its values are stored.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::shape`].
    pub fn bitpix(&self) -> Result<i64> {
        Ok(self.image(true)?.scaling.stored.bitpix())
    }

    /// BUNIT, if there is one.
    pub fn unit(&self) -> Option<String> {
        self.entry.header.string("BUNIT")
    }

    /// How the tiles of a compressed image are compressed: `RICE_1`, `GZIP_1`, `GZIP_2`, `PLIO_1`, `HCOMPRESS_1` or
    /// `NOCOMPRESS`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no compressed image, `Illegal` for a
    /// compression that the standard does not have.
    pub fn compression(&self) -> Result<&'static str> {
        self.tiled()?;
        self.placed(compression(&self.entry.header))
    }

    /// How the floating-point pixels of a compressed image were quantized, such as `SUBTRACTIVE_DITHER_1`; `None` where they were not.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::compression`].
    pub fn quantization(&self) -> Result<Option<&'static str>> {
        let image = self.tiled()?;
        self.placed(image.quantization(&self.entry))
    }

    /// The shape of a compressed image's tiles, slowest axis first.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::compression`].
    pub fn tile_shape(&self) -> Result<Vec<u64>> {
        Ok(self.tiled()?.tile_shape().to_vec())
    }

    /// What would compress an image as this one is compressed. The level of gzip is not in a file: it is the usual one.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::compression`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{Algorithm, FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let options = ImageOptions { compress: Some("RICE_1".parse()?), ..ImageOptions::default() };
    /// let index = fits.write_image(&ndarray::Array2::<i16>::zeros((30, 40)), options).wait()?;
    /// let compression = fits.reader().hdu(index).wait()?.compression_options()?;
    /// assert_eq!(compression.algorithm, Algorithm::Rice1 { block_size: 32 });
    /// assert_eq!(compression.tile_shape, Some(vec![1, 40]));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn compression_options(&self) -> Result<Compression> {
        let image = self.tiled()?;
        self.placed(image.options(&self.entry))
    }

    /// How the floating-point pixels of a compressed image were made integers; `None` where they were not. Where the file does not say how fine the
    /// steps are, the level is the usual one.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::compression`].
    pub fn quantize_options(&self) -> Result<Option<Quantize>> {
        let image = self.tiled()?;
        self.placed(image.quantize_options(&self.entry))
    }

    /// The most bytes of decoded tiles of a compressed image or table that are kept for the next section or rows: 32 MiB unless it was set.
    pub fn tile_cache_size(&self) -> u64 {
        self.entry.tiles.limit()
    }

    /// Sets the most bytes of decoded tiles that are kept for the next section or rows, by all that read this HDU of the open file; 0 keeps none.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::s;
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let options = ImageOptions { compress: Some("RICE_1".parse()?), ..ImageOptions::named("SCI") };
    /// fits.write_image(&ndarray::Array2::<i16>::zeros((30, 40)), options).wait()?;
    /// fits.reader().image("SCI").section(s![3, ..9]).read::<i16>().wait()?;
    /// let info = fits.reader().hdu("SCI").wait()?;
    /// assert_eq!((info.tile_cache_size(), info.tile_cache_used()), (32 << 20, 80));
    /// info.set_tile_cache_size(0);
    /// assert_eq!(info.tile_cache_used(), 0);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn set_tile_cache_size(&self, bytes: u64) {
        self.entry.tiles.set_limit(bytes);
    }

    /// How many bytes of decoded tiles are kept.
    pub fn tile_cache_used(&self) -> u64 {
        self.entry.tiles.used()
    }

    /// Lets the decoded tiles go.
    pub fn clear_tile_cache(&self) {
        self.entry.tiles.clear();
    }

    /// How the columns of a compressed table are compressed, by name: `GZIP_1`, `GZIP_2`, `RICE_1` or `NOCOMPRESS`. Columns that have no bytes are not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no compressed table, `Illegal` for a
    /// compression that the standard does not have.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rustfits::blocking::FitsReader;
    ///
    /// let table = FitsReader::open("catalogue.fits.fz")?.hdu(1)?;
    /// println!("{} tiles of {} rows", table.tiles()?, table.tile_rows()?);
    /// for (column, algorithm) in table.column_compression()? {
    ///     println!("{column}: {algorithm}");
    /// }
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn column_compression(&self) -> Result<Vec<(String, &'static str)>> {
        self.placed(TiledTable::compression(&self.entry))
    }

    /// How many rows a tile of a compressed table has; the last one can have fewer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no compressed table, `Illegal` where its header is not complete.
    pub fn tile_rows(&self) -> Result<u64> {
        Ok(self.placed(TiledTable::new(&self.entry))?.tile_rows)
    }

    /// How many rows are unpacked together.
    pub(crate) fn rows_together(&self) -> Result<u64> {
        if self.kind() == HduKind::CompressedTable { self.tile_rows() } else { Ok(1) }
    }

    /// How many tiles a compressed image or table has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is not compressed, `Illegal` where its header is not complete.
    pub fn tiles(&self) -> Result<u64> {
        if self.kind() == HduKind::CompressedTable {
            return Ok(self.placed(TiledTable::new(&self.entry))?.tiles());
        }
        Ok(self.tiled()?.tiles())
    }

    fn tiled(&self) -> Result<TiledImage> {
        self.placed(TiledImage::new(&self.entry, true))
    }

    /// How many rows a table has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the HDU is no table, `Illegal` where its columns are not legal.
    pub fn rows(&self) -> Result<u64> {
        Ok(self.table()?.rows)
    }

    /// What the rows of a table consist of.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::rows`].
    pub fn fields(&self) -> Result<Vec<Field>> {
        Ok(self.table()?.columns.iter().map(Field::of).collect())
    }

    /// The names of a table's columns with their units, for those that have one.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::rows`].
    pub fn units(&self) -> Result<Vec<(String, String)>> {
        let columns = self.table()?.columns.iter();
        Ok(columns.filter_map(|column| Some((column.name.clone(), column.unit.clone()?))).collect())
    }

    /// The rows of a table in ranges of at most `rows` each; of about 8 MiB unless given, in the file with their share of the heap or as records,
    /// whichever is more. To be read one after the other.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::rows`]; [`ErrorKind::Argument`](crate::ErrorKind::Argument) for chunks of 0 rows.
    pub fn row_chunks(&self, rows: Option<u64>) -> Result<RowChunks> {
        let table = self.table()?;
        let together = self.rows_together()?;
        self.placed(RowChunks::new(table.rows, table.row_bytes(self.entry.layout.data_len), together, rows))
    }

    /// TFORM of each column of a table, as the file has them, with its name.
    ///
    /// # Errors
    ///
    /// As [`HduInfo::rows`].
    pub fn formats(&self) -> Result<Vec<(String, String)>> {
        let columns = self.table()?.columns.iter().enumerate();
        let form = |index: usize| self.header().string(&format!("TFORM{}", index + 1)).unwrap_or_default();
        Ok(columns.map(|(index, column)| (column.name.clone(), form(index))).collect())
    }

    fn table(&self) -> Result<&TableLayout> {
        self.placed(TableLayout::of(&self.entry))
    }

    fn image(&self, unscaled: bool) -> Result<ImageShape> {
        self.placed(image_shape(&self.entry, unscaled))
    }

    fn placed<T>(&self, result: Result<T>) -> Result<T> {
        placed(result, &self.entry.file, self.entry.index)
    }
}
