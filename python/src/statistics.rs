//! What came of a fetch, in numbers, and what cancels a part of it.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use rustfits::FetchControl;

use crate::numbers::Number;

/// What came of a fetch so far: ``fetch.statistics``.
///
/// Examples
/// --------
/// >>> fetch = rustfits.fetch_many(["https://archive.example/image.fits"])
/// >>> shapes = [r.fits["SCI"].shape for r in fetch]
/// >>> fetch.statistics.succeeded, fetch.statistics.failed
/// (1, 0)
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct FetchStatistics(rustfits::FetchStatistics);

/// What came of the requests to a host.
///
/// Examples
/// --------
/// >>> fetch = rustfits.fetch_many(["https://archive.example/image.fits"])
/// >>> shapes = [r.fits["SCI"].shape for r in fetch]
/// >>> fetch.statistics.total.requests
/// 1
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct HostStatistics(rustfits::HostStatistics);

/// How long answers took, from the request to the head of the answer, connecting included; in seconds.
///
/// Examples
/// --------
/// >>> fetch = rustfits.fetch_many(["https://archive.example/image.fits"])
/// >>> shapes = [r.fits["SCI"].shape for r in fetch]
/// >>> fetch.statistics.total.latency.count
/// 1
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct LatencyStatistics(rustfits::LatencyStatistics);

#[pymethods]
impl FetchStatistics {
    /// Files that came.
    #[getter]
    fn succeeded(&self) -> u64 {
        self.0.succeeded
    }

    /// Files that failed for good, or were cancelled.
    #[getter]
    fn failed(&self) -> u64 {
        self.0.failed
    }

    /// All hosts together.
    #[getter]
    fn total(&self) -> HostStatistics {
        HostStatistics(self.0.total.clone())
    }

    /// Each host by its name, with its port where that is not the scheme's own. From the thousandth on all further ones are counted
    /// together, as '(others)'.
    #[getter]
    fn hosts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hosts = PyDict::new(py);
        for (name, host) in &self.0.hosts {
            hosts.set_item(name, Bound::new(py, HostStatistics(host.clone()))?)?;
        }
        Ok(hosts)
    }

    fn __repr__(&self) -> String {
        let total = &self.0.total;
        format!(
            "<FetchStatistics: {} files, {} failed, {} requests, {} retries, {} bytes, {} hosts>",
            self.0.succeeded,
            self.0.failed,
            total.requests,
            total.retries,
            total.bytes,
            self.0.hosts.len()
        )
    }
}

#[pymethods]
impl HostStatistics {
    /// Requests that were made, those of redirects among them; for ftp the attempts to get a file.
    #[getter]
    fn requests(&self) -> u64 {
        self.0.requests
    }

    /// Requests that brought no answer: no connection, a broken one, a time limit.
    #[getter]
    fn failed_requests(&self) -> u64 {
        self.0.failed_requests
    }

    /// Answers 429 and 503 (ftp: 421), after which the host was asked more slowly.
    #[getter]
    fn busy(&self) -> u64 {
        self.0.busy
    }

    /// Further attempts at a file after one that failed.
    #[getter]
    fn retries(&self) -> u64 {
        self.0.retries
    }

    /// Bytes that came, before any gunzip, those of broken attempts among them.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// New connections that brought an answer; for ftp those for commands.
    #[getter]
    fn connections_opened(&self) -> u64 {
        self.0.connections_opened
    }

    /// Answers on connections that had brought one before.
    #[getter]
    fn connections_reused(&self) -> u64 {
        self.0.connections_reused
    }

    /// How long answers took.
    #[getter]
    fn latency(&self) -> LatencyStatistics {
        LatencyStatistics(self.0.latency.clone())
    }

    fn __repr__(&self) -> String {
        format!("<HostStatistics: {} requests, {} bytes>", self.0.requests, self.0.bytes)
    }
}

#[pymethods]
impl LatencyStatistics {
    /// How many answers.
    #[getter]
    fn count(&self) -> u64 {
        self.0.count()
    }

    /// The mean in seconds, or None where there was no answer.
    #[getter]
    fn mean(&self) -> Option<f64> {
        self.0.mean().as_ref().map(Duration::as_secs_f64)
    }

    /// The longest in seconds, or None where there was no answer.
    #[getter]
    fn longest(&self) -> Option<f64> {
        self.0.longest().as_ref().map(Duration::as_secs_f64)
    }

    /// The seconds that so many of a hundred did not exceed, to within a sixteenth; None where there was no answer.
    ///
    /// Examples
    /// --------
    /// >>> fetch = rustfits.fetch_many(["https://archive.example/image.fits"])
    /// >>> shapes = [r.fits["SCI"].shape for r in fetch]
    /// >>> fetch.statistics.total.latency.percentile(95) > 0
    /// True
    fn percentile(&self, percent: Number) -> Option<f64> {
        self.0.percentile(percent.0).as_ref().map(Duration::as_secs_f64)
    }

    fn __repr__(&self) -> String {
        match (self.0.percentile(50.0), self.0.percentile(99.0)) {
            (Some(half), Some(most)) => {
                format!("<LatencyStatistics: {}, p50 {half:.1?}, p99 {most:.1?}>", self.0.count())
            }
            _ => "<LatencyStatistics: none>".to_owned(),
        }
    }
}

/// The statistics of a fetch.
pub(crate) fn statistics(control: &FetchControl) -> FetchStatistics {
    FetchStatistics(control.statistics())
}

/// Cancels a file by its number, those of a URL, or all; says how many.
pub(crate) fn cancel(control: &FetchControl, which: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    let Some(which) = which else { return Ok(control.cancel_all()) };
    if let Ok(url) = which.cast::<PyString>() {
        return Ok(control.cancel_url(&url.to_cow()?));
    }
    if which.is_instance_of::<PyInt>() && !which.is_instance_of::<PyBool>() {
        // What is no index, such as -1, is no file's.
        return Ok(which.extract().is_ok_and(|index| control.cancel(index)).into());
    }
    Err(PyTypeError::new_err("cancel() takes the index of a file, a URL, or nothing for all"))
}
