//! The header of an HDU as a mapping.

use std::collections::HashSet;
use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyNotImplementedError};
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyDict, PyInt, PyList};
use rustfits::{Header, Value};

use crate::error::OrRaise;

/// The header of an HDU: a mapping from keyword to value, in card order, found in any letter case.
///
/// COMMENT, HISTORY and the blank keyword give lists of texts.
#[pyclass(name = "Header", frozen, mapping, module = "rustfits")]
pub(crate) struct PyHeader(pub(crate) Arc<Header>);

fn is_commentary(keyword: &str) -> bool {
    let keyword = keyword.trim();
    keyword.is_empty() || keyword.eq_ignore_ascii_case("COMMENT") || keyword.eq_ignore_ascii_case("HISTORY")
}

fn value_of<'py>(py: Python<'py>, value: Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Logical(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Integer(number) => number.into_pyobject(py)?.into_any(),
        Value::BigInteger(digits) => py.get_type::<PyInt>().call1((digits,))?,
        Value::Real(number) => number.into_pyobject(py)?.into_any(),
        Value::Complex(real, imaginary) => PyComplex::from_doubles(py, real, imaginary).into_any(),
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        _ => py.None().into_bound(py),
    })
}

impl PyHeader {
    fn unique_keywords(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        self.0.keywords().filter(|keyword| seen.insert(keyword.to_ascii_uppercase())).collect()
    }
}

fn read_only() -> PyErr {
    PyNotImplementedError::new_err("editing headers is not supported yet")
}

#[pymethods]
impl PyHeader {
    fn __getitem__<'py>(&self, py: Python<'py>, keyword: &str) -> PyResult<Bound<'py, PyAny>> {
        if is_commentary(keyword) {
            let texts = self.0.commentary(keyword).or_raise()?;
            if texts.is_empty() {
                return Err(PyKeyError::new_err(format!("the header has no keyword '{}'", keyword.trim())));
            }
            return Ok(PyList::new(py, texts)?.into_any());
        }
        value_of(py, self.0.value(keyword).or_raise()?)
    }

    fn __setitem__(&self, _keyword: &str, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(read_only())
    }

    fn __delitem__(&self, _keyword: &str) -> PyResult<()> {
        Err(read_only())
    }

    fn __contains__(&self, keyword: &Bound<'_, PyAny>) -> bool {
        keyword.extract::<String>().is_ok_and(|keyword| self.0.contains(&keyword))
    }

    fn __len__(&self) -> usize {
        self.unique_keywords().len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyList::new(py, self.unique_keywords())?.try_iter()?.into_any())
    }

    fn __str__(&self) -> String {
        self.0.cards().map(|card| card.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    fn __repr__(&self) -> String {
        format!("<Header of {} cards>", self.0.cards().count())
    }

    /// The keywords in card order, each once.
    fn keys(&self) -> Vec<String> {
        self.unique_keywords()
    }

    /// The values in the order of `keys()`.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.unique_keywords().iter().map(|keyword| self.__getitem__(py, keyword)).collect()
    }

    /// Pairs of keyword and value in card order.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let keywords = self.unique_keywords().into_iter();
        keywords.map(|keyword| self.__getitem__(py, &keyword).map(|value| (keyword, value))).collect()
    }

    /// The value of a keyword, or `default` where it is missing.
    #[pyo3(signature = (keyword, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        keyword: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.0.contains(keyword) { self.__getitem__(py, keyword).map(Some) } else { Ok(default) }
    }

    /// The comment of a keyword's card; KeyError where the keyword is missing.
    fn comment_of(&self, keyword: &str) -> PyResult<String> {
        self.0.comment(keyword).or_raise()
    }

    /// The cards as 80-character strings, in order, without END.
    #[getter]
    fn cards(&self) -> Vec<String> {
        self.0.cards().collect()
    }

    /// The header as a dict; with `skip_protected`, without the keywords that describe the structure of the file.
    #[pyo3(signature = (skip_protected=false))]
    fn to_dict<'py>(&self, py: Python<'py>, skip_protected: bool) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for keyword in self.unique_keywords() {
            if !(skip_protected && rustfits::is_protected_keyword(&keyword)) {
                dict.set_item(&keyword, self.__getitem__(py, &keyword)?)?;
            }
        }
        Ok(dict)
    }
}
