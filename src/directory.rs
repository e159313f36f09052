//! Which HDUs a file has: found one after the other as they are asked for (FITS 4.0 §3.1).
//!
//! An HDU follows where the one before ends, if a block there starts like an extension. Anything else behind the last HDU
//! (special records, zeros, the tail of a broken write) is passed over.

mod edits;
mod key;
mod rearranged;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::structure::{check_start, header_end, layout_of};
use crate::format::{BLOCK_BYTES, CARD_BYTES, HduKind, HduLayout, Header, padded};
use crate::source::ReadAt;
use crate::table::TableLayout;
use crate::tiled::{TileCache, as_shown};
use edits::EditedHeader;
pub use key::{HduId, HduKey};

/// How much of a header is read at first; it doubles until the END card is there.
const FIRST_READ: u64 = BLOCK_BYTES;
/// The most cards that a header may have: what has no END by then is no header.
const MOST_CARDS: u64 = 1_000_000;
/// The name that compressed images have besides their own.
const GENERIC_NAME: &str = "COMPRESSED_IMAGE";

/// One HDU: its header, and where its data are.
#[derive(Debug)]
pub(crate) struct HduEntry {
    /// The path or URL of the file, as messages name it.
    pub(crate) file: Arc<str>,
    pub(crate) id: HduId,
    pub(crate) index: usize,
    pub(crate) header: Arc<Header>,
    pub(crate) layout: HduLayout,
    pub(crate) name: Option<String>,
    pub(crate) version: i64,
    /// What [`TableLayout::of`] keeps.
    pub(crate) table: OnceLock<TableLayout>,
    /// The decoded tiles of a compressed image.
    pub(crate) tiles: Arc<TileCache>,
    /// What [`HduEntry::shown`] keeps.
    shown: OnceLock<Arc<Header>>,
}

impl HduEntry {
    fn new(file: Arc<str>, id: HduId, index: usize, header: Arc<Header>, layout: HduLayout) -> Self {
        let name = extension_name(&header);
        let version = header.integer("EXTVER").ok().flatten().unwrap_or(1);
        let (table, tiles, shown) = (OnceLock::new(), Arc::default(), OnceLock::new());
        Self { file, id, index, header, layout, name, version, table, tiles, shown }
    }

    /// The same HDU with another header, at another place.
    pub(crate) fn with_header(before: &Self, header: Arc<Header>, layout: HduLayout) -> Self {
        let tiles = Arc::new(before.tiles.renewed());
        Self { tiles, ..Self::new(Arc::clone(&before.file), before.id, before.index, header, layout) }
    }

    /// The header as a user sees it: of a compressed table that of the uncompressed one, of a compressed image that of the image.
    pub(crate) fn shown(&self) -> &Arc<Header> {
        self.shown.get_or_init(|| match as_shown(&self.header) {
            Cow::Owned(shown) => Arc::new(shown),
            Cow::Borrowed(_) => Arc::clone(&self.header),
        })
    }

    /// Whether the HDU has this name, in any letter case and without surrounding blanks.
    fn is_called(&self, name: &str, version: Option<i64>) -> bool {
        self.name.as_deref().is_some_and(|own| own.trim().eq_ignore_ascii_case(name.trim()))
            && version.is_none_or(|version| version == self.version)
    }
}

/// EXTNAME, or the other one where the first is the generic name of compressed images.
fn extension_name(header: &Header) -> Option<String> {
    let first = header.string("EXTNAME")?;
    if first.trim() != GENERIC_NAME {
        return Some(first);
    }
    let other = header.strings("EXTNAME").find(|name| name.trim() != GENERIC_NAME);
    Some(other.unwrap_or(first))
}

/// The HDUs found so far, and whether there are more.
#[derive(Debug)]
pub(crate) struct Directory {
    file: Arc<str>,
    lenient: bool,
    hdus: Vec<Arc<HduEntry>>,
    end: End,
    /// The headers that were edited.
    edited: HashMap<HduId, EditedHeader>,
    /// The id of the HDU that is found or made next.
    next_id: u64,
}

#[derive(Debug)]
enum End {
    /// There may be more.
    Open,
    /// All are found.
    Reached,
    /// The next one can't be read, for this reason.
    Broken(Error),
}

impl Directory {
    pub(crate) fn new(file: Arc<str>, lenient: bool) -> Self {
        Self { file, lenient, hdus: Vec::new(), end: End::Open, edited: HashMap::new(), next_id: 0 }
    }

    /// The directory of a file that has no HDU yet, because it is about to be written.
    pub(crate) fn empty(file: Arc<str>) -> Self {
        Self { file, lenient: false, hdus: Vec::new(), end: End::Reached, edited: HashMap::new(), next_id: 0 }
    }

    /// Whether an HDU is still as this entry says.
    pub(crate) fn has(&self, hdu: &Arc<HduEntry>) -> bool {
        self.hdus.get(hdu.index).is_none_or(|own| Arc::ptr_eq(own, hdu))
    }

    /// Lets go of what is only kept to be read again.
    pub(crate) fn forget_tiles(&self) {
        self.hdus.iter().for_each(|hdu| hdu.tiles.clear());
    }

    /// The HDU that the key asks for.
    ///
    /// Fails with `Index` or `Key` where there is none. Finds only as many HDUs as are needed to tell.
    pub(crate) fn find(&mut self, key: &HduKey, source: &dyn ReadAt) -> Result<Arc<HduEntry>> {
        let (name, version) = match key {
            HduKey::Index(index) => return self.at(*index, source),
            HduKey::Name(name) => (name, None),
            HduKey::NameVersion(name, version) => (name, Some(*version)),
            HduKey::Id(id) => {
                let index = self.index_of(*id)?;
                return self.at(index as i64, source);
            }
        };
        let mut index = 0;
        while let Some(hdu) = self.get(index, source)? {
            if hdu.is_called(name, version) {
                return Ok(hdu);
            }
            index += 1;
        }
        let wanted = version.map_or_else(String::new, |version| format!(" and EXTVER {version}"));
        let names: Vec<_> = self.hdus.iter().filter_map(|hdu| hdu.name.as_deref()).collect();
        Err(Error::new(ErrorKind::Key, format!("no HDU has EXTNAME '{name}'{wanted}; there are {names:?}")))
    }

    /// The number of the HDU that the key asks for, without bringing its entry up to date.
    pub(crate) fn number(&mut self, key: &HduKey, source: &dyn ReadAt) -> Result<usize> {
        match key {
            HduKey::Index(index) if usize::try_from(*index).is_ok_and(|index| index < self.hdus.len()) => {
                Ok(*index as usize)
            }
            HduKey::Id(id) => self.index_of(*id),
            key => Ok(self.find(key, source)?.index),
        }
    }

    /// Where the HDU with this id stands.
    ///
    /// # Errors
    ///
    /// Where it was deleted.
    pub(crate) fn index_of(&self, id: HduId) -> Result<usize> {
        // As long as nothing was inserted or deleted the id is the number.
        let guess = usize::try_from(id.0).unwrap_or(usize::MAX);
        if self.hdus.get(guess).is_some_and(|hdu| hdu.id == id) {
            return Ok(guess);
        }
        let found = self.hdus.iter().position(|hdu| hdu.id == id);
        found.ok_or_else(deleted)
    }

    /// The HDU with this id as it is at present.
    ///
    /// # Errors
    ///
    /// Where it was deleted.
    pub(crate) fn present(&mut self, id: HduId) -> Result<Arc<HduEntry>> {
        let index = self.index_of(id)?;
        self.show(index);
        self.hdus.get(index).cloned().ok_or_else(deleted)
    }

    fn at(&mut self, index: i64, source: &dyn ReadAt) -> Result<Arc<HduEntry>> {
        let from_front = if index < 0 { self.count(source)? as i64 + index } else { index };
        let found = match usize::try_from(from_front) {
            Ok(index) => self.get(index, source)?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            Error::new(ErrorKind::Index, format!("HDU {index} is out of range: the file has {} HDUs", self.hdus.len()))
        })
    }

    /// How many HDUs there are; one that can't be read counts, and fails when it is asked for.
    pub(crate) fn count(&mut self, source: &dyn ReadAt) -> Result<usize> {
        while matches!(self.end, End::Open) {
            self.walk(source)?;
        }
        Ok(self.hdus.len() + usize::from(matches!(self.end, End::Broken(_))))
    }

    /// HDU number `index`, or `None` if the file has fewer.
    pub(crate) fn get(&mut self, index: usize, source: &dyn ReadAt) -> Result<Option<Arc<HduEntry>>> {
        while self.hdus.len() <= index {
            match &self.end {
                End::Open => self.walk(source)?,
                End::Reached => return Ok(None),
                End::Broken(error) if index == self.hdus.len() => return Err(error.clone()),
                End::Broken(_) => return Ok(None),
            }
        }
        self.show(index);
        Ok(self.hdus.get(index).cloned())
    }

    /// The directory of a file of which only this HDU is of interest.
    pub(crate) fn of_one(hdu: Arc<HduEntry>, lenient: bool) -> Self {
        let file = Arc::clone(&hdu.file);
        Self { file, lenient, next_id: hdu.id.0 + 1, hdus: vec![hdu], end: End::Reached, edited: HashMap::new() }
    }

    /// Finds one more HDU, or the end.
    fn walk(&mut self, source: &dyn ReadAt) -> Result<()> {
        let (index, start) = (self.hdus.len(), self.start_of(self.hdus.len()));
        match hdu_at(&self.file, self.lenient, (index, HduId(self.next_id)), start, source)? {
            Ok(Some(hdu)) => {
                self.next_id += 1;
                self.hdus.push(hdu);
                Ok(())
            }
            Ok(None) => {
                self.end = End::Reached;
                Ok(())
            }
            Err(error) => self.broken(error),
        }
    }

    /// The entry of an HDU that has no id yet.
    fn entry(&mut self, header: &[u8], index: usize, data_start: u64) -> Result<Arc<HduEntry>> {
        let entry = entry(&self.file, self.lenient, (index, HduId(self.next_id)), header, data_start)?;
        self.next_id += 1;
        Ok(entry)
    }

    /// A first HDU that can't be read is the file's own error; a later one ends the walk.
    fn broken(&mut self, error: Error) -> Result<()> {
        let error = error.in_hdu(self.hdus.len()).in_file(&self.file);
        if self.hdus.is_empty() {
            return Err(error);
        }
        self.end = End::Broken(error);
        Ok(())
    }
}

/// The HDU that starts at byte `start` and is to have this number and id, if there is one. The outer result is that of reading: the inner one tells
/// whether the HDU can be used.
pub(crate) fn hdu_at(
    file: &Arc<str>,
    lenient: bool,
    (index, id): (usize, HduId),
    start: u64,
    source: &dyn ReadAt,
) -> Result<Result<Option<Arc<HduEntry>>>> {
    let bytes = match read_header(source, start)? {
        Found::Header(bytes) => bytes,
        Found::Broken(error) => return Ok(Err(error)),
        Found::Nothing => return Ok(Ok(None)),
    };
    if index == 0
        && let Err(error) = check_start(&bytes, source.len())
    {
        return Ok(Err(error));
    }
    let data_start = start.saturating_add(padded(bytes.len() as u64).unwrap_or(u64::MAX));
    Ok(entry(file, lenient, (index, id), &bytes, data_start).map(Some))
}

fn entry(
    file: &Arc<str>,
    lenient: bool,
    (index, id): (usize, HduId),
    header: &[u8],
    data_start: u64,
) -> Result<Arc<HduEntry>> {
    let header = Header::with_rules(header, lenient).placed(file, index);
    let layout = layout_of(&header, index, data_start)?;
    Ok(Arc::new(HduEntry::new(Arc::clone(file), id, index, Arc::new(header), layout)))
}

/// What is found where an HDU may start.
enum Found {
    /// The bytes of a header, up to and with its END card; of a first HDU that does not start like one, the first bytes.
    Header(Vec<u8>),
    /// No header: the file ends, or other bytes follow its last HDU (§3.5).
    Nothing,
    /// A header that can't be used.
    Broken(Error),
}

/// Reads the header that starts at `start`. Fails only where reading does.
fn read_header(source: &dyn ReadAt, start: u64) -> Result<Found> {
    let limit = source.len().min(start.saturating_add(MOST_CARDS * CARD_BYTES as u64));
    if start > 0 && start >= limit {
        return Ok(Found::Nothing);
    }
    let mut bytes = Vec::new();
    let mut wanted = FIRST_READ;
    loop {
        let end = start.saturating_add(wanted).min(limit);
        let have = bytes.len();
        source.require(std::slice::from_ref(&source.ahead_of(start..end)))?;
        bytes.resize(usize::try_from(end.saturating_sub(start)).unwrap_or(have), 0);
        if let Some(new) = bytes.get_mut(have..) {
            source.read_at(start + have as u64, new)?;
        }
        let name: &[u8] = if start == 0 { b"SIMPLE  =" } else { b"XTENSION" };
        if have == 0 && !bytes.starts_with(name) {
            return Ok(if start == 0 { Found::Header(bytes) } else { Found::Nothing });
        }
        // Cards are 80 bytes and so is the step: what was searched need not be searched again.
        if let Some(end) = header_end(&bytes, have / CARD_BYTES * CARD_BYTES) {
            bytes.truncate(end);
            return Ok(Found::Header(bytes));
        }
        if end == limit {
            return Ok(Found::Broken(no_end(start, end, source.len())));
        }
        wanted *= 2;
    }
}

fn deleted() -> Error {
    Error::new(ErrorKind::Closed, "the HDU was deleted from the file")
}

fn no_end(start: u64, end: u64, file_len: u64) -> Error {
    if end < file_len {
        return Error::illegal(format!(
            "the header at byte {start} has no END card among its first {MOST_CARDS} cards"
        ));
    }
    Error::truncated(format!(
        "the header at byte {start} has no END card before the file ends at {file_len}: it is cut short"
    ))
}

impl HduEntry {
    /// The error for an operation on an HDU of the wrong kind.
    pub(crate) fn expected(&self, wanted: &str) -> Error {
        let kind = match self.layout.kind {
            HduKind::Image => "an image",
            HduKind::BinaryTable => "a binary table",
            HduKind::AsciiTable => "an ASCII table",
            HduKind::CompressedImage => "a compressed image",
            HduKind::CompressedTable => "a compressed table",
            HduKind::RandomGroups => "random groups",
            HduKind::Other => "an extension of unknown type",
        };
        Error::argument(format!("the HDU is {kind}, not {wanted}")).in_hdu(self.index)
    }
}

/// Adds file and HDU to the errors of an operation on this HDU.
pub(crate) fn placed<T>(result: Result<T>, file: &str, index: usize) -> Result<T> {
    result.in_hdu(index).in_file(file)
}
