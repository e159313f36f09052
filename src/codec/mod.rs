//! One tile in, one tile out: the compression codecs of FITS 4.0 section 10.
