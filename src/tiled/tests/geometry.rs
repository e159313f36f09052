//! Any section of any image in any tiles is what the same section of an array is.

use ndarray::{ArrayD, Axis, IxDyn};
use proptest::prelude::*;

use super::{Recorder, Table, as_i16, gzip, locate, read, table_hdu};
use crate::image::{AxisSection, Section};
use crate::source::ReadPlan;

/// An image, its tiles, and a section of it.
#[derive(Clone, Debug)]
struct Case {
    shape: Vec<usize>,
    tile: Vec<usize>,
    section: Vec<AxisSection>,
    shuffled: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let axes = prop::collection::vec((1..8_usize, 1..10_usize, any::<[i8; 4]>()), 1..7);
    (axes, any::<bool>()).prop_map(|(axes, shuffled)| Case {
        shape: axes.iter().map(|axis| axis.0).collect(),
        tile: axes.iter().map(|axis| axis.1).collect(),
        section: axes.iter().map(|&(length, _, numbers)| entry(length as i64, numbers.map(i64::from))).collect(),
        shuffled,
    })
}

/// What is taken along an axis, by random numbers.
fn entry(length: i64, [kind, first, second, third]: [i64; 4]) -> AxisSection {
    let position = |number: i64| number.rem_euclid(2 * length) - length;
    match kind.rem_euclid(5) {
        0 => AxisSection::At(position(first)),
        1 => AxisSection::List(vec![position(first), position(second), position(third)]),
        2 => AxisSection::Slice { start: None, stop: None, step: 1 },
        3 => AxisSection::Slice { start: Some(first % 10), stop: None, step: step(second) },
        _ => AxisSection::Slice { start: Some(first % 10), stop: Some(second % 10), step: step(third) },
    }
}

fn step(number: i64) -> i64 {
    if number % 7 == 0 { 1 } else { number % 7 }
}

/// The positions that an entry means, counted out one by one as Python does.
fn positions(entry: &AxisSection, length: i64) -> Vec<usize> {
    let wrap = |index: i64| if index < 0 { index + length } else { index };
    match entry {
        AxisSection::At(index) => vec![wrap(*index) as usize],
        AxisSection::List(indices) => indices.iter().map(|&index| wrap(index) as usize).collect(),
        AxisSection::Ellipsis => (0..length as usize).collect(),
        AxisSection::NewAxis => Vec::new(),
        AxisSection::Slice { start, stop, step } => {
            let (lowest, highest) = if *step > 0 { (0, length) } else { (-1, length - 1) };
            let start =
                start.map_or(if *step > 0 { 0 } else { length - 1 }, |index| wrap(index).clamp(lowest, highest));
            let stop = stop.map_or(if *step > 0 { length } else { -1 }, |index| wrap(index).clamp(lowest, highest));
            let before_stop = |index: &i64| if *step > 0 { *index < stop } else { *index > stop };
            std::iter::successors(Some(start), |index| Some(index + step))
                .take_while(before_stop)
                .map(|index| index as usize)
                .collect()
        }
    }
}

/// The image whose pixels are their own numbers, in tiles that are gzipped.
fn file(case: &Case) -> (Vec<u8>, ArrayD<i16>) {
    let count: usize = case.shape.iter().product();
    let image = ArrayD::from_shape_vec(IxDyn(&case.shape), (0..count).map(|n| n as i16).collect()).unwrap();
    let mut tiles = vec![image.view()];
    for (axis, &length) in case.tile.iter().enumerate() {
        tiles = tiles
            .iter()
            .flat_map(|tile| {
                let starts = (0..tile.shape()[axis]).step_by(length);
                let cut = move |start: usize| {
                    let end = (start + length).min(tile.shape()[axis]);
                    tile.clone().slice_axis_move(Axis(axis), (start..end).into())
                };
                starts.map(cut).collect::<Vec<_>>()
            })
            .collect();
    }
    let packed = tiles.iter().map(|tile| {
        let bytes: Vec<[u8; 2]> = tile.iter().map(|pixel| pixel.to_be_bytes()).collect();
        if case.shuffled {
            let planes = [0, 1].map(|plane| bytes.iter().map(|pixel| pixel[plane]).collect::<Vec<u8>>());
            gzip(&planes.concat())
        } else {
            gzip(&bytes.concat())
        }
    });
    let mut cards = vec![format!("ZCMPTYPE= '{}'", if case.shuffled { "GZIP_2" } else { "GZIP_1" })];
    cards.extend(["ZBITPIX = 16".into(), format!("ZNAXIS  = {}", case.shape.len())]);
    for (axis, (length, tile)) in case.shape.iter().zip(&case.tile).rev().enumerate() {
        cards.push(format!("{:<8}= {length}", format!("ZNAXIS{}", axis + 1)));
        cards.push(format!("{:<8}= {tile}", format!("ZTILE{}", axis + 1)));
    }
    let cards: Vec<&str> = cards.iter().map(String::as_str).collect();
    (Table::of_tiles(&cards, &packed.collect::<Vec<_>>()).file(), image)
}

proptest! {
    #[test]
    fn sections_are_those_of_an_array(case in case()) {
        let (file, image) = file(&case);
        let mut expected = image.view().into_owned();
        for (axis, entry) in case.section.iter().enumerate() {
            expected = expected.select(Axis(axis), &positions(entry, case.shape[axis] as i64));
        }
        let source = Recorder::new(file);
        let section = Some(Section(case.section.clone()));
        let plan = locate(&source, section.clone()).unwrap();
        let lengths = case.section.iter().zip(expected.shape()).filter(|(entry, _)| !matches!(entry, AxisSection::At(_)));
        prop_assert_eq!(&plan.shape, &lengths.map(|(_, &length)| length).collect::<Vec<_>>());
        let (values, mask) = read(&source, section.clone()).unwrap();
        prop_assert_eq!(as_i16(&values), expected.iter().copied().collect::<Vec<_>>());
        prop_assert!(mask.iter().all(|&flag| flag == 0));
        prop_assert_eq!(read(&source.file, section).unwrap().0, values);
    }

    #[test]
    fn damage_anywhere_is_harmless(case in case(), changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let (mut file, _) = file(&case);
        let size = file.len();
        for (at, byte) in changes {
            file[2880 + at as usize % (size - 2880)] = byte;
        }
        let source = Recorder::new(file);
        if table_hdu(&source).is_ok() {
            let _ = read(&source, Some(Section(case.section)));
        }
    }
}

/// 4 x 6 pixels in tiles of 2 x 3.
fn four_tiles() -> Case {
    Case { shape: vec![4, 6], tile: vec![2, 3], section: Vec::new(), shuffled: false }
}

#[test]
fn only_the_touched_tiles_and_their_rows_are_read() {
    let source = Recorder::new(file(&four_tiles()).0);
    let hdu = table_hdu(&source).unwrap();
    let rows = hdu.layout.data_start;
    source.take_reads();
    let section = Section(vec![AxisSection::At(-1), AxisSection::Ellipsis]);
    let plan = super::TiledPlan::locate(
        &hdu,
        &crate::image::ImageRequest { section: Some(section), unscaled: false, mask: true },
        &source,
    )
    .unwrap();
    assert_eq!(source.take_reads(), vec![rows + 16..rows + 32]);
    assert_eq!((plan.len(), plan.scattered()), (1, false));
    let ranges = plan.ranges(0);
    super::run(&plan, &source).unwrap();
    assert_eq!(source.take_reads(), ranges);
    assert_eq!(ranges.len(), 1);
    assert_eq!(ranges[0].end, rows + hdu.layout.data_len);
}

#[test]
fn large_images_come_in_parts() {
    for tile in [[1, 800], [37, 800], [70, 90]] {
        let case = Case { shape: vec![700, 800], tile: tile.to_vec(), section: Vec::new(), shuffled: true };
        let (file, image) = file(&case);
        let source = Recorder::new(file);
        let plan = locate(&source, None).unwrap();
        assert_eq!((plan.len() > 2, plan.scattered()), (true, tile[1] == 90));
        assert!((0..plan.len()).all(|part| plan.output_sizes(part)[0] <= 512 << 10));
        assert_eq!(as_i16(&read(&source, None).unwrap().0), image.into_raw_vec_and_offset().0);
    }
}

#[test]
fn results_in_order_need_no_second_buffer() {
    let order = |shape: &[usize], tile: &[usize], section: Vec<AxisSection>| {
        let case = Case { shape: shape.to_vec(), tile: tile.to_vec(), section: Vec::new(), shuffled: false };
        !locate(&Recorder::new(file(&case).0), Some(Section(section))).unwrap().scattered()
    };
    let slice = |start, stop, step| AxisSection::Slice { start: Some(start), stop: Some(stop), step };
    assert!(order(&[4, 6], &[1, 6], vec![]));
    assert!(order(&[4, 6], &[3, 6], vec![slice(0, 4, 2), AxisSection::List(vec![3, 1])]));
    assert!(order(&[2, 3, 4], &[1, 1, 4], vec![]));
    assert!(order(&[2, 3, 4], &[1, 2, 4], vec![]));
    assert!(!order(&[2, 3, 4], &[2, 1, 4], vec![]));
    assert!(!order(&[4, 6], &[2, 3], vec![]));
    assert!(order(&[4, 6], &[2, 3], vec![AxisSection::At(1)]));
    assert!(!order(&[4, 6], &[1, 6], vec![slice(3, 0, -1)]));
}

#[test]
fn the_largest_steps_and_empty_sections_are_no_trouble() {
    let source = Recorder::new(file(&four_tiles()).0);
    for step in [i64::MIN, i64::MAX, 1 << 40] {
        let whole = AxisSection::Slice { start: Some(0), stop: None, step };
        let section = Section(vec![whole.clone(), AxisSection::Ellipsis]);
        assert_eq!(as_i16(&read(&source, Some(section)).unwrap().0), [0, 1, 2, 3, 4, 5]);
    }
    let nothing = Section(vec![AxisSection::List(Vec::new())]);
    let plan = locate(&source, Some(nothing)).unwrap();
    assert_eq!((plan.shape.as_slice(), plan.len()), ([0, 6].as_slice(), 0));
}
