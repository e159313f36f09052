//! Edits at random, against a list in which everything is looked for from the front.

use proptest::prelude::*;

use super::{header, reread};
use crate::format::{Header, Value};

/// The naive header: keyword, value and comment.
#[derive(Clone, Debug, Default)]
struct Model(Vec<(String, Value, String)>);

#[derive(Clone, Debug)]
enum Edit {
    Set(String, Value),
    SetWithComment(String, Value, String),
    SetComment(String, String),
    Remove(String),
    History(String),
}

impl Model {
    fn find(&mut self, keyword: &str) -> Option<&mut (String, Value, String)> {
        self.0.iter_mut().find(|(name, ..)| name.eq_ignore_ascii_case(keyword))
    }

    /// Does the edit; says whether it is possible.
    fn apply(&mut self, edit: &Edit) -> bool {
        match edit {
            Edit::Set(keyword, value) => match self.find(keyword) {
                Some(entry) => entry.1 = value.clone(),
                None => self.0.push((keyword.clone(), value.clone(), String::new())),
            },
            Edit::SetWithComment(keyword, value, comment) => match self.find(keyword) {
                Some(entry) => (entry.1, entry.2) = (value.clone(), comment.clone()),
                None => self.0.push((keyword.clone(), value.clone(), comment.clone())),
            },
            Edit::SetComment(keyword, comment) => match self.find(keyword) {
                Some(entry) => entry.2 = comment.clone(),
                None => return false,
            },
            Edit::Remove(keyword) => {
                let before = self.0.len();
                self.0.retain(|(name, ..)| !name.eq_ignore_ascii_case(keyword));
                return self.0.len() < before;
            }
            Edit::History(text) => self.0.push(("HISTORY".into(), Value::String(text.clone()), String::new())),
        }
        true
    }
}

fn apply(header: &mut Header, edit: &Edit) -> bool {
    match edit {
        Edit::Set(keyword, value) => header.set(keyword, value.clone()),
        Edit::SetWithComment(keyword, value, comment) => header.set_with_comment(keyword, value.clone(), comment),
        Edit::SetComment(keyword, comment) => header.set_comment(keyword, comment),
        Edit::Remove(keyword) => header.remove(keyword),
        Edit::History(text) => header.add_history(text),
    }
    .is_ok()
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let keyword = || prop_oneof!["[A-Da-d]", "ESO [A-D]", "Eso [a-d]"];
    let value = || {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Logical),
            "[!-~]{0,150}".prop_map(Value::String),
            "['&]{0,80}".prop_map(Value::String),
        ]
    };
    // Short enough to fit beside every value that is no string.
    let comment = || "([!-~]{1,15})?";
    prop_oneof![
        (keyword(), value()).prop_map(|(keyword, value)| Edit::Set(keyword, value)),
        (keyword(), value(), comment())
            .prop_map(|(keyword, value, comment)| Edit::SetWithComment(keyword, value, comment)),
        (keyword(), comment()).prop_map(|(keyword, comment)| Edit::SetComment(keyword, comment)),
        prop_oneof![keyword(), Just("HISTORY".to_owned()).boxed()].prop_map(Edit::Remove),
        "[!-~]{0,70}".prop_map(Edit::History),
    ]
}

proptest! {
    #[test]
    fn edits_do_what_a_list_would(edits in prop::collection::vec(any_edit(), 0..40)) {
        let mut header = Header::new();
        let mut model = Model::default();
        for edit in &edits {
            prop_assert_eq!(apply(&mut header, edit), model.apply(edit), "{:?}", edit);
            let again = reread(&header);
            prop_assert_eq!(again.len(), model.0.len());
            for (record, (keyword, value, comment)) in again.records.iter().zip(&model.0) {
                let key = again.key(record);
                prop_assert_eq!(key.to_vec(), keyword.to_ascii_uppercase().into_bytes());
                if let Some(at) = record.value {
                    let held = again.parse_record(record, at);
                    prop_assert_eq!(held.value.as_ref(), Ok(value));
                    prop_assert_eq!(&held.comment, comment);
                }
            }
            let texts: Vec<_> = model.0.iter().filter(|entry| entry.0 == "HISTORY").collect();
            let held = again.commentary("HISTORY").unwrap();
            prop_assert!(held.iter().map(String::as_str).eq(texts.iter().map(|entry| entry.1.as_str().unwrap())));
        }
    }

    #[test]
    fn odd_headers_survive_edits(
        cards in prop::collection::vec(prop_oneof![
            "[A-C]       = '[a&']{0,4}'", "CONTINUE  '[a&']{0,4}'", "CONTINUE", "[A-C]       = 1", "HISTORY x",
            "HIERARCH [A-C] *= *[0-9]", "[ -~]{0,80}", "HIERARCH COMMENT = 1",
        ], 0..12),
        edits in prop::collection::vec(any_edit(), 0..6),
    ) {
        let cards: Vec<&str> = cards.iter().map(String::as_str).filter(|card| !card.starts_with("END ")).collect();
        let mut header = header(&cards);
        for edit in &edits {
            apply(&mut header, edit);
            reread(&header);
        }
        let mut target = Header::new();
        target.update(&header, true);
        reread(&target);
    }
}
