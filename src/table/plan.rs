//! A read of a table: what lies in its rows, then the arrays of each variable-length column.

use std::ops::Range;

use super::cell::CellForm;
use super::column::{Cell, Column, TableLayout};
use super::heap::{HeapPlan, heap};
use super::read::{Arrangement, RowPlan, TableRequest, selected};
use crate::directory::HduEntry;
use crate::error::Result;
use crate::format::{DataType, Scaling};
use crate::source::{BufferSize, ReadAt, ReadPlan, does_not_fit, resize};

/// A read of the arrays of a variable-length column.
pub(crate) trait ArraysPlan: ReadPlan {
    /// How many elements the rows before have, for each row; and of all, at the end.
    fn into_offsets(self: Box<Self>) -> Vec<usize>;
}

/// A read of a table, ready to run. Its buffers are those of the rows, then those of each variable-length column.
pub(crate) struct TablePlan {
    /// The columns of the result, in its order.
    pub(crate) columns: Vec<Column>,
    pub(crate) form: CellForm,
    /// How many rows the result has.
    pub(crate) row_count: usize,
    /// The size of a row of the result in bytes, without the arrays.
    pub(crate) record_size: usize,
    rows: Box<dyn ReadPlan>,
    /// Those that are variable-length, in their order.
    pub(crate) arrays: Vec<Box<dyn ArraysPlan>>,
    /// The size of the heap, where there are such columns; the largest number where it says nothing about them.
    #[cfg_attr(not(feature = "arrow"), allow(dead_code, reason = "decides about the width of Arrow's offsets"))]
    pub(crate) heap_bytes: u64,
}

impl TablePlan {
    /// Plans a read of the HDU; an error if the file ends before what is wanted does.
    pub(crate) fn locate(hdu: &HduEntry, request: &TableRequest, source: &dyn ReadAt) -> Result<Self> {
        let table = TableLayout::of(hdu)?;
        let columns = selected(table, request)?;
        let is_variable = |column: &&Column| column.cell == Cell::Variable;
        let fixed = columns.iter().filter(|column| !is_variable(column)).cloned().collect();
        let rows = RowPlan::locate(table, fixed, request, source)?;
        let variable: Vec<&Column> = columns.iter().filter(is_variable).collect();
        let mut arrays: Vec<Box<dyn ArraysPlan>> = Vec::new();
        let mut heap_bytes = 0;
        if !variable.is_empty() {
            let heap = heap(hdu)?;
            heap_bytes = heap.end - heap.start;
            let (plan, descriptors) = descriptors(table, &variable, request, source)?;
            for (column, descriptors) in variable.iter().zip(descriptors) {
                let heap_plan = HeapPlan::new(column, &descriptors, &plan, request.mask, &heap, source.len())?;
                arrays.push(Box::new(heap_plan));
            }
        }
        let shape = (rows.form, rows.row_count(), rows.record_size());
        Ok(Self::new(columns, shape, Box::new(rows), arrays, heap_bytes))
    }

    /// Of these columns. `shape`: how cells come out, how many rows there are, and of how many bytes.
    pub(crate) fn new(
        columns: Vec<Column>,
        (form, row_count, record_size): (CellForm, usize, usize),
        rows: Box<dyn ReadPlan>,
        arrays: Vec<Box<dyn ArraysPlan>>,
        heap_bytes: u64,
    ) -> Self {
        Self { columns, form, row_count, record_size, rows, arrays, heap_bytes }
    }

    /// The read that a part belongs to, the number of its first buffer, and the part's number in it.
    fn part(&self, mut index: usize) -> Option<(&dyn ReadPlan, usize, usize)> {
        let mut first = 0;
        for plan in self.plans() {
            if index < plan.len() {
                return Some((plan, first, index));
            }
            index -= plan.len();
            first += plan.buffers().len();
        }
        None
    }

    fn plans(&self) -> impl Iterator<Item = &dyn ReadPlan> {
        std::iter::once(&*self.rows).chain(self.arrays.iter().map(|plan| &**plan as &dyn ReadPlan))
    }
}

/// Reads the descriptors of the wanted rows, those of each column as pairs of native numbers.
fn descriptors(
    table: &TableLayout,
    columns: &[&Column],
    request: &TableRequest,
    source: &dyn ReadAt,
) -> Result<(RowPlan, Vec<Vec<u8>>)> {
    let pairs = columns.iter().map(|column| {
        let wide = column.variable.as_ref().is_some_and(|variable| variable.wide);
        let stored = if wide { DataType::I64 } else { DataType::I32 };
        let pair = column.width / stored.size();
        Column { cell: Cell::Number(Scaling::new(stored, 1.0, 0.0, None)), shape: vec![pair], ..(*column).clone() }
    });
    let request = TableRequest { arrangement: Arrangement::Columns, mask: false, ..request.clone() };
    let plan = RowPlan::locate(table, pairs.collect(), &request, source)?;
    let wanted: Vec<Range<u64>> = (0..plan.len()).flat_map(|part| plan.ranges(part)).collect();
    source.require(&wanted)?;
    let mut memory = vec![Vec::new(); columns.len()];
    for (bytes, size) in memory.iter_mut().zip(plan.buffers()) {
        resize(bytes, size.elements.saturating_mul(size.data_type.size()))?;
    }
    let mut rest: Vec<&mut [u8]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
    for part in 0..plan.len() {
        let sizes = plan.output_sizes(part);
        let mut pieces: Vec<&mut [u8]> =
            rest.iter_mut().zip(sizes).map(|(rest, size)| rest.split_off_mut(..size).unwrap_or_default()).collect();
        plan.decode(part, source, &mut pieces)?;
    }
    Ok((plan, memory))
}

impl std::fmt::Debug for TablePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TablePlan({} rows of {} columns)", self.row_count, self.columns.len())
    }
}

impl ReadPlan for TablePlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.plans().flat_map(ReadPlan::buffers).collect()
    }

    fn len(&self) -> usize {
        self.plans().fold(0, |sum, plan| sum.saturating_add(plan.len()))
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        self.part(index).map(|(plan, _, part)| plan.ranges(part)).unwrap_or_default()
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        let mut sizes = vec![0; self.plans().map(|plan| plan.buffers().len()).sum()];
        if let Some((plan, first, part)) = self.part(index) {
            sizes.iter_mut().skip(first).zip(plan.output_sizes(part)).for_each(|(size, own)| *size = own);
        }
        sizes
    }

    fn scattered(&self) -> bool {
        self.rows.scattered()
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        match self.part(index) {
            Some((plan, first, part)) => plan.decode(part, source, outputs.get_mut(first..).unwrap_or_default()),
            None => Ok(()),
        }
    }

    fn place(&self, index: usize, pieces: &[&mut [u8]], buffers: &mut [&mut [u8]]) -> Result<()> {
        let Some((plan, first, part)) = self.part(index) else { return Ok(()) };
        let pieces = pieces.get(first..).unwrap_or_default();
        let buffers = buffers.get_mut(first..).unwrap_or_default();
        if plan.scattered() {
            return plan.place(part, pieces, buffers);
        }
        // Its parts follow each other.
        let mut starts = vec![0; plan.buffers().len()];
        for before in 0..part {
            starts.iter_mut().zip(plan.output_sizes(before)).for_each(|(start, size)| *start += size);
        }
        for ((piece, buffer), start) in pieces.iter().zip(buffers).zip(starts) {
            buffer.get_mut(start..start + piece.len()).ok_or_else(does_not_fit)?.copy_from_slice(piece);
        }
        Ok(())
    }
}
