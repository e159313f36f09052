//! The bytes of a file that is being changed: where they are, how a plan reaches them, and when they become durable.

use std::fs::OpenOptions as FileOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::edit::{apply, assemble, copy_range, rearrange};
use crate::engine::engine;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::io::{DiskFile, MemoryFile, Replacement, Spool, gzip_write, replacement};
use crate::source::{EditPlan, Piece, ReadAt, Storage};

/// Where the bytes are.
pub(crate) enum Place {
    Disk(Arc<DiskFile>),
    Memory(Arc<dyn Storage>),
    /// In memory, as it was opened to be read: the first change is made to a copy, which is never written back.
    Opened(Arc<dyn ReadAt>),
    /// In memory, compressed into this file when they are written back.
    Gzip(Arc<MemoryFile>, PathBuf),
}

/// A file that is being changed.
pub(crate) struct Target {
    place: Place,
    /// Whether something has moved or changed since the last write-back.
    changed: bool,
    /// Where a new file can't take the old one's place: change the old one, which a kill can then destroy.
    allow_in_place: bool,
    /// What gets its name only when it is closed.
    unnamed: Option<Unnamed>,
    /// Why an edit failed half way.
    failure: Option<Error>,
}

/// A new file that is not under its name yet.
pub(crate) enum Unnamed {
    /// Beside its place, which it takes.
    Disk(Replacement),
    /// In memory.
    Gzip,
}

impl Target {
    pub(crate) fn new(place: Place, changed: bool, allow_in_place: bool) -> Self {
        Self { place, changed, allow_in_place, unnamed: None, failure: None }
    }

    /// A file on disk: created, or emptied if there is one.
    pub(crate) fn create(path: &Path) -> Result<Place> {
        let file = FileOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Place::Disk(Arc::new(DiskFile::at(path, file)?)))
    }

    /// A file on disk that takes its name when it is closed.
    pub(crate) fn create_unnamed(path: &Path) -> Result<Self> {
        let metadata = path.metadata();
        if metadata.is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::argument("is no regular file, which is all that can be replaced: leave atomic out"));
        }
        if path.exists() {
            // Whoever may not write the file may not replace it either.
            FileOptions::new().write(true).open(path)?;
            replacement::refuse_other_names(path)?;
        }
        let new = Replacement::of(path)?;
        let place = Place::Disk(Arc::new(DiskFile::at(new.path(), new.file().try_clone()?)?));
        Ok(Self { unnamed: Some(Unnamed::Disk(new)), ..Self::new(place, true, false) })
    }

    /// A `.gz` file that takes its name when it is closed.
    pub(crate) fn create_unnamed_gzip(path: &Path) -> Result<Self> {
        // What would keep the file from being written shows at once and not when it is closed.
        drop(Replacement::of(path)?);
        let place = Place::Gzip(Arc::default(), std::path::absolute(path)?);
        Ok(Self { unnamed: Some(Unnamed::Gzip), ..Self::new(place, true, false) })
    }

    /// A `.gz` file that is to be written anew; what it holds stays until then.
    pub(crate) fn create_gzip(path: &Path) -> Result<Place> {
        FileOptions::new().write(true).create(true).truncate(false).open(path)?;
        Self::gzip(path, Vec::new())
    }

    /// A `.gz` file that holds these bytes.
    pub(crate) fn gzip(path: &Path, bytes: Vec<u8>) -> Result<Place> {
        // What would keep the file from being written back shows now and not when it is closed.
        drop(Replacement::beside(path)?);
        Ok(Place::Gzip(Arc::new(MemoryFile::from(bytes)), std::path::absolute(path)?))
    }

    fn storage(&self) -> Result<&dyn Storage> {
        match &self.place {
            Place::Disk(file) => Ok(&**file),
            Place::Memory(memory) => Ok(&**memory),
            Place::Gzip(memory, _) => Ok(&**memory),
            Place::Opened(_) => Err(Error::new(ErrorKind::ReadOnly, "the file is open read-only")),
        }
    }

    /// Whether it is a file that was opened to be read, as it was.
    pub(crate) fn is_as_opened(&self) -> bool {
        matches!(self.place, Place::Opened(_))
    }

    /// Makes of a file that was opened to be read a copy that can be changed; whether there was something to copy.
    pub(crate) fn become_own(&mut self) -> Result<bool> {
        let Place::Opened(opened) = &self.place else { return Ok(false) };
        let copy = MemoryFile::default();
        // At once, and not while it grows.
        copy.set_len(opened.len())?;
        copy_range(&**opened, 0..opened.len(), &copy, 0)?;
        self.place = Place::Memory(Arc::new(copy));
        Ok(true)
    }

    /// The bytes as a reader sees them.
    pub(crate) fn source(&self) -> Arc<dyn ReadAt> {
        match &self.place {
            Place::Disk(file) => Arc::clone(file) as Arc<dyn ReadAt>,
            Place::Memory(memory) => Arc::clone(memory) as Arc<dyn ReadAt>,
            Place::Opened(opened) => Arc::clone(opened),
            Place::Gzip(memory, _) => Arc::clone(memory) as Arc<dyn ReadAt>,
        }
    }

    /// Where to keep what is made for the file before it gets it.
    pub(crate) fn spool(&self) -> Spool {
        match &self.place {
            Place::Disk(file) => file.path().map_or_else(Spool::in_memory, Spool::beside),
            Place::Memory(_) | Place::Opened(_) | Place::Gzip(..) => Spool::in_memory(),
        }
    }

    /// Whether the file was replaced by another one, or another program changed its length: nothing may be written then.
    fn check_unchanged(&self) -> Result<()> {
        match &self.place {
            Place::Disk(file) => file.check_unchanged(),
            _ => Ok(()),
        }
    }

    /// Whether something was changed here, and by nobody else since.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed && self.check_unchanged().is_ok()
    }

    /// Carries out a plan. Where it moves something the source is another one afterwards: readers that still have the old one see the file as it
    /// was.
    pub(crate) fn carry_out(&mut self, plan: EditPlan<'_>) -> Result<()> {
        self.check_usable()?;
        self.check_unchanged()?;
        self.changed = true;
        match plan {
            EditPlan::InPlace(steps) => {
                let applied = apply(steps, self.storage()?);
                self.noting_failure(applied)
            }
            EditPlan::Assemble(pieces) => self.assemble(&pieces),
        }
    }

    /// As [`Target::carry_out`], of new HDUs. Where a value turns out to be none that can be stored, those that go behind the last one are taken back: the file is
    /// cut to the length that it had, and nothing of what it had was changed.
    pub(crate) fn carry_out_or_take_back(&mut self, plan: EditPlan<'_>) -> Result<()> {
        let EditPlan::InPlace(steps) = plan else { return self.carry_out(plan) };
        self.check_usable()?;
        self.check_unchanged()?;
        let storage = self.storage()?;
        let len = storage.len();
        let mut applied = apply(steps, storage);
        if let Err(error) = &applied
            && error.kind() == ErrorKind::Argument
        {
            match storage.set_len(len) {
                Ok(()) => return applied,
                Err(error) => applied = Err(error),
            }
        }
        self.changed = true;
        self.noting_failure(applied)
    }

    /// An error once an edit has failed half way.
    pub(crate) fn check_usable(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn noting_failure(&mut self, result: Result<()>) -> Result<()> {
        if let Err(error) = &result {
            let refusal = format!("an earlier write failed ({error}): close the file and open it again");
            self.failure = Some(Error::new(ErrorKind::Io, refusal));
        }
        result
    }

    fn assemble(&mut self, pieces: &[Piece<'_>]) -> Result<()> {
        let file = match &self.place {
            Place::Disk(file) => Arc::clone(file),
            Place::Memory(_) | Place::Gzip(..) | Place::Opened(_) => return self.assemble_in_memory(pieces),
        };
        let path = file.path().ok_or_else(|| Error::argument("the file has no path"))?;
        match replaced(path, &file, pieces) {
            Ok(new) => {
                file.note_replaced();
                self.place = Place::Disk(Arc::new(new));
                Ok(())
            }
            Err(_) if self.allow_in_place => {
                let rearranged = rearrange(pieces, &*file, self.spool());
                self.noting_failure(rearranged)
            }
            Err(error) => Err(error.noting(
                "; the data behind this change have to move, for which a new file takes the place of the old one \
                 (allow_in_place=True moves them in the old file: a kill can then destroy it)",
            )),
        }
    }

    fn assemble_in_memory(&mut self, pieces: &[Piece<'_>]) -> Result<()> {
        let (old, new) = (self.source(), MemoryFile::default());
        assemble(pieces, &new, |range, at| copy_range(&*old, range, &new, at))?;
        match &mut self.place {
            Place::Memory(memory) => *memory = Arc::new(new),
            Place::Gzip(memory, _) => *memory = Arc::new(new),
            Place::Opened(_) => self.place = Place::Memory(Arc::new(new)),
            Place::Disk(_) => {}
        }
        Ok(())
    }

    /// Writes back what is only in memory. `durable`: also what is on disk survives a loss of power.
    pub(crate) fn flush(&mut self, durable: bool) -> Result<()> {
        match &self.place {
            Place::Disk(file) if durable => {
                file.sync()?;
                file.path().map_or(Ok(()), replacement::sync_directory)
            }
            Place::Gzip(memory, path) if self.changed && self.unnamed.is_none() => {
                let written = memory.with_bytes(|bytes| gzip_write::replace(path, bytes, || engine()?.cpu()));
                written.in_file(&path.to_string_lossy())?;
                self.changed = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Gives a new file its name. To be called when nothing more is written.
    pub(crate) fn publish(&mut self) -> Result<()> {
        match self.unnamed.take() {
            Some(Unnamed::Disk(new)) => new.take_place(false).map(drop),
            Some(Unnamed::Gzip) => self.flush(false),
            None => Ok(()),
        }
    }

    /// Lets go of a file that has no name yet; whether it was one. `remove`: what was written of it goes.
    pub(crate) fn discard(&mut self, remove: bool) -> bool {
        match self.unnamed.take() {
            Some(unnamed) if !remove => {
                std::mem::forget(unnamed);
                true
            }
            Some(_) => true,
            None => false,
        }
    }
}

/// The file that the pieces make, in the place of the old one.
fn replaced(path: &Path, old: &DiskFile, pieces: &[Piece<'_>]) -> Result<DiskFile> {
    replacement::refuse_other_names(path)?;
    let replacement = Replacement::beside(path)?;
    replacement.reserve(pieces.iter().map(Piece::len).sum())?;
    let new = DiskFile::new(replacement.file().try_clone()?)?;
    assemble(pieces, &new, |range, at| replacement.copy_from(old.file(), range, at))?;
    drop(new);
    DiskFile::at(path, replacement.take_place(false)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod faults;
