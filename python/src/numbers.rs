//! Numbers behind keywords: which are accepted is said with the keyword's name where another is given.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;

/// A whole number, also one of numpy; no bool and no float. Beyond 128 bits it is clipped: it is out of range of everything.
#[derive(Clone, Copy)]
pub(crate) struct Whole(i128);

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let index = if is_bool(&value) { None } else { value.call_method0("__index__").ok() };
        let index = index.ok_or_else(|| wrong_type(&value, "a whole number"))?;
        let clipped = || PyResult::Ok(if index.lt(0)? { i128::MIN } else { i128::MAX });
        index.extract().or_else(|_| clipped()).map(Self)
    }
}

impl Whole {
    /// The number, for what checks it itself.
    pub(crate) fn clipped(self) -> i128 {
        self.0
    }

    /// The number where it is one of these, else a ValueError that names the keyword.
    pub(crate) fn within<T>(self, keyword: &str, accepted: RangeInclusive<T>) -> PyResult<T>
    where
        T: TryFrom<i128> + PartialOrd + Copy + Display,
    {
        T::try_from(self.0).ok().filter(|number| accepted.contains(number)).ok_or_else(|| {
            let (least, most) = (accepted.start(), accepted.end());
            PyValueError::new_err(format!("{keyword} is {}: it is a whole number from {least} to {most}", self.0))
        })
    }
}

/// As [`Whole::within`], of what may be left out.
pub(crate) fn optional<T>(number: Option<Whole>, keyword: &str, accepted: RangeInclusive<T>) -> PyResult<Option<T>>
where
    T: TryFrom<i128> + PartialOrd + Copy + Display,
{
    number.map(|number| number.within(keyword, accepted)).transpose()
}

/// EXTVER: any number that a header holds.
pub(crate) fn extension_version(version: Option<Whole>) -> PyResult<Option<i64>> {
    optional(version, "extver", i64::MIN..=i64::MAX)
}

/// A number; no bool. One that no float holds is infinite.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if is_bool(&value) {
            return Err(wrong_type(&value, "a number"));
        }
        match value.extract() {
            Ok(number) => Ok(Self(number)),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                Ok(Self(if value.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY }))
            }
            Err(_) => Err(wrong_type(&value, "a number")),
        }
    }
}

impl Number {
    /// So many seconds, more than none.
    pub(crate) fn seconds(self, keyword: &str) -> PyResult<Duration> {
        let duration = Duration::try_from_secs_f64(self.0).ok().filter(|duration| !duration.is_zero());
        duration.ok_or_else(|| self.refused(keyword, "a positive number of seconds"))
    }

    /// So many seconds, or none.
    pub(crate) fn pause(self, keyword: &str) -> PyResult<Duration> {
        Duration::try_from_secs_f64(self.0).map_err(|_| self.refused(keyword, "a number of seconds, 0 or more"))
    }

    fn refused(self, keyword: &str, accepted: &str) -> PyErr {
        PyValueError::new_err(format!("{keyword} is {}: it is {accepted}", self.0))
    }
}

/// What is made of a value; an error names the keyword as pyo3 names those that it refuses, in a note below the message.
pub(crate) fn of_keyword<'py, T>(
    keyword: &str,
    value: &Bound<'py, PyAny>,
    make: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<T> {
    let py = value.py();
    make(value).map_err(|error| {
        let noted = error.value(py).call_method1("add_note", (format!("while processing '{keyword}'"),));
        noted.err().unwrap_or(error)
    })
}

fn is_bool(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyBool>() || value.get_type().name().is_ok_and(|name| name == "bool")
}

/// The keyword goes in front of it where it is raised.
fn wrong_type(value: &Bound<'_, PyAny>, wanted: &str) -> PyErr {
    let name = value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{wanted} is needed, not one of type {name}"))
}
