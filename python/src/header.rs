//! The header of an HDU as a mapping.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use rustfits::{Header, LiveHeader, Value};

use crate::error::OrRaise;
use crate::pickle::Reduced;
use crate::run::{await_op, awaitable, wait};

/// The header of an HDU: a mapping from keyword to value, in card order, found in any letter case.
///
/// COMMENT, HISTORY and the blank keyword give lists of texts; assigning a text to one of them adds it. A value can be assigned alone, which
/// keeps the comment, or as a tuple of value and comment.
///
/// Examples
/// --------
/// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
/// >>> header["HISTORY"] = "made"
/// >>> header["exptime"], header["HISTORY"], "FILTER" in header
/// (30.0, ['made'], False)
#[pyclass(name = "Header", frozen, mapping, module = "rustfits")]
pub(crate) struct PyHeader(Cards);

enum Cards {
    /// Of an open file.
    Live(LiveHeader),
    /// Of an asyncio file, whose edits are awaited.
    Awaited(LiveHeader),
    /// A copy: what `edit()` gives.
    Copy(Mutex<Header>),
}

impl PyHeader {
    pub(crate) fn live(header: LiveHeader) -> Self {
        Self(Cards::Live(header))
    }

    pub(crate) fn awaited(header: LiveHeader) -> Self {
        Self(Cards::Awaited(header))
    }

    /// A header of no file, which can be edited.
    pub(crate) fn copy(header: &Header) -> Self {
        Self(Cards::Copy(Mutex::new(header.clone())))
    }

    /// Lends the header. An edit of another thread is waited for, with the GIL released.
    fn read<T: Send>(&self, py: Python<'_>, visit: impl FnOnce(&Header) -> T + Send) -> T {
        match &self.0 {
            Cards::Live(live) | Cards::Awaited(live) if live.can_change() => py.detach(|| live.read(visit)),
            Cards::Live(live) | Cards::Awaited(live) => live.read(visit),
            Cards::Copy(header) => visit(&header.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// As `read`, to look for a keyword.
    fn look_up<T: Send>(&self, py: Python<'_>, keyword: &str, visit: impl FnOnce(&Header) -> T + Send) -> T {
        match &self.0 {
            Cards::Live(live) | Cards::Awaited(live) if live.can_change() => py.detach(|| live.look_up(keyword, visit)),
            Cards::Live(live) | Cards::Awaited(live) => live.look_up(keyword, visit),
            Cards::Copy(_) => self.read(py, visit),
        }
    }

    /// A copy of the cards that an edit begins with.
    fn editable(&self, py: Python<'_>) -> Header {
        match &self.0 {
            Cards::Live(live) | Cards::Awaited(live) => py.detach(|| live.read(Header::clone)),
            Cards::Copy(_) => self.read(py, Header::clone),
        }
    }

    /// Does an edit that is all or nothing.
    fn change(
        &self,
        py: Python<'_>,
        edit: impl FnOnce(&mut Header) -> rustfits::Result<()> + Send + 'static,
    ) -> PyResult<()> {
        match &self.0 {
            Cards::Live(live) => wait(py, live.edit_once(edit)),
            Cards::Awaited(_) => Err(PyTypeError::new_err(
                "this would block the event loop: use `async with hdu.header.edit() as header`",
            )),
            Cards::Copy(header) => edit(&mut header.lock().unwrap_or_else(PoisonError::into_inner)).or_raise(),
        }
    }

    fn unique_keywords(&self, py: Python<'_>) -> Vec<String> {
        self.read(py, |header| {
            let mut seen = HashSet::new();
            header.keywords().filter(|keyword| seen.insert(keyword.to_ascii_uppercase())).collect()
        })
    }
}

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

/// A value of a header as Python has it: None, bool, int, float, complex, str, or a scalar of numpy.
struct ValueArgument(Value);

impl<'py> FromPyObject<'_, 'py> for ValueArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Some(value) = python_value(&object)? {
            return Ok(Self(value));
        }
        // numpy's scalars give Python's own.
        if object.getattr_opt(intern!(object.py(), "dtype"))?.is_some()
            && let Some(value) = python_value(&object.call_method0("item")?)?
        {
            return Ok(Self(value));
        }
        let kind = object.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "a {kind} is no value of a header: None, bool, int, float, complex or str are"
        )))
    }
}

/// The value that an object of Python's own types is.
fn python_value(item: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if item.is_none() {
        return Ok(Some(Value::Undefined));
    }
    // Before the integers, of which Python takes it for one.
    if let Ok(flag) = item.cast::<PyBool>() {
        return Ok(Some(Value::Logical(flag.is_true())));
    }
    if item.is_instance_of::<PyInt>() {
        let small = item.extract::<i64>().map(Value::Integer);
        return small.or_else(|_| item.str()?.extract().map(Value::BigInteger)).map(Some);
    }
    if let Ok(number) = item.cast::<PyFloat>() {
        return Ok(Some(Value::Real(number.extract()?)));
    }
    if let Ok(number) = item.cast::<PyComplex>() {
        return Ok(Some(Value::Complex(number.real(), number.imag())));
    }
    match item.cast::<PyString>() {
        Ok(text) => text.extract().map(Value::String).map(Some),
        Err(_) => Ok(None),
    }
}

/// What is assigned to a keyword: a value, or a value and a comment.
struct CardArgument(Value, Option<String>);

impl<'py> FromPyObject<'_, 'py> for CardArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(pair) = object.cast::<PyTuple>() {
            if pair.len() != 2 {
                let message = format!("a tuple is a value and its comment, this one has {} entries", pair.len());
                return Err(PyValueError::new_err(message));
            }
            let (value, comment) = pair.extract::<(ValueArgument, Option<String>)>()?;
            return Ok(Self(value.0, comment));
        }
        Ok(Self(object.extract::<ValueArgument>()?.0, None))
    }
}

/// The cards that are assigned to a keyword: of commentary a list is one for each of its texts, as it is read.
fn cards_of(keyword: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<CardArgument>> {
    let cards = match value.cast::<PyList>() {
        Ok(texts) if is_commentary(keyword) => texts.iter().map(|text| text.extract()).collect(),
        _ => value.extract().map(|card| vec![card]),
    };
    cards.map_err(|error: PyErr| {
        let py = value.py();
        PyErr::from_type(error.get_type(py), format!("keyword '{}': {}", keyword.trim(), error.value(py)))
    })
}

fn assign(header: &mut Header, keyword: &str, cards: Vec<CardArgument>) -> rustfits::Result<()> {
    let set = |header: &mut Header, card| match card {
        CardArgument(value, Some(comment)) => header.set_with_comment(keyword, value, &comment),
        CardArgument(value, None) => header.set(keyword, value),
    };
    if cards.len() < 2 {
        return cards.into_iter().try_for_each(|card| set(header, card));
    }
    // All of them or none.
    let mut edited = header.clone();
    cards.into_iter().try_for_each(|card| set(&mut edited, card))?;
    *header = edited;
    Ok(())
}

/// Where cards are taken from.
enum Updates {
    Header(Header),
    Mapping(Vec<(String, Vec<CardArgument>)>),
}

impl<'py> FromPyObject<'_, 'py> for Updates {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(header) = object.cast::<PyHeader>() {
            return Ok(Self::Header(header.get().read(py, Header::clone)));
        }
        if object.hasattr("cards")? && object.hasattr("tostring")? {
            return cards_of_astropy(&object).map(Self::Header);
        }
        if !object.hasattr("keys")? {
            let kind = object.get_type().name()?;
            let message = format!("cards are taken from a Header, a dict or a header of astropy, not from a {kind}");
            return Err(PyTypeError::new_err(message));
        }
        let keywords = object.call_method0("keys")?;
        let cards = keywords.try_iter()?.map(|keyword| {
            let keyword = keyword?;
            let value = object.get_item(&keyword)?;
            let keyword = keyword.extract::<String>()?;
            let cards = cards_of(&keyword, &value)?;
            Ok((keyword, cards))
        });
        cards.collect::<PyResult<_>>().map(Self::Mapping)
    }
}

/// The cards of an `astropy.io.fits.Header`, with their comments, as they stand.
fn cards_of_astropy(header: &Bound<'_, PyAny>) -> PyResult<Header> {
    let how = PyDict::new(header.py());
    how.set_item("endcard", false)?;
    how.set_item("padding", false)?;
    let cards: String = header.call_method("tostring", (), Some(&how))?.extract()?;
    Ok(Header::parse(cards.as_bytes()))
}

/// The cards that a new HDU is given: of a header as they are, of a dict none with a protected keyword.
pub(crate) struct CardsArgument(pub(crate) Header);

impl<'py> FromPyObject<'_, 'py> for CardsArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<Updates>()? {
            Updates::Header(header) => Ok(Self(header)),
            Updates::Mapping(values) => {
                let mut header = Header::new();
                for (keyword, cards) in values {
                    assign(&mut header, &keyword, cards).or_raise()?;
                }
                Ok(Self(header))
            }
        }
    }
}

/// What is done to a header.
type Edit = Box<dyn FnOnce(&mut Header) -> rustfits::Result<()> + Send>;

impl Updates {
    /// What takes the cards over: all or nothing.
    fn edit(self, copy_commentary: bool) -> Edit {
        match self {
            Self::Header(other) => Box::new(move |header| {
                header.update(&other, copy_commentary);
                Ok(())
            }),
            Self::Mapping(values) => Box::new(move |header| {
                let mut edited = header.clone();
                values.into_iter().try_for_each(|(keyword, cards)| assign(&mut edited, &keyword, cards))?;
                *header = edited;
                Ok(())
            }),
        }
    }
}

/// What `pop` gives where the keyword is missing; None is a default, too.
enum Fallback<'py> {
    None,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Fallback<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(object.to_owned()))
    }
}

/// The header that was pickled, of no file.
#[pyfunction]
#[pyo3(name = "_header_of")]
pub(crate) fn header_of(cards: &[u8], lenient: bool) -> PyHeader {
    PyHeader::copy(&if lenient { Header::parse_lenient(cards) } else { Header::parse(cards) })
}

#[pymethods]
impl PyHeader {
    /// A header of no file, to be edited and given as `header=`.
    ///
    /// Parameters
    /// ----------
    /// cards : Header or dict, optional
    ///     The first cards, also of another mapping or of a header of astropy. The values of a dict can be tuples of value and comment, those
    ///     of COMMENT, HISTORY and the blank keyword lists of texts.
    #[new]
    #[pyo3(signature = (cards=None))]
    fn py_new(cards: Option<CardsArgument>) -> Self {
        Self(Cards::Copy(Mutex::new(cards.map_or_else(Header::new, |cards| cards.0))))
    }

    /// A copy of no file, which can be edited.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> copied = header.copy()
    /// >>> copied["OBJECT"] = "M33"
    /// >>> header["OBJECT"]
    /// 'M31'
    #[pyo3(name = "copy")]
    fn copied(&self, py: Python<'_>) -> Self {
        Self(Cards::Copy(Mutex::new(self.read(py, Header::clone))))
    }

    fn __copy__(&self, py: Python<'_>) -> Self {
        self.copied(py)
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> Self {
        self.copied(py)
    }

    /// The cards go to another process, not the file that they are of.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let (cards, lenient) = self.read(py, |header| (header.to_bytes(), header.is_lenient()));
        let made = py.import("rustfits._rustfits")?.getattr("_header_of")?;
        Ok((made, (PyBytes::new(py, &cards), lenient).into_pyobject(py)?))
    }

    /// Whether both have the same cards in the same order.
    fn __eq__(&self, py: Python<'_>, other: PyRef<'_, Self>) -> bool {
        self.read(py, Header::to_bytes) == other.read(py, Header::to_bytes)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, keyword: &str) -> PyResult<Bound<'py, PyAny>> {
        if is_commentary(keyword) {
            let texts = self.read(py, |header| header.commentary(keyword)).or_raise()?;
            if texts.is_empty() {
                return Err(PyKeyError::new_err(format!("the header has no keyword '{}'", keyword.trim())));
            }
            return Ok(PyList::new(py, texts)?.into_any());
        }
        value_of(py, self.look_up(py, keyword, |header| header.value(keyword)).or_raise()?)
    }

    fn __setitem__(&self, py: Python<'_>, keyword: String, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let cards = cards_of(&keyword, value)?;
        self.change(py, move |header| assign(header, &keyword, cards))
    }

    fn __delitem__(&self, py: Python<'_>, keyword: String) -> PyResult<()> {
        self.change(py, move |header| header.remove(&keyword))
    }

    fn __contains__(&self, py: Python<'_>, keyword: &Bound<'_, PyAny>) -> bool {
        let keyword = keyword.extract::<String>();
        keyword.is_ok_and(|keyword| self.look_up(py, &keyword, |header| header.contains(&keyword)))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.unique_keywords(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyList::new(py, self.unique_keywords(py))?.try_iter()?.into_any())
    }

    fn __str__(&self, py: Python<'_>) -> String {
        self.read(py, Header::to_string)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<Header of {} cards>", self.read(py, |header| header.cards().count()))
    }

    /// The keywords in card order, each once.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.keys()
    /// ['EXPTIME', 'OBJECT']
    fn keys(&self, py: Python<'_>) -> Vec<String> {
        self.unique_keywords(py)
    }

    /// The values in the order of `keys()`.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.values()
    /// [30.0, 'M31']
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.unique_keywords(py).iter().map(|keyword| self.__getitem__(py, keyword)).collect()
    }

    /// Pairs of keyword and value in card order.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.items()
    /// [('EXPTIME', 30.0), ('OBJECT', 'M31')]
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let keywords = self.unique_keywords(py).into_iter();
        keywords.map(|keyword| self.__getitem__(py, &keyword).map(|value| (keyword, value))).collect()
    }

    /// The value of a keyword, or `default` where it is missing.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.get("FILTER", "none")
    /// 'none'
    #[pyo3(signature = (keyword, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        keyword: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let there = self.look_up(py, keyword, |header| header.contains(keyword));
        if there { self.__getitem__(py, keyword).map(Some) } else { Ok(default) }
    }

    /// Takes a keyword out and gives its value; `default`, if given, where it is missing.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.pop("OBJECT"), header.pop("OBJECT", None)
    /// ('M31', None)
    #[pyo3(signature = (keyword, default=Fallback::None))]
    fn pop<'py>(&self, py: Python<'py>, keyword: String, default: Fallback<'py>) -> PyResult<Bound<'py, PyAny>> {
        let there = self.look_up(py, &keyword, |header| header.contains(&keyword));
        if let (false, Fallback::Given(default)) = (there, default) {
            return Ok(default);
        }
        let value = self.__getitem__(py, &keyword)?;
        self.__delitem__(py, keyword)?;
        Ok(value)
    }

    /// The value of a keyword, which is set to `default` first where it is missing.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.setdefault("FILTER", "r")
    /// 'r'
    #[pyo3(signature = (keyword, default=None))]
    fn setdefault<'py>(
        &self,
        py: Python<'py>,
        keyword: String,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !self.look_up(py, &keyword, |header| header.contains(&keyword)) {
            let default = default.unwrap_or_else(|| py.None().into_bound(py));
            self.__setitem__(py, keyword.clone(), &default)?;
        }
        self.__getitem__(py, &keyword)
    }

    /// The comment of a keyword's card; KeyError where the keyword is missing.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.comment_of("EXPTIME")
    /// 'seconds'
    fn comment_of(&self, py: Python<'_>, keyword: &str) -> PyResult<String> {
        self.look_up(py, keyword, |header| header.comment(keyword)).or_raise()
    }

    /// Gives a keyword another comment; its value stays as it is written.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.set_comment("OBJECT", "the target")
    /// >>> header.comment_of("OBJECT")
    /// 'the target'
    fn set_comment(&self, py: Python<'_>, keyword: String, text: String) -> PyResult<()> {
        self.change(py, move |header| header.set_comment(&keyword, &text))
    }

    /// Adds a text under COMMENT; a long one, or one of several lines, takes several cards.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.add_comment("dark subtracted")
    /// >>> header["COMMENT"]
    /// ['dark subtracted']
    fn add_comment(&self, py: Python<'_>, text: String) -> PyResult<()> {
        self.change(py, move |header| header.add_comment(&text))
    }

    /// Adds a text under HISTORY; a long one, or one of several lines, takes several cards.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.add_history("dark subtracted")
    /// >>> header["HISTORY"]
    /// ['dark subtracted']
    fn add_history(&self, py: Python<'_>, text: String) -> PyResult<()> {
        self.change(py, move |header| header.add_history(&text))
    }

    /// Adds a text under the blank keyword, or a blank card.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.add_blank("dark subtracted")
    /// >>> header[""]
    /// ['dark subtracted']
    #[pyo3(signature = (text=String::new()))]
    fn add_blank(&self, py: Python<'_>, text: String) -> PyResult<()> {
        self.change(py, move |header| header.add_blank(&text))
    }

    /// Takes over the cards of another header, or the values of a dict; all or nothing.
    ///
    /// Parameters
    /// ----------
    /// other : Header or dict
    ///     Also another mapping, or a header of astropy. Of a header the protected keywords are left out; a dict with one of them is a
    ///     ValueError. The values of a dict can be tuples of value and comment, those of commentary lists of texts.
    /// copy_commentary : bool
    ///     Also add a header's COMMENT, HISTORY and blank cards.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.update({"FILTER": "r", "EXPTIME": 60.0})
    /// >>> header["EXPTIME"], header.comment_of("EXPTIME")
    /// (60.0, 'seconds')
    #[pyo3(signature = (other, *, copy_commentary=false))]
    fn update(&self, py: Python<'_>, other: Updates, copy_commentary: bool) -> PyResult<()> {
        self.change(py, other.edit(copy_commentary))
    }

    /// A context for several edits: `with header.edit() as copy: ...` (`async with` for a file of `rustfits.aio`). What was done to the
    /// copy is written at its end, at once; an exception leaves the header as it was.
    ///
    /// Examples
    /// --------
    /// >>> with rustfits.FITS("image.fits", "r+") as fits:
    /// ...     with fits["SCI"].header.edit() as header:
    /// ...         header["OBJECT"] = "M31"
    /// ...         header["HISTORY"] = "named"
    /// ...     print(fits["SCI"].header["OBJECT"])
    /// M31
    fn edit(slf: Bound<'_, Self>) -> HeaderEdit {
        HeaderEdit { header: slf.unbind(), copy: Mutex::default() }
    }

    /// The cards as 80-character strings, in order, without END.
    #[getter]
    fn cards(&self, py: Python<'_>) -> Vec<String> {
        self.read(py, |header| header.cards().collect())
    }

    /// The header as a dict; with `skip_protected`, without the keywords that describe the structure of the file.
    ///
    /// Examples
    /// --------
    /// >>> header = rustfits.Header({"EXPTIME": (30.0, "seconds"), "OBJECT": "M31"})
    /// >>> header.to_dict()
    /// {'EXPTIME': 30.0, 'OBJECT': 'M31'}
    #[pyo3(signature = (skip_protected=false))]
    fn to_dict<'py>(&self, py: Python<'py>, skip_protected: bool) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for keyword in self.unique_keywords(py) {
            if !(skip_protected && rustfits::is_protected_keyword(&keyword)) {
                dict.set_item(&keyword, self.__getitem__(py, &keyword)?)?;
            }
        }
        Ok(dict)
    }
}

/// Several edits of a header as one.
#[pyclass(frozen, module = "rustfits")]
pub(crate) struct HeaderEdit {
    header: Py<PyHeader>,
    /// The header as it was when the edit began, and the copy that is edited.
    copy: Mutex<Option<(Header, Py<PyHeader>)>>,
}

impl HeaderEdit {
    fn begin(&self, py: Python<'_>) -> PyResult<Py<PyHeader>> {
        let before = self.header.get().editable(py);
        let copy = Py::new(py, PyHeader::copy(&before))?;
        *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some((before, copy.clone_ref(py)));
        Ok(copy)
    }

    /// The header as it was, and as it shall be.
    fn edited(&self, py: Python<'_>) -> PyResult<(Header, Header)> {
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (before, copy) = copy.ok_or_else(|| PyRuntimeError::new_err("the edit was not begun, or ended before"))?;
        Ok((before, copy.get().read(py, Header::clone)))
    }
}

#[pymethods]
impl HeaderEdit {
    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<PyHeader>> {
        self.begin(py)
    }

    #[pyo3(signature = (kind, *_error))]
    fn __exit__(&self, py: Python<'_>, kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        let (before, edited) = self.edited(py)?;
        if !kind.is_none() {
            return Ok(());
        }
        self.header.get().change(py, move |header| header.become_edited(&before, edited))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let copy = self.begin(py)?;
        awaitable(py, async move { Ok(copy) })
    }

    #[pyo3(signature = (kind, *_error))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        kind: &Bound<'py, PyAny>,
        _error: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (before, edited) = self.edited(py)?;
        if !kind.is_none() {
            return awaitable(py, async { Ok(()) });
        }
        let (Cards::Live(live) | Cards::Awaited(live)) = &self.header.get().0 else {
            return Err(PyTypeError::new_err("a copy of a header is edited without `async`"));
        };
        await_op(py, live.edit_once(move |header| header.become_edited(&before, edited)), |()| ())
    }
}
