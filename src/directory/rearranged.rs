//! HDUs that are inserted and deleted, and what that does to those behind them.

use std::sync::Arc;

use super::{Directory, End, HduEntry};
use crate::error::Result;
use crate::format::HduLayout;
use crate::source::{ReadAt, past_the_end};

impl Directory {
    /// How many HDUs there are.
    ///
    /// # Errors
    ///
    /// Where one can't be read: what would be written behind the last that can would overwrite it. Where the data of the last one are cut short: a new HDU
    /// behind them would make zeros of what is missing, and nobody could tell.
    pub(crate) fn count_whole(&mut self, source: &dyn ReadAt) -> Result<usize> {
        let count = self.count(source)?;
        if let End::Broken(error) = &self.end {
            return Err(error.clone().noting("; a new HDU would overwrite it: copy those before it into a new file"));
        }
        let (Some(last), file_len) = (self.hdus.last(), source.len()) else { return Ok(count) };
        let HduLayout { data_start, data_len, .. } = last.layout;
        if data_len > 0 && data_start.saturating_add(data_len) > file_len {
            let error = past_the_end(data_start, usize::try_from(data_len).unwrap_or(usize::MAX), file_len);
            let remedy =
                "; a new HDU behind it would make zeros of what is missing: copy the HDUs before it into a new file";
            return Err(error.noting(remedy).in_hdu(last.index));
        }
        Ok(count)
    }

    /// Where an HDU starts, or where the next one would.
    pub(crate) fn start_of(&self, index: usize) -> u64 {
        index.checked_sub(1).and_then(|before| self.hdus.get(before)).map_or(0, |hdu| hdu.layout.end())
    }

    /// Notes that an HDU with this header now starts at `start` and stands at `index`, and that those behind it have moved up.
    pub(crate) fn insert(&mut self, index: usize, header: &[u8], start: u64) -> Result<Arc<HduEntry>> {
        let entry = self.entry(header, index, start + header.len() as u64)?;
        let shift = entry.layout.end() - start;
        self.hdus.insert(index.min(self.hdus.len()), Arc::clone(&entry));
        self.renumber(index + 1, shift);
        Ok(entry)
    }

    /// Notes that an HDU is not there any more, and that those behind it have moved down.
    pub(crate) fn remove(&mut self, index: usize) {
        if index >= self.hdus.len() {
            return;
        }
        let start = self.start_of(index);
        let removed = self.hdus.remove(index);
        self.edited.remove(&removed.id);
        self.renumber(index, start.wrapping_sub(removed.layout.end()));
    }

    /// Numbers the HDUs from `first` on by where they stand; their data have moved by `shift`, modulo 2^64.
    pub(super) fn renumber(&mut self, first: usize, shift: u64) {
        for (index, hdu) in self.hdus.iter_mut().enumerate().skip(first) {
            let data_start = hdu.layout.data_start.wrapping_add(shift);
            let layout = HduLayout { data_start, ..hdu.layout.clone() };
            let header = if hdu.index == index {
                Arc::clone(&hdu.header)
            } else {
                Arc::new((*hdu.header).clone().moved_to(&self.file, index))
            };
            let moved = HduEntry { index, ..HduEntry::with_header(hdu, header, layout) };
            *hdu = Arc::new(moved);
        }
    }
}
