//! Binary and ASCII tables: which bytes rows and columns need and how they become values (FITS 4.0 §7.2, §7.3). Pure: starts no thread.

mod array_form;
mod array_rows;
mod arrays;
mod ascii;
mod cell;
mod cell_encoder;
mod column;
mod conversion;
mod declare;
mod digits;
mod elements;
mod encode;
mod field;
mod fields;
mod form;
mod given;
mod heap;
mod lanes;
mod null_value;
mod plan;
mod read;
mod row_moves;
mod shuffle;
mod text_step;
mod write;

pub(crate) use array_form::{ArrayForm, ArrayOutputs};
pub(crate) use array_rows::ArrayRows;
pub(crate) use cell::{CellForm, TextForm, significant};
pub(crate) use column::{Cell, Column, TableLayout, Variable, find_name};
pub(crate) use declare::{Declared, NewColumn};
pub(crate) use encode::{Every, RowEncoder};
pub(crate) use fields::{MOST_COLUMNS, RowField, fields};
pub(crate) use form::{Form, FormType};
pub(crate) use given::{GivenColumn, GivenType};
pub(crate) use heap::{heap, theap_is_of_uncompressed};
pub(crate) use plan::{ArraysPlan, TablePlan};
pub(crate) use read::{Arrangement, RowPlan, TableRequest, find as find_column, most_decoded, selected};
pub use read::{ColumnKey, Rows};
pub(crate) use write::{NewTable, heap_bytes, row_bytes};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
