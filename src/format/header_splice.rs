//! Puts cards into a header and takes cards out, and keeps the index of keywords true.
//!
//! Appending a record, and replacing one by as many cards, touch nothing else; other changes move the cards behind them.
//!
//! A CONTINUE card may stand behind a card that announces none: there are writers that forget the ampersand, and readers that join such
//! strays all the same. They go with the card in front of them, so that they never join another value.

use super::header::Header;
use super::record::Record;
use super::{CardKind, classify};

impl Header {
    /// Adds cards at the end.
    pub(super) fn append_cards(&mut self, cards: &[u8]) {
        self.touched.move_cards();
        let mut start = self.bytes.len();
        self.bytes.extend_from_slice(cards);
        while let Some(record) = Record::at(&self.bytes, start) {
            let key = self.key(&record);
            if let Some(index) = self.index.get_mut() {
                index.entry(key).or_insert(self.records.len());
            }
            self.records.push(record);
            start = record.end;
        }
    }

    /// Replaces a record by the cards of one record with the same keyword.
    pub(super) fn replace_record(&mut self, number: usize, cards: &[u8]) {
        let Some(old) = self.records.get(number).copied() else { return };
        match self.bytes.get_mut(old.start..old.end) {
            Some(place) if place.len() == cards.len() => {
                place.copy_from_slice(cards);
                self.touched.add(old.start..old.end);
            }
            _ => {
                self.touched.move_cards();
                self.bytes.splice(old.start..old.end, cards.iter().copied());
                for behind in self.records.iter_mut().skip(number + 1) {
                    *behind = behind.moved_to(behind.start - old.end + old.start + cards.len());
                }
            }
        }
        if let (Some(place), Some(new)) = (self.records.get_mut(number), Record::at(&self.bytes, old.start)) {
            *place = new;
        }
    }

    /// Takes out the stray CONTINUE cards behind a record.
    pub(super) fn remove_strays(&mut self, number: usize) {
        let behind = self.records.iter().enumerate().skip(number + 1);
        let doomed: Vec<usize> =
            behind.take_while(|(_, record)| self.is_stray(record)).map(|(number, _)| number).collect();
        self.remove_records(&doomed);
    }

    /// Takes out every record with a key of the index, and the strays behind it.
    pub(super) fn remove_key(&mut self, key: &[u8]) {
        let mut doomed = Vec::new();
        let mut taking = false;
        for (number, record) in self.records.iter().enumerate() {
            taking = self.has_key(record, key) || (taking && self.is_stray(record));
            if taking {
                doomed.push(number);
            }
        }
        self.remove_records(&doomed);
    }

    /// Takes records out, given their numbers in ascending order: all that have their keys, or strays.
    fn remove_records(&mut self, doomed: &[usize]) {
        let Some(&first) = doomed.first() else { return };
        let Some(start) = self.records.get(first).map(|record| record.start) else { return };
        self.touched.move_cards();
        if doomed.iter().filter_map(|&number| self.records.get(number)).any(|record| self.is_stray(record)) {
            // Other strays may stay, so that their entry can't just be dropped.
            self.index.take();
        }
        let bytes = self.bytes.split_off(start);
        for (number, record) in (first..).zip(self.records.split_off(first)) {
            if doomed.binary_search(&number).is_err() {
                self.records.push(record.moved_to(self.bytes.len()));
                self.bytes.extend_from_slice(bytes.get(record.start - start..record.end - start).unwrap_or_default());
            }
        }
        if let Some(index) = self.index.get_mut() {
            index.retain(|_, number| match doomed.binary_search(number) {
                Ok(_) => false,
                Err(before) => {
                    *number -= before;
                    true
                }
            });
        }
    }

    fn is_stray(&self, record: &Record) -> bool {
        record.value.is_none() && classify(self.record_bytes(record)) == CardKind::Continue
    }
}
