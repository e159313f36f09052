//! What a read has decoded, as Arrow arrays. Numbers stay in the memory that they were decoded into.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeListArray, GenericListArray, GenericStringArray,
    OffsetSizeTrait, PrimitiveArray, RecordBatch, RecordBatchOptions,
};
use arrow_buffer::{BooleanBuffer, Buffer as ArrowBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType as ArrowType, SchemaRef};
use bytes::Bytes;

use super::schema::{Extent, item, list_size, schema};
use crate::engine::{Buffer, Watch, in_order};
use crate::error::{Error, Result, ResultExt};
use crate::format::DataType;
use crate::memory;
use crate::table::{Cell, Column, TablePlan, Variable, significant};

/// Below this many bytes, starting threads costs more than it gains.
const SMALL: usize = 256 << 10;
/// How many bytes of a text are copied at a stroke.
const SHORT: usize = 16;

/// The batch that the buffers of a read are; of the schema that is given, or of its own.
pub(super) fn record_batch(plan: TablePlan, buffers: Vec<Buffer>, given: Option<SchemaRef>) -> Result<RecordBatch> {
    let (rows, form) = (plan.row_count, plan.form);
    let schema = match given {
        Some(schema) => schema,
        None => schema(&plan.columns, Extent { form, rows: rows as u64, heap: plan.heap_bytes })?,
    };
    let fixed = plan.columns.iter().filter(|column| column.variable.is_none()).count();
    let size: usize = buffers.iter().map(|buffer| buffer.bytes().len()).sum();
    let mut values = buffers;
    let mut arrays = values.split_off((2 * fixed).min(values.len())).into_iter();
    let mut masks = values.split_off(fixed.min(values.len())).into_iter();
    let mut values = values.into_iter();
    let mut heaps = plan.arrays.into_iter();
    let decoded = plan.columns.iter().map(|column| {
        let (values, mask, offsets) = if column.variable.is_some() {
            (arrays.next(), arrays.next(), heaps.next().map(|plan| plan.into_offsets()))
        } else {
            (values.next(), masks.next(), None)
        };
        match (values, mask) {
            (Some(values), Some(mask)) => Ok(Mutex::new(Some(Decoded { values, mask, offsets }))),
            _ => Err(lacking()),
        }
    });
    let decoded = decoded.collect::<Result<Vec<_>>>()?;
    let column = |number: usize| {
        let taken = decoded.get(number).and_then(|decoded| lock(decoded).take());
        let parts = taken.zip(plan.columns.get(number)).zip(schema.fields().get(number));
        let ((decoded, column), field) = parts.ok_or_else(lacking)?;
        let array = decoded.into_array(column, field.data_type(), rows, form.lenient);
        array.in_item(|| format!("column '{}'", column.name))
    };
    let mut columns = Vec::with_capacity(decoded.len());
    if size < SMALL {
        columns = (0..decoded.len()).map(column).collect::<Result<_>>()?;
    } else {
        let mut take = |array| {
            columns.push(array);
            Ok(())
        };
        in_order(decoded.len(), column, &mut take, &mut Watch::none())?;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(defect)
}

/// What was decoded of one column.
struct Decoded {
    values: Buffer,
    /// A byte for each value that is not 0 where it is null; empty where none can be.
    mask: Buffer,
    /// Where the values of each row begin, of a variable-length column.
    offsets: Option<Vec<usize>>,
}

impl Decoded {
    fn into_array(self, column: &Column, data_type: &ArrowType, rows: usize, lenient: bool) -> Result<ArrayRef> {
        let Self { values, mask, offsets } = self;
        let nulls = null_buffer(mask);
        match (&column.variable, offsets) {
            (Some(variable), Some(offsets)) => lists_of(variable, data_type, &offsets, values, nulls, lenient),
            _ => fixed_column(column, data_type, rows, values, nulls, lenient),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fixed_column(
    column: &Column,
    data_type: &ArrowType,
    rows: usize,
    values: Buffer,
    nulls: Option<NullBuffer>,
    lenient: bool,
) -> Result<ArrayRef> {
    let count = rows.saturating_mul(column.elements());
    // From the fastest axis outwards: so many lists are within those around them.
    let mut array = match column.cell {
        Cell::Text { width } if is_large_text(data_type) => padded_texts::<i64>(values, width, nulls, lenient)?,
        Cell::Text { width } => padded_texts::<i32>(values, width, nulls, lenient)?,
        cell => elements(cell, count, values, nulls)?,
    };
    for (axis, &length) in column.shape.iter().enumerate().rev() {
        let lists = column.shape.get(..axis).unwrap_or_default().iter().product::<usize>().saturating_mul(rows);
        array = fixed_lists(array, length, lists)?;
    }
    Ok(array)
}

fn lists_of(
    variable: &Variable,
    data_type: &ArrowType,
    offsets: &[usize],
    values: Buffer,
    nulls: Option<NullBuffer>,
    lenient: bool,
) -> Result<ArrayRef> {
    match (variable.cell, variable.text_width, data_type) {
        (Cell::Text { .. }, None, ArrowType::LargeUtf8) => heap_texts::<i64>(offsets, values.bytes(), lenient),
        (Cell::Text { .. }, None, _) => heap_texts::<i32>(offsets, values.bytes(), lenient),
        (Cell::Text { .. }, Some(width), data_type) => {
            let (counts, starts) = strings_of(offsets, width);
            match data_type {
                ArrowType::LargeList(_) => lists::<i64>(&counts, heap_texts::<i64>(&starts, values.bytes(), lenient)?),
                _ => lists::<i32>(&counts, heap_texts::<i32>(&starts, values.bytes(), lenient)?),
            }
        }
        (cell, _, data_type) => {
            let count = offsets.last().copied().unwrap_or(0);
            let values = elements(cell, count, values, nulls)?;
            match data_type {
                ArrowType::LargeList(_) => lists::<i64>(offsets, values),
                _ => lists::<i32>(offsets, values),
            }
        }
    }
}

/// Cells of strings of `width` characters: how many strings the cells before have, and where each string begins.
fn strings_of(offsets: &[usize], width: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut counts, mut starts) = (vec![0], Vec::new());
    for ends in offsets.windows(2) {
        let [start, end] = ends else { continue };
        starts.extend((*start..*end).step_by(width));
        counts.push(starts.len());
    }
    starts.extend(offsets.last());
    (counts, starts)
}

/// An array of elements that are no text.
fn elements(cell: Cell, count: usize, values: Buffer, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    match (cell, values) {
        (Cell::Logical | Cell::Bits, Buffer::U8(flags)) => {
            let array = BooleanArray::new(packed(&flags, |flag| flag != 0), nulls);
            memory::keep(flags);
            Ok(Arc::new(array))
        }
        (Cell::Complex(_), parts) => fixed_lists(numbers(parts, None), 2, count),
        (_, values) => Ok(numbers(values, nulls)),
    }
}

fn numbers(values: Buffer, nulls: Option<NullBuffer>) -> ArrayRef {
    match values.data_type() {
        DataType::U8 => adopted::<UInt8Type>(values, nulls),
        DataType::I8 => adopted::<Int8Type>(values, nulls),
        DataType::I16 => adopted::<Int16Type>(values, nulls),
        DataType::U16 => adopted::<UInt16Type>(values, nulls),
        DataType::I32 => adopted::<Int32Type>(values, nulls),
        DataType::U32 => adopted::<UInt32Type>(values, nulls),
        DataType::I64 => adopted::<Int64Type>(values, nulls),
        DataType::U64 => adopted::<UInt64Type>(values, nulls),
        DataType::F32 => adopted::<Float32Type>(values, nulls),
        DataType::F64 => adopted::<Float64Type>(values, nulls),
    }
}

/// Numbers where they lie: the memory is shared with the array, and kept for the next read when the array is gone.
fn adopted<T: ArrowPrimitiveType>(values: Buffer, nulls: Option<NullBuffer>) -> ArrayRef {
    let bytes = ArrowBuffer::from(Bytes::from_owner(Adopted(values)));
    let count = bytes.len() / size_of::<T::Native>();
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(bytes, 0, count), nulls))
}

/// The memory of a column.
struct Adopted(Buffer);

impl AsRef<[u8]> for Adopted {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        std::mem::replace(&mut self.0, Buffer::U8(Vec::new())).recycle();
    }
}

fn fixed_lists(values: ArrayRef, length: usize, lists: usize) -> Result<ArrayRef> {
    let item = item(values.data_type().clone());
    let array = FixedSizeListArray::try_new_with_length(item, list_size(length)?, values, None, lists);
    Ok(Arc::new(array.map_err(defect)?))
}

fn lists<O: OffsetSizeTrait>(offsets: &[usize], values: ArrayRef) -> Result<ArrayRef> {
    let offsets = offsets.iter().map(|&offset| O::from_usize(offset)).collect::<Option<Vec<O>>>();
    let offsets = OffsetBuffer::new(offsets.ok_or_else(too_many)?.into());
    let item = item(values.data_type().clone());
    Ok(Arc::new(GenericListArray::try_new(item, offsets, values, None).map_err(defect)?))
}

/// Texts of `width` bytes each, filled up with NUL, joined.
fn padded_texts<O: OffsetSizeTrait>(
    values: Buffer,
    width: usize,
    nulls: Option<NullBuffer>,
    lenient: bool,
) -> Result<ArrayRef> {
    let bytes = values.bytes();
    let width = width.max(1);
    let lengths = bytes.chunks_exact(width).map(filled_length);
    let offsets = ends::<O>(lengths)?;
    let total = offsets.last().map_or(0, |end| end.as_usize());
    // Short texts are copied with what is behind them, which the next one is written over.
    let mut joined = vec![0u8; total.saturating_add(SHORT)];
    for (number, (cell, ends)) in bytes.chunks_exact(width).zip(offsets.windows(2)).enumerate() {
        let [start, end] = ends else { continue };
        let rest = joined.get_mut(start.as_usize()..).unwrap_or_default();
        let behind = bytes.get(number * width..).and_then(<[u8]>::first_chunk::<SHORT>);
        match (behind, rest.first_chunk_mut::<SHORT>()) {
            (Some(from), Some(to)) if width <= SHORT => *to = *from,
            _ => {
                let length = end.as_usize() - start.as_usize();
                rest.iter_mut().zip(cell).take(length).for_each(|(to, from)| *to = *from);
            }
        }
    }
    joined.truncate(total);
    values.recycle();
    texts(offsets, joined, nulls, lenient)
}

/// The texts of a variable-length column, without trailing blanks, joined.
fn heap_texts<O: OffsetSizeTrait>(offsets: &[usize], bytes: &[u8], lenient: bool) -> Result<ArrayRef> {
    let cells = offsets.windows(2).map(|ends| match ends {
        [start, end] => significant(bytes.get(*start..*end).unwrap_or_default()),
        _ => &[],
    });
    let joined = cells.clone().flatten().copied().collect();
    texts(ends::<O>(cells.map(<[u8]>::len))?, joined, None, lenient)
}

/// Where each of some texts that lie one behind the other begins, and at the end where the last one ends.
fn ends<O: OffsetSizeTrait>(lengths: impl ExactSizeIterator<Item = usize>) -> Result<Vec<O>> {
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    let mut end = 0usize;
    offsets.push(O::default());
    for length in lengths {
        end = end.saturating_add(length);
        offsets.push(O::from_usize(end).ok_or_else(too_many)?);
    }
    Ok(offsets)
}

/// Joined texts. They are to be UTF-8; where the file is read leniently, what is not reads as `_`.
fn texts<O: OffsetSizeTrait>(
    offsets: Vec<O>,
    mut joined: Vec<u8>,
    nulls: Option<NullBuffer>,
    lenient: bool,
) -> Result<ArrayRef> {
    if !joined.is_ascii() {
        for (row, ends) in offsets.windows(2).enumerate() {
            let [start, end] = ends else { continue };
            let text = joined.get_mut(start.as_usize()..end.as_usize()).unwrap_or_default();
            let Err(error) = std::str::from_utf8(text) else { continue };
            if !lenient {
                return Err(Error::illegal(format!(
                    "text number {row} of the batch, '{}', is not UTF-8 ({error}): read it with read_column(name, as_bytes=True), or open \
                     with lenient=True",
                    text.escape_ascii()
                )));
            }
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'_');
        }
    }
    let array = GenericStringArray::<O>::try_new(OffsetBuffer::new(offsets.into()), ArrowBuffer::from(joined), nulls);
    Ok(Arc::new(array.map_err(defect)?))
}

/// How long a text is that is filled up with NUL and has none itself.
fn filled_length(cell: &[u8]) -> usize {
    match (cell.first_chunk::<8>(), cell.last_chunk::<8>()) {
        // Of at most 16 bytes: the first and the last 8, each looked at as one number.
        (Some(first), Some(last)) if cell.len() <= 16 => {
            let zeros = |bytes: &[u8; 8]| (u64::from_le_bytes(*bytes).leading_zeros() / 8) as usize;
            match zeros(last) {
                8 => 8 - zeros(first),
                zeros => cell.len() - zeros,
            }
        }
        _ => cell.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1),
    }
}

/// What is not null, from a byte for each element that is not 0 where it is; `None` where all are there.
fn null_buffer(mask: Buffer) -> Option<NullBuffer> {
    let Buffer::U8(mask) = mask else { return None };
    let some = mask.iter().any(|&flag| flag != 0);
    let nulls = some.then(|| NullBuffer::new(packed(&mask, |flag| flag == 0)));
    memory::keep(mask);
    nulls
}

/// A bit for each byte.
fn packed(flags: &[u8], is_set: impl Fn(u8) -> bool) -> BooleanBuffer {
    let bytes =
        flags.chunks(8).map(|eight| eight.iter().rev().fold(0u8, |byte, &flag| byte << 1 | u8::from(is_set(flag))));
    BooleanBuffer::new(ArrowBuffer::from(bytes.collect::<Vec<u8>>()), 0, flags.len())
}

fn is_large_text(data_type: &ArrowType) -> bool {
    match data_type {
        ArrowType::FixedSizeList(item, _) => is_large_text(item.data_type()),
        data_type => *data_type == ArrowType::LargeUtf8,
    }
}

fn lacking() -> Error {
    Error::corrupt("the read gave fewer columns than were asked for: this is a defect of rustfits")
}

fn too_many() -> Error {
    Error::too_large("the batch has more elements than 32-bit offsets count: read fewer rows at a time")
}

fn defect(error: ArrowError) -> Error {
    Error::corrupt(format!("Arrow refuses what was read, which is a defect of rustfits: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_packed_in_order() {
        for length in [0, 1, 63, 64, 65, 200] {
            let flags: Vec<u8> = (0..length).map(|index| u8::from(index % 3 == 0 || index % 7 == 2)).collect();
            let bits = packed(&flags, |flag| flag != 0);
            assert_eq!(bits.iter().collect::<Vec<_>>(), flags.iter().map(|&flag| flag != 0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn text_ends_before_the_nulls_behind_it() {
        for width in 0..40 {
            for length in 0..=width {
                let mut cell = vec![0u8; width];
                cell[..length].fill(b'x');
                assert_eq!(filled_length(&cell), length, "{width}");
            }
        }
    }
}
