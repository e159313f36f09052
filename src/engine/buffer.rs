//! The memory of a result: typed, so that a Rust array or a numpy array adopts it without a copy.

use crate::error::Result;
use crate::format::DataType;
use crate::memory;
use crate::source::BufferSize;

macro_rules! buffer {
    ($($variant:ident($type:ty)),*) => {
        /// An array of one of the element types, flat.
        #[derive(Debug)]
        pub enum Buffer {
            $(#[doc = concat!("Elements of type ", stringify!($type), ".")] $variant(Vec<$type>),)*
        }

        impl Buffer {
            /// Elements of the wanted type and number, zeros if `zeroed`, else whatever; an error where memory does not suffice.
            pub(crate) fn allocate(size: BufferSize, zeroed: bool) -> Result<Self> {
                Ok(match size.data_type {
                    $(DataType::$variant if zeroed => Self::$variant(memory::zeroed(size.elements)?),)*
                    $(DataType::$variant => Self::$variant(memory::filled_by_caller(size.elements)?),)*
                })
            }

            /// Gives the memory back, for the next result.
            pub(crate) fn recycle(self) {
                match self {
                    $(Self::$variant(elements) => memory::keep(elements),)*
                }
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

            /// The same elements in memory of their own.
            pub(crate) fn copy(&self) -> Self {
                match self {
                    $(Self::$variant(elements) => Self::$variant(elements.clone()),)*
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_of_the_wanted_size_and_too_large_ones_an_error() {
        let mut buffer = Buffer::allocate(BufferSize { data_type: DataType::F64, elements: 1 << 20 }, true).unwrap();
        assert_eq!(buffer.bytes_mut().len(), 8 << 20);
        assert!(buffer.bytes().iter().all(|&byte| byte == 0));
        assert_eq!(buffer.data_type(), DataType::F64);
        let size = BufferSize { data_type: DataType::U8, elements: usize::MAX / 2 };
        assert!(Buffer::allocate(size, false).unwrap_err().to_string().contains("section"));
    }
}
