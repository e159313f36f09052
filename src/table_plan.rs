//! A read of a table, whichever way the table is stored.

use crate::directory::HduEntry;
use crate::error::Result;
use crate::format::HduKind;
use crate::source::ReadAt;
use crate::table::{TablePlan, TableRequest};
use crate::tiled::locate_tiled_table;

/// Plans a read of the HDU.
pub(crate) fn locate_table(hdu: &HduEntry, request: &TableRequest, source: &dyn ReadAt) -> Result<TablePlan> {
    if hdu.layout.kind == HduKind::CompressedTable {
        locate_tiled_table(hdu, request, source)
    } else {
        TablePlan::locate(hdu, request, source)
    }
}
