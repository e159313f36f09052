//! A read of an image, whichever way the image is stored.

use std::ops::Range;

use crate::directory::HduEntry;
use crate::error::Result;
use crate::format::HduKind;
use crate::image::{ImagePlan, ImageRequest, ImageShape};
use crate::source::{BufferSize, ReadAt, ReadPlan};
use crate::tiled::{TiledImage, TiledPlan};

/// A read of a plain or of a compressed image.
#[derive(Debug)]
pub(crate) enum AnyImagePlan {
    Plain(ImagePlan),
    Tiled(TiledPlan),
}

impl AnyImagePlan {
    /// Plans a read of the HDU.
    pub(crate) fn locate(hdu: &HduEntry, request: &ImageRequest, source: &dyn ReadAt) -> Result<Self> {
        if hdu.layout.kind == HduKind::CompressedImage {
            TiledPlan::locate(hdu, request, source).map(Self::Tiled)
        } else {
            ImagePlan::locate(hdu, request, source).map(Self::Plain)
        }
    }

    /// The shape of the result, slowest axis first.
    pub(crate) fn into_shape(self) -> Vec<usize> {
        match self {
            Self::Plain(plan) => plan.shape,
            Self::Tiled(plan) => plan.shape,
        }
    }

    fn plan(&self) -> &dyn ReadPlan {
        match self {
            Self::Plain(plan) => plan,
            Self::Tiled(plan) => plan,
        }
    }
}

impl ReadPlan for AnyImagePlan {
    fn buffers(&self) -> Vec<BufferSize> {
        self.plan().buffers()
    }

    fn len(&self) -> usize {
        self.plan().len()
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        self.plan().ranges(index)
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        self.plan().output_sizes(index)
    }

    fn scattered(&self) -> bool {
        self.plan().scattered()
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        self.plan().decode(index, source, outputs)
    }

    fn place(&self, index: usize, pieces: &[&mut [u8]], buffers: &mut [&mut [u8]]) -> Result<()> {
        self.plan().place(index, pieces, buffers)
    }
}

/// The shape and type of an image, whichever way it is stored; `unscaled`: of its stored values, whatever BSCALE and BZERO are.
pub(crate) fn image_shape(hdu: &HduEntry, unscaled: bool) -> Result<ImageShape> {
    if hdu.layout.kind == HduKind::CompressedImage {
        let image = TiledImage::new(hdu, unscaled)?;
        Ok(ImageShape { shape: image.shape().to_vec(), scaling: image.scaling() })
    } else {
        ImageShape::new(hdu, unscaled)
    }
}
