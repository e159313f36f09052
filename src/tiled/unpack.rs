//! Undoes the compression of one tile (FITS 4.0 §10.4).

use super::packing::Packing;
use super::scratch::Scratch;
use super::table::{TileEntry, TileStorage};
use crate::codec::gzip;
use crate::error::{Error, Result};
use crate::format::endian::Number;

/// The bytes of one tile, and what they are.
pub(super) struct PackedTile<'a> {
    pub(super) entry: &'a TileEntry,
    pub(super) bytes: &'a [u8],
    /// The number of the tile, counted from 1.
    pub(super) number: u64,
    /// How many pixels the tile has.
    pub(super) pixels: usize,
}

/// Unpacks tiles one after the other in the same memory.
pub(super) struct Unpacker {
    packing: Packing,
    /// The number of pixels of a tile that is not cut off by the end of an axis.
    full_tile: u64,
    unpacked: Scratch,
    unshuffled: Scratch,
}

impl Unpacker {
    pub(super) fn new(packing: Packing, full_tile: u64) -> Self {
        Self { packing, full_tile, unpacked: Scratch::default(), unshuffled: Scratch::default() }
    }

    /// The big-endian numbers of a tile that holds such, and how many bytes each has: `size` bytes in most files,
    /// but their total length decides.
    pub(super) fn numbers<'a>(&'a mut self, tile: &PackedTile<'a>, size: usize) -> Result<(usize, &'a [u8])> {
        let packing = match tile.entry.storage {
            TileStorage::Packed => self.packing,
            TileStorage::Gzipped => Packing::Gzip,
            TileStorage::Plain => Packing::Plain,
        };
        if packing == Packing::Plain {
            return Ok((self.width(tile.bytes.len(), tile.pixels, size)?, tile.bytes));
        }
        let len = self.gunzip(tile, size)?;
        let width = self.width(len, tile.pixels, size)?;
        let numbers = self.unpacked.bytes(len)?;
        if packing != Packing::ShuffledGzip {
            return Ok((width, numbers));
        }
        let ordered = self.unshuffled.bytes(len)?;
        gzip::unshuffle(width, numbers, ordered)?;
        Ok((width, ordered))
    }

    /// Fills `integers` with the first integers of a tile.
    pub(super) fn integers(&mut self, tile: &PackedTile<'_>, integers: &mut [i32]) -> Result<()> {
        if self.packing.makes_integers() {
            return self.packing.unpack(tile.bytes, tile.pixels, &mut self.unpacked, integers);
        }
        let (width, numbers) = self.numbers(tile, size_of::<i32>())?;
        read_integers(width, numbers, integers)
    }

    /// Gunzips a tile and returns how many bytes that made. Some programs filled tiles at the end of an axis up to the full
    /// length: where there is more than expected, that much is taken.
    fn gunzip(&mut self, tile: &PackedTile<'_>, size: usize) -> Result<usize> {
        let expected = tile.pixels.saturating_mul(size);
        let error = match gzip::decode(tile.bytes, self.unpacked.bytes(expected)?) {
            Ok(len) => return Ok(len),
            Err(error) => error,
        };
        let room = self.full_tile.max(tile.pixels as u64).saturating_mul(size_of::<i64>() as u64);
        let room = room.min((tile.bytes.len() as u64).saturating_mul(gzip::EXPANSION));
        match usize::try_from(room) {
            Ok(room) if room > expected => gzip::decode(tile.bytes, self.unpacked.bytes(room)?),
            _ => Err(error),
        }
    }

    /// How many bytes each number has, where `len` bytes hold those of a tile of `pixels` pixels, and `size` are usual.
    fn width(&self, len: usize, pixels: usize, size: usize) -> Result<usize> {
        let expected = pixels.saturating_mul(size);
        let is_full = self.full_tile.checked_mul(size as u64) == Some(len as u64);
        if len == expected || (len > expected && is_full) {
            return Ok(size);
        }
        match [1, 2, 4, 8].into_iter().find(|width| pixels.checked_mul(*width) == Some(len)) {
            Some(width) => Ok(width),
            None if len > expected => Ok(size),
            None => Err(too_few(len, pixels, size)),
        }
    }
}

/// The error for a tile that decodes short.
pub(super) fn too_few(len: usize, pixels: usize, size: usize) -> Error {
    Error::corrupt(format!("the tile decodes to {len} bytes, which are not {pixels} pixels of {size} bytes"))
}

/// Fills `integers` from big-endian numbers of `width` bytes.
pub(super) fn read_integers(width: usize, numbers: &[u8], integers: &mut [i32]) -> Result<()> {
    match width {
        1 => read::<u8>(numbers, integers),
        2 => read::<i16>(numbers, integers),
        4 => read::<i32>(numbers, integers),
        _ => read::<i64>(numbers, integers),
    }
}

fn read<T: Number + TryInto<i32>>(numbers: &[u8], integers: &mut [i32]) -> Result<()> {
    if numbers.len() / size_of::<T>() < integers.len() {
        return Err(too_few(numbers.len(), integers.len(), size_of::<T>()));
    }
    for (bytes, integer) in numbers.chunks_exact(size_of::<T>()).zip(integers) {
        *integer = T::from_big_endian(bytes).try_into().map_err(|_| Error::corrupt(OUT_OF_RANGE))?;
    }
    Ok(())
}

/// What is wrong with a pixel that ZBITPIX has no room for.
pub(super) const OUT_OF_RANGE: &str = "the tile holds a number that is out of the range of the image's type (ZBITPIX)";
