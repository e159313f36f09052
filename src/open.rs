//! Opens a file by name: finds out where it is and what its bytes are.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use crate::directory::HduKey;
use crate::engine::{Op, Watch, arriving, aside, engine, locate_remote};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{OpenFile, Source};
use crate::io::budget::Unlimited;
use crate::io::gunzip::{Gunzipped, gunzip_whole};
use crate::io::http::{RangedFile, RetryPolicy};
use crate::io::location::{display, is_gzip_name, parse};
use crate::io::remedy::with_remedy;
use crate::io::sniff::{Content, refuse, sniff};
use crate::io::traffic::FREE;
use crate::io::{
    Arrival, Awaited, DiskFile, Fetched, FetchedFile, Fetching, Keep, Location, MOST_GZIP_LAYERS, RangedSource,
    TransferCounts, WholeFile, too_many_layers,
};
use crate::memory;
use crate::options::{OpenOptions, Remote, RemoteMode};
use crate::source::{MemorySource, ReadAt};
use crate::target::{Place, Target};

/// How many bytes tell what a file is.
const SNIFF_BYTES: usize = crate::format::BLOCK_BYTES as usize;
/// Gunzipping less than this takes no longer than a few milliseconds.
const SLOW_GZIP_BYTES: usize = 1 << 20;
/// The name of a file that was given as bytes.
const BYTES_NAME: &str = "<bytes>";

/// Opens a file for reading.
pub(crate) fn open(name: &Path, options: OpenOptions) -> Op<OpenFile> {
    let location = match parse(name) {
        Ok(location) => location,
        Err(error) => return Op::failed(error.in_file(&name.to_string_lossy())),
    };
    match location {
        Location::Path(path) => {
            if options.remote.is_some() {
                return Op::failed(remote_of_local().in_file(&display(&Location::Path(path))));
            }
            Op::local(move |watch| {
                with_remedy(open_path(&path, &options, watch), &path).in_file(&path.to_string_lossy())
            })
        }
        Location::Memory => Op::failed(nothing_to_read().in_file(&name.to_string_lossy())),
        remote => open_remote(remote, options),
    }
}

/// The name that leads to the same file from any directory.
pub(crate) fn absolute(name: &Path) -> Result<PathBuf> {
    match parse(name)? {
        Location::Path(path) => Ok(std::path::absolute(path)?),
        _ => Ok(name.to_owned()),
    }
}

/// The error for options of a transfer where there is none.
pub(crate) fn remote_of_local() -> Error {
    Error::argument("remote= is for URLs: leave it out for a local file")
}

/// The error for `mem://` opened to be read.
pub(crate) fn nothing_to_read() -> Error {
    Error::argument("memory starts empty, there is nothing to read: use mode 'w+', or from_bytes")
}

/// How much of a ranged file the opening request brings: enough for the first header of most files.
const FIRST_RANGE: u64 = 32 << 10;

fn open_remote(location: Location, options: OpenOptions) -> Op<OpenFile> {
    let remote = options.remote.clone().unwrap_or_default();
    if remote.mode == RemoteMode::Ranged
        && let Err(error) = has_ranges(&location)
    {
        return Op::failed(error);
    }
    if remote.mode == RemoteMode::Stream {
        return Op::remote(open_arriving(location, remote, options.lenient));
    }
    Op::remote(async move {
        let fetching = Fetching {
            client: engine()?.http(),
            remote: &remote,
            retry: &RetryPolicy::brief(),
            budget: &Unlimited,
            traffic: &FREE,
        };
        fetched(&fetching, &location, &options, &mut TransferCounts::default(), memory::shared).await
    })
}

/// The URL of a file that may be read by ranges.
fn has_ranges(location: &Location) -> Result<&Url> {
    let error = match (location, is_gzip_name(location)) {
        (Location::Http(url), false) => return Ok(url),
        (Location::Http(_), true) => Error::argument("a .gz file can't be read by ranges: leave remote= out"),
        _ => Error::argument("only http(s) files can be read by ranges: leave remote= out"),
    };
    Err(error.in_file(&display(location)))
}

/// Fetches and opens a file, whole or by ranges; `share` is as in [`downloaded`].
pub(crate) async fn fetched(
    fetching: &Fetching<'_>,
    location: &Location,
    options: &OpenOptions,
    counts: &mut TransferCounts,
    share: fn(Vec<u8>) -> Bytes,
) -> Result<OpenFile> {
    if fetching.remote.mode == RemoteMode::Ranged {
        let (file, first) = fetching.fetch_ranged(has_ranges(location)?, FIRST_RANGE, counts).await?;
        return ranged(file, first, fetching.remote, options.lenient).await;
    }
    if fetching.remote.mode != RemoteMode::Auto {
        return downloaded(location, fetching.fetch(location, counts).await?, options, share);
    }
    let opened = match fetching.fetch_auto(location, FIRST_RANGE, counts).await {
        Ok(FetchedFile::Ranged(file, first)) => {
            return ranged(*file, first, fetching.remote, options.lenient).await;
        }
        Ok(FetchedFile::Whole(file)) => downloaded(location, file, options, share),
        Err(error) => Err(error),
    };
    opened.map_err(|error| match error.kind() {
        ErrorKind::TooLarge => error.noting(TOO_LARGE_AND_WHOLE),
        _ => error,
    })
}

/// What is said of a file that is too large, and was to be read by ranges where that can be done.
const TOO_LARGE_AND_WHOLE: &str = "; it can't be read by ranges (the server ignores them, or it is gzip or on ftp), so all of it has to fit: \
    raise max_bytes=, or read it with rustfits.stream (Rust: FitsStream), which holds little at once";

/// Opens a file that is read while it arrives.
async fn open_arriving(location: Location, remote: Remote, lenient: bool) -> Result<OpenFile> {
    let name: Arc<str> = Arc::from(display(&location));
    let arrival = transfer(location, remote.clone(), Keep::All(remote.max_bytes))?;
    let view = Awaited::new(Arc::clone(&arrival));
    check_arrival(&arrival).await.in_file(&name)?;
    let file = OpenFile::open(name, lenient, Source::Arriving(arrival), None);
    locate_remote(&view, |source| file.find(&HduKey::Index(0), source)).await?;
    Ok(file)
}

/// Begins to fetch a file that is read meanwhile.
pub(crate) fn transfer(location: Location, remote: Remote, keep: Keep) -> Result<Arc<Arrival>> {
    arriving(keep, move |sink| {
        Box::pin(async move {
            let (client, retry) = (engine()?.http(), &RetryPolicy::brief());
            let fetching = Fetching { client, remote: &remote, retry, budget: &Unlimited, traffic: &FREE };
            fetching.fetch_into(&location, sink).await
        })
    })
}

/// Waits for the start of a file that arrives, and refuses what is not FITS.
pub(crate) async fn check_arrival(arrival: &Arc<Arrival>) -> Result<()> {
    let view = Awaited::new(Arc::clone(arrival));
    let start = locate_remote(&view, |source| {
        let mut start = vec![0; SNIFF_BYTES.min(usize::try_from(source.len()).unwrap_or(usize::MAX))];
        source.require(std::slice::from_ref(&(0..start.len() as u64)))?;
        source.read_at(0, &mut start)?;
        Ok(start)
    });
    let start = start.await?;
    match sniff(&start) {
        Content::Fits => Ok(()),
        content => {
            let len = if arrival.len() == u64::MAX { arrival.arrived() } else { arrival.len() };
            let page = arrival.content_type().filter(|content_type| content_type.contains("html"));
            Err(noting_page(refuse(content, len, &start), page))
        }
    }
}

/// Adds what the server says that a page is which came in place of a file.
fn noting_page(error: Error, page: Option<String>) -> Error {
    match page {
        Some(page) => error.noting(&format!("; the server says that it is {page}: check the URL in a browser")),
        None => error,
    }
}

/// Opens a file that was fetched whole.
///
/// `share` says what becomes of its memory.
fn downloaded(
    location: &Location,
    file: WholeFile,
    options: &OpenOptions,
    share: fn(Vec<u8>) -> Bytes,
) -> Result<OpenFile> {
    let name = Arc::from(display(location));
    let page = file.content_type.filter(|content_type| content_type.contains("html"));
    let opened = in_memory(name, share(file.bytes), options, file.warning, &mut Watch::none());
    opened.map_err(|error| noting_page(error, page))
}

/// Opens a file that is read by ranges, of which the first bytes are here.
async fn ranged(ranged: RangedFile, first: Bytes, remote: &Remote, lenient: bool) -> Result<OpenFile> {
    let name: Arc<str> = Arc::from(ranged.name());
    match sniff(&first) {
        Content::Fits => {}
        Content::Gzip => {
            return Err(
                Error::argument("the file is gzip, which can't be read by ranges: leave remote= out").in_file(&name)
            );
        }
        content => return Err(refuse(content, ranged.len(), &first).in_file(&name)),
    }
    let source = Arc::new(RangedSource::new(ranged, &first, remote));
    let file = OpenFile::open(name, lenient, Source::Ranged(Arc::clone(&source)), None);
    let fetched = Fetched::beginning(source, &first);
    locate_remote(&fetched, |fetched| file.find(&HduKey::Index(0), fetched)).await?;
    Ok(file)
}

fn open_path(path: &Path, options: &OpenOptions, watch: &mut Watch<'_>) -> Result<OpenFile> {
    let file = DiskFile::open(path)?;
    let start = first_bytes(&file)?;
    let name: Arc<str> = Arc::from(path.to_string_lossy());
    match sniff(&start) {
        Content::Fits => opened(name, options, Arc::new(file), None),
        Content::Gzip => in_memory(name, Bytes::from(std::fs::read(path)?), options, None, watch),
        content => Err(refuse(content, file.len(), &start)),
    }
}

/// What tells what a file is.
fn first_bytes(file: &DiskFile) -> Result<Vec<u8>> {
    let mut start = vec![0; SNIFF_BYTES.min(file.len() as usize)];
    file.read_at(0, &mut start)?;
    Ok(start)
}

/// Opens a file on disk to be changed. Its name says whether it is gzip, because it is written back as what it is called.
pub(crate) fn for_changes(path: &Path, called_gzip: bool, watch: &mut Watch<'_>) -> Result<Place> {
    let file = DiskFile::at(path, File::options().read(true).write(true).open(path)?)?;
    let start = first_bytes(&file)?;
    match (sniff(&start), called_gzip) {
        (Content::Fits, false) => Ok(Place::Disk(Arc::new(file))),
        (Content::Gzip, true) => {
            let (plain, _) = unpacked(Bytes::from(std::fs::read(path)?), &OpenOptions::default(), None, watch)?;
            Target::gzip(path, plain.into())
        }
        (Content::Fits, true) => {
            Err(Error::new(ErrorKind::Io, "is called .gz and is not compressed: rename it, then open it"))
        }
        (Content::Gzip, false) => {
            Err(Error::new(ErrorKind::Io, "is gzip and not called .gz: rename it, or gunzip it, then open it"))
        }
        (content, _) => Err(refuse(content, file.len(), &start)),
    }
}

/// Opens bytes; what is wrong with them is the argument's fault.
pub(crate) fn from_bytes(bytes: Bytes, options: &OpenOptions, watch: &mut Watch<'_>) -> Result<OpenFile> {
    in_memory(Arc::from(BYTES_NAME), bytes, options, None, watch).map_err(fault_of_argument)
}

/// The name of a file that is given as bytes, and its bytes unpacked.
pub(crate) fn plain_bytes(bytes: Vec<u8>, options: &OpenOptions, watch: &mut Watch<'_>) -> Result<(Arc<str>, Vec<u8>)> {
    let unpacked = unpacked(Bytes::from(bytes), options, None, watch).in_file(BYTES_NAME);
    let (plain, _) = unpacked.map_err(fault_of_argument)?;
    Ok((Arc::from(BYTES_NAME), plain.into()))
}

fn fault_of_argument(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Truncated | ErrorKind::Corrupt => error.with_kind(ErrorKind::Argument),
        _ => error,
    }
}

/// Opens what was read whole: FITS, or FITS within gzip.
fn in_memory(
    name: Arc<str>,
    bytes: Bytes,
    options: &OpenOptions,
    warning: Option<String>,
    watch: &mut Watch<'_>,
) -> Result<OpenFile> {
    let (plain, warning) = unpacked(bytes, options, warning, watch).in_file(&name)?;
    opened(name, options, Arc::new(MemorySource(plain)), warning)
}

/// The FITS file that the bytes are, or that is gzip within them, with the warnings about it.
fn unpacked(
    mut bytes: Bytes,
    options: &OpenOptions,
    mut warning: Option<String>,
    watch: &mut Watch<'_>,
) -> Result<(Bytes, Option<String>)> {
    for layer in 0.. {
        match sniff(&bytes) {
            Content::Fits => break,
            // There are gzip files that gunzip to themselves.
            Content::Gzip if layer == MOST_GZIP_LAYERS => {
                return Err(too_many_layers());
            }
            Content::Gzip => {
                let plain = gunzip(bytes, options, watch)?;
                warning = plain.warning.or(warning);
                bytes = memory::shared(plain.bytes);
            }
            content => {
                let start = bytes.get(..SNIFF_BYTES.min(bytes.len())).unwrap_or_default();
                return Err(refuse(content, bytes.len() as u64, start));
            }
        }
    }
    Ok((bytes, warning))
}

/// Gunzips a file; on another thread where it takes long, so that this one can be interrupted.
fn gunzip(bytes: Bytes, options: &OpenOptions, watch: &mut Watch<'_>) -> Result<Gunzipped> {
    let asked = options.remote.as_ref().and_then(|remote| remote.max_bytes);
    let limit = asked.unwrap_or_else(memory::available);
    if bytes.len() < SLOW_GZIP_BYTES {
        return gunzip_whole(&bytes, limit, None);
    }
    aside(move || gunzip_whole(&bytes, limit, Some(engine()?.cpu()?)), watch)
}

/// Reads the first header, so that what is no FITS file fails here.
pub(crate) fn opened(
    name: Arc<str>,
    options: &OpenOptions,
    source: Arc<dyn ReadAt>,
    warning: Option<String>,
) -> Result<OpenFile> {
    let file = OpenFile::open(name, options.lenient, Source::Local(Arc::clone(&source)), warning);
    file.find(&HduKey::Index(0), &*source)?;
    Ok(file)
}
