//! How a file is opened, by the words of Python.

use std::path::PathBuf;

use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use rustfits::{FitsReader, FitsWriter, Op, WriteOptions};

use crate::options::{RemoteArgument, open_options};

/// A file open for reading, or for writing.
pub(crate) enum Handle {
    Reader(FitsReader),
    Writer(FitsWriter),
}

impl Handle {
    pub(crate) fn reader(&self) -> &FitsReader {
        match self {
            Self::Reader(reader) => reader,
            Self::Writer(writer) => writer.reader(),
        }
    }

    /// All bytes of the file, uncompressed.
    pub(crate) fn to_bytes(&self) -> Op<Vec<u8>> {
        match self {
            Self::Reader(reader) => reader.to_bytes(),
            Self::Writer(writer) => writer.to_bytes(),
        }
    }
}

/// Bytes as Python has them; a MemoryError where there is no room for them.
pub(crate) fn python_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |place| {
        place.copy_from_slice(bytes);
        Ok(())
    })
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Change,
    Create,
}

impl Mode {
    /// The mode that a text names; anything else is a ValueError.
    pub(crate) fn named(mode: &str) -> PyResult<Self> {
        match mode {
            "r" => Ok(Self::Read),
            "r+" => Ok(Self::Change),
            "w+" => Ok(Self::Create),
            _ => Err(PyValueError::new_err(format!("mode '{mode}' is not one of 'r', 'r+', 'w+'"))),
        }
    }

    /// As [`Mode::named`], for bytes, which are there already.
    pub(crate) fn of_bytes(mode: &str) -> PyResult<Self> {
        match Self::named(mode)? {
            Self::Create => {
                Err(PyValueError::new_err("from_bytes opens what is there, with mode 'r' or 'r+'; use mem:// for 'w+'"))
            }
            mode => Ok(mode),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Change => "r+",
            Self::Create => "w+",
        }
    }
}

/// What a file is opened with.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) path: PathBuf,
    pub(crate) mode: Mode,
    lenient: bool,
    remote: Option<RemoteArgument>,
    atomic: bool,
    allow_in_place: bool,
}

impl Opening {
    pub(crate) fn new(
        path: PathBuf,
        mode: &str,
        lenient: bool,
        remote: Option<RemoteArgument>,
        atomic: bool,
        allow_in_place: bool,
    ) -> PyResult<Self> {
        let mode = Mode::named(mode)?;
        if atomic && mode != Mode::Create {
            return Err(PyValueError::new_err("atomic= is for mode 'w+'"));
        }
        if remote.is_some() && mode != Mode::Read {
            return Err(PyValueError::new_err("remote= is for mode 'r': a remote file is read-only"));
        }
        if allow_in_place && mode != Mode::Change {
            return Err(PyValueError::new_err("allow_in_place= is for mode 'r+'"));
        }
        Ok(Self { path, mode, lenient, remote, atomic, allow_in_place })
    }

    /// The operation that opens the file.
    pub(crate) fn open(self) -> Op<Handle> {
        let (path, lenient, allow_in_place) = (self.path, self.lenient, self.allow_in_place);
        match self.mode {
            Mode::Read => {
                FitsReader::open_with(path, open_options(lenient, self.remote)).map(|reader| Ok(Handle::Reader(reader)))
            }
            Mode::Change => FitsWriter::open_with(path, WriteOptions { lenient, allow_in_place })
                .map(|writer| Ok(Handle::Writer(writer))),
            Mode::Create => {
                let created = if self.atomic { FitsWriter::create_atomic(path) } else { FitsWriter::create(path) };
                created.map(|writer| Ok(Handle::Writer(writer)))
            }
        }
    }
}

/// The operation that opens bytes.
pub(crate) fn open_bytes(data: &Bound<'_, PyAny>, mode: Mode, lenient: bool) -> PyResult<Op<Handle>> {
    let bytes = PyMemoryView::from(data)?.call_method0("tobytes")?.extract::<Vec<u8>>()?;
    Ok(match mode {
        Mode::Read => {
            FitsReader::from_bytes_with(bytes, open_options(lenient, None)).map(|reader| Ok(Handle::Reader(reader)))
        }
        _ => FitsWriter::from_bytes(bytes, WriteOptions { lenient, allow_in_place: false })
            .map(|writer| Ok(Handle::Writer(writer))),
    })
}

/// Passes on what a user should know about a file that could be opened all the same.
pub(crate) fn warn(py: Python<'_>, reader: &FitsReader) -> PyResult<()> {
    let Some(warning) = reader.warning() else { return Ok(()) };
    let text = std::ffi::CString::new(format!("{}: {warning}", reader.name()))?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)
}
