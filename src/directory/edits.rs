//! Headers that were edited: what the file has of them, and what is still to be written.

use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use super::{Directory, HduEntry, HduId};
use crate::edit::{HeaderChange, change_of_page, header_change};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{HduLayout, Header, HeaderState};
use crate::source::{ReadAt, Step};
use crate::table::TableLayout;

/// The header of an HDU that is being edited.
#[derive(Debug)]
pub(crate) struct EditedHeader {
    pub(crate) header: Header,
    /// The blocks in the file, as this process left them.
    pub(crate) blocks: Vec<u8>,
    /// Whether `header` is more than the file has: it outgrew its blocks and waits for its move.
    pub(crate) staged: bool,
    /// Whether the directory's entry has this header.
    shown: bool,
    /// Memory for the next `blocks`.
    spare: Vec<u8>,
    /// The state of the header that `blocks` are of, where it was noted.
    state: HeaderState,
}

impl EditedHeader {
    fn new(header: Header, blocks: Vec<u8>) -> Self {
        Self { header, blocks, staged: false, shown: true, spare: Vec::new(), state: HeaderState::default() }
    }

    /// How the file gets the header; to be noted by [`EditedHeader::written`] when it has it. `start` is where the header lies.
    pub(crate) fn change(&mut self, start: u64) -> HeaderChange {
        if let Some(range) = self.header.touched_since(self.state)
            && let Some(old) = self.blocks.get(range.clone())
            && let Some(new) = self.header.card_bytes().get(range.clone())
            && let Some(change) = change_of_page(old, new, start + range.start as u64)
        {
            return change;
        }
        self.header.write_to(&mut self.spare);
        header_change(&self.blocks, &self.spare, start)
    }

    /// Notes that the last change is in the file.
    pub(crate) fn written(&mut self) {
        match self.header.touched_since(self.state) {
            Some(range) => {
                let new = self.header.card_bytes().get(range.clone()).unwrap_or_default();
                if let Some(old) = self.blocks.get_mut(range) {
                    old.copy_from_slice(new);
                }
            }
            None => std::mem::swap(&mut self.blocks, &mut self.spare),
        }
        self.state = self.header.note_state();
    }

    /// An error unless the file still has what the steps of a change overwrite. `start` is where the header lies.
    pub(crate) fn check(&self, steps: &[Step<'_>], start: u64, source: &dyn ReadAt) -> Result<()> {
        for step in steps {
            let Step::Write { at, content } = step else { continue };
            let range = *at..*at + content.len();
            let known = self.blocks.get((range.start - start) as usize..(range.end - start) as usize);
            if known != Some(&read(source, range)?) {
                return Err(changed());
            }
        }
        Ok(())
    }
}

impl Directory {
    /// Where the header blocks of an HDU that was found lie in the file.
    pub(crate) fn header_range(&self, index: usize) -> Option<Range<u64>> {
        Some(self.start_of(index)..self.hdus.get(index)?.layout.data_start)
    }

    /// Lends the header of an HDU that was found, to be edited.
    ///
    /// # Errors
    ///
    /// Where the file does not have the header any more that was read from it, as far as that is looked at: at the first edit all of it.
    pub(crate) fn edit(&mut self, index: usize, source: &dyn ReadAt) -> Result<&mut EditedHeader> {
        let missing = || Error::new(ErrorKind::Index, format!("HDU {index} is out of range"));
        let range = self.header_range(index).ok_or_else(missing)?;
        let entry = self.hdus.get(index).ok_or_else(missing)?;
        let edited = match self.edited.entry(entry.id) {
            Entry::Occupied(edited) => edited.into_mut(),
            Entry::Vacant(vacant) => {
                let blocks = read(source, range)?;
                if !entry.header.is_of(&blocks) {
                    return Err(changed());
                }
                let header = (*entry.header).clone();
                vacant.insert(EditedHeader::new(header, blocks))
            }
        };
        edited.shown = false;
        Ok(edited)
    }

    /// Lends the header of an HDU that was found, as it is now; `found` if it was not edited.
    pub(crate) fn with_header<T>(&self, id: HduId, visit: impl FnOnce(&Header) -> T, found: &Header) -> T {
        visit(self.edited.get(&id).map_or(found, |edited| &edited.header))
    }

    /// The headers that wait for their move: where the old ones lie, and the new blocks.
    ///
    /// # Errors
    ///
    /// Where the file does not have the old ones any more.
    pub(crate) fn staged(&self, source: &dyn ReadAt) -> Result<Vec<(Range<u64>, Vec<u8>)>> {
        let mut headers = Vec::new();
        if !self.edited.values().any(|edited| edited.staged) {
            return Ok(headers);
        }
        for (index, hdu) in self.hdus.iter().enumerate() {
            let Some(edited) = self.edited.get(&hdu.id).filter(|edited| edited.staged) else { continue };
            let Some(range) = self.header_range(index) else { continue };
            if read(source, range.clone())? != edited.blocks {
                return Err(changed());
            }
            headers.push((range, edited.header.to_bytes()));
        }
        Ok(headers)
    }

    /// Notes that the staged headers are in the file, and that what followed them has moved.
    pub(crate) fn settle(&mut self) {
        let mut shift = 0i64;
        let starts: Vec<u64> =
            (0..self.hdus.len()).map(|index| self.header_range(index).map_or(0, |range| range.start)).collect();
        for (index, start) in starts.into_iter().enumerate() {
            let Some(entry) = self.hdus.get_mut(index) else { continue };
            let header_len = (entry.layout.data_start - start) as i64;
            if let Some(edited) = self.edited.get_mut(&entry.id).filter(|edited| edited.staged) {
                edited.blocks = edited.header.to_bytes();
                edited.state = edited.header.note_state();
                edited.staged = false;
                edited.shown = false;
                shift += edited.blocks.len() as i64 - header_len;
            }
            if shift != 0 {
                let data_start = entry.layout.data_start.saturating_add_signed(shift);
                let layout = HduLayout { data_start, ..entry.layout.clone() };
                *entry = Arc::new(HduEntry::with_header(entry, Arc::clone(&entry.header), layout));
            }
        }
    }

    /// Whether an HDU that was found is the last one, so that nothing behind it has to stay.
    pub(crate) fn is_last(&mut self, index: usize, source: &dyn ReadAt) -> Result<bool> {
        Ok(self.count(source)? == index + 1)
    }

    /// Where the last HDU that can be read lies.
    pub(crate) fn last_layout(&mut self, source: &dyn ReadAt) -> Result<Option<&HduLayout>> {
        self.count(source)?;
        Ok(self.hdus.last().map(|hdu| &hdu.layout))
    }

    /// Notes that an HDU has another header and another length, and that what follows it has moved as far. `table`: its columns, where they are known.
    pub(crate) fn replace(
        &mut self,
        index: usize,
        header: Header,
        blocks: Vec<u8>,
        layout: HduLayout,
        table: Option<TableLayout>,
    ) {
        let Some(entry) = self.hdus.get_mut(index) else { return };
        let shift = layout.end().wrapping_sub(entry.layout.end());
        let changed = HduEntry::with_header(entry, Arc::new(header.clone()), layout);
        if let Some(table) = table {
            let _ = changed.table.set(table);
        }
        *entry = Arc::new(changed);
        let id = entry.id;
        self.edited.insert(id, EditedHeader::new(header, blocks));
        if shift != 0 {
            self.renumber(index + 1, shift);
        }
    }

    /// Brings the entry of an HDU up to date with its edited header.
    pub(super) fn show(&mut self, index: usize) {
        let Some(entry) = self.hdus.get_mut(index) else { return };
        let Some(edited) = self.edited.get_mut(&entry.id).filter(|edited| !edited.shown) else { return };
        edited.shown = true;
        let header = Arc::new(edited.header.clone());
        *entry = Arc::new(HduEntry::with_header(entry, header, entry.layout.clone()));
    }
}

fn read(source: &dyn ReadAt, range: Range<u64>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(|_| Error::too_large("the header"))?];
    source.read_at(range.start, &mut bytes)?;
    Ok(bytes)
}

fn changed() -> Error {
    Error::new(ErrorKind::Io, "the header was changed by another program: close and reopen")
}
