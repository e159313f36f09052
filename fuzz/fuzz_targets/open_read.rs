//! Any bytes at all: opened, and everything in them read. Feed it real files as a corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| rustfits_fuzz::read_everything(bytes));
