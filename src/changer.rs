//! What changes a file: edits are planned against its directory, carried out on its target, and shown to its readers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::directory::{Directory, HduEntry, HduKey, placed};
use crate::edit::{Extended, HeaderChange, OldHdu, last_block, with_headers};
use crate::engine::Op;
use crate::error::{Result, ResultExt};
use crate::file::{OpenFile, Source};
use crate::format::{BLOCK_BYTES, Header};
use crate::reader::FitsReader;
use crate::source::{EditPlan, ReadAt};
use crate::target::{Place, Target};
use crate::writer::FitsWriter;

/// What changes a file: shared by all clones of a writer, and by the readers that come from it.
pub(crate) struct Changer {
    file: Arc<OpenFile>,
    /// Held during an edit.
    target: Mutex<Target>,
    process: u32,
}

impl Changer {
    pub(crate) fn writer(file: OpenFile, target: Target) -> FitsWriter {
        let file = Arc::new(file);
        let changer = Self { file: Arc::clone(&file), target: Mutex::new(target), process: std::process::id() };
        let shared = Arc::new(changer);
        FitsWriter { reader: FitsReader { file, writer: Some(Arc::clone(&shared)) }, shared }
    }

    /// A reader of a file that was opened to be read. What lies in memory can be changed there.
    pub(crate) fn reader(file: OpenFile) -> FitsReader {
        match file.source() {
            Ok(Source::Local(source)) if source.bytes().is_some() => {
                Self::writer(file, Target::new(Place::Opened(source), false, false)).reader
            }
            _ => FitsReader { file: Arc::new(file), writer: None },
        }
    }

    /// Whether the file was opened to be read and nothing has changed it.
    pub(crate) fn is_as_opened(&self) -> bool {
        self.target.lock().unwrap_or_else(PoisonError::into_inner).is_as_opened()
    }

    /// All bytes of the file.
    pub(crate) fn to_bytes(self: &Arc<Self>) -> Op<Vec<u8>> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target_as_it_is()?;
            shared.settle(&mut target)?;
            shared.file.to_bytes().wait()
        })
    }

    /// Makes what was written durable.
    pub(crate) fn sync(self: &Arc<Self>) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || shared.flush(&mut *shared.target_as_it_is()?, true))
    }

    /// Writes back what is still to be written and closes the file.
    pub(crate) fn close(self: &Arc<Self>) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            if shared.file.is_closed() {
                return Ok(());
            }
            // An edit that runs is waited for. One that failed keeps nothing that was whole before from being written back.
            let mut target = shared.target.lock().unwrap_or_else(PoisonError::into_inner);
            let flushed = shared.flush(&mut target, false);
            let result = flushed.and_then(|()| target.publish().in_file(shared.file.name()));
            // After a failure.
            target.discard(true);
            shared.file.close();
            result
        })
    }

    /// Closes the file where its making has failed.
    pub(crate) fn abandon(self: &Arc<Self>) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            if shared.target.lock().unwrap_or_else(PoisonError::into_inner).discard(true) {
                shared.file.close();
                return Ok(());
            }
            shared.close().wait()
        })
    }

    /// Changes an HDU where it lies: `plan` says how, from what the directory has of it and the file as it is.
    pub(crate) fn change_data<T: Send + 'static>(
        self: &Arc<Self>,
        key: HduKey,
        plan: impl FnOnce(&HduEntry, &dyn ReadAt, &mut dyn FnMut(EditPlan<'_>) -> Result<()>) -> Result<T> + Send + 'static,
    ) -> Op<T> {
        self.change_hdu(key, move |_, target, _, hdu| {
            let source = target.source();
            plan(hdu, &*source, &mut |plan| target.carry_out(plan))
        })
    }

    /// Changes an HDU with its header: `plan` says how, from what it is, and has it carried out.
    pub(crate) fn replace_hdu(
        self: &Arc<Self>,
        key: HduKey,
        plan: impl FnOnce(&OldHdu<'_>, &dyn ReadAt, &mut dyn FnMut(Extended<'_>) -> Result<()>) -> Result<()>
        + Send
        + 'static,
    ) -> Op<()> {
        self.change_hdu(key, move |file, target, directory, hdu| {
            let source = target.source();
            let last = directory.is_last(hdu.index, &*source)?;
            let header_start = directory.header_range(hdu.index).map_or(0, |range| range.start);
            let edited = directory.edit(hdu.index, &*source)?;
            let (header, blocks) = (&edited.header, edited.blocks.as_slice());
            let old = OldHdu { hdu, header, blocks, header_start, last, file_len: source.len() };
            let mut done = None;
            plan(&old, &*source, &mut |changed| {
                let Extended { plan, header, blocks, layout, table } = changed;
                target.carry_out(plan)?;
                done = Some((header, blocks, layout, table));
                Ok(())
            })?;
            if let Some((header, blocks, layout, table)) = done {
                directory.replace(hdu.index, header, blocks, layout, table);
                file.replace_source(target.source());
            }
            Ok(())
        })
    }

    /// Has an HDU changed by one who holds the target and the directory, once the headers that wait are written.
    fn change_hdu<T: Send + 'static>(
        self: &Arc<Self>,
        key: HduKey,
        change: impl FnOnce(&OpenFile, &mut Target, &mut Directory, &HduEntry) -> Result<T> + Send + 'static,
    ) -> Op<T> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target()?;
            let mut directory = shared.file.directory();
            shared.write_staged(&mut target, &mut directory)?;
            let hdu = directory.find(&key, &*target.source()).in_file(shared.file.name())?;
            let changed = change(&shared.file, &mut target, &mut directory, &hdu);
            placed(changed, shared.file.name(), hdu.index)
        })
    }

    /// Changes the header of an HDU, by an edit that does all or nothing.
    pub(crate) fn change_header(
        self: &Arc<Self>,
        key: HduKey,
        edit: impl FnOnce(&mut Header) -> Result<()> + Send + 'static,
    ) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let mut target = shared.target()?;
            let mut directory = shared.file.directory();
            let index = directory.number(&key, &*target.source()).in_file(shared.file.name())?;
            shared.change_held(&mut target, &mut directory, index, edit)
        })
    }

    /// As [`Changer::change_header`], of an HDU that was found, by one who holds what it changes.
    pub(crate) fn change_held(
        &self,
        target: &mut Target,
        directory: &mut Directory,
        index: usize,
        edit: impl FnOnce(&mut Header) -> Result<()>,
    ) -> Result<()> {
        let range = directory.header_range(index).unwrap_or(0..0);
        let changed = (|| {
            let source = target.source();
            let edited = directory.edit(index, &*source)?;
            edit(&mut edited.header)?;
            if edited.staged {
                return Ok(());
            }
            match edited.change(range.start) {
                HeaderChange::Nothing => {}
                HeaderChange::Moves => edited.staged = true,
                HeaderChange::InPlace(steps) => {
                    let checked = edited.check(&steps, range.start, &*source);
                    match checked.and_then(|()| target.carry_out(EditPlan::InPlace(steps))) {
                        Ok(()) => edited.written(),
                        Err(error) => {
                            // What was not written is not shown either.
                            let before = Header::with_rules(&edited.blocks, self.file.lenient());
                            edited.header = before.placed(self.file.name(), index);
                            return Err(error);
                        }
                    }
                }
            }
            Ok(())
        })();
        changed.in_hdu(index).in_file(self.file.name())
    }

    /// The file that is changed.
    pub(crate) fn file(&self) -> &OpenFile {
        &self.file
    }

    /// The target, for an edit; an error once the file is closed or an edit has failed half way. Whoever reads a file that was opened to be read
    /// goes on with what was read, everyone after this with the copy that changes.
    pub(crate) fn target(&self) -> Result<MutexGuard<'_, Target>> {
        let mut target = self.target_as_it_is()?;
        if target.become_own().in_file(self.file.name())? {
            let _directory = self.file.directory();
            self.file.replace_source(target.source());
        }
        Ok(target)
    }

    fn target_as_it_is(&self) -> Result<MutexGuard<'_, Target>> {
        self.file.source()?;
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.check_usable().in_file(self.file.name())?;
        Ok(target)
    }

    /// Writes the headers that outgrew their blocks: all in one move.
    pub(crate) fn write_staged(&self, target: &mut Target, directory: &mut Directory) -> Result<()> {
        let source = target.source();
        let staged = directory.staged(&*source).in_file(self.file.name())?;
        if staged.is_empty() {
            return Ok(());
        }
        let len = source.len();
        target.carry_out(with_headers(len, staged)).in_file(self.file.name())?;
        directory.settle();
        self.file.replace_source(target.source());
        Ok(())
    }

    /// Writes what waits, and fills the last block of a file that came without all of it and was changed.
    fn settle(&self, target: &mut Target) -> Result<()> {
        let mut directory = self.file.directory();
        self.write_staged(target, &mut directory)?;
        let source = target.source();
        if !target.is_changed() || source.len().is_multiple_of(BLOCK_BYTES) {
            return Ok(());
        }
        let last = directory.last_layout(&*source)?;
        let filled =
            last.and_then(|layout| last_block(layout, source.len())).map_or(Ok(()), |plan| target.carry_out(plan));
        filled.in_file(self.file.name())
    }

    fn flush(&self, target: &mut Target, durable: bool) -> Result<()> {
        if target.check_usable().is_ok() {
            self.settle(target)?;
        }
        target.flush(durable).in_file(self.file.name())
    }
}

impl Drop for Changer {
    /// A forgotten file is written back, but only by the process that opened it: a forked child holds a copy.
    fn drop(&mut self) {
        let own = self.process == std::process::id();
        let target = self.target.get_mut().unwrap_or_else(PoisonError::into_inner);
        if target.discard(own) || !own || self.file.is_closed() {
            return;
        }
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.flush(&mut target, false) {
            tracing::error!("a forgotten file could not be written back: {error}");
        }
    }
}
