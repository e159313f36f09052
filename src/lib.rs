//! Reads and writes FITS files, astronomy's file format (FITS 4.0), wherever the bytes live: on disk, in memory, gzipped, behind http(s)
//! and ftp(s).
//!
//! [`FitsReader`] opens by name and reads headers, images and tables; [`FitsWriter`] makes files; [`Fetcher`] fetches many at once.
//! Every method that does I/O returns an [`Op`]: a future that also has [`wait`](Op::wait). [`blocking`] has the same without futures.
//!
//! ```
//! use ndarray::{ArrayD, array};
//! use rustfits::{FitsReader, FitsWriter, ImageOptions};
//!
//! let fits = FitsWriter::create("mem://").wait()?;
//! fits.write_image(&array![[1i16, 2], [3, 4]], ImageOptions::named("SCI")).wait()?;
//! let bytes = fits.reader().to_bytes().wait()?;
//!
//! let fits = FitsReader::from_bytes(bytes).wait()?;
//! let image: ArrayD<f32> = fits.image("SCI").read().wait()?;
//! assert_eq!(image, array![[1.0f32, 2.0], [3.0, 4.0]].into_dyn());
//! # Ok::<(), rustfits::Error>(())
//! ```
//!
//! # Features
//!
//! `arrow`, off by default: tables as Arrow record batches ([`TableSelector::batches`]), and record batches as the columns of tables
//! ([`TableValues::from_batches`]).
//!
//! # Types of other crates
//!
//! Images are arrays of [`ndarray`], and streams are [`futures_core::Stream`]s, for whose methods `futures-util` or `tokio-stream` have traits. Both crates,
//! [`bytes`], and with the feature `arrow` [`arrow_array`] and [`arrow_schema`] are re-exported in the version that the signatures here speak of: a new major
//! version of one of them is a new major version of this crate.
//!
//! # What will grow
//!
//! Structs of options get more fields: end their literals with `..Default::default()`. Enums that get more variants are `non_exhaustive`.

#[cfg(feature = "arrow")]
mod arrow;
mod block_cache;
pub mod blocking;
mod cell_survey;
mod changer;
mod checksum_plan;
mod checksums;
mod codec;
mod compression;
mod copy;
mod cpu;
mod directory;
mod edit;
mod engine;
mod error;
mod fetch;
mod file;
mod files;
mod format;
mod hdu;
mod hdu_places;
mod image;
mod image_data;
mod image_plan;
mod image_writer;
mod io;
mod live_header;
mod memory;
mod open;
mod options;
mod reader;
mod row_chunks;
mod source;
mod stream;
mod table;
mod table_data;
mod table_editor;
mod table_plan;
mod table_values;
mod table_writer;
mod target;
mod tiled;
mod tiled_editor;
mod tiled_writer;
mod variable_column;
mod writer;

pub use block_cache::BlockCache;
pub use bytes;
pub use cell_survey::{CellSurvey, CellsFor, CellsMake};
pub use compression::{Algorithm, Compression, Dithering, HeapFormat, Quantize, TableCompression};
pub use directory::{HduId, HduKey};
pub use engine::Op;
#[doc(hidden)]
pub use engine::{Task, TaskError, spawn, spawn_blocking};
pub use error::{Error, ErrorKind, Result};
pub use fetch::{
    Download, DownloadOptions, DownloadQueue, Downloaded, Downloads, Fetch, FetchControl, FetchEvent, FetchOptions,
    FetchOutcome, FetchQueue, FetchStatistics, Fetcher, FetcherBuilder, HostStatistics, LatencyStatistics, OnEvent,
    Verify,
};
pub use file::Opening;
pub use format::{DataType, Element, FromValue, HduKind, Header, Value, is_protected_keyword};
pub use futures_core;
pub use hdu::HduInfo;
pub use image::{AxisSection, Section};
pub use image_data::{ImageData, Pixel};
pub use image_writer::PixelValues;
pub use live_header::LiveHeader;
pub use ndarray;
pub use options::{Auth, ClientCertificate, OpenOptions, Remote, RemoteMode, Timeout};
pub use reader::{FitsReader, ImageSelector};
pub use row_chunks::{RecordStream, RowChunks, RowStream};
pub use stream::{FitsStream, ImageBands, StreamHdu, StreamOptions, StreamedRows};
pub use table::{ColumnKey, Rows};
pub use table_data::{ColumnData, ColumnElement, Columns, Field, Records, TableSelector, distinct_names};
pub use table_editor::{ColumnOptions, ColumnPlace};
pub use table_values::{ColumnValue, ColumnValues, TableValues};
pub use table_writer::TableOptions;
pub use variable_column::{ArrayElement, VariableColumn};
pub use writer::{FitsWriter, ImageOptions, WriteOptions};
#[cfg(feature = "arrow")]
pub use {arrow::BatchReader, arrow_array, arrow_schema};

/// The Rust examples of the pages beside the crate compile and run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/many.md")]
    struct ManyFiles;
}
