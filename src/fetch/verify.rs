//! Whether a file that was downloaded is what it should be.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::Md5;
use sha2::digest::DynDigest;
use sha2::{Digest, Sha256};

use super::download::{Download, Verify};
use crate::error::{Error, Result};
use crate::format::BLOCK_BYTES;
use crate::io::sniff::{Content, refuse, sniff};
use crate::reader::FitsReader;

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Checks size and hashes that were given; reads the file only where there is a hash.
///
/// # Errors
///
/// `Corrupt`, with what was expected and what is there.
pub(super) fn check_hashes(path: &Path, expected: &Download) -> Result<()> {
    let length = path.metadata()?.len();
    if let Some(size) = expected.size.filter(|&size| size != length) {
        return Err(Error::corrupt(format!("the file has {length} bytes, not the {size} of size=")));
    }
    let mut hashes: Vec<(&str, &str, Box<dyn DynDigest>)> = Vec::new();
    if let Some(sha256) = &expected.sha256 {
        hashes.push(("sha256", sha256, Box::new(Sha256::new())));
    }
    if let Some(md5) = &expected.md5 {
        hashes.push(("md5", md5, Box::new(Md5::new())));
    }
    if hashes.is_empty() {
        return Ok(());
    }
    read_all(path, |piece| hashes.iter_mut().for_each(|(_, _, hash)| hash.update(piece)))?;
    for (name, expected, hash) in hashes {
        let found = hexadecimal(&hash.finalize());
        if !found.eq_ignore_ascii_case(expected) {
            return Err(Error::corrupt(format!("the file's {name} is {found}, not {expected}")));
        }
    }
    Ok(())
}

/// Checks a file by what it says itself.
pub(super) fn check_content(path: &Path, verify: Verify) -> Result<()> {
    if verify == Verify::Nothing {
        return Ok(());
    }
    let mut start = Vec::new();
    File::open(path)?.take(BLOCK_BYTES).read_to_end(&mut start)?;
    match sniff(&start) {
        Content::Fits | Content::Gzip => {}
        content => return Err(refuse(content, path.metadata()?.len(), &start)),
    }
    if verify == Verify::DataSums { check_data_sums(path) } else { Ok(()) }
}

fn check_data_sums(path: &Path) -> Result<()> {
    let fits = FitsReader::open(path).wait()?;
    for index in 0..fits.count().wait()? {
        if fits.verify_datasum(index).wait()? == Some(false) {
            return Err(Error::corrupt("the data are not what DATASUM says").in_hdu(index));
        }
    }
    Ok(())
}

fn read_all(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            read => take(piece.get(..read).unwrap_or_default()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
