//! Which algorithm packs a column of a new compressed table: the one that was asked for, or the one that suits its type (FITS 4.0 §10.3.5).

use super::packing::{Packer, Packing, RICE_BLOCK};
use crate::compression::{Algorithm, GZIP_LEVEL, TableCompression};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::format::DataType;
use crate::table::{Cell, Column, TableLayout};

/// Of each column.
pub(super) fn choose(table: &TableLayout, compression: &TableCompression) -> Result<Vec<Packer>> {
    for (name, _) in &compression.columns {
        if table.find(name).is_none() {
            let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::new(ErrorKind::Key, format!("the table has no column '{name}'; there are {names:?}")));
        }
    }
    if let Some(algorithm) = compression.algorithm {
        check(algorithm)?;
    }
    let packers = table.columns.iter().enumerate().map(|(number, column)| {
        let own = compression.columns.iter().find(|(name, _)| table.find(name) == Some(number));
        match own.and_then(|(_, algorithm)| *algorithm) {
            Some(algorithm) => exactly(column, algorithm).in_item(|| format!("column '{}'", column.name)),
            None => Ok(compression
                .algorithm
                .and_then(|algorithm| suited(column, algorithm))
                .unwrap_or_else(|| usual(column))),
        }
    });
    packers.collect()
}

/// What an element of the column is.
fn element(column: &Column) -> Cell {
    column.variable.as_ref().filter(|_| column.cell == Cell::Variable).map_or(column.cell, |variable| variable.cell)
}

/// The choice of fpack; complex numbers, which funpack does not take from GZIP_2, are not sorted.
pub(super) fn usual(column: &Column) -> Packer {
    let packing = match element(column) {
        Cell::Number(scaling) => match scaling.stored {
            DataType::U8 => Packing::Gzip,
            DataType::I32 => Packing::Rice { size: 4 },
            stored => Packing::ShuffledGzip { size: stored.size() },
        },
        _ => Packing::Gzip,
    };
    Packer { packing, level: GZIP_LEVEL }
}

/// The algorithm for the column; `None` where it does not suit it.
fn suited(column: &Column, algorithm: Algorithm) -> Option<Packer> {
    let cell = element(column);
    let (packing, level) = match (algorithm, cell) {
        (Algorithm::Gzip1 { level }, _) => (Packing::Gzip, level),
        (Algorithm::Gzip2 { level }, Cell::Number(scaling)) if scaling.stored.size() > 1 => {
            (Packing::ShuffledGzip { size: scaling.stored.size() }, level)
        }
        (Algorithm::Gzip2 { level }, _) => (Packing::Gzip, level),
        (Algorithm::Rice1 { .. }, Cell::Number(scaling))
            if matches!(scaling.stored, DataType::U8 | DataType::I16 | DataType::I32) =>
        {
            (Packing::Rice { size: scaling.stored.size() }, GZIP_LEVEL)
        }
        _ => return None,
    };
    Some(Packer { packing, level })
}

fn exactly(column: &Column, algorithm: Algorithm) -> Result<Packer> {
    check(algorithm)?;
    match suited(column, algorithm) {
        Some(packer) if packer.packing.name() == algorithm.name() => Ok(packer),
        _ => Err(Error::argument(format!(
            "{} does not pack what the column holds: RICE_1 is for integers of 8, 16 and 32 bits, GZIP_2 for real numbers of 16 bits and more, GZIP_1 for \
             everything",
            algorithm.name()
        ))),
    }
}

/// Whether tables are packed with it at all.
fn check(algorithm: Algorithm) -> Result<()> {
    algorithm.check()?;
    match algorithm {
        Algorithm::Rice1 { block_size } if block_size != RICE_BLOCK => Err(Error::argument(format!(
            "blocksize {block_size}: the headers of compressed tables have no place for another than {RICE_BLOCK}"
        ))),
        Algorithm::Gzip1 { .. } | Algorithm::Gzip2 { .. } | Algorithm::Rice1 { .. } => Ok(()),
        other => Err(Error::argument(format!(
            "{} packs images: tables are packed with RICE_1, GZIP_1 and GZIP_2",
            other.name()
        ))),
    }
}
