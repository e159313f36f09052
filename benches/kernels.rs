//! Micro-benchmarks through the public API, from memory: `cargo bench --bench kernels [-- FILTER]`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that fails stops")]

use std::io::Write;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ndarray::s;
use rustfits::Header;
use rustfits::blocking::FitsReader;

const BLOCK: usize = 2880;
const CARD: usize = 80;
const SIDE: usize = 1024;
const ROWS: usize = 100_000;
const RICE_BLOCK: usize = 32;
const RICE_SPLIT: u32 = 4;

fn main() {
    divan::main();
}

fn padded(mut bytes: Vec<u8>, fill: u8) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), fill);
    bytes
}

fn header(cards: &[(&str, String)]) -> Vec<u8> {
    let mut text = String::new();
    for (keyword, value) in cards {
        text += &format!("{:<CARD$}", format!("{keyword:<8}= {value:>20}"));
    }
    text += &format!("{:<CARD$}", "END");
    padded(text.into_bytes(), b' ')
}

fn card(keyword: &'static str, value: impl ToString) -> (&'static str, String) {
    (keyword, value.to_string())
}

fn image(bitpix: i64, more: &[(&'static str, String)]) -> Bytes {
    let mut cards =
        vec![card("SIMPLE", "T"), card("BITPIX", bitpix), card("NAXIS", 2), card("NAXIS1", SIDE), card("NAXIS2", SIDE)];
    cards.extend_from_slice(more);
    let mut file = header(&cards);
    let bytes = SIDE * SIDE * usize::try_from(bitpix.abs() / 8).unwrap();
    file.extend(padded((0..bytes).map(|i| u8::try_from(i * 7 % 61).unwrap()).collect(), 0));
    file.into()
}

/// A file of an empty primary HDU and a binary table; `columns` are forms.
fn table(forms: &[&str], row_bytes: usize, rows: &[u8], heap: &[u8], more: &[(&'static str, String)]) -> Bytes {
    let mut file = header(&[card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 0)]);
    let keywords: Vec<_> = (1..=forms.len()).map(|i| (format!("TFORM{i}"), format!("TTYPE{i}"))).collect();
    let mut cards =
        vec![card("XTENSION", "'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", row_bytes)];
    cards.extend([
        card("NAXIS2", rows.len() / row_bytes),
        card("PCOUNT", heap.len()),
        card("GCOUNT", 1),
        card("TFIELDS", forms.len()),
    ]);
    let mut cards: Vec<(&str, String)> = cards;
    for (i, (form, (tform, ttype))) in forms.iter().zip(&keywords).enumerate() {
        let name = match (more.is_empty(), i) {
            (true, _) => format!("'C{i}'"),
            (_, 0) => "'COMPRESSED_DATA'".to_owned(),
            (_, 1) => "'ZSCALE'".to_owned(),
            _ => "'ZZERO'".to_owned(),
        };
        cards.extend([(ttype.as_str(), name), (tform.as_str(), format!("'{form}'"))]);
    }
    cards.extend(more.iter().cloned());
    file.extend(header(&cards));
    file.extend(padded([rows, heap].concat(), 0));
    file.into()
}

struct Bits {
    bytes: Vec<u8>,
    word: u64,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, bits: u32) {
        self.word = self.word << bits | u64::from(value);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.word >> self.count & 0xff) as u8);
        }
    }
}

/// One row of noise as RICE_1 of four-byte pixels.
fn rice_row(seed: usize) -> Vec<u8> {
    let pixels: Vec<i32> = (0..SIDE).map(|i| i32::try_from((i * 7919 + seed * 104_729) % 37).unwrap() + 1000).collect();
    let mut bits = Bits { bytes: Vec::new(), word: 0, count: 0 };
    bits.push(pixels[0].cast_unsigned(), 32);
    let mut last = pixels[0];
    for block in pixels.chunks(RICE_BLOCK) {
        bits.push(RICE_SPLIT + 1, 5);
        for &pixel in block {
            let step = pixel - last;
            last = pixel;
            let folded = (step << 1 ^ step >> 31).cast_unsigned();
            for _ in 0..folded >> RICE_SPLIT {
                bits.push(0, 1);
            }
            bits.push(1, 1);
            bits.push(folded & ((1 << RICE_SPLIT) - 1), RICE_SPLIT);
        }
    }
    bits.push(0, 7);
    bits.bytes
}

fn rice(quantized: bool) -> Bytes {
    let (mut rows, mut heap) = (Vec::new(), Vec::new());
    for row in 0..SIDE {
        let packed = rice_row(row);
        for number in [packed.len(), heap.len()] {
            rows.extend(u32::try_from(number).unwrap().to_be_bytes());
        }
        if quantized {
            rows.extend(0.25f64.to_be_bytes());
            rows.extend(10f64.to_be_bytes());
        }
        heap.extend(packed);
    }
    let mut more = vec![card("ZIMAGE", "T"), card("ZBITPIX", if quantized { -32 } else { 32 }), card("ZNAXIS", 2)];
    more.extend([card("ZNAXIS1", SIDE), card("ZNAXIS2", SIDE), card("ZTILE1", SIDE), card("ZTILE2", 1)]);
    more.extend([card("ZCMPTYPE", "'RICE_1'"), card("ZNAME1", "'BLOCKSIZE'"), card("ZVAL1", RICE_BLOCK)]);
    more.extend([card("ZNAME2", "'BYTEPIX'"), card("ZVAL2", 4)]);
    if quantized {
        more.extend([card("ZQUANTIZ", "'SUBTRACTIVE_DITHER_1'"), card("ZDITHER0", 1)]);
        table(&["1PB", "1D", "1D"], 24, &rows, &heap, &more)
    } else {
        table(&["1PB"], 8, &rows, &heap, &more)
    }
}

#[divan::bench(args = [36, 360, 3600])]
fn header_parse(bencher: Bencher<'_, '_>, cards: usize) {
    let names: Vec<_> = (0..cards).map(|i| format!("K{i}")).collect();
    let list: Vec<_> = names.iter().map(|name| (name.as_str(), "1.5".to_owned())).collect();
    let bytes = header(&list);
    bencher.counter(ItemsCount::new(cards)).bench(|| Header::parse(&bytes));
}

#[divan::bench(args = [36, 360, 3600])]
fn header_every_value(bencher: Bencher<'_, '_>, cards: usize) {
    let names: Vec<_> = (0..cards).map(|i| format!("K{i}")).collect();
    let list: Vec<_> = names.iter().map(|name| (name.as_str(), "1.5".to_owned())).collect();
    let bytes = header(&list);
    bencher.counter(ItemsCount::new(cards)).bench(|| {
        let header = Header::parse(&bytes);
        names.iter().map(|name| header.get::<f64>(name).unwrap()).sum::<f64>()
    });
}

#[divan::bench(args = [8, 16, 32, 64, -32, -64])]
fn image_read(bencher: Bencher<'_, '_>, bitpix: i64) {
    let reader = FitsReader::from_bytes(image(bitpix, &[])).unwrap();
    let bytes = SIDE * SIDE * usize::try_from(bitpix.abs() / 8).unwrap();
    bencher.counter(BytesCount::new(bytes)).bench(|| reader.image(0).read_dyn().unwrap());
}

#[divan::bench]
fn image_read_u16(bencher: Bencher<'_, '_>) {
    let reader = FitsReader::from_bytes(image(16, &[card("BZERO", 32768)])).unwrap();
    bencher.counter(BytesCount::new(SIDE * SIDE * 2)).bench(|| reader.image(0).read_dyn().unwrap());
}

#[divan::bench]
fn image_stamp(bencher: Bencher<'_, '_>) {
    let reader = FitsReader::from_bytes(image(-32, &[])).unwrap();
    bencher.bench(|| reader.image(0).section(s![500..532, 300..332]).read_dyn().unwrap());
}

#[divan::bench]
fn image_read_gzip(bencher: Bencher<'_, '_>) {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&image(16, &[])).unwrap();
    let bytes = Bytes::from(packer.finish().unwrap());
    bencher.counter(BytesCount::new(SIDE * SIDE * 2)).bench(|| {
        let reader = FitsReader::from_bytes(bytes.clone()).unwrap();
        reader.image(0).read_dyn().unwrap()
    });
}

const FORMS: [&str; 8] = ["1I", "1J", "1K", "1E", "1D", "8A", "1L", "3E"];
const ROW_BYTES: usize = 2 + 4 + 8 + 4 + 8 + 8 + 1 + 12;

fn mixed() -> FitsReader {
    let row: Vec<u8> = (0..ROW_BYTES).map(|i| if i == 34 { b'T' } else { b'0' }).collect();
    FitsReader::from_bytes(table(&FORMS, ROW_BYTES, &row.repeat(ROWS), &[], &[])).unwrap()
}

#[divan::bench]
fn table_whole(bencher: Bencher<'_, '_>) {
    let reader = mixed();
    bencher.counter(BytesCount::new(ROWS * ROW_BYTES)).bench(|| reader.table(1).read().unwrap());
}

#[divan::bench]
fn table_two_columns(bencher: Bencher<'_, '_>) {
    let reader = mixed();
    bencher.counter(ItemsCount::new(ROWS)).bench(|| reader.table(1).columns(["C1", "C4"]).read().unwrap());
}

#[divan::bench]
fn table_scattered_rows(bencher: Bencher<'_, '_>) {
    let reader = mixed();
    let rows: Vec<i64> = (0..ROWS).step_by(97).map(|row| i64::try_from(row).unwrap()).collect();
    bencher.counter(ItemsCount::new(rows.len())).bench(|| reader.table(1).rows(rows.clone()).read().unwrap());
}

#[divan::bench(args = [false, true])]
fn rice_read(bencher: Bencher<'_, '_>, quantized: bool) {
    let reader = FitsReader::from_bytes(rice(quantized)).unwrap();
    bencher.counter(BytesCount::new(SIDE * SIDE * 4)).bench(|| reader.image(1).read_dyn().unwrap());
}

#[divan::bench]
fn rice_stamp(bencher: Bencher<'_, '_>) {
    let reader = FitsReader::from_bytes(rice(true)).unwrap();
    bencher.bench(|| reader.image(1).section(s![500..532, 300..332]).read_dyn().unwrap());
}
