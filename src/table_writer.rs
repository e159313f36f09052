//! Writing tables: new ones, and cells, rows and columns of those that are there.

use crate::directory::HduKey;
use crate::edit::{append_rows, delete_column, insert_column, write_rows};
use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::Header;
use crate::image::empty_primary;
use crate::table::{ColumnKey, NewColumn, NewTable, TableLayout, changeable, find_column};
use crate::table_data::{Field, TableSelector};
use crate::table_values::{ColumnValues, TableValues, given_type};
use crate::writer::FitsWriter;

/// What a new table is called, and what its header has.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// EXTNAME.
    pub name: Option<String>,
    /// EXTVER.
    pub version: Option<i64>,
    /// The units of columns, by name.
    pub units: Vec<(String, String)>,
    /// Columns of bools that are packed as bits, eight to a byte, by name.
    pub bit_columns: Vec<String>,
    /// More cards, also commentary. Those of protected keywords are left out.
    pub header: Option<Header>,
    /// The HDU in front of which the table goes; behind the last one unless given.
    pub before: Option<HduKey>,
}

impl TableOptions {
    /// A table with this EXTNAME.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}

/// Where a new column goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColumnPlace {
    /// Behind the last one.
    #[default]
    Last,
    /// As the column with this number, counted from 0; negative from the end, as a Python list has it.
    At(i64),
    /// In front of this one.
    Before(ColumnKey),
    /// Behind this one.
    After(ColumnKey),
}

impl FitsWriter {
    /// Adds a binary table of these columns, which have one value for each row: behind the last HDU, or in front of the one that [`TableOptions::before`]
    /// names. In an empty file an empty primary HDU goes first. Returns the number of the table.
    ///
    /// Unsigned types and `i8` are stored with the TZERO that the standard has for them (§5.3), arrays in cells with a TDIM. What is masked becomes the
    /// column's TNULL, which is none of its values.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`], and nothing is written, where columns have not as many rows as the others or the same name, and for text that is not ASCII.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::{arr1, arr2};
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let columns = vec![
    ///     ColumnValues::from_array("name", &arr1(&["Vega", "Deneb"])),
    ///     ColumnValues::from_array("counts", &arr1(&[1u16, 65535])),
    ///     ColumnValues::from_array("flux", &arr2(&[[1.5f32, 2.5], [3.5, 4.5]])),
    /// ];
    /// let options = TableOptions { units: vec![("flux".into(), "Jy".into())], ..TableOptions::named("CAT") };
    /// assert_eq!(fits.write_table(columns, options).wait()?, 1);
    /// let table = fits.reader().table("CAT").read().wait()?;
    /// assert_eq!(table.array::<u16>("counts")?.as_slice(), Some(&[1, 65535][..]));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn write_table(&self, columns: impl Into<TableValues>, options: TableOptions) -> Op<usize> {
        let (writer, columns) = (self.clone(), columns.into());
        Op::edit(move || {
            let written = (|| {
                let (columns, options) = columns.resolve(options)?;
                let given: Vec<_> = columns.iter().map(ColumnValues::lend).collect();
                let mut rows = None;
                let mut new = Vec::with_capacity(given.len());
                for values in &given {
                    let (count, _) = values.rows_and_cell()?;
                    let first = *rows.get_or_insert(count);
                    if count != first {
                        return Err(values.refuse(&format!("have {count} rows, those before {first}")));
                    }
                    let (unit, bits) = options.of_column(values.name);
                    new.push(NewColumn::of(values, unit, bits)?);
                }
                writer.add_table(
                    NewTable {
                        columns: new,
                        rows: rows.unwrap_or(0) as u64,
                        values: Some(&given),
                        name: options.name.as_deref(),
                        version: options.version,
                        cards: options.header.as_ref(),
                    },
                    &options,
                )
            })();
            written.in_file(writer.reader().name())
        })
    }

    /// Adds a binary table with rows that hold nothing: 0, false, the empty string. They take no time to write where that is stored as 0.
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::write_table`]; [`ErrorKind::TooLarge`] where no file can be as large.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{Field, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let field = |name: &str, code: &str| Field { name: name.into(), code: code.into(), shape: vec![] };
    /// fits.create_table(vec![field("ra", "f8"), field("name", "U8")], 1000, TableOptions::named("CAT")).wait()?;
    /// assert_eq!(fits.reader().hdu("CAT").wait()?.rows()?, 1000);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn create_table(&self, fields: Vec<Field>, rows: u64, options: TableOptions) -> Op<usize> {
        let writer = self.clone();
        Op::edit(move || {
            let created = (|| {
                let new = fields.into_iter().map(|field| {
                    let (unit, bits) = options.of_column(&field.name);
                    new_column(field, unit, bits)
                });
                let columns = new.collect::<Result<_>>()?;
                writer.add_table(
                    NewTable {
                        columns,
                        rows,
                        values: None,
                        name: options.name.as_deref(),
                        version: options.version,
                        cards: options.header.as_ref(),
                    },
                    &options,
                )
            })();
            created.in_file(writer.reader().name())
        })
    }

    fn add_table(&self, table: NewTable<'_>, options: &TableOptions) -> Result<usize> {
        let names = options.units.iter().map(|(name, _)| name).chain(&options.bit_columns);
        for name in names {
            if !table.columns.iter().any(|column| is_called(&column.name, name)) {
                return Err(Error::new(ErrorKind::Key, format!("the table has no column '{name}'")));
            }
        }
        self.shared.insert(options.before.as_ref(), |primary| {
            let table = table.hdu()?;
            Ok(if primary { vec![empty_primary()?, table] } else { vec![table] })
        })
    }
}

impl TableOptions {
    /// The unit of a column, and whether it is packed as bits.
    fn of_column(&self, name: &str) -> (Option<String>, bool) {
        let unit = self.units.iter().find(|(column, _)| is_called(name, column));
        (unit.map(|(_, unit)| unit.clone()), self.bit_columns.iter().any(|column| is_called(name, column)))
    }
}

fn is_called(name: &str, wanted: &str) -> bool {
    name.trim().eq_ignore_ascii_case(wanted.trim())
}

fn new_column(field: Field, unit: Option<String>, bits: bool) -> Result<NewColumn> {
    let Field { name, code, shape } = field;
    let (element, _) = given_type(&code).in_item(|| format!("column '{name}'"))?;
    Ok(NewColumn { name, element, shape, unit, bits, null: None })
}

impl TableSelector {
    /// Writes cells: of the selected rows, the columns that have values here, each found by its name. Values for all of these rows, or one cell or one
    /// element for all of them.
    ///
    /// The values may be of any type of number that fits: they are checked before anything is written. They are physical ones, which are scaled back
    /// with TSCAL and TZERO and rounded; with [`TableSelector::unscaled`] they are stored ones.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] where shapes or types don't go together, a value does not fit or a text is too long, [`ErrorKind::Key`] where there is no such column, [`ErrorKind::Index`] where there is no such
    /// row, [`ErrorKind::ReadOnly`] where the file was opened to be read only.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::{arr0, arr1};
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_table(vec![ColumnValues::from_array("a", &arr1(&[1i16, 2, 3]))], TableOptions::named("CAT")).wait()?;
    /// let table = fits.reader().table("CAT");
    /// table.clone().rows(1..3).write(vec![ColumnValues::from_array("a", &arr1(&[20i64, 30]))]).wait()?;
    /// table.clone().rows(vec![0]).write(vec![ColumnValues::from_array("a", &arr0(10i16))]).wait()?;
    /// assert_eq!(table.read().wait()?.array::<i16>("a")?.as_slice(), Some(&[10, 20, 30][..]));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn write(&self, columns: impl Into<TableValues>) -> Op<()> {
        self.resolved(columns.into(), |table, columns| table.write_columns(columns))
    }

    /// Has the values read to their end before the file is touched: they may come out of it.
    fn resolved(
        &self,
        values: TableValues,
        change: impl FnOnce(&Self, Vec<ColumnValues>) -> Op<()> + Send + 'static,
    ) -> Op<()> {
        let table = self.clone();
        if let Err(error) = self.reader.changer() {
            return Op::failed(error);
        }
        Op::edit(move || {
            let columns = values.into_columns().in_file(table.reader.name())?;
            change(&table, columns).wait()
        })
    }

    fn write_columns(&self, columns: Vec<ColumnValues>) -> Op<()> {
        let changer = match self.reader.changer() {
            Ok(changer) => changer,
            Err(error) => return Op::failed(error),
        };
        let request = self.request.clone();
        changer.change_data(self.key.clone(), move |hdu, source, carry_out| {
            let table = changeable(hdu)?;
            let rows = request.rows.resolve(table.rows)?;
            let given: Vec<_> = columns.iter().map(ColumnValues::lend).collect();
            if let Some(keys) = &request.columns {
                let selected =
                    keys.iter().map(|key| Ok(find_column(table, key)?.name.as_str())).collect::<Result<Vec<_>>>()?;
                if let Some(other) =
                    given.iter().find(|values| !selected.iter().any(|name| is_called(name, values.name)))
                {
                    return Err(other.refuse(&format!(
                        "are for none of the columns that were chosen, {selected:?}; nothing was written"
                    )));
                }
            }
            carry_out(write_rows(table, rows, &given, request.unscaled, source)?)
        })
    }

    /// Puts rows behind the last one, with values for every column of the table; types as for [`TableSelector::write`].
    ///
    /// Behind the last HDU of a file the rows are added where they are; else what follows moves, as when a header outgrows its blocks.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::write`]; also where a column has no values.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::arr1;
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_table(vec![ColumnValues::from_array("a", &arr1(&[1i16]))], TableOptions::named("CAT")).wait()?;
    /// fits.reader().table("CAT").append(vec![ColumnValues::from_array("a", &arr1(&[2i16, 3]))]).wait()?;
    /// assert_eq!(fits.reader().hdu("CAT").wait()?.rows()?, 3);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn append(&self, rows: impl Into<TableValues>) -> Op<()> {
        self.resolved(rows.into(), |table, rows| table.append_all(vec![rows]))
    }

    /// As [`TableSelector::append`] for several groups of rows, one behind the other, in one change.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::append`].
    pub fn append_all(&self, groups: Vec<Vec<ColumnValues>>) -> Op<()> {
        let changer = match self.reader.changer() {
            Ok(changer) => changer,
            Err(error) => return Op::failed(error),
        };
        changer.replace_hdu(self.key.clone(), move |old, _, carry_out| {
            let given: Vec<Vec<_>> = groups.iter().map(|rows| rows.iter().map(ColumnValues::lend).collect()).collect();
            append_rows(old, &given)?.map_or(Ok(()), carry_out)
        })
    }

    /// Puts a column into the table: a value for each row, or a single one for all of them. Memory stays bounded, however large the table is: the
    /// new file is made piece by piece.
    ///
    /// The keywords of the columns behind it follow with their comments.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::write`]; also where there is a column of this name.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::arr1;
    /// use rustfits::{ColumnOptions, ColumnPlace, ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_table(vec![ColumnValues::from_array("b", &arr1(&[1i16, 2]))], TableOptions::named("CAT")).wait()?;
    /// let table = fits.reader().table("CAT");
    /// let options = ColumnOptions { place: ColumnPlace::Before("b".into()), unit: Some("mag".into()), ..ColumnOptions::default() };
    /// table.insert_column(ColumnValues::from_array("a", &arr1(&[0.5f32, 1.5])), options).wait()?;
    /// assert_eq!(table.read().wait()?.names().collect::<Vec<_>>(), ["a", "b"]);
    /// table.delete_column("b").wait()?;
    /// assert_eq!(table.read().wait()?.names().collect::<Vec<_>>(), ["a"]);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn insert_column(&self, values: ColumnValues, options: ColumnOptions) -> Op<()> {
        let changer = match self.reader.changer() {
            Ok(changer) => changer,
            Err(error) => return Op::failed(error),
        };
        changer.replace_hdu(self.key.clone(), move |old, source, carry_out| {
            let table = changeable(old.hdu)?;
            let number = options.place.number(table)?;
            let given = values.lend();
            let column = NewColumn::for_rows(&given, table.rows, options.unit, options.bits)?;
            carry_out(insert_column(old, number, &column, &given, source)?)
        })
    }

    /// Takes a column out of the table, with all its keywords; those of the columns behind it follow.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`] or [`ErrorKind::Index`] where there is no such column.
    pub fn delete_column(&self, column: impl Into<ColumnKey>) -> Op<()> {
        let column = column.into();
        let changer = match self.reader.changer() {
            Ok(changer) => changer,
            Err(error) => return Op::failed(error),
        };
        changer.replace_hdu(self.key.clone(), move |old, source, carry_out| {
            let table = changeable(old.hdu)?;
            let number = column_number(table, &column)?;
            carry_out(delete_column(old, number, source)?)
        })
    }
}

/// Where a new column goes, and what it is.
#[derive(Clone, Debug, Default)]
pub struct ColumnOptions {
    /// Where it goes.
    pub place: ColumnPlace,
    /// Its unit.
    pub unit: Option<String>,
    /// Bools are packed as bits, eight to a byte.
    pub bits: bool,
}

impl ColumnPlace {
    /// The number that the new column gets.
    fn number(&self, table: &TableLayout) -> Result<usize> {
        let count = table.columns.len();
        match self {
            Self::Last => Ok(count),
            Self::At(number) => {
                let from_front = if *number < 0 { number.saturating_add(count as i64) } else { *number };
                usize::try_from(from_front).ok().filter(|&number| number <= count).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Index,
                        format!("position {number} is out of range: the table has {count} columns"),
                    )
                })
            }
            Self::Before(column) => column_number(table, column),
            Self::After(column) => Ok(column_number(table, column)? + 1),
        }
    }
}

fn column_number(table: &TableLayout, key: &ColumnKey) -> Result<usize> {
    let column = find_column(table, key)?;
    // The layout lends its own columns.
    let number = table.columns.iter().position(|own| std::ptr::eq(own, column));
    number.ok_or_else(|| Error::new(ErrorKind::Key, "there is no such column"))
}
