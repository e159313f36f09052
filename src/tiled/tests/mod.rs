//! Compressed images made in memory, and a runner of plans.

mod damage;
mod geometry;
mod pixels;

use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::TiledPlan;
use crate::directory::{Directory, HduEntry};
use crate::error::{Error, Result};
use crate::image::{ImageRequest, Section};
use crate::source::{MemorySource, ReadAt, ReadPlan};

/// The row and the heap of a table as a test wants them.
#[derive(Clone, Debug, Default)]
struct Table {
    /// TTYPE and TFORM of each column.
    columns: Vec<(&'static str, &'static str)>,
    /// The bytes of the rows.
    rows: Vec<Vec<u8>>,
    heap: Vec<u8>,
    /// All other cards.
    cards: Vec<String>,
}

impl Table {
    /// A table with the one column COMPRESSED_DATA.
    fn of_tiles(cards: &[&str], tiles: &[Vec<u8>]) -> Self {
        let mut table = Self { columns: vec![("COMPRESSED_DATA", "1PB")], ..Self::default() };
        table.cards = cards.iter().map(|card| (*card).to_owned()).collect();
        for tile in tiles {
            let descriptor = table.store(tile);
            table.rows.push(descriptor);
        }
        table
    }

    /// Puts bytes into the heap and returns their descriptor.
    fn store(&mut self, bytes: &[u8]) -> Vec<u8> {
        let descriptor = descriptor(bytes.len() as u32, self.heap.len() as u32);
        self.heap.extend_from_slice(bytes);
        descriptor
    }

    /// The file: an empty primary HDU and the table.
    fn file(&self) -> Vec<u8> {
        let row_len = self.rows.first().map_or(8, Vec::len);
        let mut cards = vec!["XTENSION= 'BINTABLE'".to_owned(), "BITPIX  = 8".into(), "NAXIS   = 2".into()];
        cards.push(format!("NAXIS1  = {row_len}"));
        cards.push(format!("NAXIS2  = {}", self.rows.len()));
        cards.push(format!("PCOUNT  = {}", self.heap.len()));
        cards.extend(["GCOUNT  = 1".to_owned(), format!("TFIELDS = {}", self.columns.len()), "ZIMAGE  = T".into()]);
        for (number, (name, form)) in self.columns.iter().enumerate() {
            cards.push(format!("{:<8}= '{name}'", format!("TTYPE{}", number + 1)));
            cards.push(format!("{:<8}= '{form}'", format!("TFORM{}", number + 1)));
        }
        cards.extend(self.cards.iter().cloned());
        let mut file = header(&["SIMPLE  = T".into(), "BITPIX  = 8".into(), "NAXIS   = 0".into()]);
        file.extend(header(&cards));
        file.extend(self.rows.concat());
        file.extend_from_slice(&self.heap);
        file.resize(file.len().next_multiple_of(2880), 0);
        file
    }
}

fn descriptor(length: u32, offset: u32) -> Vec<u8> {
    [length.to_be_bytes(), offset.to_be_bytes()].concat()
}

fn header(cards: &[String]) -> Vec<u8> {
    let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    bytes.extend(format!("{:<80}", "END").bytes());
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file in memory that can't be borrowed from, and notes what is read.
struct Recorder {
    file: MemorySource,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Recorder {
    fn new(file: Vec<u8>) -> Self {
        Self { file: MemorySource(Bytes::from(file)), reads: Mutex::default() }
    }

    /// The ranges that were read since the last call.
    fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

impl ReadAt for Recorder {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.reads.lock().unwrap().push(offset..offset + buffer.len() as u64);
        self.file.read_at(offset, buffer)
    }
}

fn table_hdu(source: &dyn ReadAt) -> Result<Arc<HduEntry>> {
    let hdu = Directory::new("test".into(), false).get(1, source)?;
    hdu.ok_or_else(|| Error::corrupt("the damage hides the table"))
}

fn locate(source: &dyn ReadAt, section: Option<Section>) -> Result<TiledPlan> {
    let request = ImageRequest { section, unscaled: false, mask: true };
    TiledPlan::locate(&*table_hdu(source)?, &request, source)
}

/// Reads the values and the mask.
fn read(source: &dyn ReadAt, section: Option<Section>) -> Result<(Vec<u8>, Vec<u8>)> {
    run(&locate(source, section)?, source)
}

/// Runs all parts of a plan, the last one first.
fn run(plan: &TiledPlan, source: &dyn ReadAt) -> Result<(Vec<u8>, Vec<u8>)> {
    let sizes = plan.buffers();
    let mut values = vec![0; sizes[0].elements * sizes[0].data_type.size()];
    let mut mask = vec![9; sizes[1].elements];
    let mut end = [values.len(), mask.len()];
    for index in (0..plan.len()).rev() {
        let sizes = plan.output_sizes(index);
        if plan.scattered() {
            let (mut own_values, mut own_mask) = (vec![0; sizes[0]], vec![0; sizes[1]]);
            let mut pieces = [own_values.as_mut_slice(), own_mask.as_mut_slice()];
            plan.decode(index, source, &mut pieces)?;
            plan.place(index, &pieces, &mut [&mut values, &mut mask])?;
            continue;
        }
        let start = [end[0] - sizes[0], end[1] - sizes[1]];
        plan.decode(index, source, &mut [&mut values[start[0]..end[0]], &mut mask[start[1]..end[1]]])?;
        end = start;
    }
    if !plan.scattered() {
        assert_eq!(end, [0, 0], "the parts of a plan make all of its buffers");
    }
    Ok((values, mask))
}

/// Bytes of values in native order as `i16`.
fn as_i16(values: &[u8]) -> Vec<i16> {
    values.as_chunks().0.iter().map(|bytes| i16::from_ne_bytes(*bytes)).collect()
}

/// Bytes of values in native order as `f32`.
fn as_f32(values: &[u8]) -> Vec<f32> {
    values.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect()
}
