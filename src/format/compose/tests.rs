use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::format::Header;

fn cards(keyword: &str, value: impl Into<Value>, comment: &str) -> Vec<String> {
    let bytes = value_cards(&Keyword::new(keyword).unwrap(), &value.into(), comment).unwrap();
    assert_eq!(bytes.len() % CARD_BYTES, 0);
    bytes.chunks(CARD_BYTES).map(|card| crate::format::card::text(card).trim_end().to_owned()).collect()
}

fn refusal(keyword: &str, value: impl Into<Value>, comment: &str) -> String {
    let error = value_cards(&Keyword::new(keyword).unwrap(), &value.into(), comment).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    error.to_string()
}

#[test]
fn values_stand_in_their_columns() {
    assert_eq!(cards("SIMPLE", true, "yes"), ["SIMPLE  =                    T / yes"]);
    assert_eq!(cards("X", -42, "c"), ["X       =                  -42 / c"]);
    assert_eq!(cards("X", 99.9, ""), ["X       =                 99.9"]);
    assert_eq!(cards("X", None::<bool>, "c"), ["X       =                      / c"]);
    assert_eq!(cards("X", None::<bool>, ""), ["X       ="]);
    assert_eq!(cards("X", "abc", "c"), ["X       = 'abc     '           / c"]);
    assert_eq!(cards("X", "it's", ""), ["X       = 'it''s   '"]);
    assert_eq!(cards("X", "", "c"), ["X       = ''                   / c"]);
    assert_eq!(cards("X", "trailing  ", ""), ["X       = 'trailing'"]);
    assert_eq!(cards("X", (1.0, -2.5), "c"), ["X       =          (1.0, -2.5) / c"]);
    assert_eq!(cards("X", 1u128 << 70, "c"), ["X       = 1180591620717411303424 / c"]);
    assert_eq!(cards("ESO TEL Airm", 1.5, "c"), ["HIERARCH ESO TEL Airm = 1.5 / c"]);
    assert_eq!(cards("longkeyword", "s", "c"), ["HIERARCH longkeyword = 's       ' / c"]);
}

#[test]
fn reals_have_the_shortest_text_that_reads_back() {
    let texts = [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e20, "1E+20"),
        (1e-5, "1E-05"),
        (1e-4, "0.0001"),
        (1e16, "1E+16"),
        (5e-324, "5E-324"),
        (1234567891234.1235, "1234567891234.1235"),
        (-1.2345678901234568e-300, "-1.2345678901234568E-300"),
        (f64::MAX, "1.7976931348623157E+308"),
    ];
    for (number, wanted) in texts {
        assert_eq!(real_text(number).unwrap(), wanted);
    }
    // Longer than 20 characters: from column 11 on.
    let long = cards("X", -1.2345678901234568e-300, "c");
    assert_eq!(long, ["X       = -1.2345678901234568E-300 / c"]);
}

#[test]
fn what_has_no_form_in_a_header_is_refused_by_name() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let text = refusal("EXPTIME", number, "");
        assert!(text.contains("keyword EXPTIME") && text.contains("undefined"), "{text}");
        assert!(refusal("X", (0.0, number), "").contains("keyword X"));
    }
    for bad in ["caf\u{e9}", "two\nlines", "tab\t", "nul\0", "del\x7f"] {
        assert!(refusal("ESO TEL", bad, "").contains("keyword ESO TEL: the string"));
        assert!(refusal("X", 1, bad).contains("keyword X: the comment"));
        assert_eq!(commentary_cards("HISTORY", &bad.replace('\n', "\r")).unwrap_err().kind(), ErrorKind::Argument);
    }
    assert!(refusal("X", Value::BigInteger("12x".into()), "").contains("no integer"));
    assert!(refusal("X", Value::BigInteger("1".repeat(71)), "").contains("does not fit"));
    assert!(refusal(&"K".repeat(70), 123, "").contains("does not fit"));
    assert!(refusal(&"K".repeat(70), "s", "").contains("no room"));
}

#[test]
fn long_strings_go_on_and_close() {
    let a = |count| "a".repeat(count);
    assert_eq!(cards("X", a(68), ""), [format!("X       = '{}'", a(68))]);
    assert_eq!(cards("X", a(69), ""), [format!("X       = '{}&'", a(67)), "CONTINUE  'aa'".into()]);
    // A single card that ends in an ampersand needs no closing; several do.
    assert_eq!(cards("X", "a&", ""), ["X       = 'a&      '"]);
    assert_eq!(cards("X", a(67) + "&", ""), [format!("X       = '{}&'", a(67))]);
    let closed = [format!("X       = '{}&'", a(67)), "CONTINUE  'aaa&&'".into(), "CONTINUE  ''".into()];
    assert_eq!(cards("X", a(70) + "&", ""), closed);
    // A pair of quotes is not broken.
    let quotes = [format!("X       = '{}&'", "'".repeat(66)), "CONTINUE  ''''''".into()];
    assert_eq!(cards("X", "'".repeat(35), ""), quotes);
    let quotes = [format!("X       = 'a{}&'", "'".repeat(66)), "CONTINUE  ''''".into()];
    assert_eq!(cards("X", "a".to_owned() + &"'".repeat(34), ""), quotes);
}

#[test]
fn long_comments_of_strings_go_on_and_others_are_cut() {
    let comment = "a comment of more words than what fits the columns behind a value";
    assert_eq!(cards("X", "s", comment), ["X       = 's&'".into(), format!("CONTINUE  '' / {comment}")]);
    let twice = format!("{comment} {comment}");
    let folded = [
        "X       = 's&'",
        "CONTINUE  '&' / a comment of more words than what fits the columns behind a",
        "CONTINUE  '&' / value a comment of more words than what fits the columns behind",
        "CONTINUE  '' / a value",
    ];
    assert_eq!(cards("X", "s", &twice), folded);
    assert_eq!(cards("X", 5, comment), [format!("X       =                    5 / {}", &comment[..47])]);
    assert_eq!(cards("LONG KEY", 5, &twice)[0].len(), CARD_BYTES);
    let closing =
        [format!("X       = '{}&'", "a".repeat(67)), "CONTINUE  'aaa&&'".into(), format!("CONTINUE  '' / {comment}")];
    assert_eq!(cards("X", "a".repeat(70) + "&", comment), closing);
}

#[test]
fn hierarch_leaves_out_blanks_before_it_goes_on() {
    let key = "LONGKEYWORD";
    let v = |count| "v".repeat(count);
    assert_eq!(cards(key, v(55), ""), [format!("HIERARCH {key} = '{}'", v(55))]);
    assert_eq!(cards(key, v(56), ""), [format!("HIERARCH {key}= '{}'", v(56))]);
    assert_eq!(cards(key, v(57), ""), [format!("HIERARCH {key}='{}'", v(57))]);
    assert_eq!(cards(key, v(58), ""), [format!("HIERARCH {key} = '{}&'", v(54)), "CONTINUE  'vvvv'".into()]);
    let key = "K".repeat(67);
    assert_eq!(cards(&key, "abc", "c"), [format!("HIERARCH {key}='&'"), "CONTINUE  'abc' / c".into()]);
    assert_eq!(cards(&key, 123, ""), [format!("HIERARCH {key}=123")]);
}

#[test]
fn commentary_is_split_at_72_characters_and_line_breaks() {
    let split = |text: &str| {
        let bytes = commentary_cards("HISTORY", text).unwrap();
        Header::parse(&bytes).commentary("HISTORY").unwrap()
    };
    assert_eq!(split(""), [""]);
    assert_eq!(split(&"x".repeat(72)), ["x".repeat(72)]);
    assert_eq!(split(&"x".repeat(73)), ["x".repeat(72), "x".into()]);
    assert_eq!(split("one\ntwo\r\n\nfour"), ["one", "two", "", "four"]);
    let blank = Header::parse(&commentary_cards("", "= text").unwrap());
    assert_eq!(blank.commentary("").unwrap(), ["= text"]);
}

#[test]
fn a_new_comment_leaves_the_value_as_it_is_written() {
    let renew = |card: &str, comment: &str| {
        let card = format!("{card:<80}");
        let keyword = Keyword::on_disk(card.as_bytes(), (0, 1));
        let bytes = with_comment(&keyword, card.as_bytes(), 10, comment).unwrap();
        bytes.map(|bytes| crate::format::card::text(&bytes).trim_end().to_owned())
    };
    assert_eq!(renew("X       = 1.500", "new").unwrap(), "X       = 1.500                / new");
    assert_eq!(
        renew("X       =              1.95E+00, / old", "new").unwrap(),
        "X       =              1.95E+00, / new"
    );
    assert_eq!(renew("X       = / old", "new").unwrap(), "X       =                      / new");
    assert_eq!(renew("X       = 'a/b' / old", "").unwrap(), "X       = 'a/b'");
    assert_eq!(renew("X       = 'a'", &"c".repeat(48)), None);
    assert_eq!(renew("X       = 1", &"c".repeat(48)).unwrap().len(), CARD_BYTES);
}

fn any_value() -> impl Strategy<Value = Value> {
    let finite = || any::<f64>().prop_filter("finite", |number| number.is_finite());
    prop_oneof![
        Just(Value::Undefined),
        any::<bool>().prop_map(Value::Logical),
        any::<i64>().prop_map(Value::Integer),
        any::<i128>().prop_map(Value::from),
        finite().prop_map(Value::Real),
        (finite(), finite()).prop_map(Value::from),
        "[ -~]{0,20}".prop_map(Value::String),
        "[ -~]{0,300}".prop_map(Value::String),
        "['& a]{0,200}".prop_map(Value::String),
    ]
}

/// What reading gives back of a value that was written: blanks at the end of a string don't count.
pub(crate) fn read_form(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim_end_matches(' ').to_owned()),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn every_value_reads_back(
        keyword in prop_oneof!["[A-Z0-9_-]{1,8}", "[A-Za-z][ -<>-~]{0,30}[a-z]", "[A-Z]{9,67}"],
        value in any_value(),
        comment in prop_oneof!["[ -~]{0,30}", "([!-~]{1,70} ){0,6}"],
    ) {
        let Ok(name) = Keyword::new(&keyword) else { return Ok(()) };
        let Ok(bytes) = value_cards(&name, &value, &comment) else {
            // Only what is too long for the card is refused.
            prop_assert!(keyword.len() > 17);
            return Ok(());
        };
        let header = Header::parse(&[bytes.as_slice(), format!("{:<80}", "NEXT    = 1").as_bytes()].concat());
        prop_assert_eq!(header.len(), 2, "{}", header);
        prop_assert_eq!(header.value(&keyword).unwrap(), read_form(&value));
        let held = header.comment(&keyword).unwrap();
        let comment = comment.trim();
        match value {
            Value::String(_) => prop_assert_eq!(held, comment),
            _ => prop_assert!(comment.starts_with(&held)),
        }
        prop_assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
}
