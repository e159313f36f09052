//! The columns of a table, from its header: those of binary ones here (FITS 4.0 §7.3.1, §7.3.2).

use super::ascii::{Decimal, ascii_columns};
use super::cell::{CellForm, TextForm};
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
    /// Pairs of numbers.
    Complex(Scaling),
    /// Strings of `width` bytes.
    Text { width: usize },
    /// A descriptor of a variable-length array; what is in those says [`Column::variable`].
    Variable,
    /// A number in decimal digits, of an ASCII table.
    Decimal(Decimal),
}

/// The arrays of a variable-length column (§7.3.5).
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// Whether the descriptors are of 64-bit numbers (`Q`).
    pub(crate) wide: bool,
    /// What an element is.
    pub(crate) cell: Cell,
    /// TDIM, slowest axis first: the shape of those arrays that have as many elements, of text as many strings. Empty where there is none.
    pub(crate) shape: Vec<usize>,
    /// Of text: how many characters each of the strings has that are in a cell; `None` where a cell is one string.
    pub(crate) text_width: Option<usize>,
}

impl Variable {
    /// How many bytes so many elements take in the heap.
    pub(crate) fn stored_len(&self, elements: u64) -> Option<u64> {
        match self.cell {
            Cell::Bits => Some(elements.div_ceil(8)),
            Cell::Number(scaling) => elements.checked_mul(scaling.stored.size() as u64),
            Cell::Complex(scaling) => elements.checked_mul(2 * scaling.stored.size() as u64),
            _ => Some(elements),
        }
    }
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
    /// For [`Cell::Variable`]: what the arrays hold.
    pub(crate) variable: Option<Variable>,
    /// The text that stands for "no value" in an ASCII table, without the blanks around it.
    pub(crate) null_text: Option<String>,
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

    /// Whether a value in the rows can be null: not a number without TNULL, and no text of a binary table.
    pub(crate) fn can_be_null(&self) -> bool {
        match self.cell {
            Cell::Logical => true,
            Cell::Number(scaling) => scaling.blank.is_some(),
            Cell::Decimal(_) | Cell::Text { .. } => self.null_text.is_some(),
            Cell::Bits | Cell::Complex(_) | Cell::Variable => false,
        }
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
    /// Whether it is an ASCII table.
    pub(crate) ascii: bool,
}

impl TableLayout {
    /// Of a table HDU.
    pub(crate) fn new(hdu: &HduEntry) -> Result<Self> {
        match hdu.layout.kind {
            HduKind::BinaryTable | HduKind::AsciiTable => Self::of_header(&hdu.header, &hdu.layout),
            HduKind::CompressedTable => {
                // As the table was before it was compressed: its rows are nowhere in the file.
                let header = hdu.header.of_uncompressed_table()?;
                Self::of_header(&header, &HduLayout::new(&header, 0)?)
            }
            _ => Err(hdu.expected("a table")),
        }
    }

    /// Of the header of a binary table.
    pub(crate) fn of_header(header: &Header, layout: &HduLayout) -> Result<Self> {
        let [row_len, rows] = layout.axes.as_slice() else {
            return Err(Error::illegal(format!("a table has two axes, NAXIS is {}", layout.axes.len())));
        };
        let row_len = usize::try_from(*row_len).map_err(|_| Error::too_large("a row is larger than memory"))?;
        let ascii = layout.kind == HduKind::AsciiTable;
        let columns = if ascii { ascii_columns(header, row_len)? } else { binary_columns(header, row_len)? };
        Ok(Self { columns, rows: *rows, row_len, data_start: layout.data_start, ascii })
    }

    /// The columns of the HDU, which are read from its header once.
    pub(crate) fn of(hdu: &HduEntry) -> Result<&Self> {
        if hdu.table.get().is_none() {
            // Two threads read the same; the first to be done is kept.
            let _ = hdu.table.set(Self::new(hdu)?);
        }
        hdu.table.get().ok_or_else(|| Error::illegal("the table has no columns"))
    }

    /// What fills up what is not written: NUL, or blanks in ASCII tables.
    pub(crate) fn blank(&self) -> u8 {
        if self.ascii { b' ' } else { 0 }
    }

    /// How many bytes a row counts for where rows are read some at a time: in a data unit of this length, which has the heap in it, or as a record with
    /// text as characters, whichever is more.
    pub(crate) fn row_bytes(&self, data_len: u64) -> u64 {
        let form = CellForm { unscaled: false, text: TextForm::Unicode, lenient: false };
        let sizes = self.columns.iter().map(|column| form.output_size(column).unwrap_or(usize::MAX) as u64);
        let record = sizes.fold(0, u64::saturating_add);
        record.max(data_len.checked_div(self.rows).unwrap_or(0)).max(self.row_len as u64)
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

fn binary_columns(header: &Header, row_len: usize) -> Result<Vec<Column>> {
    let columns = fields(header, row_len)?.into_iter().map(|field| {
        let number = field.number;
        column(header, field).in_item(|| format!("column {number}"))
    });
    columns.collect()
}

/// Reads the other keywords of a column.
fn column(header: &Header, field: RowField) -> Result<Column> {
    let RowField { number, form, offset, width, name } = field;
    let key = |stem: &str| format!("{stem}{number}");
    let too_large = || Error::illegal(format!("the repeat count {} is too large", form.repeat));
    let repeat = usize::try_from(form.repeat).map_err(|_| too_large())?;
    let dimensions = header.string(&key("TDIM"));
    let element = match form.element {
        FormType::Descriptor { .. } => form.inner()?,
        element => element,
    };
    let (scale, zero, unscalable) = match scale_and_zero(header, element, &key) {
        Ok((scale, zero)) => (scale, zero, None),
        Err(error) => (1.0, 0.0, Some(error)),
    };
    let null = || header.integer(&key("TNULL")).ok().flatten();
    let mut variable = None;
    let (cell, shape) = match form.element {
        FormType::Character => strings(&form, repeat, dimensions.and_then(|text| dimensions_of(&text, repeat))),
        FormType::Descriptor { wide } => {
            let mut shape = dimensions.and_then(|text| lengths(&text)).unwrap_or_default();
            let text_width = if element == FormType::Character { variable_text(&form, &mut shape) } else { None };
            variable = Some(Variable { wide, cell: cell(element, scale, zero, null()), shape, text_width });
            (Cell::Variable, Vec::new())
        }
        element => {
            let shape = dimensions.and_then(|text| dimensions_of(&text, repeat));
            let shape = shape.unwrap_or_else(|| if repeat == 1 { Vec::new() } else { vec![repeat] });
            (cell(element, scale, zero, null()), shape)
        }
    };
    let (name, misnamed) = column_name(name, number);
    let unit = header.string(&key("TUNIT"));
    Ok(Column { name, unit, offset, width, cell, shape, variable, null_text: None, unscalable, misnamed })
}

/// The name of a column, and why it is not the one that the file gives it.
pub(super) fn column_name(name: Result<Option<String>>, number: i64) -> (String, Option<Error>) {
    let (name, misnamed) = match name {
        Ok(name) => (name.filter(|name| !name.is_empty()), None),
        Err(error) => (None, Some(error)),
    };
    (name.unwrap_or_else(|| format!("col{number}")), misnamed)
}

/// The lengths that TDIM names in numpy's order; `None` where it is no list of lengths.
fn lengths(text: &str) -> Option<Vec<usize>> {
    let lengths = parse_dimensions(text)?;
    lengths.into_iter().rev().map(|length| usize::try_from(length).ok()).collect()
}

/// TDIM in numpy's order; `None` where it is no list of lengths or does not fit the repeat count: the cell is flat then.
fn dimensions_of(text: &str, repeat: usize) -> Option<Vec<usize>> {
    let shape = lengths(text)?;
    let product = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length))?;
    // A cell of nothing has no shape: (0,200000) would make text of 200,000 strings out of no bytes.
    (product == repeat && repeat > 0).then_some(shape)
}

/// The strings of a cell: one of all bytes, or substrings by TDIM (its fastest axis is the length) or by a convention.
fn strings(form: &Form, repeat: usize, dimensions: Option<Vec<usize>>) -> (Cell, Vec<usize>) {
    if let Some(mut shape) = dimensions
        && shape.len() > 1
    {
        let width = shape.pop().unwrap_or(repeat);
        return (Cell::Text { width }, shape);
    }
    match form.substring_width() {
        Some(width) if width < repeat && repeat.is_multiple_of(width) => (Cell::Text { width }, vec![repeat / width]),
        _ => (Cell::Text { width: repeat }, Vec::new()),
    }
}

/// How long the strings in a variable-length cell are, where it holds several: by TDIM, whose fastest axis is taken out of the shape, or by a convention.
fn variable_text(form: &Form, shape: &mut Vec<usize>) -> Option<usize> {
    let by_shape = if shape.len() > 1 { shape.pop() } else { None };
    let width = by_shape.or_else(|| form.substring_width()).filter(|&width| width > 0);
    if by_shape.is_none() || width.is_none() {
        // A single length is that of the characters, which are one string.
        shape.clear();
    }
    width
}

/// TSCAL and TZERO, which are for numbers only (§7.3.2).
fn scale_and_zero(header: &Header, element: FormType, key: &impl Fn(&str) -> String) -> Result<(f64, f64)> {
    if matches!(element, FormType::Logical | FormType::Bit | FormType::Character) {
        return Ok((1.0, 0.0));
    }
    let scale = header.real(&key("TSCAL"))?.unwrap_or(1.0);
    let zero = header.real(&key("TZERO"))?.unwrap_or(0.0);
    Ok((scale, zero))
}

/// What an element of this type is. A null that is no integer can't match any value.
fn cell(element: FormType, scale: f64, zero: f64, null: Option<i64>) -> Cell {
    let stored = match element {
        FormType::Logical => return Cell::Logical,
        FormType::Bit => return Cell::Bits,
        FormType::Character => return Cell::Text { width: 1 },
        FormType::Complex => return Cell::Complex(Scaling::new(DataType::F32, scale, zero, None)),
        FormType::DoubleComplex => return Cell::Complex(Scaling::new(DataType::F64, scale, zero, None)),
        FormType::Byte => DataType::U8,
        FormType::Short => DataType::I16,
        FormType::Int => DataType::I32,
        FormType::Long => DataType::I64,
        FormType::Float => DataType::F32,
        _ => DataType::F64,
    };
    Cell::Number(Scaling::new(stored, scale, zero, null))
}
