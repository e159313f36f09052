//! The packed cells of a column (FITS 4.0 §10.3.1, §10.3.5): how they are compressed, and back.

use super::super::scratch::{Scratch, typed};
use crate::codec::{gzip, rice};
use crate::error::{Error, Result};
use crate::format::DataType;
use crate::format::endian::swap_in_place;
use crate::source::resize;
use crate::table::Cell;

/// How many integers share a code of RICE_1: tables have no keyword that says otherwise.
pub(super) const RICE_BLOCK: usize = 32;

/// How the cells of a column are packed; numbers are of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// GZIP_1.
    Gzip,
    /// GZIP_2: the bytes were sorted by significance before.
    ShuffledGzip { size: usize },
    /// RICE_1.
    Rice { size: usize },
    /// NOCOMPRESS.
    Plain,
}

impl Packing {
    /// By the standard's name, for elements of this kind; `in_heap`: in arrays of variable length.
    ///
    /// # Errors
    ///
    /// A name that the standard has not, and RICE_1 for what is no integer of 8, 16 or 32 bits.
    pub(super) fn new(name: &str, cell: Cell, in_heap: bool) -> Result<Self> {
        let size = match cell {
            Cell::Number(scaling) => scaling.stored.size(),
            // Under GZIP_2 fpack sorts the bytes of complex numbers of 64 bits in the heap, each as a whole, and of no others.
            Cell::Complex(scaling) if in_heap && scaling.stored == DataType::F32 => 2 * scaling.stored.size(),
            _ => 1,
        };
        match standard_name(name) {
            Some("GZIP_1") => Ok(Self::Gzip),
            Some("GZIP_2") => Ok(Self::ShuffledGzip { size }),
            Some("NOCOMPRESS") => Ok(Self::Plain),
            Some(_) => match cell {
                Cell::Number(scaling) if matches!(scaling.stored, DataType::U8 | DataType::I16 | DataType::I32) => {
                    Ok(Self::Rice { size })
                }
                _ => Err(Error::illegal("RICE_1 packs integers of 8, 16 and 32 bits, and the column holds others")),
            },
            None => Err(Error::illegal(format!(
                "is '{name}': columns are packed with RICE_1, GZIP_1, GZIP_2 or NOCOMPRESS; the other columns can be read"
            ))),
        }
    }

    /// The standard's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "GZIP_1",
            Self::ShuffledGzip { .. } => "GZIP_2",
            Self::Rice { .. } => "RICE_1",
            Self::Plain => "NOCOMPRESS",
        }
    }

    /// The most bytes of cells that one byte can make.
    pub(super) fn expansion(self) -> u64 {
        match self {
            Self::Gzip | Self::ShuffledGzip { .. } => gzip::EXPANSION,
            // A block of equal integers is its head of 3, 4 or 5 bits.
            Self::Rice { size } => (8 * RICE_BLOCK * size).div_ceil(if size == 1 { 3 } else { 4 }) as u64,
            Self::Plain => 1,
        }
    }
}

/// The name that the standard has for an algorithm.
pub(super) fn standard_name(name: &str) -> Option<&'static str> {
    match name.trim() {
        "RICE_1" | "RICE_ONE" => Some("RICE_1"),
        "GZIP_1" => Some("GZIP_1"),
        "GZIP_2" => Some("GZIP_2"),
        "NOCOMPRESS" => Some("NOCOMPRESS"),
        _ => None,
    }
}

/// Unpacks columns one after the other in the same memory.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    cells: Scratch,
    sorted: Scratch,
}

impl Unpacker {
    /// The `len` bytes of cells, big-endian as in an uncompressed table, that `packed` holds.
    ///
    /// # Errors
    ///
    /// There are more or fewer.
    pub(super) fn unpack<'a>(&'a mut self, packing: Packing, packed: &'a [u8], len: usize) -> Result<&'a [u8]> {
        match packing {
            Packing::Plain if packed.len() == len => return Ok(packed),
            Packing::Plain => return Err(wrong_length(packed.len(), len)),
            Packing::Gzip => self.gunzip(packed, len)?,
            Packing::ShuffledGzip { size } => {
                self.gunzip(packed, len)?;
                gzip::unshuffle(size, self.cells.bytes(len)?, self.sorted.bytes(len)?)?;
                return Ok(self.sorted.bytes(len)?);
            }
            Packing::Rice { size } => {
                let cells = self.cells.bytes(len)?;
                match size {
                    1 => rice::decode(packed, RICE_BLOCK, cells)?,
                    2 => rice::decode(packed, RICE_BLOCK, typed::<i16>(cells)?)?,
                    _ => rice::decode(packed, RICE_BLOCK, typed::<i32>(cells)?)?,
                }
                swap_in_place(size, false, cells);
            }
        }
        Ok(self.cells.bytes(len)?)
    }

    fn gunzip(&mut self, packed: &[u8], len: usize) -> Result<()> {
        let made = gzip::decode(packed, self.cells.bytes(len)?)?;
        if made == len { Ok(()) } else { Err(wrong_length(made, len)) }
    }
}

fn wrong_length(made: usize, expected: usize) -> Error {
    Error::corrupt(format!("the tile decodes to {made} bytes, its rows take {expected}"))
}

/// How the cells of a column are packed, and how hard gzip tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packer {
    pub(super) packing: Packing,
    pub(super) level: u8,
}

impl Packer {
    /// Appends big-endian cells, packed, to `output`.
    pub(super) fn pack(self, cells: &[u8], output: &mut Vec<u8>) -> Result<()> {
        match self.packing {
            Packing::Plain => output.extend_from_slice(cells),
            Packing::Gzip => gzip::encode(cells, self.level, output)?,
            Packing::ShuffledGzip { size } => {
                let mut sorted = Vec::new();
                resize(&mut sorted, cells.len())?;
                gzip::shuffle(size, cells, &mut sorted);
                gzip::encode(&sorted, self.level, output)?;
            }
            Packing::Rice { size: 1 } => rice::encode(cells, RICE_BLOCK, output),
            Packing::Rice { size: 2 } => rice::encode(&integers(cells, i16::from_be_bytes), RICE_BLOCK, output),
            Packing::Rice { .. } => rice::encode(&integers(cells, i32::from_be_bytes), RICE_BLOCK, output),
        }
        Ok(())
    }
}

fn integers<T, const SIZE: usize>(cells: &[u8], number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    cells.as_chunks::<SIZE>().0.iter().map(|bytes| number(*bytes)).collect()
}
