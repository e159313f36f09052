//! Reading: the async [`FitsReader`] and what it hands out.

use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use crate::changer::Changer;
use crate::directory::HduKey;
use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{OpenFile, Opening};
use crate::format::Header;
use crate::hdu::HduInfo;
use crate::image::{ImageRequest, Section};
use crate::image_data::{ImageData, Pixel, read_image};
use crate::live_header::LiveHeader;
use crate::open;
use crate::options::OpenOptions;
use crate::table_data::TableSelector;
use crate::writer::FitsWriter;

/// A FITS file open for reading. Cloning it is cheap, and many tasks may read one file at once.
///
/// # Examples
///
/// ```no_run
/// use rustfits::FitsReader;
/// use ndarray::{ArrayD, s};
///
/// # async fn example() -> rustfits::Result<()> {
/// let fits = FitsReader::open("https://archive.example/tile.fits.gz").await?;
/// let image: ArrayD<f32> = fits.image("SCI").read().await?;
/// let stamp: ArrayD<f32> = fits.image(1).section(s![100..200, 50..150]).read().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FitsReader {
    pub(crate) file: Arc<OpenFile>,
    /// What changes the file, where it was opened to be changed or lies in memory.
    pub(crate) writer: Option<Arc<Changer>>,
}

impl FitsReader {
    /// Opens a file by name: a path, `file://`, `http(s)://`, `ftp(s)://`; what the bytes are, plain or gzip, is found out.
    ///
    /// # Errors
    ///
    /// The file can't be reached, is empty or cut short, or is not FITS.
    pub fn open(name: impl AsRef<Path>) -> Op<Self> {
        Self::open_with(name, OpenOptions::default())
    }

    /// As [`FitsReader::open`], with options.
    pub fn open_with(name: impl AsRef<Path>, options: OpenOptions) -> Op<Self> {
        let opening = open::absolute(name.as_ref()).map(|name| Opening { name, options: options.clone() });
        open::open(name.as_ref(), options).map(|file| Ok(Self::of(file.opened_by(opening?))))
    }

    /// Opens bytes that are in memory already, plain or gzip.
    ///
    /// # Errors
    ///
    /// The bytes are empty, cut short or not FITS ([`ErrorKind::Argument`](crate::ErrorKind::Argument)).
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::FitsReader;
    ///
    /// assert!(FitsReader::from_bytes(&b"not FITS"[..]).wait().is_err());
    /// ```
    pub fn from_bytes(bytes: impl Into<bytes::Bytes>) -> Op<Self> {
        Self::from_bytes_with(bytes, OpenOptions::default())
    }

    /// As [`FitsReader::from_bytes`], with options.
    pub fn from_bytes_with(bytes: impl Into<bytes::Bytes>, options: OpenOptions) -> Op<Self> {
        let bytes = bytes.into();
        Op::local(move |watch| Ok(Self::of(open::from_bytes(bytes, &options, watch)?)))
    }

    pub(crate) fn of(file: OpenFile) -> Self {
        Changer::reader(file)
    }

    /// The name that the file was opened under, without credentials.
    pub fn name(&self) -> &str {
        self.file.name()
    }

    /// The name and the options that open the file again, in another process too; `None` for one that was opened by [`FitsReader::from_bytes`],
    /// by a fetch, or to be changed, and for one that was changed in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{DataType, FitsReader, FitsWriter, ImageOptions, PixelValues};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("image.fits");
    /// let values = PixelValues::from_bytes(DataType::U8, vec![2], vec![1, 2]);
    /// FitsWriter::write_file(&path, false, values, ImageOptions::default()).wait()?;
    /// let fits = FitsReader::open(&path).wait()?;
    /// let opening = fits.opening().ok_or("not opened by name")?.clone();
    /// let again = FitsReader::open_with(opening.name, opening.options).wait()?;
    /// assert_eq!(again.name(), fits.name());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn opening(&self) -> Option<&Opening> {
        let unchanged = self.writer.as_ref().is_none_or(|changer| changer.is_as_opened());
        self.file.opening().filter(|_| unchanged)
    }

    /// Something about the file that does not keep it from being read, such as bytes behind the end of a gzip stream.
    pub fn warning(&self) -> Option<&str> {
        self.file.warning()
    }

    /// How many HDUs the file has. Finds them all.
    pub fn count(&self) -> Op<usize> {
        self.file.locate(|file, source| file.count(source))
    }

    /// The HDUs whose headers are here, where the file arrives ([`RemoteMode::Stream`](crate::RemoteMode::Stream)) and more may come; `None` for
    /// any other file. Waits for nothing.
    pub fn arrived_hdus(&self) -> Option<Vec<HduInfo>> {
        Some(self.file.arrived_hdus()?.into_iter().map(HduInfo::new).collect())
    }

    /// What the HDU is: kind, name, shape, columns, header. The key is a number, an EXTNAME, or EXTNAME and EXTVER.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`](crate::ErrorKind::Index) or [`ErrorKind::Key`](crate::ErrorKind::Key) where there is no such HDU.
    pub fn hdu(&self, key: impl Into<HduKey>) -> Op<HduInfo> {
        let key = key.into();
        self.file.locate(move |file, source| Ok(HduInfo::new(file.find(&key, source)?)))
    }

    /// Whether there is such an HDU.
    pub fn contains(&self, key: impl Into<HduKey>) -> Op<bool> {
        let key = key.into();
        self.file.locate(move |file, source| match file.find(&key, source) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Key | ErrorKind::Index) => Ok(false),
            Err(error) => Err(error),
        })
    }

    /// The header of an HDU; of a compressed image that of the image which it stands for, of a compressed table that of the table before it was compressed.
    pub fn header(&self, key: impl Into<HduKey>) -> Op<Arc<Header>> {
        let key = key.into();
        self.file.locate(move |file, source| Ok(Arc::clone(file.find(&key, source)?.shown())))
    }

    /// An HDU that was found, as it is at present: where it stands, and its header with edits that still wait to be written. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] once it was deleted.
    pub fn present(&self, hdu: &HduInfo) -> Result<HduInfo> {
        self.file.directory().present(hdu.id()).map(HduInfo::new).in_file(self.name())
    }

    /// Whether both read the same open file.
    pub fn is_same_file(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }

    /// The header of an HDU that was found, as it is now and later, and to be edited where the file can be changed. Does no I/O.
    pub fn live_header(&self, hdu: &HduInfo) -> LiveHeader {
        LiveHeader::new(self.clone(), hdu)
    }

    /// The writer of the same file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ReadOnly`] where the file was opened to be read only, on disk or by ranges. One that lies in memory (a `.gz`, a
    /// URL, [`FitsReader::from_bytes`]) can be changed there: what changes is a copy of its own, which is never written back.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{FitsReader, FitsWriter, ImageOptions};
    ///
    /// let original = FitsWriter::create("mem://").wait()?;
    /// original.write_image(&ndarray::array![1i16, 2], ImageOptions::default()).wait()?;
    /// let bytes = original.to_bytes().wait()?;
    /// let fits = FitsReader::from_bytes(bytes.clone()).wait()?;
    /// fits.writer()?.edit_header(0, |header| header.set("OBJECT", "M31")).wait()?;
    /// assert_eq!(fits.header(0).wait()?.get::<String>("OBJECT")?, "M31");
    /// assert!(!FitsReader::from_bytes(bytes).wait()?.header(0).wait()?.contains("OBJECT"));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn writer(&self) -> Result<FitsWriter> {
        Ok(FitsWriter { reader: self.clone(), shared: Arc::clone(self.changer()?) })
    }

    pub(crate) fn changer(&self) -> Result<&Arc<Changer>> {
        self.writer.as_ref().ok_or_else(|| {
            let message = if self.file.is_remote() {
                "the file is read by ranges, or while it arrives, which is read-only: open it without remote= to change a copy in memory"
            } else {
                "the file is open read-only: open it with mode 'r+' (Rust: FitsWriter::open) to change it"
            };
            Error::new(ErrorKind::ReadOnly, message).in_file(self.name())
        })
    }

    /// An image of the file, to be read whole or by section, and to be written where the file can be changed. Does no I/O.
    pub fn image(&self, key: impl Into<HduKey>) -> ImageSelector {
        ImageSelector { reader: self.clone(), key: key.into(), request: ImageRequest::default() }
    }

    /// A binary table of the file, to be read whole or by columns and rows, and to be written where the file can be changed. Does no I/O.
    pub fn table(&self, key: impl Into<HduKey>) -> TableSelector {
        TableSelector::new(self.clone(), key.into())
    }

    /// All bytes of the file, uncompressed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] for a file that is read by ranges: not all of it is here.
    pub fn to_bytes(&self) -> Op<Vec<u8>> {
        if self.file.is_ranged() {
            let error = Error::new(ErrorKind::Io, "a ranged file has only parts of its bytes: open it without remote=");
            return Op::failed(error.in_file(self.name()));
        }
        match &self.writer {
            Some(changer) => changer.to_bytes(),
            None => self.file.to_bytes(),
        }
    }

    /// Closes the file: every later operation on it and its clones fails.
    pub fn close(&self) {
        self.file.close();
    }

    /// Whether the file was closed.
    pub fn is_closed(&self) -> bool {
        self.file.is_closed()
    }
}

impl std::fmt::Debug for FitsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FitsReader({})", self.name())
    }
}

/// An image, or a section of one, that can be read and, in a file that can be changed, written.
#[derive(Clone, Debug)]
pub struct ImageSelector {
    pub(crate) reader: FitsReader,
    pub(crate) key: HduKey,
    pub(crate) request: ImageRequest,
}

impl ImageSelector {
    /// Only this section: the ranges of [`ndarray::s!`], or a [`Section`]. Slowest axis first.
    #[must_use]
    pub fn section(mut self, section: impl Into<Section>) -> Self {
        self.request.section = Some(section.into());
        self
    }

    /// The values as stored, without BSCALE and BZERO.
    #[must_use]
    pub fn unscaled(mut self) -> Self {
        self.request.unscaled = true;
        self
    }

    /// Reads into an array of `T`: the file's own type, or one that can hold its values (any number as a float).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) where `T` can't hold the file's values; use [`ImageSelector::read_dyn`].
    pub fn read<T: Pixel>(&self) -> Op<ArrayD<T>> {
        self.read_dyn().map(|image| {
            let shape = IxDyn(image.shape());
            let values = T::convert(image.into_buffer())?;
            ArrayD::from_shape_vec(shape, values).map_err(|error| Error::argument(error.to_string()))
        })
    }

    /// Reads the values in the type that the file has them in.
    pub fn read_dyn(&self) -> Op<ImageData> {
        read_image(&self.reader.file, self.key.clone(), self.request.clone())
    }

    /// As [`ImageSelector::read_dyn`], with a mask of the blank pixels.
    pub fn read_masked(&self) -> Op<ImageData> {
        read_image(&self.reader.file, self.key.clone(), ImageRequest { mask: true, ..self.request.clone() })
    }
}
