//! Writing pixels into images that are there: everywhere, whatever the image stores; what is refused leaves the file as it was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array3, ArrayD, arr0, array, s};
use rustfits::{AxisSection, ErrorKind, FitsReader, FitsWriter, ImageOptions, PixelValues, Section};

fn cube() -> Array3<i16> {
    Array3::from_shape_fn((4, 5, 6), |(plane, row, column)| (plane * 100 + row * 10 + column) as i16)
}

/// A primary image, and two extensions of the same pixels.
fn three() -> Vec<u8> {
    fits(|writer| {
        for name in ["A", "B", "C"] {
            writer.write_image(&cube(), ImageOptions::named(name)).wait().unwrap();
        }
    })
}

/// An image of stored numbers with these cards besides the mandatory ones.
fn stored(bitpix: i64, cards: &[&str], data: &[u8], length: usize) -> Vec<u8> {
    let (bitpix, length) = (format!("BITPIX  = {bitpix:>20}"), format!("NAXIS1  = {length:>20}"));
    let mandatory =
        ["SIMPLE  =                    T", bitpix.as_str(), "NAXIS   =                    1", length.as_str()];
    let mut bytes = header(&[&mandatory[..], cards].concat());
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

fn open(bytes: Vec<u8>) -> FitsWriter {
    FitsWriter::from_bytes(bytes, rustfits::WriteOptions::default()).wait().unwrap()
}

#[test]
fn a_section_is_written_everywhere_and_nothing_else_changes() {
    let directory = tempfile::tempdir().unwrap();
    let values = array![[-1i16, -2], [-3, -4]];
    let mut model = cube();
    model.slice_mut(s![2, 1..4;2, ..;-3]).assign(&values);
    for name in ["a.fits", "a.fits.gz"] {
        let path = directory.path().join(name);
        let before = three();
        std::fs::write(&path, if name.ends_with("gz") { gzip(&before) } else { before.clone() }).unwrap();
        let writer = FitsWriter::open(&path).wait().unwrap();
        // numpy's way to go backwards.
        let backwards = AxisSection::Slice { start: None, stop: None, step: -3 };
        let rows = AxisSection::Slice { start: Some(1), stop: Some(4), step: 2 };
        let section = Section(vec![AxisSection::At(-2), rows, backwards]);
        writer.write_section("B", section, &values).wait().unwrap();
        assert_eq!(writer.reader().image("B").read::<i16>().wait().unwrap(), model.clone().into_dyn());
        writer.close().wait().unwrap();
        let after = FitsReader::open(&path).wait().unwrap().to_bytes().wait().unwrap();
        let changed: Vec<usize> = (0..before.len()).filter(|&index| before[index] != after[index]).collect();
        assert_eq!(before.len(), after.len());
        assert!(
            changed.len() <= 8 && changed.iter().all(|index| (3 * BLOCK..4 * BLOCK).contains(index)),
            "{changed:?}"
        );
        let fits = FitsReader::open(&path).wait().unwrap();
        assert_eq!(fits.image("B").read::<i16>().wait().unwrap(), model.clone().into_dyn());
        assert_eq!(fits.image("C").read::<i16>().wait().unwrap(), cube().into_dyn());
    }
}

#[test]
fn large_images_are_written_in_pieces() {
    let writer = open(one_image(&ramp(700, 1000).into_dyn()));
    let mut model = ramp(700, 1000);
    let negative = -ramp(500, 900);
    writer.write_section(0, s![100..600, 50..950], &negative).wait().unwrap();
    model.slice_mut(s![100..600, 50..950]).assign(&negative);
    assert_eq!(writer.reader().image(0).read::<f32>().wait().unwrap(), model.into_dyn());
    let transposed = ramp(1000, 700).reversed_axes();
    writer.reader().image(0).write(&transposed).wait().unwrap();
    assert_eq!(writer.reader().image(0).read::<f32>().wait().unwrap(), transposed.into_dyn());
    writer.reader().image(0).write(&arr0(2.5f32)).wait().unwrap();
    let constant = ArrayD::from_elem(vec![700, 1000], 2.5f32);
    assert_eq!(writer.reader().image(0).read::<f32>().wait().unwrap(), constant);
}

#[test]
fn from_a_position_and_one_after_the_other() {
    let writer = open(three());
    let image = writer.reader().image("A");
    let values = array![[[7i16, 8]]].into_dyn();
    image.write_from(vec![3, 4, 4], PixelValues::from_array(&values)).wait().unwrap();
    image.write_flat(6, PixelValues::from_array(&values)).wait().unwrap();
    let mut model = cube();
    model.slice_mut(s![3, 4, 4..]).assign(&array![7, 8]);
    model.slice_mut(s![0, 1, ..2]).assign(&array![7, 8]);
    assert_eq!(image.read::<i16>().wait().unwrap(), model.clone().into_dyn());
    for refused in [
        image.write_from(vec![3, 4, 5], PixelValues::from_array(&values)),
        image.write_from(vec![4], PixelValues::from_array(&values)),
        image.write_from(vec![u64::MAX, 0, 0], PixelValues::from_array(&values)),
        image.write_flat(119, PixelValues::from_array(&values)),
        image.write_flat(u64::MAX, PixelValues::from_array(&values)),
    ] {
        assert_eq!(refused.wait().unwrap_err().kind(), ErrorKind::Argument);
    }
    assert_eq!(image.read::<i16>().wait().unwrap(), model.into_dyn());
}

#[test]
fn scaled_images_take_values_and_stored_numbers() {
    let writer = open(stored(16, &["BSCALE  = 0.5", "BZERO   = 10.0", "BLANK   = -9"], &[0; 8], 4));
    let image = writer.reader().image(0);
    image.write(&array![10.0f64, 11.0, f64::NAN, 9.3]).wait().unwrap();
    assert_eq!(image.clone().unscaled().read::<i16>().wait().unwrap(), array![0i16, 2, -9, -1].into_dyn());
    image.write(&array![1i16, 2, 3, 4]).wait().unwrap();
    assert_eq!(image.read::<f64>().wait().unwrap(), array![10.5, 11.0, 11.5, 12.0].into_dyn());
    image.write_values(PixelValues::from_array(&array![11i16, 12, 13, 14]).scaled()).wait().unwrap();
    assert_eq!(image.read::<f64>().wait().unwrap(), array![11.0, 12.0, 13.0, 14.0].into_dyn());
    image.write_values(PixelValues::from_array(&array![20.0f64, 1e9]).masked(vec![0, 1])).wait().unwrap_err();
    let two = image.clone().section(s![..2]);
    two.write_values(PixelValues::from_array(&array![20.0f64, 1e9]).masked(vec![0, 1])).wait().unwrap();
    assert_eq!(image.clone().unscaled().read::<i16>().wait().unwrap(), array![20i16, -9, 6, 8].into_dyn());
    let error = image.write(&array![0.0, 1.0, 99_999.0, 1e9]).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("99999 at [2]"), "{error}");
    assert_eq!(image.clone().unscaled().read::<i16>().wait().unwrap(), array![20i16, -9, 6, 8].into_dyn());
}

#[test]
fn what_can_not_be_written_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    std::fs::write(&path, three()).unwrap();
    let reader = FitsReader::open(&path).wait().unwrap();
    let error = reader.image(0).write(&arr0(1i16)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    let writer = FitsWriter::open(&path).wait().unwrap();
    let image = writer.reader().image(1);
    let kinds = [
        (image.write(&array![1i16, 2]).wait(), ErrorKind::Argument),
        (image.clone().section(s![9, .., ..]).write(&arr0(1i16)).wait(), ErrorKind::Index),
        (image.write(&arr0(40_000i32)).wait(), ErrorKind::Argument),
        (image.write(&arr0(f32::NAN)).wait(), ErrorKind::Argument),
        (image.write_values(PixelValues::from_array(&arr0(1i16)).masked(vec![1])).wait(), ErrorKind::Argument),
        (image.write_values(PixelValues::from_array(&arr0(1i16)).masked(vec![1, 0])).wait(), ErrorKind::Argument),
        (
            image.write_values(PixelValues::from_bytes(rustfits::DataType::I16, vec![2], vec![0u8; 3])).wait(),
            ErrorKind::Argument,
        ),
        (writer.write_section("X", s![..], &arr0(1i16)).wait(), ErrorKind::Key),
    ];
    for (number, (result, kind)) in kinds.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), kind, "{number}");
    }
    writer.close().wait().unwrap();
    assert!(std::fs::read(&path).unwrap() == three());
    assert_eq!(image.write(&arr0(1i16)).wait().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn pixels_beyond_the_end_of_a_short_file_are_refused() {
    let mut bytes = one_image(&ramp(100, 100).into_dyn());
    let mut short = bytes.clone();
    short.truncate(BLOCK + 40_000);
    let writer = open(short);
    writer.reader().image(0).write(&ramp(100, 100)).wait().unwrap();
    bytes.truncate(BLOCK + 39_999);
    let writer = open(bytes);
    let error = writer.write_section(0, s![99, 99], &arr0(1f32)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    writer.write_section(0, s![99, ..99], &arr0(1f32)).wait().unwrap();
}

#[test]
fn a_header_that_waits_moves_before_pixels_are_written() {
    let writer = open(three());
    writer
        .edit_header(0, |header| (0..100).try_for_each(|number| header.set(&format!("K{number}"), number)))
        .wait()
        .unwrap();
    writer.write_section("C", s![0, 0, 0], &arr0(-5i16)).wait().unwrap();
    let mut model = cube();
    model[[0, 0, 0]] = -5;
    let fits = FitsReader::from_bytes(writer.to_bytes().wait().unwrap()).wait().unwrap();
    assert_eq!(fits.header(0).wait().unwrap().get::<i64>("K99").unwrap(), 99);
    assert_eq!(fits.image("B").read::<i16>().wait().unwrap(), cube().into_dyn());
    assert_eq!(fits.image("C").read::<i16>().wait().unwrap(), model.into_dyn());
}

#[test]
fn images_grow_and_the_others_keep_their_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    for grown in ["A", "B", "C"] {
        std::fs::write(&path, three()).unwrap();
        let writer = FitsWriter::open(&path).wait().unwrap();
        let old = FitsReader::open(&path).wait().unwrap();
        let image = writer.reader().image(grown);
        image.extend(&Array3::from_elem((100, 5, 6), -1i16)).wait().unwrap();
        image.extend(&array![[1i16, 2, 3, 4, 5, 6]].broadcast((5, 6)).unwrap()).wait().unwrap();
        image.extend(&Array3::<i16>::zeros((0, 5, 6))).wait().unwrap();
        for name in ["A", "B", "C"] {
            let expected = if name == grown { vec![105, 5, 6] } else { vec![4, 5, 6] };
            let read = writer.reader().image(name).read::<i16>().wait().unwrap();
            assert_eq!(read.shape(), expected);
            assert_eq!(read.slice(s![..4, .., ..]), cube());
            assert_eq!(writer.reader().hdu(name).wait().unwrap().shape().unwrap()[0], expected[0] as u64);
        }
        writer.close().wait().unwrap();
        let fits = FitsReader::open(&path).wait().unwrap();
        assert_eq!(fits.count().wait().unwrap(), 3);
        assert_eq!(fits.image(grown).section(s![104, 2, ..]).read::<i16>().wait().unwrap()[5], 6);
        assert_eq!(std::fs::metadata(&path).unwrap().len() as usize % BLOCK, 0);
        if grown != "C" {
            assert_eq!(old.image("C").read::<i16>().wait().unwrap(), cube().into_dyn(), "what was open is as it was");
        }
    }
}

#[test]
fn rows_go_over_what_a_broken_write_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    let mut bytes = three();
    bytes.extend([0x55; 10_000]);
    std::fs::write(&path, bytes).unwrap();
    let writer = FitsWriter::open(&path).wait().unwrap();
    writer.reader().image("C").extend(&Array3::from_elem((1, 5, 6), 3i16)).wait().unwrap();
    writer.close().wait().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), three().len());
    assert!(bytes[bytes.len() - BLOCK + 300..].iter().all(|&byte| byte == 0), "the padding is zeros");
}
