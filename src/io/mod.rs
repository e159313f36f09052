//! Where bytes live: file, memory, http, ftp, gzip. The only protocol code.

pub(crate) mod abandoned;
pub(crate) mod budget;
mod disk_sink;
mod fetched;
mod file;
mod file_sink;
mod ftp;
pub(crate) mod gunzip;
mod gunzip_sink;
mod gzip_index;
pub(crate) mod gzip_write;
pub(crate) mod http;
pub(crate) mod location;
mod memory;
mod netrc;
mod part_file;
pub(crate) mod replacement;
mod segments;
mod sink;
pub(crate) mod sniff;
mod spool;
mod tls;
pub(crate) mod traffic;
mod whole;

pub(crate) use disk_sink::DiskSink;
pub(crate) use fetched::{Fetched, RangedSource};
pub(crate) use file::DiskFile;
pub(crate) use location::Location;
pub(crate) use memory::MemoryFile;
pub(crate) use part_file::{Finished, PartFile, check_name};
pub(crate) use replacement::Replacement;
pub(crate) use spool::Spool;
pub(crate) use whole::{Fetched as FetchedFile, Fetching, TransferCounts, WholeFile};
