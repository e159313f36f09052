//! Changing tables that are there: cells, rows and columns.

use std::sync::Arc;

use crate::compression::HeapFormat;
use crate::edit::{
    append_rows, delete_column, heap_columns, insert_column, repack_heap, truncate_rows, write_arrays, write_rows,
};
use crate::engine::{Op, Watch, every, in_order};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::{HduKind, Header};
use crate::table::{Cell, Column, ColumnKey, Declared, GivenColumn, NewColumn, TableLayout, TableRequest, find_column};
use crate::table_data::TableSelector;
use crate::table_values::{ColumnValues, TableValues};
use crate::table_writer::{array_type, is_called};
use crate::tiled::{
    Threads, append_tiled_rows, delete_tiled_column, insert_tiled_column, repack_tiled_table, truncate_tiled_rows,
    write_tiled_rows,
};

/// Where a new column goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

/// What edits of compressed tables have their values checked and their tiles packed on.
fn all_threads() -> Threads<'static> {
    Threads { every: &every, pack: &|count, make, take| in_order(count, make, take, &mut Watch::none()) }
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
        let (changer, key, request) = (Arc::clone(changer), self.key.clone(), self.request.clone());
        Op::edit(move || {
            let columns = Arc::new(columns);
            let (again, requested) = (Arc::clone(&columns), request.clone());
            let written = changer.change_data(key.clone(), move |hdu, source, carry_out| {
                if hdu.layout.kind == HduKind::CompressedTable {
                    return Ok(false);
                }
                let table = TableLayout::of(hdu)?;
                let given: Vec<_> = columns.iter().map(ColumnValues::lend).collect();
                check_chosen(table, &request, &given)?;
                if given.iter().any(|values| changes_header(table, values)) {
                    return Ok(false);
                }
                let rows = request.rows.resolve(table.rows)?;
                carry_out(write_rows(table, rows, &given, request.unscaled, source, &every)?)?;
                Ok(true)
            });
            if written.wait()? {
                return Ok(());
            }
            let changed = changer.replace_hdu(key, move |old, source, carry_out| {
                let given: Vec<_> = again.iter().map(ColumnValues::lend).collect();
                if old.hdu.layout.kind == HduKind::CompressedTable {
                    let table = TableLayout::of(old.hdu)?;
                    check_chosen(table, &requested, &given)?;
                    let rows = requested.rows.resolve(table.rows)?;
                    return write_tiled_rows(old, &rows, &given, requested.unscaled, source, all_threads())?
                        .map_or(Ok(()), carry_out);
                }
                let (table, header) = with_null_texts(TableLayout::of(old.hdu)?.clone(), &given, old.header.clone())?;
                let rows = requested.rows.resolve(table.rows)?;
                carry_out(write_arrays(old, (&table, header), &rows, &given, requested.unscaled, source)?)
            });
            changed.wait()
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
        changer.replace_hdu(self.key.clone(), move |old, source, carry_out| {
            let given: Vec<Vec<_>> = groups.iter().map(|rows| rows.iter().map(ColumnValues::lend).collect()).collect();
            if old.hdu.layout.kind == HduKind::CompressedTable {
                return append_tiled_rows(old, &given, source, all_threads())?.map_or(Ok(()), carry_out);
            }
            let (mut table, mut header) = (TableLayout::of(old.hdu)?.clone(), old.header.clone());
            for rows in &given {
                (table, header) = with_null_texts(table, rows, header)?;
            }
            append_rows(old, (&table, header), &given, source, &every)?.map_or(Ok(()), carry_out)
        })
    }

    /// Leaves the table its first rows, so many of them. Behind the last HDU the file ends earlier; else what follows moves, as when a header outgrows its
    /// blocks. The heap ends where the last array does that one of these rows names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`] where the table has fewer rows, [`ErrorKind::ReadOnly`] where the file was opened to be read only.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::arr1;
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_table(vec![ColumnValues::from_array("a", &arr1(&[1i16, 2, 3]))], TableOptions::named("CAT")).wait()?;
    /// let table = fits.reader().table("CAT");
    /// table.truncate(2).wait()?;
    /// assert_eq!(table.read().wait()?.array::<i16>("a")?.as_slice(), Some(&[1, 2][..]));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn truncate(&self, rows: u64) -> Op<()> {
        let changer = match self.reader.changer() {
            Ok(changer) => changer,
            Err(error) => return Op::failed(error),
        };
        changer.replace_hdu(self.key.clone(), move |old, source, carry_out| {
            let truncated = match old.hdu.layout.kind {
                HduKind::CompressedTable => truncate_tiled_rows(old, rows, source)?,
                _ => truncate_rows(old, rows, source)?,
            };
            truncated.map_or(Ok(()), carry_out)
        })
    }

    /// Puts a column into the table: a value for each row, or a single one for all of them. Memory stays bounded, however large the table is: the
    /// new file is made piece by piece.
    ///
    /// The keywords of the columns behind it follow with their comments. In a compressed table the column is compressed as suits its type; what is there stays as
    /// it is.
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
            let table = TableLayout::of(old.hdu)?;
            let number = options.place.number(table)?;
            let given = values.lend();
            let declared = Declared {
                unit: options.unit,
                bits: options.bits,
                array: options.array_type.map(|code| array_type(given.name, &code)).transpose()?,
                wide: options.heap_format == Some(HeapFormat::Q),
                format: options.format,
                ascii: table.ascii,
            };
            let mut column = NewColumn::for_rows(&given, table.rows, declared)?;
            if table.ascii && given.mask.is_some() {
                column.null_text = Some(NULL_TEXT);
            }
            let wide_if_needed = options.heap_format.is_none();
            carry_out(if old.hdu.layout.kind == HduKind::CompressedTable {
                insert_tiled_column(old, number, column, &given, wide_if_needed, source)?
            } else {
                insert_column(old, number, column, &given, wide_if_needed, source)?
            })
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
            let table = TableLayout::of(old.hdu)?;
            let number = column_number(table, &column)?;
            carry_out(if old.hdu.layout.kind == HduKind::CompressedTable {
                delete_tiled_column(old, number, source)?
            } else {
                delete_column(old, number, source)?
            })
        })
    }

    /// Rewrites the heap without what no descriptor names any more: arrays that were replaced, and those of columns that were deleted. The values stay as they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Illegal`] where a descriptor leads out of the heap; [`ErrorKind::ReadOnly`] where the file was opened to be read only.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let arrays = ColumnValues::from_cells("flux", &[vec![1.5f32, 2.5], vec![], vec![3.5]]);
    /// fits.write_table(vec![arrays], TableOptions::named("CAT")).wait()?;
    /// let table = fits.reader().table("CAT");
    /// table.clone().rows(vec![0]).write(vec![ColumnValues::from_cells("flux", &[vec![7f32; 3]])]).wait()?;
    /// assert_eq!(fits.reader().header("CAT").wait()?.get::<i64>("PCOUNT")?, 24);
    /// table.repack().wait()?;
    /// assert_eq!(fits.reader().header("CAT").wait()?.get::<i64>("PCOUNT")?, 16);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn repack(&self) -> Op<()> {
        let changer = match self.reader.changer() {
            Ok(changer) => changer,
            Err(error) => return Op::failed(error),
        };
        changer.replace_hdu(self.key.clone(), move |old, source, carry_out| {
            if old.hdu.layout.kind == HduKind::CompressedTable {
                return repack_tiled_table(old, source)?.map_or(Ok(()), carry_out);
            }
            let columns = heap_columns(TableLayout::of(old.hdu)?);
            repack_heap(old, columns, source)?.map_or(Ok(()), carry_out)
        })
    }
}

/// The text that stands for no value in columns of ASCII tables that get their first such: no number reads so.
const NULL_TEXT: &str = "*";

/// Whether values for columns that were not chosen are among these.
fn check_chosen(table: &TableLayout, request: &TableRequest, given: &[GivenColumn<'_>]) -> Result<()> {
    let Some(keys) = &request.columns else { return Ok(()) };
    let selected = keys.iter().map(|key| Ok(find_column(table, key)?.name.as_str())).collect::<Result<Vec<_>>>()?;
    let is_other = |values: &&GivenColumn<'_>| !selected.iter().any(|name| is_called(name, values.name));
    match given.iter().find(is_other) {
        None => Ok(()),
        Some(other) => {
            Err(other
                .refuse(&format!("are for none of the columns that were chosen, {selected:?}; nothing was written")))
        }
    }
}

/// Whether the header changes with these values: arrays go into the heap, and the first field without a value needs a text for it.
fn changes_header(table: &TableLayout, values: &GivenColumn<'_>) -> bool {
    let column = table.find(values.name).and_then(|number| table.columns.get(number));
    column.is_some_and(|column| column.cell == Cell::Variable || needs_null_text(column, values))
}

fn needs_null_text(column: &Column, values: &GivenColumn<'_>) -> bool {
    matches!(column.cell, Cell::Decimal(_)) && column.null_text.is_none() && values.mask.is_some()
}

/// The columns and their header with TNULL for those that get their first field without a value.
fn with_null_texts(
    mut table: TableLayout,
    given: &[GivenColumn<'_>],
    mut header: Header,
) -> Result<(TableLayout, Header)> {
    for values in given {
        let Some(number) = table.find(values.name) else { continue };
        if let Some(column) = table.columns.get_mut(number).filter(|column| needs_null_text(column, values)) {
            column.null_text = Some(NULL_TEXT.to_owned());
            header.set_structural(&format!("TNULL{}", number + 1), NULL_TEXT, "stands for no value")?;
        }
    }
    Ok((table, header))
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
    /// For a variable-length column the type of its elements, such as `f4`, or `S` for text; that of the values unless given.
    pub array_type: Option<String>,
    /// For a variable-length column its descriptors; P unless given or the heap needs Q.
    pub heap_format: Option<HeapFormat>,
    /// For a column of an ASCII table its format, such as `F12.4`.
    pub format: Option<String>,
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
