//! Which Arrow field a column becomes. It depends on the header and on how many rows a batch has at most, not on what is read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, FieldRef, Fields, Schema, SchemaRef};

use super::{BIT, COMPLEX, ELEMENT, ITEM, UNIT};
use crate::error::{Error, Result, ResultExt};
use crate::format::DataType;
use crate::table::{Cell, CellForm, Column};
use crate::table_data::distinct_names;

/// What of a table decides about its schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) form: CellForm,
    /// How many rows a batch has at most.
    pub(super) rows: u64,
    /// The size of the heap.
    pub(super) heap: u64,
}

/// The schema of batches of these columns. A name that comes twice gets a number behind it: most readers of Arrow refuse equal names.
pub(super) fn schema(columns: &[Column], extent: Extent) -> Result<SchemaRef> {
    let names = distinct_names(columns.iter().map(|column| column.name.as_str()));
    let fields = columns.iter().zip(names).map(|(column, name)| field(column, name, extent));
    Ok(Arc::new(Schema::new(fields.collect::<Result<Fields>>()?)))
}

fn field(column: &Column, name: String, extent: Extent) -> Result<Field> {
    let data_type = column_type(column, extent).in_item(|| format!("column '{}'", column.name))?;
    let mut metadata = HashMap::new();
    if let Some(unit) = &column.unit {
        metadata.insert(UNIT.to_owned(), unit.clone());
    }
    let element = match column.variable.as_ref().map_or(column.cell, |variable| variable.cell) {
        Cell::Bits => Some(BIT),
        Cell::Complex(_) => Some(COMPLEX),
        _ => None,
    };
    if let Some(element) = element {
        metadata.insert(ELEMENT.to_owned(), element.to_owned());
    }
    Ok(Field::new(name, data_type, true).with_metadata(metadata))
}

fn column_type(column: &Column, extent: Extent) -> Result<ArrowType> {
    if let Some(variable) = &column.variable {
        let most = most_elements(variable.cell, extent.heap);
        return Ok(match variable.cell {
            Cell::Text { .. } if variable.text_width.is_none() => text_type(most),
            cell => {
                let element = match cell {
                    Cell::Text { .. } => text_type(most),
                    cell => element_type(cell, extent.form)?,
                };
                let item = item(element);
                if is_large(most) { ArrowType::LargeList(item) } else { ArrowType::List(item) }
            }
        });
    }
    let element = match column.cell {
        Cell::Text { width } => {
            let cell = (column.elements() as u64).saturating_mul(width as u64);
            text_type(extent.rows.saturating_mul(cell))
        }
        cell => element_type(cell, extent.form)?,
    };
    column.shape.iter().rev().try_fold(element, |element, &length| Ok(fixed_list(element, list_size(length)?)))
}

/// The type of an element that is no text.
fn element_type(cell: Cell, form: CellForm) -> Result<ArrowType> {
    Ok(match cell {
        Cell::Logical | Cell::Bits => ArrowType::Boolean,
        Cell::Number(scaling) => number_type(form.scaling(scaling).data_type()),
        Cell::Decimal(decimal) => number_type(decimal.data_type(form.unscaled)),
        Cell::Complex(scaling) => fixed_list(number_type(form.scaling(scaling).data_type()), 2),
        Cell::Text { .. } | Cell::Variable => return Err(Error::corrupt("a cell without elements of a type")),
    })
}

fn number_type(data_type: DataType) -> ArrowType {
    match data_type {
        DataType::U8 => ArrowType::UInt8,
        DataType::I8 => ArrowType::Int8,
        DataType::I16 => ArrowType::Int16,
        DataType::U16 => ArrowType::UInt16,
        DataType::I32 => ArrowType::Int32,
        DataType::U32 => ArrowType::UInt32,
        DataType::I64 => ArrowType::Int64,
        DataType::U64 => ArrowType::UInt64,
        DataType::F32 => ArrowType::Float32,
        DataType::F64 => ArrowType::Float64,
    }
}

fn text_type(most_bytes: u64) -> ArrowType {
    if is_large(most_bytes) { ArrowType::LargeUtf8 } else { ArrowType::Utf8 }
}

/// Whether so many elements are more than 32-bit offsets can count.
fn is_large(elements: u64) -> bool {
    elements > i32::MAX as u64
}

/// How many elements a heap of so many bytes can hold, unless rows share them.
fn most_elements(cell: Cell, heap: u64) -> u64 {
    match cell {
        Cell::Bits => heap.saturating_mul(8),
        Cell::Number(scaling) => heap / scaling.stored.size() as u64,
        Cell::Complex(scaling) => heap / (2 * scaling.stored.size() as u64),
        _ => heap,
    }
}

pub(super) fn item(element: ArrowType) -> FieldRef {
    Arc::new(Field::new(ITEM, element, true))
}

fn fixed_list(element: ArrowType, size: i32) -> ArrowType {
    ArrowType::FixedSizeList(item(element), size)
}

/// The length of an axis, as Arrow counts it.
pub(super) fn list_size(length: usize) -> Result<i32> {
    i32::try_from(length)
        .map_err(|_| Error::too_large(format!("an axis of {length} elements is longer than Arrow's lists")))
}
