//! Opens a file by name: finds out where it is and what its bytes are.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::directory::HduKey;
use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{OpenFile, Source};
use crate::io::gunzip::gunzip_whole;
use crate::io::location::{display, parse};
use crate::io::sniff::{Content, refuse, sniff};
use crate::io::{DiskFile, Location};
use crate::options::OpenOptions;
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
        Location::Http(_) | Location::Ftp(_) => Op::failed(Error::unsupported("remote files")),
    }
}

fn open_path(path: &Path, options: &OpenOptions) -> Result<OpenFile> {
    let file = DiskFile::new(File::open(path)?)?;
    let mut start = [0; SNIFF_BYTES];
    let start = start.get_mut(..SNIFF_BYTES.min(file.len() as usize)).unwrap_or_default();
    file.read_at(0, start)?;
    let name: Arc<str> = Arc::from(path.to_string_lossy());
    match sniff(start) {
        Content::Fits => opened(name, options, Source::Local(Arc::new(file)), None),
        Content::Gzip => in_memory(name, Bytes::from(std::fs::read(path)?), options),
        content => Err(refuse(content, file.len(), start)),
    }
}

/// Opens bytes; what is wrong with them is the argument's fault.
pub(crate) fn from_bytes(bytes: Bytes, options: &OpenOptions) -> Result<OpenFile> {
    in_memory(Arc::from(BYTES_NAME), bytes, options).map_err(|error| match error.kind() {
        ErrorKind::Truncated | ErrorKind::Corrupt => error.with_kind(ErrorKind::Argument),
        _ => error,
    })
}

/// Opens what was read whole: FITS, or FITS within gzip as often as its bytes say.
pub(crate) fn in_memory(name: Arc<str>, mut bytes: Bytes, options: &OpenOptions) -> Result<OpenFile> {
    let mut warning = None;
    loop {
        match sniff(&bytes) {
            Content::Fits => break,
            Content::Gzip => {
                let limit = options.remote.as_ref().and_then(|remote| remote.max_bytes).unwrap_or(u64::MAX);
                let plain = gunzip_whole(&bytes, limit).in_file(&name)?;
                warning = plain.warning.or(warning);
                bytes = Bytes::from(plain.bytes);
            }
            content => {
                let start = bytes.get(..SNIFF_BYTES.min(bytes.len())).unwrap_or_default();
                return Err(refuse(content, bytes.len() as u64, start).in_file(&name));
            }
        }
    }
    opened(name, options, Source::Local(Arc::new(MemorySource(bytes))), warning)
}

/// Reads the first header, so that what is no FITS file fails here.
fn opened(name: Arc<str>, options: &OpenOptions, source: Source, warning: Option<String>) -> Result<OpenFile> {
    let file = OpenFile::open(name, options.lenient, source, warning);
    let Source::Local(source) = file.source()?;
    file.find(&HduKey::Index(0), &*source)?;
    Ok(file)
}
