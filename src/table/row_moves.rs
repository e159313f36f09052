//! Records to rows at a stroke: most cells are the same bytes in another order, and a processor moves 16 of them at once.
//!
//! [`RowMoves`] are made once for a write. Each of their steps takes 16 bytes of a record and puts some of them, reordered, into 16 bytes of the row:
//! numbers as big-endian ones, characters of 32 bits as ASCII (FITS 4.0 §7.3.3); that they are ASCII is seen on the way. What a step writes behind its own
//! cells is overwritten by what comes after it, in this row or in the next ones.

use std::ops::Range;

use super::cell_encoder::CellEncoder;

/// How many bytes a step moves.
const LANES: usize = 16;
/// Where a step takes no byte: the instruction makes a zero of an index whose top bit is set.
const NO_BYTE: u8 = 0x80;
/// Larger cells are encoded by themselves: in them the loops over one cell are as fast.
const MOST_CELL_BYTES: usize = 256;

/// What moves as a whole: a number, or a character of a text.
pub(super) struct Unit {
    /// Its bytes in the file: each one of the cell in memory, or NUL.
    pub(super) bytes: Vec<Option<usize>>,
    /// The bits that are turned in the first of them.
    pub(super) flip: u8,
    /// Where it lies in memory, from the first byte of the cell on.
    pub(super) memory: Range<usize>,
    /// Of each of these bytes the bits that none may have; nothing where any may be.
    pub(super) forbidden: Vec<u8>,
}

/// Moves 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Where they lie in a record.
    from: usize,
    /// Where they go in the row.
    to: usize,
    order: [u8; LANES],
    flip: [u8; LANES],
    forbidden: [u8; LANES],
}

/// The steps that make a row of a record.
#[derive(Debug)]
pub(super) struct RowMoves {
    steps: Vec<Step>,
    moved: Vec<bool>,
    /// The column that is first in a record.
    first: usize,
}

/// What was moved.
pub(super) struct Moved {
    pub(super) rows: usize,
    /// Whether all of it can be stored.
    pub(super) fits: bool,
}

impl RowMoves {
    /// The steps for rows of these columns, in the order of their places; number `first` is the first one in the records. `None` where the processor has no
    /// such instruction, or nothing moves.
    pub(super) fn new(columns: &[CellEncoder<'_>], first: usize) -> Option<Self> {
        let records = columns.get(first).filter(|_| is_supported())?;
        let mut gathered: Vec<Gathered> = Vec::new();
        let mut moved = Vec::with_capacity(columns.len());
        for column in columns {
            let place = column.place_in_record(records).filter(|_| column.size <= MOST_CELL_BYTES);
            let units = place.and_then(|place| Some((place, column.units()?)));
            moved.push(units.is_some());
            let Some((place, units)) = units else { continue };
            let mut to = column.place.start;
            for unit in units {
                if !gathered.last_mut().is_some_and(|step| step.add(to, place, &unit)) {
                    let mut step = Gathered::new(to);
                    step.add(to, place, &unit);
                    gathered.push(step);
                }
                to += unit.bytes.len();
            }
        }
        let steps: Vec<Step> = gathered.into_iter().map(Gathered::finish).collect();
        (!steps.is_empty()).then_some(Self { steps, moved, first })
    }

    /// Whether the steps move the cells of column number `number`.
    pub(super) fn moves(&self, number: usize) -> bool {
        self.moved.get(number).copied().unwrap_or(false)
    }

    /// Moves the cells of the first of these rows: as many as leave room for whole steps.
    pub(super) fn run(
        &self,
        columns: &[CellEncoder<'_>],
        rows: Range<u64>,
        output: &mut [u8],
        row_len: usize,
    ) -> Moved {
        let Some((records, stride)) = columns.get(self.first).map(|column| column.records(rows.start)) else {
            return Moved { rows: 0, fits: true };
        };
        let reach = |at: fn(&Step) -> usize| self.steps.iter().map(at).max().unwrap_or(0) + LANES;
        let most = |len: usize, stride: usize, reach: usize| match len.checked_sub(reach) {
            Some(rest) => rest.checked_div(stride).map_or(0, |rows| rows + 1),
            None => 0,
        };
        let count = rows.count().min(most(records.len(), stride, reach(|step| step.from))).min(most(
            output.len(),
            row_len,
            reach(|step| step.to),
        ));
        Moved { rows: count, fits: run(&self.steps, (records, stride), (output, row_len), count) }
    }
}

/// A step that is being put together.
struct Gathered {
    to: usize,
    /// Each byte: which one of the record it is, and what is turned in it.
    bytes: Vec<(Option<usize>, u8)>,
    /// The part of the record that is looked at.
    memory: Option<Range<usize>>,
    /// Bytes of the record that may not have some bits.
    forbidden: Vec<(usize, u8)>,
}

impl Gathered {
    fn new(to: usize) -> Self {
        Self { to, bytes: Vec::with_capacity(LANES), memory: None, forbidden: Vec::new() }
    }

    /// Takes in a unit that goes to `to`, of a cell at `place` in the record, if all still fits one step.
    fn add(&mut self, to: usize, place: usize, unit: &Unit) -> bool {
        let gap = to - self.to - self.bytes.len();
        let own = place + unit.memory.start..place + unit.memory.end;
        let memory = match &self.memory {
            _ if own.is_empty() => self.memory.clone(),
            Some(memory) => Some(memory.start.min(own.start)..memory.end.max(own.end)),
            None => Some(own.clone()),
        };
        if to + unit.bytes.len() - self.to > LANES || memory.as_ref().is_some_and(|memory| memory.len() > LANES) {
            return false;
        }
        self.memory = memory;
        self.bytes.extend(std::iter::repeat_n((None, 0), gap));
        let flips = std::iter::once(unit.flip).chain(std::iter::repeat(0));
        self.bytes.extend(unit.bytes.iter().map(|byte| byte.map(|byte| place + byte)).zip(flips));
        self.forbidden.extend(own.zip(unit.forbidden.iter().copied()));
        true
    }

    fn finish(self) -> Step {
        // The 16 bytes end with the last that is wanted, so that a step does not reach behind its record.
        let from = self.memory.map_or(0, |memory| memory.end).saturating_sub(LANES);
        let mut step = Step { from, to: self.to, order: [NO_BYTE; LANES], flip: [0; LANES], forbidden: [0; LANES] };
        for (((byte, turned), order), flip) in self.bytes.iter().zip(&mut step.order).zip(&mut step.flip) {
            *order = byte.map_or(NO_BYTE, |byte| (byte - from) as u8);
            *flip = *turned;
        }
        for (byte, bits) in self.forbidden {
            if let Some(forbidden) = step.forbidden.get_mut(byte - from) {
                *forbidden |= bits;
            }
        }
        step
    }
}

#[cfg(target_arch = "x86_64")]
fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("ssse3")
}

/// Makes `count` rows of records; each kind lies so many bytes apart. Whether no forbidden bit was among them.
#[cfg(target_arch = "x86_64")]
fn run(steps: &[Step], records: (&[u8], usize), rows: (&mut [u8], usize), count: usize) -> bool {
    if !is_supported() {
        return true;
    }
    // SAFETY: the processor has the instructions, as was just asked.
    unsafe { run_ssse3(steps, records, rows, count) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn run_ssse3(
    steps: &[Step],
    (records, stride): (&[u8], usize),
    (rows, row_len): (&mut [u8], usize),
    count: usize,
) -> bool {
    use bytemuck::must_cast;
    use std::arch::x86_64::{__m128i, _mm_and_si128, _mm_or_si128, _mm_shuffle_epi8, _mm_xor_si128};

    let mut seen: __m128i = must_cast([0u8; LANES]);
    for row in 0..count {
        let from = records.get(row * stride..).unwrap_or_default();
        let to = rows.get_mut(row * row_len..).unwrap_or_default();
        for step in steps {
            let from = from.get(step.from..).and_then(|bytes| bytes.first_chunk::<LANES>());
            let to = to.get_mut(step.to..).and_then(|bytes| bytes.first_chunk_mut::<LANES>());
            if let (Some(from), Some(to)) = (from, to) {
                let taken: __m128i = must_cast(*from);
                seen = _mm_or_si128(seen, _mm_and_si128(taken, must_cast(step.forbidden)));
                let moved = _mm_shuffle_epi8(taken, must_cast(step.order));
                *to = must_cast::<__m128i, _>(_mm_xor_si128(moved, must_cast(step.flip)));
            }
        }
    }
    must_cast::<_, [u8; LANES]>(seen) == [0; LANES]
}

#[cfg(not(target_arch = "x86_64"))]
fn is_supported() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_steps: &[Step], _records: (&[u8], usize), _rows: (&mut [u8], usize), _count: usize) -> bool {
    true
}
