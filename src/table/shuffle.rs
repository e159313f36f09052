//! Rows at a stroke: most cells are the same bytes in another order, and a processor moves 16 of them at once.
//!
//! A [`RowShuffle`] is made once for a read. Each of its steps takes 16 bytes of a row and puts some of them, reordered, into 16 bytes of the
//! record: numbers in native order, or a string with its characters spread to 32 bits. What a step writes behind its own cells is overwritten by
//! what comes after it, in this record or in the next ones.

use super::cell::CellForm;
use super::column::{Cell, Column};
use super::text_step::TextStep;
use crate::format::ScalingKind;

/// How many bytes a step moves.
pub(super) const LANES: usize = 16;
/// Where a step takes no byte: the instruction makes a zero of an index whose top bit is set.
pub(super) const NO_BYTE: u8 = 0x80;
/// The top bit of a number's most significant byte, turned where half the range is added.
const TOP_BIT: u8 = 0x80;
/// Larger cells are decoded column by column: in them the loops over one cell are as fast.
const MOST_CELL_BYTES: usize = 64;

/// What makes some bytes of a record.
#[derive(Clone, Copy, Debug)]
enum Step {
    Bytes(ByteStep),
    Text(TextStep),
}

/// Moves 16 bytes.
#[derive(Clone, Copy, Debug)]
struct ByteStep {
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
    /// What is moved of each column.
    columns: Vec<Moves>,
}

/// What is moved of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moves {
    Nothing,
    Numbers,
    Text,
}

/// What became of some rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// How many of them were moved.
    rows: usize,
    /// Whether there is a string among them that has to be looked at more closely.
    unusual_text: bool,
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
        let mut steps = Steps::default();
        let mut moves = Vec::with_capacity(columns.len());
        let mut to = 0;
        for (column, &size) in columns.iter().zip(sizes) {
            let small = size <= MOST_CELL_BYTES;
            let moved = if !small {
                Moves::Nothing
            } else if let Some(texts) = texts(column, form, start, to) {
                texts.into_iter().for_each(|text| steps.add_text(text));
                Moves::Text
            } else if let Some(numbers) = numbers(column, form, start) {
                steps.add_numbers(to, &numbers);
                Moves::Numbers
            } else {
                Moves::Nothing
            };
            moves.push(moved);
            to += size;
        }
        let steps = steps.finish();
        (!steps.is_empty()).then_some(Self { steps, columns: moves })
    }

    /// In how many of the rows the cells of column number `number` are done.
    pub(super) fn done(&self, number: usize, moved: Moved) -> usize {
        match self.columns.get(number) {
            Some(Moves::Numbers) => moved.rows,
            Some(Moves::Text) if !moved.unusual_text => moved.rows,
            _ => 0,
        }
    }

    /// Moves the cells of the first rows, `count` at most: as many as leave room for whole steps.
    pub(super) fn run(
        &self,
        input: &[u8],
        row_len: usize,
        output: &mut [u8],
        record_size: usize,
        count: usize,
    ) -> Moved {
        let reach = |end: fn(&Step) -> usize| self.steps.iter().map(end).max().unwrap_or(0);
        let rows = |len: usize, stride: usize, reach: usize| match len.checked_sub(reach) {
            Some(rest) => rest.checked_div(stride).map_or(0, |rows| rows + 1),
            None => 0,
        };
        let given = rows(input.len(), row_len, reach(Step::input_end));
        let count = count.min(given).min(rows(output.len(), record_size, reach(Step::output_end)));
        let usual = run(&self.steps, input, row_len, output, record_size, count);
        Moved { rows: count, unusual_text: !usual }
    }
}

impl Step {
    /// How far into a row it reads.
    fn input_end(&self) -> usize {
        LANES
            + match self {
                Self::Bytes(step) => step.from,
                Self::Text(step) => step.from,
            }
    }

    /// How far into a record it writes.
    fn output_end(&self) -> usize {
        match self {
            Self::Bytes(step) => step.to + LANES,
            Self::Text(step) => step.end(),
        }
    }
}

/// Steps that are being put together, in the order of the record.
#[derive(Default)]
struct Steps {
    finished: Vec<Step>,
    /// What the next numbers may still go into.
    open: Option<Gathered>,
}

impl Steps {
    /// Takes in numbers that go to `at` in the record and behind it.
    fn add_numbers(&mut self, mut at: usize, numbers: &[Vec<Source>]) {
        for number in numbers {
            if !self.open.as_mut().is_some_and(|open| open.add(at, number)) {
                self.close();
                let mut fresh = Gathered::new(at);
                fresh.add(at, number);
                self.open = Some(fresh);
            }
            at += number.len();
        }
    }

    fn add_text(&mut self, text: TextStep) {
        self.close();
        self.finished.push(Step::Text(text));
    }

    fn close(&mut self) {
        self.finished.extend(self.open.take().map(|open| Step::Bytes(open.finish())));
    }

    fn finish(mut self) -> Vec<Step> {
        self.close();
        self.finished
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

    fn finish(self) -> ByteStep {
        // The 16 bytes end with the last that is wanted, so that a step does not reach behind its row.
        let last = self.sources.iter().filter_map(|source| source.byte).max().unwrap_or(0);
        let from = (last + 1).saturating_sub(LANES);
        let mut step = ByteStep { from, to: self.to, order: [NO_BYTE; LANES], flip: [0; LANES] };
        for ((source, order), flip) in self.sources.iter().zip(&mut step.order).zip(&mut step.flip) {
            *order = source.byte.map_or(NO_BYTE, |byte| (byte - from) as u8);
            *flip = source.flip;
        }
        step
    }
}

/// The steps for a cell of strings that goes to `to` in the record; `None` for what is no text, or long text.
fn texts(column: &Column, form: CellForm, start: usize, to: usize) -> Option<Vec<TextStep>> {
    let Cell::Text { width } = column.cell else { return None };
    let first = column.offset.checked_sub(start)?;
    let count = column.elements();
    if width.checked_mul(count)? > column.width || count == 0 {
        return None;
    }
    let size = form.output_size(column)? / count;
    (0..count).map(|index| TextStep::new(first + index * width, width, to + index * size, form.text)).collect()
}

/// The bytes of a cell's numbers, one by one; `None` for what is more than bytes moved.
fn numbers(column: &Column, form: CellForm, start: usize) -> Option<Vec<Vec<Source>>> {
    let first = column.offset.checked_sub(start)?;
    let numbers = |size: usize, count: usize, flip: bool| {
        let number = |index: usize| native(first + index * size, size, flip);
        (count.checked_mul(size)? <= column.width).then(|| (0..count).map(number).collect())
    };
    match column.cell {
        Cell::Number(scaling) => {
            let kind = if form.unscaled { ScalingKind::None } else { scaling.kind };
            match kind {
                ScalingKind::Linear { .. } => None,
                kind => numbers(scaling.stored.size(), column.elements(), kind == ScalingKind::Flip),
            }
        }
        Cell::Complex(scaling) if form.scaling(scaling).kind == ScalingKind::None => {
            numbers(scaling.stored.size(), 2 * column.elements(), false)
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

#[cfg(target_arch = "x86_64")]
fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("ssse3")
}

/// Says whether all texts are usual ones.
#[cfg(target_arch = "x86_64")]
fn run(steps: &[Step], input: &[u8], row_len: usize, output: &mut [u8], record_size: usize, count: usize) -> bool {
    // SAFETY: the processor has the instruction that the function was compiled for.
    !is_supported() || unsafe { run_ssse3(steps, input, row_len, output, record_size, count) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn run_ssse3(
    steps: &[Step],
    input: &[u8],
    row_len: usize,
    output: &mut [u8],
    record_size: usize,
    count: usize,
) -> bool {
    use bytemuck::must_cast;
    use std::arch::x86_64::{__m128i, _mm_shuffle_epi8, _mm_xor_si128};

    let mut usual = true;
    for row in 0..count {
        let row_bytes = input.get(row * row_len..).unwrap_or_default();
        let record = output.get_mut(row * record_size..).unwrap_or_default();
        for step in steps {
            match step {
                Step::Bytes(step) => {
                    let from = row_bytes.get(step.from..).and_then(|bytes| bytes.first_chunk::<LANES>());
                    let to = record.get_mut(step.to..).and_then(|bytes| bytes.first_chunk_mut::<LANES>());
                    if let (Some(from), Some(to)) = (from, to) {
                        let moved = _mm_shuffle_epi8(must_cast(*from), must_cast(step.order));
                        *to = must_cast::<__m128i, _>(_mm_xor_si128(moved, must_cast(step.flip)));
                    }
                }
                Step::Text(step) => {
                    let from = row_bytes.get(step.from..).and_then(|bytes| bytes.first_chunk::<LANES>());
                    if let (Some(from), Some(to)) = (from, record.get_mut(step.to..)) {
                        usual &= step.run(*from, to);
                    }
                }
            }
        }
    }
    usual
}

#[cfg(not(target_arch = "x86_64"))]
fn is_supported() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_: &[Step], _: &[u8], _row_len: usize, _: &mut [u8], _record_size: usize, _count: usize) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use crate::directory::Directory;
    use crate::source::{MemorySource, ReadPlan};
    use crate::table::{Arrangement, ColumnKey, RowPlan, Rows, TableLayout, TableRequest, TextForm, selected};

    /// Forms, and how many bytes a cell of each takes.
    const FORMS: [(&str, usize); 20] = [
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
        ("16A", 16),
        ("17A", 17),
        ("30A", 30),
        ("12A4", 12),
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

    /// All records, from memory that holds something else before; or what is wrong with one.
    fn records(plan: &RowPlan, source: &MemorySource) -> Result<Vec<u8>, String> {
        let mut result = vec![0xA5; plan.buffers()[0].elements];
        let mut rest = result.as_mut_slice();
        for index in 0..plan.len() {
            let piece = rest.split_off_mut(..plan.output_sizes(index)[0]).unwrap();
            plan.decode(index, source, &mut [piece]).map_err(|error| error.to_string())?;
        }
        Ok(result)
    }

    proptest! {
        #[test]
        fn moved_rows_are_what_columns_decode_to(
            forms in prop::collection::vec(0..FORMS.len(), 1..8),
            unsigned: bool,
            rows in prop::collection::vec(prop::sample::select(b"\0  aT\x7fF9Z\xff".to_vec()), 61),
            no_text_but_ascii: bool,
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
            scattered: bool,
            text_as_bytes: bool,
            lenient: bool,
        ) {
            const COUNT: usize = 150;
            let ascii = |byte: &u8| if no_text_but_ascii { byte & 0x7f } else { *byte };
            let source = file(&forms, unsigned, &rows.iter().map(ascii).collect::<Vec<_>>(), COUNT);
            let hdu = Directory::new("test".into(), false).get(1, &source).unwrap().unwrap();
            let request = TableRequest {
                columns: Some(order.iter().map(|index| ColumnKey::Index(index.index(forms.len()) as i64)).collect()),
                rows: if scattered { Rows::List((0..COUNT as i64).map(|row| row * 7 % COUNT as i64).collect()) } else { Rows::All },
                text: if text_as_bytes { TextForm::Bytes } else { TextForm::Unicode },
                arrangement: Arrangement::Records,
                lenient,
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
