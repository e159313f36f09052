//! Reads and writes FITS files, wherever the bytes live.

#![allow(dead_code)]

mod codec;
mod error;
mod io;
mod options;
mod source;

pub use error::{Error, ErrorKind, Result};
pub use options::{OpenOptions, Remote, RemoteMode, Timeout};
