//! The header of a table as it was before it was compressed in tiles, from that of the compressed one (FITS 4.0 §10.3.1, §10.3.2).

use super::CARD_BYTES;
use super::card::KEYWORD_BYTES;
use super::header::Header;
use crate::error::{Error, Result};

/// Where a card of the header comes from.
enum Origin {
    /// It stays as it is.
    Itself,
    /// It is that of another keyword, under its own name.
    Named(String),
    /// It is of the compressed table only.
    Nowhere,
}

impl Header {
    /// What the header of the uncompressed table says; `self` is that of a compressed one.
    ///
    /// # Errors
    ///
    /// A keyword is missing without which the table has no size or its columns no form.
    pub(crate) fn of_uncompressed_table(&self) -> Result<Self> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for record in &self.records {
            let key = String::from_utf8_lossy(&self.key(record)).into_owned();
            match origin(&key) {
                Origin::Nowhere => {}
                Origin::Itself => bytes.extend_from_slice(self.record_bytes(record)),
                Origin::Named(name) => {
                    let (from, own) = if key.starts_with('Z') { (key.as_str(), &name) } else { (name.as_str(), &key) };
                    let other = self.number(from.as_bytes()).and_then(|number| self.records.get(number));
                    let other = other.ok_or_else(|| {
                        let message = "is mandatory and missing: this is no complete header of a compressed table";
                        Error::illegal(message).in_item(|| format!("keyword {from}"))
                    })?;
                    bytes.extend(format!("{own:<KEYWORD_BYTES$}").bytes());
                    bytes.extend_from_slice(self.record_bytes(other).get(KEYWORD_BYTES..).unwrap_or_default());
                }
            }
        }
        debug_assert!(bytes.len().is_multiple_of(CARD_BYTES));
        Ok(self.clone().with_bytes(&bytes))
    }
}

/// Whether a card of a compressed table, or of the table that it stands for, is about their structure: those of the one are not those of the other.
pub(crate) fn is_of_compressed_table(key: &str) -> bool {
    !matches!(origin(key), Origin::Itself)
}

/// What becomes of a card of the compressed table. Those that each table has keep their place and take the value of the uncompressed one; those that only some
/// have, such as checksums, stand where the compressed table keeps them.
fn origin(key: &str) -> Origin {
    let stem = key.trim_end_matches(|character: char| character.is_ascii_digit());
    let number = key.get(stem.len()..).unwrap_or_default();
    match (stem, number.is_empty()) {
        ("NAXIS", false) if matches!(number, "1" | "2") => Origin::Named(format!("Z{key}")),
        ("PCOUNT", true) => Origin::Named("ZPCOUNT".to_owned()),
        ("TFORM", false) => Origin::Named(format!("ZFORM{number}")),
        ("ZHECKSUM", true) => Origin::Named("CHECKSUM".to_owned()),
        ("ZDATASUM", true) => Origin::Named("DATASUM".to_owned()),
        ("ZTHEAP", true) => Origin::Named("THEAP".to_owned()),
        ("CHECKSUM" | "DATASUM" | "THEAP" | "ZTABLE" | "ZTILELEN" | "ZPCOUNT", true) => Origin::Nowhere,
        ("ZNAXIS" | "ZFORM" | "ZCTYP", false) => Origin::Nowhere,
        _ => Origin::Itself,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cards: &[&str]) -> Header {
        Header::parse(cards.iter().map(|card| format!("{card:<80}")).collect::<String>().as_bytes())
    }

    #[test]
    fn the_cards_of_the_uncompressed_table_take_their_places() {
        let header = header(&[
            "NAXIS1  =                   16 / of tiles",
            "NAXIS2  =                    1",
            "PCOUNT  =                  100",
            "TFIELDS =                    1",
            "TTYPE1  = 'a       '",
            "TFORM1  = '1QB(90) '           / of tiles",
            "EXTNAME = 'TAB     '",
            "ZTABLE  =                    T",
            "ZTILELEN=                   50",
            "ZNAXIS1 =                    4 / bytes",
            "ZNAXIS2 =                   50 / rows",
            "ZPCOUNT =                    0",
            "ZFORM1  = 'J       '           / numbers",
            "ZCTYP1  = 'RICE_1  '",
            "ZHECKSUM= 'abc     '           / then",
            "CHECKSUM= 'def     '",
        ]);
        let cards: Vec<String> = header.of_uncompressed_table().unwrap().cards().collect();
        let cards: Vec<&str> = cards.iter().map(|card| card.trim_end()).collect();
        assert_eq!(
            cards,
            [
                "NAXIS1  =                    4 / bytes",
                "NAXIS2  =                   50 / rows",
                "PCOUNT  =                    0",
                "TFIELDS =                    1",
                "TTYPE1  = 'a       '",
                "TFORM1  = 'J       '           / numbers",
                "EXTNAME = 'TAB     '",
                "CHECKSUM= 'abc     '           / then",
            ]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let header = header(&["NAXIS1  =                   16", "ZNAXIS2 =                    1"]);
        assert!(header.of_uncompressed_table().unwrap_err().to_string().contains("ZNAXIS1"));
    }
}
