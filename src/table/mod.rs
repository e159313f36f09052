//! Binary tables: which bytes rows and columns need and how they become values (FITS 4.0 §7.3). Pure: starts no thread.

mod cell;
mod column;
mod fields;
mod form;
mod read;
mod shuffle;

pub(crate) use cell::{CellForm, TextForm};
pub(crate) use column::{Cell, Column, TableLayout, find_name};
pub(crate) use fields::{RowField, fields};
pub(crate) use form::{Form, FormType};
pub(crate) use read::{Arrangement, TablePlan, TableRequest};
pub use read::{ColumnKey, Rows};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests;
