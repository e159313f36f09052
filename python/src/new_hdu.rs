//! What a new HDU is made of, from the keywords of the methods that add one.

use pyo3::prelude::*;
use rustfits::{FitsWriter, HduKey, ImageOptions, Op};

use crate::compress::{CompressArgument, QuantizeArgument};
use crate::hdu::Hdu;
use crate::header::CardsArgument;
use crate::keys::lengths;
use crate::numbers::{Whole, extension_version};

/// What a new image is made of, from the keywords of `write_image` and `create_image_hdu`.
pub(crate) fn image_options(
    extname: Option<String>,
    extver: Option<Whole>,
    blank: Option<Whole>,
    header: Option<CardsArgument>,
    before: Option<HduKey>,
    (compress, quantize): (Option<CompressArgument>, Option<QuantizeArgument>),
) -> PyResult<ImageOptions> {
    Ok(ImageOptions {
        name: extname,
        version: extension_version(extver)?,
        blank: blank.map(Whole::clipped),
        header: header.map(|cards| cards.0),
        before,
        compress: compress.map(|compress| compress.0),
        quantize: quantize.map(|quantize| quantize.0),
    })
}

/// The lengths of axes: one number or several.
pub(crate) struct Dims(Vec<usize>);

impl<'py> FromPyObject<'_, 'py> for Dims {
    type Error = PyErr;

    fn extract(dims: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        lengths(&dims).map(Self)
    }
}

impl Dims {
    pub(crate) fn shape(self) -> Vec<usize> {
        self.0
    }
}

/// The operation that copies an HDU into a file.
pub(crate) fn copy_of(writer: &FitsWriter, hdu: &Hdu, before: Option<HduKey>) -> Op<usize> {
    match before {
        Some(before) => writer.copy_hdu_before(&hdu.reader, hdu.info.id(), before),
        None => writer.copy_hdu(&hdu.reader, hdu.info.id()),
    }
}
