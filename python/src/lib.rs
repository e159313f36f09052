//! The Python package: thin classes over the crate, blocking in `rustfits` and awaitable in `rustfits.aio`. No logic lives here.

mod aio;
mod array;
mod arrow;
mod block_cache;
mod cells;
mod column_subset;
mod compress;
mod compressed_table;
mod download;
mod error;
mod fetch;
mod fits;
mod functions;
mod hdu;
mod header;
mod keys;
mod new_hdu;
mod numbers;
mod opening;
mod options;
mod pickle;
mod pixels;
mod records;
mod repr;
mod run;
mod statistics;
mod streaming;
mod table;
mod table_iteration;
mod table_keys;
mod table_values;
mod table_write;

use pyo3::prelude::*;

/// The native module behind the package `rustfits`.
#[pymodule(gil_used = false)]
mod _rustfits {
    use pyo3::prelude::*;

    /// The classes of `rustfits.aio`.
    #[pymodule]
    mod aio {
        #[pymodule_export]
        use crate::aio::{
            AioAsciiTableHdu, AioCompressedImageHdu, AioCompressedTableHdu, AioFits, AioImageHdu, AioStream,
            AioStreamHdu, AioTableHdu, BandStream, ChunkStream, HduStream, RowChunkStream, Selector, open, read,
            read_header, stream, write,
        };
    }

    #[pymodule_export]
    use super::array::Memory;
    #[pymodule_export]
    use super::block_cache::PyBlockCache;
    #[pymodule_export]
    use super::column_subset::ColumnSubset;
    #[pymodule_export]
    use super::compress::check_compression;
    #[pymodule_export]
    use super::compressed_table::CompressedTableHdu;
    #[pymodule_export]
    use super::download::{DownloadResult, PyDownload, PyDownloadQueue};
    #[pymodule_export]
    use super::fetch::{FetchResult, Queue};
    #[pymodule_export]
    use super::fits::Fits;
    #[pymodule_export]
    use super::functions::{is_protected_key, read, read_header, write};
    #[pymodule_export]
    use super::hdu::{CompressedImageHdu, Hdu, ImageHdu};
    #[pymodule_export]
    use super::header::{HeaderEdit, PyHeader, header_of};
    #[pymodule_export]
    use super::options::{PyRemote, PyTimeout};
    #[pymodule_export]
    use super::pixels::Extending;
    #[pymodule_export]
    use super::statistics::{FetchStatistics, HostStatistics, LatencyStatistics};
    #[pymodule_export]
    use super::streaming::{BandIterator, PyStream, PyStreamHdu, StreamChunkIterator, stream};
    #[pymodule_export]
    use super::table::{AnyTable, AsciiTableHdu, TableHdu};
    #[pymodule_export]
    use super::table_iteration::{ChunkIterator, RowIterator};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
