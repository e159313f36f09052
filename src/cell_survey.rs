//! Cells of lengths of their own, such as an array of objects has them, looked at one after the other: which column they make.

use crate::error::{Error, Result, ResultExt};

/// What is known of the column that cells are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellsFor {
    /// It is there.
    Present,
    /// It is made of the cells.
    New,
    /// It is made, and was said to be a variable-length one.
    Variable,
}

/// What cells make, as [`CellSurvey`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CellsMake {
    /// Texts of one width.
    Texts,
    /// Texts, each of its own length.
    VariableTexts,
    /// Single values.
    Values,
    /// Arrays of variable length. The shape is that of all of them, where they have one with more than one axis; else it is empty.
    Arrays(Vec<usize>),
}

/// Looks at cells, which are texts or arrays, and says which column they make: [`CellSurvey::text`] or [`CellSurvey::array`] for each that holds something, in the
/// order of their rows. What goes together in no column is refused by the rows that it is in.
///
/// # Examples
///
/// ```
/// use rustfits::{CellSurvey, CellsFor, CellsMake};
///
/// let mut cells = CellSurvey::new("spectrum", CellsFor::New);
/// cells.array(0, "<f4", &[3], true)?;
/// cells.array(1, "<f4", &[0], true)?;
/// assert_eq!(cells.make(2), CellsMake::Arrays(vec![]));
/// assert!(cells.array(2, "<i2", &[1], true).unwrap_err().to_string().contains("row 0 holds f4, row 2 i2"));
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CellSurvey {
    name: String,
    column: CellsFor,
    /// The first rows with a text and with something else.
    text: Option<usize>,
    other: Option<usize>,
    /// The type of the arrays, the first row that has it, and whether its author chose it; of a list it is what was made of it.
    element: Option<(String, usize, bool)>,
    shape: Option<Vec<usize>>,
    shapes_differ: bool,
    /// How many values without an axis there were, and how many arrays with one.
    single: usize,
    others: usize,
}

impl CellSurvey {
    /// For the column of this name.
    pub fn new(name: impl Into<String>, column: CellsFor) -> Self {
        Self {
            name: name.into(),
            column,
            text: None,
            other: None,
            element: None,
            shape: None,
            shapes_differ: false,
            single: 0,
            others: 0,
        }
    }

    /// The cell of a row is a text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where another is none.
    pub fn text(&mut self, row: usize) -> Result<()> {
        self.text.get_or_insert(row);
        self.check_kind()
    }

    /// The cell of a row is no text; what it is says [`CellSurvey::array`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where another is a text.
    pub fn other(&mut self, row: usize) -> Result<()> {
        self.other.get_or_insert(row);
        self.check_kind()
    }

    /// The cell of a row is an array of the type that numpy's type string `code` names. `chosen`: its author chose the type, as nobody does for a list.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) for types that no variable-length column has, where arrays of different types don't go together, and for a
    /// single value that is to make a new column.
    pub fn array(&mut self, row: usize, code: &str, shape: &[usize], chosen: bool) -> Result<()> {
        self.other(row)?;
        if shape.is_empty() {
            self.single += 1;
            if self.column == CellsFor::New {
                return self.refuse(format!(
                    "row {row} holds a single value and not an array: convert the column with astype(), or say that it is a variable-length one with \
                     var_dtypes= or inner_dtype="
                ));
            }
        } else {
            self.others += 1;
        }
        let length: usize = shape.iter().product();
        self.note_shape(shape, length);
        // The order of the bytes is no matter.
        let code = code.trim_start_matches(['<', '>', '=', '|']);
        if !code.starts_with(NUMBERS) && !code.starts_with(TEXTS) {
            return self.refuse(format!("row {row} holds {code}, of which no variable-length column is made"));
        }
        // A list without entries is of no type.
        if length == 0 && !chosen {
            return Ok(());
        }
        let Some((known, first, first_chosen)) = &self.element else {
            self.element = Some((code.to_owned(), row, chosen));
            return Ok(());
        };
        let converted = self.column != CellsFor::New || !(chosen || *first_chosen);
        let numbers = [known.as_str(), code].iter().all(|code| code.starts_with(NUMBERS) && !code.starts_with(LOGICAL));
        // The longest text says how many characters they take.
        let texts = known.starts_with(TEXTS) && code.starts_with(TEXTS);
        if texts || known == code || length == 0 || (converted && numbers) {
            return Ok(());
        }
        self.refuse(format!(
            "row {first} holds {known}, row {row} {code}: say the type of the arrays with var_dtypes= or inner_dtype="
        ))
    }

    /// Whether the arrays are of texts.
    pub fn are_texts(&self) -> bool {
        self.code().is_some_and(|code| code.starts_with(TEXTS))
    }

    /// The type of the arrays, where there is one.
    pub fn code(&self) -> Option<&str> {
        self.element.as_ref().map(|(code, ..)| code.as_str())
    }

    /// What the cells make of a column of so many rows.
    pub fn make(&self, rows: usize) -> CellsMake {
        if self.text.is_some() {
            return if self.column == CellsFor::Variable { CellsMake::VariableTexts } else { CellsMake::Texts };
        }
        // Objects that are numbers.
        if self.column == CellsFor::Present && self.others == 0 && self.single == rows && rows > 0 {
            return CellsMake::Values;
        }
        CellsMake::Arrays(self.shape.clone().filter(|shape| !self.shapes_differ && shape.len() > 1).unwrap_or_default())
    }

    fn note_shape(&mut self, shape: &[usize], length: usize) {
        if shape.len() > 1 || self.shape.is_some() {
            self.shapes_differ |= length > 0 && self.shape.as_deref().is_some_and(|known| known != shape);
            self.shape.get_or_insert_with(|| shape.to_vec());
        } else if length > 0 {
            self.shapes_differ = true;
        }
    }

    fn check_kind(&self) -> Result<()> {
        match (self.text, self.other) {
            (Some(text), Some(other)) => {
                self.refuse(format!("row {text} holds text, row {other} does not: a column is of one kind"))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, why: String) -> Result<()> {
        let refused = Err(Error::argument(format!("{why}; nothing was written")));
        refused.in_item(|| format!("column '{}'", self.name))
    }
}

/// How the type strings begin of what arrays of variable length consist of.
const NUMBERS: [char; 5] = ['b', 'i', 'u', 'f', 'c'];
const TEXTS: [char; 2] = ['S', 'U'];
const LOGICAL: char = 'b';

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn survey(column: CellsFor, cells: &[(&str, &[usize], bool)]) -> Result<CellsMake> {
        let mut survey = CellSurvey::new("c", column);
        for (row, (code, shape, chosen)) in cells.iter().enumerate() {
            survey.array(row, code, shape, *chosen)?;
        }
        Ok(survey.make(cells.len()))
    }

    #[test]
    fn texts_and_arrays_are_told_apart() {
        let mut texts = CellSurvey::new("c", CellsFor::New);
        texts.text(1).unwrap();
        assert_eq!(texts.make(3), CellsMake::Texts);
        assert!(texts.array(2, "<f8", &[1], true).unwrap_err().to_string().contains("row 1 holds text, row 2"));
        let mut variable = CellSurvey::new("c", CellsFor::Variable);
        variable.text(0).unwrap();
        assert_eq!(variable.make(1), CellsMake::VariableTexts);
    }

    #[test]
    fn a_shape_is_that_of_all_arrays() {
        let arrays = |cells: &[(&str, &[usize], bool)]| survey(CellsFor::New, cells).unwrap();
        assert_eq!(
            arrays(&[("<i4", &[2, 3], true), ("<i4", &[0], true), ("<i4", &[2, 3], true)]),
            CellsMake::Arrays(vec![2, 3])
        );
        assert_eq!(arrays(&[("<i4", &[2, 3], true), ("<i4", &[3, 2], true)]), CellsMake::Arrays(vec![]));
        assert_eq!(arrays(&[("<i4", &[6], true), ("<i4", &[2, 3], true)]), CellsMake::Arrays(vec![]));
        assert_eq!(arrays(&[("<i4", &[6], true), ("<i4", &[6], true)]), CellsMake::Arrays(vec![]));
        assert_eq!(arrays(&[]), CellsMake::Arrays(vec![]));
    }

    #[test]
    fn types_agree_unless_nobody_chose_them() {
        assert!(survey(CellsFor::New, &[("<i4", &[1], true), (">i4", &[1], true)]).is_ok());
        assert!(survey(CellsFor::New, &[("<i4", &[1], true), ("<f8", &[1], true)]).is_err());
        assert!(survey(CellsFor::New, &[("<i8", &[1], false), ("<f8", &[1], false)]).is_ok());
        assert!(survey(CellsFor::Present, &[("<i4", &[1], true), ("<f8", &[1], true)]).is_ok());
        assert!(survey(CellsFor::Variable, &[("|b1", &[1], true), ("<f8", &[1], true)]).is_err());
        assert!(survey(CellsFor::New, &[("<M8[s]", &[1], true)]).is_err());
        // Lists without entries are of no type.
        assert!(survey(CellsFor::New, &[("<f8", &[0], false), ("|b1", &[1], true)]).is_ok());
    }

    #[test]
    fn single_values_are_for_a_column_that_is_there() {
        assert_eq!(survey(CellsFor::Present, &[("<i4", &[], true), ("<i4", &[], true)]).unwrap(), CellsMake::Values);
        assert_eq!(survey(CellsFor::Variable, &[("<i4", &[], true)]).unwrap(), CellsMake::Arrays(vec![]));
        assert!(survey(CellsFor::New, &[("<i4", &[], true)]).is_err());
        let with_nothing = |rows| {
            let mut survey = CellSurvey::new("c", CellsFor::Present);
            survey.array(0, "<i4", &[], true).unwrap();
            survey.make(rows)
        };
        assert_eq!(with_nothing(2), CellsMake::Arrays(vec![]));
    }
}
