//! The class of tables in compressed tiles.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustfits::HduInfo;

use crate::error::OrRaise;
use crate::numbers::Whole;
use crate::table::TableHdu;

/// A table in compressed tiles.
///
/// Examples
/// --------
/// >>> with rustfits.FITS("mem://", "w+") as fits:
/// ...     packed = fits.write_table({"id": np.arange(1000)}, compress=True, ztilelen=100)
/// ...     print(packed.n_tiles, packed.ztile_rows, packed["id"][500])
/// 10 100 500
#[pyclass(name = "CompressedTableHDU", extends = TableHdu, subclass, frozen, module = "rustfits")]
pub(crate) struct CompressedTableHdu;

#[pymethods]
impl CompressedTableHdu {
    /// How each column is compressed, by name: 'GZIP_1', 'GZIP_2', 'RICE_1' or 'NOCOMPRESS'. Columns that have no bytes are not in it.
    #[getter]
    fn compression<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let names = slf.as_super().as_super().as_super().described(py, HduInfo::column_compression).or_raise()?;
        let dict = PyDict::new(py);
        for (name, algorithm) in names {
            dict.set_item(name, algorithm)?;
        }
        Ok(dict)
    }

    /// How many rows a tile has; the last one can have fewer.
    #[getter]
    fn ztile_rows(slf: PyRef<'_, Self>) -> PyResult<u64> {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tile_rows).or_raise()
    }

    /// How many tiles there are.
    #[getter]
    fn n_tiles(slf: PyRef<'_, Self>) -> PyResult<u64> {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tiles).or_raise()
    }

    /// The most bytes of unpacked tiles that are kept for the next rows: 32 MiB unless it was set.
    #[getter]
    fn tile_cache_size(slf: PyRef<'_, Self>) -> u64 {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tile_cache_size)
    }

    /// How many bytes of unpacked tiles are kept. Reads of some rows of a tile keep the columns that they read; reads of all of them don't.
    #[getter]
    fn tile_cache_used(slf: PyRef<'_, Self>) -> u64 {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::tile_cache_used)
    }

    /// Sets the most bytes of unpacked tiles that are kept, by all that read this HDU of the open file; 0 keeps none.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_table({"id": np.arange(1000)}, compress=True)
    /// ...     packed.set_tile_cache_size(1 << 20)
    /// ...     print(packed.tile_cache_size)
    /// 1048576
    fn set_tile_cache_size(slf: PyRef<'_, Self>, size: Whole) -> PyResult<()> {
        let size = size.within("size", 0..=u64::MAX)?;
        slf.as_super().as_super().as_super().described(slf.py(), |now| now.set_tile_cache_size(size));
        Ok(())
    }

    /// Lets the unpacked tiles go.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("mem://", "w+") as fits:
    /// ...     packed = fits.write_table({"id": np.arange(1000)}, compress=True)
    /// ...     row = packed[10]
    /// ...     packed.clear_tile_cache()
    /// ...     print(packed.tile_cache_used)
    /// 0
    fn clear_tile_cache(slf: PyRef<'_, Self>) {
        slf.as_super().as_super().as_super().described(slf.py(), HduInfo::clear_tile_cache);
    }
}
