use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::whole::Gunzipped;
use super::{GunzipStream, gunzip_whole};
use crate::{ErrorKind, Result};

const NO_LIMIT: u64 = u64::MAX;

/// Bytes that compress a little, the same ones for the same seed.
fn sample(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 27) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn in_chunks(input: &[u8], size: usize, max_bytes: u64) -> Result<Gunzipped> {
    let (mut stream, mut bytes) = (GunzipStream::new(max_bytes), Vec::new());
    for chunk in input.chunks(size) {
        stream.push(chunk, &mut bytes)?;
    }
    let warning = stream.finish()?;
    Ok(Gunzipped { bytes, warning })
}

/// Decodes whole and in chunks of several sizes, which all have to agree.
fn gunzip_every_way(input: &[u8], max_bytes: u64) -> Result<Gunzipped> {
    let whole = gunzip_whole(input, max_bytes, None);
    for size in [1, 7, 1000, input.len().max(1)] {
        match (&whole, in_chunks(input, size, max_bytes)) {
            (Ok(whole), Ok(chunked)) => {
                assert!(whole.bytes == chunked.bytes, "chunks of {size} differ");
                assert_eq!(whole.warning, chunked.warning);
            }
            (Err(whole), Err(chunked)) => assert_eq!(whole.kind(), chunked.kind(), "{whole} / {chunked}"),
            (whole, chunked) => panic!("whole: {:?}, chunks of {size}: {:?}", whole.is_ok(), chunked.is_ok()),
        }
    }
    whole
}

#[test]
fn one_member_of_any_size() {
    for size in [0, 1, 2880, 70_000, 1_500_000] {
        let data = sample(size, 1);
        let result = gunzip_every_way(&gzip(&data), NO_LIMIT).unwrap();
        assert!(result.bytes == data && result.warning.is_none(), "{size}");
    }
}

#[test]
fn very_compressible_and_incompressible_data() {
    let zeros = vec![0; 3 << 20];
    assert!(gunzip_every_way(&gzip(&zeros), NO_LIMIT).unwrap().bytes == zeros);
    let noise: Vec<u8> =
        sample(400_000, 3).chunks(4).map(|c| c.iter().fold(0, |sum: u8, b| sum.wrapping_mul(37) ^ b)).collect();
    let mut stored = GzEncoder::new(Vec::new(), Compression::none());
    stored.write_all(&noise).unwrap();
    assert!(gunzip_every_way(&stored.finish().unwrap(), NO_LIMIT).unwrap().bytes == noise);
}

#[test]
fn all_members_are_decoded() {
    let parts = [sample(5000, 1), Vec::new(), sample(5000, 1), sample(90_000, 2), Vec::new()];
    let packed: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
    assert!(gunzip_every_way(&packed, NO_LIMIT).unwrap().bytes == parts.concat());
}

#[test]
fn two_equal_members_are_both_decoded() {
    let data = sample(50_000, 9);
    let twice = [gzip(&data), gzip(&data)].concat();
    assert!(gunzip_every_way(&twice, NO_LIMIT).unwrap().bytes == [data.as_slice(), &data].concat());
}

#[test]
fn zero_bytes_behind_are_tolerated() {
    let data = sample(5000, 1);
    for zeros in [1, 512, 100_000] {
        let mut padded = gzip(&data);
        padded.resize(padded.len() + zeros, 0);
        let result = gunzip_every_way(&padded, NO_LIMIT).unwrap();
        assert!(result.bytes == data && result.warning.is_none());
        padded.extend(gzip(b"more"));
        assert!(gunzip_every_way(&padded, NO_LIMIT).unwrap().bytes.ends_with(b"more"));
    }
}

#[test]
fn other_bytes_behind_are_warned_of_and_the_data_kept() {
    let data = sample(5000, 1);
    for junk in [&b"x"[..], b"\0\0\0junk", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x07junk", b"\x1f\x1f\x8b\x08", &[255; 5000]]
    {
        let result = gunzip_every_way(&[gzip(&data).as_slice(), junk].concat(), NO_LIMIT).unwrap();
        assert!(result.bytes == data);
        assert!(result.warning.unwrap().contains("ignored"));
    }
}

#[test]
fn every_truncation_is_an_error() {
    let packed = gzip(&sample(300, 1));
    for cut in 0..packed.len() {
        let error = gunzip_every_way(&packed[..cut], NO_LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{cut}: {error}");
    }
    let two = [packed.as_slice(), &packed].concat();
    for cut in packed.len() + 3..two.len() {
        let error = gunzip_every_way(&two[..cut], NO_LIMIT).unwrap_err();
        assert!(error.kind() == ErrorKind::Truncated && error.to_string().contains("member 2"), "{cut}: {error}");
    }
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let data = sample(300, 1);
    let packed = gzip(&data);
    for at in 0..packed.len() {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x20;
        match gunzip_every_way(&damaged, NO_LIMIT) {
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Truncated), "{at}: {error}"),
            // Time, extra flags and operating system may be anything; the last byte of the data ends in unused bits.
            Ok(result) => {
                assert!(result.bytes == data && ((4..10).contains(&at) || at == packed.len() - 9), "{at}");
            }
        }
    }
}

#[test]
fn wrong_checksum_and_length_say_so() {
    let packed = gzip(&sample(3000, 1));
    for (back, says) in [(8, "checksum"), (4, "length"), (1, "length")] {
        let mut damaged = packed.clone();
        let at = damaged.len() - back;
        damaged[at] ^= 1;
        let error = gunzip_every_way(&damaged, NO_LIMIT).unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(says), "{error}");
    }
    assert_eq!(gunzip_every_way(b"SIMPLE  = T", NO_LIMIT).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(gunzip_every_way(b"\x1f\x8b\x08\xe0\0\0\0\0\0\0", NO_LIMIT).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn every_optional_field_of_the_header() {
    let data = sample(3000, 1);
    let body_and_trailer = gzip(&data).split_off(10);
    for flags in 0..32_u8 {
        let mut packed = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255];
        if flags & 4 != 0 {
            packed.extend([5, 0, b'a', 0, 0x1f, 0x8b, 8]);
        }
        if flags & 8 != 0 {
            packed.extend(b"name.fits\0");
        }
        if flags & 16 != 0 {
            packed.extend(b"a comment\0");
        }
        if flags & 2 != 0 {
            packed.extend((libdeflater::crc32(&packed) as u16).to_le_bytes());
            let mut wrong = packed.clone();
            wrong[4] ^= 1;
            wrong.extend(&body_and_trailer);
            assert_eq!(gunzip_every_way(&wrong, NO_LIMIT).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        for cut in 0..packed.len() {
            assert_eq!(gunzip_every_way(&packed[..cut], NO_LIMIT).unwrap_err().kind(), ErrorKind::Truncated);
        }
        packed.extend(&body_and_trailer);
        assert!(gunzip_every_way(&packed, NO_LIMIT).unwrap().bytes == data, "flags {flags}");
    }
    let mut made =
        GzBuilder::new().filename("x").comment("y").extra(vec![1; 60_000]).write(Vec::new(), Compression::fast());
    made.write_all(&data).unwrap();
    assert!(gunzip_every_way(&made.finish().unwrap(), NO_LIMIT).unwrap().bytes == data);
}

#[test]
fn an_endless_header_is_refused() {
    let mut packed = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0];
    packed.resize(1 << 20, b'x');
    assert_eq!(gunzip_whole(&packed, NO_LIMIT, None).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(in_chunks(&packed, 1000, NO_LIMIT).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn output_is_capped() {
    let packed = gzip(&vec![0; 100_000]);
    assert!(gunzip_every_way(&packed, 100_000).is_ok());
    for limit in [0, 1, 99_999] {
        let error = gunzip_every_way(&packed, limit).unwrap_err();
        assert!(error.kind() == ErrorKind::TooLarge && error.to_string().contains("max_bytes"), "{error}");
    }
    let members = [gzip(&[1; 60]), gzip(&[2; 60])].concat();
    assert!(gunzip_every_way(&members, 120).is_ok());
    assert_eq!(gunzip_every_way(&members, 119).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn a_lie_about_the_length_reserves_nothing() {
    let mut packed = gzip(&sample(3000, 1));
    let at = packed.len() - 4;
    packed[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(gunzip_every_way(&packed, NO_LIMIT).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_failure_stays() {
    let mut stream = GunzipStream::new(NO_LIMIT);
    let mut out = Vec::new();
    assert!(stream.push(b"no gzip", &mut out).is_err());
    assert!(stream.push(&gzip(b"abc"), &mut out).is_err());
    assert!(stream.finish().is_err());
}

#[test]
fn a_chunk_is_decoded_before_the_next_arrives() {
    let data = sample(500_000, 4);
    let packed = gzip(&data);
    let (mut stream, mut out) = (GunzipStream::new(NO_LIMIT), Vec::new());
    stream.push(&packed[..packed.len() / 2], &mut out).unwrap();
    assert!(out.len() > data.len() / 3 && data.starts_with(&out));
}

/// Throughput, to be read and not asserted: `cargo test --release gunzip_speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn gunzip_speed() {
    let data: Vec<u8> = sample(200 << 20, 5).iter().enumerate().map(|(i, b)| if i % 2 == 0 { 0 } else { *b }).collect();
    let packed = gzip(&data);
    let rate = |label: &str, run: &dyn Fn() -> usize| {
        let best = (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                assert_eq!(run(), data.len());
                start.elapsed()
            })
            .min()
            .unwrap();
        println!("{label:32} {:6.0} MB/s", data.len() as f64 / best.as_secs_f64() / 1e6);
    };
    println!("{} -> {}", packed.len(), data.len());
    rate("libdeflate gzip_decompress", &|| {
        let mut out = vec![0; data.len()];
        libdeflater::Decompressor::new().gzip_decompress(&packed, &mut out).unwrap()
    });
    rate("gunzip_whole, one member", &|| gunzip_whole(&packed, NO_LIMIT, None).unwrap().bytes.len());
    rate("flate2 read::MultiGzDecoder", &|| {
        let mut out = Vec::with_capacity(data.len());
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(packed.as_slice()), &mut out).unwrap()
    });
    rate("GunzipStream, 64 KiB chunks", &|| in_chunks(&packed, 64 << 10, NO_LIMIT).unwrap().bytes.len());
    let halves = data.chunks(data.len() / 2).flat_map(gzip).collect::<Vec<u8>>();
    rate("gunzip_whole, two members", &|| gunzip_whole(&halves, NO_LIMIT, None).unwrap().bytes.len());
    let small = data.chunks(60_000).flat_map(gzip).collect::<Vec<u8>>();
    rate("gunzip_whole, small members", &|| gunzip_whole(&small, NO_LIMIT, None).unwrap().bytes.len());
}
