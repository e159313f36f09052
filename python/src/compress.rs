//! What stands behind `compress=` and `quantize=`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};
use rustfits::{Algorithm, Compression, Dithering, HduInfo, HeapFormat, Quantize, TableCompression};

use crate::error::OrRaise;

/// The name of a compression, or an instance of its class.
pub(crate) struct CompressArgument(pub(crate) Compression);

impl<'py> FromPyObject<'_, 'py> for CompressArgument {
    type Error = PyErr;

    fn extract(compress: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(name) = compress.cast::<PyString>() {
            return name.to_cow()?.parse().or_raise().map(Self);
        }
        let (Ok(name), Ok(tile_shape)) = (compress.getattr("name"), compress.getattr("tile_shape")) else {
            let message = "compress= is the name of a compression, such as 'RICE_1', or an instance of Gzip1, Gzip2, Rice1, Plio1, \
                           Hcompress1 or NoCompress";
            return Err(PyTypeError::new_err(message));
        };
        let mut compression: Compression = name.extract::<String>()?.parse().or_raise()?;
        match &mut compression.algorithm {
            Algorithm::Rice1 { block_size } => *block_size = compress.getattr("blocksize")?.extract()?,
            Algorithm::Gzip1 { level } | Algorithm::Gzip2 { level } => *level = compress.getattr("level")?.extract()?,
            Algorithm::Hcompress1 { scale, smooth } => {
                *scale = compress.getattr("scale")?.extract()?;
                *smooth = compress.getattr("smooth")?.extract()?;
            }
            _ => {}
        }
        compression.tile_shape = tile_shape.extract()?;
        compression.heap_format = match compress.getattr("heap_format")?.extract::<Option<String>>()?.as_deref() {
            None => None,
            Some("P") => Some(HeapFormat::P),
            Some("Q") => Some(HeapFormat::Q),
            Some(other) => return Err(PyValueError::new_err(format!("heap_format '{other}' is not one of 'P', 'Q'"))),
        };
        Ok(Self(compression))
    }
}

/// A `Quantize`.
pub(crate) struct QuantizeArgument(pub(crate) Quantize);

impl<'py> FromPyObject<'_, 'py> for QuantizeArgument {
    type Error = PyErr;

    fn extract(quantize: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let Ok(method) = quantize.getattr("method") else {
            return Err(PyTypeError::new_err("quantize= is a Quantize"));
        };
        let method = match method.extract::<String>()?.as_str() {
            "dither1" => Dithering::One,
            "dither2" => Dithering::Two,
            "no_dither" => Dithering::None,
            other => {
                let message = format!("method '{other}' is not one of 'dither1', 'dither2', 'no_dither'");
                return Err(PyValueError::new_err(message));
            }
        };
        let level = quantize.getattr("level")?.extract()?;
        let seed: i64 = quantize.getattr("seed")?.extract()?;
        let seed =
            u16::try_from(seed).map_err(|_| PyValueError::new_err(format!("seed {seed} is not from 0 to 10000")))?;
        Ok(Self(Quantize { level, method, seed }))
    }
}

/// How an image is compressed, as an instance of the class for it.
pub(crate) fn compression_object<'py>(py: Python<'py>, info: &HduInfo) -> PyResult<Bound<'py, PyAny>> {
    let compression = info.compression_options().or_raise()?;
    let fields = PyDict::new(py);
    match compression.algorithm {
        Algorithm::Rice1 { block_size } => fields.set_item("blocksize", block_size)?,
        Algorithm::Hcompress1 { scale, smooth } => {
            fields.set_item("scale", scale)?;
            fields.set_item("smooth", smooth)?;
        }
        _ => {}
    }
    if let Some(tile_shape) = compression.tile_shape {
        fields.set_item("tile_shape", PyTuple::new(py, tile_shape)?)?;
    }
    let wide = compression.heap_format == Some(HeapFormat::Q);
    fields.set_item("heap_format", if wide { "Q" } else { "P" })?;
    py.import("rustfits._compress")?.getattr("of_file")?.call((compression.algorithm.name(),), Some(&fields))
}

/// How an image is quantized.
pub(crate) fn quantize_object<'py>(py: Python<'py>, info: &HduInfo) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(Quantize { level, method, seed }) = info.quantize_options().or_raise()? else { return Ok(None) };
    let fields = PyDict::new(py);
    fields.set_item("level", level)?;
    fields.set_item("seed", seed)?;
    let method = match method {
        Dithering::None => "no_dither",
        Dithering::One => "dither1",
        Dithering::Two => "dither2",
    };
    fields.set_item("method", method)?;
    py.import("rustfits._compress")?.getattr("Quantize")?.call((), Some(&fields)).map(Some)
}

/// What stands behind `compress=` of a table: True, the name of a compression or an instance of its class, or a dict of those by column.
pub(crate) struct TableCompressArgument(Option<TableCompression>);

impl<'py> FromPyObject<'_, 'py> for TableCompressArgument {
    type Error = PyErr;

    fn extract(compress: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(wanted) = compress.cast::<PyBool>() {
            return Ok(Self(wanted.is_true().then(TableCompression::default)));
        }
        let Ok(columns) = compress.cast::<PyDict>() else {
            let Compression { algorithm, heap_format, .. } = table_compression(&compress)?;
            let whole = TableCompression { algorithm: Some(algorithm), heap_format, ..TableCompression::default() };
            return Ok(Self(Some(whole)));
        };
        let mut table = TableCompression::default();
        for (name, compress) in columns.iter() {
            let usual = compress.is_none() || compress.cast::<PyBool>().is_ok_and(|wanted| wanted.is_true());
            let algorithm = if usual { None } else { Some(table_compression(&compress)?.algorithm) };
            table.columns.push((name.extract()?, algorithm));
        }
        Ok(Self(Some(table)))
    }
}

fn table_compression(compress: &Bound<'_, PyAny>) -> PyResult<Compression> {
    let CompressArgument(compression) = compress.extract()?;
    if compression.tile_shape.is_some() {
        return Err(PyValueError::new_err("tile_shape is for images: the rows of a table's tiles are ztilelen="));
    }
    Ok(compression)
}

/// How a table is compressed; `None` where it is not.
pub(crate) fn table_compress(
    compress: Option<TableCompressArgument>,
    ztilelen: Option<i64>,
) -> PyResult<Option<TableCompression>> {
    let table = compress.and_then(|compress| compress.0);
    let Some(rows) = ztilelen else { return Ok(table) };
    let Some(table) = table else {
        return Err(PyValueError::new_err("ztilelen= is for compressed tables: give compress= too"));
    };
    let rows = u64::try_from(rows).ok().filter(|&rows| rows > 0);
    let rows = rows.ok_or_else(|| PyValueError::new_err("ztilelen= is the number of rows of a tile: at least 1"))?;
    Ok(Some(TableCompression { tile_rows: Some(rows), ..table }))
}
