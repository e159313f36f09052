//! `read`, `read_header` and `write`: a file opened, used and closed in one call; blocking here, awaitable in `aio/functions.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustfits::{FitsReader, FitsWriter, HduInfo, HduKey, Header, Op};

use crate::aio::{Data, Read};
use crate::header::{CardsArgument, PyHeader};
use crate::keys::{Key, file_name};
use crate::new_hdu::image_options;
use crate::opening::{Mode, warn};
use crate::options::{RemoteArgument, open_options};
use crate::pixels::PixelArgument;
use crate::run::wait;
use crate::table_values::is_table;
use crate::table_write::NewTable;

/// What was read, with the header where it was asked for.
pub(crate) struct Loaded(pub(crate) Data, pub(crate) Option<Arc<Header>>);

impl<'py> IntoPyObject<'py> for Loaded {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let data = self.0.into_pyobject(py)?;
        match self.1 {
            Some(header) => {
                Ok(PyTuple::new(py, [data, Bound::new(py, PyHeader::copy(&header))?.into_any()])?.into_any())
            }
            None => Ok(data),
        }
    }
}

/// The HDU that is asked for, or the first one with data.
pub(crate) fn chosen(reader: &FitsReader, ext: Option<HduKey>) -> Op<HduInfo> {
    match ext {
        Some(key) => reader.hdu(key),
        None => reader.first_with_data(),
    }
}

/// Reads the data of one HDU: an image as an array, a table as a structured array.
///
/// Parameters
/// ----------
/// filename : str or os.PathLike
///     A name as `FITS` takes it.
/// ext : int, str or (str, int), optional
///     Which HDU; the first one with data unless given.
/// header : bool
///     Also give the header: `data, header = read(...)`. It is a copy, which can be edited.
/// lenient, remote
///     As for `FITS`.
///
/// Examples
/// --------
/// >>> image, header = rustfits.read("image.fits", "SCI", header=True)
/// >>> image.shape, header["EXTNAME"]
/// ((300, 200), 'SCI')
#[pyfunction]
#[pyo3(signature = (filename, ext=None, *, header=false, lenient=false, remote=None))]
pub(crate) fn read(
    py: Python<'_>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    ext: Option<Key>,
    header: bool,
    lenient: bool,
    remote: Option<RemoteArgument>,
) -> PyResult<Loaded> {
    let reader = wait(py, FitsReader::open_with(filename, open_options(lenient, remote)))?;
    warn(py, &reader)?;
    let info = wait(py, chosen(&reader, ext.map(|key| key.0)))?;
    let data = Read::whole(&reader, &info)?.wait(py)?;
    Ok(Loaded(data, header.then(|| Arc::clone(info.header()))))
}

/// Reads the header of one HDU: a copy, which can be edited.
///
/// Parameters are those of `read`; `ext` is the first HDU unless given.
///
/// Examples
/// --------
/// >>> rustfits.read_header("image.fits")["EXPTIME"]
/// 99.9
#[pyfunction]
#[pyo3(signature = (filename, ext=Key(HduKey::Index(0)), *, lenient=false, remote=None))]
pub(crate) fn read_header(
    py: Python<'_>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    ext: Key,
    lenient: bool,
    remote: Option<RemoteArgument>,
) -> PyResult<PyHeader> {
    let reader = wait(py, FitsReader::open_with(filename, open_options(lenient, remote)))?;
    warn(py, &reader)?;
    Ok(PyHeader::copy(&*wait(py, reader.header(ext.0))?))
}

/// Writes an array as an image, a structured array or a dict as a table.
///
/// Parameters
/// ----------
/// filename : str or os.PathLike
///     A path; one that ends in `.gz` is compressed.
/// data : array_like
///     As for `FITS.write_image`; a structured array or a dict as for `FITS.write_table`.
/// mode : {'w+', 'r+'}
///     `w+` makes a file, in the place of an old one once it is complete; `r+` appends to a file that is there.
/// extname : str, optional
///     EXTNAME.
/// header : Header or dict, optional
///     Cards for the header; of a Header, the protected keywords are left out.
///
/// Examples
/// --------
/// >>> rustfits.write("new.fits", np.zeros((10, 10)), extname="SCI", header={"OBJECT": "M31"})
/// >>> rustfits.read_header("new.fits")["OBJECT"]
/// 'M31'
#[pyfunction]
#[pyo3(signature = (filename, data, *, mode="w+", extname=None, header=None))]
pub(crate) fn write(
    py: Python<'_>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    data: &Bound<'_, PyAny>,
    mode: &str,
    extname: Option<String>,
    header: Option<CardsArgument>,
) -> PyResult<()> {
    wait(py, writing(filename, data, mode, extname, header)?)
}

/// The operation that writes a file.
pub(crate) fn writing(
    filename: PathBuf,
    data: &Bound<'_, PyAny>,
    mode: &str,
    extname: Option<String>,
    header: Option<CardsArgument>,
) -> PyResult<Op<()>> {
    let append = match Mode::named(mode)? {
        Mode::Create => false,
        Mode::Change => true,
        Mode::Read => return Err(PyValueError::new_err("mode 'r' does not write: 'w+' makes a file, 'r+' appends")),
    };
    if is_table(data)? {
        let options = NewTable { extname, header, ..NewTable::default() };
        return options.write_file(filename, append, data);
    }
    let values: PixelArgument = data.extract()?;
    let options = image_options(extname, None, None, header, None, (None, None))?;
    Ok(FitsWriter::write_file(filename, append, values.0, options))
}

/// Whether a keyword describes the structure of the file, so that it is not set by hand.
///
/// Examples
/// --------
/// >>> rustfits.is_protected_key("NAXIS1"), rustfits.is_protected_key("OBJECT")
/// (True, False)
#[pyfunction]
pub(crate) fn is_protected_key(name: &str) -> bool {
    rustfits::is_protected_keyword(name)
}
