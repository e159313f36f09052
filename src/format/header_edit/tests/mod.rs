mod model;

use super::*;
use crate::error::ErrorKind;

fn header(cards: &[&str]) -> Header {
    Header::parse(cards.iter().map(|card| format!("{card:<80}")).collect::<String>().as_bytes())
}

/// The header as it reads from its own bytes, which must be what the edits left in memory.
fn reread(header: &Header) -> Header {
    let again = Header::parse(&header.to_bytes());
    assert_eq!(again.bytes, header.bytes);
    assert_eq!(again.records, header.records, "{header}");
    again.contains("X");
    header.contains("X");
    assert_eq!(again.index.get(), header.index.get(), "{header}");
    again
}

#[test]
fn a_bare_value_keeps_the_comment_and_its_place() {
    let mut header = header(&["A       = 1 / one", "B       = 2 / two", "C       = 3"]);
    header.set("b", "text").unwrap();
    header.set("D", 4).unwrap();
    header.set_with_comment("A", 1.5, "").unwrap();
    assert_eq!(
        reread(&header).to_string(),
        "A       =                  1.5\nB       = 'text    '           / two\nC       = 3\nD       =                    4"
    );
}

#[test]
fn records_grow_and_shrink_in_place() {
    let mut header = header(&["A       = 'x&'", "CONTINUE  'y' / kept", "B       = 2"]);
    header.set("A", "v".repeat(200)).unwrap();
    assert_eq!(reread(&header).get::<String>("A").unwrap(), "v".repeat(200));
    assert_eq!(header.comment("A").unwrap(), "kept");
    assert_eq!(header.get::<i64>("B").unwrap(), 2);
    header.set("A", 1).unwrap();
    assert_eq!(reread(&header).to_string(), "A       =                    1 / kept\nB       = 2");
}

#[test]
fn cards_that_say_the_same_keep_their_bytes() {
    let cards = ["A       = 1.50 / x", "B       = 'one &'", "CONTINUE  'two&'", "CONTINUE  '' / end", "C = 5"];
    let mut header = header(&cards);
    header.set("A", 1.5).unwrap();
    header.set("B", "one two").unwrap();
    header.set_with_comment("B", "one two", "end").unwrap();
    assert_eq!(header.to_string(), cards.join("\n"));
    header.set("A", 1).unwrap();
    assert!(header.to_string().starts_with("A       =                    1 / x"));
}

#[test]
fn the_form_on_disk_stays() {
    let mut header = header(&["fra.zp  = 1", "HIERARCH Eso Tel = 2 / c", "lower   = 3"]);
    header.set("FRA.ZP", 4).unwrap();
    header.set("hierarch eso tel", "five").unwrap();
    header.set("Lower", true).unwrap();
    header.set("New Key", 1).unwrap();
    let lines = [
        "fra.zp  =                    4",
        "HIERARCH Eso Tel = 'five    ' / c",
        "lower   =                    T",
        "HIERARCH New Key = 1",
    ];
    assert_eq!(reread(&header).to_string(), lines.join("\n"));
}

#[test]
fn keywords_with_blanks_behind_are_one() {
    let mut header = Header::new();
    header.set("KEY ", 1).unwrap();
    header.set("KEY  ", 2).unwrap();
    assert_eq!((header.len(), header.get::<i64>("KEY").unwrap()), (1, 2));
}

#[test]
fn of_two_cards_the_first_is_set_and_both_are_removed() {
    let mut header = header(&["A       = 1", "B       = 2", "A       = 3"]);
    header.set("A", 4).unwrap();
    assert_eq!(reread(&header).to_string().lines().count(), 3);
    assert_eq!(header.get::<i64>("A").unwrap(), 4);
    header.remove("a").unwrap();
    assert_eq!(reread(&header).to_string(), "B       = 2");
    assert_eq!(header.remove("A").unwrap_err().kind(), ErrorKind::Key);
}

#[test]
fn any_case_and_brackets_are_removed() {
    let mut header = Header::new();
    header.set("Eso [Tel] x", 1).unwrap();
    header.set("lower case key", 1).unwrap();
    header.remove("HIERARCH ESO [TEL] X").unwrap();
    header.remove("Lower CASE key").unwrap();
    assert!(header.is_empty());
}

#[test]
fn comments_change_alone() {
    let mut header = header(&[
        "A       = 1.500 / old",
        "B       = 1.95E+00, / old",
        "C       = 'one &'",
        "CONTINUE  'two' / old",
        "D       = 'short'",
        "HISTORY text",
        "E       = 'open",
    ]);
    header.set_comment("A", "new").unwrap();
    header.set_comment("B", "new").unwrap();
    header.set_comment("C", "new").unwrap();
    let long = "a comment that does not fit beside the short string of this card";
    header.set_comment("D", long).unwrap();
    let again = reread(&header);
    assert_eq!(header.cards().next().unwrap().trim_end(), "A       = 1.500                / new");
    assert!(header.to_string().contains("1.95E+00,"));
    assert_eq!(again.get::<String>("C").unwrap(), "one two");
    assert_eq!(again.comment("C").unwrap(), "new");
    assert_eq!(again.comment("D").unwrap(), long);
    assert_eq!(header.set_comment("HISTORY", "x").unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(header.set_comment("E", "x").unwrap_err().kind(), ErrorKind::Illegal);
    assert_eq!(header.set_comment("MISSING", "x").unwrap_err().kind(), ErrorKind::Key);
    assert_eq!(header.set_comment("A", "caf\u{e9}").unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn commentary_is_added_and_removed_as_a_whole() {
    let mut header = header(&["HISTORY one", "A       = 1", "FOO     bar"]);
    header.set("history", "two").unwrap();
    header.set("COMMENT", "said").unwrap();
    header.set("", "blank").unwrap();
    header.add_blank("").unwrap();
    header.add_comment(&"x".repeat(100)).unwrap();
    assert_eq!(header.commentary("HISTORY").unwrap(), ["one", "two"]);
    assert_eq!(reread(&header).commentary("").unwrap(), ["blank", ""]);
    assert_eq!(header.set_with_comment("HISTORY", "x", "y").unwrap_err().kind(), ErrorKind::Argument);
    for keyword in ["HISTORY", "comment", ""] {
        header.remove(keyword).unwrap();
        assert_eq!(header.remove(keyword).unwrap_err().kind(), ErrorKind::Key);
    }
    assert_eq!(reread(&header).to_string(), "A       = 1\nFOO     bar");
    // A card without a value gets one where it stands.
    header.set("FOO", 1).unwrap();
    assert_eq!(reread(&header).to_string(), "A       = 1\nFOO     =                    1");
}

#[test]
fn structure_is_protected() {
    let mut header = header(&["NAXIS1  = 3 / c", "ZBITPIX = 8"]);
    let before = header.to_string();
    for keyword in ["naxis1", "HIERARCH NAXIS1", "ZBITPIX", "CHECKSUM", "END", "CONTINUE"] {
        for error in [
            header.set(keyword, 1).unwrap_err(),
            header.set_with_comment(keyword, 1, "c").unwrap_err(),
            header.set_comment(keyword, "c").unwrap_err(),
            header.remove(keyword).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Argument);
            assert!(error.to_string().contains("protected") && error.to_string().contains(keyword), "{error}");
        }
    }
    assert_eq!(header.to_string(), before);
    header.set_structural("NAXIS1", 4, "new").unwrap();
    header.remove_structural("ZBITPIX").unwrap();
    assert_eq!(reread(&header).to_string(), "NAXIS1  =                    4 / new");
}

#[test]
fn a_refused_edit_changes_nothing() {
    let mut header = header(&["A       = 1 / c"]);
    let before = header.to_bytes();
    header.set("A", f64::NAN).unwrap_err();
    header.set("B", f32::INFINITY).unwrap_err();
    header.set("A", "caf\u{e9}").unwrap_err();
    header.set("B=C", 1).unwrap_err();
    header.add_history("caf\u{e9}").unwrap_err();
    assert_eq!(header.to_bytes(), before);
}

#[test]
fn errors_name_the_file() {
    let mut header = header(&["A       = 1"]).placed("file.fits", 3);
    for error in
        [header.set("A", f64::NAN).unwrap_err(), header.remove("NAXIS").unwrap_err(), header.remove("B").unwrap_err()]
    {
        assert!(error.to_string().starts_with("file.fits: HDU 3: "), "{error}");
    }
}

#[test]
fn stray_continue_cards_go_with_the_card_in_front() {
    let cards = [
        "A       = 'x'",
        "CONTINUE  'stray&'",
        "CONTINUE  'more'",
        "B       = 2",
        "CONTINUE  'last'",
        "C       = 'y&'",
    ];
    let mut header = header(&cards);
    header.set_comment("A", "c").unwrap();
    header.set("C", "y").unwrap();
    assert_eq!(reread(&header).len(), 6);
    header.set("A", "text&").unwrap();
    assert_eq!(reread(&header).get::<String>("A").unwrap(), "text&");
    assert_eq!(header.len(), 4);
    header.remove("B").unwrap();
    assert_eq!(reread(&header).keywords().collect::<Vec<_>>(), ["A", "C"]);
    assert_eq!(header.get::<String>("A").unwrap(), "text&");
}

#[test]
fn many_stray_cards_are_no_trouble() {
    let mut cards = vec!["A       = 1"];
    cards.extend(vec!["CONTINUE  'x'"; 20_000]);
    let mut header = header(&cards);
    header.set("A", "&").unwrap();
    assert_eq!(reread(&header).len(), 1);
}

#[test]
fn cards_with_foreign_bytes_stay_beside_edits() {
    let mut bytes = Vec::new();
    for card in [b"CAF\xe9    = 1".as_slice(), b"HISTORY caf\xc3\xa9", b"A       = 1 / caf\xe9", b"B       = NaN"] {
        bytes.extend_from_slice(card);
        bytes.resize(bytes.len().next_multiple_of(80), b' ');
    }
    let mut header = Header::parse(&bytes);
    header.set("C", 1).unwrap();
    assert_eq!(&header.bytes[..bytes.len()], bytes);
    for keyword in header.keywords().collect::<Vec<_>>() {
        assert!(header.contains(&keyword), "{keyword}");
    }
    header.set("caf_", 2).unwrap();
    assert!(header.bytes.starts_with(b"CAF\xe9    =                    2 "));
    header.set("A", 2).unwrap();
    assert_eq!(header.comment("A").unwrap(), "caf_");
    header.remove("CAF_").unwrap();
    header.set("B", 2.5).unwrap();
    assert_eq!(reread(&header).len(), 4);
}

#[test]
fn an_update_takes_cards_over_as_they_stand() {
    let mut target =
        header(&["XTENSION= 'IMAGE'", "A       = 1 / mine", "HIERARCH Eso Tel = 1", "B       = 'x&'", "CONTINUE  'y'"]);
    let other = header(&[
        "SIMPLE  = T",
        "NAXIS1  = 9",
        "A       = 1.95E+00, / theirs",
        "A       = 7",
        "HIERARCH ESO TEL = 2 / c",
        "B       = 5.50",
        "NEW     = 'long &'",
        "CONTINUE  'string'",
        "HISTORY told",
        "CHECKSUM= 'abc'",
    ]);
    target.update(&other, false);
    let lines = [
        "XTENSION= 'IMAGE'",
        "A       = 1.95E+00, / theirs",
        "HIERARCH Eso Tel = 2 / c",
        "B       = 5.50",
        "NEW     = 'long &'",
        "CONTINUE  'string'",
    ];
    assert_eq!(reread(&target).to_string(), lines.join("\n"));
    target.update(&other, true);
    assert_eq!(reread(&target).commentary("HISTORY").unwrap(), ["told"]);
}

#[test]
fn a_clone_is_edited_alone() {
    let original = header(&["A       = 1"]);
    let mut copy = original.clone();
    copy.set("A", 2).unwrap();
    assert_eq!(original.get::<i64>("A").unwrap(), 1);
}
