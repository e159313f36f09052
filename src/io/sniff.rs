//! What bytes are, by their first few. In mode `r` this decides how a file is opened, whatever it is called.

use crate::error::{Error, ErrorKind};

/// The size of a FITS block; no FITS file is shorter.
const BLOCK: usize = 2880;

/// What the first bytes of a file say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Starts like FITS and has at least one block.
    Fits,
    /// A gzip stream.
    Gzip,
    /// A bzip2 stream.
    Bzip2,
    /// An xz stream.
    Xz,
    /// The output of the old Unix `compress` (`.Z`).
    CompressZ,
    /// A zip archive.
    Zip,
    /// No bytes at all.
    Empty,
    /// None of the compressed formats, and shorter than one FITS block.
    Short,
    /// Anything else.
    Other,
}

/// Tells what bytes are. To be given the first FITS block (2880 bytes), or everything where there is less.
pub(crate) fn sniff(bytes: &[u8]) -> Content {
    match bytes {
        [] => Content::Empty,
        [0x1f, 0x8b, ..] => Content::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Content::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Content::Xz,
        [0x1f, 0x9d, ..] => Content::CompressZ,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Content::Zip,
        _ if bytes.len() < BLOCK => Content::Short,
        _ if bytes.starts_with(b"SIMPLE  =") => Content::Fits,
        _ => Content::Other,
    }
}

/// The error for content that can't be opened: names what it is, its size, and what to do.
///
/// `start` are the first bytes, shown where the content is unknown: an HTML page in place of a file is a common accident.
pub(crate) fn refuse(content: Content, size: u64, start: &[u8]) -> Error {
    match content {
        Content::Empty => Error::truncated("the file is empty (0 bytes), so it is no FITS file"),
        Content::Short => Error::truncated(format!(
            "the file has {size} bytes, less than one FITS block of {BLOCK} bytes{}",
            starts_with(start)
        )),
        Content::Bzip2 => compressed(ErrorKind::Corrupt, size, "bzip2", "bunzip2"),
        Content::Xz => compressed(ErrorKind::Corrupt, size, "xz", "unxz"),
        Content::CompressZ => compressed(ErrorKind::Unsupported, size, "compress (.Z)", "uncompress or gunzip"),
        Content::Zip => compressed(ErrorKind::Unsupported, size, "zip", "unzip"),
        Content::Gzip => Error::corrupt(format!(
            "the content ({size} bytes) is gzip, where uncompressed FITS is needed: gunzip it first"
        )),
        Content::Fits => {
            Error::corrupt(format!("the content ({size} bytes) is uncompressed FITS, where gzip is needed"))
        }
        Content::Other => Error::corrupt(format!(
            "the content ({size} bytes) does not start like FITS (SIMPLE  = ){}",
            starts_with(start)
        )),
    }
}

fn compressed(kind: ErrorKind, size: u64, format: &str, program: &str) -> Error {
    Error::new(
        kind,
        format!("the content ({size} bytes) is a {format} file, which is not supported: unpack it first ({program})"),
    )
}

/// The first bytes as a part of a message.
fn starts_with(start: &[u8]) -> String {
    let shown = start.get(..40).unwrap_or(start);
    if shown.is_empty() {
        return String::new();
    }
    let text = start.trim_ascii_start().get(..5).unwrap_or_default().to_ascii_lowercase();
    let hint =
        if text == b"<!doc" || text == b"<html" { " (a web page, probably a server's error message)" } else { "" };
    format!("; it starts with \"{}\"{hint}", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Content, refuse, sniff};
    use crate::ErrorKind;

    #[test]
    fn every_content_is_told_by_its_first_bytes() {
        let mut fits = b"SIMPLE  =                    T".to_vec();
        assert_eq!(sniff(&fits), Content::Short);
        fits.resize(BLOCK, b' ');
        assert_eq!(sniff(&fits), Content::Fits);
        fits[0] = b's';
        assert_eq!(sniff(&fits), Content::Other);
        assert_eq!(sniff(b""), Content::Empty);
        assert_eq!(sniff(&[0x1f, 0x8b]), Content::Gzip);
        assert_eq!(sniff(&[0x1f, 0x8b, 8, 0x10]), Content::Gzip);
        assert_eq!(sniff(b"BZh91AY&SY"), Content::Bzip2);
        assert_eq!(sniff(b"\xfd7zXZ\0\0"), Content::Xz);
        assert_eq!(sniff(b"\x1f\x9d\x90"), Content::CompressZ);
        assert_eq!(sniff(b"PK\x03\x04"), Content::Zip);
        assert_eq!(sniff(b"\x1f"), Content::Short);
    }

    #[test]
    fn refusals_name_the_format_and_the_size() {
        for (content, kind, says) in [
            (Content::Empty, ErrorKind::Truncated, "empty"),
            (Content::Short, ErrorKind::Truncated, "7 bytes"),
            (Content::Bzip2, ErrorKind::Corrupt, "bzip2"),
            (Content::Xz, ErrorKind::Corrupt, "xz"),
            (Content::CompressZ, ErrorKind::Unsupported, ".Z"),
            (Content::Zip, ErrorKind::Unsupported, "zip"),
            (Content::Gzip, ErrorKind::Corrupt, "gzip"),
            (Content::Fits, ErrorKind::Corrupt, "uncompressed FITS"),
            (Content::Other, ErrorKind::Corrupt, "7 bytes"),
        ] {
            let error = refuse(content, 7, b"abc\xff");
            assert_eq!(error.kind(), kind, "{content:?}");
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(refuse(Content::Other, 9000, b" <!DOCTYPE html><p>").to_string().contains("web page"));
    }
}
