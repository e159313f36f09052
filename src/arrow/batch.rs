//! What a read has decoded, as Arrow arrays. Numbers stay in the memory that they were decoded into.

use std::sync::Arc;

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
use crate::engine::Buffer;
use crate::error::{Error, Result, ResultExt};
use crate::format::DataType;
use crate::memory;
use crate::table::{Cell, Column, TablePlan, significant};

/// The batch that the buffers of a read are; of the schema that is given, or of its own.
pub(super) fn record_batch(plan: TablePlan, buffers: Vec<Buffer>, given: Option<SchemaRef>) -> Result<RecordBatch> {
    let rows = plan.rows.row_count();
    let form = plan.rows.form;
    let schema = match given {
        Some(schema) => schema,
        None => schema(&plan.columns, Extent { form, rows: rows as u64, heap: plan.heap_bytes })?,
    };
    let fixed = plan.rows.columns.len();
    let mut values = buffers;
    let mut arrays = values.split_off((2 * fixed).min(values.len())).into_iter();
    let mut masks = values.split_off(fixed.min(values.len())).into_iter();
    let mut values = values.into_iter();
    let mut heaps = plan.arrays.into_iter();
    let columns = plan.columns.iter().zip(schema.fields()).map(|(column, field)| {
        let array = match &column.variable {
            None => {
                let elements = rows.saturating_mul(column.elements());
                let nulls = null_buffer(masks.next().ok_or_else(lacking)?);
                let decoded = Decoded { elements, values: values.next().ok_or_else(lacking)?, nulls };
                fixed_column(column, field.data_type(), rows, decoded, form.lenient)
            }
            Some(variable) => {
                let offsets = heaps.next().ok_or_else(lacking)?.offsets;
                let values = arrays.next().ok_or_else(lacking)?;
                let nulls = null_buffer(arrays.next().ok_or_else(lacking)?);
                let elements = offsets.last().copied().unwrap_or(0);
                let decoded = Decoded { elements, values, nulls };
                variable_column(variable.cell, field.data_type(), &offsets, decoded, form.lenient)
            }
        };
        array.in_item(|| format!("column '{}'", column.name))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(defect)
}

/// The values of a column, flat.
struct Decoded {
    elements: usize,
    values: Buffer,
    nulls: Option<NullBuffer>,
}

fn fixed_column(
    column: &Column,
    data_type: &ArrowType,
    rows: usize,
    decoded: Decoded,
    lenient: bool,
) -> Result<ArrayRef> {
    let leaf = match column.cell {
        Cell::Text { width } => {
            let bytes = decoded.values.bytes();
            let width = width.max(1);
            let cells = (0..decoded.elements).map(|index| {
                let cell = bytes.get(index * width..(index + 1) * width).unwrap_or_default();
                cell.get(..filled_length(cell)).unwrap_or_default()
            });
            let array = if is_large_text(data_type) {
                texts::<i64>(cells, decoded.nulls, lenient)?
            } else {
                texts::<i32>(cells, decoded.nulls, lenient)?
            };
            decoded.values.recycle();
            array
        }
        cell => elements(cell, decoded)?,
    };
    // From the fastest axis outwards: so many lists are within those around them.
    let mut array = leaf;
    for (axis, &length) in column.shape.iter().enumerate().rev() {
        let lists = column.shape.get(..axis).unwrap_or_default().iter().product::<usize>().saturating_mul(rows);
        array = fixed_lists(array, length, lists)?;
    }
    Ok(array)
}

fn variable_column(
    cell: Cell,
    data_type: &ArrowType,
    offsets: &[usize],
    decoded: Decoded,
    lenient: bool,
) -> Result<ArrayRef> {
    if let Cell::Text { .. } = cell {
        let bytes = decoded.values.bytes();
        let cells = offsets.windows(2).map(|ends| match ends {
            [start, end] => significant(bytes.get(*start..*end).unwrap_or_default()),
            _ => &[],
        });
        return if is_large_text(data_type) {
            texts::<i64>(cells, None, lenient)
        } else {
            texts::<i32>(cells, None, lenient)
        };
    }
    let values = elements(cell, decoded)?;
    if matches!(data_type, ArrowType::LargeList(_)) {
        lists::<i64>(offsets, values)
    } else {
        lists::<i32>(offsets, values)
    }
}

/// An array of elements that are no text.
fn elements(cell: Cell, decoded: Decoded) -> Result<ArrayRef> {
    let Decoded { elements, values, nulls } = decoded;
    match (cell, values) {
        (Cell::Logical | Cell::Bits, Buffer::U8(flags)) => {
            let array = BooleanArray::new(packed(&flags, |flag| flag != 0), nulls);
            memory::keep(flags);
            Ok(Arc::new(array))
        }
        (Cell::Complex(_), parts) => fixed_lists(numbers(parts, None), 2, elements),
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

/// Texts, joined. They are to be UTF-8; where the file is read leniently, what is not reads as `_`.
fn texts<'a, O: OffsetSizeTrait>(
    cells: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    nulls: Option<NullBuffer>,
    lenient: bool,
) -> Result<ArrayRef> {
    let total = cells.clone().fold(0usize, |sum, cell| sum.saturating_add(cell.len()));
    let mut offsets = Vec::with_capacity(cells.len() + 1);
    let mut joined = Vec::with_capacity(total);
    offsets.push(O::default());
    for cell in cells.clone() {
        joined.extend_from_slice(cell);
        offsets.push(O::from_usize(joined.len()).ok_or_else(too_many)?);
    }
    if !joined.is_ascii() {
        for (row, cell) in cells.enumerate() {
            let Err(error) = std::str::from_utf8(cell) else { continue };
            if !lenient {
                return Err(Error::illegal(format!(
                    "text number {row} of the batch, '{}', is not UTF-8 ({error}): read it with read_column(name, as_bytes=True), or open \
                     with lenient=True",
                    cell.escape_ascii()
                )));
            }
            let range = offsets.get(row).zip(offsets.get(row + 1)).map(|(start, end)| start.as_usize()..end.as_usize());
            let text = range.and_then(|range| joined.get_mut(range)).unwrap_or_default();
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
