//! Putting new HDUs behind the last one or in front of another, and taking HDUs out (FITS 4.0 §3.1).

use std::ops::Range;

use super::append::append_hdu;
use crate::error::{Error, Result};
use crate::format::padded;
use crate::source::{Content, EditPlan, Piece, Step};

/// An HDU that is to be written.
pub(crate) struct NewHdu<'a> {
    /// Its header, whole blocks.
    pub(crate) header: Vec<u8>,
    /// The first bytes of its data unit; `None` for zeros.
    pub(crate) data: Option<Content<'a>>,
    pub(crate) data_len: u64,
}

/// A primary HDU that becomes an extension because others come in front of it: where its header lies, and the one that it gets.
#[derive(Clone)]
pub(crate) struct Demoted {
    pub(crate) header: Range<u64>,
    pub(crate) extension: Vec<u8>,
}

/// Plans to put HDUs behind the last one, which ends at `at`.
pub(crate) fn append_hdus(hdus: Vec<NewHdu<'_>>, mut at: u64) -> Result<EditPlan<'_>> {
    let mut steps = Vec::new();
    for hdu in hdus {
        let header_len = hdu.header.len() as u64;
        steps.extend(append_hdu(at, &hdu.header, hdu.data, hdu.data_len)?);
        at += header_len + padded(hdu.data_len).unwrap_or(hdu.data_len);
    }
    Ok(EditPlan::InPlace(steps))
}

/// Plans to put HDUs in front of the one that starts at `at`.
pub(crate) fn insert_hdus(
    hdus: Vec<NewHdu<'_>>,
    at: u64,
    demoted: Option<Demoted>,
    file_len: u64,
) -> Result<EditPlan<'_>> {
    let mut pieces = vec![Piece::Old(0..at)];
    for hdu in hdus {
        let made = hdu.data.as_ref().map_or(0, Content::len);
        let padding = data_end(hdu.data_len)? - made;
        pieces.push(Piece::New(Content::Bytes(hdu.header)));
        pieces.extend(hdu.data.map(Piece::New));
        pieces.push(Piece::New(zeros(padding)));
    }
    let mut rest = at;
    if let Some(Demoted { header, extension }) = demoted {
        pieces.push(Piece::New(Content::Bytes(extension)));
        rest = header.end;
    }
    pieces.push(Piece::Old(rest..file_len.max(rest)));
    pieces.retain(|piece| piece.len() > 0);
    Ok(EditPlan::Assemble(pieces))
}

/// Plans to take out the HDU that lies in `range`; `instead` takes its place. `last`: nothing that has to stay follows it.
pub(crate) fn delete_hdu(range: Range<u64>, instead: Vec<u8>, last: bool, file_len: u64) -> EditPlan<'static> {
    if last && instead.is_empty() {
        return EditPlan::InPlace(vec![Step::SetLen(range.start)]);
    }
    let rest = if last { file_len } else { range.end.min(file_len) };
    let mut pieces = vec![Piece::Old(0..range.start), Piece::New(Content::Bytes(instead)), Piece::Old(rest..file_len)];
    pieces.retain(|piece| piece.len() > 0);
    EditPlan::Assemble(pieces)
}

/// How long the data unit is with its padding.
fn data_end(data_len: u64) -> Result<u64> {
    padded(data_len)
        .filter(|&len| i64::try_from(len).is_ok())
        .ok_or_else(|| Error::too_large("the data unit is larger than a file can be"))
}

fn zeros(len: u64) -> Content<'static> {
    let fill = |_: Range<u64>, output: &mut [u8]| {
        output.fill(0);
        Ok(())
    };
    Content::Made { len, producer: Box::new(fill) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens(plan: &EditPlan<'_>) -> Vec<u64> {
        match plan {
            EditPlan::Assemble(pieces) => pieces.iter().map(Piece::len).collect(),
            EditPlan::InPlace(_) => panic!("nothing moves"),
        }
    }

    fn hdu(data_len: u64) -> NewHdu<'static> {
        NewHdu { header: vec![b' '; 2880], data: Some(Content::Bytes(vec![1; data_len as usize])), data_len }
    }

    #[test]
    fn what_is_inserted_is_padded_and_the_rest_follows() {
        let plan = insert_hdus(vec![hdu(10)], 5760, None, 11_520).unwrap();
        assert_eq!(lens(&plan), [5760, 2880, 10, 2870, 5760]);
        let demoted = Demoted { header: 0..2880, extension: vec![b' '; 5760] };
        let plan = insert_hdus(vec![hdu(0)], 0, Some(demoted), 5760).unwrap();
        assert_eq!(lens(&plan), [2880, 5760, 2880]);
    }

    #[test]
    fn the_last_hdu_is_cut_off() {
        let EditPlan::InPlace(steps) = delete_hdu(2880..5760, Vec::new(), true, 9000) else { panic!("in place") };
        assert!(matches!(steps[..], [Step::SetLen(2880)]));
        assert_eq!(lens(&delete_hdu(2880..5760, Vec::new(), false, 9000)), [2880, 3240]);
        assert_eq!(lens(&delete_hdu(0..5760, vec![b' '; 2880], true, 5760)), [2880]);
        assert_eq!(lens(&delete_hdu(0..5760, vec![b' '; 2880], false, 8640)), [2880, 2880]);
    }
}
