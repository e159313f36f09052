//! `BlockCache`: what files that are read by ranges share of the bytes that were fetched.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustfits::BlockCache;

use crate::numbers::Whole;

/// Fetched bytes of remote files that are read by ranges, shared by all files that are opened with ``Remote(cache=...)``.
///
/// Of all files together at most so many bytes are kept: what was used longest ago goes first. The bytes belong to a version of a URL, as
/// the server tells it by a (strong) ETag or date, and the length; a file of which it tells neither keeps its bytes for itself. Opening the
/// same version again asks for its first bytes only. Any number of threads and tasks may use one cache.
///
/// Pickled, as a part of a file, it arrives as an empty one of the same size; copies within a process share their bytes.
///
/// Parameters
/// ----------
/// max_bytes : int
///     The most bytes that it holds.
///
/// Examples
/// --------
/// >>> cache = rustfits.BlockCache(256 << 20)
/// >>> remote = rustfits.Remote(ranged=True, cache=cache)
/// >>> with rustfits.FITS("https://archive.example/image.fits", remote=remote) as fits:
/// ...     stamp = fits["SCI"][100:110, 50:60]
/// >>> cache.max_bytes
/// 268435456
#[pyclass(name = "BlockCache", frozen, eq, from_py_object, module = "rustfits")]
#[derive(Clone, PartialEq)]
pub(crate) struct PyBlockCache(pub(crate) BlockCache);

#[pymethods]
impl PyBlockCache {
    #[new]
    fn py_new(max_bytes: Whole) -> PyResult<Self> {
        Ok(Self(BlockCache::new(max_bytes.within("max_bytes", 1..=u64::MAX)?)))
    }

    /// The most bytes that it holds.
    #[getter]
    fn max_bytes(&self) -> u64 {
        self.0.max_bytes()
    }

    /// How many bytes it holds now.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Let go of all of them.
    ///
    /// Examples
    /// --------
    /// >>> cache = rustfits.BlockCache(256 << 20)
    /// >>> cache.clear()
    /// >>> cache.bytes
    /// 0
    fn clear(&self) {
        self.0.clear();
    }

    fn __getnewargs__(&self) -> (u64,) {
        (self.0.max_bytes(),)
    }

    fn __copy__(&self) -> Self {
        self.clone()
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyDict>) -> Self {
        self.clone()
    }

    fn __repr__(&self) -> String {
        format!("BlockCache(max_bytes={}): {} bytes", self.0.max_bytes(), self.0.bytes())
    }
}
