//! Where bytes live: file, memory, http, ftp, gzip. The only protocol code.
