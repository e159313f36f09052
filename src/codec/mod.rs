//! One tile in, one tile out: the compression codecs of FITS 4.0 section 10.
//!
//! A codec is a pure function over the bytes of one tile. It trusts nothing in them: every read and write is bounded,
//! and damage is an error that says what is wrong with the tile; the caller adds which tile it is.

mod bits;
pub(crate) mod gzip;
pub(crate) mod hcompress;
pub(crate) mod noise;
pub(crate) mod plio;
pub(crate) mod quantize;
pub(crate) mod rice;
