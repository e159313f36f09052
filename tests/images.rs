//! Images and sections of them: the same values as ndarray takes out of the array that was written, on every source and type.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use ndarray::{Array, Array1, Array3, ArrayD, Dim, IxDyn, s};
use rustfits::{AxisSection, DataType, ErrorKind, FitsReader, ImageOptions, Pixel, Section};
use rustfits_loopback::HttpServer;

/// An image that has the ends of its type and values of all bytes.
fn cube<T: Pixel + PartialEq>() -> Array3<T> {
    let size = size_of::<T>();
    let byte = |number: usize| ((number * 2_654_435_761) >> 7) as u8;
    let mut bytes: Vec<u8> = (0..6 * 11 * 13 * size).map(byte).collect();
    // Floats must not be NaN, which is not equal to itself.
    if [DataType::F32, DataType::F64].contains(&T::DATA_TYPE) {
        bytes.iter_mut().skip(size - 1).step_by(size).for_each(|top| *top = 0x40 | (*top & 0x81));
    } else {
        let ends = [[0x00; 8], [0xff; 8]].concat();
        bytes[..size].copy_from_slice(&ends[..size]);
        bytes[size..2 * size].copy_from_slice(&ends[8..8 + size]);
        bytes[2 * size..4 * size].fill(0);
        bytes[3 * size - 1] = 0x80;
        bytes[3 * size..4 * size].fill(0xff);
        bytes[4 * size - 1] = 0x7f;
    }
    let values: Vec<T> = bytemuck::pod_collect_to_vec(&bytes);
    Array3::from_shape_vec((6, 11, 13), values).unwrap()
}

/// Reads sections and compares them with the array's own.
fn sections_are_the_arrays_own<T: Pixel + PartialEq + std::fmt::Debug>(fits: &FitsReader, cube: &Array3<T>) {
    let read = |section: Section| fits.image(0).section(section).read::<T>().wait().unwrap();
    assert_eq!(fits.image(0).read::<T>().wait().unwrap(), cube.clone().into_dyn());
    macro_rules! check {
        ($($slices:tt)*) => {
            assert_eq!(read(Section::from(s![$($slices)*])), cube.slice(s![$($slices)*]).into_dyn(), stringify!($($slices)*));
        };
    }
    check!(.., .., ..);
    check!(2..4, .., ..);
    check!(1..2, 3..4, 5..6);
    check!(.., 2..9, 4..12);
    check!(..;2, 1..;3, ..;5);
    check!(..;-1, ..;-2, ..;-3);
    check!(1..5;-2, 3..10;-3, 2..11;-4);
    check!(-2.., -5..-1, ..-3);
    check!(3, .., ..);
    check!(.., -1, ..);
    check!(5, 10, 12);
    check!(0, .., ..;-1);
    check!(2..2, .., ..);
    let picked = read(Section(vec![AxisSection::List(vec![5, 0, -1, 0]), AxisSection::Ellipsis, AxisSection::At(-2)]));
    let wanted = cube.select(ndarray::Axis(0), &[5, 0, 5, 0]);
    assert_eq!(picked, wanted.slice(s![.., .., -2]).into_dyn());
}

/// On disk, in memory, gzipped, over http whole and by ranges.
fn on_every_source<T: Pixel + PartialEq + std::fmt::Debug>() {
    let cube = cube::<T>();
    let bytes = one_image(&cube.clone().into_dyn());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.fits");
    std::fs::write(&path, &bytes).unwrap();
    let server = HttpServer::start();
    server.put("/a.fits", bytes.clone());
    for fits in [
        FitsReader::open(&path),
        FitsReader::from_bytes(bytes.clone()),
        FitsReader::from_bytes(gzip(&bytes)),
        FitsReader::open(server.url("/a.fits")),
        FitsReader::open_with(server.url("/a.fits"), ranged()),
    ] {
        let fits = fits.wait().unwrap();
        assert_eq!(fits.hdu(0).wait().unwrap().data_type().unwrap(), T::DATA_TYPE);
        sections_are_the_arrays_own(&fits, &cube);
    }
}

macro_rules! types {
    ($($type:ident),*) => {$(
        #[test]
        fn $type() {
            on_every_source::<$type>();
        }
    )*};
}

types!(u8, i8, i16, u16, i32, u32, i64, u64, f32, f64);

#[test]
fn the_ends_of_every_integer_type_are_exact() {
    macro_rules! exact {
        ($($type:ident),*) => {$(
            let ends = Array1::from(vec![$type::MIN, $type::MIN + 1, 0, 1, $type::MAX - 1, $type::MAX]).into_dyn();
            let fits = FitsReader::from_bytes(one_image(&ends)).wait().unwrap();
            assert_eq!(fits.image(0).read::<$type>().wait().unwrap(), ends);
            assert_eq!(fits.hdu(0).wait().unwrap().bitpix().unwrap(), 8 * size_of::<$type>() as i64);
        )*};
    }
    exact!(u8, i8, i16, u16, i32, u32, i64, u64);
}

#[test]
fn values_go_into_any_type_that_holds_them_and_no_other() {
    let values = Array1::from(vec![0u16, 1, 65_535]);
    let fits = FitsReader::from_bytes(one_image(&values.into_dyn())).wait().unwrap();
    let image = fits.image(0);
    assert_eq!(image.read::<f32>().wait().unwrap().as_slice().unwrap(), [0.0, 1.0, 65_535.0]);
    assert_eq!(image.read::<u64>().wait().unwrap().as_slice().unwrap(), [0, 1, 65_535]);
    assert_eq!(image.read::<i32>().wait().unwrap().as_slice().unwrap(), [0, 1, 65_535]);
    for error in [failure(image.read::<i16>().wait()), failure(image.read::<u8>().wait())] {
        assert_eq!(error.kind(), ErrorKind::Type);
        assert_says(&error, &["u2", "read_dyn"]);
    }
    // Stored values are another matter: 16-bit signed.
    let stored = image.unscaled().read::<i16>().wait().unwrap();
    assert_eq!(stored.as_slice().unwrap(), [i16::MIN, i16::MIN + 1, i16::MAX]);
}

#[test]
fn a_slice_of_the_stored_values() {
    let values = Array::from_shape_fn((20, 20), |(row, column)| (row * 20 + column) as u32 + u32::MAX / 2);
    let fits = FitsReader::from_bytes(one_image(&values.clone().into_dyn())).wait().unwrap();
    let stored = fits.image(0).section(s![3..5, ..;7]).unscaled().read::<i32>().wait().unwrap();
    let wanted = values.slice(s![3..5, ..;7]).mapv(|value| (value ^ 0x8000_0000) as i32);
    assert_eq!(stored, wanted.into_dyn());
}

#[test]
fn no_axis_or_an_axis_of_no_length_is_an_empty_array() {
    let fits = FitsReader::from_bytes(empty_primary()).wait().unwrap();
    let hdu = fits.hdu(0).wait().unwrap();
    assert!(!hdu.has_data());
    assert_eq!(hdu.shape().unwrap(), Vec::<u64>::new());
    assert!(fits.image(0).read::<u8>().wait().unwrap().is_empty());
    let fits = FitsReader::from_bytes(one_image(&ArrayD::<i32>::zeros(IxDyn(&[4, 0, 3])))).wait().unwrap();
    assert!(!fits.hdu(0).wait().unwrap().has_data());
    assert_eq!(fits.image(0).read::<i32>().wait().unwrap().shape(), [4, 0, 3]);
    assert_eq!(fits.image(0).section(s![1..3, .., 0]).read::<i32>().wait().unwrap().shape(), [2, 0]);
}

#[test]
fn axes_of_length_one_stay() {
    let cube = Array::from_shape_fn(Dim([1, 1, 7, 9]), |(_, _, row, column)| (row * 9 + column) as i16);
    let fits = FitsReader::from_bytes(one_image(&cube.clone().into_dyn())).wait().unwrap();
    assert_eq!(fits.image(0).read::<i16>().wait().unwrap().shape(), [1, 1, 7, 9]);
    let slice = fits.image(0).section(s![.., 0, 2..4, ..]).read::<i16>().wait().unwrap();
    assert_eq!(slice, cube.slice(s![.., 0, 2..4, ..]).into_dyn());
}

#[test]
fn what_lies_outside_is_an_index_error_or_clipped_as_in_numpy() {
    let fits = FitsReader::from_bytes(one_image(&ramp(10, 10).into_dyn())).wait().unwrap();
    let section = |axes: Vec<AxisSection>| fits.image(0).section(axes).read::<f32>().wait();
    for axes in [vec![AxisSection::At(10)], vec![AxisSection::At(-11)], vec![AxisSection::List(vec![0, 10])]] {
        let error = failure(section(axes));
        assert_eq!((error.kind(), error.hdu()), (ErrorKind::Index, Some(0)), "{error:?}");
        assert_says(&error, &["axis 0", "10"]);
    }
    assert_eq!(failure(section(vec![AxisSection::At(0); 3])).kind(), ErrorKind::Index);
    let wide = AxisSection::Slice { start: Some(-100), stop: Some(100), step: 1 };
    assert_eq!(section(vec![wide.clone(), wide]).unwrap(), ramp(10, 10).into_dyn());
    let none = AxisSection::Slice { start: None, stop: None, step: 0 };
    assert_eq!(failure(section(vec![none])).kind(), ErrorKind::Argument);
}

/// A file of four 16-bit numbers with some cards more.
fn four_numbers(cards: &[&str]) -> FitsReader {
    let start = ["SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 1", "NAXIS1  = 4"];
    let mut bytes = header(&[&start[..], cards].concat());
    bytes.extend([-9i16, 0, 1, 100].iter().flat_map(|number| number.to_be_bytes()));
    FitsReader::from_bytes(bytes).wait().unwrap()
}

#[test]
fn scaled_values_are_f64_and_blank_ones_nan() {
    let fits = four_numbers(&["BSCALE  = 0.5", "BZERO   = 10.0", "BLANK   = -9"]);
    let values = fits.image(0).read::<f64>().wait().unwrap();
    assert!(values[0].is_nan());
    assert_eq!(values.as_slice().unwrap()[1..], [10.0, 10.5, 60.0]);
    let masked = fits.image(0).read_masked().wait().unwrap();
    assert_eq!(masked.mask().unwrap(), [1, 0, 0, 0]);
    let stored = fits.image(0).unscaled().read::<i16>().wait().unwrap();
    assert_eq!(stored.as_slice().unwrap(), [-9, 0, 1, 100]);
}

#[test]
fn blank_alone_changes_no_integer() {
    let fits = four_numbers(&["BLANK   = -9"]);
    assert_eq!(fits.hdu(0).wait().unwrap().data_type().unwrap(), DataType::I16);
    assert_eq!(fits.image(0).read::<i16>().wait().unwrap().as_slice().unwrap(), [-9, 0, 1, 100]);
    assert_eq!(fits.image(0).read_masked().wait().unwrap().mask().unwrap(), [1, 0, 0, 0]);
}

#[test]
fn a_zero_in_quotes_counts_and_one_that_is_no_number_is_refused_by_name() {
    let fits = four_numbers(&["BZERO   = '32768   '"]);
    assert_eq!(fits.image(0).read::<u16>().wait().unwrap().as_slice().unwrap(), [32_759, 32_768, 32_769, 32_868]);
    let fits = four_numbers(&["BZERO   = 'unknown '"]);
    let error = failure(fits.image(0).read::<f64>().wait());
    assert_eq!(error.kind(), ErrorKind::Illegal);
    assert_says(&error, &["BZERO", "HDU 0"]);
    // The stored values are there all the same.
    let stored = fits.image(0).unscaled().read::<i16>().wait().unwrap();
    assert_eq!(stored.as_slice().unwrap(), [-9, 0, 1, 100]);
}

#[test]
fn any_memory_order_is_written_as_it_looks() {
    let cube = cube::<i32>();
    let turned = cube.view().reversed_axes();
    let stepped = cube.slice(s![..;-2, 1..;3, ..]);
    let bytes = fits(|writer| {
        writer.write_image(&turned, ImageOptions::default()).wait().unwrap();
        writer.write_image(&stepped, ImageOptions::default()).wait().unwrap();
    });
    let fits = FitsReader::from_bytes(bytes).wait().unwrap();
    assert_eq!(fits.image(0).read::<i32>().wait().unwrap(), turned.into_dyn());
    assert_eq!(fits.image(1).read::<i32>().wait().unwrap(), stepped.into_dyn());
}
