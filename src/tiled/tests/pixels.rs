//! What the header says about pixels: codecs, quantization, blanks, scaling.

use super::{Recorder, Table, as_f32, as_i16, gzip, locate, read, run, table_hdu};
use crate::codec::hcompress;
use crate::error::{ErrorKind, Result};
use crate::format::DataType;
use crate::image::{AxisSection, ImageRequest, Section};
use crate::tiled::{TiledImage, TiledPlan};

/// A tile of equal pixels, as RICE_1 packs it.
fn constant<const SIZE: usize>(value: [u8; SIZE]) -> Vec<u8> {
    [value.as_slice(), &[0; 4]].concat()
}

fn big_endian(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// What the header of an image says, and how its floats were quantized.
fn describe(cards: &[&str]) -> Result<(TiledImage, Option<&'static str>)> {
    let hdu = table_hdu(&Recorder::new(Table::of_tiles(cards, &[]).file()))?;
    let image = TiledImage::new(&hdu, false)?;
    let quantization = image.quantization(&hdu)?;
    Ok((image, quantization))
}

#[test]
fn headers_are_understood() {
    let floats = ["ZCMPTYPE= 'RICE_ONE'", "ZBITPIX = -32", "ZNAXIS  = 2", "ZNAXIS1 = 30", "ZNAXIS2 = 20"];
    let scales = ["ZSCALE  = 2.0", "ZZERO   = 1.0"];
    let (image, quantization) = describe(&[&floats[..], &scales].concat()).unwrap();
    assert_eq!((image.shape(), image.tile_shape()), ([20, 30].as_slice(), [1, 30].as_slice()));
    assert_eq!((image.scaling().data_type(), quantization), (DataType::F32, Some("NO_DITHER")));
    let (image, quantization) = describe(&[
        "ZCMPTYPE= 'GZIP_2'",
        "ZBITPIX = 16",
        "ZNAXIS  = 0",
        "BZERO   = 32768",
        "ZQUANTIZ= 'NONE'",
        "ZQUANTIZ= 'SUBTRACTIVE_DITHER_1'",
    ])
    .unwrap();
    assert_eq!((image.scaling().data_type(), quantization), (DataType::U16, None));
    // Floats that are packed as they are need no ZQUANTIZ to say so.
    let lossless = ["ZCMPTYPE= 'GZIP_1'", "ZBITPIX = -32", "ZNAXIS  = 0"];
    assert_eq!(describe(&lossless).unwrap().1, None);
    assert_eq!(describe(&[&lossless[..], &scales].concat()).unwrap().1, Some("NO_DITHER"));
}

/// Planes are numbered as other tiles, and a damaged one leaves the others.
#[test]
fn planes_are_read_and_named() {
    let plane = |first: i32| {
        let mut bytes = Vec::new();
        hcompress::encode(&(first..first + 32).collect::<Vec<i32>>(), 8, 0, &mut bytes).unwrap();
        bytes
    };
    let cards = [
        "ZCMPTYPE= 'HCOMPRESS_1'",
        "ZBITPIX = 16",
        "ZNAXIS  = 2",
        "ZNAXIS1 = 8",
        "ZNAXIS2 = 8",
        "ZTILE1  = 8",
        "ZTILE2  = 4",
    ];
    let source = Recorder::new(Table::of_tiles(&cards, &[plane(100), plane(132)]).file());
    assert_eq!(as_i16(&read(&source, None).unwrap().0), (100..164).collect::<Vec<i16>>());
    for damaged in [plane(132)[..30].to_vec(), vec![0; 40], Vec::new()] {
        let source = Recorder::new(Table::of_tiles(&cards, &[plane(100), damaged]).file());
        let error = read(&source, None).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("tile 2")), (ErrorKind::Corrupt, true), "{error}");
        let first = Section(vec![AxisSection::Slice { start: None, stop: Some(4), step: 1 }]);
        assert_eq!(as_i16(&read(&source, Some(first)).unwrap().0), (100..132).collect::<Vec<i16>>());
    }
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    for (cards, kind, name) in [
        (vec!["ZCMPTYPE= GZIP_1", "ZBITPIX = 16", "ZNAXIS  = 0"], ErrorKind::Illegal, "ZCMPTYPE"),
        (vec!["ZCMPTYPE= 'LZMA'", "ZBITPIX = 16", "ZNAXIS  = 0"], ErrorKind::Illegal, "LZMA"),
        (vec!["ZBITPIX = 16", "ZNAXIS  = 0"], ErrorKind::Illegal, "ZCMPTYPE"),
        (vec!["ZCMPTYPE= 'GZIP_1'", "ZBITPIX = 17", "ZNAXIS  = 0"], ErrorKind::Illegal, "ZBITPIX"),
        (
            vec!["ZCMPTYPE= 'GZIP_1'", "ZBITPIX = 8", "ZNAXIS  = 1", "ZNAXIS1 = 5", "ZTILE1  = 0"],
            ErrorKind::Illegal,
            "ZTILE1",
        ),
        (vec!["ZCMPTYPE= 'GZIP_1'", "ZBITPIX = -32", "ZNAXIS  = 0", "ZQUANTIZ= 'ODD'"], ErrorKind::Illegal, "ODD"),
        (
            vec!["ZCMPTYPE= 'RICE_1'", "ZBITPIX = 8", "ZNAXIS  = 0", "ZNAME1  = 'BLOCKSIZE'", "ZVAL1   = 0"],
            ErrorKind::Illegal,
            "BLOCKSIZE",
        ),
    ] {
        let error = locate(&Recorder::new(Table::of_tiles(&cards, &[]).file()), None).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains(name)), (kind, true), "{error}");
    }
}

#[test]
fn integers_are_widened_scaled_and_masked() {
    let cards =
        ["ZCMPTYPE= 'RICE_1'", "ZBITPIX = 16", "ZNAXIS  = 1", "ZNAXIS1 = 6", "ZTILE1  = 3", "ZNAME1  = 'BYTEPIX'"];
    let file =
        |more: &[&str], tiles: &[Vec<u8>]| Recorder::new(Table::of_tiles(&[&cards[..], more].concat(), tiles).file());
    let narrow = [constant([7]), constant([255])];
    let (values, mask) = read(&file(&["ZVAL1   = 1", "BLANK   = 255"], &narrow), None).unwrap();
    assert_eq!((as_i16(&values), mask), (vec![7, 7, 7, 255, 255, 255], vec![0, 0, 0, 1, 1, 1]));
    let exact = [constant([0, 7]), constant([0xff, 0xff])];
    let (values, mask) = read(&file(&["ZVAL1   = 2", "ZBLANK  = -1", "BLANK   = 7"], &exact), None).unwrap();
    assert_eq!((as_i16(&values), mask), (vec![7, 7, 7, -1, -1, -1], vec![0, 0, 0, 1, 1, 1]));
    let (values, _) = read(&file(&["ZVAL1   = 2", "BZERO   = 32768"], &exact), None).unwrap();
    assert_eq!(as_i16(&values), [-32761, -32761, -32761, 32767, 32767, 32767], "as u16: 32775, 32767");
    let (values, mask) = read(&file(&["ZVAL1   = 2", "BSCALE  = 0.5", "BLANK   = -1"], &exact), None).unwrap();
    let values: Vec<f64> = values.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect();
    assert_eq!((&values[..3], values[3].is_nan(), &mask[2..4]), ([3.5; 3].as_slice(), true, [0, 1].as_slice()));
    let wide = [constant([0, 0, 0, 7]), constant([0, 1, 0, 0])];
    let error = read(&file(&["ZVAL1   = 4"], &wide), None).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("tile 2")), (ErrorKind::Corrupt, true), "{error}");
    let error = read(&file(&["ZVAL1   = 2"], &[constant([0, 7]), vec![0]]), None).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("tile 2")), (ErrorKind::Corrupt, true), "{error}");
}

#[test]
fn floats_are_restored_from_every_place_they_lie_in() {
    let cards = ["ZCMPTYPE= 'GZIP_1'", "ZBITPIX = -32", "ZNAXIS  = 1", "ZNAXIS1 = 6", "ZTILE1  = 2", "ZBLANK  = -9"];
    let mut table = Table::of_tiles(&cards, &[]);
    table.columns = vec![
        ("zscale", "1E"),
        ("Compressed_Data", "1PB(99)"),
        ("ZZERO", "D"),
        ("GZIP_COMPRESSED_DATA", "1QB"),
        ("UNCOMPRESSED_DATA", "1PE"),
        ("ZSCALE", "1D"),
    ];
    let row = |packed: &[u8], gzipped: [u64; 2], plain: [u32; 2]| {
        let numbers = [gzipped.map(u64::to_be_bytes).concat(), plain.map(u32::to_be_bytes).concat()].concat();
        [0.5_f32.to_be_bytes().as_slice(), packed, &10_f64.to_be_bytes(), &numbers, &[0xff; 8]].concat()
    };
    let packed = table.store(&gzip(&big_endian(&[4, -9])));
    table.rows.push(row(&packed, [0, 0], [0, 0]));
    let floats: Vec<u8> = [1.25_f32, -9.0].iter().flat_map(|number| number.to_be_bytes()).collect();
    let gzipped = gzip(&floats);
    let at = table.heap.len() as u64;
    table.heap.extend_from_slice(&gzipped);
    table.rows.push(row(&[0; 8], [gzipped.len() as u64, at], [0, 0]));
    let at = table.heap.len() as u32;
    table.heap.extend_from_slice(&floats);
    table.rows.push(row(&[0; 8], [0, 0], [2, at]));
    let (values, mask) = read(&Recorder::new(table.file()), None).unwrap();
    let values = as_f32(&values);
    assert!(values[1].is_nan());
    assert_eq!((values[0], &values[2..], mask), (12.0, [1.25, -9.0, 1.25, -9.0].as_slice(), vec![0; 6]));
}

#[test]
fn floats_without_a_scale_are_packed_as_they_are() {
    let cards = ["ZCMPTYPE= 'GZIP_1'", "ZBITPIX = -32", "ZNAXIS  = 1", "ZNAXIS1 = 2", "BSCALE  = 2", "BLANK   = 0"];
    let floats: Vec<u8> = [1.5_f32, 0.0].iter().flat_map(|number| number.to_be_bytes()).collect();
    let source = Recorder::new(Table::of_tiles(&cards, &[gzip(&floats)]).file());
    let hdu = table_hdu(&source).unwrap();
    for (unscaled, data_type) in [(false, DataType::F64), (true, DataType::F32)] {
        let request = ImageRequest { section: None, unscaled, mask: true };
        let plan = TiledPlan::locate(&hdu, &request, &source).unwrap();
        assert_eq!(plan.scaling.data_type(), data_type);
        let (values, mask) = run(&plan, &source).unwrap();
        let expected = if unscaled { 1.5_f32.to_ne_bytes().to_vec() } else { 3_f64.to_ne_bytes().to_vec() };
        assert_eq!((values[..expected.len()].to_vec(), mask), (expected, vec![0, 0]));
    }
    // Integers in an image of floats need a scale.
    let rice = ["ZCMPTYPE= 'RICE_1'", "ZBITPIX = -32", "ZNAXIS  = 1", "ZNAXIS1 = 2"];
    let error = read(&Recorder::new(Table::of_tiles(&rice, &[constant([0, 0, 0, 4])]).file()), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Illegal);
    let scaled = [&rice[..], &["ZSCALE  = 0.5", "ZZERO   = 1"]].concat();
    let source = Recorder::new(Table::of_tiles(&scaled, &[constant([0, 0, 0, 4])]).file());
    assert_eq!(as_f32(&read(&source, None).unwrap().0), [3.0, 3.0]);
}
