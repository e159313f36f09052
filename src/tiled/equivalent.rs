//! The image that a compressed image stands for, as an HDU of its own (FITS 4.0 §10.1.1): its header, and the checksum of its data. What is shown and edited of the
//! header of a compressed table (§10.3.1) is here, too.

use std::borrow::Cow;

use super::copy::result_offset;
use super::grid::{Hits, TouchedTile};
use super::read::TiledPlan;
use crate::error::Result;
use crate::format::checksum::Sum;
use crate::format::endian::swap_in_place;
use crate::format::{CARD_BYTES, Header, is_of_compressed_table};
use crate::source::{ReadAt, ReadPlan, does_not_fit, resize};

/// Keywords of the image that stand under another name, in the order in which a header has them.
const RENAMED: &[(&str, &str)] = &[
    ("ZSIMPLE", "SIMPLE"),
    ("ZTENSION", "XTENSION"),
    ("ZBITPIX", "BITPIX"),
    ("ZNAXIS", "NAXIS"),
    ("ZEXTEND", "EXTEND"),
    ("ZPCOUNT", "PCOUNT"),
    ("ZGCOUNT", "GCOUNT"),
    ("ZBLOCKED", "BLOCKED"),
    ("ZHECKSUM", "CHECKSUM"),
    ("ZDATASUM", "DATASUM"),
];
/// Keywords of the table and of the compression.
const DROPPED: &[&str] = &[
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "ZIMAGE", "ZCMPTYPE", "ZMASKCMP",
    "ZQUANTIZ", "ZDITHER0", "ZSCALE", "ZZERO", "ZBLANK", "CHECKSUM", "DATASUM", "EXTEND", "BLOCKED",
];
/// Such keywords with a number behind them.
const DROPPED_NUMBERED: &[&str] = &["NAXIS", "TTYPE", "TFORM", "TDIM", "ZTILE", "ZNAME", "ZVAL"];
/// The mandatory keywords that come first in the header of the image.
const FIRST: usize = 4;
/// What a table is called that has no other name.
const GENERIC_NAME: &[u8] = b"'COMPRESSED_IMAGE'";

/// What a card of the table is to the image.
enum Role {
    /// It is one of the image.
    Plain,
    /// It is one of the image, where it has this keyword, and this place among [`RENAMED`].
    Renamed(usize, String),
    /// It is of the table or the compression.
    Dropped,
}

/// The header as a user sees it: of a compressed image that of the image, of a compressed table that of the uncompressed one. One that can't be translated is shown
/// as it is.
pub(crate) fn as_shown(header: &Header) -> Cow<'_, Header> {
    let uncompressed = match Packed::of(header) {
        Some(Packed::Image) => Some(image_header(header)),
        Some(Packed::Table) => header.of_uncompressed_table().ok(),
        None => None,
    };
    uncompressed.map_or(Cow::Borrowed(header), Cow::Owned)
}

/// What a binary table stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packed {
    Image,
    Table,
}

impl Packed {
    fn of(header: &Header) -> Option<Self> {
        let is_table = |name: String| matches!(name.trim_end(), "BINTABLE" | "A3DTABLE");
        header.string("XTENSION").filter(|name| is_table(name.clone()))?;
        match (header.flag("ZIMAGE"), header.flag("ZTABLE")) {
            (true, _) => Some(Self::Image),
            (false, true) => Some(Self::Table),
            (false, false) => None,
        }
    }
}

/// The header of the image: what remains when the table and the compression are taken away.
pub(crate) fn image_header(header: &Header) -> Header {
    let (mut first, mut rest) = (vec![Vec::new(); FIRST], Vec::new());
    for (card, role) in roles(header, Packed::Image) {
        match role {
            Role::Dropped => {}
            Role::Plain => rest.extend_from_slice(card),
            Role::Renamed(place, name) => {
                let place = first.get_mut(place).unwrap_or(&mut rest);
                place.extend_from_slice(format!("{name:<8}").as_bytes());
                place.extend_from_slice(card.get(8..).unwrap_or_default());
            }
        }
    }
    let mut bytes = first.concat();
    bytes.extend(rest);
    header.clone().with_bytes(&bytes)
}

/// Edits a header as a user sees it; of a compressed image or table the cards of the stored table and of the compression stay what they are, and where.
pub(crate) fn edit_as_shown(header: &mut Header, edit: impl FnOnce(&mut Header) -> Result<()>) -> Result<()> {
    let Some(packed) = Packed::of(header) else { return edit(header) };
    let Cow::Owned(mut shown) = as_shown(header) else { return edit(header) };
    edit(&mut shown)?;
    // Keywords of the structure are protected: they are as they were.
    let is_structural = |card: &&[u8]| {
        let keyword = keyword(card);
        match packed {
            Packed::Image => is_axis(&keyword) || RENAMED.iter().any(|(_, name)| keyword == *name),
            Packed::Table => is_of_compressed_table(&keyword),
        }
    };
    let new: Vec<&[u8]> = shown.card_bytes().chunks_exact(CARD_BYTES).filter(|card| !is_structural(card)).collect();
    let old: Vec<&[u8]> =
        roles(header, packed).filter(|(_, role)| matches!(role, Role::Plain)).map(|(card, _)| card).collect();
    let same = |(old, new): &(&&[u8], &&[u8])| old == new;
    let front = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (old.get(front..).unwrap_or_default(), new.get(front..).unwrap_or_default());
    let back = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let changed = front..old.len() - back;
    let instead = new.get(front..new.len() - back).unwrap_or_default().concat();
    let mut bytes = Vec::with_capacity(header.card_bytes().len() + instead.len());
    let mut number = 0;
    for (card, role) in roles(header, packed) {
        match role {
            Role::Dropped | Role::Renamed(..) => bytes.extend_from_slice(card),
            Role::Plain => {
                if number == front {
                    bytes.extend_from_slice(&instead);
                }
                if !changed.contains(&number) {
                    bytes.extend_from_slice(card);
                }
                number += 1;
            }
        }
    }
    if number <= front {
        bytes.extend_from_slice(&instead);
    }
    *header = header.clone().with_bytes(&bytes);
    Ok(())
}

/// The cards of a stored table with what each is to what it stands for; those of a compressed table that are not plain all count as dropped.
fn roles(header: &Header, packed: Packed) -> impl Iterator<Item = (&[u8], Role)> {
    let mut dropped = false;
    header.card_bytes().chunks_exact(CARD_BYTES).map(move |card| {
        let name = keyword(card);
        // What goes on with a card goes with it.
        if name == "CONTINUE" {
            return (card, if dropped { Role::Dropped } else { Role::Plain });
        }
        if packed == Packed::Table {
            dropped = is_of_compressed_table(&name);
            return (card, if dropped { Role::Dropped } else { Role::Plain });
        }
        let generic = name == "EXTNAME" && card.get(10..).is_some_and(|value| value.starts_with(GENERIC_NAME));
        let renamed = renamed(&name);
        dropped = renamed.is_none() && (generic || is_dropped(&name));
        match renamed {
            Some((place, name)) => (card, Role::Renamed(place, name)),
            None => (card, if dropped { Role::Dropped } else { Role::Plain }),
        }
    })
}

fn keyword(card: &[u8]) -> String {
    String::from_utf8_lossy(card.get(..8).unwrap_or_default().trim_ascii_end()).into_owned()
}

fn is_axis(keyword: &str) -> bool {
    keyword.strip_prefix("NAXIS").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name that a keyword has in the image, and its place among [`RENAMED`]; SIMPLE and XTENSION have the same.
fn renamed(keyword: &str) -> Option<(usize, String)> {
    let stem = keyword.trim_end_matches(|character: char| character.is_ascii_digit());
    let place = RENAMED.iter().position(|(name, _)| *name == keyword || (*name == "ZNAXIS" && *name == stem))?;
    let name = RENAMED.get(place)?.1;
    let number = if name == "NAXIS" { keyword.get(stem.len()..).unwrap_or_default() } else { "" };
    Some((place.saturating_sub(1), format!("{name}{number}")))
}

fn is_dropped(keyword: &str) -> bool {
    let stem = keyword.trim_end_matches(|character: char| character.is_ascii_digit());
    DROPPED.contains(&keyword) || (stem.len() < keyword.len() && DROPPED_NUMBERED.contains(&stem))
}

impl TiledPlan {
    /// The checksum of the big-endian pixels of part `index`, where they lie in the data of the image; for a read of all stored pixels.
    pub(crate) fn sum(&self, index: usize, source: &dyn ReadAt) -> Result<Sum> {
        let sizes = self.output_sizes(index);
        let size = self.scaling.data_type().size();
        let mut pixels = Vec::new();
        resize(&mut pixels, sizes.first().copied().unwrap_or(0))?;
        self.decode(index, source, &mut [&mut pixels])?;
        swap_in_place(size, false, &mut pixels);
        let mut rest = pixels.as_slice();
        let mut touched = TouchedTile::default();
        let mut sum = Sum::default();
        for number in self.part(index) {
            self.grid().look(number, &mut touched);
            let block = rest.split_off(..touched.count().saturating_mul(size)).ok_or_else(does_not_fit)?;
            let Some((inner, outer)) = touched.hits.split_last() else { continue };
            let Hits::Range { output, .. } = *inner else { continue };
            for (row, bytes) in block.chunks_exact((inner.count() * size).max(1)).enumerate() {
                let start = result_offset(outer, self.grid().output_strides(), row) + output;
                sum = sum.with(sum_at((start * size) as u64, bytes));
            }
        }
        Ok(sum)
    }
}

/// The sum of bytes that start at this offset of the data.
pub(super) fn sum_at(offset: u64, bytes: &[u8]) -> Sum {
    let lead = (offset % 4) as usize;
    let (head, rest) = bytes.split_at(if lead == 0 { 0 } else { (4 - lead).min(bytes.len()) });
    let mut word = [0; 4];
    if let Some(place) = word.get_mut(lead..lead + head.len()) {
        place.copy_from_slice(head);
    }
    Sum::of(&word).with(Sum::of(rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn sums_of_pieces_are_those_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in [0usize, 1, 2, 3, 50, 254] {
            let pieces = [0..cut, cut..cut + 1, cut + 1..256];
            let sum = pieces
                .into_iter()
                .fold(Sum::default(), |sum, piece| sum.with(sum_at(piece.start as u64, &bytes[piece])));
            assert!(sum.is_same(Sum::of(&bytes)));
        }
    }

    #[test]
    fn the_header_of_the_image_is_what_is_not_of_the_table() {
        let mut header = Header::new();
        for (keyword, value) in
            [("XTENSION", "BINTABLE"), ("TTYPE1", "COMPRESSED_DATA"), ("EXTNAME", "COMPRESSED_IMAGE")]
        {
            header.set_structural(keyword, value, "").unwrap();
        }
        for keyword in ["BITPIX", "NAXIS1", "ZNAXIS12", "ZTILE1", "ZBITPIX", "ZVAL1", "TFIELDS", "NAXIS", "ZNAXIS"] {
            header.set_structural(keyword, 7, "of the image").unwrap();
        }
        header.set("OBJECT", "x".repeat(150)).unwrap();
        header.set("ZOOM", 3).unwrap();
        header.set_structural("ZHECKSUM", "abc", "").unwrap();
        header.set_structural("ZTENSION", "IMAGE", "").unwrap();
        let image = image_header(&header);
        let keywords: Vec<String> = image.keywords().collect();
        assert_eq!(keywords, ["XTENSION", "BITPIX", "NAXIS12", "NAXIS", "OBJECT", "ZOOM", "CHECKSUM"]);
        assert_eq!(image.comment("BITPIX").unwrap(), "of the image");
        assert_eq!(image.get::<String>("OBJECT").unwrap(), "x".repeat(150));
    }

    #[test]
    fn edits_of_the_image_leave_the_table_alone() {
        let mut header = Header::new();
        for (keyword, value) in [("XTENSION", "BINTABLE"), ("TTYPE1", "COMPRESSED_DATA")] {
            header.set_structural(keyword, value, "").unwrap();
        }
        header.set_structural("ZIMAGE", true, "").unwrap();
        header.set_structural("ZBITPIX", 16, "").unwrap();
        header.set("A", 1).unwrap();
        header.set_structural("ZNAXIS", 1, "").unwrap();
        header.set("B", 2).unwrap();
        header.set_structural("ZQUANTIZ", "NONE", "").unwrap();
        let keywords = |header: &Header| header.keywords().collect::<Vec<_>>().join(" ");
        let edited = |edit: &dyn Fn(&mut Header) -> Result<()>| {
            let mut header = header.clone();
            edit_as_shown(&mut header, edit).unwrap();
            header
        };
        assert_eq!(keywords(&as_shown(&header)), "BITPIX NAXIS A B");
        assert_eq!(edited(&|_| Ok(())).to_bytes(), header.to_bytes());
        let one = edited(&|header| header.set("A", 7));
        assert_eq!((keywords(&one), one.get::<i64>("A").unwrap()), (keywords(&header), 7));
        assert_eq!(keywords(&edited(&|header| header.remove("A"))), "XTENSION TTYPE1 ZIMAGE ZBITPIX ZNAXIS B ZQUANTIZ");
        let more = edited(&|header| header.set("C", 3));
        assert_eq!(keywords(&more), "XTENSION TTYPE1 ZIMAGE ZBITPIX A ZNAXIS B ZQUANTIZ C");
        assert!(edit_as_shown(&mut header.clone(), |header| header.set("NAXIS", 3)).is_err());
        assert!(edit_as_shown(&mut header.clone(), |header| header.set("ZBITPIX", 3)).is_err());
    }
}
