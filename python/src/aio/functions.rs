//! `rustfits.aio.read`, `read_header` and `write`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use rustfits::{FitsReader, HduKey};

use super::selector::Read;
use crate::error::exception;
use crate::functions::{Loaded, chosen, writing};
use crate::header::{CardsArgument, PyHeader};
use crate::keys::{Key, file_name};
use crate::opening::warn;
use crate::options::{RemoteArgument, open_options};
use crate::run::{await_op, awaitable};

/// Opens a file to be read, and passes on what its user should know.
async fn opened(filename: PathBuf, lenient: bool, remote: Option<RemoteArgument>) -> PyResult<FitsReader> {
    let reader = FitsReader::open_with(filename, open_options(lenient, remote)).await.map_err(exception)?;
    Python::try_attach(|py| warn(py, &reader)).unwrap_or(Ok(()))?;
    Ok(reader)
}

/// Reads the data of one HDU. Parameters as in `rustfits.read`.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     print((await aio.read("image.fits", "SCI")).shape)
/// >>> asyncio.run(main())
/// (300, 200)
#[pyfunction]
#[pyo3(signature = (filename, ext=None, *, header=false, lenient=false, remote=None))]
pub(crate) fn read<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    ext: Option<Key>,
    header: bool,
    lenient: bool,
    remote: Option<RemoteArgument>,
) -> PyResult<Bound<'py, PyAny>> {
    awaitable(py, async move {
        let reader = opened(filename, lenient, remote).await?;
        let info = chosen(&reader, ext.map(|key| key.0)).await.map_err(exception)?;
        let data = Read::whole(&reader, &info)?.run().await?;
        Ok(Loaded(data, header.then(|| Arc::clone(info.header()))))
    })
}

/// Reads the header of one HDU. Parameters as in `rustfits.read_header`.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     print((await aio.read_header("image.fits"))["EXPTIME"])
/// >>> asyncio.run(main())
/// 99.9
#[pyfunction]
#[pyo3(signature = (filename, ext=Key(HduKey::Index(0)), *, lenient=false, remote=None))]
pub(crate) fn read_header<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    ext: Key,
    lenient: bool,
    remote: Option<RemoteArgument>,
) -> PyResult<Bound<'py, PyAny>> {
    awaitable(py, async move {
        let reader = opened(filename, lenient, remote).await?;
        let header = reader.header(ext.0).await.map_err(exception)?;
        Ok(PyHeader::copy(&header))
    })
}

/// Writes an array as an image. Parameters as in `rustfits.write`.
///
/// Examples
/// --------
/// >>> async def main():
/// ...     await aio.write("new.fits", np.zeros((10, 10)), extname="SCI")
/// ...     print((await aio.read("new.fits", "SCI")).shape)
/// >>> asyncio.run(main())
/// (10, 10)
#[pyfunction]
#[pyo3(signature = (filename, data, *, mode="w+", extname=None, header=None))]
pub(crate) fn write<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = file_name)] filename: PathBuf,
    data: &Bound<'_, PyAny>,
    mode: &str,
    extname: Option<String>,
    header: Option<CardsArgument>,
) -> PyResult<Bound<'py, PyAny>> {
    await_op(py, writing(filename, data, mode, extname, header)?, |()| ())
}
