//! An open file: where its bytes are, and which HDUs it has. What readers and writers, blocking and async, share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::directory::{Directory, HduEntry, HduKey, placed};
use crate::engine::{Buffer, Op, computed, locate_remote, run_plan, run_remote};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::DataType;
use crate::io::{Arrival, Awaited, Fetched, Partial, RangedSource};
use crate::options::OpenOptions;
use crate::source::{BufferSize, ReadAt, ReadPlan};

/// An open file.
pub(crate) struct OpenFile {
    /// The path or URL (without credentials), as messages name it.
    name: Arc<str>,
    lenient: bool,
    /// `None` once the file is closed.
    source: RwLock<Option<Source>>,
    directory: Mutex<Directory>,
    /// Something about the file that the user should know, though it could be read.
    warning: Option<String>,
    /// What it takes to open it again.
    opening: Option<Opening>,
}

/// The name and the options under which a file was opened to be read.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The name; of a file on disk its absolute path.
    pub name: PathBuf,
    /// The options.
    pub options: OpenOptions,
}

/// Where the bytes are.
#[derive(Clone)]
pub(crate) enum Source {
    /// At hand: on disk or in memory.
    Local(Arc<dyn ReadAt>),
    /// On a server that sends ranges.
    Ranged(Arc<RangedSource>),
    /// On its way, from its first byte to its last.
    Arriving(Arc<Arrival>),
}

impl Source {
    /// What an operation reads: all there is, or what is brought here as it is needed.
    fn view(self) -> Result<Arc<dyn ReadAt>, Arc<dyn Partial>> {
        match self {
            Self::Local(source) => Ok(source),
            Self::Ranged(source) => Err(Arc::new(Fetched::new(source))),
            Self::Arriving(arrival) => Err(Arc::new(Awaited::new(arrival))),
        }
    }
}

impl OpenFile {
    /// Opens a file over its source and reads the first header.
    pub(crate) fn open(name: Arc<str>, lenient: bool, source: Source, warning: Option<String>) -> Self {
        let directory = Mutex::new(Directory::new(Arc::clone(&name), lenient));
        Self { name, lenient, source: RwLock::new(Some(source)), directory, warning, opening: None }
    }

    /// A file of which these HDUs are known.
    pub(crate) fn of_directory(name: Arc<str>, lenient: bool, source: Source, directory: Directory) -> Self {
        let directory = Mutex::new(directory);
        Self { name, lenient, source: RwLock::new(Some(source)), directory, warning: None, opening: None }
    }

    /// A file that has no HDU yet.
    pub(crate) fn create(name: Arc<str>, source: Source) -> Self {
        let directory = Mutex::new(Directory::empty(Arc::clone(&name)));
        Self { name, lenient: false, source: RwLock::new(Some(source)), directory, warning: None, opening: None }
    }

    /// Notes how the file was opened.
    pub(crate) fn opened_by(self, opening: Opening) -> Self {
        Self { opening: Some(opening), ..self }
    }

    pub(crate) fn opening(&self) -> Option<&Opening> {
        self.opening.as_ref()
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn lenient(&self) -> bool {
        self.lenient
    }

    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The source, or the error that the file is closed.
    pub(crate) fn source(&self) -> Result<Source> {
        let source = self.source.read().unwrap_or_else(PoisonError::into_inner).clone();
        match source {
            // Once all of it is here, it is a file in memory like others.
            Some(Source::Arriving(arrival)) if arrival.is_complete() => Ok(Source::Local(arrival)),
            Some(source) => Ok(source),
            None => Err(Error::new(ErrorKind::Closed, "the file is closed: open it again").in_file(&self.name)),
        }
    }

    /// Whether only the touched ranges of the file are fetched.
    pub(crate) fn is_ranged(&self) -> bool {
        matches!(self.source(), Ok(Source::Ranged(_)))
    }

    /// Whether the file came, or comes, in a way in which it can't be changed in memory.
    pub(crate) fn is_remote(&self) -> bool {
        let source = self.source.read().unwrap_or_else(PoisonError::into_inner);
        matches!(*source, Some(Source::Ranged(_) | Source::Arriving(_)))
    }

    /// The HDUs whose headers are here, where the file arrives and more may come; nothing is waited for.
    pub(crate) fn arrived_hdus(&self) -> Option<Vec<Arc<HduEntry>>> {
        let Ok(Source::Arriving(arrival)) = self.source() else { return None };
        let (view, mut directory) = (Awaited::new(arrival), self.directory());
        Some((0..).map_while(|index| directory.get(index, &view).ok().flatten()).collect())
    }

    /// Lets go of the source; what runs goes on with it to its end.
    pub(crate) fn close(&self) {
        *self.source.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.directory().forget_tiles();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.source.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The HDU that the key asks for. A local file is asked at its present source: an edit that moves data changes both at once.
    pub(crate) fn find(&self, key: &HduKey, source: &dyn ReadAt) -> Result<Arc<HduEntry>> {
        let mut directory = self.directory();
        match self.source() {
            Ok(Source::Local(source)) => directory.find(key, &*source).in_file(&self.name),
            // Remote; or closed since the operation began, which goes on with what it has.
            _ => directory.find(key, source).in_file(&self.name),
        }
    }

    /// The HDU that the key asks for in a local file, and the source that has it where it says: the present one, or `before` if the file was
    /// closed since the operation began.
    pub(crate) fn find_local(&self, key: &HduKey, before: Arc<dyn ReadAt>) -> Result<(Arc<HduEntry>, Arc<dyn ReadAt>)> {
        let mut directory = self.directory();
        let source = match self.source() {
            Ok(Source::Local(source)) => source,
            _ => before,
        };
        Ok((directory.find(key, &*source).in_file(&self.name)?, source))
    }

    /// Plans a read of an HDU in a local file. An edit can come between the look at the layout and that at the descriptors of a heap, which name more
    /// than the layout then says: what can't be planned is planned again with the new layout.
    fn locate_local<P>(
        &self,
        key: &HduKey,
        before: Arc<dyn ReadAt>,
        locate: impl Fn(&HduEntry, &dyn ReadAt) -> Result<P>,
    ) -> Result<(Arc<HduEntry>, Arc<dyn ReadAt>, P)> {
        loop {
            let (hdu, source) = self.find_local(key, Arc::clone(&before))?;
            let plan = locate(&hdu, &*source);
            if plan.is_ok() || self.directory().has(&hdu) {
                let plan = placed(plan, &self.name, hdu.index)?;
                return Ok((hdu, source, plan));
            }
        }
    }

    /// How many HDUs there are.
    pub(crate) fn count(&self, source: &dyn ReadAt) -> Result<usize> {
        let mut directory = self.directory();
        match self.source() {
            Ok(Source::Local(source)) => directory.count(&*source),
            _ => directory.count(source),
        }
    }

    /// Goes over to another source, whose layout the directory has: the caller holds its lock. A file that was closed meanwhile stays closed.
    pub(crate) fn replace_source(&self, new: Arc<dyn ReadAt>) {
        let mut source = self.source.write().unwrap_or_else(PoisonError::into_inner);
        if source.is_some() {
            *source = Some(Source::Local(new));
        }
    }

    /// All bytes of the file.
    pub(crate) fn to_bytes(self: &Arc<Self>) -> Op<Vec<u8>> {
        self.locate(|_, source| {
            // Of a file that arrives, the length may be known only at its end.
            source.require(std::slice::from_ref(&(0..source.len())))?;
            let len = usize::try_from(source.len()).map_err(|_| Error::too_large("the file is larger than memory"))?;
            let mut bytes = Buffer::allocate(BufferSize { data_type: DataType::U8, elements: len }, false)?;
            source.read_at(0, bytes.bytes_mut())?;
            Ok(bytes.into_bytes())
        })
    }

    /// An operation that reads metadata only.
    pub(crate) fn locate<T: Send + 'static>(
        self: &Arc<Self>,
        locate: impl Fn(&Self, &dyn ReadAt) -> Result<T> + Send + Sync + 'static,
    ) -> Op<T> {
        let file = Arc::clone(self);
        match self.source().map(Source::view) {
            Err(error) => Op::failed(error),
            Ok(Ok(source)) => Op::local(move |_| locate(&file, &*source).in_file(&file.name)),
            Ok(Err(partial)) => {
                Op::remote(
                    async move { locate_remote(&*partial, |source| locate(&file, source)).await.in_file(&file.name) },
                )
            }
        }
    }

    /// An operation that reads data of one HDU: `locate` plans it, `finish` turns the filled buffers into the result.
    pub(crate) fn read<P: ReadPlan, T: Send + 'static>(
        self: &Arc<Self>,
        key: HduKey,
        locate: impl Fn(&HduEntry, &dyn ReadAt) -> Result<P> + Send + Sync + 'static,
        finish: impl FnOnce(P, Vec<Buffer>) -> Result<T> + Send + 'static,
    ) -> Op<T> {
        let file = Arc::clone(self);
        match self.source().map(Source::view) {
            Err(error) => Op::failed(error),
            Ok(Ok(source)) => Op::local(move |watch| {
                let (hdu, source, plan) = file.locate_local(&key, source, locate)?;
                let result = run_plan(&plan, &*source, watch).and_then(|buffers| finish(plan, buffers));
                placed(result, &file.name, hdu.index)
            }),
            Ok(Err(partial)) => Op::remote(async move {
                let hdu = locate_remote(&*partial, |source| file.find(&key, source)).await.in_file(&file.name)?;
                let result = async {
                    let plan = locate_remote(&*partial, |source| locate(&hdu, source)).await?;
                    let (plan, buffers) = run_remote(plan, &partial).await?;
                    computed(move || finish(plan, buffers)).await
                };
                placed(result.await, &file.name, hdu.index)
            }),
        }
    }
}
