//! Writing tables: new ones, and cells, rows and columns of those that are there.

use std::sync::Arc;

use crate::compression::{HeapFormat, TableCompression};
use crate::directory::HduKey;
use crate::edit::{
    append_rows, delete_column, heap_columns, insert_column, repack_heap, truncate_rows, write_arrays, write_rows,
};
use crate::engine::{Op, Watch, every, in_order};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::{HduKind, Header};
use crate::image::empty_primary;
use crate::table::{
    Cell, Column, ColumnKey, Declared, GivenColumn, GivenType, NewColumn, NewTable, TableLayout, TableRequest,
    find_column,
};
use crate::table_data::{Field, TableSelector};
use crate::table_values::{ColumnValues, TableValues, given_type};
use crate::tiled::{
    NewTiledTable, Threads, append_tiled_rows, delete_tiled_column, insert_tiled_column, repack_tiled_table,
    truncate_tiled_rows, write_tiled_rows,
};
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
    /// Compresses the columns in tiles of rows.
    pub compress: Option<TableCompression>,
    /// The types of the elements of variable-length columns, by name: numpy's codes such as `f4`, or `S` for text. Columns whose values have lengths of
    /// their own are variable-length ones in any case, of the type of these values.
    pub array_types: Vec<(String, String)>,
    /// The descriptors of variable-length columns; P unless given or the heap needs Q.
    pub heap_format: Option<HeapFormat>,
    /// The formats of columns of an ASCII table, by name, such as `F12.4`.
    pub formats: Vec<(String, String)>,
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
        Op::edit_watched(move |watch| {
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
                    new.push(NewColumn::of(values, options.of_column(values.name, false)?)?);
                }
                let rows = rows.unwrap_or(0) as u64;
                writer.add_table(options.table(new, rows, Some(&given), false), &options, watch)
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
        self.create_any_table(fields, rows, options, false)
    }

    /// Adds an ASCII table whose rows are blank: numbers read as 0, texts are empty. It takes integers, floats and texts, one value a field; what does not fit its field
    /// is refused when it is written.
    ///
    /// Unless [`TableOptions::formats`] says otherwise integers get the format I20, 32-bit floats E15.7, 64-bit ones D25.17, with which all of them come back as they
    /// were, and texts of n characters An.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for fields of other types, and for formats that are not for their column.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::arr1;
    /// use rustfits::{ColumnValues, Field, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let field = |name: &str, code: &str| Field { name: name.into(), code: code.into(), shape: vec![] };
    /// let options = TableOptions { formats: vec![("mag".into(), "F7.3".into())], ..TableOptions::named("CAT") };
    /// fits.create_ascii_table(vec![field("id", "i4"), field("mag", "f8")], 2, options).wait()?;
    /// let table = fits.reader().table("CAT");
    /// let columns = vec![ColumnValues::from_array("id", &arr1(&[1i32, 2])), ColumnValues::from_array("mag", &arr1(&[14.25, -1.5]))];
    /// table.write(columns).wait()?;
    /// assert_eq!(table.read().wait()?.array::<f64>("mag")?.as_slice(), Some(&[14.25, -1.5][..]));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn create_ascii_table(&self, fields: Vec<Field>, rows: u64, options: TableOptions) -> Op<usize> {
        self.create_any_table(fields, rows, options, true)
    }

    fn create_any_table(&self, fields: Vec<Field>, rows: u64, options: TableOptions, ascii: bool) -> Op<usize> {
        let writer = self.clone();
        Op::edit_watched(move |watch| {
            let created = (|| {
                let new = fields.into_iter().map(|field| new_column(&field, options.of_column(&field.name, ascii)?));
                let columns = new.collect::<Result<_>>()?;
                writer.add_table(options.table(columns, rows, None, ascii), &options, watch)
            })();
            created.in_file(writer.reader().name())
        })
    }

    /// Takes out of an HDU what changes have left in it: of a table what no descriptor names in its heap, of a compressed image the tiles that were replaced.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::repack`]; also where the HDU is an image that is not compressed.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let arrays = ColumnValues::from_cells("flux", &[vec![1.5f32, 2.5], vec![3.5]]);
    /// fits.write_table(vec![arrays], TableOptions::named("CAT")).wait()?;
    /// fits.reader().table("CAT").truncate(1).wait()?;
    /// fits.repack("CAT").wait()?;
    /// assert_eq!(fits.reader().header("CAT").wait()?.get::<i64>("PCOUNT")?, 8);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn repack(&self, key: impl Into<HduKey>) -> Op<()> {
        let (reader, key) = (self.reader().clone(), key.into());
        Op::edit(move || {
            let hdu = reader.hdu(key).wait()?;
            match hdu.kind() {
                HduKind::CompressedImage => reader.image(hdu.id()).repack().wait(),
                _ => reader.table(hdu.id()).repack().wait(),
            }
        })
    }

    fn add_table(&self, mut table: NewTable<'_>, options: &TableOptions, watch: &mut Watch<'_>) -> Result<usize> {
        let named = options.units.iter().chain(&options.array_types).chain(&options.formats);
        for name in named.map(|(name, _)| name).chain(&options.bit_columns) {
            if !table.columns.iter().any(|column| is_called(&column.name, name)) {
                return Err(Error::new(ErrorKind::Key, format!("the table has no column '{name}'")));
            }
        }
        table.can_be_taken_back = options.before.is_none() && self.shared.ends_with_hdu()?;
        if let Some(compress) = &options.compress {
            let table = NewTiledTable::new(table.hdu()?, compress)?;
            return self.shared.insert_compressed(&table, options.before.as_ref(), watch);
        }
        self.shared.insert(options.before.as_ref(), |primary| {
            let table = table.hdu()?;
            Ok(if primary { vec![empty_primary()?, table] } else { vec![table] })
        })
    }
}

impl TableOptions {
    /// What is said of a column.
    fn of_column(&self, name: &str, ascii: bool) -> Result<Declared> {
        let of = |pairs: &[(String, String)]| {
            pairs.iter().find(|(column, _)| is_called(name, column)).map(|(_, value)| value.clone())
        };
        Ok(Declared {
            unit: of(&self.units),
            bits: self.bit_columns.iter().any(|column| is_called(name, column)),
            array: of(&self.array_types).map(|code| array_type(name, &code)).transpose()?,
            wide: self.heap_format == Some(HeapFormat::Q),
            format: of(&self.formats),
            ascii,
        })
    }

    fn table<'a>(
        &'a self,
        columns: Vec<NewColumn>,
        rows: u64,
        values: Option<&'a [GivenColumn<'a>]>,
        ascii: bool,
    ) -> NewTable<'a> {
        NewTable {
            columns,
            rows,
            values,
            name: self.name.as_deref(),
            version: self.version,
            ascii,
            heap_format: self.heap_format,
            cards: self.header.as_ref(),
            every: &every,
            can_be_taken_back: false,
        }
    }
}

/// What edits of compressed tables have their values checked and their tiles packed on.
fn all_threads() -> Threads<'static> {
    Threads { every: &every, pack: &|count, make, take| in_order(count, make, take, &mut Watch::none()) }
}

/// The type of the elements of a variable-length column.
fn array_type(name: &str, code: &str) -> Result<GivenType> {
    let text = |code: &str| matches!(code.trim_start_matches(['<', '>', '|', '=']), "S" | "U" | "A");
    if text(code) {
        return Ok(GivenType::Bytes { width: 1 });
    }
    given_type(code).map(|(element, _)| element.single()).in_item(|| format!("column '{name}'"))
}

fn is_called(name: &str, wanted: &str) -> bool {
    name.trim().eq_ignore_ascii_case(wanted.trim())
}

fn new_column(field: &Field, declared: Declared) -> Result<NewColumn> {
    let Field { name, code, shape } = field;
    let made = match (code.as_str(), declared.array) {
        ("O" | "|O", Some(array)) => NewColumn::new(name, array, &[], declared),
        ("O" | "|O", None) => Err(Error::argument(
            "a column of objects is a variable-length one: say the type of its arrays in var_dtypes",
        )),
        _ => given_type(code).and_then(|(element, _)| NewColumn::new(name, element, shape, declared)),
    };
    made.in_item(|| format!("column '{name}'"))
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
