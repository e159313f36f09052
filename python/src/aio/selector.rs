//! What `fits[key]` is in asyncio: no I/O yet; its reads are awaitable, and awaiting it gives the HDU.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rustfits::{FitsReader, HduInfo, HduKey, HduKind, ImageData, Op, Records, Rows};

use super::hdu::AioHdu;
use crate::array::Pixels;
use crate::error::{OrRaise, exception};
use crate::hdu::{Hdu, read_section};
use crate::keys::SectionKey;
use crate::pixels::{StartArgument, extend, set_section, write_data};
use crate::records::{Row, Single, Structured};
use crate::run::{await_op, awaitable, wait};
use crate::table::{column_op, selector};
use crate::table_keys::{ColumnsArgument, RowsArgument, TableKey, column_argument};
use crate::table_write::{append, assign, write_columns};

/// An HDU that was not looked up yet.
#[pyclass(frozen, module = "rustfits.aio")]
pub(crate) struct Selector {
    pub(crate) reader: FitsReader,
    pub(crate) key: HduKey,
}

/// A read of an HDU whose kind is known by now.
pub(crate) enum Read {
    Image(Op<ImageData>),
    Table(Op<Records>, Shape),
}

/// How the rows that a read gives become one Python object.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Structured,
    Single,
    Row,
}

/// The result of a [`Read`].
pub(crate) enum Data {
    Image(ImageData),
    Table(Records, Shape),
}

impl Read {
    /// The whole of an HDU.
    pub(crate) fn whole(reader: &FitsReader, info: &HduInfo) -> PyResult<Self> {
        if is_table(info)? {
            return Ok(Self::Table(reader.table(info.id()).read_records(), Shape::Structured));
        }
        Ok(Self::Image(reader.image(info.id()).read_dyn()))
    }

    /// Waits for the data.
    pub(crate) fn wait(self, py: Python<'_>) -> PyResult<Data> {
        match self {
            Self::Image(op) => wait(py, op).map(Data::Image),
            Self::Table(op, shape) => wait(py, op).map(|records| Data::Table(records, shape)),
        }
    }

    pub(crate) async fn run(self) -> PyResult<Data> {
        match self {
            Self::Image(op) => op.await.map(Data::Image),
            Self::Table(op, shape) => op.await.map(|records| Data::Table(records, shape)),
        }
        .map_err(exception)
    }

    /// What stands in brackets behind an HDU.
    fn item(reader: FitsReader, info: HduInfo, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !is_table(&info)? {
            let section = key.extract::<SectionKey>()?;
            return Ok(Self::Image(read_section(&Hdu::new(reader, info), Some(section), true, false)));
        }
        let table = reader.table(info.id());
        Ok(match key.extract::<TableKey>()? {
            TableKey::Row(row) => Self::Table(table.rows(Rows::List(vec![row])).read_records(), Shape::Row),
            TableKey::Rows(rows) => Self::Table(table.rows(rows).read_records(), Shape::Structured),
            TableKey::Column(name) => Self::Table(table.columns([name]).read_records(), Shape::Single),
            TableKey::Columns(names) => Self::Table(table.columns(names).read_records(), Shape::Structured),
        })
    }
}

/// Whether an HDU is a table; one of a kind that can't be read yet is refused.
fn is_table(info: &HduInfo) -> PyResult<bool> {
    match info.kind() {
        HduKind::BinaryTable | HduKind::AsciiTable | HduKind::CompressedTable => Ok(true),
        _ => Ok(false),
    }
}

/// Keywords that the other kind of HDU takes, and whether each is given: what would have no effect is refused.
fn refuse(kind: &str, keywords: &[(&str, bool)]) -> PyResult<()> {
    match keywords.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(PyTypeError::new_err(format!("the HDU is {kind}: {name}= is not for that"))),
        None => Ok(()),
    }
}

impl<'py> IntoPyObject<'py> for Data {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self {
            Self::Image(image) => Pixels(image).into_pyobject(py),
            Self::Table(records, Shape::Structured) => Structured(records).into_pyobject(py),
            Self::Table(records, Shape::Single) => Single(records).into_pyobject(py),
            Self::Table(records, Shape::Row) => Row(records).into_pyobject(py),
        }
    }
}

impl Selector {
    /// Looks the HDU up, then reads what `choose` makes of it.
    fn read_chosen<'py>(
        &self,
        py: Python<'py>,
        choose: impl for<'a> FnOnce(Python<'a>, FitsReader, HduInfo) -> PyResult<Read> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (reader, key) = (self.reader.clone(), self.key.clone());
        awaitable(py, async move {
            let info = reader.hdu(key).await.map_err(exception)?;
            let read = Python::attach(|py| choose(py, reader, info))?;
            read.run().await
        })
    }
}

impl Selector {
    /// Looks the HDU up, then changes it as `choose` says.
    fn change<'py>(
        &self,
        py: Python<'py>,
        choose: impl for<'a> FnOnce(Python<'a>, &Hdu, bool) -> PyResult<Op<()>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (reader, key) = (self.reader.clone(), self.key.clone());
        awaitable(py, async move {
            let info = reader.hdu(key).await.map_err(exception)?;
            let table = is_table(&info)?;
            let change = Python::attach(|py| choose(py, &Hdu::new(reader, info), table))?;
            change.await.map_err(exception)
        })
    }
}

#[pymethods]
impl Selector {
    /// What `hdu[key] = value` is in the blocking API; an awaitable.
    fn set<'py>(&self, py: Python<'py>, key: Py<PyAny>, value: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.change(py, move |py, hdu, table| {
            if table {
                return assign(hdu, key.bind(py), value.bind(py));
            }
            Ok(set_section(hdu, key.extract(py)?, value.extract(py)?))
        })
    }

    /// Writes an array into the image, or columns of the table; an awaitable. Parameters as in the blocking classes. A keyword of the other kind
    /// of HDU is a TypeError.
    #[pyo3(signature = (data, start=None, *, names=None))]
    fn write<'py>(
        &self,
        py: Python<'py>,
        data: Py<PyAny>,
        start: Option<StartArgument>,
        names: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.change(py, move |py, hdu, table| {
            if table {
                refuse("a table", &[("start", start.is_some())])?;
                return write_columns(hdu, data.bind(py), names);
            }
            refuse("an image", &[("names", names.is_some())])?;
            Ok(write_data(hdu, data.extract(py)?, start))
        })
    }

    /// Makes the image or the table longer; an awaitable. Parameters as in the blocking classes.
    #[pyo3(signature = (data, *, names=None))]
    fn extend<'py>(&self, py: Python<'py>, data: Py<PyAny>, names: Option<Vec<String>>) -> PyResult<Bound<'py, PyAny>> {
        self.change(py, move |py, hdu, table| {
            let rows = if table {
                append(hdu, data.bind(py), names)?
            } else {
                refuse("an image", &[("names", names.is_some())])?;
                extend(hdu, data.extract(py)?)
            };
            rows.ok_or_else(|| PyTypeError::new_err("the rows of this HDU are collected"))
        })
    }

    /// Puts rows behind the last one of the table; the same as `extend`.
    #[pyo3(signature = (data, *, names=None))]
    fn append<'py>(&self, py: Python<'py>, data: Py<PyAny>, names: Option<Vec<String>>) -> PyResult<Bound<'py, PyAny>> {
        self.extend(py, data, names)
    }

    /// Rewrites the heap of a table, or of a compressed image, without what changes have left in it.
    fn repack<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.reader.writer().or_raise()?.repack(self.key.clone()), |()| ())
    }

    fn __repr__(&self) -> String {
        let name = self.reader.name();
        format!("<an HDU of {name} that was not looked up: await it; for a task asyncio.ensure_future() takes it>")
    }

    // Without it Python would ask for [0], [1], ... without end, as nothing is read before it is awaited.
    fn __iter__(&self) -> PyResult<Py<PyAny>> {
        Err(PyTypeError::new_err("the HDU was not looked up yet: `hdu = await fits[key]`, then `async for row in hdu`"))
    }

    /// Looks the HDU up: `hdu = await fits[key]`.
    fn __await__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (reader, key) = (self.reader.clone(), self.key.clone());
        let future = awaitable(py, async move {
            let info = reader.hdu(key).await.map_err(exception)?;
            Ok(AioHdu(reader, info))
        })?;
        future.call_method0("__await__")
    }

    /// Reads the HDU: an image or a section of it, a table or some of its rows and columns. Parameters as in the blocking classes.
    /// A keyword of the other kind of HDU is a TypeError.
    #[pyo3(signature = (section=None, *, rows=None, columns=None, scale=true, mask_blank=false, mask_null=false))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of the Python method")]
    fn read<'py>(
        &self,
        py: Python<'py>,
        section: Option<SectionKey>,
        rows: Option<RowsArgument>,
        columns: Option<ColumnsArgument>,
        scale: bool,
        mask_blank: bool,
        mask_null: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.read_chosen(py, move |_, reader, info| {
            if is_table(&info)? {
                refuse("a table", &[("section", section.is_some()), ("mask_blank", mask_blank)])?;
                let table = selector(&reader, info.id(), rows, columns, scale, mask_null);
                return Ok(Read::Table(table.read_records(), Shape::Structured));
            }
            let others = [("rows", rows.is_some()), ("columns", columns.is_some()), ("mask_null", mask_null)];
            refuse("an image", &others)?;
            Ok(Read::Image(read_section(&Hdu::new(reader, info), section, scale, mask_blank)))
        })
    }

    /// Reads one column of a table as a plain array. Parameters as in the blocking class.
    #[pyo3(signature = (name, *, rows=None, as_bytes=false, scale=true, mask_null=false))]
    fn read_column<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        rows: Option<RowsArgument>,
        as_bytes: bool,
        scale: bool,
        mask_null: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let name = column_argument(name)?;
        self.read_chosen(py, move |_, reader, info| {
            let table = selector(&reader, info.id(), rows, None, scale, mask_null);
            Ok(Read::Table(column_op(table, name, as_bytes), Shape::Single))
        })
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.read_chosen(py, move |py, reader, info| Read::item(reader, info, key.bind(py)))
    }

    /// The header of the HDU, awaitable.
    fn read_header<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let reader = self.reader.clone();
        let found = reader.hdu(self.key.clone());
        awaitable(py, async move {
            let info = found.await.map_err(exception)?;
            Ok(crate::header::PyHeader::awaited(reader.live_header(&info)))
        })
    }

    /// Sets the DATASUM card. As in the blocking class.
    fn add_datasum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.reader.writer().or_raise()?.add_datasum(self.key.clone()), |()| ())
    }

    /// Sets the DATASUM and CHECKSUM cards. As in the blocking class.
    fn add_checksum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.reader.writer().or_raise()?.add_checksum(self.key.clone()), |()| ())
    }

    /// Whether the data are those of the DATASUM card; None without that card.
    fn verify_datasum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.reader.verify_datasum(self.key.clone()), |verdict| verdict)
    }

    /// Whether the HDU is that of the CHECKSUM card; None without that card.
    fn verify_checksum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        await_op(py, self.reader.verify_checksum(self.key.clone()), |verdict| verdict)
    }
}
