//! The HDU classes of the blocking API.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use rustfits::{ColumnValues, FitsReader, FitsWriter, HduInfo, HduKind, ImageData, Op, PixelValues};

use crate::array::{Pixels, as_array};
use crate::compress::{compression_object, quantize_object};
use crate::compressed_table::CompressedTableHdu;
use crate::error::OrRaise;
use crate::fits::Fits;
use crate::header::PyHeader;
use crate::keys::SectionKey;
use crate::numbers::Whole;
use crate::pickle::{Reduced, reduce_file, reduce_item};
use crate::pixels::{Extending, PixelArgument, StartArgument, extend, set_section, write_data};
use crate::run::{Answer, await_op, wait};
use crate::table::{AnyTable, AsciiTableHdu, TableHdu};

/// One HDU of a file.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("image.fits") as fits:
/// ...     print([(hdu.index, hdu.extname, hdu.has_data) for hdu in fits])
/// [(0, None, True), (1, 'SCI', True), (2, 'CAT', True)]
#[pyclass(name = "HDU", subclass, frozen, module = "rustfits")]
pub(crate) struct Hdu {
    pub(crate) reader: FitsReader,
    pub(crate) info: HduInfo,
    /// Whether the file is one of asyncio, so that nothing may block.
    pub(crate) awaited: bool,
    header: PyOnceLock<Py<PyHeader>>,
    /// The rows that `extending()` or `appending()` has collected; `None` outside of it.
    pub(crate) collected: Mutex<Option<Collected>>,
}

/// How many bytes of rows are collected before they are written.
const MOST_COLLECTED: usize = 64 << 20;

/// What `extending()` or `appending()` has collected.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) extensions: Vec<Extension>,
    bytes: usize,
    /// How many rows the table or image had at the beginning.
    pub(crate) rows_before: u64,
    /// Whether some of the rows are written.
    pub(crate) begun: bool,
}

impl Collected {
    /// Nothing yet, for a table or image of so many rows.
    pub(crate) fn of(rows_before: u64) -> Self {
        Self { rows_before, ..Self::default() }
    }
}

/// What becomes of rows.
pub(crate) enum Collection<T> {
    /// Nothing is collected: they are to be written.
    Closed(T),
    /// They wait.
    Kept,
    /// With those that were collected before they are to be written.
    Full(Vec<Extension>),
}

/// Rows that are collected to be written at once.
pub(crate) enum Extension {
    Pixels(PixelValues),
    Rows(Vec<ColumnValues>),
}

impl Hdu {
    pub(crate) fn new(reader: FitsReader, info: HduInfo) -> Self {
        Self { reader, info, awaited: false, header: PyOnceLock::new(), collected: Mutex::default() }
    }

    /// Of a file of asyncio.
    pub(crate) fn awaited(reader: FitsReader, info: HduInfo) -> Self {
        Self { awaited: true, ..Self::new(reader, info) }
    }

    /// Waits for an operation; for a file of asyncio, gives what can be awaited.
    fn run<'py, T>(&self, py: Python<'py>, op: Op<T>) -> PyResult<Bound<'py, PyAny>>
    where
        T: for<'a> IntoPyObject<'a> + Send + 'static,
    {
        if self.awaited { await_op(py, op, |value| value) } else { Answer(wait(py, op)?).into_pyobject(py) }
    }

    /// Whether an `extending()` is open.
    pub(crate) fn is_collecting(&self) -> bool {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// As [`Hdu::collect`], for the rows of an image. Those of a compressed one all wait for the end.
    pub(crate) fn collect_pixels(&self, rows: PixelValues) -> Collection<PixelValues> {
        let size = if self.info.kind() == HduKind::Image { rows.byte_len() } else { 0 };
        let axes = self.info.shape().map_or(0, |shape| shape.len());
        self.collect_with(rows, size, |collected, rows| {
            let rows = match collected.last_mut() {
                Some(Extension::Pixels(before)) => before.join(rows, axes),
                _ => Err(rows),
            };
            // Whoever collects rows often fills one array again and again.
            collected.extend(rows.err().map(|rows| Extension::Pixels(rows.into_owned())));
        })
    }

    /// Keeps rows for the end of an open `extending()`; `size` is how many bytes they take.
    pub(crate) fn collect<T>(&self, rows: T, size: usize, own: impl FnOnce(T) -> Extension) -> Collection<T> {
        self.collect_with(rows, size, |collected, rows| collected.push(own(rows)))
    }

    fn collect_with<T>(&self, rows: T, size: usize, keep: impl FnOnce(&mut Vec<Extension>, T)) -> Collection<T> {
        match &mut *self.collected.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(collected) => {
                keep(&mut collected.extensions, rows);
                collected.bytes = collected.bytes.saturating_add(size);
                if collected.bytes <= MOST_COLLECTED {
                    return Collection::Kept;
                }
                (collected.bytes, collected.begun) = (0, true);
                Collection::Full(std::mem::take(&mut collected.extensions))
            }
            None => Collection::Closed(rows),
        }
    }

    fn writer(&self) -> PyResult<FitsWriter> {
        self.reader.writer().or_raise()
    }

    /// What names or describes the HDU, as the header has it now.
    pub(crate) fn described<T: Send>(&self, py: Python<'_>, describe: impl FnOnce(&HduInfo) -> T + Send) -> T {
        if self.reader.writer().is_err() {
            return describe(&self.info);
        }
        py.detach(|| describe(self.reader.present(&self.info).as_ref().unwrap_or(&self.info)))
    }
}

/// The object for an HDU, of the class that fits its kind.
pub(crate) fn hdu_object(py: Python<'_>, hdu: Hdu) -> PyResult<Py<PyAny>> {
    let kind = hdu.info.kind();
    let base = PyClassInitializer::from(hdu);
    Ok(match kind {
        HduKind::BinaryTable => Py::new(py, base.add_subclass(AnyTable).add_subclass(TableHdu))?.into_any(),
        HduKind::AsciiTable => Py::new(py, base.add_subclass(AnyTable).add_subclass(AsciiTableHdu))?.into_any(),
        HduKind::CompressedImage => {
            Py::new(py, base.add_subclass(ImageHdu).add_subclass(CompressedImageHdu))?.into_any()
        }
        HduKind::CompressedTable => {
            Py::new(py, base.add_subclass(AnyTable).add_subclass(TableHdu).add_subclass(CompressedTableHdu))?.into_any()
        }
        _ => Py::new(py, base.add_subclass(ImageHdu))?.into_any(),
    })
}

#[pymethods]
impl Hdu {
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        if self.awaited {
            return Err(PyTypeError::new_err("an HDU of rustfits.aio can't be pickled: pass on the file's name"));
        }
        // Refused here, where the message can reach its reader.
        reduce_file(py, &self.reader)?;
        reduce_item(py, Fits::again(self.reader.clone()), self.info.index())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.described(py, |now| crate::repr::hdu(self.reader.name(), now))
    }

    /// The header of the HDU. Of a compressed image it is that of the image, in which the keywords of the compression (Z...) are found as well.
    #[getter]
    fn header(&self, py: Python<'_>) -> PyResult<Py<PyHeader>> {
        let live = || self.reader.live_header(&self.info);
        let header = || Py::new(py, if self.awaited { PyHeader::awaited(live()) } else { PyHeader::live(live()) });
        Ok(self.header.get_or_try_init(py, header)?.clone_ref(py))
    }

    /// The number of the HDU, counted from 0.
    #[getter]
    fn index(&self, py: Python<'_>) -> PyResult<usize> {
        py.detach(|| self.reader.present(&self.info)).map(|now| now.index()).or_raise()
    }

    /// EXTNAME, or None.
    #[getter]
    fn extname(&self, py: Python<'_>) -> Option<String> {
        self.described(py, |now| now.name().map(str::to_owned))
    }

    /// EXTVER, 1 where it is missing.
    #[getter]
    fn extver(&self, py: Python<'_>) -> i64 {
        self.described(py, HduInfo::version)
    }

    /// Whether there are data: NAXIS > 0 and every NAXISn > 0.
    #[getter]
    fn has_data(&self, py: Python<'_>) -> bool {
        self.described(py, HduInfo::has_data)
    }

    /// Sets the DATASUM card: the checksum of the data as they are now. Later changes don't refresh it. Of a compressed image or table it is ZDATASUM, the
    /// checksum of its pixels or rows as they are when it is not compressed.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     hdu = fits.write_image(np.arange(10))
    /// ...     hdu.add_datasum()
    /// ...     print(hdu.verify_datasum())
    /// True
    fn add_datasum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.run(py, self.writer()?.add_datasum(self.info.id()))
    }

    /// Sets the DATASUM and CHECKSUM cards: the checksums of the data and of the whole HDU as they are now. Later changes, also of the header,
    /// don't refresh them. Of a compressed image or table they are ZDATASUM and ZHECKSUM, those of the HDU that it is when it is not compressed.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     hdu = fits.write_image(np.arange(10))
    /// ...     hdu.add_checksum()
    /// ...     print(hdu.verify_checksum())
    /// True
    fn add_checksum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.run(py, self.writer()?.add_checksum(self.info.id()))
    }

    /// Whether the data are those that the DATASUM card was made for; None without that card.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("image.fits") as fits:
    /// ...     print(fits["SCI"].verify_datasum())
    /// None
    fn verify_datasum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.run(py, self.reader.verify_datasum(self.info.id()))
    }

    /// Whether header and data are those that the CHECKSUM card was made for; None without that card.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("image.fits") as fits:
    /// ...     print(fits["SCI"].verify_checksum())
    /// None
    fn verify_checksum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.run(py, self.reader.verify_checksum(self.info.id()))
    }
}

/// An image.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("image.fits") as fits:
/// ...     sci = fits["SCI"]
/// ...     print(sci.shape, sci.dtype, sci[10, 20:23], sci[::-100, 0])
/// (300, 200) int16 [2020 2021 2022] [ -5736 -25736  19800]
#[pyclass(name = "ImageHDU", extends = Hdu, subclass, frozen, module = "rustfits")]
pub(crate) struct ImageHdu;

/// The read of a section, as it is for every face.
pub(crate) fn read_section(hdu: &Hdu, section: Option<SectionKey>, scale: bool, mask_blank: bool) -> Op<ImageData> {
    let mut image = hdu.reader.image(hdu.info.id());
    if let Some(SectionKey(section)) = section {
        image = image.section(section);
    }
    if !scale {
        image = image.unscaled();
    }
    if mask_blank { image.read_masked() } else { image.read_dyn() }
}

#[pymethods]
impl ImageHdu {
    /// The lengths of the axes, slowest first.
    #[getter]
    fn shape<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        PyTuple::new(py, slf.as_super().described(py, HduInfo::shape).or_raise()?)
    }

    /// The numpy dtype of the values.
    #[getter]
    fn dtype<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import("numpy")?.getattr("dtype")?.call1((slf.as_super().info.data_type().or_raise()?.code(),))
    }

    /// The number of axes.
    #[getter]
    fn ndim(slf: PyRef<'_, Self>) -> PyResult<usize> {
        Ok(slf.as_super().info.shape().or_raise()?.len())
    }

    /// The number of pixels.
    #[getter]
    fn size(slf: PyRef<'_, Self>) -> PyResult<u64> {
        slf.as_super().described(slf.py(), HduInfo::size).or_raise()
    }

    /// BITPIX as stored.
    #[getter]
    fn bitpix(slf: PyRef<'_, Self>) -> PyResult<i64> {
        slf.as_super().info.bitpix().or_raise()
    }

    /// BUNIT, or None.
    #[getter]
    fn unit(slf: PyRef<'_, Self>) -> Option<String> {
        let (py, hdu) = (slf.py(), slf.as_super());
        hdu.described(py, HduInfo::unit)
    }

    fn __len__(slf: PyRef<'_, Self>) -> PyResult<usize> {
        let shape = slf.as_super().described(slf.py(), HduInfo::shape).or_raise()?;
        shape
            .first()
            .map(|&length| length as usize)
            .ok_or_else(|| PyTypeError::new_err("an image without axes has no len()"))
    }

    /// Reads the image, or a section of it.
    ///
    /// Parameters
    /// ----------
    /// section : key of the image, optional
    ///     What could stand in `hdu[...]`: ints, slices of any step, `...`, lists of ints along an axis.
    /// scale : bool
    ///     Apply BSCALE and BZERO; False gives the stored values.
    /// mask_blank : bool
    ///     Give a masked array in which the blank pixels are masked.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    ///     Native byte order, slowest axis first, owned by the caller.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("image.fits") as fits:
    /// ...     corner = fits["SCI"].read(np.s_[:2, :3])
    /// ...     stored = fits["SCI"].read(scale=False)
    /// >>> corner
    /// array([[  0,   1,   2],
    ///        [200, 201, 202]], dtype=int16)
    #[pyo3(signature = (section=None, *, scale=true, mask_blank=false))]
    fn read(slf: PyRef<'_, Self>, section: Option<SectionKey>, scale: bool, mask_blank: bool) -> PyResult<Pixels> {
        let py = slf.py();
        wait(py, read_section(slf.as_super(), section, scale, mask_blank)).map(Pixels)
    }

    /// The whole image as an array, for functions of numpy that are given the HDU.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: PyRef<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, hdu) = (slf.py(), slf.as_super());
        as_array(hdu.awaited, dtype, copy, || Pixels(wait(py, read_section(hdu, None, true, false))?).into_pyobject(py))
    }

    fn __getitem__(slf: PyRef<'_, Self>, section: SectionKey) -> PyResult<Pixels> {
        let py = slf.py();
        wait(py, read_section(slf.as_super(), Some(section), true, false)).map(Pixels)
    }

    fn __setitem__(slf: PyRef<'_, Self>, section: SectionKey, value: PixelArgument) -> PyResult<()> {
        let (py, hdu) = (slf.py(), slf.as_super());
        if hdu.awaited {
            return Err(PyTypeError::new_err("an assignment can't be awaited: use `await hdu.set(key, value)`"));
        }
        wait(py, set_section(hdu, section, value))
    }

    /// Writes an array into the image.
    ///
    /// Parameters
    /// ----------
    /// data : array_like
    ///     Values of any dtype whose numbers fit, which is checked before anything is written. An array of the dtype in which the image
    ///     stores its pixels is taken for stored numbers (what `read(scale=False)` gives), any other is scaled back with BSCALE and BZERO
    ///     and rounded. What is masked becomes BLANK, or NaN in an image of floats.
    /// start : tuple of int or int, optional
    ///     Where the first value goes: a position for each axis, or the number of a pixel, from which on the values follow each other; the
    ///     first pixel unless given.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     hdu = fits.write_image(np.zeros((4, 4), "i2"))
    /// ...     hdu.write([[1, 2], [3, 4]], start=(1, 1))
    /// ...     print(hdu[1])
    /// [0 1 2 0]
    #[pyo3(signature = (data, start=None))]
    fn write(slf: PyRef<'_, Self>, data: PixelArgument, start: Option<StartArgument>) -> PyResult<()> {
        let py = slf.py();
        wait(py, write_data(slf.as_super(), data, start))
    }

    /// Makes the image longer along its first axis.
    ///
    /// Parameters
    /// ----------
    /// data : array_like
    ///     Rows: an array with all axes of the image, or with all but the first for a single row. Dtypes as for `write`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     hdu = fits.write_image(np.zeros((4, 3), "f4"))
    /// ...     hdu.extend(np.ones((2, 3)))
    /// ...     print(hdu.shape)
    /// (6, 3)
    fn extend(slf: PyRef<'_, Self>, data: PixelArgument) -> PyResult<()> {
        let (py, hdu) = (slf.py(), slf.as_super());
        extend(hdu, data).map_or(Ok(()), |op| wait(py, op))
    }

    /// A context in which `extend` collects rows: they are written at its end, in one change, and whenever they are more than 64 MiB, so that memory
    /// stays bounded; those of a compressed image all at the end. After an exception the image has the rows again that it had before; a process that is killed leaves those that were
    /// written. The context is the image itself: `with hdu.extending() as rows: rows.extend(...)`. `async with` for a file of `rustfits.aio`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     hdu = fits.create_image_hdu("f4", (0, 3))
    /// ...     with hdu.extending() as frames:
    /// ...         for n in range(100):
    /// ...             frames.extend([[n, n, n]])
    /// ...     print(hdu.shape)
    /// (100, 3)
    fn extending(slf: Bound<'_, Self>) -> Extending {
        Extending { hdu: slf.into_super().unbind() }
    }
}

/// An image in compressed tiles.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("mem://", "w+") as fits:
/// ...     packed = fits.write_image(np.zeros((100, 200), "i4"), compress=rustfits.Rice1(tile_shape=(10, 200)))
/// ...     print(packed.zcmptype, packed.tile_shape, packed.n_tiles)
/// RICE_1 (10, 200) 10
#[pyclass(name = "CompressedImageHDU", extends = ImageHdu, subclass, frozen, module = "rustfits")]
pub(crate) struct CompressedImageHdu;

#[pymethods]
impl CompressedImageHdu {
    /// How its tiles are compressed, such as 'RICE_1'.
    #[getter]
    fn zcmptype(slf: PyRef<'_, Self>) -> PyResult<&'static str> {
        slf.as_super().as_super().info.compression().or_raise()
    }

    /// How its tiles are compressed, as `compress=` takes it: a Rice1, Gzip1, Gzip2, Plio1, Hcompress1 or NoCompress. The level of gzip is not in a file.
    #[getter]
    fn compression<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        compression_object(slf.py(), &slf.as_super().as_super().info)
    }

    /// How its floats were made integers, as `quantize=` takes it; None where they are stored as they are, and for integers.
    #[getter]
    fn quantize<'py>(slf: PyRef<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        quantize_object(slf.py(), &slf.as_super().as_super().info)
    }

    /// The shape of a tile, slowest axis first; tiles at the end of an axis are shorter.
    #[getter]
    fn tile_shape<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        PyTuple::new(py, slf.as_super().as_super().info.tile_shape().or_raise()?)
    }

    /// The number of tiles.
    #[getter]
    fn n_tiles(slf: PyRef<'_, Self>) -> PyResult<u64> {
        slf.as_super().as_super().described(slf.py(), HduInfo::tiles).or_raise()
    }

    /// The most bytes of decoded tiles that are kept for the next section: 32 MiB unless it was set.
    #[getter]
    fn tile_cache_size(slf: PyRef<'_, Self>) -> u64 {
        slf.as_super().as_super().described(slf.py(), HduInfo::tile_cache_size)
    }

    /// How many bytes of decoded tiles are kept. Reads of sections keep them; a read of the whole image does not.
    #[getter]
    fn tile_cache_used(slf: PyRef<'_, Self>) -> u64 {
        slf.as_super().as_super().described(slf.py(), HduInfo::tile_cache_used)
    }

    /// Sets the most bytes of decoded tiles that are kept, by all that read this HDU of the open file; 0 keeps none.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_image(np.zeros((100, 200), "i4"), compress=rustfits.Rice1(tile_shape=(10, 200)))
    /// ...     packed.set_tile_cache_size(1 << 20)
    /// ...     print(packed.tile_cache_size)
    /// 1048576
    fn set_tile_cache_size(slf: PyRef<'_, Self>, size: Whole) -> PyResult<()> {
        let size = size.within("size", 0..=u64::MAX)?;
        slf.as_super().as_super().described(slf.py(), |now| now.set_tile_cache_size(size));
        Ok(())
    }

    /// Lets the decoded tiles go.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_image(np.zeros((100, 200), "i4"), compress=rustfits.Rice1(tile_shape=(10, 200)))
    /// ...     pixel = packed[0, 0]
    /// ...     packed.clear_tile_cache()
    /// ...     print(packed.tile_cache_used)
    /// 0
    fn clear_tile_cache(slf: PyRef<'_, Self>) {
        slf.as_super().as_super().described(slf.py(), HduInfo::clear_tile_cache);
    }

    /// Rewrites the tiles without what changes have left between them. A tile that gets other pixels is put behind the others, and its old bytes
    /// stay where they are until then.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_image(np.zeros((100, 200), "i4"), compress=rustfits.Rice1(tile_shape=(10, 200)))
    /// ...     packed[:50] = 7
    /// ...     packed.repack()
    fn repack<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, hdu) = (slf.py(), slf.as_super().as_super());
        hdu.run(py, hdu.reader.image(hdu.info.id()).repack())
    }
}
