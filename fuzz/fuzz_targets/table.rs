//! Binary tables: TFORM, TDIM, TSCAL and TNULL from the input's lines, the rows from the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits_fuzz::{Choices, file_of, read_everything};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let columns = 1 + choices.byte() % 4;
    let (row_len, rows) = (choices.byte(), choices.byte() % 9);
    let mut lines = choices.rest().splitn(2 * usize::from(columns) + 1, |&byte| byte == b'\n');
    let mut cards: Vec<String> = vec![
        "XTENSION= 'BINTABLE'".into(),
        "BITPIX  = 8".into(),
        "NAXIS   = 2".into(),
        format!("NAXIS1  = {row_len}"),
        format!("NAXIS2  = {rows}"),
        "PCOUNT  = 0".into(),
        "GCOUNT  = 1".into(),
        format!("TFIELDS = {columns}"),
    ];
    for number in 1..=columns {
        let form = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let other = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        cards.push(format!("TTYPE{number}  = 'C{number}'"));
        cards.push(format!("TFORM{number}  = '{form}'"));
        let keyword = ["TDIM", "TSCAL", "TZERO", "TNULL"][other.len() % 4];
        let value = if keyword == "TDIM" { format!("'{other}'") } else { other };
        cards.push(format!("{:<8}= {value}", format!("{keyword}{number}")));
    }
    read_everything(&file_of(&cards, lines.next().unwrap_or_default()));
});
