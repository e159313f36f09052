//! The cards that describe a new column: TTYPE, TFORM, TDIM, TZERO, TNULL (FITS 4.0 §7.3.1, §7.3.2).

use super::ascii::parse_form;
use super::form::SUBSTRINGS;
use super::given::{GivenColumn, GivenType};
use super::null_value::null_value;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::{DataType, Header, Value};

/// The longest name or unit that fits one card.
const LONGEST_TEXT: usize = 68;

/// What is said of a column that is to be made, beside its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) unit: Option<String>,
    /// Bools are packed as bits, eight to a byte.
    pub(crate) bits: bool,
    /// The elements of a variable-length column.
    pub(crate) array: Option<GivenType>,
    /// Whether the descriptors of a variable-length column are of 64 bits.
    pub(crate) wide: bool,
    /// TFORM, of a column of an ASCII table: the usual one of its type unless given.
    pub(crate) format: Option<String>,
    /// Whether the table is an ASCII table.
    pub(crate) ascii: bool,
}

/// The descriptors of a column that is to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NewArrays {
    pub(crate) wide: bool,
    /// The length of the longest array.
    pub(crate) longest: usize,
    /// How many characters each text takes, where the arrays are of texts.
    pub(crate) text_width: Option<usize>,
}

/// A column that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewColumn {
    pub(crate) name: String,
    pub(crate) element: GivenType,
    /// The shape of a cell, slowest axis first; empty for a single value.
    pub(crate) shape: Vec<usize>,
    pub(crate) unit: Option<String>,
    /// Bools are packed as bits, eight to a byte.
    pub(crate) bits: bool,
    /// TNULL: the stored number that stands for no value.
    pub(crate) null: Option<i64>,
    /// TNULL of a column of an ASCII table.
    pub(crate) null_text: Option<&'static str>,
    /// For a variable-length column, whose elements are those of the arrays.
    pub(crate) arrays: Option<NewArrays>,
    /// For a column of an ASCII table: its field.
    pub(crate) field: Option<NewField>,
}

impl NewColumn {
    /// A column with cells of this shape.
    pub(crate) fn new(name: &str, element: GivenType, shape: &[usize], declared: Declared) -> Result<Self> {
        let Declared { unit, bits, array, wide, format, ascii } = declared;
        let field = match ascii {
            true => Some(NewField::new(element, format.as_deref())?),
            false if format.is_some() => return Err(Error::argument("a format is for columns of ASCII tables")),
            false => None,
        };
        if ascii && (!shape.is_empty() || array.is_some() || bits) {
            return Err(Error::argument(
                "an ASCII table has one value a field: no arrays, bits or variable-length columns; write a binary table",
            ));
        }
        let arrays = array.map(|_| NewArrays { wide, longest: 0, text_width: None });
        Ok(Self {
            name: name.to_owned(),
            element: array.map_or(element, GivenType::single),
            shape: if arrays.is_some() { Vec::new() } else { shape.to_vec() },
            unit,
            bits,
            null: None,
            null_text: None,
            arrays,
            field,
        })
    }

    /// The column that holds these values.
    pub(crate) fn of(values: &GivenColumn<'_>, declared: Declared) -> Result<Self> {
        let (_, shape) = values.rows_and_cell()?;
        Self::with_shape(values, shape, declared)
    }

    /// The column that holds these values in a table of so many rows: one for each, or a single one for all of them.
    pub(crate) fn for_rows(values: &GivenColumn<'_>, rows: u64, declared: Declared) -> Result<Self> {
        let shape = match values.shape.split_first() {
            None => values.shape,
            Some((&count, cell)) if count as u64 == rows => cell,
            Some(_) => {
                let message = format!("has shape {:?}, the table has {rows} rows; nothing was written", values.shape);
                return Err(values.refuse(&message));
            }
        };
        Self::with_shape(values, shape, declared)
    }

    fn with_shape(values: &GivenColumn<'_>, shape: &[usize], mut declared: Declared) -> Result<Self> {
        if values.offsets.is_some() {
            declared.array.get_or_insert(values.element);
        }
        let is_text = matches!(values.element, GivenType::Bytes { .. } | GivenType::Characters { .. });
        let is_array = declared.array.is_some() && !is_text && values.offsets.is_none();
        let new =
            Self::new(values.name, values.element, shape, declared).in_item(|| format!("column '{}'", values.name))?;
        // An empty list is arrays for no rows.
        if is_array && shape.is_empty() && !matches!(values.shape, [] | [0]) {
            return Err(values
                .refuse("are single values: a variable-length column has an array for each row; nothing was written"));
        }
        // A null is looked for among values of the type that is stored; in a field of text any text is one that is no number.
        let null = if new.field.is_some() || new.element.single() != values.element.single() {
            None
        } else {
            null_value(values)?
        };
        let Some(arrays) = new.arrays else { return Ok(Self { null, ..new }) };
        // A text takes a character at least, so that they can be told apart.
        let text_width = values.text_width().map(|width| width.max(1));
        let shape = if text_width.is_some() { common_shape(values, shape) } else { values.array_shape.to_vec() };
        Ok(Self { null, shape, arrays: Some(NewArrays { text_width, ..arrays }), ..new })
    }

    /// How many bytes the column takes in a row.
    pub(crate) fn width(&self) -> Result<usize> {
        if let Some(field) = &self.field {
            return Ok(field.width);
        }
        if let Some(arrays) = self.arrays {
            return Ok(if arrays.wide { 16 } else { 8 });
        }
        let elements = self.elements()?;
        let width = match self.element {
            GivenType::Logical if self.bits => Some(elements.div_ceil(8)),
            GivenType::Characters { width } => elements.checked_mul(width),
            element => element.size().and_then(|size| elements.checked_mul(size)),
        };
        width.ok_or_else(|| self.refuse("a cell is larger than memory"))
    }

    /// Adds the cards of the column with this number, counted from 1.
    /// `start` is where its field begins in a row, for ASCII tables.
    pub(crate) fn describe(&self, number: usize, start: usize, header: &mut Header) -> Result<()> {
        let key = |stem: &str| format!("{stem}{number}");
        let described = (|| {
            self.check()?;
            header.set_structural(&key("TTYPE"), self.name.as_str(), "")?;
            if self.field.is_some() {
                header.set_structural(&key("TBCOL"), start + 1, "")?;
            }
            header.set_structural(&key("TFORM"), self.form()?, "")?;
            if let Some(dimensions) = self.dimensions() {
                header.set_structural(&key("TDIM"), dimensions, "")?;
            }
            if let Some(unit) = &self.unit {
                header.set_structural(&key("TUNIT"), unit.as_str(), "")?;
            }
            if let Some(zero) = self.zero() {
                header.set_structural(&key("TSCAL"), 1, "")?;
                header.set_structural(
                    &key("TZERO"),
                    Value::BigInteger(zero.to_owned()),
                    "offset of the unsigned (or signed byte) range",
                )?;
            }
            if let Some(null) = self.null {
                header.set_structural(&key("TNULL"), null, "stored number of cells without a value")?;
            }
            if let Some(null) = self.null_text {
                header.set_structural(&key("TNULL"), null, "stands for no value")?;
            }
            Ok(())
        })();
        described.in_item(|| format!("column '{}'", self.name))
    }

    /// The bytes of a cell that holds nothing: 0, false, the empty string.
    pub(crate) fn empty_cell(&self) -> Result<Vec<u8>> {
        let mut cell = vec![0; self.width()?];
        match self.element {
            // An empty array is nowhere.
            _ if self.arrays.is_some() => {}
            GivenType::Logical if !self.bits => cell.fill(b'F'),
            GivenType::Number(data_type) if self.zero().is_some() => {
                // Half the range less than 0 is the top bit alone.
                cell.iter_mut().step_by(data_type.size()).for_each(|top| *top = 0x80);
            }
            _ => {}
        }
        Ok(cell)
    }

    fn elements(&self) -> Result<usize> {
        let product = self.shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        product.ok_or_else(|| self.refuse("a cell is larger than memory"))
    }

    fn form(&self) -> Result<String> {
        if let Some(field) = &self.field {
            return Ok(field.format.clone());
        }
        if let Some(NewArrays { wide, longest, text_width }) = self.arrays {
            // Arrays of texts that no TDIM says the shape of are told by the convention for substrings.
            let texts = text_width.filter(|_| self.shape.is_empty()).map(|width| format!("{SUBSTRINGS}{width}"));
            let letter = if wide { 'Q' } else { 'P' };
            return Ok(format!("1{letter}{}({longest}){}", self.letter(), texts.unwrap_or_default()));
        }
        match self.element {
            GivenType::Bytes { .. } | GivenType::Characters { .. } => Ok(format!("{}A", self.width()?)),
            _ => Ok(format!("{}{}", self.elements()?, self.letter())),
        }
    }

    fn letter(&self) -> char {
        match self.element {
            GivenType::Logical if self.bits => 'X',
            GivenType::Logical => 'L',
            GivenType::Bytes { .. } | GivenType::Characters { .. } => 'A',
            GivenType::Complex(DataType::F32) => 'C',
            GivenType::Complex(_) => 'M',
            GivenType::Number(data_type) => match data_type {
                DataType::U8 | DataType::I8 => 'B',
                DataType::I16 | DataType::U16 => 'I',
                DataType::I32 | DataType::U32 => 'J',
                DataType::I64 | DataType::U64 => 'K',
                DataType::F32 => 'E',
                DataType::F64 => 'D',
            },
        }
    }

    /// TDIM, where the repeat count does not say it all.
    fn dimensions(&self) -> Option<String> {
        let text = match (self.element, self.arrays) {
            (_, Some(arrays)) => arrays.text_width,
            (GivenType::Bytes { width } | GivenType::Characters { width }, None) => Some(width),
            _ => None,
        };
        let plain = match text {
            Some(_) => self.shape.is_empty(),
            // A single value in an axis of its own is told from one without.
            None => self.shape.is_empty() || (self.shape.len() == 1 && self.shape != [1]),
        };
        let empty = text == Some(0) || self.shape.contains(&0);
        if plain || empty {
            return None;
        }
        let lengths: Vec<String> =
            text.into_iter().chain(self.shape.iter().rev().copied()).map(|length| length.to_string()).collect();
        Some(format!("({})", lengths.join(",")))
    }

    fn zero(&self) -> Option<&'static str> {
        match self.element {
            GivenType::Number(data_type) if self.field.is_none() => Some(data_type.bzero()).filter(|&zero| zero != "0"),
            _ => None,
        }
    }

    fn check(&self) -> Result<()> {
        let text = |what: &str, text: &str| {
            if !text.bytes().all(crate::format::card::is_printable) {
                return Err(Error::argument(format!(
                    "the {what} {text:?} holds characters that are not printable ASCII"
                )));
            }
            if text.replace('\'', "''").len() > LONGEST_TEXT {
                return Err(Error::argument(format!(
                    "the {what} is longer than the {LONGEST_TEXT} characters that fit a card"
                )));
            }
            Ok(())
        };
        if self.name.trim().is_empty() {
            return Err(Error::argument("a column needs a name"));
        }
        if self.bits && self.element != GivenType::Logical {
            return Err(Error::argument(format!("bits are packed from bools, the column has {}", self.element.code())));
        }
        text("name", &self.name)?;
        text("unit", self.unit.as_deref().unwrap_or_default())
    }

    fn refuse(&self, why: &str) -> Error {
        Error::argument(why).in_item(|| format!("column '{}'", self.name))
    }
}

/// The shape of arrays of texts, each in a cell of this shape or of a length of its own; empty where they have none in common. Arrays of nothing have any.
fn common_shape(values: &GivenColumn<'_>, cell: &[usize]) -> Vec<usize> {
    let Some(offsets) = values.offsets.filter(|_| values.array_shape.is_empty()) else {
        let shape = if values.offsets.is_some() { values.array_shape } else { cell };
        return if shape.contains(&0) { Vec::new() } else { shape.to_vec() };
    };
    let lengths = offsets.windows(2).filter_map(|ends| ends.last()?.checked_sub(*ends.first()?));
    let mut lengths = lengths.filter(|&length| length > 0);
    match lengths.next() {
        Some(first) if lengths.all(|length| length == first) => vec![first],
        _ => Vec::new(),
    }
}

/// The field of a column of an ASCII table (§7.2.1).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewField {
    /// TFORM.
    pub(crate) format: String,
    pub(crate) width: usize,
}

impl NewField {
    fn new(element: GivenType, format: Option<&str>) -> Result<Self> {
        let (usual, letters) = match element {
            GivenType::Number(DataType::F32) => ("E15.7".to_owned(), "FED"),
            GivenType::Number(DataType::F64) => ("D25.17".to_owned(), "FED"),
            GivenType::Number(_) => ("I20".to_owned(), "IFED"),
            GivenType::Bytes { width } | GivenType::Characters { width } => (format!("A{}", width.max(1)), "A"),
            GivenType::Logical | GivenType::Complex(_) => {
                return Err(Error::argument(format!(
                    "an ASCII table has integers, floats and text, the column has {}: write a binary table",
                    element.code()
                )));
            }
        };
        let format = format.map_or(usual, |format| format.trim().to_ascii_uppercase());
        let (letter, width, decimals) = parse_form(&format).map_err(|error| error.with_kind(ErrorKind::Argument))?;
        if !letters.contains(letter) {
            return Err(Error::argument(format!(
                "the format {format} is not for {}: give one that begins with {}",
                element.code(),
                letters.chars().map(String::from).collect::<Vec<_>>().join(" or ")
            )));
        }
        if width == 0 || (letter != 'A' && letter != 'I' && decimals as usize >= width) {
            return Err(Error::argument(format!("the format {format} has no room for a number or text")));
        }
        Ok(Self { format, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(element: GivenType, shape: &[usize]) -> NewColumn {
        NewColumn::new("a", element, shape, Declared::default()).unwrap()
    }

    #[test]
    fn forms_and_dimensions_are_in_the_order_of_the_file() {
        let described = |element, shape: &[usize]| {
            let column = column(element, shape);
            (column.form().unwrap(), column.dimensions(), column.width().unwrap())
        };
        let float = GivenType::Number(DataType::F32);
        let text = GivenType::Characters { width: 3 };
        assert_eq!(described(float, &[]), ("1E".into(), None, 4));
        assert_eq!(described(float, &[3]), ("3E".into(), None, 12));
        assert_eq!(described(float, &[1]), ("1E".into(), Some("(1)".into()), 4));
        assert_eq!(described(float, &[2, 3]), ("6E".into(), Some("(3,2)".into()), 24));
        assert_eq!(described(float, &[0]), ("0E".into(), None, 0));
        assert_eq!(described(text, &[]), ("3A".into(), None, 3));
        assert_eq!(described(text, &[4]), ("12A".into(), Some("(3,4)".into()), 12));
        assert_eq!(described(text, &[1]), ("3A".into(), Some("(3,1)".into()), 3));
        let bits = NewColumn { bits: true, ..column(GivenType::Logical, &[11]) };
        assert_eq!((bits.form().unwrap(), bits.width().unwrap()), ("11X".into(), 2));
        assert_eq!(column(GivenType::Number(DataType::U16), &[2]).empty_cell().unwrap(), [0x80, 0, 0x80, 0]);
    }
}
