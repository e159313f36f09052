//! The one place that changes a file: carries out plans.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::runtime::engine;
use crate::error::{Error, Result};
use crate::io::Spool;
use crate::source::{Content, Piece, Producer, ReadAt, Step, Storage};

/// Where a kill can cut a write.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// How much is made, copied and written at a time: what stays in a core's own cache until it is written. Pieces of a file begin at multiples of it,
/// so that the page cache takes them in as few parts as it can.
const CHUNK_BYTES: u64 = 512 << 10;
/// From this size on what is made is made on all threads.
const LARGE_BYTES: u64 = 4 << 20;

/// Carries out steps in place. A failure leaves the steps before it done; the caller's layout must not take the new state then.
pub(crate) fn apply(steps: Vec<Step<'_>>, storage: &dyn Storage) -> Result<()> {
    let mut scratch = Vec::new();
    for step in steps {
        match step {
            // ext4 writes a file out when it is closed that was once cut to nothing, also where nothing was cut.
            Step::SetLen(len) if len == storage.len() => {}
            Step::SetLen(len) => storage.set_len(len)?,
            Step::Write { at, content } => write(&content, at, storage, &mut scratch)?,
            Step::Scatter(pieces) => pieces(&mut |at, bytes| storage.write_at(at, bytes))?,
        }
    }
    Ok(())
}

fn write(content: &Content<'_>, at: u64, storage: &dyn Storage, scratch: &mut Vec<u8>) -> Result<()> {
    match content {
        Content::Bytes(bytes) => {
            // A kill can cut a write at any page. What starts with these bytes, such as the header of a new HDU, is found by its first ones: they come
            // last, when all that follows is there.
            let first = usize::try_from(PAGE_BYTES - at % PAGE_BYTES).unwrap_or(usize::MAX);
            if let Some((front, rest)) = bytes.split_at_checked(first)
                && !rest.is_empty()
            {
                storage.write_at(at + first as u64, rest)?;
                return storage.write_at(at, front);
            }
            storage.write_at(at, bytes)
        }
        Content::Made { len, producer } | Content::Derived { len, producer } if *len < LARGE_BYTES => {
            in_chunks(0..*len, |range| write_made(range, producer, at, storage, scratch))
        }
        Content::Made { len, producer } | Content::Derived { len, producer } => {
            // In no order: whatever says that these bytes count is written later.
            let free: Mutex<Vec<Vec<u8>>> = Mutex::default();
            let mut start = 0;
            let next = || {
                let range = start..(start + CHUNK_BYTES - (at + start) % CHUNK_BYTES).min(*len);
                start = range.end;
                (!range.is_empty()).then_some(range)
            };
            let work = |range: Range<u64>| {
                let mut scratch = free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
                let written = write_made(range, producer, at, storage, &mut scratch);
                free.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
                written
            };
            engine()?.cpu()?.run(next, work, &mut || Ok(()))
        }
    }
}

/// Makes a piece of the content that goes to `at`, and writes it.
fn write_made(
    range: Range<u64>,
    producer: &Producer<'_>,
    at: u64,
    storage: &dyn Storage,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    scratch.resize((range.end - range.start) as usize, 0);
    producer(range.clone(), scratch)?;
    storage.write_at(at + range.start, scratch)
}

fn in_chunks(range: Range<u64>, mut visit: impl FnMut(Range<u64>) -> Result<()>) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let end = at.saturating_add(CHUNK_BYTES).min(range.end);
        visit(at..end)?;
        at = end;
    }
    Ok(())
}

/// Puts a new file together in an empty storage. `copy` copies a range of the old file to an offset of the new one.
pub(crate) fn assemble(
    pieces: &[Piece<'_>],
    new: &dyn Storage,
    mut copy: impl FnMut(Range<u64>, u64) -> Result<()>,
) -> Result<()> {
    let mut scratch = Vec::new();
    let mut at = 0;
    for piece in pieces {
        match piece {
            Piece::Old(range) => copy(range.clone(), at)?,
            Piece::New(content) => write(content, at, new, &mut scratch)?,
        }
        at += piece.len();
    }
    Ok(())
}

/// Copies bytes of one file into another by way of memory.
pub(crate) fn copy_range(old: &dyn ReadAt, range: Range<u64>, new: &dyn Storage, at: u64) -> Result<()> {
    let mut scratch = Vec::new();
    let start = range.start;
    in_chunks(range, |part| {
        scratch.resize((part.end - part.start) as usize, 0);
        old.read_at(part.start, &mut scratch)?;
        new.write_at(at + (part.start - start), &scratch)
    })
}

/// Changes a file piece by piece where it lies: what a kill interrupts is lost. Pieces are in the same order in the old and the new file. What is
/// derived from the file is made first, and kept aside.
pub(crate) fn rearrange(pieces: &[Piece<'_>], storage: &dyn Storage, mut aside: Spool) -> Result<()> {
    for piece in pieces {
        let Piece::New(Content::Derived { len, producer }) = piece else { continue };
        let mut scratch = Vec::new();
        in_chunks(0..*len, |range| {
            scratch.resize((range.end - range.start) as usize, 0);
            producer(range, &mut scratch)?;
            aside.append(&scratch)
        })?;
    }
    let mut at = 0;
    let mut moves: Vec<(Range<u64>, u64)> = Vec::new();
    let mut writes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Old(range) => moves.push((range.clone(), at)),
            Piece::New(content) => writes.push((content, at)),
        }
        at += piece.len();
    }
    // What moves up does so from the last to the first, what moves down from the first to the last: nothing is overwritten before it was
    // copied.
    for (range, to) in moves.iter().rev().filter(|(range, to)| *to > range.start) {
        move_up(range.clone(), *to, storage)?;
    }
    for (range, to) in moves.iter().filter(|(range, to)| *to < range.start) {
        copy_range(storage, range.clone(), storage, *to)?;
    }
    let mut scratch = Vec::new();
    let mut derived = 0;
    for (content, at) in writes {
        if let Content::Derived { len, .. } = content {
            copy_range(&aside, derived..derived + len, storage, at)?;
            derived += len;
        } else {
            write(content, at, storage, &mut scratch)?;
        }
    }
    storage.set_len(at)
}

/// Moves a range towards the end of the file, its last bytes first.
fn move_up(range: Range<u64>, to: u64, storage: &dyn Storage) -> Result<()> {
    let mut scratch = Vec::new();
    let mut end = range.end;
    while end > range.start {
        let start = end.saturating_sub(CHUNK_BYTES).max(range.start);
        let len = usize::try_from(end - start).map_err(|_| Error::too_large("a piece of the file"))?;
        scratch.resize(len, 0);
        storage.read_at(start, &mut scratch)?;
        storage.write_at(to + (start - range.start), &scratch)?;
        end = start;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::MemoryFile;

    fn memory(bytes: &[u8]) -> MemoryFile {
        let file = MemoryFile::default();
        file.write_at(0, bytes).unwrap();
        file
    }

    /// A file that keeps what it was after each write.
    #[derive(Default)]
    struct Recorder(MemoryFile, std::sync::Mutex<Vec<Vec<u8>>>);

    impl ReadAt for Recorder {
        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
            self.0.read_at(offset, buffer)
        }
    }

    impl Storage for Recorder {
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
            self.0.write_at(offset, bytes)?;
            self.1.lock().unwrap().push(self.0.with_bytes(<[u8]>::to_vec));
            Ok(())
        }

        fn set_len(&self, len: u64) -> Result<()> {
            self.0.set_len(len)
        }
    }

    #[test]
    fn what_begins_in_one_page_and_ends_in_another_appears_at_once() {
        for (at, len) in [(2880, 2880), (0, 4096), (4096, 4096), (4000, 20_000)] {
            let file = Recorder::default();
            apply(vec![Step::Write { at, content: Content::Bytes(vec![7; len]) }], &file).unwrap();
            let states = file.1.into_inner().unwrap();
            let (last, before) = states.split_last().unwrap();
            let at = at as usize;
            assert!(last.len() == at + len && last[at..].iter().all(|&byte| byte == 7));
            assert!(before.len() <= 1 && before.iter().all(|state| state[at] == 0));
        }
    }

    #[test]
    fn what_is_derived_is_made_of_what_was_there() {
        let old: Vec<u8> = (0..3 << 20).map(|number: u32| (number / 977) as u8).collect();
        let source = memory(&old);
        let len = 2 << 20;
        // Bytes that go a little further up than they were, and one more each.
        let producer = |span: Range<u64>, output: &mut [u8]| {
            source.read_at(span.start, output)?;
            output.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
            Ok(())
        };
        let pieces = [
            Piece::New(Content::Bytes(vec![7; 2880])),
            Piece::New(Content::Derived { len, producer: Box::new(producer) }),
            Piece::Old(len..3 << 20),
        ];
        rearrange(&pieces, &source, Spool::in_memory()).unwrap();
        let expected = old.iter().enumerate().map(|(at, byte)| if at < 2 << 20 { byte.wrapping_add(1) } else { *byte });
        assert!(source.with_bytes(|bytes| bytes[..2880] == [7; 2880] && expected.eq(bytes[2880..].iter().copied())));
    }

    proptest! {
        #[test]
        fn both_ways_make_the_file_that_the_pieces_say(cuts in prop::collection::vec((0usize..40, 0usize..40, 0usize..30), 1..6)) {
            let old: Vec<u8> = (0..=255).collect();
            let mut pieces = Vec::new();
            let mut model = Vec::new();
            let mut at = 0;
            for (skip, take, fresh) in cuts {
                let start = (at + skip).min(old.len());
                let end = (start + take).min(old.len());
                pieces.push(Piece::Old(start as u64..end as u64));
                model.extend_from_slice(&old[start..end]);
                at = end;
                pieces.push(Piece::New(Content::Bytes(vec![7; fresh])));
                model.extend(vec![7; fresh]);
            }
            let source = memory(&old);
            let new = MemoryFile::default();
            assemble(&pieces, &new, |range, at| copy_range(&source, range, &new, at)).unwrap();
            prop_assert!(new.with_bytes(|bytes| bytes == model));
            rearrange(&pieces, &source, Spool::in_memory()).unwrap();
            prop_assert!(source.with_bytes(|bytes| bytes == model));
        }
    }
}
