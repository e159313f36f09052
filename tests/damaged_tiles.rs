//! Thousands of damaged tiles for each compression: an error that names the tile, or pixels; never a panic, and never other tiles.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array2, ArrayD, s};
use rustfits::{Algorithm, Compression, Dithering, ErrorKind, FitsReader, ImageOptions, Quantize};

/// How often the tiles of each file are damaged.
const TURNS: usize = 1500;
const ROWS: usize = 40;
const COLUMNS: usize = 30;
const TILE_ROWS: usize = 10;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end.max(1)
    }
}

/// A file with one compressed image.
struct Packed {
    file: Vec<u8>,
    /// Where its rows start, and how long one is.
    table: usize,
    row_len: usize,
    rows: usize,
    /// Where its heap ends.
    end: usize,
}

impl Packed {
    fn new(algorithm: Algorithm, quantize: Option<Quantize>) -> Self {
        let compress = Compression { tile_shape: Some(vec![TILE_ROWS, COLUMNS]), ..Compression::of(algorithm) };
        let options = ImageOptions { compress: Some(compress), quantize, ..ImageOptions::default() };
        let mut numbers = Numbers(3);
        let integers = Array2::from_shape_simple_fn((ROWS, COLUMNS), || (numbers.below(900) / 5) as i32);
        let file = fits(|writer| {
            let written = if quantize.is_some() {
                writer.write_image(&integers.mapv(|pixel| pixel as f32 * 0.37), options)
            } else {
                writer.write_image(&integers, options)
            };
            written.wait().unwrap();
        });
        let fits = FitsReader::from_bytes(file.clone()).wait().unwrap();
        let hdu = fits.hdu(1).wait().unwrap();
        let number = |keyword: &str| hdu.stored_header().value(keyword).unwrap().to_string().parse::<usize>().unwrap();
        let (row_len, rows, heap) = (number("NAXIS1"), number("NAXIS2"), number("PCOUNT"));
        // The header of the primary HDU is one block; that of the table ends with the next END.
        let mut cards = file.as_chunks::<80>().0.iter().enumerate().skip(BLOCK / 80);
        let end_card = cards.find(|(_, card)| card.starts_with(b"END ")).unwrap().0;
        let table = ((end_card + 1) * 80).next_multiple_of(BLOCK);
        Self { table, row_len, rows, end: table + row_len * rows + heap, file }
    }

    /// Reads the image and a section; an error has to name a tile.
    fn look(&self, file: Vec<u8>) -> bool {
        let fits = FitsReader::from_bytes(file).wait().unwrap();
        let whole = fits.image(1).read_dyn().wait();
        let part = fits.image(1).section(s![5..15, ..;-2]).read_dyn().wait();
        for result in [&whole, &part] {
            match result {
                Ok(image) => assert!(image.shape() == [ROWS, COLUMNS] || image.shape() == [10, COLUMNS / 2]),
                Err(error) => {
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::Corrupt | ErrorKind::Truncated | ErrorKind::Illegal | ErrorKind::Unsupported
                        ),
                        "{error}"
                    );
                    assert!(error.to_string().contains("tile"), "{error}");
                }
            }
        }
        whole.is_ok()
    }
}

/// Changes bytes of a piece.
fn damage(piece: &mut [u8], numbers: &mut Numbers) {
    let len = piece.len();
    for _ in 0..=numbers.below(3) {
        let (at, count) = (numbers.below(len), 1 + numbers.below(8));
        let span = at..(at + count).min(len);
        match numbers.below(5) {
            0 | 1 => piece[at] ^= 1 << numbers.below(8),
            2 => piece[span].fill([0, 0xff, 0x80, 0x7f][numbers.below(4)]),
            3 => piece[at] = numbers.next() as u8,
            _ => piece.copy_within(span, numbers.below(len - count.min(len) + 1).min(len - count.min(len))),
        }
    }
}

fn cases() -> Vec<(Algorithm, Option<Quantize>)> {
    let integers = [
        Algorithm::Rice1 { block_size: 32 },
        Algorithm::Gzip1 { level: 2 },
        Algorithm::Gzip2 { level: 2 },
        Algorithm::Plio1,
        Algorithm::Hcompress1 { scale: 0.0, smooth: false },
        Algorithm::Hcompress1 { scale: -9.0, smooth: true },
        Algorithm::NoCompress,
    ];
    let quantize = |method| Some(Quantize { level: -0.5, method, seed: 9 });
    let floats = [
        (Algorithm::Rice1 { block_size: 16 }, quantize(Dithering::One)),
        (Algorithm::Gzip2 { level: 2 }, quantize(Dithering::Two)),
        (Algorithm::Hcompress1 { scale: 0.0, smooth: false }, quantize(Dithering::None)),
    ];
    integers.into_iter().map(|algorithm| (algorithm, None)).chain(floats).collect()
}

#[test]
fn damaged_tiles_are_named_or_read() {
    for (algorithm, quantize) in cases() {
        let packed = Packed::new(algorithm, quantize);
        assert!(packed.look(packed.file.clone()));
        let mut numbers = Numbers(algorithm.name().len() as u64);
        let mut read = 0;
        for turn in 0..TURNS {
            let mut file = packed.file.clone();
            // The descriptors too, now and then.
            let start = if turn % 5 == 0 { packed.table } else { packed.table + packed.row_len * packed.rows };
            damage(&mut file[start..packed.end], &mut numbers);
            read += usize::from(packed.look(file));
        }
        // Damage is sometimes found, and sometimes can't be.
        assert!(read < TURNS, "{algorithm:?}: none of the damage is found");
    }
}

#[test]
fn other_tiles_stay_as_they_are() {
    for (algorithm, quantize) in cases() {
        let packed = Packed::new(algorithm, quantize);
        let rows = ROWS - TILE_ROWS;
        let first = |file: Vec<u8>| -> ArrayD<f64> {
            FitsReader::from_bytes(file).wait().unwrap().image(1).section(s![..rows, ..]).read().wait().unwrap()
        };
        let expected = first(packed.file.clone());
        // The row of the last tile says where its bytes start: in the second column where it is not packed.
        let row = &packed.file[packed.table + (packed.rows - 1) * packed.row_len..][..packed.row_len];
        let number = |at: usize| u32::from_be_bytes(row[at..at + 4].try_into().unwrap()) as usize;
        let offset = if number(0) == 0 { number(12) } else { number(4) };
        let last = packed.table + packed.row_len * packed.rows + offset;
        let mut numbers = Numbers(11);
        for _ in 0..TURNS / 10 {
            let mut file = packed.file.clone();
            damage(&mut file[last..packed.end], &mut numbers);
            assert_eq!(first(file), expected, "{algorithm:?}");
        }
    }
}
