//! Where bytes live: file, memory, http, ftp, gzip. The only protocol code.

pub(crate) mod budget;
mod fetched;
mod file;
mod file_sink;
mod ftp;
pub(crate) mod gunzip;
mod gunzip_sink;
pub(crate) mod gzip_write;
pub(crate) mod http;
pub(crate) mod location;
mod memory;
pub(crate) mod replacement;
mod segments;
mod sink;
pub(crate) mod sniff;
mod tls;
mod whole;

pub(crate) use fetched::{Fetched, RangedSource};
pub(crate) use file::DiskFile;
pub(crate) use location::Location;
pub(crate) use memory::MemoryFile;
pub(crate) use replacement::Replacement;
pub(crate) use whole::{Fetching, TransferCounts, WholeFile};
