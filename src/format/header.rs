//! A header as read: the cards as they stand, found by keyword through a hash (FITS 4.0 §4).

use std::collections::HashMap;
use std::sync::OnceLock;

use super::card::{CARD_BYTES, KEYWORD_BYTES, is_printable, text, trimmed_length};
use super::long::parse_long;
use super::record::Record;
use super::touched::Touched;
use super::value::{FromValue, Value, ValueAndComment, parse, parse_number, parse_value, refused};
use crate::error::{Error, ErrorKind, Result, ResultExt};

/// In a header of no more records looking through them is as fast as an index, which would have to be made first.
const FEW_RECORDS: usize = 72;

/// The header of one HDU: keywords with values and comments, in card order.
///
/// Looking up a keyword takes one hash, in any letter case. A card that breaks the rules keeps nothing else from being read: only its own
/// value is refused.
///
/// # Examples
///
/// ```
/// use rustfits::Header;
///
/// let cards = format!("{:<80}{:<80}", "EXPTIME =                 99.9 / seconds", "END");
/// let header = Header::parse(cards.as_bytes());
/// assert_eq!(header.get::<f64>("exptime")?, 99.9);
/// assert_eq!(header.comment("EXPTIME")?, "seconds");
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Header {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<Record>,
    /// The first record of each keyword; made when it is first asked for, kept up by edits.
    pub(super) index: OnceLock<HashMap<Box<[u8]>, usize>>,
    pub(super) lenient: bool,
    pub(super) touched: Touched,
    place: OnceLock<(String, usize)>,
}

impl Header {
    /// Reads cards up to the END card or the end of `bytes`, whichever comes first.
    pub fn parse(bytes: &[u8]) -> Self {
        Self::with_rules(bytes, false)
    }

    /// As [`Header::parse`], under the rules of [`OpenOptions::lenient`](crate::OpenOptions::lenient).
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::Header;
    ///
    /// let header = Header::parse_lenient(format!("{:<80}", "SEEING  = INF").as_bytes());
    /// assert_eq!(header.get::<f64>("SEEING")?, f64::INFINITY);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn parse_lenient(bytes: &[u8]) -> Self {
        Self::with_rules(bytes, true)
    }

    /// Whether values that break the rules are read where they can be.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    pub(crate) fn with_rules(bytes: &[u8], lenient: bool) -> Self {
        let mut records = Vec::with_capacity(bytes.len() / CARD_BYTES);
        let mut start = 0;
        while let Some(record) = Record::at(bytes, start) {
            records.push(record);
            start = record.end;
        }
        let bytes = bytes.get(..start).unwrap_or(bytes).to_vec();
        Self { bytes, records, lenient, ..Self::default() }
    }

    /// Says which file and HDU the header is of, for error messages.
    pub(crate) fn placed(self, file: &str, hdu: usize) -> Self {
        let _ = self.place.set((file.to_owned(), hdu));
        self
    }

    /// As [`Header::placed`], for an HDU that has moved.
    pub(crate) fn moved_to(self, file: &str, hdu: usize) -> Self {
        Self { place: OnceLock::new(), ..self }.placed(file, hdu)
    }

    /// A header of the same place, with these cards.
    pub(crate) fn with_bytes(self, bytes: &[u8]) -> Self {
        Self { place: self.place, ..Self::with_rules(bytes, self.lenient) }
    }

    /// The bytes of the cards, without END.
    pub(crate) fn card_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of records: a keyword with the CONTINUE cards of its long string counts once; END does not count.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no card.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The cards as they stand, 80 characters each, without END; bytes outside printable ASCII as `_`.
    pub fn cards(&self) -> impl Iterator<Item = String> + '_ {
        self.bytes.chunks(CARD_BYTES).map(text)
    }

    /// The keywords in card order, one for each record: a keyword that stands twice comes twice.
    pub fn keywords(&self) -> impl Iterator<Item = String> + '_ {
        self.records.iter().map(|record| text(self.keyword(record)))
    }

    /// Whether the keyword is there, in any letter case.
    pub fn contains(&self, keyword: &str) -> bool {
        self.find(keyword).is_some()
    }

    /// The value of the first card with the keyword.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`] where the keyword is missing, [`ErrorKind::Illegal`] where its value breaks the rules of the standard.
    pub fn value(&self, keyword: &str) -> Result<Value> {
        let record = self.require(keyword)?;
        let Some(at) = record.value else {
            return self.commentary_text(record).map(Value::String);
        };
        let cards = self.record_bytes(record);
        let value = match cards.get(at..) {
            // Most values stand on one card, and their comments are not asked for.
            Some(field) if cards.len() <= CARD_BYTES => parse_value(field, self.lenient).0,
            _ => self.parse_record(record, at).value,
        };
        self.at(value.map_err(|reason| refused(keyword, &reason)))
    }

    /// The value of the keyword as `bool`, `i64`, `f64`, `String` or [`Value`].
    ///
    /// # Errors
    ///
    /// As [`Header::value`], and [`ErrorKind::Type`] where the value is of another type.
    pub fn get<T: FromValue>(&self, keyword: &str) -> Result<T> {
        let value = self.value(keyword)?;
        let held = value.clone();
        T::from_value(value).ok_or_else(|| {
            let error = Error::new(ErrorKind::Type, format!("holds {held}, which is no {}", T::NAME));
            self.place_of(error.in_item(|| format!("keyword {keyword}")))
        })
    }

    /// The comment of the first card with the keyword; empty where it has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`] where the keyword is missing.
    pub fn comment(&self, keyword: &str) -> Result<String> {
        let record = self.require(keyword)?;
        Ok(record.value.map_or_else(String::new, |at| self.parse_record(record, at).comment))
    }

    /// The texts of all cards with a commentary keyword: `COMMENT`, `HISTORY` or the blank one. Trailing blanks are dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Illegal`] where a text holds bytes outside printable ASCII and the file was not opened leniently.
    pub fn commentary(&self, keyword: &str) -> Result<Vec<String>> {
        let wanted = normalized(keyword);
        self.records
            .iter()
            .filter(|record| record.value.is_none() && self.has_key(record, &wanted))
            .map(|record| self.commentary_text(record))
            .collect()
    }

    fn commentary_text(&self, record: &Record) -> Result<String> {
        let bytes = self.bytes.get(record.start + KEYWORD_BYTES..record.end).unwrap_or_default();
        if !self.lenient && bytes.iter().any(|&byte| !is_printable(byte)) {
            let keyword = text(self.keyword(record));
            return self.at(Err(refused(&keyword, "the text holds bytes that are not printable ASCII")));
        }
        Ok(text(bytes.get(..trimmed_length(bytes)).unwrap_or_default()))
    }

    pub(super) fn parse_record(&self, record: &Record, value_at: usize) -> ValueAndComment {
        let cards = self.record_bytes(record);
        if cards.len() > CARD_BYTES {
            parse_long(cards, value_at, self.lenient)
        } else {
            parse(cards.get(value_at..).unwrap_or_default(), self.lenient)
        }
    }

    pub(super) fn keyword(&self, record: &Record) -> &[u8] {
        self.bytes.get(record.start + record.keyword.0..record.start + record.keyword.1).unwrap_or_default()
    }

    /// The keyword as the index has it, which is [`normalized`] of what [`Header::keywords`] gives.
    pub(super) fn key(&self, record: &Record) -> Box<[u8]> {
        self.keyword(record).iter().map(key_byte).collect()
    }

    pub(super) fn has_key(&self, record: &Record, key: &[u8]) -> bool {
        let keyword = self.keyword(record);
        keyword.len() == key.len() && keyword.iter().map(key_byte).eq(key.iter().copied())
    }

    /// The cards of a record.
    pub(super) fn record_bytes(&self, record: &Record) -> &[u8] {
        self.bytes.get(record.start..record.end).unwrap_or_default()
    }

    pub(super) fn require(&self, keyword: &str) -> Result<&Record> {
        self.find(keyword).ok_or_else(|| {
            self.place_of(Error::new(ErrorKind::Key, format!("the header has no keyword '{}'", keyword.trim())))
        })
    }

    fn find(&self, keyword: &str) -> Option<&Record> {
        self.number(&normalized(keyword)).and_then(|number| self.records.get(number))
    }

    /// The number of the first record with a key of the index.
    pub(super) fn number(&self, key: &[u8]) -> Option<usize> {
        if self.records.len() <= FEW_RECORDS {
            return self.records.iter().position(|record| self.has_key(record, key));
        }
        let index = self.index.get_or_init(|| {
            let mut index = HashMap::with_capacity(self.records.len());
            for (number, record) in self.records.iter().enumerate() {
                index.entry(self.key(record)).or_insert(number);
            }
            index
        });
        index.get(key).copied()
    }

    pub(super) fn at<T>(&self, result: Result<T>) -> Result<T> {
        match self.place.get() {
            Some((file, hdu)) => result.in_hdu(*hdu).in_file(file),
            None => result,
        }
    }

    fn place_of(&self, error: Error) -> Error {
        match self.place.get() {
            Some((file, hdu)) => error.in_hdu(*hdu).in_file(file),
            None => error,
        }
    }
}

fn key_byte(byte: &u8) -> u8 {
    if is_printable(*byte) { byte.to_ascii_uppercase() } else { b'_' }
}

/// A keyword as the index has it: upper case, without surrounding blanks and without HIERARCH in front.
pub(super) fn normalized(keyword: &str) -> Vec<u8> {
    let upper = keyword.trim().to_ascii_uppercase();
    match upper.strip_prefix("HIERARCH ") {
        Some(rest) => rest.trim_start().as_bytes().to_vec(),
        None => upper.into_bytes(),
    }
}

/// Reads of the keywords that the standard itself defines; a missing one is `None`.
impl Header {
    /// The integer value of a keyword, also where it is written as a real without fraction.
    pub(crate) fn integer(&self, keyword: &str) -> Result<Option<i64>> {
        match self.optional(keyword)? {
            None | Some(Value::Undefined) => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(Value::Real(number)) if number.fract() == 0.0 && number.abs() < 2f64.powi(53) => {
                Ok(Some(number as i64))
            }
            Some(other) => self.wrong(keyword, "an integer", &other),
        }
    }

    /// The numeric value of a keyword.
    pub(crate) fn real(&self, keyword: &str) -> Result<Option<f64>> {
        match self.optional(keyword)? {
            None | Some(Value::Undefined) => Ok(None),
            // A number in quotes means its number: no program that wrote it meant anything else.
            Some(value) => match value.as_f64().or_else(|| quoted_number(&value)) {
                Some(number) => Ok(Some(number)),
                None => self.wrong(keyword, "a number", &value),
            },
        }
    }

    /// The text of a keyword without which the rest has no meaning: one that holds no string is an error.
    pub(crate) fn text(&self, keyword: &str) -> Result<Option<String>> {
        match self.optional(keyword)? {
            None | Some(Value::Undefined) => Ok(None),
            // What stands in a card without a value indicator is commentary.
            Some(Value::String(text)) if self.require(keyword)?.value.is_some() => Ok(Some(text)),
            Some(other) => self.wrong(keyword, "a string in quotes behind '= '", &other),
        }
    }

    /// The text of a keyword; one that holds no string counts as missing.
    pub(crate) fn string(&self, keyword: &str) -> Option<String> {
        match self.value(keyword) {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The texts of all cards with the keyword that hold a string, in card order.
    pub(crate) fn strings<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = String> + 'a {
        let matching = self.records.iter().filter(move |record| self.keyword(record) == keyword.as_bytes());
        matching.filter_map(|record| match self.parse_record(record, record.value?).value {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        })
    }

    /// Whether the keyword is there and T.
    pub(crate) fn flag(&self, keyword: &str) -> bool {
        matches!(self.value(keyword), Ok(Value::Logical(true)))
    }

    fn optional(&self, keyword: &str) -> Result<Option<Value>> {
        if self.contains(keyword) { self.value(keyword).map(Some) } else { Ok(None) }
    }

    fn wrong<T>(&self, keyword: &str, wanted: &str, held: &Value) -> Result<T> {
        let error = Error::illegal(format!("holds {held} where the standard wants {wanted}: correct the card"));
        self.at(Err(error.in_item(|| format!("keyword {keyword}"))))
    }
}

fn quoted_number(value: &Value) -> Option<f64> {
    parse_number(value.as_str()?.trim().as_bytes(), false)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cards: &[&str]) -> Header {
        Header::parse(cards.iter().map(|card| format!("{card:<80}")).collect::<String>().as_bytes())
    }

    #[test]
    fn long_strings_go_on_and_the_last_ampersand_is_text() {
        let header = header(&[
            "LONG    = 'one &'",
            "CONTINUE  'two&'  / the comment",
            "CONTINUE  'three&'",
            "NEXT    = 'kept&'",
            "OTHER   = 1",
        ]);
        assert_eq!(header.get::<String>("LONG").unwrap(), "one twothree&");
        assert_eq!(header.comment("LONG").unwrap(), "the comment");
        assert_eq!(header.get::<String>("NEXT").unwrap(), "kept&");
        assert_eq!(header.keywords().collect::<Vec<_>>(), ["LONG", "NEXT", "OTHER"]);
    }

    #[test]
    fn lookups_ignore_case_and_the_first_of_two_wins() {
        let header =
            header(&["lower   = 1", "TWICE   = 2", "TWICE   = 3", "HIERARCH Eso Tel = 4", "END", "AFTER   = 5"]);
        assert_eq!(header.get::<i64>("LOWER").unwrap(), 1);
        assert_eq!(header.get::<i64>("twice ").unwrap(), 2);
        assert_eq!(header.get::<i64>("HIERARCH ESO TEL").unwrap(), 4);
        assert_eq!(header.get::<i64>("eso tel").unwrap(), 4);
        assert_eq!(header.value("AFTER").unwrap_err().kind(), ErrorKind::Key);
        assert_eq!(header.len(), 4);
    }

    #[test]
    fn one_bad_card_is_refused_alone() {
        let header = header(&["BAD     = NAN", "GOOD    = 1", "COMMENT hello", "COMMENT  world"]);
        let error = header.value("BAD").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Illegal);
        assert!(error.to_string().contains("BAD") && error.to_string().contains("lenient=True"), "{error}");
        assert_eq!(header.get::<i64>("GOOD").unwrap(), 1);
        assert_eq!(header.commentary("comment").unwrap(), ["hello", " world"]);
    }
}
