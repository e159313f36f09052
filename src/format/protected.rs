//! The keywords that describe the structure of a file and that no user sets by hand (FITS 4.0 §4.4.1, §7, §10).

/// Keywords that stand alone.
const SINGLE: &[&str] = &[
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "END", "CONTINUE", "TFIELDS",
    "THEAP", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM", "LONGSTRN",
];
/// Keywords with a number behind them.
const NUMBERED: &[&str] = &["NAXIS", "TTYPE", "TFORM", "TDIM", "TSCAL", "TZERO", "TNULL", "TBCOL"];
/// The keywords of tile compression; some are numbered.
const TILED: &[&str] = &[
    "ZIMAGE", "ZTABLE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS", "ZTILE", "ZNAME", "ZVAL", "ZMASKCMP", "ZQUANTIZ", "ZDITHER0",
    "ZSIMPLE", "ZEXTEND", "ZBLOCKED", "ZTENSION", "ZPCOUNT", "ZGCOUNT", "ZHECKSUM", "ZDATASUM", "ZBLANK", "ZSCALE",
    "ZZERO", "ZTILELEN", "ZFORM", "ZCTYP", "ZTHEAP",
];

/// Whether a keyword describes the structure of the file, so that it is not set by hand.
///
/// # Examples
///
/// ```
/// assert!(rustfits::is_protected_keyword("NAXIS1"));
/// assert!(!rustfits::is_protected_keyword("EXPTIME"));
/// ```
pub fn is_protected_keyword(keyword: &str) -> bool {
    is_protected_name(&keyword.trim().to_ascii_uppercase())
}

/// As [`is_protected_keyword`], for a keyword in upper case and without blanks around it.
pub(super) fn is_protected_name(keyword: &str) -> bool {
    let stem = keyword.trim_end_matches(|character: char| character.is_ascii_digit());
    SINGLE.contains(&keyword)
        || TILED.contains(&keyword)
        || (stem.len() < keyword.len() && (NUMBERED.contains(&stem) || TILED.contains(&stem)))
}
