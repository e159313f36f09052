//! Reads and writes FITS files, wherever the bytes live.

pub mod blocking;
mod codec;
mod cpu;
mod directory;
mod engine;
mod error;
mod fetch;
mod file;
mod format;
mod hdu;
mod image;
mod image_data;
mod image_plan;
mod io;
mod open;
mod options;
mod reader;
mod source;
mod table;
mod table_data;
mod tiled;
mod writer;

pub use directory::HduKey;
pub use engine::Op;
#[doc(hidden)]
pub use engine::{Task, TaskError, spawn, spawn_blocking};
pub use error::{Error, ErrorKind, Result};
pub use fetch::{Fetch, FetchEvent, FetchOptions, FetchOutcome, FetchQueue, Fetcher, FetcherBuilder, OnEvent};
pub use format::{DataType, Element, FromValue, HduKind, Header, Value, is_protected_keyword};
pub use hdu::HduInfo;
pub use image::{AxisSection, Section};
pub use image_data::{ImageData, Pixel};
pub use options::{OpenOptions, Remote, RemoteMode, Timeout};
pub use reader::{FitsReader, ImageSelector};
pub use table::{ColumnKey, Rows};
pub use table_data::{ColumnData, ColumnElement, Columns, Field, Records, TableSelector};
pub use writer::{FitsWriter, ImageOptions};
