//! The memory of a result: typed, so that a Rust array or a numpy array adopts it without a copy.

use bytemuck::Pod;

use crate::error::{Error, Result};
use crate::format::DataType;
use crate::source::BufferSize;

/// From this size on, the memory is asked for in large pages: a page fault for every 2 MiB instead of every 4 KiB.
#[cfg(target_os = "linux")]
const LARGE: usize = 4 << 20;

macro_rules! buffer {
    ($($variant:ident($type:ty)),*) => {
        /// An array of one of the element types, flat.
        #[derive(Debug)]
        pub enum Buffer {
            $(#[doc = concat!("Elements of type ", stringify!($type), ".")] $variant(Vec<$type>),)*
        }

        impl Buffer {
            /// Zeros of the wanted type and number; an error where memory does not suffice.
            pub(crate) fn allocate(size: BufferSize) -> Result<Self> {
                Ok(match size.data_type {
                    $(DataType::$variant => Self::$variant(zeros(size.elements)?),)*
                })
            }

            /// The memory as bytes.
            pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
                match self {
                    $(Self::$variant(elements) => bytemuck::cast_slice_mut(elements),)*
                }
            }

            /// The memory as bytes.
            pub(crate) fn bytes(&self) -> &[u8] {
                match self {
                    $(Self::$variant(elements) => bytemuck::cast_slice(elements),)*
                }
            }

            /// The memory as a vector of bytes; copied unless the elements are bytes.
            pub(crate) fn into_bytes(self) -> Vec<u8> {
                match self {
                    Self::U8(bytes) => bytes,
                    other => other.bytes().to_vec(),
                }
            }

            /// The type of the elements.
            pub(crate) fn data_type(&self) -> DataType {
                match self {
                    $(Self::$variant(_) => DataType::$variant,)*
                }
            }
        }
    };
}

buffer!(U8(u8), I8(i8), I16(i16), U16(u16), I32(i32), U32(u32), I64(i64), U64(u64), F32(f32), F64(f64));

fn zeros<T: Pod>(elements: usize) -> Result<Vec<T>> {
    let zeros = bytemuck::allocation::try_zeroed_slice_box(elements).map_err(|()| {
        let bytes = elements as u128 * size_of::<T>() as u128;
        Error::too_large(format!("the result takes {bytes} bytes, which this machine can't give: read a section of it"))
    })?;
    let mut zeros = zeros.into_vec();
    advise(bytemuck::cast_slice_mut(&mut zeros));
    Ok(zeros)
}

/// Asks for large pages. Advice only: where it is not taken, nothing else changes.
#[cfg(target_os = "linux")]
fn advise(memory: &mut [u8]) {
    const PAGE: usize = 4096;
    if memory.len() < LARGE {
        return;
    }
    let skip = memory.as_ptr().align_offset(PAGE);
    let Some(pages) = memory.get_mut(skip..) else { return };
    let length = pages.len() / PAGE * PAGE;
    // SAFETY: the range lies within memory that we own, and this advice does not change what it holds.
    let _ = unsafe { rustix::mm::madvise(pages.as_mut_ptr().cast(), length, rustix::mm::Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_memory: &mut [u8]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_zero_and_too_large_ones_an_error() {
        let mut buffer = Buffer::allocate(BufferSize { data_type: DataType::F64, elements: 1 << 20 }).unwrap();
        assert_eq!(buffer.bytes_mut().len(), 8 << 20);
        assert!(buffer.bytes().iter().all(|&byte| byte == 0));
        assert_eq!(buffer.data_type(), DataType::F64);
        let size = BufferSize { data_type: DataType::U8, elements: usize::MAX / 2 };
        assert!(Buffer::allocate(size).unwrap_err().to_string().contains("section"));
    }
}
