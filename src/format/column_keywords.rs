//! The keywords that carry the number of a column, which follow it when columns before it come or go (FITS 4.0 §7.3.2, §8.1 Table 22,
//! §10.3.1).

use super::header::Header;
use super::{CARD_BYTES, card::KEYWORD_BYTES};
use crate::error::Result;

/// What stands in front of the number of a column; FZALG asks fpack for a compression.
const STEMS: &[&str] = &[
    "TTYPE", "TFORM", "TUNIT", "TNULL", "TSCAL", "TZERO", "TDISP", "TBCOL", "TDIM", "TDMIN", "TDMAX", "TLMIN", "TLMAX",
    "TDBIN", "TUCD", "TUTYP", "TCOMM", "TDESC", "TCTYP", "TCTY", "TCNAM", "TCNA", "TCUNI", "TCUN", "TCRPX", "TCRP",
    "TCRVL", "TCRV", "TCDLT", "TCDE", "TCROT", "TCRD", "TCSY", "TWCS", "TRPOS", "TPHPE", "ZFORM", "ZCTYP", "FZALG",
];
/// The same with a second number behind an underscore: an axis, which is the number of a column, too, or a parameter, which is none.
const PAIRED: &[(&str, bool)] = &[
    ("TPC", true),
    ("TP", true),
    ("TCD", true),
    ("TC", true),
    ("TPV", false),
    ("TV", false),
    ("TPS", false),
    ("TS", false),
];
/// What stands between the number of an axis and that of a column, for arrays in cells.
const OF_AXES: &[&str] = &[
    "CTYP", "CTY", "CNAM", "CNA", "CUNI", "CUN", "CRPX", "CRP", "CRVL", "CRV", "CDLT", "CDE", "CROT", "CRD", "CSY",
    "PC", "CD",
];

/// A keyword taken apart around the numbers of its columns.
struct Numbered<'a> {
    stem: &'a str,
    column: usize,
    /// What follows: `_` and a number, and the letter of a description.
    second: Option<(usize, bool)>,
    rest: &'a str,
}

impl Numbered<'_> {
    /// `None` for every other keyword.
    fn parse(keyword: &str) -> Option<Numbered<'_>> {
        // The letters in front of the first digit that is behind a letter.
        let lead = keyword.len() - keyword.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let letters = keyword.get(lead..)?.find(|letter: char| !letter.is_ascii_uppercase())?;
        let (stem, behind) = keyword.split_at(lead + letters);
        let (column, rest) = number(behind)?;
        let plain = stem.get(lead..)?;
        let paired = PAIRED.iter().find(|(paired, _)| lead == 0 && *paired == plain);
        let known = if lead > 0 { OF_AXES.contains(&plain) } else { STEMS.contains(&plain) };
        match (paired, rest.strip_prefix('_')) {
            (Some((_, is_column)), Some(behind)) => {
                let (second, rest) = number(behind)?;
                is_version(rest).then_some(Numbered { stem, column, second: Some((second, *is_column)), rest })
            }
            _ if known && is_version(rest) => Some(Numbered { stem, column, second: None, rest }),
            _ => None,
        }
    }

    /// The keyword with other numbers; `None` where a column of it has none any more.
    fn renumbered(&self, change: &impl Fn(usize) -> Option<usize>) -> Option<String> {
        let column = change(self.column)?;
        let second = match self.second {
            Some((second, true)) => format!("_{}", change(second)?),
            Some((second, false)) => format!("_{second}"),
            None => String::new(),
        };
        Some(format!("{}{column}{second}{}", self.stem, self.rest))
    }
}

fn number(text: &str) -> Option<(usize, &str)> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    (!number.starts_with('0')).then_some((number.parse().ok()?, rest))
}

/// Nothing, or the letter of an alternative description.
fn is_version(rest: &str) -> bool {
    rest.is_empty() || matches!(rest.as_bytes(), [b'A'..=b'Z'])
}

impl Header {
    /// The header with a column more, whose number is `number`, counted from 1: `describe` adds its cards, which go behind those of the column in
    /// front of it.
    pub(crate) fn with_column(self, number: usize, describe: impl FnOnce(&mut Self) -> Result<()>) -> Result<Self> {
        let shifted = self.with_numbers(|column| Some(if column >= number { column + 1 } else { column }));
        let columns = shifted.integer("TFIELDS")?.unwrap_or(0) + 1;
        let mut described = Self::new();
        describe(&mut described)?;
        let last = shifted.records.iter().rposition(|record| {
            let keyword = String::from_utf8_lossy(shifted.keyword(record)).into_owned();
            // What a compressed table has besides stands anywhere.
            let is_before = |numbered: Numbered<'_>| {
                numbered.column < number && !matches!(numbered.stem, "ZFORM" | "ZCTYP" | "FZALG")
            };
            Numbered::parse(&keyword).is_some_and(is_before) || keyword == "TFIELDS"
        });
        let at = last.and_then(|last| shifted.records.get(last)).map_or(shifted.bytes.len(), |record| record.end);
        let mut bytes = shifted.bytes.clone();
        bytes.splice(at..at, described.bytes.iter().copied());
        let mut header = shifted.with_bytes(&bytes);
        let comment = header.comment("TFIELDS").unwrap_or_default();
        header.set_structural("TFIELDS", columns, &comment)?;
        Ok(header)
    }

    /// The header without the cards of a column, whose number is counted from 1.
    pub(crate) fn without_column(self, number: usize) -> Result<Self> {
        let columns = self.integer("TFIELDS")?.unwrap_or(0) - 1;
        let mut header = self.with_numbers(|column| match column.cmp(&number) {
            std::cmp::Ordering::Less => Some(column),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(column - 1),
        });
        let comment = header.comment("TFIELDS").unwrap_or_default();
        header.set_structural("TFIELDS", columns.max(0), &comment)?;
        Ok(header)
    }

    /// Gives the keywords of columns other numbers; those of a column that has none any more go.
    fn with_numbers(self, change: impl Fn(usize) -> Option<usize>) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len() + CARD_BYTES);
        for record in &self.records {
            let cards = self.record_bytes(record);
            let keyword = String::from_utf8_lossy(self.keyword(record)).into_owned();
            let numbered =
                Numbered::parse(&keyword).filter(|_| record.keyword == (0, keyword.len()) && record.value.is_some());
            match numbered.map(|numbered| numbered.renumbered(&change)) {
                None => bytes.extend_from_slice(cards),
                Some(Some(renamed)) if renamed.len() <= KEYWORD_BYTES => {
                    bytes.extend_from_slice(format!("{renamed:<KEYWORD_BYTES$}").as_bytes());
                    bytes.extend_from_slice(cards.get(KEYWORD_BYTES..).unwrap_or_default());
                }
                // A column that is gone, or a number that no keyword of eight characters can carry.
                Some(_) => {}
            }
        }
        self.with_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(keywords: &[&str]) -> Header {
        let cards: String =
            keywords.iter().map(|keyword| format!("{:<80}", format!("{keyword:<8}= 1 / of {keyword}"))).collect();
        Header::parse(cards.as_bytes())
    }

    fn keywords(header: &Header) -> Vec<String> {
        header.keywords().collect()
    }

    const OLD: [&str; 16] = [
        "TFIELDS", "TTYPE1", "TTYPE2", "TNULL2", "TTYPE10", "TEMP2", "TCRVL2A", "TPC2_10", "TPC1_1B", "TPV2_3",
        "TV10_2", "1CRPX2", "2CTYP10A", "TARGET2", "TDISP02", "T2",
    ];

    #[test]
    fn numbers_of_columns_follow_and_other_keywords_stay() {
        let mut more = header(&OLD);
        more = more.with_column(2, |new| new.set_structural("TTYPE2", "new", "")).unwrap();
        let expected = [
            "TFIELDS", "TTYPE1", "TTYPE3", "TNULL3", "TTYPE11", "TEMP2", "TCRVL3A", "TPC3_11", "TPC1_1B", "TTYPE2",
            "TPV3_3", "TV11_2", "1CRPX3", "2CTYP11A", "TARGET2", "TDISP02", "T2",
        ];
        assert_eq!(keywords(&more), expected);
        assert_eq!(more.comment("TNULL3").unwrap(), "of TNULL2");
        assert_eq!(more.integer("TFIELDS").unwrap(), Some(2));
        let back = more.without_column(2).unwrap();
        assert_eq!(keywords(&back), OLD);
        let less = header(&OLD).without_column(2).unwrap();
        let expected =
            ["TFIELDS", "TTYPE1", "TTYPE9", "TEMP2", "TPC1_1B", "TV9_2", "2CTYP9A", "TARGET2", "TDISP02", "T2"];
        assert_eq!(keywords(&less), expected);
    }
}
