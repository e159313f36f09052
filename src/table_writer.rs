//! Adding tables to a file.

use crate::compression::{HeapFormat, TableCompression};
use crate::directory::HduKey;
use crate::engine::{Op, Watch, every};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::{HduKind, Header};
use crate::image::empty_primary;
use crate::table::{Declared, GivenColumn, GivenType, NewColumn, NewTable};
use crate::table_data::Field;
use crate::table_values::{ColumnValues, TableValues, given_type};
use crate::tiled::NewTiledTable;
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

/// The type of the elements of a variable-length column.
pub(crate) fn array_type(name: &str, code: &str) -> Result<GivenType> {
    let text = |code: &str| matches!(code.trim_start_matches(['<', '>', '|', '=']), "S" | "U" | "A");
    if text(code) {
        return Ok(GivenType::Bytes { width: 1 });
    }
    given_type(code).map(|(element, _)| element.single()).in_item(|| format!("column '{name}'"))
}

pub(crate) fn is_called(name: &str, wanted: &str) -> bool {
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
