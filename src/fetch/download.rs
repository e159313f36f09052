//! Many files to disk: each appears under its name when it is complete and checked, and what was begun is gone on with after a kill.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::future::FutureExt;
use percent_encoding::percent_decode_str;

use super::Fetcher;
use super::control::FetchControl;
use super::job::Attempt;
use super::manifest::Manifest;
use super::options::FetchOptions;
use super::queue::{FetchOutcome, FetchQueue};
use super::verify::{check_content, check_hashes};
use crate::engine::{computed, engine};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::io::budget::Budget;
use crate::io::location::{display, parse};
use crate::io::{DiskSink, Fetching, Finished, Location, PartFile, check_name};

/// The memory that a download to disk takes: what is collected before it is written, and as much again that is being written.
const MEMORY_BYTES: u64 = 2 << 20;

/// One file to download: where it is to be had, and what is known about it.
///
/// # Examples
///
/// ```
/// use rustfits::Download;
///
/// let plain = Download::from("https://archive.example/tile.fits");
/// assert_eq!(plain.file_name()?, "tile.fits");
/// let mirrored = Download {
///     urls: vec!["https://archive.example/get?id=7".into(), "ftp://mirror.example/7.fits".into()],
///     name: Some("7.fits".into()),
///     md5: Some("9e107d9d372bb6826bd81d3542a419d6".into()),
///     ..Download::default()
/// };
/// assert_eq!(mirrored.file_name()?, "7.fits");
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Download {
    /// Where it is to be had: each is tried when those before have failed.
    pub urls: Vec<String>,
    /// The name of the file in the directory; `None`: the last part of the first URL's path.
    pub name: Option<String>,
    /// How many bytes it has.
    pub size: Option<u64>,
    /// Its SHA-256, in hexadecimal.
    pub sha256: Option<String>,
    /// Its MD5, in hexadecimal.
    pub md5: Option<String>,
}

impl From<&str> for Download {
    fn from(url: &str) -> Self {
        Self::from(url.to_owned())
    }
}

impl From<String> for Download {
    fn from(url: String) -> Self {
        Self { urls: vec![url], ..Self::default() }
    }
}

impl Download {
    /// The name of the file in the directory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] where a URL is none or names no file, and for a name that would lead out of the directory, is hidden, or
    /// is too long. What a server says about names (`Content-Disposition`, redirects) is never heard.
    pub fn file_name(&self) -> Result<String> {
        let name = match (&self.name, self.urls.first()) {
            (Some(name), _) => name.clone(),
            (None, None) => return Err(Error::argument("a download without a URL: give one at least")),
            (None, Some(url)) => {
                let location = parse(Path::new(url))?;
                let (Location::Http(url) | Location::Ftp(url)) = &location else {
                    return Err(Error::argument(
                        "the name is no URL: only what http(s) and ftp(s) serve is downloaded",
                    ));
                };
                let last = url.path().rsplit('/').next().unwrap_or_default();
                let decoded = percent_decode_str(last).decode_utf8();
                decoded
                    .map_err(|_| Error::argument("the name in the URL is no UTF-8: give another one (name=)"))?
                    .into_owned()
            }
        };
        check_name(&name)?;
        Ok(name)
    }

    fn check(&self) -> Result<()> {
        for (what, text, digits) in [("sha256", &self.sha256, 64), ("md5", &self.md5, 32)] {
            let whole = |text: &String| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if text.as_ref().is_some_and(|text| !whole(text)) {
                return Err(Error::argument(format!("{what} is {digits} hexadecimal digits")));
            }
        }
        Ok(())
    }
}

/// What is checked of each file before it gets its name, besides the length that the server gave and what a [`Download`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verify {
    /// Nothing.
    Nothing,
    /// That it begins as FITS or gzip does: a web page in its place is an error.
    #[default]
    Start,
    /// And that the data of each HDU are what its DATASUM says, where it has one; the file is read for that, and gunzipped in memory.
    DataSums,
}

/// How files are downloaded to disk.
#[derive(Clone, Debug, Default)]
pub struct DownloadOptions {
    /// What is checked of each file.
    pub verify: Verify,
    /// Fetches also what is there already.
    pub overwrite: bool,
    /// A file for what became of each: `.csv` or `.jsonl`. One that is there is replaced.
    pub manifest: Option<PathBuf>,
}

/// A file that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it was there already: the hash that was given fits, else the server says that it is the same (ETag, date, length).
    pub skipped: bool,
    /// How many of its bytes were there from an earlier download that was broken off.
    pub resumed: u64,
}

/// Downloads that are pushed one by one while there is room. Dropping it cancels what runs; what came of it stays for the next time.
///
/// This is what [`Downloads`] is made of, for callers whose URLs don't come from an iterator.
pub struct DownloadQueue {
    queue: FetchQueue<Downloaded>,
    folder: Arc<Folder>,
    /// Hashes of the names that were given, so that no file is written over another one of the same download.
    names: HashSet<u64>,
    hasher: RandomState,
    manifest: Option<Manifest>,
}

/// Where the files go, and how.
struct Folder {
    directory: PathBuf,
    options: DownloadOptions,
}

impl DownloadQueue {
    /// A queue of downloads into a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// Where the directory or the manifest can't be made.
    pub fn new(fetch: FetchOptions, directory: &Path, options: DownloadOptions, known: Option<u64>) -> Result<Self> {
        fetch.check()?;
        let directory = std::path::absolute(directory)?;
        std::fs::create_dir_all(&directory).map_err(Error::from).in_file(&directory.display().to_string())?;
        let manifest = options.manifest.as_deref().map(Manifest::create).transpose()?;
        Ok(Self {
            queue: FetchQueue::new(fetch, known),
            folder: Arc::new(Folder { directory, options }),
            names: HashSet::new(),
            hasher: RandomState::new(),
            manifest,
        })
    }

    /// What can cancel files of this download and say how it goes, from any thread.
    pub fn control(&self) -> FetchControl {
        self.queue.control()
    }

    /// Whether another file should be pushed now.
    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    /// Begins to download a file.
    pub fn push(&mut self, download: Download) {
        match self.name_of(&download) {
            Ok(name) => {
                let names = download.urls.iter().map(PathBuf::from).collect();
                let task = Arc::new(Task { folder: Arc::clone(&self.folder), name, download });
                self.queue.begin(names, move |attempt| {
                    let task = Arc::clone(&task);
                    async move { task.run(attempt).await }.boxed()
                });
            }
            Err(error) => self.queue.push_failed(download.urls.first().map_or("", String::as_str), error),
        }
    }

    /// Takes in what is no download: its outcome is this error, in its turn.
    pub fn push_failed(&mut self, name: &str, error: Error) {
        self.queue.push_failed(name, error);
    }

    fn name_of(&mut self, download: &Download) -> Result<String> {
        download.check()?;
        let name = download.file_name()?;
        // File systems may take names for the same that differ in case.
        if !self.names.insert(self.hasher.hash_one(name.to_lowercase())) {
            let message = format!("another file of this download has the name {name:?}: give each its own (name=)");
            return Err(Error::argument(message));
        }
        Ok(name)
    }

    /// The next outcome; `None` when there is none under way.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<FetchOutcome<Downloaded>>> {
        let outcome = std::task::ready!(self.queue.poll_next(context));
        Poll::Ready(outcome.map(|outcome| self.noted(outcome)))
    }

    /// The next outcome, waited for; see [`FetchQueue::wait_until`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`] once `check` returned true.
    pub fn wait_until(&mut self, check: impl FnMut() -> bool) -> Result<Option<FetchOutcome<Downloaded>>> {
        let outcome = self.queue.wait_until(check)?;
        Ok(outcome.map(|outcome| self.noted(outcome)))
    }

    /// A file whose line can't be written is there all the same, but whoever relies on the manifest has to know.
    fn noted(&self, mut outcome: FetchOutcome<Downloaded>) -> FetchOutcome<Downloaded> {
        if let Some(Err(error)) = self.manifest.as_ref().map(|manifest| manifest.note(&outcome)) {
            outcome.result = outcome.result.and(Err(error));
        }
        outcome
    }
}

/// One file to download.
struct Task {
    folder: Arc<Folder>,
    name: String,
    download: Download,
}

impl Task {
    async fn run(self: Arc<Self>, attempt: Attempt<'_>) -> Result<Downloaded> {
        let url = display(attempt.location);
        self.fetch(attempt).await.in_file(&url)
    }

    async fn fetch(self: Arc<Self>, attempt: Attempt<'_>) -> Result<Downloaded> {
        // With its query and credentials: another token may stand for another file.
        let (Location::Http(url) | Location::Ftp(url)) = attempt.location else {
            return Err(Error::argument("the name is no URL: only what http(s) and ftp(s) serve is downloaded"));
        };
        let url = url.to_string();
        let task = Arc::clone(&self);
        let known = computed(move || task.known(&url)).await?;
        if let Here::Complete(size) = known {
            return Ok(Downloaded { path: self.path(), size, skipped: true, resumed: 0 });
        }
        let (Location::Http(url) | Location::Ftp(url)) = attempt.location else { return Err(Error::cancelled()) };
        let (task, source) = (Arc::clone(&self), url.to_string());
        let part = computed(move || Ok(Arc::new(PartFile::open(&task.folder.directory, &task.name, &source)?))).await?;
        let held = attempt.share.admit(MEMORY_BYTES).await;
        let result = match held {
            Ok(()) => {
                Arc::clone(&self).into_part(&attempt.options.remote(attempt.location), attempt, &part, known).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            let lasting = !error.is_transient() && error.kind() != ErrorKind::Cancelled;
            computed(move || if lasting || part.beginning().is_none() { part.discard() } else { Ok(()) }).await?;
        }
        result
    }

    fn path(&self) -> PathBuf {
        self.folder.directory.join(&self.name)
    }

    /// What is at the place of the file.
    fn known(&self, url: &str) -> Result<Here> {
        let path = self.path();
        let Some(known) = Finished::known(&path, url).in_file(&path.display().to_string())? else {
            return Ok(Here::Nothing);
        };
        if self.folder.options.overwrite {
            return Ok(Here::Nothing);
        }
        if self.download.sha256.is_some() || self.download.md5.is_some() {
            // A hash says more than a server.
            let fits = check_hashes(&path, &self.download).is_ok();
            return Ok(if fits { Here::Complete(known.length) } else { Here::Nothing });
        }
        if self.download.size.is_some_and(|size| size != known.length) {
            return Ok(Here::Nothing);
        }
        Ok(Here::Version(known))
    }

    /// Downloads the file, checks it and puts it in its place; once more from the start if what came before turned out to be wrong.
    async fn into_part(
        self: Arc<Self>,
        remote: &crate::Remote,
        attempt: Attempt<'_>,
        part: &Arc<PartFile>,
        here: Here,
    ) -> Result<Downloaded> {
        let Attempt { location, retry, share, traffic, counts, .. } = attempt;
        let fetching = Fetching { client: engine()?.http(), remote, retry, budget: share, traffic };
        let known = match here {
            Here::Version(known) => Some(known),
            _ => None,
        };
        let mut beginning = {
            let part = Arc::clone(part);
            computed(move || Ok(part.beginning())).await?
        };
        loop {
            let began = beginning.clone();
            let mut resumed = began.as_ref().map_or(0, |began| began.position);
            let mut sink = DiskSink::new(Arc::clone(part), resumed, remote.max_bytes);
            if !fetching.fetch_to_disk(location, beginning.take(), known.clone(), &mut sink, counts).await? {
                let (path, size) = (self.path(), known.as_ref().map_or(0, |known| known.length));
                let part = Arc::clone(part);
                computed(move || part.discard()).await?;
                return Ok(Downloaded { path, size, skipped: true, resumed: 0 });
            }
            let mut version = began.map(|began| began.version).unwrap_or_default();
            if sink.began_anew() {
                (resumed, version) = (0, sink.version().clone());
            }
            let size = sink.position();
            let (task, finished) = (Arc::clone(&self), Arc::clone(part));
            let placed = computed(move || {
                check_hashes(finished.path(), &task.download)?;
                check_content(finished.path(), task.folder.options.verify)?;
                finished.finish(&version, size)
            });
            match placed.await {
                Ok(()) => return Ok(Downloaded { path: self.path(), size, skipped: false, resumed }),
                Err(_) if resumed > 0 => {
                    let part = Arc::clone(part);
                    computed(move || part.clear()).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is at the place of a file.
enum Here {
    /// Nothing of use.
    Nothing,
    /// The file, for certain.
    Complete(u64),
    /// A file of some version, which the server can tell from another one.
    Version(crate::io::http::Known),
}

/// The outcomes of a download: a stream, and for blocking code an iterator through [`Downloads::wait`].
pub struct Downloads<I> {
    files: I,
    exhausted: bool,
    queue: DownloadQueue,
}

impl Fetcher {
    /// Downloads files into a directory. The iterator is read lazily; nothing is downloaded before the stream is polled.
    ///
    /// Each file appears under its name when it is complete, checked and durable. Before that it is `.NAME.rustfits-part`, with
    /// `.NAME.rustfits-journal` beside it; a later download goes on from there if the server still has the same version (http: by its
    /// ETag or date; FTP: by its size, and its date where the server tells). A file that is complete and unchanged is not fetched again. Files keep the bytes that the server has: gzip stays gzip.
    ///
    /// # Errors
    ///
    /// Where the directory or the manifest can't be made.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rustfits::{DownloadOptions, Fetcher};
    ///
    /// let urls = ["https://archive.example/1.fits", "https://archive.example/2.fits"];
    /// for outcome in Fetcher::new().download(urls, "tiles", DownloadOptions::default())?.wait() {
    ///     match outcome.result {
    ///         Ok(file) => println!("{}: {} bytes", file.path.display(), file.size),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn download<I>(
        &self,
        files: I,
        directory: impl AsRef<Path>,
        options: DownloadOptions,
    ) -> Result<Downloads<I::IntoIter>>
    where
        I: IntoIterator,
        I::Item: Into<Download>,
    {
        let files = files.into_iter();
        let known = files.size_hint().1.map(|upper| upper as u64);
        let queue = DownloadQueue::new(self.options.clone(), directory.as_ref(), options, known)?;
        Ok(Downloads { files, exhausted: false, queue })
    }
}

impl<I: Iterator> Downloads<I>
where
    I::Item: Into<Download>,
{
    fn fill(&mut self) {
        while !self.exhausted && self.queue.has_room() {
            match self.files.next() {
                Some(file) => self.queue.push(file.into()),
                None => self.exhausted = true,
            }
        }
    }

    /// What can cancel files of this download and say how it goes, from any thread.
    pub fn control(&self) -> FetchControl {
        self.queue.control()
    }

    /// The same outcomes for blocking code: each `next` waits for one. As [`Fetch::wait`](super::Fetch::wait).
    pub fn wait(mut self) -> impl Iterator<Item = FetchOutcome<Downloaded>> {
        std::iter::from_fn(move || {
            self.fill();
            self.queue.wait_until(|| false).ok().flatten()
        })
    }
}

impl<I: Iterator + Unpin> Stream for Downloads<I>
where
    I::Item: Into<Download>,
{
    type Item = FetchOutcome<Downloaded>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FetchOutcome<Downloaded>>> {
        self.fill();
        self.queue.poll_next(context)
    }
}
