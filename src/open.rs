//! Opens a file by name: finds out where it is and what its bytes are.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use crate::directory::HduKey;
use crate::engine::{Op, engine, locate_remote};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{OpenFile, Source};
use crate::io::budget::Unlimited;
use crate::io::gunzip::gunzip_whole;
use crate::io::http::{RangedFile, RetryPolicy};
use crate::io::location::{display, is_gzip_name, parse};
use crate::io::sniff::{Content, refuse, sniff};
use crate::io::{DiskFile, Fetched, Fetching, Location, RangedSource, TransferCounts, WholeFile};
use crate::memory;
use crate::options::{OpenOptions, Remote, RemoteMode};
use crate::source::{MemorySource, ReadAt};

/// How many bytes tell what a file is.
const SNIFF_BYTES: usize = crate::format::BLOCK_BYTES as usize;
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
                let error = Error::argument("remote= is for URLs: leave it out for a local file");
                return Op::failed(error.in_file(&display(&Location::Path(path))));
            }
            Op::local(move |_| open_path(&path, &options).in_file(&path.to_string_lossy()))
        }
        Location::Memory => Op::failed(
            Error::new(
                ErrorKind::Argument,
                "memory starts empty, there is nothing to read: use mode 'w+', or from_bytes",
            )
            .in_file(&name.to_string_lossy()),
        ),
        remote => open_remote(remote, options),
    }
}

/// How much of a ranged file the opening request brings: enough for the first header of most files.
const FIRST_RANGE: u64 = 32 << 10;

fn open_remote(location: Location, options: OpenOptions) -> Op<OpenFile> {
    let remote = options.remote.clone().unwrap_or_default();
    if remote.mode == RemoteMode::Ranged {
        let (name, is_gzip) = (display(&location), is_gzip_name(&location));
        return match (location, is_gzip) {
            (Location::Http(url), false) => Op::remote(open_ranged(url, remote, options.lenient)),
            (Location::Http(_), true) => {
                Op::failed(Error::argument("a .gz file can't be read by ranges: leave remote= out").in_file(&name))
            }
            _ => Op::failed(
                Error::argument("only http(s) files can be read by ranges: leave remote= out").in_file(&name),
            ),
        };
    }
    Op::remote(async move {
        let fetching =
            Fetching { client: engine()?.http(), remote: &remote, retry: &RetryPolicy::none(), budget: &Unlimited };
        let file = fetching.fetch(&location, &mut TransferCounts::default()).await?;
        downloaded(&location, file, &options)
    })
}

/// Opens a file that was fetched whole.
pub(crate) fn downloaded(location: &Location, file: WholeFile, options: &OpenOptions) -> Result<OpenFile> {
    let name = Arc::from(display(location));
    let page = file.content_type.filter(|content_type| content_type.contains("html"));
    let opened = in_memory(name, memory::shared(file.bytes), options, file.warning);
    opened.map_err(|error| match page {
        Some(page) => error.noting(&format!("; the server says that it is {page}: check the URL in a browser")),
        None => error,
    })
}

async fn open_ranged(url: Url, remote: Remote, lenient: bool) -> Result<OpenFile> {
    let (ranged, first) = RangedFile::open(engine()?.http(), &url, &remote, FIRST_RANGE).await?;
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
    let source = Arc::new(RangedSource::new(ranged, &first, &remote));
    let file = OpenFile::open(name, lenient, Source::Ranged(Arc::clone(&source)), None);
    let fetched = Fetched::new(source);
    locate_remote(&fetched, |fetched| file.find(&HduKey::Index(0), fetched)).await?;
    Ok(file)
}

fn open_path(path: &Path, options: &OpenOptions) -> Result<OpenFile> {
    let file = DiskFile::new(File::open(path)?)?;
    let mut start = [0; SNIFF_BYTES];
    let start = start.get_mut(..SNIFF_BYTES.min(file.len() as usize)).unwrap_or_default();
    file.read_at(0, start)?;
    let name: Arc<str> = Arc::from(path.to_string_lossy());
    match sniff(start) {
        Content::Fits => opened(name, options, Arc::new(file), None),
        Content::Gzip => in_memory(name, Bytes::from(std::fs::read(path)?), options, None),
        content => Err(refuse(content, file.len(), start)),
    }
}

/// Opens bytes; what is wrong with them is the argument's fault.
pub(crate) fn from_bytes(bytes: Bytes, options: &OpenOptions) -> Result<OpenFile> {
    in_memory(Arc::from(BYTES_NAME), bytes, options, None).map_err(|error| match error.kind() {
        ErrorKind::Truncated | ErrorKind::Corrupt => error.with_kind(ErrorKind::Argument),
        _ => error,
    })
}

/// Opens what was read whole: FITS, or FITS within gzip as often as its bytes say.
fn in_memory(name: Arc<str>, mut bytes: Bytes, options: &OpenOptions, mut warning: Option<String>) -> Result<OpenFile> {
    loop {
        match sniff(&bytes) {
            Content::Fits => break,
            Content::Gzip => {
                let limit = options.remote.as_ref().and_then(|remote| remote.max_bytes).unwrap_or(u64::MAX);
                let plain = gunzip_whole(&bytes, limit).in_file(&name)?;
                warning = plain.warning.or(warning);
                bytes = memory::shared(plain.bytes);
            }
            content => {
                let start = bytes.get(..SNIFF_BYTES.min(bytes.len())).unwrap_or_default();
                return Err(refuse(content, bytes.len() as u64, start).in_file(&name));
            }
        }
    }
    opened(name, options, Arc::new(MemorySource(bytes)), warning)
}

/// Reads the first header, so that what is no FITS file fails here.
fn opened(name: Arc<str>, options: &OpenOptions, source: Arc<dyn ReadAt>, warning: Option<String>) -> Result<OpenFile> {
    let file = OpenFile::open(name, options.lenient, Source::Local(Arc::clone(&source)), warning);
    file.find(&HduKey::Index(0), &*source)?;
    Ok(file)
}
