//! The result of reading an image: its values in the file's own type, or as the type that is asked for.

use std::sync::Arc;

use crate::directory::HduKey;
use crate::engine::{Buffer, Op};
use crate::error::{Error, ErrorKind, Result};
use crate::file::OpenFile;
use crate::format::{DataType, Element};
use crate::image::ImageRequest;
use crate::image_plan::AnyImagePlan;
use crate::source::{BufferSize, does_not_fit};

/// The values of an image or a section, in the type that the file has them in.
#[derive(Debug)]
pub struct ImageData {
    shape: Vec<usize>,
    values: Buffer,
    mask: Option<Vec<u8>>,
}

impl ImageData {
    /// The shape, slowest axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the values.
    pub fn data_type(&self) -> DataType {
        self.values.data_type()
    }

    /// The values as bytes in native order, slowest axis first.
    pub fn bytes(&self) -> &[u8] {
        self.values.bytes()
    }

    /// The values as bytes that can be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.values.bytes_mut()
    }

    /// For each pixel 1 where it is blank, else 0, if a mask was asked for.
    pub fn mask(&self) -> Option<&[u8]> {
        self.mask.as_deref()
    }

    /// Takes the mask out.
    pub fn take_mask(&mut self) -> Option<Vec<u8>> {
        self.mask.take()
    }

    /// The elements as they are, if they are of this type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        (self.data_type() == T::DATA_TYPE).then(|| bytemuck::cast_slice(self.values.bytes()))
    }

    /// An image that is to be filled by [`ImageData::put`].
    pub(crate) fn unfilled(shape: Vec<usize>, data_type: DataType, masked: bool) -> Result<Self> {
        let elements = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        let elements = elements.ok_or_else(|| Error::too_large("the image is larger than memory"))?;
        let values = Buffer::allocate(BufferSize { data_type, elements }, false)?;
        let mask = if masked {
            Some(Buffer::allocate(BufferSize { data_type: DataType::U8, elements }, false)?.into_bytes())
        } else {
            None
        };
        Ok(Self { shape, values, mask })
    }

    /// Puts the pixels of another image of the same type from pixel number `at` on; returns how many they are.
    pub(crate) fn put(&mut self, at: usize, piece: &Self) -> Result<usize> {
        let size = self.data_type().size();
        let count = piece.bytes().len() / size;
        let place = self.values.bytes_mut().get_mut(at * size..(at + count) * size).ok_or_else(does_not_fit)?;
        place.copy_from_slice(piece.bytes());
        if let (Some(mask), Some(more)) = (&mut self.mask, &piece.mask) {
            mask.get_mut(at..at + count).ok_or_else(does_not_fit)?.copy_from_slice(more);
        }
        Ok(count)
    }

    pub(crate) fn into_buffer(mut self) -> Buffer {
        std::mem::replace(&mut self.values, Buffer::U8(Vec::new()))
    }
}

impl Drop for ImageData {
    fn drop(&mut self) {
        std::mem::replace(&mut self.values, Buffer::U8(Vec::new())).recycle();
    }
}

/// The read of an image as an operation.
pub(crate) fn read_image(file: &Arc<OpenFile>, key: HduKey, request: ImageRequest) -> Op<ImageData> {
    file.read(
        key,
        move |hdu, source| AnyImagePlan::locate(hdu, &request, source),
        |plan, buffers| {
            let mut buffers = buffers.into_iter();
            let values = buffers.next().ok_or_else(|| Error::argument("the read gave no buffer"))?;
            let mask = buffers.next().map(Buffer::into_bytes);
            Ok(ImageData { shape: plan.into_shape(), values, mask })
        },
    )
}

/// Types that the pixels of an image can be read as.
pub trait Pixel: Element {
    #[doc(hidden)]
    fn convert(values: Buffer) -> Result<Vec<Self>>;
}

macro_rules! pixel {
    ($type:ty: $own:ident; $($from:ident),*) => {
        impl Pixel for $type {
            fn convert(values: Buffer) -> Result<Vec<Self>> {
                match values {
                    Buffer::$own(elements) => Ok(elements),
                    $(Buffer::$from(elements) => Ok(elements.into_iter().map(|element| element as $type).collect()),)*
                    #[allow(unreachable_patterns, reason = "the float types take every type")]
                    other => Err(Error::new(
                        ErrorKind::Type,
                        format!(
                            "the values are of type {}, which {} can't hold: read them as {0}, as a float or with read_dyn",
                            other.data_type().code(),
                            stringify!($type),
                        ),
                    )),
                }
            }
        }
    };
}

pixel!(u8: U8;);
pixel!(i8: I8;);
pixel!(i16: I16; U8, I8);
pixel!(u16: U16; U8);
pixel!(i32: I32; U8, I8, I16, U16);
pixel!(u32: U32; U8, U16);
pixel!(i64: I64; U8, I8, I16, U16, I32, U32);
pixel!(u64: U64; U8, U16, U32);
pixel!(f32: F32; U8, I8, I16, U16, I32, U32, I64, U64, F64);
pixel!(f64: F64; U8, I8, I16, U16, I32, U32, I64, U64, F32);
