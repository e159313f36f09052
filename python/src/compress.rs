//! What stands behind `compress=` and `quantize=`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};
use rustfits::{Algorithm, Compression, Dithering, HduInfo, HeapFormat, Quantize, TableCompression};

use crate::error::OrRaise;
use crate::numbers::{Number, Whole};

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
            Algorithm::Rice1 { block_size } => {
                *block_size = field::<Whole>(&compress, "blocksize")?.within("blocksize", 1..=usize::MAX)?;
            }
            Algorithm::Gzip1 { level } | Algorithm::Gzip2 { level } => {
                *level = field::<Whole>(&compress, "level")?.within("level", 0..=u8::MAX)?;
            }
            Algorithm::Hcompress1 { scale, smooth } => {
                *scale = field::<Number>(&compress, "scale")?.0;
                *smooth = field(&compress, "smooth")?;
            }
            _ => {}
        }
        compression.algorithm.check().or_raise()?;
        if !tile_shape.is_none() {
            let lengths = field::<Vec<Whole>>(&compress, "tile_shape")?;
            let lengths = lengths.into_iter().map(|length| length.within("tile_shape", 1..=usize::MAX));
            compression.tile_shape = Some(lengths.collect::<PyResult<_>>()?);
        }
        compression.heap_format = match field::<Option<String>>(&compress, "heap_format")?.as_deref() {
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
        if !quantize.hasattr("method")? {
            return Err(PyTypeError::new_err("quantize= is a Quantize"));
        }
        let method = match field::<String>(&quantize, "method")?.as_str() {
            "dither1" => Dithering::One,
            "dither2" => Dithering::Two,
            "no_dither" => Dithering::None,
            other => {
                let message = format!("method '{other}' is not one of 'dither1', 'dither2', 'no_dither'");
                return Err(PyValueError::new_err(message));
            }
        };
        let Number(level) = field(&quantize, "level")?;
        let seed = field::<Whole>(&quantize, "seed")?.within("seed", 0..=u16::MAX)?;
        let quantize = Quantize { level, method, seed };
        quantize.check().or_raise()?;
        Ok(Self(quantize))
    }
}

/// A field of an instance, by whose name an error is.
fn field<'py, T>(of: &Bound<'py, PyAny>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    of.getattr(name)?.extract().map_err(|error: PyErr| {
        let message = format!("{name}: {}", error.value(of.py()));
        if error.is_instance_of::<PyTypeError>(of.py()) { PyTypeError::new_err(message) } else { error }
    })
}

/// Refuses an instance of a compression, or a `Quantize`, whose fields are none that are accepted.
#[pyfunction]
pub(crate) fn check_compression(fields: &Bound<'_, PyAny>) -> PyResult<()> {
    if fields.hasattr("method")? {
        return fields.extract().map(|QuantizeArgument(_)| ());
    }
    fields.extract().map(|CompressArgument(_)| ())
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
    ztilelen: Option<Whole>,
) -> PyResult<Option<TableCompression>> {
    let table = compress.and_then(|compress| compress.0);
    let Some(rows) = ztilelen else { return Ok(table) };
    let Some(table) = table else {
        return Err(PyValueError::new_err("ztilelen= is for compressed tables: give compress= too"));
    };
    let tile_rows = Some(rows.within("ztilelen", 1..=i64::MAX as u64)?);
    Ok(Some(TableCompression { tile_rows, ..table }))
}
