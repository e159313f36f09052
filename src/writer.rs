//! Writing: the async [`FitsWriter`], which makes a new file.

use std::fs::OpenOptions as FileOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{ArrayBase, CowArray, Data, Dimension};

use crate::engine::{Op, edit};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{OpenFile, Source};
use crate::format::{DataType, Element};
use crate::image::NewImage;
use crate::io::location::{display, is_gzip_name, parse, refuse_writing};
use crate::io::{DiskFile, Location, MemoryFile, gzip_write};
use crate::reader::FitsReader;
use crate::source::{ReadAt, Storage};

/// A FITS file that is being made. What was written can be read through [`FitsWriter::reader`] at once.
///
/// A `.gz` file is built in memory and takes its name's place when it is synced, closed or dropped; the old bytes stay until then.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use rustfits::FitsWriter;
///
/// let fits = FitsWriter::create("mem://").wait()?;
/// fits.write_image(&array![[1i16, 2], [3, 4]], ImageOptions::named("SCI")).wait()?;
/// let back = fits.reader().image("SCI").read::<i16>().wait()?;
/// assert_eq!(back, array![[1i16, 2], [3, 4]].into_dyn());
/// # use rustfits::ImageOptions;
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone)]
pub struct FitsWriter {
    reader: FitsReader,
    target: Arc<Target>,
}

/// What a new image is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// EXTNAME.
    pub name: Option<String>,
    /// EXTVER.
    pub version: Option<i64>,
}

impl ImageOptions {
    /// An image with this EXTNAME.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), version: None }
    }
}

/// Where the bytes of a new file go.
struct Target {
    place: Place,
    /// Held during an edit; holds why an earlier one failed half way.
    failure: Mutex<Option<Error>>,
    changed: AtomicBool,
    process: u32,
}

enum Place {
    Disk(Arc<DiskFile>),
    Memory(Arc<MemoryFile>),
    Gzip(Arc<MemoryFile>, PathBuf),
}

impl Place {
    fn storage(&self) -> &dyn Storage {
        match self {
            Self::Disk(file) => &**file,
            Self::Memory(memory) | Self::Gzip(memory, _) => &**memory,
        }
    }

    fn source(&self) -> Arc<dyn ReadAt> {
        match self {
            Self::Disk(file) => Arc::clone(file) as Arc<dyn ReadAt>,
            Self::Memory(memory) | Self::Gzip(memory, _) => Arc::clone(memory) as Arc<dyn ReadAt>,
        }
    }
}

impl FitsWriter {
    /// Creates a file, or empties the one that is there: a path, `file://` or `mem://`; a path that ends in `.gz` is compressed.
    ///
    /// # Errors
    ///
    /// The path can't be created, or the name is of something that can only be read.
    pub fn create(name: impl AsRef<Path>) -> Op<Self> {
        let name = name.as_ref().to_owned();
        Op::edit(move || create(&name).in_file(&shown(&name)))
    }

    /// The file as a reader.
    pub fn reader(&self) -> &FitsReader {
        &self.reader
    }

    /// Appends an image: as the primary HDU where the file is empty, else as an extension. Returns the number of the new HDU.
    ///
    /// The array may have any memory order. Unsigned types and `i8` are stored with the BZERO that the standard has for them (§5.3).
    pub fn write_image<T: Element, S: Data<Elem = T>, D: Dimension>(
        &self,
        data: &ArrayBase<S, D>,
        options: ImageOptions,
    ) -> Op<usize> {
        let shape = data.shape().to_vec();
        let values: CowArray<'_, T, D> = data.as_standard_layout();
        let values = values.as_slice().map(|elements| bytemuck::cast_slice(elements).to_vec()).unwrap_or_default();
        self.write_image_bytes(T::DATA_TYPE, shape, values, options)
    }

    /// As [`FitsWriter::write_image`], from bytes in native order, slowest axis first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] where the bytes don't fill the shape.
    pub fn write_image_bytes(
        &self,
        data_type: DataType,
        shape: Vec<usize>,
        values: impl AsRef<[u8]> + Send + 'static,
        options: ImageOptions,
    ) -> Op<usize> {
        let writer = self.clone();
        Op::edit(move || {
            let name = Arc::clone(writer.reader.file.name());
            writer.append(data_type, &shape, values.as_ref(), &options).in_file(&name)
        })
    }

    fn append(&self, data_type: DataType, shape: &[usize], values: &[u8], options: &ImageOptions) -> Result<usize> {
        let wanted = shape.iter().try_fold(data_type.size(), |product, &length| product.checked_mul(length));
        // Without an axis there is no data unit, so a value would be dropped.
        if shape.is_empty() && !values.is_empty() {
            let message = "FITS has no array of a single value without an axis: give it the shape (1,)";
            return Err(Error::argument(message));
        }
        if !shape.is_empty() && wanted != Some(values.len()) {
            let message = format!("an array of shape {shape:?} takes {wanted:?} bytes, given were {}", values.len());
            return Err(Error::argument(message));
        }
        let image = NewImage { data_type, shape, values, name: options.name.as_deref(), version: options.version };
        let mut failure = self.usable()?;
        let mut directory = self.reader.file.directory();
        let at = directory.append_at();
        let (plan, header) = image.append(at)?;
        if let Err(error) = edit::apply(plan, self.target.place.storage()) {
            let refusal = format!("an earlier write failed ({error}): close the file and open it again");
            *failure = Some(Error::new(ErrorKind::Io, refusal));
            return Err(error);
        }
        self.target.changed.store(true, Ordering::Release);
        Ok(directory.push(&header, at)?.index)
    }

    fn usable(&self) -> Result<std::sync::MutexGuard<'_, Option<Error>>> {
        self.reader.file.source()?;
        let failure = self.target.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(error) => Err(error.clone()),
            None => Ok(failure),
        }
    }

    /// Makes what was written durable; a `.gz` file is compressed and takes its place.
    pub fn sync(&self) -> Op<()> {
        let writer = self.clone();
        Op::edit(move || {
            let _guard = writer.usable()?;
            writer.target.flush(true).in_file(writer.reader.file.name())
        })
    }

    /// Writes back what is still to be written and closes the file. Closing twice is no error.
    pub fn close(&self) -> Op<()> {
        let writer = self.clone();
        Op::edit(move || {
            if writer.reader.is_closed() {
                return Ok(());
            }
            // An append that runs is waited for. One that failed keeps nothing that was whole before from being written back.
            let _guard = writer.target.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let result = writer.target.flush(false).in_file(writer.reader.file.name());
            writer.reader.close();
            result
        })
    }
}

impl std::fmt::Debug for FitsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FitsWriter({})", self.reader.name())
    }
}

impl Target {
    fn flush(&self, durable: bool) -> Result<()> {
        match &self.place {
            Place::Disk(file) if durable => file.sync(),
            Place::Gzip(memory, path) if self.changed.swap(false, Ordering::AcqRel) => {
                let result = gzip_write::replace(path, &memory.to_vec());
                if result.is_err() {
                    self.changed.store(true, Ordering::Release);
                }
                result
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Target {
    /// A forgotten `.gz` is written back, but only by the process that opened it: a forked child holds a copy.
    fn drop(&mut self) {
        if self.process == std::process::id()
            && let Err(error) = self.flush(false)
        {
            tracing::error!("a forgotten file could not be written back: {error}");
        }
    }
}

fn shown(name: &Path) -> String {
    parse(name).map_or_else(|_| name.to_string_lossy().into_owned(), |location| display(&location))
}

fn create(name: &Path) -> Result<FitsWriter> {
    let location = parse(name)?;
    refuse_writing(&location)?;
    let place = match &location {
        Location::Memory => Place::Memory(Arc::default()),
        Location::Http(_) | Location::Ftp(_) => {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                "a remote file is read-only: write to disk or to mem:// and upload that",
            ));
        }
        Location::Path(path) if is_gzip_name(&location) => {
            // Opened and not emptied: the old bytes stay until the new ones are complete.
            FileOptions::new().write(true).create(true).truncate(false).open(path)?;
            Place::Gzip(Arc::default(), std::path::absolute(path)?)
        }
        Location::Path(path) => {
            let file = FileOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
            Place::Disk(Arc::new(DiskFile::new(file)?))
        }
    };
    let file = OpenFile::create(Arc::from(display(&location)), Source::Local(place.source()));
    let changed = AtomicBool::new(matches!(place, Place::Gzip(..)));
    let target = Target { place, failure: Mutex::new(None), changed, process: std::process::id() };
    Ok(FitsWriter { reader: FitsReader { file: Arc::new(file) }, target: Arc::new(target) })
}
