//! The class `FITS`: an open file.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList};
use rustfits::{FitsReader, FitsWriter, HduId, HduInfo, HduKey, Op};

use crate::array::data_type_of;
use crate::compress::{CompressArgument, QuantizeArgument, TableCompressArgument, table_compress};
use crate::error::OrRaise;
use crate::hdu::{Hdu, hdu_object};
use crate::header::CardsArgument;
use crate::keys::{HduArgument, Key, file_name, row_count};
use crate::new_hdu::{Dims, copy_of, image_options};
use crate::numbers::{Whole, extension_version};
use crate::opening::{Handle, Mode, Opening, open_bytes, python_bytes, warn};
use crate::options::RemoteArgument;
use crate::pickle::{Reduced, reduce_file};
use crate::pixels::PixelArgument;
use crate::run::wait;
use crate::table_values::is_table;
use crate::table_write::{HeapFormatArgument, NewTable, UnitsArgument};

/// An open FITS file.
///
/// Parameters
/// ----------
/// filename : str or os.PathLike
///     A path, or a `file://`, `mem://`, `http(s)://` or `ftp(s)://` name. Plain and gzip files are told apart by their bytes.
/// mode : {'r', 'r+', 'w+'}
///     `r` reads (what lies in memory, a `.gz`, a URL or bytes, may be changed there and is never written back); `r+` reads and changes;
///     `w+` creates the file or empties it.
/// lenient : bool
///     Take cards that break the rules of the standard.
/// remote : {'ranged', 'auto', 'stream'} or Remote, optional
///     How a remote file is fetched: whole unless given; by the ranges that are touched; those where the server has them; or whole, and read
///     while it comes (see `Remote`).
/// atomic : bool
///     With `w+`: the file takes its name, or the place of the one there, when it is closed. A kill, an exception in the `with` block and a
///     handle that is forgotten leave nothing under the name, or the old file as it was.
/// allow_in_place : bool
///     With `r+`: where data have to move and a new file can't take the old one's place (no space for a second file, no permission in the
///     directory, several hard links), move them in the old file. A kill can then destroy it.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("image.fits") as fits:
/// ...     stamp = fits["SCI"][100:200, 50:150]
/// ...     rows = fits["CAT"].read(columns=["ra", "dec"])
/// >>> stamp.shape, len(rows)
/// ((100, 100), 1200)
#[pyclass(name = "FITS", frozen, module = "rustfits")]
pub(crate) struct Fits {
    handle: Handle,
    mode: Mode,
    hdus: Mutex<HashMap<HduId, Py<PyAny>>>,
}

impl Fits {
    fn new(py: Python<'_>, handle: Handle, mode: Mode) -> PyResult<Self> {
        warn(py, handle.reader())?;
        Ok(Self { handle, mode, hdus: Mutex::default() })
    }

    /// A file that a fetch has opened.
    pub(crate) fn of_reader(py: Python<'_>, reader: FitsReader) -> PyResult<Self> {
        Self::new(py, Handle::Reader(reader), Mode::Read)
    }

    /// A file whose user was warned already.
    pub(crate) fn again(reader: FitsReader) -> Self {
        Self { handle: Handle::Reader(reader), mode: Mode::Read, hdus: Mutex::default() }
    }

    /// The HDU that an operation adds.
    fn added(&self, py: Python<'_>, adding: Op<usize>) -> PyResult<Py<PyAny>> {
        let index = wait(py, adding)?;
        self.__getitem__(py, Key(index.into()))
    }

    /// The HDU's object: the same one each time.
    fn object(&self, py: Python<'_>, info: HduInfo) -> PyResult<Py<PyAny>> {
        let id = info.id();
        if let Some(object) = self.hdus.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(object.clone_ref(py));
        }
        let object = hdu_object(py, Hdu::new(self.handle.reader().clone(), info))?;
        let mut hdus = self.hdus.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(hdus.entry(id).or_insert(object).clone_ref(py))
    }

    /// The HDU of this file in front of which something goes.
    fn place(&self, before: Option<HduArgument>) -> PyResult<Option<HduKey>> {
        before.map(|before| before.within(self.handle.reader())).transpose()
    }

    fn writer(&self) -> PyResult<FitsWriter> {
        self.handle.reader().writer().or_raise()
    }
}

#[pymethods]
impl Fits {
    #[new]
    #[pyo3(signature = (filename, mode="r", *, lenient=false, remote=None, atomic=false, allow_in_place=false))]
    fn py_new(
        py: Python<'_>,
        filename: Bound<'_, PyAny>,
        mode: &str,
        lenient: bool,
        remote: Option<RemoteArgument>,
        atomic: bool,
        allow_in_place: bool,
    ) -> PyResult<Self> {
        let opening = Opening::new(file_name(&filename)?, mode, lenient, remote, atomic, allow_in_place)?;
        let mode = opening.mode;
        Self::new(py, wait(py, opening.open())?, mode)
    }

    /// Opens bytes that are in memory, plain or gzip.
    ///
    /// Examples
    /// --------
    /// >>> content = np.fromfile("image.fits", "u1")
    /// >>> rustfits.FITS.from_bytes(content)["SCI"].shape
    /// (300, 200)
    #[staticmethod]
    #[pyo3(signature = (data, mode="r", lenient=false))]
    fn from_bytes(py: Python<'_>, data: &Bound<'_, PyAny>, mode: &str, lenient: bool) -> PyResult<Self> {
        let mode = Mode::of_bytes(mode)?;
        Self::new(py, wait(py, open_bytes(data, mode, lenient)?)?, mode)
    }

    /// The whole file, uncompressed, as bytes.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     hdu = fits.write_image(np.zeros((10, 10), "f4"))
    /// ...     content = fits.to_bytes()
    /// >>> len(content)
    /// 5760
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        python_bytes(py, &wait(py, self.handle.to_bytes())?)
    }

    /// The name under which the file was opened, without credentials.
    #[getter]
    fn filename(&self) -> &str {
        self.handle.reader().name()
    }

    /// The mode.
    #[getter]
    fn mode(&self) -> &str {
        self.mode.name()
    }

    /// Whether the file is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.reader().is_closed()
    }

    /// All HDUs.
    #[getter]
    fn hdus(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        (0..self.__len__(py)?).map(|index| self.object(py, wait(py, self.handle.reader().hdu(index))?)).collect()
    }

    /// Closes the file; closing twice is no error.
    ///
    /// Examples
    /// --------
    /// >>> fits = rustfits.FITS("image.fits")
    /// >>> fits.close()
    /// >>> fits.closed
    /// True
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match &self.handle {
            Handle::Reader(reader) => {
                reader.close();
                Ok(())
            }
            Handle::Writer(writer) => wait(py, writer.close()),
        }
    }

    /// Makes what was written durable.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("new.fits", "w+") as fits:
    /// ...     hdu = fits.write_image(np.zeros(3))
    /// ...     fits.sync()
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, self.writer()?.sync())
    }

    /// Adds an image: as the primary HDU where the file is empty, else as an extension behind the last HDU.
    ///
    /// Parameters
    /// ----------
    /// data : array_like
    ///     Numbers of any byte order and memory order; dtypes u1 i2 i4 i8 f4 f8 and i1 u2 u4 u8. What is masked becomes `blank`, or NaN
    ///     among floats.
    /// extname : str, optional
    ///     EXTNAME.
    /// extver : int, optional
    ///     EXTVER.
    /// blank : int, optional
    ///     The value that stands for a pixel without one, for dtypes of integers.
    /// header : Header or dict, optional
    ///     More cards. Of a header the protected keywords are left out; a dict with one of them is a ValueError. The values of a dict can
    ///     be tuples of value and comment.
    /// before : int, str, (str, int) or HDU, optional
    ///     The HDU in front of which the new one goes; behind the last one unless given. In front of the primary HDU it becomes the primary
    ///     one, and the old one an extension.
    /// compress : str or Gzip1, Gzip2, Rice1, Plio1, Hcompress1, NoCompress, optional
    ///     Compresses the image in tiles, by the name of a compression ('RICE_1', 'gzip_2', ...) or an instance of its class. The image is then
    ///     an extension, behind an empty primary HDU where the file has none. Floats are lossless with GZIP_1 and GZIP_2; the others need
    ///     `quantize`.
    /// quantize : Quantize, optional
    ///     Makes floats integers before they are compressed, which loses what is below the steps.
    ///
    /// Returns
    /// -------
    /// ImageHDU
    ///     The new HDU.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     sci = fits.write_image(np.zeros((100, 200), "i2"), extname="SCI", header={"EXPTIME": (30.0, "seconds")})
    /// ...     packed = fits.write_image(np.zeros((100, 200)), compress="GZIP_2")
    /// ...     print(sci.shape, sci.header["EXPTIME"], packed.compression.name)
    /// (100, 200) 30.0 GZIP_2
    #[pyo3(signature = (data, *, extname=None, extver=None, compress=None, quantize=None, blank=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn write_image(
        &self,
        py: Python<'_>,
        data: PixelArgument,
        extname: Option<String>,
        extver: Option<Whole>,
        compress: Option<CompressArgument>,
        quantize: Option<QuantizeArgument>,
        blank: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Py<PyAny>> {
        let compress = (compress, quantize);
        let options = image_options(extname, extver, blank, header, self.place(before)?, compress)?;
        self.added(py, self.writer()?.write_image_values(data.0, options))
    }

    /// Adds an image of zeros, which take no time to write.
    ///
    /// Parameters
    /// ----------
    /// dtype : dtype
    ///     u1 i2 i4 i8 f4 f8 or i1 u2 u4 u8.
    /// dims : int or tuple of int
    ///     The shape, slowest axis first.
    ///
    /// The other parameters are those of `write_image`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     mosaic = fits.create_image_hdu("f4", (1000, 1000), extname="MOSAIC")
    /// ...     mosaic[10:20, 30:40] = 1.5
    /// ...     print(mosaic[10, 29:32])
    /// [0.  1.5 1.5]
    #[pyo3(signature = (dtype, dims, *, extname=None, extver=None, compress=None, quantize=None, blank=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn create_image_hdu(
        &self,
        py: Python<'_>,
        dtype: &Bound<'_, PyAny>,
        dims: Dims,
        extname: Option<String>,
        extver: Option<Whole>,
        compress: Option<CompressArgument>,
        quantize: Option<QuantizeArgument>,
        blank: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Py<PyAny>> {
        let compress = (compress, quantize);
        let options = image_options(extname, extver, blank, header, self.place(before)?, compress)?;
        self.added(py, self.writer()?.create_image(data_type_of(dtype)?, dims.shape(), options))
    }

    /// Adds an array as an image, a structured array or a dict as a table; the parameters are those of `write_image` and `write_table`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     image, table = fits.write(np.zeros((2, 3))), fits.write({"a": [1, 2]})
    /// ...     print(type(image).__name__, type(table).__name__)
    /// ImageHDU TableHDU
    #[pyo3(signature = (data, *, extname=None, header=None, before=None))]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        extname: Option<String>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Py<PyAny>> {
        if is_table(data)? {
            let table = NewTable { extname, header, before: self.place(before)?, ..NewTable::default() };
            return self.added(py, table.write(&self.writer()?, data, None)?);
        }
        self.write_image(py, data.extract()?, extname, None, None, None, None, header, before)
    }

    /// Adds a binary table behind the last HDU; an empty primary HDU goes first in an empty file.
    ///
    /// Parameters
    /// ----------
    /// data : structured array, dict or list of arrays
    ///     The columns, which all have as many rows: arrays of any byte order and memory order with the dtypes b1, u1 i2 i4 i8 f4 f8, i1 u2 u4 u8,
    ///     c8 c16, S and U, and arrays of str. What is masked becomes the column's TNULL, which is none of its values, NaN, or 0 among logicals.
    /// names : list of str, optional
    ///     The names of a list of arrays; of other data, only these columns.
    /// extname, extver : optional
    ///     EXTNAME and EXTVER.
    /// units : dict or list of str, optional
    ///     Units by column name, or one for each column.
    /// bit_columns : list of str, optional
    ///     Columns of bools that are packed as bits.
    /// header : Header or dict, optional
    ///     More cards, such as TDISPn, as for `write_image`.
    /// before : int, str, (str, int) or HDU, optional
    ///     As for `write_image`.
    /// compress : bool, str, Gzip1, Gzip2, Rice1 or dict, optional
    ///     Compresses the columns in tiles of rows. True: each by what suits its type (RICE_1 for i4, GZIP_2 for other numbers, GZIP_1 for bytes, text,
    ///     bools and complex numbers). A name ('GZIP_2') or an instance of its class: by that where it packs what the column holds. A dict: by column; those
    ///     that are not in it, or have True, as with True. The table is then a `CompressedTableHDU`.
    /// ztilelen : int, optional
    ///     The number of rows of a tile; about 1 MiB of rows unless given.
    /// var_dtypes : dict, optional
    ///     Columns that are variable-length ones, with the dtypes of their arrays: `{"flux": "f4", "note": "S"}` ("S" or "U" for text). Arrays of objects that hold
    ///     arrays, and lists of lists of different lengths, are variable-length in any case, of the one dtype that their arrays have. None is an empty array.
    ///     A cell can be an array of texts, too, each of which takes as many characters as the longest of the column.
    /// heap_format : 'P' or 'Q', optional
    ///     The descriptors of variable-length columns: of 32 bits, or of 64; P unless the heap needs Q.
    ///
    /// Returns
    /// -------
    /// TableHDU
    ///     The new HDU.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     cat = fits.write_table({"ra": [1.5, 2.5], "name": ["Vega", "Deneb"]}, extname="CAT", units={"ra": "deg"})
    /// ...     print(cat.colnames, cat.units)
    /// ('ra', 'name') {'ra': 'deg'}
    #[pyo3(signature = (data, *, names=None, extname=None, extver=None, units=None, var_dtypes=None, bit_columns=None, heap_format=None, compress=None, ztilelen=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn write_table(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        names: Option<Vec<String>>,
        extname: Option<String>,
        extver: Option<Whole>,
        units: Option<UnitsArgument<'_>>,
        var_dtypes: Option<Bound<'_, PyDict>>,
        bit_columns: Option<Vec<String>>,
        heap_format: Option<HeapFormatArgument>,
        compress: Option<TableCompressArgument>,
        ztilelen: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Py<PyAny>> {
        let compress = table_compress(compress, ztilelen)?;
        let before = self.place(before)?;
        let formats = None;
        let table = NewTable {
            extname,
            extver: extension_version(extver)?,
            units,
            var_dtypes,
            bit_columns,
            heap_format,
            formats,
            compress,
            header,
            before,
        };
        self.added(py, table.write(&self.writer()?, data, names)?)
    }

    /// Adds a binary table whose rows hold nothing: 0, False, the empty string.
    ///
    /// Parameters
    /// ----------
    /// dtype : dtype
    ///     The columns, such as `[("ra", "f8"), ("name", "U12"), ("flux", "f4", (2, 3))]`.
    /// nrows : int
    ///     The number of rows.
    ///
    /// The other parameters are those of `write_table`.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     log = fits.create_table_hdu([("time", "f8"), ("state", "U8")], extname="LOG")
    /// ...     log.append({"time": [0.5], "state": ["ready"]})
    /// ...     print(len(log), log[0])
    /// 1 (0.5, 'ready')
    #[pyo3(signature = (dtype, nrows=0, *, extname=None, extver=None, units=None, var_dtypes=None, bit_columns=None, heap_format=None, compress=None, ztilelen=None, header=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn create_table_hdu(
        &self,
        py: Python<'_>,
        dtype: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = row_count)] nrows: u64,
        extname: Option<String>,
        extver: Option<Whole>,
        units: Option<UnitsArgument<'_>>,
        var_dtypes: Option<Bound<'_, PyDict>>,
        bit_columns: Option<Vec<String>>,
        heap_format: Option<HeapFormatArgument>,
        compress: Option<TableCompressArgument>,
        ztilelen: Option<Whole>,
        header: Option<CardsArgument>,
        before: Option<HduArgument>,
    ) -> PyResult<Py<PyAny>> {
        let compress = table_compress(compress, ztilelen)?;
        let before = self.place(before)?;
        let formats = None;
        let table = NewTable {
            extname,
            extver: extension_version(extver)?,
            units,
            var_dtypes,
            bit_columns,
            heap_format,
            formats,
            compress,
            header,
            before,
        };
        self.added(py, table.create(&self.writer()?, dtype, nrows)?)
    }

    /// Adds an ASCII table whose rows are blank: numbers read as 0, texts are empty. It is filled by `hdu.write`, `hdu[key] = value` and `hdu.append`.
    ///
    /// Parameters
    /// ----------
    /// dtype : dtype
    ///     The columns, such as `[("ra", "f8"), ("name", "U12")]`: integers, floats and texts, one value a field.
    /// nrows : int
    ///     The number of rows.
    /// extname, extver, units, before : optional
    ///     As for `write_table`.
    /// formats : dict, optional
    ///     Formats by column name, such as `{"ra": "F12.6"}`: Iw, Fw.d, Ew.d, Dw.d or Aw. Unless given integers get I20, f4 E15.7, f8 D25.17, with which every
    ///     number comes back as it was, and texts of n characters An. What is wider than its field is a ValueError when it is written.
    ///
    /// Returns
    /// -------
    /// AsciiTableHDU
    ///     The new HDU.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     text = fits.create_ascii_table_hdu([("n", "i4"), ("x", "f8")], 2, formats={"x": "F8.3"})
    /// ...     text["x"] = [1.5, 2.25]
    /// ...     print(text.formats, text["x"][:])
    /// {'n': 'I20', 'x': 'F8.3'} [1.5  2.25]
    #[pyo3(signature = (dtype, nrows=0, *, extname=None, extver=None, units=None, formats=None, before=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn create_ascii_table_hdu(
        &self,
        py: Python<'_>,
        dtype: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = row_count)] nrows: u64,
        extname: Option<String>,
        extver: Option<Whole>,
        units: Option<UnitsArgument<'_>>,
        formats: Option<Bound<'_, PyDict>>,
        before: Option<HduArgument>,
    ) -> PyResult<Py<PyAny>> {
        let extver = extension_version(extver)?;
        let table = NewTable { extname, extver, units, formats, before: self.place(before)?, ..NewTable::default() };
        self.added(py, table.create_ascii(&self.writer()?, dtype, nrows)?)
    }

    /// Adds a copy of an HDU of this or another open file: its cards and data byte for byte.
    ///
    /// A primary image becomes an extension where it does not come first; where an extension would come first an empty primary HDU goes in
    /// front of it.
    ///
    /// Parameters
    /// ----------
    /// hdu : HDU
    ///     What is copied.
    /// before : int, str, (str, int) or HDU, optional
    ///     As for `write_image`.
    ///
    /// Returns
    /// -------
    /// HDU
    ///     The new one.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("image.fits") as old, rustfits.FITS("mem://", "w+") as new:
    /// ...     hdu = new.copy(old["SCI"])
    /// ...     print(hdu.extname, hdu.shape)
    /// SCI (300, 200)
    #[pyo3(signature = (hdu, *, before=None))]
    fn copy(&self, py: Python<'_>, hdu: PyRef<'_, Hdu>, before: Option<HduArgument>) -> PyResult<Py<PyAny>> {
        self.added(py, copy_of(&self.writer()?, &hdu, self.place(before)?))
    }

    /// Deletes an HDU; those behind it move up. The primary HDU becomes an empty one.
    fn __delitem__(&self, py: Python<'_>, key: HduArgument) -> PyResult<()> {
        let writer = self.writer()?;
        wait(py, writer.delete_hdu(key.within(writer.reader())?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduce_file(py, self.handle.reader())
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        let fits = slf.get();
        if fits.closed() {
            // For its error.
            fits.__len__(py)?;
        }
        Ok(slf)
    }

    #[pyo3(signature = (kind, *_error))]
    fn __exit__(&self, py: Python<'_>, kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        match &self.handle {
            Handle::Writer(writer) if !kind.is_none() => wait(py, writer.abandon()),
            _ => self.close(py),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let reader = self.handle.reader();
        if reader.is_closed() {
            return Ok(crate::repr::file(reader.name(), self.mode.name(), None));
        }
        if let Some(infos) = py.detach(|| reader.arrived_hdus()) {
            let here = crate::repr::file(reader.name(), self.mode.name(), Some(&infos));
            return Ok(format!("{here}\n  status: still arriving"));
        }
        let infos = (0..self.__len__(py)?).map(|index| wait(py, reader.hdu(index))).collect::<PyResult<Vec<_>>>()?;
        Ok(crate::repr::file(reader.name(), self.mode.name(), Some(&infos)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        wait(py, self.handle.reader().count())
    }

    fn __getitem__(&self, py: Python<'_>, key: Key) -> PyResult<Py<PyAny>> {
        let info = wait(py, self.handle.reader().hdu(key.0))?;
        self.object(py, info)
    }

    fn __contains__(&self, py: Python<'_>, key: Key) -> PyResult<bool> {
        wait(py, self.handle.reader().contains(key.0))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.hdus(py)?)?.try_iter()
    }
}
