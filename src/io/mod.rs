//! Where bytes live: file, memory, http, ftp, gzip. The only protocol code.

mod file;
pub(crate) mod gunzip;
pub(crate) mod gzip_write;
pub(crate) mod location;
mod memory;
pub(crate) mod sniff;

pub(crate) use file::DiskFile;
pub(crate) use location::Location;
pub(crate) use memory::MemoryFile;
