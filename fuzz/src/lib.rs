//! What the fuzz targets share: files around hostile bytes, and a read of everything that a file holds.

use rustfits::{FitsReader, HduKind, OpenOptions};

/// FITS files consist of blocks of this size (§3.1).
const BLOCK: usize = 2880;
const CARD: usize = 80;
/// The most HDUs that one input is asked for.
const MOST_HDUS: usize = 64;

/// Opens the bytes and reads all that is in them, strictly and leniently; errors are fine.
pub fn read_everything(bytes: &[u8]) {
    for lenient in [false, true] {
        let options = OpenOptions { lenient, ..OpenOptions::default() };
        if let Ok(fits) = FitsReader::from_bytes_with(bytes.to_vec(), options).wait() {
            read_hdus(&fits);
        }
    }
}

fn read_hdus(fits: &FitsReader) {
    let Ok(count) = fits.count().wait() else { return };
    for index in 0..count.min(MOST_HDUS) {
        let Ok(hdu) = fits.hdu(index).wait() else { continue };
        for key in hdu.header().keywords() {
            let _ = hdu.header().value(&key);
            let _ = hdu.header().comment(&key);
        }
        let _ = (hdu.name(), hdu.version(), hdu.has_data(), hdu.unit(), hdu.tile_shape(), hdu.units());
        match hdu.kind() {
            HduKind::AsciiTable | HduKind::BinaryTable if hdu.compression().is_err() => {
                let _ = (hdu.fields(), hdu.formats());
                let _ = fits.table(index).read().wait();
                let _ = fits.table(index).masked().read_records().wait();
                let _ = fits.table(index).unscaled().text_as_bytes().read_records().wait();
                let _ = fits.table(index).rows(vec![0, -1, 1]).read_records().wait();
            }
            _ => {
                let _ = hdu.shape();
                let _ = fits.image(index).read_dyn().wait();
                let _ = fits.image(index).unscaled().read_dyn().wait();
            }
        }
    }
}

/// A header of these cards, END behind them, filled up to whole blocks.
pub fn header<C: AsRef<[u8]>>(cards: impl IntoIterator<Item = C>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for card in cards {
        let card = card.as_ref();
        let start = bytes.len();
        bytes.extend_from_slice(&card[..card.len().min(CARD)]);
        bytes.resize(start + CARD, b' ');
    }
    bytes.extend_from_slice(b"END");
    bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
    bytes
}

/// An empty primary HDU and one behind it.
pub fn file_of(cards: &[String], data: &[u8]) -> Vec<u8> {
    let mut file = header(["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]);
    file.extend(header(cards));
    file.extend_from_slice(data);
    file.resize(file.len().next_multiple_of(BLOCK), 0);
    file
}

/// Takes numbers off the front of an input.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    /// A byte; 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, these: &[T]) -> T {
        these[usize::from(self.byte()) % these.len()]
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}
