//! Tiles compressed with GZIP_1 and GZIP_2 (FITS 4.0 section 10.4.2): gzip, and bytes sorted by significance.

use std::cell::RefCell;
use std::io::Read;

use flate2::bufread::GzDecoder;
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};

use crate::error::{Error, Result};

/// What every gzip member starts with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The most bytes that gzip makes of one: 258 of two bits.
pub(crate) const EXPANSION: u64 = 1032;

/// How many pixels are put in order at a time: few enough for the processor's fastest cache.
const RUN: usize = 256;

thread_local! {
    /// Kept from tile to tile, as its tables are allocated with it.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    static COMPRESSOR: RefCell<Option<(u8, Compressor)>> = const { RefCell::new(None) };
}

/// Appends the bytes as one gzip member to `output`; `level` is from 1, the fastest, to [`HIGHEST_GZIP_LEVEL`](crate::compression::HIGHEST_GZIP_LEVEL).
pub(crate) fn encode(bytes: &[u8], level: u8, output: &mut Vec<u8>) -> Result<()> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let fresh = kept.take().filter(|(kept, _)| *kept == level).map_or_else(
            || {
                let level = CompressionLvl::new(level.into());
                level.map(Compressor::new).map_err(|_| Error::argument("the level of gzip is from 1 to 12"))
            },
            |(_, compressor)| Ok(compressor),
        );
        let (_, compressor) = kept.insert((level, fresh?));
        let start = output.len();
        output.resize(start.saturating_add(compressor.gzip_compress_bound(bytes.len())), 0);
        let packed = compressor.gzip_compress(bytes, output.get_mut(start..).unwrap_or_default());
        let packed = packed.map_err(|_| Error::too_large("the tile is too large for gzip"))?;
        output.truncate(start.saturating_add(packed));
        Ok(())
    })
}

/// Sorts the bytes of pixels of `width` bytes by significance: the way back of [`unshuffle`].
pub(crate) fn shuffle(width: usize, input: &[u8], output: &mut [u8]) {
    let planes = output.chunks_exact_mut((input.len() / width.max(1)).max(1));
    match width {
        2 => shuffle_planes(input.as_chunks::<2>().0, planes),
        4 => shuffle_planes(input.as_chunks::<4>().0, planes),
        8 => shuffle_planes(input.as_chunks::<8>().0, planes),
        _ => output.copy_from_slice(input),
    }
}

fn shuffle_planes<'a, const WIDTH: usize>(pixels: &[[u8; WIDTH]], planes: impl Iterator<Item = &'a mut [u8]>) {
    for (position, plane) in planes.enumerate().take(WIDTH) {
        for (byte, pixel) in plane.iter_mut().zip(pixels) {
            *byte = pixel.get(position).copied().unwrap_or_default();
        }
    }
}

/// Decodes gzip data into `output` and returns how many bytes they are: fewer than `output` has room for is the caller's
/// to judge, more is an error. Bytes after the gzip data are ignored.
pub(crate) fn decode(input: &[u8], output: &mut [u8]) -> Result<usize> {
    if !input.starts_with(&MAGIC) {
        return Err(Error::corrupt(format!("the {} bytes of the tile are not gzip data", input.len())));
    }
    match DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.gzip_decompress(input, output)) {
        Ok(decoded) if decoded == output.len() => Ok(decoded),
        // That was the first member. Where it ends isn't told, so look for others from the start; this is rare.
        Ok(_) => decode_members(input, output),
        Err(DecompressionError::InsufficientSpace) => Err(too_long(output.len())),
        Err(DecompressionError::BadData) => Err(Error::corrupt("the gzip data of the tile are damaged or cut short")),
    }
}

/// Decodes all gzip members that follow one another.
fn decode_members(mut input: &[u8], output: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while input.starts_with(&MAGIC) {
        let mut member = GzDecoder::new(&mut input);
        loop {
            // One byte of room beyond the output shows whether there is more than it takes.
            let mut surplus = [0];
            let is_full = filled == output.len();
            let room = if is_full { &mut surplus[..] } else { output.get_mut(filled..).unwrap_or_default() };
            match member.read(room) {
                Ok(0) => break,
                Ok(_) if is_full => return Err(too_long(output.len())),
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) => return Err(Error::corrupt(format!("the gzip data of the tile are damaged: {error}"))),
            }
        }
    }
    Ok(filled)
}

fn too_long(expected: usize) -> Error {
    Error::corrupt(format!("the gzip data of the tile decode to more than the {expected} bytes that the tile takes"))
}

/// Puts the bytes of pixels of `width` bytes in order. In `input` the most significant bytes of all pixels come first,
/// then the second ones, and so on; in `output` each pixel is one big-endian number.
pub(crate) fn unshuffle(width: usize, input: &[u8], output: &mut [u8]) -> Result<()> {
    if width == 0 || input.len() != output.len() || !input.len().is_multiple_of(width) {
        return Err(Error::corrupt(format!(
            "{} bytes sorted by significance can't be {} bytes of pixels of {width} bytes",
            input.len(),
            output.len()
        )));
    }
    match width {
        1 => output.copy_from_slice(input),
        2 => {
            let (high, low) = input.split_at(input.len() / 2);
            pair(high, low, output.as_chunks_mut().0);
        }
        4 => interleave_4(input, output),
        8 => interleave_8(input, output),
        _ => interleave_any(width, input, output),
    }
    Ok(())
}

/// Pairs each item of one slice with that of the other. The compiler turns this loop into one over many at a time, which
/// it doesn't do with loops over 4 or 8 slices: hence wider pixels are made of pairs of pairs.
fn pair<T: Copy>(first: &[T], second: &[T], pairs: &mut [[T; 2]]) {
    for ((pair, first), second) in pairs.iter_mut().zip(first).zip(second) {
        *pair = [*first, *second];
    }
}

fn interleave_4(input: &[u8], output: &mut [u8]) {
    let pixels = output.as_chunks_mut().0.as_chunks_mut().0;
    for (index, run) in pixels.chunks_mut(RUN).enumerate() {
        interleave_run(input, index * RUN, run);
    }
}

fn interleave_8(input: &[u8], output: &mut [u8]) {
    let (high, low) = input.split_at(input.len() / 2);
    let (mut high_run, mut low_run) = ([[[0; 2]; 2]; RUN], [[[0; 2]; 2]; RUN]);
    let pixels = output.as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0;
    for (index, run) in pixels.chunks_mut(RUN).enumerate() {
        interleave_run(high, index * RUN, &mut high_run);
        interleave_run(low, index * RUN, &mut low_run);
        pair(&high_run, &low_run, run);
    }
}

/// Puts the bytes of at most [`RUN`] pixels of 4 bytes in order, those from pixel `start` on.
fn interleave_run(planes: &[u8], start: usize, run: &mut [[[u8; 2]; 2]]) {
    // A plane has no end here: what is paired beyond the run's length isn't used.
    let plane = |number: usize| planes.get(planes.len() / 4 * number + start..).unwrap_or_default();
    let (mut high, mut low) = ([[0; 2]; RUN], [[0; 2]; RUN]);
    pair(plane(0), plane(1), &mut high);
    pair(plane(2), plane(3), &mut low);
    pair(&high, &low, run);
}

/// Takes from every plane of bytes one for each pixel.
fn interleave_any(width: usize, input: &[u8], output: &mut [u8]) {
    let pixels = (output.len() / width).max(1);
    for (position, plane) in input.chunks_exact(pixels).enumerate() {
        for (byte, target) in plane.iter().zip(output.iter_mut().skip(position).step_by(width)) {
            *target = *byte;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn sorted(width: usize, pixels: &[u8]) -> Vec<u8> {
        (0..width).flat_map(|position| pixels.iter().skip(position).step_by(width)).copied().collect()
    }

    proptest! {
        #[test]
        fn shuffled_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..9000), width in 1..17_usize) {
            let pixels = &bytes[..bytes.len() / width * width];
            let mut output = vec![0; pixels.len()];
            unshuffle(width, &sorted(width, pixels), &mut output).unwrap();
            prop_assert_eq!(output, pixels);
        }

        #[test]
        fn what_is_packed_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..9000), level in 1..=12_u8) {
            for width in [1, 2, 4, 8] {
                let pixels = &bytes[..bytes.len() / width * width];
                let mut shuffled = vec![0; pixels.len()];
                shuffle(width, pixels, &mut shuffled);
                prop_assert_eq!(&shuffled, &sorted(width, pixels));
                let mut packed = vec![7];
                encode(&shuffled, level, &mut packed).unwrap();
                let mut output = vec![0; pixels.len()];
                prop_assert_eq!(decode(&packed[1..], &mut output).unwrap(), pixels.len());
                prop_assert_eq!(output, shuffled);
            }
        }

        #[test]
        fn any_bytes_are_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..400), room in 0..300_usize) {
            let _ = decode(&bytes, &mut vec![0; room]);
            bytes.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
            let _ = decode(&bytes, &mut vec![0; room]);
        }
    }

    #[test]
    fn lengths_that_disagree_are_errors() {
        assert!(unshuffle(0, &[], &mut []).is_err());
        assert!(unshuffle(2, &[1, 2, 3], &mut [0; 3]).is_err());
        assert!(unshuffle(2, &[1, 2], &mut [0; 4]).is_err());
    }

    #[test]
    fn members_are_joined_and_what_follows_is_ignored() {
        let input = [gzip(b"one "), gzip(b""), gzip(b"two"), vec![0; 5]].concat();
        let mut output = [0; 9];
        assert_eq!(decode(&input, &mut output).unwrap(), 7);
        assert_eq!(&output[..7], b"one two");
        assert_eq!(decode(&input, &mut output[..7]).unwrap(), 7);
        let input = [gzip(b"one"), b"junk".to_vec()].concat();
        assert_eq!(decode(&input, &mut output[..3]).unwrap(), 3);
        assert_eq!(decode(&input, &mut output).unwrap(), 3);
    }

    #[test]
    fn too_much_and_damage_are_errors() {
        let input = gzip(b"seventeen letters");
        for room in 0..17 {
            let error = decode(&input, &mut vec![0; room]).unwrap_err();
            assert!(error.to_string().contains(&format!("more than the {room} bytes")), "{error}");
        }
        let two = [input.clone(), input.clone()].concat();
        assert!(decode(&two, &mut [0; 20]).unwrap_err().to_string().contains("more than the 20 bytes"));
        for length in 0..input.len() {
            assert_eq!(decode(&input[..length], &mut [0; 17]).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        for length in input.len() + 2..two.len() {
            assert_eq!(decode(&two[..length], &mut [0; 34]).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    /// Tiles as CFITSIO 4 wrote them, of the squares of 0 to 11 less 300 in 16 bits.
    #[test]
    fn tiles_of_other_software_decode() {
        let expected: Vec<u8> = (0..12_i16).flat_map(|index| (index * index - 300).to_be_bytes()).collect();
        let gzip_1 = [
            31, 139, 8, 0, 0, 0, 0, 0, 4, 3, 1, 24, 0, 231, 255, 254, 212, 254, 213, 254, 216, 254, 221, 254, 228, 254,
            237, 254, 248, 255, 5, 255, 20, 255, 37, 255, 56, 255, 77, 239, 19, 6, 203, 24, 0, 0, 0,
        ];
        let mut output = [0; 24];
        assert_eq!(decode(&gzip_1, &mut output).unwrap(), 24);
        assert_eq!(output, *expected);

        let gzip_2 = [
            31, 139, 8, 0, 0, 0, 0, 0, 4, 3, 251, 247, 15, 12, 254, 131, 192, 149, 171, 55, 238, 62, 121, 251, 131, 85,
            68, 213, 194, 23, 0, 145, 84, 29, 241, 24, 0, 0, 0,
        ];
        let mut shuffled = [0; 24];
        assert_eq!(decode(&gzip_2, &mut shuffled).unwrap(), 24);
        unshuffle(2, &shuffled, &mut output).unwrap();
        assert_eq!(output, *expected);
    }
}
