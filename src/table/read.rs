//! Reading rows and columns of a table: bands of rows, decoded column by column while they are in the cache.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

use super::cell::{CellForm, Stride, TextForm};
use super::column::{Column, TableLayout};
use super::shuffle::{Moved, RowShuffle};
use crate::error::{Error, ErrorKind, Result};
use crate::format::DataType;
use crate::image::{Axis, position, slice_axis};
use crate::source::{BufferSize, GAP_BYTES, ReadAt, ReadPlan, does_not_fit, past_the_end, reserve, resize, slice};

/// How many bytes, of the file or of the result, one part handles.
pub(super) const PART_BYTES: usize = 1 << 20;
/// How much is read at a time.
pub(super) const READ_BYTES: usize = 128 << 10;
/// How many bytes, of rows and of what becomes of them, are decoded column by column: they stay in the processor's first cache.
const DECODE_BYTES: usize = 24 << 10;
/// How many rows that may be far from each other one part handles: each may take a call, which is more than its bytes do.
const MOST_SCATTERED_ROWS: u64 = 1 << 10;
/// For fewer rows it doesn't pay to work out how their bytes move.
const LEAST_SHUFFLED_ROWS: u64 = 64;
/// How much columns without bytes, or arrays that share theirs, may take in the result, whatever the file's size.
const MOST_EMPTY_BYTES: u64 = 16 << 20;
/// How much they may take for each byte of the rows in the file.
const MOST_OF_NOTHING: u64 = 64;

/// Which rows are read.
///
/// # Examples
///
/// ```
/// use rustfits::Rows;
///
/// assert_eq!(Rows::from(2..5), Rows::Slice { start: Some(2), stop: Some(5), step: 1 });
/// assert_eq!(Rows::from(-3..), Rows::Slice { start: Some(-3), stop: None, step: 1 });
/// assert_eq!(Rows::from(..10), Rows::Slice { start: None, stop: Some(10), step: 1 });
/// assert_eq!(Rows::from(..), Rows::All);
/// assert_eq!(Rows::from([5, 2, 5]), Rows::List(vec![5, 2, 5]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    #[default]
    All,
    /// As a Python slice: `None` is the end, negative counts from the end, what lies outside is clipped.
    Slice {
        /// The first row.
        start: Option<i64>,
        /// The row before which it ends.
        stop: Option<i64>,
        /// The distance, not 0; negative goes backwards.
        step: i64,
    },
    /// These rows, negative from the end, in this order, repeats included.
    List(Vec<i64>),
}

impl From<Range<i64>> for Rows {
    fn from(range: Range<i64>) -> Self {
        Self::Slice { start: Some(range.start), stop: Some(range.end), step: 1 }
    }
}

impl From<RangeFrom<i64>> for Rows {
    fn from(range: RangeFrom<i64>) -> Self {
        Self::Slice { start: Some(range.start), stop: None, step: 1 }
    }
}

impl From<RangeTo<i64>> for Rows {
    fn from(range: RangeTo<i64>) -> Self {
        Self::Slice { start: None, stop: Some(range.end), step: 1 }
    }
}

impl From<RangeFull> for Rows {
    fn from(_: RangeFull) -> Self {
        Self::All
    }
}

impl From<Vec<i64>> for Rows {
    fn from(rows: Vec<i64>) -> Self {
        Self::List(rows)
    }
}

impl<const N: usize> From<[i64; N]> for Rows {
    fn from(rows: [i64; N]) -> Self {
        Self::List(rows.to_vec())
    }
}

impl Rows {
    /// Which rows these are of a table that has so many.
    pub(crate) fn resolve(&self, rows: u64) -> Result<Axis> {
        match self {
            Self::All => Ok(Axis::whole(rows)),
            Self::Slice { start, stop, step } => slice_axis(*start, *stop, *step, rows),
            Self::List(list) => Ok(Axis::List(list.iter().map(|&row| position(row, rows, 0)).collect::<Result<_>>()?)),
        }
    }
}

/// How a column is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnKey {
    /// By number, counted from 0; negative from the end.
    Index(i64),
    /// By name, in any letter case.
    Name(String),
}

impl From<&str> for ColumnKey {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for ColumnKey {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<i64> for ColumnKey {
    fn from(index: i64) -> Self {
        Self::Index(index)
    }
}

/// How the values of several columns lie in the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// Each column in a buffer of its own.
    #[default]
    Columns,
    /// One buffer of rows, without gaps.
    Records,
}

/// What is asked of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableRequest {
    /// `None`: all columns.
    pub(crate) columns: Option<Vec<ColumnKey>>,
    pub(crate) rows: Rows,
    /// Stored values, without TSCAL and TZERO.
    pub(crate) unscaled: bool,
    pub(crate) text: TextForm,
    pub(crate) arrangement: Arrangement,
    pub(crate) lenient: bool,
    /// Also a mask: which values are null. In an arrangement by columns it is empty for columns that can't have nulls.
    pub(crate) mask: bool,
}

/// A read of the columns that lie in the rows themselves, ready to run.
#[derive(Debug)]
pub(crate) struct RowPlan {
    /// The columns of the result, in its order.
    pub(crate) columns: Vec<Column>,
    pub(crate) form: CellForm,
    pub(crate) arrangement: Arrangement,
    mask: bool,
    pub(crate) rows: Axis,
    row_len: usize,
    data_start: u64,
    /// The part of a row that holds the wanted columns.
    span: Range<usize>,
    /// The size of each column's cell in the result.
    sizes: Vec<usize>,
    /// For records: moves the cells of most columns.
    pub(super) shuffle: Option<RowShuffle>,
}

impl RowPlan {
    /// Plans a read of these columns; an error if the file ends before the wanted rows do.
    pub(super) fn locate(
        table: &TableLayout,
        columns: Vec<Column>,
        request: &TableRequest,
        source: &dyn ReadAt,
    ) -> Result<Self> {
        let mut plan = Self::of_cells(table, columns, request, source.len())?;
        plan.check_complete(source.len())?;
        if plan.arrangement == Arrangement::Records && plan.rows.count() >= LEAST_SHUFFLED_ROWS {
            let start = if plan.is_dense() { 0 } else { plan.span.start };
            plan.shuffle = RowShuffle::new(&plan.columns, &plan.sizes, plan.form, start);
        }
        Ok(plan)
    }

    /// What becomes of the cells of these columns, wherever they are in a file of this length.
    pub(crate) fn of_cells(
        table: &TableLayout,
        columns: Vec<Column>,
        request: &TableRequest,
        file_len: u64,
    ) -> Result<Self> {
        let form = CellForm { unscaled: request.unscaled, text: request.text, lenient: request.lenient };
        let rows = request.rows.resolve(table.rows)?;
        let sizes = columns.iter().map(|column| form.output_size(column)).collect::<Option<Vec<_>>>();
        let sizes = sizes.ok_or_else(|| Error::too_large("a row of the result is larger than memory"))?;
        // Columns of no width need nothing of a row, wherever they are in it.
        let stored = || columns.iter().filter(|column| column.width > 0);
        let start = stored().map(|column| column.offset).min().unwrap_or(0);
        let end = stored().map(|column| column.offset + column.width).max().unwrap_or(0);
        let plan = Self {
            columns,
            form,
            arrangement: request.arrangement,
            mask: request.mask,
            rows,
            row_len: table.row_len,
            data_start: table.data_start,
            span: start..end,
            sizes,
            shuffle: None,
        };
        let total =
            plan.rows.count().checked_mul(plan.record_size() as u64).and_then(|total| usize::try_from(total).ok());
        if total.is_none() {
            return Err(Error::too_large("the result is larger than memory: read a part of the rows"));
        }
        plan.check_empty_columns(file_len)?;
        Ok(plan)
    }

    fn check_complete(&self, file_len: u64) -> Result<()> {
        let Some((_, last)) = self.rows.bounds().filter(|_| !self.span.is_empty()) else { return Ok(()) };
        let offset = self.row_start(last).saturating_add(self.span.start as u64);
        if offset.saturating_add(self.span.len() as u64) > file_len {
            return Err(past_the_end(offset, self.span.len(), file_len));
        }
        Ok(())
    }

    /// Text of no width is a character in the result, and no byte in the file: so the file's size does not bound what becomes of
    /// it. It may be more than the rows themselves, but not out of all proportion to them.
    fn check_empty_columns(&self, file_len: u64) -> Result<()> {
        let empty = self.columns.iter().zip(&self.sizes).filter(|(column, _)| column.width == 0);
        let size = empty.fold(0u64, |sum, (_, &size)| sum.saturating_add(size as u64));
        self.check_empty(size, file_len)
    }

    /// Checks that cells of `size` bytes in the result, of which nothing is in the file, are not too many.
    pub(crate) fn check_empty(&self, size: u64, file_len: u64) -> Result<()> {
        let rows = self.rows.count();
        let stored = rows.saturating_mul(self.row_len as u64).min(file_len);
        if rows.saturating_mul(size) > most_decoded(stored) {
            return Err(Error::illegal(format!("{rows} rows of columns without bytes are more than is plausible")));
        }
        Ok(())
    }

    /// Which row of the table is number `index` of the result.
    pub(crate) fn row(&self, index: usize) -> u64 {
        self.rows.position(index as u64)
    }

    /// How many rows the result has.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.count() as usize
    }

    /// The size of a row of the result in bytes.
    pub(crate) fn record_size(&self) -> usize {
        self.sizes.iter().fold(0, |sum, &size| sum.saturating_add(size))
    }

    /// How many values the masked cells of a row have: a byte of the mask for each.
    fn mask_size(&self) -> usize {
        self.columns.iter().fold(0, |sum, column| sum.saturating_add(self.flags(column)))
    }

    /// How many flags of the mask a cell has.
    fn flags(&self, column: &Column) -> usize {
        if self.arrangement == Arrangement::Columns && !column.can_be_null() { 0 } else { column.elements() }
    }

    fn row_start(&self, row: u64) -> u64 {
        self.data_start.saturating_add(row.saturating_mul(self.row_len as u64))
    }

    fn rows_in_part(&self) -> u64 {
        let rows = (PART_BYTES / self.row_len.max(self.record_size()).max(1)).max(1) as u64;
        if self.is_dense() { rows } else { rows.min(MOST_SCATTERED_ROWS) }
    }

    fn rows_of(&self, index: usize) -> Range<u64> {
        let start = index as u64 * self.rows_in_part();
        start..(start + self.rows_in_part()).min(self.rows.count())
    }

    /// Whether whole rows are read as they lie: all of them wanted, and what is wanted of each not a small piece of a long row.
    fn is_dense(&self) -> bool {
        self.rows.is_run() && (self.row_len as u64 <= GAP_BYTES || self.span.len() >= self.row_len / 4)
    }

    /// Decodes rows that lie packed: from number `first` of the result on.
    fn decode_rows(&self, packed: Packed<'_>, first: u64, outputs: &mut [&mut [u8]]) -> Result<()> {
        let Packed { bytes: packed, row_len, start } = packed;
        let rows = packed.len().checked_div(row_len).unwrap_or(0);
        let block = (DECODE_BYTES / (row_len + self.record_size()).max(1)).max(1);
        let mut done = 0;
        while done < rows {
            let count = block.min(rows - done);
            let moved = self.shuffle_rows(packed, row_len, outputs, done..done + count);
            let block = packed.get(done * row_len..(done + count) * row_len).unwrap_or_default();
            let mut offset = 0;
            let mut mask_offset = 0;
            for (number, (column, &size)) in self.columns.iter().zip(&self.sizes).enumerate() {
                // A column of no width may stand where the packed part of a row does not reach.
                let from = Stride {
                    row: row_len,
                    offset: column.offset.saturating_sub(start).min(row_len.saturating_sub(column.width)),
                };
                let (buffer, to) = match self.arrangement {
                    Arrangement::Columns => (number, Stride { row: size, offset: 0 }),
                    Arrangement::Records => (0, Stride { row: self.record_size(), offset }),
                };
                offset += size;
                let output =
                    outputs.get_mut(buffer).and_then(|output| output.get_mut(done * to.row..(done + count) * to.row));
                let output = output.ok_or_else(does_not_fit)?;
                let moved = self.shuffle.as_ref().map_or(0, |shuffle| shuffle.done(number, moved));
                if moved < count {
                    let input = block.get(moved * row_len..).unwrap_or_default();
                    let output = output.get_mut(moved * to.row..).unwrap_or_default();
                    self.form.decode(column, input, from, output, to).map_err(|error| {
                        let row = self.rows.position(first + (done + moved + error.row) as u64);
                        error.error.in_item(|| format!("column '{}', row {row}", column.name))
                    })?;
                }
                if self.mask {
                    let size = self.flags(column);
                    let (buffer, to) = match self.arrangement {
                        Arrangement::Columns => (self.columns.len() + number, Stride { row: size, offset: 0 }),
                        Arrangement::Records => (1, Stride { row: self.mask_size(), offset: mask_offset }),
                    };
                    mask_offset += size;
                    let mask =
                        outputs.get_mut(buffer).and_then(|mask| mask.get_mut(done * to.row..(done + count) * to.row));
                    self.form.mask(column, block, from, mask.ok_or_else(does_not_fit)?, to);
                }
            }
            done += count;
        }
        Ok(())
    }

    /// Decodes cells of one column that lie one behind the other; `row_of` says for errors which row of the table one is of.
    pub(crate) fn decode_cells(
        &self,
        number: usize,
        cells: &[u8],
        row_of: &dyn Fn(usize) -> u64,
        outputs: &mut [&mut [u8]],
    ) -> Result<()> {
        let Some(column) = self.columns.get(number) else { return Ok(()) };
        let from = Stride { row: column.width.max(1), offset: 0 };
        let before = |sizes: &mut dyn Iterator<Item = usize>| sizes.take(number).sum::<usize>();
        let size = self.sizes.get(number).copied().unwrap_or(0);
        let (buffer, to) = match self.arrangement {
            Arrangement::Columns => (number, Stride { row: size, offset: 0 }),
            Arrangement::Records => {
                (0, Stride { row: self.record_size(), offset: before(&mut self.sizes.iter().copied()) })
            }
        };
        let output = outputs.get_mut(buffer).ok_or_else(does_not_fit)?;
        self.form
            .decode(column, cells, from, output, to)
            .map_err(|error| error.error.in_item(|| format!("column '{}', row {}", column.name, row_of(error.row))))?;
        if self.mask {
            let elements = &mut self.columns.iter().map(Column::elements);
            let (buffer, to) = match self.arrangement {
                Arrangement::Columns => (self.columns.len() + number, Stride { row: column.elements(), offset: 0 }),
                Arrangement::Records => (1, Stride { row: self.mask_size(), offset: before(elements) }),
            };
            self.form.mask(column, cells, from, outputs.get_mut(buffer).ok_or_else(does_not_fit)?, to);
        }
        Ok(())
    }

    /// Moves what of some rows can be moved at a stroke.
    fn shuffle_rows(&self, packed: &[u8], row_len: usize, outputs: &mut [&mut [u8]], rows: Range<usize>) -> Moved {
        let (Some(shuffle), Some(output)) = (&self.shuffle, outputs.first_mut()) else { return Moved::default() };
        let record_size = self.record_size();
        let input = packed.get(rows.start * row_len..).unwrap_or_default();
        let output = output.get_mut(rows.start * record_size..).unwrap_or_default();
        shuffle.run(input, row_len, output, record_size, rows.len())
    }

    /// Decodes successive rows, which are read as they lie.
    fn decode_dense(&self, rows: Range<u64>, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let first = self.row_start(self.rows.position(rows.start));
        let total = (rows.end - rows.start) as usize;
        let step = (READ_BYTES / self.row_len.max(1)).max(1);
        let mut scratch = Vec::new();
        let mut done = 0;
        while done < total {
            let count = step.min(total - done);
            let at = first + (done * self.row_len) as u64;
            let len = count * self.row_len;
            // The last row may end before its padding does: only what is wanted has to be there.
            let len = if done + count == total { len - self.row_len + self.span.end } else { len };
            let mut rest = self.advance(outputs, done);
            if let Some(bytes) = source.bytes() {
                self.decode_padded(slice(bytes, at, len)?, rows.start + done as u64, count, &mut scratch, &mut rest)?;
            } else {
                resize(&mut scratch, count * self.row_len)?;
                source.read_at(at, scratch.get_mut(..len).unwrap_or_default())?;
                self.decode_rows(self.as_stored(&scratch), rows.start + done as u64, &mut rest)?;
            }
            done += count;
        }
        Ok(())
    }

    fn as_stored<'a>(&self, bytes: &'a [u8]) -> Packed<'a> {
        Packed { bytes, row_len: self.row_len, start: 0 }
    }

    /// Decodes rows in memory, the last of which may lack its end.
    fn decode_padded(
        &self,
        bytes: &[u8],
        first: u64,
        count: usize,
        scratch: &mut Vec<u8>,
        outputs: &mut [&mut [u8]],
    ) -> Result<()> {
        let whole = if bytes.len() == count * self.row_len { count } else { count - 1 };
        let (head, tail) = bytes.split_at(whole * self.row_len);
        self.decode_rows(self.as_stored(head), first, outputs)?;
        if whole < count {
            scratch.clear();
            scratch.extend_from_slice(tail);
            resize(scratch, self.row_len)?;
            self.decode_rows(self.as_stored(scratch), first + whole as u64, &mut self.advance(outputs, whole))?;
        }
        Ok(())
    }

    /// Decodes scattered rows: what is wanted of each is packed first.
    fn decode_scattered(&self, rows: Range<u64>, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let first_row = rows.start;
        let positions: Vec<u64> = rows.map(|index| self.rows.position(index)).collect();
        let mut packed = Vec::new();
        reserve(&mut packed, positions.len() * self.span.len())?;
        let mut scratch = Vec::new();
        let mut next = 0;
        while let Some(&first) = positions.get(next) {
            let run = self.run_length(positions.get(next..).unwrap_or_default());
            let run = positions.get(next..next + run).unwrap_or_default();
            let start = self.row_start(first) + self.span.start as u64;
            let len = run.last().map_or(0, |last| (last - first) as usize * self.row_len + self.span.len());
            let bytes = match source.bytes() {
                Some(bytes) => slice(bytes, start, len)?,
                None => {
                    resize(&mut scratch, len)?;
                    source.read_at(start, &mut scratch)?;
                    &scratch
                }
            };
            for row in run {
                packed.extend_from_slice(slice(bytes, (row - first) * self.row_len as u64, self.span.len())?);
            }
            next += run.len();
        }
        let packed = Packed { bytes: &packed, row_len: self.span.len(), start: self.span.start };
        self.decode_rows(packed, first_row, outputs)
    }

    /// How many of the rows are read in one go with the first: those that follow upwards, close enough together.
    fn run_length(&self, positions: &[u64]) -> usize {
        let first = positions.first().copied().unwrap_or(0);
        let near = positions.windows(2).take_while(|pair| {
            let [before, after] = pair else { return false };
            let gap = after.checked_sub(*before).map(|rows| rows.saturating_mul(self.row_len as u64));
            let total = after.saturating_sub(first).saturating_mul(self.row_len as u64);
            gap.is_some_and(|gap| gap <= GAP_BYTES + self.span.len() as u64) && total <= READ_BYTES as u64
        });
        1 + near.count()
    }

    /// What of the outputs is left behind the first `rows` rows.
    fn advance<'a>(&self, outputs: &'a mut [&mut [u8]], rows: usize) -> Vec<&'a mut [u8]> {
        let sizes = self.output_row_sizes();
        outputs.iter_mut().zip(sizes).map(|(output, size)| output.get_mut(rows * size..).unwrap_or_default()).collect()
    }

    /// The size of a row in each buffer.
    pub(crate) fn output_row_sizes(&self) -> Vec<usize> {
        match self.arrangement {
            Arrangement::Columns if self.mask => {
                self.sizes.iter().copied().chain(self.columns.iter().map(|column| self.flags(column))).collect()
            }
            Arrangement::Columns => self.sizes.clone(),
            Arrangement::Records if self.mask => vec![self.record_size(), self.mask_size()],
            Arrangement::Records => vec![self.record_size()],
        }
    }
}

/// Rows in memory, `row_len` apart, of which byte 0 is byte `start` of a row of the table.
#[derive(Clone, Copy)]
struct Packed<'a> {
    bytes: &'a [u8],
    row_len: usize,
    start: usize,
}

/// How much may become of `stored` bytes of a file where its size alone does not say.
pub(crate) fn most_decoded(stored: u64) -> u64 {
    stored.saturating_mul(MOST_OF_NOTHING).max(MOST_EMPTY_BYTES)
}

/// The wanted columns.
pub(crate) fn selected(table: &TableLayout, request: &TableRequest) -> Result<Vec<Column>> {
    let columns: Vec<Column> = match &request.columns {
        None => table.columns.clone(),
        Some(keys) => keys.iter().map(|key| find(table, key).cloned()).collect::<Result<_>>()?,
    };
    let unscalable = |column: &Column| Some((column.unscalable.clone()?, column.name.clone()));
    match columns.iter().find_map(unscalable).filter(|_| !request.unscaled) {
        Some((error, name)) => Err(error.in_item(|| format!("column '{name}'"))),
        None => Ok(columns),
    }
}

/// The column that the key asks for.
pub(crate) fn find<'a>(table: &'a TableLayout, key: &ColumnKey) -> Result<&'a Column> {
    let count = table.columns.len();
    match key {
        ColumnKey::Index(index) => {
            let wrapped = if *index < 0 { index + count as i64 } else { *index };
            usize::try_from(wrapped).ok().and_then(|index| table.columns.get(index)).ok_or_else(|| {
                Error::new(ErrorKind::Index, format!("column {index} is out of range: the table has {count} columns"))
            })
        }
        ColumnKey::Name(name) => table.find(name).and_then(|index| table.columns.get(index)).ok_or_else(|| {
            let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let error = Error::new(ErrorKind::Key, format!("the table has no column '{name}'; there are {names:?}"));
            // A column may have that name, in a card that breaks the rules.
            let misnamed = table.columns.iter().find_map(|column| Some((&column.name, column.misnamed.as_ref()?)));
            misnamed.map_or_else(
                || error.clone(),
                |(own, why)| error.clone().noting(&format!("; '{own}' is so called because {why}")),
            )
        }),
    }
}

impl ReadPlan for RowPlan {
    fn buffers(&self) -> Vec<BufferSize> {
        let rows = self.row_count();
        let bytes = |size: usize| BufferSize { data_type: DataType::U8, elements: rows.saturating_mul(size) };
        match self.arrangement {
            Arrangement::Records => self.output_row_sizes().into_iter().map(bytes).collect(),
            Arrangement::Columns => {
                let values = self.columns.iter().map(|column| self.form.output(column));
                let values =
                    values.map(|(data_type, count)| BufferSize { data_type, elements: rows.saturating_mul(count) });
                let masks = self.columns.iter().filter(|_| self.mask).map(|column| bytes(self.flags(column)));
                values.chain(masks).collect()
            }
        }
    }

    fn len(&self) -> usize {
        // Nothing of the file: every cell is empty, and the buffers hold zeros. Such rows can be more than can be counted to.
        if self.span.is_empty() || self.record_size() == 0 {
            return 0;
        }
        self.rows.count().div_ceil(self.rows_in_part()) as usize
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let rows = self.rows_of(index);
        if rows.is_empty() {
            return Vec::new();
        }
        let wanted = |row: u64| {
            let start = self.row_start(row);
            start + self.span.start as u64..start + self.span.end as u64
        };
        if self.is_dense() {
            let first = self.row_start(self.rows.position(rows.start));
            let all = first..wanted(self.rows.position(rows.end - 1)).end;
            return Vec::from([all]);
        }
        let mut ranges: Vec<Range<u64>> = rows.map(|index| wanted(self.rows.position(index))).collect();
        // Rows that are read in one go are read with what lies between them.
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, last| {
            let near = next.start <= last.end.saturating_add(GAP_BYTES);
            if near {
                last.end = last.end.max(next.end);
            }
            near
        });
        ranges
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        let rows = self.rows_of(index).count();
        self.output_row_sizes().into_iter().map(|size| size * rows).collect()
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let rows = self.rows_of(index);
        if self.is_dense() {
            self.decode_dense(rows, source, outputs)
        } else {
            self.decode_scattered(rows, source, outputs)
        }
    }
}
