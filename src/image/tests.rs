//! Which bytes a read of an image asks for, and which values come of them.

use std::ops::Range;
use std::sync::Mutex;

use super::{AxisSection, ImagePlan, ImageRequest, Section};
use crate::directory::Directory;
use crate::error::Result;
use crate::source::{ReadAt, ReadPlan};

/// A file of one image whose pixels are not held anywhere: each byte is made from its offset. Notes what is read.
struct Imagined {
    header: Vec<u8>,
    len: u64,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Imagined {
    /// An image of bytes with these axes, the fastest first.
    fn new(axes: &[u64]) -> Self {
        let mut cards = vec!["SIMPLE  = T".to_owned(), "BITPIX  = 8".into(), format!("NAXIS   = {}", axes.len())];
        cards.extend(axes.iter().enumerate().map(|(i, n)| format!("NAXIS{}  = {n}", i + 1)));
        let text: String = cards.iter().chain(&["END".to_owned()]).map(|card| format!("{card:<80}")).collect();
        let len = 2880 + axes.iter().product::<u64>();
        Self { header: format!("{text:<2880}").into_bytes(), len, reads: Mutex::default() }
    }
}

fn pixel(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl ReadAt for Imagined {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.reads.lock().unwrap().push(offset..offset + buffer.len() as u64);
        for (at, byte) in (offset..).zip(buffer) {
            *byte = self.header.get(at as usize).copied().unwrap_or_else(|| pixel(at - 2880));
        }
        Ok(())
    }
}

/// Reads a section of one axis; returns the values, and how many bytes and pieces of the file were asked for and read.
fn read(axes: &[u64], section: AxisSection) -> (Vec<u8>, u64, usize) {
    let source = Imagined::new(axes);
    let hdu = Directory::new("test".into(), false).get(0, &source).unwrap().unwrap();
    let section = Some(Section(vec![AxisSection::Ellipsis, section]));
    let plan = ImagePlan::locate(&hdu, &ImageRequest { section, ..ImageRequest::default() }, &source).unwrap();
    source.reads.lock().unwrap().clear();
    let mut values = Vec::new();
    let mut ranges = Vec::new();
    for part in 0..plan.len() {
        let mut piece = vec![0; plan.output_sizes(part)[0]];
        plan.decode(part, &source, &mut [&mut piece]).unwrap();
        values.extend(piece);
        ranges.extend(plan.ranges(part));
    }
    let reads = std::mem::take(&mut *source.reads.lock().unwrap());
    let bytes = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
    assert!(reads.iter().all(|read| ranges.iter().any(|range| range.start <= read.start && read.end <= range.end)));
    assert_eq!(bytes(&reads), bytes(&ranges));
    (values, bytes(&ranges), reads.len())
}

#[test]
fn wide_steps_along_the_fastest_axis_read_single_pixels() {
    let step = |step| AxisSection::Slice { start: None, stop: None, step };
    let (values, bytes, _) = read(&[1_500_000_000], step(1_000_000));
    assert_eq!(values, (0..1500).map(|index| pixel(index * 1_000_000)).collect::<Vec<_>>());
    assert_eq!(bytes, 1500);
    let (values, bytes, _) = read(&[1_500_000_000], step(-1_000_000));
    assert_eq!(values, (1..=1500).rev().map(|index| pixel(index * 1_000_000 - 1)).collect::<Vec<_>>());
    assert_eq!(bytes, 1500);
    let positions = vec![7, 1_400_000_000, 8, 1_400_000_001, 7, 900, 3];
    let (values, bytes, reads) = read(&[1_500_000_000], AxisSection::List(positions.clone()));
    assert_eq!(values, positions.iter().map(|&position| pixel(position as u64)).collect::<Vec<_>>());
    assert!(bytes < 1000 && reads == 5, "{bytes} bytes in {reads} reads");
}

#[test]
fn small_steps_read_what_lies_between() {
    for step in [3i64, -3] {
        let (values, bytes, reads) = read(&[300_000, 2], AxisSection::Slice { start: None, stop: None, step });
        let row: Vec<u64> =
            if step > 0 { (0..300_000).step_by(3).collect() } else { (0..300_000).rev().step_by(3).collect() };
        let both: Vec<u8> = (0..2).flat_map(|y| row.iter().map(move |x| pixel(y * 300_000 + x))).collect();
        assert!(values == both);
        assert!(bytes <= 600_000 && reads <= 8, "{bytes} bytes in {reads} reads");
    }
}
