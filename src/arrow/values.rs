//! Record batches as values for the columns of a table. Numbers of a single batch are written from where they lie; several batches are joined first.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, GenericListViewArray, OffsetSizeTrait, RecordBatch,
    new_empty_array,
};
use arrow_buffer::{Buffer as ArrowBuffer, NullBuffer};
use arrow_schema::{ArrowError, DataType as ArrowType, Field, Schema};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::{BIT, COMPLEX, ELEMENT, UNIT};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::source::reserve;
use crate::table_values::ColumnValues;
use crate::table_writer::TableOptions;

/// The columns that batches of one schema consist of.
pub(crate) fn columns_of(schema: &Schema, batches: &[RecordBatch]) -> Result<Vec<ColumnValues>> {
    let columns = schema.fields().iter().enumerate().map(|(number, field)| {
        let column = || {
            let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(number).as_ref()).collect();
            let array = match parts.as_slice() {
                [] => new_empty_array(field.data_type()),
                [_] => batches
                    .first()
                    .map_or_else(|| new_empty_array(field.data_type()), |batch| ArrayRef::clone(batch.column(number))),
                parts => concat(parts).map_err(foreign)?,
            };
            column_values(field, &array)
        };
        column().in_item(|| format!("column '{}'", field.name()))
    });
    columns.collect()
}

/// The options of a table, with what the schema says of its columns where they don't: units, and which are packed as bits.
pub(crate) fn options_of(schema: &Schema, mut options: TableOptions) -> TableOptions {
    for field in schema.fields() {
        let (name, metadata) = (field.name(), field.metadata());
        let has_unit = options.units.iter().any(|(column, _)| column.eq_ignore_ascii_case(name));
        if let Some(unit) = metadata.get(UNIT).filter(|unit| !has_unit && !unit.is_empty()) {
            options.units.push((name.clone(), unit.clone()));
        }
        if metadata.get(ELEMENT).is_some_and(|element| element == BIT) && is_boolean(field.data_type()) {
            options.bit_columns.push(name.clone());
        }
    }
    options
}

fn is_boolean(data_type: &ArrowType) -> bool {
    match data_type {
        ArrowType::FixedSizeList(item, _) => is_boolean(item.data_type()),
        data_type => *data_type == ArrowType::Boolean,
    }
}

fn column_values(field: &Field, array: &ArrayRef) -> Result<ColumnValues> {
    let is_complex = field.metadata().get(ELEMENT).is_some_and(|element| element == COMPLEX);
    if let Some((offsets, values)) = lists(array.as_ref()) {
        return variable_column(field, &offsets, &values, array.logical_nulls().as_ref(), is_complex);
    }
    let Flat { code, shape, memory, nulls } = Flat::of(array, is_complex)?;
    let shape = [&[array.len()], shape.as_slice()].concat();
    let (rows, bytes) = (array.len(), (*memory).as_ref().len());
    let stride = bytes.checked_div(rows).unwrap_or(0);
    let values = ColumnValues::from_memory(field.name(), &code, shape, memory, 0, stride)?;
    match nulls {
        Some(nulls) => values.masked(nulls.iter().map(|valid| u8::from(!valid)).collect()),
        None => Ok(values),
    }
}

/// Where the elements of each list begin and end, and the elements; `None` where the array is no lists of variable length.
fn lists(array: &dyn Array) -> Option<(Vec<Range<usize>>, ArrayRef)> {
    fn ends<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> (Vec<Range<usize>>, ArrayRef) {
        let ends = list.offsets().windows(2).filter_map(|ends| Some(ends.first()?.as_usize()..ends.last()?.as_usize()));
        (ends.collect(), ArrayRef::clone(list.values()))
    }
    fn views<O: OffsetSizeTrait>(list: &GenericListViewArray<O>) -> (Vec<Range<usize>>, ArrayRef) {
        let views = list.offsets().iter().zip(list.sizes().iter());
        let ends = views.map(|(start, size)| start.as_usize()..start.as_usize() + size.as_usize());
        (ends.collect(), ArrayRef::clone(list.values()))
    }
    match array.data_type() {
        ArrowType::List(_) => Some(ends(array.as_list::<i32>())),
        ArrowType::LargeList(_) => Some(ends(array.as_list::<i64>())),
        ArrowType::ListView(_) => array.as_list_view_opt::<i32>().map(views),
        ArrowType::LargeListView(_) => array.as_list_view_opt::<i64>().map(views),
        _ => None,
    }
}

/// A column of arrays of lengths of their own; a list that is null is an empty one.
fn variable_column(
    field: &Field,
    lists: &[Range<usize>],
    values: &ArrayRef,
    nulls: Option<&NullBuffer>,
    is_complex: bool,
) -> Result<ColumnValues> {
    let Flat { code, shape, memory, nulls: missing } = Flat::of(values, is_complex)?;
    if !shape.is_empty() {
        let what =
            format!("FITS has no arrays of variable length of Arrow's {}; nothing was written", values.data_type());
        return Err(Error::new(ErrorKind::Type, what));
    }
    let bytes = (*memory).as_ref();
    let size = bytes.len().checked_div(values.len()).unwrap_or(0);
    let mut own = Vec::new();
    let (mut offsets, mut mask) = (vec![0], Vec::new());
    let mut total = 0usize;
    for (row, list) in lists.iter().enumerate() {
        let list = if nulls.is_some_and(|nulls| nulls.is_null(row)) { 0..0 } else { list.clone() };
        own.extend_from_slice(bytes.get(list.start * size..list.end * size).unwrap_or_default());
        mask.extend(list.clone().map(|index| u8::from(missing.as_ref().is_some_and(|missing| missing.is_null(index)))));
        total += list.len();
        offsets.push(total);
    }
    let (name, memory) = (field.name(), Arc::new(own));
    let column = match code.starts_with('S') {
        true => ColumnValues::from_text_offsets(name, &code, offsets, memory, Vec::new())?,
        false => ColumnValues::from_offsets(name, &code, offsets, memory, Vec::new())?,
    };
    if missing.is_some() { column.masked(mask) } else { Ok(column) }
}

/// The elements of an array behind one another.
struct Flat {
    /// numpy's code of an element.
    code: String,
    /// The shape of a cell.
    shape: Vec<usize>,
    memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
    /// For each element whether it is there; `None` where all are.
    nulls: Option<NullBuffer>,
}

/// Memory of Arrow that is not copied.
struct Lent(ArrowBuffer);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Flat {
    fn of(array: &ArrayRef, is_complex: bool) -> Result<Self> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let flat = |code: String, bytes: Vec<u8>| {
            Ok(Self { code, shape: Vec::new(), memory: Arc::new(bytes), nulls: nulls.clone() })
        };
        match array.data_type() {
            ArrowType::Int8 => Ok(Self::numbers::<Int8Type>("i1", array, nulls)),
            ArrowType::Int16 => Ok(Self::numbers::<Int16Type>("i2", array, nulls)),
            ArrowType::Int32 => Ok(Self::numbers::<Int32Type>("i4", array, nulls)),
            ArrowType::Int64 => Ok(Self::numbers::<Int64Type>("i8", array, nulls)),
            ArrowType::UInt8 => Ok(Self::numbers::<UInt8Type>("u1", array, nulls)),
            ArrowType::UInt16 => Ok(Self::numbers::<UInt16Type>("u2", array, nulls)),
            ArrowType::UInt32 => Ok(Self::numbers::<UInt32Type>("u4", array, nulls)),
            ArrowType::UInt64 => Ok(Self::numbers::<UInt64Type>("u8", array, nulls)),
            ArrowType::Float32 => Ok(Self::numbers::<Float32Type>("f4", array, nulls)),
            ArrowType::Float64 => Ok(Self::numbers::<Float64Type>("f8", array, nulls)),
            ArrowType::Float16 => {
                let values = array.as_primitive::<Float16Type>().values();
                flat("f4".to_owned(), values.iter().flat_map(|value| value.to_f32().to_ne_bytes()).collect())
            }
            ArrowType::Boolean => flat("?".to_owned(), array.as_boolean().values().iter().map(u8::from).collect()),
            ArrowType::Utf8 => Self::strings(array.as_string::<i32>().iter(), nulls),
            ArrowType::LargeUtf8 => Self::strings(array.as_string::<i64>().iter(), nulls),
            ArrowType::Utf8View => Self::strings(array.as_string_view().iter(), nulls),
            ArrowType::Binary => Self::texts(array.as_binary::<i32>().iter(), nulls),
            ArrowType::LargeBinary => Self::texts(array.as_binary::<i64>().iter(), nulls),
            ArrowType::BinaryView => Self::texts(array.as_binary_view().iter(), nulls),
            ArrowType::FixedSizeBinary(_) => Self::texts(array.as_fixed_size_binary().iter(), nulls),
            ArrowType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = take(dictionary.values(), dictionary.keys(), None).map_err(foreign)?;
                Self::of(&values, is_complex)
            }
            ArrowType::FixedSizeList(..) => Self::fixed_list(array.as_fixed_size_list(), is_complex),
            ArrowType::List(_) | ArrowType::LargeList(_) | ArrowType::ListView(_) | ArrowType::LargeListView(_) => {
                Err(Error::unsupported(
                    "lists of lists of variable length have no place in FITS tables: make the inner ones of one length",
                ))
            }
            other => Err(Error::new(
                ErrorKind::Type,
                format!(
                    "FITS tables have nothing like Arrow's {other}: cast it to integers, floats, booleans or text; nothing was written"
                ),
            )),
        }
    }

    fn numbers<T: ArrowPrimitiveType>(code: &str, array: &ArrayRef, nulls: Option<NullBuffer>) -> Self {
        let values = array.as_primitive::<T>().values().inner().clone();
        Self { code: code.to_owned(), shape: Vec::new(), memory: Arc::new(Lent(values)), nulls }
    }

    /// As [`Flat::texts`], of characters, which have to be ASCII.
    fn strings<'a>(
        strings: impl ExactSizeIterator<Item = Option<&'a str>> + Clone,
        nulls: Option<NullBuffer>,
    ) -> Result<Self> {
        let is_foreign = |(_, text): &(usize, Option<&str>)| text.is_some_and(|text| !text.is_ascii());
        if let Some((row, text)) = strings.clone().enumerate().find(is_foreign) {
            let text = text.unwrap_or_default();
            return Err(Error::argument(format!(
                "row {row}: the text '{text}' is not ASCII, which is all that FITS has: transliterate it; nothing was written"
            )));
        }
        Self::texts(strings.map(|text| text.map(str::as_bytes)), nulls)
    }

    /// Texts, each filled up to the length of the longest.
    fn texts<'a>(
        texts: impl ExactSizeIterator<Item = Option<&'a [u8]>> + Clone,
        nulls: Option<NullBuffer>,
    ) -> Result<Self> {
        let width = texts.clone().flatten().map(<[u8]>::len).max().unwrap_or(0);
        let total = width.saturating_mul(texts.len());
        let mut bytes = Vec::new();
        reserve(&mut bytes, total)?;
        for (number, text) in (1usize..).zip(texts) {
            bytes.extend_from_slice(text.unwrap_or_default());
            bytes.resize(number.saturating_mul(width), 0);
        }
        Ok(Self { code: format!("S{width}"), shape: Vec::new(), memory: Arc::new(bytes), nulls })
    }

    fn fixed_list(list: &FixedSizeListArray, is_complex: bool) -> Result<Self> {
        let size = usize::try_from(list.value_length()).unwrap_or(0);
        let inner = Self::of(list.values(), is_complex)?;
        let pair = match (list.value_type(), size) {
            (ArrowType::Float32, 2) if is_complex => Some("c8"),
            (ArrowType::Float64, 2) if is_complex => Some("c16"),
            _ => None,
        };
        if let Some(code) = pair {
            // A number without one of its parts is none.
            let parts = inner.nulls.as_ref().map(|nulls| {
                nulls.iter().step_by(2).zip(nulls.iter().skip(1).step_by(2)).map(|(real, imaginary)| real && imaginary)
            });
            let parts = parts.map(NullBuffer::from_iter);
            let nulls = NullBuffer::union(parts.as_ref(), list.nulls()).filter(|nulls| nulls.null_count() > 0);
            return Ok(Self { code: code.to_owned(), nulls, ..inner });
        }
        let elements: usize = inner.shape.iter().product::<usize>().saturating_mul(size);
        let own = list.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.expand(elements));
        let nulls = NullBuffer::union(inner.nulls.as_ref(), own.as_ref());
        Ok(Self { nulls, shape: [&[size], inner.shape.as_slice()].concat(), ..inner })
    }
}

/// An error of Arrow's about what was given.
fn foreign(error: ArrowError) -> Error {
    Error::argument(format!("the record batches can't be read: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use std::collections::HashMap;

    use arrow_array::{DictionaryArray, Float32Array, StringArray};

    use super::*;

    fn shown(array: ArrayRef, element: &str) -> (String, Vec<usize>) {
        let field = Field::new("a", array.data_type().clone(), true)
            .with_metadata(HashMap::from([(ELEMENT.to_owned(), element.to_owned())]));
        let values = column_values(&field, &array).unwrap();
        (format!("{values:?}"), values.shape().to_vec())
    }

    #[test]
    fn lists_of_two_are_complex_where_the_field_says_so() {
        let item = crate::arrow::schema::item(ArrowType::Float32);
        let parts: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0]));
        let list: ArrayRef = Arc::new(FixedSizeListArray::try_new(item, 2, parts, None).unwrap());
        assert_eq!(shown(ArrayRef::clone(&list), COMPLEX), ("ColumnValues('a' c8 [2])".to_owned(), vec![2]));
        assert_eq!(shown(list, ""), ("ColumnValues('a' f4 [2, 2])".to_owned(), vec![2, 2]));
    }

    #[test]
    fn dictionaries_and_null_texts_are_texts() {
        let words: DictionaryArray<Int8Type> = vec![Some("b"), None, Some("longer")].into_iter().collect();
        assert_eq!(shown(Arc::new(words), "").0, "ColumnValues('a' S6 [3])");
        assert_eq!(shown(Arc::new(StringArray::from(vec![None::<&str>])), "").0, "ColumnValues('a' S0 [1])");
    }

    #[test]
    fn what_fits_has_not_is_refused_with_the_remedy() {
        let array = new_empty_array(&ArrowType::Date32);
        let schema = Schema::new(vec![Field::new("day", ArrowType::Date32, true)]);
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![array]).unwrap();
        let error = columns_of(&schema, &[batch]).unwrap_err();
        assert!(
            error.to_string().contains("column 'day': FITS tables have nothing like Arrow's Date32: cast it"),
            "{error}"
        );
    }
}
