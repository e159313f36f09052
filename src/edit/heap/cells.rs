//! Bytes of rows that are there, written so that a kill leaves each as it was or as it is to be.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::source::{Content, Piece, ReadAt, Scatter};

/// Where a kill can cut a write.
const PAGE_BYTES: u64 = 4096;
/// How many bytes of cells that follow each other are written at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Bytes of the rows of a table, in ascending order, all of one width: whole rows, or the descriptors of a column.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    width: usize,
    /// Where each starts, counted from the first row.
    starts: Vec<u64>,
    bytes: Vec<u8>,
}

impl Cells {
    /// Without any cell yet.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, starts: Vec::new(), bytes: Vec::new() }
    }

    /// Adds the bytes at `start`, counted from the first row; they are `width` ones, and behind those that were added before.
    pub(crate) fn push(&mut self, start: u64, bytes: &[u8]) {
        self.starts.push(start);
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// An error unless the cells are in order and within so many bytes of rows.
    pub(super) fn check(&self, rows_len: u64) -> Result<()> {
        let width = self.width as u64;
        let ordered = self.starts.is_sorted_by(|one, next| one.checked_add(width).is_some_and(|end| end <= *next));
        let within = self.starts.last().is_none_or(|last| last.checked_add(width).is_some_and(|end| end <= rows_len));
        if self.starts.len().checked_mul(self.width) == Some(self.bytes.len()) && ordered && within {
            return Ok(());
        }
        Err(Error::argument("cells of a table are out of order, or lie outside of its rows"))
    }

    fn each(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.starts.iter().copied().zip(self.bytes.chunks_exact(self.width.max(1)))
    }

    /// Whether a kill could leave one of the cells half written: whether its bytes differ on both sides of the end of a page.
    pub(super) fn can_be_torn(&self, data_start: u64, source: &dyn ReadAt) -> Result<bool> {
        let mut before = vec![0; self.width];
        for (start, bytes) in self.each() {
            let at = data_start + start;
            if at / PAGE_BYTES == (at + self.width as u64 - 1) / PAGE_BYTES {
                continue;
            }
            source.read_at(at, &mut before)?;
            let differs = |(old, new): (&u8, &u8)| old != new;
            let first = before.iter().zip(bytes).position(differs);
            let last = before.iter().zip(bytes).rposition(differs);
            if let (Some(first), Some(last)) = (first, last)
                && (at + first as u64) / PAGE_BYTES != (at + last as u64) / PAGE_BYTES
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the cells, those that follow each other in one go.
    pub(super) fn writes<'p>(self, data_start: u64) -> Box<Scatter<'p>> {
        Box::new(move |write| {
            let mut first = 0;
            while let Some(&start) = self.starts.get(first) {
                let mut end = first + 1;
                while (end - first + 1) * self.width <= CHUNK_BYTES
                    && self.starts.get(end) == Some(&(start + ((end - first) * self.width) as u64))
                {
                    end += 1;
                }
                let bytes = self.bytes.get(first * self.width..end * self.width).unwrap_or_default();
                write(data_start + start, bytes)?;
                first = end;
            }
            Ok(())
        })
    }

    /// The rows in a range of the file with these cells in them.
    pub(super) fn patched<'p>(self, rows: Range<u64>, source: &'p dyn ReadAt) -> Option<Piece<'p>> {
        if rows.is_empty() {
            return None;
        }
        if self.is_empty() {
            return Some(Piece::Old(rows));
        }
        let len = rows.end - rows.start;
        let producer = move |span: Range<u64>, output: &mut [u8]| {
            source.read_at(rows.start + span.start, output)?;
            self.patch(span, output);
            Ok(())
        };
        Some(Piece::New(Content::Made { len, producer: Box::new(producer) }))
    }

    /// Puts the cells into `rows`, which are the bytes in `span`.
    fn patch(&self, span: Range<u64>, rows: &mut [u8]) {
        let width = self.width as u64;
        let first = self.starts.partition_point(|start| start + width <= span.start);
        let touched = self.starts.iter().enumerate().skip(first).take_while(|(_, start)| **start < span.end);
        for (number, &start) in touched {
            let cell = self.bytes.get(number * self.width..(number + 1) * self.width).unwrap_or_default();
            let (from, to) = (start.max(span.start), (start + width).min(span.end));
            let place = rows.get_mut((from - span.start) as usize..(to - span.start) as usize);
            let bytes = cell.get((from - start) as usize..(to - start) as usize);
            if let (Some(place), Some(bytes)) = (place, bytes) {
                place.copy_from_slice(bytes);
            }
        }
    }
}
