//! Rows at a stroke: most cells are the same bytes in another order, and a processor moves 16 of them at once.
//!
//! A [`RowShuffle`] is made once for a read. Each of its steps takes 16 bytes of a row and puts some of them, reordered, into 16 bytes of the
//! record: numbers in native order, characters spread to 32 bits. What a step writes behind its own cells is overwritten by
//! what comes after it, in this record or in the next ones.

use super::cell::{CellForm, TextForm};
use super::column::{Cell, Column};
use crate::format::ScalingKind;

/// How many bytes a step moves.
const LANES: usize = 16;
/// Where a step takes no byte: the instruction makes a zero of an index whose top bit is set.
const NO_BYTE: u8 = 0x80;
/// The top bit of a number's most significant byte, turned where half the range is added.
const TOP_BIT: u8 = 0x80;
/// Larger cells are decoded column by column: in them the loops over one cell are as fast.
const MOST_CELL_BYTES: usize = 64;

/// Moves 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Where they lie in a row.
    from: usize,
    /// Where they go in the record.
    to: usize,
    order: [u8; LANES],
    flip: [u8; LANES],
}

/// The steps that make a record of a row.
#[derive(Debug)]
pub(super) struct RowShuffle {
    steps: Vec<Step>,
    moved: Vec<bool>,
}

/// A byte of the record: which byte of the row it is, and what is turned in it.
#[derive(Clone, Copy)]
struct Source {
    byte: Option<usize>,
    flip: u8,
}

impl RowShuffle {
    /// The steps for records of these columns, whose cells take `sizes` bytes there. Byte 0 of a row as it will be given is
    /// byte `start` of a row of the table. `None` where the processor has no such instruction, or no column gains.
    pub(super) fn new(columns: &[Column], sizes: &[usize], form: CellForm, start: usize) -> Option<Self> {
        if !is_supported() {
            return None;
        }
        let mut steps: Vec<Gathered> = Vec::new();
        let mut moved = Vec::with_capacity(columns.len());
        let mut to = 0;
        for (column, &size) in columns.iter().zip(sizes) {
            let units = if size <= MOST_CELL_BYTES { units(column, form, start) } else { None };
            moved.push(units.is_some());
            let mut at = to;
            for unit in units.unwrap_or_default() {
                if !steps.last_mut().is_some_and(|step| step.add(at, &unit)) {
                    let mut step = Gathered::new(at);
                    step.add(at, &unit);
                    steps.push(step);
                }
                at += unit.len();
            }
            to += size;
        }
        let steps: Vec<Step> = steps.into_iter().map(Gathered::finish).collect();
        (!steps.is_empty()).then_some(Self { steps, moved })
    }

    /// Whether the steps move the cells of column number `number`.
    pub(super) fn moves(&self, number: usize) -> bool {
        self.moved.get(number).copied().unwrap_or(false)
    }

    /// Moves the cells of the first rows, `count` at most: as many as leave room for whole steps. Says how many.
    pub(super) fn run(
        &self,
        input: &[u8],
        row_len: usize,
        output: &mut [u8],
        record_size: usize,
        count: usize,
    ) -> usize {
        let reach = |at: fn(&Step) -> usize| self.steps.iter().map(at).max().unwrap_or(0) + LANES;
        let rows = |len: usize, stride: usize, reach: usize| match len.checked_sub(reach) {
            Some(rest) => rest.checked_div(stride).map_or(0, |rows| rows + 1),
            None => 0,
        };
        let count = count.min(rows(input.len(), row_len, reach(|step| step.from))).min(rows(
            output.len(),
            record_size,
            reach(|step| step.to),
        ));
        run(&self.steps, input, row_len, output, record_size, count);
        count
    }
}

/// A step that is being put together.
struct Gathered {
    to: usize,
    sources: Vec<Source>,
}

impl Gathered {
    fn new(to: usize) -> Self {
        Self { to, sources: Vec::with_capacity(LANES) }
    }

    /// Takes in bytes that go to `at` in the record, if all still fits one step.
    fn add(&mut self, at: usize, unit: &[Source]) -> bool {
        let gap = at - self.to - self.sources.len();
        if at + unit.len() - self.to > LANES {
            return false;
        }
        let bytes = || self.sources.iter().chain(unit).filter_map(|source| source.byte);
        if let (Some(first), Some(last)) = (bytes().min(), bytes().max())
            && last - first >= LANES
        {
            return false;
        }
        self.sources.extend(std::iter::repeat_n(Source { byte: None, flip: 0 }, gap));
        self.sources.extend_from_slice(unit);
        true
    }

    fn finish(self) -> Step {
        // The 16 bytes end with the last that is wanted, so that a step does not reach behind its row.
        let last = self.sources.iter().filter_map(|source| source.byte).max().unwrap_or(0);
        let from = (last + 1).saturating_sub(LANES);
        let mut step = Step { from, to: self.to, order: [NO_BYTE; LANES], flip: [0; LANES] };
        for ((source, order), flip) in self.sources.iter().zip(&mut step.order).zip(&mut step.flip) {
            *order = source.byte.map_or(NO_BYTE, |byte| (byte - from) as u8);
            *flip = source.flip;
        }
        step
    }
}

/// The bytes of a cell's values, value by value; `None` for what is more than bytes moved.
fn units(column: &Column, form: CellForm, start: usize) -> Option<Vec<Vec<Source>>> {
    let first = column.offset.checked_sub(start)?;
    let elements = column.elements();
    let numbers = |size: usize, count: usize, flip: bool| {
        let number = |index: usize| native(first + index * size, size, flip);
        (count.checked_mul(size)? <= column.width).then(|| (0..count).map(number).collect())
    };
    match column.cell {
        Cell::Number(scaling) => {
            let kind = if form.unscaled { ScalingKind::None } else { scaling.kind };
            match kind {
                ScalingKind::Linear { .. } => None,
                kind => numbers(scaling.stored.size(), elements, kind == ScalingKind::Flip),
            }
        }
        Cell::Complex(scaling) if form.scaling(scaling).kind == ScalingKind::None => {
            numbers(scaling.stored.size(), 2 * elements, false)
        }
        Cell::Text { width } if width > 0 && elements.checked_mul(width)? <= column.width => {
            let character = |index: usize| character(first + index, form.text);
            Some((0..elements * width).map(character).collect())
        }
        _ => None,
    }
}

/// The bytes of a big-endian number at `at`, in native order.
fn native(at: usize, size: usize, flip: bool) -> Vec<Source> {
    let mut bytes: Vec<Source> = (at..at + size).map(|byte| Source { byte: Some(byte), flip: 0 }).collect();
    if let Some(top) = bytes.first_mut().filter(|_| flip) {
        top.flip = TOP_BIT;
    }
    if cfg!(target_endian = "little") {
        bytes.reverse();
    }
    bytes
}

/// The bytes of a character at `at`.
fn character(at: usize, form: TextForm) -> Vec<Source> {
    const NOTHING: Source = Source { byte: None, flip: 0 };
    let byte = Source { byte: Some(at), flip: 0 };
    match form {
        TextForm::Bytes => vec![byte],
        TextForm::Unicode if cfg!(target_endian = "little") => vec![byte, NOTHING, NOTHING, NOTHING],
        TextForm::Unicode => vec![NOTHING, NOTHING, NOTHING, byte],
    }
}

#[cfg(target_arch = "x86_64")]
fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("ssse3")
}

#[cfg(target_arch = "x86_64")]
fn run(steps: &[Step], input: &[u8], row_len: usize, output: &mut [u8], record_size: usize, count: usize) {
    if is_supported() {
        // SAFETY: the processor has the instruction that the function was compiled for.
        unsafe { run_ssse3(steps, input, row_len, output, record_size, count) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn run_ssse3(steps: &[Step], input: &[u8], row_len: usize, output: &mut [u8], record_size: usize, count: usize) {
    use bytemuck::must_cast;
    use std::arch::x86_64::{__m128i, _mm_shuffle_epi8, _mm_xor_si128};

    for row in 0..count {
        let from = input.get(row * row_len..).unwrap_or_default();
        let to = output.get_mut(row * record_size..).unwrap_or_default();
        for step in steps {
            let from = from.get(step.from..).and_then(|bytes| bytes.first_chunk::<LANES>());
            let to = to.get_mut(step.to..).and_then(|bytes| bytes.first_chunk_mut::<LANES>());
            if let (Some(from), Some(to)) = (from, to) {
                let moved = _mm_shuffle_epi8(must_cast(*from), must_cast(step.order));
                *to = must_cast::<__m128i, _>(_mm_xor_si128(moved, must_cast(step.flip)));
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn is_supported() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_steps: &[Step], _input: &[u8], _row_len: usize, _output: &mut [u8], _record_size: usize, _count: usize) {}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use crate::directory::Directory;
    use crate::source::{MemorySource, ReadPlan};
    use crate::table::{Arrangement, ColumnKey, RowPlan, Rows, TableLayout, TableRequest, TextForm, selected};

    /// Forms, and how many bytes a cell of each takes.
    const FORMS: [(&str, usize); 17] = [
        ("L", 1),
        ("X", 1),
        ("B", 1),
        ("I", 2),
        ("J", 4),
        ("K", 8),
        ("E", 4),
        ("D", 8),
        ("C", 8),
        ("M", 16),
        ("3E", 12),
        ("20I", 40),
        ("5A", 5),
        ("12A", 12),
        ("30A", 30),
        ("0J", 0),
        ("2L", 2),
    ];

    fn file(forms: &[usize], unsigned: bool, rows: &[u8], count: usize) -> MemorySource {
        let width: usize = forms.iter().map(|&form| FORMS[form].1).sum();
        let mut cards = vec!["XTENSION= 'BINTABLE'".to_owned(), "BITPIX  = 8".into(), "NAXIS   = 2".into()];
        cards.extend([
            format!("NAXIS1  = {width}"),
            format!("NAXIS2  = {count}"),
            "PCOUNT  = 0".into(),
            "GCOUNT  = 1".into(),
        ]);
        cards.push(format!("TFIELDS = {}", forms.len()));
        for (number, &form) in forms.iter().enumerate() {
            cards.push(format!("{:<8}= 'C{number}'", format!("TTYPE{}", number + 1)));
            cards.push(format!("{:<8}= '{}'", format!("TFORM{}", number + 1), FORMS[form].0));
            if unsigned && ["I", "20I"].contains(&FORMS[form].0) {
                cards.push(format!("{:<8}= 32768", format!("TZERO{}", number + 1)));
            }
        }
        let header = |cards: &[String]| {
            let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
            bytes.extend(format!("{:<80}", "END").bytes());
            bytes.resize(bytes.len().next_multiple_of(2880), b' ');
            bytes
        };
        let mut file = header(&["SIMPLE  = T".into(), "BITPIX  = 8".into(), "NAXIS   = 0".into()]);
        file.extend(header(&cards));
        file.extend(rows.iter().cycle().take(width * count));
        MemorySource(Bytes::from(file))
    }

    /// All records, from memory that holds something else before.
    fn records(plan: &RowPlan, source: &MemorySource) -> Vec<u8> {
        let mut result = vec![0xA5; plan.buffers()[0].elements];
        let mut rest = result.as_mut_slice();
        for index in 0..plan.len() {
            let piece = rest.split_off_mut(..plan.output_sizes(index)[0]).unwrap();
            plan.decode(index, source, &mut [piece]).unwrap();
        }
        result
    }

    proptest! {
        #[test]
        fn moved_rows_are_what_columns_decode_to(
            forms in prop::collection::vec(0..FORMS.len(), 1..8),
            unsigned: bool,
            rows in prop::collection::vec(prop::sample::select(b"\0  aT\x7fF9Z\xff".to_vec()), 61),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
            scattered: bool,
            text_as_bytes: bool,
        ) {
            const COUNT: usize = 150;
            let source = file(&forms, unsigned, &rows, COUNT);
            let hdu = Directory::new("test".into(), false).get(1, &source).unwrap().unwrap();
            let request = TableRequest {
                columns: Some(order.iter().map(|index| ColumnKey::Index(index.index(forms.len()) as i64)).collect()),
                rows: if scattered { Rows::List((0..COUNT as i64).map(|row| row * 7 % COUNT as i64).collect()) } else { Rows::All },
                text: if text_as_bytes { TextForm::Bytes } else { TextForm::Unicode },
                arrangement: Arrangement::Records,
                lenient: true,
                ..TableRequest::default()
            };
            let table = TableLayout::of(&hdu).unwrap();
            let locate = || RowPlan::locate(table, selected(table, &request).unwrap(), &request, &source).unwrap();
            let moved = locate();
            let mut column_by_column = locate();
            column_by_column.shuffle = None;
            prop_assert_eq!(records(&moved, &source), records(&column_by_column, &source));
        }
    }
}
