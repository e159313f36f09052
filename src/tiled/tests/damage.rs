//! Tables that lie: each is an error that names the tile, and nothing large is allocated for it.

use super::{Recorder, Table, as_i16, descriptor, gzip, read};
use crate::error::ErrorKind;

/// Two tiles of 4 pixels of 16 bits.
const CARDS: [&str; 6] =
    ["ZCMPTYPE= 'NOCOMPRESS'", "ZBITPIX = 16", "ZNAXIS  = 1", "ZNAXIS1 = 8", "ZTILE1  = 4", "ZQUANTIZ= 'NONE'"];

fn cards(changes: &[(usize, &'static str)]) -> Vec<&'static str> {
    let mut cards = CARDS.to_vec();
    for (index, card) in changes {
        cards[*index] = card;
    }
    cards
}

fn tiles() -> Vec<Vec<u8>> {
    vec![vec![0, 1, 0, 2, 0, 3, 0, 4], vec![0, 5, 0, 6, 0, 7, 0, 8]]
}

fn failure(table: &Table) -> (ErrorKind, String) {
    let error = read(&Recorder::new(table.file()), None).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn descriptors_outside_of_the_heap_name_their_tile() {
    let table = Table::of_tiles(&CARDS, &tiles());
    for row in [
        descriptor(8, 9),
        descriptor(9, 8),
        descriptor(u32::MAX, 0),
        descriptor(8, u32::MAX),
        descriptor(u32::MAX, u32::MAX),
        descriptor(0, 0),
    ] {
        let mut table = table.clone();
        table.rows[1] = row;
        let (kind, message) = failure(&table);
        assert_eq!(kind, ErrorKind::Corrupt, "{message}");
        assert!(message.contains("tile 2"), "{message}");
    }
}

#[test]
fn wide_descriptors_are_read_and_checked() {
    let mut table = Table::of_tiles(&CARDS, &tiles());
    table.columns[0].1 = "1QB(8)";
    let wide = |length: u64, offset: u64| [length.to_be_bytes(), offset.to_be_bytes()].concat();
    table.rows = vec![wide(8, 0), wide(8, 8)];
    assert_eq!(as_i16(&read(&Recorder::new(table.file()), None).unwrap().0), [1, 2, 3, 4, 5, 6, 7, 8]);
    for (length, offset) in [(8, u64::MAX), (u64::MAX, 8), (u64::MAX, u64::MAX), (1 << 63, 0)] {
        table.rows[1] = wide(length, offset);
        assert_eq!(failure(&table).0, ErrorKind::Corrupt);
    }
    // The length counts elements, not bytes.
    table.columns[0].1 = "1QM";
    table.rows[1] = wide(1 << 60, 0);
    assert_eq!(failure(&table).0, ErrorKind::Corrupt);
}

#[test]
fn a_file_cut_short_is_read_as_far_as_it_goes() {
    let file = Table::of_tiles(&CARDS, &tiles()).file();
    let end = file.len() - 2880 + 2 * 8 + 15;
    let source = Recorder::new(file[..end].to_vec());
    let error = read(&source, None).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("tile 2")), (ErrorKind::Truncated, true), "{error}");
    let first = crate::image::Section(vec![crate::image::AxisSection::Slice { start: None, stop: Some(4), step: 1 }]);
    assert_eq!(as_i16(&read(&source, Some(first)).unwrap().0), [1, 2, 3, 4]);
    let source = Recorder::new(file[..end - 17].to_vec());
    assert_eq!(read(&source, None).unwrap_err().kind(), ErrorKind::Truncated);
}

#[test]
fn too_few_pixels_are_an_error_and_too_many_are_not() {
    let mut tiles = tiles();
    tiles[1].pop();
    let (kind, message) = failure(&Table::of_tiles(&CARDS, &tiles));
    assert_eq!((kind, message.contains("tile 2")), (ErrorKind::Corrupt, true), "{message}");

    let gzip_1 = cards(&[(0, "ZCMPTYPE= 'GZIP_1'"), (3, "ZNAXIS1 = 7")]);
    let pixels = [0, 1, 0, 2, 0, 3, 0, 4];
    let file = |last: &[u8]| Recorder::new(Table::of_tiles(&gzip_1, &[gzip(&pixels), gzip(last)]).file());
    let error = read(&file(&pixels[..5]), None).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("tile 2")), (ErrorKind::Corrupt, true), "{error}");
    // The last tile has 3 pixels, and was filled up to 4; or holds some more.
    for last in [pixels.as_slice(), &pixels[..7]] {
        assert_eq!(as_i16(&read(&file(last), None).unwrap().0), [1, 2, 3, 4, 1, 2, 3]);
    }
    // Numbers wider and narrower than pixels.
    let wide: Vec<u8> = [-1_i32, 2, 300].iter().flat_map(|number| number.to_be_bytes()).collect();
    assert_eq!(as_i16(&read(&file(&wide), None).unwrap().0), [1, 2, 3, 4, -1, 2, 300]);
    assert_eq!(as_i16(&read(&file(&[1, 2, 255]), None).unwrap().0), [1, 2, 3, 4, 1, 2, 255]);
    let wide: Vec<u8> = [-1_i32, 2, 70_000].iter().flat_map(|number| number.to_be_bytes()).collect();
    assert_eq!(read(&file(&wide), None).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn small_files_make_no_large_images() {
    let huge = [(2, "ZNAXIS  = 1"), (3, "ZNAXIS1 = 3000000000"), (4, "ZTILE1  = 3000000000")];
    for codec in [
        "ZCMPTYPE= 'RICE_1'",
        "ZCMPTYPE= 'GZIP_1'",
        "ZCMPTYPE= 'GZIP_2'",
        "ZCMPTYPE= 'NOCOMPRESS'",
        "ZCMPTYPE= 'HCOMPRESS_1'",
    ] {
        let cards = cards(&[huge[0], huge[1], huge[2], (0, codec)]);
        let (kind, message) = failure(&Table::of_tiles(&cards, &[vec![0; 1000]]));
        assert_eq!((kind, message.contains("tile 1")), (ErrorKind::Corrupt, true), "{message}");
    }
    // A plane of equal pixels is a few bytes, but not a file of such planes.
    let planes = cards(&[(0, "ZCMPTYPE= 'HCOMPRESS_1'"), (3, "ZNAXIS1 = 1000000000"), (4, "ZTILE1  = 10000000")]);
    let mut table = Table::of_tiles(&planes, &[vec![0; 1000]]);
    table.rows = vec![descriptor(1000, 0); 100];
    let (kind, message) = failure(&table);
    assert_eq!((kind, message.contains("can't hold")), (ErrorKind::Corrupt, true), "{message}");
    // Many tiles of the same bytes.
    let cards = cards(&[(0, "ZCMPTYPE= 'GZIP_1'"), (3, "ZNAXIS1 = 500000000"), (4, "ZTILE1  = 500000")]);
    let mut table = Table::of_tiles(&cards, &[vec![0; 1000]]);
    table.rows = vec![descriptor(1000, 0); 1000];
    let (kind, message) = failure(&table);
    assert_eq!((kind, message.contains("can't hold")), (ErrorKind::Corrupt, true), "{message}");
}

#[test]
fn tiles_without_rows_are_an_error() {
    let (kind, message) = failure(&Table::of_tiles(&cards(&[(4, "ZTILE1  = 3")]), &tiles()));
    assert_eq!((kind, message.contains("3 tiles")), (ErrorKind::Illegal, true), "{message}");
    let many = cards(&[(3, "ZNAXIS1 = 9223372036854775807"), (4, "ZTILE1  = 1")]);
    assert_eq!(failure(&Table::of_tiles(&many, &tiles())).0, ErrorKind::Illegal);
    let mut more = cards(&[(2, "ZNAXIS  = 2"), (3, "ZNAXIS1 = 9223372036854775807")]);
    more.push("ZNAXIS2 = 9223372036854775807");
    let error = failure(&Table::of_tiles(&more, &tiles()));
    assert!(matches!(error.0, ErrorKind::TooLarge | ErrorKind::Illegal), "{error:?}");
    // Rows of no length, and columns that don't fit the row.
    let mut table = Table::of_tiles(&CARDS, &tiles());
    table.rows = vec![Vec::new(); 2];
    assert_eq!(failure(&table).0, ErrorKind::Illegal);
    table.columns.clear();
    assert!(matches!(failure(&table).0, ErrorKind::Truncated | ErrorKind::Corrupt));
}
