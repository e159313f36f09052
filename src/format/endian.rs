//! The number types of FITS data and their byte order: big-endian in the file (FITS 4.0 §5), native in memory.

use multiversion::multiversion;

/// The type of the elements of an image or a numeric column, as values in memory.
///
/// # Examples
///
/// ```
/// use rustfits::DataType;
///
/// assert_eq!(DataType::F32.size(), 4);
/// assert_eq!(DataType::U16.code(), "u2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// 8-bit unsigned integer, BITPIX 8.
    U8,
    /// 8-bit signed integer, BITPIX 8 with BZERO -128.
    I8,
    /// 16-bit signed integer, BITPIX 16.
    I16,
    /// 16-bit unsigned integer, BITPIX 16 with BZERO 32768.
    U16,
    /// 32-bit signed integer, BITPIX 32.
    I32,
    /// 32-bit unsigned integer, BITPIX 32 with BZERO 2147483648.
    U32,
    /// 64-bit signed integer, BITPIX 64.
    I64,
    /// 64-bit unsigned integer, BITPIX 64 with BZERO 9223372036854775808.
    U64,
    /// 32-bit floating point, BITPIX -32.
    F32,
    /// 64-bit floating point, BITPIX -64.
    F64,
}

impl DataType {
    /// The size of one element in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// numpy's code for the type, such as `f4`.
    pub fn code(self) -> &'static str {
        match self {
            Self::U8 => "u1",
            Self::I8 => "i1",
            Self::I16 => "i2",
            Self::U16 => "u2",
            Self::I32 => "i4",
            Self::U32 => "u4",
            Self::I64 => "i8",
            Self::U64 => "u8",
            Self::F32 => "f4",
            Self::F64 => "f8",
        }
    }

    /// The type that a numpy code of native byte order names.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::U8, Self::I8, Self::I16, Self::U16, Self::I32, Self::U32, Self::I64, Self::U64, Self::F32, Self::F64]
            .into_iter()
            .find(|data_type| data_type.code() == code)
    }

    /// The type that a BITPIX value names (§4.4.1.1, Table 8).
    pub(crate) fn from_bitpix(bitpix: i64) -> Option<Self> {
        Some(match bitpix {
            8 => Self::U8,
            16 => Self::I16,
            32 => Self::I32,
            64 => Self::I64,
            -32 => Self::F32,
            -64 => Self::F64,
            _ => return None,
        })
    }

    /// BITPIX of the type as stored; unsigned types and `I8` are stored with a BZERO.
    pub(crate) fn bitpix(self) -> i64 {
        match self {
            Self::F32 => -32,
            Self::F64 => -64,
            other => 8 * other.size() as i64,
        }
    }

    /// The BZERO with which the type is stored (§5.3), 0 for those that are stored as they are.
    pub(crate) fn bzero(self) -> &'static str {
        match self {
            Self::I8 => "-128",
            Self::U16 => "32768",
            Self::U32 => "2147483648",
            Self::U64 => "9223372036854775808",
            _ => "0",
        }
    }

    /// The type whose values are this one's shifted by half the range: signed for unsigned and the other way round.
    pub(crate) fn shifted(self) -> Option<Self> {
        Some(match self {
            Self::U8 => Self::I8,
            Self::I8 => Self::U8,
            Self::I16 => Self::U16,
            Self::U16 => Self::I16,
            Self::I32 => Self::U32,
            Self::U32 => Self::I32,
            Self::I64 => Self::U64,
            Self::U64 => Self::I64,
            Self::F32 | Self::F64 => return None,
        })
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// Rust types that can hold the elements of an image or column.
pub trait Element: bytemuck::Pod + Send + Sync + Default + sealed::Sealed {
    /// The matching [`DataType`].
    const DATA_TYPE: DataType;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($($type:ty => $data_type:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DATA_TYPE: DataType = DataType::$data_type;
        }
    )*};
}

element!(u8 => U8, i8 => I8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64, u64 => U64, f32 => F32, f64 => F64);

/// A number as it is stored: read from and written to big-endian bytes.
pub(crate) trait Number: Copy {
    /// Reads the number from its big-endian bytes; too few bytes read as zero.
    fn from_big_endian(bytes: &[u8]) -> Self;
    /// The number as `f64`, rounded where it has more digits.
    fn to_f64(self) -> f64;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            #[inline(always)]
            fn from_big_endian(bytes: &[u8]) -> Self {
                bytes.try_into().map(<$type>::from_be_bytes).unwrap_or_default()
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

number!(u8, i16, i32, i64, f32, f64);

macro_rules! swap_kernels {
    ($copy:ident, $in_place:ident, $type:ty) => {
        /// Copies big-endian elements to native ones, each combined with `flip` by exclusive or.
        #[multiversion(targets("x86_64+avx2", "x86_64+ssse3"))]
        fn $copy(input: &[u8], output: &mut [u8], flip: $type) {
            const SIZE: usize = size_of::<$type>();
            for (from, to) in input.as_chunks::<SIZE>().0.iter().zip(output.as_chunks_mut::<SIZE>().0) {
                *to = (<$type>::from_be_bytes(*from) ^ flip).to_ne_bytes();
            }
        }

        /// Turns big-endian elements into native ones where they are.
        #[multiversion(targets("x86_64+avx2", "x86_64+ssse3"))]
        fn $in_place(data: &mut [u8], flip: $type) {
            const SIZE: usize = size_of::<$type>();
            for element in data.as_chunks_mut::<SIZE>().0 {
                *element = (<$type>::from_be_bytes(*element) ^ flip).to_ne_bytes();
            }
        }
    };
}

swap_kernels!(swap_copy_1, swap_in_place_1, u8);
swap_kernels!(swap_copy_2, swap_in_place_2, u16);
swap_kernels!(swap_copy_4, swap_in_place_4, u32);
swap_kernels!(swap_copy_8, swap_in_place_8, u64);

/// Copies elements of `size` bytes and turns their byte order; with `flip`, also the top bit, which is the same as adding half the range.
/// Sizes other than 1, 2, 4, 8 are copied as they are.
pub(crate) fn swap_copy(size: usize, flip: bool, input: &[u8], output: &mut [u8]) {
    match size {
        1 if flip => swap_copy_1(input, output, 1 << 7),
        2 => swap_copy_2(input, output, if flip { 1 << 15 } else { 0 }),
        4 => swap_copy_4(input, output, if flip { 1 << 31 } else { 0 }),
        8 => swap_copy_8(input, output, if flip { 1 << 63 } else { 0 }),
        _ => {
            let length = input.len().min(output.len());
            if let (Some(from), Some(to)) = (input.get(..length), output.get_mut(..length)) {
                to.copy_from_slice(from);
            }
        }
    }
}

/// As [`swap_copy`], in place.
pub(crate) fn swap_in_place(size: usize, flip: bool, data: &mut [u8]) {
    match size {
        1 if flip => swap_in_place_1(data, 1 << 7),
        2 => swap_in_place_2(data, if flip { 1 << 15 } else { 0 }),
        4 => swap_in_place_4(data, if flip { 1 << 31 } else { 0 }),
        8 => swap_in_place_8(data, if flip { 1 << 63 } else { 0 }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_twice_gives_the_bytes_back() {
        let data: Vec<u8> = (0..=255).collect();
        for size in [1, 2, 4, 8] {
            for flip in [false, true] {
                let mut copy = vec![0; data.len()];
                swap_copy(size, flip, &data, &mut copy);
                let mut in_place = data.clone();
                swap_in_place(size, flip, &mut in_place);
                assert_eq!(copy, in_place);
                swap_in_place(size, false, &mut in_place);
                let top = if flip { 0x80 } else { 0 };
                assert_eq!(
                    in_place[size - 1] ^ if cfg!(target_endian = "little") { 0 } else { top },
                    data[size - 1] ^ if size == 1 { top } else { 0 }
                );
            }
        }
        let mut output = [0; 2];
        swap_copy(2, true, &[0x80, 0x01], &mut output);
        assert_eq!(u16::from_ne_bytes(output), 1);
    }
}
