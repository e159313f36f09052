//! Binary and ASCII tables: TFORM, TDIM, TSCAL, TNULL and THEAP from the input's lines, the rows and the heap from the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfits_fuzz::{Choices, file_of, read_everything};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let ascii = choices.byte() % 3 == 0;
    let columns = 1 + choices.byte() % 4;
    let heap = u32::from(choices.byte()) * 16;
    let (row_len, rows) = (choices.byte(), choices.byte() % 9);
    let mut lines = choices.rest().splitn(2 * usize::from(columns) + 1, |&byte| byte == b'\n');
    let mut cards: Vec<String> = vec![
        format!("XTENSION= '{}'", if ascii { "TABLE" } else { "BINTABLE" }),
        "BITPIX  = 8".into(),
        "NAXIS   = 2".into(),
        format!("NAXIS1  = {row_len}"),
        format!("NAXIS2  = {rows}"),
        format!("PCOUNT  = {}", if ascii { 0 } else { heap }),
        "GCOUNT  = 1".into(),
        format!("TFIELDS = {columns}"),
    ];
    for number in 1..=columns {
        let form = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let other = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        cards.push(format!("TTYPE{number}  = 'C{number}'"));
        cards.push(format!("TFORM{number}  = '{form}'"));
        if ascii {
            cards.push(format!("{:<8}= {}", format!("TBCOL{number}"), start_of(&other)));
        }
        let keyword = ["TDIM", "TSCAL", "TZERO", "TNULL"][other.len() % 4];
        let value = if keyword == "TDIM" || ascii && keyword == "TNULL" { format!("'{other}'") } else { other };
        cards.push(format!("{:<8}= {value}", format!("{keyword}{number}")));
    }
    if heap % 32 == 16 {
        cards.push(format!("THEAP   = {}", u32::from(row_len) * u32::from(rows) + heap / 4));
    }
    read_everything(&file_of(&cards, lines.next().unwrap_or_default()));
});

/// Where a field of an ASCII table starts, mostly within its row.
fn start_of(line: &str) -> usize {
    line.bytes().map(usize::from).sum::<usize>() % 40
}
