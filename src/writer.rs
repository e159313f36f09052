//! Writing: the async [`FitsWriter`], which makes files and changes them.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{ArrayBase, Data, Dimension};

use crate::compression::{Compression, Quantize};
use crate::directory::{Directory, HduEntry, HduKey, placed};
use crate::edit::{Extended, HeaderChange, OldHdu, Pixels, last_block, with_headers};
use crate::engine::{Op, Watch};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{OpenFile, Source};
use crate::format::{BLOCK_BYTES, DataType, Element, Header};
use crate::image::{NewImage, NewPixels, Section};
use crate::image_writer::PixelValues;
use crate::io::location::{display, is_gzip_name, parse, refuse_writing};
use crate::io::{Location, MemoryFile, abandoned};
use crate::open;
use crate::options::OpenOptions;
use crate::reader::FitsReader;
use crate::source::{EditPlan, ReadAt};
use crate::target::{Place, Target};
use crate::tiled::{NewTiledImage, edit_as_shown};

/// A FITS file that is made or changed. What was written can be read through [`FitsWriter::reader`] at once.
///
/// A `.gz` file is made or changed in memory and takes its name's place when it is synced, closed or dropped; the old bytes stay until then.
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
    pub(crate) reader: FitsReader,
    pub(crate) shared: Arc<Changer>,
}

/// What a new image is called, and what its header has.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    /// EXTNAME.
    pub name: Option<String>,
    /// EXTVER.
    pub version: Option<i64>,
    /// The value that stands for a pixel without one, for images of integers: BLANK is written for it.
    pub blank: Option<i128>,
    /// More cards, also commentary. Those of protected keywords are left out.
    pub header: Option<Header>,
    /// The HDU in front of which the image goes; behind the last one unless given. In front of the primary HDU it becomes the primary one, and the
    /// old one an extension.
    pub before: Option<HduKey>,
    /// Compresses the image in tiles; it then is an extension, behind an empty primary HDU where the file has none.
    pub compress: Option<Compression>,
    /// Makes floats integers before they are compressed.
    pub quantize: Option<Quantize>,
}

impl ImageOptions {
    /// An image with this EXTNAME.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}

/// What changes a file: shared by all clones of a writer, and by the readers that come from it.
pub(crate) struct Changer {
    file: Arc<OpenFile>,
    /// Held during an edit.
    target: Mutex<Target>,
    process: u32,
}

/// How a file is opened for changes. The default reads strictly and lets nothing be lost by a kill.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// As [`OpenOptions::lenient`].
    pub lenient: bool,
    /// A change that makes data move puts a new file in the place of the old one. Where that can't be done (no space for a second file, no permission in
    /// the directory, several hard links) it is refused, unless this allows moving the data within the old file: a kill can
    /// then destroy it.
    pub allow_in_place: bool,
}

impl FitsWriter {
    /// Creates a file, or empties the one that is there: a path, `file://` or `mem://`; a path that ends in `.gz` is compressed.
    ///
    /// # Errors
    ///
    /// The path can't be created, or the name is of something that can only be read.
    pub fn create(name: impl AsRef<Path>) -> Op<Self> {
        let name = name.as_ref().to_owned();
        Op::edit(move || create(&name, false).in_file(&shown(&name)))
    }

    /// Creates a file that gets its name, or takes the place of the one there, when it is closed. A kill, a dropped writer and
    /// [`FitsWriter::abandon`] leave nothing under the name, or the old file as it was. `mem://` is as in [`FitsWriter::create`].
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::create`]; no file can be made beside the path, or what is there can't be replaced: a device, or a file with several hard links.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("result.fits");
    /// let fits = FitsWriter::create_atomic(&path).wait()?;
    /// fits.write_image(&ndarray::array![1i16, 2], ImageOptions::default()).wait()?;
    /// assert!(!path.exists());
    /// fits.close().wait()?;
    /// assert!(path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_atomic(name: impl AsRef<Path>) -> Op<Self> {
        let name = name.as_ref().to_owned();
        Op::edit(move || create(&name, true).in_file(&shown(&name)))
    }

    /// Opens a file that is there, to be read and changed: a path or `file://`. A `.gz` is changed in memory and takes its name's place
    /// when it is synced, closed or dropped, if anything has changed.
    ///
    /// # Errors
    ///
    /// As [`FitsReader::open`]; the file can't be written, or a file called `.gz` is not gzip or the other way round.
    pub fn open(name: impl AsRef<Path>) -> Op<Self> {
        Self::open_with(name, WriteOptions::default())
    }

    /// As [`FitsWriter::open`], with options.
    pub fn open_with(name: impl AsRef<Path>, options: WriteOptions) -> Op<Self> {
        let name = name.as_ref().to_owned();
        Op::local(move |watch| open(&name, &options, watch).in_file(&shown(&name)))
    }

    /// A file in memory that starts as these bytes, plain or gzip, and can be changed.
    ///
    /// # Errors
    ///
    /// As [`FitsReader::from_bytes`].
    pub fn from_bytes(bytes: impl Into<Vec<u8>>, options: WriteOptions) -> Op<Self> {
        let bytes = bytes.into();
        Op::local(move |watch| {
            let read = OpenOptions { lenient: options.lenient, remote: None };
            let (name, bytes) = open::plain_bytes(bytes, &read, watch)?;
            let target = Target::new(Place::Memory(Arc::new(MemoryFile::from(bytes))), false, false);
            Ok(Changer::writer(open::opened(name, &read, target.source(), None)?, target))
        })
    }

    /// The file as a reader.
    pub fn reader(&self) -> &FitsReader {
        &self.reader
    }

    /// Adds an image: as the primary HDU where the file is empty, else as an extension behind the last HDU, or in front of the one that
    /// [`ImageOptions::before`] names. Returns the number of the new HDU.
    ///
    /// The array may have any memory order. Unsigned types and `i8` are stored with the BZERO that the standard has for them (§5.3).
    pub fn write_image<T: Element, S: Data<Elem = T>, D: Dimension>(
        &self,
        data: &ArrayBase<S, D>,
        options: ImageOptions,
    ) -> Op<usize> {
        self.write_image_values(PixelValues::from_array(data), options)
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
        self.write_image_values(PixelValues::from_bytes(data_type, shape, values), options)
    }

    /// As [`FitsWriter::write_image`], with a mask if there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] where the values don't fill the shape, or where a pixel of an image of integers is masked and the options have no blank.
    pub fn write_image_values(&self, values: PixelValues, options: ImageOptions) -> Op<usize> {
        let writer = self.clone();
        Op::edit_watched(move |watch| {
            let pixels = values.lend();
            let written = check_filled(&pixels).and_then(|()| {
                let content = NewPixels::Values(pixels.values, pixels.mask);
                writer.append(pixels.data_type, pixels.shape, content, &options, watch)
            });
            written.in_file(writer.reader.file.name())
        })
    }

    /// Adds an image of zeros, which take no time to write.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where no file can be as large.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::{array, s};
    /// use rustfits::{DataType, FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.create_image(DataType::F32, vec![1000, 1000], ImageOptions::named("MAP")).wait()?;
    /// fits.write_section("MAP", s![10, 20..22], &array![1.5f32, 2.5]).wait()?;
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn create_image(&self, data_type: DataType, shape: Vec<usize>, options: ImageOptions) -> Op<usize> {
        let writer = self.clone();
        Op::edit_watched(move |watch| {
            writer.append(data_type, &shape, NewPixels::Zeros, &options, watch).in_file(writer.reader.file.name())
        })
    }

    fn append(
        &self,
        data_type: DataType,
        shape: &[usize],
        content: NewPixels<'_>,
        options: &ImageOptions,
        watch: &mut Watch<'_>,
    ) -> Result<usize> {
        let image = NewImage {
            data_type,
            shape,
            content,
            name: options.name.as_deref(),
            version: options.version,
            blank: options.blank,
            cards: options.header.as_ref(),
        };
        if let Some(compression) = &options.compress {
            let image = NewTiledImage::new(image, compression, options.quantize)?;
            return self.shared.insert_compressed(&image, options.before.as_ref(), watch);
        }
        if options.quantize.is_some() {
            return Err(Error::argument("quantize= is for compressed images: give compress, too"));
        }
        self.shared.insert(options.before.as_ref(), |primary| Ok(vec![image.hdu(primary)?]))
    }

    /// Writes pixels of an image that is there; see [`ImageSelector::write`](crate::ImageSelector::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::{array, arr0, s};
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_image(&array![[1i16, 2, 3], [4, 5, 6]], ImageOptions::default()).wait()?;
    /// fits.write_section(0, s![.., 1..], &array![7i16, 8]).wait()?;
    /// fits.write_section(0, s![1, ..;2], &arr0(0i16)).wait()?;
    /// assert_eq!(fits.reader().image(0).read::<i16>().wait()?, array![[1, 7, 8], [0, 7, 0]].into_dyn());
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn write_section<T: Element, S: Data<Elem = T>, D: Dimension>(
        &self,
        key: impl Into<HduKey>,
        section: impl Into<Section>,
        data: &ArrayBase<S, D>,
    ) -> Op<()> {
        self.reader.image(key).section(section).write(data)
    }

    /// Changes the header of an HDU: all that `edit` does, or nothing where it fails.
    ///
    /// A change that fits the blocks of the header is written at once. One that doesn't waits, with those that follow it, for the
    /// next operation that writes something else, or for sync or close: what lies behind the header then moves, once.
    ///
    /// # Errors
    ///
    /// Those of `edit`; [`ErrorKind::Io`] where the header was changed by another program meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_image(&ndarray::array![[1i16, 2], [3, 4]], ImageOptions::named("SCI")).wait()?;
    /// fits.edit_header("SCI", |header| {
    ///     header.set_with_comment("EXPTIME", 99.9, "seconds")?;
    ///     header.add_history("edited")
    /// })
    /// .wait()?;
    /// assert_eq!(fits.reader().header("SCI").wait()?.get::<f64>("EXPTIME")?, 99.9);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn edit_header(
        &self,
        key: impl Into<HduKey>,
        edit: impl FnOnce(&mut Header) -> Result<()> + Send + 'static,
    ) -> Op<()> {
        self.shared.change_header(key.into(), |header| {
            edit_as_shown(header, |header| {
                let mut edited = header.clone();
                edit(&mut edited)?;
                *header = edited;
                Ok(())
            })
        })
    }

    /// All bytes of the file, uncompressed.
    pub fn to_bytes(&self) -> Op<Vec<u8>> {
        self.shared.to_bytes()
    }

    /// Makes what was written durable; a `.gz` file is compressed and takes its place.
    pub fn sync(&self) -> Op<()> {
        let shared = Arc::clone(&self.shared);
        Op::edit(move || shared.flush(&mut *shared.target_as_it_is()?, true))
    }

    /// Writes back what is still to be written and closes the file. Closing twice is no error.
    pub fn close(&self) -> Op<()> {
        let shared = Arc::clone(&self.shared);
        Op::edit(move || {
            if shared.file.is_closed() {
                return Ok(());
            }
            // An edit that runs is waited for. One that failed keeps nothing that was whole before from being written back.
            let mut target = shared.target.lock().unwrap_or_else(PoisonError::into_inner);
            let flushed = shared.flush(&mut target, false);
            let result = flushed.and_then(|()| target.publish().in_file(shared.file.name()));
            // After a failure.
            target.discard(true);
            shared.file.close();
            result
        })
    }

    /// Closes the file where its making has failed: one of [`FitsWriter::create_atomic`] is thrown away, any other closed as by
    /// [`FitsWriter::close`].
    pub fn abandon(&self) -> Op<()> {
        let writer = self.clone();
        Op::edit(move || {
            let shared = &writer.shared;
            if shared.target.lock().unwrap_or_else(PoisonError::into_inner).discard(true) {
                shared.file.close();
                return Ok(());
            }
            writer.close().wait()
        })
    }
}

impl std::fmt::Debug for FitsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FitsWriter({})", self.reader.name())
    }
}

impl Changer {
    pub(crate) fn writer(file: OpenFile, target: Target) -> FitsWriter {
        let file = Arc::new(file);
        let changer = Self { file: Arc::clone(&file), target: Mutex::new(target), process: std::process::id() };
        let shared = Arc::new(changer);
        FitsWriter { reader: FitsReader { file, writer: Some(Arc::clone(&shared)) }, shared }
    }

    /// A reader of a file that was opened to be read. What lies in memory can be changed there.
    pub(crate) fn reader(file: OpenFile) -> FitsReader {
        match file.source() {
            Ok(Source::Local(source)) if source.bytes().is_some() => {
                Self::writer(file, Target::new(Place::Opened(source), false, false)).reader
            }
            _ => FitsReader { file: Arc::new(file), writer: None },
        }
    }

    /// Whether the file was opened to be read and nothing has changed it.
    pub(crate) fn is_as_opened(&self) -> bool {
        self.target.lock().unwrap_or_else(PoisonError::into_inner).is_as_opened()
    }

    /// All bytes of the file.
    pub(crate) fn to_bytes(self: &Arc<Self>) -> Op<Vec<u8>> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target_as_it_is()?;
            shared.settle(&mut target)?;
            shared.file.to_bytes().wait()
        })
    }

    /// Changes an HDU where it lies: `plan` says how, from what the directory has of it and the file as it is.
    pub(crate) fn change_data<T: Send + 'static>(
        self: &Arc<Self>,
        key: HduKey,
        plan: impl FnOnce(&HduEntry, &dyn ReadAt, &mut dyn FnMut(EditPlan<'_>) -> Result<()>) -> Result<T> + Send + 'static,
    ) -> Op<T> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target()?;
            let mut directory = shared.file.directory();
            shared.write_staged(&mut target, &mut directory)?;
            let source = target.source();
            let entry = directory.find(&key, &*source).in_file(shared.file.name())?;
            let changed = plan(&entry, &*source, &mut |plan| target.carry_out(plan));
            placed(changed, shared.file.name(), entry.index)
        })
    }

    /// Changes an HDU with its header: `plan` says how, from what it is, and has it carried out.
    pub(crate) fn replace_hdu(
        self: &Arc<Self>,
        key: HduKey,
        plan: impl FnOnce(&OldHdu<'_>, &dyn ReadAt, &mut dyn FnMut(Extended<'_>) -> Result<()>) -> Result<()>
        + Send
        + 'static,
    ) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target()?;
            let mut directory = shared.file.directory();
            shared.write_staged(&mut target, &mut directory)?;
            let source = target.source();
            let hdu = directory.find(&key, &*source).in_file(shared.file.name())?;
            let changed = (|| {
                let last = directory.is_last(hdu.index, &*source)?;
                let header_start = directory.header_range(hdu.index).map_or(0, |range| range.start);
                let edited = directory.edit(hdu.index, &*source)?;
                let (header, blocks) = (&edited.header, edited.blocks.as_slice());
                let old = OldHdu { hdu: &hdu, header, blocks, header_start, last, file_len: source.len() };
                let mut done = None;
                plan(&old, &*source, &mut |changed| {
                    let Extended { plan, header, blocks, layout, table } = changed;
                    target.carry_out(plan)?;
                    done = Some((header, blocks, layout, table));
                    Ok(())
                })?;
                if let Some((header, blocks, layout, table)) = done {
                    directory.replace(hdu.index, header, blocks, layout, table);
                    shared.file.replace_source(target.source());
                }
                Ok(())
            })();
            placed(changed, shared.file.name(), hdu.index)
        })
    }

    /// Changes the header of an HDU, by an edit that does all or nothing.
    pub(crate) fn change_header(
        self: &Arc<Self>,
        key: HduKey,
        edit: impl FnOnce(&mut Header) -> Result<()> + Send + 'static,
    ) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target()?;
            let mut directory = shared.file.directory();
            let index = directory.number(&key, &*target.source()).in_file(shared.file.name())?;
            shared.change_held(&mut target, &mut directory, index, edit)
        })
    }

    /// As [`Changer::change_header`], of an HDU that was found, by one who holds what it changes.
    pub(crate) fn change_held(
        &self,
        target: &mut Target,
        directory: &mut Directory,
        index: usize,
        edit: impl FnOnce(&mut Header) -> Result<()>,
    ) -> Result<()> {
        let range = directory.header_range(index).unwrap_or(0..0);
        let changed = (|| {
            let source = target.source();
            let edited = directory.edit(index, &*source)?;
            edit(&mut edited.header)?;
            if edited.staged {
                return Ok(());
            }
            match edited.change(range.start) {
                HeaderChange::Nothing => {}
                HeaderChange::Moves => edited.staged = true,
                HeaderChange::InPlace(steps) => {
                    let checked = edited.check(&steps, range.start, &*source);
                    match checked.and_then(|()| target.carry_out(EditPlan::InPlace(steps))) {
                        Ok(()) => edited.written(),
                        Err(error) => {
                            // What was not written is not shown either.
                            let before = Header::with_rules(&edited.blocks, self.file.lenient());
                            edited.header = before.placed(self.file.name(), index);
                            return Err(error);
                        }
                    }
                }
            }
            Ok(())
        })();
        changed.in_hdu(index).in_file(self.file.name())
    }

    /// The file that is changed.
    pub(crate) fn file(&self) -> &OpenFile {
        &self.file
    }

    /// The target, for an edit; an error once the file is closed or an edit has failed half way. Whoever reads a file that was opened to be read
    /// goes on with what was read, everyone after this with the copy that changes.
    pub(crate) fn target(&self) -> Result<MutexGuard<'_, Target>> {
        let mut target = self.target_as_it_is()?;
        if target.become_own().in_file(self.file.name())? {
            let _directory = self.file.directory();
            self.file.replace_source(target.source());
        }
        Ok(target)
    }

    fn target_as_it_is(&self) -> Result<MutexGuard<'_, Target>> {
        self.file.source()?;
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.check_usable().in_file(self.file.name())?;
        Ok(target)
    }

    /// Writes the headers that outgrew their blocks: all in one move.
    pub(crate) fn write_staged(&self, target: &mut Target, directory: &mut Directory) -> Result<()> {
        let source = target.source();
        let staged = directory.staged(&*source).in_file(self.file.name())?;
        if staged.is_empty() {
            return Ok(());
        }
        let len = source.len();
        target.carry_out(with_headers(len, staged)).in_file(self.file.name())?;
        directory.settle();
        self.file.replace_source(target.source());
        Ok(())
    }

    /// Writes what waits, and fills the last block of a file that came without all of it and was changed.
    fn settle(&self, target: &mut Target) -> Result<()> {
        let mut directory = self.file.directory();
        self.write_staged(target, &mut directory)?;
        let source = target.source();
        if !target.is_changed() || source.len().is_multiple_of(BLOCK_BYTES) {
            return Ok(());
        }
        let last = directory.last_layout(&*source)?;
        let filled =
            last.and_then(|layout| last_block(layout, source.len())).map_or(Ok(()), |plan| target.carry_out(plan));
        filled.in_file(self.file.name())
    }

    fn flush(&self, target: &mut Target, durable: bool) -> Result<()> {
        if target.check_usable().is_ok() {
            self.settle(target)?;
        }
        target.flush(durable).in_file(self.file.name())
    }
}

impl Drop for Changer {
    /// A forgotten file is written back, but only by the process that opened it: a forked child holds a copy.
    fn drop(&mut self) {
        let own = self.process == std::process::id();
        let target = self.target.get_mut().unwrap_or_else(PoisonError::into_inner);
        if target.discard(own) || !own || self.file.is_closed() {
            return;
        }
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.flush(&mut target, false) {
            tracing::error!("a forgotten file could not be written back: {error}");
        }
    }
}

/// Checks that the values of a new image fill its shape.
fn check_filled(pixels: &Pixels<'_>) -> Result<()> {
    // Without an axis there is no data unit, so a value would be dropped.
    if pixels.shape.is_empty() {
        let message = "FITS has no array of a single value without an axis: give it the shape (1,)";
        return if pixels.values.is_empty() { Ok(()) } else { Err(Error::argument(message)) };
    }
    pixels.check_lengths()
}

fn shown(name: &Path) -> String {
    parse(name).map_or_else(|_| name.to_string_lossy().into_owned(), |location| display(&location))
}

fn read_only() -> Error {
    Error::new(ErrorKind::ReadOnly, "a remote file is read-only: write to disk or to mem:// and upload that")
}

fn create(name: &Path, atomic: bool) -> Result<FitsWriter> {
    let location = parse(name)?;
    refuse_writing(&location)?;
    let target = match &location {
        Location::Memory => Target::new(Place::Memory(Arc::new(MemoryFile::default())), false, false),
        Location::Http(_) | Location::Ftp(_) => return Err(read_only()),
        Location::Path(path) => match (is_gzip_name(&location), atomic) {
            (false, false) => Target::new(Target::create(path)?, false, false),
            (false, true) => Target::create_unnamed(path)?,
            (true, false) => Target::new(Target::create_gzip(path)?, true, false),
            (true, true) => Target::create_unnamed_gzip(path)?,
        },
    };
    sweep_beside(&location);
    let file = OpenFile::create(Arc::from(display(&location)), Source::Local(target.source()));
    Ok(Changer::writer(file, target))
}

fn open(name: &Path, options: &WriteOptions, watch: &mut Watch<'_>) -> Result<FitsWriter> {
    let location = parse(name)?;
    refuse_writing(&location)?;
    let read = OpenOptions { lenient: options.lenient, remote: None };
    let place = match &location {
        Location::Memory => return Err(open::nothing_to_read()),
        Location::Http(_) | Location::Ftp(_) => return Err(read_only()),
        Location::Path(path) => open::for_changes(path, is_gzip_name(&location), watch)?,
    };
    let target = Target::new(place, false, options.allow_in_place);
    let file = open::opened(Arc::from(display(&location)), &read, target.source(), None)?;
    sweep_beside(&location);
    Ok(Changer::writer(file, target))
}

/// Removes what killed processes left beside the file.
fn sweep_beside(location: &Location) {
    if let Location::Path(path) = location {
        abandoned::sweep(path);
    }
}
