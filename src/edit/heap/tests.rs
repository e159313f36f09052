//! Changes of a heap against a model that keeps the arrays, in every state that a kill can leave.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::directory::{Directory, HduEntry, HduKey};
use crate::source::MemorySource;

/// Rows of 29 bytes, so that descriptors lie across the ends of pages: 5 bytes, a P and a Q descriptor.
const ROW: usize = 29;
const P: usize = 5;
const Q: usize = 13;
const ROWS: usize = 300;

fn columns() -> Vec<HeapColumn> {
    vec![HeapColumn { offset: P, wide: false, element_bits: 8 }, HeapColumn { offset: Q, wide: true, element_bits: 1 }]
}

/// A file, and the arrays that its table is to have: of each row that of `P` and that of `Q`.
struct File {
    bytes: Vec<u8>,
    arrays: Vec<[Vec<u8>; 2]>,
}

fn describe(row: &mut [u8], [p, q]: [(usize, usize); 2]) {
    row[P..P + 4].copy_from_slice(&(p.0 as u32).to_be_bytes());
    row[P + 4..P + 8].copy_from_slice(&(p.1 as u32).to_be_bytes());
    row[Q..Q + 8].copy_from_slice(&(8 * q.0 as u64).to_be_bytes());
    row[Q + 8..Q + 16].copy_from_slice(&(q.1 as u64).to_be_bytes());
}

/// `gap`: between rows and heap. `followed`: by another HDU.
fn file(gap: usize, followed: bool) -> File {
    let mut header = Header::new();
    header.set_structural("SIMPLE", true, "").unwrap();
    header.set_structural("BITPIX", 8, "").unwrap();
    header.set_structural("NAXIS", 0, "").unwrap();
    let mut bytes = header.to_bytes();
    let arrays: Vec<[Vec<u8>; 2]> =
        (0..ROWS).map(|row| [vec![row as u8; row % 7], vec![!row as u8; row % 3]]).collect();
    let (mut rows, mut heap) = (Vec::new(), Vec::new());
    for [p, q] in &arrays {
        let mut row = [b'x'; ROW];
        describe(&mut row, [(p.len(), heap.len()), (q.len(), heap.len() + p.len())]);
        rows.extend(row);
        heap.extend_from_slice(p);
        heap.extend_from_slice(q);
    }
    let mut header = Header::new();
    header.set_structural("XTENSION", "BINTABLE", "").unwrap();
    let numbers = [("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", ROW), ("NAXIS2", ROWS), ("PCOUNT", gap + heap.len())];
    for (keyword, number) in numbers.into_iter().chain([("GCOUNT", 1), ("TFIELDS", 3), ("THEAP", rows.len() + gap)]) {
        header.set_structural(keyword, number, "a comment").unwrap();
    }
    for (number, form) in ["5B", "1PB(7)", "1QX(3)"].into_iter().enumerate() {
        header.set_structural(&format!("TFORM{}", number + 1), form, "").unwrap();
    }
    bytes.extend(header.to_bytes());
    bytes.extend(rows);
    bytes.extend(vec![b'g'; gap]);
    bytes.extend(heap);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    if followed {
        header.set_structural("EXTNAME", "NEXT", "").unwrap();
        header.set_structural("NAXIS2", 0, "").unwrap();
        header.set_structural("PCOUNT", 0, "").unwrap();
        header.set_structural("THEAP", 0, "").unwrap();
        bytes.extend(header.to_bytes());
    }
    File { bytes, arrays }
}

fn source(bytes: &[u8]) -> MemorySource {
    MemorySource(Bytes::copy_from_slice(bytes))
}

fn with_table<T>(bytes: &[u8], visit: impl FnOnce(&OldHdu<'_>) -> T) -> T {
    let source = source(bytes);
    let mut directory = Directory::new("a.fits".into(), false);
    let hdu = directory.find(&HduKey::Index(1), &source).unwrap();
    let last = directory.is_last(1, &source).unwrap();
    let start = directory.start_of(1) as usize;
    let blocks = &bytes[start..hdu.layout.data_start as usize];
    visit(&OldHdu {
        hdu: &hdu,
        header: &hdu.header,
        blocks,
        header_start: start as u64,
        last,
        file_len: bytes.len() as u64,
    })
}

/// The arrays of a row, as the file has them.
fn arrays(hdu: &HduEntry, bytes: &[u8], row: usize) -> [Vec<u8>; 2] {
    let start = hdu.layout.data_start as usize + row * ROW;
    let row = &bytes[start..start + ROW];
    let heap = heap(hdu).unwrap();
    let number = |at: usize, len: usize| row[at..at + len].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let array = |len: usize, offset: usize| {
        assert!(len == 0 || offset + len <= (heap.end - heap.start) as usize);
        let start = heap.start as usize + offset;
        if len == 0 { Vec::new() } else { bytes[start..start + len].to_vec() }
    };
    [array(number(P, 4), number(P + 4, 4)), array(number(Q, 8) / 8, number(Q + 8, 8))]
}

/// The states of a file while a plan is carried out, the last of which is the new one; a kill can cut a write at the end of a page.
fn states(plan: EditPlan<'_>, old: &[u8]) -> Vec<Vec<u8>> {
    let mut state = old.to_vec();
    let mut states = Vec::new();
    let mut write = |at: u64, bytes: &[u8], state: &mut Vec<u8>| {
        let mut done = 0;
        while done < bytes.len() {
            let page = (4096 - (at as usize + done) % 4096).min(bytes.len() - done);
            let place = at as usize + done;
            state.resize(state.len().max(place + page), 0);
            state[place..place + page].copy_from_slice(&bytes[done..done + page]);
            done += page;
            states.push(state.clone());
        }
    };
    let made = |content: &Content<'_>| match content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Made { len, producer } | Content::Derived { len, producer } => {
            // In pieces that are no rows.
            let mut bytes = vec![0; *len as usize];
            for (number, piece) in bytes.chunks_mut(997).enumerate() {
                let start = 997 * number as u64;
                producer(start..start + piece.len() as u64, piece).unwrap();
            }
            bytes
        }
    };
    match plan {
        EditPlan::InPlace(steps) => {
            for step in steps {
                match step {
                    Step::SetLen(len) => state.resize(len as usize, 0),
                    Step::Write { at, content } => write(at, &made(&content), &mut state),
                    Step::Scatter(pieces) => pieces(&mut |at, bytes| {
                        write(at, bytes, &mut state);
                        Ok(())
                    })
                    .unwrap(),
                }
            }
            states.push(state);
        }
        EditPlan::Assemble(pieces) => {
            let mut new = Vec::new();
            for piece in &pieces {
                match piece {
                    Piece::Old(range) => new.extend_from_slice(&old[range.start as usize..range.end as usize]),
                    Piece::New(content) => new.extend(made(content)),
                }
            }
            states.push(new);
        }
    }
    states
}

/// Carries the plan out, and looks at every state on the way.
fn carried_out(before: &File, plan: EditPlan<'_>, after: &[[Vec<u8>; 2]], followed: bool) -> Vec<u8> {
    let states = states(plan, &before.bytes);
    for (number, state) in states.iter().enumerate() {
        let source = source(state);
        let mut directory = Directory::new("a.fits".into(), false);
        let hdu = directory.find(&HduKey::Index(1), &source).unwrap();
        assert_eq!(directory.count(&source).unwrap(), if followed { 3 } else { 2 });
        let done = number + 1 == states.len();
        let rows = if done { after.len() } else { before.arrays.len() };
        assert!(!done || hdu.layout.axes[1] == rows as u64);
        for (row, wanted) in after.iter().enumerate().take(rows) {
            let found = arrays(&hdu, state, row);
            assert!(found == *wanted || (!done && found == before.arrays[row]), "row {row} in state {number}");
        }
        assert_eq!(state.len() % 2880, 0);
    }
    states.into_iter().next_back().unwrap()
}

/// Gives rows new arrays, behind `at` of the heap.
fn change(old: &OldHdu<'_>, after: &[[Vec<u8>; 2]], rows: &[usize], at: u64, added: usize) -> HeapChange<'static> {
    let mut cells = Cells::new(ROW);
    let mut heap = Vec::new();
    let mut encoded = |row: usize| {
        let mut bytes = [b'x'; ROW];
        let at = at as usize + heap.len();
        let [p, q] = &after[row];
        describe(&mut bytes, [(p.len(), at), (q.len(), at + p.len())]);
        heap.extend_from_slice(p);
        heap.extend_from_slice(q);
        bytes
    };
    for &row in rows {
        cells.push((row * ROW) as u64, &encoded(row));
    }
    let new: Vec<u8> = (after.len() - added..after.len()).flat_map(encoded).collect();
    HeapChange {
        header: old.header.clone(),
        cells,
        rows: (!new.is_empty()).then(|| Content::Bytes(new)),
        at,
        arrays: vec![Content::Bytes(heap[..heap.len() / 2].to_vec()), Content::Bytes(heap[heap.len() / 2..].to_vec())],
    }
}

fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    let source = source(bytes);
    with_table(bytes, |old| {
        let packed = repack_heap(old, columns(), &source).unwrap()?;
        states(packed.plan, bytes).pop()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_row_has_its_old_array_or_its_new_one(
        gap in 0usize..40,
        followed: bool,
        rounds in prop::collection::vec((prop::collection::btree_map(0..ROWS, (0usize..40, any::<u8>()), 0..20), 0usize..3), 1..4),
    ) {
        let mut file = file(gap, followed);
        for (changes, added) in rounds {
            let mut after = file.arrays.clone();
            let rows: Vec<usize> = changes.keys().copied().collect();
            for (row, (len, value)) in changes {
                after[row] = [vec![value; len], vec![!value; len / 2]];
            }
            after.extend((0..added).map(|row| [vec![row as u8; 30], vec![7; row]]));
            let source = source(&file.bytes);
            let bytes = with_table(&file.bytes, |old| {
                let at = used_heap(old, &columns(), &source).unwrap();
                let changed = change_heap(old, change(old, &after, &rows, at, added), &source).unwrap();
                let moves = matches!(changed.plan, EditPlan::Assemble(_));
                let bytes = carried_out(&file, changed.plan, &after, followed);
                let start = old.header_start as usize;
                assert!(bytes[start..].starts_with(&changed.blocks) && changed.header.to_bytes() == changed.blocks);
                assert_eq!(bytes.len() as u64, changed.layout.end() + if followed { 2880 } else { 0 });
                // Behind the last HDU only cells that a kill could tear make it move, and new rows.
                assert!(!moves || followed || added > 0 || !rows.is_empty());
                bytes
            });
            file = File { bytes, arrays: after };
            let packed = packed(&file.bytes).unwrap_or_else(|| file.bytes.clone());
            carried_out(&file, EditPlan::Assemble(vec![Piece::New(Content::Bytes(packed.clone()))]), &file.arrays, followed);
            let wanted: usize = file.arrays.iter().flatten().map(Vec::len).sum();
            with_table(&packed, |old| {
                assert_eq!(old.header.integer("PCOUNT").unwrap(), Some((wanted + gap) as i64));
            });
        }
    }
}

#[test]
fn what_moved_once_has_room_for_more() {
    let mut file = file(0, true);
    let mut moves = 0;
    for number in 0..200usize {
        let mut after = file.arrays.clone();
        // Cells that lie within a page.
        let row = number % 100;
        after[row] = [vec![number as u8; 100], vec![]];
        let source = source(&file.bytes);
        let bytes = with_table(&file.bytes, |old| {
            let at = used_heap(old, &columns(), &source).unwrap();
            let changed = change_heap(old, change(old, &after, &[row], at, 0), &source).unwrap();
            moves += usize::from(matches!(changed.plan, EditPlan::Assemble(_)));
            carried_out(&file, changed.plan, &after, true)
        });
        file = File { bytes, arrays: after };
    }
    assert!((2..40).contains(&moves), "{moves}");
}

#[test]
fn repacking_keeps_what_is_shared_and_leaves_what_is_packed() {
    let file = file(3, false);
    assert_eq!(packed(&file.bytes), None);
    let mut bytes = file.bytes.clone();
    let start = with_table(&bytes, |old| old.hdu.layout.data_start as usize);
    // Row 1 gets the array of row 6, row 0 the end of it.
    let offset = bytes[start + 6 * ROW + P + 4..start + 6 * ROW + P + 8].to_vec();
    let offset = u32::from_be_bytes(offset.try_into().unwrap()) as usize;
    describe(&mut bytes[start + ROW..start + 2 * ROW], [(6, offset), (0, 0)]);
    describe(&mut bytes[start..start + ROW], [(2, offset + 4), (0, 0)]);
    let packed = packed(&bytes).unwrap();
    let source = source(&packed);
    let hdu = Directory::new("a.fits".into(), false).find(&HduKey::Index(1), &source).unwrap();
    assert_eq!(arrays(&hdu, &packed, 0)[0], [6, 6]);
    assert_eq!(arrays(&hdu, &packed, 1)[0], [6; 6]);
    assert_eq!(arrays(&hdu, &packed, 6)[0], [6; 6]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let file = file(0, false);
    let source = source(&file.bytes);
    with_table(&file.bytes, |old| {
        let refused = |at: u64, cell: u64, rows: Option<usize>| {
            let mut cells = Cells::new(8);
            cells.push(cell, &[0; 8]);
            let rows = rows.map(|len| Content::Bytes(vec![0; len]));
            let change = HeapChange { header: old.header.clone(), cells, rows, at, arrays: vec![] };
            change_heap(old, change, &source).is_err()
        };
        assert!(!refused(0, 0, None) && !refused(0, 0, Some(2 * ROW)));
        assert!(refused(1 << 40, 0, None) && refused(u64::MAX, 0, None));
        assert!(refused(0, (ROW * ROWS) as u64 - 7, None) && refused(0, u64::MAX, None));
        assert!(refused(0, 0, Some(7)));
    });
    // A descriptor that leads out of the heap.
    let mut bytes = file.bytes.clone();
    let start = with_table(&bytes, |old| old.hdu.layout.data_start as usize);
    describe(&mut bytes[start + 4 * ROW..start + 5 * ROW], [(6, 1 << 30), (0, 0)]);
    let error = with_table(&bytes, |old| {
        repack_heap(old, columns(), &source).err().or(used_heap(old, &columns(), &self::source(&bytes)).err())
    });
    assert!(error.unwrap().to_string().contains("row 4"));
}
