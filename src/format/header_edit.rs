//! Editing a header: setting, commenting and removing keywords, adding commentary (FITS 4.0 §4.1, §4.4.2.4).
//!
//! Only the cards of the keyword concerned change; all others keep their bytes, whatever these are. The keywords that describe the structure
//! of the file are protected: they follow from the data.

use super::compose::{commentary_cards, value_cards, with_comment};
use super::header::{Header, normalized};
use super::keyword::Keyword;
use super::protected::is_protected_name;
use super::value::{Value, refused};
use super::{CARD_BYTES, CardKind, classify};
use crate::error::{Error, Result, ResultExt};

impl Header {
    /// Gives a keyword a value and keeps its comment. A missing keyword is added at the end; of a keyword that stands several times, the first
    /// card is set. `COMMENT`, `HISTORY` and the blank keyword get one more text.
    ///
    /// Keywords are found in any letter case and keep the form that they have on disk. A new one of at most eight letters, digits, hyphens and
    /// underscores is written in upper case; any other follows the HIERARCH convention and keeps its case. A string that does not fit its card goes
    /// on in CONTINUE cards; blanks at its end don't count. A comment that no longer fits beside a longer number is cut.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the keyword is protected, or where the keyword or the value has no form in
    /// a header: NaN and infinities, characters that are not printable ASCII. The header is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::Header;
    ///
    /// let mut header = Header::new();
    /// header.set_with_comment("EXPTIME", 30, "seconds")?;
    /// header.set("exptime", 99.9)?;
    /// header.set("ESO TEL AIRM", 1.5)?;
    /// header.set("HISTORY", "edited in place")?;
    /// assert_eq!(header.get::<f64>("EXPTIME")?, 99.9);
    /// assert_eq!(header.comment("EXPTIME")?, "seconds");
    /// assert!(header.set("NAXIS1", 5).unwrap_err().to_string().contains("protected"));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn set(&mut self, keyword: &str, value: impl Into<Value>) -> Result<()> {
        self.assign(keyword, &value.into(), None)
    }

    /// As [`Header::set`], with a comment. A comment that does not fit goes on in CONTINUE cards behind a string, and is cut behind any other
    /// value.
    ///
    /// # Errors
    ///
    /// As [`Header::set`]; also where the comment holds characters that are not printable ASCII.
    pub fn set_with_comment(&mut self, keyword: &str, value: impl Into<Value>, comment: &str) -> Result<()> {
        self.assign(keyword, &value.into(), Some(comment))
    }

    /// Gives a keyword another comment; its value stays as it is written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`](crate::ErrorKind::Key) where the keyword is missing, [`ErrorKind::Argument`](crate::ErrorKind::Argument) where it is
    /// protected or has no comment, as `HISTORY`, or where the comment holds characters that are not printable ASCII.
    pub fn set_comment(&mut self, keyword: &str, comment: &str) -> Result<()> {
        self.refuse_protected(keyword, &normalized(keyword))?;
        let record = *self.require(keyword)?;
        let Some(value_at) = record.value else {
            let error =
                Error::argument("has no value that a comment could stand behind: set the value, or add a COMMENT");
            return self.at(Err(error.in_item(|| format!("keyword {keyword}"))));
        };
        let cards = self.record_bytes(&record);
        let name = Keyword::on_disk(cards, record.keyword);
        let kept = if cards.len() > CARD_BYTES { Ok(None) } else { with_comment(&name, cards, value_at, comment) };
        let cards = match self.at(kept)? {
            Some(cards) => cards,
            None => {
                let value = self.parse_record(&record, value_at).value.map_err(|reason| refused(keyword, &reason));
                self.at(value.and_then(|value| value_cards(&name, &value, comment)))?
            }
        };
        if let Some(number) = self.number(&normalized(keyword)) {
            self.replace_record(number, &cards);
        }
        Ok(())
    }

    /// Removes a keyword: every card that has it, with the CONTINUE cards of long strings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Key`](crate::ErrorKind::Key) where the keyword is missing, [`ErrorKind::Argument`](crate::ErrorKind::Argument) where it is
    /// protected.
    pub fn remove(&mut self, keyword: &str) -> Result<()> {
        self.refuse_protected(keyword, &normalized(keyword))?;
        self.remove_structural(keyword)
    }

    /// Adds a text under `COMMENT`; a long one, or one of several lines, takes several cards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the text holds characters that are not printable ASCII.
    pub fn add_comment(&mut self, text: &str) -> Result<()> {
        self.add_commentary("COMMENT", text)
    }

    /// As [`Header::add_comment`], under `HISTORY`.
    ///
    /// # Errors
    ///
    /// As [`Header::add_comment`].
    pub fn add_history(&mut self, text: &str) -> Result<()> {
        self.add_commentary("HISTORY", text)
    }

    /// As [`Header::add_comment`], under the blank keyword; the empty text makes a blank card.
    ///
    /// # Errors
    ///
    /// As [`Header::add_comment`].
    pub fn add_blank(&mut self, text: &str) -> Result<()> {
        self.add_commentary("", text)
    }

    /// Takes over the cards of another header: they replace the cards with the same keyword, or are added at the end, byte for byte.
    ///
    /// Protected keywords are left out. Commentary is added where `copy_commentary` is set. Of a keyword that stands several times in the other
    /// header, its first card counts.
    pub fn update(&mut self, other: &Self, copy_commentary: bool) {
        for (number, record) in other.records.iter().enumerate() {
            let key = other.key(record);
            let cards = other.record_bytes(record);
            if record.value.is_none() {
                // A stray CONTINUE card could go on with a string of this header.
                if copy_commentary && classify(cards) != CardKind::Continue {
                    self.append_cards(cards);
                }
            } else if other.number(&key) == Some(number)
                && !is_protected_key(&key)
                && commentary_keyword(&key).is_none()
            {
                self.put_cards(&key, cards.to_vec(), record.keyword);
            }
        }
    }

    /// Becomes `edited`, which was made from the copy `before`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] where this header is not what it was when it was copied: the change since would be lost.
    pub fn become_edited(&mut self, before: &Self, edited: Self) -> Result<()> {
        if self.bytes != before.bytes {
            let message = "the header was changed outside of the edit while that lasted; nothing of the edit was written: make both changes in one";
            return Err(Error::argument(message));
        }
        *self = edited;
        Ok(())
    }

    /// As [`Header::set_with_comment`] for the library's own changes: protected keywords, too.
    pub(crate) fn set_structural(&mut self, keyword: &str, value: impl Into<Value>, comment: &str) -> Result<()> {
        self.put(keyword, &normalized(keyword), &value.into(), Some(comment))
    }

    /// As [`Header::remove`] for the library's own changes: protected keywords, too.
    pub(crate) fn remove_structural(&mut self, keyword: &str) -> Result<()> {
        self.require(keyword)?;
        self.remove_key(&normalized(keyword));
        Ok(())
    }

    fn assign(&mut self, keyword: &str, value: &Value, comment: Option<&str>) -> Result<()> {
        let key = normalized(keyword);
        let Some(commentary) = commentary_keyword(&key) else {
            self.refuse_protected(keyword, &key)?;
            return self.put(keyword, &key, value, comment);
        };
        if comment.is_some_and(|comment| !comment.trim().is_empty()) {
            let error = Error::argument("is commentary and takes a text alone: leave out the comment");
            return self.at(Err(error.in_item(|| format!("keyword '{commentary}'"))));
        }
        match value {
            Value::String(text) => self.add_commentary(commentary, text),
            other => self.add_commentary(commentary, &other.to_string()),
        }
    }

    /// Sets a keyword; `key` is its form in the index.
    fn put(&mut self, keyword: &str, key: &[u8], value: &Value, comment: Option<&str>) -> Result<()> {
        let Some((number, record)) = self.number(key).and_then(|at| Some((at, *self.records.get(at)?))) else {
            let cards = Keyword::new(keyword).and_then(|name| value_cards(&name, value, comment.unwrap_or_default()));
            let cards = self.at(cards)?;
            self.append_cards(&cards);
            return Ok(());
        };
        let held = record.value.map(|at| self.parse_record(&record, at));
        let held_comment = held.as_ref().map_or("", |held| held.comment.as_str());
        let comment = comment.unwrap_or(held_comment);
        if held_comment == comment && held.as_ref().is_some_and(|held| is_same(held.value.as_ref(), value)) {
            // The number may be written in another way than ours: it keeps it.
            return Ok(());
        }
        let name = Keyword::on_disk(self.record_bytes(&record), record.keyword);
        let cards = self.at(value_cards(&name, value, comment))?;
        self.remove_strays(number);
        self.replace_record(number, &cards);
        Ok(())
    }

    /// Puts the cards of a record where the key has its record, or at the end.
    fn put_cards(&mut self, key: &[u8], mut cards: Vec<u8>, keyword: (usize, usize)) {
        let Some((number, record)) = self.number(key).and_then(|at| Some((at, *self.records.get(at)?))) else {
            return self.append_cards(&cards);
        };
        // The two are equal but for case: that of this header stays.
        if let Some(place) = cards.get_mut(keyword.0..keyword.1)
            && place.len() == self.keyword(&record).len()
        {
            place.copy_from_slice(self.keyword(&record));
        }
        self.remove_strays(number);
        self.replace_record(number, &cards);
    }

    fn add_commentary(&mut self, keyword: &str, text: &str) -> Result<()> {
        let cards = self.at(commentary_cards(keyword, text))?;
        self.append_cards(&cards);
        Ok(())
    }

    fn refuse_protected(&self, keyword: &str, key: &[u8]) -> Result<()> {
        if !is_protected_key(key) {
            return Ok(());
        }
        let columns = ["TTYPE", "TFORM", "TDIM", "TSCAL", "TZERO", "TNULL", "TBCOL"];
        let is_of_column = columns.iter().any(|stem| normalized(keyword).starts_with(stem.as_bytes()));
        let remedy = if is_of_column { "; change columns with insert_column and delete_column" } else { "" };
        let error = Error::argument(format!(
            "is protected: it describes the structure of the file and follows from the data{remedy}"
        ));
        self.at(Err(error).in_item(|| format!("keyword {}", keyword.trim())))
    }
}

fn is_protected_key(key: &[u8]) -> bool {
    std::str::from_utf8(key).is_ok_and(is_protected_name)
}

/// The keyword, if texts stand under it (§4.4.2.4).
fn commentary_keyword(key: &[u8]) -> Option<&'static str> {
    ["COMMENT", "HISTORY", ""].into_iter().find(|keyword| keyword.as_bytes() == key)
}

/// Whether a card holds the value to the bit: `0.0` and `-0.0` are two.
fn is_same(held: Result<&Value, &String>, value: &Value) -> bool {
    match (held, value) {
        (Ok(Value::Real(held)), Value::Real(number)) => held.to_bits() == number.to_bits(),
        (Ok(Value::Complex(..)), _) => false,
        (held, value) => held == Ok(value),
    }
}

#[cfg(test)]
mod tests;
