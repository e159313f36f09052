//! The columns of a binary table, from its header (FITS 4.0 §7.3.1, §7.3.2).

use super::fields::{RowField, fields};
use super::form::{Form, FormType, parse_dimensions};
use crate::directory::HduEntry;
use crate::error::{Error, Result, ResultExt};
use crate::format::{DataType, HduKind, HduLayout, Header, Scaling};

/// What a cell of a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    /// `T`, `F` or 0.
    Logical,
    /// Bits, the most significant first.
    Bits,
    /// Numbers.
    Number(Scaling),
    /// Pairs of numbers of this type.
    Complex(DataType),
    /// Strings of `width` bytes.
    Text { width: usize },
    /// A descriptor of a variable-length array.
    Variable,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// TTYPE, or `colN` where there is none.
    pub(crate) name: String,
    pub(crate) unit: Option<String>,
    /// Where the column starts in a row.
    pub(crate) offset: usize,
    /// How many bytes it takes in a row.
    pub(crate) width: usize,
    pub(crate) cell: Cell,
    /// The shape of a cell, slowest axis first; empty for a single value.
    pub(crate) shape: Vec<usize>,
    /// Why only the stored values can be read, if TSCAL or TZERO can't be used.
    pub(crate) unscalable: Option<Error>,
    /// Why the column has not the name that the file gives it, if TTYPE can't be used.
    pub(crate) misnamed: Option<Error>,
}

impl Column {
    /// The number of values (strings, bits) in a cell.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The columns of a table, its rows, and where they are.
#[derive(Clone, Debug)]
pub(crate) struct TableLayout {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: u64,
    /// The length of a row in bytes.
    pub(crate) row_len: usize,
    pub(crate) data_start: u64,
}

impl TableLayout {
    /// Of a binary table HDU.
    pub(crate) fn new(hdu: &HduEntry) -> Result<Self> {
        match hdu.layout.kind {
            HduKind::BinaryTable => {}
            HduKind::AsciiTable => return Err(Error::unsupported("ASCII tables can't be read yet")),
            HduKind::CompressedTable => return Err(Error::unsupported("compressed tables can't be read yet")),
            _ => return Err(hdu.expected("a table")),
        }
        Self::of_header(&hdu.header, &hdu.layout)
    }

    /// Of the header of a binary table.
    pub(crate) fn of_header(header: &Header, layout: &HduLayout) -> Result<Self> {
        let [row_len, rows] = layout.axes.as_slice() else {
            return Err(Error::illegal(format!("a table has two axes, NAXIS is {}", layout.axes.len())));
        };
        let row_len = usize::try_from(*row_len).map_err(|_| Error::too_large("a row is larger than memory"))?;
        let columns = fields(header, row_len)?.into_iter().map(|field| {
            let number = field.number;
            column(header, field).in_item(|| format!("column {number}"))
        });
        Ok(Self { columns: columns.collect::<Result<_>>()?, rows: *rows, row_len, data_start: layout.data_start })
    }

    /// The columns of the HDU, which are read from its header once.
    pub(crate) fn of(hdu: &HduEntry) -> Result<&Self> {
        if hdu.table.get().is_none() {
            // Two threads read the same; the first to be done is kept.
            let _ = hdu.table.set(Self::new(hdu)?);
        }
        hdu.table.get().ok_or_else(|| Error::illegal("the table has no columns"))
    }

    /// The number of the column of this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        find_name(self.columns.iter().map(|column| column.name.as_str()), name)
    }
}

/// Which of the names is meant: an exact match goes before one in another letter case or with other blanks around it.
pub(crate) fn find_name<'a>(mut names: impl Iterator<Item = &'a str> + Clone, wanted: &str) -> Option<usize> {
    let exact = names.clone().position(|name| name == wanted);
    exact.or_else(|| names.position(|name| name.trim().eq_ignore_ascii_case(wanted.trim())))
}

/// Reads the other keywords of a column.
fn column(header: &Header, field: RowField) -> Result<Column> {
    let RowField { number, form, offset, width, name } = field;
    let key = |stem: &str| format!("{stem}{number}");
    let too_large = || Error::illegal(format!("the repeat count {} is too large", form.repeat));
    let repeat = usize::try_from(form.repeat).map_err(|_| too_large())?;
    let dimensions = header.string(&key("TDIM")).and_then(|text| dimensions(&text, repeat));
    let (scale, zero, unscalable) = match scale_and_zero(header, &form, &key) {
        Ok((scale, zero)) => (scale, zero, None),
        Err(error) => (1.0, 0.0, Some(error)),
    };
    let (cell, shape) = match form.element {
        FormType::Character => strings(&form, repeat, dimensions),
        FormType::Descriptor { .. } => (Cell::Variable, Vec::new()),
        element => {
            let shape = dimensions.unwrap_or_else(|| if repeat == 1 { Vec::new() } else { vec![repeat] });
            (cell(element, scale, zero, header.integer(&key("TNULL")).ok().flatten()), shape)
        }
    };
    let (name, misnamed) = match name {
        Ok(name) => (name.filter(|name| !name.is_empty()), None),
        Err(error) => (None, Some(error)),
    };
    let name = name.unwrap_or_else(|| key("col"));
    Ok(Column { name, unit: header.string(&key("TUNIT")), offset, width, cell, shape, unscalable, misnamed })
}

/// TDIM in numpy's order; `None` where it is no list of lengths or does not fit the repeat count: the cell is flat then.
fn dimensions(text: &str, repeat: usize) -> Option<Vec<usize>> {
    let lengths = parse_dimensions(text)?;
    let mut shape = lengths.into_iter().map(|length| usize::try_from(length).ok()).collect::<Option<Vec<_>>>()?;
    shape.reverse();
    let product = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length))?;
    // A cell of nothing has no shape: (0,200000) would make text of 200,000 strings out of no bytes.
    (product == repeat && repeat > 0).then_some(shape)
}

/// The strings of a cell: one of all bytes, or substrings by TDIM (its fastest axis is the length) or by the `rAw` convention.
fn strings(form: &Form, repeat: usize, dimensions: Option<Vec<usize>>) -> (Cell, Vec<usize>) {
    if let Some(mut shape) = dimensions
        && shape.len() > 1
    {
        let width = shape.pop().unwrap_or(repeat);
        return (Cell::Text { width }, shape);
    }
    match form.rest.parse::<usize>() {
        Ok(width) if width > 0 && width < repeat && repeat.is_multiple_of(width) => {
            (Cell::Text { width }, vec![repeat / width])
        }
        _ => (Cell::Text { width: repeat }, Vec::new()),
    }
}

/// TSCAL and TZERO, which are for numbers only (§7.3.2).
fn scale_and_zero(header: &Header, form: &Form, key: &impl Fn(&str) -> String) -> Result<(f64, f64)> {
    use FormType::{Bit, Character, Complex, Descriptor, DoubleComplex, Logical};
    if matches!(form.element, Logical | Bit | Character | Descriptor { .. }) {
        return Ok((1.0, 0.0));
    }
    let scale = header.real(&key("TSCAL"))?.unwrap_or(1.0);
    let zero = header.real(&key("TZERO"))?.unwrap_or(0.0);
    if matches!(form.element, Complex | DoubleComplex) && (scale, zero) != (1.0, 0.0) {
        return Err(Error::unsupported(
            "complex values with TSCAL or TZERO can't be scaled yet: read with scale=False",
        ));
    }
    Ok((scale, zero))
}

/// The cell of a column that is neither text nor variable-length. A null that is no integer can't match any value.
fn cell(element: FormType, scale: f64, zero: f64, null: Option<i64>) -> Cell {
    let stored = match element {
        FormType::Logical => return Cell::Logical,
        FormType::Bit => return Cell::Bits,
        FormType::Complex => return Cell::Complex(DataType::F32),
        FormType::DoubleComplex => return Cell::Complex(DataType::F64),
        FormType::Byte => DataType::U8,
        FormType::Short => DataType::I16,
        FormType::Int => DataType::I32,
        FormType::Long => DataType::I64,
        FormType::Float => DataType::F32,
        _ => DataType::F64,
    };
    Cell::Number(Scaling::new(stored, scale, zero, null))
}
