//! Writes a `.gz` file in one step: beside the target under another name, made durable, then renamed over it.
//!
//! The file is compressed in pieces, in parallel, and has an index of them; see [`GzipIndex`].

use std::io::Write;
use std::path::Path;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Strategy, compress_bound};

use super::gzip_index::{GzipIndex, LAST_BLOCK};
use super::replacement::Replacement;
use crate::cpu::Cpu;
use crate::error::{Error, ErrorKind, Result};

/// Within some percent of the size that zlib's default, 6, makes of images and tables, in half the time.
const LEVEL: i32 = 2;
/// No header and no trailer, the largest window.
const RAW_WINDOW_BITS: i32 = -15;
/// What a flush adds at most, and a byte by which a full buffer shows.
const FLUSH_BYTES: usize = 16;
/// How much of a piece is tried.
const SAMPLE_BYTES: usize = 32 << 10;
/// Runs alone are as good as matches where they take no more than this part more.
const AS_SMALL: usize = 200;
/// How much is compressed for itself: enough that the beginning, where nothing is known yet, does not show in the size.
const PIECE_BYTES: usize = 1 << 20;
/// How many pieces are compressed before they are written: enough for many processors.
const PIECES_AT_ONCE: usize = 64;

/// Compresses `bytes` and replaces the file at `path`, if there is one, keeping its permissions. On failure the old file is untouched and nothing is
/// left behind. `cpu` starts the threads, where they are worth it.
pub(crate) fn replace<'c>(path: &Path, bytes: &[u8], cpu: impl FnOnce() -> Result<&'c Cpu>) -> Result<()> {
    let replacement = Replacement::of(path)?;
    let cpu = if bytes.len() > PIECE_BYTES { Some(cpu()?) } else { None };
    write(replacement.file(), bytes, cpu)?;
    replacement.take_place(true).map(drop)
}

/// Writes `bytes` as one gzip member into an empty file.
fn write(file: &std::fs::File, bytes: &[u8], cpu: Option<&Cpu>) -> Result<()> {
    let mut index = GzipIndex::pieces(bytes.len(), PIECE_BYTES).map(|pieces| GzipIndex {
        len: bytes.len() as u64,
        piece_bytes: PIECE_BYTES as u32,
        packed: vec![0; pieces],
    });
    let mut file = std::io::BufWriter::new(file);
    let mut packed = Vec::new();
    // The lengths of the pieces are not known yet: the header is written again at the end.
    file.write_all(&GzipIndex::header(index.as_ref()))?;
    for part in bytes.chunks(PIECE_BYTES * PIECES_AT_ONCE) {
        for piece in compress_pieces(part, cpu)? {
            packed.push(u32::try_from(piece.len()).map_err(|_| Error::too_large("a compressed piece"))?);
            file.write_all(&piece)?;
        }
    }
    file.write_all(&LAST_BLOCK)?;
    file.write_all(&libdeflater::crc32(bytes).to_le_bytes())?;
    // The length modulo 4 GiB, as the format has it.
    file.write_all(&(bytes.len() as u32).to_le_bytes())?;
    let file = file.into_inner().map_err(|error| Error::from(error.into_error()))?;
    if let Some(index) = &mut index {
        index.packed = packed;
        super::file::write_all_at(file, &GzipIndex::header(Some(index)), 0)?;
    }
    Ok(())
}

/// The pieces of `bytes`, each compressed for itself.
fn compress_pieces(bytes: &[u8], cpu: Option<&Cpu>) -> Result<Vec<Vec<u8>>> {
    let mut packed = vec![Vec::new(); bytes.len().div_ceil(PIECE_BYTES)];
    let mut jobs = bytes.chunks(PIECE_BYTES).zip(&mut packed);
    let work = |(piece, packed): (&[u8], &mut Vec<u8>)| compress(piece, packed);
    match cpu {
        Some(cpu) => cpu.run(|| jobs.next(), work, &mut || Ok(()))?,
        None => jobs.try_for_each(work)?,
    }
    Ok(packed)
}

/// Compresses a piece to deflate blocks that end at a whole byte, none of which is the last of the stream.
fn compress(piece: &[u8], packed: &mut Vec<u8>) -> Result<()> {
    *packed = deflated(piece, strategy(piece)?)?;
    Ok(())
}

/// What suits a piece, as a sample from its middle shows. Noise has no matches that are worth the time it takes to find them.
fn strategy(piece: &[u8]) -> Result<Strategy> {
    let start = piece.len().saturating_sub(SAMPLE_BYTES) / 2;
    let sample = piece.get(start..piece.len().min(start + SAMPLE_BYTES)).unwrap_or_default();
    let (matches, runs) = (deflated(sample, Strategy::Default)?, deflated(sample, Strategy::Rle)?);
    let is_as_small = runs.len() <= matches.len() + matches.len() / AS_SMALL;
    Ok(if is_as_small { Strategy::Rle } else { Strategy::Default })
}

fn deflated(bytes: &[u8], strategy: Strategy) -> Result<Vec<u8>> {
    let refused = || Error::new(ErrorKind::Io, "zlib can't compress: this is a defect of rustfits");
    let mut packed = vec![0; compress_bound(bytes.len()) + FLUSH_BYTES];
    let config = DeflateConfig { level: LEVEL, window_bits: RAW_WINDOW_BITS, strategy, ..DeflateConfig::default() };
    let mut encoder = Deflate::new_with_config(config);
    encoder.compress(bytes, &mut packed, DeflateFlush::FullFlush).map_err(|_| refused())?;
    let len = usize::try_from(encoder.total_out()).map_err(|_| refused())?;
    if encoder.total_in() != bytes.len() as u64 || len == packed.len() {
        return Err(refused());
    }
    packed.truncate(len);
    Ok(packed)
}
